//! Scripts of segments, and any segments at all.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;
use crate::frames::ChannelId;

/// A packet whose data are its count and its number, and so always its own.
fn packet(apid: u16, flags: u8, count: u16, number: usize) -> Vec<u8> {
    let data = format!("<{count} {number}>");
    let mut bytes = apid.to_be_bytes().to_vec();
    bytes.extend((u16::from(flags) << 14 | count).to_be_bytes());
    bytes.extend(u16::try_from(data.len() - 1).unwrap().to_be_bytes());
    bytes.extend(data.as_bytes());
    bytes
}

/// Items are `[APID:]` and `F`, `C`, `L` or `W` with the count; `"` is the
/// packet before once more.
fn script(text: &str) -> Vec<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for (number, item) in text.split_whitespace().enumerate() {
        if item == "\"" {
            packets.push(packets[number - 1].clone());
            continue;
        }
        let (apid, item) = item.split_once(':').unwrap_or(("99", item));
        let (flag, count) = item.split_at(1);
        let flags = u8::try_from("CFLW".find(flag).expect("a flag")).unwrap();
        let count = count.parse().expect("a count");
        packets.push(packet(apid.parse().expect("an APID"), flags, count, number));
    }
    packets
}

fn chunk(packets: &[Vec<u8>], first: usize, channel: impl Fn(u64) -> Option<ChannelId>) -> Chunk {
    let mut chunk = Chunk::default();
    for (index, packet) in (first as u64..).zip(packets) {
        chunk.packets.push(Entry {
            start: chunk.bytes.len(),
            length: packet.len(),
            index,
            offset: 100 * index,
            channel: channel(index),
            replay: false,
            is_joined: false,
        });
        chunk.bytes.extend(packet);
    }
    chunk
}

/// What comes out, by kind, in order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Out {
    whole: Vec<(u64, Vec<u8>)>,
    joined: Vec<(u64, Vec<u8>)>,
    refused: Vec<(u64, Vec<u8>, String)>,
}

impl Out {
    fn take(&mut self, chunk: &Chunk) {
        for entry in &chunk.packets {
            assert_eq!(entry.offset, 100 * entry.index);
            let packet = (entry.index, chunk.packet(entry).bytes.to_vec());
            match entry.is_joined {
                true => self.joined.push(packet),
                false => self.whole.push(packet),
            }
        }
        for (entry, refusal) in &chunk.refused {
            assert_eq!(refusal.reason, reason::SEGMENT);
            let bytes = chunk.packet(entry).bytes.to_vec();
            self.refused
                .push((entry.index, bytes, refusal.detail.clone()));
        }
    }

    fn shown(&self) -> String {
        let mut text = String::new();
        for (index, _) in &self.whole {
            writeln!(text, "#{index}").unwrap();
        }
        for (index, bytes) in &self.joined {
            let data = String::from_utf8_lossy(&bytes[HEADER_BYTES..]);
            writeln!(text, "#{index} {data}").unwrap();
        }
        for (index, _, detail) in &self.refused {
            writeln!(text, "#{index} refused: {detail}").unwrap();
        }
        text
    }
}

fn joined(packets: &[Vec<u8>], size: usize, rules: &[(u16, SegmentRule)]) -> Out {
    let mut joiner = Joiner::new(rules.iter().copied());
    let mut out = Out::default();
    for (number, some) in packets.chunks(size).enumerate() {
        let mut chunk = chunk(some, number * size, |_| None);
        joiner.join(&mut chunk);
        out.take(&chunk);
    }
    let mut rest = Chunk::default();
    joiner.finish(&mut rest);
    out.take(&rest);
    assert_eq!((joiner.open_bytes, joiner.open.len()), (0, 0));
    out
}

const PLAIN: SegmentRule = SegmentRule {
    secondary_header_bytes: 0,
};

fn check(text: &str, expected: Expect) {
    let packets = script(text);
    let rules = [(99, PLAIN), (98, PLAIN)];
    let out = joined(&packets, packets.len(), &rules);
    expected.assert_eq(&out.shown());
    for size in 1..packets.len() {
        assert_eq!(joined(&packets, size, &rules), out, "in chunks of {size}");
    }
}

