//! Rows of a unit for a table that many tables share (`_quarantine`, `_gaps`).

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::Unit;
use crate::Result;
use crate::parquet::WrittenFile;
use crate::table::sorter::{SortedWriter, SorterSpec};

/// Memory of the rows that wait.
const MEMORY_BYTES: usize = 16 << 20;

/// Files that nobody has seen yet.
pub(super) struct SideFiles {
    table: &'static str,
    schema: SchemaRef,
    files: Option<SortedWriter>,
}

impl SideFiles {
    pub(super) fn new(table: &'static str, schema: SchemaRef) -> SideFiles {
        SideFiles {
            table,
            schema,
            files: None,
        }
    }

    pub(super) fn push(&mut self, unit: &Unit, batch: &RecordBatch) -> Result<()> {
        let writer = match &mut self.files {
            Some(writer) => writer,
            None => self.files.insert(SortedWriter::new(SorterSpec {
                memory_bytes: MEMORY_BYTES,
                ..unit.lake.sorter_spec(
                    self.table,
                    SchemaRef::clone(&self.schema),
                    unit.ingest_id,
                )?
            })?),
        };
        writer.push(batch)
    }

    pub(super) fn finish(&mut self) -> Result<Vec<WrittenFile>> {
        let files = self.files.take().map(SortedWriter::finish).transpose()?;
        Ok(files.unwrap_or_default())
    }

    pub(super) fn abort(self) -> Result<()> {
        self.files.map_or(Ok(()), SortedWriter::abort)
    }
}
