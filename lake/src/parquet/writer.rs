//! Writing one data file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, SortingColumn};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::ColumnPath;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::encoding::EncodingPlan;
use super::hash::{RowHash, row_hash};
use super::order::OrderCheck;
use super::read::{KEY_ROW_HASH, KEY_ROWS};
use super::row_group::RowGroups;
use super::sink::{ObjectSink, store_error};
use super::stats::{exact_bounds, file_stats, leaf_places};
use crate::log::{FileStats, NewFile};
use crate::{Error, Result};

/// Tag of a file: the columns it is sorted by, ascending, NULL first, joined with `,`.
pub const TAG_SORT: &str = "downlake.sort";
/// Tag of a file: the exact least value of the axis, in microseconds or as the number.
pub const TAG_AXIS_MIN: &str = "downlake.axis_min";
/// Tag of a file: the exact greatest value of the axis.
pub const TAG_AXIS_MAX: &str = "downlake.axis_max";
/// Tag of a file: the hash of its rows, as in its footer.
pub const TAG_ROW_HASH: &str = "downlake.row_hash";

/// Rows of a row group: the unit of skipping and of parallel reading.
pub(super) const ROW_GROUP_ROWS: usize = 128 << 10;
const ROW_GROUP_BYTES: usize = 64 << 20;
const PAGE_ROWS: usize = 20_000;
const PAGE_BYTES: usize = 1 << 20;
const COLUMN_INDEX_BYTES: usize = 64;
/// Rows, or bytes if they come first, that are looked at before encodings are chosen.
const SAMPLE_ROWS: usize = 32 << 10;
const SAMPLE_BYTES: usize = 8 << 20;

/// How long a file is meant to live; decides how hard it is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tier {
    /// Fresh from ingest, soon rewritten: zstd 1.
    #[default]
    Hot,
    /// Rewritten by compaction: zstd 3.
    Compacted,
    /// Sealed: zstd 9.
    Cold,
}

impl Tier {
    fn zstd_level(self) -> i32 {
        match self {
            Tier::Hot => 1,
            Tier::Compacted => 3,
            Tier::Cold => 9,
        }
    }
}

/// Where files of a table go.
#[derive(Clone)]
pub struct Target {
    /// The store. An acknowledged PUT must be durable there.
    pub objects: Arc<dyn ObjectStore>,
    /// The runtime that uploads. Writers block on it, so they must be called
    /// outside of async code, and it must have blocking threads to spare.
    pub runtime: Handle,
    /// The table's folder in the store.
    pub table_dir: Path,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({} in {})", self.table_dir, self.objects)
    }
}

impl Target {
    /// The place in the store of a file of the table.
    pub fn location(&self, path: &str) -> Result<Path> {
        let full = format!("{}/{path}", self.table_dir);
        Path::parse(&full).map_err(|e| {
            Error::invalid(format!("\"{full}\" is not the path of an object")).with_source(e)
        })
    }
}

/// How a file is written.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// How hard to compress.
    pub tier: Tier,
    /// The order of rows, most significant first: ascending, NULL first.
    /// Names that are not in the schema are partition columns, constant in
    /// the file, and are left out of `sorting_columns`.
    pub sort_columns: Vec<String>,
    /// The column whose exact bounds go into the tags.
    pub axis_column: Option<String>,
    /// Columns that get a bloom filter, sized by the data.
    pub bloom_columns: Vec<String>,
    /// Columns whose bounds go to the log; all that can have bounds if `None`.
    pub stats_columns: Option<Vec<String>>,
    /// The partition the file belongs to, handed through to [`WrittenFile`].
    pub partition: BTreeMap<String, Option<String>>,
    /// Further entries of the footer.
    pub key_values: BTreeMap<String, String>,
    /// Encodings chosen for an earlier file of the same rows; by sampling if `None`.
    pub encodings: Option<Arc<EncodingPlan>>,
    /// Bytes of rows in memory after which a row group ends, if below 64 MiB.
    pub row_group_bytes: Option<usize>,
}

/// A data file that is complete in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenFile {
    /// Path relative to the table.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Partition column to value.
    pub partition: BTreeMap<String, Option<String>>,
    /// Row count and column bounds for the log.
    pub stats: FileStats,
    /// Order, exact bounds of the axis, and row hash.
    pub tags: BTreeMap<String, String>,
    /// The hash of the file's rows, over the columns in the file.
    pub row_hash: RowHash,
}

