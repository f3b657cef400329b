//! Values on their way into a column of another type.
//!
//! Promises: a value arrives as it was, or the statement is an error that
//! names column, row and value. Of two floats the nearest is taken, as it is
//! on ingest. Refuses values that mean something else as the column's type: a
//! number is no instant and a boolean no number. Text is read as a value where
//! it is one as a whole.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, make_comparator};
use arrow::compute::{CastOptions, SortOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Float64Type, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use downlake_lake::{Error, Result};

/// The values as the field has them; `rows_before` counts those of earlier
/// batches.
///
/// # Errors
/// `Invalid` with the first value that does not fit exactly.
pub(crate) fn cast_exact(column: &ArrayRef, field: &Field, rows_before: u64) -> Result<ArrayRef> {
    let (from, to) = (column.data_type(), field.data_type());
    if !is_kin(from, to) {
        return Err(Error::invalid(format!(
            "sql: column \"{}\" is {to} and does not take {from}: say what is meant with CAST",
            field.name()
        )));
    }
    let cast = strict(column, to).map_err(|error| unfit(field, error))?;
    match first_changed(column, &cast)? {
        None => Ok(cast),
        Some(row) => Err(changed(column, &cast, field, row, rows_before)),
    }
}

/// Whether values of one type can be meant as values of the other.
fn is_kin(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Date32, Date64, Duration, Interval, Null, Timestamp};
    let is_day = |t: &DataType| matches!(t, Date32 | Date64 | Timestamp(_, _));
    let is_clock = |t: &DataType| matches!(t, DataType::Time32(_) | DataType::Time64(_));
    let is_span = |t: &DataType| matches!(t, Duration(_) | Interval(_));
    match (from, to) {
        (Null, _) => true,
        (DataType::List(from) | DataType::LargeList(from), DataType::List(to)) => {
            is_kin(from.data_type(), to.data_type())
        }
        (DataType::Dictionary(_, values), _) => is_kin(values, to),
        (from, to) if from == to => true,
        (from, to) if from.is_string() || to.is_string() => true,
        (from, to) => {
            (from.is_numeric() && to.is_numeric())
                || (from.is_binary() && to.is_binary())
                || (is_day(from) && is_day(to))
                || (is_clock(from) && is_clock(to))
                || (is_span(from) && is_span(to))
                || (*from == Boolean && *to == Boolean)
        }
    }
}

fn first_changed(given: &ArrayRef, cast: &ArrayRef) -> Result<Option<usize>> {
    let (from, to) = (given.data_type(), cast.data_type());
    if from.is_floating() && to.is_floating() {
        return first_overflow(given, cast);
    }
    match witness(from, to) {
        None => Ok(None),
        Some(witness) => first_difference(&strict(given, &witness)?, &lenient(cast, &witness)?),
    }
}

/// The type in which a value that was cast must equal the given one; `None`
/// where the cast itself refuses what does not fit.
fn witness(from: &DataType, to: &DataType) -> Option<DataType> {
    match (from, to) {
        (from, to) if from == to || to.is_string() => None,
        (DataType::Null, _) => None,
        (from, DataType::Date32 | DataType::Date64) if from.is_string() => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        (from, _) if from.is_string() => None,
        _ => Some(from.clone()),
    }
}

fn strict(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(column, to, &options)
}

/// NULL where the value does not fit.
fn lenient(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(column, to, &CastOptions::default())
}

fn first_difference(given: &ArrayRef, back: &ArrayRef) -> Result<Option<usize>> {
    let compare = make_comparator(given, back, SortOptions::default())?;
    Ok((0..given.len()).find(|row| compare(*row, *row) != Ordering::Equal))
}

/// The first number that is infinite only as the narrower float.
fn first_overflow(given: &ArrayRef, cast: &ArrayRef) -> Result<Option<usize>> {
    let wide = |floats| lenient(floats, &DataType::Float64);
    let (given, cast) = (wide(given)?, wide(cast)?);
    let (given, cast) = (
        given.as_primitive::<Float64Type>(),
        cast.as_primitive::<Float64Type>(),
    );
    let overflows = |row: &usize| given.value(*row).is_finite() && cast.value(*row).is_infinite();
    Ok((0..given.len()).find(|row| given.is_valid(*row) && overflows(row)))
}

