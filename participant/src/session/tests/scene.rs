//! What a ledger, a coordinator and other members say in these tests.

use std::sync::Mutex;

use unsilo_ledger::{
    Checkpoint, CosignedCheckpoint, Judgement, RejectionReason, ReplayedPublication,
    SignedCheckpoint,
};

use super::*;
use crate::guard::AnswerRecord;

pub(super) fn model(number: u8) -> Hash {
    [number; 32]
}

pub(super) fn root(number: u8) -> Hash {
    [number; 32]
}

pub(super) fn seat_record(round: u64) -> SeatRecord {
    SeatRecord {
        round,
        model: model(0),
        round_key: vec![9, round as u8],
        nonce: [round as u8; 32],
        size: 4,
        draw: vec![0, ME, 2, 3],
    }
}

pub(super) fn seating(round: u64) -> StepKind {
    StepKind::Seating {
        round,
        model: model(0),
        asked: vec![0, 1, 2, 3],
    }
}

pub(super) fn encrypted(round: u64, model_number: u8, root_number: u8) -> Event {
    Event::Encrypted {
        round,
        model: model(model_number),
        root: root(root_number),
        bytes: 100,
    }
}

pub(super) fn receipt(round: u64, root: Hash) -> Vec<u8> {
    receipt_of(ME, round, root)
}

pub(super) fn receipt_of(participant: u32, round: u64, root: Hash) -> Vec<u8> {
    let receipt = Receipt {
        federation: draft().federation_id(),
        round,
        participant: ParticipantId(participant),
        root,
        entry_index: 7,
    };
    receipt.sign(&coordinator()).to_bytes()
}

/// A founded federation between rounds.
pub(super) fn idle(next_round: u64) -> Facts {
    Facts {
        entries: 5,
        checkpoint: Some(checkpoint(5, 1)),
        guard_head: None,
        me: Some((ParticipantId(ME), OwnerId(ME))),
        participants: 4,
        founding: Some(FoundingFacts {
            seed: [4; 32],
            founders: founders(),
        }),
        model: model(0),
        measuring: false,
        earlier_models: vec![model(9)],
        next_round,
        size: 4,
        draw: (0..4).map(OwnerId).collect(),
        round: None,
        published: None,
        void: BTreeMap::new(),
        replayed: None,
        cosigned: None,
    }
}

/// Everybody on a seat, this node with `mine`.
pub(super) fn seats(mine: &[u8]) -> Vec<SeatFacts> {
    (0..4)
        .map(|number| SeatFacts {
            participant: ParticipantId(number),
            owner: OwnerId(number),
            key: identity(number as u8).public(),
            round_key: if number == ME {
                mine.to_vec()
            } else {
                vec![number as u8]
            },
        })
        .collect()
}

/// An open round without contributions, in which this node has no seat.
pub(super) fn open(round: u64) -> Facts {
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
            raters: Vec::new(),
            directions: Vec::new(),
            contributions_hash: [0; 32],
            challenge: None,
            judged: None,
            rating_end: None,
            weights: Vec::new(),
            void_due: None,
            owners_void: false,
            cohort: 3,
        }),
        ..idle(round)
    }
}

/// The round with a contribution of everybody, this node's with `mine`.
pub(super) fn with_contributions(mut facts: Facts, mine: Hash) -> Facts {
    let round = facts.round.as_mut().expect("a round is under way");
    round.contributions = (0..4)
        .map(|number| ContributionFacts {
            participant: ParticipantId(number),
            owner: OwnerId(number),
            key: identity(number as u8).public(),
            root: if number == ME {
                mine
            } else {
                root(number as u8)
            },
            position: number,
        })
        .collect();
    round.contributions_hash = [mine[0]; 32];
    facts
}

/// The round after its close.
pub(super) fn closed(mut facts: Facts) -> Facts {
    let round = facts.round.as_mut().expect("a round is under way");
    round.phase = Phase::Closed;
    round.challenge = Some([8; 32]);
    grown(facts)
}

/// The round after it was judged and weighed, with these weights.
pub(super) fn weighed(facts: Facts, weights: [u16; 4]) -> Facts {
    let mut facts = closed(facts);
    let round = facts.round.as_mut().expect("a round is under way");
    round.phase = Phase::Weighed;
    let contributors = || round.contributions.iter().map(|made| made.participant);
    round.judged = Some(JudgedFacts {
        answers: vec![(1, [1; 32]), (2, [2; 32]), (3, [3; 32])],
        projections: [5; 32],
        accepted: contributors().map(|id| (id, 100)).collect(),
        rejected: Vec::new(),
        erased: Vec::new(),
    });
    round.weights = contributors().zip(weights).collect();
    facts
}

/// The same with one more entry in the log.
pub(super) fn grown(mut facts: Facts) -> Facts {
    facts.entries += 1;
    facts.checkpoint = Some(checkpoint(facts.entries, 1));
    facts
}

