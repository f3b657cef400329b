//! `_ledger`: what landed, in numbers that add up.
//!
//! The truth is in the data commits, which carry the same rows as JSON; the
//! ledger is their projection for people and for SQL. A row that a killed
//! process did not write is added by the next one (see `Lake::reconcile`).

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

/// The name of the table.
pub const LEDGER: &str = "_ledger";

/// One (unit, table) pair, or with `table_name: None` what of a unit belongs
/// to no table; the unit is done when that row exists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The landing.
    pub ingest_id: i64,
    /// The table, or none.
    pub table_name: Option<String>,
    /// The key of the pair.
    pub unit_key: String,
    /// Where the bytes came from.
    pub source: String,
    /// Hash of the definition that was used.
    pub definition_hash: Option<String>,
    /// `landed` or `undone`.
    pub state: String,
    /// The version of the table's log with the rows.
    pub version: Option<i64>,
    /// Records found.
    pub rows_in: i64,
    /// Rows in the table.
    pub rows_committed: i64,
    /// Records in `_quarantine`.
    pub rows_quarantined: i64,
    /// Rows dropped because the table had them.
    pub rows_duplicate: i64,
    /// Records that carry no data (blank lines, idle packets).
    pub rows_skipped: i64,
    /// Bytes read, as stored.
    pub bytes_in: i64,
    /// Bytes that no record could be made of.
    pub bytes_undecoded: i64,
    /// Earliest time, microseconds since 1970.
    pub min_time: Option<i64>,
    /// Latest time, microseconds since 1970.
    pub max_time: Option<i64>,
    /// When the landing began, microseconds since 1970.
    pub started_at: i64,
    /// When the data was committed, microseconds since 1970.
    pub landed_at: i64,
    /// The machine.
    pub host: String,
    /// The software and its version.
    pub software: String,
}

impl LedgerRow {
    /// Whether every record of the row is accounted for.
    pub fn adds_up(&self) -> bool {
        self.rows_in
            == self.rows_committed + self.rows_quarantined + self.rows_duplicate + self.rows_skipped
    }
}

enum Cells {
    Long(fn(&LedgerRow) -> Option<i64>),
    Time(fn(&LedgerRow) -> Option<i64>),
    Text(fn(&LedgerRow) -> Option<&str>),
}

const COLUMNS: &[(&str, Cells)] = &[
    ("ingest_id", Cells::Long(|r| Some(r.ingest_id))),
    ("table_name", Cells::Text(|r| r.table_name.as_deref())),
    ("unit_key", Cells::Text(|r| Some(&r.unit_key))),
    ("source", Cells::Text(|r| Some(&r.source))),
    (
        "definition_hash",
        Cells::Text(|r| r.definition_hash.as_deref()),
    ),
    ("state", Cells::Text(|r| Some(&r.state))),
    ("version", Cells::Long(|r| r.version)),
    ("rows_in", Cells::Long(|r| Some(r.rows_in))),
    ("rows_committed", Cells::Long(|r| Some(r.rows_committed))),
    (
        "rows_quarantined",
        Cells::Long(|r| Some(r.rows_quarantined)),
    ),
    ("rows_duplicate", Cells::Long(|r| Some(r.rows_duplicate))),
    ("rows_skipped", Cells::Long(|r| Some(r.rows_skipped))),
    ("bytes_in", Cells::Long(|r| Some(r.bytes_in))),
    ("bytes_undecoded", Cells::Long(|r| Some(r.bytes_undecoded))),
    ("min_time", Cells::Time(|r| r.min_time)),
    ("max_time", Cells::Time(|r| r.max_time)),
    ("started_at", Cells::Time(|r| Some(r.started_at))),
    ("landed_at", Cells::Time(|r| Some(r.landed_at))),
    ("host", Cells::Text(|r| Some(&r.host))),
    ("software", Cells::Text(|r| Some(&r.software))),
];

/// The columns of the table.
pub fn ledger_schema() -> SchemaRef {
    let fields: Vec<Field> = COLUMNS
        .iter()
        .map(|(name, cells)| match cells {
            Cells::Long(_) => Field::new(*name, DataType::Int64, true),
            Cells::Time(_) => utc_field(name),
            Cells::Text(_) => Field::new(*name, DataType::Utf8, true),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The rows as one batch of [`ledger_schema`].
pub fn ledger_batch(rows: &[LedgerRow]) -> RecordBatch {
    let columns = COLUMNS
        .iter()
        .map(|(_, cells)| -> ArrayRef {
            match cells {
                Cells::Long(get) => Arc::new(rows.iter().map(get).collect::<Int64Array>()),
                Cells::Time(get) => utc_array(rows.iter().map(get)),
                Cells::Text(get) => Arc::new(rows.iter().map(get).collect::<StringArray>()),
            }
        })
        .collect();
    RecordBatch::try_new(ledger_schema(), columns).expect("columns are built from the schema")
}

/// A nullable instant in UTC, microseconds.
pub(crate) fn utc_field(name: &str) -> Field {
    Field::new(
        name,
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        true,
    )
}

pub(crate) fn utc_array(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(
        values
            .collect::<TimestampMicrosecondArray>()
            .with_timezone("UTC"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_survives_json_and_fills_every_column() {
        let row = LedgerRow {
            ingest_id: 5,
            table_name: Some("engine".into()),
            rows_in: 10,
            rows_committed: 6,
            rows_quarantined: 1,
            rows_duplicate: 1,
            rows_skipped: 2,
            min_time: Some(1),
            ..LedgerRow::default()
        };
        assert!(row.adds_up());
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(serde_json::from_value::<LedgerRow>(json).unwrap(), row);
        let batch = ledger_batch(&[row, LedgerRow::default()]);
        assert_eq!(batch.schema(), ledger_schema());
        assert_eq!(batch.column_by_name("table_name").unwrap().null_count(), 1);
        assert_eq!(batch.column_by_name("min_time").unwrap().null_count(), 1);
    }

    #[test]
    fn a_lost_row_is_seen() {
        assert!(
            !LedgerRow {
                rows_in: 2,
                rows_committed: 1,
                ..LedgerRow::default()
            }
            .adds_up()
        );
    }
}
