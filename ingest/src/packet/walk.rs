//! A stream of bytes, cut into packets.
//!
//! Packets follow each other by the length in their headers. A header is
//! believed if what follows it makes sense too: headers lead to headers. Where
//! they do not, bytes are passed over until a run of plausible headers begins,
//! and the hole is reported with its place.
//!
//! Promises: every byte is in exactly one packet or one hole, in order; memory
//! is bounded by [`WINDOW_BYTES`] whatever the input. A header with a broken
//! length that leads into another packet can take that packet's bytes with it
//! into one record of a wrong length; it cannot make them vanish.

use std::io::{self, Read};

use super::header::{HEADER_BYTES, MAX_PACKET_BYTES, PrimaryHeader};
use super::kernels::Packet;

/// Headers in a row that make bytes believable as packets.
const RUN: usize = 4;
/// The same where nothing is known of the stream yet, and it began with garbage.
const FIRST_RUN: usize = 8;
/// The bytes that a judgement may look at.
const LOOKAHEAD_BYTES: usize = FIRST_RUN * MAX_PACKET_BYTES + HEADER_BYTES;
/// The bytes that are held at a time.
pub const WINDOW_BYTES: usize = 2 * LOOKAHEAD_BYTES;
/// The bytes of a hole that are kept.
pub const HOLE_HEAD_BYTES: usize = 64 << 10;

/// What stands next in the stream.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Packets without a hole between them, at least one.
    Packets(Packets<'a>),
    /// Bytes that are no packet.
    Hole(Hole),
}

/// Packets that follow each other by the lengths in their headers.
#[derive(Debug, Clone, Copy)]
pub struct Packets<'a> {
    /// The bytes of all of them.
    pub bytes: &'a [u8],
    /// The number of the first one in the stream, from 0.
    pub index: u64,
    /// The place of the first one in the stream.
    pub offset: u64,
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let header = PrimaryHeader::read(self.bytes)?;
        let (bytes, rest) = self.bytes.split_at_checked(header.packet_bytes())?;
        let packet = Packet {
            bytes,
            index: self.index,
            offset: self.offset,
        };
        self.bytes = rest;
        self.index += 1;
        self.offset += bytes.len() as u64;
        Some(packet)
    }
}

/// Bytes between packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// The place of the first byte.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The first of them, up to [`HOLE_HEAD_BYTES`].
    pub head: Vec<u8>,
}

/// Cuts a stream into packets and holes.
pub struct PacketWalker<R> {
    window: Window<R>,
    seen: Seen,
    /// Whether a packet ended at the current place.
    in_step: bool,
    hole: Option<Hole>,
    next_index: u64,
}

/// The types and APIDs of packets that were believed.
struct Seen {
    known: Box<[bool; 1 << 12]>,
    any: bool,
}

impl<R: Read> PacketWalker<R> {
    /// Starts at the beginning of a stream.
    pub fn new(reader: R) -> PacketWalker<R> {
        PacketWalker {
            window: Window {
                reader,
                bytes: Vec::new(),
                at: 0,
                offset: 0,
                is_complete: false,
            },
            seen: Seen {
                known: Box::new([false; 1 << 12]),
                any: false,
            },
            in_step: false,
            hole: None,
            next_index: 0,
        }
    }

