//! A rater's directions and its row over the wire: committed, answered, weighed.

use unsilo_fhe::{
    Direction, DirectionKey, Entropy, Permutation, RoundContext, RoundKeyPair, direction_hash,
};
use unsilo_ledger::{
    AnswerStatement, Entry, ParticipantId, Phase, RatingStep, Ratings, SignedEntry, commit_rating,
};
use unsilo_proto::{
    Code, SealedHashes,
    v1::{
        CommitDirectionsRequest, DirectionAnswersRequest, DirectionsRequest, RateRequest,
        SealedDirectionAnswer, SignRatingStepRequest, step::Kind,
    },
};

use crate::{
    federation::{Federation, code},
    scalars::contributed,
};

/// The directions of a company: the signed entry with its keys.
fn directions(
    federation: &Federation,
    company: usize,
    id: ParticipantId,
    context: &RoundContext,
) -> CommitDirectionsRequest {
    of(federation, company, company, id, context)
}

/// As a company's directions one that asks about one parameter.
fn of(
    federation: &Federation,
    company: usize,
    parameter: usize,
    id: ParticipantId,
    context: &RoundContext,
) -> CommitDirectionsRequest {
    let params = &federation.params;
    let permutation = Permutation::new(params, &federation.id.0);
    let mut values = vec![0; params.parameters()];
    values[parameter] = 1;
    let direction = Direction::new(&permutation, &values, Entropy::from_bytes([9; 32]));
    let key: DirectionKey = direction.expect("a direction").key(context);
    let entry = Entry::DirectionsCommitted {
        round: context.round,
        participant: id,
        round_key: RoundKeyPair::generate()
            .expect("made")
            .public()
            .as_bytes()
            .to_vec(),
        directions: vec![direction_hash(context, id.0, 0, &key)],
    };
    let identity = &federation.companies[company].identity;
    CommitDirectionsRequest {
        entry: SignedEntry::signed_by(entry, &federation.id, &[identity]).encode(),
        keys: vec![key.to_bytes()],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rater_is_answered_and_its_row_weighs_the_round() {
    let federation = Federation::open().await;
    let aster = &federation.companies[0];
    let state = aster.state().await;
    let rater = federation.id(aster, &state);
    let context = federation.context(&state);
    let good = directions(&federation, 0, rater, &context);
    let mut other_key = good.clone();
    let second = directions(&federation, 1, rater, &context);
    other_key.keys = second.keys;
    let mut no_keys = good.clone();
    no_keys.keys.clear();
    let mut no_entry = good.clone();
    no_entry.entry.pop();
    let others = federation.companies[1]
        .rounds()
        .commit_directions(good.clone())
        .await;
    assert_eq!(code(others), Some(Code::Malformed), "in another's name");
    for (request, expected) in [
        (other_key, Code::DirectionInvalid),
        (no_keys, Code::DirectionInvalid),
        (no_entry, Code::Malformed),
    ] {
        let refused = aster.rounds().commit_directions(request).await;
        assert_eq!(code(refused), Some(expected));
    }
    for _ in 0..2 {
        let taken = aster.rounds().commit_directions(good.clone()).await;
        taken.expect("taken, also again");
    }
    let another = directions(&federation, 1, rater, &context);
    let refused = aster.rounds().commit_directions(another).await;
    assert_eq!(code(refused), Some(Code::LedgerRefused), "one a round");
    contributed(&federation).await;
    let early = aster
        .committee()
        .directions(DirectionsRequest { round: 1 })
        .await;
    assert_eq!(code(early), Some(Code::WrongStep));
    federation.cosign().await;
    aster.step(|kind| matches!(kind, Kind::Answering(_))).await;
    let keys = aster
        .committee()
        .directions(DirectionsRequest { round: 1 })
        .await;
    let keys = keys.expect("handed out").into_inner().message().await;
    let keys = keys.expect("a part").expect("one rater");
    assert_eq!((keys.rater, &keys.keys), (rater.0, &good.keys));

    // Members answer; what they seal to the rater is theirs and the rater's affair.
    federation.cosign_checkpoint().await;
    for company in 0..4 {
        let mut request = federation.answer(company).await;
        let sealed = vec![company as u8; 50];
        let hashes = SealedHashes::of(&request.sheet, &request.sheet_keys, &[(rater.0, &sealed)]);
        request.directions = vec![SealedDirectionAnswer {
            rater: rater.0,
            sealed,
        }];
        let statement = AnswerStatement {
            federation: federation.id,
            round: 1,
            seat: request.seat as u16,
            sheet_root: request.sheet_root.as_slice().try_into().expect("a hash"),
            sealed: hashes.digest(),
        };
        let member = &federation.companies[company];
        request.signature = statement.sign(&member.identity).to_vec();
        member.committee().answer(request).await.expect("taken");
    }
    let ask = || DirectionAnswersRequest { round: 1 };
    aster.step(|kind| matches!(kind, Kind::Judging(_))).await;
    let early = aster.rounds().direction_answers(ask()).await;
    assert_eq!(code(early), Some(Code::WrongStep), "not judged yet");
    for company in 0..4 {
        let request = federation.judgement(company).await;
        let member = federation.companies[company].committee();
        { member }.sign_judgement(request).await.expect("taken");
    }
    aster.step(|kind| matches!(kind, Kind::Rating(_))).await;
    let not_asked = federation.companies[1]
        .rounds()
        .direction_answers(ask())
        .await;
    assert_eq!(code(not_asked), Some(Code::NotFound));
    let stream = aster.rounds().direction_answers(ask()).await.expect("kept");
    let mut stream = stream.into_inner();
    let state = aster.state().await;
    let judged = state.round().expect("judged");
    let mut answers = 0;
    while let Some(of) = stream.message().await.expect("a part") {
        let hashes = of.hashes.as_ref().map(SealedHashes::from_message);
        let hashes = hashes.expect("there").expect("hashes");
        let sealed = (rater.0, unsilo_proto::sealed_hash(&of.sealed));
        assert_eq!(hashes.directions, [sealed]);
        let statement = AnswerStatement {
            federation: federation.id,
            round: 1,
            seat: of.seat as u16,
            sheet_root: of.sheet_root.try_into().expect("a hash"),
            sealed: hashes.digest(),
        };
        let member = judged.seat(of.seat as u16).expect("seated");
        let signature = of.signature.try_into().expect("a signature");
        assert!(statement.verify(&member.key, &signature));
        answers += 1;
    }
    assert_eq!(answers, 4);
    rate(&federation, rater).await;
    federation.open_sum().await;
    federation.publish().await;
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_directions_that_a_rater_commits_to_at_once_members_get_those_on_the_ledger() {
    const AT_ONCE: usize = 8;
    let federation = Federation::open().await;
    let aster = &federation.companies[0];
    let state = aster.state().await;
    let rater = federation.id(aster, &state);
    let context = federation.context(&state);
    // All are in order, and none is the same as another.
    let sent: Vec<_> = (0..AT_ONCE)
        .map(|value| of(&federation, 0, value, rater, &context))
        .collect();
    let calls = sent.iter().map(|request| {
        let (mut rounds, request) = (aster.rounds(), request.clone());
        tokio::spawn(async move { rounds.commit_directions(request).await })
    });
    let calls: Vec<_> = calls.collect();
    let mut taken = 0;
    for call in calls {
        taken += usize::from(call.await.expect("ran").is_ok());
    }
    assert_eq!(taken, 1, "one a round");
    // Neither does sending the others again change what is kept.
    for request in &sent {
        let _ = aster.rounds().commit_directions(request.clone()).await;
    }
    contributed(&federation).await;
    federation.cosign().await;
    aster.step(|kind| matches!(kind, Kind::Answering(_))).await;
    let state = aster.state().await;
    let committed = &state.round().expect("closed").directions[&rater].directions;
    let keys = aster
        .committee()
        .directions(DirectionsRequest { round: 1 })
        .await;
    let keys = keys.expect("handed out").into_inner().message().await;
    let keys = keys.expect("a part").expect("one rater").keys;
    let hashes = (0..).zip(&keys).map(|(index, key)| {
        let key = DirectionKey::from_bytes(key).expect("a key");
        direction_hash(&context, rater.0, index, &key)
    });
    assert!(
        hashes.eq(committed.iter().copied()),
        "what the ledger names"
    );
    federation.server.stop().await.expect("stops");
}

/// The only rater commits to its row and reveals it; members end each half.
async fn rate(federation: &Federation, rater: ParticipantId) {
    let aster = &federation.companies[0];
    let state = aster.state().await;
    let accepted = state.norms().expect("judged");
    let scores = accepted
        .iter()
        .map(|(id, _)| i16::from(*id != rater))
        .collect();
    let rewards = accepted
        .iter()
        .map(|(id, _)| u16::from(*id != rater))
        .collect();
    let row = Ratings { scores, rewards };
    let commitment = commit_rating(&federation.id, 1, rater, &row, &[5; 32]);
    let commit = Entry::RatingsCommitted {
        round: 1,
        participant: rater,
        commitment,
    };
    let reveal = Entry::RatingsRevealed {
        round: 1,
        participant: rater,
        scores: row.scores,
        rewards: row.rewards,
        salt: [5; 32],
    };
    for (half, entry, early) in [
        (RatingStep::Commit, commit.clone(), reveal.clone()),
        (RatingStep::Reveal, reveal, commit),
    ] {
        let request = |entry: &Entry| {
            let signed = SignedEntry::signed_by(entry.clone(), &federation.id, &[&aster.identity]);
            RateRequest {
                round: 1,
                entry: signed.encode(),
            }
        };
        if half == RatingStep::Commit {
            let refused = aster.rounds().rate(request(&early)).await;
            assert_eq!(code(refused), Some(Code::LedgerRefused));
        }
        for _ in 0..2 {
            aster
                .rounds()
                .rate(request(&entry))
                .await
                .expect("taken, also again");
        }
        let step = aster
            .step(|kind| {
                matches!(kind, Kind::Rating(rating)
                    if !rating.entry.is_empty() && rating.revealing == (half == RatingStep::Reveal))
            })
            .await;
        let Kind::Rating(rating) = step else {
            unreachable!("that was asked for");
        };
        let entry = Entry::from_bytes(&rating.entry).expect("an entry");
        for member in &federation.companies {
            let signature = entry.sign(&federation.id, &member.identity).signature;
            let request = SignRatingStepRequest {
                round: 1,
                entry: rating.entry.clone(),
                signature: signature.to_vec(),
            };
            // The third of four ends it; the fourth is late.
            let taken = member.committee().sign_rating_step(request).await;
            assert!(matches!(code(taken), None | Some(Code::WrongStep)));
        }
    }
    assert_eq!(aster.state().await.phase(), Phase::Weighed);
}
