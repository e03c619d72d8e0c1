//! What this node sends: an encrypted update. An ordinary build knows nothing else.
//!
//! The cargo feature `plaintext-bench` adds a second kind: the raw f32 update that everybody can read, sent through
//! the same session, so that `unsilo bench round` can say what encryption costs. It is used only where the node's own
//! directory is marked for it ([`MARKER`]); nothing that a coordinator says can turn it on. Without the feature such a
//! directory is refused, and there is no code that could send an update unencrypted.

mod encrypted;
#[cfg(feature = "plaintext-bench")]
pub(crate) mod plain;
#[cfg(test)]
mod tests;

pub(crate) use encrypted::committee;

use std::path::Path;

use unsilo_fhe::{DigitSumReader, Params, Permutation, RoundContext};
use unsilo_ledger::ColumnSums;
use zeroize::Zeroizing;

use crate::{dealer::Dealer, error::NodeError, session::ContributionJob};

/// A file of this name in the node's directory says that its updates are sent unencrypted.
pub(crate) const MARKER: &str = "plaintext-bench";

/// The kind of this node's contributions, with the parameters of the model.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload {
    /// A ciphertext, with a sealed share of its one-time key for each seat.
    Encrypted(Params),
    /// Little-endian f32, for benchmarks.
    #[cfg(feature = "plaintext-bench")]
    Plain(Params),
}

/// A contribution, ready to be kept and sent.
pub(crate) struct Prepared {
    /// What is streamed.
    pub(crate) bytes: Vec<u8>,
    /// One for each seat; none if nothing is encrypted.
    pub(crate) sealed_shares: Vec<Vec<u8>>,
    /// The linear hash that goes with them; that of nothing if nothing is encrypted.
    pub(crate) linear_hash: Vec<u8>,
    /// What the shares were sealed with, for an appeal. Secret.
    pub(crate) seal_seeds: Zeroizing<Vec<u8>>,
    /// What the participant signs.
    pub(crate) root: [u8; 32],
    /// Factor that brought the update within the norm bound; `None` if it was not encrypted.
    pub(crate) clip: Option<f64>,
}

/// What a served sum is opened with.
pub(crate) struct ServedKey<'a> {
    pub(crate) context: &'a RoundContext,
    /// The federation's.
    pub(crate) permutation: &'a Permutation,
    pub(crate) key_sum: &'a [u8],
    pub(crate) total_weight: u64,
    /// Exponent of the value of one quantisation step.
    pub(crate) unit_log2: i8,
}

impl Payload {
    /// The payload of the node in `directory`.
    ///
    /// # Errors
    /// [`NodeError::Directory`] if it is marked as not encrypted and this build knows only encryption.
    pub(crate) fn of(directory: &Path, params: Params) -> Result<Self, NodeError> {
        // What cannot be looked at counts as marked: without the feature nothing is sent then.
        if !directory.join(MARKER).try_exists().unwrap_or(true) {
            return Ok(Self::Encrypted(params));
        }
        #[cfg(feature = "plaintext-bench")]
        {
            tracing::warn!("this node sends its updates NOT encrypted: it is a benchmark");
            Ok(Self::Plain(params))
        }
        #[cfg(not(feature = "plaintext-bench"))]
        Err(NodeError::Directory(format!(
            "{} is a benchmark's directory whose updates are not encrypted (it holds the file {MARKER}): this program was \
             built without the feature `plaintext-bench` and refuses it; join with a new invitation in a new directory",
            directory.display()
        )))
    }

    /// Whether there is anything for members to answer, judge and open, and anything to verify.
    pub(crate) fn is_encrypted(&self) -> bool {
        match self {
            Self::Encrypted(_) => true,
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => false,
        }
    }

    /// A reader for a sum of contributions whose weights add up to `total_weight`.
    ///
    /// # Errors
    /// Why there is no such sum.
    pub(crate) fn sum_reader(&self, total_weight: u64) -> Result<SumReader, String> {
        match self {
            Self::Encrypted(params) => DigitSumReader::new(params, total_weight)
                .map(|reader| SumReader::Encrypted(Box::new(reader)))
                .map_err(|error| error.to_string()),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(params) => Ok(SumReader::Plain {
                expected: plain::bytes(params),
                bytes: Vec::new(),
            }),
        }
    }

