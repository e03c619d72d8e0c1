//! Epochs are settled: payouts, reputation, trust.

use crate::world::{World, draft};
use unsilo_ledger::mechanism::median::{self, Memory};
use unsilo_ledger::mechanism::{Epoch, Ratings, Row};
use unsilo_ledger::{Attendance, Event, Incentive, OwnerId, ParticipantId, Settlement};

/// 60 for the last participant, 100 for the others.
fn honest(world: &World) -> impl Fn(u32, ParticipantId) -> i16 + use<> {
    let last = world.state.participants().count() as u32 - 1;
    move |_, rated| if rated.0 == last { 60 } else { 100 }
}

/// All that was ever earned is somewhere.
fn check_conservation(world: &World) {
    let pool = world.state.pool().expect("founded");
    let own: u64 = world
        .state
        .all_owners()
        .map(|owner| world.state.account(owner.id).expect("an account").own())
        .sum();
    assert_eq!(
        own + pool.burned + pool.fees,
        pool.minted + pool.fees_entered
    );
}

#[test]
fn an_epoch_is_paid_by_the_mechanism() {
    let mut world = World::new(5);
    let score = honest(&world);
    let settled = world.epoch(&score);
    assert_eq!((settled.epoch, settled.round, settled.rounds), (1, 20, 20));
    assert_eq!((settled.emission, settled.fees), (20_000_000, 0));
    assert_eq!(settled.owners, (0..5).map(OwnerId).collect::<Vec<_>>());
    assert_eq!(settled.rated_in, [Some(20); 5]);

    // The same by the mechanism alone, from the ratings of the last round.
    let weights: Vec<Vec<u16>> = (0..5_u32)
        .map(|rater| {
            let rate = |rated: u32| {
                if rated == rater {
                    0
                } else {
                    score(rater, ParticipantId(rated))
                }
            };
            (0..5)
                .map(|rated| u16::try_from(rate(rated)).expect("positive"))
                .collect()
        })
        .collect();
    assert_eq!(settled.ratings, weights);
    let rows: Vec<Row<'_>> = (0..)
        .zip(&weights)
        .map(|(owner, weights)| Row {
            owner,
            stake: 1_000,
            joined: 1,
            ratings: Some(Ratings { weights, given: 20 }),
        })
        .collect();
    let mut memory = Memory::new();
    memory.add(&[1 << 32; 5]);
    let epoch = Epoch {
        emission: 20_000_000,
        rows: &rows,
        activity_cutoff: 3,
    };
    let (memory, outcome) = median::epoch(&memory, &epoch).expect("sound");
    assert_eq!(settled.outcome, outcome);
    for owner in 0..5_usize {
        let id = OwnerId(owner as u32);
        assert_eq!(world.state.balance(id), outcome.payout[owner]);
        assert_eq!(world.state.reputation(id), Some(memory.reputation()[owner]));
    }
    assert!(outcome.payout.iter().all(|payout| *payout > 0));
    assert_eq!(
        outcome.payout.iter().sum::<u64>() + outcome.withheld,
        20_000_000
    );
    assert_eq!(world.state.pool().expect("founded").epoch, 2);
    check_conservation(&world);
}

#[test]
fn a_row_is_the_last_one_revealed_in_the_epoch() {
    let mut world = World::new(5);
    for round in 1..=20 {
        // Owner 4 commits to directions in every round and rates in round 7 only.
        world.open();
        world.contribute(0..5);
        world.direct(0..5);
        world.close();
        world.judge();
        let ratings: Vec<_> = (0..5)
            .filter(|rater| *rater != 4 || round == 7)
            .map(|rater| (rater, world.ratings(rater, round)))
            .collect();
        world.rate(&ratings);
        if round == 20 {
            let row = world.state.epoch_ratings(OwnerId(4)).expect("rated");
            assert_eq!((row.0, row.1[0]), (7, (OwnerId(0), 7)));
            assert_eq!(world.state.epoch_ratings(OwnerId(0)).expect("rated").0, 20);
        }
        let events = world.publish();
        if let Some(Event::EpochSettled(settled)) = events
            .iter()
            .find(|event| matches!(event, Event::EpochSettled(_)))
        {
            assert_eq!(settled.rated_in[3..], [Some(20), Some(7)]);
            let attendance = |asked, rated| Attendance { asked, rated };
            assert_eq!(
                settled.attendance[3..],
                [attendance(20, 20), attendance(20, 1)]
            );
        }
    }
    assert_eq!(world.state.epoch(), 2);
    assert_eq!(world.state.epoch_ratings(OwnerId(0)), None);
}

