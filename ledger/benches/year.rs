//! The ledger of a federation over many rounds: how large it is, how fast it is written and verified, and how
//! long somebody who joins late takes.
//!
//! ```text
//! cargo bench -p unsilo-ledger --profile release --bench year -- --participants 500 --rounds 876
//! ```
//! 876 rounds are a tenth of a year of a round an hour. Half of the participants are founders, the others are
//! admitted one by one. Everybody contributes to every round; as many rate as the model allows (40 of 500); epochs
//! are settled, stake is moved, fees are entered; keys, rows and signatures have their real sizes. With `--file
//! PATH` the log is kept there, with snapshots beside it, and used again if it is there.
//!
//! Processor time is measured beside what passed, because other work on the machine changes only the latter. The
//! same verification is measured again on one core, in a process of its own.

#![expect(
    clippy::disallowed_types,
    reason = "this measures time; nothing of it is the ledger's"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use unsilo_ledger::store::read;
use unsilo_ledger::{
    Draft, Entry, FeedbackKind, LedgerStore, LogSnapshot, ModelKind, ParticipantId, RatingStep,
    Ratings, Replica, Seat, SeatOffer, SignedEntry, State, verify,
};
use world::{COORDINATOR, World, draft, identity};

#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/ledger/world.rs"]
mod world;

/// X25519 and ML-KEM-768 together.
const ROUND_KEY_BYTES: usize = 1_216;
const ROUNDS_A_YEAR: f64 = 8_760.0;
/// Entries for the measurements of appending.
const APPENDED: usize = 30_000;
/// Rounds after the newest snapshot: an epoch of the default terms.
const TAIL_ROUNDS: usize = 20;
/// Runs of what is measured more than once; the median counts.
const RUNS: usize = 5;

struct Arguments {
    participants: usize,
    rounds: usize,
    file: Option<PathBuf>,
    /// Only verify this log, and print the seconds: for a process of its own.
    verify: Option<PathBuf>,
}

fn arguments() -> Arguments {
    let mut arguments = Arguments {
        participants: 500,
        rounds: 24,
        file: None,
        verify: None,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || {
            given
                .next()
                .unwrap_or_else(|| panic!("{name} has no value"))
        };
        match name.as_str() {
            "--participants" => arguments.participants = value().parse().expect("a number"),
            "--rounds" => arguments.rounds = value().parse().expect("a number"),
            "--file" => arguments.file = Some(value().into()),
            "--verify" => arguments.verify = Some(value().into()),
            // What cargo adds.
            "--bench" => (),
            other => panic!("{other} is not known: --participants, --rounds and --file are"),
        }
    }
    arguments
}

fn main() {
    let arguments = arguments();
    if let Some(path) = arguments.verify {
        let (_, wall, cpu) = timed(|| verify(&path).expect("intact"));
        println!("{wall} {cpu}");
        return;
    }
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let path = arguments
        .file
        .unwrap_or_else(|| directory.path().join("ledger.tlog"));
    if !path.exists() {
        let ((), wall, cpu) = timed(|| generate(&path, arguments.participants, arguments.rounds));
        println!("made in {wall:.0} s ({cpu:.0} s cpu)");
    }
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "on {cores} core(s), load before it {}; cpu is what the process was given, wall what passed",
        load.split(' ').next().unwrap_or("unknown")
    );
    let (entries, year) = whole_log(&path);
    one_core(&path);
    let late = late_join(&path);
    append(&entries);
    without_signatures(&entries);
    println!();
    println!("{:<44} {:>12} {:>12}", "a year, by this", "", "at most");
    let row = |name: &str, value: f64, unit: &str, bound: f64| {
        println!("{name:<44} {value:>8.2} {unit:<3} {bound:>8.0} {unit}");
    };
    row("size of the log", year.bytes / 1e9, "GB", 4.0);
    row(
        "ledger verify, processor time",
        year.cpu / 60.0,
        "min",
        30.0,
    );
    row("ledger verify, wall", year.wall / 60.0, "min", 15.0);
    row("joining late, processor time", late.cpu, "s", 120.0);
    row("joining late, wall", late.wall, "s", 60.0);
    row("joining late, bytes fetched", late.bytes / 1e6, "MB", 750.0);
}

/// What is extrapolated: bytes and seconds.
struct Cost {
    bytes: f64,
    wall: f64,
    cpu: f64,
}

