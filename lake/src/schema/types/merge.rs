//! The lattice of types: what holds the values of two types exactly.

use super::ColumnType::{self, *};
use super::MAX_DECIMAL_PRECISION;

/// The smallest type that holds every value of both, or `None` where there is
/// none. Whole numbers and doubles meet in `f64`: there a whole number is
/// the nearest double, as in every reader of such text.
pub fn merge_types(a: &ColumnType, b: &ColumnType) -> Option<ColumnType> {
    if a == b {
        return Some(a.clone());
    }
    merge_numbers(a, b)
        .or_else(|| merge_ordered(a, b))
        .or_else(|| merge_ordered(b, a))
}

/// Whether every value of `found` has a place in a column of type `column`.
/// Text and JSON columns take the text form of everything.
pub(crate) fn fits(column: &ColumnType, found: &ColumnType) -> bool {
    match column {
        Text | Json => true,
        _ => merge_types(column, found).as_ref() == Some(column),
    }
}

fn merge_ordered(a: &ColumnType, b: &ColumnType) -> Option<ColumnType> {
    Some(match (a, b) {
        (Date, Timestamp) => Timestamp,
        (Date | Timestamp, TimestampNs) => TimestampNs,
        (List(_), Json) => Json,
        (List(a), List(b)) => match merge_types(a, b)? {
            TimestampNs => Json,
            element => List(Box::new(element)),
        },
        _ => return None,
    })
}

fn merge_numbers(a: &ColumnType, b: &ColumnType) -> Option<ColumnType> {
    if let (Some(a), Some(b)) = (float_bits(a), float_bits(b)) {
        return Some(float_of(a.max(b)));
    }
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        return Some(merge_whole(a, b));
    }
    if let (Some(a), Some(b)) = (digits(a), digits(b)) {
        return merge_decimals(a, b);
    }
    let (float, other) = match (float_bits(a), float_bits(b)) {
        (Some(float), None) => (float, b),
        (None, Some(float)) => (float, a),
        _ => return None,
    };
    if let Decimal(_, 0) = other {
        return Some(F64);
    }
    let (_, bits) = whole(other)?;
    // A single holds 24 bits exactly, a half 11.
    Some(float_of(match bits {
        8 => float,
        16 => float.max(32),
        _ => 64,
    }))
}

fn float_bits(kind: &ColumnType) -> Option<u8> {
    match kind {
        F16 => Some(16),
        F32 => Some(32),
        F64 => Some(64),
        _ => None,
    }
}

fn float_of(bits: u8) -> ColumnType {
    match bits {
        16 => F16,
        32 => F32,
        _ => F64,
    }
}

/// Signed, and width in bits.
fn whole(kind: &ColumnType) -> Option<(bool, u8)> {
    Some(match kind {
        I8 => (true, 8),
        I16 => (true, 16),
        I32 => (true, 32),
        I64 => (true, 64),
        U8 => (false, 8),
        U16 => (false, 16),
        U32 => (false, 32),
        U64 => (false, 64),
        _ => return None,
    })
}

fn merge_whole(a: (bool, u8), b: (bool, u8)) -> ColumnType {
    if a.0 == b.0 {
        return whole_of(a.0, a.1.max(b.1));
    }
    let (signed, unsigned) = if a.0 { (a.1, b.1) } else { (b.1, a.1) };
    if unsigned == 64 {
        return Decimal(20, 0);
    }
    whole_of(true, signed.max(unsigned * 2))
}

fn whole_of(signed: bool, bits: u8) -> ColumnType {
    match (signed, bits) {
        (true, 8) => I8,
        (true, 16) => I16,
        (true, 32) => I32,
        (true, _) => I64,
        (false, 8) => U8,
        (false, 16) => U16,
        (false, 32) => U32,
        (false, _) => U64,
    }
}

/// Digits in front of and behind the point.
fn digits(kind: &ColumnType) -> Option<(u8, u8)> {
    if let Decimal(precision, scale) = kind {
        let scale = u8::try_from(*scale).ok()?;
        return Some((precision.saturating_sub(scale), scale));
    }
    let (signed, bits) = whole(kind)?;
    let digits = match bits {
        8 => 3,
        16 => 5,
        32 => 10,
        _ if signed => 19,
        _ => 20,
    };
    Some((digits, 0))
}

fn merge_decimals(a: (u8, u8), b: (u8, u8)) -> Option<ColumnType> {
    let (front, behind) = (a.0.max(b.0), a.1.max(b.1));
    let precision = front.checked_add(behind)?;
    let scale = i8::try_from(behind).ok()?;
    (precision <= MAX_DECIMAL_PRECISION).then_some(Decimal(precision, scale))
}
