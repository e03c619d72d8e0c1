//! Requests to the coordinator: small calls, the resumable upload, and the mailbox.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::mpsc::{UnboundedSender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, transport::Channel};
use unsilo_ledger::Hash;
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{
        ContributePart, ContributionHeader, CosignCloseRequest, CosignRequest, MailboxRequest,
        OfferSeatRequest, OpenRequest, PostReceiptRequest, PublishEvaluationRequest, RateRequest,
        SignGenesisRequest, SignJudgementRequest, SignPublishRequest, SignRatingStepRequest,
        SignViolationRequest, SignVoidRequest, UploadStateRequest,
        admission_client::AdmissionClient, committee_client::CommitteeClient,
        contribute_part::Part, ledger_log_client::LedgerLogClient, rounds_client::RoundsClient,
        status_client::StatusClient,
    },
};

use super::{Shared, connected::Connection};
use crate::{
    error::NodeError,
    outbox::next_part,
    progress::{Progress, RoundEvaluation},
    session::{Call, Event, Task},
    tls,
};

/// Parts of an upload read ahead of the network.
const PARTS_AHEAD: usize = 4;

/// Why a request gave nothing.
pub(super) enum Failure {
    /// The coordinator refused it.
    Refused(Rejected),
    /// It did not arrive, or the answer did not: connect again.
    Lost(String),
    /// TLS said no.
    Untrusted(NodeError),
    /// This machine failed.
    Broken(NodeError),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        match Rejected::from_status(&status) {
            // The coordinator's own failures pass; so does a full disk, once its admin has looked.
            Some(rejected) if matches!(rejected.code, Code::Internal | Code::StorageFull) => {
                Self::Lost(rejected.message)
            }
            Some(rejected) => Self::Refused(rejected),
            None => match tls::classify("", &status) {
                NodeError::Unreachable { reason, .. } => Self::Lost(reason),
                other => Self::Untrusted(other),
            },
        }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        Self::Broken(error)
    }
}

impl Failure {
    /// As the reason that a connection to `address` ended.
    pub(super) fn into_error(self, address: &str) -> NodeError {
        match self {
            Self::Refused(rejected) => rejected.into(),
            Self::Lost(reason) => NodeError::Unreachable {
                address: address.to_owned(),
                reason,
            },
            Self::Untrusted(NodeError::Certificate { reason, .. }) => NodeError::Certificate {
                address: address.to_owned(),
                reason,
            },
            Self::Untrusted(error) | Self::Broken(error) => error,
        }
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn within<T>(
    wait: Duration,
    request: impl Future<Output = Result<T, Status>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(wait, request).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::Lost(format!(
            "no answer within {} s",
            wait.as_secs()
        ))),
    }
}

/// Longest wait for the coordinator to take what is published of an evaluation: it is waited for, so that the last
/// round's arrives before the node ends, and nothing else may wait long for it.
const PUBLISH_WAIT: Duration = Duration::from_secs(2);

/// Shows what this company measured of a new model to everybody, as its configuration says. A failure costs a point in
/// a chart and nothing else.
pub(super) async fn publish_evaluation(
    connection: &Connection,
    round: u64,
    evaluation: &RoundEvaluation,
) {
    let request = PublishEvaluationRequest {
        round,
        shared_accuracy: evaluation.shared_accuracy,
        alone_accuracy: evaluation.alone_accuracy,
    };
    let mut client = StatusClient::new(connection.channel.clone());
    let wait = connection.wait.min(PUBLISH_WAIT);
    if let Err(failure) = within(wait, client.publish_evaluation(request)).await {
        let reason = match failure {
            Failure::Refused(rejected) => rejected.message,
            Failure::Lost(reason) => reason,
            Failure::Untrusted(error) | Failure::Broken(error) => error.to_string(),
        };
        tracing::warn!(round, reason, "the evaluation was not published");
    }
}

/// Makes one small request.
pub(super) async fn call(channel: Channel, call: Call, wait: Duration) -> Result<Event, Failure> {
    let task = call.task();
    let mut committee = CommitteeClient::new(channel.clone());
    let mut admission = AdmissionClient::new(channel.clone());
    match call {
        Call::SignGenesis { entry, signature } => {
            let request = SignGenesisRequest {
                entry,
                signature: signature.to_vec(),
            };
            within(wait, admission.sign_genesis(request)).await?;
        }
        Call::OfferSeat { round, seat } => {
            within(wait, committee.offer_seat(OfferSeatRequest { round, seat })).await?;
        }
        Call::Cosign { size, line, .. } => {
            let request = CosignRequest {
                size,
                cosignature: line,
            };
            within(wait, LedgerLogClient::new(channel).cosign(request)).await?;
        }
        Call::PostReceipt { receipt, .. } => {
            within(wait, committee.post_receipt(PostReceiptRequest { receipt })).await?;
        }
        Call::SignJudgement {
            round,
            entry,
            signature,
            evidence,
        } => {
            let request = SignJudgementRequest {
                round,
                entry,
                signature: signature.to_vec(),
                evidence,
            };
            within(wait, committee.sign_judgement(request)).await?;
        }
        Call::Rate { round, entry, .. } => {
            let mut rounds = RoundsClient::new(channel);
            within(wait, rounds.rate(RateRequest { round, entry })).await?;
        }
        Call::SignRatingStep {
            round,
            entry,
            signature,
            ..
        } => {
            let request = SignRatingStepRequest {
                round,
                entry,
                signature: signature.to_vec(),
            };
            within(wait, committee.sign_rating_step(request)).await?;
        }
        Call::SignViolation {
            round,
            entry,
            signature,
            shown,
            ..
        } => {
            let request = SignViolationRequest {
                round,
                entry,
                signature: signature.to_vec(),
                shown,
            };
            within(wait, committee.sign_violation(request)).await?;
        }
        Call::CosignClose { round, cosignature } => {
            let request = CosignCloseRequest { round, cosignature };
            within(wait, committee.cosign_close(request)).await?;
        }
        Call::Open {
            round,
            seat,
            digest,
            opening,
            signature,
        } => {
            let request = OpenRequest {
                round,
                seat: seat.into(),
                digest: digest.to_vec(),
                opening,
                signature: signature.to_vec(),
            };
            within(wait, committee.open(request)).await?;
        }
        Call::SignPublish {
            round,
            entry,
            signature,
        } => {
            let request = SignPublishRequest {
                round,
                entry,
                signature: signature.to_vec(),
            };
            within(wait, committee.sign_publish(request)).await?;
        }
        Call::SignVoid {
            round,
            entry,
            signature,
        } => {
            let request = SignVoidRequest {
                round,
                entry,
                signature: signature.to_vec(),
            };
            within(wait, committee.sign_void(request)).await?;
        }
    }
    Ok(Event::Accepted(task))
}

