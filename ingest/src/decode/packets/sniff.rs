//! Whether bytes are packets, one behind the other.
//!
//! Any six bytes can be read as a header, and sparse binary data leads from
//! header to header for long, so lengths alone prove little. What other data
//! do not have are sequence counts: one more with each packet of an APID.
//! Promises: no text is taken for packets, for its bytes say another version.
//! Refuses files of instruments that count at random; those are told by their
//! extension, or by name.

use std::collections::HashMap;

use crate::packet::header::{HEADER_BYTES, PrimaryHeader, SEQUENCE_MODULUS};

/// Counts in step that prove packets, whatever becomes of the rest.
const STEPS_THAT_PROVE: usize = 16;

/// Counts in step that prove packets if headers follow each other to the end.
const STEPS_TO_THE_END: usize = 2;

/// Whether the first bytes of an input are packets: headers lead to headers up
/// to the end, and most counts are in step.
pub(super) fn looks_like_packets(head: &[u8]) -> bool {
    let mut walk = Walk::default();
    let mut rest = head;
    while let Some(length) = walk.take(rest) {
        match rest.get(length..) {
            Some(behind) => rest = behind,
            None => return walk.is_in_step(STEPS_TO_THE_END),
        }
    }
    match rest.len() {
        // Eight bytes of anything may be a packet.
        0 => walk.is_in_step(0) && walk.packets > 1,
        1..HEADER_BYTES => walk.is_in_step(STEPS_TO_THE_END),
        _ => walk.is_in_step(STEPS_THAT_PROVE),
    }
}

/// What was seen of the packets.
#[derive(Default)]
struct Walk {
    packets: usize,
    /// The last count of each type and APID.
    counts: HashMap<(bool, u16), u16>,
    /// Packets of an APID that came before.
    again: usize,
    /// Of these: those whose count is one more.
    in_step: usize,
}

impl Walk {
    /// The length of the packet that begins here, if its header is plausible.
    fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        let header = PrimaryHeader::read(bytes)?;
        let is_blank = bytes[..HEADER_BYTES].iter().all(|byte| *byte == 0);
        if header.version != 0 || is_blank {
            return None;
        }
        if bytes.len() < header.packet_bytes() {
            return Some(header.packet_bytes());
        }
        self.packets += 1;
        let stream = (header.is_command, header.apid);
        if let Some(last) = self.counts.insert(stream, header.sequence_count) {
            let next = (last + 1) % SEQUENCE_MODULUS;
            self.again += 1;
            self.in_step += usize::from(header.sequence_count == next);
        }
        Some(header.packet_bytes())
    }

    fn is_in_step(&self, least: usize) -> bool {
        self.in_step >= least && 2 * self.in_step >= self.again
    }
}
