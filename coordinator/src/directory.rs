//! A coordinator's directory: what `init` writes, and what `serve` assembles from it.
//!
//! | path | holds |
//! |---|---|
//! | `coordinator.toml` | the settings |
//! | `draft` | the federation's draft, canonical bytes |
//! | `secrets/` | ledger identity, key of the authority (mode 0600) |
//! | `authority.der` | certificate of the authority |
//! | `invitations/`, `members/` | who was invited, who joined |
//! | `signatures` | what participants have signed and others must sign too |
//! | `ledger.tlog` | the log |
//! | `ledger.snapshot` | the newest snapshot of it, for who joins late |
//! | `feedback/` | what participants and users of the model said, and the answers |
//! | `tokens/` | who may ask the endpoint: hashes of tokens |
//! | `queries.log` | every query that was answered |
//! | `serving` | the round whose model is served, if not the newest |
//! | `contributions/`, `models/` | bulk data |
//! | `scalars/` | members' answers, raters' directions, evidence and appeals |
//! | `evaluations` | accuracies that participants chose to show |
//! | `lock` | held while a coordinator serves from here |

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tokio::sync::{Semaphore, mpsc, watch};
use tonic::service::Routes;
use unsilo_ledger::{
    Draft, SigningIdentity,
    store::{FILE_NAME, LedgerStore, SNAPSHOT_EXTENSION, StoreError},
};
use unsilo_proto::Invite;
use zeroize::Zeroizing;

use crate::{
    admission::{
        Invitations, Members,
        authority::{Authority, host_names},
    },
    config::{ModelFile, Settings, Terms},
    contributions::Contributions,
    durable::{self, Readers},
    encrypted::Encrypted,
    endpoint::{Earlier, Endpoint, Metrics, View},
    error::CoordinatorError,
    evaluations::Evaluations,
    inbox::{Answer, Inbox, Piece},
    models::{Models, Pin},
    owner::{self, OwnerParts, OwnerThread},
    payload::Payload,
    queries::{self, QueryLog},
    round::Timing,
    scalars::Scalars,
    service::{Mailbox, Services},
    tokens::{Token, TokenOptions, Tokens},
};

/// Predictions computed at a time; more wait. Each takes a core.
const PREDICTIONS: usize = 4;
/// Exponent of the value of one quantisation step in the first round (design default).
const UNIT_LOG2: i8 = -14;

/// A directory at work.
pub(crate) struct Assembled {
    /// Everything that is served.
    pub(crate) routes: Routes,
    /// Whose certificates are in use.
    pub(crate) members: Members,
    /// Who decides.
    pub(crate) owner: OwnerThread,
}

/// What a new federation is made of.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Name of the federation.
    pub name: String,
    /// The model file.
    pub model: PathBuf,
    /// Companies that found it, at least three.
    pub founders: Vec<String>,
    /// `host:port` to listen on.
    pub listen: String,
    /// `host:port` for invitations.
    pub address: String,
    /// Training rounds instead of the model file's.
    pub rounds: Option<u64>,
    /// The file of terms; the defaults without one.
    pub terms: Option<PathBuf>,
}

/// A created federation.
#[derive(Clone, Debug)]
pub struct Initialised {
    /// Its id, hex.
    pub federation: String,
    /// Parameters of its model.
    pub parameters: u64,
    /// Its terms.
    pub terms: Terms,
    /// An invitation for each founder: name and string.
    pub invitations: Vec<(String, String)>,
}

/// An opened coordinator's directory.
pub(crate) struct Directory {
    path: PathBuf,
    pub(crate) settings: Settings,
    draft: Draft,
    authority: Arc<Authority>,
    payload: Payload,
}

