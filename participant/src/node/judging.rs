//! Every seat's answers, fetched, held against their signatures, opened, and judged.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tonic::transport::Channel;
use unsilo_fhe::{
    AnswerSheet, Evidence, KeySum, ProjectionTable, Projections, RejectionReason as Reason,
    Verdict, check::ShownAnswers, judge,
};
use unsilo_ledger::{Hash, Judgement, ParticipantId, RejectionReason};
use unsilo_proto::{
    limits,
    v1::{AnswersRequest, SeatAnswers, answers_part::Part, committee_client::CommitteeClient},
};

use super::{
    Shared, answers,
    proof::Fault,
    requests::{Failure, blocking, within},
    rows,
    shares::{self, Served, ShareFailure},
    sheets::{open_sheets, signed_roots},
};
use crate::{
    copies,
    session::{Event, JudgingJob, Task},
};

/// What a member keeps of the round it judges: in memory only, since it is a sketch of every update. After a restart it is
/// made again.
#[derive(Default)]
pub(super) struct Judging(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    own_sheet: Option<Arc<AnswerSheet>>,
    verdict: Option<(u64, Arc<Verdict>)>,
    /// The sheets that the verdict was made from.
    sheets: Vec<Arc<AnswerSheet>>,
}

impl Judging {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep_own_sheet(&self, sheet: AnswerSheet) -> Arc<AnswerSheet> {
        let sheet = Arc::new(sheet);
        self.kept().own_sheet = Some(sheet.clone());
        sheet
    }

    pub(super) fn own_sheet(&self, projections: &Projections) -> Option<Arc<AnswerSheet>> {
        let sheet = self.kept().own_sheet.clone();
        sheet.filter(|sheet| sheet.projections() == projections)
    }

    fn verdict(&self, round: u64) -> Option<Arc<Verdict>> {
        let kept = self.kept();
        let (of, verdict) = kept.verdict.as_ref()?;
        (*of == round).then(|| verdict.clone())
    }

    /// Wipes what is kept of a round that is over.
    pub(super) fn forget(&self, round: u64) {
        let mut kept = self.kept();
        let of = |projections: &Projections| projections.context().round;
        if kept
            .own_sheet
            .as_ref()
            .is_some_and(|sheet| of(sheet.projections()) <= round)
        {
            kept.own_sheet = None;
        }
        if kept.verdict.as_ref().is_some_and(|(of, _)| *of <= round) {
            kept.verdict = None;
            kept.sheets.clear();
        }
    }

    /// The root of a seat's sheet, and what it answers on one contribution.
    pub(super) fn show(&self, seat: u16, participant: u32) -> Option<(Hash, ShownAnswers)> {
        let kept = self.kept();
        let sheet = kept.sheets.iter().find(|sheet| sheet.seat() == seat)?;
        Some((*sheet.root(), sheet.show(participant)?))
    }
}

/// What the coordinator handed out.
pub(super) struct Fetched {
    table: Vec<u8>,
    pub(super) seats: BTreeMap<u16, SeatAnswers>,
    /// The own shares, if the own sheet has to be made again.
    pub(super) served: Served,
}

/// Fetches what the judgement is made from.
pub(super) async fn fetch(
    channel: Channel,
    shared: &Shared,
    job: &JudgingJob,
    wait: Duration,
) -> Result<Fetched, Failure> {
    let round = job.at.round;
    let mut client = CommitteeClient::new(channel.clone())
        .max_decoding_message_size(limits::COMMITTEE_MESSAGE_BYTES);
    let mut stream = within(wait, client.answers(AnswersRequest { round }))
        .await?
        .into_inner();
    let mut fetched = Fetched {
        table: Vec::new(),
        seats: BTreeMap::new(),
        served: Served::new(),
    };
    while let Some(part) = within(wait, stream.message()).await? {
        match part.part {
            Some(Part::Projections(bytes))
                if fetched.table.len() + bytes.len() <= limits::PROJECTION_TABLE_BYTES =>
            {
                fetched.table.extend_from_slice(&bytes);
            }
            Some(Part::Seat(answers)) => {
                let seat = u16::try_from(answers.seat).unwrap_or(0);
                if job.seats.iter().any(|(wanted, _)| *wanted == seat) {
                    fetched.seats.insert(seat, answers);
                }
            }
            _ => {}
        }
    }
    let own = job.seats.iter().any(|(seat, _)| *seat == job.at.seat);
    let projections = answers::projections(shared, &job.at, job.challenge);
    if own && shared.payload.is_encrypted() && shared.judging.own_sheet(&projections).is_none() {
        let wanted = job.set.iter().map(|(id, ..)| id.0).collect();
        fetched.served = shares::fetch(channel, round, wanted, wait).await?;
    }
    Ok(fetched)
}

