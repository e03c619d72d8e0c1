//! Uploads with real contributions, cut, lied about and damaged in every way; and their sum.

use std::{fs, path::Path};

use unsilo_fhe::{
    CHUNK_BYTES, Committee, Contribution, Dealing, Entropy, LinearHasher, Params, ParamsLiteral,
    ProjectionTable, Projections, Q, RoundContext, RoundKeyPair, commitment, contribute, encode,
    root_of_chunks, weighted_digit_sum,
};
use unsilo_ledger::Hash;

use crate::payload::{Invalid, Payload};

use super::{Contributions, Header, UploadError, project_round, sum::SumError, sum_round};

const ROUND: u64 = 3;
const CONTEXT: RoundContext = RoundContext {
    federation: [1; 32],
    round: ROUND,
    model: [2; 32],
};
/// Not a divisor of a chunk, so parts and chunks never end together.
const PART: usize = 5_000;

fn params(parameters: u64) -> Params {
    Params::new(&ParamsLiteral {
        profile: "default".into(),
        parameters,
    })
    .expect("valid")
}

fn committee() -> Committee {
    let keys = (0..4)
        .map(|_| {
            let pair = RoundKeyPair::generate().expect("generated");
            unsilo_fhe::RoundPublicKey::from_bytes(pair.public().as_bytes()).expect("a key")
        })
        .collect();
    Committee::new(keys, 3).expect("valid")
}

fn made(params: &Params, participant: u32) -> Contribution {
    let update: Vec<f32> = (0..params.parameters())
        .map(|index| ((index as f32) * 0.01 + participant as f32).sin() * 0.01)
        .collect();
    let encoded = encode(params, &CONTEXT.federation, -14, &update, [3; 32]).expect("encodes");
    let committee = committee();
    let dealing = Dealing {
        params,
        context: &CONTEXT,
        participant,
        committee: &committee,
    };
    contribute(
        &dealing,
        encoded,
        Entropy::from_bytes([participant as u8; 32]),
    )
    .expect("made")
}

fn header(contribution: &Contribution) -> Header {
    Header {
        root: contribution.commitment.root,
        entry: vec![7; 100],
        sealed_shares: contribution.sealed_shares.clone(),
        linear_hash: contribution.linear_hash.to_bytes(),
    }
}

struct Fixture {
    directory: tempfile::TempDir,
    params: Params,
    contribution: Contribution,
}

impl Fixture {
    fn new() -> Self {
        let params = params(2_000);
        Self {
            directory: tempfile::tempdir().expect("made"),
            params,
            contribution: made(&params, 1),
        }
    }

    /// As after a restart: nothing but the files.
    fn store(&self) -> Contributions {
        Contributions::open(self.directory.path().join("contributions")).expect("opened")
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory
            .path()
            .join(format!("contributions/round-{ROUND}/{name}"))
    }

    fn stored(&self) -> u64 {
        self.store()
            .stored_bytes(ROUND, 1, &self.contribution.commitment.root)
    }

    /// Sends `bytes` from `offset` on, and finishes.
    fn send(&self, header: Header, offset: u64, bytes: &[u8]) -> Result<(), UploadError> {
        let store = self.store();
        let mut upload = store.upload(Payload::Encrypted(self.params), ROUND, 1, header, offset)?;
        for part in bytes.chunks(PART) {
            upload.write(part)?;
        }
        upload.finish(&CONTEXT)
    }

    fn is_stored_whole(&self) {
        let store = self.store();
        assert!(store.is_complete(ROUND, 1));
        assert_eq!(
            fs::read(self.path("1.ciphertext")).expect("there"),
            self.contribution.ciphertext
        );
        let leaves = store.leaves(ROUND, 1).expect("there");
        assert_eq!(leaves.chunks_root, self.contribution.commitment.chunks_root);
        assert_eq!(leaves.linear_hash, self.contribution.linear_hash.to_bytes());
        assert!(store.header(ROUND, 1).expect("there") == header(&self.contribution));
    }
}

