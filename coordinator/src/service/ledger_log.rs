//! The log, for replicas.

use tonic::{Request, Response, Status, async_trait};
use unsilo_proto::v1::{EntriesReply, EntriesRequest, ledger_log_server::LedgerLog};

use super::Services;

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
}