/// Creates a federation's directory at `path` with keys, authority, draft and the founders' invitations.
///
/// # Errors
/// [`CoordinatorError`]; an existing federation is never overwritten.
pub fn init(path: &Path, options: &InitOptions) -> Result<Initialised, CoordinatorError> {
    let model = ModelFile::read(&options.model)?;
    let terms = options.terms.as_deref().map(Terms::read).transpose()?;
    let terms = terms.unwrap_or_default();
    let settings = Settings::new(&options.listen, &options.address);
    settings.check().map_err(CoordinatorError::Directory)?;
    if path.join("draft").exists() {
        return Err(CoordinatorError::Directory(format!(
            "{} already holds a federation: choose another directory",
            path.display()
        )));
    }
    check_unused(path)?;
    let identity = SigningIdentity::generate().map_err(CoordinatorError::Randomness)?;
    let authority = Authority::generate(&options.name)?;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(CoordinatorError::Randomness)?;
    let mut training = model.training;
    training.rounds = options.rounds.unwrap_or(training.rounds);
    let draft = Draft {
        name: options.name.clone(),
        coordinator: identity.public(),
        ca_fingerprint: authority.fingerprint(),
        model: model.model,
        schema: model.schema,
        training,
        unit_log2: UNIT_LOG2,
        min_cohort: 0,
        grant: terms.grant,
        incentive: terms.incentive,
        created_ms: owner::now_ms(),
        nonce,
        founders: options.founders.clone(),
    };
    draft
        .validate()
        .map_err(|error| CoordinatorError::Directory(error.to_string()))?;
    let encoded =
        borsh::to_vec(&draft).map_err(|error| CoordinatorError::Directory(error.to_string()))?;

    durable::private_directory(path)?;
    durable::private_directory(&path.join("secrets"))?;
    let write =
        |name: &str, bytes: &[u8], readers| durable::write(&path.join(name), bytes, readers);
    write(
        "secrets/identity",
        identity.to_seed().as_slice(),
        Readers::Owner,
    )?;
    write(
        "secrets/authority.pem",
        authority.key_pem().as_bytes(),
        Readers::Owner,
    )?;
    write("authority.der", authority.certificate(), Readers::All)?;
    write(
        "coordinator.toml",
        settings.to_text().as_bytes(),
        Readers::All,
    )?;
    // The draft is written last: a directory without it is not a federation yet, and `init` may be repeated.
    write("draft", &encoded, Readers::All)?;
    let mut invitations = Vec::new();
    for founder in &options.founders {
        invitations.push((founder.clone(), invite(path, founder, DEFAULT_VALID_HOURS)?));
    }
    Ok(Initialised {
        federation: draft.federation_id().to_string(),
        parameters: draft.model.parameters(),
        terms,
        invitations,
    })
}

/// Refuses a directory with anything in it but what an [`init`] that was cut off leaves behind: what a company
/// keeps there must not be mixed with a coordinator's keys and ledger.
fn check_unused(path: &Path) -> Result<(), CoordinatorError> {
    const OURS: [&str; 6] = [
        "draft.new",
        "secrets",
        "authority.der",
        "authority.new",
        "coordinator.toml",
        "coordinator.new",
    ];
    let files = match fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        files => files.map_err(CoordinatorError::io("read", path))?,
    };
    for file in files {
        let name = file
            .map_err(CoordinatorError::io("read", path))?
            .file_name();
        if !OURS.iter().any(|ours| name == *ours) {
            return Err(CoordinatorError::Directory(format!(
                "{} is not empty (it holds {}): choose another directory, or an empty one",
                path.display(),
                name.display()
            )));
        }
    }
    Ok(())
}

/// How long an invitation is valid unless the admin says otherwise: two weeks.
pub const DEFAULT_VALID_HOURS: u64 = 14 * 24;

