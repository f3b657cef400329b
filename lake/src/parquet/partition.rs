//! Names of data files and of the folders they live in.
//!
//! Folders are Hive's: `name=value` with reserved characters as `%XX`. The
//! text of a value is the Delta protocol's ("Partition Value Serialization").
//! Readers of the log take values from the log; the folders are for people
//! and for engines that only see files.

use std::fmt::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, Days, NaiveDate};

use crate::seam::Random;
use crate::{Error, Result};

/// The folder name that stands for NULL.
pub const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The folder of a partition, relative to the table: `a=1/b=x`, empty
/// without partition columns. An empty text is NULL, as the Delta protocol says.
pub fn partition_path(values: &[(&str, Option<&str>)]) -> String {
    let mut path = String::new();
    for (name, value) in values {
        if !path.is_empty() {
            path.push('/');
        }
        escape_into(name, &mut path);
        path.push('=');
        match value.filter(|text| !text.is_empty()) {
            Some(text) => escape_into(text, &mut path),
            None => path.push_str(HIVE_NULL),
        }
    }
    path
}

/// A name that no other file has: `part-<tag>-<16 random hex digits>.parquet`.
pub fn file_name(tag: &str, random: &dyn Random) -> String {
    format!("part-{tag}-{:016x}.parquet", random.next_u64())
}

/// Percent-encodes what Hive reserves in folder names (`FileUtils` of Hive's
/// metastore): control characters and `"#%'*/:=?\{[]^` and DEL.
fn escape_into(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(c) {
            write!(out, "%{:02X}", u32::from(c)).expect("writing to a string does not fail");
        } else {
            out.push(c);
        }
    }
}

/// The Delta text of a partition value; `None` is NULL.
///
/// Fails with [`crate::ErrorKind::Invalid`] for types that Delta does not
/// partition by, and for binary columns.
pub fn partition_text(column: &dyn Array, row: usize) -> Result<Option<String>> {
    if column.is_null(row) {
        return Ok(None);
    }
    let text = match column.data_type() {
        DataType::Date32 => date_text(column.as_primitive::<Date32Type>().value(row))?,
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            timestamp_text(column.as_primitive::<TimestampMicrosecondType>().value(row))?
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let key = dictionary.normalized_keys()[row];
            return partition_text(dictionary.values(), key);
        }
        kind if kind.is_integer() || kind.is_string() => array_value_to_string(column, row)?,
        DataType::Boolean | DataType::Decimal128(..) => array_value_to_string(column, row)?,
        other => {
            return Err(Error::invalid(format!(
                "a table cannot be partitioned by a column of type {other}; use a date, a whole number, or text"
            )));
        }
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn date_text(days: i32) -> Result<String> {
    let epoch = NaiveDate::default();
    let distance = Days::new(days.unsigned_abs().into());
    let date = if days < 0 {
        epoch.checked_sub_days(distance)
    } else {
        epoch.checked_add_days(distance)
    };
    let date = date
        .ok_or_else(|| Error::invalid(format!("day {days} since 1970 is not a calendar date")))?;
    Ok(date.format("%Y-%m-%d").to_string())
}

fn timestamp_text(micros: i64) -> Result<String> {
    let time = DateTime::from_timestamp_micros(micros).ok_or_else(|| {
        Error::invalid(format!(
            "{micros} microseconds since 1970 is not a calendar time"
        ))
    })?;
    Ok(time.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
}
