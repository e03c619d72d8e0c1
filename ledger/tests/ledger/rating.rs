//! Raters commit to ratings and reveal them; the ledger weighs.

use crate::world::{COORDINATOR, SALT, World, identity};
use unsilo_ledger::{
    Entry, Event, OwnerId, ParticipantId, Phase, RatingRejected, RatingStep, Ratings, Rejected,
    VoidAuthority, VoidReason, commit_rating, ratings_hash,
};

/// A round of five in which all rate, judged.
fn judged() -> World {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    world.direct(0..5);
    world.close();
    world.judge();
    world
}

/// The same, when all but `absent` have committed to `score` for everybody, and it is time to reveal.
fn committed(score: i16, absent: &[u32]) -> World {
    let mut world = judged();
    for rater in (0..5).filter(|rater| !absent.contains(rater)) {
        let ratings = world.ratings(rater, score);
        world.commit_ratings(rater, &ratings);
    }
    world.end_step(RatingStep::Commit);
    world
}

fn refused(world: &mut World, entry: Entry, signers: &[u32]) -> RatingRejected {
    let entry = world.sign(entry, signers);
    match world.refuse(entry) {
        Rejected::Rating(rejected) => rejected,
        other => panic!("{other}"),
    }
}

#[test]
fn ratings_become_weights() {
    let mut world = judged();
    // Everybody finds that 3 harms, and that the others help alike.
    let ratings: Vec<(u32, Ratings)> = (0..5)
        .map(|rater| {
            let mut ratings = world.ratings(rater, 100);
            if rater != 3 {
                (ratings.scores[3], ratings.rewards[3]) = (-100, 0);
            }
            (rater, ratings)
        })
        .collect();
    let events = world.rate(&ratings);
    let Event::RoundWeighed {
        weights,
        void_due,
        derivation,
        ..
    } = &events[1]
    else {
        panic!("{events:?}");
    };
    let weights: Vec<u16> = weights.iter().map(|(_, weight)| *weight).collect();
    assert_eq!((weights, *void_due), (vec![256, 256, 256, 0, 256], None));
    assert_eq!(derivation.rows.len(), 5);
    assert_eq!(world.state.phase(), Phase::Weighed);
    assert_eq!(world.state.ratings().count(), 5);
    world.publish();
}

#[test]
fn what_too_few_support_is_not_opened() {
    let mut world = committed(-100, &[]);
    for rater in 0..5 {
        let ratings = world.ratings(rater, -100);
        world.reveal_ratings(rater, &ratings);
    }
    world.end_step(RatingStep::Reveal);
    // Nothing good about anybody is as no row at all.
    assert_eq!(world.state.void_due(), None);

    let mut world = judged();
    // Each finds only its successor good: no majority supports anybody.
    let ratings: Vec<(u32, Ratings)> = (0..5)
        .map(|rater| {
            let mut ratings = world.ratings(rater, -100);
            ratings.scores[(rater as usize + 1) % 5] = 100;
            (rater, ratings)
        })
        .collect();
    world.rate(&ratings);
    assert_eq!(world.state.void_due(), Some(VoidReason::Brake));
    let publish = world.sign(world.model_published(), &world.publishers(5));
    assert_eq!(
        world.refuse(publish),
        Rejected::MustBeVoid {
            reason: VoidReason::Brake
        }
    );
    let entry = Entry::RoundVoided {
        round: 1,
        reason: VoidReason::Brake,
        authority: VoidAuthority::Committee,
    };
    let entry = world.sign(entry, &world.seated());
    world.accept(entry);
}

#[test]
fn each_rater_signs_for_itself() {
    let mut world = judged();
    let ratings = world.ratings(0, 1);
    let commit = world.rating_committed(0, &ratings);
    for signers in [&[1][..], &[COORDINATOR], &[0, 1]] {
        let entry = world.sign(commit.clone(), signers);
        assert!(matches!(
            world.refuse(entry),
            Rejected::SurplusSignature { .. }
        ));
    }
    let entry = world.sign(commit, &[]);
    assert!(matches!(
        world.refuse(entry),
        Rejected::MissingSignature { key, .. } if key == identity(0).public()
    ));
    let mut world = committed(1, &[]);
    let reveal = world.rating_revealed(0, &ratings);
    let entry = world.sign(reveal, &[1]);
    assert!(matches!(
        world.refuse(entry),
        Rejected::SurplusSignature { .. }
    ));
}

