//! Why an owner is paid what it is paid for an epoch.

use super::history::EpochFacts;
use crate::attendance::Attendance;
use crate::epoch_case::EpochCase;
use crate::mechanism::median::{Memory, Outcome};
use crate::mechanism::q32::ONE;
use crate::mechanism::{EpochError, weighted_median};
use crate::member::OwnerId;

/// An owner's way to its pay. Fractions are Q32, amounts the federation's unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewardStory {
    /// Which epoch, from 1.
    pub epoch: u64,
    /// The round whose publication ended it; `None` if it has not ended, and all that follows is what the
    /// rule would pay if it ended now.
    pub settled_by: Option<u64>,
    /// Rounds published in it.
    pub rounds: u32,
    /// What could be minted for it.
    pub emission: u64,
    /// Fees in the pool.
    pub fees: u64,
    /// What is paid of both to everybody together.
    pub paid: u64,
    /// What is not.
    pub withheld: u64,
    /// phi: the part that is paid.
    pub paid_share: u64,
    /// What all are paid for contributing, for rating, and from niche budgets.
    pub totals: Projection,
    /// What this owner is paid.
    pub pay: Projection,
    /// How many owners took part.
    pub owners: usize,
    /// Its stake in the epoch.
    pub stake: u64,
    /// Its capped share of all stake.
    pub stake_share: u64,
    /// That times its reputation; 0 past the activity cut-off.
    pub power: u64,
    /// Its reputation before the epoch and after.
    pub reputation: (u64, u64),
    /// C: what a majority of the others' power says it is worth at least.
    pub consensus: u64,
    /// The sum of all C.
    pub total_consensus: u64,
    /// A: how far its own ratings agree with the consensus, against the median rater.
    pub agreement: u64,
    /// In how many of the rounds a contribution of its own was accepted.
    pub accepted_in: u32,
    /// The round whose ratings of its own counted.
    pub rated_in: Option<u64>,
    /// In how many of the weighed rounds it was to rate, and did.
    pub attendance: Attendance,
    /// What its rating budget for niches was and what of it it spent.
    pub niche_budget: (u64, u64),
    /// What each owner said about it, the highest smoothed rating first.
    pub ratings: Vec<RewardRating>,
    /// Its free money before and after; `None` if the epoch has not ended.
    pub balance: Option<(u64, u64)>,
    /// Taken from its stake for violations at the epoch's end, and withdrawn stake that became free then.
    pub slashed: u64,
    /// See there.
    pub freed: u64,
    /// What would have changed the pay.
    pub what_ifs: Vec<RewardWhatIf>,
}

/// The three parts of a payout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// For what its contributions are worth by consensus.
    pub contributor: u64,
    /// For rating like the consensus.
    pub rater: u64,
    /// From raters that value it far above consensus.
    pub niche: u64,
    /// Their sum.
    pub payout: u64,
}

/// What one owner said about it in the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewardRating {
    /// Who.
    pub rater: OwnerId,
    /// The round in which it last revealed ratings; `None` if not in this epoch.
    pub rated_in: Option<u64>,
    /// w_ij: as it was revealed, times the part of the rounds that the rated owner was accepted in.
    pub rating: u16,
    /// The sum of what it gave to everybody.
    pub row_sum: u64,
    /// M_ij: the rating as a part of that sum, averaged with the epochs before.
    pub smoothed: u64,
    /// p_i: its capped share of the stake times its reputation.
    pub power: u64,
    /// Its reputation before this epoch.
    pub reputation: u64,
    /// It is the consensus.
    pub decides: bool,
}

/// One thing changed, and what the rule pays then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewardWhatIf {
    /// What.
    pub change: RewardChange,
    /// The pay then.
    pub pay: Projection,
}

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewardChange {
    /// The owner that rated it lowest in this epoch gave it what the consensus says.
    LowestLikeConsensus {
        /// Who.
        rater: OwnerId,
    },
    /// Its own ratings of the others were the consensus.
    RatesLikeConsensus,
    /// It rated in every round in which it was drawn.
    RatesWheneverAsked,
    /// Every rater has full reputation.
    FullReputation,
    /// Stake gives power without the cap.
    WithoutPowerCap,
    /// All owners have the same stake.
    EqualStakes,
}

impl RewardStory {
    /// Of an owner that took part in a settled epoch; `None` otherwise.
    pub fn of(facts: &EpochFacts, owner: OwnerId) -> Option<Self> {
        let settlement = &facts.settlement;
        let story = Self::from_case(&facts.case, owner).ok()??;
        let taken = |case: &u64| {
            let mut cases = facts.after.cases();
            cases.any(|found| found.number == *case && found.owner == owner)
        };
        Some(Self {
            settled_by: Some(settlement.round),
            balance: Some((facts.before.balance(owner), facts.after.balance(owner))),
            slashed: sum(settlement
                .slashed
                .iter()
                .filter(|(case, _)| taken(case))
                .map(|(_, amount)| amount)),
            freed: sum(settlement
                .freed
                .iter()
                .filter(|(of, _)| *of == owner)
                .map(|(_, amount)| amount)),
            ..story
        })
    }

