//! What participants measured of the published models and chose to show: each its own figures, on its own rows.
//!
//! Nobody can check such a figure, so it is not on the ledger and nothing follows from it. It is kept in a file of
//! lines beside the ledger, so that a restart does not lose the chart; a line that a crash cut off is dropped.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use unsilo_ledger::ParticipantId;

use crate::error::CoordinatorError;

/// The file in the coordinator's directory.
const FILE_NAME: &str = "evaluations";
/// No more is read at a start and written ever: some 700,000 figures, of 80 bytes each.
const MAX_BYTES: u64 = 64 << 20;

/// What one participant showed of one round's model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Evaluation {
    /// Accuracy of the shared model on its own evaluation rows, 0 to 1.
    pub(crate) shared: f64,
    /// The same of a model trained on its own data alone.
    pub(crate) alone: Option<f64>,
}

/// A line of the file.
#[derive(Deserialize, Serialize)]
struct Line {
    round: u64,
    participant: u32,
    shared: f64,
    alone: Option<f64>,
}

/// All that was shown. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Evaluations {
    kept: Arc<Mutex<Kept>>,
    /// How many there are; changes with every new one.
    count: watch::Sender<usize>,
}

struct Kept {
    by_round: BTreeMap<u64, BTreeMap<ParticipantId, Evaluation>>,
    file: File,
    bytes: u64,
}

impl Evaluations {
    /// Opens the file in `directory`, or begins it.
    pub(crate) fn open(directory: &Path) -> Result<Self, CoordinatorError> {
        let path = directory.join(FILE_NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(CoordinatorError::io("open", &path))?;
        let mut bytes = Vec::new();
        (&mut file)
            .take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(CoordinatorError::io("read", &path))?;
        // What a crash left of a line: the next one must not continue it.
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        bytes.truncate(whole);
        let size = u64::try_from(whole).unwrap_or(u64::MAX);
        file.set_len(size)
            .map_err(CoordinatorError::io("cut", &path))?;
        let mut by_round: BTreeMap<u64, BTreeMap<_, _>> = BTreeMap::new();
        let mut count = 0;
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let Ok(line) = serde_json::from_slice::<Line>(line) else {
                return Err(CoordinatorError::config(
                    path,
                    "a line is not what this program writes: move the file away to go on without the figures that participants showed",
                ));
            };
            count += 1;
            by_round.entry(line.round).or_default().insert(
                ParticipantId(line.participant),
                Evaluation {
                    shared: line.shared,
                    alone: line.alone,
                },
            );
        }
        Ok(Self {
            kept: Arc::new(Mutex::new(Kept {
                by_round,
                file,
                bytes: size,
            })),
            count: watch::Sender::new(count),
        })
    }

    /// Keeps what `participant` shows of `round`, unless it showed something of it before. Whether the round was
    /// published is the caller's to check.
    pub(crate) fn keep(
        &self,
        round: u64,
        participant: ParticipantId,
        evaluation: Evaluation,
    ) -> Result<(), CoordinatorError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.by_round.get(&round);
        if known.is_some_and(|known| known.contains_key(&participant)) {
            return Ok(());
        }
        let line = Line {
            round,
            participant: participant.0,
            shared: evaluation.shared,
            alone: evaluation.alone,
        };
        let mut text = serde_json::to_string(&line)
            .map_err(|error| CoordinatorError::Directory(error.to_string()))?;
        text.push('\n');
        let size = kept.bytes.saturating_add(text.len() as u64);
        if size > MAX_BYTES {
            return Err(CoordinatorError::Directory(format!(
                "the file of evaluations has reached {MAX_BYTES} bytes: no more are kept"
            )));
        }
        // A crash leaves a whole line or the beginning of one, and so does a full disk: the next line must not continue it.
        if let Err(error) = kept.file.write_all(text.as_bytes()) {
            kept.file
                .set_len(kept.bytes)
                .map_err(CoordinatorError::io("cut", FILE_NAME))?;
            return Err(CoordinatorError::io("write", FILE_NAME)(error));
        }
        kept.bytes = size;
        kept.by_round
            .entry(round)
            .or_default()
            .insert(participant, evaluation);
        self.count.send_modify(|count| *count += 1);
        Ok(())
    }

    /// What was shown of each round from `from` on, ascending, of `rounds` rounds at most.
    pub(crate) fn from(
        &self,
        from: u64,
        rounds: usize,
    ) -> Vec<(u64, Vec<(ParticipantId, Evaluation)>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by_round
            .range(from..)
            .take(rounds)
            .map(|(round, of)| (*round, of.iter().map(|(id, shown)| (*id, *shown)).collect()))
            .collect()
    }

    /// How many there are, and a call whenever that changes.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_survive_a_restart_and_a_line_that_a_crash_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let first = Evaluation {
            shared: 0.9,
            alone: Some(0.6),
        };
        let later = Evaluation {
            shared: 0.1,
            alone: None,
        };
        let evaluations = Evaluations::open(directory.path()).unwrap();
        evaluations.keep(3, ParticipantId(1), first).unwrap();
        evaluations.keep(3, ParticipantId(1), later).unwrap();
        drop(evaluations);
        let path = directory.path().join(FILE_NAME);
        let mut cut = std::fs::read(&path).unwrap();
        cut.extend_from_slice(b"{\"round\":4,\"par");
        std::fs::write(&path, cut).unwrap();

        let evaluations = Evaluations::open(directory.path()).unwrap();
        evaluations.keep(5, ParticipantId(2), later).unwrap();
        let again = Evaluations::open(directory.path()).unwrap();
        assert_eq!(
            again.from(0, 9),
            [
                (3, vec![(ParticipantId(1), first)]),
                (5, vec![(ParticipantId(2), later)])
            ],
            "the first figures of a round count"
        );
        assert_eq!(*again.count().borrow(), 2);
        assert_eq!(again.from(4, 1).len(), 1);
    }
}
