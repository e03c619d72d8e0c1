//! Invariants over random orders of events, a coordinator that contradicts itself, and crashes between any two effects.

mod invariants;

use proptest::{collection::vec, prelude::*};
use unsilo_ledger::{Judgement, RejectionReason, SignedEntry};

use super::*;
use crate::{
    guard::{AnswerRecord, DirectionsRecord},
    rater::Opinion,
};

/// Something that happens.
#[derive(Clone, Debug)]
enum Act {
    /// The ledger says: round, phase, who is in, which weights, which earlier rounds are void.
    Ledger {
        round: u64,
        stage: u8,
        variant: u8,
        void: bool,
    },
    /// The coordinator asks.
    Step { round: u64, kind: u8, variant: u8 },
    /// Directions come from outside.
    Ask { round: u64 },
    /// A person signs the owners' void, beside the node.
    OwnersVoid { round: u64 },
    /// The oldest or newest work under way ends.
    Work { newest: bool },
    /// The connection is lost.
    Disconnect,
    /// The process is killed after so many more effects.
    Kill { after: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..=3_u64, 0..5_u8, 0..3_u8, any::<bool>())
            .prop_map(|(round, stage, variant, void)| Act::Ledger { round, stage, variant, void }),
        6 => (1..=3_u64, 0..11_u8, 0..3_u8).prop_map(|(round, kind, variant)| Act::Step { round, kind, variant }),
        1 => (1..=3_u64).prop_map(|round| Act::Ask { round }),
        1 => (1..=3_u64).prop_map(|round| Act::OwnersVoid { round }),
        6 => any::<bool>().prop_map(|newest| Act::Work { newest }),
        1 => Just(Act::Disconnect),
        2 => (0..4_usize).prop_map(|after| Act::Kill { after }),
    ]
}

/// A world with the work under way, and what the coordinator has seen.
struct Chaos {
    world: World,
    under_way: Vec<Effect>,
    /// Every answer of work is different: a repetition that is not replayed from a record shows.
    fresh: u8,
    uploads: Vec<(u64, Hash, Hash)>,
    offered: BTreeMap<u64, Vec<Call>>,
    witnessed: BTreeMap<(u64, Duty), Vec<Call>>,
    answered: BTreeMap<u64, Hash>,
    judged: BTreeMap<u64, Vec<u8>>,
    appealed: BTreeMap<u64, u16>,
    asked: BTreeMap<u64, Vec<u8>>,
    opened: BTreeMap<u64, Vec<Call>>,
    cosigned: BTreeMap<u64, Vec<Call>>,
    published: BTreeMap<u64, Vec<Call>>,
    voided: BTreeSet<u64>,
    /// Rounds whose owners' void the node knows of.
    owners_voided: BTreeSet<u64>,
}

impl Chaos {
    fn new() -> Self {
        Self {
            world: World::new(),
            under_way: Vec::new(),
            fresh: 0,
            uploads: Vec::new(),
            offered: BTreeMap::new(),
            witnessed: BTreeMap::new(),
            answered: BTreeMap::new(),
            judged: BTreeMap::new(),
            appealed: BTreeMap::new(),
            asked: BTreeMap::new(),
            opened: BTreeMap::new(),
            cosigned: BTreeMap::new(),
            published: BTreeMap::new(),
            voided: BTreeSet::new(),
            owners_voided: BTreeSet::new(),
        }
    }

    fn act(&mut self, act: Act) {
        let done = match act {
            Act::Ledger {
                round,
                stage,
                variant,
                void,
            } => {
                let facts = self.facts(round, stage, variant, void);
                self.world.ledger(facts)
            }
            Act::Step {
                round,
                kind,
                variant,
            } => self.take_step(round, kind, variant),
            Act::Ask { round } => self.world.feed(Event::Directions {
                round,
                values: DirectionValues(vec![vec![1]]),
            }),
            Act::OwnersVoid { round } => {
                let done = self.world.feed(Event::OwnersVoid { round });
                // The runtime tells again what a killed node has not recorded.
                if self.world.disk.voided.contains(&round) {
                    self.owners_voided.insert(round);
                }
                done
            }
            Act::Work { newest } => {
                let at = if newest {
                    self.under_way.len().checked_sub(1)
                } else {
                    Some(0)
                };
                match at.filter(|at| *at < self.under_way.len()) {
                    Some(at) => {
                        let effect = self.under_way.remove(at);
                        let event = self.end_of(effect);
                        self.world.feed(event)
                    }
                    None => Vec::new(),
                }
            }
            Act::Disconnect => {
                self.under_way
                    .retain(|effect| effect.task().is_some_and(Task::is_local));
                self.world.feed(Event::Disconnected)
            }
            Act::Kill { after } => {
                self.world.kill_after = Some(after);
                Vec::new()
            }
        };
        for effect in done {
            self.see(&effect);
            if effect.task().is_some() {
                self.under_way.push(effect);
            }
        }
    }

