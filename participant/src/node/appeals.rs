//! One disputed share, shown by its dealer, and who is to blame for it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tonic::transport::Channel;
use unsilo_fhe::{
    Appeal, Dealing, ProjectionKeys, RoundContext, SealSeeds,
    check::{AppealError, Blame, Dispute, ShownAnswers},
};
use unsilo_ledger::{ParticipantId, Violation};
use unsilo_proto::{
    SignedAppeal, dispute_hash, limits,
    v1::{AppealRequest, AppealsRequest, SealedShare, committee_client::CommitteeClient},
};

use super::{
    Shared, answers, judging,
    requests::{Failure, blocking, within},
    shares::{self, Leaves},
};
use crate::{
    alarm::Alarm,
    error::NodeError,
    payload::committee,
    session::{AppealJob, AppealsJob, Disputed, Event, Found, Task},
};

/// Shows one share of the own contribution: makes the appeal once, which uses up the seeds of all shares, and sends it.
pub(super) async fn appeal(
    channel: Channel,
    shared: Arc<Shared>,
    job: AppealJob,
    wait: Duration,
) -> Result<Event, Failure> {
    let round = job.round;
    let of = shared.clone();
    let made = blocking(move || {
        let shared = of;
        let appeal = make(&shared, &job)?;
        let federation = shared.federation;
        let (dealer, identity) = (job.participant, &shared.identity);
        Ok(SignedAppeal::sign(&federation, round, dealer, appeal, identity).to_bytes())
    })
    .await?;
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
    shared.appealed.store(round, Ordering::Release);
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
        federation: shared.federation.0,
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

/// How often it is asked again for appeals while there are none.
const APPEALS_PAUSE: Duration = Duration::from_millis(500);
/// How many times, before the next step of the coordinator is waited for.
const APPEALS_ATTEMPTS: usize = 20;

/// Fetches the appeals of the round and decides each. A dealer learns that its share is disputed when members do: while
/// none has appealed they are asked for again.
pub(super) async fn check(
    channel: Channel,
    shared: Arc<Shared>,
    job: AppealsJob,
    wait: Duration,
) -> Result<Event, Failure> {
    let round = job.judging.at.round;
    let mut served = Served::default();
    for attempt in 0..APPEALS_ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(APPEALS_PAUSE).await;
        }
        served = fetch(channel.clone(), &shared, &job, wait).await?;
        if !served.appeals.is_empty() || !served.alarms.is_empty() {
            break;
        }
    }
    let Served {
        appeals,
        mut alarms,
    } = served;
    if appeals.is_empty() {
        return Ok(Event::AppealsChecked {
            round,
            found: Vec::new(),
            alarms,
        });
    }
    let wanted = job
        .disputed
        .iter()
        .map(|dispute| dispute.dealer.0)
        .collect();
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
        let mut found = Vec::new();
        for (dispute, appeal) in &appeals {
            let case = Case {
                shared: &shared,
                job: &job,
                dispute,
                appeal,
            };
            match case.decide(served.get(&dispute.dealer.0)) {
                Ok(decided) => found.push(decided),
                Err(alarm) => alarms.push(alarm),
            }
        }
        Ok(Event::AppealsChecked {
            round,
            found,
            alarms,
        })
    })
    .await?
}

/// What the coordinator handed out.
#[derive(Default)]
struct Served {
    /// The appeals about shares that are disputed, one of each dealer.
    appeals: Vec<(Disputed, Appeal)>,
    /// What is wrong with the rest.
    alarms: Vec<Alarm>,
}

async fn fetch(
    channel: Channel,
    shared: &Shared,
    job: &AppealsJob,
    wait: Duration,
) -> Result<Served, Failure> {
    let mut client =
        CommitteeClient::new(channel).max_decoding_message_size(limits::COMMITTEE_MESSAGE_BYTES);
    let request = AppealsRequest {
        round: job.judging.at.round,
    };
    // From before the request: one that was acknowledged must be among those handed out.
    let acknowledged = shared.appealed.load(Ordering::Acquire) == request.round;
    let reply = within(wait, client.appeals(request)).await?.into_inner();
    let round = job.judging.at.round;
    let mut alarms = Vec::new();
    let mut appeals = Vec::new();
    for bytes in reply.appeals.iter().take(limits::APPEALS) {
        match signed_appeal(shared, job, bytes) {
            Some(appeal) => appeals.push(appeal),
            // The coordinator keeps none that its dealer did not sign, so it was made or changed there.
            None => alarms.push(Alarm::AppealForged { round }),
        }
    }
    let own = job.judging.own.filter(|_| acknowledged);
    if let Some(own) = own
        && !appeals.iter().any(|appeal| appeal.participant() == own.0)
    {
        alarms.push(Alarm::AppealWithheld { round });
    }
    let of = |dispute: &Disputed| {
        let is_its = |appeal: &&Appeal| {
            (appeal.participant(), appeal.seat()) == (dispute.dealer.0, dispute.seat)
        };
        Some((*dispute, appeals.iter().find(is_its)?.clone()))
    };
    Ok(Served {
        appeals: job.disputed.iter().filter_map(of).collect(),
        alarms,
    })
}

