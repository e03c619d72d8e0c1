//! The invitation: one string that carries all a company needs to join.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::limits::NAME_BYTES;

/// First characters of every invitation; the digit is the version of the form.
const PREFIX: &str = "unsilo1";

/// Longest invitation that is read, characters.
const MAX_CHARACTERS: usize = 1024;

/// Longest `host:port`, bytes: a DNS name has at most 253.
const ADDRESS_BYTES: usize = 300;

/// An invitation for one company. Whoever holds the string can join under its name, once, until it expires;
/// joining does not admit: the owners do.
#[derive(BorshSerialize, BorshDeserialize, Zeroize, ZeroizeOnDrop)]
pub struct Invite {
    /// Name the company will have in the federation.
    pub name: String,
    /// `host:port` of the coordinator.
    pub address: String,
    /// SHA-256 of the federation's certificate authority, DER: the TLS connection is pinned to it.
    pub authority: [u8; 32],
    /// The federation's id (hash of its draft).
    pub federation: [u8; 32],
    /// One-time secret.
    pub secret: [u8; 32],
    /// Last moment of use, milliseconds since 1970.
    pub expires_ms: u64,
}

impl Invite {
    /// The string form: a prefix, then lower-case base32 of the fields and a checksum of four bytes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut bytes = borsh::to_vec(self).unwrap_or_default();
        bytes.extend_from_slice(&checksum(&bytes));
        let text = format!(
            "{PREFIX}{}",
            BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
        );
        bytes.zeroize();
        text
    }

    /// Reads the string form; surrounding white space and line breaks from a mail are ignored.
    ///
    /// # Errors
    /// [`InviteError`] says whether the text is no invitation at all, of another version, or damaged.
    pub fn from_text(text: &str) -> Result<Self, InviteError> {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if compact.len() > MAX_CHARACTERS {
            return Err(InviteError::NotAnInvite);
        }
        let Some(body) = compact.strip_prefix(PREFIX) else {
            return Err(if compact.starts_with("unsilo") {
                InviteError::OtherVersion
            } else {
                InviteError::NotAnInvite
            });
        };
        let bytes = BASE32_NOPAD
            .decode(body.to_ascii_uppercase().as_bytes())
            .map_err(|_| InviteError::Damaged)?;
        let (fields, sum) = bytes.split_last_chunk::<4>().ok_or(InviteError::Damaged)?;
        if checksum(fields) != *sum {
            return Err(InviteError::Damaged);
        }
        let invite: Self = borsh::from_slice(fields).map_err(|_| InviteError::Damaged)?;
        if invite.name.is_empty()
            || invite.name.len() > NAME_BYTES
            || invite.address.is_empty()
            || invite.address.len() > ADDRESS_BYTES
        {
            return Err(InviteError::Damaged);
        }
        Ok(invite)
    }

    /// Hash under which the coordinator keeps the secret, so that its disk does not hold invitations.
    #[must_use]
    pub fn secret_hash(secret: &[u8; 32]) -> [u8; 32] {
        Sha256::new_with_prefix(b"unsilo/v1/invite\0")
            .chain_update(secret)
            .finalize()
            .into()
    }
}

impl fmt::Debug for Invite {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let digest = Sha256::new_with_prefix(b"unsilo/v1/invite checksum\0")
        .chain_update(bytes)
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Why a text is no usable invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// It does not start like one.
    #[error(
        "this is not an invitation: one starts with \"{PREFIX}\"; paste the whole string the coordinator's admin sent"
    )]
    NotAnInvite,
    /// A later or earlier form.
    #[error(
        "this invitation is of another version than this program reads (\"{PREFIX}\"): update, or ask for a new one"
    )]
    OtherVersion,
    /// Characters are missing or changed.
    #[error(
        "this invitation is damaged (checksum or length is wrong): copy the whole string again, without changes"
    )]
    Damaged,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> Invite {
        Invite {
            name: "Aster".into(),
            address: "127.0.0.1:7443".into(),
            authority: [1; 32],
            federation: [2; 32],
            secret: [3; 32],
            expires_ms: 4,
        }
    }

    #[test]
    fn an_invitation_survives_mail_and_copying() {
        let text = invite().to_text();
        let (a, b) = text.split_at(40);
        let read = Invite::from_text(&format!("  {a}\r\n {b}\n")).expect("valid");
        assert_eq!(read.to_text(), text);
        assert!(!format!("{read:?}").contains("secret"));
    }

    #[test]
    fn every_changed_or_missing_character_is_noticed() {
        let text = invite().to_text();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            assert!(Invite::from_text(&String::from_utf8_lossy(&changed)).is_err());
            assert!(Invite::from_text(&text[..at]).is_err());
        }
        assert_eq!(
            Invite::from_text("unsilo9abc").err(),
            Some(InviteError::OtherVersion)
        );
        assert_eq!(Invite::from_text("").err(), Some(InviteError::NotAnInvite));
    }
}
