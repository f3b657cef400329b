//! Duplicate rows of streams that say what a duplicate is.
//!
//! Two rows are equal if the key columns (`dedup_by`) and all stored columns
//! that do not begin with `_` are equal, where `-0.0` equals `0.0`, NaN equals
//! NaN, NULL equals NULL, and a column that a file does not have is NULL. A
//! key counts within a UTC day where the axis is absolute, within a run where
//! a run key is given, else in the whole table.
//!
//! Promises: of equal rows of a unit the first to arrive stays, and none does
//! that the table had; a row whose key the unit or the table had with other
//! values stays and is flagged, unless each unit is a run of its own. Every row
//! is one or the other. A verdict holds
//! for the snapshot that was checked: whoever commits must land at the version
//! after it, or check again, which reads only what is new as long as no
//! checked file went away.
//!
//! Refuses: files with deletion vectors, since a deleted row is no duplicate.
//!
//! Rows wait in a [`Spool`] until the verdicts are known. What is compared are
//! 128-bit hashes of key and of the other columns, salted for each unit, so
//! that nobody can make two rows collide (two that do by accident: one in
//! 10^20 for a billion rows). Of the table only files that the rows can
//! [`reach::Reach`] are read: first the key columns, then, of rows whose key a
//! filter says the unit has, the others.
//!
//! Memory is bounded by the budget: an eighth each for rows that wait, hashes
//! of the unit, and hashes of the table, a sixteenth each for the filter and
//! the verdicts; the rest is left to whoever writes the surviving rows. What
//! does not fit lies in sorted runs on disk. Beside the budget there is what
//! one row group of a stored file takes, in the columns that are compared.

mod filter;
mod identity;
mod reach;
mod sort;
mod spool;
mod stored;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use self::filter::KeyFilter;
use self::identity::Identity;
use self::reach::Reach;
use self::sort::{RecordSort, merged};
use self::spool::Spool;
use self::verdict::{Mark, Verdict, judge};
use super::lake::{Lake, Table};
use crate::log::{FileEntry, Snapshot};
use crate::schema::{Definition, names};
use crate::seam::Random;
use crate::{Error, Result};

/// The rows of one unit until it is known which of them stay.
pub(super) struct Dedup {
    identity: Identity,
    reach: Reach,
    spool: Spool,
    ours: RecordSort<Mark>,
    stored: RecordSort<Mark>,
    verdicts: RecordSort<Verdict>,
    /// The keys of the unit, once all of its rows are there.
    filter: Option<KeyFilter>,
    filter_bytes: usize,
    /// Files whose rows are among `stored`.
    checked: HashSet<String>,
}

/// What became of the rows of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Survivors {
    /// Rows that stay.
    pub(super) rows: u64,
    /// Rows that are equal to others.
    pub(super) duplicates: u64,
    /// Rows that stay although their key was there with other values.
    pub(super) key_conflicts: u64,
}

/// Where rows and hashes go that do not fit into memory.
#[derive(Clone)]
pub(super) struct Scratch {
    pub(super) dir: PathBuf,
    pub(super) random: Arc<dyn Random>,
}

impl Dedup {
    /// Begins without rows. The schema is that of the unit's batches.
    pub(super) fn new(
        definition: &Definition,
        schema: SchemaRef,
        memory_bytes: usize,
        scratch: &Scratch,
    ) -> Dedup {
        let identity = Identity::new(definition, scratch.random.next_u64());
        Dedup {
            reach: Reach::new(definition, identity.key()),
            identity,
            spool: Spool::new(schema, memory_bytes / 8, scratch.clone()),
            ours: RecordSort::new(memory_bytes / 8, scratch.clone()),
            stored: RecordSort::new(memory_bytes / 8, scratch.clone()),
            verdicts: RecordSort::new(memory_bytes / 16, scratch.clone()),
            filter: None,
            filter_bytes: memory_bytes / 16,
            checked: HashSet::new(),
        }
    }

    /// Changes the memory for rows and their hashes.
    pub(super) fn set_memory(&mut self, memory_bytes: usize) -> Result<()> {
        self.spool.set_memory(memory_bytes / 8)?;
        self.ours.set_memory(memory_bytes / 8)?;
        self.stored.set_memory(memory_bytes / 8)?;
        self.verdicts.set_memory(memory_bytes / 16)?;
        self.filter_bytes = memory_bytes / 16;
        Ok(())
    }

