//! Arrow values into the type of a column, unchanged or not at all.
//!
//! A cast is trusted only where casting back gives the value that went in:
//! that refuses wrapped integers, cut fractions and digits below the column's
//! unit. A float column of fewer bits takes the nearest of its numbers, and
//! refuses what is infinite only there, as text formats do. Text is read as the
//! spelling of the column's type, as in text formats.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float32Array, Float64Array,
    Int64Array, ListArray, StringArray, make_array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, OffsetBuffer};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{
    CastOptions, and, and_not, cast_with_options, is_not_null, is_null, nullif, or_kleene,
};
use arrow::datatypes::{ArrowNativeType, DataType, Field, Float64Type, TimeUnit};
use downlake_lake::schema::ColumnType;
use downlake_lake::{Error, Result};

use super::row_json;
use crate::decode::reason;
use crate::decode::scalar::{self, Fault};

/// Values that misfit become NULL instead of errors.
const SAFE: CastOptions<'static> = CastOptions {
    safe: true,
    format_options: arrow::util::display::FormatOptions::new(),
};

/// The values of a column, and which of its source's values did not fit.
pub(super) struct Fitted {
    /// Of the type that was asked for; NULL where the source is, or misfits.
    pub(super) values: ArrayRef,
    /// True where a value misfits, without NULLs; `None` if all fit.
    pub(super) misfits: Option<BooleanArray>,
}

/// Casts values to `to`, the decoded type of a column of this kind.
///
/// # Errors
/// Invalid, if values of this layout cannot be read at all.
pub(super) fn fit(
    source: &ArrayRef,
    kind: &ColumnType,
    enumeration: &[(i64, String)],
    to: &DataType,
) -> Result<Fitted> {
    let source = plain(source)?;
    if source.null_count() == source.len() || source.data_type() == &DataType::Null {
        let values = new_null_array(to, source.len());
        return Ok(Fitted {
            values,
            misfits: None,
        });
    }
    let values = match enumeration {
        [] => convert(&source, kind, to)?,
        labels => numbers_of(&source, labels)?,
    };
    let Some((values, exact)) = values else {
        return Ok(all_misfit(&source, to));
    };
    settle(&source, values, exact)
}

/// Why the value of a row does not fit a column of this kind.
pub(super) fn reason_of(source: &ArrayRef, row: usize, kind: &ColumnType) -> &'static str {
    let Ok(value) = plain(&source.slice(row, 1)) else {
        return reason::TYPE;
    };
    let target = natural_type(kind);
    let from = value.data_type();
    let comparable =
        (from.is_numeric() && target.is_numeric()) || (is_instant(from) && is_instant(&target));
    let beyond = || {
        let cast = unzoned(&value).and_then(|value| cast(&value, &without_zone(&target)));
        cast.is_ok_and(|cast| cast.null_count() == 1)
    };
    match from {
        DataType::Utf8 => match spelled_fault(value.as_string::<i32>().value(0), kind) {
            Some(Fault::Range) => reason::RANGE,
            _ => reason::TYPE,
        },
        DataType::Binary if *kind == ColumnType::Text => reason::UTF8,
        _ if from.is_floating() && target.is_numeric() => reason_of_float(&value, &target),
        _ if comparable && (from.is_integer() || beyond()) => reason::RANGE,
        _ => reason::TYPE,
    }
}

/// NaN is of no other kind; what becomes NULL or infinite is beyond the range.
fn reason_of_float(value: &ArrayRef, target: &DataType) -> &'static str {
    let double = |values: &ArrayRef| cast(values, &DataType::Float64).ok();
    let number = |values: ArrayRef| {
        let values = double(&values)?;
        let values = values.as_primitive::<Float64Type>();
        values.is_valid(0).then(|| values.value(0))
    };
    let found = number(Arc::clone(value)).unwrap_or(f64::NAN);
    let fitted = cast(value, target).ok().and_then(number);
    match fitted {
        _ if found.is_nan() => reason::TYPE,
        Some(fitted) if fitted.is_finite() || found.is_infinite() => reason::TYPE,
        _ => reason::RANGE,
    }
}

