//! Packets whose contents nothing describes, from files of packets and from
//! frames: which inputs are taken for them, and the rows of the stream
//! `packets`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int16Type, Int32Type, Int64Type};
use downlake_ingest::decode::{
    DecodeOptions, Decoded, FORMATS, InferOptions, Input, detect, format_by_name, packets,
};
use downlake_lake::schema::{Definition, InputLayout, embedded};
use downlake_lake::table::gaps::GapKind;
use expect_test::{Expect, expect};

use crate::md5::md5;

/// The folder of the test data, or nothing, loudly.
#[expect(clippy::print_stdout, reason = "a test says what it did not run")]
fn data() -> Option<PathBuf> {
    let folder = std::env::var("DOWNLAKE_TEST_DATA").ok().map(PathBuf::from);
    if folder.is_none() {
        println!("NOT RUN: DOWNLAKE_TEST_DATA does not say where the test data are");
    }
    folder
}

fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    let file = File::open(path).expect("a file");
    file.take(64 << 10).read_to_end(&mut head).expect("bytes");
    head
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// By content alone, every file of packets and of marked frames is known, and
/// nothing else is taken for one: not CSV, JSON, Parquet, XML, text, nor bare
/// frames.
#[test]
fn files_are_known_by_their_content() {
    let Some(folder) = data() else {
        return;
    };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    let mut known: BTreeMap<&str, String> = BTreeMap::new();
    for path in &paths {
        let head = head(path);
        let formats = FORMATS.iter().filter(|format| (format.sniff)(&head));
        for format in formats.filter(|format| ["ccsds", "cadu"].contains(&format.name)) {
            let name = path.strip_prefix(&folder).expect("below the folder");
            let line = known.entry(format.name).or_default();
            writeln!(line, "{}", name.display()).expect("strings take text");
            let detected = detect("input", &head).expect("a format");
            assert_eq!(detected.name, format.name, "{}", path.display());
        }
    }
    expect![[r#"
        fixtures/tm_cadu_1115_randomized.bin
        frames/snpp/snpp_16errors_per_codeword.dat
        frames/snpp/snpp_dropped_frame20.dat
        frames/snpp/snpp_garbage_between.dat
        frames/snpp/snpp_synchronized_cadus.dat
        frames/snpp/snpp_uncorrectable_frame30.dat
    "#]]
    .assert_eq(known.get("cadu").map_or("", String::as_str));
    expect![[r#"
        fixtures/jpss_600.bin
        fixtures/jpss_dup.bin
        fixtures/jpss_gap.bin
        fixtures/jpss_late_dump.bin
        fixtures/jpss_seq_wrap.bin
        fixtures/jpss_seq_wrap_gap.bin
        fixtures/jpss_truncated_tail.bin
        fixtures/multiplexed.bin
        fixtures/segmented.bin
        frames/snpp/snpp_expected_packets.bin
        packets/ctim/ccsds_2021_155_14_39_51
        packets/hs/apid035/SSAT1_2015-180-00-00-00_2015-180-01-59-59_35_1_sim.tlm
        packets/hs/apid251/SSAT1_2015-180-00-00-00_2015-180-01-59-59_251_1_sim.tlm
        packets/hs/apid895/SSAT1_2015-180-00-00-00_2015-180-01-59-56_895_1_sim.tlm
        packets/imap_codice/imap_codice_l0_hskp_20100101_v001.pkts
        packets/imap_hit/imap_hit_l0_hk_20100105_v001.pkts
        packets/imap_hit/sci_sample.ccsds
        packets/jpss/J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1
    "#]]
    .assert_eq(known.get("ccsds").map_or("", String::as_str));
}

/// Spacecraft and virtual channel, of packets that came in frames.
type Channel = (Option<i32>, Option<i16>);

/// The rows of a file, and what else it held.
#[derive(Default)]
struct Rows {
    packets: u64,
    skipped: u64,
    raw: Vec<u8>,
    /// Packets and their bytes by spacecraft and virtual channel.
    channels: BTreeMap<Channel, (u64, Vec<u8>)>,
    refused: BTreeMap<&'static str, u64>,
    /// Frames and packets that `_gaps` says are missing.
    missing: u64,
    notices: Vec<String>,
}

impl Rows {
    /// Decoded as ingest does it: the format by content, or as said.
    fn of(path: &Path, format: Option<&str>) -> Rows {
        let found = match format {
            Some(name) => format_by_name(name).expect("a format"),
            None => detect("input", &head(path)).expect("a format"),
        };
        let definition = Definition {
            input: InputLayout {
                format: format.map(str::to_owned),
                ..InputLayout::default()
            },
            ..embedded::get(packets::STREAM).expect("an embedded stream")
        };
        let input = Input::File(File::open(path).expect("a file"));
        let options = DecodeOptions {
            batch_rows: 97,
            ..DecodeOptions::default()
        };
        let mut decoder = (found.open)(input, &definition, &options).expect("a decoder");
        let mut rows = Rows::default();
        while let Some(decoded) = decoder.next().expect("a readable file") {
            rows.take(decoded);
        }
        rows
    }

    fn take(&mut self, decoded: Decoded) {
        if decoded.stream.is_some() {
            self.take_rows(&decoded);
        }
        self.skipped += decoded.skipped;
        for reject in decoded.rejects {
            assert!(!reject.record.raw.is_empty());
            *self.refused.entry(reject.reason).or_default() += 1;
        }
        let gaps = decoded.missing.gaps.iter().map(|gap| &gap.gap);
        let lost = gaps.filter(|gap| gap.kind == GapKind::Lost);
        self.missing += lost.map(|gap| gap.missing).sum::<u64>();
        self.notices.extend(decoded.notices);
    }

    fn take_rows(&mut self, decoded: &Decoded) {
        let batch = &decoded.batch;
        let column = |name: &str| batch.column_by_name(name).expect("a column");
        let raw = column("raw").as_binary::<i32>();
        let index = column("_packet_index").as_primitive::<Int64Type>();
        let offset = column("_byte_offset").as_primitive::<Int64Type>();
        let spacecraft = column("scid").as_primitive::<Int32Type>();
        let channel = column("vcid").as_primitive::<Int16Type>();
        for row in 0..batch.num_rows() {
            let bytes = raw.value(row);
            let record = decoded.origins.record(row);
            assert_eq!(record.raw, bytes);
            assert_eq!(
                record.packet_index.map(u64::cast_signed),
                Some(index.value(row))
            );
            assert_eq!(
                record.byte_offset.map(u64::cast_signed),
                Some(offset.value(row))
            );
            let key = (
                spacecraft.is_valid(row).then(|| spacecraft.value(row)),
                channel.is_valid(row).then(|| channel.value(row)),
            );
            let of_channel = self.channels.entry(key).or_default();
            of_channel.0 += 1;
            of_channel.1.extend_from_slice(bytes);
            self.raw.extend_from_slice(bytes);
            self.packets += 1;
        }
    }

    fn summary(&self) -> String {
        let mut text = format!(
            "{} packets, {} bytes, {}, skipped {}, refused {:?}, missing {}\n",
            self.packets,
            self.raw.len(),
            md5(&self.raw),
            self.skipped,
            self.refused,
            self.missing
        );
        for ((spacecraft, channel), (count, bytes)) in &self.channels {
            if let (Some(spacecraft), Some(channel)) = (spacecraft, channel) {
                let digest = md5(bytes);
                writeln!(text, "{spacecraft} {channel}: {count}, {digest}").expect("text");
            }
        }
        for notice in &self.notices {
            writeln!(text, "notice: {notice}").expect("text");
        }
        text
    }
}

fn check(file: &str, format: Option<&str>, expected: &Expect) {
    if let Some(folder) = data() {
        expected.assert_eq(&Rows::of(&folder.join(file), format).summary());
    }
}

#[test]
fn real_cadus_by_what_their_checks_prove() {
    for (file, expected) in [
        (
            "synchronized_cadus",
            expect![[r#"
            12 packets, 53098 bytes, 5e11051d86c46ddc3500904c99bbe978, skipped 0, refused {"packet-frame-lost": 1, "packet-headless": 5, "packet-unfinished": 1}, missing 2
            157 16: 12, 5e11051d86c46ddc3500904c99bbe978
            notice: input: frames are read as aos(frame_length = 892, reed_solomon = 255/223, interleave = 4, basis = dual, marker, randomized): 65 of the first 65 pass its checks; name it with --format to have it always so
        "#]],
        ),
        (
            "16errors_per_codeword",
            expect![[r#"
            12 packets, 53098 bytes, 5e11051d86c46ddc3500904c99bbe978, skipped 0, refused {"packet-frame-lost": 1, "packet-headless": 5, "packet-unfinished": 1}, missing 2
            157 16: 12, 5e11051d86c46ddc3500904c99bbe978
            notice: input: frames are read as aos(frame_length = 892, reed_solomon = 255/223, interleave = 4, basis = dual, marker, randomized): 65 of the first 65 pass its checks; name it with --format to have it always so
        "#]],
        ),
        (
            "dropped_frame20",
            expect![[r#"
            11 packets, 48040 bytes, 392a2f121cc65c4da8692a3233025fa1, skipped 0, refused {"packet-frame-lost": 2, "packet-headless": 9, "packet-unfinished": 1}, missing 4
            157 16: 11, 392a2f121cc65c4da8692a3233025fa1
            notice: input: frames are read as aos(frame_length = 892, reed_solomon = 255/223, interleave = 4, basis = dual, marker, randomized): 64 of the first 64 pass its checks; name it with --format to have it always so
        "#]],
        ),
        (
            "garbage_between",
            expect![[r#"
            12 packets, 53098 bytes, 5e11051d86c46ddc3500904c99bbe978, skipped 0, refused {"no-marker": 3, "packet-frame-lost": 1, "packet-headless": 5, "packet-unfinished": 1}, missing 2
            157 16: 12, 5e11051d86c46ddc3500904c99bbe978
            notice: input: frames are read as aos(frame_length = 892, reed_solomon = 255/223, interleave = 4, basis = dual, marker, randomized): 63 of the first 63 pass its checks; name it with --format to have it always so
        "#]],
        ),
        (
            "uncorrectable_frame30",
            expect![[r#"
            11 packets, 47976 bytes, b15a1e3de2880dc174c6eeee57f7f215, skipped 0, refused {"frame-uncorrectable": 1, "packet-frame-lost": 2, "packet-headless": 10, "packet-unfinished": 1}, missing 4
            157 16: 11, b15a1e3de2880dc174c6eeee57f7f215
            notice: input: frames are read as aos(frame_length = 892, reed_solomon = 255/223, interleave = 4, basis = dual, marker, randomized): 64 of the first 65 pass its checks; name it with --format to have it always so
        "#]],
        ),
    ] {
        check(&format!("frames/snpp/snpp_{file}.dat"), None, &expected);
    }
}

#[test]
fn frames_by_the_name_of_their_link() {
    check(
        "frames/snpp/snpp_synchronized_cadus.dat",
        Some("jpss(spacecraft = 157)"),
        &expect![[r#"
            12 packets, 53098 bytes, 5e11051d86c46ddc3500904c99bbe978, skipped 0, refused {"packet-frame-lost": 1, "packet-headless": 5, "packet-unfinished": 1}, missing 2
            157 16: 12, 5e11051d86c46ddc3500904c99bbe978
        "#]],
    );
    check(
        "fixtures/tm_cadu_1115_randomized.bin",
        None,
        &expect![[r#"
            520 packets, 115620 bytes, 2525d950bccf7c8cc61e5d371014e60a, skipped 2, refused {}, missing 0
            419 0: 500, 8b221b51a8ae67a9bf5750818a11728b
            419 1: 20, aa180bc4c26966a31290d715a3ff9aa9
            notice: input: frames are read as tm(frame_length = 1115, marker, randomized, fecf): 116 of the first 116 pass its checks; name it with --format to have it always so
            notice: spacecraft 419, APID 770: 17 of 19 sequence counts do not follow the one before: no gaps are reported for it
        "#]],
    );
    check(
        "fixtures/tm_frames_1115.bin",
        Some("tm(frame_length = 1115, fecf)"),
        &expect![[r#"
            520 packets, 115620 bytes, 2525d950bccf7c8cc61e5d371014e60a, skipped 2, refused {}, missing 0
            419 0: 500, 8b221b51a8ae67a9bf5750818a11728b
            419 1: 20, aa180bc4c26966a31290d715a3ff9aa9
            notice: spacecraft 419, APID 770: 17 of 19 sequence counts do not follow the one before: no gaps are reported for it
        "#]],
    );
    check(
        "fixtures/aos_frames_892.bin",
        Some("aos(frame_length = 892, insert_zone = 4, fecf)"),
        &expect![[r#"
            520 packets, 115620 bytes, d4bd8df2a3a24a57c4a1d9141ebc3085, skipped 1, refused {}, missing 0
            171 3: 520, d4bd8df2a3a24a57c4a1d9141ebc3085
            notice: spacecraft 171, APID 770: 17 of 19 sequence counts do not follow the one before: no gaps are reported for it
        "#]],
    );
}

#[test]
fn files_of_packets() {
    for (file, expected) in [
        (
            "fixtures/multiplexed.bin",
            expect![[r#"
            1000 packets, 95800 bytes, e2464e419070345b26f6695d1c57106c, skipped 102, refused {}, missing 0
        "#]],
        ),
        (
            "fixtures/jpss_600.bin",
            expect![[r#"
            600 packets, 42600 bytes, b0e45b592cb7a8c4283aa1e934d1b946, skipped 0, refused {}, missing 0
        "#]],
        ),
        (
            "fixtures/jpss_dup.bin",
            expect![[r#"
            625 packets, 44375 bytes, 20a905144a469af2b157e9bb4f52a396, skipped 0, refused {}, missing 0
        "#]],
        ),
        (
            "fixtures/jpss_truncated_tail.bin",
            expect![[r#"
            599 packets, 42529 bytes, 088108e931c2123e33b5b1aadbf74e81, skipped 0, refused {"no-packet": 1}, missing 0
        "#]],
        ),
        (
            "fixtures/segmented.bin",
            expect![[r#"
            32 packets, 3032 bytes, 27f917cd90ae2496df43f3e9f9419f37, skipped 0, refused {}, missing 0
        "#]],
        ),
        (
            "packets/ctim/ccsds_2021_155_14_39_51",
            expect![[r#"
            1499 packets, 1321066 bytes, 4e4b31aac537bacea77872cb66efdcbd, skipped 0, refused {}, missing 39
        "#]],
        ),
    ] {
        check(file, None, &expected);
    }
}

/// What is inferred decodes, for files that are queried where they lie.
#[test]
fn inferred_columns_decode() {
    let Some(folder) = data() else {
        return;
    };
    let path = folder.join("frames/snpp/snpp_synchronized_cadus.dat");
    let format = detect("input", &head(&path)).expect("a format");
    let open = || Input::File(File::open(&path).expect("a file"));
    let inferred = (format.infer)(open(), &InferOptions::default()).expect("columns");
    expect![[r#"Some("aos(frame_length = 892, reed_solomon = 255/223, interleave = 4, basis = dual, marker, randomized)")"#]].assert_eq(&format!("{:?}", inferred.layout.format));
    let (columns, _) = inferred.columns().expect("columns");
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    expect!["scid vcid apid seq_flags seq_count length raw replay packet_index byte_offset"]
        .assert_eq(&names.join(" "));
    let definition = Definition {
        input: inferred.layout.clone(),
        ..Definition::new("file", downlake_lake::schema::Origin::Inferred, columns)
    };
    let options = DecodeOptions::default();
    let mut decoder = (format.open)(open(), &definition, &options).expect("a decoder");
    let mut rows = Rows::default();
    while let Some(decoded) = decoder.next().expect("a readable file") {
        rows.skipped += decoded.batch.num_rows() as u64;
        rows.notices.extend(decoded.notices);
    }
    assert_eq!((rows.skipped, rows.notices), (12, Vec::new()));
}
