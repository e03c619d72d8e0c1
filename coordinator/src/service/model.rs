//! Sums and models, streamed from disk.

use std::{fs::File, io::Read, path::PathBuf, pin::Pin};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{BlobHeader, BlobPart, ModelRequest, SumRequest, blob_part, models_server::Models},
};

use super::{Services, blocking, hash_field};

/// Parts read ahead of a slow receiver: 4 MiB each stream.
const PARTS_AHEAD: usize = 4;

type Blob = Pin<Box<dyn Stream<Item = Result<BlobPart, Status>> + Send>>;

#[async_trait]
impl Models for Services {
    type SumStream = Blob;
    type ModelStream = Blob;

    async fn sum(&self, request: Request<SumRequest>) -> Result<Response<Blob>, Status> {
        self.participant(&request)?;
        let round = request.into_inner().round;
        let key_sum_path = self.contributions.key_sum_path(round);
        let sum_path = self.contributions.sum_path(round);
        let (key_sum, sum) = blocking(move || {
            let missing = |_| {
                Rejected::new(
                    Code::NotFound,
                    format!("there is no opened sum of round {round} here (any more)"),
                )
            };
            let key_sum = std::fs::read(key_sum_path).map_err(missing)?;
            Ok((key_sum, File::open(sum_path).map_err(missing)?))
        })
        .await?;
        Ok(Response::new(stream_file(sum, key_sum)?))
    }

    async fn model(&self, request: Request<ModelRequest>) -> Result<Response<Blob>, Status> {
        self.participant(&request)?;
        let hash = hash_field("model", &request.into_inner().model)?;
        let path: PathBuf = self.models.path(&hash);
        let file = blocking(move || {
            File::open(path)
                .map_err(|_| Rejected::new(Code::NotFound, "there is no model of this hash here"))
        })
        .await?;
        Ok(Response::new(stream_file(file, Vec::new())?))
    }
}

fn stream_file(file: File, key_sum: Vec<u8>) -> Result<Blob, Status> {
    let bytes = file
        .metadata()
        .map_err(|error| Rejected::new(Code::Internal, error.to_string()))?
        .len();
    let (sender, receiver) = mpsc::channel(PARTS_AHEAD);
    tokio::task::spawn_blocking(move || send_file(file, BlobHeader { bytes, key_sum }, &sender));
    Ok(Box::pin(ReceiverStream::new(receiver)))
}

/// Reads and sends until the file ends or the receiver hangs up.
fn send_file(file: File, header: BlobHeader, sender: &mpsc::Sender<Result<BlobPart, Status>>) {
    let mut left = header.bytes;
    let mut part = blob_part::Part::Header(header);
    let mut file = file;
    loop {
        if sender
            .blocking_send(Ok(BlobPart { part: Some(part) }))
            .is_err()
            || left == 0
        {
            return;
        }
        let mut buffer = Vec::with_capacity(limits::PART_BYTES);
        match (&mut file)
            .take(limits::PART_BYTES as u64)
            .read_to_end(&mut buffer)
        {
            Ok(0) => return,
            Ok(read) => left = left.saturating_sub(read as u64),
            Err(error) => {
                tracing::error!(%error, "a stored file cannot be read");
                let status = Rejected::new(Code::Internal, "the coordinator cannot read its disk");
                let _ = sender.blocking_send(Err(status.into()));
                return;
            }
        }
        part = blob_part::Part::Data(Bytes::from(buffer));
    }
}