    /// The next packets, as many as are sure at once, or the next hole; `None`
    /// at the end.
    ///
    /// # Errors
    /// The reader fails.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece<'_>>> {
        let length = loop {
            self.window.fill()?;
            if self.window.rest().is_empty() {
                return Ok(self.hole.take().map(Piece::Hole));
            }
            match self.judge() {
                Some(length) => break length,
                None => self.pass_over(),
            }
        };
        if let Some(hole) = self.hole.take() {
            return Ok(Some(Piece::Hole(hole)));
        }
        self.in_step = true;
        self.seen.add(self.window.rest());
        let (count, end) = self.on_from(length);
        let index = self.next_index;
        self.next_index += count;
        let (offset, bytes) = self.window.take(end);
        Ok(Some(Piece::Packets(Packets {
            bytes,
            index,
            offset,
        })))
    }

    /// How many packets end where the last one does of which no further look
    /// is needed: from a packet of this length on, each is of a known kind,
    /// and so is the header that it leads to. [`PacketWalker::judge`] says the
    /// same of each alone.
    fn on_from(&self, length: usize) -> (u64, usize) {
        let rest = self.window.rest();
        let (mut count, mut end) = (1, length);
        let Some(mut next) = self.known_length(end) else {
            return (count, end);
        };
        while let Some(beyond) = self.known_length(end + next) {
            end += next;
            count += 1;
            next = beyond;
        }
        debug_assert!(end <= rest.len(), "a header lies behind the last packet");
        (count, end)
    }

    /// The length of the packet at a place, by a header of a kind seen before.
    fn known_length(&self, at: usize) -> Option<usize> {
        let rest = self.window.rest();
        let length = length_at(rest, at)?;
        self.seen.has(&rest[at..]).then_some(length)
    }

    /// The length of the packet that begins here, if one does.
    fn judge(&self) -> Option<usize> {
        let rest = self.window.rest();
        if !self.in_step {
            return self.is_solid(0).then(|| length_at(rest, 0)).flatten();
        }
        let length = length_at(rest, 0).filter(|length| *length <= rest.len())?;
        if !self.seen.has(rest) {
            let run = self.run(0, RUN);
            return (run.packets >= RUN || run.ends_well()).then_some(length);
        }
        if self.leads_on(length) || !(1..length).any(|at| self.is_true_start(at, length)) {
            return Some(length);
        }
        None
    }

    /// Whether what stands behind a packet is the end or a believable header.
    fn leads_on(&self, at: usize) -> bool {
        let rest = self.window.rest();
        if rest.len() < at + HEADER_BYTES {
            return true;
        }
        if length_at(rest, at).is_none() || self.seen.has(&rest[at..]) {
            return length_at(rest, at).is_some();
        }
        let run = self.run(at, RUN - 1);
        run.packets >= RUN - 1 || run.ends_well()
    }

    /// Whether a run of known packets begins within a packet and goes on
    /// beyond its end: then the packet's length is not to be believed.
    fn is_true_start(&self, at: usize, length: usize) -> bool {
        let run = self.run(at, RUN);
        run.strangers == 0 && run.packets >= RUN && run.end > length
    }

    /// Whether packets begin here, out of step.
    fn is_solid(&self, at: usize) -> bool {
        if self.window.offset == 0 && self.window.at == 0 && at == 0 && !self.seen.any {
            let run = self.run(at, RUN);
            return run.packets >= RUN || run.packets >= 1 && run.ending != Ending::Broken;
        }
        if !self.seen.any {
            let run = self.run(at, FIRST_RUN);
            return run.packets >= FIRST_RUN || run.packets >= 2 && run.ending == Ending::Exact;
        }
        let run = self.run(at, RUN);
        match run.ending {
            _ if run.packets >= RUN => run.strangers <= 1,
            Ending::Exact => run.packets >= 1 && run.strangers == 0,
            Ending::Cut => run.packets >= 2 && run.strangers == 0,
            Ending::Broken => false,
        }
    }

    /// Follows headers from a place on, to at most so many packets.
    fn run(&self, mut at: usize, most: usize) -> Run {
        let rest = self.window.rest();
        let (mut packets, mut strangers) = (0, 0);
        let ending = loop {
            if at == rest.len() && packets > 0 {
                break Ending::Exact;
            }
            if rest.len() - at < HEADER_BYTES {
                break Ending::Cut;
            }
            let Some(length) = length_at(rest, at) else {
                break Ending::Broken;
            };
            if at + length > rest.len() {
                break Ending::Cut;
            }
            if packets == most {
                break Ending::Broken;
            }
            strangers += usize::from(!self.seen.has(&rest[at..]));
            packets += 1;
            at += length;
        };
        Run {
            packets,
            strangers,
            ending,
            end: at,
        }
    }

    /// Moves to the next place where packets may begin.
    fn pass_over(&mut self) {
        self.in_step = false;
        let rest = self.window.rest();
        let sure = match self.window.is_complete {
            true => rest.len(),
            false => rest.len().saturating_sub(LOOKAHEAD_BYTES).max(1),
        };
        let garbage = (1..sure).find(|at| self.is_solid(*at)).unwrap_or(sure);
        let (offset, bytes) = self.window.take(garbage);
        let hole = self.hole.get_or_insert_with(|| Hole {
            offset,
            bytes: 0,
            head: Vec::new(),
        });
        let room = HOLE_HEAD_BYTES - hole.head.len();
        hole.head.extend_from_slice(&bytes[..room.min(bytes.len())]);
        hole.bytes += bytes.len() as u64;
    }
}

/// Packets that follow each other.
struct Run {
    packets: usize,
    /// How many of them have an APID that was not seen before.
    strangers: usize,
    ending: Ending,
    end: usize,
}

