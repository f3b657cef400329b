//! Definitions as users give them: every form, what a TOML adds, several side
//! by side; and the tables that they make.

use std::fmt::Write as _;
use std::fs::File;

use arrow::array::AsArray;
use arrow::compute::concat_batches;
use arrow::datatypes::{Int32Type, Int64Type};
use downlake_ingest::packet::decoder::PacketDecoder;
use downlake_ingest::packet::feed::{Chunk, Feed, PacketFile};
use downlake_ingest::packet::schema::{PacketSchema, SchemaDecoder, Survey, decoder};
use downlake_ingest::packet::source::{Asked, PacketPlan};
use downlake_lake::schema::time::{TimeReader, format_rfc3339};
use downlake_lake::schema::{Definition, TimeAxis};
use downlake_lake::{Error, Result};
use expect_test::{Expect, expect};

use super::broken::fuzz;
use super::support::{chunk_of, data, decoded_whole, forget_places};
use super::synthetic::packet;
use crate::fuzz::broken;

/// A small definition in our own form.
const PACKETS: &str = r#"
packets = "small"
root = "header"
parameter = [
    { name = "APID", type = "u11" },
    { name = "DAY", type = "u16" },
    { name = "MSEC", type = "u32" },
    { name = "VOLTS", type = "u8", polynomial = [[0.5, 1]] },
    { name = "TIME", type = "u8" },
]
[[container]]
name = "header"
abstract = true
entries = [{ parameter = "APID", at = 5 }]
[[container]]
name = "clocked"
base = "header"
when = { parameter = "APID", is = "==", value = 7 }
entries = [{ parameter = "DAY", at = 48 }, { parameter = "MSEC" }, { parameter = "VOLTS" }, { parameter = "TIME" }]
[[container]]
name = "bare"
base = "header"
when = { parameter = "APID", is = ">=", value = 8 }
entries = [{ parameter = "VOLTS", at = 48 }]
"#;

const CSV: &str = "name,data_type,bit_length\nDAY,uint,16\nMSEC,uint,32\n";

/// ccsdspy reads the last byte of the packet's length as LEN_LOW.
const OFFSETS: &str =
    "name,data_type,bit_length,bit_offset\nLEN_LOW,uint,8,40\nB,uint,8,48\nC,uint,8,56\n";

fn files(name: &str) -> Result<Vec<u8>> {
    match name {
        "m/packets.toml" => Ok(PACKETS.as_bytes().to_vec()),
        "m/offsets.csv" => Ok(OFFSETS.as_bytes().to_vec()),
        "m/sim.csv" => Ok(CSV.as_bytes().to_vec()),
        "m/pointer.toml" => Ok(b"definition = \"packets.toml\"\n".to_vec()),
        "m/stream.toml" => Ok(b"stream = \"s\"\n".to_vec()),
        "m/options.toml" => Ok(format!("counts = \"random\"\n{PACKETS}").into_bytes()),
        _ => Err(Error::not_found(format!("no file {name}"))),
    }
}

fn read(text: &str, file: &str) -> Result<Option<PacketSchema>> {
    PacketSchema::read(text.as_bytes(), file, files)
}

fn schema(text: &str) -> PacketSchema {
    let schema = read(text, "m/d.toml").expect("a good schema");
    schema.expect("a packet schema")
}

/// Our own form with more keys before its tables.
fn small(head: &str, tables: &str) -> PacketSchema {
    schema(&format!("{head}\n{PACKETS}\n{tables}"))
}

