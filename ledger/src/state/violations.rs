//! A violation is reported, and held against its owner until an appeal is upheld or its epoch ends.

use super::books::Books;
use super::settling::share_of;
use super::{Trust, signers};
use crate::case::{Case, CaseStanding, Offence};
use crate::checkpoint::CosignerEquivocation;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::identity::PublicKey;
use crate::incentive::WHOLE_STAKE_PPM;
use crate::judgement::RejectionReason;
use crate::member::ParticipantId;
use crate::rejected::{Rejected, ViolationRejected};
use crate::violation::{Testimony, Violation, contradiction};
use borsh::BorshSerialize;
use std::cell::Cell;

const EVIDENCE: Domain = Domain::new("evidence");

/// An accepted report.
pub(super) struct Reported(Case);

pub(super) fn check(
    books: &Books,
    violation: &Violation,
    signed: &SignedEntry,
    trust: Trust<'_>,
) -> Result<Reported, Rejected> {
    let (participant, offence, at, evidence) = match violation {
        Violation::Contradiction {
            participant,
            first,
            second,
        } => {
            signers::anyone(books, signed)?;
            let (offence, round) = contradiction(&books.federation, first, second)
                .ok_or(ViolationRejected::NoContradiction)?;
            if round >= books.next_round {
                // Of rounds that never were, there is no end.
                return Err(Rejected::WrongRound {
                    expected: books.next_round.saturating_sub(1),
                    found: round,
                });
            }
            if trust.verifies_inside() {
                check_signatures(books, *participant, [&**first, &**second])?;
            }
            (*participant, offence, round, evidence_hash(violation))
        }
        Violation::Equivocation { proof } => {
            signers::anyone(books, signed)?;
            let proven = equivocation(books, proof)?;
            let [checkpoint, _] = proven.checkpoints();
            if checkpoint.federation != books.federation {
                return Err(ViolationRejected::NoContradiction.into());
            }
            let at = checkpoint.size;
            let evidence = evidence_hash(violation);
            (proven.participant(), Offence::TwoLogs, at, evidence)
        }
        Violation::WrongAnswer {
            participant,
            round,
            evidence,
        } => {
            attested(books, Offence::WrongAnswer, *participant, *round, signed)?;
            (*participant, Offence::WrongAnswer, *round, *evidence)
        }
        Violation::WrongShare {
            participant,
            round,
            evidence,
        } => {
            attested(books, Offence::WrongShare, *participant, *round, signed)?;
            (*participant, Offence::WrongShare, *round, *evidence)
        }
    };
    let same = |case: &&Case| {
        // What a committee says of somebody in one round is held against it once.
        let one = case.offence == offence || (case.offence.is_attested() && offence.is_attested());
        // The number of entries of two logs is anything: of these, one is open at a time.
        let then =
            case.at == at || (offence == Offence::TwoLogs && case.standing == CaseStanding::Open);
        one && then && case.participant == participant
    };
    if let Some(case) = books.economy.cases.iter().find(same) {
        return Err(ViolationRejected::ReportedAlready { case: case.number }.into());
    }
    case(books, participant, offence, at, evidence).map(Reported)
}

/// By at least `threshold` members of the present committee, other than those of the accused's owner; of the
/// round under way or the one published last, and of somebody whose answer or share was judged there. A
/// committee that conspires so takes no more than one case from each.
fn attested(
    books: &Books,
    offence: Offence,
    accused: ParticipantId,
    round: u64,
    signed: &SignedEntry,
) -> Result<(), Rejected> {
    let owner = books
        .members
        .owner_of(accused)
        .ok_or(Rejected::UnknownParticipant {
            participant: accused,
        })?;
    let committee = books.committee().ok_or(ViolationRejected::NoCommittee)?;
    if round == 0 || round > committee.round {
        return Err(Rejected::WrongRound {
            expected: committee.round,
            found: round,
        });
    }
    signers::committee_without(books, committee, owner, signed)?;
    if is_founded(books, offence, accused, round) {
        Ok(())
    } else {
        let participant = accused;
        Err(ViolationRejected::Unfounded { participant, round }.into())
    }
}

/// Whether the judgement of the round has what such an appeal is about.
fn is_founded(books: &Books, offence: Offence, accused: ParticipantId, round: u64) -> bool {
    let Some((opening, judgement)) = books.judged(round) else {
        return false;
    };
    match offence {
        Offence::WrongAnswer => judgement.answers.iter().any(|(seat, _)| {
            let member = opening.seat(*seat);
            member.is_some_and(|member| member.participant == accused)
        }),
        Offence::WrongShare => judgement.rejected.iter().any(|(participant, reason)| {
            *participant == accused && matches!(reason, RejectionReason::BadPair { .. })
        }),
        _ => false,
    }
}

