//! Violations: evidence, cases, appeals, and what is taken.

use crate::world::{COORDINATOR, World, draft, identity};
use unsilo_ledger::{
    AnswerStatement, AppealAuthority, CaseStanding, CloseStatement, CosignerEquivocation, Entry,
    Event, GuardHead, Incentive, Offence, OwnerId, ParticipantId, Rejected, RejectionReason,
    Replica, Statement, Testimony, Violation, ViolationRejected, VoidAuthority, VoidReason,
};

fn contradiction(participant: u32, first: Testimony, second: Testimony) -> Violation {
    Violation::Contradiction {
        participant: ParticipantId(participant),
        first: Box::new(first),
        second: Box::new(second),
    }
}

fn answer(world: &World, member: u32, sealed: u8) -> Testimony {
    let statement = AnswerStatement {
        federation: world.federation(),
        round: 1,
        seat: 1,
        sheet_root: [1; 32],
        sealed: [sealed; 32],
    };
    Testimony {
        signature: statement.sign(&identity(member)),
        statement: Statement::Answer(statement),
    }
}

fn close(world: &World, member: u32, contributions: u8, records: u64) -> Testimony {
    let statement = CloseStatement {
        federation: world.federation(),
        round: 1,
        contributions: [contributions; 32],
        nonce: [3; 32],
        guard: GuardHead {
            records,
            digest: [0; 32],
        },
    };
    let cosignature = statement.sign(1, &identity(member));
    Testimony {
        signature: cosignature.signature,
        statement: Statement::Close(statement),
    }
}

fn entry(world: &World, member: u32, entry: Entry) -> Testimony {
    let signature = entry.sign(&world.federation(), &identity(member)).signature;
    Testimony {
        statement: Statement::Entry(entry.to_bytes()),
        signature,
    }
}

fn contribution(root: u8, round: u64) -> Entry {
    Entry::ContributionCommitted {
        round,
        participant: ParticipantId(0),
        root: [root; 32],
        bytes: 1,
    }
}

fn void(authority: VoidAuthority) -> Entry {
    Entry::RoundVoided {
        round: 1,
        reason: VoidReason::Dispute,
        authority,
    }
}

fn report(world: &mut World, violation: Violation, reporter: u32) -> unsilo_ledger::Case {
    let events = world.accept_by(Entry::ViolationReported { violation }, reporter);
    match events[..] {
        [Event::ViolationFound(case)] => case,
        _ => panic!("{events:?}"),
    }
}

fn refused(world: &mut World, violation: Violation, signers: &[u32]) -> Rejected {
    let entry = world.sign(Entry::ViolationReported { violation }, signers);
    world.refuse(entry)
}

#[test]
fn two_statements_of_which_one_may_be_signed_convict() {
    let mut world = World::new(5);
    world.full_round();
    let members = VoidAuthority::Committee;
    let cases = [
        (
            close(&world, 0, 1, 1),
            close(&world, 0, 2, 1),
            Offence::TwoCloses,
        ),
        (
            answer(&world, 0, 1),
            answer(&world, 0, 2),
            Offence::TwoAnswers,
        ),
        (
            world.opening(0, 1, 1),
            world.opening(0, 1, 2),
            Offence::TwoOpenings,
        ),
        (
            world.opening(0, 1, 1),
            entry(&world, 0, void(members)),
            Offence::OpenedAndVoided,
        ),
        (
            entry(&world, 0, contribution(1, 1)),
            entry(&world, 0, contribution(2, 1)),
            Offence::TwoContributions,
        ),
    ];
    for (number, (first, second, offence)) in (0_u64..).zip(cases) {
        let violation = contradiction(0, second, first);
        let case = report(&mut world, violation, 3);
        assert_eq!((case.number, case.offence, case.at), (number, offence, 1));
        assert_eq!((case.owner, case.amount), (OwnerId(0), 100));
        assert_eq!(case.standing, CaseStanding::Open);
    }
}

