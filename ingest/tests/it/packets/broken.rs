//! Definitions that must be refused, with their messages; and bytes that
//! nobody meant, in definitions and in packets.

#![expect(clippy::print_stdout, reason = "a test says what it ran")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use downlake_ingest::packet::decoder::PacketDecoder;
use downlake_ingest::packet::kernels::Packet;
use downlake_ingest::packet::model::PacketDefinition;
use downlake_ingest::packet::walk::{PacketWalker, Piece};
use downlake_ingest::packet::{ccsdspy, document, xtce};
use expect_test::expect;

use super::synthetic::packet;
use crate::fuzz::{Random, broken};

/// A document with these types, parameters and containers.
fn xtce_text(types: &str, parameters: &str, containers: &str) -> String {
    format!(
        "<SpaceSystem name=\"S\">\n<TelemetryMetaData>\n<ParameterTypeSet>{types}</ParameterTypeSet>\n\
         <ParameterSet>{parameters}</ParameterSet>\n<ContainerSet>{containers}</ContainerSet>\n\
         </TelemetryMetaData>\n</SpaceSystem>"
    )
}

const U8: &str = "<IntegerParameterType name=\"u8\"><IntegerDataEncoding sizeInBits=\"8\"/></IntegerParameterType>";
const P: &str = "<Parameter name=\"P\" parameterTypeRef=\"u8\"/>";
const R: &str = "<SequenceContainer name=\"R\"><EntryList><ParameterRefEntry parameterRef=\"P\"/></EntryList></SequenceContainer>";

/// One parameter of this type in one container.
fn with_type(of_type: &str) -> String {
    let named = of_type.replacen("ParameterType", "ParameterType name=\"t\"", 1);
    xtce_text(
        &format!("{U8}\n{named}"),
        &format!("{P}<Parameter name=\"T\" parameterTypeRef=\"t\"/>"),
        "<SequenceContainer name=\"R\"><EntryList><ParameterRefEntry parameterRef=\"P\"/>\
         <ParameterRefEntry parameterRef=\"T\"/></EntryList></SequenceContainer>",
    )
}

/// One integer whose encoding has these attributes and children.
fn with_integer(attributes: &str, children: &str) -> String {
    with_type(&format!(
        "<IntegerParameterType><IntegerDataEncoding {attributes}>{children}</IntegerDataEncoding></IntegerParameterType>"
    ))
}

/// One container with this entry behind P.
fn with_entry(entry: &str) -> String {
    let containers = format!(
        "<SequenceContainer name=\"R\"><EntryList><ParameterRefEntry parameterRef=\"P\"/>\n{entry}</EntryList></SequenceContainer>"
    );
    xtce_text(
        U8,
        &format!("{P}<Parameter name=\"Q\" parameterTypeRef=\"u8\"/>"),
        &containers,
    )
}

/// A container that inherits from R under this criterion.
fn with_criterion(criterion: &str) -> String {
    let heir = format!(
        "<SequenceContainer name=\"H\"><EntryList/><BaseContainer containerRef=\"R\">\
         <RestrictionCriteria>{criterion}</RestrictionCriteria></BaseContainer></SequenceContainer>"
    );
    xtce_text(U8, P, &format!("{R}\n{heir}"))
}

fn compiled(read: downlake_lake::Result<PacketDefinition>) -> String {
    match read.and_then(|definition| PacketDecoder::new(&definition, None)) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.message().to_owned(),
    }
}

