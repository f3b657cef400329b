//! Segments of a packet, joined where the definition says so.
//!
//! A source that segments its data sends a first, any number of continuation
//! and a last packet of one APID, with counts in order (CCSDS 133.0-B,
//! 4.1.3.4.2). A [`Joiner`] makes one packet of them: the primary header of
//! the first, then the data fields of all. Flags are trusted only of APIDs
//! that have a [`SegmentRule`], since some instruments set them at random.
//!
//! A secondary header need only be in the first segment, and is data like any
//! other there. Whether the others have one is not told by their header flag,
//! which is the same for all packets of an APID; the rule says how many bytes
//! of them it is, and they are left out.
//!
//! Promises: every packet that goes in comes out exactly once: whole, in one
//! joined packet, or refused as the packet that it was, with the reason why
//! its group is broken. Nothing is joined over a missing count, and no segment
//! is used twice. Memory is bounded by [`MAX_GROUP_BYTES`],
//! [`MAX_GROUP_SEGMENTS`], [`MAX_OPEN_BYTES`] and [`MAX_OPEN_GROUPS`]. Refuses
//! groups that are longer, and, where more are open than fit, the one that
//! began first. A segment that
//! comes twice in a row is refused the second time; its group goes on.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::decode::reason;

use super::feed::{Chunk, Entry};
use super::header::{HEADER_BYTES, IDLE_APID, PrimaryHeader, SEQUENCE_MODULUS};
use super::locate::Refusal;

/// The longest group: the bytes of its segments together.
pub const MAX_GROUP_BYTES: usize = 16 << 20;
/// And how many they are: all counts there are.
pub const MAX_GROUP_SEGMENTS: usize = SEQUENCE_MODULUS as usize;
/// The bytes of all groups that wait for segments, with their refusals.
pub const MAX_OPEN_BYTES: usize = 64 << 20;
/// How many groups may wait for segments.
pub const MAX_OPEN_GROUPS: usize = 4 << 10;

/// What a segment takes beside its bytes, its refusal included.
const SEGMENT_COST: usize = 256;
const APIDS: usize = 1 << 11;
const CONTINUATION: u8 = 0;
const FIRST: u8 = 1;
const LAST: u8 = 2;

/// How the packets of an APID are segmented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentRule {
    /// The bytes of the secondary header of segments behind the first.
    pub secondary_header_bytes: usize,
}

/// The groups of segments of a source unit.
#[derive(Debug)]
pub struct Joiner {
    rules: Box<[Option<SegmentRule>; APIDS]>,
    open: BTreeMap<Key, Group>,
    open_bytes: usize,
}

/// Spacecraft and virtual channel where there are frames; type and APID.
type Key = (Option<(u16, u8)>, bool, u16);

/// Segments that belong together, as they came.
#[derive(Debug)]
struct Group {
    bytes: Vec<u8>,
    /// With places in `bytes`.
    segments: Vec<Entry>,
    apid: u16,
    first_count: u16,
    last_count: u16,
}

/// What a segment is to the group that is open.
enum Fit {
    Next,
    /// The segment before, once more.
    Repeat,
    /// No part of it, with the reason.
    Break(String),
}

impl Joiner {
    /// Joins packets of the APIDs that have a rule.
    pub fn new(rules: impl IntoIterator<Item = (u16, SegmentRule)>) -> Joiner {
        let mut table = Box::new([None; APIDS]);
        for (apid, rule) in rules {
            if let Some(entry) = table.get_mut(usize::from(apid)) {
                *entry = Some(rule);
            }
        }
        Joiner {
            rules: table,
            open: BTreeMap::new(),
            open_bytes: 0,
        }
    }

    /// Whether no APID has a rule, so that every packet passes.
    pub fn is_idle(&self) -> bool {
        self.rules.iter().all(Option::is_none)
    }

    /// Joins the segments of a chunk with those of the chunks before. A joined
    /// packet stands where its last segment was.
    pub fn join(&mut self, chunk: &mut Chunk) {
        let packets = std::mem::take(&mut chunk.packets);
        chunk.packets.reserve(packets.len());
        for entry in packets {
            match self.segment(chunk, &entry) {
                None => chunk.packets.push(entry),
                Some((header, rule)) => self.take(&entry, &header, rule, chunk),
            }
        }
    }

    /// The source has ended: refuses what waits for segments.
    pub fn finish(&mut self, chunk: &mut Chunk) {
        let mut open: Vec<Group> = std::mem::take(&mut self.open).into_values().collect();
        self.open_bytes = 0;
        open.sort_by_key(Group::first_index);
        for group in open {
            group.refuse("the source ends before the last segment", chunk);
        }
    }

    /// The header and the rule of a packet that segments may be joined to.
    fn segment(&self, chunk: &Chunk, entry: &Entry) -> Option<(PrimaryHeader, SegmentRule)> {
        let header = PrimaryHeader::read(chunk.packet(entry).bytes)?;
        let rule = self
            .rules
            .get(usize::from(header.apid))
            .copied()
            .flatten()?;
        (header.apid != IDLE_APID).then_some((header, rule))
    }

