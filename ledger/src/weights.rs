//! The weights of a round's sum: the consensus of agreeing raters (scoring.md, step 4).
//!
//! A pure function of integers, so that every member computes the same weights before it opens the sum,
//! and can be told how they came about: [`Derivation`] holds every intermediate value.
//!
//! Fractions are Q16: an integer `x` stands for `x / 2^16`.

mod ceiling;
mod clip;
mod consensus;

use crate::judgement::MAX_NORM_EXPONENT;
use crate::member::{OwnerId, ParticipantId};

pub use clip::clip_q16;

/// 1 in Q16.
pub const ONE_Q16: u32 = 65_536;
/// The largest weight, W.
pub const MAX_WEIGHT: u16 = 256;
/// The smallest weight above 0. What would be below is 0, never lifted: lifting would undo the clip.
pub const MIN_WEIGHT: u16 = 16;
/// Rows below which raters are not asked: their agreement would say nothing.
const MIN_ROWS: usize = 4;

/// An accepted contribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contributor {
    /// Whose.
    pub participant: ParticipantId,
    /// Whom it belongs to.
    pub owner: OwnerId,
    /// Its norm is 2^(e/8) steps.
    pub norm_exponent: u16,
}

/// What a rater revealed, and what its word weighs.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Who rates.
    pub participant: ParticipantId,
    /// Whom it belongs to: what it says about that owner's contributions does not count.
    pub owner: OwnerId,
    /// Capped stake power, in Q32 or any other unit that all rows share.
    pub power: u64,
    /// a_ij, one for each contributor, in their order; a missing one counts as 0.
    pub scores: &'a [i16],
}

/// Steps of the rule that are left out, to ask what each of them changed. By default none: that is the rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Omitted {
    /// The cap at one and a half medians (step 4.5).
    pub cap: bool,
    /// The clip of long updates (step 1).
    pub clip: bool,
    /// The ceiling that keeps any one contribution from dominating the sum (step 4.8).
    pub ceiling: bool,
    /// The test of agreement: all rows that say anything keep their power (step 4.3).
    pub agreement: bool,
}

/// How a row was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It says nothing good about anybody: as if it had not been revealed.
    Absent,
    /// It points where the consensus points: its power counts.
    Agrees,
    /// It does not, and its power does not count.
    Disagrees,
}

/// The weights and how they came about. Every list is in the order of the contributors, but for `rows`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// Who contributed what.
    pub contributors: Vec<Contributor>,
    /// e_B: the lower median of the norm exponents; B is 2^(e_B / 8) steps.
    pub median_exponent: u16,
    /// clip_j in Q16: what of the update's weight is left after norms above 2 B are brought down to it.
    pub clips: Vec<u32>,
    /// Each row's rater and how it was taken, in the order of the rows.
    pub rows: Vec<(ParticipantId, Standing)>,
    /// D_j in Q16, signed: the consensus of all present rows; empty if fewer than 4 were.
    pub first_consensus: Vec<i32>,
    /// C_j in Q16: the consensus of those that agree; 1 for all if fewer than 4 rows were present.
    pub consensus: Vec<u32>,
    /// 3 M in Q16: the most that 4 C_j counts for, one and a half medians.
    pub cap: u64,
    /// x_j in Q16.
    pub clipped: Vec<u64>,
    /// z_j before the ceiling: 0 or 16..=256.
    pub uncapped: Vec<u16>,
    /// L: what the ceiling came down to; 256 if it was not needed.
    pub ceiling: u16,
    /// z_j: 0 or 16..=256.
    pub weights: Vec<u16>,
    /// Fewer than three tenths of the contributions have weight: the sum must not be opened.
    pub brake: bool,
}

