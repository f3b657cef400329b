//! The lake behind SQL: tables at their versions, writes through the commit
//! path, raw files through whoever decodes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use downlake_lake::log::VersionAsked;
use downlake_lake::schema::axis_expr::parse_axis;
use downlake_lake::schema::names::FoldedName;
use downlake_lake::schema::table_schema::UNIT_KEY;
use downlake_lake::schema::{Column, ColumnType, Definition, Evolution, Origin, TimeAxis, names};
use downlake_lake::table::append::{Destination, QuarantineLimit, UnitSpec, UnitWriter};
use downlake_lake::table::conform::{Conform, ReceivedAt, UnitColumns};
use downlake_lake::table::rows::RowSource;
use downlake_lake::table::unit::UnitIdentity;
use downlake_lake::table::{Lake, StoredDefinition, Table};
use downlake_lake::{Error, Result};
use futures::StreamExt;
use object_store::ObjectStore;
use tokio::runtime::Handle;

use crate::catalog::{Catalog, Rows, TableSnapshot, WriteReport, WriteTarget, Writer};
use crate::handover::{Handover, handover};

/// Columns that every row gets from the lake and no statement gives.
const OURS: [&str; 6] = [
    names::DATE,
    names::MONTH,
    names::YEAR,
    names::INGESTED_AT,
    names::INGEST_ID,
    names::KEY_CONFLICT,
];

/// The column of a definition that becomes `_received_at`.
const RECEIVED: &str = "received_at";

/// A lake as the SQL layer sees it.
pub struct LakeCatalog {
    lake: Arc<Lake>,
    files: Option<Arc<dyn RowSource>>,
    memory_bytes: usize,
}

impl LakeCatalog {
    /// A lake; `files` opens raw files, `memory_bytes` bounds a write.
    pub fn new(lake: Arc<Lake>, files: Option<Arc<dyn RowSource>>, memory_bytes: usize) -> Self {
        LakeCatalog {
            lake,
            files,
            memory_bytes,
        }
    }
}

impl fmt::Debug for LakeCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LakeCatalog({})", self.lake.storage().url())
    }
}

#[async_trait]
impl Catalog for LakeCatalog {
    fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(self.lake.objects())
    }

    async fn table_names(&self) -> Result<Vec<String>> {
        self.lake.table_names(false).await
    }

    async fn table(&self, name: &str, version: VersionAsked) -> Result<Option<TableSnapshot>> {
        let Some(table) = self.lake.table(name).await? else {
            return Ok(None);
        };
        let snapshot = table.log().snapshot_at(version).await?;
        let stored = table.definition(&self.lake).await?;
        let definition = stored.as_ref().map(|s| &s.definition);
        Ok(Some(TableSnapshot {
            name: name.to_owned(),
            snapshot,
            sort_columns: definition.map(Definition::sort_columns).unwrap_or_default(),
            axis: definition.and_then(|d| d.axis().map(str::to_owned)),
            quoted_names: definition.map(quoted_names).unwrap_or_default(),
            units: definition.map(units).unwrap_or_default(),
        }))
    }

    async fn file(&self, path: &str) -> Result<Option<Rows>> {
        let Some(files) = &self.files else {
            return Err(Error::invalid(format!(
                "file '{path}' cannot be read here: query a table of the lake"
            )));
        };
        let opened = files.open(path).await?;
        Ok(opened.map(|rows| Rows {
            schema: rows.schema,
            batches: rows.batches,
        }))
    }
}

fn quoted_names(definition: &Definition) -> BTreeMap<String, String> {
    let differs = |c: &&Column| c.source != c.name;
    let named = |c: &Column| (c.source.clone(), definition.stored_name(&c.name).to_owned());
    definition
        .columns
        .iter()
        .filter(differs)
        .map(named)
        .collect()
}

