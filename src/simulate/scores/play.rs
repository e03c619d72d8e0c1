//! A federation, round by round: by the rule of the real round, or by one that needs the updates in the clear.

use std::collections::BTreeSet;

use unsilo_fhe::apply_mean;
use unsilo_ledger::{
    OwnerId, ParticipantId,
    committee::{half_of, minimum_cohort},
    unit,
    weights::{self, Contributor, Derivation},
};
use unsilo_participant::{copies::collapse, rating::HISTORY};

use super::{
    baselines::Baseline,
    committee::{Committee, Dealt},
    federation::{Federation, Purpose, Quality, random},
    payout::{Paid, Payout},
    quantised::{Quantiser, sum},
    rater::{Accepted, Moment, Rated, Raters, Row, drawn},
};
use crate::attack::{Attack, norm};

/// One quantisation step of the first round is 2^this: a federation's default.
const FIRST_UNIT_LOG2: i8 = -14;
/// Everybody's power: stake is equal.
const POWER: u64 = 1 << 32;

/// A federation that was played.
#[derive(Clone, Debug)]
pub(super) struct Played {
    pub(super) rounds: Vec<Round>,
    /// Of each epoch.
    pub(super) paid: Vec<Paid>,
}

/// What came of a round.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// Of the model after it.
    pub(super) quality: Quality,
    /// The owners that were drawn to rate.
    pub(super) drawn: Vec<OwnerId>,
    /// Whether its sum was opened: not if too few contributions, or contributions of too few owners, had weight.
    pub(super) opened: bool,
    /// Contributions that were rejected before they were scored.
    pub(super) rejected: usize,
    /// The attackers' part of sum z_j |u_j|.
    pub(super) attacker_share: f64,
    /// The part of the honest that had no weight.
    pub(super) excluded: f64,
    /// How often an honest contribution's consensus is above an attacker's; equal ones count half. `None` without both.
    pub(super) auc: Option<f64>,
}

/// The public model and its last differences.
struct Model {
    weights: Vec<f32>,
    history: Vec<Vec<f32>>,
    /// How many rounds gave it.
    published: u64,
}

impl Model {
    fn new(start: &[f32]) -> Self {
        Self {
            weights: start.to_vec(),
            history: Vec::new(),
            published: 0,
        }
    }

    fn publish(&mut self, next: Vec<f32>) {
        let pairs = next.iter().zip(&self.weights);
        self.history
            .push(pairs.map(|(new, old)| new - old).collect());
        if self.history.len() > HISTORY {
            self.history.remove(0);
        }
        self.weights = next;
        self.published += 1;
    }
}

