//! The ledger of a federation over many rounds: how large it is, how fast it is written and verified, and how
//! long somebody who joins late takes.
//!
//! ```text
//! cargo bench -p unsilo-ledger --profile release --bench year -- --participants 500 --rounds 876
//! ```
//! 876 rounds are a tenth of a year of a round an hour. Every owner contributes to every round; as many rate
//! as the model allows (40 of 500); keys, rows and signatures have their real sizes. With `--file PATH` the log
//! is kept there, and used again if it is there. Run it under `taskset -c 0` for one core.

#![expect(
    clippy::disallowed_types,
    reason = "this measures time; nothing of it is the ledger's"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use unsilo_ledger::store::read;
use unsilo_ledger::{
    Draft, Entry, LedgerStore, ModelKind, ParticipantId, RatingStep, Ratings, Replica, Seat,
    SeatOffer, SignedEntry, State, verify,
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

struct Arguments {
    participants: usize,
    rounds: usize,
    file: Option<PathBuf>,
}

fn arguments() -> Arguments {
    let mut arguments = Arguments {
        participants: 500,
        rounds: 24,
        file: None,
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
            // What cargo adds.
            "--bench" => (),
            other => panic!("{other} is not known: --participants, --rounds and --file are"),
        }
    }
    arguments
}

fn main() {
    let arguments = arguments();
    let directory = tempfile::tempdir().expect("a directory");
    let path = arguments
        .file
        .unwrap_or_else(|| directory.path().join("ledger.tlog"));
    if !path.exists() {
        let start = Instant::now();
        generate(&path, arguments.participants, arguments.rounds);
        println!("made in {:.0} s", start.elapsed().as_secs_f64());
    }
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    println!("on {cores} core(s); cpu is what the process was given, wall what passed");
    let entries = whole_log(&path);
    append(&entries);
    without_signatures(&entries);
}

/// Seconds of processor time that this process has had, in steps of a hundredth.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("linux");
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

fn generate(path: &Path, participants: usize, rounds: usize) {
    let signer = Arc::new(identity(COORDINATOR));
    let mut world = World::from_draft(large_draft(participants));
    let mut store = LedgerStore::create(path, signer).expect("new");
    let count = u32::try_from(participants).expect("small");
    for done in 1..=rounds {
        round(&mut world, count);
        store.append(&world.log).expect("allowed");
        world.log.clear();
        if done % 50 == 0 {
            eprintln!("{done} of {rounds} rounds");
        }
    }
}

/// Size, and the time to verify all of it; its entries, at most [`APPENDED`].
fn whole_log(path: &Path) -> Vec<SignedEntry> {
    let (report, wall, cpu) = timed(|| verify(path).expect("intact"));
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
    let mut entries = Vec::new();
    read(path, |_, entry| {
        if entries.len() < APPENDED {
            entries.push(entry.clone());
        }
    })
    .expect("intact");
    entries
}

/// The coordinator's append with everything it checks, a group at a time, on disk before the next.
fn append(entries: &[SignedEntry]) {
    let (genesis, entries) = entries.split_first().expect("not empty");
    for group in [100, 1_000, 10_000] {
        let entries = &entries[..entries.len().min(group * 40)];
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let signer = Arc::new(identity(COORDINATOR));
        let path = directory.path().join("ledger.tlog");
        let mut store = LedgerStore::create(&path, signer).expect("new");
        store
            .append(std::slice::from_ref(genesis))
            .expect("allowed");
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
    let coordinator = identity(COORDINATOR);
    for group in [1_000, 10_000] {
        let mut log = Replica::new(coordinator.public(), None);
        log.append(std::slice::from_ref(genesis), &coordinator)
            .expect("allowed");
        let ((), wall, cpu) = timed(|| {
            for group in entries.chunks(group) {
                log.append(group, &coordinator).expect("allowed");
            }
        });
        let name = format!("append in memory, groups of {group}");
        rate(&name, entries.len(), wall, cpu);
    }
}

/// Rules and books alone, as often as takes a second.
fn without_signatures(entries: &[SignedEntry]) {
    let ((), wall, cpu) = timed(|| {
        let mut state = State::new();
        for entry in entries {
            state.apply_with_known_signatures(entry).expect("allowed");
        }
    });
    rate("replay without signatures", entries.len(), wall, cpu);
}
