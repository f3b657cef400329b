use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;

/// A packet of that many data bytes, all the same.
fn packet(fill: u8, data: u16) -> Vec<u8> {
    let mut bytes = vec![0x08, fill, 0xC0, 0x00];
    bytes.extend((data - 1).to_be_bytes());
    bytes.resize(6 + usize::from(data), fill);
    bytes
}

/// Frames of one channel: count, content, zone.
struct Channels {
    spacecraft: u16,
    packets: Reassembly,
    counts: Counts,
    frames: u64,
    zone_bytes: u64,
    log: String,
}

impl Channels {
    fn new() -> Channels {
        Channels {
            spacecraft: 1,
            packets: Reassembly::new(false),
            counts: Counts::default(),
            frames: 0,
            zone_bytes: 0,
            log: String::new(),
        }
    }

    fn frame(&mut self, virtual_channel: u8, count: (u32, u32), content: Content, zone: &[u8]) {
        let channel = ChannelId {
            spacecraft: self.spacecraft,
            virtual_channel,
        };
        let place = Place {
            byte_offset: 100 * self.frames,
            frame_index: self.frames,
        };
        let origin = Origin {
            channel,
            place,
            replay: false,
        };
        self.frames += 1;
        self.zone_bytes += zone.len() as u64;
        let log = &mut self.log;
        let mut sink = |event: Event<'_>| write_event(log, &event);
        self.packets
            .take_frame(origin, count, content, zone, &mut self.counts, &mut sink);
    }

    fn tm(&mut self, count: u32, content: Content, zone: &[u8]) {
        self.frame(0, (count, 256), content, zone);
    }

    /// Everything that was reported; every byte of every zone is accounted for.
    fn finish(mut self) -> String {
        let log = &mut self.log;
        let mut sink = |event: Event<'_>| write_event(log, &event);
        self.packets.finish(&mut self.counts, &mut sink);
        let counts = self.counts;
        let accounted =
            counts.packet_bytes + counts.fragment_bytes + counts.idle_bytes + counts.unread_bytes;
        assert_eq!(accounted, self.zone_bytes);
        self.log
    }
}

fn write_event(log: &mut String, event: &Event<'_>) {
    let line = match event {
        Event::Packet(p) => format!(
            "packet {} of {:02x} from frame {}",
            p.bytes.len(),
            p.bytes[p.bytes.len() - 1],
            p.place.frame_index
        ),
        Event::Fragment(f) => format!(
            "{} {} from frame {}",
            f.cause.code(),
            f.bytes.len(),
            f.place.frame_index
        ),
        Event::Gap(g) => format!(
            "{:?} {} at frame {}: {} for {}",
            g.kind, g.missing, g.place.frame_index, g.found, g.expected
        ),
        other => format!("{other:?}"),
    };
    writeln!(log, "{line}").unwrap();
}

const STARTS: fn(usize) -> Content = |at| Content::Packets(Some(at));
const NONE: Content = Content::Packets(None);

/// One channel of TM frames that begin at some count.
fn check(first_count: u32, frames: &[(u32, Content, &[u8])], expected: Expect) {
    let mut channels = Channels::new();
    for (step, content, zone) in frames {
        channels.tm((first_count + step) % 256, *content, zone);
    }
    expected.assert_eq(&channels.finish());
}

