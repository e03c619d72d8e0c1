//! Why a weight and a pay are what they are: stories of worlds whose numbers are known.

use crate::world::{COORDINATOR, NORM, World, draft};
use unsilo_ledger::explain::{
    EpochFacts, History, Part, RewardChange, RewardStory, RewardWhatIf, RoundFacts, Told,
    WeightChange, WeightStory,
};
use unsilo_ledger::mechanism::median;
use unsilo_ledger::mechanism::{Epoch, Ratings as MechanismRatings, Row};
use unsilo_ledger::weights::{ONE_Q16, Omitted, Standing, derive, derive_without};
use unsilo_ledger::{
    Attendance, Entry, Event, Outcome, OwnerId, ParticipantId, RatingStep, RejectionReason,
    VoidReason,
};

const ONE_Q32: u64 = 1 << 32;

/// The log of a world, followed to its end.
struct Followed {
    history: History,
    rounds: Vec<RoundFacts>,
    epochs: Vec<EpochFacts>,
}

fn follow(world: &World) -> Followed {
    let mut followed = Followed {
        history: History::new(),
        rounds: Vec::new(),
        epochs: Vec::new(),
    };
    for entry in &world.log {
        for told in followed.history.follow(entry).expect("allowed before") {
            match told {
                Told::Round(facts) => followed.rounds.push(*facts),
                Told::Epoch(facts) => followed.epochs.push(*facts),
                Told::FeesPaid { .. } => panic!("no fees were entered"),
            }
        }
    }
    assert_eq!(followed.history.state().root(), world.state.root());
    assert_eq!(followed.history.entries(), world.log.len() as u64);
    followed
}

/// 60 for the last participant, 100 for the others.
fn last_is_worth_less(world: &World) -> impl Fn(u32, ParticipantId) -> i16 + use<> {
    let last = world.state.participants().count() as u32 - 1;
    move |_, rated| if rated.0 == last { 60 } else { 100 }
}

fn story(facts: &RoundFacts, participant: u32) -> WeightStory {
    WeightStory::of(facts, ParticipantId(participant)).expect("weighed and accepted")
}

#[test]
fn a_weight_is_told_with_every_number_that_led_to_it() {
    let mut world = World::new(5);
    let score = last_is_worth_less(&world);
    world.rated_round(&score);
    let followed = follow(&world);
    let facts = &followed.rounds[0];
    assert_eq!((facts.round, facts.epoch), (1, 1));
    assert!(matches!(facts.outcome, Some(Outcome::Published { .. })));
    assert_eq!(facts.ended_at, Some(world.log.len() as u64 - 1));
    let weighed = facts.weighed.as_ref().expect("weighed");
    assert_eq!(
        derive(weighed.contributors(), &weighed.rows()),
        weighed.derivation
    );

    // Raters 0 to 3 give 100 of 360 and 60 of 360; rater 4 gives 100 of 400.
    let (most, least, of_last) = (65_536 * 100 / 360, 65_536 * 60 / 360, 16_384);
    let first = story(facts, 0);
    assert_eq!(first.median, Some(most));
    assert_eq!(first.consensus, most as u32);
    assert_eq!(first.rows, (5, 5));
    let said: Vec<_> = first
        .ratings
        .iter()
        .map(|one| (one.rater.0, one.opinion, one.decides, one.is_own))
        .collect();
    assert_eq!(
        said,
        [
            (1, Some(most), true, false),
            (2, Some(most), true, false),
            (3, Some(most), true, false),
            (4, Some(of_last), false, false),
            (0, Some(0), false, true),
        ]
    );
    assert!(first.ratings.iter().all(|one| one.power == ONE_Q32 / 5));
    assert!(!first.is_capped && first.clip == ONE_Q16);
    let last = story(facts, 4);
    assert_eq!(last.consensus, least as u32);
    // 256 · 60 / 100, and 4 · 256 + 153 in all.
    assert_eq!((last.weight, last.total), (153, 1_177));
    assert_eq!((first.weight, first.total), (256, 1_177));
    assert_eq!((last.uncapped, last.ceiling), (153, 256));
    assert_eq!(first.accepted, (5, 5));
    // Equal stakes, no cap, no clip, no ceiling, all agree: only the lowest rater could change anything.
    let [what_if] = first.what_ifs[..] else {
        panic!("{:?}", first.what_ifs);
    };
    assert_eq!(
        what_if.change,
        WeightChange::LowestLikeMedian {
            rater: ParticipantId(4)
        }
    );
    assert!(last.what_ifs.is_empty(), "all rate it alike");
}

