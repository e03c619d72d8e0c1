//! What an epoch of each mechanism costs on one core: `cargo bench -p unsilo-ledger --bench mechanism --profile release`.

use divan::Bencher;
use unsilo_ledger::mechanism::median::Median;
use unsilo_ledger::mechanism::{Epoch, Mechanism, Ratings, Row, trust, yuma};

fn main() {
    divan::main();
}

/// Dense ratings: everybody rates everybody, no two alike.
fn weights(rows: usize) -> Vec<Vec<u16>> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u16::try_from(state >> 48).expect("16 bits")
    };
    (0..rows)
        .map(|_| (0..rows).map(|_| next() / 2 + 1_000).collect())
        .collect()
}

fn rows(weights: &[Vec<u16>]) -> Vec<Row<'_>> {
    weights
        .iter()
        .zip(0..)
        .map(|(weights, owner)| Row {
            owner,
            stake: 100 + owner % 7,
            joined: 0,
            ratings: Some(Ratings { weights, given: 0 }),
        })
        .collect()
}

fn epoch<'a>(rows: &'a [Row<'a>]) -> Epoch<'a> {
    Epoch {
        emission: 1_000_000_000,
        rows,
        activity_cutoff: 3,
    }
}

/// The second epoch of `count` rows: with averaging.
fn second<M: Mechanism>(bencher: Bencher<'_, '_>, mechanism: &M, count: usize) {
    let weights = weights(count);
    let rows = rows(&weights);
    let epoch = epoch(&rows);
    let (memory, _) = mechanism
        .settle(&M::Memory::default(), &epoch)
        .expect("settled");
    bencher.bench_local(|| mechanism.settle(&memory, &epoch).expect("settled"));
}

#[divan::bench(args = [16, 500, 4_096], max_time = 10)]
fn median(bencher: Bencher<'_, '_>, count: usize) {
    second(bencher, &Median, count);
}

#[divan::bench(args = [16, 500], max_time = 5)]
fn yuma_3(bencher: Bencher<'_, '_>, count: usize) {
    second(bencher, &yuma::Parameters::default(), count);
}

#[divan::bench(args = [16, 500], max_time = 5)]
fn trust(bencher: Bencher<'_, '_>, count: usize) {
    second(bencher, &trust::Parameters::default(), count);
}
