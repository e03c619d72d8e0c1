//! The owner's thread: takes commands, runs the machine, carries out its effects.

mod admission;
mod batches;
mod effects;
mod log;
mod signatures;
mod snapshots;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{mpsc, oneshot, watch};
use unsilo_ledger::{
    Derivation, Draft, FederationId, Hash, ParticipantId, SigningIdentity, store::LedgerStore,
};
use unsilo_proto::{Code, Rejected, v1::Step};

use super::{Command, Owner, QUEUE, Snapshot, jobs::Jobs, snapshots::Snapshots};
use crate::{
    admission::{Invitations, Members, authority},
    contributions::Contributions,
    endpoint::Served,
    error::CoordinatorError,
    models::{Models, Pin},
    payload::Payload,
    round::{Event, Machine, Timing},
    scalars::Scalars,
};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(250);

/// Everything the owner owns.
pub(crate) struct OwnerParts {
    pub(crate) draft: Draft,
    pub(crate) timing: Timing,
    pub(crate) identity: Arc<SigningIdentity>,
    pub(crate) ledger: LedgerStore,
    pub(crate) members: Members,
    pub(crate) invitations: Invitations,
    pub(crate) authority: Arc<authority::Authority>,
    pub(crate) contributions: Contributions,
    pub(crate) scalars: Scalars,
    pub(crate) models: Models,
    pub(crate) payload: Payload,
    /// The model that queries are answered with; replaced when a round is published.
    pub(crate) served: watch::Sender<Option<Arc<Served>>>,
    /// The file of signatures that wait for more.
    pub(crate) signatures: PathBuf,
    /// Which round's model is served, if not the newest.
    pub(crate) pin: Pin,
    /// The file of the newest snapshot of the log.
    pub(crate) log_snapshot: PathBuf,
    /// Told when the ledger cannot be written any more: the process must end and open it again.
    pub(crate) failed: mpsc::Sender<CoordinatorError>,
}

struct Task {
    federation: FederationId,
    identity: Arc<SigningIdentity>,
    machine: Machine,
    ledger: LedgerStore,
    members: Members,
    invitations: Invitations,
    authority: Arc<authority::Authority>,
    contributions: Contributions,
    scalars: Scalars,
    models: Models,
    jobs: Jobs,
    /// Where the contributions of the newest rounds are in the log.
    receipts: BTreeMap<(u64, ParticipantId), (Hash, u64)>,
    /// The batches of queries in the log, in order: first query, how many, and where the entry is.
    batches: Vec<(u64, u32, u64)>,
    pin: Pin,
    /// What `pin` said last.
    pinned: Option<u64>,
    signatures: PathBuf,
    snapshots: Snapshots,
    /// Events of jobs that could not even be started; the next tick takes them.
    unstarted: Vec<Event>,
    running: Vec<thread::JoinHandle<()>>,
    /// The last refusal of an unasked step, so that a repeated one is logged once.
    last_refusal: Option<Rejected>,
    /// How the weights of the newest weighed round came about; the ledger keeps the weights alone.
    weighed: Option<(u64, Arc<Derivation>)>,
    commands: mpsc::WeakSender<Command>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    steps: watch::Sender<Step>,
    served: watch::Sender<Option<Arc<Served>>>,
    failed: mpsc::Sender<CoordinatorError>,
}

/// The owner's thread.
pub(crate) struct OwnerThread {
    handle: thread::JoinHandle<()>,
    commands: mpsc::Sender<Command>,
}

impl OwnerThread {
    /// Ends the owner after the command under way, with its jobs, and waits: afterwards the directory is
    /// nobody's.
    pub(crate) async fn stop(self) {
        let _ = self.commands.send(Command::Stop).await;
        let _ = tokio::task::spawn_blocking(move || self.handle.join()).await;
    }
}

