//! Disputes about a round: evidence for rejections, appeals on shares, violations that members sign.

use unsilo_fhe::{
    ProjectionTable, RoundContext,
    check::{Appeal, Evidence, Recorded},
};
use unsilo_ledger::{
    CurrentRound, Entry, Hash, Participant, Violation, judgement::could_spare_two,
};
use unsilo_proto::{
    Code, Rejected, SignedAppeal, dispute_hash, limits,
    v1::{AppealRequest, AppealsReply, DisputedAnswers, SignViolationRequest},
};

use super::{
    Services,
    answers::{projections, under_way},
    at_most, blocking, signature_field, unreadable, unstorable,
};
use crate::{round::Event, scalars::Written};

/// What evidence against contributions of a closed round is checked with.
struct Checking {
    round: u64,
    projections: unsilo_fhe::Projections,
    threshold: usize,
    /// Ascending.
    closed: Vec<u32>,
    roots: Vec<(u16, Hash)>,
    erased: Vec<u16>,
}

impl Services {
    /// Keeps evidence that came with a judgement, against contributions of the round under way. What shows nothing is
    /// left out and logged: the judgement counts all the same.
    pub(super) async fn keep_evidence(
        &self,
        member: &Participant,
        round: u64,
        judgement: &[u8],
        evidence: Vec<Vec<u8>>,
    ) -> Result<(), tonic::Status> {
        if evidence.is_empty() {
            return Ok(());
        }
        let snapshot = self.owner.now();
        let current = under_way(&snapshot, round)?;
        let Some(checking) = self.checking(current, judgement) else {
            return Ok(()); // Not to be kept, or the judgement is refused with a reason.
        };
        let (store, scalars) = (self.contributions.clone(), self.scalars.clone());
        let name = member.name.clone();
        blocking(move || {
            let table = ProjectionTable::from_bytes(&projections(&store, round)?)
                .map_err(|error| unreadable("the projections of the round", &error))?;
            for bytes in evidence {
                match checking.rejected(&table, &bytes) {
                    Ok(participant) => {
                        scalars
                            .keep_evidence(round, participant, &bytes)
                            .map_err(|error| unstorable("your evidence", &error))?;
                    }
                    Err(rejected) => {
                        tracing::warn!(round, member = name, %rejected, "evidence that is none");
                    }
                }
            }
            Ok(())
        })
        .await
    }

    fn checking(&self, current: &CurrentRound, judgement: &[u8]) -> Option<Checking> {
        let round = current.opening.round;
        let Ok(Entry::ContributionsJudged {
            answers, erased, ..
        }) = Entry::from_bytes(judgement)
        else {
            return None;
        };
        // Nobody is shown what a lying member may have made of an honest update.
        if !could_spare_two(
            answers.len(),
            erased.len(),
            usize::from(current.opening.threshold),
        ) {
            return None;
        }
        // Roots that members signed, and no others.
        let judged = self.scalars.notes(round).ok()?.judged?;
        if !answers.iter().all(|answer| judged.contains(answer)) {
            return None;
        }
        let context = RoundContext {
            federation: self.federation.0,
            round,
            model: current.opening.model,
        };
        let challenge = current.closing.as_ref()?.challenge;
        Some(Checking {
            round,
            projections: self.payload.projections(&context, challenge)?,
            threshold: usize::from(current.opening.threshold),
            closed: current.contributions.keys().map(|id| id.0).collect(),
            roots: answers,
            erased,
        })
    }

    /// Keeps a dealer's appeal for the members to decide.
    pub(super) async fn take_appeal(
        &self,
        dealer: &Participant,
        request: AppealRequest,
    ) -> Result<(), tonic::Status> {
        at_most("appeal", &request.appeal, limits::APPEAL_BYTES)?;
        let invalid = |message: String| Rejected::new(Code::AppealInvalid, message);
        let signed = SignedAppeal::from_bytes(&request.appeal)?;
        if !signed.verify(&self.federation, request.round, dealer.id, &dealer.key) {
            return Err(invalid(
                "the appeal's signature does not verify: it is made by the dealer's identity, for one round".into(),
            )
            .into());
        }
        let appeal =
            Appeal::from_bytes(&signed.appeal).map_err(|error| invalid(error.to_string()))?;
        if appeal.participant() != dealer.id.0 {
            return Err(invalid("the appeal shows a share of another dealer's".into()).into());
        }
        let (round, seat, id) = (request.round, appeal.seat(), dealer.id.0);
        let (store, scalars) = (self.contributions.clone(), self.scalars.clone());
        blocking(move || {
            let leaves = store.leaves(round, id).map_err(|_| {
                Rejected::new(
                    Code::NotFound,
                    format!("nothing of a contribution of yours to round {round} is kept here (any more)"),
                )
            })?;
            if !(1..=leaves.share_hashes.len()).contains(&usize::from(seat)) {
                return Err(invalid(format!("round {round} had no seat {seat}")));
            }
            let kept = scalars
                .appeals(round)
                .map_err(|error| unreadable("the appeals of the round", &error))?;
            if kept.len() >= limits::APPEALS && !kept.contains(&request.appeal) {
                return Err(Rejected::new(
                    Code::TooLarge,
                    format!("{} appeals of round {round} are kept, more are not taken", limits::APPEALS),
                ));
            }
            match scalars.keep_appeal(round, id, &request.appeal) {
                Ok(Written::Kept) => Ok(()),
                Ok(Written::Differs) => Err(Rejected::new(
                    Code::AnswerDiffers,
                    "you already appealed with another share; one a round may be shown",
                )),
                Err(error) => Err(unstorable("your appeal", &error)),
            }
        })
        .await
    }