/// Values of the target type, and whether a value that is there is also right.
type Converted = Option<(ArrayRef, Option<BooleanArray>)>;

fn convert(source: &ArrayRef, kind: &ColumnType, to: &DataType) -> Result<Converted> {
    use ColumnType as C;
    let from = source.data_type();
    Ok(match (kind, from) {
        (C::Json | C::Text, DataType::Utf8) | (C::Binary, DataType::Binary) => {
            Some((Arc::clone(source), None))
        }
        (C::Text, DataType::Binary) => Some((cast(source, to)?, None)),
        (C::Json, _) => Some((spelled(source, row_json::value), None)),
        (C::Text, _) => Some((spelled(source, row_json::text), None)),
        (C::List(element), DataType::List(_)) => Some(list(source, element, to)?),
        (C::List(_) | C::Binary, _) => None,
        (_, DataType::Utf8) => Some((spellings(source.as_string(), kind, to)?, None)),
        (C::Timestamp | C::TimestampNs | C::Date, from) if is_instant(from) => {
            Some(instants(source, to)?)
        }
        (C::Duration, from) if is_span(from) => Some(spans(source, from)?),
        (
            C::I64,
            DataType::Time64(TimeUnit::Nanosecond) | DataType::Duration(TimeUnit::Nanosecond),
        ) => Some((cast(source, to)?, None)),
        (C::Timestamp | C::TimestampNs | C::Date, _) => None,
        (_, from) if from.is_numeric() || *from == DataType::Boolean => {
            Some(numbers(source, kind, to)?)
        }
        _ => None,
    })
}

/// Marks what is missing or wrong.
fn settle(source: &ArrayRef, values: ArrayRef, exact: Option<BooleanArray>) -> Result<Fitted> {
    let present = is_not_null(source)?;
    let missing = and(&present, &is_null(&values)?)?;
    let misfits = match exact {
        Some(exact) => or_kleene(&missing, &and_not(&present, &exact)?)?,
        None => missing,
    };
    if misfits.true_count() == 0 {
        return Ok(Fitted {
            values,
            misfits: None,
        });
    }
    Ok(Fitted {
        values: nullif(&values, &misfits)?,
        misfits: Some(misfits),
    })
}

fn all_misfit(source: &ArrayRef, to: &DataType) -> Fitted {
    let present = source.logical_nulls().map_or_else(
        || BooleanBuffer::new_set(source.len()),
        |nulls| nulls.inner().clone(),
    );
    Fitted {
        values: new_null_array(to, source.len()),
        misfits: Some(BooleanArray::new(present, None)),
    }
}

/// Spells out dictionaries, views, runs, and large and fixed layouts.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    let to = plain_type(array.data_type());
    if to == *array.data_type() {
        return Ok(Arc::clone(array));
    }
    cast_with_options(array, &to, &SAFE).map_err(|error| {
        let from = array.data_type();
        Error::invalid(format!("values of type {from} are not supported: {error}"))
            .with_source(error)
    })
}

fn plain_type(from: &DataType) -> DataType {
    match from {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => DataType::List(element.clone()),
        other => other.clone(),
    }
}

fn cast(array: &dyn Array, to: &DataType) -> Result<ArrayRef> {
    Ok(cast_with_options(array, to, &SAFE)?)
}

/// Casts step by step.
fn through(source: &ArrayRef, steps: &[DataType]) -> Result<ArrayRef> {
    let mut values = Arc::clone(source);
    for step in steps {
        values = cast(&values, step)?;
    }
    Ok(values)
}

/// Casts step by step, and compares with the source after casting back.
fn there_and_back(
    source: &ArrayRef,
    steps: &[DataType],
) -> Result<(ArrayRef, Option<BooleanArray>)> {
    let values = through(source, steps)?;
    let mut back = Arc::clone(&values);
    for step in steps[..steps.len() - 1].iter().rev() {
        back = cast(&back, step)?;
    }
    let back = cast(&back, source.data_type())?;
    let exact = same_values(source, &back)?;
    Ok((values, Some(exact)))
}

