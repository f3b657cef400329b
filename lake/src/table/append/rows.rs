//! The rows of a unit that go to one table, until the commit.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};

use super::{Counts, Destination, Unit};
use crate::parquet::{TAG_AXIS_MAX, TAG_AXIS_MIN, WrittenFile};
use crate::schema::Definition;
use crate::schema::store::StoredDefinition;
use crate::table::dedup::{self, Dedup, OwnFile, Scratch, Survivors};
use crate::table::sorter::{SortedWriter, SorterSpec};
use crate::table::unit::UnitKey;
use crate::{Error, Result};

/// One table of a unit.
pub(super) struct TableWriter {
    pub(super) destination: Destination,
    pub(super) definition: Option<StoredDefinition>,
    pub(super) schema: SchemaRef,
    pub(super) key: UnitKey,
    pub(super) rows: Option<Rows>,
    pub(super) held: Option<Held>,
    pub(super) counts: Counts,
    pub(super) times: Times,
    /// Bytes of the source, as stored, that are told with this table.
    pub(super) bytes_in: u64,
    /// Whether an earlier try of the landing reached this table.
    pub(super) is_there: bool,
}

/// Rows that go to files.
pub(super) struct Rows {
    writer: Box<SortedWriter<Option<Dedup>>>,
    sorter: SorterSpec,
}

/// Files whose rows are compared with the table before they are committed.
pub(super) struct Held {
    pub(super) dedup: Dedup,
    /// The files of all rows. Those of fewer rows are written beside them.
    pub(super) own: Vec<OwnFile>,
    sorter: SorterSpec,
}

/// First and last instant, microseconds since 1970.
type Times = Option<(i64, i64)>;

impl TableWriter {
    pub(super) fn new(
        unit: &Unit,
        destination: Destination,
        definition: Option<StoredDefinition>,
        memory_bytes: usize,
    ) -> Result<TableWriter> {
        let schema = destination.schema(definition.as_ref());
        let key = unit.spec.identity.key_in(destination.name());
        let told = definition.as_ref().map(|d| &d.definition);
        let sorter = SorterSpec {
            partition_columns: destination.partition_columns(),
            sort_columns: told.map(|d| d.sort_columns()).unwrap_or_default(),
            axis_column: told.and_then(|d| d.axis().map(str::to_owned)),
            stats_columns: told.map(|d| d.stats_columns()),
            memory_bytes,
            ..unit.lake.sorter_spec(
                destination.name(),
                SchemaRef::clone(&schema),
                unit.ingest_id,
            )?
        };
        Ok(TableWriter {
            rows: Some(Rows::new(sorter, definition.as_ref())?),
            held: None,
            is_there: unit.is_in(destination.name(), &destination.transactions())?,
            destination,
            definition,
            schema,
            key,
            counts: Counts::default(),
            times: None,
            bytes_in: 0,
        })
    }

    pub(super) fn name(&self) -> &str {
        self.destination.name()
    }

    /// Lets rows wait in so much memory while other tables share it.
    pub(super) fn wait(&mut self, memory_bytes: usize) -> Result<()> {
        match &mut self.rows {
            Some(rows) => rows.wait(memory_bytes),
            None => Ok(()),
        }
    }

    /// Lets rows that waited go to files, with so much memory.
    pub(super) fn go_on(&mut self, memory_bytes: usize) -> Result<()> {
        match &mut self.rows {
            Some(rows) => rows.go_on(memory_bytes),
            None => Ok(()),
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.counts.committed += batch.num_rows() as u64;
        if self.is_there {
            return Ok(());
        }
        note_times(&mut self.times, batch);
        match &mut self.rows {
            Some(rows) => rows.push(batch),
            None => Err(Error::internal("rows after the commit of their unit")),
        }
    }

    pub(super) fn abort(self) -> Result<()> {
        self.rows.map_or(Ok(()), |rows| rows.writer.abort())
    }

    /// Ends the files of all rows. They wait in `held` if their rows are
    /// compared with the table.
    pub(super) fn end_files(&mut self) -> Result<Vec<WrittenFile>> {
        let rows = self.rows.take();
        let rows = rows.ok_or_else(|| Error::internal("a unit is committed twice"))?;
        let (files, dedup) = rows.writer.end()?;
        if let Some(dedup) = dedup {
            self.held = Some(Held {
                dedup,
                own: Vec::new(),
                sorter: SorterSpec {
                    memory_bytes: rows.sorter.memory_bytes / 2,
                    ..rows.sorter
                },
            });
        }
        Ok(files)
    }

    /// The files of the rows that stay, which are counted. Blocks.
    pub(super) fn write_survivors(&mut self, held: &mut Held) -> Result<Vec<WrittenFile>> {
        let (files, survivors) = held.dedup.survivors(&held.own, &held.sorter)?;
        if survivors.duplicates > 0 && self.times.is_some() {
            self.times = times_of(&files);
        }
        self.counts = self.counts.with(survivors);
        Ok(files)
    }
}

impl Held {
    /// Files of all rows that are not among some others.
    pub(super) fn without(&self, files: &[WrittenFile]) -> Vec<WrittenFile> {
        let kept = paths(files.iter());
        let own = self.own.iter().map(OwnFile::file);
        let gone = own.filter(|file| !kept.contains(file.path.as_str()));
        gone.cloned().collect()
    }

