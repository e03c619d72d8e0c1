//! Participants stand by checkpoints that they replayed to.

use crate::world::{COORDINATOR, World, identity};
use data_encoding::BASE64;
use ed25519_dalek::Verifier;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use unsilo_ledger::checkpoint::cosigner_name;
use unsilo_ledger::store::FILE_NAME;
use unsilo_ledger::{
    AppendError, Checkpoint, CheckpointCosignature, CosignatureAdded, CosignatureError,
    CosignedCheckpoint, CosignerEquivocation, Diverged, EquivocationError, LedgerStore, OwnerId,
    ParticipantId, PublicKey, Replica, SignedCheckpoint, StoreError,
};

const NOW_S: u64 = 1_700_000_000;

/// A log in which a round is open, as its coordinator has it.
fn open_round(participants: usize) -> (World, Replica) {
    let mut world = World::new(participants);
    world.open();
    let mut log = Replica::new(identity(COORDINATOR).public(), None);
    log.append(&world.log, &identity(COORDINATOR))
        .expect("allowed");
    (world, log)
}

fn note(replica: &Replica) -> &str {
    replica.checkpoint().expect("not empty").note()
}

fn signed(replica: &Replica) -> &SignedCheckpoint {
    replica.checkpoint().expect("not empty")
}

fn key_of(participant: ParticipantId) -> Option<PublicKey> {
    (participant.0 < 100).then(|| identity(participant.0).public())
}

/// `checkpoint` cosigned by these participants.
fn cosigned_by(checkpoint: &SignedCheckpoint, cosigners: &[u32]) -> CosignedCheckpoint {
    let mut cosigned = CosignedCheckpoint::new(checkpoint.clone());
    for number in cosigners {
        let identity = identity(*number);
        let cosignature = checkpoint.cosign(ParticipantId(*number), &identity, NOW_S);
        let added = cosigned
            .add(cosignature, &identity.public())
            .expect("its own");
        assert_eq!(added, CosignatureAdded::New);
    }
    cosigned
}

#[test]
fn a_cosignature_is_what_c2sp_says() {
    let (_, log) = open_round(3);
    let cosignature = log
        .cosign(note(&log), &identity(2), NOW_S)
        .expect("a participant");
    let line = cosignature.line();
    let encoded = line
        .strip_prefix("— unsilo/participant/2 ")
        .expect("the name");
    let bytes = BASE64.decode(encoded.as_bytes()).expect("base64");
    assert_eq!(bytes.len(), 4 + 8 + 64);
    let key = identity(2).public();
    let mut id = Sha256::new();
    id.update(b"unsilo/participant/2\n\x04");
    id.update(key.0);
    assert_eq!(bytes[..4], id.finalize()[..4]);
    assert_eq!(bytes[4..12], NOW_S.to_be_bytes());
    // The text of the note is everything before the empty line, with its line feed.
    let text = note(&log).split_once("\n\n").expect("a note").0;
    let message = format!("cosignature/v1\ntime {NOW_S}\n{text}\n");
    ed25519_dalek::VerifyingKey::from_bytes(&key.0)
        .expect("a key")
        .verify(
            message.as_bytes(),
            &ed25519_dalek::Signature::from_slice(&bytes[12..]).expect("64 bytes"),
        )
        .expect("over this text");
    assert_eq!(CheckpointCosignature::parse(&line), Ok(cosignature));
    assert_eq!(
        CheckpointCosignature::parse(&format!("{line}\n")),
        Ok(cosignature)
    );
}

