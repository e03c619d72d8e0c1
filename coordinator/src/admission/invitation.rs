//! Invitations as the coordinator keeps them: one file each, holding a hash of the secret.

use std::{fs, path::PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use unsilo_ledger::name::check_name;
use unsilo_proto::{Code, Invite, Rejected};

use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
};

/// One invitation on disk.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    secret_hash: String,
    expires_ms: u64,
    /// Identity (hex) of the company that used it.
    used_by: Option<String>,
}

/// The directory of invitations. A running coordinator and `unsilo coordinator invite` both work on it:
/// every file is replaced whole.
#[derive(Clone, Debug)]
pub(crate) struct Invitations {
    directory: PathBuf,
}

impl Invitations {
    pub(crate) fn open(directory: PathBuf) -> Result<Self, CoordinatorError> {
        durable::private_directory(&directory)?;
        Ok(Self { directory })
    }

    /// Records an invitation for `name`; an earlier one for the same name stops working.
    pub(crate) fn record(
        &self,
        name: &str,
        secret: &[u8; 32],
        expires_ms: u64,
    ) -> Result<(), CoordinatorError> {
        check_name("participant name", name)
            .map_err(|error| CoordinatorError::Directory(error.to_string()))?;
        self.write(&Stored {
            name: name.to_owned(),
            secret_hash: HEXLOWER.encode(&Invite::secret_hash(secret)),
            expires_ms,
            used_by: None,
        })
    }

    /// Uses the invitation of `name`, or lets the same identity use it again (a join that was cut off is
    /// simply repeated).
    ///
    /// # Errors
    /// Refused with [`Code::InviteUnknown`], [`Code::InviteExpired`] or [`Code::InviteUsed`]; a failure of
    /// the disk is [`Code::Internal`].
    pub(crate) fn redeem(
        &self,
        name: &str,
        secret: &[u8; 32],
        identity: &[u8; 32],
        now_ms: u64,
    ) -> Result<(), Rejected> {
        let unknown = || {
            Rejected::new(
                Code::InviteUnknown,
                format!(
                    "there is no such invitation for {name:?}: ask the coordinator's admin for a new one \
                     (a newer invitation replaces an older one)"
                ),
            )
        };
        check_name("participant name", name).map_err(|_| unknown())?;
        let mut stored = self.read(name).ok_or_else(unknown)?;
        if stored.name != name
            || stored.secret_hash != HEXLOWER.encode(&Invite::secret_hash(secret))
        {
            return Err(unknown());
        }
        let identity = HEXLOWER.encode(identity);
        match &stored.used_by {
            Some(by) if *by == identity => return Ok(()),
            Some(_) => {
                return Err(Rejected::new(
                    Code::InviteUsed,
                    format!(
                        "the invitation for {name:?} was already used: if that was you, go on in the \
                         directory of that time; if not, tell the coordinator's admin, somebody else has \
                         read your invitation"
                    ),
                ));
            }
            None if stored.expires_ms < now_ms => {
                return Err(Rejected::new(
                    Code::InviteExpired,
                    format!("the invitation for {name:?} has expired: ask for a new one"),
                ));
            }
            None => {}
        }
        stored.used_by = Some(identity);
        self.write(&stored).map_err(|error| {
            tracing::error!(%error, "cannot record a used invitation");
            Rejected::new(
                Code::Internal,
                "the coordinator could not record that the invitation was used; it is still valid: try again",
            )
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        // Names may hold any printable character: the file is named by their bytes.
        self.directory
            .join(format!("{}.toml", HEXLOWER.encode(name.as_bytes())))
    }

    fn read(&self, name: &str) -> Option<Stored> {
        toml::from_str(&fs::read_to_string(self.path(name)).ok()?).ok()
    }

    fn write(&self, stored: &Stored) -> Result<(), CoordinatorError> {
        let path = self.path(&stored.name);
        let text = toml::to_string(stored)
            .map_err(|error| CoordinatorError::config(&path, error.to_string()))?;
        durable::write(&path, text.as_bytes(), Readers::Owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_works_once_in_time_and_for_its_name() {
        let directory = tempfile::tempdir().expect("made");
        let invitations = Invitations::open(directory.path().join("i")).expect("opened");
        invitations
            .record("Aster", &[1; 32], 100)
            .expect("recorded");
        let redeem = |name: &str, secret: u8, identity: u8, now| {
            invitations
                .redeem(name, &[secret; 32], &[identity; 32], now)
                .map_err(|rejected| rejected.code)
        };
        assert_eq!(redeem("Birch", 1, 7, 50), Err(Code::InviteUnknown));
        assert_eq!(redeem("../Aster", 1, 7, 50), Err(Code::InviteUnknown));
        assert_eq!(redeem("Aster", 2, 7, 50), Err(Code::InviteUnknown));
        assert_eq!(redeem("Aster", 1, 7, 101), Err(Code::InviteExpired));
        assert_eq!(redeem("Aster", 1, 7, 100), Ok(()));
        assert_eq!(
            redeem("Aster", 1, 7, 500),
            Ok(()),
            "the same company repeats"
        );
        assert_eq!(redeem("Aster", 1, 8, 100), Err(Code::InviteUsed));
        invitations
            .record("Aster", &[3; 32], 900)
            .expect("recorded");
        assert_eq!(redeem("Aster", 1, 7, 100), Err(Code::InviteUnknown));
        assert_eq!(redeem("Aster", 3, 8, 100), Ok(()));
    }
}
