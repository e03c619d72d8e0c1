//! Encrypting an update and dealing the shares of its key: the seam behind which a malicious company stands in demonstrations
//! and tests of the checks.

use std::fmt;

use unsilo_fhe::{Contribution, Dealing, Encoded, Entropy, contribute};

use crate::training::BuiltIn;

/// Makes what a node sends of an encoded update: the ciphertext, the sealed shares of its one-time key, and the commitment to
/// both, which the node signs and keeps before the first byte leaves. A node has a built-in one, [`BuiltIn`]; another is given
/// with [`crate::NodeOptions`].
///
/// There is one reason to give another: to show what becomes of contributions that break the rules (`unsilo demo --attack
/// garbage`). What it makes is uploaded, judged and rejected like anybody's: this seam gives nobody a power that editing the
/// program would not.
pub trait Dealer: fmt::Debug + Send + Sync {
    /// Encrypts `update` and deals the shares of its key. Update and entropy are used up: a key encrypts once.
    ///
    /// # Errors
    /// Why it cannot; told, and tried again with the coordinator's next step.
    fn deal(
        &self,
        dealing: &Dealing<'_>,
        update: Encoded,
        entropy: Entropy,
    ) -> Result<Contribution, String>;
}

impl Dealer for BuiltIn {
    fn deal(
        &self,
        dealing: &Dealing<'_>,
        update: Encoded,
        entropy: Entropy,
    ) -> Result<Contribution, String> {
        contribute(dealing, update, entropy).map_err(|error| error.to_string())
    }
}
