//! Reading files: what is accepted, and the exact words for what is not.

use std::io::Cursor;
use std::path::Path;

use unsilo_ledger::{Feature, Schema, Values, schema::SchemaError};

use super::super::{
    ColumnValues, DataError, LoadOptions, LoadedData, MissingCells, load_csv, read_csv,
};
use super::{digits, digits_path};

/// Age 0 to 100, weight -10 to 10, and a verdict.
fn schema() -> Schema {
    Schema {
        label: "verdict".to_owned(),
        classes: vec!["good".to_owned(), "bad".to_owned()],
        features: vec![
            Feature::number("age", 0, 100_000_000),
            Feature::number("weight", -10_000_000, 10_000_000),
        ],
    }
}

fn read(text: impl AsRef<[u8]>) -> Result<LoadedData, DataError> {
    read_csv(
        "t.csv",
        Cursor::new(text),
        &schema(),
        &LoadOptions::default(),
    )
}

fn dropping(text: &str) -> Result<LoadedData, DataError> {
    let options = LoadOptions {
        missing: MissingCells::DropRow,
        ..LoadOptions::default()
    };
    read_csv("t.csv", Cursor::new(text), &schema(), &options)
}

fn message(text: impl AsRef<[u8]>) -> String {
    read(text).expect_err("a faulty file").to_string()
}

