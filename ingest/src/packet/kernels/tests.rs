//! Columns against the same numbers read one by one, for layouts drawn by lot.

use std::fmt::Write as _;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use crate::packet::bits::Number;
use crate::packet::decoder::PacketDecoder;
use crate::packet::document;
use crate::packet::feed::{Chunk, Entry};
use crate::packet::model::{ByteOrder, Sign};

/// Numbers that look random and are the same each time.
struct Lot(u64);

impl Lot {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        let last = from.len() as u64;
        from[usize::try_from(self.below(last)).expect("a small number")]
    }
}

/// A number somewhere in a packet, and what is made of it.
#[derive(Debug, Clone, Copy)]
struct Spot {
    bit: u32,
    number: Number,
    /// `coefficient * raw ^ exponent`, added up.
    terms: &'static [(f64, u8)],
}

const LINE: &[(f64, u8)] = &[(-3.5, 0), (0.25, 1)];
const CURVE: &[(f64, u8)] = &[(1.5, 2), (7.0, 0), (-0.125, 3)];

impl Spot {
    fn by_lot(lot: &mut Lot, packet_bits: u64) -> Spot {
        let whole = lot.below(2) == 0;
        let bits = match whole {
            true => lot.of(&[8, 16, 32, 64, 24, 40]),
            false => lot.below(64) + 1,
        };
        let aligned = if lot.below(2) == 0 { 8 } else { 1 };
        let order = match whole && bits > 8 && lot.below(3) == 0 {
            true => ByteOrder::Little,
            false => ByteOrder::Big,
        };
        let signs = [
            Sign::Unsigned,
            Sign::TwosComplement,
            Sign::SignMagnitude,
            Sign::OnesComplement,
        ];
        Spot {
            bit: u32::try_from(lot.below(packet_bits - bits) / aligned * aligned).expect("a bit"),
            number: Number {
                bits: u8::try_from(bits).expect("a width"),
                sign: lot.of(&signs),
                order,
            },
            terms: lot.of(&[&[][..], &[], LINE, CURVE]),
        }
    }

    fn to_toml(self, name: &str) -> String {
        let sign = match self.number.sign {
            Sign::Unsigned => "u",
            Sign::TwosComplement => "i",
            Sign::SignMagnitude => "sm",
            Sign::OnesComplement => "oc",
        };
        let mut text = format!(
            "[[parameter]]\nname = \"{name}\"\ntype = \"{sign}{}\"\nlittle_endian = {}\n",
            self.number.bits,
            self.number.order == ByteOrder::Little
        );
        if !self.terms.is_empty() {
            let terms: Vec<String> = self
                .terms
                .iter()
                .map(|(c, e)| format!("[{c:?}, {e}]"))
                .collect();
            writeln!(text, "polynomial = [{}]", terms.join(", ")).expect("a line");
        }
        text
    }

    #[expect(clippy::cast_precision_loss, reason = "as the calibration does")]
    fn calibrated(self, raw: i128) -> f64 {
        let raw = raw as f64;
        let terms = self.terms.iter();
        terms.map(|(c, e)| c * raw.powi((*e).into())).sum()
    }
}

fn definition(spots: &[Spot]) -> String {
    let mut text = "packets = \"lot\"\nroot = \"all\"\n".to_owned();
    let mut entries = String::new();
    for (at, spot) in spots.iter().enumerate() {
        text += &spot.to_toml(&format!("P{at}"));
        write!(entries, "{{ parameter = \"P{at}\", at = {} }}, ", spot.bit).expect("an entry");
    }
    format!("{text}[[container]]\nname = \"all\"\nentries = [{entries}]\n")
}

/// Packets of one length, with a byte between them that is of none.
fn packets(lot: &mut Lot, count: usize, length: usize) -> Chunk {
    let mut chunk = Chunk::default();
    for index in 0..count as u64 {
        let start = chunk.bytes.len();
        let mut packet: Vec<u8> = (0..length)
            .map(|_| lot.of(&[0, 0xff, 0x5a, 0x80, 0x13]))
            .collect();
        packet[0] &= 0x07;
        packet[1] = 7;
        packet[4..6].copy_from_slice(&u16::try_from(length - 7).expect("short").to_be_bytes());
        chunk.bytes.extend(&packet);
        chunk.bytes.push(0xee);
        chunk.packets.push(Entry {
            start,
            length,
            index,
            offset: start as u64,
            channel: None,
            replay: false,
            is_joined: false,
        });
    }
    chunk
}

fn wholes(array: &ArrayRef) -> Vec<i128> {
    assert_eq!(array.null_count(), 0);
    match array.data_type() {
        DataType::Decimal128(..) => {
            let array = array.as_primitive::<Decimal128Type>();
            array.values().to_vec()
        }
        _ => {
            let array = cast(array, &DataType::Int64).expect("a whole number");
            let values = array.as_primitive::<Int64Type>().values();
            values.iter().map(|value| i128::from(*value)).collect()
        }
    }
}

#[test]
fn columns_are_the_numbers_one_by_one() {
    for seed in 1..=60 {
        let mut lot = Lot(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let length = usize::try_from(lot.of(&[15, 16, 17, 40, 300])).expect("short");
        let count = lot.of(&[1, 255, 256, 257, 1000]);
        let mut spots: Vec<Spot> = (0..30)
            .map(|_| Spot::by_lot(&mut lot, length as u64 * 8))
            .collect();
        // One that ends with the packet, so that all of it is defined.
        spots.push(Spot {
            bit: u32::try_from(length * 8).expect("short") - 3,
            number: Number {
                bits: 3,
                sign: Sign::TwosComplement,
                order: ByteOrder::Big,
            },
            terms: &[],
        });
        let definition = document::read(&definition(&spots), "lot.toml").expect("a definition");
        let mut decoder = PacketDecoder::new(&definition, None).expect("a definition");
        let chunk = packets(&mut lot, count, length);
        let decoded = decoder.decode_chunk(&chunk).expect("rows");
        let batch = &decoded.rows[0].batch;
        assert_eq!(batch.num_rows(), count);
        for (at, spot) in spots.iter().enumerate() {
            let read = |entry: &Entry| spot.number.read(chunk.packet(entry).bytes, spot.bit);
            let expected: Vec<i128> = chunk.packets.iter().filter_map(read).collect();
            let column = |name: String| batch.column_by_name(&name);
            let raw = column(format!("p{at}__raw")).or_else(|| column(format!("p{at}")));
            assert_eq!(
                wholes(raw.expect("a column")),
                expected,
                "seed {seed}: {spot:?}"
            );
            if !spot.terms.is_empty() {
                let values = column(format!("p{at}"))
                    .expect("a column")
                    .as_primitive::<Float64Type>();
                let bits: Vec<u64> = values.values().iter().map(|v| v.to_bits()).collect();
                let by_hand: Vec<u64> = expected
                    .iter()
                    .map(|raw| spot.calibrated(*raw).to_bits())
                    .collect();
                assert_eq!(bits, by_hand, "seed {seed}: {spot:?}");
            }
        }
    }
}