    fn take(
        &mut self,
        entry: &Entry,
        header: &PrimaryHeader,
        rule: SegmentRule,
        chunk: &mut Chunk,
    ) {
        let channel = entry.channel;
        let channel = channel.map(|channel| (channel.spacecraft, channel.virtual_channel));
        let key = (channel, header.is_command, header.apid);
        let fit = match self.open.get(&key) {
            Some(group) => group.fit(header, rule, chunk.packet(entry).bytes),
            None => Fit::Break("no first segment came before it".to_owned()),
        };
        if let Fit::Break(why) = &fit
            && let Some(group) = self.close(&key)
        {
            group.refuse(why, chunk);
        }
        match (fit, header.sequence_flags) {
            (Fit::Repeat, _) => refuse(*entry, header, "the segment before it came again", chunk),
            (Fit::Next, LAST) => {
                self.add(key, entry, header, chunk);
                if let Some(group) = self.close(&key) {
                    group.join(rule, chunk);
                }
            }
            (Fit::Next, _) | (Fit::Break(_), FIRST) => {
                self.add(key, entry, header, chunk);
                self.make_room(chunk);
            }
            (Fit::Break(why), CONTINUATION | LAST) => refuse(*entry, header, &why, chunk),
            (Fit::Break(_), _) => chunk.packets.push(*entry),
        }
    }

    fn add(&mut self, key: Key, entry: &Entry, header: &PrimaryHeader, chunk: &Chunk) {
        let group = self.open.entry(key).or_insert_with(|| Group {
            bytes: Vec::new(),
            segments: Vec::new(),
            apid: header.apid,
            first_count: header.sequence_count,
            last_count: header.sequence_count,
        });
        self.open_bytes -= group.cost();
        group.segments.push(Entry {
            start: group.bytes.len(),
            ..*entry
        });
        group.bytes.extend_from_slice(chunk.packet(entry).bytes);
        group.last_count = header.sequence_count;
        self.open_bytes += group.cost();
    }

    fn close(&mut self, key: &Key) -> Option<Group> {
        let group = self.open.remove(key)?;
        self.open_bytes -= group.cost();
        Some(group)
    }

    /// Gives up the groups that began first until the others fit.
    fn make_room(&mut self, chunk: &mut Chunk) {
        while self.open_bytes > MAX_OPEN_BYTES || self.open.len() > MAX_OPEN_GROUPS {
            let oldest = self
                .open
                .iter()
                .min_by_key(|(_, group)| group.first_index());
            let Some((key, _)) = oldest else { return };
            let key = *key;
            if let Some(group) = self.close(&key) {
                group.refuse("too many others wait for their last segment", chunk);
            }
        }
    }
}

impl Group {
    fn first_index(&self) -> Option<u64> {
        self.segments.first().map(|first| first.index)
    }

    /// The memory that it takes.
    fn cost(&self) -> usize {
        self.bytes.len() + self.segments.len() * SEGMENT_COST
    }

    fn fit(&self, header: &PrimaryHeader, rule: SegmentRule, packet: &[u8]) -> Fit {
        let count = header.sequence_count;
        let due = (self.last_count + 1) % SEQUENCE_MODULUS;
        let data = packet.len().saturating_sub(HEADER_BYTES);
        if count == self.last_count && self.bytes.ends_with(packet) {
            return Fit::Repeat;
        }
        let why = if count != due {
            format!("count {count} stands where {due} is due")
        } else if header.sequence_flags == FIRST {
            format!("count {count} is another first segment")
        } else if !matches!(header.sequence_flags, CONTINUATION | LAST) {
            format!("count {count} is a whole packet")
        } else if data < rule.secondary_header_bytes {
            format!(
                "count {count} has {data} bytes of data, and its secondary header {}",
                rule.secondary_header_bytes
            )
        } else if self.bytes.len() + packet.len() > MAX_GROUP_BYTES {
            format!("more than {MAX_GROUP_BYTES} bytes with count {count}")
        } else if self.segments.len() == MAX_GROUP_SEGMENTS {
            format!("more than {MAX_GROUP_SEGMENTS} segments with count {count}")
        } else {
            return Fit::Next;
        };
        Fit::Break(why)
    }

    /// The packet that the segments are.
    fn join(&self, rule: SegmentRule, chunk: &mut Chunk) {
        let start = chunk.bytes.len();
        for (number, segment) in self.segments.iter().enumerate() {
            let headers = match number {
                0 => 0,
                _ => HEADER_BYTES + rule.secondary_header_bytes,
            };
            let end = segment.start + segment.length;
            let data = &self.bytes[segment.start + headers..end];
            chunk.bytes.extend_from_slice(data);
        }
        chunk
            .packets
            .extend(self.segments.first().map(|first| Entry {
                start,
                length: chunk.bytes.len() - start,
                is_joined: true,
                ..*first
            }));
    }

    /// Hands the segments out as the packets that they were.
    fn refuse(&self, why: &str, chunk: &mut Chunk) {
        let moved = chunk.bytes.len();
        chunk.bytes.extend_from_slice(&self.bytes);
        let which = match self.segments.len() {
            1 => format!("segment with count {}", self.first_count),
            _ => format!(
                "segments with counts {} to {}",
                self.first_count, self.last_count
            ),
        };
        let detail = format!("APID {}: {which}: {why}", self.apid);
        for segment in &self.segments {
            let entry = Entry {
                start: moved + segment.start,
                ..*segment
            };
            let refusal = Refusal::new(reason::SEGMENT, detail.as_str());
            chunk.refused.push((entry, refusal));
        }
    }
}

/// Hands out a segment that belongs to no group.
fn refuse(entry: Entry, header: &PrimaryHeader, why: &str, chunk: &mut Chunk) {
    let detail = format!(
        "APID {}: segment with count {}: {why}",
        header.apid, header.sequence_count
    );
    chunk
        .refused
        .push((entry, Refusal::new(reason::SEGMENT, detail)));
}
