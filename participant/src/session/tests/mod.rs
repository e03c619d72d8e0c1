//! The session against a world in memory: a ledger that says what a test wants, a coordinator that may lie, and a disk
//! that keeps exactly the records that were written.

mod duties;
mod random;
mod refusals;

use std::{collections::BTreeMap, sync::Arc};

use unsilo_ledger::{
    Activation, Draft, Entry, Feature, Hash, Incentive, Member, ModelKind, ModelSpec, Optimiser,
    OwnerId, ParticipantId, Receipt, Schema, SigningIdentity, TrainingPlan, VoidAuthority,
    VoidReason,
};

use super::*;
use crate::guard::{Record, SeatRecord};

/// This node's participant and owner number.
const ME: u32 = 1;

fn identity(number: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&[number; 32])
}

fn coordinator() -> SigningIdentity {
    identity(200)
}

fn draft() -> Draft {
    Draft {
        name: "Test".into(),
        coordinator: coordinator().public(),
        ca_fingerprint: [0; 32],
        model: ModelSpec {
            kind: ModelKind::Mlp,
            layers: vec![64, 32, 10],
            activation: Activation::Relu,
        },
        schema: Schema {
            label: "label".into(),
            classes: (0..10).map(|class| class.to_string()).collect(),
            features: (0..64)
                .map(|feature| Feature {
                    name: format!("p{feature}"),
                    min_micro: 0,
                    max_micro: 16_000_000,
                })
                .collect(),
        },
        training: TrainingPlan {
            steps: 1,
            batch: 1,
            learning_rate_micro: 100_000,
            optimiser: Optimiser::Sgd,
            rounds: 0,
        },
        unit_log2: -14,
        min_cohort: 0,
        grant: 1,
        incentive: Incentive::default(),
        created_ms: 0,
        nonce: [1; 32],
        founders: ["Aster", "Birch", "Cedar", "Dogwood"]
            .map(String::from)
            .to_vec(),
    }
}

fn genesis() -> Entry {
    Entry::FederationCreated {
        draft: draft(),
        founders: draft()
            .founders
            .into_iter()
            .zip(0..)
            .map(|(name, number)| Member {
                name,
                key: identity(number).public(),
                owner: None,
            })
            .collect(),
    }
}

fn founders() -> Vec<Founder> {
    let Entry::FederationCreated { founders, .. } = genesis() else {
        unreachable!("the genesis above");
    };
    founders
        .into_iter()
        .map(|founder| Founder {
            name: founder.name,
            key: founder.key,
        })
        .collect()
}

/// A node's memory and disk.
struct World {
    session: Session,
    /// What is on disk: all that survives a crash.
    disk: Guards,
    held: BTreeSet<Hash>,
    founders_pin: Option<Vec<Founder>>,
    /// Effects that became visible or started work, in order.
    done: Vec<Effect>,
    /// After this many more effects the process is killed.
    kill_after: Option<usize>,
    step: u64,
}

impl World {
    fn new() -> Self {
        Self::pinned(None)
    }

    fn pinned(founders_pin: Option<Vec<Founder>>) -> Self {
        let held = BTreeSet::from([model(0)]);
        Self {
            session: start(Guards::default(), held.clone(), founders_pin.clone()),
            disk: Guards::default(),
            held,
            founders_pin,
            done: Vec::new(),
            kill_after: None,
            step: 0,
        }
    }

    /// Kills the node and starts it on what is on disk.
    fn restart(&mut self) {
        self.kill_after = None;
        self.session = start(
            self.disk.clone(),
            self.held.clone(),
            self.founders_pin.clone(),
        );
    }

    /// Feeds an event and carries out the effects in order, until the process is killed. Returns what was done.
    fn feed(&mut self, event: Event) -> Vec<Effect> {
        let mut done = Vec::new();
        for effect in self.session.handle(event, 1_000) {
            if let Some(left) = &mut self.kill_after {
                if *left == 0 {
                    self.restart();
                    break;
                }
                *left -= 1;
            }
            if let Effect::Record(record) = &effect {
                // The disk has the rule book too: no session may ever ask it to write a contradiction.
                self.disk.admit(record).expect("the session checked");
            }
            done.push(effect);
        }
        self.done.extend(done.iter().cloned());
        done
    }

    fn step(&mut self, kind: StepKind) -> Vec<Effect> {
        self.step += 1;
        self.feed(Event::Step(Step {
            id: self.step,
            ledger_entries: 0,
            now_ms: 1_000,
            kind,
        }))
    }

    fn ledger(&mut self, facts: Facts) -> Vec<Effect> {
        self.feed(Event::Ledger(Box::new(facts)))
    }

    /// Goes through seating of round 1 so that this node sits on seat 2, and returns the facts of the open round.
    fn seated(&mut self) -> Facts {
        self.ledger(idle(1));
        self.step(seating(1));
        self.feed(Event::SeatMade(seat_record(1)));
        self.feed(Event::Accepted(Task::OfferSeat(1)));
        let mut facts = open(1);
        facts.round.as_mut().expect("open").seats = seats(&seat_record(1).round_key);
        facts
    }

    /// As [`World::seated`], then contributes; returns the facts of the open round with every contribution in it.
    fn contributed(&mut self) -> Facts {
        let facts = self.seated();
        self.ledger(facts.clone());
        self.step(StepKind::Contributing { round: 1 });
        self.feed(encrypted(1, 0, 50));
        self.feed(Event::Uploaded {
            round: 1,
            receipt: receipt(1, root(50)),
        });
        with_contributions(facts, root(50))
    }
}