    /// A step with no checkpoint, one that too few members cosigned, or one that enough did.
    fn take_step(&mut self, round: u64, kind: u8, variant: u8) -> Vec<Effect> {
        if kind == 5 {
            // Long enough for any void.
            self.world.now_ms += 100_000;
        }
        if self.world.session.facts().is_none() {
            return self
                .world
                .step_on(step(round, kind, variant), String::new());
        }
        let note = match variant {
            0 => self.world.note(&[0, 1, 2]),
            1 => String::new(),
            _ => self.world.note(&[0, 1]),
        };
        self.world.step_on(step(round, kind, variant), note)
    }

    /// Facts that contradict those before as a ledger never would; the session must keep its own rules all the same.
    fn facts(&self, round: u64, stage: u8, variant: u8, void: bool) -> Facts {
        let disk = &self.world.disk;
        let mut facts = open(round);
        let current = facts.round.as_mut().expect("open");
        current.raters = vec![ParticipantId(ME)];
        if let Some(seat) = disk.seats.get(&round) {
            current.seats = seats(&seat.round_key);
        }
        if stage == 0 {
            facts = idle(round);
        }
        if stage >= 2 {
            let mine = disk
                .contributions
                .get(&round)
                .map_or(root(90), |made| made.root);
            facts = with_contributions(facts, mine);
            let current = facts.round.as_mut().expect("open");
            current.contributions_hash = [variant; 32];
            if !disk.contributions.contains_key(&round) {
                current.contributions.remove(ME as usize);
            }
        }
        if stage == 3 {
            facts = closed(facts);
            let current = facts.round.as_mut().expect("closed");
            current.challenge = Some([variant; 32]);
        }
        if stage == 4 {
            facts = weighed(facts, [16, 16, 16, 16 + u16::from(variant)]);
            if variant == 2 {
                let seat = 1 + u16::from(void);
                facts = rejecting(facts, ME, RejectionReason::BadPair { seat });
            }
        }
        if void {
            facts.void = (1..round)
                .map(|earlier| (earlier, VoidReason::BadSum))
                .collect();
        }
        // Sometimes of another history.
        let size = 5 + u64::from(stage);
        facts.entries = size;
        facts.checkpoint = Some(checkpoint(size, 1));
        facts
    }

