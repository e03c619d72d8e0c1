//! Canonical bytes.

use crate::world::{World, draft, founders, genesis};
use unsilo_ledger::{
    DecodeError, Entry, MAX_ENTRY_BYTES, ParticipantId, Receipt, Rejected, SignedEntry,
    SignedReceipt,
};

fn log() -> Vec<SignedEntry> {
    let mut world = World::new(5);
    world.full_round();
    world.open();
    world.void();
    let entry = world.sign(world.admission(9, None), &[0, 1, 2]);
    world.accept(entry);
    world.log
}

#[test]
fn every_entry_is_read_back_as_it_was() {
    for entry in log() {
        let bytes = entry.encode();
        assert_eq!(SignedEntry::decode(&bytes), Ok(entry.clone()));
        assert_eq!(Entry::from_bytes(&entry.entry.to_bytes()), Ok(entry.entry));
    }
}

#[test]
fn nothing_may_follow_or_be_missing() {
    for entry in log() {
        let mut bytes = entry.encode();
        for end in 0..bytes.len() {
            assert!(SignedEntry::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        bytes.push(0);
        assert!(matches!(
            SignedEntry::decode(&bytes),
            Err(DecodeError::Malformed { .. })
        ));
    }
}

#[test]
fn other_versions_and_lengths_are_refused() {
    let mut bytes = log()[3].encode();
    bytes[0] = 2;
    assert_eq!(
        SignedEntry::decode(&bytes),
        Err(DecodeError::Version { version: 2 })
    );
    assert_eq!(SignedEntry::decode(&[]), Err(DecodeError::Empty));
    let long = vec![1; MAX_ENTRY_BYTES + 1];
    assert_eq!(
        SignedEntry::decode(&long),
        Err(DecodeError::TooLong { bytes: long.len() })
    );
}

#[test]
fn a_list_that_claims_to_be_long_costs_nothing() {
    // Variant 6 does not exist yet in the first byte position of a huge vector: entry 2 with 2^32 - 1 seats.
    let mut bytes = vec![1, 2];
    bytes.extend_from_slice(&[0; 8 + 32 + 1]);
    bytes.extend_from_slice(&[0xff; 4]);
    assert!(matches!(
        SignedEntry::decode(&bytes),
        Err(DecodeError::Malformed { .. })
    ));
}

#[test]
fn whatever_decodes_encodes_to_the_same_bytes() {
    for entry in log() {
        let bytes = entry.encode();
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                if let Ok(decoded) = SignedEntry::decode(&changed) {
                    assert_eq!(
                        decoded.encode(),
                        changed,
                        "two encodings of one entry, byte {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_entry_that_would_not_be_read_back_is_not_accepted() {
    let mut world = World::new(4);
    let mut entry = world.sign(world.admission(9, None), &[0, 1, 2]);
    let filler = entry.signatures[0].clone();
    entry.signatures.extend((0..11_000_u32).map(|number| {
        let mut signature = filler.clone();
        signature.signer.0 = [0xff; 32];
        signature.signer.0[..4].copy_from_slice(&number.to_be_bytes());
        signature
    }));
    assert!(matches!(world.refuse(entry), Rejected::TooLong { .. }));
}

#[test]
fn the_largest_genesis_fits_into_an_entry() {
    // As many founders as a federation may have, with the shortest names.
    let mut draft = draft(3);
    draft.founders = (0..5_000).map(|number| format!("c{number:04}")).collect();
    let mut members = founders(draft.founders.len());
    for (member, name) in members.iter_mut().zip(&draft.founders) {
        member.name.clone_from(name);
    }
    assert_eq!(draft.validate(), Ok(()));
    assert!(genesis(draft, members).encode().len() <= MAX_ENTRY_BYTES);
}

#[test]
fn receipts_are_read_back_and_verified() {
    let world = World::new(3);
    let coordinator = crate::world::identity(crate::world::COORDINATOR);
    let receipt = Receipt {
        federation: world.federation(),
        round: 1,
        participant: ParticipantId(2),
        root: [8; 32],
        entry_index: 4,
    };
    let signed = receipt.sign(&coordinator);
    let read = SignedReceipt::from_bytes(&signed.to_bytes()).expect("the same bytes");
    assert_eq!(read, signed);
    assert!(read.verify(&coordinator.public()));
    assert!(!read.verify(&crate::world::identity(0).public()));
    let mut other = read.clone();
    other.receipt.entry_index = 5;
    assert!(!other.verify(&coordinator.public()));
    let mut long = signed.to_bytes();
    long.push(0);
    assert_eq!(SignedReceipt::from_bytes(&long), None);
}

#[test]
fn entries_are_described_in_one_line_with_names() {
    let mut world = World::new(5);
    world.full_round();
    world.open();
    world.void();
    let lines: Vec<String> = world
        .log
        .iter()
        .map(|entry| world.state.describe(entry))
        .collect();
    assert!(
        lines
            .iter()
            .all(|line| !line.contains('\n') && !line.contains("unknown")),
        "{lines:#?}"
    );
    assert!(lines[0].contains("Company 0") && lines[0].contains("the coordinator"));
    assert!(
        lines[2].starts_with("round 1: Company 0 contributed 12288 bytes"),
        "{}",
        lines[2]
    );
    assert!(lines[2].ends_with("signed by Company 0"));
    assert!(lines.last().expect("entries").contains(
        "declared void by its committee: too few members of the committee answered in time"
    ));
}

#[test]
fn descriptions_of_unapplied_entries_write_nothing_odd_to_the_terminal() {
    let world = World::new(3);
    let name = "\u{1b}[2Jowned\n".to_owned();
    let entry = Entry::ParticipantAdmitted {
        name,
        key: crate::world::identity(9).public(),
        owner: None,
    };
    let line = world.state.describe(&world.sign(entry, &[77]));
    assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
    assert!(line.contains("unknown key"));
}

#[test]
fn the_length_of_an_entry_is_that_of_its_bytes() {
    let mut world = World::new(5);
    world.rated_round(|_, _| 1);
    for entry in &world.log {
        assert_eq!(entry.encoded_len(), entry.encode().len());
    }
}
