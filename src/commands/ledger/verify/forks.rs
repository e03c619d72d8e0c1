//! Proofs of a fork that a participant keeps beside its ledger.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use unsilo_ledger::{ForkProof, PublicKey};

/// More than any proof has.
const MAX_PROOF_BYTES: u64 = 64 * 1024;

/// An alarm about a fork, kept.
pub(super) struct KeptFork {
    /// The proof, or the alarm's text where there is none.
    pub(super) path: PathBuf,
    /// The numbers of entries of the two checkpoints, if a proof verifies with the coordinator's key.
    pub(super) sizes: Option<[u64; 2]>,
}

/// Those in the directory of a participant; none in any other.
pub(super) fn kept(directory: &Path, coordinator: &PublicKey) -> Vec<KeptFork> {
    let Ok(files) = fs::read_dir(directory.join("alarms")) else {
        return Vec::new();
    };
    let mut alarms: Vec<PathBuf> = files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("fork-") && name.ends_with(".txt")
        })
        .collect();
    alarms.sort();
    alarms
        .into_iter()
        .map(|text| {
            let proof = text.with_extension("proof");
            match sizes(&proof, coordinator) {
                Some(sizes) => KeptFork {
                    path: proof,
                    sizes: Some(sizes),
                },
                None => KeptFork {
                    path: text,
                    sizes: None,
                },
            }
        })
        .collect()
}

fn sizes(proof: &Path, coordinator: &PublicKey) -> Option<[u64; 2]> {
    let mut bytes = Vec::new();
    let file = File::open(proof).ok()?;
    file.take(MAX_PROOF_BYTES).read_to_end(&mut bytes).ok()?;
    let proof = ForkProof::from_bytes(&bytes, coordinator).ok()?;
    Some(proof.checkpoints().map(|signed| signed.checkpoint().size))
}
