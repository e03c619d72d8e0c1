//! Answered queries: what the endpoint hands a receipt for, and the Merkle tree over a batch of them.

use crate::hash::{Domain, DomainHasher, Hash};
use crate::tree::{Proof, ProofError, Tree, verify_inclusion};
use borsh::{BorshDeserialize, BorshSerialize};

const REQUEST: Domain = Domain::new("query request");
const ANSWER: Domain = Domain::new("query answer");

/// The most queries of one batch, so that whoever holds the queries makes an inclusion proof within milliseconds.
pub const MAX_BATCH_QUERIES: u32 = 16_384;

/// One answered query. Its bytes are a leaf of the tree whose root is in [`crate::Entry::QueryBatch`].
///
/// Only the root is on the ledger: a query is known to who asked and to who answered. The salt keeps everybody else
/// from guessing features until a leaf fits.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Query {
    /// How many the endpoint answered before, ever: its place is `number - first` in its batch.
    pub number: u64,
    /// When, in milliseconds since 1970, by the coordinator's clock.
    pub at_ms: u64,
    /// The round that published the model.
    pub round: u64,
    /// The model.
    pub model: Hash,
    /// [`request_hash`] of what was asked.
    pub request: Hash,
    /// [`AnswerHasher`] over what was answered.
    pub answer: Hash,
    /// Rows answered.
    pub rows: u32,
    /// What the coordinator owes the federation for it.
    pub fee: u64,
    /// Random.
    pub salt: [u8; 16],
}

impl Query {
    /// The leaf.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// Parses a leaf; `None` unless it is exactly one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }
}

/// The hash of a request's body, byte for byte as it was sent.
pub fn request_hash(body: &[u8]) -> Hash {
    DomainHasher::new(REQUEST).with(body).finish()
}

/// The hash of an answer: of the predictions of all rows, in order.
pub struct AnswerHasher(DomainHasher);

impl AnswerHasher {
    /// For so many rows.
    pub fn new(rows: u32) -> Self {
        Self(DomainHasher::new(ANSWER).with(&rows.to_le_bytes()))
    }

    /// The next row: its class, and the probability of every class as the bits of a 32-bit float
    /// (`f32::to_bits`), in the order of the federation's classes.
    pub fn row(&mut self, class: &str, probabilities: impl ExactSizeIterator<Item = u32>) {
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        self.0.update(&length(class.len()));
        self.0.update(class.as_bytes());
        self.0.update(&length(probabilities.len()));
        for bits in probabilities {
            self.0.update(&bits.to_le_bytes());
        }
    }

    /// For an answer that is not a list of predictions: its bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash.
    pub fn finish(self) -> Hash {
        self.0.finish()
    }
}

/// The tree over a batch: RFC 6962, as the log's own.
pub struct QueryTree(Tree);

impl QueryTree {
    /// Over these leaves ([`Query::to_bytes`]), in order of their numbers.
    pub fn new<'a>(leaves: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut tree = Tree::default();
        let growth = tree.growth(leaves);
        tree.grow(growth);
        Self(tree)
    }

    /// [`crate::Entry::QueryBatch`]'s root.
    pub fn root(&self) -> Hash {
        self.0.root()
    }

    /// That the leaf at `place` (from 0) is under the root.
    ///
    /// # Errors
    /// [`ProofError::OutOfRange`] if there are not so many.
    pub fn prove(&self, place: u32) -> Result<Proof, ProofError> {
        self.0.prove_inclusion(u64::from(place), self.0.size())
    }
}

/// Checks that the batch of `count` queries from number `first` on with this root holds `leaf`.
///
/// # Errors
/// [`ProofError`] if it is not in the batch, or the proof does not lead to the root.
pub fn verify_query(
    leaf: &[u8],
    (first, count, root): (u64, u32, &Hash),
    proof: &[Hash],
) -> Result<(), ProofError> {
    let query = Query::from_bytes(leaf).ok_or(ProofError::Invalid)?;
    let outside = ProofError::OutOfRange {
        asked: query.number,
        size: first.saturating_add(u64::from(count)),
    };
    let place = query.number.checked_sub(first).ok_or(outside)?;
    verify_inclusion(proof, u64::from(count), root, place, leaf)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "a test may panic, that is how it fails")]

    use super::*;

    fn query(number: u64) -> Query {
        Query {
            number,
            at_ms: 1_700_000_000_000,
            round: 3,
            model: [1; 32],
            request: request_hash(b"{}"),
            answer: [2; 32],
            rows: 1,
            fee: 5,
            salt: [number.to_le_bytes()[0]; 16],
        }
    }

    #[test]
    fn every_query_of_a_batch_is_proved_at_its_place_and_nowhere_else() {
        for count in 1..=9_u32 {
            let leaves: Vec<Vec<u8>> = (0..count)
                .map(|place| query(100 + u64::from(place)).to_bytes())
                .collect();
            let tree = QueryTree::new(leaves.iter().map(Vec::as_slice));
            let batch = (100, count, &tree.root());
            for (place, leaf) in (0..).zip(&leaves) {
                let proof = tree.prove(place).expect("in the batch");
                assert_eq!(verify_query(leaf, batch, &proof), Ok(()));
                let mut other = Query::from_bytes(leaf).expect("a leaf");
                other.rows = 2;
                assert!(verify_query(&other.to_bytes(), batch, &proof).is_err());
                assert!(verify_query(leaf, (99, count, batch.2), &proof).is_err());
                assert!(verify_query(leaf, (200, count, batch.2), &proof).is_err());
            }
            assert!(tree.prove(count).is_err());
        }
        assert!(Query::from_bytes(&[query(1).to_bytes(), vec![0]].concat()).is_none());
    }

    #[test]
    fn an_answer_cannot_be_cut_elsewhere() {
        let hash = |rows: &[(&str, &[u32])]| {
            let mut hasher = AnswerHasher::new(u32::try_from(rows.len()).expect("few"));
            for (class, probabilities) in rows {
                hasher.row(class, probabilities.iter().copied());
            }
            hasher.finish()
        };
        assert_ne!(hash(&[("ab", &[1])]), hash(&[("a", &[1])]));
        assert_ne!(hash(&[("a", &[1, 2])]), hash(&[("a", &[1]), ("", &[2])]));
        assert_ne!(
            hash(&[("a", &[1]), ("b", &[2])]),
            hash(&[("b", &[2]), ("a", &[1])])
        );
    }
}
