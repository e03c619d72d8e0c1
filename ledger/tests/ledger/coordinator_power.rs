//! What a coordinator that signs anything still cannot do: every replica refuses its log.

use crate::world::{COORDINATOR, SALT, World, identity};
use unsilo_ledger::{
    AppealAuthority, AppendError, Checkpoint, Entry, FeedbackKind, OpeningStatement, OwnerId,
    ParticipantId, Rejected, Replica, SignedEntry, Statement, Testimony, Violation, VoidAuthority,
    VoidReason,
};

/// Serves `entry` to a replica under a checkpoint that is properly signed and has the right Merkle root,
/// and returns why the replica refuses it.
fn served(world: &World, entry: &SignedEntry) -> Rejected {
    let coordinator = identity(COORDINATOR);
    let mut log = Replica::new(coordinator.public(), None);
    log.append(&world.log, &coordinator).expect("honest so far");
    let mut replica = Replica::new(coordinator.public(), Some(world.federation()));
    replica
        .append_verified(&world.log, log.checkpoint().expect("not empty").note())
        .expect("honest so far");

    // RFC 6962 by hand: the tree over all leaves, so that nothing but the entry itself is wrong.
    let leaves: Vec<Vec<u8>> = world
        .log
        .iter()
        .chain([entry])
        .map(SignedEntry::encode)
        .collect();
    let forged = Checkpoint {
        federation: world.federation(),
        size: leaves.len() as u64,
        root: merkle(&leaves),
        state_root: [0; 32],
    };
    let note = forged.sign(&coordinator).expect("well-formed");
    let before = (replica.root(), replica.state().root());
    let error = replica
        .append_verified(std::slice::from_ref(entry), note.note())
        .expect_err("must be refused");
    assert_eq!((replica.root(), replica.state().root()), before);
    match error {
        AppendError::Rejected { rejected, .. } => rejected,
        other => panic!("{other}"),
    }
}

fn merkle(leaves: &[Vec<u8>]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    if let [leaf] = leaves {
        return unsilo_ledger::leaf_hash(leaf);
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    Sha256::new()
        .chain_update([1])
        .chain_update(merkle(left))
        .chain_update(merkle(right))
        .finalize()
        .into()
}

#[test]
fn it_cannot_add_an_owner_or_admit_a_member() {
    let world = World::new(4);
    for owner in [None, Some(OwnerId(0))] {
        let alone = world.sign(world.admission(9, owner), &[COORDINATOR]);
        assert!(matches!(
            served(&world, &alone),
            Rejected::SurplusSignature { .. }
        ));
        let unsigned = world.sign(world.admission(9, owner), &[]);
        assert!(matches!(
            served(&world, &unsigned),
            Rejected::TooFewSigners { .. }
        ));
        let with_puppets = world.sign(world.admission(9, owner), &[9, 10, 11]);
        assert!(matches!(
            served(&world, &with_puppets),
            Rejected::SurplusSignature { .. }
        ));
        let with_a_friend = world.sign(world.admission(9, owner), &[0]);
        assert!(matches!(
            served(&world, &with_a_friend),
            Rejected::TooFewSigners { .. }
        ));
    }
}

#[test]
fn it_cannot_forge_the_members_signatures() {
    let world = World::new(4);
    let mut entry = world.sign(world.admission(9, None), &[0, 1, 2]);
    let own = world
        .sign(world.admission(9, None), &[COORDINATOR])
        .signatures[0]
        .signature;
    entry.signatures[1].signature = own;
    assert!(matches!(
        served(&world, &entry),
        Rejected::BadSignature { .. }
    ));
}

#[test]
fn it_cannot_seat_a_member_that_is_not_drawn() {
    let world = World::new(20);
    let drawn = world.state.draw().expect("idle");
    let outside = (0..20)
        .map(OwnerId)
        .find(|owner| !drawn.owners.contains(owner))
        .expect("11 are not drawn");
    let mut seats = world.seats();
    seats[6] = world.seat(ParticipantId(outside.0));
    let entry = world.sign(world.round_opened(seats), &[COORDINATOR]);
    assert_eq!(
        served(&world, &entry),
        Rejected::NotDrawn {
            seat: 7,
            owner: outside
        }
    );
}

#[test]
fn it_cannot_seat_a_drawn_member_with_a_key_of_its_own() {
    let world = World::new(5);
    let mut seats = world.seats();
    let mut offer = world.offer(1, seats[2].participant);
    offer.round_key = vec![66; 32];
    let signature = offer.sign(&identity(COORDINATOR));
    seats[2] = offer.into_seat(seats[2].participant, signature);
    let entry = world.sign(world.round_opened(seats), &[COORDINATOR]);
    assert_eq!(
        served(&world, &entry),
        Rejected::BadSeatSignature { seat: 3 }
    );
}

#[test]
fn it_cannot_contribute_for_a_participant() {
    let mut world = World::new(5);
    world.open();
    let entry = Entry::ContributionCommitted {
        round: 1,
        participant: ParticipantId(0),
        root: [0; 32],
        bytes: 1,
    };
    let entry = world.sign(entry, &[COORDINATOR]);
    assert!(matches!(
        served(&world, &entry),
        Rejected::SurplusSignature { .. }
    ));
}

#[test]
fn it_cannot_leave_a_contribution_out_of_a_close() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..4);
    // The members cosigned four contributions; a fifth is on the log when the close is.
    let close = world.sign(world.round_closed(world.cosignatures(5)), &[COORDINATOR]);
    world.contribute([4]);
    assert_eq!(served(&world, &close), Rejected::WrongContributions);
}

