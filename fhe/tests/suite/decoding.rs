//! Any bytes decode to a value or to a typed error: no panic, nothing left over.

use crate::federation::{Federation, params};
use proptest::{collection::vec, prelude::*};
use unsilo_fhe::{
    CHUNK_BYTES, ChunkHasher, DigitAccumulator, DigitSumReader, KeySum, LinearHasher, Opening,
    Params, ParamsLiteral, RoundKeyPair, RoundPublicKey, check_ciphertext, commitment,
    committee::{Committee, CommitteeError},
    encode,
    encode::EncodeError,
    open_share,
    params::{MAX_PARAMETERS, ParamsError},
    weighted_digit_sum,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_decode_to_the_same_bytes_or_an_error(
        mut bytes in vec(any::<u8>(), 0..2000),
        length in prop_oneof![0..3000_usize, Just(32), Just(1216), Just(CHUNK_BYTES), Just(3 * CHUNK_BYTES)],
    ) {
        bytes.resize(length, 0x5A);
        if let Ok(opening) = Opening::from_bytes(&bytes) {
            prop_assert_eq!(opening.to_bytes(), bytes.clone());
        }
        if let Ok(key_sum) = KeySum::from_bytes(&bytes) {
            prop_assert_eq!(key_sum.to_bytes(), bytes.clone());
        }
        if let Ok(key) = RoundPublicKey::from_bytes(&bytes) {
            prop_assert_eq!(key.as_bytes(), &bytes[..]);
        }
        if let Ok(keys) = RoundKeyPair::from_secret_bytes(&bytes) {
            prop_assert_eq!(&keys.to_secret_bytes()[..], &bytes[..]);
        }
        let _ = check_ciphertext(&params(1), &bytes);
        let whole = bytes.len() == 3 * CHUNK_BYTES;
        prop_assert_eq!(DigitAccumulator::new(3).add(&bytes, 16).is_ok(), whole);
        prop_assert_eq!(weighted_digit_sum(3, &[(&bytes, 16)]).is_ok(), whole);
        let mut hasher = LinearHasher::new(&params(1));
        hasher.update(&bytes);
        prop_assert_eq!(hasher.finish().is_ok(), whole);
        let mut reader = DigitSumReader::new(&params(1), 16).expect("a weight");
        prop_assert!(reader.update(&bytes).is_err() || reader.finish().is_err());
        let mut hasher = ChunkHasher::new(&params(1));
        hasher.update(&bytes);
        prop_assert_eq!(hasher.finish().is_ok(), bytes.len() == 3 * CHUNK_BYTES);
        let federation = Federation::new(1, 3, 3);
        for (seat, keys) in (1..).zip(&federation.keys) {
            prop_assert!(open_share(keys, &federation.dealing(0), seat, &bytes).is_err());
        }
    }
}

#[test]
fn a_ciphertext_for_other_parameters_is_refused_everywhere() {
    let federation = Federation::new(10, 3, 3);
    let contribution = federation.contribute(0, &[0.1; 10]);
    let larger = params(3000);
    assert!(check_ciphertext(&federation.params, &contribution.ciphertext).is_ok());
    assert!(check_ciphertext(&larger, &contribution.ciphertext).is_err());
    let context = &federation.context;
    assert!(commitment(&larger, context, 0, &contribution.ciphertext, &[]).is_err());
    let key_sum = KeySum::from_bytes(&[0; CHUNK_BYTES]).unwrap();
    assert!(unsilo_fhe::decrypt(&larger, context, &contribution.ciphertext, &key_sum, 1).is_err());
}

#[test]
fn params_are_checked() {
    let literal = |profile: &str, parameters| ParamsLiteral {
        profile: profile.into(),
        parameters,
    };
    for parameters in [0, MAX_PARAMETERS + 1, u64::MAX] {
        assert_eq!(
            Params::new(&literal("default", parameters)),
            Err(ParamsError::ParametersOutOfRange { parameters })
        );
    }
    assert!(matches!(
        Params::new(&literal("fast", 10)),
        Err(ParamsError::UnknownProfile { .. })
    ));
    assert!(Params::new(&literal("default", MAX_PARAMETERS)).is_ok());
    let counts = |parameters| {
        let params = params(parameters);
        (params.data_chunks(), params.chunks(), params.clip_steps())
    };
    assert_eq!(counts(1), (1, 3, 4096));
    assert_eq!(counts(2048), (1, 3, 4096 * 46));
    assert_eq!(counts(2049), (2, 4, 4096 * 46));
    assert_eq!(counts(10_000), (5, 7, 4096 * 100));
    assert_eq!(counts(10_000_000), (4883, 4885, 1 << 23));
}

#[test]
fn committees_are_checked() {
    let key = RoundKeyPair::from_secret_bytes(&[1; 32])
        .unwrap()
        .public()
        .clone();
    for members in [0, 22] {
        assert_eq!(
            Committee::new(vec![key.clone(); members], 1),
            Err(CommitteeError::Size { members })
        );
    }
    for threshold in [0, 4, 65_537] {
        assert_eq!(
            Committee::new(vec![key.clone(); 3], threshold),
            Err(CommitteeError::Threshold {
                members: 3,
                threshold
            })
        );
    }
}

#[test]
fn updates_that_are_no_update_are_refused() {
    let params = params(3);
    let encode = |update: &[f32]| encode(&params, &[0; 32], -14, update, [0; 32]).err();
    for actual in [0, 2, 4] {
        let expected = 3;
        assert_eq!(
            encode(&vec![0.0; actual]),
            Some(EncodeError::Length { expected, actual })
        );
    }
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(
            encode(&[0.0, value, 1.0]),
            Some(EncodeError::NotFinite { index: 1 })
        );
    }
    assert_eq!(encode(&[f32::MAX, f32::MIN, f32::MIN_POSITIVE]), None);
}
