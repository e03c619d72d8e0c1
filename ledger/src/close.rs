//! Closing a round: the set of contributions, its cosignatures and the challenge drawn from both.

use crate::draft::FederationId;
use crate::guard_head::GuardHead;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::identity::{PublicKey, Signature, SignatureBatch, SigningIdentity, domain_message};
use crate::member::ParticipantId;
use borsh::{BorshDeserialize, BorshSerialize};

const CONTRIBUTIONS: Domain = Domain::new("closed contributions");
const CLOSE: Domain = Domain::new("close cosignature");
const CHALLENGE: Domain = Domain::new("challenge seed");
const VOID_SEED: Domain = Domain::new("seed after void");

/// What a seated member signs to close a round. It reveals the nonce that its seat committed to.
///
/// # Flow
/// 1. The coordinator announces that it wants to close. The member compares
///    [`crate::State::contributions_hash`] of its own replica with the announced one, and that no
///    contribution is missing for which someone holds a receipt.
/// 2. It writes its guard record, then signs `CloseStatement { federation, round, contributions,
///    nonce, guard }` and sends the [`Cosignature`]. One per round, ever.
/// 3. With at least `threshold` of them the coordinator appends [`crate::Entry::RoundClosed`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CloseStatement {
    /// The federation.
    pub federation: FederationId,
    /// The round.
    pub round: u64,
    /// [`contributions_hash`] of all that the ledger holds for the round.
    pub contributions: Hash,
    /// The nonce committed to in the member's seat.
    pub nonce: Hash,
    /// The member's guard records, that of this cosignature included.
    pub guard: GuardHead,
}

impl CloseStatement {
    fn message(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// The cosignature of the member on `seat` (its number, from 1).
    pub fn sign(&self, seat: u16, member: &SigningIdentity) -> Cosignature {
        Cosignature {
            seat,
            nonce: self.nonce,
            guard: self.guard,
            signature: member.sign(CLOSE, &self.message()),
        }
    }

    /// Whether `signature` is `member`'s under this statement.
    pub fn verify(&self, member: &PublicKey, signature: &Signature) -> bool {
        member.verify(CLOSE, &self.message(), signature)
    }

    /// Puts `member`'s signature under this statement into a batch; `false` if it is invalid by its encoding.
    pub(crate) fn add_to(
        &self,
        batch: &mut SignatureBatch<'_>,
        member: &PublicKey,
        signature: &Signature,
    ) -> bool {
        let message = domain_message(CLOSE, &self.message());
        batch.add(member, &[&message], signature)
    }
}

/// A seated member's signature under the close of its round, with its nonce.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Cosignature {
    /// The seat's number, from 1.
    pub seat: u16,
    /// The nonce that the seat committed to.
    pub nonce: Hash,
    /// The member's guard records.
    pub guard: GuardHead,
    /// The member's signature under the [`CloseStatement`].
    pub signature: Signature,
}

/// A rater's commitment to its directions, part of what a close is over.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DirectionCommitment {
    /// The key that answers about the directions are sealed to.
    pub round_key: Vec<u8>,
    /// The hashes of the directions, one or two.
    pub directions: Vec<Hash>,
}

/// The hash of what a round was closed over: the ordered list of who sent which root, and that of who
/// committed to which directions.
pub fn contributions_hash<'a>(
    federation: &FederationId,
    round: u64,
    roots: impl ExactSizeIterator<Item = (ParticipantId, Hash)>,
    directions: impl ExactSizeIterator<Item = (ParticipantId, &'a DirectionCommitment)>,
) -> Hash {
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes();
    let mut hasher = DomainHasher::new(CONTRIBUTIONS)
        .with(&federation.0)
        .with(&round.to_le_bytes())
        .with(&count(roots.len()));
    for (participant, root) in roots {
        hasher.update(&participant.0.to_le_bytes());
        hasher.update(&root);
    }
    hasher.update(&count(directions.len()));
    for rater in directions {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = rater.serialize(&mut bytes);
        hasher.update(&bytes);
    }
    hasher.finish()
}

/// The challenge of a closed round: H(domain, closed root, nonces of the cosigners in seat order).
///
/// No nonce was known to anyone else before its holder had seen the closed root. What remains open to
/// a coordinator is *which* cosignatures it uses when it holds more than `threshold`; see the crate's
/// documentation, "What the ledger cannot see".
pub fn challenge_seed(closed: &Hash, nonces: impl Iterator<Item = Hash>) -> Hash {
    let mut hasher = DomainHasher::new(CHALLENGE).with(closed);
    for nonce in nonces {
        hasher.update(&nonce);
    }
    hasher.finish()
}

/// The seed that replaces `last` when `round` is void before its close: H(last seed, round).
pub fn seed_after_void(last: &Hash, round: u64) -> Hash {
    DomainHasher::new(VOID_SEED)
        .with(last)
        .with(&round.to_le_bytes())
        .finish()
}