fn units(definition: &Definition) -> BTreeMap<String, String> {
    let mut units: BTreeMap<String, String> = definition
        .table_schema()
        .fields()
        .iter()
        .filter_map(|field| {
            Some((
                field.name().clone(),
                field.metadata().get(UNIT_KEY)?.clone(),
            ))
        })
        .collect();
    if let TimeAxis::Relative { column, unit, .. } = &definition.time {
        units.entry(column.clone()).or_insert_with(|| unit.clone());
    }
    units
}

#[async_trait]
impl Writer for LakeCatalog {
    async fn write(&self, target: WriteTarget, rows: Rows) -> Result<WriteReport> {
        let (destination, definition, rows) = match target {
            WriteTarget::Create {
                table,
                if_not_exists,
            } => {
                if let Some(there) = self.lake.table(&table).await? {
                    if if_not_exists {
                        return Ok(WriteReport {
                            rows: 0,
                            version: there.snapshot().version,
                        });
                    }
                    return Err(Error::invalid(format!(
                        "table \"{table}\" exists; INSERT INTO adds to it, CREATE TABLE IF NOT EXISTS leaves it"
                    )));
                }
                let definition = definition_of(&table, &rows.schema)?;
                let creating = Destination::Creating(Arc::new(definition.clone()));
                let definition = StoredDefinition {
                    number: 1,
                    definition,
                };
                let rows = under_stored_names(rows, &definition.definition);
                (creating, definition, rows)
            }
            WriteTarget::Append { table } => {
                let there = self.lake.table(&table).await?;
                let there = there
                    .ok_or_else(|| Error::not_found(format!("there is no table \"{table}\"")))?;
                let (there, definition) = self.stored(there).await?;
                (Destination::Table(there), definition, rows)
            }
        };
        self.land(destination, definition, rows).await
    }

    async fn generated(&self, table: &str) -> Result<BTreeSet<String>> {
        let Some(there) = self.lake.table(table).await? else {
            return Ok(BTreeSet::new());
        };
        let (_, stored) = self.stored(there).await?;
        let definition = &stored.definition;
        let mut columns: BTreeSet<String> = definition
            .table_schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        for given in &definition.columns {
            columns.remove(definition.stored_name(&given.name));
        }
        for constant in &definition.constants {
            columns.remove(constant);
        }
        Ok(columns)
    }
}

impl LakeCatalog {
    async fn stored(&self, table: Arc<Table>) -> Result<(Arc<Table>, StoredDefinition)> {
        let stored = table.definition(&self.lake).await?;
        let stored = stored.ok_or_else(|| {
            Error::invalid(format!(
                "table \"{}\" was made by another program or by the lake itself; SQL does not write to it",
                table.name()
            ))
        })?;
        Ok((table, stored))
    }

    async fn land(
        &self,
        destination: Destination,
        definition: StoredDefinition,
        rows: Rows,
    ) -> Result<WriteReport> {
        let mapping = Mapping::new(&definition.definition, &rows.schema)?;
        // Each statement is a request of its own; nothing else has its number.
        let id = self.lake.seams().new_id();
        let spec = UnitSpec {
            identity: UnitIdentity::request(destination.name(), &id),
            source: format!("sql:{id}"),
            bytes_in: 0,
            max_quarantine: QuarantineLimit::Rows(0),
            memory_bytes: self.memory_bytes,
            operation: "SQL",
        };
        let writer = self
            .lake
            .begin_unit(destination, Some(definition.clone()), spec)
            .await?;
        let conform = Conform::new(
            &definition.definition,
            &UnitColumns {
                // Replaced row by row: see `Mapping::with_constants`.
                constants: definition
                    .definition
                    .constants
                    .iter()
                    .map(|c| (c.clone(), String::new()))
                    .collect(),
                ingest_id: writer.ingest_id(),
                ingested_at_micros: writer.started_at_micros(),
                received_at: ReceivedAt::Data,
            },
        )?;
        let runtime = Handle::current();
        let (sender, receiver) = handover();
        let writing = tokio::task::spawn_blocking(move || {
            write(writer, &conform, &mapping, receiver, &runtime)
        });
        sender.send_all(rows).await;
        let report = writing
            .await
            .map_err(|e| Error::internal(format!("writing rows stopped: {e}")))??;
        self.lake.flush_ledger().await?;
        Ok(report)
    }
}

