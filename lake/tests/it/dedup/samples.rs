//! Streams with duplicates, the rows of their units, and the auditor's view.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::Field;
use downlake_lake::Result;
use downlake_lake::schema::{Column, ColumnType, Definition};
use downlake_lake::table::append::{QuarantineLimit, UnitReport, UnitSpec, UnitWriter};
use downlake_lake::table::unit::UnitIdentity;
use downlake_lake::table::{Lake, StoredDefinition};
use tokio::runtime::Handle;

pub(crate) const TABLE: &str = "beacon";
const DAY: i64 = 86_400_000_000;
/// Midnight of day 0, microseconds since 1970.
const FIRST_DAY: i64 = 1_767_225_600_000_000;

const ABSOLUTE: &str = r#"
stream = "beacon"

[table]
sort_by = ["host", "time"]
dedup_by = ["time", "host"]

[time]
axis = "absolute"
columns = ["time"]
code = "iso"

[[column]]
name = "time"
type = "timestamp"

[[column]]
name = "host"
type = "text"

[[column]]
name = "value"
type = "f64"
"#;

const RELATIVE: &str = r#"
stream = "beacon"

[table]
dedup_by = ["t"]

[time]
axis = "relative"
column = "t"
unit = "s"
run_key = "host"

[[column]]
name = "host"
type = "text"

[[column]]
name = "t"
type = "f64"

[[column]]
name = "value"
type = "f64"
"#;

/// Beacons by the clock: key (time, host).
pub(crate) fn absolute() -> Definition {
    Definition::from_toml(ABSOLUTE, "beacon.toml").unwrap()
}

/// Beacons since lift-off: run key host, key t.
pub(crate) fn relative() -> Definition {
    Definition::from_toml(RELATIVE, "beacon.toml").unwrap()
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// The day, from 0.
    pub(crate) day: i64,
    /// The second of the day, or since lift-off.
    pub(crate) second: i64,
    pub(crate) host: Option<&'static str>,
    pub(crate) value: Option<f64>,
    /// A column that only some units have.
    pub(crate) extra: Option<i64>,
}

/// A row of day 0.
pub(crate) fn sample(second: i64, host: &'static str, value: f64) -> Sample {
    Sample {
        day: 0,
        second,
        host: Some(host),
        value: Some(value),
        extra: None,
    }
}

impl Sample {
    pub(crate) fn on(self, day: i64) -> Sample {
        Sample { day, ..self }
    }

    pub(crate) fn with(self, extra: Option<i64>) -> Sample {
        Sample { extra, ..self }
    }

    fn micros(self) -> i64 {
        FIRST_DAY + self.day * DAY + self.second * 1_000_000
    }
}

/// What a unit is to be written with.
#[derive(Debug, Clone)]
pub(crate) struct Landing<'a> {
    pub(crate) definition: Definition,
    /// Its content.
    pub(crate) number: u8,
    pub(crate) rows: &'a [Sample],
    pub(crate) memory_bytes: usize,
}

impl<'a> Landing<'a> {
    pub(crate) fn new(definition: Definition, number: u8, rows: &'a [Sample]) -> Landing<'a> {
        Landing {
            definition,
            number,
            rows,
            memory_bytes: 4 << 20,
        }
    }

    /// With the column `extra`.
    pub(crate) fn evolved(mut self) -> Landing<'a> {
        let extra = Column::new("extra", "extra", ColumnType::I64);
        self.definition.columns.push(extra);
        self
    }

    pub(crate) fn identity(&self) -> UnitIdentity {
        UnitIdentity {
            target: TABLE.to_owned(),
            content_hash: [self.number; 32],
            constants: [].into(),
            name: None,
        }
    }

    /// A writer that holds all rows; `None` where they have landed.
    pub(crate) fn begin(&self, runtime: &Handle, lake: &Arc<Lake>) -> Result<Option<UnitWriter>> {
        let begun = runtime.block_on(async {
            let table = lake.ensure_table(&self.definition).await?;
            let state = lake.unit_state(&table, &self.identity()).await?;
            if state.is_landed() {
                return Ok(None);
            }
            let stored: StoredDefinition = table.store_definition(lake, &self.definition).await?;
            let spec = UnitSpec {
                identity: self.identity(),
                source: format!("unit-{}", self.number),
                bytes_in: 100,
                max_quarantine: QuarantineLimit::default(),
                memory_bytes: self.memory_bytes,
                operation: "INGEST",
            };
            lake.begin_unit(table, Some(stored), spec).await.map(Some)
        })?;
        let Some(mut writer) = begun else {
            return Ok(None);
        };
        for rows in self.rows.chunks(500) {
            writer.write(0, &batch(&writer, rows))?;
        }
        Ok(Some(writer))
    }

    pub(crate) fn land(&self, runtime: &Handle, lake: &Arc<Lake>) -> Result<Option<UnitReport>> {
        match self.begin(runtime, lake)? {
            Some(writer) => writer.commit(runtime).map(Some),
            None => Ok(None),
        }
    }
}

fn batch(writer: &UnitWriter, rows: &[Sample]) -> RecordBatch {
    let schema = Arc::clone(writer.schema(0));
    let columns = schema.fields().iter();
    let columns = columns.map(|field| column(writer, rows, field)).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "seconds are few")]
fn column(writer: &UnitWriter, rows: &[Sample], field: &Field) -> ArrayRef {
    let rows = rows.iter();
    let count = rows.len();
    let times =
        |values: TimestampMicrosecondArray| -> ArrayRef { Arc::new(values.with_timezone("UTC")) };
    match field.name().as_str() {
        "time" => times(rows.map(|row| Some(row.micros())).collect()),
        "date" => {
            let day = |row: &Sample| i32::try_from(row.micros().div_euclid(DAY)).unwrap();
            Arc::new(rows.map(|row| Some(day(row))).collect::<Date32Array>())
        }
        "t" => Arc::new(
            rows.map(|row| Some(row.second as f64))
                .collect::<Float64Array>(),
        ),
        "host" => Arc::new(rows.map(|row| row.host).collect::<StringArray>()),
        "value" => Arc::new(rows.map(|row| row.value).collect::<Float64Array>()),
        "extra" => Arc::new(rows.map(|row| row.extra).collect::<Int64Array>()),
        "_ingest_id" => {
            let id = writer.ingest_id();
            Arc::new(rows.map(|_| Some(id)).collect::<Int64Array>())
        }
        "_ingested_at" => {
            let at = writer.started_at_micros();
            times(rows.map(|_| Some(at)).collect())
        }
        _ => new_null_array(field.data_type(), count),
    }
}

/// A report in a line.
pub(crate) fn said(report: &UnitReport) -> String {
    assert_eq!(
        report.rows_in,
        report.rows_committed
            + report.rows_quarantined
            + report.rows_duplicate
            + report.rows_skipped
    );
    format!(
        "{} in, {} committed, {} duplicate, {} conflicts, {} files",
        report.rows_in,
        report.rows_committed,
        report.rows_duplicate,
        report.key_conflicts,
        report.files()
    )
}
