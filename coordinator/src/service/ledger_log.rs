//! The log, for replicas.

use tonic::{Request, Response, Status, async_trait};
use unsilo_proto::{
    limits,
    v1::{
        Acknowledgement, CosignRequest, EntriesReply, EntriesRequest, ledger_log_server::LedgerLog,
    },
};

use super::{Services, at_most};

#[async_trait]
impl LedgerLog for Services {
    async fn entries(
        &self,
        request: Request<EntriesRequest>,
    ) -> Result<Response<EntriesReply>, Status> {
        // Joined is enough: a company reads the log before it is admitted.
        self.caller(&request)?;
        let from = request.into_inner().from;
        Ok(Response::new(self.owner.entries(from).await?))
    }

    async fn cosign(
        &self,
        request: Request<CosignRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        self.participant(&request)?;
        let CosignRequest { size, cosignature } = request.into_inner();
        at_most(
            "cosignature",
            cosignature.as_bytes(),
            limits::COSIGNATURE_BYTES,
        )?;
        self.owner.cosign(size, cosignature).await?;
        Ok(Response::new(Acknowledgement {}))
    }
}
