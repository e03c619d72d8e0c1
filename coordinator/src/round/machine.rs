//! The machine: where each event goes. Which step is due is in `advance`.

use unsilo_ledger::{
    Draft, Entry, EntrySignature, FederationId, PublicKey, Seat, SignedEntry, State,
};
use unsilo_proto::{Code, Rejected};

use super::{
    answering::Answering,
    closing::Closing,
    contributing,
    effect::{Effect, Note},
    event::Event,
    founding::Founding,
    judging::Judging,
    opening::Opening,
    proposals::{Proposals, Signed},
    publishing::Publishing,
    queries::Queries,
    rating::Rating,
    seating::Seating,
    violations::Violations,
    voiding::Voiding,
};
use crate::payload::Payload;

/// After enough members acted, how long the others are waited for at least: an answer more is redundancy that
/// names liars, but nobody absent may cost the round more than this. Milliseconds.
pub(crate) const GRACE_MS: u64 = 1_500;

/// The three time settings, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) contribute_ms: u64,
    pub(crate) answer_ms: u64,
    pub(crate) pause_ms: u64,
}

/// The step under way, with what was collected for it.
pub(super) enum Due {
    Founding(Founding),
    Resting { until_ms: u64 },
    Finished,
    Seating(Seating),
    Contributing,
    Closing(Closing),
    Answering(Answering),
    Judging(Judging),
    Rating(Rating),
    Opening(Opening),
    Publishing(Publishing),
    Voiding(Voiding),
}

/// Ranks of the steps whose messages may be repeated late.
const CLOSING: u8 = 2;
const ANSWERING: u8 = 3;
const JUDGING: u8 = 4;
const RATING: u8 = 5;
const OPENING: u8 = 6;

impl Due {
    /// How far into a round this step is.
    fn rank(&self) -> u8 {
        match self {
            Due::Founding(_) | Due::Resting { .. } | Due::Finished | Due::Seating(_) => 0,
            Due::Contributing | Due::Voiding(_) => 1,
            Due::Closing(_) => CLOSING,
            Due::Answering(_) => ANSWERING,
            Due::Judging(_) => JUDGING,
            Due::Rating(_) => RATING,
            Due::Opening(_) => OPENING,
            Due::Publishing(_) => OPENING + 1,
        }
    }
}

/// The state of the rounds that is not on the ledger.
pub(crate) struct Machine {
    pub(super) timing: Timing,
    pub(super) due: Due,
    pub(super) draft: Draft,
    pub(super) federation: FederationId,
    pub(super) proposals: Proposals,
    pub(super) violations: Violations,
    pub(super) queries: Queries,
    pub(super) joined: Vec<(String, PublicKey)>,
    pub(super) payload: Payload,
}

pub(super) type Handled = Result<Vec<Effect>, Rejected>;

impl Machine {
    /// A machine that has not looked at the ledger yet: send [`Event::Joined`] and [`Event::Advanced`].
    pub(crate) fn new(timing: Timing, draft: Draft, payload: Payload) -> Self {
        Self {
            timing,
            due: Due::Founding(Founding::default()),
            federation: draft.federation_id(),
            draft,
            proposals: Proposals::default(),
            violations: Violations::default(),
            queries: Queries::default(),
            joined: Vec::new(),
            payload,
        }
    }

