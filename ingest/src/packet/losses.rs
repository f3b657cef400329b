//! What a source of packets does not hold, for `_gaps`: bytes without a packet,
//! frames and packets that were counted and are not there.

use downlake_lake::table::gaps::{Gap, GapKind};

use super::feed::{Chunk, FrameGap, Hole};
use super::sequence::{SequenceGap, SequenceTracker, Sequences};
use crate::decode::{Missing, PacketGap};

/// Follows the chunks of a source.
pub(crate) struct Losses {
    /// None where nothing is to be told.
    tracker: Option<SequenceTracker>,
}

impl Default for Losses {
    fn default() -> Losses {
        Losses {
            tracker: Some(SequenceTracker::default()),
        }
    }
}

impl Losses {
    /// For packets that are not a whole source: tells nothing.
    pub(crate) fn untold() -> Losses {
        Losses { tracker: None }
    }

    /// Takes a chunk as it came; its frame gaps are taken out.
    pub(crate) fn note(&mut self, chunk: &mut Chunk) -> Missing {
        let mut missing = Missing::default();
        if let Some(tracker) = &mut self.tracker {
            missing.marks = tracker.note(chunk);
        }
        for hole in &chunk.holes {
            missing.bytes += hole.bytes;
            missing.gaps.push(bytes_gap(hole));
        }
        missing
            .gaps
            .extend(chunk.frame_gaps.drain(..).map(frame_gap));
        missing
    }

    /// What shows at the end of the source, and what a person should know.
    /// `route` says which stream the packets of an APID went to.
    pub(crate) fn finish(
        self,
        route: impl Fn(u16) -> Option<usize>,
    ) -> (Vec<PacketGap>, Vec<String>) {
        let found = self
            .tracker
            .map_or_else(Sequences::default, SequenceTracker::finish);
        let gaps = found.gaps.iter();
        let gaps = gaps.map(|gap| packet_gap(gap, route(gap.apid)));
        (gaps.collect(), found.notices)
    }
}

fn empty_gap(kind: GapKind) -> Gap {
    Gap {
        table_name: None,
        spacecraft: None,
        virtual_channel: None,
        apid: None,
        kind,
        from_time: None,
        to_time: None,
        from_seq: None,
        to_seq: None,
        missing: 0,
        byte_offset: None,
    }
}

fn without_packets(gap: Gap) -> PacketGap {
    PacketGap {
        gap,
        stream: None,
        before: None,
        after: None,
    }
}

fn bytes_gap(hole: &Hole) -> PacketGap {
    without_packets(Gap {
        missing: hole.bytes,
        byte_offset: Some(hole.offset),
        ..empty_gap(GapKind::Bytes)
    })
}

fn frame_gap(gap: FrameGap) -> PacketGap {
    let kind = match gap.is_reset {
        true => GapKind::Reset,
        false => GapKind::Lost,
    };
    without_packets(Gap {
        spacecraft: Some(gap.channel.spacecraft),
        virtual_channel: Some(gap.channel.virtual_channel),
        from_seq: Some(gap.from_count),
        to_seq: Some(gap.to_count),
        missing: gap.missing,
        byte_offset: Some(gap.offset),
        ..empty_gap(kind)
    })
}

fn packet_gap(gap: &SequenceGap, stream: Option<usize>) -> PacketGap {
    PacketGap {
        gap: Gap {
            spacecraft: gap.spacecraft,
            apid: Some(gap.apid),
            from_seq: Some(gap.from_seq.into()),
            to_seq: Some(gap.to_seq.into()),
            missing: gap.missing,
            byte_offset: Some(gap.byte_offset),
            ..empty_gap(gap.kind)
        },
        stream,
        before: Some(gap.before_index),
        after: Some(gap.after_index),
    }
}
