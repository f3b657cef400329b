//! What a data file says of its rows, and whether it is true.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector,
};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::hash::{RowHash, row_hash};
use crate::{Error, Result};

/// Footer entry: the hash of the file's rows, 32 hex digits.
pub(super) const KEY_ROW_HASH: &str = "downlake.row_hash";
/// Footer entry: the number of rows the writer was given.
pub(super) const KEY_ROWS: &str = "downlake.rows";
/// Rows decoded at once.
const BATCH_ROWS: usize = 1024;

/// What a footer says of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// Rows, by the sum over row groups.
    pub rows: u64,
    /// The hash of the rows; `None` in files of other writers.
    pub row_hash: Option<RowHash>,
}

/// Reads the footer of a file.
///
/// Fails with [`crate::ErrorKind::NotFound`] if there is no file and with
/// [`crate::ErrorKind::Corrupt`] if it is no Parquet file or its footer
/// contradicts itself.
pub async fn read_footer(objects: &Arc<dyn ObjectStore>, location: &Path) -> Result<Footer> {
    let builder = open(objects, location).await?;
    footer(builder.metadata()).map_err(|e| e.context(format!("footer of {location}")))
}

/// Counts and hashes the rows that a file really holds, a thousand rows and
/// one row group's pages at a time.
pub async fn hash_file(objects: &Arc<dyn ObjectStore>, location: &Path) -> Result<(u64, RowHash)> {
    let builder = open(objects, location).await?;
    let stream = builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| read_error(e, location))?;
    stream
        .map_err(|e| read_error(e, location))
        .try_fold((0, RowHash::default()), |(rows, sum), batch| async move {
            Ok((rows + batch.num_rows() as u64, sum + row_hash(&batch)?))
        })
        .await
}

/// A data file whose footer is read once and whose rows are read in parts:
/// some columns, and some rows, of one row group at a time.
pub(crate) struct DataFile {
    stored: StoredFile,
    footer: ArrowReaderMetadata,
}

impl DataFile {
    /// Fails as [`read_footer`].
    pub(crate) async fn open(objects: &Arc<dyn ObjectStore>, location: &Path) -> Result<DataFile> {
        let mut stored = StoredFile {
            objects: Arc::clone(objects),
            location: location.clone(),
        };
        let footer = ArrowReaderMetadata::load_async(&mut stored, ArrowReaderOptions::new())
            .await
            .map_err(|e| read_error(e, location))?;
        Ok(DataFile { stored, footer })
    }

    /// The columns in the file; partition columns are not among them.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.footer.schema()
    }

    /// The number of row groups.
    pub(crate) fn row_groups(&self) -> usize {
        self.footer.metadata().num_row_groups()
    }

    /// Rows of one row group, in the columns at these places, a thousand
    /// at a time. The rows are those of the ranges, which rise and do not
    /// touch; all if there are no ranges.
    pub(crate) fn rows(
        &self,
        row_group: usize,
        columns: &[usize],
        ranges: Option<&[Range<usize>]>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let location = self.stored.location.clone();
        let metadata = self.footer.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(
            self.stored.clone(),
            self.footer.clone(),
        )
        .with_row_groups(vec![row_group])
        .with_projection(ProjectionMask::roots(schema, columns.iter().copied()))
        .with_batch_size(BATCH_ROWS);
        if let Some(ranges) = ranges {
            builder = builder.with_row_selection(selection(ranges));
        }
        let rows = builder.build().map_err(|e| read_error(e, &location))?;
        Ok(rows.map_err(move |e| read_error(e, &location)).boxed())
    }
}

fn selection(ranges: &[Range<usize>]) -> RowSelection {
    let mut selectors = Vec::with_capacity(2 * ranges.len());
    let mut end = 0;
    for range in ranges {
        selectors.push(RowSelector::skip(range.start - end));
        selectors.push(RowSelector::select(range.len()));
        end = range.end;
    }
    selectors.into()
}

/// A file read by ranges.
#[derive(Clone)]
struct StoredFile {
    objects: Arc<dyn ObjectStore>,
    location: Path,
}

impl AsyncFileReader for StoredFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let bytes = self.objects.get_range(&self.location, range);
        bytes.map_err(external).boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        let objects = &self.objects;
        let location = &self.location;
        async move {
            objects
                .get_ranges(location, &ranges)
                .await
                .map_err(external)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let size = self
                .objects
                .head(&self.location)
                .await
                .map_err(external)?
                .size;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            reader.load_and_finish(self, size).await.map(Arc::new)
        }
        .boxed()
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

async fn open(
    objects: &Arc<dyn ObjectStore>,
    location: &Path,
) -> Result<ParquetRecordBatchStreamBuilder<StoredFile>> {
    let reader = StoredFile {
        objects: Arc::clone(objects),
        location: location.clone(),
    };
    ParquetRecordBatchStreamBuilder::new(reader)
        .await
        .map_err(|e| read_error(e, location))
}

fn footer(metadata: &ParquetMetaData) -> Result<Footer> {
    let rows: i64 = metadata.row_groups().iter().map(|g| g.num_rows()).sum();
    let rows = u64::try_from(rows)
        .map_err(|_| Error::corrupt(format!("row groups of {rows} rows; restore the file")))?;
    if let Some(claimed) = entry(metadata, KEY_ROWS)
        && claimed != rows.to_string()
    {
        return Err(Error::corrupt(format!(
            "{rows} rows where the writer counted {claimed}; restore the file"
        )));
    }
    let row_hash = entry(metadata, KEY_ROW_HASH).map(str::parse).transpose()?;
    Ok(Footer { rows, row_hash })
}

fn entry<'a>(metadata: &'a ParquetMetaData, key: &str) -> Option<&'a str> {
    let entries = metadata.file_metadata().key_value_metadata()?;
    let found = entries.iter().find(|entry| entry.key == key)?;
    found.value.as_deref()
}

/// The store's error where there is one; otherwise the file is not what it must be.
fn read_error(error: ParquetError, location: &Path) -> Error {
    let error = match error {
        ParquetError::External(cause) => match cause.downcast::<object_store::Error>() {
            Ok(store) => Error::from(*store),
            Err(other) => Error::corrupt(format!("parquet: {other}")).with_source(other),
        },
        other => Error::from(other),
    };
    error.context(format!("read {location}"))
}