#[test]
fn it_cannot_close_or_publish_alone() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    let close = world.sign(world.round_closed(Vec::new()), &[COORDINATOR]);
    assert_eq!(
        served(&world, &close),
        Rejected::TooFewSigners { have: 0, need: 4 }
    );
    world.close();
    let judged = world.sign(world.judged(), &[COORDINATOR]);
    assert!(matches!(
        served(&world, &judged),
        Rejected::SurplusSignature { .. }
    ));
    world.judge();
    let publish = world.sign(world.model_published(), &[COORDINATOR]);
    assert_eq!(
        served(&world, &publish),
        Rejected::TooFewSigners { have: 0, need: 4 }
    );
}

#[test]
fn it_cannot_void_a_round_to_have_it_again() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    world.close();
    for authority in [
        VoidAuthority::Committee,
        VoidAuthority::Owners {
            passed_ms: u64::MAX,
        },
    ] {
        let entry = Entry::RoundVoided {
            round: 1,
            reason: VoidReason::LostData,
            authority,
        };
        let entry = world.sign(entry, &[COORDINATOR]);
        assert!(matches!(
            served(&world, &entry),
            Rejected::SurplusSignature { .. }
        ));
    }
}

#[test]
fn it_cannot_keep_other_books_than_the_entries_say() {
    let mut world = World::new(5);
    world.open();
    let coordinator = identity(COORDINATOR);
    let mut log = Replica::new(coordinator.public(), None);
    log.append(&world.log, &coordinator).expect("honest");
    let honest = *log.checkpoint().expect("not empty").checkpoint();
    let note = Checkpoint {
        state_root: [0; 32],
        ..honest
    }
    .sign(&coordinator)
    .expect("well-formed");
    let mut replica = Replica::new(coordinator.public(), Some(world.federation()));
    let error = replica
        .append_verified(&world.log, note.note())
        .expect_err("other books");
    assert!(
        matches!(
            error,
            AppendError::Diverged(unsilo_ledger::Diverged::WrongState { .. })
        ),
        "{error}"
    );
}

/// Everything that money, power and say depend on.
fn what_matters(world: &World) -> Vec<String> {
    let state = &world.state;
    let accounts = state
        .all_owners()
        .map(|owner| format!("{owner:?} {:?}", state.account(owner.id)));
    let members = state
        .all_participants()
        .map(|participant| format!("{participant:?}"));
    let seats = state
        .round()
        .map(|round| format!("{:?}", round.opening.seats));
    let draw = format!("{:?} {:?} {:?}", state.draw(), state.seed(), state.raters());
    let trust = state
        .all_owners()
        .map(|owner| format!("{:?}", state.reputation(owner.id)));
    let rest = [
        draw,
        format!("{:?}", state.cases().collect::<Vec<_>>()),
        format!("{:?} {:?}", state.consensus(), state.weights()),
        format!("{:?} {:?}", state.model(), state.epoch()),
    ];
    accounts
        .chain(members)
        .chain(trust)
        .chain(seats)
        .chain(rest)
        .collect()
}