#[test]
fn whole_groups() {
    check(
        "W1 F2 C3 C4 L5 W6",
        expect![[r#"
            #0
            #5
            #1 <2 1><3 2><4 3><5 4>
        "#]],
    );
    check(
        "F2 L3 F4 L5",
        expect![[r#"
            #0 <2 0><3 1>
            #2 <4 2><5 3>
        "#]],
    );
    check(
        "F16382 C16383 C0 L1",
        expect![[r#"
            #0 <16382 0><16383 1><0 2><1 3>
        "#]],
    );
    // Two APIDs in turn.
    check(
        "F1 98:F7 C2 98:C8 98:L9 L3",
        expect![[r#"
            #1 <7 1><8 3><9 4>
            #0 <1 0><2 2><3 5>
        "#]],
    );
    // An APID whose flags mean nothing, and idle packets.
    check(
        "F1 5:L1 5:C3 2047:C0 L2",
        expect![[r#"
            #1
            #2
            #3
            #0 <1 0><2 4>
        "#]],
    );
    // Each segment twice.
    check(
        "F1 \" C2 \" L3 \"",
        expect![[r#"
            #0 <1 0><2 2><3 4>
            #1 refused: APID 99: segment with count 1: the segment before it came again
            #3 refused: APID 99: segment with count 2: the segment before it came again
            #5 refused: APID 99: segment with count 3: no first segment came before it
        "#]],
    );
}

#[test]
fn broken_groups() {
    check(
        "F1 C2 L4 W5",
        expect![[r#"
            #3
            #0 refused: APID 99: segments with counts 1 to 2: count 4 stands where 3 is due
            #1 refused: APID 99: segments with counts 1 to 2: count 4 stands where 3 is due
            #2 refused: APID 99: segment with count 4: count 4 stands where 3 is due
        "#]],
    );
    check(
        "F1 C2 F3 L4",
        expect![[r#"
            #2 <3 2><4 3>
            #0 refused: APID 99: segments with counts 1 to 2: count 3 is another first segment
            #1 refused: APID 99: segments with counts 1 to 2: count 3 is another first segment
        "#]],
    );
    check(
        "F1 C2 W3",
        expect![[r#"
            #2
            #0 refused: APID 99: segments with counts 1 to 2: count 3 is a whole packet
            #1 refused: APID 99: segments with counts 1 to 2: count 3 is a whole packet
        "#]],
    );
    check(
        "C1 L2",
        expect![[r#"
            #0 refused: APID 99: segment with count 1: no first segment came before it
            #1 refused: APID 99: segment with count 2: no first segment came before it
        "#]],
    );
    check(
        "F1 C2",
        expect![[r#"
            #0 refused: APID 99: segments with counts 1 to 2: the source ends before the last segment
            #1 refused: APID 99: segments with counts 1 to 2: the source ends before the last segment
        "#]],
    );
    check(
        "F1 C1 L2",
        expect![[r#"
            #0 refused: APID 99: segment with count 1: count 1 stands where 2 is due
            #1 refused: APID 99: segment with count 1: count 1 stands where 2 is due
            #2 refused: APID 99: segment with count 2: no first segment came before it
        "#]],
    );
    check(
        "98:F1 F1 98:C2",
        expect![[r#"
            #0 refused: APID 98: segments with counts 1 to 2: the source ends before the last segment
            #2 refused: APID 98: segments with counts 1 to 2: the source ends before the last segment
            #1 refused: APID 99: segment with count 1: the source ends before the last segment
        "#]],
    );
}

#[test]
fn secondary_headers_of_later_segments_are_left_out() {
    let rule = SegmentRule {
        secondary_header_bytes: 3,
    };
    let packets = script("F1 C2 L3 F4 C5 L6");
    let out = joined(&packets, 6, &[(99, rule)]);
    expect![[r#"
        #0 <1 0>1>2>
        #3 <4 3>4>5>
    "#]]
    .assert_eq(&out.shown());
    let rule = SegmentRule {
        secondary_header_bytes: 6,
    };
    let out = joined(&packets, 6, &[(99, rule)]);
    expect![[r#"
        #0 refused: APID 99: segment with count 1: count 2 has 5 bytes of data, and its secondary header 6
        #1 refused: APID 99: segment with count 2: count 2 has 5 bytes of data, and its secondary header 6
        #2 refused: APID 99: segment with count 3: no first segment came before it
        #3 refused: APID 99: segment with count 4: count 5 has 5 bytes of data, and its secondary header 6
        #4 refused: APID 99: segment with count 5: count 5 has 5 bytes of data, and its secondary header 6
        #5 refused: APID 99: segment with count 6: no first segment came before it
    "#]].assert_eq(&out.shown());
}

#[test]
fn the_header_is_that_of_the_first() {
    let packets = script("F1 C2 L3");
    let out = joined(&packets, 3, &[(99, PLAIN)]);
    assert_eq!(out.joined[0].1[..6], packets[0][..6]);
}

#[test]
fn channels_are_not_mixed() {
    let packets = script("F1 F1 C2 L2 L3");
    let mut chunk = chunk(&packets, 0, |index| {
        Some(ChannelId {
            spacecraft: 7,
            virtual_channel: [0, 1, 0, 1, 0][usize::try_from(index).unwrap()],
        })
    });
    Joiner::new([(99, PLAIN)]).join(&mut chunk);
    let mut out = Out::default();
    out.take(&chunk);
    expect![[r#"
        #1 <1 1><2 3>
        #0 <1 0><2 2><3 4>
    "#]]
    .assert_eq(&out.shown());
}

/// Numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Segments of two APIDs, mostly as they should be.
fn random_packets(random: &mut Random) -> Vec<Vec<u8>> {
    let mut counts = [random.below(1 << 14), random.below(1 << 14)];
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for number in 0..300 {
        let which = usize::try_from(random.below(2)).unwrap();
        counts[which] += match random.below(20) {
            0 => random.below(1 << 14),
            1 => 2,
            _ => 1,
        };
        let flags = [0, 0, 1, 2, 2, 3][usize::try_from(random.below(6)).unwrap()];
        let count = u16::try_from(counts[which] % (1 << 14)).unwrap();
        packets.push(match packets.last() {
            Some(last) if random.below(20) == 0 => last.clone(),
            _ => packet(98 + u16::try_from(which).unwrap(), flags, count, number),
        });
    }
    packets
}

/// Follows the data of a joined packet through the packets that went in; the
/// numbers of those that it has.
fn parts(packets: &[Vec<u8>], index: usize, joined: &[u8], skipped: usize) -> Vec<usize> {
    let apid = PrimaryHeader::read(joined).expect("a header").apid;
    let mut parts = vec![index];
    let mut data = packets[index].clone();
    let mut count = PrimaryHeader::read(joined)
        .expect("a header")
        .sequence_count;
    assert_eq!(PrimaryHeader::read(joined).unwrap().sequence_flags, FIRST);
    for (number, packet) in packets.iter().enumerate().skip(index + 1) {
        let header = PrimaryHeader::read(packet).expect("a header");
        if data.len() >= joined.len() {
            break;
        }
        if header.apid != apid || *packet == packets[parts[parts.len() - 1]] {
            continue;
        }
        count = (count + 1) % SEQUENCE_MODULUS;
        assert_eq!(header.sequence_count, count);
        data.extend(&packet[HEADER_BYTES + skipped..]);
        let is_last = data.len() == joined.len();
        assert_eq!(
            header.sequence_flags,
            if is_last { LAST } else { CONTINUATION }
        );
        parts.push(number);
    }
    assert_eq!(data, joined);
    parts
}

#[test]
fn every_packet_comes_out_once() {
    let (mut groups, mut refused) = (0, 0);
    for seed in 0..500 {
        let mut random = Random(seed);
        let packets = random_packets(&mut random);
        let skipped = usize::try_from(random.below(3)).unwrap();
        let rule = SegmentRule {
            secondary_header_bytes: skipped,
        };
        let size = 1 + usize::try_from(random.below(300)).unwrap();
        let out = joined(&packets, size, &[(98, rule), (99, rule)]);
        let mut came = vec![0; packets.len()];
        let singles = out.whole.iter().map(|(index, bytes)| (index, bytes));
        let singles = singles.chain(out.refused.iter().map(|(index, bytes, _)| (index, bytes)));
        for (index, bytes) in singles {
            let index = usize::try_from(*index).unwrap();
            assert_eq!(*bytes, packets[index], "seed {seed}");
            came[index] += 1;
        }
        for (index, _) in &out.whole {
            let packet = &packets[usize::try_from(*index).unwrap()];
            assert_eq!(PrimaryHeader::read(packet).unwrap().sequence_flags, 3);
        }
        for (index, bytes) in &out.joined {
            let index = usize::try_from(*index).unwrap();
            for part in parts(&packets, index, bytes, skipped) {
                came[part] += 1;
            }
        }
        assert_eq!(came, vec![1; packets.len()], "seed {seed}");
        groups += out.joined.len();
        refused += out.refused.len();
    }
    assert!(groups > 1000 && refused > 1000, "{groups} {refused}");
}

/// A segment of the longest kind.
fn long_packet(apid: u16, flags: u8, count: u16) -> Vec<u8> {
    let mut bytes = packet(apid, flags, count, 0);
    bytes[4..6].fill(0xFF);
    bytes.resize(HEADER_BYTES + 65_536, 0);
    bytes
}

#[test]
fn a_group_that_is_too_long() {
    let mut packets: Vec<Vec<u8>> = (0..256).map(|n| long_packet(99, 0, n)).collect();
    packets[0] = long_packet(99, FIRST, 0);
    packets.push(long_packet(99, LAST, 256));
    let out = joined(&packets, 10, &[(99, PLAIN)]);
    assert_eq!((out.whole.len(), out.joined.len()), (0, 0));
    assert_eq!(out.refused.len(), packets.len());
    expect!["APID 99: segments with counts 0 to 254: more than 16777216 bytes with count 255"]
        .assert_eq(&out.refused[3].2);
    expect!["APID 99: segment with count 256: no first segment came before it"]
        .assert_eq(&out.refused[256].2);
}

#[test]
fn a_group_of_too_many_segments() {
    let many = u16::try_from(MAX_GROUP_SEGMENTS).unwrap();
    let mut packets: Vec<Vec<u8>> = (0..=many)
        .map(|n| packet(99, CONTINUATION, n % SEQUENCE_MODULUS, 0))
        .collect();
    packets[0] = packet(99, FIRST, 0, 0);
    let out = joined(&packets, 1000, &[(99, PLAIN)]);
    assert_eq!(out.refused.len(), packets.len());
    expect!["APID 99: segments with counts 0 to 16383: more than 16384 segments with count 0"]
        .assert_eq(&out.refused[3].2);
}

#[test]
fn more_open_groups_than_fit() {
    let rules = (0..2047).map(|apid| (apid, PLAIN));
    let mut joiner = Joiner::new(rules);
    let (mut refused, mut came) = (0, 0);
    for round in 0..5 {
        let packets: Vec<Vec<u8>> = (0..2047).map(|apid| packet(apid, FIRST, 0, 0)).collect();
        let mut chunk = chunk(&packets, came, |_| {
            Some(ChannelId {
                spacecraft: round,
                virtual_channel: 0,
            })
        });
        joiner.join(&mut chunk);
        came += packets.len();
        refused += chunk.refused.len();
        assert!(joiner.open.len() <= MAX_OPEN_GROUPS);
    }
    assert_eq!(refused + joiner.open.len(), came);
}

#[test]
fn more_open_bytes_than_fit() {
    let mut joiner = Joiner::new([1, 2, 3, 4, 5].map(|apid| (apid, PLAIN)));
    let (mut refused, mut came) = (0, 0);
    for count in 0..250 {
        let flags = if count == 0 { FIRST } else { CONTINUATION };
        let packets: Vec<Vec<u8>> = (1..=5)
            .map(|apid| long_packet(apid, flags, count))
            .collect();
        let mut chunk = chunk(&packets, came, |_| None);
        joiner.join(&mut chunk);
        came += packets.len();
        refused += chunk.refused.len();
        assert!(joiner.open_bytes <= MAX_OPEN_BYTES);
    }
    let held: usize = joiner.open.values().map(|group| group.segments.len()).sum();
    assert_eq!(refused + held, came);
    assert!(refused > 0);
}
