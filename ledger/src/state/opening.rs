//! A round opens with a committee that `apply` drew.

use super::books::Books;
use super::{Trust, signers};
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::fixed::Fixed;
use crate::guard_head::GuardHead;
use crate::hash::Hash;
use crate::member::ParticipantId;
use crate::raters::raters;
use crate::rejected::Rejected;
use crate::round::{CurrentRound, Opening, SeatedMember};
use crate::seat::{MAX_ROUND_KEY_BYTES, Seat, SeatOffer};
use crate::waits::{LEAST_ANSWER_MS, MOST_ANSWER_MS};
use std::collections::{BTreeMap, BTreeSet};

/// The fields of [`crate::Entry::RoundOpened`].
pub(super) struct Proposal<'a> {
    pub(super) round: u64,
    pub(super) model: Hash,
    pub(super) unit_log2: i8,
    pub(super) seats: &'a [Seat],
    /// Contribute, close, open.
    pub(super) deadlines_ms: [u64; 3],
}

/// A round ready to accept contributions, and what its members remember.
pub(super) struct Opened {
    round: CurrentRound,
    guards: Vec<(ParticipantId, GuardHead)>,
}

pub(super) fn check(
    books: &Books,
    proposal: &Proposal<'_>,
    signed: &SignedEntry,
    trust: Trust<'_>,
) -> Result<Opened, Rejected> {
    if let Some(current) = &books.current {
        return Err(Rejected::RoundInProgress {
            round: current.opening.round,
        });
    }
    if proposal.round != books.next_round {
        return Err(Rejected::WrongRound {
            expected: books.next_round,
            found: proposal.round,
        });
    }
    if books.training_ended() {
        let rounds = books.draft.training.rounds;
        return Err(Rejected::TrainingEnded { rounds });
    }
    signers::coordinator(books, signed)?;
    if proposal.model != books.model {
        return Err(Rejected::WrongModel);
    }
    if proposal.unit_log2 != books.unit_log2 {
        return Err(Rejected::WrongUnit {
            expected: books.unit_log2,
            found: proposal.unit_log2,
        });
    }
    let [contribute_by_ms, close_by_ms, open_by_ms] = proposal.deadlines_ms;
    if contribute_by_ms >= close_by_ms || close_by_ms >= open_by_ms {
        return Err(Rejected::DeadlineOrder);
    }
    let steps = [
        close_by_ms.saturating_sub(contribute_by_ms),
        open_by_ms.saturating_sub(close_by_ms),
    ];
    if let Some(found_ms) = steps.into_iter().find(|step| *step < LEAST_ANSWER_MS) {
        return Err(Rejected::DeadlinesTooClose {
            need_ms: LEAST_ANSWER_MS,
            found_ms,
        });
    }
    if let Some(found_ms) = steps.into_iter().find(|step| *step > MOST_ANSWER_MS) {
        return Err(Rejected::DeadlinesTooFar {
            most_ms: MOST_ANSWER_MS,
            found_ms,
        });
    }
    let (seats, threshold) = check_seats(books, proposal, trust)?;
    let opening = Opening {
        round: proposal.round,
        model: proposal.model,
        unit_log2: proposal.unit_log2,
        seats,
        threshold,
        contribute_by_ms,
        close_by_ms,
        open_by_ms,
        // Of statistics nothing but the sum is opened: nobody rates them.
        raters: match books.is_measuring() {
            true => Vec::new(),
            false => raters(
                books.draft.model.parameters(),
                &books.seed,
                &books.powers_to_draw_by(),
            ),
        },
    };
    Ok(Opened {
        guards: proposal
            .seats
            .iter()
            .map(|seat| (seat.participant, seat.guard))
            .collect(),
        round: CurrentRound {
            opening: Fixed::new(opening),
            contributions: BTreeMap::new(),
            owners: BTreeMap::new(),
            contributions_digest: [0; 32],
            directions: BTreeMap::new(),
            closing: None,
            judgement: None,
            ratings: BTreeMap::new(),
            rating_step: None,
            weighing: None,
        },
    })
}

fn check_seats(
    books: &Books,
    proposal: &Proposal<'_>,
    trust: Trust<'_>,
) -> Result<(Vec<SeatedMember>, u16), Rejected> {
    let drawn = books.draw();
    let seats = proposal.seats.len();
    if seats < drawn.threshold || seats > drawn.size {
        return Err(Rejected::SeatCount {
            seats,
            threshold: drawn.threshold,
            size: drawn.size,
        });
    }
    let mut order = drawn.owners.iter();
    let mut keys = BTreeSet::new();
    let mut members = Vec::with_capacity(seats);
    for (position, seat) in proposal.seats.iter().enumerate() {
        let number = position.saturating_add(1);
        let participant =
            books
                .members
                .participant(seat.participant)
                .ok_or(Rejected::UnknownParticipant {
                    participant: seat.participant,
                })?;
        // Runs on past owners who did not answer. Since it never turns back, no owner sits twice.
        if !participant.is_present || !order.any(|owner| *owner == participant.owner) {
            return Err(Rejected::NotDrawn {
                seat: number,
                owner: participant.owner,
            });
        }
        let length = seat.round_key.len();
        if length == 0 || length > MAX_ROUND_KEY_BYTES || !keys.insert(&seat.round_key) {
            return Err(Rejected::RoundKey { seat: number });
        }
        let offer = SeatOffer {
            federation: books.federation,
            round: proposal.round,
            model: proposal.model,
            round_key: seat.round_key.clone(),
            nonce_commitment: seat.nonce_commitment,
            guard: seat.guard,
        };
        books.check_guard(participant.id, &seat.guard)?;
        if !trust.covers(position, &participant.key)
            && !offer.verify(&participant.key, &seat.signature)
        {
            return Err(Rejected::BadSeatSignature { seat: number });
        }
        members.push(SeatedMember {
            participant: participant.id,
            key: participant.key,
            round_key: offer.round_key,
            nonce_commitment: seat.nonce_commitment,
        });
    }
    let threshold = u16::try_from(drawn.threshold).map_err(|_| Rejected::Overflow)?;
    Ok((members, threshold))
}

impl Opened {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        let opening = &self.round.opening;
        let opened = Event::RoundOpened {
            round: opening.round,
            seats: opening.seats.iter().map(|seat| seat.participant).collect(),
        };
        books.next_round = opening.round.saturating_add(1);
        books.keep_guards(self.guards);
        books.fix_stakes_of_next_seed();
        books.current = Some(self.round);
        vec![opened]
    }
}