/// Every kind of entry, about everybody, as the coordinator would like it.
fn wishes(world: &World) -> Vec<Entry> {
    let participants: Vec<u32> = world.state.all_participants().map(|one| one.id.0).collect();
    let round = world
        .state
        .round()
        .map_or_else(|| world.state.next_round(), |round| round.opening.round);
    let mut wishes = vec![
        world.admission(90, None),
        world.admission(91, Some(OwnerId(0))),
        world.step_ended(unsilo_ledger::RatingStep::Commit),
        world.step_ended(unsilo_ledger::RatingStep::Reveal),
        Entry::ContributionsJudged {
            round,
            answers: vec![(1, [0; 32]), (2, [0; 32]), (3, [0; 32]), (4, [0; 32])],
            projections: [0; 32],
            accepted: participants
                .iter()
                .map(|id| (ParticipantId(*id), 1))
                .collect(),
            rejected: Vec::new(),
            erased: Vec::new(),
        },
        Entry::ModelPublished {
            round,
            sum: [0; 32],
            key_sum: [0; 32],
            model: [77; 32],
            total_weight: 1_280,
        },
        Entry::RoundClosed {
            round,
            contributions: world.state.contributions_hash().unwrap_or_default(),
            cosignatures: Vec::new(),
        },
    ];
    for authority in [
        VoidAuthority::Committee,
        VoidAuthority::Owners { passed_ms: 0 },
        VoidAuthority::Owners {
            passed_ms: u64::MAX,
        },
    ] {
        wishes.push(Entry::RoundVoided {
            round,
            reason: VoidReason::LostData,
            authority,
        });
    }
    for authority in [AppealAuthority::Committee, AppealAuthority::Owners] {
        wishes.push(Entry::Appealed { case: 0, authority });
    }
    for id in participants {
        let participant = ParticipantId(id);
        wishes.extend([
            world.eviction(id),
            world.readmission(id, 900 + id),
            world.owner_change(id, None),
            world.owner_change(id, Some(OwnerId(id ^ 1))),
            world.deposit(id, 1),
            world.withdrawal(id, 1),
            Entry::ContributionCommitted {
                round,
                participant,
                root: [9; 32],
                bytes: 1,
            },
            Entry::DirectionsCommitted {
                round,
                participant,
                round_key: vec![1],
                directions: vec![[1; 32]],
            },
            Entry::RatingsCommitted {
                round,
                participant,
                commitment: [1; 32],
            },
            Entry::RatingsRevealed {
                round,
                participant,
                scores: vec![1; 5],
                rewards: vec![1; 5],
                salt: SALT,
            },
            Entry::FeedbackFiled {
                participant,
                number: 0,
                kind: FeedbackKind::Praise,
                hash: [1; 32],
            },
        ]);
        for violation in [
            Violation::WrongAnswer {
                participant,
                round: 1,
                evidence: [1; 32],
            },
            Violation::WrongShare {
                participant,
                round: 1,
                evidence: [1; 32],
            },
            // Statements that it signs itself, in the participant's name.
            Violation::Contradiction {
                participant,
                first: Box::new(forged(world, 1)),
                second: Box::new(forged(world, 2)),
            },
        ] {
            wishes.push(Entry::ViolationReported { violation });
        }
    }
    wishes
}

fn forged(world: &World, digest: u8) -> Testimony {
    let statement = OpeningStatement {
        federation: world.federation(),
        round: 1,
        seat: 1,
        digest: [digest; 32],
        opening: [0; 32],
    };
    Testimony {
        signature: statement.sign(&identity(COORDINATOR)),
        statement: Statement::Opening(statement),
    }
}

/// The world in every phase that a coordinator might make use of.
fn phases() -> Vec<World> {
    let mut world = World::new(5);
    world.epoch(|_, _| 50);
    let mut phases = vec![World::new(5), world.clone()];
    world.open();
    world.contribute(0..5);
    world.direct(0..5);
    phases.push(world.clone());
    world.close();
    phases.push(world.clone());
    world.judge();
    phases.push(world.clone());
    let ratings = world.ratings(0, 1);
    world.commit_ratings(0, &ratings);
    world.end_step(unsilo_ledger::RatingStep::Commit);
    phases.push(world.clone());
    world.end_step(unsilo_ledger::RatingStep::Reveal);
    phases.push(world);
    phases
}

#[test]
fn with_every_entry_it_likes_no_balance_seat_owner_or_stake_moves() {
    for mut world in phases() {
        let before = what_matters(&world);
        let old = world.log.clone();
        for wish in wishes(&world) {
            // Alone, unsigned, and with keys it makes up.
            for signers in [
                &[COORDINATOR][..],
                &[],
                &[901, 902, 903],
                &[COORDINATOR, 901],
            ] {
                let entry = world.sign(wish.clone(), signers);
                world.refuse(entry);
            }
        }
        // And whatever was ever signed, once more.
        for entry in old {
            world.refuse(entry);
        }
        assert_eq!(what_matters(&world), before);
    }
}

#[test]
fn fees_that_it_enters_are_all_that_it_can_add_and_go_to_the_pool() {
    for mut world in phases() {
        let before = what_matters(&world);
        let pool = *world.state.pool().expect("founded");
        let limit = world
            .state
            .draft()
            .expect("founded")
            .incentive
            .max_round_fees;
        let batch = |first, fees| Entry::QueryBatch {
            root: [0; 32],
            first,
            count: 1,
            fees,
        };
        for fees in [u64::MAX, limit + 1] {
            let entry = world.sign(batch(0, fees), &[COORDINATOR]);
            assert!(matches!(world.refuse(entry), Rejected::Fees(_)));
        }
        world.accept_by(batch(0, limit), COORDINATOR);
        let entry = world.sign(batch(1, 1), &[COORDINATOR]);
        assert!(matches!(world.refuse(entry), Rejected::Fees(_)));
        assert_eq!(what_matters(&world), before);
        let after = world.state.pool().expect("founded");
        assert_eq!(after.fees, pool.fees + limit);
        assert_eq!((after.emission, after.minted), (pool.emission, pool.minted));
    }
}
