//! Duplicate rows of streams that say what a duplicate is.
//!
//! Two rows are equal if the key columns (`dedup_by`) and all stored columns
//! that do not begin with `_` are equal, where `-0.0` equals `0.0`, NaN equals
//! NaN, NULL equals NULL, and a column that a file does not have is NULL. A
//! key counts within a UTC day where the axis is absolute, within a run where
//! a run key is given, else in the whole table.
//!
//! Promises: of equal rows of a unit the first in its files stays, and none does
//! that the table had; a row whose key the unit or the table had with other
//! values stays and is flagged, unless each unit is a run of its own. Every row
//! is one or the other. A verdict holds
//! for the snapshot that was checked: whoever commits must land at the version
//! after it, or check again, which reads only what is new as long as no
//! checked file went away.
//!
//! Refuses: files with deletion vectors, since a deleted row is no duplicate.
//!
//! Rows are written first and compared afterwards: most have no partner. What
//! is compared are 128-bit hashes of key and of the other columns, salted for
//! each unit, so that nobody can make two rows collide (two that do by
//! accident: one in 10^20 for a billion rows). Where the order of the table
//! puts rows with the same key beside each other ([`ties`]), only those are
//! compared that tie with a neighbour, or lie in files that overlap others of
//! the unit or of the table. Of the table only files that the rows can
//! [`reach::Reach`] are read: first the key columns, then, of rows whose key a
//! filter says the unit has, the others. Files with a row that goes or is
//! flagged are written anew.
//!
//! Memory is bounded by the budget: an eighth each for hashes of the unit and
//! of the table, a sixteenth each for the filter and the verdicts; the rest is
//! left to whoever writes rows. What does not fit lies in sorted runs on disk.
//! Beside the budget there is what one row group of a file takes, in the
//! columns that are compared, or all of them where it is written anew.

mod filter;
mod identity;
mod reach;
mod sort;
mod stored;
mod ties;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;

use self::filter::KeyFilter;
use self::identity::Identity;
use self::reach::Reach;
use self::sort::{RecordSort, merged};
use self::ties::Ties;
use self::verdict::{Mark, Verdict, judge};
use super::lake::{Lake, Table};
use super::sorter::{SortedWriter, SorterSpec, Watch};
use crate::log::{FileEntry, Snapshot};
use crate::parquet::WrittenFile;
use crate::schema::{Definition, names};
use crate::seam::Random;
use crate::{Error, Result};

/// The rows of one unit in one table, and which of them stay.
pub(super) struct Dedup {
    /// The columns of the unit's files, which the table may not have yet.
    schema: SchemaRef,
    identity: Identity,
    reach: Reach,
    /// None where every row is compared.
    ties: Option<Ties>,
    /// Rows that were written.
    rows: u64,
    ours: RecordSort<Mark>,
    stored: RecordSort<Mark>,
    verdicts: RecordSort<Verdict>,
    /// The keys of the rows of the unit that are compared.
    filter: Option<KeyFilter>,
    filter_bytes: usize,
    /// Files whose rows are among `stored`.
    checked: HashSet<String>,
}

/// A file of the unit that no commit names yet.
pub(super) struct OwnFile {
    file: WrittenFile,
    entry: FileEntry,
    /// Rows of the unit in files before it.
    before: u64,
    /// Whether all of its rows are compared.
    is_compared: bool,
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
    /// Begins without rows. The schema is that of the table, the order that of
    /// its files, partition columns first.
    pub(super) fn new(
        definition: &Definition,
        schema: &SchemaRef,
        sorted_by: &[String],
        memory_bytes: usize,
        scratch: &Scratch,
    ) -> Dedup {
        let identity = Identity::new(definition, scratch.random.next_u64());
        Dedup {
            schema: SchemaRef::clone(schema),
            reach: Reach::new(definition, identity.key()),
            ties: Ties::new(&identity, sorted_by, schema),
            identity,
            rows: 0,
            ours: RecordSort::new(memory_bytes / 8, scratch.clone()),
            stored: RecordSort::new(memory_bytes / 8, scratch.clone()),
            verdicts: RecordSort::new(memory_bytes / 16, scratch.clone()),
            filter: None,
            filter_bytes: memory_bytes / 16,
            checked: HashSet::new(),
        }
    }

    /// Changes the memory.
    pub(super) fn set_memory(&mut self, memory_bytes: usize) -> Result<()> {
        self.ours.set_memory(memory_bytes / 8)?;
        self.stored.set_memory(memory_bytes / 8)?;
        self.verdicts.set_memory(memory_bytes / 16)?;
        self.filter_bytes = memory_bytes / 16;
        Ok(())
    }

