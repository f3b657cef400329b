//! Sorted runs on local disk, and their merge.
//!
//! A run is an Arrow IPC stream, compressed with LZ4, in small batches. Its
//! file is unlinked as soon as it is open where the system allows that, so
//! nothing stays behind even after a kill; elsewhere it goes with the run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::interleave;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::row::Rows;

use super::buffer::plain_batch;
use super::{Keys, SorterSpec};
use crate::parquet::batch_bytes;
use crate::{Error, Result};

/// A temporary file that is gone with its owner.
struct SpillFile {
    file: File,
    /// Where it lies, if it could not be unlinked while open.
    path: Option<PathBuf>,
}

impl SpillFile {
    fn create(spec: &SorterSpec) -> Result<SpillFile> {
        let name = format!("downlake-{:016x}.spill", spec.random.next_u64());
        let path = spec.temp_dir.join(name);
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create_new(true).open(&path);
        let file = opened.map_err(|e| {
            Error::unavailable(format!(
                "cannot spill to {}: {e}; free space or name another temporary folder",
                path.display()
            ))
            .with_source(e)
        })?;
        let unlinked = fs::remove_file(&path).is_ok();
        Ok(SpillFile {
            file,
            path: (!unlinked).then_some(path),
        })
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %error, "a spill file stays behind; delete it");
        }
    }
}

impl io::Write for SpillFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl io::Read for SpillFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read(bytes)
    }
}

/// A sorted run on disk.
pub(super) struct Run {
    file: SpillFile,
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
}

/// Writes a run, batch by batch.
pub(super) struct RunWriter {
    spec: Arc<SorterSpec>,
    writer: StreamWriter<BufWriter<SpillFile>>,
    batch_bytes: usize,
}

impl RunWriter {
    pub(super) fn create(spec: &Arc<SorterSpec>) -> Result<RunWriter> {
        let file = BufWriter::new(SpillFile::create(spec)?);
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .map_err(spill_error)?;
        let writer =
            StreamWriter::try_new_with_options(file, &spec.schema, options).map_err(spill_error)?;
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
        self.writer.write(&batch).map_err(spill_error)
    }

    pub(super) fn finish(mut self, level: usize) -> Result<Run> {
        self.writer.finish().map_err(spill_error)?;
        let buffered = self.writer.into_inner().map_err(spill_error)?;
        let mut file = buffered
            .into_inner()
            .map_err(|e| spill_error(e.into_error().into()))?;
        file.file.rewind().map_err(|e| spill_error(e.into()))?;
        Ok(Run {
            file,
            batch_bytes: self.batch_bytes,
            level,
        })
    }
}

fn spill_error(error: arrow::error::ArrowError) -> Error {
    Error::unavailable(format!(
        "spilled rows: {error}; look at the temporary folder's disk"
    ))
    .with_source(error)
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
    reader: StreamReader<BufReader<SpillFile>>,
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
            reader: StreamReader::try_new(file, None).map_err(spill_error)?,
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
        let batch = batch.map_err(spill_error)?;
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
