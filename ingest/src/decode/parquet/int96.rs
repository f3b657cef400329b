//! INT96, the timestamps of old writers: nanoseconds of the day (64 bits) and
//! the Julian day (32 bits), both little-endian (parquet-format, "INT96").
//!
//! Promises that every value keeps all of its digits. No Arrow type holds them
//! all, so each array gets the coarsest type that does: microseconds where
//! those suffice, else nanoseconds, else ISO 8601 text, where nanoseconds
//! stand beside dates that 64 bits of them do not reach (1677 to 2262).

use std::slice;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray, TimestampNanosecondArray, make_array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use arrow::error::ArrowError;
use downlake_lake::schema::time::MICROS_PER_DAY;
use downlake_lake::schema::time::calendar::civil_from_days;

/// The length of a value.
pub(super) const INT96_BYTES: i32 = 12;

/// The Julian day of 1970-01-01.
const JULIAN_EPOCH: i128 = 2_440_588;

/// Nanoseconds of a day.
const DAY: i128 = MICROS_PER_DAY as i128 * 1_000;

/// The fields with timestamps where leaves are INT96: in nanoseconds where
/// `fine` says so, else in microseconds.
pub(super) fn timestamps(fields: &Fields, int96: &[bool], fine: &[bool]) -> Fields {
    let mut leaves = int96.iter().zip(fine);
    super::map_leaves(fields, &mut |leaf| match leaves.next() {
        Some((true, fine)) => {
            let unit = match fine {
                true => TimeUnit::Nanosecond,
                false => TimeUnit::Microsecond,
            };
            DataType::Timestamp(unit, None)
        }
        _ => leaf.clone(),
    })
}

/// The batch with timestamps, or text, where leaves are INT96.
pub(super) fn resolve(batch: RecordBatch, int96: &[bool]) -> Result<RecordBatch, ArrowError> {
    if !int96.contains(&true) {
        return Ok(batch);
    }
    let mut leaves = int96.iter();
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let data = resolve_data(column.to_data(), &mut leaves)?;
        fields.push(with_type(field, data.data_type()));
        columns.push(make_array(data));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// Notes in `fine` which leaves of a resolved batch hold digits below the
/// microsecond.
pub(super) fn note_fine(batch: &RecordBatch, fine: &mut [bool]) {
    let mut leaves = Vec::new();
    for column in batch.columns() {
        collect_leaves(column.to_data(), &mut leaves);
    }
    for (fine, leaf) in fine.iter_mut().zip(leaves) {
        *fine |= match leaf.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => false,
            DataType::Utf8 => {
                let mut texts = leaf.as_string::<i32>().iter().flatten();
                texts.any(|text| !text.ends_with("000Z"))
            }
            _ => true,
        };
    }
}

fn collect_leaves(data: ArrayData, leaves: &mut Vec<ArrayRef>) {
    match data.child_data() {
        [] => leaves.push(make_array(data)),
        children => {
            let children = children.iter().cloned();
            children.for_each(|child| collect_leaves(child, leaves));
        }
    }
}

fn resolve_data(
    data: ArrayData,
    leaves: &mut slice::Iter<'_, bool>,
) -> Result<ArrayData, ArrowError> {
    if data.child_data().is_empty() {
        return Ok(match leaves.next() {
            Some(true) => instants(make_array(data).as_fixed_size_binary()).to_data(),
            _ => data,
        });
    }
    let children = data.child_data().iter();
    let children = children.map(|child| resolve_data(child.clone(), leaves));
    let children = children.collect::<Result<Vec<_>, _>>()?;
    let mut types = children.iter().map(ArrayData::data_type);
    let mut child = |field: &FieldRef| match types.next() {
        Some(data_type) => with_type(field, data_type),
        None => Arc::clone(field),
    };
    let data_type = super::map_children(data.data_type(), &mut child);
    data.into_builder()
        .data_type(data_type)
        .child_data(children)
        .build()
}

fn with_type(field: &FieldRef, data_type: &DataType) -> FieldRef {
    let field: &Field = field;
    Arc::new(field.clone().with_data_type(data_type.clone()))
}

fn instants(values: &FixedSizeBinaryArray) -> ArrayRef {
    let nanos = || values.iter().map(|value| value.and_then(nanos_since_epoch));
    let whole = nanos().flatten().all(|nanos| nanos % 1_000 == 0);
    let narrow = |divisor: i128| {
        let narrowed = nanos().map(|nanos| nanos.map(|nanos| i64::try_from(nanos / divisor)));
        narrowed
            .map(Option::transpose)
            .collect::<Result<Vec<_>, _>>()
    };
    if let (true, Ok(micros)) = (whole, narrow(1_000)) {
        return Arc::new(TimestampMicrosecondArray::from(micros));
    }
    if let (false, Ok(nanos)) = (whole, narrow(1)) {
        return Arc::new(TimestampNanosecondArray::from(nanos));
    }
    Arc::new(StringArray::from_iter(nanos().map(|n| n.map(iso_8601))))
}

/// `None` never happens: the reader hands out values of twelve bytes.
fn nanos_since_epoch(value: &[u8]) -> Option<i128> {
    let (nanos, rest) = value.split_first_chunk::<8>()?;
    let day = i128::from(i32::from_le_bytes(*rest.first_chunk::<4>()?));
    let nanos = day * DAY + i128::from(i64::from_le_bytes(*nanos));
    Some(without_wrap(nanos) - JULIAN_EPOCH * DAY)
}

/// Spark counts microseconds from the Julian epoch in 64 bits, which wrap for
/// its latest instants, those of the years from 287,545 on.
fn without_wrap(nanos: i128) -> i128 {
    const FIRST: i128 = i64::MIN as i128 * 1_000;
    const TURN: i128 = (1 << 64) * 1_000;
    let is_wrapped = (FIRST..FIRST + JULIAN_EPOCH * DAY).contains(&nanos);
    if is_wrapped { nanos + TURN } else { nanos }
}

fn iso_8601(nanos: i128) -> String {
    let (days, nanos) = (nanos.div_euclid(DAY), nanos.rem_euclid(DAY));
    let days = i64::try_from(days).expect("32 bits of days and 64 of nanoseconds fit");
    let (date, seconds) = (civil_from_days(days), nanos / 1_000_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!(
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z",
        date.year,
        date.month,
        date.day,
        nanos % 1_000_000_000
    )
}
