//! Receiving one contribution, in parts, over as many connections as it takes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use unsilo_fhe::{ContributionCommitment, RoundContext, commit::share_hash};

use super::{Contributions, Header, Leaves, create_directory};
use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
    payload::{Check, Checked, Invalid, Payload},
};

/// Bytes read at once when a part that was stored earlier is checked.
const READ_BYTES: usize = 1 << 20;

/// A contribution being received.
pub(crate) struct Upload {
    store: Contributions,
    payload: Payload,
    round: u64,
    participant: u32,
    header: Header,
    file: File,
    stored: u64,
    complete: bool,
    /// What arrived is checked as it does, if this upload has seen it from the first byte on.
    check: Option<Check>,
}

/// Why a part was not taken. What was stored before stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// The parts do not start where the stored ones end.
    #[error(
        "{stored} bytes of this contribution are stored, the parts start at {offset}: ask UploadState and go on from there"
    )]
    Offset { stored: u64, offset: u64 },
    /// More bytes than the parameters ask for.
    #[error(
        "a contribution has {expected} bytes of ciphertext, more were sent: nothing past them is kept"
    )]
    TooLong { expected: u64 },
    /// The parts ended early.
    #[error("{stored} of {expected} bytes arrived: go on from there")]
    Truncated { stored: u64, expected: u64 },
    /// The bytes are no contribution of this federation's parameters; they are removed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The bytes are not those that were signed; they are removed.
    #[error(
        "the bytes that arrived are not those that the signed root commits to: send the contribution again"
    )]
    Root,
    /// The linear hash that came with the bytes is another's; they are removed.
    #[error(
        "the linear hash in the header is not that of the ciphertext: the sender's software computed it wrongly, or \
         wanted the sum to be blamed on somebody else; nothing is kept"
    )]
    LinearHash,
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] CoordinatorError),
}

impl Upload {
    pub(super) fn start(
        store: &Contributions,
        payload: Payload,
        round: u64,
        participant: u32,
        header: Header,
        offset: u64,
    ) -> Result<Self, UploadError> {
        create_directory(&store.round_directory(round))?;
        let stored = store.stored_bytes(round, participant, &header.root);
        let known = (1..=payload.bytes()).contains(&stored)
            && store
                .header(round, participant)
                .is_ok_and(|stored| stored == header);
        let stored = if known { stored } else { 0 };
        if offset != stored {
            return Err(UploadError::Offset { stored, offset });
        }
        let part = store.part_path(round, participant);
        let complete = known && store.ciphertext_path(round, participant).exists();
        if !known {
            // A part that belongs to another header must not be continued: it goes before the header changes.
            let _ = fs::remove_file(&part);
            let _ = fs::remove_file(store.ciphertext_path(round, participant));
            let path = store.header_path(round, participant);
            let bytes = borsh::to_vec(&header).map_err(CoordinatorError::io("write", &path))?;
            durable::write(&path, &bytes, Readers::Owner)?;
        }
        let path = if complete {
            store.ciphertext_path(round, participant)
        } else {
            part
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(CoordinatorError::io("create", &path))?;
        file.seek(SeekFrom::Start(stored))
            .map_err(CoordinatorError::io("read", &path))?;
        Ok(Self {
            store: store.clone(),
            payload,
            round,
            participant,
            header,
            file,
            stored,
            complete,
            check: (stored == 0).then(|| payload.check()),
        })
    }

    /// Appends the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        let expected = self.expected();
        let after = self.stored + bytes.len() as u64;
        if after > expected {
            return Err(UploadError::TooLong { expected });
        }
        self.file
            .write_all(bytes)
            .map_err(CoordinatorError::io("write", self.part()))?;
        if let Some(check) = &mut self.check {
            check.update(bytes);
        }
        self.stored = after;
        Ok(())
    }

    /// Checks that everything is there, well-formed and what was signed, and makes it durable.
    ///
    /// A crash before the rename leaves the part, from which the sender goes on; after it, the complete
    /// file, for which the sender asks again and gets its receipt.
    pub(crate) fn finish(mut self, context: &RoundContext) -> Result<(), UploadError> {
        let expected = self.expected();
        if self.stored < expected {
            let stored = self.stored;
            return Err(UploadError::Truncated { stored, expected });
        }
        if self.complete {
            return Ok(());
        }
        let leaves = match self.check(context) {
            Ok(leaves) => leaves,
            Err(error) => {
                if !matches!(error, UploadError::Store(_)) {
                    let _ = fs::remove_file(self.part());
                }
                return Err(error);
            }
        };
        self.store
            .keep_leaves(self.round, self.participant, &leaves)?;
        let part = self.part();
        let rename = || {
            self.file.sync_all()?;
            let complete = self.store.ciphertext_path(self.round, self.participant);
            fs::rename(&part, &complete)?;
            durable::sync_parent(&complete)
        };
        rename().map_err(CoordinatorError::io("write", &part))?;
        Ok(())
    }

    fn check(&mut self, context: &RoundContext) -> Result<Leaves, UploadError> {
        let check = match self.check.take() {
            Some(check) => check,
            None => self.check_stored()?,
        };
        let Checked {
            chunks_root,
            chunk_tree,
            linear_hash,
        } = check.finish()?;
        if linear_hash.to_bytes() != self.header.linear_hash {
            return Err(UploadError::LinearHash);
        }
        let leaves = Leaves {
            chunks_root,
            share_hashes: self
                .header
                .sealed_shares
                .iter()
                .map(|sealed| share_hash(sealed))
                .collect(),
            linear_hash_hash: linear_hash.digest(),
            linear_hash: linear_hash.to_bytes(),
        };
        let commitment = ContributionCommitment::new(
            self.payload.params(),
            context,
            self.participant,
            leaves.chunks_root,
            &leaves.share_hashes,
            &leaves.linear_hash_hash,
        );
        if commitment.root != self.header.root {
            return Err(UploadError::Root);
        }
        if let Some(tree) = chunk_tree {
            self.store
                .keep_chunk_tree(self.round, self.participant, &tree);
        }
        Ok(leaves)
    }

    /// Reads back what arrived over several connections.
    fn check_stored(&mut self) -> Result<Check, CoordinatorError> {
        let path = self.part();
        let io = CoordinatorError::io("read", &path);
        let rewound = self.file.seek(SeekFrom::Start(0));
        rewound
            .and_then(|_| check_file(self.payload, &mut self.file))
            .map_err(io)
    }

    fn expected(&self) -> u64 {
        self.payload.bytes()
    }

    fn part(&self) -> PathBuf {
        self.store.part_path(self.round, self.participant)
    }
}

/// Takes all that is left of a file into a check.
pub(super) fn check_file(payload: Payload, file: &mut File) -> io::Result<Check> {
    let mut check = payload.check();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(check),
            Ok(read) => check.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