    /// What the rule would pay an owner if the epoch under way ended now; `None` if it does not take part.
    pub fn if_settled_now(case: &EpochCase, owner: OwnerId) -> Option<Self> {
        Self::from_case(case, owner).ok()?
    }

    fn from_case(case: &EpochCase, owner: OwnerId) -> Result<Option<Self>, EpochError> {
        let Some(row) = case.owners.iter().position(|other| *other == owner) else {
            return Ok(None);
        };
        let (memory, outcome) = case.settle()?;
        let at = |values: &[u64]| values.get(row).copied().unwrap_or(0);
        let payment = outcome.payment.as_ref();
        let of_payment = |part: fn(&crate::mechanism::median::Payment) -> &Vec<u64>| {
            payment.map_or(0, |payment| at(part(payment)))
        };
        let reputation_before = case.memory.reputation().get(row).copied().unwrap_or(ONE);
        Ok(Some(Self {
            epoch: case.epoch,
            settled_by: None,
            rounds: case.rounds,
            emission: case.emission,
            fees: case.fees,
            paid: outcome.paid,
            withheld: outcome.withheld,
            paid_share: outcome.paid_share,
            totals: Projection {
                contributor: payment.map_or(0, |payment| sum(&payment.contributor)),
                rater: payment.map_or(0, |payment| sum(&payment.rater)),
                niche: payment.map_or(0, |payment| sum(&payment.niche)),
                payout: sum(&outcome.payout),
            },
            pay: pay_of(&outcome, row),
            owners: case.owners.len(),
            stake: at(&case.stakes),
            stake_share: at(&outcome.stake_share),
            power: at(&outcome.power),
            reputation: (reputation_before, at(&outcome.reputation)),
            consensus: at(&outcome.consensus),
            total_consensus: outcome.total_consensus,
            agreement: at(&outcome.agreement.relative),
            accepted_in: case.accepted_in.get(row).copied().unwrap_or(0),
            rated_in: case.rated_in.get(row).copied().flatten(),
            attendance: case.attendance.get(row).copied().unwrap_or_default(),
            niche_budget: (
                of_payment(|payment| &payment.niche_budget),
                of_payment(|payment| &payment.niche_spent),
            ),
            ratings: received(case, &memory, &outcome, row),
            balance: None,
            slashed: 0,
            freed: 0,
            what_ifs: what_ifs(case, &memory, &outcome, row)?,
        }))
    }
}

fn pay_of(outcome: &Outcome, row: usize) -> Projection {
    let payment = outcome.payment.as_ref();
    let at = |values: &[u64]| values.get(row).copied().unwrap_or(0);
    Projection {
        contributor: payment.map_or(0, |payment| at(&payment.contributor)),
        rater: payment.map_or(0, |payment| at(&payment.rater)),
        niche: payment.map_or(0, |payment| at(&payment.niche)),
        payout: at(&outcome.payout),
    }
}

fn received(case: &EpochCase, memory: &Memory, outcome: &Outcome, row: usize) -> Vec<RewardRating> {
    let mut ratings: Vec<RewardRating> = case
        .owners
        .iter()
        .enumerate()
        .filter(|(rater, _)| *rater != row)
        .map(|(rater, owner)| {
            let given = case.ratings.get(rater).map_or(&[][..], Vec::as_slice);
            RewardRating {
                rater: *owner,
                rated_in: case.rated_in.get(rater).copied().flatten(),
                rating: given.get(row).copied().unwrap_or(0),
                row_sum: given
                    .iter()
                    .fold(0, |sum, weight| sum.saturating_add(u64::from(*weight))),
                smoothed: smoothed(memory, rater, row),
                power: outcome.power.get(rater).copied().unwrap_or(0),
                reputation: case.memory.reputation().get(rater).copied().unwrap_or(ONE),
                decides: false,
            }
        })
        .collect();
    let mut entries: Vec<(u64, u64)> = ratings
        .iter()
        .map(|rating| (rating.smoothed, rating.power))
        .collect();
    let total = sum(entries.iter().map(|(_, power)| power));
    let median = weighted_median::strict(&mut entries, total);
    for rating in &mut ratings {
        rating.decides = rating.power > 0 && Some(rating.smoothed) == median;
    }
    ratings.sort_by_key(|rating| (std::cmp::Reverse(rating.smoothed), rating.rater));
    ratings
}

fn smoothed(memory: &Memory, rater: usize, rated: usize) -> u64 {
    let row = memory.ratings(rater).unwrap_or_default();
    row.get(rated).copied().unwrap_or(0)
}

