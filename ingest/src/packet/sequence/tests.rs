//! Scripts of counts and what they must give; and a source that knows what it
//! lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;
use crate::frames::ChannelId;

/// A packet as scripts mean it.
#[derive(Clone, Copy)]
struct Sent {
    spacecraft: Option<u16>,
    apid: u16,
    count: u16,
    /// What its data hold beside the count; the same bytes are the same
    /// packet.
    content: u64,
}

impl Sent {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = (self.apid & 0x7FF).to_be_bytes().to_vec();
        bytes.extend((0xC000 | self.count).to_be_bytes());
        bytes.extend([0, 15]);
        bytes.extend(self.content.to_be_bytes());
        bytes.extend([0; 8]);
        bytes
    }
}

/// Items are `[APID:]FROM-TO` or a single count. Ranges wrap; `FROM>TO` counts
/// down. Packets with the same count are equal, except those of items that
/// begin with one `~` more; in those that begin with `=`, all are equal.
fn script(text: &str) -> Vec<Sent> {
    text.split_whitespace().flat_map(item).collect()
}

fn item(text: &str) -> Vec<Sent> {
    let (apid, rest) = text.split_once(':').unwrap_or(("11", text));
    let others = rest.matches('~').count() as u64;
    let is_constant = rest.starts_with('=');
    let range = rest.trim_start_matches(['~', '=']);
    let number = |text: &str| text.parse::<u16>().expect("a count");
    let counts = match (range.split_once('-'), range.split_once('>')) {
        (Some((from, to)), _) => upward(number(from), number(to)),
        (_, Some((from, to))) => {
            let mut counts = upward(number(to), number(from));
            counts.reverse();
            counts
        }
        _ => vec![number(range)],
    };
    let sent = |count: u16| Sent {
        spacecraft: None,
        apid: number(apid),
        count,
        content: match is_constant {
            true => others << 32,
            false => (others << 32) | (u64::from(count) + 1),
        },
    };
    counts.into_iter().map(sent).collect()
}

fn upward(from: u16, to: u16) -> Vec<u16> {
    let length = (to.wrapping_sub(from) & 0x3FFF) + 1;
    (0..length).map(|step| (from + step) & 0x3FFF).collect()
}

/// Takes items in turn, one packet of each.
fn interleaved(texts: &[&str]) -> Vec<Sent> {
    let all: Vec<Vec<Sent>> = texts.iter().map(|text| script(text)).collect();
    let longest = all.iter().map(Vec::len).max().unwrap_or_default();
    let turns = (0..longest).flat_map(|turn| all.iter().filter_map(move |one| one.get(turn)));
    turns.copied().collect()
}

fn chunk(packets: &[Sent], first: usize) -> Chunk {
    let mut chunk = Chunk::default();
    for (index, packet) in (first as u64..).zip(packets) {
        let bytes = packet.bytes();
        chunk.packets.push(Entry {
            start: chunk.bytes.len(),
            length: bytes.len(),
            index,
            offset: 100 * index,
            channel: packet.spacecraft.map(|spacecraft| ChannelId {
                spacecraft,
                virtual_channel: 3,
            }),
            replay: false,
            is_joined: false,
        });
        chunk.bytes.extend(bytes);
    }
    chunk
}

/// Tracks packets in chunks of a size, and holds that every packet that a row
/// names was marked when it came and has been since.
fn tracked(packets: &[Sent], size: usize) -> Sequences {
    let mut tracker = SequenceTracker::default();
    let mut kept = BTreeSet::new();
    for (number, some) in packets.chunks(size).enumerate() {
        kept.extend(tracker.note(&chunk(some, number * size)));
        let marks: BTreeSet<u64> = tracker.marks().into_iter().collect();
        kept.retain(|index| marks.contains(index));
    }
    let found = tracker.finish();
    for gap in &found.gaps {
        assert!(kept.contains(&gap.before_index), "{gap:?}");
        assert!(kept.contains(&gap.after_index), "{gap:?}");
        check_neighbours(gap, packets);
    }
    found
}