#[test]
fn statements_that_may_both_be_signed_do_not() {
    let mut world = World::new(5);
    world.full_round();
    let owners = VoidAuthority::Owners { passed_ms: 9 };
    let mut elsewhere = world.opening(0, 1, 2);
    if let Statement::Opening(statement) = &mut elsewhere.statement {
        statement.federation.0 = [0; 32];
        elsewhere.signature = statement.sign(&identity(0));
    }
    let harmless = [
        (world.opening(0, 1, 1), world.opening(0, 1, 1)),
        (world.opening(0, 1, 1), world.opening(0, 2, 2)),
        (world.opening(0, 1, 1), elsewhere),
        (world.opening(0, 1, 1), answer(&world, 0, 1)),
        // The guard's head is not what is cosigned.
        (close(&world, 0, 1, 1), close(&world, 0, 1, 2)),
        (world.opening(0, 1, 1), entry(&world, 0, void(owners))),
        (
            entry(&world, 0, contribution(1, 1)),
            entry(&world, 0, contribution(2, 2)),
        ),
        (
            entry(&world, 0, world.deposit(0, 1)),
            entry(&world, 0, world.deposit(0, 2)),
        ),
    ];
    for (first, second) in harmless {
        assert_eq!(
            refused(&mut world, contradiction(0, first, second), &[3]),
            Rejected::Violation(ViolationRejected::NoContradiction)
        );
    }
    let garbage = Testimony {
        statement: Statement::Entry(vec![1, 2, 3]),
        signature: [0; 64],
    };
    assert_eq!(
        refused(&mut world, contradiction(0, garbage.clone(), garbage), &[3]),
        Rejected::Violation(ViolationRejected::NoContradiction)
    );
}

#[test]
fn nobody_is_convicted_of_what_it_did_not_sign() {
    let mut world = World::new(5);
    world.full_round();
    let one_forged = contradiction(0, world.opening(0, 1, 1), world.opening(1, 1, 2));
    let participant = ParticipantId(0);
    let signature = Rejected::Violation(ViolationRejected::Signature { participant });
    assert_eq!(refused(&mut world, one_forged, &[3]), signature);
    let both_of_another = contradiction(0, world.opening(1, 1, 1), world.opening(1, 1, 2));
    assert_eq!(refused(&mut world, both_of_another, &[3]), signature);
    let mut broken = world.opening(0, 1, 2);
    broken.signature[3] ^= 1;
    let broken = contradiction(0, world.opening(0, 1, 1), broken);
    assert_eq!(refused(&mut world, broken, &[3]), signature);
    let nobody = world.two_openings(77, 1);
    let participant = ParticipantId(77);
    assert_eq!(
        refused(&mut world, nobody, &[3]),
        Rejected::UnknownParticipant { participant }
    );
}

#[test]
fn what_a_former_key_signed_still_convicts() {
    let mut world = World::new(5);
    world.full_round();
    let violation = world.two_openings(0, 1);
    let readmission = world.sign(world.readmission(0, 33), &[1, 2, 3]);
    world.accept(readmission);
    assert_eq!(report(&mut world, violation, 3).owner, OwnerId(0));
}

#[test]
fn one_participant_or_the_coordinator_reports() {
    let mut world = World::new(5);
    world.full_round();
    let violation = world.two_openings(0, 1);
    assert_eq!(
        refused(&mut world, violation.clone(), &[]),
        Rejected::TooFewSigners { have: 0, need: 1 }
    );
    for signers in [&[77][..], &[1, 2]] {
        let rejected = refused(&mut world, violation.clone(), signers);
        assert!(
            matches!(rejected, Rejected::SurplusSignature { .. }),
            "{rejected}"
        );
    }
    report(&mut world, violation, COORDINATOR);
}