/// Fetches every seat's answers and judges every contribution.
pub(super) async fn judge_round(
    channel: Channel,
    shared: Arc<Shared>,
    job: JudgingJob,
    wait: Duration,
) -> Result<Event, Failure> {
    let fetched = fetch(channel.clone(), &shared, &job, wait).await?;
    let round = job.at.round;
    let (of, at) = (shared.clone(), job.clone());
    let made = blocking(move || {
        let (judgement, evidence) = make(&of, &at, &fetched)?;
        if !of.payload.is_encrypted() {
            return Ok((judgement, evidence, None));
        }
        let table = ProjectionTable::from_bytes(&fetched.table).map_err(Trouble::unable)?;
        let doubted = rows::doubted(&of, &at, &table, &judgement);
        Ok((judgement, evidence, Some((table, doubted))))
    })
    .await?;
    let (judgement, evidence, doubted) = match made {
        Ok(made) => made,
        Err(trouble) => return Trouble::into_event(trouble, round, Task::Judge(round)),
    };
    if let Some(doubted) = doubted
        && let Some(participant) = rows::first_false(channel, &shared, &job, doubted, wait).await?
    {
        return Ok(Event::RowFalse { round, participant });
    }
    Ok(Event::Judged {
        round,
        judgement,
        evidence,
    })
}

/// Why there is no judgement.
pub(super) enum Trouble {
    /// What is handed out as a seat's answers is not what its member signed.
    Substituted(u16),
    /// About the own shares, or this machine.
    Shares(ShareFailure),
}

impl From<ShareFailure> for Trouble {
    fn from(failure: ShareFailure) -> Self {
        Self::Shares(failure)
    }
}

impl Trouble {
    pub(super) fn unable(reason: impl ToString) -> Self {
        Self::Shares(ShareFailure::Unable(reason.to_string()))
    }

    pub(super) fn into_event(self, round: u64, task: Task) -> Result<Event, Failure> {
        match self {
            Self::Substituted(seat) => Ok(Event::AnswerSubstituted { task, round, seat }),
            Self::Shares(failure) => failure.into_event(round, task),
        }
    }
}

/// The judgement with the evidence for its rejections; the verdict is kept for the opened sum.
fn make(
    shared: &Shared,
    job: &JudgingJob,
    fetched: &Fetched,
) -> Result<(Judgement, Vec<Vec<u8>>), Trouble> {
    let roots = signed_roots(shared, job, fetched)?;
    if !shared.payload.is_encrypted() {
        return Ok((plain(job, roots), Vec::new()));
    }
    let projections = answers::projections(shared, &job.at, job.challenge);
    let table = ProjectionTable::from_bytes(&fetched.table).map_err(Trouble::unable)?;
    if !table.participants().eq(job.set.iter().map(|(id, ..)| id.0)) {
        return Err(Trouble::unable(
            "the coordinator's projections are not of the closed contributions",
        ));
    }
    let (opened, unread) = open_sheets(shared, job, fetched, &projections)?;
    let sheets: Vec<&AnswerSheet> = opened.iter().map(|sheet| &**sheet).collect();
    let threshold = job.at.threshold;
    let verdict = judge(&projections, threshold, &table, &sheets).map_err(Trouble::unable)?;
    let judgement = state(job, roots, &table, &verdict, unread);
    // Otherwise a liar may have made an honest update look bad, and evidence would be its sketch for everybody.
    let evidence = match judgement.holds_to_account(threshold) {
        true => evidence(&verdict, &sheets),
        false => Vec::new(),
    };
    let mut kept = shared.judging.kept();
    kept.verdict = Some((job.at.round, Arc::new(verdict)));
    kept.sheets = opened;
    Ok((judgement, evidence))
}

/// Evidence for whatever the dealer alone can have caused, as much as the coordinator takes from one member.
fn evidence(verdict: &Verdict, sheets: &[&AnswerSheet]) -> Vec<Vec<u8>> {
    let mut room = limits::JUDGEMENT_EVIDENCE_BYTES;
    let rejected = verdict.judgement().rejected.iter();
    rejected
        .filter_map(|(id, _)| Some(Evidence::new(verdict, *id, sheets).ok()?.to_bytes()))
        .take_while(|bytes| {
            let fits = bytes.len() <= room;
            room = room.saturating_sub(bytes.len());
            fits
        })
        .collect()
}

