//! Dictionaries as XTCE documents (CCSDS 660.0-B, version 1.2).
//!
//! Promises: every field of the table is a parameter with a type of its own;
//! calibrations, labels, units, arrays, aggregates, inheritance and conditions
//! are those by which packets are packed.

use std::fmt::Write as _;

use super::table::{Bits, Container, Dictionary, Field, Meaning, Scalar, Shape};

/// The document of a dictionary.
pub(crate) fn document(dictionary: &Dictionary) -> String {
    let mut xml = Xml::default();
    xml.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    xml.open(&format!(
        "SpaceSystem name=\"{}\" shortDescription=\"{}\" \
         xmlns=\"http://www.omg.org/spec/XTCE/20180204\"",
        dictionary.name, dictionary.description
    ));
    xml.open("TelemetryMetaData");
    let fields = || dictionary.containers.iter().flat_map(|c| c.fields);
    xml.open("ParameterTypeSet");
    for field in fields() {
        types(&mut xml, field);
    }
    xml.close("ParameterTypeSet");
    xml.open("ParameterSet");
    for field in fields() {
        xml.line(&format!(
            "<Parameter name=\"{0}\" parameterTypeRef=\"{0}_type\" shortDescription=\"{1}\"/>",
            field.name, field.description
        ));
    }
    xml.close("ParameterSet");
    xml.open("ContainerSet");
    for container in dictionary.containers {
        sequence_container(&mut xml, container);
    }
    xml.close("ContainerSet");
    xml.close("TelemetryMetaData");
    xml.close("SpaceSystem");
    xml.text
}

fn types(xml: &mut Xml, field: &Field) {
    let name = format!("{}_type", field.name);
    match &field.shape {
        Shape::One(scalar) => scalar_type(xml, &name, scalar),
        Shape::Array(scalar, count) => {
            let element = format!("{}_element_type", field.name);
            scalar_type(xml, &element, scalar);
            array_type(xml, &name, &element, *count);
        }
        Shape::Group(members) => {
            for (member, scalar) in *members {
                scalar_type(xml, &format!("{}_{member}_type", field.name), scalar);
            }
            aggregate_type(xml, &name, field.name, members);
        }
    }
}

fn array_type(xml: &mut Xml, name: &str, element: &str, count: u16) {
    xml.open(&format!(
        "ArrayParameterType name=\"{name}\" arrayTypeRef=\"{element}\""
    ));
    xml.open("DimensionList");
    xml.open("Dimension");
    xml.line("<StartingIndex><FixedValue>0</FixedValue></StartingIndex>");
    xml.line(&format!(
        "<EndingIndex><FixedValue>{}</FixedValue></EndingIndex>",
        count - 1
    ));
    xml.close("Dimension");
    xml.close("DimensionList");
    xml.close("ArrayParameterType");
}

fn aggregate_type(xml: &mut Xml, name: &str, field: &str, members: &[(&str, Scalar)]) {
    xml.open(&format!("AggregateParameterType name=\"{name}\""));
    xml.open("MemberList");
    for (member, _) in members {
        xml.line(&format!(
            "<Member name=\"{member}\" typeRef=\"{field}_{member}_type\"/>"
        ));
    }
    xml.close("MemberList");
    xml.close("AggregateParameterType");
}

fn scalar_type(xml: &mut Xml, name: &str, scalar: &Scalar) {
    let element = match (scalar.meaning, scalar.bits) {
        (Meaning::GpsTime, _) => "AbsoluteTimeParameterType",
        (Meaning::Labels(_), _) => "EnumeratedParameterType",
        (Meaning::Plain, Bits::Unsigned(_) | Bits::Signed(_)) => "IntegerParameterType",
        (Meaning::Plain | Meaning::Polynomial(_), _) => "FloatParameterType",
    };
    xml.open(&format!("{element} name=\"{name}\""));
    if let Meaning::GpsTime = scalar.meaning {
        xml.open("Encoding units=\"seconds\" scale=\"0.0000152587890625\"");
        encoding(xml, scalar);
        xml.close("Encoding");
        xml.line("<ReferenceTime><Epoch>GPS</Epoch></ReferenceTime>");
        xml.close(element);
        return;
    }
    if !scalar.unit.is_empty() {
        xml.line(&format!("<UnitSet><Unit>{}</Unit></UnitSet>", scalar.unit));
    }
    encoding(xml, scalar);
    if let Meaning::Labels(labels) = scalar.meaning {
        xml.open("EnumerationList");
        for (value, label) in labels.iter().enumerate() {
            xml.line(&format!(
                "<Enumeration value=\"{value}\" label=\"{label}\"/>"
            ));
        }
        xml.close("EnumerationList");
    }
    xml.close(element);
}

fn encoding(xml: &mut Xml, scalar: &Scalar) {
    let (element, kind) = match scalar.bits {
        Bits::Unsigned(_) => ("IntegerDataEncoding", "unsigned"),
        Bits::Signed(_) => ("IntegerDataEncoding", "twosComplement"),
        Bits::Float => ("FloatDataEncoding", "IEEE754_1985"),
    };
    let attributes = format!(
        "sizeInBits=\"{}\" encoding=\"{kind}\"",
        scalar.size_in_bits()
    );
    let Meaning::Polynomial(coefficients) = scalar.meaning else {
        xml.line(&format!("<{element} {attributes}/>"));
        return;
    };
    xml.open(&format!("{element} {attributes}"));
    xml.open("DefaultCalibrator");
    xml.open("PolynomialCalibrator");
    for (exponent, coefficient) in coefficients.iter().enumerate() {
        if *coefficient != 0.0 {
            xml.line(&format!(
                "<Term coefficient=\"{coefficient}\" exponent=\"{exponent}\"/>"
            ));
        }
    }
    xml.close("PolynomialCalibrator");
    xml.close("DefaultCalibrator");
    xml.close(element);
}

fn sequence_container(xml: &mut Xml, container: &Container) {
    let is_abstract = match container.is_abstract {
        true => " abstract=\"true\"",
        false => "",
    };
    xml.open(&format!(
        "SequenceContainer name=\"{}\" shortDescription=\"{}\"{is_abstract}",
        container.name, container.description
    ));
    xml.open("EntryList");
    for field in container.fields {
        xml.line(&format!(
            "<ParameterRefEntry parameterRef=\"{}\"/>",
            field.name
        ));
    }
    xml.close("EntryList");
    if let Some(base) = container.base {
        base_container(xml, base, container.when);
    }
    xml.close("SequenceContainer");
}

fn base_container(xml: &mut Xml, base: &str, when: &[(&str, &str, u16)]) {
    xml.open(&format!("BaseContainer containerRef=\"{base}\""));
    xml.open("RestrictionCriteria");
    xml.open("ComparisonList");
    for (parameter, operator, value) in when {
        let operator = operator.replace('<', "&lt;").replace('>', "&gt;");
        xml.line(&format!(
            "<Comparison parameterRef=\"{parameter}\" comparisonOperator=\"{operator}\" value=\"{value}\"/>"
        ));
    }
    xml.close("ComparisonList");
    xml.close("RestrictionCriteria");
    xml.close("BaseContainer");
}

/// A document, indented as it nests.
#[derive(Default)]
struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    fn line(&mut self, line: &str) {
        let indent = 2 * self.depth;
        writeln!(self.text, "{:indent$}{line}", "").expect("a string takes all text");
    }

    fn open(&mut self, tag: &str) {
        self.line(&format!("<{tag}>"));
        self.depth += 1;
    }

    fn close(&mut self, tag: &str) {
        self.depth -= 1;
        self.line(&format!("</{tag}>"));
    }
}
