//! Members' scalar answers: taken, stored, handed out to the others and to raters.

use unsilo_fhe::check::sealed_sheet_bytes;
use unsilo_ledger::{
    AnswerStatement, CurrentRound, Entry, Participant, Phase, Statement, Testimony, Violation,
};
use unsilo_proto::{
    Code, Rejected, SealedHashes, limits,
    v1::{
        AnswerRequest, AnswersPart, SeatAnswers, SeatDirectionAnswer, SignJudgementRequest,
        answers_part,
    },
};

use super::{
    Parts, Services, at_most, blocking, each, hash_field, seat_field, signature_field, unreadable,
    unstorable,
};
use crate::{
    contributions::Contributions,
    round::Event,
    scalars::{Scalars, SeatAnswer, Written},
};

impl Services {
    /// Stores a member's answers and tells the round.
    pub(super) async fn take_answer(
        &self,
        member: &Participant,
        request: AnswerRequest,
    ) -> Result<(), tonic::Status> {
        let round = request.round;
        let answer = self.parse_answer(member, request)?;
        let (seat, sheet_root) = (answer.seat, answer.sheet_root);
        let scalars = self.scalars.clone();
        let stored = answer.clone();
        let written = blocking(move || {
            scalars
                .keep_answer(round, &stored)
                .map_err(|error| unstorable("your answer", &error))
        })
        .await?;
        if written == Written::Differs {
            self.report_second_answer(member, round, answer).await?;
            return Err(Rejected::new(
                Code::AnswerDiffers,
                "this seat already gave other answers; one a round is allowed, and both are signed",
            )
            .into());
        }
        self.owner
            .event(Event::Answered {
                round,
                participant: member.id,
                seat,
                sheet_root,
            })
            .await?;
        Ok(())
    }

    /// Two answers under one member's signature are evidence by themselves.
    async fn report_second_answer(
        &self,
        member: &Participant,
        round: u64,
        second: SeatAnswer,
    ) -> Result<(), tonic::Status> {
        let (scalars, seat) = (self.scalars.clone(), second.seat);
        let first = blocking(move || {
            scalars
                .answer(round, seat)
                .map_err(|error| unreadable("a member's answer", &error))
        })
        .await?;
        let testimony = |answer: &SeatAnswer| {
            Box::new(Testimony {
                statement: Statement::Answer(AnswerStatement {
                    federation: self.federation,
                    round,
                    seat,
                    sheet_root: answer.sheet_root,
                    sealed: answer.hashes().digest(),
                }),
                signature: answer.signature,
            })
        };
        let entry = Entry::ViolationReported {
            violation: Violation::Contradiction {
                participant: member.id,
                first: testimony(&first),
                second: testimony(&second),
            },
        };
        tracing::warn!(
            round,
            seat,
            member = member.name,
            "a second, different answer"
        );
        self.owner
            .event(Event::Contradicted(Box::new(entry)))
            .await?;
        Ok(())
    }

