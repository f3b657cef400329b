//! Definitions and packets made by hand, and the rows that must come of them.

use std::fmt::Write as _;

use arrow::array::AsArray;
use downlake_ingest::packet::decoder::PacketDecoder;
use downlake_ingest::packet::walk::{PacketWalker, Piece};
use downlake_ingest::packet::{document, xtce};
use expect_test::{Expect, expect};

use super::support::{chunk_of, decoded_whole, table};

/// A packet of an APID with these bytes after the header.
pub(super) fn packet(apid: u16, count: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() - 1).expect("a body");
    let words = [apid & 0x7ff, 0xc000 | count, length];
    let header = words.iter().flat_map(|word| word.to_be_bytes());
    header.chain(body.iter().copied()).collect()
}

/// The columns after those of the header, and the refusals.
fn rows(definition: &str, bodies: &[&[u8]]) -> String {
    let definition = document::read(definition, "test.toml").expect("a good definition");
    let mut decoder = PacketDecoder::new(&definition, None).expect("a good definition");
    let mut text = String::new();
    for body in bodies {
        let chunk = chunk_of(&[packet(7, 0, body)]);
        let decoded = decoded_whole(&mut decoder, &chunk);
        for (_, refusal) in &decoded.unclaimed {
            writeln!(text, "{}: {}", refusal.reason, refusal.detail).expect("a line");
        }
        let Some(rows) = decoded.rows.first() else {
            continue;
        };
        for (_, refusal) in &rows.refused {
            writeln!(text, "{}: {}", refusal.reason, refusal.detail).expect("a line");
        }
        let columns: Vec<usize> = (5..rows.batch.num_columns()).collect();
        text.push_str(&table(&rows.batch.project(&columns).expect("columns")));
    }
    text
}

fn check(definition: &str, bodies: &[&[u8]], expected: &Expect) {
    expected.assert_eq(&rows(definition, bodies));
}

/// One container, of all packets.
fn container(parameters: &str, entries: &str) -> String {
    format!(
        "packets = \"test\"\nroot = \"all\"\n{parameters}\n[[container]]\nname = \"all\"\nentries = [{entries}]\n"
    )
}

