//! Tests of the module as a whole.

mod images;
mod loading;
mod parquet;
mod sharing;

use unsilo_ledger::{Feature, Schema};

/// The schema of `data/digits.csv`: 64 grey values of 0 to 16 and a digit.
fn digits() -> Schema {
    Schema {
        label: "label".to_owned(),
        classes: (0..10).map(|digit: usize| digit.to_string()).collect(),
        features: (0..64)
            .map(|i: usize| Feature::number(format!("p{i}"), 0, 16_000_000))
            .collect(),
    }
}

/// Where `data/digits.csv` lies.
fn digits_path() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/digits.csv")
}
