//! What one core does: run with `cargo bench -p unsilo-fhe`.
//!
//! Model size 1 M parameters unless the name says otherwise; items are parameters, coefficients or samples.

use divan::{
    Bencher, black_box,
    counter::{BytesCount, ItemsCount},
};
use unsilo_fhe::{
    Accumulator, CHUNK_BYTES, ChunkHasher, Committee, Dealing, Encoded, Entropy, KeyShare, N,
    Params, ParamsLiteral, Q, RoundContext, RoundKeyPair, check_ciphertext, combine, contribute,
    decrypt, encode, encrypt::encrypt_and_forget, gaussian::ErrorSampler, open_key_sum, open_share,
    ring::PublicPolynomials, threshold_for, weighted_sum, xof::Xof,
};

fn main() {
    eprintln!(
        "ring products on AVX512-IFMA: {}",
        unsilo_fhe::ring::uses_ifma()
    );
    divan::main();
}

const D: usize = 1_000_000;
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

/// A smooth update of about 100 steps an entry.
fn update() -> Vec<f32> {
    (0..D).map(|i| (i as f32 * 0.37).sin() * 0.006).collect()
}

fn encoded() -> Encoded {
    encode(&params(D), &CONTEXT.federation, -14, &update(), [3; 32]).expect("finite")
}

#[divan::bench]
fn encode_update(bencher: Bencher) {
    let (params, update) = (params(D), update());
    bencher
        .counter(ItemsCount::new(D))
        .bench(|| encode(&params, &CONTEXT.federation, -14, &update, [3; 32]));
}

#[divan::bench]
fn encrypt_update(bencher: Bencher) {
    let encoded = encoded();
    bencher
        .counter(ItemsCount::new(D))
        .bench(|| encrypt_and_forget(&CONTEXT, &encoded, Entropy::from_bytes([4; 32])));
}

/// Encryption, five shares sealed, commitment.
#[divan::bench]
fn contribute_to_5(bencher: Bencher) {
    let (params, keys) = (params(D), keys(5));
    let committee = committee(&keys);
    let dealing = dealing(&params, &committee);
    bencher
        .counter(ItemsCount::new(D))
        .with_inputs(encoded)
        .bench_values(|encoded| contribute(&dealing, encoded, Entropy::from_bytes([4; 32])));
}

#[divan::bench]
fn check_bytes(bencher: Bencher) {
    let params = params(D);
    let ciphertext = encrypt_and_forget(&CONTEXT, &encoded(), Entropy::from_bytes([4; 32]));
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

#[divan::bench]
fn decrypt_sum(bencher: Bencher) {
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
    bencher.counter(ItemsCount::new(D)).bench(|| {
        decrypt(
            &params,
            &CONTEXT,
            &contribution.ciphertext,
            &opened.key_sum,
            1,
        )
        .expect("decrypts")
    });
}

/// The weighted sum of `n` ciphertexts, bytes read.
#[divan::bench(args = [10, 50])]
fn sum_encrypted(bencher: Bencher, n: usize) {
    let chunks = params(D).chunks();
    let ciphertexts: Vec<_> = (0..n).map(|i| words(chunks, i as u64)).collect();
    let weighted: Vec<_> = ciphertexts
        .iter()
        .map(|bytes| (bytes.as_slice(), 200))
        .collect();
    bencher
        .counter(BytesCount::new(n * chunks * CHUNK_BYTES))
        .bench(|| weighted_sum(chunks, &weighted));
}

/// Adding one chunk that is in the cache to a sum that is too: the arithmetic without the memory.
#[divan::bench]
fn add_cached_chunk(bencher: Bencher) {
    let bytes = words(1, 5);
    let mut sum = Accumulator::new(1);
    bencher
        .counter(BytesCount::new(CHUNK_BYTES))
        .bench_local(|| {
            // Weight 0 costs the same and never fills the sum.
            sum.add(black_box(&bytes), black_box(0))
        });
}

/// The same sum of plain f32 updates, for comparison, bytes read.
#[divan::bench(args = [10, 50])]
fn sum_plain(bencher: Bencher, n: usize) {
    let updates: Vec<_> = (0..n).map(|i| vec![i as f32; D]).collect();
    bencher.counter(BytesCount::new(n * D * 4)).bench(|| {
        let mut sum = vec![0_f32; D];
        for (start, sum) in sum.chunks_mut(N).enumerate() {
            for update in &updates {
                let part = &update[start * N..][..sum.len()];
                for (sum, value) in sum.iter_mut().zip(part) {
                    *sum += 0.02 * value;
                }
            }
        }
        sum
    });
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
    let mut bytes = vec![0; 1 << 14];
    bencher
        .counter(BytesCount::new(1_usize << 14))
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
