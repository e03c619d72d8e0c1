//! The replica against a coordinator that keeps an honest log, and against ones that do not.

mod late;

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status, async_trait,
    transport::{Endpoint, Server},
};
use unsilo_ledger::{
    Activation, Entry, Feature, FederationId, Member, ModelKind, ModelSpec, Optimiser,
    ParticipantId, Schema, SigningIdentity, TrainingPlan,
};
use unsilo_proto::v1::{
    Acknowledgement, CosignRequest, SnapshotRequest,
    ledger_log_server::{LedgerLog, LedgerLogServer},
};

use super::*;

fn identity(number: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&[number; 32])
}

fn draft() -> Draft {
    Draft {
        name: "Test".into(),
        coordinator: identity(200).public(),
        ca_fingerprint: [0; 32],
        model: ModelSpec {
            kind: ModelKind::Mlp,
            layers: vec![16, 100, 2],
            activation: Activation::Relu,
        },
        schema: Schema {
            label: "kind".into(),
            classes: vec!["a".into(), "b".into()],
            features: (0..16)
                .map(|number| Feature::number(format!("x{number}"), 0, 1))
                .collect(),
        },
        training: TrainingPlan {
            steps: 1,
            batch: 1,
            learning_rate_micro: 1,
            optimiser: Optimiser::Sgd,
            rounds: 0,
        },
        unit_log2: -14,
        min_cohort: 0,
        grant: 1,
        incentive: Default::default(),
        created_ms: 0,
        nonce: [0; 32],
        founders: ["A", "B", "C"].map(String::from).to_vec(),
    }
}

fn federation() -> FederationId {
    draft().federation_id()
}

/// The genesis, and then one admission for each of `names`.
fn log(names: &[&str]) -> Vec<SignedEntry> {
    let founders: Vec<Member> = draft()
        .founders
        .into_iter()
        .zip(0..)
        .map(|(name, number)| Member {
            name,
            key: identity(number).public(),
            owner: None,
        })
        .collect();
    let genesis = Entry::FederationCreated {
        draft: draft(),
        founders,
    };
    let signers = [identity(0), identity(1), identity(2), identity(200)];
    let all: Vec<&SigningIdentity> = signers.iter().collect();
    let mut entries = vec![SignedEntry::signed_by(genesis, &federation(), &all)];
    for (name, number) in names.iter().zip(10..) {
        let admitted = Entry::ParticipantAdmitted {
            name: (*name).to_owned(),
            key: identity(number).public(),
            owner: None,
        };
        // The majority of owners grows with every admission.
        let owners: Vec<SigningIdentity> = (0..3).chain(10..number).map(identity).collect();
        let owners: Vec<&SigningIdentity> =
            owners.iter().take(entries.len().div_ceil(2) + 2).collect();
        let majority = (entries.len() + 2) / 2 + 1;
        let owners = &owners[..majority];
        entries.push(SignedEntry::signed_by(admitted, &federation(), owners));
    }
    entries
}

/// A coordinator that serves a log, two entries a page.
#[derive(Clone, Default)]
struct FakeLog(
    Arc<Mutex<(Vec<SignedEntry>, String)>>,
    Arc<Mutex<Option<late::HandedOut>>>,
);

impl FakeLog {
    fn set(&self, dir: &Path, entries: Vec<SignedEntry>) {
        let path = dir.join(format!("log-{}.tlog", rand()));
        let mut store = LedgerStore::create(&path, Arc::new(identity(200))).unwrap();
        store.append(&entries).unwrap();
        let note = store.checkpoint().unwrap().note().to_owned();
        *self.0.lock().unwrap() = (entries, note);
    }
}

fn rand() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

#[async_trait]
impl LedgerLog for FakeLog {
    async fn entries(
        &self,
        request: Request<EntriesRequest>,
    ) -> Result<Response<EntriesReply>, Status> {
        let from = usize::try_from(request.into_inner().from).unwrap();
        let (entries, note) = self.0.lock().unwrap().clone();
        Ok(Response::new(EntriesReply {
            entries: entries
                .iter()
                .skip(from)
                .take(2)
                .map(SignedEntry::encode)
                .collect(),
            size: entries.len() as u64,
            checkpoint: note,
        }))
    }

    type SnapshotStream = late::Stream;

    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<late::Stream>, Status> {
        late::serve(&self.1, request.into_inner())
    }

    async fn cosign(&self, _: Request<CosignRequest>) -> Result<Response<Acknowledgement>, Status> {
        Ok(Response::new(Acknowledgement {}))
    }
}

/// Long enough for a loaded machine: no test waits for it to pass.
const WAIT: Duration = Duration::from_secs(60);

/// A replica, its coordinator, and a connection between them.
struct Scene {
    dir: tempfile::TempDir,
    log: FakeLog,
    channel: Channel,
    replica: LedgerReplica,
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = FakeLog::default();
        let service = LedgerLogServer::new(log.clone());
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .unwrap()
            .connect_lazy();
        let replica = Self::open(dir.path());
        Self {
            dir,
            log,
            channel,
            replica,
        }
    }

    fn open(dir: &Path) -> LedgerReplica {
        LedgerReplica::open(&dir.join("ledger.tlog"), &draft(), identity(1).public()).unwrap()
    }

    async fn sync(&mut self, entries: Option<u64>) -> Result<bool, Alarm> {
        match self.replica.sync(&self.channel, entries, WAIT).await {
            Ok(grown) => Ok(grown),
            Err(SyncError::Alarm(alarm)) => Err(alarm),
            Err(SyncError::Request(_) | SyncError::Node(_)) => panic!("no other failure here"),
        }
    }
}

