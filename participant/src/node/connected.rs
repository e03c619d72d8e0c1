//! One connection: the step stream, the replica, and the session's effects.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::MissedTickBehavior,
};
use tonic::transport::{Channel, Identity};
use unsilo_proto::{
    limits,
    v1::{StepsRequest, rounds_client::RoundsClient},
};

use super::{
    Runtime, answers, appeals, directions, jobs, judging, now_ms, on_disk,
    replica::{Begun, LateStart, LedgerReplica, SyncError},
    requests::{self, Failure},
    shares, steps, sums,
};
use crate::{
    error::NodeError,
    progress::{Progress, RoundEvaluation},
    session::{Effect, Event},
    tls,
};

/// How often the session is told that time has passed: a member that was asked too early acts so much later at most.
const CLOCK: Duration = Duration::from_secs(2);

/// Requests of one connection: dropped with it, so that nothing of it is heard later.
pub(super) struct Connection {
    pub(super) channel: Channel,
    address: String,
    pub(super) wait: Duration,
    events: UnboundedSender<Outcome>,
    tasks: JoinSet<()>,
}

/// How a request or a job ended.
pub(super) enum Outcome {
    /// Something for the session.
    Event(Event),
    /// The connection is not usable any more.
    Lost(String),
    /// This machine failed.
    Broken(NodeError),
}

/// Works on one connection until it is lost (an error) or the node has finished.
pub(super) async fn work(
    runtime: &mut Runtime<'_>,
    ledger: &mut LedgerReplica,
    identity: Identity,
    authority: [u8; 32],
    finished: &mut UnboundedReceiver<Outcome>,
    connected: &mut bool,
) -> Result<(), NodeError> {
    let address = runtime.shared.config.coordinator.clone();
    let network = runtime.shared.config.network;
    let channel = tls::connect(&address, authority, Some(identity), &network).await?;
    let unusable = |status: tonic::Status| Failure::from(status).into_error(&address);
    let wait = Duration::from_secs(network.answer_seconds.into());
    let mut rounds =
        RoundsClient::new(channel.clone()).max_decoding_message_size(limits::MESSAGE_BYTES);
    let request = StepsRequest {
        protocol_version: limits::PROTOCOL_VERSION,
    };
    let mut steps = requests::within(wait, rounds.steps(request))
        .await
        .map_err(|failure| failure.into_error(&address))?
        .into_inner();
    *connected = true;
    runtime.tell(Progress::Connected {
        address: address.clone(),
    });
    let (events, mut outcomes) = unbounded_channel();
    let mut connection = Connection {
        channel,
        address: address.clone(),
        wait,
        events,
        tasks: JoinSet::new(),
    };
    begin_late(runtime, ledger, &mut connection).await?;
    synchronise(runtime, ledger, &mut connection, None).await?;
    let mut clock = tokio::time::interval(CLOCK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            step = steps.message() => {
                let step = step.map_err(unusable)?.ok_or_else(|| NodeError::Unreachable {
                    address: address.clone(),
                    reason: "the coordinator closed the connection".to_owned(),
                })?;
                synchronise(runtime, ledger, &mut connection, Some(step.ledger_entries)).await?;
                if let Err(alarm) = ledger.check(&step.checkpoint) {
                    runtime.feed(Event::Alarmed(alarm), Some(&mut connection)).await?;
                }
                if let Some(step) = steps::decode(step) {
                    runtime.feed(Event::Step(step), Some(&mut connection)).await?;
                }
            }
            Some(outcome) = outcomes.recv() => {
                runtime.take(outcome, &address, Some(&mut connection)).await?;
            }
            _ = clock.tick() => runtime.feed(Event::Clock, Some(&mut connection)).await?,
            Some(outcome) = finished.recv() => {
                runtime.take(outcome, &address, Some(&mut connection)).await?;
            }
            // Finished requests are only collected; their news came as outcomes.
            Some(ended) = connection.tasks.join_next() => ended.map_err(|error| {
                NodeError::Computation(format!("a request ended unexpectedly: {error}"))
            })?,
        }
        if runtime.summary.finished {
            return Ok(());
        }
    }
}

