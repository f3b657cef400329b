//! Rows to row groups, column by column.
//!
//! The rows of a row group wait as they are; when there are enough, each
//! column is encoded as a whole, by as many threads as the machine has, and
//! let go. So there is one encoder a thread at a time, which matters where a
//! table has thousands of columns: an encoder takes some 200 KiB before its
//! first value. Memory is bounded by the rows of one group, which are counted as
//! they lie in memory, not as they will be encoded.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions,
    compute_leaves,
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
    columns: Vec<Column>,
    group_bytes: usize,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
    /// Bytes in memory of the rows that are encoded.
    encoded_bytes: usize,
}

impl RowGroups {
    /// A row group ends at [`ROW_GROUP_ROWS`], or at `group_bytes` of rows in
    /// memory. There are properties of the file, and of each column.
    pub(super) fn new(
        sink: ObjectSink,
        schema: SchemaRef,
        properties: WriterProperties,
        columns: impl Iterator<Item = WriterProperties>,
        group_bytes: usize,
    ) -> ParquetResult<RowGroups> {
        let columns = schema.fields().iter().zip(columns);
        let columns = columns.map(|(field, properties)| Column::new(field, properties));
        let columns = columns.collect::<ParquetResult<_>>()?;
        let writer = ArrowWriter::try_new(sink, schema, Some(properties))?;
        let (file, _) = writer.into_serialized_writer()?;
        Ok(RowGroups {
            file,
            columns,
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
        let batches = std::mem::take(&mut self.waiting);
        let jobs = jobs(&self.columns, &batches);
        drop(batches);
        let mut group = self.file.next_row_group()?;
        if rows < ROWS_WORTH_THREADS {
            encode_here(jobs, &mut group)?;
        } else {
            encode_by_threads(jobs, &mut group)?;
        }
        group.close()?;
        Ok(())
    }
}

/// A column of the file. It has a writer's factory of its own, since a factory
/// makes the encoders of all its columns at once.
struct Column {
    field: FieldRef,
    encoders: ArrowRowGroupWriterFactory,
}

impl Column {
    fn new(field: &FieldRef, properties: WriterProperties) -> ParquetResult<Column> {
        let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(io::sink(), schema, options)?;
        let (_, encoders) = writer.into_serialized_writer()?;
        Ok(Column {
            field: Arc::clone(field),
            encoders,
        })
    }
}

/// One column of a row group.
struct Job<'a> {
    column: &'a Column,
    arrays: Vec<ArrayRef>,
}

fn jobs<'a>(columns: &'a [Column], batches: &[RecordBatch]) -> Vec<Job<'a>> {
    let columns = columns.iter().enumerate();
    let jobs = columns.map(|(place, column)| Job {
        column,
        arrays: batches
            .iter()
            .map(|batch| Arc::clone(batch.column(place)))
            .collect(),
    });
    jobs.collect()
}

impl Job<'_> {
    fn encode(self) -> ParquetResult<Vec<ArrowColumnChunk>> {
        let mut encoders = self.column.encoders.create_column_writers(0)?;
        for array in self.arrays {
            let leaves = compute_leaves(&self.column.field, &array)?;
            for (encoder, leaf) in encoders.iter_mut().zip(&leaves) {
                encoder.write(leaf)?;
            }
        }
        encoders.into_iter().map(ArrowColumnWriter::close).collect()
    }
}

type Group<'a> = SerializedRowGroupWriter<'a, ObjectSink>;
type Encoded = (usize, ParquetResult<Vec<ArrowColumnChunk>>);

fn append(chunks: Vec<ArrowColumnChunk>, group: &mut Group<'_>) -> ParquetResult<()> {
    chunks
        .into_iter()
        .try_for_each(|chunk| chunk.append_to_row_group(group))
}

fn encode_here(jobs: Vec<Job<'_>>, group: &mut Group<'_>) -> ParquetResult<()> {
    jobs.into_iter()
        .try_for_each(|job| append(job.encode()?, group))
}

/// Threads take the next column each; this one appends them in order.
fn encode_by_threads(jobs: Vec<Job<'_>>, group: &mut Group<'_>) -> ParquetResult<()> {
    let columns = jobs.len();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let jobs: Vec<Mutex<Option<Job<'_>>>> = jobs.into_iter().map(|j| Mutex::new(Some(j))).collect();
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

fn encode_next(jobs: &[Mutex<Option<Job<'_>>>], next: &AtomicUsize, out: Sender<Encoded>) {
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
