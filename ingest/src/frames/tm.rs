//! TM transfer frames, CCSDS 132.0-B.
//!
//! ```text
//! bits   0    version 00 | spacecraft (10) | virtual channel (3) | OCF flag (1)
//! bits  16    master channel frame count (8) | virtual channel frame count (8)
//! bits  32    secondary header flag (1) | synchronisation flag (1)
//!             | packet order flag (1) | segment length identifier (2)
//!             | first header pointer (11)
//! bits  48    secondary header, if flagged: version 00 | its length - 1 (6) | data
//!             packets
//!             operational control field (32), if flagged
//!             frame error control field (16), if configured
//! ```

use super::Header as FrameHeader;
use super::event::{Cause, ChannelId, Content};
use super::link::Link;
use super::receiver::{Parsed, pointed_content};

/// Length of the primary header in bytes.
pub(super) const HEADER_LENGTH: usize = 6;

/// The primary header of a TM frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Spacecraft and virtual channel.
    pub channel: ChannelId,
    /// Whether the frame ends in an operational control field.
    pub ocf: bool,
    /// The frame count of the master channel.
    pub master_count: u8,
    /// The frame count of the virtual channel.
    pub channel_count: u8,
    /// Whether a secondary header follows.
    pub secondary_header: bool,
    /// Whether the data field holds something else than packets.
    pub unstructured: bool,
    /// The packet order flag.
    pub packet_order: bool,
    /// The segment length identifier: 3 for packets.
    pub segment_length_id: u8,
    /// The first header pointer, as it stands.
    pub first_header_pointer: u16,
}

impl Header {
    /// Reads the six bytes.
    ///
    /// # Errors
    /// Another version.
    pub fn parse(bytes: [u8; HEADER_LENGTH]) -> Result<Header, Cause> {
        let [identifier, counts, status] =
            [0, 2, 4].map(|at| u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let [master_count, channel_count] = counts.to_be_bytes();
        match bytes[0] >> 6 {
            0 => Ok(Header {
                channel: ChannelId {
                    spacecraft: identifier >> 4 & 0x3FF,
                    virtual_channel: bytes[1] >> 1 & 0x07,
                },
                ocf: identifier & 1 != 0,
                master_count,
                channel_count,
                secondary_header: status & 0x8000 != 0,
                unstructured: status & 0x4000 != 0,
                packet_order: status & 0x2000 != 0,
                segment_length_id: bytes[4] >> 3 & 0x03,
                first_header_pointer: status & 0x07FF,
            }),
            other => Err(Cause::Version(other)),
        }
    }
}

/// Reads a frame whose checks hold.
pub(super) fn parse(link: &Link, frame: &[u8]) -> Result<Parsed, Cause> {
    let Some((bytes, _)) = frame.split_first_chunk() else {
        return Err(Cause::Truncated);
    };
    let header = Header::parse(*bytes)?;
    let trailer = link.trailer() + 4 * usize::from(header.ocf);
    let end = frame.len().saturating_sub(trailer);
    let data = secondary_header(&header, frame, end)?;
    let zone = data.end..end;
    let ocf = header.ocf.then_some(end);
    Ok(Parsed {
        content: content(&header, zone.len())?,
        header: FrameHeader::Tm(header),
        secondary_header: data,
        insert_zone: 0..0,
        zone,
        ocf,
    })
}

/// The data field of the secondary header; it ends where packets begin.
fn secondary_header(
    header: &Header,
    frame: &[u8],
    end: usize,
) -> Result<std::ops::Range<usize>, Cause> {
    let mut data = HEADER_LENGTH..HEADER_LENGTH;
    let (mut version, mut length) = (0, 0);
    if header.secondary_header {
        let identifier = frame.get(HEADER_LENGTH).copied().unwrap_or_default();
        version = identifier >> 6;
        length = usize::from(identifier & 0x3F) + 1;
        data = HEADER_LENGTH + 1..HEADER_LENGTH + length;
    }
    if version != 0 || data.end >= end {
        return Err(Cause::SecondaryHeader { version, length });
    }
    Ok(data)
}

fn content(header: &Header, zone: usize) -> Result<Content, Cause> {
    match header.segment_length_id {
        _ if header.unstructured => Ok(Content::Unstructured),
        3 => pointed_content(header.first_header_pointer, zone),
        other => Err(Cause::Segments(other)),
    }
}

#[cfg(test)]
mod tests;
