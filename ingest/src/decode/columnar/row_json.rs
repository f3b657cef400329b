//! A row of an Arrow batch as one JSON object.
//!
//! Promises text that the JSON format reads back to the same values: numbers
//! in full precision, instants as RFC 3339 in UTC, bytes as lower-case hex,
//! NaN and infinities as the texts `NaN`, `inf` and `-inf`, spans in
//! microseconds, NULLs as `null`, structs and maps as objects.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    ArrowPrimitiveType, ArrowTemporalType, DataType, Date32Type, Date64Type, Decimal32Type,
    Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, RunEndIndexType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::temporal_conversions::as_datetime;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// A row as a JSON object, without a line end.
pub(super) fn row(batch: &RecordBatch, row: usize) -> String {
    let schema = batch.schema();
    let members = schema.fields().iter().zip(batch.columns());
    let mut out = String::new();
    object(
        &mut out,
        members.map(|(field, array)| (field.name().as_str(), array)),
        row,
    );
    out
}

/// A value as JSON.
pub(super) fn value(array: &ArrayRef, row: usize) -> String {
    let mut out = String::new();
    write_value(&mut out, array, row);
    out
}

/// A value as plain text: JSON, but text without quotes.
pub(super) fn text(array: &ArrayRef, row: usize) -> String {
    let json = value(array, row);
    serde_json::from_str::<String>(&json).unwrap_or(json)
}

