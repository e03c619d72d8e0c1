//! The first entry: signed once, and only the list that was agreed on.

use unsilo_ledger::PublicKey;

use super::*;

fn founding(change: impl FnOnce(&mut Draft, &mut Vec<Member>)) -> StepKind {
    let Entry::FederationCreated {
        mut draft,
        mut founders,
    } = genesis()
    else {
        unreachable!("the genesis above");
    };
    change(&mut draft, &mut founders);
    StepKind::Founding {
        entry: Entry::FederationCreated { draft, founders }.to_bytes(),
        missing: Vec::new(),
    }
}

fn unfounded() -> Facts {
    Facts {
        founding: None,
        me: None,
        participants: 4,
        ..idle(1)
    }
}

/// Feeds a founding step to a fresh node and expects it to stop without a signature.
fn refuses_founding(mut world: World, step: StepKind, named: &str) {
    world.ledger(unfounded());
    let done = world.step(step);
    assert!(calls(&world.done, Task::SignGenesis).len() <= 1);
    let [Alarm::FoundersDiffer { reason }] = alarms(&done)[..] else {
        panic!("not refused: {done:?}");
    };
    assert!(reason.contains(named), "{reason}");
    assert_eq!(done.last(), Some(&Effect::Halt));
}

#[test]
fn the_founding_list_is_told_recorded_and_signed_once() {
    let mut world = World::new();
    world.ledger(Facts {
        founding: None,
        me: None,
        participants: 4,
        ..idle(1)
    });
    let told = world.step(StepKind::Founding {
        entry: Vec::new(),
        missing: vec!["Cedar".into()],
    });
    assert!(matches!(
        told.as_slice(),
        [Effect::Tell(Progress::Founding { missing, .. })] if missing == &["Cedar"]
    ));
    let entry = genesis().to_bytes();
    let founding = StepKind::Founding {
        entry: entry.clone(),
        missing: Vec::new(),
    };
    let done = world.step(founding.clone());
    assert!(recorded_before(
        &done,
        Task::SignGenesis,
        |record| matches!(record, Record::Genesis(_))
    ));
    assert!(matches!(
        &done[0],
        Effect::Tell(Progress::Founding { founders: list, .. }) if *list == founders()
    ));
    let expected = genesis()
        .sign(&draft().federation_id(), &identity(ME as u8))
        .signature;
    let [Call::SignGenesis { signature, .. }] = calls(&done, Task::SignGenesis)[..] else {
        panic!("one signature");
    };
    assert_eq!(signature, expected);
    assert!(calls(&world.step(founding.clone()), Task::SignGenesis).is_empty());
    // After a crash the same signature is sent again: whether it arrived is not known.
    world.restart();
    world.ledger(Facts {
        founding: None,
        me: None,
        participants: 4,
        ..idle(1)
    });
    assert_eq!(calls(&world.step(founding), Task::SignGenesis).len(), 1);
}

#[test]
fn a_list_other_than_the_agreed_one_is_not_signed() {
    let mut agreed = founders();
    agreed[2].key = PublicKey([77; 32]);
    refuses_founding(World::pinned(Some(agreed)), founding(|_, _| {}), "Cedar");
    let mut world = World::pinned(Some(founders()));
    world.ledger(unfounded());
    assert_eq!(
        calls(&world.step(founding(|_, _| {})), Task::SignGenesis).len(),
        1
    );
}

#[test]
fn a_ledger_founded_by_others_than_agreed_stops_the_node() {
    let mut agreed = founders();
    agreed[0].name = "Elm".into();
    let mut world = World::pinned(Some(agreed));
    let done = world.ledger(idle(1));
    assert!(matches!(alarms(&done)[..], [Alarm::FoundersDiffer { .. }]));
}

#[test]
fn a_list_without_this_node_or_of_another_federation_is_not_signed() {
    refuses_founding(
        World::new(),
        founding(|_, founders| founders[1].key = PublicKey([3; 32])),
        "Birch",
    );
    refuses_founding(
        World::new(),
        founding(|draft, _| draft.grant = 2),
        "another federation",
    );
    refuses_founding(
        World::new(),
        founding(|_, founders| founders.swap(0, 2)),
        "names",
    );
    let other = StepKind::Founding {
        entry: vec![1, 2, 3],
        missing: Vec::new(),
    };
    refuses_founding(World::new(), other, "");
}

#[test]
fn a_second_list_is_not_signed_even_after_a_restart() {
    let mut world = World::new();
    world.ledger(unfounded());
    assert_eq!(
        calls(&world.step(founding(|_, _| {})), Task::SignGenesis).len(),
        1
    );
    world.restart();
    let changed = founding(|_, founders| founders[3].key = PublicKey([3; 32]));
    refuses_founding(world, changed, "already signed another list");
}
