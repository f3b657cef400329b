//! Definitions as users give them: every form, what a TOML adds, several side
//! by side; and the tables that they make.

use std::fmt::Write as _;
use std::fs::File;

use arrow::array::AsArray;
use arrow::compute::concat_batches;
use arrow::datatypes::{Int32Type, Int64Type};
use downlake_ingest::packet::feed::{Chunk, Feed, PacketFile};
use downlake_ingest::packet::schema::{PacketSchema, SchemaDecoder, Survey, decoder};
use downlake_lake::schema::time::{TimeReader, format_rfc3339};
use downlake_lake::schema::{Definition, TimeAxis};
use downlake_lake::{Error, Result};
use expect_test::{Expect, expect};

use super::support::{chunk_of, data, forget_places};
use super::synthetic::packet;

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

fn files(name: &str) -> Result<Vec<u8>> {
    match name {
        "m/packets.toml" => Ok(PACKETS.as_bytes().to_vec()),
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
    expect![[r#""#]].assert_eq(&out);
}

#[test]
fn a_pointer_that_leads_nowhere_is_refused() {
    let cases = [
        ("good", "definition = \"packets.toml\""),
        ("csv", "definition = \"sim.csv\"\napid = 35"),
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
    expect![[r#""#]].assert_eq(&out);
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
    expect![[r#""#]].assert_eq(&format!("{}...[time]{tail}", &schema.text[..160]));
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
    for notice in decoder.notices() {
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
    expect![[r#""#]].assert_eq(&out);
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
    expect![[r#""#]].assert_eq(&out);
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
        &expect![[r#""#]],
    );
}

#[test]
fn longer_packets_are_kept_or_refused() {
    let packets = [packet(8, 0, &[5]), packet(8, 1, &[5, 6, 7])];
    check_fates(&[small("", "")], &packets, &expect![[r#""#]]);
    check_fates(
        &[small("longer = \"refuse\"", "")],
        &packets,
        &expect![[r#""#]],
    );
}

/// A definition of the APIDs from one to another.
fn range(name: &str, from: u16, to: u16) -> PacketSchema {
    schema(&format!(
        r#"
packets = "{name}"
root = "header"
parameter = [{{ name = "APID", type = "u11" }}, {{ name = "A", type = "u8" }}]
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
            packet(1, 0, &[5]),
            packet(10, 1, &[5]),
            packet(11, 2, &[5]),
            packet(21, 3, &[5]),
            packet(0x7ff, 4, &[5]),
            packet(10, 5, &[]),
            packet(2, 6, &[5, 5]),
        ]
        .map(|bytes| bytes.clone()),
        &expect![[r#""#]],
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
    expect![[r#""#]].assert_eq(&out);
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
    expect![[r#""#]].assert_eq(&tables(&decoder));
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
    expect![[r#""#]].assert_eq(&format!("{first:?} to {last:?}, {} rows", instants.len()));
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
        assert_eq!(read(&text, file).is_ok(), file == "good");
    }
    expect![[r#""#]].assert_eq(&out);
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
        let survey = Survey::read(&bytes, file, files).expect("a survey");
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
    expect![[r#""#]].assert_eq(&out);
}
