//! An attacker's encryption: contributions that break its rules, under a commitment that fits what is sent.

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use unsilo_fhe::{Contribution, Dealing, Encoded, Entropy, LinearHasher, commitment, encode};
use unsilo_participant::{BuiltIn, Dealer};

use crate::attack::{bad_shares, garbage};

/// What is wrong with the contributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// [`garbage`].
    Ciphertext,
    /// [`bad_shares`].
    Shares,
}

impl Dealer for Malformed {
    fn deal(
        &self,
        dealing: &Dealing<'_>,
        update: Encoded,
        entropy: Entropy,
    ) -> Result<Contribution, String> {
        let mut made = BuiltIn.deal(dealing, update, entropy)?;
        match self {
            Self::Ciphertext => {
                let mut random = Xoshiro256PlusPlus::from_seed(made.commitment.root);
                garbage(&mut made, &mut random);
            }
            Self::Shares => {
                let nothing = vec![0.0; dealing.params.parameters()];
                let federation = &dealing.context.federation;
                let seed = made.commitment.root;
                let other = encode(dealing.params, federation, 0, &nothing, seed);
                let other = other.map_err(|error| error.to_string())?;
                let entropy = Entropy::from_os().map_err(|error| error.to_string())?;
                bad_shares(&mut made, BuiltIn.deal(dealing, other, entropy)?);
            }
        }
        committed(dealing, made).map_err(|error| error.to_string())
    }
}

/// With linear hash and commitment of what is in it now: whatever else is wrong, the upload fits what was signed.
fn committed(
    dealing: &Dealing<'_>,
    mut made: Contribution,
) -> Result<Contribution, unsilo_fhe::pack::CiphertextError> {
    let Dealing {
        params,
        context,
        participant,
        ..
    } = *dealing;
    let mut linear = LinearHasher::new(params);
    linear.update(&made.ciphertext);
    made.linear_hash = linear.finish()?;
    let (ciphertext, shares) = (&made.ciphertext, &made.sealed_shares);
    made.commitment = commitment(params, context, participant, ciphertext, shares)?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unsilo_fhe::{
        Committee, Params, ParamsLiteral, RoundContext, RoundKeyPair, check_ciphertext, open_share,
    };

    #[test]
    fn what_is_malformed_is_committed_to_as_it_is_sent_and_can_be_opened_by_the_seats() {
        let params = Params::new(&ParamsLiteral {
            profile: "default".to_owned(),
            parameters: 4_096,
        })
        .expect("parameters");
        let context = RoundContext {
            federation: [7; 32],
            round: 1,
            model: [1; 32],
        };
        let keys: Vec<RoundKeyPair> = (0..4)
            .map(|_| RoundKeyPair::generate().expect("keys"))
            .collect();
        let seats = keys.iter().map(|keys| keys.public().clone()).collect();
        let committee = Committee::new(seats, 3).expect("a committee");
        let dealing = Dealing {
            params: &params,
            context: &context,
            participant: 4,
            committee: &committee,
        };
        for malformed in [Malformed::Ciphertext, Malformed::Shares] {
            let update = encode(&params, &[7; 32], -14, &[0.01; 4_096], [1; 32]).expect("encoded");
            let entropy = Entropy::from_bytes([2; 32]);
            let made = malformed.deal(&dealing, update, entropy).expect("made");
            let agreed = BuiltIn.deal(
                &dealing,
                encode(&params, &[7; 32], -14, &[0.01; 4_096], [1; 32]).expect("encoded"),
                Entropy::from_bytes([2; 32]),
            );
            let agreed = agreed.expect("made");
            assert_eq!(
                made.ciphertext == agreed.ciphertext,
                malformed == Malformed::Shares
            );
            check_ciphertext(&params, &made.ciphertext).expect("of coefficients below the modulus");
            let root = commitment(&params, &context, 4, &made.ciphertext, &made.sealed_shares);
            assert_eq!(made.commitment, root.expect("of the right length"));
            assert_eq!(made.commitment.linear_hash, made.linear_hash.digest());
            for (seat, (keys, sealed)) in (1..).zip(keys.iter().zip(&made.sealed_shares)) {
                assert!(open_share(keys, &dealing, seat, sealed).is_ok(), "{seat}");
            }
        }
    }
}
