//! Reads a version of a table in full: its files and its transactions.
//!
//! Promises: the kernel decides which files are active, so checkpoints of all
//! kinds and deletion vectors are honoured; tags come from the same scan.
//! Refuses, by name, what our readers would get wrong: column mapping, whose
//! files call the columns something else, and features the kernel lacks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, AsArray as _, MapArray, RecordBatch, StructArray};
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use delta_kernel::actions::LOG_TXN_SCHEMA;
use delta_kernel::engine::arrow_conversion::TryIntoArrow as _;
use delta_kernel::engine::arrow_data::EngineDataArrowExt as _;
use delta_kernel::scan::StatsOptions;
use delta_kernel::table_features::ColumnMappingMode;
use delta_kernel::{Engine, SnapshotRef};
use serde_json::Value;

use super::action::{Add, Files, FilesBuilder, Reader};
use super::kernel_error::from_kernel;
use super::{Snapshot, Transactions};
use crate::{Error, Result};

/// A version as the kernel holds it and as we say it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) kernel: SnapshotRef,
    pub(super) plain: Arc<Snapshot>,
    pub(super) files: Files,
}

impl State {
    /// The same version on another snapshot of the kernel.
    pub(super) fn on(&self, kernel: SnapshotRef) -> State {
        State {
            kernel,
            plain: Arc::clone(&self.plain),
            files: self.files.clone(),
        }
    }

    /// A version of which everything is known.
    pub(super) fn new(
        kernel: SnapshotRef,
        timestamp_ms: i64,
        files: Files,
        transactions: Transactions,
    ) -> Result<State> {
        let configuration = kernel.table_configuration();
        let plain = Snapshot {
            version: kernel.version(),
            timestamp_ms,
            schema: arrow_schema(&kernel)?,
            partition_columns: configuration.logical_partition_columns().to_vec(),
            properties: sorted(kernel.metadata_configuration()),
            files: Arc::clone(&files.active),
            transactions,
        };
        Ok(State {
            kernel,
            plain: Arc::new(plain),
            files,
        })
    }
}

fn sorted(map: &HashMap<String, String>) -> BTreeMap<String, String> {
    map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Reads the version of a kernel snapshot in full.
pub(super) fn load(
    engine: &dyn Engine,
    kernel: SnapshotRef,
    table: &str,
    timestamp_ms: i64,
) -> Result<State> {
    ensure_readable(&kernel, table)?;
    let schema = arrow_schema(&kernel)?;
    let files = files(engine, &kernel, &schema)?;
    let transactions = transactions(engine, &kernel)?;
    State::new(kernel, timestamp_ms, files, transactions)
}

/// Refuses a table whose files our readers would read wrongly.
pub(super) fn ensure_readable(kernel: &SnapshotRef, table: &str) -> Result<()> {
    match kernel.table_configuration().column_mapping_mode() {
        ColumnMappingMode::None => Ok(()),
        mode => Err(Error::invalid(format!(
            "table {table} cannot be read: it uses the reader feature columnMapping \
             (delta.columnMapping.mode = {mode:?}): rewrite it without column mapping"
        ))),
    }
}

pub(super) fn arrow_schema(kernel: &SnapshotRef) -> Result<SchemaRef> {
    let schema: Schema = kernel.schema().as_ref().try_into_arrow()?;
    Ok(Arc::new(schema))
}

fn files(engine: &dyn Engine, kernel: &SnapshotRef, schema: &Schema) -> Result<Files> {
    // Without structs in the output the kernel does not read those of a
    // checkpoint either, and files would come without statistics.
    let scan = Arc::clone(kernel)
        .scan_builder()
        .with_stats(StatsOptions::all())
        .without_row_transforms()
        .build()
        .map_err(from_kernel)?;
    let reader = Reader::new(schema);
    let mut files = FilesBuilder::default();
    for batch in scan.scan_metadata(engine).map_err(from_kernel)? {
        let batch = batch.map_err(from_kernel)?.scan_files;
        let batch = batch
            .apply_selection_vector()
            .try_into_record_batch()
            .map_err(from_kernel)?;
        let rows = ScanRows::of(&batch)?;
        for row in 0..batch.num_rows() {
            files.push(&reader, rows.add(row))?;
        }
    }
    Ok(files.build())
}

/// The columns of a batch of live files, as the kernel's scan shapes it.
struct ScanRows<'a> {
    batch: &'a RecordBatch,
    constants: &'a StructArray,
}

