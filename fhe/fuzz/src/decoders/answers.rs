//! The published table of projections, and a member's sheet of answers.

use super::{
    Outcome, Seed, canonical,
    fixture::{PARTICIPANTS, fixture},
    outsider, refusal, refused, valid,
};
use unsilo_fhe::{
    PROJECTIONS, ProjectionTable, Q, ReceivedSheet,
    check::{SEALED_SHEET_KEY_BYTES, SheetError},
    params::MAX_PARTICIPANTS,
};

pub(super) fn table(data: &[u8]) -> Outcome {
    let table = ProjectionTable::from_bytes(data);
    if let Ok(table) = &table {
        assert!(!table.rows().is_empty() && table.rows().len() as u64 <= MAX_PARTICIPANTS);
        assert!(table.rows().is_sorted_by(|a, b| a.0 < b.0));
        for (participant, words) in table.rows() {
            assert!(words.iter().all(|&word| word < Q));
            assert_eq!(table.row(*participant), Some(words));
        }
        assert!(ProjectionTable::new(table.rows().to_vec()).is_ok());
    }
    canonical(data, table, ProjectionTable::to_bytes)
}

pub(super) fn table_seeds() -> Vec<Seed> {
    let table = fixture().table.to_bytes();
    let row = table.len() / PARTICIPANTS.len();
    let twice = [&table[..row], &table[..row]].concat();
    let mut too_large = table.clone();
    too_large[row + 4 + 6 * (PROJECTIONS - 1)..2 * row].fill(0xFF);
    let many: Vec<u8> = (0..MAX_PARTICIPANTS as u32 + 1)
        .flat_map(|participant| [&participant.to_le_bytes()[..], &[0; 6 * PROJECTIONS]].concat())
        .collect();
    vec![
        valid("one_row", table[..row].to_vec()),
        refused("bad_participant_twice", twice),
        refused("bad_word", too_large),
        refused("bad_length", table[1..].to_vec()),
        refused("bad_empty", vec![]),
        valid("largest", many[..many.len() - row].to_vec()),
        refused("bad_too_many_rows", many),
        valid("table", table),
    ]
}

/// The seat that answers and the seat that reads.
const FROM: u16 = 1;
const TO: u16 = 2;

/// The sealed key, then the encrypted sheet.
pub(super) fn sheet(data: &[u8]) -> Outcome {
    let (key, sheet) = data.split_at(data.len().min(SEALED_SHEET_KEY_BYTES));
    let (_, sealed) = &fixture().sheets[usize::from(FROM) - 1];
    opened(key, sheet, |to, key| {
        let mut signed = sealed.keys.iter();
        signed.any(|(of, sealed)| *of == to && sealed == key)
    })
}

fn opened(key: &[u8], sheet: &[u8], is_signed: impl Fn(u16, &[u8]) -> bool) -> Outcome {
    let f = fixture();
    let (expected, sealed) = &f.sheets[usize::from(FROM) - 1];
    let received = ReceivedSheet {
        seat: FROM,
        root: &sealed.root,
        sheet,
        key,
    };
    let keys = &f.keys[usize::from(TO) - 1];
    let (projections, committee) = (&f.projections, &f.committee);
    match received.open(projections, committee, TO, keys, &PARTICIPANTS, is_signed) {
        Ok(sheet) => {
            assert_eq!((sheet.seat(), sheet.root()), (FROM, &sealed.root));
            for participant in PARTICIPANTS {
                let shown = |sheet: &unsilo_fhe::AnswerSheet| sheet.show(participant);
                assert!(shown(&sheet).is_some() && shown(&sheet) == shown(expected));
            }
            Outcome::Accepted
        }
        Err(error) => {
            assert!(!matches!(
                error,
                SheetError::NoSuchSeat { .. } | SheetError::WrongKey { .. }
            ));
            refusal(&error)
        }
    }
}

pub(super) fn sheet_seeds() -> Vec<Seed> {
    let (_, sealed) = &fixture().sheets[usize::from(FROM) - 1];
    let key_of = |recipient: u16| {
        let key = sealed.keys.iter().find(|(to, _)| *to == recipient);
        key.expect("another seat").1.clone()
    };
    vec![
        valid("sheet", [key_of(TO), sealed.sheet.clone()].concat()),
        refused(
            "bad_key_of_another",
            [key_of(3), sealed.sheet.clone()].concat(),
        ),
        refused("bad_no_sheet", key_of(TO)),
        refused("bad_empty", vec![]),
    ]
}

/// A well-formed envelope around any plaintext, under the root that the member signed for the honest one.
pub(super) fn sheet_plaintext(data: &[u8]) -> Outcome {
    let f = fixture();
    let root = &f.sheets[usize::from(FROM) - 1].1.root;
    let (sheet, key) = outsider::seal_sheet(f, FROM, TO, root, data);
    // The envelope is sealed with other randomness than a member's.
    opened(&key, &sheet, |_, _| true)
}

pub(super) fn sheet_plaintext_seeds() -> Vec<Seed> {
    let plaintext = outsider::open_sheet(fixture(), FROM, TO);
    let mut not_answered = plaintext.clone();
    not_answered[32 + 4] = 0;
    let mut neither = plaintext.clone();
    neither[32 + 4] = 2;
    vec![
        refused("bad_answers_that_are_none", not_answered),
        refused("bad_neither", neither),
        refused("bad_salt_alone", plaintext[..32].to_vec()),
        valid("plaintext", plaintext),
    ]
}
