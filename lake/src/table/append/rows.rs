//! The rows of a unit that go to one table, until the commit.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use tracing::warn;

use super::{Counts, Destination, Unit};
use crate::parquet::WrittenFile;
use crate::schema::store::StoredDefinition;
use crate::table::dedup::{Dedup, Scratch, Survivors};
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
    pub(super) counts: Counts,
    pub(super) times: Times,
    /// Bytes of the source, as stored, that are told with this table.
    pub(super) bytes_in: u64,
    /// Whether an earlier try of the landing reached this table.
    pub(super) is_there: bool,
}

/// Where rows are until the commit.
pub(super) enum Rows {
    /// On their way to data files.
    Sorting(Box<SortedWriter>),
    /// Held back until it is known which of them the table has.
    Held(Box<Held>),
}

pub(super) struct Held {
    pub(super) dedup: Dedup,
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
            rows: Some(Rows::new(
                sorter,
                unit.spec.memory_bytes,
                definition.as_ref(),
            )?),
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

    /// Changes the memory for rows that wait.
    pub(super) fn set_memory(&mut self, memory_bytes: usize) -> Result<()> {
        match &mut self.rows {
            Some(Rows::Sorting(rows)) => rows.set_memory(memory_bytes),
            Some(Rows::Held(held)) => held.dedup.set_memory(memory_bytes),
            None => Ok(()),
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.counts.committed += batch.num_rows() as u64;
        match &mut self.rows {
            _ if self.is_there => Ok(()),
            Some(Rows::Sorting(rows)) => {
                note_times(&mut self.times, batch);
                rows.push(batch)
            }
            Some(Rows::Held(held)) => held.dedup.push(batch),
            None => Err(Error::internal("rows after the commit of their unit")),
        }
    }

    pub(super) fn abort(self) -> Result<()> {
        match self.rows {
            Some(Rows::Sorting(files)) => files.abort(),
            Some(Rows::Held(_)) | None => Ok(()),
        }
    }

    /// Writes the rows that stay and counts them.
    pub(super) fn write_survivors(&mut self, held: &mut Held) -> Result<Vec<WrittenFile>> {
        let mut writer = SortedWriter::new(held.sorter.clone())?;
        let mut times: Times = None;
        let survivors = held.dedup.survivors(|batch| {
            note_times(&mut times, batch);
            writer.push(batch)
        });
        let survivors = match survivors {
            Ok(survivors) => survivors,
            Err(error) => {
                if let Err(left) = writer.abort() {
                    warn!(error = %left, "files of a failed write stay as orphans");
                }
                return Err(error);
            }
        };
        let files = writer.finish()?;
        self.times = times;
        self.counts = self.counts.with(survivors);
        Ok(files)
    }
}

impl Rows {
    /// `unit_memory_bytes`: rows that are held back are written one table
    /// after the other, each with all of it.
    fn new(
        sorter: SorterSpec,
        unit_memory_bytes: usize,
        definition: Option<&StoredDefinition>,
    ) -> Result<Rows> {
        let told = definition.map(|stored| &stored.definition);
        let Some(told) = told.filter(|told| !told.dedup_by.is_empty()) else {
            return Ok(Rows::Sorting(Box::new(SortedWriter::new(sorter)?)));
        };
        let scratch = Scratch {
            dir: sorter.temp_dir.clone(),
            random: std::sync::Arc::clone(&sorter.random),
        };
        let schema = SchemaRef::clone(&sorter.schema);
        let dedup = Dedup::new(told, schema, sorter.memory_bytes, &scratch);
        Ok(Rows::Held(Box::new(Held {
            dedup,
            sorter: SorterSpec {
                memory_bytes: unit_memory_bytes / 2,
                ..sorter
            },
        })))
    }
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