/// Twenty rounds of five owners that say the same of all; owner 4 only in the rounds that `rates` says, and in the others
/// nothing, or zeros.
fn epoch_with_absences(zeros: bool, rates: impl Fn(u64) -> bool) -> Settlement {
    let mut world = World::new(5);
    for round in 1..=20 {
        world.open();
        world.contribute(0..5);
        world.direct(0..5);
        world.close();
        world.judge();
        let score = |rater| match rater {
            4 if !rates(round) => zeros.then_some(0),
            _ => Some(100),
        };
        let ratings: Vec<_> = (0..5)
            .filter_map(|rater| Some((rater, world.ratings(rater, score(rater)?))))
            .collect();
        world.rate(&ratings);
        for event in world.publish() {
            if let Event::EpochSettled(settled) = event {
                check_conservation(&world);
                return *settled;
            }
        }
    }
    panic!("twenty rounds are an epoch")
}

fn rating_pay(settled: &Settlement) -> Vec<u64> {
    let payment = settled.outcome.payment.as_ref();
    payment.expect("there is consensus").rater.clone()
}

#[test]
fn who_rates_in_one_round_of_twenty_is_paid_a_twentieth_for_rating() {
    let always = epoch_with_absences(false, |_| true);
    let pool: u64 = rating_pay(&always).iter().sum();
    assert!(
        rating_pay(&always)
            .iter()
            .all(|pay| pay.abs_diff(pool / 5) <= 1)
    );
    // The first or the last: how often counts, and not when.
    for only in [1, 20] {
        let settled = epoch_with_absences(false, |round| round == only);
        let (rating, all) = (rating_pay(&settled), &settled.outcome);
        // Four parts and a twentieth of one; the raters' part is a fifth of what is paid as before.
        assert!(
            rating[..4]
                .iter()
                .all(|pay| pay.abs_diff(pool * 20 / 81) <= 1),
            "{rating:?}"
        );
        assert!(rating[4].abs_diff(pool / 81) <= 1, "{rating:?}");
        assert_eq!(rating.iter().sum::<u64>(), pool);
        // What it said, and what was said of it, count as if it had always spoken.
        assert_eq!(all.consensus, always.outcome.consensus);
        assert_eq!(
            all.payment.as_ref().expect("paid").contributor,
            always.outcome.payment.as_ref().expect("paid").contributor
        );
    }
}

#[test]
fn a_row_of_zeros_is_no_rating() {
    let one = epoch_with_absences(true, |round| round == 3);
    assert_eq!(
        one.attendance[4],
        Attendance {
            asked: 20,
            rated: 1
        }
    );
    // As if it had been silent: what it said before still counts.
    let silent = epoch_with_absences(false, |round| round == 3);
    assert_eq!(rating_pay(&one), rating_pay(&silent));
    assert!(rating_pay(&one)[4] > 0);
    let none = epoch_with_absences(true, |_| false);
    assert_eq!(
        none.attendance[4],
        Attendance {
            asked: 20,
            rated: 0
        }
    );
}

#[test]
fn who_is_not_drawn_in_a_round_loses_nothing_by_it() {
    // Of 20 owners 13 fit into a round of 2,410 parameters.
    let mut world = World::new(20);
    let settled = world.epoch(|_, _| 100);
    let asked: Vec<u32> = settled.attendance.iter().map(|one| one.asked).collect();
    assert_eq!(asked.iter().sum::<u32>(), 20 * 13);
    assert!(asked.iter().min() < asked.iter().max(), "{asked:?}");
    assert!(settled.attendance.iter().all(|one| one.rated == one.asked));
    let rating = rating_pay(&settled);
    let spread = rating.iter().max().unwrap() - rating.iter().min().unwrap();
    assert!(spread <= 1, "{rating:?}");
}