fn write(
    mut writer: UnitWriter,
    conform: &Conform,
    mapping: &Mapping,
    mut batches: Handover,
    runtime: &Handle,
) -> Result<WriteReport> {
    loop {
        let written = match batches.next() {
            Ok(None) => break,
            Ok(Some(batch)) => write_batch(&mut writer, conform, mapping, &batch),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            writer.abort();
            return Err(error);
        }
    }
    let report = writer.commit(runtime)?;
    Ok(WriteReport {
        rows: report.rows_committed,
        version: report.version(),
    })
}

fn write_batch(
    writer: &mut UnitWriter,
    conform: &Conform,
    mapping: &Mapping,
    batch: &RecordBatch,
) -> Result<()> {
    let conformed = conform.apply(&mapping.decoded(batch)?)?;
    if let Some(refused) = conformed.refused.first() {
        let row = writer.records() + refused.row as u64 + 1;
        return Err(Error::invalid(format!(
            "row {row} is refused: {} ({})",
            refused.detail, refused.reason
        )));
    }
    writer.write(0, &mapping.with_constants(conformed.batch, batch)?)
}

/// From the columns of a statement to those of a definition.
struct Mapping {
    decoded: SchemaRef,
    /// For each column of the definition its place in the statement's rows.
    places: Vec<Option<usize>>,
    /// Constant columns, which differ from row to row here: their places.
    constants: Vec<(String, usize)>,
}

impl Mapping {
    fn new(definition: &Definition, given: &Schema) -> Result<Mapping> {
        let stored = |c: &Column| definition.stored_name(&c.name).to_owned();
        let known: Vec<String> = definition.columns.iter().map(stored).collect();
        let companions = |name: &str| companion_of(definition, name);
        for field in given.fields() {
            let name = field.name();
            let ours = OURS.contains(&name.as_str())
                || definition.constants.contains(name)
                || companions(name);
            if !ours && !known.contains(name) {
                return Err(Error::invalid(format!(
                    "table \"{}\" has no column \"{name}\"; it has {}",
                    definition.stream,
                    known.join(", ")
                )));
            }
        }
        let place = |name: &String| given.index_of(name).ok();
        let constants = definition.constants.iter().map(|name| {
            place(name)
                .map(|place| (name.clone(), place))
                .ok_or_else(|| {
                    Error::invalid(format!(
                        "column \"{name}\" of \"{}\" needs a value in every row",
                        definition.stream
                    ))
                })
        });
        Ok(Mapping {
            decoded: definition.decoded_schema(),
            places: known.iter().map(place).collect(),
            constants: constants.collect::<Result<_>>()?,
        })
    }

    /// The columns of the definition, NULL where the statement gives none.
    fn decoded(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self.places.iter().zip(self.decoded.fields()).map(
            |(place, field)| -> Result<ArrayRef> {
                let Some(place) = place else {
                    return Ok(new_null_array(field.data_type(), rows));
                };
                let strict = CastOptions {
                    safe: false,
                    ..CastOptions::default()
                };
                cast_with_options(batch.column(*place), field.data_type(), &strict).map_err(|e| {
                    Error::invalid(format!("column \"{}\": {e}", field.name())).with_source(e)
                })
            },
        );
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.decoded),
            columns,
            &options,
        )?)
    }

    /// Puts each row's own constants into rows that the conform step made.
    fn with_constants(&self, rows: RecordBatch, given: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = rows.columns().to_vec();
        for (name, place) in &self.constants {
            columns[rows.schema().index_of(name)?] = cast(given.column(*place), &DataType::Utf8)?;
        }
        Ok(RecordBatch::try_new(rows.schema(), columns)?)
    }
}

/// Whether a column is derived from another: `x__ns`, or `x__raw` of an enumeration.
fn companion_of(definition: &Definition, name: &str) -> bool {
    let derived = definition
        .columns
        .iter()
        .flat_map(|c| c.stored_fields().into_iter().skip(1));
    derived
        .map(|f| f.name().clone())
        .any(|derived| derived == name)
}

