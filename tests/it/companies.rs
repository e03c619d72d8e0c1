//! A federation of separate processes, each with its own directory, made by the commands of the README.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, Running, free_address, repository, run, set, unsilo, until};

/// A federation under one temporary directory.
pub(crate) struct Companies {
    root: TempDir,
    pub(crate) address: String,
    pub(crate) invitations: BTreeMap<String, String>,
}

impl Companies {
    /// `coordinator init` for these founders.
    pub(crate) fn found(names: &[&str], rounds: u64) -> Self {
        let address = free_address();
        Self::found_behind(names, rounds, &address, &address)
    }

    /// The same for another model than that of the digits.
    pub(crate) fn found_for(model: &str, names: &[&str], rounds: u64) -> Self {
        let address = free_address();
        Self::made(&repository(model), names, rounds, (&address, &address))
    }

    /// The same, with an address in the invitations that is not where the coordinator listens.
    pub(crate) fn found_behind(names: &[&str], rounds: u64, listen: &str, address: &str) -> Self {
        let model = repository("data/digits.model.toml");
        Self::made(&model, names, rounds, (listen, address))
    }

    fn made(model: &Path, names: &[&str], rounds: u64, (listen, address): (&str, &str)) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let mut command = unsilo(["coordinator", "init", "--json"]);
        command.arg(root.path().join("fed"));
        command.arg("--model").arg(model);
        command.args(["--address", address, "--listen", listen]);
        command.args(["--rounds", &rounds.to_string()]);
        for name in names {
            command.args(["--founder", name]);
        }
        let created = run(&mut command).ok().json();
        let invitations = created["invitations"]
            .as_object()
            .expect("invitations")
            .iter()
            .map(|(name, text)| (name.clone(), text.as_str().expect("text").to_owned()))
            .collect();
        Self {
            root,
            address: address.to_owned(),
            invitations,
        }
    }

    /// A path under the federation's temporary directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The coordinator's directory.
    pub(crate) fn coordinator(&self) -> PathBuf {
        self.path("fed")
    }

    /// The directory of a company.
    pub(crate) fn company(&self, name: &str) -> PathBuf {
        self.path(&format!("company-{name}"))
    }

    /// `coordinator serve`; listening when this returns.
    pub(crate) fn serve(&self) -> Running {
        let mut command = unsilo(["coordinator", "serve"]);
        let mut running = Running::start(
            self.root.path(),
            "coordinator",
            command.arg(self.coordinator()),
        );
        let address = self.address.clone();
        until("the coordinator listens", || {
            assert!(running.runs(), "{}", running.said());
            std::net::TcpStream::connect(&address).is_ok()
        });
        running
    }

    /// Every `of`-th row of the digits from row `part` on, in a file with a header.
    pub(crate) fn rows(&self, part: usize, of: usize) -> PathBuf {
        let text = fs::read_to_string(repository("data/digits.csv")).expect("the digits");
        let mut lines = text.lines();
        let mut own = vec![lines.next().expect("a header")];
        own.extend(lines.skip(part).step_by(of));
        let path = self.path(&format!("rows-{part}-of-{of}.csv"));
        fs::write(&path, own.join("\n") + "\n").expect("written");
        path
    }

    /// `join` with the arguments of the README.
    pub(crate) fn join(&self, name: &str, data: &Path) -> Ran {
        let mut command = unsilo(["join", "--json", &self.invitations[name]]);
        command.arg("--data").arg(data);
        command.args(["--label", "label"]);
        run(command.arg("--dir").arg(self.company(name)))
    }

    /// Joins with every `of`-th row; a lost connection is tried again after at most a second.
    pub(crate) fn join_fast(&self, name: &str, part: usize, of: usize) -> Value {
        let joined = self.join(name, &self.rows(part, of)).ok().json();
        set(
            &self.company(name).join("participant.toml"),
            "reconnect_seconds",
            "1",
        );
        joined
    }

    /// The company's node has no rater of its own.
    pub(crate) fn rates_nobody(&self, name: &str) {
        let config = self.company(name).join("participant.toml");
        set(&config, "enabled", "false");
    }

    /// `participate`, with JSON at its end.
    pub(crate) fn participate(&self, name: &str) -> Running {
        let mut command = unsilo(["participate", "--json"]);
        Running::start(self.root.path(), name, command.arg(self.company(name)))
    }

    /// `query` of the coordinator with its authority.
    pub(crate) fn query(&self, arguments: &[&str]) -> Ran {
        let mut command = unsilo(["query", "--json", &format!("https://{}", self.address)]);
        command
            .arg("--authority")
            .arg(self.coordinator().join("authority.der"));
        run(command.args(arguments))
    }

    /// `ledger verify --json` of the coordinator and all these companies: one root for all.
    #[track_caller]
    pub(crate) fn verify(&self, names: &[&str]) -> Value {
        verify_all(
            std::iter::once(self.coordinator()).chain(names.iter().map(|name| self.company(name))),
        )
    }

    /// Descriptions of all entries on the coordinator's ledger.
    pub(crate) fn entries(&self) -> Vec<String> {
        let mut command = unsilo(["ledger", "show", "--json"]);
        let shown = run(command.arg(self.coordinator())).ok().json();
        shown["entries"]
            .as_array()
            .expect("entries")
            .iter()
            .map(|entry| entry["description"].as_str().expect("text").to_owned())
            .collect()
    }
}

/// Verifies every ledger; all must be the same. Returns what was found.
#[track_caller]
pub(crate) fn verify_all(directories: impl IntoIterator<Item = PathBuf>) -> Value {
    let mut reports = directories.into_iter().map(|dir| {
        let report = run(unsilo(["ledger", "verify", "--json"]).arg(&dir))
            .ok()
            .json();
        (dir, without_kept(report))
    });
    let (_, first) = reports.next().expect("a directory");
    assert_eq!(first["verified"], true);
    for (dir, report) in reports {
        assert_eq!(report, first, "{} differs", dir.display());
    }
    first
}

/// How often a description with these words stands on the ledger.
pub(crate) fn count(entries: &[String], words: &str) -> usize {
    entries.iter().filter(|entry| entry.contains(words)).count()
}

/// A report of `ledger verify --json` without what lies beside the log, of which not everybody keeps the same:
/// cosignatures, proofs of forks, the end of an append.
pub(crate) fn without_kept(mut report: Value) -> Value {
    report["kept"].take();
    report
}
