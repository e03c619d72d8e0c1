//! Secrets cannot be printed, compared or copied by accident, and shares open only where they belong.

use crate::federation::{CONTEXT, Federation};
use unsilo_fhe::{
    AnswerSheet, Contribution, Dealing, Direction, DirectionAnswers, Encoded, Entropy, KeyShare,
    Products, ProjectionAnswers, RoundKeyPair, SealSeeds, Verdict, encode,
    encrypt::encrypt_and_forget, gaussian::ErrorSampler, open_share, share::ShareError, xof::Xof,
};

/// Fails to compile if the type has the trait: two candidates for `A` then.
macro_rules! assert_lacks {
    ($type:ty: $($bound:path),+) => {
        $(const _: fn() = || {
            trait Lacks<A> {
                fn lacks() {}
            }
            impl<T> Lacks<()> for T {}
            struct Has;
            impl<T: $bound> Lacks<Has> for T {}
            let _ = <$type as Lacks<_>>::lacks;
        };)+
    };
}
macro_rules! assert_secret {
    ($($type:ty),+ $(,)?) => {
        $(assert_lacks!($type: std::fmt::Debug, std::fmt::Display, Clone, PartialEq);)+
    };
}
assert_secret!(
    AnswerSheet,
    Contribution,
    Direction,
    DirectionAnswers,
    Encoded,
    Entropy,
    ErrorSampler,
    KeyShare,
    ProjectionAnswers,
    RoundKeyPair,
    SealSeeds,
    Verdict,
    Xof,
);
assert_lacks!(Products: std::fmt::Debug, std::fmt::Display);

#[test]
fn a_sealed_share_opens_for_its_seat_round_model_and_participant_only() {
    let federation = Federation::new(10, 5, 4);
    let contribution = federation.contribute(1, &[0.5; 10]);
    let dealing = federation.dealing(1);
    for seat in 1..=5 {
        let (keys, sealed) = (
            &federation.keys[usize::from(seat) - 1],
            &contribution.sealed_shares[usize::from(seat) - 1],
        );
        let open = |dealing: &Dealing<'_>, seat, sealed: &[u8]| {
            open_share(keys, dealing, seat, sealed).err()
        };
        assert_eq!(open(&dealing, seat, sealed), None);

        let closed = |participant| Some(ShareError::DoesNotOpen { participant, seat });
        let contexts = [
            ("federation", {
                let mut c = CONTEXT;
                c.federation[0] ^= 1;
                c
            }),
            ("round", {
                let mut c = CONTEXT;
                c.round += 1;
                c
            }),
            ("model", {
                let mut c = CONTEXT;
                c.model[31] ^= 1;
                c
            }),
        ];
        for (which, context) in &contexts {
            let other = Dealing { context, ..dealing };
            assert_eq!(open(&other, seat, sealed), closed(1), "other {which}");
        }
        assert_eq!(open(&federation.dealing(2), seat, sealed), closed(2));
        assert_eq!(
            open(&dealing, seat % 5 + 1, sealed),
            Some(ShareError::WrongKey { seat: seat % 5 + 1 })
        );
        for (byte, bit) in [
            (0, 1),
            (1100, 1),
            (1119, 0x80),
            (1120, 4),
            (sealed.len() - 1, 1),
        ] {
            let mut altered = sealed.clone();
            altered[byte] ^= bit;
            // The topmost bit of an X25519 key is ignored by the curve, not by the key derivation.
            assert_eq!(open(&dealing, seat, &altered), closed(1), "byte {byte}");
        }
        for length in [0, 1119, 1120, 1136, sealed.len() - 1] {
            assert!(matches!(
                open(&dealing, seat, &sealed[..length]),
                Some(ShareError::Length { .. })
            ));
        }
        let longer = [sealed.as_slice(), &[0]].concat();
        assert!(matches!(
            open(&dealing, seat, &longer),
            Some(ShareError::Length { .. })
        ));
    }
    for seat in [0, 6] {
        let error = open_share(&federation.keys[0], &dealing, seat, &[]).err();
        assert_eq!(error, Some(ShareError::NoSuchSeat { seat, seats: 5 }));
    }
}

#[test]
fn a_share_for_another_seat_of_the_same_member_does_not_open() {
    // One key in two seats, which the ledger forbids: the associated data alone keeps them apart.
    let keys = RoundKeyPair::from_secret_bytes(&[5; 32]).unwrap();
    let mut federation = Federation::new(10, 3, 1);
    let members = vec![keys.public().clone(), keys.public().clone()];
    federation.committee = unsilo_fhe::Committee::new(members, 1).unwrap();
    let contribution = federation.contribute(0, &[0.5; 10]);
    let dealing = federation.dealing(0);
    let [one, two] = &contribution.sealed_shares[..] else {
        panic!("two seats")
    };
    assert!(open_share(&keys, &dealing, 1, one).is_ok());
    assert!(open_share(&keys, &dealing, 1, two).is_err());
    assert!(open_share(&keys, &dealing, 2, one).is_err());
}

#[test]
fn the_same_entropy_never_makes_the_same_key_twice() {
    let federation = Federation::new(10, 1, 1);
    let encoded = |value| {
        encode(
            &federation.params,
            &CONTEXT.federation,
            -14,
            &[value; 10],
            [1; 32],
        )
        .unwrap()
    };
    let encrypt =
        |value| encrypt_and_forget(&CONTEXT, &encoded(value), Entropy::from_bytes([7; 32]));
    let (one, same, other) = (encrypt(0.1), encrypt(0.1), encrypt(0.2));
    assert!(one == same, "a crash repeats the identical contribution");
    // Under one key and one error the blinding chunks of both would be equal.
    let equal = one
        .chunks(6)
        .zip(other.chunks(6))
        .filter(|(a, b)| a == b)
        .count();
    assert_eq!(equal, 0);
}

#[test]
fn a_contribution_can_be_made_again_to_the_bit() {
    let federation = Federation::new(10, 5, 4);
    let (one, two) = (
        federation.contribute(0, &[0.5; 10]),
        federation.contribute(0, &[0.5; 10]),
    );
    assert!(one.ciphertext == two.ciphertext && one.sealed_shares == two.sealed_shares);
    assert_eq!(one.commitment, two.commitment);
}

#[test]
fn seal_seeds_survive_the_keystore() {
    let contribution = Federation::new(10, 3, 3).contribute(0, &[0.0; 10]);
    let stored = contribution.seal_seeds.to_secret_bytes();
    let restored = SealSeeds::from_secret_bytes(&stored).unwrap();
    for seat in 0..5 {
        assert_eq!(restored.seed(seat), contribution.seal_seeds.seed(seat));
        assert_eq!(restored.seed(seat).is_some(), (1..=3).contains(&seat));
    }
    assert!(SealSeeds::from_secret_bytes(&stored[1..]).is_none());
}
