//! The round is closed: the ciphertexts are summed, members answer, the key of the sum is opened.

use std::collections::BTreeMap;

use unsilo_ledger::{
    Entry, Hash, OpeningStatement, ParticipantId, State, Statement, Testimony, Violation,
};
use unsilo_proto::{
    Code, Rejected, opening_hash,
    v1::{self, step},
    weights_digest,
};

use super::{
    effect::Effect,
    event::{Answer, DecodeFailure, Decoded},
    machine::{GRACE_MS, Handled, not_due, same_round},
    publishing::Publishing,
};
use crate::payload::Payload;

/// After a failure of this machine, how long until the sum is made again. Milliseconds.
pub(crate) const RETRY_MS: u64 = 5_000;

/// Answers of a round, by seat, and how far the sum is.
pub(super) struct Opening {
    round: u64,
    /// Whether the sum waits for members' answers.
    by_members: bool,
    /// The checkpoint of this step is cosigned.
    cosigned: bool,
    answers: BTreeMap<u16, Answer>,
    enough_since_ms: Option<u64>,
    sum: Option<Hash>,
    /// When the sum is made again, after it could not be made, stored or read.
    sum_again_ms: Option<u64>,
    /// How many answers the decoding under way or the last failed one had.
    tried: usize,
    decoding: bool,
    started_ms: u64,
}

impl Opening {
    pub(super) fn start(payload: Payload, now_ms: u64, ledger: &State) -> (Self, Vec<Effect>) {
        let round = ledger.round().map_or(0, |round| round.opening.round);
        let opening = Self {
            round,
            by_members: payload.is_opened_by_members(),
            cosigned: false,
            answers: BTreeMap::new(),
            enough_since_ms: None,
            sum: None,
            sum_again_ms: None,
            tried: 0,
            decoding: false,
            started_ms: now_ms,
        };
        let mut effects = Vec::new();
        if opening.by_members {
            effects.push(opening.announce());
        }
        effects.push(Effect::Sum {
            round,
            weights: ledger.weights().unwrap_or_default().to_vec(),
        });
        (opening, effects)
    }

    pub(super) fn round(&self) -> u64 {
        self.round
    }

    fn announce(&self) -> Effect {
        Effect::Announce {
            kind: step::Kind::Opening(v1::Opening { round: self.round }),
            cosigned: self.cosigned,
        }
    }

    /// Enough members cosigned the checkpoint: they may act.
    pub(super) fn cosigned(&mut self) -> Vec<Effect> {
        if self.cosigned || !self.by_members {
            return Vec::new();
        }
        self.cosigned = true;
        vec![self.announce()]
    }

    pub(super) fn answered(
        &mut self,
        round: u64,
        participant: ParticipantId,
        answer: Answer,
        now_ms: u64,
        ledger: &State,
    ) -> Handled {
        same_round(round, self.round)?;
        let closed = ledger.round().ok_or_else(|| not_due("answers"))?;
        closed
            .seat(answer.seat)
            .filter(|seat| seat.participant == participant)
            .ok_or_else(|| {
                Rejected::new(Code::NoSeat, "this seat of the committee is not yours")
            })?;
        let weights: Vec<_> = ledger
            .weights()
            .unwrap_or_default()
            .iter()
            .map(|(participant, weight)| (participant.0, *weight))
            .collect();
        if weights_digest(round, &weights) != answer.digest {
            return Err(Rejected::new(
                Code::WrongStep,
                "the answer is for another set of contributions or weights: replay the ledger",
            ));
        }
        let (Some(federation), Some(member)) =
            (ledger.federation_id(), ledger.participant(participant))
        else {
            return Err(not_due("answers"));
        };
        let statement = OpeningStatement {
            federation,
            round,
            seat: answer.seat,
            digest: answer.digest,
            opening: opening_hash(&answer.opening),
        };
        if !statement.verify(&member.key, &answer.signature) {
            return Err(Rejected::new(
                Code::SignatureInvalid,
                "the answer's signature does not verify: is the node's identity the one that joined?",
            ));
        }
        match self.answers.get(&answer.seat) {
            Some(before) if before.signature != answer.signature => {
                return Err(Rejected::new(
                    Code::AnswerDiffers,
                    "this seat already gave another answer; one a round is allowed, and both are signed",
                ));
            }
            Some(_) => {}
            None => {
                self.answers.insert(answer.seat, answer);
            }
        }
        if self.answers.len() >= usize::from(closed.opening.threshold) {
            self.enough_since_ms.get_or_insert(now_ms);
        }
        Ok(self.decode_if_enough(now_ms, ledger))
    }

