//! Who joins, and what the owners say about it.

use std::fs;
use std::io::ErrorKind;

use unsilo_ledger::{Entry, EntrySignature, PublicKey};
use unsilo_proto::{Code, Rejected};

use super::{Task, internal, now_ms};
use crate::{
    admission::{Member, authority},
    durable::{self, Readers},
    error::CoordinatorError,
    owner::JoinApplication,
    round::Event,
};

impl Task {
    pub(super) fn join(&mut self, application: JoinApplication) -> Result<Vec<u8>, Rejected> {
        let JoinApplication {
            name,
            secret,
            identity,
            certificate_request,
        } = application;
        self.invitations
            .redeem(&name, &secret, &identity.0, now_ms())?;
        self.members.check_suspension(&name)?;
        self.check_identity(&name, identity)?;
        let certificate = self
            .authority
            .issue(&name, &certificate_request)
            .map_err(|error| Rejected::new(Code::Malformed, error))?;
        let joined_ms = self
            .members
            .get(&name)
            .map_or_else(now_ms, |before| before.joined_ms());
        let fingerprint = authority::fingerprint(&certificate);
        self.members
            .record(Member::new(&name, identity, fingerprint, joined_ms))
            .map_err(internal)?;
        tracing::info!(name, "joined");
        let event = self.joined_event();
        self.step(event)?;
        Ok(certificate)
    }

    /// One name, one identity: both on the ledger, where it cannot change, and among those who wait to be,
    /// where two names of one key would make a genesis that the ledger refuses for ever.
    pub(super) fn check_identity(&self, name: &str, identity: PublicKey) -> Result<(), Rejected> {
        let state = self.ledger.state();
        let named_otherwise = state
            .participant_by_name(name)
            .is_some_and(|known| known.key != identity || known.name != name);
        if named_otherwise {
            return Err(Rejected::new(
                Code::InviteUsed,
                format!(
                    "the ledger knows {name:?} by another identity: go on in the directory of that time; a company \
                     that lost its identity joins under a new name"
                ),
            ));
        }
        let taken = identity == self.identity.public()
            || state
                .participant_by_key(&identity)
                .is_some_and(|known| known.name != name)
            || self
                .members
                .all()
                .iter()
                .any(|member| member.name != name && member.identity() == Some(identity));
        if taken {
            return Err(Rejected::new(
                Code::InviteUsed,
                "this identity has joined under another name: every participant makes its own, in its own directory",
            ));
        }
        Ok(())
    }

    pub(super) fn joined_event(&self) -> Event {
        Event::Joined(
            self.members
                .all()
                .into_iter()
                .filter_map(|member| Some((member.name.clone(), member.identity()?)))
                .collect(),
        )
    }

    /// People sign admissions and voids once, so a signature is on disk before it is acknowledged.
    pub(super) fn approve(&mut self, event: Event) -> Result<(), Rejected> {
        self.step(event)?;
        let approvals: Vec<_> = self.machine.approvals().collect();
        let bytes =
            borsh::to_vec(&approvals).map_err(CoordinatorError::io("write", &self.approvals));
        bytes
            .and_then(|bytes| durable::write(&self.approvals, &bytes, Readers::Owner))
            .map_err(internal)
    }

    pub(super) fn recover_approvals(&mut self) -> Result<(), CoordinatorError> {
        let bytes = match fs::read(&self.approvals) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            bytes => bytes.map_err(CoordinatorError::io("read", &self.approvals))?,
        };
        let approvals: Vec<(Vec<u8>, EntrySignature)> = borsh::from_slice(&bytes)
            .map_err(|error| CoordinatorError::config(&self.approvals, error.to_string()))?;
        for (entry, signature) in approvals {
            // Refused is what has been admitted or ended in the meantime.
            let _ = self.step(match Entry::from_bytes(&entry) {
                Ok(Entry::RoundVoided { .. }) => Event::OwnersVoidSigned { entry, signature },
                _ => Event::Approved { entry, signature },
            });
        }
        Ok(())
    }
}
