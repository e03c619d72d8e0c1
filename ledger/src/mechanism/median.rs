//! `median`: two-sided consensus, the mechanism the state machine runs.
//!
//! A participant is worth what a strict majority of the capped power of others says it is worth at least,
//! averaged over epochs; raters are paid for agreeing with that, up to it and not past it. A group that holds
//! less than half of the power in every column cannot make a participant worth anything, nor talk it down
//! below what the majority supports.
//!
//! The steps are those of [`epoch`]; all are in integers, so payouts are the same bits everywhere.
//!
//! What no rule of this kind can give: with half of the heads or more a group decides; 4 members tolerate 1
//! colluder and 3 none; several copies of one contribution are each paid, so copies must be collapsed and
//! affiliates grouped (`owner`) before rating.

mod agreement;
mod consensus;
mod memory;
mod payment;

pub use agreement::Agreement;
pub use memory::Memory;
pub use payment::Payment;

use super::Mechanism;
use super::epoch::{Epoch, EpochError};
use super::power::{capped_power, uncapped_power};
use super::q32::{self, ONE};

/// How fast ratings move towards new ones, a = .2.
pub const RATING_RATE: u64 = 858_993_459;
/// How fast reputation moves, r = .1.
pub const REPUTATION_RATE: u64 = 429_496_729;
/// The least reputation, .05: who lied can come back.
pub const REPUTATION_FLOOR: u64 = 214_748_364;
/// The raters' share of what is paid, xi = .2.
pub const RATER_SHARE: u64 = 858_993_459;
/// The share that raters may spend on what only a minority values, eta = .1.
pub const NICHE_SHARE: u64 = 429_496_729;
/// How much consensus there must be for the whole emission to be paid, q0 = .5.
pub const FULL_CONSENSUS: u64 = 2_147_483_648;

/// What an epoch came to: the payouts and all that led to them. Vectors have one element a row; fractions
/// are Q32.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// What each row is paid.
    pub payout: Vec<u64>,
    /// What is never minted. The payouts and this sum to the emission exactly.
    pub withheld: u64,
    /// v: the capped share of the stake (step 5).
    pub stake_share: Vec<u64>,
    /// p: power, v times the reputation before this epoch, 0 past the activity cut-off (step 5).
    pub power: Vec<u64>,
    /// C: what a strict majority of the others' power says the row is worth at least (step 6).
    pub consensus: Vec<u64>,
    /// Q, the sum of C (step 7).
    pub total_consensus: u64,
    /// phi, the part of the emission that is paid (step 7).
    pub paid_share: u64,
    /// What is paid of the emission (step 7).
    pub paid: u64,
    /// Steps 8 and 9.
    pub agreement: Agreement,
    /// The reputation after this epoch (step 9).
    pub reputation: Vec<u64>,
    /// Step 10; `None` if there was no consensus and so nothing to pay.
    pub payment: Option<Payment>,
}

/// The mechanism without parameters: they are part of the rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Median;

impl Mechanism for Median {
    type Memory = Memory;
    type Outcome = Outcome;

    fn settle(&self, memory: &Memory, epoch: &Epoch<'_>) -> Result<(Memory, Outcome), EpochError> {
        self::epoch(memory, epoch)
    }

    fn payout(outcome: &Outcome) -> (&[u64], u64) {
        (&outcome.payout, outcome.withheld)
    }
}

/// Settles an epoch.
///
/// With n rows, stakes s, ratings w and owners as in `epoch`, all in Q32 and rounded down:
/// 3. `w_ij` is 0 if i and j have one owner or j joined after i's ratings were given;
///    `W_ij = w_ij / sum_j w_ij`. A row without a weight above 0 is absent.
/// 4. `M = W` in the first epoch, then `M = (1 - a) M + a W`; an absent row keeps its `M`.
/// 5. `v`: capped power ([`capped_power`]) of `s`; `p_i = v_i · rep_i`, 0 past the activity cut-off.
/// 6. `C_j`: the strict weighted median of column j of `M` over the rows of other owners, weighted by `p`.
/// 7. `Q = sum C_j`. If it is 0 nothing is minted, the reputation stays, and the epoch ends here.
///    `phi = min(1, Q / q0)`; `paid = E · phi`.
/// 8. `A_i = sum_j min(M_ij / sum M_i, C_j / sum C)` over `C_j > 0` of other owners; `ref` is the upper
///    `v`-weighted median of `A`, and `A_i = min(1, A_i / ref)` (0 if `ref` is).
/// 9. `rep_i = max(floor, (1 - r) rep_i + r A_i²)`; `D_i = v_i · A_i²`.
/// 10. `xi · paid` goes to raters by `D`. `eta · paid` is a budget of raters by `D`, of which a rater spends
///     the part `x_i = sum_j X_ij` on what it values far above consensus,
///     `X_ij = M_ij - C_j` where `2 (M_ij - C_j) >= M_ij > 0`. All the rest goes to contributors by `C`.
/// 11. Every split is by [largest remainder](super::split).
///
/// # Errors
/// [`EpochError`] if the rows do not fit each other, the limits or the memory.
pub fn epoch(memory: &Memory, epoch: &Epoch<'_>) -> Result<(Memory, Outcome), EpochError> {
    let always = vec![ONE; epoch.rows.len()];
    by_power(memory, epoch, &always, capped_power)
}

