//! What the books remember of each participant besides its name and keys.

use crate::guard_head::GuardHead;
use borsh::{BorshDeserialize, BorshSerialize};

/// Numbered by participant.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Conduct {
    /// How far its guard records reached when it last sat or cosigned.
    pub(super) guard: Option<GuardHead>,
    /// Rounds in which its contribution was rejected by its fault and that are not yet held against it.
    pub(super) faults: Vec<u64>,
    /// Feedback filed, ever.
    pub(super) feedback: u64,
    /// The epoch that `feedback_in_epoch` is of.
    pub(super) feedback_epoch: u64,
    pub(super) feedback_in_epoch: u16,
}
