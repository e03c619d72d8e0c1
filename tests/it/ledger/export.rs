//! `unsilo ledger export`: every table is read back.

use std::{collections::BTreeMap, fs, path::Path};

use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use unsilo_ledger::{Entry, RejectionReason};

use super::{Kept, NAMES, World, founded, score};
use crate::support::{repository, run, unsilo};

const TABLES: [&str; 7] = [
    "entries",
    "rounds",
    "contributions",
    "ratings",
    "rewards",
    "accounts",
    "violations",
];

/// A cell, as both formats have it: text and numbers in words, nothing for an empty one.
type Read = Vec<BTreeMap<String, String>>;

/// A settled epoch, an open case, a void round, and a round in progress.
fn eventful() -> World {
    let mut world = founded();
    world.epoch(score);
    for _ in 0..3 {
        world.open();
        world.contribute(0..5);
        world.close();
        let mut entry = world.judged();
        if let Entry::ContributionsJudged {
            accepted, rejected, ..
        } = &mut entry
        {
            accepted.remove(1);
            rejected.push((unsilo_ledger::ParticipantId(1), RejectionReason::TooLong));
        }
        let members: Vec<u32> = world.seated().into_iter().take(world.threshold()).collect();
        let entry = world.sign(entry, &members);
        world.accept(entry);
        world.publish();
    }
    let violation = world.two_openings(1, 1);
    world.accept_by(Entry::ViolationReported { violation }, 0);
    world.open();
    world.contribute([0]);
    world.void();
    let deposit = world.deposit(2, 77);
    world.accept_by(deposit, 2);
    world.open();
    world.contribute([0, 1]);
    world
}

fn read_csv(path: &Path) -> Read {
    let mut reader = csv::Reader::from_path(path).expect("a CSV file");
    let names: Vec<String> = reader
        .headers()
        .expect("a header")
        .iter()
        .map(str::to_owned)
        .collect();
    reader
        .records()
        .map(|record| {
            let record = record.expect("a record");
            names
                .iter()
                .cloned()
                .zip(record.iter().map(str::to_owned))
                .collect()
        })
        .collect()
}

fn read_parquet(path: &Path) -> Read {
    let file = fs::File::open(path).expect("a file");
    let reader = SerializedFileReader::new(file).expect("a Parquet file");
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|row| {
        row.expect("a row")
            .get_column_iter()
            .map(|(name, field)| {
                let text = match field {
                    Field::Null => String::new(),
                    Field::Str(text) => text.clone(),
                    Field::ULong(value) => value.to_string(),
                    Field::Long(value) => value.to_string(),
                    Field::Double(value) => value.to_string(),
                    Field::Bool(value) => value.to_string(),
                    other => panic!("{name}: {other:?}"),
                };
                (name.clone(), text)
            })
            .collect()
    })
    .collect()
}

