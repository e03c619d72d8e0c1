//! RFC 6962 and C2SP known answers.

use crate::world::{COORDINATOR, World, identity};
use data_encoding::HEXLOWER;
use unsilo_ledger::{
    Checkpoint, CheckpointError, FederationId, Hash, ProofError, Replica, SignedCheckpoint,
    leaf_hash, verify_consistency, verify_inclusion,
};

fn hash(hex: &str) -> Hash {
    HEXLOWER
        .decode(hex.as_bytes())
        .expect("hex")
        .try_into()
        .expect("32 bytes")
}

/// The eight leaves of the tests of the Certificate Transparency reference implementation.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOT_OF_8: &str = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";

#[test]
fn leaf_hashes_are_those_of_rfc_6962() {
    assert_eq!(
        leaf_hash(b""),
        hash("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
    );
    assert_eq!(
        leaf_hash(b"L123456"),
        hash("395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56")
    );
}

#[test]
fn inclusion_proofs_are_those_of_rfc_6962() {
    let leaf = |index: usize| HEXLOWER.decode(LEAVES[index].as_bytes()).expect("hex");
    let proof = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    .map(hash);
    assert_eq!(
        verify_inclusion(&proof, 8, &hash(ROOT_OF_8), 0, &leaf(0)),
        Ok(())
    );
    assert_eq!(
        verify_inclusion(&proof, 8, &hash(ROOT_OF_8), 1, &leaf(0)),
        Err(ProofError::Invalid)
    );
    assert_eq!(
        verify_inclusion(&proof, 8, &hash(ROOT_OF_8), 0, &leaf(1)),
        Err(ProofError::Invalid)
    );
    assert_eq!(
        verify_inclusion(&proof[..2], 8, &hash(ROOT_OF_8), 0, &leaf(0)),
        Err(ProofError::Invalid)
    );
    assert_eq!(
        verify_inclusion(&proof, 8, &hash(ROOT_OF_8), 8, &leaf(0)),
        Err(ProofError::OutOfRange { asked: 8, size: 8 })
    );
}

#[test]
fn consistency_proofs_are_those_of_rfc_6962() {
    let old = hash("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    let proof = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    .map(hash);
    assert_eq!(
        verify_consistency(&proof, 1, &old, 8, &hash(ROOT_OF_8)),
        Ok(())
    );
    assert_eq!(
        verify_consistency(&proof, 2, &old, 8, &hash(ROOT_OF_8)),
        Err(ProofError::Invalid)
    );
    assert_eq!(
        verify_consistency(&[], 1, &old, 8, &hash(ROOT_OF_8)),
        Err(ProofError::Invalid)
    );
    let empty = hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(
        verify_consistency(&[], 0, &empty, 8, &hash(ROOT_OF_8)),
        Ok(())
    );
    assert_eq!(
        verify_consistency(&[], 0, &old, 8, &hash(ROOT_OF_8)),
        Err(ProofError::Invalid)
    );
}

#[test]
fn long_and_extreme_proofs_are_refused_without_panic() {
    let zero = [0; 32];
    for size in [1, 2, u64::MAX, u64::MAX - 1, 1 << 63, 1 << 40] {
        assert!(verify_inclusion(&[zero; 65], size, &zero, 0, b"").is_err());
        assert!(verify_inclusion(&vec![zero; 100_000], size, &zero, size - 1, b"").is_err());
        assert!(verify_consistency(&[zero; 65], 1, &zero, size, &hash(ROOT_OF_8)).is_err());
        assert!(verify_consistency(&[zero; 65], size, &zero, size, &hash(ROOT_OF_8)).is_err());
    }
}

#[test]
fn every_entry_and_every_size_has_a_proof() {
    let mut world = World::new(4);
    let coordinator = identity(COORDINATOR);
    let mut replica = Replica::new(coordinator.public(), None);
    for _ in 0..3 {
        world.full_round();
    }
    let mut roots = vec![replica.root()];
    for entry in &world.log {
        replica
            .append(std::slice::from_ref(entry), &coordinator)
            .expect("allowed");
        roots.push(replica.root());
    }
    let size = replica.len();
    for new in 1..=size {
        let root = &roots[new as usize];
        for index in 0..new {
            let entry = world.log[index as usize].encode();
            let proof = replica.prove_inclusion(index, new).expect("in range");
            assert_eq!(verify_inclusion(&proof, new, root, index, &entry), Ok(()));
        }
        for old in 0..=new {
            let proof = replica.prove_consistency(old, new).expect("in range");
            assert_eq!(
                verify_consistency(&proof, old, &roots[old as usize], new, root),
                Ok(())
            );
        }
    }
    assert!(replica.prove_inclusion(size, size).is_err());
    assert!(replica.prove_inclusion(0, size + 1).is_err());
    assert!(replica.prove_consistency(2, 1).is_err());
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        federation: FederationId([1; 32]),
        size: 42,
        root: [2; 32],
        state_root: [3; 32],
    }
}

#[test]
fn a_checkpoint_is_a_c2sp_note_with_the_state_root() {
    let coordinator = identity(COORDINATOR);
    let signed = checkpoint().sign(&coordinator).expect("well-formed");
    let origin = format!("unsilo/{}", "01".repeat(32));
    let lines: Vec<&str> = signed.note().lines().collect();
    assert_eq!(lines[0], origin);
    assert_eq!(lines[1], "42");
    assert_eq!(lines[2], "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=");
    assert_eq!(
        lines[3],
        "state AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="
    );
    assert_eq!(lines[4], "");
    assert!(lines[5].starts_with(&format!("— {origin} ")));
    let read = SignedCheckpoint::parse(signed.note(), &coordinator.public()).expect("signed");
    assert_eq!(read, signed);
    assert_eq!(*read.checkpoint(), checkpoint());
}

#[test]
fn the_standard_verifier_of_signed_note_accepts_it() {
    let coordinator = identity(COORDINATOR);
    let signed = checkpoint().sign(&coordinator).expect("well-formed");
    let key = ed25519_dalek::VerifyingKey::from_bytes(&coordinator.public().0).expect("a key");
    let encoded =
        signed_note::new_ed25519_verifier_key(&Checkpoint::origin(&checkpoint().federation), &key);
    let verifier = signed_note::StandardVerifier::new(&encoded).expect("well-formed");
    let note = signed_note::Note::from_bytes(signed.note().as_bytes()).expect("a note");
    let (verified, others) = note
        .verify(&signed_note::VerifierList::new(vec![Box::new(verifier)]))
        .expect("signed");
    assert_eq!((verified.len(), others.len()), (1, 0));
}

#[test]
fn altered_notes_are_refused() {
    let coordinator = identity(COORDINATOR);
    let note = checkpoint()
        .sign(&coordinator)
        .expect("well-formed")
        .note()
        .to_owned();
    let key = coordinator.public();
    let not_signed = Err(CheckpointError::NotSigned { coordinator: key });
    assert_eq!(
        SignedCheckpoint::parse(&note.replace("\n42\n", "\n43\n"), &key),
        not_signed
    );
    assert_eq!(
        SignedCheckpoint::parse(&note.replace("state Aw", "state Bw"), &key),
        not_signed
    );
    let other = identity(3).public();
    assert_eq!(
        SignedCheckpoint::parse(&note, &other),
        Err(CheckpointError::NotSigned { coordinator: other })
    );
    for broken in [
        "",
        "\n",
        "x\n\n",
        &note[1..],
        &note[..note.len() - 1],
        &note.replace("state ", "stat "),
    ] {
        assert!(SignedCheckpoint::parse(broken, &key).is_err(), "{broken:?}");
    }
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(changed) = String::from_utf8(bytes) {
            assert!(
                SignedCheckpoint::parse(&changed, &key).is_err(),
                "byte {at}"
            );
        }
    }
    let long = format!("{note}{}", "— x AAAAAAAAAAAA\n".repeat(40_000));
    assert!(matches!(
        SignedCheckpoint::parse(&long, &key),
        Err(CheckpointError::TooLong { .. })
    ));
}

#[test]
fn witnesses_may_sign_below_the_coordinator() {
    let coordinator = identity(COORDINATOR);
    let note = checkpoint()
        .sign(&coordinator)
        .expect("well-formed")
        .note()
        .to_owned();
    let witnessed = format!("{note}— witness AAAAAAAAAAAA\n");
    assert!(SignedCheckpoint::parse(&witnessed, &coordinator.public()).is_ok());
}
