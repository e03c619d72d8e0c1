//! Every decoder of unsilo-ledger, with what it must do on any bytes: a typed error, or a value that encodes to the same bytes.
//!
//! The same functions are fuzzed by `cargo fuzz` and replayed on stable by `tests/replay`.

#[path = "../../../fhe/fuzz/src/decoder.rs"]
mod decoder;
#[path = "../../tests/ledger/world.rs"]
#[allow(dead_code, reason = "made for the tests of the rules")]
mod world;

pub use decoder::{Decoder, Outcome, Seed};
use decoder::{authenticated, canonical, decoder, refusal, refused, valid};
use std::sync::LazyLock;
use unsilo_ledger::{
    Checkpoint, CheckpointCosignature, CosignedCheckpoint, CosignerEquivocation, Draft, Entry,
    ForkProof, LogSnapshot, MAX_ENTRY_BYTES, ParticipantId, PublicKey, Receipt, Replica,
    SignedCheckpoint, SignedEntry, SignedReceipt, State, VerifiedSnapshot,
};
use world::{COORDINATOR, World, identity};

/// All of them.
pub const DECODERS: &[Decoder] = &[
    decoder("signed_entry", signed_entry, signed_entry_seeds),
    decoder("entry", entry, entry_seeds),
    decoder("draft", draft, draft_seeds),
    decoder("receipt", receipt, receipt_seeds),
    decoder("checkpoint", checkpoint, checkpoint_seeds),
    decoder("cosigned_checkpoint", cosigned, cosigned_seeds),
    decoder("cosignature", cosignature, cosignature_seeds),
    authenticated(decoder("fork_proof", fork_proof, fork_proof_seeds)),
    authenticated(decoder("equivocation", equivocation, equivocation_seeds)),
    authenticated(decoder("state", state, state_seeds)),
    authenticated(decoder("log_snapshot", log_snapshot, log_snapshot_seeds)),
];

/// A federation of five with a published round, a voided one, ratings, and a round in progress.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut world = World::new(5);
    world.full_round();
    world.open();
    world.void();
    world.rated_round(|rater, _| rater as i16 * 10);
    let entry = world.sign(world.admission(5, None), &[0, 1, 2]);
    world.accept(entry);
    world.open();
    world.contribute(0..2);
    world
});

fn coordinator() -> PublicKey {
    identity(COORDINATOR).public()
}

fn key_of(participant: ParticipantId) -> Option<PublicKey> {
    (participant.0 < 10).then(|| identity(participant.0).public())
}

/// The coordinator's log of these entries.
fn log_of(entries: &[SignedEntry]) -> Replica {
    let mut log = Replica::new(coordinator(), None);
    log.append(entries, &identity(COORDINATOR))
        .expect("allowed");
    log
}

fn newest(log: &Replica) -> SignedCheckpoint {
    log.checkpoint().expect("not empty").clone()
}

/// Every kind of entry once, the largest ones first found.
fn kinds() -> Vec<&'static SignedEntry> {
    let mut kinds: Vec<&SignedEntry> = vec![];
    for entry in &WORLD.log {
        let kind = std::mem::discriminant(&entry.entry);
        if kinds
            .iter()
            .all(|known| std::mem::discriminant(&known.entry) != kind)
        {
            kinds.push(entry);
        }
    }
    kinds
}

fn signed_entry(data: &[u8]) -> Outcome {
    let decoded = SignedEntry::decode(data);
    if let Ok(entry) = &decoded {
        // Whatever it is, it can be described, and the books do not change unless it is allowed.
        assert!(!WORLD.state.describe(entry).is_empty());
        let mut state = WORLD.state.clone();
        if state.apply(entry).is_err() {
            assert_eq!(state.root(), WORLD.state.root());
        }
    }
    canonical(data, decoded, SignedEntry::encode)
}

fn signed_entry_seeds() -> Vec<Seed> {
    let long = [vec![1], vec![0; MAX_ENTRY_BYTES]].concat();
    let mut seeds = vec![
        refused("bad_too_long", long),
        refused("bad_version", vec![2, 0, 0, 0, 0, 0]),
        refused("bad_empty", vec![]),
        // A list of 2^32 - 1 seats.
        refused(
            "bad_long_list",
            [vec![1, 2], vec![0; 41], vec![0xFF; 4]].concat(),
        ),
    ];
    seeds.extend(
        kinds()
            .into_iter()
            .map(|entry| valid("entry", entry.encode())),
    );
    seeds
}

fn entry(data: &[u8]) -> Outcome {
    canonical(data, Entry::from_bytes(data), Entry::to_bytes)
}

fn entry_seeds() -> Vec<Seed> {
    let entries = kinds().into_iter();
    entries
        .map(|entry| valid("entry", entry.entry.to_bytes()))
        .collect()
}

