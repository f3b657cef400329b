//! Located packets to Arrow columns, a column at a time.
//!
//! Packets are taken in blocks that stay in the cache. For each field of a
//! block, numbers with a fixed place are loaded with as many bytes as they
//! have, or with eight that are shifted and masked, and converted straight
//! into the column. Where two columns want them, the raw value and the
//! engineering value, and where their bits say a sign in a rare way, they pass
//! through one small array. Values without a fixed place are read where they
//! were found.
//!
//! Promises: every packet handed over becomes one row, for
//! [`locate`](super::locate) has proven that it holds every value; a value
//! that a condition leaves out is NULL. An instant that 64-bit microseconds
//! cannot say is NULL beside its raw count.

mod calibration;
mod cells;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use downlake_lake::{Error, Result};

use super::bits::{self, Number};
use super::feed::{Chunk, Entry};
use super::locate::{Found, place_of};
use super::model::{ByteOrder, Sign};
use super::plan::{Field, Plan, Repeat, Spot};
use super::stream::{Filling, Stream};
use cells::{Cells, Sink, Target};

/// Bits of the primary header, which every packet has.
const HEADER_BITS: u32 = 48;
/// Most packets of a block.
const BLOCK: usize = 256;
/// Bytes of packets after which a block ends: so many, and the ends of the
/// columns that they go to, stay in the cache of one core.
const BLOCK_BYTES: usize = 128 << 10;

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
#[derive(Debug)]
pub struct Located<'a> {
    /// Where they are.
    pub chunk: &'a Chunk,
    /// Which packets of the chunk.
    pub rows: &'a [u32],
    /// The slots of all of them, one packet's after the other's.
    pub found: &'a [Found],
}

/// What fills the columns of a stream.
#[derive(Debug)]
pub struct Kernels {
    schema: SchemaRef,
    targets: Vec<Target>,
    jobs: Vec<Job>,
    slots: usize,
}

/// What fills neighbouring columns: one field, or one value beside them.
#[derive(Debug)]
struct Job {
    what: What,
    columns: Range<usize>,
}

#[derive(Debug)]
enum What {
    /// The packet's number in the source unit.
    Index,
    /// Its place there.
    Offset,
    /// A number with a fixed place.
    Fixed(Load),
    /// A field of the plan that is something else.
    Field(usize),
}

impl Kernels {
    /// The kernels of a stream of this plan.
    ///
    /// # Errors
    /// Internal, if a column has a type that its values have not.
    pub fn new(plan: &Plan, stream: &Stream) -> Result<Kernels> {
        let columns = stream.definition.columns.iter().zip(&stream.fillings);
        let targets = columns.map(|(column, filling)| Target::new(plan, column, *filling));
        Ok(Kernels {
            schema: stream.schema(),
            targets: targets.collect::<Result<_>>()?,
            jobs: jobs(plan, &stream.fillings),
            slots: plan.slots,
        })
    }

    /// The rows of packets that were located by the same plan.
    ///
    /// # Errors
    /// Internal, if the columns do not fit the stream's schema.
    pub fn decode(&self, plan: &Plan, located: &Located) -> Result<RecordBatch> {
        let rows = located.rows.len();
        let mut sinks: Vec<Sink> = self.targets.iter().map(|t| t.sink(rows)).collect();
        let mut starts = Vec::with_capacity(BLOCK);
        let mut first = 0;
        while first < rows {
            starts.clear();
            starts.extend(block_starts(located.chunk, &located.rows[first..]));
            let last = first + starts.len();
            let block = Block {
                bytes: &located.chunk.bytes,
                entries: &located.chunk.packets,
                rows: &located.rows[first..last],
                starts: &starts,
                found: &located.found[first * self.slots..last * self.slots],
                slots: self.slots,
            };
            for job in &self.jobs {
                job.run(plan, &block, &mut sinks[job.columns.clone()]);
            }
            first = last;
        }
        let arrays = sinks.into_iter().map(Sink::finish);
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(Error::from)
    }
}

/// Where the packets of the next block begin: at least one.
fn block_starts<'a>(chunk: &'a Chunk, rows: &'a [u32]) -> impl Iterator<Item = usize> + 'a {
    let mut room = BLOCK_BYTES;
    let entries = rows.iter().map(|at| &chunk.packets[*at as usize]);
    let in_room = entries.take(BLOCK).take_while(move |entry| {
        let fits = room > 0;
        room = room.saturating_sub(entry.length);
        fits
    });
    in_room.map(|entry| entry.start)
}

fn jobs(plan: &Plan, fillings: &[Filling]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut last = None;
    for (at, filling) in fillings.iter().enumerate() {
        let field = match *filling {
            Filling::Raw(field) | Filling::Engineering(field) => Some(field),
            _ => None,
        };
        match jobs.last_mut() {
            Some(job) if field.is_some() && last == field => job.columns.end = at + 1,
            _ => jobs.push(Job {
                what: What::of(plan, *filling),
                columns: at..at + 1,
            }),
        }
        last = field;
    }
    jobs
}

