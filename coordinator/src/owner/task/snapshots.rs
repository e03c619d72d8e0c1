//! When a snapshot of the log is made, and which is handed out.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Instant,
};

use unsilo_ledger::StoreError;

use super::Task;
use crate::owner::{
    Command,
    snapshots::{self, Handed, Made},
};

impl Task {
    /// Looks at the snapshot that an earlier process left; and keeps the books if the log ends with a publication, so that
    /// a snapshot can be made of it as before the restart.
    pub(super) fn recover_snapshot(&mut self) {
        let published = self.ledger.replica().published();
        if published.is_some_and(|published| published.checkpoint.size == self.ledger.len()) {
            self.ledger.keep_books();
        }
        if !self.snapshots.path.exists() {
            return;
        }
        let path = self.snapshots.path.clone();
        let (coordinator, federation) = (self.identity.public(), self.federation);
        self.beside_owner(None, move || {
            snapshots::read(&path, &coordinator, &federation)
        });
    }

    /// Makes the newest snapshot that more than half of the owners cosigned, on a thread of its own.
    pub(super) fn make_snapshot_if_due(&mut self) {
        if self.snapshots.making || Instant::now() < self.snapshots.not_before {
            return;
        }
        let newest = self.ledger.newest_snapshot();
        let Some(size) = newest.filter(|size| *size > self.snapshots.size()) else {
            return;
        };
        match self.ledger.snapshot_job(size) {
            Ok(job) => {
                let path = self.snapshots.path.clone();
                self.beside_owner(Some(size), move || snapshots::make(job, &path));
            }
            Err(error) => {
                tracing::error!(size, %error, "no snapshot of the ledger can be made");
                self.ledger.forget_books(size);
            }
        }
    }

    fn beside_owner(
        &mut self,
        made_of: Option<u64>,
        job: impl FnOnce() -> Result<Handed, StoreError> + Send + 'static,
    ) {
        let commands = self.commands.clone();
        self.snapshots.making = true;
        let spawned = thread::Builder::new()
            .name("snapshot".into())
            .spawn(move || {
                let began = Instant::now();
                let ended = catch_unwind(AssertUnwindSafe(job));
                let made = Made {
                    made_of,
                    result: match ended {
                        Ok(result) => result.map_err(|error| error.to_string()),
                        Err(_) => Err("the work did not end".to_owned()),
                    },
                    took: began.elapsed(),
                };
                if let Some(commands) = commands.upgrade() {
                    // The owner is gone only when the process stops.
                    let _ = commands.blocking_send(Command::SnapshotMade(made));
                }
            });
        self.running.retain(|job| !job.is_finished());
        match spawned {
            Ok(job) => self.running.push(job),
            Err(error) => {
                tracing::error!(%error, "no thread for a snapshot of the ledger");
                self.snapshots.making = false;
            }
        }
    }

    /// Hands a snapshot out from now on, if it is of this log.
    pub(super) fn hand_out(&mut self, made: Made) {
        self.snapshots.made(made.took);
        let handed = match made.result {
            Ok(handed) => handed,
            Err(error) => {
                match made.made_of {
                    Some(size) => {
                        tracing::error!(%error, "there is no new snapshot of the ledger; it is tried again after the next round");
                        // Not this one again and again: the disk may be full.
                        self.ledger.forget_books(size);
                    }
                    None => tracing::warn!(
                        %error,
                        "the snapshot of the ledger on disk is not handed out; the next one takes its place"
                    ),
                }
                return;
            }
        };
        let size = handed.snapshot.entries;
        let of_this_log = handed
            .root
            .is_none_or(|root| self.ledger.replica().root_at(size) == Ok(root));
        if !of_this_log {
            tracing::warn!(
                size,
                "the snapshot on disk is not of this ledger, which was put back from a backup: it is removed"
            );
            let _ = fs::remove_file(&self.snapshots.path);
            return;
        }
        tracing::info!(
            entries = size,
            bytes = handed.snapshot.bytes,
            took_ms = made.took.as_millis(),
            "a snapshot of the ledger is handed out"
        );
        self.ledger.forget_books(size);
        self.snapshots
            .newest
            .send_replace(Some(Arc::new(handed.snapshot)));
    }
}
