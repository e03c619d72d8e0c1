//! Published models on disk, by hash, and the one that is served.

use std::{fs, path::PathBuf};

use data_encoding::HEXLOWER;
use unsilo_ledger::{Hash, ModelSpec, initial_weights_q24, model_hash};

use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
};

/// The directory of models: `HASH.f32`, little-endian 32-bit floats in the order of `unsilo_ledger::model_hash`.
#[derive(Clone, Debug)]
pub(crate) struct Models {
    directory: PathBuf,
    spec: ModelSpec,
}

impl Models {
    pub(crate) fn open(directory: PathBuf, spec: ModelSpec) -> Result<Self, CoordinatorError> {
        durable::private_directory(&directory)?;
        Ok(Self { directory, spec })
    }

    pub(crate) fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Stores a model and returns its hash.
    pub(crate) fn store(&self, weights: &[f32]) -> Result<Hash, CoordinatorError> {
        let bytes: Vec<u8> = weights
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect();
        let hash = model_hash(&self.spec, &bytes);
        // Written also if it is there: the file may have been damaged since.
        durable::write(&self.path(&hash), &bytes, Readers::Owner)?;
        Ok(hash)
    }

    /// The first model, which follows from the founders' seed.
    pub(crate) fn store_initial(&self, founders_seed: &Hash) -> Result<Hash, CoordinatorError> {
        // Every value is a multiple of 2^-24 with at most 24 significant bits: exact in an f32.
        let weights: Vec<f32> = initial_weights_q24(&self.spec, founders_seed)
            .into_iter()
            .map(|value| f32::from_bits(unsilo_ledger::q24_to_f32_bits(value)))
            .collect();
        self.store(&weights)
    }

    /// The bytes of a stored model, checked against their hash.
    pub(crate) fn bytes(&self, hash: &Hash) -> Result<Vec<u8>, CoordinatorError> {
        let path = self.path(hash);
        let bytes = fs::read(&path).map_err(CoordinatorError::io("read", &path))?;
        if model_hash(&self.spec, &bytes) == *hash {
            Ok(bytes)
        } else {
            Err(CoordinatorError::config(
                path,
                "this model file was changed: its content does not match its name; remove it and restore it from a backup",
            ))
        }
    }

    /// The weights of a stored model.
    pub(crate) fn weights(&self, hash: &Hash) -> Result<Vec<f32>, CoordinatorError> {
        let bytes = self.bytes(hash)?;
        Ok(bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect())
    }

    /// Where a model is kept.
    pub(crate) fn path(&self, hash: &Hash) -> PathBuf {
        self.directory
            .join(format!("{}.f32", HEXLOWER.encode(hash)))
    }
}

/// Which round's model the endpoint serves: the newest, unless the admin rolled back. Training goes on from the
/// newest, always. A file that holds the number of the round, or none; whoever writes it, a running coordinator notices.
#[derive(Clone, Debug)]
pub(crate) struct Pin(PathBuf);

impl Pin {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The round, if not the newest.
    pub(crate) fn read(&self) -> Result<Option<u64>, CoordinatorError> {
        let text = match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(CoordinatorError::io("read", &self.0))?,
        };
        let round = text.trim().parse().map_err(|_| {
            CoordinatorError::config(
                &self.0,
                "does not hold the number of a round: write it with `unsilo coordinator rollback`",
            )
        })?;
        Ok(Some(round))
    }

    /// Serves the model of this round from now on, or the newest.
    pub(crate) fn write(&self, round: Option<u64>) -> Result<(), CoordinatorError> {
        match round {
            Some(round) => durable::write(&self.0, round.to_string().as_bytes(), Readers::Owner),
            None => match fs::remove_file(&self.0) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(CoordinatorError::io("remove", &self.0)(error))
                }
                _ => durable::sync_parent(&self.0).map_err(CoordinatorError::io("write", &self.0)),
            },
        }
    }
}
