//! Signatures under many entries, verified on all cores before the entries are applied in order.

use crate::draft::FederationId;
use crate::entry::signed::SignedEntry;
use crate::state::Trust;
use std::num::NonZero;
use std::thread;

/// Below this a thread costs more than it saves.
const WORTH_A_THREAD: usize = 16;

/// For each entry, whether [`crate::State::apply`] may take its own signatures as verified.
///
/// Which threads did it changes nothing: an entry with a signature that does not verify here, or none at
/// all (before the genesis no federation is known), is left for `apply` to verify and to refuse in its turn.
pub(crate) fn verify_signatures(
    federation: Option<FederationId>,
    entries: &[SignedEntry],
) -> Vec<Trust> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = entries.len().div_ceil(threads.max(1)).max(WORTH_A_THREAD);
    let (Some(federation), true) = (federation, entries.len() > share) else {
        return vec![Trust::Verify; entries.len()];
    };
    let verify = |entry: &SignedEntry| match entry.first_bad_signature(&federation) {
        None => Trust::EntryVerified,
        Some(_) => Trust::Verify,
    };
    thread::scope(|scope| {
        let workers: Vec<_> = entries
            .chunks(share)
            .map(|part| {
                (
                    part.len(),
                    scope.spawn(move || part.iter().map(verify).collect::<Vec<_>>()),
                )
            })
            .collect();
        let trusts = workers.into_iter().map(|(entries, worker)| {
            // A worker that died verified nothing.
            worker
                .join()
                .unwrap_or_else(|_| vec![Trust::Verify; entries])
        });
        trusts.flatten().collect()
    })
}
