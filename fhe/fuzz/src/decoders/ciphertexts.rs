//! Packed ciphertexts: whoever takes one in agrees with everybody else on whether it is one.

use super::{
    Outcome, Seed,
    fixture::{CONTEXT, fixture},
    refusal, refused, valid,
};
use unsilo_fhe::{
    CHUNK_BYTES, DigitAccumulator, KeySum, Q, check_ciphertext, commitment, decrypt,
    decrypt::is_plausible, project, weighted_digit_sum,
};

pub(super) fn run(data: &[u8]) -> Outcome {
    let f = fixture();
    let whole = data.len() == f.params.ciphertext_bytes();
    let checked = check_ciphertext(&f.params, data);
    assert_eq!(commitment(&f.params, &CONTEXT, 0, data, &[]).is_ok(), whole);
    assert_eq!(project(&f.projections, data).is_ok(), checked.is_ok());
    let key_sum = KeySum::from_bytes(&[0; CHUNK_BYTES]).expect("zeros");
    assert!(checked.is_ok() || decrypt(&f.params, &CONTEXT, data, &key_sum, 1).is_err());
    // The blinding chunks alone decide this.
    assert!(whole || !is_plausible(&f.params, &CONTEXT, data, &key_sum, 1));

    // Once by itself: the sum is what was added, mod q. Any whole words have digits; that they are below q is checked when a
    // contribution comes in.
    let chunks = f.params.chunks();
    let mut sum = DigitAccumulator::new(chunks);
    let added = sum.add(data, 1);
    assert_eq!(added.is_ok(), whole);
    assert_eq!(sum.total_weight(), u64::from(whole));
    let (sum, together) = (sum.finish(), weighted_digit_sum(chunks, &[(data, 1)]));
    assert!(together.map_or(!whole, |together| together == sum));
    match checked {
        Ok(()) => {
            assert!(sum.to_ciphertext() == data);
            Outcome::Accepted
        }
        Err(error) => {
            assert!(sum.to_ciphertext() != data);
            refusal(&error)
        }
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    let f = fixture();
    let bytes = f.params.ciphertext_bytes();
    let pattern: Vec<u8> = (0..bytes)
        .map(|i| if i % 6 == 5 { 0x7F } else { (i / 6) as u8 })
        .collect();
    let largest: Vec<u8> = (Q - 1).to_le_bytes()[..6].repeat(bytes / 6);
    let mut q_at_the_end = largest.clone();
    q_at_the_end[bytes - 6..].copy_from_slice(&Q.to_le_bytes()[..6]);
    vec![
        valid("encrypted", f.contributions[0].ciphertext.clone()),
        valid("pattern", pattern),
        valid("largest", largest),
        refused("bad_last_coefficient", q_at_the_end),
        refused("bad_all_ones", vec![0xFF; bytes]),
        refused("bad_a_chunk_less", vec![0; bytes - CHUNK_BYTES]),
        refused("bad_empty", vec![]),
    ]
}
