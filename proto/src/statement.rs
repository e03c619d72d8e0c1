//! Bytes that an identity signs on the wire but that are no ledger entries.

/// What a company signs to prove, when it joins, that it holds its identity key: the signature binds the
/// identity to this name, this invitation and this TLS key.
#[must_use]
pub fn join_statement(name: &str, secret_hash: &[u8; 32], certificate_request: &[u8]) -> Vec<u8> {
    let mut bytes = b"unsilo/v1/join\0".to_vec();
    bytes.extend_from_slice(&length(name.as_bytes()));
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(secret_hash);
    bytes.extend_from_slice(&length(certificate_request));
    bytes.extend_from_slice(certificate_request);
    bytes
}

/// What a member signs under its one answer of a round, so that two different answers are evidence.
/// `digest` is the hash of the set and weights, `opening` the hash of the answer.
#[must_use]
pub fn opening_statement(
    federation: &[u8; 32],
    round: u64,
    seat: u16,
    digest: &[u8; 32],
    opening: &[u8; 32],
) -> Vec<u8> {
    let mut bytes = b"unsilo/v1/opening\0".to_vec();
    bytes.extend_from_slice(federation);
    bytes.extend_from_slice(&round.to_le_bytes());
    bytes.extend_from_slice(&seat.to_le_bytes());
    bytes.extend_from_slice(digest);
    bytes.extend_from_slice(opening);
    bytes
}

fn length(bytes: &[u8]) -> [u8; 8] {
    (bytes.len() as u64).to_le_bytes()
}