/// The weights of `contributors` by what `rows` say about them.
///
/// # Guarantees
/// - With S the contributions of weight above 0, `8 · max z <= sum z` or `2 · |S| · max z <= 3 · sum z`:
///   no contribution is more than an eighth, or one and a half equal shares, of the sum.
/// - Every weight is 0 or 16..=256.
/// - The order of `rows` does not matter.
pub fn derive(contributors: &[Contributor], rows: &[Row<'_>]) -> Derivation {
    derive_without(contributors, rows, Omitted::default())
}

/// As [`derive()`], with steps left out: what the weights would have been. Nobody sums by these.
pub fn derive_without(
    contributors: &[Contributor],
    rows: &[Row<'_>],
    omitted: Omitted,
) -> Derivation {
    let median_exponent = lower_median(contributors.iter().map(|one| one.norm_exponent));
    let clips: Vec<u32> = contributors
        .iter()
        .map(|one| {
            if omitted.clip {
                ONE_Q16
            } else {
                clip_q16(one.norm_exponent, median_exponent)
            }
        })
        .collect();
    let opinion = consensus::of(contributors, rows, omitted.agreement);
    let cap = if omitted.cap {
        u64::MAX
    } else {
        three_medians(&opinion.consensus)
    };
    let clipped: Vec<u64> = opinion
        .consensus
        .iter()
        .zip(&clips)
        .map(|(consensus, clip)| {
            // At most 2^18 · 2^16: a consensus is at most 1.
            let capped = u64::from(*consensus).saturating_mul(4).min(cap);
            capped.saturating_mul(u64::from(*clip)) >> 16
        })
        .collect();
    let uncapped = scale(&clipped);
    let with_weight = uncapped.iter().filter(|weight| **weight > 0).count();
    let brake =
        with_weight.saturating_mul(10) < contributors.len().saturating_mul(3) || with_weight == 0;
    let (ceiling, weights) = if omitted.ceiling {
        (MAX_WEIGHT, uncapped.clone())
    } else {
        ceiling::lower(&uncapped)
    };
    Derivation {
        contributors: contributors.to_vec(),
        median_exponent,
        clips,
        rows: opinion.rows,
        first_consensus: opinion.first,
        consensus: opinion.consensus,
        cap,
        clipped,
        uncapped,
        ceiling,
        weights,
        brake,
    }
}

/// x_ij in Q16: what a row says about each contribution as a part of all that it says in favour of anybody;
/// 0 for its own owner's. `None` if it says nothing in anybody's favour.
pub fn opinion(contributors: &[Contributor], row: &Row<'_>) -> Option<Vec<i32>> {
    consensus::opinion(row, contributors)
}

/// e_B. Of an even count, the lower of the two in the middle; 0 of none.
fn lower_median(exponents: impl Iterator<Item = u16>) -> u16 {
    let mut sorted: Vec<u16> = exponents.map(|e| e.min(MAX_NORM_EXPONENT)).collect();
    sorted.sort_unstable();
    let middle = sorted.len().saturating_sub(1) >> 1;
    sorted.get(middle).copied().unwrap_or(0)
}

/// 3 M, M the sum of the two middle positive values (of an odd count, the middle one twice); 0 of none.
fn three_medians(consensus: &[u32]) -> u64 {
    let mut positive: Vec<u64> = consensus
        .iter()
        .filter(|value| **value > 0)
        .map(|value| u64::from(*value))
        .collect();
    positive.sort_unstable();
    let lower = positive.get(positive.len().saturating_sub(1) >> 1);
    let upper = positive.get(positive.len() >> 1);
    let middle = lower
        .copied()
        .unwrap_or(0)
        .saturating_add(upper.copied().unwrap_or(0));
    middle.saturating_mul(3)
}

/// z_j = floor(256 · x_j / max x); what is below 16 becomes 0.
fn scale(clipped: &[u64]) -> Vec<u16> {
    let largest = clipped.iter().copied().max().unwrap_or(0);
    let weight = |value: &u64| {
        let scaled = value
            .saturating_mul(u64::from(MAX_WEIGHT))
            .checked_div(largest)
            .unwrap_or(0);
        // At most 256, since no value is above the largest.
        let scaled = u16::try_from(scaled).unwrap_or(MAX_WEIGHT);
        if scaled < MIN_WEIGHT { 0 } else { scaled }
    };
    clipped.iter().map(weight).collect()
}

/// Why an accepted contribution has no weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// The raters that agree do not, with more than half of their power, say that it helps.
    NotSupported,
    /// They do, but after the clip of its norm with less than a sixteenth of what the most supported one has.
    TooLittle,
}

impl LeftOut {
    /// The reason as a phrase.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::NotSupported => "the raters that agree do not find that it helps",
            Self::TooLittle => {
                "less than a sixteenth of the most supported, after the clip of its norm"
            }
        }
    }
}

impl Derivation {
    /// Why the accepted contribution of `participant` has no weight; `None` if it has, or was not accepted.
    pub fn left_out(&self, participant: ParticipantId) -> Option<LeftOut> {
        let is_it = |one: &Contributor| one.participant == participant;
        let column = self.contributors.iter().position(is_it)?;
        if *self.weights.get(column)? > 0 {
            return None;
        }
        match self.consensus.get(column) {
            Some(0) => Some(LeftOut::NotSupported),
            _ => Some(LeftOut::TooLittle),
        }
    }

    /// How many rows said something in anybody's favour, and how many of these agree with each other.
    pub fn rows_heard(&self) -> (usize, usize) {
        let count = |wanted: &dyn Fn(Standing) -> bool| {
            let rows = self.rows.iter();
            rows.filter(|(_, standing)| wanted(*standing)).count()
        };
        (
            count(&|standing| standing != Standing::Absent),
            count(&|standing| standing == Standing::Agrees),
        )
    }
}
