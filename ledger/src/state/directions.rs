//! A rater commits to the directions it will ask about, before anything about the contributions is known.

use super::books::Books;
use super::signers;
use crate::close::DirectionCommitment;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::fixed::Fixed;
use crate::hash::Hash;
use crate::member::ParticipantId;
use crate::raters::DIRECTIONS_PER_RATER;
use crate::rejected::{RatingRejected, Rejected};
use crate::seat::MAX_ROUND_KEY_BYTES;

/// Accepted directions.
pub(super) struct Directed {
    round: u64,
    participant: ParticipantId,
    commitment: Fixed<DirectionCommitment>,
}

pub(super) fn check(
    books: &Books,
    round: u64,
    participant: ParticipantId,
    round_key: &[u8],
    directions: &[Hash],
    signed: &SignedEntry,
) -> Result<Directed, Rejected> {
    let current = books.current(round)?;
    if current.closing.is_some() {
        return Err(Rejected::RoundClosed { round });
    }
    let rater = signers::participant(books, participant, signed)?;
    if current.opening.raters.binary_search(&rater.owner).is_err() {
        return Err(RatingRejected::NotDrawn { owner: rater.owner }.into());
    }
    if current.directions.contains_key(&participant) {
        return Err(RatingRejected::DirectionsAlready { participant }.into());
    }
    let of_owner = |by: &&ParticipantId| {
        let other = books.members.participant(**by);
        other.is_some_and(|other| other.owner == rater.owner)
    };
    if let Some(by) = current.directions.keys().find(of_owner) {
        return Err(RatingRejected::OwnerRates { by: *by }.into());
    }
    let bytes = round_key.len();
    if bytes == 0 || bytes > MAX_ROUND_KEY_BYTES {
        return Err(RatingRejected::RoundKey { bytes }.into());
    }
    let count = directions.len();
    let distinct = directions.first() != directions.get(1);
    // With at most two places for each of the raters that fit, the round's directions fit too.
    if count == 0 || count > DIRECTIONS_PER_RATER || !distinct {
        return Err(RatingRejected::Directions { count }.into());
    }
    Ok(Directed {
        round,
        participant,
        commitment: Fixed::new(DirectionCommitment {
            round_key: round_key.to_vec(),
            directions: directions.to_vec(),
        }),
    })
}

impl Directed {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        if let Some(current) = &mut books.current {
            current.directions.insert(self.participant, self.commitment);
        }
        vec![Event::DirectionsCommitted {
            round: self.round,
            participant: self.participant,
        }]
    }
}
