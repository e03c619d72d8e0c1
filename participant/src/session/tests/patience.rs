//! A coordinator that signs deadlines long past gets nothing ended before its time.

use unsilo_ledger::{LEAST_ANSWER_MS, LEAST_CONTRIBUTE_MS};

use super::*;

/// When the node of a test first sees round 1.
const SEEN: u64 = 1_000_000;
const CLOSE: u64 = LEAST_CONTRIBUTE_MS + LEAST_ANSWER_MS;
const OPEN: u64 = CLOSE + LEAST_ANSWER_MS;

/// A member of round 1, whose deadlines were over before it began.
fn hurried() -> (World, Facts) {
    let mut world = World::new();
    world.now_ms = SEEN;
    let mut facts = world.contributed();
    let round = facts.round.as_mut().unwrap();
    (round.contribute_by_ms, round.close_by_ms, round.open_by_ms) = (1, 2, 3);
    (world, facts)
}

/// The same without one company, whose receipt nobody has.
fn without_dogwood(mut facts: Facts) -> Facts {
    let round = facts.round.as_mut().unwrap();
    round.contributions.retain(|made| made.participant.0 != 3);
    facts
}

fn void(reason: VoidReason) -> StepKind {
    StepKind::Voiding {
        round: 1,
        entry: Entry::RoundVoided {
            round: 1,
            reason,
            authority: VoidAuthority::Committee,
        }
        .to_bytes(),
        reason: "the coordinator says so".into(),
    }
}

/// Asks once, a moment before the time and at it: the second time without another step.
fn signs_only_after(world: &mut World, task: Task, step: StepKind, least_ms: u64) {
    world.now_ms = SEEN + least_ms - 1;
    assert!(
        calls(&world.step(step), task).is_empty(),
        "{task:?} too early"
    );
    world.now_ms += 1;
    let done = world.feed(Event::Clock);
    assert_eq!(calls(&done, task).len(), 1, "{task:?} in time: {done:?}");
}

#[test]
fn a_round_that_could_not_be_ended_for_a_year_is_neither_contributed_to_nor_closed() {
    const DAY: u64 = 86_400_000;
    for (days, taken) in [(43, true), (45, false), (365, false)] {
        let mut world = World::new();
        world.now_ms = SEEN;
        let far = |mut facts: Facts| {
            let round = facts.round.as_mut().unwrap();
            round.open_by_ms = SEEN + days * DAY;
            round.close_by_ms = round.open_by_ms - 20_000;
            round.contribute_by_ms = round.close_by_ms - 20_000;
            facts
        };
        let facts = far(world.seated());
        world.ledger(facts);
        let done = world.step(StepKind::Contributing { round: 1 });
        let contributes = done
            .iter()
            .any(|effect| matches!(effect, Effect::Contribute(_)));
        assert_eq!(contributes, taken, "{days} days: {done:?}");

        // A coordinator that changes its mind about the deadlines after the contribution closes nothing either.
        let mut world = World::new();
        world.now_ms = SEEN;
        let facts = far(world.contributed());
        let done = world.close(&facts);
        let cosigned = calls(&done, Task::CosignClose(1)).len() == 1;
        assert_eq!(cosigned, taken, "{days} days: {done:?}");
        // With the years it comes near enough.
        world.now_ms = SEEN + days * DAY - 40 * DAY;
        let done = world.feed(Event::Clock);
        assert_eq!(calls(&done, Task::CosignClose(1)).len() == 1, !taken);
    }
}

#[test]
fn a_close_without_everybody_waits_for_the_least_time_that_this_node_has_seen() {
    let (mut world, facts) = hurried();
    let facts = without_dogwood(facts);
    world.close(&facts);
    let task = Task::CosignClose(1);
    assert!(calls(&world.done, task).is_empty());
    world.now_ms = SEEN + LEAST_CONTRIBUTE_MS - 1;
    assert!(calls(&world.feed(Event::Clock), task).is_empty());
    world.now_ms += 1;
    let mut done = world.feed(Event::Clock);
    done.extend(world.feed(mailbox(&[(ME, root(50))])));
    assert_eq!(calls(&done, task).len(), 1);
}

#[test]
fn a_close_with_everybody_waits_for_nothing() {
    let (mut world, facts) = hurried();
    assert_eq!(calls(&world.close(&facts), Task::CosignClose(1)).len(), 1);
}