impl What {
    fn of(plan: &Plan, filling: Filling) -> What {
        let least_bytes = plan.fixed_end.max(HEADER_BITS).div_ceil(8);
        let of_header = |bit, bits| {
            let number = Number {
                bits,
                sign: Sign::Unsigned,
                order: ByteOrder::Big,
            };
            What::Fixed(Load::new(bit, number, least_bytes))
        };
        match filling {
            Filling::Apid => of_header(5, 11),
            Filling::SequenceFlags => of_header(16, 2),
            Filling::SequenceCount => of_header(18, 14),
            Filling::PacketIndex => What::Index,
            Filling::ByteOffset => What::Offset,
            Filling::Raw(at) | Filling::Engineering(at) => {
                let field = &plan.fields[at];
                match (field.spot, field.number, field.repeat) {
                    (Spot::At(bit), Some(number), None) => {
                        What::Fixed(Load::new(bit, number, least_bytes))
                    }
                    _ => What::Field(at),
                }
            }
        }
    }
}

impl Job {
    fn run(&self, plan: &Plan, block: &Block, sinks: &mut [Sink]) {
        match &self.what {
            What::Index => block.each_entry(sinks, |entry| entry.index),
            What::Offset => block.each_entry(sinks, |entry| entry.offset),
            What::Fixed(load) => load.run(block, sinks),
            What::Field(at) => sinks
                .iter_mut()
                .for_each(|sink| scattered(&plan.fields[*at], block, sink)),
        }
    }
}

/// Packets that are decoded together.
struct Block<'a> {
    /// Those of the chunk.
    bytes: &'a [u8],
    entries: &'a [Entry],
    rows: &'a [u32],
    /// Where each begins in the chunk's bytes.
    starts: &'a [usize],
    found: &'a [Found],
    slots: usize,
}

impl Block<'_> {
    /// Some bytes of each packet, all at the same place in it.
    fn at<const N: usize>(&self, place: usize) -> impl Iterator<Item = [u8; N]> + '_ {
        self.starts.iter().map(move |start| {
            let bytes = self.bytes[start + place..].first_chunk();
            *bytes.expect("a located packet has all fixed values")
        })
    }

    fn packets(&self) -> impl Iterator<Item = (&[u8], &[Found])> + '_ {
        self.rows.iter().enumerate().map(move |(row, at)| {
            let entry = &self.entries[*at as usize];
            let found = &self.found[row * self.slots..(row + 1) * self.slots];
            (&self.bytes[entry.start..entry.start + entry.length], found)
        })
    }

    fn each_entry(&self, sinks: &mut [Sink], value: impl Fn(&Entry) -> u64) {
        let mut values = [0; BLOCK];
        for (slot, at) in values.iter_mut().zip(self.rows) {
            *slot = value(&self.entries[*at as usize]);
        }
        for sink in sinks {
            sink.numbers(&values[..self.rows.len()]);
        }
    }
}

/// How a number with a fixed place is loaded.
#[derive(Debug)]
struct Load {
    bit: u32,
    number: Number,
    lane: Lane,
    /// Whether its bits are the number already, in two's complement if it has
    /// a sign and all bytes of its lane.
    stands: bool,
}

/// The bytes that are loaded at once.
#[derive(Debug, Clone, Copy)]
enum Lane {
    /// One byte, which is the number.
    One(usize),
    /// Two of them.
    Two(usize),
    /// Four.
    Four(usize),
    /// Eight.
    Eight(usize),
    /// Eight of which some bits are the number: shifted, then masked.
    Window(usize, u32),
    /// As many as it takes, for numbers that lie across nine bytes or in
    /// packets that have not eight.
    Bits,
}

impl Lane {
    /// `least_bytes`: what every packet of the container has.
    fn of(bit: u32, bits: u8, least_bytes: u32) -> Lane {
        let end = bit + u32::from(bits);
        let byte = (bit / 8) as usize;
        let first = (bit / 8).min(least_bytes.saturating_sub(8));
        match (bit % 8, bits) {
            (0, 8) => Lane::One(byte),
            (0, 16) => Lane::Two(byte),
            (0, 32) => Lane::Four(byte),
            (0, 64) => Lane::Eight(byte),
            _ if least_bytes >= 8 && end <= first * 8 + 64 => {
                Lane::Window(first as usize, first * 8 + 64 - end)
            }
            _ => Lane::Bits,
        }
    }
}

