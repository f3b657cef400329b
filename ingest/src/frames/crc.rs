//! The frame error control field: CRC-16 with x^16 + x^12 + x^5 + 1, the
//! register preset to all ones (CCSDS 132.0-B and 732.0-B).

const POLYNOMIAL: u16 = 0x1021;

/// `TABLES[k][b]` is byte `b` followed by `k` zero bytes, so that eight bytes
/// are taken in one step.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte: u16 = 0;
    while byte < 256 {
        let mut power = 0;
        let mut register = step(0, byte);
        while power < 8 {
            tables[power][byte as usize] = register;
            register = step(register, 0);
            power += 1;
        }
        byte += 1;
    }
    tables
}

/// The register after one byte, bit by bit.
const fn step(register: u16, byte: u16) -> u16 {
    let mut register = register ^ (byte << 8);
    let mut bit = 0;
    while bit < 8 {
        let carry = register & 0x8000 != 0;
        register <<= 1;
        if carry {
            register ^= POLYNOMIAL;
        }
        bit += 1;
    }
    register
}

/// The checksum of some bytes; of bytes that end in their own checksum, 0.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let register = eights.iter().fold(0xFFFF, step_eight);
    rest.iter().fold(register, |register: u16, &byte| {
        let [high, low] = register.to_be_bytes();
        u16::from_be_bytes([low, 0]) ^ TABLES[0][usize::from(high ^ byte)]
    })
}

fn step_eight(register: u16, bytes: &[u8; 8]) -> u16 {
    let [high, low] = register.to_be_bytes();
    let mut bytes = *bytes;
    bytes[0] ^= high;
    bytes[1] ^= low;
    let terms = TABLES.iter().rev().zip(bytes);
    terms.fold(0, |sum, (table, byte)| sum ^ table[usize::from(byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_is_the_published_one() {
        assert_eq!(checksum(b"123456789"), 0x29B1);
        assert_eq!(checksum(b""), 0xFFFF);
    }

    #[test]
    fn eight_at_a_time_is_one_at_a_time() {
        let bytes: Vec<u8> = (0..100_u8).map(|i| i.wrapping_mul(151)).collect();
        for length in 0..bytes.len() {
            let slow = bytes[..length]
                .iter()
                .fold(0xFFFF, |register, &byte| step(register, u16::from(byte)));
            assert_eq!(checksum(&bytes[..length]), slow);
        }
    }

    #[test]
    fn a_block_with_its_checksum_sums_to_zero() {
        let mut bytes = b"a frame".to_vec();
        bytes.extend(checksum(&bytes).to_be_bytes());
        assert_eq!(checksum(&bytes), 0);
        bytes[3] ^= 0x10;
        assert_ne!(checksum(&bytes), 0);
    }
}
