//! Rows in any order and any amount to sorted data files, in bounded memory.
//!
//! Promises: every row that was pushed is in exactly one returned file; every
//! file holds one partition and is sorted (ascending, NULL first, equal rows
//! as they arrived); at most one file is open at a time. Rows that arrive in
//! order are passed on without sorting, copying, or spilling, unless the
//! writer was told to wait for others that share its memory.
//!
//! Memory is split: half of the budget for rows that wait, their sort keys and
//! their order (or for the runs being merged), a quarter for the row group
//! being encoded, the rest for one chunk on its way. Beside the budget there
//! are the batch being pushed, which is the caller's, up to six upload parts
//! of 5 MiB, and an encoder for each thread. The smallest unit is a row: a single row larger than the budget still passes.
//!
//! Files go to the lake as they fill. Until [`SortedWriter::finish`] returns
//! them nobody can have committed them, so [`SortedWriter::abort`] deletes
//! them; a writer that is dropped leaves them to vacuum. Spilled rows are
//! gone with the writer, however it ends.

mod buffer;
mod output;
mod spill;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};

use self::buffer::{Buffer, Sorted};
use self::output::Output;
use self::spill::{Run, RunWriter, merge};
use crate::parquet::{ORDER, OrderCheck, Target, Tier, WrittenFile, batch_bytes, check_columns};
use crate::seam::Random;
use crate::{Error, Result};

/// Runs of one level that are kept before they are merged into one of the
/// next, so that the number of open files stays small.
const RUNS_PER_LEVEL: usize = 64;
const CHUNK_BYTES: Range<usize> = (64 << 10)..(4 << 20);

/// What is written, where, and in how much memory.
#[derive(Clone)]
pub struct SorterSpec {
    /// Store, runtime, and folder of the table.
    pub target: Target,
    /// All columns of the table, partition columns included, with plain
    /// types; batches may hold dictionaries of those types.
    pub schema: SchemaRef,
    /// Partition columns, in the order of folders.
    pub partition_columns: Vec<String>,
    /// The order of rows in files, most significant first.
    pub sort_columns: Vec<String>,
    /// The column whose exact bounds go into the files' tags.
    pub axis_column: Option<String>,
    /// Columns whose bounds go to the log; all that can have bounds if `None`.
    pub stats_columns: Option<Vec<String>>,
    /// Columns that get a bloom filter.
    pub bloom_columns: Vec<String>,
    /// Further entries of each footer.
    pub key_values: BTreeMap<String, String>,
    /// How hard files are compressed.
    pub tier: Tier,
    /// Size at which a file ends and the next begins, in bytes.
    pub file_bytes_target: usize,
    /// Memory for rows, keys, merging and encoding, in bytes.
    pub memory_bytes: usize,
    /// A local folder for spilled rows.
    pub temp_dir: PathBuf,
    /// The middle of file names, for people: an ingest id or an operation.
    pub name_tag: String,
    /// The source of unique names.
    pub random: Arc<dyn Random>,
}

impl fmt::Debug for SorterSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SorterSpec")
            .field("target", &self.target)
            .field("partition_columns", &self.partition_columns)
            .field("sort_columns", &self.sort_columns)
            .field("memory_bytes", &self.memory_bytes)
            .finish_non_exhaustive()
    }
}

impl SorterSpec {
    fn buffer_bytes(&self) -> usize {
        self.memory_bytes / 2
    }

    /// Telemetry shrinks to a half at least when it is encoded; with more in a
    /// row group files would miss their target.
    fn row_group_bytes(&self) -> usize {
        (self.memory_bytes / 4).min(2 * self.file_bytes_target)
    }

    /// Bytes of rows that move at once.
    fn chunk_bytes(&self) -> usize {
        (self.memory_bytes / 32).clamp(CHUNK_BYTES.start, CHUNK_BYTES.end)
    }

    fn places(&self, names: &[String]) -> Result<Vec<usize>> {
        let place = |name: &String| {
            self.schema.index_of(name).map_err(|_| {
                Error::invalid(format!(
                    "column \"{name}\" is not in the table; rows cannot be sorted or partitioned by it"
                ))
            })
        };
        names.iter().map(place).collect()
    }
}

/// Sees rows on their way to files.
pub(super) trait Watch {
    /// Rows in the order of the files, all columns of the table.
    ///
    /// # Errors
    /// Any; nothing can be finished after one.
    fn note(&mut self, rows: &RecordBatch) -> Result<()>;
}

