//! Columns while they grow.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanArray, BooleanBufferBuilder, Decimal128Array, ListArray,
    NullBufferBuilder, PrimitiveArray, StringBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use downlake_lake::schema::Column;
use downlake_lake::{Error, Result};

use super::super::bits;
use super::super::locate::{Found, text};
use super::super::model::{Encoding, Meaning, Scalar};
use super::super::plan::{Field, Plan};
use super::super::stream::Filling;
use super::calibration::{Calibration, Tick, half};

/// What a column is made of.
#[derive(Debug)]
pub(super) struct Target {
    kind: Kind,
    data_type: DataType,
    /// Values of one row: more than one in lists.
    values_per_row: usize,
}

#[derive(Debug)]
enum Kind {
    I8,
    I16,
    I32,
    I64,
    Unsigned64,
    F16,
    F32,
    F64,
    Calibrated(Calibration),
    Truth,
    Instant(Tick),
    Text,
    Binary,
}

impl Target {
    /// # Errors
    /// Internal, if the column has a type that its values have not.
    pub(super) fn new(plan: &Plan, column: &Column, filling: Filling) -> Result<Target> {
        let field = match filling {
            Filling::Raw(at) | Filling::Engineering(at) => Some(&plan.fields[at]),
            _ => None,
        };
        let data_type = column.decoded_type();
        let element = match &data_type {
            DataType::List(element) => element.data_type(),
            other => other,
        };
        let kind = match (filling, field) {
            (Filling::Engineering(_), Some(field)) => Kind::engineering(&field.scalar)?,
            _ => Kind::raw(element, field.map(|field| &field.scalar))?,
        };
        let repeat = field.and_then(|field| field.repeat);
        Ok(Target {
            kind,
            data_type,
            values_per_row: repeat.map_or(1, |repeat| repeat.count as usize),
        })
    }

    /// An empty column that so many rows fit into.
    pub(super) fn sink(&self, rows: usize) -> Sink<'_> {
        Sink {
            target: self,
            cells: Cells::new(&self.kind, rows * self.values_per_row),
            validity: NullBufferBuilder::new(rows),
        }
    }
}

impl Kind {
    fn raw(data_type: &DataType, scalar: Option<&Scalar>) -> Result<Kind> {
        let half = |scalar: &Scalar| matches!(scalar.encoding, Encoding::Float { bits: 16, .. });
        Ok(match data_type {
            DataType::Int8 => Kind::I8,
            DataType::Int16 => Kind::I16,
            DataType::Int32 => Kind::I32,
            DataType::Int64 => Kind::I64,
            DataType::Decimal128(..) => Kind::Unsigned64,
            DataType::Float32 if scalar.is_some_and(half) => Kind::F16,
            DataType::Float32 => Kind::F32,
            DataType::Float64 => Kind::F64,
            DataType::Utf8 => Kind::Text,
            DataType::Binary => Kind::Binary,
            other => {
                return Err(Error::internal(format!(
                    "no raw value has the type {other}"
                )));
            }
        })
    }

    fn engineering(scalar: &Scalar) -> Result<Kind> {
        match &scalar.meaning {
            Meaning::Polynomial(terms) => Ok(Kind::Calibrated(Calibration::new(scalar, terms))),
            Meaning::Boolean => Ok(Kind::Truth),
            Meaning::Instant(clock) => Ok(Kind::Instant(Tick::new(*clock, scalar))),
            Meaning::Plain | Meaning::Labels(_) => {
                Err(Error::internal("a plain value has no engineering column"))
            }
        }
    }
}

/// One column while it grows.
pub(super) struct Sink<'a> {
    target: &'a Target,
    pub(super) cells: Cells<'a>,
    validity: NullBufferBuilder,
}

