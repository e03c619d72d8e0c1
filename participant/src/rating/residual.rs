//! What of a vector is new: its part at right angles to others.

/// What is left of a vector, as a part of its length, below which only the rounding of f32 weights is left of it.
const ROUNDING: f64 = 1e-4;

/// `vector` minus its projection on the span of `others`; `None` if nothing but rounding is left.
///
/// Others of length zero, and those that depend on the ones before, take no part. In f64 by modified Gram-Schmidt,
/// twice: once loses the angles of nearly parallel vectors (Giraud et al. 2005, "twice is enough").
pub(super) fn residual<'a>(
    vector: &[f32],
    others: impl IntoIterator<Item = &'a [f32]>,
) -> Option<Vec<f32>> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for other in others {
        if let Some(unit) = orthogonal(other, &basis) {
            basis.push(unit);
        }
    }
    let mut left: Vec<f64> = vector.iter().map(|&x| f64::from(x)).collect();
    let whole = norm(&left);
    remove(&mut left, &basis);
    (norm(&left) > ROUNDING * whole).then(|| left.iter().map(|&x| x as f32).collect())
}

/// The unit vector along what is new in `vector`.
fn orthogonal(vector: &[f32], basis: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mut left: Vec<f64> = vector.iter().map(|&x| f64::from(x)).collect();
    let whole = norm(&left);
    remove(&mut left, basis);
    let length = norm(&left);
    if length <= ROUNDING * whole {
        return None;
    }
    left.iter_mut().for_each(|x| *x /= length);
    Some(left)
}

fn remove(vector: &mut [f64], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        for unit in basis {
            let along: f64 = vector.iter().zip(unit).map(|(x, u)| x * u).sum();
            vector
                .iter_mut()
                .zip(unit)
                .for_each(|(x, u)| *x -= along * u);
        }
    }
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cosine(x: &[f32], y: &[f32]) -> f64 {
        let product = |x: &[f32], y: &[f32]| -> f64 {
            x.iter()
                .zip(y)
                .map(|(x, y)| f64::from(*x) * f64::from(*y))
                .sum()
        };
        product(x, y) / (product(x, x) * product(y, y)).sqrt()
    }

    fn vectors() -> impl Strategy<Value = Vec<Vec<f32>>> {
        prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 12), 0..7)
    }

    proptest! {
        #[test]
        fn a_residual_is_at_right_angles_to_everything_and_together_they_are_the_vector(
            vector in prop::collection::vec(-1.0_f32..1.0, 12), others in vectors(), copies in 0..3_usize,
        ) {
            prop_assume!(vector.iter().any(|x| x.abs() > 0.1));
            // Copies of others and a zero are no directions of their own.
            let mut all = others.clone();
            all.extend(others.iter().take(copies).cloned());
            all.push(vec![0.0; 12]);
            let left = residual(&vector, all.iter().map(Vec::as_slice));
            prop_assert!(left.is_some(), "7 vectors span no 12 dimensions");
            let left = left.unwrap_or_default();
            for other in others.iter().filter(|other| other.iter().any(|x| x.abs() > 0.1)) {
                prop_assert!(cosine(&left, other).abs() < 1e-4, "{}", cosine(&left, other));
            }
            // What was taken off is in the span: nothing of it is left.
            let taken: Vec<f32> = vector.iter().zip(&left).map(|(v, l)| v - l).collect();
            if taken.iter().any(|x| x.abs() > 1e-2) {
                let rest = residual(&taken, others.iter().map(Vec::as_slice));
                let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
                prop_assert!(rest.is_none_or(|rest| length(&rest) < 1e-2 * length(&taken)));
            }
        }

        #[test]
        fn a_combination_of_others_leaves_nothing(
            others in prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 12), 1..5),
            factors in prop::collection::vec(0.5_f32..1.0, 5),
        ) {
            let mut vector = vec![0.0_f32; 12];
            for (other, factor) in others.iter().zip(&factors) {
                vector.iter_mut().zip(other).for_each(|(x, o)| *x += factor * o);
            }
            prop_assume!(vector.iter().any(|x| x.abs() > 0.1));
            // Nearly parallel ones leave f32 rounding times their condition.
            let left = residual(&vector, others.iter().map(Vec::as_slice)).unwrap_or_default();
            prop_assert!(left.iter().all(|x| x.abs() < 1e-3));
        }
    }

    #[test]
    fn without_others_all_of_it_is_new_and_of_nothing_nothing_is() {
        assert_eq!(residual(&[1.0, -2.0], []), Some(vec![1.0, -2.0]));
        assert_eq!(residual(&[0.0, 0.0], []), None);
        assert_eq!(residual(&[3.0, 4.0], [&[6.0, 8.0][..]]), None);
        assert_eq!(
            residual(&[1.0, 1.0], [&[0.0, 0.0][..], &[2.0, 0.0]]),
            Some(vec![0.0, 1.0])
        );
    }
}
