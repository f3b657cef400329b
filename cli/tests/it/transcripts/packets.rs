//! Transcripts of definitions of packets: what they contain, what they are
//! refused for, and how they become our own form.

use expect_test::expect;

use super::{Program, Said, check};

const XTCE: &str = r#"<SpaceSystem name="Thermometer">
<TelemetryMetaData>
<ParameterTypeSet>
<IntegerParameterType name="u16"><IntegerDataEncoding sizeInBits="16"/></IntegerParameterType>
<IntegerParameterType name="u11"><IntegerDataEncoding sizeInBits="11"/></IntegerParameterType>
<IntegerParameterType name="u5"><IntegerDataEncoding sizeInBits="5"/></IntegerParameterType>
<IntegerParameterType name="u32"><IntegerDataEncoding sizeInBits="32"/></IntegerParameterType>
<FloatParameterType name="kelvin"><UnitSet><Unit>K</Unit></UnitSet><IntegerDataEncoding sizeInBits="8"><DefaultCalibrator><PolynomialCalibrator><Term coefficient="200" exponent="0"/><Term coefficient="0.5" exponent="1"/></PolynomialCalibrator></DefaultCalibrator></IntegerDataEncoding></FloatParameterType>
<FloatParameterType name="mil"><FloatDataEncoding sizeInBits="32" encoding="MILSTD_1750A"/></FloatParameterType>
</ParameterTypeSet>
<ParameterSet>
<Parameter name="HEAD" parameterTypeRef="u5"/><Parameter name="APID_OF_IT" parameterTypeRef="u11"/>
<Parameter name="SEQ" parameterTypeRef="u16"/><Parameter name="LEN" parameterTypeRef="u16"/>
<Parameter name="MET" parameterTypeRef="u32"/>
<Parameter name="TEMP" parameterTypeRef="kelvin"/>
<Parameter name="OLD" parameterTypeRef="mil"/>
</ParameterSet>
<ContainerSet>
<SequenceContainer name="Header" abstract="true"><EntryList><ParameterRefEntry parameterRef="HEAD"/><ParameterRefEntry parameterRef="APID_OF_IT"/><ParameterRefEntry parameterRef="SEQ"/><ParameterRefEntry parameterRef="LEN"/></EntryList></SequenceContainer>
<SequenceContainer name="Reading"><EntryList><ParameterRefEntry parameterRef="MET"/><ParameterRefEntry parameterRef="TEMP"/></EntryList><BaseContainer containerRef="Header"><RestrictionCriteria><Comparison parameterRef="APID_OF_IT" value="7"/></RestrictionCriteria></BaseContainer></SequenceContainer>
</ContainerSet>
</TelemetryMetaData>
</SpaceSystem>"#;

/// The same with a container that holds what is not implemented.
fn refused() -> String {
    XTCE.replace(
        "</ContainerSet>",
        "<SequenceContainer name=\"Old\"><EntryList><ParameterRefEntry parameterRef=\"OLD\"/><ParameterSegmentRefEntry parameterRef=\"TEMP\" sizeInBits=\"4\"/></EntryList><BaseContainer containerRef=\"Header\"/></SequenceContainer>\n</ContainerSet>",
    )
}

