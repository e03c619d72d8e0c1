//! What a federation pays, and what it takes away: fixed in the draft that the founders sign.

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

/// The most that a round may mint, and the most fees that may be entered for one, 2^40. With both at their
/// limit, balances reach 64 bits after 2^23 rounds: nine centuries of a round an hour.
pub const MAX_PER_ROUND: u64 = 1_099_511_627_776;
/// The fewest published rounds of an epoch. Shorter ones pay for noise (scoring.md, step 5).
pub const MIN_EPOCH_ROUNDS: u32 = 20;
/// The most published rounds of an epoch.
pub const MAX_EPOCH_ROUNDS: u32 = 10_000;
/// All of a stake, in millionths.
pub const WHOLE_STAKE_PPM: u32 = 1_000_000;

/// The federation's terms for money. All amounts are in its own unit, which is whatever it agrees on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Incentive {
    /// What each published round adds to the pool of its epoch; at most [`MAX_PER_ROUND`].
    pub emission: u64,
    /// Published rounds in an epoch, at whose end the pool is paid out.
    pub epoch_rounds: u32,
    /// The most fees that the coordinator may enter between the ends of two rounds; at most
    /// [`MAX_PER_ROUND`].
    pub max_round_fees: u64,
    /// What an upheld violation costs, in millionths of the owner's stake.
    pub slash_ppm: u32,
    /// This many contributions of a participant rejected by its fault ...
    pub rejected_contributions: u16,
    /// ... within this many rounds are a violation.
    pub rejected_within_rounds: u16,
    /// Whole epochs between the report of a violation and its execution, in which it may be appealed.
    pub appeal_epochs: u16,
    /// An owner that revealed no ratings in more than this many epochs in a row has no power as a rater.
    pub activity_epochs: u16,
}

impl Default for Incentive {
    /// A million a round, paid every 20 rounds; fees up to a thousand times that; a tenth of the stake for
    /// a violation, among them 3 bad contributions in 20 rounds; one epoch to appeal; three to be absent.
    fn default() -> Self {
        Self {
            emission: 1_000_000,
            epoch_rounds: MIN_EPOCH_ROUNDS,
            max_round_fees: 1_000_000_000,
            slash_ppm: 100_000,
            rejected_contributions: 3,
            rejected_within_rounds: 20,
            appeal_epochs: 1,
            activity_epochs: 3,
        }
    }
}

/// Why terms are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the incentive's {field} is {value}: give between {min} and {max}")]
pub struct IncentiveError {
    /// The field out of range.
    pub field: &'static str,
    /// Its value.
    pub value: u64,
    /// The smallest value allowed.
    pub min: u64,
    /// The largest value allowed.
    pub max: u64,
}

impl Incentive {
    /// Checks every limit.
    ///
    /// # Errors
    /// The first field out of its range.
    pub fn validate(&self) -> Result<(), IncentiveError> {
        let epochs = (MIN_EPOCH_ROUNDS.into(), MAX_EPOCH_ROUNDS.into());
        let fields = [
            ("emission", self.emission, (0, MAX_PER_ROUND)),
            ("epoch_rounds", self.epoch_rounds.into(), epochs),
            ("max_round_fees", self.max_round_fees, (0, MAX_PER_ROUND)),
            (
                "slash_ppm",
                self.slash_ppm.into(),
                (0, WHOLE_STAKE_PPM.into()),
            ),
            (
                "rejected_contributions",
                self.rejected_contributions.into(),
                (1, 1_000),
            ),
            (
                "rejected_within_rounds",
                self.rejected_within_rounds.into(),
                (1, 1_000),
            ),
            ("appeal_epochs", self.appeal_epochs.into(), (1, 1_000)),
            ("activity_epochs", self.activity_epochs.into(), (1, 1_000)),
        ];
        for (field, value, (min, max)) in fields {
            if value < min || value > max {
                return Err(IncentiveError {
                    field,
                    value,
                    min,
                    max,
                });
            }
        }
        Ok(())
    }
}
