//! The table that a definition makes: columns, partition, order, statistics.
//!
//! Promises: a definition that passes its check always gives the same
//! columns in the same order: constants, the absolute axis (`time`, `date`,
//! then `month` or `year`), the columns of the source, and what the lake
//! adds. Columns that a table gets later stand behind all of them in the
//! log, so rows are matched by name.
//!
//! A single column that is the whole absolute axis (code `iso`) becomes
//! `time`, and the column of the receipt becomes `_received_at`; neither is
//! kept a second time, save the `__ns` companion of nanosecond timestamps.
//! Clocks in other codes stay beside `time`.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::names::{
    DATE, INGEST_ID, INGESTED_AT, KEY_CONFLICT, MONTH, NANOS_SUFFIX, RAW_SUFFIX, RECEIVED_AT, TIME,
    YEAR,
};
use super::{AbsoluteTime, Column, ColumnType, Definition, Partition, TimeAxis, TimeCode};

/// Key of a field's metadata: the unit, as text.
pub const UNIT_KEY: &str = "downlake.unit";
/// Key of a field's metadata: what the column is.
pub const DESCRIPTION_KEY: &str = "downlake.description";
/// Key of a field's metadata: the name in the source.
pub const SOURCE_KEY: &str = "downlake.source";

/// Columns whose statistics files carry, at most.
pub const MAX_STATS_COLUMNS: usize = 32;

impl Definition {
    /// The columns of a new table, with units, descriptions and source names
    /// as field metadata.
    pub fn table_schema(&self) -> SchemaRef {
        let constants = self.constants.iter();
        let mut fields: Vec<Field> = constants
            .map(|name| Field::new(name, DataType::Utf8, true))
            .collect();
        fields.extend(self.axis_fields());
        for column in &self.columns {
            fields.extend(self.kept_fields(column));
        }
        fields.extend([
            instant_field(RECEIVED_AT),
            instant_field(INGESTED_AT),
            Field::new(INGEST_ID, DataType::Int64, true),
        ]);
        if !self.dedup_by.is_empty() {
            fields.push(Field::new(KEY_CONFLICT, DataType::Boolean, true));
        }
        Arc::new(Schema::new(fields))
    }

