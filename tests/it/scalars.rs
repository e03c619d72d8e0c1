//! kill -9 of a member and of the coordinator while contributions are answered about and judged: whoever comes back says the
//! same, byte for byte, and the round is completed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use prost::bytes::Bytes;

use crate::{
    companies::{Companies, count},
    liar::relay::{Lie, Relay, Way},
    support::{Running, until},
};

/// All three are needed for everything.
const THREE: [&str; 3] = ["Aster", "Birch", "Cedar"];

/// Calls that do not arrive, one stage of the test after the other.
struct Holding {
    stage: Arc<AtomicUsize>,
    held: &'static [&'static str],
}

impl Lie for Holding {
    fn way(&self, method: &str) -> Way {
        let stage = self.stage.load(Ordering::SeqCst);
        match self.held.get(stage) {
            Some(held) if *held == method => Way::Held,
            _ => Way::Through,
        }
    }
}

/// A federation of three, and a relay before Cedar that holds these calls up.
fn cedar_held(held: &'static [&'static str]) -> (Companies, Running, Relay, Arc<AtomicUsize>) {
    let fed = Companies::found(&THREE, 1);
    let coordinator = fed.serve();
    for (part, name) in THREE.iter().enumerate() {
        fed.join_fast(name, part, 3);
    }
    let stage = Arc::new(AtomicUsize::new(0));
    let holding = Holding {
        stage: stage.clone(),
        held,
    };
    let relay = Relay::before(&fed, "Cedar", holding);
    (fed, coordinator, relay, stage)
}

fn all_the_same(sent: &[Bytes]) -> bool {
    sent.windows(2).all(|pair| pair[0] == pair[1])
}

fn complete(fed: &Companies, coordinator: &mut Running, nodes: &mut [Running]) {
    for node in nodes {
        let ended = node.wait().ok();
        assert!(!ended.stderr.contains("ALARM"), "{}", ended.stderr);
        assert_eq!(ended.json()["finished"], true);
    }
    assert_eq!(fed.verify(&THREE)["published"], 1);
    let entries = fed.entries();
    assert_eq!(count(&entries, "declared void"), 0);
    coordinator.terminate();
    coordinator.wait().ok();
}

#[test]
fn a_member_killed_between_answering_and_judging_answers_the_same_and_judges() {
    let (fed, mut coordinator, relay, stage) =
        cedar_held(&["Committee/Answer", "Committee/Answers"]);
    let mut nodes: Vec<Running> = THREE.iter().map(|name| fed.participate(name)).collect();
    // Answered, and nobody has heard it.
    until("Cedar answers", || {
        !relay.sent("Committee/Answer").is_empty()
    });
    nodes[2].kill();
    assert_eq!(nodes[2].times("answered what the contributions"), 0);
    // Answered, and not judged.
    stage.store(1, Ordering::SeqCst);
    nodes[2] = fed.participate("Cedar");
    nodes[2].until_said("answered what the contributions are checked with");
    until("Cedar would judge", || {
        !relay.sent("Committee/Answers").is_empty()
    });
    nodes[2].kill();
    assert!(relay.sent("Committee/SignJudgement").is_empty());
    // From nothing but its disk.
    stage.store(2, Ordering::SeqCst);
    nodes[2] = fed.participate("Cedar");
    complete(&fed, &mut coordinator, &mut nodes);
    let answers = relay.sent("Committee/Answer");
    assert!(answers.len() >= 2, "before the first kill and after it");
    assert!(all_the_same(&answers), "the same bytes each time");
}

#[test]
fn a_coordinator_killed_while_members_answer_and_judge_goes_on_with_the_same_answers() {
    let (fed, mut coordinator, cedar, stage) =
        cedar_held(&["Committee/Answer", "Committee/SignJudgement"]);
    let free = || Holding {
        stage: Arc::default(),
        held: &[],
    };
    let aster = Relay::before(&fed, "Aster", free());
    let birch = Relay::before(&fed, "Birch", free());
    let mut nodes: Vec<Running> = THREE.iter().map(|name| fed.participate(name)).collect();
    // Two of three have answered.
    for node in &mut nodes[..2] {
        node.until_said("answered what the contributions are checked with");
    }
    until("Cedar answers", || {
        !cedar.sent("Committee/Answer").is_empty()
    });
    coordinator.kill();
    stage.store(1, Ordering::SeqCst);
    let mut coordinator = fed.serve();
    // Two of three have judged.
    for relay in [&aster, &birch, &cedar] {
        until("they judge", || {
            !relay.sent("Committee/SignJudgement").is_empty()
        });
    }
    coordinator.kill();
    stage.store(2, Ordering::SeqCst);
    let mut coordinator = fed.serve();
    complete(&fed, &mut coordinator, &mut nodes);
    for (name, relay) in THREE.iter().zip([&aster, &birch, &cedar]) {
        let (answers, judgements) = (
            relay.sent("Committee/Answer"),
            relay.sent("Committee/SignJudgement"),
        );
        // What the first coordinator had taken it need not ask for again.
        let least = if *name == "Cedar" { 2 } else { 1 };
        assert!(answers.len() >= least, "{name} answered: {}", answers.len());
        assert!(all_the_same(&answers), "{name}");
        assert!(judgements.len() >= 2, "{name} judged for both");
        assert!(all_the_same(&judgements), "{name}");
    }
}
