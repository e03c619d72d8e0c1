//! Who joined: the identity and the certificate behind each name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use unsilo_ledger::{PublicKey, name::check_name};
use unsilo_proto::{Code, Rejected};

use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
};

/// A company that joined with an invitation.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    /// Name of the invitation.
    pub(crate) name: String,
    /// Ledger identity, hex.
    identity: String,
    /// SHA-256 of the certificate in use, hex. Joining again replaces it.
    certificate: String,
    /// A suspended member is refused; the ledger is not touched.
    #[serde(default)]
    pub(crate) suspended: bool,
    /// When it first joined, milliseconds since 1970: the order of the founders.
    joined_ms: u64,
}

impl Member {
    pub(crate) fn new(
        name: &str,
        identity: PublicKey,
        certificate: [u8; 32],
        joined_ms: u64,
    ) -> Self {
        Self {
            name: name.to_owned(),
            identity: identity.to_hex(),
            certificate: HEXLOWER.encode(&certificate),
            suspended: false,
            joined_ms,
        }
    }

    pub(crate) fn identity(&self) -> Option<PublicKey> {
        PublicKey::from_hex(&self.identity)
    }

    pub(crate) fn joined_ms(&self) -> u64 {
        self.joined_ms
    }
}

/// The company behind a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) identity: PublicKey,
}

/// All members, on disk (one file each) and by certificate in memory. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    directory: PathBuf,
    by_name: Arc<RwLock<BTreeMap<String, Member>>>,
}

impl Members {
    /// Reads every member under `directory`.
    pub(crate) fn open(directory: PathBuf) -> Result<Self, CoordinatorError> {
        durable::private_directory(&directory)?;
        let mut by_name = BTreeMap::new();
        let files = fs::read_dir(&directory).map_err(CoordinatorError::io("read", &directory))?;
        for file in files {
            let path = file
                .map_err(CoordinatorError::io("read", &directory))?
                .path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                let member = read(&path)?;
                by_name.insert(member.name.clone(), member);
            }
        }
        Ok(Self {
            directory,
            by_name: Arc::new(RwLock::new(by_name)),
        })
    }

    /// Records a member, or its new certificate.
    pub(crate) fn record(&self, member: Member) -> Result<(), CoordinatorError> {
        check_name("participant name", &member.name)
            .map_err(|error| CoordinatorError::Directory(error.to_string()))?;
        let path = self
            .directory
            .join(format!("{}.toml", HEXLOWER.encode(member.name.as_bytes())));
        let text = toml::to_string(&member)
            .map_err(|error| CoordinatorError::config(&path, error.to_string()))?;
        durable::write(&path, text.as_bytes(), Readers::Owner)?;
        self.by_name
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(member.name.clone(), member);
        Ok(())
    }

    /// The member called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<Member> {
        let members = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        members.get(name).cloned()
    }

    /// Every member, in the order they joined.
    pub(crate) fn all(&self) -> Vec<Member> {
        let members = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = members.values().cloned().collect();
        all.sort_by(|a, b| (a.joined_ms, &a.name).cmp(&(b.joined_ms, &b.name)));
        all
    }

    /// Who holds the certificate with this fingerprint.
    ///
    /// # Errors
    /// [`Code::CertificateUnknown`] or [`Code::Suspended`].
    pub(crate) fn caller(&self, certificate: &[u8; 32]) -> Result<Caller, Rejected> {
        let fingerprint = HEXLOWER.encode(certificate);
        let members = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let member = members
            .values()
            .find(|member| member.certificate == fingerprint);
        let identity = member.and_then(Member::identity);
        match (member, identity) {
            (Some(member), _) if member.suspended => Err(Rejected::new(
                Code::Suspended,
                format!(
                    "{:?} is suspended: ask the coordinator's admin why",
                    member.name
                ),
            )),
            (Some(member), Some(identity)) => Ok(Caller {
                name: member.name.clone(),
                identity,
            }),
            _ => Err(Rejected::new(
                Code::CertificateUnknown,
                "this certificate is not one the federation knows: join with an invitation first, or go on in \
                 the directory of the newest join",
            )),
        }
    }
}

fn read(path: &Path) -> Result<Member, CoordinatorError> {
    let text = fs::read_to_string(path).map_err(CoordinatorError::io("read", path))?;
    let member: Member =
        toml::from_str(&text).map_err(|error| CoordinatorError::config(path, error.to_string()))?;
    if member.identity().is_none() {
        return Err(CoordinatorError::config(
            path,
            "identity is not 64 hexadecimal digits",
        ));
    }
    Ok(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_survive_a_restart_and_are_found_by_certificate() {
        let directory = tempfile::tempdir().expect("made");
        let path = directory.path().join("members");
        let members = Members::open(path.clone()).expect("opened");
        let identity = PublicKey([5; 32]);
        members
            .record(Member::new("Aster", identity, [1; 32], 10))
            .expect("recorded");
        members
            .record(Member::new("Aster", identity, [2; 32], 10))
            .expect("renewed");
        let again = Members::open(path).expect("opened");
        for members in [members, again] {
            let code = |certificate| members.caller(&certificate).map_err(|error| error.code);
            assert_eq!(code([1; 32]), Err(Code::CertificateUnknown));
            assert_eq!(
                code([2; 32]),
                Ok(Caller {
                    name: "Aster".into(),
                    identity
                })
            );
            let mut suspended = members.get("Aster").expect("there");
            suspended.suspended = true;
            let shared = members.clone();
            shared.record(suspended).expect("recorded");
            assert_eq!(code([2; 32]), Err(Code::Suspended));
            let back = Member {
                suspended: false,
                ..members.get("Aster").expect("there")
            };
            members.record(back).expect("recorded");
        }
    }
}