/// Where the replica is far behind, begins it with a snapshot; or completes one that began so, if the whole log is wanted.
async fn begin_late(
    runtime: &mut Runtime<'_>,
    ledger: &mut LedgerReplica,
    connection: &mut Connection,
) -> Result<(), NodeError> {
    let late = LateStart {
        channel: &connection.channel,
        wait: connection.wait,
        draft: &runtime.shared.draft,
        whole: &runtime.shared.directory.whole_ledger(),
        config: runtime.shared.ledger,
        cosigned: runtime.session.guards().vouched,
    };
    match ledger.begin_late(&late).await {
        Ok(None) => Ok(()),
        Ok(Some(Begun::WithSnapshot(trust))) => {
            runtime.tell(Progress::BeganWithSnapshot(trust));
            Ok(())
        }
        Ok(Some(Begun::Completed { entries })) => {
            runtime.tell(Progress::LedgerCompleted { entries });
            Ok(())
        }
        Ok(Some(Begun::Refused(reason))) => {
            runtime.tell(Progress::Warning {
                message: format!(
                    "the coordinator's snapshot of the ledger is not used: {reason}. This node replays the ledger from \
                     where it is instead"
                ),
            });
            Ok(())
        }
        Err(SyncError::Request(failure)) => Err(failure.into_error(&connection.address)),
        Err(SyncError::Node(error)) => Err(error),
        Err(SyncError::Alarm(alarm)) => runtime.feed(Event::Alarmed(alarm), Some(connection)).await,
    }
}

/// The size of the newest publication that this identity cosigned.
fn cosigned_size(runtime: &Runtime<'_>) -> Option<u64> {
    runtime.session.guards().vouched.map(|last| last.size)
}

async fn synchronise(
    runtime: &mut Runtime<'_>,
    ledger: &mut LedgerReplica,
    connection: &mut Connection,
    entries: Option<u64>,
) -> Result<(), NodeError> {
    // A replica that began anew may have nothing to add to its snapshot.
    let first = runtime
        .session
        .facts()
        .is_none_or(|facts| facts.entries < ledger.entries());
    let grown = match ledger
        .sync(&connection.channel, entries, connection.wait)
        .await
    {
        Ok(grown) => grown,
        Err(SyncError::Request(failure)) => return Err(failure.into_error(&connection.address)),
        Err(SyncError::Node(error)) => return Err(error),
        Err(SyncError::Alarm(alarm)) => {
            return runtime.feed(Event::Alarmed(alarm), Some(connection)).await;
        }
    };
    for news in ledger.take_news() {
        runtime.tell(news);
    }
    if grown || first {
        // Before anything is done by what the ledger says: rows are trained on as everybody scales them.
        if let Some(told) = on_disk(|| runtime.shared.normalise(ledger.state()))? {
            runtime.tell(told);
        }
        let facts = Box::new(ledger.facts(cosigned_size(runtime)));
        runtime.feed(Event::Ledger(facts), Some(connection)).await?;
    }
    Ok(())
}

