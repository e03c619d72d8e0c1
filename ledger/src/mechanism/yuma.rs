//! `yuma`: consensus by clipping at the stake-weighted median, as it runs in production today (subtensor,
//! June 2026), versions 2 and 3. Kept for comparison.
//!
//! What it is weak at, measured by `unsilo simulate rewards`: only over-rating is clipped, so talking others
//! down costs nothing; at small n support is lost; a tie is paid by stake.

mod bonds;
mod memory;

pub use memory::Memory;

use super::Mechanism;
use super::epoch::{Epoch, EpochError};
use super::fixed::I32F32;
use super::fixed::vector::{Matrix, normalised, normalised_by, quotients};
use super::last_weights::stake_shares;
use super::q32;

/// How the chain is set up. [`Parameters::default`] has its defaults.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parameters {
    /// Which bonds are kept.
    pub version: Version,
    /// The majority that supports a weight, in 65,535ths of the stake.
    pub kappa: u16,
    /// The part of old bonds that is kept each epoch, in millionths.
    pub bonds_moving_average_ppm: u32,
    /// How far the bonds follow the clipped weights instead of those given, in 65,535ths.
    pub bonds_penalty: u16,
    /// A rate for each bond instead of the one above. Version 2 has none.
    pub liquid_alpha: Option<LiquidAlpha>,
}

/// The two kinds of bonds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// Bonds are shares: averages of stake times weight, each column summing to 1.
    Two,
    /// Bonds are averages of weights alone; stake is applied when dividends are paid.
    Three,
}

/// Bonds move the faster, the further a weight is from consensus.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LiquidAlpha {
    /// The slowest rate, in 65,535ths.
    pub low: u16,
    /// The fastest rate, in 65,535ths.
    pub high: u16,
    /// The steepness of the sigmoid between them, in hundredths.
    pub steepness: u16,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            version: Version::Three,
            kappa: 32_767,
            bonds_moving_average_ppm: 900_000,
            bonds_penalty: u16::MAX,
            liquid_alpha: None,
        }
    }
}

/// What an epoch came to. Vectors have one element a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// What each row is paid: half for incentive, half for dividends.
    pub payout: Vec<u64>,
    /// What rounding leaves over, or everything if nobody has stake. The payouts and this sum to the emission.
    pub withheld: u64,
    /// The part of the payout for incentive, rounded by itself.
    pub server_emission: Vec<u64>,
    /// The part of the payout for dividends, rounded by itself.
    pub validator_emission: Vec<u64>,
    /// The share of the active stake.
    pub active_stake: Vec<I32F32>,
    /// The weight that a majority of the stake supports.
    pub consensus: Vec<I32F32>,
    /// The sum of a row's weights after clipping at the consensus.
    pub validator_trust: Vec<I32F32>,
    /// What is left of a row's rank after clipping.
    pub server_trust: Vec<I32F32>,
    /// The share of the ranks after clipping: what a row is worth.
    pub incentive: Vec<I32F32>,
    /// The share of a row, as a rater, in what those it rated are worth.
    pub dividends: Vec<I32F32>,
    /// The bonds kept for the next epoch, row by row, in 65,535ths.
    pub bonds: Vec<u16>,
}

impl Mechanism for Parameters {
    type Memory = Memory;
    type Outcome = Outcome;

    fn settle(&self, memory: &Memory, epoch: &Epoch<'_>) -> Result<(Memory, Outcome), EpochError> {
        self::epoch(self, memory, epoch)
    }

    fn payout(outcome: &Outcome) -> (&[u64], u64) {
        (&outcome.payout, outcome.withheld)
    }
}

