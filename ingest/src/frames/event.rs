//! What a [`Receiver`](super::Receiver) reports.

use std::fmt;
use std::ops::Range;

use super::{aos, tm};
use crate::decode::reason;

/// One thing that the stream held, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A frame that passed all checks.
    Frame(Frame<'a>),
    /// Bits that gave no frame.
    Hole(Hole),
    /// Frames of a virtual channel that are not there.
    Gap(Gap),
    /// A whole packet.
    Packet(Packet<'a>),
    /// Bytes of a packet zone that gave no packet.
    Fragment(Fragment<'a>),
}

/// Where a frame stands in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Offset of the byte with the first bit of the frame, its marker included.
    pub byte_offset: u64,
    /// Number of the frame in the input, from 0; refused frames count.
    pub frame_index: u64,
}

/// The spacecraft and virtual channel of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChannelId {
    /// The spacecraft identifier (SCID).
    pub spacecraft: u16,
    /// The virtual channel identifier (VCID).
    pub virtual_channel: u8,
}

/// A frame that passed all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where it is.
    pub place: Place,
    /// Its bits in the input, marker and check symbols included.
    pub bits: Range<u64>,
    /// The primary header.
    pub header: Header,
    /// TM: the data field of the secondary header; empty if there is none.
    pub secondary_header: &'a [u8],
    /// AOS: the insert zone; empty if there is none.
    pub insert_zone: &'a [u8],
    /// The operational control field.
    pub ocf: Option<[u8; 4]>,
    /// The packet zone.
    pub zone: &'a [u8],
    /// What the packet zone holds.
    pub content: Content,
    /// Wrong bits in the marker.
    pub marker_wrong_bits: u32,
    /// Symbols that Reed-Solomon mended.
    pub symbols_corrected: u32,
}

/// The primary header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Of a TM frame.
    Tm(tm::Header),
    /// Of an AOS frame.
    Aos(aos::Header),
}

impl Header {
    /// Spacecraft and virtual channel.
    pub fn channel(&self) -> ChannelId {
        match self {
            Header::Tm(header) => header.channel,
            Header::Aos(header) => header.channel,
        }
    }

    /// The frame count of the virtual channel, and how many values it has.
    pub fn count(&self) -> (u32, u32) {
        match self {
            Header::Tm(header) => (u32::from(header.channel_count), 1 << 8),
            Header::Aos(header) => header.count(),
        }
    }

    /// AOS: whether the frame is a replay.
    pub fn is_replay(&self) -> bool {
        match self {
            Header::Tm(_) => false,
            Header::Aos(header) => header.replay,
        }
    }
}

/// What the packet zone of a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Packets; the first that starts here does so at this byte, if one does.
    Packets(Option<usize>),
    /// Idle data.
    Idle,
    /// TM: data that is not packets (synchronisation flag 1).
    Unstructured,
    /// A virtual channel that was not asked for.
    Unread,
}

/// Bits of the input that gave no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// The bits; eight times a byte offset where the stream is aligned.
    pub bits: Range<u64>,
    /// Why, at its first bit.
    pub cause: Cause,
    /// The number of the frame, where the hole is exactly one refused frame.
    pub frame_index: Option<u64>,
    /// The first of the bytes that it touches, up to 64 KiB, as they came.
    pub head: Vec<u8>,
}

impl Hole {
    /// The bytes that it touches.
    pub fn bytes(&self) -> Range<u64> {
        self.bits.start / 8..self.bits.end.div_ceil(8)
    }
}

