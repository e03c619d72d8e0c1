//! Powers of a root of unity in the order in which the kernels read them.

use crate::params::N;

/// A factor with its quotient `floor(2^52·factor / M)` (Shoup), for several at a time.
#[derive(Clone, Copy)]
pub(super) struct Factors<const K: usize, T> {
    pub(super) values: [T; K],
    pub(super) quotients: [T; K],
}

/// The 64 coefficients that one step of the last pass transforms: three layers with one factor for a whole vector
/// (1 + 2 + 4 of them), then three with a factor for each lane.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) vectors: Factors<7, u64>,
    pub(super) lanes: Factors<7, [u64; 8]>,
}

/// All factors of one direction.
pub(super) struct Twiddles {
    /// Layers 0 to 2.
    pub(super) first: Factors<7, u64>,
    /// Layers 3 and 4, for each of 8 blocks.
    pub(super) second: [Factors<3, u64>; 8],
    /// Layers 5 to 10, for each of 32 blocks.
    pub(super) blocks: Box<[Block; 32]>,
}

impl Twiddles {
    /// The factors of the transform whose layer `2^l` multiplies block `i` by `root^bitrev(2^l + i)`.
    pub(super) fn new(modulus: u64, root: u64) -> Self {
        let mut powers = [1; N];
        for i in 1..N {
            powers[i] = multiply(modulus, powers[i - 1], root);
        }
        let factor =
            |index: usize| powers[index.reverse_bits() >> (usize::BITS - N.trailing_zeros())];
        // Factors of the subtree under node `node`: itself, its two children, its four grandchildren.
        let three = |node: usize| [node, 2 * node, 2 * node + 1].map(factor);
        let seven = |node: usize| {
            [
                node,
                2 * node,
                2 * node + 1,
                4 * node,
                4 * node + 1,
                4 * node + 2,
                4 * node + 3,
            ]
            .map(factor)
        };
        let quotient = |value: u64| ((u128::from(value) << 52) / u128::from(modulus)) as u64;
        let block = |b: usize| {
            // Lane k belongs to node 256 + 8b + k.
            let lanes: [[u64; 7]; 8] = std::array::from_fn(|k| seven(256 + 8 * b + k));
            let values = std::array::from_fn(|i| std::array::from_fn(|k| lanes[k][i]));
            Block {
                vectors: with_quotients(seven(32 + b), quotient),
                lanes: with_quotients(values, |lanes: [u64; 8]| lanes.map(quotient)),
            }
        };
        Self {
            first: with_quotients(seven(1), quotient),
            second: std::array::from_fn(|b| with_quotients(three(8 + b), quotient)),
            blocks: Box::new(std::array::from_fn(block)),
        }
    }
}

fn with_quotients<const K: usize, T: Copy>(
    values: [T; K],
    quotient: impl Fn(T) -> T,
) -> Factors<K, T> {
    Factors {
        values,
        quotients: values.map(quotient),
    }
}

/// A primitive 2N-th root of unity.
pub(super) fn root(modulus: u64) -> u64 {
    (2..modulus)
        .map(|base| power(modulus, base, (modulus - 1) / (2 * N as u64)))
        .find(|&root| power(modulus, root, N as u64) == modulus - 1)
        .expect("the modulus is a prime and 1 mod 2N: half of all bases give one")
}

pub(super) fn invert(modulus: u64, a: u64) -> u64 {
    power(modulus, a, modulus - 2)
}

pub(super) fn multiply(modulus: u64, a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(modulus)) as u64
}

fn power(modulus: u64, mut base: u64, mut exponent: u64) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(modulus, result, base);
        }
        base = multiply(modulus, base, base);
        exponent >>= 1;
    }
    result
}
