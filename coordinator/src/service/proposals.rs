//! Entries that participants sign outside of the rounds.

use tonic::{Request, Response, Status, async_trait};
use unsilo_ledger::SignedEntry;
use unsilo_proto::{
    limits,
    v1::{Acknowledgement, PendingRequest, Proposal, SignRequest, proposals_server::Proposals},
};

use super::{Parts, Services, at_most, each, signature_field};
use crate::{
    owner::now_ms,
    round::{Event, Signed},
};

#[async_trait]
impl Proposals for Services {
    type PendingStream = Parts<Proposal>;

    async fn pending(
        &self,
        request: Request<PendingRequest>,
    ) -> Result<Response<Self::PendingStream>, Status> {
        self.participant(&request)?;
        let pending = self.owner.now().pending.clone();
        let encode = |signed: SignedEntry| {
            Ok(Proposal {
                entry: signed.encode(),
            })
        };
        Ok(Response::new(each(pending, encode)))
    }

    async fn sign(
        &self,
        request: Request<SignRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let participant = self.participant(&request)?;
        let SignRequest { entry, signature } = request.into_inner();
        at_most("entry", &entry, limits::ENTRY_BYTES)?;
        let signature = signature_field(participant.key, &signature)?;
        let signed = Signed {
            entry,
            signature,
            at_ms: now_ms(),
        };
        self.owner.event(Event::Signed(signed)).await?;
        Ok(Response::new(Acknowledgement {}))
    }
}
