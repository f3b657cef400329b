//! Parquet files.
//!
//! Promises: every row of the file is a row or a reject, in file order; one
//! row group is open at a time and its pages are decompressed one by one, so
//! memory follows the batch, not the row group; a file that breaks the format
//! is an error, however it breaks it. Refuses, by name: encrypted files, codecs
//! and types that are not supported, and pages larger than a limit.
//!
//! Read as the format's specification says: timestamps without a zone are UTC
//! (with a notice), legacy lists are lists, byte arrays without an annotation
//! are binary. INT96 is a timestamp: inferred in nanoseconds where a value has
//! digits below the microsecond, else in microseconds; under a definition, a
//! value that its column cannot hold to the last digit is refused.

mod footer;
mod int96;
mod pages;
mod thrift;

use std::any::Any;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, FieldRef, Fields, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use downlake_lake::schema::Definition;
use downlake_lake::{Error, ErrorKind, Result};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use self::footer::Footer;
use self::pages::GuardedRowGroup;
use super::columnar::{BatchSource, ColumnarDecoder, infer_schema};
use super::{Access, DecodeOptions, Decoder, Format, InferOptions, Input};
use crate::infer::Inferred;

/// The format `parquet`.
pub(super) static FORMAT: Format = Format {
    name: "parquet",
    extensions: &["parquet", "parq", "pq"],
    about: "Apache Parquet files",
    stream: None,
    access: Access::Random,
    sniff: |head| head.starts_with(MAGIC) || head.starts_with(MAGIC_ENCRYPTED),
    infer,
    open,
};

const MAGIC: &[u8] = b"PAR1";
const MAGIC_ENCRYPTED: &[u8] = b"PARE";

/// No batch is read with more rows, whatever the options allow.
const ROWS_LIMIT: usize = 1 << 16;

/// The size of a batch where no option says it, in bytes.
const BATCH_BYTES: usize = 8 << 20;

fn infer(input: Input, options: &InferOptions) -> Result<Inferred> {
    let file = ParquetFile::open(input, &options.source)?;
    let fine = fine_int96(&file, options.records.unwrap_or(u64::MAX))?;
    infer_schema(&file.schema(&fine), &options.source, file.rows())
}

fn open(
    input: Input,
    definition: &Definition,
    options: &DecodeOptions,
) -> Result<Box<dyn Decoder>> {
    let file = ParquetFile::open(input, &options.source)?;
    // The unit of INT96 is that of each batch: it is no matter of the schema.
    let leaves = vec![false; file.int96.len()];
    let schema = file.schema(&leaves);
    let mut batches = RowGroupBatches::all_columns(file)?;
    batches.batch_rows = options.batch_rows.clamp(1, ROWS_LIMIT);
    batches.batch_bytes = options.batch_bytes;
    Ok(Box::new(ColumnarDecoder::new(
        batches, &schema, definition, options,
    )?))
}

/// Which leaves are INT96 with digits below the microsecond, by their values:
/// nothing else in a file says it.
fn fine_int96(file: &ParquetFile, records: u64) -> Result<Vec<bool>> {
    let mut fine = vec![false; file.int96.len()];
    let leaves: Vec<usize> = (0..fine.len()).filter(|leaf| file.int96[*leaf]).collect();
    if leaves.is_empty() {
        return Ok(fine);
    }
    let mut found = vec![false; leaves.len()];
    let mut batches = RowGroupBatches::int96_alone(file.clone(), &leaves)?;
    let mut rows = 0;
    while rows < records {
        let Some(batch) = batches.next_batch()? else {
            break;
        };
        rows += batch.num_rows() as u64;
        int96::note_fine(&batch, &mut found);
    }
    for (leaf, found) in leaves.into_iter().zip(found) {
        fine[leaf] = found;
    }
    Ok(fine)
}

/// An open file and what its footer says.
#[derive(Clone)]
struct ParquetFile {
    file: Arc<File>,
    source: String,
    metadata: Arc<ParquetMetaData>,
    /// The columns, with INT96 as bytes.
    fields: Fields,
    /// Which leaves of the columns are INT96.
    int96: Vec<bool>,
}

