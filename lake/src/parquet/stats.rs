//! Bounds of columns, from the statistics that the encoder kept anyway.
//!
//! Bounds are never narrower than the values: texts are cut to a prefix (the
//! maximum then raised), timestamps are floored and ceiled to milliseconds,
//! which is all that Delta's statistics hold. NaN is outside all bounds.
//! Where JSON cannot hold a bound exactly (infinities, long decimals, years
//! beyond 9999) there is none, nor for texts of kilobytes, whose NULLs are not
//! counted either. Boolean, binary and nested columns have no
//! bounds; nested columns have no NULL count either.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, UInt64Array};
use arrow::compute::{max, max_string, min, min_string, sum};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::SchemaDescriptor;
use serde_json::Value;

use crate::Result;
use crate::log::{ColumnStats, FileStats};

/// Characters of a text bound, as Spark and the Delta kernel cut them.
const TEXT_BOUND_CHARS: usize = 32;
/// Decimal digits that a double, and so every JSON reader, returns unchanged.
const JSON_EXACT_DIGITS: usize = 15;

/// Bounds of the columns for which `wanted` holds.
pub(super) fn file_stats(
    metadata: &ParquetMetaData,
    schema: &Schema,
    wanted: impl Fn(&str) -> bool,
) -> Result<FileStats> {
    let mut stats = FileStats {
        rows: u64::try_from(metadata.file_metadata().num_rows()).ok(),
        ..FileStats::default()
    };
    for (field, leaf) in flat_leaves(metadata, schema) {
        if wanted(schema.field(field).name()) {
            let bounds = Bounds::read(metadata, schema, field, leaf)?;
            let name = schema.field(field).name().clone();
            stats.columns.insert(name, bounds.to_stats());
        }
    }
    Ok(stats)
}

/// The exact least and greatest value of a column as text: microseconds for
/// timestamps, the number itself for numbers. `None` where it has no bounds.
pub(super) fn exact_bounds(
    metadata: &ParquetMetaData,
    schema: &Schema,
    column: &str,
) -> Result<Option<(String, String)>> {
    let Some((field, leaf)) = flat_leaves(metadata, schema)
        .into_iter()
        .find(|(field, _)| schema.field(*field).name() == column)
    else {
        return Ok(None);
    };
    let bounds = Bounds::read(metadata, schema, field, leaf)?;
    Ok(exact_text(&bounds.mins, End::Min).zip(exact_text(&bounds.maxes, End::Max)))
}

/// The place of the leaf of each column that is not nested, by the column's place.
pub(super) fn leaf_places(schema: &SchemaDescriptor) -> Vec<(usize, usize)> {
    (0..schema.num_columns())
        .filter(|&leaf| schema.column(leaf).path().parts().len() == 1)
        .map(|leaf| (schema.get_column_root_idx(leaf), leaf))
        .collect()
}

fn flat_leaves(metadata: &ParquetMetaData, schema: &Schema) -> Vec<(usize, usize)> {
    let mut places = leaf_places(metadata.file_metadata().schema_descr());
    places.retain(|(field, _)| !schema.field(*field).data_type().is_nested());
    places
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Min,
    Max,
}

/// Statistics of one column, a value per row group.
struct Bounds {
    mins: ArrayRef,
    maxes: ArrayRef,
    nulls: Option<u64>,
}

impl Bounds {
    fn read(
        metadata: &ParquetMetaData,
        schema: &Schema,
        field: usize,
        leaf: usize,
    ) -> Result<Bounds> {
        let parquet_schema = metadata.file_metadata().schema_descr();
        let converter =
            StatisticsConverter::from_column_index(leaf, schema.field(field), parquet_schema)?;
        let groups = metadata.row_groups();
        Ok(Bounds {
            mins: converter.row_group_mins(groups)?,
            maxes: converter.row_group_maxes(groups)?,
            nulls: null_count(&converter.row_group_null_counts(groups)?),
        })
    }

    fn to_stats(&self) -> ColumnStats {
        ColumnStats {
            min: json_bound(&self.mins, End::Min),
            max: json_bound(&self.maxes, End::Max),
            nulls: self.nulls,
        }
    }
}

/// Unknown as soon as one row group does not say it: a missing count is not zero.
fn null_count(groups: &UInt64Array) -> Option<u64> {
    (groups.null_count() == 0).then(|| sum(groups).unwrap_or(0))
}

