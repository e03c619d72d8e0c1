//! The ledger's explorer: `GET /v1/ledger/pages/{page}` and `GET /v1/ledger/entries/{index}` with its proof.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;
use unsilo_ledger::{SignedEntry, leaf_hash};
use unsilo_proto::Rejected;
use utoipa::ToSchema;

use super::{Endpoint, pages::number, problem::Problem};

/// Entries in a page.
const PAGE: u64 = 32;

/// A page of the log, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct LogPage {
    page: u64,
    /// Entries in a full page.
    size: u64,
    entries: Vec<Line>,
}

/// An entry in words.
#[derive(Serialize, ToSchema)]
#[schema(as = LedgerLine)]
struct Line {
    index: u64,
    /// What it says.
    says: String,
    /// Who signed it.
    signers: Vec<String>,
    /// Its canonical bytes.
    bytes: usize,
    /// Its leaf in the Merkle tree, hex: SHA-256 of a zero byte and the canonical bytes (RFC 6962).
    leaf: String,
}

/// An entry and what proves that it is in the log.
#[derive(Serialize, ToSchema)]
pub(super) struct ProvedEntry {
    #[serde(flatten)]
    line: Line,
    /// The canonical bytes, base64.
    entry: String,
    /// The inclusion proof of RFC 6962, from the leaf up: base64 of 32 bytes each.
    path: Vec<String>,
    /// Entries in the log at the checkpoint that the proof leads to.
    size: u64,
    /// That checkpoint: a C2SP signed note with the coordinator's signature, and cosignatures of participants.
    checkpoint: String,
}

/// The log in words, 32 entries a page.
#[utoipa::path(
    get,
    path = "/v1/ledger/pages/{page}",
    tag = "federation",
    params(("page" = u64, Path, description = "From 0: entries 32·page and on.")),
    responses(
        (status = 200, body = LogPage),
        (status = 400, description = "Not a number.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn page(
    State(endpoint): State<Endpoint>,
    Path(page): Path<String>,
) -> Result<Response, Problem> {
    let page = number(&page, "page")?;
    if let Some(kept) = endpoint.view.page(page) {
        return Ok(json(&kept));
    }
    let from = page.saturating_mul(PAGE);
    let snapshot = endpoint.owner.now();
    let mut entries = Vec::new();
    let wanted = snapshot.entries.saturating_sub(from).min(PAGE);
    if wanted > 0 {
        let _permit = endpoint.view.questions.acquire().await;
        // Large entries come fewer at a time.
        while (entries.len() as u64) < wanted {
            let at = from.saturating_add(entries.len() as u64);
            let rest = usize::try_from(wanted).unwrap_or(usize::MAX) - entries.len();
            let more = endpoint.owner.excerpt(at, rest).await.map_err(failed)?;
            if more.is_empty() {
                break;
            }
            entries.extend(more);
        }
    }
    let entries = (from..)
        .zip(&entries)
        .map(|(index, bytes)| line(&snapshot.state, index, bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let is_whole = entries.len() as u64 == PAGE;
    let document = LogPage {
        page,
        size: PAGE,
        entries,
    };
    let text: Arc<str> = serde_json::to_string(&document).map_err(failed)?.into();
    if is_whole {
        endpoint.view.keep_page(page, text.clone());
    }
    Ok(json(&text))
}

/// An entry and its proof under the newest checkpoint.
#[utoipa::path(
    get,
    path = "/v1/ledger/entries/{index}",
    tag = "federation",
    params(("index" = u64, Path, description = "The entry's place in the log, from 0.")),
    responses(
        (status = 200, body = ProvedEntry),
        (status = 400, description = "Not a number.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The log is shorter.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn entry(
    State(endpoint): State<Endpoint>,
    Path(index): Path<String>,
) -> Result<Json<ProvedEntry>, Problem> {
    let index = number(&index, "entry")?;
    let snapshot = endpoint.owner.now();
    if index >= snapshot.entries {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "No such entry",
            format!(
                "the ledger has {} entries, counted from 0: there is no entry {index} yet",
                snapshot.entries
            ),
        ));
    }
    let _permit = endpoint.view.questions.acquire().await;
    let proof = endpoint.owner.proof(index).await.map_err(failed)?;
    Ok(Json(ProvedEntry {
        line: line(&snapshot.state, index, &proof.entry)?,
        entry: BASE64.encode(&proof.entry),
        path: proof.path.iter().map(|hash| BASE64.encode(hash)).collect(),
        size: proof.size,
        checkpoint: proof.checkpoint,
    }))
}

fn line(state: &unsilo_ledger::State, index: u64, bytes: &[u8]) -> Result<Line, Problem> {
    let signed = SignedEntry::decode(bytes).map_err(failed)?;
    Ok(Line {
        index,
        says: state.describe_entry(&signed.entry),
        signers: state.signer_names(&signed),
        bytes: bytes.len(),
        leaf: HEXLOWER.encode(&leaf_hash(bytes)),
    })
}

fn json(text: &Arc<str>) -> Response {
    let mut response = Body::from(text.to_string()).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What only this machine can be to blame for.
fn failed(error: impl Into<Failure>) -> Problem {
    let Failure(error) = error.into();
    tracing::error!(error, "a part of the ledger cannot be shown");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Failed",
        "the coordinator failed and logged why; try again later",
    )
}

struct Failure(String);

impl From<Rejected> for Failure {
    fn from(error: Rejected) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<unsilo_ledger::DecodeError> for Failure {
    fn from(error: unsilo_ledger::DecodeError) -> Self {
        Self(error.to_string())
    }
}
