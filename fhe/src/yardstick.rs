//! The same work in the clear, for benchmarks: what the encrypted work is compared with.
//!
//! Compiled for the same instruction sets as our own kernels, so that a ratio tells of the encryption and not of the
//! compiler.

use crate::{
    aggregate::groups,
    digit_sum::TOGETHER,
    params::{CHUNK_BYTES, N},
    simd::{Level, vectorised},
    xof::Xof,
};
use rayon::prelude::*;
use std::{
    hint::{self, black_box},
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

/// Parameters summed at a time: the sums stay in the second cache, and the runs of each update are long enough for the
/// processor's prefetching.
const RANGE: usize = 16 * N;
/// Chunks that one thread takes at least.
const TASK: usize = 8;

/// `out := sum_j weights_j·updates_j`, on the threads of rayon's current pool. All updates are as long as `out`.
///
/// Arranged like the encrypted sum: a range of all updates, up to [`TOGETHER`] at a time, then the next range. That is
/// twice as fast as one update after the other.
pub fn plain_sum(updates: &[&[f32]], weights: &[f32], out: &mut [f32]) {
    let level = Level::best();
    let ranges = out.par_chunks_mut(RANGE).enumerate();
    ranges.for_each(|(range, sums)| {
        let start = range * RANGE;
        let mut fresh = true;
        for (updates, weights) in groups(updates).zip(groups(weights)) {
            let mut values = [&[][..]; TOGETHER];
            for (values, update) in values.iter_mut().zip(updates) {
                *values = &update[start..][..sums.len()];
            }
            add_group(level, sums, fresh, &values[..updates.len()], weights);
            fresh = false;
        }
        if fresh {
            sums.fill(0.0);
        }
    });
}

/// Makes `bytes` bytes of AES-CTR key stream, rounded up to chunks of a ciphertext, on the threads of rayon's current pool.
pub fn key_stream(bytes: usize) {
    let chunks = (0..bytes.div_ceil(CHUNK_BYTES))
        .into_par_iter()
        .with_min_len(TASK);
    let scratch = || (Xof::new("yardstick", &[]), Box::new([0; CHUNK_BYTES]));
    chunks.for_each_init(scratch, |(xof, buffer), _| {
        xof.fill(black_box(&mut buffer[..]));
    });
}

/// `<v_k, u_j>` of every vector and every update, vector by vector for the first update, then the next; `N` parameters at a
/// time, on the threads of rayon's current pool. All vectors and updates have `length` entries.
#[must_use]
pub fn plain_products(length: usize, vectors: &[&[f32]], updates: &[&[f32]]) -> Vec<f32> {
    let level = Level::best();
    let zero = || vec![0.0; vectors.len() * updates.len()];
    let blocks = (0..length.div_ceil(N)).into_par_iter().with_min_len(TASK);
    let sums = blocks.fold(zero, |mut sums, block| {
        let range = block * N..length.min((block + 1) * N);
        let pairs = updates
            .iter()
            .flat_map(|update| vectors.iter().map(move |vector| (vector, update)));
        for (sum, (vector, update)) in sums.iter_mut().zip(pairs) {
            *sum += product(level, &vector[range.clone()], &update[range.clone()]);
        }
        sums
    });
    sums.reduce(zero, |a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect())
}

/// Nanoseconds for a cache line to go from one core to another and back, the fastest of several batches; `None` on one core.
///
/// It tells apart cores that share a cache from those that do not: the former share its bandwidth to memory too, the latter
/// pay for every line that both use.
#[must_use]
pub fn round_trip_ns() -> Option<f64> {
    const BATCHES: u32 = 20;
    const TRIPS: u32 = 1_000;
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return None;
    }
    let turn = AtomicU32::new(0);
    // Even turns are this thread's, odd ones the other's.
    let wait = |mine: u32| {
        while turn.load(Ordering::Acquire) != mine {
            hint::spin_loop();
        }
        turn.store(mine + 1, Ordering::Release);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| (0..BATCHES * TRIPS).for_each(|trip| wait(2 * trip + 1)));
        let batch = |batch| {
            let began = Instant::now();
            (batch * TRIPS..(batch + 1) * TRIPS).for_each(|trip| wait(2 * trip));
            began.elapsed().as_secs_f64() / f64::from(TRIPS) * 1e9
        };
        (0..BATCHES).map(batch).reduce(f64::min)
    })
}

vectorised! {
    /// `sums += weights·values` for 1 to [`TOGETHER`] updates, all as long as the sums, or `sums := weights·values` if `fresh`.
    fn add_group(sums: &mut [f32], fresh: bool, values: &[&[f32]], weights: &[f32]) {
        match values.len() {
            1 => add::<1>(sums, fresh, values, weights),
            2 => add::<2>(sums, fresh, values, weights),
            3 => add::<3>(sums, fresh, values, weights),
            4 => add::<4>(sums, fresh, values, weights),
            5 => add::<5>(sums, fresh, values, weights),
            6 => add::<6>(sums, fresh, values, weights),
            7 => add::<7>(sums, fresh, values, weights),
            _ => add::<TOGETHER>(sums, fresh, values, weights),
        }
    }
}

/// [`add_group`] for so many.
#[inline(always)]
fn add<const COUNT: usize>(sums: &mut [f32], fresh: bool, values: &[&[f32]], weights: &[f32]) {
    let values: [&[f32]; COUNT] = std::array::from_fn(|j| &values[j][..sums.len()]);
    let weights: [f32; COUNT] = std::array::from_fn(|j| weights[j]);
    for (i, sum) in sums.iter_mut().enumerate() {
        let mut total = if fresh { 0.0 } else { *sum };
        for j in 0..COUNT {
            total += weights[j] * values[j][i];
        }
        *sum = total;
    }
}

vectorised! {
    /// The scalar product, in 64 partial sums.
    fn product(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0_f32; 64];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
        for (a, b) in a.iter().zip(b) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += a * b;
            }
        }
        for (sum, (a, b)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
            *sum += a * b;
        }
        sums.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers: every sum of their products is exact.
    fn vector(length: usize, seed: usize) -> Vec<f32> {
        (0..length)
            .map(|i| ((i * 7 + seed * 13) % 11) as f32 - 5.0)
            .collect()
    }

    #[test]
    fn sums_and_products_are_those_of_the_definition() {
        const LENGTH: usize = RANGE + 3 * N + 77;
        let (a, b, c) = (vector(LENGTH, 1), vector(LENGTH, 2), vector(LENGTH, 3));
        let mut sum = vec![7.0; LENGTH];
        for count in 0..=TOGETHER + 2 {
            let updates: Vec<&[f32]> = (0..count).map(|j| [&a[..], &b, &c][j % 3]).collect();
            let weights: Vec<f32> = (0..count).map(|j| j as f32 + 2.0).collect();
            plain_sum(&updates, &weights, &mut sum);
            let exact =
                |i: usize| -> f32 { updates.iter().zip(&weights).map(|(u, w)| u[i] * w).sum() };
            assert!((0..LENGTH).all(|i| sum[i] == exact(i)));
        }
        let exact = |x: &[f32], y: &[f32]| -> f32 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
        assert_eq!(
            plain_products(LENGTH, &[&a, &b], &[&c, &a]),
            [exact(&a, &c), exact(&b, &c), exact(&a, &a), exact(&b, &a)]
        );
    }
}
