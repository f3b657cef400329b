//! Packets on their way to the decoder, many at a time, whatever they came in.
//!
//! A file of packets and a stream of frames end here as the same thing:
//! chunks. Promises: every packet, and every byte that gave no packet, is in
//! exactly one chunk, in the order of the source; a chunk ends soon after
//! its target, [`CHUNK_BYTES`] as a rule, of packets and of what is kept of holes, and no packet is
//! split over two.

use std::io::{self, Read};

use crate::decode::reason;
use crate::frames::ChannelId;

use super::kernels::Packet;
use super::locate::Refusal;
use super::walk::{PacketWalker, Packets, Piece};

/// Bytes of packets after which a chunk ends.
pub const CHUNK_BYTES: usize = 4 << 20;

/// Packets of a source, and what of it is none.
#[derive(Debug)]
pub struct Chunk {
    /// The bytes that [`Entry`] points into.
    pub bytes: Vec<u8>,
    /// The packets, idle ones included, in the order of the source.
    pub packets: Vec<Entry>,
    /// Packets that cannot be decoded, whatever their definition says.
    pub refused: Vec<(Entry, Refusal)>,
    /// Bytes of the source that gave no packet.
    pub holes: Vec<Hole>,
    /// Frames that are not there.
    pub frame_gaps: Vec<FrameGap>,
    /// Bytes that are kept of holes and gaps.
    held: usize,
    /// Bytes after which it is full.
    target: usize,
}

impl Default for Chunk {
    fn default() -> Chunk {
        Chunk::with_target(CHUNK_BYTES)
    }
}

/// One packet of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins in the chunk's bytes.
    pub start: usize,
    /// How many bytes it has.
    pub length: usize,
    /// Its number in the source unit, from 0.
    pub index: u64,
    /// The place in the source unit of its first byte, or of the frame that
    /// holds it.
    pub offset: u64,
    /// Spacecraft and virtual channel, where it came in frames.
    pub channel: Option<ChannelId>,
    /// Whether it came in a frame that was replayed.
    pub replay: bool,
    /// Whether it was joined from segments; then its length is not that of
    /// its header.
    pub is_joined: bool,
}

/// Bytes that gave no packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// The place in the source unit of the first byte.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// One of the codes in [`reason`].
    pub reason: &'static str,
    /// Why.
    pub detail: String,
    /// The first of the bytes, as many as are kept.
    pub head: Vec<u8>,
}

/// Frames of a virtual channel that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameGap {
    /// The virtual channel.
    pub channel: ChannelId,
    /// The place in the source unit of the frame behind the gap.
    pub offset: u64,
    /// The first frame count that is missing; of a reset, the count that was due.
    pub from_count: u32,
    /// The last one that is missing; of a reset, the count that came.
    pub to_count: u32,
    /// How many are missing; of a reset, 0.
    pub missing: u64,
    /// Whether the count went back instead.
    pub is_reset: bool,
}

/// A source of packets.
pub trait Feed: Send {
    /// Fills an empty chunk; one that stays empty is the end.
    ///
    /// # Errors
    /// The source cannot be read.
    fn fill(&mut self, chunk: &mut Chunk) -> io::Result<()>;
}

impl Chunk {
    /// One that is full with so many bytes.
    pub fn with_target(target: usize) -> Chunk {
        Chunk {
            bytes: Vec::new(),
            packets: Vec::new(),
            refused: Vec::new(),
            holes: Vec::new(),
            frame_gaps: Vec::new(),
            held: 0,
            target,
        }
    }

    /// Empties it, for the next packets.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.packets.clear();
        self.refused.clear();
        self.holes.clear();
        self.frame_gaps.clear();
        self.held = 0;
    }

    /// Bytes after which it is full.
    pub(crate) fn target(&self) -> usize {
        self.target
    }

    /// A chunk of some of its packets.
    pub(crate) fn part(&self, packets: &[Entry]) -> Chunk {
        let mut part = Chunk::with_target(self.target);
        for entry in packets {
            let start = part.bytes.len();
            part.bytes.extend_from_slice(self.packet(entry).bytes);
            part.packets.push(Entry { start, ..*entry });
        }
        part
    }

    /// Takes over the packets that another chunk refuses.
    pub(crate) fn take_refused(&mut self, other: &mut Chunk) {
        for (entry, refusal) in other.refused.drain(..) {
            let start = self.bytes.len();
            let end = entry.start + entry.length;
            self.bytes.extend_from_slice(&other.bytes[entry.start..end]);
            self.refused.push((Entry { start, ..entry }, refusal));
        }
    }

    /// Whether it has all that a chunk should hold, whatever that is.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() + self.held >= self.target
    }

    /// Counts bytes that are kept beside those of packets.
    pub(super) fn hold(&mut self, bytes: usize) {
        self.held += bytes;
    }

    /// Takes bytes that gave no packet.
    pub(super) fn add_hole(&mut self, hole: Hole) {
        self.hold(size_of::<Hole>() + hole.detail.len() + hole.head.len());
        self.holes.push(hole);
    }

    /// Whether it holds nothing: the source has ended.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
            && self.refused.is_empty()
            && self.holes.is_empty()
            && self.frame_gaps.is_empty()
    }

    /// A packet with its bytes.
    pub fn packet(&self, entry: &Entry) -> Packet<'_> {
        Packet {
            bytes: &self.bytes[entry.start..entry.start + entry.length],
            index: entry.index,
            offset: entry.offset,
        }
    }

    /// Takes packets that came without frames.
    fn add(&mut self, packets: Packets<'_>) {
        let mut start = self.bytes.len();
        self.bytes.extend_from_slice(packets.bytes);
        for packet in packets {
            let length = packet.bytes.len();
            self.packets.push(Entry {
                start,
                length,
                index: packet.index,
                offset: packet.offset,
                channel: None,
                replay: false,
                is_joined: false,
            });
            start += length;
        }
    }
}

/// A file of packets, one behind the other.
pub struct PacketFile<R> {
    walker: PacketWalker<R>,
}

impl<R: Read + Send> PacketFile<R> {
    /// Starts at the beginning of the file.
    pub fn new(reader: R) -> PacketFile<R> {
        PacketFile {
            walker: PacketWalker::new(reader),
        }
    }
}

impl<R: Read + Send> Feed for PacketFile<R> {
    fn fill(&mut self, chunk: &mut Chunk) -> io::Result<()> {
        while !chunk.is_full() {
            match self.walker.next_piece()? {
                None => break,
                Some(Piece::Packets(packets)) => chunk.add(packets),
                Some(Piece::Hole(hole)) => chunk.add_hole(Hole {
                    offset: hole.offset,
                    bytes: hole.bytes,
                    reason: reason::NO_PACKET,
                    detail: format!(
                        "{} bytes in which no packet begins that others follow",
                        hole.bytes
                    ),
                    head: hole.head,
                }),
            }
        }
        Ok(())
    }
}
