//! How a rater commits to its ratings of a round before anyone sees them.

use crate::draft::FederationId;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::member::ParticipantId;
use borsh::{BorshDeserialize, BorshSerialize};

const RATING: Domain = Domain::new("rating commitment");
const ENDED: Domain = Domain::new("ended ratings");

/// The two steps in which ratings are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum RatingStep {
    /// Raters commit.
    Commit,
    /// Raters reveal what they committed to.
    Reveal,
}

/// What a rater says about the accepted contributions of a round, one number for each, in ascending order
/// of participants; 0 for its own and its affiliates'.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Ratings {
    /// For the weights of the sum: how much the update helps, negative if it harms. Only ratios count.
    pub scores: Vec<i16>,
    /// For the rewards. Only ratios count.
    pub rewards: Vec<u16>,
}

/// Where a rater stands in the round in progress.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RaterRecord {
    /// What it committed to.
    pub commitment: Hash,
    /// What it revealed; `None` before it did.
    pub revealed: Option<Ratings>,
}

/// The commitment to `ratings`. It names the round and the rater, so nobody can commit to a copy; the
/// salt is 32 random bytes that keep it from being guessed.
pub fn commit_rating(
    federation: &FederationId,
    round: u64,
    participant: ParticipantId,
    ratings: &Ratings,
    salt: &Hash,
) -> Hash {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = (federation, round, participant, ratings, salt).serialize(&mut bytes);
    DomainHasher::new(RATING).with(&bytes).finish()
}

/// The hash of the rows that a step of rating ends with, in ascending order of raters: each is given by its
/// commitment, which binds the ratings and their salt, so the hash is over what was revealed too.
pub fn ratings_hash(
    federation: &FederationId,
    round: u64,
    step: RatingStep,
    rows: impl ExactSizeIterator<Item = (ParticipantId, Hash)>,
) -> Hash {
    let step = match step {
        RatingStep::Commit => 0,
        RatingStep::Reveal => 1,
    };
    let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let mut hasher = DomainHasher::new(ENDED)
        .with(&federation.0)
        .with(&round.to_le_bytes())
        .with(&[step])
        .with(&count.to_le_bytes());
    for (rater, commitment) in rows {
        hasher.update(&rater.0.to_le_bytes());
        hasher.update(&commitment);
    }
    hasher.finish()
}
