//! Sizes and counts that both ends enforce. A message over a limit is refused before it is decoded.

/// Version of this protocol. A coordinator accepts this one and the one before.
pub const PROTOCOL_VERSION: u32 = 1;

/// Largest gRPC message, bytes. Bulk data travels in parts of [`PART_BYTES`], so only a page of ledger
/// entries comes near it.
pub const MESSAGE_BYTES: usize = 4 << 20;

/// Ciphertext and model bytes in one part of a stream: large enough that the frame cost vanishes (loopback
/// carries 1 MiB messages at 2.9 GB/s under mTLS), small enough that a cut loses little and memory stays flat.
pub const PART_BYTES: usize = 1 << 20;

/// Largest plaintext model the wire carries, parameters. A contribution is then 3 GB.
pub const PARAMETERS: u64 = 500_000_000;

/// Largest sealed key share, bytes: 12 KiB of share, the encapsulated key and the tag.
pub const SEALED_SHARE_BYTES: usize = 16 << 10;

/// Seats in a committee (21 is the largest the draw makes).
pub const SEATS: usize = 21;

/// Largest canonical ledger entry, bytes.
pub const ENTRY_BYTES: usize = 1 << 20;

/// Bytes of entries in one page of the log, so that a page stays below [`MESSAGE_BYTES`].
pub const ENTRIES_PAGE_BYTES: usize = 2 << 20;

/// Entries in one page of the log.
pub const ENTRIES_PAGE: usize = 4096;

/// Largest certificate signing request, bytes.
pub const CERTIFICATE_REQUEST_BYTES: usize = 4 << 10;

/// Longest name of a company, bytes.
pub const NAME_BYTES: usize = 64;

/// A participant whose clock differs more than this from the coordinator's is warned, milliseconds.
pub const CLOCK_SKEW_MS: u64 = 30_000;
