//! Rows to row groups, column by column.
//!
//! The rows of a row group wait as they are; when there are enough, each
//! column is encoded as a whole, by as many threads as the machine has, and
//! let go. So one encoder a thread is filled at a time, which matters where a
//! table has thousands of columns: an encoder's dictionary alone takes some
//! 100 KiB. Memory is bounded by the rows of one group, which are counted as
//! they lie in memory, not as they will be encoded.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use super::sink::ObjectSink;
use super::writer::{ROW_GROUP_ROWS, batch_bytes};

/// Rows below which threads cost more than they save.
const ROWS_WORTH_THREADS: usize = 4096;
/// Encoded bytes of a byte in memory, until a row group has shown more.
const ENCODED_SHARE: f64 = 0.3;

/// Encodes the rows of one file.
pub(super) struct RowGroups {
    file: SerializedFileWriter<ObjectSink>,
    columns: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    group_bytes: usize,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
    /// Bytes in memory of the rows that are encoded.
    encoded_bytes: usize,
}

impl RowGroups {
    /// A row group ends at [`ROW_GROUP_ROWS`], or at `group_bytes` of rows in memory.
    pub(super) fn new(
        sink: ObjectSink,
        schema: SchemaRef,
        properties: WriterProperties,
        group_bytes: usize,
    ) -> ParquetResult<RowGroups> {
        let writer = ArrowWriter::try_new(sink, Arc::clone(&schema), Some(properties))?;
        let (file, columns) = writer.into_serialized_writer()?;
        Ok(RowGroups {
            file,
            columns,
            schema,
            group_bytes,
            waiting: Vec::new(),
            waiting_rows: 0,
            waiting_bytes: 0,
            encoded_bytes: 0,
        })
    }

