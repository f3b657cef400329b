use std::fmt::Write as _;
use std::io::{self, BufReader};

use arrow::util::display::array_value_to_string;
use expect_test::{Expect, expect};

use super::*;

/// A packet whose data are its count.
fn packet(apid: u8, count: u8, data: usize) -> Vec<u8> {
    let length = u16::try_from(data - 1).expect("short").to_be_bytes();
    let mut packet = vec![0x08, apid, 0xC0, count, length[0], length[1]];
    packet.resize(6 + data, count);
    packet
}

fn idle() -> Vec<u8> {
    vec![0x07, 0xFF, 0xC0, 0, 0, 1, 0x55, 0x55]
}

fn packets(count: u8) -> Vec<u8> {
    (0..count)
        .flat_map(|n| packet(7, n, 10 + usize::from(n)))
        .collect()
}

/// A reader that fails behind its bytes.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the disk is gone")),
            read => Ok(read),
        }
    }
}

fn stream() -> Definition {
    embedded::get(STREAM).expect("an embedded stream")
}

/// Everything that a decoder says, a line a record.
fn told(decoder: &mut dyn Decoder) -> String {
    let mut text = String::new();
    loop {
        match decoder.next() {
            Ok(None) => return text,
            Ok(Some(decoded)) => tell(&mut text, &decoded),
            Err(error) => {
                writeln!(text, "error: {}", error.message()).expect("strings take text");
                return text;
            }
        }
    }
}

fn tell(text: &mut String, decoded: &Decoded) {
    let mut line = |line: String| writeln!(text, "{line}").expect("strings take text");
    for row in 0..decoded.batch.num_rows() {
        let record = decoded.origins.record(row);
        line(format!(
            "{:?} at {:?}: {} bytes of {}",
            record.packet_index.expect("packets are numbered"),
            record.byte_offset.expect("packets have places"),
            record.raw.len(),
            record.raw[1]
        ));
    }
    for reject in &decoded.rejects {
        line(format!(
            "{} at {:?}: {} bytes",
            reject.reason,
            reject.record.byte_offset.expect("holes have places"),
            reject.record.raw.len()
        ));
    }
    if decoded.skipped > 0 {
        line(format!("skipped {}", decoded.skipped));
    }
    for notice in &decoded.notices {
        line(format!("notice: {notice}"));
    }
}

fn check(format: &Format, bytes: &[u8], expected: &Expect) {
    let input = || Input::Stream(Box::new(Cursor::new(bytes.to_vec())));
    let options = DecodeOptions::default();
    let mut decoder = (format.open)(input(), &stream(), &options).expect("a decoder");
    let whole = told(decoder.as_mut());
    expected.assert_eq(&whole);
    let narrow = DecodeOptions {
        batch_rows: 1,
        ..options
    };
    let mut decoder = (format.open)(input(), &stream(), &narrow).expect("a decoder");
    let rows = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("skipped"));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(rows(&told(decoder.as_mut())), rows(&whole));
}