impl Runtime<'_> {
    /// Gives the session an event and carries out what it asks for, in order.
    ///
    /// Without a connection the session asks for nothing that needs one, since it has no step to act on; should it
    /// do so all the same, the request is told to be lost with the connection.
    pub(super) async fn feed(
        &mut self,
        event: Event,
        mut connection: Option<&mut Connection>,
    ) -> Result<(), NodeError> {
        // What a person signed beside the node comes first, and nothing is signed there until the effects are carried out.
        let signed = on_disk(|| self.guards.hold())?;
        let voids = signed.into_iter().map(|round| Event::OwnersVoid { round });
        let mut done = Ok(());
        let mut evaluations = Vec::new();
        for event in voids.chain([event]) {
            done = self.carry_out(event, connection.as_deref_mut(), &mut evaluations);
            if done.is_err() {
                break;
            }
        }
        self.guards.release();
        if let Some(connection) = connection
            && self.shared.config.evaluation.publish
        {
            for (round, evaluation) in evaluations {
                requests::publish_evaluation(connection, round, &evaluation).await;
            }
        }
        done
    }

    /// The effects of one event. What was measured of new models is left in `evaluations`, for when nothing is held.
    fn carry_out(
        &mut self,
        event: Event,
        mut connection: Option<&mut Connection>,
        evaluations: &mut Vec<(u64, RoundEvaluation)>,
    ) -> Result<(), NodeError> {
        let mut stopped = None;
        for effect in self.session.handle(event, now_ms()) {
            match effect {
                // Durable before anything after it: an error here drops the rest of the list.
                Effect::Record(record) => {
                    on_disk(|| self.guards.record(&record))?;
                }
                Effect::Tell(progress) => {
                    if let Progress::Published {
                        round,
                        evaluation: Some(evaluation),
                        ..
                    } = &progress
                    {
                        evaluations.push((*round, evaluation.clone()));
                    }
                    self.tell(progress);
                }
                Effect::Alarm(alarm) => {
                    tracing::error!(alarm = alarm.name(), "{alarm}");
                    alarm.keep(&self.shared.directory.alarms())?;
                    self.tell(Progress::Alarm(alarm.clone()));
                    stopped = Some(alarm);
                }
                Effect::Halt => {
                    return match stopped {
                        Some(alarm) => Err(NodeError::Alarm(alarm)),
                        None => Ok(()),
                    };
                }
                Effect::Finish => self.summary.finished = true,
                Effect::StopRater { round } => {
                    self.shared
                        .stopped_rater
                        .fetch_max(round, Ordering::Relaxed);
                }
                Effect::Forget { round } => jobs::forget(&self.shared, round)?,
                Effect::Discard { round } => self.shared.outbox.discard(round)?,
                Effect::Sweep { before } => self.shared.outbox.sweep(before)?,
                Effect::MakeSeat { .. }
                | Effect::FirstModel { .. }
                | Effect::Contribute(_)
                | Effect::AskRater { .. }
                | Effect::MakeDirections(_)
                | Effect::MakeRow(_)
                | Effect::Evaluate { .. } => self.start_local(effect),
                effect => {
                    if let Some(connection) = connection.as_deref_mut() {
                        connection.start(effect, self);
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives the session the news of a request or job.
    pub(super) async fn take(
        &mut self,
        outcome: Outcome,
        address: &str,
        connection: Option<&mut Connection>,
    ) -> Result<(), NodeError> {
        match outcome {
            Outcome::Event(event) => self.feed(event, connection).await,
            Outcome::Lost(reason) => Err(NodeError::Unreachable {
                address: address.to_owned(),
                reason,
            }),
            Outcome::Broken(error) => Err(error),
        }
    }

    fn start_local(&self, effect: Effect) {
        let shared = self.shared.clone();
        let local = self.local.clone();
        let progress = self.progress.clone();
        tokio::task::spawn_blocking(move || {
            if let Some(outcome) = jobs::run(&shared, effect, &progress) {
                // The node may have ended meanwhile.
                let _ = local.send(outcome);
            }
        });
    }
}

impl Connection {
    fn start(&mut self, effect: Effect, runtime: &Runtime<'_>) {
        let Some(task) = effect.task() else {
            return;
        };
        let shared = runtime.shared.clone();
        let progress = runtime.progress.clone();
        let channel = self.channel.clone();
        let events = self.events.clone();
        let wait = self.wait;
        self.tasks.spawn(async move {
            let ended = match effect {
                Effect::Call(call) => requests::call(channel, call, wait).await,
                Effect::Upload { round, root, entry } => {
                    requests::upload(channel, &shared, round, root, entry, wait, progress).await
                }
                Effect::FetchMailbox { round } => requests::mailbox(channel, round, wait).await,
                Effect::CommitDirections {
                    round,
                    model,
                    entry,
                } => {
                    let of = (round, model);
                    directions::commit(channel, Arc::clone(&shared), of, entry, wait).await
                }
                Effect::ReceiveAnswers(job) => {
                    directions::receive(channel, Arc::clone(&shared), job, wait).await
                }
                Effect::Answer(job) => {
                    answers::answer(channel, Arc::clone(&shared), job, wait).await
                }
                Effect::SendAnswers { round, sent } => {
                    answers::send(channel, Arc::clone(&shared), round, sent, wait).await
                }
                Effect::Judge(job) => {
                    judging::judge_round(channel, Arc::clone(&shared), job, wait).await
                }
                Effect::Appeal(job) => {
                    appeals::appeal(channel, Arc::clone(&shared), job, wait).await
                }
                Effect::CheckAppeals(job) => {
                    appeals::check(channel, Arc::clone(&shared), job, wait).await
                }
                Effect::OpenShares(job) => {
                    shares::open(channel, Arc::clone(&shared), job, wait).await
                }
                Effect::Recompute { published, judged } => {
                    sums::recompute(channel, Arc::clone(&shared), published, judged, wait).await
                }
                Effect::FetchModel { model } => {
                    sums::fetch_model(channel, Arc::clone(&shared), model, wait).await
                }
                _ => return,
            };
            let outcome = match ended {
                Ok(event) => Outcome::Event(event),
                Err(Failure::Refused(rejected)) => {
                    Outcome::Event(Event::Refused { task, rejected })
                }
                Err(Failure::Lost(reason)) => Outcome::Lost(reason),
                Err(Failure::Untrusted(error) | Failure::Broken(error)) => Outcome::Broken(error),
            };
            // The connection may be gone meanwhile.
            let _ = events.send(outcome);
        });
    }
}
