//! The node: a session with a connection, a disk and a clock.

mod answers;
mod appeals;
mod ciphertexts;
mod connected;
mod directions;
mod jobs;
mod judging;
mod local;
mod proof;
mod rating;
mod reconnect;
mod replica;
mod requests;
mod rows;
mod shares;
mod sheets;
mod steps;
mod sums;

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tonic::transport::Identity;
use unsilo_fhe::{Params, Permutation};
use unsilo_ledger::{Draft, FederationId, Hash, SigningIdentity};
use unsilo_train::{Device, DeviceChoice, Trainer};

use crate::{
    alarm::Alarm,
    card,
    config::{Config, LedgerSection},
    dealer::Dealer,
    directory::{Directory, DirectoryLock},
    error::NodeError,
    founders::Founder,
    guard::GuardStore,
    join, keystore,
    learner::Seeds,
    models::ModelStore,
    outbox::Outbox,
    payload::Payload,
    progress::{Progress, RoundEvaluation},
    rater::Rater,
    session::{Membership, Session},
    training::{BuiltIn, LocalTraining},
    validator::held_out_seed,
};
use connected::Outcome;
use local::{Loader, Local};
use replica::LedgerReplica;

/// What overrides the configuration for one run.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    /// Where to train.
    pub device: Option<DeviceChoice>,
    /// The list of founders that people agreed on; any other is refused.
    pub founders_pin: Option<Vec<Founder>>,
    /// Insist on the whole ledger, whatever the configuration says.
    pub full_log: bool,
    /// What it asks about the others' contributions and thinks of them, instead of the built-in rater. No rows are held out
    /// from training then.
    pub rater: Option<Arc<dyn Rater>>,
    /// How it trains, instead of the built-in training.
    pub training: Option<Arc<dyn LocalTraining>>,
    /// How it encrypts, instead of as agreed: to show what becomes of that.
    pub dealer: Option<Arc<dyn Dealer>>,
}

/// What a node did until it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Contributions on the ledger in this run.
    pub contributions: u64,
    /// Models verified and stored in this run.
    pub models: u64,
    /// The newest model.
    pub model: Option<Hash>,
    /// Its evaluation.
    pub evaluation: Option<RoundEvaluation>,
    /// Whether the federation has run all its rounds.
    pub finished: bool,
}

/// A node that is ready to run: its directory is locked, its data loaded, its records verified.
pub struct Node {
    shared: Arc<Shared>,
    guards: GuardStore,
    ledger: LedgerReplica,
    session: Session,
    authority: [u8; 32],
    device: String,
}

/// What the parts of a node share.
struct Shared {
    directory: Directory,
    config: Config,
    /// How the replica of the ledger begins.
    ledger: LedgerSection,
    draft: Draft,
    /// The draft's hash, which everything that is signed or encrypted is bound to: made once.
    federation: FederationId,
    params: Params,
    payload: Payload,
    dealer: Arc<dyn Dealer>,
    permutation: Permutation,
    models: ModelStore,
    outbox: Outbox,
    identity: Arc<SigningIdentity>,
    judging: judging::Judging,
    answering: answers::Answering,
    asking: directions::Asking,
    loader: Loader,
    local: RwLock<Arc<Local>>,
    /// The last round in which the coordinator acknowledged an appeal of this node's, since the node started.
    appealed: AtomicU64,
    /// The last round whose directions come too late, if the rater still works on them: it gives up.
    stopped_rater: AtomicU64,
    /// Set when the node ends: work under way on other threads gives up.
    cancelled: AtomicBool,
    /// Kept until the last thread is done, so that no second node starts before.
    _lock: DirectoryLock,
}

