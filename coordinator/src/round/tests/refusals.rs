//! Each message of a round, from somebody else, twice, changed, or at another time.

use super::*;

#[test]
fn a_late_or_copied_seat_is_refused_and_never_just_forgotten() {
    let mut federation = Federation::founded(1);
    let first = federation.seat(0, 1);
    federation.feed(first()).expect("taken");
    let Event::SeatOffered { seat, .. } = first() else {
        unreachable!("a seat was made");
    };
    // Node 1 offers node 0's key: the ledger would refuse to open with both.
    let mut copied = seat.clone();
    copied.participant = federation.id_of(1).expect("known");
    let offer = unsilo_ledger::SeatOffer {
        federation: federation.id,
        round: 1,
        model: federation.ledger.model().expect("founded"),
        round_key: copied.round_key.clone(),
        nonce_commitment: copied.nonce_commitment,
        guard: copied.guard,
    };
    copied.signature = offer.sign(&federation.nodes[1].identity);
    let event = Event::SeatOffered {
        round: 1,
        seat: copied,
    };
    assert_eq!(code(&mut federation, event), Some(Code::Malformed));
    let mut forged = seat.clone();
    forged.signature[0] ^= 1;
    let event = Event::SeatOffered {
        round: 1,
        seat: forged,
    };
    assert_eq!(code(&mut federation, event), Some(Code::SignatureInvalid));
    let event = Event::SeatOffered { round: 2, seat };
    assert_eq!(code(&mut federation, event), Some(Code::WrongRound));
    // Four of five answer in time; the round opens without the fifth, who is told so.
    for node in 1..4 {
        federation.act(node);
    }
    let late = federation.seat(4, 1);
    federation.tick(TIMING.answer_ms).expect("ticks");
    assert_eq!(federation.machine.phase(), "contributing");
    assert_eq!(code(&mut federation, late()), Some(Code::WrongStep));
    assert_eq!(
        code(&mut federation, first()),
        None,
        "a repetition of a seat that is filled"
    );
}

#[test]
fn a_contribution_is_taken_once_for_its_round_from_its_sender() {
    let mut federation = Federation::founded(1);
    federation.everybody_acts();
    let message = federation.contribution(0, 1).expect("open");
    let Event::Stored(signed) = message() else {
        unreachable!("a contribution was made");
    };
    let changed = |federation: &Federation, round, root| {
        let Entry::ContributionCommitted {
            participant, bytes, ..
        } = signed.entry
        else {
            unreachable!("a contribution");
        };
        let entry = Entry::ContributionCommitted {
            round,
            participant,
            root,
            bytes,
        };
        let identity = &federation.nodes[0].identity;
        Event::Stored(Box::new(SignedEntry::signed_by(
            entry,
            &federation.id,
            &[identity],
        )))
    };
    let event = changed(&federation, 2, [1; 32]);
    assert_eq!(code(&mut federation, event), Some(Code::WrongRound));
    let mut forged = signed.clone();
    forged.signatures[0].signature[0] ^= 1;
    assert_eq!(
        code(&mut federation, Event::Stored(forged)),
        Some(Code::LedgerRefused)
    );
    federation.feed(message()).expect("taken");
    let replayed = code(&mut federation, message());
    assert_eq!(replayed, Some(Code::LedgerRefused), "once on the ledger");
    let event = changed(&federation, 1, [2; 32]);
    assert_eq!(code(&mut federation, event), Some(Code::LedgerRefused));
    assert_eq!(
        federation
            .ledger
            .round()
            .map(|round| round.contributions.len()),
        Some(1)
    );
}