fn what_ifs(
    case: &EpochCase,
    memory: &Memory,
    outcome: &Outcome,
    row: usize,
) -> Result<Vec<RewardWhatIf>, EpochError> {
    let mut what_ifs = Vec::new();
    let mut add = |change, outcome: &Outcome| {
        what_ifs.push(RewardWhatIf {
            change,
            pay: pay_of(outcome, row),
        });
    };
    if let Some((rater, changed)) = lowest_like_consensus(case, memory, outcome, row) {
        let change = RewardChange::LowestLikeConsensus { rater };
        add(change, &changed.settle()?.1);
    }
    if outcome.total_consensus > 0
        && outcome.agreement.relative.get(row) < Some(&ONE)
        && let Some(changed) = rates_like_consensus(case, outcome, row)
    {
        add(RewardChange::RatesLikeConsensus, &changed.settle()?.1);
    }
    if outcome.total_consensus > 0 && has_missed(case, row) {
        let changed = with_full_attendance(case, row);
        add(RewardChange::RatesWheneverAsked, &changed.settle()?.1);
    }
    if case.memory.reputation().iter().any(|one| *one < ONE) {
        let changed = EpochCase {
            memory: case.memory.with_full_reputation(),
            ..case.clone()
        };
        add(RewardChange::FullReputation, &changed.settle()?.1);
    }
    if case.stakes.iter().max() != case.stakes.iter().min() {
        add(RewardChange::WithoutPowerCap, &case.settle_without_cap()?.1);
        let changed = EpochCase {
            stakes: vec![1; case.stakes.len()],
            ..case.clone()
        };
        add(RewardChange::EqualStakes, &changed.settle()?.1);
    }
    Ok(what_ifs)
}

/// The case with the lowest rating given in this epoch by somebody with power raised to the consensus, the
/// rater's other ratings in proportion as they are.
fn lowest_like_consensus(
    case: &EpochCase,
    memory: &Memory,
    outcome: &Outcome,
    row: usize,
) -> Option<(OwnerId, EpochCase)> {
    let consensus = outcome.consensus.get(row).copied().filter(|c| *c > 0)?;
    let (rater, _) = (0..case.owners.len())
        .filter(|rater| *rater != row)
        .filter(|rater| outcome.power.get(*rater).is_some_and(|power| *power > 0))
        .filter(|rater| case.rated_in.get(*rater).is_some_and(Option::is_some))
        .map(|rater| (rater, smoothed(memory, rater, row)))
        .filter(|(_, smoothed)| *smoothed < consensus)
        .min_by_key(|(_, smoothed)| *smoothed)?;
    let mut changed = case.clone();
    let given = changed.ratings.get_mut(rater)?;
    *given = with_share(given, row, consensus)?;
    Some((*case.owners.get(rater)?, changed))
}

/// `weights` with the one at `row` such that its share is `share` (Q32), scaled to fit 16 bits.
fn with_share(weights: &[u16], row: usize, share: u64) -> Option<Vec<u16>> {
    let others = weights
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != row)
        .fold(0_u64, |sum, (_, weight)| {
            sum.saturating_add(u64::from(*weight))
        });
    let rest = ONE.checked_sub(share).filter(|rest| *rest > 0)?;
    // w / (w + others) = share, so w = share · others / (1 - share).
    let wanted = u128::from(share)
        .checked_mul(u128::from(others))?
        .checked_div(u128::from(rest))?;
    let largest = u128::from(u16::MAX);
    let scale = wanted.max(largest);
    let scaled = |value: u128| {
        let value = value.checked_mul(largest)?.checked_div(scale)?;
        u16::try_from(value).ok()
    };
    weights
        .iter()
        .enumerate()
        .map(|(index, weight)| {
            scaled(if index == row {
                wanted
            } else {
                u128::from(*weight)
            })
        })
        .collect()
}

/// Whether the owner of this row did not rate in a round in which it was to.
fn has_missed(case: &EpochCase, row: usize) -> bool {
    let attendance = case.attendance.get(row);
    attendance.is_some_and(|one| one.rated < one.asked)
}

/// The case with this owner having rated whenever it was to.
fn with_full_attendance(case: &EpochCase, row: usize) -> EpochCase {
    let mut changed = case.clone();
    if let Some(attendance) = changed.attendance.get_mut(row) {
        attendance.rated = attendance.asked;
    }
    changed
}

/// The case with this owner's ratings replaced by the consensus about the others; if it gave none, with them given in every
/// round.
fn rates_like_consensus(case: &EpochCase, outcome: &Outcome, row: usize) -> Option<EpochCase> {
    let largest = *outcome.consensus.iter().max()?;
    let like: Option<Vec<u16>> = outcome
        .consensus
        .iter()
        .enumerate()
        .map(|(index, consensus)| {
            if index == row {
                return Some(0);
            }
            let scaled = u128::from(*consensus)
                .checked_mul(u128::from(u16::MAX))?
                .checked_div(u128::from(largest))?;
            u16::try_from(scaled).ok()
        })
        .collect();
    let gave_none = case.rated_in.get(row)?.is_none();
    let mut changed = if gave_none {
        with_full_attendance(case, row)
    } else {
        case.clone()
    };
    *changed.ratings.get_mut(row)? = like?;
    let given = changed.rated_in.get_mut(row)?;
    *given = given.or(case.rated_in.iter().copied().flatten().max());
    given.is_some().then_some(changed)
}

fn sum<'a>(values: impl IntoIterator<Item = &'a u64>) -> u64 {
    values
        .into_iter()
        .fold(0, |sum, value| sum.saturating_add(*value))
}
