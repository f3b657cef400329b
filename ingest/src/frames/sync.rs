//! Finds frames in a stream of bits by their attached sync marker.
//!
//! A frame is a *candidate* until its checks are known: a marker with at most
//! [`MARKER_WRONG_BITS`] wrong bits, at any bit of the stream. The caller
//! accepts it, refuses it as a frame (the next marker stands where it ends), or
//! passes over its first bit, and the search goes on behind that bit: a frame
//! that lost bits does not hide the next one, nor does a marker inside data.
//! Every bit is in one accepted or refused frame or in one hole.

use std::ops::Range;

use super::event::{Cause, Hole};

/// The attached sync marker, 0x1ACFFC1D (CCSDS 131.0-B).
pub const MARKER: u32 = 0x1ACF_FC1D;

/// The number of wrong bits up to which a marker is one. Noise looks like it
/// at one bit in 780,000.
pub const MARKER_WRONG_BITS: u32 = 3;

/// Bits of a marker.
const MARKER_BITS: u64 = 32;

/// Bytes that a marker touches at any alignment.
const MARKER_SPAN: usize = 5;

/// The bytes of a hole that are kept.
pub(super) const HOLE_HEAD_BYTES: u64 = 64 << 10;

/// How many candidates that no marker confirms are tried within the length of
/// a frame, so that an input full of markers costs no more than one of frames.
const ATTEMPTS: u32 = 4;

/// What may be a frame.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Its bits, marker included.
    pub(super) bits: Range<u64>,
    /// Whether the next marker, or the end of the input, is where it ends.
    pub(super) confirmed: bool,
    /// Wrong bits in its marker.
    pub(super) wrong_bits: u32,
}

/// Cuts a stream into candidates. Memory: one frame, what was fed last, and
/// the beginning of a hole.
pub(super) struct Synchronizer {
    marked: bool,
    /// Length of a frame with its marker, in bits.
    frame_bits: u64,
    buffer: Vec<u8>,
    /// Offset in the input of the first byte of the buffer.
    buffer_offset: u64,
    /// The first bit of the input that is not decided.
    undecided: u64,
    hole: Option<OpenHole>,
    ended: bool,
    attempts: u32,
    attempts_since: u64,
}

/// A hole whose end is not known yet.
struct OpenHole {
    start: u64,
    /// Why, at its first bit.
    cause: Cause,
    /// Its first bytes, as far as they are no longer in the buffer.
    head: Vec<u8>,
}

impl Synchronizer {
    /// For blocks of a length in bytes, each behind a marker or right behind
    /// the one before.
    pub(super) fn new(block_length: usize, marked: bool) -> Synchronizer {
        let marker = if marked { MARKER_BITS } else { 0 };
        Synchronizer {
            marked,
            frame_bits: 8 * block_length as u64 + marker,
            buffer: Vec::new(),
            buffer_offset: 0,
            undecided: 0,
            hole: None,
            ended: false,
            attempts: 0,
            attempts_since: 0,
        }
    }

    /// Length of a frame with its marker, in bits.
    pub(super) fn frame_bits(&self) -> u64 {
        self.frame_bits
    }

