//! A federation in memory: real identities, real ledger, real encryption; the world around the machine is
//! this file. Whatever the machine asks for is checked against the invariants before it is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use unsilo_fhe::{
    Committee, Dealing, Entropy, KeySum, Opening, Params, ParamsLiteral, RoundContext,
    RoundKeyPair, RoundPublicKey, apply_mean, combine, contribute, decrypt, decrypt::is_plausible,
    encode, open_key_sum, open_share, weighted_sum,
};
use unsilo_ledger::{
    Activation, CloseStatement, Draft, Entry, Feature, FederationId, GuardHead, Hash, Incentive,
    ModelKind, ModelSpec, Optimiser, Outcome, ParticipantId, Phase, PublicKey, Schema, SeatOffer,
    SignedEntry, SigningIdentity, State, TrainingPlan, commit_nonce, initial_weights_q24,
    model_hash, q24_to_f32_bits,
};
use unsilo_proto::{
    OPENING_DOMAIN, Rejected, key_sum_hash, opening_hash, opening_statement, sum_hash, v1::step,
    weights_digest,
};

use crate::{
    payload::Payload,
    round::{Answer, DecodeFailure, Decoded, Effect, Event, Machine, Timing},
};

pub(super) const TIMING: Timing = Timing {
    contribute_ms: 60_000,
    answer_ms: 10_000,
    pause_ms: 0,
};

pub(super) const FOUNDERS: [&str; 5] = ["Aster", "Birch", "Cedar", "Daisy", "Elder"];

/// An event that can be made again, byte for byte.
pub(super) type Message = Rc<dyn Fn() -> Event>;

/// One company. Everything in here is durable: it survives restarts of the coordinator.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) identity: SigningIdentity,
    seats: BTreeMap<u64, (RoundKeyPair, Hash)>,
    opened: BTreeSet<u64>,
    pub(super) voided: BTreeSet<u64>,
    /// Its answers are wrong: a liar.
    pub(super) lies: bool,
    /// What the coordinator said it took, as long as the connection lasts: not sent again by itself.
    taken: BTreeSet<String>,
    /// What was refused, and under which announcement: sent again under the next.
    refused: BTreeMap<String, usize>,
}

impl Node {
    fn new(name: &str, seed: u8) -> Self {
        Self {
            name: name.to_owned(),
            identity: SigningIdentity::from_seed(&[seed; 32]),
            seats: BTreeMap::new(),
            opened: BTreeSet::new(),
            voided: BTreeSet::new(),
            lies: false,
            taken: BTreeSet::new(),
            refused: BTreeMap::new(),
        }
    }
}

impl Node {
    /// What arrived is not known any more: everything is sent again.
    fn reconnect(&mut self) {
        self.taken.clear();
        self.refused.clear();
    }

    /// Whether a node sends this now, as the participant's session decides it.
    fn sends(&self, task: &str, announced: usize) -> bool {
        !self.taken.contains(task) && self.refused.get(task).is_none_or(|at| *at < announced)
    }
}

/// What a message does, once a federation.
fn task(event: &Event) -> String {
    match event {
        Event::GenesisSigned { entry, .. } => format!("found {entry:?}"),
        Event::Approved { entry, .. } => format!("approve {entry:?}"),
        Event::SeatOffered { round, .. } => format!("seat {round}"),
        Event::Stored(signed) => format!("contribute {:?}", signed.hash()),
        Event::CloseCosigned { round, .. } => format!("cosign {round}"),
        Event::Opened { round, .. } => format!("open {round}"),
        Event::PublishSigned { round, .. } => format!("publish {round}"),
        Event::VoidSigned { round, .. } => format!("void {round}"),
        _ => unreachable!("companies do not send this"),
    }
}

struct Stored {
    ciphertext: Vec<u8>,
    sealed: Vec<Vec<u8>>,
    update: Vec<f32>,
}