    /// The batches that decoders produce: exactly the columns of the
    /// definition, in order.
    pub fn decoded_schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self.columns.iter().map(Column::decoded_field).collect();
        Arc::new(Schema::new(fields))
    }

    /// The columns by which the table's folders are cut.
    pub fn partition_columns(&self) -> Vec<&'static str> {
        match (&self.time, self.partition) {
            (TimeAxis::Absolute(_), Partition::Day) => vec![DATE],
            (TimeAxis::Absolute(_), Partition::Month) => vec![MONTH],
            (TimeAxis::Absolute(_), Partition::Year) => vec![YEAR],
            _ => Vec::new(),
        }
    }

    /// The column along which rows are ordered: `time`, or the relative axis.
    pub fn axis(&self) -> Option<&str> {
        match &self.time {
            TimeAxis::Absolute(_) => Some(TIME),
            TimeAxis::Relative { column, .. } => Some(column),
            TimeAxis::None => None,
        }
    }

    /// The order of rows inside every file: constants, then `sort_by`, or
    /// where it is empty the run key and the axis. `_ingest_id` is never
    /// among them: it has one value in a file that was ingested.
    pub fn sort_columns(&self) -> Vec<String> {
        let mut sort = self.constants.clone();
        if self.sort_by.is_empty() {
            if let TimeAxis::Relative {
                run_key: Some(run), ..
            } = &self.time
            {
                push_distinct(&mut sort, run);
            }
            if let Some(axis) = self.axis() {
                push_distinct(&mut sort, axis);
            }
        } else {
            for name in &self.sort_by {
                push_distinct(&mut sort, self.stored_name(name));
            }
        }
        sort.retain(|name| name != INGEST_ID);
        sort
    }

    /// The key of duplicate rows, as columns of the table.
    pub fn dedup_columns(&self) -> Vec<String> {
        let mut key = Vec::new();
        for name in &self.dedup_by {
            push_distinct(&mut key, self.stored_name(name));
        }
        key
    }

    /// The columns of the table in which equal rows may differ.
    pub fn dedup_ignored_columns(&self) -> Vec<String> {
        let mut ignored = Vec::new();
        for name in &self.dedup_ignore {
            push_distinct(&mut ignored, self.stored_name(name));
            for field in self.column(name).iter().flat_map(|c| self.kept_fields(c)) {
                push_distinct(&mut ignored, field.name());
            }
        }
        ignored
    }

    /// The columns whose bounds files carry: the axis, the sort keys, the
    /// receipt and the source unit, then the first others, up to
    /// [`MAX_STATS_COLUMNS`]. Partition columns need none; lists and bytes
    /// have no bounds.
    pub fn stats_columns(&self) -> Vec<String> {
        let schema = self.table_schema();
        let partition = self.partition_columns();
        let bounded = |name: &str| {
            schema.field_with_name(name).is_ok_and(|field| {
                !matches!(field.data_type(), DataType::List(_) | DataType::Binary)
                    && !partition.contains(&name)
            })
        };
        let mut stats = Vec::new();
        let sort = self.sort_columns();
        let first = self
            .axis()
            .into_iter()
            .chain(sort.iter().map(String::as_str));
        let others = schema.fields().iter().map(|field| field.name().as_str());
        for name in first.chain([RECEIVED_AT, INGEST_ID]).chain(others) {
            if stats.len() == MAX_STATS_COLUMNS {
                break;
            }
            if bounded(name) {
                push_distinct(&mut stats, name);
            }
        }
        stats
    }

    /// The name in the table under which the values of a column are found.
    pub fn stored_name<'a>(&self, column: &'a str) -> &'a str {
        if self.time_source_name() == Some(column) {
            return TIME;
        }
        if self.received_at.as_deref() == Some(column) {
            return RECEIVED_AT;
        }
        column
    }

    /// The one column that becomes `time` and is not kept beside it.
    pub fn time_source(&self) -> Option<&Column> {
        self.column(self.time_source_name()?)
    }

    fn time_source_name(&self) -> Option<&str> {
        match &self.time {
            TimeAxis::Absolute(AbsoluteTime {
                columns,
                code: TimeCode::Iso,
                ..
            }) => columns.first().map(String::as_str),
            _ => None,
        }
    }

    /// The source columns from which the axis is read.
    pub fn axis_columns(&self) -> Vec<&str> {
        match &self.time {
            TimeAxis::Absolute(time) => time.columns.iter().map(String::as_str).collect(),
            TimeAxis::Relative { column, .. } => vec![column],
            TimeAxis::None => Vec::new(),
        }
    }

    /// The table's columns that a source column becomes, with metadata.
    pub fn kept_fields(&self, column: &Column) -> Vec<Field> {
        let mut fields = column.stored_fields();
        let name = Some(column.name.as_str());
        if self.time_source_name() == name || self.received_at.as_deref() == name {
            // The first field is the value; what follows it is said nowhere else.
            fields.remove(0);
        }
        fields
            .into_iter()
            .map(|field| with_metadata(field, column))
            .collect()
    }

    fn axis_fields(&self) -> Vec<Field> {
        if !matches!(self.time, TimeAxis::Absolute(_)) {
            return Vec::new();
        }
        let time = instant_field(TIME);
        let time = match self.time_source() {
            Some(column) => with_metadata(time, column),
            None => time,
        };
        let mut fields = vec![time, Field::new(DATE, DataType::Date32, true)];
        fields.extend(match self.partition {
            Partition::Month => Some(Field::new(MONTH, DataType::Date32, true)),
            Partition::Year => Some(Field::new(YEAR, DataType::Int32, true)),
            Partition::Day | Partition::None => None,
        });
        fields
    }
}

/// Microseconds, UTC.
fn instant_field(name: &str) -> Field {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Field::new(name, utc, true)
}

fn push_distinct(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|n| n == name) {
        names.push(name.to_string());
    }
}

/// The unit goes to the value, and to the nanoseconds their own.
fn with_metadata(field: Field, column: &Column) -> Field {
    let unit = if field.name() == &format!("{}{NANOS_SUFFIX}", column.name) {
        Some("ns")
    } else if column.kind == ColumnType::Duration {
        Some("us")
    } else if !field.name().ends_with(RAW_SUFFIX) || field.name() == &column.name {
        column.unit.as_deref()
    } else {
        None
    };
    let entries = [
        (UNIT_KEY, unit),
        (DESCRIPTION_KEY, column.description.as_deref()),
        (SOURCE_KEY, Some(column.source.as_str())),
    ];
    let metadata: HashMap<String, String> = entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_string(), value?.to_string())))
        .collect();
    field.with_metadata(metadata)
}
