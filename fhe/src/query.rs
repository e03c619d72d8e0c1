//! `<v, c_j>` mod q: many short vectors against many ciphertexts, each byte of which is read once.

mod kernel;
mod masks;

use crate::{
    direction::Direction,
    pack::{self, CiphertextError},
    params::{CHUNK_BYTES, N, Params},
    projection::{PROJECTIONS, Projections},
    simd::Level,
};
use kernel::{Digits, Sums};
pub(crate) use masks::project_masks;
use rayon::prelude::*;
use thiserror::Error;
use zeroize::Zeroizing;

/// Vectors with small entries over all coefficients of a contribution, chunk by chunk.
pub(crate) enum Vectors<'a> {
    Projections(&'a Projections),
    Directions(&'a Params, &'a [&'a Direction]),
}

impl Vectors<'_> {
    /// How many.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Projections(_) => PROJECTIONS,
            Self::Directions(_, directions) => directions.len(),
        }
    }

    /// Chunks of a contribution.
    pub(crate) fn chunks(&self) -> usize {
        match self {
            Self::Projections(projections) => projections.params().chunks(),
            Self::Directions(params, _) => params.chunks(),
        }
    }

    /// Whether any entry in this chunk may differ from zero.
    pub(crate) fn touch(&self, chunk: usize) -> bool {
        match self {
            Self::Projections(_) => true,
            Self::Directions(_, directions) => directions.iter().any(|v| v.touches(chunk)),
        }
    }

    /// Writes the entries of every vector in one chunk.
    pub(crate) fn expand(&self, chunk: usize, entries: &mut [[i8; N]]) {
        match self {
            Self::Projections(projections) => projections.expand(chunk, entries),
            Self::Directions(_, directions) => {
                for (entries, direction) in entries.iter_mut().zip(*directions) {
                    entries.copy_from_slice(direction.chunk(chunk));
                }
            }
        }
    }
}

/// Why ciphertexts were not queried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// More or fewer ciphertexts than the queries are about.
    #[error("these queries are about {expected} ciphertexts, not {actual}")]
    Count {
        /// Ciphertexts announced.
        expected: usize,
        /// Ciphertexts given.
        actual: usize,
    },
    /// A range that is no whole number of chunks, ends after the last one, or differs between the ciphertexts.
    #[error(
        "ciphertext {index} gives {actual} bytes from chunk {chunk}: whole chunks were expected, as many of each ciphertext, up to chunk {chunks}"
    )]
    Range {
        /// Which of the ciphertexts, from 0.
        index: usize,
        /// First chunk of the range.
        chunk: usize,
        /// Bytes given.
        actual: usize,
        /// Chunks of a ciphertext.
        chunks: usize,
    },
    /// A range was left out or given twice.
    #[error("chunk {expected} comes next, not chunk {actual}")]
    Order {
        /// The next chunk that the vectors touch.
        expected: usize,
        /// First chunk of the range given.
        actual: usize,
    },
    /// A word that is no number mod q.
    #[error("in ciphertext {index}: {source}")]
    Ciphertext {
        /// Which of the ciphertexts, from 0.
        index: usize,
        /// What is wrong.
        source: CiphertextError,
    },
    /// Directions for other parameters.
    #[error("a direction is for a model of {actual} parameters, not {expected}")]
    OtherModel {
        /// Parameters of the first direction.
        expected: usize,
        /// Parameters of the other one.
        actual: usize,
    },
}

/// `<v, c_j>` of every vector `v` and every ciphertext `c_j`, range by range of chunks in ascending order.
///
/// 1. *Private input*, of a validator: its directions. The projections are public.
/// 2. *Public input*: the ciphertexts.
///
/// Work is spread over the threads of the caller's rayon pool. Memory: what the caller holds of the ciphertexts, and
/// `2 KiB` for each vector on each thread. For very many contributions the caller makes one of these for each batch that
/// fits in its memory; expanding the projections again costs as much as querying a handful of contributions.
pub struct Queries<'a> {
    vectors: Vectors<'a>,
    /// Vector by vector for the first ciphertext, then the next.
    sums: Vec<Sums>,
    ciphertexts: usize,
    /// The chunk after the last one queried.
    next: usize,
}

impl<'a> Queries<'a> {
    /// The projections of `ciphertexts` contributions.
    #[must_use]
    pub fn of_projections(projections: &'a Projections, ciphertexts: usize) -> Self {
        Self::new(Vectors::Projections(projections), ciphertexts)
    }

