//! Rows that wait for their verdicts, in the order of arrival.
//!
//! They stay in memory as long as they fit, else all of them lie on disk as
//! an Arrow IPC stream, compressed with LZ4, in the batches in which they
//! came. They can be read any number of times.

use std::io::{BufReader, BufWriter, Seek};

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

use super::Scratch;
use crate::table::scratch::{ScratchFile, scratch_error};
use crate::{Error, Result};

/// The rows of a unit.
pub(super) struct Spool {
    schema: SchemaRef,
    memory_bytes: usize,
    scratch: Scratch,
    state: State,
}

enum State {
    Memory {
        batches: Vec<RecordBatch>,
        bytes: usize,
    },
    Writing(Box<StreamWriter<BufWriter<ScratchFile>>>),
    Written(ScratchFile),
    Failed,
}

impl Spool {
    pub(super) fn new(schema: SchemaRef, memory_bytes: usize, scratch: Scratch) -> Spool {
        Spool {
            schema,
            memory_bytes,
            scratch,
            state: State::Memory {
                batches: Vec::new(),
                bytes: 0,
            },
        }
    }

    /// Changes the memory; rows beyond it go to disk.
    pub(super) fn set_memory(&mut self, memory_bytes: usize) -> Result<()> {
        self.memory_bytes = memory_bytes;
        match self.state {
            State::Memory { bytes, .. } if bytes > memory_bytes => self.spill(),
            _ => Ok(()),
        }
    }

    /// Takes rows; not after they were read.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.state {
            State::Memory { batches, bytes } => {
                *bytes += batch.get_array_memory_size();
                batches.push(batch.clone());
                if *bytes > self.memory_bytes {
                    self.spill()?;
                }
                Ok(())
            }
            State::Writing(writer) => write(writer, &self.schema, batch),
            State::Written(_) | State::Failed => Err(Error::internal(
                "rows were pushed after they were read, or after a failure",
            )),
        }
    }

    fn spill(&mut self) -> Result<()> {
        let State::Memory { batches, .. } = std::mem::replace(&mut self.state, State::Failed)
        else {
            return Ok(());
        };
        let file = ScratchFile::create(&self.scratch.dir, self.scratch.random.as_ref())?;
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .map_err(scratch_error)?;
        let file = BufWriter::new(file);
        let mut writer = StreamWriter::try_new_with_options(file, &self.schema, options)
            .map_err(scratch_error)?;
        for batch in &batches {
            write(&mut writer, &self.schema, batch)?;
        }
        self.state = State::Writing(Box::new(writer));
        Ok(())
    }

    /// Hands all rows over.
    pub(super) fn replay(&mut self, mut take: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        self.end_writing()?;
        match &mut self.state {
            State::Memory { batches, .. } => batches.iter().cloned().try_for_each(take),
            State::Written(file) => {
                file.rewind().map_err(|e| scratch_error(e.into()))?;
                let batches = StreamReader::try_new(BufReader::new(file), None);
                for batch in batches.map_err(scratch_error)? {
                    take(batch.map_err(scratch_error)?)?;
                }
                Ok(())
            }
            State::Writing(_) | State::Failed => {
                Err(Error::internal("rows are read after a failure"))
            }
        }
    }

    fn end_writing(&mut self) -> Result<()> {
        let mut writer = match std::mem::replace(&mut self.state, State::Failed) {
            State::Writing(writer) => writer,
            other => {
                self.state = other;
                return Ok(());
            }
        };
        writer.finish().map_err(scratch_error)?;
        let buffered = writer.into_inner().map_err(scratch_error)?;
        let file = buffered
            .into_inner()
            .map_err(|e| scratch_error(e.into_error().into()))?;
        self.state = State::Written(file);
        Ok(())
    }
}

/// Writes a batch with the plain types of the table, since dictionaries may
/// differ from batch to batch.
fn write(
    writer: &mut StreamWriter<BufWriter<ScratchFile>>,
    schema: &SchemaRef,
    batch: &RecordBatch,
) -> Result<()> {
    let columns = batch.columns().iter().zip(schema.fields());
    let plain = columns.map(|(column, field)| cast(column, field.data_type()));
    let columns = plain.collect::<Result<Vec<_>, _>>()?;
    let batch = RecordBatch::try_new(SchemaRef::clone(schema), columns)?;
    writer.write(&batch).map_err(scratch_error)
}