#[test]
fn numbers_of_every_kind() {
    let parameters = r#"
        parameter = [
            { name = "A", type = "u3" },
            { name = "B", type = "i5" },
            { name = "C", type = "u16", little_endian = true },
            { name = "D", type = "sm8" },
            { name = "E", type = "oc8" },
            { name = "F", type = "f16" },
            { name = "G", type = "f32", little_endian = true },
            { name = "H", type = "f64" },
            { name = "I", type = "u64" },
            { name = "J", type = "u7" },
            { name = "K", type = "u64" },
            { name = "L", type = "u1", boolean = true },
        ]"#;
    let names = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L"];
    let entries: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(at, name)| match at {
            0 => format!("{{ parameter = \"{name}\", at = 48 }}"),
            _ => format!("{{ parameter = \"{name}\" }}"),
        })
        .collect();
    let definition = container(parameters, &entries.join(", "));
    let mut body = vec![0b101_11110, 0x34, 0x12, 0x83, 0xfc, 0x3c, 0x00];
    body.extend(1.5f32.to_le_bytes());
    body.extend((-2.5f64).to_be_bytes());
    body.extend(u64::MAX.to_be_bytes());
    // Seven bits, then 64 that lie across nine bytes, then one.
    let across = (0x55u128 << 65) | (0xfedc_ba98_7654_3210u128 << 1) | 1;
    body.extend(&across.to_be_bytes()[7..]);
    check(
        &definition,
        &[&body, &body[1..]],
        &expect![[r#"
        +---+----+------+----+----+-----+-----+------+----------------------+----+----------------------+------+
        | a | b  | c    | d  | e  | f   | g   | h    | i                    | j  | k                    | l    |
        +---+----+------+----+----+-----+-----+------+----------------------+----+----------------------+------+
        | 5 | -2 | 4660 | -3 | -3 | 1.0 | 1.5 | -2.5 | 18446744073709551615 | 85 | 18364758544493064720 | true |
        +---+----+------+----+----+-----+-----+------+----------------------+----+----------------------+------+
        packet-length: the packet has 41 bytes, too few for container "all": "K" needs bits 271 to 335
    "#]],
    );
}

#[test]
fn text_and_bytes_of_every_size() {
    let parameters = r#"
        parameter = [
            { name = "SIZE", type = "u8" },
            { name = "FIXED", type = "text", bits = 24 },
            { name = "PADDED", type = "text", bits = 32, padded = true },
            { name = "ENDED", type = "text", terminator = [0] },
            { name = "LED", type = "text", leading_size_bits = 8, latin1 = true },
            { name = "BLOB", type = "binary", bits_from = { parameter = "SIZE", slope = 8, intercept = -8 } },
            { name = "LAST", type = "u8" },
        ]"#;
    let definition = container(
        parameters,
        r#"{ parameter = "SIZE", at = 48 }, { parameter = "FIXED" }, { parameter = "PADDED" },
           { parameter = "ENDED" }, { parameter = "LED" }, { parameter = "BLOB" }, { parameter = "LAST" }"#,
    );
    let good = b"\x03abcde\0\0ghi\0\x02\xe9!\xaa\xbb\x07";
    let not_utf8 = b"\x03ab\xffde\0\0ghi\0\x02\xe9!\xaa\xbb\x07";
    let no_end = b"\x03abcde\0\0ghi";
    let too_large = b"\x09abcde\0\0ghi\0\x02\xe9!\xaa\xbb\x07";
    let too_long = b"\x02abcde\0\0ghi\0\x02\xe9!\xaa\xbb\x07";
    let below_zero = b"\x00abcde\0\0ghi\0\x02\xe9!\xaa\xbb\x07";
    let bodies: [&[u8]; 7] = [
        good, not_utf8, no_end, too_large, too_long, below_zero, b"\x01",
    ];
    check(
        &definition,
        &bodies,
        &expect![[r#"
        +------+-------+--------+-------+-----+------+------+
        | size | fixed | padded | ended | led | blob | last |
        +------+-------+--------+-------+-----+------+------+
        | 3    | abc   | de     | ghi   | é!  | aabb | 7    |
        +------+-------+--------+-------+-----+------+------+
        utf8: "FIXED" at bit 56 is no UTF-8: invalid utf-8 sequence of 1 bytes from index 2
        packet-length: "ENDED" at bit 112 does not end within 24 bits
        packet-length: "BLOB" at bit 168 goes beyond the packet of 24 bytes
        packet-length: the packet has 24 bytes, but container "all" ends at bit 184, in byte 23
        packet-length: "BLOB" at bit 168 would have -8 bits, since "SIZE" is 0
        packet-length: the packet has 7 bytes, too few for container "all": "FIXED" needs bits 56 to 80
    "#]],
    );
}

#[test]
fn entries_that_are_not_always_there() {
    let parameters = r#"
        parameter = [
            { name = "KIND", type = "u8" },
            { name = "A", type = "u8" },
            { name = "B", type = "i16" },
            { name = "NAME", type = "text", terminator = [0] },
            { name = "END", type = "u8", boolean = true },
        ]"#;
    let definition = container(
        parameters,
        r#"{ parameter = "KIND", at = 48 },
           { parameter = "A", when = { parameter = "KIND", is = ">", value = 1 } },
           { parameter = "B", when = { all = [
               { parameter = "KIND", is = ">", value = 1 }, { parameter = "A", is = "!=", value = 0 }] } },
           { parameter = "NAME", when = { any = [
               { parameter = "KIND", is = "==", value = 0 }, { parameter = "KIND", is = "==", value = 2 }] } },
           { parameter = "END", after = 8 }"#,
    );
    let bodies: [&[u8]; 6] = [
        b"\x00x\0?\x00",
        b"\x01?\x02",
        b"\x02\x05\xff\xfey\0?\x01",
        b"\x03\x00?\x01",
        b"\x03\x01?\x01",
        b"\x02\x05\xff\xfeyz?\x01",
    ];
    check(
        &definition,
        &bodies,
        &expect![[r#"
        +------+---+---+------+-------+----------+
        | kind | a | b | name | end   | end__raw |
        +------+---+---+------+-------+----------+
        | 0    |   |   | x    | false | 0        |
        +------+---+---+------+-------+----------+
        +------+---+---+------+------+----------+
        | kind | a | b | name | end  | end__raw |
        +------+---+---+------+------+----------+
        | 1    |   |   |      | true | 2        |
        +------+---+---+------+------+----------+
        +------+---+----+------+------+----------+
        | kind | a | b  | name | end  | end__raw |
        +------+---+----+------+------+----------+
        | 2    | 5 | -2 | y    | true | 1        |
        +------+---+----+------+------+----------+
        +------+---+---+------+------+----------+
        | kind | a | b | name | end  | end__raw |
        +------+---+---+------+------+----------+
        | 3    | 0 |   |      | true | 1        |
        +------+---+---+------+------+----------+
        packet-length: "END" at bit 88 goes beyond the packet of 10 bytes
        packet-length: "NAME" at bit 80 does not end within 32 bits
    "#]],
    );
}

#[test]
fn arrays_aggregates_and_clocks() {
    let parameters = r#"
        parameter = [
            { name = "POINT", type = "aggregate", count = 2, members = [
                { name = "X", type = "i8" }, { name = "Y", type = "u8", polynomial = [[0.5, 1]] } ] },
            { name = "V", type = "u4", count = 4 },
            { name = "STATE", type = "aggregate", members = [
                { name = "ON", type = "u8", boolean = true },
                { name = "MODE", type = "u8", labels = [[0, 0, "OFF"], [1, 3, "ON"]] } ] },
            { name = "TAI", type = "u48", clock = { code = "cuc", fraction_bits = 16, epoch = "1958-01-01T00:00:00Z", scale = "tai" } },
            { name = "UNIX", type = "u32", clock = { code = "seconds", epoch = "1970-01-01T00:00:00Z", scale = "utc" } },
        ]"#;
    let definition = container(
        parameters,
        r#"{ parameter = "POINT", at = 48 }, { parameter = "V" }, { parameter = "STATE" },
           { parameter = "TAI" }, { parameter = "UNIX" }"#,
    );
    let mut body = vec![0xff, 0x03, 0x02, 0x04, 0x12, 0x34, 0x02, 0x03];
    // 2017-01-01T00:00:00Z is 37 s before its TAI reading; half a second later.
    let tai: u64 = (4_383 + 17_167) * 86_400 + 37;
    body.extend(&tai.to_be_bytes()[4..]);
    body.extend([0x80, 0x00]);
    body.extend(1_483_228_800u32.to_be_bytes());
    check(
        &definition,
        &[&body],
        &expect![[r#"
        +---------+------------+--------------+--------------+----------+---------------+------------+--------------------------+-----------------+----------------------+------------+
        | point_x | point_y    | point_y__raw | v            | state_on | state_on__raw | state_mode | tai                      | tai__raw        | unix                 | unix__raw  |
        +---------+------------+--------------+--------------+----------+---------------+------------+--------------------------+-----------------+----------------------+------------+
        | [-1, 2] | [1.5, 2.0] | [3, 4]       | [1, 2, 3, 4] | true     | 2             | 3          | 2017-01-01T00:00:00.500Z | 122022791577600 | 2017-01-01T00:00:00Z | 1483228800 |
        +---------+------------+--------------+--------------+----------+---------------+------------+--------------------------+-----------------+----------------------+------------+
    "#]],
    );
}

#[test]
fn inheritance_decides_by_what_was_read() {
    let document = r#"<?xml version="1.0"?>
<SpaceSystem name="S" xmlns="http://www.omg.org/space/xtce">
 <TelemetryMetaData>
  <ParameterTypeSet>
   <IntegerParameterType name="u16"><IntegerDataEncoding sizeInBits="16"/></IntegerParameterType>
   <IntegerParameterType name="u8"><UnitSet><Unit>V</Unit></UnitSet><IntegerDataEncoding/></IntegerParameterType>
   <EnumeratedParameterType name="mode"><IntegerDataEncoding sizeInBits="8"/>
    <EnumerationList><Enumeration value="1" maxValue="2" label="LOW"/><Enumeration value="9" label="HIGH"/></EnumerationList>
   </EnumeratedParameterType>
  </ParameterTypeSet>
  <ParameterSet>
   <Parameter name="HEAD" parameterTypeRef="u16"/><Parameter name="SEQ" parameterTypeRef="u16"/>
   <Parameter name="LEN" parameterTypeRef="u16"/><Parameter name="MODE" parameterTypeRef="mode"/>
   <Parameter name="A" parameterTypeRef="u8"/><Parameter name="B" parameterTypeRef="u8"/>
  </ParameterSet>
  <ContainerSet>
   <SequenceContainer name="Root" abstract="true"><EntryList>
    <ParameterRefEntry parameterRef="HEAD"/><ParameterRefEntry parameterRef="/S/SEQ"/>
    <ParameterRefEntry parameterRef="LEN"/><ParameterRefEntry parameterRef="MODE"/></EntryList></SequenceContainer>
   <SequenceContainer name="Low"><EntryList><ParameterRefEntry parameterRef="A"/></EntryList>
    <BaseContainer containerRef="Root"><RestrictionCriteria><Comparison parameterRef="MODE" value="LOW"/></RestrictionCriteria></BaseContainer></SequenceContainer>
   <SequenceContainer name="High"><EntryList><ParameterRefEntry parameterRef="A"/><ParameterRefEntry parameterRef="B"/></EntryList>
    <BaseContainer containerRef="Root"><RestrictionCriteria><BooleanExpression><ORedConditions>
     <Condition><ParameterInstanceRef parameterRef="MODE" useCalibratedValue="false"/><ComparisonOperator>&gt;=</ComparisonOperator><Value>9</Value></Condition>
     <Condition><ParameterInstanceRef parameterRef="MODE" useCalibratedValue="false"/><ComparisonOperator>==</ComparisonOperator><Value>2</Value></Condition>
    </ORedConditions></BooleanExpression></RestrictionCriteria></BaseContainer></SequenceContainer>
  </ContainerSet>
 </TelemetryMetaData>
</SpaceSystem>"#;
    let definition = xtce::read(document.as_bytes(), "s.xml", None).expect("a definition");
    let mut decoder = PacketDecoder::new(&definition, Some("sat")).expect("a definition");
    let streams: Vec<String> = decoder
        .streams()
        .iter()
        .map(|stream| stream.definition.to_toml())
        .collect();
    expect![[r#"
        stream = "sat_low"

        [time]
        axis = "relative"
        column = "_packet_index"
        unit = "packet"
        run_key = "_ingest_id"

        [table]
        dedup_by = ["apid", "seq_count"]
        evolution = "strict"

        [[column]]
        name = "apid"
        type = "u16"
        description = "application process of the packet"

        [[column]]
        name = "seq_flags"
        type = "u8"
        description = "0 continuation, 1 first, 2 last, 3 whole"

        [[column]]
        name = "seq_count"
        type = "u16"
        description = "count of the packets of this APID, modulo 16384"

        [[column]]
        name = "_packet_index"
        type = "i64"
        description = "number of the packet in its source unit, from 0"

        [[column]]
        name = "_byte_offset"
        type = "i64"
        description = "place of the packet's first byte in its source unit"

        [[column]]
        name = "head"
        source = "HEAD"
        type = "u16"

        [[column]]
        name = "seq"
        source = "SEQ"
        type = "u16"

        [[column]]
        name = "len"
        source = "LEN"
        type = "u16"

        [[column]]
        name = "mode"
        source = "MODE"
        type = "u8"
        enumeration = { 1 = "LOW", 2 = "LOW", 9 = "HIGH" }

        [[column]]
        name = "a"
        source = "A"
        type = "u8"
        unit = "V"
    "#]]
    .assert_eq(&streams[0]);
    let mut text = String::new();
    for body in [
        &[1u8, 5][..],
        &[9, 5, 6],
        &[2, 5],
        &[4, 5],
        &[1, 5, 6],
        &[9, 5],
    ] {
        let decoded = decoded_whole(&mut decoder, &chunk_of(&[packet(7, 0, body)]));
        let refused = decoded.rows.iter().flat_map(|rows| &rows.refused);
        let refused = refused.map(|(_, refusal)| refusal);
        let unclaimed = decoded.unclaimed.iter().map(|(_, refusal)| refusal);
        let outcome = match unclaimed.chain(refused).next() {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(&decoder.streams()[decoded.rows[0].stream].definition.stream),
        };
        match outcome {
            Ok(stream) => writeln!(text, "{body:?}: {stream}").expect("a line"),
            Err(r) => writeln!(text, "{body:?}: {}: {}", r.reason, r.detail).expect("a line"),
        }
    }
    expect![[r#"
        [1, 5]: sat_low
        [9, 5, 6]: sat_high
        [2, 5]: ambiguous: containers "Low" and "High" both describe this packet of APID 7
        [4, 5]: no-definition: APID 7: no container that inherits from "Root" describes this packet
        [1, 5, 6]: packet-length: the packet has 9 bytes, but container "Low" ends at bit 64, in byte 8
        [9, 5]: packet-length: the packet has 8 bytes, too few for container "High": "B" needs bits 64 to 72
    "#]].assert_eq(&text);
}

/// Two bytes more are accepted where they prove that the packet is intact.
#[test]
fn error_control_may_follow_what_is_defined() {
    let parameters = r#"parameter = [{ name = "A", type = "u8" }]"#;
    let definition = container(parameters, r#"{ parameter = "A", at = 48 }"#);
    check(
        &definition,
        &[
            b"\x05",
            b"\x05\x00\x00",
            b"\x05\x3c\xf0",
            b"\x05\x00\x00\x00",
        ],
        &expect![[r#"
            +---+
            | a |
            +---+
            | 5 |
            +---+
            packet-length: the packet has 9 bytes, but container "all" ends at bit 56, in byte 7; its last two bytes are not the error control of the others
            +---+
            | a |
            +---+
            | 5 |
            +---+
            packet-length: the packet has 10 bytes, but container "all" ends at bit 56, in byte 7
        "#]],
    );
}

/// A packet joined from segments has the header of the first and all data.
#[test]
fn a_joined_packet_is_longer_than_its_header_says() {
    let parameters = r#"parameter = [{ name = "SIZE", type = "u32" },
        { name = "DATA", type = "binary", bits_from = { parameter = "SIZE", slope = 8, intercept = 0 } }]"#;
    let entries = r#"{ parameter = "SIZE", at = 48 }, { parameter = "DATA" }"#;
    let definition = document::read(&container(parameters, entries), "test.toml");
    let definition = definition.expect("a good definition");
    let mut decoder = PacketDecoder::new(&definition, None).expect("a good definition");
    let size = 3 * 65_536u32;
    let mut bytes = packet(7, 0, &size.to_be_bytes());
    bytes.extend(vec![0x5a; 3 * 65_536]);
    let mut chunk = chunk_of(&[bytes]);
    let alone = decoded_whole(&mut decoder, &chunk);
    expect!["196618 bytes are not the packet of APID 7, whose header says 10"]
        .assert_eq(&alone.unclaimed[0].1.detail);
    chunk.packets[0].is_joined = true;
    let joined = decoded_whole(&mut decoder, &chunk);
    let data = joined.rows[0].batch.column_by_name("data");
    let data = data.expect("a column").as_binary::<i32>();
    assert_eq!(data.value(0), vec![0x5a; 3 * 65_536]);
}

/// Containers with these conditions on a root, and the container of each packet.
fn containers_of(conditions: &[&str], packets: &[Vec<u8>]) -> String {
    let mut text = r#"packets = "tree"
root = "all"
parameter = [{ name = "TYPE", type = "u1" }, { name = "APID", type = "u11" }, { name = "MODE", type = "u8" }]
[[container]]
name = "all"
entries = [{ parameter = "TYPE", at = 3 }, { parameter = "APID", at = 5 }, { parameter = "MODE", at = 48 }]
"#
    .to_owned();
    for (at, condition) in conditions.iter().enumerate() {
        let heir = format!("[[container]]\nname = \"c{at}\"\nbase = \"all\"\nentries = []\n");
        text += &format!("{heir}when = {{ all = [{condition}] }}\n");
    }
    let definition = document::read(&text, "tree.toml").expect("a definition");
    let mut decoder = PacketDecoder::new(&definition, None).expect("a definition");
    let decoded = decoded_whole(&mut decoder, &chunk_of(packets));
    let mut found = vec![String::new(); packets.len()];
    for (at, refusal) in decoded.unclaimed {
        found[at] = format!("{}: {}", refusal.reason, refusal.detail);
    }
    for rows in &decoded.rows {
        for at in &rows.kept {
            let stream = &decoder.streams()[rows.stream].definition.stream;
            found[*at as usize].clone_from(stream);
        }
    }
    found.join("\n")
}

/// What one packet of an APID was found to be says nothing of others where
/// more than the APID decides, and no container hides another.
#[test]
fn every_condition_is_asked_of_every_packet() {
    let apid = |apid: u16| format!(r#"{{ parameter = "APID", is = "==", value = {apid} }}"#);
    let mode =
        |is: &str, mode: u16| format!(r#"{{ parameter = "MODE", is = "{is}", value = {mode} }}"#);
    let command = |is: u16| format!(r#"{{ parameter = "TYPE", is = "==", value = {is} }}"#);
    let by_mode = [
        apid(7),
        format!("{}, {}", apid(8), mode("==", 1)),
        format!("{}, {}", mode("==", 2), apid(8)),
        mode(">", 100),
        format!("{}, {}", apid(9), apid(8)),
    ];
    let by_mode: Vec<&str> = by_mode.iter().map(String::as_str).collect();
    let packets = [
        (7, 0),
        (8, 1),
        (8, 2),
        (8, 1),
        (8, 3),
        (9, 5),
        (6, 101),
        (7, 101),
    ];
    let packets = packets.map(|(apid, mode)| packet(apid, 0, &[mode]));
    expect![[r#"
        c0
        c1
        c2
        c1
        no-definition: APID 8: no container that inherits from "all" describes this packet
        no-definition: APID 9: no container that inherits from "all" describes this packet
        c3
        ambiguous: containers "c0" and "c3" both describe this packet of APID 7"#]]
    .assert_eq(&containers_of(&by_mode, &packets));
    let by_type = [
        format!("{}, {}", apid(7), command(0)),
        format!("{}, {}", apid(7), command(1)),
    ];
    let by_type: Vec<&str> = by_type.iter().map(String::as_str).collect();
    let mut packets = [7, 7, 7, 7, 8].map(|apid| packet(apid, 0, &[0]));
    packets[1][0] |= 0x10;
    packets[2][0] |= 0x10;
    expect![[r#"
        c0
        c1
        c1
        c0
        no-definition: APID 8: no container that inherits from "all" describes this packet"#]]
    .assert_eq(&containers_of(&by_type, &packets));
}

/// Idle packets are counted, whatever the definition says of them.
#[test]
fn idle_packets_are_no_rows() {
    let parameters = r#"parameter = [{ name = "A", type = "u8" }]"#;
    let definition = container(parameters, r#"{ parameter = "A", at = 48 }"#);
    let definition = document::read(&definition, "test.toml").expect("a good definition");
    let mut decoder = PacketDecoder::new(&definition, None).expect("a good definition");
    let packets = [0x7ff, 7, 0x7ff, 8].map(|apid| packet(apid, 0, &[5]));
    let decoded = decoded_whole(&mut decoder, &chunk_of(&packets));
    assert_eq!(decoded.idle, 2);
    assert_eq!(decoded.rows[0].kept, [1, 3]);
}

/// A parameter that stands again has a value for each time.
#[test]
fn a_repeated_parameter_keeps_every_value() {
    let parameters = r#"parameter = [{ name = "A", type = "u8" }, { name = "A_2", type = "u8" }]"#;
    let definition = container(
        parameters,
        r#"{ parameter = "A", at = 48 }, { parameter = "A_2" }, { parameter = "A" },
           { parameter = "A", when = { parameter = "A", is = "==", value = 3 } }"#,
    );
    check(
        &definition,
        &[b"\x01\x02\x03\x04", b"\x03\x02\x01"],
        &expect![[r#"
            +---+-----+-----+-----+
            | a | a_2 | a_3 | a_4 |
            +---+-----+-----+-----+
            | 1 | 2   | 3   | 4   |
            +---+-----+-----+-----+
            +---+-----+-----+-----+
            | a | a_2 | a_3 | a_4 |
            +---+-----+-----+-----+
            | 3 | 2   | 1   |     |
            +---+-----+-----+-----+
        "#]],
    );
}

/// Packets and holes of a stream, and that no byte is lost.
fn pieces(stream: &[u8]) -> String {
    let mut walker = PacketWalker::new(stream);
    let (mut text, mut next, mut index, mut packets) = (String::new(), 0, 0, 0);
    while let Some(piece) = walker.next_piece().expect("bytes") {
        match piece {
            Piece::Packets(some) => {
                for packet in some {
                    assert_eq!((packet.offset, packet.index), (next, index));
                    next += packet.bytes.len() as u64;
                    index += 1;
                    packets += 1;
                }
            }
            Piece::Hole(hole) => {
                assert_eq!(hole.offset, next);
                let head = &stream[usize::try_from(hole.offset).expect("an offset")..];
                assert!(head.starts_with(&hole.head));
                next += hole.bytes;
                write!(
                    text,
                    "{packets} packets, {} bytes at {}, ",
                    hole.bytes, hole.offset
                )
                .expect("a line");
                packets = 0;
            }
        }
    }
    assert_eq!(next, stream.len() as u64, "every byte is somewhere");
    format!("{text}{packets} packets")
}

#[test]
fn garbage_between_packets_is_a_hole() {
    let some = |from: u16, to: u16| -> Vec<u8> {
        (from..to)
            .flat_map(|count| packet(100 + count % 3, count, &[0x5a; 60]))
            .collect()
    };
    let garbage: Vec<u8> = (0..53u8).map(|i| i.wrapping_mul(37) ^ 0xc3).collect();
    let zeros = vec![0; 500];
    let cases = [
        ("clean", some(0, 30)),
        ("one packet", some(0, 1)),
        (
            "in the middle",
            [some(0, 15), garbage.clone(), some(15, 30)].concat(),
        ),
        ("at the start", [garbage.clone(), some(0, 30)].concat()),
        ("at the end", [some(0, 30), garbage.clone()].concat()),
        ("zeros", [some(0, 15), zeros.clone(), some(15, 30)].concat()),
        ("cut tail", some(0, 30)[..30 * 66 - 10].to_vec()),
        ("cut head", some(0, 30)[20..].to_vec()),
        ("cut header", [some(0, 30), vec![0, 100, 0]].concat()),
        ("only garbage", garbage),
        ("only zeros", zeros),
        ("nothing", Vec::new()),
    ];
    let text: String = cases
        .iter()
        .map(|(name, stream)| format!("{name}: {}\n", pieces(stream)))
        .collect();
    expect![[r#"
        clean: 30 packets
        one packet: 1 packets
        in the middle: 15 packets, 53 bytes at 990, 15 packets
        at the start: 0 packets, 53 bytes at 0, 30 packets
        at the end: 30 packets, 53 bytes at 1980, 0 packets
        zeros: 15 packets, 500 bytes at 990, 15 packets
        cut tail: 29 packets, 56 bytes at 1914, 0 packets
        cut head: 0 packets, 46 bytes at 0, 29 packets
        cut header: 30 packets, 3 bytes at 1980, 0 packets
        only garbage: 0 packets, 53 bytes at 0, 0 packets
        only zeros: 0 packets, 500 bytes at 0, 0 packets
        nothing: 0 packets
    "#]]
    .assert_eq(&text);
}

/// A length with a wrong bit takes no good packet with it.
#[test]
fn a_broken_length_is_left_behind() {
    let mut stream: Vec<u8> = (0..30)
        .flat_map(|count| packet(100, count, &[0x5a; 60]))
        .collect();
    stream[10 * 66 + 4] ^= 0x02;
    expect!["10 packets, 66 bytes at 660, 19 packets"].assert_eq(&pieces(&stream));
}

/// Memory stays bounded and holes whole when garbage is longer than a window.
#[test]
fn a_hole_longer_than_the_window_is_one() {
    let packets: Vec<u8> = (0..8)
        .flat_map(|count| packet(100, count, &[0x5a; 60]))
        .collect();
    let stream = [packets.clone(), vec![0xff; 3 << 20], packets].concat();
    expect!["8 packets, 3145728 bytes at 528, 8 packets"].assert_eq(&pieces(&stream));
}
