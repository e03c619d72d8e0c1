//! The answers are in: members judge every contribution, each by itself, and the judgement that enough of them
//! signed goes on the ledger.

use std::collections::BTreeMap;

use unsilo_ledger::{
    Entry, EntrySignature, FederationId, Hash, ParticipantId, SignedEntry, State, VoidReason,
};
use unsilo_proto::{
    Code, Rejected,
    v1::{self, step},
};

use super::{
    effect::{Effect, Note},
    grace::Grace,
    machine::{Handled, Timing, not_due, same_round, verify_signature},
    publishing::seated,
};

/// The judgements that members signed, by seat.
pub(super) struct Judging {
    round: u64,
    /// Whose answers are judged, with the roots of their sheets.
    seats: Vec<(u16, Hash)>,
    /// Hash of the table of projections that they are judged with.
    projections: Hash,
    /// The checkpoint of this step is cosigned.
    cosigned: bool,
    signed: BTreeMap<u16, (Entry, EntrySignature)>,
    grace: Grace,
}

impl Judging {
    pub(super) fn start(
        round: u64,
        seats: Vec<(u16, Hash)>,
        projections: Hash,
        cosigned: bool,
        now_ms: u64,
    ) -> Self {
        Self {
            round,
            seats,
            projections,
            cosigned,
            signed: BTreeMap::new(),
            grace: Grace::start(now_ms),
        }
    }

    pub(super) fn announce(&self) -> Effect {
        Effect::Announce {
            kind: step::Kind::Judging(v1::Judging {
                round: self.round,
                seats: self
                    .seats
                    .iter()
                    .map(|(seat, _)| u32::from(*seat))
                    .collect(),
            }),
            cosigned: self.cosigned,
        }
    }

    /// Enough members cosigned the checkpoint: they may act.
    pub(super) fn cosigned(&mut self) -> Vec<Effect> {
        if self.cosigned {
            return Vec::new();
        }
        self.cosigned = true;
        vec![self.announce()]
    }

    pub(super) fn signed(
        &mut self,
        federation: &FederationId,
        (round, participant): (u64, ParticipantId),
        entry: &[u8],
        signature: EntrySignature,
        now_ms: u64,
        ledger: &State,
    ) -> Handled {
        same_round(round, self.round)?;
        let closed = ledger.round().ok_or_else(|| not_due("judgements"))?;
        seated(&signature.signer, ledger)?;
        let seat = closed.seat_of(participant).ok_or_else(|| {
            Rejected::new(Code::NoSeat, "you hold no seat in this round's committee")
        })?;
        let entry = self.judgement(entry)?;
        verify_signature(federation, &entry, &signature)?;
        match self.signed.get(&seat) {
            Some((before, _)) if *before != entry => {
                return Err(Rejected::new(
                    Code::AnswerDiffers,
                    "this seat already signed another judgement of the round; one is allowed",
                ));
            }
            Some(_) => {}
            None => {
                self.signed.insert(seat, (entry, signature));
            }
        }
        if self.largest().len() >= usize::from(closed.opening.threshold) {
            self.grace.enough(now_ms);
        }
        Ok(self.judge_if_enough(now_ms, ledger))
    }

    /// Parses a judgement of answers that were handed out (a sheet that does not open may be left out); another one could
    /// never be agreed on.
    fn judgement(&self, bytes: &[u8]) -> Result<Entry, Rejected> {
        let entry = Entry::from_bytes(bytes)
            .map_err(|error| Rejected::new(Code::Malformed, format!("entry: {error}")))?;
        let ours = matches!(
            &entry,
            Entry::ContributionsJudged { round, answers, projections, .. }
                if *round == self.round
                    && answers.iter().all(|answer| self.seats.contains(answer))
                    && *projections == self.projections
        );
        if ours {
            Ok(entry)
        } else {
            Err(Rejected::new(
                Code::WrongStep,
                "the entry does not judge the answers that were handed out: fetch them again",
            ))
        }
    }

    /// The signatures under the judgement that most members signed.
    fn largest(&self) -> Vec<&(Entry, EntrySignature)> {
        let group = |of: &Entry| -> Vec<_> {
            self.signed
                .values()
                .filter(|(entry, _)| entry == of)
                .collect()
        };
        self.signed
            .values()
            .map(|(entry, _)| group(entry))
            .max_by_key(Vec::len)
            .unwrap_or_default()
    }

    /// Appends the judgement with everybody's signature, or with enough once the others had their chance.
    fn judge_if_enough(&self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let Some(closed) = ledger.round() else {
            return Vec::new();
        };
        let group = self.largest();
        let all = self.signed.len() >= closed.opening.seats.len();
        let enough = group.len() >= usize::from(closed.opening.threshold);
        if !enough || !(all || self.grace.is_over(now_ms)) {
            return Vec::new();
        }
        let signatures = group
            .iter()
            .map(|(_, signature)| signature.clone())
            .collect();
        let judged = group.first().map(|(entry, _)| entry.clone());
        judged
            .map(|entry| Effect::Append(SignedEntry::new(entry, signatures)))
            .into_iter()
            .collect()
    }

    /// Time has passed: the judgement is appended, or it is clear that there will be none.
    pub(super) fn tick(&self, now_ms: u64, timing: Timing, ledger: &State) -> Vec<Effect> {
        let Some(closed) = ledger.round() else {
            return Vec::new();
        };
        let largest = self.largest().len();
        let threshold = usize::from(closed.opening.threshold);
        let missing = closed.opening.seats.len().saturating_sub(self.signed.len());
        let mut deadline = closed
            .opening
            .open_by_ms
            .max(self.grace.started_ms().saturating_add(timing.answer_ms));
        if largest >= threshold {
            // It can be appended, unless the ledger refuses it for ever: members would have to be wrong together.
            deadline = deadline.saturating_add(timing.answer_ms);
        }
        let reachable = largest + missing >= threshold;
        if (reachable && now_ms <= deadline) || !ledger.committee_may_void() {
            return self.judge_if_enough(now_ms, ledger);
        }
        if !reachable {
            tracing::error!(round = self.round, "the members' judgements differ");
        }
        vec![Effect::Note {
            round: self.round,
            note: Note::Void(VoidReason::NoVerdict),
        }]
    }
}
