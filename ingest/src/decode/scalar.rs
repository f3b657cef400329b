//! The spellings of scalar values in text.
//!
//! * bool: `true`, `false` in any case, `1`, `0`
//! * whole numbers: digits with an optional sign; a decimal or exponent
//!   spelling (`5.0`, `1e3`) only where the value is whole and exactly known
//! * floats: decimal or exponent spelling, `nan`, `inf`, `infinity` in any
//!   case; rounded to the nearest, refused where that is infinite
//! * decimals: digits that fit precision and scale without rounding
//! * hexadecimal: digits with an optional `0x`
//! * timestamps: ISO 8601 calendar dates with time, UTC where no zone is said
//! * durations: whole microseconds

use arrow::datatypes::{ArrowPrimitiveType, Float16Type};
use downlake_lake::schema::ColumnType;
use downlake_lake::schema::time::{
    MICROS_PER_DAY, TimeError, UtcInstant, looks_like_timestamp, parse_iso,
};

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is of another kind.
    Type,
    /// It is of the kind, but too large or too fine.
    Range,
    /// It is not text.
    Utf8,
}

/// The largest whole number up to which doubles hold every one.
const EXACT_IN_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// Half precision (IEEE 754 binary16).
type Half = <Float16Type as ArrowPrimitiveType>::Native;

pub(crate) fn boolean(text: &[u8]) -> Result<bool, Fault> {
    if text.eq_ignore_ascii_case(b"true") || text == b"1" {
        Ok(true)
    } else if text.eq_ignore_ascii_case(b"false") || text == b"0" {
        Ok(false)
    } else {
        Err(Fault::Type)
    }
}

/// The number that a column stored as a whole number holds for a text.
pub(crate) fn whole(kind: &ColumnType, text: &[u8]) -> Result<i128, Fault> {
    let value = match kind {
        ColumnType::Hex => hexadecimal(text)?,
        ColumnType::Timestamp => micros(text)?,
        ColumnType::TimestampNs => nanos(text)?,
        ColumnType::Date => day(text)?,
        _ => integer(text)?,
    };
    let (low, high) = bounds(kind);
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(Fault::Range)
    }
}

