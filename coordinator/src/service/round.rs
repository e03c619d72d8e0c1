//! The step stream, and receiving contributions.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status, Streaming, async_trait};
use unsilo_fhe::{Committee, RoundContext, RoundPublicKey, share::sealed_share_bytes};
use unsilo_ledger::{CurrentRound, Entry, Participant, Phase, SignedEntry};
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{
        Acknowledgement, BlobPart, ChunksRequest, CiphertextRequest, CommitDirectionsRequest,
        ContributePart, ContributionHeader, DirectionAnswersRequest, RateRequest, Receipt,
        SeatDirectionAnswer, Step, StepsRequest, UploadStateReply, UploadStateRequest,
        contribute_part, rounds_server::Rounds,
    },
};

use super::{Parts, Services, admission::version_refused, blocking, hash_field};
use crate::{
    contributions::{Header, UploadError},
    payload::Payload,
    server::until_true,
};

/// A sender that is silent this long has lost its connection; what it sent is kept.
const PART_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a new upload waits for an older one of the same participant to end.
const UPLOAD_WAIT: Duration = Duration::from_secs(35);

/// Step streams one identity may hold open: a node needs one, and leaves some behind when its network fails.
const STREAMS_EACH: usize = 16;

#[async_trait]
impl Rounds for Services {
    type StepsStream = Parts<Step>;
    type DirectionAnswersStream = Parts<SeatDirectionAnswer>;
    type CiphertextStream = Parts<BlobPart>;
    type ChunksStream = Parts<BlobPart>;

    async fn steps(&self, request: Request<StepsRequest>) -> Result<Response<Parts<Step>>, Status> {
        let caller = self.caller(&request)?;
        let version = request.into_inner().protocol_version;
        if version != limits::PROTOCOL_VERSION {
            return Err(version_refused(version).into());
        }
        let presence = Presence {
            connected: self.connected.clone(),
            identity: caller.identity,
        };
        if presence.count(1) > STREAMS_EACH {
            return Err(Rejected::new(
                Code::TooLarge,
                format!("you hold {STREAMS_EACH} step streams open: is your node running twice?"),
            )
            .into());
        }
        let certificate_holder = caller.name;
        let steps = WatchStream::new(self.owner.steps.clone())
            .take_while({
                let members = self.members.clone();
                // A member suspended in the meantime hears nothing more.
                move |_| std::future::ready(!members.is_suspended(&certificate_holder))
            })
            .take_until(until_true(self.stopping.clone()))
            .map(move |step| {
                let _present = &presence;
                Ok(step)
            });
        Ok(Response::new(Box::pin(steps)))
    }

    async fn upload_state(
        &self,
        request: Request<UploadStateRequest>,
    ) -> Result<Response<UploadStateReply>, Status> {
        let participant = self.participant(&request)?;
        let UploadStateRequest { round, root } = request.into_inner();
        let root = hash_field("root", &root)?;
        let store = self.contributions.clone();
        let id = participant.id;
        let stored = blocking(move || Ok(store.stored_bytes(round, id.0, &root))).await?;
        let receipt = self.owner.receipt(round, id, root).await?;
        let receipt = receipt.map(|receipt| Receipt {
            receipt: receipt.to_bytes(),
        });
        Ok(Response::new(UploadStateReply { stored, receipt }))
    }

    async fn contribute(
        &self,
        request: Request<Streaming<ContributePart>>,
    ) -> Result<Response<Receipt>, Status> {
        let participant = self.participant(&request)?;
        let mut parts = request.into_inner();
        let header = match next(&mut parts).await? {
            Some(contribute_part::Part::Header(header)) => header,
            _ => {
                return Err(Rejected::new(
                    Code::OutOfOrder,
                    "a contribution starts with its header",
                )
                .into());
            }
        };
        let lock = self.upload_lock(&participant);
        let one_at_a_time = tokio::time::timeout(UPLOAD_WAIT, lock.lock_owned())
            .await
            .map_err(|_| {
                Rejected::new(
                    Code::WrongStep,
                    "another upload of yours is still under way: wait for it or stop it",
                )
            })?;
        let accepted = self.accept(&participant, header)?;
        let signed = accepted.signed.clone();
        // A contribution on the ledger is not received again: what was checked must not change.
        let recorded = accepted.recorded && {
            let store = self.contributions.clone();
            let (round, participant) = (accepted.round, accepted.participant);
            blocking(move || Ok(store.is_complete(round, participant))).await?
        };
        let one_at_a_time = if recorded {
            one_at_a_time
        } else {
            self.receive(accepted, &mut parts, one_at_a_time).await?
        };
        let owner = self.owner.clone();
        // On its own, so that a caller who hangs up now does not free the way for another upload while this
        // one is being put on the ledger.
        let committing = tokio::spawn(async move {
            let _one_at_a_time = one_at_a_time;
            owner.commit(signed).await
        });
        let receipt = committing.await.map_err(|error| {
            tracing::error!(%error, "committing failed");
            Rejected::new(Code::Internal, "the coordinator failed and logged why")
        })??;
        Ok(Response::new(Receipt {
            receipt: receipt.to_bytes(),
        }))
    }

