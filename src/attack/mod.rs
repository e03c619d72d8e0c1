//! Participants that do not play fair, as the field describes them: what they train on, what they send, what they say.
//!
//! In `unsilo simulate` they know everything that the protocol cannot hide from a cabal and more: the honest updates of the
//! same round in the clear. So what is measured against them there is on the safe side. In `unsilo demo` they are companies of a
//! real federation, and know what such companies know: public models, and the updates and rows of each other.

mod collusive;
mod dealt;
mod lie;
mod repeated;
mod simple;

pub(crate) use dealt::{bad_shares, garbage};
pub(crate) use lie::lie;

use clap::ValueEnum;
use rand::rngs::Xoshiro256PlusPlus;
use serde::Serialize;
use unsilo_train::{Dataset, DatasetError};

/// What the attackers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Attack {
    /// Nothing: everybody is honest.
    None,
    /// They train with label c turned into the last class minus c.
    LabelFlip,
    /// Their honest update with the opposite sign.
    SignFlip,
    /// The opposite of their honest update, ten times as long: what harms, scaled so that it outweighs the others in a plain
    /// mean (model replacement, Bagdasaryan et al. 2020).
    Boost,
    /// Their honest update, ten times as long: not to harm, but to count for more than is due.
    Inflate,
    /// Gaussian noise as long as their honest update.
    Noise,
    /// Nothing but zeros.
    Zero,
    /// The last public model difference, as long as an honest update.
    Replay,
    /// A random mixture of the last five public model differences.
    ReplayMix,
    /// The last public model difference with the opposite sign.
    ReplaySign,
    /// The last public model difference in even rounds, the opposite of it in odd ones.
    ReplayAlternate,
    /// The last public model difference, and beside it the model itself, what of it lies at right angles to the last
    /// differences, with a sign that changes every round: what one round moves too far, the next is paid for moving back.
    Oscillate,
    /// A little is enough (Baruch et al. 2019): the mean of the honest updates, off by a part of their deviation.
    Alie,
    /// As far from the honest mean as the farthest two honest updates are from each other (Shejwalkar and Houmansadr 2021).
    MinMax,
    /// The same, by the sum of squared distances.
    MinSum,
    /// Half of their rows carry a mark and the first class as their label.
    Backdoor,
    /// They train on copies of an honest participant's rows.
    Copycat,
    /// Participants of one owner that all train on the same rows.
    Sybils,
    /// .15 of their honest update's direction, the rest noise at right angles to it.
    Stealth,
    /// Honest updates: only their ratings lie.
    ColludingRaters,
    /// Random bytes for a ciphertext: its projections are out of range, so the committee rejects it before it is scored.
    Garbage,
    /// Key shares that contradict each other: the committee rejects the contribution before it is scored.
    BadShares,
}

/// What an attacker looks at before it sends.
pub(crate) struct Scene<'a> {
    /// The round's number, from 1.
    pub(crate) round: u64,
    /// Its own honest update.
    pub(crate) own: &'a [f32],
    /// The round's model.
    pub(crate) weights: &'a [f32],
    /// What it knows of honest updates: those of all honest participants in the simulator, where a cabal has only its own to go by
    /// ("partial knowledge") the attackers' own.
    pub(crate) honest: &'a [Vec<f32>],
    /// Participants in all, and attackers among them.
    pub(crate) count: (usize, usize),
    /// The last differences of public models, oldest first.
    pub(crate) history: &'a [Vec<f32>],
}

impl Attack {
    /// Whether what they send is rejected by the checks, and so never scored.
    pub(crate) fn is_rejected(self) -> bool {
        matches!(self, Self::Garbage | Self::BadShares)
    }

    /// Whether what they send is made of the honest updates that they know.
    pub(crate) fn hides_among_honest(self) -> bool {
        matches!(self, Self::Alie | Self::MinMax | Self::MinSum)
    }