/// Makes the verdict again, from answers that were fetched after a restart.
pub(super) fn again(shared: &Shared, job: &JudgingJob, fetched: &Fetched) -> Result<(), Trouble> {
    make(shared, job, fetched).map(|_| ())
}

/// The judgement in the ledger's terms.
fn state(
    job: &JudgingJob,
    answers: Vec<(u16, Hash)>,
    table: &ProjectionTable,
    verdict: &Verdict,
    unread: Vec<u16>,
) -> Judgement {
    let found = verdict.judgement();
    let positions = job.set.iter().map(|(id, _, position)| (id.0, *position));
    let accepted = |id: &u32| found.accepted.iter().any(|(of, _)| of == id);
    let copies = copies::collapse(&verdict.copies(), positions.filter(|(id, _)| accepted(id)));
    let accepted = found
        .accepted
        .iter()
        .filter(|(id, _)| !copies.contains_key(id))
        .map(|(id, exponent)| (ParticipantId(*id), *exponent))
        .collect();
    let mut rejected: Vec<(ParticipantId, RejectionReason)> = found
        .rejected
        .iter()
        .map(|(id, reason)| (ParticipantId(*id), reason_of(found, *id, *reason)))
        .collect();
    rejected.extend(copies.iter().map(|(id, of)| {
        let of = ParticipantId(*of);
        (ParticipantId(*id), RejectionReason::Copy { of })
    }));
    rejected.sort_unstable_by_key(|(id, _)| *id);
    let mut erased = unread;
    erased.extend(&found.erased);
    erased.sort_unstable();
    Judgement {
        answers,
        projections: table.hash(),
        accepted,
        rejected,
        erased,
    }
}

/// The reason in the ledger's terms; a bad pair with the lowest seat that counts.
fn reason_of(found: &unsilo_fhe::Judgement, id: u32, reason: Reason) -> RejectionReason {
    let pairs = found.bad_pairs.iter().filter(|(of, _)| *of == id);
    let seat = pairs
        .map(|(_, seat)| *seat)
        .find(|seat| !found.erased.contains(seat));
    match reason {
        Reason::BadPair => match seat {
            Some(seat) => RejectionReason::BadPair { seat },
            None => RejectionReason::Undecodable,
        },
        Reason::Undecodable => RejectionReason::Undecodable,
        Reason::OutOfRange => RejectionReason::OutOfRange,
        Reason::TooLong => RejectionReason::TooLong,
    }
}

/// A benchmark's judgement: nothing is encrypted, so nothing can be out of order.
fn plain(job: &JudgingJob, answers: Vec<(u16, Hash)>) -> Judgement {
    Judgement {
        answers,
        projections: [0; 32],
        accepted: job.set.iter().map(|(id, ..)| (*id, 0)).collect(),
        rejected: Vec::new(),
        erased: Vec::new(),
    }
}

/// Members' check of the opened key: that it is the key of what they judged. Makes the verdict again after a restart.
pub(super) fn verify_key_sum(
    shared: &Shared,
    job: &JudgingJob,
    fetched: Option<&Fetched>,
    key_sum: &KeySum,
    weights: &[(u32, u16)],
) -> Result<(), Fault> {
    if let (None, Some(fetched)) = (shared.judging.verdict(job.at.round), fetched) {
        make(shared, job, fetched).map_err(Fault::from)?;
    }
    let verdict = shared
        .judging
        .verdict(job.at.round)
        .ok_or_else(|| Fault::Unable("this member has not judged the round".to_owned()))?;
    verdict
        .verify_key_sum(key_sum, weights)
        .map_err(|error| Fault::Differs(error.to_string()))
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Unable(match trouble {
            Trouble::Substituted(seat) => format!(
                "the coordinator hands out answers of seat {seat} that its member did not sign"
            ),
            Trouble::Shares(ShareFailure::Substituted(id)) => format!(
                "the coordinator hands out a share of participant {id} that is not the committed one"
            ),
            Trouble::Shares(ShareFailure::Unable(reason)) => reason,
            Trouble::Shares(ShareFailure::Broken(error)) => error.to_string(),
        })
    }
}

/// Whether the verdict of this round is not in memory.
pub(super) fn needs_answers(shared: &Shared, round: u64) -> bool {
    shared.judging.verdict(round).is_none()
}
