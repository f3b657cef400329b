//! What the log says of a table, in our own words.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use serde_json::{Map, Value};

use super::transactions::Transactions;

/// One version of a table, whole and immutable.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The version of the log.
    pub version: u64,
    /// When the version was committed: `commitInfo.timestamp`, in
    /// milliseconds since 1970; the commit file's time where it has none.
    pub timestamp_ms: i64,
    /// The table's columns, partition columns included, in table order.
    pub schema: SchemaRef,
    /// Names of the partition columns.
    pub partition_columns: Vec<String>,
    /// Table properties.
    pub properties: BTreeMap<String, String>,
    /// The active files.
    pub files: Arc<Vec<Arc<FileEntry>>>,
    /// Live application transactions: identifier to version.
    pub transactions: Transactions,
}

impl Snapshot {
    /// Rows in the table, if every file says its count.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|f| f.stats.rows).sum()
    }

    /// First and last instant on the axis `time`, microseconds since 1970, if
    /// every file says its exact bounds.
    pub fn time_bounds(&self) -> Option<(i64, i64)> {
        if self.schema.field_with_name("time").is_err() {
            return None;
        }
        let exact = |file: &FileEntry, tag: &str| file.tags.get(tag)?.parse::<i64>().ok();
        let bounds = self.files.iter().map(|file| {
            Some((
                exact(file, crate::parquet::TAG_AXIS_MIN)?,
                exact(file, crate::parquet::TAG_AXIS_MAX)?,
            ))
        });
        bounds.reduce(|all, one| {
            let (all, one) = (all?, one?);
            Some((all.0.min(one.0), all.1.max(one.1)))
        })?
    }

    /// Bytes of the active files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.size).sum()
    }
}

/// An active data file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileEntry {
    /// Path relative to the table, decoded (not percent-encoded).
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    /// Partition column to value; `None` is NULL. Values are Delta's text form.
    pub partition: BTreeMap<String, Option<String>>,
    /// Row count and column statistics.
    pub stats: FileStats,
    /// Our annotations (order of rows, exact bounds of the axis, ...).
    pub tags: BTreeMap<String, String>,
    /// Whether the file carries a deletion vector (then it is not read as a whole).
    pub has_deletion_vector: bool,
}

/// Statistics of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileStats {
    /// Rows in the file.
    pub rows: Option<u64>,
    /// Column (nested: joined with `.`) to its bounds.
    pub columns: BTreeMap<String, ColumnStats>,
}

/// Bounds of one column in one file. Bounds may be wider than the values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColumnStats {
    /// At or below every value, NULL and NaN aside, as Delta's JSON value.
    pub min: Option<Value>,
    /// At or above every value.
    pub max: Option<Value>,
    /// Count of NULLs.
    pub nulls: Option<u64>,
}

/// A data file that a commit adds. It is already written and durable.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFile {
    /// Path relative to the table, decoded (not percent-encoded). It must be
    /// new: a path is one file for the life of a table.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    /// Partition column to value; every partition column must be there.
    pub partition: BTreeMap<String, Option<String>>,
    /// Row count and column statistics.
    pub stats: FileStats,
    /// Our annotations.
    pub tags: BTreeMap<String, String>,
}

/// What one commit does.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// The operation as history shows it (`INGEST`, `COMPACT`, ...).
    pub operation: String,
    /// Files to add.
    pub adds: Vec<NewFile>,
    /// Active files to remove.
    pub removes: Vec<Arc<FileEntry>>,
    /// False where the rows of the table stay the same (compaction).
    pub data_change: bool,
    /// Application transactions to set.
    pub transactions: Vec<(String, i64)>,
    /// Nullable columns to add at the end of the schema.
    pub new_columns: Vec<arrow::datatypes::Field>,
    /// Our fields of commitInfo.
    pub info: Map<String, Value>,
    /// Whether the commit read nothing of the table, so that it may follow
    /// any other commit.
    pub blind: bool,
}

/// How a commit ended.
#[derive(Debug)]
pub enum CommitOutcome {
    /// It is in the log, at the version of the snapshot, and durable.
    Committed(Arc<Snapshot>),
    /// Another commit took the version; nothing of ours is in the log. The
    /// snapshot is the newest known.
    Conflicted(Arc<Snapshot>),
    /// The store does not say whether the commit landed. It must be asked
    /// again before anything else is done in its name.
    Unknown(crate::Error),
}

/// How [`TableLog::create`](super::TableLog::create) ended.
#[derive(Debug)]
pub enum CreateOutcome {
    /// The table was created by this call.
    Created(super::TableLog),
    /// The table was there already; its schema may differ from the one asked for.
    Exists(super::TableLog),
}

impl CreateOutcome {
    /// The table, whoever created it.
    pub fn into_log(self) -> super::TableLog {
        match self {
            CreateOutcome::Created(log) | CreateOutcome::Exists(log) => log,
        }
    }
}

/// How [`TableLog::append_blind`](super::TableLog::append_blind) ended.
#[derive(Debug)]
pub enum AppendOutcome {
    /// The commit is in the log, at the version of the snapshot.
    Committed(Arc<Snapshot>),
    /// The snapshot says that the work was done before; nothing was added.
    AlreadyThere(Arc<Snapshot>),
    /// As [`CommitOutcome::Unknown`].
    Unknown(crate::Error),
}

/// How [`TableLog::rewrite`](super::TableLog::rewrite) ended.
#[derive(Debug)]
pub enum RewriteOutcome {
    /// The outputs are active and the inputs are not.
    Committed(Arc<Snapshot>),
    /// Somebody else changed an input. The outputs are in no version and must
    /// be left where they are: an orphan is harmless, a deleted file of a
    /// commit that landed after all is not.
    GaveUp {
        /// The newest known version.
        snapshot: Arc<Snapshot>,
        /// The inputs that are no longer active as they were.
        lost: Vec<String>,
    },
    /// As [`CommitOutcome::Unknown`]; repeating the rewrite settles it.
    Unknown(crate::Error),
}

/// A table to be created.
#[derive(Debug, Clone)]
pub struct CreateTable {
    /// All columns, partition columns included. The log holds every column as
    /// nullable; what must not be NULL is the definition's to check.
    pub schema: SchemaRef,
    /// Names of the partition columns, in order.
    pub partition_columns: Vec<String>,
    /// Top-level columns whose statistics files carry, most wanted first;
    /// empty means the first 32. Partition columns and columns without an
    /// order (boolean, binary, nested) are passed over.
    pub stats_columns: Vec<String>,
    /// What the table is.
    pub description: Option<String>,
    /// Our fields of commitInfo.
    pub info: Map<String, Value>,
}

/// One line of a table's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The version.
    pub version: u64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The operation, `UNKNOWN` where the writer did not say.
    pub operation: String,
    /// The whole commitInfo.
    pub info: Map<String, Value>,
}

/// A version asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionAsked {
    /// The newest.
    Latest,
    /// This one.
    Version(u64),
    /// The newest at or before this instant, milliseconds since 1970.
    TimestampMs(i64),
}
