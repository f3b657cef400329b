//! Column types: what a decoder produces, what a table stores, what an Arrow
//! source becomes, and how a definition spells it.
//!
//! Promises: every value of a type has exactly one place in the stored type;
//! widening is exact. Refuses, by name, Arrow types that a table cannot hold
//! without losing something.

mod arrow_source;
mod merge;

#[cfg(test)]
pub(in crate::schema) mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::names::{NANOS_SUFFIX, RAW_SUFFIX};
use super::near::did_you_mean;
use super::{Column, ColumnType};
use crate::{Error, Result};

pub use arrow_source::{SourceColumns, columns_from_arrow};
pub(super) use merge::fits;
pub use merge::merge_types;

/// Most digits of a decimal that Delta stores.
pub const MAX_DECIMAL_PRECISION: u8 = 38;

/// The types without parameters, in their text form.
const PLAIN: &[(&str, ColumnType)] = &[
    ("bool", ColumnType::Bool),
    ("i8", ColumnType::I8),
    ("i16", ColumnType::I16),
    ("i32", ColumnType::I32),
    ("i64", ColumnType::I64),
    ("u8", ColumnType::U8),
    ("u16", ColumnType::U16),
    ("u32", ColumnType::U32),
    ("u64", ColumnType::U64),
    ("f16", ColumnType::F16),
    ("f32", ColumnType::F32),
    ("f64", ColumnType::F64),
    ("text", ColumnType::Text),
    ("json", ColumnType::Json),
    ("binary", ColumnType::Binary),
    ("hex", ColumnType::Hex),
    ("timestamp", ColumnType::Timestamp),
    ("timestamp_ns", ColumnType::TimestampNs),
    ("date", ColumnType::Date),
    ("duration", ColumnType::Duration),
];

impl ColumnType {
    /// The Arrow type of the batches that decoders produce for values of this
    /// type: the stored type, but nanosecond timestamps in one piece.
    pub fn decoded_type(&self) -> DataType {
        match self {
            ColumnType::TimestampNs => timestamp(TimeUnit::Nanosecond),
            other => other.stored_type(),
        }
    }

    /// The Arrow type of the table's column of the same name.
    pub fn stored_type(&self) -> DataType {
        match self {
            ColumnType::Bool => DataType::Boolean,
            ColumnType::I8 => DataType::Int8,
            ColumnType::I16 | ColumnType::U8 => DataType::Int16,
            ColumnType::I32 | ColumnType::U16 => DataType::Int32,
            ColumnType::I64 | ColumnType::U32 | ColumnType::Hex | ColumnType::Duration => {
                DataType::Int64
            }
            ColumnType::U64 => DataType::Decimal128(20, 0),
            ColumnType::F16 | ColumnType::F32 => DataType::Float32,
            ColumnType::F64 => DataType::Float64,
            ColumnType::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
            ColumnType::Text | ColumnType::Json => DataType::Utf8,
            ColumnType::Binary => DataType::Binary,
            ColumnType::Timestamp | ColumnType::TimestampNs => timestamp(TimeUnit::Microsecond),
            ColumnType::Date => DataType::Date32,
            ColumnType::List(element) => list_of(element.stored_type()),
        }
    }

    /// Whether values are whole numbers of at most 64 bits.
    pub fn is_whole(&self) -> bool {
        use ColumnType::*;
        matches!(self, I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64 | Hex)
    }

    /// Whether values are numbers, so that ranges and limits apply.
    pub fn is_number(&self) -> bool {
        use ColumnType::*;
        self.is_whole() || matches!(self, F16 | F32 | F64 | Decimal(..) | Duration)
    }

    /// Says why a table cannot hold this type, if it cannot.
    pub fn check(&self) -> Result<()> {
        match self {
            ColumnType::Decimal(precision, scale) => check_decimal(*precision, *scale),
            ColumnType::List(element) if **element == ColumnType::TimestampNs => {
                Err(Error::invalid(
                    "type list<timestamp_ns> has no exact column: use list<timestamp> or list<i64>",
                ))
            }
            ColumnType::List(element) => element.check(),
            _ => Ok(()),
        }
    }
}

