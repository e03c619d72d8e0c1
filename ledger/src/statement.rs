//! What members sign outside of the log, so that two different ones for a round are evidence on it.

use crate::draft::FederationId;
use crate::hash::{Domain, Hash};
use crate::identity::{PublicKey, Signature, SigningIdentity};
use borsh::{BorshDeserialize, BorshSerialize};

const ANSWER: Domain = Domain::new("scalar answers");
const OPENING: Domain = Domain::new("opening answer");

/// A member's answers about the directions of a round: one, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AnswerStatement {
    /// The federation.
    pub federation: FederationId,
    /// The round.
    pub round: u64,
    /// The member's seat, from 1.
    pub seat: u16,
    /// The root of its sheet of projection answers, as in [`crate::Entry::ContributionsJudged`].
    pub sheet_root: Hash,
    /// The hash of all else that belongs to the answer: the sealed keys of the sheet and the sealed answers
    /// to validators, in the order sent.
    pub sealed: Hash,
}

/// A member's answer about the key of the weighted sum: one, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OpeningStatement {
    /// The federation.
    pub federation: FederationId,
    /// The round.
    pub round: u64,
    /// The member's seat, from 1.
    pub seat: u16,
    /// The hash of set and weights.
    pub digest: Hash,
    /// The hash of the answer.
    pub opening: Hash,
}

macro_rules! signed_statement {
    ($statement:ty, $domain:expr) => {
        impl $statement {
            fn message(&self) -> Vec<u8> {
                let mut bytes = Vec::new();
                // Writing to a Vec cannot fail.
                let _ = self.serialize(&mut bytes);
                bytes
            }

            /// The member's signature under the statement.
            pub fn sign(&self, member: &SigningIdentity) -> Signature {
                member.sign($domain, &self.message())
            }

            /// Whether `signature` is `member`'s under this statement.
            pub fn verify(&self, member: &PublicKey, signature: &Signature) -> bool {
                member.verify($domain, &self.message(), signature)
            }
        }
    };
}

signed_statement!(AnswerStatement, ANSWER);
signed_statement!(OpeningStatement, OPENING);