#[test]
fn each_weight_that_would_have_been_is_the_rules_own() {
    // Everybody finds the first ten times as good as the others, but the last rater praises itself's friend.
    let mut world = World::new(6);
    world.rated_round(|rater, rated| match (rater, rated.0) {
        (5, 0) => -100,
        (5, _) => 1,
        (_, 0) => 10,
        _ => 1,
    });
    let followed = follow(&world);
    let facts = &followed.rounds[0];
    let weighed = facts.weighed.as_ref().expect("weighed");
    let (contributors, rows) = (weighed.contributors(), weighed.rows());
    let told = story(facts, 0);
    assert!(told.is_capped);
    let set_aside: Vec<_> = told
        .ratings
        .iter()
        .filter(|one| one.standing == Standing::Disagrees)
        .map(|one| one.rater.0)
        .collect();
    assert_eq!(set_aside, [5]);
    for what_if in &told.what_ifs {
        let omitted = match what_if.change {
            WeightChange::WithoutCap => Omitted {
                cap: true,
                ..Omitted::default()
            },
            WeightChange::WithoutCeiling => Omitted {
                ceiling: true,
                ..Omitted::default()
            },
            WeightChange::EveryRowCounts => Omitted {
                agreement: true,
                ..Omitted::default()
            },
            other => panic!("{other:?}"),
        };
        let derived = derive_without(contributors, &rows, omitted);
        assert_eq!(what_if.weight, derived.weights[0], "{what_if:?}");
        let total: u64 = derived.weights.iter().copied().map(u64::from).sum();
        assert_eq!(what_if.total, total);
    }
    let changes: Vec<_> = told.what_ifs.iter().map(|one| one.change).collect();
    assert!(changes.contains(&WeightChange::WithoutCap), "{changes:?}");
    assert!(changes.contains(&WeightChange::EveryRowCounts));
}

#[test]
fn who_missed_rounds_is_told_what_rating_in_all_of_them_would_have_paid() {
    let mut world = World::new(5);
    for round in 1..=20 {
        world.open();
        world.contribute(0..5);
        world.direct(0..5);
        world.close();
        world.judge();
        let ratings: Vec<_> = (0..5)
            .filter(|rater| *rater != 4 || round > 15)
            .map(|rater| (rater, world.ratings(rater, 100)))
            .collect();
        world.rate(&ratings);
        world.publish();
    }
    let followed = follow(&world);
    let told = RewardStory::of(&followed.epochs[0], OwnerId(4)).expect("took part");
    let attendance = |asked, rated| Attendance { asked, rated };
    assert_eq!(told.attendance, attendance(20, 5));
    // A quarter of a part beside four whole ones.
    assert!(told.pay.rater.abs_diff(told.totals.rater / 17) <= 1);
    let what_if = told
        .what_ifs
        .iter()
        .find(|one| one.change == RewardChange::RatesWheneverAsked)
        .expect("it missed fifteen");
    assert!(what_if.pay.rater.abs_diff(told.totals.rater / 5) <= 1);
    assert_eq!(what_if.pay.contributor, told.pay.contributor);
    let always = RewardStory::of(&followed.epochs[0], OwnerId(0)).expect("took part");
    assert_eq!(always.attendance, attendance(20, 20));
    let missed = |one: &RewardWhatIf| one.change == RewardChange::RatesWheneverAsked;
    assert!(!always.what_ifs.iter().any(missed));
}

/// A round of these norms and verdicts, without raters.
fn judged_round(world: &mut World, change: impl FnOnce(&mut Entry)) {
    world.open();
    world.contribute(0..world.state.participants().count() as u32);
    world.close();
    let mut entry = world.judged();
    change(&mut entry);
    let members: Vec<u32> = world.seated().into_iter().take(world.threshold()).collect();
    let entry = world.sign(entry, &members);
    world.accept(entry);
    world.publish();
}

