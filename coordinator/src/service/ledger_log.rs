//! The log, for replicas.

use std::{os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{
        Acknowledgement, CosignRequest, EntriesReply, EntriesRequest, SnapshotHeader, SnapshotPart,
        SnapshotRequest, ledger_log_server::LedgerLog, snapshot_part::Part,
    },
};

use super::{AHEAD, Parts, Services, at_most, blocking, hash_field, unreadable};
use crate::owner::HandedOut;

#[async_trait]
impl LedgerLog for Services {
    type SnapshotStream = Parts<SnapshotPart>;

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

    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<Parts<SnapshotPart>>, Status> {
        // As for the entries.
        self.caller(&request)?;
        let SnapshotRequest { held, hash, offset } = request.into_inner();
        let newest = self.owner.handed_out.borrow().clone();
        let newest = newest.ok_or_else(|| {
            Rejected::new(
                Code::NotFound,
                "there is no snapshot of the ledger yet: one is made when more than half of the owners have cosigned a \
                 published round",
            )
        })?;
        let wanted = match hash.as_slice() {
            [] => false,
            hash => hash_field("hash", hash)? == newest.hash,
        };
        if wanted && offset > newest.bytes {
            return Err(Rejected::new(
                Code::Malformed,
                format!(
                    "offset is {offset}, the snapshot has {} bytes",
                    newest.bytes
                ),
            )
            .into());
        }
        let consistency = if held > 0 && held < newest.entries {
            self.owner.consistency(held, newest.entries).await?
        } else {
            Vec::new()
        };
        let header = SnapshotHeader {
            entries: newest.entries,
            bytes: newest.bytes,
            hash: newest.hash.to_vec(),
            consistency: consistency.into_iter().map(|hash| hash.to_vec()).collect(),
        };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let from = if wanted { offset } else { newest.bytes };
        tokio::spawn(send(newest, header, from, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// Sends the header and the bytes from `at` on, until the receiver hangs up. Between two parts no thread waits.
async fn send(
    snapshot: Arc<HandedOut>,
    header: SnapshotHeader,
    mut at: u64,
    sender: mpsc::Sender<Result<SnapshotPart, Status>>,
) {
    let mut part = Part::Header(header);
    loop {
        let sent = sender.send(Ok(SnapshotPart { part: Some(part) })).await;
        let left = snapshot.bytes.saturating_sub(at);
        if sent.is_err() || left == 0 {
            return;
        }
        let file = snapshot.clone();
        let length = left.min(limits::PART_BYTES as u64);
        let read = blocking(move || {
            let mut buffer = vec![0; usize::try_from(length).unwrap_or_default()];
            let read = file.file.read_exact_at(&mut buffer, at);
            read.map_err(|error| unreadable("the snapshot of the ledger", &error))?;
            Ok(buffer)
        })
        .await;
        match read {
            Ok(buffer) => {
                at = at.saturating_add(length);
                part = Part::Data(Bytes::from(buffer));
            }
            Err(status) => {
                let _ = sender.send(Err(status)).await;
                return;
            }
        }
    }
}