#[test]
fn an_upload_goes_on_after_a_cut_at_any_part() {
    let bytes = Fixture::new().contribution.ciphertext.len();
    for cut in (0..=bytes).step_by(PART).chain([bytes - 1, bytes]) {
        let fixture = Fixture::new();
        let ciphertext = &fixture.contribution.ciphertext;
        let result = fixture.send(header(&fixture.contribution), 0, &ciphertext[..cut]);
        if cut < bytes {
            assert!(
                matches!(result, Err(UploadError::Truncated { stored, .. }) if stored == cut as u64)
            );
            assert_eq!(fixture.stored(), cut as u64);
            fixture
                .send(
                    header(&fixture.contribution),
                    cut as u64,
                    &ciphertext[cut..],
                )
                .expect("goes on");
        }
        fixture.is_stored_whole();
        // A sender that did not get its receipt asks again: all is there.
        assert_eq!(fixture.stored(), bytes as u64);
        fixture
            .send(header(&fixture.contribution), bytes as u64, &[])
            .expect("nothing is missing");
        fixture.is_stored_whole();
    }
}

#[test]
fn an_offset_that_is_not_what_is_stored_is_refused_and_changes_nothing() {
    let fixture = Fixture::new();
    let ciphertext = &fixture.contribution.ciphertext;
    let _ = fixture.send(header(&fixture.contribution), 0, &ciphertext[..PART]);
    for lie in [0, PART as u64 - 1, PART as u64 + 1, u64::MAX] {
        let refused = fixture.send(header(&fixture.contribution), lie, ciphertext);
        assert!(
            matches!(refused, Err(UploadError::Offset { stored, offset }) if stored == PART as u64 && offset == lie)
        );
        assert_eq!(fixture.stored(), PART as u64);
    }
    let other = Fixture::new();
    let refused = other.send(header(&other.contribution), 1, ciphertext);
    assert!(matches!(
        refused,
        Err(UploadError::Offset { stored: 0, .. })
    ));
}

#[test]
fn more_bytes_than_the_parameters_ask_for_are_not_kept() {
    let fixture = Fixture::new();
    let ciphertext = &fixture.contribution.ciphertext;
    let mut long = ciphertext.clone();
    long.push(0);
    let refused = fixture.send(header(&fixture.contribution), 0, &long);
    assert!(matches!(refused, Err(UploadError::TooLong { .. })));
    let kept = fixture.stored();
    assert!(kept <= ciphertext.len() as u64);
    fixture
        .send(
            header(&fixture.contribution),
            kept,
            &ciphertext[kept as usize..],
        )
        .expect("goes on with the right bytes");
    fixture.is_stored_whole();
    // Of a complete contribution not a byte can be changed.
    let refused = fixture.send(header(&fixture.contribution), ciphertext.len() as u64, &[0]);
    assert!(matches!(refused, Err(UploadError::TooLong { .. })));
    fixture.is_stored_whole();
}

/// The root over these bytes, and their linear hash.
fn signed_for(params: &Params, bytes: &[u8], shares: &[Vec<u8>]) -> (Hash, Vec<u8>) {
    let mut hasher = LinearHasher::new(params);
    hasher.update(bytes);
    let linear_hash = hasher.finish().expect("whole");
    let signed = commitment(params, &CONTEXT, 1, bytes, shares).expect("whole");
    (signed.root, linear_hash.to_bytes())
}