impl<'a> ScanRows<'a> {
    fn of(batch: &'a RecordBatch) -> Result<ScanRows<'a>> {
        let constants = batch
            .column_by_name("fileConstantValues")
            .and_then(|column| column.as_struct_opt())
            .ok_or_else(|| Error::internal("the kernel's scan has no fileConstantValues"))?;
        Ok(ScanRows { batch, constants })
    }

    fn add(&self, row: usize) -> Add {
        let vector = self.batch.column_by_name("deletionVector");
        Add {
            path: self.text("path", row).unwrap_or_default(),
            partition_values: self.map("partitionValues", row).unwrap_or_default(),
            size: self.long("size", row).unwrap_or_default(),
            modification_time: self.long("modificationTime", row).unwrap_or_default(),
            stats: self.text("stats", row),
            tags: self.map("tags", row),
            deletion_vector: vector
                .is_some_and(|vector| vector.is_valid(row))
                .then_some(Value::Bool(true)),
        }
    }

    fn text(&self, column: &str, row: usize) -> Option<String> {
        let column = self.batch.column_by_name(column)?.as_string_opt::<i32>()?;
        column.is_valid(row).then(|| column.value(row).to_owned())
    }

    fn long(&self, column: &str, row: usize) -> Option<i64> {
        let column = self
            .batch
            .column_by_name(column)?
            .as_primitive_opt::<Int64Type>()?;
        column.is_valid(row).then(|| column.value(row))
    }

    fn map(&self, column: &str, row: usize) -> Option<BTreeMap<String, Option<String>>> {
        let column = self.constants.column_by_name(column)?.as_map_opt()?;
        column.is_valid(row).then(|| map_entries(column, row))
    }
}

fn map_entries(column: &MapArray, row: usize) -> BTreeMap<String, Option<String>> {
    let entries = column.value(row);
    let (Some(keys), Some(values)) = (
        entries.column(0).as_string_opt::<i32>(),
        entries.column(1).as_string_opt::<i32>(),
    ) else {
        return BTreeMap::new();
    };
    let pairs = keys.iter().zip(values.iter());
    pairs
        .filter_map(|(key, value)| Some((key?.to_owned(), value.map(str::to_owned))))
        .collect()
}

/// All transactions in the log, in one pass: asking the kernel for one
/// identifier replays the log for each.
fn transactions(engine: &dyn Engine, kernel: &SnapshotRef) -> Result<Transactions> {
    let batches = kernel
        .log_segment()
        .read_actions(engine, LOG_TXN_SCHEMA.clone())
        .map_err(from_kernel)?;
    let mut newest_first: Vec<(String, i64)> = Vec::new();
    for batch in batches {
        let batch = batch
            .map_err(from_kernel)?
            .actions
            .try_into_record_batch()
            .map_err(from_kernel)?;
        collect_transactions(&batch, &mut newest_first);
    }
    let oldest_first = newest_first.iter().rev();
    Ok(oldest_first.map(|(id, v)| (id.as_str(), *v)).collect())
}

fn collect_transactions(batch: &RecordBatch, into: &mut Vec<(String, i64)>) {
    let Some(txn) = batch
        .column_by_name("txn")
        .and_then(|column| column.as_struct_opt())
    else {
        return;
    };
    let (Some(ids), Some(versions)) = (
        txn.column_by_name("appId")
            .and_then(|column| column.as_string_opt::<i32>()),
        txn.column_by_name("version")
            .and_then(|column| column.as_primitive_opt::<Int64Type>()),
    ) else {
        return;
    };
    let rows = (0..batch.num_rows()).filter(|row| txn.is_valid(*row) && ids.is_valid(*row));
    into.extend(rows.map(|row| (ids.value(row).to_owned(), versions.value(row))));
}