    /// The appeals of a round.
    pub(super) async fn hand_out_appeals(&self, round: u64) -> Result<AppealsReply, tonic::Status> {
        let scalars = self.scalars.clone();
        blocking(move || {
            let unreadable = |error| unreadable("the appeals of the round", &error);
            let answers = scalars.shown(round).map_err(unreadable)?.into_iter();
            Ok(AppealsReply {
                appeals: scalars.appeals(round).map_err(unreadable)?,
                answers: answers
                    .map(|(dealer, shown)| DisputedAnswers { dealer, shown })
                    .collect(),
            })
        })
        .await
    }

    /// Takes a member's signature under a violation, with the evidence that the violation names if it is one over a share.
    pub(super) async fn take_violation(
        &self,
        member: &Participant,
        request: SignViolationRequest,
    ) -> Result<(), tonic::Status> {
        at_most("entry", &request.entry, limits::ENTRY_BYTES)?;
        at_most("shown", &request.shown, limits::SHOWN_ANSWERS_BYTES)?;
        let signature = signature_field(member.key, &request.signature)?;
        if let Some((round, evidence)) = disputed(&request.entry) {
            self.keep_shown(member.id.0, round, evidence, request.shown)
                .await?;
        }
        self.owner
            .event(Event::ViolationSigned {
                entry: request.entry,
                signature,
            })
            .await?;
        Ok(())
    }
}

impl Services {
    /// Keeps what shows, with an appeal of the round, what a violation says. Without it nobody could check the violation
    /// later, so it goes no further.
    async fn keep_shown(
        &self,
        member: u32,
        round: u64,
        evidence: Hash,
        shown: Vec<u8>,
    ) -> Result<(), tonic::Status> {
        let scalars = self.scalars.clone();
        blocking(move || {
            let appeals = scalars
                .appeals(round)
                .map_err(|error| unreadable("the appeals of the round", &error))?;
            let appeal = appeals
                .iter()
                .filter_map(|bytes| SignedAppeal::from_bytes(bytes).ok())
                .find(|signed| dispute_hash(&signed.appeal, &shown) == evidence)
                .and_then(|signed| Appeal::from_bytes(&signed.appeal).ok())
                .ok_or_else(|| {
                    Rejected::new(
                        Code::EvidenceInvalid,
                        format!("no appeal of round {round} is, with the answers shown, the evidence that the violation names"),
                    )
                })?;
            match scalars.keep_shown(round, (appeal.participant(), member), &shown) {
                Ok(Written::Kept) => Ok(()),
                // Answers have one encoding, and one root was signed.
                Ok(Written::Differs) => Err(Rejected::new(
                    Code::EvidenceInvalid,
                    "you showed other answers for the same appeal before",
                )),
                Err(error) => Err(unstorable("the evidence", &error)),
            }
        })
        .await
    }
}

/// The round and the evidence of a violation over one share; `None` if the entry is none.
fn disputed(entry: &[u8]) -> Option<(u64, Hash)> {
    match Entry::from_bytes(entry) {
        Ok(Entry::ViolationReported {
            violation:
                Violation::WrongAnswer {
                    round, evidence, ..
                }
                | Violation::WrongShare {
                    round, evidence, ..
                },
        }) => Some((round, evidence)),
        _ => None,
    }
}

impl Checking {
    /// Whose rejection the evidence shows.
    fn rejected(&self, table: &ProjectionTable, bytes: &[u8]) -> Result<u32, Rejected> {
        let invalid = |message: String| Rejected::new(Code::EvidenceInvalid, message);
        at_most("evidence", bytes, limits::EVIDENCE_BYTES)?;
        let evidence = Evidence::from_bytes(bytes).map_err(|error| invalid(error.to_string()))?;
        let participant = evidence.participant();
        let row = table
            .row(participant)
            .ok_or_else(|| invalid(format!("participant {participant} did not contribute")))?;
        let recorded = Recorded {
            projections: &self.projections,
            threshold: self.threshold,
            closed: &self.closed,
            roots: &self.roots,
            erased: &self.erased,
        };
        match evidence.verify(&recorded, row) {
            Ok(Some(_)) => Ok(participant),
            Ok(None) => Err(invalid(format!(
                "the answers on the contribution of participant {participant} to round {} show no fault",
                self.round
            ))),
            Err(error) => Err(invalid(error.to_string())),
        }
    }
}