#[tokio::test]
async fn a_replica_follows_page_by_page_and_survives_a_restart() {
    let mut scene = Scene::new().await;
    assert_eq!(scene.sync(None).await, Ok(false), "nothing is founded yet");
    assert!(scene.replica.facts(None).founding.is_none());
    scene.log.set(scene.dir.path(), log(&["D", "E", "F", "G"]));
    assert_eq!(scene.sync(Some(3)).await, Ok(true));
    let facts = scene.replica.facts(None);
    assert_eq!((facts.entries, facts.next_round), (5, 1));
    assert_eq!(facts.me.map(|(id, _)| id.0), Some(1));
    let founders = facts
        .founding
        .as_ref()
        .map(|founding| founding.founders.len());
    assert_eq!(founders, Some(3), "later members are no founders");
    assert_eq!(scene.sync(Some(5)).await, Ok(false));
    assert_eq!(
        scene.sync(Some(9)).await,
        Ok(false),
        "a promise that is not kept is not waited for"
    );

    let Scene { dir, replica, .. } = &scene;
    let expected = replica.facts(None);
    let path = dir.path().to_owned();
    scene.replica =
        LedgerReplica::open(&path.join("other.tlog"), &draft(), identity(1).public()).unwrap();
    assert_eq!(Scene::open(&path).facts(None), expected);
}

#[tokio::test]
async fn a_coordinator_that_takes_the_question_and_never_answers_is_not_waited_for() {
    // Takes connections and bytes, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut taken = Vec::new();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            taken.push(stream);
        }
    });
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    let dir = tempfile::tempdir().unwrap();
    let mut replica = Scene::open(dir.path());
    let asked = replica.sync(&channel, None, Duration::from_millis(50));
    let ended = tokio::time::timeout(WAIT, asked).await;
    assert!(matches!(
        ended,
        Ok(Err(SyncError::Request(Failure::Lost(_))))
    ));
}

#[tokio::test]
async fn founders_stay_those_who_signed_the_genesis_when_one_has_another_key_and_one_is_gone() {
    let mut scene = Scene::new().await;
    let mut entries = log(&["D"]);
    let readmitted = Entry::ParticipantReadmitted {
        participant: ParticipantId(0),
        change: 0,
        key: identity(50).public(),
    };
    let evicted = Entry::ParticipantEvicted {
        participant: ParticipantId(1),
        change: 0,
    };
    let signers = [[1, 2, 10], [50, 2, 10]];
    for (entry, signers) in [readmitted, evicted].into_iter().zip(signers) {
        let keys = signers.map(identity);
        let keys: Vec<&SigningIdentity> = keys.iter().collect();
        entries.push(SignedEntry::signed_by(entry, &federation(), &keys));
    }
    scene.log.set(scene.dir.path(), entries);
    assert_eq!(scene.sync(None).await, Ok(true));
    let founders = scene.replica.facts(None).founding.expect("it is").founders;
    let expected: Vec<_> = ["A", "B", "C"].into_iter().zip(0..).collect();
    let found: Vec<_> = founders.iter().map(|one| (&one.name, one.key)).collect();
    for ((name, number), (found, key)) in expected.into_iter().zip(found) {
        assert_eq!((found.as_str(), key), (name, identity(number).public()));
    }
    assert_eq!(founders.len(), 3);
}

#[tokio::test]
async fn another_history_is_an_alarm_with_both_checkpoints() {
    let mut scene = Scene::new().await;
    scene.log.set(scene.dir.path(), log(&["D", "E"]));
    assert_eq!(scene.sync(None).await, Ok(true));
    for other in [log(&["D", "X"]), log(&["D", "X", "Y"])] {
        scene.log.set(scene.dir.path(), other);
        let Err(Alarm::Fork { ours, theirs, .. }) = scene.sync(None).await else {
            panic!("a fork was followed");
        };
        assert!(ours.starts_with("unsilo/") && theirs.starts_with("unsilo/") && ours != theirs);
        assert_eq!(
            scene.replica.facts(None).entries,
            3,
            "the replica is as it was"
        );
    }
}

#[tokio::test]
async fn a_coordinator_that_forgot_entries_is_an_alarm() {
    let mut scene = Scene::new().await;
    scene.log.set(scene.dir.path(), log(&["D", "E"]));
    assert_eq!(scene.sync(None).await, Ok(true));
    scene.log.set(scene.dir.path(), log(&["D"]));
    assert!(matches!(scene.sync(None).await, Err(Alarm::Fork { .. })));
}

#[tokio::test]
async fn the_ledger_of_another_federation_is_an_alarm() {
    let mut scene = Scene::new().await;
    scene.log.set(scene.dir.path(), log(&[]));
    let mut other = draft();
    other.nonce = [9; 32];
    scene.replica = LedgerReplica::open(
        &scene.dir.path().join("other.tlog"),
        &other,
        identity(1).public(),
    )
    .unwrap();
    assert!(matches!(
        scene.sync(None).await,
        Err(Alarm::OtherFederation { .. })
    ));
}
