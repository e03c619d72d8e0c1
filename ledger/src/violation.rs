//! Evidence of a violation, as an entry carries it.
//!
//! Two statements of which a participant may sign only one convict it by themselves: the ledger verifies
//! both signatures. What only those with the sealed shares can check, members attest.

use crate::case::Offence;
use crate::close::CloseStatement;
use crate::draft::FederationId;
use crate::entry::{Entry, VoidAuthority};
use crate::hash::Hash;
use crate::identity::{PublicKey, Signature};
use crate::member::ParticipantId;
use crate::statement::{AnswerStatement, OpeningStatement};
use borsh::{BorshDeserialize, BorshSerialize};

/// The longest encoded entry that is evidence. Entries that one participant signs alone are shorter.
pub const MAX_EVIDENCE_BYTES: usize = 64 * 1024;

/// Something a participant signs, of which there may be one a round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Statement {
    /// Under a close.
    Close(CloseStatement),
    /// Under answers about directions.
    Answer(AnswerStatement),
    /// Under the answer about the key of a sum.
    Opening(OpeningStatement),
    /// Under an entry, as [`Entry::to_bytes`] has it: a contribution, directions, ratings, a model, or that
    /// a round is void.
    Entry(Vec<u8>),
}

/// A statement and a signature under it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Testimony {
    /// What is said.
    pub statement: Statement,
    /// By the accused.
    pub signature: Signature,
}

/// What is reported.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Violation {
    /// Two statements that exclude each other. Reported by anyone.
    Contradiction {
        /// Who signed both.
        participant: ParticipantId,
        /// One.
        first: Box<Testimony>,
        /// The other.
        second: Box<Testimony>,
    },
    /// Cosignatures under two logs of one size. Reported by anyone.
    Equivocation {
        /// [`crate::CosignerEquivocation::to_bytes`].
        proof: Vec<u8>,
    },
    /// A member answered other than its shares say, as re-sealing the disputed share shows. Attested by
    /// the committee.
    WrongAnswer {
        /// The member.
        participant: ParticipantId,
        /// The round.
        round: u64,
        /// The hash of the appeal that shows it.
        evidence: Hash,
    },
    /// A contributor dealt a share that does not fit the others, as re-sealing it shows. Attested by the
    /// committee.
    WrongShare {
        /// The contributor.
        participant: ParticipantId,
        /// The round.
        round: u64,
        /// The hash of the appeal that shows it.
        evidence: Hash,
    },
}

/// What a statement is about, decoded.
enum Said {
    Close { contributions: Hash },
    Answer { sheet_root: Hash, sealed: Hash },
    Opening { digest: Hash, opening: Hash },
    Entry(Box<Entry>),
}

impl Testimony {
    /// Whether the signature is `key`'s, in this federation.
    pub(crate) fn verify(&self, federation: &FederationId, key: &PublicKey) -> bool {
        match &self.statement {
            Statement::Close(statement) => statement.verify(key, &self.signature),
            Statement::Answer(statement) => statement.verify(key, &self.signature),
            Statement::Opening(statement) => statement.verify(key, &self.signature),
            Statement::Entry(bytes) => {
                let signature = crate::EntrySignature {
                    signer: *key,
                    signature: self.signature,
                };
                Entry::from_bytes(bytes)
                    .is_ok_and(|entry| entry.verify_signature(federation, &signature))
            }
        }
    }

    /// The round, and what is said about it; `None` for another federation, or an entry that nobody
    /// is held to.
    fn said(&self, federation: &FederationId) -> Option<(u64, Said)> {
        match &self.statement {
            Statement::Close(close) if close.federation == *federation => {
                let contributions = close.contributions;
                Some((close.round, Said::Close { contributions }))
            }
            Statement::Answer(answer) if answer.federation == *federation => {
                let (sheet_root, sealed) = (answer.sheet_root, answer.sealed);
                Some((answer.round, Said::Answer { sheet_root, sealed }))
            }
            Statement::Opening(answer) if answer.federation == *federation => {
                let (digest, opening) = (answer.digest, answer.opening);
                Some((answer.round, Said::Opening { digest, opening }))
            }
            Statement::Entry(bytes) if bytes.len() <= MAX_EVIDENCE_BYTES => {
                let entry = Entry::from_bytes(bytes).ok()?;
                let round = match &entry {
                    Entry::ContributionCommitted { round, .. }
                    | Entry::DirectionsCommitted { round, .. }
                    | Entry::RatingsCommitted { round, .. }
                    | Entry::ModelPublished { round, .. }
                    | Entry::StatisticsPublished { round, .. }
                    | Entry::RoundVoided { round, .. } => *round,
                    _ => return None,
                };
                Some((round, Said::Entry(Box::new(entry))))
            }
            _ => None,
        }
    }
}

/// The offence of having signed both, and its round; `None` if one may sign both.
pub(crate) fn contradiction(
    federation: &FederationId,
    first: &Testimony,
    second: &Testimony,
) -> Option<(Offence, u64)> {
    let (round, one) = first.said(federation)?;
    let (other_round, other) = second.said(federation)?;
    if round != other_round {
        return None;
    }
    let offence = exclude(&one, &other).or_else(|| exclude(&other, &one))?;
    Some((offence, round))
}

fn exclude(one: &Said, other: &Said) -> Option<Offence> {
    let (differ, offence) = match (one, other) {
        (Said::Close { contributions: a }, Said::Close { contributions: b }) => {
            (a != b, Offence::TwoCloses)
        }
        (
            Said::Answer { sheet_root, sealed },
            Said::Answer {
                sheet_root: other_root,
                sealed: other_sealed,
            },
        ) => (
            (sheet_root, sealed) != (other_root, other_sealed),
            Offence::TwoAnswers,
        ),
        (
            Said::Opening { digest, opening },
            Said::Opening {
                digest: other_digest,
                opening: other_opening,
            },
        ) => (
            (digest, opening) != (other_digest, other_opening),
            Offence::TwoOpenings,
        ),
        (Said::Opening { .. }, Said::Entry(entry)) => {
            // Owners may declare void what was answered, a day later.
            let by_members = matches!(
                **entry,
                Entry::RoundVoided {
                    authority: VoidAuthority::Committee,
                    ..
                }
            );
            (by_members, Offence::OpenedAndVoided)
        }
        (Said::Entry(a), Said::Entry(b)) => return exclude_entries(a, b),
        _ => return None,
    };
    differ.then_some(offence)
}

fn exclude_entries(one: &Entry, other: &Entry) -> Option<Offence> {
    let offence = match (one, other) {
        (Entry::ContributionCommitted { .. }, Entry::ContributionCommitted { .. }) => {
            Offence::TwoContributions
        }
        (Entry::DirectionsCommitted { .. }, Entry::DirectionsCommitted { .. }) => {
            Offence::TwoDirections
        }
        (Entry::RatingsCommitted { .. }, Entry::RatingsCommitted { .. }) => Offence::TwoRatings,
        (Entry::ModelPublished { .. }, Entry::ModelPublished { .. })
        | (Entry::StatisticsPublished { .. }, Entry::StatisticsPublished { .. }) => {
            Offence::TwoModels
        }
        _ => return None,
    };
    (one != other).then_some(offence)
}
