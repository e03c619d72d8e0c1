//! Sums and models, streamed from disk.

use std::{fs::File, io::Read, path::PathBuf, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};
use unsilo_fhe::ProjectionTable;
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{
        BlobHeader, BlobPart, ContributionLeaves, EvidenceReply, EvidenceRequest, ModelRequest,
        SumProofPart, SumProofRequest, SumRequest, blob_part, models_server::Models,
        sum_proof_part,
    },
};

use super::{AHEAD, Parts, Services, answers::projections, blocking, each, hash_field, unreadable};

#[async_trait]
impl Models for Services {
    type SumStream = Parts<BlobPart>;
    type ModelStream = Parts<BlobPart>;
    type SumProofStream = Parts<SumProofPart>;

    async fn sum(&self, request: Request<SumRequest>) -> Result<Response<Parts<BlobPart>>, Status> {
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

    async fn model(
        &self,
        request: Request<ModelRequest>,
    ) -> Result<Response<Parts<BlobPart>>, Status> {
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

    async fn sum_proof(
        &self,
        request: Request<SumProofRequest>,
    ) -> Result<Response<Parts<SumProofPart>>, Status> {
        self.participant(&request)?;
        let round = request.into_inner().round;
        let store = self.contributions.clone();
        let table = blocking(move || projections(&store, round)).await?;
        let missing = |_| {
            Rejected::new(
                Code::NotFound,
                format!(
                    "there is nothing here (any more) that shows what round {round} was summed from"
                ),
            )
        };
        let closed: Vec<u32> = match self.measured_by(round) {
            // Nothing is projected there.
            Some(contributors) => contributors,
            None => ProjectionTable::from_bytes(&table)
                .map_err(missing)?
                .participants()
                .collect(),
        };
        let mut table = Some(table);
        let parts: Vec<_> = std::iter::once(None)
            .chain(closed.into_iter().map(Some))
            .map(|participant| (participant, table.take()))
            .collect();
        let store = self.contributions.clone();
        Ok(Response::new(each(parts, move |(participant, table)| {
            let part = match participant {
                None => sum_proof_part::Part::Projections(table.unwrap_or_default()),
                Some(participant) => {
                    let leaves = store
                        .leaves(round, participant)
                        .map_err(|error| unreadable("what a contribution's root covers", &error))?;
                    sum_proof_part::Part::Contribution(ContributionLeaves {
                        participant,
                        chunks_root: leaves.chunks_root.to_vec(),
                        share_hashes: leaves
                            .share_hashes
                            .iter()
                            .map(|hash| hash.to_vec())
                            .collect(),
                        linear_hash: leaves.linear_hash,
                    })
                }
            };
            Ok(SumProofPart { part: Some(part) })
        })))
    }

    async fn evidence(
        &self,
        request: Request<EvidenceRequest>,
    ) -> Result<Response<EvidenceReply>, Status> {
        self.participant(&request)?;
        let EvidenceRequest { round, participant } = request.into_inner();
        let scalars = self.scalars.clone();
        let evidence = blocking(move || {
            scalars.evidence(round, participant).map_err(|_| {
                Rejected::new(
                    Code::NotFound,
                    format!("there is no evidence here against participant {participant} in round {round}"),
                )
            })
        })
        .await?;
        Ok(Response::new(EvidenceReply { evidence }))
    }
}

impl Services {
    /// Who contributed to the statistics round under way; `None` if `round` is not that.
    fn measured_by(&self, round: u64) -> Option<Vec<u32>> {
        let now = self.owner.now();
        let state = &now.state;
        let under_way = state.round().filter(|one| one.opening.round == round)?;
        let contributors = under_way.contributions.keys().map(|id| id.0);
        state.is_measuring().then(|| contributors.collect())
    }
}

fn stream_file(file: File, key_sum: Vec<u8>) -> Result<Parts<BlobPart>, Status> {
    let bytes = file
        .metadata()
        .map_err(|error| Rejected::new(Code::Internal, error.to_string()))?
        .len();
    Ok(stream_part(
        file,
        BlobHeader {
            bytes,
            key_sum,
            paths: Vec::new(),
        },
    ))
}

/// A file from where it stands, as many bytes as the header says.
pub(super) fn stream_part(file: File, header: BlobHeader) -> Parts<BlobPart> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(send_file(file, header, sender));
    Box::pin(ReceiverStream::new(receiver))
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
            let length = left.min(limits::PART_BYTES as u64);
            let mut buffer = Vec::with_capacity(limits::PART_BYTES);
            file.take(length)
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
