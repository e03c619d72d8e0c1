//! The ring `Z_q[X]/(X^N + 1)`: polynomials by coefficients and by evaluations.
//!
//! The order of evaluations is an inner matter of the transform: only coefficients are serialised.

use crate::{
    context::RoundContext,
    hash::hasher,
    modular::{self, Factor},
    ntt::{Ntt, Prepared},
    pack,
    params::{CHUNK_BYTES, N, Q},
    xof::Xof,
};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use thiserror::Error;
use zeroize::Zeroize;

static NTT: LazyLock<Ntt<Q>> = LazyLock::new(Ntt::new);

/// Whether products in the ring run on AVX512-IFMA on this machine.
#[must_use]
pub fn uses_ifma() -> bool {
    NTT.uses_ifma()
}

/// A polynomial ready for products with others, wiped when dropped. No `Debug`, no `Clone`: most are secret.
pub(crate) struct NttPoly(Prepared);

impl NttPoly {
    /// Transforms reduced coefficients.
    pub(crate) fn new(coefficients: &[u64; N]) -> Self {
        Self(NTT.prepare(coefficients))
    }

    /// `product := public · self`, by reduced coefficients.
    pub(crate) fn multiply_evaluations(&self, public: &Evaluations, product: &mut [u64; N]) {
        NTT.multiply_evaluations(&self.0, &public.0, product);
    }

    /// `other := other · self`, all by reduced coefficients.
    pub(crate) fn multiply_into(&self, other: &mut [u64; N]) {
        NTT.multiply_into(&self.0, other);
    }
}

/// A sum of products, by its evaluations; only the end result leaves the process, as coefficients.
pub(crate) struct NttSum(Box<[u64; N]>);

impl NttSum {
    /// The empty sum.
    pub(crate) fn zero() -> Self {
        Self(Box::new([0; N]))
    }

    /// `self += a·b`; `b` holds reduced coefficients, which are used up.
    pub(crate) fn add_product(&mut self, a: &NttPoly, b: &mut [u64; N]) {
        NTT.add_product(&mut self.0, &a.0, b);
    }

    /// `self += other`.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, &term) in self.0.iter_mut().zip(&other.0[..]) {
            *sum = modular::add(*sum, term);
        }
    }

    /// The sum by its coefficients.
    pub(crate) fn into_poly(mut self) -> Poly {
        NTT.inverse(&mut self.0);
        Poly(self.0)
    }
}

/// A public polynomial by its evaluations, for products with many others.
pub(crate) struct Evaluations(Box<[u64; N]>);

impl Evaluations {
    /// Transforms reduced coefficients.
    pub(crate) fn new(coefficients: &[u64; N]) -> Self {
        let mut values = Box::new(*coefficients);
        NTT.evaluate(&mut values);
        Self(values)
    }
}

/// The public polynomials `a_k = XOF(federation, round, model, k)` of one round.
pub struct PublicPolynomials {
    /// Has hashed all but `k`.
    name: Sha256,
    bytes: Box<[u8; CHUNK_BYTES]>,
}

impl PublicPolynomials {
    /// Those of `context`.
    #[must_use]
    pub fn new(context: &RoundContext) -> Self {
        Self {
            name: hasher("public polynomial").chain_update(context.to_bytes()),
            bytes: Box::new([0; CHUNK_BYTES]),
        }
    }

    /// Writes the coefficients of `a_k`, uniform mod q, where `k` is the chunk.
    pub fn expand(&mut self, chunk: u64, coefficients: &mut [u64; N]) {
        Xof::of_hasher(self.name.clone().chain_update(chunk.to_le_bytes()))
            .fill_uniform(&mut self.bytes, coefficients);
    }
}

/// A polynomial as it crosses the wire: reduced coefficients, 12,288 bytes packed. Wiped when dropped.
pub(crate) struct Poly(pub(crate) Box<[u64; N]>);

/// Why bytes are not one polynomial of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PolynomialError {
    /// Truncated or oversized.
    #[error("a polynomial has {CHUNK_BYTES} bytes, not {actual}")]
    Length {
        /// Bytes given.
        actual: usize,
    },
    /// A word that is no number mod q.
    #[error("coefficient {index} is {value}, not below the modulus {Q}")]
    Coefficient {
        /// Coefficient, from 0.
        index: usize,
        /// The word.
        value: u64,
    },
}

impl Poly {
    /// The zero polynomial.
    pub(crate) fn zero() -> Self {
        Self(Box::new([0; N]))
    }

