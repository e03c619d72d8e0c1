//! Snapshots of the ledger as they are made and handed out, from outside.

use std::time::{Duration, Instant};

use tonic::Status;
use unsilo_ledger::{LogSnapshot, SignedCheckpoint, snapshot::snapshot_hash, verify_consistency};
use unsilo_proto::{
    Code,
    v1::{SnapshotHeader, SnapshotRequest, snapshot_part::Part},
};

use crate::federation::{Federation, PATIENCE, code};

/// What is told and sent.
async fn ask(
    federation: &Federation,
    held: u64,
    hash: &[u8],
    offset: u64,
) -> Result<(SnapshotHeader, Vec<u8>), Status> {
    let request = SnapshotRequest {
        held,
        hash: hash.to_vec(),
        offset,
    };
    let reply = federation.companies[3].log().snapshot(request).await?;
    let mut stream = reply.into_inner();
    let first = stream.message().await?.expect("a header").part;
    let Some(Part::Header(header)) = first else {
        panic!("not a header: {first:?}");
    };
    let mut bytes = Vec::new();
    while let Some(part) = stream.message().await? {
        match part.part {
            Some(Part::Data(data)) => bytes.extend_from_slice(&data),
            other => panic!("not data: {other:?}"),
        }
    }
    Ok((header, bytes))
}

/// The header of the newest snapshot as soon as it is of so many entries.
async fn of_size(federation: &Federation, entries: u64) -> SnapshotHeader {
    let began = Instant::now();
    loop {
        match ask(federation, 0, &[], 0).await {
            Ok((header, bytes)) if header.entries == entries => {
                assert!(bytes.is_empty(), "only told");
                return header;
            }
            Ok((header, _)) => assert!(header.entries < entries, "of what nobody cosigned"),
            refused => assert_eq!(code(refused), Some(Code::NotFound)),
        }
        assert!(began.elapsed() < PATIENCE, "no snapshot was made");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_made_when_more_than_half_have_cosigned_and_handed_out_from_any_byte_on() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    let size = federation.companies[0].entries().await.size;
    for company in 0..2 {
        let request = federation.cosignature(company).await;
        assert_eq!(request.size, size);
        let taken = federation.companies[company].log().cosign(request).await;
        taken.expect("taken");
    }
    // Two of four owners are not enough, however long one waits: several ticks.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let none = ask(&federation, 0, &[], 0).await;
    assert_eq!(code(none), Some(Code::NotFound));
    let request = federation.cosignature(2).await;
    let taken = federation.companies[2].log().cosign(request).await;
    taken.expect("taken");

    let told = of_size(&federation, size).await;
    let (header, bytes) = ask(&federation, 1, &told.hash, 0)
        .await
        .expect("handed out");
    assert_eq!(
        (header.bytes, &header.hash),
        (bytes.len() as u64, &told.hash)
    );
    assert_eq!(snapshot_hash(&bytes).to_vec(), told.hash);
    let snapshot = LogSnapshot::from_bytes(&bytes).expect("whole");
    let coordinator = federation.draft.coordinator;
    let verified = snapshot
        .verify(&coordinator, &federation.id)
        .expect("right");
    assert_eq!(
        (verified.trust().owners, verified.trust().cosigners),
        (4, 3)
    );
    let books = federation.companies[0].state().await;
    assert_eq!(verified.state().root(), books.root());

    // The proof leads from what the caller holds.
    let reply = federation.companies[0].entries().await;
    let newest = SignedCheckpoint::parse(&reply.checkpoint, &coordinator).expect("signed");
    let proof: Vec<[u8; 32]> = header
        .consistency
        .iter()
        .map(|hash| hash.as_slice().try_into().expect("a hash"))
        .collect();
    let genesis = unsilo_ledger::leaf_hash(&reply.entries[0]);
    let root = newest.checkpoint().root;
    verify_consistency(&proof, 1, &genesis, size, &root).expect("one history");
    assert!(told.consistency.is_empty(), "the caller held nothing");

    // From a byte on; of another hash nothing but what there is instead.
    let half = bytes.len() / 2;
    for from in [0, 1, half, bytes.len()] {
        let (_, rest) = ask(&federation, 0, &told.hash, from as u64)
            .await
            .expect("handed out");
        assert_eq!(rest, bytes[from..], "from {from}");
    }
    let (instead, nothing) = ask(&federation, 0, &[7; 32], 9).await.expect("told");
    assert_eq!((instead.hash, nothing.len()), (told.hash.clone(), 0));
    let beyond = ask(&federation, 0, &told.hash, header.bytes + 1).await;
    assert_eq!(code(beyond), Some(Code::Malformed));
    let no_hash = ask(&federation, 0, &[7; 31], 0).await;
    assert_eq!(code(no_hash), Some(Code::Malformed));
    for held in [size, u64::MAX] {
        let (header, _) = ask(&federation, held, &[], 0).await.expect("told");
        assert!(header.consistency.is_empty(), "nothing follows {held}");
    }

    // The next process hands the same out, and nothing that is not of its log.
    let federation = federation.restart().await;
    assert_eq!(of_size(&federation, size).await.hash, told.hash);
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_on_disk_and_one_of_another_log_are_not_handed_out() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    federation.cosign_checkpoint().await;
    let size = federation.companies[0].entries().await.size;
    of_size(&federation, size).await;
    let path = federation.home.path().join("ledger.snapshot");
    let sound = std::fs::read(&path).expect("made");

    let mut other = Federation::open().await;
    other.complete_round().await;
    other.cosign_checkpoint().await;
    of_size(&other, other.companies[0].entries().await.size).await;
    let foreign = std::fs::read(other.home.path().join("ledger.snapshot")).expect("made");
    other.server.stop().await.expect("stops");

    let mut damaged = sound.clone();
    damaged[sound.len() / 2] ^= 1;
    let coordinator = federation.draft.coordinator;
    for wrong in [damaged, sound[..sound.len() - 1].to_vec(), foreign] {
        std::fs::write(&path, &wrong).expect("written");
        federation = federation.restart().await;
        // The log ends with a publication, of which another one can be made at once.
        let told = of_size(&federation, size).await;
        let (_, bytes) = ask(&federation, 0, &told.hash, 0)
            .await
            .expect("handed out");
        assert_ne!(bytes, wrong);
        let snapshot = LogSnapshot::from_bytes(&bytes).expect("whole");
        let verified = snapshot.verify(&coordinator, &federation.id).map(|_| ());
        assert_eq!(verified, Ok(()));
        assert_eq!(std::fs::read(&path).expect("there"), bytes);
    }
    federation.server.stop().await.expect("stops");
}