    /// The report of a second answer, if this is one: the member signed both.
    pub(super) fn contradiction(
        &self,
        participant: ParticipantId,
        answer: &Answer,
        ledger: &State,
    ) -> Option<Entry> {
        let before = self.answers.get(&answer.seat)?;
        let member = ledger.participant(participant)?;
        let seated = ledger.round()?.seat_of(participant) == Some(answer.seat);
        let federation = ledger.federation_id()?;
        let testimony = |answer: &Answer| {
            let statement = OpeningStatement {
                federation,
                round: self.round,
                seat: answer.seat,
                digest: answer.digest,
                opening: opening_hash(&answer.opening),
            };
            let signed = statement.verify(&member.key, &answer.signature);
            signed.then(|| {
                Box::new(Testimony {
                    statement: Statement::Opening(statement),
                    signature: answer.signature,
                })
            })
        };
        let differs = (before.digest, &before.opening) != (answer.digest, &answer.opening);
        if !seated || !differs {
            return None;
        }
        Some(Entry::ViolationReported {
            violation: Violation::Contradiction {
                participant,
                first: testimony(before)?,
                second: testimony(answer)?,
            },
        })
    }

    pub(super) fn summed(
        &mut self,
        round: u64,
        sum: Hash,
        now_ms: u64,
        ledger: &State,
    ) -> Vec<Effect> {
        if round == self.round {
            self.sum = Some(sum);
            self.sum_again_ms = None;
        }
        self.decode_if_enough(now_ms, ledger)
    }

    /// Whether statistics are not worth waiting for any more: nobody checked what was contributed, so one company can keep
    /// the sum from opening, and training goes on without. The time counts from the later of the round's deadline and the
    /// start of this step, so that after a restart the members can answer again.
    pub(super) fn is_hopeless(&self, now_ms: u64, answer_ms: u64, ledger: &State) -> bool {
        let open_by_ms = ledger.round().map_or(0, |round| round.opening.open_by_ms);
        let deadline = open_by_ms.max(self.started_ms.saturating_add(answer_ms));
        // A failure of this machine (`sum_again_ms`) is mended first.
        ledger.is_measuring() && now_ms > deadline && !self.decoding && self.sum_again_ms.is_none()
    }

    pub(super) fn sum_failed(&mut self, round: u64, now_ms: u64) {
        if round == self.round {
            self.sum = None;
            self.sum_again_ms = Some(now_ms.saturating_add(RETRY_MS));
        }
    }

    /// Time has passed: the sum is made again if that is due, and decoded if enough answers wait for it.
    pub(super) fn tick(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        if self.sum_again_ms.is_some_and(|at| now_ms >= at) {
            self.sum_again_ms = None;
            return vec![Effect::Sum {
                round: self.round,
                weights: ledger.weights().unwrap_or_default().to_vec(),
            }];
        }
        self.decode_if_enough(now_ms, ledger)
    }

    /// Decodes with everybody's answer, or with enough of them once the others had their chance; a failed
    /// decoding is tried again with every further answer.
    pub(super) fn decode_if_enough(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let (Some(closed), Some(_)) = (ledger.round(), self.sum) else {
            return Vec::new();
        };
        let all = self.answers.len() >= closed.opening.seats.len();
        let waited = self
            .enough_since_ms
            .is_some_and(|since| now_ms >= since.saturating_add(GRACE_MS));
        let ready = self.answers.len() > self.tried && (all || waited);
        if self.decoding || (self.by_members && !ready) {
            return Vec::new();
        }
        self.decoding = true;
        self.tried = self.answers.len();
        vec![Effect::Decode {
            round: self.round,
            threshold: usize::from(closed.opening.threshold),
            answers: self.answers.values().cloned().collect(),
            weights: ledger.weights().unwrap_or_default().to_vec(),
            from: closed.opening.model,
            unit_log2: closed.opening.unit_log2,
        }]
    }

    /// The outcome of a decoding: the model to publish, or `None` to wait for more answers.
    pub(super) fn decoded(
        &mut self,
        round: u64,
        result: Result<Decoded, DecodeFailure>,
        now_ms: u64,
        ledger: &State,
    ) -> Option<Publishing> {
        if round != self.round || !self.decoding {
            return None;
        }
        self.decoding = false;
        match result {
            Ok(decoded) => {
                for seat in &decoded.liars {
                    let name = ledger
                        .round()
                        .and_then(|closed| closed.seat(*seat))
                        .and_then(|seat| ledger.participant(seat.participant))
                        .map_or("?", |member| member.name.as_str());
                    tracing::warn!(round, seat, member = name, "a member's answer was wrong");
                }
                Some(Publishing::start(round, self.sum?, &decoded))
            }
            Err(DecodeFailure::Store(reason)) => {
                tracing::error!(
                    round,
                    reason,
                    "the sum cannot be opened now; it is made again"
                );
                // Whatever is wrong with the files, a new sum is the way that mends it.
                self.tried = 0;
                self.sum_failed(round, now_ms);
                None
            }
            Err(DecodeFailure::Answers(reason)) => {
                let seats = ledger
                    .round()
                    .map_or(0, |closed| closed.opening.seats.len());
                let next = match self.tried >= seats {
                    // No member that answered signs a void, so this is the way that is left.
                    true => {
                        "every member has answered: the owners can void the round with `unsilo void`, a day after its last \
                         deadline"
                    }
                    false => "waiting for more",
                };
                tracing::error!(
                    round,
                    answers = self.tried,
                    reason,
                    next,
                    "the sum cannot be opened from these answers"
                );
                None
            }
        }
    }
}
