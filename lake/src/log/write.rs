//! Builds the kernel's transaction of a commit, and of a new table.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use delta_kernel::arrow::json::ReaderBuilder;
use delta_kernel::engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _};
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::scan::scan_row_schema;
use delta_kernel::schema::{SchemaRef as KernelSchema, StructField, StructType};
use delta_kernel::transaction::create_table::create_table;
use delta_kernel::transaction::data_layout::DataLayout;
use delta_kernel::transaction::{CommitResult, Transaction, UpdateTableOperation};
use delta_kernel::{Engine, EngineData, FilteredEngineData, SnapshotRef};
use serde::Serialize;
use serde_json::{Value, json};

use super::action::{Add, Files};
use super::committer::LandingCommitter;
use super::kernel_error::from_kernel;
use super::{Commit, CreateTable, FileEntry};
use crate::{Error, Result};

const ENGINE_INFO: &str = concat!("downlake/", env!("CARGO_PKG_VERSION"));

/// Operation names to which the kernel gives a type of their own.
const TYPED_OPERATIONS: [UpdateTableOperation; 7] = [
    UpdateTableOperation::Write,
    UpdateTableOperation::StreamingUpdate,
    UpdateTableOperation::AlterTable,
    UpdateTableOperation::Delete,
    UpdateTableOperation::Update,
    UpdateTableOperation::Merge,
    UpdateTableOperation::Optimize,
];

/// Tries a commit once, right after the version of `base`. Returns the
/// kernel's snapshot of the new version, if the commit landed.
pub(super) fn attempt(
    engine: &dyn Engine,
    base: SnapshotRef,
    commit: &Commit,
    adds: &[Add],
    files: &Files,
    committer: LandingCommitter,
) -> Result<Option<SnapshotRef>> {
    let mut transaction = build(engine, base, commit, committer)?;
    if !adds.is_empty() {
        let schema = transaction.add_files_schema().clone();
        let rows: Vec<Value> = adds.iter().map(add_row).collect();
        transaction.add_files(engine_data(&schema, &rows)?);
    }
    if !commit.removes.is_empty() {
        let rows: Vec<Value> = commit
            .removes
            .iter()
            .map(|file| remove_row(file, files))
            .collect();
        let rows = engine_data(&scan_row_schema(), &rows)?;
        transaction.remove_files(FilteredEngineData::with_all_rows_selected(rows));
    }
    match transaction.commit(engine).map_err(from_kernel)? {
        CommitResult::Committed(done) => Ok(done.post_commit_snapshot().cloned()),
        CommitResult::Conflicted(_) | CommitResult::Retryable(_) => Ok(None),
    }
}

fn build(
    engine: &dyn Engine,
    base: SnapshotRef,
    commit: &Commit,
    committer: LandingCommitter,
) -> Result<Transaction> {
    let operation = operation(&commit.operation);
    let mut builder = base.update_table(operation, ENGINE_INFO, commit.data_change);
    for (id, version) in &commit.transactions {
        builder = builder.with_transaction_id(id, *version);
    }
    for column in &commit.new_columns {
        builder = builder.add_column(kernel_field(column)?);
    }
    if is_blind_append(commit) {
        builder = builder.with_blind_append();
    }
    builder
        .build(engine, Box::new(committer))
        .map_err(from_kernel)
}

/// The kernel's blind append adds files and nothing else; a commit of
/// transactions alone may follow any other too, but is not marked.
fn is_blind_append(commit: &Commit) -> bool {
    commit.blind && commit.data_change && !commit.adds.is_empty() && commit.new_columns.is_empty()
}

fn operation(name: &str) -> UpdateTableOperation {
    TYPED_OPERATIONS
        .into_iter()
        .find(|typed| typed.as_str() == name)
        .unwrap_or_else(|| UpdateTableOperation::Custom(name.to_owned()))
}

fn add_row(add: &Add) -> Value {
    let rows = add.stats.as_deref().and_then(num_records);
    json!({
        "path": add.path,
        "partitionValues": add.partition_values,
        "size": add.size,
        "modificationTime": add.modification_time,
        "stats": { "numRecords": rows },
    })
}

fn num_records(stats: &str) -> Option<Value> {
    let stats: Value = serde_json::from_str(stats).ok()?;
    stats.get("numRecords").cloned()
}