    /// Those of some files that are not files of all rows.
    pub(super) fn rewritten(&self, files: &[WrittenFile]) -> Vec<WrittenFile> {
        let own = paths(self.own.iter().map(OwnFile::file));
        let new = files
            .iter()
            .filter(|file| !own.contains(file.path.as_str()));
        new.cloned().collect()
    }
}

fn paths<'a>(files: impl Iterator<Item = &'a WrittenFile>) -> HashSet<&'a str> {
    files.map(|file| file.path.as_str()).collect()
}

impl Rows {
    fn new(sorter: SorterSpec, definition: Option<&StoredDefinition>) -> Result<Rows> {
        let told = definition.map(|stored| &stored.definition);
        let dedup = told
            .filter(|told| !told.dedup_by.is_empty())
            .map(|told| dedup_of(told, &sorter));
        let spec = SorterSpec {
            memory_bytes: sorter_share(&dedup, sorter.memory_bytes),
            ..sorter.clone()
        };
        Ok(Rows {
            writer: Box::new(SortedWriter::watched(spec, dedup)?),
            sorter,
        })
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        match self.writer.watch() {
            Some(_) => self.writer.push(&dedup::unflagged(batch)?),
            None => self.writer.push(batch),
        }
    }

    fn wait(&mut self, memory_bytes: usize) -> Result<()> {
        let share = self.set_memory(memory_bytes)?;
        self.writer.wait(share)
    }

    fn go_on(&mut self, memory_bytes: usize) -> Result<()> {
        let share = self.set_memory(memory_bytes)?;
        self.writer.go_on(share);
        Ok(())
    }

    /// Returns the sorter's share.
    fn set_memory(&mut self, memory_bytes: usize) -> Result<usize> {
        self.sorter.memory_bytes = memory_bytes;
        let dedup = self.writer.watch();
        if let Some(dedup) = dedup {
            dedup.set_memory(memory_bytes)?;
        }
        Ok(sorter_share(dedup, memory_bytes))
    }
}

/// Beside rows on their way to files, an eighth is for their hashes.
fn sorter_share(dedup: &Option<Dedup>, memory_bytes: usize) -> usize {
    match dedup {
        Some(_) => memory_bytes - memory_bytes / 8,
        None => memory_bytes,
    }
}

fn dedup_of(definition: &Definition, sorter: &SorterSpec) -> Dedup {
    let scratch = Scratch {
        dir: sorter.temp_dir.clone(),
        random: Arc::clone(&sorter.random),
    };
    let sorted_by = [
        sorter.partition_columns.as_slice(),
        sorter.sort_columns.as_slice(),
    ];
    Dedup::new(
        definition,
        &sorter.schema,
        &sorted_by.concat(),
        sorter.memory_bytes,
        &scratch,
    )
}

impl Counts {
    fn with(self, survivors: Survivors) -> Counts {
        Counts {
            committed: survivors.rows,
            duplicate: survivors.duplicates,
            key_conflicts: survivors.key_conflicts,
            ..self
        }
    }
}

fn note_times(times: &mut Times, batch: &RecordBatch) {
    let Some(time) = batch.column_by_name("time") else {
        return;
    };
    let Some(time) = time.as_primitive_opt::<TimestampMicrosecondType>() else {
        return;
    };
    if let (Some(low), Some(high)) = (min(time), max(time)) {
        let (old_low, old_high) = times.unwrap_or((low, high));
        *times = Some((old_low.min(low), old_high.max(high)));
    }
}

/// First and last instant of files whose axis is absolute.
fn times_of(files: &[WrittenFile]) -> Times {
    let tag = |file: &WrittenFile, tag| file.tags.get(tag)?.parse::<i64>().ok();
    let low = files
        .iter()
        .filter_map(|file| tag(file, TAG_AXIS_MIN))
        .min();
    let high = files
        .iter()
        .filter_map(|file| tag(file, TAG_AXIS_MAX))
        .max();
    low.zip(high)
}
