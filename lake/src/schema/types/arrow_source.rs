//! Arrow and Parquet schemas to columns.
//!
//! | Arrow | column |
//! |---|---|
//! | integers, floats, bool, text, binary of every layout | the same, plain |
//! | null | text, always NULL |
//! | dictionary, run-end encoded | the type of its values |
//! | timestamp in s, ms, us | timestamp; without a zone it is read as UTC, with a notice |
//! | timestamp in ns | timestamp and `__ns` |
//! | date | date |
//! | time of day, duration, in s, ms, us | duration |
//! | time of day, duration, in ns | i64 with the unit `ns` |
//! | interval | text, as it has no fixed length |
//! | decimal up to 38 digits | decimal, with a scale from 0 to its precision |
//! | struct | one column a field, named `a.b` |
//! | list of a type that has a column | list |
//! | map, list of structs, maps or nanosecond timestamps | JSON text |
//! | union, decimal beyond 38 digits | refused |

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::super::names::{FoldedName, OnCollision, fold_all_beside};
use super::{Column, ColumnType, MAX_DECIMAL_PRECISION};
use crate::{Error, Result};

/// The columns of an Arrow schema.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceColumns {
    /// One for each leaf of the schema, structs flattened, in order.
    pub columns: Vec<Column>,
    /// What a person should know: numbered names, naive timestamps.
    pub notices: Vec<String>,
}

/// The columns of an Arrow schema. Their `source` is the path of the field,
/// joined with `.`; names in `taken` are not given to any.
///
/// An error is [`crate::ErrorKind::Invalid`] and names the field and its type.
pub fn columns_from_arrow(schema: &Schema, taken: &[&str]) -> Result<SourceColumns> {
    let mut leaves = Vec::new();
    for field in schema.fields() {
        collect_leaves(field, None, &mut leaves);
    }
    let paths: Vec<&str> = leaves.iter().map(|(path, _)| path.as_str()).collect();
    let folded = fold_all_beside(&paths, taken, OnCollision::Number)?;
    let mut notices = folded.notices;
    let mut columns = Vec::with_capacity(leaves.len());
    for ((path, field), name) in leaves.iter().zip(folded.names) {
        columns.push(column_of(path, field, name)?);
        if is_naive(field.data_type()) {
            notices.push(format!(
                "column {path:?} holds timestamps without a zone: they are read as UTC"
            ));
        }
    }
    Ok(SourceColumns { columns, notices })
}

impl ColumnType {
    /// The column type of an Arrow type. Structs have none: they become one
    /// column a field, see [`columns_from_arrow`].
    pub fn from_arrow(data_type: &DataType) -> Result<ColumnType> {
        use DataType as A;
        Ok(match data_type {
            A::Null | A::Interval(_) => ColumnType::Text,
            A::Boolean => ColumnType::Bool,
            A::Int8 => ColumnType::I8,
            A::Int16 => ColumnType::I16,
            A::Int32 => ColumnType::I32,
            A::Int64 => ColumnType::I64,
            A::UInt8 => ColumnType::U8,
            A::UInt16 => ColumnType::U16,
            A::UInt32 => ColumnType::U32,
            A::UInt64 => ColumnType::U64,
            A::Float16 => ColumnType::F16,
            A::Float32 => ColumnType::F32,
            A::Float64 => ColumnType::F64,
            A::Utf8 | A::LargeUtf8 | A::Utf8View => ColumnType::Text,
            A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_) => {
                ColumnType::Binary
            }
            A::Date32 | A::Date64 => ColumnType::Date,
            A::Timestamp(TimeUnit::Nanosecond, _) => ColumnType::TimestampNs,
            A::Timestamp(_, _) => ColumnType::Timestamp,
            A::Time64(TimeUnit::Nanosecond) | A::Duration(TimeUnit::Nanosecond) => ColumnType::I64,
            A::Time32(_) | A::Time64(_) | A::Duration(_) => ColumnType::Duration,
            A::Decimal32(precision, scale)
            | A::Decimal64(precision, scale)
            | A::Decimal128(precision, scale)
            | A::Decimal256(precision, scale) => decimal(data_type, *precision, *scale)?,
            A::Dictionary(_, values) => Self::from_arrow(values)?,
            A::RunEndEncoded(_, values) => Self::from_arrow(values.data_type())?,
            A::List(element)
            | A::LargeList(element)
            | A::ListView(element)
            | A::LargeListView(element)
            | A::FixedSizeList(element, _) => list(element)?,
            A::Map(entries, _) => json_of(entries)?,
            A::Struct(_) => return Err(refused(data_type, "flatten its fields into columns")),
            A::Union(_, _) => return Err(refused(data_type, "write one column a variant")),
        })
    }
}

/// Digits in front of the point are kept: `decimal(5,-2)` needs seven.
fn decimal(data_type: &DataType, precision: u8, scale: i8) -> Result<ColumnType> {
    let places = u8::try_from(scale).unwrap_or(0);
    let widened = precision
        .saturating_add(scale.min(0).unsigned_abs())
        .max(places);
    if widened > MAX_DECIMAL_PRECISION {
        return Err(refused(
            data_type,
            "tables hold 38 digits; write it as text or as a narrower decimal",
        ));
    }
    Ok(ColumnType::Decimal(widened, scale.max(0)))
}

fn list(element: &Field) -> Result<ColumnType> {
    use DataType as A;
    if let A::Struct(_) | A::Map(_, _) = element.data_type() {
        return json_of(element);
    }
    Ok(match ColumnType::from_arrow(element.data_type())? {
        ColumnType::Json | ColumnType::TimestampNs => ColumnType::Json,
        kind => ColumnType::List(Box::new(kind)),
    })
}

/// JSON text can say everything but a value of a refused type.
fn json_of(field: &Field) -> Result<ColumnType> {
    match field.data_type() {
        DataType::Struct(fields) => {
            for field in fields {
                json_of(field)?;
            }
        }
        other => {
            ColumnType::from_arrow(other)?;
        }
    }
    Ok(ColumnType::Json)
}

fn refused(data_type: &DataType, instead: &str) -> Error {
    Error::invalid(format!("arrow type {data_type} has no column: {instead}"))
}

fn collect_leaves<'a>(
    field: &'a Field,
    parent: Option<&str>,
    leaves: &mut Vec<(String, &'a Field)>,
) {
    let path = match parent {
        Some(parent) => format!("{parent}.{}", field.name()),
        None => field.name().clone(),
    };
    let DataType::Struct(fields) = field.data_type() else {
        leaves.push((path, field));
        return;
    };
    for field in fields {
        collect_leaves(field, Some(&path), leaves);
    }
}

fn column_of(path: &str, field: &Field, name: FoldedName) -> Result<Column> {
    let data_type = field.data_type();
    let kind = ColumnType::from_arrow(data_type)
        .map_err(|error| error.context(format!("column {path:?}")))?;
    let mut column = Column::new(name.name, path, kind);
    column.unit = unit_of(data_type).map(str::to_string).or(name.unit);
    Ok(column)
}

fn unit_of(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::Time64(TimeUnit::Nanosecond) | DataType::Duration(TimeUnit::Nanosecond) => {
            Some("ns")
        }
        DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_) => Some("us"),
        DataType::Dictionary(_, values) => unit_of(values),
        DataType::RunEndEncoded(_, values) => unit_of(values.data_type()),
        _ => None,
    }
}

fn is_naive(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, zone) => zone.is_none(),
        DataType::Dictionary(_, values) => is_naive(values),
        DataType::RunEndEncoded(_, values) => is_naive(values.data_type()),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => is_naive(element.data_type()),
        _ => false,
    }
}
