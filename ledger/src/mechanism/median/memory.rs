//! What `median` remembers from epoch to epoch.

use crate::mechanism::epoch::{Epoch, EpochError};
use crate::mechanism::median::{RATING_RATE, REPUTATION_FLOOR, REPUTATION_RATE};
use crate::mechanism::q32::{self, ONE};
use borsh::{BorshDeserialize, BorshSerialize};

/// The averaged ratings, the reputation and the absences of all rows. Grows when an epoch has more rows.
///
/// New rows start without ratings, given or received, and with full reputation.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// Epochs settled.
    epochs: u64,
    /// M, row by row: how row i rates row j, in Q32. `rows²` numbers of at most 1; no row sums to more than 1.
    ratings: Vec<u64>,
    /// In Q32, from [`REPUTATION_FLOOR`] to 1.
    reputation: Vec<u64>,
    /// In how many epochs in a row each row was absent, up to now.
    absences: Vec<u32>,
}

impl Memory {
    /// Before the first epoch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows known.
    pub fn len(&self) -> usize {
        self.reputation.len()
    }

    /// Whether there were no rows yet.
    pub fn is_empty(&self) -> bool {
        self.reputation.is_empty()
    }

    /// Epochs settled.
    pub fn epochs(&self) -> u64 {
        self.epochs
    }

    /// How row `rater` rates every row, averaged over epochs, in Q32 (row of M); `None` if it is not known.
    pub fn ratings(&self, rater: usize) -> Option<&[u64]> {
        let start = rater.checked_mul(self.len())?;
        self.ratings
            .get(start..start.checked_add(self.len())?)
            .filter(|_| rater < self.len())
    }

    /// The trust in each rater, in Q32.
    pub fn reputation(&self) -> &[u64] {
        &self.reputation
    }

    /// In how many epochs in a row each row was absent, up to now.
    pub fn absences(&self) -> &[u32] {
        &self.absences
    }

    /// The same with full reputation for everybody: to ask what reputation changed.
    #[must_use]
    pub fn with_full_reputation(&self) -> Self {
        Self {
            reputation: vec![ONE; self.len()],
            ..self.clone()
        }
    }

    /// Adds rows at the end, each with this reputation, without ratings given or received. All newcomers of an
    /// epoch at once: the matrix is copied once for them.
    pub fn add(&mut self, reputations: &[u64]) {
        if reputations.is_empty() {
            return;
        }
        let count = self.len();
        let larger = count.saturating_add(reputations.len());
        let mut ratings = Vec::with_capacity(larger.saturating_mul(larger));
        for (line, row) in self.rows().take(count).enumerate() {
            ratings.extend_from_slice(row);
            ratings.resize(larger.saturating_mul(line.saturating_add(1)), 0);
        }
        ratings.resize(larger.saturating_mul(larger), 0);
        self.ratings = ratings;
        let reputations = reputations.iter();
        self.reputation
            .extend(reputations.map(|one| (*one).clamp(REPUTATION_FLOOR, ONE)));
        self.absences.resize(larger, 0);
    }

    /// Takes a row away, and what was said about it; the rows behind it move up. Returns its reputation.
    pub fn remove(&mut self, row: usize) -> Option<u64> {
        let count = self.len();
        if row >= count {
            return None;
        }
        let kept = |(index, value): (usize, u64)| (index != row).then_some(value);
        self.ratings = self
            .rows()
            .enumerate()
            .filter(|(index, _)| *index != row)
            .flat_map(|(_, line)| line.iter().copied().enumerate().filter_map(kept))
            .collect();
        self.absences.remove(row);
        Some(self.reputation.remove(row))
    }

    /// All rows of M, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[u64]> {
        // An empty memory has no chunks of any size.
        self.ratings.chunks_exact(self.len().max(1))
    }

    /// Whether the parts fit each other: a memory may come from a file.
    pub(super) fn check(&self) -> Result<(), EpochError> {
        let count = self.len();
        if count.checked_mul(count) != Some(self.ratings.len()) || self.absences.len() != count {
            return Err(EpochError::Memory("its parts differ in length"));
        }
        let sound = |reputation: &u64| (REPUTATION_FLOOR..=ONE).contains(reputation);
        if !self.reputation.iter().all(sound) {
            return Err(EpochError::Memory("a reputation is out of range"));
        }
        let mut sums = self.rows().map(q32::sum);
        if !sums.all(|sum| sum.is_ok_and(|sum| sum <= ONE)) {
            return Err(EpochError::Memory(
                "the ratings of a row sum to more than 1",
            ));
        }
        Ok(())
    }

    /// Steps 3 and 4: the memory with the ratings of an epoch of `count` rows.
    pub(super) fn rated(&self, epoch: &Epoch<'_>, count: usize) -> Result<Self, EpochError> {
        let size = count.checked_mul(count).ok_or(EpochError::Overflow)?;
        let mut ratings = Vec::with_capacity(size);
        let mut absences = Vec::with_capacity(count);
        for (index, row) in epoch.rows.iter().enumerate() {
            let old = self.ratings(index).unwrap_or_default();
            let old = old.iter().copied().chain(std::iter::repeat(0));
            let absent = self.absences.get(index).copied().unwrap_or(0);
            match row.opinion(epoch.rows) {
                None => {
                    ratings.extend(old.take(count));
                    absences.push(absent.saturating_add(1));
                }
                Some((weights, total)) => {
                    for (weight, old) in weights.zip(old) {
                        let new = q32::divide(u64::from(weight), total)?;
                        ratings.push(if self.epochs == 0 {
                            new
                        } else {
                            q32::average(old, new, RATING_RATE)?
                        });
                    }
                    absences.push(0);
                }
            }
        }
        let mut reputation = self.reputation.clone();
        reputation.resize(count, ONE);
        Ok(Self {
            epochs: self.epochs.checked_add(1).ok_or(EpochError::Overflow)?,
            ratings,
            reputation,
            absences,
        })
    }

    /// Step 9: reputation moves towards the square of the agreement.
    pub(super) fn judge(&mut self, squared: &[u64]) -> Result<(), EpochError> {
        for (reputation, squared) in self.reputation.iter_mut().zip(squared) {
            *reputation =
                q32::average(*reputation, *squared, REPUTATION_RATE)?.max(REPUTATION_FLOOR);
        }
        Ok(())
    }
}
