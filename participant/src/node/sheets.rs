//! Every seat's sheet of answers: held against its member's signature, opened, and the own one made again.

use std::sync::Arc;

use rayon::prelude::*;
use unsilo_fhe::{AnswerSheet, Projections, ReceivedSheet};
use unsilo_ledger::{AnswerStatement, Hash, PublicKey};
use unsilo_proto::{SealedHashes, sealed_hash, v1::SeatAnswers};

use super::{
    Shared, answers,
    judging::{Fetched, Trouble},
    shares::Seat,
};
use crate::session::JudgingJob;

/// The root that each judged seat's member signed, with everything that was handed out of it held against the signature.
pub(super) fn signed_roots(
    shared: &Shared,
    job: &JudgingJob,
    fetched: &Fetched,
) -> Result<Vec<(u16, Hash)>, Trouble> {
    job.seats
        .iter()
        .map(|(seat, key)| {
            let answers = fetched.seats.get(seat).ok_or_else(|| {
                Trouble::unable(format!(
                    "the coordinator did not hand out the answers of seat {seat}"
                ))
            })?;
            signed_root(shared, job, *seat, key, answers)
                .map(|root| (*seat, root))
                .ok_or(Trouble::Substituted(*seat))
        })
        .collect()
}

fn signed_root(
    shared: &Shared,
    job: &JudgingJob,
    seat: u16,
    key: &PublicKey,
    answers: &SeatAnswers,
) -> Option<Hash> {
    let sheet_root = Hash::try_from(answers.sheet_root.as_slice()).ok()?;
    let hashes = SealedHashes::from_message(answers.hashes.as_ref()?).ok()?;
    let statement = AnswerStatement {
        federation: shared.federation,
        round: job.at.round,
        seat,
        sheet_root,
        sealed: hashes.digest(),
    };
    let signature = answers.signature.as_slice().try_into().ok()?;
    let whole = statement.verify(key, &signature) && hashes.sheet == sealed_hash(&answers.sheet);
    // A benchmark's sheet has no keys.
    let mine = match place(job.at.seat, seat) {
        Some(at) if shared.payload.is_encrypted() => {
            hashes.keys.get(at) == Some(&sealed_hash(&answers.sheet_key))
        }
        _ => true,
    };
    (whole && mine).then_some(sheet_root)
}

/// Where the key for `recipient` stands among those of `seat`'s sheet; its own it does not seal.
fn place(recipient: u16, seat: u16) -> Option<usize> {
    match recipient.cmp(&seat) {
        std::cmp::Ordering::Less => Some(usize::from(recipient) - 1),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(usize::from(recipient) - 2),
    }
}

pub(super) type Sheets = (Vec<Arc<AnswerSheet>>, Vec<u16>);

/// All sheets, and the seats whose sheet cannot be read, or not by everybody: those answered nothing that counts. All
/// members find the same, since each makes again what was sealed to the others.
pub(super) fn open_sheets(
    shared: &Shared,
    job: &JudgingJob,
    fetched: &Fetched,
    projections: &Projections,
) -> Result<Sheets, Trouble> {
    let seat = Seat::open(shared, &job.at)?;
    let participants: Vec<u32> = job.set.iter().map(|(id, ..)| id.0).collect();
    let opened: Vec<(u16, Option<Arc<AnswerSheet>>)> = job
        .seats
        .par_iter()
        .filter(|(of, _)| *of != job.at.seat)
        .filter_map(|(of, _)| Some((*of, fetched.seats.get(of)?)))
        .map(|(of, answers)| {
            let root = answers.sheet_root.as_slice().try_into().unwrap_or([0; 32]);
            let received = ReceivedSheet {
                seat: of,
                root: &root,
                sheet: &answers.sheet,
                key: &answers.sheet_key,
            };
            // Held against the signature in `signed_roots`.
            let signed = answers.hashes.as_ref().map(SealedHashes::from_message);
            let is_signed = |to: u16, key: &[u8]| match (&signed, place(to, of)) {
                (Some(Ok(hashes)), Some(at)) => hashes.keys.get(at) == Some(&sealed_hash(key)),
                _ => false,
            };
            let sheet = received.open(
                projections,
                &seat.committee,
                job.at.seat,
                &seat.keys,
                &participants,
                is_signed,
            );
            if let Err(error) = &sheet {
                tracing::warn!(seat = of, %error, "a member's answers cannot be read");
            }
            (of, sheet.ok().map(Arc::new))
        })
        .collect();
    let mut sheets = Vec::with_capacity(job.seats.len());
    let mut unread = Vec::new();
    for (of, sheet) in opened {
        match sheet {
            Some(sheet) => sheets.push(sheet),
            None => unread.push(of),
        }
    }
    if let Some(answers) = fetched.seats.get(&job.at.seat) {
        let own = own_sheet(shared, job, fetched, projections, &seat)?;
        if answers.sheet_root != own.root() {
            return Err(Trouble::Substituted(job.at.seat));
        }
        sheets.push(own);
    }
    Ok((sheets, unread))
}

/// The sheet that this node sent, made again if need be: from the same entropy it has the same bytes.
fn own_sheet(
    shared: &Shared,
    job: &JudgingJob,
    fetched: &Fetched,
    projections: &Projections,
    seat: &Seat,
) -> Result<Arc<AnswerSheet>, Trouble> {
    if let Some(sheet) = shared.judging.own_sheet(projections) {
        return Ok(sheet);
    }
    let sent = job.sent.ok_or_else(|| {
        Trouble::unable("the judged answers include some of this node's that it does not know of")
    })?;
    let kept = shared
        .outbox
        .answers(job.at.round, &sent)
        .map_err(Trouble::unable)?;
    let set: Vec<_> = job.set.iter().map(|(id, root, _)| (*id, *root)).collect();
    let opened = seat.open_shares(shared, &set, &fetched.served)?;
    let (sheet, _) = answers::seal_sheet(seat, job.at.seat, &opened, projections, kept.entropy)?;
    if *sheet.root() != kept.sheet_root {
        return Err(Trouble::unable(
            "this node's own answers do not come out as it sent them",
        ));
    }
    Ok(shared.judging.keep_own_sheet(sheet))
}