#[test]
fn a_long_update_would_have_weighed_more_had_it_been_shorter() {
    let mut world = World::new(5);
    judged_round(&mut world, |entry| {
        if let Entry::ContributionsJudged { accepted, .. } = entry {
            // Four times the median: twice what is allowed.
            accepted[2].1 = NORM + 16;
        }
    });
    let followed = follow(&world);
    let told = story(&followed.rounds[0], 2);
    assert_eq!((told.clip, told.weight), (ONE_Q16 / 2, 128));
    assert_eq!(told.total, 4 * 256 + 128);
    // Fewer than 4 raters: all are rated the same.
    assert_eq!((told.rows, told.median), ((0, 0), None));
    assert_eq!(told.first_consensus, None);
    let [what_if] = told.what_ifs[..] else {
        panic!("{:?}", told.what_ifs);
    };
    assert_eq!(
        (what_if.change, what_if.weight, what_if.total),
        (
            WeightChange::NormNotClipped { exponent: NORM + 8 },
            256,
            5 * 256
        )
    );
    assert!(story(&followed.rounds[0], 0).what_ifs.is_empty());
}

#[test]
fn what_a_participant_had_to_do_with_a_round() {
    let mut world = World::new(6);
    // Round 1: 5 does not send, 4 is a copy of 0, 3 is too long.
    world.open();
    world.contribute(0..5);
    world.close();
    let mut entry = world.judged();
    if let Entry::ContributionsJudged {
        accepted, rejected, ..
    } = &mut entry
    {
        accepted.truncate(3);
        let copy = RejectionReason::Copy {
            of: ParticipantId(0),
        };
        rejected.push((ParticipantId(3), RejectionReason::TooLong));
        rejected.push((ParticipantId(4), copy));
    }
    let members: Vec<u32> = world.seated().into_iter().take(world.threshold()).collect();
    let entry = world.sign(entry, &members);
    world.accept(entry);
    if let Some(reason) = world.state.void_due() {
        let entry = Entry::RoundVoided {
            round: world.round(),
            reason,
            authority: unsilo_ledger::VoidAuthority::Committee,
        };
        let seated = world.seated();
        let entry = world.sign(entry, &seated);
        world.accept(entry);
    } else {
        world.publish();
    }
    // Then 6 is admitted, 5 evicted, round 2 void while open, round 3 in progress.
    let entry = world.sign(world.admission(6, None), &[0, 1, 2, 3]);
    world.accept(entry);
    let entry = world.sign(world.eviction(5), &[0, 1, 2, 3]);
    world.accept(entry);
    world.open();
    world.contribute([0]);
    world.void();
    world.open();
    world.contribute([0, 1]);
    let followed = follow(&world);
    let part = |facts: &RoundFacts, id| facts.part_of(ParticipantId(id));
    let [first, second] = &followed.rounds[..] else {
        panic!("two rounds ended");
    };
    assert_eq!(part(first, 0), Part::Accepted);
    assert_eq!(part(first, 3), Part::Rejected(RejectionReason::TooLong));
    assert!(matches!(
        part(first, 4),
        Part::Rejected(RejectionReason::Copy {
            of: ParticipantId(0)
        })
    ));
    assert_eq!(part(first, 5), Part::NothingSent);
    assert_eq!(part(first, 6), Part::NotYetAdmitted);
    assert_eq!(WeightStory::of(first, ParticipantId(3)), None);
    assert_eq!(part(second, 0), Part::NotJudged);
    assert_eq!(part(second, 1), Part::NothingSent);
    assert_eq!(part(second, 5), Part::Evicted);
    assert_eq!(part(second, 6), Part::NothingSent);
    assert_eq!(second.void_reason(), Some(VoidReason::TooFewMembers));
    let admitted = |(_, event): &(u64, Event)| {
        matches!(event, Event::ParticipantAdmitted { granted: 1_000, .. })
    };
    assert!(second.events.iter().any(admitted));
    assert!(first.events.len() >= 6, "the founders");
    let now = followed.history.in_progress().expect("in progress");
    assert_eq!((now.round, now.ended_at), (3, None));
    assert_eq!(now.outcome, None);
    assert_eq!(part(&now, 0), Part::NotJudged);
    assert_eq!(part(&now, 6), Part::MayContribute);
    assert!(now.events.is_empty());
}

#[test]
fn a_round_that_never_opened_is_said_to_be_such() {
    let mut world = World::new(4);
    let entry = world.voided(1, unsilo_ledger::VoidAuthority::Owners { passed_ms: 0 });
    let entry = world.sign(entry, &[0, 1, 2]);
    world.accept(entry);
    let followed = follow(&world);
    assert_eq!(
        followed.rounds[0].part_of(ParticipantId(1)),
        Part::NeverOpened
    );
    assert!(followed.history.in_progress().is_none());
}