    /// Takes the next bytes of the input.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.keep_head(self.undecided);
        let decided = self.position(self.undecided).0.min(self.buffer.len());
        self.buffer.drain(..decided);
        self.buffer_offset += decided as u64;
        self.buffer.extend_from_slice(bytes);
    }

    /// The input has ended.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// The next candidate; `None` if more bytes are needed, or there are none.
    pub(super) fn candidate(&mut self) -> Option<Candidate> {
        loop {
            let wrong_bits = self.seek()?;
            let bits = self.undecided..self.undecided + self.frame_bits;
            let confirmed = self.is_confirmed(bits.end)?;
            if confirmed || self.may_try(bits.start) {
                return Some(Candidate {
                    bits,
                    confirmed,
                    wrong_bits,
                });
            }
            self.pass_over(Cause::NoMarker);
        }
    }

    /// Copies the block of a candidate, without its marker.
    pub(super) fn copy_block(&self, candidate: &Candidate, block: &mut [u8]) {
        let marker = if self.marked { MARKER_BITS } else { 0 };
        let (first, shift) = self.position(candidate.bits.start + marker);
        let bytes = &self.buffer[first..];
        if shift == 0 {
            block.copy_from_slice(&bytes[..block.len()]);
            return;
        }
        for (place, pair) in block.iter_mut().zip(bytes.windows(2)) {
            *place = pair[0] << shift | pair[1] >> (8 - shift);
        }
    }

    /// The candidate is a frame, good or refused: what lies before it is a hole.
    pub(super) fn consume(&mut self, candidate: &Candidate) -> Option<Hole> {
        let hole = self.close_hole(candidate.bits.start);
        self.undecided = candidate.bits.end;
        hole
    }

    /// No frame begins at the first undecided bit.
    pub(super) fn pass_over(&mut self, cause: Cause) {
        self.open_hole(self.undecided, cause);
        self.undecided += 1;
    }

    /// The bytes that the bits of a candidate touch.
    pub(super) fn bytes_of(&self, candidate: &Candidate) -> &[u8] {
        self.held(candidate.bits.start / 8, candidate.bits.end.div_ceil(8))
    }

    /// Everything that is left when there are no more candidates.
    pub(super) fn rest(&mut self) -> Option<Hole> {
        let end = self.end_bit();
        let begins_frame = !self.marked || self.marker_at(self.undecided).is_some();
        let cause = match begins_frame {
            true => Cause::Truncated,
            false => Cause::NoMarker,
        };
        self.open_hole(self.undecided, cause);
        self.undecided = end;
        self.close_hole(end)
    }

    fn open_hole(&mut self, start: u64, cause: Cause) {
        self.hole.get_or_insert_with(|| OpenHole {
            start,
            cause,
            head: Vec::new(),
        });
    }

    fn close_hole(&mut self, end: u64) -> Option<Hole> {
        self.keep_head(end);
        let OpenHole { start, cause, head } = self.hole.take()?;
        (start < end).then_some(Hole {
            bits: start..end,
            cause,
            frame_index: None,
            head,
        })
    }

    /// Copies the beginning of an open hole up to a bit, before the buffer
    /// forgets it.
    fn keep_head(&mut self, end: u64) {
        let Some(mut hole) = self.hole.take() else {
            return;
        };
        let first = hole.start / 8;
        let last = end.div_ceil(8).min(first + HOLE_HEAD_BYTES);
        let kept = first + hole.head.len() as u64;
        hole.head.extend_from_slice(self.held(kept, last));
        self.hole = Some(hole);
    }

    /// The bytes of the input from one offset to another, as far as they are
    /// in the buffer.
    fn held(&self, from: u64, to: u64) -> &[u8] {
        let at = |offset: u64| {
            let place = offset.saturating_sub(self.buffer_offset);
            usize::try_from(place).map_or(self.buffer.len(), |place| place.min(self.buffer.len()))
        };
        self.buffer.get(at(from)..at(to)).unwrap_or_default()
    }

    /// Moves to the next marker: the number of its wrong bits.
    fn seek(&mut self) -> Option<u32> {
        if !self.marked {
            return Some(0);
        }
        if let Some(wrong_bits) = self.marker_at(self.undecided) {
            return Some(wrong_bits);
        }
        let (first, mut shift) = self.position(self.undecided);
        let start = self.undecided;
        for (place, bytes) in self.buffer.get(first..)?.windows(MARKER_SPAN).enumerate() {
            while shift < 8 {
                if let Some(wrong_bits) = marker_in(bytes, shift) {
                    self.skip_to(bit_of(self.buffer_offset, first + place, shift), start);
                    return Some(wrong_bits);
                }
                shift += 1;
            }
            shift = 0;
        }
        let searched = (self.buffer.len() + 1)
            .saturating_sub(MARKER_SPAN)
            .max(first);
        if searched > first {
            self.skip_to(bit_of(self.buffer_offset, searched, 0), start);
        }
        None
    }

    fn skip_to(&mut self, bit: u64, start: u64) {
        self.open_hole(start, Cause::NoMarker);
        self.undecided = bit;
    }

    /// Whether a frame that ends here is confirmed; `None` while that is open,
    /// or if the input ends inside the frame.
    fn is_confirmed(&self, end: u64) -> Option<bool> {
        let known = self.end_bit();
        if !self.marked {
            return (end <= known).then_some(true);
        }
        if end + MARKER_BITS + 8 <= known {
            return Some(self.marker_at(end).is_some());
        }
        let at_end = self.ended && end <= known;
        at_end.then(|| known - end < 8 || self.marker_at(end).is_some())
    }

    fn may_try(&mut self, start: u64) -> bool {
        if start >= self.attempts_since + self.frame_bits {
            self.attempts_since = start;
            self.attempts = 0;
        }
        self.attempts += 1;
        self.attempts <= ATTEMPTS
    }

    /// The wrong bits of the marker at a bit of the input, if there is one.
    fn marker_at(&self, bit: u64) -> Option<u32> {
        let (first, shift) = self.position(bit);
        let bytes = self.buffer.get(first..)?;
        match shift {
            0 => wrong_bits(u32::from_be_bytes(*bytes.first_chunk()?)),
            _ => marker_in(bytes.get(..MARKER_SPAN)?, shift),
        }
    }

    /// The byte in the buffer and the bit in the byte.
    fn position(&self, bit: u64) -> (usize, u32) {
        let byte = bit / 8 - self.buffer_offset;
        let shift = u32::from((bit & 7).to_le_bytes()[0]);
        (usize::try_from(byte).unwrap_or(usize::MAX), shift)
    }

    fn end_bit(&self) -> u64 {
        bit_of(self.buffer_offset, self.buffer.len(), 0)
    }
}

fn bit_of(buffer_offset: u64, byte: usize, shift: u32) -> u64 {
    8 * (buffer_offset + byte as u64) + u64::from(shift)
}

/// The wrong bits of the marker that begins at a bit of the first of five bytes.
fn marker_in(bytes: &[u8], shift: u32) -> Option<u32> {
    let (word, behind) = bytes.split_first_chunk()?;
    let high = u32::from_be_bytes(*word) << shift;
    let low = u32::from(*behind.first()?) >> (8 - shift);
    wrong_bits(high | low)
}

/// The bits at which markers without a wrong bit begin.
pub(super) fn marker_bits(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let spans = bytes.windows(MARKER_SPAN - 1).enumerate();
    spans.flat_map(move |(place, word)| {
        let behind = bytes.get(place + word.len()).copied();
        (0..8_u32).filter_map(move |shift| {
            let span = [
                word[0],
                word[1],
                word[2],
                word[3],
                behind.unwrap_or_default(),
            ];
            let is_there = shift == 0 || behind.is_some();
            let is_marker = is_there && marker_in(&span, shift) == Some(0);
            is_marker.then(|| bit_of(0, place, shift))
        })
    })
}

fn wrong_bits(word: u32) -> Option<u32> {
    let wrong = (word ^ MARKER).count_ones();
    (wrong <= MARKER_WRONG_BITS).then_some(wrong)
}

#[cfg(test)]
mod tests;