enum Job {
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
    params: Params,
    models: BTreeMap<Hash, Vec<f32>>,
    store: BTreeMap<(u64, u32), Stored>,
    sums: BTreeMap<u64, Vec<u8>>,
    /// What a round that was closed must publish.
    expected: BTreeMap<u64, Hash>,
    /// The set of a round once its close was announced.
    frozen: BTreeMap<u64, Hash>,
    answers: BTreeMap<(u64, u16), Vec<u8>>,
    /// Every message ever sent.
    pub(super) sent: Vec<(usize, Message)>,
    pub(super) appends_fail: bool,
    pub(super) sums_fail: bool,
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
                .map(|index| Feature {
                    name: format!("p{index}"),
                    min_micro: 0,
                    max_micro: 16_000_000,
                })
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
        let draft = draft(rounds);
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
            sums: BTreeMap::new(),
            expected: BTreeMap::new(),
            frozen: BTreeMap::new(),
            answers: BTreeMap::new(),
            sent: Vec::new(),
            appends_fail: false,
            sums_fail: false,
        };
        federation.restart();
        federation
    }

    /// Founded, and the first round is being seated.
    pub(super) fn founded(rounds: u64) -> Self {
        let mut federation = Self::new(rounds);
        for node in 0..FOUNDERS.len() {
            federation.join(node);
        }
        federation.everybody_acts();
        assert_eq!(federation.ledger.phase(), Phase::Idle);
        federation
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
    }

    pub(super) fn tick(&mut self, ms: u64) -> Result<(), Rejected> {
        self.now_ms += ms;
        self.feed(Event::Tick)
    }

    /// One event, and all that follows from it.
    pub(super) fn feed(&mut self, event: Event) -> Result<(), Rejected> {
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
                Effect::Announce(kind) => {
                    self.check_announcement(&kind);
                    self.step = Some(kind);
                    self.announced += 1;
                }
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
        match &entry.entry {
            Entry::FederationCreated { .. } => {
                let seed = self.ledger.founders_seed().expect("founded");
                let weights = initial_weights_q24(&self.draft.model, &seed)
                    .into_iter()
                    .map(|value| f32::from_bits(q24_to_f32_bits(value)))
                    .collect();
                self.keep(weights);
            }
            Entry::RoundClosed { round, .. } => {
                let model = self.model_of(*round);
                self.expected.insert(*round, model);
            }
            Entry::ModelPublished { round, model, .. } => {
                assert_eq!(
                    self.expected.get(round),
                    Some(model),
                    "what is published is what the closed set determines"
                );
            }
            _ => {}
        }
        self.entries.push(entry);
        self.no_round_has_two_outcomes();
        Ok(())
    }

    fn keep(&mut self, weights: Vec<f32>) -> Hash {
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

    fn sum(&self, round: u64, weights: &[(ParticipantId, u16)]) -> Vec<u8> {
        let terms: Vec<(&[u8], u16)> = weights
            .iter()
            .map(|(id, weight)| (&self.store[&(round, id.0)].ciphertext[..], *weight))
            .collect();
        weighted_sum(self.params.chunks(), &terms).expect("sums")
    }

    fn decode(
        &mut self,
        round: u64,
        threshold: usize,
        answers: &[(u16, Opening)],
        weights: &[(ParticipantId, u16)],
        from: Hash,
        unit_log2: i8,
    ) -> Result<Decoded, DecodeFailure> {
        let theirs = |error: String| DecodeFailure::Answers(error);
        let context = self.context(round, from);
        let total = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let sum = self.sums.get(&round).expect("summed before").clone();
        let params = self.params;
        let plausible = |key: &KeySum| is_plausible(&params, &context, &sum, key, total);
        let opened = open_key_sum(threshold, answers, plausible)
            .map_err(|error| theirs(error.to_string()))?;
        let mean = decrypt(&params, &context, &sum, &opened.key_sum, total)
            .map_err(|error| theirs(error.to_string()))?;
        let mut model = self.models[&from].clone();
        apply_mean(&mut model, &mean, unit_log2).map_err(|error| theirs(error.to_string()))?;
        self.is_the_mean_of_the_updates(round, weights, &self.models[&from], &model, unit_log2);
        Ok(Decoded {
            key_sum: key_sum_hash(&opened.key_sum.to_bytes()),
            model: self.keep(model),
            total_weight: total,
            liars: opened.liars,
        })
    }

    /// The model that a closed round leads to, from all seats' true answers.
    fn model_of(&mut self, round: u64) -> Hash {
        let closed = self.ledger.round().expect("closed").clone();
        let weights = self.ledger.weights().expect("weighed").to_vec();
        let sum = self.sum(round, &weights);
        self.sums.insert(round, sum);
        let answers: Vec<_> = (1..=closed.opening.seats.len() as u16)
            .map(|seat| {
                let member = closed.seat(seat).expect("seated").participant;
                let node = self.node_of(member);
                (seat, self.true_opening(node, seat, round))
            })
            .collect();
        let threshold = usize::from(closed.opening.threshold);
        let (from, unit) = (closed.opening.model, closed.opening.unit_log2);
        self.decode(round, threshold, &answers, &weights, from, unit)
            .expect("true answers decode")
            .model
    }

    pub(super) fn node_of(&self, id: ParticipantId) -> usize {
        let key = self.ledger.participant(id).expect("known").key;
        self.nodes
            .iter()
            .position(|node| node.identity.public() == key)
            .expect("known")
    }

    pub(super) fn id_of(&self, node: usize) -> Option<ParticipantId> {
        let key: PublicKey = self.nodes[node].identity.public();
        self.ledger
            .participant_by_key(&key)
            .map(|participant| participant.id)
    }

    pub(super) fn context(&self, round: u64, model: Hash) -> RoundContext {
        RoundContext {
            federation: self.id.0,
            round,
            model,
        }
    }

    fn committee(&self) -> Committee {
        let open = self.ledger.round().expect("open");
        let keys = open
            .opening
            .seats
            .iter()
            .map(|seat| RoundPublicKey::from_bytes(&seat.round_key).expect("checked"))
            .collect();
        Committee::new(keys, usize::from(open.opening.threshold)).expect("valid")
    }

    /// The true answer of `node` on `seat`.
    fn true_opening(&self, node: usize, seat: u16, round: u64) -> Opening {
        let closed = self.ledger.round().expect("closed");
        let committee = self.committee();
        let context = self.context(round, closed.opening.model);
        let (keys, _) = &self.nodes[node].seats[&round];
        let shares: Vec<_> = self
            .ledger
            .weights()
            .expect("weighed")
            .iter()
            .map(|(id, weight)| {
                let dealing = Dealing {
                    params: &self.params,
                    context: &context,
                    participant: id.0,
                    committee: &committee,
                };
                let sealed = &self.store[&(round, id.0)].sealed[usize::from(seat) - 1];
                let share = open_share(keys, &dealing, seat, sealed).expect("opens");
                (*weight, share)
            })
            .collect();
        let shares: Vec<_> = shares
            .iter()
            .map(|(weight, share)| (*weight, share))
            .collect();
        combine(&shares).expect("combines")
    }

    /// What `node` says to the step that was announced last: the same bytes however often it is asked.
    pub(super) fn messages(&mut self, node: usize) -> Vec<Message> {
        let Some(step) = self.step.clone() else {
            return Vec::new();
        };
        match step {
            step::Kind::Founding(founding) if !founding.entry.is_empty() => {
                let entry = Entry::from_bytes(&founding.entry).expect("an entry");
                let signature = entry.sign(&self.id, &self.nodes[node].identity);
                vec![Rc::new(move || Event::GenesisSigned {
                    entry: founding.entry.clone(),
                    signature: signature.clone(),
                })]
            }
            step::Kind::Seating(seating) => {
                let asked = self
                    .id_of(node)
                    .is_some_and(|id| seating.asked.contains(&id.0));
                if asked {
                    vec![self.seat(node, seating.round)]
                } else {
                    Vec::new()
                }
            }
            step::Kind::Contributing(contributing) => self
                .contribution(node, contributing.round)
                .into_iter()
                .collect(),
            step::Kind::Closing(closing) => {
                self.cosignature(node, closing.round).into_iter().collect()
            }
            step::Kind::Opening(opening) => self.opening(node, opening.round).into_iter().collect(),
            step::Kind::Publishing(publishing) => {
                let voided = self.nodes[node].voided.contains(&publishing.round);
                if voided || self.seat_number(node).is_none() {
                    return Vec::new();
                }
                let entry = Entry::from_bytes(&publishing.entry).expect("an entry");
                let signature = entry.sign(&self.id, &self.nodes[node].identity);
                vec![Rc::new(move || Event::PublishSigned {
                    round: publishing.round,
                    entry: publishing.entry.clone(),
                    signature: signature.clone(),
                })]
            }
            step::Kind::Voiding(voiding) => {
                let opened = self.nodes[node].opened.contains(&voiding.round);
                if opened || self.seat_number(node).is_none() {
                    return Vec::new();
                }
                self.nodes[node].voided.insert(voiding.round);
                let entry = Entry::from_bytes(&voiding.entry).expect("an entry");
                let signature = entry.sign(&self.id, &self.nodes[node].identity);
                vec![Rc::new(move || Event::VoidSigned {
                    round: voiding.round,
                    entry: voiding.entry.clone(),
                    signature: signature.clone(),
                })]
            }
            _ => Vec::new(),
        }
    }

    /// An approval by `node` of everybody who waits for one.
    pub(super) fn approvals(&self, node: usize) -> Vec<Message> {
        let entries: Vec<_> = self
            .machine
            .applicants()
            .map(|(_, entry, _)| entry.clone())
            .collect();
        let approval = |entry: Entry| -> Message {
            let signature = entry.sign(&self.id, &self.nodes[node].identity);
            Rc::new(move || Event::Approved {
                entry: entry.to_bytes(),
                signature: signature.clone(),
            })
        };
        entries.into_iter().map(approval).collect()
    }

    fn seat_number(&self, node: usize) -> Option<u16> {
        self.ledger.round()?.seat_of(self.id_of(node)?)
    }

    pub(super) fn seat(&mut self, node: usize, round: u64) -> Message {
        let id = self.id_of(node).expect("on the ledger");
        let nonce = [node as u8 + 1; 32];
        let kept = self.nodes[node]
            .seats
            .entry(round)
            .or_insert_with(|| (RoundKeyPair::generate().expect("generated"), nonce));
        let offer = SeatOffer {
            federation: self.id,
            round,
            model: self.ledger.model().expect("founded"),
            round_key: kept.0.public().as_bytes().to_vec(),
            nonce_commitment: commit_nonce(&self.id, round, id, &nonce),
            guard: GuardHead::default(),
        };
        let signature = offer.sign(&self.nodes[node].identity);
        let seat = offer.into_seat(id, signature);
        Rc::new(move || Event::SeatOffered {
            round,
            seat: seat.clone(),
        })
    }

    /// Stores the contribution, as an upload would, and returns its commit.
    pub(super) fn contribution(&mut self, node: usize, round: u64) -> Option<Message> {
        let id = self.id_of(node)?;
        let open = self
            .ledger
            .round()
            .filter(|open| open.opening.round == round)?;
        let context = self.context(round, open.opening.model);
        let unit = open.opening.unit_log2;
        let update: Vec<f32> = (0..self.params.parameters())
            .map(|index| {
                let phase = (index as f32 + 13.0 * node as f32 + 101.0 * round as f32) * 0.1;
                phase.sin() * 0.05
            })
            .collect();
        let mut seed = [node as u8; 32];
        seed[0] = round as u8;
        let encoded = encode(&self.params, &self.id.0, unit, &update, seed).expect("encodes");
        let committee = self.committee();
        let dealing = Dealing {
            params: &self.params,
            context: &context,
            participant: id.0,
            committee: &committee,
        };
        // Stored once: a real upload of a committed contribution is not received again.
        let (root, bytes) = match self.entries.iter().find_map(|signed| match signed.entry {
            Entry::ContributionCommitted {
                round: of,
                participant,
                root,
                bytes,
            } if of == round && participant == id => Some((root, bytes)),
            _ => None,
        }) {
            Some(committed) => committed,
            None => {
                let made = contribute(&dealing, encoded, Entropy::from_bytes(seed)).expect("made");
                let sealed: usize = made.sealed_shares.iter().map(Vec::len).sum();
                let bytes = (made.ciphertext.len() + sealed) as u64;
                let stored = Stored {
                    ciphertext: made.ciphertext,
                    sealed: made.sealed_shares,
                    update,
                };
                self.store.insert((round, id.0), stored);
                (made.commitment.root, bytes)
            }
        };
        let entry = Entry::ContributionCommitted {
            round,
            participant: id,
            root,
            bytes,
        };
        let signed = SignedEntry::signed_by(entry, &self.id, &[&self.nodes[node].identity]);
        Some(Rc::new(move || Event::Stored(Box::new(signed.clone()))))
    }

    pub(super) fn cosignature(&mut self, node: usize, round: u64) -> Option<Message> {
        let seat = self.seat_number(node)?;
        if self.nodes[node].voided.contains(&round) || self.ledger.phase() != Phase::Open {
            return None;
        }
        let participant = self.id_of(node)?;
        let statement = CloseStatement {
            federation: self.id,
            round,
            contributions: self.ledger.contributions_hash()?,
            nonce: self.nodes[node].seats[&round].1,
            guard: GuardHead::default(),
        };
        let cosignature = statement.sign(seat, &self.nodes[node].identity);
        Some(Rc::new(move || Event::CloseCosigned {
            round,
            participant,
            cosignature: cosignature.clone(),
        }))
    }

    pub(super) fn opening(&mut self, node: usize, round: u64) -> Option<Message> {
        let seat = self.seat_number(node)?;
        if self.nodes[node].voided.contains(&round) || self.ledger.phase() != Phase::Closed {
            return None;
        }
        self.nodes[node].opened.insert(round);
        let mut opening = self.true_opening(node, seat, round).to_bytes();
        if self.nodes[node].lies {
            opening[0] ^= 1;
        }
        let answer = self.answer(node, seat, round, opening)?;
        let participant = self.id_of(node)?;
        Some(Rc::new(move || Event::Opened {
            round,
            participant,
            answer: answer.clone(),
        }))
    }

    pub(super) fn answer(
        &self,
        node: usize,
        seat: u16,
        round: u64,
        opening: Vec<u8>,
    ) -> Option<Answer> {
        let weights: Vec<_> = self
            .ledger
            .weights()?
            .iter()
            .map(|(id, weight)| (id.0, *weight))
            .collect();
        let digest = weights_digest(round, &weights);
        let statement =
            opening_statement(&self.id.0, round, seat, &digest, &opening_hash(&opening));
        Some(Answer {
            seat,
            digest,
            opening,
            signature: self.nodes[node].identity.sign(OPENING_DOMAIN, &statement),
        })
    }

    /// `node` answers the step under way, unless it has been told that its answer was taken. What was refused
    /// is returned.
    pub(super) fn act(&mut self, node: usize) -> Vec<Rejected> {
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
                Outcome::Voided { .. } => None,
            })
            .collect()
    }
}

