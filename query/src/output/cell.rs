//! One value as text, the same in every text format.

use std::io::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, SecondsFormat, Utc};
use downlake_lake::{Error, Result};

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes a value that is not NULL and not nested. Scalars have the text of
/// Arrow's display; instants and binary have ours.
pub(super) fn write_scalar(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<()> {
    match array.data_type() {
        DataType::Timestamp(unit, _) => write_instant(array, *unit, row, out),
        DataType::Utf8 => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
        DataType::Utf8View => out.extend_from_slice(array.as_string_view().value(row).as_bytes()),
        DataType::Binary => write_hex(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => write_hex(array.as_binary::<i64>().value(row), out),
        DataType::BinaryView => write_hex(array.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => write_hex(array.as_fixed_size_binary().value(row), out),
        _ => write_displayed(array, row, out)?,
    }
    Ok(())
}

fn write_displayed(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<()> {
    let formatter = ArrayFormatter::try_new(array, &FormatOptions::default())?;
    write!(out, "{}", formatter.value(row)).map_err(|error| {
        Error::invalid(format!(
            "a value of type {} has no text: {error}",
            array.data_type()
        ))
    })
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(HEX_DIGITS[usize::from(byte >> 4)]);
        out.push(HEX_DIGITS[usize::from(byte & 15)]);
    }
}

/// RFC 3339 in UTC with microseconds; with nanoseconds only where there are
/// some. An instant beyond the calendar is its count, with the unit.
fn write_instant(array: &dyn Array, unit: TimeUnit, row: usize, out: &mut Vec<u8>) {
    let (count, name) = match unit {
        TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), "s"),
        TimeUnit::Millisecond => (
            array.as_primitive::<TimestampMillisecondType>().value(row),
            "ms",
        ),
        TimeUnit::Microsecond => (
            array.as_primitive::<TimestampMicrosecondType>().value(row),
            "us",
        ),
        TimeUnit::Nanosecond => (
            array.as_primitive::<TimestampNanosecondType>().value(row),
            "ns",
        ),
    };
    let text = match instant(unit, count) {
        Some(instant) => {
            let finest = if instant.timestamp_subsec_nanos() % 1000 == 0 {
                SecondsFormat::Micros
            } else {
                SecondsFormat::Nanos
            };
            instant.to_rfc3339_opts(finest, true)
        }
        None => format!("{count}{name}"),
    };
    out.extend_from_slice(text.as_bytes());
}

fn instant(unit: TimeUnit, count: i64) -> Option<DateTime<Utc>> {
    match unit {
        TimeUnit::Second => DateTime::from_timestamp(count, 0),
        TimeUnit::Millisecond => DateTime::from_timestamp_millis(count),
        TimeUnit::Microsecond => DateTime::from_timestamp_micros(count),
        TimeUnit::Nanosecond => Some(DateTime::from_timestamp_nanos(count)),
    }
}

/// Whether values of the type are written as JSON in every text format.
pub(super) fn is_nested(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_nested(values),
        other => other.is_nested(),
    }
}