#[derive(PartialEq, Eq)]
enum Ending {
    /// With the last byte.
    Exact,
    /// In a packet that the stream does not have to its end.
    Cut,
    /// At bytes that are no header, or where nobody looked further.
    Broken,
}

impl Run {
    fn ends_well(&self) -> bool {
        self.packets >= 1 && self.ending != Ending::Broken
    }
}

/// The length of the packet at a place, if its header is plausible: version 0,
/// and not a run of zeros.
fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + HEADER_BYTES)?;
    let header = PrimaryHeader::read(bytes)?;
    let is_plausible = header.version == 0 && bytes.iter().any(|byte| *byte != 0);
    is_plausible.then(|| header.packet_bytes())
}

impl Seen {
    fn slot(bytes: &[u8]) -> Option<usize> {
        let header = PrimaryHeader::read(bytes)?;
        Some(usize::from(header.is_command) << 11 | usize::from(header.apid))
    }

    fn has(&self, bytes: &[u8]) -> bool {
        Seen::slot(bytes).is_some_and(|slot| self.known[slot])
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Some(slot) = Seen::slot(bytes) {
            self.known[slot] = true;
            self.any = true;
        }
    }
}

/// A part of the stream.
struct Window<R> {
    reader: R,
    bytes: Vec<u8>,
    at: usize,
    /// The place in the stream of the first byte held.
    offset: u64,
    is_complete: bool,
}

impl<R: Read> Window<R> {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// The next bytes and their place; moves behind them.
    fn take(&mut self, count: usize) -> (u64, &[u8]) {
        let from = self.at;
        self.at += count;
        (self.offset + from as u64, &self.bytes[from..self.at])
    }

    /// Reads until a judgement has all the bytes that it may look at.
    fn fill(&mut self) -> io::Result<()> {
        if self.is_complete || self.rest().len() >= LOOKAHEAD_BYTES {
            return Ok(());
        }
        self.bytes.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        let room = (WINDOW_BYTES - self.bytes.len()) as u64;
        let read = self
            .reader
            .by_ref()
            .take(room)
            .read_to_end(&mut self.bytes)?;
        self.is_complete = (read as u64) < room;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every packet judged alone: its place and length, and holes.
    fn one_by_one(stream: &[u8]) -> Vec<(u64, u64, bool)> {
        let (mut walker, mut pieces) = (PacketWalker::new(stream), Vec::new());
        loop {
            walker.window.fill().expect("bytes");
            let rest = walker.window.rest();
            let found = if rest.is_empty() {
                None
            } else {
                walker.judge()
            };
            if found.is_none() && !rest.is_empty() {
                walker.pass_over();
                continue;
            }
            if let Some(hole) = walker.hole.take() {
                pieces.push((hole.offset, hole.bytes, false));
            }
            let Some(length) = found else {
                return pieces;
            };
            walker.in_step = true;
            walker.seen.add(walker.window.rest());
            let (offset, bytes) = walker.window.take(length);
            pieces.push((offset, bytes.len() as u64, true));
        }
    }

    fn in_runs(stream: &[u8]) -> Vec<(u64, u64, bool)> {
        let (mut walker, mut pieces) = (PacketWalker::new(stream), Vec::new());
        while let Some(piece) = walker.next_piece().expect("bytes") {
            match piece {
                Piece::Hole(hole) => pieces.push((hole.offset, hole.bytes, false)),
                Piece::Packets(packets) => pieces
                    .extend(packets.map(|packet| (packet.offset, packet.bytes.len() as u64, true))),
            }
        }
        pieces
    }

    /// Packets of a few APIDs and lengths, some bytes of them wrong.
    fn damaged(mut state: u64) -> Vec<u8> {
        let mut below = |end: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % end as u64).expect("a small number")
        };
        let mut stream = Vec::new();
        for count in 0..60u16 {
            let apid = [3, 9, 300][below(3)];
            let body = below(40) + 1;
            let last = u16::try_from(body - 1).expect("a small number");
            for word in [apid, 0xc000 | count, last] {
                stream.extend(u16::to_be_bytes(word));
            }
            stream.extend((0..body).map(|_| [0, 1, 3, 9, 0x5a, 0xff][below(6)]));
        }
        for _ in 0..below(12) {
            let at = below(stream.len());
            stream[at] ^= 1 << below(8);
        }
        stream.truncate(stream.len() - below(30));
        stream
    }

    #[test]
    fn runs_are_the_packets_judged_alone() {
        for seed in 1..2000 {
            let stream = damaged(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
            assert_eq!(in_runs(&stream), one_by_one(&stream), "seed {seed}");
        }
    }
}