#[test]
fn a_packet_definition_is_checked() {
    let program = Program::new();
    program.write("m/thermometer.xml", XTCE);
    let said = check(
        &program,
        &["schema", "check", "m/thermometer.xml"],
        0,
        &expect![[r#"
            $ downlake schema check m/thermometer.xml
            Thermometer  xtce  6 parameters, 2 containers

            reading  container Reading at m/thermometer.xml:20
            when  APID_OF_IT == 7
            axis  relative, _packet_index in packet
            partition
            sorted by  _packet_index
            column  type  bit  bits  unit  source
            apid  u16  5  11  apid
            seq_flags  u8  16  2  seq_flags
            seq_count  u16  18  14  seq_count
            _packet_index  i64  _packet_index
            _byte_offset  i64  _byte_offset
            head  u8  0  5  HEAD
            apid_of_it  u16  5  11  APID_OF_IT
            seq  u16  16  16  SEQ
            len  u16  32  16  LEN
            met  u32  48  32  MET
            temp  f64  80  8  K  TEMP
            temp__raw  u8  80  8  TEMP
            a clock?  [time]
              axis = "absolute"
              code = "seconds"
              columns = ["MET"]
              epoch = "..."
            notice  parameter "OLD", which no container holds, could not be decoded: m/thermometer.xml:9: FloatDataEncoding has encoding="MILSTD_1750A": not implemented
            the definition is good
        "#]],
    );
    assert!(said.out.contains("the definition is good"));
    program.write(
        "m/schema.toml",
        "definition = \"thermometer.xml\"\n[time]\naxis = \"absolute\"\ncode = \"seconds\"\ncolumns = [\"MET\"]\nepoch = \"2000-01-01T00:00:00Z\"\n[stream.Reading]\ntable = \"t\"\n",
    );
    let said = check(
        &program,
        &["schema", "check", "m/schema.toml"],
        0,
        &expect![[r#"
            $ downlake schema check m/schema.toml
            Thermometer  xtce  6 parameters, 2 containers

            t  container Reading at m/thermometer.xml:20
            when  APID_OF_IT == 7
            axis  absolute, from met
            partition  date
            sorted by  time, seq_count
            column  type  bit  bits  unit  source
            apid  u16  5  11  apid
            seq_flags  u8  16  2  seq_flags
            seq_count  u16  18  14  seq_count
            _packet_index  i64  _packet_index
            _byte_offset  i64  _byte_offset
            head  u8  0  5  HEAD
            apid_of_it  u16  5  11  APID_OF_IT
            seq  u16  16  16  SEQ
            len  u16  32  16  LEN
            met  u32  48  32  MET
            temp  f64  80  8  K  TEMP
            temp__raw  u8  80  8  TEMP
            notice  parameter "OLD", which no container holds, could not be decoded: m/thermometer.xml:9: FloatDataEncoding has encoding="MILSTD_1750A": not implemented
            the definition is good
        "#]],
    );
    assert!(said.out.contains("absolute"));
    let json = program
        .good(&["schema", "check", "m/schema.toml", "--json"])
        .json();
    assert_eq!(json["streams"][0]["columns"][9]["bit"], 48);
    assert_eq!(json["refusals"].as_array().map(Vec::len), Some(0));
    let both = program.good(&[
        "schema",
        "check",
        "m/schema.toml",
        "m/thermometer.xml",
        "--json",
    ]);
    assert_eq!(both.json().as_array().map(Vec::len), Some(2));
}

#[test]
fn every_refusal_of_a_packet_definition_is_told() {
    let program = Program::new();
    program.write("old.xml", refused());
    let said = check(
        &program,
        &["schema", "check", "old.xml"],
        2,
        &expect![[r#"
            $ downlake schema check old.xml
            Thermometer  xtce  7 parameters, 3 containers
            refused  old.xml:9: FloatDataEncoding has encoding="MILSTD_1750A": not implemented
            refused  old.xml:21: ParameterSegmentRefEntry is not implemented
            old.xml is refused for 2 reasons
            exit 2
        "#]],
    );
    assert_eq!(said.out.matches("refused  ").count(), 2, "{}", said.out);
    program.write("broken.xml", "<SpaceSystem name=\"S\">");
    check(
        &program,
        &["schema", "check", "broken.xml"],
        2,
        &expect![[r#"
            $ downlake schema check broken.xml
            ! downlake: broken.xml:1: the document ends too early
            exit 2
        "#]],
    );
    check(
        &program,
        &["schema", "import", "old.xml"],
        2,
        &expect![[r#"
            $ downlake schema import old.xml
            ! downlake: old.xml:9: FloatDataEncoding has encoding="MILSTD_1750A": not implemented
            exit 2
        "#]],
    );
    program.write("stream.toml", "stream = \"s\"\n");
    check(
        &program,
        &["schema", "import", "stream.toml"],
        2,
        &expect![[r#"
            $ downlake schema import stream.toml
            ! downlake: stream.toml defines a stream; a packet definition (XTCE, ccsdspy CSV or TOML) is needed here
            exit 2
        "#]],
    );
}

#[test]
fn a_packet_definition_becomes_our_own_form() {
    let program = Program::new();
    program.write("m/thermometer.xml", XTCE);
    let said = check(
        &program,
        &["schema", "import", "m/thermometer.xml"],
        0,
        &expect![[r#"
            $ downlake schema import m/thermometer.xml
            packets = "Thermometer"
            root = "Header"

            [[parameter]]
            name = "HEAD"
            type = "u5"

            [[parameter]]
            name = "APID_OF_IT"
            type = "u11"

            [[parameter]]
            name = "SEQ"
            type = "u16"

            [[parameter]]
            name = "LEN"
            type = "u16"

            [[parameter]]
            name = "MET"
            type = "u32"

            [[parameter]]
            name = "TEMP"
            type = "u8"
            unit = "K"
            polynomial = [[200.0, 0], [0.5, 1]]

            [[container]]
            name = "Header"
            abstract = true

            [[container.entries]]
            parameter = "HEAD"

            [[container.entries]]
            parameter = "APID_OF_IT"

            [[container.entries]]
            parameter = "SEQ"

            [[container.entries]]
            parameter = "LEN"

            [[container]]
            name = "Reading"
            base = "Header"

            [[container.entries]]
            parameter = "MET"

            [[container.entries]]
            parameter = "TEMP"

            [container.when]
            parameter = "APID_OF_IT"
            is = "=="
            value = 7
        "#]],
    );
    program.good(&["schema", "import", "m/thermometer.xml", "-o", "t.toml"]);
    let again = program.good(&["schema", "import", "t.toml"]);
    assert_eq!(again.out, said.out);
    check(
        &program,
        &["schema", "import", "t.toml", "-o", "t.toml"],
        2,
        &expect![[r#"
            $ downlake schema import t.toml -o t.toml
            ! downlake: cannot create t.toml: File exists (os error 17)
            exit 2
        "#]],
    );
}

/// Packets as (APID, sequence count, kelvin beyond 200 by halves).
fn packets(sent: &[(u16, u16, u8)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(apid, count, halves) in sent {
        bytes.extend(apid.to_be_bytes());
        bytes.extend((0xC000 | count).to_be_bytes());
        bytes.extend(4_u16.to_be_bytes());
        bytes.extend(u32::from(count).to_be_bytes());
        bytes.push(halves);
    }
    bytes
}

/// A definition that has the packets of every APID from 7 on.
fn from_seven_on() -> String {
    XTCE.replace(
        r#"<Comparison parameterRef="APID_OF_IT" value="7"/>"#,
        r#"<Comparison parameterRef="APID_OF_IT" comparisonOperator="&gt;=" value="7"/>"#,
    )
}

#[test]
fn choosing_one_apid_after_the_other_loses_nothing() {
    let program = Program::new();
    let other = XTCE.replace("\"7\"", "\"8\"").replace("Reading", "Other");
    program.write("seven.xml", XTCE);
    program.write("eight.xml", other);
    program.write("from-seven.xml", from_seven_on());
    program.write(
        "p.bin",
        packets(&[(7, 0, 1), (8, 0, 2), (7, 1, 3), (8, 1, 4)]),
    );
    let both = [
        "ingest",
        "p.bin",
        "--schema",
        "seven.xml",
        "--schema",
        "eight.xml",
        "--json",
    ];
    for (apid, landed) in [("7", 2), ("8", 2), ("8", 0), ("7", 0)] {
        let said = program
            .good(&[&both[..], &["--apid", apid]].concat())
            .json();
        assert_eq!(said["rows_committed"], landed, "APID {apid}: {said}");
        assert_eq!(said["rows_in"], 2 * landed, "APID {apid}: {said}");
    }
    check(
        &program,
        &[
            "sql",
            "-f",
            "csv",
            "SELECT 7 AS apid, count(*), sum(temp) FROM reading UNION ALL SELECT 8, count(*), sum(temp) FROM other ORDER BY 1",
        ],
        0,
        &expect![[r#"
            $ downlake sql -f csv SELECT 7 AS apid, count(*), sum(temp) FROM reading UNION ALL SELECT 8, count(*), sum(temp) FROM other ORDER BY 1
            apid,count(*),sum(reading.temp)
            7,2,402.0
            8,2,403.0
        "#]],
    );
    // Where both go to one table, it cannot tell what it has of them.
    let one = [
        "ingest",
        "p.bin",
        "--schema",
        "from-seven.xml",
        "--prefix",
        "one",
    ];
    program.good(&[&one[..], &["--apid", "7"]].concat());
    let said = program.run(&[&one[..], &["--apid", "8"]].concat());
    assert_eq!(said.code, 3, "{said:?}");
    assert!(
        said.err.contains("chose other packets of it (--apid)"),
        "{said:?}"
    );
    let counted = program.good(&["sql", "-f", "csv", "SELECT count(*) FROM one_reading"]);
    assert!(counted.out.ends_with("\n2\n"), "{counted:?}");
}

#[test]
fn packets_that_an_earlier_definition_refused_are_told_of() {
    let program = Program::new();
    program.write("narrow.xml", XTCE);
    program.write("wide.xml", from_seven_on());
    program.write("p.bin", packets(&[(7, 0, 1), (8, 0, 2), (9, 0, 3)]));
    let told = |said: &Said| said.err.contains("were refused by an earlier definition");
    let narrow = ["ingest", "p.bin", "--schema", "narrow.xml"];
    let wide = ["ingest", "p.bin", "--schema", "wide.xml"];
    assert!(!told(&program.good(&narrow)));
    assert!(!told(&program.good(&narrow)));
    check(
        &program,
        &wide,
        0,
        &expect![[r#"
        $ downlake ingest p.bin --schema wide.xml
        units  1 already
        rows  0 in = 0 committed + 0 quarantined + 0 duplicate + 0 skipped
        read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
        ! note: 2 records of sources that are there already were refused by an earlier definition; `downlake quarantine redrive --schema ...` tries them under this one
    "#]],
    );
    program.good(&["quarantine", "redrive", "--schema", "wide.xml"]);
    assert!(!told(&program.good(&wide)));
    let counted = program.good(&["sql", "-f", "csv", "SELECT count(*) FROM reading"]);
    assert!(counted.out.ends_with("\n3\n"), "{counted:?}");
}
