//! Packet error control: CRC-16/CCITT-FALSE over all bytes before it.
//!
//! CCSDS leaves the field to missions; ECSS-E-ST-70-41 puts the code of the
//! frame error control field into the last two bytes of a packet.

use crate::frames::crc;

/// Whether the last two bytes are the code of those before them.
pub fn is_intact(packet: &[u8]) -> bool {
    packet.len() >= 2 && crc::checksum(packet) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the catalogue of parametrised CRC algorithms.
    #[test]
    fn the_check_value_is_that_of_the_catalogue() {
        assert!(is_intact(b"123456789\x29\xb1"));
        assert!(!is_intact(b"123456789\x29\xb0"));
        assert!(is_intact(b"\xff\xff"));
        assert!(!is_intact(b"1"));
        assert!(!is_intact(b""));
    }
}
