//! The machine: which step is due, and where each event goes.

use std::collections::BTreeMap;

use unsilo_ledger::{
    Draft, Entry, EntrySignature, FederationId, Outcome, OwnerId, Phase, PublicKey, Seat, State,
    VoidReason,
};
use unsilo_proto::{
    Code, Rejected,
    v1::{Published, Resting, step},
};

use super::{
    closing::Closing, contributing, effect::Effect, event::Event, founding::Founding,
    opening::Opening, publishing::Publishing, seating::Seating, voiding::Voiding,
};
use crate::payload::Payload;

/// After enough members answered, how long the others are waited for: an answer more is redundancy that
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
    Opening(Opening),
    Publishing(Publishing),
    Voiding(Voiding),
}

/// Ranks of the steps whose messages may be repeated late.
const CLOSING: u8 = 2;
const OPENING: u8 = 3;

impl Due {
    /// How far into a round this step is.
    fn rank(&self) -> u8 {
        match self {
            Due::Founding(_) | Due::Resting { .. } | Due::Finished | Due::Seating(_) => 0,
            Due::Contributing | Due::Voiding(_) => 1,
            Due::Closing(_) => CLOSING,
            Due::Opening(_) => OPENING,
            Due::Publishing(_) => 4,
        }
    }
}

/// The state of the rounds that is not on the ledger.
pub(crate) struct Machine {
    pub(super) timing: Timing,
    pub(super) due: Due,
    draft: Draft,
    federation: FederationId,
    /// Admissions that owners are asked to sign, by the name of the applicant.
    applicants: BTreeMap<String, (Entry, BTreeMap<OwnerId, EntrySignature>)>,
    joined: Vec<(String, PublicKey)>,
    payload: Payload,
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
            applicants: BTreeMap::new(),
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
            Due::Opening(_) => "opening",
            Due::Publishing(_) => "publishing",
            Due::Voiding(_) => "voiding",
        }
    }

    /// Companies that wait for the owners' approval: name, entry, approvals so far.
    pub(crate) fn applicants(&self) -> impl Iterator<Item = (&str, &Entry, usize)> {
        self.applicants
            .iter()
            .map(|(name, (entry, signatures))| (name.as_str(), entry, signatures.len()))
    }

    /// Everything that owners have approved and the ledger does not hold yet: entries and signatures. Kept
    /// over a restart by whoever feeds the machine, for people approve once.
    pub(crate) fn approvals(&self) -> impl Iterator<Item = (Vec<u8>, EntrySignature)> {
        self.applicants.values().flat_map(|(entry, approvals)| {
            approvals
                .values()
                .map(|signature| (entry.to_bytes(), signature.clone()))
        })
    }

    /// Takes one event at `now_ms` (milliseconds since 1970); `ledger` is the state after everything
    /// appended so far.
    ///
    /// # Errors
    /// [`Rejected`] goes back to the sender; nothing has changed then.
    pub(crate) fn handle(&mut self, event: Event, now_ms: u64, ledger: &State) -> Handled {
        match event {
            Event::Advanced => Ok(self.advance(now_ms, ledger)),
            Event::Tick => Ok(self.tick(now_ms, ledger)),
            Event::Joined(joined) => Ok(self.joined(joined, ledger)),
            Event::GenesisSigned { entry, signature } => match &mut self.due {
                Due::Founding(founding) => founding.signed(&self.federation, &entry, signature),
                _ => Ok(Vec::new()), // A repetition: the genesis is on the ledger.
            },
            Event::Approved { entry, signature } => self.approved(&entry, signature, ledger),
            Event::SeatOffered { round, seat } => match &mut self.due {
                Due::Seating(seating) => seating.offered(round, seat, now_ms, self.timing, ledger),
                _ => seat_after_open(round, &seat, ledger),
            },
            Event::Stored(entry) => {
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
            Event::Opened {
                round,
                participant,
                answer,
            } => match &mut self.due {
                Due::Opening(opening) => {
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
            Event::Decoded { round, result } => self.decoded(round, result, now_ms, ledger),
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
        }
    }

    /// Brings the step in line with the ledger.
    fn advance(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        self.refresh_applicants(ledger);
        match ledger.phase() {
            Phase::Unfounded => {
                let founding = Founding::propose(&self.draft, &self.joined);
                let effects = founding.announce();
                self.due = Due::Founding(founding);
                effects
            }
            Phase::Idle => {
                // An admission between rounds changes at most the draw.
                match &mut self.due {
                    Due::Seating(seating) if seating.round() == ledger.next_round() => {
                        return seating.redraw(ledger);
                    }
                    Due::Resting { .. } | Due::Finished => return Vec::new(),
                    _ => {}
                }
                let mut effects = Vec::new();
                let published = published_rounds(ledger);
                if let (Some(round), Some(model)) = (published.last(), ledger.model()) {
                    effects.push(Effect::Announce(step::Kind::Published(Published {
                        round: *round,
                        model: model.to_vec(),
                    })));
                }
                let plan = ledger.draft().map_or(0, |draft| draft.training.rounds);
                if plan > 0 && published.len() as u64 >= plan {
                    self.due = Due::Finished;
                    effects.push(rest(true, "the federation has run all its rounds"));
                } else if self.timing.pause_ms > 0 && !published.is_empty() {
                    self.due = Due::Resting {
                        until_ms: now_ms.saturating_add(self.timing.pause_ms),
                    };
                    effects.push(rest(false, "pause between rounds"));
                } else {
                    effects.extend(self.start_seating(now_ms, ledger));
                }
                effects
            }
            Phase::Open => match &self.due {
                Due::Contributing => contributing::due(now_ms, ledger, &mut self.due),
                Due::Closing(_) | Due::Voiding(_) => Vec::new(),
                _ => {
                    self.due = Due::Contributing;
                    let mut effects = contributing::announce(ledger);
                    effects.extend(contributing::due(now_ms, ledger, &mut self.due));
                    effects
                }
            },
            Phase::Rating(_) => Vec::new(),
            Phase::Closed | Phase::Weighed => match &self.due {
                Due::Opening(_) | Due::Publishing(_) | Due::Voiding(_) => Vec::new(),
                _ => {
                    let (opening, effects) = Opening::start(self.payload, ledger);
                    self.due = Due::Opening(opening);
                    effects
                }
            },
        }
    }

    fn tick(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let admission = self.admit_if_enough(ledger);
        if !admission.is_empty() {
            return admission;
        }
        match &mut self.due {
            Due::Resting { until_ms } if now_ms >= *until_ms => self.start_seating(now_ms, ledger),
            Due::Seating(seating) => seating.tick(now_ms, self.timing, ledger),
            Due::Contributing => contributing::due(now_ms, ledger, &mut self.due),
            Due::Closing(closing) => {
                if !closing.is_overdue(now_ms, self.timing.answer_ms, ledger) {
                    return closing.close_if_enough(now_ms, ledger);
                }
                let round = ledger.round().map_or(0, |round| round.opening.round);
                contributing::void(round, VoidReason::TooFewMembers, &mut self.due)
            }
            Due::Opening(opening) => opening.tick(now_ms, ledger),
            Due::Publishing(publishing) => publishing.publish_if_enough(now_ms, ledger),
            Due::Founding(founding) => founding.found_if_complete(),
            Due::Voiding(voiding) => voiding.void_if_enough(ledger),
            Due::Finished | Due::Resting { .. } => Vec::new(),
        }
    }

    fn start_seating(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let Some((seating, effects)) = Seating::start(now_ms, self.timing, ledger) else {
            return Vec::new();
        };
        self.due = Due::Seating(seating);
        effects
    }

    fn decoded(
        &mut self,
        round: u64,
        result: Result<super::event::Decoded, super::event::DecodeFailure>,
        now_ms: u64,
        ledger: &State,
    ) -> Handled {
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

    fn joined(&mut self, joined: Vec<(String, PublicKey)>, ledger: &State) -> Vec<Effect> {
        self.joined = joined;
        self.refresh_applicants(ledger);
        match &mut self.due {
            Due::Founding(founding) if ledger.phase() == Phase::Unfounded => {
                founding.update(&self.draft, &self.joined)
            }
            _ => Vec::new(),
        }
    }

    /// Everybody who joined and is not on the ledger waits for approval, once there are owners to give it.
    /// Approvals are for one identity: a company that joins with another one begins anew.
    fn refresh_applicants(&mut self, ledger: &State) {
        if ledger.phase() == Phase::Unfounded {
            return;
        }
        let waiting = self.joined.iter().filter(|(name, key)| {
            ledger.participant_by_key(key).is_none() && ledger.participant_by_name(name).is_none()
        });
        let mut applicants = BTreeMap::new();
        for (name, key) in waiting {
            let entry = Entry::ParticipantAdmitted {
                name: name.clone(),
                key: *key,
                owner: None,
            };
            let approvals = match self.applicants.remove(name) {
                Some((before, approvals)) if before == entry => approvals,
                _ => BTreeMap::new(),
            };
            applicants.insert(name.clone(), (entry, approvals));
        }
        self.applicants = applicants;
    }

    fn approved(&mut self, entry: &[u8], signature: EntrySignature, ledger: &State) -> Handled {
        let Some((admission, approvals)) = self
            .applicants
            .values_mut()
            .find(|(admission, _)| admission.to_bytes() == entry)
        else {
            return Err(Rejected::new(
                Code::NotFound,
                "no such company waits for approval: it may be admitted already",
            ));
        };
        verify_signature(&self.federation, admission, &signature)?;
        let signer = ledger
            .participant_by_key(&signature.signer)
            .ok_or_else(|| {
                Rejected::new(Code::NotAParticipant, "only participants admit others")
            })?;
        // Owners are counted, each once: another participant of the same owner adds nothing.
        approvals.entry(signer.owner).or_insert(signature);
        Ok(self.admit_if_enough(ledger))
    }

    /// Admits who has enough approvals. The applicant stays one until the ledger says otherwise, so a failed
    /// append is repeated.
    ///
    /// Not while a round is open: an admission changes who is waited for and how many companies a close
    /// needs, so a coordinator that restarts would take up again a set that members have cosigned.
    fn admit_if_enough(&self, ledger: &State) -> Vec<Effect> {
        if ledger.phase() == Phase::Open {
            return Vec::new();
        }
        let approved = self
            .applicants
            .values()
            .find(|(_, approvals)| approvals.len() >= ledger.majority());
        match approved {
            Some((entry, approvals)) => {
                let signatures = approvals.values().cloned().collect();
                vec![Effect::Append(unsilo_ledger::SignedEntry::new(
                    entry.clone(),
                    signatures,
                ))]
            }
            None => Vec::new(),
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

/// Numbers of the rounds that gave a model, in order.
fn published_rounds(ledger: &State) -> Vec<u64> {
    ledger
        .history()
        .filter(|record| matches!(record.outcome, Outcome::Published { .. }))
        .map(|record| record.round)
        .collect()
}

fn rest(finished: bool, reason: &str) -> Effect {
    Effect::Announce(step::Kind::Resting(Resting {
        finished,
        reason: reason.to_owned(),
    }))
}