#[test]
fn the_content_tells_the_form() {
    let xtce = "<SpaceSystem name=\"S\"/>";
    let cases = [
        ("xtce", "d", xtce),
        ("xtce with blanks", "d", "\n  <SpaceSystem name=\"S\"/>"),
        ("csv", "d.txt", CSV),
        ("csv by its name", "d.csv", "a,b\n1,2\n"),
        (
            "quoted csv",
            "d",
            "\"name\", \"data_type\",bit_length\r\na,uint,8\r\n",
        ),
        ("packets", "d", PACKETS),
        (
            "packets without a name",
            "d",
            "[[parameter]]\nname = \"a\"\ntype = \"u8\"\n",
        ),
        ("stream", "d.toml", "stream = \"s\"\n"),
        ("misspelt", "d.toml", "strem = \"s\"\n"),
        ("no toml", "d.toml", "stream = \n"),
        ("binary", "d", "\u{0}\u{1}"),
        ("empty", "d", ""),
    ];
    let mut out = String::new();
    for (name, file, text) in cases {
        let said = match read(text, file) {
            Ok(None) => "something else".to_owned(),
            Ok(Some(schema)) => format!("packets {:?}", schema.definition.name),
            Err(error) => error.message().to_owned(),
        };
        writeln!(out, "{name}: {said}").expect("a line");
    }
    expect![[r#"
        xtce: d:1: SpaceSystem "S" has no container: nothing says what packets hold
        xtce with blanks: d:2: SpaceSystem "S" has no container: nothing says what packets hold
        csv: packets "d"
        csv by its name: d.csv:1: column "a" is not known: columns are name, data_type, bit_length, bit_offset, calibration
        quoted csv: d:1: column "\"data_type\"" is not known: columns are name, data_type, bit_length, bit_offset, calibration
        packets: packets "small"
        packets without a name: d:1: missing field `packets`
        stream: something else
        misspelt: something else
        no toml: something else
        binary: something else
        empty: something else
    "#]].assert_eq(&out);
}

#[test]
fn a_pointer_that_leads_nowhere_is_refused() {
    let cases = [
        ("good", "definition = \"packets.toml\""),
        ("csv", "definition = \"sim.csv\"\napid = 35"),
        (
            "csv with offsets",
            "definition = \"offsets.csv\"\noffsets = \"packet\"",
        ),
        ("csv with unsaid offsets", "definition = \"offsets.csv\""),
        (
            "unknown offsets",
            "definition = \"offsets.csv\"\noffsets = \"header\"",
        ),
        (
            "offsets of another form",
            "definition = \"packets.toml\"\noffsets = \"data\"",
        ),
        ("no file", "definition = \"none.xml\""),
        ("a pointer", "definition = \"pointer.toml\""),
        ("a stream", "definition = \"stream.toml\""),
        ("options of its own", "definition = \"options.toml\""),
        (
            "unknown key",
            "definition = \"packets.toml\"\ncoutns = \"random\"",
        ),
        ("both", "definition = \"packets.toml\"\npackets = \"x\""),
        (
            "apid of another form",
            "definition = \"packets.toml\"\napid = 3",
        ),
        (
            "root of another form",
            "definition = \"sim.csv\"\nroot = \"x\"",
        ),
        ("idle apid", "definition = \"sim.csv\"\napid = 2047"),
        (
            "unknown word",
            "definition = \"packets.toml\"\nlonger = \"refus\"",
        ),
        (
            "segment header alone",
            "definition = \"packets.toml\"\nsegment_header_bytes = 4",
        ),
        (
            "unknown container",
            "definition = \"packets.toml\"\n[stream.clockd]\ntable = \"t\"",
        ),
        (
            "unknown setting",
            "definition = \"packets.toml\"\n[stream.clocked]\ntabel = \"t\"",
        ),
        (
            "frames",
            "definition = \"packets.toml\"\n[frames]\nkind = \"aos\"\nframe_length = 892\ninsert_zone = -1",
        ),
        (
            "frames that do not fit",
            "definition = \"packets.toml\"\n[frames]\nkind = \"tm\"\nframe_length = 5",
        ),
        (
            "no such preset",
            "definition = \"packets.toml\"\n[frames]\npreset = \"jps\"",
        ),
        (
            "preset and code",
            "definition = \"packets.toml\"\n[frames]\npreset = \"jpss\"\nbasis = \"dual\"",
        ),
        (
            "interleave alone",
            "definition = \"packets.toml\"\n[frames]\nkind = \"tm\"\nframe_length = 1115\ninterleave = 5",
        ),
    ];
    let mut out = String::new();
    for (name, text) in cases {
        let said = match read(text, "m/d.toml") {
            Ok(schema) => format!("{:?}", schema.map(|schema| schema.definition.name)),
            Err(error) => error.message().to_owned(),
        };
        writeln!(out, "{name}: {said}").expect("a line");
    }
    expect![[r#"
        good: Some("small")
        csv: Some("sim")
        csv with offsets: Some("offsets")
        csv with unsaid offsets: m/offsets.csv:2: field "LEN_LOW" has bit_offset 40, in the primary header: if offsets count from its end, say offsets = "data" in a TOML with definition = "m/offsets.csv"; if from the packet's first byte, offsets = "packet"
        unknown offsets: m/d.toml:2:11: offsets is "header": expected packet, data
        offsets of another form: m/d.toml:1:14: offsets is for ccsdspy definitions; others say it themselves
        no file: no file m/none.xml
        a pointer: m/d.toml:1:14: definition "m/pointer.toml" is no XTCE document, no ccsdspy CSV and no TOML with packets of its own
        a stream: m/d.toml:1:14: definition "m/stream.toml" is no XTCE document, no ccsdspy CSV and no TOML with packets of its own
        options of its own: m/d.toml:1:14: definition "m/options.toml" says more than what packets hold: keep that in one of the two files
        unknown key: m/d.toml:2:1: unknown key "coutns" in the packet definition, did you mean "counts": keys are definition, apid, offsets, root, longer, error_control, segments, segment_header_bytes, counts, time, stream, frames
        both: m/d.toml:2:1: unknown key "packets" in the packet definition: keys are definition, apid, offsets, root, longer, error_control, segments, segment_header_bytes, counts, time, stream, frames
        apid of another form: m/d.toml:1:14: apid is for ccsdspy definitions, which do not say theirs
        root of another form: m/d.toml:1:14: root is for XTCE documents; this definition says its own
        idle apid: m/d.toml:2:8: apid must be 0 to 2046
        unknown word: m/d.toml:2:10: longer is "refus", did you mean "refuse": expected keep, refuse
        segment header alone: m/d.toml:2:24: segment_header_bytes belongs to segments = "join"
        unknown container: m/d.toml:2: [stream.clockd] names no container of the definition, did you mean "clocked"
        unknown setting: m/d.toml:3:1: unknown key "tabel" in [stream.clocked], did you mean "table": keys are table, description, time, partition, sort_by, dedup_by, dedup_ignore, received_at, units, limits, valid
        frames: m/d.toml:5:15: insert_zone is an integer: expected a number in its range
        frames that do not fit: m/d.toml:2:1: a frame length of 5 bytes does not fit: with 6 bytes of header and trailer it is 7 to 2052
        no such preset: m/d.toml:3:10: no frame preset is called "jps"; there are jpss, tm-1115, tm-1115-cadu
        preset and code: m/d.toml:4:9: basis beside preset: leave one of them out
        interleave alone: m/d.toml:5:14: interleave belongs to reed_solomon
    "#]].assert_eq(&out);
}

/// Every option, written and read again.
#[test]
fn a_schema_comes_back_from_its_text() {
    let schema = small(
        "longer = \"refuse\"\nerror_control = \"crc-16\"\nsegments = \"join\"\nsegment_header_bytes = 4\ncounts = \"random\"",
        r#"
[time]
axis = "absolute"
code = "cds"
columns = ["DAY", "MSEC"]
valid = ["2000-01-01T00:00:00Z"]
[stream.bare]
table = "simple"
description = "one \"byte\""
partition = "month"
sort_by = ["VOLTS"]
dedup_by = []
units = { VOLTS = "V" }
limits = { VOLTS = [{ name = "warning", low = 1.5, high = 20.0 }] }
valid = { VOLTS = [0.0, inf] }
time = { axis = "none" }
[frames]
kind = "aos"
frame_length = 892
marker = true
randomized = true
reed_solomon = "255/223"
interleave = 4
virtual_channels = [1, 16]
spacecraft = 157
"#,
    );
    let again = read(&schema.text, "written.toml").expect("canonical text");
    let again = again.expect("a packet schema");
    assert_eq!(again.text, schema.text);
    let forgotten = |schema: &PacketSchema| {
        let mut schema = schema.clone();
        forget_places(&mut schema.definition);
        schema.options.time_place = Default::default();
        for stream in &mut schema.options.streams {
            stream.place = Default::default();
        }
        schema
    };
    assert_eq!(forgotten(&again), forgotten(&schema));
    assert_eq!(again.hash(), schema.hash());
    let plain = small("", "");
    assert_ne!(plain.hash(), schema.hash());
    let tail = schema.text.split("[time]").nth(1).expect("an axis");
    expect![[r#"
        packets = "small"
        root = "header"
        longer = "refuse"
        error_control = "crc-16"
        segments = "join"
        segment_header_bytes = 4
        counts = "random"

        [[parameter]]
        name = ...[time]
        axis = "absolute"
        columns = ["DAY", "MSEC"]
        code = "cds"
        epoch = "1958-01-01T00:00:00Z"
        valid = ["2000-01-01T00:00:00Z"]

        [stream."bare"]
        table = "simple"
        description = 'one "byte"'
        partition = "month"
        sort_by = ["VOLTS"]
        dedup_by = []
        units = { "VOLTS" = "V" }
        limits = { "VOLTS" = [{ name = "warning", low = 1.5, high = 20.0 }] }
        valid = { "VOLTS" = [0.0, inf] }

        [stream."bare".time]
        axis = "none"

        [frames]
        kind = "aos"
        frame_length = 892
        reed_solomon = "255/223"
        interleave = 4
        basis = "dual"
        marker = true
        randomized = true
        spacecraft = 157
        virtual_channels = [1, 16]
    "#]]
    .assert_eq(&format!("{}...[time]{tail}", &schema.text[..160]));
}

/// The tables, in a few words each.
fn tables(decoder: &SchemaDecoder) -> String {
    let mut out = String::new();
    for stream in decoder.streams() {
        let definition = &stream.definition;
        let names: Vec<&str> = definition.columns.iter().map(|c| &*c.name).collect();
        writeln!(
            out,
            "{}: axis {:?}, partition {:?}, sort {:?}, dedup {:?}\n  {}",
            definition.stream,
            definition.axis().unwrap_or("none"),
            definition.partition_columns(),
            definition.sort_columns(),
            definition.dedup_columns(),
            names.join(" ")
        )
        .expect("a line");
    }
    for notice in decoder
        .notices()
        .iter()
        .chain(decoder.streams().flat_map(|stream| &stream.notices))
    {
        writeln!(out, "notice: {notice}").expect("a line");
    }
    out
}

fn made(schemas: &[PacketSchema], prefix: Option<&str>, time: Option<&str>) -> String {
    match decoder(schemas, prefix, time) {
        Ok(decoder) => tables(&decoder),
        Err(error) => format!("{:?}: {}\n", error.kind(), error.message()),
    }
}

#[test]
fn an_axis_goes_to_the_streams_that_have_its_columns() {
    let cases = [
        ("none", None),
        ("on the command line", Some("cds(DAY,MSEC)")),
        ("folded", Some("cds(day, msec)")),
        ("relative", Some("relative(TIME, s)")),
        ("no axis", Some("none")),
        ("nowhere", Some("cds(DAYS,MSEC)")),
        ("not closed", Some("cds(DAY,MSEC")),
        ("a bare number", Some("MSEC")),
    ];
    let mut out = String::new();
    for (name, time) in cases {
        let said = made(&[small("", "")], Some("P"), time);
        writeln!(out, "# {name}\n{said}").expect("a case");
    }
    expect![[r##"
        # none
        p_clocked: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time
        p_bare: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw

        # on the command line
        p_clocked: axis "time", partition ["date"], sort ["time", "seq_count"], dedup ["apid", "seq_count", "time"]
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time_2
        p_bare: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw
        notice: streams without the columns of time axis "cds(DAY,MSEC)" stay in the order of arrival: p_bare
        notice: column "TIME" is named "time_2": "time" is a column that the lake adds

        # folded
        p_clocked: axis "time", partition ["date"], sort ["time", "seq_count"], dedup ["apid", "seq_count", "time"]
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time_2
        p_bare: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw
        notice: streams without the columns of time axis "cds(day, msec)" stay in the order of arrival: p_bare
        notice: column "TIME" is named "time_2": "time" is a column that the lake adds

        # relative
        p_clocked: axis "time", partition [], sort ["time"], dedup ["apid", "seq_count", "time"]
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time
        p_bare: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw
        notice: streams without the columns of time axis "relative(TIME, s)" stay in the order of arrival: p_bare

        # no axis
        p_clocked: axis "none", partition [], sort [], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time
        p_bare: axis "none", partition [], sort [], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw

        # nowhere
        NotFound: time axis "cds(DAYS,MSEC)", character 5: "DAYS" is no column of the stream, did you mean "DAY": columns are apid, seq_flags, seq_count, _packet_index, _byte_offset, DAY, MSEC, VOLTS, VOLTS, TIME

        # not closed
        Invalid: stream "p_clocked": time axis "cds(DAY,MSEC", character 13: expected ')', found the end

        # a bare number
        Invalid: stream "p_clocked": time axis "MSEC", character 1: column "msec" is u32: say what it counts, such as seconds(msec), millis(msec) or relative(msec, s)

    "##]].assert_eq(&out);
}

#[test]
fn what_a_schema_says_of_its_streams() {
    let time = "[time]\naxis = \"absolute\"\ncode = \"cds\"\ncolumns = [\"DAY\", \"MSEC\"]\n";
    let cases = [
        ("for all", time.to_owned(), None),
        (
            "for one",
            "[stream.clocked.time]\naxis = \"absolute\"\ncode = \"seconds\"\ncolumn = \"MSEC\"\nepoch = \"2000-01-01T00:00:00Z\"\n[stream.clocked]\ntable = \"c\"\npartition = \"none\"\n".to_owned(),
            None,
        ),
        (
            "one beside all",
            format!("{time}[stream.clocked]\ntime = {{ axis = \"relative\", column = \"MSEC\", unit = \"ms\" }}\n"),
            None,
        ),
        ("keys", format!("{time}[stream.clocked]\nsort_by = [\"VOLTS\", \"time\"]\ndedup_by = [\"DAY\"]\n"), None),
        ("no such column", "[time]\naxis = \"absolute\"\ncode = \"cds\"\ncolumns = [\"DAY\", \"MSECS\"]\n".to_owned(), None),
        ("unit of nothing", "[stream.bare]\nunits = { VOLT = \"V\" }\n".to_owned(), None),
        ("limits of text", "[stream.bare]\nlimits = { apid = [{ name = \"w\" }] }\n".to_owned(), None),
        ("wrong code", "[stream.clocked.time]\naxis = \"absolute\"\ncolumn = \"MSEC\"\n".to_owned(), None),
        ("one name for two", "[stream.bare]\ntable = \"clocked\"\n".to_owned(), None),
        ("a name beside the prefix", "[stream.bare]\ntable = \"Other One\"\n".to_owned(), Some("x")),
        ("random counts", String::new(), None),
    ];
    let mut out = String::new();
    for (name, tables, prefix) in cases {
        let head = if name == "random counts" {
            "counts = \"random\""
        } else {
            ""
        };
        let said = made(&[small(head, &tables)], prefix, None);
        writeln!(out, "# {name}\n{said}").expect("a case");
    }
    expect![[r##"
        # for all
        clocked: axis "time", partition ["date"], sort ["time", "seq_count"], dedup ["apid", "seq_count", "time"]
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time_2
        bare: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw
        notice: column "TIME" is named "time_2": "time" is a column that the lake adds

        # for one
        c: axis "time", partition [], sort ["time", "seq_count"], dedup ["apid", "seq_count", "time"]
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time_2
        bare: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw
        notice: column "TIME" is named "time_2": "time" is a column that the lake adds

        # one beside all
        clocked: axis "msec", partition [], sort ["msec"], dedup ["apid", "seq_count", "msec"]
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time
        bare: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw

        # keys
        clocked: axis "time", partition ["date"], sort ["volts", "time"], dedup ["day"]
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time_2
        bare: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw
        notice: column "TIME" is named "time_2": "time" is a column that the lake adds

        # no such column
        NotFound: m/d.toml:27: [time]: time names "MSECS", which is no column of the stream, did you mean "MSEC"

        # unit of nothing
        Invalid: m/d.toml:27: [stream.bare]: units names "VOLT", which is no column of the stream, did you mean "VOLTS"

        # limits of text
        Invalid: m/d.toml:27: [stream.bare]: stream "bare": column "apid" has limit "w" without low and high

        # wrong code
        Invalid: m/d.toml:27: [stream.clocked]: stream "clocked": code "iso" does not read column "msec" of type u32: expected timestamp, timestamp_ns, date or text

        # one name for two
        Invalid: m/d.toml:21: container "bare" makes the table "clocked", as "clocked" at m/d.toml:16 does: give one another name with [stream.bare] table = "..."

        # a name beside the prefix
        x_clocked: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time
        x_other_one: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw

        # random counts
        clocked: axis "_packet_index", partition [], sort ["_packet_index"], dedup []
          apid seq_flags seq_count _packet_index _byte_offset day msec volts volts__raw time
        bare: axis "_packet_index", partition [], sort ["_packet_index"], dedup []
          apid seq_flags seq_count _packet_index _byte_offset volts volts__raw

    "##]].assert_eq(&out);
}

/// A packet with its error control behind it.
fn controlled(apid: u16, count: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = packet(apid, count, &[body, &[0, 0]].concat());
    let end = bytes.len() - 2;
    let code = bytes[..end].iter().fold(0xffff_u16, |mut rest, byte| {
        rest ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            let carry = rest & 0x8000 != 0;
            rest = (rest << 1) ^ if carry { 0x1021 } else { 0 };
        }
        rest
    });
    bytes[end..].copy_from_slice(&code.to_be_bytes());
    bytes
}

/// What became of each packet, in order; every packet is somewhere once.
fn fates(schemas: &[PacketSchema], packets: &[Vec<u8>]) -> String {
    let mut decoder = decoder(schemas, None, None).expect("good definitions");
    let mut chunk = chunk_of(packets);
    let entries = chunk.packets.clone();
    let decoded = decoder.decode_chunk(&mut chunk).expect("rows");
    assert_eq!(chunk.packets, entries, "the chunk is as it was");
    let mut fates: Vec<Vec<String>> = vec![Vec::new(); packets.len()];
    let streams: Vec<_> = decoder
        .streams()
        .map(|s| s.definition.stream.clone())
        .collect();
    for rows in &decoded.rows {
        assert_eq!(rows.kept.len(), rows.batch.num_rows());
        let name = &streams[rows.stream];
        for (row, at) in rows.kept.iter().enumerate() {
            let count = rows.batch.column_by_name("seq_count").expect("a column");
            let count = count.as_primitive::<Int32Type>().value(row);
            assert_eq!(
                count,
                i32::try_from(*at).expect("a count"),
                "rows are their packets"
            );
            fates[*at as usize].push(name.clone());
        }
        for (at, bits) in &rows.undecoded {
            fates[*at as usize].push(format!("{bits} bits more"));
        }
        for (at, refusal) in &rows.refused {
            fates[*at as usize].push(format!("{}: {}", refusal.reason, refusal.detail));
        }
    }
    for (at, refusal) in &decoded.unclaimed {
        fates[*at].push(format!("{}: {}", refusal.reason, refusal.detail));
    }
    let idle = fates.iter().filter(|fate| fate.is_empty()).count();
    assert_eq!(decoded.idle, idle as u64);
    let lines = fates.iter().enumerate();
    lines
        .map(|(at, fate)| format!("{at} {}\n", fate.join(", ")))
        .collect()
}

fn check_fates(schemas: &[PacketSchema], packets: &[Vec<u8>], expected: &Expect) {
    expected.assert_eq(&fates(schemas, packets));
}

#[test]
fn error_control_is_proven_and_no_part_of_the_container() {
    let schema = small("error_control = \"crc-16\"", "");
    let mut broken = controlled(8, 1, &[5]);
    broken[6] ^= 1;
    check_fates(
        &[schema],
        &[
            controlled(8, 0, &[5]),
            broken,
            packet(8, 2, &[5]),
            controlled(8, 3, &[5, 6]),
            controlled(8, 4, &[]),
            packet(9, 5, &[5, 0, 0]),
            packet(3, 6, &[5]),
            packet(0x7ff, 7, &[5]),
        ],
        &expect![[r#"
            0 bare
            1 error-control: the last two bytes are not the CRC-16 of those before them
            2 error-control: the last two bytes are not the CRC-16 of those before them
            3 bare, 8 bits more
            4 packet-length: the packet has 6 bytes, too few for container "bare": "VOLTS" needs bits 48 to 56
            5 error-control: the last two bytes are not the CRC-16 of those before them
            6 no-definition: APID 3: no container that inherits from "header" describes this packet
            7 
        "#]],
    );
}

#[test]
fn longer_packets_are_kept_or_refused() {
    let packets = [packet(8, 0, &[5]), packet(8, 1, &[5, 6, 7])];
    check_fates(
        &[small("", "")],
        &packets,
        &expect![[r#"
        0 bare
        1 bare, 16 bits more
    "#]],
    );
    check_fates(
        &[small("longer = \"refuse\"", "")],
        &packets,
        &expect![[r#"
            0 bare
            1 packet-length: the packet has 9 bytes, but container "bare" ends at bit 56, in byte 7; its last two bytes are not the error control of the others
        "#]],
    );
}

/// A definition of the APIDs from one to another.
fn range(name: &str, from: u16, to: u16) -> PacketSchema {
    schema(&format!(
        r#"
packets = "{name}"
root = "header"
parameter = [{{ name = "APID", type = "u11" }}, {{ name = "A", type = "u16" }}]
[[container]]
name = "header"
abstract = true
entries = [{{ parameter = "APID", at = 5 }}]
[[container]]
name = "{name}"
base = "header"
when = {{ all = [{{ parameter = "APID", is = ">=", value = {from} }}, {{ parameter = "APID", is = "<=", value = {to} }}] }}
entries = [{{ parameter = "A", at = 48 }}]
"#
    ))
}

#[test]
fn definitions_side_by_side_share_no_packet() {
    let two = [range("low", 1, 10), range("high", 10, 20)];
    check_fates(
        &two,
        &[
            packet(1, 0, &[5, 5]),
            packet(10, 1, &[5, 5]),
            packet(11, 2, &[5, 5]),
            packet(21, 3, &[5, 5]),
            packet(0x7ff, 4, &[5, 5]),
            packet(10, 5, &[5]),
            packet(2, 6, &[5]),
            packet(2, 7, &[5, 5, 5]),
        ],
        &expect![[r#"
            0 low
            1 ambiguous: several of the definitions given describe this packet
            2 high
            3 no-definition: APID 21: no container that inherits from "header" describes this packet
            4 
            5 ambiguous: several of the definitions given describe this packet
            6 packet-length: the packet has 7 bytes, too few for container "low": "A" needs bits 48 to 64
            7 low, 8 bits more
        "#]],
    );
    let mut out = String::new();
    let csv = schema("definition = \"sim.csv\"");
    let named = schema("definition = \"sim.csv\"\napid = 30");
    let framed = small("", "[frames]\npreset = \"jpss\"");
    let cases: [(&str, Vec<PacketSchema>); 6] = [
        ("nothing", Vec::new()),
        ("twice", vec![range("low", 1, 2), range("low", 3, 4)]),
        ("no apid", vec![range("low", 1, 2), csv]),
        ("apid", vec![range("low", 1, 2), named]),
        (
            "segments",
            vec![range("low", 1, 2), small("segments = \"join\"", "")],
        ),
        (
            "frames",
            vec![
                range("low", 1, 2),
                framed,
                small(
                    "",
                    "[frames]\npreset = \"tm-1115\"\n[stream.bare]\ntable = \"b\"\n[stream.clocked]\ntable = \"c\"",
                ),
            ],
        ),
    ];
    for (name, schemas) in cases {
        writeln!(out, "{name}: {}", made(&schemas, None, None)).expect("a case");
    }
    expect![[r#"
        nothing: Invalid: no packet definition is given

        twice: Invalid: m/d.toml:9: container "low" makes the table "low", as "low" at m/d.toml:9 does: give one another name with [stream.low] table = "..."

        no apid: Invalid: packet definition "sim" does not say its APID, which it must beside others: give a TOML with definition = "..." and apid = ...

        apid: low: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset a
        sim: axis "_packet_index", partition [], sort ["_packet_index"], dedup ["apid", "seq_count"]
          apid seq_flags seq_count _packet_index _byte_offset ccsds_version_number ccsds_packet_type ccsds_secondary_flag ccsds_apid ccsds_sequence_flag ccsds_sequence_count ccsds_packet_length day msec

        segments: Invalid: packet definitions "low" and "small" say different things about segments: ingest with one of them at a time, or make them agree

        frames: Invalid: packet definitions "low" and "small" say different [frames]: ingest with one of them at a time, or make them agree

    "#]].assert_eq(&out);
}

/// A definition that does not say its APID is for the one that is asked for,
/// whatever packets come first.
#[test]
fn nothing_but_what_is_said_tells_the_apid_of_a_definition() {
    let bare = schema("definition = \"sim.csv\"");
    let imported = schema(&bare.text);
    let named = schema("definition = \"sim.csv\"\napid = 30");
    let cases: [(&str, &PacketSchema, &[u16]); 6] = [
        ("bare", &bare, &[]),
        ("imported", &imported, &[]),
        ("two", &bare, &[5, 6]),
        ("one", &bare, &[5]),
        ("one twice", &bare, &[5, 5]),
        ("in a TOML", &named, &[]),
    ];
    let mut out = String::new();
    for (name, schema, apids) in cases {
        let asked = Asked {
            apids,
            ..Asked::default()
        };
        let said = match PacketPlan::new(std::slice::from_ref(schema), asked) {
            Ok(plan) => format!("{} tables", plan.streams().len()),
            Err(error) => format!("{:?}: {}", error.kind(), error.message()),
        };
        writeln!(out, "{name}: {said}").expect("a line");
    }
    for apid in [None, Some(6)] {
        let mut decoder = PacketDecoder::new(&bare.definition, None).expect("a definition");
        if let Some(apid) = apid {
            decoder.bind(apid);
        }
        let chunk = chunk_of(&[packet(5, 0, &[1; 6]), packet(6, 1, &[1; 6])]);
        let decoded = decoded_whole(&mut decoder, &chunk);
        let rows: Vec<_> = decoded.rows.iter().map(|rows| &rows.kept).collect();
        let refused: Vec<_> = decoded
            .unclaimed
            .iter()
            .map(|(_, why)| &why.detail)
            .collect();
        writeln!(out, "for {apid:?}: rows {rows:?}, refused {refused:?}").expect("a line");
    }
    let survey = Survey::read(CSV.as_bytes(), "sim.csv", files).expect("a survey");
    let survey = survey.expect("a packet definition");
    writeln!(out, "check: {:?} {:?}", survey.notices, survey.refusals).expect("a line");
    expect![[r#"
        bare: Invalid: packet definition "sim" does not say which APID it is for: give a TOML with definition = "m/sim.csv" and apid = N, or choose one with --apid N
        imported: Invalid: packet definition "sim" does not say which APID it is for: give container "sim" a condition on it in place of one_apid, or choose one with --apid N
        two: Invalid: packet definition "sim" does not say which APID it is for: give a TOML with definition = "m/sim.csv" and apid = N, or choose one with --apid N
        one: 1 tables
        one twice: 1 tables
        in a TOML: 1 tables
        for None: rows [], refused ["APID 5: the definition does not say which APID it is for", "APID 6: the definition does not say which APID it is for"]
        for Some(6): rows [[1]], refused ["APID 5: the definition is for APID 6"]
        check: ["packet definition \"sim\" does not say which APID it is for: give a TOML with definition = \"sim.csv\" and apid = N, or choose one with --apid N"] []
    "#]].assert_eq(&out);
}

/// Offsets mean what is said, and where nothing need be said, what ccsdspy
/// reads.
#[test]
fn offsets_count_from_where_it_is_said() {
    let mut out = String::new();
    for origin in ["packet", "data"] {
        let given = schema(&format!(
            "definition = \"offsets.csv\"\napid = 5\noffsets = \"{origin}\"\nlonger = \"keep\""
        ));
        let survey = Survey::read(given.text.as_bytes(), "d.toml", files).expect("a survey");
        let survey = survey.expect("a packet definition");
        let stream = &survey.streams[0];
        let columns = stream.definition.columns.iter().zip(&stream.columns);
        let fields = columns.filter(|(column, _)| ["len_low", "b"].contains(&&*column.name));
        let bits: Vec<_> = fields.map(|(column, at)| (&column.name, at.bit)).collect();
        writeln!(out, "{origin}: {bits:?} {:?}", survey.refusals).expect("a line");
    }
    expect![[r#"
        packet: [("len_low", Some(40)), ("b", Some(48))] []
        data: [("len_low", Some(88)), ("b", Some(96))] []
    "#]]
    .assert_eq(&out);
}

/// A packet is the same whichever way it came down, and another one where
/// another spacecraft sent it.
#[test]
fn keys_of_packets_that_came_in_frames() {
    let clock = "[time]\naxis = \"absolute\"\ncode = \"cds\"\ncolumns = [\"DAY\", \"MSEC\"]\n";
    let own = format!("{clock}[stream.clocked]\ndedup_by = [\"DAY\"]\ndedup_ignore = [\"VOLTS\"]");
    let cases = [
        ("no clock", small("", "")),
        ("clock", small("", clock)),
        ("a key of its own", small("", &own)),
        ("no key", small("", "[stream.clocked]\ndedup_by = []")),
        ("random counts", small("counts = \"random\"", "")),
    ];
    let mut out = String::new();
    for (name, schema) in cases {
        for is_framed in [false, true] {
            let asked = Asked {
                is_framed,
                ..Asked::default()
            };
            let plan = PacketPlan::new(std::slice::from_ref(&schema), asked).expect("a plan");
            let definition = &plan.streams()[0];
            definition.check().expect("a good definition");
            let again = Definition::from_toml(&definition.to_toml(), "d.toml");
            assert_eq!(again.expect("canonical text"), *definition);
            writeln!(
                out,
                "{name}, frames {is_framed}: {:?} but {:?}",
                definition.dedup_by, definition.dedup_ignore
            )
            .expect("a line");
        }
    }
    expect![[r#"
        no clock, frames false: ["apid", "seq_count"] but []
        no clock, frames true: ["apid", "seq_count", "scid"] but ["vcid", "replay"]
        clock, frames false: ["apid", "seq_count", "time"] but []
        clock, frames true: ["apid", "seq_count", "time", "scid"] but ["vcid", "replay"]
        a key of its own, frames false: ["day"] but ["volts"]
        a key of its own, frames true: ["day"] but ["volts", "vcid", "replay"]
        no key, frames false: [] but []
        no key, frames true: [] but []
        random counts, frames false: [] but []
        random counts, frames true: [] but []
    "#]]
    .assert_eq(&out);
}

/// Values that overlap take more room in a row than in the packet.
#[test]
fn rows_are_as_large_as_their_values_together() {
    let of = |count: usize, kind: &str, place: &str| {
        let names = (0..count).map(|at| format!("B{at}"));
        let mut text = String::from("packets = \"blobs\"\nroot = \"all\"\n");
        for name in names.clone() {
            writeln!(text, "[[parameter]]\nname = \"{name}\"\n{kind}").expect("a line");
        }
        text.push_str("[[container]]\nname = \"all\"\nentries = [{ parameter = \"B0\", at = 48 }");
        for name in names.skip(1) {
            write!(text, ", {{ parameter = \"{name}\"{place} }}").expect("an entry");
        }
        format!("{text}]\n")
    };
    let fixed = |bits: u32| format!("type = \"binary\"\nbits = {bits}");
    let told = "type = \"text\"\nterminator = [0]";
    let again = ", at = 48";
    let cases = [
        ("side by side", of(60, &fixed(8_000), "")),
        ("overlapping", of(60, &fixed(8_000), again)),
        ("told side by side", of(60, told, "")),
        ("told overlapping", of(60, told, again)),
        ("too large", of(300, &fixed(524_288), again)),
        ("told too large", of(300, told, again)),
    ];
    let mut out = String::new();
    for (name, text) in cases {
        let decoder = decoder(&[schema(&text)], None, None);
        let said = match decoder.map(|decoder| decoder.streams().next().map(|s| s.row_size)) {
            Ok(size) => format!("{:?}", size.expect("a stream")),
            Err(error) => error.message().to_owned(),
        };
        writeln!(out, "{name}: {said}").expect("a line");
    }
    expect![[r#"
        side by side: RowSize { bytes: 520, packets: 0 }
        overlapping: RowSize { bytes: 59514, packets: 0 }
        told side by side: RowSize { bytes: 520, packets: 0 }
        told overlapping: RowSize { bytes: 520, packets: 59 }
        too large: m/d.toml:1203: container "all": a row can take 19597698 bytes, for values overlap or are many: 16777216 at most
        told too large: m/d.toml:1203: container "all": a row can take 19599498 bytes, for values overlap or are many: 16777216 at most
    "#]].assert_eq(&out);
}

#[test]
fn no_parameter_is_called_as_a_column_of_the_lake() {
    let mut out = String::new();
    for name in [
        "_ingest_id",
        "_received_at",
        "_packet_index",
        "_other",
        "INGEST_ID",
    ] {
        let text = PACKETS.replace("\"TIME\"", &format!("\"{name}\""));
        let survey = Survey::read(text.as_bytes(), "d.toml", files).expect("a survey");
        let survey = survey.expect("a packet definition");
        writeln!(out, "{name}: {:?}", survey.refusals).expect("a line");
        for stream in survey.streams {
            let definition = stream.definition;
            let again = Definition::from_toml(&definition.to_toml(), "d.toml");
            assert_eq!(again.expect("canonical text"), definition, "{name}");
        }
    }
    expect![[r#"
        _ingest_id: ["d.toml:15: container \"clocked\": parameter \"_ingest_id\" has the name of a column that the lake adds: give it another name"]
        _received_at: ["d.toml:15: container \"clocked\": parameter \"_received_at\" has the name of a column that the lake adds: give it another name"]
        _packet_index: ["d.toml:15: container \"clocked\": parameter \"_packet_index\" has the name of a column that the lake adds: give it another name"]
        _other: []
        INGEST_ID: []
    "#]].assert_eq(&out);
}

#[test]
fn a_clock_without_epoch_is_told() {
    let clock = "axis = \"absolute\"\ncode = \"seconds\"\ncolumns = [\"MSEC\"]\n";
    let said = format!("[time]\n{clock}epoch = \"1970-01-01T00:00:00Z\"");
    let own = format!("{said}\n[stream.clocked.time]\n{clock}");
    let days = "[time]\naxis = \"absolute\"\ncode = \"cds\"\ncolumns = [\"DAY\", \"MSEC\"]";
    let cases = [
        ("unsaid", format!("[time]\n{clock}")),
        ("said", said),
        ("of one stream", own),
        ("days", days.to_owned()),
    ];
    let mut out = String::new();
    for (name, tables) in cases {
        let decoder = decoder(&[small("", &tables)], None, None).expect("a definition");
        writeln!(out, "{name}: {:?}", decoder.notices()).expect("a line");
    }
    expect![[r#"
        unsaid: ["m/d.toml:27: [time] says no epoch, so its clock counts from 1970-01-01T00:00:00Z; say epoch = \"...\" if it does not"]
        said: []
        of one stream: ["m/d.toml:32: [time] says no epoch, so its clock counts from 1970-01-01T00:00:00Z; say epoch = \"...\" if it does not"]
        days: []
    "#]].assert_eq(&out);
}

/// All packets of a file in one batch per stream.
fn decoded(decoder: &mut SchemaDecoder, file: &str) -> Vec<arrow::array::RecordBatch> {
    let file = File::open(data(file).expect("test data")).expect("packets");
    let mut feed = PacketFile::new(file);
    let mut chunk = Chunk::default();
    let schemas: Vec<_> = decoder.streams().map(|stream| stream.schema()).collect();
    let mut batches = vec![Vec::new(); schemas.len()];
    loop {
        chunk.clear();
        feed.fill(&mut chunk).expect("bytes");
        if chunk.is_empty() {
            break;
        }
        for rows in decoder.decode_chunk(&mut chunk).expect("rows").rows {
            batches[rows.stream].push(rows.batch);
        }
    }
    let together = schemas.iter().zip(&batches);
    together
        .map(|(schema, batches)| concat_batches(schema, batches).expect("rows"))
        .collect()
}

/// Days since 1958 and parts of a day, by another way than the lake's.
fn civil(days: i64, millis: i64, micros: i64) -> String {
    let (mut year, mut day) = (1958, days);
    let length = |year: i64| match year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) {
        true => 366,
        false => 365,
    };
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let february = length(year) - 337;
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let seconds = millis / 1000;
    let fraction = millis % 1000 * 1000 + micros;
    format!(
        "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}.{fraction:06}Z",
        day + 1,
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[test]
fn jpss_packets_have_the_instants_of_their_clock() {
    let Some(path) = data("packets/jpss/jpss1_geolocation_xtce_v1.xml") else {
        return;
    };
    let bytes = std::fs::read(path).expect("a definition");
    let schema = PacketSchema::read(&bytes, "jpss.xml", files).expect("a good definition");
    let schemas = [schema.expect("a packet definition")];
    let mut decoder = decoder(&schemas, None, Some("cds(DOY,MSEC,USEC)")).expect("an axis");
    expect![[r#"
        jpss_att_ephem: axis "time", partition ["date"], sort ["time", "seq_count"], dedup ["apid", "seq_count", "time"]
          apid seq_flags seq_count _packet_index _byte_offset version type sec_hdr_flg pkt_apid seq_flgs src_seq_ctr pkt_len doy msec usec adaescid adaet1day adaet1ms adaet1us adgpsposx adgpsposy adgpsposz adgpsvelx adgpsvely adgpsvelz adaet2day adaet2ms adaet2us adcfaq1 adcfaq2 adcfaq3 adcfaq4
    "#]].assert_eq(&tables(&decoder));
    let definition: Definition = decoder
        .streams()
        .next()
        .expect("a stream")
        .definition
        .clone();
    let TimeAxis::Absolute(axis) = &definition.time else {
        panic!("{:?}", definition.time);
    };
    let reader = TimeReader::new(axis);
    let batch = decoded(
        &mut decoder,
        "packets/jpss/J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1",
    )
    .remove(0);
    let column = |name: &str| {
        let column = batch.column_by_name(name).expect("a column");
        let wide = arrow::compute::cast(column, &arrow::datatypes::DataType::Int64).expect("whole");
        wide.as_primitive::<Int64Type>().values().to_vec()
    };
    let parts: Vec<Vec<i64>> = axis.columns.iter().map(|name| column(name)).collect();
    let mut instants = Vec::new();
    for row in 0..batch.num_rows() {
        let row: Vec<i64> = parts.iter().map(|part| part[row]).collect();
        let instant = reader.parts(&row).expect("an instant");
        assert!(instant.is_exact());
        let expected = civil(row[0], row[1], row[2]);
        let shown = format_rfc3339(instant.micros);
        let shortened = expected.trim_end_matches('Z').trim_end_matches('0');
        assert_eq!(shown, format!("{}Z", shortened.trim_end_matches('.')));
        instants.push(expected);
    }
    let (first, last) = (instants.iter().min(), instants.iter().max());
    expect![[
        r#"Some("2021-04-09T00:00:00.007137Z") to Some("2021-04-09T01:59:59.005260Z"), 7200 rows"#
    ]]
    .assert_eq(&format!("{first:?} to {last:?}, {} rows", instants.len()));
}

/// All that is wrong is told at once.
#[test]
fn a_survey_tells_every_refusal() {
    let xtce = r#"<SpaceSystem name="S">
<TelemetryMetaData>
<ParameterTypeSet>
<IntegerParameterType name="u8"><IntegerDataEncoding sizeInBits="8"/></IntegerParameterType>
<FloatParameterType name="mil"><FloatDataEncoding sizeInBits="32" encoding="MILSTD_1750A"/></FloatParameterType>
<IntegerParameterType name="bcd"><IntegerDataEncoding sizeInBits="8" encoding="BCD"/></IntegerParameterType>
<RelativeTimeParameterType name="rel"/>
<IntegerParameterType name="wide"><IntegerDataEncoding sizeInBits="65"/></IntegerParameterType>
</ParameterTypeSet>
<ParameterSet>
<Parameter name="A" parameterTypeRef="u8"/>
<Parameter name="M" parameterTypeRef="mil"/>
<Parameter name="M2" parameterTypeRef="mil"/>
<Parameter name="B" parameterTypeRef="bcd"/>
<Parameter name="R" parameterTypeRef="rel"/>
<Parameter name="W" parameterTypeRef="wide"/>
<Parameter name="N" parameterTypeRef="none"/>
</ParameterSet>
<ContainerSet>
<SequenceContainer name="Root"><EntryList><ParameterRefEntry parameterRef="A"/></EntryList></SequenceContainer>
<SequenceContainer name="C"><EntryList>
<ParameterRefEntry parameterRef="M"/><ParameterRefEntry parameterRef="M2"/>
<ParameterRefEntry parameterRef="B"/><ParameterRefEntry parameterRef="W"/>
<ParameterRefEntry parameterRef="X"/>
<ParameterSegmentRefEntry parameterRef="A" sizeInBits="4"/>
</EntryList><BaseContainer containerRef="Root"><RestrictionCriteria><Comparison parameterRef="B" value="1"/></RestrictionCriteria></BaseContainer></SequenceContainer>
<SequenceContainer name="D"><EntryList><ParameterRefEntry parameterRef="N"/></EntryList><BaseContainer containerRef="C"/></SequenceContainer>
</ContainerSet>
</TelemetryMetaData>
</SpaceSystem>"#;
    let cases = [
        ("d.xml", xtce.to_owned()),
        (
            "d.csv",
            "name,data_type,bit_length\na,uint,8\nb,complex,8\nc,uint(n),8\n".to_owned(),
        ),
        (
            "d.toml",
            PACKETS
                .replace("u32", "x32")
                .replace("is = \"==\"", "is = \"=\""),
        ),
        ("two layouts", PACKETS.replace("at = 48", "at = 600000")),
        ("good", PACKETS.to_owned()),
    ];
    let mut out = String::new();
    for (file, text) in cases {
        let survey = Survey::read(text.as_bytes(), file, files).expect("a survey");
        let survey = survey.expect("a packet definition");
        writeln!(
            out,
            "# {file}: {} tables, text {}",
            survey.streams.len(),
            survey.text.is_some()
        )
        .expect("a line");
        for line in survey
            .notices
            .iter()
            .map(|n| format!("notice {n}"))
            .chain(survey.refusals)
        {
            writeln!(out, "{line}").expect("a line");
        }
        let schema = read(&text, file).map(|schema| schema.expect("a packet definition"));
        let usable = schema.and_then(|schema| decoder(&[schema], None, None));
        assert_eq!(usable.is_ok(), file == "good");
    }
    expect![[r##"
        # d.xml: 0 tables, text false
        notice parameter "R", which no container holds, could not be decoded: d.xml:7: RelativeTimeParameterType "rel" is not implemented
        d.xml:6: IntegerDataEncoding has encoding="BCD": not implemented
        d.xml:5: FloatDataEncoding has encoding="MILSTD_1750A": not implemented
        d.xml:24: ParameterRefEntry names "X", which is no parameter
        d.xml:25: ParameterSegmentRefEntry is not implemented
        d.xml:17: Parameter "N" is of type "none", which is not defined
        d.xml:16: parameter "W" has 65 bits: a whole number has 1 to 64
        # d.csv: 0 tables, text false
        d.csv:3: field "b" has data_type "complex": types are uint, int, float, str and fill
        d.csv:4: field "c" has data_type "uint(n)": arrays have one fixed size here, as in uint(8); others are not implemented
        # d.toml: 0 tables, text false
        d.toml:7: parameter "MSEC": "x" is not known: expected one of u, i, sm, oc
        d.toml:15: container "clocked": "=" is not known: expected one of ==, !=, <, <=, >, >=
        # two layouts: 0 tables, text false
        two layouts:15: the entry lies outside of every packet, which has 0 to 524336 bits
        two layouts:20: the entry lies outside of every packet, which has 0 to 524336 bits
        # good: 2 tables, text true
    "##]].assert_eq(&out);
}

/// A survey refuses what cannot be decoded by and nothing else, and a text
/// reads back, whatever bytes are given.
#[test]
fn broken_schemas() {
    let own = format!(
        "counts = \"random\"\n{PACKETS}\n[time]\naxis = \"absolute\"\ncode = \"cds\"\ncolumns = [\"DAY\", \"MSEC\"]\n[stream.bare]\nunits = {{ VOLTS = \"V\" }}\nsort_by = [\"VOLTS\"]\n[frames]\npreset = \"jpss\"\n"
    );
    let pointer = "definition = \"sim.csv\"\napid = 35\nsegments = \"join\"\nsegment_header_bytes = 2\n[stream.sim]\ntable = \"s\"\n";
    fuzz("schemas", |random| {
        for text in [own.as_str(), pointer, CSV] {
            let bytes = broken(text.as_bytes(), random);
            let schema = PacketSchema::read(&bytes, "m/d.toml", files);
            let survey = Survey::read(&bytes, "m/d.toml", files);
            let usable = match schema {
                Ok(None) => {
                    assert!(matches!(survey, Ok(None)));
                    continue;
                }
                Err(_) => false,
                Ok(Some(schema)) => {
                    let again = PacketSchema::read(schema.text.as_bytes(), "d", files);
                    let again = again.expect("canonical text").expect("packets");
                    assert_eq!(again.text, schema.text);
                    decoder(&[schema], None, None).is_ok()
                }
            };
            let surveyed = survey.is_ok_and(|survey| survey.is_some_and(|s| s.refusals.is_empty()));
            assert_eq!(surveyed, usable, "{}", String::from_utf8_lossy(&bytes));
        }
    });
}

/// No definition of a mission is refused, and each says what it makes.
#[test]
fn definitions_of_missions_in_brief() {
    let mut out = String::new();
    for file in [
        "jpss/jpss1_geolocation_xtce_v1.xml",
        "ctim/ctim_xtce_v1.xml",
        "imap_hit/hit_packet_definitions.xml",
        "imap_codice/P_COD_NHK.xml",
        "hs/apid035/defs.csv",
    ] {
        let Some(path) = data(&format!("packets/{file}")) else {
            return;
        };
        let bytes = std::fs::read(path).expect("a definition");
        let pointer = format!("definition = \"{file}\"\napid = 35\noffsets = \"data\"");
        let survey = match file.ends_with(".csv") {
            true => Survey::read(pointer.as_bytes(), "d.toml", |_| Ok(bytes.clone())),
            false => Survey::read(&bytes, file, files),
        };
        let survey = survey.expect("a survey");
        let survey = survey.expect("a packet definition");
        let columns: usize = survey.streams.iter().map(|s| s.columns.len()).sum();
        let clocks = survey.streams.iter().flat_map(|s| &s.clocks);
        let mut clocks: Vec<_> = clocks.map(|clock| clock.parameters.join(" ")).collect();
        clocks.dedup();
        writeln!(
            out,
            "{}: {:?}, {} parameters, {} tables, {columns} columns, clocks {clocks:?}, refused {:?}",
            survey.name, survey.form, survey.parameters, survey.streams.len(), survey.refusals
        )
        .expect("a line");
        let text = survey.text.expect("a text");
        let again = Survey::read(text.as_bytes(), "again.toml", files).expect("a survey");
        assert_eq!(
            again.and_then(|s| s.text),
            Some(text),
            "{file} comes back otherwise"
        );
    }
    expect![[r#"
        JPSS_Geolocation_Packets: Xtce, 27 parameters, 1 tables, 32 columns, clocks ["DOY MSEC USEC"], refused []
        CTIM: Xtce, 9493 parameters, 38 tables, 10082 columns, clocks ["SHCOARSE SHFINE"], refused []
        HIT: Xtce, 133 parameters, 2 tables, 238 columns, clocks [], refused []
        P_COD_NHK: Xtce, 129 parameters, 1 tables, 134 columns, clocks ["SHCOARSE"], refused []
        defs: Ccsdspy, 29 parameters, 1 tables, 35 columns, clocks [], refused []
    "#]].assert_eq(&out);
}