#[test]
fn xtce_that_is_not_implemented_is_refused_with_its_line() {
    let laughs =
        "<!DOCTYPE s [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><SpaceSystem name=\"&b;\"/>";
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    let text = |size: &str| {
        with_type(&format!(
            "<StringParameterType><StringDataEncoding>{size}</StringDataEncoding></StringParameterType>"
        ))
    };
    let binary = |size: &str| {
        with_type(&format!(
            "<BinaryParameterType><BinaryDataEncoding><SizeInBits>{size}</SizeInBits></BinaryDataEncoding></BinaryParameterType>"
        ))
    };
    let later = xtce_text(
        &format!(
            "{U8}<BinaryParameterType name=\"b\"><BinaryDataEncoding><SizeInBits><DynamicValue><ParameterInstanceRef parameterRef=\"P\"/></DynamicValue></SizeInBits></BinaryDataEncoding></BinaryParameterType>"
        ),
        &format!("{P}<Parameter name=\"B\" parameterTypeRef=\"b\"/>"),
        "<SequenceContainer name=\"R\"><EntryList><ParameterRefEntry parameterRef=\"B\"/><ParameterRefEntry parameterRef=\"P\"/></EntryList></SequenceContainer>",
    );
    let location = |attributes: &str, value: &str| {
        with_entry(&format!(
            "<ParameterRefEntry parameterRef=\"Q\"><LocationInContainerInBits {attributes}><FixedValue>{value}</FixedValue></LocationInContainerInBits></ParameterRefEntry>"
        ))
    };
    let time = |attributes: &str, epoch: &str| {
        with_type(&format!(
            "<AbsoluteTimeParameterType><Encoding {attributes}><IntegerDataEncoding sizeInBits=\"32\"/></Encoding><ReferenceTime><Epoch>{epoch}</Epoch></ReferenceTime></AbsoluteTimeParameterType>"
        ))
    };
    let cases = [
        ("good", with_entry("")),
        ("not XML", "<SpaceSystem name=\"S\"><a></b>".to_owned()),
        ("cut", "<SpaceSystem name=\"S\">".to_owned()),
        (
            "two roots",
            "<SpaceSystem name=\"S\"/><SpaceSystem name=\"T\"/>".to_owned(),
        ),
        ("laughs", laughs.to_owned()),
        ("deep", deep),
        ("other root", "<html/>".to_owned()),
        ("no containers", xtce_text(U8, P, "")),
        ("zero bits", with_integer("sizeInBits=\"0\"", "")),
        ("65 bits", with_integer("sizeInBits=\"65\"", "")),
        (
            "BCD",
            with_integer("sizeInBits=\"8\" encoding=\"packedBCD\"", ""),
        ),
        (
            "odd little endian",
            with_integer(
                "sizeInBits=\"12\" byteOrder=\"leastSignificantByteFirst\"",
                "",
            ),
        ),
        (
            "bit order",
            with_integer("sizeInBits=\"8\" bitOrder=\"leastSignificantBitFirst\"", ""),
        ),
        (
            "unknown attribute",
            with_integer("sizeInBits=\"8\" parity=\"even\"", ""),
        ),
        (
            "spline",
            with_integer(
                "sizeInBits=\"8\"",
                "<DefaultCalibrator><SplineCalibrator/></DefaultCalibrator>",
            ),
        ),
        (
            "context calibrators",
            with_integer("sizeInBits=\"8\"", "<ContextCalibratorList/>"),
        ),
        (
            "negative exponent",
            with_integer(
                "sizeInBits=\"8\"",
                "<DefaultCalibrator><PolynomialCalibrator><Term coefficient=\"1\" exponent=\"-1\"/></PolynomialCalibrator></DefaultCalibrator>",
            ),
        ),
        (
            "no encoding",
            with_type("<IntegerParameterType></IntegerParameterType>"),
        ),
        (
            "MIL-1750A",
            with_type(
                "<FloatParameterType><FloatDataEncoding sizeInBits=\"32\" encoding=\"MILSTD_1750A\"/></FloatParameterType>",
            ),
        ),
        (
            "float of 24 bits",
            with_type(
                "<FloatParameterType><FloatDataEncoding sizeInBits=\"24\"/></FloatParameterType>",
            ),
        ),
        (
            "relative time",
            with_type("<RelativeTimeParameterType></RelativeTimeParameterType>"),
        ),
        (
            "UTF-16",
            with_type(
                "<StringParameterType><StringDataEncoding encoding=\"UTF-16\"><SizeInBits><Fixed><FixedValue>16</FixedValue></Fixed></SizeInBits></StringDataEncoding></StringParameterType>",
            ),
        ),
        (
            "zero text",
            text("<SizeInBits><Fixed><FixedValue>0</FixedValue></Fixed></SizeInBits>"),
        ),
        ("endless text", text("<Variable maxSizeInBits=\"64\"/>")),
        (
            "bad terminator",
            text("<SizeInBits><TerminationChar>0</TerminationChar></SizeInBits>"),
        ),
        ("bytes of 12 bits", binary("<FixedValue>12</FixedValue>")),
        ("zero bytes", binary("<FixedValue>0</FixedValue>")),
        (
            "dangling length",
            binary("<DynamicValue><ParameterInstanceRef parameterRef=\"X\"/></DynamicValue>"),
        ),
        (
            "half a byte each",
            binary(
                "<DynamicValue><ParameterInstanceRef parameterRef=\"P\"/><LinearAdjustment slope=\"0.5\"/></DynamicValue>",
            ),
        ),
        ("lookup length", binary("<DiscreteLookupList/>")),
        ("length comes later", later),
        (
            "array in steps",
            with_type(
                "<ArrayParameterType arrayTypeRef=\"u8\"><DimensionList><Dimension><StartingIndex><DynamicValue/></StartingIndex><EndingIndex><FixedValue>3</FixedValue></EndingIndex></Dimension></DimensionList></ArrayParameterType>",
            ),
        ),
        (
            "two dimensions",
            with_type(
                "<ArrayParameterType arrayTypeRef=\"u8\"><DimensionList><Dimension/><Dimension/></DimensionList></ArrayParameterType>",
            ),
        ),
        (
            "array of itself",
            with_type(
                "<ArrayParameterType arrayTypeRef=\"t\"><DimensionList><Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex><EndingIndex><FixedValue>3</FixedValue></EndingIndex></Dimension></DimensionList></ArrayParameterType>",
            ),
        ),
        (
            "huge array",
            with_type(
                "<ArrayParameterType arrayTypeRef=\"u8\"><DimensionList><Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex><EndingIndex><FixedValue>4294967294</FixedValue></EndingIndex></Dimension></DimensionList></ArrayParameterType>",
            ),
        ),
        (
            "two labels",
            with_type(
                "<EnumeratedParameterType><IntegerDataEncoding/><EnumerationList><Enumeration value=\"1\" maxValue=\"3\" label=\"a\"/><Enumeration value=\"2\" label=\"b\"/></EnumerationList></EnumeratedParameterType>",
            ),
        ),
        ("inexact clock", time("scale=\"0.3\"", "TAI")),
        ("clock offset", time("offset=\"5\"", "TAI")),
        ("unclear epoch", time("", "J2000")),
        (
            "repeat",
            with_entry(
                "<ParameterRefEntry parameterRef=\"Q\"><RepeatEntry><Count><FixedValue>2</FixedValue></Count></RepeatEntry></ParameterRefEntry>",
            ),
        ),
        (
            "segment",
            with_entry("<ParameterSegmentRefEntry parameterRef=\"Q\" sizeInBits=\"4\"/>"),
        ),
        (
            "twice",
            with_entry("<ParameterRefEntry parameterRef=\"P\"/>"),
        ),
        (
            "dangling parameter",
            with_entry("<ParameterRefEntry parameterRef=\"PP\"/>"),
        ),
        (
            "from the end",
            location("referenceLocation=\"containerEnd\"", "8"),
        ),
        ("before the start", location("", "-16")),
        (
            "beyond every packet",
            location("referenceLocation=\"containerStart\"", "600000"),
        ),
        (
            "includes itself",
            with_entry("<ContainerRefEntry containerRef=\"R\"/>"),
        ),
        (
            "inherits from itself",
            xtce_text(
                U8,
                P,
                "<SequenceContainer name=\"A\"><EntryList/><BaseContainer containerRef=\"B\"/></SequenceContainer><SequenceContainer name=\"B\"><EntryList/><BaseContainer containerRef=\"A\"/></SequenceContainer>",
            ),
        ),
        (
            "no base",
            xtce_text(
                U8,
                P,
                "<SequenceContainer name=\"A\"><EntryList/><BaseContainer containerRef=\"B\"/></SequenceContainer>",
            ),
        ),
        (
            "two beginnings",
            xtce_text(U8, P, &format!("{R}{}", R.replace("\"R\"", "\"T\""))),
        ),
        (
            "duplicate parameter",
            xtce_text(U8, &format!("{P}\n{P}"), R),
        ),
        ("duplicate type", xtce_text(&format!("{U8}\n{U8}"), P, R)),
        (
            "duplicate container",
            xtce_text(U8, P, &format!("{R}\n{R}")),
        ),
        (
            "container size",
            xtce_text(
                U8,
                P,
                &R.replace("<EntryList>", "<BinaryEncoding/><EntryList>"),
            ),
        ),
        (
            "next container",
            with_criterion("<NextContainer containerRef=\"R\"/>"),
        ),
        (
            "another instance",
            with_criterion("<Comparison parameterRef=\"P\" value=\"1\" instance=\"-1\"/>"),
        ),
        (
            "no number",
            with_criterion("<Comparison parameterRef=\"P\" value=\"1.5\"/>"),
        ),
        (
            "no operator",
            with_criterion("<Comparison parameterRef=\"P\" value=\"1\" comparisonOperator=\"~\"/>"),
        ),
        ("algorithm", with_criterion("<CustomAlgorithm name=\"x\"/>")),
        (
            "dangling criterion",
            with_criterion("<Comparison parameterRef=\"X\" value=\"1\"/>"),
        ),
        (
            "good criterion",
            with_criterion("<Comparison parameterRef=\"P\" value=\"0x10\"/>"),
        ),
    ];
    let mut out = String::new();
    for (name, text) in &cases {
        let read = xtce::read(text.as_bytes(), "d.xml", None);
        writeln!(out, "{name}: {}", compiled(read)).expect("a line");
    }
    expect![[""]].assert_eq(&out);
}

