//! Weights on disk: safetensors files named by the model's hash, which is checked whenever one is read.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use data_encoding::HEXLOWER;
use unsilo_ledger::{Hash, ModelHasher, ModelSpec, initial_weights_q24};
use unsilo_train::{MlpConfig, weights};

use crate::{error::NodeError, keystore};

/// Weights hashed at a time.
const BATCH: usize = 1 << 14;

/// The directory of models.
#[derive(Clone, Debug)]
pub(crate) struct ModelStore {
    directory: PathBuf,
    spec: ModelSpec,
    shape: MlpConfig,
}

impl ModelStore {
    pub(crate) fn open(
        directory: PathBuf,
        spec: ModelSpec,
        shape: MlpConfig,
    ) -> Result<Self, NodeError> {
        keystore::private_directory(&directory)?;
        Ok(Self {
            directory,
            spec,
            shape,
        })
    }

    /// Hashes of the models there. A file that is damaged is noticed when it is read.
    pub(crate) fn held(&self) -> Result<BTreeSet<Hash>, NodeError> {
        Ok(self.files()?.into_iter().map(|(hash, _)| hash).collect())
    }

    /// Writes `weights` under their hash, which it returns; durable when it returns.
    pub(crate) fn save(&self, weights: &[f32]) -> Result<Hash, NodeError> {
        let hash = self.hash(weights);
        self.save_as(&self.path(&hash), weights)?;
        Ok(hash)
    }

    /// The weights with this hash.
    pub(crate) fn load(&self, hash: &Hash) -> Result<Vec<f32>, NodeError> {
        let path = self.path(hash);
        let weights = self.load_from(&path)?;
        if self.hash(&weights) == *hash {
            return Ok(weights);
        }
        // Kept for a look, but not under the name of a model it is not.
        let aside = path.with_extension("damaged");
        fs::rename(&path, &aside).map_err(NodeError::io("rename", &path))?;
        Err(NodeError::Computation(format!(
            "{} did not hold the model it is named by (now {}): start again, it is fetched anew",
            path.display(),
            aside.display()
        )))
    }

    /// The hash of `weights`, as the ledger names models.
    pub(crate) fn hash(&self, weights: &[f32]) -> Hash {
        let mut hasher = ModelHasher::new(&self.spec);
        let mut bytes = Vec::with_capacity(4 * BATCH);
        for batch in weights.chunks(BATCH) {
            bytes.clear();
            bytes.extend(batch.iter().flat_map(|weight| weight.to_le_bytes()));
            hasher.update(&bytes);
        }
        hasher.finish()
    }

    /// The first weights of the federation. Integers of at most 24 bits over 2^24: the conversion is exact.
    pub(crate) fn first(&self, seed: &Hash) -> Vec<f32> {
        const UNIT: f32 = 1.0 / 16_777_216.0;
        initial_weights_q24(&self.spec, seed)
            .into_iter()
            .map(|value| value as f32 * UNIT)
            .collect()
    }

    /// The model trained alone, after how many rounds.
    pub(crate) fn alone(&self) -> Result<Option<(u64, Vec<f32>)>, NodeError> {
        let newest = self
            .alone_files()?
            .into_iter()
            .max_by_key(|(round, _)| *round);
        match newest {
            Some((round, path)) => Ok(Some((round, self.load_from(&path)?))),
            None => Ok(None),
        }
    }