    async fn commit_directions(
        &self,
        request: Request<CommitDirectionsRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let rater = self.participant(&request)?;
        self.take_directions(&rater, request.into_inner()).await?;
        Ok(Response::new(Acknowledgement {}))
    }

    async fn direction_answers(
        &self,
        request: Request<DirectionAnswersRequest>,
    ) -> Result<Response<Parts<SeatDirectionAnswer>>, Status> {
        let rater = self.participant(&request)?;
        let round = request.into_inner().round;
        let answers = self.hand_out_direction_answers(&rater, round).await?;
        Ok(Response::new(answers))
    }

    async fn ciphertext(
        &self,
        request: Request<CiphertextRequest>,
    ) -> Result<Response<Parts<BlobPart>>, Status> {
        self.participant(&request)?;
        let parts = self.hand_out_ciphertext(request.into_inner()).await?;
        Ok(Response::new(parts))
    }

    async fn chunks(
        &self,
        request: Request<ChunksRequest>,
    ) -> Result<Response<Parts<BlobPart>>, Status> {
        self.participant(&request)?;
        let parts = self.hand_out_chunks(request.into_inner()).await?;
        Ok(Response::new(parts))
    }

    async fn rate(
        &self,
        request: Request<RateRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let rater = self.participant(&request)?;
        self.take_rating(&rater, request.into_inner()).await?;
        Ok(Response::new(Acknowledgement {}))
    }
}

/// Held by an upload from its header to its receipt.
type OneAtATime = tokio::sync::OwnedMutexGuard<()>;

/// A header that passed its checks.
struct Accepted {
    round: u64,
    participant: u32,
    /// It is on the ledger already.
    recorded: bool,
    header: Header,
    offset: u64,
    signed: SignedEntry,
    payload: Payload,
    context: RoundContext,
}

impl Services {
    fn upload_lock(&self, participant: &Participant) -> Arc<tokio::sync::Mutex<()>> {
        let mut uploading = self
            .uploading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        uploading.entry(participant.key).or_default().clone()
    }

    /// Checks a header against the ledger before a byte of ciphertext is stored.
    fn accept(
        &self,
        participant: &Participant,
        header: ContributionHeader,
    ) -> Result<Accepted, Rejected> {
        let malformed = |message: String| Rejected::new(Code::Malformed, message);
        let signed = SignedEntry::decode(&header.entry)
            .map_err(|error| malformed(format!("header.entry: {error}")))?;
        let Entry::ContributionCommitted {
            round,
            participant: named,
            root,
            bytes,
        } = signed.entry
        else {
            return Err(malformed(
                "header.entry is not a contribution's entry".into(),
            ));
        };
        if named != participant.id {
            return Err(malformed(format!(
                "header.entry names participant {named}, you are {}",
                participant.id
            )));
        }
        let snapshot = self.owner.now();
        let state = &snapshot.state;
        let current = state
            .round()
            .filter(|current| current.opening.round == round);
        let Some(current) = current.filter(|_| header.round == round) else {
            return Err(Rejected::new(
                Code::WrongRound,
                match state.round() {
                    Some(current) => format!(
                        "round {} is under way, the contribution is for round {}: follow the step stream",
                        current.opening.round, header.round
                    ),
                    None => format!(
                        "no round takes contributions now, round {} is not open",
                        header.round
                    ),
                },
            ));
        };
        let known = current.contributions.get(&participant.id);
        if known.is_some_and(|known| known.root != root) {
            return Err(Rejected::new(
                Code::ContributionDiffers,
                format!(
                    "you already made another contribution to round {round}; one a round is taken"
                ),
            ));
        }
        // Told before the upload, not after it. The owner decides again when all has arrived.
        let taking = snapshot.phase == "contributing" && state.phase() == Phase::Open;
        if !taking && known.is_none() {
            return Err(Rejected::new(
                Code::DeadlinePassed,
                format!(
                    "round {round} stopped taking contributions; yours is kept out, the next round takes a new one"
                ),
            ));
        }
        let seats = current.opening.seats.len();
        let shares = self.payload.sealed_shares(seats);
        if header.sealed_shares.len() != shares {
            return Err(malformed(format!(
                "header.sealed_shares has {} shares, {shares} are expected in a round of {seats} seats",
                header.sealed_shares.len()
            )));
        }
        if let Some(seat) = header
            .sealed_shares
            .iter()
            .position(|share| share.len() > limits::SEALED_SHARE_BYTES)
        {
            return Err(Rejected::new(
                Code::TooLarge,
                format!(
                    "the sealed share of seat {} has {} bytes, at most {} are taken",
                    seat + 1,
                    header.sealed_shares[seat].len(),
                    limits::SEALED_SHARE_BYTES
                ),
            ));
        }
        check_share_sizes(current, &header.sealed_shares)?;
        if header.linear_hash.len() != limits::LINEAR_HASH_BYTES {
            return Err(malformed(format!(
                "header.linear_hash has {} bytes, {} are expected",
                header.linear_hash.len(),
                limits::LINEAR_HASH_BYTES
            )));
        }
        let sent = self.payload.bytes()
            + header
                .sealed_shares
                .iter()
                .map(|share| share.len() as u64)
                .sum::<u64>();
        if bytes != sent {
            return Err(malformed(format!(
                "header.entry says {bytes} bytes, ciphertext and shares have {sent}"
            )));
        }
        if known.is_none() {
            state
                .check(&signed)
                .map_err(|error| Rejected::new(Code::LedgerRefused, error.to_string()))?;
        }
        Ok(Accepted {
            round,
            participant: participant.id.0,
            recorded: known.is_some(),
            header: Header {
                root,
                entry: header.entry,
                sealed_shares: header.sealed_shares,
                linear_hash: header.linear_hash,
            },
            offset: header.offset,
            signed,
            payload: self.payload,
            context: RoundContext {
                federation: self.federation.0,
                round,
                model: current.opening.model,
            },
        })
    }

