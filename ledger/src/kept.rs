//! The newest checkpoints of a log, with what participants cosigned of them.

use crate::checkpoint::{
    CheckpointCosignature, CosignatureAdded, CosignatureError, CosignedCheckpoint, SignedCheckpoint,
};
use crate::state::State;
use std::collections::BTreeMap;

/// How many checkpoints can be cosigned and shown: the newest. A round has about three that its members must
/// cosign, and entries that others append in between make a few more, so this is tens of rounds.
pub const KEPT_CHECKPOINTS: usize = 1_024;

/// By size.
#[derive(Clone, Default)]
pub(crate) struct KeptCheckpoints(BTreeMap<u64, CosignedCheckpoint>);

impl KeptCheckpoints {
    /// Keeps one more checkpoint, which is not of a size kept already, or adds what this one has to it.
    pub(crate) fn keep(&mut self, cosigned: CosignedCheckpoint) {
        self.0.insert(cosigned.checkpoint().size, cosigned);
        while self.0.len() > KEPT_CHECKPOINTS {
            self.0.pop_first();
        }
    }

    pub(crate) fn keep_signed(&mut self, signed: &SignedCheckpoint) {
        if !self.0.contains_key(&signed.checkpoint().size) {
            self.keep(CosignedCheckpoint::new(signed.clone()));
        }
    }

    pub(crate) fn at(&self, size: u64) -> Option<&CosignedCheckpoint> {
        self.0.get(&size)
    }

    /// Newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &CosignedCheckpoint> {
        self.0.values().rev()
    }

    /// The checkpoint of `size` entries with one more cosignature, not kept yet; `None` if it was there.
    pub(crate) fn with(
        &self,
        size: u64,
        line: &str,
        state: &State,
    ) -> Result<Option<CosignedCheckpoint>, CosignatureError> {
        let cosignature = CheckpointCosignature::parse(line)?;
        let participant = cosignature.participant;
        let key = state
            .cosigner_key(participant)
            .ok_or(CosignatureError::UnknownCosigner { participant })?;
        let newest = self.0.last_key_value().map_or(0, |(newest, _)| *newest);
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
