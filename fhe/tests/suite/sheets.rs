//! Sheets of answers and tables of projections: what opens, what decodes, and what does not.

use crate::{
    checking::{CHALLENGE, Checking, update},
    federation::{CONTEXT, params},
};
use proptest::{collection::vec, prelude::*};
use unsilo_fhe::{
    AnswerSheet, Appeal, Committee, DirectionKey, Entropy, Evidence, PROJECTIONS,
    ProjectionAnswers, ProjectionKeys, ProjectionTable, Projections, Q, ReceivedSheet,
    RoundContext, RoundKeyPair, SealedSheet, answer_projections,
    check::{SEALED_SHEET_KEY_BYTES, SheetError, ShownAnswers, TableError, sealed_sheet_bytes},
};

fn round() -> Checking {
    let updates: Vec<_> = (0..3).map(|j| update(100, j, 0.1)).collect();
    Checking::new(100, 4, &updates)
}

#[test]
fn every_other_seat_reads_the_same_sheet() {
    let round = round();
    let (sheet, sealed) = round.seal(2, round.answers(2));
    assert_eq!(sealed.sheet.len(), sealed_sheet_bytes(3));
    assert_eq!(
        sealed.keys.iter().map(|key| key.0).collect::<Vec<_>>(),
        [1, 3, 4]
    );
    assert!(
        sealed
            .keys
            .iter()
            .all(|key| key.1.len() == SEALED_SHEET_KEY_BYTES)
    );
    for recipient in [1, 3, 4] {
        let opened = round.open(2, &sealed, recipient).unwrap();
        assert_eq!(opened.root(), sheet.root());
        assert_eq!(
            (opened.seat(), opened.projections()),
            (2, &round.projections)
        );
        for participant in 0..4 {
            assert_eq!(opened.show(participant), sheet.show(participant));
        }
    }
    // The same entropy and answers are the same bytes; other answers share neither key nor salts.
    assert_eq!(round.seal(2, round.answers(2)).1, sealed);
    let mut others = round.answers(2);
    others[0] = ProjectionAnswers::unusable(0);
    let (other_sheet, other) = round.seal(2, others);
    assert_ne!(other.root, sealed.root);
    assert_ne!(other.sheet[..32], sealed.sheet[..32], "another key stream");
    assert_ne!(other.keys, sealed.keys);
    assert_ne!(
        other_sheet.show(1),
        sheet.show(1),
        "the way to the root differs"
    );
}

#[test]
fn a_sheet_opens_for_its_round_seat_recipient_and_root_only() {
    let round = round();
    let (_, sealed) = round.seal(2, round.answers(2));
    let (_, other) = round.seal(3, round.answers(3));
    let participants = round.participants();
    let committee = &round.federation.committee;
    let keys = &round.federation.keys;
    let received = ReceivedSheet {
        seat: 2,
        root: &sealed.root,
        sheet: &sealed.sheet,
        key: &sealed.keys[1].1,
    };
    let open = |received: &ReceivedSheet<'_>, recipient: u16| {
        let keys = &keys[usize::from(recipient) - 1];
        received
            .open(
                &round.projections,
                committee,
                recipient,
                keys,
                &participants,
                |_, _| true,
            )
            .err()
    };
    let (seat, recipient) = (2, 3);
    let key_closed = Some(SheetError::KeyDoesNotOpen { seat, recipient });
    assert_eq!(open(&received, 3), None);
    assert_eq!(
        open(&received, 4),
        Some(SheetError::KeyDoesNotOpen { seat, recipient: 4 })
    );
    assert_eq!(
        open(
            &ReceivedSheet {
                seat: 1,
                ..received
            },
            3
        ),
        Some(SheetError::KeyDoesNotOpen { seat: 1, recipient })
    );
    assert_eq!(
        open(
            &ReceivedSheet {
                root: &other.root,
                ..received
            },
            3
        ),
        key_closed
    );
    assert_eq!(
        open(
            &ReceivedSheet {
                key: &other.keys[0].1,
                ..received
            },
            3
        ),
        key_closed
    );
    assert_eq!(
        open(
            &ReceivedSheet {
                key: &[],
                ..received
            },
            3
        ),
        key_closed
    );
    assert_eq!(
        open(
            &ReceivedSheet {
                sheet: &other.sheet,
                ..received
            },
            3
        ),
        Some(SheetError::DoesNotOpen { seat })
    );
    let projections = [
        Projections::new(
            &round.federation.params,
            &RoundContext {
                round: 4,
                ..CONTEXT
            },
            CHALLENGE,
        ),
        Projections::new(
            &round.federation.params,
            &RoundContext {
                model: [0; 32],
                ..CONTEXT
            },
            CHALLENGE,
        ),
        Projections::new(&round.federation.params, &CONTEXT, [0; 32]),
    ];
    for projections in &projections {
        let result = received.open(
            projections,
            committee,
            3,
            &keys[2],
            &participants,
            |_, _| true,
        );
        assert_eq!(result.err(), key_closed);
    }
    let strange = |recipient, keys, participants: &[u32]| {
        received
            .open(
                &round.projections,
                committee,
                recipient,
                keys,
                participants,
                |_, _| true,
            )
            .err()
    };
    assert_eq!(
        strange(3, &keys[3], &participants),
        Some(SheetError::WrongKey { seat: 3 })
    );
    for seat in [0, 5] {
        let none = Some(SheetError::NoSuchSeat { seat, seats: 4 });
        assert_eq!(strange(seat, &keys[2], &participants), none);
        let received = ReceivedSheet { seat, ..received };
        assert_eq!(open(&received, 3), none);
    }
    assert!(matches!(
        strange(3, &keys[2], &participants[..2]),
        Some(SheetError::Length { .. })
    ));
    let (expected, actual) = (7, 2);
    assert_eq!(
        strange(3, &keys[2], &[0, 1, 7]),
        Some(SheetError::OtherContribution {
            seat: 2,
            expected,
            actual
        })
    );
    // Other parameters give another root.
    let larger = Projections::new(&params(200), &CONTEXT, CHALLENGE);
    assert_eq!(
        received
            .open(&larger, committee, 3, &keys[2], &participants, |_, _| true)
            .err(),
        Some(SheetError::OtherRoot { seat: 2 })
    );
}