impl Node {
    /// Opens the directory that [`crate::join()`] set up.
    ///
    /// # Errors
    /// [`NodeError::Config`] and [`NodeError::Data`] for what a person can correct, [`NodeError::Permission`] for secrets
    /// that others can read, [`NodeError::Locked`] if a node runs on it already, [`NodeError::Alarm`] if a fork of the
    /// ledger was seen on it, [`NodeError::Store`] if its records are damaged.
    pub fn open(dir: &Path, options: NodeOptions) -> Result<Self, NodeError> {
        let directory = Directory::of_participant(dir)?;
        let lock = directory.lock()?;
        refuse_kept_fork(&directory)?;
        let config = Config::read(&directory.config())?;
        let wrong = |message| NodeError::config(directory.config(), message);
        let federation = config.federation().map_err(wrong)?;
        let authority = config.authority().map_err(wrong)?;
        let draft = card::read(&directory.card(), &federation)?;
        let params = card::params(&draft)?;
        let payload = Payload::of(directory.path(), params)?;
        let signer = Arc::new(join::read_identity(&directory.identity())?);
        let identity = signer.clone();
        let guards = GuardStore::open(&directory.guards())?;
        let ledger = LedgerReplica::open(&directory.ledger(), &draft, identity.public())?;
        let models =
            ModelStore::open(directory.models(), draft.model.clone(), card::model(&draft))?;
        let outbox = Outbox::open(directory.outbox())?;
        // The yardstick's contributions are no ciphertexts: there is nothing that could be asked about them.
        let rates_itself =
            config.rating.enabled && options.rater.is_none() && payload.is_encrypted();
        let held_out_seed = match rates_itself {
            true => Some(held_out_seed(
                &directory.held_out_seed(),
                config.training.seed,
            )?),
            false => None,
        };
        let seeds = Seeds::new(config.training.seed, identity.public());
        let training = options.training.unwrap_or_else(|| Arc::new(BuiltIn));
        let (device, device_name) = open_device(&directory, &config, options.device)?;
        let loader = Loader {
            trainer: Trainer::new(card::model(&draft), device)
                .map_err(|error| NodeError::Computation(error.to_string()))?,
            seeds,
            held_out_seed,
            training,
            rater: options.rater,
        };
        let local = loader.load(&config, &directory, (&draft, params), ledger.state())?;
        let membership = Membership {
            name: config.name.clone(),
            identity: identity.clone(),
            draft: draft.clone(),
            founders_pin: options.founders_pin,
            rates: local.rater.is_some(),
        };
        Ok(Self {
            device: device_name,
            session: Session::new(membership, guards.guards().clone(), models.held()?),
            authority,
            shared: Arc::new(Shared {
                ledger: LedgerSection {
                    full: config.ledger.full || options.full_log,
                    ..config.ledger
                },
                params,
                payload,
                dealer: options.dealer.unwrap_or_else(|| Arc::new(BuiltIn)),
                permutation: Permutation::new(&params, &federation),
                federation: FederationId(federation),
                directory,
                config,
                draft,
                models,
                outbox,
                identity: signer,
                judging: judging::Judging::default(),
                answering: answers::Answering::default(),
                asking: directions::Asking::default(),
                loader,
                local: RwLock::new(Arc::new(local)),
                appealed: AtomicU64::new(0),
                stopped_rater: AtomicU64::new(0),
                cancelled: AtomicBool::new(false),
                _lock: lock,
            }),
            guards,
            ledger,
        })
    }

    /// The configuration in use.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The federation's card.
    #[must_use]
    pub fn draft(&self) -> &Draft {
        &self.shared.draft
    }

