//! `POST /v1/feedback` and `GET /v1/feedback`: what holders of a token have to say to the coordinator's admin.
//!
//! A piece is entered on the ledger like a query without rows: its hash is the request of a leaf in the next batch, and
//! the receipt proves it. What participants say is an entry of their own (`unsilo feedback`).

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use unsilo_ledger::{AnswerHasher, FeedbackKind, feedback_hash};
use utoipa::ToSchema;

use super::{Endpoint, access::Caller, predict, problem::Problem, stamp::not_noted};
use crate::{
    inbox::{self, By, NotFiled, Piece},
    owner::now_ms,
    queries::{DAY_MS, NewQuery},
};

/// What somebody says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewFeedback)]
pub(super) struct Said {
    /// `problem`, `idea` or `praise`; a problem unless it says otherwise.
    kind: Option<String>,
    /// At most 4,096 bytes.
    text: String,
}

/// A piece of feedback that was filed.
#[derive(Serialize, ToSchema)]
#[schema(as = FiledFeedback)]
pub(super) struct Filed {
    /// How the admin and `GET /v1/feedback` name it.
    id: String,
    /// What the ledger proves: the hash of text and salt, hex; the `request` of the receipt's query.
    hash: String,
    /// 32 random bytes, hex, without which nobody can guess the text from the hash.
    salt: String,
    /// For `GET /v1/receipts/{receipt}`.
    receipt: String,
}

/// Everything that the token's holder said, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnFeedback)]
pub(super) struct Own {
    feedback: Vec<OwnPiece>,
}

/// One piece and its answer.
#[derive(Serialize, ToSchema)]
struct OwnPiece {
    id: String,
    /// `problem`, `idea` or `praise`.
    kind: String,
    text: String,
    /// When it came, milliseconds since 1970.
    at_ms: u64,
    /// As in the answer to `POST`, hex.
    hash: String,
    salt: String,
    /// The admin's; absent while there is none.
    answer: Option<String>,
    /// When the admin answered.
    answered_ms: Option<u64>,
}

/// Says something to the coordinator's admin. Always needs a token.
#[utoipa::path(
    post,
    path = "/v1/feedback",
    tag = "model",
    request_body(description = "What somebody says.", content = Said),
    responses(
        (status = 200, description = "It is in the admin's inbox; its hash goes on the ledger with the next batch of queries.", body = Filed),
        (status = 400, description = "Not JSON of the expected form.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed, or this one is unknown, expired or revoked.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No text, too long a text, or an unknown kind.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "The token's holder has said enough today.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The inbox or the disk is full: nothing was filed.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
pub(super) async fn file(
    State(endpoint): State<Endpoint>,
    caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Filed>, Problem> {
    let (token, author) = caller.named(&endpoint)?;
    let body = body.map_err(|_| predict::too_large())?;
    let Said { kind, text } = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "Not as expected",
            error.to_string(),
        )
        .at("body")
        .next("send {\"text\": \"…\", \"kind\": \"problem\"}")
    })?;
    let kind = kind.unwrap_or_else(|| FeedbackKind::Problem.to_string());
    if !KINDS.iter().any(|known| known.to_string() == kind) {
        return Err(Problem::field(
            "kind",
            format!(
                "{:?} is none of problem, idea and praise",
                kind.chars().take(64).collect::<String>()
            ),
        )
        .next("leave it out, or give one of the three"));
    }
    inbox::check_text(&text).map_err(|error| Problem::field("text", error))?;
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| {
        tracing::error!(%error, "no randomness");
        Problem::failed()
    })?;
    let hash = feedback_hash(&text, &salt);
    let piece = Piece {
        number: 0,
        author,
        kind,
        at_ms: now_ms(),
        hash: HEXLOWER.encode(&hash),
        salt: HEXLOWER.encode(&salt),
        text,
        by: By::Token(HEXLOWER.encode(&token)),
    };
    // The text before its hash: what is on the ledger can be read.
    let inbox = endpoint.inbox.clone();
    let filed = tokio::task::spawn_blocking(move || inbox.file(piece)).await;
    let piece = filed.map_err(|error| failed(&error))?.map_err(not_filed)?;
    let mut answer = AnswerHasher::new(0);
    answer.bytes(piece.id().as_bytes());
    let query = NewQuery {
        round: 0,
        model: [0; 32],
        request: hash,
        answer: answer.finish(),
        rows: 0,
        fee: 0,
        token,
    };
    match endpoint.queries.note(query).await {
        Ok(receipt) => Ok(Json(Filed {
            id: piece.id(),
            hash: piece.hash,
            salt: piece.salt,
            receipt: receipt.to_text(),
        })),
        Err(reason) => {
            endpoint.inbox.discard(&piece);
            Err(not_noted(reason))
        }
    }
}

/// What the token's holder said, and the admin's answers. Always needs a token.
#[utoipa::path(
    get,
    path = "/v1/feedback",
    tag = "model",
    responses(
        (status = 200, body = Own),
        (status = 401, description = "A token is needed, or this one is unknown, expired or revoked.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
pub(super) async fn mine(
    State(endpoint): State<Endpoint>,
    caller: Caller,
) -> Result<Json<Own>, Problem> {
    let (token, _) = caller.named(&endpoint)?;
    let by = By::Token(HEXLOWER.encode(&token));
    let inbox = endpoint.inbox.clone();
    let listed = tokio::task::spawn_blocking(move || inbox.list(Some(&by))).await;
    let pieces = listed
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))?;
    let feedback = pieces.into_iter().map(|(piece, answer)| OwnPiece {
        id: piece.id(),
        kind: piece.kind,
        text: piece.text,
        at_ms: piece.at_ms,
        hash: piece.hash,
        salt: piece.salt,
        answered_ms: answer.as_ref().map(|answer| answer.at_ms),
        answer: answer.map(|answer| answer.text),
    });
    Ok(Json(Own {
        feedback: feedback.collect(),
    }))
}

const KINDS: [FeedbackKind; 3] = [
    FeedbackKind::Problem,
    FeedbackKind::Idea,
    FeedbackKind::Praise,
];

fn not_filed(reason: NotFiled) -> Problem {
    match reason {
        NotFiled::Full => Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "The inbox is full",
            "the coordinator's inbox takes no more, so nothing was filed",
        )
        .next("tell the coordinator's admin in another way"),
        NotFiled::EnoughToday => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Enough for today",
            "this token's holder has filed as much as is taken in a day",
        )
        .next("go on tomorrow")
        .retry_after((DAY_MS - now_ms() % DAY_MS) / 1000 + 1),
        NotFiled::Storage(error) => failed(&error),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "the inbox failed");
    Problem::failed()
}
