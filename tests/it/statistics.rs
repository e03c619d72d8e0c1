//! Federation-wide normalisation by real processes: the first round sums the statistics of everybody's rows under encryption.

use std::{collections::BTreeMap, fs, path::PathBuf};

use unsilo_ledger::{ColumnSums, Outcome, State, statistics::SCALE, store};

use crate::{
    companies::Companies,
    help::assert_documented,
    support::{Running, repository, run, set, unsilo},
};

const FOUNDERS: [&str; 3] = ["Aster", "Birch", "Cedar"];
const SCALED: &str = "rows are scaled by the statistics of the federation: 64 of 64 columns";

/// A copy of a model file in which the columns of numbers are measured.
pub(crate) fn measured(model: &str, directory: &std::path::Path) -> PathBuf {
    let text = fs::read_to_string(repository(model)).expect("a model file");
    assert_eq!(text.matches("[data]\n").count(), 1);
    let text = text.replace("[data]\n", "[data]\nnormalisation = \"federation\"\n");
    let path = directory.join("measured.model.toml");
    fs::write(&path, text).expect("written");
    path
}

/// The state after everything in a company's or the coordinator's log.
pub(crate) fn books(directory: &std::path::Path) -> State {
    let mut books = State::new();
    store::read(&directory.join(store::FILE_NAME), |_, entry| {
        books.apply(entry).expect("allowed");
    })
    .expect("intact");
    books
}

/// The sums over the rows of the founders, who have parts 0 to 2 of 4, from the table itself.
fn pooled() -> Vec<Option<ColumnSums>> {
    let text = fs::read_to_string(repository("data/digits.csv")).expect("the digits");
    let mut sums = vec![
        ColumnSums {
            count: 0,
            sum: 0,
            squares: 0
        };
        64
    ];
    for (_, line) in text
        .lines()
        .skip(1)
        .enumerate()
        .filter(|(row, _)| row % 4 != 3)
    {
        for (cell, sums) in line.split(',').zip(&mut sums) {
            // The declared range is 0 to 16.
            let value = cell.parse::<u64>().expect("a count") * SCALE / 16;
            sums.count += 1;
            sums.sum += value;
            sums.squares += u128::from(value * value);
        }
    }
    sums.into_iter().map(Some).collect()
}

/// Takes Dahlia in by the founders' words; her node runs when this returns.
fn admit(fed: &mut Companies) -> Running {
    let mut invite = unsilo(["coordinator", "invite", "--json"]);
    let made = run(invite.arg(fed.coordinator()).arg("Dahlia")).ok().json();
    let text = made["invitation"].as_str().expect("text").to_owned();
    fed.invitations.insert("Dahlia".to_owned(), text);
    let joined = fed.join_fast("Dahlia", 3, 4);
    let mut dahlia = fed.participate("Dahlia");
    dahlia.until_said("must approve it");
    let identity = joined["identity"].as_str().expect("hex");
    for owner in &FOUNDERS[..2] {
        let mut approve = unsilo(["approve", "--json"]);
        approve.arg(fed.company(owner));
        run(approve.args(["Dahlia", "--identity", identity])).ok();
    }
    dahlia
}

#[test]
fn the_statistics_of_all_companies_come_out_of_the_encrypted_sum_and_scale_everybodys_rows() {
    let models = tempfile::tempdir().expect("a temporary directory");
    let model = measured("data/digits.model.toml", models.path());
    let mut fed = Companies::found_for(model.to_str().expect("a path"), &FOUNDERS, 0);
    set(
        &fed.coordinator().join("coordinator.toml"),
        "pause_seconds",
        "1",
    );
    let mut coordinator = fed.serve();
    for (part, name) in FOUNDERS.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let mut nodes: BTreeMap<&str, Running> = FOUNDERS
        .iter()
        .map(|name| (*name, fed.participate(name)))
        .collect();
    // Killed between the guard record and the sum: the node and then the coordinator go on with the same round.
    let birch = nodes.get_mut("Birch").expect("runs");
    birch.until_said("round 1: update encrypted");
    birch.kill();
    coordinator.kill();
    let mut coordinator = fed.serve();
    nodes.insert("Birch", fed.participate("Birch"));
    for node in nodes.values_mut() {
        node.until_said(SCALED);
        node.until_said("new model");
    }

    // Who comes later has them with the ledger, and so has who starts again.
    let mut dahlia = admit(&mut fed);
    dahlia.until_said(SCALED);
    dahlia.until_said("contribution on the ledger");
    let before = dahlia.times("new model");
    dahlia.until_more("new model", before);

    let rows = fed.rows(3, 4);
    let answers = fed
        .query(&["--csv", rows.to_str().expect("a path")])
        .ok()
        .json();
    assert_documented("query", &answers);

    nodes.insert("Dahlia", dahlia);
    for node in nodes.values() {
        node.terminate();
    }
    for node in nodes.values_mut() {
        node.wait().ok();
    }
    coordinator.terminate();
    coordinator.wait().ok();

    let books = books(&fed.coordinator());
    let (round, statistics) = books.statistics().expect("measured");
    let statistics = statistics.expect("opened");
    assert_eq!((round, statistics.contributions), (1, 3));
    assert_eq!(
        statistics.columns,
        pooled(),
        "exactly those of the pooled rows"
    );
    let schema = books.schema().expect("founded");
    assert_eq!(schema.measured().count(), 0);
    let first = books.history().next().expect("a round");
    assert!(matches!(first.outcome, Outcome::Measured { .. }));
    // Nobody's own numbers are on the ledger: of each contribution only a root and its length.
    let said = fed.entries().join("\n");
    assert!(
        said.contains("round 1 published the statistics of 64 columns over 3 contributions"),
        "{said}"
    );
    assert!(
        !said.contains("round 1 judged"),
        "nothing but the sum is opened: {said}"
    );
}
