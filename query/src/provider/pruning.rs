//! Which files a query need not open.
//!
//! A file is left out only where its partition values, its statistics, or
//! the partition seen as bounds of the axis prove that no row matches. What
//! is not known never proves anything: NULL stands for it.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use chrono::{Datelike, Months, NaiveDate};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use downlake_lake::log::ColumnStats;
use serde_json::Value;

use super::DataFile;
use crate::catalog::TableSnapshot;

/// The widest a bound can be off: the log keeps milliseconds, rounded down.
const TIME_SLACK_MICROS: i64 = 999;

const DAY_MICROS: i64 = 86_400_000_000;

/// The files that may hold a row which all filters accept.
pub(super) fn prune(
    table: &TableSnapshot,
    files: Vec<DataFile>,
    state: &dyn Session,
    filters: &[Expr],
) -> EngineResult<Vec<DataFile>> {
    let Some(filter) = conjunction(filters.iter().cloned()) else {
        return Ok(files);
    };
    let schema = Arc::clone(&table.snapshot.schema);
    let df_schema = DFSchema::try_from(Arc::clone(&schema))?;
    let predicate = state.create_physical_expr(filter, &df_schema)?;
    let Some(predicate) = PruningPredicateBuilder::new()
        .with_file_schema(schema)
        .build(predicate)
    else {
        return Ok(files);
    };
    let keep = predicate.prune(&Bounds {
        table,
        files: &files,
    })?;
    Ok(files
        .into_iter()
        .zip(keep)
        .filter_map(|(file, keep)| keep.then_some(file))
        .collect())
}

/// Lowest and highest value of a column in a file; NULL where not known.
pub(super) struct Range {
    pub(super) min: ScalarValue,
    pub(super) max: ScalarValue,
}

/// What the log proves of the columns of some files.
struct Bounds<'a> {
    table: &'a TableSnapshot,
    files: &'a [DataFile],
}

impl Bounds<'_> {
    fn schema(&self) -> &SchemaRef {
        &self.table.snapshot.schema
    }

    fn array(&self, column: &Column, side: impl Fn(Range) -> ScalarValue) -> Option<ArrayRef> {
        let field = self.schema().field_with_name(&column.name).ok()?;
        let values = self.files.iter().map(|file| {
            match range(self.table, file, &column.name, field.data_type()) {
                Some(range) => side(range),
                None => ScalarValue::try_new_null(field.data_type()).unwrap_or(ScalarValue::Null),
            }
        });
        ScalarValue::iter_to_array(values)
            .ok()
            .filter(|array| array.data_type() == field.data_type())
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.array(column, |range| range.min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.array(column, |range| range.max)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts = self
            .files
            .iter()
            .map(|file| nulls(self.table, file, &column.name));
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(
            self.files
                .iter()
                .map(|file| file.entry.stats.rows)
                .collect::<UInt64Array>(),
        ))
    }

    fn contained(
        &self,
        _: &Column,
        _: &std::collections::HashSet<ScalarValue>,
    ) -> Option<BooleanArray> {
        None
    }
}

/// NULLs of a column in a file, where known.
pub(super) fn nulls(table: &TableSnapshot, file: &DataFile, column: &str) -> Option<u64> {
    match partition_index(table, column) {
        Some(index) if file.partition[index].is_null() => file.entry.stats.rows,
        Some(_) => Some(0),
        None => file.entry.stats.columns.get(column)?.nulls,
    }
}

fn partition_index(table: &TableSnapshot, column: &str) -> Option<usize> {
    table
        .snapshot
        .partition_columns
        .iter()
        .position(|p| p == column)
}

/// Bounds of a column in a file: the partition value itself, the statistics,
/// or what the partition says of the axis.
pub(super) fn range(
    table: &TableSnapshot,
    file: &DataFile,
    column: &str,
    data_type: &DataType,
) -> Option<Range> {
    if let Some(index) = partition_index(table, column) {
        let value = &file.partition[index];
        return Some(Range {
            min: value.clone(),
            max: value.clone(),
        });
    }
    let stored = file
        .entry
        .stats
        .columns
        .get(column)
        .and_then(|stats| stored_range(stats, data_type));
    stored.or_else(|| range_of_period(table, file, column, data_type))
}

