//! Evidence for rejections, as members sent it.

use super::{Scalars, Written, read};
use crate::error::CoordinatorError;

impl Scalars {
    /// Keeps checked evidence against a participant's contribution. The first stays: it shows what it must.
    pub(crate) fn keep_evidence(
        &self,
        round: u64,
        participant: u32,
        evidence: &[u8],
    ) -> Result<Written, CoordinatorError> {
        let path = self.file(round, "evidence", &participant.to_string());
        self.write_once(&path, evidence)
    }

    /// Whether there is evidence against a participant's contribution.
    pub(crate) fn has_evidence(&self, round: u64, participant: u32) -> bool {
        self.file(round, "evidence", &participant.to_string())
            .exists()
    }

    /// The evidence against a participant's contribution.
    pub(crate) fn evidence(
        &self,
        round: u64,
        participant: u32,
    ) -> Result<Vec<u8>, CoordinatorError> {
        read(&self.file(round, "evidence", &participant.to_string()))
    }
}
