//! Rows of raw files, for whoever can decode them.

use std::fmt::Debug;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::Result;

/// Opens raw files as rows. The lake knows no format; whoever does implements
/// this, and hands it to whoever asks for files by name.
#[async_trait]
pub trait RowSource: Send + Sync + Debug {
    /// The rows of a file, or `None` where there is no such file. A record
    /// that cannot be decoded is an error of the stream: a query must not
    /// answer from part of a file in silence.
    async fn open(&self, path: &str) -> Result<Option<FileRows>>;
}

/// The rows of a raw file.
pub struct FileRows {
    /// The columns of every batch.
    pub schema: SchemaRef,
    /// The batches; after an error nothing follows.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}
