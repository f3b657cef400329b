//! Sorted runs on local disk, and their merge.
//!
//! A run is an Arrow IPC stream, compressed with LZ4, in small batches.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{BufReader, BufWriter, Seek};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::interleave;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::row::Rows;

use super::buffer::plain_batch;
use super::{Keys, SorterSpec};
use crate::Result;
use crate::parquet::batch_bytes;
use crate::table::scratch::{ScratchFile, scratch_error};

/// A sorted run on disk.
pub(super) struct Run {
    file: ScratchFile,
    batch_bytes: usize,
    level: usize,
}

impl Run {
    /// Memory of its largest batch once read.
    pub(super) fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    /// How many merges its rows went through.
    pub(super) fn level(&self) -> usize {
        self.level
    }

    /// Its rows, in order.
    pub(super) fn batches(self) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
        let batches = StreamReader::try_new(BufReader::new(self.file), None);
        let batches = batches.map_err(scratch_error)?;
        Ok(batches.map(|batch| batch.map_err(scratch_error)))
    }
}

/// Writes a run, batch by batch.
pub(super) struct RunWriter {
    spec: Arc<SorterSpec>,
    writer: StreamWriter<BufWriter<ScratchFile>>,
    batch_bytes: usize,
}

impl RunWriter {
    pub(super) fn create(spec: &Arc<SorterSpec>) -> Result<RunWriter> {
        let file = BufWriter::new(ScratchFile::create(&spec.temp_dir, spec.random.as_ref())?);
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .map_err(scratch_error)?;
        let writer = StreamWriter::try_new_with_options(file, &spec.schema, options)
            .map_err(scratch_error)?;
        Ok(RunWriter {
            spec: Arc::clone(spec),
            writer,
            batch_bytes: 0,
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = plain_batch(batch)?.columns().to_vec();
        let batch = RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?;
        self.batch_bytes = self.batch_bytes.max(batch.get_array_memory_size());
        self.writer.write(&batch).map_err(scratch_error)
    }

    pub(super) fn finish(mut self, level: usize) -> Result<Run> {
        self.writer.finish().map_err(scratch_error)?;
        let buffered = self.writer.into_inner().map_err(scratch_error)?;
        let mut file = buffered
            .into_inner()
            .map_err(|e| scratch_error(e.into_error().into()))?;
        file.rewind().map_err(|e| scratch_error(e.into()))?;
        Ok(Run {
            file,
            batch_bytes: self.batch_bytes,
            level,
        })
    }
}

/// Merges runs and hands the rows on in order, a chunk at a time. Of equal
/// rows those of earlier runs come first.
pub(super) fn merge(
    spec: &SorterSpec,
    keys: &Keys,
    runs: Vec<Run>,
    mut sink: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let mut cursors = Vec::with_capacity(runs.len());
    let mut heads = BinaryHeap::with_capacity(runs.len());
    for run in runs {
        let mut cursor = Cursor::open(run)?;
        if cursor.advance_batch(keys)? {
            heads.push(Reverse((cursor.key().to_vec(), cursors.len())));
        }
        cursors.push(cursor);
    }
    let mut chunk = Chunk::new(spec.chunk_bytes());
    while let Some(Reverse((mut key, run))) = heads.pop() {
        let cursor = &mut cursors[run];
        loop {
            chunk.pick(cursor, run);
            if chunk.is_full() {
                sink(chunk.take()?)?;
            }
            if !cursor.advance(keys)? {
                break;
            }
            let next = heads
                .peek()
                .map(|Reverse((key, run))| (key.as_slice(), *run));
            if next.is_some_and(|next| (cursor.key(), run) > next) {
                key.clear();
                key.extend_from_slice(cursor.key());
                heads.push(Reverse((key, run)));
                break;
            }
        }
    }
    if chunk.picks.is_empty() {
        return Ok(());
    }
    sink(chunk.take()?)
}

/// A place in a run.
struct Cursor {
    reader: StreamReader<BufReader<ScratchFile>>,
    current: Option<Current>,
    /// Counts the batches read, so that a chunk knows which one a row is in.
    batch_number: usize,
    row: usize,
}

struct Current {
    batch: RecordBatch,
    keys: Rows,
    /// Bytes of a row, on average.
    row_bytes: usize,
}

impl Cursor {
    fn open(run: Run) -> Result<Cursor> {
        let file = BufReader::new(run.file);
        Ok(Cursor {
            reader: StreamReader::try_new(file, None).map_err(scratch_error)?,
            current: None,
            batch_number: 0,
            row: 0,
        })
    }

    fn key(&self) -> &[u8] {
        match &self.current {
            Some(current) => current.keys.row(self.row).data(),
            None => &[],
        }
    }

    /// To the next row; false at the end.
    fn advance(&mut self, keys: &Keys) -> Result<bool> {
        self.row += 1;
        match &self.current {
            Some(current) if self.row < current.batch.num_rows() => Ok(true),
            _ => self.advance_batch(keys),
        }
    }

    fn advance_batch(&mut self, keys: &Keys) -> Result<bool> {
        self.row = 0;
        self.current = None;
        let Some(batch) = self.reader.next() else {
            return Ok(false);
        };
        let batch = batch.map_err(scratch_error)?;
        self.batch_number += 1;
        self.current = Some(Current {
            keys: keys.of(&batch)?,
            row_bytes: batch_bytes(&batch) / batch.num_rows().max(1),
            batch,
        });
        Ok(true)
    }
}

/// Rows picked from the cursors' batches, not yet copied.
struct Chunk {
    limit_bytes: usize,
    bytes: usize,
    batches: Vec<RecordBatch>,
    /// Which batch of which run lies at which place in `batches`.
    places: Vec<(usize, usize)>,
    picks: Vec<(usize, usize)>,
}

impl Chunk {
    fn new(limit_bytes: usize) -> Chunk {
        Chunk {
            limit_bytes,
            bytes: 0,
            batches: Vec::new(),
            places: Vec::new(),
            picks: Vec::new(),
        }
    }

    fn pick(&mut self, cursor: &Cursor, run: usize) {
        let Some(current) = &cursor.current else {
            return;
        };
        let name = (run, cursor.batch_number);
        // The newest batches are the likeliest, and there are few.
        let place = self.places.iter().rposition(|place| *place == name);
        let place = place.unwrap_or_else(|| {
            self.places.push(name);
            self.batches.push(current.batch.clone());
            self.places.len() - 1
        });
        self.picks.push((place, cursor.row));
        self.bytes += current.row_bytes;
    }

    fn is_full(&self) -> bool {
        self.bytes >= self.limit_bytes
    }

    fn take(&mut self) -> Result<RecordBatch> {
        let schema = self.batches[0].schema();
        let columns: Vec<ArrayRef> = (0..schema.fields().len())
            .map(|place| {
                let arrays: Vec<&dyn Array> = self
                    .batches
                    .iter()
                    .map(|batch| batch.column(place).as_ref())
                    .collect();
                interleave(&arrays, &self.picks)
            })
            .collect::<Result<_, _>>()?;
        self.bytes = 0;
        self.batches.clear();
        self.places.clear();
        self.picks.clear();
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}
