//! Uploads and a whole round over the wire.

use tonic::Code as GrpcCode;
use unsilo_fhe::{CHUNK_BYTES, commitment};
use unsilo_ledger::{Entry, SignedEntry};
use unsilo_proto::{
    Code, limits,
    v1::{
        ContributionHeader, OfferSeatRequest, OpenRequest, SharesRequest, StepsRequest,
        UploadStateRequest, step::Kind,
    },
};

use crate::federation::{Federation, ciphertext_part, code, header_part};

fn no_bytes() -> Vec<unsilo_proto::v1::ContributePart> {
    Vec::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rounds_run_over_the_wire_and_a_restart_in_each_step_loses_nothing() {
    let mut federation = Federation::open().await;
    for company in 0..2 {
        let made = federation.contribution(company, 9).await;
        federation
            .send(company, made.header, &made.ciphertext)
            .await
            .expect("taken");
    }
    federation = federation.restart().await;
    for company in 2..4 {
        let made = federation.contribution(company, 9).await;
        federation
            .send(company, made.header, &made.ciphertext)
            .await
            .expect("taken");
    }
    federation = federation.restart().await;
    federation.cosign().await;
    federation = federation.restart().await;
    federation.judge().await;
    federation = federation.restart().await;
    federation.open_sum().await;
    federation.companies[0]
        .step(|kind| matches!(kind, Kind::Publishing(_)))
        .await;
    federation = federation.restart().await;
    federation.open_sum().await;
    federation.publish().await;

    federation.offer_seats().await;
    federation.complete_round().await;
    let step = federation.companies[0]
        .step(|kind| matches!(kind, Kind::Resting(_)))
        .await;
    assert!(matches!(step, Kind::Resting(resting) if resting.finished));
    let state = federation.companies[0].state().await;
    assert_eq!(state.history().len(), 2);
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_is_checked_before_a_byte_is_stored() {
    let federation = Federation::open().await;
    let made = federation.contribution(0, 1).await;
    let good = made.header.clone();
    let send = |header: ContributionHeader| federation.send(0, header, &made.ciphertext);

    let first = vec![ciphertext_part(&[0; 10])];
    assert_eq!(
        code(federation.send_parts(0, first).await),
        Some(Code::OutOfOrder)
    );
    assert_eq!(
        code(federation.send_parts(0, no_bytes()).await),
        Some(Code::OutOfOrder)
    );
    let header = ContributionHeader {
        round: 2,
        ..good.clone()
    };
    assert_eq!(code(send(header).await), Some(Code::WrongRound));
    let header = ContributionHeader {
        entry: vec![1, 2, 3],
        ..good.clone()
    };
    assert_eq!(code(send(header).await), Some(Code::Malformed));
    let mut header = good.clone();
    header.sealed_shares.pop();
    assert_eq!(code(send(header).await), Some(Code::Malformed));
    let mut header = good.clone();
    header.linear_hash.pop();
    assert_eq!(code(send(header).await), Some(Code::Malformed));
    let mut header = good.clone();
    header.sealed_shares[0].push(0);
    assert_eq!(code(send(header).await), Some(Code::Malformed));
    let mut header = good.clone();
    header.sealed_shares[0] = vec![0; limits::SEALED_SHARE_BYTES + 1];
    assert_eq!(code(send(header).await), Some(Code::TooLarge));
    // Another's entry, another round's, a wrong number of bytes, a bad signature.
    let others = federation.contribution(1, 1).await;
    assert_eq!(code(send(others.header).await), Some(Code::Malformed));
    let state = federation.companies[0].state().await;
    let changed = |change: &dyn Fn(&mut u64, &mut u64)| {
        let signed = SignedEntry::decode(&good.entry).expect("an entry");
        let Entry::ContributionCommitted {
            mut round,
            participant,
            root,
            mut bytes,
        } = signed.entry
        else {
            unreachable!("a contribution");
        };
        change(&mut round, &mut bytes);
        let entry = Entry::ContributionCommitted {
            round,
            participant,
            root,
            bytes,
        };
        let identity = &federation.companies[0].identity;
        ContributionHeader {
            entry: SignedEntry::signed_by(entry, &federation.id, &[identity]).encode(),
            ..good.clone()
        }
    };
    assert_eq!(
        code(send(changed(&|round, _| *round = 9)).await),
        Some(Code::WrongRound)
    );
    assert_eq!(
        code(send(changed(&|_, bytes| *bytes += 1)).await),
        Some(Code::Malformed)
    );
    let mut forged = SignedEntry::decode(&good.entry).expect("an entry");
    forged.signatures[0].signature[3] ^= 1;
    let header = ContributionHeader {
        entry: forged.encode(),
        ..good.clone()
    };
    assert_eq!(code(send(header).await), Some(Code::LedgerRefused));
    let header = ContributionHeader {
        offset: 1,
        ..good.clone()
    };
    assert_eq!(code(send(header).await), Some(Code::OutOfOrder));
    let after = federation.companies[0].state().await;
    assert_eq!(state.root(), after.root(), "nothing is on the ledger");
    let request = UploadStateRequest {
        round: 1,
        root: made.root.to_vec(),
    };
    let stored = federation.companies[0]
        .rounds()
        .upload_state(request)
        .await
        .expect("answered")
        .into_inner();
    assert_eq!((stored.stored, stored.receipt), (0, None));
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_out_of_order_too_many_or_too_few_are_refused_and_the_rest_goes_on() {
    let federation = Federation::open().await;
    let made = federation.contribution(0, 1).await;
    let upload_state = || async {
        let request = UploadStateRequest {
            round: 1,
            root: made.root.to_vec(),
        };
        federation.companies[0]
            .rounds()
            .upload_state(request)
            .await
            .expect("answered")
            .into_inner()
    };

    let mut swapped = made.ciphertext.clone();
    swapped.rotate_left(CHUNK_BYTES);
    let refused = federation.send(0, made.header.clone(), &swapped).await;
    assert_eq!(code(refused), Some(Code::LinearHashDiffers));
    assert_eq!(upload_state().await.stored, 0);

    let mut large = made.ciphertext.clone();
    large[..6].fill(0xff);
    let shares = &made.header.sealed_shares;
    let state = federation.companies[0].state().await;
    let context = unsilo_fhe::RoundContext {
        federation: federation.id.0,
        round: 1,
        model: state.model().expect("founded"),
    };
    let id = state
        .participant_by_key(&federation.companies[0].identity.public())
        .expect("admitted")
        .id;
    let signed = commitment(&federation.params, &context, id.0, &large, shares).expect("whole");
    let company = &federation.companies[0];
    let linear_hash = made.header.linear_hash.clone();
    let bad = federation.package(
        company,
        &state,
        (large, linear_hash),
        shares.clone(),
        signed.root,
    );
    let refused = federation.send(0, bad.header, &bad.ciphertext).await;
    assert_eq!(code(refused), Some(Code::ContributionInvalid));

    // Cut in the middle: what arrived is kept.
    let refused = federation
        .send(0, made.header.clone(), &made.ciphertext[..20_000])
        .await;
    assert_eq!(code(refused), Some(Code::OutOfOrder));
    assert_eq!(upload_state().await.stored, 20_000);
    let again = ContributionHeader {
        offset: 20_000,
        ..made.header.clone()
    };
    let two_headers = vec![
        header_part(again.clone()),
        ciphertext_part(&made.ciphertext[20_000..25_000]),
        header_part(again),
    ];
    assert_eq!(
        code(federation.send_parts(0, two_headers).await),
        Some(Code::OutOfOrder)
    );
    assert_eq!(upload_state().await.stored, 25_000);
    let rest = ContributionHeader {
        offset: 25_000,
        ..made.header.clone()
    };
    let mut too_long = made.ciphertext[25_000..].to_vec();
    too_long.push(0);
    let refused = federation.send(0, rest, &too_long).await;
    assert_eq!(code(refused), Some(Code::TooLarge));
    let stored = upload_state().await.stored;
    let rest = ContributionHeader {
        offset: stored,
        ..made.header.clone()
    };
    let receipt = federation
        .send(0, rest, &made.ciphertext[stored as usize..])
        .await
        .expect("taken");
    assert_eq!(receipt.receipt.root, made.root);
    assert!(receipt.verify(&federation.draft.coordinator));
    let asked = upload_state().await.receipt.expect("on the ledger");
    assert_eq!(asked.receipt, receipt.to_bytes());
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contribution_is_taken_once_and_then_cannot_be_touched() {
    let mut federation = Federation::open().await;
    let made = federation.contribution(0, 1).await;
    let receipt = federation
        .send(0, made.header.clone(), &made.ciphertext)
        .await
        .expect("taken");
    // Sent again from the start, from the end, and with other shares under the same root.
    for offset in [0, made.ciphertext.len() as u64] {
        let header = ContributionHeader {
            offset,
            ..made.header.clone()
        };
        let again = federation
            .send(0, header, &made.ciphertext)
            .await
            .expect("the same receipt");
        assert_eq!(again.to_bytes(), receipt.to_bytes());
    }
    let mut other_shares = made.header.clone();
    other_shares.sealed_shares[0][0] ^= 1;
    let again = federation
        .send(0, other_shares, &made.ciphertext)
        .await
        .expect("the same receipt");
    assert_eq!(again.to_bytes(), receipt.to_bytes());
    let other = federation.contribution(0, 2).await;
    let refused = federation.send(0, other.header, &other.ciphertext).await;
    assert_eq!(code(refused), Some(Code::ContributionDiffers));
    // The round of the others is unharmed: the sum opens.
    for company in 1..4 {
        let made = federation.contribution(company, 1).await;
        federation
            .send(company, made.header, &made.ciphertext)
            .await
            .expect("taken");
    }
    federation.cosign().await;
    federation.judge().await;
    let late = federation.send(0, made.header, &made.ciphertext).await;
    assert_eq!(
        late.expect("the same receipt").to_bytes(),
        receipt.to_bytes(),
        "also when the round is closed"
    );
    federation.open_sum().await;
    federation.publish().await;
    federation.offer_seats().await;
    federation.complete_round().await;
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_contribution_holds_up_its_round_only_until_it_is_sent_again() {
    let federation = Federation::open().await;
    let mut kept = Vec::new();
    for company in 0..4 {
        let made = federation.contribution(company, 1).await;
        federation
            .send(company, made.header.clone(), &made.ciphertext)
            .await
            .expect("taken");
        kept.push(made);
    }
    let lost = federation.companies[2].state().await;
    let lost = lost
        .participant_by_name("Cedar")
        .map(|participant| participant.id)
        .expect("admitted");
    let path = federation.home.path().join("contributions/round-1");
    let file = path.join(format!("{lost}.ciphertext"));
    // Before the close: there is nothing to project. Then Cedar sends what it signed.
    std::fs::remove_file(&file).expect("removed");
    federation.cosign().await;
    let made = kept.swap_remove(2);
    federation
        .send(2, made.header.clone(), &made.ciphertext)
        .await
        .expect("the same receipt");
    federation.judge().await;
    // Before the sum, which everybody answers for.
    std::fs::remove_file(&file).ok();
    federation.open_sum().await;
    federation
        .send(2, made.header, &made.ciphertext)
        .await
        .expect("the same receipt");
    federation.publish().await;
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn duties_want_a_seat_and_messages_their_size() {
    let federation = Federation::open().await;
    let aster = &federation.companies[0];
    let shares = aster.committee().shares(SharesRequest { round: 1 }).await;
    assert_eq!(
        code(shares),
        Some(Code::WrongStep),
        "the round is not closed"
    );
    let open = |seat: u32, opening: Vec<u8>| OpenRequest {
        round: 1,
        seat,
        digest: vec![0; 32],
        opening,
        signature: vec![0; 64],
    };
    for (seat, opening) in [
        (0, vec![0; CHUNK_BYTES]),
        (70_000, vec![0; CHUNK_BYTES]),
        (1, vec![]),
    ] {
        let refused = aster.committee().open(open(seat, opening)).await;
        assert_eq!(code(refused), Some(Code::Malformed));
    }
    let refused = aster.committee().open(open(1, vec![0; CHUNK_BYTES])).await;
    assert_eq!(code(refused), Some(Code::WrongStep));
    let seat = OfferSeatRequest {
        round: 1,
        seat: b"no seat".to_vec(),
    };
    assert_eq!(
        code(aster.committee().offer_seat(seat).await),
        Some(Code::Malformed)
    );
    let steps = aster
        .rounds()
        .steps(StepsRequest {
            protocol_version: limits::PROTOCOL_VERSION + 5,
        })
        .await;
    assert_eq!(code(steps), Some(Code::VersionUnsupported));
    let huge = OfferSeatRequest {
        round: 1,
        seat: vec![0; limits::COMMITTEE_MESSAGE_BYTES + 1],
    };
    let status = aster
        .committee()
        .offer_seat(huge)
        .await
        .expect_err("larger than any message");
    assert!(matches!(
        status.code(),
        GrpcCode::OutOfRange | GrpcCode::ResourceExhausted
    ));
    // It cost that message, not the connection or the coordinator.
    assert!(aster.state().await.round().is_some());
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn step_streams_of_one_identity_are_limited_and_counted_down_again() {
    let federation = Federation::founded().await;
    let aster = &federation.companies[0];
    let mut streams = Vec::new();
    let refused = loop {
        match aster.steps().await {
            Ok(stream) => streams.push(stream),
            Err(status) => break status,
        }
        assert!(streams.len() < 100, "no limit");
    };
    assert_eq!(code::<()>(Err(refused)), Some(Code::TooLarge));
    drop(streams);
    for _ in 0..100 {
        if aster.steps().await.is_ok() {
            federation.server.stop().await.expect("stops");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("closed streams still count");
}
