//! Bytes that an identity signs on the wire but that are no ledger entries, and the hashes they name.

use sha2::{Digest, Sha256};
use unsilo_ledger::Domain;

use crate::{
    limits,
    rejected::{Code, Rejected},
    v1::{AnswerHashes, RaterHash},
};

/// Under which an identity signs a [`join_statement`].
pub const JOIN_DOMAIN: Domain = Domain::new("join");

/// Under which an identity signs a [`renew_statement`].
pub const RENEW_DOMAIN: Domain = Domain::new("renew certificate");

/// What a company signs to prove, when it joins, that it holds its identity key: the signature binds the
/// identity to this name, this invitation and this TLS key.
#[must_use]
pub fn join_statement(name: &str, secret_hash: &[u8; 32], certificate_request: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&length(name.as_bytes()));
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(secret_hash);
    bytes.extend_from_slice(&length(certificate_request));
    bytes.extend_from_slice(certificate_request);
    bytes
}

/// What a company signs to get a fresh certificate for the TLS key in `certificate_request`, at `at_ms` by its clock.
#[must_use]
pub fn renew_statement(
    federation: &[u8; 32],
    name: &str,
    certificate_request: &[u8],
    at_ms: u64,
    drop_old: bool,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(federation);
    bytes.extend_from_slice(&length(name.as_bytes()));
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(&length(certificate_request));
    bytes.extend_from_slice(certificate_request);
    bytes.extend_from_slice(&at_ms.to_le_bytes());
    bytes.push(u8::from(drop_old));
    bytes
}

/// Hashes of what a member sends as its scalar answers. Whoever is handed only one part of it checks that part
/// against these, and these against the member's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedHashes {
    /// Of the encrypted sheet.
    pub sheet: [u8; 32],
    /// Of the sheet's key as sealed to each other seat, in seat order without the member's own.
    pub keys: Vec<[u8; 32]>,
    /// Rater and hash of the answers sealed to it, ascending by rater.
    pub directions: Vec<(u32, [u8; 32])>,
}

impl SealedHashes {
    /// The hashes of a sheet, its sealed keys, and the answers sealed to raters (ascending).
    #[must_use]
    pub fn of(sheet: &[u8], keys: &[Vec<u8>], directions: &[(u32, &[u8])]) -> Self {
        Self {
            sheet: sealed_hash(sheet),
            keys: keys.iter().map(|key| sealed_hash(key)).collect(),
            directions: directions
                .iter()
                .map(|(rater, sealed)| (*rater, sealed_hash(sealed)))
                .collect(),
        }
    }

    /// The one hash that the member's signature covers.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new_with_prefix(b"unsilo/v1/sealed answers\0");
        hasher.update(self.sheet);
        hasher.update((self.keys.len() as u64).to_le_bytes());
        for key in &self.keys {
            hasher.update(key);
        }
        hasher.update((self.directions.len() as u64).to_le_bytes());
        for (rater, hash) in &self.directions {
            hasher.update(rater.to_le_bytes());
            hasher.update(hash);
        }
        hasher.finalize().into()
    }

    /// As a message.
    #[must_use]
    pub fn to_message(&self) -> AnswerHashes {
        AnswerHashes {
            sheet: self.sheet.to_vec(),
            keys: self.keys.iter().map(|key| key.to_vec()).collect(),
            directions: self
                .directions
                .iter()
                .map(|(rater, hash)| RaterHash {
                    rater: *rater,
                    hash: hash.to_vec(),
                })
                .collect(),
        }
    }

    /// From a message.
    ///
    /// # Errors
    /// [`Code::Malformed`] if a hash has not 32 bytes, or there are more than a round can have.
    pub fn from_message(message: &AnswerHashes) -> Result<Self, Rejected> {
        if message.keys.len() >= limits::SEATS || message.directions.len() > limits::RATERS {
            return Err(malformed("hashes holds more than a round can have"));
        }
        let hash = |bytes: &[u8]| {
            <[u8; 32]>::try_from(bytes)
                .map_err(|_| malformed("hashes holds one that has not 32 bytes"))
        };
        Ok(Self {
            sheet: hash(&message.sheet)?,
            keys: message
                .keys
                .iter()
                .map(|key| hash(key))
                .collect::<Result<_, _>>()?,
            directions: message
                .directions
                .iter()
                .map(|of| Ok((of.rater, hash(&of.hash)?)))
                .collect::<Result<_, Rejected>>()?,
        })
    }
}