/// Starts the owner on its own thread and the clock that ticks for it.
pub(crate) fn start(parts: OwnerParts) -> Result<(Owner, OwnerThread), CoordinatorError> {
    let (commands, queue) = mpsc::channel(QUEUE);
    let federation = parts.draft.federation_id();
    let mut task = Task {
        federation,
        identity: parts.identity,
        machine: Machine::new(parts.timing, parts.draft, parts.payload),
        jobs: Jobs {
            contributions: parts.contributions.clone(),
            models: parts.models.clone(),
            payload: parts.payload,
            permutation: Arc::new(unsilo_fhe::Permutation::new(
                parts.payload.params(),
                &federation.0,
            )),
            federation: federation.0,
            stopping: Arc::new(AtomicBool::new(false)),
        },
        ledger: parts.ledger,
        members: parts.members,
        invitations: parts.invitations,
        authority: parts.authority,
        contributions: parts.contributions,
        scalars: parts.scalars,
        models: parts.models,
        receipts: BTreeMap::new(),
        batches: Vec::new(),
        pin: parts.pin,
        pinned: None,
        signatures: parts.signatures,
        snapshots: Snapshots::new(parts.log_snapshot),
        unstarted: Vec::new(),
        running: Vec::new(),
        last_refusal: None,
        weighed: None,
        commands: commands.downgrade(),
        snapshot: watch::Sender::new(Arc::new(Snapshot {
            state: unsilo_ledger::State::new(),
            entries: 0,
            phase: "founding",
            checkpoint: Arc::from(""),
            pending: Vec::new(),
            weighed: None,
        })),
        steps: watch::Sender::new(Step::default()),
        served: parts.served,
        failed: parts.failed,
    };
    let owner = Owner {
        snapshot: task.snapshot.subscribe(),
        steps: task.steps.subscribe(),
        handed_out: task.snapshots.subscribe(),
        commands: commands.clone(),
    };
    task.recover()?;
    tokio::spawn(tick(commands.downgrade()));
    let handle = thread::Builder::new()
        .name("owner".into())
        .spawn(move || task.run(queue))
        .map_err(CoordinatorError::io("create", "the owner's thread"))?;
    Ok((owner, OwnerThread { handle, commands }))
}

async fn tick(commands: mpsc::WeakSender<Command>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(commands) = commands.upgrade() else {
            return;
        };
        // A full queue means that the owner is busy: the next tick will do.
        let _ = commands.try_send(Command::Tick);
    }
}

impl Task {
    /// What a restart has to find again: receipts, the served model, and the step under way.
    fn recover(&mut self) -> Result<(), CoordinatorError> {
        let entries = self
            .ledger
            .entries(0, usize::MAX)
            .map_err(|error| CoordinatorError::Ledger(error.to_string()))?;
        for (index, signed) in (0..).zip(&entries) {
            self.note_receipt(signed, index);
            self.note_batch(signed, index);
        }
        if let Some(seed) = self.ledger.state().founders_seed() {
            self.models.store_initial(&seed)?;
        }
        self.pinned = self.pin.read()?;
        self.serve_current();
        let joined = self.joined_event();
        for event in [joined, Event::Advanced] {
            if let Err(rejected) = self.step(event) {
                return Err(CoordinatorError::Ledger(rejected.to_string()));
            }
        }
        if self.is_cosigned() {
            self.step_unasked(Event::Cosigned);
        }
        self.recover_snapshot();
        self.recover_signatures()
    }

    fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(command) = queue.blocking_recv() {
            match command {
                Command::Event(event @ Event::Signed(_), reply) => {
                    let result = self.sign(event);
                    answer(reply, result);
                }
                Command::Event(event, reply) => {
                    let result = self.step(event);
                    answer(reply, result);
                }
                Command::Commit(entry, reply) => {
                    let result = self.commit(*entry);
                    answer(reply, result);
                }
                Command::Join(application, reply) => {
                    let result = self.join(application);
                    answer(reply, result);
                }
                Command::Renew(renewal, reply) => {
                    let result = self.renew(&renewal);
                    answer(reply, result);
                }
                Command::Cosign(size, line, reply) => {
                    let result = self.cosign(size, &line);
                    answer(reply, result);
                }
                Command::Entries(from, reply) => {
                    let result = self.entries(from);
                    answer(reply, result);
                }
                Command::Excerpt(from, limit, reply) => {
                    let result = self.excerpt(from, limit);
                    answer(reply, result);
                }
                Command::Proof(index, reply) => {
                    let result = self.proof(index);
                    answer(reply, result);
                }
                Command::Receipt(round, participant, root, reply) => {
                    answer(reply, Ok(self.receipt(round, participant, root)));
                }
                Command::Batch(number, reply) => {
                    let result = self.batch(number);
                    answer(reply, result);
                }
                Command::Consistency(old, new, reply) => {
                    let proof = self.consistency(old, new);
                    answer(reply, proof);
                }
                Command::SnapshotMade(made) => self.hand_out(made),
                Command::Finished(event) => self.step_unasked(event),
                Command::Tick => {
                    self.look_at_pin();
                    for event in std::mem::take(&mut self.unstarted) {
                        self.step_unasked(event);
                    }
                    self.step_unasked(Event::Tick);
                    self.make_snapshot_if_due();
                }
                Command::Stop => break,
            }
        }
        self.jobs.stopping.store(true, Ordering::Relaxed);
        // A job that reports now must not wait for a queue that nobody reads.
        drop(queue);
        for job in self.running {
            let _ = job.join();
        }
    }

    fn step_unasked(&mut self, event: Event) {
        match self.step(event) {
            Ok(()) => self.last_refusal = None,
            Err(rejected) if self.last_refusal.as_ref() == Some(&rejected) => {}
            Err(rejected) => {
                tracing::error!(%rejected, "a step could not be taken; it is tried again");
                self.last_refusal = Some(rejected);
            }
        }
    }

    /// One event through the machine and its effects into the world, until nothing more is due.
    fn step(&mut self, event: Event) -> Result<(), Rejected> {
        let quiet = matches!(event, Event::Tick);
        let effects = self.machine.handle(event, now_ms(), self.ledger.state())?;
        if effects.is_empty() && quiet {
            return Ok(());
        }
        let result = self.carry_out(effects);
        self.publish_snapshot();
        result
    }

    fn publish_snapshot(&self) {
        self.snapshot.send_replace(Arc::new(Snapshot {
            state: self.ledger.state().clone(),
            entries: self.ledger.len(),
            phase: self.machine.phase(),
            checkpoint: self
                .ledger
                .checkpoint()
                .map_or_else(|| Arc::from(""), |checkpoint| Arc::from(checkpoint.note())),
            pending: self.machine.pending().collect(),
            weighed: self.weighed.clone(),
        }));
    }

    /// Serves the model of the pinned round, or the newest. What cannot be read leaves the one that is served.
    fn serve_current(&self) {
        let state = self.ledger.state();
        if state.is_measuring() {
            // There is no model before the data are measured.
            return;
        }
        let newest = || {
            let round = state.published().next_back().map(|(round, _)| round);
            Some((state.model()?, round))
        };
        let wanted = match self.pinned {
            None => newest(),
            Some(pinned) => {
                let mut published = state.published();
                let found = published.find(|(round, _)| *round == pinned);
                if found.is_none() {
                    tracing::error!(
                        pinned,
                        "no such round was published: the newest model is served"
                    );
                }
                found
                    .map(|(round, model)| (model, Some(round)))
                    .or_else(newest)
            }
        };
        let Some((hash, round)) = wanted else { return };
        match self.models.weights(&hash) {
            Ok(weights) => {
                let served = Served::new(self.models.spec().clone(), weights, hash, round);
                self.served.send_replace(Some(Arc::new(served)));
            }
            Err(error) => tracing::error!(%error, "the current model cannot be served"),
        }
    }

    /// Somebody may have rolled back, or forward.
    fn look_at_pin(&mut self) {
        match self.pin.read() {
            Ok(pinned) if pinned != self.pinned => {
                tracing::info!(?pinned, "another model is served");
                self.pinned = pinned;
                self.serve_current();
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "which model to serve cannot be read"),
        }
    }
}

fn answer<T>(reply: oneshot::Sender<Result<T, Rejected>>, result: Result<T, Rejected>) {
    // A caller that hung up does not need the answer.
    let _ = reply.send(result);
}

/// Said to whoever asked for what ends this process.
fn stopping() -> Rejected {
    Rejected::new(
        Code::StorageFull,
        "the coordinator cannot write to its disk and stops; go on when it is back",
    )
}

fn internal(error: CoordinatorError) -> Rejected {
    tracing::error!(%error, "failed");
    if error.is_disk_full() {
        Rejected::new(
            Code::StorageFull,
            "the coordinator's disk is full; nothing acknowledged is lost, try again later",
        )
    } else {
        Rejected::new(
            Code::Internal,
            "the coordinator failed and logged why; try again later",
        )
    }
}

/// Milliseconds since 1970. A clock before 1970 counts as 0.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| {
            u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
        })
}
