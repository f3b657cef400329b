//! From bytes to frames to packets, in pieces of any size.

use std::ops::Range;

use downlake_lake::Result;

use super::event::{Cause, Content, Counts, Event, Frame, Header, Hole, Place};
use super::link::{FrameKind, Link};
use super::reassembly::{Origin, Reassembly};
use super::reed_solomon::{Codec, Repair};
use super::sync::{Candidate, Synchronizer};
use super::{aos, crc, randomizer, tm};

/// Input is taken in pieces of this length, in bytes, whatever is pushed.
const PIECE: usize = 64 << 10;

/// First header pointer: no packet starts in the frame.
const NO_PACKET_STARTS: u16 = 0x7FF;

/// First header pointer: the frame is idle.
const ONLY_IDLE: u16 = 0x7FE;

/// Reads the frames and packets of one stream.
pub struct Receiver {
    sync: Synchronizer,
    opener: Opener,
    block: Vec<u8>,
    packets: Reassembly,
    virtual_channels: Option<Vec<u8>>,
    counts: Counts,
}

impl Receiver {
    /// A receiver at the beginning of a stream.
    ///
    /// # Errors
    /// Invalid, if the parameters of the link do not fit each other.
    pub fn new(link: &Link) -> Result<Receiver> {
        link.validate()?;
        let block_length = link.block_length();
        Ok(Receiver {
            sync: Synchronizer::new(block_length, link.marker),
            opener: Opener::new(link)?,
            block: vec![0; block_length],
            packets: Reassembly::new(link.any_packet_version),
            virtual_channels: link.virtual_channels.clone(),
            counts: Counts::default(),
        })
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        for piece in bytes.chunks(PIECE) {
            self.sync.feed(piece);
            self.counts.bytes_in += piece.len() as u64;
            self.take_frames(sink);
        }
    }

