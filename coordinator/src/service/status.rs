//! Where the federation stands.

use std::sync::PoisonError;

use tonic::{Request, Response, Status as GrpcStatus, async_trait};
use unsilo_ledger::Outcome;
use unsilo_proto::{
    Code, Rejected,
    v1::{
        Acknowledgement, ParticipantStatus, PublishEvaluationRequest, StatusReply, StatusRequest,
        status_server::Status,
    },
};

use super::Services;
use crate::evaluations::Evaluation;

#[async_trait]
impl Status for Services {
    async fn get(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusReply>, GrpcStatus> {
        self.caller(&request)?;
        let snapshot = self.owner.now();
        let connected = self
            .connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let current = snapshot.state.round();
        let participants = snapshot
            .state
            .participants()
            .map(|participant| ParticipantStatus {
                id: participant.id.0,
                name: participant.name.clone(),
                connected: connected
                    .get(&participant.key)
                    .is_some_and(|count| *count > 0),
                contributed: current
                    .is_some_and(|round| round.contributions.contains_key(&participant.id)),
            })
            .collect();
        Ok(Response::new(StatusReply {
            federation: self.federation.to_string(),
            round: current.map_or_else(
                || snapshot.state.next_round().saturating_sub(1),
                |round| round.opening.round,
            ),
            phase: snapshot.phase.to_owned(),
            ledger_entries: snapshot.entries,
            participants,
        }))
    }

    async fn publish_evaluation(
        &self,
        request: Request<PublishEvaluationRequest>,
    ) -> Result<Response<Acknowledgement>, GrpcStatus> {
        let participant = self.participant(&request)?;
        let request = request.into_inner();
        let is_share = |value: &f64| (0.0..=1.0).contains(value);
        if !is_share(&request.shared_accuracy)
            || request
                .alone_accuracy
                .is_some_and(|alone| !is_share(&alone))
        {
            let wrong = "an accuracy is a number from 0 to 1";
            return Err(Rejected::new(Code::Malformed, wrong).into());
        }
        let snapshot = self.owner.now();
        let published = snapshot.state.history().any(|record| {
            record.round == request.round && matches!(record.outcome, Outcome::Published { .. })
        });
        if !published {
            let wrong = format!("round {} has published no model", request.round);
            return Err(Rejected::new(Code::Malformed, wrong).into());
        }
        let evaluation = Evaluation {
            shared: request.shared_accuracy,
            alone: request.alone_accuracy,
        };
        self.evaluations
            .keep(request.round, participant.id, evaluation)
            .map_err(|error| {
                tracing::warn!(%error, "an evaluation is not kept");
                Rejected::new(
                    Code::StorageFull,
                    "the coordinator does not keep the figures",
                )
            })?;
        Ok(Response::new(Acknowledgement {}))
    }
}