    /// Makes a contribution of `update`, whose entries are wiped; encrypted by `dealer`, if it is.
    ///
    /// # Errors
    /// [`NodeError::Computation`] if it is not finite, or the committee's keys cannot be used.
    pub(crate) fn prepare(
        &self,
        permutation: &Permutation,
        federation: [u8; 32],
        job: &ContributionJob,
        update: Vec<f32>,
        dealer: &dyn Dealer,
    ) -> Result<Prepared, NodeError> {
        match self {
            Self::Encrypted(params) => {
                encrypted::prepare(params, permutation, federation, job, update, dealer)
            }
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(params) => Ok(plain::prepare(params, federation, job, &update)),
        }
    }

    /// Makes the contribution to the statistics round: integers, each with its digits; encrypted by `dealer`.
    ///
    /// # Errors
    /// [`NodeError::Computation`] if they do not fit, or the committee's keys cannot be used.
    pub(crate) fn prepare_integers(
        &self,
        permutation: &Permutation,
        federation: [u8; 32],
        job: &ContributionJob,
        integers: &[(u64, usize)],
        dealer: &dyn Dealer,
    ) -> Result<Prepared, NodeError> {
        match self {
            Self::Encrypted(params) => {
                encrypted::prepare_integers(params, permutation, federation, job, integers, dealer)
            }
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => Err(NodeError::Computation(
                "the yardstick measures no statistics".to_owned(),
            )),
        }
    }

    /// Opens the sum of the statistics round that was served.
    ///
    /// # Errors
    /// Why the sum is not one that fits its key.
    pub(crate) fn open_statistics(
        &self,
        served: &ServedKey<'_>,
        sum: &[u8],
        columns: usize,
    ) -> Result<Vec<Option<ColumnSums>>, String> {
        match self {
            Self::Encrypted(_) => encrypted::open_statistics(served, sum, columns),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => Err("the yardstick measures no statistics".to_owned()),
        }
    }

    /// Opens the sum that was served and adds the mean to `weights`.
    ///
    /// # Errors
    /// Why the sum is not one that fits its key.
    pub(crate) fn open(
        &self,
        served: &ServedKey<'_>,
        sum: &[u8],
        weights: &mut [f32],
    ) -> Result<(), String> {
        match self {
            Self::Encrypted(_) => encrypted::open(served, sum, weights),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => {
                plain::open(served, sum, weights);
                Ok(())
            }
        }
    }
}

/// Reads a sum as it arrives.
pub(crate) enum SumReader {
    /// Digit by digit, hashed and reduced on the way.
    Encrypted(Box<DigitSumReader>),
    /// As it is.
    #[cfg(feature = "plaintext-bench")]
    Plain {
        /// Bytes that it has.
        expected: usize,
        /// Those that arrived.
        bytes: Vec<u8>,
    },
}

/// A sum that was read to its end.
pub(crate) enum ReadSum {
    /// The ciphertext, and the linear hash of its digits.
    Encrypted(unsilo_fhe::digit_sum::ReadSum),
    /// As it is.
    #[cfg(feature = "plaintext-bench")]
    Plain(Vec<u8>),
}

impl ReadSum {
    /// What there is to verify; nothing of a benchmark's plain sum, which has neither hash nor projections.
    pub(crate) fn encrypted(&self) -> Option<&unsilo_fhe::digit_sum::ReadSum> {
        match self {
            Self::Encrypted(sum) => Some(sum),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => None,
        }
    }
}

impl SumReader {
    /// Bytes of the whole sum on the wire.
    pub(crate) fn expected(&self) -> u64 {
        match self {
            Self::Encrypted(reader) => reader.expected(),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain { expected, .. } => *expected as u64,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Why they are not those of a sum.
    pub(crate) fn update(&mut self, part: &[u8]) -> Result<(), String> {
        match self {
            Self::Encrypted(reader) => reader.update(part).map_err(|error| error.to_string()),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain { expected, bytes } if part.len() <= *expected - bytes.len() => {
                bytes.extend_from_slice(part);
                Ok(())
            }
            #[cfg(feature = "plaintext-bench")]
            Self::Plain { .. } => Err("the sum is too long".to_owned()),
        }
    }

    /// The whole sum.
    ///
    /// # Errors
    /// If bytes are missing.
    pub(crate) fn finish(self) -> Result<ReadSum, String> {
        match self {
            Self::Encrypted(reader) => reader
                .finish()
                .map(ReadSum::Encrypted)
                .map_err(|error| error.to_string()),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain { expected, bytes } if bytes.len() == expected => Ok(ReadSum::Plain(bytes)),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain { .. } => Err("the sum is too short".to_owned()),
        }
    }
}

impl ReadSum {
    /// What is opened.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Encrypted(sum) => &sum.ciphertext,
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(bytes) => bytes,
        }
    }
}