fn bounds(kind: &ColumnType) -> (i128, i128) {
    match kind {
        ColumnType::I8 => (i8::MIN.into(), i8::MAX.into()),
        ColumnType::I16 => (i16::MIN.into(), i16::MAX.into()),
        ColumnType::I32 | ColumnType::Date => (i32::MIN.into(), i32::MAX.into()),
        ColumnType::U8 => (0, u8::MAX.into()),
        ColumnType::U16 => (0, u16::MAX.into()),
        ColumnType::U32 => (0, u32::MAX.into()),
        ColumnType::U64 => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

/// A whole number, whatever its size up to 64 bits and a sign.
fn integer(text: &[u8]) -> Result<i128, Fault> {
    let (negative, digits) = sign(text);
    let Some(value) = digits_of(digits) else {
        return whole_float(text);
    };
    let value = i128::from(value.ok_or(Fault::Range)?);
    Ok(if negative { -value } else { value })
}

/// `None`: not only digits; `Some(None)`: beyond 64 bits.
fn digits_of(digits: &[u8]) -> Option<Option<u64>> {
    if digits.is_empty() {
        return None;
    }
    let mut value = Some(0u64);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.and_then(|v| v.checked_mul(10)?.checked_add(u64::from(digit)));
    }
    Some(value)
}

fn whole_float(text: &[u8]) -> Result<i128, Fault> {
    let value = double(text)?;
    if value.fract() != 0.0 || !value.is_finite() {
        return Err(Fault::Type);
    }
    if value.abs() > EXACT_IN_DOUBLE {
        return Err(Fault::Range);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole and within 2^53 by the checks above"
    )]
    Ok(value as i128)
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

pub(crate) fn double(text: &[u8]) -> Result<f64, Fault> {
    let text = as_text(text)?;
    let value: f64 = text.parse().map_err(|_| Fault::Type)?;
    finite_or_said(value, value.is_infinite(), text)
}

/// The nearest number of a single or half precision column.
pub(crate) fn single(kind: &ColumnType, text: &[u8]) -> Result<f32, Fault> {
    let text = as_text(text)?;
    let value: f32 = match kind {
        ColumnType::F16 => {
            let value: f64 = text.parse().map_err(|_| Fault::Type)?;
            Half::from_f64(value).to_f32()
        }
        _ => text.parse().map_err(|_| Fault::Type)?,
    };
    finite_or_said(value, value.is_infinite(), text)
}

/// Infinity is a value only where the text says so.
fn finite_or_said<T>(value: T, beyond: bool, text: &str) -> Result<T, Fault> {
    if beyond && text.bytes().any(|b| b.is_ascii_digit()) {
        return Err(Fault::Range);
    }
    Ok(value)
}

/// The digits of a decimal column, without its point.
pub(crate) fn decimal(kind: &ColumnType, text: &[u8]) -> Result<i128, Fault> {
    let &ColumnType::Decimal(precision, scale) = kind else {
        return whole(kind, text);
    };
    let text = as_text(text)?;
    let unscaled = shifted_digits(text, i32::from(scale))?;
    let limit = 10i128
        .checked_pow(u32::from(precision))
        .unwrap_or(i128::MAX);
    if unscaled.abs() < limit {
        Ok(unscaled)
    } else {
        Err(Fault::Range)
    }
}

/// The value times 10^scale, if that is whole.
fn shifted_digits(text: &str, scale: i32) -> Result<i128, Fault> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().map_err(|_| Fault::Type)?),
        None => (text, 0i32),
    };
    let (negative, digits) = sign(mantissa.as_bytes());
    let (before, after) = split_point(digits);
    if before.is_empty() && after.is_empty() {
        return Err(Fault::Type);
    }
    let mut value = 0i128;
    for byte in before.iter().chain(after) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(Fault::Type);
        }
        value = push_digit(value, digit.into())?;
    }
    let places = i32::try_from(after.len()).map_err(|_| Fault::Range)?;
    let shift = scale
        .checked_add(exponent)
        .and_then(|s| s.checked_sub(places));
    let value = shift_by(value, shift.ok_or(Fault::Range)?)?;
    Ok(if negative { -value } else { value })
}

fn split_point(digits: &[u8]) -> (&[u8], &[u8]) {
    match digits.iter().position(|b| *b == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &[]),
    }
}

fn push_digit(value: i128, digit: i128) -> Result<i128, Fault> {
    value
        .checked_mul(10)
        .and_then(|v| v.checked_add(digit))
        .ok_or(Fault::Range)
}

fn shift_by(mut value: i128, shift: i32) -> Result<i128, Fault> {
    if value == 0 {
        return Ok(0);
    }
    for _ in 0..shift.max(0) {
        value = push_digit(value, 0)?;
    }
    for _ in shift.min(0)..0 {
        if value % 10 != 0 {
            return Err(Fault::Range);
        }
        value /= 10;
    }
    Ok(value)
}

fn hexadecimal(text: &[u8]) -> Result<i128, Fault> {
    let digits = without_0x(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Fault::Type);
    }
    let text = as_text(digits)?;
    i128::from_str_radix(text, 16).map_err(|_| Fault::Range)
}

fn without_0x(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"0x")
        .or_else(|| text.strip_prefix(b"0X"))
        .unwrap_or(text)
}

/// The bytes that pairs of hexadecimal digits say.
pub(crate) fn bytes_of_hex(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let digits = without_0x(text);
    if !digits.len().is_multiple_of(2) {
        return Err(Fault::Type);
    }
    let nibble = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let pair = |p: &[u8]| Some(nibble(p[0])? << 4 | nibble(p[1])?);
    let bytes: Option<Vec<u8>> = digits.chunks_exact(2).map(pair).collect();
    bytes.ok_or(Fault::Type)
}