#[test]
fn both_formats_read_back_to_the_same_tables() {
    let world = eventful();
    let kept = Kept::new(&world);
    let (csv, parquet) = (
        kept.root.path().join("csv"),
        kept.root.path().join("parquet"),
    );
    for (format, out) in [("csv", &csv), ("parquet", &parquet)] {
        let mut command = unsilo(["ledger", "export", "--json", "--format", format]);
        let report = run(command.arg(kept.root.path()).arg("--out").arg(out))
            .ok()
            .json();
        assert_eq!(report["format"], format);
        let told: Vec<&str> = report["tables"]
            .as_array()
            .expect("tables")
            .iter()
            .map(|table| table["table"].as_str().expect("a name"))
            .collect();
        assert_eq!(told, TABLES);
        let files = fs::read_dir(out).expect("a directory").count();
        assert_eq!(files, TABLES.len(), "nothing temporary is left");
    }
    let mut tables = BTreeMap::new();
    for table in TABLES {
        let plain = read_csv(&csv.join(format!("{table}.csv")));
        let typed = read_parquet(&parquet.join(format!("{table}.parquet")));
        assert_eq!(plain.len(), typed.len(), "{table}");
        for (plain, typed) in plain.iter().zip(&typed) {
            for (name, value) in typed {
                let shown = &plain[name];
                let same = shown == value || *shown == format!("'{value}");
                assert!(same, "{table}.{name}: {shown:?} and {value:?}");
            }
        }
        tables.insert(table, typed);
    }
    let number = |row: &BTreeMap<String, String>, name: &str| -> u64 {
        row[name]
            .parse()
            .unwrap_or_else(|_| panic!("{name}: {row:?}"))
    };

    assert_eq!(tables["entries"].len(), world.log.len());
    assert_eq!(tables["entries"][0]["kind"], "federation_created");
    let rounds = &tables["rounds"];
    assert_eq!(rounds.len(), 25);
    assert_eq!(rounds[23]["outcome"], "void");
    assert_eq!(
        rounds[23]["void_reason"],
        "too few members of the committee answered in time"
    );
    assert_eq!(rounds[24]["outcome"], "in progress");
    assert_eq!(rounds[24]["model_after"], "");
    assert_eq!(
        (rounds[0]["model_after"].len(), &rounds[0]["epoch"]),
        (64, &"1".to_owned())
    );
    assert_eq!(rounds[1]["draw_seed"], rounds[0]["challenge_seed"]);

    // The weights of a round sum to its total; its raters say something about everybody else.
    let of = |table: &str, round: &str| -> Read {
        let rows = tables[table].iter().filter(|row| row["round"] == round);
        rows.cloned().collect()
    };
    let weights: u64 = of("contributions", "7")
        .iter()
        .map(|row| number(row, "weight"))
        .sum();
    assert_eq!(weights, number(&rounds[6], "total_weight"));
    assert_eq!(of("ratings", "7").len(), 20);
    assert!(
        of("ratings", "7")
            .iter()
            .all(|row| row["smoothed"].is_empty())
    );
    let rejected = &of("contributions", "21")[1];
    assert_eq!(
        (rejected["verdict"].as_str(), rejected["weight"].as_str()),
        ("rejected", "0")
    );
    assert_eq!(rejected["reason"], "longer than an update may be");

    // Pay: the parts sum to the payout, payouts to the pool, and balances move by them.
    let rewards = &tables["rewards"];
    assert_eq!(rewards.len(), NAMES.len());
    for row in rewards {
        let parts = ["contributing", "rating", "niche"].map(|part| number(row, part));
        assert_eq!(parts.iter().sum::<u64>(), number(row, "payout"));
        assert_eq!(
            number(row, "balance_after") - number(row, "balance_before"),
            number(row, "payout")
        );
    }
    let paid: u64 = rewards.iter().map(|row| number(row, "payout")).sum();
    assert_eq!(paid, number(&rewards[0], "pool_paid"));
    assert_eq!(paid + number(&rewards[0], "pool_withheld"), 20_000_000);

    let accounts = &tables["accounts"];
    assert_eq!(number(&accounts[2], "warming"), 77);
    assert_eq!(
        number(&accounts[2], "balance") + 77,
        number(&rewards[2], "balance_after")
    );
    let [violation] = &tables["violations"][..] else {
        panic!("{:?}", tables["violations"]);
    };
    assert_eq!(violation["standing"], "open");
    assert_eq!(violation["participant"], NAMES[1]);
    assert_eq!(number(violation, "amount"), 100);

    // A name that is a formula is none in the CSV file, and itself in the Parquet file.
    let plain = read_csv(&csv.join("accounts.csv"));
    assert_eq!(plain[1]["owner"], "'=SUM(A1:A9)");
    assert_eq!(accounts[1]["owner"], "=SUM(A1:A9)");
    assert_eq!(plain[2]["owner"], NAMES[2], "quoted as it must be");
    let text = fs::read_to_string(csv.join("accounts.csv")).expect("text");
    assert!(text.contains("\"Cedar, \"\"Sons\"\" & Co\""), "{text}");
    for table in TABLES {
        let text = fs::read_to_string(csv.join(format!("{table}.csv"))).expect("text");
        assert!(!text.contains(",=") && !text.contains("\n="), "{table}");
    }
}

