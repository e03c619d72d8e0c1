//! A round closes: its contributions and the raters' directions are final, the challenge is drawn.

use super::books::Books;
use super::{Trust, measuring, signers};
use crate::close::{CloseStatement, Cosignature, challenge_seed};
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::fixed::Fixed;
use crate::guard_head::GuardHead;
use crate::hash::Hash;
use crate::member::ParticipantId;
use crate::rejected::Rejected;
use crate::round::{Closing, CurrentRound};
use crate::seat::commit_nonce;

/// A close, and what its cosigners remember.
pub(super) struct Closed {
    closing: Closing,
    guards: Vec<(ParticipantId, GuardHead)>,
}

pub(super) fn check(
    books: &Books,
    round: u64,
    contributions: &Hash,
    cosignatures: &[Cosignature],
    signed: &SignedEntry,
    trust: Trust<'_>,
) -> Result<Closed, Rejected> {
    let current = books.current(round)?;
    if current.closing.is_some() {
        return Err(Rejected::RoundClosed { round });
    }
    signers::coordinator(books, signed)?;
    let (owners, need) = (current.owners.len(), books.required_cohort());
    if owners < need {
        return Err(Rejected::CohortTooSmall { owners, need });
    }
    if *contributions != books.contributions_hash(current) {
        return Err(Rejected::WrongContributions);
    }
    check_cosignatures(books, current, contributions, cosignatures, trust)?;
    let guards = cosignatures
        .iter()
        .filter_map(|cosignature| {
            let member = current.seat(cosignature.seat)?;
            Some((member.participant, cosignature.guard))
        })
        .collect();
    let closing = Closing {
        contributions: *contributions,
        challenge: challenge_seed(
            contributions,
            cosignatures.iter().map(|cosignature| cosignature.nonce),
        ),
        cosigners: cosignatures
            .iter()
            .map(|cosignature| cosignature.seat)
            .collect(),
        cohort: u32::try_from(need).map_err(|_| Rejected::Overflow)?,
    };
    Ok(Closed { closing, guards })
}

fn check_cosignatures(
    books: &Books,
    current: &CurrentRound,
    contributions: &Hash,
    cosignatures: &[Cosignature],
    trust: Trust<'_>,
) -> Result<(), Rejected> {
    let need = usize::from(current.opening.threshold);
    if cosignatures.len() < need {
        return Err(Rejected::TooFewSigners {
            have: cosignatures.len(),
            need,
        });
    }
    let (federation, round) = (books.federation, current.opening.round);
    let mut last = 0;
    for (position, cosignature) in cosignatures.iter().enumerate() {
        let Cosignature {
            seat,
            nonce,
            guard,
            signature,
        } = cosignature;
        // Ascending from 1, so no seat counts twice.
        let member = match current.seat(*seat) {
            Some(member) if *seat > last && signers::speaks(books, member) => member,
            _ => return Err(Rejected::CosignatureSeat { seat: *seat }),
        };
        last = *seat;
        if commit_nonce(&federation, round, member.participant, nonce) != member.nonce_commitment {
            return Err(Rejected::NonceMismatch { seat: *seat });
        }
        books.check_guard(member.participant, guard)?;
        let statement = CloseStatement {
            federation,
            round,
            contributions: *contributions,
            nonce: *nonce,
            guard: *guard,
        };
        if !trust.covers(position, &member.key) && !statement.verify(&member.key, signature) {
            return Err(Rejected::BadCosignature { seat: *seat });
        }
    }
    Ok(())
}

impl Closed {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        // From here the challenge decides the next draw, also if this round is void later.
        books.draw_by_challenge(self.closing.challenge);
        books.keep_guards(self.guards);
        let is_measuring = books.is_measuring();
        let Some(current) = &mut books.current else {
            return Vec::new();
        };
        let closed = Event::RoundClosed {
            round: current.opening.round,
            challenge: self.closing.challenge,
        };
        current.closing = Some(Fixed::new(self.closing));
        if is_measuring {
            measuring::weigh_alike(current);
        }
        vec![closed]
    }
}
