//! Encrypted queries beside everything else: keys in memory, one queue that is fair to tokens, threads of their own.
//!
//! What keeps them from the way of rounds and plain queries: the threads have a low claim on the processors
//! ([`NICE`]), so that they get what hardly anybody else wants; one query is evaluated, or one key made ready, at a time, on all
//! of them; a token has few places in the queue; and keys have a bound on their memory.

mod keys;
mod queue;
mod requests;

use std::{sync::Arc, time::Duration};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{Semaphore, oneshot, watch};

pub(crate) use keys::{KEY_LIFE, Keys};
pub(crate) use queue::{Full, Queue, Turn};
pub(crate) use requests::{Replayed, Requests};

use crate::{error::CoordinatorError, server::until_true};

/// Evaluation keys that arrive at a time, 30 MB each. One of them at a time is made ready, which takes some 250 MB more.
const UPLOADS: usize = 8;
/// How much nicer than the rest of this process their threads are: one of them gets a quarter of a processor that another
/// thread of the process also wants (weights 335 and 1024 of Linux's scheduler), and all of it when nobody else does. So
/// rounds and plain queries hardly feel them, and they are not starved either.
const NICE: i32 = 5;
/// How often keys that have expired are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// What the handlers of encrypted queries share. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Encrypted {
    pub(crate) keys: Keys,
    pub(crate) queue: Queue,
    pub(crate) requests: Requests,
    pool: Arc<ThreadPool>,
    pub(crate) uploads: Arc<Semaphore>,
}

impl Encrypted {
    /// With room for so many keys, at least one, until the coordinator stops.
    pub(crate) fn start(
        keys: usize,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, CoordinatorError> {
        let pool = ThreadPoolBuilder::new()
            .thread_name(|index| format!("encrypted-{index}"))
            .start_handler(|_| {
                // On Linux this is about the calling thread.
                if let Err(error) = rustix::process::nice(NICE) {
                    tracing::warn!(%error, "encrypted queries run beside everything else with the same priority");
                }
            })
            .panic_handler(|_| tracing::error!("an encrypted query failed"))
            .build()
            .map_err(|error| CoordinatorError::Directory(error.to_string()))?;
        let keys = Keys::new(keys);
        tokio::spawn(sweep(keys.clone(), stopping));
        Ok(Self {
            keys,
            queue: Queue::default(),
            requests: Requests::default(),
            pool: Arc::new(pool),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
        })
    }

    /// Does `work` on the threads of encrypted queries, in its caller's turn, which ends with it. `None` if it failed. The work
    /// goes on to its end if nobody waits for it any more.
    pub(crate) async fn work<Found: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce() -> Found + Send + 'static,
    ) -> Option<Found> {
        let (sender, found) = oneshot::channel();
        self.pool.spawn(move || {
            let found = work();
            drop(turn);
            let _ = sender.send(found);
        });
        found.await.ok()
    }
}

/// Frees the memory of keys that nobody has used for [`KEY_LIFE`].
async fn sweep(keys: Keys, stopping: watch::Receiver<bool>) {
    let mut stopped = Box::pin(until_true(stopping));
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => keys.sweep(std::time::Instant::now()),
            () = &mut stopped => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_one_at_a_time_also_if_one_fails_or_nobody_waits_for_it() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (_stop, stopping) = watch::channel(false);
        let encrypted = Encrypted::start(1, stopping).expect("started");
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..6u8 {
            let (encrypted, at_once, most) = (encrypted.clone(), at_once.clone(), most.clone());
            tasks.spawn(async move {
                let place = encrypted.queue.enter([number; 8]).expect("a place");
                let turn = place.turn().await;
                let work = encrypted.work(turn, move || {
                    most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(20));
                    at_once.fetch_sub(1, Ordering::SeqCst);
                    assert!(number != 2, "it fails");
                    number
                });
                match number {
                    // Its client goes.
                    3 => tokio::time::timeout(Duration::ZERO, work).await.ok()?,
                    _ => work.await,
                }
            });
        }
        let mut done: Vec<Option<u8>> = tasks.join_all().await;
        done.sort_unstable();
        assert_eq!(done, [None, None, Some(0), Some(1), Some(4), Some(5)]);
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_threads_stand_back_for_everybody_else() {
        let (_stop, stopping) = watch::channel(false);
        let encrypted = Encrypted::start(1, stopping).expect("started");
        // Fields of stat(5) after the name, which ends with the last parenthesis: state is the 3rd, nice the 19th.
        let nice = || -> i32 {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("this is Linux");
            let (_, fields) = stat.rsplit_once(')').expect("a name");
            let nice = fields.split_whitespace().nth(16).expect("a number");
            nice.parse().expect("a number")
        };
        let ours = nice();
        assert_eq!(encrypted.pool.install(nice), (ours + NICE).min(19));
        assert_eq!(nice(), ours, "those threads alone");
    }
}
