//! A federation in memory: real identities, real ledger, real encryption; the world around the machine is
//! this file. Whatever the machine asks for is checked against the invariants before it is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use unsilo_fhe::{AnswerSheet, Opening, Params, ParamsLiteral, ProjectionTable};
use unsilo_ledger::{
    Activation, Draft, Entry, Feature, FederationId, Hash, Incentive, ModelKind, ModelSpec,
    Optimiser, Outcome, ParticipantId, Phase, Schema, SignedEntry, SigningIdentity, State,
    TrainingPlan, Values, initial_weights_q24, model_hash, q24_to_f32_bits,
};
use unsilo_proto::{Rejected, sum_hash, v1::step};

use super::company::{Message, Node, task};
use crate::{
    payload::Payload,
    round::{Answer, DecodeFailure, Effect, Event, Machine, Note, Recalled, Timing},
};

pub(super) const TIMING: Timing = Timing {
    contribute_ms: 60_000,
    answer_ms: 10_000,
    pause_ms: 0,
};

pub(super) const FOUNDERS: [&str; 5] = ["Aster", "Birch", "Cedar", "Daisy", "Elder"];

/// A contribution on the coordinator's disk.
pub(super) struct Stored {
    pub(super) ciphertext: Vec<u8>,
    pub(super) sealed: Vec<Vec<u8>>,
    pub(super) update: Vec<f32>,
}

enum Job {
    Project {
        round: u64,
    },
    Sum {
        round: u64,
        weights: Vec<(ParticipantId, u16)>,
    },
    Decode {
        round: u64,
        threshold: usize,
        answers: Vec<Answer>,
        weights: Vec<(ParticipantId, u16)>,
        from: Hash,
        unit_log2: i8,
    },
}

pub(super) struct Federation {
    pub(super) draft: Draft,
    pub(super) id: FederationId,
    coordinator: SigningIdentity,
    pub(super) nodes: Vec<Node>,
    /// Names of nodes that have joined, in order.
    pub(super) joined: Vec<usize>,
    pub(super) ledger: State,
    pub(super) entries: Vec<SignedEntry>,
    pub(super) machine: Machine,
    pub(super) now_ms: u64,
    pub(super) step: Option<step::Kind>,
    pub(super) announced: usize,
    jobs: Vec<Job>,
    pub(super) params: Params,
    pub(super) models: BTreeMap<Hash, Vec<f32>>,
    pub(super) store: BTreeMap<(u64, u32), Stored>,
    /// What is on disk of closed rounds beside their contributions.
    pub(super) disk: BTreeMap<u64, Recalled>,
    pub(super) tables: BTreeMap<u64, ProjectionTable>,
    /// Answer sheets, which take long to make, by round and seat.
    pub(super) sheets: BTreeMap<(u64, u16), Rc<AnswerSheet>>,
    /// Entries of judgements, by round and judged seats.
    pub(super) judgements: BTreeMap<(u64, Vec<u32>), Entry>,
    /// The step under way was announced with a cosigned checkpoint.
    pub(super) cosigned: bool,
    /// Who cosigned the checkpoint of so many entries.
    cosigners: (usize, BTreeSet<ParticipantId>),
    pub(super) sums: BTreeMap<u64, Vec<u8>>,
    /// What a round that was weighed must publish.
    expected: BTreeMap<u64, Hash>,
    /// The set of a round once its close was announced.
    pub(super) frozen: BTreeMap<u64, Hash>,
    pub(super) answers: BTreeMap<(u64, u16), Vec<u8>>,
    /// Every message ever sent.
    pub(super) sent: Vec<(usize, Message)>,
    pub(super) appends_fail: bool,
    pub(super) sums_fail: bool,
    pub(super) notes_fail: bool,
}

pub(super) fn draft(rounds: u64) -> Draft {
    Draft {
        name: "Digits".into(),
        coordinator: SigningIdentity::from_seed(&[99; 32]).public(),
        ca_fingerprint: [0; 32],
        model: ModelSpec {
            kind: ModelKind::Mlp,
            layers: vec![32, 52, 2],
            activation: Activation::Relu,
        },
        schema: Schema {
            label: "digit".into(),
            classes: vec!["0".into(), "1".into()],
            features: (0..32)
                .map(|index| Feature::number(format!("p{index}"), 0, 16_000_000))
                .collect(),
        },
        training: TrainingPlan {
            steps: 1,
            batch: 1,
            learning_rate_micro: 1,
            optimiser: Optimiser::Sgd,
            rounds,
        },
        unit_log2: -14,
        min_cohort: 0,
        grant: 1_000_000,
        incentive: Incentive::default(),
        created_ms: 0,
        nonce: [7; 32],
        founders: FOUNDERS.iter().map(|name| (*name).to_owned()).collect(),
    }
}

