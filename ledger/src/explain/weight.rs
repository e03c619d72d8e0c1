//! Why a contribution weighs what it weighs in the sum of its round.

use super::history::{RatedRow, RoundFacts, Weighed};
use crate::mechanism::weighted_median;
use crate::member::{OwnerId, ParticipantId};
use crate::weights::{
    Contributor, Derivation, MAX_WEIGHT, ONE_Q16, Omitted, Row, Standing, derive, derive_without,
    opinion,
};

/// A norm up to this many eighths of a factor of two above the median is not clipped: a factor of 2.
const FREE_EIGHTHS: u16 = 8;

/// An accepted contribution's way to its weight. Fractions are Q16 unless another unit is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightStory {
    /// Its weight: 0 or 16..=256.
    pub weight: u16,
    /// The sum of all weights of the round.
    pub total: u64,
    /// The number of accepted contributions, and of those with weight.
    pub accepted: (usize, usize),
    /// e_j: the members' estimate of its norm is 2^(e/8) steps.
    pub norm_exponent: u16,
    /// e_B: the median of these.
    pub median_exponent: u16,
    /// What the norm leaves of the weight.
    pub clip: u32,
    /// What all present rows support, signed; `None` if fewer than 4 were present.
    pub first_consensus: Option<i32>,
    /// What the rows that agree support, not below 0; 1 if fewer than 4 rows were present.
    pub consensus: u32,
    /// The same before it is cut at 0; `None` if no rating reaches a majority.
    pub median: Option<i32>,
    /// Rows that said something in anybody's favour, and those whose power was kept.
    pub rows: (usize, usize),
    /// The most that 4 consensus counts for: 1.5 medians.
    pub cap: u64,
    /// Whether the cap was reached.
    pub is_capped: bool,
    /// What is left after cap and clip.
    pub clipped: u64,
    /// The largest such value of the round, which weighs 256.
    pub largest: u64,
    /// The weight before the ceiling.
    pub uncapped: u16,
    /// The ceiling of the round; 256 if it was not needed.
    pub ceiling: u16,
    /// The round's raters, the highest opinion first; those that had no say last.
    pub ratings: Vec<ReceivedRating>,
    /// What would have changed the weight.
    pub what_ifs: Vec<WeightWhatIf>,
}

/// What one rater said about the contribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedRating {
    /// Who.
    pub rater: ParticipantId,
    /// Whom it belongs to.
    pub owner: OwnerId,
    /// The owner's stake.
    pub stake: u64,
    /// What its word weighs, in Q32: its capped share of all stake.
    pub power: u64,
    /// a_ij, as it was revealed.
    pub score: i16,
    /// x_ij: that as a part of all that the rater said in anybody's favour; `None` if it said nothing such.
    pub opinion: Option<i32>,
    /// How the row was taken.
    pub standing: Standing,
    /// It belongs to the contribution's owner: no say about it.
    pub is_own: bool,
    /// Its rating is the weighted median.
    pub decides: bool,
}

/// One thing changed, and the weight that the rule gives then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightWhatIf {
    /// What.
    pub change: WeightChange,
    /// The weight then.
    pub weight: u16,
    /// The sum of all weights then.
    pub total: u64,
    /// The sum must not be opened then: too few contributions have weight.
    pub brake: bool,
}

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightChange {
    /// The norm is the longest that is not clipped, 2^(e/8) steps.
    NormNotClipped {
        /// e.
        exponent: u16,
    },
    /// No contribution is cut at 1.5 medians.
    WithoutCap,
    /// The ceiling does not come down.
    WithoutCeiling,
    /// Rows that do not agree with the others keep their power.
    EveryRowCounts,
    /// Stake gives power without the cap.
    WithoutPowerCap,
    /// All raters have the same power.
    EqualPower,
    /// The rater that rated it lowest of those that count said what the median says.
    LowestLikeMedian {
        /// Who.
        rater: ParticipantId,
    },
}

