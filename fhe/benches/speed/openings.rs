//! Scalar openings: `cargo bench -p unsilo-fhe --profile release --bench speed -- openings`.
//!
//! The shape is 128 directions x 10 contributions x 1 M parameters unless the name says otherwise. `plain_products` is the
//! same sum of products on plain f32 vectors, compiled for the same instruction sets: the two give the ratio.

use crate::{CONTEXT, D, committee, keys, params, permutation, pool, words};
use divan::{Bencher, counter::ItemsCount};
use unsilo_fhe::{
    AnswerSheet, Committee, Dealing, Direction, Entropy, KeyShare, PROJECTIONS, ProjectionAnswers,
    ProjectionKeys, ProjectionTable, Projections, Queries, answer_all_projections,
    answer_projections, contribute, encode, judge, open_share, project, yardstick,
};

const DIRECTIONS: usize = 128;
const CONTRIBUTIONS: usize = 10;

fn ciphertexts(count: usize) -> Vec<Vec<u8>> {
    let chunks = params(D).chunks();
    (0..count).map(|j| words(chunks, j as u64)).collect()
}

/// The validators' part that grows with everything: `<v, c_j>` for 128 directions and 10 ciphertexts.
#[divan::bench(args = [1, 2])]
fn query_128_directions_on_10(bencher: Bencher, threads: usize) {
    let params = params(D);
    let permutation = permutation();
    let directions: Vec<_> = (0..DIRECTIONS)
        .map(|k| {
            let values: Vec<i8> = (0..D).map(|i| ((i * (2 * k + 1)) % 15) as i8 - 7).collect();
            Direction::new(&permutation, &values, Entropy::from_bytes([k as u8; 32]))
                .expect("short")
        })
        .collect();
    let directions: Vec<_> = directions.iter().collect();
    let ciphertexts = ciphertexts(CONTRIBUTIONS);
    let ciphertexts: Vec<_> = ciphertexts.iter().map(Vec::as_slice).collect();
    let pool = pool(threads);
    bencher
        .counter(ItemsCount::new(DIRECTIONS * CONTRIBUTIONS * D))
        .bench(|| {
            pool.install(|| {
                let mut queries =
                    Queries::of_directions(&params, &directions, CONTRIBUTIONS).expect("fits");
                queries.add(0, &ciphertexts).expect("ciphertexts");
                queries.finish().expect("complete")
            })
        });
}

/// The same products of plain f32 vectors.
#[divan::bench(args = [1, 2])]
fn plain_products_128_on_10(bencher: Bencher, threads: usize) {
    let vectors: Vec<Vec<f32>> = (0..DIRECTIONS)
        .map(|k| {
            (0..D)
                .map(|i| ((i * (2 * k + 1)) % 15) as f32 - 7.0)
                .collect()
        })
        .collect();
    let updates: Vec<Vec<f32>> = (0..CONTRIBUTIONS)
        .map(|j| (0..D).map(|i| ((i + j) as f32 * 0.37).sin()).collect())
        .collect();
    let vectors: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
    let updates: Vec<&[f32]> = updates.iter().map(Vec::as_slice).collect();
    let pool = pool(threads);
    bencher
        .counter(ItemsCount::new(DIRECTIONS * CONTRIBUTIONS * D))
        .bench(|| pool.install(|| yardstick::plain_products(D, &vectors, &updates)));
}

/// The coordinator's part of the check: X of 10 ciphertexts, the projections expanded on the way.
#[divan::bench(args = [1, 2])]
fn project_10(bencher: Bencher, threads: usize) {
    let projections = Projections::new(&params(D), &CONTEXT, [3; 32]);
    let ciphertexts = ciphertexts(CONTRIBUTIONS);
    let ciphertexts: Vec<_> = ciphertexts.iter().map(Vec::as_slice).collect();
    let pool = pool(threads);
    bencher
        .counter(ItemsCount::new(PROJECTIONS * CONTRIBUTIONS * D))
        .bench(|| {
            pool.install(|| {
                let mut queries = Queries::of_projections(&projections, CONTRIBUTIONS);
                queries.add(0, &ciphertexts).expect("ciphertexts");
                queries.finish().expect("complete")
            })
        });
}

/// The keys A_k of the 48 projections, by which a member answers on many contributions.
#[divan::bench(args = [1, 2])]
fn projection_keys(bencher: Bencher, threads: usize) {
    let projections = Projections::new(&params(D), &CONTEXT, [3; 32]);
    let pool = pool(threads);
    bencher
        .counter(ItemsCount::new(PROJECTIONS * D))
        .bench(|| pool.install(|| ProjectionKeys::new(&projections)));
}

/// A member's answers on all projections of so many contributions of the large model, one thread.
#[divan::bench(args = [1, 4, 10, 16, 17, 20, 24])]
fn answer_contributions(bencher: Bencher, contributions: usize) {
    let projections = Projections::new(&params(D), &CONTEXT, [3; 32]);
    let round = Round::new(3, 1);
    let shares = vec![&round.shares[1][0]; contributions];
    let pool = pool(1);
    bencher.counter(ItemsCount::new(contributions)).bench(|| {
        pool.install(|| answer_all_projections(&shares, &projections).expect("this round"))
    });
}