    /// A validator's directions on `ciphertexts` contributions.
    ///
    /// # Errors
    /// [`QueryError::OtherModel`] if the directions are not all for `params`.
    pub fn of_directions(
        params: &'a Params,
        directions: &'a [&'a Direction],
        ciphertexts: usize,
    ) -> Result<Self, QueryError> {
        match directions.iter().find(|v| v.params() != params) {
            Some(other) => Err(QueryError::OtherModel {
                expected: params.parameters(),
                actual: other.params().parameters(),
            }),
            None => Ok(Self::new(
                Vectors::Directions(params, directions),
                ciphertexts,
            )),
        }
    }

    fn new(vectors: Vectors<'a>, ciphertexts: usize) -> Self {
        Self {
            sums: vec![Sums::default(); vectors.count() * ciphertexts],
            vectors,
            ciphertexts,
            next: 0,
        }
    }

    /// Takes the same range of chunks, from `first` on, of every ciphertext, in the order the results will have.
    ///
    /// Ranges come in ascending order. Chunks that no vector touches may be left out: those of projections never, those
    /// of a direction where [`Direction::touches`] says so.
    ///
    /// # Errors
    /// [`QueryError`]; nothing of the range is counted then.
    pub fn add(&mut self, first: usize, ciphertexts: &[&[u8]]) -> Result<(), QueryError> {
        if ciphertexts.len() != self.ciphertexts {
            return Err(QueryError::Count {
                expected: self.ciphertexts,
                actual: ciphertexts.len(),
            });
        }
        let skipped = self.next..first.max(self.next);
        let missed = skipped.into_iter().find(|&chunk| self.vectors.touch(chunk));
        if first < self.next || missed.is_some() {
            return Err(QueryError::Order {
                expected: missed.unwrap_or(self.next),
                actual: first,
            });
        }
        let ranges = self.ranges(first, ciphertexts)?;
        let length = ranges.first().map_or(0, |range| range.len());
        let sums = self.sums_of(first, length, &ranges)?;
        for (sum, more) in self.sums.iter_mut().zip(&sums) {
            sum.add(more);
        }
        self.next = first + length;
        Ok(())
    }

    /// Splits each range into its chunks: as many for each ciphertext, none after the last chunk.
    fn ranges<'b>(
        &self,
        first: usize,
        ciphertexts: &[&'b [u8]],
    ) -> Result<Vec<&'b [[u8; CHUNK_BYTES]]>, QueryError> {
        let length = ciphertexts.first().map_or(0, |bytes| bytes.len());
        let chunks = self.vectors.chunks();
        let split = |(index, bytes): (usize, &&'b [u8])| match bytes.as_chunks() {
            (range, []) if bytes.len() == length && range.len() <= chunks.saturating_sub(first) => {
                Ok(range)
            }
            _ => Err(QueryError::Range {
                index,
                chunk: first,
                actual: bytes.len(),
                chunks,
            }),
        };
        ciphertexts.iter().enumerate().map(split).collect()
    }

    /// What a range adds to the sums. Threads take different chunks, so each byte is read by one of them.
    fn sums_of(
        &self,
        first: usize,
        length: usize,
        ranges: &[&[[u8; CHUNK_BYTES]]],
    ) -> Result<Vec<Sums>, QueryError> {
        struct Scratch {
            sums: Vec<Sums>,
            entries: Zeroizing<Vec<[i8; N]>>,
            digits: Digits,
        }
        let count = self.vectors.count();
        let scratch = || Scratch {
            sums: vec![Sums::default(); self.sums.len()],
            entries: Zeroizing::new(vec![[0; N]; count]),
            digits: Digits::new(Level::best()),
        };
        let one_chunk = |mut scratch: Scratch, offset: usize| {
            let chunk = first + offset;
            if !self.vectors.touch(chunk) {
                return Ok(scratch);
            }
            self.vectors.expand(chunk, &mut scratch.entries);
            for (index, range) in ranges.iter().enumerate() {
                let bytes = &range[offset];
                if !scratch.digits.read(bytes) {
                    return Err(no_number(index, chunk, bytes));
                }
                let sums = &mut scratch.sums[index * count..][..count];
                scratch.digits.add_products(&scratch.entries, sums);
            }
            Ok(scratch)
        };
        let parts: Vec<Scratch> = (0..length)
            .into_par_iter()
            .with_min_len(8)
            .try_fold(scratch, one_chunk)
            .collect::<Result<_, _>>()?;
        let mut total = vec![Sums::default(); self.sums.len()];
        for part in &parts {
            for (sum, more) in total.iter_mut().zip(&part.sums) {
                sum.add(more);
            }
        }
        Ok(total)
    }

    /// For each ciphertext in order, the numbers `<v, c> mod q` of all vectors.
    ///
    /// # Errors
    /// [`QueryError::Order`] if chunks that a vector touches were not given.
    pub fn finish(self) -> Result<Vec<Vec<u64>>, QueryError> {
        let chunks = self.vectors.chunks();
        if let Some(missed) = (self.next..chunks).find(|&chunk| self.vectors.touch(chunk)) {
            return Err(QueryError::Order {
                expected: missed,
                actual: chunks,
            });
        }
        let count = self.vectors.count();
        if count == 0 {
            return Ok(vec![Vec::new(); self.ciphertexts]);
        }
        let reduce = |sums: &[Sums]| sums.iter().map(Sums::reduce).collect();
        Ok(self.sums.chunks(count).map(reduce).collect())
    }
}

/// The error for a chunk that holds a word that is not below q.
fn no_number(index: usize, chunk: usize, bytes: &[u8; CHUNK_BYTES]) -> QueryError {
    let (place, value) = match pack::unpack_checked(bytes, &mut [0; N]) {
        Err(found) => found,
        Ok(()) => unreachable!("the same bytes held a word that is not below q"),
    };
    let source = CiphertextError::Coefficient {
        chunk,
        index: place,
        value,
    };
    QueryError::Ciphertext { index, source }
}

/// The projections `<r_k, c>` of one whole ciphertext that is in memory: a contribution's, or the sum's.
///
/// # Errors
/// [`QueryError`] if it is no ciphertext for the parameters.
pub fn project(
    projections: &Projections,
    ciphertext: &[u8],
) -> Result<[u64; PROJECTIONS], QueryError> {
    let mut queries = Queries::of_projections(projections, 1);
    queries.add(0, &[ciphertext])?;
    let words = queries.finish()?.pop();
    Ok(words
        .and_then(|words| words.try_into().ok())
        .expect("one ciphertext was queried with as many vectors as there are projections"))
}