#[test]
fn rows_are_scaled_clipped_and_reported() {
    let loaded = read(
        "note, weight ,verdict,age\n\
         x,0,good,25\n\
         \"a, b\",-12.5,bad, 100 \n\
         \n\
         ,5e0,bad,1e2\n",
    )
    .expect("a good file");
    assert_eq!(loaded.data.features(), [0.25, 0.5, 1.0, 0.0, 1.0, 0.75]);
    assert_eq!(loaded.data.labels(), [0, 1, 1]);
    assert_eq!((loaded.data.columns(), loaded.data.classes()), (2, 2));

    let report = loaded.report;
    assert_eq!((report.rows, report.dropped_rows), (3, 0));
    assert_eq!(report.extra_columns, ["note"]);
    let ColumnValues::Number {
        min,
        mean,
        max,
        range,
        clipped,
    } = report.columns[1].values
    else {
        panic!("{report:?}");
    };
    assert_eq!((min, max, clipped, range), (-12.5, 5.0, 1, (-10.0, 10.0)));
    assert!((mean + 2.5).abs() < 1e-12);
    let rows: Vec<_> = report
        .classes
        .iter()
        .map(|c| (c.class.as_str(), c.rows))
        .collect();
    assert_eq!(rows, [("good", 1), ("bad", 2)]);
    let shown = report.to_string();
    assert!(
        shown.contains("t.csv: 3 rows, 2 columns used, 1 not"),
        "{shown}"
    );
    assert!(
        shown.contains(
            "note: column weight: 1 values (33.3 %) lie outside -10 to 10 (found -12.5 to 5) and \
             were clipped; check the unit"
        ),
        "{shown}"
    );
    let json = serde_json::to_value(&report).expect("serialises");
    assert_eq!(json["columns"][1]["clipped"], 1);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_trouble() {
    let loaded = read("\u{feff}age,weight,verdict\r\n1,2,good\r\n3,4,bad\r\n").expect("reads");
    assert_eq!(loaded.data.rows(), 2);
}

#[test]
fn missing_columns_are_listed_at_once() {
    assert_eq!(
        message("Age,verdict,x\n1,good,2\n"),
        "t.csv, line 1: missing columns \"age\", \"weight\"; the file has \"Age\", \"verdict\", \
         \"x\". Add the columns, or rename those that hold them (upper and lower case count)"
    );
    assert!(message("age;weight;verdict\n1;2;good\n").contains("semicolons or tabs"));
    assert!(message("1,2,3\n4,5,6\n").contains("must name the columns"));
}

#[test]
fn a_column_needed_twice_is_refused_and_an_unused_one_is_not() {
    assert_eq!(
        message("age,weight,age,verdict\n1,2,3,good\n"),
        "t.csv, line 1: columns \"age\" occur more than once. Remove or rename all but one"
    );
    let loaded = read("age,x,x,weight,verdict\n1,0,0,2,good\n1,0,0,2,bad\n").expect("reads");
    assert_eq!(loaded.report.extra_columns, ["x", "x"]);
}

#[test]
fn cells_that_are_no_numbers_are_quoted() {
    assert_eq!(
        message("age,weight,verdict\n1,2,good\n1,\"3,5\",bad\n"),
        "t.csv, line 3, column weight: found \"3,5\", expected a number such as 0 (with a decimal \
         point). Correct the cell or remove the row"
    );
    for (cell, found) in [("NaN", "NaN"), ("-inf", "-inf"), ("1e999", "1e999")] {
        assert_eq!(
            message(format!("age,weight,verdict\n{cell},2,good\n")),
            format!(
                "t.csv, line 2, column age: found {found:?}, expected a finite number. Correct the \
                 cell or remove the row"
            )
        );
    }
    let long = message(format!(
        "age,weight,verdict\n{},2,good\n",
        "é".repeat(1_000)
    ));
    assert!(
        long.contains(&format!("{}...", "é".repeat(40))) && long.len() < 300,
        "{long}"
    );
}

#[test]
fn missing_values_are_refused_or_their_rows_left_out() {
    assert_eq!(
        message("age,weight,verdict\n1,,good\n"),
        "t.csv, line 2, column weight: found \"\", which stands for a missing value, expected a \
         number. Fill it in, remove the row, or have rows with missing values left out"
    );
    assert!(message("age,weight,verdict\n1,2,\n").contains("column verdict: found \"\""));
    let text = "age,weight,verdict\n1,2,good\n?,na,bad\n3,4,\n5,6,bad\n";
    let report = dropping(text).expect("reads").report;
    assert_eq!((report.rows, report.dropped_rows), (2, 2));
    assert_eq!(
        (report.columns[0].missing, report.columns[1].missing),
        (1, 1)
    );
    assert!(matches!(
        report.columns[0].values,
        ColumnValues::Number {
            min: 1.0,
            max: 5.0,
            ..
        }
    ));
    assert_eq!(
        dropping("age,weight,verdict\n,2,good\n")
            .expect_err("nothing left")
            .to_string(),
        "t.csv: all 1 rows have missing values. Fill some in"
    );
    // Leaving out rows excuses no other fault in them.
    assert!(dropping("age,weight,verdict\n,x,good\n").is_err());
}

#[test]
fn labels_must_be_those_of_the_federation() {
    assert_eq!(
        message("age,weight,verdict\n1,2,Good\n"),
        "t.csv, line 2, column verdict: found \"Good\", expected one of the federation's classes \
         \"good\", \"bad\". Correct the cell or remove the row"
    );
    assert_eq!(
        message("age,weight,verdict\n1,2,bad\n1,2,bad\n"),
        "t.csv: all 2 rows have class \"bad\" in column verdict, expected at least two classes. \
         Check that this is the label column, and add rows of others"
    );
}

#[test]
fn faults_are_named_by_the_line_an_editor_shows() {
    for end in ["\n", "\r\n", "\r"] {
        let text = [
            "age,weight,verdict",
            "1,2,good",
            "",
            "1,2,bad",
            "\"1\n",
            "\",2,x",
        ]
        .join(end);
        assert!(message(text).contains("line 5, column verdict"), "{end:?}");
    }
}

#[test]
fn ragged_rows_are_named_by_their_line() {
    assert_eq!(
        message("age,weight,verdict\n\"1\",2,good\n\n1,2\n"),
        "t.csv, line 4: 2 cells, but the header names 3 columns. Look for a missing or stray comma \
         or quote"
    );
}

#[test]
fn files_without_rows_are_refused() {
    for text in ["", "\n\n", "\u{feff}"] {
        assert_eq!(
            read(text).expect_err("empty"),
            DataError::Empty {
                file: "t.csv".to_owned()
            }
        );
    }
    assert_eq!(
        message("age,weight,verdict\n"),
        "t.csv: there is a header but no row below it"
    );
}

#[test]
fn text_in_another_encoding_is_named() {
    let mut text = b"age,weight,verdict\n1,2,good\n1,2,b".to_vec();
    text.extend(b"\xe4d\n");
    assert_eq!(
        message(text),
        "t.csv, line 3, column verdict: not UTF-8 text. Save the file as CSV in UTF-8"
    );
    assert!(message(b"age,w\xe4,verdict\n").contains("line 1, column number 2: not UTF-8"));
}

#[test]
fn limits_hold() {
    let text = "age,weight,verdict\n1,2,good\n1,2,bad\n";
    let length = text.len() as u64;
    let with = |max_bytes, max_rows| {
        let options = LoadOptions {
            max_bytes,
            max_rows,
            ..LoadOptions::default()
        };
        read_csv("t.csv", Cursor::new(text), &schema(), &options).map(|loaded| loaded.report.rows)
    };
    assert_eq!(with(length, 2), Ok(2));
    let file = || "t.csv".to_owned();
    assert_eq!(
        with(length - 1, 2),
        Err(DataError::TooLarge {
            file: file(),
            limit: length - 1
        })
    );
    assert_eq!(
        with(length, 1),
        Err(DataError::TooManyRows {
            file: file(),
            limit: 1
        })
    );
}

#[test]
fn paths_that_cannot_be_read_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    for path in [
        directory.path().join("none.csv"),
        directory.path().to_owned(),
    ] {
        let error = load_csv(&path, &schema(), &LoadOptions::default()).expect_err("unreadable");
        assert!(matches!(&error, DataError::Unreadable { file, .. } if Path::new(file) == path));
    }
    let path = directory.path().join("large.csv");
    std::fs::write(&path, "age,weight,verdict\n").expect("writes");
    let options = LoadOptions {
        max_bytes: 3,
        ..LoadOptions::default()
    };
    assert!(matches!(
        load_csv(&path, &schema(), &options),
        Err(DataError::TooLarge { limit: 3, .. })
    ));
}

