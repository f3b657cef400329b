//! `FROM 'path'`: the rows of a raw file as a table of one statement.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use downlake_lake::{Error, Result};
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::catalog::{Catalog, Rows};
use crate::error::to_engine;

/// A raw file. It was opened to learn its schema; the first scan takes those
/// rows, every further one opens the file again.
pub(crate) struct FileTable {
    file: Arc<FileRows>,
}

struct FileRows {
    catalog: Arc<dyn Catalog>,
    path: String,
    schema: SchemaRef,
    opened: Mutex<Option<Rows>>,
}

impl FileTable {
    pub(crate) fn new(catalog: Arc<dyn Catalog>, path: String, rows: Rows) -> Self {
        let schema = Arc::clone(&rows.schema);
        let opened = Mutex::new(Some(rows));
        FileTable {
            file: Arc::new(FileRows {
                catalog,
                path,
                schema,
                opened,
            }),
        }
    }
}

impl fmt::Debug for FileTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl fmt::Debug for FileRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTable")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.file.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let rows = Arc::clone(&self.file) as Arc<dyn PartitionStream>;
        let schema = self.schema();
        Ok(Arc::new(StreamingTableExec::try_new(
            schema,
            vec![rows],
            projection,
            [],
            false,
            limit,
        )?))
    }
}

impl PartitionStream for FileRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let opened = self
            .opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (catalog, path, schema) = (
            Arc::clone(&self.catalog),
            self.path.clone(),
            Arc::clone(&self.schema),
        );
        let rows = async move {
            let rows = match opened {
                Some(rows) => rows,
                None => reopen(&*catalog, &path, &schema).await.map_err(to_engine)?,
            };
            Ok::<_, DataFusionError>(rows.batches.map_err(to_engine))
        };
        let batches = stream::once(rows).try_flatten().boxed();
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        ))
    }
}

async fn reopen(catalog: &dyn Catalog, path: &str, schema: &SchemaRef) -> Result<Rows> {
    match catalog.file(path).await? {
        Some(rows) if rows.schema == *schema => Ok(rows),
        Some(_) => Err(Error::conflict(format!(
            "file '{path}' changed its columns while it was read: run again"
        ))),
        None => Err(Error::conflict(format!(
            "file '{path}' vanished while it was read: run again"
        ))),
    }
}
