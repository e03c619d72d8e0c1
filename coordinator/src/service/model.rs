//! Sums and models, streamed from disk.

use std::{fs::File, io::Read, path::PathBuf, pin::Pin, sync::Arc};

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
    tokio::spawn(send_file(file, BlobHeader { bytes, key_sum }, sender));
    Ok(Box::pin(ReceiverStream::new(receiver)))
}

/// Reads and sends until the file ends or the receiver hangs up. Between two parts no thread waits, so slow
/// receivers, however many, hold up nobody.
async fn send_file(file: File, header: BlobHeader, sender: mpsc::Sender<Result<BlobPart, Status>>) {
    let mut left = header.bytes;
    let mut part = blob_part::Part::Header(header);
    let file = Arc::new(file);
    loop {
        let sent = sender.send(Ok(BlobPart { part: Some(part) })).await;
        if sent.is_err() || left == 0 {
            return;
        }
        let file = file.clone();
        let read = blocking(move || {
            let mut buffer = Vec::with_capacity(limits::PART_BYTES);
            file.take(limits::PART_BYTES as u64)
                .read_to_end(&mut buffer)
                .map_err(|error| {
                    tracing::error!(%error, "a stored file cannot be read");
                    Rejected::new(Code::Internal, "the coordinator cannot read its disk")
                })?;
            Ok(buffer)
        })
        .await;
        match read {
            Ok(buffer) if buffer.is_empty() => return,
            Ok(buffer) => {
                left = left.saturating_sub(buffer.len() as u64);
                part = blob_part::Part::Data(Bytes::from(buffer));
            }
            Err(status) => {
                let _ = sender.send(Err(status)).await;
                return;
            }
        }
    }
}
