use unsilo_ledger::GuardHead;

use super::*;
use crate::error::NodeError;

fn opening(round: u64, answer: u8) -> Record {
    Record::Opened(OpeningRecord::new(
        round,
        1,
        [9; 32],
        [8; 32],
        vec![answer; 12_288],
    ))
}

fn seat(round: u64) -> Record {
    Record::Seat(SeatRecord {
        round,
        model: [3; 32],
        round_key: vec![1],
        nonce: [5; 32],
        size: 3,
        draw: vec![0, 1, 2],
    })
}

fn answer(round: u64, directions: u8, limit: u16) -> AnswerRecord {
    AnswerRecord {
        round,
        seat: 1,
        contributions: [8; 32],
        challenge: [4; 32],
        limit,
        directions: (0..directions).map(|number| [number; 32]).collect(),
        sheet_root: [1; 32],
        sent: [2; 32],
    }
}

fn refused(guards: &mut Guards, record: &Record, conflict: GuardConflict) {
    let before = guards.clone();
    assert_eq!(guards.admit(record), Err(conflict));
    assert_eq!(*guards, before, "a refused record changes nothing");
}

#[test]
fn what_may_happen_once_happens_once() {
    let mut guards = Guards::default();
    assert_eq!(guards.admit(&opening(1, 1)), Ok(true));
    assert_eq!(guards.admit(&opening(1, 1)), Ok(false));
    refused(&mut guards, &opening(1, 2), GuardConflict::Opened(1));
    guards.admit(&Record::Genesis([1; 32])).unwrap();
    refused(
        &mut guards,
        &Record::Genesis([2; 32]),
        GuardConflict::Genesis,
    );
    let cosigned = |contributions| Record::Cosigned {
        round: 3,
        contributions,
    };
    guards.admit(&cosigned([1; 32])).unwrap();
    refused(&mut guards, &cosigned([2; 32]), GuardConflict::Cosigned(3));
    let receipt = Record::Receipt {
        round: 3,
        receipt: vec![],
    };
    refused(&mut guards, &receipt, GuardConflict::Unfounded(3));
    let judged = |entry| Record::Judged { round: 3, entry };
    guards.admit(&judged([1; 32])).unwrap();
    refused(&mut guards, &judged([2; 32]), GuardConflict::Judged(3));
}

#[test]
fn one_checkpoint_is_cosigned_for_a_step_of_a_round() {
    let mut guards = Guards::default();
    let witness = |duty, size, timestamp_s| {
        Record::Witnessed(WitnessRecord {
            round: 3,
            duty,
            size,
            root: [1; 32],
            state_root: [2; 32],
            timestamp_s,
        })
    };
    guards.admit(&witness(Duty::Answering, 7, 100)).unwrap();
    for second in [
        witness(Duty::Answering, 8, 100),
        witness(Duty::Answering, 7, 101),
    ] {
        refused(&mut guards, &second, GuardConflict::Witnessed(3));
    }
    guards.admit(&witness(Duty::Judging, 7, 101)).unwrap();
}

#[test]
fn publications_are_cosigned_in_order_and_no_size_with_two_roots() {
    let mut guards = Guards::default();
    let witness = |round, duty, size, root: u8| {
        Record::Witnessed(WitnessRecord {
            round,
            duty,
            size,
            root: [root; 32],
            state_root: [root; 32],
            timestamp_s: 100,
        })
    };
    let published = |round, size, root| witness(round, Duty::Published, size, root);
    guards.admit(&witness(1, Duty::Opening, 9, 1)).unwrap();
    // Of a size that was cosigned for a step, with another root.
    refused(
        &mut guards,
        &published(1, 9, 2),
        GuardConflict::Witnessed(1),
    );
    assert_eq!(guards.admit(&published(1, 10, 1)), Ok(true));
    assert_eq!(guards.admit(&published(1, 10, 1)), Ok(false), "once more");
    for second in [
        published(1, 10, 2),
        published(1, 11, 1),
        published(2, 10, 1),
    ] {
        let Record::Witnessed(record) = &second else {
            unreachable!("made above");
        };
        let conflict = GuardConflict::Witnessed(record.round);
        refused(&mut guards, &second, conflict);
    }
    // It is remembered when the round is over, and for every step after it.
    guards.admit(&Record::Finished { round: 1 }).unwrap();
    for second in [
        published(1, 12, 2),
        witness(2, Duty::Answering, 10, 2),
        witness(2, Duty::Answering, 8, 1),
    ] {
        let Record::Witnessed(record) = &second else {
            unreachable!("made above");
        };
        let conflict = GuardConflict::Witnessed(record.round);
        refused(&mut guards, &second, conflict);
    }
    guards.admit(&witness(2, Duty::Answering, 15, 3)).unwrap();
    guards.admit(&published(2, 18, 3)).unwrap();
    // Rounds may be missed.
    guards.admit(&published(7, 80, 3)).unwrap();
    refused(
        &mut guards,
        &published(6, 90, 3),
        GuardConflict::Witnessed(6),
    );
}

