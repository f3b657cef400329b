//! AOS transfer frames, CCSDS 732.0-B.
//!
//! ```text
//! bits   0    version 01 | spacecraft (8) | virtual channel (6)
//! bits  16    virtual channel frame count (24)
//! bits  40    replay flag (1) | count cycle in use (1) | spacecraft, two more
//!             bits in front, 00 before 732.0-B-4 (2) | count cycle (4)
//! bits  48    frame header error control (16), if configured
//!             insert zone, if configured
//!             reserved 00000 | first header pointer (11)
//!             packets
//!             operational control field (32), if configured
//!             frame error control field (16), if configured
//! ```
//!
//! Virtual channel 63 is idle and has no header pointer.

use super::Header as FrameHeader;
use super::event::{Cause, ChannelId, Content};
use super::link::Link;
use super::receiver::{Parsed, pointed_content};

/// Length of the primary header in bytes, without error control.
const HEADER_LENGTH: usize = 6;

/// The virtual channel of idle frames.
pub(super) const IDLE_CHANNEL: u8 = 63;

/// The primary header of an AOS frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Spacecraft and virtual channel.
    pub channel: ChannelId,
    /// The frame count of the virtual channel, 24 bits.
    pub channel_count: u32,
    /// Whether the frame is a replay.
    pub replay: bool,
    /// The four bits above the frame count, where they are in use.
    pub count_cycle: Option<u8>,
}

impl Header {
    /// Reads the six bytes.
    ///
    /// # Errors
    /// Another version.
    pub fn parse(bytes: [u8; HEADER_LENGTH]) -> Result<Header, Cause> {
        let [first, second, high, middle, low, signalling] = bytes;
        let identifier = u16::from_be_bytes([first, second]);
        match first >> 6 {
            1 => Ok(Header {
                channel: ChannelId {
                    spacecraft: u16::from(signalling >> 4 & 0x03) << 8 | identifier >> 6 & 0xFF,
                    virtual_channel: second & 0x3F,
                },
                channel_count: u32::from_be_bytes([0, high, middle, low]),
                replay: signalling & 0x80 != 0,
                count_cycle: (signalling & 0x40 != 0).then_some(signalling & 0x0F),
            }),
            other => Err(Cause::Version(other)),
        }
    }

    /// The frame count with its cycle, and how many values it has.
    pub(super) fn count(&self) -> (u32, u32) {
        match self.count_cycle {
            Some(cycle) => (u32::from(cycle) << 24 | self.channel_count, 1 << 28),
            None => (self.channel_count, 1 << 24),
        }
    }
}

/// Where the parts of a frame begin, in bytes.
pub(super) struct Layout {
    insert_zone: usize,
    pointer: usize,
    /// Of frames with packets.
    pub(super) zone_start: usize,
}

/// Where the parts of a frame begin on a link.
pub(super) fn layout(link: &Link) -> Layout {
    let insert_zone = HEADER_LENGTH + 2 * usize::from(link.header_control);
    let pointer = insert_zone.saturating_add(link.insert_zone);
    Layout {
        insert_zone,
        pointer,
        zone_start: pointer.saturating_add(2),
    }
}

/// Reads a frame whose checks hold.
pub(super) fn parse(link: &Link, frame: &[u8]) -> Result<Parsed, Cause> {
    let Some((bytes, _)) = frame.split_first_chunk() else {
        return Err(Cause::Truncated);
    };
    if link.header_control && !header_control_agrees(frame) {
        return Err(Cause::HeaderControl);
    }
    let header = Header::parse(*bytes)?;
    let layout = layout(link);
    let end = frame.len().saturating_sub(link.trailer());
    let idle = header.channel.virtual_channel == IDLE_CHANNEL;
    let zone_start = if idle {
        layout.pointer
    } else {
        layout.zone_start
    };
    let content = match idle {
        true => Content::Idle,
        false => content(&frame[layout.pointer..zone_start], end - zone_start)?,
    };
    Ok(Parsed {
        header: FrameHeader::Aos(header),
        secondary_header: 0..0,
        insert_zone: layout.insert_zone..layout.pointer,
        zone: zone_start..end,
        ocf: link.ocf.then_some(end),
        content,
    })
}

/// Whether a frame's header is followed by error control that agrees with it.
pub(super) fn header_control_agrees(frame: &[u8]) -> bool {
    let Some((header, behind)) = frame.split_first_chunk() else {
        return false;
    };
    let control = behind.first_chunk().copied();
    control.map(u16::from_be_bytes) == Some(header_control(*header))
}

fn content(pointer: &[u8], zone: usize) -> Result<Content, Cause> {
    let word = pointer.iter().fold(0, |word, &b| word << 8 | u16::from(b));
    match word >> 11 {
        0 => pointed_content(word, zone),
        _ => Err(Cause::ReservedBits),
    }
}

/// The frame header error control of a header: four check symbols of the
/// shortened Reed-Solomon code (10,6) over GF(2^4), field polynomial
/// x^4 + x + 1, generator with the roots alpha^6 to alpha^9, over bits 0 to 15
/// and 40 to 47.
pub(super) fn header_control(header: [u8; HEADER_LENGTH]) -> u16 {
    // x^4 + alpha^3 x^3 + alpha x^2 + alpha^3 x + 1, without its highest term.
    const GENERATOR: [u8; 4] = [0x8, 0x2, 0x8, 0x1];
    let protected = [header[0], header[1], header[5]];
    let symbols = protected.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    let checks = symbols.fold([0; 4], |register: [u8; 4], symbol| {
        let leaving = register[0] ^ symbol;
        let mut next = GENERATOR.map(|coefficient| multiply(leaving, coefficient));
        for (place, carried) in next.iter_mut().zip(&register[1..]) {
            *place ^= carried;
        }
        next
    });
    checks.iter().fold(0, |word, &c| word << 4 | u16::from(c))
}

/// The product of two elements of GF(2^4) modulo x^4 + x + 1.
fn multiply(a: u8, b: u8) -> u8 {
    let shifted = (0..4).map(|bit| if b >> bit & 1 == 1 { a << bit } else { 0 });
    let product = shifted.fold(0, |sum, term| sum ^ term);
    (4..7)
        .rev()
        .fold(product, |rest, bit| match rest >> bit & 1 {
            1 => rest ^ 0b1_0011 << (bit - 4),
            _ => rest,
        })
}

#[cfg(test)]
mod tests;
