//! What raters ask and say in a round, honest ones and liars.

use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use unsilo_fhe::{ChunkSample, Entropy};
use unsilo_ledger::{OwnerId, ParticipantId, raters};
use unsilo_participant::{
    Opinion, Score,
    rating::{self, Asked, Averages, Known},
};
use unsilo_train::TrainConfig;

use super::{
    federation::{Federation, Purpose, random},
    quantised::{self, Quantiser},
};
use crate::attack;

/// A round's accepted contributions.
pub(super) struct Accepted<'a> {
    /// Who, with the norm exponent.
    pub(super) of: Vec<(ParticipantId, u16)>,
    /// In steps, in the same order.
    pub(super) steps: Vec<Vec<i16>>,
    /// What each was multiplied by to stay within the norm bound, in the same order.
    pub(super) bounded: Vec<f64>,
    /// What was to be encrypted, in the same order.
    pub(super) updates: Vec<&'a [f32]>,
}

/// What one honest rater asked and was answered.
pub(super) struct Rated<'a> {
    pub(super) round: usize,
    pub(super) rater: usize,
    pub(super) weights: &'a [f32],
    /// What was not new to it.
    pub(super) known: Known<'a>,
    /// The settings that its directions came from.
    pub(super) training: &'a TrainConfig,
    pub(super) accepted: &'a Accepted<'a>,
    /// Whom it rates: positions in `accepted`.
    pub(super) rates: &'a [usize],
    pub(super) scores: &'a [Score],
    /// One quantisation step is 2^this.
    pub(super) unit_log2: i8,
}

/// A revealed row.
pub(super) struct Row {
    pub(super) rater: usize,
    /// One for each accepted contribution; 0 for the rater's own owner's.
    pub(super) opinions: Vec<Opinion>,
}

impl Row {
    /// Whether it says anything of anybody: one of zeros is the same as none.
    pub(super) fn says_something(&self) -> bool {
        let mut opinions = self.opinions.iter();
        opinions.any(|opinion| (opinion.score, opinion.reward) != (0, 0))
    }
}

/// Who rates in a round of a model of so many parameters: all owners where they fit, or those that the ledger's draw says.
pub(super) fn drawn(federation: &Federation<'_>, round: usize, parameters: usize) -> Vec<OwnerId> {
    let mut draw = random(federation.seed, Purpose::Draw, round);
    let owners: Vec<(OwnerId, u64)> = (0..federation.setting.owners())
        .map(|owner| (OwnerId(owner as u32), 1 << 32))
        .collect();
    raters::raters(parameters as u64, &draw.random(), &owners)
}

/// Asks and hears the raters of a round. Each owner has one, its first participant.
pub(super) struct Raters {
    averages: Vec<Averages>,
    asked: Vec<Asked>,
}

/// Where a round stands when it is rated.
pub(super) struct Moment<'a> {
    pub(super) round: usize,
    /// How many rounds before it gave a model.
    pub(super) models: u64,
    pub(super) weights: &'a [f32],
    pub(super) history: &'a [Vec<f32>],
    pub(super) quantiser: &'a Quantiser,
    pub(super) unit_log2: i8,
}

impl Raters {
    pub(super) fn new(participants: usize) -> Self {
        Self {
            averages: vec![Averages::new(); participants],
            asked: vec![Asked::new(); participants],
        }
    }

