//! Who takes part, what they train on, and what they send.

use anyhow::Context;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use unsilo_ledger::OwnerId;
use unsilo_participant::{
    data::stratified_holdout,
    rating::{DEFAULT_SHARE, SAMPLED_CHUNKS, asks_by_all_rows, held_out_fraction},
};
use unsilo_train::{
    Activation, Dataset, Device, MlpConfig, TrainConfig, TrainError, Trainer, largest,
};

use super::split::Split;
use crate::attack::{Attack, Scene};

/// Participants at most. A round of a hundred takes a minute.
pub(crate) const MOST_PARTICIPANTS: u16 = 100;
/// Local steps of a round, rows of a step, learning rate: those that the design's bounds were set for.
const STEPS: usize = 10;
const BATCH: usize = 16;
const LEARNING_RATE: f64 = 0.1;
/// Clean rows that FLTrust's server has, as in its paper (Cao et al. 2021, section V).
const SERVER_ROWS: usize = 100;

/// A federation to play.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) participants: usize,
    /// The last ones attack.
    pub(crate) attackers: usize,
    pub(crate) attack: Attack,
    /// Attackers also lie as raters.
    pub(crate) colluding: bool,
    pub(crate) split: Split,
    pub(crate) rounds: usize,
    /// Units of the one hidden layer.
    pub(crate) hidden: usize,
    /// What local training subtracts from the logits of classes with fewer than two own rows.
    pub(crate) rare_class_offset: f32,
    /// Whether raters ask by all their rows, and not by those kept back; `None`: as production does, where those are few.
    pub(crate) all_rows_rate: Option<bool>,
    /// Rows that each keeps back to rate by: [`Setting::KEEP_DEFAULT`], or about so many.
    pub(crate) rows_kept_back: usize,
    /// Chunks of 2048 parameters that each rater samples in each round, of models that have more.
    pub(crate) sampled_chunks: usize,
    /// A liar that has no fellows puts its whole row on the first participant; otherwise it praises nobody, and its row is absent.
    pub(crate) alone_praises_one: bool,
    /// In so many rounds at the beginning attackers send what they trained.
    pub(crate) honest_rounds: usize,
    /// Participant i of n has i/n of its labels replaced by random ones: nobody attacks, but some are worth more.
    pub(crate) graded_noise: bool,
}

impl Setting {
    /// As many rows as production keeps back: 15 %, but at least 50 if that is not more than half.
    pub(crate) const KEEP_DEFAULT: usize = 0;

    /// The design's default: 40 rounds of a 32-unit model.
    pub(crate) fn new(participants: usize, attackers: usize, attack: Attack, split: Split) -> Self {
        Self {
            participants,
            attackers: if attack == Attack::None { 0 } else { attackers },
            attack,
            colluding: false,
            split,
            rounds: 40,
            hidden: 32,
            rare_class_offset: TrainConfig::default().rare_class_offset,
            all_rows_rate: None,
            rows_kept_back: Self::KEEP_DEFAULT,
            sampled_chunks: SAMPLED_CHUNKS,
            alone_praises_one: true,
            honest_rounds: 0,
            graded_noise: false,
        }
    }

    /// The part of its rows that a participant keeps back.
    fn fraction(&self, rows: usize) -> f64 {
        if self.rows_kept_back == Self::KEEP_DEFAULT {
            held_out_fraction(rows, DEFAULT_SHARE)
        } else {
            (self.rows_kept_back as f64 / rows.max(1) as f64).min(0.5)
        }
    }

    pub(super) fn is_attacker(&self, participant: usize) -> bool {
        participant >= self.participants - self.attackers
    }

    /// Each participant is an owner of its own, but sybils share the first one's.
    pub(super) fn owner(&self, participant: usize) -> OwnerId {
        let first = self.participants - self.attackers;
        let one = if self.attack == Attack::Sybils {
            participant.min(first)
        } else {
            participant
        };
        OwnerId(one as u32)
    }

    /// Owners in all.
    pub(super) fn owners(&self) -> usize {
        self.owner(self.participants - 1).0 as usize + 1
    }

    /// Whether attackers lie as raters.
    pub(super) fn lies(&self) -> bool {
        self.colluding || self.attack == Attack::ColludingRaters
    }

    /// Local training of a round.
    pub(super) fn training(&self, seed: u64) -> TrainConfig {
        TrainConfig {
            steps: STEPS,
            batch: BATCH,
            learning_rate: LEARNING_RATE,
            seed,
            rare_class_offset: self.rare_class_offset,
            ..TrainConfig::default()
        }
    }
}

/// What random numbers are for: each purpose has its own, so that one more draw for one changes nothing for the others.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Split,
    Labels,
    Training,
    Attack,
    Rounding,
    Encryption,
    Decryption,
    Projections,
    Directions,
    Draw,
    Seats,
    Sample,
}

