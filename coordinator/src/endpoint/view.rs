//! What readers see, kept up to date by one task: however many look, the owner is asked once a change, and for the
//! ledger's explorer once a page.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};
use unsilo_ledger::{Draft, SignedEntry, explain::History};

use super::{chronicle::Chronicle, progress::Progress};
use crate::{
    evaluations::Evaluations,
    owner::{Owner, now_ms},
    service::Connected,
};

/// Shortest time between two documents that are pushed.
const LEAST_PAUSE: Duration = Duration::from_millis(150);
/// Longest: who hears nothing for several of these knows that the coordinator is gone.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Event streams at a time; whoever comes later is asked to poll.
const STREAMS: usize = 512;
/// Questions to the owner about single entries, at a time.
const OWNER_QUESTIONS: usize = 2;
/// Whole pages of the log kept in their final form.
const PAGES_KEPT: usize = 64;

/// What the handlers of pages read.
#[derive(Clone)]
pub(crate) struct View {
    pub(super) chronicle: watch::Receiver<Arc<Chronicle>>,
    /// The progress document, JSON.
    pub(super) progress: watch::Receiver<Arc<str>>,
    pub(super) evaluations: Evaluations,
    pub(super) streams: Arc<Semaphore>,
    pub(super) questions: Arc<Semaphore>,
    pub(super) stopping: watch::Receiver<bool>,
    /// Whole pages of the log, which never change, as JSON.
    pages: Arc<Mutex<BTreeMap<u64, Arc<str>>>>,
}

impl View {
    /// Starts following the log. Ends with the owner.
    pub(crate) fn start(
        owner: Owner,
        draft: Arc<Draft>,
        connected: Connected,
        evaluations: Evaluations,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let chronicle = watch::Sender::new(Arc::new(Chronicle::default()));
        let progress = watch::Sender::new(Arc::from("{}"));
        let view = Self {
            chronicle: chronicle.subscribe(),
            progress: progress.subscribe(),
            evaluations: evaluations.clone(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            questions: Arc::new(Semaphore::new(OWNER_QUESTIONS)),
            stopping: stopping.clone(),
            pages: Arc::default(),
        };
        let follower = Follower {
            owner,
            draft,
            connected,
            evaluations: evaluations.count(),
            stopping,
            chronicle,
            progress,
        };
        // There is something to read from the start, before anything happens.
        follower.write();
        tokio::spawn(follower.run());
        view
    }

    /// A page of the log that was kept.
    pub(super) fn page(&self, page: u64) -> Option<Arc<str>> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.get(&page).cloned()
    }

    /// Keeps a whole page; the oldest pages make room.
    pub(super) fn keep_page(&self, page: u64, text: Arc<str>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.insert(page, text);
        if pages.len() > PAGES_KEPT {
            pages.pop_first();
        }
    }
}

struct Follower {
    owner: Owner,
    draft: Arc<Draft>,
    connected: Connected,
    evaluations: watch::Receiver<usize>,
    stopping: watch::Receiver<bool>,
    chronicle: watch::Sender<Arc<Chronicle>>,
    progress: watch::Sender<Arc<str>>,
}

impl Follower {
    async fn run(mut self) {
        let mut history = History::new();
        // What was there before this process began has no time.
        let at_start = self.owner.now().entries;
        loop {
            let newest = self.owner.snapshot.borrow_and_update().entries;
            self.evaluations.borrow_and_update();
            if history.entries() < newest {
                match self.follow(history, at_start).await {
                    Some(followed) => history = followed,
                    None => return,
                }
            }
            self.write();
            tokio::time::sleep(LEAST_PAUSE).await;
            tokio::select! {
                changed = self.owner.snapshot.changed() => if changed.is_err() { return },
                changed = self.evaluations.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(HEARTBEAT) => {}
                () = crate::server::until_true(self.stopping.clone()) => return,
            }
        }
    }

    /// Follows the log by one page; `None` when the owner is gone or the log cannot be told.
    async fn follow(&self, mut history: History, at_start: u64) -> Option<History> {
        let page = self.owner.entries(history.entries()).await.ok()?;
        let mut chronicle = Chronicle::clone(&self.chronicle.borrow());
        let told = tokio::task::spawn_blocking(move || {
            let entries: Result<Vec<_>, _> = page
                .entries
                .iter()
                .map(|bytes| SignedEntry::decode(bytes))
                .collect();
            let entries = entries.map_err(|error| error.to_string())?;
            let known = usize::try_from(at_start.saturating_sub(history.entries()));
            let (old, new) = entries.split_at(known.unwrap_or(usize::MAX).min(entries.len()));
            chronicle
                .follow(&mut history, old, None)
                .and_then(|()| chronicle.follow(&mut history, new, Some(now_ms())))
                .map_err(|error| error.to_string())?;
            Ok::<_, String>((history, chronicle))
        });
        match told.await {
            Ok(Ok((history, chronicle))) => {
                self.chronicle.send_replace(Arc::new(chronicle));
                Some(history)
            }
            Ok(Err(error)) => {
                tracing::error!(error, "the log cannot be told: the page stays as it is");
                None
            }
            Err(error) => {
                tracing::error!(%error, "the log cannot be told: the page stays as it is");
                None
            }
        }
    }

    fn write(&self) {
        let document = Progress::now(
            &self.owner.now(),
            &self.draft,
            &self.chronicle.borrow(),
            &self.connected,
            *self.evaluations.borrow(),
        );
        match serde_json::to_string(&document) {
            Ok(text) => {
                self.progress.send_replace(Arc::from(text));
            }
            Err(error) => tracing::error!(%error, "the progress cannot be written"),
        }
    }
}