/// Hash of one sealed part of a member's answers, as [`SealedHashes`] holds it.
#[must_use]
pub fn sealed_hash(sealed: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(b"unsilo/v1/sealed answer\0")
        .chain_update(sealed)
        .finalize()
        .into()
}

/// Hash of the evidence in a dispute over one share, as `ViolationReported` names it: canonical bytes of the dealer's
/// appeal, and of what the member had answered.
#[must_use]
pub fn dispute_hash(appeal: &[u8], shown: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(b"unsilo/v1/dispute\0")
        .chain_update(length(appeal))
        .chain_update(appeal)
        .chain_update(length(shown))
        .chain_update(shown)
        .finalize()
        .into()
}

fn malformed(message: &str) -> Rejected {
    Rejected::new(Code::Malformed, message)
}

fn length(bytes: &[u8]) -> [u8; 8] {
    (bytes.len() as u64).to_le_bytes()
}

/// Hash of a round's weighted sum of ciphertexts, as `ModelPublished` records it.
#[must_use]
pub fn sum_hash(ciphertext: &[u8]) -> [u8; 32] {
    let mut hasher = sum_hasher();
    hasher.update(ciphertext);
    hasher.finalize().into()
}

/// The same hash for a sum that is read in pieces: feed it the pieces in order.
#[must_use]
pub fn sum_hasher() -> Sha256 {
    Sha256::new_with_prefix(b"unsilo/v1/sum\0")
}

/// Hash of the opened key of a sum, as `ModelPublished` records it.
#[must_use]
pub fn key_sum_hash(key_sum: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(b"unsilo/v1/key sum\0")
        .chain_update(key_sum)
        .finalize()
        .into()
}

/// Hash of one member's answer, for [`unsilo_ledger::OpeningStatement`].
#[must_use]
pub fn opening_hash(opening: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(b"unsilo/v1/opening answer\0")
        .chain_update(opening)
        .finalize()
        .into()
}

/// Hash of the set and weights that an opening is for: `weights` holds every closed contribution of the
/// round as (participant, weight), ascending by participant, weight 0 included.
#[must_use]
pub fn weights_digest(round: u64, weights: &[(u32, u16)]) -> [u8; 32] {
    let mut hasher =
        Sha256::new_with_prefix(b"unsilo/v1/weights\0").chain_update(round.to_le_bytes());
    for (participant, weight) in weights {
        hasher.update(participant.to_le_bytes());
        hasher.update(weight.to_le_bytes());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_answer_is_bound_to_its_place_in_the_signed_whole() {
        let keys = vec![vec![1], vec![2]];
        let hashes = SealedHashes::of(b"sheet", &keys, &[(3, b"three"), (7, b"seven")]);
        let message = hashes.to_message();
        assert_eq!(SealedHashes::from_message(&message), Ok(hashes.clone()));
        let others = [
            SealedHashes::of(b"sheet", &keys, &[(7, b"three"), (3, b"seven")]),
            SealedHashes::of(
                b"sheet",
                &[vec![2], vec![1]],
                &[(3, b"three"), (7, b"seven")],
            ),
            SealedHashes::of(b"sheet", &keys[..1], &[(3, b"three"), (7, b"seven")]),
            SealedHashes::of(b"another", &keys, &[(3, b"three"), (7, b"seven")]),
        ];
        for other in others {
            assert_ne!(other.digest(), hashes.digest());
        }
    }

    #[test]
    fn hashes_of_the_wrong_size_or_number_are_refused() {
        let good = SealedHashes::of(b"sheet", &[vec![1]], &[(3, b"three")]).to_message();
        let refused = |change: fn(&mut AnswerHashes)| {
            let mut message = good.clone();
            change(&mut message);
            SealedHashes::from_message(&message).map_err(|rejected| rejected.code)
        };
        assert_eq!(
            refused(|message| message.sheet = vec![0; 31]),
            Err(Code::Malformed)
        );
        assert_eq!(
            refused(|message| message.keys[0].push(0)),
            Err(Code::Malformed)
        );
        assert_eq!(
            refused(|message| message.directions[0].hash.clear()),
            Err(Code::Malformed)
        );
        assert_eq!(
            refused(|message| message.keys = vec![vec![0; 32]; limits::SEATS]),
            Err(Code::Malformed)
        );
    }
}