/// Makes an invitation for `name`; an earlier one stops working. The coordinator may be running.
///
/// # Errors
/// [`CoordinatorError`] if the directory is not a federation's or cannot be written.
pub fn invite(path: &Path, name: &str, valid_hours: u64) -> Result<String, CoordinatorError> {
    let directory = Directory::open(path)?;
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(CoordinatorError::Randomness)?;
    let expires_ms = owner::now_ms().saturating_add(valid_hours.saturating_mul(3_600_000));
    Invitations::open(path.join("invitations"))?.record(name, &secret, expires_ms)?;
    let invite = Invite {
        name: name.to_owned(),
        address: directory.settings.address.clone(),
        authority: directory.authority.fingerprint(),
        federation: directory.draft.federation_id().0,
        secret: *secret,
        expires_ms,
    };
    Ok(invite.to_text())
}

/// Refuses the company called `name` from now on, or lets it in again. The coordinator may be running: its
/// next call is refused. The ledger is not touched.
///
/// # Errors
/// [`CoordinatorError`] if nobody of that name has joined, or the directory cannot be written.
pub fn suspend(path: &Path, name: &str, suspended: bool) -> Result<(), CoordinatorError> {
    Directory::open(path)?;
    Members::open(path.join("members"))?.suspend(name, suspended)
}

/// The directory of tokens, and the file of the round that is served.
const TOKENS: &str = "tokens";
const PIN: &str = "serving";
/// The directory of feedback.
const INBOX: &str = "feedback";

/// Makes a token for the endpoint and returns its text: it is shown once and not kept. The coordinator may be running.
///
/// # Errors
/// [`CoordinatorError`] if the directory is not a federation's, cannot be written, or an option is out of its range.
pub fn create_token(
    path: &Path,
    options: &TokenOptions,
) -> Result<(Token, Zeroizing<String>), CoordinatorError> {
    Directory::open(path)?;
    Tokens::open(path.join(TOKENS))?.create(options, owner::now_ms())
}

/// Every token that was made.
///
/// # Errors
/// [`CoordinatorError`] if the directory is not a federation's or a token's file is damaged.
pub fn list_tokens(path: &Path) -> Result<Vec<Token>, CoordinatorError> {
    Directory::open(path)?;
    Tokens::open(path.join(TOKENS))?.list()
}

/// Refuses the token with this id, or all of this name, for good: a running coordinator from the next request on.
///
/// # Errors
/// [`CoordinatorError`] if there is none, or the directory cannot be written.
pub fn revoke_tokens(path: &Path, which: &str) -> Result<Vec<Token>, CoordinatorError> {
    Directory::open(path)?;
    Tokens::open(path.join(TOKENS))?.revoke(which)
}

/// Serves the model of this round from now on, or (`None`) again always the newest. A running coordinator does so
/// within a second. Training goes on from the newest model whatever is served. Returns the rounds that have a model.
///
/// # Errors
/// [`CoordinatorError`] if the round published no model, its file is gone or damaged, or the directory is not usable.
pub fn rollback(path: &Path, round: Option<u64>) -> Result<Vec<u64>, CoordinatorError> {
    let directory = Directory::open(path)?;
    let ledger = path.join(FILE_NAME);
    if !ledger.exists() {
        return Err(CoordinatorError::Directory(
            "no round has been published yet: there is nothing to go back to".to_owned(),
        ));
    }
    let replica = unsilo_ledger::store::read(&ledger, |_, _| {})
        .map_err(|error| CoordinatorError::Ledger(error.to_string()))?;
    let published: Vec<(u64, unsilo_ledger::Hash)> = replica.state().published().collect();
    let rounds = published.iter().map(|(round, _)| *round).collect();
    if let Some(round) = round {
        let found = published.iter().find(|(of, _)| *of == round);
        let (_, hash) = found.ok_or_else(|| {
            CoordinatorError::Directory(format!(
                "round {round} has published no model; these have: {}",
                spans(&rounds)
            ))
        })?;
        Models::open(path.join("models"), directory.draft.model)?.bytes(hash)?;
    }
    Pin::new(path.join(PIN)).write(round)?;
    Ok(rounds)
}

