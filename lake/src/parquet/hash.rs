//! The hash of a multiset of rows.
//!
//! Every non-NULL value is hashed to 128 bits with a seed made of its column's
//! name; the values of a row are added, the sum is scrambled by a bijection,
//! and the scrambled rows are added modulo 2^128. Hence:
//!
//! * the order of rows, of columns, and the cut into batches do not matter;
//! * a column that is all NULL adds nothing, so schema evolution keeps hashes;
//! * two rows that swap one value are found, because the bijection does not
//!   distribute over addition;
//! * hashes of files add up and subtract.
//!
//! Equal means equal in the file: `-0.0` differs from `+0.0`, since Parquet
//! keeps both; all NaN are one value, since readers need not keep payloads.
//! Dictionary, view, and wide-offset arrays hash as the plain arrays of their
//! values, and integers of all widths by their value.
//!
//! The hash finds accidents, not attacks: the seeds are public. Where equal
//! rows are to be found again ([`salted_hashes`]), the seeds are drawn anew
//! each time, and `-0.0` equals `+0.0`, as it does in queries.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, OffsetSizeTrait, PrimitiveArray, RecordBatch,
    StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowNativeType, DataType, Date32Type, Date64Type, Decimal128Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use twox_hash::XxHash3_128;

use crate::{Error, Result};

/// The hash of a multiset of rows; zero for none. Hashes of disjoint sets add
/// up to the hash of their union, modulo 2^128.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RowHash(u128);

impl Add for RowHash {
    type Output = RowHash;

    fn add(self, other: RowHash) -> RowHash {
        RowHash(self.0.wrapping_add(other.0))
    }
}

impl AddAssign for RowHash {
    fn add_assign(&mut self, other: RowHash) {
        *self = *self + other;
    }
}

impl Sub for RowHash {
    type Output = RowHash;

    fn sub(self, other: RowHash) -> RowHash {
        RowHash(self.0.wrapping_sub(other.0))
    }
}

impl Sum for RowHash {
    fn sum<I: Iterator<Item = RowHash>>(hashes: I) -> RowHash {
        hashes.fold(RowHash::default(), Add::add)
    }
}

/// Thirty-two lower-case hex digits.
impl fmt::Display for RowHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for RowHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<RowHash> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let value = hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        value.map(RowHash).ok_or_else(|| {
            Error::corrupt(format!(
                "row hash \"{text}\" is not 32 hex digits; the file was not written by this program"
            ))
        })
    }
}

/// The hash of the rows of a batch, over all its columns.
///
/// Fails with [`crate::ErrorKind::Invalid`] on a type that no table column
/// has (intervals, unions, run-end encoded, 256-bit decimals).
pub fn row_hash(batch: &RecordBatch) -> Result<RowHash> {
    let mut rows = vec![0_u128; batch.num_rows()];
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        add_values(column, Seed::of(field.name()), &mut rows)
            .map_err(|e| e.context(format!("column \"{}\"", field.name())))?;
    }
    let sum = rows.into_iter().map(scramble).fold(0, u128::wrapping_add);
    Ok(RowHash(sum))
}

/// One hash per value, zero for NULL.
pub(super) fn value_hashes(array: &ArrayRef) -> Result<Vec<u128>> {
    let mut hashes = vec![0_u128; array.len()];
    add_values(array, Seed::of(""), &mut hashes)?;
    Ok(hashes)
}

/// One hash per row over columns by name; rows whose values are equal have
/// equal hashes, and a column that is NULL counts like one that is not there.
/// Only hashes of one salt can be compared.
pub(crate) fn salted_hashes<'a>(
    columns: impl IntoIterator<Item = (&'a str, &'a ArrayRef)>,
    rows: usize,
    salt: u64,
) -> Result<Vec<u128>> {
    let mut sums = vec![0_u128; rows];
    for (name, column) in columns {
        add_values(column, Seed::salted(name, salt), &mut sums)
            .map_err(|e| e.context(format!("column \"{name}\"")))?;
    }
    sums.iter_mut().for_each(|sum| *sum = scramble(*sum));
    Ok(sums)
}

