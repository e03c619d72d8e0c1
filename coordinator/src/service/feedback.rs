//! What participants have to say.

use tonic::{Request, Response, Status, async_trait};
use unsilo_ledger::{Entry, ParticipantId, feedback_hash};
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{
        Acknowledgement, FeedbackPiece, FileFeedbackRequest, MyFeedbackRequest,
        feedback_server::Feedback,
    },
};

use super::{Parts, Services, at_most, each, hash_field, signature_field, unreadable, unstorable};
use crate::{
    inbox::{self, By, Piece},
    owner::now_ms,
    round::{Event, Signed},
};

#[async_trait]
impl Feedback for Services {
    type MineStream = Parts<FeedbackPiece>;

    async fn file(
        &self,
        request: Request<FileFeedbackRequest>,
    ) -> Result<Response<Acknowledgement>, Status> {
        let participant = self.participant(&request)?;
        let FileFeedbackRequest {
            entry,
            signature,
            text,
            salt,
        } = request.into_inner();
        at_most("entry", &entry, limits::ENTRY_BYTES)?;
        let signature = signature_field(participant.key, &signature)?;
        let salt = hash_field("salt", &salt)?;
        inbox::check_text(&text).map_err(|error| Rejected::new(Code::TooLarge, error))?;
        let (number, kind, hash) = parse(&entry, participant.id)?;
        if hash != feedback_hash(&text, &salt) {
            return Err(Rejected::new(
                Code::Malformed,
                "the entry is about another text than the one that came with it",
            )
            .into());
        }
        let piece = Piece {
            by: By::Participant(participant.id.0),
            number,
            author: participant.name,
            kind,
            at_ms: now_ms(),
            hash: inbox::hex(&hash),
            salt: inbox::hex(&salt),
            text,
        };
        let known = self
            .inbox
            .get(&piece.by, number)
            .map_err(|error| unreadable("the inbox", &error))?;
        if known.as_ref().is_some_and(|known| known.hash == piece.hash) {
            // A repetition: its signature may be missing still.
            let signed = self.sign_feedback(entry, signature).await;
            let entered = self.owner.now().state.feedback_filed(participant.id) > number;
            return if entered {
                Ok(Response::new(Acknowledgement {}))
            } else {
                Ok(Response::new(signed.map(|()| Acknowledgement {})?))
            };
        }
        let snapshot = self.owner.now();
        let waits = snapshot.pending.iter().any(|signed| {
            matches!(signed.entry, Entry::FeedbackFiled { participant: of, .. } if of == participant.id)
        });
        if waits {
            return Err(Rejected::new(
                Code::WrongStep,
                "your last piece waits until the ledger may grow: file the next one in a minute",
            )
            .into());
        }
        if snapshot.state.feedback_filed(participant.id) != number {
            return Err(Rejected::new(
                Code::LedgerRefused,
                format!(
                    "this is piece {number} of yours, the ledger expects another: file it again"
                ),
            )
            .into());
        }
        if self.inbox.is_full() {
            return Err(Rejected::new(
                Code::StorageFull,
                "the coordinator's inbox is full: its admin must make room first; nothing was filed",
            )
            .into());
        }
        // The text before its hash: what is on the ledger can be read.
        self.inbox
            .keep(&piece)
            .map_err(|error| unstorable("your feedback", &error))?;
        if let Err(refused) = self.sign_feedback(entry, signature).await {
            match known {
                Some(before) => self
                    .inbox
                    .keep(&before)
                    .map_err(|error| unstorable("your feedback", &error))?,
                None => self.inbox.discard(&piece),
            }
            return Err(refused.into());
        }
        Ok(Response::new(Acknowledgement {}))
    }

    async fn mine(
        &self,
        request: Request<MyFeedbackRequest>,
    ) -> Result<Response<Self::MineStream>, Status> {
        let participant = self.participant(&request)?;
        let filed = self.owner.now().state.feedback_filed(participant.id);
        let pieces = self
            .inbox
            .list(Some(&By::Participant(participant.id.0)))
            .map_err(|error| unreadable("the inbox", &error))?;
        let decode = |hex: &str| {
            data_encoding::HEXLOWER
                .decode(hex.as_bytes())
                .unwrap_or_default()
        };
        let reply = move |(piece, answer): (Piece, Option<inbox::Answer>)| {
            let answer = answer.unwrap_or_else(|| inbox::Answer {
                at_ms: 0,
                text: String::new(),
            });
            Ok(FeedbackPiece {
                number: piece.number,
                kind: piece.kind,
                hash: decode(&piece.hash),
                text: piece.text,
                salt: decode(&piece.salt),
                at_ms: piece.at_ms,
                entered: piece.number < filed,
                answer: answer.text,
                answered_ms: answer.at_ms,
            })
        };
        Ok(Response::new(each(pieces, reply)))
    }
}

impl Services {
    async fn sign_feedback(
        &self,
        entry: Vec<u8>,
        signature: unsilo_ledger::EntrySignature,
    ) -> Result<(), Rejected> {
        let signed = Signed {
            entry,
            signature,
            at_ms: now_ms(),
        };
        self.owner.event(Event::Signed(signed)).await
    }
}

/// Number, kind and hash of a piece by this participant.
fn parse(entry: &[u8], by: ParticipantId) -> Result<(u64, String, [u8; 32]), Rejected> {
    let malformed = |message: String| Rejected::new(Code::Malformed, message);
    match Entry::from_bytes(entry) {
        Ok(Entry::FeedbackFiled {
            participant,
            number,
            kind,
            hash,
        }) if participant == by => Ok((number, kind.to_string(), hash)),
        Ok(_) => Err(malformed(
            "this is not an entry of the caller's feedback".to_owned(),
        )),
        Err(error) => Err(malformed(format!("entry: {error}"))),
    }
}
