//! The duties of a round's members.

use tonic::{Request, Response, Status, async_trait};
use unsilo_fhe::Opening;
use unsilo_ledger::{Cosignature, EntrySignature, Participant, Seat};
use unsilo_proto::{
    Code, Rejected,
    v1::{
        Acknowledgement, AnswerRequest, AnswersPart, AnswersRequest, AppealRequest, AppealsReply,
        AppealsRequest, CosignCloseRequest, DirectionKeys, DirectionsRequest, MailboxReply,
        MailboxRequest, OfferSeatRequest, OpenRequest, PostReceiptRequest, SealedShare,
        SharesRequest, SignJudgementRequest, SignPublishRequest, SignRatingStepRequest,
        SignViolationRequest, SignVoidRequest, committee_server::Committee,
    },
};

use super::{
    Parts, Services, answers::under_way, borsh_field, each, hash_field, seat_field, signature_field,
};
use crate::{
    contributions::Contributions,
    round::{Answer, Event},
};

#[async_trait]
impl Committee for Services {
    type SharesStream = Parts<SealedShare>;
    type DirectionsStream = Parts<DirectionKeys>;
    type AnswersStream = Parts<AnswersPart>;

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

    async fn post_receipt(
        &self,
        request: Request<PostReceiptRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let holder = self.participant(&request)?;
        self.post(&holder, request.get_ref())?;
        Ok(Response::new(Acknowledgement {}))
    }

    async fn mailbox(
        &self,
        request: Request<MailboxRequest>,
    ) -> Result<Response<MailboxReply>, Status> {
        self.participant(&request)?;
        Ok(Response::new(self.posted(request.get_ref())))
    }

    async fn shares(
        &self,
        request: Request<SharesRequest>,
    ) -> Result<Response<Parts<SealedShare>>, Status> {
        let participant = self.participant(&request)?.id;
        let round = request.into_inner().round;
        let snapshot = self.owner.now();
        let closed = under_way(&snapshot, round)?;
        let seat = closed.seat_of(participant).ok_or_else(|| {
            Rejected::new(Code::NoSeat, "you hold no seat in this round's committee")
        })?;
        let contributors: Vec<_> = closed.contributions.keys().map(|id| id.0).collect();
        let store = self.contributions.clone();
        Ok(Response::new(each(contributors, move |participant| {
            share_of(&store, round, participant, seat)
        })))
    }

    async fn directions(
        &self,
        request: Request<DirectionsRequest>,
    ) -> Result<Response<Parts<DirectionKeys>>, Status> {
        let member = self.participant(&request)?;
        let round = request.into_inner().round;
        Ok(Response::new(self.hand_out_directions(&member, round)?))
    }

    async fn answer(
        &self,
        request: Request<AnswerRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let member = self.participant(&request)?;
        self.take_answer(&member, request.into_inner()).await?;
        Ok(Response::new(Acknowledgement {}))
    }

    async fn answers(
        &self,
        request: Request<AnswersRequest>,
    ) -> Result<Response<Parts<AnswersPart>>, Status> {
        let member = self.participant(&request)?;
        let round = request.into_inner().round;
        Ok(Response::new(self.hand_out_answers(&member, round).await?))
    }

    async fn sign_judgement(
        &self,
        request: Request<SignJudgementRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let member = self.participant(&request)?;
        self.take_judgement(&member, request.into_inner()).await?;
        Ok(Response::new(Acknowledgement {}))
    }

    async fn sign_rating_step(
        &self,
        request: Request<SignRatingStepRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let signer = self.participant(&request)?;
        let SignRatingStepRequest {
            round,
            entry,
            signature,
        } = request.into_inner();
        self.take_signature(&signer, &signature, |signature| Event::RatingStepSigned {
            round,
            entry,
            signature,
        })
        .await
    }

    async fn appeal(
        &self,
        request: Request<AppealRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let dealer = self.participant(&request)?;
        self.take_appeal(&dealer, request.into_inner()).await?;
        Ok(Response::new(Acknowledgement {}))
    }

    async fn appeals(
        &self,
        request: Request<AppealsRequest>,
    ) -> Result<Response<AppealsReply>, Status> {
        self.participant(&request)?;
        let round = request.into_inner().round;
        Ok(Response::new(self.hand_out_appeals(round).await?))
    }

    async fn sign_violation(
        &self,
        request: Request<SignViolationRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let member = self.participant(&request)?;
        self.take_violation(&member, request.into_inner()).await?;
        Ok(Response::new(Acknowledgement {}))
    }

    async fn open(
        &self,
        request: Request<OpenRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let participant = self.participant(&request)?;
        let request = request.into_inner();
        let seat = seat_field(request.seat)?;
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
        let signer = self.participant(&request)?;
        let SignPublishRequest {
            round,
            entry,
            signature,
        } = request.into_inner();
        self.take_signature(&signer, &signature, |signature| Event::PublishSigned {
            round,
            entry,
            signature,
        })
        .await
    }

    async fn sign_void(
        &self,
        request: Request<SignVoidRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let signer = self.participant(&request)?;
        let SignVoidRequest {
            round,
            entry,
            signature,
        } = request.into_inner();
        self.take_signature(&signer, &signature, |signature| Event::VoidSigned {
            round,
            entry,
            signature,
        })
        .await
    }
}

impl Services {
    /// Hands the owner a participant's signature under an entry that was announced.
    async fn take_signature(
        &self,
        signer: &Participant,
        signature: &[u8],
        event: impl FnOnce(EntrySignature) -> Event,
    ) -> Result<Response<Acknowledgement>, Status> {
        let signature = signature_field(signer.key, signature)?;
        self.owner.event(event(signature)).await?;
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
    let leaves = store
        .leaves(round, participant)
        .map_err(|error| missing(&error))?;
    Ok(SealedShare {
        participant,
        sealed,
        chunks_root: leaves.chunks_root.to_vec(),
        share_hashes: leaves
            .share_hashes
            .iter()
            .map(|hash| hash.to_vec())
            .collect(),
        linear_hash_hash: leaves.linear_hash_hash.to_vec(),
    })
}