impl WrittenFile {
    /// The file as a commit adds it.
    pub fn into_new_file(self, modified_ms: i64) -> NewFile {
        NewFile {
            path: self.path,
            size: self.size,
            modified_ms,
            partition: self.partition,
            stats: self.stats,
            tags: self.tags,
        }
    }
}

/// A data file whose last bytes are on their way to the store.
pub struct ClosingFile {
    file: WrittenFile,
    upload: JoinHandle<Result<()>>,
    runtime: Handle,
}

impl ClosingFile {
    /// The file as it will be.
    pub fn file(&self) -> &WrittenFile {
        &self.file
    }

    /// Returns when the store has acknowledged the file. Blocks.
    pub fn wait(self) -> Result<WrittenFile> {
        let done = self.runtime.block_on(self.upload);
        done.map_err(|e| Error::internal(format!("the upload of a data file stopped: {e}")))?
            .map_err(|e| e.context(format!("close {}", self.file.path)))?;
        Ok(self.file)
    }
}

impl fmt::Debug for ClosingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosingFile")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Writes one file. Dropping it without [`FileWriter::close`] leaves no file;
/// parts that a store holds of it are given up by [`FileWriter::abort`] only.
pub struct FileWriter {
    target: Target,
    path: String,
    schema: SchemaRef,
    options: WriteOptions,
    order: OrderCheck,
    state: State,
    rows: u64,
    row_hash: RowHash,
}

/// Rows wait until there are enough of them to choose encodings.
enum State {
    Sampling {
        sink: Box<ObjectSink>,
        batches: Vec<RecordBatch>,
        rows: usize,
        bytes: usize,
    },
    Encoding(Box<RowGroups>),
    Failed,
}

impl FileWriter {
    /// Begins a file at `path`, relative to the table. The schema is that of
    /// the file, without partition columns and with plain types; batches may
    /// hold dictionaries of those types.
    ///
    /// Fails with [`crate::ErrorKind::Invalid`] if a bloom or axis column is
    /// not in the schema.
    pub fn create(
        target: &Target,
        path: &str,
        schema: SchemaRef,
        options: WriteOptions,
    ) -> Result<FileWriter> {
        for name in options.bloom_columns.iter().chain(&options.axis_column) {
            if schema.index_of(name).is_err() {
                return Err(Error::invalid(format!(
                    "column \"{name}\" is not in data file \"{path}\"; name one of its columns"
                )));
            }
        }
        let location = target.location(path)?;
        let objects = Arc::clone(&target.objects);
        let order = sorted_places(&schema, &options);
        Ok(FileWriter {
            target: target.clone(),
            path: path.to_owned(),
            schema,
            options,
            order: OrderCheck::new(order),
            state: State::Sampling {
                sink: Box::new(ObjectSink::new(objects, location, target.runtime.clone())),
                batches: Vec::new(),
                rows: 0,
                bytes: 0,
            },
            rows: 0,
            row_hash: RowHash::default(),
        })
    }

