//! `trust`: the incentive of the original paper (Rao, Steeves et al., *BitTensor*, arXiv 2003.03917). Kept for
//! comparison and teaching.
//!
//! Who is trusted by more than half of the stake is paid nearly in full, everybody else nearly nothing. Trust
//! counts raters, not how much they say, so that a group of colluders only needs honest raters to leave a trace
//! of weight on it: the weakness that `unsilo simulate rewards` measures.

use super::Mechanism;
use super::epoch::{Epoch, EpochError};
use super::fixed::I32F32;
use super::fixed::vector::{Matrix, normalised};
use super::last_weights::{LastWeights, stake_shares, widened};
use super::split::largest_remainder;
use borsh::{BorshDeserialize, BorshSerialize};

/// The paper's constants. [`Parameters::default`] has its values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parameters {
    /// rho: the steepness of the sigmoid, from 0 up.
    pub rho: I32F32,
    /// kappa: the trust at which a row is worth half of its rank, from 0 to 1.
    pub kappa: I32F32,
    /// tau: what is minted in an epoch and staked where it is paid, as a part of all stake; 0 if the stake is
    /// only what is given.
    pub tau: I32F32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            rho: I32F32::from_integer(10),
            kappa: I32F32::HALF,
            tau: I32F32::from_ratio(1, 10),
        }
    }
}

/// What the mechanism remembers from epoch to epoch. Grows when an epoch has more rows.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    weights: LastWeights,
    /// B, row by row: stake times weight, summed over epochs.
    bonds: Vec<I32F32>,
    /// The shares of the stake that was given for the last epoch.
    given: Vec<I32F32>,
    /// S after the last epoch, with what it minted.
    stake: Vec<I32F32>,
}

/// What an epoch came to. Vectors have one element a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// What each row is paid: the emission in proportion to `earned`.
    pub payout: Vec<u64>,
    /// The emission if nobody is worth anything, else 0.
    pub withheld: u64,
    /// S: the share of the stake.
    pub stake: Vec<I32F32>,
    /// R: the stake-weighted sum of the weights for a row.
    pub ranks: Vec<I32F32>,
    /// T: the stake of those who give a row any weight.
    pub trust: Vec<I32F32>,
    /// C: the sigmoid of the trust.
    pub consensus: Vec<I32F32>,
    /// I: rank times consensus, scaled to sum to 1.
    pub incentive: Vec<I32F32>,
    /// D: what the bonds of a row, as a rater, bring of the incentive.
    pub dividends: Vec<I32F32>,
    /// ΔS: half of the incentive and half of the dividends.
    pub earned: Vec<I32F32>,
    /// L: below 0 where most rank has consensus.
    pub loss: I32F32,
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

impl Memory {
    /// Before the first epoch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows known.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there were no rows yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self) -> Result<(), EpochError> {
        self.weights.check()?;
        let fits = self.len().checked_mul(self.len()) == Some(self.bonds.len())
            && self.given.len() == self.len()
            && self.stake.len() == self.len();
        if fits {
            Ok(())
        } else {
            Err(EpochError::Memory("its parts differ in length"))
        }
    }

    /// S: the stake of the epoch before with what it minted, moved by what was given since.
    fn stake(&self, given: &[I32F32]) -> Vec<I32F32> {
        if self.is_empty() {
            return given.to_vec();
        }
        let known = self.stake.iter().zip(&self.given);
        let moved: Vec<I32F32> = given
            .iter()
            .zip(known.chain(std::iter::repeat((&I32F32::ZERO, &I32F32::ZERO))))
            .map(|(given, (stake, before))| {
                stake
                    .saturating_add(given.saturating_sub(*before))
                    .max(I32F32::ZERO)
            })
            .collect();
        normalised(&moved)
    }
}

