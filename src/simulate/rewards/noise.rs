//! The randomness of a federation, drawn once for a seed: every rule and every attack meets the same.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::StandardNormal;

/// Errors that raters make, for each epoch, rater and rated.
#[derive(Debug)]
pub(crate) struct Noise {
    participants: usize,
    errors: Vec<Error>,
}

/// What a rating is off by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Error {
    /// Of a rating above 0, in standard deviations: normally distributed.
    pub(crate) relative: f32,
    /// Of a rating of 0, as a part of the largest error: uniform from 0 to 1.
    pub(crate) absolute: f32,
}

impl Noise {
    pub(crate) fn new(seed: u64, epochs: usize, participants: usize) -> Self {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        let errors = (0..epochs * participants * participants)
            .map(|_| Error {
                relative: generator.sample(StandardNormal),
                absolute: generator.random(),
            })
            .collect();
        Self {
            participants,
            errors,
        }
    }

    /// Epochs that were drawn.
    pub(crate) fn epochs(&self) -> usize {
        self.errors.len() / (self.participants * self.participants)
    }

    /// The errors of one rater in one epoch, about each participant.
    pub(crate) fn row(&self, epoch: usize, rater: usize) -> &[Error] {
        let start = (epoch * self.participants + rater) * self.participants;
        &self.errors[start..start + self.participants]
    }
}
