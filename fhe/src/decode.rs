//! From the seats' scalar answers to the scalars themselves, naming the answers that are wrong.

use crate::{
    hash::hash,
    modular::{add, multiply},
    reed_solomon::{agreeing, lagrange},
    xof::Xof,
};

/// Lagrange weights that are the same for every contribution: from the first `threshold` points to 0 and to the others.
pub(crate) struct Interpolation {
    points: Vec<u64>,
    threshold: usize,
    to_zero: Vec<u64>,
    to_others: Vec<Vec<u64>>,
}

/// What answers decode to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// The scalars, and the indices of wrong rows, ascending.
    Found(Vec<u64>, Vec<usize>),
    /// The rows contradict each other and nobody can be named; the indices of those of which at least one is wrong, ascending.
    Undecodable(Vec<usize>),
}

impl Interpolation {
    /// For rows at distinct `points`, of which `threshold` decide; `None` if there are fewer.
    pub(crate) fn new(points: &[u64], threshold: usize) -> Option<Self> {
        let (first, others) = points.split_at_checked(threshold)?;
        Some(Self {
            points: points.to_vec(),
            threshold,
            to_zero: lagrange(first, 0),
            to_others: others.iter().map(|&at| lagrange(first, at)).collect(),
        })
    }

    /// Decodes `rows`, one of equal length for each point. What is found is the only answer that at most half of the rows
    /// beyond the threshold contradict; with one row beyond, the only one that `plausible` accepts when one row is left out.
    pub(crate) fn decode(&self, rows: &[&[u64]], plausible: impl Fn(&[u64]) -> bool) -> Decoded {
        let (first, others) = rows.split_at(self.threshold);
        let consistent = self
            .to_others
            .iter()
            .zip(others)
            .all(|(weights, row)| combine(weights, first) == *row);
        if consistent {
            return Decoded::Found(combine(&self.to_zero, first), Vec::new());
        }
        match others.len() {
            1 => self.leave_one_out(rows, plausible),
            _ => self.correct(rows),
        }
    }

    /// The only one of the subsets without one row that is plausible. (Two different subsets never give the same scalars
    /// without all rows being consistent: they share `threshold - 1` points, and zero would be one more.)
    fn leave_one_out(&self, rows: &[&[u64]], plausible: impl Fn(&[u64]) -> bool) -> Decoded {
        let mut found = Vec::new();
        for omitted in 0..rows.len() {
            let (points, rows): (Vec<_>, Vec<_>) = (0..rows.len())
                .filter(|&i| i != omitted)
                .map(|i| (self.points[i], rows[i]))
                .unzip();
            let values = combine(&lagrange(&points, 0), &rows);
            if plausible(&values) {
                found.push((values, omitted));
            }
        }
        match found.len() {
            0 => Decoded::Undecodable((0..rows.len()).collect()),
            1 => {
                let (values, wrong) = found.remove(0);
                Decoded::Found(values, vec![wrong])
            }
            _ => Decoded::Undecodable(found.into_iter().map(|(_, omitted)| omitted).collect()),
        }
    }

    /// Berlekamp-Welch on one random combination of each row, then a comparison of the whole rows.
    fn correct(&self, rows: &[&[u64]]) -> Decoded {
        let locatable = (rows.len() - self.threshold) / 2;
        let bytes: Vec<u8> = rows
            .iter()
            .flat_map(|row| row.iter())
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let digest = hash("scalar answers", &[&bytes]);
        // A wrong row hides from one combination with probability 2^-48; the comparison then sees it.
        for attempt in 0..4_u64 {
            let mut xof = Xof::new("scalar combination", &[&digest, &attempt.to_le_bytes()]);
            let factors: Vec<u64> = rows[0].iter().map(|_| xof.next_u64() >> 17).collect();
            let values: Vec<u64> = rows
                .iter()
                .map(|row| {
                    let terms = factors.iter().zip(*row);
                    terms.fold(0, |sum, (&factor, &word)| add(sum, multiply(factor, word)))
                })
                .collect();
            let Some(agreeing) = agreeing(&self.points, &values, self.threshold) else {
                break;
            };
            let good = &agreeing[..self.threshold];
            let points: Vec<u64> = good.iter().map(|&i| self.points[i]).collect();
            let good_rows: Vec<&[u64]> = good.iter().map(|&i| rows[i]).collect();
            let wrong: Vec<usize> = (0..rows.len())
                .filter(|i| !good.contains(i))
                .filter(|&i| combine(&lagrange(&points, self.points[i]), &good_rows) != rows[i])
                .collect();
            if wrong.len() <= locatable {
                return Decoded::Found(combine(&lagrange(&points, 0), &good_rows), wrong);
            }
        }
        Decoded::Undecodable((0..rows.len()).collect())
    }
}

/// `sum_i weights[i]·rows[i]`, word by word.
fn combine(weights: &[u64], rows: &[&[u64]]) -> Vec<u64> {
    let mut sum = vec![0; rows.first().map_or(0, |row| row.len())];
    for (&weight, row) in weights.iter().zip(rows) {
        for (sum, &word) in sum.iter_mut().zip(*row) {
            *sum = add(*sum, multiply(weight, word));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_lie_that_several_omissions_explain_decodes_to_nothing_and_names_all_of_them() {
        // 7 + 5x at 1, 2 and 3; two points decide. Without the second the values are 7 + 3/2 of the first one's lie, without the
        // third 7 + 2 of it.
        let rows = |lie: u64| [[12 + lie], [17], [22]];
        let interpolation = Interpolation::new(&[1, 2, 3], 2).unwrap();
        let decode = |lie: u64, most: u64| {
            let rows = rows(lie);
            let rows: Vec<&[u64]> = rows.iter().map(|row| &row[..]).collect();
            interpolation.decode(&rows, |values| values[0] <= most)
        };
        assert_eq!(decode(0, 0), Decoded::Found(vec![7], vec![]));
        assert_eq!(decode(2, 11), Decoded::Undecodable(vec![0, 1, 2]));
        assert_eq!(decode(2, 10), Decoded::Undecodable(vec![0, 1]));
        assert_eq!(decode(2, 9), Decoded::Found(vec![7], vec![0]));
        assert_eq!(decode(2, 6), Decoded::Undecodable(vec![0, 1, 2]));
    }
}
