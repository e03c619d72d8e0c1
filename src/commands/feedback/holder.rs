//! `unsilo feedback URL "…"`: what the holder of a token for the shared model says, over the endpoint.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use unsilo_ledger::{Hash, feedback_hash};

use super::{Arguments, words};
use crate::{
    commands::{Global, query},
    exit::CommandError,
    https::Endpoint,
    output,
    proof::Exchange,
};

/// Where what is said is sent, and answered.
const PATH: &str = "/v1/feedback";

pub(super) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let authority = arguments.authority.as_deref().ok_or_else(|| {
        CommandError::Input(
            "an address needs --authority FILE: authority.der of the coordinator's directory or authority.pem of a participant's"
                .to_owned(),
        )
    })?;
    let endpoint = Endpoint::new(&arguments.place, authority)?.with_token(arguments.token.clone());
    match &arguments.text {
        Some(text) => file(global, &endpoint, arguments, text).await,
        None => list(global, &endpoint).await,
    }
}

async fn file(
    global: &Global,
    endpoint: &Endpoint,
    arguments: &Arguments,
    text: &str,
) -> anyhow::Result<()> {
    let kind = arguments.kind.of_ledger().to_string();
    let body = serde_json::to_vec(&json!({ "kind": kind, "text": text }))?;
    let filed = endpoint.post(PATH, body.into()).await?;
    let of = |key: &str| filed[key].as_str().unwrap_or_default();
    let (id, hash, receipt) = (of("id"), of("hash"), of("receipt"));
    let own = hash_of(text, of("salt")).filter(|own| HEXLOWER.encode(own) == hash);
    let own = own.ok_or_else(|| {
        CommandError::Alarm(format!(
            "the coordinator filed it as {id} with a hash that is not of this text: what it will show on the ledger is \
             something else. Tell the federation's companies"
        ))
    })?;
    let held = if arguments.verify {
        let ledger = query::ledger_of(endpoint).await?;
        let exchange = Exchange::feedback(own, id);
        Some(query::verify(global, endpoint, &ledger, &exchange, receipt).await?)
    } else {
        None
    };
    let document = json!({
        "id": id,
        "kind": kind,
        "hash": hash,
        "salt": of("salt"),
        "receipt": receipt,
        "verified": held.is_some(),
        "entry_index": held.map(|held| held.entry_index),
    });
    output::print(global.json, &document, || {
        let ledger = match held {
            Some(held) => format!("is in entry {} of the ledger", held.entry_index),
            None => "goes on the ledger".to_owned(),
        };
        format!(
            "Filed as {id}. Its text is in the inbox of the coordinator's admin, its hash {hash} {ledger}. `unsilo feedback {}` \
             shows the answer once there is one.\n",
            arguments.place
        )
    })
}

async fn list(global: &Global, endpoint: &Endpoint) -> anyhow::Result<()> {
    let listed = endpoint.get(PATH).await?;
    let pieces = listed["feedback"].as_array().cloned().unwrap_or_default();
    let text = |piece: &Value, key: &str| piece[key].as_str().unwrap_or_default().to_owned();
    let document: Vec<Value> = pieces
        .iter()
        .map(|piece| {
            let own = hash_of(&text(piece, "text"), &text(piece, "salt"));
            json!({
                "id": piece["id"],
                "kind": piece["kind"],
                "hash": piece["hash"],
                "text": piece["text"],
                "at_ms": piece["at_ms"],
                "intact": own.is_some_and(|own| HEXLOWER.encode(&own) == text(piece, "hash")),
                "answer": piece["answer"],
                "answered_ms": piece["answered_ms"],
            })
        })
        .collect();
    output::print(global.json, &json!({ "feedback": document }), || {
        let each = pieces.iter().map(|piece| {
            let answer = piece["answer"].as_str();
            words(
                &text(piece, "id"),
                &text(piece, "kind"),
                &text(piece, "text"),
                answer,
            )
        });
        let all: String = each.collect();
        if all.is_empty() {
            "Nothing was said yet with this token.\n".to_owned()
        } else {
            all
        }
    })
}

/// What the ledger shows of a text; `None` if the salt is not one.
fn hash_of(text: &str, salt: &str) -> Option<Hash> {
    let salt = HEXLOWER.decode(salt.as_bytes()).ok()?;
    Some(feedback_hash(text, &salt.try_into().ok()?))
}
