//! Which rows each step sees.

use crate::random::SeededRandom;

/// Cards that are dealt in a random order, and shuffled anew when all have been dealt.
#[derive(Debug)]
struct Deck {
    order: Vec<usize>,
    next: usize,
}

impl Deck {
    fn new(cards: Vec<usize>, random: &mut SeededRandom) -> Self {
        let mut order = cards;
        random.shuffle(&mut order);
        Self { order, next: 0 }
    }

    /// The next cards, at most `most` and at least one of a deck that has any: as far as this turn of the deck goes.
    fn deal(&mut self, most: usize, random: &mut SeededRandom) -> &[usize] {
        if self.next == self.order.len() {
            random.shuffle(&mut self.order);
            self.next = 0;
        }
        let from = self.next;
        self.next += most.min(self.order.len() - from);
        &self.order[from..self.next]
    }
}

/// An endless run of batches over shuffled rows.
///
/// Every batch is full: one that reaches the end of an epoch goes on with the next, so no row is
/// left out and no step sees fewer rows than the others. A batch larger than the data is cut down to
/// the data.
#[derive(Debug)]
pub(crate) struct Batches {
    rows: Order,
    size: usize,
    random: SeededRandom,
}

#[derive(Debug)]
enum Order {
    /// All rows alike.
    Rows(Deck),
    /// A class at a time, each as often as every other, and a row of it: rows of small classes come
    /// more often.
    Classes { classes: Deck, rows: Vec<Deck> },
}

impl Batches {
    /// Batches of `size` rows (at least 1) out of `rows` (at least 1).
    pub(crate) fn new(rows: usize, size: usize, seed: u64) -> Self {
        Self::of((0..rows).collect(), size, seed)
    }

    /// Batches of `size` rows (at least 1) out of these (at least 1).
    pub(crate) fn of(rows: Vec<usize>, size: usize, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        let size = size.min(rows.len());
        Self {
            rows: Order::Rows(Deck::new(rows, &mut random)),
            size,
            random,
        }
    }

    /// Batches of `size` rows (at least 1) out of these, by class (at least one, none empty).
    pub(crate) fn balanced(rows_of_classes: Vec<Vec<usize>>, size: usize, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        let rows = rows_of_classes.iter().map(Vec::len).sum();
        let classes = Deck::new((0..rows_of_classes.len()).collect(), &mut random);
        let decks = rows_of_classes
            .into_iter()
            .map(|rows| Deck::new(rows, &mut random))
            .collect();
        Self {
            rows: Order::Classes {
                classes,
                rows: decks,
            },
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
            let most = self.size - batch.len();
            match &mut self.rows {
                Order::Rows(rows) => batch.extend_from_slice(rows.deal(most, &mut self.random)),
                Order::Classes { classes, rows } => {
                    for &class in classes.deal(most, &mut self.random) {
                        batch.extend_from_slice(rows[class].deal(1, &mut self.random));
                    }
                }
            }
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
    fn balanced_batches_show_each_class_equally_often_and_each_row_of_a_class_too() {
        // 1, 2 and 9 rows; 12 batches of 6 are 24 of each class.
        let classes = || vec![vec![0], vec![5, 6], (10..19).collect::<Vec<_>>()];
        let draw = |seed| -> Vec<usize> {
            let mut source = Batches::balanced(classes(), 6, seed);
            let batches = (0..12).map(|_| {
                let mut batch = Vec::new();
                source.fill(&mut batch);
                batch
            });
            batches.collect::<Vec<_>>().concat()
        };
        let seen = draw(3);
        assert_eq!(seen.len(), 72);
        for (class, each) in classes().iter().zip([24..=24, 12..=12, 2..=3]) {
            for row in class {
                let times = seen.iter().filter(|seen| *seen == row).count();
                assert!(each.contains(&times), "row {row} {times} times");
            }
        }
        assert_eq!(seen, draw(3));
        assert_ne!(seen, draw(4));
        assert_eq!(Batches::balanced(classes(), 100, 0).size(), 12);
    }

    #[test]
    fn batches_are_full_and_depend_on_the_seed_only() {
        assert!(draw(10, 4, 2, 20).iter().all(|batch| batch.len() == 4));
        assert!(draw(3, 16, 2, 5).iter().all(|batch| batch.len() == 3));
        assert_eq!(draw(10, 4, 2, 20), draw(10, 4, 2, 20));
        assert_ne!(draw(10, 4, 2, 20), draw(10, 4, 3, 20));
    }
}
