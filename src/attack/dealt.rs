//! Contributions that break the rules of the encryption. The committee rejects them before they are scored.

use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use unsilo_fhe::{Contribution, Q};

/// Bytes of a packed coefficient.
const WORD: usize = 6;

/// Random numbers below the modulus in place of the ciphertext; the shares are of the key that it would have had.
///
/// Linear hash and commitment stay those of the ciphertext that was there: who sends it makes them anew.
pub(crate) fn garbage(contribution: &mut Contribution, random: &mut Xoshiro256PlusPlus) {
    for word in contribution.ciphertext.chunks_mut(WORD) {
        word.copy_from_slice(&random.random_range(0..Q).to_le_bytes()[..WORD]);
    }
}

/// Every second seat's share is of `other`'s key, from the first on; who sends it makes the commitment anew.
pub(crate) fn bad_shares(contribution: &mut Contribution, other: Contribution) {
    let shares = contribution.sealed_shares.iter_mut();
    for (share, other) in shares.zip(other.sealed_shares).step_by(2) {
        *share = other;
    }
}