/// Plays by the production rule. `observe` is told of every honest rater in every round.
pub(super) fn play(
    federation: &Federation<'_>,
    observe: &mut dyn FnMut(&Rated<'_>),
) -> anyhow::Result<Played> {
    let setting = federation.setting;
    let quantiser = Quantiser::new(federation.start.len())?;
    let mut seats = random(federation.seed, Purpose::Seats, 0);
    let committee = Committee::new(&quantiser.params, setting.owners(), &mut seats)?;
    let mut model = Model::new(&federation.start);
    let mut unit_log2 = FIRST_UNIT_LOG2;
    let mut raters = Raters::new(setting.participants);
    let mut payout = Payout::new(setting.owners());
    let mut played = Played {
        rounds: Vec::with_capacity(setting.rounds),
        paid: Vec::new(),
    };
    for round in 1..=setting.rounds {
        let updates = federation.updates(round, &model.weights, &model.history)?;
        let accepted = accept(
            federation,
            (&quantiser, &committee),
            round,
            unit_log2,
            &updates,
        )?;
        let moment = Moment {
            round,
            models: model.published,
            weights: &model.weights,
            history: &model.history,
            quantiser: &quantiser,
            unit_log2,
        };
        let drawn = drawn(federation, round, model.weights.len());
        let rows = raters.rows(federation, &moment, &accepted, &drawn, observe);
        let owners: Vec<_> = accepted
            .of
            .iter()
            .map(|(id, _)| setting.owner(id.0 as usize))
            .collect();
        for row in &rows {
            payout.revealed(round, setting.owner(row.rater), &owners, &row.opinions);
        }
        let said_something = rows.iter().filter(|row| row.says_something());
        let rated: Vec<OwnerId> = said_something.map(|row| setting.owner(row.rater)).collect();
        payout.weighed(&drawn, &rated);
        let derivation = weigh(federation, &accepted, &rows);
        let opened = !derivation.brake && has_cohort(setting.owners(), &derivation);
        if opened {
            let mut errors = random(federation.seed, Purpose::Decryption, round);
            let sum = sum(&accepted.steps, &derivation.weights, &mut errors);
            let mut next = model.weights.clone();
            apply_mean(&mut next, &sum, unit_log2)?;
            model.publish(next);
            payout.published(&owners);
            let parameters = model.weights.len() as u64;
            unit_log2 = unit::next_unit_log2(parameters, unit_log2, derivation.median_exponent);
        }
        played.rounds.push(Round {
            quality: federation.quality(&model.weights)?,
            drawn,
            opened,
            rejected: setting.participants - accepted.of.len(),
            attacker_share: attacker_share(federation, &accepted, &derivation.weights),
            excluded: excluded(federation, &accepted, &derivation.weights),
            auc: auc(federation, &derivation),
        });
        played
            .paid
            .extend(payout.after_round(round == setting.rounds)?);
    }
    Ok(played)
}

/// Quantises a round's updates, has them judged, and leaves out what is rejected and all but exact copies of earlier ones,
/// before anybody scores them. They are committed in the participants' order.
fn accept<'a>(
    federation: &Federation<'_>,
    (quantiser, committee): (&Quantiser, &Committee),
    round: usize,
    unit_log2: i8,
    updates: &'a [Vec<f32>],
) -> anyhow::Result<Accepted<'a>> {
    let setting = federation.setting;
    let mut rounding = random(federation.seed, Purpose::Rounding, round);
    let mut steps = Vec::with_capacity(updates.len());
    let mut bounded = Vec::with_capacity(updates.len());
    let mut sent = Vec::with_capacity(updates.len());
    for (participant, update) in updates.iter().enumerate() {
        let encoded = quantiser.encoded(unit_log2, update, &mut rounding)?;
        steps.push(quantiser.in_models_order(&encoded));
        bounded.push(encoded.clip());
        sent.push(match setting.attack {
            Attack::Garbage if setting.is_attacker(participant) => Dealt::Garbage(encoded),
            Attack::BadShares if setting.is_attacker(participant) => {
                let nothing = vec![0.0; update.len()];
                let other = quantiser.encoded(unit_log2, &nothing, &mut rounding)?;
                Dealt::BadShares(encoded, other)
            }
            _ => Dealt::AsAgreed(encoded),
        });
    }
    let mut challenge = random(federation.seed, Purpose::Projections, round);
    let verdict = committee.judge(round, sent, &mut challenge)?;
    let judged = &verdict.judgement().accepted;
    let positions = judged.iter().map(|(id, _)| (*id, *id));
    let copies = collapse(&verdict.copies(), positions);
    let originals = judged.iter().filter(|(id, _)| !copies.contains_key(id));
    let mut accepted = Accepted {
        of: Vec::new(),
        steps: Vec::new(),
        bounded: Vec::new(),
        updates: Vec::new(),
    };
    for (id, norm_exponent) in originals {
        let at = *id as usize;
        accepted.of.push((ParticipantId(*id), *norm_exponent));
        accepted.steps.push(std::mem::take(&mut steps[at]));
        accepted.bounded.push(bounded[at]);
        accepted.updates.push(&updates[at]);
    }
    Ok(accepted)
}

