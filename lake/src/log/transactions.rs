//! The live application transactions of a version.
//!
//! Promises: one lookup is one hash, a version costs what its own commit
//! added (not what the table holds), and an identifier takes 24 bytes however
//! long it is. Refuses: listing identifiers, since only their hashes are kept.

use std::collections::HashMap;
use std::sync::Arc;

/// Newer entries are copied with every version, so they are folded into the
/// shared part once they are this many.
const RECENT_MAX: usize = 4096;

/// Identifiers of application transactions with their versions. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Transactions {
    settled: Arc<HashMap<Key, i64>>,
    recent: Arc<HashMap<Key, i64>>,
}

/// The first half of the identifier's BLAKE3: identifiers may come from
/// outside, so a collision must not be something a person can make.
type Key = [u8; 16];

impl Transactions {
    /// The version of an identifier, if it is live.
    pub fn get(&self, id: &str) -> Option<i64> {
        let key = key_of(id);
        self.recent
            .get(&key)
            .or_else(|| self.settled.get(&key))
            .copied()
    }

    /// How many identifiers are live.
    pub fn len(&self) -> usize {
        let new = self
            .recent
            .keys()
            .filter(|key| !self.settled.contains_key(*key))
            .count();
        self.settled.len() + new
    }

    /// Whether no identifier is live.
    pub fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.recent.is_empty()
    }

    /// The transactions after a commit that sets these.
    #[must_use]
    pub fn with<'a>(&self, set: impl IntoIterator<Item = (&'a str, i64)>) -> Transactions {
        let mut next = self.clone();
        let mut set = set.into_iter().peekable();
        if set.peek().is_some() {
            Arc::make_mut(&mut next.recent).extend(set.map(|(id, v)| (key_of(id), v)));
            next.settle();
        }
        next
    }

    fn settle(&mut self) {
        if self.recent.len() >= RECENT_MAX {
            let recent = std::mem::take(&mut self.recent);
            Arc::make_mut(&mut self.settled).extend(recent.iter());
        }
    }
}

impl<'a> FromIterator<(&'a str, i64)> for Transactions {
    /// The last version of an identifier wins.
    fn from_iter<I: IntoIterator<Item = (&'a str, i64)>>(set: I) -> Self {
        let settled = set.into_iter().map(|(id, v)| (key_of(id), v)).collect();
        Transactions {
            settled: Arc::new(settled),
            recent: Arc::default(),
        }
    }
}

fn key_of(id: &str) -> Key {
    let hash = blake3::hash(id.as_bytes());
    let (half, _) = hash.as_bytes().split_at(16);
    half.try_into().expect("the first 16 of 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_win_across_the_fold() {
        let ids: Vec<String> = (0..3 * RECENT_MAX).map(|i| format!("unit/{i}")).collect();
        let mut all: Transactions = ids.iter().map(|id| (id.as_str(), 1)).collect();
        let before = all.clone();
        for id in &ids {
            all = all.with([(id.as_str(), 2)]);
        }
        assert_eq!(all.len(), ids.len());
        assert!(ids.iter().all(|id| all.get(id) == Some(2)));
        assert!(ids.iter().all(|id| before.get(id) == Some(1)));
        assert_eq!(all.get("unit/absent"), None);
    }
}