/// Nobody looks.
impl Watch for () {
    fn note(&mut self, _: &RecordBatch) -> Result<()> {
        Ok(())
    }
}

/// Sorts and splits the rows of one table. Calls block: use it outside of async code.
pub struct SortedWriter<W = ()> {
    spec: Arc<SorterSpec>,
    keys: Arc<Keys>,
    order: OrderCheck,
    /// Whether every row so far came after the ones before it.
    in_order: bool,
    /// Whether no file may be begun, since other writers share the memory.
    waits: bool,
    buffer: Buffer,
    /// Rows that came in order and wait.
    sequence: Option<RunWriter>,
    runs: Vec<Run>,
    output: Output<W>,
    failed: bool,
}

impl SortedWriter {
    /// Begins without rows and without files.
    ///
    /// Fails with [`crate::ErrorKind::Invalid`] if a partition or sort column
    /// is not in the schema or has a type without order.
    pub fn new(spec: SorterSpec) -> Result<SortedWriter> {
        SortedWriter::watched(spec, ())
    }

    /// Writes what is left and returns all files, each complete in the store.
    ///
    /// Where it fails, files written so far are deleted as by
    /// [`SortedWriter::abort`], so that a full disk is not left full.
    pub fn finish(self) -> Result<Vec<WrittenFile>> {
        Ok(self.end()?.0)
    }
}

#[expect(private_bounds, reason = "watchers are those of this crate")]
impl<W: Watch> SortedWriter<W> {
    /// [`SortedWriter::new`], with somebody who sees the rows.
    pub(super) fn watched(spec: SorterSpec, watch: W) -> Result<SortedWriter<W>> {
        let partition = spec.places(&spec.partition_columns)?;
        let mut places = partition.clone();
        places.extend(spec.places(&spec.sort_columns)?);
        let keys = Arc::new(Keys::new(&spec.schema, places.clone())?);
        let spec = Arc::new(spec);
        Ok(SortedWriter {
            order: OrderCheck::new(places),
            in_order: true,
            waits: false,
            buffer: Buffer::new(),
            sequence: None,
            runs: Vec::new(),
            output: Output::new(Arc::clone(&spec), partition, watch)?,
            failed: false,
            keys,
            spec,
        })
    }

