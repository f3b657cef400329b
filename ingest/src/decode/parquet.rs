//! Parquet files.
//!
//! Promises: every row of the file is a row or a reject, in file order; one
//! row group is open at a time and its pages are decompressed one by one, so
//! memory follows the batch, not the row group; a file that breaks the format
//! is an error, however it breaks it. Refuses, by name: encrypted files, codecs
//! and types that are not supported, and pages larger than a limit.
//!
//! Read as the format's specification says: timestamps without a zone are UTC
//! (with a notice), INT96 is an instant in microseconds, legacy lists are
//! lists, byte arrays without an annotation are binary.

mod pages;
mod thrift;

use std::any::Any;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, FieldRef, Fields, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use downlake_lake::schema::Definition;
use downlake_lake::{Error, ErrorKind, Result};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::Type as Physical;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetStatisticsPolicy, RowGroupMetaData,
};
use parquet::file::reader::{ChunkReader, Length};

use self::pages::GuardedRowGroup;
use super::columnar::{BatchSource, ColumnarDecoder, infer_schema};
use super::{Access, DecodeOptions, Decoder, Format, InferOptions, Input};
use crate::infer::Inferred;

/// The format `parquet`.
pub(super) static FORMAT: Format = Format {
    name: "parquet",
    extensions: &["parquet", "parq", "pq"],
    about: "Apache Parquet files",
    access: Access::Random,
    sniff: |head| head.starts_with(MAGIC) || head.starts_with(MAGIC_ENCRYPTED),
    infer,
    open,
};

const MAGIC: &[u8] = b"PAR1";
const MAGIC_ENCRYPTED: &[u8] = b"PARE";

/// The magic bytes and the length of the metadata at a file's end.
const TAIL: usize = 8;

/// Longer metadata is refused, in bytes: it is held whole.
const METADATA_LIMIT: u64 = 256 << 20;

/// No batch is read with more rows, whatever the options allow.
const ROWS_LIMIT: usize = 1 << 16;

fn infer(input: Input, options: &InferOptions) -> Result<Inferred> {
    let file = ParquetFile::open(input, &options.source)?;
    infer_schema(&file.schema, &options.source, file.rows())
}

fn open(
    input: Input,
    definition: &Definition,
    options: &DecodeOptions,
) -> Result<Box<dyn Decoder>> {
    let file = ParquetFile::open(input, &options.source)?;
    let schema = file.schema.clone();
    let batches = RowGroupBatches {
        file,
        batch_rows: options.batch_rows.clamp(1, ROWS_LIMIT),
        batch_bytes: options.batch_bytes,
        next_row_group: 0,
        reader: None,
        failed: false,
    };
    Ok(Box::new(ColumnarDecoder::new(
        batches, &schema, definition, options,
    )?))
}

/// An open file and what its footer says.
struct ParquetFile {
    file: Arc<File>,
    source: String,
    metadata: Arc<ParquetMetaData>,
    schema: Schema,
    levels: FieldLevels,
}

impl ParquetFile {
    fn open(input: Input, source: &str) -> Result<Self> {
        let file = Arc::new(input.into_file()?);
        guarded(source, || {
            check_footer(&file, source)?;
            let failed = |error| reader_error(source, error);
            // Reading from start to end needs no index and no statistics, and
            // some writers put fields of their own where statistics belong.
            let options = ArrowReaderOptions::new()
                .with_page_index_policy(PageIndexPolicy::Skip)
                .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
                .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
            let footer = ArrowReaderMetadata::load(&*file, options).map_err(failed)?;
            let metadata = Arc::clone(footer.metadata());
            let fields = bounded_fields(footer.schema().fields(), &metadata);
            let descriptor = metadata.file_metadata().schema_descr();
            let levels =
                parquet_to_arrow_field_levels(descriptor, ProjectionMask::all(), Some(&fields))
                    .map_err(failed)?;
            Ok(ParquetFile {
                file: Arc::clone(&file),
                source: source.to_owned(),
                metadata,
                schema: Schema::new(fields),
                levels,
            })
        })
    }

    fn rows(&self) -> u64 {
        let groups = self.metadata.row_groups().iter();
        groups
            .map(|group| u64::try_from(group.num_rows()).unwrap_or(0))
            .sum()
    }
}