#[test]
fn an_offence_is_on_the_books_once() {
    let mut world = World::new(5);
    world.full_round();
    let violation = world.two_openings(0, 1);
    report(&mut world, violation.clone(), 3);
    let again = Rejected::Violation(ViolationRejected::ReportedAlready { case: 0 });
    assert_eq!(refused(&mut world, violation.clone(), &[3]), again);
    let others = contradiction(0, world.opening(0, 1, 4), world.opening(0, 1, 5));
    assert_eq!(refused(&mut world, others, &[3]), again);
    appeal(&mut world, 0);
    assert_eq!(
        refused(&mut world, violation, &[3]),
        again,
        "also after it was cancelled"
    );
    let another = world.two_openings(0, 2);
    assert_eq!(
        refused(&mut world, another.clone(), &[3]),
        Rejected::WrongRound {
            expected: 1,
            found: 2
        },
        "there was no such round yet"
    );
    world.open();
    report(&mut world, another, 3);
}

#[test]
fn open_cases_take_no_more_than_there_is() {
    let mut draft = draft(5);
    draft.incentive.slash_ppm = 400_000;
    let mut world = World::from_draft(draft);
    let mut amounts = vec![];
    for round in 1..=4 {
        world.full_round();
        let violation = world.two_openings(0, round);
        if round < 4 {
            amounts.push(report(&mut world, violation, 3).amount);
        } else {
            assert_eq!(
                refused(&mut world, violation, &[3]),
                Rejected::Violation(ViolationRejected::NothingLeft { owner: OwnerId(0) })
            );
        }
    }
    assert_eq!(amounts, [400, 400, 200]);
}

#[test]
fn cosigning_two_histories_convicts() {
    let mut world = World::new(5);
    let coordinator = identity(COORDINATOR);
    let replica = |log: &[unsilo_ledger::SignedEntry]| {
        let mut replica = Replica::new(coordinator.public(), None);
        replica.append(log, &coordinator).expect("allowed");
        replica
    };
    let mut other = world.clone();
    let one = world.sign(world.admission(8, None), &[0, 1, 2]);
    let two = other.sign(other.admission(9, None), &[0, 1, 2]);
    world.accept(one);
    other.accept(two);
    let cosigned = |world: &World, signer| {
        let replica = replica(&world.log);
        let checkpoint = replica.checkpoint().expect("not empty");
        let cosignature = checkpoint.cosign(ParticipantId(2), &identity(signer), 1_700_000_000);
        (*checkpoint.checkpoint(), cosignature)
    };
    let key = identity(2).public();
    let proof = CosignerEquivocation::new(cosigned(&world, 2), cosigned(&other, 2), &key)
        .expect("two stories");
    let violation = Violation::Equivocation {
        proof: proof.to_bytes(),
    };
    let mut truncated = proof.to_bytes();
    truncated.pop();
    assert_eq!(
        refused(
            &mut world,
            Violation::Equivocation { proof: truncated },
            &[3]
        ),
        Rejected::Violation(ViolationRejected::NoContradiction)
    );
    let case = report(&mut world, violation, 3);
    assert_eq!((case.offence, case.at), (Offence::TwoLogs, 2));
    assert_eq!(case.owner, OwnerId(2));
}