#[test]
fn packets_in_a_row() {
    let garbage = vec![0xFF; 9];
    let input = [packets(5), idle(), packets(3), garbage, packets(9), idle()].concat();
    check(
        &PACKETS,
        &input,
        &expect![[r#"
        no-packet at 149: 9 bytes
        0 at 0: 16 bytes of 7
        1 at 16: 17 bytes of 7
        2 at 33: 18 bytes of 7
        3 at 51: 19 bytes of 7
        4 at 70: 20 bytes of 7
        6 at 98: 16 bytes of 7
        7 at 114: 17 bytes of 7
        8 at 131: 18 bytes of 7
        9 at 158: 16 bytes of 7
        10 at 174: 17 bytes of 7
        11 at 191: 18 bytes of 7
        12 at 209: 19 bytes of 7
        13 at 228: 20 bytes of 7
        14 at 248: 21 bytes of 7
        15 at 269: 22 bytes of 7
        16 at 291: 23 bytes of 7
        17 at 314: 24 bytes of 7
        skipped 2
    "#]],
    );
    check(&PACKETS, &[], &expect![[r#""#]]);
}

/// What came before a failing disk is told first.
#[test]
fn a_reader_that_fails_loses_nothing_before_it() {
    let reader = Failing(Cursor::new(packets(4)));
    let input = Input::Stream(Box::new(BufReader::new(reader)));
    let decoder = (FRAMES.open)(
        input,
        &Definition {
            input: InputLayout {
                format: Some("tm(frame_length = 20)".to_owned()),
                ..InputLayout::default()
            },
            ..stream()
        },
        &DecodeOptions::default(),
    );
    expect![[r#"
        frame-segments at 0: 20 bytes
        frame-segments at 20: 20 bytes
        frame-segments at 40: 20 bytes
        error: cannot read input: the disk is gone
    "#]]
    .assert_eq(&told(decoder.expect("a decoder").as_mut()));
}

#[test]
fn columns_hold_what_the_packet_and_its_frame_say() {
    // A TM frame of spacecraft 419, virtual channel 1, with one packet.
    let mut frame = vec![0x1A, 0x32, 0, 0, 0x18, 0];
    frame.extend(packet(7, 3, 10));
    let definition = Definition {
        input: InputLayout {
            format: Some(format!("tm(frame_length = {})", frame.len())),
            ..InputLayout::default()
        },
        ..stream()
    };
    let mut rows = String::new();
    for (format, bytes) in [(&FRAMES, frame.clone()), (&PACKETS, packet(7, 3, 10))] {
        let input = Input::Stream(Box::new(Cursor::new(bytes)));
        let mut decoder =
            (format.open)(input, &definition, &DecodeOptions::default()).expect("a decoder");
        let batch = decoder.next().expect("rows").expect("rows").batch;
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let value = array_value_to_string(column, 0).expect("a type that is shown");
            write!(rows, "{} {value}, ", field.name()).expect("strings take text");
        }
        rows.push('\n');
    }
    expect![[r#"
        scid 419, vcid 1, apid 7, seq_flags 3, seq_count 3, length 16, raw 0807c003000903030303030303030303, replay false, _packet_index 0, _byte_offset 0, 
        scid , vcid , apid 7, seq_flags 3, seq_count 3, length 16, raw 0807c003000903030303030303030303, replay , _packet_index 0, _byte_offset 0, 
    "#]].assert_eq(&rows);
}

#[test]
fn other_columns_are_refused() {
    let mut definition = stream();
    definition.columns[0].source = "temperature".to_owned();
    let input = Input::Stream(Box::new(Cursor::new(Vec::new())));
    let opened = (PACKETS.open)(input, &definition, &DecodeOptions::default());
    expect![[r#"packets have no field "temperature" for column "scid": there are scid, vcid, apid, seq_flags, seq_count, length, raw, replay, _packet_index, _byte_offset; a packet definition says what is in them"#]].assert_eq(opened.err().expect("no decoder").message());
}

#[test]
fn formats_are_known_by_the_name_of_a_link() {
    for name in [
        "cadu",
        "jpss",
        "tm-1115",
        "aos(frame_length = 892)",
        "tm(fecf)",
    ] {
        assert_eq!(super::super::format_by_name(name).expect(name).name, "cadu");
    }
    assert!(super::super::format_by_name("aso(frame_length = 892)").is_err());
}

#[test]
fn a_link_that_is_wrong_is_refused() {
    let definition = Definition {
        input: InputLayout {
            format: Some("tm(fecf)".to_owned()),
            ..InputLayout::default()
        },
        ..stream()
    };
    let input = Input::Stream(Box::new(Cursor::new(vec![1; 100])));
    let opened = (FRAMES.open)(input, &definition, &DecodeOptions::default());
    expect![[
        r#"link "tm(fecf)": the link lacks the key "frame_length", such as frame_length = 892"#
    ]]
    .assert_eq(opened.err().expect("no decoder").message());
}

/// What is taken for packets, and what is not.
#[test]
fn only_packets_look_like_packets() {
    let counted = |step: u8| -> Vec<u8> {
        (0..40_u8)
            .flat_map(|n| packet(7, n.wrapping_mul(step), 20))
            .collect()
    };
    let cut = |bytes: Vec<u8>, length: usize| bytes[..length].to_vec();
    let words: Vec<u8> = (0..9000_u32).flat_map(|n| (n % 90).to_le_bytes()).collect();
    let halves: Vec<u8> = (0..9000_u16).flat_map(|n| (n % 7).to_be_bytes()).collect();
    let cases = [
        ("packets", counted(1), true),
        ("packets, cut", cut(counted(1), 777), true),
        (
            "packets, cut in a header",
            cut(counted(1), 26 * 5 + 3),
            true,
        ),
        ("one packet", packet(7, 0, 20), false),
        ("two packets", packets(2), true),
        (
            "packets, then garbage",
            [counted(1), vec![0xFF; 53]].concat(),
            true,
        ),
        (
            "few packets, then garbage",
            [packets(4), vec![0xFF; 53]].concat(),
            false,
        ),
        ("counts at random", counted(77), false),
        ("half a packet", cut(packet(7, 0, 20), 15), false),
        ("nothing", Vec::new(), false),
        ("a byte", vec![8], false),
        ("zeros", vec![0; 4096], false),
        ("small words", words, false),
        ("small halves", halves, false),
        (
            "text",
            b"\n\t\n\t 1,2,3\n 4,5,6\n".repeat(200).to_vec(),
            false,
        ),
        ("blank lines", b"\n".repeat(300).to_vec(), false),
        (
            "tabs",
            b"\t\t\t\t\t\t\t\t1\t2\n".repeat(300).to_vec(),
            false,
        ),
    ];
    for (what, bytes, expected) in cases {
        assert_eq!((PACKETS.sniff)(&bytes), expected, "{what}");
    }
}