/// An appeal that its dealer signed for this round; whatever else is handed out as one says nothing about anybody.
fn signed_appeal(shared: &Shared, job: &AppealsJob, bytes: &[u8]) -> Option<Appeal> {
    let signed = SignedAppeal::from_bytes(bytes).ok()?;
    let appeal = Appeal::from_bytes(&signed.appeal).ok()?;
    let dealer = ParticipantId(appeal.participant());
    let federation = shared.federation;
    let key = job.dealers.get(&dealer)?;
    let round = job.judging.at.round;
    let verified = signed.verify(&federation, round, dealer, key);
    verified.then_some(appeal)
}

/// A disputed share that its dealer shows.
struct Case<'a> {
    shared: &'a Shared,
    job: &'a AppealsJob,
    dispute: &'a Disputed,
    appeal: &'a Appeal,
}

impl Case<'_> {
    /// Who is to blame, as every member finds it; nobody if the appeal does not belong to the dispute.
    ///
    /// # Errors
    /// The alarm, if the coordinator does not show what the dealer signed: the appeal is looked at again then.
    fn decide(&self, served: Option<&SealedShare>) -> Result<Found, Alarm> {
        let round = self.job.judging.at.round;
        let Disputed {
            dealer,
            seat,
            member,
            ..
        } = *self.dispute;
        let decided = self.blame(served);
        if let Some((Err(AppealError::NotCommitted), _)) = &decided {
            return Err(Alarm::ShareSubstituted {
                round,
                participant: dealer.0,
            });
        }
        let Some((Ok(blame), shown)) = decided else {
            let reason = decided.and_then(|(blame, _)| blame.err());
            tracing::warn!(round, %dealer, seat, ?reason, "an appeal cannot be decided");
            return Ok(Found {
                dealer,
                violation: None,
                shown: Vec::new(),
            });
        };
        let shown = shown.to_bytes();
        let evidence = dispute_hash(&self.appeal.to_bytes(), &shown);
        let violation = match blame {
            Blame::Dealer => Violation::WrongShare {
                participant: dealer,
                round,
                evidence,
            },
            Blame::Member => Violation::WrongAnswer {
                participant: member,
                round,
                evidence,
            },
            Blame::Nobody => {
                tracing::warn!(round, %dealer, seat, "the appeal shows nobody's fault: too few answers counted");
                return Ok(Found {
                    dealer,
                    violation: None,
                    shown: Vec::new(),
                });
            }
        };
        Ok(Found {
            dealer,
            violation: Some(violation),
            shown,
        })
    }

    /// `None` if this member lacks what the dispute is about.
    fn blame(
        &self,
        served: Option<&SealedShare>,
    ) -> Option<(Result<Blame, AppealError>, ShownAnswers)> {
        let Self {
            shared,
            job,
            dispute,
            ..
        } = *self;
        let at = &job.judging.at;
        let projections = answers::projections(shared, at, job.judging.challenge);
        let context = projections.context();
        let share = served?;
        let leaves = Leaves::parse(
            &share.chunks_root,
            &share.share_hashes,
            &share.linear_hash_hash,
        )?;
        let commitment = leaves.commitment(shared, context, dispute.dealer.0);
        let committee = committee(&at.round_keys, at.threshold).ok()?;
        let closed: Vec<u32> = job.judging.set.iter().map(|(id, ..)| id.0).collect();
        let (sheet_root, shown) = shared.judging.show(dispute.seat, dispute.dealer.0)?;
        let blame = self.appeal.decide(&Dispute {
            dealing: Dealing {
                params: &shared.params,
                context,
                participant: dispute.dealer.0,
                committee: &committee,
            },
            contribution_root: &dispute.root,
            commitment: &commitment,
            share_hashes: &leaves.shares,
            keys: &ProjectionKeys::new(&projections),
            closed: &closed,
            sheet_root: &sheet_root,
            shown: &shown,
            counted: job.counted,
        });
        Some((blame, shown))
    }
}
