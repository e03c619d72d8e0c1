//! A committee seat: what a drawn member offers before a round opens.

use crate::draft::FederationId;
use crate::guard_head::GuardHead;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::identity::{PublicKey, Signature, SignatureBatch, SigningIdentity, domain_message};
use crate::member::ParticipantId;
use borsh::{BorshDeserialize, BorshSerialize};

const SEAT_OFFER: Domain = Domain::new("seat offer");
const NONCE: Domain = Domain::new("seat nonce");

/// The longest round key, in bytes.
pub const MAX_ROUND_KEY_BYTES: usize = 4_096;

/// What a drawn member signs to take its seat: its key for this round and a commitment to the nonce
/// that it will reveal when it cosigns the close.
///
/// # Flow
/// 1. The member sees in [`crate::State::draw`] that its owner is drawn for the next round.
/// 2. It makes a round key and 32 random bytes, and **stores both** before anything is sent.
/// 3. It signs `SeatOffer { federation, round, model, round_key, nonce_commitment:
///    commit_nonce(..), guard }` with [`SeatOffer::sign`] and sends the offer and the signature.
/// 4. The coordinator puts [`SeatOffer::into_seat`] into [`crate::Entry::RoundOpened`], in the order
///    of the draw.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SeatOffer {
    /// The federation.
    pub federation: FederationId,
    /// The round to be opened.
    pub round: u64,
    /// The hash of the model that the round starts from.
    pub model: Hash,
    /// The key that shares are sealed to in this round; opaque here, at most [`MAX_ROUND_KEY_BYTES`].
    pub round_key: Vec<u8>,
    /// See [`commit_nonce`].
    pub nonce_commitment: Hash,
    /// The member's guard records, that of this offer included.
    pub guard: GuardHead,
}

impl SeatOffer {
    fn message(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// The member's signature under the offer.
    pub fn sign(&self, member: &SigningIdentity) -> Signature {
        member.sign(SEAT_OFFER, &self.message())
    }

    /// Whether `signature` is `member`'s under this offer.
    pub fn verify(&self, member: &PublicKey, signature: &Signature) -> bool {
        member.verify(SEAT_OFFER, &self.message(), signature)
    }

    /// Puts `member`'s signature under this offer into a batch; `false` if it is invalid by its encoding.
    pub(crate) fn add_to(
        &self,
        batch: &mut SignatureBatch<'_>,
        member: &PublicKey,
        signature: &Signature,
    ) -> bool {
        let message = domain_message(SEAT_OFFER, &self.message());
        batch.add(member, &[&message], signature)
    }

    /// The seat that the coordinator writes into the entry.
    pub fn into_seat(self, participant: ParticipantId, signature: Signature) -> Seat {
        Seat {
            participant,
            round_key: self.round_key,
            nonce_commitment: self.nonce_commitment,
            guard: self.guard,
            signature,
        }
    }
}

/// A filled seat of a round. Seats are numbered by position, from 1.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Seat {
    /// Who sits: any participant of the drawn owner.
    pub participant: ParticipantId,
    /// The key that shares are sealed to in this round.
    pub round_key: Vec<u8>,
    /// See [`commit_nonce`].
    pub nonce_commitment: Hash,
    /// The participant's guard records.
    pub guard: GuardHead,
    /// The participant's own signature under the [`SeatOffer`].
    pub signature: Signature,
}

/// The commitment to `nonce`. It names the round and the participant: a commitment copied from
/// another member cannot be opened.
pub fn commit_nonce(
    federation: &FederationId,
    round: u64,
    participant: ParticipantId,
    nonce: &Hash,
) -> Hash {
    DomainHasher::new(NONCE)
        .with(&federation.0)
        .with(&round.to_le_bytes())
        .with(&participant.0.to_le_bytes())
        .with(nonce)
        .finish()
}