/// As [`epoch`], where row i was asked to rate several times and did in the part `attendance[i]` (Q32, at most 1):
/// `D_i = v_i · A_i² · attendance_i`. This is what the state machine settles by. Nothing but the division of the raters' part
/// and of the niche budgets depends on it: what a row said counts as before, for the last word of an honest rater that was
/// kept from speaking later is not worse for it.
///
/// # Errors
/// As [`epoch`]; [`EpochError::Attendance`] and [`EpochError::Parameter`] if there is not one part a row, or one is above 1.
pub fn epoch_by_attendance(
    memory: &Memory,
    epoch: &Epoch<'_>,
    attendance: &[u64],
) -> Result<(Memory, Outcome), EpochError> {
    by_power(memory, epoch, attendance, capped_power)
}

/// As [`epoch_by_attendance`], with every share of the stake as large as it is: to ask what the cap changed. Nobody is paid
/// by this.
///
/// # Errors
/// As [`epoch_by_attendance`].
pub fn epoch_without_cap(
    memory: &Memory,
    epoch: &Epoch<'_>,
    attendance: &[u64],
) -> Result<(Memory, Outcome), EpochError> {
    by_power(memory, epoch, attendance, uncapped_power)
}

fn check_attendance(attendance: &[u64], rows: usize) -> Result<(), EpochError> {
    if attendance.len() != rows {
        return Err(EpochError::Attendance {
            found: attendance.len(),
            expected: rows,
        });
    }
    match attendance.iter().find(|part| **part > ONE) {
        Some(part) => Err(EpochError::Parameter {
            name: "attendance",
            value: i128::from(*part),
            allowed: "0 to 2^32",
        }),
        None => Ok(()),
    }
}

fn by_power(
    memory: &Memory,
    epoch: &Epoch<'_>,
    attendance: &[u64],
    power_of: impl FnOnce(&[u64]) -> Result<Vec<u64>, EpochError>,
) -> Result<(Memory, Outcome), EpochError> {
    let count = epoch.check(memory.len())?;
    check_attendance(attendance, count)?;
    memory.check()?;
    let mut next = memory.rated(epoch, count)?;
    let stakes: Vec<u64> = epoch.rows.iter().map(|row| row.stake).collect();
    let stake_share = power_of(&stakes)?;
    let power = stake_share
        .iter()
        .zip(next.reputation().iter().zip(next.absences()))
        .map(|(share, (reputation, absences))| {
            if *absences > epoch.activity_cutoff {
                Ok(0)
            } else {
                q32::multiply(*share, *reputation)
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let consensus = consensus::of_columns(&next, epoch, &power)?;
    let total_consensus = q32::sum(&consensus)?;
    let paid_share = q32::divide(total_consensus, FULL_CONSENSUS)?.min(ONE);
    let paid = q32::multiply(epoch.emission, paid_share)?;
    let mut outcome = Outcome {
        payout: vec![0; count],
        withheld: epoch
            .emission
            .checked_sub(paid)
            .ok_or(EpochError::Overflow)?,
        stake_share,
        power,
        consensus,
        total_consensus,
        paid_share,
        paid,
        agreement: Agreement::none(count),
        reputation: next.reputation().to_vec(),
        payment: None,
    };
    if total_consensus == 0 {
        return Ok((next, outcome));
    }
    outcome.agreement = Agreement::new(
        &next,
        epoch,
        &outcome.consensus,
        &outcome.stake_share,
        attendance,
    )?;
    next.judge(&outcome.agreement.squared)?;
    outcome.reputation = next.reputation().to_vec();
    let payment = Payment::new(
        &next,
        epoch,
        paid,
        &outcome.consensus,
        &outcome.agreement.dividend_share,
    )?;
    outcome.payout = payment.sums()?;
    outcome.payment = Some(payment);
    Ok((next, outcome))
}

/// How far a rater supports the consensus on somebody, in Q32: `min(M_ij, C_j) / C_j`, 0 if there is no
/// consensus. This is the trust that is shown to users.
pub fn trust(rating: u64, consensus: u64) -> u64 {
    if consensus == 0 {
        return 0;
    }
    q32::divide(rating.min(consensus), consensus).unwrap_or(0)
}
