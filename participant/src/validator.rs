//! The rater that is built into a node: its directions come from training on the rows held out, its opinions from moving
//! averages of what the committee answered. The rule is [`crate::rating`]; here are its data, its disk and its randomness.

use std::{
    fmt,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use unsilo_fhe::Params;
use unsilo_ledger::ParticipantId;
use unsilo_train::{Dataset, StepReport, TrainConfig, Trainer};

use crate::{
    error::NodeError,
    join::no_randomness,
    keystore,
    learner::Seeds,
    rater::{Answered, Opinion, Rater, RoundStart},
    rating::{Asked, Averages, Known, chance_product, directions},
};

/// Averages that are read at most: more than those of as many contributors as a federation may have.
const MAX_AVERAGES_BYTES: usize = 1 << 20;

/// Rates by the rows that its company holds out, or by all where those are very few ([`crate::data::Divided::rating_rows`]). `Debug` shows no row.
pub(crate) struct Validator {
    pub(crate) trainer: Trainer,
    /// As the federation agreed; each direction takes a seed of its own.
    pub(crate) training: TrainConfig,
    pub(crate) params: Params,
    pub(crate) rows: Dataset,
    pub(crate) seeds: Seeds,
    /// File of the averages.
    pub(crate) averages: PathBuf,
    /// File of what it asked for lately.
    pub(crate) asked: PathBuf,
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Rater for Validator {
    fn directions(
        &self,
        start: &RoundStart<'_>,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<Vec<i8>>, String> {
        let seed = self.seeds.of("direction", start.round).map_err(text)?;
        let mut asked = self.asked();
        let found = directions(
            &self.trainer,
            &self.params,
            start.weights,
            &self.rows,
            &TrainConfig {
                seed,
                ..self.training.clone()
            },
            &Known {
                differences: start.differences,
                asked: &asked.before(&start.model),
            },
            progress,
        )
        .map_err(text)?;
        if let [_, second] = &found[..] {
            asked.keep(start.model, second.clone());
            let kept = keystore::write(&self.asked, &asked.to_bytes());
            kept.unwrap_or_else(|error| not_kept(&error));
        }
        Ok(found)
    }

    fn row(&self, answered: &Answered<'_>) -> Result<Vec<Opinion>, String> {
        let from_bytes = |bytes: &[u8]| Averages::from_bytes(bytes).map_err(text);
        let mut averages =
            read_or_new(&self.averages, MAX_AVERAGES_BYTES, from_bytes).map_err(text)?;
        let accepted: Vec<(ParticipantId, u16)> = answered
            .contributors
            .iter()
            .map(|one| (one.participant, one.norm_exponent))
            .collect();
        // A round that was taken in before changes nothing: a node that was killed after this write says the same again.
        let chance = answered
            .directions
            .first()
            .map_or(0.0, |direction| chance_product(direction));
        if averages.observe(answered.round, &accepted, chance, answered.scores) {
            keystore::write(&self.averages, &averages.to_bytes()).map_err(text)?;
        }
        let contributors: Vec<ParticipantId> = accepted.iter().map(|(id, _)| *id).collect();
        Ok(averages.opinions(&contributors))
    }
}

impl Validator {
    /// What was asked for lately. Nothing where it cannot be read: it makes pay fairer, and no rating needs it.
    fn asked(&self) -> Asked {
        let parameters = self.params.parameters();
        let read = |bytes: &[u8]| Asked::from_bytes(bytes, parameters).map_err(text);
        read_or_new(&self.asked, Asked::max_bytes(parameters), read).unwrap_or_else(|error| {
            not_kept(&error);
            Asked::new()
        })
    }
}

/// A disk that is full stops the node where the directions themselves are kept, and says so.
fn not_kept(error: &NodeError) {
    tracing::warn!(%error, "what this company asked for lately is not remembered: mend that file's place");
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

/// What is kept at `path`; nothing yet if there is no file. One that is damaged is set aside, and begun anew: it is this company's own
/// memory, and a moving one.
fn read_or_new<T: Default>(
    path: &Path,
    max_bytes: usize,
    from_bytes: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, NodeError> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(NodeError::io("read", path)(error)),
        Ok(file) => file
            .take(max_bytes as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(NodeError::io("read", path))?,
    };
    from_bytes(&bytes).or_else(|reason| {
        let aside = path.with_added_extension("damaged");
        fs::rename(path, &aside).map_err(NodeError::io("rename", path))?;
        tracing::warn!(reason, kept = %aside.display(), "what a rater remembers is damaged and starts anew");
        Ok(T::default())
    })
}

/// What the rows held out are drawn by: the number kept at `path`, or, the first time, `configured`, or one from the
/// operating system. Kept, so that the same rows stay held out whatever changes in the configuration.
pub(crate) fn held_out_seed(path: &Path, configured: Option<u64>) -> Result<u64, NodeError> {
    if path.exists() {
        let kept = keystore::read(path)?;
        let number = std::str::from_utf8(&kept)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        return number.ok_or_else(|| {
            NodeError::config(
                path,
                "this is not the number by which rows are held out: restore it, or remove it to have others held out",
            )
        });
    }
    let seed = match configured {
        Some(seed) => seed,
        None => {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).map_err(no_randomness)?;
            u64::from_le_bytes(bytes)
        }
    };
    keystore::write(path, seed.to_string().as_bytes())?;
    Ok(seed)
}

#[cfg(test)]
mod tests;
