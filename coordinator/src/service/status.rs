//! Where the federation stands.

use std::sync::PoisonError;

use tonic::{Request, Response, Status as GrpcStatus, async_trait};
use unsilo_proto::v1::{ParticipantStatus, StatusReply, StatusRequest, status_server::Status};

use super::Services;

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
}
