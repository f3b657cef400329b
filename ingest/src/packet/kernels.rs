//! Located packets to Arrow columns, a column at a time.
//!
//! Packets are taken in blocks that stay in the cache. For each field of a
//! block, numbers with a fixed place are loaded eight bytes at once, shifted
//! and masked into one small array, then converted for each column that wants
//! them: the raw value and, where there is one, the engineering value. Values
//! without a fixed place are read where they were found.
//!
//! Promises: every packet handed over becomes one row, for
//! [`locate`](super::locate) has proven that it holds every value; a value
//! that a condition leaves out is NULL. An instant that 64-bit microseconds
//! cannot say is NULL beside its raw count.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanBufferBuilder, Decimal128Array, ListArray,
    NullBufferBuilder, PrimitiveArray, RecordBatch, StringBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field as ArrowField, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use downlake_lake::schema::time::{CCSDS_EPOCH_MICROS, TimeReader, UtcInstant};
use downlake_lake::schema::{AbsoluteTime, Column, TimeCode};
use downlake_lake::{Error, Result};

use super::bits::{self, Number};
use super::header::PrimaryHeader;
use super::locate::{Found, place_of, text};
use super::model::{Clock, Encoding, Meaning, Scalar, Sign, Term};
use super::plan::{Field, Plan, Spot};
use super::stream::{Filling, Stream};

/// Packets of a block: with packets of a kilobyte, a block is in the cache of
/// one core.
const BLOCK: usize = 256;

/// A packet and where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Its bytes, from the primary header on.
    pub bytes: &'a [u8],
    /// Its number in the source unit, from 0.
    pub index: u64,
    /// The place of its first byte in the source unit.
    pub offset: u64,
}

/// Packets of one container, located: one row each.
#[derive(Debug, Default)]
pub struct Located<'a> {
    /// The packets.
    pub packets: Vec<Packet<'a>>,
    /// The slots of all packets, one packet's after the other's.
    pub found: Vec<Found>,
}

/// The rows of a stream.
///
/// # Errors
/// Internal, if the columns do not fit the stream's schema.
pub fn decode(plan: &Plan, stream: &Stream, located: &Located) -> Result<RecordBatch> {
    let rows = located.packets.len();
    let mut columns: Vec<Sink> = stream
        .definition
        .columns
        .iter()
        .zip(&stream.fillings)
        .map(|(column, filling)| Sink::new(plan, column, *filling, rows))
        .collect::<Result<_>>()?;
    let jobs = jobs(plan, stream);
    for first in (0..rows).step_by(BLOCK) {
        let last = (first + BLOCK).min(rows);
        let block = Block {
            packets: &located.packets[first..last],
            found: &located.found[first * plan.slots..last * plan.slots],
            slots: plan.slots,
        };
        for job in &jobs {
            run(job, &block, &mut columns[job.columns.clone()]);
        }
    }
    let arrays = columns
        .into_iter()
        .map(Sink::finish)
        .collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(stream.schema(), arrays).map_err(Error::from)
}

/// What fills neighbouring columns: one field, or one value of the header.
struct Job<'a> {
    what: What<'a>,
    columns: std::ops::Range<usize>,
}

enum What<'a> {
    Header(Filling),
    Fixed(Load),
    Field(&'a Field),
}

struct Block<'a> {
    packets: &'a [Packet<'a>],
    found: &'a [Found],
    slots: usize,
}

impl<'a> Block<'a> {
    fn rows(&self) -> impl Iterator<Item = (&'a [u8], &'a [Found])> + '_ {
        let slots = self.slots;
        self.packets.iter().enumerate().map(move |(row, packet)| {
            let found = &self.found[row * slots..(row + 1) * slots];
            (packet.bytes, found)
        })
    }
}

fn jobs<'a>(plan: &'a Plan, stream: &Stream) -> Vec<Job<'a>> {
    let mut jobs: Vec<(Option<usize>, Job)> = Vec::new();
    for (at, filling) in stream.fillings.iter().enumerate() {
        let field = match *filling {
            Filling::Raw(field) | Filling::Engineering(field) => Some(field),
            _ => None,
        };
        match jobs.last_mut() {
            Some((last, job)) if field.is_some() && *last == field => job.columns.end = at + 1,
            _ => {
                let what = match field {
                    None => What::Header(*filling),
                    Some(field) => what(plan, &plan.fields[field]),
                };
                let columns = at..at + 1;
                jobs.push((field, Job { what, columns }));
            }
        }
    }
    jobs.into_iter().map(|(_, job)| job).collect()
}

fn what<'a>(plan: &Plan, field: &'a Field) -> What<'a> {
    match (field.spot, field.number, field.repeat) {
        (Spot::At(bit), Some(number), None) => {
            What::Fixed(Load::new(bit, number, plan.fixed_end.div_ceil(8)))
        }
        _ => What::Field(field),
    }
}

