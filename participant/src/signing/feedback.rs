//! What a company has to say to the coordinator's admin, recorded on the ledger by hash.

use tonic::Status;
use unsilo_ledger::{Entry, FeedbackKind, Hash, feedback_hash};
use unsilo_proto::{
    limits,
    v1::{FileFeedbackRequest, MyFeedbackRequest, feedback_client::FeedbackClient},
};

use super::Signing;
use crate::{error::NodeError, join::no_randomness};

/// Most pieces that are read back: the coordinator's inbox holds no more.
const PIECES: usize = 10_000;

/// A piece of feedback as the coordinator keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How many this company filed before.
    pub number: u64,
    /// "problem", "idea" or "praise".
    pub kind: String,
    /// What the ledger holds.
    pub hash: Hash,
    /// What it says.
    pub text: String,
    /// When it came, milliseconds since 1970.
    pub at_ms: u64,
    /// Whether its hash is on the ledger; it waits for a step in which the ledger may grow.
    pub entered: bool,
    /// Whether the text is the one whose hash this is.
    pub intact: bool,
    /// The admin's answer and when it came.
    pub answer: Option<(String, u64)>,
}

impl Signing {
    /// Files a piece. Returns its number and hash.
    ///
    /// # Errors
    /// [`NodeError::Rules`] if the books do not allow it now; else as [`Signing::open`] for the coordinator.
    pub async fn file_feedback(
        &mut self,
        kind: FeedbackKind,
        text: &str,
    ) -> Result<(u64, Hash), NodeError> {
        let me = self.me()?;
        let participant = me.id;
        let number = self.state().feedback_filed(participant);
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(no_randomness)?;
        let hash = feedback_hash(text, &salt);
        let entry = Entry::FeedbackFiled {
            participant,
            number,
            kind,
            hash,
        };
        self.try_entry(&entry)?;
        let signature = entry.sign(&self.federation, &self.identity).signature;
        let request = FileFeedbackRequest {
            entry: entry.to_bytes(),
            signature: signature.to_vec(),
            text: text.to_owned(),
            salt: salt.to_vec(),
        };
        let mut client = FeedbackClient::new(self.channel.clone());
        let filed = client.file(request).await;
        filed.map_err(|status| self.unanswered(&status))?;
        Ok((number, hash))
    }

    /// Everything that this company filed, oldest first, with the answers.
    ///
    /// # Errors
    /// As [`Signing::open`] for the coordinator.
    pub async fn feedback(&self) -> Result<Vec<Piece>, NodeError> {
        let failed = |status: Status| self.failed(&status);
        let mut client = FeedbackClient::new(self.channel.clone())
            .max_decoding_message_size(limits::MESSAGE_BYTES);
        let mut stream = client
            .mine(MyFeedbackRequest {})
            .await
            .map_err(failed)?
            .into_inner();
        let mut pieces = Vec::new();
        while let Some(piece) = stream.message().await.map_err(failed)? {
            if pieces.len() >= PIECES {
                break;
            }
            let salt: Option<[u8; 32]> = piece.salt.as_slice().try_into().ok();
            let hash: Hash = piece.hash.as_slice().try_into().unwrap_or_default();
            pieces.push(Piece {
                number: piece.number,
                kind: piece.kind,
                hash,
                intact: salt.is_some_and(|salt| feedback_hash(&piece.text, &salt) == hash),
                text: piece.text,
                at_ms: piece.at_ms,
                entered: piece.entered,
                answer: (!piece.answer.is_empty()).then_some((piece.answer, piece.answered_ms)),
            });
        }
        Ok(pieces)
    }
}