    /// Appends rows.
    ///
    /// Fails with [`crate::ErrorKind::Invalid`] if the columns are not the
    /// file's, with [`crate::ErrorKind::Internal`] if the rows are not in the
    /// declared order, and as the store fails. After an error the file cannot
    /// be closed.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let written = self.try_write(batch);
        if written.is_err() {
            self.forget();
        }
        written.map_err(|e| e.context(format!("write {}", self.path)))
    }

    fn try_write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(&self.schema, batch)?;
        if !self.order.follows(batch)? {
            return Err(Error::internal(format!(
                "rows are not sorted by {}",
                self.options.sort_columns.join(", ")
            )));
        }
        self.row_hash += row_hash(batch)?;
        self.rows += batch.num_rows() as u64;
        match &mut self.state {
            State::Sampling {
                batches,
                rows,
                bytes,
                ..
            } => {
                batches.push(batch.clone());
                *rows += batch.num_rows();
                *bytes += batch_bytes(batch);
                let limit = self.options.row_group_bytes.unwrap_or(SAMPLE_BYTES);
                if self.options.encodings.is_some()
                    || *rows >= SAMPLE_ROWS
                    || *bytes >= limit.min(SAMPLE_BYTES)
                {
                    self.begin_encoding()?;
                }
                Ok(())
            }
            State::Encoding(groups) => groups.write(batch).map_err(write_error),
            State::Failed => Err(failed()),
        }
    }

    /// Bytes of the file so far: sent, and an estimate of what waits. Rows
    /// that wait for the choice of encodings, at most 8 MiB, do not count yet.
    pub fn bytes_written(&self) -> usize {
        match &self.state {
            State::Encoding(groups) => groups.bytes_written(),
            State::Sampling { .. } | State::Failed => 0,
        }
    }

    /// The encodings in use, for the next file of the same rows; `None` while
    /// they are not chosen.
    pub fn encodings(&self) -> Option<Arc<EncodingPlan>> {
        self.options.encodings.clone()
    }

    /// Encodes what is left and sends it; [`ClosingFile::wait`] says when the
    /// store has acknowledged the file.
    pub fn close(mut self) -> Result<ClosingFile> {
        let path = self.path.clone();
        self.try_close()
            .map_err(|e| e.context(format!("close {path}")))
    }

    fn try_close(&mut self) -> Result<ClosingFile> {
        self.begin_encoding()?;
        let State::Encoding(mut groups) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(failed());
        };
        for (key, value) in self.footer_entries() {
            groups.append_key_value(key, value);
        }
        let metadata = groups.finish().map_err(write_error)?;
        let file = self.written(&metadata, groups.size() as u64)?;
        Ok(ClosingFile {
            upload: groups.sink().complete()?,
            runtime: self.target.runtime.clone(),
            file,
        })
    }

    /// Gives the file up; nothing becomes visible in the store.
    pub fn abort(mut self) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Sampling { mut sink, .. } => sink.abort(),
            State::Encoding(mut groups) => groups.sink().abort(),
            State::Failed => Ok(()),
        }
    }

    /// Lets go of what is buffered, without a word to the store.
    fn forget(&mut self) {
        if let State::Encoding(mut groups) = std::mem::replace(&mut self.state, State::Failed) {
            groups.sink().forget();
        }
    }

    fn begin_encoding(&mut self) -> Result<()> {
        let (sink, batches) = match std::mem::replace(&mut self.state, State::Failed) {
            State::Sampling { sink, batches, .. } => (sink, batches),
            begun => {
                self.state = begun;
                return Ok(());
            }
        };
        let plan = match &self.options.encodings {
            Some(plan) => Arc::clone(plan),
            None => Arc::new(EncodingPlan::from_sample(&self.schema, &batches)?),
        };
        let base = self.properties()?;
        let file = base.clone().set_sorting_columns(self.sorting_columns()?);
        let columns = self.schema.fields().iter();
        let columns = columns.map(|field| self.column_properties(&plan, field, base.clone()));
        let group_bytes = self.options.row_group_bytes.unwrap_or(ROW_GROUP_BYTES);
        let mut groups = RowGroups::new(
            *sink,
            Arc::clone(&self.schema),
            file.build(),
            columns,
            group_bytes.clamp(1, ROW_GROUP_BYTES),
        )
        .map_err(write_error)?;
        self.options.encodings = Some(plan);
        for batch in &batches {
            groups.write(batch).map_err(write_error)?;
        }
        self.state = State::Encoding(Box::new(groups));
        Ok(())
    }

    fn properties(&self) -> Result<WriterPropertiesBuilder> {
        let level = ZstdLevel::try_new(self.options.tier.zstd_level())?;
        Ok(WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by(concat!("downlake ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(level))
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_column_index_truncate_length(Some(COLUMN_INDEX_BYTES)))
    }

    /// What one column asks for beside. A bloom filter is sized for a full row
    /// group and folded to the number of distinct values that it met.
    fn column_properties(
        &self,
        plan: &EncodingPlan,
        field: &Field,
        builder: WriterPropertiesBuilder,
    ) -> WriterProperties {
        let mut builder = plan.apply(field, builder);
        if self.options.bloom_columns.contains(field.name()) {
            let path = ColumnPath::from(field.name().as_str());
            builder = builder
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_max_ndv(path, ROW_GROUP_ROWS as u64);
        }
        builder.build()
    }

    fn sorting_columns(&self) -> Result<Option<Vec<SortingColumn>>> {
        let converter = parquet::arrow::ArrowSchemaConverter::new();
        let leaves: BTreeMap<usize, usize> = leaf_places(&converter.convert(&self.schema)?)
            .into_iter()
            .collect();
        let columns: Vec<SortingColumn> = sorted_places(&self.schema, &self.options)
            .iter()
            .map_while(|place| leaves.get(place))
            .map_while(|leaf| i32::try_from(*leaf).ok())
            .map(|column_idx| SortingColumn {
                column_idx,
                descending: false,
                nulls_first: true,
            })
            .collect();
        Ok((!columns.is_empty()).then_some(columns))
    }

    fn footer_entries(&self) -> BTreeMap<String, String> {
        let mut entries = self.options.key_values.clone();
        entries.insert(KEY_ROW_HASH.to_owned(), self.row_hash.to_string());
        entries.insert(KEY_ROWS.to_owned(), self.rows.to_string());
        entries
    }

    fn written(&self, metadata: &ParquetMetaData, size: u64) -> Result<WrittenFile> {
        let wanted: Option<BTreeSet<&str>> = self
            .options
            .stats_columns
            .as_ref()
            .map(|names| names.iter().map(String::as_str).collect());
        let is_wanted = |name: &str| wanted.as_ref().is_none_or(|names| names.contains(name));
        Ok(WrittenFile {
            path: self.path.clone(),
            size,
            rows: self.rows,
            partition: self.options.partition.clone(),
            stats: file_stats(metadata, &self.schema, is_wanted)?,
            tags: self.tags(metadata)?,
            row_hash: self.row_hash,
        })
    }

    fn tags(&self, metadata: &ParquetMetaData) -> Result<BTreeMap<String, String>> {
        let mut tags = BTreeMap::from([(TAG_ROW_HASH.to_owned(), self.row_hash.to_string())]);
        if !self.options.sort_columns.is_empty() {
            tags.insert(TAG_SORT.to_owned(), self.options.sort_columns.join(","));
        }
        if let Some(axis) = &self.options.axis_column
            && let Some((min, max)) = exact_bounds(metadata, &self.schema, axis)?
        {
            tags.insert(TAG_AXIS_MIN.to_owned(), min);
            tags.insert(TAG_AXIS_MAX.to_owned(), max);
        }
        Ok(tags)
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        self.forget();
    }
}

impl fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileWriter")
            .field("target", &self.target)
            .field("path", &self.path)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// Whether a batch has the columns of a schema: names, types (or
/// dictionaries of them), and no NULL where the schema has none. The encoder
/// itself would write such a NULL as a value.
pub(crate) fn check_columns(schema: &Schema, batch: &RecordBatch) -> Result<()> {
    let fields = schema.fields();
    if batch.num_columns() != fields.len() {
        return Err(Error::invalid(format!(
            "a batch of {} columns for a table of {}",
            batch.num_columns(),
            fields.len()
        )));
    }
    let given = batch.schema_ref().fields().iter().zip(batch.columns());
    for (field, (given, column)) in fields.iter().zip(given) {
        check_column(field, given.name(), column)?;
    }
    Ok(())
}

fn check_column(field: &Field, name: &str, column: &ArrayRef) -> Result<()> {
    let kind = match column.data_type() {
        DataType::Dictionary(_, plain) => plain,
        other => other,
    };
    let expected = field.name();
    if name != expected {
        return Err(Error::invalid(format!(
            "column \"{name}\" where the table has \"{expected}\"; give the columns in the table's order"
        )));
    }
    if kind != field.data_type() {
        return Err(Error::invalid(format!(
            "column \"{name}\" is {kind} in the batch and {} in the table; cast it first",
            field.data_type()
        )));
    }
    if !field.is_nullable() && column.logical_null_count() > 0 {
        return Err(Error::invalid(format!(
            "column \"{name}\" has NULL in the batch and none in the table; refuse such rows first"
        )));
    }
    Ok(())
}

/// The places in the schema of the columns that rows are sorted by.
fn sorted_places(schema: &SchemaRef, options: &WriteOptions) -> Vec<usize> {
    let names = options.sort_columns.iter();
    names
        .filter_map(|name| schema.index_of(name).ok())
        .collect()
}

/// Bytes of the rows themselves, also where they are a part of larger buffers.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch
        .columns()
        .iter()
        .map(|column| {
            let data = column.to_data();
            let whole = column.get_array_memory_size();
            data.get_slice_memory_size()
                .map_or(whole, |own| own.min(whole))
        })
        .sum()
}

fn failed() -> Error {
    Error::internal("the file is used after an error or its end; begin a new one")
}

/// The store's error where there is one; anything else is a bug of ours,
/// because nothing was read.
fn write_error(error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(io) => store_error(*io),
            Err(other) => Error::internal(format!("parquet: {other}")).with_source(other),
        },
        other => Error::internal(format!("parquet: {other}")).with_source(other),
    }
}
