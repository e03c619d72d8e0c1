//! Reading Parquet: the same rows as from CSV whoever wrote the file, and the words for what is not read.

use std::{
    io::{Cursor, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    basic::Compression,
    data_type::{
        BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type,
    },
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};
use proptest::prelude::*;
use unsilo_ledger::{Feature, Schema, Values};

use super::super::{
    DataError, LoadOptions, LoadedData, MissingCells, load_csv, load_parquet,
    parquet_file::is_parquet, read_csv,
};
use super::{digits, digits_path};

/// Age 0 to 100, which may be missing, weight -10 to 10, and a verdict.
fn schema() -> Schema {
    let mut age = Feature::number("age", 0, 100_000_000);
    age.may_be_missing = true;
    Schema {
        label: "verdict".to_owned(),
        classes: vec!["good".to_owned(), "bad".to_owned()],
        features: vec![age, Feature::number("weight", -10_000_000, 10_000_000)],
    }
}

/// A file that another program wrote: `tables/make.py`.
fn table(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/data/tests/tables/{name}.parquet"))
}

fn load(path: &Path) -> Result<LoadedData, DataError> {
    load_parquet(path, &schema(), &LoadOptions::default())
}

/// The words for a file that is not read, without its path.
fn message(path: &Path) -> String {
    let error = load(path).expect_err("a faulty file").to_string();
    error.replace(&path.display().to_string(), "FILE")
}

/// A group of rows that is being written.
type Group<'a, 'b> = SerializedRowGroupWriter<'a, &'b mut Vec<u8>>;
/// Writes one.
type Fill<'f> = &'f dyn Fn(&mut Group<'_, '_>);

/// A file made here: the schema in Parquet's notation, and its groups of rows.
fn write(
    schema: &str,
    properties: WriterProperties,
    groups: &[Fill<'_>],
) -> tempfile::NamedTempFile {
    let schema = parse_message_type(schema).expect("a schema");
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties)).expect("new");
    for group in groups {
        let mut rows = writer.next_row_group().expect("a group");
        group(&mut rows);
        rows.close().expect("closed");
    }
    writer.close().expect("closed");
    file(&bytes)
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

/// The next column: those of `values` that are there, and for a column that may lack some, which these are.
fn column<T: DataType>(group: &mut Group<'_, '_>, values: &[Option<T::T>], nullable: bool)
where
    T::T: Clone,
{
    let there: Vec<T::T> = values.iter().flatten().cloned().collect();
    let levels: Vec<i16> = values
        .iter()
        .map(|value| i16::from(value.is_some()))
        .collect();
    let mut column = group.next_column().expect("ok").expect("a column");
    let writer = column.typed::<T>();
    let written = writer.write_batch(&there, nullable.then_some(&levels[..]), None);
    assert_eq!(written.expect("written"), there.len());
    column.close().expect("closed");
}

fn texts(values: &[&str]) -> Vec<Option<ByteArray>> {
    values
        .iter()
        .map(|text| Some(ByteArray::from(*text)))
        .collect()
}

#[test]
fn files_of_pandas_polars_duckdb_and_pyarrow_give_the_rows_that_their_csv_gives() {
    let text =
        "note,verdict,age,weight\n\"a, b\",good,25,0.0\n,bad,100,-12.5\nc,bad,,5.0\nd,good,7,0.1\n";
    let options = LoadOptions::default();
    let csv = read_csv("t.csv", Cursor::new(text), &schema(), &options).expect("a good file");
    for name in ["pandas", "pandas-gzip", "polars", "duckdb", "pyarrow"] {
        assert!(is_parquet(&table(name)), "{name}");
        let loaded = load(&table(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(loaded.data.features(), csv.data.features(), "{name}");
        assert_eq!(loaded.data.labels(), csv.data.labels(), "{name}");
        assert_eq!(loaded.report.columns, csv.report.columns, "{name}");
        assert_eq!(loaded.report.classes, csv.report.classes, "{name}");
        if name != "pyarrow" {
            assert_eq!(loaded.report.extra_columns, ["note"], "{name}");
        }
    }
}

#[test]
fn the_digits_as_parquet_are_the_digits() {
    let csv = load_csv(&digits_path(), &digits(), &LoadOptions::default()).expect("the digits");
    let text = std::fs::read_to_string(digits_path()).expect("the digits");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let rows: Vec<Vec<i32>> = lines
        .map(|line| {
            line.split(',')
                .map(|cell| cell.parse().expect("whole"))
                .collect()
        })
        .collect();
    // Columns in another order, of two kinds of whole numbers, in groups that no batch divides.
    let types: String = names
        .iter()
        .rev()
        .enumerate()
        .map(|(at, name)| match at % 2 {
            0 => format!("required int32 {name} (INTEGER(8,false)); "),
            _ => format!("optional int32 {name}; "),
        })
        .collect();
    let group = |rows: &[Vec<i32>], group: &mut Group<'_, '_>| {
        for at in 0..names.len() {
            let values: Vec<Option<i32>> = rows
                .iter()
                .map(|row| Some(row[names.len() - 1 - at]))
                .collect();
            column::<Int32Type>(group, &values, at % 2 == 1);
        }
    };
    let (first, second) = rows.split_at(1_300);
    let file = write(
        &format!("message digits {{ {types} }}"),
        WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build(),
        &[&|writer| group(first, writer), &|writer| {
            group(second, writer)
        }],
    );
    let loaded = load_parquet(file.path(), &digits(), &LoadOptions::default()).expect("a file");
    assert_eq!(loaded.data.features(), csv.data.features());
    assert_eq!(loaded.data.labels(), csv.data.labels());
    assert_eq!(loaded.report.columns, csv.report.columns);
}

#[test]
fn every_kind_of_value_means_what_its_text_means() {
    let words =
        |words: &[&str]| Values::Category(words.iter().map(|word| (*word).to_owned()).collect());
    let category = |name: &str, values| {
        let mut feature = Feature::number(name, 0, 1);
        feature.values = values;
        feature
    };
    let schema = Schema {
        label: "class".to_owned(),
        classes: vec!["1".to_owned(), "2".to_owned()],
        features: vec![
            category("flag", words(&["true", "false"])),
            category("code", words(&["3000000000", "7"])),
            Feature::number("price", -10_000_000, 10_000_000),
            category("kind", words(&["x", "y"])),
        ],
    };
    let file = write(
        "message t { required boolean flag; required int32 code (INTEGER(32,false)); \
         required int64 price (DECIMAL(10,2)); required float class; required binary kind (ENUM); }",
        WriterProperties::builder().build(),
        &[&|group| {
            column::<BoolType>(group, &[Some(true), Some(false)], false);
            column::<Int32Type>(
                group,
                &[Some(3_000_000_000_u32.cast_signed()), Some(7)],
                false,
            );
            column::<Int64Type>(group, &[Some(-5), Some(1000)], false);
            column::<FloatType>(group, &[Some(1.0), Some(2.0)], false);
            column::<ByteArrayType>(group, &texts(&["x", "y"]), false);
        }],
    );
    let loaded = load_parquet(file.path(), &schema, &LoadOptions::default()).expect("a file");
    let expected = [
        [1.0, 0.0, 1.0, 0.0, 0.4975, 1.0, 0.0],
        [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0],
    ];
    assert_eq!(loaded.data.features(), expected.concat());
    assert_eq!(loaded.data.labels(), [0, 1]);
}

/// A file of the ages, weights and verdicts.
fn ages(ages: &[Option<f64>], weights: &[f64], verdicts: &[&str]) -> tempfile::NamedTempFile {
    write(
        "message t { optional double age; required double weight; required binary verdict (STRING); }",
        WriterProperties::builder().build(),
        &[&|group| {
            column::<DoubleType>(group, ages, true);
            let weights: Vec<Option<f64>> = weights.iter().copied().map(Some).collect();
            column::<DoubleType>(group, &weights, false);
            column::<ByteArrayType>(group, &texts(verdicts), false);
        }],
    )
}

#[test]
fn faults_are_named_by_row_and_column() {
    let bad = |weights: &[f64], verdicts: &[&str]| {
        let none = vec![Some(1.0); weights.len()];
        message(ages(&none, weights, verdicts).path())
    };
    assert_eq!(
        bad(&[1.0, f64::NAN], &["good", "bad"]),
        "FILE, row 2 (the first is 1), column weight: found \"NaN\", expected a finite number. Correct the cell or remove \
         the row"
    );
    assert!(bad(&[1.0, 2.0, 3.0], &["good", "bad", "Good"]).starts_with(
        "FILE, row 3 (the first is 1), column verdict: found \"Good\", expected one of"
    ));
    assert!(bad(&[1.0, 2.0], &["good", "good"]).contains("all 2 rows have class \"good\""));
    assert!(bad(&[1.0, 2.0], &["good", ""]).contains("stands for a missing value"));
    assert_eq!(bad(&[], &[]), "FILE: there are columns but no row");
    let long = "x".repeat(5000);
    assert_eq!(
        bad(&[1.0, 2.0], &["good", &long]),
        "FILE: row 2 (the first is 1), column \"verdict\": a text of 5000 bytes, expected at most 4096"
    );
    let file = write(
        "message t { required double weight; required double Age; required binary verdict (STRING); }",
        WriterProperties::builder().build(),
        &[&|group| {
            column::<DoubleType>(group, &[Some(1.0)], false);
            column::<DoubleType>(group, &[Some(1.0)], false);
            let bytes = ByteArray::from(vec![0xe4]);
            column::<ByteArrayType>(group, &[Some(bytes)], false);
        }],
    );
    assert_eq!(
        message(file.path()),
        "FILE, names of the columns: missing columns \"age\"; the file has \"weight\", \"Age\", \"verdict\". Add the columns, \
         or rename those that hold them (upper and lower case count)"
    );
    let mut schema = schema();
    schema.features[0].name = "Age".to_owned();
    let error = load_parquet(file.path(), &schema, &LoadOptions::default()).expect_err("no text");
    assert!(
        error
            .to_string()
            .contains("row 1 (the first is 1), column \"verdict\": not UTF-8")
    );
}

#[test]
fn rows_without_a_value_are_left_out_where_that_is_asked_for() {
    let mut schema = schema();
    schema.features[0].may_be_missing = false;
    let file = ages(
        &[Some(1.0), None, Some(3.0)],
        &[1.0; 3],
        &["good", "bad", "bad"],
    );
    let refused = load_parquet(file.path(), &schema, &LoadOptions::default());
    let refused = refused.expect_err("a missing value").to_string();
    assert!(
        refused.contains("row 2 (the first is 1), column age: found \"\""),
        "{refused}"
    );
    let options = LoadOptions {
        missing: MissingCells::DropRow,
        ..LoadOptions::default()
    };
    let loaded = load_parquet(file.path(), &schema, &options).expect("two rows");
    assert_eq!((loaded.report.rows, loaded.report.dropped_rows), (2, 1));
    assert_eq!(loaded.report.columns[0].missing, 1);
}

#[test]
fn what_is_not_read_is_named_with_what_to_do() {
    assert_eq!(
        message(&table("nested")),
        "FILE: column \"age\" holds lists or groups of values, expected one value a row. Write each of its values as a \
         column of its own"
    );
    let day = message(&table("day"));
    assert!(
        day.starts_with("FILE: column \"age\" is of type DATE (INT32), expected numbers"),
        "{day}"
    );
    assert!(
        day.ends_with("table[\"age\"] = table[\"age\"].astype(float)"),
        "{day}"
    );
    let moment = message(&table("moment"));
    assert!(moment.contains("TIMESTAMP_MICROS (INT64)"), "{moment}");
    let zstd = message(&table("polars-zstd"));
    assert!(zstd.contains("is compressed with zstd"), "{zstd}");
    assert!(zstd.contains("expected snappy, gzip or none"), "{zstd}");
    assert!(zstd.contains("compression=\"snappy\""), "{zstd}");
    // A column that is not read may be of any kind.
    let mut schema = schema();
    schema.features.remove(0);
    for name in ["nested", "day", "moment"] {
        load_parquet(&table(name), &schema, &LoadOptions::default()).expect(name);
    }
    // With its own encryption a file begins otherwise.
    let file = file(b"PARE and so on, PARE");
    assert!(is_parquet(file.path()));
    assert!(message(file.path()).contains("it is encrypted"));
}

#[test]
fn limits_hold_for_what_is_unpacked_and_not_only_for_the_file() {
    // 200,000 times the same value takes a few bytes of a file.
    let rows = 200_000;
    let half: Vec<&str> = (0..rows).map(|row| ["good", "bad"][row % 2]).collect();
    let file = ages(&vec![Some(1.0); rows], &vec![1.0; rows], &half);
    let size = file.path().metadata().expect("there").len();
    assert!(size < 50_000, "{size}");
    let load = |options: &LoadOptions| load_parquet(file.path(), &schema(), options);
    assert_eq!(
        load(&LoadOptions::default()).expect("fits").report.rows,
        rows
    );
    let max_rows = LoadOptions {
        max_rows: 199_999,
        ..LoadOptions::default()
    };
    assert!(matches!(
        load(&max_rows),
        Err(DataError::TooManyRows { limit: 199_999, .. })
    ));
    let unpacked = LoadOptions {
        max_bytes: 1_199_999,
        ..LoadOptions::default()
    };
    let error = load(&unpacked).expect_err("600,000 values").to_string();
    assert!(
        error.contains("200000 rows of 3 columns are more than a CSV file of 1199999 bytes"),
        "{error}"
    );
    let packed = LoadOptions {
        max_bytes: size - 1,
        ..LoadOptions::default()
    };
    assert!(matches!(load(&packed), Err(DataError::TooLarge { .. })));
}

#[test]
fn a_file_that_is_cut_or_changed_is_refused_or_read_and_never_the_end() {
    for name in ["pandas", "polars", "pyarrow"] {
        let whole = std::fs::read(table(name)).expect("there");
        for end in (0..whole.len()).step_by(7) {
            let cut = file(&whole[..end]);
            let error = load(cut.path()).expect_err("cut").to_string();
            assert!(
                error.contains("not a whole Parquet file"),
                "{name} at {end}: {error}"
            );
        }
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= if at % 2 == 0 { 0x81 } else { 0x7e };
            // Not every byte matters, and a changed value is a value.
            if let Err(error) = load(file(&bytes).path()) {
                assert!(!error.to_string().is_empty(), "{name} at {at}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_table_means_the_same_in_both_formats(
        rows in prop::collection::vec(
            (
                prop::option::of(prop_oneof![any::<f64>(), -200.0..200.0_f64, Just(0.1), Just(f64::MIN_POSITIVE)]),
                prop_oneof![8 => -20.0..20.0_f64, 1 => any::<f64>()],
                prop::sample::select(vec!["good", "bad", "good", "bad", "bad", " good ", "Good", ""]),
            ),
            1..40,
        ),
        drop in any::<bool>(),
    ) {
        let mut text = String::from("age,weight,verdict\n");
        for (age, weight, verdict) in &rows {
            let age = age.map(|age| age.to_string()).unwrap_or_default();
            text.push_str(&format!("{age},{weight},{verdict}\n"));
        }
        let missing = if drop { MissingCells::DropRow } else { MissingCells::Refuse };
        let options = LoadOptions { missing, ..LoadOptions::default() };
        let csv = read_csv("t", Cursor::new(text), &schema(), &options);
        let (age, rest): (Vec<_>, Vec<_>) = rows.iter().map(|(age, weight, verdict)| (*age, (*weight, *verdict))).unzip();
        let (weight, verdict): (Vec<f64>, Vec<&str>) = rest.into_iter().unzip();
        let parquet = load_parquet(ages(&age, &weight, &verdict).path(), &schema(), &options);
        match (csv, parquet) {
            (Ok(csv), Ok(parquet)) => {
                prop_assert_eq!(csv.data.features(), parquet.data.features());
                prop_assert_eq!(csv.data.labels(), parquet.data.labels());
                prop_assert_eq!(csv.report.columns, parquet.report.columns);
                prop_assert_eq!(csv.report.dropped_rows, parquet.report.dropped_rows);
            }
            (Err(csv), Err(parquet)) => {
                // The same fault, in the line below the header.
                prop_assert_eq!(std::mem::discriminant(&csv), std::mem::discriminant(&parquet), "{} / {}", csv, parquet);
            }
            (csv, parquet) => prop_assert!(false, "{csv:?} but {parquet:?}"),
        }
    }
}
