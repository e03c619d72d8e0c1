//! The threat model's table of attacks names tests that there are.

use std::{collections::BTreeSet, fs};

use crate::support::repository;

/// The part of the page that names tests.
const TABLE: &str = "## Attacks that have a named test";

/// A test as a row names it: `` `name` ([file](../path)) ``.
fn named(row: &str) -> Vec<(String, String)> {
    row.split('`')
        .skip(1)
        .step_by(2)
        .zip(row.split("](../").skip(1))
        .map(|(name, link)| {
            let path = link.split(')').next().expect("a link ends");
            (name.to_owned(), path.to_owned())
        })
        .collect()
}

/// Whether there is such a test: a function, or the name that a macro gives to one or to a module of them.
fn is_test(source: &str, name: &str) -> bool {
    let function = source.find(&format!("fn {name}(")).is_some_and(|at| {
        let before = source[..at].trim_end().lines().rev().take(2);
        before.into_iter().any(|line| line.contains("test"))
    });
    let made = [format!("    {name}: "), format!("mod {name} {{")];
    function || source.contains("macro_rules!") && made.iter().any(|it| source.contains(it))
}

#[test]
fn every_test_that_the_threat_model_names_is_where_it_says() {
    let page = fs::read_to_string(repository("docs/threat-model.md")).expect("the page");
    let (_, table) = page.split_once(TABLE).expect("the table");
    let table = table.split("\n## ").next().expect("the table");
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .collect();
    assert!(rows.len() >= 25, "{} rows", rows.len());
    let mut seen = BTreeSet::new();
    for row in rows {
        let tests = named(row);
        assert_eq!(
            tests.len(),
            row.matches('`').count() / 2,
            "a link for each name: {row}"
        );
        for (name, path) in tests {
            let source = fs::read_to_string(repository(&path));
            let source = source.unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(is_test(&source, &name), "{path} has no test {name}");
            seen.insert(name);
        }
    }
    assert!(seen.len() >= 50, "{} tests", seen.len());
}
