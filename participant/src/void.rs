//! An owner's word that a round is void: when members of the committee are gone for good, or the coordinator lost what it
//! cannot recover. More than half of the owners end a round so; after its close only a day past its last deadline, since
//! until then a member may answer.
//!
//! Works beside a running node: it only reads the directory's keys, and replays the coordinator's ledger in memory.

use std::path::Path;

use tonic::transport::Channel;
use unsilo_ledger::{
    Draft, Entry, FederationId, Replica, SignedEntry, SigningIdentity, State, VoidAuthority,
    VoidReason, entry::OWNERS_VOID_DELAY_MS,
};
use unsilo_proto::{
    Rejected, limits,
    v1::{
        EntriesRequest, OwnersVoid, SignOwnersVoidRequest, ledger_log_client::LedgerLogClient,
        rounds_client::RoundsClient,
    },
};

use crate::{
    card,
    config::Config,
    directory::Directory,
    error::NodeError,
    join,
    node::{now_ms, tls_identity},
    tls,
};

/// A void that owners are signing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoidStanding {
    /// The round.
    pub round: u64,
    /// Why.
    pub reason: VoidReason,
    /// Owners that have signed.
    pub signatures: u32,
    /// Owners that must.
    pub needed: u32,
}

/// What owners are signing, as the coordinator of the node in `dir` says.
///
/// # Errors
/// As [`crate::join()`] for directory and connection.
pub async fn pending(dir: &Path) -> Result<Vec<VoidStanding>, NodeError> {
    Session::open(dir)
        .await?
        .exchange(Vec::new(), Vec::new())
        .await
}

/// Signs with the identity of the node in `dir` that the round under way (or, between rounds, the next one) is void.
/// Returns what owners are signing afterwards: nothing if this signature was the last one needed.
///
/// # Errors
/// [`NodeError::Directory`] if it is too early for the round, by this machine's clock; else as [`pending`].
pub async fn sign(dir: &Path, reason: VoidReason) -> Result<Vec<VoidStanding>, NodeError> {
    let mut session = Session::open(dir).await?;
    let state = session.replay().await?;
    let entry = entry(&state, reason, now_ms()).map_err(NodeError::Directory)?;
    let signature = entry.sign(&session.federation, &session.identity).signature;
    session.exchange(entry.to_bytes(), signature.to_vec()).await
}

/// What an owner signs at `now_ms`; or why it does not yet.
fn entry(state: &State, reason: VoidReason, now_ms: u64) -> Result<Entry, String> {
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

struct Session {
    channel: Channel,
    address: String,
    federation: FederationId,
    draft: Draft,
    identity: SigningIdentity,
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
        let federation = config.federation().map_err(wrong)?;
        let channel = tls::connect(
            &config.coordinator,
            authority,
            Some(tls_identity(&directory)?),
            &config.network,
        )
        .await?;
        Ok(Self {
            channel,
            address: config.coordinator,
            draft: card::read(&directory.card(), &federation)?,
            federation: FederationId(federation),
            identity: join::read_identity(&directory.identity())?,
        })
    }

    /// The books, from the coordinator's log: every entry and the checkpoint over them verified.
    async fn replay(&mut self) -> Result<State, NodeError> {
        let mut client = LedgerLogClient::new(self.channel.clone())
            .max_decoding_message_size(limits::MESSAGE_BYTES);
        let unusable = |reason: String| NodeError::Store {
            store: "ledger",
            reason,
        };
        let mut entries: Vec<SignedEntry> = Vec::new();
        loop {
            let from = entries.len() as u64;
            let reply = client
                .entries(EntriesRequest { from })
                .await
                .map_err(|status| self.failed(&status))?
                .into_inner();
            let ended = reply.entries.is_empty();
            for bytes in &reply.entries {
                let decoded = SignedEntry::decode(bytes);
                entries.push(decoded.map_err(|error| unusable(error.to_string()))?);
            }
            if ended || entries.len() as u64 >= reply.size {
                let mut replica = Replica::new(self.draft.coordinator, Some(self.federation));
                replica
                    .append_verified(&entries, &reply.checkpoint)
                    .map_err(|error| unusable(error.to_string()))?;
                return Ok(replica.state().clone());
            }
        }
    }

    async fn exchange(
        &mut self,
        entry: Vec<u8>,
        signature: Vec<u8>,
    ) -> Result<Vec<VoidStanding>, NodeError> {
        let request = SignOwnersVoidRequest { entry, signature };
        let reply = RoundsClient::new(self.channel.clone())
            .sign_owners_void(request)
            .await
            .map_err(|status| self.failed(&status))?
            .into_inner();
        Ok(reply.voids.into_iter().filter_map(standing).collect())
    }

    fn failed(&self, status: &tonic::Status) -> NodeError {
        match Rejected::from_status(status) {
            Some(rejected) => rejected.into(),
            None => tls::classify(&self.address, status),
        }
    }
}

fn standing(void: OwnersVoid) -> Option<VoidStanding> {
    match Entry::from_bytes(&void.entry).ok()? {
        Entry::RoundVoided { round, reason, .. } => Some(VoidStanding {
            round,
            reason,
            signatures: void.signatures,
            needed: void.signatures_needed,
        }),
        _ => None,
    }
}
