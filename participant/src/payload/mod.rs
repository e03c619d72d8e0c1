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

use unsilo_fhe::{Params, Permutation, RoundContext};

use crate::{error::NodeError, session::ContributionJob};

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

    /// Bytes of a sum.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Encrypted(params) => params.ciphertext_bytes(),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(params) => plain::bytes(params),
        }
    }

    /// Makes a contribution of `update`, whose entries are wiped.
    ///
    /// # Errors
    /// [`NodeError::Computation`] if it is not finite, or the committee's keys cannot be used.
    pub(crate) fn prepare(
        &self,
        permutation: &Permutation,
        federation: [u8; 32],
        job: &ContributionJob,
        update: Vec<f32>,
    ) -> Result<Prepared, NodeError> {
        match self {
            Self::Encrypted(params) => {
                encrypted::prepare(params, permutation, federation, job, update)
            }
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(params) => Ok(plain::prepare(params, federation, job, &update)),
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
