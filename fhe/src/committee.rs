//! Who holds the shares of the one-time keys in a round.

use crate::seal::RoundPublicKey;
use thiserror::Error;

/// Most members a committee may have.
pub const MAX_MEMBERS: usize = 21;

/// The seated members of a round, by their round keys.
///
/// Seats are numbered from 1: seat `s` receives `f(s)`, and `f(0)` is the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    members: Vec<RoundPublicKey>,
    threshold: u16,
}

/// Why a committee was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CommitteeError {
    /// Nobody, or more members than the protocol allows.
    #[error("a committee has 1 to {limit} members, not {members}", limit = MAX_MEMBERS)]
    Size {
        /// Members given.
        members: usize,
    },
    /// A threshold that cannot be reached, or lets too few members open.
    #[error(
        "a committee of {members} cannot have threshold {threshold}: it lies between 1 and the number of members"
    )]
    Threshold {
        /// Members given.
        members: usize,
        /// Threshold given.
        threshold: usize,
    },
}

/// `t(m) = floor(2m/3) + 1`: how many of `members` drawn seats must answer.
#[must_use]
pub fn threshold_for(members: usize) -> usize {
    members * 2 / 3 + 1
}

impl Committee {
    /// A committee of `members` in seat order, of whom `threshold` open.
    ///
    /// The threshold is that of the *drawn* committee ([`threshold_for`]); `members` may be fewer than
    /// drawn when seats stayed empty.
    ///
    /// # Errors
    /// [`CommitteeError`] if the size or the threshold is out of range.
    pub fn new(members: Vec<RoundPublicKey>, threshold: usize) -> Result<Self, CommitteeError> {
        if !(1..=MAX_MEMBERS).contains(&members.len()) {
            return Err(CommitteeError::Size {
                members: members.len(),
            });
        }
        match u16::try_from(threshold) {
            Ok(checked) if (1..=members.len()).contains(&threshold) => Ok(Self {
                members,
                threshold: checked,
            }),
            _ => Err(CommitteeError::Threshold {
                members: members.len(),
                threshold,
            }),
        }
    }

    /// Members in seat order: index 0 is seat 1.
    #[must_use]
    pub fn members(&self) -> &[RoundPublicKey] {
        &self.members
    }

    /// The member in `seat` (from 1).
    #[must_use]
    pub fn member(&self, seat: u16) -> Option<&RoundPublicKey> {
        self.members.get(usize::from(seat).checked_sub(1)?)
    }

    /// Number of seats, `m`.
    #[must_use]
    pub fn seats(&self) -> u16 {
        // `new` admits at most MAX_MEMBERS.
        self.members.len() as u16
    }

    /// Number of answers that open, `t`.
    #[must_use]
    pub fn threshold(&self) -> u16 {
        self.threshold
    }
}
