//! Numbers from bits: bit 0 of a packet is the most significant of byte 0.

use super::model::{ByteOrder, Encoding, Sign};

/// A whole number in a packet, as its encoding says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) bits: u8,
    pub(crate) sign: Sign,
    pub(crate) order: ByteOrder,
}

impl Number {
    /// The number of an integer encoding, or the bits of a float.
    pub(crate) fn of(encoding: &Encoding) -> Option<Number> {
        match *encoding {
            Encoding::Integer { bits, sign, order } => Some(Number { bits, sign, order }),
            Encoding::Float { bits, order } => Some(Number {
                bits,
                sign: Sign::Unsigned,
                order,
            }),
            Encoding::Text { .. } | Encoding::Binary { .. } => None,
        }
    }

    /// The value at a bit, if the packet reaches so far.
    pub(crate) fn read(self, packet: &[u8], bit: u32) -> Option<i128> {
        let raw = self.settle(unsigned(packet, bit, self.bits)?);
        Some(match self.sign {
            Sign::Unsigned => i128::from(raw),
            _ => i128::from(raw.cast_signed()),
        })
    }

    /// Bits as they stand to the number's 64 bits: two's complement where it
    /// has a sign.
    pub(crate) fn settle(self, bits: u64) -> u64 {
        let bits = match self.order {
            ByteOrder::Big => bits,
            ByteOrder::Little => bits.swap_bytes() >> (64 - u32::from(self.bits)),
        };
        let unused = 64 - u32::from(self.bits);
        let extended = ((bits << unused).cast_signed() >> unused).cast_unsigned();
        let negative = extended.cast_signed() < 0;
        match self.sign {
            Sign::Unsigned => bits,
            Sign::TwosComplement => extended,
            Sign::OnesComplement => extended.wrapping_add(u64::from(negative)),
            Sign::SignMagnitude if negative => (bits & !(1 << (self.bits - 1))).wrapping_neg(),
            Sign::SignMagnitude => bits,
        }
    }
}

/// The next `width` bits (1 to 64) from a bit on, if the packet has them.
pub(crate) fn unsigned(packet: &[u8], bit: u32, width: u8) -> Option<u64> {
    let end = bit.checked_add(u32::from(width))?;
    let first = usize::try_from(bit / 8).ok()?;
    let shift = bit % 8;
    if let (Some(window), true) = (first_eight(packet, first), shift + u32::from(width) <= 64) {
        return Some((window << shift) >> (64 - u32::from(width)));
    }
    let last = usize::try_from(end.div_ceil(8)).ok()?;
    let bytes = packet.get(first..last)?;
    let joined = bytes
        .iter()
        .fold(0u128, |joined, byte| joined << 8 | u128::from(*byte));
    let behind = last * 8 - usize::try_from(end).ok()?;
    let mask = u64::MAX >> (64 - u32::from(width));
    u64::try_from((joined >> behind) & u128::from(mask)).ok()
}

fn first_eight(packet: &[u8], at: usize) -> Option<u64> {
    let window = packet.get(at..)?.first_chunk()?;
    Some(u64::from_be_bytes(*window))
}

/// Whole bytes from any bit on, if the packet has them.
pub(crate) fn bytes(packet: &[u8], bit: u32, bits: u32) -> Option<std::borrow::Cow<'_, [u8]>> {
    let first = usize::try_from(bit / 8).ok()?;
    let count = usize::try_from(bits / 8).ok()?;
    let shift = bit % 8;
    if shift == 0 {
        return packet.get(first..first.checked_add(count)?).map(Into::into);
    }
    if count == 0 {
        return (first <= packet.len()).then(|| [].as_slice().into());
    }
    let wide = packet.get(first..first.checked_add(count + 1)?)?;
    let joined = wide.windows(2).map(|two| {
        let two = u16::from_be_bytes([two[0], two[1]]);
        (two << shift).to_be_bytes()[0]
    });
    Some(joined.collect::<Vec<u8>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by strings of digits: slow, and another way.
    fn digits(packet: &[u8], bit: u32, width: u8) -> Option<u64> {
        let text: String = packet.iter().map(|byte| format!("{byte:08b}")).collect();
        let text = text.get(bit as usize..bit as usize + usize::from(width))?;
        u64::from_str_radix(text, 2).ok()
    }

    #[test]
    fn bits_are_those_of_the_digits() {
        let packet: Vec<u8> = (0..24u8).map(|i| i.wrapping_mul(0x9d) ^ 0xa5).collect();
        for bit in 0..24 * 8 + 2 {
            for width in 1..=64 {
                assert_eq!(unsigned(&packet, bit, width), digits(&packet, bit, width));
            }
        }
    }

    #[test]
    fn bytes_are_those_of_the_digits() {
        let packet: Vec<u8> = (0..9u8).map(|i| i.wrapping_mul(0x35)).collect();
        for bit in 0..72 {
            for count in 0..9 {
                let expected: Option<Vec<u8>> = (0..count)
                    .map(|i| u8::try_from(digits(&packet, bit + i * 8, 8)?).ok())
                    .collect();
                let found = bytes(&packet, bit, count * 8).map(|b| b.into_owned());
                assert_eq!(found, expected, "{count} bytes at bit {bit}");
            }
        }
    }

    #[test]
    fn signs_and_orders() {
        use ByteOrder::{Big, Little};
        use Sign::*;
        for (bytes, bits, sign, order, expected) in [
            (&[0xff, 0xfe][..], 16, Unsigned, Big, 65_534),
            (&[0xff, 0xfe], 16, TwosComplement, Big, -2),
            (&[0xff, 0xfe], 16, OnesComplement, Big, -1),
            (&[0xff, 0xff], 16, OnesComplement, Big, 0),
            (&[0x80, 0x02], 16, SignMagnitude, Big, -2),
            (&[0x80, 0x00], 16, SignMagnitude, Big, 0),
            (&[0x34, 0x12], 16, Unsigned, Little, 0x1234),
            (&[0xfe, 0xff, 0xff], 24, TwosComplement, Little, -2),
            (&[0xa0], 3, TwosComplement, Big, -3),
            (&[0x80], 1, TwosComplement, Big, -1),
            (&[0xff; 8], 64, Unsigned, Big, u64::MAX.into()),
            (&[0xff; 8], 64, TwosComplement, Big, -1),
            (&[0x80, 0, 0, 0, 0, 0, 0, 1], 64, SignMagnitude, Big, -1),
            (&[1, 0, 0, 0, 0, 0, 0, 0], 64, Unsigned, Little, 1),
        ] {
            let number = Number { bits, sign, order };
            assert_eq!(number.read(bytes, 0), Some(expected), "{number:?}");
        }
    }
}
