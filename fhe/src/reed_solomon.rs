//! Interpolation and Berlekamp-Welch decoding over `Z_q` at small public points.

use crate::modular::{add, invert, multiply, subtract};

/// Lagrange weights: `f(at) = sum_i weights[i]·f(points[i])` for every `f` of degree below `points.len()`.
///
/// The points are distinct and reduced.
pub(crate) fn lagrange(points: &[u64], at: u64) -> Vec<u64> {
    let weight = |i: usize| {
        let (mut numerator, mut denominator) = (1, 1);
        for (j, &point) in points.iter().enumerate() {
            if j != i {
                numerator = multiply(numerator, subtract(at, point));
                denominator = multiply(denominator, subtract(points[i], point));
            }
        }
        multiply(numerator, invert(denominator))
    };
    (0..points.len()).map(weight).collect()
}

/// Finds the polynomial of degree below `threshold` that agrees with all `values` but at most
/// `(values.len() - threshold)/2`, and returns the indices where it agrees; `None` if there is none.
pub(crate) fn agreeing(points: &[u64], values: &[u64], threshold: usize) -> Option<Vec<usize>> {
    let errors = points.len().checked_sub(threshold)? / 2;
    // Unknowns: the coefficients of Q (degree < threshold + errors), then those of the monic E below
    // its leading one. Each point says Q(x) - y·(E(x) - x^errors) = y·x^errors.
    let q_terms = threshold + errors;
    let rows = points.iter().zip(values).map(|(&x, &y)| {
        let mut row = powers(x, q_terms);
        row.extend(
            powers(x, errors + 1)
                .into_iter()
                .map(|power| multiply(y, power)),
        );
        for entry in &mut row[q_terms..q_terms + errors] {
            *entry = subtract(0, *entry);
        }
        row
    });
    let solution = solve(rows.collect(), q_terms + errors)?;
    let (q, e) = solution.split_at(q_terms);
    let e: Vec<u64> = e.iter().copied().chain([1]).collect();
    let polynomial = divide_exactly(q, &e)?;
    let agreeing: Vec<usize> = (0..points.len())
        .filter(|&i| evaluate(&polynomial, points[i]) == values[i])
        .collect();
    (agreeing.len() + errors >= points.len()).then_some(agreeing)
}

/// `1, x, .., x^(count-1)`.
fn powers(x: u64, count: usize) -> Vec<u64> {
    std::iter::successors(Some(1), |&power| Some(multiply(power, x)))
        .take(count)
        .collect()
}

fn evaluate(polynomial: &[u64], x: u64) -> u64 {
    polynomial.iter().rev().fold(0, |value, &coefficient| {
        add(multiply(value, x), coefficient)
    })
}

/// Solves a linear system given as rows of `unknowns + 1` entries, the last being the right-hand side. Free unknowns
/// become 0; `None` if there is no solution.
fn solve(mut rows: Vec<Vec<u64>>, unknowns: usize) -> Option<Vec<u64>> {
    let mut pivots = Vec::new();
    for column in 0..unknowns {
        let done = pivots.len();
        let Some(found) = (done..rows.len()).find(|&row| rows[row][column] != 0) else {
            continue;
        };
        rows.swap(done, found);
        let inverse = invert(rows[done][column]);
        for entry in &mut rows[done] {
            *entry = multiply(*entry, inverse);
        }
        let pivot = rows[done].clone();
        for (index, row) in rows.iter_mut().enumerate() {
            let factor = row[column];
            if index != done && factor != 0 {
                for (entry, &pivot) in row.iter_mut().zip(&pivot) {
                    *entry = subtract(*entry, multiply(factor, pivot));
                }
            }
        }
        pivots.push(column);
    }
    if rows[pivots.len()..].iter().any(|row| row[unknowns] != 0) {
        return None;
    }
    let mut solution = vec![0; unknowns];
    for (row, &column) in rows.iter().zip(&pivots) {
        solution[column] = row[unknowns];
    }
    Some(solution)
}

/// The quotient by a monic divisor, `None` if a remainder is left.
fn divide_exactly(dividend: &[u64], divisor: &[u64]) -> Option<Vec<u64>> {
    let degree = divisor.len() - 1;
    let mut remainder = dividend.to_vec();
    let mut quotient = vec![0; dividend.len().checked_sub(degree)?];
    for index in (0..quotient.len()).rev() {
        let factor = remainder[index + degree];
        quotient[index] = factor;
        for (entry, &coefficient) in remainder[index..].iter_mut().zip(divisor) {
            *entry = subtract(*entry, multiply(factor, coefficient));
        }
    }
    remainder
        .iter()
        .all(|&entry| entry == 0)
        .then_some(quotient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Q;
    use proptest::{collection::vec, prelude::*, sample::subsequence};

    proptest! {
        #[test]
        fn any_half_of_the_redundancy_is_corrected(
            coefficients in vec(0..Q, 1..15),
            points in subsequence((1..=21_u64).collect::<Vec<_>>(), 15..=21),
            wrong in vec((0..21_usize, 1..Q), 0..10),
        ) {
            let threshold = coefficients.len();
            let honest: Vec<u64> = points.iter().map(|&x| evaluate(&coefficients, x)).collect();
            let weights = lagrange(&points, 0);
            let at_zero = honest.iter().zip(weights).fold(0, |sum, (&y, w)| add(sum, multiply(y, w)));
            prop_assert_eq!(at_zero, coefficients[0]);

            let mut values = honest.clone();
            for &(index, change) in wrong.iter().take((points.len() - threshold) / 2) {
                let index = index % points.len();
                values[index] = add(honest[index], change);
            }
            let right: Vec<usize> = (0..points.len()).filter(|&i| values[i] == honest[i]).collect();
            prop_assert_eq!(agreeing(&points, &values, threshold), Some(right));
        }
    }

    #[test]
    fn too_many_errors_are_no_codeword() {
        let points: Vec<u64> = (1..=7).collect();
        // 5 of 7 decide; two arbitrary values are one more than can be located.
        assert_eq!(agreeing(&points, &[5, 5, 5, 5, 5, 9, 1], 5), None);
        assert_eq!(
            agreeing(&points, &[5, 5, 5, 5, 5, 9, 5], 5),
            Some(vec![0, 1, 2, 3, 4, 6])
        );
        assert_eq!(agreeing(&points[..4], &[1, 2, 3, 4], 5), None);
    }
}
