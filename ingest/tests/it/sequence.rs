//! Sequence counts and segments of whole files, real ones among them.

use std::fmt::Write as _;
use std::fs::File;

use downlake_ingest::packet::feed::{Chunk, Feed, PacketFile};
use downlake_ingest::packet::header::{HEADER_BYTES, PrimaryHeader};
use downlake_ingest::packet::segments::{Joiner, SegmentRule};
use downlake_ingest::packet::sequence::SequenceTracker;
use expect_test::{Expect, expect};

use crate::md5::md5;
use crate::packets::support::data;

/// Hands the chunks of a file out.
fn chunks(file: &str, mut take: impl FnMut(&mut Chunk)) -> Option<()> {
    let file = File::open(data(file)?).expect("a file of packets");
    let mut packets = PacketFile::new(file);
    let mut chunk = Chunk::default();
    loop {
        chunk.clear();
        packets.fill(&mut chunk).expect("bytes");
        if chunk.is_empty() {
            return Some(());
        }
        take(&mut chunk);
    }
}

/// The steps of the counts of a file, as text.
fn steps(file: &str) -> Option<String> {
    let mut tracker = SequenceTracker::default();
    chunks(file, |chunk| drop(tracker.note(chunk)))?;
    let found = tracker.finish();
    let mut text = String::new();
    for gap in found.gaps {
        writeln!(
            text,
            "{} {} {}..{}, {} packets, #{} to #{}, at {}",
            gap.apid,
            gap.kind.name(),
            gap.from_seq,
            gap.to_seq,
            gap.missing,
            gap.before_index,
            gap.after_index,
            gap.byte_offset
        )
        .expect("a line");
    }
    for notice in found.notices {
        writeln!(text, "{notice}").expect("a line");
    }
    Some(text)
}

fn check(file: &str, expected: &Expect) {
    if let Some(steps) = steps(file) {
        expected.assert_eq(&steps);
    }
}

#[test]
fn fixtures_with_gaps() {
    check("fixtures/jpss_600.bin", &expect![""]);
    check(
        "fixtures/jpss_gap.bin",
        &expect![[r#"
            11 lost 2616..2616, 1 packets, #9 to #10, at 710
            11 lost 2706..2710, 5 packets, #98 to #99, at 7029
            11 lost 3006..3006, 1 packets, #393 to #394, at 27974
        "#]],
    );
    check("fixtures/jpss_dup.bin", &expect![""]);
    check(
        "fixtures/jpss_late_dump.bin",
        &expect![[r#"
            11 late 2806..2865, 60 packets, #540 to #599, at 38340
        "#]],
    );
    check("fixtures/jpss_seq_wrap.bin", &expect![""]);
    check(
        "fixtures/jpss_seq_wrap_gap.bin",
        &expect![[r#"
            11 lost 16383..1, 3 packets, #2 to #3, at 213
        "#]],
    );
    check("fixtures/jpss_truncated_tail.bin", &expect![""]);
    check("fixtures/multiplexed.bin", &expect![""]);
    check("fixtures/segmented.bin", &expect![""]);
}

#[test]
fn missions() {
    check(
        "packets/ctim/ccsds_2021_155_14_39_51",
        &expect![[r#"
            20 lost 5280..5281, 2 packets, #18 to #21, at 1510
            20 lost 5283..5315, 33 packets, #21 to #86, at 6276
            20 lost 5318..5318, 1 packets, #87 to #88, at 6352
            20 lost 5320..5322, 3 packets, #88 to #1458, at 1318076
        "#]],
    );
    check(
        "packets/imap_codice/imap_codice_l0_hskp_20100101_v001.pkts",
        &expect![[r#"
            1136 lost 2..2, 1 packets, #24 to #33, at 12256
            1141 lost 2..2, 1 packets, #25 to #34, at 12400
            1147 lost 2..2, 1 packets, #27 to #35, at 12424
            1148 lost 2..2, 1 packets, #28 to #36, at 12884
            1145 lost 2..2, 1 packets, #29 to #37, at 13312
            1146 lost 2..2, 1 packets, #30 to #38, at 13348
        "#]],
    );
    check("packets/imap_hit/sci_sample.ccsds", &expect![""]);
    check(
        "packets/jpss/J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1",
        &expect![""],
    );
    check(
        "packets/hs/apid895/SSAT1_2015-180-00-00-00_2015-180-01-59-56_895_1_sim.tlm",
        &expect![""],
    );
}

/// The joined packets of an APID: index, bytes of data and their digest; and
/// how many packets passed or were refused.
fn joined(file: &str, apid: u16, rule: SegmentRule) -> Option<String> {
    let mut joiner = Joiner::new([(apid, rule)]);
    let (mut passed, mut refused) = (0, 0);
    let mut text = String::new();
    let mut take = |chunk: &Chunk| {
        refused += chunk.refused.len();
        for entry in &chunk.packets {
            let bytes = chunk.packet(entry).bytes;
            if !entry.is_joined {
                passed += 1;
                continue;
            }
            let header = PrimaryHeader::read(bytes).expect("a header");
            assert_eq!((header.apid, header.sequence_flags), (apid, 1));
            let data = &bytes[HEADER_BYTES..];
            let (index, digest) = (entry.index, md5(data));
            writeln!(text, "#{index}, {} bytes, {digest}", data.len()).expect("a line");
        }
    };
    chunks(file, |chunk| {
        joiner.join(chunk);
        take(chunk);
    })?;
    let mut rest = Chunk::default();
    joiner.finish(&mut rest);
    take(&rest);
    writeln!(text, "{passed} passed, {refused} refused").expect("a line");
    Some(text)
}

#[test]
fn segments_are_joined() {
    let Some(found) = joined("fixtures/segmented.bin", 99, SegmentRule::default()) else {
        return;
    };
    let path = data("fixtures/expected.json").expect("test data");
    let expected = std::fs::read(path).expect("what is expected");
    let expected: serde_json::Value = serde_json::from_slice(&expected).expect("JSON");
    let groups = expected["segmented.bin"]["groups"].as_array();
    let groups = groups.expect("groups").iter().enumerate();
    let groups = groups.map(|(number, group)| {
        let (bytes, digest) = (&group["bytes"], group["md5"].as_str());
        format!(
            "#{}, {bytes} bytes, {}\n",
            4 * number,
            digest.expect("text")
        )
    });
    let expected = groups.collect::<String>() + "0 passed, 0 refused\n";
    assert_eq!(found, expected);
}

#[test]
fn segments_of_an_instrument() {
    let rule = SegmentRule {
        secondary_header_bytes: 4,
    };
    if let Some(found) = joined("packets/imap_hit/sci_sample.ccsds", 1252, rule) {
        let lines: Vec<&str> = found.lines().collect();
        let ends = [lines[0], lines[1], lines[lines.len() - 1]];
        expect![[r#"
            87 lines
            #15, 5244 bytes, c6ab322c69d2f2a8b79bbd1f4c042cd1
            #35, 5244 bytes, 08c6cb451b56c4d1f13d8252fc451d88
            0 passed, 20 refused"#]]
        .assert_eq(&format!("{} lines\n{}", lines.len(), ends.join("\n")));
    }
}