#[test]
fn void_excludes_every_answer_and_an_opening_excludes_void() {
    let mut guards = Guards::default();
    guards.admit(&opening(1, 1)).unwrap();
    let void = |round| Record::Voided { round };
    refused(&mut guards, &void(1), GuardConflict::VoidOrOpened(1));
    guards.admit(&Record::Answered(answer(2, 0, 128))).unwrap();
    guards.admit(&void(2)).unwrap();
    let cosigned = Record::Cosigned {
        round: 2,
        contributions: [1; 32],
    };
    let published = Record::Published {
        round: 2,
        entry: [1; 32],
    };
    let judged = Record::Judged {
        round: 2,
        entry: [1; 32],
    };
    for after in [opening(2, 1), cosigned, published, judged] {
        refused(&mut guards, &after, GuardConflict::VoidOrOpened(2));
    }
    guards.admit(&void(3)).unwrap();
    let scalars = Record::Answered(answer(3, 0, 128));
    refused(&mut guards, &scalars, GuardConflict::VoidOrOpened(3));
}

#[test]
fn the_owners_void_excludes_a_contribution_and_every_answer_after_it() {
    let void = |round| Record::OwnersVoid { round };
    let mut guards = Guards::default();
    guards.admit(&void(2)).unwrap();
    let acts = [
        Record::Contribution(ContributionRecord {
            round: 2,
            model: [1; 32],
            root: [1; 32],
            bytes: 1,
            voided: Vec::new(),
        }),
        opening(2, 1),
        Record::Answered(answer(2, 0, 128)),
        Record::Cosigned {
            round: 2,
            contributions: [1; 32],
        },
        Record::Judged {
            round: 2,
            entry: [1; 32],
        },
        Record::Published {
            round: 2,
            entry: [1; 32],
        },
    ];
    for act in acts {
        refused(&mut guards, &act, GuardConflict::VoidOrOpened(2));
    }
    // A member's void of the same round agrees with it.
    assert_eq!(guards.admit(&void(2)), Ok(false));
    guards.admit(&Record::Voided { round: 2 }).unwrap();
    // A day past the last deadline it may follow an opening; the answer stays what it was, and nothing comes after.
    guards.admit(&opening(3, 1)).unwrap();
    assert_eq!(guards.admit(&void(3)), Ok(true));
    refused(&mut guards, &opening(3, 1), GuardConflict::VoidOrOpened(3));
}

#[test]
fn a_void_signed_beside_the_node_and_an_opening_exclude_each_other_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.redb");
    let mut store = GuardStore::open(&path).unwrap();
    // The command knows the node's records by the shared file alone: the node has them locked.
    let command = OwnersVoids::beside(&path);

    // The void first: the node finds it, whether it ran on or starts again, and keeps it among its records.
    command.hold().unwrap().sign(1, false).unwrap();
    for restart in [false, true] {
        if restart {
            drop(store);
            store = GuardStore::open(&path).unwrap();
        }
        assert!(store.record(&opening(1, 1)).is_err());
        let cosigned = Record::Cosigned {
            round: 1,
            contributions: [1; 32],
        };
        assert!(store.record(&cosigned).is_err());
        assert_eq!(*store.guards(), Guards::default());
    }
    assert_eq!(store.hold().unwrap(), [1]);
    store.record(&Record::OwnersVoid { round: 1 }).unwrap();
    store.release();
    assert!(store.hold().unwrap().is_empty());
    store.release();
    std::fs::remove_file(dir.path().join("owners-voids")).unwrap();
    assert!(
        store.record(&opening(1, 1)).is_err(),
        "its own record by now"
    );

    // The opening first: then no void before a close is signed any more, by nobody who starts later either.
    store.record(&opening(2, 1)).unwrap();
    for restart in [false, true] {
        if restart {
            drop(store);
            store = GuardStore::open(&path).unwrap();
        }
        let refused = command.hold().unwrap().sign(2, false);
        assert!(matches!(refused, Err(VoidRefused::Opened { round: 2 })));
    }
    assert!(store.hold().unwrap().is_empty());
    store.release();
    store.record(&opening(2, 1)).unwrap();
    // A day past its last deadline it may be ended all the same.
    command.hold().unwrap().sign(2, true).unwrap();
    assert_eq!(store.hold().unwrap(), [2]);
    store.release();
    command.hold().unwrap().sign(3, false).unwrap();
}

