//! Source units: what lands exactly once, and the keys that make it so.
//!
//! A unit's key is a hash of where it goes, what it contains, and the
//! constants that tell it from the same bytes of another asset. The key of
//! one (unit, table) pair names the transaction `unit/<key>` in that table's
//! log: odd versions mean landed, even ones undone. Neither the definition
//! nor the software is part of a key, so that the same bytes land once
//! however they are decoded.

use std::collections::BTreeMap;
use std::fmt;

use crate::log::Transactions;

/// What a source unit is, independent of how it is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitIdentity {
    /// The stream or group of streams it goes to.
    pub target: String,
    /// BLAKE3 of the stored bytes, or of whatever names the content.
    pub content_hash: [u8; 32],
    /// Constant columns (`--set`, `--from-path`).
    pub constants: BTreeMap<String, String>,
    /// The source's path, where the same bytes under two names are two units.
    pub name: Option<String>,
}

/// 128 bits that identify one (unit, table) pair, or a unit as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitKey(u128);

impl UnitIdentity {
    /// A request that is known by its identifier instead of its content.
    pub fn request(target: &str, id: &str) -> UnitIdentity {
        UnitIdentity {
            target: target.to_owned(),
            content_hash: *blake3::hash(id.as_bytes()).as_bytes(),
            constants: BTreeMap::new(),
            name: None,
        }
    }

    /// The key of this unit in one table.
    pub fn key_in(&self, table: &str) -> UnitKey {
        self.digest(b"table", table)
    }

    /// The key of this unit as a whole: for what belongs to no table, and for
    /// `_quarantine` and `_gaps`.
    pub fn key(&self) -> UnitKey {
        self.digest(b"unit", &self.target)
    }

    fn digest(&self, role: &[u8], place: &str) -> UnitKey {
        let mut hasher = blake3::Hasher::new();
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(role);
        field(place.as_bytes());
        field(&self.content_hash);
        for (name, value) in &self.constants {
            field(name.as_bytes());
            field(value.as_bytes());
        }
        if let Some(name) = &self.name {
            field(b"name");
            field(name.as_bytes());
        }
        UnitKey(first_u128(hasher.finalize().as_bytes()))
    }
}

impl UnitKey {
    /// The identifier of the transaction in a table's log.
    pub fn transaction(self) -> String {
        format!("unit/{self}")
    }

    /// How often the unit landed and was undone in a log with these transactions.
    pub fn state_in(self, transactions: &Transactions) -> UnitState {
        UnitState(transactions.get(&self.transaction()).unwrap_or(0))
    }

    /// The `_ingest_id` of the landing that `state` says.
    pub fn landed_as(self, state: UnitState) -> Option<i64> {
        state
            .is_landed()
            .then(|| self.ingest_id(UnitState(state.0 - 1)))
    }

    /// The `_ingest_id` of the landing that follows `state`: positive and
    /// below 2^53. A rerun of a half-landed unit gets the same number, so
    /// that what it finds and what it adds belong together.
    pub fn ingest_id(self, state: UnitState) -> i64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"ingest");
        hasher.update(&self.0.to_le_bytes());
        hasher.update(&state.next_landed().to_le_bytes());
        let bits = first_u128(hasher.finalize().as_bytes()) >> (128 - 53);
        i64::try_from(bits.max(1)).expect("53 bits fit")
    }
}

fn first_u128(hash: &[u8; 32]) -> u128 {
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(first)
}

impl fmt::Display for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitKey({self})")
    }
}

/// The version of a unit's transaction: 0 never seen, odd landed, even undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitState(i64);

impl UnitState {
    /// After the landing with that transaction version.
    pub(crate) fn after(landing: i64) -> UnitState {
        UnitState(landing)
    }

    /// Whether the unit's rows are in the table.
    pub fn is_landed(self) -> bool {
        self.0 % 2 == 1
    }

    /// Whether the landing with that transaction version is behind it.
    pub(crate) fn reaches(self, landing: i64) -> bool {
        self.0 >= landing
    }

    /// The transaction version of the next landing.
    pub fn next_landed(self) -> i64 {
        if self.is_landed() {
            self.0 + 2
        } else {
            self.0 + 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> UnitIdentity {
        UnitIdentity {
            target: "engine".into(),
            content_hash: [7; 32],
            constants: BTreeMap::from([("vehicle".into(), "A".into())]),
            name: None,
        }
    }

    #[test]
    fn every_part_of_the_identity_changes_the_key() {
        let base = unit();
        let mut others = vec![
            UnitIdentity {
                target: "engines".into(),
                ..base.clone()
            },
            UnitIdentity {
                content_hash: [8; 32],
                ..base.clone()
            },
            UnitIdentity {
                constants: BTreeMap::new(),
                ..base.clone()
            },
            UnitIdentity {
                name: Some("a.csv".into()),
                ..base.clone()
            },
        ];
        // The border between name and value must count.
        others.push(UnitIdentity {
            constants: BTreeMap::from([("vehicl".into(), "eA".into())]),
            ..base.clone()
        });
        for other in others {
            assert_ne!(other.key(), base.key(), "{other:?}");
        }
        assert_ne!(base.key(), base.key_in("engine"));
        assert_ne!(base.key_in("a"), base.key_in("b"));
        assert_eq!(base.key(), unit().key());
    }

    #[test]
    fn a_landing_after_an_undo_is_a_new_ingest() {
        let key = unit().key();
        let never = UnitState(0);
        let undone = UnitState(2);
        assert_eq!((never.next_landed(), undone.next_landed()), (1, 3));
        assert!(!never.is_landed() && UnitState(1).is_landed() && !undone.is_landed());
        assert_ne!(key.ingest_id(never), key.ingest_id(undone));
        assert!((1..1 << 53).contains(&key.ingest_id(never)));
    }
}