/// The invariants.
impl Federation {
    fn no_round_has_two_outcomes(&self) {
        let ended: Vec<_> = self
            .entries
            .iter()
            .filter_map(|signed| match signed.entry {
                Entry::ModelPublished { round, .. } | Entry::RoundVoided { round, .. } => {
                    Some(round)
                }
                _ => None,
            })
            .collect();
        let distinct: BTreeSet<_> = ended.iter().collect();
        assert_eq!(ended.len(), distinct.len(), "a round has two outcomes");
    }

    fn closes_only_with_a_cohort(&self, entry: &SignedEntry) {
        if let Entry::RoundClosed { .. } = entry.entry {
            let owners = self.ledger.round().map_or(0, |round| round.owners.len());
            assert!(
                owners >= self.ledger.required_cohort(),
                "closed with {owners} companies"
            );
        }
    }

    fn set_is_frozen_by_its_close(&mut self, entry: &SignedEntry) {
        if let Entry::ContributionCommitted { round, .. } = entry.entry {
            assert!(
                !self.frozen.contains_key(&round),
                "a contribution came into a set that is being closed"
            );
        }
    }

    fn one_answer_a_seat(&mut self, round: u64, answers: &[Answer]) {
        for answer in answers {
            let before = self
                .answers
                .entry((round, answer.seat))
                .or_insert_with(|| answer.opening.clone());
            assert_eq!(*before, answer.opening, "a seat has two answers");
        }
    }