/// Why bits gave no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No marker begins there.
    NoMarker,
    /// A marker, but no check of its own and no marker where the frame ends.
    Unconfirmed,
    /// The input ends inside the frame.
    Truncated,
    /// More wrong symbols than the code can mend.
    Uncorrectable {
        /// In how many codewords of the frame.
        codewords: u32,
    },
    /// The frame error control field does not agree.
    FrameControl,
    /// The frame header error control does not agree.
    HeaderControl,
    /// Another transfer frame version number.
    Version(u8),
    /// A spacecraft that was not asked for.
    Spacecraft(u16),
    /// A first header pointer beyond the packet zone.
    Pointer {
        /// The pointer.
        pointer: u16,
        /// Length of the packet zone in bytes.
        zone: usize,
    },
    /// AOS: reserved bits in front of the pointer are set: no packets.
    ReservedBits,
    /// TM: packet segments of the standards before 2003 (segment length
    /// identifier).
    Segments(u8),
    /// TM: a secondary header of another version, or longer than the frame.
    SecondaryHeader {
        /// Its version number.
        version: u8,
        /// Its length in bytes.
        length: usize,
    },
}

impl Cause {
    /// Its code in the `reason` column of `_quarantine`.
    pub fn code(self) -> &'static str {
        match self {
            Cause::NoMarker => reason::NO_MARKER,
            Cause::Unconfirmed => reason::FRAME_UNCONFIRMED,
            Cause::Truncated => reason::FRAME_TRUNCATED,
            Cause::Uncorrectable { .. } => reason::FRAME_UNCORRECTABLE,
            Cause::FrameControl => reason::FRAME_ERROR_CONTROL,
            Cause::HeaderControl => reason::FRAME_HEADER_ERROR_CONTROL,
            Cause::Version(_) => reason::FRAME_VERSION,
            Cause::Spacecraft(_) => reason::FRAME_SPACECRAFT,
            Cause::Pointer { .. } => reason::FRAME_POINTER,
            Cause::ReservedBits => reason::FRAME_RESERVED_BITS,
            Cause::Segments(_) => reason::FRAME_SEGMENTS,
            Cause::SecondaryHeader { .. } => reason::FRAME_SECONDARY_HEADER,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::NoMarker => write!(f, "no attached sync marker"),
            Cause::Unconfirmed => write!(
                f,
                "a marker, but none follows where the frame ends, and nothing else confirms it"
            ),
            Cause::Truncated => write!(f, "the input ends inside a frame"),
            Cause::Uncorrectable { codewords } => write!(
                f,
                "{codewords} codewords with more errors than reed-solomon can mend"
            ),
            Cause::FrameControl => write!(f, "the frame error control field does not agree"),
            Cause::HeaderControl => write!(f, "the frame header error control does not agree"),
            Cause::Version(found) => write!(f, "transfer frame version number {found}"),
            Cause::Spacecraft(found) => {
                write!(f, "spacecraft {found}, which was not asked for")
            }
            Cause::Pointer { pointer, zone } => write!(
                f,
                "first header pointer {pointer} in a packet zone of {zone} bytes"
            ),
            Cause::ReservedBits => write!(
                f,
                "reserved bits in front of the first header pointer are set; not packets (m_pdu)"
            ),
            Cause::Segments(found) => write!(
                f,
                "segment length identifier {found}, expected 3: packet segments are not supported"
            ),
            Cause::SecondaryHeader { version, length } => write!(
                f,
                "secondary header of version {version} and {length} bytes, expected version 0 \
                 inside the frame"
            ),
        }
    }
}

/// A step in the frame count of a virtual channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The virtual channel.
    pub channel: ChannelId,
    /// The frame behind the gap.
    pub place: Place,
    /// The frame count that was due.
    pub expected: u32,
    /// The frame count that was found.
    pub found: u32,
    /// Missing frames, modulo the range of the count (256 for TM); the whole
    /// range where a hole of that many frames hides how many.
    pub missing: u32,
    /// How many values the count has, a power of two.
    pub range: u32,
    /// What it means.
    pub kind: GapKind,
}

/// What a step in the frame count means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapKind {
    /// Less than half of the count's range ahead: frames are lost.
    Lost,
    /// Behind: frames came again or late, the count was reset, or so many are
    /// lost that it cannot be told apart.
    Reset,
}