#[test]
fn a_linear_hash_of_another_ciphertext_is_refused_although_it_was_signed() {
    let fixture = Fixture::new();
    let other = made(&fixture.params, 2).linear_hash;
    let hashes: Vec<_> = fixture
        .contribution
        .sealed_shares
        .iter()
        .map(|sealed| unsilo_fhe::commit::share_hash(sealed))
        .collect();
    let signed = unsilo_fhe::ContributionCommitment::new(
        &fixture.params,
        &CONTEXT,
        1,
        fixture.contribution.commitment.chunks_root,
        &hashes,
        &other.digest(),
    );
    let header = Header {
        root: signed.root,
        linear_hash: other.to_bytes(),
        ..header(&fixture.contribution)
    };
    let refused = fixture
        .send(header, 0, &fixture.contribution.ciphertext)
        .expect_err("it would spoil every sum that it is in");
    assert!(matches!(refused, UploadError::LinearHash));
    assert!(refused.to_string().contains("linear hash"), "{refused}");
    assert_eq!(fixture.stored(), 0);
}

#[test]
fn bytes_that_were_not_signed_are_removed() {
    let fixture = Fixture::new();
    let mut altered = fixture.contribution.ciphertext.clone();
    altered[7] ^= 1;
    let mut swapped = fixture.contribution.ciphertext.clone();
    swapped.rotate_left(CHUNK_BYTES);
    for bytes in [altered, swapped] {
        let refused = fixture.send(header(&fixture.contribution), 0, &bytes);
        assert!(matches!(refused, Err(UploadError::LinearHash)));
        // Also with the linear hash of what was sent: it is not what was signed.
        let signed = signed_for(&fixture.params, &bytes, &fixture.contribution.sealed_shares);
        let of_these = Header {
            linear_hash: signed.1,
            ..header(&fixture.contribution)
        };
        let refused = fixture.send(of_these, 0, &bytes);
        assert!(matches!(refused, Err(UploadError::Root)));
        assert_eq!(fixture.stored(), 0);
        assert!(!fixture.store().is_complete(ROUND, 1));
    }
    let mut other_root = header(&fixture.contribution);
    other_root.root[0] ^= 1;
    let refused = fixture.send(other_root, 0, &fixture.contribution.ciphertext);
    assert!(matches!(refused, Err(UploadError::Root)));
    let mut other_share = header(&fixture.contribution);
    other_share.sealed_shares[1][0] ^= 1;
    let refused = fixture.send(other_share, 0, &fixture.contribution.ciphertext);
    assert!(matches!(refused, Err(UploadError::Root)));
    fixture
        .send(
            header(&fixture.contribution),
            0,
            &fixture.contribution.ciphertext,
        )
        .expect("the right bytes are taken afterwards");
    fixture.is_stored_whole();
}

#[test]
fn a_coefficient_of_q_or_more_is_refused_although_it_was_signed() {
    let fixture = Fixture::new();
    for (at, value) in [(0, Q), (5 * CHUNK_BYTES / 2, (1 << 48) - 1)] {
        let mut bytes = fixture.contribution.ciphertext.clone();
        bytes[at..at + 6].copy_from_slice(&value.to_le_bytes()[..6]);
        let shares = &fixture.contribution.sealed_shares;
        let (root, linear_hash) = signed_for(&fixture.params, &bytes, shares);
        let header = Header {
            root,
            linear_hash,
            ..header(&fixture.contribution)
        };
        let refused = fixture.send(header, 0, &bytes);
        assert!(
            matches!(refused, Err(UploadError::Invalid(Invalid::Ciphertext(_)))),
            "{at}"
        );
        assert!(!fixture.store().is_complete(ROUND, 1));
    }
}

#[test]
fn a_changed_header_starts_from_nothing() {
    let fixture = Fixture::new();
    let ciphertext = &fixture.contribution.ciphertext;
    let _ = fixture.send(header(&fixture.contribution), 0, &ciphertext[..2 * PART]);
    // The same root with other shares: never continued, whatever the sender says is stored.
    let mut other = header(&fixture.contribution);
    other.sealed_shares[0].push(0);
    let refused = fixture.send(other.clone(), 2 * PART as u64, &ciphertext[2 * PART..]);
    assert!(matches!(
        refused,
        Err(UploadError::Offset { stored: 0, .. })
    ));
    assert_eq!(fixture.stored(), 2 * PART as u64, "asking changed nothing");
    // Another root replaces it: a participant may encrypt anew as long as nothing is committed.
    let _ = fixture.send(other, 0, &ciphertext[..PART]);
    let again = fixture.send(header(&fixture.contribution), 0, ciphertext);
    again.expect("from the start");
    fixture.is_stored_whole();
}

