//! Signatures under and inside many entries, verified in batches on all cores: before the entries are applied in
//! order, or while the ones before them are.

use crate::draft::FederationId;
use crate::entry::signed::SignedEntry;
use crate::hash::Hash;
use crate::identity::{KnownKeys, PublicKey, SignatureBatch};
use crate::state::Trust;
use crate::tree::leaf_hash;
use std::num::NonZero;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

/// Below this a batch saves nothing.
const WORTH_A_BATCH: usize = 2;
/// A larger batch is hardly faster, and takes memory: about 250 bytes a signature.
pub(crate) const BATCH_ENTRIES: usize = 4_096;
/// Below this a thread costs more than it saves.
const WORTH_A_THREAD: usize = 32;
/// Batches that lie ready for each worker: so many that none waits while one is applied.
const AHEAD: usize = 2;

/// Entries with what is needed to verify their signatures, and nothing of the books.
pub(crate) struct Batch {
    /// Decoded from `encoded`.
    pub(crate) entries: Vec<SignedEntry>,
    /// Their canonical bytes.
    pub(crate) encoded: Vec<Vec<u8>>,
    /// See [`crate::seated_keys`].
    pub(crate) inside: Vec<Vec<PublicKey>>,
}

/// What is known of a batch before it is applied.
pub(crate) struct Verified {
    /// Of each entry, whether its own signatures, and those inside it for which there were keys, are valid.
    valid: Vec<bool>,
    /// The hash of each entry's leaf.
    pub(crate) leaves: Vec<Hash>,
}

impl Batch {
    /// How [`crate::State`] may take each of the entries.
    pub(crate) fn trusts<'a>(&'a self, verified: &'a Verified) -> impl Iterator<Item = Trust<'a>> {
        trusts(&verified.valid, &self.inside)
    }

    fn verify(&self, federation: Option<FederationId>, known: &KnownKeys) -> Verified {
        let valid = match federation {
            Some(federation) if self.entries.len() >= WORTH_A_BATCH => {
                let (entries, encoded) = (&self.entries, &self.encoded);
                verify_batch(&federation, known, entries, encoded, &self.inside)
            }
            _ => vec![false; self.entries.len()],
        };
        Verified {
            valid,
            leaves: self.encoded.iter().map(|bytes| leaf_hash(bytes)).collect(),
        }
    }
}

/// How [`crate::State`] may take entries whose signatures were verified or not.
pub(crate) fn trusts<'a>(
    valid: &'a [bool],
    inside: &'a [Vec<PublicKey>],
) -> impl Iterator<Item = Trust<'a>> {
    valid.iter().zip(inside).map(|(valid, inside)| {
        if *valid {
            Trust::EntryVerified { inside }
        } else {
            Trust::Verify
        }
    })
}

