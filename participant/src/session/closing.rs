//! Members cosign the set of contributions and reveal their nonces.

use unsilo_ledger::CloseStatement;

use super::{
    Call, Effect, Facts, Me, Phase, RoundFacts, Session,
    contributing::under_way,
    patience::{Wait, too_far},
};
use crate::{alarm::Alarm, guard::Record};

impl Session {
    pub(super) fn cosign(
        &mut self,
        facts: &Facts,
        me: Me,
        round: u64,
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(open) = under_way(facts, round, Phase::Open) else {
            return;
        };
        self.post_receipt(round, out);
        let Some(seat) = self.may_act(open, me, out) else {
            return;
        };
        if let Some(reason) = too_far(open, now_ms) {
            return self.wait(&reason, out);
        }
        let record = Record::Cosigned {
            round,
            contributions: open.contributions_hash,
        };
        // What is wrong with the set is said at once, also if it is too early to close at all.
        if let Err(conflict) = self.guards.check(&record) {
            return self.conflicted(conflict, out);
        }
        if !self.guards.cosigned.contains_key(&round) && !self.mailbox_fits(open, out) {
            return;
        }
        // A coordinator that closes before the time, without everybody, chooses whose updates are summed.
        if open.contributions.len() < facts.participants
            && !self.is_over(open, Wait::Contributions, now_ms)
        {
            return self.wait(
                "the coordinator asks to close the round before its time, without everybody: not cosigned",
                out,
            );
        }
        if !self.record(record, out) {
            return;
        }
        let heads = &self.guards.cosigned_heads;
        let (Some(kept), Some(head)) = (self.guards.seats.get(&round), heads.get(&round)) else {
            return;
        };
        let statement = CloseStatement {
            federation: self.federation,
            round,
            contributions: open.contributions_hash,
            nonce: kept.nonce,
            guard: *head,
        };
        let cosignature = statement.sign(seat, &self.member.identity);
        let cosignature = borsh::to_vec(&cosignature).unwrap_or_default();
        self.start(Effect::Call(Call::CosignClose { round, cosignature }), out);
    }

    /// Whether the set lacks a contribution of this node for which it holds a receipt.
    pub(super) fn left_out(&self, round: &RoundFacts, me: Me) -> Option<Alarm> {
        let receipted = self.guards.receipts.contains_key(&round.round);
        let root = self
            .guards
            .contributions
            .get(&round.round)
            .map(|made| made.root);
        let missing = receipted && round.root_of(me.id) != root;
        missing.then_some(Alarm::ReceiptedContributionMissing { round: round.round })
    }
}
