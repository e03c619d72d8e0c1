//! The session against a world in memory: a ledger that says what a test wants, a coordinator that may lie, and a disk
//! that keeps exactly the records that were written.

mod answers;
mod appeals;
mod backup;
mod duties;
mod founding;
mod judgements;
mod leftovers;
mod mailbox;
mod openings;
mod patience;
mod publication;
mod random;
mod rating;
mod rating_end;
mod refusals;
mod scene;
mod statistics;
mod voids;
mod vouching;
mod witness;

use std::{collections::BTreeMap, sync::Arc};

use unsilo_ledger::{
    Activation, Draft, Entry, Feature, Hash, Member, ModelKind, ModelSpec, Optimiser, OwnerId,
    ParticipantId, Receipt, Schema, SigningIdentity, TrainingPlan, VoidAuthority, VoidReason,
};

use super::*;
use crate::guard::{Duty, Record, SeatRecord};
use scene::*;

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
                .map(|feature| Feature::number(format!("p{feature}"), 0, 16_000_000))
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
        incentive: Default::default(),
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
    /// This machine's clock.
    now_ms: u64,
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
            now_ms: 1_000,
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
        for effect in self.session.handle(event, self.now_ms) {
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

    /// The closing step on this ledger, with a mailbox that holds this node's receipt.
    fn close(&mut self, facts: &Facts) -> Vec<Effect> {
        self.ledger(facts.clone());
        let mut done = self.step(StepKind::Closing { round: 1 });
        done.extend(self.feed(Event::Accepted(Task::PostReceipt(1))));
        done.extend(self.feed(mailbox(&[(ME, root(50))])));
        done
    }

    /// A step on the newest ledger, confirmed by three members where members ask for that.
    fn step(&mut self, kind: StepKind) -> Vec<Effect> {
        let checkpoint = match kind {
            StepKind::Answering { .. } | StepKind::Judging { .. } | StepKind::Opening { .. } => {
                self.note(&[0, 1, 2])
            }
            _ => String::new(),
        };
        self.step_on(kind, checkpoint)
    }

    /// A step on the newest ledger with this checkpoint.
    fn step_on(&mut self, kind: StepKind, checkpoint: String) -> Vec<Effect> {
        self.step += 1;
        let facts = self.session.facts();
        self.feed(Event::Step(Step {
            id: self.step,
            ledger_entries: facts.map_or(0, |facts| facts.entries),
            checkpoint,
            now_ms: 1_000,
            kind,
        }))
    }

    /// The newest checkpoint with the cosignatures of these participants.
    fn note(&self, cosigners: &[u8]) -> String {
        let facts = self.session.facts().expect("a ledger");
        let own = facts.checkpoint.clone().expect("a checkpoint");
        cosigned(&own, cosigners)
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

    /// As [`World::contributed`], then answers the round's scalars; returns the facts of the closed round.
    fn answered(&mut self) -> Facts {
        let facts = closed(self.contributed());
        self.ledger(facts.clone());
        self.step(StepKind::Answering { round: 1 });
        self.feed(Event::Answered(answer_record(&facts)));
        self.feed(Event::Accepted(Task::SendAnswers(1)));
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
        rates: true,
        name: "Birch".into(),
        identity: Arc::new(identity(ME as u8)),
        draft: draft(),
        founders_pin,
    };
    Session::new(member, guards, held)
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