#[test]
fn what_only_members_can_check_the_threshold_of_them_attests() {
    let mut world = World::new(6);
    let wrong_share = |participant, round| Violation::WrongShare {
        participant: ParticipantId(participant),
        round,
        evidence: [7; 32],
    };
    assert_eq!(
        refused(&mut world, wrong_share(0, 1), &[1, 2, 3, 4]),
        Rejected::Violation(ViolationRejected::NoCommittee)
    );
    // The world's seats are five of six owners: round after round until participant 0 sits.
    let round = loop {
        bad_round(&mut world, RejectionReason::BadPair { seat: 1 });
        let record = world.state.history().last().expect("just ended");
        if record.seats.contains(&ParticipantId(0)) {
            break record.round;
        }
    };
    let committee = world.state.history().last().expect("ended").seats.clone();
    let others: Vec<u32> = committee
        .iter()
        .map(|id| id.0)
        .filter(|id| *id != 0)
        .collect();
    let (four, outsider) = (&others[..4], (1..6).find(|id| !others.contains(id)));
    let outsider = outsider.expect("one does not sit");
    assert_eq!(
        refused(&mut world, wrong_share(0, round), &four[..3]),
        Rejected::TooFewSigners { have: 3, need: 4 }
    );
    let mut with_own = four.to_vec();
    with_own.push(0);
    assert_eq!(
        refused(&mut world, wrong_share(0, round), &with_own),
        Rejected::Violation(ViolationRejected::OwnCase { owner: OwnerId(0) })
    );
    for stranger in [COORDINATOR, outsider] {
        let mut signers = four[..3].to_vec();
        signers.push(stranger);
        let rejected = refused(&mut world, wrong_share(0, round), &signers);
        assert!(matches!(rejected, Rejected::SurplusSignature { .. }));
    }
    assert_eq!(
        refused(&mut world, wrong_share(0, round + 1), four),
        Rejected::WrongRound {
            expected: round,
            found: round + 1
        }
    );
    // Of a share that nobody called bad, of an answer that nobody gave, of long ago: nothing.
    let wrong_answer = |participant, round| Violation::WrongAnswer {
        participant: ParticipantId(participant),
        round,
        evidence: [7; 32],
    };
    let unfounded = |participant, round| {
        let participant = ParticipantId(participant);
        Rejected::Violation(ViolationRejected::Unfounded { participant, round })
    };
    assert_eq!(
        refused(&mut world, wrong_share(outsider, round), four),
        unfounded(outsider, round)
    );
    assert_eq!(
        refused(&mut world, wrong_answer(outsider, round), four),
        unfounded(outsider, round)
    );
    if round > 1 {
        assert_eq!(
            refused(&mut world, wrong_share(0, round - 1), four),
            unfounded(0, round - 1)
        );
    }
    let mut other = world.clone();
    for (world, violation, offence) in [
        (&mut world, wrong_share(0, round), Offence::WrongShare),
        (&mut other, wrong_answer(0, round), Offence::WrongAnswer),
    ] {
        let entry = world.sign(Entry::ViolationReported { violation }, four);
        world.accept(entry);
        assert_eq!(world.state.cases().next().expect("one").offence, offence);
        // What a committee says of one in a round is held against it once, whatever it says.
        for again in [wrong_share(0, round), wrong_answer(0, round)] {
            assert_eq!(
                refused(world, again, four),
                Rejected::Violation(ViolationRejected::ReportedAlready { case: 0 })
            );
        }
        // And a committee can take it back.
        let entry = Entry::Appealed {
            case: 0,
            authority: AppealAuthority::Committee,
        };
        let entry = world.sign(entry, four);
        world.accept(entry);
    }
}

#[test]
fn a_minority_with_a_committee_does_not_convict_against_the_other_owners() {
    // 9 of 20 attest; the other 10 besides the accused are more than half of the 19 who judge.
    let mut world = World::new(20);
    world.open();
    let seated = world.seated();
    let accused = *seated.first().expect("seven sit");
    world.contribute(0..20);
    world.close();
    world.judge();
    let violation = Violation::WrongAnswer {
        participant: ParticipantId(accused),
        round: 1,
        evidence: [7; 32],
    };
    let entry = world.sign(Entry::ViolationReported { violation }, &seated[1..6]);
    world.accept(entry);
    let upheld = Entry::Appealed {
        case: 0,
        authority: AppealAuthority::Owners,
    };
    let others: Vec<u32> = (0..20).filter(|id| !seated.contains(id)).take(10).collect();
    let nine = world.sign(upheld.clone(), &others[..9]);
    assert_eq!(
        world.refuse(nine),
        Rejected::TooFewSigners { have: 9, need: 10 }
    );
    let ten = world.sign(upheld, &others);
    world.accept(ten);
}

#[test]
fn the_stake_is_taken_after_one_whole_epoch() {
    let mut world = World::new(5);
    world.full_round();
    let violation = world.two_openings(0, 1);
    let case = report(&mut world, violation, 3);
    assert_eq!((case.amount, case.executed_after), (100, 2));
    let settled = world.epoch(|_, _| 0);
    assert_eq!(settled.slashed, []);
    assert_eq!(world.state.stake(OwnerId(0)), 1_000);
    let settled = world.epoch(|_, _| 0);
    assert_eq!(settled.slashed, [(0, 100)]);
    assert_eq!(world.state.stake(OwnerId(0)), 900);
    assert_eq!(
        world.state.cases().next().expect("one").standing,
        CaseStanding::Executed
    );
    let settled = world.epoch(|_, _| 0);
    assert_eq!(settled.slashed, [], "once");
}

