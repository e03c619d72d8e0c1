//! `A_v = sum_k a_k·v~_k`: what a direction `v` looks like to those who hold shares of a key.
//!
//! `<v, a·s> = <row(A_v), s>` with `v~(X) = v(1/X)`: `v~_0 = v_0`, `v~_i = -v_{N-i}`, and `row(A)` by the same rule. So the part of
//! `<v, c>` that the key hides is one scalar product with the key, and each member can answer it on its share.
//!
//! As `row` is an automorphism of the ring that undoes itself, `row(A_v) = sum_k row(a_k)·v_k`: only the public polynomials are
//! turned around, once for all vectors.

use crate::{
    context::RoundContext,
    modular,
    params::{N, Q},
    query::Vectors,
    ring::{NttPoly, NttSum, Poly, PublicPolynomials},
    simd::{Level, vectorised},
};
use rayon::prelude::*;
use zeroize::Zeroizing;

/// `row(A_v)` of every vector, over the chunks where they are not zero. Spread over the threads of the caller's rayon pool.
pub(crate) fn rows(context: &RoundContext, vectors: &Vectors<'_>) -> Vec<Poly> {
    /// Chunks that one task takes: enough that adding up its sums costs nothing beside.
    const TASK: usize = 32;
    let level = Level::best();
    let zero = || -> Vec<NttSum> { (0..vectors.count()).map(|_| NttSum::zero()).collect() };
    let starts: Vec<usize> = (0..vectors.chunks()).step_by(TASK).collect();
    let sums = starts
        .into_par_iter()
        .fold(zero, |mut sums, start| {
            let mut public = PublicPolynomials::new(context);
            let mut coefficients = Zeroizing::new([0; N]);
            let mut entries = Zeroizing::new(vec![[0; N]; vectors.count()]);
            for chunk in start..vectors.chunks().min(start + TASK) {
                if !vectors.touch(chunk) {
                    continue;
                }
                public.expand(chunk as u64, &mut coefficients);
                let a = NttPoly::new(&turned(&coefficients));
                vectors.expand(chunk, &mut entries);
                for (sum, entries) in sums.iter_mut().zip(&*entries) {
                    reduce(level, entries, &mut coefficients);
                    sum.add_product(&a, &mut coefficients);
                }
            }
            sums
        })
        .reduce(zero, |mut sums, others| {
            for (sum, other) in sums.iter_mut().zip(&others) {
                sum.add(other);
            }
            sums
        });
    sums.into_iter().map(NttSum::into_poly).collect()
}

vectorised! {
    /// The entries mod q. Branches on nothing: directions are their validator's secret.
    fn reduce(entries: &[i8; N], coefficients: &mut [u64; N]) {
        for (coefficient, &entry) in coefficients.iter_mut().zip(entries) {
            *coefficient = modular::reduce_once((i64::from(entry) + Q as i64) as u64);
        }
    }
}

/// `a(1/X)`, of reduced coefficients.
fn turned(a: &[u64; N]) -> [u64; N] {
    let mut turned = [a[0]; N];
    for (entry, &coefficient) in turned[1..].iter_mut().zip(a[1..].iter().rev()) {
        *entry = modular::subtract(0, coefficient);
    }
    turned
}

/// `row(A)` from `A`, and `A` from `row(A)`: the factors of the scalar product with a key or a share.
pub(crate) fn row(a: &Poly) -> Poly {
    let mut row = Poly::zero();
    *row.0 = turned(&a.0);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_reduces_the_same_entries() {
        let entries: [i8; N] = std::array::from_fn(|i| i as i8);
        for level in Level::available() {
            let mut coefficients = [0; N];
            reduce(level, &entries, &mut coefficients);
            for (coefficient, entry) in coefficients.into_iter().zip(entries) {
                assert_eq!(coefficient, i64::from(entry).rem_euclid(Q as i64) as u64);
            }
        }
    }

    #[test]
    fn turning_around_twice_changes_nothing() {
        let a: [u64; N] = std::array::from_fn(|i| i as u64 * 137);
        assert_eq!(turned(&turned(&a)), a);
        assert_eq!(turned(&a)[1], Q - a[N - 1]);
        assert_eq!(turned(&[0; N]), [0; N]);
    }
}