/// What makes equal values of different columns hash differently.
#[derive(Clone, Copy)]
struct Seed {
    low: u64,
    high: u64,
    zeros: Zeros,
}

/// Whether `-0.0` and `+0.0` are one value.
#[derive(Clone, Copy, PartialEq)]
enum Zeros {
    Distinct,
    Equal,
}

impl Seed {
    fn of(name: &str) -> Seed {
        Seed::from(XxHash3_128::oneshot(name.as_bytes()))
    }

    fn salted(name: &str, salt: u64) -> Seed {
        Seed {
            zeros: Zeros::Equal,
            ..Seed::from(XxHash3_128::oneshot_with_seed(salt, name.as_bytes()))
        }
    }

    fn child(self, name: &str) -> Seed {
        let bits = XxHash3_128::oneshot_with_seed(self.low, name.as_bytes());
        Seed {
            zeros: self.zeros,
            ..Seed::from(bits ^ u128::from(self.high))
        }
    }

    fn double(self, value: impl Into<f64>) -> u128 {
        let value = value.into();
        if value.is_nan() {
            return self.number(f64::NAN.to_bits());
        }
        match self.zeros {
            Zeros::Distinct => self.number(value.to_bits()),
            // The sum of both zeros is the positive one.
            Zeros::Equal => self.number((value + 0.0).to_bits()),
        }
    }

    fn number(self, bits: u64) -> u128 {
        join(mix(bits ^ self.low), mix(bits.rotate_left(32) ^ self.high))
    }

    fn wide(self, bits: u128) -> u128 {
        let (low, high) = halves(bits);
        scramble(self.number(low) ^ join(high, mix(high)))
    }

    fn bytes(self, bytes: &[u8]) -> u128 {
        XxHash3_128::oneshot_with_seed(self.low, bytes) ^ join(self.high, self.low)
    }
}

impl From<u128> for Seed {
    fn from(bits: u128) -> Seed {
        let (low, high) = halves(bits);
        Seed {
            low,
            high,
            zeros: Zeros::Distinct,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of the number are wanted"
)]
fn halves(bits: u128) -> (u64, u64) {
    (bits as u64, (bits >> 64) as u64)
}

fn join(low: u64, high: u64) -> u128 {
    u128::from(low) | (u128::from(high) << 64)
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014, figure 16,
/// with Stafford's constants of variant 13): a bijection.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A four-round Feistel network over the two halves: a bijection, so rows that
/// differ before it differ after it.
fn scramble(bits: u128) -> u128 {
    let (mut left, mut right) = halves(bits);
    for round in 1..=4_u64 {
        (left, right) = (right, left ^ mix(right ^ round));
    }
    join(left, right)
}

/// Adds the hash of each non-NULL value to the sum at its place.
fn add_values(array: &ArrayRef, seed: Seed, sums: &mut [u128]) -> Result<()> {
    match array.data_type() {
        DataType::Null => {}
        DataType::Boolean => {
            let values = array.as_boolean();
            add_valid(array, sums, |i| seed.number(u64::from(values.value(i))));
        }
        DataType::Decimal128(..) => {
            let values = array.as_primitive::<Decimal128Type>().values();
            add_valid(array, sums, |i| seed.wide(values[i].cast_unsigned()));
        }
        DataType::Dictionary(..) => return add_dictionary(array, seed, sums),
        DataType::Struct(_) => return add_structs(array.as_struct(), seed, sums),
        DataType::List(_) => return add_lists::<i32>(array, seed, sums),
        DataType::LargeList(_) => return add_lists::<i64>(array, seed, sums),
        DataType::FixedSizeList(field, _) => {
            let lists = cast(array, &DataType::List(Arc::clone(field)))?;
            return add_lists::<i32>(&lists, seed, sums);
        }
        DataType::Map(..) => return add_maps(array, seed, sums),
        kind if kind.is_numeric() || kind.is_temporal() => return add_numbers(array, seed, sums),
        _ => return add_bytes(array, seed, sums),
    }
    Ok(())
}

fn add_valid(array: &dyn Array, sums: &mut [u128], hash: impl Fn(usize) -> u128) {
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = sum.wrapping_add(hash(i));
            }
        }
        Some(nulls) => {
            for i in nulls.valid_indices() {
                sums[i] = sums[i].wrapping_add(hash(i));
            }
        }
    }
}

