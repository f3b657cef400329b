//! Transcripts of definitions of packets: what they contain, what they are
//! refused for, and how they become our own form.

use expect_test::expect;

use super::{Program, check};

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
        &expect![[r#""#]],
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
        &expect![[r#""#]],
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
        &expect![[r#""#]],
    );
    assert_eq!(said.out.matches("refused ").count(), 2, "{}", said.out);
    program.write("broken.xml", "<SpaceSystem name=\"S\">");
    check(
        &program,
        &["schema", "check", "broken.xml"],
        2,
        &expect![[r#""#]],
    );
    check(
        &program,
        &["schema", "import", "old.xml"],
        2,
        &expect![[r#""#]],
    );
    program.write("stream.toml", "stream = \"s\"\n");
    check(
        &program,
        &["schema", "import", "stream.toml"],
        2,
        &expect![[r#""#]],
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
        &expect![[r#""#]],
    );
    program.good(&["schema", "import", "m/thermometer.xml", "-o", "t.toml"]);
    let again = program.good(&["schema", "import", "t.toml"]);
    assert_eq!(again.out, said.out);
    check(
        &program,
        &["schema", "import", "t.toml", "-o", "t.toml"],
        70,
        &expect![[r#""#]],
    );
}
