//! The round's projections `r_k`: `K` pseudorandom vectors of {-1, 0, 0, 1} that no participant knew when it encrypted.
//!
//! Each goes over *all* coefficients of a contribution, padding and blinding included, so nothing can be hidden from it. The
//! entry 0 has probability 1/2, which is what catches a wrap-around: against ±1, two coordinates of `(q-1)/2` always cancel.

use crate::{
    context::RoundContext,
    params::{N, Params},
    simd::{Level, vectorised},
    xof::Xof,
};

/// `K`: projections of one round, the same for every contribution.
pub const PROJECTIONS: usize = 48;

/// Bytes of the stream for one projection of one chunk: two bits an entry.
const BYTES: usize = N / 4;

/// The projections of one round: 2 bits an entry from `XOF("projection", context, challenge, chunk)`.
///
/// This is also the name of the round's check: answers, sheets and verdicts are made for one of these, and fit no other.
/// Projection `k` of a chunk takes bytes `512·k..512·(k+1)`; bits `2s` and `2s+1` of byte `j` are entry `512·s + j`, with
/// 00 and 11 for 0, 01 for 1 and 10 for -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Projections {
    params: Params,
    context: RoundContext,
    challenge: [u8; 32],
}

impl Projections {
    /// The projections that the challenge seed of a closed round fixes.
    #[must_use]
    pub fn new(params: &Params, context: &RoundContext, challenge: [u8; 32]) -> Self {
        Self {
            params: *params,
            context: *context,
            challenge,
        }
    }

    /// The parameters of the contributions.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The round.
    #[must_use]
    pub fn context(&self) -> &RoundContext {
        &self.context
    }

    /// The challenge seed.
    #[must_use]
    pub fn challenge(&self) -> &[u8; 32] {
        &self.challenge
    }

    /// `context (72) || challenge (32)`, to bind what is made for this check.
    pub(crate) fn to_bytes(self) -> [u8; 104] {
        let mut bytes = [0; 104];
        bytes[..72].copy_from_slice(&self.context.to_bytes());
        bytes[72..].copy_from_slice(&self.challenge);
        bytes
    }

    /// Writes the entries of all projections in one chunk; `vectors` has [`PROJECTIONS`] elements.
    pub(crate) fn expand(&self, chunk: usize, vectors: &mut [[i8; N]]) {
        let chunk = (chunk as u64).to_le_bytes();
        let mut xof = Xof::new(
            "projection",
            &[&self.context.to_bytes(), &self.challenge, &chunk],
        );
        let level = Level::best();
        let mut bytes = [0; BYTES];
        for vector in vectors {
            xof.fill(&mut bytes);
            entries(level, &bytes, vector);
        }
    }
}

vectorised! {
    /// Entries of one projection in one chunk.
    fn entries(bytes: &[u8; BYTES], vector: &mut [i8; N]) {
        for (s, quarter) in (0..).zip(vector.as_chunks_mut::<BYTES>().0) {
            for (entry, byte) in quarter.iter_mut().zip(bytes) {
                let bits = byte >> (2 * s);
                *entry = (bits & 1) as i8 - (bits >> 1 & 1) as i8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ParamsLiteral;

    #[test]
    fn every_instruction_set_expands_the_same_entries() {
        let bytes: [u8; BYTES] = std::array::from_fn(|i| (i * 167) as u8);
        for level in Level::available() {
            let mut vector = [0; N];
            entries(level, &bytes, &mut vector);
            for (i, entry) in vector.into_iter().enumerate() {
                let bits = bytes[i % BYTES] >> (2 * (i / BYTES)) & 3;
                assert_eq!(entry, [0, 1, -1, 0][usize::from(bits)]);
            }
        }
    }

    #[test]
    fn half_of_the_entries_are_zero_and_the_signs_balance() {
        let params = Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters: 1,
        })
        .expect("valid");
        let context = RoundContext {
            federation: [1; 32],
            round: 2,
            model: [3; 32],
        };
        let projections = Projections::new(&params, &context, [4; 32]);
        let mut vectors = [[0; N]; PROJECTIONS];
        projections.expand(0, &mut vectors);
        let count = |value| {
            vectors
                .as_flattened()
                .iter()
                .filter(|&&e| e == value)
                .count() as f64
        };
        let total = (PROJECTIONS * N) as f64;
        // Five standard deviations of a binomial.
        assert!((count(0) - total / 2.0).abs() < 5.0 * (total / 4.0).sqrt());
        assert!((count(1) - total / 4.0).abs() < 5.0 * (total * 3.0 / 16.0).sqrt());
        assert!((count(-1) - total / 4.0).abs() < 5.0 * (total * 3.0 / 16.0).sqrt());
        let mut others = [[0; N]; PROJECTIONS];
        projections.expand(1, &mut others);
        assert_ne!(vectors, others);
        Projections::new(&params, &context, [5; 32]).expand(0, &mut others);
        assert_ne!(vectors, others);
    }
}
