//! A list that is cheap to copy, to change at one place, and to hash again after that.

use crate::hash::{Domain, DomainHasher, Hash};
use borsh::{BorshDeserialize, BorshSerialize};
use std::io::{Read, Result, Write};
use std::sync::{Arc, OnceLock};

const BOARD: Domain = Domain::new("part of a list in the state");
const SHELF: Domain = Domain::new("list in the state");

/// Values on one board: hashed together, so a change costs the hash of this many.
const BOARD_SIZE: usize = 32;

/// Values numbered from 0. A batch of entries is tried on a copy of the state, so a copy shares all boards,
/// and a change copies one. The digest is of the values alone, however they came about.
#[derive(Clone, Debug)]
pub(super) struct Shelf<T> {
    boards: Vec<Arc<Board<T>>>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Board<T> {
    values: Vec<T>,
    digest: OnceLock<Hash>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            boards: Vec::new(),
            len: 0,
        }
    }
}

/// As the values in order: digests are computed again when they are read.
impl<T: Clone + BorshSerialize> BorshSerialize for Shelf<T> {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        self.iter().cloned().collect::<Vec<T>>().serialize(writer)
    }
}

impl<T: Clone + BorshSerialize + BorshDeserialize> BorshDeserialize for Shelf<T> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let mut shelf = Self::default();
        for value in Vec::<T>::deserialize_reader(reader)? {
            shelf.push(value);
        }
        Ok(shelf)
    }
}

impl<T: Clone + BorshSerialize> Shelf<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        let (board, place) = locate(index);
        self.boards.get(board)?.values.get(place)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.boards.iter().flat_map(|board| &board.values)
    }

    /// Adds a value at the end.
    pub(super) fn push(&mut self, value: T) {
        let (board, _) = locate(self.len);
        self.len = self.len.saturating_add(1);
        match self.boards.get_mut(board) {
            Some(board) => {
                let board = Arc::make_mut(board);
                board.values.push(value);
                board.digest = OnceLock::new();
            }
            None => self.boards.push(Arc::new(Board {
                values: vec![value],
                digest: OnceLock::new(),
            })),
        }
    }

    /// Changes the value at `index`, if there is one.
    pub(super) fn change(&mut self, index: usize, change: impl FnOnce(&mut T)) {
        let (board, place) = locate(index);
        if let Some(board) = self.boards.get_mut(board)
            && place < board.values.len()
        {
            let board = Arc::make_mut(board);
            board.digest = OnceLock::new();
            if let Some(value) = board.values.get_mut(place) {
                change(value);
            }
        }
    }

    /// The hash of the values in order.
    pub(super) fn digest(&self) -> Hash {
        let length = u64::try_from(self.len).unwrap_or(u64::MAX);
        let mut hasher = DomainHasher::new(SHELF).with(&length.to_le_bytes());
        for board in &self.boards {
            hasher.update(board.digest.get_or_init(|| digest_of(&board.values)));
        }
        hasher.finish()
    }
}

fn locate(index: usize) -> (usize, usize) {
    let board = index.checked_div(BOARD_SIZE).unwrap_or(0);
    (board, index.checked_rem(BOARD_SIZE).unwrap_or(0))
}

fn digest_of<T: BorshSerialize>(values: &Vec<T>) -> Hash {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = values.serialize(&mut bytes);
    DomainHasher::new(BOARD).with(&bytes).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_list_and_its_digest_is_of_the_values(
            values in prop::collection::vec(any::<u32>(), 0..100),
            changes in prop::collection::vec((0_usize..110, any::<u32>()), 0..20),
        ) {
            let mut shelf = Shelf::default();
            for value in &values {
                shelf.push(*value);
                let _ = shelf.digest();
            }
            let (before, untouched) = (shelf.digest(), shelf.clone());
            let mut list = values;
            for (index, value) in changes {
                shelf.change(index, |held| *held = value);
                if let Some(held) = list.get_mut(index) {
                    *held = value;
                }
                prop_assert_eq!(shelf.get(index), list.get(index));
            }
            prop_assert_eq!(shelf.iter().copied().collect::<Vec<_>>(), list.clone());
            prop_assert_eq!(shelf.len(), list.len());
            prop_assert_eq!(untouched.digest(), before);
            let mut anew = Shelf::default();
            list.into_iter().for_each(|value| anew.push(value));
            prop_assert_eq!(shelf.digest(), anew.digest());
        }
    }
}
