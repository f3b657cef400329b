//! A version of a table as the query engine scans it.
//!
//! Promises: only files whose statistics prove that no row matches are left
//! out; partition columns come from the log, columns that a file lacks are
//! NULL; the number of rows is known without I/O where every file says it;
//! an order of rows is declared only where it is proven; a NaN is a value like
//! others, which no bound hides. Refuses: files with a deletion vector, by name.

mod footers;
mod layout;
mod pruning;
mod statistics;

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as EngineResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use downlake_lake::log::FileEntry;
use downlake_lake::schema::table_schema::UNIT_KEY;
use downlake_lake::{Error, Result};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::catalog::TableSnapshot;
use crate::error::to_engine;

/// Bytes read from the end of a file in the hope that they hold its footer.
const FOOTER_GUESS_BYTES: usize = 64 * 1024;

/// One version of one table.
#[derive(Debug)]
pub(crate) struct LakeTable {
    table: TableSnapshot,
    url: ObjectStoreUrl,
    /// The columns of the table, with their units.
    schema: SchemaRef,
    /// Stored columns, then partition columns: the order of the engine's scan.
    scanned: TableSchema,
    /// Column of the table to column of the scan.
    to_scanned: Vec<usize>,
}

/// An active file with its typed partition values, in the order of
/// `Snapshot::partition_columns`.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    pub(crate) entry: Arc<FileEntry>,
    pub(crate) partition: Vec<ScalarValue>,
}

impl LakeTable {
    /// # Errors
    /// `Corrupt` if a partition column is not in the schema.
    pub(crate) fn try_new(table: TableSnapshot, url: ObjectStoreUrl) -> Result<Self> {
        let schema = with_units(&table);
        let partition = partition_fields(&table, &schema)?;
        let is_stored = |name: &str| !table.snapshot.partition_columns.iter().any(|p| p == name);
        let stored: Vec<FieldRef> = schema
            .fields()
            .iter()
            .filter(|f| is_stored(f.name()))
            .cloned()
            .collect();
        let scanned = TableSchema::builder(Arc::new(Schema::new(stored)))
            .with_table_partition_cols(partition)
            .build();
        let to_scanned = schema
            .fields()
            .iter()
            .map(|field| scanned.table_schema().index_of(field.name()))
            .collect::<Result<_, _>>()?;
        Ok(LakeTable {
            table,
            url,
            schema,
            scanned,
            to_scanned,
        })
    }

    fn files(&self) -> Result<Vec<DataFile>> {
        self.table
            .snapshot
            .files
            .iter()
            .map(|entry| self.data_file(entry))
            .collect()
    }

    fn data_file(&self, entry: &Arc<FileEntry>) -> Result<DataFile> {
        if entry.has_deletion_vector {
            return Err(Error::invalid(format!(
                "file {} of table {} has a deletion vector, which is not read here: \
                 rewrite the table without deletion vectors",
                entry.path, self.table.name
            )));
        }
        let fields = self.scanned.table_partition_cols();
        let partition = fields
            .iter()
            .map(|field| partition_value(entry, field))
            .collect::<Result<_>>()?;
        Ok(DataFile {
            entry: Arc::clone(entry),
            partition,
        })
    }

    fn partitioned_file(&self, file: DataFile) -> Result<PartitionedFile> {
        let meta = object_meta(&self.table.name, &file.entry)?;
        Ok(PartitionedFile::new_from_meta(meta).with_partition_values(file.partition))
    }

    fn source(&self, state: &dyn Session) -> EngineResult<ParquetSource> {
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let store = state.runtime_env().object_store(&self.url)?;
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let opened = CachedParquetFileReaderFactory::new(store, cache);
        Ok(ParquetSource::new(self.scanned.clone())
            .with_table_parquet_options(options)
            .with_metadata_size_hint(FOOTER_GUESS_BYTES)
            .with_parquet_file_reader_factory(Arc::new(footers::Footers(opened))))
    }

