//! One public permutation of a federation's parameters.
//!
//! It spreads every layer over all chunks; it hides nothing.

use std::{borrow::Cow, sync::OnceLock};

use crate::{params::Params, xof::Xof};

/// Largest number of parameters for which the permutation is kept: 64 MiB.
const KEPT: usize = 1 << 24;

/// A federation's permutation, kept between rounds: making it costs as much as encoding an update with it.
///
/// Four bytes per parameter, from the first use on; permutations of more than 2^24 parameters are made anew each time.
pub struct Permutation {
    params: Params,
    federation: [u8; 32],
    kept: OnceLock<Vec<u32>>,
}

impl Permutation {
    /// The permutation of a federation with models of these parameters.
    #[must_use]
    pub fn new(params: &Params, federation: &[u8; 32]) -> Self {
        Self {
            params: *params,
            federation: *federation,
            kept: OnceLock::new(),
        }
    }

    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    pub(crate) fn federation(&self) -> &[u8; 32] {
        &self.federation
    }

    /// The places for `federation`: the kept ones if it is theirs.
    pub(crate) fn places(&self, federation: &[u8; 32]) -> Cow<'_, [u32]> {
        if self.federation == *federation && self.params.parameters() <= KEPT {
            Cow::Borrowed(
                self.kept
                    .get_or_init(|| places(&self.params, &self.federation)),
            )
        } else {
            Cow::Owned(places(&self.params, federation))
        }
    }
}

impl std::fmt::Debug for Permutation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Permutation")
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

/// Where each parameter goes: parameter `i` stands at `places[i]` in the permuted vector.
///
/// Fisher-Yates over `XOF("permutation", federation, d)`: for `i` from `d-1` down to 1, swap entry `i` with entry
/// `floor(u·(i+1) / 2^64)`, `u` the next 8 bytes. Four bytes per parameter.
#[must_use]
fn places(params: &Params, federation: &[u8; 32]) -> Vec<u32> {
    const BATCH: usize = 1024;
    let d = params.parameters();
    let mut xof = Xof::new("permutation", &[federation, &(d as u64).to_le_bytes()]);
    // Params admits at most 2^27 parameters.
    let mut places: Vec<u32> = (0..d as u32).collect();
    let mut bytes = [0; BATCH * 8];
    let mut top = d;
    while top > 1 {
        xof.fill(&mut bytes);
        let (words, _) = bytes.as_chunks::<8>();
        for word in words.iter().take(top - 1) {
            let choice = (u128::from(u64::from_le_bytes(*word)) * top as u128) >> 64;
            top -= 1;
            places.swap(top, choice as usize);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ParamsLiteral;

    #[test]
    fn a_kept_permutation_is_used_only_for_its_own_federation() {
        let params = Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters: 3_000,
        })
        .expect("valid");
        let kept = Permutation::new(&params, &[1; 32]);
        for federation in [[1; 32], [2; 32], [1; 32]] {
            assert_eq!(*kept.places(&federation), places(&params, &federation));
        }
    }
}
