//! What one core and two do: `cargo bench -p unsilo-fhe --profile release --bench speed`.
//!
//! Model size 1 M parameters unless the name says otherwise; items are parameters, coefficients or samples; the argument
//! of most rows is the number of threads. A run without a filter, or with the filter `ratios`, ends with a table of ratios: each kind of work in turns
//! with its yardstick, so that whatever else the machine does slows down both.

use divan::{
    Bencher, black_box,
    counter::{BytesCount, ItemsCount},
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use unsilo_fhe::{
    CHUNK_BYTES, ChunkHasher, Committee, Dealing, DigitSum, DigitSumReader, Encoded, Entropy,
    KeyShare, KeySum, LinearHasher, N, Params, ParamsLiteral, Permutation, Q, RoundContext,
    RoundKeyPair, check_ciphertext, combine, contribute, decrypt_permuted, encode, encode_permuted,
    encrypt::encrypt_and_forget, gaussian::ErrorSampler, open_key_sum, open_share,
    ring::PublicPolynomials, threshold_for, weighted_digit_sum, weighted_digit_sum_into, xof::Xof,
    yardstick::plain_sum,
};

mod openings;
mod ratios;

fn main() {
    eprintln!(
        "ring products on AVX512-IFMA: {}",
        unsilo_fhe::ring::uses_ifma()
    );
    divan::main();
    if std::env::args()
        .skip(1)
        .all(|argument| argument == "--bench" || argument == "ratios")
    {
        ratios::print();
    }
}

const D: usize = 1_000_000;
const WEIGHT: u16 = 200;
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

/// A smooth update of about 100 steps an entry.
fn update() -> Vec<f32> {
    (0..D).map(|i| (i as f32 * 0.37).sin() * 0.006).collect()
}

/// Kept between rounds, as a node does.
fn permutation() -> Permutation {
    Permutation::new(&params(D), &CONTEXT.federation)
}

fn encoded() -> Encoded {
    encode_permuted(&permutation(), -14, &update(), [3; 32]).expect("finite")
}

fn encrypt_once(encoded: &Encoded) -> Vec<u8> {
    encrypt_and_forget(&CONTEXT, encoded, Entropy::from_bytes([4; 32]))
}

/// Clip, quantise, permute; the permutation is made before.
#[divan::bench]
fn encode_update(bencher: Bencher) {
    let (permutation, update) = (permutation(), update());
    encode_permuted(&permutation, -14, &update, [3; 32]).expect("finite");
    bencher
        .counter(ItemsCount::new(D))
        .bench(|| encode_permuted(&permutation, -14, &update, [3; 32]));
}

/// The same with a permutation made for it, as the first time in a process.
#[divan::bench]
fn encode_first_update(bencher: Bencher) {
    let (params, update) = (params(D), update());
    bencher
        .counter(ItemsCount::new(D))
        .bench(|| encode(&params, &CONTEXT.federation, -14, &update, [3; 32]));
}

#[divan::bench(args = [1, 2])]
fn encrypt_update(bencher: Bencher, threads: usize) {
    let (encoded, pool) = (encoded(), pool(threads));
    bencher
        .counter(ItemsCount::new(D))
        .bench(|| pool.install(|| encrypt_once(&encoded)));
}

/// Encryption, five shares sealed, linear hash, commitment.
#[divan::bench(args = [1, 2])]
fn contribute_to_5(bencher: Bencher, threads: usize) {
    let (params, keys, pool) = (params(D), keys(5), pool(threads));
    let committee = committee(&keys);
    let dealing = dealing(&params, &committee);
    bencher
        .counter(ItemsCount::new(D))
        .with_inputs(encoded)
        .bench_values(|encoded| {
            pool.install(|| contribute(&dealing, encoded, Entropy::from_bytes([4; 32])))
        });
}

#[divan::bench]
fn check_bytes(bencher: Bencher) {
    let (params, ciphertext) = (params(D), encrypt_once(&encoded()));
    bencher
        .counter(BytesCount::new(ciphertext.len()))
        .bench(|| check_ciphertext(&params, &ciphertext));
}

#[divan::bench]
fn hash_chunks(bencher: Bencher) {
    let params = params(D);
    let ciphertext = vec![0; params.ciphertext_bytes()];
    bencher
        .counter(BytesCount::new(ciphertext.len()))
        .bench(|| {
            let mut hasher = ChunkHasher::new(&params);
            hasher.update(&ciphertext);
            hasher.finish()
        });
}

#[divan::bench(args = [1, 2])]
fn linear_hash(bencher: Bencher, threads: usize) {
    let (ciphertext, pool) = (words(params(D).chunks(), 1), pool(threads));
    bencher
        .counter(ItemsCount::new(D))
        .bench(|| pool.install(|| hash_linearly(&ciphertext)));
}

fn hash_linearly(ciphertext: &[u8]) {
    let mut hasher = LinearHasher::new(&params(D));
    hasher.update(ciphertext);
    black_box(hasher.finish().expect("whole"));
}

/// What a participant does with the coordinator's sum before it decrypts: digits checked, hashed, reduced mod q.
#[divan::bench(args = [1, 2])]
fn verify_sum(bencher: Bencher, threads: usize) {
    let (sum, pool) = (sum_of_ten(), pool(threads));
    bencher
        .counter(ItemsCount::new(D))
        .bench(|| pool.install(|| read_sum(&sum)));
}

fn sum_of_ten() -> DigitSum {
    let chunks = params(D).chunks();
    let ciphertexts: Vec<_> = (0..10).map(|i| words(chunks, i)).collect();
    weighted_digit_sum(chunks, &weighted(&ciphertexts)).expect("adds")
}

fn read_sum(sum: &DigitSum) {
    let mut reader = DigitSumReader::new(&params(D), sum.total_weight()).expect("a weight");
    reader.update(sum.as_bytes()).expect("in range");
    black_box(reader.finish().expect("whole"));
}

/// From the opened key to the sum in model order; the permutation is made before.
#[divan::bench(args = [1, 2])]
fn decrypt_sum(bencher: Bencher, threads: usize) {
    let (permutation, (ciphertext, key)) = (permutation(), opened());
    let pool = pool(threads);
    decrypt_once(&permutation, &ciphertext, &key);
    bencher
        .counter(ItemsCount::new(D))
        .bench(|| pool.install(|| decrypt_once(&permutation, &ciphertext, &key)));
}

fn decrypt_once(permutation: &Permutation, ciphertext: &[u8], key: &KeySum) {
    let sum = decrypt_permuted(permutation, &CONTEXT, ciphertext, key, 1);
    black_box(sum.expect("decrypts"));
}

/// A ciphertext and its key.
fn opened() -> (Vec<u8>, KeySum) {
    let (params, keys) = (params(D), keys(5));
    let committee = committee(&keys);
    let dealing = dealing(&params, &committee);
    let contribution =
        contribute(&dealing, encoded(), Entropy::from_bytes([4; 32])).expect("deals");
    let answers = (1..)
        .zip(&keys)
        .map(|(seat, keys)| {
            let sealed = &contribution.sealed_shares[usize::from(seat) - 1];
            let share = open_share(keys, &dealing, seat, sealed).expect("opens");
            (seat, combine(&[(1, &share)]).expect("combines"))
        })
        .collect::<Vec<_>>();
    let opened = open_key_sum(4, &answers, |_| true).expect("opens");
    (contribution.ciphertext, opened.key_sum)
}

/// The weighted sum of `n` ciphertexts, into memory used again; bytes read.
#[divan::bench(args = [1, 2], consts = [10, 50])]
fn sum_encrypted<const COUNT: usize>(bencher: Bencher, threads: usize) {
    let (chunks, pool) = (params(D).chunks(), pool(threads));
    let ciphertexts: Vec<_> = (0..COUNT).map(|i| words(chunks, i as u64)).collect();
    let weighted = weighted(&ciphertexts);
    let mut wire = Vec::new();
    bencher
        .counter(BytesCount::new(COUNT * chunks * CHUNK_BYTES))
        .bench_local(|| pool.install(|| weighted_digit_sum_into(chunks, &weighted, &mut wire)));
}

/// The same into memory of its own.
#[divan::bench(args = [1, 2])]
fn sum_50_encrypted_at_once(bencher: Bencher, threads: usize) {
    let (chunks, pool) = (params(D).chunks(), pool(threads));
    let ciphertexts: Vec<_> = (0..50).map(|i| words(chunks, i)).collect();
    let weighted = weighted(&ciphertexts);
    bencher
        .counter(BytesCount::new(50 * chunks * CHUNK_BYTES))
        .bench(|| pool.install(|| weighted_digit_sum(chunks, &weighted)));
}

fn weighted(ciphertexts: &[Vec<u8>]) -> Vec<(&[u8], u16)> {
    let slices = ciphertexts.iter().map(Vec::as_slice);
    slices.map(|ciphertext| (ciphertext, WEIGHT)).collect()
}

/// The same sum of plain f32 updates, for comparison; bytes read.
#[divan::bench(args = [1, 2], consts = [10, 50])]
fn sum_plain<const COUNT: usize>(bencher: Bencher, threads: usize) {
    let pool = pool(threads);
    let updates: Vec<_> = (0..COUNT).map(|i| vec![i as f32; D]).collect();
    let updates: Vec<_> = updates.iter().map(Vec::as_slice).collect();
    let (weights, mut sum) = (vec![0.02; COUNT], vec![0.0; D]);
    bencher
        .counter(BytesCount::new(COUNT * D * 4))
        .bench_local(|| pool.install(|| plain_sum(&updates, &weights, &mut sum)));
}

#[divan::bench]
fn expand_public_polynomial(bencher: Bencher) {
    let mut public = PublicPolynomials::new(&CONTEXT);
    let mut coefficients = [0; N];
    bencher
        .counter(ItemsCount::new(N))
        .bench_local(|| public.expand(black_box(5), black_box(&mut coefficients)));
}

#[divan::bench]
fn sample_errors(bencher: Bencher) {
    let mut sampler = ErrorSampler::new(Xof::new("bench", &[]));
    let mut errors = [0; N];
    bencher
        .counter(ItemsCount::new(N))
        .bench_local(|| sampler.fill(black_box(&mut errors)));
}

#[divan::bench]
fn xof_bytes(bencher: Bencher) {
    let mut xof = Xof::new("bench", &[]);
    let mut bytes = [0; CHUNK_BYTES];
    bencher
        .counter(BytesCount::new(CHUNK_BYTES))
        .bench_local(|| xof.fill(black_box(&mut bytes)));
}

/// A member combines the shares of 100 participants.
#[divan::bench]
fn combine_100_shares(bencher: Bencher) {
    let (params, keys) = (params(1), keys(5));
    let committee = committee(&keys);
    let shares: Vec<KeyShare> = (0..100)
        .map(|participant| {
            let dealing = Dealing {
                participant,
                ..dealing(&params, &committee)
            };
            let encoded =
                encode(&params, &CONTEXT.federation, -14, &[0.0], [3; 32]).expect("finite");
            let dealt = contribute(&dealing, encoded, Entropy::from_bytes([4; 32])).expect("deals");
            open_share(&keys[4], &dealing, 5, &dealt.sealed_shares[4]).expect("opens")
        })
        .collect();
    let weighted: Vec<_> = shares.iter().map(|share| (255, share)).collect();
    bencher.bench(|| combine(&weighted));
}

fn keys(members: usize) -> Vec<RoundKeyPair> {
    (0..members)
        .map(|_| RoundKeyPair::generate().expect("randomness"))
        .collect()
}

fn committee(keys: &[RoundKeyPair]) -> Committee {
    let members = keys.iter().map(|keys| keys.public().clone()).collect();
    Committee::new(members, threshold_for(keys.len())).expect("valid")
}

fn dealing<'a>(params: &'a Params, committee: &'a Committee) -> Dealing<'a> {
    Dealing {
        params,
        context: &CONTEXT,
        participant: 3,
        committee,
    }
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