/// The metadata is walked once before the Parquet crate reserves memory by
/// the counts in it.
fn check_footer(file: &File, source: &str) -> Result<()> {
    let broken =
        |why: &str| Error::corrupt(format!("{source} is not a readable Parquet file: {why}"));
    let size = file.len();
    let tail_at = size
        .checked_sub(TAIL as u64)
        .ok_or_else(|| broken("it is shorter than a footer"))?;
    let tail = file
        .get_bytes(tail_at, TAIL)
        .map_err(|error| reader_error(source, error))?;
    let (length, magic) = tail.split_at(4);
    if magic == MAGIC_ENCRYPTED {
        return Err(encrypted(source));
    }
    if magic != MAGIC {
        return Err(broken("it does not end in \"PAR1\"; is it cut off?"));
    }
    let length = length.try_into().map_or(0, u32::from_le_bytes);
    let start = tail_at
        .checked_sub(u64::from(length))
        .ok_or_else(|| broken("its metadata is longer than the file"))?;
    if u64::from(length) > METADATA_LIMIT {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("{source} has {length} bytes of metadata, above the limit of {METADATA_LIMIT}"),
        ));
    }
    let metadata = file
        .get_bytes(start, length as usize)
        .map_err(|error| reader_error(source, error))?;
    // Files with a readable footer say in its field 8 how columns are encrypted.
    let mut is_encrypted = false;
    thrift::walk(&metadata, &mut |path, _| is_encrypted |= path == [8])
        .map_err(|_| broken("its metadata does not end where it says"))?;
    if is_encrypted {
        return Err(encrypted(source));
    }
    Ok(())
}

/// The fields with layouts that share what they repeat, so that one long
/// value in a dictionary does not grow with each row that names it, and with
/// INT96 in microseconds, whose range covers every date that writers have.
fn bounded_fields(fields: &Fields, metadata: &ParquetMetaData) -> Fields {
    let descriptor = metadata.file_metadata().schema_descr();
    let mut leaves = descriptor
        .columns()
        .iter()
        .map(|column| column.physical_type());
    bounded(fields, &mut leaves)
}

fn bounded(fields: &Fields, leaves: &mut dyn Iterator<Item = Physical>) -> Fields {
    let field = |field: &FieldRef| bounded_field(field, leaves);
    fields.iter().map(field).collect()
}

fn bounded_field(field: &FieldRef, leaves: &mut dyn Iterator<Item = Physical>) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(bounded(fields, leaves)),
        DataType::List(element) => DataType::List(bounded_field(element, leaves)),
        DataType::LargeList(element) => DataType::LargeList(bounded_field(element, leaves)),
        DataType::FixedSizeList(element, n) => {
            DataType::FixedSizeList(bounded_field(element, leaves), *n)
        }
        DataType::ListView(element) => DataType::ListView(bounded_field(element, leaves)),
        DataType::LargeListView(element) => DataType::LargeListView(bounded_field(element, leaves)),
        DataType::Map(entries, sorted) => DataType::Map(bounded_field(entries, leaves), *sorted),
        leaf => bounded_leaf(leaf, leaves.next()),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

fn bounded_leaf(leaf: &DataType, physical: Option<Physical>) -> DataType {
    match leaf {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, values) => bounded_leaf(values, physical),
        DataType::Timestamp(_, zone) if physical == Some(Physical::INT96) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        other => other.clone(),
    }
}

/// The batches of a file, row group by row group.
struct RowGroupBatches {
    file: ParquetFile,
    batch_rows: usize,
    batch_bytes: usize,
    next_row_group: usize,
    reader: Option<OpenRowGroup>,
    /// After an error the reader's state is unknown; it is not used again.
    failed: bool,
}

/// A row group that is being read.
struct OpenRowGroup {
    reader: ParquetRecordBatchReader,
    rows_left: u64,
    /// Set by a page that is above a limit; the reader's own errors keep no kind.
    over_limit: Arc<OnceLock<String>>,
}

impl BatchSource for RowGroupBatches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.failed {
            return Ok(None);
        }
        let source = self.file.source.clone();
        let batch = guarded(&source, || self.read());
        self.failed = batch.is_err();
        batch
    }
}

