//! A value that no longer changes, with its digest.

use crate::hash::{Domain, DomainHasher, Hash};
use borsh::{BorshDeserialize, BorshSerialize};
use std::io::{Read, Result, Write};
use std::ops::Deref;
use std::sync::Arc;

const FIXED: Domain = Domain::new("fixed part of the state");

/// Shared between copies of the state, and hashed once instead of for every state root.
#[derive(Debug)]
pub struct Fixed<T> {
    value: Arc<T>,
    digest: Hash,
}

impl<T: BorshSerialize> Fixed<T> {
    pub(crate) fn new(value: T) -> Self {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = value.serialize(&mut bytes);
        Self {
            digest: DomainHasher::new(FIXED).with(&bytes).finish(),
            value: Arc::new(value),
        }
    }

    /// The hash of the value's canonical bytes.
    pub(crate) fn digest(&self) -> &Hash {
        &self.digest
    }
}

/// As the value: the digest is computed again when it is read.
impl<T: BorshSerialize> BorshSerialize for Fixed<T> {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        self.value.serialize(writer)
    }
}

impl<T: BorshSerialize + BorshDeserialize> BorshDeserialize for Fixed<T> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        T::deserialize_reader(reader).map(Self::new)
    }
}

impl<T> Deref for Fixed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Clone for Fixed<T> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            digest: self.digest,
        }
    }
}

impl<T> PartialEq for Fixed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl<T> Eq for Fixed<T> {}
