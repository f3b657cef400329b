//! One process that lands units, as ingest does it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::Field;
use downlake_lake::schema::{Column, ColumnType};
use downlake_lake::seam::Seams;
use downlake_lake::storage::Storage;
use downlake_lake::table::append::{UnitReport, UnitWriter};
use downlake_lake::table::{Lake, LakeOptions, StoredDefinition, Table};
use downlake_lake::{Error, Result};
use object_store::ObjectStore;
use tokio::runtime::Handle;
use url::Url;

use super::plan::{TABLE, Unit, definition};

const DAY: i64 = 86_400_000_000;

pub(crate) fn storage(objects: Arc<dyn ObjectStore>) -> Storage {
    Storage::new(Url::parse("memory:///").unwrap(), objects)
}

pub(crate) fn options() -> LakeOptions {
    LakeOptions {
        temp_dir: std::env::temp_dir(),
        host: "simulated".to_owned(),
    }
}

/// Opens a lake to write to it, as a new process does.
pub(crate) fn open(
    runtime: &Handle,
    objects: Arc<dyn ObjectStore>,
    seams: Seams,
) -> Result<Arc<Lake>> {
    let opened = Lake::open_or_create(storage(objects), seams, options());
    runtime.block_on(opened).map(Arc::new)
}

/// Lands a unit; `None` where it is in the table already. Blocks.
pub(crate) fn land(runtime: &Handle, lake: &Arc<Lake>, unit: &Unit) -> Result<Option<UnitReport>> {
    match begin(runtime, lake, unit)? {
        Some(writer) => filled(writer, unit)?.commit(runtime).map(Some),
        None => Ok(None),
    }
}

/// A writer for a unit that is not in the table yet.
pub(crate) fn begin(runtime: &Handle, lake: &Arc<Lake>, unit: &Unit) -> Result<Option<UnitWriter>> {
    runtime.block_on(async {
        let table = lake.ensure_table(&definition()).await?;
        let state = lake.unit_state(&table, &unit.identity()).await?;
        if state.is_landed() {
            return Ok(None);
        }
        let stored = definition_for(lake, &table, unit).await?;
        let writer = lake.begin_unit(table, Some(stored), unit.spec()).await?;
        Ok(Some(writer))
    })
}

/// The definition in force, with the columns that the unit brings.
async fn definition_for(lake: &Lake, table: &Table, unit: &Unit) -> Result<StoredDefinition> {
    let stored = table.definition(lake).await?;
    let stored = stored.ok_or_else(|| Error::unavailable("no definition is listed yet"))?;
    let Some(extra) = unit.extra else {
        return Ok(stored);
    };
    let mut found = stored.definition.columns.clone();
    found.push(Column::new(extra, extra, ColumnType::I64));
    let evolved = stored.definition.evolve(&found);
    if evolved.added.is_empty() {
        return Ok(stored);
    }
    table.store_definition(lake, &evolved.definition).await
}

/// The writer with all records of the unit, in two batches.
pub(crate) fn filled(mut writer: UnitWriter, unit: &Unit) -> Result<UnitWriter> {
    match fill(&mut writer, unit) {
        Ok(()) => Ok(writer),
        Err(error) => {
            writer.abort();
            Err(error)
        }
    }
}

fn fill(writer: &mut UnitWriter, unit: &Unit) -> Result<()> {
    writer.set_format("{}".to_owned());
    writer.skip(Some(0), unit.skipped);
    let half = unit.rows / 2;
    for rows in [half..unit.rows, 0..half] {
        if !rows.is_empty() {
            writer.write(0, &batch(writer, unit, &rows.collect::<Vec<_>>()))?;
        }
    }
    for refusal in unit.refusals() {
        writer.refuse(Some(0), &refusal)?;
    }
    Ok(())
}

fn batch(writer: &UnitWriter, unit: &Unit, rows: &[i64]) -> RecordBatch {
    let schema = Arc::clone(writer.schema(0));
    let columns = schema.fields().iter();
    let columns = columns
        .map(|field| column(writer, unit, rows, field))
        .collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

fn column(writer: &UnitWriter, unit: &Unit, rows: &[i64], field: &Field) -> ArrayRef {
    let longs = |value: &dyn Fn(i64) -> i64| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|row| Some(value(*row)))
                .collect::<Int64Array>(),
        )
    };
    let times = |value: &dyn Fn(i64) -> i64| -> ArrayRef {
        let times: TimestampMicrosecondArray = rows.iter().map(|row| Some(value(*row))).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    match field.name().as_str() {
        "time" => times(&|row| unit.time(row)),
        "date" => {
            let day = |row: &i64| i32::try_from(unit.time(*row).div_euclid(DAY)).unwrap();
            Arc::new(
                rows.iter()
                    .map(|row| Some(day(row)))
                    .collect::<Date32Array>(),
            )
        }
        "unit" => longs(&|_| i64::from(unit.number)),
        "row" => longs(&|row| row),
        "value" => {
            let values = rows.iter().map(|row| Some(unit.value(*row)));
            Arc::new(values.collect::<Float64Array>())
        }
        "_ingest_id" => longs(&|_| writer.ingest_id()),
        "_ingested_at" => times(&|_| writer.started_at_micros()),
        name if Some(name) == unit.extra => longs(&|row| row * 7),
        _ => new_null_array(field.data_type(), rows.len()),
    }
}

/// The newest known version of the table in a lake.
pub(crate) fn version(runtime: &Handle, lake: &Lake) -> u64 {
    let table = runtime.block_on(lake.table(TABLE)).unwrap().unwrap();
    table.snapshot().version
}
