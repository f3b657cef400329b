//! What XTCE can say, against packets made bit by bit; and what it can say and
//! is refused.

use std::fmt::Write as _;

use downlake_ingest::packet::decoder::PacketDecoder;
use downlake_ingest::packet::model::Condition;
use downlake_ingest::packet::xtce;
use expect_test::{Expect, expect};

use super::broken::{compiled, xtce_text};
use super::support::{chunk_of, decoded_whole, forget_places, table};
use super::synthetic::packet;

/// Bytes of numbers with their widths, written digit by digit.
fn bits(fields: &[(u64, usize)]) -> Vec<u8> {
    let digits: String = fields
        .iter()
        .map(|(value, width)| {
            let digits = format!("{value:064b}");
            digits[64 - width..].to_owned()
        })
        .collect();
    assert_eq!(digits.len() % 8, 0, "whole bytes");
    let digits = digits.as_bytes().chunks(8);
    digits
        .map(|byte| {
            let byte = std::str::from_utf8(byte).expect("digits");
            u8::from_str_radix(byte, 2).expect("eight digits")
        })
        .collect()
}

/// The primary header as three parameters, then these.
const HEADER: &str = "<Parameter name=\"H1\" parameterTypeRef=\"u16\"/><Parameter name=\"H2\" parameterTypeRef=\"u16\"/><Parameter name=\"H3\" parameterTypeRef=\"u16\"/>";
const HEADER_ENTRIES: &str = "<ParameterRefEntry parameterRef=\"H1\"/><ParameterRefEntry parameterRef=\"H2\"/><ParameterRefEntry parameterRef=\"H3\"/>";

fn integer(name: &str, bits: u8, encoding: &str) -> String {
    format!(
        "<IntegerParameterType name=\"{name}\"><IntegerDataEncoding sizeInBits=\"{bits}\" encoding=\"{encoding}\"/></IntegerParameterType>\n"
    )
}

fn numbers() -> String {
    [
        integer("u1", 1, "unsigned"),
        integer("u3", 3, "unsigned"),
        integer("u4", 4, "unsigned"),
        integer("u8", 8, "unsigned"),
        integer("u16", 16, "unsigned"),
        integer("s5", 5, "twosComplement"),
        integer("s12", 12, "signed"),
    ]
    .concat()
}

fn parameters(named: &[(&str, &str)]) -> String {
    let parameter = |(name, of): &(&str, &str)| {
        format!("<Parameter name=\"{name}\" parameterTypeRef=\"{of}\"/>\n")
    };
    format!(
        "{HEADER}{}",
        named.iter().map(parameter).collect::<String>()
    )
}

fn entry(name: &str) -> String {
    format!("<ParameterRefEntry parameterRef=\"{name}\"/>")
}

/// One container of all packets.
fn one(types: &str, named: &[(&str, &str)], entries: &str) -> String {
    xtce_text(
        &format!("{}{types}", numbers()),
        &parameters(named),
        &format!(
            "<SequenceContainer name=\"All\"><EntryList>{HEADER_ENTRIES}{entries}</EntryList></SequenceContainer>"
        ),
    )
}

/// The columns behind the header's, and the refusals.
fn rows(document: &str, bodies: &[Vec<u8>]) -> String {
    let definition = xtce::read(document.as_bytes(), "d.xml", None).expect("a good definition");
    let mut decoder = PacketDecoder::new(&definition, None).expect("a good definition");
    let mut text = String::new();
    for body in bodies {
        let decoded = decoded_whole(&mut decoder, &chunk_of(&[packet(7, 0, body)]));
        let refused = decoded
            .rows
            .iter()
            .flat_map(|rows| rows.refused.iter().map(|(_, r)| r));
        for refusal in decoded.unclaimed.iter().map(|(_, r)| r).chain(refused) {
            writeln!(text, "{}: {}", refusal.reason, refusal.detail).expect("a line");
        }
        for rows in decoded.rows.iter().filter(|rows| rows.batch.num_rows() > 0) {
            let columns: Vec<usize> = (8..rows.batch.num_columns()).collect();
            let shown = rows.batch.project(&columns).expect("columns");
            write!(
                text,
                "{}\n{}",
                decoder.streams()[rows.stream].definition.stream,
                table(&shown)
            )
            .expect("rows");
        }
    }
    text
}

fn check(document: &str, bodies: &[Vec<u8>], expected: &Expect) {
    expected.assert_eq(&rows(document, bodies));
}

