//! Scalar openings on one core: `cargo bench -p unsilo-fhe --profile release --bench openings`.
//!
//! The shape is 128 directions x 10 contributions x 1 M parameters unless the name says otherwise. `plain_products` is the
//! same sum of products on plain f32 vectors, compiled for the same instruction sets: the two give the ratio.

use divan::{Bencher, counter::ItemsCount};
use rayon::{ThreadPool, ThreadPoolBuilder};
use unsilo_fhe::{
    AnswerSheet, CHUNK_BYTES, Committee, Dealing, Direction, Entropy, KeyShare, N, PROJECTIONS,
    Params, ParamsLiteral, Permutation, ProjectionAnswers, ProjectionKeys, ProjectionTable,
    Projections, Q, Queries, RoundContext, RoundKeyPair, answer_projections, contribute, encode,
    judge, open_share, project, threshold_for,
};

fn main() {
    divan::main();
}

const D: usize = 1_000_000;
const DIRECTIONS: usize = 128;
const CONTRIBUTIONS: usize = 10;
const CONTEXT: RoundContext = RoundContext {
    federation: [1; 32],
    round: 7,
    model: [2; 32],
};

fn params(parameters: usize) -> Params {
    let literal = ParamsLiteral {
        profile: "default".into(),
        parameters: parameters as u64,
    };
    Params::new(&literal).expect("in range")
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads")
}

/// A stand-in for a ciphertext: chunks of reduced words.
fn words(chunks: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; chunks * CHUNK_BYTES];
    for (i, word) in bytes.chunks_mut(6).enumerate() {
        let value = (seed + i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) % Q;
        word.copy_from_slice(&value.to_le_bytes()[..6]);
    }
    bytes
}

fn ciphertexts(count: usize) -> Vec<Vec<u8>> {
    let chunks = params(D).chunks();
    (0..count).map(|j| words(chunks, j as u64)).collect()
}

/// The validators' part that grows with everything: `<v, c_j>` for 128 directions and 10 ciphertexts.
#[divan::bench(args = [1, 2])]
fn query_128_directions_on_10(bencher: Bencher, threads: usize) {
    let params = params(D);
    let permutation = Permutation::new(&params, &CONTEXT.federation);
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
    use rayon::prelude::*;
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
    let pool = pool(threads);
    bencher
        .counter(ItemsCount::new(DIRECTIONS * CONTRIBUTIONS * D))
        .bench(|| {
            pool.install(|| {
                let zero = || vec![0.0; DIRECTIONS * CONTRIBUTIONS];
                // Block by block, as the encrypted query does it.
                (0..D.div_ceil(N))
                    .into_par_iter()
                    .with_min_len(8)
                    .fold(zero, |mut sums, block| {
                        let range = block * N..D.min((block + 1) * N);
                        for (j, update) in updates.iter().enumerate() {
                            for (k, vector) in vectors.iter().enumerate() {
                                sums[j * DIRECTIONS + k] +=
                                    plain_product(&vector[range.clone()], &update[range.clone()]);
                            }
                        }
                        sums
                    })
                    .reduce(zero, |a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect())
            })
        });
}

fn plain_product(a: &[f32], b: &[f32]) -> f32 {
    #[inline(always)]
    fn product(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0_f32; 64];
        for (a, b) in a.as_chunks::<64>().0.iter().zip(b.as_chunks::<64>().0) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += a * b;
            }
        }
        sums.iter().sum()
    }
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq")]
        fn avx512(a: &[f32], b: &[f32]) -> f32 {
            product(a, b)
        }
        #[target_feature(enable = "avx2")]
        fn avx2(a: &[f32], b: &[f32]) -> f32 {
            product(a, b)
        }
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
        {
            #[expect(unsafe_code, reason = "the features were detected in the line above")]
            // SAFETY: detected.
            return unsafe { avx512(a, b) };
        }
        if is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "the feature was detected in the line above")]
            // SAFETY: detected.
            return unsafe { avx2(a, b) };
        }
    }
    product(a, b)
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

/// Every member's part that grows with the model: the keys A_k of the 48 projections.
#[divan::bench(args = [1, 2])]
fn projection_keys(bencher: Bencher, threads: usize) {
    let projections = Projections::new(&params(D), &CONTEXT, [3; 32]);
    let pool = pool(threads);
    bencher
        .counter(ItemsCount::new(PROJECTIONS * D))
        .bench(|| pool.install(|| ProjectionKeys::new(&projections)));
}

/// A validator's key A_v.
#[divan::bench]
fn direction_key(bencher: Bencher) {
    let permutation = Permutation::new(&params(D), &CONTEXT.federation);
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
        let round_keys: Vec<_> = (0..seats)
            .map(|_| RoundKeyPair::generate().expect("randomness"))
            .collect();
        let members = round_keys
            .iter()
            .map(|keys| keys.public().clone())
            .collect();
        let committee = Committee::new(members, threshold_for(seats)).expect("valid");
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