#[test]
fn packets_across_frames_come_whole() {
    let stream = [packet(1, 4), packet(2, 30), packet(3, 1), packet(4, 3)].concat();
    check(
        254,
        &[
            (0, STARTS(0), &stream[..20]),
            (1, NONE, &stream[20..40]),
            (2, STARTS(6), &stream[40..60]),
            (3, NONE, &stream[60..]),
        ],
        expect![[r#"
            packet 10 of 01 from frame 0
            packet 36 of 02 from frame 0
            packet 7 of 03 from frame 2
            packet 9 of 04 from frame 2
        "#]],
    );
}

/// A header cut anywhere, its first byte alone included.
#[test]
fn headers_across_frames_come_whole() {
    let stream = [packet(1, 4), packet(2, 9)].concat();
    for cut in 11..stream.len() {
        let mut channels = Channels::new();
        channels.tm(0, STARTS(0), &stream[..cut]);
        channels.tm(1, NONE, &stream[cut..]);
        assert_eq!(
            channels.finish(),
            "packet 10 of 01 from frame 0\npacket 15 of 02 from frame 0\n"
        );
    }
}

#[test]
fn a_lost_frame_refuses_the_open_packet() {
    let stream = [packet(1, 30), packet(2, 8)].concat();
    let frames: [(u32, Content, &[u8]); 3] = [
        (0, STARTS(0), &stream[..20]),
        (2, NONE, &[9; 20]),
        (3, STARTS(16), &stream[20..]),
    ];
    check(
        255,
        &frames,
        expect![[r#"
        Lost 1 at frame 1: 1 for 0
        packet-frame-lost 20 from frame 0
        packet-headless 20 from frame 1
        packet-headless 16 from frame 2
        packet 14 of 02 from frame 2
    "#]],
    );
}

#[test]
fn frames_that_come_again_are_reported_and_glue_nothing() {
    let stream = [packet(1, 30), packet(2, 8)].concat();
    let frames: [(u32, Content, &[u8]); 3] = [
        (5, STARTS(0), &stream[..20]),
        (5, STARTS(0), &stream[..20]),
        (6, STARTS(16), &stream[20..]),
    ];
    check(
        0,
        &frames,
        expect![[r#"
        Reset 255 at frame 1: 5 for 6
        packet-frame-lost 20 from frame 0
        packet 36 of 01 from frame 1
        packet 14 of 02 from frame 2
    "#]],
    );
}

#[test]
fn pointers_that_contradict_a_length_refuse_the_packet() {
    let stream = [packet(1, 30), packet(2, 8)].concat();
    let early: [(u32, Content, &[u8]); 2] =
        [(0, STARTS(0), &stream[..20]), (1, STARTS(2), &stream[34..])];
    check(
        0,
        &early,
        expect![[r#"
        packet-pointer 22 from frame 0
        packet 14 of 02 from frame 1
    "#]],
    );
    let late: [(u32, Content, &[u8]); 2] =
        [(0, STARTS(0), &stream[..20]), (1, NONE, &stream[20..])];
    check(
        0,
        &late,
        expect![[r#"
        packet-pointer 50 from frame 0
    "#]],
    );
    let header_cut: [(u32, Content, &[u8]); 2] =
        [(0, STARTS(0), &stream[..3]), (1, STARTS(0), &stream[36..])];
    check(
        0,
        &header_cut,
        expect![[r#"
        packet-pointer 3 from frame 0
        packet 14 of 02 from frame 1
    "#]],
    );
}

#[test]
fn idle_data_lies_between_packets() {
    let stream = packet(1, 30);
    let with_idle_octets = [packet(2, 2), vec![IDLE_OCTET; 5], packet(3, 2)].concat();
    check(
        0,
        &[
            (0, STARTS(0), &stream[..20]),
            (1, Content::Idle, &[0x55; 20]),
            (2, STARTS(16), &[&stream[20..], &with_idle_octets].concat()),
        ],
        expect![[r#"
            packet 36 of 01 from frame 0
            packet 8 of 02 from frame 2
            packet 8 of 03 from frame 2
        "#]],
    );
}

#[test]
fn other_versions_are_not_walked() {
    let encapsulated = [packet(1, 2), vec![0xE6, 3, 0], packet(2, 2)].concat();
    check(
        0,
        &[(0, STARTS(0), &encapsulated)],
        expect![[r#"
            packet 8 of 01 from frame 0
            packet-version 11 from frame 0
        "#]],
    );
}

/// The packet of another version number.
fn versioned(version: u8, mut packet: Vec<u8>) -> Vec<u8> {
    packet[0] |= version << 5;
    packet
}

/// A packet of version 5 and 36 bytes, then one of version 0: under which
/// pointers it is believed.
#[test]
fn pointers_prove_packets_of_other_versions() {
    let stream = [versioned(5, packet(1, 30)), packet(2, 8)].concat();
    check(
        0,
        &[
            (0, STARTS(0), &stream[..20]),
            (1, STARTS(16), &stream[20..]),
        ],
        expect![[r#"
            packet 36 of 01 from frame 0
            packet 14 of 02 from frame 1
        "#]],
    );
    // It ends with a frame; the next says that a packet begins with it.
    check(
        0,
        &[
            (0, STARTS(0), &stream[..18]),
            (1, NONE, &stream[18..36]),
            (2, STARTS(0), &stream[36..]),
        ],
        expect![[r#"
            packet 36 of 01 from frame 0
            packet 14 of 02 from frame 2
        "#]],
    );
}

#[test]
fn packets_of_other_versions_without_proof_are_fragments() {
    let odd = versioned(5, packet(1, 30));
    let stream = [odd.clone(), packet(2, 8)].concat();
    // The pointer stands elsewhere; the packet ends within its frame; the next
    // frame goes on with it, is lost, or never comes.
    check(
        0,
        &[
            (0, STARTS(0), &stream[..20]),
            (1, STARTS(15), &stream[20..]),
        ],
        expect![[r#"
            packet-version 35 from frame 0
            packet 7 of 07 from frame 1
            packet-unfinished 8 from frame 1
        "#]],
    );
    check(
        0,
        &[(0, STARTS(0), &stream)],
        expect![[r#"
        packet-version 50 from frame 0
    "#]],
    );
    check(
        0,
        &[(0, STARTS(0), &odd), (1, STARTS(3), &stream[33..])],
        expect![[r#"
            packet-version 39 from frame 0
            packet 14 of 02 from frame 1
        "#]],
    );
    check(
        0,
        &[(0, STARTS(0), &odd), (2, STARTS(0), &stream[36..])],
        expect![[r#"
            Lost 1 at frame 1: 2 for 1
            packet-frame-lost 36 from frame 0
            packet 14 of 02 from frame 1
        "#]],
    );
    check(
        0,
        &[(0, STARTS(0), &odd)],
        expect![[r#"
        packet-version 36 from frame 0
    "#]],
    );
}

/// Where versions are random, 0xE0 begins a packet as well as an idle octet.
#[test]
fn channels_of_random_versions_have_no_idle_octets() {
    let mut idle_like = versioned(7, packet(3, 30));
    idle_like[0] = IDLE_OCTET;
    let stream = [versioned(5, packet(1, 30)), idle_like, packet(2, 8)].concat();
    check(
        0,
        &[
            (0, STARTS(0), &stream[..20]),
            (1, STARTS(16), &stream[20..50]),
            (2, STARTS(22), &stream[50..]),
        ],
        expect![[r#"
            packet 36 of 01 from frame 0
            packet 36 of 03 from frame 1
            packet 14 of 02 from frame 2
        "#]],
    );
}

#[test]
fn data_without_packets_ends_a_packet() {
    let stream = packet(1, 30);
    check(
        0,
        &[
            (0, STARTS(0), &stream[..20]),
            (1, Content::Unstructured, &[1; 20]),
            (2, STARTS(16), &stream[20..]),
        ],
        expect![[r#"
            packet-interrupted 20 from frame 0
            packet-headless 16 from frame 2
        "#]],
    );
}

/// 256 frames lost leave the count of TM as if none were.
#[test]
fn a_hole_of_a_whole_turn_is_a_gap() {
    let stream = packet(1, 30);
    for (lost, whole) in [(255, true), (256, false)] {
        let mut channels = Channels::new();
        channels.tm(7, STARTS(0), &stream[..20]);
        channels.packets.lose(lost);
        channels.tm(8, NONE, &stream[20..]);
        let log = channels.finish();
        assert_eq!(log.contains("packet 36 of 01"), whole, "{log}");
        assert_eq!(
            log.contains("Lost 256 at frame 1: 8 for 8"),
            !whole,
            "{log}"
        );
    }
}

#[test]
fn steps_of_long_counts() {
    let mut channels = Channels::new();
    for (count, range) in [
        ((1 << 24) - 1, 1 << 24),
        (0, 1 << 24),
        (5, 1 << 24),
        (4, 1 << 24),
        (5 | 3 << 24, 1 << 28),
        (6 | 3 << 24, 1 << 28),
    ] {
        channels.frame(2, (count, range), NONE, &[]);
    }
    expect![[r#"
        Lost 4 at frame 2: 5 for 1
        Reset 16777214 at frame 3: 4 for 6
        Lost 50331648 at frame 4: 50331653 for 5
    "#]]
    .assert_eq(&channels.finish());
}

#[test]
fn the_channel_unused_longest_is_given_up() {
    let stream = packet(1, 30);
    let mut channels = Channels::new();
    // Channel 63 is idle, so there are 255 others; a second spacecraft follows.
    for channel in (0..=255).filter(|&channel| channel != 63) {
        channels.frame(channel, (0, 256), STARTS(0), &stream[..20]);
    }
    channels.frame(0, (1, 256), NONE, &stream[20..]);
    channels.spacecraft = 2;
    channels.frame(0, (0, 256), NONE, &[]);
    assert!(!channels.log.contains("evicted"));
    channels.frame(1, (0, 256), NONE, &[]);
    assert_eq!(channels.packets.channels.len(), CHANNELS);
    let expected = "packet 36 of 01 from frame 0\npacket-evicted 20 from frame 1\n";
    assert_eq!(channels.log, expected);
    channels.finish();
}