fn start(guards: Guards, held: BTreeSet<Hash>, founders_pin: Option<Vec<Founder>>) -> Session {
    let member = Membership {
        name: "Birch".into(),
        identity: Arc::new(identity(ME as u8)),
        draft: draft(),
        founders_pin,
    };
    Session::new(member, guards, held)
}

fn model(number: u8) -> Hash {
    [number; 32]
}

fn root(number: u8) -> Hash {
    [number; 32]
}

fn seat_record(round: u64) -> SeatRecord {
    SeatRecord {
        round,
        model: model(0),
        round_key: vec![9, round as u8],
        nonce: [round as u8; 32],
        size: 4,
        draw: vec![0, ME, 2, 3],
    }
}

fn seating(round: u64) -> StepKind {
    StepKind::Seating {
        round,
        model: model(0),
        asked: vec![0, 1, 2, 3],
    }
}

fn encrypted(round: u64, model_number: u8, root_number: u8) -> Event {
    Event::Encrypted {
        round,
        model: model(model_number),
        root: root(root_number),
        bytes: 100,
    }
}

fn receipt(round: u64, root: Hash) -> Vec<u8> {
    let receipt = Receipt {
        federation: draft().federation_id(),
        round,
        participant: ParticipantId(ME),
        root,
        entry_index: 7,
    };
    receipt.sign(&coordinator()).to_bytes()
}

/// A founded federation between rounds.
fn idle(next_round: u64) -> Facts {
    Facts {
        entries: 5,
        me: Some((ParticipantId(ME), OwnerId(ME))),
        participants: 4,
        founding: Some(FoundingFacts {
            seed: [4; 32],
            founders: founders(),
        }),
        model: model(0),
        next_round,
        size: 4,
        draw: (0..4).map(OwnerId).collect(),
        round: None,
        published: None,
        void: BTreeMap::new(),
    }
}

/// Everybody on a seat, this node with `mine`.
fn seats(mine: &[u8]) -> Vec<SeatFacts> {
    (0..4)
        .map(|number| SeatFacts {
            participant: ParticipantId(number),
            owner: OwnerId(number),
            round_key: if number == ME {
                mine.to_vec()
            } else {
                vec![number as u8]
            },
        })
        .collect()
}

/// An open round without contributions, in which this node has no seat.
fn open(round: u64) -> Facts {
    let mut others = seats(&[]);
    others.remove(ME as usize);
    Facts {
        draw: Vec::new(),
        round: Some(RoundFacts {
            round,
            phase: Phase::Open,
            model: model(0),
            unit_log2: -14,
            seats: others,
            threshold: 3,
            contribute_by_ms: 10_000,
            close_by_ms: 20_000,
            open_by_ms: 30_000,
            contributions: Vec::new(),
            contributions_hash: [0; 32],
            weights: Vec::new(),
            cohort: 3,
        }),
        ..idle(round)
    }
}

/// The round with a contribution of everybody, this node's with `mine`.
fn with_contributions(mut facts: Facts, mine: Hash) -> Facts {
    let round = facts.round.as_mut().expect("a round is under way");
    round.contributions = (0..4)
        .map(|number| ContributionFacts {
            participant: ParticipantId(number),
            owner: OwnerId(number),
            root: if number == ME {
                mine
            } else {
                root(number as u8)
            },
        })
        .collect();
    round.contributions_hash = [mine[0]; 32];
    facts
}

/// The round after its close, with these weights.
fn closed(mut facts: Facts, weights: [u16; 4]) -> Facts {
    let round = facts.round.as_mut().expect("a round is under way");
    round.phase = Phase::Closed;
    round.weights = (0..).map(ParticipantId).zip(weights).collect();
    facts
}

fn publishing(round: u64, model_number: u8) -> StepKind {
    let entry = Entry::ModelPublished {
        round,
        sum: [6; 32],
        key_sum: [7; 32],
        model: model(model_number),
        total_weight: 64,
    };
    StepKind::Publishing {
        round,
        entry: entry.to_bytes(),
    }
}

fn voiding(round: u64) -> StepKind {
    let entry = Entry::RoundVoided {
        round,
        reason: VoidReason::TooFewMembers,
        authority: VoidAuthority::Committee,
    };
    StepKind::Voiding {
        round,
        entry: entry.to_bytes(),
        reason: "nobody answers".into(),
    }
}

fn is_call(effect: &Effect, task: Task) -> bool {
    matches!(effect, Effect::Call(call) if call.task() == task)
}

/// The calls of a task among these effects.
fn calls(effects: &[Effect], task: Task) -> Vec<Call> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Call(call) if call.task() == task => Some(call.clone()),
            _ => None,
        })
        .collect()
}

fn alarms(effects: &[Effect]) -> Vec<&Alarm> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Alarm(alarm) => Some(alarm),
            _ => None,
        })
        .collect()
}

/// Whether a record of this kind comes before the call of `task`.
fn recorded_before(effects: &[Effect], task: Task, kind: impl Fn(&Record) -> bool) -> bool {
    let record = effects
        .iter()
        .position(|effect| matches!(effect, Effect::Record(record) if kind(record)));
    let call = effects.iter().position(|effect| is_call(effect, task));
    matches!((record, call), (Some(record), Some(call)) if record < call)
}
