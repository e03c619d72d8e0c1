//! SHA-256, always domain separated, and the stream of bytes derived from a seed.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// What a hash or a signature is about: the label that keeps bytes made for one purpose from being
/// accepted for another.
///
/// The bytes in front of every hashed or signed message are `unsilo/v1/<label>` and a zero byte. As
/// the zero byte cannot occur in a C2SP signed note, no signature made here is ever also a signature
/// of a checkpoint, although the same key makes both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain(&'static str);

impl Domain {
    /// A domain named `label`: ASCII, without a zero byte, unique in the workspace.
    pub const fn new(label: &'static str) -> Self {
        Self(label)
    }

    /// Feeds the prefix of this domain to `sink`.
    pub(crate) fn prefix(self, mut sink: impl FnMut(&[u8])) {
        sink(b"unsilo/v1/");
        sink(self.0.as_bytes());
        sink(b"\0");
    }
}

/// Hashes what is fed to it under one [`Domain`].
///
/// Parts are concatenated as they are: feed fixed-size parts, or their length first.
#[derive(Clone)]
pub struct DomainHasher(Sha256);

impl DomainHasher {
    /// An empty message of `domain`.
    pub fn new(domain: Domain) -> Self {
        let mut inner = Sha256::new();
        domain.prefix(|bytes| inner.update(bytes));
        Self(inner)
    }

    /// Appends `bytes` to the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Appends `bytes` and returns the hasher, for short messages written in one expression.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        self.update(bytes);
        self
    }

    /// The digest of the message.
    pub fn finish(self) -> Hash {
        self.0.finalize().into()
    }
}

/// An endless stream of bytes derived from a seed: SHA-256 in counter mode.
///
/// Block `i` (from 0) is `SHA-256("unsilo/v1/<domain>\0" || seed || i as u64 little endian)`.
pub struct Xof {
    start: DomainHasher,
    counter: u64,
    block: Hash,
    used: usize,
}

impl Xof {
    /// The stream of `seed` for one purpose.
    pub fn new(domain: Domain, seed: &Hash) -> Self {
        Self {
            start: DomainHasher::new(domain).with(seed),
            counter: 0,
            block: [0; 32],
            used: 32,
        }
    }

    /// The next `N` bytes of the stream.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        for byte in &mut out {
            *byte = self.next_byte();
        }
        out
    }

    /// A uniform integer in `0..bound`, by rejection; 0 if `bound` is 0.
    ///
    /// Each attempt takes 16 bytes (a little-endian u128) and is thrown away if it lies in the last,
    /// incomplete multiple of `bound`; for a bound below 2^64 that happens with probability below 2^-64.
    pub fn below(&mut self, bound: u128) -> u128 {
        // The largest multiple of `bound` that fits: attempts at or above it would favour small values.
        let Some(excess) = u128::MAX.checked_rem(bound) else {
            return 0;
        };
        let limit = u128::MAX.saturating_sub(excess);
        loop {
            let attempt = u128::from_le_bytes(self.take());
            if attempt < limit {
                return attempt.checked_rem(bound).unwrap_or(0);
            }
        }
    }

    fn next_byte(&mut self) -> u8 {
        if let Some(byte) = self.block.get(self.used) {
            self.used = self.used.saturating_add(1);
            return *byte;
        }
        self.block = self
            .start
            .clone()
            .with(&self.counter.to_le_bytes())
            .finish();
        // 2^64 blocks are 512 exbibytes: the counter does not come round.
        self.counter = self.counter.wrapping_add(1);
        self.used = 1;
        let [first, ..] = self.block;
        first
    }
}
