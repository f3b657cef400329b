//! Which rows of a unit are duplicates and which conflict by their key.
//!
//! One pass over the sorted marks of the unit and of the table, in constant
//! memory, however many rows share a key.

use super::sort::Record;
use crate::Result;

/// The place of every row that the table has.
pub(super) const STORED: u64 = 0;

/// A row, as hashes. Sorts by key, then by the rest, then stored rows first
/// and those of the unit as they stand in its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// The hash of the key.
    pub(super) key: u128,
    /// The hash of the other columns that are compared.
    pub(super) row: u128,
    /// [`STORED`], or the row's number in its unit, from 1.
    pub(super) place: u64,
}

impl Record for Mark {
    const BYTES: usize = 40;

    fn encode(self, out: &mut [u8]) {
        out[..16].copy_from_slice(&self.key.to_le_bytes());
        out[16..32].copy_from_slice(&self.row.to_le_bytes());
        out[32..40].copy_from_slice(&self.place.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Mark {
        Mark {
            key: u128::from_le_bytes(first(bytes)),
            row: u128::from_le_bytes(first(&bytes[16..])),
            place: u64::from_le_bytes(first(&bytes[32..])),
        }
    }
}

/// What becomes of a row that is not simply kept. Sorts by the row's number,
/// which it holds beside one bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Verdict(u64);

impl Verdict {
    /// The row is equal to another, which stays.
    pub(super) fn duplicate(place: u64) -> Verdict {
        Verdict(place << 1 | 1)
    }

    /// The row stays; its key was there with other values.
    pub(super) fn key_conflict(place: u64) -> Verdict {
        Verdict(place << 1)
    }

    pub(super) fn place(self) -> u64 {
        self.0 >> 1
    }

    pub(super) fn is_duplicate(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Record for Verdict {
    const BYTES: usize = 8;

    fn encode(self, out: &mut [u8]) {
        out[..8].copy_from_slice(&self.0.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Verdict {
        Verdict(u64::from_le_bytes(first(bytes)))
    }
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes
        .first_chunk()
        .expect("a record is read in its full length")
}

/// Judges the rows of a unit by sorted marks, of which a row may have several.
/// Tells of each row at most once, in no order.
pub(super) fn judge(
    marks: impl Iterator<Item = Result<Mark>>,
    mut tell: impl FnMut(Verdict) -> Result<()>,
) -> Result<()> {
    let mut open: Option<KeyGroup> = None;
    let mut last: Option<Mark> = None;
    for mark in marks {
        let mark = mark?;
        if last.replace(mark) == Some(mark) && mark.place != STORED {
            continue;
        }
        if open.as_ref().is_some_and(|group| group.key != mark.key)
            && let Some(group) = open.take()
        {
            group.end(&mut tell)?;
        }
        open.get_or_insert_with(|| KeyGroup::new(mark.key))
            .take(mark, &mut tell)?;
    }
    match open {
        Some(group) => group.end(&mut tell),
        None => Ok(()),
    }
}

/// Rows of one key. The first of them to arrive is no conflict unless the
/// table has the key, and which one that is shows only at the end.
struct KeyGroup {
    key: u128,
    row: Option<u128>,
    is_stored: bool,
    first: Option<u64>,
}

impl KeyGroup {
    fn new(key: u128) -> KeyGroup {
        KeyGroup {
            key,
            row: None,
            is_stored: false,
            first: None,
        }
    }

    fn take(&mut self, mark: Mark, tell: &mut impl FnMut(Verdict) -> Result<()>) -> Result<()> {
        let is_repeated = self.row.replace(mark.row) == Some(mark.row);
        if mark.place == STORED {
            self.is_stored = true;
            return Ok(());
        }
        if is_repeated {
            return tell(Verdict::duplicate(mark.place));
        }
        let Some(first) = self.first else {
            self.first = Some(mark.place);
            return Ok(());
        };
        self.first = Some(first.min(mark.place));
        tell(Verdict::key_conflict(first.max(mark.place)))
    }

    fn end(self, tell: &mut impl FnMut(Verdict) -> Result<()>) -> Result<()> {
        match self.first {
            Some(first) if self.is_stored => tell(Verdict::key_conflict(first)),
            _ => Ok(()),
        }
    }
}