    pub(super) fn rows(
        &mut self,
        federation: &Federation<'_>,
        moment: &Moment<'_>,
        accepted: &Accepted<'_>,
        drawn: &[OwnerId],
        observe: &mut dyn FnMut(&Rated<'_>),
    ) -> Vec<Row> {
        let setting = federation.setting;
        let mut seeds = random(federation.seed, Purpose::Directions, moment.round);
        let mut errors = random(federation.seed, Purpose::Encryption, moment.round);
        let mut samples = random(federation.seed, Purpose::Sample, moment.round);
        drawn
            .iter()
            .filter_map(|OwnerId(rater)| {
                let rater = *rater as usize;
                let (seed, sample) = (seeds.random(), samples.random());
                let opinions = if setting.lies() && setting.is_attacker(rater) {
                    lie(federation, rater, &accepted.of)
                } else {
                    let training = setting.training(seed);
                    self.honest(
                        federation,
                        moment,
                        accepted,
                        (rater, &training, sample),
                        &mut errors,
                        observe,
                    )?
                };
                Some(Row { rater, opinions })
            })
            .collect()
    }

    /// `None` if it has no directions: then it does not rate in this round.
    fn honest(
        &mut self,
        federation: &Federation<'_>,
        moment: &Moment<'_>,
        accepted: &Accepted<'_>,
        (rater, training, sample): (usize, &TrainConfig, [u8; 32]),
        errors: &mut Xoshiro256PlusPlus,
        observe: &mut dyn FnMut(&Rated<'_>),
    ) -> Option<Vec<Opinion>> {
        let setting = federation.setting;
        // Its number stands for the model's hash.
        let mut model = [0; 32];
        model[..8].copy_from_slice(&moment.models.to_be_bytes());
        let before = self.asked[rater].clone();
        let asked = before.before(&model);
        let known = Known {
            differences: moment.history,
            asked: &asked,
        };
        let mut directions = rating::directions(
            &federation.trainer,
            &moment.quantiser.params,
            moment.weights,
            federation.rating_rows(rater),
            training,
            &known,
            &mut |_| {},
        )
        .ok()?;
        if let [_, second] = &directions[..] {
            self.asked[rater].keep(model, second.clone());
        }
        let sample = ChunkSample::draw(
            &moment.quantiser.params,
            setting.sampled_chunks,
            Entropy::from_bytes(sample),
        );
        if let Some(sample) = sample {
            for values in &mut directions {
                sample.restrict(&moment.quantiser.permutation, values);
            }
        }
        let others = |(_, (id, _)): &(usize, &(ParticipantId, u16))| {
            setting.owner(id.0 as usize) != setting.owner(rater)
        };
        let rates: Vec<usize> = accepted
            .of
            .iter()
            .enumerate()
            .filter(others)
            .map(|(at, _)| at)
            .collect();
        let mut scores = Vec::with_capacity(rates.len() * directions.len());
        for at in &rates {
            for (direction, vector) in (0..).zip(&directions) {
                scores.push(Score {
                    participant: accepted.of[*at].0,
                    direction,
                    value: quantised::product(vector, &accepted.steps[*at], errors),
                });
            }
        }
        let averages = &mut self.averages[rater];
        let chance = directions
            .first()
            .map_or(0.0, |direction| rating::chance_product(direction));
        averages.observe(moment.round as u64, &accepted.of, chance, &scores);
        let contributors: Vec<ParticipantId> = rates.iter().map(|at| accepted.of[*at].0).collect();
        let opinions = averages.opinions(&contributors);
        observe(&Rated {
            round: moment.round,
            rater,
            weights: moment.weights,
            known,
            training,
            accepted,
            rates: &rates,
            scores: &scores,
            unit_log2: moment.unit_log2,
        });
        let mut row = vec![Opinion::default(); accepted.of.len()];
        for (at, opinion) in rates.iter().zip(opinions) {
            row[*at] = opinion;
        }
        Some(row)
    }
}

/// An attacker's row: [`attack::lie`] about all but its own owner's contributions.
fn lie(
    federation: &Federation<'_>,
    rater: usize,
    accepted: &[(ParticipantId, u16)],
) -> Vec<Opinion> {
    let setting = federation.setting;
    let owner = setting.owner(rater);
    let is_own = |id: &ParticipantId| setting.owner(id.0 as usize) == owner;
    let others: Vec<ParticipantId> = accepted
        .iter()
        .map(|(id, _)| *id)
        .filter(|id| !is_own(id))
        .collect();
    let mut opinions = attack::lie(&others, setting.alone_praises_one, |id| {
        setting.is_attacker(id.0 as usize)
    })
    .into_iter();
    accepted
        .iter()
        .map(|(id, _)| match is_own(id) {
            true => Opinion::default(),
            false => opinions.next().unwrap_or_default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attack::Attack,
        simulate::scores::{Setting, Split, digits},
    };

    fn said(
        participants: usize,
        attackers: usize,
        attack: Attack,
        rater: usize,
    ) -> Vec<(i16, u16)> {
        let data = digits().expect("digits");
        let setting = Setting::new(participants, attackers, attack, Split::Iid);
        let federation = Federation::new(&setting, &data, 1).expect("a federation");
        let accepted: Vec<_> = (0..participants as u32)
            .map(|id| (ParticipantId(id), 80))
            .collect();
        let row = lie(&federation, rater, &accepted);
        row.iter().map(|one| (one.score, one.reward)).collect()
    }

    #[test]
    fn liars_praise_each_other_and_one_alone_praises_somebody() {
        let (good, bad, nothing) = ((i16::MAX, u16::MAX), (-i16::MAX, 0), (0, 0));
        assert_eq!(said(5, 2, Attack::Noise, 4), [bad, bad, bad, good, nothing]);
        assert_eq!(said(5, 1, Attack::Noise, 4), [good, bad, bad, bad, nothing]);
        // To its own owner's participants the ledger would not listen.
        assert_eq!(
            said(6, 3, Attack::Sybils, 3),
            [good, bad, bad, nothing, nothing, nothing]
        );
    }
}
