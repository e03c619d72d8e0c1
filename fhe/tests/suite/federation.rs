//! A small federation to test with.
#![expect(clippy::unwrap_used, reason = "honest inputs in tests")]

use unsilo_fhe::{
    Committee, Contribution, Dealing, Entropy, KeyShare, Opening, Params, ParamsLiteral,
    RoundContext, RoundKeyPair, combine, contribute, encode, open_share, weighted_digit_sum,
};

/// Steps are 2^-14 in these tests.
pub(crate) const UNIT_LOG2: i8 = -14;

pub(crate) struct Federation {
    pub(crate) params: Params,
    pub(crate) context: RoundContext,
    pub(crate) keys: Vec<RoundKeyPair>,
    pub(crate) committee: Committee,
}

pub(crate) fn params(parameters: u64) -> Params {
    let literal = ParamsLiteral {
        profile: "default".into(),
        parameters,
    };
    Params::new(&literal).expect("the tests use valid parameters")
}

pub(crate) const CONTEXT: RoundContext = RoundContext {
    federation: [9; 32],
    round: 3,
    model: [8; 32],
};

impl Federation {
    /// `members` seats, of whom `threshold` open.
    pub(crate) fn new(parameters: u64, members: usize, threshold: usize) -> Self {
        let keys: Vec<_> = (0..members)
            .map(|seat| RoundKeyPair::from_secret_bytes(&[seat as u8 + 1; 32]).unwrap())
            .collect();
        let public = keys.iter().map(|keys| keys.public().clone()).collect();
        Self {
            params: params(parameters),
            context: CONTEXT,
            keys,
            committee: Committee::new(public, threshold).unwrap(),
        }
    }

    pub(crate) fn dealing(&self, participant: u32) -> Dealing<'_> {
        Dealing {
            params: &self.params,
            context: &self.context,
            participant,
            committee: &self.committee,
        }
    }

    /// The contribution of one participant, deterministic.
    pub(crate) fn contribute(&self, participant: u32, update: &[f32]) -> Contribution {
        let seed = [participant as u8; 32];
        let encoded = encode(
            &self.params,
            &self.context.federation,
            UNIT_LOG2,
            update,
            seed,
        )
        .unwrap();
        contribute(
            &self.dealing(participant),
            encoded,
            Entropy::from_bytes(seed),
        )
        .unwrap()
    }

    /// The share that `participant` dealt to `seat`.
    pub(crate) fn share(
        &self,
        participant: u32,
        contribution: &Contribution,
        seat: u16,
    ) -> KeyShare {
        let index = usize::from(seat) - 1;
        let sealed = &contribution.sealed_shares[index];
        match open_share(&self.keys[index], &self.dealing(participant), seat, sealed) {
            Ok(share) => share,
            Err(error) => panic!("an honest share opens: {error}"),
        }
    }

    /// Each seat's answer for the sum of `contributions` (participant = index) with `weights`.
    pub(crate) fn answers(
        &self,
        contributions: &[Contribution],
        weights: &[u16],
    ) -> Vec<(u16, Opening)> {
        (1..=self.committee.seats())
            .map(|seat| {
                let shares: Vec<_> = (0..)
                    .zip(contributions)
                    .map(|(participant, contribution)| self.share(participant, contribution, seat))
                    .collect();
                let weighted: Vec<_> = weights.iter().copied().zip(&shares).collect();
                match combine(&weighted) {
                    Ok(opening) => (seat, opening),
                    Err(error) => panic!("honest shares combine: {error}"),
                }
            })
            .collect()
    }

    /// The coordinator's sum.
    pub(crate) fn sum(&self, contributions: &[Contribution], weights: &[u16]) -> Vec<u8> {
        let weighted: Vec<_> = contributions
            .iter()
            .zip(weights)
            .map(|(contribution, &weight)| (contribution.ciphertext.as_slice(), weight))
            .collect();
        weighted_digit_sum(self.params.chunks(), &weighted)
            .unwrap()
            .to_ciphertext()
    }
}

pub(crate) fn total(weights: &[u16]) -> u64 {
    weights.iter().map(|&weight| u64::from(weight)).sum()
}

/// Changes one coefficient of an answer.
pub(crate) fn falsify(answer: &mut Opening, coefficient: usize) {
    let mut bytes = answer.to_bytes();
    bytes[coefficient * 6] ^= 1;
    *answer = Opening::from_bytes(&bytes).unwrap();
}

/// Adds a number to the first coefficient of an answer.
pub(crate) fn shift(answer: &mut Opening, by: u64) {
    let mut bytes = answer.to_bytes();
    let mut word = [0; 8];
    word[..6].copy_from_slice(&bytes[..6]);
    let sum = (u64::from_le_bytes(word) + by) % unsilo_fhe::Q;
    bytes[..6].copy_from_slice(&sum.to_le_bytes()[..6]);
    *answer = Opening::from_bytes(&bytes).unwrap();
}
