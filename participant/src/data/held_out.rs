//! Which of a company's rows are held out from training, to rate the others' contributions with.

use unsilo_train::{Dataset, DatasetError};

use super::stratified_holdout;
use crate::rating::held_out_fraction;

/// A company's rows in two parts. Private data: `Debug` shows sizes only, as that of [`Dataset`] does.
#[derive(Clone, Debug, PartialEq)]
pub struct Divided {
    /// Trained on.
    pub train: Dataset,
    /// Rated with, and never trained on.
    pub held_out: Dataset,
}

/// Holds out `share` of the rows of every class, and at least [`crate::rating::ENOUGH_ROWS`] rows where that is no more than
/// half of them. The same `seed` gives the same rows, as long as the file is the same.
///
/// `None` where no class has two rows: nothing could be held out that is also trained on.
///
/// # Errors
/// None that a share within 0 to a half, and rows in which a class has two, could cause.
pub fn hold_out(data: &Dataset, share: f64, seed: u64) -> Result<Option<Divided>, DatasetError> {
    let fraction = held_out_fraction(data.rows(), share);
    let Ok(split) = stratified_holdout(data.labels(), fraction, seed) else {
        return Ok(None);
    };
    if split.held_out.is_empty() {
        return Ok(None);
    }
    Ok(Some(Divided {
        train: data.subset(&split.train)?,
        held_out: data.subset(&split.held_out)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `each` rows of each of three classes, told apart by their only feature.
    fn rows(each: u32) -> Dataset {
        let count = 3 * each;
        let features = (0..count).map(|row| row as f32).collect();
        let labels = (0..count).map(|row| row % 3).collect();
        Dataset::new(features, labels, 1, 3).expect("valid rows")
    }

    #[test]
    fn every_row_is_in_one_part_and_the_same_seed_gives_the_same_parts() {
        let data = rows(400);
        let divided = hold_out(&data, 0.15, 7).expect("rows").expect("divided");
        assert_eq!(divided.held_out.rows(), 180);
        assert_eq!(divided.held_out.class_counts(), [60; 3]);
        let mut all = [divided.train.features(), divided.held_out.features()].concat();
        all.sort_by(f32::total_cmp);
        assert_eq!(all, data.features());
        assert_eq!(hold_out(&data, 0.15, 7), Ok(Some(divided.clone())));
        assert_ne!(hold_out(&data, 0.15, 8), Ok(Some(divided)));
    }

    #[test]
    fn few_rows_give_fifty_or_half_and_single_rows_none() {
        let held = |data: &Dataset| {
            let divided = hold_out(data, 0.15, 7).expect("rows");
            divided.map(|divided| (divided.train.rows(), divided.held_out.rows()))
        };
        assert_eq!(held(&rows(80)), Some((189, 51)));
        assert_eq!(held(&rows(10)), Some((15, 15)));
        assert_eq!(held(&rows(2)), Some((3, 3)));
        assert_eq!(held(&rows(1)), None);
    }
}