    /// What everybody is told is on the ledger already.
    fn check_announcement(&mut self, kind: &step::Kind) {
        let phase = self.ledger.phase();
        let current = self.ledger.round().map(|round| round.opening.round);
        match kind {
            step::Kind::Founding(_) => assert_eq!(phase, Phase::Unfounded),
            step::Kind::Seating(seating) => {
                assert_eq!(
                    (phase, self.ledger.next_round()),
                    (Phase::Idle, seating.round)
                );
            }
            step::Kind::Contributing(step) => {
                assert_eq!((phase, current), (Phase::Open, Some(step.round)));
            }
            step::Kind::Closing(step) => {
                assert_eq!((phase, current), (Phase::Open, Some(step.round)));
                let set = self.ledger.contributions_hash().expect("open");
                assert_eq!(*self.frozen.entry(step.round).or_insert(set), set);
            }
            step::Kind::Opening(step) => {
                assert_eq!((phase, current), (Phase::Closed, Some(step.round)));
            }
            step::Kind::Publishing(step) => {
                assert_eq!((phase, current), (Phase::Closed, Some(step.round)));
            }
            step::Kind::Voiding(step) => assert_eq!(current, Some(step.round)),
            step::Kind::Published(step) => {
                assert_eq!(self.ledger.model().expect("founded").to_vec(), step.model);
            }
            step::Kind::Resting(_) => assert_eq!(phase, Phase::Idle),
        }
    }

    /// Every weight is within 1 + 8 sigma / Delta quantisation steps of plaintext federated averaging.
    fn is_the_mean_of_the_updates(
        &self,
        round: u64,
        weights: &[(ParticipantId, u16)],
        before: &[f32],
        after: &[f32],
        unit_log2: i8,
    ) {
        let step = f64::from(unit_log2).exp2();
        let total: f64 = weights.iter().map(|(_, weight)| f64::from(*weight)).sum();
        for (index, (before, after)) in before.iter().zip(after).enumerate() {
            let mean: f64 = weights
                .iter()
                .map(|(id, weight)| {
                    f64::from(self.store[&(round, id.0)].update[index]) * f64::from(*weight)
                })
                .sum::<f64>()
                / total;
            let off = (f64::from(*after) - f64::from(*before) - mean).abs() / step;
            assert!(off <= 10.1, "parameter {index} is {off} steps off the mean");
        }
    }
}