fn run(job: &Job, block: &Block, columns: &mut [Sink]) {
    let mut values = [0u64; BLOCK];
    let values = &mut values[..block.packets.len()];
    match &job.what {
        What::Header(filling) => header(*filling, block, values),
        What::Fixed(load) => load.block(block.packets, values),
        What::Field(field) => {
            return columns
                .iter_mut()
                .for_each(|sink| scattered(field, block, sink));
        }
    }
    for sink in columns {
        sink.numbers(values);
    }
}

fn header(filling: Filling, block: &Block, values: &mut [u64]) {
    for (value, packet) in values.iter_mut().zip(block.packets) {
        let header = PrimaryHeader::read(packet.bytes);
        *value = match filling {
            Filling::PacketIndex => packet.index,
            Filling::ByteOffset => packet.offset,
            Filling::Apid => header.map_or(0, |h| h.apid.into()),
            Filling::SequenceFlags => header.map_or(0, |h| h.sequence_flags.into()),
            _ => header.map_or(0, |h| h.sequence_count.into()),
        };
    }
}

/// How a number with a fixed place is loaded.
struct Load {
    bit: u32,
    number: Number,
    /// Eight bytes that hold all of it, and how far to shift them.
    window: Option<(usize, u32)>,
}

impl Load {
    /// `least_bytes`: what every packet of the container has.
    fn new(bit: u32, number: Number, least_bytes: u32) -> Load {
        let end = bit + u32::from(number.bits);
        let first = (bit / 8).min(least_bytes.saturating_sub(8));
        let fits = least_bytes >= 8 && end <= first * 8 + 64;
        let window = fits.then(|| (first as usize, first * 8 + 64 - end));
        Load {
            bit,
            number,
            window,
        }
    }

    fn block(&self, packets: &[Packet], values: &mut [u64]) {
        match self.window {
            Some((first, shift)) => {
                let mask = u64::MAX >> (64 - u32::from(self.number.bits));
                for (value, packet) in values.iter_mut().zip(packets) {
                    let window = packet.bytes.get(first..).and_then(|b| b.first_chunk::<8>());
                    let window = window.expect("a located packet has all fixed values");
                    *value = (u64::from_be_bytes(*window) >> shift) & mask;
                }
            }
            None => {
                for (value, packet) in values.iter_mut().zip(packets) {
                    *value = bits::unsigned(packet.bytes, self.bit, self.number.bits)
                        .expect("a located packet has all fixed values");
                }
            }
        }
        let stands =
            self.number.sign == Sign::Unsigned && self.number.order == super::model::ByteOrder::Big;
        if !stands {
            for value in values {
                *value = self.number.settle(*value);
            }
        }
    }
}

/// Values that are text, bytes, repeated, or not always at the same place.
fn scattered(field: &Field, block: &Block, sink: &mut Sink) {
    for (packet, found) in block.rows() {
        match place_of(field, found) {
            Some(at) => one(field, packet, at, sink),
            None => sink.null(),
        }
    }
}

fn one(field: &Field, packet: &[u8], at: Found, sink: &mut Sink) {
    if let Some(number) = field.number {
        let (count, stride) = field.repeat.map_or((1, 0), |r| (r.count, r.stride));
        for i in 0..count {
            let value = bits::unsigned(packet, at.start + i * stride, number.bits);
            let value = value.expect("a located packet has all its values");
            sink.cells.push(number.settle(value));
        }
        return sink.validity.append_non_null();
    }
    match &mut sink.cells {
        Cells::Text(texts) => {
            let text = text(field, packet, at).expect("a located packet has readable text");
            texts.append_value(text);
        }
        Cells::Binary(blobs) => {
            let bytes = bits::bytes(packet, at.start, at.bits);
            blobs.append_value(bytes.expect("a located packet has all its bytes"));
        }
        _ => unreachable!("a field without a number is text or bytes"),
    }
    sink.validity.append_non_null();
}

/// One column while it grows.
struct Sink {
    cells: Cells,
    validity: NullBufferBuilder,
    data_type: DataType,
    /// Values of one row: more than one in lists.
    values_per_row: usize,
    is_list: bool,
}

