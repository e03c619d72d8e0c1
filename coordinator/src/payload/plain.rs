//! Raw f32 updates, for the benchmark only: everybody who sees one can read it.
//!
//! A contribution is the update, little endian, 4 bytes a parameter in model order; a sum is the weighted sum of
//! them, added in the order of the participants, so that everybody gets the same floats.

use std::{io::Read, path::Path};

use sha2::{Digest, Sha256};
use unsilo_fhe::{LinearHash, Params};

use super::{Checked, Invalid, MARKER, OpenError, Opened, Opening};
use crate::{
    directory::Directory,
    durable::{self, Readers},
    error::CoordinatorError,
};

/// Marks a coordinator's directory, before it first serves: from then on its federation's updates are sent
/// unencrypted, for a benchmark. Builds without the feature `plaintext-bench` lack this function and refuse the
/// directory.
///
/// # Errors
/// [`CoordinatorError`] if it is not a coordinator's directory or cannot be written.
pub fn mark_plaintext(directory: &Path) -> Result<(), CoordinatorError> {
    Directory::open(directory)?;
    durable::write(&directory.join(MARKER), b"", Readers::All)
}

pub(super) fn bytes(params: &Params) -> u64 {
    4 * params.parameters() as u64
}

/// Hashes an update and looks for numbers that are none.
pub(crate) struct Check {
    hasher: Sha256,
    begun: Vec<u8>,
    checked: usize,
    wrong: Option<usize>,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            hasher: Sha256::new_with_prefix(b"unsilo/v1/plaintext-bench update\0"),
            begun: Vec::new(),
            checked: 0,
            wrong: None,
        }
    }
}

impl Check {
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.hasher.update(bytes);
        while !self.begun.is_empty() && !bytes.is_empty() {
            let (byte, later) = bytes.split_at(1);
            self.begun.extend_from_slice(byte);
            bytes = later;
            if self.begun.len() == 4 {
                let entry = std::mem::take(&mut self.begun);
                self.check(entry.as_chunks().0);
            }
        }
        let (entries, rest) = bytes.as_chunks();
        self.check(entries);
        self.begun.extend_from_slice(rest);
    }

    fn check(&mut self, entries: &[[u8; 4]]) {
        let finite = |entry: &[u8; 4]| f32::from_le_bytes(*entry).is_finite();
        if self.wrong.is_none() && !entries.iter().all(finite) {
            let at = entries.iter().position(|entry| !finite(entry));
            self.wrong = at.map(|at| self.checked + at);
        }
        self.checked += entries.len();
    }

    pub(super) fn finish(self) -> Result<Checked, Invalid> {
        match self.wrong {
            Some(entry) => Err(Invalid::NotFinite(entry)),
            None => Ok(Checked {
                chunks_root: self.hasher.finalize().into(),
                chunk_tree: None,
                linear_hash: LinearHash::zero(),
            }),
        }
    }
}

/// A weighted sum of floats.
pub(crate) struct Adder(Vec<f32>);

impl Adder {
    pub(super) fn new(bytes: usize) -> Self {
        Self(vec![0.0; bytes / 4])
    }

    pub(super) fn add(&mut self, bytes: &[u8], weight: u16) {
        for (sum, value) in self.0.iter_mut().zip(bytes.as_chunks().0) {
            *sum += f32::from(weight) * f32::from_le_bytes(*value);
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0.iter().flat_map(|sum| sum.to_le_bytes()).collect()
    }
}

/// Adds the mean to `weights`: there is no key to open.
pub(super) fn open(
    opening: &Opening<'_>,
    mut sum: impl Read,
    weights: &mut [f32],
) -> Result<Opened, OpenError> {
    let mut bytes = Vec::new();
    sum.read_to_end(&mut bytes)
        .map_err(|error| OpenError::Sum(error.to_string()))?;
    let scale = 1.0 / opening.total_weight as f64;
    for (weight, sum) in weights.iter_mut().zip(bytes.as_chunks().0) {
        *weight = (f64::from(*weight) + f64::from(f32::from_le_bytes(*sum)) * scale) as f32;
    }
    Ok(Opened {
        key_sum: Vec::new(),
        liars: Vec::new(),
    })
}
