//! An owner's word on a company that wants to join: who waits, and a signature under one admission.
//!
//! Works beside a running node: it only reads the directory's keys.

use std::path::Path;

use tonic::transport::Channel;
use unsilo_ledger::{Entry, FederationId, PublicKey};
use unsilo_proto::{
    Rejected, limits,
    v1::{
        Applicant as WireApplicant, ApplicantsRequest, ApproveRequest,
        admission_client::AdmissionClient,
    },
};

use crate::{
    config::Config, directory::Directory, error::NodeError, join, node::tls_identity, tls,
};

/// A company that has joined and waits for the owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// Its legal name.
    pub name: String,
    /// Its ledger identity: compare it by another channel before you approve.
    pub identity: PublicKey,
    /// Owners that have approved.
    pub approvals: u32,
    /// Owners that must.
    pub approvals_needed: u32,
}

/// Who waits for approval, as the coordinator of the node in `dir` says.
///
/// # Errors
/// As [`crate::join()`] for directory and connection.
pub async fn applicants(dir: &Path) -> Result<Vec<Applicant>, NodeError> {
    let mut session = Session::open(dir).await?;
    Ok(session
        .waiting()
        .await?
        .into_iter()
        .map(|(_, applicant)| applicant)
        .collect())
}

/// Signs the admission of `name` with the identity of the node in `dir`. With `identity` (hexadecimal), only if the
/// company has that identity.
///
/// # Errors
/// [`NodeError::Directory`] if nobody of that name (or with that identity) waits; else as [`applicants`].
pub async fn approve(
    dir: &Path,
    name: &str,
    identity: Option<&str>,
) -> Result<Applicant, NodeError> {
    let mut session = Session::open(dir).await?;
    let (entry, mut applicant) = session
        .waiting()
        .await?
        .into_iter()
        .find(|(_, applicant)| applicant.name == name)
        .ok_or_else(|| {
            NodeError::Directory(format!(
                "no company called {name:?} waits for approval: `unsilo approve DIR` lists who does"
            ))
        })?;
    if let Some(expected) = identity
        && applicant.identity.to_hex() != expected.to_ascii_lowercase()
    {
        return Err(NodeError::Directory(format!(
            "{name:?} waits with the identity {}, not {expected}: somebody else may have used the invitation; \
             nothing was signed",
            applicant.identity
        )));
    }
    let signature = entry.sign(&session.federation, &session.identity).signature;
    session
        .client
        .approve(ApproveRequest {
            entry: entry.to_bytes(),
            signature: signature.to_vec(),
        })
        .await
        .map_err(|status| session.failed(&status))?;
    applicant.approvals += 1;
    Ok(applicant)
}

struct Session {
    client: AdmissionClient<Channel>,
    address: String,
    federation: FederationId,
    identity: unsilo_ledger::SigningIdentity,
}

impl Session {
    async fn open(dir: &Path) -> Result<Self, NodeError> {
        if !dir.join("participant.toml").exists() {
            return Err(NodeError::Directory(format!(
                "{} is not a participant's directory: give the one that `unsilo join` made",
                dir.display()
            )));
        }
        let directory = Directory::open(dir)?;
        let config = Config::read(&directory.config())?;
        let wrong = |message| NodeError::config(directory.config(), message);
        let authority = config.authority().map_err(wrong)?;
        let federation = FederationId(config.federation().map_err(wrong)?);
        let identity = join::read_identity(&directory.identity())?;
        let channel = tls::connect(
            &config.coordinator,
            authority,
            Some(tls_identity(&directory)?),
            &config.network,
        )
        .await?;
        Ok(Self {
            client: AdmissionClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES),
            address: config.coordinator,
            federation,
            identity,
        })
    }

    async fn waiting(&mut self) -> Result<Vec<(Entry, Applicant)>, NodeError> {
        let reply = self
            .client
            .applicants(ApplicantsRequest {})
            .await
            .map_err(|status| self.failed(&status))?
            .into_inner();
        // What the coordinator calls somebody is not what we would sign: only the entry's own words count.
        Ok(reply.applicants.into_iter().filter_map(parse).collect())
    }

    fn failed(&self, status: &tonic::Status) -> NodeError {
        match Rejected::from_status(status) {
            Some(rejected) => rejected.into(),
            None => tls::classify(&self.address, status),
        }
    }
}

fn parse(applicant: WireApplicant) -> Option<(Entry, Applicant)> {
    let entry = Entry::from_bytes(&applicant.entry).ok()?;
    let Entry::ParticipantAdmitted { name, key, .. } = &entry else {
        return None;
    };
    let known = Applicant {
        name: name.clone(),
        identity: *key,
        approvals: applicant.approvals,
        approvals_needed: applicant.approvals_needed,
    };
    Some((entry, known))
}
