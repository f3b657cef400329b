//! Packets across the frames of each virtual channel.
//!
//! The beginning of a packet is kept until its last byte has come. It is
//! handed out only if all frames between have come (by the frame count) and
//! the first header pointers agree with its length; else it is a fragment.
//! Memory: at most [`CHANNELS`] packets of the longest kind.
//!
//! # Packets with another version number
//!
//! Version 0 is the space packet. A zone may hold other kinds of packets, which
//! keep their length elsewhere: walked like space packets they are garbage that
//! looks like data. But some instruments fill the three bits at random, and
//! their packets are space packets in everything else. The frames tell one from
//! the other: a first header pointer is written by the spacecraft from what it
//! knows of packets, not from our reading of a length. So a packet of another
//! version is handed out where the pointer of a later frame stands exactly at
//! the end that its length field says, and no pointer stands before it. Bytes
//! that are no length agree once in 65,536 times. Where no pointer marks the
//! end (the packet ends inside the frame that it begins in, the stream ends, a
//! frame is lost), nothing is proven and the bytes are a fragment, unless
//! [`Link::any_packet_version`](super::Link::any_packet_version) says that such
//! packets are expected.

use super::aos;
use super::event::{
    ChannelId, Content, Counts, Event, Fragment, FragmentCause, Gap, GapKind, Packet, Place,
};

/// How many virtual channels are kept open: all of four AOS spacecraft.
const CHANNELS: usize = 256;

/// Length of a packet's primary header in bytes.
const PACKET_HEADER: usize = 6;

/// An encapsulation idle packet of one octet (CCSDS 133.1-B).
const IDLE_OCTET: u8 = 0xE0;

/// The frame that bytes come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) channel: ChannelId,
    pub(super) place: Place,
    pub(super) replay: bool,
}

/// The open packets of all virtual channels.
pub(super) struct Reassembly {
    any_version: bool,
    channels: Vec<Channel>,
    /// Frames that fit into what was lost of the input so far.
    lost_frames: u64,
}

/// What is known of a virtual channel.
struct Channel {
    id: ChannelId,
    /// The frame count that is due.
    due: u32,
    /// [`Reassembly::lost_frames`] at its last frame.
    lost_frames: u64,
    /// The number of its last frame in the input.
    last_frame: u64,
    /// Where the open packet began, if one is open.
    open: Option<Origin>,
    /// What there is of the open packet.
    bytes: Vec<u8>,
    /// Whether a packet with another version number was proven here; then no
    /// octet can be told for idle.
    has_versions: bool,
}

/// Hands out packets and fragments, and counts them.
struct Outlet<'a> {
    any_version: bool,
    counts: &'a mut Counts,
    sink: &'a mut dyn FnMut(Event<'_>),
}

impl Reassembly {
    /// Nothing is open. `any_version` is [`super::Link::any_packet_version`].
    pub(super) fn new(any_version: bool) -> Reassembly {
        Reassembly {
            any_version,
            channels: Vec::new(),
            lost_frames: 0,
        }
    }

    /// That many frames fit into bits that gave none.
    pub(super) fn lose(&mut self, frames: u64) {
        self.lost_frames += frames;
    }

    /// Takes the packet zone of a frame. `count` is the frame's count and the
    /// number of values it can have, a power of two.
    pub(super) fn take_frame(
        &mut self,
        origin: Origin,
        count: (u32, u32),
        content: Content,
        zone: &[u8],
        counts: &mut Counts,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let mut outlet = Outlet {
            any_version: self.any_version,
            counts,
            sink,
        };
        match content {
            Content::Unread => return outlet.counts.unread_bytes += zone.len() as u64,
            // Its frames carry nothing, so none of them can be missed.
            Content::Idle if origin.channel.virtual_channel == aos::IDLE_CHANNEL => {
                return outlet.idle(zone.len());
            }
            _ => {}
        }
        let lost_frames = self.lost_frames;
        let channel = self.channel(origin, count.0, &mut outlet);
        channel.check_count(origin, count, lost_frames, &mut outlet);
        channel.take_zone(origin, content, zone, &mut outlet);
    }

