//! Sorted rows to files: one open at a time, cut at partitions and at a size,
//! while the store acknowledges those before.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::partition;
use arrow::datatypes::SchemaRef;
use object_store::ObjectStoreExt;

use super::{SorterSpec, Watch};
use crate::Result;
use crate::parquet::{
    ClosingFile, EncodingPlan, FileWriter, UPLOAD_BYTES, WriteOptions, WrittenFile, batch_bytes,
    file_name, partition_path, partition_text,
};

/// Rows of a file from which the encodings it chose are good for others.
const TELLING_ROWS: u64 = 4096;
/// Files that end at the same time.
const CLOSING_MAX: usize = 16;
/// A file is looked at this often on its way to its target size.
const LOOKS_PER_FILE: usize = 16;

/// Where sorted rows go.
pub(super) struct Output<W> {
    watch: W,
    spec: Arc<SorterSpec>,
    partition_places: Vec<usize>,
    data_places: Vec<usize>,
    data_schema: SchemaRef,
    open: Option<OpenFile>,
    encodings: Option<Arc<EncodingPlan>>,
    closing: VecDeque<ClosingFile>,
    files: Vec<WrittenFile>,
}

struct OpenFile {
    writer: FileWriter,
    partition: Vec<PartitionValue>,
}

/// An empty text means NULL in the log, but sorts apart from NULL: two files.
#[derive(Debug, Clone, PartialEq)]
struct PartitionValue {
    is_null: bool,
    text: Option<String>,
}

impl<W: Watch> Output<W> {
    /// Files that are begun from now on are as this says.
    pub(super) fn set_spec(&mut self, spec: Arc<SorterSpec>) {
        self.spec = spec;
    }

    pub(super) fn new(
        spec: Arc<SorterSpec>,
        partition_places: Vec<usize>,
        watch: W,
    ) -> Result<Output<W>> {
        let data_places: Vec<usize> = (0..spec.schema.fields().len())
            .filter(|place| !partition_places.contains(place))
            .collect();
        let data_schema = Arc::new(spec.schema.project(&data_places)?);
        Ok(Output {
            watch,
            spec,
            partition_places,
            data_places,
            data_schema,
            open: None,
            encodings: None,
            closing: VecDeque::new(),
            files: Vec::new(),
        })
    }

    pub(super) fn watch(&mut self) -> &mut W {
        &mut self.watch
    }

    pub(super) fn partition_places(&self) -> &[usize] {
        &self.partition_places
    }