fn add_bits<T: ArrowPrimitiveType>(
    array: &dyn Array,
    seed: Seed,
    sums: &mut [u128],
    bits: impl Fn(T::Native) -> u64,
) {
    let values: &PrimitiveArray<T> = array.as_primitive();
    let values = values.values();
    add_valid(array, sums, |i| seed.number(bits(values[i])));
}

fn whole(value: impl Into<i64>) -> u64 {
    value.into().cast_unsigned()
}

fn add_doubles<T>(array: &dyn Array, seed: Seed, sums: &mut [u128])
where
    T: ArrowPrimitiveType,
    T::Native: Into<f64>,
{
    let values: &PrimitiveArray<T> = array.as_primitive();
    let values = values.values();
    add_valid(array, sums, |i| seed.double(values[i]));
}

fn add_numbers(array: &ArrayRef, seed: Seed, sums: &mut [u128]) -> Result<()> {
    use DataType as D;
    match array.data_type() {
        D::Int8 => add_bits::<Int8Type>(array, seed, sums, whole),
        D::Int16 => add_bits::<Int16Type>(array, seed, sums, whole),
        D::Int32 => add_bits::<Int32Type>(array, seed, sums, whole),
        D::Int64 => add_bits::<Int64Type>(array, seed, sums, whole),
        D::UInt8 => add_bits::<UInt8Type>(array, seed, sums, u64::from),
        D::UInt16 => add_bits::<UInt16Type>(array, seed, sums, u64::from),
        D::UInt32 => add_bits::<UInt32Type>(array, seed, sums, u64::from),
        D::UInt64 => add_bits::<UInt64Type>(array, seed, sums, |v| v),
        D::Float16 => add_doubles::<Float16Type>(array, seed, sums),
        D::Float32 => add_doubles::<Float32Type>(array, seed, sums),
        D::Float64 => add_doubles::<Float64Type>(array, seed, sums),
        D::Date32 => add_bits::<Date32Type>(array, seed, sums, whole),
        D::Date64 => add_bits::<Date64Type>(array, seed, sums, whole),
        D::Timestamp(TimeUnit::Second, _) => {
            add_bits::<TimestampSecondType>(array, seed, sums, whole)
        }
        D::Timestamp(TimeUnit::Millisecond, _) => {
            add_bits::<TimestampMillisecondType>(array, seed, sums, whole)
        }
        D::Timestamp(TimeUnit::Microsecond, _) => {
            add_bits::<TimestampMicrosecondType>(array, seed, sums, whole)
        }
        D::Timestamp(TimeUnit::Nanosecond, _) => {
            add_bits::<TimestampNanosecondType>(array, seed, sums, whole)
        }
        D::Duration(TimeUnit::Second) => add_bits::<DurationSecondType>(array, seed, sums, whole),
        D::Duration(TimeUnit::Millisecond) => {
            add_bits::<DurationMillisecondType>(array, seed, sums, whole)
        }
        D::Duration(TimeUnit::Microsecond) => {
            add_bits::<DurationMicrosecondType>(array, seed, sums, whole)
        }
        D::Duration(TimeUnit::Nanosecond) => {
            add_bits::<DurationNanosecondType>(array, seed, sums, whole)
        }
        other => return Err(no_hash(other)),
    }
    Ok(())
}