impl Federation {
    /// Everybody has a machine, nobody has joined.
    pub(super) fn new(rounds: u64) -> Self {
        Self::of(draft(rounds))
    }

    /// The same of a federation that measures two columns, founded; the statistics round is being seated.
    pub(super) fn measuring(rounds: u64) -> Self {
        let mut draft = draft(rounds);
        for feature in draft.schema.features.iter_mut().take(2) {
            feature.values = Values::Measured {
                min_micro: 0,
                max_micro: 16_000_000,
            };
        }
        let mut federation = Self::of(draft);
        federation.found();
        assert!(federation.ledger.is_measuring());
        federation
    }

    /// What the company contributes to the statistics round: count, sum and sum of squares of two columns.
    pub(super) fn counted(node: usize) -> [[u64; 3]; 2] {
        [0, 1].map(|column| {
            (0..20 + node as u64).fold([0; 3], |[count, sum, squares], row| {
                let value = (row * 7_919 + column * 104_729 + node as u64 * 31) % 65_537;
                [count + 1, sum + value, squares + value * value]
            })
        })
    }

    fn of(draft: Draft) -> Self {
        let mut nodes: Vec<_> = (1..)
            .zip(FOUNDERS)
            .map(|(seed, name)| Node::new(name, seed))
            .collect();
        nodes.push(Node::new("Fern", 50));
        let params = Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters: draft.model.parameters(),
        })
        .expect("valid");
        let mut federation = Self {
            id: draft.federation_id(),
            machine: Machine::new(TIMING, draft.clone(), Payload::Encrypted(params)),
            draft,
            coordinator: SigningIdentity::from_seed(&[99; 32]),
            nodes,
            joined: Vec::new(),
            ledger: State::new(),
            entries: Vec::new(),
            now_ms: 1_000_000,
            step: None,
            announced: 0,
            jobs: Vec::new(),
            params,
            models: BTreeMap::new(),
            store: BTreeMap::new(),
            disk: BTreeMap::new(),
            tables: BTreeMap::new(),
            sheets: BTreeMap::new(),
            judgements: BTreeMap::new(),
            cosigned: false,
            cosigners: (0, BTreeSet::new()),
            sums: BTreeMap::new(),
            expected: BTreeMap::new(),
            frozen: BTreeMap::new(),
            answers: BTreeMap::new(),
            sent: Vec::new(),
            appends_fail: false,
            sums_fail: false,
            notes_fail: false,
        };
        federation.restart();
        federation
    }

    /// Founded, and the first round is being seated.
    pub(super) fn founded(rounds: u64) -> Self {
        let mut federation = Self::new(rounds);
        federation.found();
        federation
    }

    fn found(&mut self) {
        for node in 0..FOUNDERS.len() {
            self.join(node);
        }
        self.everybody_acts();
        assert_eq!(self.ledger.phase(), Phase::Idle);
    }

    pub(super) fn join(&mut self, node: usize) {
        if !self.joined.contains(&node) {
            self.joined.push(node);
        }
        let event = self.joined_event();
        self.feed(event).expect("joining is not refused");
    }

    fn joined_event(&self) -> Event {
        let joined = self.joined.iter().map(|node| &self.nodes[*node]);
        Event::Joined(
            joined
                .map(|node| (node.name.clone(), node.identity.public()))
                .collect(),
        )
    }

    /// The process dies and starts again: the ledger and the files are all that is left.
    pub(super) fn restart(&mut self) {
        let replayed = State::replay(&self.entries).expect("replays");
        assert_eq!(replayed.root(), self.ledger.root());
        self.machine = Machine::new(TIMING, self.draft.clone(), Payload::Encrypted(self.params));
        self.jobs.clear();
        self.step = None;
        for node in &mut self.nodes {
            node.reconnect();
        }
        for event in [self.joined_event(), Event::Advanced] {
            let _ = self.feed(event);
        }
        // Cosignatures are kept beside the log.
        if self.is_cosigned() {
            let _ = self.feed(Event::Cosigned);
        }
    }

    pub(super) fn tick(&mut self, ms: u64) -> Result<(), Rejected> {
        self.now_ms += ms;
        self.feed(Event::Tick)
    }

    /// One event, and all that follows from it.
    pub(super) fn feed(&mut self, event: Event) -> Result<(), Rejected> {
        self.store_answer(&event);
        let effects = self.machine.handle(event, self.now_ms, &self.ledger)?;
        let mut queue = std::collections::VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            match effect {
                Effect::SignAndAppend {
                    entry,
                    mut signatures,
                } => {
                    signatures.push(entry.sign(&self.id, &self.coordinator));
                    self.append(SignedEntry::new(entry, signatures))?;
                    queue.extend(self.machine.handle(
                        Event::Advanced,
                        self.now_ms,
                        &self.ledger,
                    )?);
                }
                Effect::Append(entry) => {
                    self.append(entry)?;
                    queue.extend(self.machine.handle(
                        Event::Advanced,
                        self.now_ms,
                        &self.ledger,
                    )?);
                }
                Effect::Announce { kind, cosigned } => {
                    self.check_announcement(&kind, cosigned);
                    self.step = Some(kind);
                    self.cosigned = cosigned;
                    self.announced += 1;
                }
                Effect::Recall { round } => {
                    let recalled = self.disk.entry(round).or_default().clone();
                    let event = Event::Recalled { round, recalled };
                    queue.extend(self.machine.handle(event, self.now_ms, &self.ledger)?);
                }
                Effect::Note { round, note } => {
                    self.note(round, &note)?;
                    let event = Event::Noted { round, note };
                    queue.extend(self.machine.handle(event, self.now_ms, &self.ledger)?);
                }
                Effect::Project { round } => self.jobs.push(Job::Project { round }),
                Effect::Sum { round, weights } => self.jobs.push(Job::Sum { round, weights }),
                Effect::Decode {
                    round,
                    threshold,
                    answers,
                    weights,
                    from,
                    unit_log2,
                } => {
                    self.one_answer_a_seat(round, &answers);
                    self.jobs.push(Job::Decode {
                        round,
                        threshold,
                        answers,
                        weights,
                        from,
                        unit_log2,
                    });
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, entry: SignedEntry) -> Result<(), Rejected> {
        if self.appends_fail {
            return Err(Rejected::new(
                unsilo_proto::Code::Internal,
                "the disk says no",
            ));
        }
        self.closes_only_with_a_cohort(&entry);
        self.set_is_frozen_by_its_close(&entry);
        let before = self.ledger.root();
        if let Err(refused) = self.ledger.apply(&entry) {
            assert_eq!(before, self.ledger.root());
            return Err(Rejected::new(
                unsilo_proto::Code::LedgerRefused,
                refused.to_string(),
            ));
        }
        let weighed = self.ledger.phase() == Phase::Weighed && self.ledger.void_due().is_none();
        if weighed && !self.ledger.is_measuring() {
            let round = self.ledger.round().map_or(0, |round| round.opening.round);
            if !self.expected.contains_key(&round) {
                let model = self.model_of(round);
                self.expected.insert(round, model);
            }
        }
        match &entry.entry {
            Entry::FederationCreated { .. } => {
                let seed = self.ledger.founders_seed().expect("founded");
                let weights = initial_weights_q24(&self.draft.model, &seed)
                    .into_iter()
                    .map(|value| f32::from_bits(q24_to_f32_bits(value)))
                    .collect();
                self.keep(weights);
            }
            Entry::ModelPublished { round, model, .. } => {
                assert_eq!(
                    self.expected.get(round),
                    Some(model),
                    "what is published is what the weighed set determines"
                );
            }
            _ => {}
        }
        self.entries.push(entry);
        self.no_round_has_two_outcomes();
        Ok(())
    }

    pub(super) fn keep(&mut self, weights: Vec<f32>) -> Hash {
        let bytes: Vec<u8> = weights
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect();
        let hash = model_hash(&self.draft.model, &bytes);
        self.models.insert(hash, weights);
        hash
    }

    pub(super) fn has_job(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Runs the oldest job.
    pub(super) fn run_job(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let event = match self.jobs.remove(0) {
            Job::Project { round } if self.sums_fail || !self.can_project(round) => {
                Event::ProjectFailed { round }
            }
            Job::Project { round } => Event::Projected {
                round,
                table: self.project(round).hash(),
            },
            Job::Sum { round, .. } if self.sums_fail => Event::SumFailed { round },
            Job::Sum { round, weights } => {
                let sum = self.sum(round, &weights);
                let hash = sum_hash(&sum);
                self.sums.insert(round, sum);
                Event::SumReady { round, sum: hash }
            }
            Job::Decode { round, .. } if self.sums_fail => {
                self.sums.remove(&round);
                Event::Decoded {
                    round,
                    result: Err(DecodeFailure::Store("the sum is gone".into())),
                }
            }
            Job::Decode {
                round,
                threshold,
                answers,
                weights,
                from,
                unit_log2,
            } => {
                let answers: Vec<_> = answers
                    .iter()
                    .map(|answer| {
                        let opening = Opening::from_bytes(&answer.opening).expect("checked");
                        (answer.seat, opening)
                    })
                    .collect();
                let result = self.decode(round, threshold, &answers, &weights, from, unit_log2);
                Event::Decoded { round, result }
            }
        };
        self.feed(event).expect("the outcome of a job is taken");
    }

    /// Whether a round's ciphertexts are there to be projected: a job may run when its round is over.
    fn can_project(&self, round: u64) -> bool {
        let current = self
            .ledger
            .round()
            .filter(|_| self.ledger.phase() != Phase::Open);
        self.tables.contains_key(&round)
            || current.is_some_and(|current| current.opening.round == round)
    }

    /// What a service does before it tells the machine: the first answer of a seat is kept.
    fn store_answer(&mut self, event: &Event) {
        if let Event::Answered {
            round,
            seat,
            sheet_root,
            ..
        } = event
            && self.ledger.phase() == Phase::Closed
        {
            let answers = &mut self.disk.entry(*round).or_default().answers;
            if answers.iter().all(|(of, _)| of != seat) {
                answers.push((*seat, *sheet_root));
                answers.sort_unstable();
            }
        }
    }

    fn note(&mut self, round: u64, note: &Note) -> Result<(), Rejected> {
        if self.notes_fail {
            return Err(Rejected::new(
                unsilo_proto::Code::Internal,
                "the disk says no",
            ));
        }
        let disk = self.disk.entry(round).or_default();
        match note {
            Note::Judged(seats) => {
                assert!(disk.judged.is_none(), "decided twice");
                disk.judged = Some(seats.clone());
            }
            Note::Void(reason) => {
                disk.void.get_or_insert(*reason);
            }
        }
        Ok(())
    }

    /// A participant cosigns the newest checkpoint.
    pub(super) fn cosign(&mut self, node: usize) {
        let Some(id) = self.id_of(node) else { return };
        let before = self.is_cosigned();
        if self.cosigners.0 != self.entries.len() {
            self.cosigners = (self.entries.len(), BTreeSet::new());
        }
        self.cosigners.1.insert(id);
        if !before && self.is_cosigned() {
            self.feed(Event::Cosigned).expect("taken");
        }
    }

    /// Whether enough seated members cosigned the newest checkpoint.
    pub(super) fn is_cosigned(&self) -> bool {
        let (entries, cosigners) = &self.cosigners;
        self.ledger.round().is_some_and(|round| {
            let seated = cosigners.iter().filter(|id| round.seat_of(**id).is_some());
            *entries == self.entries.len() && seated.count() >= usize::from(round.opening.threshold)
        })
    }

    /// `node` answers the step under way, unless it has been told that its answer was taken. What was refused
    /// is returned.
    pub(super) fn act(&mut self, node: usize) -> Vec<Rejected> {
        if self.id_of(node).is_some() {
            self.cosign(node);
        }
        let mut messages = self.messages(node);
        if self.id_of(node).is_some() {
            messages.extend(self.approvals(node));
        }
        let mut refused = Vec::new();
        for message in messages {
            let task = task(&message());
            let announced = self.announced;
            if !self.nodes[node].sends(&task, announced) {
                continue;
            }
            self.sent.push((node, message.clone()));
            match self.feed(message()) {
                Ok(()) => {
                    self.nodes[node].taken.insert(task);
                }
                Err(rejected) => {
                    // A failure of the coordinator ends the connection; a refusal is about this step.
                    if rejected.code == unsilo_proto::Code::Internal {
                        self.nodes[node].reconnect();
                    } else {
                        self.nodes[node].refused.insert(task, announced);
                    }
                    refused.push(rejected);
                }
            }
        }
        refused
    }

    /// Every company that joined answers the step under way, and all jobs run.
    pub(super) fn everybody_acts(&mut self) {
        for node in self.joined.clone() {
            self.act(node);
        }
        while self.has_job() {
            self.run_job();
        }
    }

    /// Nothing fails any more: the federation must come to its end.
    pub(super) fn calm_until_finished(&mut self) {
        self.appends_fail = false;
        self.sums_fail = false;
        self.notes_fail = false;
        for _ in 0..200 {
            if self.machine.phase() == "finished" {
                return;
            }
            self.everybody_acts();
            let _ = self.tick(2_000);
        }
        panic!(
            "the federation hangs in {} of round {:?}",
            self.machine.phase(),
            self.ledger.round().map(|round| round.opening.round)
        );
    }

    /// Round and model of every published round.
    pub(super) fn published(&self) -> Vec<(u64, Hash)> {
        self.ledger
            .history()
            .filter_map(|record| match record.outcome {
                Outcome::Published { model, .. } => Some((record.round, model)),
                Outcome::Voided { .. } | Outcome::Measured { .. } => None,
            })
            .collect()
    }
}