    /// Takes rows; whenever a row group is full, encodes it.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> ParquetResult<()> {
        let rows = batch.num_rows();
        let row_bytes = (batch_bytes(batch) / rows.max(1)).max(1);
        let mut start = 0;
        while start < rows {
            let taken = self.room(row_bytes).min(rows - start);
            self.waiting.push(batch.slice(start, taken));
            self.waiting_rows += taken;
            self.waiting_bytes += taken * row_bytes;
            start += taken;
            if self.room(row_bytes) == 0 {
                self.end_group()?;
            }
        }
        Ok(())
    }

    /// Rows of this size that the row group still takes; one at least, if it is empty.
    fn room(&self, row_bytes: usize) -> usize {
        let by_bytes = self.group_bytes.saturating_sub(self.waiting_bytes) / row_bytes;
        let by_rows = ROW_GROUP_ROWS.saturating_sub(self.waiting_rows);
        let least = usize::from(self.waiting.is_empty());
        by_bytes.min(by_rows).max(least)
    }

    /// Bytes of the file so far: sent, and an estimate of what waits.
    pub(super) fn bytes_written(&self) -> usize {
        self.file.bytes_written() + self.waiting_encoded_bytes()
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate of a size below 2^53"
    )]
    fn waiting_encoded_bytes(&self) -> usize {
        let share = match self.encoded_bytes {
            0 => ENCODED_SHARE,
            bytes => self.file.bytes_written() as f64 / bytes as f64,
        };
        (self.waiting_bytes as f64 * share) as usize
    }

    pub(super) fn append_key_value(&mut self, key: String, value: String) {
        self.file
            .append_key_value_metadata(KeyValue::new(key, value));
    }

    /// Encodes the last rows and writes the footer; the sink is still to be completed.
    pub(super) fn finish(&mut self) -> ParquetResult<ParquetMetaData> {
        self.end_group()?;
        self.file.finish()
    }

    pub(super) fn size(&self) -> usize {
        self.file.bytes_written()
    }

    pub(super) fn sink(&mut self) -> &mut ObjectSink {
        self.file.inner_mut()
    }

    fn end_group(&mut self) -> ParquetResult<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.waiting_rows);
        self.encoded_bytes += std::mem::take(&mut self.waiting_bytes);
        let jobs = self.jobs()?;
        let mut group = self.file.next_row_group()?;
        if rows < ROWS_WORTH_THREADS {
            encode_here(jobs, &mut group)?;
        } else {
            encode_by_threads(jobs, &mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// The columns of the waiting rows with their encoders, in order.
    fn jobs(&mut self) -> ParquetResult<Vec<Job>> {
        let group = self.file.flushed_row_groups().len();
        let batches = std::mem::take(&mut self.waiting);
        let mut encoders = self.columns.create_column_writers(group)?.into_iter();
        let leaves = self.leaves_of_columns();
        let fields = self.schema.fields().iter().zip(leaves).enumerate();
        Ok(fields
            .map(|(place, (field, leaves))| Job {
                field: Arc::clone(field),
                encoders: encoders.by_ref().take(leaves).collect(),
                arrays: batches
                    .iter()
                    .map(|batch| Arc::clone(batch.column(place)))
                    .collect(),
            })
            .collect())
    }

    /// How many leaves each column has: one, unless it is nested.
    fn leaves_of_columns(&self) -> Vec<usize> {
        let mut leaves = vec![0; self.schema.fields().len()];
        let descriptor = self.file.schema_descr();
        for leaf in 0..descriptor.num_columns() {
            leaves[descriptor.get_column_root_idx(leaf)] += 1;
        }
        leaves
    }
}

/// One column of a row group.
struct Job {
    field: FieldRef,
    encoders: Vec<ArrowColumnWriter>,
    arrays: Vec<ArrayRef>,
}

impl Job {
    fn encode(mut self) -> ParquetResult<Vec<ArrowColumnChunk>> {
        for array in self.arrays.drain(..) {
            let leaves = compute_leaves(&self.field, &array)?;
            for (encoder, leaf) in self.encoders.iter_mut().zip(&leaves) {
                encoder.write(leaf)?;
            }
        }
        self.encoders
            .into_iter()
            .map(ArrowColumnWriter::close)
            .collect()
    }
}

type Group<'a> = SerializedRowGroupWriter<'a, ObjectSink>;
type Encoded = (usize, ParquetResult<Vec<ArrowColumnChunk>>);

fn append(chunks: Vec<ArrowColumnChunk>, group: &mut Group<'_>) -> ParquetResult<()> {
    chunks
        .into_iter()
        .try_for_each(|chunk| chunk.append_to_row_group(group))
}

fn encode_here(jobs: Vec<Job>, group: &mut Group<'_>) -> ParquetResult<()> {
    jobs.into_iter()
        .try_for_each(|job| append(job.encode()?, group))
}

/// Threads take the next column each; this one appends them in order.
fn encode_by_threads(jobs: Vec<Job>, group: &mut Group<'_>) -> ParquetResult<()> {
    let columns = jobs.len();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let jobs: Vec<Mutex<Option<Job>>> = jobs.into_iter().map(|j| Mutex::new(Some(j))).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        let workers: Vec<_> = (0..threads.min(columns))
            .map(|_| {
                let sender = sender.clone();
                scope.spawn(|| encode_next(&jobs, &next, sender))
            })
            .collect();
        drop(sender);
        let appended = append_in_order(&receiver, columns, group);
        drop(receiver);
        for worker in workers {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        appended
    })
}

fn encode_next(jobs: &[Mutex<Option<Job>>], next: &AtomicUsize, out: Sender<Encoded>) {
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = jobs.get(place) else {
            return;
        };
        let job = job.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(encoded) = job.map(Job::encode) else {
            return;
        };
        // Nobody listens after an error, which is said already.
        if out.send((place, encoded)).is_err() {
            return;
        }
    }
}

fn append_in_order(
    encoded: &Receiver<Encoded>,
    columns: usize,
    group: &mut Group<'_>,
) -> ParquetResult<()> {
    let mut early: Vec<Option<Vec<ArrowColumnChunk>>> = (0..columns).map(|_| None).collect();
    let mut next = 0;
    for (place, chunks) in encoded {
        early[place] = Some(chunks?);
        while let Some(chunks) = early.get_mut(next).and_then(Option::take) {
            append(chunks, group)?;
            next += 1;
        }
    }
    if next < columns {
        return Err(ParquetError::General(format!(
            "the encoding of column {next} stopped"
        )));
    }
    Ok(())
}
