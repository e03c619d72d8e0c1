//! A dealer's appeal under its signature.

use unsilo_ledger::{Domain, FederationId, ParticipantId, PublicKey, SigningIdentity};

use crate::rejected::{Code, Rejected};

/// Under which a dealer signs its appeal.
pub const APPEAL_DOMAIN: Domain = Domain::new("appeal");

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 64;

/// An appeal as it is sent, kept and handed out: `signature (64) || appeal`, the latter canonical bytes of the fhe crate's
/// `Appeal`. An appeal that does not fit the share it is about speaks against its dealer, so nobody else may be able to
/// make one.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedAppeal {
    /// The appeal.
    pub appeal: Vec<u8>,
    /// The dealer's signature, by its identity.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl std::fmt::Debug for SignedAppeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It holds a share, secret until it is sent.
        f.write_str("SignedAppeal(..)")
    }
}

impl SignedAppeal {
    /// Signs an appeal about a contribution of `participant` to `round`.
    #[must_use]
    pub fn sign(
        federation: &FederationId,
        round: u64,
        participant: ParticipantId,
        appeal: Vec<u8>,
        identity: &SigningIdentity,
    ) -> Self {
        let statement = statement(federation, round, participant, &appeal);
        Self {
            signature: identity.sign(APPEAL_DOMAIN, &statement),
            appeal,
        }
    }

    /// Whether `participant`, whose identity `key` is, signed it for this round.
    #[must_use]
    pub fn verify(
        &self,
        federation: &FederationId,
        round: u64,
        participant: ParticipantId,
        key: &PublicKey,
    ) -> bool {
        let statement = statement(federation, round, participant, &self.appeal);
        key.verify(APPEAL_DOMAIN, &statement, &self.signature)
    }

    /// As it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.signature[..], &self.appeal].concat()
    }

    /// From what was sent.
    ///
    /// # Errors
    /// [`Code::AppealInvalid`] if it is shorter than a signature.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Rejected> {
        let (signature, appeal) = bytes.split_first_chunk().ok_or_else(|| {
            Rejected::new(
                Code::AppealInvalid,
                "an appeal starts with its dealer's signature",
            )
        })?;
        Ok(Self {
            appeal: appeal.to_vec(),
            signature: *signature,
        })
    }
}

/// What is signed: federation (32), round (8), participant (4), appeal.
fn statement(
    federation: &FederationId,
    round: u64,
    participant: ParticipantId,
    appeal: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(44 + appeal.len());
    bytes.extend_from_slice(&federation.0);
    bytes.extend_from_slice(&round.to_le_bytes());
    bytes.extend_from_slice(&participant.0.to_le_bytes());
    bytes.extend_from_slice(appeal);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appeal_is_its_dealers_for_one_round_and_nobody_elses() {
        let dealer = SigningIdentity::from_seed(&[1; 32]);
        let other = SigningIdentity::from_seed(&[2; 32]);
        let federation = FederationId([3; 32]);
        let id = ParticipantId(7);
        let signed = SignedAppeal::sign(&federation, 4, id, vec![5; 38], &dealer);
        let read = SignedAppeal::from_bytes(&signed.to_bytes());
        assert_eq!(read.as_ref(), Ok(&signed));
        let key = dealer.public();
        assert!(signed.verify(&federation, 4, id, &key));
        assert!(!signed.verify(&federation, 4, id, &other.public()));
        assert!(!signed.verify(&federation, 5, id, &key));
        assert!(!signed.verify(&federation, 4, ParticipantId(8), &key));
        assert!(!signed.verify(&FederationId([4; 32]), 4, id, &key));
        for place in 0..signed.to_bytes().len() {
            let mut bytes = signed.to_bytes();
            bytes[place] ^= 1;
            let changed = SignedAppeal::from_bytes(&bytes).expect("long enough");
            assert!(!changed.verify(&federation, 4, id, &key), "byte {place}");
        }
        let short = SignedAppeal::from_bytes(&[0; 63]).map_err(|rejected| rejected.code);
        assert_eq!(short.err(), Some(Code::AppealInvalid));
    }
}
