//! Is the table of projections true? Its rows decide, with the members' answers, who is at fault, and the coordinator alone
//! makes them: under a false one an honest contribution looks like garbage. So nobody is rejected by a row that this member
//! has not made again from the ciphertext that was signed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tonic::transport::Channel;
use unsilo_fhe::{ProjectionTable, Projections, Queries, RoundContext, project};
use unsilo_ledger::{Judgement, ParticipantId, RejectionReason};
use unsilo_proto::v1::rounds_client::RoundsClient;

use super::{
    Shared, answers, ciphertexts,
    requests::Failure,
    shares::{self, Leaves},
};
use crate::session::JudgingJob;

/// The contributions whose rows this member makes again before it signs: those that it would reject by their projections,
/// and its own if the row is not that of what it sent.
pub(super) fn doubted(
    shared: &Shared,
    job: &JudgingJob,
    table: &ProjectionTable,
    judgement: &Judgement,
) -> BTreeSet<u32> {
    let by_projections = |reason: &RejectionReason| {
        matches!(
            reason,
            RejectionReason::OutOfRange | RejectionReason::TooLong
        )
    };
    let rejected = judgement.rejected.iter();
    let mut doubted: BTreeSet<u32> = rejected
        .filter(|(_, reason)| by_projections(reason))
        .map(|(id, _)| id.0)
        .collect();
    if let Some(own) = job.own
        && let Ok(ciphertext) = shared.outbox.read_ciphertext(job.at.round)
    {
        let projections = answers::projections(shared, &job.at, job.challenge);
        if project(&projections, &ciphertext).ok().as_ref() != table.row(own.0) {
            doubted.insert(own.0);
        }
    }
    doubted
}

/// The first of `doubted` whose row is not that of the ciphertext under its signed root, or whose ciphertext the coordinator
/// does not show.
pub(super) async fn first_false(
    channel: Channel,
    shared: &Arc<Shared>,
    job: &JudgingJob,
    (table, doubted): (ProjectionTable, BTreeSet<u32>),
    wait: Duration,
) -> Result<Option<u32>, Failure> {
    if doubted.is_empty() {
        return Ok(None);
    }
    let round = job.at.round;
    let served = shares::fetch(channel.clone(), round, doubted.clone(), wait).await?;
    let context = RoundContext {
        federation: shared.federation.0,
        round,
        model: job.at.model,
    };
    let mut client = RoundsClient::new(channel);
    for participant in doubted {
        let signed = job
            .set
            .iter()
            .find(|(id, ..)| *id == ParticipantId(participant));
        let leaves = served.get(&participant).and_then(|share| {
            Leaves::parse(
                &share.chunks_root,
                &share.share_hashes,
                &share.linear_hash_hash,
            )
        });
        let (Some((_, root, _)), Some(leaves)) = (signed, leaves) else {
            return Ok(Some(participant));
        };
        if leaves.root(shared, &context, participant) != *root {
            return Ok(Some(participant));
        }
        let projections = answers::projections(shared, &job.at, job.challenge);
        let read = row(&mut client, shared, (round, participant), projections, wait).await?;
        let row = read.filter(|(root, _)| *root == leaves.chunks_root);
        let is_true = row.is_some_and(|(_, row)| {
            table
                .row(participant)
                .is_some_and(|claimed| claimed[..] == row[..])
        });
        if !is_true {
            return Ok(Some(participant));
        }
    }
    Ok(None)
}

/// The projections of a ciphertext as served, and the root over its chunks.
async fn row(
    client: &mut RoundsClient<Channel>,
    shared: &Arc<Shared>,
    of: (u64, u32),
    projections: Projections,
    wait: Duration,
) -> Result<Option<(unsilo_ledger::Hash, Vec<u64>)>, Failure> {
    let params = shared.params;
    let work = move |parts| {
        ciphertexts::products(&params, Queries::of_projections(&projections, 1), parts)
    };
    ciphertexts::read(client, of, work, wait).await
}