impl ParquetFile {
    fn open(input: Input, source: &str) -> Result<Self> {
        let file = Arc::new(input.into_file()?);
        guarded(source, || {
            let Footer { metadata, int96 } = Footer::read(&file, source)?;
            let metadata = Arc::new(metadata);
            let options = ArrowReaderOptions::new();
            let arrow = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options)
                .map_err(|error| reader_error(source, error))?;
            let fields = map_leaves(arrow.schema().fields(), &mut bounded_leaf);
            Ok(ParquetFile {
                file: Arc::clone(&file),
                source: source.to_owned(),
                metadata,
                fields,
                int96,
            })
        })
    }

    /// The columns as tables take them.
    fn schema(&self, fine: &[bool]) -> Schema {
        Schema::new(int96::timestamps(&self.fields, &self.int96, fine))
    }

    fn rows(&self) -> u64 {
        let groups = self.metadata.row_groups().iter();
        groups
            .map(|group| u64::try_from(group.num_rows()).unwrap_or(0))
            .sum()
    }
}

/// The fields with layouts that share what they repeat, so that one long
/// value in a dictionary does not grow with each row that names it.
fn bounded_leaf(leaf: &DataType) -> DataType {
    match leaf {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, values) => bounded_leaf(values),
        other => other.clone(),
    }
}

/// The fields with other types for their leaves, which come in order.
fn map_leaves(fields: &Fields, leaf: &mut dyn FnMut(&DataType) -> DataType) -> Fields {
    let fields = fields.iter().map(|field| map_field(field, leaf));
    fields.collect()
}

fn map_field(field: &FieldRef, leaf: &mut dyn FnMut(&DataType) -> DataType) -> FieldRef {
    let from = field.data_type();
    let data_type = if is_nested(from) {
        map_children(from, &mut |child| map_field(child, leaf))
    } else {
        leaf(from)
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

fn is_nested(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(data_type, T::Struct(_) | T::Map(..) | T::FixedSizeList(..))
        || matches!(data_type, T::List(_) | T::LargeList(_))
        || matches!(data_type, T::ListView(_) | T::LargeListView(_))
}

/// The type with other fields for its children; a leaf stays.
fn map_children(data_type: &DataType, map: &mut dyn FnMut(&FieldRef) -> FieldRef) -> DataType {
    use DataType as T;
    match data_type {
        T::Struct(fields) => T::Struct(fields.iter().map(map).collect()),
        T::List(element) => T::List(map(element)),
        T::LargeList(element) => T::LargeList(map(element)),
        T::FixedSizeList(element, n) => T::FixedSizeList(map(element), *n),
        T::ListView(element) => T::ListView(map(element)),
        T::LargeListView(element) => T::LargeListView(map(element)),
        T::Map(entries, sorted) => T::Map(map(entries), *sorted),
        leaf => leaf.clone(),
    }
}

/// The batches of a file, row group by row group.
struct RowGroupBatches {
    file: ParquetFile,
    levels: FieldLevels,
    /// Which leaves of `levels` are INT96.
    int96: Vec<bool>,
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
    fn all_columns(file: ParquetFile) -> Result<Self> {
        let int96 = file.int96.clone();
        RowGroupBatches::new(file, ProjectionMask::all(), int96)
    }

    fn int96_alone(file: ParquetFile, leaves: &[usize]) -> Result<Self> {
        let schema = file.metadata.file_metadata().schema_descr();
        let mask = ProjectionMask::leaves(schema, leaves.iter().copied());
        RowGroupBatches::new(file, mask, vec![true; leaves.len()])
    }

    fn new(file: ParquetFile, mask: ProjectionMask, int96: Vec<bool>) -> Result<Self> {
        let schema = file.metadata.file_metadata().schema_descr();
        let levels = guarded(&file.source, || {
            parquet_to_arrow_field_levels(schema, mask, Some(&file.fields))
                .map_err(|error| reader_error(&file.source, error))
        })?;
        Ok(RowGroupBatches {
            file,
            levels,
            int96,
            batch_rows: ROWS_LIMIT,
            batch_bytes: BATCH_BYTES,
            next_row_group: 0,
            reader: None,
            failed: false,
        })
    }

    fn read(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(open) = &mut self.reader {
                if let Some(batch) = open.next(&self.file.source)? {
                    return Ok(Some(int96::resolve(batch, &self.int96)?));
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
        let reader =
            ParquetRecordBatchReader::try_new_with_row_groups(&self.levels, &guarded, rows, None)
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
