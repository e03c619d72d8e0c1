//! What members and raters say between the close and the opening: answers, judgements, ratings.

use std::rc::Rc;

use unsilo_fhe::{
    AnswerSheet, Dealing, Entropy, ProjectionAnswers, ProjectionKeys, ProjectionTable, Projections,
    answer_projections, check, judge, open_share, project,
};
use unsilo_ledger::{
    Entry, ParticipantId, Phase, RatingStep, Ratings, RejectionReason, SignedEntry, commit_rating,
};
use unsilo_proto::v1;

use super::{company::Message, federation::Federation};
use crate::round::Event;

/// What every rater salts its row with.
const SALT: [u8; 32] = [77; 32];

impl Federation {
    fn projections(&self) -> Projections {
        let closed = self.ledger.round().expect("closed");
        let context = self.context(closed.opening.round, closed.opening.model);
        let challenge = closed.closing.as_ref().expect("closed").challenge;
        Projections::new(&self.params, &context, challenge)
    }

    /// The projections of the round's ciphertexts, as the coordinator's job makes them.
    pub(super) fn project(&mut self, round: u64) -> &ProjectionTable {
        if !self.tables.contains_key(&round) {
            let projections = self.projections();
            let rows = self
                .ledger
                .round()
                .expect("closed")
                .contributions
                .keys()
                .map(|id| {
                    let ciphertext = &self.store[&(round, id.0)].ciphertext;
                    (
                        id.0,
                        project(&projections, ciphertext).expect("a ciphertext"),
                    )
                });
            let table = ProjectionTable::new(rows.collect()).expect("a table");
            self.tables.insert(round, table);
        }
        &self.tables[&round]
    }

    /// The answers of `node` on `seat`; a liar has no usable share of anything.
    fn sheet(&mut self, node: usize, seat: u16, round: u64) -> Rc<AnswerSheet> {
        if let Some(made) = self.sheets.get(&(round, seat)) {
            return made.clone();
        }
        let (projections, committee) = (self.projections(), self.committee());
        let keys = ProjectionKeys::new(&projections);
        let (round_keys, _) = &self.nodes[node].seats[&round];
        let closed = self.ledger.round().expect("closed");
        let answers = closed.contributions.keys().map(|id| {
            let dealing = Dealing {
                params: &self.params,
                context: projections.context(),
                participant: id.0,
                committee: &committee,
            };
            let sealed = &self.store[&(round, id.0)].sealed[usize::from(seat) - 1];
            match open_share(round_keys, &dealing, seat, sealed) {
                Ok(share) if !self.nodes[node].lies => {
                    answer_projections(&share, &keys).expect("of this round")
                }
                _ => ProjectionAnswers::unusable(id.0),
            }
        });
        let answers = answers.collect();
        let entropy = Entropy::from_bytes([node as u8; 32]);
        let (sheet, _) =
            AnswerSheet::seal(&projections, &committee, seat, answers, entropy).expect("sealed");
        let sheet = Rc::new(sheet);
        self.sheets.insert((round, seat), sheet.clone());
        sheet
    }

    pub(super) fn answers(&mut self, node: usize, round: u64) -> Option<Message> {
        let seat = self.seat_number(node)?;
        let participant = self.id_of(node)?;
        if self.ledger.phase() != Phase::Closed {
            return None;
        }
        let sheet_root = *self.sheet(node, seat, round).root();
        Some(Rc::new(move || Event::Answered {
            round,
            participant,
            seat,
            sheet_root,
        }))
    }

    /// The entry that every honest member comes to.
    fn verdict(&mut self, step: &v1::Judging) -> Entry {
        let key = (step.round, step.seats.clone());
        if let Some(made) = self.judgements.get(&key) {
            return made.clone();
        }
        let threshold = usize::from(self.ledger.round().expect("closed").opening.threshold);
        let projections = self.projections();
        let sheets: Vec<_> = step
            .seats
            .iter()
            .map(|seat| self.sheets[&(step.round, *seat as u16)].clone())
            .collect();
        let table = self.project(step.round).clone();
        let sheets: Vec<&AnswerSheet> = sheets.iter().map(|sheet| &**sheet).collect();
        let verdict = judge(&projections, threshold, &table, &sheets).expect("sheets of the round");
        let judged = verdict.judgement();
        let reason = |reason: &check::RejectionReason| match reason {
            check::RejectionReason::BadPair => RejectionReason::BadPair {
                seat: judged.bad_pairs.first().map_or(0, |(_, seat)| *seat),
            },
            check::RejectionReason::Undecodable => RejectionReason::Undecodable,
            check::RejectionReason::OutOfRange => RejectionReason::OutOfRange,
            check::RejectionReason::TooLong => RejectionReason::TooLong,
        };
        let entry = Entry::ContributionsJudged {
            round: step.round,
            answers: sheets
                .iter()
                .map(|sheet| (sheet.seat(), *sheet.root()))
                .collect(),
            projections: table.hash(),
            accepted: judged
                .accepted
                .iter()
                .map(|(id, exponent)| (ParticipantId(*id), *exponent))
                .collect(),
            rejected: judged
                .rejected
                .iter()
                .map(|(id, why)| (ParticipantId(*id), reason(why)))
                .collect(),
            erased: judged.erased.clone(),
        };
        self.judgements.insert(key, entry.clone());
        entry
    }

