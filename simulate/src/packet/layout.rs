//! Values into the bits of a packet.

use super::table::{Bits, Dictionary, Meaning, PRIMARY_HEADER, Scalar, Shape};
use crate::numeric::whole;

/// Bytes of the primary header.
pub(crate) const HEADER_BYTES: usize = 6;
/// Counts of the sequence count (CCSDS 133.0-B, 4.1.3.4).
pub(crate) const COUNTS: u16 = 1 << 14;
const ERROR_CONTROL_BYTES: usize = 2;
/// Version 0, telemetry, with secondary header; not segmented.
const WITH_SECONDARY_HEADER: u16 = 1 << 11;
const NOT_SEGMENTED: u16 = 3 << 14;

/// The bits of one kind of packet behind the primary header.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The container's name.
    pub(crate) name: &'static str,
    scalars: Vec<Scalar>,
    bytes: usize,
}

impl Layout {
    /// The layout of a container with all that it inherits. A name that the
    /// dictionary does not have gives an empty layout.
    pub(crate) fn new(dictionary: &Dictionary, name: &'static str) -> Layout {
        let mut scalars = Vec::new();
        for container in dictionary.lineage(name) {
            if container.name == PRIMARY_HEADER.name {
                continue;
            }
            for field in container.fields {
                match &field.shape {
                    Shape::One(scalar) => scalars.push(*scalar),
                    Shape::Array(scalar, count) => {
                        scalars.extend((0..*count).map(|_| *scalar));
                    }
                    Shape::Group(members) => scalars.extend(members.iter().map(|(_, s)| *s)),
                }
            }
        }
        let bits: u32 = scalars.iter().map(Scalar::size_in_bits).sum();
        Layout {
            name,
            bytes: bits.div_ceil(8) as usize,
            scalars,
        }
    }

    /// Packs one packet in place of what the buffer holds: engineering values
    /// in the order of the table, labels and counts by their number.
    pub(crate) fn pack(&self, apid: u16, count: u16, values: &[f64], packet: &mut Vec<u8>) {
        debug_assert_eq!(values.len(), self.scalars.len(), "values of {}", self.name);
        packet.clear();
        packet.extend((WITH_SECONDARY_HEADER | apid).to_be_bytes());
        packet.extend((NOT_SEGMENTED | (count % COUNTS)).to_be_bytes());
        let length = u16::try_from(self.bytes + ERROR_CONTROL_BYTES - 1).unwrap_or(u16::MAX);
        packet.extend(length.to_be_bytes());
        let mut bits = Writer::new(packet);
        for (scalar, value) in self.scalars.iter().zip(values) {
            bits.put(raw(scalar, *value), scalar.size_in_bits());
        }
        bits.finish();
        let crc = crc(packet);
        packet.extend(crc.to_be_bytes());
    }
}

/// The raw value of an engineering value, at the ends of its bits beyond them.
fn raw(scalar: &Scalar, value: f64) -> u64 {
    let count = match scalar.meaning {
        Meaning::Plain | Meaning::Labels(_) | Meaning::GpsTime => value,
        Meaning::Polynomial([offset, slope, 0.0]) => (value - offset) / slope,
        Meaning::Polynomial([offset, slope, curve]) => root(offset - value, slope, curve),
    };
    match scalar.bits {
        Bits::Float => u64::from(single(value).to_bits()),
        Bits::Unsigned(bits) => whole(count).clamp(0, (1 << bits) - 1).cast_unsigned(),
        Bits::Signed(bits) => {
            let most = (1 << (bits - 1)) - 1;
            let mask = (1 << bits) - 1;
            (whole(count).clamp(-most - 1, most) & mask).cast_unsigned()
        }
    }
}

/// The root of `a + b x + c x^2` on the branch that rises through zero.
fn root(a: f64, b: f64, c: f64) -> f64 {
    (-b + (b * b - 4.0 * a * c).max(0.0).sqrt()) / (2.0 * c)
}

#[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest")]
fn single(value: f64) -> f32 {
    value as f32
}

/// Bits, most significant first, behind whole bytes.
struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    pending: u64,
    bits: u32,
}

impl Writer<'_> {
    fn new(bytes: &mut Vec<u8>) -> Writer<'_> {
        Writer {
            bytes,
            pending: 0,
            bits: 0,
        }
    }

    /// Adds the lowest bits of a value, 56 at most.
    fn put(&mut self, value: u64, bits: u32) {
        self.pending = self.pending << bits | value;
        self.bits += bits;
        while self.bits >= 8 {
            self.bits -= 8;
            self.bytes.push((self.pending >> self.bits & 0xFF) as u8);
        }
    }

    fn finish(self) {
        if self.bits > 0 {
            self.bytes
                .push((self.pending << (8 - self.bits) & 0xFF) as u8);
        }
    }
}

/// CRC-16/CCITT-FALSE: polynomial 0x1021 from 0xFFFF (CCSDS 133.0-B leaves the
/// code open; this is that of ECSS-E-ST-70-41C, annex B).
pub(crate) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc: u16, byte| {
        crc << 8 ^ CRC_TABLE[usize::from(crc >> 8 ^ u16::from(*byte))]
    })
}

const CRC_TABLE: [u16; 256] = crc_table();

const fn crc_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte: u16 = 0;
    while byte < 256 {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = match crc & 0x8000 {
                0 => crc << 1,
                _ => (crc << 1) ^ 0x1021,
            };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::table::{count, curved, signed};

    #[test]
    fn crc_of_the_check_text() {
        assert_eq!(crc(b"123456789"), 0x29B1);
    }

    #[test]
    fn bits_cross_bytes() {
        let mut bytes = Vec::new();
        let mut bits = Writer::new(&mut bytes);
        bits.put(0b101, 3);
        bits.put(0x1FF, 9);
        bits.put(1, 1);
        bits.finish();
        assert_eq!(bytes, [0b1011_1111, 0b1111_1000]);
    }

    #[test]
    fn raw_values_invert_calibrations_and_stay_within_their_bits() {
        assert_eq!(raw(&signed(8, 0.5, ""), -64.0), 0x80);
        assert_eq!(raw(&signed(8, 0.5, ""), 1e9), 0x7F);
        assert_eq!(raw(&count(4, ""), 99.0), 15);
        let thermistor = curved(12, [-60.0, 0.05, -2e-6], "degC");
        for wanted in [0_u32, 700, 2048, 4095] {
            let x = f64::from(wanted);
            let value = -60.0 + 0.05 * x - 2e-6 * x * x;
            assert_eq!(raw(&thermistor, value), u64::from(wanted));
        }
    }
}