    /// Appends rows that come after all rows written since the last file ended.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.watch.note(batch)?;
        let data = batch.project(&self.data_places)?;
        for range in self.partition_ranges(batch)? {
            self.enter(batch, range.start)?;
            self.write_partition(batch, &data, range)?;
        }
        Ok(())
    }

    /// Ends the open file, if there is one. The next can begin before the
    /// store has acknowledged it: a disk syncs many files as fast as one.
    pub(super) fn end_file(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let encodings = open.writer.encodings();
        let closing = open.writer.close()?;
        if self.encodings.is_none() && closing.file().rows >= TELLING_ROWS {
            self.encodings = encodings;
        }
        self.closing.push_back(closing);
        while self.closing.len() > CLOSING_MAX || self.closing_bytes() > UPLOAD_BYTES {
            self.await_oldest()?;
        }
        Ok(())
    }

    /// Bytes that uploads which are not acknowledged hold at most.
    fn closing_bytes(&self) -> usize {
        let held = |c: &ClosingFile| usize::try_from(c.file().size).unwrap_or(usize::MAX);
        self.closing.iter().map(|c| held(c).min(UPLOAD_BYTES)).sum()
    }

    fn await_oldest(&mut self) -> Result<()> {
        if let Some(closing) = self.closing.pop_front() {
            self.files.push(closing.wait()?);
        }
        Ok(())
    }

    /// All files, each complete in the store, if the work before succeeded;
    /// else, or if they cannot be completed, none of them.
    pub(super) fn into_files(mut self, before: Result<()>) -> Result<(Vec<WrittenFile>, W)> {
        match before.and_then(|()| self.complete()) {
            Ok(()) => Ok((self.files, self.watch)),
            Err(error) => {
                if let Err(left) = self.abort() {
                    tracing::warn!(error = %left, "files of a failed write stay as orphans");
                }
                Err(error)
            }
        }
    }

    fn complete(&mut self) -> Result<()> {
        self.end_file()?;
        while !self.closing.is_empty() {
            self.await_oldest()?;
        }
        Ok(())
    }

    /// Deletes what was written. The first failure is reported, after all
    /// files were tried.
    pub(super) fn abort(mut self) -> Result<()> {
        let mut outcome = match self.open.take() {
            Some(open) => open.writer.abort(),
            None => Ok(()),
        };
        // Of an upload that fails nothing becomes visible.
        let closed = self.closing.drain(..).filter_map(|c| c.wait().ok());
        let files: Vec<_> = self.files.drain(..).chain(closed).collect();
        let target = &self.spec.target;
        for file in files {
            let location = target.location(&file.path)?;
            let deleted = target.runtime.block_on(target.objects.delete(&location));
            outcome = outcome.and(deleted.map_err(Into::into));
        }
        outcome
    }

    fn partition_ranges(&self, batch: &RecordBatch) -> Result<Vec<Range<usize>>> {
        if self.partition_places.is_empty() {
            return Ok(std::iter::once(0..batch.num_rows()).collect());
        }
        let columns = self.partition_places.iter();
        let columns: Vec<ArrayRef> = columns
            .map(|&place| {
                let column = batch.column(place);
                arrow::compute::cast(column, super::plain(column.data_type()))
            })
            .collect::<Result<_, _>>()?;
        Ok(partition(&columns)?.ranges())
    }

    /// Makes the open file be one of the row's partition.
    fn enter(&mut self, batch: &RecordBatch, row: usize) -> Result<()> {
        let values = self.partition_values(batch, row)?;
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.partition == values)
        {
            return Ok(());
        }
        self.end_file()?;
        self.begin_file(values)
    }

    fn write_partition(
        &mut self,
        batch: &RecordBatch,
        data: &RecordBatch,
        range: Range<usize>,
    ) -> Result<()> {
        let row_bytes = batch_bytes(data) / data.num_rows().max(1);
        let look_bytes = self.spec.file_bytes_target / LOOKS_PER_FILE;
        let step = (look_bytes / row_bytes.max(1)).max(1);
        for start in range.clone().step_by(step) {
            let rows = step.min(range.end - start);
            self.enter(batch, start)?;
            let Some(open) = &mut self.open else {
                continue;
            };
            open.writer.write(&data.slice(start, rows))?;
            if open.writer.bytes_written() >= self.spec.file_bytes_target {
                self.end_file()?;
            }
        }
        Ok(())
    }

    fn partition_values(&self, batch: &RecordBatch, row: usize) -> Result<Vec<PartitionValue>> {
        let value = |&place: &usize| {
            let column = batch.column(place);
            Ok(PartitionValue {
                is_null: column.is_null(row),
                text: partition_text(column, row)?,
            })
        };
        self.partition_places.iter().map(value).collect()
    }

    fn begin_file(&mut self, partition: Vec<PartitionValue>) -> Result<()> {
        let spec = &self.spec;
        let names = spec.partition_columns.iter();
        let texts = partition.iter().map(|value| value.text.clone());
        let values: BTreeMap<String, Option<String>> = names.clone().cloned().zip(texts).collect();
        let folders: Vec<(&str, Option<&str>)> = names
            .zip(&partition)
            .map(|(name, value)| (name.as_str(), value.text.as_deref()))
            .collect();
        let mut path = partition_path(&folders);
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&file_name(&spec.name_tag, spec.random.as_ref()));
        let options = self.options(values);
        let schema = Arc::clone(&self.data_schema);
        let writer = FileWriter::create(&spec.target, &path, schema, options)?;
        self.open = Some(OpenFile { writer, partition });
        Ok(())
    }

    fn options(&self, partition: BTreeMap<String, Option<String>>) -> WriteOptions {
        let spec = &self.spec;
        WriteOptions {
            tier: spec.tier,
            sort_columns: spec.sort_columns.clone(),
            axis_column: spec.axis_column.clone(),
            bloom_columns: spec.bloom_columns.clone(),
            stats_columns: spec.stats_columns.clone(),
            partition,
            key_values: spec.key_values.clone(),
            encodings: self.encodings.clone(),
            row_group_bytes: Some(spec.row_group_bytes()),
        }
    }
}