#[test]
fn nothing_is_signed_beside_the_node_while_it_decides() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.redb");
    let mut store = GuardStore::open(&path).unwrap();
    assert!(store.hold().unwrap().is_empty());
    let command = OwnersVoids::beside(&path);
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let signed = command.hold().unwrap().sign(1, false);
            said.send(signed.is_ok()).unwrap();
        });
        let pause = std::time::Duration::from_millis(200);
        assert!(heard.recv_timeout(pause).is_err(), "it waits");
        store.record(&opening(1, 1)).unwrap();
        store.release();
        assert!(!heard.recv().unwrap(), "and finds the opening");
    });
}

#[test]
fn a_note_of_voids_that_cannot_be_read_allows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.redb");
    let mut store = GuardStore::open(&path).unwrap();
    let command = OwnersVoids::beside(&path);
    command.hold().unwrap().sign(1, false).unwrap();
    let note = dir.path().join("owners-voids");
    let whole = std::fs::read(&note).unwrap();
    for damaged in [
        &whole[..whole.len() - 1],
        &[],
        &[whole.clone(), vec![0]].concat(),
    ] {
        std::fs::write(&note, damaged).unwrap();
        assert!(matches!(command.hold(), Err(NodeError::Store { .. })));
        assert!(store.hold().is_err());
        assert!(store.record(&opening(2, 1)).is_err());
    }
    std::fs::write(&note, whole).unwrap();
    store.record(&opening(2, 1)).unwrap();
}

#[test]
fn a_round_opens_no_more_directions_than_the_model_bears_and_always_the_same_ones() {
    for (directions, limit, allowed) in [
        (27, 75, true),
        (28, 75, false),
        (0, 47, false),
        (80, 128, true),
        (81, 4_000, false),
    ] {
        let mut guards = Guards::default();
        let record = Record::Answered(answer(1, directions, limit));
        if allowed {
            guards.admit(&record).unwrap();
        } else {
            refused(&mut guards, &record, GuardConflict::TooManyDirections(1));
        }
    }
    let mut guards = Guards::default();
    let mut twice = answer(1, 2, 128);
    twice.directions.push([1; 32]);
    let twice = Record::Answered(twice);
    refused(&mut guards, &twice, GuardConflict::TooManyDirections(1));

    guards.admit(&Record::Answered(answer(1, 2, 128))).unwrap();
    let changes: [fn(&mut AnswerRecord); 4] = [
        |other| other.directions.push([9; 32]),
        |other| other.challenge = [9; 32],
        |other| other.contributions = [9; 32],
        |other| other.sent = [9; 32],
    ];
    for change in changes {
        let mut other = answer(1, 2, 128);
        change(&mut other);
        let other = Record::Answered(other);
        refused(&mut guards, &other, GuardConflict::Answered(1));
    }
}

#[test]
fn one_share_of_a_contribution_is_shown_at_most() {
    let mut guards = Guards::default();
    let appeal = |seat| Record::Appealed { round: 1, seat };
    refused(&mut guards, &appeal(2), GuardConflict::Unfounded(1));
    let made = Record::Contribution(ContributionRecord {
        round: 1,
        model: [1; 32],
        root: [2; 32],
        bytes: 3,
        voided: Vec::new(),
    });
    guards.admit(&made).unwrap();
    guards.admit(&appeal(2)).unwrap();
    refused(&mut guards, &appeal(3), GuardConflict::Appealed(1));
}

#[test]
fn a_model_is_contributed_to_once_unless_the_record_names_every_earlier_round_as_void() {
    let made = |round, model: u8, voided: &[u64]| {
        Record::Contribution(ContributionRecord {
            round,
            model: [model; 32],
            root: [round as u8; 32],
            bytes: 3,
            voided: voided.to_vec(),
        })
    };
    let mut guards = Guards::default();
    guards.admit(&made(1, 1, &[])).unwrap();
    assert_eq!(guards.admit(&made(1, 1, &[])), Ok(false), "the same again");
    let conflict = GuardConflict::Contribution;
    refused(&mut guards, &made(2, 1, &[]), conflict(2));
    // Over the end of the round too: what was sent for it stays sent.
    guards.admit(&Record::Finished { round: 1 }).unwrap();
    refused(&mut guards, &made(2, 1, &[]), conflict(2));
    guards.admit(&made(2, 1, &[1])).unwrap();
    refused(&mut guards, &made(3, 1, &[2]), conflict(3));
    guards.admit(&made(3, 1, &[1, 2])).unwrap();
    guards.admit(&made(4, 2, &[])).unwrap();
}