#[test]
fn who_leaves_and_comes_back_has_no_attendance_of_before() {
    let mut world = World::new(6);
    for _ in 0..3 {
        world.rated_round(|_, _| 100);
    }
    let eviction = world.sign(world.eviction(5), &[0, 1, 2, 3]);
    world.accept(eviction);
    world.rated_round(|_, rated| if rated.0 == 5 { 0 } else { 100 });
    let back = world.sign(world.readmission(5, 5), &[0, 1, 2]);
    world.accept(back);
    let settled = world.epoch(|_, _| 100);
    let last = settled.attendance[5];
    // Three rounds before, one without it; it is drawn from the second round after its return at the latest.
    assert!((15..=16).contains(&last.asked), "{last:?}");
    assert_eq!(last.rated, last.asked);
    assert_eq!(
        settled.attendance[0],
        Attendance {
            asked: 20,
            rated: 20
        }
    );
}

#[test]
fn trust_is_how_far_a_rating_supports_the_consensus() {
    let mut world = World::new(5);
    assert_eq!(world.state.trust(OwnerId(0), OwnerId(1)), None);
    // Rater 0 finds nothing good about 4, everybody else the same of all.
    world.epoch(|rater, rated| if (rater, rated.0) == (0, 4) { 0 } else { 50 });
    let one = 1_u64 << 32;
    assert_eq!(world.state.trust(OwnerId(0), OwnerId(4)), Some(0));
    assert_eq!(world.state.trust(OwnerId(1), OwnerId(4)), Some(one));
    assert_eq!(world.state.rating(OwnerId(0), OwnerId(4)), Some(0));
    assert!(world.state.reputation(OwnerId(0)) < world.state.reputation(OwnerId(1)));
    assert_eq!(world.state.consensus().len(), 5);
}

#[test]
fn void_rounds_mint_nothing_and_do_not_count() {
    let mut world = World::new(5);
    for _ in 0..3 {
        world.full_round();
        world.open();
        world.void();
    }
    let pool = world.state.pool().expect("founded");
    assert_eq!((pool.rounds, pool.emission), (3, 3_000_000));
}

#[test]
fn an_epoch_without_ratings_pays_nothing() {
    let mut world = World::new(4);
    (0..20).for_each(|_| world.full_round());
    let pool = *world.state.pool().expect("founded");
    assert_eq!((pool.epoch, pool.emission, pool.minted), (2, 0, 0));
    assert!(
        world
            .state
            .owners()
            .all(|owner| world.state.balance(owner.id) == 0)
    );
}

#[test]
fn the_plan_ends_with_an_epoch_however_short() {
    let mut draft = draft(4);
    draft.training.rounds = 3;
    let mut world = World::from_draft(draft);
    let settled = world.epoch(|_, _| 10);
    assert_eq!((settled.rounds, settled.emission), (3, 3_000_000));
    assert!(world.state.training_ended());
    check_conservation(&world);
}

#[test]
fn several_participants_of_an_owner_earn_what_one_does() {
    // Owner 0 runs three participants that are rated 90, 60 and 30.
    let mut world = World::new(4);
    for number in [4, 5] {
        let entry = world.sign(world.admission(number, Some(OwnerId(0))), &[0, 1, 2]);
        world.accept(entry);
    }
    world.rated_round(|_, rated| match rated.0 {
        0 => 90,
        4 => 60,
        5 => 30,
        _ => 60,
    });
    let (_, rewards) = world.state.epoch_ratings(OwnerId(1)).expect("rated");
    assert_eq!(
        rewards,
        [
            (OwnerId(0), 60),
            (OwnerId(1), 0),
            (OwnerId(2), 60),
            (OwnerId(3), 60)
        ]
    );
}

