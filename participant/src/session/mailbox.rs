//! Receipts are posted for the committee to see, so that a close that leaves out a receipted contribution is noticed by
//! every member and not by its holder alone.

use unsilo_ledger::{Hash, SignedReceipt};

use super::{Call, Effect, Me, Phase, RoundFacts, Session, Task, contributing::under_way};
use crate::alarm::Alarm;

/// What a mailbox that was delivered says.
enum Mailbox {
    /// The set with this hash holds everything receipted.
    Fits(Hash),
    /// Nothing was delivered.
    Empty,
    /// It was asked for before this node's receipt was posted.
    AskedTooEarly,
}

impl Session {
    /// Posts this node's receipt, whether or not it sits in the committee.
    pub(super) fn post_receipt(&mut self, round: u64, out: &mut Vec<Effect>) {
        if let Some(receipt) = self.guards.receipts.get(&round) {
            let receipt = receipt.clone();
            self.start(Effect::Call(Call::PostReceipt { round, receipt }), out);
        }
    }

    /// Whether the mailbox delivered and the set holds everything that was receipted. If that is not known for this set, asks.
    pub(super) fn mailbox_fits(&mut self, round: &RoundFacts, out: &mut Vec<Effect>) -> bool {
        let asked = (round.round, round.contributions_hash);
        if self.mailbox_read == Some(asked) {
            return true;
        }
        // The own receipt first: what is asked for afterwards must hold it. A receipt that comes while a mailbox is on
        // its way (the set closes with the last contribution, whose receipt follows) says nothing about that mailbox.
        let posted = self.is_done(Task::PostReceipt(round.round));
        if posted || !self.guards.receipts.contains_key(&round.round) {
            if !self.is_running(Task::FetchMailbox(round.round)) {
                self.mailbox_asked_after_post = posted.then_some(round.round);
            }
            self.start(Effect::FetchMailbox { round: round.round }, out);
        }
        false
    }

    pub(super) fn read_mailbox(&mut self, round: u64, receipts: &[Vec<u8>], out: &mut Vec<Effect>) {
        // Asked again for another set.
        self.tasks.remove(&Task::FetchMailbox(round));
        let Some(facts) = self.facts.take() else {
            return;
        };
        if let (Some(open), Some((id, owner))) = (under_way(&facts, round, Phase::Open), facts.me) {
            match self.check_mailbox(open, Me { id, owner }, receipts) {
                Ok(Mailbox::Fits(set)) => self.mailbox_read = Some((round, set)),
                Ok(Mailbox::AskedTooEarly) => {}
                Ok(Mailbox::Empty) => {
                    self.finish(Task::FetchMailbox(round), super::Progressing::Refused);
                    self.wait(
                        "the coordinator's mailbox delivers nothing: the close is not cosigned before it does",
                        out,
                    );
                }
                Err(alarm) => {
                    self.finish(Task::FetchMailbox(round), super::Progressing::Refused);
                    self.raise(alarm, out);
                }
            }
        }
        self.facts = Some(facts);
    }

    /// Whether the set holds everything receipted.
    fn check_mailbox(
        &self,
        open: &RoundFacts,
        me: Me,
        receipts: &[Vec<u8>],
    ) -> Result<Mailbox, Alarm> {
        let round = open.round;
        let mut mine = false;
        let mut delivered = false;
        for bytes in receipts {
            let Some(signed) = SignedReceipt::from_bytes(bytes) else {
                continue;
            };
            let receipt = &signed.receipt;
            // What the coordinator did not sign binds nobody.
            let counts = signed.verify(&self.member.draft.coordinator)
                && receipt.federation == self.federation
                && receipt.round == round;
            if !counts {
                continue;
            }
            delivered = true;
            mine |= receipt.participant == me.id;
            if open.root_of(receipt.participant) != Some(receipt.root) {
                let participant = receipt.participant.0;
                return Err(if receipt.participant == me.id {
                    Alarm::ReceiptedContributionMissing { round }
                } else {
                    Alarm::OthersContributionMissing { round, participant }
                });
            }
        }
        if self.guards.receipts.contains_key(&round) && !mine {
            return if self.mailbox_asked_after_post == Some(round) {
                Err(Alarm::MailboxCensored { round })
            } else {
                Ok(Mailbox::AskedTooEarly)
            };
        }
        Ok(if delivered {
            Mailbox::Fits(open.contributions_hash)
        } else {
            Mailbox::Empty
        })
    }
}
