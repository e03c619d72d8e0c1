//! What participants sign outside of the rounds, over restarts.

use std::fs;
use std::io::ErrorKind;

use unsilo_proto::Rejected;

use super::{Task, internal};
use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
    round::{Event, Signed},
};

impl Task {
    /// People sign once, so a signature is on disk, or its entry on the ledger, before it is acknowledged.
    pub(super) fn sign(&mut self, event: Event) -> Result<(), Rejected> {
        self.step(event)?;
        let waiting: Vec<Signed> = self.machine.signatures().collect();
        borsh::to_vec(&waiting)
            .map_err(CoordinatorError::io("write", &self.signatures))
            .and_then(|bytes| durable::write(&self.signatures, &bytes, Readers::Owner))
            .map_err(internal)
    }

    pub(super) fn recover_signatures(&mut self) -> Result<(), CoordinatorError> {
        let bytes = match fs::read(&self.signatures) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            bytes => bytes.map_err(CoordinatorError::io("read", &self.signatures))?,
        };
        let waiting: Vec<Signed> = borsh::from_slice(&bytes)
            .map_err(|error| CoordinatorError::config(&self.signatures, error.to_string()))?;
        for signed in waiting {
            // Refused is what the ledger holds, or does not take any more, in the meantime.
            let _ = self.step(Event::Signed(signed));
        }
        Ok(())
    }
}