    /// Takes rows; all of them before the first [`Dedup::check`].
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let keys = self.identity.key_hashes(batch)?;
        let rows = self.identity.row_hashes(batch)?;
        for (key, row) in keys.into_iter().zip(rows) {
            let place = self.ours.len() + 1;
            self.ours.push(Mark { key, row, place })?;
        }
        self.reach.note(batch)?;
        self.spool.push(batch)
    }

    /// Compares the unit with a version of its table. Says whether that may
    /// have changed a verdict. Blocks while hashes are spilled.
    pub(super) async fn check(
        &mut self,
        lake: &Lake,
        table: &Table,
        snapshot: &Snapshot,
    ) -> Result<bool> {
        let mut changed = self.forget_if_gone(snapshot);
        for file in &*snapshot.files {
            if self.checked.contains(&file.path) || !self.reach.meets(file) {
                continue;
            }
            let before = self.stored.len();
            self.read(lake, table, file, &snapshot.schema)
                .await
                .map_err(|e| e.context(format!("duplicates in {}/{}", table.name(), file.path)))?;
            self.checked.insert(file.path.clone());
            changed |= self.stored.len() > before;
        }
        Ok(changed)
    }

    /// A row that was deleted meanwhile makes no other a duplicate.
    fn forget_if_gone(&mut self, snapshot: &Snapshot) -> bool {
        let active = snapshot.files.iter();
        let still = active.filter(|f| self.checked.contains(&f.path)).count();
        if still == self.checked.len() {
            return false;
        }
        self.checked.clear();
        self.stored.clear();
        true
    }

    async fn read(
        &mut self,
        lake: &Lake,
        table: &Table,
        file: &FileEntry,
        schema: &SchemaRef,
    ) -> Result<()> {
        if file.has_deletion_vector {
            return Err(Error::invalid(format!(
                "file {} has a deletion vector: rewrite it with the tool that wrote it",
                file.path
            )));
        }
        let filter = match &mut self.filter {
            Some(filter) => filter,
            none => none.insert(key_filter(&mut self.ours, self.filter_bytes)?),
        };
        let location = lake.location(table.name(), &file.path)?;
        let reader =
            stored::Reader::open(lake.objects(), &location, &self.identity, schema).await?;
        reader.marks(filter, |mark| self.stored.push(mark)).await
    }

    /// Hands the rows that stay over, in the order of their arrival, each with
    /// its flag, by what was checked so far.
    pub(super) fn survivors(
        &mut self,
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<Survivors> {
        let verdicts = &mut self.verdicts;
        verdicts.clear();
        let marks = merged(self.ours.sorted()?, self.stored.sorted()?);
        // Counts that wrap share keys as a rule where each unit counts for itself.
        let tells_conflicts = !self.reach.is_alone();
        judge(marks, |verdict| {
            match verdict.is_duplicate() || tells_conflicts {
                true => verdicts.push(verdict),
                false => Ok(()),
            }
        })?;
        let mut next = verdicts.sorted()?.peekable();
        let mut sum = Survivors::default();
        let mut place = 0;
        self.spool.replay(|batch| {
            let judged = judged(&batch, place, &mut next)?;
            place += batch.num_rows() as u64;
            sum.rows += judged.batch.num_rows() as u64;
            sum.duplicates += (batch.num_rows() - judged.batch.num_rows()) as u64;
            sum.key_conflicts += judged.key_conflicts;
            match judged.batch.num_rows() {
                0 => Ok(()),
                _ => take(&judged.batch),
            }
        })?;
        Ok(sum)
    }
}

fn key_filter(ours: &mut RecordSort<Mark>, memory_bytes: usize) -> Result<KeyFilter> {
    let mut filter = KeyFilter::new(ours.len(), memory_bytes);
    for mark in ours.sorted()? {
        filter.insert(mark?.key);
    }
    Ok(filter)
}

/// The rows of a batch that stay, with their flags.
struct Judged {
    batch: RecordBatch,
    key_conflicts: u64,
}

/// Applies the verdicts on the rows of a batch that follows `before` others.
fn judged(
    batch: &RecordBatch,
    before: u64,
    verdicts: &mut std::iter::Peekable<impl Iterator<Item = Result<Verdict>>>,
) -> Result<Judged> {
    let rows = batch.num_rows();
    let last = before + rows as u64;
    let (mut keep, mut flags) = (vec![true; rows], vec![false; rows]);
    let mut key_conflicts = 0;
    let is_here = |verdict: &Result<Verdict>| verdict.as_ref().map_or(true, |v| v.place() <= last);
    while let Some(verdict) = verdicts.next_if(is_here) {
        let verdict = verdict?;
        let row = usize::try_from(verdict.place() - before - 1)
            .expect("a row of a batch is numbered by usize");
        if verdict.is_duplicate() {
            keep[row] = false;
        } else {
            flags[row] = true;
            key_conflicts += 1;
        }
    }
    let batch = with_flags(batch, flags)?;
    let keep = BooleanArray::from(keep);
    let batch = match keep.true_count() == rows {
        true => batch,
        false => filter_record_batch(&batch, &keep)?,
    };
    Ok(Judged {
        batch,
        key_conflicts,
    })
}

fn with_flags(batch: &RecordBatch, flags: Vec<bool>) -> Result<RecordBatch> {
    let place = batch.schema().index_of(names::KEY_CONFLICT)?;
    let mut columns = batch.columns().to_vec();
    columns[place] = Arc::new(BooleanArray::from(flags));
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}