enum Cells {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    Unsigned64(Vec<i128>),
    F16(Vec<f32>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Calibrated(Vec<f64>, Calibration),
    Truth(BooleanBufferBuilder),
    Instant(Vec<i64>, NullBufferBuilder, Tick),
    Text(StringBuilder),
    Binary(BinaryBuilder),
}

impl Sink {
    fn new(plan: &Plan, column: &Column, filling: Filling, rows: usize) -> Result<Sink> {
        let field = match filling {
            Filling::Raw(at) | Filling::Engineering(at) => Some(&plan.fields[at]),
            _ => None,
        };
        let repeat = field.and_then(|field| field.repeat);
        let values_per_row = repeat.map_or(1, |repeat| repeat.count as usize);
        let data_type = column.decoded_type();
        let element = match &data_type {
            DataType::List(element) => element.data_type(),
            other => other,
        };
        let values = rows * values_per_row;
        let cells = match (filling, field) {
            (Filling::Engineering(_), Some(field)) => Cells::engineering(&field.scalar, values)?,
            _ => Cells::raw(element, field.map(|f| &f.scalar), values)?,
        };
        Ok(Sink {
            cells,
            validity: NullBufferBuilder::new(rows),
            is_list: matches!(data_type, DataType::List(_)),
            data_type,
            values_per_row,
        })
    }

    fn numbers(&mut self, values: &[u64]) {
        self.cells.extend(values);
        self.validity.append_n_non_nulls(values.len());
    }

    fn null(&mut self) {
        for _ in 0..self.values_per_row {
            self.cells.push_nothing();
        }
        self.validity.append_null();
    }

    fn finish(self) -> Result<ArrayRef> {
        let Sink {
            cells,
            mut validity,
            data_type,
            values_per_row,
            is_list,
        } = self;
        let rows = validity.len();
        let nulls = validity.finish();
        if !is_list {
            return cells.finish(nulls, &data_type);
        }
        let DataType::List(element) = &data_type else {
            return Err(Error::internal("a column of lists has another type"));
        };
        let values = cells.finish(None, element.data_type())?;
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(values_per_row, rows));
        let element: Arc<ArrowField> = Arc::clone(element);
        Ok(Arc::new(ListArray::try_new(
            element, offsets, values, nulls,
        )?))
    }
}

impl Cells {
    fn raw(data_type: &DataType, scalar: Option<&Scalar>, values: usize) -> Result<Cells> {
        let half = |scalar: &Scalar| matches!(scalar.encoding, Encoding::Float { bits: 16, .. });
        Ok(match data_type {
            DataType::Int8 => Cells::I8(Vec::with_capacity(values)),
            DataType::Int16 => Cells::I16(Vec::with_capacity(values)),
            DataType::Int32 => Cells::I32(Vec::with_capacity(values)),
            DataType::Int64 => Cells::I64(Vec::with_capacity(values)),
            DataType::Decimal128(..) => Cells::Unsigned64(Vec::with_capacity(values)),
            DataType::Float32 if scalar.is_some_and(half) => Cells::F16(Vec::with_capacity(values)),
            DataType::Float32 => Cells::F32(Vec::with_capacity(values)),
            DataType::Float64 => Cells::F64(Vec::with_capacity(values)),
            DataType::Utf8 => Cells::Text(StringBuilder::new()),
            DataType::Binary => Cells::Binary(BinaryBuilder::new()),
            other => {
                return Err(Error::internal(format!(
                    "no raw value has the type {other}"
                )));
            }
        })
    }

    fn engineering(scalar: &Scalar, values: usize) -> Result<Cells> {
        match &scalar.meaning {
            Meaning::Polynomial(terms) => Ok(Cells::Calibrated(
                Vec::with_capacity(values),
                Calibration::new(scalar, terms.clone()),
            )),
            Meaning::Boolean => Ok(Cells::Truth(BooleanBufferBuilder::new(values))),
            Meaning::Instant(clock) => Ok(Cells::Instant(
                Vec::with_capacity(values),
                NullBufferBuilder::new(values),
                Tick::new(*clock, scalar),
            )),
            Meaning::Plain | Meaning::Labels(_) => {
                Err(Error::internal("a plain value has no engineering column"))
            }
        }
    }