fn draft(data: &[u8]) -> Outcome {
    let draft = Draft::from_bytes(data).ok_or("no draft");
    if let Ok(draft) = &draft {
        if let Err(error) = draft.validate() {
            refusal(&error);
        }
        draft.federation_id();
    }
    canonical(data, draft, Draft::to_bytes)
}

fn draft_seeds() -> Vec<Seed> {
    let bytes = world::draft(5).to_bytes();
    vec![
        refused("bad_short", bytes[1..].to_vec()),
        refused("bad_empty", vec![]),
        valid("draft", bytes),
    ]
}

fn receipt(data: &[u8]) -> Outcome {
    let receipt = SignedReceipt::from_bytes(data).ok_or("no receipt");
    if let Ok(receipt) = &receipt {
        assert_eq!(receipt.verify(&coordinator()), data == honest_receipt());
    }
    canonical(data, receipt, SignedReceipt::to_bytes)
}

fn honest_receipt() -> Vec<u8> {
    let receipt = Receipt {
        federation: WORLD.federation(),
        round: 1,
        participant: ParticipantId(2),
        root: [8; 32],
        entry_index: 4,
    };
    receipt.sign(&identity(COORDINATOR)).to_bytes()
}

fn receipt_seeds() -> Vec<Seed> {
    let bytes = honest_receipt();
    vec![
        refused("bad_long", [&bytes[..], &[0]].concat()),
        valid("receipt", bytes),
    ]
}

/// A note is text: other bytes are none.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

fn checkpoint(data: &[u8]) -> Outcome {
    let Some(note) = text(data) else {
        return Outcome::Refused;
    };
    match SignedCheckpoint::parse(note, &coordinator()) {
        Ok(signed) => {
            // Further signature lines are left out; the coordinator's own text never changes.
            assert!(note.starts_with(&signed.checkpoint().text()));
            let again = SignedCheckpoint::parse(signed.note(), &coordinator());
            assert!(again.is_ok_and(|again| again == signed));
            match signed.note() == note {
                true => Outcome::Accepted,
                false => Outcome::Refused,
            }
        }
        Err(error) => refusal(&error),
    }
}

fn checkpoint_seeds() -> Vec<Seed> {
    let note = newest(&log_of(&WORLD.log)).note().to_owned();
    let of_another = Checkpoint {
        federation: WORLD.federation(),
        size: 3,
        root: [1; 32],
        state_root: [2; 32],
    };
    let of_another = of_another.sign(&identity(0)).expect("a note");
    vec![
        refused("bad_signer", of_another.note().into()),
        refused("bad_cut", note.as_bytes()[..note.len() - 1].into()),
        refused(
            "bad_text_alone",
            note.split("\n\n").next().unwrap_or("").into(),
        ),
        valid("checkpoint", note.into()),
    ]
}

fn cosigned(data: &[u8]) -> Outcome {
    let Some(note) = text(data) else {
        return Outcome::Refused;
    };
    match CosignedCheckpoint::parse(note, &coordinator(), key_of) {
        Ok(cosigned) => {
            let again = CosignedCheckpoint::parse(&cosigned.note(), &coordinator(), key_of);
            assert!(again.is_ok_and(|again| again.note() == cosigned.note()));
            match cosigned.note() == note {
                true => Outcome::Accepted,
                false => Outcome::Refused,
            }
        }
        Err(error) => refusal(&error),
    }
}

fn honest_cosigned() -> CosignedCheckpoint {
    let mut cosigned = CosignedCheckpoint::new(newest(&log_of(&WORLD.log)));
    for number in [0, 3, 4] {
        let identity = identity(number);
        let line =
            newest(&log_of(&WORLD.log)).cosign(ParticipantId(number), &identity, 1_700_000_000);
        cosigned.add(line, &identity.public()).expect("its own");
    }
    cosigned
}

fn cosigned_seeds() -> Vec<Seed> {
    let note = honest_cosigned().note();
    let last = note.lines().last().expect("a line").to_owned();
    vec![
        refused("bad_line_twice", format!("{note}{last}\n").into()),
        refused("bad_line_cut", note.as_bytes()[..note.len() - 3].into()),
        valid("cosigned", note.into()),
        valid("nobody", newest(&log_of(&WORLD.log)).note().into()),
    ]
}

fn cosignature(data: &[u8]) -> Outcome {
    let Some(line) = text(data) else {
        return Outcome::Refused;
    };
    match CheckpointCosignature::parse(line) {
        Ok(cosignature) => {
            // A line feed may follow; otherwise there is one form.
            assert_eq!(cosignature.line(), line.strip_suffix('\n').unwrap_or(line));
            Outcome::Accepted
        }
        Err(error) => refusal(&error),
    }
}