    /// Reports the packets that are still open.
    pub(super) fn finish(&mut self, counts: &mut Counts, sink: &mut dyn FnMut(Event<'_>)) {
        let mut outlet = Outlet {
            any_version: self.any_version,
            counts,
            sink,
        };
        for channel in &mut self.channels {
            channel.abandon_as(FragmentCause::Unfinished, &mut outlet);
        }
    }

    /// The channel of a frame; a new one expects the frame's count.
    fn channel(&mut self, origin: Origin, count: u32, outlet: &mut Outlet<'_>) -> &mut Channel {
        let known = self.channels.iter().position(|c| c.id == origin.channel);
        let at = known.unwrap_or_else(|| self.open_channel(origin, count, outlet));
        &mut self.channels[at]
    }

    fn open_channel(&mut self, origin: Origin, count: u32, outlet: &mut Outlet<'_>) -> usize {
        let fresh = Channel {
            id: origin.channel,
            due: count,
            lost_frames: self.lost_frames,
            last_frame: origin.place.frame_index,
            open: None,
            bytes: Vec::new(),
            has_versions: false,
        };
        if self.channels.len() < CHANNELS {
            self.channels.push(fresh);
            return self.channels.len() - 1;
        }
        let channels = self.channels.iter().enumerate();
        let unused = channels.min_by_key(|(_, channel)| channel.last_frame);
        let at = unused.map_or(0, |(at, _)| at);
        self.channels[at].abandon(FragmentCause::Evicted, outlet);
        self.channels[at] = fresh;
        at
    }
}

impl Channel {
    /// Reports a step in the frame count; no packet survives it.
    fn check_count(
        &mut self,
        origin: Origin,
        (count, range): (u32, u32),
        lost_frames: u64,
        outlet: &mut Outlet<'_>,
    ) {
        let expected = self.due & (range - 1);
        let ahead = count.wrapping_sub(expected) & (range - 1);
        // A hole as long as the count's range may hide a whole turn of it.
        let hidden = lost_frames - self.lost_frames >= u64::from(range);
        self.due = count.wrapping_add(1);
        self.lost_frames = lost_frames;
        self.last_frame = origin.place.frame_index;
        if ahead == 0 && !hidden {
            return;
        }
        let lost = hidden || ahead < range / 2;
        (outlet.sink)(Event::Gap(Gap {
            channel: self.id,
            place: origin.place,
            expected,
            found: count,
            missing: if ahead == 0 { range } else { ahead },
            range,
            kind: if lost { GapKind::Lost } else { GapKind::Reset },
        }));
        self.abandon(FragmentCause::FrameLost, outlet);
    }

    fn take_zone(
        &mut self,
        origin: Origin,
        content: Content,
        zone: &[u8],
        outlet: &mut Outlet<'_>,
    ) {
        match content {
            Content::Packets(first) => {
                let (head, rest) = zone.split_at(first.unwrap_or(zone.len()));
                self.go_on(origin, head, first.is_some(), outlet);
                self.read_packets(origin, rest, outlet);
            }
            // A packet may go on behind frames of idle data.
            Content::Idle => outlet.idle(zone.len()),
            Content::Unstructured | Content::Unread => {
                self.abandon(FragmentCause::Interrupted, outlet);
                outlet.counts.unread_bytes += zone.len() as u64;
            }
        }
    }