    fn parse_answer(
        &self,
        member: &Participant,
        request: AnswerRequest,
    ) -> Result<SeatAnswer, Rejected> {
        let malformed = |message: String| Rejected::new(Code::Malformed, message);
        let snapshot = self.owner.now();
        let closed = snapshot
            .state
            .round()
            .filter(|closed| closed.opening.round == request.round && closed.closing.is_some())
            .ok_or_else(|| {
                Rejected::new(
                    Code::WrongStep,
                    format!(
                        "round {} takes no answers now: follow the step stream",
                        request.round
                    ),
                )
            })?;
        let seat = seat_field(request.seat)?;
        if closed.seat_of(member.id) != Some(seat) {
            return Err(Rejected::new(
                Code::NoSeat,
                "this seat of the committee is not yours",
            ));
        }
        at_most("sheet", &request.sheet, limits::SHEET_BYTES)?;
        let (sheet, keys) = if self.payload.is_opened_by_members() {
            let sheet = sealed_sheet_bytes(closed.contributions.len());
            (sheet, closed.opening.seats.len().saturating_sub(1))
        } else {
            (0, 0)
        };
        if request.sheet.len() != sheet {
            return Err(malformed(format!(
                "sheet has {} bytes, {sheet} are expected for {} contributions",
                request.sheet.len(),
                closed.contributions.len()
            )));
        }
        if request.sheet_keys.len() != keys {
            return Err(malformed(format!(
                "sheet_keys has {} keys, {keys} are expected: one for each other seat",
                request.sheet_keys.len()
            )));
        }
        for key in &request.sheet_keys {
            at_most("a key in sheet_keys", key, limits::SHEET_KEY_BYTES)?;
        }
        for answer in &request.directions {
            at_most(
                "a sealed direction answer",
                &answer.sealed,
                limits::DIRECTION_ANSWER_BYTES,
            )?;
        }
        let asked = closed.directions.keys().map(|rater| rater.0);
        let answered = request.directions.iter().map(|answer| answer.rater);
        if self.payload.is_opened_by_members() && !answered.eq(asked) {
            return Err(malformed(
                "directions must hold one answer for each rater that committed any, ascending"
                    .into(),
            ));
        }
        let answer = SeatAnswer {
            seat,
            sheet_root: hash_field("sheet_root", &request.sheet_root)?,
            sheet: request.sheet,
            sheet_keys: request.sheet_keys,
            directions: request
                .directions
                .into_iter()
                .map(|answer| (answer.rater, answer.sealed))
                .collect(),
            signature: signature_field(member.key, &request.signature)?.signature,
        };
        let statement = AnswerStatement {
            federation: self.federation,
            round: request.round,
            seat,
            sheet_root: answer.sheet_root,
            sealed: answer.hashes().digest(),
        };
        if statement.verify(&member.key, &answer.signature) {
            Ok(answer)
        } else {
            Err(Rejected::new(
                Code::SignatureInvalid,
                "the answer's signature does not verify: is the node's identity the one that joined?",
            ))
        }
    }

    /// What a member judges with: the projections of the ciphertexts, and the answers of the seats that are judged.
    pub(super) async fn hand_out_answers(
        &self,
        member: &Participant,
        round: u64,
    ) -> Result<Parts<AnswersPart>, tonic::Status> {
        let snapshot = self.owner.now();
        let closed = under_way(&snapshot, round)?;
        let reader = closed.seat_of(member.id).ok_or_else(|| {
            Rejected::new(Code::NoSeat, "you hold no seat in this round's committee")
        })?;
        let seats = self.judged_seats(round).await?;
        let (contributions, scalars) = (self.contributions.clone(), self.scalars.clone());
        let parts: Vec<_> = std::iter::once(None)
            .chain(seats.into_iter().map(Some))
            .collect();
        Ok(each(parts, move |seat| {
            let part = match seat {
                None => answers_part::Part::Projections(projections(&contributions, round)?),
                Some(seat) => {
                    answers_part::Part::Seat(seat_answers(&scalars, round, seat, reader)?)
                }
            };
            Ok(AnswersPart { part: Some(part) })
        }))
    }

    /// The answers on the caller's directions, by the seats whose answers were judged.
    pub(super) async fn hand_out_direction_answers(
        &self,
        rater: &Participant,
        round: u64,
    ) -> Result<Parts<SeatDirectionAnswer>, tonic::Status> {
        let snapshot = self.owner.now();
        let judged = under_way(&snapshot, round)?;
        if !judged.directions.contains_key(&rater.id) {
            return Err(Rejected::new(
                Code::NotFound,
                format!("you committed no directions for round {round}"),
            )
            .into());
        }
        if judged.phase() == Phase::Closed {
            return Err(Rejected::new(
                Code::WrongStep,
                format!("the answers on directions are handed out once round {round} is judged"),
            )
            .into());
        }
        let seats = self.judged_seats(round).await?;
        let (scalars, rater) = (self.scalars.clone(), rater.id.0);
        Ok(each(seats, move |seat| {
            let answer = scalars
                .answer(round, seat)
                .map_err(|error| unreadable("a member's answer", &error))?;
            let hashes = answer.hashes();
            let sealed = answer
                .directions
                .into_iter()
                .find_map(|(of, sealed)| (of == rater).then_some(sealed))
                .ok_or_else(|| unreadable("a member's answer", &"it lacks a rater"))?;
            Ok(SeatDirectionAnswer {
                seat: seat.into(),
                sealed,
                sheet_root: answer.sheet_root.to_vec(),
                hashes: Some(hashes.to_message()),
                signature: answer.signature.to_vec(),
            })
        }))
    }

