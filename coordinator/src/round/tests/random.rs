//! Random orders, losses, repetitions, failures and restarts. The invariants are checked by the world in
//! `federation` after every event; afterwards everything works again and the federation must finish.

use proptest::prelude::*;

use super::federation::{FOUNDERS, Federation};
use crate::round::Event;

#[derive(Clone, Debug)]
enum Action {
    /// A company answers the step under way.
    Act(usize),
    /// Every company does, and what takes long gets done.
    AllAct,
    /// Something that was sent before arrives (again).
    Replay(usize),
    Tick(u64),
    RunJob,
    Restart,
    AppendsFail(bool),
    SumsFail(bool),
    NotesFail(bool),
    SixthJoins,
}

/// What companies are like: at most one of each kind is more than a round survives.
#[derive(Clone, Debug)]
struct Characters {
    garbage: Option<usize>,
    misjudges: Option<usize>,
    rates: Vec<bool>,
}

fn characters() -> impl Strategy<Value = Characters> {
    let company = || prop::option::weighted(0.3, 0..FOUNDERS.len());
    let rates = prop::collection::vec(prop::bool::weighted(0.2), FOUNDERS.len());
    (company(), company(), rates).prop_map(|(garbage, misjudges, rates)| Characters {
        garbage,
        misjudges,
        rates,
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (0..FOUNDERS.len() + 1).prop_map(Action::Act),
        3 => Just(Action::AllAct),
        3 => any::<usize>().prop_map(Action::Replay),
        4 => prop_oneof![Just(250), Just(2_000), Just(11_000), Just(61_000)].prop_map(Action::Tick),
        3 => Just(Action::RunJob),
        1 => Just(Action::Restart),
        1 => any::<bool>().prop_map(Action::AppendsFail),
        1 => any::<bool>().prop_map(Action::SumsFail),
        1 => any::<bool>().prop_map(Action::NotesFail),
        1 => Just(Action::SixthJoins),
    ]
}

fn take(federation: &mut Federation, action: &Action) {
    match action {
        Action::Act(node) => {
            if federation.joined.contains(node) {
                federation.act(*node);
            }
        }
        Action::AllAct => federation.everybody_acts(),
        Action::Replay(index) if !federation.sent.is_empty() => {
            let (sender, message) = federation.sent[index % federation.sent.len()].clone();
            let event = message();
            // A member that has voided a round does not let a cosignature of that round out any more.
            let withdrawn = match &event {
                Event::CloseCosigned { round, .. } => {
                    federation.nodes[sender].voided.contains(round)
                }
                _ => false,
            };
            if !withdrawn {
                let _ = federation.feed(event);
            }
        }
        Action::Replay(_) => {}
        Action::Tick(ms) => {
            let _ = federation.tick(*ms);
        }
        Action::RunJob => federation.run_job(),
        Action::Restart => federation.restart(),
        Action::AppendsFail(fail) => federation.appends_fail = *fail,
        Action::SumsFail(fail) => federation.sums_fail = *fail,
        Action::NotesFail(fail) => federation.notes_fail = *fail,
        Action::SixthJoins => federation.join(5),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_books_are_right_and_the_federation_finishes(
        characters in characters(),
        actions in prop::collection::vec(action(), 0..120),
    ) {
        let mut federation = Federation::new(2);
        for node in 0..FOUNDERS.len() {
            federation.nodes[node].sends_garbage = characters.garbage == Some(node);
            federation.nodes[node].misjudges = characters.misjudges == Some(node);
            federation.nodes[node].rates = characters.rates[node];
        }
        for node in 0..FOUNDERS.len() {
            federation.join(node);
        }
        for action in &actions {
            take(&mut federation, action);
        }
        federation.calm_until_finished();
        prop_assert_eq!(federation.published().len(), 2);
        // Replaying the log gives the same books: a restart at the very end changes nothing.
        federation.restart();
        prop_assert_eq!(federation.machine.phase(), "finished");
    }
}