    pub(super) fn judgement(&mut self, node: usize, step: &v1::Judging) -> Option<Message> {
        self.seat_number(node)?;
        let participant = self.id_of(node)?;
        if self.ledger.phase() != Phase::Closed || self.nodes[node].voided.contains(&step.round) {
            return None;
        }
        let mut entry = self.verdict(step);
        if self.nodes[node].misjudges
            && let Entry::ContributionsJudged {
                accepted, rejected, ..
            } = &mut entry
            && let Some((id, _)) = accepted.pop()
        {
            rejected.push((id, RejectionReason::Undecodable));
            rejected.sort_unstable_by_key(|(id, _)| *id);
        }
        Some(self.signed_judgement(node, participant, step.round, entry))
    }

    pub(super) fn signed_judgement(
        &self,
        node: usize,
        participant: ParticipantId,
        round: u64,
        entry: Entry,
    ) -> Message {
        let signature = entry.sign(&self.id, &self.nodes[node].identity);
        Rc::new(move || Event::JudgementSigned {
            round,
            participant,
            entry: entry.to_bytes(),
            signature: signature.clone(),
        })
    }

    fn signed(&self, node: usize, entry: Entry) -> SignedEntry {
        SignedEntry::signed_by(entry, &self.id, &[&self.nodes[node].identity])
    }

    pub(super) fn directions(&self, node: usize, round: u64) -> Option<Message> {
        let participant = self.id_of(node)?;
        let open = self.ledger.round()?;
        let drawn = self.ledger.drawn_raters().contains(&participant);
        if !self.nodes[node].rates || !drawn || open.directions.contains_key(&participant) {
            return None;
        }
        let entry = Entry::DirectionsCommitted {
            round,
            participant,
            round_key: vec![node as u8 + 1; 32],
            directions: vec![[node as u8 + 1; 32]],
        };
        let signed = self.signed(node, entry);
        Some(Rc::new(move || {
            Event::DirectionsStored(Box::new(signed.clone()))
        }))
    }

    pub(super) fn rating(&self, node: usize, step: &v1::Rating) -> Option<Message> {
        let round = step.round;
        if !step.entry.is_empty() {
            self.seat_number(node)?;
            let entry = Entry::from_bytes(&step.entry).expect("an entry");
            let signature = entry.sign(&self.id, &self.nodes[node].identity);
            let entry = step.entry.clone();
            return Some(Rc::new(move || Event::RatingStepSigned {
                round,
                entry: entry.clone(),
                signature: signature.clone(),
            }));
        }
        let signed = self.signed(node, self.row(node, round, step.revealing)?);
        Some(Rc::new(move || Event::Rated(Box::new(signed.clone()))))
    }

    /// The same praise for everybody else, committed to or revealed, unless that was done.
    fn row(&self, node: usize, round: u64, revealing: bool) -> Option<Entry> {
        let participant = self.id_of(node)?;
        let judged = self.ledger.round()?;
        let wanted = if revealing {
            RatingStep::Reveal
        } else {
            RatingStep::Commit
        };
        if self.ledger.phase() != Phase::Rating(wanted)
            || !judged.directions.contains_key(&participant)
        {
            return None;
        }
        let accepted = self.ledger.norms()?;
        let ratings = Ratings {
            scores: accepted
                .iter()
                .map(|(id, _)| i16::from(*id != participant))
                .collect(),
            rewards: accepted
                .iter()
                .map(|(id, _)| u16::from(*id != participant))
                .collect(),
        };
        let record = judged.ratings.get(&participant);
        if revealing {
            record.filter(|record| record.revealed.is_none())?;
            return Some(Entry::RatingsRevealed {
                round,
                participant,
                scores: ratings.scores,
                rewards: ratings.rewards,
                salt: SALT,
            });
        }
        record.is_none().then(|| Entry::RatingsCommitted {
            round,
            participant,
            commitment: commit_rating(&self.id, round, participant, &ratings, &SALT),
        })
    }
}
