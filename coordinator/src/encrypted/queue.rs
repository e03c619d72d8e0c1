//! Whose encrypted query is next: one at a time, tokens in turn.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::tokens::TokenId;

/// Queries of one token that wait: a spreadsheet sent by a few threads.
const WAITING_OF_A_TOKEN: usize = 8;
/// Queries that wait: half a minute of work for the demo's model on two cores.
const WAITING: usize = 64;

/// There is no place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// This token has as many as it may.
    Token,
    /// All of them together are as many as may be.
    Everybody,
}

/// Everybody who waits. Cloning shares it.
///
/// Round robin over tokens: whoever sends many waits behind its own, and a token that sends one gets its turn after at
/// most one of each other token.
#[derive(Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    waiting: BTreeMap<TokenId, VecDeque<(u64, oneshot::Sender<()>)>>,
    count: usize,
    /// Somebody has the turn.
    taken: bool,
    /// Who had it last.
    last: TokenId,
    next_number: u64,
}

impl Queue {
    /// A place behind the token's own.
    ///
    /// # Errors
    /// [`Full`]: to be tried again.
    pub(crate) fn enter(&self, token: TokenId) -> Result<Place, Full> {
        let mut shared = self.lock();
        if shared.waiting.get(&token).map_or(0, VecDeque::len) >= WAITING_OF_A_TOKEN {
            return Err(Full::Token);
        }
        if shared.count >= WAITING {
            return Err(Full::Everybody);
        }
        let number = shared.next_number;
        shared.next_number += 1;
        shared.count += 1;
        let (sender, granted) = oneshot::channel();
        let own = shared.waiting.entry(token).or_default();
        own.push_back((number, sender));
        shared.go_on();
        Ok(Place {
            queue: self.clone(),
            token,
            number,
            granted,
            left: false,
        })
    }

    /// How many have their turn before the query with this number, if nobody else comes; `None` if it does not wait.
    pub(crate) fn ahead(&self, token: TokenId, number: u64) -> Option<usize> {
        let shared = self.lock();
        let own = shared.waiting.get(&token)?;
        let behind = own.iter().position(|(of, _)| *of == number)?;
        let others = shared.waiting.iter().filter(|(of, _)| **of != token);
        let others: usize = others.map(|(_, theirs)| theirs.len().min(behind + 1)).sum();
        Some(behind + others + usize::from(shared.taken))
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Gives the turn to the next, if nobody has it.
    fn go_on(&mut self) {
        while !self.taken {
            let after = (Bound::Excluded(self.last), Bound::Unbounded);
            let next = self
                .waiting
                .range(after)
                .next()
                .or_else(|| self.waiting.iter().next());
            let Some(token) = next.map(|(token, _)| *token) else {
                return;
            };
            if let Some((_, sender)) = self.take(token, |_| true) {
                self.last = token;
                // Who has left in between does not get it.
                self.taken = sender.send(()).is_ok();
            }
        }
    }

    /// Takes the token's first that is `wanted` off the queue.
    fn take(
        &mut self,
        token: TokenId,
        wanted: impl Fn(u64) -> bool,
    ) -> Option<(u64, oneshot::Sender<()>)> {
        let own = self.waiting.get_mut(&token)?;
        let at = own.iter().position(|(number, _)| wanted(*number));
        let taken = at.and_then(|at| own.remove(at));
        if own.is_empty() {
            self.waiting.remove(&token);
        }
        self.count -= usize::from(taken.is_some());
        taken
    }
}

/// A place in the queue; given up when dropped.
pub(crate) struct Place {
    queue: Queue,
    token: TokenId,
    number: u64,
    granted: oneshot::Receiver<()>,
    left: bool,
}

impl Place {
    /// For [`Queue::ahead`].
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Waits for the turn.
    pub(crate) async fn turn(mut self) -> Turn {
        // The sender is dropped only with this place.
        let _ = (&mut self.granted).await;
        self.left = true;
        Turn(self.queue.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let number = self.number;
        let mut shared = self.queue.lock();
        if shared.take(self.token, |of| of == number).is_none() {
            // It was this one's turn already.
            shared.taken = false;
            shared.go_on();
        }
    }
}

/// The turn: until it is dropped nobody else has it.
pub(crate) struct Turn(Queue);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut shared = self.0.lock();
        shared.taken = false;
        shared.go_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TokenId = [1; 8];
    const B: TokenId = [2; 8];
    const C: TokenId = [3; 8];

    #[tokio::test]
    async fn tokens_have_their_turns_one_after_the_other_however_many_each_sends() {
        let queue = Queue::default();
        let (order, mut had) = tokio::sync::mpsc::unbounded_channel();
        let first = queue.enter(A).expect("a place").turn().await;
        let mut tasks = Vec::new();
        for (token, name) in [
            (A, "a1"),
            (A, "a2"),
            (A, "a3"),
            (B, "b1"),
            (C, "c1"),
            (B, "b2"),
        ] {
            let place = queue.enter(token).expect("a place");
            let order = order.clone();
            tasks.push(tokio::spawn(async move {
                let _turn = place.turn().await;
                let _ = order.send(name);
            }));
        }
        assert_eq!(queue.len(), 6);
        assert_eq!(
            queue.ahead(B, 6),
            Some(1 + 1 + 1 + 2),
            "a1 a2, b1, c1, and the one under way"
        );
        drop(first);
        for task in tasks {
            task.await.expect("done");
        }
        drop(order);
        let mut names = Vec::new();
        while let Some(name) = had.recv().await {
            names.push(name);
        }
        assert_eq!(names, ["b1", "c1", "a1", "b2", "a2", "a3"]);
    }

    #[tokio::test]
    async fn who_leaves_holds_up_nobody_at_any_moment() {
        let queue = Queue::default();
        let under_way = queue.enter(A).expect("a place").turn().await;
        let waits = queue.enter(A).expect("a place");
        let stays = queue.enter(A).expect("a place");
        drop(waits);
        assert_eq!(queue.len(), 1);
        let granted = queue.enter(B).expect("a place");
        drop(under_way);
        // It is B's turn, which goes without having looked.
        assert_eq!(queue.ahead(B, granted.number()), None);
        drop(granted);
        let turn = stays.turn().await;
        assert_eq!(queue.len(), 0);
        drop(turn);
        drop(queue.enter(C).expect("a place").turn().await);
    }

    #[tokio::test]
    async fn a_token_has_few_places_and_all_together_have_a_bound() {
        let queue = Queue::default();
        let _under_way = queue.enter(A).expect("a place").turn().await;
        let own: Vec<Place> = (0..WAITING_OF_A_TOKEN)
            .map(|_| queue.enter(A).expect("a place"))
            .collect();
        assert_eq!(queue.enter(A).err(), Some(Full::Token));
        let mut others = Vec::new();
        for index in 10.. {
            match queue.enter([index; 8]) {
                Ok(place) => others.push(place),
                Err(full) => {
                    assert_eq!(full, Full::Everybody);
                    break;
                }
            }
        }
        assert_eq!(own.len() + others.len(), WAITING);
        drop(own);
        queue.enter(A).expect("there is room again");
    }
}
