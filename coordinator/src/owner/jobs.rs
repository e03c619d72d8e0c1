//! Work that takes long and needs nothing but files: it runs beside the owner and reports back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use unsilo_fhe::{Permutation, RoundContext};
use unsilo_ledger::{Hash, ParticipantId};
use unsilo_proto::key_sum_hash;

use crate::{
    contributions::{Contributions, sum_round},
    durable::{self, Readers},
    error::CoordinatorError,
    models::Models,
    payload::{Opened, Opening, Payload},
    round::{Answer, DecodeFailure, Decoded, Event},
};

/// What every job needs to find its files.
#[derive(Clone)]
pub(super) struct Jobs {
    pub(super) contributions: Contributions,
    pub(super) models: Models,
    pub(super) payload: Payload,
    pub(super) permutation: Arc<Permutation>,
    pub(super) federation: [u8; 32],
    /// Set when the owner ends: no job outlives it, for the next owner writes the same files.
    pub(super) stopping: Arc<AtomicBool>,
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
    /// Sums the round's ciphertexts. The reason of a failure is logged.
    pub(super) fn sum(&self, round: u64, weights: &[(ParticipantId, u16)]) -> Event {
        let weights: Vec<_> = weights
            .iter()
            .map(|(participant, weight)| (participant.0, *weight))
            .collect();
        let stopping = || self.stopping.load(Ordering::Relaxed);
        match sum_round(&self.contributions, self.payload, round, &weights, stopping) {
            Ok(sum) => Event::SumReady { round, sum },
            Err(error) => {
                tracing::error!(round, %error, "the contributions cannot be summed; trying again");
                Event::SumFailed { round }
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

    fn try_decode(&self, job: &DecodeJob) -> Result<Decoded, DecodeFailure> {
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
            .map_err(ours)?;
        let mut weights = self.models.weights(&job.from).map_err(ours)?;
        let opening = Opening {
            context: &context,
            permutation: &self.permutation,
            threshold: job.threshold,
            answers: &job.answers,
            total_weight,
            unit_log2: job.unit_log2,
        };
        let Opened { key_sum, liars } = self
            .payload
            .open(&opening, &sum, &mut weights)
            .map_err(DecodeFailure::Answers)?;
        durable::write(
            &self.contributions.key_sum_path(job.round),
            &key_sum,
            Readers::Owner,
        )
        .map_err(ours)?;
        let model = self.models.store(&weights).map_err(ours)?;
        Ok(Decoded {
            key_sum: key_sum_hash(&key_sum),
            model,
            total_weight,
            liars,
        })
    }
}

fn ours(error: CoordinatorError) -> DecodeFailure {
    DecodeFailure::Store(error.to_string())
}
