//! The layers of the design: who may know whom. A new edge is a decision, not an accident.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which of our packages each may depend on.
const EDGES: [(&str, &[&str]); 8] = [
    (
        "unsilo",
        &[
            "unsilo-coordinator",
            "unsilo-fhe",
            "unsilo-inference",
            "unsilo-ledger",
            "unsilo-participant",
            "unsilo-proto",
            "unsilo-train",
        ],
    ),
    (
        "unsilo-coordinator",
        &[
            "unsilo-fhe",
            "unsilo-inference",
            "unsilo-ledger",
            "unsilo-proto",
        ],
    ),
    (
        "unsilo-participant",
        &[
            "unsilo-fhe",
            "unsilo-ledger",
            "unsilo-proto",
            "unsilo-train",
        ],
    ),
    ("unsilo-proto", &["unsilo-ledger"]),
    ("unsilo-fhe", &[]),
    // A crate of its own, not a module of unsilo-fhe: tfhe takes a minute to compile, and who only sends updates, or
    // only works on them, need not wait for it.
    ("unsilo-inference", &[]),
    ("unsilo-ledger", &[]),
    ("unsilo-train", &[]),
];

/// Packages from elsewhere that only some of ours may name. A prefix ends in `*`.
const CONFINED: [(&str, &[&str]); 7] = [
    ("burn*", &["unsilo-train"]),
    ("axum*", &["unsilo-coordinator"]),
    ("tfhe", &["unsilo-inference"]),
    ("anyhow", &["unsilo"]),
    (
        "tokio*",
        &[
            "unsilo",
            "unsilo-coordinator",
            "unsilo-participant",
            "unsilo-proto",
        ],
    ),
    (
        "tonic*",
        &[
            "unsilo",
            "unsilo-coordinator",
            "unsilo-participant",
            "unsilo-proto",
        ],
    ),
    ("redb", &["unsilo-participant"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata runs")
}

/// What breaks the rules, as sentences. Tests of a package may use more than its code: development dependencies on
/// packages from elsewhere are free, on our own they are not.
fn broken(packages: &[Package]) -> Vec<String> {
    let edges: BTreeMap<&str, &[&str]> = EDGES.into_iter().collect();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut broken = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some(allowed) = edges.get(name) else {
            broken.push(format!("{name} is not a package of the design"));
            continue;
        };
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            if ours.contains(to) && !allowed.contains(&to) {
                broken.push(format!("{name} must not know {to}"));
            }
            let confined = CONFINED
                .iter()
                .find(|(what, _)| match what.strip_suffix('*') {
                    Some(prefix) => to.starts_with(prefix),
                    None => to == *what,
                });
            if let Some((_, holders)) = confined
                && dependency.kind != DependencyKind::Development
                && !holders.contains(&name)
            {
                broken.push(format!("{name} must not name {to}"));
            }
        }
    }
    broken
}

#[test]
fn every_edge_is_one_of_the_design() {
    let metadata = metadata();
    let names: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let designed: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, designed, "the packages of the workspace");
    assert_eq!(broken(&metadata.packages), [""; 0]);
}

#[test]
fn a_wrong_edge_would_be_noticed() {
    let metadata = metadata();
    let dependency_of = |package: &str, on: &str| {
        metadata
            .packages
            .iter()
            .find(|candidate| candidate.name.as_str() == package)
            .and_then(|package| package.dependencies.iter().find(|known| known.name == on))
            .expect("an edge that exists")
            .clone()
    };
    for (package, taken_from, on, complaint) in [
        (
            "unsilo-fhe",
            "unsilo-proto",
            "unsilo-ledger",
            "unsilo-fhe must not know unsilo-ledger",
        ),
        (
            "unsilo-coordinator",
            "unsilo",
            "unsilo-participant",
            "unsilo-coordinator must not know unsilo-participant",
        ),
        (
            "unsilo-participant",
            "unsilo-coordinator",
            "axum",
            "unsilo-participant must not name axum",
        ),
        (
            "unsilo-coordinator",
            "unsilo",
            "anyhow",
            "unsilo-coordinator must not name anyhow",
        ),
        (
            "unsilo-participant",
            "unsilo-train",
            "burn",
            "unsilo-participant must not name burn",
        ),
        (
            "unsilo-fhe",
            "unsilo-inference",
            "tfhe",
            "unsilo-fhe must not name tfhe",
        ),
        (
            "unsilo-ledger",
            "unsilo-proto",
            "tonic",
            "unsilo-ledger must not name tonic",
        ),
        (
            "unsilo-train",
            "unsilo-coordinator",
            "tokio",
            "unsilo-train must not name tokio",
        ),
    ] {
        let mut packages = metadata.packages.clone();
        packages
            .iter_mut()
            .find(|candidate| candidate.name.as_str() == package)
            .expect("a package that exists")
            .dependencies
            .push(dependency_of(taken_from, on));
        assert_eq!(broken(&packages), [complaint]);
    }
}
