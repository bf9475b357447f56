//! What was used lately, at most so much of it.

use std::hash::{BuildHasher, Hash};

use foldhash::HashMap;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

const SHARDS: usize = 16;

/// Keeps what was put in last or found since, in two generations: when the young one is full the old one goes.
pub(crate) struct Recent<K, V> {
    shards: [Mutex<Generations<K, V>>; SHARDS],
    /// Of one generation in one shard.
    most: usize,
    hasher: RandomState,
}

struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    /// Holds `most` at least before it forgets, and twice as many at most.
    pub(crate) fn new(most: usize) -> Recent<K, V> {
        let shard = |_| {
            Mutex::new(Generations {
                young: HashMap::default(),
                old: HashMap::default(),
            })
        };
        Recent {
            shards: std::array::from_fn(shard),
            most: most.div_ceil(SHARDS),
            hasher: RandomState::default(),
        }
    }

    fn shard(&self, key: &K) -> &Mutex<Generations<K, V>> {
        let place = self.hasher.hash_one(key) % SHARDS as u64;
        &self.shards[usize::try_from(place).unwrap_or_default()]
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut shard = self.shard(key).lock();
        if let Some(found) = shard.young.get(key) {
            return Some(found.clone());
        }
        let found = shard.old.remove(key)?;
        self.insert(&mut shard, key.clone(), found.clone());
        Some(found)
    }

    pub(crate) fn put(&self, key: K, value: V) {
        let mut shard = self.shard(&key).lock();
        self.insert(&mut shard, key, value);
    }

    fn insert(&self, shard: &mut Generations<K, V>, key: K, value: V) {
        if shard.young.len() >= self.most && !shard.young.contains_key(&key) {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_takes_no_more_room_and_what_is_used_stays() {
        let recent = Recent::new(160);
        recent.put(-1, "used");
        for number in 0..100_000 {
            recent.put(number, "flood");
            assert_eq!(recent.get(&-1), Some("used"), "after {number}");
        }
        let kept: usize = recent
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock();
                shard.young.len() + shard.old.len()
            })
            .sum();
        assert!(kept <= 320, "{kept}");
        assert_eq!(recent.get(&0), None);
        assert_eq!(recent.get(&99_999), Some("flood"));
    }
}