/// Everything that participants and users of the model said, oldest first, with the answers.
///
/// # Errors
/// [`CoordinatorError`] if the directory is not a federation's or a file is damaged.
pub fn feedback(path: &Path) -> Result<Vec<(Piece, Option<Answer>)>, CoordinatorError> {
    Directory::open(path)?;
    Inbox::open(path.join(INBOX))?.list(None)
}

/// Answers the piece with this id ([`Piece::id`]); its author sees it at once. The coordinator may be running.
///
/// # Errors
/// [`CoordinatorError`] if there is none, the text is empty or too long, or the directory cannot be written.
pub fn answer_feedback(path: &Path, id: &str, text: &str) -> Result<Piece, CoordinatorError> {
    Directory::open(path)?;
    let answer = Answer {
        at_ms: owner::now_ms(),
        text: text.to_owned(),
    };
    Inbox::open(path.join(INBOX))?.answer(id, &answer)
}

/// Numbers as in "1-4, 6".
fn spans(numbers: &Vec<u64>) -> String {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => spans.push((*number, *number)),
        }
    }
    let words = spans.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

impl Directory {
    pub(crate) fn open(path: &Path) -> Result<Self, CoordinatorError> {
        let draft_path = path.join("draft");
        if !draft_path.exists() {
            return Err(CoordinatorError::Directory(format!(
                "{} is not a coordinator's directory: create one with `unsilo coordinator init`",
                path.display()
            )));
        }
        let bytes = fs::read(&draft_path).map_err(CoordinatorError::io("read", &draft_path))?;
        let draft: Draft = borsh::from_slice(&bytes)
            .map_err(|error| CoordinatorError::config(&draft_path, error.to_string()))?;
        draft
            .validate()
            .map_err(|error| CoordinatorError::config(&draft_path, error.to_string()))?;
        let payload = Payload::of(path, draft.model.parameters())?;
        let settings = Settings::read(&path.join("coordinator.toml"))?;
        let certificate_path = path.join("authority.der");
        let certificate =
            fs::read(&certificate_path).map_err(CoordinatorError::io("read", &certificate_path))?;
        let key_path = path.join("secrets/authority.pem");
        let key = fs::read_to_string(&key_path).map_err(CoordinatorError::io("read", &key_path))?;
        let authority = Authority::from_parts(certificate, key)?;
        if authority.fingerprint() != draft.ca_fingerprint {
            return Err(CoordinatorError::config(
                certificate_path,
                "this is not the authority that the federation's draft names: restore the file from a backup",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            settings,
            draft,
            authority: Arc::new(authority),
            payload,
        })
    }

    /// TLS with a fresh certificate for the address in the settings.
    pub(crate) fn tls(&self) -> Result<rustls::ServerConfig, CoordinatorError> {
        self.authority
            .server_config(&host_names(&self.settings.address))
    }

    /// Opens and verifies the ledger, starts the owner, and builds the routes. The caller holds
    /// [`Directory::lock`]. Streams end when `stopping` turns true.
    pub(crate) fn assemble(
        self,
        failed: mpsc::Sender<CoordinatorError>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Assembled, CoordinatorError> {
        let seed_path = self.path.join("secrets/identity");
        let seed =
            Zeroizing::new(fs::read(&seed_path).map_err(CoordinatorError::io("read", &seed_path))?);
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(
            seed.as_slice()
                .try_into()
                .map_err(|_| CoordinatorError::config(&seed_path, "does not hold 32 bytes"))?,
        );
        let identity = Arc::new(SigningIdentity::from_seed(&seed));
        if identity.public() != self.draft.coordinator {
            return Err(CoordinatorError::config(
                seed_path,
                "this is not the identity that the federation's draft names: restore the file from a backup",
            ));
        }
        let federation = self.draft.federation_id();
        let ledger_path = self.path.join(FILE_NAME);
        let ledger = if ledger_path.exists() {
            LedgerStore::open(&ledger_path, identity.clone())
        } else {
            LedgerStore::create(&ledger_path, identity.clone())
        }
        .map_err(|error| match error {
            StoreError::Io(_) => CoordinatorError::LedgerNotWritten(error.to_string()),
            _ => CoordinatorError::Ledger(error.to_string()),
        })?;
        let members = Members::open(self.path.join("members"))?;
        let contributions = Contributions::open(self.path.join("contributions"))?;
        let scalars = Scalars::open(self.path.join("scalars"))?;
        let models = Models::open(self.path.join("models"), self.draft.model.clone())?;
        let entered = ledger.state().pool().copied().unwrap_or_default();
        let queries = QueryLog::open(
            &self.path.join("queries.log"),
            entered.queries,
            entered.fees_entered,
        )?;
        let tokens = Tokens::open(self.path.join(TOKENS))?;
        let now_ms = owner::now_ms();
        tokens.recall(queries.rows_of_day(now_ms)?, now_ms);
        let (served, serving) = watch::channel(None);
        let (owner, thread) = owner::start(OwnerParts {
            draft: self.draft.clone(),
            timing: Timing {
                contribute_ms: self.settings.contribute_seconds.saturating_mul(1000),
                answer_ms: self.settings.answer_seconds.saturating_mul(1000),
                pause_ms: self.settings.pause_seconds.saturating_mul(1000),
            },
            identity,
            ledger,
            members: members.clone(),
            invitations: Invitations::open(self.path.join("invitations"))?,
            authority: self.authority.clone(),
            contributions: contributions.clone(),
            scalars: scalars.clone(),
            models: models.clone(),
            payload: self.payload,
            served,
            signatures: self.path.join("signatures"),
            pin: Pin::new(self.path.join(PIN)),
            log_snapshot: ledger_path.with_extension(SNAPSHOT_EXTENSION),
            failed,
        })?;
        tokio::spawn(queries::enter(
            queries.clone(),
            owner.clone(),
            stopping.clone(),
        ));
        let connected = Arc::new(Mutex::new(BTreeMap::new()));
        let evaluations = Evaluations::open(&self.path)?;
        let inbox = Inbox::open(self.path.join(INBOX))?;
        let encrypted = match usize::try_from(self.settings.endpoint.encrypted_keys) {
            Ok(keys @ 1..) => Some(Encrypted::start(keys, stopping.clone())?),
            _ => None,
        };
        let endpoint = Endpoint {
            owner: owner.clone(),
            draft: Arc::new(self.draft.clone()),
            settings: self.settings.endpoint,
            served: serving,
            earlier: Arc::new(Earlier::new(models.clone())),
            tokens,
            inbox: inbox.clone(),
            queries,
            metrics: Metrics::new(),
            connected: connected.clone(),
            predictions: Arc::new(Semaphore::new(PREDICTIONS)),
            schema: Arc::default(),
            encrypted,
            view: View::start(
                owner.clone(),
                Arc::new(self.draft.clone()),
                connected.clone(),
                evaluations.clone(),
                stopping.clone(),
            ),
        };
        let joined = members.clone();
        let services = Arc::new(Services {
            owner,
            members,
            contributions,
            scalars,
            mailbox: Mailbox::default(),
            inbox,
            models,
            payload: self.payload,
            draft: self.draft,
            federation,
            authority: self.authority,
            evaluations,
            connected,
            uploading: Mutex::new(BTreeMap::new()),
            stopping,
        });
        // Unknown paths are the endpoint's to answer, in the words of HTTP.
        let routes = services
            .routes()
            .into_axum_router()
            .reset_fallback()
            .merge(endpoint.router());
        Ok(Assembled {
            routes: Routes::from(routes),
            members: joined,
            owner: thread,
        })
    }

    /// Takes the directory for this process, until the file is dropped.
    pub(crate) fn lock(&self) -> Result<File, CoordinatorError> {
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(CoordinatorError::io("lock", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(CoordinatorError::Locked {
                path: self.path.clone(),
            }),
            Err(TryLockError::Error(error)) => Err(CoordinatorError::io("lock", &path)(error)),
        }
    }
}
