//! A long list that several threads write at once, from its memory on.
//!
//! Zeros first, as safe code has it, are one thread's work: they made encryption 1.6-1.7 times as fast on two cores instead of
//! 1.9, most of it where the cores share no cache, because the other core still holds what lay there before.

use rayon::prelude::*;

/// Pieces that one thread takes at least: fewer are not worth handing over.
const TASK: usize = 8;

/// `count` pieces of `LEN` values, one after the other, each written by `write(scratch, number, piece)` on the threads of
/// rayon's current pool, and what the calls return, joined two by two in order; `None` for no pieces. A piece comes as
/// zeros (`T`'s default); the list does not depend on the threads.
pub(crate) fn filled<T, S, R, const LEN: usize>(
    count: usize,
    scratch: impl Fn() -> S + Send + Sync,
    write: impl Fn(&mut S, usize, &mut [T; LEN]) -> R + Send + Sync,
    join: impl Fn(R, R) -> R + Send + Sync,
) -> (Vec<T>, Option<R>)
where
    T: Copy + Default + Send,
    R: Send,
{
    let mut list: Vec<[T; LEN]> = Vec::with_capacity(count);
    let pieces = &mut list.spare_capacity_mut()[..count];
    let results = pieces.par_iter_mut().enumerate().with_min_len(TASK);
    let joined = results
        .map_init(scratch, |scratch, (number, piece)| {
            write(scratch, number, piece.write([T::default(); LEN]))
        })
        .reduce_with(join);
    #[expect(
        unsafe_code,
        reason = "safe code zeroes the list before, or copies every piece"
    )]
    // SAFETY: the capacity is at least `count`; `reduce_with` has visited, and so written, each of the `count` pieces: it
    // has no way to stop before the last but a panic, and then this is not reached.
    unsafe {
        list.set_len(count);
    }
    (list.into_flattened(), joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_written_in_its_place_on_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().expect("threads");
            for count in [0, 1, 7, 8, 9, 100] {
                let write = |calls: &mut u32, number: usize, piece: &mut [u16; 3]| {
                    assert_eq!(*piece, [0; 3]);
                    *calls += 1;
                    piece[1] = number as u16 + 1;
                    vec![number]
                };
                let join = |a: Vec<usize>, b: Vec<usize>| [a, b].concat();
                let (list, visited) = pool.install(|| filled(count, || 0_u32, write, join));
                let expected: Vec<u16> = (1..=count as u16).flat_map(|n| [0, n, 0]).collect();
                assert_eq!(list, expected);
                assert_eq!(visited.unwrap_or_default(), Vec::from_iter(0..count));
            }
        }
    }
}
