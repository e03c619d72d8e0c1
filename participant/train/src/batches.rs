//! Which rows each step sees.

use crate::random::SeededRandom;

/// An endless run of batches over shuffled epochs.
///
/// Rows are shuffled by the seed, dealt out in that order and shuffled anew when all have been
/// dealt. Every batch is full: one that reaches the end of an epoch goes on with the next, so no
/// row is left out and no step sees fewer rows than the others. A batch larger than the data is
/// cut down to the data.
#[derive(Debug)]
pub(crate) struct Batches {
    order: Vec<usize>,
    next: usize,
    size: usize,
    random: SeededRandom,
}

impl Batches {
    /// Batches of `size` rows (at least 1) out of `rows` (at least 1).
    pub(crate) fn new(rows: usize, size: usize, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        let mut order: Vec<usize> = (0..rows).collect();
        random.shuffle(&mut order);
        Self {
            order,
            next: 0,
            size: size.min(rows),
            random,
        }
    }

    /// Rows in every batch.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Writes the next batch's row numbers into `batch`, replacing what it held.
    pub(crate) fn fill(&mut self, batch: &mut Vec<usize>) {
        batch.clear();
        while batch.len() < self.size {
            if self.next == self.order.len() {
                self.random.shuffle(&mut self.order);
                self.next = 0;
            }
            let take = (self.size - batch.len()).min(self.order.len() - self.next);
            batch.extend_from_slice(&self.order[self.next..self.next + take]);
            self.next += take;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(rows: usize, size: usize, seed: u64, batches: usize) -> Vec<Vec<usize>> {
        let mut source = Batches::new(rows, size, seed);
        (0..batches)
            .map(|_| {
                let mut batch = Vec::new();
                source.fill(&mut batch);
                batch
            })
            .collect()
    }

    #[test]
    fn every_row_is_seen_once_an_epoch() {
        // 7 batches of 4 are exactly 4 epochs of 7 rows.
        let seen: Vec<usize> = draw(7, 4, 1, 7).concat();
        for epoch in seen.chunks(7) {
            let mut epoch = epoch.to_vec();
            epoch.sort_unstable();
            assert_eq!(epoch, [0, 1, 2, 3, 4, 5, 6]);
        }
    }

    #[test]
    fn batches_are_full_and_depend_on_the_seed_only() {
        assert!(draw(10, 4, 2, 20).iter().all(|batch| batch.len() == 4));
        assert!(draw(3, 16, 2, 5).iter().all(|batch| batch.len() == 3));
        assert_eq!(draw(10, 4, 2, 20), draw(10, 4, 2, 20));
        assert_ne!(draw(10, 4, 2, 20), draw(10, 4, 3, 20));
    }
}
