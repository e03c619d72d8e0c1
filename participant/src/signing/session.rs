//! The connection, the books, and the signature.

use std::path::Path;

use tonic::{Status, transport::Channel};
use unsilo_ledger::{
    AppendError, Entry, FederationId, Participant, Rejected as Refused, Replica, SignedEntry,
    SigningIdentity, State, VoidAuthority,
    store::{self, FILE_NAME},
};
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{
        EntriesRequest, PendingRequest, SignRequest, ledger_log_client::LedgerLogClient,
        proposals_client::ProposalsClient,
    },
};

use super::{Proposal, needed};
use crate::{
    card,
    config::Config,
    directory::Directory,
    error::NodeError,
    guard::{OwnersVoids, VoidRefused},
    join,
    node::tls_identity,
    tls,
};

/// Most entries that are being signed, as far as they are read: 16 of each of 4,096 owners.
const PENDING: usize = 65_536;

/// Most bytes of entries beyond the node's own copy: one checkpoint confirms them all, so they are held until it came.
const MAX_LOG_BYTES: usize = 4 << 30;

/// A person's session at the directory of a node.
pub struct Signing {
    pub(super) channel: Channel,
    address: String,
    pub(super) federation: FederationId,
    pub(super) identity: SigningIdentity,
    replica: Replica,
    voids: OwnersVoids,
}

impl Signing {
    /// Reads the node's own copy of the ledger in `dir`, connects to the coordinator and verifies what its log adds.
    ///
    /// # Errors
    /// [`NodeError::Directory`] and [`NodeError::Config`] if `dir` is not a node's; [`NodeError::Store`] if a copy of the
    /// ledger is damaged or does not continue the other; [`NodeError::Unreachable`], [`NodeError::Certificate`] and
    /// [`NodeError::Rejected`] for the coordinator.
    pub async fn open(dir: &Path) -> Result<Self, NodeError> {
        let directory = Directory::of_participant(dir)?;
        let config = Config::read(&directory.config())?;
        let wrong = |message| NodeError::config(directory.config(), message);
        let authority = config.authority().map_err(wrong)?;
        let federation = config.federation().map_err(wrong)?;
        let draft = card::read(&directory.card(), &federation)?;
        let identity = join::read_identity(&directory.identity())?;
        let own_copy = dir.join(FILE_NAME);
        let replica = if own_copy.exists() {
            store::read(&own_copy, |_, _| {}).map_err(|error| unusable(error.to_string()))?
        } else {
            Replica::new(draft.coordinator, Some(FederationId(federation)))
        };
        let channel = tls::connect(
            &config.coordinator,
            authority,
            Some(tls_identity(&directory)?),
            &config.network,
        )
        .await?;
        let mut session = Self {
            channel,
            address: config.coordinator,
            federation: FederationId(federation),
            identity,
            replica,
            voids: OwnersVoids::beside(&directory.guards()),
        };
        session.catch_up().await?;
        Ok(session)
    }

    /// The books.
    pub fn state(&self) -> &State {
        self.replica.state()
    }

    /// The participant whose directory this is.
    ///
    /// # Errors
    /// [`NodeError::Directory`] if it is not (or no longer) in the federation.
    pub fn me(&self) -> Result<&Participant, NodeError> {
        self.state()
            .participant_by_key(&self.identity.public())
            .ok_or_else(|| {
                NodeError::Directory(
                    "this company has no say in the federation: it is not admitted yet, or was evicted".to_owned(),
                )
            })
    }

    /// What is being signed and is not on the ledger yet, as far as the books allow it.
    ///
    /// # Errors
    /// As [`Signing::open`] for the coordinator.
    pub async fn pending(&mut self) -> Result<Vec<Proposal>, NodeError> {
        let mut client = ProposalsClient::new(self.channel.clone())
            .max_decoding_message_size(limits::MESSAGE_BYTES);
        let mut stream = client
            .pending(PendingRequest {})
            .await
            .map_err(|status| self.failed(&status))?
            .into_inner();
        let mut pending = Vec::new();
        while let Some(proposal) = stream
            .message()
            .await
            .map_err(|status| self.failed(&status))?
        {
            if pending.len() >= PENDING {
                return Err(unusable(
                    "the coordinator lists entries without end".to_owned(),
                ));
            }
            let signed = SignedEntry::decode(&proposal.entry);
            pending.extend(
                signed
                    .ok()
                    .and_then(|signed| Proposal::read(&signed, &self.federation, self.state())),
            );
        }
        Ok(pending)
    }

    /// Whether the books allow the entry with this company's signature. Returns them as they would be, if no other
    /// signature is needed.
    ///
    /// # Errors
    /// [`NodeError::Rules`] with the rule that it breaks.
    pub fn try_entry(&self, entry: &Entry) -> Result<Option<State>, NodeError> {
        let mut after = self.state().clone();
        let signed = SignedEntry::signed_by(entry.clone(), &self.federation, &[&self.identity]);
        match after.apply(&signed) {
            Ok(_) => Ok(Some(after)),
            Err(Refused::TooFewSigners { .. } | Refused::OwnerDidNotSign { .. }) => Ok(None),
            Err(refused) => Err(NodeError::Rules(refused)),
        }
    }