fn write_value(out: &mut String, array: &ArrayRef, row: usize) {
    if array.is_null(row) {
        out.push_str("null");
        return;
    }
    match array.data_type() {
        DataType::Null => out.push_str("null"),
        DataType::Boolean => append(out, array.as_boolean().value(row)),
        DataType::Int8 => append(out, primitive::<Int8Type>(array, row)),
        DataType::Int16 => append(out, primitive::<Int16Type>(array, row)),
        DataType::Int32 => append(out, primitive::<Int32Type>(array, row)),
        DataType::Int64 => append(out, primitive::<Int64Type>(array, row)),
        DataType::UInt8 => append(out, primitive::<UInt8Type>(array, row)),
        DataType::UInt16 => append(out, primitive::<UInt16Type>(array, row)),
        DataType::UInt32 => append(out, primitive::<UInt32Type>(array, row)),
        DataType::UInt64 => append(out, primitive::<UInt64Type>(array, row)),
        DataType::Float16 => single(out, primitive::<Float16Type>(array, row).to_f32()),
        DataType::Float32 => single(out, primitive::<Float32Type>(array, row)),
        DataType::Float64 => double(out, primitive::<Float64Type>(array, row)),
        DataType::Decimal32(_, _) => decimal::<Decimal32Type>(out, array, row),
        DataType::Decimal64(_, _) => decimal::<Decimal64Type>(out, array, row),
        DataType::Decimal128(_, _) => decimal::<Decimal128Type>(out, array, row),
        DataType::Decimal256(_, _) => decimal::<Decimal256Type>(out, array, row),
        DataType::Utf8 => quoted(out, array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => quoted(out, array.as_string::<i64>().value(row)),
        DataType::Utf8View => quoted(out, array.as_string_view().value(row)),
        DataType::Binary => hex(out, array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => hex(out, array.as_binary::<i64>().value(row)),
        DataType::BinaryView => hex(out, array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => hex(out, array.as_fixed_size_binary().value(row)),
        DataType::Date32 => instant::<Date32Type>(out, array, row, "%Y-%m-%d"),
        DataType::Date64 => instant::<Date64Type>(out, array, row, RFC_3339),
        DataType::Timestamp(unit, _) => timestamp(out, array, row, *unit),
        DataType::Duration(unit) => duration(out, array, row, *unit),
        _ => nested(out, array, row),
    }
}

const RFC_3339: &str = "%Y-%m-%dT%H:%M:%S%.fZ";

fn nested(out: &mut String, array: &ArrayRef, row: usize) {
    match array.data_type() {
        DataType::List(_) => elements(out, &array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => elements(out, &array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(_, _) => elements(out, &array.as_fixed_size_list().value(row)),
        DataType::ListView(_) => elements(out, &array.as_list_view::<i32>().value(row)),
        DataType::LargeListView(_) => elements(out, &array.as_list_view::<i64>().value(row)),
        DataType::Struct(fields) => {
            let members = fields.iter().zip(array.as_struct().columns());
            object(
                out,
                members.map(|(field, child)| (field.name().as_str(), child)),
                row,
            );
        }
        DataType::Map(_, _) => map(out, array, row),
        DataType::Dictionary(_, _) => {
            let one = array.slice(row, 1);
            let dictionary = one.as_any_dictionary();
            write_value(out, dictionary.values(), dictionary.normalized_keys()[0]);
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => run::<Int16Type>(out, array, row),
            DataType::Int32 => run::<Int32Type>(out, array, row),
            _ => run::<Int64Type>(out, array, row),
        },
        _ => displayed(out, array, row),
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

fn append(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("writing to a string does not fail");
}

// The debug form of floats is the shortest that reads back to the same bits,
// with an exponent where digits would be many; both are JSON.
fn single(out: &mut String, value: f32) {
    if value.is_finite() {
        append(out, format_args!("{value:?}"));
    } else {
        quoted(out, &value.to_string());
    }
}

fn double(out: &mut String, value: f64) {
    if value.is_finite() {
        append(out, format_args!("{value:?}"));
    } else {
        quoted(out, &value.to_string());
    }
}

fn decimal<T: DecimalType>(out: &mut String, array: &ArrayRef, row: usize) {
    out.push_str(&array.as_primitive::<T>().value_as_string(row));
}

fn quoted(out: &mut String, text: &str) {
    let json = serde_json::to_string(text).expect("text is always JSON");
    out.push_str(&json);
}

fn hex(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for byte in bytes {
        append(out, format_args!("{byte:02x}"));
    }
    out.push('"');
}

fn timestamp(out: &mut String, array: &ArrayRef, row: usize, unit: TimeUnit) {
    match unit {
        TimeUnit::Second => instant::<TimestampSecondType>(out, array, row, RFC_3339),
        TimeUnit::Millisecond => instant::<TimestampMillisecondType>(out, array, row, RFC_3339),
        TimeUnit::Microsecond => instant::<TimestampMicrosecondType>(out, array, row, RFC_3339),
        TimeUnit::Nanosecond => instant::<TimestampNanosecondType>(out, array, row, RFC_3339),
    }
}

/// An instant as text; beyond the calendar's range, its count.
fn instant<T: ArrowTemporalType>(out: &mut String, array: &ArrayRef, row: usize, form: &str)
where
    i64: From<T::Native>,
{
    let count = i64::from(primitive::<T>(array, row));
    match as_datetime::<T>(count) {
        Some(instant) => append(out, format_args!("\"{}\"", instant.format(form))),
        None => append(out, count),
    }
}

fn duration(out: &mut String, array: &ArrayRef, row: usize, unit: TimeUnit) {
    match unit {
        TimeUnit::Second => append(
            out,
            i128::from(primitive::<DurationSecondType>(array, row)) * 1_000_000,
        ),
        TimeUnit::Millisecond => append(
            out,
            i128::from(primitive::<DurationMillisecondType>(array, row)) * 1_000,
        ),
        TimeUnit::Microsecond => append(out, primitive::<DurationMicrosecondType>(array, row)),
        TimeUnit::Nanosecond => {
            let nanos = primitive::<DurationNanosecondType>(array, row);
            let sign = if nanos < 0 { "-" } else { "" };
            let (micros, rest) = (nanos.unsigned_abs() / 1_000, nanos.unsigned_abs() % 1_000);
            match rest {
                0 => append(out, format_args!("{sign}{micros}")),
                _ => append(out, format_args!("{sign}{micros}.{rest:03}")),
            }
        }
    }
}

fn elements(out: &mut String, values: &ArrayRef) {
    out.push('[');
    for row in 0..values.len() {
        if row > 0 {
            out.push(',');
        }
        write_value(out, values, row);
    }
    out.push(']');
}

fn object<'a>(
    out: &mut String,
    members: impl Iterator<Item = (&'a str, &'a ArrayRef)>,
    row: usize,
) {
    out.push('{');
    for (index, (name, array)) in members.enumerate() {
        if index > 0 {
            out.push(',');
        }
        quoted(out, name);
        out.push(':');
        write_value(out, array, row);
    }
    out.push('}');
}

fn map(out: &mut String, array: &ArrayRef, row: usize) {
    let entries = array.as_map().value(row);
    let (keys, values) = (entries.column(0), entries.columns().get(1));
    out.push('{');
    for entry in 0..entries.len() {
        if entry > 0 {
            out.push(',');
        }
        quoted(out, &text(keys, entry));
        out.push(':');
        match values {
            Some(values) => write_value(out, values, entry),
            None => out.push_str("null"),
        }
    }
    out.push('}');
}

fn run<R: RunEndIndexType>(out: &mut String, array: &ArrayRef, row: usize) {
    let runs = array.as_run::<R>();
    write_value(out, runs.values(), runs.get_physical_index(row));
}

/// Times of day, intervals and what else has a text of its own.
fn displayed(out: &mut String, array: &ArrayRef, row: usize) {
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => quoted(out, &formatter.value(row).to_string()),
        Err(error) => quoted(out, &error.to_string()),
    }
}