#[test]
fn a_faulty_schema_is_refused_before_the_file_is_read() {
    let mut schema = schema();
    schema.features.clear();
    let read = read_csv("t.csv", Cursor::new(""), &schema, &LoadOptions::default());
    assert_eq!(
        read.expect_err("no features"),
        DataError::Schema(SchemaError::Features { features: 0 })
    );
}

/// A height that may be missing, and an art of three that may not.
fn mixed() -> Schema {
    Schema {
        features: vec![
            Feature {
                may_be_missing: true,
                ..Feature::number("height", 0, 2_000_000)
            },
            Feature {
                name: "art".to_owned(),
                values: Values::Category(["1", "b", "c"].map(str::to_owned).to_vec()),
                may_be_missing: false,
            },
        ],
        ..schema()
    }
}

#[test]
fn categories_and_missing_values_become_inputs_of_their_own_and_are_reported() {
    let text = "art,height,verdict\n1.0,1,good\nb,?,bad\n1,0.5,bad\n";
    let read = |text: &str| {
        read_csv(
            "t.csv",
            Cursor::new(text),
            &mixed(),
            &LoadOptions::default(),
        )
    };
    let loaded = read(text).expect("a good file");
    assert_eq!(
        loaded.data.features(),
        [
            0.5, 0.0, 1.0, 0.0, 0.0, //
            0.0, 1.0, 0.0, 1.0, 0.0, //
            0.25, 0.0, 1.0, 0.0, 0.0
        ]
    );
    assert_eq!(loaded.data.columns(), 5);
    let json = serde_json::to_value(&loaded.report).expect("serialises");
    assert_eq!(json["columns"][0]["missing"], 1);
    assert_eq!(json["columns"][0]["kind"], "number");
    assert_eq!(json["columns"][0]["mean"], 0.75);
    assert_eq!(json["columns"][1]["categories"][0]["rows"], 2);
    let shown = loaded.report.to_string();
    assert!(shown.contains("1 2, b 1, c 0"), "{shown}");

    assert_eq!(
        read("art,height,verdict\nd,1,good\n")
            .expect_err("unknown")
            .to_string(),
        "t.csv, line 2, column art: found \"d\", expected one of the federation's categories \"1\", \
         \"b\", \"c\". Correct the cell or remove the row"
    );
    let missing = read("art,height,verdict\n,1,good\n").expect_err("missing");
    assert!(
        missing.to_string().contains("expected a category"),
        "{missing}"
    );
    let nothing = read("art,height,verdict\nb,,good\nb,,bad\n")
        .expect("reads")
        .report;
    assert_eq!(nothing.columns[0].values, ColumnValues::Nothing);
    assert_eq!(
        nothing.warnings(),
        [
            "column height: every value is missing",
            "column art: every row has the same value b"
        ]
    );
}

#[test]
fn the_digits_are_read_whole() {
    let loaded = load_csv(&digits_path(), &digits(), &LoadOptions::default()).expect("reads");
    assert_eq!((loaded.data.rows(), loaded.data.columns()), (1_797, 64));
    assert_eq!(
        loaded.data.class_counts(),
        [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    );
    assert!(
        loaded
            .report
            .columns
            .iter()
            .all(|column| matches!(column.values, ColumnValues::Number { clipped: 0, .. }))
    );
    assert!(loaded.report.to_string().lines().count() < 40);
}
