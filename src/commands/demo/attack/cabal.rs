//! What attackers tell each other: they run in one process, and share their honest updates of a round through its memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Between two looks whether this node ends: training promises one a second at least.
const LOOK: Duration = Duration::from_millis(200);

/// Attackers that know each other. A member that does not share in time is not waited for again until it shares.
pub(super) struct Cabal {
    members: usize,
    /// How long a member is waited for.
    patience: Duration,
    shared: Mutex<Shared>,
    told: Condvar,
}

#[derive(Default)]
struct Shared {
    /// By round, then by member.
    updates: BTreeMap<u64, BTreeMap<usize, Vec<f32>>>,
    /// Who was late last time.
    away: BTreeSet<usize>,
}

impl Cabal {
    pub(super) fn new(members: usize, patience: Duration) -> Self {
        Self {
            members,
            patience,
            shared: Mutex::default(),
            told: Condvar::new(),
        }
    }

    /// Tells the others this member's honest update of `round`, waits for theirs, and returns all that are known, in the order
    /// of members, its own among them. `waiting` is called every now and then meanwhile, and need not return.
    pub(super) fn share(
        &self,
        round: u64,
        member: usize,
        own: &[f32],
        waiting: &mut dyn FnMut(),
    ) -> Vec<Vec<f32>> {
        let began = Instant::now();
        let mut shared = self.lock();
        shared.away.remove(&member);
        shared.updates.retain(|of, _| *of + 1 >= round);
        let updates = shared.updates.entry(round).or_default();
        updates.insert(member, own.to_vec());
        self.told.notify_all();
        loop {
            let late = self.late(&shared, round);
            if late.is_empty() {
                break;
            }
            let left = self.patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                shared.away.extend(late);
                break;
            }
            let waited = self.told.wait_timeout(shared, left.min(LOOK));
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            // Not under the lock: it may unwind.
            waiting();
            shared = self.lock();
        }
        let updates = shared.updates.get(&round);
        updates
            .into_iter()
            .flatten()
            .map(|(_, update)| update.clone())
            .collect()
    }

    /// Who is waited for.
    fn late(&self, shared: &Shared, round: u64) -> Vec<usize> {
        let here = shared.updates.get(&round);
        (0..self.members)
            .filter(|member| !shared.away.contains(member))
            .filter(|member| !here.is_some_and(|here| here.contains_key(member)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without updates.
impl fmt::Debug for Cabal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cabal({} members)", self.members)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Longer than any test waits that does not hang.
    const LONG: Duration = Duration::from_secs(50);

    #[test]
    fn members_know_each_others_updates_of_the_round_in_order() {
        let cabal = Cabal::new(3, LONG);
        for round in 1..=3 {
            let each: Vec<Vec<Vec<f32>>> = thread::scope(|scope| {
                let told: Vec<_> = (0..3)
                    .map(|member| {
                        let (cabal, own) = (&cabal, [(10 * round + member) as f32]);
                        scope.spawn(move || cabal.share(round as u64, member, &own, &mut || {}))
                    })
                    .collect();
                told.into_iter()
                    .map(|one| one.join().expect("told"))
                    .collect()
            });
            for known in each {
                assert_eq!(
                    known,
                    [0, 1, 2].map(|member| vec![(10 * round + member) as f32])
                );
            }
        }
        assert!(cabal.lock().updates.len() <= 2, "old rounds are forgotten");
    }

    #[test]
    fn who_does_not_come_is_waited_for_once_and_again_when_it_is_back() {
        let cabal = Cabal::new(2, Duration::from_millis(300));
        let mut looks = 0;
        let began = Instant::now();
        let known = cabal.share(1, 0, &[1.0], &mut || looks += 1);
        assert_eq!(known, [[1.0]]);
        assert!(looks > 0 && began.elapsed() >= Duration::from_millis(300));
        let known = cabal.share(2, 0, &[2.0], &mut || unreachable!("nobody is waited for"));
        assert_eq!(known, [[2.0]]);
        // Its word of a round that has passed brings it back.
        let known = cabal.share(2, 1, &[3.0], &mut || unreachable!("all have shared"));
        assert_eq!(known, [[2.0], [3.0]]);
        let mut looks = 0;
        cabal.share(3, 0, &[4.0], &mut || looks += 1);
        assert!(looks > 0);
    }

    #[test]
    fn a_node_that_ends_while_it_waits_leaves_the_others_their_cabal() {
        let cabal = Cabal::new(2, LONG);
        let ended = thread::scope(|scope| {
            let waits = scope.spawn(|| {
                cabal.share(1, 0, &[1.0], &mut || {
                    std::panic::resume_unwind(Box::new(()))
                })
            });
            waits.join()
        });
        assert!(ended.is_err());
        assert_eq!(cabal.share(1, 1, &[2.0], &mut || {}), [[1.0], [2.0]]);
    }
}
