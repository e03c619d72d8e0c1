//! Work that takes long and needs nothing but files: it runs beside the owner and reports back.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use unsilo_fhe::{Permutation, RoundContext};
use unsilo_ledger::{Hash, ParticipantId, State};
use unsilo_proto::key_sum_hash;

use crate::{
    contributions::{Contributions, project_round, sum_round},
    durable::{self, Readers},
    error::CoordinatorError,
    models::Models,
    payload::{OpenError, Opened, Opening, Payload},
    round::{Answer, DecodeFailure, Decoded, Event, Gives},
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
    /// Of the statistics round: how many columns are measured.
    pub(super) columns: Option<usize>,
}

/// A closed round whose ciphertexts are to be projected.
pub(super) struct ProjectJob {
    round: u64,
    from: Hash,
    challenge: Hash,
    /// Ascending.
    participants: Vec<u32>,
}

impl ProjectJob {
    /// The job of the round under way, once it is closed.
    pub(super) fn of(ledger: &State) -> Option<Self> {
        let round = ledger.round()?;
        Some(Self {
            round: round.opening.round,
            from: round.opening.model,
            challenge: round.closing.as_ref()?.challenge,
            participants: round.contributions.keys().map(|id| id.0).collect(),
        })
    }
}

impl Jobs {
    /// Projects the round's ciphertexts. The reason of a failure is logged.
    pub(super) fn project(&self, job: &ProjectJob) -> Event {
        let round = job.round;
        let context = self.context(round, job.from);
        let stopping = || self.stopping.load(Ordering::Relaxed);
        let vectors = self.payload.projections(&context, job.challenge);
        let table = vectors.map_or(Ok(Hash::default()), |vectors| {
            project_round(
                &self.contributions,
                &vectors,
                round,
                &job.participants,
                stopping,
            )
        });
        match table {
            Ok(table) => Event::Projected { round, table },
            Err(error) => {
                tracing::error!(round, %error, "the contributions cannot be projected; trying again");
                Event::ProjectFailed { round }
            }
        }
    }

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
        let total_weight = job
            .weights
            .iter()
            .map(|(_, weight)| u64::from(*weight))
            .sum();
        let path = self.contributions.sum_path(job.round);
        let sum = File::open(&path)
            .map_err(CoordinatorError::io("read", path))
            .map_err(ours)?;
        let linear_hashes = self.linear_hashes(job).map_err(ours)?;
        let opening = Opening {
            context: &self.context(job.round, job.from),
            permutation: &self.permutation,
            threshold: job.threshold,
            answers: &job.answers,
            total_weight,
            unit_log2: job.unit_log2,
            linear_hashes: &linear_hashes,
        };
        let failed = |error: OpenError| match error {
            OpenError::Answers(reason) => DecodeFailure::Answers(reason),
            OpenError::Sum(_) => DecodeFailure::Store(error.to_string()),
            OpenError::NotTheSum => {
                self.name_damaged(job);
                DecodeFailure::Store(error.to_string())
            }
        };
        let (Opened { key_sum, liars }, gives) = match job.columns {
            Some(columns) => {
                let opened = self.payload.open_statistics(&opening, sum, columns);
                let (opened, columns) = opened.map_err(failed)?;
                (opened, Gives::Statistics(columns))
            }
            None => {
                let mut weights = self.models.weights(&job.from).map_err(ours)?;
                let opened = self.payload.open(&opening, sum, &mut weights);
                let opened = opened.map_err(failed)?;
                (
                    opened,
                    Gives::Model(self.models.store(&weights).map_err(ours)?),
                )
            }
        };
        durable::write(
            &self.contributions.key_sum_path(job.round),
            &key_sum,
            Readers::Owner,
        )
        .map_err(ours)?;
        Ok(Decoded {
            key_sum: key_sum_hash(&key_sum),
            gives,
            total_weight,
            liars,
        })
    }

    /// Weight and linear hash, as it was checked, of everything that is summed.
    fn linear_hashes(&self, job: &DecodeJob) -> Result<Vec<(u16, Vec<u8>)>, CoordinatorError> {
        let summed = job.weights.iter().filter(|(_, weight)| *weight > 0);
        summed
            .map(|(participant, weight)| {
                let leaves = self.contributions.leaves(job.round, participant.0)?;
                Ok((*weight, leaves.linear_hash))
            })
            .collect()
    }

    /// Logs which stored contributions are not what they were when they came in.
    fn name_damaged(&self, job: &DecodeJob) {
        for (participant, _) in job.weights.iter().filter(|(_, weight)| *weight > 0) {
            match self
                .contributions
                .is_intact(self.payload, job.round, participant.0)
            {
                Ok(true) => {}
                Ok(false) => tracing::error!(
                    round = job.round,
                    participant = participant.0,
                    "the stored contribution has changed since it was checked: look at the disk; restore the file, or \
                     the owners void the round with `unsilo void`"
                ),
                Err(error) => {
                    tracing::error!(round = job.round, participant = participant.0, %error, "unreadable");
                }
            }
        }
    }

    fn context(&self, round: u64, model: Hash) -> RoundContext {
        RoundContext {
            federation: self.federation,
            round,
            model,
        }
    }
}

fn ours(error: CoordinatorError) -> DecodeFailure {
    DecodeFailure::Store(error.to_string())
}