impl Column {
    /// The Arrow type of this column in the batches that decoders produce.
    /// Enumerations come as the number that the source has.
    pub fn decoded_type(&self) -> DataType {
        if self.enumeration.is_empty() {
            self.kind.decoded_type()
        } else {
            DataType::Int64
        }
    }

    /// This column in the batches that decoders produce.
    pub fn decoded_field(&self) -> Field {
        Field::new(&self.name, self.decoded_type(), true)
    }

    /// The table's columns that this column becomes, without metadata: the
    /// value under its name, then `__ns` of nanosecond timestamps or `__raw`
    /// of enumerations. All are nullable; see
    /// [`Column::required`](Column#structfield.required).
    pub fn stored_fields(&self) -> Vec<Field> {
        let companion =
            |suffix| Field::new(format!("{}{suffix}", self.name), DataType::Int64, true);
        if !self.enumeration.is_empty() {
            return vec![
                Field::new(&self.name, DataType::Utf8, true),
                companion(RAW_SUFFIX),
            ];
        }
        let value = Field::new(&self.name, self.kind.stored_type(), true);
        match self.kind {
            ColumnType::TimestampNs => vec![value, companion(NANOS_SUFFIX)],
            _ => vec![value],
        }
    }
}

/// A list as Delta stores it: nullable elements in a field named `element`.
fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", element, true)))
}

fn timestamp(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

fn check_decimal(precision: u8, scale: i8) -> Result<()> {
    let digits = 1..=MAX_DECIMAL_PRECISION;
    let fits = u8::try_from(scale).is_ok_and(|scale| scale <= precision);
    if digits.contains(&precision) && fits {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "type decimal({precision},{scale}) does not fit: 1 to {MAX_DECIMAL_PRECISION} digits, of which 0 to all stand behind the point"
    )))
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColumnType::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            ColumnType::List(element) => write!(f, "list<{element}>"),
            plain => f.write_str(plain_name(plain)),
        }
    }
}

fn plain_name(kind: &ColumnType) -> &'static str {
    PLAIN
        .iter()
        .find(|(_, candidate)| candidate == kind)
        .map(|(name, _)| *name)
        .expect("PLAIN names every type without parameters")
}

impl FromStr for ColumnType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let kind = parse_type(text.trim(), text)?;
        kind.check()?;
        Ok(kind)
    }
}

fn parse_type(text: &str, whole: &str) -> Result<ColumnType> {
    if let Some((_, kind)) = PLAIN.iter().find(|(name, _)| *name == text) {
        return Ok(kind.clone());
    }
    if let Some(element) = between(text, "list<", '>') {
        return Ok(ColumnType::List(Box::new(parse_type(element, whole)?)));
    }
    if let Some(digits) = between(text, "decimal(", ')') {
        return parse_decimal(digits).ok_or_else(|| {
            Error::invalid(format!(
                "type {whole:?} is not a decimal: expected decimal(precision,scale), as in decimal(20,3)"
            ))
        });
    }
    let names = PLAIN.iter().map(|(name, _)| *name);
    let known: Vec<&str> = names.chain(["decimal(20,3)", "list<f64>"]).collect();
    Err(Error::invalid(format!(
        "type {whole:?} is not known{}: types are {}",
        did_you_mean(text, &known),
        known.join(", ")
    )))
}

fn between<'a>(text: &'a str, open: &str, close: char) -> Option<&'a str> {
    Some(text.strip_prefix(open)?.strip_suffix(close)?.trim())
}

fn parse_decimal(text: &str) -> Option<ColumnType> {
    let (precision, scale) = text.split_once(',')?;
    let precision = precision.trim().parse().ok()?;
    let scale = scale.trim().parse().ok()?;
    Some(ColumnType::Decimal(precision, scale))
}