fn json_bound(values: &ArrayRef, end: End) -> Option<Value> {
    match values.data_type() {
        DataType::Int8 => extreme::<Int8Type>(values, end).map(Value::from),
        DataType::Int16 => extreme::<Int16Type>(values, end).map(Value::from),
        DataType::Int32 => extreme::<Int32Type>(values, end).map(Value::from),
        DataType::Int64 => extreme::<Int64Type>(values, end).map(Value::from),
        DataType::Float32 => double_json(extreme::<Float32Type>(values, end)?.into()),
        DataType::Float64 => double_json(extreme::<Float64Type>(values, end)?),
        DataType::Date32 => date_json(extreme::<Date32Type>(values, end)?),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            timestamp_json(extreme::<TimestampMicrosecondType>(values, end)?, end)
        }
        DataType::Decimal128(_, scale) => {
            decimal_json(extreme::<Decimal128Type>(values, end)?, *scale)
        }
        DataType::Utf8 => text_json(values, end),
        _ => None,
    }
}

fn exact_text(values: &ArrayRef, end: End) -> Option<String> {
    match values.data_type() {
        DataType::Int8 => extreme::<Int8Type>(values, end).map(|v| v.to_string()),
        DataType::Int16 => extreme::<Int16Type>(values, end).map(|v| v.to_string()),
        DataType::Int32 => extreme::<Int32Type>(values, end).map(|v| v.to_string()),
        DataType::Int64 => extreme::<Int64Type>(values, end).map(|v| v.to_string()),
        // Widened first: the short text of a single reads as another double.
        DataType::Float32 => extreme::<Float32Type>(values, end).map(|v| f64::from(v).to_string()),
        DataType::Float64 => extreme::<Float64Type>(values, end).map(|v| v.to_string()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            extreme::<TimestampMicrosecondType>(values, end).map(|v| v.to_string())
        }
        DataType::Decimal128(_, 0) => extreme::<Decimal128Type>(values, end).map(|v| v.to_string()),
        _ => None,
    }
}

fn extreme<T: ArrowPrimitiveType>(values: &ArrayRef, end: End) -> Option<T::Native> {
    let values = values.as_primitive::<T>();
    match end {
        End::Min => min(values),
        End::Max => max(values),
    }
}

fn double_json(value: f64) -> Option<Value> {
    serde_json::Number::from_f64(value).map(Value::Number)
}

fn date_json(days: i32) -> Option<Value> {
    let distance = Days::new(days.unsigned_abs().into());
    let date = if days < 0 {
        NaiveDate::default().checked_sub_days(distance)?
    } else {
        NaiveDate::default().checked_add_days(distance)?
    };
    has_four_digit_year(date.year()).then(|| date.format("%Y-%m-%d").to_string().into())
}

fn timestamp_json(micros: i64, end: End) -> Option<Value> {
    let millis = match end {
        End::Min => micros.div_euclid(1000),
        End::Max => micros.div_euclid(1000) + i64::from(micros.rem_euclid(1000) > 0),
    };
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(millis)?;
    has_four_digit_year(time.year())
        .then(|| time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into())
}

fn has_four_digit_year(year: i32) -> bool {
    (0..=9999).contains(&year)
}

/// Whole numbers of 64 bits are exact in JSON; others only as far as a double is.
fn decimal_json(unscaled: i128, scale: i8) -> Option<Value> {
    if scale == 0 {
        let signed = i64::try_from(unscaled).map(Value::from);
        return signed
            .or_else(|_| u64::try_from(unscaled).map(Value::from))
            .ok();
    }
    let digits = unscaled.unsigned_abs().to_string().len();
    if scale < 0 || digits > JSON_EXACT_DIGITS {
        return None;
    }
    double_json(format!("{unscaled}e-{scale}").parse().ok()?)
}

fn text_json(values: &ArrayRef, end: End) -> Option<Value> {
    let values = values.as_string::<i32>();
    match end {
        End::Min => min_string(values).map(|text| prefix(text).into()),
        End::Max => max_string(values).and_then(upper_bound).map(Value::from),
    }
}

fn prefix(text: &str) -> &str {
    text.char_indices()
        .nth(TEXT_BOUND_CHARS)
        .map_or(text, |(end, _)| &text[..end])
}

/// The text itself if it is short, else its prefix with the last character
/// that can be raised raised. None where no character can be.
fn upper_bound(text: &str) -> Option<String> {
    let prefix = prefix(text);
    if prefix.len() == text.len() {
        return Some(text.to_owned());
    }
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = next_char(last) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// The character after this one; surrogates are not characters.
fn next_char(c: char) -> Option<char> {
    match c {
        '\u{D7FF}' => Some('\u{E000}'),
        c => char::from_u32(u32::from(c) + 1),
    }
}