#[test]
fn lines_that_are_no_cosignature_are_refused() {
    let (_, log) = open_round(3);
    let line = signed(&log)
        .cosign(ParticipantId(2), &identity(2), NOW_S)
        .line();
    for broken in [
        "",
        "—",
        &line.replace('\u{2014}', "-"),
        &line['\u{2014}'.len_utf8()..],
        &line[..line.len() - 4],
        &line.replace("participant/2", "participant/02"),
        &line.replace("participant/2", "participant/+2"),
        &line.replace("participant/2", "participant/4294967296"),
        &line.replace("unsilo/participant/2", "somebody"),
        &format!("{line}\n\n"),
        &format!("{line}{}", "A".repeat(200)),
        note(&log),
    ] {
        assert!(CheckpointCosignature::parse(broken).is_err(), "{broken:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_or_is_a_line(text in "— (unsilo/participant/[0-9]{1,3}|[a-z]{1,4}) [A-Za-z0-9+/]{0,104}") {
        if let Ok(cosignature) = CheckpointCosignature::parse(&text) {
            prop_assert_eq!(cosignature.line(), text);
        }
    }
}

#[test]
fn a_cosigned_note_is_read_back_and_strangers_in_it_are_left_out() {
    let (_, log) = open_round(4);
    let cosigned = cosigned_by(signed(&log), &[0, 1, 3]);
    let note = cosigned.note();
    let coordinator = identity(COORDINATOR).public();
    let read = CosignedCheckpoint::parse(&note, &coordinator, key_of).expect("sound");
    assert_eq!(read, cosigned);
    assert_eq!(
        read.cosigners().collect::<Vec<_>>(),
        [0, 1, 3].map(ParticipantId)
    );
    // The coordinator's note alone is what it was before anyone cosigned.
    let alone = SignedCheckpoint::parse(&note, &coordinator).expect("sound");
    assert_eq!(&alone, signed(&log));
    // Somebody whose key is not known (yet), and a witness that is no participant.
    let stranger = signed(&log).cosign(ParticipantId(200), &identity(200), NOW_S);
    let more = format!(
        "{note}{}\n— witness.example/w AAAAAAAAAAAA\n",
        stranger.line()
    );
    let read = CosignedCheckpoint::parse(&more, &coordinator, key_of).expect("sound");
    assert_eq!(read, cosigned);
    // By a key that the participant does not have: as by a stranger.
    let other = signed(&log).cosign(ParticipantId(2), &identity(77), NOW_S);
    let more = format!("{note}{}\n", other.line());
    let read = CosignedCheckpoint::parse(&more, &coordinator, key_of).expect("sound");
    assert_eq!(read, cosigned);
    assert_eq!(
        cosigned.note_of(|participant| participant.0 == 3),
        cosigned_by(signed(&log), &[3]).note()
    );
    // signed_note reads it too.
    let parsed = signed_note::Note::from_bytes(note.as_bytes()).expect("a note");
    assert_eq!(parsed.to_bytes(), note.as_bytes());
}

#[test]
fn a_cosignature_of_anything_else_refuses_the_note() {
    let (mut world, mut log) = open_round(4);
    let before = cosigned_by(signed(&log), &[0, 1]);
    let known = world.log.len();
    world.contribute([0]);
    log.append(&world.log[known..], &identity(COORDINATOR))
        .expect("allowed");
    let line = before.cosignatures().next().expect("two").line();
    let spliced = format!("{}{line}\n", note(&log));
    let coordinator = identity(COORDINATOR).public();
    let size = log.len();
    assert_eq!(
        CosignedCheckpoint::parse(&spliced, &coordinator, key_of),
        Err(CosignatureError::OtherCheckpoint {
            participant: ParticipantId(0),
            size
        })
    );
    assert!(matches!(
        log.cosigned(&spliced),
        Err(AppendError::Cosignature(
            CosignatureError::OtherCheckpoint { .. }
        ))
    ));
    // Every part of the signed text and of the line counts.
    let good = signed(&log).cosign(ParticipantId(1), &identity(1), NOW_S);
    let key = identity(1).public();
    let checkpoint = *signed(&log).checkpoint();
    assert!(good.verify(&checkpoint, &key));
    for other in [
        Checkpoint {
            size: size + 1,
            ..checkpoint
        },
        Checkpoint {
            root: [1; 32],
            ..checkpoint
        },
        Checkpoint {
            state_root: [1; 32],
            ..checkpoint
        },
        Checkpoint {
            federation: unsilo_ledger::FederationId([1; 32]),
            ..checkpoint
        },
    ] {
        assert!(!good.verify(&other, &key));
    }
    let mut later = good;
    later.timestamp_s += 1;
    assert!(!later.verify(&checkpoint, &key));
    // Twice is refused, so that counting lines counts people.
    let twice = format!("{0}{1}\n{1}\n", note(&log), good.line());
    assert_eq!(
        CosignedCheckpoint::parse(&twice, &coordinator, key_of),
        Err(CosignatureError::Twice {
            participant: ParticipantId(1)
        })
    );
}

#[test]
fn a_participant_cosigns_only_the_log_that_it_replayed() {
    let (mut world, log) = open_round(4);
    let mut longer = log.clone();
    let known = world.log.len();
    world.contribute([0]);
    longer
        .append(&world.log[known..], &identity(COORDINATOR))
        .expect("allowed");
    let size = longer.len();
    match log.cosign(note(&longer), &identity(1), NOW_S) {
        Err(AppendError::Cosignature(CosignatureError::NoCheckpoint {
            size: asked,
            newest,
        })) => {
            assert_eq!((asked, newest), (size, known as u64))
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        longer.cosign(note(&log), &identity(1), NOW_S),
        Err(AppendError::Diverged(Diverged::RolledBack { .. }))
    ));
    let books = Checkpoint {
        state_root: [0; 32],
        ..*signed(&log).checkpoint()
    };
    let other = books.sign(&identity(COORDINATOR)).expect("well-formed");
    assert!(matches!(
        log.cosign(other.note(), &identity(1), NOW_S),
        Err(AppendError::Diverged(Diverged::Fork(_)))
    ));
    assert!(matches!(
        log.cosign(note(&log), &identity(50), NOW_S),
        Err(AppendError::Cosignature(
            CosignatureError::NotAParticipant { .. }
        ))
    ));
    assert!(matches!(
        log.cosign(
            &note(&log).replace("\nstate ", "\nState "),
            &identity(1),
            NOW_S
        ),
        Err(AppendError::Checkpoint(_))
    ));
}

#[test]
fn a_committee_has_spoken_when_its_threshold_has() {
    // Ten owners: seven seats, five of which must act.
    let (world, log) = open_round(10);
    let seated = world.seated();
    let threshold = world.threshold();
    assert_eq!((seated.len(), threshold), (7, 5));
    let others: Vec<u32> = (0..10).filter(|number| !seated.contains(number)).collect();
    let state = log.state();
    let says = |cosigners: &[u32]| state.threshold_cosigned(&cosigned_by(signed(&log), cosigners));
    assert!(says(&seated[..threshold]));
    assert!(says(&seated));
    assert!(!says(&seated[..threshold - 1]));
    // Nobody else makes up for a member that is missing.
    assert!(!says(&[&seated[..threshold - 1], &others[..]].concat()));
    assert!(!says(&[]));
    // Other books, and books without a round in progress.
    let cosigned = cosigned_by(signed(&log), &seated);
    let mut later = world.clone();
    later.contribute([0]);
    assert!(!later.state.threshold_cosigned(&cosigned));
    later.contribute(1..10);
    later.close();
    later.publish();
    assert!(!later.state.threshold_cosigned(&cosigned));
    // The same numbers with other keys: a checkpoint parsed with a stranger's list of keys.
    let mut forged = CosignedCheckpoint::new(signed(&log).clone());
    for seat in &seated {
        let key = identity(seat + 500);
        let cosignature = signed(&log).cosign(ParticipantId(*seat), &key, NOW_S);
        forged.add(cosignature, &key.public()).expect("its own");
    }
    assert!(!state.threshold_cosigned(&forged));
    assert!(!state.majority_cosigned(&forged));
}

#[test]
fn a_majority_is_counted_in_owners() {
    let mut world = World::new(4);
    // Three affiliates of owner 0.
    for number in 4..7 {
        let entry = world.admission(number, Some(OwnerId(0)));
        let entry = world.sign(entry, &[0, 1, 2]);
        world.accept(entry);
    }
    let mut log = Replica::new(identity(COORDINATOR).public(), None);
    log.append(&world.log, &identity(COORDINATOR))
        .expect("allowed");
    let says = |cosigners: &[u32]| {
        log.state()
            .majority_cosigned(&cosigned_by(signed(&log), cosigners))
    };
    assert!(says(&[0, 1, 2]) && says(&[1, 2, 3]) && says(&[6, 1, 2]));
    assert!(!says(&[0, 4, 5, 6]) && !says(&[0, 1, 4, 5, 6]) && !says(&[0, 1]));
    // Nobody is no majority of nobody.
    let empty = unsilo_ledger::State::new();
    assert!(!empty.majority_cosigned(&CosignedCheckpoint::new(signed(&log).clone())));
}

#[test]
fn two_cosignatures_at_one_size_convict_their_cosigner() {
    let (world, log) = open_round(4);
    let (mut one, mut other) = (log.clone(), log.clone());
    one.append(&[world.contribution(0)], &identity(COORDINATOR))
        .expect("allowed");
    other
        .append(&[world.contribution(1)], &identity(COORDINATOR))
        .expect("allowed");
    let (first, second) = (
        cosigned_by(signed(&one), &[0, 1, 2]),
        cosigned_by(signed(&other), &[1, 2, 3]),
    );
    let proofs = CosignerEquivocation::between(&first, &second, key_of);
    let convicted: Vec<u32> = proofs.iter().map(|proof| proof.participant().0).collect();
    assert_eq!(convicted, [1, 2]);
    let bytes = proofs[0].to_bytes();
    let read = CosignerEquivocation::from_bytes(&bytes, key_of).expect("a proof");
    assert_eq!(read, proofs[0]);
    assert_eq!(
        read.checkpoints(),
        [first.checkpoint(), second.checkpoint()]
    );
    // No proof: the same checkpoint twice (at two times), two sizes, two cosigners, another's key.
    let pair = |checkpoint: &SignedCheckpoint, cosigner: u32, time| {
        let cosignature =
            checkpoint.cosign(ParticipantId(cosigner), &identity(cosigner), NOW_S + time);
        (*checkpoint.checkpoint(), cosignature)
    };
    let key = identity(1).public();
    let not = |a, b| CosignerEquivocation::new(a, b, &key).expect_err("no proof");
    assert_eq!(
        not(pair(signed(&one), 1, 0), pair(signed(&one), 1, 9)),
        EquivocationError::NoContradiction
    );
    assert_eq!(
        not(pair(signed(&log), 1, 0), pair(signed(&one), 1, 0)),
        EquivocationError::NoContradiction
    );
    assert_eq!(
        not(pair(signed(&one), 1, 0), pair(signed(&other), 2, 0)),
        EquivocationError::TwoCosigners
    );
    assert_eq!(
        not(pair(signed(&one), 2, 0), pair(signed(&other), 2, 0)),
        EquivocationError::BadSignature
    );
    // Swapped: each cosignature under the other's checkpoint.
    let ((a, by_a), (b, by_b)) = (pair(signed(&one), 1, 0), pair(signed(&other), 1, 0));
    assert_eq!(not((a, by_b), (b, by_a)), EquivocationError::BadSignature);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(
            CosignerEquivocation::from_bytes(&changed, key_of).is_err(),
            "byte {at}"
        );
        assert!(CosignerEquivocation::from_bytes(&bytes[..at], key_of).is_err());
    }
}

