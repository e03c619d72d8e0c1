//! An attacker's training: what it sends in place of its honest update.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use unsilo_participant::{BuiltIn, LocalTraining, RECENT_DIFFERENCES, TrainingRound};
use unsilo_train::{StepReport, TrainConfig};

use super::cabal::Cabal;
use crate::attack::{Attack, Scene};

/// Updates on resamples of its own rows from which an attacker without fellows estimates how honest updates deviate: with its
/// own it has five, as many as there are companies. They deviate less than other companies' do, so it goes less far.
const RESAMPLES: usize = 4;

/// Trains as the attack wants.
pub(super) struct Malicious {
    pub(super) attack: Attack,
    /// Its number in the cabal.
    pub(super) member: usize,
    /// Companies in all, and attackers among them.
    pub(super) count: (usize, usize),
    pub(super) cabal: Arc<Cabal>,
    pub(super) seen: Mutex<Seen>,
}

/// The public models that it trained from, the oldest first.
#[derive(Default)]
pub(super) struct Seen(Vec<Vec<f32>>);

impl Seen {
    /// Takes note of the newest model; the last public differences, the oldest first.
    fn differences(&mut self, newest: &[f32]) -> Vec<Vec<f32>> {
        // A round that ended without a model starts again from the same.
        if self.0.last().is_none_or(|last| last != newest) {
            self.0.push(newest.to_vec());
        }
        let old = self.0.len().saturating_sub(RECENT_DIFFERENCES + 1);
        self.0.drain(..old);
        let pairs = self.0.windows(2);
        pairs.map(|pair| difference(&pair[1], &pair[0])).collect()
    }
}

impl LocalTraining for Malicious {
    fn train(
        &self,
        round: &TrainingRound<'_>,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, String> {
        let rows = self.attack.rows(round.rows);
        let rows = rows.map_err(|error| error.to_string())?;
        let dishonest = TrainingRound {
            rows: &rows,
            ..*round
        };
        let own = update(&dishonest, progress)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let history = seen.differences(round.weights);
        drop(seen);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(round.settings.seed);
        let honest = match self.attack.hides_among_honest() {
            true => self.honest(round, &own, &mut random, progress)?,
            false => Vec::new(),
        };
        let scene = Scene {
            round: round.round,
            weights: round.weights,
            own: &own,
            honest: &honest,
            count: self.count,
            history: &history,
        };
        let sent = self.attack.update(&scene, &mut random);
        let pairs = sent.iter().zip(round.weights);
        Ok(pairs.map(|(update, before)| update + before).collect())
    }
}

impl Malicious {
    /// What it knows of honest updates: its own and its fellows'; without fellows its own and those of resamples of its rows.
    fn honest(
        &self,
        round: &TrainingRound<'_>,
        own: &[f32],
        random: &mut Xoshiro256PlusPlus,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<Vec<f32>>, String> {
        let done = StepReport {
            step: round.settings.steps,
            of: round.settings.steps,
            loss: 0.0,
        };
        let waiting = &mut || progress(done);
        let mut known = self.cabal.share(round.round, self.member, own, waiting);
        if known.len() > 1 {
            return Ok(known);
        }
        let rows = round.rows.rows();
        for _ in 0..RESAMPLES {
            let drawn: Vec<usize> = (0..rows).map(|_| random.random_range(0..rows)).collect();
            let resample = round.rows.subset(&drawn);
            let settings = TrainConfig {
                seed: random.random(),
                ..round.settings.clone()
            };
            let resampled = TrainingRound {
                rows: &resample.map_err(|error| error.to_string())?,
                settings: &settings,
                ..*round
            };
            known.push(update(&resampled, progress)?);
        }
        Ok(known)
    }
}

/// What training as agreed changes.
fn update(
    round: &TrainingRound<'_>,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Vec<f32>, String> {
    let trained = BuiltIn.train(round, progress)?;
    Ok(difference(&trained, round.weights))
}

fn difference(after: &[f32], before: &[f32]) -> Vec<f32> {
    let pairs = after.iter().zip(before);
    pairs.map(|(after, before)| after - before).collect()
}

/// Without models and updates.
impl fmt::Debug for Malicious {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Malicious")
            .field("attack", &self.attack)
            .field("member", &self.member)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use clap::ValueEnum;
    use unsilo_train::{Activation, Dataset, Device, MlpConfig, Trainer};