    /// Takes the bytes in front of the first packet that starts in a frame,
    /// or a whole zone in which none does.
    fn go_on(&mut self, origin: Origin, head: &[u8], next_starts: bool, outlet: &mut Outlet<'_>) {
        let Some(start) = self.open else {
            return outlet.fragment(origin, FragmentCause::Headless, head);
        };
        self.bytes.extend_from_slice(head);
        match packet_length(&self.bytes) {
            Some(length) if length == self.bytes.len() => {
                let needs_proof = !outlet.takes(self.version());
                if next_starts || !needs_proof {
                    self.has_versions |= needs_proof;
                    outlet.packet(start, &self.bytes);
                    self.close();
                }
            }
            Some(length) if length < self.bytes.len() => {
                self.abandon_as(FragmentCause::PointerMismatch, outlet)
            }
            _ if next_starts => self.abandon_as(FragmentCause::PointerMismatch, outlet),
            _ => {}
        }
    }

    /// The version number of the open packet.
    fn version(&self) -> u8 {
        self.bytes.first().map_or(0, |first| first >> 5)
    }

    /// Gives up the open packet for a cause that is its own, unless its version
    /// number says that it may be none.
    fn abandon_as(&mut self, cause: FragmentCause, outlet: &mut Outlet<'_>) {
        let cause = match self.version() {
            version if outlet.takes(version) => cause,
            version => FragmentCause::PacketVersion(version),
        };
        self.abandon(cause, outlet);
    }

    /// Takes bytes that begin with a packet.
    fn read_packets(&mut self, origin: Origin, zone: &[u8], outlet: &mut Outlet<'_>) {
        let mut rest = zone;
        while let Some(&first) = rest.first() {
            if first == IDLE_OCTET && !outlet.any_version && !self.has_versions {
                outlet.idle(1);
                rest = &rest[1..];
                continue;
            }
            let version = first >> 5;
            match packet_length(rest).and_then(|length| rest.split_at_checked(length)) {
                Some((packet, behind)) if outlet.takes(version) => {
                    outlet.packet(origin, packet);
                    rest = behind;
                }
                Some((_, behind)) if !behind.is_empty() => {
                    let cause = FragmentCause::PacketVersion(version);
                    return outlet.fragment(origin, cause, rest);
                }
                _ => return self.open(origin, rest),
            }
        }
    }

    /// Keeps the beginning of a packet, or all of one that is not proven yet.
    fn open(&mut self, origin: Origin, bytes: &[u8]) {
        self.open = Some(origin);
        self.bytes.extend_from_slice(bytes);
    }

    /// Gives up the open packet, if one is open.
    fn abandon(&mut self, cause: FragmentCause, outlet: &mut Outlet<'_>) {
        if let Some(start) = self.open {
            outlet.fragment(start, cause, &self.bytes);
            self.close();
        }
    }

    fn close(&mut self) {
        self.open = None;
        self.bytes.clear();
    }
}

/// The length of the packet that begins here, if its header is there: the
/// data length field holds the length of the data field less one (133.0-B).
fn packet_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<PACKET_HEADER>()?;
    let data_length = u16::from_be_bytes([header[4], header[5]]);
    Some(PACKET_HEADER + usize::from(data_length) + 1)
}

impl Outlet<'_> {
    /// Whether a packet of this version number needs no further proof.
    fn takes(&self, version: u8) -> bool {
        version == 0 || self.any_version
    }

    fn packet(&mut self, origin: Origin, bytes: &[u8]) {
        self.counts.packets += 1;
        self.counts.packet_bytes += bytes.len() as u64;
        (self.sink)(Event::Packet(Packet {
            channel: origin.channel,
            place: origin.place,
            replay: origin.replay,
            bytes,
        }));
    }

    fn fragment(&mut self, origin: Origin, cause: FragmentCause, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.counts.fragment_bytes += bytes.len() as u64;
        (self.sink)(Event::Fragment(Fragment {
            channel: origin.channel,
            place: origin.place,
            replay: origin.replay,
            cause,
            bytes,
        }));
    }

    fn idle(&mut self, bytes: usize) {
        self.counts.idle_bytes += bytes as u64;
    }
}

#[cfg(test)]
mod tests;
