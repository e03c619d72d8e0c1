//! One disputed share, shown by its dealer, and who is to blame for it.

use std::{sync::Arc, time::Duration};

use tonic::transport::Channel;
use unsilo_fhe::{Appeal, Dealing, RoundContext, SealSeeds, check::Dispute};
use unsilo_proto::{
    limits,
    v1::{AppealRequest, AppealsRequest, committee_client::CommitteeClient},
};

use super::{
    Shared, answers, judging,
    requests::{Failure, blocking, within},
    shares::{self, Leaves, Served},
};
use crate::{
    error::NodeError,
    payload::committee,
    session::{AppealJob, AppealsJob, Event, Task},
};

/// Shows one share of the own contribution: makes the appeal once, which uses up the seeds of all shares, and sends it.
pub(super) async fn appeal(
    channel: Channel,
    shared: Arc<Shared>,
    job: AppealJob,
    wait: Duration,
) -> Result<Event, Failure> {
    let round = job.round;
    let made = blocking(move || make(&shared, &job)).await?;
    let appeal = match made {
        Ok(appeal) => appeal,
        Err(NodeError::Computation(reason)) => {
            return Ok(Event::Failed {
                task: Task::Appeal(round),
                reason: format!("round {round}: this node cannot appeal: {reason}"),
            });
        }
        Err(error) => return Err(error.into()),
    };
    let request = AppealRequest { round, appeal };
    within(wait, CommitteeClient::new(channel).appeal(request)).await?;
    Ok(Event::Accepted(Task::Appeal(round)))
}

/// The one appeal of the round, durable before it is sent.
fn make(shared: &Shared, job: &AppealJob) -> Result<Vec<u8>, NodeError> {
    if let Some(appeal) = shared.outbox.appeal(job.round)? {
        return Ok(appeal);
    }
    let unable = |reason: String| NodeError::Computation(reason);
    let seeds = shared.outbox.seal_seeds(job.round)?;
    let seeds = SealSeeds::from_secret_bytes(&seeds)
        .ok_or_else(|| unable("its seeds are damaged".to_owned()))?;
    let beside = shared.outbox.beside(job.round)?;
    let sealed = beside
        .sealed_shares
        .get(usize::from(job.seat).wrapping_sub(1))
        .ok_or_else(|| unable(format!("there is no share of seat {}", job.seat)))?;
    let context = RoundContext {
        federation: shared.draft.federation_id().0,
        round: job.round,
        model: job.model,
    };
    let committee = committee(&job.round_keys, job.threshold).map_err(unable)?;
    let dealing = Dealing {
        params: &shared.params,
        context: &context,
        participant: job.participant.0,
        committee: &committee,
    };
    let appeal = Appeal::new(&dealing, job.seat, sealed, seeds)
        .map_err(|error| unable(error.to_string()))?;
    let bytes = appeal.to_bytes().to_vec();
    shared.outbox.keep_appeal(job.round, &bytes)?;
    Ok(bytes)
}

/// Fetches the appeals of the round and decides each.
pub(super) async fn check(
    channel: Channel,
    shared: Arc<Shared>,
    job: AppealsJob,
    wait: Duration,
) -> Result<Event, Failure> {
    let round = job.judging.at.round;
    let mut client = CommitteeClient::new(channel.clone())
        .max_decoding_message_size(limits::COMMITTEE_MESSAGE_BYTES);
    let appeals = within(wait, client.appeals(AppealsRequest { round }))
        .await?
        .into_inner()
        .appeals;
    let appeals: Vec<Appeal> = appeals
        .iter()
        .take(limits::APPEALS)
        .filter_map(|bytes| Appeal::from_bytes(bytes).ok())
        .filter(|appeal| {
            job.disputed
                .iter()
                .any(|(id, _, seat)| (id.0, *seat) == (appeal.participant(), appeal.seat()))
        })
        .collect();
    if appeals.is_empty() {
        return Ok(Event::AppealsChecked {
            round,
            violations: Vec::new(),
        });
    }
    let wanted = job.disputed.iter().map(|(id, ..)| id.0).collect();
    let served = shares::fetch(channel.clone(), round, wanted, wait).await?;
    let answers = match judging::needs_answers(&shared, round) {
        true => Some(judging::fetch(channel, &shared, &job.judging, wait).await?),
        false => None,
    };
    blocking(move || {
        if let Some(answers) = &answers
            && let Err(trouble) = judging::again(&shared, &job.judging, answers)
        {
            return trouble.into_event(round, Task::CheckAppeals(round));
        }
        let violations = appeals
            .iter()
            .filter_map(|appeal| decide(&shared, &job, &served, appeal))
            .collect();
        Ok(Event::AppealsChecked { round, violations })
    })
    .await?
}

/// Who is to blame, as the entry that every member finds alike; `None` if the appeal does not belong to the dispute.
fn decide(
    shared: &Shared,
    job: &AppealsJob,
    served: &Served,
    appeal: &Appeal,
) -> Option<unsilo_ledger::Entry> {
    let (participant, seat) = (appeal.participant(), appeal.seat());
    let (_, root, _) = job.disputed.iter().find(|(id, ..)| id.0 == participant)?;
    let at = &job.judging.at;
    let projections = answers::projections(shared, at, job.judging.challenge);
    let context = projections.context();
    let leaves = served.get(&participant).and_then(|share| {
        Leaves::parse(
            &share.chunks_root,
            &share.share_hashes,
            &share.linear_hash_hash,
        )
    })?;
    let commitment = leaves.commitment(shared, context, participant);
    let committee = committee(&at.round_keys, at.threshold).ok()?;
    let closed: Vec<u32> = job.judging.set.iter().map(|(id, ..)| id.0).collect();
    let (sheet_root, shown) = shared.judging.show(seat, participant)?;
    let blame = appeal.decide(&Dispute {
        dealing: Dealing {
            params: &shared.params,
            context,
            participant,
            committee: &committee,
        },
        contribution_root: root,
        commitment: &commitment,
        share_hashes: &leaves.shares,
        keys: &shared.judging.keys(&projections),
        closed: &closed,
        sheet_root: &sheet_root,
        shown: &shown,
    });
    match blame {
        Ok(blame) => {
            tracing::warn!(participant, seat, ?blame, "an appeal is decided");
            None
        }
        Err(error) => {
            tracing::warn!(participant, seat, %error, "an appeal cannot be decided");
            None
        }
    }
}