/// A validator's key A_v.
#[divan::bench]
fn direction_key(bencher: Bencher) {
    let permutation = permutation();
    let direction =
        Direction::new(&permutation, &vec![8; D], Entropy::from_bytes([1; 32])).expect("short");
    let pool = pool(1);
    bencher
        .counter(ItemsCount::new(D))
        .bench(|| pool.install(|| direction.key(&CONTEXT)));
}

/// A closed round of many contributions of a small model: what is measured on it does not depend on the model.
struct Round {
    projections: Projections,
    committee: Committee,
    keys: ProjectionKeys,
    table: ProjectionTable,
    /// By seat, then by participant.
    shares: Vec<Vec<KeyShare>>,
    /// Shares of other keys, of the first three seats.
    others: Vec<Vec<KeyShare>>,
}

impl Round {
    fn new(seats: usize, contributions: u32) -> Self {
        let params = params(100);
        let round_keys = keys(seats);
        let committee = committee(&round_keys);
        let projections = Projections::new(&params, &CONTEXT, [3; 32]);
        let mut shares: Vec<Vec<KeyShare>> = round_keys.iter().map(|_| vec![]).collect();
        let mut others: Vec<Vec<KeyShare>> = (0..3).map(|_| vec![]).collect();
        let mut rows = vec![];
        for participant in 0..contributions {
            let dealing = Dealing {
                params: &params,
                context: &CONTEXT,
                participant,
                committee: &committee,
            };
            let deal = |entropy| {
                let encoded = encode(&params, &CONTEXT.federation, -14, &[0.01; 100], [3; 32]);
                contribute(
                    &dealing,
                    encoded.expect("finite"),
                    Entropy::from_bytes([entropy; 32]),
                )
                .expect("deals")
            };
            let (contribution, other) = (deal(1), deal(2));
            let row = project(&projections, &contribution.ciphertext).expect("a ciphertext");
            rows.push((participant, row));
            let open = |sealed: &[Vec<u8>], shares: &mut [Vec<KeyShare>]| {
                let sealed = round_keys.iter().zip(sealed);
                for ((seat, (keys, sealed)), shares) in (1..).zip(sealed).zip(shares) {
                    shares.push(open_share(keys, &dealing, seat, sealed).expect("opens"));
                }
            };
            open(&contribution.sealed_shares, &mut shares);
            open(&other.sealed_shares, &mut others);
        }
        Self {
            keys: ProjectionKeys::new(&projections),
            projections,
            committee,
            table: ProjectionTable::new(rows).expect("ascending"),
            shares,
            others,
        }
    }

    fn answers(&self, seat: u16) -> Vec<ProjectionAnswers> {
        self.answers_on(&self.shares[usize::from(seat) - 1])
    }

    fn answers_on(&self, shares: &[KeyShare]) -> Vec<ProjectionAnswers> {
        let answer = |share| answer_projections(share, &self.keys).expect("this round");
        shares.iter().map(answer).collect()
    }

    fn sheet(&self, seat: u16, answers: Vec<ProjectionAnswers>) -> AnswerSheet {
        let entropy = Entropy::from_bytes([seat as u8; 32]);
        AnswerSheet::seal(&self.projections, &self.committee, seat, answers, entropy)
            .expect("seals")
            .0
    }
}

/// One member's answers on the projections of 1,000 contributions.
#[divan::bench]
fn answer_1000_contributions(bencher: Bencher) {
    let round = Round::new(3, 1000);
    bencher
        .counter(ItemsCount::new(1000_usize))
        .bench(|| round.answers(2));
}

/// One member's sheet on 1,000 contributions, sealed to 20 others.
#[divan::bench]
fn seal_sheet_of_1000_to_20(bencher: Bencher) {
    let round = Round::new(21, 1000);
    bencher
        .counter(ItemsCount::new(1000_usize))
        .with_inputs(|| round.answers(2))
        .bench_values(|answers| round.sheet(2, answers));
}

/// The judgement of 1,000 contributions by 21 seats, some of whom lie about every one: the most work there can be.
#[divan::bench(args = [0, 1, 3])]
fn judge_1000_by_21(bencher: Bencher, liars: u16) {
    let round = Round::new(21, 1000);
    let sheets: Vec<_> = (1..=21)
        .map(|seat| {
            let shares = match seat <= liars {
                true => &round.others,
                false => &round.shares,
            };
            round.sheet(seat, round.answers_on(&shares[usize::from(seat) - 1]))
        })
        .collect();
    let sheets: Vec<_> = sheets.iter().collect();
    let pool = pool(1);
    bencher.counter(ItemsCount::new(1000_usize)).bench(|| {
        pool.install(|| judge(&round.projections, 15, &round.table, &sheets).expect("judged"))
    });
}