#[test]
fn a_void_before_the_close_waits_too() {
    let task = Task::SignVoid(1);
    let (mut world, facts) = hurried();
    let mut alone = facts.clone();
    let round = alone.round.as_mut().unwrap();
    round.contributions.retain(|made| made.participant.0 == ME);
    world.ledger(alone);
    let reason = void(VoidReason::TooFewContributions);
    signs_only_after(&mut world, task, reason, LEAST_CONTRIBUTE_MS);

    let (mut world, facts) = hurried();
    world.ledger(facts);
    signs_only_after(&mut world, task, void(VoidReason::TooFewMembers), CLOSE);
}

#[test]
fn a_void_after_the_close_waits_too() {
    for reason in [VoidReason::TooFewMembers, VoidReason::NoVerdict] {
        let (mut world, facts) = hurried();
        world.ledger(closed(facts));
        signs_only_after(&mut world, Task::SignVoid(1), void(reason), OPEN);
    }
    let (mut world, facts) = hurried();
    world.ledger(weighed(facts, [16; 4]));
    signs_only_after(
        &mut world,
        Task::SignVoid(1),
        void(VoidReason::TooFewMembers),
        OPEN,
    );
}

#[test]
fn a_step_of_rating_waits_from_when_it_began() {
    for (revealing, least_ms) in [(false, LEAST_ANSWER_MS), (true, 2 * LEAST_ANSWER_MS)] {
        let (mut world, facts) = hurried();
        // The rating begins long after the round.
        world.now_ms = SEEN + 500_000;
        let mut facts = weighed(facts, [0; 4]);
        let round = facts.round.as_mut().unwrap();
        round.phase = Phase::Rating;
        round.weights.clear();
        round.directions = vec![rater(0, &[[1; 32]])];
        round.directions[0].row = match revealing {
            true => RowState::Committed,
            false => RowState::Missing,
        };
        rating_end::on_log(&mut facts, revealing);
        world.ledger(facts.clone());
        let ending = rating_end::ending(&facts);
        let Some(Entry::RatingStepEnded { set, .. }) = facts.round.unwrap().rating_end else {
            unreachable!("a step of rating is under way");
        };
        let task = Task::SignRatingStep(1, revealing, set);
        signs_only_after(&mut world, task, ending, 500_000 + least_ms);
    }
}

#[test]
fn a_node_that_starts_or_whose_clock_is_set_back_counts_anew() {
    let task = Task::SignVoid(1);
    let (mut world, facts) = hurried();
    world.ledger(facts.clone());
    world.now_ms = SEEN + CLOSE;
    world.restart();
    world.ledger(facts.clone());
    let step = || void(VoidReason::TooFewMembers);
    signs_only_after(&mut world, task, step(), 2 * CLOSE);

    let (mut world, facts) = hurried();
    world.ledger(facts);
    world.now_ms = SEEN - 900_000;
    world.feed(Event::Clock);
    world.now_ms += CLOSE - 1;
    assert!(calls(&world.step(step()), task).is_empty());
    world.now_ms += 1;
    assert_eq!(calls(&world.feed(Event::Clock), task).len(), 1);
}

#[test]
fn a_round_that_only_owners_can_void_is_voided_by_no_member_and_takes_late_contributions() {
    let (mut world, mut facts) = hurried();
    facts.round.as_mut().unwrap().owners_void = true;
    world.ledger(facts.clone());
    world.now_ms = SEEN + 10 * OPEN;
    let done = world.step(void(VoidReason::TooFewMembers));
    assert!(calls(&done, Task::SignVoid(1)).is_empty());
    // What follows from the judgement is nobody's word.
    let mut braked = weighed(facts, [16; 4]);
    braked.round.as_mut().unwrap().void_due = Some(VoidReason::Brake);
    world.ledger(braked);
    let done = world.step(void(VoidReason::Brake));
    assert_eq!(calls(&done, Task::SignVoid(1)).len(), 1);

    let begins = |owners_void| {
        let mut world = World::new();
        let mut late = open(1);
        let round = late.round.as_mut().unwrap();
        (round.contribute_by_ms, round.owners_void) = (10, owners_void);
        world.ledger(late);
        let done = world.step(StepKind::Contributing { round: 1 });
        matches!(done.as_slice(), [Effect::Contribute(_)])
    };
    assert!(begins(true) && !begins(false));
}

#[test]
fn deadlines_in_the_future_are_kept_however_long_the_round_is_seen() {
    let (mut world, mut facts) = hurried();
    facts.round.as_mut().unwrap().close_by_ms = SEEN + 10_000_000;
    world.ledger(facts);
    world.now_ms = SEEN + 9_000_000;
    let done = world.step(void(VoidReason::TooFewMembers));
    assert!(calls(&done, Task::SignVoid(1)).is_empty());
}