    /// A short word for the step under way, for status displays.
    pub(crate) fn phase(&self) -> &'static str {
        match self.due {
            Due::Founding(_) => "founding",
            Due::Resting { .. } => "resting",
            Due::Finished => "finished",
            Due::Seating(_) => "seating",
            Due::Contributing => "contributing",
            Due::Closing(_) => "closing",
            Due::Answering(_) => "answering",
            Due::Judging(_) => "judging",
            Due::Rating(_) => "rating",
            Due::Opening(_) => "opening",
            Due::Publishing(_) => "publishing",
            Due::Voiding(_) => "voiding",
        }
    }

    /// What participants are signing outside of the rounds, with the signatures so far; among it the admissions of
    /// companies that wait, with none at first.
    pub(crate) fn pending(&self) -> impl Iterator<Item = SignedEntry> {
        self.proposals.pending()
    }

    /// Everything that people have signed and the ledger does not hold yet. Kept over a restart by whoever feeds the
    /// machine, for people sign once.
    pub(crate) fn signatures(&self) -> impl Iterator<Item = Signed> {
        self.proposals.signatures()
    }

    /// Takes one event at `now_ms` (milliseconds since 1970); `ledger` is the state after everything
    /// appended so far.
    ///
    /// # Errors
    /// [`Rejected`] goes back to the sender; nothing has changed then.
    pub(crate) fn handle(&mut self, event: Event, now_ms: u64, ledger: &State) -> Handled {
        let mut effects = self.take(event, now_ms, ledger)?;
        effects.extend(self.judge_if_ready(now_ms));
        if !ledger.committee_may_void() {
            // Nobody could carry it out: the round stays where it is, until who is missing comes or the owners end it.
            effects.retain(
                |effect| !matches!(effect, Effect::Note { note: Note::Void(reason), .. } if !reason.is_derived()),
            );
        }
        Ok(effects)
    }

    fn take(&mut self, event: Event, now_ms: u64, ledger: &State) -> Handled {
        match event {
            Event::Advanced => Ok(self.advance(now_ms, ledger)),
            Event::Tick => Ok(self.tick(now_ms, ledger)),
            Event::Joined(joined) => Ok(self.joined(joined, now_ms, ledger)),
            Event::GenesisSigned { entry, signature } => match &mut self.due {
                Due::Founding(founding) => founding.signed(&self.federation, &entry, signature),
                _ => Ok(Vec::new()), // A repetition: the genesis is on the ledger.
            },
            Event::Signed(signed) => {
                self.proposals.sign(&self.federation, signed, ledger)?;
                Ok(self.enter_complete(now_ms, ledger))
            }
            Event::Queries(batch) => {
                self.queries.offered(batch);
                Ok(self.enter_complete(now_ms, ledger))
            }
            Event::ViolationSigned { entry, signature } => {
                self.violations
                    .signed(&self.federation, &entry, signature, ledger)
            }
            Event::Contradicted(entry) => {
                self.violations.saw(*entry);
                Ok(Vec::new())
            }
            Event::SeatOffered { round, seat } => match &mut self.due {
                Due::Seating(seating) => seating.offered(round, seat, now_ms, self.timing, ledger),
                _ => seat_after_open(round, &seat, ledger),
            },
            Event::Stored(entry) | Event::DirectionsStored(entry) => {
                let taking = matches!(self.due, Due::Contributing);
                contributing::stored(*entry, taking, now_ms, ledger)
            }
            Event::CloseCosigned {
                round,
                participant,
                cosignature,
            } => match &mut self.due {
                Due::Closing(closing) => {
                    closing.cosigned(round, participant, cosignature, now_ms, ledger)
                }
                due => already(round, due.rank() > CLOSING, ledger, "cosignatures"),
            },
            event => self.take_after_close(event, now_ms, ledger),
        }
    }

    /// The events of a round that is closed.
    fn take_after_close(&mut self, event: Event, now_ms: u64, ledger: &State) -> Handled {
        match event {
            Event::Recalled { round, recalled } => {
                let void = recalled.void;
                if let Due::Answering(answering) = &mut self.due {
                    answering.recalled(recalled, now_ms, ledger);
                }
                Ok(void.map_or_else(Vec::new, |reason| self.void_closed(round, reason)))
            }
            Event::Noted { round, note } => Ok(match (note, &mut self.due) {
                (Note::Judged(seats), Due::Answering(answering)) => {
                    answering.fixed(seats);
                    Vec::new()
                }
                (Note::Void(reason), _) => self.void_closed(round, reason),
                (Note::Judged(_), _) => Vec::new(),
            }),
            Event::Cosigned => Ok(match &mut self.due {
                Due::Answering(answering) => answering.cosigned(),
                Due::Judging(judging) => judging.cosigned(),
                Due::Opening(opening) => opening.cosigned(),
                _ => Vec::new(),
            }),
            Event::Projected { round, table } => {
                if let Due::Answering(answering) = &mut self.due {
                    answering.projected(round, table);
                }
                Ok(Vec::new())
            }
            Event::ProjectFailed { round } => {
                if let Due::Answering(answering) = &mut self.due {
                    answering.project_failed(round, now_ms);
                }
                Ok(Vec::new())
            }
            Event::Answered {
                round,
                participant,
                seat,
                sheet_root,
            } => match &mut self.due {
                Due::Answering(answering) => {
                    answering.answered(round, participant, (seat, sheet_root), now_ms, ledger)
                }
                due => already(round, due.rank() > ANSWERING, ledger, "answers"),
            },
            Event::JudgementSigned {
                round,
                participant,
                entry,
                signature,
            } => match &mut self.due {
                Due::Judging(judging) => judging.signed(
                    &self.federation,
                    (round, participant),
                    &entry,
                    signature,
                    now_ms,
                    ledger,
                ),
                due => already(round, due.rank() > JUDGING, ledger, "judgements"),
            },
            Event::Rated(entry) => match &mut self.due {
                Due::Rating(rating) => rating.rated(*entry),
                _ => Err(not_due("ratings")),
            },
            Event::RatingStepSigned {
                round,
                entry,
                signature,
            } => match &mut self.due {
                Due::Rating(rating) => {
                    rating.signed(&self.federation, round, &entry, signature, ledger)
                }
                due => already(
                    round,
                    due.rank() > RATING,
                    ledger,
                    "signatures under a step",
                ),
            },
            event => self.take_after_weighing(event, now_ms, ledger),
        }
    }

    /// The events of a round that is weighed, and of one that is to be void.
    fn take_after_weighing(&mut self, event: Event, now_ms: u64, ledger: &State) -> Handled {
        match event {
            Event::Opened {
                round,
                participant,
                answer,
            } => match &mut self.due {
                Due::Opening(opening) => {
                    if let Some(entry) = opening.contradiction(participant, &answer, ledger) {
                        self.violations.saw(entry);
                    }
                    opening.answered(round, participant, answer, now_ms, ledger)
                }
                due => already(round, due.rank() > OPENING, ledger, "answers"),
            },
            Event::SumReady { round, sum } => match &mut self.due {
                Due::Opening(opening) => Ok(opening.summed(round, sum, now_ms, ledger)),
                _ => Ok(Vec::new()),
            },
            Event::SumFailed { round } => {
                if let Due::Opening(opening) = &mut self.due {
                    opening.sum_failed(round, now_ms);
                }
                Ok(Vec::new())
            }
            Event::Decoded { round, result } => {
                let Due::Opening(opening) = &mut self.due else {
                    return Ok(Vec::new());
                };
                let Some(publishing) = opening.decoded(round, result, now_ms, ledger) else {
                    return Ok(Vec::new());
                };
                let effects = publishing.announce();
                self.due = Due::Publishing(publishing);
                Ok(effects)
            }
            Event::PublishSigned {
                round,
                entry,
                signature,
            } => match &mut self.due {
                Due::Publishing(publishing) => {
                    publishing.signed(&self.federation, round, &entry, signature, now_ms, ledger)
                }
                _ => already(round, false, ledger, "signatures under a model"),
            },
            Event::VoidSigned {
                round,
                entry,
                signature,
            } => match &mut self.due {
                Due::Voiding(voiding) => {
                    voiding.signed(&self.federation, round, &entry, signature, ledger)
                }
                _ => already(round, false, ledger, "signatures under a void"),
            },
            // Every other event is taken before.
            _ => Ok(Vec::new()),
        }
    }

    /// Goes on to the judging once the answers are fixed and the projections made, whichever came last.
    fn judge_if_ready(&mut self, now_ms: u64) -> Option<Effect> {
        let Due::Answering(answering) = &self.due else {
            return None;
        };
        let judging = answering.judging(now_ms)?;
        let announced = judging.announce();
        self.due = Due::Judging(judging);
        Some(announced)
    }

    /// The decision that a closed round is to be void is on disk: members are asked to say so.
    fn void_closed(&mut self, round: u64, reason: unsilo_ledger::VoidReason) -> Vec<Effect> {
        let after_close = matches!(
            self.due,
            Due::Answering(_) | Due::Judging(_) | Due::Rating(_) | Due::Opening(_)
        );
        if !after_close {
            return Vec::new();
        }
        let voiding = Voiding::start(round, reason);
        let effects = voiding.announce();
        self.due = Due::Voiding(voiding);
        effects
    }

    /// What participants signed and is complete, and queries that were answered, go on the ledger, one entry at a time: each changes what the next is
    /// checked against.
    pub(super) fn enter_complete(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let contributing = matches!(self.due, Due::Contributing);
        let complete = self.proposals.complete(now_ms, contributing, ledger);
        let entered = complete.map(Effect::Append).or_else(|| {
            let entry = self.queries.entry(contributing, ledger)?;
            Some(Effect::SignAndAppend {
                entry,
                signatures: Vec::new(),
            })
        });
        entered.into_iter().collect()
    }

    fn joined(
        &mut self,
        joined: Vec<(String, PublicKey)>,
        now_ms: u64,
        ledger: &State,
    ) -> Vec<Effect> {
        self.joined = joined;
        self.proposals.refresh(&self.joined, now_ms, ledger);
        match &mut self.due {
            Due::Founding(founding) if ledger.phase() == unsilo_ledger::Phase::Unfounded => {
                founding.update(&self.draft, &self.joined)
            }
            _ => Vec::new(),
        }
    }
}

