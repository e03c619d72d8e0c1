//! A replica that begins with a snapshot, and coordinators that lie about it.

use std::pin::Pin;

use data_encoding::HEXLOWER;
use unsilo_ledger::{
    Hash, LogSnapshot, ParticipantId,
    snapshot::{MAX_SNAPSHOT_BYTES, snapshot_hash},
};
use unsilo_proto::{
    Code, Rejected,
    v1::{SnapshotHeader, SnapshotPart, snapshot_part::Part},
};

use super::*;
use crate::{
    config::LedgerSection,
    guard::{Duty, WitnessRecord},
};

pub(super) type Stream =
    Pin<Box<dyn tokio_stream::Stream<Item = Result<SnapshotPart, Status>> + Send + 'static>>;

/// Bytes of a part.
const PART: usize = 700;
/// Part of what [`LogSnapshot::to_bytes`] writes: its name and version.
const VERSION_BYTES: usize = 24;
/// Founders that cosign: more than half of the owners of every log of at most three entries here.
const EVERYBODY: [u32; 3] = [0, 1, 2];
/// More than half of those of six and seven owners.
const FOUR: [u32; 4] = [0, 1, 2, 3];

/// The seed of a participant's identity in [`log`].
fn key_of(participant: u32) -> u8 {
    let seed = if participant < 3 {
        participant
    } else {
        participant + 7
    };
    u8::try_from(seed).unwrap()
}

/// What becomes of the header and of the bytes of a snapshot.
type Lie = Box<dyn Fn(&mut SnapshotHeader, &mut Vec<u8>) + Send>;

/// What a coordinator hands out.
pub(super) struct HandedOut {
    store: LedgerStore,
    entries: u64,
    bytes: Vec<u8>,
    lie: Lie,
    /// The connection is cut after so many bytes of an answer, once.
    cut_after: Option<usize>,
    asked: Vec<SnapshotRequest>,
}

/// As the coordinator does.
pub(super) fn serve(
    handed_out: &Mutex<Option<HandedOut>>,
    request: SnapshotRequest,
) -> Result<Response<Stream>, Status> {
    let mut handed_out = handed_out.lock().unwrap();
    let Some(newest) = handed_out.as_mut() else {
        return Err(Rejected::new(Code::NotFound, "there is no snapshot yet").into());
    };
    newest.asked.push(request.clone());
    let proof = match request.held {
        held if held > 0 && held < newest.entries => newest
            .store
            .prove_consistency(held, newest.entries)
            .unwrap(),
        _ => Vec::new(),
    };
    let mut bytes = newest.bytes.clone();
    let mut header = SnapshotHeader {
        entries: newest.entries,
        bytes: bytes.len() as u64,
        hash: snapshot_hash(&bytes).to_vec(),
        consistency: proof.iter().map(|hash| hash.to_vec()).collect(),
    };
    (newest.lie)(&mut header, &mut bytes);
    let wanted = request.hash == header.hash;
    let mut parts = vec![Ok(SnapshotPart {
        part: Some(Part::Header(header)),
    })];
    if wanted {
        let rest = &bytes[usize::try_from(request.offset).unwrap().min(bytes.len())..];
        let cut = newest.cut_after.take();
        for part in rest[..cut.unwrap_or(rest.len())].chunks(PART) {
            parts.push(Ok(SnapshotPart {
                part: Some(Part::Data(part.to_vec().into())),
            }));
        }
        if cut.is_some() {
            parts.push(Err(Status::unavailable("the cable is cut")));
        }
    }
    Ok(Response::new(Box::pin(tokio_stream::iter(parts))))
}