    /// Where it trains, and why there.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.shared.directory.path()
    }

    /// Runs until the federation has ended or `shutdown` completes; connections are tried again for ever.
    ///
    /// Dropping the returned future is as safe as killing the process: the next run goes on from what is durable.
    ///
    /// # Errors
    /// [`NodeError::Certificate`] and [`NodeError::Rejected`] if the coordinator can never have taken this node,
    /// [`NodeError::Alarm`] for what stops a node, and failures of the disk.
    pub async fn run(
        self,
        progress: UnboundedSender<Progress>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Summary, NodeError> {
        let Self {
            shared,
            mut guards,
            mut ledger,
            mut session,
            authority,
            device: _,
        } = self;
        let cancel = CancelOnDrop(shared.clone());
        let (local, mut finished) = unbounded_channel();
        let mut runtime = Runtime {
            shared: shared.clone(),
            guards: &mut guards,
            session: &mut session,
            progress,
            local,
            summary: Summary::default(),
        };
        if let Some(told) = shared.local().told() {
            runtime.tell(told);
        }
        let mut shutdown = pin!(shutdown);
        let ended = tokio::select! {
            ended = reconnect::go_on(&mut runtime, &mut ledger, authority, &mut finished) => ended,
            () = &mut shutdown => Ok(()),
        };
        let summary = std::mem::take(&mut runtime.summary);
        drop(runtime);
        drop(cancel);
        settle(&shared).await;
        ended.map(|()| summary)
    }
}

/// Waits until no thread works on the directory any more, so that the next node can have it. Work that was cancelled
/// ends at its next training step; a large encryption takes longer and is not waited for in full.
async fn settle(shared: &Arc<Shared>) {
    for _ in 0..1_000 {
        if Arc::strong_count(shared) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The node's side of the session: carries out effects in order.
struct Runtime<'a> {
    shared: Arc<Shared>,
    guards: &'a mut GuardStore,
    session: &'a mut Session,
    progress: UnboundedSender<Progress>,
    /// Where work that needs no connection reports.
    local: UnboundedSender<Outcome>,
    summary: Summary,
}

impl Runtime<'_> {
    fn tell(&mut self, progress: Progress) {
        match &progress {
            Progress::Contributed { .. } => self.summary.contributions += 1,
            Progress::Published {
                model, evaluation, ..
            } => {
                self.summary.models += 1;
                self.summary.model = Some(*model);
                self.summary.evaluation.clone_from(evaluation);
            }
            Progress::Finished => self.summary.finished = true,
            _ => {}
        }
        // Nobody watching is no failure.
        let _ = self.progress.send(progress);
    }
}

/// Runs a short write where it may wait for the disk, without holding up other tasks of a multi-threaded runtime.
fn on_disk<T>(write: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(write),
        _ => write(),
    }
}

/// Tells work on other threads to give up, however `run` ends.
struct CancelOnDrop(Arc<Shared>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }
}

/// This machine's clock, milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

fn refuse_kept_fork(directory: &Directory) -> Result<(), NodeError> {
    match Alarm::kept_fork(&directory.alarms()) {
        None => Ok(()),
        Some(path) => Err(NodeError::Alarm(Alarm::Fork {
            detail: format!(
                "seen in an earlier run; the evidence is in {}: to go on in spite of it, move that file away",
                path.display()
            ),
            ours: String::new(),
            theirs: String::new(),
            proof: None,
        })),
    }
}

fn open_device(
    directory: &Directory,
    config: &Config,
    device: Option<DeviceChoice>,
) -> Result<(Device, String), NodeError> {
    let wrong = |message: String| NodeError::config(directory.config(), message);
    let choice = match device {
        Some(choice) => choice,
        None => config
            .training
            .device
            .parse()
            .map_err(|error| wrong(format!("training.device: {error}")))?,
    };
    let device = unsilo_train::select(choice).map_err(|error| wrong(error.to_string()))?;
    let name = device.to_string();
    Ok((device, name))
}

pub(crate) fn tls_identity(directory: &Directory) -> Result<Identity, NodeError> {
    let read = |path: PathBuf| std::fs::read(&path).map_err(NodeError::io("read", &path));
    let mut chain = read(directory.tls_certificate())?;
    chain.extend(read(directory.authority())?);
    let key = keystore::read(&directory.tls_key())?;
    Ok(Identity::from_pem(chain, key.as_slice()))
}