/// Settles an epoch.
///
/// `R = W^T S`, `T_j` the stake of `i` with `W_ij > 0`, `C = sigmoid(rho (T - kappa))`, `I = R C / sum R C`,
/// `B += W S`, `D = B I` with the columns of B scaled to sum to 1, `ΔS = D/2 + I/2`, and the stake of the next
/// epoch is `S + tau ΔS`, scaled to sum to 1.
///
/// A row without ratings keeps those of the epoch before, and has no say past the activity cut-off. Rows of one
/// owner do not count for each other.
///
/// # Errors
/// [`EpochError`] if a parameter is out of range, or the rows do not fit each other, the limits or the memory.
pub fn epoch(
    parameters: &Parameters,
    memory: &Memory,
    epoch: &Epoch<'_>,
) -> Result<(Memory, Outcome), EpochError> {
    parameters.check()?;
    let count = epoch.check(memory.len())?;
    memory.check()?;
    let rated = memory.weights.rated(epoch);
    let given = stake_shares(epoch);
    let stake = memory.stake(&given);
    let voting = rated.active(epoch, &stake);
    let weights = rated.normalised(epoch, &voting);

    let ranks = weights.weighted_column_sums(&voting);
    let given_any = |weight: I32F32, stake: I32F32| {
        if weight > I32F32::ZERO {
            stake
        } else {
            I32F32::ZERO
        }
    };
    let trust = weights.by_row(&voting, given_any).column_sums();
    let consensus: Vec<I32F32> = trust
        .iter()
        .map(|trust| trust.sigmoid(parameters.rho, parameters.kappa))
        .collect();
    let incentive = normalised(&products(&ranks, &consensus));
    let old = Matrix::new(
        count,
        widened(&memory.bonds, memory.len(), count, I32F32::ZERO),
    );
    let bonds = old.zip(
        &weights.by_row(&voting, I32F32::saturating_mul),
        I32F32::saturating_add,
    );
    let dividends = bonds.column_normalised().weighted_row_sums(&incentive);
    let earned: Vec<I32F32> = incentive
        .iter()
        .zip(&dividends)
        .map(|(incentive, dividend)| {
            let half = I32F32::HALF;
            half.saturating_mul(*dividend)
                .saturating_add(half.saturating_mul(*incentive))
        })
        .collect();
    let grown: Vec<I32F32> = stake
        .iter()
        .zip(&earned)
        .map(|(stake, earned)| stake.saturating_add(parameters.tau.saturating_mul(*earned)))
        .collect();
    let loss = ranks
        .iter()
        .zip(&consensus)
        .map(|(rank, consensus)| rank.saturating_mul(I32F32::HALF.saturating_sub(*consensus)))
        .sum();

    let shares: Vec<u64> = earned
        .iter()
        .map(|earned| u64::try_from(earned.to_bits()).unwrap_or(0))
        .collect();
    let payout = largest_remainder(epoch.emission, &shares)?;
    let nothing = shares.iter().all(|share| *share == 0);
    let next = Memory {
        weights: rated,
        bonds: bonds.cells().to_vec(),
        given,
        stake: normalised(&grown),
    };
    let outcome = Outcome {
        withheld: if nothing { epoch.emission } else { 0 },
        payout,
        stake,
        ranks,
        trust,
        consensus,
        incentive,
        dividends,
        earned,
        loss,
    };
    Ok((next, outcome))
}

impl Parameters {
    fn check(&self) -> Result<(), EpochError> {
        let range = |name, value: I32F32, allowed, ok| {
            if ok {
                Ok(())
            } else {
                Err(EpochError::Parameter {
                    name,
                    value: value.to_bits().into(),
                    allowed,
                })
            }
        };
        let unit = I32F32::ZERO..=I32F32::ONE;
        range(
            "rho",
            self.rho,
            "0 or more (in 2^-32)",
            self.rho >= I32F32::ZERO,
        )?;
        range(
            "kappa",
            self.kappa,
            "from 0 to 2^32 (in 2^-32)",
            unit.contains(&self.kappa),
        )?;
        range(
            "tau",
            self.tau,
            "from 0 to 2^32 (in 2^-32)",
            unit.contains(&self.tau),
        )
    }
}

fn products(a: &[I32F32], b: &[I32F32]) -> Vec<I32F32> {
    a.iter().zip(b).map(|(a, b)| a.saturating_mul(*b)).collect()
}