fn appeal(world: &mut World, case: u64) {
    let entry = Entry::Appealed {
        case,
        authority: AppealAuthority::Owners,
    };
    let entry = world.sign(entry, &[1, 2, 3]);
    world.accept(entry);
}

#[test]
fn an_upheld_appeal_cancels_the_case() {
    let mut world = World::new(5);
    world.full_round();
    let violation = world.two_openings(0, 1);
    report(&mut world, violation, 3);
    let upheld = |authority| Entry::Appealed { case: 0, authority };
    let refused = |world: &mut World, authority, signers: &[u32]| {
        let entry = world.sign(upheld(authority), signers);
        world.refuse(entry)
    };
    let own = Rejected::Violation(ViolationRejected::OwnCase { owner: OwnerId(0) });
    let (owners, committee) = (AppealAuthority::Owners, AppealAuthority::Committee);
    assert_eq!(refused(&mut world, owners, &[0, 1, 2]), own);
    // What the accused's own signatures prove, a committee does not cancel.
    let proven = Rejected::Violation(ViolationRejected::Proven { case: 0 });
    assert_eq!(refused(&mut world, committee, &[1, 2, 3, 4]), proven);
    assert_eq!(
        refused(&mut world, owners, &[1, 2]),
        Rejected::TooFewSigners { have: 2, need: 3 }
    );
    let entry = world.sign(upheld(owners), &[1, 2, 3]);
    assert_eq!(world.accept(entry), [Event::Appealed { case: 0 }]);
    assert_eq!(
        refused(&mut world, owners, &[1, 2, 3]),
        Rejected::Violation(ViolationRejected::CaseClosed { case: 0 })
    );
    world.epoch(|_, _| 0);
    world.epoch(|_, _| 0);
    assert_eq!(world.state.stake(OwnerId(0)), 1_000);
    let unknown = Entry::Appealed {
        case: 5,
        authority: owners,
    };
    let unknown = world.sign(unknown, &[1, 2, 3]);
    assert_eq!(
        world.refuse(unknown),
        Rejected::Violation(ViolationRejected::UnknownCase { case: 5 })
    );
}

#[test]
fn withdrawn_stake_does_not_escape() {
    let mut world = World::new(5);
    world.epoch(|_, _| 50);
    world.accept_by(world.deposit(0, 9_000), 0);
    world.epoch(|_, _| 0);
    world.accept_by(world.withdrawal(0, 9_000), 0);
    let violation = world.two_openings(0, 1);
    let case = report(&mut world, violation, 3);
    assert_eq!(case.amount, 1_000, "a tenth of 10,000, withdrawn or not");
    let balance = world.state.balance(OwnerId(0));
    let before = world.epoch(|_, _| 0);
    let settled = world.epoch(|_, _| 0);
    assert_eq!(settled.slashed, [(0, 1_000)]);
    assert_eq!(settled.freed, [(OwnerId(0), 8_000)]);
    let paid = before.outcome.payout[0] + settled.outcome.payout[0];
    assert_eq!(world.state.balance(OwnerId(0)), balance + paid + 8_000);
    assert_eq!(world.account(0).grant, 1_000, "own money goes first");
    assert_eq!(world.state.pool().expect("founded").burned, 1_000);
}

#[test]
fn withdrawn_stake_waits_while_a_case_is_open() {
    let mut draft = draft(5);
    draft.incentive.appeal_epochs = 3;
    let mut world = World::from_draft(draft);
    world.epoch(|_, _| 50);
    world.accept_by(world.deposit(0, 500), 0);
    world.epoch(|_, _| 0);
    world.accept_by(world.withdrawal(0, 500), 0);
    let violation = world.two_openings(0, 1);
    report(&mut world, violation, 3);
    for _ in 0..3 {
        assert_eq!(world.epoch(|_, _| 0).freed, []);
    }
    appeal(&mut world, 0);
    assert_eq!(world.epoch(|_, _| 0).freed, [(OwnerId(0), 500)]);
}