    /// The columns of the scan that a query of the given columns reads.
    fn scanned_columns(&self, projection: Option<&Vec<usize>>) -> Vec<usize> {
        match projection {
            Some(columns) => columns
                .iter()
                .map(|column| self.to_scanned[*column])
                .collect(),
            None => self.to_scanned.clone(),
        }
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Every filter is evaluated again over the rows: here it only leaves
    /// out files.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let files = self.files().map_err(to_engine)?;
        let files = pruning::prune(&self.table, files, state, filters)?;
        let columns = self.scanned_columns(projection);
        if files.is_empty() {
            let schema = self.scanned.table_schema().project(&columns)?;
            return Ok(Arc::new(EmptyExec::new(Arc::new(schema))));
        }
        let statistics = statistics::of_table(&self.table, &self.scanned, &files, &columns);
        let partitions = state.config().target_partitions();
        let layout = layout::plan(&self.table, &self.scanned, files, partitions, |file| {
            self.partitioned_file(file)
        })
        .map_err(to_engine)?;
        let config = FileScanConfigBuilder::new(self.url.clone(), Arc::new(self.source(state)?))
            .with_file_groups(layout.groups)
            .with_output_ordering(layout.ordering)
            .with_statistics(statistics)
            .with_limit(limit)
            .with_projection_indices(Some(columns))?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn with_units(table: &TableSnapshot) -> SchemaRef {
    let with_unit = |field: &FieldRef| match table.units.get(field.name()) {
        Some(unit) => {
            let mut metadata = field.metadata().clone();
            metadata.insert(UNIT_KEY.to_owned(), unit.clone());
            Arc::new(field.as_ref().clone().with_metadata(metadata))
        }
        None => Arc::clone(field),
    };
    let fields: Vec<FieldRef> = table
        .snapshot
        .schema
        .fields()
        .iter()
        .map(with_unit)
        .collect();
    Arc::new(Schema::new(fields))
}

fn partition_fields(table: &TableSnapshot, schema: &Schema) -> Result<Vec<FieldRef>> {
    let field = |name: &String| {
        let (_, field) = schema.fields().find(name).ok_or_else(|| {
            Error::corrupt(format!(
                "partition column \"{name}\" of table {} is not in its schema",
                table.name
            ))
        })?;
        Ok(Arc::clone(field))
    };
    table.snapshot.partition_columns.iter().map(field).collect()
}

/// A partition value, typed. Delta writes NULL as null or as an empty text
/// (protocol, "Partition Value Serialization").
fn partition_value(entry: &FileEntry, field: &FieldRef) -> Result<ScalarValue> {
    let corrupt = |why: String| {
        Error::corrupt(format!(
            "partition column \"{}\" of file {}: {why}",
            field.name(),
            entry.path
        ))
    };
    match entry.partition.get(field.name()) {
        None => Err(corrupt("the log has no value".to_owned())),
        Some(Some(text)) if !text.is_empty() => {
            ScalarValue::try_from_string(text.clone(), field.data_type()).map_err(|error| {
                corrupt(format!("\"{text}\" is not of type {}", field.data_type()))
                    .with_source(error)
            })
        }
        Some(_) => ScalarValue::try_new_null(field.data_type())
            .map_err(|error| corrupt("the type has no NULL".to_owned()).with_source(error)),
    }
}

fn object_meta(table: &str, entry: &FileEntry) -> Result<ObjectMeta> {
    let location = Path::parse(format!("{table}/{}", entry.path)).map_err(|error| {
        Error::corrupt(format!(
            "file {} of table {table} has no valid path",
            entry.path
        ))
        .with_source(error)
    })?;
    let last_modified = DateTime::from_timestamp_millis(entry.modified_ms).unwrap_or_default();
    Ok(ObjectMeta {
        location,
        last_modified,
        size: entry.size,
        e_tag: None,
        version: None,
    })
}

#[cfg(test)]
mod tests;