#[test]
fn whatever_a_crash_leaves_behind_the_sender_can_go_on() {
    let bytes = Fixture::new().contribution.ciphertext.len();
    type Crash = fn(&Fixture);
    let crashes: [(&str, Crash, usize); 6] = [
        (
            "before the part was made",
            |fixture| remove(&fixture.path("1.part")),
            0,
        ),
        (
            "while the header was written",
            |fixture| {
                remove(&fixture.path("1.part"));
                remove(&fixture.path("1.header"));
                write(&fixture.path("1.new"), b"half");
            },
            0,
        ),
        (
            "with a header that is cut off",
            |fixture| write(&fixture.path("1.header"), b"cut"),
            0,
        ),
        (
            "after the last byte, before the check",
            |fixture| write(&fixture.path("1.part"), &fixture.contribution.ciphertext),
            usize::MAX,
        ),
        (
            "after the check, before the rename",
            |fixture| {
                write(&fixture.path("1.part"), &fixture.contribution.ciphertext);
                write(&fixture.path("1.leaves"), b"of an earlier check");
            },
            usize::MAX,
        ),
        (
            "with a part that is longer than any contribution",
            |fixture| write(&fixture.path("1.part"), &vec![0; 1 << 20]),
            0,
        ),
    ];
    for (when, crash, stored) in crashes {
        let fixture = Fixture::new();
        let ciphertext = &fixture.contribution.ciphertext;
        let _ = fixture.send(header(&fixture.contribution), 0, &ciphertext[..PART]);
        crash(&fixture);
        let from = stored.min(bytes);
        fixture
            .send(
                header(&fixture.contribution),
                from as u64,
                &ciphertext[from..],
            )
            .unwrap_or_else(|error| panic!("{when}: {error}"));
        fixture.is_stored_whole();
    }
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("removed");
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("written");
}

/// A store with complete contributions of `participants` companies, and their ciphertexts.
fn filled(params: &Params, participants: u32) -> (tempfile::TempDir, Contributions, Vec<Vec<u8>>) {
    let directory = tempfile::tempdir().expect("made");
    let store = Contributions::open(directory.path().join("contributions")).expect("opened");
    let ciphertexts = (1..=participants)
        .map(|participant| {
            let contribution = made(params, participant);
            let mut upload = store
                .upload(
                    Payload::Encrypted(*params),
                    ROUND,
                    participant,
                    header(&contribution),
                    0,
                )
                .expect("starts");
            upload.write(&contribution.ciphertext).expect("written");
            upload.finish(&CONTEXT).expect("finished");
            contribution.ciphertext
        })
        .collect();
    (directory, store, ciphertexts)
}

#[test]
fn the_sum_of_many_chunks_is_that_of_the_whole_ciphertexts() {
    // 302 chunks: more ranges than threads on any machine, and the last one is not full.
    let params = params(300 * 2048);
    let (_directory, store, ciphertexts) = filled(&params, 3);
    let weights = [(1, 16), (2, 0), (3, 256)];
    let hash = sum_round(&store, Payload::Encrypted(params), ROUND, &weights, || {
        false
    })
    .expect("summed");
    let terms: Vec<_> = ciphertexts
        .iter()
        .zip(weights)
        .map(|(ciphertext, (_, weight))| (&ciphertext[..], weight))
        .collect();
    let naive = weighted_digit_sum(params.chunks(), &terms).expect("summed");
    let file = fs::read(store.sum_path(ROUND)).expect("there");
    assert!(file == naive.as_bytes(), "the file is the sum");
    assert_eq!(hash, unsilo_proto::sum_hash(&file));
    let again = sum_round(&store, Payload::Encrypted(params), ROUND, &weights, || {
        false
    })
    .expect("summed");
    assert_eq!(hash, again, "the same however often");
}