    /// Settled numbers, each to the cell's type; [`Scalar::raw_kind`] chose
    /// a type that holds every number of the width.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the numbers are of a width that the type holds"
    )]
    fn extend(&mut self, numbers: &[u64]) {
        match self {
            Cells::I8(out) => out.extend(numbers.iter().map(|n| *n as i8)),
            Cells::I16(out) => out.extend(numbers.iter().map(|n| *n as i16)),
            Cells::I32(out) => out.extend(numbers.iter().map(|n| *n as i32)),
            Cells::I64(out) => out.extend(numbers.iter().map(|n| n.cast_signed())),
            Cells::Unsigned64(out) => out.extend(numbers.iter().map(|n| i128::from(*n))),
            Cells::F16(out) => out.extend(numbers.iter().map(|n| half(*n as u16))),
            Cells::F32(out) => out.extend(numbers.iter().map(|n| f32::from_bits(*n as u32))),
            Cells::F64(out) => out.extend(numbers.iter().map(|n| f64::from_bits(*n))),
            Cells::Calibrated(out, calibration) => {
                out.extend(numbers.iter().map(|n| calibration.value(*n)));
            }
            Cells::Truth(out) => numbers.iter().for_each(|n| out.append(*n != 0)),
            Cells::Instant(out, validity, tick) => {
                for number in numbers {
                    let instant = tick.instant(*number);
                    out.push(instant.map_or(0, |instant| instant.micros));
                    validity.append(instant.is_some());
                }
            }
            Cells::Text(_) | Cells::Binary(_) => unreachable!("text and bytes are no numbers"),
        }
    }

    fn push(&mut self, number: u64) {
        self.extend(&[number]);
    }

    fn push_nothing(&mut self) {
        match self {
            Cells::Text(out) => out.append_value(""),
            Cells::Binary(out) => out.append_value(b""),
            numbers => numbers.push(0),
        }
    }

    fn finish(self, nulls: Option<NullBuffer>, data_type: &DataType) -> Result<ArrayRef> {
        fn primitive<T: ArrowPrimitiveType>(
            values: Vec<T::Native>,
            nulls: Option<NullBuffer>,
        ) -> ArrayRef {
            Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
        }
        Ok(match self {
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
            Cells::Text(mut values) => with_nulls(&values.finish(), nulls)?,
            Cells::Binary(mut values) => with_nulls(&values.finish(), nulls)?,
        })
    }
}

fn with_nulls(array: &dyn Array, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let data = array.to_data().into_builder().nulls(nulls).build()?;
    Ok(arrow::array::make_array(data))
}

fn half(bits: u16) -> f32 {
    <Float16Type as ArrowPrimitiveType>::Native::from_bits(bits).to_f32()
}

/// A polynomial over raw numbers.
struct Calibration {
    terms: Vec<Term>,
    read: Read,
}

/// What the 64 settled bits of a number are.
#[derive(Clone, Copy)]
enum Read {
    Unsigned,
    Signed,
    F16,
    F32,
    F64,
}

impl Read {
    fn of(encoding: &Encoding) -> Read {
        match encoding {
            Encoding::Float { bits: 16, .. } => Read::F16,
            Encoding::Float { bits: 32, .. } => Read::F32,
            Encoding::Float { .. } => Read::F64,
            Encoding::Integer {
                sign: Sign::Unsigned,
                ..
            } => Read::Unsigned,
            _ => Read::Signed,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the bits of a narrow float stand in the low bits; beyond 53 bits a calibrated value is rounded"
    )]
    fn value(self, bits: u64) -> f64 {
        match self {
            Read::Unsigned => bits as f64,
            Read::Signed => bits.cast_signed() as f64,
            Read::F16 => half(bits as u16).into(),
            Read::F32 => f32::from_bits(bits as u32).into(),
            Read::F64 => f64::from_bits(bits),
        }
    }
}

impl Calibration {
    fn new(scalar: &Scalar, terms: Vec<Term>) -> Calibration {
        Calibration {
            terms,
            read: Read::of(&scalar.encoding),
        }
    }

    /// The terms in the order of the definition.
    fn value(&self, bits: u64) -> f64 {
        let raw = self.read.value(bits);
        let term = |term: &Term| term.coefficient * raw.powi(term.exponent.into());
        self.terms.iter().map(term).sum()
    }
}

/// A count to an instant.
struct Tick {
    reader: TimeReader,
    fraction_bits: Option<u8>,
    signed: bool,
}

impl Tick {
    fn new(clock: Clock, scalar: &Scalar) -> Tick {
        let fraction_bits = match clock.code {
            TimeCode::Cuc { fraction_bits } => Some(fraction_bits),
            _ => None,
        };
        Tick {
            reader: TimeReader::new(&AbsoluteTime {
                columns: Vec::new(),
                code: clock.code,
                epoch_micros: clock.epoch_micros,
                scale: clock.scale,
                valid_from_micros: CCSDS_EPOCH_MICROS,
                valid_to_micros: None,
            }),
            fraction_bits,
            signed: !matches!(
                scalar.encoding,
                Encoding::Integer {
                    sign: Sign::Unsigned,
                    ..
                }
            ),
        }
    }

    fn instant(&self, bits: u64) -> Option<UtcInstant> {
        let count = match self.signed {
            true => i128::from(bits.cast_signed()),
            false => i128::from(bits),
        };
        match self.fraction_bits {
            None => self.reader.count(count).ok(),
            Some(width) => {
                let seconds = i64::try_from(count >> width).ok()?;
                let fraction = i64::try_from(count & ((1 << width) - 1)).ok()?;
                self.reader.parts(&[seconds, fraction]).ok()
            }
        }
    }
}
