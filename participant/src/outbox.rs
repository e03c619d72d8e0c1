//! Contributions on their way: durable before the first byte is sent, so that the same bytes are sent again after a
//! crash. A one-time key must never encrypt twice, so nothing here is ever recomputed.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

use crate::{error::NodeError, keystore};

/// The directory of contributions, one pair of files a round.
#[derive(Clone, Debug)]
pub(crate) struct Outbox(PathBuf);

impl Outbox {
    pub(crate) fn open(directory: PathBuf) -> Result<Self, NodeError> {
        keystore::private_directory(&directory)?;
        Ok(Self(directory))
    }

    /// Keeps a contribution; durable when it returns. One that was made before, and not recorded, is replaced.
    pub(crate) fn keep(
        &self,
        round: u64,
        ciphertext: &[u8],
        sealed_shares: &[Vec<u8>],
    ) -> Result<(), NodeError> {
        let shares = borsh::to_vec(sealed_shares).unwrap_or_default();
        keystore::write(&self.ciphertext_path(round), ciphertext)?;
        keystore::write(&self.shares_path(round), &shares)
    }

    /// The sealed shares of the contribution to `round`, in seat order.
    pub(crate) fn sealed_shares(&self, round: u64) -> Result<Vec<Vec<u8>>, NodeError> {
        let path = self.shares_path(round);
        let bytes = fs::read(&path).map_err(NodeError::io("read", &path))?;
        borsh::from_slice(&bytes).map_err(|error| NodeError::Store {
            store: "outbox",
            reason: format!("{}: {error}", path.display()),
        })
    }

    /// The ciphertext from byte `offset` on, and its whole length.
    pub(crate) fn ciphertext(&self, round: u64, offset: u64) -> Result<(File, u64), NodeError> {
        let path = self.ciphertext_path(round);
        let mut file = File::open(&path).map_err(NodeError::io("read", &path))?;
        let length = file.metadata().map_err(NodeError::io("read", &path))?.len();
        file.seek(SeekFrom::Start(offset.min(length)))
            .map_err(NodeError::io("read", &path))?;
        Ok((file, length))
    }

    /// Removes the contribution of a round that is over.
    pub(crate) fn forget(&self, round: u64) -> Result<(), NodeError> {
        for path in [self.ciphertext_path(round), self.shares_path(round)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(NodeError::io("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn ciphertext_path(&self, round: u64) -> PathBuf {
        self.0.join(format!("{round}.ciphertext"))
    }

    fn shares_path(&self, round: u64) -> PathBuf {
        self.0.join(format!("{round}.shares"))
    }
}

/// The next part of at most `size` bytes; `None` at the end.
pub(crate) fn next_part(file: &mut File, size: usize) -> std::io::Result<Option<Vec<u8>>> {
    let mut part = Vec::with_capacity(size);
    file.by_ref().take(size as u64).read_to_end(&mut part)?;
    Ok((!part.is_empty()).then_some(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contribution_comes_back_as_it_was_from_any_offset() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path().join("outbox")).unwrap();
        let ciphertext: Vec<u8> = (0..=255).cycle().take(1000).collect();
        outbox.keep(3, &ciphertext, &[vec![1], vec![2, 3]]).unwrap();
        assert_eq!(outbox.sealed_shares(3).unwrap(), [vec![1], vec![2, 3]]);
        let (mut file, length) = outbox.ciphertext(3, 300).unwrap();
        assert_eq!(length, 1000);
        let mut read = Vec::new();
        while let Some(part) = next_part(&mut file, 256).unwrap() {
            read.extend(part);
        }
        assert_eq!(read, ciphertext[300..]);
        outbox.forget(3).unwrap();
        outbox.forget(3).unwrap();
        assert!(outbox.ciphertext(3, 0).is_err());
    }
}
