//! Ciphertexts: checked chunk by chunk, summed exactly, opened with the members' answers.

use unsilo_fhe::{
    Accumulator, CHUNK_BYTES, ChunkHasher, KeySum, LinearHasher, Opening as Answered, Params,
    apply_mean,
    commit::ChunkHashError,
    decrypt::is_plausible,
    decrypt_permuted, open_key_sum,
    pack::{CiphertextError, check_chunks},
    ring::PolynomialError,
};

use super::{Hashes, Invalid, Opened, Opening};

/// Hashes the chunks and checks their coefficients, in pieces of any size.
pub(crate) struct Check {
    hasher: ChunkHasher,
    linear: LinearHasher,
    chunks: usize,
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
            chunks: params.chunks(),
            begun: Vec::with_capacity(CHUNK_BYTES),
            checked: 0,
            wrong: None,
        }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.hasher.update(bytes);
        self.linear.update(bytes);
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

    pub(super) fn finish(self) -> Result<Hashes, Invalid> {
        if let Some(wrong) = self.wrong {
            return Err(wrong.into());
        }
        let length = |wrong: ChunkHashError| CiphertextError::Length {
            expected: self.chunks * CHUNK_BYTES,
            actual: usize::try_from(wrong.actual).unwrap_or(usize::MAX),
        };
        Ok(Hashes {
            chunks_root: self.hasher.finish().map_err(length)?,
            linear_hash: self.linear.finish().map_err(length)?,
        })
    }
}

/// A sum over the chunks of `bytes` bytes.
pub(super) fn adder(bytes: usize) -> Accumulator {
    Accumulator::new(bytes / CHUNK_BYTES)
}

/// Opens the key of the sum with the members' answers and adds the decrypted mean to `weights`.
pub(super) fn open(
    params: &Params,
    opening: &Opening<'_>,
    sum: &[u8],
    weights: &mut [f32],
) -> Result<Opened, String> {
    let Opening {
        context,
        permutation,
        threshold,
        answers,
        total_weight,
        unit_log2,
    } = *opening;
    let answers: Vec<_> = answers
        .iter()
        .map(|answer| Ok((answer.seat, Answered::from_bytes(&answer.opening)?)))
        .collect::<Result<_, PolynomialError>>()
        .map_err(|error| error.to_string())?;
    let plausible = |key: &KeySum| is_plausible(params, context, sum, key, total_weight);
    let opened = open_key_sum(threshold, &answers, plausible).map_err(|error| error.to_string())?;
    let mean = decrypt_permuted(permutation, context, sum, &opened.key_sum, total_weight)
        .map_err(|error| error.to_string())?;
    apply_mean(weights, &mean, unit_log2).map_err(|error| error.to_string())?;
    Ok(Opened {
        key_sum: opened.key_sum.to_bytes(),
        liars: opened.liars,
    })
}