fn store_error(result: Result<CosignatureAdded, StoreError>) -> CosignatureError {
    match result.expect_err("refused") {
        StoreError::Append(AppendError::Cosignature(error)) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn cosignatures_are_kept_with_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let coordinator = Arc::new(identity(COORDINATOR));
    let mut world = World::new(4);
    world.open();
    let mut store = LedgerStore::create(&path, coordinator.clone()).expect("new");
    store.append(&world.log).expect("allowed");
    let (size, shown) = (
        store.len(),
        store.cosigned(store.len()).expect("newest").note(),
    );
    let line = |participant: u32| {
        store
            .cosign(&shown, &identity(participant), NOW_S)
            .expect("replayed")
            .line()
    };
    let lines: Vec<String> = (0..4).map(line).collect();
    // The log goes on before they arrive.
    let known = world.log.len();
    world.contribute([0]);
    store.append(&world.log[known..]).expect("allowed");
    for line in &lines[..2] {
        assert_eq!(
            store.add_cosignature(size, line).expect("its own"),
            CosignatureAdded::New
        );
        assert_eq!(
            store.add_cosignature(size, line).expect("again"),
            CosignatureAdded::Known
        );
    }
    // A second one by the same participant, at another time, says nothing new: the first stays.
    let earlier = store.cosigned(size).expect("kept").clone();
    let again = earlier
        .signed()
        .cosign(ParticipantId(0), &identity(0), NOW_S + 5)
        .line();
    assert_eq!(
        store.add_cosignature(size, &again).expect("its own"),
        CosignatureAdded::Known
    );
    assert_eq!(store.cosigned(size), Some(&earlier));
    // Refused: another size, a size at which nothing ended, a stranger, no line.
    assert_eq!(
        store_error(store.add_cosignature(size + 1, &lines[2])),
        CosignatureError::OtherCheckpoint {
            participant: ParticipantId(2),
            size: size + 1
        }
    );
    assert_eq!(
        store_error(store.add_cosignature(1, &lines[2])),
        CosignatureError::NoCheckpoint {
            size: 1,
            newest: size + 1
        }
    );
    let stranger = lines[2].replace(&cosigner_name(ParticipantId(2)), "unsilo/participant/9");
    assert_eq!(
        store_error(store.add_cosignature(size, &stranger)),
        CosignatureError::UnknownCosigner {
            participant: ParticipantId(9)
        }
    );
    assert!(matches!(
        store_error(store.add_cosignature(size, "— x")),
        CosignatureError::Malformed(_)
    ));
    drop(store);

    let mut store = LedgerStore::open(&path, coordinator).expect("intact");
    assert_eq!(store.cosigned(size), Some(&earlier));
    assert_eq!(
        store.add_cosignature(size, &lines[2]).expect("its own"),
        CosignatureAdded::New
    );
    let mut sizes = store
        .checkpoints()
        .map(|kept| (kept.checkpoint().size, kept.cosigners().len()));
    assert_eq!(
        sizes.next(),
        Some((size, 3)),
        "those that somebody cosigned"
    );
    assert_eq!(sizes.next(), None);
    drop(sizes);
    assert!(
        store.cosigned(size + 1).is_some(),
        "the newest is there to be cosigned"
    );
}

#[test]
fn a_replica_keeps_the_cosignatures_it_is_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let (world, log) = open_round(4);
    let coordinator = identity(COORDINATOR).public();
    let mut replica =
        LedgerStore::create_replica(&path, coordinator, world.federation()).expect("new");
    let first = cosigned_by(signed(&log), &[0]).note();
    replica.append_verified(&world.log, &first).expect("honest");
    let cosigners = |replica: &LedgerStore| {
        let kept = replica.cosigned(log.len()).expect("newest");
        kept.cosigners().map(|id| id.0).collect::<Vec<_>>()
    };
    assert_eq!(cosigners(&replica), [0]);
    let others = cosigned_by(signed(&log), &[1, 2]).note();
    assert_eq!(
        replica.append_verified(&[], &others).expect("more").events,
        []
    );
    assert_eq!(cosigners(&replica), [0, 1, 2]);
    // Nobody's word is lost by showing fewer.
    replica.append_verified(&[], note(&log)).expect("fewer");
    assert_eq!(cosigners(&replica), [0, 1, 2]);
    // A false one is refused, and with it the note; what was there stays.
    let mut line = signed(&log).cosign(ParticipantId(3), &identity(3), NOW_S);
    line.signature[0] ^= 1;
    let forged = format!("{}{}\n", note(&log), line.line());
    assert!(matches!(
        replica.append_verified(&[], &forged),
        Err(StoreError::Append(AppendError::Cosignature(_)))
    ));
    drop(replica);
    let replica = LedgerStore::open_replica(&path, coordinator).expect("intact");
    assert_eq!(cosigners(&replica), [0, 1, 2]);
    let kept = replica.cosigned(log.len()).expect("newest");
    assert!(replica.state().threshold_cosigned(kept));
}
