//! Packet error control: CRC-16/CCITT-FALSE over all bytes before it.
//!
//! CCSDS leaves the field to missions; ECSS-E-ST-70-41 puts this code into the
//! last two bytes of a packet (polynomial x^16 + x^12 + x^5 + 1, all ones to
//! begin with, most significant bit first).

const POLYNOMIAL: u16 = 0x1021;

/// The remainder of each byte.
const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte: u16 = 0;
    while byte < 256 {
        let mut rest = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            let carry = rest & 0x8000 != 0;
            rest <<= 1;
            if carry {
                rest ^= POLYNOMIAL;
            }
            bit += 1;
        }
        table[byte as usize] = rest;
        byte += 1;
    }
    table
};

/// Whether the last two bytes are the code of those before them.
pub fn is_intact(packet: &[u8]) -> bool {
    match packet.split_last_chunk::<2>() {
        Some((bytes, code)) => crc16(bytes) == u16::from_be_bytes(*code),
        None => false,
    }
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(u16::MAX, |rest, byte| {
        let [high, _] = rest.to_be_bytes();
        (rest << 8) ^ TABLE[usize::from(high ^ byte)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the catalogue of parametrised CRC algorithms.
    #[test]
    fn the_check_value_is_that_of_the_catalogue() {
        assert_eq!(crc16(b"123456789"), 0x29b1);
        assert!(is_intact(b"123456789\x29\xb1"));
        assert!(!is_intact(b"123456789\x29\xb0"));
        assert!(!is_intact(b"1"));
    }
}
