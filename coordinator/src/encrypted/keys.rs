//! Evaluation keys in memory, by token and hash.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use unsilo_inference::{KeyHash, ServerKey};

use crate::tokens::TokenId;

/// A key that was not used for so long is dropped: its client sends it again when it needs it.
pub(crate) const KEY_LIFE: Duration = Duration::from_secs(3600);
/// Keys of one token: a person's two machines.
const KEYS_OF_A_TOKEN: usize = 2;

/// Keys ready for work, 120 MB each. Cloning shares them.
///
/// A token sees its own keys alone; who asks without a token shares them with everybody else who does.
#[derive(Clone)]
pub(crate) struct Keys {
    most: usize,
    kept: Arc<Mutex<Vec<Kept>>>,
    arriving: Arc<Mutex<HashSet<TokenId>>>,
}

/// A token's key that is arriving.
pub(crate) struct Arriving {
    keys: Keys,
    token: TokenId,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let mut arriving = self
            .keys
            .arriving
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        arriving.remove(&self.token);
    }
}

struct Kept {
    token: TokenId,
    hash: KeyHash,
    key: Arc<ServerKey>,
    used: Instant,
}

impl Keys {
    /// For so many, at least one.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            kept: Arc::default(),
            arriving: Arc::default(),
        }
    }

    /// A token's key begins to arrive; `None` while another of the same token does.
    pub(crate) fn receive(&self, token: TokenId) -> Option<Arriving> {
        let mut arriving = self.arriving.lock().unwrap_or_else(PoisonError::into_inner);
        arriving.insert(token).then(|| Arriving {
            keys: self.clone(),
            token,
        })
    }

    /// The key with this hash, which counts as used.
    pub(crate) fn get(
        &self,
        token: TokenId,
        hash: &KeyHash,
        now: Instant,
    ) -> Option<Arc<ServerKey>> {
        let mut kept = self.lock();
        drop_expired(&mut kept, now);
        let found = kept
            .iter_mut()
            .find(|kept| kept.token == token && kept.hash == *hash)?;
        found.used = now;
        Some(found.key.clone())
    }

    /// Keeps a key. For its room goes, in this order: what has expired; the same token's least recently used, if it has as
    /// many as a token may; the least recently used of the token with the most. A query that is being evaluated keeps
    /// its own key until it ends.
    pub(crate) fn keep(&self, token: TokenId, hash: KeyHash, key: Arc<ServerKey>, now: Instant) {
        let mut kept = self.lock();
        drop_expired(&mut kept, now);
        kept.retain(|kept| (kept.token, kept.hash) != (token, hash));
        if count(&kept, token) >= KEYS_OF_A_TOKEN {
            drop_oldest(&mut kept, token);
        }
        while kept.len() >= self.most {
            let Some(crowded) = kept.iter().map(|kept| kept.token).max_by_key(|token| {
                let oldest = kept
                    .iter()
                    .filter(|kept| kept.token == *token)
                    .map(|kept| kept.used);
                // Of equals, the one whose key has lain unused for longest.
                (count(&kept, *token), oldest.min().map(std::cmp::Reverse))
            }) else {
                break;
            };
            drop_oldest(&mut kept, crowded);
        }
        kept.push(Kept {
            token,
            hash,
            key,
            used: now,
        });
    }

    /// Drops a key; whether it was there.
    pub(crate) fn forget(&self, token: TokenId, hash: &KeyHash) -> bool {
        let mut kept = self.lock();
        let before = kept.len();
        kept.retain(|kept| (kept.token, &kept.hash) != (token, hash));
        kept.len() < before
    }

    /// Drops what has expired.
    pub(crate) fn sweep(&self, now: Instant) {
        drop_expired(&mut self.lock(), now);
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(kept: &[Kept], token: TokenId) -> usize {
    kept.iter().filter(|kept| kept.token == token).count()
}

fn drop_expired(kept: &mut Vec<Kept>, now: Instant) {
    kept.retain(|kept| now.saturating_duration_since(kept.used) < KEY_LIFE);
}

fn drop_oldest(kept: &mut Vec<Kept>, token: TokenId) {
    let of_token = kept
        .iter()
        .enumerate()
        .filter(|(_, kept)| kept.token == token);
    if let Some((index, _)) = of_token.min_by_key(|(_, kept)| kept.used) {
        kept.remove(index);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use unsilo_inference::{ClientKey, new_seeder};

    use super::*;

    fn key() -> Arc<ServerKey> {
        static KEY: OnceLock<Arc<ServerKey>> = OnceLock::new();
        KEY.get_or_init(|| {
            let mut seeder = new_seeder();
            let bytes = ClientKey::generate(&mut *seeder).evaluation_key(&mut *seeder);
            Arc::new(ServerKey::from_bytes(&bytes).expect("its own key"))
        })
        .clone()
    }

    #[test]
    fn one_key_of_a_token_arrives_at_a_time() {
        let keys = Keys::new(3);
        let first = keys.receive([1; 8]).expect("the first");
        assert!(keys.receive([1; 8]).is_none());
        assert!(keys.receive([2; 8]).is_some(), "another token's");
        drop(first);
        assert!(keys.receive([1; 8]).is_some());
    }

    #[test]
    fn a_token_crowds_out_its_own_keys_before_those_of_others_and_unused_ones_expire() {
        let (a, b, c) = ([1; 8], [2; 8], [3; 8]);
        let keys = Keys::new(3);
        let began = Instant::now();
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        let there =
            |token: TokenId, name: u8, now: Instant| keys.get(token, &[name; 32], now).is_some();
        for (second, (token, name)) in [(a, 1), (a, 2), (b, 3)].into_iter().enumerate() {
            keys.keep(token, [name; 32], key(), at(second as u64));
        }
        assert!(there(a, 1, at(5)) && there(a, 2, at(6)) && there(b, 3, at(7)));
        assert!(!there(b, 1, at(7)), "a token sees its own keys alone");
        // A third key of the same token: its own oldest goes, not that of the other.
        keys.keep(a, [4; 32], key(), at(8));
        assert!(
            !there(a, 1, at(9))
                && there(a, 2, at(10))
                && there(b, 3, at(11))
                && there(a, 4, at(12))
        );
        // Full: the token with the most gives way.
        keys.keep(c, [5; 32], key(), at(13));
        assert!(!there(a, 2, at(14)) && there(b, 3, at(15)) && there(c, 5, at(16)));
        assert_eq!(keys.len(), 3);
        // The same key once more is one key.
        keys.keep(c, [5; 32], key(), at(17));
        assert_eq!(keys.len(), 3);
        assert!(keys.forget(c, &[5; 32]) && !keys.forget(c, &[5; 32]));
        let held = keys.get(b, &[3; 32], at(20)).expect("there");
        keys.sweep(at(20) + KEY_LIFE);
        assert_eq!(keys.len(), 0);
        assert!(Arc::strong_count(&held) > 0, "who works with it keeps it");
    }
}
