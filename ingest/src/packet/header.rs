//! The primary header of a space packet (CCSDS 133.0-B, 4.1.2).

/// Bytes of the primary header.
pub const HEADER_BYTES: usize = 6;
/// The longest packet, in bytes.
pub const MAX_PACKET_BYTES: usize = HEADER_BYTES + 65_536;
/// The APID of idle packets.
pub const IDLE_APID: u16 = 0x7FF;
/// Sequence counts run from 0 to one less.
pub const SEQUENCE_MODULUS: u16 = 1 << 14;

/// A primary header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrimaryHeader {
    /// Packet version number; 0 is the only one.
    pub version: u8,
    /// Whether it is a telecommand, not telemetry.
    pub is_command: bool,
    /// Whether a secondary header follows.
    pub has_secondary_header: bool,
    /// Application process identifier, 11 bits.
    pub apid: u16,
    /// 0 continuation, 1 first, 2 last, 3 whole.
    pub sequence_flags: u8,
    /// Count modulo [`SEQUENCE_MODULUS`].
    pub sequence_count: u16,
    /// Bytes after the header, less one.
    pub data_length: u16,
}

impl PrimaryHeader {
    /// The header at the start of the bytes, if they are enough.
    pub fn read(bytes: &[u8]) -> Option<PrimaryHeader> {
        let [a, b, c, d, e, f] = *bytes.first_chunk::<HEADER_BYTES>()?;
        Some(PrimaryHeader {
            version: a >> 5,
            is_command: a & 0x10 != 0,
            has_secondary_header: a & 0x08 != 0,
            apid: u16::from_be_bytes([a & 0x07, b]),
            sequence_flags: c >> 6,
            sequence_count: u16::from_be_bytes([c & 0x3F, d]),
            data_length: u16::from_be_bytes([e, f]),
        })
    }

    /// The whole packet, header included.
    pub fn packet_bytes(&self) -> usize {
        HEADER_BYTES + usize::from(self.data_length) + 1
    }

    /// Whether the packet carries no data and is passed over.
    pub fn is_idle(&self) -> bool {
        self.apid == IDLE_APID
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_their_bits() {
        let header = PrimaryHeader::read(&[0x08, 0x0b, 0xca, 0x2e, 0x00, 0x40]);
        expect_test::expect![[r#"
            PrimaryHeader {
                version: 0,
                is_command: false,
                has_secondary_header: true,
                apid: 11,
                sequence_flags: 3,
                sequence_count: 2606,
                data_length: 64,
            }
        "#]]
        .assert_debug_eq(&header.expect("six bytes"));
        assert_eq!(PrimaryHeader::read(&[0; 5]), None);
    }
}