    async fn receive(
        &self,
        accepted: Accepted,
        parts: &mut Streaming<ContributePart>,
        one_at_a_time: OneAtATime,
    ) -> Result<OneAtATime, Status> {
        let store = self.contributions.clone();
        let Accepted {
            round,
            participant,
            header,
            offset,
            payload,
            context,
            ..
        } = accepted;
        // The lock goes with the work: a caller may hang up, the write it caused still runs to its end.
        let mut upload = blocking(move || {
            let upload = store
                .upload(payload, round, participant, header, offset)
                .map_err(refused)?;
            Ok((upload, one_at_a_time))
        })
        .await?;
        while let Some(part) = next(parts).await? {
            let contribute_part::Part::Ciphertext(bytes) = part else {
                return Err(Rejected::new(
                    Code::OutOfOrder,
                    "a second header in one stream: what came before it is kept",
                )
                .into());
            };
            upload = blocking(move || {
                upload.0.write(&bytes).map_err(refused)?;
                Ok(upload)
            })
            .await?;
        }
        blocking(move || {
            let (upload, one_at_a_time) = upload;
            upload.finish(&context).map_err(refused)?;
            Ok(one_at_a_time)
        })
        .await
    }
}

/// Sealed shares have one length a seat. Of another length a share is useless to its member, and whoever
/// sends it can keep the member from answering.
fn check_share_sizes(current: &CurrentRound, sealed: &[Vec<u8>]) -> Result<(), Rejected> {
    let keys = current
        .opening
        .seats
        .iter()
        .map(|seat| RoundPublicKey::from_bytes(&seat.round_key))
        .collect::<Result<Vec<_>, _>>();
    let committee = keys
        .ok()
        .and_then(|keys| Committee::new(keys, usize::from(current.opening.threshold)).ok())
        .ok_or_else(|| {
            tracing::error!("the committee on the ledger is not one of the encryption's");
            Rejected::new(Code::Internal, "the coordinator failed and logged why")
        })?;
    for (seat, share) in (1..).zip(sealed) {
        let expected = sealed_share_bytes(&committee, seat);
        if share.len() != expected {
            return Err(Rejected::new(
                Code::Malformed,
                format!(
                    "the sealed share of seat {seat} has {} bytes, {expected} are expected",
                    share.len()
                ),
            ));
        }
    }
    Ok(())
}

async fn next(
    parts: &mut Streaming<ContributePart>,
) -> Result<Option<contribute_part::Part>, Status> {
    let part = tokio::time::timeout(PART_TIMEOUT, parts.message())
        .await
        .map_err(|_| {
            Rejected::new(
                Code::OutOfOrder,
                "no part came for 30 s; what arrived is kept, go on from there",
            )
        })??;
    match part {
        None => Ok(None),
        Some(ContributePart { part: Some(part) }) => Ok(Some(part)),
        Some(ContributePart { part: None }) => {
            Err(Rejected::new(Code::Malformed, "an empty part").into())
        }
    }
}

fn refused(error: UploadError) -> Rejected {
    let code = match &error {
        UploadError::Offset { .. } | UploadError::Truncated { .. } => Code::OutOfOrder,
        UploadError::TooLong { .. } => Code::TooLarge,
        UploadError::Invalid(_) | UploadError::Root => Code::ContributionInvalid,
        UploadError::LinearHash => Code::LinearHashDiffers,
        UploadError::Store(store) => {
            tracing::error!(error = %store, "a contribution cannot be stored");
            return if store.is_disk_full() {
                Rejected::new(
                    Code::StorageFull,
                    "the coordinator's disk is full; what arrived is kept, go on later",
                )
            } else {
                Rejected::new(
                    Code::Internal,
                    "the coordinator cannot store contributions now and logged why; go on later",
                )
            };
        }
    };
    Rejected::new(code, error.to_string())
}

/// Counts a step stream as long as it lives.
struct Presence {
    connected: super::Connected,
    identity: unsilo_ledger::PublicKey,
}

impl Presence {
    fn count(&self, by: isize) -> usize {
        let mut connected = self
            .connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let streams = connected.entry(self.identity).or_default();
        *streams = streams.saturating_add_signed(by);
        *streams
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.count(-1);
    }
}