    fn compare_ties(&mut self, batch: &RecordBatch) -> Result<()> {
        let tied = match &mut self.ties {
            Some(ties) => ties.next(batch)?,
            None => return self.compare(batch, self.rows + 1..),
        };
        if let Some(before) = tied.before {
            self.compare(&before, self.rows..)?;
        }
        if tied.ranges.is_empty() {
            return Ok(());
        }
        let rows = tied.ranges.into_iter().flatten();
        let rows: UInt64Array = rows.map(|row| row as u64).collect();
        let first = self.rows + 1;
        let places = rows.values().iter().map(|row| first + row);
        self.compare(&take_record_batch(batch, &rows)?, places)
    }

    /// Adds rows to those that are compared; `places` are their numbers in the
    /// unit's files, from 1.
    fn compare(&mut self, rows: &RecordBatch, places: impl Iterator<Item = u64>) -> Result<()> {
        let keys = self.identity.key_hashes(rows)?;
        let others = self.identity.row_hashes(rows)?;
        for (place, (key, row)) in places.zip(keys.into_iter().zip(others)) {
            self.ours.push(Mark { key, row, place })?;
        }
        Ok(())
    }

    /// The files of all rows, in the order in which they were written, as
    /// files that are compared among each other.
    pub(super) async fn own_files(
        &mut self,
        lake: &Lake,
        table: &str,
        files: Vec<WrittenFile>,
    ) -> Result<Vec<OwnFile>> {
        let mut before = 0;
        let mut own: Vec<OwnFile> = Vec::with_capacity(files.len());
        for file in files {
            let rows = file.rows;
            own.push(OwnFile {
                entry: entry_of(&file),
                file,
                before,
                is_compared: self.ties.is_none(),
            });
            before += rows;
        }
        if self.ties.as_ref().is_some_and(|ties| ties.passes() > 1) {
            let entries: Vec<FileEntry> = own.iter().map(|own| own.entry.clone()).collect();
            for at in self.reach.overlaps(&entries) {
                self.compare_file(lake, table, &mut own[at]).await?;
            }
        }
        Ok(own)
    }

    /// Reads rows of the unit back.
    async fn compare_file(&mut self, lake: &Lake, table: &str, own: &mut OwnFile) -> Result<()> {
        if own.is_compared {
            return Ok(());
        }
        let location = lake.location(table, &own.file.path)?;
        let reader =
            stored::Reader::open(lake.objects(), &location, &self.identity, &self.schema).await?;
        let mut place = own.before;
        let (ours, filter) = (&mut self.ours, &mut self.filter);
        let every = |_| true;
        reader
            .marks(every, |mark| {
                place += 1;
                if let Some(filter) = filter {
                    filter.insert(mark.key);
                }
                ours.push(Mark { place, ..mark })
            })
            .await?;
        own.is_compared = true;
        Ok(())
    }

    /// Compares the unit with a version of its table. Says whether that may
    /// have changed a verdict. Blocks while hashes are spilled.
    pub(super) async fn check(
        &mut self,
        lake: &Lake,
        table: &Table,
        snapshot: &Snapshot,
        own: &mut [OwnFile],
    ) -> Result<bool> {
        let mut changed = self.forget_if_gone(snapshot);
        for file in &*snapshot.files {
            if self.checked.contains(&file.path) || !self.reach.meets(file) {
                continue;
            }
            let before = self.stored.len();
            self.check_file(lake, table, snapshot, file, own)
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

    async fn check_file(
        &mut self,
        lake: &Lake,
        table: &Table,
        snapshot: &Snapshot,
        file: &FileEntry,
        own: &mut [OwnFile],
    ) -> Result<()> {
        if file.has_deletion_vector {
            return Err(Error::invalid(format!(
                "file {} has a deletion vector: rewrite it with the tool that wrote it",
                file.path
            )));
        }
        let met = own
            .iter_mut()
            .filter(|own| self.reach.can_share(&own.entry, file));
        let met: Vec<&mut OwnFile> = met.collect();
        for own in met {
            self.compare_file(lake, table.name(), own).await?;
        }
        let filter = match &mut self.filter {
            Some(filter) => filter,
            none => none.insert(key_filter(&mut self.ours, self.rows, self.filter_bytes)?),
        };
        let location = lake.location(table.name(), &file.path)?;
        let reader =
            stored::Reader::open(lake.objects(), &location, &self.identity, &snapshot.schema)
                .await?;
        let stored = &mut self.stored;
        reader
            .marks(|key| filter.may_have(key), |mark| stored.push(mark))
            .await
    }

    /// The files of the rows that stay, each row with its flag, by what was
    /// checked so far. Files without a row that goes or is flagged are as they
    /// were, the others are written anew beside the old ones. Blocks.
    pub(super) fn survivors(
        &mut self,
        own: &[OwnFile],
        sorter: &SorterSpec,
    ) -> Result<(Vec<WrittenFile>, Survivors)> {
        self.judge()?;
        let mut rewriting = Rewriting {
            sorter,
            writer: None,
            sum: Survivors {
                rows: self.rows,
                ..Survivors::default()
            },
        };
        let mut verdicts = self.verdicts.sorted()?.peekable();
        let mut files = Vec::with_capacity(own.len());
        let rewritten = own.iter().try_for_each(|own| {
            let last = own.before + own.file.rows;
            let is_here = |v: &Result<Verdict>| v.as_ref().map_or(true, |v| v.place() <= last);
            if verdicts.peek().is_some_and(is_here) {
                return rewriting.file(own, &mut verdicts);
            }
            files.push(own.file.clone());
            Ok(())
        });
        let (new, sum) = rewriting.finish(rewritten)?;
        files.extend(new);
        Ok((files, sum))
    }

    fn judge(&mut self) -> Result<()> {
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
        })
    }
}

