//! What an answer can be held against: the ledger when it was given, and its receipt.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Endpoint, problem::Problem};
use crate::queries::{NewQuery, NotNoted};

/// What every answer of the model comes with.
#[derive(Serialize, ToSchema)]
pub(super) struct Stamp {
    /// The round that published the model.
    round: u64,
    /// Hash of the model on the ledger, hex.
    model: String,
    /// Entries in the ledger when it was answered.
    ledger_entries: u64,
    /// The ledger's newest checkpoint then: a C2SP signed note.
    checkpoint: String,
    /// For `GET /v1/receipts/{id}`: the proof that this answer is on the ledger. A secret between caller and endpoint.
    receipt: String,
}

impl Stamp {
    /// Notes a query, whose answer may be given out once this returns: durable before visible, so that whoever has the
    /// receipt finds it on the ledger later, also after a crash.
    ///
    /// # Errors
    /// A problem; then nothing was noted, or nobody knows.
    pub(super) async fn note(endpoint: &Endpoint, query: NewQuery) -> Result<Self, Problem> {
        let snapshot = endpoint.owner.now();
        let (round, model) = (query.round, HEXLOWER.encode(&query.model));
        let receipt = endpoint.queries.note(query).await.map_err(not_noted)?;
        Ok(Self {
            round,
            model,
            ledger_entries: snapshot.entries,
            checkpoint: snapshot.checkpoint.as_ref().to_owned(),
            receipt: receipt.to_text(),
        })
    }

    /// The same in the headers of an answer that is not JSON.
    pub(super) fn put(&self, response: &mut Response) {
        for (name, value) in [
            ("unsilo-round", self.round.to_string()),
            ("unsilo-model", self.model.clone()),
            ("unsilo-ledger-entries", self.ledger_entries.to_string()),
            ("unsilo-receipt", self.receipt.clone()),
            (
                "unsilo-checkpoint",
                BASE64.encode(self.checkpoint.as_bytes()),
            ),
        ] {
            // Digits, letters and the signs of base64 only: every one is a header value.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Why nothing is answered.
pub(super) fn not_noted(reason: NotNoted) -> Problem {
    match reason {
        NotNoted::Full => Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "The disk is full",
            "the coordinator's disk has no room for a receipt, so nothing was answered and nothing counted",
        )
        .next("tell the coordinator's admin, and try again later"),
        NotNoted::Failed => Problem::failed(),
    }
}
