//! Random sequences of entries and random bytes: never a panic, never a change on rejection.

use crate::world::{COORDINATOR, World, identity};
use proptest::collection::vec;
use proptest::prelude::*;
use unsilo_ledger::{
    OwnerId, Phase, Replica, SignedCheckpoint, SignedEntry, State, VoidAuthority,
    verify_consistency, verify_inclusion,
};

/// What a random participant in the test does next; whether it is allowed depends on the state.
#[derive(Clone, Debug)]
enum Action {
    Open {
        drop_seats: usize,
        swap: bool,
    },
    Contribute {
        participant: u32,
        by: u32,
    },
    Close {
        cosigners: usize,
    },
    Judge {
        members: usize,
    },
    Publish {
        members: usize,
        coordinator: bool,
    },
    Void {
        signers: Vec<u32>,
        owners: bool,
        passed_ms: u64,
        round: u64,
    },
    Admit {
        number: u32,
        owner: Option<u32>,
        signers: Vec<u32>,
    },
    Replay {
        at: usize,
    },
    Mutate {
        at: usize,
        byte: usize,
        flip: u8,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let someone = 0..9_u32;
    prop_oneof![
        4 => (0..2_usize, prop::bool::weighted(0.1)).prop_map(|(drop_seats, swap)| Action::Open { drop_seats, swap }),
        12 => (someone.clone(), prop::option::weighted(0.1, someone.clone()))
            .prop_map(|(participant, by)| Action::Contribute { participant, by: by.unwrap_or(participant) }),
        4 => (3..8_usize).prop_map(|cosigners| Action::Close { cosigners }),
        4 => (3..8_usize).prop_map(|members| Action::Judge { members }),
        4 => (3..8_usize, prop::bool::weighted(0.9))
            .prop_map(|(members, coordinator)| Action::Publish { members, coordinator }),
        2 => (vec(someone.clone(), 0..6), any::<bool>(), prop_oneof![Just(0), Just(100_000_000)], 0..4_u64)
            .prop_map(|(signers, owners, passed_ms, round)| Action::Void { signers, owners, passed_ms, round }),
        2 => (4..9_u32, prop::option::weighted(0.3, 0..6_u32), vec(someone, 1..6))
            .prop_map(|(number, owner, signers)| Action::Admit { number, owner, signers }),
        2 => any::<prop::sample::Index>().prop_map(|at| Action::Replay { at: at.index(1_000) }),
        2 => (0..1_000_usize, 0..10_000_usize, 1..=255_u8)
            .prop_map(|(at, byte, flip)| Action::Mutate { at, byte, flip }),
    ]
}

impl Action {
    /// The entry, if the state has what it takes to write one at all.
    fn entry(&self, world: &World) -> Option<SignedEntry> {
        match self {
            Self::Open { drop_seats, swap } => {
                world.state.draw()?;
                let mut seats = world.seats();
                seats.truncate(seats.len().saturating_sub(*drop_seats));
                if *swap {
                    seats.reverse();
                }
                Some(world.sign(world.round_opened(seats), &[COORDINATOR]))
            }
            Self::Contribute { participant, by } => {
                world.state.round()?;
                let entry = world.contribution(*participant).entry;
                Some(world.sign(entry, &[*by]))
            }
            Self::Close { cosigners } => {
                let seats = world.state.round()?.opening.seats.len();
                Some(world.sign(
                    world.round_closed(world.cosignatures((*cosigners).min(seats))),
                    &[COORDINATOR],
                ))
            }
            Self::Judge { members } => {
                world.state.round()?;
                let signers: Vec<u32> = world.seated().into_iter().take(*members).collect();
                Some(world.sign(world.judged(), &signers))
            }
            Self::Publish {
                members,
                coordinator,
            } => {
                world.state.round()?;
                let mut signers = world.publishers(*members);
                if !coordinator {
                    signers.remove(0);
                }
                Some(world.sign(world.model_published(), &signers))
            }
            Self::Void {
                signers,
                owners,
                passed_ms,
                round,
            } => {
                let passed_ms = *passed_ms;
                let authority = if *owners {
                    VoidAuthority::Owners { passed_ms }
                } else {
                    VoidAuthority::Committee
                };
                let round = (world.state.next_round() + 1).saturating_sub(*round);
                Some(world.sign(world.voided(round, authority), signers))
            }
            Self::Admit {
                number,
                owner,
                signers,
            } => Some(world.sign(world.admission(*number, owner.map(OwnerId)), signers)),
            Self::Replay { at } => world.log.get(at % world.log.len()).cloned(),
            Self::Mutate { at, byte, flip } => {
                let mut bytes = world.log.get(at % world.log.len())?.encode();
                let byte = byte % bytes.len();
                bytes[byte] ^= flip;
                SignedEntry::decode(&bytes).ok()
            }
        }
    }
}

/// What holds after every entry, whatever was tried.
fn check_invariants(state: &State) {
    let owners = state.owners().count();
    assert_eq!(
        state
            .owners()
            .map(|owner| state.stake(owner.id))
            .sum::<u64>(),
        1_000 * owners as u64
    );
    assert_eq!(
        state.history().len() as u64 + u64::from(state.round().is_some()),
        state.next_round() - 1
    );
    if let Some(round) = state.round() {
        assert!(round.opening.seats.len() >= usize::from(round.opening.threshold));
        assert!(round.contributions.len() >= round.owners.len());
        // What a sum needs is fixed by the close: who joins after it changes nothing.
        if let Some(closing) = &round.closing {
            assert!(round.owners.len() >= closing.cohort as usize && closing.cohort >= 3);
        }
        // Nothing has a weight before it is weighed, and then no more than the sum has room for.
        let weighed = state.phase() == Phase::Weighed;
        assert_eq!(round.total_weight() > 0, weighed);
        assert!(round.total_weight() <= 256 * round.contributions.len() as u64);
    }
    assert_eq!(state.draw().is_some(), state.phase() == Phase::Idle);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_sequences_keep_the_books_in_order(actions in vec(action(), 1..60)) {
        let mut world = World::new(4);
        for action in &actions {
            let Some(entry) = action.entry(&world) else { continue };
            let before = world.state.clone();
            match world.state.apply(&entry) {
                Ok(_) => world.log.push(entry),
                Err(rejected) => {
                    prop_assert_eq!(world.state.root(), before.root());
                    prop_assert!(!rejected.to_string().is_empty());
                    prop_assert_eq!(before.check(&entry), Err(rejected));
                }
            }
            check_invariants(&world.state);
        }
        let replayed = State::replay(&world.log).expect("what was accepted is accepted again");
        prop_assert_eq!(replayed.root(), world.state.root());
        let mut trusting = State::new();
        for entry in &world.log {
            trusting.apply_with_known_signatures(entry).expect("accepted before");
        }
        prop_assert_eq!(trusting.root(), world.state.root());
        for entry in &world.log {
            prop_assert!(!world.state.describe(entry).contains('\n'));
        }
    }

    #[test]
    fn random_bytes_are_no_entry(bytes in vec(any::<u8>(), 0..400)) {
        let mut versioned = vec![1];
        versioned.extend_from_slice(&bytes);
        for bytes in [bytes, versioned] {
            if let Ok(entry) = SignedEntry::decode(&bytes) {
                prop_assert_eq!(entry.encode(), bytes);
                prop_assert!(State::new().apply(&entry).is_err());
            }
        }
    }

    #[test]
    fn random_text_is_no_checkpoint(text in ".{0,300}", lines in vec("[ -~]{0,60}", 0..8)) {
        let key = identity(COORDINATOR).public();
        prop_assert!(SignedCheckpoint::parse(&text, &key).is_err());
        prop_assert!(SignedCheckpoint::parse(&lines.join("\n"), &key).is_err());
        let replica = Replica::new(key, None);
        prop_assert!(replica.compare(&text).is_err());
    }

    #[test]
    fn random_proofs_prove_nothing(
        proof in vec(any::<[u8; 32]>(), 0..70),
        (small, large) in (any::<u64>(), any::<u64>()),
        root in any::<[u8; 32]>(),
    ) {
        prop_assert!(verify_inclusion(&proof, large, &root, small, b"entry").is_err());
        if small != large {
            prop_assert!(verify_consistency(&proof, small, &root, large, &[0; 32]).is_err());
        }
        prop_assert!(verify_consistency(&proof, small % 9, &root, 9, &[0; 32]).is_err());
        prop_assert!(verify_inclusion(&proof, 9, &root, small % 9, b"entry").is_err());
    }
}

#[test]
fn every_single_byte_of_every_entry_matters() {
    let mut world = World::new(3);
    world.full_round();
    for (position, entry) in world.log.iter().enumerate() {
        let before = State::replay(&world.log[..position]).expect("accepted");
        let bytes = entry.encode();
        for at in (0..bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let Ok(changed) = SignedEntry::decode(&changed) else {
                continue;
            };
            let mut state = before.clone();
            assert!(
                state.apply(&changed).is_err(),
                "entry {position}, byte {at} can be changed"
            );
            assert_eq!(state.root(), before.root());
        }
    }
}