#[test]
fn csv_that_is_not_implemented_is_refused_with_its_line() {
    let head = "name,data_type,bit_length";
    let cases = [
        ("good", format!("{head}\na,uint,8\nb, float, 32\n")),
        ("empty", String::new()),
        ("no columns", "a,b\n1,2\n".to_owned()),
        ("missing column", "name,data_type\na,uint\n".to_owned()),
        ("short line", format!("{head}\na,uint\n")),
        ("no number", format!("{head}\na,uint,x\n")),
        ("65 bits", format!("{head}\na,uint,8\nb,uint,65\n")),
        ("zero bits", format!("{head}\na,uint,0\n")),
        ("unknown type", format!("{head}\na,complex,8\n")),
        ("expanding", format!("{head}\na,uint(expand),8\n")),
        ("by a field", format!("{head}\nn,uint,8\na,uint(n),8\n")),
        ("two dimensions", format!("{head}\na,\"uint(2, 2)\",8\n")),
        ("array", format!("{head}\na,uint(3),8\n")),
        ("twice", format!("{head}\na,uint,8\na,uint,8\n")),
        (
            "calibration",
            format!("{head},calibration\na,uint,8,sqrt\n"),
        ),
        (
            "mixed offsets",
            format!("{head},bit_offset\na,uint,8,0\nb,uint,8,\n"),
        ),
        ("names collide", format!("{head}\nA b,uint,8\na_b,uint,8\n")),
    ];
    let mut out = String::new();
    for (name, text) in &cases {
        let read = ccsdspy::read(text.as_bytes(), "d.csv", "sim", Some(7));
        writeln!(out, "{name}: {}", compiled(read)).expect("a line");
    }
    expect![[""]].assert_eq(&out);
}

