//! `unsilo ledger show|verify|explain|export` on ledgers whose every number is known.

mod explain;
mod export;
mod late;
mod verify;
#[path = "../../ledger/tests/ledger/world.rs"]
#[allow(
    dead_code,
    reason = "the ledger's own tests use the rest of this federation"
)]
mod world;

use std::{path::PathBuf, sync::Arc};

use tempfile::TempDir;
use unsilo_ledger::{LedgerStore, State, store::FILE_NAME};

use self::world::{COORDINATOR, World, draft, founders, genesis, identity};
use crate::support::{Ran, run, unsilo};

/// The founders: one has the name of a formula, one needs quotes in a CSV file.
const NAMES: [&str; 5] = [
    "Aster Labs",
    "=SUM(A1:A9)",
    "Cedar, \"Sons\" & Co",
    "Dahlia",
    "Élan",
];

/// A federation of [`NAMES`].
fn founded() -> World {
    let mut draft = draft(NAMES.len());
    draft.founders = NAMES.map(str::to_owned).to_vec();
    let mut members = founders(NAMES.len());
    for (member, name) in members.iter_mut().zip(NAMES) {
        member.name = name.to_owned();
    }
    let mut world = World {
        state: State::new(),
        log: Vec::new(),
    };
    world.accept(genesis(draft, members));
    world
}

/// Everybody gives 100 to the others, but 60 to the last.
fn score(_: u32, rated: unsilo_ledger::ParticipantId) -> i16 {
    if rated.0 == 4 { 60 } else { 100 }
}

/// A world's log in a coordinator's directory.
struct Kept {
    root: TempDir,
}

impl Kept {
    fn new(world: &World) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let signer = Arc::new(identity(COORDINATOR));
        let mut store =
            LedgerStore::create(&root.path().join(FILE_NAME), signer).expect("a new log");
        store.append(&world.log).expect("appended");
        Self { root }
    }

    fn file(&self) -> PathBuf {
        self.root.path().join(FILE_NAME)
    }

    /// `unsilo ledger` with these arguments and then the directory.
    fn ledger(&self, arguments: &[&str]) -> Ran {
        let mut command = unsilo(["ledger"]);
        run(command.args(arguments).arg(self.root.path()))
    }
}
