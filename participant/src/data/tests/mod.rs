//! Tests of the module as a whole.

mod loading;
mod sharing;

use super::{DataSchema, FeatureRange};

/// The schema of `data/digits.csv`: 64 grey values of 0 to 16 and a digit.
fn digits() -> DataSchema {
    DataSchema {
        label: "label".to_owned(),
        classes: (0..10).map(|digit: usize| digit.to_string()).collect(),
        features: (0..64)
            .map(|i: usize| FeatureRange {
                name: format!("p{i}"),
                min: 0.0,
                max: 16.0,
            })
            .collect(),
    }
}

/// Where `data/digits.csv` lies.
fn digits_path() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/digits.csv")
}
