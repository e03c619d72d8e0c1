//! The measurement behind the choice of the store: the same entries into redb and into an append-only file,
//! a group at a time, durable before the next. `cargo bench -p unsilo-ledger --profile release --bench stores`.
//!
//! Only the writing is measured here, not what the ledger does with an entry; both write the same bytes and a
//! checkpoint of 400 bytes. The numbers and what follows from them stand in the README, "Store".

use divan::Bencher;
use divan::counter::ItemsCount;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use tempfile::TempDir;

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
/// A contribution with its signature.
const ENTRY_BYTES: usize = 154;
const NOTE: [u8; 400] = [b'n'; 400];
/// Entries a run: enough that the file grows to what a small federation has in a month.
const TOTAL: usize = 60_000;

fn main() {
    divan::main();
}

fn entry(index: u64) -> Vec<u8> {
    let mut bytes = vec![0; ENTRY_BYTES];
    let mut word = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for chunk in bytes.chunks_mut(8) {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    bytes
}

fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

fn redb(path: &Path, two_phase: bool, groups: &[Vec<Vec<u8>>]) {
    let database = Database::create(path).expect("new");
    let mut index = 0_u64;
    for group in groups {
        let mut transaction = database.begin_write().expect("open");
        transaction
            .set_durability(Durability::Immediate)
            .expect("before anything is written");
        transaction.set_two_phase_commit(two_phase);
        {
            let mut table = transaction.open_table(ENTRIES).expect("a table");
            for entry in group {
                table.insert(index, entry.as_slice()).expect("written");
                index += 1;
            }
            let mut about = transaction.open_table(ABOUT).expect("a table");
            about.insert("checkpoint", &NOTE[..]).expect("written");
        }
        transaction.commit().expect("durable");
    }
}

fn file(path: &Path, groups: &[Vec<Vec<u8>>]) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .expect("new");
    file.set_len(4_096).expect("written");
    let mut end = 4_096;
    for (sequence, group) in (0_u64..).zip(groups) {
        let mut bytes = Vec::new();
        for entry in group {
            bytes.extend_from_slice(&(entry.len() as u32).to_le_bytes());
            bytes.extend_from_slice(entry);
        }
        file.write_all_at(&bytes, end).expect("written");
        end += bytes.len() as u64;
        let head = 1_024 * (1 + sequence % 2);
        file.write_all_at(&NOTE, head).expect("written");
        file.sync_data().expect("durable");
        file.write_all_at(&sequence.to_le_bytes(), 3_072)
            .expect("written");
    }
}

fn groups(size: usize) -> Vec<Vec<Vec<u8>>> {
    let total = TOTAL.min(size * 100);
    let entries: Vec<Vec<u8>> = (0..total as u64).map(entry).collect();
    entries.chunks(size).map(<[_]>::to_vec).collect()
}

fn bench(bencher: Bencher<'_, '_>, size: usize, write: impl Fn(&Path, &[Vec<Vec<u8>>])) {
    let groups = groups(size);
    let total: usize = groups.iter().map(Vec::len).sum();
    let written = std::cell::Cell::new(0);
    bencher
        .counter(ItemsCount::new(total))
        .with_inputs(directory)
        .bench_local_values(|directory| {
            let path = directory.path().join("log");
            write(&path, &groups);
            written.set(std::fs::metadata(&path).expect("there").len());
            directory
        });
    eprintln!(
        "    groups of {size}: {:.0} bytes in the file for an entry of {ENTRY_BYTES}",
        written.get() as f64 / total as f64
    );
}

#[divan::bench(args = [1, 10, 100, 1_000, 10_000], sample_count = 7)]
fn redb_two_phase(bencher: Bencher<'_, '_>, group: usize) {
    bench(bencher, group, |path, groups| redb(path, true, groups));
}

#[divan::bench(args = [1, 10, 100, 1_000, 10_000], sample_count = 7)]
fn redb_one_phase(bencher: Bencher<'_, '_>, group: usize) {
    bench(bencher, group, |path, groups| redb(path, false, groups));
}

#[divan::bench(args = [1, 10, 100, 1_000, 10_000], sample_count = 7)]
fn append_only_file(bencher: Bencher<'_, '_>, group: usize) {
    bench(bencher, group, file);
}

#[divan::bench(sample_count = 7)]
fn read_redb(bencher: Bencher<'_, '_>) {
    let (directory, groups) = (directory(), groups(1_000));
    let path = directory.path().join("log");
    redb(&path, true, &groups);
    bencher.counter(ItemsCount::new(TOTAL)).bench_local(|| {
        let database = Database::open(&path).expect("there");
        let transaction = database.begin_read().expect("open");
        let table = transaction.open_table(ENTRIES).expect("a table");
        let rows = table.iter().expect("readable");
        rows.map(|row| row.expect("readable").1.value().len())
            .sum::<usize>()
    });
}

#[divan::bench(sample_count = 7)]
fn read_file(bencher: Bencher<'_, '_>) {
    let (directory, groups) = (directory(), groups(1_000));
    let path = directory.path().join("log");
    file(&path, &groups);
    bencher.counter(ItemsCount::new(TOTAL)).bench_local(|| {
        let file = File::open(&path).expect("there");
        let mut bytes = vec![0; file.metadata().expect("there").len() as usize];
        file.read_exact_at(&mut bytes, 0).expect("readable");
        let (mut at, mut sum) = (4_096, 0);
        while let Some((length, _)) = bytes[at..].split_first_chunk() {
            let length = u32::from_le_bytes(*length) as usize;
            sum += bytes[at + 4..at + 4 + length].len();
            at += 4 + length;
        }
        sum
    });
}