    /// The seats whose answers are judged, once that is decided.
    async fn judged_seats(&self, round: u64) -> Result<Vec<u16>, tonic::Status> {
        let scalars = self.scalars.clone();
        let notes = blocking(move || {
            scalars
                .notes(round)
                .map_err(|error| unreadable("the notes of the round", &error))
        })
        .await?;
        let seats = notes.judged.ok_or_else(|| {
            Rejected::new(
                Code::WrongStep,
                format!("the answers of round {round} are still coming in"),
            )
        })?;
        Ok(seats.into_iter().map(|(seat, _)| seat).collect())
    }

    /// Takes a member's signature under its judgement, and keeps the evidence that came with it.
    pub(super) async fn take_judgement(
        &self,
        member: &Participant,
        request: SignJudgementRequest,
    ) -> Result<(), tonic::Status> {
        let SignJudgementRequest {
            round,
            entry,
            signature,
            evidence,
        } = request;
        at_most("entry", &entry, limits::ENTRY_BYTES)?;
        let evidence_bytes = evidence.iter().map(Vec::len).sum::<usize>();
        if evidence_bytes > limits::JUDGEMENT_EVIDENCE_BYTES {
            return Err(Rejected::new(
                Code::TooLarge,
                format!(
                    "the evidence has {evidence_bytes} bytes, at most {} are taken: send the first that fit",
                    limits::JUDGEMENT_EVIDENCE_BYTES
                ),
            )
            .into());
        }
        let signature = signature_field(member.key, &signature)?;
        self.keep_evidence(member, round, &entry, evidence).await?;
        self.owner
            .event(Event::JudgementSigned {
                round,
                participant: member.id,
                entry,
                signature,
            })
            .await?;
        Ok(())
    }
}

/// The round under way, if it is this one and closed.
pub(super) fn under_way(
    snapshot: &crate::owner::Snapshot,
    round: u64,
) -> Result<&CurrentRound, Rejected> {
    snapshot
        .state
        .round()
        .filter(|current| current.opening.round == round && current.closing.is_some())
        .ok_or_else(|| {
            Rejected::new(
                Code::WrongStep,
                format!("round {round} is not between its close and its end"),
            )
        })
}

/// The table of the round's projected ciphertexts, canonical bytes.
pub(super) fn projections(store: &Contributions, round: u64) -> Result<Vec<u8>, Rejected> {
    match std::fs::read(store.projections_path(round)) {
        // A payload without anything to project has no file.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        table => table.map_err(|error| unreadable("the projections of the round", &error)),
    }
}

fn seat_answers(
    scalars: &Scalars,
    round: u64,
    seat: u16,
    reader: u16,
) -> Result<SeatAnswers, Rejected> {
    let answer = scalars
        .answer(round, seat)
        .map_err(|error| unreadable("a member's answer", &error))?;
    let hashes: SealedHashes = answer.hashes();
    Ok(SeatAnswers {
        seat: seat.into(),
        sheet_root: answer.sheet_root.to_vec(),
        sheet_key: answer.key_for(reader).unwrap_or_default().to_vec(),
        signature: answer.signature.to_vec(),
        hashes: Some(hashes.to_message()),
        sheet: answer.sheet,
    })
}
