//! The duties of a round's members.

use std::pin::Pin;

use futures_util::Stream;
use tonic::{Request, Response, Status, async_trait};
use unsilo_fhe::{Opening, commit::share_hash};
use unsilo_ledger::{Cosignature, Seat};
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{
        Acknowledgement, CosignCloseRequest, OfferSeatRequest, OpenRequest, SealedShare,
        SharesRequest, SignPublishRequest, SignVoidRequest, committee_server::Committee,
    },
};

use super::{Services, blocking, borsh_field, hash_field, signature_field};
use crate::{
    contributions::Contributions,
    round::{Answer, Event},
};

/// Sealed shares that wait for a slow member.
const SHARES_AHEAD: usize = 4;

type Shares = Pin<Box<dyn Stream<Item = Result<SealedShare, Status>> + Send>>;

#[async_trait]
impl Committee for Services {
    type SharesStream = Shares;

    async fn offer_seat(
        &self,
        request: Request<OfferSeatRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let participant = self.participant(&request)?;
        let OfferSeatRequest { round, seat } = request.into_inner();
        let seat: Seat = borsh_field("seat", &seat)?;
        if seat.participant != participant.id {
            return Err(
                Rejected::new(Code::NoSeat, "the seat is offered in another's name").into(),
            );
        }
        self.owner.event(Event::SeatOffered { round, seat }).await?;
        Ok(Response::new(Acknowledgement {}))
    }

    async fn cosign_close(
        &self,
        request: Request<CosignCloseRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let participant = self.participant(&request)?.id;
        let CosignCloseRequest { round, cosignature } = request.into_inner();
        let cosignature: Cosignature = borsh_field("cosignature", &cosignature)?;
        self.owner
            .event(Event::CloseCosigned {
                round,
                participant,
                cosignature,
            })
            .await?;
        Ok(Response::new(Acknowledgement {}))
    }

    async fn shares(&self, request: Request<SharesRequest>) -> Result<Response<Shares>, Status> {
        let participant = self.participant(&request)?.id;
        let round = request.into_inner().round;
        let snapshot = self.owner.now();
        let closed = snapshot
            .state
            .round()
            .filter(|current| current.opening.round == round && current.closing.is_some())
            .ok_or_else(|| {
                Rejected::new(
                    Code::WrongStep,
                    format!(
                        "the shares of round {round} are handed out between its close and its end"
                    ),
                )
            })?;
        let seat = closed.seat_of(participant).ok_or_else(|| {
            Rejected::new(Code::NoSeat, "you hold no seat in this round's committee")
        })?;
        let contributors: Vec<_> = closed.contributions.keys().map(|id| id.0).collect();
        let (sender, receiver) = tokio::sync::mpsc::channel(SHARES_AHEAD);
        let store = self.contributions.clone();
        tokio::spawn(async move {
            for participant in contributors {
                let store = store.clone();
                let share = blocking(move || share_of(&store, round, participant, seat)).await;
                if sender.send(share).await.is_err() {
                    return; // The member hung up.
                }
            }
        });
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        Ok(Response::new(Box::pin(stream)))
    }

    async fn open(
        &self,
        request: Request<OpenRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let participant = self.participant(&request)?;
        let request = request.into_inner();
        let seat = u16::try_from(request.seat)
            .ok()
            .filter(|seat| (1..=limits::SEATS).contains(&usize::from(*seat)))
            .ok_or_else(|| Rejected::new(Code::Malformed, "seat is out of range"))?;
        let digest = hash_field("digest", &request.digest)?;
        let signature = signature_field(participant.key, &request.signature)?.signature;
        Opening::from_bytes(&request.opening)
            .map_err(|error| Rejected::new(Code::Malformed, format!("opening: {error}")))?;
        self.owner
            .event(Event::Opened {
                round: request.round,
                participant: participant.id,
                answer: Answer {
                    seat,
                    digest,
                    opening: request.opening,
                    signature,
                },
            })
            .await?;
        Ok(Response::new(Acknowledgement {}))
    }

    async fn sign_publish(
        &self,
        request: Request<SignPublishRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let participant = self.participant(&request)?;
        let SignPublishRequest {
            round,
            entry,
            signature,
        } = request.into_inner();
        let signature = signature_field(participant.key, &signature)?;
        self.owner
            .event(Event::PublishSigned {
                round,
                entry,
                signature,
            })
            .await?;
        Ok(Response::new(Acknowledgement {}))
    }

    async fn sign_void(
        &self,
        request: Request<SignVoidRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let participant = self.participant(&request)?;
        let SignVoidRequest {
            round,
            entry,
            signature,
        } = request.into_inner();
        let signature = signature_field(participant.key, &signature)?;
        self.owner
            .event(Event::VoidSigned {
                round,
                entry,
                signature,
            })
            .await?;
        Ok(Response::new(Acknowledgement {}))
    }
}

/// One contribution's share for one seat, with the other leaves of its signed root.
fn share_of(
    store: &Contributions,
    round: u64,
    participant: u32,
    seat: u16,
) -> Result<SealedShare, Rejected> {
    let missing = |error: &dyn std::fmt::Display| {
        tracing::error!(round, participant, %error, "a stored contribution cannot be read");
        Rejected::new(
            Code::Internal,
            format!("the coordinator cannot read the contribution of participant {participant}"),
        )
    };
    let header = store
        .header(round, participant)
        .map_err(|error| missing(&error))?;
    let sealed = header
        .sealed_shares
        .get(usize::from(seat).wrapping_sub(1))
        .cloned()
        .ok_or_else(|| missing(&"no share for the seat"))?;
    let chunks_root = store
        .chunks_root(round, participant)
        .map_err(|error| missing(&error))?;
    let linear_hash = store
        .linear_hash(round, participant)
        .map_err(|error| missing(&error))?;
    Ok(SealedShare {
        participant,
        sealed,
        chunks_root: chunks_root.to_vec(),
        share_hashes: header
            .sealed_shares
            .iter()
            .map(|sealed| share_hash(sealed).to_vec())
            .collect(),
        linear_hash: linear_hash.digest().to_vec(),
    })
}
