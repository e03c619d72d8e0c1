//! The machine's effects, carried out in the world.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use unsilo_ledger::{SignedEntry, State};
use unsilo_proto::{Rejected, v1::Step};

use super::{Task, internal, now_ms};
use crate::{
    owner::{
        Command,
        jobs::{DecodeJob, ProjectJob},
    },
    round::{Announcement, DecodeFailure, Effect, Event, Recalled},
};

/// How many columns the round under way measures; `None` if it is one of training.
fn measured_columns(ledger: &State) -> Option<usize> {
    let measured = ledger.draft()?.schema.measured();
    ledger.is_measuring().then(|| measured.count())
}

impl Task {
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Rejected> {
        let mut queue = std::collections::VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            match effect {
                Effect::SignAndAppend {
                    entry,
                    mut signatures,
                } => {
                    signatures.push(entry.sign(&self.federation, &self.identity));
                    self.append(SignedEntry::new(entry, signatures))?;
                    queue.extend(self.advance()?);
                }
                Effect::Append(entry) => {
                    self.append(entry)?;
                    queue.extend(self.advance()?);
                }
                Effect::Announce { kind, cosigned } => self.announce(kind, cosigned),
                Effect::Recall { round } => {
                    let recalled = self.recall(round)?;
                    let event = Event::Recalled { round, recalled };
                    queue.extend(self.machine.handle(event, now_ms(), self.ledger.state())?);
                }
                Effect::Note { round, note } => {
                    self.scalars.note(round, &note).map_err(internal)?;
                    let event = Event::Noted { round, note };
                    queue.extend(self.machine.handle(event, now_ms(), self.ledger.state())?);
                }
                Effect::Project { round } => {
                    let Some(job) = ProjectJob::of(self.ledger.state()) else {
                        continue;
                    };
                    let jobs = self.jobs.clone();
                    self.spawn(Event::ProjectFailed { round }, move || jobs.project(&job));
                }
                Effect::Sum { round, weights } => {
                    let jobs = self.jobs.clone();
                    self.spawn(Event::SumFailed { round }, move || {
                        jobs.sum(round, &weights)
                    });
                }
                Effect::Decode {
                    round,
                    threshold,
                    answers,
                    weights,
                    from,
                    unit_log2,
                } => {
                    let jobs = self.jobs.clone();
                    let job = DecodeJob {
                        round,
                        threshold,
                        answers,
                        weights,
                        from,
                        unit_log2,
                        columns: measured_columns(self.ledger.state()),
                    };
                    let failed = Event::Decoded {
                        round,
                        result: Err(DecodeFailure::Store("the job did not end".into())),
                    };
                    self.spawn(failed, move || jobs.decode(&job));
                }
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Vec<Effect>, Rejected> {
        self.machine
            .handle(Event::Advanced, now_ms(), self.ledger.state())
    }

    fn announce(&self, kind: Announcement, cosigned: bool) {
        let now_ms = now_ms();
        let ledger_entries = self.ledger.len();
        let checkpoint = if cosigned {
            self.members_note()
        } else {
            String::new()
        };
        self.steps.send_modify(|step| {
            *step = Step {
                id: now_ms.max(step.id + 1),
                ledger_entries,
                now_ms,
                kind: Some(kind),
                checkpoint,
            };
        });
    }

    /// What the disk holds of a closed round from before a restart.
    fn recall(&self, round: u64) -> Result<Recalled, Rejected> {
        let notes = self.scalars.notes(round).map_err(internal)?;
        Ok(Recalled {
            answers: self.scalars.answered(round).map_err(internal)?,
            judged: notes.judged,
            void: notes.void,
        })
    }

    /// Runs a job on its own thread. It reports `failed` if it panics or cannot be started: a job that ends
    /// without a word would hold up its round until the next restart.
    fn spawn(&mut self, failed: Event, job: impl FnOnce() -> Event + Send + 'static) {
        let commands = self.commands.clone();
        let failed = Arc::new(Mutex::new(Some(failed)));
        let instead = {
            let failed = failed.clone();
            move || failed.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        let spawned = thread::Builder::new().name("job".into()).spawn(move || {
            let event = catch_unwind(AssertUnwindSafe(job)).ok().or_else(instead);
            if let (Some(event), Some(commands)) = (event, commands.upgrade()) {
                // The owner is gone only when the process stops.
                let _ = commands.blocking_send(Command::Finished(event));
            }
        });
        self.running.retain(|job| !job.is_finished());
        match spawned {
            Ok(job) => self.running.push(job),
            Err(error) => {
                tracing::error!(%error, "no thread for a background job");
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                self.unstarted.extend(failed.take());
            }
        }
    }
}
