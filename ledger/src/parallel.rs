//! Signatures under many entries, verified in batches on all cores before the entries are applied in order.

use crate::draft::FederationId;
use crate::entry::signed::SignedEntry;
use crate::identity::{KnownKeys, SignatureBatch};
use crate::state::Trust;
use std::num::NonZero;
use std::thread;

/// Below this a batch saves nothing.
const WORTH_A_BATCH: usize = 2;
/// A larger batch is hardly faster, and takes memory: about 250 bytes a signature.
const BATCH_ENTRIES: usize = 4_096;
/// Below this a thread costs more than it saves.
const WORTH_A_THREAD: usize = 32;

/// For each entry, whether [`crate::State::apply`] may take its own signatures as verified. `encoded` are the
/// entries' canonical bytes.
///
/// How they were put into batches changes nothing: entries of a batch that does not verify, and all entries
/// before the genesis, when no federation is known, are left for `apply` to verify and to refuse in its turn.
pub(crate) fn verify_signatures(
    federation: Option<FederationId>,
    known: &KnownKeys,
    entries: &[SignedEntry],
    encoded: &[Vec<u8>],
) -> Vec<Trust> {
    let (Some(federation), true) = (federation, entries.len() >= WORTH_A_BATCH) else {
        return vec![Trust::Verify; entries.len()];
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = entries.len().div_ceil(threads.max(1)).max(WORTH_A_THREAD);
    let mut parts = entries.chunks(share).zip(encoded.chunks(share));
    let own = parts.next();
    thread::scope(|scope| {
        let others: Vec<_> = parts
            .map(|(entries, encoded)| {
                let worker = scope.spawn(move || verify(&federation, known, entries, encoded));
                (entries.len(), worker)
            })
            .collect();
        let mut trusts = own.map_or_else(Vec::new, |(entries, encoded)| {
            verify(&federation, known, entries, encoded)
        });
        for (entries, worker) in others {
            // A worker that died verified nothing.
            let verified = worker.join();
            trusts.extend(verified.unwrap_or_else(|_| vec![Trust::Verify; entries]));
        }
        trusts
    })
}

/// One thread's share.
fn verify(
    federation: &FederationId,
    known: &KnownKeys,
    entries: &[SignedEntry],
    encoded: &[Vec<u8>],
) -> Vec<Trust> {
    let batches = entries
        .chunks(BATCH_ENTRIES)
        .zip(encoded.chunks(BATCH_ENTRIES));
    batches
        .flat_map(|(entries, encoded)| verify_batch(federation, known, entries, encoded))
        .collect()
}

fn verify_batch(
    federation: &FederationId,
    known: &KnownKeys,
    entries: &[SignedEntry],
    encoded: &[Vec<u8>],
) -> Vec<Trust> {
    let mut batch = SignatureBatch::new(known);
    let well_formed: Vec<bool> = entries
        .iter()
        .zip(encoded)
        .map(|(entry, encoded)| entry.add_signatures(federation, encoded, &mut batch))
        .collect();
    let valid = batch.verify();
    let trust = |well_formed| {
        if valid && well_formed {
            Trust::EntryVerified
        } else {
            Trust::Verify
        }
    };
    well_formed.into_iter().map(trust).collect()
}