/// The packets that a row names are those that its counts say.
fn check_neighbours(gap: &SequenceGap, packets: &[Sent]) {
    let count = |index: u64| packets[usize::try_from(index).unwrap()].count;
    let ends = (count(gap.before_index), count(gap.after_index));
    let expected = match gap.kind {
        GapKind::Lost => (
            gap.from_seq.wrapping_sub(1) & 0x3FFF,
            (gap.to_seq + 1) & 0x3FFF,
        ),
        GapKind::Late | GapKind::Reset | GapKind::Bytes => (gap.from_seq, gap.to_seq),
    };
    assert_ne!(gap.kind, GapKind::Bytes);
    assert_eq!(ends, expected, "{gap:?}");
    if gap.kind != GapKind::Late {
        assert_eq!(gap.byte_offset, 100 * gap.after_index, "{gap:?}");
    }
}

fn shown(found: &Sequences) -> String {
    let mut text = String::new();
    for gap in &found.gaps {
        if let Some(spacecraft) = gap.spacecraft {
            write!(text, "spacecraft {spacecraft} ").unwrap();
        }
        let SequenceGap {
            apid,
            from_seq,
            to_seq,
            missing,
            before_index,
            after_index,
            byte_offset,
            ..
        } = gap;
        writeln!(
            text,
            "{apid} {} {from_seq}..{to_seq}, {missing} packets, #{before_index} to #{after_index}, at {byte_offset}",
            gap.kind.name()
        )
        .unwrap();
    }
    for notice in &found.notices {
        writeln!(text, "{notice}").unwrap();
    }
    text
}

fn check_packets(packets: &[Sent], expected: &Expect) {
    let found = tracked(packets, 7);
    expected.assert_eq(&shown(&found));
    for size in [1, packets.len()] {
        assert_eq!(tracked(packets, size), found, "in chunks of {size}");
    }
}

fn check(text: &str, expected: Expect) {
    check_packets(&script(text), &expected);
}