/// The values of a column.
pub(super) enum Cells<'a> {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    Unsigned64(Vec<i128>),
    F16(Vec<f32>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Calibrated(Vec<f64>, &'a Calibration),
    Truth(BooleanBufferBuilder),
    Instant(Vec<i64>, NullBufferBuilder, &'a Tick),
    Text(StringBuilder),
    Binary(BinaryBuilder),
}

impl Sink<'_> {
    /// Appends one number a row, settled.
    pub(super) fn numbers(&mut self, values: &[u64]) {
        self.cells.extend(values);
        self.has_all(values.len());
    }

    /// Says that the cells of so many rows are there.
    pub(super) fn has_all(&mut self, rows: usize) {
        self.validity.append_n_non_nulls(rows);
    }

    /// Appends the text or bytes of a row.
    pub(super) fn bytes(&mut self, field: &Field, packet: &[u8], at: Found) {
        match &mut self.cells {
            Cells::Text(out) => {
                let text = text(field, packet, at);
                out.append_value(text.expect("a located packet has readable text"));
            }
            Cells::Binary(out) => {
                let bytes = bits::bytes(packet, at.start, at.bits);
                out.append_value(bytes.expect("a located packet has all its bytes"));
            }
            _ => unreachable!("a field without a number is text or bytes"),
        }
        self.has_all(1);
    }

    /// Appends a row without a value.
    pub(super) fn null(&mut self) {
        match &mut self.cells {
            Cells::Text(out) => out.append_null(),
            Cells::Binary(out) => out.append_null(),
            numbers => (0..self.target.values_per_row).for_each(|_| numbers.extend(&[0])),
        }
        self.validity.append_null();
    }

    /// # Errors
    /// Internal, if the values are not of the column's type.
    pub(super) fn finish(mut self) -> Result<ArrayRef> {
        let rows = self.validity.len();
        let nulls = self.validity.finish();
        let DataType::List(element) = &self.target.data_type else {
            return Ok(self.cells.finish(nulls, &self.target.data_type));
        };
        let values = self.cells.finish(None, element.data_type());
        let lengths = std::iter::repeat_n(self.target.values_per_row, rows);
        let list = ListArray::try_new(
            Arc::clone(element),
            OffsetBuffer::from_lengths(lengths),
            values,
            nulls,
        )?;
        Ok(Arc::new(list))
    }
}

impl<'a> Cells<'a> {
    fn new(kind: &'a Kind, values: usize) -> Cells<'a> {
        match kind {
            Kind::I8 => Cells::I8(Vec::with_capacity(values)),
            Kind::I16 => Cells::I16(Vec::with_capacity(values)),
            Kind::I32 => Cells::I32(Vec::with_capacity(values)),
            Kind::I64 => Cells::I64(Vec::with_capacity(values)),
            Kind::Unsigned64 => Cells::Unsigned64(Vec::with_capacity(values)),
            Kind::F16 => Cells::F16(Vec::with_capacity(values)),
            Kind::F32 => Cells::F32(Vec::with_capacity(values)),
            Kind::F64 => Cells::F64(Vec::with_capacity(values)),
            Kind::Calibrated(calibration) => {
                Cells::Calibrated(Vec::with_capacity(values), calibration)
            }
            Kind::Truth => Cells::Truth(BooleanBufferBuilder::new(values)),
            Kind::Instant(tick) => Cells::Instant(
                Vec::with_capacity(values),
                NullBufferBuilder::new(values),
                tick,
            ),
            Kind::Text => Cells::Text(StringBuilder::with_capacity(values, 0)),
            Kind::Binary => Cells::Binary(BinaryBuilder::with_capacity(values, 0)),
        }
    }

    /// Appends settled numbers, each as the cell's type;
    /// [`Scalar::raw_kind`] chose one that holds every number of the width.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the numbers are of a width that the type holds"
    )]
    pub(super) fn extend(&mut self, numbers: &[u64]) {
        match self {
            Cells::I8(out) => out.extend(numbers.iter().map(|n| *n as i8)),
            Cells::I16(out) => out.extend(numbers.iter().map(|n| *n as i16)),
            Cells::I32(out) => out.extend(numbers.iter().map(|n| *n as i32)),
            Cells::I64(out) => out.extend(numbers.iter().map(|n| n.cast_signed())),
            Cells::Unsigned64(out) => out.extend(numbers.iter().map(|n| i128::from(*n))),
            Cells::F16(out) => out.extend(numbers.iter().map(|n| half(*n as u16))),
            Cells::F32(out) => out.extend(numbers.iter().map(|n| f32::from_bits(*n as u32))),
            Cells::F64(out) => out.extend(numbers.iter().map(|n| f64::from_bits(*n))),
            Cells::Calibrated(out, calibration) => calibration.extend(out, numbers),
            Cells::Truth(out) => numbers.iter().for_each(|n| out.append(*n != 0)),
            Cells::Instant(out, known, tick) => {
                for number in numbers {
                    let micros = tick.micros(*number);
                    out.push(micros.unwrap_or_default());
                    known.append(micros.is_some());
                }
            }
            Cells::Text(_) | Cells::Binary(_) => unreachable!("text and bytes are no numbers"),
        }
    }

    fn finish(self, nulls: Option<NullBuffer>, data_type: &DataType) -> ArrayRef {
        fn primitive<T: ArrowPrimitiveType>(
            values: Vec<T::Native>,
            nulls: Option<NullBuffer>,
        ) -> ArrayRef {
            Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
        }
        match self {
            Cells::I8(values) => primitive::<Int8Type>(values, nulls),
            Cells::I16(values) => primitive::<Int16Type>(values, nulls),
            Cells::I32(values) => primitive::<Int32Type>(values, nulls),
            Cells::I64(values) => primitive::<Int64Type>(values, nulls),
            Cells::Unsigned64(values) => {
                let array = Decimal128Array::new(values.into(), nulls);
                Arc::new(array.with_data_type(data_type.clone()))
            }
            Cells::F16(values) | Cells::F32(values) => primitive::<Float32Type>(values, nulls),
            Cells::F64(values) | Cells::Calibrated(values, _) => {
                primitive::<Float64Type>(values, nulls)
            }
            Cells::Truth(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Cells::Instant(values, mut known, _) => {
                let nulls = NullBuffer::union(nulls.as_ref(), known.finish().as_ref());
                let array = PrimitiveArray::<TimestampMicrosecondType>::new(values.into(), nulls);
                Arc::new(array.with_data_type(data_type.clone()))
            }
            // Their builders were told which rows have no value.
            Cells::Text(mut values) => Arc::new(values.finish()),
            Cells::Binary(mut values) => Arc::new(values.finish()),
        }
    }
}
