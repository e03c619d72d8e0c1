//! A participant's one message of the round.

use crate::{
    commit::{ChunkHasher, ContributionCommitment, share_hash},
    dealing::Dealing,
    encode::Encoded,
    encrypt::encrypt,
    key::{ContributionSeed, Entropy, OneTimeKey},
    linear_hash::{LinearHash, LinearHasher},
    params::N,
    seal::{SealSeeds, seal},
    share,
};
use thiserror::Error;

/// An encrypted update with its sealed key shares. `seal_seeds` is secret; the rest is sent.
pub struct Contribution {
    /// Packed chunks, [`Params::ciphertext_bytes`](crate::Params::ciphertext_bytes).
    pub ciphertext: Vec<u8>,
    /// The sealed share of each seat, in seat order.
    pub sealed_shares: Vec<Vec<u8>>,
    /// The ciphertext's linear hash, sent with it.
    pub linear_hash: LinearHash,
    /// What the participant signs.
    pub commitment: ContributionCommitment,
    /// With one of these a participant can show one disputed share later: [`crate::Appeal`].
    pub seal_seeds: SealSeeds,
}

/// Why an update was not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ContributeError {
    /// The update was encoded for other parameters.
    #[error("the update was encoded into {actual} chunks, the parameters have {expected}")]
    WrongParams {
        /// Chunks of the parameters.
        expected: usize,
        /// Chunks of the encoded update.
        actual: usize,
    },
    /// A member's key cannot be sealed to.
    #[error("nothing can be sealed to the round key of seat {seat}")]
    Seal {
        /// The member's seat.
        seat: u16,
    },
}

/// Encrypts an update under a fresh key, shares the key, seals the shares, and commits to all of it.
///
/// 1. *Private input*: the update and the entropy, both used up.
/// 2. *Public input*: parameters, context, committee.
/// 3. *Public output*: ciphertext, sealed shares, commitment. *Private output*: the seal seeds.
///
/// # Errors
/// [`ContributeError`] if the update is for other parameters or a member's key is unusable.
pub fn contribute(
    dealing: &Dealing<'_>,
    encoded: Encoded,
    entropy: Entropy,
) -> Result<Contribution, ContributeError> {
    let Dealing {
        params,
        context,
        participant,
        committee,
    } = *dealing;
    if encoded.steps().len() != params.chunks() * N {
        return Err(ContributeError::WrongParams {
            expected: params.chunks(),
            actual: encoded.steps().len() / N,
        });
    }
    let seed = ContributionSeed::new(entropy, context, participant, &encoded);
    let key = OneTimeKey::new(&seed);
    let plaintexts = share::split(&key, committee, &mut seed.stream("share seeds"));
    let ciphertext = encrypt(context, &encoded, &key.into_ntt(), &seed);

    let seal_seeds = SealSeeds::draw(&mut seed.stream("seal seeds"), committee.seats());
    let mut sealed_shares = Vec::with_capacity(plaintexts.len());
    for ((seat, member), plaintext) in (1..).zip(committee.members()).zip(&plaintexts) {
        let sealed = seal_seeds
            .seed(seat)
            .and_then(|seed| seal(member, &dealing.slot(seat), seed, plaintext).ok())
            .ok_or(ContributeError::Seal { seat })?;
        sealed_shares.push(sealed);
    }
    let (mut chunks, mut linear) = (ChunkHasher::new(params), LinearHasher::new(params));
    chunks.update(&ciphertext);
    linear.update(&ciphertext);
    let whole = "encrypt returns params.chunks() chunks, checked above";
    let (chunks_root, linear_hash) = (chunks.finish().expect(whole), linear.finish().expect(whole));
    let share_hashes: Vec<_> = sealed_shares
        .iter()
        .map(|sealed| share_hash(sealed))
        .collect();
    let commitment = ContributionCommitment::new(
        params,
        context,
        participant,
        chunks_root,
        &share_hashes,
        &linear_hash.digest(),
    );
    Ok(Contribution {
        ciphertext,
        sealed_shares,
        linear_hash,
        commitment,
        seal_seeds,
    })
}