#[test]
fn every_namespace_says_the_same() {
    let plain = one(
        "",
        &[("A", "u4"), ("B", "s12")],
        &(entry("A") + &entry("B")),
    );
    let expected = {
        let mut definition = xtce::read(plain.as_bytes(), "d.xml", None).expect("good");
        forget_places(&mut definition);
        definition
    };
    let prefixed = |prefix: &str| {
        let closed = plain
            .replace("</", "\u{1}")
            .replace('<', &format!("<{prefix}:"));
        closed.replace('\u{1}', &format!("</{prefix}:"))
    };
    let declared = |text: &str, declaration: &str| {
        text.replacen(
            "SpaceSystem name",
            &format!("SpaceSystem {declaration} name"),
            1,
        )
    };
    for namespace in [
        "http://www.omg.org/spec/XTCE/20180204",
        "http://www.omg.org/space/xtce",
        "http://www.omg.org/space",
    ] {
        let location = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"a b\" xml:lang=\"en\"";
        for text in [
            declared(&plain, &format!("xmlns=\"{namespace}\" {location}")),
            declared(
                &prefixed("xtce"),
                &format!("xmlns:xtce=\"{namespace}\" {location}"),
            ),
            declared(&prefixed("x-1"), &format!("xmlns:x-1=\"{namespace}\"")),
        ] {
            let text = format!(
                "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a -->\n{text}\n<!-- b -->\n"
            );
            let mut definition = xtce::read(text.as_bytes(), "d.xml", None).expect("good");
            forget_places(&mut definition);
            assert_eq!(definition, expected, "{text}");
        }
    }
    check(
        &plain,
        &[bits(&[(9, 4), (0xFFE, 12)])],
        &expect![[r#"
        all
        +---+----+
        | a | b  |
        +---+----+
        | 9 | -2 |
        +---+----+
    "#]],
    );
}

#[test]
fn aggregates_and_arrays_of_fixed_size() {
    let types = r#"
<AggregateParameterType name="point"><MemberList><Member name="x" typeRef="s5"/><Member name="y" typeRef="u3"/></MemberList></AggregateParameterType>
<AggregateParameterType name="line"><MemberList><Member name="from" typeRef="point"/><Member name="tag" typeRef="u4"/><Member name="to" typeRef="point"/></MemberList></AggregateParameterType>
<ArrayParameterType name="three" arrayTypeRef="u4"><DimensionList><Dimension><StartingIndex><FixedValue>1</FixedValue></StartingIndex><EndingIndex><FixedValue>3</FixedValue></EndingIndex></Dimension></DimensionList></ArrayParameterType>
<ArrayParameterType name="points" arrayTypeRef="point"><DimensionList><Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex><EndingIndex><FixedValue>1</FixedValue></EndingIndex></Dimension></DimensionList></ArrayParameterType>"#;
    let document = one(
        types,
        &[
            ("L", "line"),
            ("V", "three"),
            ("P", "points"),
            ("END", "u8"),
        ],
        &(entry("L")
            + "<ArrayParameterRefEntry parameterRef=\"V\"/>"
            + &entry("P")
            + &entry("END")),
    );
    let body = bits(&[
        (0b11111, 5),
        (0b101, 3),
        (0xA, 4),
        (0b01111, 5),
        (0b001, 3),
        (1, 4),
        (2, 4),
        (3, 4),
        (0b10000, 5),
        (7, 3),
        (2, 5),
        (3, 3),
        (0x55, 8),
    ]);
    check(
        &document,
        &[body.clone(), body[1..].to_vec()],
        &expect![[r#"
            all
            +----------+----------+-------+--------+--------+-----------+----------+--------+-----+
            | l_from_x | l_from_y | l_tag | l_to_x | l_to_y | v         | p_x      | p_y    | end |
            +----------+----------+-------+--------+--------+-----------+----------+--------+-----+
            | -1       | 5        | 10    | 15     | 1      | [1, 2, 3] | [-16, 2] | [7, 3] | 85  |
            +----------+----------+-------+--------+--------+-----------+----------+--------+-----+
            packet-length: the packet has 12 bytes, too few for container "All": "END" needs bits 96 to 104
        "#]],
    );
}

/// 2017-01-01T00:00:00Z, just behind a leap second: 1,483,228,800 s of POSIX,
/// 1,167,264,018 s of GPS, 1,861,920,037 s of TAI since 1958.
#[test]
fn absolute_times_of_every_epoch() {
    let time = |name: &str, bits: u8, attributes: &str, epoch: &str| {
        format!(
            "<AbsoluteTimeParameterType name=\"{name}\"><Encoding {attributes}><IntegerDataEncoding sizeInBits=\"{bits}\"/></Encoding><ReferenceTime><Epoch>{epoch}</Epoch></ReferenceTime></AbsoluteTimeParameterType>"
        )
    };
    let types = [
        time("unix", 32, "units=\"seconds\"", "UNIX"),
        time("millis", 48, "scale=\"0.001\"", "1970-01-01T00:00:00Z"),
        time("gps", 40, "scale=\"0.00390625\"", "GPS"),
        time("tai", 48, "scale=\"0.0000152587890625\"", "TAI"),
        time("date", 32, "scale=\"1\" offset=\"0\"", "2000-01-01"),
        time("micros", 64, "scale=\"1e-6\"", "2000-01-01T12:00:00"),
    ]
    .concat();
    let names = ["unix", "millis", "gps", "tai", "date", "micros"];
    let named: Vec<(String, &str)> = names.iter().map(|n| (n.to_uppercase(), *n)).collect();
    let named: Vec<(&str, &str)> = named
        .iter()
        .map(|(name, of)| (name.as_str(), *of))
        .collect();
    let entries: String = named.iter().map(|(name, _)| entry(name)).collect();
    let document = one(&types, &named, &entries);
    let body = bits(&[
        (1_483_228_800, 32),
        (1_483_228_800_250, 48),
        (1_167_264_018 * 256 + 128, 40),
        (1_861_920_037 * 65_536 + 0x4000, 48),
        (1_483_228_800 - 946_684_800, 32),
        ((1_483_228_800 - 946_728_000) * 1_000_000 + 1, 64),
    ]);
    check(
        &document,
        &[body],
        &expect![[r#"
        all
        +----------------------+------------+--------------------------+---------------+--------------------------+--------------+--------------------------+-----------------+----------------------+-----------+-----------------------------+-----------------+
        | unix                 | unix__raw  | millis                   | millis__raw   | gps                      | gps__raw     | tai                      | tai__raw        | date                 | date__raw | micros                      | micros__raw     |
        +----------------------+------------+--------------------------+---------------+--------------------------+--------------+--------------------------+-----------------+----------------------+-----------+-----------------------------+-----------------+
        | 2017-01-01T00:00:00Z | 1483228800 | 2017-01-01T00:00:00.250Z | 1483228800250 | 2017-01-01T00:00:00.500Z | 298819588736 | 2017-01-01T00:00:00.250Z | 122022791561216 | 2017-01-01T00:00:00Z | 536544000 | 2017-01-01T00:00:00.000001Z | 536500800000001 |
        +----------------------+------------+--------------------------+---------------+--------------------------+--------------+--------------------------+-----------------+----------------------+-----------+-----------------------------+-----------------+
    "#]],
    );
}

fn condition(parameter: &str, operator: &str, value: &str) -> String {
    let operator = operator.replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<Condition><ParameterInstanceRef parameterRef=\"{parameter}\"/><ComparisonOperator>{operator}</ComparisonOperator><Value>{value}</Value></Condition>"
    )
}

#[test]
fn boolean_expressions_within_each_other() {
    let and = |parts: &str| format!("<ANDedConditions>{parts}</ANDedConditions>");
    let or = |parts: &str| format!("<ORedConditions>{parts}</ORedConditions>");
    let expression = and(&[
        condition("K", ">=", "2"),
        or(&[
            condition("K", "<", "5"),
            and(&[condition("K", "!=", "0x0A"), condition("L", "==", "1")].concat()),
        ]
        .concat()),
    ]
    .concat());
    let included = format!(
        "<ParameterRefEntry parameterRef=\"V\"><IncludeCondition><BooleanExpression>{expression}</BooleanExpression></IncludeCondition></ParameterRefEntry>"
    );
    let document = one(
        "",
        &[("K", "u8"), ("L", "u8"), ("V", "u8")],
        &(entry("K") + &entry("L") + &included),
    );
    // By hand: K >= 2 and (K < 5 or (K != 10 and L = 1)).
    let holds = |k: u8, l: u8| k >= 2 && (k < 5 || (k != 10 && l == 1));
    let definition = xtce::read(document.as_bytes(), "d.xml", None).expect("good");
    let mut decoder = PacketDecoder::new(&definition, None).expect("good");
    for k in 0..16 {
        for l in 0..3 {
            for length in [2, 3] {
                let body = &[k, l, 99][..length];
                let decoded = decoded_whole(&mut decoder, &chunk_of(&[packet(7, 0, body)]));
                let is_row = decoded.rows[0].batch.num_rows() == 1;
                assert_eq!(is_row, holds(k, l) == (length == 3), "{body:?}");
            }
        }
    }
}

#[test]
fn places_that_are_said() {
    let at = |name: &str, from: &str, bits: i32| {
        format!(
            "<ParameterRefEntry parameterRef=\"{name}\"><LocationInContainerInBits referenceLocation=\"{from}\"><FixedValue>{bits}</FixedValue></LocationInContainerInBits></ParameterRefEntry>"
        )
    };
    let text = "<StringParameterType name=\"text\"><StringDataEncoding><Variable maxSizeInBits=\"80\"><TerminationChar>00</TerminationChar></Variable></StringDataEncoding></StringParameterType>";
    let entries = [
        at("A", "containerStart", 56),
        // The same bits again, then a hole of three.
        at("B", "previousEntry", -4),
        at("C", "previousEntry", 4),
        at("D", "containerStart", 48),
        at("T", "containerStart", 80),
        at("E", "previousEntry", 8),
        at("F", "containerStart", 72),
    ]
    .concat();
    let named = [
        ("A", "u8"),
        ("B", "u4"),
        ("C", "u8"),
        ("D", "u8"),
        ("T", "text"),
        ("E", "u8"),
        ("F", "u8"),
    ];
    let document = one(text, &named, &entries);
    let body = bits(&[
        (0x11, 8),
        (0xAB, 8),
        (0xCD, 8),
        (0xEF, 8),
        (u64::from(b'h'), 8),
        (u64::from(b'i'), 8),
        (0, 8),
        (0x77, 8),
        (0x42, 8),
    ]);
    check(
        &document,
        &[body],
        &expect![[r#"
        all
        +-----+----+-----+----+----+----+-----+
        | a   | b  | c   | d  | t  | e  | f   |
        +-----+----+-----+----+----+----+-----+
        | 171 | 11 | 222 | 17 | hi | 66 | 239 |
        +-----+----+-----+----+----+----+-----+
    "#]],
    );
}

/// The place of an entry belongs to it: without the entry, the next one
/// follows what stands before.
#[test]
fn an_entry_that_is_not_there_has_no_place() {
    let document = |element: &str, reference: &str, from: &str, bits: i32| {
        let placed = format!(
            "<{element} {reference}><LocationInContainerInBits referenceLocation=\"{from}\"><FixedValue>{bits}</FixedValue></LocationInContainerInBits>\
             <IncludeCondition><Comparison parameterRef=\"SEL\" value=\"1\"/></IncludeCondition></{element}>"
        );
        let part = match element {
            "ContainerRefEntry" => format!(
                "<SequenceContainer name=\"Part\"><EntryList>{}</EntryList></SequenceContainer>",
                entry("B")
            ),
            _ => String::new(),
        };
        let named = [("SEL", "u8"), ("B", "u8"), ("C", "u8"), ("D", "u8")];
        let entries = [entry("SEL"), placed, entry("C"), entry("D")].concat();
        let set = format!("<ContainerSet>{part}");
        one("", &named, &entries).replacen("<ContainerSet>", &set, 1)
    };
    let parameter = ("ParameterRefEntry", "parameterRef=\"B\"");
    let container = ("ContainerRefEntry", "containerRef=\"Part\"");
    for (element, reference) in [parameter, container] {
        for (from, bits) in [("previousEntry", 8), ("containerStart", 64)] {
            check(
                &document(element, reference, from, bits),
                &[
                    vec![1, 0xEE, 0xBB, 0xCC, 0xDD],
                    vec![0, 0xCC, 0xDD],
                    vec![0, 0xCC, 0xDD, 0x99],
                ],
                &expect![[r#"
                    all
                    +-----+-----+-----+-----+
                    | sel | b   | c   | d   |
                    +-----+-----+-----+-----+
                    | 1   | 187 | 204 | 221 |
                    +-----+-----+-----+-----+
                    all
                    +-----+---+-----+-----+
                    | sel | b | c   | d   |
                    +-----+---+-----+-----+
                    | 0   |   | 204 | 221 |
                    +-----+---+-----+-----+
                    packet-length: the packet has 10 bytes, but container "All" ends at bit 72, in byte 9
                "#]],
            );
        }
    }
}

#[test]
fn containers_that_are_included() {
    let include = |inner: &str| {
        format!("<ContainerRefEntry containerRef=\"Pair\">{inner}</ContainerRefEntry>")
    };
    let when = |value: u8| {
        format!(
            "<IncludeCondition><Comparison parameterRef=\"K\" value=\"{value}\" comparisonOperator=\"&gt;=\"/></IncludeCondition>"
        )
    };
    let when_x = "<IncludeCondition><ComparisonList><Comparison parameterRef=\"K\" value=\"1\" comparisonOperator=\"!=\"/><Comparison parameterRef=\"X\" value=\"3\"/></ComparisonList></IncludeCondition>";
    let containers = format!(
        "<SequenceContainer name=\"Pair\"><EntryList>{}<ParameterRefEntry parameterRef=\"Y\">{when_x}</ParameterRefEntry></EntryList></SequenceContainer>\
         <SequenceContainer name=\"All\"><EntryList>{HEADER_ENTRIES}{}{}{}{}</EntryList></SequenceContainer>",
        entry("X"),
        entry("K"),
        include(&when(2)),
        include(&when(3)),
        entry("Z"),
    );
    let named = parameters(&[("K", "u8"), ("X", "u8"), ("Y", "u8"), ("Z", "u8")]);
    let document = xtce_text(&numbers(), &named, &containers);
    check(
        &document,
        &[
            vec![0, 9],
            vec![2, 5, 9],
            vec![2, 3, 6, 9],
            vec![3, 3, 6, 4, 9],
            vec![3, 3, 6, 3, 7, 9],
            vec![2, 3, 9],
        ],
        &expect![[r#"
            all
            +---+---+---+-----+-----+---+
            | k | x | y | x_2 | y_2 | z |
            +---+---+---+-----+-----+---+
            | 0 |   |   |     |     | 9 |
            +---+---+---+-----+-----+---+
            all
            +---+---+---+-----+-----+---+
            | k | x | y | x_2 | y_2 | z |
            +---+---+---+-----+-----+---+
            | 2 | 5 |   |     |     | 9 |
            +---+---+---+-----+-----+---+
            all
            +---+---+---+-----+-----+---+
            | k | x | y | x_2 | y_2 | z |
            +---+---+---+-----+-----+---+
            | 2 | 3 | 6 |     |     | 9 |
            +---+---+---+-----+-----+---+
            all
            +---+---+---+-----+-----+---+
            | k | x | y | x_2 | y_2 | z |
            +---+---+---+-----+-----+---+
            | 3 | 3 | 6 | 4   |     | 9 |
            +---+---+---+-----+-----+---+
            all
            +---+---+---+-----+-----+---+
            | k | x | y | x_2 | y_2 | z |
            +---+---+---+-----+-----+---+
            | 3 | 3 | 6 | 3   | 7   | 9 |
            +---+---+---+-----+-----+---+
            packet-length: "Z" at bit 72 goes beyond the packet of 9 bytes
        "#]],
    );
}

/// A value that is not there decides nothing.
#[test]
fn a_condition_on_what_is_not_there_is_refused() {
    let when = |parameter: &str, value: u8| {
        format!(
            "<IncludeCondition><Comparison parameterRef=\"{parameter}\" value=\"{value}\"/></IncludeCondition>"
        )
    };
    let entries = format!(
        "{}<ParameterRefEntry parameterRef=\"X\">{}</ParameterRefEntry><ParameterRefEntry parameterRef=\"Y\">{}</ParameterRefEntry>",
        entry("K"),
        when("K", 1),
        when("X", 2)
    );
    let document = one("", &[("K", "u8"), ("X", "u8"), ("Y", "u8")], &entries);
    check(
        &document,
        &[vec![1, 2, 3], vec![1, 3], vec![0], vec![0, 3]],
        &expect![[r#"
            all
            +---+---+---+
            | k | x | y |
            +---+---+---+
            | 1 | 2 | 3 |
            +---+---+---+
            all
            +---+---+---+
            | k | x | y |
            +---+---+---+
            | 1 | 3 |   |
            +---+---+---+
            packet-length: the packet of 7 bytes does not have "X", which says how it goes on
            packet-length: the packet of 8 bytes does not have "X", which says how it goes on
        "#]],
    );
}

#[test]
fn names_are_looked_up_from_where_they_stand() {
    let document = r#"<SpaceSystem name="Root">
<TelemetryMetaData>
<ParameterTypeSet>
<IntegerParameterType name="u16"><IntegerDataEncoding sizeInBits="16"/></IntegerParameterType>
<IntegerParameterType name="t"><IntegerDataEncoding sizeInBits="8"/></IntegerParameterType>
</ParameterTypeSet>
<ParameterSet><Parameter name="H1" parameterTypeRef="u16"/><Parameter name="H2" parameterTypeRef="u16"/><Parameter name="H3" parameterTypeRef="u16"/><Parameter name="A" parameterTypeRef="t"/></ParameterSet>
<ContainerSet><SequenceContainer name="Head" abstract="true"><EntryList><ParameterRefEntry parameterRef="H1"/><ParameterRefEntry parameterRef="/Root/H2"/><ParameterRefEntry parameterRef="H3"/><ParameterRefEntry parameterRef="A"/></EntryList></SequenceContainer></ContainerSet>
</TelemetryMetaData>
<SpaceSystem name="Sub">
<TelemetryMetaData>
<ParameterTypeSet><IntegerParameterType name="t"><IntegerDataEncoding sizeInBits="8" encoding="twosComplement"/></IntegerParameterType></ParameterTypeSet>
<ParameterSet><Parameter name="A" parameterTypeRef="t"/><Parameter name="B" parameterTypeRef="../t"/><Parameter name="C" parameterTypeRef="/Root/t"/></ParameterSet>
<ContainerSet><SequenceContainer name="Body"><EntryList>
<ParameterRefEntry parameterRef="A"/><ParameterRefEntry parameterRef="Sub/B"/><ParameterRefEntry parameterRef="/Root/Sub/C"/></EntryList>
<BaseContainer containerRef="Head"><RestrictionCriteria><Comparison parameterRef="../A" value="5"/></RestrictionCriteria></BaseContainer></SequenceContainer></ContainerSet>
</TelemetryMetaData>
</SpaceSystem>
</SpaceSystem>"#;
    check(
        document,
        &[vec![5, 255, 255, 255], vec![4, 255, 255, 255]],
        &expect![[r#"
            sub_body
            +---+-------+-------+-------+
            | a | sub_a | sub_b | sub_c |
            +---+-------+-------+-------+
            | 5 | -1    | 255   | 255   |
            +---+-------+-------+-------+
            no-definition: APID 7: no container that inherits from "Head" describes this packet
        "#]],
    );
}

/// Conditions on booleans compare what their types call one and zero.
#[test]
fn booleans_are_compared_by_their_strings() {
    let boolean = |name: &str, strings: &str| {
        format!(
            "<BooleanParameterType name=\"{name}\" {strings}><IntegerDataEncoding sizeInBits=\"8\"/></BooleanParameterType>"
        )
    };
    let types = [
        boolean("plain", ""),
        boolean("switch", "oneStringValue=\"ON\" zeroStringValue=\"OFF\""),
        boolean(
            "turned",
            "oneStringValue=\"false\" zeroStringValue=\"true\"",
        ),
        boolean("half", "zeroStringValue=\"1\""),
        boolean("same", "oneStringValue=\"x\" zeroStringValue=\"x\""),
    ]
    .concat();
    let mut out = String::new();
    for (of, value) in [
        ("plain", "TRUE"),
        ("plain", "0"),
        ("plain", "ON"),
        ("switch", "ON"),
        ("switch", "OFF"),
        ("switch", "false"),
        ("switch", "on"),
        ("turned", "true"),
        ("turned", "false"),
        ("turned", "1"),
        ("half", "1"),
        ("half", "True"),
        ("half", "0"),
        ("same", "x"),
    ] {
        let held = format!(
            "<ParameterRefEntry parameterRef=\"V\"><IncludeCondition><Comparison parameterRef=\"B\" value=\"{value}\"/></IncludeCondition></ParameterRefEntry>"
        );
        let document = one(&types, &[("B", of), ("V", "u8")], &(entry("B") + &held));
        let when = xtce::read(document.as_bytes(), "d.xml", None).map(|definition| {
            let entries = &definition.containers[0].entries;
            let when = entries.last().and_then(|entry| entry.when.clone());
            let comparisons = when.iter().flat_map(Condition::comparisons);
            let shown = comparisons.map(|c| format!("{:?} {}", c.operator, c.value));
            shown.collect::<String>()
        });
        let when = when.unwrap_or_else(|error| error.message().to_owned());
        writeln!(out, "{of} is {value}: {when}").expect("a line");
    }
    expect![[r#"
        plain is TRUE: NotEqual 0
        plain is 0: Equal 0
        plain is ON: d.xml:14: Comparison compares "B" with "ON": expected "True" or "False"
        switch is ON: NotEqual 0
        switch is OFF: Equal 0
        switch is false: Equal 0
        switch is on: d.xml:14: Comparison compares "B" with "on": expected "ON" or "OFF"
        turned is true: Equal 0
        turned is false: NotEqual 0
        turned is 1: d.xml:14: Comparison compares "B" with "1": expected "false" or "true"
        half is 1: Equal 0
        half is True: NotEqual 0
        half is 0: d.xml:14: Comparison compares "B" with "0": expected "True" or "1"
        same is x: d.xml:14: Comparison compares "B" with "x", but both its values are called "x"
    "#]]
    .assert_eq(&out);
}

/// A reference gives a system the parameter of another one, which is not the
/// one that the systems around it have under that name.
#[test]
fn a_system_refers_to_parameters_of_others() {
    let document = |references: &str| {
        let document = one("", &[("X", "u8")], "");
        let other = "<SpaceSystem name=\"Other\"><TelemetryMetaData><ParameterSet><Parameter name=\"X\" parameterTypeRef=\"u16\"/></ParameterSet></TelemetryMetaData></SpaceSystem>";
        let body = format!(
            "<SequenceContainer name=\"Body\"><EntryList>{}</EntryList><BaseContainer containerRef=\"All\"/></SequenceContainer>",
            entry("X")
        );
        let user = format!(
            "<SpaceSystem name=\"User\"><TelemetryMetaData><ParameterSet>{references}</ParameterSet><ContainerSet>{body}</ContainerSet></TelemetryMetaData></SpaceSystem>"
        );
        document.replace(
            "</TelemetryMetaData>\n</SpaceSystem>",
            &format!("</TelemetryMetaData>{other}\n{user}</SpaceSystem>"),
        )
    };
    check(
        &document(
            "<ParameterRef parameterRef=\"/S/Other/X\"/><ParameterRef parameterRef=\"Other/X\"/>",
        ),
        &[vec![1, 2]],
        &expect![[r#"
            user_body
            +---------+
            | other_x |
            +---------+
            | 258     |
            +---------+
        "#]],
    );
    let mut out = String::new();
    for references in [
        "<ParameterRef parameterRef=\"Other/Y\"/>",
        "<Parameter name=\"X\" parameterTypeRef=\"u8\"/><ParameterRef parameterRef=\"Other/X\"/>",
        "<ParameterRef parameterRef=\"/S/X\"/><ParameterRef parameterRef=\"Other/X\"/>",
        "<ParameterRef name=\"Z\" parameterRef=\"Other/X\"/>",
    ] {
        let read = xtce::read(document(references).as_bytes(), "d.xml", None);
        writeln!(out, "{}", compiled(read)).expect("a line");
    }
    expect![[r#"
        d.xml:15: ParameterRef names "Other/Y", which is no parameter
        d.xml:15: ParameterRef names "Other/X", but "X" is another parameter in this system
        d.xml:15: ParameterRef names "Other/X", but "X" is another parameter in this system
        d.xml:15: ParameterRef "Z" has name="Z": not implemented
    "#]]
    .assert_eq(&out);
}

#[test]
fn texts_and_bytes_of_every_kind() {
    let string = |name: &str, size: &str| {
        format!(
            "<StringParameterType name=\"{name}\"><StringDataEncoding>{size}</StringDataEncoding></StringParameterType>"
        )
    };
    let dynamic = "<DynamicValue><ParameterInstanceRef parameterRef=\"N\"/><LinearAdjustment slope=\"8.0\" intercept=\"-16\"/></DynamicValue>";
    let types = [
        string("fixed", "<SizeInBits><Fixed><FixedValue>16</FixedValue></Fixed></SizeInBits>"),
        string("ended", "<SizeInBits><Fixed><FixedValue>32</FixedValue></Fixed><TerminationChar>2F</TerminationChar></SizeInBits>"),
        string("open", "<Variable maxSizeInBits=\"64\"><TerminationChar>0D0A</TerminationChar></Variable>"),
        string("led", "<Variable maxSizeInBits=\"64\"><LeadingSize sizeInBitsOfSizeTag=\"4\"/></Variable>"),
        string("counted", &format!("<Variable maxSizeInBits=\"64\">{dynamic}</Variable>")),
        format!("<BinaryParameterType name=\"bytes\"><BinaryDataEncoding><SizeInBits>{dynamic}</SizeInBits></BinaryDataEncoding></BinaryParameterType>"),
    ]
    .concat();
    let named = [
        ("N", "u4"),
        ("F", "fixed"),
        ("T", "ended"),
        ("O", "open"),
        ("L", "led"),
        ("C", "counted"),
        ("B", "bytes"),
    ];
    let entries: String = named.iter().map(|(name, _)| entry(name)).collect();
    let document = one(&types, &named, &entries);
    let text =
        |text: &[u8]| -> Vec<(u64, usize)> { text.iter().map(|b| (u64::from(*b), 8)).collect() };
    let body = [
        vec![(5, 4)],
        text(b"ab"),
        text(b"c/dd"),
        text(b"ef\r\n"),
        vec![(2, 4)],
        text(b"gh"),
        text("\u{e9}z".as_bytes()),
        text(b"\x01\x02\x03"),
    ]
    .concat();
    check(
        &document,
        &[bits(&body)],
        &expect![[r#"
        all
        +---+----+---+----+----+----+--------+
        | n | f  | t | o  | l  | c  | b      |
        +---+----+---+----+----+----+--------+
        | 5 | ab | c | ef | gh | éz | 010203 |
        +---+----+---+----+----+----+--------+
    "#]],
    );
}

/// What the standard has and this has not is told by name and line.
#[test]
fn what_is_refused_is_told_by_name_and_line() {
    let array = |of: &str, dimensions: &str| {
        format!(
            "<ArrayParameterType name=\"a\" arrayTypeRef=\"{of}\"><DimensionList>{dimensions}</DimensionList></ArrayParameterType>"
        )
    };
    let fixed = "<Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex><EndingIndex><FixedValue>1</FixedValue></EndingIndex></Dimension>";
    let with = |types: &str| one(types, &[("A", "a")], &entry("A"));
    let when = |criteria: &str| {
        one(
            "<IntegerParameterType name=\"cal\"><IntegerDataEncoding sizeInBits=\"8\"><DefaultCalibrator><PolynomialCalibrator><Term coefficient=\"2\" exponent=\"1\"/></PolynomialCalibrator></DefaultCalibrator></IntegerDataEncoding></IntegerParameterType>\
             <AggregateParameterType name=\"pair\"><MemberList><Member name=\"x\" typeRef=\"u8\"/></MemberList></AggregateParameterType>",
            &[("K", "u8"), ("P", "cal"), ("G", "pair"), ("V", "u8")],
            &format!(
                "{}{}{}<ParameterRefEntry parameterRef=\"V\"><IncludeCondition>{criteria}</IncludeCondition></ParameterRefEntry>",
                entry("K"),
                entry("P"),
                entry("G")
            ),
        )
    };
    let containers = |containers: &str| {
        let of = parameters(&[("K", "u8")]);
        xtce_text(&numbers(), &of, containers)
    };
    let inherits = |name: &str, base: &str, entries: &str| {
        format!(
            "<SequenceContainer name=\"{name}\"><EntryList>{entries}</EntryList><BaseContainer containerRef=\"{base}\"/></SequenceContainer>\n"
        )
    };
    let cases = [
        (
            "array of arrays",
            with(&(array("b", fixed) + &array("u8", fixed).replace("\"a\"", "\"b\""))),
        ),
        (
            "array of dynamic size",
            with(&array(
                "u8",
                "<Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex><EndingIndex><DynamicValue><ParameterInstanceRef parameterRef=\"H1\"/></DynamicValue></EndingIndex></Dimension>",
            )),
        ),
        (
            "array of text",
            with(
                &(array("s", fixed)
                    + "<StringParameterType name=\"s\"><StringDataEncoding><SizeInBits><Fixed><FixedValue>8</FixedValue></Fixed></SizeInBits></StringDataEncoding></StringParameterType>"),
            ),
        ),
        (
            "part of an array",
            one(
                &array("u8", fixed),
                &[("A", "a")],
                &format!(
                    "<ArrayParameterRefEntry parameterRef=\"A\"><DimensionList>{fixed}</DimensionList></ArrayParameterRefEntry>"
                ),
            ),
        ),
        (
            "backward array",
            with(&array("u8", &fixed.replace(">0<", ">2<"))),
        ),
        (
            "aggregate of itself",
            with(
                "<AggregateParameterType name=\"a\"><MemberList><Member name=\"x\" typeRef=\"a\"/></MemberList></AggregateParameterType>",
            ),
        ),
        (
            "empty aggregate",
            with("<AggregateParameterType name=\"a\"><MemberList/></AggregateParameterType>"),
        ),
        (
            "two members",
            with(
                "<AggregateParameterType name=\"a\"><MemberList><Member name=\"x\" typeRef=\"u8\"/><Member name=\"x\" typeRef=\"u8\"/></MemberList></AggregateParameterType>",
            ),
        ),
        (
            "derived type",
            with("<IntegerParameterType name=\"a\" baseType=\"u8\"/>"),
        ),
        (
            "byte order list",
            with(
                "<IntegerParameterType name=\"a\"><IntegerDataEncoding sizeInBits=\"16\"><ByteOrderList byteOrder=\"leastSignificantByteFirst\"/></IntegerDataEncoding></IntegerParameterType>",
            ),
        ),
        (
            "attribute of another namespace",
            with(
                "<IntegerParameterType name=\"a\"><IntegerDataEncoding sizeInBits=\"8\" xtce:encoding=\"signed\"/></IntegerParameterType>",
            ),
        ),
        (
            "element of another namespace",
            with(
                "<IntegerParameterType name=\"a\"><IntegerDataEncoding sizeInBits=\"8\"/><yamcs:Order/></IntegerParameterType>",
            ),
        ),
        (
            "checked bytes",
            with(
                "<IntegerParameterType name=\"a\"><IntegerDataEncoding sizeInBits=\"8\"><ErrorDetectCorrect/></IntegerDataEncoding></IntegerParameterType>",
            ),
        ),
        (
            "time from another",
            with(
                "<AbsoluteTimeParameterType name=\"a\"><Encoding><IntegerDataEncoding sizeInBits=\"32\"/></Encoding><ReferenceTime><OffsetFrom parameterRef=\"H1\"/></ReferenceTime></AbsoluteTimeParameterType>",
            ),
        ),
        (
            "time in days",
            with(
                "<AbsoluteTimeParameterType name=\"a\"><Encoding units=\"days\"><IntegerDataEncoding sizeInBits=\"32\"/></Encoding><ReferenceTime><Epoch>TAI</Epoch></ReferenceTime></AbsoluteTimeParameterType>",
            ),
        ),
        (
            "time as a float",
            with(
                "<AbsoluteTimeParameterType name=\"a\"><Encoding><FloatDataEncoding sizeInBits=\"64\"/></Encoding><ReferenceTime><Epoch>TAI</Epoch></ReferenceTime></AbsoluteTimeParameterType>",
            ),
        ),
        (
            "time without an epoch",
            with(
                "<AbsoluteTimeParameterType name=\"a\"><Encoding><IntegerDataEncoding sizeInBits=\"32\"/></Encoding></AbsoluteTimeParameterType>",
            ),
        ),
        (
            "calibrated value",
            when("<Comparison parameterRef=\"P\" value=\"2\"/>"),
        ),
        (
            "raw value",
            when("<Comparison parameterRef=\"P\" value=\"2\" useCalibratedValue=\"false\"/>"),
        ),
        (
            "an aggregate",
            when("<Comparison parameterRef=\"G\" value=\"2\"/>"),
        ),
        (
            "a member",
            when("<Comparison parameterRef=\"G/x\" value=\"2\"/>"),
        ),
        (
            "a later value",
            when("<Comparison parameterRef=\"V\" value=\"2\"/>"),
        ),
        (
            "two values",
            when(
                "<BooleanExpression><Condition><ParameterInstanceRef parameterRef=\"K\"/><ComparisonOperator>==</ComparisonOperator><ParameterInstanceRef parameterRef=\"P\"/></Condition></BooleanExpression>",
            ),
        ),
        ("no condition", when("")),
        ("empty list", when("<ComparisonList/>")),
        (
            "empty expression",
            when("<BooleanExpression><ANDedConditions/></BooleanExpression>"),
        ),
        (
            "three in a circle",
            containers(
                &[
                    inherits("A", "C", ""),
                    inherits("B", "A", ""),
                    inherits("C", "B", ""),
                ]
                .concat(),
            ),
        ),
        (
            "a base that includes its heir",
            containers(&format!(
                "<SequenceContainer name=\"A\"><EntryList><ContainerRefEntry containerRef=\"B\"/></EntryList></SequenceContainer>\n{}",
                inherits("B", "A", "")
            )),
        ),
        (
            "an included container with a condition",
            containers(&format!(
                "<SequenceContainer name=\"A\"><EntryList>{HEADER_ENTRIES}{}</EntryList></SequenceContainer>\n<SequenceContainer name=\"B\"><EntryList/><BaseContainer containerRef=\"A\"><RestrictionCriteria><Comparison parameterRef=\"K\" value=\"1\"/></RestrictionCriteria></BaseContainer></SequenceContainer>\n<SequenceContainer name=\"C\"><EntryList><ContainerRefEntry containerRef=\"B\"/></EntryList><BaseContainer containerRef=\"A\"/></SequenceContainer>",
                entry("K")
            )),
        ),
        (
            "many elements",
            format!(
                "<SpaceSystem name=\"S\">{}</SpaceSystem>",
                "<a/>".repeat(1 << 21)
            ),
        ),
    ];
    let mut out = String::new();
    for (name, text) in &cases {
        let read = xtce::read(text.as_bytes(), "d.xml", None);
        writeln!(out, "{name}: {}", compiled(read)).expect("a line");
    }
    expect![[r#"
        array of arrays: d.xml:11: parameter "A" is an array of arrays, which is not implemented
        array of dynamic size: d.xml:10: DynamicValue in "EndingIndex" is not implemented
        array of text: d.xml:11: parameter "A" is an array of text or bytes, which is not implemented
        part of an array: d.xml:13: DimensionList in "ArrayParameterRefEntry" is not implemented
        backward array: d.xml:10: Dimension ends before it starts
        aggregate of itself: d.xml:10: AggregateParameterType "a" contains itself, or is nested too deeply
        empty aggregate: d.xml:11: parameter "A" is an aggregate without members
        two members: d.xml:11: parameter "A" has two members called "x"
        derived type: d.xml:10: IntegerParameterType "a" has baseType="u8": not implemented
        byte order list: d.xml:10: ByteOrderList in "IntegerDataEncoding" is not implemented
        attribute of another namespace: d.xml:10: IntegerDataEncoding has xtce:encoding="signed": not implemented
        element of another namespace: d.xml:10: Order in "IntegerParameterType" is not implemented
        checked bytes: d.xml:10: ErrorDetectCorrect in "IntegerDataEncoding" is not implemented
        time from another: d.xml:10: OffsetFrom in "ReferenceTime" is not implemented
        time in days: d.xml:10: Encoding counts other units than seconds: not implemented
        time as a float: d.xml:10: Encoding is no plain whole number: not implemented
        time without an epoch: d.xml:10: AbsoluteTimeParameterType "a" has no element "ReferenceTime" in it
        calibrated value: d.xml:16: Comparison compares the calibrated value of "P": not implemented
        raw value: accepted
        an aggregate: d.xml:16: Comparison compares "G", which is not one value: not implemented
        a member: d.xml:16: Comparison names "G/x", which is no parameter
        a later value: d.xml:16: a condition looks at "V", which does not come before it in container "All"
        two values: d.xml:16: ParameterInstanceRef stands twice in "Condition"
        no condition: d.xml:16: IncludeCondition has 0 conditions: expected one
        empty list: d.xml:16: a condition has no comparison in it
        empty expression: d.xml:16: a condition has no comparison in it
        three in a circle: d.xml:13: container "A" inherits from itself through "B"
        a base that includes its heir: d.xml:13: container "A" includes itself through "B"
        an included container with a condition: d.xml:15: includes container "B", which inherits under a condition: not implemented
        many elements: d.xml:1: the document has more than 2097152 elements
    "#]].assert_eq(&out);
}