#[test]
fn a_cosignature_is_for_its_seat_nonce_and_set() {
    let mut federation = closing();
    let message = federation.cosignature(0, 1).expect("seated");
    let Event::CloseCosigned {
        participant,
        cosignature,
        ..
    } = message()
    else {
        unreachable!("a cosignature was made");
    };
    let event = |round, cosignature: &Cosignature| Event::CloseCosigned {
        round,
        participant,
        cosignature: cosignature.clone(),
    };
    let other_seat = Cosignature {
        seat: cosignature.seat % 5 + 1,
        ..cosignature.clone()
    };
    assert_eq!(
        code(&mut federation, event(1, &other_seat)),
        Some(Code::NoSeat)
    );
    let no_seat = Cosignature {
        seat: 0,
        ..cosignature.clone()
    };
    assert_eq!(
        code(&mut federation, event(1, &no_seat)),
        Some(Code::NoSeat)
    );
    let other_nonce = Cosignature {
        nonce: [0; 32],
        ..cosignature.clone()
    };
    assert_eq!(
        code(&mut federation, event(1, &other_nonce)),
        Some(Code::SignatureInvalid)
    );
    let mut forged = cosignature.clone();
    forged.signature[0] ^= 1;
    assert_eq!(
        code(&mut federation, event(1, &forged)),
        Some(Code::SignatureInvalid)
    );
    assert_eq!(
        code(&mut federation, event(2, &cosignature)),
        Some(Code::WrongRound)
    );
    for _ in 0..9 {
        assert_eq!(code(&mut federation, message()), None);
    }
    let _ = federation.tick(5_000);
    assert_eq!(
        federation.machine.phase(),
        "closing",
        "one seat counts once"
    );
    federation.calm_until_finished();
    assert_eq!(
        code(&mut federation, message()),
        None,
        "late for a round that is over"
    );
}

#[test]
fn one_answer_a_seat_and_no_second_different_one() {
    let mut federation = opening();
    let message = federation.opening(0, 1).expect("seated");
    let Event::Opened {
        participant,
        answer,
        ..
    } = message()
    else {
        unreachable!("an answer was made");
    };
    let event = |round, answer| Event::Opened {
        round,
        participant,
        answer,
    };
    let mut other_set = answer.clone();
    other_set.digest = [0; 32];
    assert_eq!(
        code(&mut federation, event(1, other_set)),
        Some(Code::WrongStep)
    );
    let mut forged = answer.clone();
    forged.signature[0] ^= 1;
    assert_eq!(
        code(&mut federation, event(1, forged)),
        Some(Code::SignatureInvalid)
    );
    let mut other_seat = answer.clone();
    other_seat.seat = answer.seat % 5 + 1;
    assert_eq!(
        code(&mut federation, event(1, other_seat)),
        Some(Code::NoSeat)
    );
    assert_eq!(
        code(&mut federation, event(2, answer.clone())),
        Some(Code::WrongRound)
    );
    assert_eq!(code(&mut federation, message()), None);
    assert_eq!(code(&mut federation, message()), None, "repeated");
    let mut opening = answer.opening.clone();
    opening[0] ^= 1;
    let second = federation
        .answer(0, answer.seat, 1, opening)
        .expect("signed by the member itself");
    assert_eq!(
        code(&mut federation, event(1, second)),
        Some(Code::AnswerDiffers)
    );
    federation.calm_until_finished();
}

#[test]
fn a_publication_is_signed_by_the_committee_under_the_announced_entry() {
    let mut federation = opening();
    federation.everybody_acts();
    assert_eq!(federation.machine.phase(), "publishing");
    let Some(step::Kind::Publishing(publishing)) = federation.step.clone() else {
        panic!("publishing is announced");
    };
    let entry = Entry::from_bytes(&publishing.entry).expect("an entry");
    let sign = |node: usize, federation: &Federation| {
        entry.sign(&federation.id, &federation.nodes[node].identity)
    };
    let event = |round, entry: &[u8], signature| Event::PublishSigned {
        round,
        entry: entry.to_vec(),
        signature,
    };
    let stranger = sign(5, &federation);
    assert_eq!(
        code(&mut federation, event(1, &publishing.entry, stranger)),
        Some(Code::NoSeat)
    );
    let mut forged = sign(0, &federation);
    forged.signature[0] ^= 1;
    assert_eq!(
        code(&mut federation, event(1, &publishing.entry, forged)),
        Some(Code::SignatureInvalid)
    );
    let good = sign(0, &federation);
    assert_eq!(
        code(&mut federation, event(2, &publishing.entry, good.clone())),
        Some(Code::WrongRound)
    );
    assert_eq!(
        code(&mut federation, event(1, b"another model", good)),
        Some(Code::WrongStep)
    );
    // A failed append is repeated by the clock.
    federation.appends_fail = true;
    let message: Vec<Rc<dyn Fn() -> Event>> =
        (0..5).flat_map(|node| federation.messages(node)).collect();
    for message in message {
        let _ = federation.feed(message());
    }
    federation.appends_fail = false;
    federation.tick(2_000).expect("published");
    assert_eq!(federation.machine.phase(), "finished");
}
