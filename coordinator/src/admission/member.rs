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
    /// The one before, which a connection from before the renewal still holds; it ends with its own life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// The time that the last renewal was asked for with, by the company's clock: an older request is a copy.
    #[serde(default)]
    renewed_ms: u64,
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
            before: None,
            renewed_ms: 0,
            joined_ms,
        }
    }

    /// The same company with a fresh certificate.
    pub(crate) fn renewed(&self, certificate: [u8; 32], at_ms: u64, drop_old: bool) -> Self {
        Self {
            certificate: HEXLOWER.encode(&certificate),
            before: (!drop_old).then(|| self.certificate.clone()),
            renewed_ms: at_ms,
            ..self.clone()
        }
    }

    pub(crate) fn renewed_ms(&self) -> u64 {
        self.renewed_ms
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
        let path = self.file(&member.name, "toml");
        let text = toml::to_string(&member)
            .map_err(|error| CoordinatorError::config(&path, error.to_string()))?;
        durable::write(&path, text.as_bytes(), Readers::Owner)?;
        self.by_name
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(member.name.clone(), member);
        Ok(())
    }

    /// Refuses (or again lets in) the company called `name`; the ledger is not touched.
    ///
    /// A file beside the member's says so, and is looked for at every call: whoever writes it, a running
    /// coordinator notices, and writing it cannot cross a renewal of the member's certificate.
    pub(crate) fn suspend(&self, name: &str, suspended: bool) -> Result<(), CoordinatorError> {
        if !self.file(name, "toml").exists() {
            return Err(CoordinatorError::Directory(format!(
                "nobody called {name:?} has joined this federation: check the spelling"
            )));
        }
        let path = self.file(name, "suspended");
        if suspended {
            return durable::write(&path, b"", Readers::Owner);
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(CoordinatorError::io("remove", path)(error))
            }
            _ => durable::sync_parent(&path).map_err(CoordinatorError::io("write", path)),
        }
    }

    /// Whether the company called `name` is suspended.
    pub(crate) fn is_suspended(&self, name: &str) -> bool {
        self.file(name, "suspended").exists()
    }

    /// As [`Members::is_suspended`].
    ///
    /// # Errors
    /// [`Code::Suspended`].
    pub(crate) fn check_suspension(&self, name: &str) -> Result<(), Rejected> {
        if self.is_suspended(name) {
            Err(Rejected::new(
                Code::Suspended,
                format!("{name:?} is suspended: ask the coordinator's admin why"),
            ))
        } else {
            Ok(())
        }
    }

    fn file(&self, name: &str, extension: &str) -> PathBuf {
        // Names may hold any printable character: the file is named by their bytes.
        self.directory
            .join(format!("{}.{extension}", HEXLOWER.encode(name.as_bytes())))
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
        let member = members.values().find(|member| {
            member.certificate == fingerprint || member.before.as_ref() == Some(&fingerprint)
        });
        let identity = member.and_then(Member::identity);
        match (member, identity) {
            (Some(member), Some(identity)) => {
                self.check_suspension(&member.name)?;
                Ok(Caller {
                    name: member.name.clone(),
                    identity,
                })
            }
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
            // Another process suspends it; a renewed certificate does not lift that.
            let elsewhere = Members::open(members.directory.clone()).expect("opened");
            elsewhere.suspend("Aster", true).expect("suspended");
            assert_eq!(code([2; 32]), Err(Code::Suspended));
            members
                .record(Member::new("Aster", identity, [3; 32], 10))
                .expect("renewed");
            assert_eq!(code([3; 32]), Err(Code::Suspended));
            elsewhere.suspend("Aster", false).expect("lifted");
            elsewhere.suspend("Aster", false).expect("lifted before");
            assert_eq!(code([3; 32]).map(|caller| caller.name), Ok("Aster".into()));
            members
                .record(Member::new("Aster", identity, [2; 32], 10))
                .expect("renewed");
        }
        assert!(
            Members::open(directory.path().join("members"))
                .expect("opened")
                .suspend("../Aster", true)
                .is_err_and(|error| error.to_string().contains("../Aster"))
        );
    }
}