impl WeightStory {
    /// Of an accepted contribution of a round that was weighed; `None` otherwise.
    pub fn of(facts: &RoundFacts, participant: ParticipantId) -> Option<Self> {
        let weighed = facts.weighed.as_ref()?;
        let derivation = &weighed.derivation;
        let column = derivation
            .contributors
            .iter()
            .position(|one| one.participant == participant)?;
        let contributor = derivation.contributors.get(column)?;
        let (ratings, median) = received(weighed, column, contributor);
        let clip = *derivation.clips.get(column)?;
        let consensus = *derivation.consensus.get(column)?;
        let present = |standing: &Standing| *standing != Standing::Absent;
        let kept = |standing: &Standing| *standing == Standing::Agrees;
        let count = |test: &dyn Fn(&Standing) -> bool| {
            let rows = derivation.rows.iter();
            rows.filter(|(_, standing)| test(standing)).count()
        };
        let story = Self {
            weight: *derivation.weights.get(column)?,
            total: total(derivation),
            accepted: (
                derivation.contributors.len(),
                derivation.weights.iter().filter(|one| **one > 0).count(),
            ),
            norm_exponent: contributor.norm_exponent,
            median_exponent: derivation.median_exponent,
            clip,
            first_consensus: derivation.first_consensus.get(column).copied(),
            consensus,
            median,
            rows: (count(&present), count(&kept)),
            cap: derivation.cap,
            is_capped: u64::from(consensus).saturating_mul(4) > derivation.cap,
            clipped: *derivation.clipped.get(column)?,
            largest: derivation.clipped.iter().copied().max().unwrap_or(0),
            uncapped: *derivation.uncapped.get(column)?,
            ceiling: derivation.ceiling,
            ratings,
            what_ifs: Vec::new(),
        };
        let what_ifs = story.what_ifs(weighed, column, contributor);
        Some(Self { what_ifs, ..story })
    }

    fn what_ifs(
        &self,
        weighed: &Weighed,
        column: usize,
        contributor: &Contributor,
    ) -> Vec<WeightWhatIf> {
        let (contributors, rows) = (weighed.contributors(), weighed.rows());
        let mut what_ifs = Vec::new();
        let mut add = |change, derivation: &Derivation| {
            what_ifs.push(WeightWhatIf {
                change,
                weight: derivation.weights.get(column).copied().unwrap_or(0),
                total: total(derivation),
                brake: derivation.brake,
            });
        };
        let without = |omitted| derive_without(contributors, &rows, omitted);
        if self.clip < ONE_Q16 {
            let exponent = self.median_exponent.saturating_add(FREE_EIGHTHS);
            let shorter: Vec<Contributor> = contributors
                .iter()
                .map(|one| Contributor {
                    norm_exponent: if one.participant == contributor.participant {
                        exponent
                    } else {
                        one.norm_exponent
                    },
                    ..*one
                })
                .collect();
            let change = WeightChange::NormNotClipped { exponent };
            add(change, &derive(&shorter, &rows));
        }
        if self.is_capped {
            let omitted = Omitted {
                cap: true,
                ..Omitted::default()
            };
            add(WeightChange::WithoutCap, &without(omitted));
        }
        if self.ceiling < MAX_WEIGHT {
            let omitted = Omitted {
                ceiling: true,
                ..Omitted::default()
            };
            add(WeightChange::WithoutCeiling, &without(omitted));
        }
        if self.rows.1 < self.rows.0 {
            let omitted = Omitted {
                agreement: true,
                ..Omitted::default()
            };
            add(WeightChange::EveryRowCounts, &without(omitted));
        }
        if self.first_consensus.is_none() {
            // Nobody was asked: nothing about ratings or power changes anything.
            return what_ifs;
        }
        let with_power = |power_of: &dyn Fn(&RatedRow) -> u64| {
            let rows: Vec<Row<'_>> = weighed
                .rows
                .iter()
                .map(|row| Row {
                    power: power_of(row),
                    ..row.as_row()
                })
                .collect();
            derive(contributors, &rows)
        };
        let stakes = || weighed.rows.iter().map(|row| row.stake);
        if stakes().max() != stakes().min() {
            let uncapped = with_power(&|row| row.stake);
            add(WeightChange::WithoutPowerCap, &uncapped);
            add(WeightChange::EqualPower, &with_power(&|_| 1));
        }
        if let Some((rater, derivation)) = self.lowest_like_median(weighed, column) {
            let change = WeightChange::LowestLikeMedian { rater };
            add(change, &derivation);
        }
        what_ifs
    }

