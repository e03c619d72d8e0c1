//! `GET /v1/receipts/{id}`: what was answered, and the proof that it is on the ledger.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use data_encoding::HEXLOWER;
use serde::Serialize;
use unsilo_ledger::Query;
use utoipa::ToSchema;

use super::{Endpoint, problem::Problem};
use crate::queries::{Proved, Receipt};

/// An answered query. Its proof is there once its batch is on the ledger, usually within seconds and at the latest after
/// the round under way.
#[derive(Serialize, ToSchema)]
pub(super) struct QueryReceipt {
    /// As in the answer.
    receipt: String,
    /// `waiting` for its batch, or `entered` on the ledger.
    state: &'static str,
    /// Its number, from 0, over all queries ever.
    number: u64,
    /// Milliseconds since 1970.
    at_ms: u64,
    /// The round that published the model that answered; 0 for feedback.
    round: u64,
    /// Its hash, hex; zeros for feedback.
    model: String,
    /// Hash of the request's body, or of a piece of feedback's text and salt, hex.
    request: String,
    /// Hash of the predictions, or of a piece of feedback's id, hex.
    answer: String,
    /// Rows answered.
    rows: u32,
    /// What the coordinator owes the federation for it.
    fee: u64,
    /// The leaf of the batch: canonical bytes of all the above and a salt, hex.
    leaf: String,
    /// Absent while it waits.
    inclusion: Option<Inclusion>,
}

/// From the leaf to the batch's root, from the batch's entry to the log's root. Hashes are SHA-256 in hex, proofs as in
/// RFC 6962.
#[derive(Serialize, ToSchema)]
struct Inclusion {
    /// Number of the batch's first query.
    first: u64,
    /// Queries in the batch.
    count: u32,
    /// Merkle root of the batch.
    root: String,
    /// From the leaf at place `number - first` to `root`.
    proof: Vec<String>,
    /// The signed entry of the ledger that holds the root, canonical bytes, hex.
    entry: String,
    /// Its place in the log, from 0.
    entry_index: u64,
    /// From the entry to the checkpoint's root.
    entry_proof: Vec<String>,
    /// The checkpoint: a C2SP signed note of the coordinator.
    checkpoint: String,
}

/// The receipt of an answer, with its inclusion proof.
#[utoipa::path(
    get,
    path = "/v1/receipts/{receipt}",
    tag = "model",
    params(("receipt" = String, Path, description = "As in the answer: 48 hexadecimal digits.")),
    responses(
        (status = 200, description = "The query, and its proof once it is entered.", body = QueryReceipt),
        (status = 404, description = "No such receipt was given out.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn receipt(
    State(endpoint): State<Endpoint>,
    Path(text): Path<String>,
) -> Result<Json<QueryReceipt>, Problem> {
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "Unknown receipt",
            "no such receipt was given out by this coordinator",
        )
        .at("receipt")
        .next("give all 48 digits, as the answer has them")
    };
    let receipt = Receipt::from_text(&text).ok_or_else(unknown)?;
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a receipt cannot be proved");
        Problem::failed()
    };
    let permit = endpoint.predictions.clone().acquire_owned().await;
    let query = endpoint
        .queries
        .find(receipt)
        .map_err(|error| failed(&error))?;
    let query = query.ok_or_else(unknown)?;
    let batch = endpoint.owner.batch(receipt.number).await;
    let batch = batch.map_err(|error| failed(&error))?;
    let proved = match batch {
        None => None,
        Some(batch) => {
            let queries = endpoint.queries.clone();
            let proved = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                queries.prove(receipt.number, batch)
            });
            let proved = proved.await.map_err(|error| failed(&error))?;
            Some(proved.map_err(|error| failed(&error))?)
        }
    };
    Ok(Json(document(text, &query, proved)))
}

fn document(receipt: String, query: &Query, proved: Option<Proved>) -> QueryReceipt {
    let hex = |hash: &[u8]| HEXLOWER.encode(hash);
    QueryReceipt {
        receipt,
        state: if proved.is_some() {
            "entered"
        } else {
            "waiting"
        },
        number: query.number,
        at_ms: query.at_ms,
        round: query.round,
        model: hex(&query.model),
        request: hex(&query.request),
        answer: hex(&query.answer),
        rows: query.rows,
        fee: query.fee,
        leaf: hex(&query.to_bytes()),
        inclusion: proved.map(|Proved { batch, proof }| Inclusion {
            first: batch.first,
            count: batch.count,
            root: hex(&batch.root),
            proof: proof.iter().map(|hash| hex(hash)).collect(),
            entry: hex(&batch.entry),
            entry_index: batch.index,
            entry_proof: batch.proof.iter().map(|hash| hex(hash)).collect(),
            checkpoint: batch.checkpoint,
        }),
    }
}