/// A whole packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The virtual channel.
    pub channel: ChannelId,
    /// The frame in which it starts.
    pub place: Place,
    /// Whether that frame is a replay.
    pub replay: bool,
    /// Primary header and data field, 7 to 65,542 bytes; idle packets (APID
    /// 2047) are handed out like others.
    pub bytes: &'a [u8],
}

/// Bytes of a packet zone that gave no packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// The virtual channel.
    pub channel: ChannelId,
    /// The frame with its first byte.
    pub place: Place,
    /// Whether that frame is a replay.
    pub replay: bool,
    /// Why it is no packet.
    pub cause: FragmentCause,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Why bytes of a packet zone are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FragmentCause {
    /// The frame with the beginning of the packet is not there.
    Headless,
    /// A frame that the packet needs is lost.
    FrameLost,
    /// The first header pointer of a frame contradicts the packet's length.
    PointerMismatch,
    /// No space packet by its version number, and no first header pointer
    /// proves that it is one all the same.
    PacketVersion(u8),
    /// The next frame of the channel holds something else than packets.
    Interrupted,
    /// The input ends inside the packet.
    Unfinished,
    /// More virtual channels than are kept open; this one was unused longest.
    Evicted,
}

impl FragmentCause {
    /// Its code in the `reason` column of `_quarantine`.
    pub fn code(self) -> &'static str {
        match self {
            FragmentCause::Headless => reason::PACKET_HEADLESS,
            FragmentCause::FrameLost => reason::PACKET_FRAME_LOST,
            FragmentCause::PointerMismatch => reason::PACKET_POINTER,
            FragmentCause::PacketVersion(_) => reason::PACKET_VERSION,
            FragmentCause::Interrupted => reason::PACKET_INTERRUPTED,
            FragmentCause::Unfinished => reason::PACKET_UNFINISHED,
            FragmentCause::Evicted => reason::PACKET_EVICTED,
        }
    }
}

impl fmt::Display for FragmentCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FragmentCause::Headless => write!(f, "the beginning of the packet is not there"),
            FragmentCause::FrameLost => write!(f, "a frame that the packet needs is lost"),
            FragmentCause::PointerMismatch => write!(
                f,
                "the first header pointer of a frame contradicts the length of the packet"
            ),
            FragmentCause::PacketVersion(found) => write!(
                f,
                "packet version number {found}, expected 0, and no first header pointer marks its \
                 end; any_packet_version reads such packets"
            ),
            FragmentCause::Interrupted => {
                write!(f, "the next frame of the channel holds no packets")
            }
            FragmentCause::Unfinished => write!(f, "the input ends inside the packet"),
            FragmentCause::Evicted => {
                write!(f, "more virtual channels than are kept open")
            }
        }
    }
}

/// What a stream held in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Bytes of input.
    pub bytes_in: u64,
    /// Frames that passed all checks.
    pub frames: u64,
    /// Of these: frames of idle data.
    pub frames_idle: u64,
    /// Frames that were found and refused.
    pub frames_refused: u64,
    /// Bits of the input in [`Frame`]s.
    pub bits_in_frames: u64,
    /// Bits of the input in [`Hole`]s.
    pub bits_in_holes: u64,
    /// Wrong bits in markers of frames.
    pub marker_wrong_bits: u64,
    /// Codewords with mended symbols, in frames that passed.
    pub codewords_corrected: u64,
    /// Mended symbols, in frames that passed.
    pub symbols_corrected: u64,
    /// Codewords beyond mending, in refused frames.
    pub codewords_uncorrectable: u64,
    /// Packets handed out.
    pub packets: u64,
    /// Bytes in them.
    pub packet_bytes: u64,
    /// Bytes in [`Fragment`]s.
    pub fragment_bytes: u64,
    /// Bytes of packet zones that are idle.
    pub idle_bytes: u64,
    /// Bytes of packet zones that were not read as packets.
    pub unread_bytes: u64,
}