    /// Takes rows. Returns when they are buffered, spilled, or encoded.
    ///
    /// Fails with [`crate::ErrorKind::Invalid`] if the columns are not the
    /// table's, with [`crate::ErrorKind::Unavailable`] if the store or the
    /// temporary folder fail. After an error nothing can be finished.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.guarded(|writer| writer.try_push(batch))
    }

    /// Lets rows wait in so much memory, or on disk, until
    /// [`SortedWriter::go_on`]; the file that is open ends. So of many writers
    /// one at a time has an open file, and a row group as large as it should be.
    ///
    /// Fails like [`SortedWriter::push`].
    pub(super) fn wait(&mut self, memory_bytes: usize) -> Result<()> {
        self.waits = true;
        self.guarded(|writer| {
            writer.output.end_file()?;
            writer.set_memory(memory_bytes);
            match writer.buffer.bytes() > writer.spec.buffer_bytes() {
                true => writer.flush(),
                false => Ok(()),
            }
        })
    }

    /// Rows may go to files, with so much memory.
    pub(super) fn go_on(&mut self, memory_bytes: usize) {
        self.waits = false;
        self.set_memory(memory_bytes);
    }

    /// Who sees the rows.
    pub(super) fn watch(&mut self) -> &mut W {
        self.output.watch()
    }

    /// [`SortedWriter::finish`], and who saw the rows.
    pub(super) fn end(mut self) -> Result<(Vec<WrittenFile>, W)> {
        let finished = self.guarded(Self::try_finish);
        self.output.into_files(finished)
    }

    /// Gives up: deletes the files written so far, which nobody has seen.
    pub fn abort(self) -> Result<()> {
        self.output.abort()
    }

    /// Runs a step; one that failed may have lost rows, so nothing runs after it.
    fn guarded(&mut self, step: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.failed {
            return Err(Error::internal(
                "rows were pushed after a failure; abort the writer and begin again",
            ));
        }
        let done = step(self);
        self.failed = done.is_err();
        done
    }

    fn try_push(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(&self.spec.schema, batch)?;
        let rows = batch.num_rows();
        let row_bytes = batch_bytes(batch) / rows.max(1);
        let piece_rows = (self.spec.buffer_bytes() / 4 / row_bytes.max(1)).max(1);
        for start in (0..rows).step_by(piece_rows) {
            let piece = batch.slice(start, piece_rows.min(rows - start));
            self.push_piece(buffer::own(&piece)?)?;
        }
        Ok(())
    }

    fn push_piece(&mut self, piece: RecordBatch) -> Result<()> {
        self.in_order = self.in_order && self.order.follows(&piece)?;
        let cost = self.keys.cost(&piece) + piece.get_array_memory_size();
        let fits = self.buffer.bytes() + cost <= self.spec.buffer_bytes();
        if !fits || !self.buffer.has_types_of(&piece) {
            self.flush()?;
        }
        self.buffer.add(piece, cost);
        Ok(())
    }

    fn set_memory(&mut self, memory_bytes: usize) {
        let spec = Arc::new(SorterSpec {
            memory_bytes,
            ..SorterSpec::clone(&self.spec)
        });
        self.output.set_spec(Arc::clone(&spec));
        self.spec = spec;
    }

    fn try_finish(&mut self) -> Result<()> {
        if self.in_order {
            self.write_sequence()?;
        } else {
            self.end_sequence()?;
        }
        if self.runs.is_empty() {
            return self.write_buffer();
        }
        self.flush()?;
        let fan_in = self.fan_in(&self.runs);
        while self.runs.len() > fan_in {
            let runs = std::mem::take(&mut self.runs);
            self.runs = self.merge_groups(runs, fan_in)?;
        }
        let runs = std::mem::take(&mut self.runs);
        let output = &mut self.output;
        merge(&self.spec, &self.keys, runs, |chunk| output.write(&chunk))
    }

    /// Makes room for more rows.
    fn flush(&mut self) -> Result<()> {
        if self.in_order || self.buffer.is_empty() {
            return match self.waits {
                true => self.spill_sequence(),
                false => self.write_buffer(),
            };
        }
        self.end_sequence()?;
        self.output.end_file()?;
        let sorted = self.buffer.take().sort(&self.keys)?;
        if self.waits {
            let all = std::iter::once(0..sorted.len()).collect();
            return self.spill(&sorted, all);
        }
        let ranges = self.by_size(&sorted)?;
        for range in ranges.large {
            self.write_range(&sorted, range)?;
        }
        self.output.end_file()?;
        self.spill(&sorted, ranges.small)
    }

    /// Moves buffered rows, which came in order, behind those that wait on disk.
    fn spill_sequence(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let run = match &mut self.sequence {
            Some(run) => run,
            none => none.insert(RunWriter::create(&self.spec)?),
        };
        let rows = self.buffer.take();
        rows.chunks(self.spec.chunk_bytes())
            .try_for_each(|batch| run.write(&batch?))
    }

    /// Makes the rows that came in order one of the runs.
    fn end_sequence(&mut self) -> Result<()> {
        if let Some(run) = self.sequence.take() {
            self.runs.push(run.finish(0)?);
        }
        Ok(())
    }

    /// Writes the rows that came in order and waited to files.
    fn write_sequence(&mut self) -> Result<()> {
        let Some(run) = self.sequence.take() else {
            return Ok(());
        };
        run.finish(0)?
            .batches()?
            .try_for_each(|batch| self.output.write(&batch?))
    }

    /// Writes all buffered rows to files; used where no earlier row waits in a run.
    fn write_buffer(&mut self) -> Result<()> {
        let rows = self.buffer.take();
        if self.in_order {
            return rows
                .chunks(self.spec.chunk_bytes())
                .try_for_each(|batch| self.output.write(&batch?));
        }
        self.output.end_file()?;
        let sorted = rows.sort(&self.keys)?;
        self.write_range(&sorted, 0..sorted.len())
    }

    fn write_range(&mut self, sorted: &Sorted, range: Range<usize>) -> Result<()> {
        for chunk in sorted.chunks(range, self.spec.chunk_bytes()) {
            self.output.write(&chunk?)?;
        }
        Ok(())
    }

    /// Splits sorted rows into partitions that fill a file and the rest.
    fn by_size(&self, sorted: &Sorted) -> Result<BySize> {
        let decent_rows = self.spec.file_bytes_target / sorted.row_bytes().max(1);
        let partitions = sorted.partitions(self.output.partition_places())?;
        let is_large = |range: &Range<usize>| range.len() >= decent_rows.max(1);
        let (large, small) = partitions.into_iter().partition(is_large);
        Ok(BySize { large, small })
    }

    fn spill(&mut self, sorted: &Sorted, ranges: Vec<Range<usize>>) -> Result<()> {
        if ranges.is_empty() {
            return Ok(());
        }
        let mut run = RunWriter::create(&self.spec)?;
        for range in join_adjacent(ranges) {
            for chunk in sorted.chunks(range, self.spec.chunk_bytes()) {
                run.write(&chunk?)?;
            }
        }
        self.runs.push(run.finish(0)?);
        self.merge_full_level()
    }

    /// Merges the newest runs once a level is full. Runs stay in the order of
    /// arrival, which keeps equal rows in theirs.
    fn merge_full_level(&mut self) -> Result<()> {
        while let Some(start) = self.full_level() {
            let mut runs = self.runs.split_off(start);
            let fan_in = self.fan_in(&runs);
            while runs.len() > 1 {
                runs = self.merge_groups(runs, fan_in)?;
            }
            self.runs.append(&mut runs);
        }
        Ok(())
    }

    fn full_level(&self) -> Option<usize> {
        let level = self.runs.last()?.level();
        let newest = self
            .runs
            .iter()
            .rev()
            .take_while(|run| run.level() == level);
        let count = newest.count();
        (count >= RUNS_PER_LEVEL).then(|| self.runs.len() - count)
    }

    /// How many runs can be read at once in half of the memory: each holds a
    /// batch and its keys, and the batch before while its rows are on their way.
    fn fan_in(&self, runs: &[Run]) -> usize {
        let batch = runs.iter().map(Run::batch_bytes).max().unwrap_or(0);
        (self.spec.buffer_bytes() / (3 * batch).max(1)).clamp(2, RUNS_PER_LEVEL)
    }

    fn merge_groups(&self, runs: Vec<Run>, fan_in: usize) -> Result<Vec<Run>> {
        let mut merged = Vec::new();
        let mut runs = runs.into_iter().peekable();
        while runs.peek().is_some() {
            let group: Vec<Run> = runs.by_ref().take(fan_in).collect();
            merged.push(self.merge_to_run(group)?);
        }
        Ok(merged)
    }

    fn merge_to_run(&self, group: Vec<Run>) -> Result<Run> {
        let level = group.iter().map(Run::level).max().unwrap_or(0) + 1;
        let mut run = RunWriter::create(&self.spec)?;
        merge(&self.spec, &self.keys, group, |chunk| run.write(&chunk))?;
        run.finish(level)
    }
}

