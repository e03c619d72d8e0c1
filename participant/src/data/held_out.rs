//! Which of a company's rows are held out from training, to rate the others' contributions with.

use unsilo_train::{Dataset, DatasetError};

use super::stratified_holdout;
use crate::rating::{asks_by_all_rows, held_out_fraction};

/// A company's rows in two parts. Private data: `Debug` shows sizes only, as that of [`Dataset`] does.
#[derive(Clone, Debug, PartialEq)]
pub struct Divided {
    /// Trained on.
    pub train: Dataset,
    /// Never trained on.
    pub held_out: Dataset,
}

impl Divided {
    /// What the company asks by: the rows held out, or, where those are too few to say anything, all that it has.
    /// Nobody rates its own update, so no update is asked about with rows that it was fitted to in either case.
    ///
    /// # Errors
    /// None: the parts are of one table.
    pub fn rating_rows(&self) -> Result<Dataset, DatasetError> {
        if !asks_by_all_rows(self.held_out.rows()) {
            return Ok(self.held_out.clone());
        }
        let (train, held_out) = (&self.train, &self.held_out);
        Dataset::new(
            [train.features(), held_out.features()].concat(),
            [train.labels(), held_out.labels()].concat(),
            train.columns(),
            train.classes(),
        )
    }
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
    fn who_can_keep_back_next_to_nothing_asks_by_all_rows_and_others_by_those_kept_back() {
        let asks_by = |each: u32| {
            let divided = hold_out(&rows(each), 0.15, 7)
                .expect("rows")
                .expect("divided");
            let asked = divided.rating_rows().expect("rows");
            (divided.held_out.rows(), asked.rows())
        };
        assert_eq!(asks_by(10), (15, 30));
        assert_eq!(asks_by(18), (27, 54));
        assert_eq!(asks_by(20), (30, 30));
        assert_eq!(asks_by(400), (180, 180));
        let data = rows(10);
        let divided = hold_out(&data, 0.15, 7).expect("rows").expect("divided");
        let asked = divided.rating_rows().expect("rows");
        assert_eq!(asked.class_counts(), data.class_counts());
        // Every row with its own label: the feature is the row's number.
        let own = |(feature, label): (&f32, &u32)| *feature as u32 % 3 == *label;
        assert!(asked.features().iter().zip(asked.labels()).all(own));
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
