//! A stream of frames as a source of packets.
//!
//! Promises: everything that the [`Receiver`] reports is in one chunk, in its
//! order: packets with their channel, the offset of the frame in which they
//! start, and their number among all packets of the source; refused frames,
//! bits without frames and fragments of packets as [`Hole`]s; losses as
//! [`FrameGap`]s. Memory is that of the receiver and of one chunk.

use std::io::{self, Read};

use downlake_lake::Result;

use crate::frames::{self, Counts, Event, GapKind, Link, Receiver};

use super::feed::{Chunk, Entry, Feed, FrameGap, Hole};
use super::walk::HOLE_HEAD_BYTES;

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// Packets of a stream of frames.
pub struct FrameFeed<R> {
    reader: R,
    receiver: State,
    piece: Vec<u8>,
    next_index: u64,
}

enum State {
    Receiving(Box<Receiver>),
    Ended(Counts),
}

impl<R: Read + Send> FrameFeed<R> {
    /// Starts at the beginning of the stream.
    ///
    /// # Errors
    /// Invalid, if the parameters of the link do not fit each other.
    pub fn new(reader: R, link: &Link) -> Result<FrameFeed<R>> {
        Ok(FrameFeed {
            reader,
            receiver: State::Receiving(Box::new(Receiver::new(link)?)),
            piece: vec![0; PIECE],
            next_index: 0,
        })
    }

    /// What the stream held so far.
    pub fn counts(&self) -> &Counts {
        match &self.receiver {
            State::Receiving(receiver) => receiver.counts(),
            State::Ended(counts) => counts,
        }
    }

    /// Takes the next piece of the stream; false where it has ended.
    fn take_piece(&mut self, chunk: &mut Chunk) -> io::Result<bool> {
        let State::Receiving(receiver) = &mut self.receiver else {
            return Ok(false);
        };
        let length = read_some(&mut self.reader, &mut self.piece)?;
        let next_index = &mut self.next_index;
        let mut sink = |event: Event<'_>| chunk.take(event, next_index);
        if length > 0 {
            receiver.push(&self.piece[..length], &mut sink);
            return Ok(true);
        }
        let counts = *receiver.counts();
        if let State::Receiving(receiver) =
            std::mem::replace(&mut self.receiver, State::Ended(counts))
        {
            self.receiver = State::Ended(receiver.finish(&mut sink));
        }
        Ok(false)
    }
}

impl<R: Read + Send> Feed for FrameFeed<R> {
    fn fill(&mut self, chunk: &mut Chunk) -> io::Result<()> {
        while !chunk.is_full() && self.take_piece(chunk)? {}
        Ok(())
    }
}

fn read_some(reader: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

impl Chunk {
    fn take(&mut self, event: Event<'_>, next_index: &mut u64) {
        match event {
            Event::Frame(_) => {}
            Event::Packet(packet) => {
                self.take_packet(&packet, *next_index);
                *next_index += 1;
            }
            Event::Hole(hole) => self.add_hole(hole_of(hole)),
            Event::Fragment(fragment) => self.add_hole(hole_of_fragment(&fragment)),
            Event::Gap(gap) => {
                self.hold(size_of::<FrameGap>());
                self.frame_gaps.push(frame_gap(&gap));
            }
        }
    }

    fn take_packet(&mut self, packet: &frames::Packet<'_>, index: u64) {
        self.packets.push(Entry {
            start: self.bytes.len(),
            length: packet.bytes.len(),
            index,
            offset: packet.place.byte_offset,
            channel: Some(packet.channel),
            replay: packet.replay,
            is_joined: false,
        });
        self.bytes.extend_from_slice(packet.bytes);
    }
}

fn hole_of(hole: frames::Hole) -> Hole {
    let bytes = hole.bytes();
    Hole {
        offset: bytes.start,
        bytes: bytes.end - bytes.start,
        reason: hole.cause.code(),
        detail: hole.cause.to_string(),
        head: hole.head,
    }
}

fn hole_of_fragment(fragment: &frames::Fragment<'_>) -> Hole {
    let kept = fragment.bytes.len().min(HOLE_HEAD_BYTES);
    Hole {
        offset: fragment.place.byte_offset,
        bytes: fragment.bytes.len() as u64,
        reason: fragment.cause.code(),
        detail: format!(
            "{}: {} bytes of virtual channel {}, spacecraft {}",
            fragment.cause,
            fragment.bytes.len(),
            fragment.channel.virtual_channel,
            fragment.channel.spacecraft
        ),
        head: fragment.bytes[..kept].to_vec(),
    }
}

fn frame_gap(gap: &frames::Gap) -> FrameGap {
    let is_reset = gap.kind == GapKind::Reset;
    let before_found = gap.found.wrapping_sub(1) & (gap.range - 1);
    FrameGap {
        channel: gap.channel,
        offset: gap.place.byte_offset,
        from_count: gap.expected,
        to_count: if is_reset { gap.found } else { before_found },
        missing: if is_reset { 0 } else { u64::from(gap.missing) },
        is_reset,
    }
}