fn stored_range(stats: &ColumnStats, data_type: &DataType) -> Option<Range> {
    let bound = |value: &Option<Value>, slack: i64| match value {
        Some(value) => bound(value, data_type, slack),
        None => None,
    };
    let (min, max) = (bound(&stats.min, 0), bound(&stats.max, TIME_SLACK_MICROS));
    if min.is_none() && max.is_none() {
        return None;
    }
    let null = ScalarValue::try_new_null(data_type).ok()?;
    Some(Range {
        min: min.unwrap_or_else(|| null.clone()),
        max: max.unwrap_or(null),
    })
}

/// A bound of the log as a value of the column. Floats have none: a NaN is
/// above (or below) every bound, and the log does not say whether there is one.
fn bound(value: &Value, data_type: &DataType, slack_micros: i64) -> Option<ScalarValue> {
    match data_type {
        DataType::Int8 => Some(ScalarValue::Int8(Some(value.as_i64()?.try_into().ok()?))),
        DataType::Int16 => Some(ScalarValue::Int16(Some(value.as_i64()?.try_into().ok()?))),
        DataType::Int32 => Some(ScalarValue::Int32(Some(value.as_i64()?.try_into().ok()?))),
        DataType::Int64 => Some(ScalarValue::Int64(Some(value.as_i64()?))),
        DataType::Boolean => Some(ScalarValue::Boolean(Some(value.as_bool()?))),
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(value.as_str()?.to_owned()))),
        DataType::Date32 => {
            ScalarValue::try_from_string(value.as_str()?.to_owned(), data_type).ok()
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = instant_micros(value.as_str()?)?.checked_add(slack_micros)?;
            Some(ScalarValue::TimestampMicrosecond(
                Some(micros),
                zone.clone(),
            ))
        }
        DataType::Decimal128(_, 0) => {
            ScalarValue::try_from_string(value.as_i64()?.to_string(), data_type).ok()
        }
        _ => None,
    }
}

fn instant_micros(text: &str) -> Option<i64> {
    let instant =
        arrow::compute::kernels::cast_utils::string_to_datetime(&chrono::Utc, text).ok()?;
    Some(instant.timestamp_micros())
}

/// The axis column lies within the day, month or year of its partition, and
/// so does the day itself where it is not the partition.
fn range_of_period(
    table: &TableSnapshot,
    file: &DataFile,
    column: &str,
    data_type: &DataType,
) -> Option<Range> {
    if table.axis.as_deref() != Some("time") {
        return None;
    }
    let (first, after) = period(table, file)?;
    match (column, data_type) {
        ("time", DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            let instant = |micros| ScalarValue::TimestampMicrosecond(Some(micros), zone.clone());
            let micros = |day| i64::from(day) * DAY_MICROS;
            Some(Range {
                min: instant(micros(first)),
                max: instant(micros(after) - 1),
            })
        }
        ("date", DataType::Date32) => Some(Range {
            min: ScalarValue::Date32(Some(first)),
            max: ScalarValue::Date32(Some(after - 1)),
        }),
        _ => None,
    }
}

/// First day of the partition's period and the day after its last, in days
/// since 1970.
fn period(table: &TableSnapshot, file: &DataFile) -> Option<(i32, i32)> {
    let partition = table.snapshot.partition_columns.iter().zip(&file.partition);
    partition
        .filter_map(|(name, value)| match (name.as_str(), value) {
            ("date", ScalarValue::Date32(Some(day))) => Some((*day, day.checked_add(1)?)),
            ("month", ScalarValue::Date32(Some(day))) => {
                let first = NaiveDate::from_epoch_days(*day)?.with_day(1)?;
                Some((days(first), days(first.checked_add_months(Months::new(1))?)))
            }
            ("year", ScalarValue::Int32(Some(year))) => Some((
                days(NaiveDate::from_ymd_opt(*year, 1, 1)?),
                days(NaiveDate::from_ymd_opt(year.checked_add(1)?, 1, 1)?),
            )),
            _ => None,
        })
        .next()
}

fn days(date: NaiveDate) -> i32 {
    date.to_epoch_days()
}
