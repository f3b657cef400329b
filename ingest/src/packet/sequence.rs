//! Sequence counts: which packets are missing, came late, or began anew.
//!
//! Packets are counted by APID, modulo 16,384 (CCSDS 133.0-B, 4.1.3.4). A
//! [`SequenceTracker`] sees them in the order of their arrival and says at the
//! end which counts never came. A step of the count is, in this order:
//!
//! * the next one: nothing to say;
//! * a packet that was there before, told by its bytes: a repeat, nothing to
//!   say, and the count goes on where it was;
//! * a count that is missing: a packet that came late. It closes, shortens or
//!   splits the gap, and one `late` row tells the block that it belongs to;
//! * less than half of the range ahead: the counts between are `lost`;
//! * anything else: a `reset`. The count goes on from there.
//!
//! What a count of 14 bits cannot tell is decided so:
//!
//! * A loss of half of the range or more looks like going back: it is a reset,
//!   and nothing is called lost that may never have been sent.
//! * A count that is missing closes its gap, even if it is less than half of
//!   the range ahead, where it is at least a quarter ahead or the first one
//!   missing there. What is older than the range is lost for good.
//! * The same count with other bytes is a reset, not 16,384 lost packets.
//! * Where the count returns to the point that it left at a reset, what came
//!   between was a block from before the source began, and the reset becomes a
//!   `late` row; if it began with a count that had come with other bytes, it
//!   remains a reset.
//! * A single packet far ahead, behind which the source ends with packets that
//!   go on from before it, is a reset: what is between was not yet due.
//! * Where most steps of an APID are none of the first two, its count counts
//!   nothing: no rows, one notice.
//!
//! Promises: every count between two packets of an APID that never came is in
//! one `lost` row, unless a reset or a notice stands for it; no count that came
//! is in one, as far as 14 bits can tell; memory is bounded by [`MAX_ROWS`],
//! [`MAX_APIDS`] and [`MAX_SPACECRAFT`], whatever comes. Refuses to say
//! anything about what is before the first or behind the last packet of an
//! APID, and about idle packets.

mod prints;
#[cfg(test)]
mod tests;
mod track;

use downlake_lake::table::gaps::GapKind;

use super::feed::{Chunk, Entry};
use super::header::{IDLE_APID, PrimaryHeader};
use prints::MAX_PAGES;
use track::{Sighting, Track};

/// Most rows of a source unit, gaps that may still close included.
pub const MAX_ROWS: usize = 1 << 16;
/// Most APIDs that are followed, of all spacecraft together.
pub const MAX_APIDS: usize = 1 << 14;
/// Most spacecraft that are followed.
pub const MAX_SPACECRAFT: usize = 64;

/// APIDs of telemetry and of telecommands.
const SLOTS: usize = 1 << 12;
/// No track has this number.
const NO_TRACK: u32 = u32::MAX;

/// A step in the sequence count of an APID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceGap {
    /// The spacecraft, where the packets came in frames.
    pub spacecraft: Option<u16>,
    /// The APID.
    pub apid: u16,
    /// What the step is: lost, reset or late.
    pub kind: GapKind,
    /// `lost`, `late`: the first count; `reset`: the last one before.
    pub from_seq: u16,
    /// `lost`, `late`: the last count; `reset`: the first one after.
    pub to_seq: u16,
    /// How many packets are lost, or came late; 0 of a reset.
    pub missing: u64,
    /// The index of the packet before, in the order of counts; `late`: of the
    /// packet with the first count.
    pub before_index: u64,
    /// The index of the packet behind, in the order of counts; `late`: of the
    /// packet with the last count.
    pub after_index: u64,
    /// The place in the source unit of the packet behind; `late`: of the
    /// first packet of the block to arrive.
    pub byte_offset: u64,
}

/// What the counts of a source unit say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequences {
    /// The steps, by the index of the packet behind.
    pub gaps: Vec<SequenceGap>,
    /// What a person should know: APIDs that do not count, and limits that
    /// were reached.
    pub notices: Vec<String>,
}

/// The sequence counts of all APIDs of a source unit.
#[derive(Debug)]
pub struct SequenceTracker {
    spacecraft: Vec<Spacecraft>,
    tracks: Vec<Track>,
    room: Room,
    /// Packets of APIDs that are not followed.
    unfollowed: u64,
}

#[derive(Debug)]
struct Spacecraft {
    id: Option<u16>,
    tracks: Box<[u32; SLOTS]>,
}

