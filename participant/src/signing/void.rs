//! An owner's word that a round is void: when members of the committee are gone for good, or the coordinator lost what it
//! cannot recover. More than half of the owners end a round so; after its close only a day past its last deadline, since
//! until then a member may answer.
//!
//! [`super::Signing::sign`] notes it where the company's node looks before each act ([`crate::guard::OwnersVoids`]): whoever
//! signed contributes nothing more to that round and does nothing more in its committee, and before the close signs nothing if its node has opened the
//! round's sum.

use unsilo_ledger::{Entry, State, VoidAuthority, VoidReason, entry::OWNERS_VOID_DELAY_MS};

use crate::{error::NodeError, node::now_ms};

/// What an owner signs now, by this machine's clock.
///
/// # Errors
/// [`NodeError::Directory`] if it is too early for the round under way.
pub fn entry(state: &State, reason: VoidReason) -> Result<Entry, NodeError> {
    entry_at(state, reason, now_ms()).map_err(NodeError::Directory)
}

fn entry_at(state: &State, reason: VoidReason, now_ms: u64) -> Result<Entry, String> {
    let (round, passed_ms) = match state.round() {
        Some(current) if current.closing.is_some() => {
            let opening = &current.opening;
            (
                opening.round,
                opening.open_by_ms.saturating_add(OWNERS_VOID_DELAY_MS),
            )
        }
        Some(current) => (current.opening.round, 0),
        None => (state.next_round(), 0),
    };
    if passed_ms > now_ms {
        return Err(format!(
            "round {round} is closed, and members may still answer: owners can void it in {} minutes, a day past its last \
             deadline; nothing was signed",
            (passed_ms - now_ms).div_ceil(60_000)
        ));
    }
    Ok(Entry::RoundVoided {
        round,
        reason,
        authority: VoidAuthority::Owners { passed_ms },
    })
}
