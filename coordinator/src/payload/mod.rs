//! What contributions are made of. An ordinary build knows encrypted ones and nothing else.
//!
//! The cargo feature `plaintext-bench` adds a second kind: raw f32 updates that everybody can read, sent through
//! the same service, so that `unsilo bench round` can say what encryption costs. A directory marked for it
//! ([`MARKER`]) is refused by every build without the feature, and without the feature there is no variant, hence no
//! code, that could take such a contribution. Everything in which the two kinds differ is in this module.

mod encrypted;
#[cfg(feature = "plaintext-bench")]
pub(crate) mod plain;
#[cfg(test)]
mod tests;

use std::{io::Read, path::Path};

use unsilo_fhe::{
    ChunkTree, LinearHash, Params, ParamsLiteral, Permutation, Projections, RoundContext,
    aggregate::AggregateError, pack::CiphertextError,
};
use unsilo_ledger::ColumnSums;

use crate::{error::CoordinatorError, round::Answer};

/// A file of this name in the coordinator's directory says that the federation's contributions are not encrypted.
pub(crate) const MARKER: &str = "plaintext-bench";

/// The kind of a federation's contributions, with the parameters of its model.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload {
    /// Ciphertexts with a sealed key share a seat; members open the key of their sum.
    Encrypted(Params),
    /// Little-endian f32, for benchmarks; nothing is sealed and nobody opens anything.
    #[cfg(feature = "plaintext-bench")]
    Plain(Params),
}

/// Why bytes that arrived whole are not a contribution.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Invalid {
    /// They are no ciphertext of these parameters.
    #[error(
        "the ciphertext is not one of this federation's parameters: {0}; encrypt the update again"
    )]
    Ciphertext(#[from] CiphertextError),
    /// They hold something else than finite numbers.
    #[cfg(feature = "plaintext-bench")]
    #[error("entry {0} of the plain update is not a finite number")]
    NotFinite(usize),
}

/// What the bytes of a contribution hash to.
pub(crate) struct Checked {
    /// The Merkle root of the chunks.
    pub(crate) chunks_root: [u8; 32],
    /// The hashes of the chunks, if there are such.
    pub(crate) chunk_tree: Option<ChunkTree>,
    /// The linear hash; of nothing if the payload has none.
    pub(crate) linear_hash: LinearHash,
}

/// An opened sum.
pub(crate) struct Opened {
    /// What members and participants need beside the sum to open it themselves.
    pub(crate) key_sum: Vec<u8>,
    /// Seats whose answers were wrong.
    pub(crate) liars: Vec<u16>,
}

/// What a round's sum is opened with.
pub(crate) struct Opening<'a> {
    pub(crate) context: &'a RoundContext,
    /// The federation's.
    pub(crate) permutation: &'a Permutation,
    /// Answers that are needed.
    pub(crate) threshold: usize,
    pub(crate) answers: &'a [Answer],
    pub(crate) total_weight: u64,
    /// Exponent of the value of one quantisation step.
    pub(crate) unit_log2: i8,
    /// Weight and linear hash of everything that was summed.
    pub(crate) linear_hashes: &'a [(u16, Vec<u8>)],
}

/// Why a sum was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The answers open nothing sensible: only another answer can help.
    #[error("{0}")]
    Answers(String),
    /// The stored sum cannot be read.
    #[error("the stored sum cannot be read: {0}")]
    Sum(String),
    /// A stored contribution, or the sum, changed since it was checked.
    #[error("the stored sum is not that of the contributions as they came in")]
    NotTheSum,
}