fn cosignature_seeds() -> Vec<Seed> {
    let note = honest_cosigned().note();
    let line = note.lines().last().expect("a line");
    vec![
        refused(
            "bad_name",
            line.replace("participant", "coordinator").into(),
        ),
        refused(
            "bad_number",
            line.replace("participant/4", "participant/04").into(),
        ),
        refused("bad_short", line[..line.len() - 8].into()),
        valid("with_a_line_feed", format!("{line}\n").into()),
        valid("line", line.into()),
    ]
}

fn fork_proof(data: &[u8]) -> Outcome {
    canonical(
        data,
        ForkProof::from_bytes(data, &coordinator()),
        ForkProof::to_bytes,
    )
}

fn fork_proof_seeds() -> Vec<Seed> {
    // Two contributions the other way round.
    let mut other = WORLD.log[..9].to_vec();
    other.swap(3, 4);
    let (ours, theirs) = (log_of(&WORLD.log[..9]), log_of(&other));
    let proof = ForkProof::of_one_size(newest(&ours), newest(&theirs)).expect("a fork");
    let shorter = log_of(&other[..6]);
    let consistency = ours.prove_consistency(6, 9).expect("in range");
    let found = newest(&log_of(&WORLD.log[..6])).checkpoint().root;
    let rewritten = ForkProof::of_two_sizes(newest(&shorter), newest(&ours), found, consistency);
    vec![
        valid("of_one_size", proof.to_bytes()),
        valid("of_two_sizes", rewritten.expect("a fork").to_bytes()),
        refused("bad_empty", vec![]),
    ]
}

fn equivocation(data: &[u8]) -> Outcome {
    canonical(
        data,
        CosignerEquivocation::from_bytes(data, key_of),
        CosignerEquivocation::to_bytes,
    )
}

fn equivocation_seeds() -> Vec<Seed> {
    let mut other = WORLD.log[..9].to_vec();
    other.swap(3, 4);
    let story = |entries: &[SignedEntry]| {
        let signed = newest(&log_of(entries));
        let cosignature = signed.cosign(ParticipantId(2), &identity(2), 1_700_000_000);
        (*signed.checkpoint(), cosignature)
    };
    let key = identity(2).public();
    let both = CosignerEquivocation::new(story(&WORLD.log[..9]), story(&other), &key);
    vec![
        valid("equivocation", both.expect("two stories").to_bytes()),
        refused("bad_empty", vec![]),
    ]
}

fn state(data: &[u8]) -> Outcome {
    canonical(
        data,
        State::from_snapshot(data, &WORLD.state.root()),
        State::to_snapshot,
    )
}

fn state_seeds() -> Vec<Seed> {
    vec![
        valid("state", WORLD.state.to_snapshot()),
        refused("bad_new", State::new().to_snapshot()),
        refused("bad_empty", vec![]),
    ]
}

fn log_snapshot(data: &[u8]) -> Outcome {
    let verified = LogSnapshot::from_bytes(data)
        .and_then(|snapshot| snapshot.verify(&coordinator(), &WORLD.federation()));
    canonical(data, verified, VerifiedSnapshot::to_bytes)
}

/// A snapshot after four entries, of which only the genesis is about membership, cosigned by this many of the five
/// owners. A log of four has one hash for a frontier, its root.
fn snapshot_cosigned_by(owners: u32) -> Vec<u8> {
    let log = log_of(&WORLD.log[..4]);
    let signed = newest(&log);
    let mut cosigned = CosignedCheckpoint::new(signed.clone());
    for number in 0..owners {
        let key = identity(number);
        let cosignature = signed.cosign(ParticipantId(number), &key, 1_700_000_000);
        cosigned.add(cosignature, &key.public()).expect("its own");
    }
    let mut bytes = b"unsilo/v1/log snapshot\0\x01".to_vec();
    let mut part = |part: &[u8]| {
        bytes.extend((part.len() as u32).to_le_bytes());
        bytes.extend(part);
    };
    part(cosigned.note().as_bytes());
    part(&log.state().to_snapshot());
    let count = |count: usize| (count as u32).to_le_bytes();
    bytes.extend(count(1));
    bytes.extend(log.root());
    bytes.extend(count(1));
    bytes.extend(0_u64.to_le_bytes());
    let genesis = WORLD.log[0].encode();
    bytes.extend(count(genesis.len()));
    bytes.extend(genesis);
    let proof = log.prove_inclusion(0, 4).expect("there");
    bytes.extend(count(proof.len()));
    bytes.extend(proof.concat());
    bytes
}

fn log_snapshot_seeds() -> Vec<Seed> {
    vec![
        valid("majority", snapshot_cosigned_by(3)),
        refused("bad_too_few", snapshot_cosigned_by(2)),
        refused("bad_state", WORLD.state.to_snapshot()),
        refused("bad_empty", vec![]),
    ]
}