#[test]
fn toml_that_says_nothing_is_refused_with_its_line() {
    let cases = [
        ("not TOML", "packets = "),
        ("no root", "packets = \"p\"\n"),
        ("unknown key", "packets = \"p\"\nroot = \"r\"\ncolour = 1\n"),
        (
            "no such root",
            "packets = \"p\"\nroot = \"r\"\n[[container]]\nname = \"s\"\nentries = []\n",
        ),
        (
            "unknown type",
            "packets = \"p\"\nroot = \"r\"\n\n[[parameter]]\nname = \"a\"\ntype = \"x8\"\n",
        ),
        (
            "no type",
            "packets = \"p\"\nroot = \"r\"\n[[parameter]]\nname = \"a\"\n",
        ),
        (
            "key of another type",
            "packets = \"p\"\nroot = \"r\"\n[[parameter]]\nname = \"a\"\ntype = \"u8\"\nbits = 8\n",
        ),
        (
            "two meanings",
            "packets = \"p\"\nroot = \"r\"\n[[parameter]]\nname = \"a\"\ntype = \"u8\"\nboolean = true\npolynomial = [[1.0, 2]]\n",
        ),
        (
            "two places",
            "packets = \"p\"\nroot = \"r\"\n[[container]]\nname = \"r\"\nentries = [{ parameter = \"a\", at = 1, after = 1 }]\n",
        ),
        (
            "half a condition",
            "packets = \"p\"\nroot = \"r\"\n[[container]]\nname = \"r\"\nwhen = { parameter = \"a\" }\nentries = []\n",
        ),
        (
            "empty",
            "packets = \"p\"\nroot = \"r\"\n[[container]]\nname = \"r\"\nentries = []\n",
        ),
    ];
    let mut out = String::new();
    for (name, text) in cases {
        let read = document::read(text, "d.toml");
        writeln!(out, "{name}: {}", compiled(read)).expect("a line");
    }
    expect![[""]].assert_eq(&out);
}