    /// How the work that an effect started ends.
    fn end_of(&mut self, effect: Effect) -> Event {
        self.fresh = self.fresh.wrapping_add(1);
        let fresh = self.fresh;
        match effect {
            Effect::MakeSeat {
                round,
                model,
                size,
                draw,
            } => Event::SeatMade(SeatRecord {
                round,
                model,
                round_key: vec![fresh],
                nonce: [fresh; 32],
                size,
                draw,
            }),
            Effect::Contribute(job) => Event::Encrypted {
                round: job.round,
                model: job.model,
                root: root(fresh),
                bytes: 100,
            },
            Effect::Upload { round, root, .. } => Event::Uploaded {
                round,
                receipt: receipt(round, root),
            },
            Effect::FetchMailbox { round } => Event::Mailbox {
                round,
                receipts: match self.world.disk.receipts.get(&round) {
                    Some(own) => vec![own.clone()],
                    None => vec![receipt_of(0, round, root(0))],
                },
            },
            Effect::AskRater { round, .. } => Event::Directions {
                round,
                values: DirectionValues(vec![vec![1]; usize::from(fresh % 3)]),
            },
            Effect::MakeRow(job) => Event::Row {
                round: job.round,
                opinions: vec![Opinion::default(); job.contributors.len()],
                salt: [fresh; 32],
            },
            Effect::MakeDirections(job) => Event::DirectionsMade(DirectionsRecord {
                round: job.round,
                round_key: vec![fresh],
                directions: vec![[fresh; 32]],
            }),
            Effect::CommitDirections { round, .. } => {
                Event::Accepted(Task::CommitDirections(round))
            }
            Effect::ReceiveAnswers(job) => Event::Scores {
                round: job.round,
                scores: Vec::new(),
                undecided: Vec::new(),
            },
            Effect::Answer(job) => Event::Answered(AnswerRecord {
                round: job.at.round,
                seat: job.at.seat,
                contributions: job.contributions_hash,
                challenge: job.challenge,
                limit: 0,
                directions: Vec::new(),
                sheet_root: [fresh; 32],
                sent: [fresh; 32],
            }),
            Effect::SendAnswers { round, .. } => Event::Accepted(Task::SendAnswers(round)),
            Effect::Judge(job) => Event::Judged {
                round: job.at.round,
                judgement: Judgement {
                    answers: job.seats.iter().map(|(seat, _)| (*seat, [1; 32])).collect(),
                    projections: [fresh % 3; 32],
                    ..judgement()
                },
                evidence: Vec::new(),
            },
            Effect::Appeal(job) => Event::Accepted(Task::Appeal(job.round)),
            Effect::CheckAppeals(job) => Event::AppealsChecked {
                round: job.judging.at.round,
                found: Vec::new(),
                alarms: Vec::new(),
            },
            Effect::OpenShares(job) => Event::SharesCombined {
                round: job.at.round,
                digest: job.digest,
                answer: vec![fresh; 8],
            },
            Effect::Recompute { published, .. } => Event::Recomputed {
                round: published.round,
                claim: published.claim(),
                model: published.model,
            },
            Effect::FirstModel { model, .. } | Effect::FetchModel { model } => {
                Event::ModelHeld(model)
            }
            Effect::Evaluate { round, model, .. } => Event::Evaluated {
                round,
                model,
                evaluation: None,
            },
            Effect::Call(call) => Event::Accepted(call.task()),
            other => panic!("{other:?} is no work"),
        }
    }
}

fn step(round: u64, kind: u8, variant: u8) -> StepKind {
    match kind {
        0 => seating(round),
        1 => StepKind::Contributing { round },
        2 => StepKind::Closing { round },
        3 => StepKind::Opening { round },
        4 => publishing(round, 1 + variant % 2),
        5 => voiding(round),
        7 => StepKind::Answering { round },
        8 => StepKind::Judging {
            round,
            seats: match variant {
                1 => vec![1, 2, 4],
                _ => vec![1, 2, 3],
            },
        },
        9 => StepKind::Published {
            round,
            model: model(1),
        },
        _ => StepKind::Resting {
            finished: false,
            reason: String::new(),
        },
    }
}

/// The way of an honest round, so that random acts start from every stage of it.
fn honest(stages: usize) -> Vec<Act> {
    let work = Act::Work { newest: true };
    let ledger = |stage| Act::Ledger {
        round: 1,
        stage,
        variant: 0,
        void: false,
    };
    let step = |kind| Act::Step {
        round: 1,
        kind,
        variant: 0,
    };
    let way = [
        ledger(0),
        step(0),
        work.clone(),
        work.clone(),
        ledger(1),
        step(1),
        work.clone(),
        work.clone(),
        // The rater is asked, its directions are made and committed.
        work.clone(),
        work.clone(),
        work.clone(),
        // The receipt is posted, the mailbox read, the close cosigned.
        work.clone(),
        ledger(2),
        step(2),
        work.clone(),
        work.clone(),
        work.clone(),
        ledger(3),
        step(7),
        work.clone(),
        work.clone(),
        step(8),
        work.clone(),
        work.clone(),
        ledger(4),
        step(3),
        work.clone(),
        work,
    ];
    way.into_iter().take(stages).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_and_crashes_makes_the_node_act_twice(
        stages in 0..31_usize,
        acts in vec(act(), 1..60),
    ) {
        let mut chaos = Chaos::new();
        for act in honest(stages).into_iter().chain(acts) {
            chaos.act(act);
        }
    }
}

#[test]
fn the_honest_way_reaches_the_answer() {
    let mut chaos = Chaos::new();
    for act in honest(usize::MAX) {
        chaos.act(act);
    }
    assert_eq!(chaos.opened.len(), 1);
    assert_eq!(chaos.uploads.len(), 1);
    assert_eq!(chaos.cosigned.len(), 1);
    assert_eq!(chaos.answered.len(), 1);
    assert_eq!(chaos.judged.len(), 1);
}
