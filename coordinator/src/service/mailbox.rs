//! The committee's mailbox: receipts that their holders posted, so that no close leaves out what was receipted.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use unsilo_ledger::{Participant, ParticipantId, SignedReceipt};
use unsilo_proto::{
    Code, Rejected,
    v1::{MailboxReply, MailboxRequest, PostReceiptRequest},
};

use super::Services;

/// Receipts of the round under way. In memory only: whoever holds one posts it again on every connection.
#[derive(Default)]
pub(crate) struct Mailbox(Mutex<Posted>);

#[derive(Default)]
struct Posted {
    round: u64,
    receipts: BTreeMap<ParticipantId, Vec<u8>>,
}

impl Mailbox {
    fn post(&self, receipt: &SignedReceipt) {
        let mut posted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = &receipt.receipt;
        if posted.round != of.round {
            *posted = Posted {
                round: of.round,
                receipts: BTreeMap::new(),
            };
        }
        posted.receipts.insert(of.participant, receipt.to_bytes());
    }

    /// Ascending by participant.
    fn of_round(&self, round: u64) -> Vec<Vec<u8>> {
        let posted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if posted.round == round {
            posted.receipts.values().cloned().collect()
        } else {
            Vec::new()
        }
    }
}

impl Services {
    /// Takes the caller's receipt of the round under way.
    pub(super) fn post(
        &self,
        holder: &Participant,
        request: &PostReceiptRequest,
    ) -> Result<(), Rejected> {
        let receipt = SignedReceipt::from_bytes(&request.receipt)
            .ok_or_else(|| Rejected::new(Code::Malformed, "receipt is malformed"))?;
        let of = &receipt.receipt;
        if of.participant != holder.id || of.federation != self.federation {
            return Err(Rejected::new(
                Code::Malformed,
                "the receipt is not one of yours from this federation",
            ));
        }
        let snapshot = self.owner.now();
        let current = snapshot.state.round().map(|round| round.opening.round);
        if current != Some(of.round) {
            return Err(Rejected::new(
                Code::WrongRound,
                format!(
                    "round {} is not under way: its receipts are of no use any more",
                    of.round
                ),
            ));
        }
        if !receipt.verify(&self.draft.coordinator) {
            return Err(Rejected::new(
                Code::SignatureInvalid,
                "this receipt is not signed by this coordinator",
            ));
        }
        self.mailbox.post(&receipt);
        Ok(())
    }

    /// What was posted for a round.
    pub(super) fn posted(&self, request: &MailboxRequest) -> MailboxReply {
        MailboxReply {
            receipts: self.mailbox.of_round(request.round),
        }
    }
}

#[cfg(test)]
mod tests {
    use unsilo_ledger::{FederationId, Receipt, SigningIdentity};

    use super::*;

    #[test]
    fn a_new_round_empties_the_mailbox() {
        let coordinator = SigningIdentity::from_seed(&[1; 32]);
        let receipt = |round, participant| {
            let receipt = Receipt {
                federation: FederationId([0; 32]),
                round,
                participant: ParticipantId(participant),
                root: [2; 32],
                entry_index: 3,
            };
            receipt.sign(&coordinator)
        };
        let mailbox = Mailbox::default();
        for participant in [4, 1, 4] {
            mailbox.post(&receipt(7, participant));
        }
        assert_eq!(
            mailbox.of_round(7),
            [receipt(7, 1).to_bytes(), receipt(7, 4).to_bytes()]
        );
        assert!(mailbox.of_round(6).is_empty());
        mailbox.post(&receipt(8, 2));
        assert!(mailbox.of_round(7).is_empty());
        assert_eq!(mailbox.of_round(8).len(), 1);
    }
}
