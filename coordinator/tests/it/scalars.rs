//! Answers, judgements, evidence, receipts in the mailbox and cosignatures over the wire.

use unsilo_fhe::{
    CHUNK_BYTES, RoundContext,
    check::{Evidence, Recorded},
    project,
};
use unsilo_ledger::{
    AnswerStatement, Entry, Phase, RejectionReason, Violation, VoidAuthority, VoidReason,
};
use unsilo_proto::{
    Code, SealedHashes, dispute_hash, limits,
    v1::{
        AnswerRequest, AnswersRequest, AppealRequest, AppealsRequest, CiphertextRequest,
        CosignRequest, EvidenceRequest, MailboxRequest, PostReceiptRequest, SealedDirectionAnswer,
        SignViolationRequest, SumProofRequest, step::Kind,
    },
};

use crate::{
    duties::blob,
    federation::{Federation, Made, code},
};

pub(crate) async fn contributed(federation: &Federation) -> Vec<Made> {
    let mut sent = Vec::new();
    for company in 0..federation.companies.len() {
        let made = federation.contribution(company, company as u8 + 1).await;
        federation
            .send(company, made.header.clone(), &made.ciphertext)
            .await
            .expect("taken");
        sent.push(made);
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_garbage_contribution_is_rejected_with_evidence_that_anybody_checks_from_what_is_served()
{
    let mut federation = Federation::open_of_seven().await;
    let garbage = federation.garbage(3).await;
    for company in [0, 1, 2, 4, 5, 6] {
        let made = federation.contribution(company, 1).await;
        federation
            .send(company, made.header, &made.ciphertext)
            .await
            .expect("taken");
    }
    let taken = federation
        .send(3, garbage.header, &garbage.ciphertext)
        .await;
    taken.expect(
        "it is a ciphertext, and signed: only the committee sees that it is none of an update",
    );
    federation.finish_round().await;
    let aster = &federation.companies[0];
    let state = aster.state().await;
    let bad = federation.id(&federation.companies[3], &state);
    let record = state.last_sum().expect("published").clone();
    let weight = record.weights.iter().find(|(id, _)| *id == bad);
    assert_eq!(weight, Some(&(bad, 0)));

    // A third party: the log, the stored ciphertext, the evidence.
    let judged = &record.judgement;
    assert_eq!(judged.rejected, [(bad, RejectionReason::OutOfRange)]);
    let request = EvidenceRequest {
        round: 1,
        participant: bad.0,
    };
    let evidence = aster.models().evidence(request).await.expect("kept");
    let evidence = Evidence::from_bytes(&evidence.into_inner().evidence).expect("evidence");
    let request = CiphertextRequest {
        round: 1,
        participant: bad.0,
        first_chunk: 0,
        chunks: 0,
    };
    let stream = aster.rounds().ciphertext(request).await.expect("kept");
    let (ciphertext, _) = blob(stream.into_inner()).await;
    assert!(ciphertext == garbage.ciphertext);
    let context = RoundContext {
        federation: federation.id.0,
        round: 1,
        model: record.opening.model,
    };
    let challenge = record.closing.challenge;
    let projections = unsilo_fhe::Projections::new(&federation.params, &context, challenge);
    let closed: Vec<u32> = record.contributions.iter().map(|(id, _)| id.0).collect();
    let recorded = Recorded {
        projections: &projections,
        threshold: usize::from(record.opening.threshold),
        closed: &closed,
        roots: &judged.answers,
        erased: &judged.erased,
    };
    let row = project(&projections, &ciphertext).expect("a ciphertext");
    let found = evidence.verify(&recorded, &row).expect("well-formed");
    assert_eq!(found, Some(unsilo_fhe::check::RejectionReason::OutOfRange));
    let none = EvidenceRequest {
        round: 1,
        participant: record.contributions[0].0.0,
    };
    assert_eq!(
        code(aster.models().evidence(none).await),
        Some(Code::NotFound)
    );

    // The next round goes on.
    federation.offer_seats().await;
    federation.complete_round().await;
    // The contributions of the round before are gone but for the one in dispute.
    let aster = &federation.companies[0];
    for (participant, expected) in [(bad.0, None), (closed[0], Some(Code::NotFound))] {
        let request = CiphertextRequest {
            round: 1,
            participant,
            first_chunk: 0,
            chunks: 0,
        };
        assert_eq!(code(aster.rounds().ciphertext(request).await), expected);
    }
    let proof = aster.models().sum_proof(SumProofRequest { round: 1 }).await;
    let mut proof = proof.expect("still kept").into_inner();
    let mut parts = 0;
    while proof.message().await.expect("a part").is_some() {
        parts += 1;
    }
    assert_eq!(parts, 8, "the table and seven contributions");
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_two_answers_can_be_spared_a_rejection_is_shown_to_nobody_and_held_against_nobody()
{
    // Of 4/3 one: a member that lies, and another that helps it, make an honest update look like this one.
    let mut federation = Federation::open().await;
    let garbage = federation.garbage(3).await;
    for company in 0..3 {
        let made = federation.contribution(company, 1).await;
        federation
            .send(company, made.header, &made.ciphertext)
            .await
            .expect("taken");
    }
    federation
        .send(3, garbage.header, &garbage.ciphertext)
        .await
        .expect("taken");
    // The companies here send evidence all the same: it is not kept.
    federation.finish_round().await;
    let aster = &federation.companies[0];
    let state = aster.state().await;
    let bad = federation.id(&federation.companies[3], &state);
    let record = state.last_sum().expect("published");
    let rejected = [(bad, RejectionReason::OutOfRange)];
    assert_eq!(record.judgement.rejected, rejected);
    assert!(state.faults(bad).is_empty());
    let request = EvidenceRequest {
        round: 1,
        participant: bad.0,
    };
    let evidence = aster.models().evidence(request).await;
    assert_eq!(code(evidence), Some(Code::NotFound));
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_value_hidden_in_the_blinding_spoils_no_round() {
    let mut federation = Federation::open().await;
    // 20,000 steps in the last coefficient of the last blinding chunk.
    let made = federation.altered(3, |ciphertext| {
        let last = ciphertext.len() - 6;
        let mut word = [0; 8];
        word[..6].copy_from_slice(&ciphertext[last..]);
        let sum = (u64::from_le_bytes(word) + 20_000 * unsilo_fhe::DELTA) % unsilo_fhe::Q;
        ciphertext[last..].copy_from_slice(&sum.to_le_bytes()[..6]);
    });
    let made = made.await;
    federation
        .send(3, made.header, &made.ciphertext)
        .await
        .expect("taken");
    for company in 0..3 {
        let made = federation.contribution(company, 1).await;
        federation
            .send(company, made.header, &made.ciphertext)
            .await
            .expect("taken");
    }
    // It is accepted, summed, opened and published; the model is the mean of what was meant.
    federation.finish_round().await;
    let state = federation.companies[0].state().await;
    let record = state.last_sum().expect("published");
    assert_eq!(record.judgement.accepted.len(), 4);
    assert!(record.weights.iter().all(|(_, weight)| *weight > 0));
    // And the next round goes on from it.
    federation.offer_seats().await;
    federation.complete_round().await;
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cosignature_is_by_its_sender_under_a_checkpoint_of_this_log() {
    let federation = Federation::open().await;
    contributed(&federation).await;
    let aster = &federation.companies[0];
    let good = federation.cosignature(0).await;
    let cosign = |request: CosignRequest| async { code(aster.log().cosign(request).await) };
    for _ in 0..2 {
        assert_eq!(
            cosign(good.clone()).await,
            None,
            "given again changes nothing"
        );
    }
    let later = CosignRequest {
        size: good.size + 1,
        ..good.clone()
    };
    assert_eq!(cosign(later).await, Some(Code::CheckpointUnknown));
    let earlier = CosignRequest {
        size: good.size - 1,
        ..good.clone()
    };
    assert_eq!(cosign(earlier).await, Some(Code::SignatureInvalid));
    for line in ["", "no line", &"x".repeat(limits::COSIGNATURE_BYTES)] {
        let request = CosignRequest {
            cosignature: line.to_owned(),
            ..good.clone()
        };
        assert_eq!(
            cosign(request).await,
            Some(Code::SignatureInvalid),
            "{line:?}"
        );
    }
    let long = CosignRequest {
        cosignature: "x".repeat(limits::COSIGNATURE_BYTES + 1),
        ..good.clone()
    };
    assert_eq!(cosign(long).await, Some(Code::TooLarge));
    let note = aster.entries().await.checkpoint;
    assert!(
        note.contains(good.cosignature.trim()),
        "served with the checkpoint: {note}"
    );
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_taken_whole_signed_and_once() {
    let federation = Federation::open().await;
    contributed(&federation).await;
    let early = AnswersRequest { round: 1 };
    let aster = &federation.companies[0];
    assert_eq!(
        code(aster.committee().answers(early).await),
        Some(Code::WrongStep)
    );
    federation.cosign().await;
    aster.step(|kind| matches!(kind, Kind::Answering(_))).await;
    let good = federation.answer(0).await;
    let changed = |change: &dyn Fn(&mut AnswerRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let cases = [
        (changed(&|request| request.round = 2), Code::WrongStep),
        (changed(&|request| request.seat = 0), Code::Malformed),
        (
            changed(&|request| request.seat = request.seat % 4 + 1),
            Code::NoSeat,
        ),
        (
            changed(&|request| request.sheet_root.truncate(31)),
            Code::Malformed,
        ),
        (
            changed(&|request| request.sheet_root[0] ^= 1),
            Code::SignatureInvalid,
        ),
        (
            changed(&|request| request.sheet[0] ^= 1),
            Code::SignatureInvalid,
        ),
        (
            changed(&|request| request.sheet_keys[1][0] ^= 1),
            Code::SignatureInvalid,
        ),
        (changed(&|request| request.sheet.push(0)), Code::Malformed),
        (
            changed(&|request| request.sheet = vec![0; limits::SHEET_BYTES + 1]),
            Code::TooLarge,
        ),
        (
            changed(&|request| {
                request.sheet_keys.pop();
            }),
            Code::Malformed,
        ),
        (
            changed(&|request| request.sheet_keys[0] = vec![0; limits::SHEET_KEY_BYTES + 1]),
            Code::TooLarge,
        ),
        (
            changed(&|request| {
                request.directions = vec![SealedDirectionAnswer {
                    rater: 0,
                    sealed: vec![1],
                }];
            }),
            Code::Malformed,
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(
            code(aster.committee().answer(request).await),
            Some(expected)
        );
    }
    for _ in 0..2 {
        aster.committee().answer(good.clone()).await.expect("taken");
    }
    // A second answer under the member's signature: refused, and kept as what it is.
    let mut second = good.clone();
    second.sheet[0] ^= 1;
    let hashes = SealedHashes::of(&second.sheet, &second.sheet_keys, &[]);
    let statement = AnswerStatement {
        federation: federation.id,
        round: 1,
        seat: second.seat as u16,
        sheet_root: second.sheet_root.as_slice().try_into().expect("a hash"),
        sealed: hashes.digest(),
    };
    second.signature = statement.sign(&aster.identity).to_vec();
    assert_eq!(
        code(aster.committee().answer(second).await),
        Some(Code::AnswerDiffers)
    );
    let kept = federation.home.path().join("scalars/round-1/answers");
    assert!(kept.join(format!("{}.second", good.seat)).exists());
    let waiting = AnswersRequest { round: 1 };
    let refused = aster.committee().answers(waiting).await;
    assert_eq!(code(refused), Some(Code::WrongStep), "others still answer");
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mailbox_holds_what_holders_posted_and_nothing_forged() {
    let federation = Federation::open().await;
    let made = federation.contribution(0, 1).await;
    let receipt = federation
        .send(0, made.header, &made.ciphertext)
        .await
        .expect("taken");
    let (aster, birch) = (&federation.companies[0], &federation.companies[1]);
    let post = |receipt: Vec<u8>| PostReceiptRequest { receipt };
    let posted = || async {
        let reply = birch.committee().mailbox(MailboxRequest { round: 1 }).await;
        reply.expect("answered").into_inner().receipts
    };
    assert!(posted().await.is_empty());
    let mut forged = receipt.clone();
    forged.receipt.root[0] ^= 1;
    let cases = [
        (post(b"no receipt".to_vec()), Code::Malformed),
        (post(forged.to_bytes()), Code::SignatureInvalid),
    ];
    for (request, expected) in cases {
        assert_eq!(
            code(aster.committee().post_receipt(request).await),
            Some(expected)
        );
    }
    let others = birch
        .committee()
        .post_receipt(post(receipt.to_bytes()))
        .await;
    assert_eq!(
        code(others),
        Some(Code::Malformed),
        "holders post their own"
    );
    for _ in 0..2 {
        let taken = aster
            .committee()
            .post_receipt(post(receipt.to_bytes()))
            .await;
        taken.expect("taken");
    }
    assert_eq!(posted().await, [receipt.to_bytes()]);
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn ciphertexts_are_handed_out_by_ranges_of_chunks_once_their_set_is_closed() {
    let federation = Federation::open().await;
    let sent = contributed(&federation).await;
    let aster = &federation.companies[0];
    let state = aster.state().await;
    let birch = federation.id(&federation.companies[1], &state);
    let request = |first_chunk, chunks| CiphertextRequest {
        round: 1,
        participant: birch.0,
        first_chunk,
        chunks,
    };
    let early = aster.rounds().ciphertext(request(0, 0)).await;
    assert_eq!(
        code(early),
        Some(Code::WrongStep),
        "it could be copied into the round"
    );
    federation.cosign().await;
    aster.step(|kind| matches!(kind, Kind::Answering(_))).await;
    let whole = &sent[1].ciphertext;
    let chunks = whole.len() / CHUNK_BYTES;
    for (first, count, expected) in [
        (0, 0, 0..chunks),
        (1, 1, 1..2),
        (chunks - 1, 99, chunks - 1..chunks),
        (chunks, 1, chunks..chunks),
    ] {
        let asked = request(first as u64, count);
        let stream = aster.rounds().ciphertext(asked).await.expect("kept");
        let (bytes, _) = blob(stream.into_inner()).await;
        let range = expected.start * CHUNK_BYTES..expected.end * CHUNK_BYTES;
        assert!(bytes == whole[range], "{first} {count}");
    }
    for (first, count) in [(chunks as u64 + 1, 1), (u64::MAX, u64::MAX)] {
        let refused = aster.rounds().ciphertext(request(first, count)).await;
        assert_eq!(code(refused), Some(Code::Malformed));
    }
    let nobody = CiphertextRequest {
        participant: 99,
        ..request(0, 0)
    };
    assert_eq!(
        code(aster.rounds().ciphertext(nobody).await),
        Some(Code::NotFound)
    );
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_void_a_round_over_the_wire_and_see_how_many_have_signed() {
    let federation = Federation::open().await;
    let entry = Entry::RoundVoided {
        round: 1,
        reason: VoidReason::LostData,
        authority: VoidAuthority::Owners { passed_ms: 0 },
    };
    let aster = &federation.companies[0];
    assert!(aster.pending().await.expect("answered").is_empty());
    for company in 0..2 {
        let signing = &federation.companies[company];
        signing.sign(&federation.id, &entry).await.expect("taken");
        let pending = signing.pending().await.expect("answered");
        assert_eq!(pending.len(), 1);
        assert_eq!(pending[0].entry, entry);
        assert_eq!(pending[0].signatures.len(), company + 1);
    }
    // What people signed is there after a restart.
    let federation = federation.restart().await;
    let aster = &federation.companies[0];
    let pending = aster.pending().await.expect("answered");
    assert_eq!(pending[0].signatures.len(), 2);
    let third = &federation.companies[2];
    third.sign(&federation.id, &entry).await.expect("taken");
    assert!(aster.pending().await.expect("answered").is_empty());
    let state = aster.state().await;
    assert_eq!((state.phase(), state.next_round()), (Phase::Idle, 2));
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appeal_shows_one_share_of_its_senders_contribution() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    let aster = &federation.companies[0];
    let appeal = |appeal: Vec<u8>| AppealRequest { round: 1, appeal };
    let rater = federation.id(aster, &aster.state().await);
    for (bytes, expected) in [
        (b"no appeal".to_vec(), Code::AppealInvalid),
        // An appeal by its form, which anybody could have made up.
        (
            [&[7; 64][..], &rater.0.to_le_bytes(), &[1, 0], &[9; 32]].concat(),
            Code::AppealInvalid,
        ),
        (vec![0; limits::APPEAL_BYTES + 1], Code::TooLarge),
    ] {
        let refused = aster.committee().appeal(appeal(bytes)).await;
        assert_eq!(code(refused), Some(expected));
    }
    let kept = aster.committee().appeals(AppealsRequest { round: 1 }).await;
    assert!(kept.expect("answered").into_inner().appeals.is_empty());

    // Nor is a violation taken whose evidence nobody could check.
    let state = aster.state().await;
    let entry = Entry::ViolationReported {
        violation: Violation::WrongShare {
            participant: federation.id(&federation.companies[1], &state),
            round: 1,
            evidence: dispute_hash(b"no appeal", b"shown"),
        },
    };
    let request = |shown: Vec<u8>| SignViolationRequest {
        round: 1,
        signature: entry
            .sign(&federation.id, &aster.identity)
            .signature
            .to_vec(),
        entry: entry.to_bytes(),
        shown,
    };
    for (shown, expected) in [
        (b"shown".to_vec(), Code::EvidenceInvalid),
        (vec![0; limits::SHOWN_ANSWERS_BYTES + 1], Code::TooLarge),
    ] {
        let refused = aster.committee().sign_violation(request(shown)).await;
        assert_eq!(code(refused), Some(expected));
    }
    federation.server.stop().await.expect("stops");
}