#[test]
fn a_sum_names_what_is_missing_or_damaged_and_leaves_the_old_one() {
    let params = params(2_000);
    let (_directory, store, _) = filled(&params, 2);
    let sum = |weights: &[(u32, u16)]| {
        sum_round(&store, Payload::Encrypted(params), ROUND, weights, || false)
    };
    let before: Hash = sum(&[(1, 16), (2, 16)]).expect("summed");
    let missing = sum(&[(1, 16), (9, 16)]).expect_err("participant 9 sent nothing");
    assert!(missing.to_string().contains("9.ciphertext"), "{missing}");
    let path = store.ciphertext_path(ROUND, 2);
    let intact = fs::read(&path).expect("there");
    assert!(
        store
            .is_intact(Payload::Encrypted(params), ROUND, 2)
            .expect("read")
    );
    let mut damaged = intact.clone();
    damaged[..6].fill(0xff);
    write(&path, &damaged);
    // Any bytes have digits: that this one changed is seen by its hashes, which name it.
    sum(&[(1, 16), (2, 16)]).expect("summed");
    assert!(
        !store
            .is_intact(Payload::Encrypted(params), ROUND, 2)
            .expect("read")
    );
    assert!(
        store
            .is_intact(Payload::Encrypted(params), ROUND, 1)
            .expect("read")
    );
    write(&path, &intact);
    assert_eq!(sum(&[(1, 16), (2, 16)]).expect("summed"), before);
    write(&path, &intact[..100]);
    let error = sum(&[(1, 16), (2, 16)]).expect_err("cut off");
    assert!(error.to_string().contains("2.ciphertext"), "{error}");
    let stopped = sum_round(
        &store,
        Payload::Encrypted(params),
        ROUND,
        &[(1, 16)],
        || true,
    );
    assert!(matches!(stopped, Err(SumError::Stopped)));
    let kept = fs::read(store.sum_path(ROUND)).expect("there");
    assert_eq!(unsilo_proto::sum_hash(&kept), before);
}

#[test]
fn old_contributions_go_and_what_their_sum_is_verified_with_stays_longer() {
    let params = params(2_000);
    let (_directory, store, _) = filled(&params, 2);
    project(&store, &params, &[1, 2]).expect("projected");
    sum_round(
        &store,
        Payload::Encrypted(params),
        ROUND,
        &[(1, 16), (2, 16)],
        || false,
    )
    .expect("summed");
    store.discard_before(ROUND, 0, |_, _| false);
    assert!(store.is_complete(ROUND, 1), "this round is not old");
    let disputed = |round, participant| (round, participant) == (ROUND, 1);
    store.discard_before(ROUND + 1, ROUND, disputed);
    assert!(store.is_complete(ROUND, 1), "evidence is checked with it");
    assert!(!store.is_complete(ROUND, 2));
    assert!(store.header(ROUND, 1).is_err() && store.header(ROUND, 2).is_err());
    assert!(store.leaves(ROUND, 1).is_ok() && store.leaves(ROUND, 2).is_ok());
    assert!(store.sum_path(ROUND).exists() && store.projections_path(ROUND).exists());
    store.discard_before(ROUND + 1, ROUND + 1, disputed);
    assert!(!store.sum_path(ROUND).exists() && store.leaves(ROUND, 1).is_err());
}

fn project(store: &Contributions, params: &Params, participants: &[u32]) -> Result<Hash, SumError> {
    let projections = Projections::new(params, &CONTEXT, [5; 32]);
    project_round(store, &projections, ROUND, participants, || false)
}

