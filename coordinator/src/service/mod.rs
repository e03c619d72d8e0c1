//! The gRPC services, one file each. They authenticate the caller, parse at the edge, and hand over to the
//! owner; bulk data goes straight to and from disk.

mod admission;
mod answers;
mod committee;
mod directions;
mod disputes;
mod feedback;
mod ledger_log;
mod mailbox;
mod model;
mod proposals;
mod round;
mod status;

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex},
};

use borsh::BorshDeserialize;
use futures_util::Stream;
use tokio::sync::watch;
use tonic::{
    Request, Status,
    service::Routes,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};
use unsilo_ledger::{Draft, EntrySignature, FederationId, Participant, PublicKey};
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{
        admission_server::AdmissionServer, committee_server::CommitteeServer,
        feedback_server::FeedbackServer, ledger_log_server::LedgerLogServer,
        models_server::ModelsServer, proposals_server::ProposalsServer,
        rounds_server::RoundsServer, status_server::StatusServer,
    },
};

use crate::{
    admission::{Caller, Members, authority},
    contributions::Contributions,
    evaluations::Evaluations,
    inbox::Inbox,
    models::Models,
    owner::Owner,
    payload::Payload,
    scalars::Scalars,
};

pub(crate) use mailbox::Mailbox;

/// Items of a stream that wait for a slow receiver.
const AHEAD: usize = 4;

/// A reply in parts.
type Parts<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// How many step streams each identity holds open.
pub(crate) type Connected = Arc<Mutex<BTreeMap<PublicKey, usize>>>;

/// What the services share.
pub(crate) struct Services {
    pub(crate) owner: Owner,
    pub(crate) members: Members,
    pub(crate) contributions: Contributions,
    pub(crate) scalars: Scalars,
    /// Receipts that their holders posted for the committee.
    pub(crate) mailbox: mailbox::Mailbox,
    /// What participants have to say.
    pub(crate) inbox: Inbox,
    pub(crate) models: Models,
    pub(crate) payload: Payload,
    pub(crate) draft: Draft,
    pub(crate) federation: FederationId,
    pub(crate) authority: Arc<authority::Authority>,
    /// What participants show of their evaluations.
    pub(crate) evaluations: Evaluations,
    /// How many step streams each identity holds open.
    pub(crate) connected: Connected,
    /// One upload a participant at a time. As many locks as there are participants on the ledger.
    pub(crate) uploading: Mutex<BTreeMap<PublicKey, Arc<tokio::sync::Mutex<()>>>>,
    /// Turns true when the coordinator stops: step streams end then.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Services {
    /// All services on one router, with the wire's message limit.
    pub(crate) fn routes(self: &Arc<Self>) -> Routes {
        let shared = || self.clone();
        Routes::default()
            .add_service(
                AdmissionServer::from_arc(shared())
                    .max_decoding_message_size(limits::MESSAGE_BYTES),
            )
            .add_service(
                ProposalsServer::from_arc(shared())
                    .max_decoding_message_size(limits::ENTRY_BYTES + 1024),
            )
            .add_service(
                FeedbackServer::from_arc(shared()).max_decoding_message_size(limits::MESSAGE_BYTES),
            )
            .add_service(
                RoundsServer::from_arc(shared()).max_decoding_message_size(limits::MESSAGE_BYTES),
            )
            .add_service(
                CommitteeServer::from_arc(shared())
                    .max_decoding_message_size(limits::COMMITTEE_MESSAGE_BYTES),
            )
            .add_service(
                ModelsServer::from_arc(shared()).max_decoding_message_size(limits::MESSAGE_BYTES),
            )
            .add_service(
                LedgerLogServer::from_arc(shared())
                    .max_decoding_message_size(limits::MESSAGE_BYTES),
            )
            .add_service(
                StatusServer::from_arc(shared()).max_decoding_message_size(limits::MESSAGE_BYTES),
            )
    }

    /// The company behind a request, by its TLS certificate.
    fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Rejected> {
        let certificates = request
            .extensions()
            .get::<TlsConnectInfo<TcpConnectInfo>>()
            .and_then(TlsConnectInfo::peer_certs);
        let certificate = certificates
            .as_deref()
            .and_then(|chain| chain.first())
            .ok_or_else(|| {
                Rejected::new(
                    Code::CertificateUnknown,
                    "this call needs the certificate that joining gave you: run it from your participant's directory",
                )
            })?;
        self.members.caller(&authority::fingerprint(certificate))
    }