fn remove_row(file: &Arc<FileEntry>, files: &Files) -> Value {
    let tags = (!file.tags.is_empty()).then_some(&file.tags);
    json!({
        "path": files.spelling(&file.path),
        "size": file.size,
        "modificationTime": file.modified_ms,
        "stats": json!({ "numRecords": file.stats.rows }).to_string(),
        "fileConstantValues": { "partitionValues": file.partition, "tags": tags },
    })
}

fn engine_data<S: Serialize>(schema: &KernelSchema, rows: &[S]) -> Result<Box<dyn EngineData>> {
    let schema: Schema = schema.as_ref().try_into_arrow()?;
    let mut decoder = ReaderBuilder::new(Arc::new(schema))
        .with_batch_size(rows.len())
        .build_decoder()?;
    decoder.serialize(rows)?;
    let batch = decoder
        .flush()?
        .ok_or_else(|| Error::internal("file actions are empty"))?;
    Ok(Box::new(ArrowEngineData::new(batch)))
}

/// Creates a table: its version 0.
pub(super) fn create(
    engine: &dyn Engine,
    root: &str,
    spec: &CreateTable,
    committer: LandingCommitter,
) -> Result<()> {
    let columns: Vec<StructField> = spec
        .schema
        .fields()
        .iter()
        .map(|field| kernel_field(field))
        .collect::<Result<_>>()?;
    let schema = StructType::try_new(columns).map_err(from_kernel)?;
    let mut builder = create_table(root, Arc::new(schema), ENGINE_INFO, false)
        .with_table_properties(properties(spec));
    if !spec.partition_columns.is_empty() {
        builder = builder.with_data_layout(DataLayout::partitioned(&spec.partition_columns));
    }
    builder
        .build(engine, Box::new(committer))
        .and_then(|transaction| transaction.commit(engine))
        .map(drop)
        .map_err(from_kernel)
}

/// Properties are chosen at creation and never change.
fn properties(spec: &CreateTable) -> HashMap<&'static str, String> {
    let fixed = [
        // A quarter of the size of JSON statistics, and twice as fast to list.
        ("delta.checkpoint.writeStatsAsJson", "false"),
        ("delta.checkpoint.writeStatsAsStruct", "true"),
        ("delta.checkpointInterval", "100"),
        // Transactions settle races and lost replies; what landed ever is in the ledger.
        // Commits hold counts from which the ledger is rebuilt: other writers must not drop them.
        ("delta.enableExpiredLogCleanup", "false"),
    ];
    let mut properties: HashMap<_, _> = fixed.map(|(name, value)| (name, value.into())).into();
    let stats: Vec<String> = spec
        .stats_columns
        .iter()
        .filter(|name| is_ordered(name, spec))
        .map(|name| quoted(name))
        .collect();
    if !stats.is_empty() {
        properties.insert("delta.dataSkippingStatsColumns", stats.join(","));
    }
    properties
}

fn is_ordered(name: &str, spec: &CreateTable) -> bool {
    let Some((_, field)) = spec.schema.column_with_name(name) else {
        return false;
    };
    let ordered = !matches!(field.data_type(), DataType::Boolean | DataType::Binary)
        && !field.data_type().is_nested();
    ordered && !spec.partition_columns.iter().any(|column| column == name)
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A column as the log holds it: nullable, since NOT NULL is a table feature
/// that many writers lack, and without metadata.
fn kernel_field(field: &Field) -> Result<StructField> {
    (&plain_field(field)?)
        .try_into_kernel()
        .map_err(Error::from)
}

fn plain_field(field: &Field) -> Result<Field> {
    let name = field.name();
    let kind =
        plain_type(field.data_type()).map_err(|error| error.context(format!("column {name:?}")))?;
    Ok(Field::new(name, kind, true))
}

fn plain_type(kind: &DataType) -> Result<DataType> {
    Ok(match kind {
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => {
            kind.clone()
        }
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32 => kind.clone(),
        DataType::List(element) => DataType::List(Arc::new(plain_field(element)?)),
        DataType::Struct(fields) => {
            let fields: Result<Vec<Field>> = fields.iter().map(|f| plain_field(f)).collect();
            DataType::Struct(Fields::from(fields?))
        }
        other => {
            return Err(Error::invalid(format!(
                "type {other} cannot be stored in a table: use a plain signed, float, decimal, \
                 text, binary or date type, or a timestamp in microseconds, UTC"
            )));
        }
    })
}
