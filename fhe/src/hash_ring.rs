//! The ring `R_p = Z_p[X]/(X^N + 1)` of the linear hash, and its fixed public polynomials.
//!
//! `p` is prime, 1 mod 2^16 (so the negacyclic NTT exists) and below 2^50 (so it runs on AVX512-IFMA). Like the
//! ciphertext ring's, evaluations never leave the process.

use crate::{
    ntt::{Ntt, ProductSum},
    params::N,
    simd::{Level, vectorised},
    xof::Xof,
};
use std::sync::{LazyLock, OnceLock};

/// The modulus of the linear hash, a 50-bit prime.
pub const HASH_MODULUS: u64 = 1_125_899_904_679_937;
/// Digits of one ciphertext coefficient: `c = d_0 + 2^16·d_1 + 2^32·d_2`.
pub(crate) const DIGITS: usize = 3;

const _: () = assert!(HASH_MODULUS % (1 << 16) == 1 && HASH_MODULUS < 1 << 50);

static NTT: LazyLock<Ntt<HASH_MODULUS>> = LazyLock::new(Ntt::new);

/// `sum_k sum_b g_{k,b}·D_{b,k}` over the chunks absorbed so far, by its evaluations.
///
/// Sums over disjoint sets of chunks add up to the sum over all of them, exactly: ranges can be absorbed on different
/// threads, in any order.
pub(crate) struct RunningHash {
    sum: ProductSum<HASH_MODULUS>,
    digits: Box<[[u64; N]; DIGITS]>,
}

impl RunningHash {
    /// The hash of nothing.
    pub(crate) fn new() -> Self {
        Self {
            sum: ProductSum::new(),
            digits: Box::new([[0; N]; DIGITS]),
        }
    }

    /// Adds chunk number `chunk`, whose digits (each below p) `write` writes: `digits[b][i]` of coefficient `i`.
    pub(crate) fn absorb<R>(
        &mut self,
        chunk: u64,
        write: impl FnOnce(&mut [[u64; N]; DIGITS]) -> R,
    ) -> R {
        let result = write(&mut self.digits);
        with_generators(chunk, |generators| {
            for (generator, digits) in generators.iter().zip(self.digits.iter_mut()) {
                self.sum.add_product(&NTT, generator, digits);
            }
        });
        result
    }

    /// Adds what another one has absorbed.
    pub(crate) fn add(&mut self, other: Self) {
        self.sum.add(&NTT, other.sum);
    }

    /// The coefficients of the sum, reduced.
    pub(crate) fn finish(self) -> Box<[u64; N]> {
        self.sum.into_coefficients(&NTT)
    }
}

/// `g_{k,0}`, `g_{k,1}`, `g_{k,2}` of one chunk, by their reduced evaluations.
type Generators = Box<[[u64; N]; DIGITS]>;

/// Chunks whose generators are kept once they were needed, 48 KiB each: 64 MiB for 2.8 million parameters. Making
/// them takes as long as hashing with them.
const KEPT: usize = (64 << 20) / size_of::<[[u64; N]; DIGITS]>();
static GENERATORS: [OnceLock<Generators>; KEPT] = [const { OnceLock::new() }; KEPT];

/// Lends the generators of a chunk.
fn with_generators(chunk: u64, work: impl FnOnce(&[[u64; N]; DIGITS])) {
    let kept = usize::try_from(chunk)
        .ok()
        .and_then(|chunk| GENERATORS.get(chunk));
    match kept {
        Some(kept) => work(kept.get_or_init(|| generators(chunk))),
        None => work(&generators(chunk)),
    }
}

/// Makes the generators of chunk `k`: the polynomials of the stream `XOF("linear hash", k)`.
///
/// The same for everybody and for ever: the seed is the name alone, so nobody has chosen it.
fn generators(chunk: u64) -> Generators {
    let mut stream = Xof::new("linear hash", &[&chunk.to_le_bytes()]);
    let mut bytes = Box::new([0; 8 * N]);
    let mut generators = Box::new([[0; N]; DIGITS]);
    for generator in generators.iter_mut() {
        fill_residues(&mut stream, &mut bytes, generator);
        NTT.evaluate(generator);
    }
    generators
}

