//! A company: what it remembers, and what it says to each step, as a participant's session would.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use unsilo_fhe::{
    Dealing, Entropy, Permutation, RoundKeyPair, contribute, encode, encode_integers,
};
use unsilo_ledger::{
    CloseStatement, Entry, GuardHead, Hash, OpeningStatement, ParticipantId, Phase, PublicKey,
    SeatOffer, SignedEntry, SigningIdentity, commit_nonce, statistics::DIGITS,
};
use unsilo_proto::{opening_hash, v1::step, weights_digest};

use super::federation::{Federation, Stored};
use crate::round::{Answer, Event, Signed};

/// An event that can be made again, byte for byte.
pub(super) type Message = Rc<dyn Fn() -> Event>;

/// One company. Everything in here is durable: it survives restarts of the coordinator.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) identity: SigningIdentity,
    pub(super) seats: BTreeMap<u64, (RoundKeyPair, Hash)>,
    opened: BTreeSet<u64>,
    pub(super) voided: BTreeSet<u64>,
    /// Its answers are wrong: a liar.
    pub(super) lies: bool,
    /// Its judgements are wrong.
    pub(super) misjudges: bool,
    /// What it contributes is no encryption of an update.
    pub(super) sends_garbage: bool,
    /// It commits directions, and rates.
    pub(super) rates: bool,
    /// What the coordinator said it took, as long as the connection lasts: not sent again by itself.
    pub(super) taken: BTreeSet<String>,
    /// What was refused, and under which announcement: sent again under the next.
    pub(super) refused: BTreeMap<String, usize>,
}

impl Node {
    pub(super) fn new(name: &str, seed: u8) -> Self {
        Self {
            name: name.to_owned(),
            identity: SigningIdentity::from_seed(&[seed; 32]),
            seats: BTreeMap::new(),
            opened: BTreeSet::new(),
            voided: BTreeSet::new(),
            lies: false,
            misjudges: false,
            sends_garbage: false,
            rates: false,
            taken: BTreeSet::new(),
            refused: BTreeMap::new(),
        }
    }
}

impl Node {
    /// What arrived is not known any more: everything is sent again.
    pub(super) fn reconnect(&mut self) {
        self.taken.clear();
        self.refused.clear();
    }

    /// Whether a node sends this now, as the participant's session decides it.
    pub(super) fn sends(&self, task: &str, announced: usize) -> bool {
        !self.taken.contains(task) && self.refused.get(task).is_none_or(|at| *at < announced)
    }
}

/// What a message does, once a federation.
pub(super) fn task(event: &Event) -> String {
    match event {
        Event::GenesisSigned { entry, .. } => format!("found {entry:?}"),
        Event::Signed(signed) => format!("sign {:?}", signed.entry),
        Event::SeatOffered { round, .. } => format!("seat {round}"),
        Event::Stored(signed) => format!("contribute {:?}", signed.hash()),
        Event::DirectionsStored(signed) => format!("direct {:?}", signed.hash()),
        Event::CloseCosigned { round, .. } => format!("cosign {round}"),
        Event::Answered { round, .. } => format!("answer {round}"),
        Event::JudgementSigned { round, .. } => format!("judge {round}"),
        Event::Rated(signed) => format!("rate {:?}", signed.hash()),
        Event::RatingStepSigned { round, entry, .. } => format!("end {round} {entry:?}"),
        Event::Opened { round, .. } => format!("open {round}"),
        Event::PublishSigned { round, .. } => format!("publish {round}"),
        Event::VoidSigned { round, .. } => format!("void {round}"),
        _ => unreachable!("companies do not send this"),
    }
}

impl Federation {
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
            step::Kind::Contributing(contributing) => {
                let mut messages: Vec<_> = self
                    .directions(node, contributing.round)
                    .into_iter()
                    .collect();
                messages.extend(self.contribution(node, contributing.round));
                messages
            }
            step::Kind::Closing(closing) => {
                self.cosignature(node, closing.round).into_iter().collect()
            }
            // What follows the close is done on a cosigned checkpoint only.
            step::Kind::Answering(_) | step::Kind::Judging(_) | step::Kind::Opening(_)
                if !self.cosigned =>
            {
                Vec::new()
            }
            step::Kind::Answering(step) => self.answers(node, step.round).into_iter().collect(),
            step::Kind::Judging(step) => self.judgement(node, &step).into_iter().collect(),
            step::Kind::Rating(step) => self.rating(node, &step).into_iter().collect(),
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
        let pending = self.machine.pending().map(|signed| signed.entry);
        pending
            .filter(|entry| matches!(entry, Entry::ParticipantAdmitted { .. }))
            .map(|entry| self.word(node, &entry))
            .collect()
    }

    /// A signature by `node` under an entry, now.
    pub(super) fn word(&self, node: usize, entry: &Entry) -> Message {
        let signed = Signed {
            entry: entry.to_bytes(),
            signature: entry.sign(&self.id, &self.nodes[node].identity),
            at_ms: self.now_ms,
        };
        Rc::new(move || Event::Signed(signed.clone()))
    }

    /// How many companies wait for admission.
    pub(super) fn applicants(&self) -> usize {
        let pending = self.machine.pending();
        pending
            .filter(|signed| matches!(signed.entry, Entry::ParticipantAdmitted { .. }))
            .count()
    }

    pub(super) fn seat_number(&self, node: usize) -> Option<u16> {
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
        let encoded = if self.ledger.is_measuring() {
            let permutation = Permutation::new(&self.params, &self.id.0);
            let sums = Self::counted(node);
            let integers: Vec<_> = sums
                .iter()
                .flat_map(|column| column.iter().copied().zip(DIGITS))
                .collect();
            encode_integers(&permutation, &integers).expect("encodes")
        } else {
            encode(&self.params, &self.id.0, unit, &update, seed).expect("encodes")
        };
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
                let mut made =
                    contribute(&dealing, encoded, Entropy::from_bytes(seed)).expect("made");
                if self.nodes[node].sends_garbage {
                    // Numbers mod q, but none of the key that was shared.
                    made.ciphertext.rotate_left(6);
                }
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
        if self.nodes[node].voided.contains(&round) || self.ledger.phase() != Phase::Weighed {
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
        let statement = OpeningStatement {
            federation: self.id,
            round,
            seat,
            digest,
            opening: opening_hash(&opening),
        };
        Some(Answer {
            seat,
            digest,
            opening,
            signature: statement.sign(&self.nodes[node].identity),
        })
    }
}