/// Microseconds since 1970-01-01 UTC, if those say all that the text says.
fn micros(text: &[u8]) -> Result<i128, Fault> {
    let instant = instant(text)?;
    if instant.is_exact() {
        Ok(instant.micros.into())
    } else {
        Err(Fault::Range)
    }
}

/// Nanoseconds since 1970-01-01 UTC, if those say all that the text says.
fn nanos(text: &[u8]) -> Result<i128, Fault> {
    let instant = instant(text)?;
    if instant.cut {
        return Err(Fault::Range);
    }
    Ok(i128::from(instant.micros) * 1_000 + i128::from(instant.nanos))
}

/// Days since 1970-01-01 of a date without time of day.
fn day(text: &[u8]) -> Result<i128, Fault> {
    let micros = instant(text)?.micros;
    let is_date = looks_like_timestamp(as_text(text)?).is_some_and(|shape| shape.date_only);
    if is_date {
        Ok((micros / MICROS_PER_DAY).into())
    } else {
        Err(Fault::Type)
    }
}

fn instant(text: &[u8]) -> Result<UtcInstant, Fault> {
    parse_iso(as_text(text)?).map_err(|error| match error {
        TimeError::Overflow => Fault::Range,
        _ => Fault::Type,
    })
}

fn as_text(text: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(text).map_err(|_| Fault::Type)
}

/// Whether JSON writes values of the type as numbers.
pub(crate) fn is_number(kind: &ColumnType) -> bool {
    use ColumnType as T;
    match kind {
        T::I8 | T::I16 | T::I32 | T::I64 | T::U8 | T::U16 | T::U32 | T::U64 => true,
        T::F16 | T::F32 | T::F64 | T::Decimal(..) | T::Duration => true,
        T::Bool | T::Text | T::Json | T::Binary | T::Hex => false,
        T::Timestamp | T::TimestampNs | T::Date | T::List(_) => false,
    }
}

/// Whether a JSON string is how the value is written: instants and hex, floats
/// that JSON has no number for, and numbers beyond what many writers hold.
pub(crate) fn is_text_in_json(kind: &ColumnType, text: &str) -> bool {
    use ColumnType as T;
    match kind {
        T::Timestamp | T::TimestampNs | T::Date | T::Binary | T::Hex => true,
        T::U64 | T::Decimal(..) => true,
        T::F16 | T::F32 | T::F64 => !text.bytes().any(|b| b.is_ascii_digit()),
        _ => false,
    }
}

/// A type in words, for messages.
pub(crate) fn described(kind: &ColumnType) -> String {
    use ColumnType as T;
    let words = match kind {
        T::Bool => "true or false",
        T::I8 => "a whole number of 8 bits",
        T::I16 => "a whole number of 16 bits",
        T::I32 => "a whole number of 32 bits",
        T::I64 => "a whole number of 64 bits",
        T::U8 => "a whole number of 8 bits without sign",
        T::U16 => "a whole number of 16 bits without sign",
        T::U32 => "a whole number of 32 bits without sign",
        T::U64 => "a whole number of 64 bits without sign",
        T::F16 => "a number of half precision",
        T::F32 => "a number of single precision",
        T::F64 => "a number of double precision",
        T::Decimal(precision, scale) => {
            return format!("a decimal of {precision} digits, {scale} of them after the point");
        }
        T::Text => "text",
        T::Json => "JSON",
        T::Binary => "bytes in hexadecimal",
        T::Hex => "a hexadecimal number of 63 bits",
        T::Timestamp => "a timestamp in microseconds",
        T::TimestampNs => "a timestamp in nanoseconds between 1677 and 2262",
        T::Date => "a date",
        T::Duration => "a whole number of microseconds",
        T::List(element) => return format!("a list, each element {}", described(element)),
    };
    words.to_owned()
}

/// A value for a message: quoted, cut short.
pub(crate) fn shown(value: &[u8]) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(value);
    if text.chars().count() <= MOST {
        return format!("{text:?}");
    }
    let beginning: String = text.chars().take(MOST).collect();
    format!("{beginning:?}... ({} bytes)", value.len())
}