    /// Signs an entry that the books allow, and hands the signature to the coordinator. Returns where the entry stands
    /// then: what the ledger holds is looked up, not taken from the coordinator's word.
    ///
    /// An owners' void is noted for this company's node first: it takes no further part in that round,
    /// whether the signature arrives or not.
    ///
    /// # Errors
    /// [`NodeError::Rules`] before anything is signed, and [`NodeError::Directory`] for a void of a round that is not closed
    /// and whose sum this company's node has opened; else as [`Signing::open`] for the coordinator.
    pub async fn sign(&mut self, entry: Entry) -> Result<Proposal, NodeError> {
        self.try_entry(&entry)?;
        let needed = needed(&entry, self.state()).map_err(NodeError::Rules)?;
        let words = self.state().describe_entry(&entry);
        self.note_void(&entry)?;
        let signature = entry.sign(&self.federation, &self.identity).signature;
        let mut client = ProposalsClient::new(self.channel.clone());
        let request = SignRequest {
            entry: entry.to_bytes(),
            signature: signature.to_vec(),
        };
        client
            .sign(request)
            .await
            .map_err(|status| self.unanswered(&status))?;
        // It is in one of the two places; in between it may move to the ledger.
        for _ in 0..2 {
            let added = self.catch_up().await?;
            if let Some(entered) = added.into_iter().find(|signed| signed.entry == entry) {
                return Ok(Proposal {
                    signers: self.owners_of(&entered),
                    entry,
                    words,
                    needed,
                    complete: true,
                    entered: true,
                });
            }
            let pending = self.pending().await?;
            if let Some(found) = pending.into_iter().find(|found| found.entry == entry) {
                return Ok(found);
            }
        }
        Err(NodeError::Rejected(Rejected::new(
            Code::Internal,
            format!(
                "the coordinator took the signature ({words}) and shows it neither on the ledger nor among what is being \
                 signed: sign again, and if that goes on, tell the other owners"
            ),
        )))
    }

    /// Durable before visible: what excludes answering is recorded before it is signed.
    fn note_void(&self, entry: &Entry) -> Result<(), NodeError> {
        let Entry::RoundVoided {
            round,
            authority: VoidAuthority::Owners { passed_ms },
            ..
        } = entry
        else {
            return Ok(());
        };
        // The ledger's rule: before a close no time is stated, after it a time that has passed.
        let closed = *passed_ms > 0;
        match self.voids.hold()?.sign(*round, closed) {
            Ok(()) => Ok(()),
            Err(VoidRefused::Disk(error)) => Err(error),
            Err(refused) => Err(NodeError::Directory(format!(
                "{refused}; nothing was signed. The coordinator shows books on which the round is not closed: compare them \
                 with the other owners'"
            ))),
        }
    }

    /// Owners of those who signed an entry of the ledger.
    fn owners_of(&self, signed: &SignedEntry) -> Vec<String> {
        let state = self.state();
        let owners = signed.signers().filter_map(|key| {
            // Whoever signed its own departure is not there any more.
            let mut all = state.all_participants();
            let signer = all.find(|one| one.key == *key || one.former_keys.contains(key))?;
            state.owner(signer.owner)
        });
        let by_number: std::collections::BTreeMap<_, _> =
            owners.map(|owner| (owner.id, owner.name.clone())).collect();
        by_number.into_values().collect()
    }

    /// Verifies what the coordinator's log holds beyond these books, and returns it.
    async fn catch_up(&mut self) -> Result<Vec<SignedEntry>, NodeError> {
        let mut client = LedgerLogClient::new(self.channel.clone())
            .max_decoding_message_size(limits::MESSAGE_BYTES);
        let mut added: Vec<SignedEntry> = Vec::new();
        let mut bytes = 0;
        loop {
            let from = self.replica.len() + added.len() as u64;
            let reply = client
                .entries(EntriesRequest { from })
                .await
                .map_err(|status| self.failed(&status))?
                .into_inner();
            if reply.size == 0 && self.replica.is_empty() {
                return Err(NodeError::Directory(
                    "the federation is not founded yet: there is nothing to sign".to_owned(),
                ));
            }
            let ended = reply.entries.is_empty();
            bytes += reply.entries.iter().map(Vec::len).sum::<usize>();
            if bytes > MAX_LOG_BYTES {
                return Err(unusable(
                    "the coordinator sends entries without end".to_owned(),
                ));
            }
            for bytes in &reply.entries {
                let decoded = SignedEntry::decode(bytes);
                added.push(decoded.map_err(|error| unusable(error.to_string()))?);
            }
            if ended || from + reply.entries.len() as u64 >= reply.size {
                let continued = if added.is_empty() {
                    self.replica.compare(&reply.checkpoint).map(|_| ())
                } else {
                    self.replica
                        .append_verified(&added, &reply.checkpoint)
                        .map(|_| ())
                };
                continued.map_err(|error| diverged(&error))?;
                return Ok(added);
            }
        }
    }

    pub(super) fn failed(&self, status: &Status) -> NodeError {
        match Rejected::from_status(status) {
            Some(rejected) => rejected.into(),
            None => tls::classify(&self.address, status),
        }
    }

    /// As [`Signing::failed`], for a request that may have arrived all the same.
    pub(super) fn unanswered(&self, status: &Status) -> NodeError {
        match self.failed(status) {
            NodeError::Unreachable { address, reason } => NodeError::Unreachable {
                address,
                reason: format!(
                    "{reason} (whether the signature arrived is not known: look before you sign again)"
                ),
            },
            error => error,
        }
    }
}

fn unusable(reason: String) -> NodeError {
    NodeError::Store {
        store: "ledger",
        reason,
    }
}

fn diverged(error: &AppendError) -> NodeError {
    unusable(format!(
        "the coordinator's log does not continue this node's copy ({error}); nothing was signed. A running node raises the \
         alarm about it and keeps the proof"
    ))
}
