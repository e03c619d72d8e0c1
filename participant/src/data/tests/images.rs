//! Images and labels from IDX files.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use unsilo_ledger::{Feature, Schema, Values};

use super::super::{DataError, IdxError, LoadOptions, LoadedData, load_idx};

/// Images of 2 by 3 pixels, of two classes.
fn schema() -> Schema {
    Schema {
        label: "label".to_owned(),
        classes: vec!["7".to_owned(), "0".to_owned()],
        features: (0..6)
            .map(|pixel| Feature::number(format!("p{pixel}"), 0, 255_000_000))
            .collect(),
    }
}

fn head(kind: u8, sizes: &[u32]) -> Vec<u8> {
    let dimensions = u8::try_from(sizes.len()).expect("few");
    let mut bytes = vec![0, 0, kind, dimensions];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes
}

fn images(values: &[u8]) -> Vec<u8> {
    [head(8, &[2, 2, 3]), values.to_vec()].concat()
}

const PIXELS: [u8; 12] = [0, 255, 51, 0, 0, 0, 1, 2, 3, 4, 5, 6];

struct Files {
    _directory: TempDir,
    images: PathBuf,
    labels: PathBuf,
}

fn files(images: &[u8], labels: &[u8]) -> Files {
    let directory = tempfile::tempdir().expect("made");
    let paths = ["images", "labels"].map(|name| directory.path().join(name));
    fs::write(&paths[0], images).expect("written");
    fs::write(&paths[1], labels).expect("written");
    let [images, labels] = paths;
    Files {
        _directory: directory,
        images,
        labels,
    }
}

fn load(images: &[u8], labels: &[u8], schema: &Schema) -> Result<LoadedData, DataError> {
    let files = files(images, labels);
    load_idx(
        &files.images,
        &files.labels,
        schema,
        &LoadOptions::default(),
    )
}

#[test]
fn pixels_are_scaled_in_order_and_labels_are_classes_by_name() {
    let labels = [head(8, &[2]), vec![0, 7]].concat();
    let loaded = load(&images(&PIXELS), &labels, &schema()).expect("good files");
    assert_eq!(loaded.data.features()[..3], [0.0, 1.0, 0.2]);
    assert_eq!(loaded.data.labels(), [1, 0]);
    assert_eq!((loaded.report.rows, loaded.data.columns()), (2, 6));
    assert!(loaded.report.extra_columns.is_empty());
}

#[test]
fn every_fault_is_named_with_its_file() {
    let good = (images(&PIXELS), [head(8, &[2]), vec![0, 7]].concat());
    let problem = |images: &[u8], labels: &[u8]| match load(images, labels, &schema()) {
        Err(DataError::Idx { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    let gz = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(matches!(problem(&gz, &good.1), IdxError::Head { .. }));
    let floats = [head(0x0d, &[2, 2, 3]), vec![0; 48]].concat();
    assert_eq!(problem(&floats, &good.1), IdxError::Type { found: 0x0d });
    assert!(matches!(
        problem(&good.1, &good.0),
        IdxError::Dimensions { dimensions: 1, .. }
    ));
    assert!(matches!(
        problem(&good.0, &good.0),
        IdxError::Dimensions { dimensions: 3, .. }
    ));
    let cut = &good.0[..good.0.len() - 1];
    assert!(matches!(
        problem(cut, &good.1),
        IdxError::Length { longer: false, .. }
    ));
    let long = [good.0.clone(), vec![0]].concat();
    assert!(matches!(
        problem(&long, &good.1),
        IdxError::Length { longer: true, .. }
    ));
    let three = [head(8, &[3]), vec![0, 7, 0]].concat();
    assert_eq!(
        problem(&good.0, &three),
        IdxError::Unpaired {
            labels: 3,
            images: 2
        }
    );
    let wide = [head(8, &[2, 2, 4]), vec![0; 16]].concat();
    assert_eq!(
        problem(&wide, &good.1),
        IdxError::Size {
            found: 8,
            expected: 6
        }
    );
    let unknown = [head(8, &[2]), vec![0, 3]].concat();
    let said = load(&good.0, &unknown, &schema())
        .expect_err("unknown")
        .to_string();
    assert!(
        said.contains("label 3 of image 1") && said.contains("labels: "),
        "{said}"
    );
    // Sizes that no file has, from a head that says so: nothing is reserved for them.
    let vast = [head(8, &[2, u32::MAX, u32::MAX, u32::MAX]), vec![0; 16]].concat();
    assert!(matches!(problem(&vast, &good.1), IdxError::Size { .. }));
    let vast = head(8, &[u32::MAX]);
    assert!(matches!(problem(&good.0, &vast), IdxError::Unpaired { .. }));
    assert!(matches!(
        load(&[], &good.1, &schema()),
        Err(DataError::Idx {
            problem: IdxError::Length { .. },
            ..
        })
    ));
}

#[test]
fn a_federation_of_categories_takes_no_images() {
    let mut schema = schema();
    schema.features[5].values = Values::Category(vec!["a".to_owned(), "b".to_owned()]);
    let labels = [head(8, &[2]), vec![0, 7]].concat();
    let refused = load(&images(&PIXELS), &labels, &schema).expect_err("refused");
    assert!(refused.to_string().contains("p5"), "{refused}");
}