    /// The participant behind a request: a caller that is on the ledger.
    fn participant<T>(&self, request: &Request<T>) -> Result<Participant, Rejected> {
        let caller = self.caller(request)?;
        let snapshot = self.owner.now();
        snapshot
            .state
            .participant_by_key(&caller.identity)
            .cloned()
            .ok_or_else(|| {
                let evicted = snapshot.state.participant_by_name(&caller.name).is_some();
                let why = if evicted {
                    "was evicted: it takes part again once more than half of the owners run `unsilo readmit`"
                } else {
                    "has joined but is not admitted yet: more than half of the owners must run `unsilo approve`"
                };
                Rejected::new(Code::NotAParticipant, format!("{:?} {why}", caller.name))
            })
    }
}

/// Loads one item after the other and sends it, until the receiver hangs up.
fn each<K, T>(
    keys: Vec<K>,
    load: impl Fn(K) -> Result<T, Rejected> + Clone + Send + 'static,
) -> Parts<T>
where
    K: Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = tokio::sync::mpsc::channel(AHEAD);
    tokio::spawn(async move {
        for key in keys {
            let load = load.clone();
            let item = blocking(move || load(key)).await;
            let failed = item.is_err();
            if sender.send(item).await.is_err() || failed {
                return;
            }
        }
    });
    Box::pin(tokio_stream::wrappers::ReceiverStream::new(receiver))
}

/// Something on our disk that cannot be read.
fn unreadable(what: &str, error: &dyn std::fmt::Display) -> Rejected {
    tracing::error!(%error, what, "cannot be read");
    Rejected::new(
        Code::Internal,
        format!("the coordinator cannot read {what} and logged why; try again later"),
    )
}

/// Something that cannot be stored.
fn unstorable(what: &str, error: &crate::error::CoordinatorError) -> Rejected {
    tracing::error!(%error, what, "cannot be stored");
    if error.is_disk_full() {
        Rejected::new(
            Code::StorageFull,
            format!("the coordinator's disk is full and {what} is not kept; send it again later"),
        )
    } else {
        Rejected::new(
            Code::Internal,
            format!("the coordinator cannot store {what} and logged why; send it again later"),
        )
    }
}

/// The seat of a committee from its field.
fn seat_field(seat: u32) -> Result<u16, Rejected> {
    u16::try_from(seat)
        .ok()
        .filter(|seat| (1..=limits::SEATS).contains(&usize::from(*seat)))
        .ok_or_else(|| Rejected::new(Code::Malformed, "seat is out of range"))
}

/// Refuses a field of more bytes than allowed.
fn at_most(what: &str, bytes: &[u8], most: usize) -> Result<(), Rejected> {
    if bytes.len() <= most {
        Ok(())
    } else {
        Err(Rejected::new(
            Code::TooLarge,
            format!("{what} has {} bytes, at most {most} are taken", bytes.len()),
        ))
    }
}

/// A 32-byte field.
fn hash_field(name: &str, bytes: &[u8]) -> Result<[u8; 32], Rejected> {
    bytes.try_into().map_err(|_| {
        Rejected::new(
            Code::Malformed,
            format!("{name} has {} bytes, 32 are expected", bytes.len()),
        )
    })
}

/// An identity's signature from its 64 bytes.
fn signature_field(signer: PublicKey, bytes: &[u8]) -> Result<EntrySignature, Rejected> {
    let signature = bytes.try_into().map_err(|_| {
        Rejected::new(
            Code::Malformed,
            format!("signature has {} bytes, 64 are expected", bytes.len()),
        )
    })?;
    Ok(EntrySignature { signer, signature })
}

/// A field in borsh encoding, with nothing left over.
fn borsh_field<T: BorshDeserialize>(name: &str, bytes: &[u8]) -> Result<T, Rejected> {
    borsh::from_slice(bytes)
        .map_err(|error| Rejected::new(Code::Malformed, format!("{name} is malformed: {error}")))
}

/// Runs blocking work and turns its panic, which would be a mistake of ours, into a status.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Rejected> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => {
            tracing::error!(%error, "blocking work failed");
            Err(Rejected::new(Code::Internal, "the coordinator failed and logged why").into())
        }
    }
}
