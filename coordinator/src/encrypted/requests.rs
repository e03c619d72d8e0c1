//! Encrypted queries by their names: how far one is, and that none is answered twice.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use unsilo_inference::{RequestId, Work};

use crate::tokens::TokenId;

/// Names of answered queries that are remembered, 24 bytes each: a day of one query every 1.3 s.
const REMEMBERED: usize = 65_536;

/// A query with this name was answered, or is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replayed;

/// Names of queries. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Requests(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    /// `None` once answered.
    named: HashMap<(TokenId, RequestId), Option<Arc<UnderWay>>>,
    answered: VecDeque<(TokenId, RequestId)>,
}

/// A query that waits or is evaluated.
#[derive(Default)]
pub(crate) struct UnderWay {
    pub(crate) work: Work,
    /// Its place in the queue.
    place: AtomicU64,
}

impl UnderWay {
    pub(crate) fn place(&self) -> u64 {
        self.place.load(Ordering::Relaxed)
    }
}

impl Requests {
    /// Takes the name, until the returned [`Request`] is dropped without being answered.
    ///
    /// # Errors
    /// [`Replayed`].
    pub(crate) fn begin(&self, token: TokenId, id: RequestId) -> Result<Request, Replayed> {
        let mut shared = self.lock();
        let name = (token, id);
        if shared.named.contains_key(&name) {
            return Err(Replayed);
        }
        let under_way = Arc::new(UnderWay::default());
        shared.named.insert(name, Some(under_way.clone()));
        Ok(Request {
            requests: self.clone(),
            name,
            under_way,
            answered: false,
        })
    }

    /// The query with this name, while it is under way.
    pub(crate) fn under_way(&self, token: TokenId, id: RequestId) -> Option<Arc<UnderWay>> {
        self.lock().named.get(&(token, id)).cloned().flatten()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A query under way. Dropped before it is answered (a refusal, a client that has gone), it is cancelled and its name is
/// free again.
pub(crate) struct Request {
    requests: Requests,
    name: (TokenId, RequestId),
    under_way: Arc<UnderWay>,
    answered: bool,
}

impl Request {
    pub(crate) fn under_way(&self) -> Arc<UnderWay> {
        self.under_way.clone()
    }

    /// Where it waits.
    pub(crate) fn waits_at(&self, place: u64) {
        self.under_way.place.store(place, Ordering::Relaxed);
    }

    /// It was answered: nobody is answered by this name again.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut shared = self.requests.lock();
        if !self.answered {
            self.under_way.work.cancel();
            shared.named.remove(&self.name);
            return;
        }
        shared.named.insert(self.name, None);
        shared.answered.push_back(self.name);
        if shared.answered.len() > REMEMBERED
            && let Some(oldest) = shared.answered.pop_front()
        {
            shared.named.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_answered_once_and_a_cancelled_one_is_free_again() {
        let requests = Requests::default();
        let (token, id) = ([1; 8], [2; 16]);
        let first = requests.begin(token, id).expect("new");
        assert_eq!(requests.begin(token, id).err(), Some(Replayed));
        let under_way = requests.under_way(token, id).expect("under way");
        assert!(requests.under_way([9; 8], id).is_none(), "somebody else's");
        drop(first);
        assert!(under_way.work.cancelled());
        requests.begin(token, id).expect("free again").answered();
        assert_eq!(requests.begin(token, id).err(), Some(Replayed));
        assert!(requests.under_way(token, id).is_none());
        requests.begin([9; 8], id).expect("names are a token's own");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let requests = Requests::default();
        for number in 0..=REMEMBERED as u128 {
            let request = requests.begin([0; 8], number.to_le_bytes());
            request.expect("new").answered();
        }
        assert_eq!(requests.lock().named.len(), REMEMBERED);
        requests.begin([0; 8], [0; 16]).expect("forgotten");
        let last = (REMEMBERED as u128).to_le_bytes();
        assert_eq!(requests.begin([0; 8], last).err(), Some(Replayed));
    }
}