fn weigh(federation: &Federation<'_>, accepted: &Accepted<'_>, rows: &[Row]) -> Derivation {
    let setting = federation.setting;
    let contributors: Vec<Contributor> = accepted
        .of
        .iter()
        .map(|(participant, norm_exponent)| Contributor {
            participant: *participant,
            owner: setting.owner(participant.0 as usize),
            norm_exponent: *norm_exponent,
        })
        .collect();
    let scores: Vec<Vec<i16>> = rows
        .iter()
        .map(|row| row.opinions.iter().map(|opinion| opinion.score).collect())
        .collect();
    let rows: Vec<weights::Row<'_>> = rows
        .iter()
        .zip(&scores)
        .map(|(row, scores)| weights::Row {
            participant: ParticipantId(row.rater as u32),
            owner: setting.owner(row.rater),
            power: POWER,
            scores,
        })
        .collect();
    weights::derive(&contributors, &rows)
}

/// Whether those with weight belong to as many of `owners` active owners as the sum of a default federation needs.
fn has_cohort(owners: usize, derivation: &Derivation) -> bool {
    let contributors = derivation.contributors.iter().zip(&derivation.weights);
    let with_weight = contributors.filter(|(_, weight)| **weight > 0);
    let cohort: BTreeSet<OwnerId> = with_weight.map(|(one, _)| one.owner).collect();
    cohort.len() >= minimum_cohort(owners).max(half_of(owners))
}

fn attacker_share(federation: &Federation<'_>, accepted: &Accepted<'_>, weights: &[u16]) -> f64 {
    let (mut theirs, mut all) = (0.0, 0.0);
    for (((id, _), update), weight) in accepted.of.iter().zip(&accepted.updates).zip(weights) {
        let moved = f64::from(*weight) * norm(update);
        all += moved;
        if federation.setting.is_attacker(id.0 as usize) {
            theirs += moved;
        }
    }
    if all > 0.0 { theirs / all } else { 0.0 }
}

fn excluded(federation: &Federation<'_>, accepted: &Accepted<'_>, weights: &[u16]) -> f64 {
    let setting = federation.setting;
    let honest = setting.participants - setting.attackers;
    let with_weight = accepted
        .of
        .iter()
        .zip(weights)
        .filter(|((id, _), weight)| **weight > 0 && !setting.is_attacker(id.0 as usize));
    1.0 - with_weight.count() as f64 / honest.max(1) as f64
}