impl RowGroupBatches {
    fn read(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(open) = &mut self.reader {
                if let Some(batch) = open.next(&self.file.source)? {
                    return Ok(Some(batch));
                }
                self.reader = None;
            }
            if self.next_row_group == self.file.metadata.num_row_groups() {
                return Ok(None);
            }
            self.reader = Some(self.open_row_group()?);
            self.next_row_group += 1;
        }
    }

    fn open_row_group(&self) -> Result<OpenRowGroup> {
        let source = &self.file.source;
        let row_group = self.file.metadata.row_group(self.next_row_group);
        check_row_group(row_group, source)?;
        let over_limit = Arc::new(OnceLock::new());
        let guarded = GuardedRowGroup {
            file: Arc::clone(&self.file.file),
            metadata: Arc::clone(&self.file.metadata),
            index: self.next_row_group,
            over_limit: Arc::clone(&over_limit),
        };
        let rows = self.rows_per_batch(row_group);
        let reader = ParquetRecordBatchReader::try_new_with_row_groups(
            &self.file.levels,
            &guarded,
            rows,
            None,
        )
        .map_err(|error| reader_error(source, error))?;
        Ok(OpenRowGroup {
            reader,
            rows_left: u64::try_from(row_group.num_rows()).unwrap_or(0),
            over_limit,
        })
    }

    /// As many rows as fill a batch, by the mean size of the row group's rows.
    fn rows_per_batch(&self, row_group: &RowGroupMetaData) -> usize {
        let rows = u64::try_from(row_group.num_rows()).unwrap_or(0).max(1);
        let chunk_bytes = |chunk: &parquet::file::metadata::ColumnChunkMetaData| {
            const VALUE_BYTES: i64 = 8;
            let values = chunk.num_values().saturating_mul(VALUE_BYTES);
            u64::try_from(chunk.uncompressed_size().max(values)).unwrap_or(0)
        };
        let bytes: u64 = row_group
            .columns()
            .iter()
            .map(chunk_bytes)
            .fold(0, u64::saturating_add);
        let row_bytes = usize::try_from(bytes / rows).unwrap_or(usize::MAX).max(1);
        (self.batch_bytes / row_bytes).clamp(1, self.batch_rows)
    }
}

impl OpenRowGroup {
    fn next(&mut self, source: &str) -> Result<Option<RecordBatch>> {
        let batch = self
            .reader
            .next()
            .transpose()
            .map_err(|error| self.error(source, error))?;
        let rows = batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        match self.rows_left.checked_sub(rows) {
            Some(0) if batch.is_none() => Ok(None),
            Some(left) if batch.is_some() => {
                self.rows_left = left;
                Ok(batch)
            }
            _ => Err(Error::corrupt(format!(
                "{source}: a row group has not the number of rows that its metadata says"
            ))),
        }
    }

    fn error(&self, source: &str, error: ArrowError) -> Error {
        match self.over_limit.get() {
            Some(message) => Error::new(ErrorKind::Limit, format!("{source}: {message}")),
            None => Error::corrupt(format!("{source}: {error}")).with_source(error),
        }
    }
}

fn check_row_group(row_group: &RowGroupMetaData, source: &str) -> Result<()> {
    if row_group.num_rows() < 0 {
        return Err(Error::corrupt(format!(
            "{source}: a row group counts fewer than no rows"
        )));
    }
    Ok(())
}

fn encrypted(source: &str) -> Error {
    Error::invalid(format!(
        "{source} is encrypted, which is not supported; decrypt it first"
    ))
}

fn reader_error(source: &str, error: ParquetError) -> Error {
    let kind = match &error {
        ParquetError::NYI(_) => ErrorKind::Invalid,
        _ => ErrorKind::Corrupt,
    };
    Error::new(kind, format!("{source}: {error}")).with_source(error)
}

/// Turns a panic into an error. The Parquet crate is written for files of
/// good faith: it indexes, slices and asserts by what a file says, and files
/// here come from anywhere. This is the one place where that is caught.
fn guarded<T>(source: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic may leave half done is dropped: readers fail for good.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let why = panic_message(panic.as_ref());
        Err(Error::corrupt(format!(
            "{source} breaks the Parquet format: {why}"
        )))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("the reader gave up without a reason")
}