    fn rows() -> Dataset {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let features = (0..40 * 6).map(|_| random.random::<f32>()).collect();
        let labels = (0..40).map(|row| row % 3).collect();
        Dataset::new(features, labels, 6, 3).expect("rows")
    }

    fn attacker(attack: Attack) -> Malicious {
        Malicious {
            attack,
            member: 0,
            count: (5, 1),
            cabal: Arc::new(Cabal::new(1, Duration::ZERO)),
            seen: Mutex::default(),
        }
    }

    /// The updates that it sends in three rounds, and the honest ones of the same rows and seeds; models move by `step`.
    fn sent(attack: Attack, step: f32) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        let model = MlpConfig {
            layers: vec![6, 8, 3],
            activation: Activation::Relu,
        };
        let trainer = Trainer::new(model.clone(), Device::cpu()).expect("a trainer");
        let (rows, attacker) = (rows(), attacker(attack));
        let start = model.initial_weights(1);
        (1..=3_u64)
            .map(|number| {
                let weights: Vec<f32> = start.iter().map(|x| x + step * number as f32).collect();
                let settings = TrainConfig {
                    steps: 5,
                    seed: number,
                    ..TrainConfig::default()
                };
                let round = TrainingRound {
                    round: number,
                    weights: &weights,
                    rows: &rows,
                    trainer: &trainer,
                    settings: &settings,
                };
                let trained = attacker.train(&round, &mut |_| {}).expect("trained");
                let honest = update(&round, &mut |_| {}).expect("trained");
                (difference(&trained, &weights), honest)
            })
            .unzip()
    }

    #[test]
    fn each_attack_alone_sends_something_finite_that_is_its_honest_update_only_where_that_is_meant()
    {
        for attack in Attack::value_variants() {
            let (sent, honest) = sent(*attack, 0.01);
            let finite = sent.iter().flatten().all(|x| x.is_finite());
            assert!(finite && sent[0].len() == honest[0].len(), "{attack:?}");
            let far = |(sent, honest): (&Vec<f32>, &Vec<f32>)| {
                let away = difference(sent, honest);
                crate::attack::norm(&away) > 1e-3 * crate::attack::norm(honest)
            };
            let differs = sent.iter().zip(&honest).all(far);
            let honest_update = matches!(
                attack,
                Attack::None
                    | Attack::Copycat
                    | Attack::Sybils
                    | Attack::ColludingRaters
                    | Attack::Garbage
                    | Attack::BadShares
            );
            assert_eq!(differs, !honest_update, "{attack:?}");
        }
    }

    #[test]
    fn a_replay_is_of_the_models_that_the_attacker_was_shown() {
        // Every model is the one before, .01 more in each weight: a tenth of noise leaves a cosine of .995.
        let (sent, _) = sent(Attack::Replay, 0.01);
        for sent in &sent[1..] {
            let along: f64 = sent.iter().map(|x| f64::from(*x)).sum();
            let cosine = along / (crate::attack::norm(sent) * (sent.len() as f64).sqrt());
            assert!(cosine > 0.98, "{cosine}");
        }
    }

    #[test]
    fn rounds_without_a_model_are_no_history_and_six_models_are_kept() {
        let mut seen = Seen::default();
        assert!(seen.differences(&[1.0]).is_empty());
        assert!(seen.differences(&[1.0]).is_empty());
        for number in 2..=9 {
            seen.differences(&[number as f32]);
        }
        assert_eq!(
            seen.differences(&[11.0]),
            [[1.0], [1.0], [1.0], [1.0], [2.0]]
        );
        assert_eq!(seen.0.len(), RECENT_DIFFERENCES + 1);
    }
}