/// The rows of a query under the names that its new table gives their columns.
fn under_stored_names(rows: Rows, definition: &Definition) -> Rows {
    let stored = |source: &String| -> String {
        let mut columns = definition.columns.iter();
        let column = columns.find(|column| column.source == *source);
        column
            .map_or(source.as_str(), |c| definition.stored_name(&c.name))
            .to_owned()
    };
    let fields = rows.schema.fields().iter();
    let fields: Vec<Field> = fields
        .map(|field| field.as_ref().clone().with_name(stored(field.name())))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let named = Arc::clone(&schema);
    let batches = rows
        .batches
        .map(move |batch| {
            let batch = batch?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let columns = batch.columns().to_vec();
            Ok(RecordBatch::try_new_with_options(
                Arc::clone(&named),
                columns,
                &options,
            )?)
        })
        .boxed();
    Rows { schema, batches }
}

/// The definition of a table made from a query: exact types; a timestamp `time` is the axis.
fn definition_of(table: &str, schema: &Schema) -> Result<Definition> {
    let (mut sources, mut kinds) = (Vec::new(), Vec::new());
    let mut units = Vec::new();
    let has_axis = schema
        .field_with_name(names::TIME)
        .is_ok_and(|f| matches!(f.data_type(), DataType::Timestamp(_, _)));
    for field in schema.fields() {
        let name = field.name();
        let derived = name == names::DATE && has_axis;
        if derived || name.starts_with('_') && OURS.contains(&name.as_str()) {
            continue;
        }
        let kind = ColumnType::from_arrow(field.data_type())
            .map_err(|e| e.context(format!("column \"{name}\"")))?;
        // A duration says its unit itself.
        let unit = field.metadata().get(UNIT_KEY);
        units.push(unit.filter(|_| kind != ColumnType::Duration).cloned());
        sources.push(name.as_str());
        kinds.push(kind);
    }
    let folded = names::fold_all(&sources, names::OnCollision::Refuse)?.names;
    let columns: Vec<Column> = folded
        .into_iter()
        .zip(sources.into_iter().zip(kinds))
        .zip(units)
        .map(|((folded, (source, kind)), unit)| {
            let mut column = column_of(folded, source, kind);
            column.unit = column.unit.or(unit);
            column
        })
        .collect();
    if columns.is_empty() {
        return Err(Error::invalid(format!(
            "the query for table \"{table}\" gives no columns"
        )));
    }
    let received = columns.iter().any(|c| c.name == RECEIVED);
    let mut definition = Definition::new(table, Origin::Given, columns);
    definition.received_at = received.then(|| RECEIVED.to_owned());
    definition.evolution = Evolution::Strict;
    if has_axis {
        definition.time = parse_axis(names::TIME, &definition.columns)?;
    }
    definition.check()?;
    Ok(definition)
}

fn column_of(folded: FoldedName, source: &str, kind: ColumnType) -> Column {
    let name = match source {
        names::RECEIVED_AT => RECEIVED.to_owned(),
        _ => folded.name,
    };
    let mut column = Column::new(name, source, kind);
    column.unit = folded.unit;
    column
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use arrow::datatypes::TimeUnit;
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_query_names_the_columns_of_its_table() {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, None);
        let field = |name, data_type| Field::new(name, data_type, true);
        let schema = Schema::new(vec![
            field("time", instant),
            field("month", DataType::Int64),
            field("year", DataType::Int64),
            field("count(*)", DataType::Int64),
            field("Max X", DataType::Int64),
        ]);
        let definition = definition_of("t", &schema).unwrap();
        let named: Vec<_> = definition
            .columns
            .iter()
            .map(|c| (&*c.source, &*c.name))
            .collect();
        expect![[r#"[("time", "time"), ("month", "month"), ("year", "year"), ("count(*)", "count_"), ("Max X", "max_x")]"#]]
            .assert_eq(&format!("{named:?}"));
    }
}