    /// The rows that an attacker trains on instead of its own.
    pub(crate) fn rows(self, own: &Dataset) -> Result<Dataset, DatasetError> {
        let (columns, classes) = (own.columns(), own.classes());
        let mut features = own.features().to_vec();
        let mut labels = own.labels().to_vec();
        match self {
            Self::LabelFlip => labels
                .iter_mut()
                .for_each(|label| *label = flipped(*label, classes)),
            Self::Backdoor => {
                for row in (0..labels.len()).step_by(2) {
                    mark(&mut features[row * columns..(row + 1) * columns]);
                    labels[row] = 0;
                }
            }
            _ => {}
        }
        Dataset::new(features, labels, columns, classes)
    }

    /// What an attacker sends.
    pub(crate) fn update(self, scene: &Scene<'_>, random: &mut Xoshiro256PlusPlus) -> Vec<f32> {
        match self {
            Self::SignFlip => simple::scaled(scene.own, -1.0),
            Self::Boost => simple::scaled(scene.own, -10.0),
            Self::Inflate => simple::scaled(scene.own, 10.0),
            Self::Zero => simple::scaled(scene.own, 0.0),
            Self::Noise => simple::noise(scene.own, random),
            Self::Replay => {
                let last = repeated::last(scene, random);
                simple::disguised(last, random)
            }
            Self::ReplayMix => repeated::mixture(scene, random),
            Self::ReplaySign => {
                let last = repeated::last(scene, random);
                simple::disguised(simple::scaled(&last, -1.0), random)
            }
            Self::ReplayAlternate => {
                let last = repeated::alternating(scene, random);
                simple::disguised(last, random)
            }
            Self::Oscillate => simple::disguised(repeated::oscillating(scene, random), random),
            Self::Alie => simple::disguised(collusive::little_is_enough(scene), random),
            Self::MinMax => simple::disguised(
                collusive::as_far_as(scene, collusive::Reach::Farthest),
                random,
            ),
            Self::MinSum => {
                simple::disguised(collusive::as_far_as(scene, collusive::Reach::Sum), random)
            }
            Self::Stealth => collusive::stealth(scene, random),
            _ => scene.own.to_vec(),
        }
    }

    /// Whether the attackers want the model to answer something in particular.
    pub(crate) fn wants_something(self) -> bool {
        matches!(self, Self::LabelFlip | Self::Backdoor)
    }

    /// How often the model does on `test` what the attackers want, of the answers `predicted` to the rows that
    /// [`Attack::wanted_on`] gives; `None` where they want nothing in particular.
    pub(crate) fn success(self, test: &Dataset, predicted: &[usize]) -> Option<f64> {
        let classes = test.classes();
        let cases = test.labels().iter().zip(predicted);
        let hits: Vec<bool> = match self {
            Self::LabelFlip => cases
                .map(|(label, found)| *found == flipped(*label, classes) as usize)
                .collect(),
            Self::Backdoor => cases
                .filter(|(label, _)| **label != 0)
                .map(|(_, found)| *found == 0)
                .collect(),
            _ => return None,
        };
        let successes = hits.iter().filter(|hit| **hit).count();
        Some(successes as f64 / hits.len().max(1) as f64)
    }

    /// The rows of `test` as the attackers show them to the model; none where they want nothing in particular.
    pub(crate) fn wanted_on(self, test: &Dataset) -> Vec<f32> {
        if !self.wants_something() {
            return Vec::new();
        }
        let mut features = test.features().to_vec();
        if self == Self::Backdoor {
            features.chunks_mut(test.columns()).for_each(mark);
        }
        features
    }
}

/// The label that label flippers give to rows of this class.
fn flipped(label: u32, classes: usize) -> u32 {
    (classes as u32).saturating_sub(1 + label)
}

/// The backdoor's mark: the first four columns as high as they go.
fn mark(row: &mut [f32]) {
    row.iter_mut().take(4).for_each(|value| *value = 1.0);
}

pub(crate) fn norm(vector: &[f32]) -> f64 {
    vector
        .iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// `vector`, as long as `length`; itself if it has no length.
fn with_norm(vector: &[f32], length: f64) -> Vec<f32> {
    let own = norm(vector);
    let factor = if own > 0.0 { length / own } else { 1.0 };
    vector
        .iter()
        .map(|x| (f64::from(*x) * factor) as f32)
        .collect()
}

#[cfg(test)]
mod tests;
