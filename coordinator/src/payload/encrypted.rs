//! Ciphertexts: checked chunk by chunk, summed digit by digit, opened with the members' answers.

use std::io::Read;

use unsilo_fhe::{
    CHUNK_BYTES, ChunkHasher, DigitAccumulator, DigitSumReader, KeySum, LinearHash, LinearHasher,
    Opening as Answered, Params, WeightedSum, apply_mean, combine_hashes, decode_integers,
    decrypt::is_plausible,
    decrypt_permuted,
    digit_sum::ReadSum,
    linear_hash::LinearHashError,
    open_key_sum,
    pack::{CiphertextError, check_chunks},
    ring::PolynomialError,
};
use unsilo_ledger::{
    ColumnSums,
    statistics::{DIGITS, digits},
};

use super::{Checked, Invalid, OpenError, Opened, Opening};

/// Bytes of a stored sum that are read at a time: enough chunks that every thread gets some.
const READ_BYTES: usize = 4 << 20;

/// Hashes the chunks and their digits and checks their coefficients, in pieces of any size.
pub(crate) struct Check {
    hasher: ChunkHasher,
    linear: LinearHasher,
    /// The beginning of a chunk whose end has not arrived.
    begun: Vec<u8>,
    /// Chunks checked.
    checked: usize,
    /// The first thing that was wrong.
    wrong: Option<CiphertextError>,
}

impl Check {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            hasher: ChunkHasher::new(params),
            linear: LinearHasher::new(params),
            begun: Vec::with_capacity(CHUNK_BYTES),
            checked: 0,
            wrong: None,
        }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        // Two passes over bytes that are still in the cache, side by side where there is a second core.
        rayon::join(|| self.hasher.update(bytes), || self.linear.update(bytes));
        if !self.begun.is_empty() {
            let missing = CHUNK_BYTES - self.begun.len();
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            self.begun.extend_from_slice(now);
            bytes = later;
            if self.begun.len() == CHUNK_BYTES {
                let chunk = std::mem::take(&mut self.begun);
                self.check(chunk.as_chunks().0);
                self.begun = chunk;
                self.begun.clear();
            }
        }
        let (chunks, rest) = bytes.as_chunks();
        self.check(chunks);
        self.begun.extend_from_slice(rest);
    }

    fn check(&mut self, chunks: &[[u8; CHUNK_BYTES]]) {
        if self.wrong.is_none() {
            self.wrong = check_chunks(self.checked, chunks).err();
        }
        self.checked += chunks.len();
    }

    pub(super) fn finish(self) -> Result<Checked, Invalid> {
        if let Some(wrong) = self.wrong {
            return Err(wrong.into());
        }
        let tree = self.hasher.finish_tree()?;
        Ok(Checked {
            chunks_root: tree.root(),
            chunk_tree: Some(tree),
            linear_hash: self.linear.finish()?,
        })
    }
}

/// A sum over the chunks of `bytes` bytes.
pub(super) fn adder(bytes: usize) -> DigitAccumulator {
    DigitAccumulator::new(bytes / CHUNK_BYTES)
}

/// Reads a stored digit sum: checked, hashed and reduced mod q on the way.
pub(super) fn read_sum(
    params: &Params,
    mut file: impl Read,
    total_weight: u64,
) -> Result<ReadSum, String> {
    let mut reader =
        DigitSumReader::new(params, total_weight).map_err(|error| error.to_string())?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return reader.finish().map_err(|error| error.to_string()),
            Ok(read) => reader
                .update(&buffer[..read])
                .map_err(|error| error.to_string())?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Opens the key of the sum with the members' answers and adds the decrypted mean to `weights`.
pub(super) fn open(
    params: &Params,
    opening: &Opening<'_>,
    sum: impl Read,
    weights: &mut [f32],
) -> Result<Opened, OpenError> {
    let (opened, mean) = open_sum(params, opening, sum)?;
    apply_mean(weights, &mean, opening.unit_log2)
        .map_err(|error| OpenError::Answers(error.to_string()))?;
    Ok(opened)
}

/// Opens the key of the sum of the statistics round with the members' answers, and reads its integers.
pub(super) fn open_statistics(
    params: &Params,
    opening: &Opening<'_>,
    sum: impl Read,
    columns: usize,
) -> Result<(Opened, Vec<Option<ColumnSums>>), OpenError> {
    let (opened, sum) = open_sum(params, opening, sum)?;
    let integers = decode_integers(&sum, &digits(columns));
    let columns = integers.chunks(DIGITS.len()).map(ColumnSums::from_integers);
    Ok((opened, columns.collect()))
}

fn open_sum(
    params: &Params,
    opening: &Opening<'_>,
    sum: impl Read,
) -> Result<(Opened, WeightedSum), OpenError> {
    let Opening {
        context,
        permutation,
        threshold,
        answers,
        total_weight,
        linear_hashes,
        ..
    } = *opening;
    let sum = read_sum(params, sum, total_weight).map_err(OpenError::Sum)?;
    check_sum(linear_hashes, &sum)?;
    let theirs = |error: &dyn std::fmt::Display| OpenError::Answers(error.to_string());
    let answers: Vec<_> = answers
        .iter()
        .map(|answer| Ok((answer.seat, Answered::from_bytes(&answer.opening)?)))
        .collect::<Result<_, PolynomialError>>()
        .map_err(|error| theirs(&error))?;
    let sum = &sum.ciphertext;
    let plausible = |key: &KeySum| is_plausible(params, context, sum, key, total_weight);
    let opened = open_key_sum(threshold, &answers, plausible).map_err(|error| theirs(&error))?;
    let decrypted = decrypt_permuted(permutation, context, sum, &opened.key_sum, total_weight)
        .map_err(|error| theirs(&error))?;
    let opened = Opened {
        key_sum: opened.key_sum.to_bytes(),
        liars: opened.liars,
    };
    Ok((opened, decrypted))
}

/// Whether the sum is that of the contributions as they were when they came in. Every participant checks this too, and
/// would blame the coordinator: a disk that changes bytes is found here first.
fn check_sum(linear_hashes: &[(u16, Vec<u8>)], sum: &ReadSum) -> Result<(), OpenError> {
    let hashes = linear_hashes
        .iter()
        .map(|(weight, bytes)| Ok((*weight, LinearHash::from_bytes(bytes)?)))
        .collect::<Result<Vec<_>, LinearHashError>>()
        .map_err(|error| OpenError::Sum(error.to_string()))?;
    let weighted: Vec<_> = hashes
        .iter()
        .map(|(weight, hash)| (*weight, hash))
        .collect();
    if combine_hashes(&weighted) == sum.linear_hash {
        Ok(())
    } else {
        Err(OpenError::NotTheSum)
    }
}
