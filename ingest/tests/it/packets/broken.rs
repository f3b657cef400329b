//! Definitions that must be refused, with their messages; and bytes that
//! nobody meant, in definitions and in packets.

#![expect(clippy::print_stdout, reason = "a test says what it ran")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use downlake_ingest::packet::ccsdspy::{self, Origin, Said};
use downlake_ingest::packet::decoder::{DecodedChunk, PacketDecoder};
use downlake_ingest::packet::feed::{Chunk, Feed, PacketFile};
use downlake_ingest::packet::model::PacketDefinition;
use downlake_ingest::packet::{document, xtce};
use expect_test::expect;

use super::support::{chunk_of, decoded_whole};
use super::synthetic::packet;
use crate::fuzz::{Random, broken};

/// A document with these types, parameters and containers.
pub(super) fn xtce_text(types: &str, parameters: &str, containers: &str) -> String {
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

pub(super) fn compiled(read: downlake_lake::Result<PacketDefinition>) -> String {
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
        ("epoch of TT", time("", "J2000")),
        ("unclear epoch", time("", "then")),
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
            "inherits from a circle",
            xtce_text(
                U8,
                P,
                "<SequenceContainer name=\"A\"><EntryList/><BaseContainer containerRef=\"B\"/></SequenceContainer>\n<SequenceContainer name=\"B\"><EntryList/><BaseContainer containerRef=\"C\"/></SequenceContainer>\n<SequenceContainer name=\"C\"><EntryList/><BaseContainer containerRef=\"B\"/></SequenceContainer>",
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
    expect![[r#"
        good: accepted
        not XML: d.xml:1: not XML: ill-formed document: expected `</a>`, but `</b>` was found
        cut: d.xml:1: the document ends too early
        two roots: d.xml:1: more than one root element
        laughs: d.xml:1: a document type definition is not accepted: remove the DOCTYPE
        deep: d.xml:1: elements are nested deeper than 64
        other root: d.xml:1: the root element is "html", not SpaceSystem
        no containers: d.xml:1: SpaceSystem "S" has no container: nothing says what packets hold
        zero bits: d.xml:5: parameter "T" has 0 bits: a whole number has 1 to 64
        65 bits: d.xml:5: parameter "T" has 65 bits: a whole number has 1 to 64
        BCD: d.xml:4: IntegerDataEncoding has encoding="packedBCD": not implemented
        odd little endian: d.xml:5: parameter "T" has 12 bits, least significant byte first: that needs whole bytes
        bit order: d.xml:4: IntegerDataEncoding has bitOrder="leastSignificantBitFirst": not implemented
        unknown attribute: d.xml:4: IntegerDataEncoding has parity="even": not implemented
        spline: d.xml:4: SplineCalibrator in "DefaultCalibrator" is not implemented
        context calibrators: d.xml:4: ContextCalibratorList in "IntegerDataEncoding" is not implemented
        negative exponent: d.xml:4: Term has exponent="-1", which is no such number
        no encoding: d.xml:4: IntegerParameterType "t" has 0 data encodings: expected one, which says its bits
        MIL-1750A: d.xml:4: FloatDataEncoding has encoding="MILSTD_1750A": not implemented
        float of 24 bits: d.xml:5: parameter "T" has 24 bits: a float has 16, 32 or 64
        relative time: d.xml:4: RelativeTimeParameterType "t" is not implemented
        UTF-16: d.xml:4: StringDataEncoding has encoding="UTF-16": not implemented
        zero text: d.xml:5: parameter "T" has 0 bits: text and bytes take whole bytes, 8 to 524336 bits
        endless text: d.xml:5: parameter "T" has no size, and nothing that ends it
        bad terminator: d.xml:4: TerminationChar is no hexadecimal text
        bytes of 12 bits: d.xml:5: parameter "T" has 12 bits: text and bytes take whole bytes, 8 to 524336 bits
        zero bytes: d.xml:5: parameter "T" has 0 bits: text and bytes take whole bytes, 8 to 524336 bits
        dangling length: d.xml:4: ParameterInstanceRef names "X", which is no parameter
        half a byte each: d.xml:4: LinearAdjustment has "0.5", which is no such whole number
        lookup length: d.xml:4: DiscreteLookupList in "SizeInBits" is not implemented
        length comes later: d.xml:5: "B" takes its size from "P", which does not come before it in container "R"
        array in steps: d.xml:4: DynamicValue in "StartingIndex" is not implemented
        two dimensions: d.xml:4: DimensionList has several dimensions: not implemented
        array of itself: d.xml:4: ArrayParameterType "t" contains itself, or is nested too deeply
        huge array: d.xml:6: the entry lies outside of every packet, which has 0 to 524336 bits
        two labels: d.xml:5: parameter "T" has two labels for 2: "a" and "b"
        inexact clock: d.xml:4: Encoding has scale=0.3: expected 1, a power of ten down to 1e-9, or a power of two down to 2^-56
        clock offset: d.xml:4: Encoding has an offset: not implemented, move the epoch instead
        epoch of TT: d.xml:4: Epoch is "J2000": not implemented; its date is 2000-01-01T11:58:55.816Z, since which days of 86,400 seconds are counted here, and through leap seconds with scale = "tai" in our own form
        unclear epoch: d.xml:4: Epoch is "then": expected TAI, GPS, UNIX or a date
        repeat: d.xml:6: RepeatEntry in "ParameterRefEntry" is not implemented
        segment: d.xml:6: ParameterSegmentRefEntry is not implemented
        twice: accepted
        dangling parameter: d.xml:6: ParameterRefEntry names "PP", which is no parameter
        from the end: d.xml:6: LocationInContainerInBits has referenceLocation="containerEnd": not implemented
        before the start: d.xml:6: the entry lies outside of every packet, which has 0 to 524336 bits
        beyond every packet: d.xml:6: the entry lies outside of every packet, which has 0 to 524336 bits
        includes itself: d.xml:5: container "R" includes itself through "R"
        inherits from itself: d.xml:5: container "A" inherits from itself through "B"
        inherits from a circle: d.xml:5: container "A" inherits from "B", which inherits from itself through "C"
        no base: d.xml:5: BaseContainer names "B", which is no container
        two beginnings: d.xml:1: SpaceSystem "S" has 2 containers that packets could begin with (R, T): name the root
        duplicate parameter: d.xml:5: parameter "P" is defined a second time; the first is at d.xml:4
        duplicate type: d.xml:4: IntegerParameterType "u8" is defined a second time; the first is at d.xml:3
        duplicate container: d.xml:6: container "R" is defined a second time; the first is at d.xml:5
        container size: d.xml:5: BinaryEncoding in "SequenceContainer" is not implemented
        next container: d.xml:6: NextContainer in "RestrictionCriteria" is not implemented
        another instance: d.xml:6: Comparison looks at another instance: not implemented
        no number: d.xml:6: Comparison has "1.5", which is no such whole number
        no operator: d.xml:6: Comparison has the operator "~": not implemented
        algorithm: d.xml:6: CustomAlgorithm "x" in "RestrictionCriteria" is not implemented
        dangling criterion: d.xml:6: Comparison names "X", which is no parameter
        good criterion: accepted
    "#]].assert_eq(&out);
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
            format!("{head},bit_offset\na,uint,8,48\nb,uint,8,\n"),
        ),
        (
            "offset in the header",
            format!("{head},bit_offset\na,uint,8,48\nb,uint,8,40\n"),
        ),
        ("names collide", format!("{head}\nA b,uint,8\na_b,uint,8\n")),
    ];
    let mut out = String::new();
    for (name, text) in &cases {
        let read = ccsdspy::read(text.as_bytes(), "d.csv", "sim", Said::default());
        writeln!(out, "{name}: {}", compiled(read)).expect("a line");
    }
    expect![[r#"
        good: accepted
        empty: d.csv: no fields: expected the columns name, data_type, bit_length, bit_offset, calibration
        no columns: d.csv:1: column "a" is not known: columns are name, data_type, bit_length, bit_offset, calibration
        missing column: d.csv:1: the columns name, data_type and bit_length must be there
        short line: d.csv:2: 2 fields under 3 columns
        no number: d.csv:2: "x" is no number of bits
        65 bits: d.csv:3: parameter "b" has 65 bits: a whole number has 1 to 64
        zero bits: d.csv:2: parameter "a" has 0 bits: a whole number has 1 to 64
        unknown type: d.csv:2: field "a" has data_type "complex": types are uint, int, float, str and fill
        expanding: d.csv:2: field "a" has data_type "uint(expand)": arrays have one fixed size here, as in uint(8); others are not implemented
        by a field: d.csv:3: field "a" has data_type "uint(n)": arrays have one fixed size here, as in uint(8); others are not implemented
        two dimensions: d.csv:2: field "a" has data_type "uint(2, 2)": arrays have one fixed size here, as in uint(8); others are not implemented
        array: accepted
        twice: d.csv:3: parameter "a" is defined a second time; the first is at d.csv:2
        calibration: d.csv:2: field "a" has calibration sqrt: expected a JSON object of coefficients by exponent, or of labels by value
        mixed offsets: d.csv:3: field "b": either every field has a bit_offset, or none
        offset in the header: d.csv:3: field "b" has bit_offset 40, in the primary header: if offsets count from its end, say offsets = "data" in a TOML with definition = "d.csv"; if from the packet's first byte, offsets = "packet"
        names collide: d.csv:2: container "sim": source column "a_b" folds to "a_b", which is taken by "A b": give one of them another name
    "#]].assert_eq(&out);
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
    expect![[r#"
        not TOML: d.toml:1: string values must be quoted, expected literal string
        no root: d.toml:1: missing field `root`
        unknown key: d.toml:3: unknown field `colour`, expected one of `packets`, `description`, `root`, `one_apid`, `parameter`, `container`
        no such root: d.toml:3: no container is called "r", did you mean "s"
        unknown type: d.toml:4: parameter "a": "x" is not known: expected one of u, i, sm, oc
        no type: d.toml:3: parameter "a": type "" is not known: expected one such as u16, i8, f32, text, binary or aggregate
        key of another type: d.toml:3: parameter "a": type "u8" has no key "bits"
        two meanings: d.toml:3: parameter "a": one of boolean, polynomial, labels and clock says the meaning
        two places: d.toml:3: container "r": an entry has either at or after
        half a condition: d.toml:3: container "r": a condition has parameter, is and value, or all, or any
        empty: accepted
    "#]].assert_eq(&out);
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
    expect!["accepted"].assert_eq(&read(10_000));
    expect![[r#"d.xml:131084: container "R" has more than 65536 values"#]].assert_eq(&read(65_543));
}

/// Definitions of a few lines that grow without end where they are followed.
#[test]
fn small_definitions_of_much_are_refused() {
    let ten = |line: &dyn Fn(usize) -> String| (0..10).map(line).collect::<String>();
    let aggregate = |level: usize| {
        let of = match level {
            0 => "u8".to_owned(),
            _ => format!("t{}", level - 1),
        };
        let members = ten(&|i| format!("<Member name=\"m{i}\" typeRef=\"{of}\"/>"));
        format!(
            "\n<AggregateParameterType name=\"t{level}\"><MemberList>{members}</MemberList></AggregateParameterType>"
        )
    };
    let aggregates: String = (0..12).map(aggregate).collect();
    let labels: String = (0..1000)
        .map(|i| format!("<Enumeration value=\"{i}\" label=\"L{i}\"/>"))
        .collect();
    let enumeration = format!(
        "<EnumeratedParameterType name=\"e\"><IntegerDataEncoding/><EnumerationList>{labels}</EnumerationList></EnumeratedParameterType>"
    );
    let labelled: String = (0..5000)
        .map(|i| format!("\n<Parameter name=\"E{i}\" parameterTypeRef=\"e\"/>"))
        .collect();
    let last = "<SequenceContainer name=\"R\"><EntryList><ParameterRefEntry parameterRef=\"E4999\"/></EntryList></SequenceContainer>";
    let container = |level: usize| {
        let included = ten(&|_| format!("<ContainerRefEntry containerRef=\"C{}\"/>", level + 1));
        format!(
            "\n<SequenceContainer name=\"C{level}\"><EntryList>{included}</EntryList></SequenceContainer>"
        )
    };
    let containers: String = (0..12).map(container).collect();
    let empty = "\n<SequenceContainer name=\"C12\"><EntryList/></SequenceContainer>";
    let again = "<ParameterRefEntry parameterRef=\"P\"/>".repeat(60_000);
    let again =
        format!("<SequenceContainer name=\"R\"><EntryList>{again}</EntryList></SequenceContainer>");
    let cases = [
        (
            "aggregates of aggregates",
            xtce_text(
                &format!("{U8}{aggregates}"),
                "<Parameter name=\"P\" parameterTypeRef=\"t11\"/>",
                R,
            ),
        ),
        ("labels of many", xtce_text(&enumeration, &labelled, last)),
        (
            "empty containers in empty containers",
            xtce_text(U8, "", &format!("{containers}{empty}")),
        ),
        ("one parameter again and again", xtce_text(U8, P, &again)),
    ];
    let mut out = String::new();
    for (name, text) in &cases {
        let start = Instant::now();
        let read = xtce::read(text.as_bytes(), "d.xml", None);
        writeln!(out, "{name}: {}", compiled(read)).expect("a line");
        println!("{name}: {:?}", start.elapsed());
    }
    expect![[r#"
        aggregates of aggregates: d.xml:4: Member "m4" is too much: the types of all parameters take more than 128 MiB, each counted where it is used
        labels of many: d.xml:5004: Parameter "E4999" is too much: the types of all parameters take more than 128 MiB, each counted where it is used
        empty containers in empty containers: d.xml:17: container "C0" has more than 262144 entries, with those of all it includes
        one parameter again and again: accepted
    "#]].assert_eq(&out);
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

/// The rows of a chunk with their packets.
fn rows_of(decoded: &DecodedChunk) -> impl Iterator<Item = (usize, RecordBatch)> + '_ {
    decoded.rows.iter().flat_map(|rows| {
        let kept = rows.kept.iter().enumerate();
        kept.map(|(row, at)| (*at as usize, rows.batch.slice(row, 1)))
    })
}

/// Decodes a stream whole: every byte in a packet or a hole, every packet a
/// row or refused, and each row the same as if its packet were alone.
fn decode_all(definition: &PacketDefinition, stream: &[u8]) {
    let Ok(mut decoder) = PacketDecoder::new(definition, None) else {
        return;
    };
    let mut feed = PacketFile::new(stream);
    let mut chunk = Chunk::default();
    let mut bytes = 0;
    loop {
        chunk.clear();
        feed.fill(&mut chunk).expect("bytes");
        if chunk.is_empty() {
            break;
        }
        bytes += chunk.bytes.len() as u64;
        bytes += chunk.holes.iter().map(|hole| hole.bytes).sum::<u64>();
        let whole = decoded_whole(&mut decoder, &chunk);
        for (at, row) in rows_of(&whole) {
            let mut alone = chunk_of(&[chunk.packet(&chunk.packets[at]).bytes.to_vec()]);
            (alone.packets[0].index, alone.packets[0].offset) =
                (chunk.packets[at].index, chunk.packets[at].offset);
            let alone = decoded_whole(&mut decoder, &alone);
            assert!(
                rows_of(&alone).eq([(0, row)]),
                "packet {at} decodes otherwise alone"
            );
        }
    }
    assert_eq!(bytes, stream.len() as u64);
}

/// A second of each; `DOWNLAKE_FUZZ_SECONDS` for more.
pub(super) fn fuzz(name: &str, mut run: impl FnMut(&mut Random)) {
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
        let said = Said {
            apid: Some(7),
            offsets: Some(Origin::Data),
        };
        let bytes = broken(csv.as_bytes(), random);
        if let Ok(definition) = ccsdspy::read(&bytes, "d.csv", "s", said) {
            decode_all(&definition, &stream);
        }
        let text = String::from_utf8_lossy(&broken(MIXED.as_bytes(), random)).into_owned();
        if let Ok(definition) = document::read(&text, "d.toml") {
            decode_all(&definition, &stream);
        }
    });
}
