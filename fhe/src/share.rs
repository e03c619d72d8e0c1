//! Shamir shares of a one-time key: `f(0) = s`, seat `i` receives `f(i)`.
//!
//! `f` has degree `t-1` over `Z_q^N`. Seats `1..t-1` receive a 32-byte seed with `f(i) = XOF(seed)`, uniform; with
//! `f(0) = s` these values fix `f`, and the other seats receive `f(i)` itself. Any `t-1` shares are independent of `s`.

use crate::{
    committee::Committee,
    dealing::Dealing,
    key::OneTimeKey,
    params::CHUNK_BYTES,
    reed_solomon::lagrange,
    ring::{self, Poly, PolynomialError},
    seal::{self, RoundKeyPair, SEAL_OVERHEAD, Slot},
    xof::Xof,
};
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of a share that is given as a seed.
pub const SHARE_SEED_BYTES: usize = 32;

/// `f(i)` of one participant's key, held by seat `i` until the round's sum is published.
///
/// Secret: wiped when dropped, no `Debug`, no `Clone`.
pub struct KeyShare {
    slot: Slot,
    value: Poly,
}

impl KeyShare {
    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) fn value(&self) -> &Poly {
        &self.value
    }

    /// The participant whose key this is a share of.
    #[must_use]
    pub fn participant(&self) -> u32 {
        self.slot.participant
    }

    /// The seat that holds the share.
    #[must_use]
    pub fn seat(&self) -> u16 {
        self.slot.seat
    }
}

/// Why a sealed share was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShareError {
    /// The committee has no such seat.
    #[error("seat {seat} is not one of the committee's seats 1 to {seats}")]
    NoSuchSeat {
        /// Seat asked for.
        seat: u16,
        /// Seats there are.
        seats: u16,
    },
    /// The key pair is not the one this seat announced for the round.
    #[error("the key pair is not the round key of seat {seat}: was it made for another round?")]
    WrongKey {
        /// Seat asked for.
        seat: u16,
    },
    /// The sealed share has not the length for its seat.
    #[error("the sealed share for seat {seat} has {expected} bytes, not {actual}")]
    Length {
        /// Seat asked for.
        seat: u16,
        /// Bytes of a sealed share for that seat.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// Not sealed to this key for this federation, round, model, participant and seat, or altered.
    #[error("the share of participant {participant} for seat {seat} does not open")]
    DoesNotOpen {
        /// Dealer.
        participant: u32,
        /// Seat asked for.
        seat: u16,
    },
    /// It opens, but the dealer sealed something that is no share.
    #[error("participant {participant} sealed something that is no share to seat {seat}: {source}")]
    Malformed {
        /// Dealer.
        participant: u32,
        /// Seat asked for.
        seat: u16,
        /// What is wrong with it.
        source: PolynomialError,
    },
}

/// Bytes of the sealed share for `seat` in `committee`.
#[must_use]
pub fn sealed_share_bytes(committee: &Committee, seat: u16) -> usize {
    SEAL_OVERHEAD
        + if seat < committee.threshold() {
            SHARE_SEED_BYTES
        } else {
            CHUNK_BYTES
        }
}

/// Splits the key: the plaintext of each seat's share, in seat order.
///
/// 1. *Private input*: the one-time key, the stream of share seeds.
/// 2. *Public input*: number of seats and threshold.
/// 3. *Private output*, one to each seat: 32 or 12,288 bytes.
pub(crate) fn split(
    key: &OneTimeKey,
    committee: &Committee,
    seeds: &mut Xof,
) -> Vec<Zeroizing<Vec<u8>>> {
    let mut plaintexts = Vec::new();
    let mut points = vec![0];
    let mut values = vec![];
    for seat in 1..committee.threshold() {
        let mut seed = Zeroizing::new(vec![0; SHARE_SEED_BYTES]);
        seeds.fill(&mut seed);
        points.push(u64::from(seat));
        values.push(expand(&seed));
        plaintexts.push(seed);
    }
    for seat in committee.threshold()..=committee.seats() {
        let weights = lagrange(&points, u64::from(seat));
        let known = std::iter::once(key.coefficients()).chain(values.iter().map(|value| &*value.0));
        let share = ring::linear_combination(weights.into_iter().zip(known));
        plaintexts.push(Zeroizing::new(share.to_bytes()));
    }
    plaintexts
}

/// `f(i) = XOF("key share", seed)`.
fn expand(seed: &[u8]) -> Poly {
    let mut value = Poly::zero();
    let mut bytes = Zeroizing::new([0; CHUNK_BYTES]);
    Xof::new("key share", &[seed]).fill_uniform(&mut bytes, &mut value.0);
    value
}

/// Opens the share that `dealing.participant` sealed to `seat`.
///
/// # Errors
/// [`ShareError`]: `NoSuchSeat` and `WrongKey` are the caller's; the others are grounds to reject the contribution.
pub fn open_share(
    keys: &RoundKeyPair,
    dealing: &Dealing<'_>,
    seat: u16,
    sealed: &[u8],
) -> Result<KeyShare, ShareError> {
    let committee = dealing.committee;
    let participant = dealing.participant;
    match committee.member(seat) {
        None => {
            return Err(ShareError::NoSuchSeat {
                seat,
                seats: committee.seats(),
            });
        }
        Some(member) if member != keys.public() => return Err(ShareError::WrongKey { seat }),
        Some(_) => {}
    }
    let expected = sealed_share_bytes(committee, seat);
    if sealed.len() != expected {
        return Err(ShareError::Length {
            seat,
            expected,
            actual: sealed.len(),
        });
    }
    let slot = dealing.slot(seat);
    let plaintext = seal::open(keys, &slot, sealed)
        .map_err(|_| ShareError::DoesNotOpen { participant, seat })?;
    let value = share_of_plaintext(committee, seat, &plaintext).map_err(|source| {
        ShareError::Malformed {
            participant,
            seat,
            source,
        }
    })?;
    Ok(KeyShare { slot, value })
}

/// `f(i)` from what was sealed to `seat`: a seed or the polynomial itself.
pub(crate) fn share_of_plaintext(
    committee: &Committee,
    seat: u16,
    plaintext: &[u8],
) -> Result<Poly, PolynomialError> {
    if seat >= committee.threshold() {
        return Poly::from_bytes(plaintext);
    }
    match plaintext.len() {
        SHARE_SEED_BYTES => Ok(expand(plaintext)),
        actual => Err(PolynomialError::Length { actual }),
    }
}