#[test]
fn who_committed_to_no_directions_does_not_rate() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    world.direct(0..4);
    world.close();
    world.judge();
    let ratings = world.ratings(4, 1);
    let commit = world.rating_committed(4, &ratings);
    let participant = ParticipantId(4);
    assert_eq!(
        refused(&mut world, commit, &[4]),
        RatingRejected::NoDirections { participant }
    );
}

/// The same row, or commitment to one, said to be of another round.
fn of_round(entry: Entry, round: u64) -> Entry {
    match entry {
        Entry::RatingsCommitted {
            participant,
            commitment,
            ..
        } => Entry::RatingsCommitted {
            round,
            participant,
            commitment,
        },
        Entry::RatingsRevealed {
            participant,
            scores,
            rewards,
            salt,
            ..
        } => Entry::RatingsRevealed {
            round,
            participant,
            scores,
            rewards,
            salt,
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_row_is_of_the_round_under_way_and_no_other() {
    let of_another = |world: &mut World, entry: &Entry| {
        for round in [0, 2, u64::MAX] {
            let entry = world.sign(of_round(entry.clone(), round), &[0]);
            assert_eq!(
                world.refuse(entry),
                Rejected::WrongRound {
                    expected: 1,
                    found: round
                }
            );
        }
    };
    let mut world = judged();
    let ratings = world.ratings(0, 1);
    let commit = world.rating_committed(0, &ratings);
    of_another(&mut world, &commit);
    let mut world = committed(1, &[]);
    let reveal = world.rating_revealed(0, &ratings);
    of_another(&mut world, &reveal);
}

#[test]
fn a_rater_commits_once() {
    let mut world = judged();
    let participant = ParticipantId(0);
    for score in [1, 2] {
        let ratings = world.ratings(0, score);
        let commit = world.rating_committed(0, &ratings);
        if score == 1 {
            world.commit_ratings(0, &ratings);
        } else {
            let twice = refused(&mut world, commit, &[0]);
            assert_eq!(twice, RatingRejected::CommittedAlready { participant });
        }
    }
}

#[test]
fn nothing_is_revealed_without_a_commitment() {
    let mut world = committed(1, &[2]);
    let ratings = world.ratings(2, 1);
    let reveal = world.rating_revealed(2, &ratings);
    let participant = ParticipantId(2);
    assert_eq!(
        refused(&mut world, reveal, &[2]),
        RatingRejected::NotCommitted { participant }
    );
}

#[test]
fn what_is_revealed_is_what_was_committed_to() {
    let mut world = committed(1, &[]);
    let participant = ParticipantId(0);
    let mismatch = RatingRejected::Mismatch { participant };
    let other = world.ratings(0, 2);
    let reveal = world.rating_revealed(0, &other);
    assert_eq!(refused(&mut world, reveal, &[0]), mismatch);
    let own = world.ratings(0, 1);
    let mut reveal = world.rating_revealed(0, &own);
    if let Entry::RatingsRevealed { salt, .. } = &mut reveal {
        salt[0] ^= 1;
    }
    assert_eq!(refused(&mut world, reveal, &[0]), mismatch);
    world.reveal_ratings(0, &own);
}

#[test]
fn a_copied_commitment_cannot_be_opened() {
    let mut world = judged();
    let ratings = world.ratings(0, 1);
    world.commit_ratings(0, &ratings);
    let Entry::RatingsCommitted { commitment, .. } = world.rating_committed(0, &ratings) else {
        unreachable!("a commitment");
    };
    let (round, participant) = (1, ParticipantId(1));
    let copied = Entry::RatingsCommitted {
        round,
        participant,
        commitment,
    };
    let entry = world.sign(copied, &[1]);
    world.accept(entry);
    world.end_step(RatingStep::Commit);
    let reveal = world.rating_revealed(1, &ratings);
    assert_eq!(
        refused(&mut world, reveal, &[1]),
        RatingRejected::Mismatch { participant }
    );
}

#[test]
fn a_rater_reveals_once() {
    let mut world = committed(1, &[]);
    let ratings = world.ratings(0, 1);
    world.reveal_ratings(0, &ratings);
    let again = world.rating_revealed(0, &ratings);
    let participant = ParticipantId(0);
    assert_eq!(
        refused(&mut world, again, &[0]),
        RatingRejected::RevealedAlready { participant }
    );
}

#[test]
fn each_step_has_its_time() {
    let mut world = judged();
    let ratings = world.ratings(0, 1);
    let reveal = world.rating_revealed(0, &ratings);
    let early = refused(&mut world, reveal.clone(), &[0]);
    assert_eq!(
        early,
        RatingRejected::NotNow {
            step: RatingStep::Reveal
        }
    );
    world.commit_ratings(0, &ratings);
    world.end_step(RatingStep::Commit);
    let other = world.ratings(1, 1);
    let commit = world.rating_committed(1, &other);
    let late = refused(&mut world, commit, &[1]);
    assert_eq!(
        late,
        RatingRejected::NotNow {
            step: RatingStep::Commit
        }
    );
    world.end_step(RatingStep::Reveal);
    let late = refused(&mut world, reveal, &[0]);
    assert_eq!(
        late,
        RatingRejected::NotNow {
            step: RatingStep::Reveal
        }
    );
    assert_eq!(world.state.weights().expect("weighed").len(), 5);
}

#[test]
fn steps_are_ended_by_the_threshold_of_members_in_their_order() {
    let mut world = judged();
    let seated = world.seated();
    let skipped = refused_end(&mut world, RatingStep::Reveal, &seated);
    assert_eq!(
        skipped,
        RatingRejected::NotNow {
            step: RatingStep::Reveal
        }
    );
    let entry = world.sign(world.step_ended(RatingStep::Commit), &seated[..3]);
    assert_eq!(
        world.refuse(entry),
        Rejected::TooFewSigners { have: 3, need: 4 }
    );
    let entry = world.sign(world.step_ended(RatingStep::Commit), &[COORDINATOR]);
    assert!(matches!(
        world.refuse(entry),
        Rejected::SurplusSignature { .. }
    ));
    let ratings = world.ratings(0, 1);
    world.commit_ratings(0, &ratings);
    world.end_step(RatingStep::Commit);
    assert_eq!(world.state.phase(), Phase::Rating(RatingStep::Reveal));
    let again = refused_end(&mut world, RatingStep::Commit, &seated);
    assert_eq!(
        again,
        RatingRejected::NotNow {
            step: RatingStep::Commit
        }
    );
}

/// The rejection of the end of a step.
fn refused_end(world: &mut World, step: RatingStep, by: &[u32]) -> RatingRejected {
    let end = world.step_ended(step);
    refused(world, end, by)
}

/// The end of the step under way over these rows.
fn ended_over(world: &World, step: RatingStep, raters: &[u32]) -> Entry {
    let record = |rater: &u32| {
        let records = &world.state.round().expect("in progress").ratings;
        let commitment = records.get(&ParticipantId(*rater)).map(|it| it.commitment);
        let planned = || {
            let ratings = world.ratings(*rater, 1);
            commit_rating(
                &world.federation(),
                1,
                ParticipantId(*rater),
                &ratings,
                &SALT,
            )
        };
        (ParticipantId(*rater), commitment.unwrap_or_else(planned))
    };
    let rows: Vec<_> = raters.iter().map(record).collect();
    Entry::RatingStepEnded {
        round: 1,
        step,
        rows: rows.len() as u32,
        set: ratings_hash(&world.federation(), 1, step, rows.into_iter()),
    }
}

#[test]
fn a_step_ends_over_exactly_the_rows_that_the_members_signed() {
    let mut world = judged();
    let seated = world.seated();
    for (step, on_log) in [(RatingStep::Commit, 4_u32), (RatingStep::Reveal, 3)] {
        for rater in 0..on_log {
            let ratings = world.ratings(rater, 1);
            match step {
                RatingStep::Commit => world.commit_ratings(rater, &ratings),
                RatingStep::Reveal => world.reveal_ratings(rater, &ratings),
            }
        }
        // One dropped, one exchanged, one more, none, and all of the other step.
        for raters in [&[0, 1][..], &[0, 1, 4], &[0, 1, 2, 3, 4], &[]] {
            let entry = ended_over(&world, step, raters);
            let rows = raters.len() as u32;
            assert_eq!(
                refused(&mut world, entry, &seated),
                RatingRejected::OtherRows { step, rows, on_log }
            );
        }
        let all: Vec<u32> = (0..on_log).collect();
        let right = ended_over(&world, step, &all);
        assert_eq!(Some(&right), world.state.rating_step_end().as_ref());
        // Members signed three rows; a fourth that comes before their signatures do is not counted with them.
        let late = world.ratings(on_log, 1);
        let mut later = world.clone();
        match step {
            RatingStep::Commit => later.commit_ratings(on_log, &late),
            RatingStep::Reveal => later.reveal_ratings(on_log, &late),
        }
        assert_eq!(
            refused(&mut later, right.clone(), &seated),
            RatingRejected::OtherRows {
                step,
                rows: on_log,
                on_log: on_log + 1
            }
        );
        let entry = world.sign(right, &seated);
        world.accept(entry);
    }
    assert_eq!(world.state.phase(), Phase::Weighed);
    assert_eq!(world.state.rating_step_end(), None);
}

#[test]
fn without_commitments_there_is_no_reveal() {
    let mut world = judged();
    let events = world.end_step(RatingStep::Commit);
    assert!(matches!(events[1], Event::RoundWeighed { .. }));
    assert_eq!(world.state.phase(), Phase::Weighed);
}

#[test]
fn ratings_are_of_exactly_the_accepted() {
    for length in [0, 4, 6] {
        let mut world = judged();
        let ratings = Ratings {
            scores: vec![0; length],
            rewards: vec![0; length],
        };
        world.commit_ratings(0, &ratings);
        world.end_step(RatingStep::Commit);
        let reveal = world.rating_revealed(0, &ratings);
        assert_eq!(
            refused(&mut world, reveal, &[0]),
            RatingRejected::Length {
                accepted: 5,
                scores: length,
                rewards: length
            }
        );
    }
}

#[test]
fn nobody_rates_itself() {
    for reward in [false, true] {
        let mut world = judged();
        let mut ratings = world.ratings(0, 1);
        if reward {
            ratings.rewards[0] = 1;
        } else {
            ratings.scores[0] = -1;
        }
        world.commit_ratings(0, &ratings);
        world.end_step(RatingStep::Commit);
        let reveal = world.rating_revealed(0, &ratings);
        let participant = ParticipantId(0);
        assert_eq!(
            refused(&mut world, reveal, &[0]),
            RatingRejected::Itself { participant }
        );
    }
}

#[test]
fn nobody_rates_its_affiliates() {
    let mut world = World::new(5);
    let entry = world.sign(world.admission(5, Some(OwnerId(0))), &[0, 1, 2]);
    world.accept(entry);
    world.open();
    world.contribute(0..6);
    world.direct([0, 1]);
    world.close();
    world.judge();
    let mut ratings = world.ratings(0, 1);
    ratings.rewards[5] = 9;
    world.commit_ratings(0, &ratings);
    world.end_step(RatingStep::Commit);
    let reveal = world.rating_revealed(0, &ratings);
    assert_eq!(
        refused(&mut world, reveal, &[0]),
        RatingRejected::Affiliate {
            participant: ParticipantId(0),
            affiliate: ParticipantId(5)
        }
    );
}

#[test]
fn a_rated_round_may_still_be_void() {
    let mut world = committed(1, &[]);
    world.void();
    assert_eq!(world.state.phase(), Phase::Idle);
    let participant = ParticipantId(0);
    let late = Entry::RatingsRevealed {
        round: 1,
        participant,
        scores: vec![0; 5],
        rewards: vec![0; 5],
        salt: SALT,
    };
    let entry = world.sign(late, &[0]);
    assert_eq!(world.refuse(entry), Rejected::NoOpenRound);
}

#[test]
fn rounds_with_ratings_follow_each_other() {
    let mut world = World::new(6);
    for round in 1..=3 {
        world.rated_round(|_, rated| if rated.0 == 5 { -7 } else { 50 });
        let sum = world.state.last_sum().expect("published");
        assert_eq!((sum.opening.round, sum.weights[5].1), (round, 0));
        assert!(sum.weights[..5].iter().all(|(_, weight)| *weight == 256));
    }
}

/// The weights of a round of six in which `against` find that 5 harms and the others that it helps, and in which
/// 1 comes to belong to the owner of 0 before it is weighed, and perhaps is evicted.
fn weighed_after(against: &[u32], absent: &[u32], evicted: bool) -> Vec<u16> {
    let mut world = World::new(6);
    world.open();
    world.contribute(0..6);
    world.direct(0..6);
    world.close();
    world.judge();
    let rows: Vec<(u32, Ratings)> = (0..6)
        .filter(|rater| !absent.contains(rater))
        .map(|rater| {
            let mut ratings = world.ratings(rater, 100);
            if against.contains(&rater) {
                (ratings.scores[5], ratings.rewards[5]) = (-100, 0);
            }
            (rater, ratings)
        })
        .collect();
    for (rater, ratings) in &rows {
        world.commit_ratings(*rater, ratings);
    }
    world.end_step(RatingStep::Commit);
    for (rater, ratings) in &rows {
        world.reveal_ratings(*rater, ratings);
    }
    let entry = world.sign(world.owner_change(1, Some(OwnerId(0))), &[0, 2, 3, 4]);
    world.accept(entry);
    if evicted {
        let entry = world.sign(world.eviction(1), &[2, 3, 4]);
        world.accept(entry);
    }
    let members: Vec<u32> = world.seated().into_iter().filter(|id| *id != 1).collect();
    let entry = world.sign(world.step_ended(RatingStep::Reveal), &members);
    world.accept(entry);
    let weights = world.state.weights().expect("weighed");
    weights.iter().map(|(_, weight)| *weight).collect()
}

#[test]
fn an_owner_has_one_row_whoever_comes_to_belong_to_it() {
    // Two of the four other owners find that 5 harms; a second row of one of them would tip the scales.
    let without = weighed_after(&[0, 2], &[1], false);
    assert_eq!(without[5], 0);
    assert_eq!(weighed_after(&[0, 2], &[], false), without);
    assert!(weighed_after(&[2], &[], false)[5] > 0, "one of four");
}

#[test]
fn the_evicted_have_no_row_though_their_owner_is_there() {
    // Its owner's other participant did not rate.
    let without = weighed_after(&[2], &[0, 1], true);
    assert!(without[5] > 0, "one of three");
    assert_eq!(weighed_after(&[1, 2], &[0], true), without);
    let staying = weighed_after(&[1, 2], &[0], false);
    assert_eq!(staying[5], 0, "it has one where it stays");
}

/// The weights of a round of ten in which all are drawn and the first `heard` find that 9 harms.
fn weights_if_heard(heard: u32) -> Vec<u16> {
    let mut world = World::new(10);
    world.open();
    world.contribute(0..10);
    world.direct(0..10);
    world.close();
    world.judge();
    assert_eq!(world.state.raters().len(), 10);
    let ratings: Vec<_> = (0..heard)
        .map(|rater| {
            let mut ratings = world.ratings(rater, 100);
            (ratings.scores[9], ratings.rewards[9]) = (-100, 0);
            (rater, ratings)
        })
        .collect();
    let events = world.rate(&ratings);
    let Event::RoundWeighed { weights, .. } = &events[1] else {
        panic!("{events:?}");
    };
    weights.iter().map(|(_, weight)| *weight).collect()
}

#[test]
fn half_of_the_raters_decide_nothing_while_the_others_are_not_heard() {
    assert_eq!(weights_if_heard(5), [256; 10]);
    let mut without_the_last = [256; 10];
    without_the_last[9] = 0;
    assert_eq!(weights_if_heard(6), without_the_last);
}