/// The sums that must hold in every settled epoch.
fn check_sums(epoch: &EpochFacts) {
    let mut paid = 0;
    let (mut contributor, mut rater, mut niche) = (0, 0, 0);
    for (row, owner) in epoch.settlement.owners.iter().enumerate() {
        let told = RewardStory::of(epoch, *owner).expect("took part");
        let pay = told.pay;
        assert_eq!(pay.contributor + pay.rater + pay.niche, pay.payout);
        assert_eq!(pay.payout, epoch.settlement.outcome.payout[row]);
        let (before, after) = told.balance.expect("settled");
        assert_eq!(after - before, pay.payout + told.freed);
        assert_eq!(told.settled_by, Some(epoch.settlement.round));
        paid += pay.payout;
        contributor += pay.contributor;
        rater += pay.rater;
        niche += pay.niche;
        assert_eq!(told.totals.payout, told.paid);
        assert_eq!(told.paid + told.withheld, told.emission + told.fees);
    }
    let any = RewardStory::of(epoch, epoch.settlement.owners[0]).expect("took part");
    assert_eq!(
        (any.totals.contributor, any.totals.rater, any.totals.niche),
        (contributor, rater, niche)
    );
    assert_eq!(any.paid, paid);
}

#[test]
fn shares_add_up_to_the_pay_and_pays_to_the_pool() {
    let mut world = World::new(5);
    // 2 has a favourite: the last, of whom the others think less.
    let first = |rater: u32, rated: ParticipantId| match (rater, rated.0) {
        (2, 4) => 1_000,
        (_, 4) => 60,
        _ => 100,
    };
    world.epoch(first);
    // From the second epoch on 1 finds nothing good about 0; in the third 3 has more stake.
    let stake = world.deposit(3, world.account(3).balance);
    world.accept_by(stake, 3);
    for _ in 0..2 {
        world.epoch(|rater, rated| match (rater, rated.0) {
            (1, 0) => 1,
            _ => first(rater, rated),
        });
    }
    let followed = follow(&world);
    assert_eq!(followed.epochs.len(), 3);
    followed.epochs.iter().for_each(check_sums);
    let told = RewardStory::of(&followed.epochs[2], OwnerId(0)).expect("took part");
    let has = |change| told.what_ifs.iter().any(|one| one.change == change);
    // 100 of the 1,300 that 2 has given from the beginning is less than what 1 now averages to.
    assert!(has(RewardChange::LowestLikeConsensus { rater: OwnerId(2) }));
    assert!(has(RewardChange::FullReputation));
    assert!(has(RewardChange::WithoutPowerCap));
    assert!(has(RewardChange::EqualStakes));
    // The stake counts from the epoch after the one it was staked in.
    let of_third = RewardStory::of(&followed.epochs[2], OwnerId(3)).expect("took part");
    assert!(of_third.stake > 1_000_000);
    assert!(of_third.stake_share > told.stake_share);
    let favourite = RewardStory::of(&followed.epochs[2], OwnerId(4)).expect("took part");
    assert!(favourite.pay.niche > 0);
    for what_if in &told.what_ifs {
        let pay = what_if.pay;
        assert_eq!(pay.contributor + pay.rater + pay.niche, pay.payout);
    }
}

#[test]
fn what_would_have_been_paid_is_what_the_mechanism_pays_for_the_changed_ratings() {
    let mut world = World::new(5);
    world.epoch(|rater, rated| match (rater, rated.0) {
        (1, 0) => 10,
        (2, 3) => 200,
        _ => 100,
    });
    let followed = follow(&world);
    let epoch = &followed.epochs[0];
    let told = RewardStory::of(epoch, OwnerId(0)).expect("took part");
    let what_if = told
        .what_ifs
        .iter()
        .find(|one| one.change == RewardChange::LowestLikeConsensus { rater: OwnerId(1) })
        .expect("1 rated it lowest");
    // C · 300 / (1 - C), by hand.
    let wanted = u128::from(told.consensus) * 300 / u128::from(ONE_Q32 - told.consensus);
    let mut weights = epoch.settlement.ratings.clone();
    assert_eq!(weights[1], [10, 0, 100, 100, 100]);
    weights[1][0] = u16::try_from(wanted).expect("small");
    let rows: Vec<Row<'_>> = (0..)
        .zip(&weights)
        .map(|(owner, weights)| Row {
            owner,
            stake: 1_000,
            joined: 1,
            ratings: Some(MechanismRatings { weights, given: 20 }),
        })
        .collect();
    let changed = Epoch {
        emission: 20_000_000,
        rows: &rows,
        activity_cutoff: 3,
    };
    let (_, outcome) = median::epoch(&epoch.case.memory, &changed).expect("sound");
    assert_eq!(what_if.pay.payout, outcome.payout[0]);
    // As a rater 1 gains by agreeing.
    let of_first = RewardStory::of(epoch, OwnerId(1)).expect("took part");
    let agreeing = of_first
        .what_ifs
        .iter()
        .find(|one| one.change == RewardChange::RatesLikeConsensus)
        .expect("it disagreed");
    assert!(agreeing.pay.rater > of_first.pay.rater);
    assert!(of_first.reputation.1 < of_first.reputation.0);
}

