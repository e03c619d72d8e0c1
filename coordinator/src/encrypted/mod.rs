//! Encrypted queries beside everything else: keys in memory, one queue that is fair to tokens, threads of their own.
//!
//! What keeps them from the way of rounds and plain queries: the threads have a low claim on the processors
//! ([`NICE`]), so that they get what hardly anybody else wants; one query is evaluated at a time, on all of them; a token has few
//! places in the queue; and keys have a bound on their memory.

mod keys;
mod queue;
mod requests;

use std::{sync::Arc, time::Duration};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{Semaphore, watch};

pub(crate) use keys::{KEY_LIFE, Keys};
pub(crate) use queue::{Full, Queue};
pub(crate) use requests::{Replayed, Requests};

use crate::{error::CoordinatorError, server::until_true};

/// Evaluation keys that are received and expanded at a time: some 250 MB each while it lasts.
const UPLOADS: usize = 2;
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
    pub(crate) pool: Arc<ThreadPool>,
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