impl Scene {
    /// The coordinator's log is `entries`, and it hands out a snapshot of the first `size` of them that these participants
    /// cosigned.
    fn hand_out(&self, entries: &[SignedEntry], size: usize, cosigners: &[u32]) {
        let path = self.dir.path().join(format!("handed-{}.tlog", rand()));
        let mut store = LedgerStore::create(&path, Arc::new(identity(200))).unwrap();
        store.append(&entries[..size]).unwrap();
        store.keep_books();
        for cosigner in cosigners {
            let signed = store.checkpoint().unwrap();
            let key = identity(key_of(*cosigner));
            let line = signed.cosign(ParticipantId(*cosigner), &key, 9).line();
            store.add_cosignature(size as u64, &line).unwrap();
        }
        let bytes = store.snapshot(size as u64).unwrap().to_bytes();
        store.append(&entries[size..]).unwrap();
        let note = store.checkpoint().unwrap().note().to_owned();
        *self.log.0.lock().unwrap() = (entries.to_vec(), note);
        *self.log.1.lock().unwrap() = Some(HandedOut {
            store,
            entries: size as u64,
            bytes,
            lie: Box::new(|_, _| {}),
            cut_after: None,
            asked: Vec::new(),
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut HandedOut) -> T) -> T {
        change(self.log.1.lock().unwrap().as_mut().unwrap())
    }

    fn lie(&self, lie: impl Fn(&mut SnapshotHeader, &mut Vec<u8>) + Send + 'static) {
        self.with(|handed_out| handed_out.lie = Box::new(lie));
    }

    async fn begin(&mut self, saves: u64) -> Result<Option<Begun>, SyncError> {
        self.begin_as(
            LedgerSection {
                full: false,
                snapshot_saves_entries: saves,
            },
            None,
        )
        .await
    }

    async fn begin_as(
        &mut self,
        config: LedgerSection,
        cosigned: Option<WitnessRecord>,
    ) -> Result<Option<Begun>, SyncError> {
        let late = LateStart {
            channel: &self.channel,
            wait: WAIT,
            draft: &draft(),
            whole: &self.dir.path().join("whole"),
            config,
            cosigned,
        };
        self.replica.begin_late(&late).await
    }

    /// What is left of downloads.
    fn parts(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "snapshot-part"))
            .collect()
    }

    /// The replica follows the coordinator's log to its end, from wherever it is.
    async fn follows(&mut self) {
        self.sync(None).await.unwrap();
        let entries = self.log.0.lock().unwrap().0.clone();
        assert_eq!(self.replica.entries(), entries.len() as u64);
        let mut books = unsilo_ledger::State::new();
        for entry in &entries {
            books.apply(entry).unwrap();
        }
        assert_eq!(self.replica.store.state().root(), books.root());
    }
}

fn is_begun(begun: &Result<Option<Begun>, SyncError>) -> bool {
    matches!(begun, Ok(Some(Begun::WithSnapshot(_))))
}