/// Sends what is in the outbox, from where the coordinator's copy ends.
pub(super) async fn upload(
    channel: Channel,
    shared: &Arc<Shared>,
    round: u64,
    root: Hash,
    entry: Vec<u8>,
    wait: Duration,
    progress: UnboundedSender<Progress>,
) -> Result<Event, Failure> {
    let mut client = RoundsClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES);
    let state = UploadStateRequest {
        round,
        root: root.to_vec(),
    };
    let state = within(wait, client.upload_state(state)).await?.into_inner();
    if let Some(receipt) = state.receipt {
        return Ok(Event::Uploaded {
            round,
            receipt: receipt.receipt,
        });
    }
    let kept = shared.outbox.ciphertext(round, state.stored);
    let (mut file, of, beside) = match (kept, shared.outbox.beside(round)) {
        (Ok((file, of)), Ok(beside)) => (file, of, beside),
        (Err(error), _) | (_, Err(error)) => {
            return Ok(Event::Failed {
                task: Task::Upload(round),
                reason: format!(
                    "round {round}: the contribution in the outbox cannot be read ({error}); a second one is never made, so \
                     this node sits the round out"
                ),
            });
        }
    };
    let offset = state.stored.min(of);
    let header = ContributionHeader {
        round,
        entry,
        sealed_shares: beside.sealed_shares,
        offset,
        linear_hash: beside.linear_hash,
    };
    let (sender, parts) = channel_of(header);
    // Reading and sending overlap; a reader whose request ended stops at its next part.
    tokio::task::spawn_blocking(move || {
        let mut sent = offset;
        let _ = progress.send(Progress::Uploading { round, sent, of });
        while let Ok(Some(part)) = next_part(&mut file, limits::PART_BYTES) {
            sent += part.len() as u64;
            let part = ContributePart {
                part: Some(Part::Ciphertext(part.into())),
            };
            if sender.blocking_send(part).is_err() {
                return;
            }
            let _ = progress.send(Progress::Uploading { round, sent, of });
        }
    });
    let receipt = client
        .contribute(ReceiverStream::new(parts))
        .await
        .map_err(|status| match Failure::from(status) {
            // Another upload of ours was cut off just now, or the offset moved: ask again where to go on.
            Failure::Refused(rejected)
                if matches!(rejected.code, Code::OutOfOrder | Code::WrongStep) =>
            {
                Failure::Lost(rejected.message)
            }
            other => other,
        })?
        .into_inner();
    Ok(Event::Uploaded {
        round,
        receipt: receipt.receipt,
    })
}

type Parts = (
    tokio::sync::mpsc::Sender<ContributePart>,
    tokio::sync::mpsc::Receiver<ContributePart>,
);

/// A channel that already holds the header.
fn channel_of(header: ContributionHeader) -> Parts {
    let (sender, parts) = channel(PARTS_AHEAD);
    let header = ContributePart {
        part: Some(Part::Header(header)),
    };
    // The channel is new and has room.
    let _ = sender.try_send(header);
    (sender, parts)
}

/// How often an empty mailbox is asked again.
const MAILBOX_PAUSE: Duration = Duration::from_millis(500);
/// How many times, before the next step of the coordinator is waited for.
const MAILBOX_ATTEMPTS: usize = 20;

/// Fetches the receipts posted for a round. They come from several nodes at about the same time: an empty mailbox is asked
/// again for a while.
pub(super) async fn mailbox(
    channel: Channel,
    round: u64,
    wait: Duration,
) -> Result<Event, Failure> {
    let mut client = CommitteeClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES);
    let mut attempts = 0;
    loop {
        let reply = within(wait, client.mailbox(MailboxRequest { round })).await?;
        let receipts = reply.into_inner().receipts;
        attempts += 1;
        if !receipts.is_empty() || attempts == MAILBOX_ATTEMPTS {
            return Ok(Event::Mailbox { round, receipts });
        }
        tokio::time::sleep(MAILBOX_PAUSE).await;
    }
}

/// Runs work that would hold up the connection on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Failure::Broken(NodeError::Computation(format!(
            "a computation ended unexpectedly: {error}"
        )))
    })
}
