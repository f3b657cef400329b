//! A lake in memory: real Parquet files, snapshots built by hand.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{
    SortColumn, SortOptions, concat_batches, kernels::aggregate, lexsort_to_indices,
    take_record_batch,
};
use arrow::datatypes::{DataType, Date32Type, Int64Type, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use downlake_lake::log::{ColumnStats, FileEntry, FileStats, Snapshot, Transactions, VersionAsked};
use downlake_lake::parquet::TAG_SORT;
use downlake_lake::{Error, Result};
use downlake_query::{Catalog, Rows, TableSnapshot, WriteReport, WriteTarget, Writer};
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use serde_json::json;

/// Version n of a table was committed at this many milliseconds after 2026 began.
pub(crate) const VERSION_STEP_MS: i64 = 1000;
pub(crate) const YEAR_2026_MS: i64 = 1_767_225_600_000;

#[derive(Debug, Default)]
pub(crate) struct TestLake {
    objects: Arc<InMemory>,
    tables: Mutex<HashMap<String, TestTable>>,
    files: HashMap<String, RecordBatch>,
}

#[derive(Debug, Clone)]
struct TestTable {
    versions: Vec<Arc<Snapshot>>,
    sort_columns: Vec<String>,
    axis: Option<String>,
    quoted_names: BTreeMap<String, String>,
}

impl TestLake {
    pub(crate) fn add_raw_file(&mut self, path: &str, rows: RecordBatch) {
        self.files.insert(path.to_owned(), rows);
    }

    pub(crate) fn create(
        &self,
        name: &str,
        schema: SchemaRef,
        partition: &[&str],
        sort: &[&str],
        axis: Option<&str>,
    ) {
        let empty = Snapshot {
            version: 0,
            timestamp_ms: YEAR_2026_MS,
            schema,
            partition_columns: partition.iter().map(ToString::to_string).collect(),
            properties: BTreeMap::new(),
            files: Arc::default(),
            transactions: Transactions::default(),
        };
        let table = TestTable {
            versions: vec![Arc::new(empty)],
            sort_columns: sort.iter().map(ToString::to_string).collect(),
            axis: axis.map(str::to_owned),
            quoted_names: BTreeMap::new(),
        };
        self.tables.lock().unwrap().insert(name.to_owned(), table);
    }

    pub(crate) fn name_source(&self, table: &str, source: &str, column: &str) {
        let mut tables = self.tables.lock().unwrap();
        let table = tables.get_mut(table).unwrap();
        table
            .quoted_names
            .insert(source.to_owned(), column.to_owned());
    }

    /// Adds nullable columns at the end of the schema, in a version of their own.
    pub(crate) fn add_columns(&self, table: &str, fields: Vec<arrow::datatypes::Field>) {
        self.commit(table, |snapshot| {
            let mut all: Vec<_> = snapshot.schema.fields().iter().cloned().collect();
            all.extend(fields.into_iter().map(Arc::new));
            snapshot.schema = Arc::new(Schema::new(all));
        });
    }

    /// Changes the last file of the newest version, in a version of its own.
    pub(crate) fn change_last_file(&self, table: &str, change: impl FnOnce(&mut FileEntry)) {
        self.commit(table, |snapshot| {
            let mut files = (*snapshot.files).clone();
            change(Arc::make_mut(files.last_mut().unwrap()));
            snapshot.files = Arc::new(files);
        });
    }

    fn commit(&self, table: &str, change: impl FnOnce(&mut Snapshot)) -> u64 {
        let mut tables = self.tables.lock().unwrap();
        let table = tables.get_mut(table).unwrap();
        let mut next = (**table.versions.last().unwrap()).clone();
        next.version += 1;
        next.timestamp_ms += VERSION_STEP_MS;
        change(&mut next);
        let version = next.version;
        table.versions.push(Arc::new(next));
        version
    }

    /// Writes one file of rows (all of one partition) and commits it.
    pub(crate) async fn append(&self, table: &str, rows: &RecordBatch) -> u64 {
        self.write_file(table, rows, EnabledStatistics::Page).await
    }

    /// As [`TestLake::append`], without statistics in the file and in the log:
    /// of such a file nothing can be left out.
    pub(crate) async fn append_bare(&self, table: &str, rows: &RecordBatch) {
        self.write_file(table, rows, EnabledStatistics::None).await;
        self.change_last_file(table, |file| file.stats = FileStats::default());
    }

    async fn write_file(&self, table: &str, rows: &RecordBatch, bounds: EnabledStatistics) -> u64 {
        let (partition_columns, sort, number) = {
            let tables = self.tables.lock().unwrap();
            let known = &tables[table];
            let newest = known.versions.last().unwrap();
            (
                newest.partition_columns.clone(),
                known.sort_columns.clone(),
                newest.files.len(),
            )
        };
        let rows = sorted(rows, &sort);
        let partition = partition_columns
            .iter()
            .map(|c| (c.clone(), partition_text(&rows, c)))
            .collect::<BTreeMap<_, _>>();
        let folders: Vec<String> = partition
            .iter()
            .map(|(c, v)| format!("{c}={}/", v.as_deref().unwrap_or("null")))
            .collect();
        let path = format!("{}part-{number:04}.parquet", folders.concat());
        let stored = without(&rows, &partition_columns);
        let bytes = parquet_bytes(&stored, bounds);
        let entry = FileEntry {
            path: path.clone(),
            size: bytes.len() as u64,
            modified_ms: YEAR_2026_MS,
            partition,
            stats: statistics(&stored),
            tags: BTreeMap::from([(TAG_SORT.to_owned(), sort.join(","))]),
            has_deletion_vector: false,
        };
        self.objects
            .put(&Path::from(format!("{table}/{path}")), bytes.into())
            .await
            .unwrap();
        self.commit(table, |snapshot| {
            let mut files = (*snapshot.files).clone();
            files.push(Arc::new(entry));
            snapshot.files = Arc::new(files);
        })
    }
}

fn sorted(rows: &RecordBatch, by: &[String]) -> RecordBatch {
    if by.is_empty() {
        return rows.clone();
    }
    let options = Some(SortOptions {
        descending: false,
        nulls_first: true,
    });
    let columns: Vec<SortColumn> = by
        .iter()
        .map(|name| SortColumn {
            values: rows.column_by_name(name).unwrap().clone(),
            options,
        })
        .collect();
    take_record_batch(rows, &lexsort_to_indices(&columns, None).unwrap()).unwrap()
}

fn partition_text(rows: &RecordBatch, column: &str) -> Option<String> {
    let column = rows.column_by_name(column).unwrap();
    let text = arrow::compute::cast(column, &DataType::Utf8).unwrap();
    let text = arrow::array::AsArray::as_string::<i32>(&text);
    (!text.is_null(0)).then(|| text.value(0).to_owned())
}

fn without(rows: &RecordBatch, columns: &[String]) -> RecordBatch {
    let kept: Vec<usize> = (0..rows.num_columns())
        .filter(|i| !columns.contains(rows.schema().field(*i).name()))
        .collect();
    rows.project(&kept).unwrap()
}

/// Few rows are cut into row groups of four and pages of two.
fn parquet_bytes(rows: &RecordBatch, bounds: EnabledStatistics) -> Vec<u8> {
    let (group, page) = if rows.num_rows() < 1000 {
        (4, 2)
    } else {
        (100_000, 20_000)
    };
    let properties = WriterProperties::builder()
        .set_statistics_enabled(bounds)
        .set_max_row_group_row_count(Some(group))
        .set_data_page_row_count_limit(page)
        .set_write_batch_size(page)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    bytes
}

fn statistics(rows: &RecordBatch) -> FileStats {
    let schema = rows.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, column)| {
            let (min, max) = bounds(column);
            (
                field.name().clone(),
                ColumnStats {
                    min,
                    max,
                    nulls: Some(column.null_count() as u64),
                },
            )
        });
    FileStats {
        rows: Some(rows.num_rows() as u64),
        columns: columns.collect(),
    }
}

