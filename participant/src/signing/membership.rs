//! Owners evict a participant, readmit one (with a new key, if it lost its own), or state whose it is.

use unsilo_ledger::{Entry, PublicKey, State};

use super::named;
use crate::error::NodeError;

/// The participant called `name` loses its say.
///
/// # Errors
/// [`NodeError::Directory`] if there is none of that name.
pub fn eviction(state: &State, name: &str) -> Result<Entry, NodeError> {
    let participant = named(state, name)?;
    Ok(Entry::ParticipantEvicted {
        participant: participant.id,
        change: participant.changes,
    })
}

/// The participant called `name` has its say again; with `identity` (hexadecimal), under this ledger identity.
///
/// # Errors
/// [`NodeError::Directory`] if there is none of that name, or `identity` is no key.
pub fn readmission(state: &State, name: &str, identity: Option<&str>) -> Result<Entry, NodeError> {
    let participant = named(state, name)?;
    let key = match identity {
        None => participant.key,
        Some(text) => key(text).ok_or_else(|| {
            NodeError::Directory(format!(
                "{text:?} is not an identity: give the 64 hexadecimal digits that `unsilo join` printed; nothing was signed"
            ))
        })?,
    };
    Ok(Entry::ParticipantReadmitted {
        participant: participant.id,
        change: participant.changes,
        key,
    })
}

/// The participant called `name` belongs to the owner of the one called `owner`; without it, to a company of its own.
///
/// # Errors
/// [`NodeError::Directory`] if there is none of one of the names.
pub fn owner_change(state: &State, name: &str, owner: Option<&str>) -> Result<Entry, NodeError> {
    let participant = named(state, name)?;
    let owner = owner
        .map(|owner| Ok::<_, NodeError>(named(state, owner)?.owner))
        .transpose()?;
    Ok(Entry::OwnerChanged {
        participant: participant.id,
        change: participant.changes,
        owner,
    })
}

fn key(text: &str) -> Option<PublicKey> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.trim().as_bytes())
        .ok()?;
    Some(PublicKey(bytes.try_into().ok()?))
}
