//! What the log costs: `cargo bench -p unsilo-ledger --profile release`.

use divan::Bencher;
use divan::counter::ItemsCount;
use std::sync::Arc;
use unsilo_ledger::store::FILE_NAME;
use unsilo_ledger::{LedgerStore, Replica, SignedEntry, State};
use world::{COORDINATOR, World, identity};

#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/ledger/world.rs"]
mod world;

/// Contributions and the entries around them: rounds of 100 companies.
const COMPANIES: usize = 100;

fn main() {
    divan::main();
}

/// A genesis of 100 founders and `rounds` rounds of 103 entries: one signature each, but for the opening
/// (22), the close (16) and the publication (16).
fn log(rounds: usize) -> Vec<SignedEntry> {
    let mut world = World::new(COMPANIES);
    for _ in 0..rounds {
        world.full_round();
    }
    world.log
}

#[divan::bench(args = [1, 10, 100, 1_000], max_time = 5)]
fn append_in_batches(bencher: Bencher<'_, '_>, batch: usize) {
    let entries = log(10);
    // The genesis before: in its group nobody is known yet, and every signature is verified by itself.
    let (genesis, entries) = entries[..1_001].split_at(1);
    bencher
        .counter(ItemsCount::new(entries.len()))
        .with_inputs(|| {
            let directory = tempfile::tempdir().expect("a directory");
            let signer = Arc::new(identity(COORDINATOR));
            let mut store =
                LedgerStore::create(&directory.path().join(FILE_NAME), signer).expect("new");
            store.append(genesis).expect("allowed");
            (directory, store)
        })
        .bench_local_values(|(directory, mut store)| {
            for batch in entries.chunks(batch) {
                store.append(batch).expect("allowed");
            }
            (directory, store)
        });
}

/// Rules, tree and signatures, as a replica that holds the log in memory does it; on all cores it may use.
#[divan::bench(max_time = 5)]
fn replay_with_signatures(bencher: Bencher<'_, '_>) {
    let entries = log(100);
    let coordinator = identity(COORDINATOR);
    let mut log = Replica::new(coordinator.public(), None);
    log.append(&entries, &coordinator).expect("allowed");
    let note = log.checkpoint().expect("not empty").note();
    let federation = log.state().federation_id();
    bencher
        .counter(ItemsCount::new(entries.len()))
        .with_inputs(|| {
            let mut replica = Replica::new(coordinator.public(), federation);
            let mut first = Replica::new(coordinator.public(), None);
            first.append(&entries[..1], &coordinator).expect("allowed");
            let note = first.checkpoint().expect("not empty").note();
            replica
                .append_verified(&entries[..1], note)
                .expect("allowed");
            replica
        })
        .bench_local_values(|mut replica| {
            replica
                .append_verified(&entries[1..], note)
                .expect("allowed");
            replica
        });
}

#[divan::bench(max_time = 5)]
fn replay_without_signatures(bencher: Bencher<'_, '_>) {
    let entries = log(100);
    bencher
        .counter(ItemsCount::new(entries.len()))
        .bench_local(|| {
            let mut state = State::new();
            for entry in &entries {
                state.apply_with_known_signatures(entry).expect("allowed");
            }
            state
        });
}

#[divan::bench(max_time = 5)]
fn open_verified(bencher: Bencher<'_, '_>) {
    let entries = log(100);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let signer = Arc::new(identity(COORDINATOR));
    LedgerStore::create(&path, signer.clone())
        .expect("new")
        .append(&entries)
        .expect("allowed");
    bencher
        .counter(ItemsCount::new(entries.len()))
        .bench_local(|| LedgerStore::open(&path, signer.clone()).expect("intact"));
}

#[divan::bench]
fn state_root(bencher: Bencher<'_, '_>) {
    let mut world = World::new(COMPANIES);
    world.full_round();
    world.open();
    world.contribute(0..100);
    bencher.bench_local(|| world.state.root());
}