/// Characters of a text bound.
const TEXT_BOUND: usize = 32;

fn prefix(text: &str) -> String {
    text.chars().take(TEXT_BOUND).collect()
}

/// The text, or a shorter one above it.
fn raised(text: &str) -> String {
    let mut cut = prefix(text);
    if cut.len() < text.len() {
        let last = cut.pop().unwrap();
        cut.push(char::from_u32(u32::from(last) + 1).unwrap());
    }
    cut
}

/// Bounds as Delta writes them: instants floored to milliseconds, floats
/// without NaN, texts cut.
fn bounds(column: &ArrayRef) -> (Option<serde_json::Value>, Option<serde_json::Value>) {
    use arrow::array::AsArray;
    match column.data_type() {
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>();
            (
                aggregate::min(values).map(|v| json!(v)),
                aggregate::max(values).map(|v| json!(v)),
            )
        }
        DataType::Float64 => {
            let values = column.as_primitive::<arrow::datatypes::Float64Type>();
            let numbers: Vec<f64> = values.iter().flatten().filter(|v| !v.is_nan()).collect();
            let min = numbers.iter().copied().reduce(f64::min);
            (
                min.map(|v| json!(v)),
                numbers.iter().copied().reduce(f64::max).map(|v| json!(v)),
            )
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            (
                aggregate::min_string(values).map(|v| json!(prefix(v))),
                aggregate::max_string(values).map(|v| json!(raised(v))),
            )
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>();
            let text = |v: Option<i32>| {
                v.and_then(Date32Type::to_naive_date_opt)
                    .map(|d| json!(d.to_string()))
            };
            (text(aggregate::min(values)), text(aggregate::max(values)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let values = column
                .as_any()
                .downcast_ref::<TimestampMicrosecondArray>()
                .unwrap();
            let text = |v: Option<i64>| {
                v.and_then(|v| chrono::DateTime::from_timestamp_millis(v.div_euclid(1000)))
                    .map(|v| json!(v.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)))
            };
            (text(aggregate::min(values)), text(aggregate::max(values)))
        }
        _ => (None, None),
    }
}