    /// Keeps the model trained alone for the rounds up to `round`.
    pub(crate) fn save_alone(&self, round: u64, weights: &[f32]) -> Result<(), NodeError> {
        self.save_as(
            &self.directory.join(format!("alone-{round}.safetensors")),
            weights,
        )?;
        for (older, path) in self.alone_files()? {
            if older < round {
                fs::remove_file(&path).map_err(NodeError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Removes the oldest models beyond `keep` (0 keeps all), never those in `needed`.
    pub(crate) fn prune(&self, keep: usize, needed: &[Hash]) -> Result<(), NodeError> {
        let mut files = self.files()?;
        if keep == 0 || files.len() <= keep {
            return Ok(());
        }
        let age = |path: &Path| {
            fs::metadata(path)
                .and_then(|found| found.modified())
                .unwrap_or(SystemTime::UNIX_EPOCH)
        };
        files.sort_by_key(|(_, path)| std::cmp::Reverse(age(path)));
        for (hash, path) in files.split_off(keep) {
            if !needed.contains(&hash) {
                fs::remove_file(&path).map_err(NodeError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        self.directory
            .join(format!("{}.safetensors", HEXLOWER.encode(hash)))
    }

    fn save_as(&self, path: &Path, values: &[f32]) -> Result<(), NodeError> {
        let file = weights::to_safetensors(&self.shape, values)
            .map_err(|error| NodeError::Computation(error.to_string()))?;
        keystore::write(path, &file)
    }

    fn load_from(&self, path: &Path) -> Result<Vec<f32>, NodeError> {
        let file = fs::read(path).map_err(NodeError::io("read", path))?;
        weights::from_safetensors(&self.shape, &file)
            .map_err(|error| NodeError::Computation(format!("{}: {error}", path.display())))
    }

    fn names(&self) -> Result<Vec<(String, PathBuf)>, NodeError> {
        let unreadable = || NodeError::io("read", &self.directory);
        let mut names = Vec::new();
        for file in fs::read_dir(&self.directory).map_err(unreadable())? {
            let path = file.map_err(unreadable())?.path();
            let stem = path.file_name().and_then(|name| name.to_str());
            if let Some(stem) = stem.and_then(|name| name.strip_suffix(".safetensors")) {
                names.push((stem.to_owned(), path));
            }
        }
        Ok(names)
    }

    fn files(&self) -> Result<Vec<(Hash, PathBuf)>, NodeError> {
        let hash = |name: &str| HEXLOWER.decode(name.as_bytes()).ok()?.try_into().ok();
        Ok(self
            .names()?
            .into_iter()
            .filter_map(|(name, path)| Some((hash(&name)?, path)))
            .collect())
    }

    fn alone_files(&self) -> Result<Vec<(u64, PathBuf)>, NodeError> {
        Ok(self
            .names()?
            .into_iter()
            .filter_map(|(name, path)| Some((name.strip_prefix("alone-")?.parse().ok()?, path)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use unsilo_ledger::{ModelKind, model_hash, q24_to_f32_bits};

    use super::*;

    fn store(directory: &Path) -> ModelStore {
        let spec = ModelSpec {
            kind: ModelKind::Mlp,
            layers: vec![40, 40, 5],
            activation: unsilo_ledger::Activation::Relu,
        };
        let shape = MlpConfig {
            layers: vec![40, 40, 5],
            activation: unsilo_train::Activation::Relu,
        };
        ModelStore::open(directory.join("models"), spec, shape).unwrap()
    }

    #[test]
    fn models_are_kept_under_the_ledgers_hash_and_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let first = store.first(&[7; 32]);
        let bytes: Vec<u8> = first
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect();
        let hash = store.save(&first).unwrap();
        assert_eq!(hash, model_hash(&store.spec, &bytes));
        assert_eq!(store.load(&hash).unwrap(), first);
        let exact = initial_weights_q24(&store.spec, &[7; 32]);
        assert!(
            exact
                .iter()
                .zip(&first)
                .all(|(value, weight)| q24_to_f32_bits(*value) == weight.to_bits())
        );

        fs::copy(store.path(&hash), store.path(&[9; 32])).unwrap();
        assert!(store.load(&[9; 32]).is_err());
        assert_eq!(store.held().unwrap(), BTreeSet::from([hash]));
    }

    #[test]
    fn old_models_are_removed_but_not_needed_ones() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let hashes: Vec<Hash> = (1..=4)
            .map(|seed| store.save(&store.first(&[seed; 32])).unwrap())
            .collect();
        store.prune(2, &[hashes[0]]).unwrap();
        let held = store.held().unwrap();
        assert!(held.contains(&hashes[0]) && held.len() <= 3);
        store.save_alone(1, &store.first(&[1; 32])).unwrap();
        store.save_alone(2, &store.first(&[2; 32])).unwrap();
        assert_eq!(store.alone().unwrap(), Some((2, store.first(&[2; 32]))));
        assert_eq!(store.alone_files().unwrap().len(), 1);
    }
}