/// Random numbers for one purpose in one round.
pub(super) fn random(seed: u64, purpose: Purpose, round: usize) -> Xoshiro256PlusPlus {
    let mut of_seed = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut of_purpose =
        Xoshiro256PlusPlus::seed_from_u64(of_seed.random::<u64>() ^ purpose as u64);
    Xoshiro256PlusPlus::seed_from_u64(of_purpose.random::<u64>() ^ round as u64)
}

/// One participant's data.
struct Rows {
    /// What it contributes from.
    training: Dataset,
    /// What it rates by.
    rating: Dataset,
}

/// A federation with its data.
pub(super) struct Federation<'a> {
    pub(super) setting: &'a Setting,
    pub(super) seed: u64,
    pub(super) trainer: Trainer,
    /// The first model.
    pub(super) start: Vec<f32>,
    rows: Vec<Rows>,
    test: Dataset,
    /// The test rows as attackers show them to the model; empty where they want nothing in particular.
    shown: Vec<f32>,
    /// What FLTrust's server has.
    clean: Dataset,
}

/// How good a model is.
#[derive(Clone, Debug)]
pub(super) struct Quality {
    pub(super) accuracy: f64,
    /// Of the last class alone: the one that is a niche in the split of that name.
    pub(super) last_class: f64,
    /// How often it does what the attackers want.
    pub(super) success: Option<f64>,
}

