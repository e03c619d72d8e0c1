//! Everybody, seated or not, cosigns the checkpoint at which a model was published, once it is verified here: with the word
//! of more than half of the owners a snapshot of the ledger can be made there, for those who join late.
//!
//! The checkpoint is the one that this node's own replica derived right after the publishing entry, so all nodes cosign the
//! same one, whatever pages of the log each was given. One a round: that bounds what is signed, sent and kept. It must
//! continue the one cosigned before, also if the replica was lost and fetched anew in between.

use unsilo_ledger::Checkpoint;

use super::{Call, Effect, Facts, Me, Session, Task};
use crate::{
    alarm::Alarm,
    guard::{Duty, Record, WitnessRecord},
};

impl Session {
    /// Cosigns the newest publication that was replayed and verified here: once, and the same bytes again.
    pub(super) fn vouch(&mut self, facts: &Facts, me: Me, now_ms: u64, out: &mut Vec<Effect>) {
        let (Some(replayed), Some(published)) = (&facts.replayed, &facts.published) else {
            return;
        };
        let round = replayed.round;
        if published.round != round
            || self.guards.sits_out(round)
            || !self.hold(facts, published.model, out)
        {
            return;
        }
        let Checkpoint {
            size,
            root,
            state_root,
            ..
        } = replayed.checkpoint;
        let given = self.guards.vouched.filter(|last| last.round == round);
        let record = WitnessRecord {
            round,
            duty: Duty::Published,
            size,
            root,
            state_root,
            // The first cosignature's, so that a repetition is the same.
            timestamp_s: given.map_or(now_ms / 1_000, |given| given.timestamp_s),
        };
        if self.record(Record::Witnessed(record), out) {
            let cosignature =
                replayed
                    .checkpoint
                    .cosign(me.id, &self.member.identity, record.timestamp_s);
            let call = Call::Cosign {
                round,
                duty: Duty::Published,
                size,
                line: cosignature.line(),
            };
            self.start(Effect::Call(call), out);
        }
    }

    /// Whether a publication's cosignature is on its way.
    pub(super) fn is_vouching(&self) -> bool {
        let last = self.guards.vouched;
        last.is_some_and(|last| self.is_running(Task::Cosign(last.round, Duty::Published)))
    }

    /// A replica that does not continue what this identity cosigned: it was lost or put back, and what was fetched in its
    /// place is another history, or an older one.
    pub(super) fn notice_another_history(&mut self, facts: &Facts, out: &mut Vec<Effect>) {
        let Some(last) = self.guards.vouched else {
            return;
        };
        let other = facts
            .cosigned
            .is_some_and(|(size, root)| size == last.size && root != last.root);
        let shorter = facts.entries < last.size;
        let Some(theirs) = facts.checkpoint.as_ref().filter(|_| other || shorter) else {
            return;
        };
        let ours = Checkpoint {
            federation: self.federation,
            size: last.size,
            root: last.root,
            state_root: last.state_root,
        };
        let what = if other {
            "another ledger than the one"
        } else {
            "an older ledger than the one"
        };
        self.raise(
            Alarm::Fork {
                detail: format!(
                    "{what} of {} entries that this node replayed and cosigned in round {}",
                    last.size, last.round
                ),
                ours: ours.text(),
                theirs: theirs.note().to_owned(),
                proof: None,
            },
            out,
        );
    }
}
