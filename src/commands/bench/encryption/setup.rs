//! A round to measure on: one update, a committee, everybody's contribution.

use std::time::Instant;

use anyhow::Context;
use unsilo_fhe::{
    Committee, Contribution, Dealing, Entropy, KeyShare, Opening, Params, ParamsLiteral,
    Permutation, RoundContext, RoundKeyPair, combine, contribute, encode_permuted, open_share,
    threshold_for,
};

use super::Arguments;
use crate::commands::bench::turns::middle;

/// Members of the committee that the sizes are for.
pub(super) const MEMBERS: usize = 5;
/// Weight of every contribution.
pub(super) const WEIGHT: u16 = 200;
pub(super) const CONTEXT: RoundContext = RoundContext {
    federation: [1; 32],
    round: 1,
    model: [2; 32],
};

/// A round to measure on.
pub(super) struct Round {
    pub(super) params: Params,
    /// Kept between rounds, as a node does.
    pub(super) permutation: Permutation,
    pub(super) update: Vec<f32>,
    keys: Vec<RoundKeyPair>,
    committee: Committee,
    pub(super) contributions: Vec<Contribution>,
}

impl Round {
    pub(super) fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let params = Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters: arguments.parameters,
        })?;
        let keys = (0..MEMBERS)
            .map(|_| RoundKeyPair::generate())
            .collect::<Result<Vec<_>, _>>()?;
        let members = keys.iter().map(|key| key.public().clone()).collect();
        let committee = Committee::new(members, threshold_for(MEMBERS))?;
        let mut round = Self {
            permutation: Permutation::new(&params, &CONTEXT.federation),
            update: (0..params.parameters())
                .map(|i| (i as f32 * 0.37).sin() * 0.006)
                .collect(),
            params,
            keys,
            committee,
            contributions: Vec::new(),
        };
        for participant in 0..u32::from(arguments.participants) {
            let encoded = encode_permuted(&round.permutation, -14, &round.update, [3; 32])?;
            let made = contribute(&round.dealing(participant), encoded, Entropy::from_os()?)?;
            round.contributions.push(made);
        }
        Ok(round)
    }

    pub(super) fn dealing(&self, participant: u32) -> Dealing<'_> {
        Dealing {
            params: &self.params,
            context: &CONTEXT,
            participant,
            committee: &self.committee,
        }
    }

    pub(super) fn total_weight(&self) -> u64 {
        u64::from(WEIGHT) * self.contributions.len() as u64
    }

    pub(super) fn weighted(&self) -> Vec<(&[u8], u16)> {
        let ciphertexts = self.contributions.iter().map(|made| &made.ciphertext[..]);
        ciphertexts.map(|ciphertext| (ciphertext, WEIGHT)).collect()
    }

    /// Each member's answer on the sum, and the median of their seconds.
    pub(super) fn answers(&self) -> anyhow::Result<(Vec<(u16, Opening)>, f64)> {
        let mut answers = Vec::new();
        let mut seconds = Vec::new();
        for (seat, key) in (1_u16..).zip(&self.keys) {
            let began = Instant::now();
            let mut shares: Vec<KeyShare> = Vec::with_capacity(self.contributions.len());
            for (participant, made) in (0..).zip(&self.contributions) {
                let sealed = made.sealed_shares.get(usize::from(seat) - 1);
                let sealed = sealed.context("a seat without a share")?;
                shares.push(open_share(key, &self.dealing(participant), seat, sealed)?);
            }
            let weighted: Vec<_> = shares.iter().map(|share| (WEIGHT, share)).collect();
            answers.push((seat, combine(&weighted)?));
            seconds.push(began.elapsed().as_secs_f64());
        }
        Ok((answers, middle(seconds)))
    }
}