/// Where two arrays agree; NaN agrees with NaN, and zero with minus zero.
fn same_values(left: &ArrayRef, right: &ArrayRef) -> Result<BooleanArray> {
    if !left.data_type().is_floating() {
        let differ = distinct(left, right)?;
        return Ok(BooleanArray::new(!differ.values(), None));
    }
    let (left, right) = (
        cast(left, &DataType::Float64)?,
        cast(right, &DataType::Float64)?,
    );
    let (left, right) = (
        left.as_primitive::<Float64Type>(),
        right.as_primitive::<Float64Type>(),
    );
    let pairs = left.iter().zip(right.iter());
    let same = |(a, b): (Option<f64>, Option<f64>)| match (a, b) {
        (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()),
        (a, b) => a.is_none() && b.is_none(),
    };
    Ok(BooleanArray::new(pairs.map(same).collect(), None))
}

/// The nearest floats, where those of finite numbers are finite.
fn nearest(source: &ArrayRef, natural: &DataType) -> Result<(ArrayRef, Option<BooleanArray>)> {
    let values = cast(source, natural)?;
    let (from, to) = (
        cast(source, &DataType::Float64)?,
        cast(&values, &DataType::Float64)?,
    );
    let (from, to) = (
        from.as_primitive::<Float64Type>(),
        to.as_primitive::<Float64Type>(),
    );
    let pairs = from.values().iter().zip(to.values());
    let fits = pairs.map(|(from, to)| to.is_finite() || !from.is_finite());
    Ok((values, Some(BooleanArray::new(fits.collect(), None))))
}

/// Through the type that has exactly the kind's range.
fn numbers(
    source: &ArrayRef,
    kind: &ColumnType,
    to: &DataType,
) -> Result<(ArrayRef, Option<BooleanArray>)> {
    let natural = natural_type(kind);
    let both_float = source.data_type().is_floating() && natural.is_floating();
    let (values, fits) = if both_float {
        nearest(source, &natural)?
    } else {
        there_and_back(source, std::slice::from_ref(&natural))?
    };
    Ok((cast(&values, to)?, fits))
}

fn natural_type(kind: &ColumnType) -> DataType {
    match kind {
        ColumnType::U8 => DataType::UInt8,
        ColumnType::U16 => DataType::UInt16,
        ColumnType::U32 => DataType::UInt32,
        ColumnType::U64 => DataType::UInt64,
        ColumnType::F16 => DataType::Float16,
        other => other.decoded_type(),
    }
}

fn is_instant(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
    )
}

fn is_span(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_)
    )
}

/// Spans and times of day in microseconds.
fn spans(source: &ArrayRef, from: &DataType) -> Result<(ArrayRef, Option<BooleanArray>)> {
    let micros = match from {
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        _ => DataType::Time64(TimeUnit::Microsecond),
    };
    let (values, exact) = there_and_back(source, &[micros])?;
    Ok((cast(&values, &DataType::Int64)?, exact))
}

/// Instants between units. Zones only say how an instant is shown, and Arrow
/// would look `UTC` up in a table that is not built in, so they are set aside.
fn instants(source: &ArrayRef, to: &DataType) -> Result<(ArrayRef, Option<BooleanArray>)> {
    let (values, exact) = there_and_back(&unzoned(source)?, &[without_zone(to)])?;
    Ok((zoned(&values, to)?, exact))
}

fn unzoned(values: &ArrayRef) -> Result<ArrayRef> {
    zoned(values, &without_zone(values.data_type()))
}

fn without_zone(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, None),
        other => other.clone(),
    }
}

/// The same numbers under a type that counts in the same unit.
fn zoned(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let data = values.to_data().into_builder().data_type(to.clone());
    Ok(make_array(data.build()?))
}

