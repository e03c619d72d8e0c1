//! What identifies a contribution's key shares: whose, of which round, for which committee.

use crate::{committee::Committee, context::RoundContext, params::Params, seal::Slot};

/// What dealer and members of a contribution agree on.
#[derive(Clone, Copy, Debug)]
pub struct Dealing<'a> {
    /// Encryption parameters.
    pub params: &'a Params,
    /// Federation, round and model.
    pub context: &'a RoundContext,
    /// The dealer's number in the federation.
    pub participant: u32,
    /// The round's seated members.
    pub committee: &'a Committee,
}

impl Dealing<'_> {
    pub(crate) fn slot(&self, seat: u16) -> Slot {
        Slot {
            context: *self.context,
            participant: self.participant,
            seat,
        }
    }
}
