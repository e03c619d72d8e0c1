//! SHA-256 with a domain in front: two different uses never hash the same bytes.

use sha2::{Digest, Sha256};

/// A hasher that has already taken `unsilo/v1/<what>\0`.
pub(crate) fn hasher(what: &str) -> Sha256 {
    Sha256::new()
        .chain_update(b"unsilo/v1/")
        .chain_update(what.as_bytes())
        .chain_update([0])
}

/// SHA-256 of `unsilo/v1/<what>\0 || parts...`.
///
/// The parts are not separated: at most the last one may vary in length.
pub(crate) fn hash(what: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = hasher(what);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