/// Seconds of processor time that this process has had, in steps of a hundredth.
fn cpu_s() -> f64 {
    cpu_of("/proc/self/stat")
}

/// Seconds of processor time that this thread has had.
fn thread_cpu_s() -> f64 {
    cpu_of("/proc/thread-self/stat")
}

fn cpu_of(stat: &str) -> f64 {
    let stat = std::fs::read_to_string(stat).expect("linux");
    // The fields after the name: utime and stime are the 12th and 13th, in clock ticks of 10 ms.
    let fields = stat.rsplit(") ").next().expect("fields");
    let ticks: Vec<f64> = fields
        .split(' ')
        .filter_map(|field| field.parse().ok())
        .collect();
    (ticks[10] + ticks[11]) / 100.0
}

/// Wall and processor seconds.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64, f64) {
    let (wall, cpu) = (Instant::now(), cpu_s());
    let done = work();
    (done, wall.elapsed().as_secs_f64(), cpu_s() - cpu)
}

fn rate(name: &str, entries: usize, wall: f64, cpu: f64) {
    println!(
        "{name:<44} {:>9.0} entries/s wall, {:>9.0} a second of cpu",
        entries as f64 / wall,
        entries as f64 / cpu
    );
}

/// A model large enough that 40 may rate.
fn large_draft(participants: usize) -> Draft {
    let mut draft = draft(participants);
    draft.model.kind = ModelKind::Mlp;
    draft.model.layers = vec![64, 64, 10];
    draft
}

