//! Entry 0.

use crate::world::{COORDINATOR, World, draft, founders, genesis, identity, name};
use unsilo_ledger::{
    DraftError, Entry, Event, Feature, Member, OwnerId, Phase, Rejected, SignedEntry, State,
    initial_weights_q24, model_hash, q24_to_f32_bits,
};

fn refused(entry: &SignedEntry) -> Rejected {
    let mut state = State::new();
    let rejected = state.apply(entry).expect_err("not allowed");
    assert_eq!(state.root(), State::new().root());
    rejected
}

#[test]
fn founders_and_coordinator_found_a_federation() {
    let world = World::new(5);
    assert_eq!(world.state.phase(), Phase::Idle);
    assert_eq!(world.state.owners().count(), 5);
    assert!(
        world
            .state
            .owners()
            .all(|owner| world.state.stake(owner.id) == 1_000)
    );
    assert_eq!(world.state.majority(), 3);
    assert_eq!(world.state.next_round(), 1);
    assert_eq!(world.state.draw().expect("idle").owners.len(), 5);
}

#[test]
fn the_first_model_is_the_one_drawn_from_the_founders_seed() {
    let world = World::new(3);
    let spec = &world.state.draft().expect("founded").model;
    let weights = initial_weights_q24(spec, &world.state.founders_seed().expect("founded"));
    assert_eq!(weights.len() as u64, spec.parameters());
    let bytes: Vec<u8> = weights
        .iter()
        .flat_map(|weight| q24_to_f32_bits(*weight).to_le_bytes())
        .collect();
    assert_eq!(world.state.model(), Some(model_hash(spec, &bytes)));
}

#[test]
fn founding_tells_who_was_admitted_and_drawn() {
    let events = State::new()
        .apply(&genesis(draft(3), founders(3)))
        .expect("allowed");
    assert!(matches!(
        events.first(),
        Some(Event::FederationFounded { .. })
    ));
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event, Event::ParticipantAdmitted { granted: 1_000, .. }))
            .count(),
        3
    );
    assert!(matches!(events.last(), Some(Event::CommitteeDrawn(_))));
}

#[test]
fn a_missing_signature_is_refused() {
    for missing in [0, 2, COORDINATOR] {
        let mut entry = genesis(draft(3), founders(3));
        let key = identity(missing).public();
        entry.signatures.retain(|signature| signature.signer != key);
        assert!(
            matches!(refused(&entry), Rejected::MissingSignature { key: found, .. } if found == key)
        );
    }
}

#[test]
fn a_surplus_signature_is_refused() {
    let entry = genesis(draft(3), founders(3));
    let stranger = identity(77);
    let mut signatures = entry.signatures.clone();
    signatures.push(entry.entry.sign(&draft(3).federation_id(), &stranger));
    let entry = SignedEntry::new(entry.entry, signatures);
    assert_eq!(
        refused(&entry),
        Rejected::SurplusSignature {
            key: stranger.public()
        }
    );
}

#[test]
fn a_signature_of_another_message_is_refused() {
    let mut entry = genesis(draft(3), founders(3));
    let mut other = draft(3);
    other.nonce = [1; 32];
    let elsewhere = genesis(other, founders(3));
    entry.signatures[1] = elsewhere.signatures[1].clone();
    assert!(matches!(refused(&entry), Rejected::BadSignature { .. }));
}

#[test]
fn signatures_twice_or_out_of_order_are_refused() {
    let mut twice = genesis(draft(3), founders(3));
    twice.signatures.insert(0, twice.signatures[0].clone());
    assert!(matches!(refused(&twice), Rejected::SignatureOrder { .. }));
    let mut swapped = genesis(draft(3), founders(3));
    swapped.signatures.swap(0, 1);
    assert!(matches!(refused(&swapped), Rejected::SignatureOrder { .. }));
}

#[test]
fn only_those_invited_found_in_the_order_of_the_draft() {
    let mut swapped = founders(3);
    swapped.swap(0, 1);
    let cases = [
        (founders(2), 2, name(2), String::new()),
        (founders(4), 3, String::new(), name(3)),
        (swapped, 0, name(0), name(1)),
    ];
    for (members, position, expected, found) in cases {
        let rejected = refused(&genesis(draft(3), members));
        assert_eq!(
            rejected,
            Rejected::WrongFounder {
                position,
                expected,
                found
            }
        );
    }
}

#[test]
fn founders_have_keys_of_their_own() {
    let mut shared = founders(3);
    shared[2].key = shared[1].key;
    assert!(matches!(
        refused(&genesis(draft(3), shared)),
        Rejected::KeyTaken { .. }
    ));
    let mut of_coordinator = founders(3);
    of_coordinator[2].key = identity(COORDINATOR).public();
    assert!(matches!(
        refused(&genesis(draft(3), of_coordinator)),
        Rejected::KeyTaken { .. }
    ));
    // A point of order 4, the neutral point, and a second encoding of a sound point.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    for weak in [[0; 32], neutral, [0xff; 32]] {
        let mut unusable = founders(3);
        unusable[2].key.0 = weak;
        let rejected = refused(&genesis(draft(3), unusable));
        assert!(
            matches!(rejected, Rejected::UnusableKey { .. }),
            "{weak:?}: {rejected}"
        );
    }
}