/// Settles an epoch.
///
/// A row without ratings keeps those of the epoch before; past the activity cut-off it keeps them without
/// having power. Rows without stake have no say. Rows of one owner do not count for each other: the chain only
/// excludes what a row says of itself, which is the same where every owner has one row.
///
/// # Errors
/// [`EpochError`] if a parameter is out of range, or the rows do not fit each other, the limits or the memory.
pub fn epoch(
    parameters: &Parameters,
    memory: &Memory,
    epoch: &Epoch<'_>,
) -> Result<(Memory, Outcome), EpochError> {
    parameters.check()?;
    epoch.check(memory.len())?;
    memory.check()?;
    let mut next = memory.rated(epoch);

    let stake = stake_shares(epoch);
    let active_stake = normalised(&next.weights.active(epoch, &stake));
    let weights = next.weights.normalised(epoch, &stake);
    let kappa = I32F32::from_proportion(parameters.kappa);
    let consensus = weights.weighted_medians(&active_stake, kappa);
    let clipped = weights.clipped(&consensus);
    let ranks = clipped.weighted_column_sums(&active_stake);
    let server_trust = quotients(&ranks, &weights.weighted_column_sums(&active_stake));
    let incentive = normalised(&ranks);

    let for_bonds = interpolated(
        &weights,
        &clipped,
        I32F32::from_proportion(parameters.bonds_penalty),
    );
    let old = next.bonds();
    let (bonds, dividends) = match parameters.version {
        Version::Two => bonds::shares(parameters, &for_bonds, old, &active_stake, &incentive),
        Version::Three => bonds::relative(
            parameters,
            &for_bonds,
            old,
            &active_stake,
            &incentive,
            &consensus,
        ),
    };
    next.keep_bonds(&bonds, &stake);

    let sum = incentive.iter().chain(&dividends).copied().sum();
    let servers = normalised_by(&incentive, sum);
    let mut validators = normalised_by(&dividends, sum);
    let both: Vec<I32F32> = incentive
        .iter()
        .zip(&dividends)
        .map(|(incentive, dividend)| incentive.saturating_add(*dividend))
        .collect();
    let mut combined = normalised(&both);
    if sum == I32F32::ZERO {
        // Nobody is worth anything: the chain pays by stake.
        let idle = active_stake.iter().all(|stake| *stake == I32F32::ZERO);
        validators.clone_from(if idle { &stake } else { &active_stake });
        combined.clone_from(&validators);
    }
    let amounts = |shares: &[I32F32]| -> Vec<u64> {
        shares
            .iter()
            .map(|share| share.of_amount(epoch.emission))
            .collect()
    };
    let payout = amounts(&combined);
    let outcome = Outcome {
        withheld: epoch
            .emission
            .checked_sub(q32::sum(&payout)?)
            .ok_or(EpochError::Overflow)?,
        payout,
        server_emission: amounts(&servers),
        validator_emission: amounts(&validators),
        active_stake,
        consensus,
        validator_trust: clipped.row_sums(),
        server_trust,
        incentive,
        dividends,
        bonds: next.bond_proportions().to_vec(),
    };
    Ok((next, outcome))
}

impl Parameters {
    fn check(&self) -> Result<(), EpochError> {
        if self.bonds_moving_average_ppm > 1_000_000 {
            return Err(EpochError::Parameter {
                name: "bonds_moving_average_ppm",
                value: self.bonds_moving_average_ppm.into(),
                allowed: "at most 1,000,000",
            });
        }
        match self.liquid_alpha {
            Some(alpha) if alpha.low > alpha.high => Err(EpochError::Parameter {
                name: "alpha_low",
                value: alpha.low.into(),
                allowed: "at most alpha_high",
            }),
            _ => Ok(()),
        }
    }
}

/// `from + part · (to - from)`, exactly `from` and `to` at parts 0 and 1.
fn interpolated(from: &Matrix, to: &Matrix, part: I32F32) -> Matrix {
    if part == I32F32::ZERO {
        return from.clone();
    }
    if part == I32F32::ONE {
        return to.clone();
    }
    from.zip(to, |from, to| {
        from.saturating_add(part.saturating_mul(to.saturating_sub(from)))
    })
}