#[test]
fn no_byte_of_a_sealed_sheet_can_be_changed() {
    let round = round();
    let (_, sealed) = round.seal(2, round.answers(2));
    for place in (0..sealed.sheet.len()).step_by(7) {
        let mut altered = sealed.clone();
        altered.sheet[place] ^= 0x10;
        assert_eq!(
            round.open(2, &altered, 1).err(),
            Some(SheetError::DoesNotOpen { seat: 2 })
        );
    }
    for place in [0, 1119, 1120, SEALED_SHEET_KEY_BYTES - 1] {
        let mut altered = sealed.clone();
        altered.keys[0].1[place] ^= 4;
        let closed = SheetError::KeyDoesNotOpen {
            seat: 2,
            recipient: 1,
        };
        assert_eq!(round.open(2, &altered, 1).err(), Some(closed));
    }
    for length in [0, 15, 16, sealed.sheet.len() - 1, sealed.sheet.len() + 1] {
        let mut altered: SealedSheet = sealed.clone();
        altered.sheet.resize(length, 0);
        assert!(matches!(
            round.open(2, &altered, 1),
            Err(SheetError::Length { seat: 2, .. })
        ));
    }
}

#[test]
fn a_sheet_whose_key_is_sealed_badly_to_one_seat_opens_for_nobody() {
    let round = round();
    let (_, sealed) = round.seal(2, round.answers(2));
    for victim in 0..sealed.keys.len() {
        let mut altered = sealed.clone();
        altered.keys[victim].1[1130] ^= 1;
        let to = altered.keys[victim].0;
        for recipient in [1, 3, 4] {
            let expected = match recipient == to {
                true => SheetError::KeyDoesNotOpen { seat: 2, recipient },
                false => SheetError::KeySealedBadly {
                    seat: 2,
                    recipient: to,
                },
            };
            assert_eq!(round.open(2, &altered, recipient).err(), Some(expected));
        }
    }
    // Nor one that leaves a seat out, or seals it the key of another sheet.
    let (_, other) = round.seal(
        2,
        vec![
            ProjectionAnswers::unusable(0),
            ProjectionAnswers::unusable(1),
            ProjectionAnswers::unusable(2),
        ],
    );
    let mut mixed = sealed.clone();
    mixed.keys[2] = other.keys[2].clone();
    let mut short = sealed;
    short.keys.pop();
    for altered in [mixed, short] {
        for recipient in [1, 3] {
            let expected = SheetError::KeySealedBadly {
                seat: 2,
                recipient: 4,
            };
            assert_eq!(round.open(2, &altered, recipient).err(), Some(expected));
        }
    }
}

#[test]
fn answers_that_are_no_ascending_list_of_one_seat_are_not_sealed() {
    let round = round();
    let seal = |seat, answers| {
        let committee = &round.federation.committee;
        let entropy = Entropy::from_bytes([1; 32]);
        AnswerSheet::seal(&round.projections, committee, seat, answers, entropy).err()
    };
    assert_eq!(seal(2, round.answers(2)), None);
    assert_eq!(
        seal(2, vec![]),
        Some(SheetError::Contributions { contributions: 0 })
    );
    assert_eq!(
        seal(2, round.answers(1)),
        Some(SheetError::OtherOrigin { participant: 0 })
    );
    assert_eq!(
        seal(5, round.answers(2)),
        Some(SheetError::NoSuchSeat { seat: 5, seats: 4 })
    );
    let reversed = round.answers(2).into_iter().rev().collect();
    assert_eq!(
        seal(2, reversed),
        Some(SheetError::Order { participant: 1 })
    );
    let twice = round
        .answers(2)
        .into_iter()
        .chain(round.answers(2))
        .collect();
    assert_eq!(seal(2, twice), Some(SheetError::Order { participant: 0 }));
    let other = Projections::new(&round.federation.params, &CONTEXT, [0; 32]);
    let other = ProjectionKeys::new(&other);
    let share = round.federation.share(1, &round.contributions[1], 2);
    let mut mixed = round.answers(2);
    mixed[1] = answer_projections(&share, &other).unwrap();
    assert_eq!(
        seal(2, mixed),
        Some(SheetError::OtherOrigin { participant: 1 })
    );
    let many = (0..8001).map(ProjectionAnswers::unusable).collect();
    assert_eq!(
        seal(2, many),
        Some(SheetError::Contributions {
            contributions: 8001
        })
    );
}

