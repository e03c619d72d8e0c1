//! The round is judged and raters committed directions: they commit to their rows, then reveal them, and members
//! sign that each half is over. Then the ledger weighs the round.

use std::collections::BTreeMap;

use unsilo_ledger::{
    Entry, EntrySignature, FederationId, LEAST_RATER_MS, Phase, PublicKey, RatingStep, SignedEntry,
    State, VoidReason, are_few,
};
use unsilo_proto::{
    Code, Rejected,
    v1::{self, step},
};

use super::{
    effect::{Effect, Note},
    machine::{GRACE_MS, Handled, Timing, not_due, same_round, verify_signature},
    publishing::seated,
};

/// One half of the rating.
pub(super) struct Rating {
    round: u64,
    half: RatingStep,
    started_ms: u64,
    /// When members were told that all but a few rows are on the ledger: what they see of it by themselves is as old as the
    /// last announcement, and their wait for the few begins when they see it.
    most_ms: Option<u64>,
    /// What members are asked to sign: that it is over, over the rows on the ledger.
    ending: Option<Entry>,
    signatures: BTreeMap<PublicKey, EntrySignature>,
}

impl Rating {
    pub(super) fn start(half: RatingStep, now_ms: u64, ledger: &State) -> (Self, Vec<Effect>) {
        let rating = Self {
            round: ledger.round().map_or(0, |round| round.opening.round),
            half,
            started_ms: now_ms,
            most_ms: None,
            ending: None,
            signatures: BTreeMap::new(),
        };
        let effects = vec![
            Effect::Recall {
                round: rating.round,
            },
            rating.announce(),
        ];
        (rating, effects)
    }

    fn announce(&self) -> Effect {
        let entry = self.ending.as_ref().map(Entry::to_bytes);
        Effect::announce(step::Kind::Rating(v1::Rating {
            round: self.round,
            revealing: self.half == RatingStep::Reveal,
            entry: entry.unwrap_or_default(),
        }))
    }

    /// The ledger moved: a row came in, or the next half began.
    pub(super) fn advanced(&mut self, now_ms: u64, timing: Timing, ledger: &State) -> Vec<Effect> {
        if let Phase::Rating(half) = ledger.phase()
            && half != self.half
        {
            let (next, effects) = Self::start(half, now_ms, ledger);
            *self = next;
            return effects;
        }
        self.end_if_over(now_ms, timing, ledger)
    }

    /// A commitment to a row, or the row; the ledger's rules say whether it is one and by whom.
    pub(super) fn rated(&self, entry: SignedEntry) -> Handled {
        match &entry.entry {
            Entry::RatingsCommitted { round, .. } | Entry::RatingsRevealed { round, .. } => {
                same_round(*round, self.round)?;
                Ok(vec![Effect::Append(entry)])
            }
            _ => Err(Rejected::new(
                Code::Malformed,
                "the signed entry is neither a commitment to ratings nor their reveal",
            )),
        }
    }

    /// Raters that asked and were not heard, and all that asked.
    fn missing(&self, ledger: &State) -> (usize, usize) {
        ledger.round().map_or((0, 0), |round| {
            let asked = round.directions.len();
            let missing = match self.half {
                RatingStep::Commit => asked.saturating_sub(round.ratings.len()),
                RatingStep::Reveal => {
                    let rows = round.ratings.values();
                    rows.filter(|record| record.revealed.is_none()).count()
                }
            };
            (missing, asked)
        })
    }

    /// Whether the few who are missing had their chance: as long again as the others took, and the least time that every
    /// member waits by its own clock; a little more, since members see the rows a little later.
    fn is_most_over(&self, now_ms: u64) -> bool {
        self.most_ms.is_some_and(|most| {
            let taken = most.saturating_sub(self.started_ms);
            let chance = most.saturating_add(taken);
            let least = self.started_ms.saturating_add(LEAST_RATER_MS);
            now_ms >= chance.max(least).saturating_add(GRACE_MS)
        })
    }

    /// When this half is over whoever is missing: after one and two thirds of the time between the close and the
    /// opening, and not before raters had a third of a step's time, also of a coordinator that was down.
    fn deadline_ms(&self, timing: Timing, ledger: &State) -> u64 {
        let planned = ledger.round().map_or(0, |round| {
            let third = round
                .opening
                .open_by_ms
                .saturating_sub(round.opening.close_by_ms)
                / 3;
            let thirds = match self.half {
                RatingStep::Commit => third,
                RatingStep::Reveal => third.saturating_mul(2),
            };
            round.opening.close_by_ms.saturating_add(thirds)
        });
        planned.max(self.started_ms.saturating_add(timing.answer_ms / 3))
    }

    /// Asks members to end this half; again if a late row came in meanwhile, for they sign which rows count.
    fn end_if_over(&mut self, now_ms: u64, timing: Timing, ledger: &State) -> Vec<Effect> {
        let (missing, asked) = self.missing(ledger);
        let over =
            missing == 0 || self.is_most_over(now_ms) || now_ms > self.deadline_ms(timing, ledger);
        if self.ending.is_none() && !over {
            // Mostly all come within moments of each other: nobody need be told of most.
            let had_moments = now_ms >= self.started_ms.saturating_add(GRACE_MS);
            if self.most_ms.is_none() && had_moments && are_few(missing, asked) {
                self.most_ms = Some(now_ms);
                return vec![self.announce()];
            }
            return Vec::new();
        }
        let due = ledger.rating_step_end();
        if due == self.ending {
            return Vec::new();
        }
        self.ending = due;
        self.signatures.clear();
        vec![self.announce()]
    }

    pub(super) fn signed(
        &mut self,
        federation: &FederationId,
        round: u64,
        entry: &[u8],
        signature: EntrySignature,
        ledger: &State,
    ) -> Handled {
        same_round(round, self.round)?;
        let Some(ending) = &self.ending else {
            return Err(not_due("signatures under the end of this step"));
        };
        if ending.to_bytes() != entry {
            return Err(Rejected::new(
                Code::WrongStep,
                "the signature is under another entry than the one announced",
            ));
        }
        seated(&signature.signer, ledger)?;
        verify_signature(federation, ending, &signature)?;
        self.signatures.insert(signature.signer, signature);
        Ok(self.append_if_enough(ledger))
    }

    fn append_if_enough(&self, ledger: &State) -> Vec<Effect> {
        let enough = ledger
            .round()
            .is_some_and(|round| self.signatures.len() >= usize::from(round.opening.threshold));
        match &self.ending {
            Some(ending) if enough => {
                let signatures = self.signatures.values().cloned().collect();
                vec![Effect::Append(SignedEntry::new(ending.clone(), signatures))]
            }
            _ => Vec::new(),
        }
    }

    /// Time has passed: this half is over, or too few members say so.
    pub(super) fn tick(&mut self, now_ms: u64, timing: Timing, ledger: &State) -> Vec<Effect> {
        let effects = self.end_if_over(now_ms, timing, ledger);
        if !effects.is_empty() {
            return effects;
        }
        let open_by_ms = ledger.round().map_or(0, |round| round.opening.open_by_ms);
        let patience = self
            .deadline_ms(timing, ledger)
            .saturating_add(timing.answer_ms)
            .max(open_by_ms);
        if self.ending.is_some() && now_ms > patience {
            return vec![Effect::Note {
                round: self.round,
                note: Note::Void(VoidReason::TooFewMembers),
            }];
        }
        self.append_if_enough(ledger)
    }
}