#[test]
fn an_epoch_under_way_is_told_as_if_it_ended_now() {
    let mut world = World::new(5);
    for _ in 0..3 {
        world.rated_round(|_, _| 50);
    }
    let followed = follow(&world);
    let case = followed.history.epoch_so_far().expect("founded");
    assert_eq!((case.epoch, case.rounds, case.emission), (1, 3, 3_000_000));
    let told: Vec<RewardStory> = (0..5)
        .map(|owner| RewardStory::if_settled_now(&case, OwnerId(owner)).expect("takes part"))
        .collect();
    assert!(
        told.iter()
            .all(|one| one.settled_by.is_none() && one.balance.is_none())
    );
    let paid: u64 = told.iter().map(|one| one.pay.payout).sum();
    assert_eq!(paid + told[0].withheld, 3_000_000);
    assert_eq!(RewardStory::if_settled_now(&case, OwnerId(9)), None);
    assert!(world.state.balance(OwnerId(0)) == 0, "nothing is paid yet");
}

#[test]
fn what_is_taken_for_a_violation_is_told_with_the_epoch() {
    // Of seven answers two can be spared: whom they reject is at fault.
    let mut draft = draft(7);
    draft.incentive.epoch_rounds = 20;
    let mut world = World::from_draft(draft);
    for round in 0..40 {
        judged_round(&mut world, |entry| {
            if let (
                true,
                Entry::ContributionsJudged {
                    accepted, rejected, ..
                },
            ) = (round < 3, entry)
            {
                accepted.remove(2);
                rejected.push((ParticipantId(2), RejectionReason::OutOfRange));
            }
        });
    }
    let followed = follow(&world);
    let found = |(_, event): &&(u64, Event)| matches!(event, Event::ViolationFound(_));
    let case = followed.rounds[2].events.iter().find(found);
    assert!(matches!(case, Some((_, Event::ViolationFound(case))) if case.amount == 100));
    assert_eq!(followed.epochs.len(), 2);
    let slashed = |epoch: usize, owner| {
        RewardStory::of(&followed.epochs[epoch], OwnerId(owner))
            .expect("took part")
            .slashed
    };
    assert_eq!((slashed(0, 2), slashed(1, 2), slashed(1, 3)), (0, 100, 0));
    // Nobody rated: nothing was minted.
    let told = RewardStory::of(&followed.epochs[0], OwnerId(0)).expect("took part");
    assert_eq!((told.paid, told.withheld), (0, 20_000_000));
    assert!(told.what_ifs.iter().all(|one| one.pay.payout == 0));
}

#[test]
fn a_round_in_progress_is_weighed_before_it_ends() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    world.direct(0..5);
    world.close();
    world.judge();
    let ratings: Vec<_> = (0..5)
        .map(|rater| (rater, world.ratings(rater, 9)))
        .collect();
    for (rater, row) in &ratings {
        world.commit_ratings(*rater, row);
    }
    world.end_step(RatingStep::Commit);
    assert_eq!(
        WeightStory::of(
            &follow(&world).history.in_progress().expect("in progress"),
            ParticipantId(0)
        ),
        None
    );
    for (rater, row) in &ratings {
        world.reveal_ratings(*rater, row);
    }
    world.end_step(RatingStep::Reveal);
    let now = follow(&world).history.in_progress().expect("in progress");
    assert_eq!(story(&now, 3).weight, 256);
    // An entry that is not allowed leaves the history as it was.
    let mut history = follow(&world).history;
    let again = world.sign(world.round_opened(Vec::new()), &[COORDINATOR]);
    let before = (history.entries(), history.state().root());
    assert!(history.follow(&again).is_err());
    assert_eq!((history.entries(), history.state().root()), before);
}
