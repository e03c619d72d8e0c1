//! Whose the signatures inside an entry should be: the offers of seats, and the cosignatures of a close.
//!
//! An entry's own signatures name their keys. Those inside it name a participant or a seat, and whose key that is
//! follows from the books. To verify them in a batch, before the entries ahead are applied, the keys are looked up
//! in books that may be a little behind. [`crate::state::Trust`] says by which keys a batch was verified, and
//! `apply` holds them against its own: one that has changed in between only costs another verification.

use crate::close::CloseStatement;
use crate::draft::FederationId;
use crate::entry::Entry;
use crate::identity::{PublicKey, SignatureBatch};
use crate::seat::SeatOffer;
use crate::state::State;

/// The keys on the seats of the round in progress, as a log goes by.
pub(crate) struct SeatedKeys(Vec<PublicKey>);

impl SeatedKeys {
    /// Of the round in progress in `state`.
    pub(crate) fn of(state: &State) -> Self {
        let seats = state.round().map(|round| &round.opening.seats);
        Self(seats.into_iter().flatten().map(|seat| seat.key).collect())
    }

    /// The keys that the signatures inside the next `entry` should be by, from the first on as far as they are
    /// known. `state` are books a few entries ago.
    pub(crate) fn inside(&mut self, entry: &Entry, state: &State) -> Vec<PublicKey> {
        match entry {
            Entry::RoundOpened { seats, .. } => {
                let key = |participant| Some(state.participant(participant)?.key);
                self.0 = seats
                    .iter()
                    .map_while(|seat| key(seat.participant))
                    .collect();
                self.0.clone()
            }
            Entry::RoundClosed { cosignatures, .. } => {
                let key = |seat: u16| self.0.get(usize::from(seat.checked_sub(1)?)).copied();
                let seats = cosignatures.iter().map(|cosignature| cosignature.seat);
                seats.map_while(key).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Entry {
    /// Puts the signatures inside this entry into a batch, the first ones, for which there are `keys`; `false` if
    /// one of them is invalid by its encoding.
    pub(crate) fn add_signatures_inside(
        &self,
        federation: &FederationId,
        keys: &[PublicKey],
        batch: &mut SignatureBatch<'_>,
    ) -> bool {
        match self {
            Self::RoundOpened {
                round,
                model,
                seats,
                ..
            } => seats.iter().zip(keys).all(|(seat, key)| {
                let offer = SeatOffer {
                    federation: *federation,
                    round: *round,
                    model: *model,
                    round_key: seat.round_key.clone(),
                    nonce_commitment: seat.nonce_commitment,
                    guard: seat.guard,
                };
                offer.add_to(batch, key, &seat.signature)
            }),
            Self::RoundClosed {
                round,
                contributions,
                cosignatures,
            } => cosignatures.iter().zip(keys).all(|(cosignature, key)| {
                let statement = CloseStatement {
                    federation: *federation,
                    round: *round,
                    contributions: *contributions,
                    nonce: cosignature.nonce,
                    guard: cosignature.guard,
                };
                statement.add_to(batch, key, &cosignature.signature)
            }),
            _ => true,
        }
    }
}
