//! What a rater asked for lately.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use unsilo_ledger::Hash;
use zeroize::{Zeroize, Zeroizing};

/// Models whose second directions count as asked for already. Of 0, 1, 2, 3 and 5 (docs/scoring.md, what was asked for lately): more
/// pay honest companies more alike, and from three on pay those more that swing the model where classes are skewed.
pub const ASKED: usize = 2;

/// A rater's second directions at the last models at which it worked some out, the newest last. They follow from the company's rows: kept
/// like them. They must survive a restart: [`Asked::to_bytes`].
///
/// By model and not by round: where a round gave no model, what was asked for is as wanted as before.
#[derive(Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Asked(Vec<(Hash, Vec<i8>)>);

/// Why bytes are not what a rater asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskedError {
    /// Cut short, too long, or something else.
    #[error("what was asked for lately cannot be read: {0}")]
    Format(String),
    /// For a model of another size, or more of them than are kept.
    #[error("what was asked for lately is not of this model")]
    OtherModel,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked(at {} models)", self.0.len())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        for (_, direction) in &mut self.0 {
            direction.zeroize();
        }
    }
}

impl Asked {
    /// Of a rater that has asked nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was asked for at the last [`ASKED`] models before `model`, the newest last.
    pub fn before(&self, model: &Hash) -> Vec<&[i8]> {
        let others = self.0.iter().rev().filter(|(at, _)| at != model);
        let mut asked: Vec<&[i8]> = others.take(ASKED).map(|(_, of)| of.as_slice()).collect();
        asked.reverse();
        asked
    }

    /// Remembers the second direction at `model`, instead of one that was asked for there before.
    pub fn keep(&mut self, model: Hash, direction: Vec<i8>) {
        self.0.retain_mut(|(at, of)| {
            let stays = *at != model;
            if !stays {
                of.zeroize();
            }
            stays
        });
        self.0.push((model, direction));
        let excess = self.0.len().saturating_sub(ASKED + 1);
        for (_, mut of) in self.0.drain(..excess) {
            of.zeroize();
        }
    }

    /// Bytes on disk at most, for a model of so many parameters.
    pub fn max_bytes(parameters: usize) -> usize {
        4 + (ASKED + 1) * (size_of::<Hash>() + 4 + parameters)
    }

    /// For disk, in the ledger's encoding.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::new());
        // Writing to memory cannot fail.
        let _ = self.serialize(&mut *bytes);
        bytes
    }

    /// Reads what [`Asked::to_bytes`] wrote for a model of so many parameters.
    ///
    /// # Errors
    /// [`AskedError`]: start with none; nothing but the company's own opinions of the next rounds depends on them.
    pub fn from_bytes(bytes: &[u8], parameters: usize) -> Result<Self, AskedError> {
        if bytes.len() > Self::max_bytes(parameters) {
            return Err(AskedError::OtherModel);
        }
        let read: Self =
            borsh::from_slice(bytes).map_err(|error| AskedError::Format(error.to_string()))?;
        let fits = |(_, direction): &(Hash, Vec<i8>)| direction.len() == parameters;
        match read.0.len() <= ASKED + 1 && read.0.iter().all(fits) {
            true => Ok(read),
            false => Err(AskedError::OtherModel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(models: &[u8]) -> Asked {
        let mut asked = Asked::new();
        for model in models {
            asked.keep([*model; 32], vec![*model as i8; 3]);
        }
        asked
    }

    #[test]
    fn what_was_asked_at_the_last_two_other_models_is_known() {
        assert!(at(&[]).before(&[1; 32]).is_empty());
        assert_eq!(at(&[1, 2, 3]).before(&[4; 32]), [[2; 3], [3; 3]]);
        // Asked again at the same model, as in a round after one that gave none, or after kill -9.
        assert_eq!(at(&[1, 2, 3]).before(&[3; 32]), [[1; 3], [2; 3]]);
        let mut again = at(&[1, 2, 3]);
        again.keep([3; 32], vec![9; 3]);
        assert_eq!(again.before(&[3; 32]), [[1; 3], [2; 3]]);
        assert_eq!(again.before(&[4; 32]), [[2; 3], [9; 3]]);
    }

    #[test]
    fn it_is_saved_and_read_alike_and_what_is_not_it_is_refused() {
        let asked = at(&[1, 2, 3, 4]);
        let bytes = asked.to_bytes();
        assert_eq!(bytes.len(), Asked::max_bytes(3));
        assert_eq!(Asked::from_bytes(&bytes, 3), Ok(asked));
        assert_eq!(Asked::from_bytes(&bytes, 2), Err(AskedError::OtherModel));
        assert_eq!(Asked::from_bytes(&bytes, 4), Err(AskedError::OtherModel));
        for cut in 0..bytes.len() {
            assert!(matches!(
                Asked::from_bytes(&bytes[..cut], 3),
                Err(AskedError::Format(_))
            ));
        }
        let mut many = bytes.to_vec();
        many[0] = 200;
        assert!(matches!(
            Asked::from_bytes(&many, 3),
            Err(AskedError::Format(_))
        ));
    }

    #[test]
    fn its_numbers_are_not_printed() {
        assert_eq!(format!("{:?}", at(&[7, 8])), "Asked(at 2 models)");
    }
}