/// A signature under an entry, checked before it is collected: one bad one would spoil the entry.
pub(super) fn verify_signature(
    federation: &FederationId,
    entry: &Entry,
    signature: &EntrySignature,
) -> Result<(), Rejected> {
    if entry.verify_signature(federation, signature) {
        Ok(())
    } else {
        Err(Rejected::new(
            Code::SignatureInvalid,
            "the signature does not verify under the entry: is the node's identity the one that joined?",
        ))
    }
}

/// The refusal of something that no step is waiting for.
pub(super) fn not_due(what: &str) -> Rejected {
    Rejected::new(
        Code::WrongStep,
        format!("{what} are not taken in this step of the round; wait for the next announcement"),
    )
}

/// A late repetition for a step that is over is fine. Anything else is refused, never taken and forgotten:
/// who is told "taken" does not send again.
fn already(round: u64, past: bool, ledger: &State, what: &str) -> Handled {
    let current = ledger
        .round()
        .map_or_else(|| ledger.next_round(), |under_way| under_way.opening.round);
    if round < current || round == current && past {
        Ok(Vec::new())
    } else {
        Err(not_due(what))
    }
}

/// An offer that comes when the round is open already: fine if it is one of its seats. Anything else is
/// refused, for a member that is told "taken" and then finds no seat must believe that it was passed over.
fn seat_after_open(round: u64, seat: &Seat, ledger: &State) -> Handled {
    let seated = ledger
        .round()
        .filter(|open| open.opening.round == round)
        .is_some_and(|open| {
            let mut seats = open.opening.seats.iter();
            seats.any(|taken| {
                taken.participant == seat.participant && taken.round_key == seat.round_key
            })
        });
    if seated {
        Ok(Vec::new())
    } else {
        Err(not_due("seats"))
    }
}

/// Checks that a message is for the round under way.
pub(super) fn same_round(got: u64, expected: u64) -> Result<(), Rejected> {
    if got == expected {
        Ok(())
    } else {
        Err(Rejected::new(
            Code::WrongRound,
            format!(
                "round {expected} is under way, this is for round {got}: follow the step stream"
            ),
        ))
    }
}