impl<W> fmt::Debug for SortedWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SortedWriter")
            .field("spec", &self.spec)
            .field("in_order", &self.in_order)
            .field("runs", &self.runs.len())
            .finish_non_exhaustive()
    }
}

/// Ranges of sorted rows, each a partition.
struct BySize {
    large: Vec<Range<usize>>,
    small: Vec<Range<usize>>,
}

/// Sort keys: bytes that compare as the rows do.
struct Keys {
    places: Vec<usize>,
    converter: RowConverter,
}

impl Keys {
    fn new(schema: &SchemaRef, places: Vec<usize>) -> Result<Keys> {
        let fields = places
            .iter()
            .map(|&place| {
                let kind = schema.field(place).data_type().clone();
                SortField::new_with_options(kind, ORDER)
            })
            .collect();
        let converter = RowConverter::new(fields).map_err(|e| {
            Error::invalid("a partition or sort column has a type without order").with_source(e)
        })?;
        Ok(Keys { places, converter })
    }

    fn of(&self, batch: &RecordBatch) -> Result<Rows> {
        let columns: Vec<ArrayRef> = self
            .places
            .iter()
            .map(|&place| {
                let column = batch.column(place);
                cast(column, plain(column.data_type()))
            })
            .collect::<Result<_, _>>()?;
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// An estimate from above of what sorting adds to a batch: keys, their
    /// offsets, and the order of rows.
    fn cost(&self, batch: &RecordBatch) -> usize {
        const OFFSET_AND_ORDER: usize = 16;
        const MARKS_AND_PADDING: usize = 10;
        let rows = batch.num_rows();
        let values: usize = self
            .places
            .iter()
            .map(|&place| buffer::plain_bytes(batch.column(place)) + rows * MARKS_AND_PADDING)
            .sum();
        values + values / 8 + rows * OFFSET_AND_ORDER
    }
}

/// The type of a dictionary's values, or the type itself.
fn plain(kind: &DataType) -> &DataType {
    match kind {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

fn join_adjacent(ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}