impl Watch for Option<Dedup> {
    fn note(&mut self, rows: &RecordBatch) -> Result<()> {
        let Some(dedup) = self else {
            return Ok(());
        };
        dedup.reach.note(rows)?;
        dedup.compare_ties(rows)?;
        dedup.rows += rows.num_rows() as u64;
        Ok(())
    }
}

/// The keys of some rows, with room for those of all.
fn key_filter(ours: &mut RecordSort<Mark>, rows: u64, memory_bytes: usize) -> Result<KeyFilter> {
    let mut filter = KeyFilter::new(rows, memory_bytes);
    for mark in ours.sorted()? {
        filter.insert(mark?.key);
    }
    Ok(filter)
}

/// What the log would say of a file.
fn entry_of(file: &WrittenFile) -> FileEntry {
    FileEntry {
        path: file.path.clone(),
        size: file.size,
        modified_ms: 0,
        partition: file.partition.clone(),
        stats: file.stats.clone(),
        tags: file.tags.clone(),
        has_deletion_vector: false,
    }
}

impl OwnFile {
    pub(super) fn file(&self) -> &WrittenFile {
        &self.file
    }
}

/// Files on their way to fewer rows.
struct Rewriting<'a> {
    sorter: &'a SorterSpec,
    writer: Option<SortedWriter>,
    sum: Survivors,
}

impl Rewriting<'_> {
    /// Takes the rows of a file that stay.
    fn file(
        &mut self,
        own: &OwnFile,
        verdicts: &mut std::iter::Peekable<impl Iterator<Item = Result<Verdict>>>,
    ) -> Result<()> {
        let sorter = self.sorter;
        let mut place = own.before;
        stored::replay(&sorter.target, &sorter.schema, &own.file, |batch| {
            let judged = judged(&batch, place, verdicts)?;
            place += batch.num_rows() as u64;
            let gone = (batch.num_rows() - judged.batch.num_rows()) as u64;
            self.sum.rows -= gone;
            self.sum.duplicates += gone;
            self.sum.key_conflicts += judged.key_conflicts;
            match judged.batch.num_rows() {
                0 => Ok(()),
                _ => self.push(&judged.batch),
            }
        })
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(SortedWriter::new(self.sorter.clone())?),
        };
        writer.push(batch)
    }

    /// The new files, if the work before succeeded; else none are left.
    fn finish(self, before: Result<()>) -> Result<(Vec<WrittenFile>, Survivors)> {
        let files = match (self.writer, before) {
            (Some(writer), Ok(())) => writer.finish()?,
            (None, Ok(())) => Vec::new(),
            (writer, Err(error)) => {
                if let Some(Err(left)) = writer.map(SortedWriter::abort) {
                    tracing::warn!(error = %left, "files of a failed write stay as orphans");
                }
                return Err(error);
            }
        };
        Ok((files, self.sum))
    }
}

/// The rows of a batch that stay, with their flags.
struct Judged {
    batch: RecordBatch,
    key_conflicts: u64,
}

/// Rows without a flag yet: flags that are true are set once all is known.
pub(super) fn unflagged(batch: &RecordBatch) -> Result<RecordBatch> {
    with_flags(batch, vec![false; batch.num_rows()])
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