/// As many parameters as a large mission has, and more than a container holds.
#[test]
fn large_definitions_are_read_and_larger_ones_refused() {
    let definition = |count: usize| {
        let parameters: String = (0..count)
            .map(|i| format!("<Parameter name=\"P{i}\" parameterTypeRef=\"u8\"/>\n"))
            .collect();
        let entries: String = (0..count)
            .map(|i| format!("<ParameterRefEntry parameterRef=\"P{i}\"/>\n"))
            .collect();
        let container = format!(
            "<SequenceContainer name=\"R\"><EntryList>{entries}</EntryList></SequenceContainer>"
        );
        xtce_text(U8, &parameters, &container)
    };
    let read = |count| compiled(xtce::read(definition(count).as_bytes(), "d.xml", None));
    expect![[""]].assert_eq(&read(10_000));
    expect![[""]].assert_eq(&read(65_543));
}

const MIXED: &str = r#"
packets = "mixed"
root = "all"
parameter = [
    { name = "KIND", type = "u8" },
    { name = "A", type = "u13", count = 3 },
    { name = "T", type = "text", terminator = [0] },
    { name = "L", type = "text", leading_size_bits = 7 },
    { name = "B", type = "binary", bits_from = { parameter = "KIND", slope = 4, intercept = 16 } },
    { name = "F", type = "f32", polynomial = [[2.0, 1]] },
]
[[container]]
name = "all"
entries = [{ parameter = "KIND", at = 48 }]
[[container]]
name = "one"
base = "all"
when = { parameter = "KIND", is = "<", value = 100 }
entries = [{ parameter = "A" }, { parameter = "T", when = { parameter = "KIND", is = "!=", value = 3 } }, { parameter = "B" }]
[[container]]
name = "two"
base = "all"
when = { parameter = "KIND", is = ">=", value = 50 }
entries = [{ parameter = "L" }, { parameter = "F", after = 1 }]
"#;