#[test]
fn files_that_are_there_are_kept_unless_forced() {
    let mut world = founded();
    world.full_round();
    let kept = Kept::new(&world);
    let out = kept.root.path().join("tables");
    let export = |more: &[&str]| {
        let mut command = unsilo(["ledger", "export"]);
        command.args(more).arg("--out").arg(&out);
        run(command.arg(kept.root.path()))
    };
    fs::create_dir(&out).expect("made");
    fs::write(out.join("ratings.csv"), "mine").expect("written");
    export(&[]).fails(3, &["ratings.csv", "exists already", "--force"]);
    assert_eq!(fs::read_dir(&out).expect("read").count(), 1);
    export(&["--force"]).ok();
    let first = fs::read_to_string(out.join("ratings.csv")).expect("replaced");
    assert!(first.starts_with("round,rater"), "{first}");
    export(&["--format", "parquet"]).ok();
    export(&["--format", "parquet"]).fails(3, &["entries.parquet"]);
    fs::remove_file(out.join("rounds.csv")).expect("removed");
    fs::create_dir(out.join("rounds.csv")).expect("made");
    export(&["--force"]).fails(3, &["rounds.csv is a directory"]);
    let ran = run(&mut unsilo([
        "ledger", "export", "--format", "xlsx", "--out", "x",
    ]));
    assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let mut world = founded();
    world.full_round();
    let kept = Kept::new(&world);
    let out = kept.root.path().join("tables");
    let export = || {
        let mut command = unsilo(["ledger", "export", "--out"]);
        command.arg(&out).arg(kept.root.path());
        command
    };
    // No file may grow past 1 KiB: as on a full disk, writing fails on the way.
    for format in ["csv", "parquet"] {
        let mut limited = std::process::Command::new("sh");
        limited.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]);
        limited.arg(env!("CARGO_BIN_EXE_unsilo"));
        limited.args(export().get_args()).args(["--format", format]);
        run(&mut limited).fails(7, &["nothing was exported", "cannot write", "tables"]);
        assert!(!out.exists(), "{format}: not even the directory it made");
    }
    // A directory that cannot be: a file is there.
    fs::write(&out, "a file").expect("written");
    run(&mut export()).fails(7, &["tables"]);
    fs::remove_file(&out).expect("removed");
    // A log cut short is noticed before a file appears.
    let whole = fs::read(kept.file()).expect("the log");
    fs::write(kept.file(), &whole[..whole.len() - 100]).expect("written");
    run(&mut export()).fails(6, &["damaged", "nothing was exported"]);
    assert!(!out.exists());
    let mut nowhere = unsilo(["ledger", "export", "nowhere", "--out"]);
    run(nowhere.arg(&out)).fails(3, &["nowhere"]);
    assert!(!out.exists());
}

#[test]
fn every_column_and_key_is_documented() {
    let mut world = founded();
    world.epoch(score);
    let kept = Kept::new(&world);
    let docs = fs::read_to_string(repository("docs/ledger.md")).expect("the page");
    let out = kept.root.path().join("tables");
    let mut command = unsilo(["ledger", "export", "--out"]);
    run(command.arg(&out).arg(kept.root.path())).ok();
    for table in TABLES {
        let start = format!("| `{table}` | ");
        let line = docs
            .lines()
            .find(|line| line.starts_with(&start))
            .unwrap_or_else(|| panic!("no {table}"));
        let mut reader = csv::Reader::from_path(out.join(format!("{table}.csv"))).expect("a file");
        for column in reader.headers().expect("a header") {
            assert!(line.contains(&format!("`{column}`")), "{table}.{column}");
        }
    }
    let mut keys = Vec::new();
    for command in [
        &["explain", "--json", "Dahlia", "20"][..],
        &["verify", "--json"],
    ] {
        collect(&kept.ledger(command).ok().json(), &mut keys);
    }
    assert!(keys.len() > 90, "{keys:?}");
    for key in keys {
        let documented = [format!("`{key}`"), format!(".{key}`"), format!("`{key}[]`")];
        let listed = format!(".{key}[]`");
        assert!(
            documented
                .iter()
                .chain([&listed])
                .any(|text| docs.contains(text)),
            "{key}"
        );
    }
}

/// The keys of all objects in a document.
fn collect(value: &serde_json::Value, keys: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                keys.push(key.clone());
                collect(value, keys);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}