#[test]
fn who_joins_during_an_epoch_is_paid_for_what_was_rated_since() {
    let mut world = World::new(5);
    for _ in 0..19 {
        world.rated_round(|_, _| 50);
    }
    let entry = world.sign(world.admission(5, None), &[0, 1, 2]);
    world.accept(entry);
    let settled = world.epoch(|_, _| 50);
    assert_eq!(settled.owners.len(), 6);
    assert!(settled.outcome.payout[5] > 0);
}

#[test]
fn who_is_evicted_is_not_paid_and_comes_back_without_ratings() {
    let mut world = World::new(6);
    world.epoch(|rater, _| if rater == 5 { 1 } else { 50 });
    let before = (world.account(5), world.state.reputation(OwnerId(5)));
    assert!(before.0.balance > 0);
    assert!(world.state.rating(OwnerId(0), OwnerId(5)).expect("rated") > 0);
    let entry = world.sign(world.eviction(5), &[0, 1, 2]);
    world.accept(entry);
    assert_eq!(world.state.rating(OwnerId(0), OwnerId(5)), None);
    let settled = world.epoch(|_, _| 50);
    assert_eq!(settled.owners, (0..5).map(OwnerId).collect::<Vec<_>>());
    assert_eq!(world.account(5).balance, before.0.balance);
    let entry = world.sign(world.readmission(5, 5), &[0, 1, 2]);
    world.accept(entry);
    let settled = world.epoch(|_, _| 50);
    assert_eq!(settled.owners.last(), Some(&OwnerId(5)));
    // M started at zero: a fifth of a fifth each, where the others' have grown.
    let (old, new) = (
        world.state.rating(OwnerId(0), OwnerId(1)).expect("rated"),
        world.state.rating(OwnerId(0), OwnerId(5)).expect("rated"),
    );
    assert!(new * 4 < old, "{new} {old}");
    check_conservation(&world);
}

#[test]
fn absent_raters_lose_their_power_after_the_cut_off() {
    let mut draft = draft(5);
    draft.incentive = Incentive {
        activity_epochs: 1,
        ..Incentive::default()
    };
    let mut world = World::from_draft(draft);
    world.epoch(|_, _| 50);
    let mut powers = Vec::new();
    for _ in 0..3 {
        // Owner 4 says nothing good about anybody, which is being absent.
        let settled = world.epoch(|rater, _| if rater == 4 { 0 } else { 50 });
        powers.push(settled.outcome.power[4]);
    }
    assert!(powers[0] > 0);
    assert_eq!(powers[1..], [0, 0]);
}

/// What owner 4 is paid for contributing, as a part of what owner 0 is, if it contributes in the rounds that `there` names.
/// Everybody rates, and rates all alike.
fn part_of_a_full_pay(there: impl Fn(u64) -> bool) -> f64 {
    let mut world = World::new(5);
    loop {
        world.open();
        let contributors = if there(world.round()) { 0..5 } else { 0..4 };
        world.contribute(contributors);
        world.direct(0..5);
        world.close();
        world.judge();
        let ratings: Vec<_> = (0..5)
            .map(|rater| (rater, world.ratings(rater, 5_000)))
            .collect();
        world.rate(&ratings);
        for event in world.publish() {
            if let Event::EpochSettled(settled) = event {
                assert_eq!(settled.rated_in, [Some(20); 5]);
                let paid = settled.outcome.payment.expect("paid").contributor;
                return paid[4] as f64 / paid[0] as f64;
            }
        }
    }
}

#[test]
fn a_contributor_is_paid_for_the_rounds_that_it_contributed_to() {
    for (part, rounds) in [
        (part_of_a_full_pay(|round| round == 20), 1.0),
        (part_of_a_full_pay(|round| round == 3), 1.0),
        (part_of_a_full_pay(|round| round % 2 == 0), 10.0),
        (part_of_a_full_pay(|round| round != 20), 19.0),
        (part_of_a_full_pay(|_| true), 20.0),
    ] {
        assert!((part - rounds / 20.0).abs() < 0.005, "{part} of {rounds}");
    }
}