fn reason(begun: Result<Option<Begun>, SyncError>) -> String {
    match begun {
        Ok(Some(Begun::Refused(reason))) => reason,
        Ok(other) => panic!("not refused: {other:?}"),
        Err(SyncError::Request(_)) => panic!("the connection failed"),
        Err(SyncError::Alarm(alarm)) => panic!("{alarm}"),
        Err(SyncError::Node(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_newcomer_begins_with_the_snapshot_and_follows_to_the_same_books() {
    let mut scene = Scene::new().await;
    let entries = log(&["D", "E"]);
    scene.hand_out(&entries, 2, &EVERYBODY);
    let Ok(Some(Begun::WithSnapshot(trust))) = scene.begin(0).await else {
        panic!("it does not begin with the snapshot");
    };
    assert_eq!((trust.entries, trust.owners, trust.cosigners), (2, 4, 3));
    assert_eq!(trust.founders.len(), 3);
    assert_eq!(scene.replica.entries(), 2);
    scene.follows().await;
    assert_eq!(scene.replica.store.replica().first(), 2);
    assert!(scene.parts().is_empty());

    // The next connection has nothing to begin with: it is as far.
    assert!(matches!(scene.begin(0).await, Ok(None)));
    let expected = scene.replica.facts(None);
    let path = scene.dir.path().to_owned();
    scene.replica =
        LedgerReplica::open(&path.join("other.tlog"), &draft(), identity(1).public()).unwrap();
    assert_eq!(Scene::open(&path).facts(None), expected);
}

#[tokio::test]
async fn a_replica_that_is_behind_begins_anew_and_one_that_is_hardly_behind_does_not() {
    let mut scene = Scene::new().await;
    let entries = log(&["D", "E", "F"]);
    scene.log.set(scene.dir.path(), entries[..1].to_vec());
    scene.follows().await;
    scene.hand_out(&entries, 4, &FOUR);
    assert!(matches!(scene.begin(4).await, Ok(None)), "saves only three");
    assert_eq!(scene.replica.entries(), 1);
    assert!(is_begun(&scene.begin(3).await));
    assert_eq!(scene.replica.store.replica().first(), 4);
    scene.follows().await;
    assert_eq!(
        scene.with(|handed_out| handed_out.asked[0].held),
        1,
        "the proof is from where it was"
    );
}

#[tokio::test]
async fn the_whole_log_is_replayed_where_there_is_no_snapshot_or_it_is_insisted_on() {
    let mut scene = Scene::new().await;
    scene.log.set(scene.dir.path(), log(&["D"]));
    assert!(matches!(scene.begin(0).await, Ok(None)), "there is none");
    scene.follows().await;
    assert_eq!(scene.replica.store.replica().start(), None);

    let mut scene = Scene::new().await;
    scene.hand_out(&log(&["D"]), 2, &EVERYBODY);
    let full = LedgerSection {
        full: true,
        snapshot_saves_entries: 0,
    };
    assert!(matches!(scene.begin_as(full, None).await, Ok(None)));
    scene.follows().await;
    assert_eq!(scene.replica.store.replica().start(), None);
    assert!(scene.with(|handed_out| handed_out.asked.is_empty()));
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_cut_and_a_torn_file_is_fetched_anew() {
    let mut scene = Scene::new().await;
    let entries = log(&["D", "E"]);
    scene.hand_out(&entries, 3, &EVERYBODY);
    scene.with(|handed_out| handed_out.cut_after = Some(2 * PART));
    assert!(matches!(
        scene.begin(0).await,
        Err(SyncError::Request(Failure::Lost(_)))
    ));
    assert_eq!(scene.replica.entries(), 0, "the replica is as it was");
    let [part] = &scene.parts()[..] else {
        panic!("what came is kept");
    };
    let kept = std::fs::metadata(part).unwrap().len();
    assert!(kept > 0);
    // Killed, and started again.
    let elsewhere = scene.dir.path().join("other.tlog");
    scene.replica = LedgerReplica::open(&elsewhere, &draft(), identity(1).public()).unwrap();
    scene.replica = Scene::open(scene.dir.path());
    assert!(is_begun(&scene.begin(0).await));
    let offset = scene.with(|handed_out| handed_out.asked.last().unwrap().offset);
    assert_eq!(offset, kept, "nothing came twice");
    scene.follows().await;

    // A crash of the machine may leave anything in the file, also too much.
    let hash = scene.with(|handed_out| snapshot_hash(&handed_out.bytes));
    let length = scene.with(|handed_out| handed_out.bytes.len());
    for torn in [1, 2 * PART, length, length + 1] {
        let mut scene = Scene::new().await;
        scene.hand_out(&entries, 3, &EVERYBODY);
        let name = format!("ledger.{}.snapshot-part", HEXLOWER.encode(&hash[..16]));
        std::fs::write(scene.dir.path().join(name), vec![0; torn]).unwrap();
        // Of another download, and of no use any more.
        let other = scene.dir.path().join("ledger.00.snapshot-part");
        std::fs::write(&other, [1; 9]).unwrap();
        assert!(is_begun(&scene.begin(0).await), "{torn} bytes");
        assert!(scene.parts().is_empty(), "{torn} bytes");
        scene.follows().await;
    }
}

type Parts = (String, Vec<u8>, Vec<Hash>, Vec<(u64, Vec<u8>, Vec<Hash>)>);

/// The snapshot with its parts changed by somebody who knows the format.
fn altered(bytes: &[u8], change: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let (version, body) = bytes.split_at(VERSION_BYTES);
    let mut parts: Parts = borsh::from_slice(body).unwrap();
    change(&mut parts);
    let mut altered = version.to_vec();
    altered.extend(borsh::to_vec(&parts).unwrap());
    LogSnapshot::from_bytes(&altered).unwrap();
    altered
}

/// A lie about all its bytes that announces them as they are.
fn instead(bytes: Vec<u8>) -> impl Fn(&mut SnapshotHeader, &mut Vec<u8>) + Send + 'static {
    move |header, sent| {
        header.bytes = bytes.len() as u64;
        header.hash = snapshot_hash(&bytes).to_vec();
        sent.clone_from(&bytes);
    }
}

#[tokio::test]
async fn what_is_no_snapshot_of_this_ledger_is_refused_with_the_reason_and_the_whole_log_replayed()
{
    let entries = log(&["D", "E"]);
    let made = Scene::new().await;
    made.hand_out(&entries, 3, &EVERYBODY);
    let honest = made.with(|handed_out| handed_out.bytes.clone());
    let signed = made.with(|handed_out| handed_out.store.cosigned(3).unwrap().clone());
    let line = |participant, key: u8| {
        let cosignature = signed
            .signed()
            .cosign(ParticipantId(participant), &identity(key), 9);
        format!("{}\n", cosignature.line())
    };
    let with_lines = |lines: String| {
        altered(&honest, |(note, ..)| {
            *note = format!("{}{lines}", signed.signed().note());
        })
    };
    let mut wrong_state = honest.clone();
    let at = honest.len() / 2;
    wrong_state[at] ^= 1;
    let cases: Vec<(&str, &str, Lie)> = vec![
        (
            "an altered state",
            "books",
            Box::new(instead(altered(&honest, |(_, state, ..)| {
                let last = state.len() - 1;
                state[last] ^= 1;
            }))),
        ),
        (
            "too few cosigners",
            "2 of the owners cosigned",
            Box::new(instead(with_lines([line(0, 0), line(1, 1)].concat()))),
        ),
        (
            "cosigners that are no owners",
            "2 of the owners cosigned",
            Box::new(instead(with_lines(
                [line(0, 0), line(1, 1), line(77, 77), line(2, 99)].concat(),
            ))),
        ),
        (
            "a member that nobody admitted",
            "not those that its owners signed for",
            Box::new(instead(altered(&honest, |(_, _, _, membership)| {
                membership.pop();
            }))),
        ),
        (
            "bytes altered on the way",
            "announced",
            Box::new(move |_, sent: &mut Vec<u8>| sent.clone_from(&wrong_state)),
        ),
        (
            "less than was announced",
            "it ends after",
            Box::new(|_, sent: &mut Vec<u8>| sent.truncate(sent.len() - 1)),
        ),
        (
            "more than was announced",
            "longer than was announced",
            Box::new(|_, sent: &mut Vec<u8>| sent.push(0)),
        ),
        (
            "more than anybody takes",
            "at most",
            Box::new(|header: &mut SnapshotHeader, _| header.bytes = MAX_SNAPSHOT_BYTES as u64 + 1),
        ),
        (
            "another size than it has",
            "it stands for 3",
            Box::new(|header: &mut SnapshotHeader, _| header.entries = 900),
        ),
        (
            "a hash that is none",
            "another length",
            Box::new(|header: &mut SnapshotHeader, _| header.hash = vec![1; 31]),
        ),
        (
            "no snapshot at all",
            "not a snapshot",
            Box::new(instead(vec![7; 2_000])),
        ),
    ];
    for (what, words, lie) in cases {
        let mut scene = Scene::new().await;
        scene.hand_out(&entries, 3, &EVERYBODY);
        scene.with(|handed_out| handed_out.lie = lie);
        let reason = reason(scene.begin(0).await);
        assert!(reason.contains(words), "{what}: {reason}");
        assert_eq!(scene.replica.entries(), 0, "{what}");
        assert!(scene.parts().is_empty(), "{what}: nothing of it is kept");
        scene.follows().await;
        assert_eq!(scene.replica.store.replica().start(), None, "{what}");
    }
}

#[tokio::test]
async fn another_federations_snapshot_is_refused() {
    let mut scene = Scene::new().await;
    scene.hand_out(&log(&["D"]), 2, &EVERYBODY);
    let mut other = draft();
    other.nonce = [9; 32];
    let path = scene.dir.path().join("other.tlog");
    scene.replica = LedgerReplica::open(&path, &other, identity(1).public()).unwrap();
    let late = LateStart {
        channel: &scene.channel.clone(),
        wait: WAIT,
        draft: &other,
        whole: &scene.dir.path().join("whole"),
        config: LedgerSection {
            full: false,
            snapshot_saves_entries: 0,
        },
        cosigned: None,
    };
    let reason = reason(scene.replica.begin_late(&late).await);
    assert!(reason.contains("of federation"), "{reason}");
}

#[tokio::test]
async fn an_older_snapshot_than_what_is_here_is_not_looked_at() {
    let mut scene = Scene::new().await;
    let entries = log(&["D", "E"]);
    scene.hand_out(&entries, 2, &EVERYBODY);
    scene.follows().await;
    assert!(matches!(scene.begin(0).await, Ok(None)));
    assert_eq!(
        scene.with(|handed_out| handed_out.asked.len()),
        1,
        "only announced"
    );
    assert_eq!(scene.replica.store.replica().start(), None);
}

#[tokio::test]
async fn a_snapshot_of_another_history_is_an_alarm_with_a_proof_and_replaces_nothing() {
    let mut scene = Scene::new().await;
    scene.log.set(scene.dir.path(), log(&["D", "E"]));
    scene.follows().await;
    let ours = scene.replica.store.state().root();
    scene.hand_out(&log(&["D", "X", "Y", "Z"]), 5, &FOUR);
    // A proof that is right for the other history, one that is of nothing, and none.
    let lies: [Lie; 3] = [
        Box::new(|_, _| {}),
        Box::new(|header: &mut SnapshotHeader, _| {
            // There is none with the bytes.
            if let Some(hash) = header.consistency.first_mut() {
                *hash = vec![3; 32];
            }
        }),
        Box::new(|header: &mut SnapshotHeader, _| header.consistency.clear()),
    ];
    for lie in lies {
        scene.with(|handed_out| handed_out.lie = lie);
        let Err(SyncError::Alarm(Alarm::Fork {
            ours: own,
            theirs,
            proof,
            ..
        })) = scene.begin(0).await
        else {
            panic!("not noticed");
        };
        assert!(own.starts_with("unsilo/") && theirs.starts_with("unsilo/") && own != theirs);
        assert!(proof.is_some(), "convicts by itself");
        assert_eq!(scene.replica.store.state().root(), ours);
        assert_eq!(scene.replica.store.replica().start(), None);
    }
}

#[tokio::test]
async fn a_wrong_proof_about_the_same_history_replaces_nothing_and_accuses_nobody() {
    let mut scene = Scene::new().await;
    let entries = log(&["D", "E"]);
    scene.log.set(scene.dir.path(), entries[..2].to_vec());
    scene.follows().await;
    scene.hand_out(&entries, 3, &EVERYBODY);
    scene.lie(|header, _| header.consistency.clear());
    let reason = reason(scene.begin(0).await);
    assert!(reason.contains("proof"), "{reason}");
    assert_eq!(scene.replica.entries(), 2);
    scene.follows().await;
}

/// The record of having cosigned a publication of round 1 at this size.
fn cosigned(size: u64, root: Hash) -> WitnessRecord {
    WitnessRecord {
        round: 1,
        duty: Duty::Published,
        size,
        root,
        state_root: [0; 32],
        timestamp_s: 1,
    }
}

const ALWAYS: LedgerSection = LedgerSection {
    full: false,
    snapshot_saves_entries: 0,
};

#[tokio::test]
async fn a_node_whose_ledger_was_lost_or_put_back_takes_no_snapshot_that_contradicts_what_it_cosigned()
 {
    let entries = log(&["D", "E"]);
    for held in [0, 1] {
        for honest in [true, false] {
            let mut scene = Scene::new().await;
            if held > 0 {
                scene.log.set(scene.dir.path(), entries[..held].to_vec());
                scene.follows().await;
            }
            scene.hand_out(&entries, 3, &EVERYBODY);
            let root = scene.with(|handed_out| handed_out.store.replica().root_at(2).unwrap());
            let record = cosigned(2, if honest { root } else { [9; 32] });
            let begun = scene.begin_as(ALWAYS, Some(record)).await;
            if honest {
                assert!(is_begun(&begun), "{held} held");
                continue;
            }
            let reason = reason(begun);
            assert!(reason.contains("cosigned in round 1"), "{reason}");
            assert_eq!(scene.replica.entries(), held as u64, "as it was");
            // The whole log then shows that it is another one: the session compares it with the record.
            scene.follows().await;
            let facts = scene.replica.facts(Some(2));
            assert_eq!(facts.cosigned, Some((2, root)));
        }
    }
}

#[tokio::test]
async fn a_stale_snapshot_hides_neither_an_older_ledger_nor_another_one_from_who_cosigned_a_later_one()
 {
    let entries = log(&["D", "E", "F"]);
    let honest = Scene::new().await;
    honest.hand_out(&entries, 4, &FOUR);
    let root = honest.with(|handed_out| handed_out.store.replica().root());
    let record = cosigned(4, root);
    let other = log(&["D", "X", "Y"]);
    for (shown, expected) in [
        (&entries[..], Some((4, true))),
        (&entries[..3], None),
        (&other[..], Some((4, false))),
    ] {
        let mut scene = Scene::new().await;
        scene.hand_out(shown, 2, &EVERYBODY);
        assert!(is_begun(&scene.begin_as(ALWAYS, Some(record)).await));
        scene.follows().await;
        // What the session compares with the record.
        let facts = scene.replica.facts(Some(record.size));
        assert_eq!(facts.entries, shown.len() as u64);
        let is_ours = facts.cosigned.map(|(size, found)| (size, found == root));
        assert_eq!(is_ours, expected);
    }
}

#[tokio::test]
async fn who_insists_on_the_whole_log_later_gets_it_and_an_alarm_if_it_is_another_history() {
    let full = LedgerSection {
        full: true,
        snapshot_saves_entries: 0,
    };
    let entries = log(&["D", "E"]);
    for other in [false, true] {
        let mut scene = Scene::new().await;
        scene.hand_out(&entries, 3, &EVERYBODY);
        assert!(is_begun(&scene.begin(0).await));
        // What an attempt that was killed left.
        std::fs::create_dir(scene.dir.path().join("whole")).unwrap();
        std::fs::write(scene.dir.path().join("whole/ledger.tlog"), b"torn").unwrap();
        if other {
            let log = log(&["D", "X", "Y"]);
            scene.log.set(scene.dir.path(), log);
            let Err(SyncError::Alarm(Alarm::Fork { ours, theirs, .. })) =
                scene.begin_as(full, None).await
            else {
                panic!("not noticed");
            };
            assert!(ours.starts_with("unsilo/") && theirs.starts_with("unsilo/"));
            assert_eq!(scene.replica.store.replica().first(), 3, "as it was");
            continue;
        }
        let begun = scene.begin_as(full, None).await;
        assert!(matches!(begun, Ok(Some(Begun::Completed { entries: 3 }))));
        assert_eq!(scene.replica.store.replica().start(), None);
        assert_eq!(scene.replica.store.entries(0, 9).unwrap(), entries);
        assert!(!scene.dir.path().join("whole").exists());
        let path = scene.dir.path().to_owned();
        let elsewhere = path.join("other.tlog");
        scene.replica = LedgerReplica::open(&elsewhere, &draft(), identity(1).public()).unwrap();
        let opened = Scene::open(&path);
        assert_eq!((opened.entries(), opened.store.replica().first()), (3, 0));
    }
}

/// A recorded log and its snapshot, served in the pages and parts of a coordinator.
#[derive(Clone)]
struct Recorded(Arc<Recording>);

struct Recording {
    entries: Vec<Vec<u8>>,
    note: String,
    snapshot: Vec<u8>,
    /// Entries that the snapshot stands for.
    size: u64,
}

#[async_trait]
impl LedgerLog for Recorded {
    type SnapshotStream = Stream;

    async fn entries(
        &self,
        request: Request<EntriesRequest>,
    ) -> Result<Response<EntriesReply>, Status> {
        let from = usize::try_from(request.into_inner().from).unwrap();
        let mut bytes = 0;
        let page = self.0.entries[from..].iter().take(limits::ENTRIES_PAGE);
        let page = page.take_while(|entry| {
            bytes += entry.len();
            bytes <= limits::ENTRIES_PAGE_BYTES
        });
        Ok(Response::new(EntriesReply {
            entries: page.cloned().collect(),
            size: self.0.entries.len() as u64,
            checkpoint: self.0.note.clone(),
        }))
    }

    async fn cosign(&self, _: Request<CosignRequest>) -> Result<Response<Acknowledgement>, Status> {
        Ok(Response::new(Acknowledgement {}))
    }

    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<Stream>, Status> {
        let bytes = &self.0.snapshot;
        let header = SnapshotHeader {
            entries: self.0.size,
            bytes: bytes.len() as u64,
            hash: snapshot_hash(bytes).to_vec(),
            consistency: Vec::new(),
        };
        let wanted = !request.into_inner().hash.is_empty();
        let data = bytes.chunks(limits::PART_BYTES).filter(|_| wanted);
        let data = data.map(|part| Part::Data(part.to_vec().into()));
        let parts: Vec<_> = std::iter::once(Part::Header(header))
            .chain(data)
            .map(|part| Ok(SnapshotPart { part: Some(part) }))
            .collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(parts))))
    }
}

/// Processor time of this process, with all its threads, in seconds.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}

/// `UNSILO_LEDGER` names a log that `cargo bench -p unsilo-ledger --bench year -- --file LOG` made, its snapshot beside it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; takes a log of gigabytes, see docs/benchmarks.md"]
async fn joining_late_through_the_node_is_measured() {
    let path = PathBuf::from(std::env::var("UNSILO_LEDGER").expect("a log"));
    let mut entries = Vec::new();
    let log = unsilo_ledger::store::read(&path, |_, entry| entries.push(entry.encode())).unwrap();
    let draft = log.state().draft().expect("founded").clone();
    let snapshot = std::fs::read(path.with_extension("snapshot")).unwrap();
    let parsed = LogSnapshot::from_bytes(&snapshot).unwrap();
    let verified = parsed.verify(&draft.coordinator, &draft.federation_id());
    let recording = Recording {
        size: verified.unwrap().trust().entries,
        entries,
        note: log.checkpoint().unwrap().note().to_owned(),
        snapshot,
    };
    let (size, all) = (recording.size, recording.entries.len());
    let snapshot_bytes = recording.snapshot.len();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = LedgerLogServer::new(Recorded(Arc::new(recording)));
    tokio::spawn(
        Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    let root = log.state().root();
    let mut runs = Vec::new();
    for _ in 0..5 {
        let dir = tempfile::tempdir_in(path.parent().unwrap()).unwrap();
        let (began, cpu) = (std::time::Instant::now(), cpu_s());
        let mut replica = LedgerReplica::open(
            &dir.path().join("ledger.tlog"),
            &draft,
            identity(1).public(),
        )
        .unwrap();
        let late = LateStart {
            channel: &channel,
            wait: Duration::from_secs(600),
            draft: &draft,
            whole: &dir.path().join("whole"),
            config: LedgerSection::default(),
            cosigned: None,
        };
        assert!(is_begun(&replica.begin_late(&late).await));
        let begun = (began.elapsed().as_secs_f64(), cpu_s() - cpu);
        assert!(replica.sync(&channel, None, late.wait).await.is_ok());
        assert_eq!(replica.store.state().root(), root);
        runs.push((cpu_s() - cpu, began.elapsed().as_secs_f64(), begun));
    }
    runs.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (cpu, wall, (begun_wall, begun_cpu)) = runs[2];
    println!(
        "snapshot of {size} of {all} entries, {:.2} MB: begun {begun_wall:.2} s wall, {begun_cpu:.2} s cpu; followed to the \
         end {wall:.2} s wall, {cpu:.2} s cpu (both ends of the connection)",
        snapshot_bytes as f64 / 1e6
    );
}