impl<'a> Federation<'a> {
    pub(super) fn new(setting: &'a Setting, data: &Dataset, seed: u64) -> anyhow::Result<Self> {
        let model = MlpConfig {
            layers: vec![data.columns(), setting.hidden, data.classes()],
            activation: Activation::Relu,
        };
        let mut split_random = random(seed, Purpose::Split, 0);
        let shared = setting
            .split
            .share(data, setting.participants, &mut split_random)?;
        let first = setting.participants - setting.attackers;
        let mut labels = random(seed, Purpose::Labels, 0);
        let rows = (0..setting.participants)
            .map(|participant| {
                let owned = &shared.of[participant];
                let own = data.subset(owned)?;
                let fraction = setting.fraction(own.rows());
                let holdout = stratified_holdout(own.labels(), fraction, seed)?;
                let mut training = own.subset(&holdout.train)?;
                if setting.is_attacker(participant) {
                    training = match setting.attack {
                        // An honest participant's rows: all that it trains on, copied.
                        Attack::Copycat => {
                            let victim = data.subset(&shared.of[0])?;
                            let fraction = setting.fraction(victim.rows());
                            let theirs = stratified_holdout(victim.labels(), fraction, seed)?;
                            victim.subset(&theirs.train)?
                        }
                        Attack::Sybils => data.subset(&shared.of[first])?,
                        other => other.rows(&training)?,
                    };
                }
                if setting.graded_noise {
                    let part = participant as f64 / setting.participants as f64;
                    training = noisy(&training, part, &mut labels)?;
                }
                let few = setting
                    .all_rows_rate
                    .unwrap_or_else(|| asks_by_all_rows(holdout.held_out.len()));
                let rating = if few {
                    own
                } else {
                    own.subset(&holdout.held_out)?
                };
                Ok(Rows { training, rating })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let test = data.subset(&shared.test)?;
        let all = shared.of.concat();
        let mut clean = Vec::new();
        for _ in 0..SERVER_ROWS {
            clean.push(all[split_random.random_range(0..all.len())]);
        }
        Ok(Self {
            setting,
            seed,
            start: model.initial_weights(seed),
            trainer: Trainer::new(model, Device::cpu()).context("the model")?,
            rows,
            shown: setting.attack.wanted_on(&test),
            test,
            clean: data.subset(&clean)?,
        })
    }

    /// What everybody sends in a round that starts from `weights`, after `history` (differences of models, oldest first).
    pub(super) fn updates(
        &self,
        round: usize,
        weights: &[f32],
        history: &[Vec<f32>],
    ) -> anyhow::Result<Vec<Vec<f32>>> {
        let setting = self.setting;
        let mut seeds = random(self.seed, Purpose::Training, round);
        let mut updates = self
            .rows
            .iter()
            .map(|rows| self.update(&rows.training, weights, seeds.random()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        if round <= setting.honest_rounds {
            return Ok(updates);
        }
        let (honest, own) = updates.split_at_mut(setting.participants - setting.attackers);
        let mut random = random(self.seed, Purpose::Attack, round);
        for own in own {
            let scene = Scene {
                round: round as u64,
                weights,
                own,
                honest,
                count: (setting.participants, setting.attackers),
                history,
            };
            *own = setting.attack.update(&scene, &mut random);
        }
        Ok(updates)
    }

    /// The update on the clean rows that FLTrust's server has.
    pub(super) fn server_update(&self, round: usize, weights: &[f32]) -> anyhow::Result<Vec<f32>> {
        let mut seeds = random(self.seed, Purpose::Training, round);
        self.update(&self.clean, weights, !seeds.random::<u64>())
    }

    /// Where training diverges, nothing is learnt: a model that a rule has let an attacker ruin cannot be trained.
    fn update(&self, rows: &Dataset, weights: &[f32], seed: u64) -> anyhow::Result<Vec<f32>> {
        match self
            .trainer
            .train(weights, rows, &self.setting.training(seed), &mut |_| {})
        {
            Ok(trained) => Ok(trained
                .iter()
                .zip(weights)
                .map(|(to, from)| to - from)
                .collect()),
            Err(TrainError::Diverged { .. }) => Ok(vec![0.0; weights.len()]),
            Err(error) => Err(error.into()),
        }
    }

    /// The rows that a participant rates by.
    pub(super) fn rating_rows(&self, participant: usize) -> &Dataset {
        &self.rows[participant].rating
    }

    pub(super) fn quality(&self, weights: &[f32]) -> anyhow::Result<Quality> {
        let evaluation = self.trainer.evaluate(weights, &self.test)?;
        let last = evaluation.per_class.last().copied().unwrap_or((0, 0));
        let attack = self.setting.attack;
        let success = if self.setting.attackers > 0 && attack.wants_something() {
            let logits = self.trainer.logits(weights, &self.shown)?;
            let predicted: Vec<usize> = logits.chunks(self.test.classes()).map(largest).collect();
            attack.success(&self.test, &predicted)
        } else {
            None
        };
        Ok(Quality {
            accuracy: evaluation.accuracy,
            last_class: last.0 as f64 / last.1.max(1) as f64,
            success,
        })
    }

    /// The loss on the test rows, in nats.
    pub(super) fn loss(&self, weights: &[f32]) -> anyhow::Result<f64> {
        Ok(self.trainer.evaluate(weights, &self.test)?.loss)
    }
}

/// `rows` with this part of the labels replaced by random ones.
fn noisy(
    rows: &Dataset,
    part: f64,
    random: &mut Xoshiro256PlusPlus,
) -> Result<Dataset, unsilo_train::DatasetError> {
    let labels = rows.labels().iter().map(|label| {
        if random.random::<f64>() < part {
            random.random_range(0..rows.classes() as u32)
        } else {
            *label
        }
    });
    let labels = labels.collect();
    Dataset::new(
        rows.features().to_vec(),
        labels,
        rows.columns(),
        rows.classes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::scores::digits;

    #[test]
    fn sybils_are_one_owner_and_train_on_the_same_rows_and_copycats_on_an_honest_ones() {
        let data = digits().expect("digits");
        let sybils = Setting::new(10, 3, Attack::Sybils, Split::Iid);
        let owners: Vec<u32> = (0..10).map(|one| sybils.owner(one).0).collect();
        assert_eq!(owners, [0, 1, 2, 3, 4, 5, 6, 7, 7, 7]);
        assert_eq!(sybils.owners(), 8);
        let federation = Federation::new(&sybils, &data, 1).expect("a federation");
        assert!(federation.rows[7].training == federation.rows[9].training);
        let copycats = Setting::new(10, 3, Attack::Copycat, Split::Iid);
        assert_eq!(copycats.owners(), 10);
        let federation = Federation::new(&copycats, &data, 1).expect("a federation");
        assert!(federation.rows[0].training == federation.rows[8].training);
        assert!(federation.rows[0].training != federation.rows[1].training);
    }

    #[test]
    fn the_same_seed_gives_the_same_updates_and_every_round_others() {
        let data = digits().expect("digits");
        let setting = Setting::new(5, 1, Attack::Noise, Split::Iid);
        let updates = |seed, round| {
            let federation = Federation::new(&setting, &data, seed).expect("a federation");
            federation
                .updates(round, &federation.start, &[])
                .expect("updates")
        };
        assert_eq!(updates(1, 1), updates(1, 1));
        assert_ne!(updates(1, 1), updates(1, 2));
        assert_ne!(updates(1, 1), updates(2, 1));
    }

    #[test]
    fn graded_noise_leaves_the_first_participants_labels_and_spoils_the_last_ones_most() {
        let data = digits().expect("digits");
        let clean = Setting::new(8, 0, Attack::None, Split::Iid);
        let noisy = Setting {
            graded_noise: true,
            ..clean.clone()
        };
        let of = |setting| Federation::new(setting, &data, 1).expect("a federation");
        let (clean, noisy) = (of(&clean), of(&noisy));
        let wrong = |participant: usize| {
            let (a, b) = (
                &clean.rows[participant].training,
                &noisy.rows[participant].training,
            );
            let wrong = a
                .labels()
                .iter()
                .zip(b.labels())
                .filter(|(a, b)| a != b)
                .count();
            wrong as f64 / a.rows() as f64
        };
        assert_eq!(wrong(0), 0.0);
        // 7/8 of them are drawn anew, and a tenth of those hit.
        assert!((wrong(7) - 0.79).abs() < 0.1, "{}", wrong(7));
    }
}
