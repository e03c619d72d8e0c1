//! `A_v = sum_k a_k·v~_k`: what a direction `v` looks like to those who hold shares of a key.
//!
//! `<v, a·s> = <row(A_v), s>` with `v~(X) = v(1/X)`: `v~_0 = v_0`, `v~_i = -v_{N-i}`, and `row(A)` by the same rule. So the part of
//! `<v, c>` that the key hides is one scalar product with the key, and each member can answer it on its share.

use crate::{
    context::RoundContext,
    modular,
    params::{N, Q},
    query::Vectors,
    ring::{NttPoly, NttSum, Poly, PublicPolynomials},
};
use rayon::prelude::*;

/// `A_v` of every vector, over the chunks where they are not zero.
pub(crate) fn transposed(context: &RoundContext, vectors: &Vectors<'_>) -> Vec<Poly> {
    /// Chunks that one task takes: enough that adding up its sums costs nothing beside.
    const TASK: usize = 32;
    let zero = || -> Vec<NttSum> { (0..vectors.count()).map(|_| NttSum::zero()).collect() };
    let starts: Vec<usize> = (0..vectors.chunks()).step_by(TASK).collect();
    let sums = starts
        .into_par_iter()
        .fold(zero, |mut sums, start| {
            let mut public = PublicPolynomials::new(context);
            let mut coefficients = [0; N];
            let mut entries = vec![[0; N]; vectors.count()];
            for chunk in start..vectors.chunks().min(start + TASK) {
                if !vectors.touch(chunk) {
                    continue;
                }
                public.expand(chunk as u64, &mut coefficients);
                let a = NttPoly::new(&coefficients);
                vectors.expand(chunk, &mut entries);
                for (sum, entries) in sums.iter_mut().zip(&entries) {
                    transpose(entries, &mut coefficients);
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

/// `v~` with coefficients mod q. Branches on nothing: directions are their validator's secret.
fn transpose(v: &[i8; N], coefficients: &mut [u64; N]) {
    let reduced = |value: i64| modular::reduce_once((value + Q as i64) as u64);
    coefficients[0] = reduced(i64::from(v[0]));
    for (coefficient, &entry) in coefficients[1..].iter_mut().zip(v[1..].iter().rev()) {
        *coefficient = reduced(-i64::from(entry));
    }
}

/// `row(A)`: the factors of the scalar product with a key or a share.
pub(crate) fn row(a: &Poly) -> Poly {
    let mut row = Poly::zero();
    row.0[0] = a.0[0];
    for (entry, &coefficient) in row.0[1..].iter_mut().zip(a.0[1..].iter().rev()) {
        *entry = modular::subtract(0, coefficient);
    }
    row
}