    /// The packed coefficients.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; CHUNK_BYTES];
        if let Some(chunk) = bytes.first_chunk_mut() {
            pack::pack(&self.0, chunk);
        }
        bytes
    }

    /// Decodes exactly one polynomial.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, PolynomialError> {
        let chunk = bytes.try_into().map_err(|_| PolynomialError::Length {
            actual: bytes.len(),
        })?;
        let mut poly = Self::zero();
        match pack::unpack_checked(chunk, &mut poly.0) {
            Ok(()) => Ok(poly),
            Err((index, value)) => Err(PolynomialError::Coefficient { index, value }),
        }
    }
}

impl Drop for Poly {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// `<a, b> mod q` of reduced vectors, without a branch on them.
pub(crate) fn scalar_product(a: &[u64; N], b: &[u64; N]) -> u64 {
    // 2048 products below 2^96 stay below 2^107.
    let terms = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| u128::from(a) * u128::from(b));
    modular::reduce_wide(terms.sum())
}

/// `sum_i factors[i]·polys[i]` mod q: Lagrange interpolation, coefficient by coefficient.
pub(crate) fn linear_combination<'a>(terms: impl IntoIterator<Item = (u64, &'a [u64; N])>) -> Poly {
    let mut sum = Poly::zero();
    for (factor, poly) in terms {
        let factor = Factor::new(factor);
        for (sum, &coefficient) in sum.0.iter_mut().zip(poly) {
            *sum = modular::add(*sum, factor.multiply(coefficient));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::BLINDING_CHUNKS;

    /// `a·b` in `Z_q[X]/(X^N + 1)` by the definition.
    fn schoolbook(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut product = [0; N];
        for (i, &a) in a.iter().enumerate() {
            for (j, &b) in b.iter().enumerate() {
                let term = modular::multiply(a, b);
                let at = (i + j) % N;
                product[at] = match i + j < N {
                    true => modular::add(product[at], term),
                    false => modular::subtract(product[at], term),
                };
            }
        }
        product
    }

    #[test]
    fn products_are_those_of_the_definition() {
        let mut public = PublicPolynomials::new(&RoundContext {
            federation: [0; 32],
            round: 0,
            model: [0; 32],
        });
        let (mut a, mut b) = ([0; N], [Q - 1; N]);
        for chunk in 0..BLINDING_CHUNKS as u64 {
            public.expand(chunk, &mut a);
            let mut product = b;
            NttPoly::new(&a).multiply_into(&mut product);
            assert!(product == schoolbook(&a, &b));
            b = a;
        }
    }

    #[test]
    fn sums_of_products_are_those_of_the_definition() {
        let mut public = PublicPolynomials::new(&RoundContext {
            federation: [0; 32],
            round: 0,
            model: [0; 32],
        });
        let (mut sum, mut other) = (NttSum::zero(), NttSum::zero());
        let mut expected = [0; N];
        let (mut a, mut b) = ([0; N], [0; N]);
        for chunk in 0..6 {
            public.expand(chunk, &mut a);
            b.fill(if chunk % 2 == 0 { Q - 1 } else { chunk });
            for (expected, term) in expected.iter_mut().zip(schoolbook(&a, &b)) {
                *expected = modular::add(*expected, term);
            }
            let sum = if chunk < 3 { &mut sum } else { &mut other };
            sum.add_product(&NttPoly::new(&a), &mut b);
        }
        sum.add(&other);
        assert!(*sum.into_poly().0 == expected);
    }

    #[test]
    fn scalar_products_are_exact_at_the_edges() {
        for (a, b) in [(Q - 1, Q - 1), (Q - 1, 1), (0, Q - 1), (Q / 2, Q / 2 + 1)] {
            let term = u128::from(a) * u128::from(b) % u128::from(Q);
            let expected = (term * N as u128 % u128::from(Q)) as u64;
            assert_eq!(scalar_product(&[a; N], &[b; N]), expected);
        }
    }

    #[test]
    fn x_to_the_n_is_minus_one() {
        let mut x = [0; N];
        x[1] = 1;
        let mut top = [0; N];
        top[N - 1] = 1;
        NttPoly::new(&x).multiply_into(&mut top);
        assert_eq!(top[0], Q - 1);
        assert!(top[1..].iter().all(|&coefficient| coefficient == 0));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn products_run_on_ifma_where_the_processor_has_it() {
        assert_eq!(uses_ifma(), std::is_x86_feature_detected!("avx512ifma"));
    }
}
