//! One public permutation of a federation's parameters.
//!
//! It spreads every layer over all chunks; it hides nothing.

use crate::{params::Params, xof::Xof};

/// Where each parameter goes: parameter `i` stands at `places[i]` in the permuted vector.
///
/// Fisher-Yates over `XOF("permutation", federation, d)`: for `i` from `d-1` down to 1, swap entry `i` with entry
/// `floor(u·(i+1) / 2^64)`, `u` the next 8 bytes. Four bytes per parameter.
#[must_use]
pub(crate) fn places(params: &Params, federation: &[u8; 32]) -> Vec<u32> {
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
