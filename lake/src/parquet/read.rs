//! What a data file says of its rows, and whether it is true.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::hash::{RowHash, row_hash};
use crate::{Error, Result};

/// Footer entry: the hash of the file's rows, 32 hex digits.
pub(super) const KEY_ROW_HASH: &str = "downlake.row_hash";
/// Footer entry: the number of rows the writer was given.
pub(super) const KEY_ROWS: &str = "downlake.rows";
/// Rows decoded at once while a file is hashed.
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

/// A file read by ranges.
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