impl Load {
    fn new(bit: u32, number: Number, least_bytes: u32) -> Load {
        let is_big = number.order == ByteOrder::Big;
        let lane = Lane::of(bit, number.bits, least_bytes);
        let is_whole = !matches!(lane, Lane::Window(..) | Lane::Bits);
        Load {
            bit,
            number,
            lane,
            stands: is_big
                && (number.sign == Sign::Unsigned
                    || number.sign == Sign::TwosComplement && is_whole),
        }
    }

    fn run(&self, block: &Block, sinks: &mut [Sink]) {
        if let [sink] = sinks
            && self.stands
            && self.straight(block, &mut sink.cells)
        {
            return sink.has_all(block.rows.len());
        }
        let mut values = [0; BLOCK];
        let values = &mut values[..block.rows.len()];
        self.load(block, values);
        if !(self.stands && self.number.sign == Sign::Unsigned) {
            values.iter_mut().for_each(|v| *v = self.number.settle(*v));
        }
        for sink in sinks {
            sink.numbers(values);
        }
    }

    /// Numbers as they stand into a column that is as wide as they are, or
    /// twice as wide where they have no sign and it has.
    fn straight(&self, block: &Block, cells: &mut Cells) -> bool {
        match (self.lane, cells) {
            (Lane::One(at), Cells::I8(out)) => out.extend(block.at(at).map(i8::from_be_bytes)),
            (Lane::One(at), Cells::I16(out)) => {
                out.extend(block.at(at).map(|[byte]| i16::from(byte)));
            }
            (Lane::Two(at), Cells::I16(out)) => out.extend(block.at(at).map(i16::from_be_bytes)),
            (Lane::Two(at), Cells::I32(out)) => {
                let numbers = block.at(at).map(u16::from_be_bytes);
                out.extend(numbers.map(i32::from));
            }
            (Lane::Four(at), Cells::I32(out)) => out.extend(block.at(at).map(i32::from_be_bytes)),
            (Lane::Four(at), Cells::I64(out)) => {
                let numbers = block.at(at).map(u32::from_be_bytes);
                out.extend(numbers.map(i64::from));
            }
            (Lane::Eight(at), Cells::I64(out)) => out.extend(block.at(at).map(i64::from_be_bytes)),
            (Lane::Four(at), Cells::F32(out)) => out.extend(block.at(at).map(f32::from_be_bytes)),
            (Lane::Eight(at), Cells::F64(out)) => out.extend(block.at(at).map(f64::from_be_bytes)),
            _ => return false,
        }
        true
    }

    /// The bits of each packet's number.
    fn load(&self, block: &Block, values: &mut [u64]) {
        fn fill(values: &mut [u64], bits: impl Iterator<Item = u64>) {
            values.iter_mut().zip(bits).for_each(|(v, bits)| *v = bits);
        }
        match self.lane {
            Lane::One(at) => fill(values, block.at(at).map(|[byte]| byte.into())),
            Lane::Two(at) => fill(values, block.at(at).map(|b| u16::from_be_bytes(b).into())),
            Lane::Four(at) => fill(values, block.at(at).map(|b| u32::from_be_bytes(b).into())),
            Lane::Eight(at) => fill(values, block.at(at).map(u64::from_be_bytes)),
            Lane::Window(at, shift) => {
                let mask = u64::MAX >> (64 - u32::from(self.number.bits));
                let windows = block.at(at).map(u64::from_be_bytes);
                fill(values, windows.map(|window| (window >> shift) & mask));
            }
            Lane::Bits => {
                let bits = |packet: &[u8]| {
                    bits::unsigned(packet, self.bit, self.number.bits)
                        .expect("a located packet has all fixed values")
                };
                fill(values, block.packets().map(|(packet, _)| bits(packet)));
            }
        }
    }
}

/// Values that are text, bytes, repeated, or not always at the same place.
fn scattered(field: &Field, block: &Block, sink: &mut Sink) {
    for (packet, found) in block.packets() {
        match (place_of(field, found), field.number) {
            (None, _) => sink.null(),
            (Some(at), None) => sink.bytes(field, packet, at),
            (Some(at), Some(number)) => {
                let once = Repeat {
                    count: 1,
                    stride: 0,
                };
                let repeat = field.repeat.unwrap_or(once);
                numbers(number, repeat, packet, at.start, &mut sink.cells);
                sink.has_all(1);
            }
        }
    }
}

/// The values of one packet.
fn numbers(number: Number, repeat: Repeat, packet: &[u8], start: u32, cells: &mut Cells) {
    let mut values = [0; BLOCK];
    let mut done = 0;
    while done < repeat.count {
        let count = BLOCK.min((repeat.count - done) as usize);
        for (value, i) in values[..count].iter_mut().zip(done..) {
            let bits = bits::unsigned(packet, start + i * repeat.stride, number.bits);
            *value = number.settle(bits.expect("a located packet has all its values"));
        }
        cells.extend(&values[..count]);
        done += u32::try_from(count).unwrap_or(u32::MAX);
    }
}

#[cfg(test)]
mod tests;