#[async_trait]
impl Catalog for TestLake {
    fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects) as _
    }

    async fn table_names(&self) -> Result<Vec<String>> {
        let tables = self.tables.lock().unwrap();
        Ok(tables
            .keys()
            .filter(|name| !name.starts_with('_'))
            .cloned()
            .collect())
    }

    async fn table(&self, name: &str, asked: VersionAsked) -> Result<Option<TableSnapshot>> {
        let tables = self.tables.lock().unwrap();
        let Some(table) = tables.get(name) else {
            return Ok(None);
        };
        let found = match asked {
            VersionAsked::Latest => table.versions.last(),
            VersionAsked::Version(version) => table.versions.iter().find(|s| s.version == version),
            VersionAsked::TimestampMs(ms) => {
                table.versions.iter().rev().find(|s| s.timestamp_ms <= ms)
            }
        };
        let Some(snapshot) = found else {
            return Err(Error::not_found(format!(
                "table {name} has no such version"
            )));
        };
        Ok(Some(TableSnapshot {
            name: name.to_owned(),
            snapshot: Arc::clone(snapshot),
            sort_columns: table.sort_columns.clone(),
            axis: table.axis.clone(),
            quoted_names: table.quoted_names.clone(),
            units: BTreeMap::new(),
        }))
    }

    async fn file(&self, path: &str) -> Result<Option<Rows>> {
        let Some(rows) = self.files.get(path) else {
            return Ok(None);
        };
        Ok(Some(Rows {
            schema: rows.schema(),
            batches: stream::iter([Ok(rows.clone())]).boxed(),
        }))
    }
}

#[async_trait]
impl Writer for TestLake {
    async fn write(&self, target: WriteTarget, rows: Rows) -> Result<WriteReport> {
        let batches: Vec<RecordBatch> = rows.batches.try_collect().await?;
        let batch = concat_batches(&rows.schema, &batches)?;
        let table = match target {
            WriteTarget::Create { table, .. } => {
                if self.tables.lock().unwrap().contains_key(&table) {
                    return Err(Error::invalid(format!("table {table} exists")));
                }
                self.create(&table, batch.schema(), &[], &[], None);
                table
            }
            WriteTarget::Append { table } => table,
        };
        let version = self.append(&table, &batch).await;
        Ok(WriteReport {
            rows: batch.num_rows() as u64,
            version,
        })
    }
}