#[test]
fn affiliates_do_not_count_as_owners() {
    let mut members = founders(4);
    members[3].owner = Some(OwnerId(0));
    let state =
        State::replay([&genesis(draft(4), members.clone())]).expect("three owners are enough");
    assert_eq!(state.owners().count(), 3);
    assert_eq!(state.participants().count(), 4);
    members[2].owner = Some(OwnerId(1));
    assert_eq!(
        refused(&genesis(draft(4), members.clone())),
        Rejected::TooFewOwners { owners: 2 }
    );
    members[2].owner = Some(OwnerId(2));
    assert_eq!(
        refused(&genesis(draft(4), members)),
        Rejected::UnknownOwner { owner: OwnerId(2) }
    );
}

#[test]
fn nothing_comes_before_the_genesis_and_no_second_one_after() {
    let mut world = World::new(3);
    world.open();
    let (first, later) = (world.log[0].clone(), world.log[1].clone());
    assert_eq!(refused(&later), Rejected::NotFounded);
    assert_eq!(world.refuse(first), Rejected::AlreadyFounded);
}

#[test]
fn the_draft_keeps_its_limits() {
    type Change = Box<dyn Fn(&mut unsilo_ledger::Draft)>;
    let broken: Vec<(&str, Change)> = vec![
        ("name", Box::new(|d| d.name = String::new())),
        (
            "control character",
            Box::new(|d| d.name = "a\u{202e}b".to_owned()),
        ),
        ("long name", Box::new(|d| d.name = "x".repeat(65))),
        ("two founders", Box::new(|d| d.founders.truncate(2))),
        (
            "same founder",
            Box::new(|d| d.founders[1] = "COMPANY 0".to_owned()),
        ),
        ("cohort 2", Box::new(|d| d.min_cohort = 2)),
        ("cohort above founders", Box::new(|d| d.min_cohort = 4)),
        ("unit", Box::new(|d| d.unit_log2 = 11)),
        ("grant", Box::new(|d| d.grant = 0)),
        ("coordinator", Box::new(|d| d.coordinator.0 = [0; 32])),
        (
            "one class",
            Box::new(|d| {
                d.schema.classes.truncate(1);
                d.model.layers[2] = 1;
            }),
        ),
        (
            "class twice",
            Box::new(|d| d.schema.classes[1] = "0".to_owned()),
        ),
        (
            "feature twice",
            Box::new(|d| d.schema.features[1].name = "pixel 0".to_owned()),
        ),
        (
            "label as feature",
            Box::new(|d| d.schema.label = "pixel 0".to_owned()),
        ),
        (
            "empty range",
            Box::new(|d| d.schema.features[0] = Feature::number("pixel 0", 0, 0)),
        ),
        ("inputs", Box::new(|d| d.model.layers[0] = 65)),
        ("outputs", Box::new(|d| d.model.layers[2] = 11)),
        ("empty layer", Box::new(|d| d.model.layers[1] = 0)),
        ("wide layer", Box::new(|d| d.model.layers[1] = 1_048_577)),
        ("small model", Box::new(|d| d.model.layers[1] = 16)),
        (
            "large model",
            Box::new(|d| d.model.layers = vec![64, 1_048_576, 1_048_576, 10]),
        ),
        ("one layer", Box::new(|d| d.model.layers = vec![64])),
        ("no steps", Box::new(|d| d.training.steps = 0)),
        ("no batch", Box::new(|d| d.training.batch = 0)),
        (
            "learning rate",
            Box::new(|d| d.training.learning_rate_micro = 10_000_001),
        ),
    ];
    assert_eq!(draft(3).validate(), Ok(()));
    for (what, change) in broken {
        let mut draft = draft(3);
        change(&mut draft);
        assert!(draft.validate().is_err(), "{what}");
        let members = founders(draft.founders.len());
        assert!(
            matches!(refused(&genesis(draft, members)), Rejected::Draft(_)),
            "{what}"
        );
    }
}

#[test]
fn a_model_too_small_says_what_it_would_need() {
    let mut draft = draft(3);
    draft.model.layers[1] = 16;
    let error = draft.validate().expect_err("1,210 parameters");
    assert!(matches!(error, DraftError::Model(_)));
    assert!(error.to_string().contains("1792"), "{error}");
}

#[test]
fn the_federation_id_covers_the_whole_draft() {
    let mut other = draft(3);
    other.created_ms += 1;
    assert_ne!(other.federation_id(), draft(3).federation_id());
}

#[test]
fn founders_by_name_cannot_be_smuggled_in_by_case() {
    let mut draft = draft(3);
    draft.founders[2] = "company 0".to_owned();
    let mut members = founders(3);
    members[2] = Member {
        name: "company 0".to_owned(),
        ..members[2].clone()
    };
    let Entry::FederationCreated { .. } = genesis(draft.clone(), members.clone()).entry else {
        unreachable!()
    };
    assert!(matches!(
        refused(&genesis(draft, members)),
        Rejected::Draft(_)
    ));
}
