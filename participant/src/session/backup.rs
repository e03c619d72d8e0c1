//! A directory that was put back from a backup does not know what its identity did since. The ledger holds the head of the
//! guard records that this identity last showed; records that do not lead to it were lost.
//!
//! Then nothing is done (no seat, no contribution, no answer, no signature) until the round that was under way when this was
//! noticed, or was to be opened next, is over on the ledger. Whatever was done and forgotten was about that round or
//! earlier ones: rounds do not overlap and never come again. From the next round on this node takes part as before.

use super::{Effect, Facts, Session};
use crate::{alarm::Alarm, guard::Record};

impl Session {
    /// Compares the records with the ledger.
    pub(super) fn notice_lost_records(&mut self, facts: &Facts, out: &mut Vec<Effect>) {
        let Some(head) = facts.guard_head else {
            return;
        };
        if self.guards.leads_to(&head) {
            return;
        }
        let until = facts.next_round;
        let known = self.guards.head().records;
        if self.record(Record::Behind { head, until }, out) {
            let alarm = Alarm::RecordsLost {
                known,
                shown: head.records,
                until,
            };
            self.raise(alarm, out);
        }
    }

    /// Whether this round is sat out; says so.
    pub(super) fn rests(&mut self, round: u64, out: &mut Vec<Effect>) -> bool {
        let rests = self.guards.sits_out(round);
        if rests {
            let last = self.guards.sits_out.unwrap_or(round);
            let reason = format!(
                "this node's records are older than its last acts (a restored backup): it takes part again after \
                 round {last}"
            );
            self.wait(&reason, out);
        }
        rests
    }
}