fn auc(federation: &Federation<'_>, derivation: &Derivation) -> Option<f64> {
    let contributors = derivation.contributors.iter().zip(&derivation.consensus);
    let (attackers, honest): (Vec<_>, Vec<_>) = contributors
        .partition(|(one, _)| federation.setting.is_attacker(one.participant.0 as usize));
    let pairs = (attackers.len() * honest.len()) as f64;
    let wins: f64 = honest
        .iter()
        .flat_map(|(_, honest)| {
            attackers
                .iter()
                .map(move |(_, attacker)| (honest, attacker))
        })
        .map(|(honest, attacker)| match honest.cmp(attacker) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .sum();
    (pairs > 0.0).then(|| wins / pairs)
}

/// Plays by a rule of the literature on the same data, batches and attacks, updates in the clear. It is told how many
/// attackers there are. Returns what the last model is worth.
pub(super) fn play_baseline(
    federation: &Federation<'_>,
    baseline: Baseline,
) -> anyhow::Result<Quality> {
    let setting = federation.setting;
    let mut model = Model::new(&federation.start);
    for round in 1..=setting.rounds {
        let mut updates = federation.updates(round, &model.weights, &model.history)?;
        if setting.attack.is_rejected() {
            // Nobody can add up what is no update.
            updates.truncate(setting.participants - setting.attackers);
        }
        let server = if baseline == Baseline::FlTrust {
            federation.server_update(round, &model.weights)?
        } else {
            vec![0.0; model.weights.len()]
        };
        let step = baseline.step(&updates, setting.attackers, &server);
        let next: Vec<f32> = model
            .weights
            .iter()
            .zip(&step)
            .map(|(x, step)| x + step)
            .collect();
        // A model that is no longer numbers stays as it was.
        if next.iter().all(|x| x.is_finite()) {
            model.publish(next);
        }
    }
    federation.quality(&model.weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::scores::{Setting, Split, digits};

    fn played(setting: &Setting, seed: u64) -> Played {
        let data = digits().expect("digits");
        let federation = Federation::new(setting, &data, seed).expect("a federation");
        play(&federation, &mut |_| ()).expect("played")
    }

    fn short(attackers: usize, attack: Attack) -> Setting {
        Setting {
            rounds: 6,
            ..Setting::new(6, attackers, attack, Split::Iid)
        }
    }

    #[test]
    fn a_model_is_learnt_and_everybody_has_a_part_in_it() {
        let played = played(&short(0, Attack::None), 1);
        let accuracies: Vec<f64> = played
            .rounds
            .iter()
            .map(|one| one.quality.accuracy)
            .collect();
        assert!(
            accuracies[5] > accuracies[0] && accuracies[5] > 0.5,
            "{accuracies:?}"
        );
        assert!(
            played
                .rounds
                .iter()
                .all(|one| one.opened && one.auc.is_none() && one.rejected == 0)
        );
        assert_eq!(played.rounds[5].excluded, 0.0);
        assert_eq!(played.paid.len(), 1);
        assert!(
            played.paid[0].all.iter().all(|paid| *paid > 0),
            "{:?}",
            played.paid
        );
    }

    #[test]
    fn sign_flippers_have_no_weight_and_are_told_from_the_honest() {
        let played = played(&short(2, Attack::SignFlip), 1);
        for round in &played.rounds {
            assert_eq!(
                (round.attacker_share, round.auc),
                (0.0, Some(1.0)),
                "{round:?}"
            );
        }
    }

    #[test]
    fn what_the_committee_rejects_is_neither_scored_nor_paid() {
        for attack in [Attack::Garbage, Attack::BadShares] {
            let played = played(&short(2, attack), 1);
            for round in &played.rounds {
                assert_eq!(
                    (round.rejected, round.attacker_share, round.auc),
                    (2, 0.0, None)
                );
            }
            assert_eq!(played.paid[0].contributor[4..], [0, 0]);
        }
    }

    #[test]
    fn of_the_same_update_sent_twice_the_first_counts() {
        let setting = short(0, Attack::None);
        let data = digits().expect("digits");
        let federation = Federation::new(&setting, &data, 1).expect("a federation");
        let mut updates = federation
            .updates(1, &federation.start, &[])
            .expect("updates");
        updates[4] = updates[2].clone();
        let quantiser = Quantiser::new(federation.start.len()).expect("parameters");
        let committee =
            Committee::new(&quantiser.params, 6, &mut random(1, Purpose::Seats, 0)).expect("seats");
        let makers = (&quantiser, &committee);
        let accepted = accept(&federation, makers, 1, FIRST_UNIT_LOG2, &updates).expect("judged");
        let ids: Vec<u32> = accepted.of.iter().map(|(id, _)| id.0).collect();
        assert_eq!(ids, [0, 1, 2, 3, 5]);
    }

    #[test]
    fn the_same_seed_plays_the_same() {
        let setting = short(1, Attack::Stealth);
        let text = |seed| format!("{:?}", played(&setting, seed));
        assert_eq!(text(3), text(3));
        assert_ne!(text(3), text(4));
    }

    #[test]
    fn a_boosted_update_ruins_the_mean_and_not_the_median() {
        let setting = Setting {
            rounds: 12,
            ..Setting::new(6, 2, Attack::Boost, Split::Iid)
        };
        let data = digits().expect("digits");
        let federation = Federation::new(&setting, &data, 1).expect("a federation");
        let accuracy = |rule| play_baseline(&federation, rule).expect("played").accuracy;
        assert!(accuracy(Baseline::Median) > accuracy(Baseline::FedAvg));
    }
}
