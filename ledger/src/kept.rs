//! The newest checkpoints of a log, with what participants cosigned of them.

use crate::checkpoint::{
    CheckpointCosignature, CosignatureAdded, CosignatureError, CosignedCheckpoint, SignedCheckpoint,
};
use crate::state::State;
use std::collections::BTreeMap;

/// How many checkpoints that nobody cosigned are kept, the newest: they can be cosigned, and are held against
/// what the coordinator shows. An append makes one.
pub const KEPT_CHECKPOINTS: usize = 1_024;
/// How many cosigned checkpoints are kept, the newest: a round has three or four.
pub const KEPT_COSIGNED: usize = 64;

/// By size.
#[derive(Clone, Default)]
pub(crate) struct KeptCheckpoints {
    /// Without any cosignature.
    bare: BTreeMap<u64, CosignedCheckpoint>,
    cosigned: BTreeMap<u64, CosignedCheckpoint>,
}

impl KeptCheckpoints {
    /// Keeps a checkpoint in place of what was kept of its size.
    pub(crate) fn keep(&mut self, cosigned: CosignedCheckpoint) {
        let size = cosigned.checkpoint().size;
        let (map, limit) = if cosigned.cosigners().len() == 0 {
            (&mut self.bare, KEPT_CHECKPOINTS)
        } else {
            self.bare.remove(&size);
            (&mut self.cosigned, KEPT_COSIGNED)
        };
        map.insert(size, cosigned);
        while map.len() > limit {
            map.pop_first();
        }
    }

    pub(crate) fn keep_signed(&mut self, signed: &SignedCheckpoint) {
        if self.at(signed.checkpoint().size).is_none() {
            self.keep(CosignedCheckpoint::new(signed.clone()));
        }
    }

    pub(crate) fn at(&self, size: u64) -> Option<&CosignedCheckpoint> {
        self.cosigned.get(&size).or_else(|| self.bare.get(&size))
    }

    /// Those that somebody cosigned, newest first.
    pub(crate) fn cosigned(&self) -> impl Iterator<Item = &CosignedCheckpoint> {
        self.cosigned.values().rev()
    }

    fn newest(&self) -> u64 {
        let newest = |map: &BTreeMap<u64, _>| map.last_key_value().map_or(0, |(size, _)| *size);
        newest(&self.cosigned).max(newest(&self.bare))
    }

    /// The checkpoint of `size` entries with one more cosignature, not kept yet; `None` if it was there.
    pub(crate) fn with(
        &self,
        size: u64,
        cosignature: CheckpointCosignature,
        state: &State,
    ) -> Result<Option<CosignedCheckpoint>, CosignatureError> {
        let participant = cosignature.participant;
        let key = state
            .cosigner_key(participant)
            .ok_or(CosignatureError::UnknownCosigner { participant })?;
        let newest = self.newest();
        let mut cosigned = self
            .at(size)
            .ok_or(CosignatureError::NoCheckpoint { size, newest })?
            .clone();
        let added = cosigned.add(cosignature, &key)?;
        Ok((added == CosignatureAdded::New).then_some(cosigned))
    }

    /// `cosigned`, which the coordinator sent, together with what is kept of its size; `None` if it says nothing new.
    pub(crate) fn merged(
        &self,
        mut cosigned: CosignedCheckpoint,
        state: &State,
    ) -> Result<Option<CosignedCheckpoint>, CosignatureError> {
        let Some(kept) = self.at(cosigned.checkpoint().size) else {
            let says_something = cosigned.cosigners().len() > 0;
            return Ok(says_something.then_some(cosigned));
        };
        for cosignature in kept.cosignatures() {
            if let Some(key) = state.cosigner_key(cosignature.participant) {
                cosigned.add(*cosignature, &key)?;
            }
        }
        let says_more = cosigned.cosigners().len() > kept.cosigners().len();
        Ok(says_more.then_some(cosigned))
    }
}