/// One polynomial with coefficients uniform mod p, in coefficient order: the low 50 bits of each 8 bytes
/// of the stream (little endian), those that are not below p left out.
///
/// Whole words rather than 50-bit ones: the stream is faster than taking them apart.
fn fill_residues(stream: &mut Xof, bytes: &mut [u8; 8 * N], coefficients: &mut [u64; N]) {
    stream.fill(&mut bytes[..]);
    if residues(Level::best(), bytes, coefficients) {
        return;
    }
    // Once in 250,000 polynomials: close the gaps, and fill up from the stream.
    let mut kept = 0;
    for i in 0..N {
        if coefficients[i] < HASH_MODULUS {
            coefficients[kept] = coefficients[i];
            kept += 1;
        }
    }
    while kept < N {
        let word = residue(stream.next_u64().to_le_bytes());
        if word < HASH_MODULUS {
            coefficients[kept] = word;
            kept += 1;
        }
    }
}

vectorised! {
    /// The low 50 bits of each word, and whether all of them are below p.
    fn residues(bytes: &[u8; 8 * N], coefficients: &mut [u64; N]) -> bool {
        for (out, word) in coefficients.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *out = residue(*word);
        }
        let mut above = 0;
        for coefficient in coefficients {
            // Negative as a signed number if below p.
            above |= !coefficient.wrapping_sub(HASH_MODULUS);
        }
        above >> 63 == 0
    }
}

#[inline(always)]
fn residue(word: [u8; 8]) -> u64 {
    u64::from_le_bytes(word) & ((1 << 50) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a·b` in `R_p` by the definition.
    fn schoolbook(a: &[u64; N], b: &[u64; N]) -> Vec<u64> {
        let p = i128::from(HASH_MODULUS);
        let mut product = vec![0_i128; N];
        for (i, &a) in a.iter().enumerate() {
            for (j, &b) in b.iter().enumerate() {
                let term = i128::from(a) * i128::from(b) % p;
                let sign = if i + j < N { 1 } else { -1 };
                product[(i + j) % N] += sign * term;
            }
        }
        product.iter().map(|sum| sum.rem_euclid(p) as u64).collect()
    }

    #[test]
    fn a_running_hash_is_the_sum_of_products_of_the_definition() {
        let mut digits = [[0; N]; DIGITS];
        let mut stream = Xof::new("hash ring test", &[]);
        for poly in &mut digits {
            fill_residues(&mut stream, &mut [0; 8 * N], poly);
        }
        digits[2] = [HASH_MODULUS - 1; N];
        // A chunk whose generators are kept, and one whose are not.
        for chunk in [7, KEPT as u64] {
            let mut expected = vec![0; N];
            let mut stream = Xof::new("linear hash", &[&chunk.to_le_bytes()]);
            for digits in &digits {
                let mut generator = [0; N];
                fill_residues(&mut stream, &mut [0; 8 * N], &mut generator);
                for (sum, term) in expected.iter_mut().zip(schoolbook(&generator, digits)) {
                    *sum = (*sum + term) % HASH_MODULUS;
                }
            }
            for _ in 0..2 {
                let mut hash = RunningHash::new();
                hash.absorb(chunk, |out| *out = digits);
                assert_eq!(hash.finish()[..], expected);
            }
        }
    }

    #[test]
    fn every_instruction_set_takes_the_same_residues() {
        let mut bytes = [0; 8 * N];
        Xof::new("residue test", &[]).fill(&mut bytes);
        for level in Level::available() {
            for (word, low) in [
                (HASH_MODULUS - 1, true),
                (HASH_MODULUS, false),
                ((1 << 50) - 1, false),
            ] {
                for place in [0, 5, N - 1] {
                    let mut bytes = bytes;
                    bytes[8 * place..8 * place + 8]
                        .copy_from_slice(&(word | 0xABC << 52).to_le_bytes());
                    let mut coefficients = [0; N];
                    assert_eq!(residues(level, &bytes, &mut coefficients), low);
                    let words = bytes.as_chunks::<8>().0;
                    assert!(
                        coefficients
                            .iter()
                            .zip(words)
                            .all(|(&c, word)| c == residue(*word))
                    );
                    assert_eq!(coefficients[place], word);
                }
            }
        }
    }

    #[test]
    fn rejected_words_are_left_out_in_the_order_of_the_stream() {
        // The first number whose stream has a rejected word among its first 2048.
        let number = 373_878_u64;
        let stream = || Xof::new("residue rejection", &[&number.to_le_bytes()]);
        let mut words = vec![0; 16 * N];
        stream().fill(&mut words);
        let all: Vec<u64> = words
            .as_chunks()
            .0
            .iter()
            .map(|word| residue(*word))
            .collect();
        assert!(all[..N].iter().any(|&word| word >= HASH_MODULUS));
        let kept: Vec<u64> = all
            .into_iter()
            .filter(|&word| word < HASH_MODULUS)
            .collect();
        let mut coefficients = [0; N];
        fill_residues(&mut stream(), &mut [0; 8 * N], &mut coefficients);
        assert_eq!(coefficients[..], kept[..N]);
    }
}