/// For each entry, whether its own signatures and those inside it were found valid. `encoded` are the entries'
/// canonical bytes, `inside` the keys for the signatures inside.
///
/// How they were put into batches changes nothing: entries of a batch that does not verify, and all entries
/// before the genesis, when no federation is known, are left for `apply` to verify and to refuse in its turn.
pub(crate) fn verify_signatures(
    federation: Option<FederationId>,
    known: &KnownKeys,
    entries: &[SignedEntry],
    encoded: &[Vec<u8>],
    inside: &[Vec<PublicKey>],
) -> Vec<bool> {
    let (Some(federation), true) = (federation, entries.len() >= WORTH_A_BATCH) else {
        return vec![false; entries.len()];
    };
    let share = entries
        .len()
        .div_ceil(cores())
        .clamp(WORTH_A_THREAD, BATCH_ENTRIES);
    let parts: Vec<_> = entries
        .chunks(share)
        .zip(encoded.chunks(share))
        .zip(inside.chunks(share))
        .collect();
    let threads = cores().min(parts.len());
    let verify = |(((entries, encoded), inside), valid): (_, &mut Vec<bool>)| {
        *valid = verify_batch(&federation, known, entries, encoded, inside);
    };
    let mut valid: Vec<Vec<bool>> = parts
        .iter()
        .map(|((entries, _), _)| vec![false; entries.len()])
        .collect();
    let queue = Mutex::new(parts.into_iter().zip(&mut valid));
    let work = || {
        while let Some(part) = queue.lock().ok().and_then(|mut queue| queue.next()) {
            verify(part);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // A thread less is no harm: the others take its share.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    valid.concat()
}

fn verify_batch(
    federation: &FederationId,
    known: &KnownKeys,
    entries: &[SignedEntry],
    encoded: &[Vec<u8>],
    inside: &[Vec<PublicKey>],
) -> Vec<bool> {
    let mut batch = SignatureBatch::new(known);
    let well_formed: Vec<bool> = entries
        .iter()
        .zip(encoded)
        .zip(inside)
        .map(|((signed, encoded), inside)| {
            signed.add_signatures(federation, encoded, &mut batch)
                && signed
                    .entry
                    .add_signatures_inside(federation, inside, &mut batch)
        })
        .collect();
    let valid = batch.verify();
    well_formed
        .into_iter()
        .map(|well_formed| valid && well_formed)
        .collect()
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Threads that verify batches while the caller applies the ones before.
pub(crate) struct Verifiers {
    jobs: mpsc::Sender<Job>,
    workers: usize,
}

struct Job {
    federation: Option<FederationId>,
    keys: Arc<KnownKeys>,
    batch: Arc<Batch>,
    done: mpsc::Sender<Verified>,
}

/// A batch that is being verified.
pub(crate) struct Verifying {
    batch: Arc<Batch>,
    federation: Option<FederationId>,
    keys: Arc<KnownKeys>,
    /// `None` if nobody has begun: there are no workers.
    done: Option<mpsc::Receiver<Verified>>,
}

impl Verifiers {
    /// Runs `work` with as many workers as there are cores beside it, or none if `many` is false or there is one
    /// core; they end with it.
    pub(crate) fn with<T>(many: bool, work: impl FnOnce(&Self) -> T) -> T {
        let wanted = if many && cores() > 1 { cores() } else { 0 };
        let (jobs, queue) = mpsc::channel();
        let queue = Mutex::new(queue);
        thread::scope(|scope| {
            let started = (0..wanted)
                .map_while(|_| {
                    let worker = thread::Builder::new().spawn_scoped(scope, || serve(&queue));
                    worker.ok()
                })
                .count();
            let verifiers = Self {
                jobs,
                workers: started,
            };
            work(&verifiers)
            // The jobs' sender goes here, and the workers with it.
        })
    }

    /// How many batches should be under way.
    pub(crate) fn ahead(&self) -> usize {
        self.workers.saturating_mul(AHEAD).max(1)
    }

    /// Gives a batch to the workers.
    pub(crate) fn start(
        &self,
        batch: Batch,
        federation: Option<FederationId>,
        keys: &Arc<KnownKeys>,
    ) -> Verifying {
        let batch = Arc::new(batch);
        let mut verifying = Verifying {
            batch: Arc::clone(&batch),
            federation,
            keys: Arc::clone(keys),
            done: None,
        };
        if self.workers > 0 {
            let (done, result) = mpsc::channel();
            let job = Job {
                federation,
                keys: Arc::clone(keys),
                batch,
                done,
            };
            // Nobody there to take it: then it is verified when it is waited for.
            verifying.done = self.jobs.send(job).is_ok().then_some(result);
        }
        verifying
    }
}

impl Verifying {
    /// Waits for the batch.
    pub(crate) fn finish(self) -> (Arc<Batch>, Verified) {
        let verified = self.done.and_then(|done| done.recv().ok());
        let verified = verified.unwrap_or_else(|| self.batch.verify(self.federation, &self.keys));
        (self.batch, verified)
    }
}

fn serve(queue: &Mutex<mpsc::Receiver<Job>>) {
    while let Some(job) = queue.lock().ok().and_then(|queue| queue.recv().ok()) {
        let verified = job.batch.verify(job.federation, &job.keys);
        // Whoever asked may have met an error before and not wait any more.
        let _ = job.done.send(verified);
    }
}
