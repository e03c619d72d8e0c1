//! Checking a receipt of the endpoint: that the answer in hand is the one that is on the ledger.

use data_encoding::HEXLOWER;
use serde_json::Value;
use unsilo_ledger::{
    AnswerHasher, Entry, FederationId, Hash, PublicKey, Query, SignedCheckpoint, SignedEntry,
    request_hash, verify_inclusion, verify_query,
};

/// What was asked and answered, as the caller saw it.
pub(crate) struct Exchange {
    request: Hash,
    /// `None` if the answer is not one.
    answer: Option<Hash>,
    round: Value,
    model: Value,
}

impl Exchange {
    /// A request's body, byte for byte, and its answer.
    pub(crate) fn new(request: &[u8], answer: &Value) -> Self {
        Self {
            request: request_hash(request),
            answer: answer_hash(answer),
            round: answer["round"].clone(),
            model: answer["model"].clone(),
        }
    }

    /// A piece of feedback: the hash of its text and salt, and the id that it was given. It is entered like a query of no
    /// rows.
    pub(crate) fn feedback(hash: Hash, id: &str) -> Self {
        let mut hasher = AnswerHasher::new(0);
        hasher.bytes(id.as_bytes());
        Self {
            request: hash,
            answer: Some(hasher.finish()),
            round: 0.into(),
            model: HEXLOWER.encode(&[0; 32]).into(),
        }
    }

    /// An encrypted query, its encrypted answer, and the round and model (hex) that its headers name.
    pub(crate) fn encrypted(request: &[u8], answer: &[u8], round: u64, model: &str) -> Self {
        let mut hasher = AnswerHasher::new(1);
        hasher.bytes(answer);
        Self {
            request: request_hash(request),
            answer: Some(hasher.finish()),
            round: round.into(),
            model: model.into(),
        }
    }
}

/// A receipt that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The query's number, over all.
    pub(crate) number: u64,
    /// Where its batch is in the log, and how large the log was.
    pub(crate) entry_index: u64,
    pub(crate) size: u64,
}

/// Checks the document of `GET /v1/receipts/{id}` against the exchange, for the ledger of this federation and
/// coordinator.
///
/// # Errors
/// The first thing that does not fit, in words.
pub(crate) fn check(
    exchange: &Exchange,
    receipt: &Value,
    federation: &FederationId,
    coordinator: &PublicKey,
) -> Result<Held, String> {
    let inclusion = &receipt["inclusion"];
    let leaf = bytes(receipt, "leaf")?;
    let query = Query::from_bytes(&leaf).ok_or("the leaf is not a query")?;
    let same = |what: &str, same: bool| match same {
        true => Ok(()),
        false => Err(format!(
            "the query on the ledger has another {what} than this one"
        )),
    };
    same("request", query.request == exchange.request)?;
    same("answer", Some(query.answer) == exchange.answer)?;
    same("round", exchange.round == query.round)?;
    same("model", exchange.model == HEXLOWER.encode(&query.model))?;

    let entry = bytes(inclusion, "entry")?;
    let signed =
        SignedEntry::decode(&entry).map_err(|error| format!("the batch's entry: {error}"))?;
    let Entry::QueryBatch {
        root, first, count, ..
    } = signed.entry
    else {
        return Err("the entry is not a batch of queries".to_owned());
    };
    let by_coordinator = signed.signatures.iter().any(|signature| {
        signature.signer == *coordinator && signed.entry.verify_signature(federation, signature)
    });
    if !by_coordinator {
        return Err("the batch is not signed by the federation's coordinator".to_owned());
    }
    verify_query(&leaf, (first, count, &root), &hashes(inclusion, "proof")?)
        .map_err(|error| format!("the query is not in its batch: {error}"))?;
    let note = inclusion["checkpoint"].as_str().unwrap_or_default();
    let checkpoint =
        SignedCheckpoint::parse(note, coordinator).map_err(|error| error.to_string())?;
    let checkpoint = checkpoint.checkpoint();
    if checkpoint.federation != *federation {
        return Err("the checkpoint is of another federation".to_owned());
    }
    let entry_index = inclusion["entry_index"]
        .as_u64()
        .ok_or("entry_index is missing")?;
    verify_inclusion(
        &hashes(inclusion, "entry_proof")?,
        checkpoint.size,
        &checkpoint.root,
        entry_index,
        &entry,
    )
    .map_err(|error| format!("the batch is not in the log: {error}"))?;
    Ok(Held {
        number: query.number,
        entry_index,
        size: checkpoint.size,
    })
}

/// The hash of an answer's predictions; `None` if they are not of the form of some.
fn answer_hash(answer: &Value) -> Option<Hash> {
    let predictions = answer["predictions"].as_array()?;
    let mut hasher = AnswerHasher::new(u32::try_from(predictions.len()).ok()?);
    for prediction in predictions {
        let probabilities = prediction["probabilities"].as_array()?;
        let bits = probabilities.iter().map(|probability| {
            // Written as the shortest text that reads back as the same f32.
            #[expect(clippy::cast_possible_truncation, reason = "it was an f32")]
            probability.as_f64().map(|value| (value as f32).to_bits())
        });
        let bits = bits.collect::<Option<Vec<u32>>>()?;
        hasher.row(prediction["class"].as_str()?, bits.into_iter());
    }
    Some(hasher.finish())
}

fn bytes(value: &Value, key: &str) -> Result<Vec<u8>, String> {
    let text = value[key]
        .as_str()
        .ok_or_else(|| format!("{key} is missing"))?;
    HEXLOWER
        .decode(text.as_bytes())
        .map_err(|_| format!("{key} is not in hexadecimal"))
}

fn hashes(value: &Value, key: &str) -> Result<Vec<Hash>, String> {
    let list = value[key]
        .as_array()
        .ok_or_else(|| format!("{key} is missing"))?;
    let hash = |text: &Value| {
        HEXLOWER
            .decode(text.as_str()?.as_bytes())
            .ok()?
            .try_into()
            .ok()
    };
    let hashes = list.iter().map(hash).collect::<Option<_>>();
    hashes.ok_or_else(|| format!("{key} is not a list of hashes"))
}