fn add_bytes(array: &ArrayRef, seed: Seed, sums: &mut [u128]) -> Result<()> {
    match array.data_type() {
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            add_valid(array, sums, |i| seed.bytes(values.value(i).as_bytes()));
        }
        DataType::LargeUtf8 => {
            let values = array.as_string::<i64>();
            add_valid(array, sums, |i| seed.bytes(values.value(i).as_bytes()));
        }
        DataType::Utf8View => {
            let values = array.as_string_view();
            add_valid(array, sums, |i| seed.bytes(values.value(i).as_bytes()));
        }
        DataType::Binary => {
            let values = array.as_binary::<i32>();
            add_valid(array, sums, |i| seed.bytes(values.value(i)));
        }
        DataType::LargeBinary => {
            let values = array.as_binary::<i64>();
            add_valid(array, sums, |i| seed.bytes(values.value(i)));
        }
        DataType::BinaryView => {
            let values = array.as_binary_view();
            add_valid(array, sums, |i| seed.bytes(values.value(i)));
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary();
            add_valid(array, sums, |i| seed.bytes(values.value(i)));
        }
        other => return Err(no_hash(other)),
    }
    Ok(())
}

/// Hashes each dictionary value once and follows the keys.
fn add_dictionary(array: &ArrayRef, seed: Seed, sums: &mut [u128]) -> Result<()> {
    let dictionary = array.as_any_dictionary();
    let mut hashes = vec![0_u128; dictionary.values().len()];
    add_values(dictionary.values(), seed, &mut hashes)?;
    if hashes.is_empty() {
        return Ok(());
    }
    let keys = dictionary.normalized_keys();
    add_valid(dictionary.keys(), sums, |i| hashes[keys[i]]);
    Ok(())
}

/// A struct that is there counts, even where all its fields are NULL.
fn add_structs(array: &StructArray, seed: Seed, sums: &mut [u128]) -> Result<()> {
    let mut inner = vec![0_u128; array.len()];
    for (field, column) in array.fields().iter().zip(array.columns()) {
        add_values(column, seed.child(field.name()), &mut inner)?;
    }
    add_valid(array, sums, |i| scramble(inner[i] ^ seed.number(1)));
    Ok(())
}

fn add_lists<O: OffsetSizeTrait>(array: &ArrayRef, seed: Seed, sums: &mut [u128]) -> Result<()> {
    let lists = array.as_list::<O>();
    let offsets = lists.value_offsets();
    let (first, last) = (offsets[0].as_usize(), offsets[lists.len()].as_usize());
    let items = item_hashes(&lists.values().slice(first, last - first), seed)?;
    add_valid(array, sums, |i| {
        let from = offsets[i].as_usize() - first;
        let to = offsets[i + 1].as_usize() - first;
        sequence(seed, &items[from..to])
    });
    Ok(())
}

fn add_maps(array: &ArrayRef, seed: Seed, sums: &mut [u128]) -> Result<()> {
    let maps = array.as_map();
    let entries: ArrayRef = Arc::new(maps.entries().clone());
    let items = item_hashes(&entries, seed)?;
    let offsets = maps.value_offsets();
    add_valid(array, sums, |i| {
        sequence(
            seed,
            &items[offsets[i].as_usize()..offsets[i + 1].as_usize()],
        )
    });
    Ok(())
}

fn item_hashes(items: &ArrayRef, seed: Seed) -> Result<Vec<u128>> {
    let mut hashes = vec![0_u128; items.len()];
    add_values(items, seed.child("item"), &mut hashes)?;
    Ok(hashes)
}

/// The hash of a list: of its length and of its items in their order, NULL items included.
fn sequence(seed: Seed, items: &[u128]) -> u128 {
    let start = seed.number(items.len() as u64);
    items
        .iter()
        .fold(start, |state, item| scramble(state).wrapping_add(*item))
}

fn no_hash(data_type: &DataType) -> Error {
    Error::invalid(format!(
        "type {data_type} has no row hash; cast the column to a type that a table can hold"
    ))
}
