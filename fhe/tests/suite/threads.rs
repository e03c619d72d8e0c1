//! Any number of threads computes the same bits.

use crate::federation::{CONTEXT, params};
use unsilo_fhe::{
    CHUNK_BYTES, ChunkHasher, DigitSumReader, Entropy, KeySum, LinearHasher, Permutation, Q,
    decrypt_permuted, digit_sum::DigitSumError, encode_permuted, encrypt::encrypt_and_forget,
    weighted_digit_sum, xof::Xof,
};

/// Everything that runs on rayon's pool, over enough chunks to be cut into parts.
fn results() -> Vec<Vec<u8>> {
    let params = params(100 * 2048 - 77);
    let permutation = Permutation::new(&params, &CONTEXT.federation);
    let update: Vec<f32> = (0..params.parameters())
        .map(|i| (i as f32).cos() * 0.02)
        .collect();
    let encoded = encode_permuted(&permutation, -14, &update, [3; 32]).expect("finite");
    let ciphertext = encrypt_and_forget(&CONTEXT, &encoded, Entropy::from_bytes([4; 32]));
    let mut hasher = LinearHasher::new(&params);
    hasher.update(&ciphertext);
    let hash = hasher.finish().expect("whole").to_bytes();
    let mut tree = ChunkHasher::new(&params);
    tree.update(&ciphertext);
    let root = tree.finish().expect("whole");
    let mut tree = ChunkHasher::new(&params);
    for piece in ciphertext.chunks(700_001) {
        tree.update(piece);
    }
    assert_eq!(tree.finish(), Ok(root));
    let sum =
        weighted_digit_sum(params.chunks(), &[(&ciphertext, 3), (&ciphertext, 5)]).expect("valid");
    let mut reader = DigitSumReader::new(&params, 8).expect("a weight");
    reader.update(sum.as_bytes()).expect("in range");
    let read = reader.finish().expect("whole");
    // With a key of zero a ciphertext decrypts to its own coefficients; half of the words are kept small by hand.
    let mut steps = vec![0; params.ciphertext_bytes()];
    for (i, word) in steps.chunks_mut(6).take(params.parameters()).enumerate() {
        word[..4].copy_from_slice(&(i as u32).to_le_bytes());
    }
    let zero = KeySum::from_bytes(&[0; CHUNK_BYTES]).expect("reduced");
    let opened = decrypt_permuted(&permutation, &CONTEXT, &steps, &zero, 100).expect("in range");
    let opened = opened.values.iter().flat_map(|value| value.to_le_bytes());
    vec![
        ciphertext,
        hash,
        root.to_vec(),
        sum.into_bytes(),
        opened.collect(),
        read.ciphertext,
        read.linear_hash.to_bytes(),
    ]
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        pool.install(results)
    };
    let alone = with(1);
    for threads in [2, 3, 7] {
        assert!(with(threads) == alone, "{threads} threads");
    }
}

#[test]
fn of_several_bad_words_and_digits_the_first_is_named_whatever_the_threads() {
    let params = params(100 * 2048);
    let permutation = Permutation::new(&params, &CONTEXT.federation);
    let zero = KeySum::from_bytes(&[0; CHUNK_BYTES]).expect("reduced");
    let mut ciphertext = vec![0; params.ciphertext_bytes()];
    let mut wire = vec![0; 2 * params.ciphertext_bytes() / 4 * 3];
    Xof::new("first bad word", &[]).fill(&mut wire[..100]);
    for chunk in [7, 30, 55, 99] {
        ciphertext[chunk * CHUNK_BYTES + 60..][..6].copy_from_slice(&Q.to_le_bytes()[..6]);
        wire[chunk * 18_432 + 90..][..3].copy_from_slice(&[0xFF; 3]);
    }
    for threads in [1, 2, 3, 7] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        pool.install(|| {
            let error = decrypt_permuted(&permutation, &CONTEXT, &ciphertext, &zero, 1);
            let message = error
                .map_err(|error| error.to_string())
                .expect_err("words of q");
            assert_eq!(
                message,
                format!("coefficient 10 of chunk 7 is {Q}, not below the modulus {Q}")
            );
            let mut reader = DigitSumReader::new(&params, 255).expect("a weight");
            let error = reader.update(&wire).expect_err("digits above the bound");
            assert!(
                matches!(
                    error,
                    DigitSumError::Digit {
                        chunk: 7,
                        index: 10,
                        digit: 0,
                        ..
                    }
                ),
                "{error}"
            );
        });
    }
}