/// Decodes a stream whole: every byte in a packet or a hole, every packet a
/// row or refused.
fn decode_all(definition: &PacketDefinition, stream: &[u8]) {
    let Ok(mut decoder) = PacketDecoder::new(definition, None) else {
        return;
    };
    let mut walker = PacketWalker::new(stream);
    let mut bytes = 0;
    while let Some(piece) = walker.next_piece().expect("bytes") {
        match piece {
            Piece::Hole(hole) => bytes += hole.bytes,
            Piece::Packet(packet) => {
                bytes += packet.bytes.len() as u64;
                let Ok(stream) = decoder.resolve(packet.bytes) else {
                    continue;
                };
                let rows = decoder.decode(stream, &[packet]).expect("rows or refusals");
                assert_eq!(rows.batch.num_rows() + rows.refused.len(), 1);
                let again: &[Packet] = &[packet, packet];
                let twice = decoder.decode(stream, again).expect("rows or refusals");
                assert_eq!(twice.batch.num_rows(), rows.batch.num_rows() * 2);
            }
        }
    }
    assert_eq!(bytes, stream.len() as u64);
}

/// A second of each; `DOWNLAKE_FUZZ_SECONDS` for more.
fn fuzz(name: &str, mut run: impl FnMut(&mut Random)) {
    let seconds = std::env::var("DOWNLAKE_FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(1.0);
    let seed = std::env::var("DOWNLAKE_FUZZ_SEED")
        .ok()
        .and_then(|s| s.parse().ok());
    let fresh = u64::from(std::process::id()).wrapping_mul(0x9e37_79b9);
    for seed in [1, seed.unwrap_or(fresh)] {
        let (mut random, start, mut executions) = (Random(seed), Instant::now(), 0u64);
        println!("{name}: seed {seed}");
        while start.elapsed() < Duration::from_secs_f64(seconds) / 2 || executions < 50 {
            run(&mut random);
            executions += 1;
        }
        println!("{name}: seed {seed}: {executions} executions");
    }
}

#[test]
fn broken_packets() {
    let definition = document::read(MIXED, "mixed.toml").expect("a definition");
    let bodies: [&[u8]; 5] = [
        b"\x01\xff\xff\xff\xff\xff\x02\x03\0",
        b"\x03abcdef",
        b"\x64\x06abc\x01\x02\x03\x04",
        b"\x42\x42",
        &[0x11; 64],
    ];
    let stream: Vec<u8> = (0..20u16)
        .flat_map(|count| {
            packet(
                7 + count % 2,
                count,
                bodies[usize::from(count) % bodies.len()],
            )
        })
        .collect();
    fuzz("packets", |random| {
        decode_all(&definition, &broken(&stream, random));
    });
}

#[test]
fn broken_definitions() {
    let stream: Vec<u8> = (0..4u16)
        .flat_map(|count| packet(7, count, &[9; 12]))
        .collect();
    let documents = [
        with_criterion("<Comparison parameterRef=\"P\" value=\"9\"/>"),
        with_integer(
            "sizeInBits=\"8\"",
            "<DefaultCalibrator><PolynomialCalibrator><Term coefficient=\"1.5\" exponent=\"2\"/></PolynomialCalibrator></DefaultCalibrator>",
        ),
        with_type(
            "<StringParameterType><StringDataEncoding><Variable maxSizeInBits=\"64\"><TerminationChar>00</TerminationChar></Variable></StringDataEncoding></StringParameterType>",
        ),
    ];
    let csv = "name,data_type,bit_length,bit_offset,calibration\na,uint,8,0,\nb[0],int,8,8,\nb[1],int,8,8,\nc,float,32,24,\"{\"\"1\"\":2}\"\n";
    fuzz("definitions", |random| {
        for document in &documents {
            let bytes = broken(document.as_bytes(), random);
            if let Ok(definition) = xtce::read(&bytes, "d.xml", None) {
                decode_all(&definition, &stream);
            }
        }
        if let Ok(definition) = ccsdspy::read(&broken(csv.as_bytes(), random), "d.csv", "s", None) {
            decode_all(&definition, &stream);
        }
        let text = String::from_utf8_lossy(&broken(MIXED.as_bytes(), random)).into_owned();
        if let Ok(definition) = document::read(&text, "d.toml") {
            decode_all(&definition, &stream);
        }
    });
}
