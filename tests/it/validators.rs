//! Every company rates: what becomes of a round whose raters vanish, ask nonsense, or find nothing good in anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{runtime::Runtime, sync::mpsc::unbounded_channel};
use unsilo_ledger::{Entry, ParticipantId, SignedEntry, VoidReason};
use unsilo_participant::{
    Answered, Node, NodeOptions, Opinion, Progress, Rater, RoundStart, Summary,
};
use unsilo_train::StepReport;

use crate::{
    companies::{Companies, count},
    liar::{
        FOUR,
        hand::entries,
        relay::{Lie, Relay, Way, lock},
    },
    support::{Running, until},
};

/// Five: any one may be away.
const FIVE: [&str; 5] = ["Aster", "Birch", "Cedar", "Dahlia", "Elm"];

/// The next call that does not arrive: its method, and how many of them pass before.
type Next = Option<(&'static str, usize)>;

/// A network that cuts a company off at a chosen call.
#[derive(Clone, Default)]
struct CutOff {
    next: Arc<Mutex<Next>>,
    cut: Arc<AtomicBool>,
}

impl Lie for CutOff {
    fn way(&self, method: &str) -> Way {
        let mut next = lock(&self.next);
        match &mut *next {
            Some((cut, 0)) if *cut == method => {
                self.cut.store(true, Ordering::SeqCst);
                Way::Held
            }
            Some((cut, before)) if *cut == method => {
                *before -= 1;
                Way::Through
            }
            _ => Way::Through,
        }
    }
}

impl CutOff {
    /// Kills the company at this call.
    fn kill_at(&self, elm: &mut Running, method: &'static str, before: usize) {
        self.cut.store(false, Ordering::SeqCst);
        *lock(&self.next) = Some((method, before));
        until(method, || self.cut.load(Ordering::SeqCst));
        elm.kill();
        *lock(&self.next) = None;
    }
}

/// By round: whether the company committed directions, committed a row, revealed it.
fn rating_of(log: &[SignedEntry], id: ParticipantId) -> BTreeMap<u64, (bool, bool, bool)> {
    let mut found: BTreeMap<u64, (bool, bool, bool)> = BTreeMap::new();
    for signed in log {
        match &signed.entry {
            Entry::DirectionsCommitted {
                round, participant, ..
            } if *participant == id => found.entry(*round).or_default().0 = true,
            Entry::RatingsCommitted {
                round, participant, ..
            } if *participant == id => found.entry(*round).or_default().1 = true,
            Entry::RatingsRevealed {
                round, participant, ..
            } if *participant == id => found.entry(*round).or_default().2 = true,
            _ => {}
        }
    }
    found
}

#[test]
fn a_rater_killed_at_any_step_comes_back_with_the_same_word_and_the_round_goes_on() {
    let fed = Companies::found(&FIVE, 0);
    let mut coordinator = fed.serve();
    for (part, name) in FIVE.iter().enumerate() {
        fed.join_fast(name, part, 5);
    }
    let network = CutOff::default();
    let relay = Relay::before(&fed, "Elm", network.clone());
    let mut nodes: Vec<Running> = FIVE.iter().map(|name| fed.participate(name)).collect();
    let mut elm = nodes.pop().expect("five");
    // A round for each: its directions; what it is answered; its commitment to a row; the row.
    for (method, before) in [
        ("Rounds/CommitDirections", 0),
        ("Rounds/DirectionAnswers", 0),
        ("Rounds/Rate", 0),
        ("Rounds/Rate", 1),
    ] {
        let published = nodes[0].times("new model");
        network.kill_at(&mut elm, method, before);
        let sent = relay.sent(method);
        elm = fed.participate("Elm");
        elm.until_said("own row revealed");
        nodes[0].until_more("new model", published);
        // The call that did not arrive, again.
        let again = relay.sent(method);
        assert!(again.len() > sent.len(), "{method}");
        assert_eq!(again[sent.len() - 1], again[sent.len()], "{method}");
    }
    let log = entries(&fed, "Aster");
    for node in nodes.iter().chain([&elm]) {
        node.terminate();
    }
    for node in nodes.iter_mut().chain([&mut elm]) {
        let ended = node.wait().ok();
        assert!(!ended.stderr.contains("ALARM"), "{}", ended.stderr);
    }
    coordinator.terminate();
    coordinator.wait().ok();
    let rounds = rating_of(&log, ParticipantId(4));
    assert!(rounds.len() >= 4, "{rounds:?}");
    let whole = rounds.values().take(4);
    assert!(
        whole.clone().all(|is| *is == (true, true, true)),
        "{rounds:?}"
    );
    assert_eq!(count(&fed.entries(), "declared void"), 0);
}

#[test]
fn a_rater_that_vanishes_after_committing_costs_its_round_half_a_minute_and_not_the_deadline() {
    let fed = Companies::found(&FIVE, 0);
    let mut coordinator = fed.serve();
    for (part, name) in FIVE.iter().enumerate() {
        fed.join_fast(name, part, 5);
    }
    let network = CutOff::default();
    let _relay = Relay::before(&fed, "Elm", network.clone());
    let mut nodes: Vec<Running> = FIVE.iter().map(|name| fed.participate(name)).collect();
    let mut elm = nodes.pop().expect("five");
    // Its commitment to a row arrives, the row never does.
    network.kill_at(&mut elm, "Rounds/Rate", 1);
    let gone = std::time::Instant::now();
    for node in &mut nodes {
        node.until_said("new model");
    }
    // Members wait 30 s; the deadline is more than ten minutes away.
    let waited = gone.elapsed().as_secs();
    assert!((25..90).contains(&waited), "{waited} s");
    let log = entries(&fed, "Aster");
    for node in &nodes {
        node.terminate();
    }
    for node in &mut nodes {
        let ended = node.wait().ok();
        assert!(!ended.stderr.contains("ALARM"), "{}", ended.stderr);
    }
    coordinator.terminate();
    coordinator.wait().ok();
    let first = |id| rating_of(&log, ParticipantId(id))[&1];
    assert_eq!(first(4), (true, true, false));
    assert!((0..4).all(|id| first(id) == (true, true, true)));
}

/// Asks nonsense, and says nonsense, another in each round.
#[derive(Debug)]
struct Nonsense;

impl Rater for Nonsense {
    fn directions(
        &self,
        start: &RoundStart<'_>,
        _: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<Vec<i8>>, String> {
        let parameters = start.weights.len();
        match start.round {
            1 => Ok(vec![vec![0; parameters]]),
            2 => Ok(vec![vec![127; parameters]]),
            3 => Ok(vec![vec![1; parameters - 1]]),
            4 => Ok(vec![vec![1; parameters]; 3]),
            5 => Err("there are no rows".to_owned()),
            // Constant: an odd question, and a possible one.
            _ => Ok(vec![vec![1; parameters]]),
        }
    }

    fn row(&self, answered: &Answered<'_>) -> Result<Vec<Opinion>, String> {
        let others = answered.contributors.len();
        let good = Opinion {
            score: 7,
            reward: 7,
        };
        match answered.round {
            6 => Ok(vec![good; others]),
            7 => Ok(vec![Opinion::default(); others]),
            8 => Ok(vec![good; others + 1]),
            9 => Ok(vec![
                Opinion {
                    score: -5,
                    reward: 9
                };
                others
            ]),
            _ => Err("there are no rows".to_owned()),
        }
    }
}

#[test]
fn a_raters_nonsense_costs_it_its_say_and_nobody_the_round() {
    const ROUNDS: u64 = 10;
    let fed = Companies::found(&FOUR, ROUNDS);
    let mut coordinator = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let mut nodes: Vec<Running> = FOUR[1..].iter().map(|name| fed.participate(name)).collect();
    let raters: [(&str, Arc<dyn Rater>); 1] = [("Aster", Arc::new(Nonsense))];
    let (summary, told) = run_here(&fed, raters).remove(0);
    assert_eq!((summary.finished, summary.contributions), (true, ROUNDS));
    for node in &mut nodes {
        node.wait().ok();
    }
    let log = entries(&fed, "Aster");
    let asked: BTreeSet<u64> = rating_of(&log, ParticipantId(0)).into_keys().collect();
    assert_eq!(asked, (6..=ROUNDS).collect(), "only what can be asked");
    let rows: BTreeMap<u64, (Vec<i16>, Vec<u16>)> = log
        .iter()
        .filter_map(|signed| match &signed.entry {
            Entry::RatingsRevealed {
                round,
                participant: ParticipantId(0),
                scores,
                rewards,
                ..
            } => Some((*round, (scores.clone(), rewards.clone()))),
            _ => None,
        })
        .collect();
    assert_eq!(rows[&6], (vec![0, 7, 7, 7], vec![0, 7, 7, 7]));
    for round in 7..=ROUNDS {
        assert_eq!(rows[&round], (vec![0; 4], vec![0; 4]), "round {round}");
    }
    for reason in [
        "round 1: this company rates nobody, and contributes all the same: every entry of the direction is zero",
        "round 2: this company rates nobody, and contributes all the same: the squared norm of the direction is",
        "round 3: this company rates nobody, and contributes all the same: the model has 4810 parameters, the direction 4809",
        "round 4: the directions are not committed",
        "round 5: this company rates nobody, and contributes all the same: there are no rows",
        "round 7: this company has no say in the weights: no contribution helps",
        "round 8: this company has no say in the weights: it has 4 opinions on 3 contributions",
        "round 9: this company has no say in the weights: no contribution helps",
        "round 10: this company has no say in the weights: there are no rows",
    ] {
        let said = |progress: &Progress| matches!(progress, Progress::Warning { message } if message.contains(reason));
        assert!(told.iter().any(said), "{reason}: {told:#?}");
    }
    assert_eq!(fed.verify(&FOUR)["published"], ROUNDS);
    coordinator.terminate();
    coordinator.wait().ok();
}

/// In the first round finds only its successor good; afterwards everybody.
#[derive(Debug)]
struct Successor(u32);

impl Rater for Successor {
    fn directions(
        &self,
        start: &RoundStart<'_>,
        _: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<Vec<i8>>, String> {
        Ok(vec![vec![1; start.weights.len()]])
    }

    fn row(&self, answered: &Answered<'_>) -> Result<Vec<Opinion>, String> {
        let others = answered.contributors.iter();
        Ok(others
            .map(|one| {
                let good = answered.round > 1 || one.participant.0 == (self.0 + 1) % 4;
                Opinion {
                    score: if good { 100 } else { -100 },
                    reward: 1,
                }
            })
            .collect())
    }
}

#[test]
fn a_round_in_which_the_raters_support_nobody_leaves_the_model_and_tells_everybody_why() {
    let fed = Companies::found(&FOUR, 1);
    let mut coordinator = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let raters = (0..)
        .zip(FOUR)
        .map(|(id, name)| (name, Arc::new(Successor(id)) as Arc<dyn Rater>));
    for (_, told) in run_here(&fed, raters) {
        let weighed = told.iter().find_map(|progress| match progress {
            Progress::Weighed {
                round: 1,
                weights,
                raters,
                void,
            } => Some((weights, *raters, void)),
            _ => None,
        });
        let (weights, raters, void) = weighed.expect("told");
        assert_eq!(raters.0, 4);
        assert_eq!(void.as_deref(), Some(VoidReason::Brake.in_words()));
        for one in weights {
            let reason = one.left_out.expect("why");
            assert!(reason.contains("do not find that it helps"), "{reason}");
        }
        assert!(
            told.iter().any(|progress| matches!(
                progress,
                Progress::Voided { round: 1, reason }
                    if reason.contains("the raters support too few contributions: the model stays as it is")
            )),
            "{told:#?}"
        );
    }
    let log = entries(&fed, "Aster");
    let models: Vec<_> = log
        .iter()
        .filter_map(|signed| match &signed.entry {
            Entry::RoundOpened { round, model, .. } => Some((*round, *model)),
            _ => None,
        })
        .collect();
    assert_eq!(models.len(), 2);
    assert_eq!(models[0].1, models[1].1, "the model stays");
    let verified = fed.verify(&FOUR);
    assert_eq!(
        (&verified["published"], &verified["voided"]),
        (&1.into(), &1.into())
    );
    coordinator.terminate();
    coordinator.wait().ok();
}

/// Finds nothing in anybody, neither good nor bad.
#[derive(Debug)]
struct Indifferent;

impl Rater for Indifferent {
    fn directions(
        &self,
        start: &RoundStart<'_>,
        _: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<Vec<i8>>, String> {
        Ok(vec![vec![1; start.weights.len()]])
    }

    fn row(&self, answered: &Answered<'_>) -> Result<Vec<Opinion>, String> {
        Ok(vec![Opinion::default(); answered.contributors.len()])
    }
}

#[test]
fn a_round_in_which_every_score_is_zero_is_weighed_by_norms_alone_and_published() {
    let fed = Companies::found(&FOUR, 1);
    let mut coordinator = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let raters = FOUR.map(|name| (name, Arc::new(Indifferent) as Arc<dyn Rater>));
    for (summary, told) in run_here(&fed, raters) {
        assert!(summary.finished);
        let weighed = told.iter().find_map(|progress| match progress {
            Progress::Weighed {
                weights,
                raters,
                void,
                ..
            } => Some((weights, *raters, void)),
            _ => None,
        });
        let (weights, raters, void) = weighed.expect("told");
        assert_eq!((raters, void), ((0, 0), &None));
        assert_eq!(weights.len(), 4);
        assert!(weights.iter().all(|one| one.weight > 0), "{weights:?}");
        let said = |progress: &Progress| {
            matches!(progress, Progress::Warning { message }
                if message.contains("no say in the weights: no contribution helps"))
        };
        assert!(told.iter().any(said), "{told:#?}");
    }
    let log = entries(&fed, "Aster");
    let mut rows = 0;
    for signed in &log {
        if let Entry::RatingsRevealed {
            scores, rewards, ..
        } = &signed.entry
        {
            assert_eq!((scores, rewards), (&vec![0; 4], &vec![0; 4]));
            rows += 1;
        }
    }
    assert_eq!(rows, 4);
    let verified = fed.verify(&FOUR);
    assert_eq!(
        (&verified["published"], &verified["voided"]),
        (&1.into(), &0.into())
    );
    coordinator.terminate();
    coordinator.wait().ok();
}

/// Runs these companies' nodes in this process, with their raters, to the end; what each told on the way.
fn run_here<'a>(
    fed: &Companies,
    raters: impl IntoIterator<Item = (&'a str, Arc<dyn Rater>)>,
) -> Vec<(Summary, Vec<Progress>)> {
    let runtime = Runtime::new().expect("a runtime");
    let running: Vec<_> = raters
        .into_iter()
        .map(|(name, rater)| {
            let options = NodeOptions {
                rater: Some(rater),
                ..NodeOptions::default()
            };
            let node = Node::open(&fed.company(name), options).expect("it joined");
            let (sender, mut progress) = unbounded_channel();
            let node = runtime.spawn(node.run(sender, std::future::pending()));
            let told = runtime.spawn(async move {
                let mut told = Vec::new();
                while let Some(event) = progress.recv().await {
                    told.push(event);
                }
                told
            });
            (node, told)
        })
        .collect();
    let ended = running.into_iter().map(|(node, told)| {
        let summary = runtime.block_on(node).expect("ran").expect("ended well");
        (summary, runtime.block_on(told).expect("told"))
    });
    ended.collect()
}