impl Payload {
    /// The payload of the federation in `directory`, whose model has this many parameters.
    ///
    /// # Errors
    /// [`CoordinatorError::Directory`] if it is marked as not encrypted and this build knows only encryption, or if
    /// the encryption has no parameters for the model.
    pub(crate) fn of(directory: &Path, parameters: u64) -> Result<Self, CoordinatorError> {
        let params = Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters,
        })
        .map_err(|error| CoordinatorError::Directory(error.to_string()))?;
        // What cannot be looked at counts as marked: never open less than what is there.
        if !directory.join(MARKER).try_exists().unwrap_or(true) {
            return Ok(Self::Encrypted(params));
        }
        #[cfg(feature = "plaintext-bench")]
        {
            tracing::warn!("the updates of this federation are NOT encrypted: it is a benchmark");
            Ok(Self::Plain(params))
        }
        #[cfg(not(feature = "plaintext-bench"))]
        Err(CoordinatorError::Directory(format!(
            "{} is a benchmark's federation whose updates are not encrypted (it holds the file {MARKER}): this program \
             was built without the feature `plaintext-bench` and refuses it; make a new federation with `unsilo \
             coordinator init`",
            directory.display()
        )))
    }

    /// Bytes of a contribution without key shares.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Encrypted(params) => params.ciphertext_bytes() as u64,
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(params) => plain::bytes(params),
        }
    }

    /// Sealed key shares that come with a contribution in a round of so many seats.
    pub(crate) fn sealed_shares(&self, seats: usize) -> usize {
        match self {
            Self::Encrypted(_) => seats,
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => 0,
        }
    }

    /// The vectors that a closed round's ciphertexts are projected with; `None` where there is nothing to check.
    pub(crate) fn projections(
        &self,
        context: &RoundContext,
        challenge: [u8; 32],
    ) -> Option<Projections> {
        match self {
            Self::Encrypted(params) => Some(Projections::new(params, context, challenge)),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => None,
        }
    }

    /// Whether members' answers open the sum. Otherwise there is nothing to open.
    pub(crate) fn is_opened_by_members(&self) -> bool {
        match self {
            Self::Encrypted(_) => true,
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => false,
        }
    }

    /// The parameters that the signed root of a contribution names.
    pub(crate) fn params(&self) -> &Params {
        match self {
            Self::Encrypted(params) => params,
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(params) => params,
        }
    }

    /// A check of the bytes of one contribution, in order.
    pub(crate) fn check(&self) -> Check {
        match self {
            Self::Encrypted(params) => Check::Encrypted(encrypted::Check::new(params)),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => Check::Plain(plain::Check::default()),
        }
    }

    /// A sum over a range of `bytes` bytes, which are whole chunks (of the last range: what is left).
    pub(crate) fn adder(&self, bytes: usize) -> Adder {
        match self {
            Self::Encrypted(_) => Adder::Encrypted(encrypted::adder(bytes)),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => Adder::Plain(plain::Adder::new(bytes)),
        }
    }

    /// Opens `sum`, a stored one, and adds the mean to `weights`.
    ///
    /// # Errors
    /// [`OpenError`]
    pub(crate) fn open(
        &self,
        opening: &Opening<'_>,
        sum: impl Read,
        weights: &mut [f32],
    ) -> Result<Opened, OpenError> {
        match self {
            Self::Encrypted(params) => encrypted::open(params, opening, sum, weights),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => plain::open(opening, sum, weights),
        }
    }

    /// Opens `sum`, the stored one of the statistics round, and gives the sums of each of so many columns.
    ///
    /// # Errors
    /// [`OpenError`]
    pub(crate) fn open_statistics(
        &self,
        opening: &Opening<'_>,
        sum: impl Read,
        columns: usize,
    ) -> Result<(Opened, Vec<Option<ColumnSums>>), OpenError> {
        match self {
            Self::Encrypted(params) => encrypted::open_statistics(params, opening, sum, columns),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(_) => Err(OpenError::Sum(
                "the yardstick measures no statistics".to_owned(),
            )),
        }
    }
}

/// Checks a contribution's bytes as they arrive.
pub(crate) enum Check {
    Encrypted(encrypted::Check),
    #[cfg(feature = "plaintext-bench")]
    Plain(plain::Check),
}

impl Check {
    /// Takes the next bytes, as many as there are.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Encrypted(check) => check.update(bytes),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(check) => check.update(bytes),
        }
    }

    /// After the last byte: the hashes of all of them, or what is wrong.
    pub(crate) fn finish(self) -> Result<Checked, Invalid> {
        match self {
            Self::Encrypted(check) => check.finish(),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(check) => check.finish(),
        }
    }
}

/// A running weighted sum.
pub(crate) enum Adder {
    Encrypted(unsilo_fhe::DigitAccumulator),
    #[cfg(feature = "plaintext-bench")]
    Plain(plain::Adder),
}

impl Adder {
    /// Adds `weight` times a contribution's bytes in this range.
    pub(crate) fn add(&mut self, bytes: &[u8], weight: u16) -> Result<(), AggregateError> {
        match self {
            Self::Encrypted(accumulator) => accumulator.add(bytes, weight),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(adder) => {
                adder.add(bytes, weight);
                Ok(())
            }
        }
    }

    /// The sum of the range in its form on the wire.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Encrypted(accumulator) => accumulator.finish().into_bytes(),
            #[cfg(feature = "plaintext-bench")]
            Self::Plain(adder) => adder.finish(),
        }
    }
}