    /// The rule with the lowest rating that counts raised to the median, the rater's other ratings left as
    /// they are.
    fn lowest_like_median(
        &self,
        weighed: &Weighed,
        column: usize,
    ) -> Option<(ParticipantId, Derivation)> {
        let median = self.median.filter(|median| *median > 0)?;
        let lowest = self
            .ratings
            .iter()
            .filter(|rating| rating.standing == Standing::Agrees && !rating.is_own)
            .filter(|rating| rating.opinion.is_some_and(|opinion| opinion < median))
            .min_by_key(|rating| rating.opinion)?;
        let row = weighed
            .rows
            .iter()
            .find(|row| row.participant == lowest.rater)?;
        // x = a / (a + others) = C, so a = C · others / (1 - C).
        let others = weighed
            .contributors()
            .iter()
            .zip(&row.scores)
            .enumerate()
            .filter(|(index, (one, _))| *index != column && one.owner != row.owner)
            .fold(0_i64, |sum, (_, (_, score))| {
                sum.saturating_add(i64::from(*score).max(0))
            });
        let median = i64::from(median);
        let score = others
            .saturating_mul(median)
            .checked_div(i64::from(ONE_Q16).saturating_sub(median))?;
        let mut scores = row.scores.clone();
        *scores.get_mut(column)? = i16::try_from(score).unwrap_or(i16::MAX);
        let rows: Vec<Row<'_>> = weighed
            .rows
            .iter()
            .map(|other| {
                if other.participant == lowest.rater {
                    Row {
                        scores: &scores,
                        ..other.as_row()
                    }
                } else {
                    other.as_row()
                }
            })
            .collect();
        Some((lowest.rater, derive(weighed.contributors(), &rows)))
    }
}

/// What each rater said, and the weighted median of those that count.
fn received(
    weighed: &Weighed,
    column: usize,
    contributor: &Contributor,
) -> (Vec<ReceivedRating>, Option<i32>) {
    let rows = weighed.rows.iter().zip(&weighed.derivation.rows);
    let mut ratings: Vec<ReceivedRating> = rows
        .map(|(row, (_, standing))| {
            let opinions = opinion(weighed.contributors(), &row.as_row());
            ReceivedRating {
                rater: row.participant,
                owner: row.owner,
                stake: row.stake,
                power: row.power,
                score: row.scores.get(column).copied().unwrap_or(0),
                opinion: opinions.and_then(|of| of.get(column).copied()),
                standing: *standing,
                is_own: row.owner == contributor.owner,
                decides: false,
            }
        })
        .collect();
    if weighed.derivation.first_consensus.is_empty() {
        return (ratings, None);
    }
    let counts = |rating: &&ReceivedRating| rating.standing == Standing::Agrees && !rating.is_own;
    let mut entries: Vec<(i32, u64)> = ratings
        .iter()
        .filter(counts)
        .map(|rating| (rating.opinion.unwrap_or(0), rating.power))
        .collect();
    let total = entries
        .iter()
        .fold(0_u64, |sum, (_, power)| sum.saturating_add(*power));
    let median = weighted_median::strict(&mut entries, total);
    for rating in &mut ratings {
        rating.decides = counts(&&*rating) && median.is_some() && rating.opinion == median;
    }
    ratings.sort_by_key(|rating| {
        let counts = counts(&rating);
        (!counts, std::cmp::Reverse(rating.opinion), rating.rater)
    });
    (ratings, median)
}

fn total(derivation: &Derivation) -> u64 {
    let weights = derivation.weights.iter();
    weights.fold(0, |sum, weight| sum.saturating_add(u64::from(*weight)))
}
