//! Becoming a member: the authority that certifies TLS keys, the invitations, and who joined with them.
//! None of it admits anybody to the ledger: founders and owners do.

pub(crate) mod authority;
mod invitation;
mod member;

pub(crate) use invitation::Invitations;
pub(crate) use member::{Caller, Member, Members};
