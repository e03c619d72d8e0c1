//! Sizes and counts that both ends enforce. A message over a limit is refused before it is decoded.

/// Version of this protocol. A coordinator accepts no other: nodes and coordinator derive the same state from the same log, so a
/// change of what follows from an entry raises it as well (2: pay for rating counts how often somebody rated).
pub const PROTOCOL_VERSION: u32 = 2;

/// Largest gRPC message, bytes. Bulk data travels in parts of [`PART_BYTES`], so only a page of ledger
/// entries comes near it.
pub const MESSAGE_BYTES: usize = 4 << 20;

/// Ciphertext and model bytes in one part of a stream: large enough that the frame cost vanishes (loopback
/// carries 1 MiB messages at 2.9 GB/s under mTLS), small enough that a cut loses little and memory stays flat.
pub const PART_BYTES: usize = 1 << 20;

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

/// Bytes of a contribution's linear hash: 2048 coefficients of 50 bits.
pub const LINEAR_HASH_BYTES: usize = 12_800;

/// Participants of a round that the sizes below are made for: the range budget of the encryption ends there.
pub const PARTICIPANTS: usize = 8_000;

/// Chunks of a contribution that are handed out by their numbers at once: a rater's sample with the blinding ones
/// (34), and room. They fit in one part of [`PART_BYTES`].
pub const CHUNKS_AT_ONCE: usize = 64;

/// Largest proof of so many chunks, bytes: a hash for each of them and each level of the tree over the largest model.
pub const CHUNK_PATHS_BYTES: usize = CHUNKS_AT_ONCE * 17 * 32;

/// Directions that one rater commits in a round.
pub const DIRECTIONS: usize = 2;

/// Raters of a round: at most 80 directions are left beside the 48 projections.
pub const RATERS: usize = 80;

/// Largest encrypted answer sheet, bytes: for each of [`PARTICIPANTS`] 48 words and a salt.
pub const SHEET_BYTES: usize = 3_584 << 10;

/// Largest sealed key of an answer sheet, bytes: key, encapsulated key and tag.
pub const SHEET_KEY_BYTES: usize = 2 << 10;

/// Largest sealed answer of one member on one rater's directions, bytes: [`DIRECTIONS`] words for each of
/// [`PARTICIPANTS`], encapsulated key and tag.
pub const DIRECTION_ANSWER_BYTES: usize = 160 << 10;

/// Largest message to the committee's service, bytes: an answer with its sheet and every rater's part. With 1,000
/// participants and 40 raters it has 1.1 MB.
pub const COMMITTEE_MESSAGE_BYTES: usize = 16 << 20;

/// Largest table of the projections of a round's ciphertexts, bytes: 48 words for each of [`PARTICIPANTS`].
pub const PROJECTION_TABLE_BYTES: usize = 4 << 20;

/// Largest evidence for one rejection, bytes: the answers of [`SEATS`] members on it with their paths.
pub const EVIDENCE_BYTES: usize = 64 << 10;

/// Evidence that one member sends with its judgement, bytes in all: the first rejections that fit. What one member
/// leaves out another has room for.
pub const JUDGEMENT_EVIDENCE_BYTES: usize = 2 << 20;

/// Largest appeal, bytes: a signature, a share, its seal seed, and whose they are.
pub const APPEAL_BYTES: usize = 16 << 10;

/// Appeals that are kept for one round: one for each seat of every contribution would be more than anybody can
/// use.
pub const APPEALS: usize = 128;

/// Largest answers of one seat on one contribution as shown in a dispute, bytes: 48 words, a salt, and the way to the root.
pub const SHOWN_ANSWERS_BYTES: usize = 2 << 10;

/// Longest line of a checkpoint cosignature, bytes.
pub const COSIGNATURE_BYTES: usize = 512;