#[test]
fn a_committee_of_one_needs_no_keys() {
    let keys = RoundKeyPair::from_secret_bytes(&[1; 32]).unwrap();
    let mut round = Checking::new(100, 1, &[update(100, 1, 0.1)]);
    round.federation.committee = Committee::new(vec![keys.public().clone()], 1).unwrap();
    let (sheet, sealed) = round.seal(1, round.answers(1));
    assert!(sealed.keys.is_empty());
    assert_eq!(round.judge(&[sheet]).unwrap().judgement().accepted.len(), 1);
}

#[test]
fn tables_of_projections_are_checked() {
    let row = [1; PROJECTIONS];
    let mut large = row;
    large[47] = Q;
    let new = |rows| ProjectionTable::new(rows).err();
    assert_eq!(new(vec![]), Some(TableError::Rows { rows: 0 }));
    assert_eq!(
        new(vec![(1, row), (1, row)]),
        Some(TableError::Order { participant: 1 })
    );
    assert_eq!(
        new(vec![(2, row), (1, row)]),
        Some(TableError::Order { participant: 1 })
    );
    let (participant, projection, value) = (3, 47, Q);
    let word = Some(TableError::Word {
        participant,
        projection,
        value,
    });
    assert_eq!(new(vec![(3, large)]), word);
    let many: Vec<_> = (0..8001).map(|j| (j, row)).collect();
    assert_eq!(new(many), Some(TableError::Rows { rows: 8001 }));

    let table = ProjectionTable::new(vec![(1, row), (u32::MAX, [Q - 1; PROJECTIONS])]).unwrap();
    let bytes = table.to_bytes();
    assert_eq!(bytes.len(), 2 * 292);
    assert_eq!(ProjectionTable::from_bytes(&bytes), Ok(table.clone()));
    assert_eq!(table.row(u32::MAX), Some(&[Q - 1; PROJECTIONS]));
    assert_eq!((table.row(0), table.row(2)), (None, None));
    for length in [1, 291, 293, 583] {
        let actual = length;
        assert_eq!(
            ProjectionTable::from_bytes(&bytes[..length]),
            Err(TableError::Length { actual })
        );
    }
    assert_eq!(
        ProjectionTable::from_bytes(&[]),
        Err(TableError::Rows { rows: 0 })
    );
    assert_eq!(
        ProjectionTable::from_bytes(&vec![0; 292 * 8001]),
        Err(TableError::Rows { rows: 8001 })
    );
    let mut altered = bytes;
    altered[300] ^= 1;
    assert_ne!(
        ProjectionTable::from_bytes(&altered).unwrap().hash(),
        table.hash()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tables_survive_the_wire(rows in vec((any::<u32>(), vec(0..Q, PROJECTIONS)), 1..6)) {
        let rows: std::collections::BTreeMap<u32, [u64; PROJECTIONS]> =
            rows.into_iter().map(|(j, words)| (j, words.try_into().unwrap())).collect();
        let table = ProjectionTable::new(rows.into_iter().collect()).unwrap();
        let decoded = ProjectionTable::from_bytes(&table.to_bytes()).unwrap();
        prop_assert_eq!(decoded.hash(), table.hash());
        prop_assert_eq!(decoded, table);
    }

    #[test]
    fn arbitrary_bytes_are_the_same_bytes_again_or_a_typed_error(
        mut bytes in vec(any::<u8>(), 0..1500),
        length in prop_oneof![
            0..1500_usize, Just(292), Just(584), Just(324), Just(356), Just(38), Just(70), Just(12_288), Just(12_326), Just(12_327)
        ],
        head in prop_oneof![Just(vec![]), Just(vec![0, 0, 0, 0, 1]), Just(vec![0, 0, 0, 0, 2, 0]), Just(vec![0; 4])],
    ) {
        bytes.splice(0..head.len().min(bytes.len()), head);
        bytes.resize(length, 0);
        if let Ok(table) = ProjectionTable::from_bytes(&bytes) {
            prop_assert_eq!(table.to_bytes(), bytes.clone());
        }
        if let Ok(shown) = ShownAnswers::from_bytes(&bytes) {
            prop_assert_eq!(shown.to_bytes(), bytes.clone());
        }
        if let Ok(evidence) = Evidence::from_bytes(&bytes) {
            prop_assert_eq!(evidence.to_bytes(), bytes.clone());
        }
        if let Ok(appeal) = Appeal::from_bytes(&bytes) {
            prop_assert_eq!(&appeal.to_bytes()[..], &bytes[..]);
        }
        if let Ok(key) = DirectionKey::from_bytes(&bytes) {
            prop_assert_eq!(key.to_bytes(), bytes.clone());
        }
    }
}
