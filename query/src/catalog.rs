//! What the SQL layer needs of a lake: names, snapshots, bytes, and, where
//! writing is allowed at all, one way to write.
//!
//! Reading and writing are two traits, so that a session without a
//! [`Writer`] has no path to a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use downlake_lake::log::{Snapshot, VersionAsked};
use downlake_lake::{Error, Result};
use futures::stream::BoxStream;
use object_store::ObjectStore;

/// A stream of batches of one schema.
pub struct Rows {
    /// The schema of every batch.
    pub schema: SchemaRef,
    /// The batches; after an error nothing follows.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}

impl Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// Reads of a lake.
#[async_trait]
pub trait Catalog: Send + Sync + Debug {
    /// The objects of the lake; data files are at `<table>/<path>`.
    fn objects(&self) -> Arc<dyn ObjectStore>;

    /// Names of the tables that people made, in any order. System tables
    /// (`_ledger`, ...) are not listed, though [`Catalog::table`] knows them.
    async fn table_names(&self) -> Result<Vec<String>>;

    /// A table at a version; `None` where no table has the name.
    ///
    /// # Errors
    /// `NotFound` if the table exists and the version does not.
    async fn table(&self, name: &str, version: VersionAsked) -> Result<Option<TableSnapshot>>;

    /// The rows of a raw file, for `FROM 'path'`; `None` where there is no
    /// such file.
    ///
    /// # Errors
    /// `Invalid` where raw files are not served, which is the default.
    async fn file(&self, path: &str) -> Result<Option<Rows>> {
        Err(Error::invalid(format!(
            "file '{path}' cannot be read here: query a table of the lake"
        )))
    }
}

/// One version of one table, with what its definition says beyond the log.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    /// The table's name, which is also its folder.
    pub name: String,
    /// The version of the log.
    pub snapshot: Arc<Snapshot>,
    /// Columns by which rows are sorted, ascending, NULLs first, inside files
    /// whose tag [`TAG_SORT`](downlake_lake::parquet::TAG_SORT) names them.
    pub sort_columns: Vec<String>,
    /// The column of the axis; `time` for absolute streams, whose partition
    /// columns `date`, `month`, `year` are then functions of it.
    pub axis: Option<String>,
    /// Names of the source, as they work in SQL when quoted, to columns.
    pub quoted_names: BTreeMap<String, String>,
    /// Columns to the units of their values. Rows carry them as metadata of
    /// their fields, under [`UNIT_KEY`](downlake_lake::schema::table_schema::UNIT_KEY), as
    /// far as a column is passed on as it is.
    pub units: BTreeMap<String, String>,
}

/// Writes to a lake. A session that is not given one is read-only.
#[async_trait]
pub trait Writer: Send + Sync + Debug {
    /// Writes all rows in one source unit, through the commit path and the
    /// ledger. Nothing is committed if the stream ends in an error.
    ///
    /// # Errors
    /// `Invalid` if the table to create exists or a column does not fit.
    async fn write(&self, target: WriteTarget, rows: Rows) -> Result<WriteReport>;

    /// The columns of a table that the writer fills itself, whatever rows
    /// say of them: days of instants, identifiers of landings.
    ///
    /// # Errors
    /// `Invalid` if the table is not one to write to.
    async fn generated(&self, _table: &str) -> Result<BTreeSet<String>> {
        Ok(BTreeSet::new())
    }
}

/// Where written rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteTarget {
    /// A new table with the schema of the rows.
    Create {
        /// The table's name.
        table: String,
        /// Whether an existing table is left as it is, without an error.
        if_not_exists: bool,
    },
    /// A table that exists. The rows have the columns that the statement
    /// gave, with the types of the table; the others are NULL or derived.
    Append {
        /// The table's name.
        table: String,
    },
}

/// What a write did, once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteReport {
    /// Rows committed.
    pub rows: u64,
    /// The version that holds them.
    pub version: u64,
}