fn check_signatures(
    books: &Books,
    participant: ParticipantId,
    testimonies: [&Testimony; 2],
) -> Result<(), Rejected> {
    let keys = keys_of(books, participant)?;
    let by_one = |key: &&PublicKey| {
        let mut testimonies = testimonies.iter();
        testimonies.all(|testimony| testimony.verify(&books.federation, key))
    };
    if keys.iter().any(|key| by_one(&key)) {
        Ok(())
    } else {
        Err(ViolationRejected::Signature { participant }.into())
    }
}

fn equivocation(books: &Books, proof: &[u8]) -> Result<CosignerEquivocation, Rejected> {
    // The proof names its participant; each of its keys is tried.
    let mut attempt = 0;
    loop {
        let tried_all = Cell::new(true);
        let parsed = CosignerEquivocation::from_bytes(proof, |participant| {
            let keys = keys_of(books, participant).ok()?;
            tried_all.set(attempt >= keys.len());
            keys.get(attempt).copied()
        });
        match parsed {
            Ok(proven) => return Ok(proven),
            Err(_) if tried_all.get() => return Err(ViolationRejected::NoContradiction.into()),
            Err(_) => attempt = attempt.saturating_add(1),
        }
    }
}

/// All keys that a participant ever had.
fn keys_of(books: &Books, participant: ParticipantId) -> Result<Vec<PublicKey>, Rejected> {
    let found = books
        .members
        .participant(participant)
        .ok_or(Rejected::UnknownParticipant { participant })?;
    let mut keys = vec![found.key];
    keys.extend_from_slice(&found.former_keys);
    Ok(keys)
}

fn evidence_hash(violation: &Violation) -> Hash {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = violation.serialize(&mut bytes);
    DomainHasher::new(EVIDENCE).with(&bytes).finish()
}

/// A new case: a part of all the stake that its owner has now, and that other open cases do not take.
///
/// There are so few of these that one who has nothing to lose does not fill the books with them.
fn case(
    books: &Books,
    participant: ParticipantId,
    offence: Offence,
    at: u64,
    evidence: Hash,
) -> Result<Case, Rejected> {
    let owner = books
        .members
        .owner_of(participant)
        .ok_or(Rejected::UnknownParticipant { participant })?;
    let terms = &books.draft.incentive;
    let slashable = books
        .economy
        .account(owner)
        .map_or(0, |account| account.slashable());
    let left = slashable.saturating_sub(books.economy.accused_of(owner));
    if left == 0 {
        return Err(ViolationRejected::NothingLeft { owner }.into());
    }
    let amount = share_of(
        slashable,
        u64::from(terms.slash_ppm),
        u64::from(WHOLE_STAKE_PPM),
    );
    Ok(Case {
        number: u64::try_from(books.economy.cases.len()).map_err(|_| Rejected::Overflow)?,
        participant,
        owner,
        offence,
        at,
        evidence,
        // At least 1 where anything is taken at all: even of little, open cases come to an end of it.
        amount: amount.clamp(u64::from(terms.slash_ppm > 0), left),
        executed_after: books
            .economy
            .pool
            .epoch
            .saturating_add(u64::from(terms.appeal_epochs)),
        standing: CaseStanding::Open,
    })
}

impl Reported {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        books.economy.cases.push(self.0);
        vec![Event::ViolationFound(self.0)]
    }
}

/// Counts the contributions that a judgement rejects by their contributors' fault, and opens a case against
/// those with too many of them.
pub(super) fn count_faults(
    books: &mut Books,
    round: u64,
    at_fault: impl Iterator<Item = ParticipantId>,
) -> Vec<Event> {
    let terms = books.draft.incentive;
    let since = round.saturating_sub(u64::from(terms.rejected_within_rounds));
    let mut events = Vec::new();
    for participant in at_fault {
        let mut too_many = false;
        books.change_conduct(participant, |conduct| {
            conduct.faults.retain(|fault| *fault > since);
            conduct.faults.push(round);
            too_many = conduct.faults.len() >= usize::from(terms.rejected_contributions);
            if too_many {
                // Each is held against it once.
                conduct.faults.clear();
            }
        });
        let offence = Offence::RejectedContributions;
        if too_many && let Ok(case) = case(books, participant, offence, round, [0; 32]) {
            events.extend(Reported(case).carry_out(books));
        }
    }
    events
}