#[test]
fn lost_packets() {
    check("0-99", expect![""]);
    check(
        "0-9 11-20",
        expect![[r#"
            11 lost 10..10, 1 packets, #9 to #10, at 1000
        "#]],
    );
    check("16380-2", expect![""]);
    check(
        "16380-16382 2-7",
        expect![[r#"
            11 lost 16383..1, 3 packets, #2 to #3, at 300
        "#]],
    );
    check(
        "0-9 8200-8210",
        expect![[r#"
            11 lost 10..8199, 8190 packets, #9 to #10, at 1000
        "#]],
    );
    check(
        "11:5 11:7 12:1 12:3 11:9",
        expect![[r#"
            11 lost 6..6, 1 packets, #0 to #1, at 100
            12 lost 2..2, 1 packets, #2 to #3, at 300
            11 lost 8..8, 1 packets, #1 to #4, at 400
        "#]],
    );
}

#[test]
fn half_of_the_range_or_more_is_a_reset() {
    check(
        "0-9 8201-8210",
        expect![[r#"
            11 reset 9..8201, 0 packets, #9 to #10, at 1000
        "#]],
    );
    check("0-9 9 9", expect![""]);
    check(
        "0-9 ~9 10",
        expect![[r#"
            11 reset 9..9, 0 packets, #9 to #10, at 1000
        "#]],
    );
}

#[test]
fn repeats() {
    check("0-9 5-9 10-20", expect![""]);
    check("0-9 0-20", expect![""]);
    check("0-9 0-4 10-20", expect![""]);
    check("0-9 3-4 10 5-7 11-20", expect![""]);
    // From more than half of the range behind.
    check("0-10000 0-10010", expect![""]);
    // A repeat with losses of its own, and one that brings what was lost.
    check("0-99 10-20 25-30 100", expect![""]);
    check(
        "0-49 60-99 40-70 100",
        expect![[r#"
            11 late 50..59, 10 packets, #100 to #109, at 10000
        "#]],
    );
    // Backwards.
    check("0-99 50>40 100", expect![""]);
}

#[test]
fn two_passes_in_turn() {
    check_packets(&interleaved(&["0-99", "0-99"]), &expect![""]);
    // The second one is behind, and each lost something.
    check_packets(
        &interleaved(&["100-149 160-200", "90-119 121-190"]),
        &expect![[r#"
            11 late 90..99, 10 packets, #1 to #19, at 100
            11 late 150..159, 10 packets, #119 to #137, at 11900
        "#]],
    );
}

#[test]
fn values_that_stand_still() {
    check(
        "=0-9 =9 =10 =12-20",
        expect![[r#"
            11 lost 11..11, 1 packets, #11 to #12, at 1200
        "#]],
    );
    // They have all come before, a range ago; still one is missing.
    check(
        "=0-16383 =0-9 =11-20",
        expect![[r#"
            11 lost 10..10, 1 packets, #16393 to #16394, at 1639400
        "#]],
    );
    check(
        "=0-16383 =0-9 =12-20 =10-11 =21",
        expect![[r#"
            11 late 10..11, 2 packets, #16403 to #16404, at 1640300
        "#]],
    );
    check("=0-9 =5-9 =10", expect![""]);
}

#[test]
fn late_blocks() {
    // At the end, in the middle, in part.
    check(
        "0-9 20-29 10-19",
        expect![[r#"
            11 late 10..19, 10 packets, #20 to #29, at 2000
        "#]],
    );
    check(
        "0-9 20-29 10-19 30-35",
        expect![[r#"
            11 late 10..19, 10 packets, #20 to #29, at 2000
        "#]],
    );
    check(
        "0-9 20-29 12-15 30-35",
        expect![[r#"
            11 lost 16..19, 4 packets, #23 to #10, at 1000
            11 lost 10..11, 2 packets, #9 to #20, at 2000
            11 late 12..15, 4 packets, #20 to #23, at 2000
        "#]],
    );
    check(
        "0-9 20-29 10-12 30-35",
        expect![[r#"
            11 lost 13..19, 7 packets, #22 to #10, at 1000
            11 late 10..12, 3 packets, #20 to #22, at 2000
        "#]],
    );
    check(
        "0-9 20-29 17-19 30-35",
        expect![[r#"
            11 lost 10..16, 7 packets, #9 to #20, at 2000
            11 late 17..19, 3 packets, #20 to #22, at 2000
        "#]],
    );
    // Two pieces, in order and not; and backwards.
    check(
        "0-9 20-29 10-14 30-34 15-19 35-40",
        expect![[r#"
            11 late 10..19, 10 packets, #20 to #34, at 2000
        "#]],
    );
    check(
        "0-9 20-29 15-19 10-14 30-35",
        expect![[r#"
            11 late 15..19, 5 packets, #20 to #24, at 2000
            11 late 10..14, 5 packets, #25 to #29, at 2500
        "#]],
    );
    check(
        "0-9 20-29 19>10 30-35",
        expect![[r#"
            11 late 10..19, 10 packets, #29 to #20, at 2000
        "#]],
    );
    // Several open gaps, filled by one block and the wrong way round.
    check(
        "0-9 12-19 22-29 32-39 20-21 30-31 10-11 40",
        expect![[r#"
            11 late 20..21, 2 packets, #34 to #35, at 3400
            11 late 30..31, 2 packets, #36 to #37, at 3600
            11 late 10..11, 2 packets, #38 to #39, at 3800
        "#]],
    );
    check(
        "0-9 12-19 22-29 10-21 30-40",
        expect![[r#"
            11 late 10..11, 2 packets, #26 to #27, at 2600
            11 late 20..21, 2 packets, #36 to #37, at 3600
        "#]],
    );
    // One by one, between others.
    check(
        "0-9 15-16 10 17 11 18 12 19 13 20 14 21",
        expect![[r#"
            11 late 10..14, 5 packets, #12 to #20, at 1200
        "#]],
    );
    // Across the wrap.
    check(
        "16370-16379 5-20 16380-4 21-25",
        expect![[r#"
            11 late 16380..4, 9 packets, #26 to #34, at 2600
        "#]],
    );
    // And a loss when the block ends.
    check(
        "0-9 20-29 10-19 33-35",
        expect![[r#"
            11 late 10..19, 10 packets, #20 to #29, at 2000
            11 lost 30..32, 3 packets, #19 to #30, at 3000
        "#]],
    );
}

#[test]
fn late_by_more_than_half_of_the_range() {
    check(
        "0-99 200-9999 100-199 10000-10010",
        expect![[r#"
            11 late 100..199, 100 packets, #9900 to #9999, at 990000
        "#]],
    );
    // Not from its beginning.
    check(
        "0-99 200-9999 150-199 10000-10010",
        expect![[r#"
            11 lost 100..149, 50 packets, #99 to #9900, at 990000
            11 late 150..199, 50 packets, #9900 to #9949, at 990000
        "#]],
    );
    // By so much more that it is taken for a loss ahead.
    check(
        "0-99 200-15000 150-199",
        expect![[r#"
            11 lost 100..199, 100 packets, #99 to #100, at 10000
            11 lost 15001..149, 1533 packets, #14900 to #14901, at 1490100
        "#]],
    );
    // By more than the range.
    check(
        "0-99 200-16383 0-299 100-199 300-310",
        expect![[r#"
            11 lost 100..199, 100 packets, #99 to #100, at 10000
        "#]],
    );
}

#[test]
fn blocks_from_before_the_source() {
    check(
        "1000-1099 500-599 1100-1110",
        expect![[r#"
            11 late 500..599, 100 packets, #100 to #199, at 10000
        "#]],
    );
    check(
        "1000-1099 500-549 560-599 1103-1110",
        expect![[r#"
            11 lost 550..559, 10 packets, #149 to #150, at 15000
            11 late 500..599, 90 packets, #100 to #189, at 10000
            11 lost 1100..1102, 3 packets, #99 to #190, at 19000
        "#]],
    );
    check_packets(
        &interleaved(&["1000-1050", "900-920"]),
        &expect![[r#"
            11 late 900..920, 21 packets, #1 to #41, at 100
        "#]],
    );
    // The last thing that comes: nothing returns.
    check(
        "1000-1099 500-599",
        expect![[r#"
            11 reset 1099..500, 0 packets, #99 to #100, at 10000
        "#]],
    );
    // A single packet that is wrong.
    check(
        "0-4999 ~101 5000-5010",
        expect![[r#"
            11 reset 4999..101, 0 packets, #4999 to #5000, at 500000
        "#]],
    );
}

#[test]
fn resets() {
    check(
        "5000-5009 0-9",
        expect![[r#"
            11 reset 5009..0, 0 packets, #9 to #10, at 1000
        "#]],
    );
    check(
        "0-99 ~0-99 ~100-110",
        expect![[r#"
            11 reset 99..0, 0 packets, #99 to #100, at 10000
        "#]],
    );
    check(
        "0-99 ~0-49 ~52-110",
        expect![[r#"
            11 reset 99..0, 0 packets, #99 to #100, at 10000
            11 lost 50..51, 2 packets, #149 to #150, at 15000
        "#]],
    );
    check(
        "0-9 ~0-9 ~~0-9 ~~~0-9",
        expect![[r#"
            11 reset 9..0, 0 packets, #9 to #10, at 1000
            11 reset 9..0, 0 packets, #19 to #20, at 2000
            11 reset 9..0, 0 packets, #29 to #30, at 3000
        "#]],
    );
    // A single packet that is wrong: what is behind it was late for nothing.
    check(
        "0-99 4196 100-199",
        expect![[r#"
            11 reset 99..4196, 0 packets, #99 to #100, at 10000
            11 late 100..199, 100 packets, #101 to #200, at 10100
        "#]],
    );
    check(
        "0-99 4196 100-149 160-199",
        expect![[r#"
            11 reset 99..4196, 0 packets, #99 to #100, at 10000
            11 late 100..149, 50 packets, #101 to #150, at 10100
            11 lost 150..159, 10 packets, #150 to #151, at 15100
            11 late 160..199, 40 packets, #151 to #190, at 15100
        "#]],
    );
    check(
        "0-99 4196-4197 100-199",
        expect![[r#"
            11 lost 200..4195, 3996 packets, #201 to #100, at 10000
            11 late 100..199, 100 packets, #102 to #201, at 10200
        "#]],
    );
    // What was missing before stays so.
    check(
        "0-9 12-99 ~0-9 ~12-20",
        expect![[r#"
            11 lost 10..11, 2 packets, #9 to #10, at 1000
            11 reset 99..0, 0 packets, #97 to #98, at 9800
            11 lost 10..11, 2 packets, #107 to #108, at 10800
        "#]],
    );
}

#[test]
fn spacecraft_and_apids_count_for_themselves() {
    let mut packets = interleaved(&["1:0-9 1:12-15", "2:5-9 2:20-30", "2047:3-9 2047:1-5"]);
    check_packets(
        &packets,
        &expect![[r#"
            2 lost 10..19, 10 packets, #13 to #16, at 1600
            1 lost 10..11, 2 packets, #27 to #30, at 3000
        "#]],
    );
    for packet in &mut packets {
        packet.spacecraft = Some(packet.apid);
        packet.apid = 5;
    }
    check_packets(
        &packets,
        &expect![[r#"
            spacecraft 2 5 lost 10..19, 10 packets, #13 to #16, at 1600
            spacecraft 2047 5 reset 9..1, 0 packets, #20 to #23, at 2300
            spacecraft 1 5 lost 10..11, 2 packets, #27 to #30, at 3000
        "#]],
    );
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

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

fn of_count(count: u16, content: u64) -> Sent {
    Sent {
        spacecraft: None,
        apid: 1252,
        count,
        content,
    }
}

#[test]
fn counts_that_count_nothing_are_a_notice() {
    for (seed, many) in [(1, 12), (2, 40), (3, 5000), (4, 30_000)] {
        let mut random = Random(seed);
        let count = |n: u64| of_count(u16::try_from(random.below(1 << 14)).unwrap(), n + 1);
        let packets: Vec<Sent> = (0..many).map(count).collect();
        let found = tracked(&packets, 997);
        assert_eq!(found.gaps, [], "{many} packets");
        assert_eq!(found.notices.len(), 1);
    }
    let always_the_same: Vec<Sent> = (1..100).map(|n| of_count(0, n)).collect();
    check_packets(
        &always_the_same,
        &expect![[r#"
            APID 1252: 98 of 98 sequence counts do not follow the one before: no gaps are reported for it
        "#]],
    );
    let every_tenth: Vec<Sent> = (1..100).map(|n| of_count(10 * n, n.into())).collect();
    check_packets(
        &every_tenth,
        &expect![[r#"
            APID 1252: 98 of 98 sequence counts do not follow the one before: no gaps are reported for it
        "#]],
    );
}

/// A source that counts, loses, repeats, and sends late what it kept.
struct Source {
    random: Random,
    /// The next packet to send, numbered from the first.
    next: u64,
    first_count: u64,
    /// Lost stretches that may still come.
    kept: Vec<(u64, u64)>,
    sent: Vec<Sent>,
    /// Who came.
    came: BTreeSet<u64>,
    late: u64,
}

/// Farther back, a stretch comes only from its beginning.
const NEAR: u64 = 12_000;
/// Farther back, nothing is known for sure.
const FAR: u64 = 16_000;

impl Source {
    fn new(seed: u64) -> Source {
        let mut random = Random(seed);
        Source {
            next: 0,
            first_count: random.below(1 << 14),
            random,
            kept: Vec::new(),
            sent: Vec::new(),
            came: BTreeSet::new(),
            late: 0,
        }
    }

    fn send(&mut self, number: u64) {
        let count = u16::try_from((self.first_count + number) % (1 << 14)).unwrap();
        self.sent.push(of_count(count, number + 1));
        self.came.insert(number);
    }

    fn go_on(&mut self) {
        let longest = [3, 60, 2000][usize::try_from(self.random.below(3)).unwrap()];
        for _ in 0..=self.random.below(longest) {
            self.send(self.next);
            self.next += 1;
        }
    }

    fn lose(&mut self) {
        let longest = [2, 60, 4000][usize::try_from(self.random.below(3)).unwrap()];
        let lost = 1 + self.random.below(longest);
        self.kept.push((self.next, self.next + lost));
        self.next += lost;
        self.send(self.next);
        self.next += 1;
    }

    fn send_late(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let which = self.random.below(self.kept.len() as u64);
        let (from, to) = self.kept.swap_remove(usize::try_from(which).unwrap());
        let behind = self.next - from;
        let (begin, end) = match behind {
            FAR.. => return,
            NEAR.. => (from, to),
            _ => {
                let begin = from + self.random.below(to - from);
                (begin, begin + 1 + self.random.below(to - begin))
            }
        };
        for number in begin..end {
            self.send(number);
            // The newest packets go on between them.
            if self.random.one_in(50) {
                self.send(self.next);
                self.next += 1;
            }
        }
        self.late += end - begin;
        let rest = [(from, begin), (end, to)];
        self.kept.extend(rest.iter().filter(|(from, to)| from < to));
    }

    fn repeat(&mut self) {
        let back = 1 + self.random.below(self.next.min(FAR));
        let begin = self.next - back;
        let end = begin + self.random.below(back.min(500)) + 1;
        let again: Vec<u64> = self.came.range(begin..end).copied().collect();
        again.into_iter().for_each(|number| self.send(number));
    }

    fn lost(&self) -> u64 {
        self.next - self.came.len() as u64
    }
}

/// The numbers of a kind of row, as counts are unrolled.
fn total(found: &Sequences, kind: GapKind) -> u64 {
    let rows = found.gaps.iter().filter(|gap| gap.kind == kind);
    rows.map(|gap| gap.missing).sum()
}

#[test]
fn a_source_that_knows_what_it_lost() {
    for seed in 0..300 {
        let mut source = Source::new(seed);
        source.go_on();
        for _ in 0..60 {
            match source.random.below(5) {
                0 => source.lose(),
                1 => source.send_late(),
                2 => source.repeat(),
                _ => source.go_on(),
            }
        }
        source.go_on();
        let found = tracked(&source.sent, 1000);
        let kinds = [GapKind::Lost, GapKind::Late, GapKind::Reset];
        let counted: BTreeMap<&str, u64> = kinds
            .iter()
            .map(|kind| (kind.name(), total(&found, *kind)))
            .collect();
        let resets = found.gaps.iter().filter(|gap| gap.kind == GapKind::Reset);
        let expected = [("late", source.late), ("lost", source.lost()), ("reset", 0)];
        assert_eq!(counted, BTreeMap::from(expected), "seed {seed}");
        assert_eq!((resets.count(), found.notices.len()), (0, 0), "seed {seed}");
    }
}

/// Memory is bounded by what is counted here.
#[test]
fn whatever_comes_little_is_kept() {
    let mut tracker = SequenceTracker::with_room(500);
    let mut random = Random(9);
    let mut count = 0;
    for number in 0..200 {
        let next = |at: u64| {
            let step = if random.one_in(3) {
                1 + random.below(40)
            } else {
                1
            };
            count = (count + u16::try_from(step).unwrap()) % (1 << 14);
            of_count(count, number * 100 + at)
        };
        let packets: Vec<Sent> = (0..100).map(next).collect();
        tracker.note(&chunk(&packets, usize::try_from(number).unwrap() * 100));
        assert!(tracker.marks().len() <= 2 * 500 + 4);
    }
    let found = tracker.finish();
    assert_eq!(found.gaps.len(), 500);
    expect!["6009 more steps of sequence counts are not listed: 65536 are, the most of one source"]
        .assert_eq(&found.notices.join("\n"));
}

#[test]
fn too_many_spacecraft_and_apids() {
    let mut tracker = SequenceTracker::default();
    for spacecraft in 0..70 {
        let packets: Vec<Sent> = (0..2047)
            .map(|apid| Sent {
                spacecraft: Some(spacecraft),
                apid,
                count: 0,
                content: 1,
            })
            .collect();
        tracker.note(&chunk(&packets, usize::from(spacecraft) * 2047));
    }
    assert_eq!(tracker.tracks.len(), MAX_APIDS);
    assert_eq!(tracker.room.pages, 0);
    let found = tracker.finish();
    expect!["gaps between 126906 packets are not looked for: more than 16384 APIDs or 64 spacecraft in one source"].assert_eq(&found.notices.join("\n"));
}

#[test]
fn any_counts_at_all() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let spread = 1 + random.below(1 << 14);
        let contents = 1 + random.below(5);
        let mut count = 0;
        let packets: Vec<Sent> = (0..3000)
            .map(|_| {
                let step = match random.below(4) {
                    0 => random.below(spread),
                    1 => (1 << 14) - random.below(spread) % (1 << 14),
                    _ => 1,
                };
                count = (count + step) % (1 << 14);
                of_count(u16::try_from(count).unwrap(), random.below(contents))
            })
            .collect();
        tracked(&packets, 100);
    }
}