/// What all tracks together may still keep.
#[derive(Debug)]
struct Room {
    rows: usize,
    pages: usize,
    /// Rows that found no room.
    unlisted: u64,
}

impl Room {
    fn take_row(&mut self) -> bool {
        let has_room = self.rows > 0;
        self.rows -= usize::from(has_room);
        self.unlisted += u64::from(!has_room);
        has_room
    }
}

impl Default for SequenceTracker {
    fn default() -> SequenceTracker {
        SequenceTracker::with_room(MAX_ROWS)
    }
}

impl SequenceTracker {
    fn with_room(rows: usize) -> SequenceTracker {
        SequenceTracker {
            spacecraft: Vec::new(),
            tracks: Vec::new(),
            room: Room {
                rows,
                pages: MAX_PAGES,
                unlisted: 0,
            },
            unfollowed: 0,
        }
    }

    /// Takes the packets of a chunk, segments as they came, and returns the
    /// indices among them that a gap may name at the end, in order.
    ///
    /// Most of them are the last packets of their APIDs and are soon
    /// forgotten: see [`SequenceTracker::marks`].
    pub fn note(&mut self, chunk: &Chunk) -> Vec<u64> {
        let Some(first) = chunk.packets.iter().map(|entry| entry.index).min() else {
            return Vec::new();
        };
        for entry in &chunk.packets {
            self.note_packet(entry, chunk.packet(entry).bytes);
        }
        let mut marks = self.marks();
        marks.retain(|index| *index >= first);
        marks
    }

    /// Every index that a gap may name at the end, in order. An index that is
    /// not among them will never be again.
    pub fn marks(&self) -> Vec<u64> {
        let mut marks: Vec<u64> = self.tracks.iter().flat_map(Track::marks).collect();
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    /// Says what never came.
    pub fn finish(self) -> Sequences {
        let mut found = Sequences::default();
        for track in self.tracks {
            match track.finish() {
                Ok(gaps) => found.gaps.extend(gaps),
                Err(notice) => found.notices.push(notice),
            }
        }
        let key = |gap: &SequenceGap| (gap.after_index, gap.before_index, gap.from_seq);
        found.gaps.sort_by_key(key);
        if self.room.unlisted > 0 {
            found.notices.push(format!(
                "{} more steps of sequence counts are not listed: {MAX_ROWS} are, the most of one source",
                self.room.unlisted
            ));
        }
        if self.unfollowed > 0 {
            found.notices.push(format!(
                "gaps between {} packets are not looked for: more than {MAX_APIDS} APIDs or \
                 {MAX_SPACECRAFT} spacecraft in one source",
                self.unfollowed
            ));
        }
        found
    }

    fn note_packet(&mut self, entry: &Entry, bytes: &[u8]) {
        let Some(header) = PrimaryHeader::read(bytes).filter(|header| !header.is_idle()) else {
            return;
        };
        let spacecraft = entry.channel.map(|channel| channel.spacecraft);
        let packet = Sighting {
            count: header.sequence_count,
            print: prints::print(bytes),
            index: entry.index,
            offset: entry.offset,
        };
        match self.slot(spacecraft, &header) {
            None => self.unfollowed += 1,
            Some(slot) if *slot == NO_TRACK => self.open_track(spacecraft, &header, packet),
            Some(slot) => {
                let track = *slot as usize;
                self.tracks[track].take(packet, &mut self.room);
            }
        }
    }

    /// The place of an APID's track.
    fn slot(&mut self, id: Option<u16>, header: &PrimaryHeader) -> Option<&mut u32> {
        let known = self.spacecraft.iter().position(|known| known.id == id);
        let at = match known {
            Some(at) => at,
            None if self.spacecraft.len() == MAX_SPACECRAFT => return None,
            None => {
                self.spacecraft.push(Spacecraft {
                    id,
                    tracks: Box::new([NO_TRACK; SLOTS]),
                });
                self.spacecraft.len() - 1
            }
        };
        let slot = usize::from(header.is_command) << 11 | usize::from(header.apid & IDLE_APID);
        Some(&mut self.spacecraft[at].tracks[slot])
    }

    fn open_track(&mut self, spacecraft: Option<u16>, header: &PrimaryHeader, first: Sighting) {
        let number = u32::try_from(self.tracks.len()).unwrap_or(NO_TRACK);
        if self.tracks.len() == MAX_APIDS {
            self.unfollowed += 1;
            return;
        }
        if let Some(slot) = self.slot(spacecraft, header) {
            *slot = number;
        }
        let track = Track::new(spacecraft, header.apid, first, &mut self.room);
        self.tracks.push(track);
    }
}
