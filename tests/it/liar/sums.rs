//! A published sum that is not the sum of the contributions: told to each company in another way, believed by none.

use std::{path::PathBuf, sync::Mutex};

use prost::{Message, bytes::Bytes};
use unsilo_fhe::weighted_digit_sum;
use unsilo_ledger::{Entry, SignedEntry, State};
use unsilo_proto::v1::{BlobPart, EntriesReply, EntriesRequest, Step, blob_part, step::Kind};

use super::{
    FOUR,
    relay::{Lie, Relay, lock},
};
use crate::{
    companies::{Companies, count},
    support::{Running, until},
};

/// How one company is lied to about the sum, by as much as the ledger's weights allow: its length stays what it was.
#[derive(Clone, Copy, Debug)]
enum Sum {
    /// The first contribution is missing.
    Dropped,
    /// The first contribution counts twice.
    Doubled,
    /// The first contribution counts a little less.
    Reweighted,
    /// One bit of one contribution is another.
    Altered,
}

struct LiedSum {
    /// Where the coordinator keeps the contributions of round 1.
    contributions: PathBuf,
    how: Sum,
    /// The ledger as the node was told it.
    entries: Mutex<Vec<SignedEntry>>,
    /// The digits of the false sum.
    digits: Mutex<Vec<u8>>,
}

impl LiedSum {
    fn new(fed: &Companies, how: Sum) -> Self {
        Self {
            contributions: fed.coordinator().join("contributions/round-1"),
            how,
            entries: Mutex::default(),
            digits: Mutex::default(),
        }
    }

    /// The digits of the false sum, from the ciphertexts that the coordinator has.
    fn sum(&self) -> Vec<u8> {
        let state = State::replay(lock(&self.entries).iter()).expect("replays");
        let mut terms: Vec<(Vec<u8>, u16)> = state
            .weights()
            .expect("weighed")
            .iter()
            .map(|(id, weight)| {
                let path = self.contributions.join(format!("{id}.ciphertext"));
                (std::fs::read(path).expect("a ciphertext"), *weight)
            })
            .collect();
        match self.how {
            Sum::Dropped => drop(terms.remove(0)),
            Sum::Doubled => terms.push(terms[0].clone()),
            Sum::Reweighted => terms[0].1 -= 1,
            Sum::Altered => terms[0].0[17] ^= 1,
        }
        let chunks = terms[0].0.len() / unsilo_fhe::CHUNK_BYTES;
        let terms: Vec<_> = terms
            .iter()
            .map(|(ciphertext, weight)| (ciphertext.as_slice(), *weight))
            .collect();
        weighted_digit_sum(chunks, &terms)
            .expect("sums")
            .into_bytes()
    }
}

impl Lie for LiedSum {
    fn told(&self, method: &str, asked: &Bytes, message: Bytes) -> Vec<Bytes> {
        match method {
            "LedgerLog/Entries" => {
                let asked = EntriesRequest::decode(asked.clone()).expect("a request");
                let reply = EntriesReply::decode(message.clone()).expect("a reply");
                let mut entries = lock(&self.entries);
                entries.truncate(asked.from as usize);
                entries.extend(
                    reply
                        .entries
                        .iter()
                        .map(|bytes| SignedEntry::decode(bytes).expect("an entry")),
                );
                vec![message]
            }
            "Rounds/Steps" => {
                let mut step = Step::decode(message.clone()).expect("a step");
                let Some(Kind::Publishing(publishing)) = &mut step.kind else {
                    return vec![message];
                };
                let Ok(Entry::ModelPublished {
                    round,
                    key_sum,
                    model,
                    total_weight,
                    ..
                }) = Entry::from_bytes(&publishing.entry)
                else {
                    panic!("another entry");
                };
                let digits = self.sum();
                publishing.entry = Entry::ModelPublished {
                    round,
                    sum: unsilo_proto::sum_hash(&digits),
                    key_sum,
                    model,
                    total_weight,
                }
                .to_bytes();
                *lock(&self.digits) = digits;
                vec![step.encode_to_vec().into()]
            }
            "Models/Sum" => {
                let part = BlobPart::decode(message.clone()).expect("a part");
                let digits = lock(&self.digits);
                let Some(blob_part::Part::Header(header)) = part.part else {
                    return Vec::new(); // The data follow the header below.
                };
                assert_eq!(
                    header.bytes,
                    digits.len() as u64,
                    "the length does not give it away"
                );
                let mut parts = vec![blob_part::Part::Header(header)];
                parts.extend(
                    digits
                        .chunks(1 << 16)
                        .map(|data| blob_part::Part::Data(data.to_vec().into())),
                );
                parts
                    .into_iter()
                    .map(|part| BlobPart { part: Some(part) }.encode_to_vec().into())
                    .collect()
            }
            _ => vec![message],
        }
    }
}

#[test]
fn a_sum_with_one_contribution_dropped_doubled_reweighted_or_altered_is_signed_by_no_node() {
    let fed = Companies::found(&FOUR, 1);
    let mut coordinator = fed.serve();
    let lies = [Sum::Dropped, Sum::Doubled, Sum::Reweighted, Sum::Altered];
    let relays: Vec<Relay> = FOUR
        .iter()
        .zip(lies)
        .enumerate()
        .map(|(part, (name, how))| {
            fed.join_fast(name, part, 4);
            Relay::before(&fed, name, LiedSum::new(&fed, how))
        })
        .collect();
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
    for (node, how) in nodes.iter_mut().zip(lies) {
        node.until_said("ALARM");
        let said = node.said();
        let alarm = said.lines().find(|line| line.contains("ALARM"));
        let alarm = alarm.expect("an alarm");
        assert!(
            alarm.contains("the coordinator is to blame"),
            "{how:?}: {alarm}"
        );
        assert!(alarm.contains("not signed, not used"), "{how:?}: {alarm}");
        assert!(node.runs(), "it refuses this, and goes on");
    }
    for (name, relay) in FOUR.iter().zip(&relays) {
        assert!(relay.sent("Committee/SignPublish").is_empty(), "{name}");
        let kept = std::fs::read_dir(fed.company(name).join("alarms")).expect("kept");
        let kept: Vec<_> = kept
            .map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("text"))
            .collect();
        assert!(
            kept.len() == 1 && kept[0].contains("the coordinator is to blame"),
            "{kept:?}"
        );
    }
    assert_eq!(count(&fed.entries(), "published model"), 0);
    for node in &mut nodes {
        node.terminate();
        node.wait().ok();
    }

    // Told the truth, the same nodes sign.
    drop(relays);
    for name in FOUR {
        super::straight(&fed, name);
    }
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
    for node in &mut nodes {
        node.wait().ok();
    }
    until("it is published", || {
        count(&fed.entries(), "published model") == 1
    });
    coordinator.terminate();
    coordinator.wait().ok();
}
