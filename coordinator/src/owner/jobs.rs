//! Work that takes long and needs nothing but files: it runs beside the owner and reports back.

use unsilo_fhe::{
    KeySum, Opening, Params, RoundContext, apply_mean, decrypt, decrypt::is_plausible,
    open_key_sum, ring::PolynomialError,
};
use unsilo_ledger::{Hash, ParticipantId};
use unsilo_proto::key_sum_hash;

use crate::{
    contributions::{Contributions, sum_round},
    durable::{self, Readers},
    error::CoordinatorError,
    models::Models,
    round::{Answer, Decoded, Event},
};

/// What every job needs to find its files.
#[derive(Clone)]
pub(super) struct Jobs {
    pub(super) contributions: Contributions,
    pub(super) models: Models,
    pub(super) params: Params,
    pub(super) federation: [u8; 32],
}

/// A closed round's answers, to be opened.
pub(super) struct DecodeJob {
    pub(super) round: u64,
    pub(super) threshold: usize,
    pub(super) answers: Vec<Answer>,
    pub(super) weights: Vec<(ParticipantId, u16)>,
    pub(super) from: Hash,
    pub(super) unit_log2: i8,
}

impl Jobs {
    /// Sums the round's ciphertexts. `None` if that failed: the reason is logged.
    pub(super) fn sum(&self, round: u64, weights: &[(ParticipantId, u16)]) -> Option<Event> {
        let weights: Vec<_> = weights
            .iter()
            .map(|(participant, weight)| (participant.0, *weight))
            .collect();
        match sum_round(&self.contributions, &self.params, round, &weights) {
            Ok(sum) => Some(Event::SumReady { round, sum }),
            Err(error) => {
                tracing::error!(round, %error, "the contributions cannot be summed");
                None
            }
        }
    }

    /// Opens the key of the sum, decrypts, and stores the next model and the key.
    pub(super) fn decode(&self, job: &DecodeJob) -> Event {
        Event::Decoded {
            round: job.round,
            result: self.try_decode(job),
        }
    }

    fn try_decode(&self, job: &DecodeJob) -> Result<Decoded, String> {
        let context = RoundContext {
            federation: self.federation,
            round: job.round,
            model: job.from,
        };
        let total_weight = job
            .weights
            .iter()
            .map(|(_, weight)| u64::from(*weight))
            .sum();
        let path = self.contributions.sum_path(job.round);
        let sum = std::fs::read(&path)
            .map_err(CoordinatorError::io("read", path))
            .map_err(|error| error.to_string())?;
        let answers: Vec<_> = job
            .answers
            .iter()
            .map(|answer| Ok((answer.seat, Opening::from_bytes(&answer.opening)?)))
            .collect::<Result<_, PolynomialError>>()
            .map_err(|error| error.to_string())?;
        let plausible =
            |key: &KeySum| is_plausible(&self.params, &context, &sum, key, total_weight);
        let opened =
            open_key_sum(job.threshold, &answers, plausible).map_err(|error| error.to_string())?;
        let mean = decrypt(&self.params, &context, &sum, &opened.key_sum, total_weight)
            .map_err(|error| error.to_string())?;
        let mut weights = self
            .models
            .weights(&job.from)
            .map_err(|error| error.to_string())?;
        apply_mean(&mut weights, &mean, job.unit_log2).map_err(|error| error.to_string())?;
        let key_sum = opened.key_sum.to_bytes();
        durable::write(
            &self.contributions.key_sum_path(job.round),
            &key_sum,
            Readers::Owner,
        )
        .map_err(|error| error.to_string())?;
        let model = self
            .models
            .store(&weights)
            .map_err(|error| error.to_string())?;
        Ok(Decoded {
            key_sum: key_sum_hash(&key_sum),
            model,
            total_weight,
            liars: opened.liars,
        })
    }
}