/// A round in which participant 0's contribution is rejected for this reason.
fn bad_round(world: &mut World, reason: RejectionReason) -> Vec<Event> {
    bad_round_of(world, reason, |_| {})
}

/// The same with a change to what is judged.
fn bad_round_of(
    world: &mut World,
    reason: RejectionReason,
    change: impl FnOnce(&mut Entry),
) -> Vec<Event> {
    world.open();
    world.contribute(0..world.state.participants().count() as u32);
    world.close();
    let mut judged = world.judged();
    if let Entry::ContributionsJudged {
        accepted, rejected, ..
    } = &mut judged
    {
        accepted.remove(0);
        rejected.push((ParticipantId(0), reason));
    }
    change(&mut judged);
    let entry = world.sign(judged, &world.seated());
    let events = world.accept(entry);
    world.publish();
    events
}

#[test]
fn a_rejection_is_held_against_nobody_unless_two_answers_could_be_spared() {
    // Of 5/4 one can be spared: two who collude make an honest update look like garbage.
    let mut world = World::new(6);
    bad_round(&mut world, RejectionReason::OutOfRange);
    assert!(world.state.faults(ParticipantId(0)).is_empty());
    // Of 7/5 two: it is the contributor's fault. Not if one did not answer, or was set aside.
    let mut world = World::new(7);
    bad_round(&mut world, RejectionReason::TooLong);
    assert_eq!(world.state.faults(ParticipantId(0)), [1]);
    let absent: fn(&mut Entry) = |judged| {
        if let Entry::ContributionsJudged { answers, .. } = judged {
            answers.pop();
        }
    };
    let erased: fn(&mut Entry) = |judged| {
        if let Entry::ContributionsJudged { erased, .. } = judged {
            erased.push(3);
        }
    };
    for change in [absent, erased] {
        bad_round_of(&mut world, RejectionReason::OutOfRange, change);
    }
    assert_eq!(world.state.faults(ParticipantId(0)), [1]);
}

#[test]
fn too_many_rejected_contributions_are_a_violation() {
    let mut world = World::new(7);
    let found = |events: &[Event]| {
        events.iter().any(|event| {
            matches!(event, Event::ViolationFound(case)
            if case.offence == Offence::RejectedContributions && case.owner == OwnerId(0))
        })
    };
    assert!(!found(&bad_round(&mut world, RejectionReason::OutOfRange)));
    assert!(!found(&bad_round(&mut world, RejectionReason::TooLong)));
    assert_eq!(world.state.faults(ParticipantId(0)), [1, 2]);
    // What may be somebody else's fault does not count.
    for reason in [
        RejectionReason::BadPair { seat: 1 },
        RejectionReason::Undecodable,
    ] {
        assert!(!found(&bad_round(&mut world, reason)));
    }
    assert!(found(&bad_round(&mut world, RejectionReason::OutOfRange)));
    assert!(
        world.state.faults(ParticipantId(0)).is_empty(),
        "held against it once"
    );
    assert_eq!(world.state.cases().next().expect("one").at, 5);
}

#[test]
fn rejections_long_ago_are_forgotten() {
    let mut draft = draft(7);
    draft.incentive = Incentive {
        rejected_contributions: 2,
        rejected_within_rounds: 3,
        ..Incentive::default()
    };
    let mut world = World::from_draft(draft);
    bad_round(&mut world, RejectionReason::OutOfRange);
    world.full_round();
    world.full_round();
    bad_round(&mut world, RejectionReason::OutOfRange);
    assert_eq!(
        world.state.cases().count(),
        0,
        "rounds 1 and 4 are not within three"
    );
    world.full_round();
    bad_round(&mut world, RejectionReason::OutOfRange);
    assert_eq!(world.state.cases().count(), 1);
}