/// Text as the spelling of the column's values, as in text formats.
fn spellings(texts: &StringArray, kind: &ColumnType, to: &DataType) -> Result<ArrayRef> {
    use ColumnType as C;
    let texts = texts.iter().map(|text| text.map(str::as_bytes));
    Ok(match (kind, to) {
        (C::Bool, _) => {
            let values = texts.map(|text| scalar::boolean(text?).ok());
            Arc::new(values.collect::<BooleanArray>())
        }
        (C::F16 | C::F32, _) => {
            let values = texts.map(|text| scalar::single(kind, text?).ok());
            Arc::new(values.collect::<Float32Array>())
        }
        (C::F64, _) => {
            let values = texts.map(|text| scalar::double(text?).ok());
            Arc::new(values.collect::<Float64Array>())
        }
        (_, DataType::Decimal128(precision, scale)) => {
            let values = texts.map(|text| scalar::decimal(kind, text?).ok());
            let values = values.collect::<Decimal128Array>();
            Arc::new(values.with_precision_and_scale(*precision, *scale)?)
        }
        _ => {
            let values = texts.map(|text| i64::try_from(scalar::whole(kind, text?).ok()?).ok());
            let values: ArrayRef = Arc::new(values.collect::<Int64Array>());
            match to {
                DataType::Timestamp(_, _) => zoned(&values, to)?,
                DataType::Date32 => zoned(&cast(&values, &DataType::Int32)?, to)?,
                _ => cast(&values, to)?,
            }
        }
    })
}

fn spelled_fault(text: &str, kind: &ColumnType) -> Option<Fault> {
    use ColumnType as C;
    let text = text.as_bytes();
    match kind {
        C::Bool => scalar::boolean(text).err(),
        C::F16 | C::F32 => scalar::single(kind, text).err(),
        C::F64 => scalar::double(text).err(),
        C::Decimal(..) => scalar::decimal(kind, text).err(),
        C::Text | C::Json | C::Binary | C::List(_) => Some(Fault::Type),
        _ => scalar::whole(kind, text).err(),
    }
}

/// The numbers of an enumeration, from numbers or from labels.
fn numbers_of(source: &ArrayRef, labels: &[(i64, String)]) -> Result<Converted> {
    if *source.data_type() != DataType::Utf8 {
        return convert(source, &ColumnType::I64, &DataType::Int64);
    }
    let by_label: HashMap<&str, i64> = labels
        .iter()
        .map(|(n, label)| (label.as_str(), *n))
        .collect();
    let number = |text: &str| {
        by_label
            .get(text)
            .copied()
            .or_else(|| text.trim().parse().ok())
    };
    let texts = source.as_string::<i32>().iter();
    let numbers: Int64Array = texts.map(|text| text.and_then(number)).collect();
    Ok(Some((Arc::new(numbers), None)))
}

fn spelled(source: &ArrayRef, spell: fn(&ArrayRef, usize) -> String) -> ArrayRef {
    let rows = (0..source.len()).map(|row| source.is_valid(row).then(|| spell(source, row)));
    Arc::new(rows.collect::<StringArray>())
}

/// A list fits if all of its elements do.
fn list(
    source: &ArrayRef,
    element: &ColumnType,
    to: &DataType,
) -> Result<(ArrayRef, Option<BooleanArray>)> {
    let source = source.as_list::<i32>();
    let field = element_field(to)?;
    let (elements, offsets) = own_elements(source);
    let fitted = fit(&elements, element, &[], field.data_type())?;
    let exact = fitted.misfits.map(|misfits| {
        let whole = offsets.windows(2).map(|ends| {
            let (first, last) = (ends[0].as_usize(), ends[1].as_usize());
            misfits.slice(first, last - first).true_count() == 0
        });
        BooleanArray::new(whole.collect(), None)
    });
    let values = ListArray::try_new(field, offsets, fitted.values, source.nulls().cloned())?;
    Ok((Arc::new(values), exact))
}

/// The elements of the lists that are there: a slice of lists keeps the
/// elements of the whole, which would be cast again for every slice.
fn own_elements(lists: &ListArray) -> (ArrayRef, OffsetBuffer<i32>) {
    let offsets = lists.offsets();
    let (first, last) = (offsets[0], offsets[lists.len()]);
    let elements = lists
        .values()
        .slice(first.as_usize(), (last - first).as_usize());
    let shifted = offsets
        .iter()
        .map(|offset| offset - first)
        .collect::<Vec<_>>();
    (elements, OffsetBuffer::new(shifted.into()))
}

fn element_field(to: &DataType) -> Result<Arc<Field>> {
    match to {
        DataType::List(field) => Ok(field.clone()),
        other => Err(Error::internal(format!(
            "a list column is decoded to {other}"
        ))),
    }
}