#[test]
fn a_finished_round_cannot_be_answered_any_more() {
    let mut guards = Guards::default();
    guards.admit(&Record::Finished { round: 1 }).unwrap();
    refused(&mut guards, &opening(1, 1), GuardConflict::Opened(1));
    let scalars = Record::Answered(answer(1, 0, 128));
    refused(&mut guards, &scalars, GuardConflict::Answered(1));
    refused(&mut guards, &seat(1), GuardConflict::Seat(1));
    guards.admit(&opening(2, 1)).unwrap();
    guards.admit(&Record::Finished { round: 2 }).unwrap();
    assert!(guards.opened[&2].answer.is_empty());
    refused(&mut guards, &opening(2, 2), GuardConflict::Opened(2));
}

/// The heads that these records show, in order.
fn heads(records: &[Record]) -> Vec<GuardHead> {
    let mut guards = Guards::default();
    records
        .iter()
        .map(|record| {
            guards.admit(record).unwrap();
            guards.head()
        })
        .collect()
}

#[test]
fn a_head_says_every_record_before_it() {
    let cosigned = Record::Cosigned {
        round: 1,
        contributions: [1; 32],
    };
    let all = [seat(1), cosigned.clone(), seat(2)];
    let shown = heads(&all);
    assert_eq!(
        shown.iter().map(|head| head.records).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let mut guards = Guards::default();
    assert!(guards.leads_to(&guards.head()), "nothing was shown yet");
    for record in &all {
        guards.admit(record).unwrap();
    }
    assert!(shown.iter().all(|head| guards.leads_to(head)));
    assert_eq!(guards.seat_heads[&2], shown[2]);
    assert_eq!(guards.cosigned_heads[&1], shown[1]);

    // A backup from before the last record, and records that took another way from there.
    let mut backup = Guards::default();
    backup.admit(&all[0]).unwrap();
    assert!(backup.leads_to(&shown[0]) && !backup.leads_to(&shown[1]));
    backup.admit(&seat(7)).unwrap();
    assert!(!backup.leads_to(&shown[1]));
    assert_ne!(heads(&[cosigned, seat(1)])[1], shown[1], "the order counts");
}

#[test]
fn lost_records_are_sat_out_and_the_count_goes_on_from_the_ledgers() {
    let lost = GuardHead {
        records: 40,
        digest: [6; 32],
    };
    let mut guards = Guards::default();
    guards.admit(&seat(1)).unwrap();
    assert!(!guards.leads_to(&lost));
    let behind = Record::Behind {
        head: lost,
        until: 4,
    };
    assert_eq!(guards.admit(&behind), Ok(true));
    assert_eq!(guards.admit(&behind), Ok(false));
    assert!(guards.leads_to(&lost));
    assert_eq!(guards.head().records, 41);
    assert!(guards.sits_out(4) && !guards.sits_out(5));
}

#[test]
fn records_survive_and_contradictions_are_refused_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.redb");
    let mut store = GuardStore::open(&path).unwrap();
    store.record(&seat(4)).unwrap();
    store.record(&opening(4, 7)).unwrap();
    let before = store.guards().clone();
    drop(store);

    let mut store = GuardStore::open(&path).unwrap();
    assert_eq!(*store.guards(), before);
    store.record(&opening(4, 7)).unwrap();
    assert!(matches!(
        store.record(&opening(4, 8)),
        Err(NodeError::Store { .. })
    ));
    assert!(store.record(&Record::Voided { round: 4 }).is_err());
    assert_eq!(*store.guards(), before);
    store.record(&Record::Finished { round: 4 }).unwrap();
    let before = store.guards().clone();
    drop(store);
    let reopened = GuardStore::open(&path).unwrap();
    assert_eq!(
        *reopened.guards(),
        before,
        "the chain too, without the answer"
    );
}

#[test]
fn records_in_a_form_that_is_not_read_are_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.redb");
    drop(GuardStore::open(&path).unwrap());
    let database = redb::Database::open(&path).unwrap();
    let writing = database.begin_write().unwrap();
    let older: redb::TableDefinition<'_, u64, &[u8]> =
        redb::TableDefinition::new("guard records 1");
    writing.open_table(older).unwrap();
    writing.commit().unwrap();
    drop(database);
    let Err(NodeError::Store { reason, .. }) = GuardStore::open(&path) else {
        panic!("older records were passed over");
    };
    assert!(reason.contains("guard records 1"), "{reason}");
}

#[test]
fn records_that_others_can_read_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.redb");
    drop(GuardStore::open(&path).unwrap());
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        GuardStore::open(&path),
        Err(NodeError::Permission { .. })
    ));
}
