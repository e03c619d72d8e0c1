//! The committee drawn for a round that is yet to open.

use crate::member::OwnerId;

/// Who may take the seats of the next round, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitteeDraw {
    /// The round to be opened.
    pub round: u64,
    /// The most seats that may be filled, `m`.
    pub size: usize,
    /// The fewest seats that must be filled, and how many members must act, `t`.
    ///
    /// It is `t` of the full size also when fewer seats are filled.
    pub threshold: usize,
    /// The owners asked, in order: the first `size` are drawn, the others are reserves that move up
    /// when a drawn owner does not answer. See [`crate::committee::candidates_for`].
    pub owners: Vec<OwnerId>,
}
