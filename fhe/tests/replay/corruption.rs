//! What may happen to bytes on the way, systematically.

/// Values at the edges of what a length field can hold.
const LENGTHS: [u64; 12] = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// One way of damaging bytes.
enum Damage {
    /// Only so many bytes arrive.
    CutTo(usize),
    /// So many are missing at the front.
    CutFront(usize),
    /// So many more arrive, all of them this.
    Extend(usize, u8),
    /// Everything twice.
    Twice,
    /// The second half first.
    Halves,
    /// Everything overwritten.
    Fill(u8),
    /// One bit flipped.
    Flip(usize, u32),
    /// Something that may be read as a length: place, width, number.
    Number(usize, usize, u64),
}

impl Damage {
    fn of(&self, bytes: &[u8]) -> Vec<u8> {
        let mut changed = bytes.to_vec();
        match *self {
            Self::CutTo(end) => changed.truncate(end),
            Self::CutFront(start) => changed = bytes.get(start..).unwrap_or_default().to_vec(),
            Self::Extend(more, fill) => changed.resize(bytes.len() + more, fill),
            Self::Twice => changed.extend(bytes),
            Self::Halves => changed.rotate_left(bytes.len() / 2),
            Self::Fill(fill) => changed.fill(fill),
            Self::Flip(at, bit) => changed[at] ^= 1 << bit,
            Self::Number(at, width, number) => {
                changed[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
            }
        }
        changed
    }
}

/// Ways of damaging `bytes`, at most `limit` of them: long inputs are sampled, always at the same places.
pub(crate) fn corrupted(bytes: &[u8], limit: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
    let mut all = vec![
        Damage::Twice,
        Damage::Halves,
        Damage::Fill(0),
        Damage::Fill(0xFF),
    ];
    all.extend([0, bytes.len().saturating_sub(1)].map(Damage::CutTo));
    all.extend([1, 2, 4, 8, 32].map(Damage::CutFront));
    let more = [
        (1, 0),
        (1, 0xFF),
        (2, 0),
        (6, 0),
        (25, 0),
        (32, 0xFF),
        (296, 1),
        (12_288, 0),
    ];
    all.extend(more.map(|(more, fill)| Damage::Extend(more, fill)));
    let always = all.len();
    for at in places(bytes.len()) {
        all.push(Damage::CutTo(at));
        all.extend(bits(bytes.len(), at).map(|bit| Damage::Flip(at, bit)));
        for number in LENGTHS {
            let fits = |width: usize| number >> (8 * width - 1) <= 1 && at + width <= bytes.len();
            let widths = [1, 2, 4, 8].into_iter().filter(|&width| fits(width));
            all.extend(widths.map(|width| Damage::Number(at, width, number)));
        }
    }
    // Evenly, and not in step with the widths.
    let step = (all.len() - always).div_ceil(limit.max(1)) | 1;
    let (first, rest) = (0..always, (always..all.len()).step_by(step));
    let chosen: Vec<usize> = first.chain(rest).collect();
    let damaged = chosen.into_iter().map(move |i| all[i].of(bytes));
    // The unchanged bytes are no corruption.
    damaged.filter(move |changed| changed != bytes)
}

/// Positions in an input: all of a short one; of a long one both ends, the edges of records, and random ones.
fn places(length: usize) -> Vec<usize> {
    if length <= 400 {
        return (0..length).collect();
    }
    let mut places: Vec<usize> = (0..64).chain(length - 64..length).collect();
    for record in [16, 32, 292, 1120, 1136, 6144, 12_288] {
        let edges = (1..4).flat_map(|i| [i * record - 1, i * record, i * record + 1]);
        places.extend(edges.filter(|&at| at < length));
    }
    places.extend((0..100).map(|i| (splitmix(length as u64 ^ i << 32) % length as u64) as usize));
    places.sort_unstable();
    places.dedup();
    places
}

/// Bits of the byte at `at` that are flipped: all in short inputs, one in long ones.
fn bits(length: usize, at: usize) -> std::ops::Range<u32> {
    match length {
        ..=400 => 0..8,
        _ => {
            let bit = (at % 8) as u32;
            bit..bit + 1
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
fn splitmix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}