fn unfit(field: &Field, error: ArrowError) -> Error {
    let message = format!(
        "sql: column \"{}\" ({}): {error}",
        field.name(),
        field.data_type()
    );
    Error::invalid(message).with_source(error)
}

fn changed(column: &ArrayRef, cast: &ArrayRef, field: &Field, row: usize, before: u64) -> Error {
    let shown = |values| array_value_to_string(values, row).unwrap_or_default();
    Error::invalid(format!(
        "sql: row {}, column \"{}\": {} ({}) would become {} ({}): say what is meant with CAST",
        before + row as u64 + 1,
        field.name(),
        shown(column),
        column.data_type(),
        shown(cast),
        field.data_type()
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };
    use expect_test::{Expect, expect};

    use super::*;

    fn check(column: impl Array + 'static, to: DataType, expected: Expect) {
        let column: ArrayRef = Arc::new(column);
        let shown = match cast_exact(&column, &Field::new("c", to, true), 100) {
            Err(error) => error.message().to_owned(),
            Ok(cast) => (0..cast.len())
                .map(|row| array_value_to_string(&cast, row).unwrap_or_default())
                .collect::<Vec<_>>()
                .join(" "),
        };
        expected.assert_eq(&shown);
    }

    const DAY_MICROS: i64 = 86_400_000_000;

    #[test]
    fn exact_values_pass() {
        let numbers = || Int64Array::from(vec![Some(-7), None, Some(1 << 53)]);
        check(
            numbers(),
            DataType::Float64,
            expect!["-7.0  9007199254740992.0"],
        );
        check(numbers(), DataType::Utf8, expect!["-7  9007199254740992"]);
        let whole = Float64Array::from(vec![3.0, -2.0]);
        check(whole, DataType::Int16, expect!["3 -2"]);
        let floats = Float64Array::from(vec![0.1, f64::NAN, f64::INFINITY]);
        check(floats, DataType::Float32, expect!["0.1 NaN inf"]);
        let days = StringArray::from(vec!["2024-02-29"]);
        check(days, DataType::Date32, expect!["2024-02-29"]);
        let midnight = TimestampMicrosecondArray::from(vec![DAY_MICROS]);
        check(midnight, DataType::Date32, expect!["1970-01-02"]);
    }

    #[test]
    fn changed_values_are_refused_with_their_row() {
        let beyond = Int64Array::from(vec![1, (1 << 53) + 1]);
        check(
            beyond,
            DataType::Float64,
            expect![[
                r#"sql: row 102, column "c": 9007199254740993 (Int64) would become 9007199254740992.0 (Float64): say what is meant with CAST"#
            ]],
        );
        let parts = Float64Array::from(vec![2.9999]);
        check(
            parts,
            DataType::Int64,
            expect![[
                r#"sql: row 101, column "c": 2.9999 (Float64) would become 2 (Int64): say what is meant with CAST"#
            ]],
        );
        let huge = Float64Array::from(vec![1e300]);
        check(
            huge,
            DataType::Float32,
            expect![[
                r#"sql: row 101, column "c": 1e300 (Float64) would become inf (Float32): say what is meant with CAST"#
            ]],
        );
        let noon = TimestampMicrosecondArray::from(vec![DAY_MICROS / 2]);
        check(
            noon,
            DataType::Date32,
            expect![[
                r#"sql: row 101, column "c": 1970-01-01T12:00:00 (Timestamp(µs)) would become 1970-01-01 (Date32): say what is meant with CAST"#
            ]],
        );
    }

    #[test]
    fn other_meanings_are_refused() {
        let numbers = Int64Array::from(vec![5]);
        check(
            numbers,
            DataType::Date32,
            expect![[
                r#"sql: column "c" is Date32 and does not take Int64: say what is meant with CAST"#
            ]],
        );
        let days = Date32Array::from(vec![5]);
        check(
            days,
            DataType::Int64,
            expect![[
                r#"sql: column "c" is Int64 and does not take Date32: say what is meant with CAST"#
            ]],
        );
        let numbers = Int64Array::from(vec![1]);
        check(
            numbers,
            DataType::Boolean,
            expect![[
                r#"sql: column "c" is Boolean and does not take Int64: say what is meant with CAST"#
            ]],
        );
    }
}