#[test]
fn the_projections_of_stored_contributions_are_those_of_whole_ciphertexts() {
    let params = params(300 * 2048);
    let (_directory, store, ciphertexts) = filled(&params, 3);
    let hash = project(&store, &params, &[1, 2, 3]).expect("projected");
    let projections = Projections::new(&params, &CONTEXT, [5; 32]);
    let rows = (1..).zip(&ciphertexts).map(|(id, ciphertext)| {
        let row = unsilo_fhe::project(&projections, ciphertext).expect("a ciphertext");
        (id, row)
    });
    let table = ProjectionTable::new(rows.collect()).expect("a table");
    let file = fs::read(store.projections_path(ROUND)).expect("there");
    assert!(file == table.to_bytes());
    assert_eq!(hash, table.hash());
    // A table from before a restart is taken as it is; a damaged one is made again.
    assert_eq!(project(&store, &params, &[1, 2, 3]).expect("there"), hash);
    write(&store.projections_path(ROUND), &file[..100]);
    assert_eq!(project(&store, &params, &[1, 2, 3]).expect("again"), hash);
    let stopped = {
        remove(&store.projections_path(ROUND));
        project_round(&store, &projections, ROUND, &[1, 2, 3], || true)
    };
    assert!(matches!(stopped, Err(SumError::Stopped)));
}

#[test]
fn projecting_names_a_contribution_that_is_missing_or_damaged() {
    let params = params(2_000);
    let (_directory, store, _) = filled(&params, 2);
    let missing = project(&store, &params, &[1, 9]).expect_err("participant 9 sent nothing");
    assert!(missing.to_string().contains("9.ciphertext"), "{missing}");
    let path = store.ciphertext_path(ROUND, 2);
    let whole = fs::read(&path).expect("there");
    // A word that is none, and one bit: projected, that would be a contribution out of range, and its company's fault.
    for (bytes, value) in [(0..6, 0xff), (20_000..20_001, whole[20_000] ^ 1)] {
        let mut damaged = whole.clone();
        damaged[bytes].fill(value);
        write(&path, &damaged);
        let error = project(&store, &params, &[1, 2]).expect_err("damaged");
        assert!(matches!(error, SumError::Unreadable { participant: 2, .. }));
        assert!(!store.projections_path(ROUND).exists());
    }
}

#[test]
fn some_chunks_are_shown_to_be_signed_also_when_the_kept_hashes_are_lost_or_damaged() {
    let fixture = Fixture::new();
    let contribution = &fixture.contribution;
    fixture
        .send(header(contribution), 0, &contribution.ciphertext)
        .expect("taken");
    let chunks = [0, 2];
    let shown = || {
        let payload = Payload::Encrypted(fixture.params);
        let store = fixture.store();
        let found = store.some_chunks(payload, (ROUND, 1), &chunks);
        let found = found.expect("read").expect("there are such");
        let root = root_of_chunks(&fixture.params, &chunks, &found.bytes, &found.paths);
        (root, found)
    };
    let (root, first) = shown();
    assert_eq!(root, Some(contribution.commitment.chunks_root));
    assert_eq!(
        first.bytes[CHUNK_BYTES..],
        contribution.ciphertext[2 * CHUNK_BYTES..3 * CHUNK_BYTES]
    );
    let kept = fs::read(fixture.path("1.chunks")).expect("kept with the upload");
    let mut damaged = kept.clone();
    damaged[40] ^= 1;
    for content in [None, Some(&kept[..32]), Some(&damaged[..])] {
        match content {
            None => fs::remove_file(fixture.path("1.chunks")).expect("removed"),
            Some(bytes) => fs::write(fixture.path("1.chunks"), bytes).expect("written"),
        }
        assert_eq!(shown().1, first);
        assert_eq!(
            fs::read(fixture.path("1.chunks")).expect("made again"),
            kept
        );
    }
    let none = |chunks: &[usize]| {
        let payload = Payload::Encrypted(fixture.params);
        let found = fixture.store().some_chunks(payload, (ROUND, 1), chunks);
        found.expect("read").is_none()
    };
    assert!(none(&[2, 0]) && none(&[3]) && none(&[]) && none(&[1, 1]));
}
