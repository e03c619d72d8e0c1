//! A round closes: its contributions are final, the challenge is drawn, the round is weighed.

use super::books::Books;
use super::{Trust, signers};
use crate::close::{CloseStatement, Cosignature, challenge_seed};
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::hash::Hash;
use crate::member::ParticipantId;
use crate::rejected::Rejected;
use crate::round::{Closing, CurrentRound};
use crate::seat::commit_nonce;
use std::sync::Arc;

/// The weight of every contribution while rounds are weighed equally: the smallest positive weight.
pub(crate) const EQUAL_WEIGHT: u16 = 16;

pub(super) fn check(
    books: &Books,
    round: u64,
    contributions: &Hash,
    cosignatures: &[Cosignature],
    signed: &SignedEntry,
    trust: Trust,
) -> Result<Closing, Rejected> {
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
    Ok(Closing {
        contributions: *contributions,
        challenge: challenge_seed(
            contributions,
            cosignatures.iter().map(|cosignature| cosignature.nonce),
        ),
        cosigners: cosignatures
            .iter()
            .map(|cosignature| cosignature.seat)
            .collect(),
        weights: weigh(current),
    })
}

fn check_cosignatures(
    books: &Books,
    current: &CurrentRound,
    contributions: &Hash,
    cosignatures: &[Cosignature],
    trust: Trust,
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
    for cosignature in cosignatures {
        let Cosignature {
            seat,
            nonce,
            signature,
        } = cosignature;
        // Ascending from 1, so no seat counts twice.
        let member = match current.seat(*seat) {
            Some(member) if *seat > last => member,
            _ => return Err(Rejected::CosignatureSeat { seat: *seat }),
        };
        last = *seat;
        if commit_nonce(&federation, round, member.participant, nonce) != member.nonce_commitment {
            return Err(Rejected::NonceMismatch { seat: *seat });
        }
        let statement = CloseStatement {
            federation,
            round,
            contributions: *contributions,
            nonce: *nonce,
        };
        if trust.verifies_inside() && !statement.verify(&member.key, signature) {
            return Err(Rejected::BadCosignature { seat: *seat });
        }
    }
    Ok(())
}

/// Everyone alike. Signed weight rows will take this function's place.
fn weigh(current: &CurrentRound) -> Vec<(ParticipantId, u16)> {
    current
        .contributions
        .keys()
        .map(|participant| (*participant, EQUAL_WEIGHT))
        .collect()
}

pub(super) fn carry_out(books: &mut Books, closing: Closing) -> Vec<Event> {
    // From here the challenge decides the next draw, also if this round is void later.
    books.seed = closing.challenge;
    let Some(current) = &mut books.current else {
        return Vec::new();
    };
    let round = current.opening.round;
    let events = vec![
        Event::RoundClosed {
            round,
            challenge: closing.challenge,
        },
        Event::RoundWeighed {
            round,
            weights: closing.weights.clone(),
        },
    ];
    current.closing = Some(Arc::new(closing));
    events
}