fn round_key(participant: u32, round: u64) -> Vec<u8> {
    let mut key = vec![5; ROUND_KEY_BYTES];
    let mut word = (u64::from(participant) << 32 | round).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for chunk in key.chunks_mut(8) {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    key
}

fn seats(world: &World) -> Vec<Seat> {
    let round = world.state.next_round();
    let drawn = world.state.draw().expect("no round in progress");
    let seat = |participant: ParticipantId| {
        let offer = SeatOffer {
            round_key: round_key(participant.0, round),
            ..world.offer(round, participant)
        };
        let signature = offer.sign(&identity(participant.0));
        offer.into_seat(participant, signature)
    };
    let owners = drawn.owners.iter().take(drawn.size);
    owners.map(|owner| seat(world.first_of(*owner))).collect()
}

fn round(world: &mut World, participants: u32) {
    let entry = world.round_opened(seats(world));
    let entry = world.sign(entry, &[COORDINATOR]);
    world.accept(entry);
    world.contribute(0..participants);
    let raters: Vec<u32> = world
        .state
        .raters()
        .iter()
        .map(|owner| world.first_of(*owner).0)
        .collect();
    for rater in &raters {
        let mut entry = world.directions(*rater);
        if let Entry::DirectionsCommitted {
            round_key: key,
            round,
            ..
        } = &mut entry
        {
            *key = round_key(*rater, *round);
        }
        let entry = world.sign(entry, &[*rater]);
        world.accept(entry);
    }
    world.close();
    world.judge();
    if !raters.is_empty() {
        let turn = world.round();
        let rows: Vec<(u32, Ratings)> = raters
            .iter()
            .map(|rater| (*rater, row(world, *rater, turn)))
            .collect();
        for (rater, ratings) in &rows {
            world.commit_ratings(*rater, ratings);
        }
        world.end_step(RatingStep::Commit);
        for (rater, ratings) in &rows {
            world.reveal_ratings(*rater, ratings);
        }
        world.end_step(RatingStep::Reveal);
    }
    world.publish();
}

/// What raters agree on about each contribution, and a little of their own.
fn row(world: &World, rater: u32, round: u64) -> Ratings {
    let mut ratings = world.ratings(rater, 1);
    let norms = world.state.norms().expect("judged");
    for ((id, _), (score, reward)) in norms
        .iter()
        .zip(ratings.scores.iter_mut().zip(&mut ratings.rewards))
    {
        let common = i64::from(id.0) * 7 % 61 + 40;
        let own = (u64::from(id.0) * 31 + u64::from(rater) * 17 + round * 13) % 23;
        *score *= i16::try_from((common + own as i64) * 100).expect("small");
        *reward = u16::try_from(*score).unwrap_or(0);
    }
    ratings
}

/// Entries between two rounds: fees, stake moved there and back, something said.
fn between_rounds(world: &mut World, rounds: usize) {
    let batch = Entry::QueryBatch {
        root: [12; 32],
        first: world.state.pool().expect("founded").queries,
        count: 1_000,
        fees: 5_000,
    };
    world.accept_by(batch, COORDINATOR);
    let participants = world.state.participants().count();
    let by = u32::try_from(rounds % participants).expect("small");
    let owner = world
        .state
        .participant(ParticipantId(by))
        .expect("there")
        .owner;
    let account = world.account(owner.0);
    if account.balance >= 100 {
        world.accept_by(world.deposit(by, 100), by);
    }
    if account.staked >= 50 {
        world.accept_by(world.withdrawal(by, 50), by);
    }
    let feedback = Entry::FeedbackFiled {
        participant: ParticipantId(by),
        number: u64::try_from(rounds / participants).expect("small"),
        kind: FeedbackKind::Praise,
        hash: [4; 32],
    };
    world.accept_by(feedback, by);
}

/// Half of the participants found, the others are admitted, each by more than half of the owners of its time.
fn founded(participants: usize) -> World {
    let founders = (participants / 2).max(3);
    let mut world = World::from_draft(large_draft(founders));
    for number in founders..participants {
        let number = u32::try_from(number).expect("small");
        let signers: Vec<u32> = (0..number / 2 + 1).collect();
        let entry = world.sign(world.admission(number, None), &signers);
        world.accept(entry);
    }
    world
}

/// The file of the snapshot made after half of the rounds, and of the one an epoch before the last.
fn snapshots(path: &Path) -> [PathBuf; 2] {
    [
        path.with_extension("half.snapshot"),
        path.with_extension("snapshot"),
    ]
}

fn generate(path: &Path, participants: usize, rounds: usize) {
    let signer = Arc::new(identity(COORDINATOR));
    let mut world = founded(participants);
    let mut store = LedgerStore::create(path, signer).expect("new");
    let count = u32::try_from(participants).expect("small");
    let newest = rounds.saturating_sub(TAIL_ROUNDS).max(1);
    for done in 1..=rounds {
        between_rounds(&mut world, done - 1);
        round(&mut world, count);
        store.append(&world.log).expect("allowed");
        world.log.clear();
        for (file, at) in snapshots(path).iter().zip([newest / 2, newest]) {
            if done == at {
                make_snapshot(&mut store, count, file);
            }
        }
        if done % 50 == 0 {
            eprintln!("{done} of {rounds} rounds");
        }
    }
}

/// Every owner cosigns the newest checkpoint.
fn make_snapshot(store: &mut LedgerStore, participants: u32, file: &Path) {
    store.keep_books();
    let signed = store.checkpoint().expect("entries").clone();
    let lines: Vec<String> = (0..participants)
        .map(|number| {
            let cosignature = signed.cosign(ParticipantId(number), &identity(number), 1);
            cosignature.line()
        })
        .collect();
    let size = store.len();
    for line in lines {
        store.add_cosignature(size, &line).expect("a member's");
    }
    // What holds up the coordinator's log, and what another thread does.
    let (job, wall, cpu) = timed(|| store.snapshot_job(size).expect("enough cosigned"));
    println!(
        "{:<44} {wall:.4} s wall, {cpu:.4} s cpu",
        format!("snapshot of {size} entries, begun")
    );
    let ((), wall, cpu) = timed(|| {
        job.write(file).expect("room");
    });
    store.forget_books(size);
    println!(
        "{:<44} {:.2} MB in {wall:.2} s wall, {cpu:.2} s cpu",
        format!("snapshot of {size} entries, written and synced"),
        std::fs::metadata(file).expect("there").len() as f64 / 1e6
    );
}

/// Verifies the log again in a process that has one core only.
fn one_core(path: &Path) {
    let run = || -> Option<(f64, f64)> {
        let output = Command::new("taskset")
            .args(["-c", "0"])
            .arg(std::env::current_exe().ok()?)
            .arg("--verify")
            .arg(path)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let (wall, cpu) = text.trim().split_once(' ')?;
        Some((wall.parse().ok()?, cpu.parse().ok()?))
    };
    match run() {
        Some((wall, cpu)) => println!(
            "{:<44} {wall:.1} s wall, {cpu:.1} s cpu",
            "ledger verify on one core"
        ),
        None => println!("ledger verify on one core: not measured, there is no taskset"),
    }
}

/// What somebody who joins late does: reads the snapshot, verifies all of it, stores it durably, and appends what
/// came after it.
fn late_join(path: &Path) -> Cost {
    let coordinator = identity(COORDINATOR).public();
    let federation = {
        let full = LedgerStore::open(path, Arc::new(identity(COORDINATOR))).expect("intact");
        full.state().federation_id().expect("founded")
    };
    let mut costs = Vec::new();
    for (file, with_tail) in snapshots(path).iter().zip([false, true]) {
        let bytes = std::fs::read(file).expect("made with the log");
        let mut runs = Vec::new();
        let mut rounds = 0;
        for _ in 0..RUNS {
            let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
            let path = directory.path().join("ledger.tlog");
            let (snapshot, wall, cpu) = timed(|| {
                let snapshot = LogSnapshot::from_bytes(&bytes).expect("whole");
                let snapshot = snapshot.verify(&coordinator, &federation).expect("right");
                let mut store =
                    LedgerStore::create_replica(&path, coordinator, federation).expect("room");
                store.restart_from(&snapshot, &[]).expect("room");
                snapshot
            });
            rounds = snapshot.state().history().len();
            runs.push((wall, cpu));
        }
        runs.sort_by(|one, other| one.1.total_cmp(&other.1));
        let (wall, cpu) = runs[RUNS / 2];
        println!(
            "{:<44} {:.2} MB, {wall:.2} s wall, {cpu:.2} s cpu",
            format!("snapshot after {rounds} rounds, verified and stored"),
            bytes.len() as f64 / 1e6
        );
        costs.push((rounds as f64, bytes.len() as f64, wall, cpu));
        if with_tail {
            let (tail_bytes, wall, cpu) = follow(path, &bytes, &federation);
            // The snapshot grows with the rounds, by their record alone; the rest of the time stays as it is.
            let [first, last] = &costs[..] else {
                unreachable!("two snapshots")
            };
            let at_a_year = |of: fn(&(f64, f64, f64, f64)) -> f64| {
                let slope = (of(last) - of(first)) / (last.0 - first.0).max(1.0);
                of(last) + slope.max(0.0) * (ROUNDS_A_YEAR - last.0)
            };
            return Cost {
                bytes: at_a_year(|cost| cost.1) + tail_bytes,
                wall: at_a_year(|cost| cost.2) + wall,
                cpu: at_a_year(|cost| cost.3) + cpu,
            };
        }
    }
    unreachable!("the last snapshot is followed")
}

/// Appends what came after the newest snapshot, as it is fetched.
fn follow(path: &Path, bytes: &[u8], federation: &unsilo_ledger::FederationId) -> (f64, f64, f64) {
    let coordinator = identity(COORDINATOR).public();
    let snapshot = LogSnapshot::from_bytes(bytes).expect("whole");
    let snapshot = snapshot.verify(&coordinator, federation).expect("right");
    let full = LedgerStore::open(path, Arc::new(identity(COORDINATOR))).expect("intact");
    let note = full.checkpoint().expect("entries").note().to_owned();
    let from = snapshot.trust().entries;
    let tail = full
        .encoded_entries(from, usize::MAX, usize::MAX)
        .expect("readable");
    drop(full);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let late = directory.path().join("ledger.tlog");
    let mut store = LedgerStore::create_from_snapshot(&late, &snapshot).expect("room");
    let ((), wall, cpu) = timed(|| {
        let entries: Vec<SignedEntry> = tail
            .iter()
            .map(|bytes| SignedEntry::decode(bytes).expect("an entry"))
            .collect();
        store.append_verified(&entries, &note).expect("it follows");
    });
    println!(
        "{:<44} {wall:.2} s wall, {cpu:.2} s cpu",
        format!("the {} entries after it, appended", tail.len())
    );
    (tail.iter().map(Vec::len).sum::<usize>() as f64, wall, cpu)
}

/// Size, and the time to verify all of it; its entries, at most [`APPENDED`], and what a year would take.
fn whole_log(path: &Path) -> (Vec<SignedEntry>, Cost) {
    let before = thread_cpu_s();
    let (report, wall, cpu) = timed(|| verify(path).expect("intact"));
    let in_order = thread_cpu_s() - before;
    let years = ROUNDS_A_YEAR / report.published.max(1) as f64;
    println!(
        "{} rounds, {} participants, {} entries, {} signatures",
        report.published, report.participants, report.entries, report.signatures
    );
    println!(
        "{:<44} {:.1} MB, {:.0} bytes an entry; a year {:.2} GB",
        "file",
        report.bytes as f64 / 1e6,
        report.bytes as f64 / report.entries as f64,
        report.bytes as f64 * years / 1e9
    );
    println!(
        "{:<44} {wall:.1} s wall, {cpu:.1} s cpu; a year {:.1} min wall, {:.1} min cpu",
        "ledger verify",
        wall * years / 60.0,
        cpu * years / 60.0
    );
    rate("ledger verify", report.entries as usize, wall, cpu);
    // What one thread does in order, the others wait for; the rest is divided among them.
    println!(
        "{:<44} {in_order:.1} s cpu: on two idle cores at most {:.2} times as fast as on one",
        "of that, reading and applying in order",
        cpu / in_order.max(cpu / 2.0)
    );
    let mut entries = Vec::new();
    read(path, |_, entry| {
        if entries.len() < APPENDED {
            entries.push(entry.clone());
        }
    })
    .expect("intact");
    let cost = Cost {
        bytes: report.bytes as f64 * years,
        wall: wall * years,
        cpu: cpu * years,
    };
    (entries, cost)
}

/// The entries up to the first round, with their many signatures, and those of the rounds.
fn at_first_round(entries: &[SignedEntry]) -> (&[SignedEntry], &[SignedEntry]) {
    let first = entries
        .iter()
        .position(|signed| matches!(signed.entry, Entry::RoundOpened { .. }));
    entries.split_at(first.expect("a round"))
}

/// The coordinator's append with everything it checks, a group at a time, on disk before the next.
fn append(entries: &[SignedEntry]) {
    let (founding, entries) = at_first_round(entries);
    for group in [100, 1_000, 10_000] {
        let entries = &entries[..entries.len().min(group * 40)];
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let signer = Arc::new(identity(COORDINATOR));
        let path = directory.path().join("ledger.tlog");
        let mut store = LedgerStore::create(&path, signer).expect("new");
        store.append(founding).expect("allowed");
        let ((), wall, cpu) = timed(|| {
            for group in entries.chunks(group) {
                store.append(group).expect("allowed");
            }
        });
        rate(
            &format!("append, groups of {group}, synced"),
            entries.len(),
            wall,
            cpu,
        );
    }
    sync_alone(entries);
    let coordinator = identity(COORDINATOR);
    for group in [1_000, 10_000] {
        let mut log = Replica::new(coordinator.public(), None);
        log.append(founding, &coordinator).expect("allowed");
        let ((), wall, cpu) = timed(|| {
            for group in entries.chunks(group) {
                log.append(group, &coordinator).expect("allowed");
            }
        });
        let name = format!("append in memory, groups of {group}");
        rate(&name, entries.len(), wall, cpu);
    }
}

/// Writing and syncing the bytes of groups, and nothing else: the part of an append that is the disk's.
fn sync_alone(entries: &[SignedEntry]) {
    for group in [100, 1_000, 10_000] {
        let entries = &entries[..entries.len().min(group * 40)];
        let groups: Vec<Vec<u8>> = entries
            .chunks(group)
            .map(|group| group.iter().flat_map(SignedEntry::encode).collect())
            .collect();
        let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).expect("a file");
        let ((), wall, cpu) = timed(|| {
            for bytes in &groups {
                file.write_all(bytes).expect("room");
                file.sync_data().expect("a disk");
            }
        });
        println!(
            "{:<44} {:.2} ms wall a group, {cpu:.2} s cpu in all",
            format!("writing and syncing groups of {group} alone"),
            wall * 1e3 / groups.len() as f64
        );
    }
}

/// Rules and books alone.
fn without_signatures(entries: &[SignedEntry]) {
    let (founding, entries) = at_first_round(entries);
    let mut founded = State::new();
    for entry in founding {
        founded.apply_with_known_signatures(entry).expect("allowed");
    }
    let ((), wall, cpu) = timed(|| {
        for _ in 0..RUNS {
            let mut state = founded.clone();
            for entry in entries {
                state.apply_with_known_signatures(entry).expect("allowed");
            }
        }
    });
    rate("replay without signatures", entries.len() * RUNS, wall, cpu);
}
