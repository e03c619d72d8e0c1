use unsilo_ledger::VoidReason;

use super::{Scalars, SeatAnswer, Written, notes::Notes};
use crate::round::Note;

fn store() -> (tempfile::TempDir, Scalars) {
    let directory = tempfile::tempdir().expect("made");
    let scalars = Scalars::open(directory.path().join("scalars")).expect("opens");
    (directory, scalars)
}

fn answer(seat: u16) -> SeatAnswer {
    SeatAnswer {
        seat,
        sheet_root: [seat as u8; 32],
        sheet: vec![1, 2, 3],
        sheet_keys: vec![vec![1], vec![2], vec![3]],
        directions: vec![(0, vec![9]), (4, vec![8])],
        signature: [7; 64],
    }
}

#[test]
fn an_answer_is_kept_once_and_a_second_different_one_beside_it() {
    let (directory, scalars) = store();
    assert_eq!(scalars.answered(3).expect("read"), []);
    for seat in [2, 1] {
        assert_eq!(
            scalars.keep_answer(3, &answer(seat)).expect("kept"),
            Written::Kept
        );
    }
    assert_eq!(
        scalars.keep_answer(3, &answer(2)).expect("kept"),
        Written::Kept
    );
    let mut second = answer(2);
    second.sheet.push(4);
    assert_eq!(
        scalars.keep_answer(3, &second).expect("kept"),
        Written::Differs
    );
    assert_eq!(scalars.answer(3, 2).expect("read"), answer(2));
    assert_eq!(
        scalars.answered(3).expect("read"),
        [(1, [1; 32]), (2, [2; 32])]
    );
    let evidence = directory.path().join("scalars/round-3/answers/2.second");
    assert_eq!(
        std::fs::read(evidence).expect("there"),
        borsh::to_vec(&second).expect("encodes")
    );
    assert_eq!(scalars.answered(4).expect("read"), []);
}

#[test]
fn every_other_seat_finds_its_key_of_the_sheet() {
    let of = |seat: u16, reader: u16| answer(seat).key_for(reader).map(<[u8]>::to_vec);
    assert_eq!(
        [of(1, 2), of(1, 3), of(1, 4)],
        [1, 2, 3].map(|key| Some(vec![key]))
    );
    assert_eq!(
        [of(3, 1), of(3, 2), of(3, 4)],
        [1, 2, 3].map(|key| Some(vec![key]))
    );
    assert_eq!([of(2, 2), of(2, 0), of(2, 5)], [None, None, None]);
}

#[test]
fn a_decision_stays_what_it_was() {
    let (_directory, scalars) = store();
    assert_eq!(scalars.notes(1).expect("read"), Notes::default());
    let seats = vec![(1, [1; 32]), (3, [3; 32])];
    scalars
        .note(1, &Note::Judged(seats.clone()))
        .expect("noted");
    scalars
        .note(1, &Note::Judged(vec![(2, [2; 32])]))
        .expect("noted");
    scalars
        .note(1, &Note::Void(VoidReason::NoVerdict))
        .expect("noted");
    scalars
        .note(1, &Note::Void(VoidReason::TooFewMembers))
        .expect("noted");
    let expected = Notes {
        judged: Some(seats),
        void: Some(VoidReason::NoVerdict),
    };
    assert_eq!(scalars.notes(1).expect("read"), expected);
}

#[test]
fn directions_that_a_rater_sends_at_once_do_not_replace_each_other() {
    let (_directory, scalars) = store();
    let (one, other) = ([1; 32], [2; 32]);
    let sent = [
        (vec![one], vec![vec![1]]),
        (vec![one, other], vec![vec![1], vec![2]]),
        (vec![other, one], vec![vec![2], vec![1]]),
    ];
    for (hashes, keys) in &sent {
        let kept = scalars.keep_directions(3, (5, hashes), keys);
        kept.expect("kept");
    }
    for (hashes, keys) in &sent {
        let read = scalars.directions(3, (5, hashes));
        assert_eq!(&read.expect("read"), keys);
    }
    assert!(scalars.directions(3, (6, &[[1; 32]])).is_err());
}

#[test]
fn old_rounds_leave_their_evidence_as_long_as_it_is_of_use() {
    let (_directory, scalars) = store();
    for round in 1..=3 {
        scalars.keep_answer(round, &answer(1)).expect("kept");
        scalars
            .keep_directions(round, (5, &[[1; 32]]), &[vec![1]])
            .expect("kept");
        scalars.keep_evidence(round, 5, b"shown").expect("kept");
        assert_eq!(
            scalars.keep_appeal(round, 5, b"share").expect("kept"),
            Written::Kept
        );
        assert_eq!(
            scalars.keep_appeal(round, 5, b"other").expect("kept"),
            Written::Differs
        );
    }
    scalars.discard_before(3, 2);
    assert!(!scalars.has_evidence(1, 5));
    assert_eq!(scalars.appeals(1).expect("read"), Vec::<Vec<u8>>::new());
    for round in [2, 3] {
        assert_eq!(scalars.evidence(round, 5).expect("read"), b"shown");
        assert_eq!(scalars.appeals(round).expect("read"), [b"share"]);
    }
    assert_eq!(scalars.answered(2).expect("read"), []);
    assert!(scalars.directions(2, (5, &[[1; 32]])).is_err());
    assert_eq!(scalars.answered(3).expect("read").len(), 1);
    let keys = scalars.directions(3, (5, &[[1; 32]]));
    assert_eq!(keys.expect("read"), [vec![1]]);
}