/// The coordinator's checkpoint over so many entries of one of its histories.
pub(super) fn checkpoint(size: u64, history: u8) -> SignedCheckpoint {
    static MADE: Made<(u64, u8), SignedCheckpoint> = Made::new();
    MADE.get((size, history), || {
        let checkpoint = Checkpoint {
            federation: draft().federation_id(),
            size,
            root: [history; 32],
            state_root: [history; 32],
        };
        checkpoint.sign(&coordinator()).expect("a note")
    })
}

/// The publication of round 1, replayed to that many entries.
pub(super) fn replayed(size: u64) -> ReplayedPublication {
    ReplayedPublication {
        round: 1,
        checkpoint: *checkpoint(size, 1).checkpoint(),
    }
}

/// It with the cosignatures of these participants.
pub(super) fn cosigned(own: &SignedCheckpoint, cosigners: &[u8]) -> String {
    static MADE: Made<(String, Vec<u8>), String> = Made::new();
    MADE.get((own.note().to_owned(), cosigners.to_vec()), || {
        let mut cosigned = CosignedCheckpoint::new(own.clone());
        for number in cosigners {
            let identity = identity(*number);
            let cosignature = own.cosign(ParticipantId(u32::from(*number)), &identity, 77);
            cosigned
                .add(cosignature, &identity.public())
                .expect("a cosignature");
        }
        cosigned.note()
    })
}

/// What takes signatures is made once for all tests: the random ones ask for it a hundred thousand times.
struct Made<K, V>(Mutex<BTreeMap<K, V>>);

impl<K: Ord, V: Clone> Made<K, V> {
    const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn get(&self, key: K, make: impl FnOnce() -> V) -> V {
        let mut made = self.0.lock().expect("no test panics while it holds this");
        made.entry(key).or_insert_with(make).clone()
    }
}

/// What this node's job says it answered in the closed round of `facts`.
pub(super) fn answer_record(facts: &Facts) -> AnswerRecord {
    let round = facts.round.as_ref().expect("a round is under way");
    AnswerRecord {
        round: round.round,
        seat: 2,
        contributions: round.contributions_hash,
        challenge: round.challenge.expect("closed"),
        limit: 0,
        directions: Vec::new(),
        sheet_root: [2; 32],
        sent: [22; 32],
    }
}

/// What follows from the answers of the first three seats.
pub(super) fn judgement() -> Judgement {
    Judgement {
        answers: vec![(1, [1; 32]), (2, [2; 32]), (3, [3; 32])],
        projections: [5; 32],
        accepted: (0..4).map(|id| (ParticipantId(id), 100)).collect(),
        rejected: Vec::new(),
        erased: Vec::new(),
    }
}

/// The contribution of `id` is rejected for this reason.
pub(super) fn rejecting(mut facts: Facts, id: u32, reason: RejectionReason) -> Facts {
    let round = facts.round.as_mut().expect("a round is under way");
    let judged = round.judged.as_mut().expect("judged");
    judged.accepted.retain(|(of, _)| of.0 != id);
    judged.rejected.push((ParticipantId(id), reason));
    for (of, weight) in &mut round.weights {
        if of.0 == id {
            *weight = 0;
        }
    }
    facts
}

/// The model of round 1 on the ledger.
pub(super) fn published(model_number: u8) -> PublishedFacts {
    PublishedFacts {
        round: 1,
        base: model(0),
        unit_log2: -14,
        sum: [6; 32],
        key_sum: [7; 32],
        model: model(model_number),
        total_weight: 64,
        statistics: None,
        own: Some(ParticipantId(ME)),
        proof: Arc::new(SumFacts {
            challenge: [8; 32],
            projections: [5; 32],
            threshold: 3,
            seats: 4,
            contributions: Vec::new(),
        }),
    }
}

/// The sum of round 1 gives that model, as [`published`] and [`publishing`] claim it.
pub(super) fn recomputed(model_number: u8) -> Event {
    Event::Recomputed {
        round: 1,
        claim: published(model_number).claim(),
        model: model(model_number),
    }
}

pub(super) fn judging(seats: &[u32]) -> StepKind {
    StepKind::Judging {
        round: 1,
        seats: seats.to_vec(),
    }
}

pub(super) fn publishing(round: u64, model_number: u8) -> StepKind {
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

pub(super) fn voiding(round: u64) -> StepKind {
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

/// What the mailbox of round 1 holds: receipts of these participants for these roots.
pub(super) fn mailbox(receipts: &[(u32, Hash)]) -> Event {
    Event::Mailbox {
        round: 1,
        receipts: receipts
            .iter()
            .map(|(participant, root)| receipt_of(*participant, 1, *root))
            .collect(),
    }
}

/// A rater that committed to directions with these hashes.
pub(super) fn rater(number: u32, directions: &[Hash]) -> RaterFacts {
    RaterFacts {
        participant: ParticipantId(number),
        owner: OwnerId(number),
        round_key: vec![number as u8],
        directions: directions.to_vec(),
        row: RowState::Missing,
    }
}