    /// The stream has ended: reports what is left open, and counts it all.
    pub fn finish(mut self, sink: &mut dyn FnMut(Event<'_>)) -> Counts {
        self.sync.end();
        self.take_frames(sink);
        if let Some(hole) = self.sync.rest() {
            self.report_hole(hole, sink);
        }
        self.packets.finish(&mut self.counts, sink);
        self.counts
    }

    /// What was seen so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    fn take_frames(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        while let Some(candidate) = self.sync.candidate() {
            self.sync.copy_block(&candidate, &mut self.block);
            let opened = self.opener.open(&mut self.block);
            match opened {
                Ok(opened) if candidate.confirmed || self.opener.checked => {
                    self.take_frame(&candidate, &opened, sink);
                }
                Err(cause) if candidate.confirmed => self.refuse_frame(&candidate, cause, sink),
                Ok(_) => self.sync.pass_over(Cause::Unconfirmed),
                Err(cause) => self.sync.pass_over(cause),
            }
        }
    }

    fn take_frame(
        &mut self,
        candidate: &Candidate,
        opened: &Opened,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let place = self.consume(candidate, sink);
        let parsed = &opened.parsed;
        let content = self.content(parsed);
        let zone = &self.block[parsed.zone.clone()];
        self.counts.take_frame(candidate, &opened.repair, content);
        sink(Event::Frame(Frame {
            place,
            bits: candidate.bits.clone(),
            header: parsed.header,
            secondary_header: &self.block[parsed.secondary_header.clone()],
            insert_zone: &self.block[parsed.insert_zone.clone()],
            ocf: parsed
                .ocf
                .and_then(|at| self.block[at..].first_chunk().copied()),
            zone,
            content,
            marker_wrong_bits: candidate.wrong_bits,
            symbols_corrected: opened.repair.symbols_corrected,
        }));
        let origin = Origin {
            channel: parsed.header.channel(),
            place,
            replay: parsed.header.is_replay(),
        };
        let counts = &mut self.counts;
        self.packets
            .take_frame(origin, parsed.header.count(), content, zone, counts, sink);
    }

    fn refuse_frame(
        &mut self,
        candidate: &Candidate,
        cause: Cause,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let place = self.consume(candidate, sink);
        self.counts.frames_refused += 1;
        let hole = Hole {
            bits: candidate.bits.clone(),
            cause,
            frame_index: Some(place.frame_index),
            head: self.sync.bytes_of(candidate).to_vec(),
        };
        self.report_hole(hole, sink);
    }

    /// Takes the bits of a frame, and reports the hole in front of it.
    fn consume(&mut self, candidate: &Candidate, sink: &mut dyn FnMut(Event<'_>)) -> Place {
        if let Some(hole) = self.sync.consume(candidate) {
            self.report_hole(hole, sink);
        }
        Place {
            byte_offset: candidate.bits.start / 8,
            frame_index: self.counts.frames + self.counts.frames_refused,
        }
    }

    fn report_hole(&mut self, hole: Hole, sink: &mut dyn FnMut(Event<'_>)) {
        let bits = hole.bits.end - hole.bits.start;
        self.counts.bits_in_holes += bits;
        if let Cause::Uncorrectable { codewords } = hole.cause {
            self.counts.codewords_uncorrectable += u64::from(codewords);
        }
        self.packets.lose(bits.div_ceil(self.sync.frame_bits()));
        sink(Event::Hole(hole));
    }

    fn content(&self, parsed: &Parsed) -> Content {
        let asked_for = |channels: &Vec<u8>| {
            let channel = parsed.header.channel().virtual_channel;
            channels.contains(&channel)
        };
        match self.virtual_channels.as_ref().is_none_or(asked_for) {
            false if parsed.content != Content::Idle => Content::Unread,
            _ => parsed.content,
        }
    }
}

impl Counts {
    fn take_frame(&mut self, candidate: &Candidate, repair: &Repair, content: Content) {
        self.frames += 1;
        self.frames_idle += u64::from(content == Content::Idle);
        self.bits_in_frames += candidate.bits.end - candidate.bits.start;
        self.marker_wrong_bits += u64::from(candidate.wrong_bits);
        self.codewords_corrected += u64::from(repair.codewords_corrected);
        self.symbols_corrected += u64::from(repair.symbols_corrected);
    }
}

/// Takes the coding off a block and reads the header.
struct Opener {
    link: Link,
    /// Whether a frame can be told from noise by itself.
    checked: bool,
    sequence: Vec<u8>,
    codec: Option<Codec>,
}

/// A frame whose checks hold.
struct Opened {
    parsed: Parsed,
    repair: Repair,
}

/// The parts of a frame; ranges are bytes of it.
pub(super) struct Parsed {
    pub(super) header: Header,
    pub(super) secondary_header: Range<usize>,
    pub(super) insert_zone: Range<usize>,
    pub(super) zone: Range<usize>,
    /// Where the operational control field begins.
    pub(super) ocf: Option<usize>,
    pub(super) content: Content,
}

impl Opener {
    fn new(link: &Link) -> Result<Opener> {
        let code = link.code.map(|code| Codec::new(code, link.frame_length));
        let random_bytes = if link.randomized {
            link.block_length()
        } else {
            0
        };
        Ok(Opener {
            link: link.clone(),
            checked: link.is_checked(),
            sequence: randomizer::sequence(random_bytes),
            codec: code.transpose()?,
        })
    }

    /// Leaves the frame at the beginning of the block.
    fn open(&self, block: &mut [u8]) -> Result<Opened, Cause> {
        randomizer::apply(block, &self.sequence);
        let repair = match &self.codec {
            Some(codec) => codec.repair(block),
            None => Repair::default(),
        };
        if repair.codewords_uncorrectable > 0 {
            let codewords = repair.codewords_uncorrectable;
            return Err(Cause::Uncorrectable { codewords });
        }
        let frame = &block[..self.link.frame_length];
        if self.link.fecf && crc::checksum(frame) != 0 {
            return Err(Cause::FrameControl);
        }
        let parsed = match self.link.kind {
            FrameKind::Tm => tm::parse(&self.link, frame)?,
            FrameKind::Aos => aos::parse(&self.link, frame)?,
        };
        let found = parsed.header.channel().spacecraft;
        match self.link.spacecraft {
            Some(wanted) if wanted != found => Err(Cause::Spacecraft(found)),
            _ => Ok(Opened { parsed, repair }),
        }
    }
}

/// What a first header pointer says of a packet zone.
pub(super) fn pointed_content(pointer: u16, zone: usize) -> Result<Content, Cause> {
    match pointer {
        NO_PACKET_STARTS => Ok(Content::Packets(None)),
        ONLY_IDLE => Ok(Content::Idle),
        _ if usize::from(pointer) < zone => Ok(Content::Packets(Some(usize::from(pointer)))),
        _ => Err(Cause::Pointer { pointer, zone }),
    }
}
