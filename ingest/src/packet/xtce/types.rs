//! Parameter types and data encodings.

use std::str::FromStr;

use downlake_lake::Result;
use downlake_lake::schema::time::{CCSDS_EPOCH_MICROS, parse_iso};
use downlake_lake::schema::{TimeCode, TimeScale};

use crate::packet::check::MAX_DEPTH;
use crate::packet::model::{
    ByteOrder, Charset, Clock, Encoding, Ending, Extent, Label, Meaning, Member, Scalar, Shape,
    Sign, Term,
};

use super::Findings;
use super::element::Element;
use super::systems::{Named, Systems};

/// 1980-01-06T00:00:00Z in microseconds: the epoch of GPS time.
const GPS_EPOCH_MICROS: i64 = 315_964_800_000_000;

/// Attributes of every type; the size of a type is that of the engineering
/// value, and says nothing about bits in a packet.
const TYPE_ATTRIBUTES: &[&str] = &[
    "name",
    "initialValue",
    "signed",
    "sizeInBits",
    "characterWidth",
    "oneStringValue",
    "zeroStringValue",
];
/// Children that limit or show values and change none.
const JUDGEMENTS: &[&str] = &[
    "ValidRange",
    "ValidRangeSet",
    "SizeRangeInCharacters",
    "DefaultAlarm",
    "ContextAlarmList",
    "ToString",
];
const ENCODINGS: &[&str] = &[
    "IntegerDataEncoding",
    "FloatDataEncoding",
    "StringDataEncoding",
    "BinaryDataEncoding",
];

/// The type that a reference names.
pub(super) fn shape(
    systems: &Systems,
    from: &[String],
    reference: &str,
    user: &Element,
    findings: &mut Findings,
    depth: usize,
) -> Result<Shape> {
    let Some(named) = systems.find_type(from, reference) else {
        return Err(user.refuse(format!("is of type {reference:?}, which is not defined")));
    };
    let element = named.element;
    if depth > MAX_DEPTH {
        return Err(element.refuse("contains itself, or is nested too deeply"));
    }
    findings.count_type(user, size_of::<Member>() + listed_bytes(element))?;
    match element.name.as_str() {
        "AggregateParameterType" => aggregate(systems, named, findings, depth),
        "ArrayParameterType" => array(systems, named, findings, depth),
        _ => Ok(Shape::Scalar(scalar(systems, named, findings)?)),
    }
}

/// What the names of members, or the labels, of a type take.
fn listed_bytes(element: &Element) -> usize {
    let lists = element.children.iter();
    let lists = lists.filter(|c| ["MemberList", "EnumerationList"].contains(&c.name.as_str()));
    let bytes = |listed: &Element| {
        let text = listed.attribute("label").or(listed.attribute("name"));
        size_of::<Label>() + text.map_or(0, str::len)
    };
    lists.flat_map(|list| &list.children).map(bytes).sum()
}

fn aggregate(
    systems: &Systems,
    named: &Named,
    findings: &mut Findings,
    depth: usize,
) -> Result<Shape> {
    named
        .element
        .only(&["name", "initialValue"], &["MemberList"])?;
    let list = named.element.need_child("MemberList")?;
    list.only(&[], &["Member"])?;
    let member = |member: &Element| {
        member.only(&["name", "typeRef", "initialValue"], &[])?;
        let reference = member.need("typeRef")?;
        Ok(Member {
            name: member.need("name")?.to_owned(),
            shape: shape(
                systems,
                &named.system,
                reference,
                member,
                findings,
                depth + 1,
            )?,
        })
    };
    let members = list.children.iter().filter(|c| c.name == "Member");
    Ok(Shape::Aggregate(
        members.map(member).collect::<Result<_>>()?,
    ))
}

fn array(systems: &Systems, named: &Named, findings: &mut Findings, depth: usize) -> Result<Shape> {
    let element = named.element;
    element.only(
        &["name", "arrayTypeRef", "numberOfDimensions", "initialValue"],
        &["DimensionList"],
    )?;
    let list = element.need_child("DimensionList")?;
    list.only(&[], &["Dimension"])?;
    let [dimension] = list.children.as_slice() else {
        return Err(list.refuse("has several dimensions: not implemented"));
    };
    dimension.only(&[], &["StartingIndex", "EndingIndex"])?;
    let index = |name| {
        let index = dimension.need_child(name)?;
        index.only(&[], &["FixedValue"])?;
        fixed_value::<u32>(index)
    };
    let (start, end) = (index("StartingIndex")?, index("EndingIndex")?);
    let count = end.checked_sub(start).and_then(|last| last.checked_add(1));
    let count = count.ok_or_else(|| dimension.refuse("ends before it starts"))?;
    let reference = element.need("arrayTypeRef")?;
    let of = shape(
        systems,
        &named.system,
        reference,
        element,
        findings,
        depth + 1,
    )?;
    Ok(Shape::Array {
        element: Box::new(of),
        count,
    })
}

fn scalar(systems: &Systems, named: &Named, findings: &mut Findings) -> Result<Scalar> {
    let element = named.element;
    let own: &[&str] = match element.name.as_str() {
        "IntegerParameterType"
        | "FloatParameterType"
        | "StringParameterType"
        | "BinaryParameterType"
        | "BooleanParameterType" => &[],
        "EnumeratedParameterType" => &["EnumerationList"],
        "AbsoluteTimeParameterType" => &["Encoding", "ReferenceTime"],
        _ => return Err(element.refuse("is not implemented")),
    };
    let children = [own, JUDGEMENTS, ENCODINGS, &["UnitSet"]].concat();
    element.only(TYPE_ATTRIBUTES, &children)?;
    for child in &element.children {
        if JUDGEMENTS.contains(&child.name.as_str()) {
            findings.pass_over(child, "it judges or shows values and changes none");
        }
    }
    if element.name == "AbsoluteTimeParameterType" {
        return instant(systems, named);
    }
    let (encoding, polynomial) = data_encoding(systems, named, element)?;
    let meaning = meaning(element, &encoding, polynomial)?;
    Ok(Scalar {
        unit: unit(element)?,
        encoding,
        meaning,
    })
}

fn meaning(
    element: &Element,
    encoding: &Encoding,
    polynomial: Option<Vec<Term>>,
) -> Result<Meaning> {
    let number = matches!(encoding, Encoding::Integer { .. } | Encoding::Float { .. });
    let (fits, meaning) = match element.name.as_str() {
        "IntegerParameterType" | "FloatParameterType" => {
            return match (number, polynomial) {
                (true, Some(terms)) => Ok(Meaning::Polynomial(terms)),
                (true, None) => Ok(Meaning::Plain),
                (false, _) => Err(mismatch(element)),
            };
        }
        "StringParameterType" => (matches!(encoding, Encoding::Text { .. }), Meaning::Plain),
        "BinaryParameterType" => (matches!(encoding, Encoding::Binary { .. }), Meaning::Plain),
        "BooleanParameterType" => (
            matches!(encoding, Encoding::Integer { .. }),
            Meaning::Boolean,
        ),
        _ => (
            matches!(encoding, Encoding::Integer { .. }),
            Meaning::Labels(labels(element)?),
        ),
    };
    match (fits, polynomial) {
        (true, None) => Ok(meaning),
        (true, Some(_)) => Err(element.refuse("has a calibrator: not implemented for this type")),
        (false, _) => Err(mismatch(element)),
    }
}

fn mismatch(element: &Element) -> downlake_lake::Error {
    element.refuse("has a data encoding of another kind: not implemented")
}

fn labels(element: &Element) -> Result<Vec<Label>> {
    let list = element.need_child("EnumerationList")?;
    list.only(&[], &["Enumeration"])?;
    let label = |label: &Element| {
        label.only(&["value", "maxValue", "label"], &[])?;
        let low = whole(label, label.need("value")?)?;
        let high = label.attribute("maxValue").map(|high| whole(label, high));
        Ok(Label {
            low,
            high: high.transpose()?.unwrap_or(low),
            text: label.need("label")?.to_owned(),
        })
    };
    let labels = list.children.iter().filter(|c| c.name == "Enumeration");
    labels.map(label).collect()
}

/// A whole number in decimal, or hexadecimal after `0x`.
pub(super) fn whole<T: TryFrom<i128>>(element: &Element, text: &str) -> Result<T> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i128::from_str_radix(digits, 16),
        None => i128::from_str(text),
    };
    let number = parsed.ok().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| element.refuse(format!("has {text:?}, which is no such whole number")))
}

fn unit(element: &Element) -> Result<Option<String>> {
    let Some(set) = element.child("UnitSet")? else {
        return Ok(None);
    };
    let unit = |unit: &Element| {
        let mut text = unit.text().to_owned();
        for (attribute, before, after) in [("factor", "", "*"), ("power", "^", "")] {
            match unit.attribute(attribute) {
                None | Some("1" | "1.0") => {}
                Some(value) if attribute == "factor" => {
                    text = format!("{before}{value}{after}{text}")
                }
                Some(value) => text = format!("{text}{before}{value}{after}"),
            }
        }
        text
    };
    let units: Vec<String> = set
        .children
        .iter()
        .map(unit)
        .filter(|u| !u.is_empty())
        .collect();
    Ok(Some(units.join("*")).filter(|units| !units.is_empty()))
}

type Encoded = (Encoding, Option<Vec<Term>>);

fn data_encoding(systems: &Systems, named: &Named, holder: &Element) -> Result<Encoded> {
    let found: Vec<&Element> = holder
        .children
        .iter()
        .filter(|child| ENCODINGS.contains(&child.name.as_str()))
        .collect();
    let [element] = found.as_slice() else {
        return Err(holder.refuse(format!(
            "has {} data encodings: expected one, which says its bits",
            found.len()
        )));
    };
    match element.attribute("bitOrder") {
        None | Some("mostSignificantBitFirst") => {}
        Some(other) => {
            return Err(element.refuse(format!("has bitOrder={other:?}: not implemented")));
        }
    }
    match element.name.as_str() {
        "IntegerDataEncoding" => integer(element),
        "FloatDataEncoding" => float(element),
        "StringDataEncoding" => text(systems, named, element),
        _ => binary(systems, named, element),
    }
}

const NUMBER_ATTRIBUTES: &[&str] = &[
    "sizeInBits",
    "encoding",
    "byteOrder",
    "bitOrder",
    "changeThreshold",
];

fn integer(element: &Element) -> Result<Encoded> {
    element.only(NUMBER_ATTRIBUTES, &["DefaultCalibrator"])?;
    let sign = match element.attribute("encoding").unwrap_or("unsigned") {
        "unsigned" => Sign::Unsigned,
        "twosComplement" | "twosCompliment" | "signed" => Sign::TwosComplement,
        "signMagnitude" => Sign::SignMagnitude,
        "onesComplement" => Sign::OnesComplement,
        other => return Err(element.refuse(format!("has encoding={other:?}: not implemented"))),
    };
    let encoding = Encoding::Integer {
        bits: element.number("sizeInBits")?.unwrap_or(8),
        sign,
        order: byte_order(element)?,
    };
    Ok((encoding, polynomial(element)?))
}

fn float(element: &Element) -> Result<Encoded> {
    element.only(NUMBER_ATTRIBUTES, &["DefaultCalibrator"])?;
    match element.attribute("encoding") {
        None | Some("IEEE754" | "IEEE754_1985" | "IEEE-754") => {}
        Some(other) => {
            return Err(element.refuse(format!("has encoding={other:?}: not implemented")));
        }
    }
    let encoding = Encoding::Float {
        bits: element.number("sizeInBits")?.unwrap_or(32),
        order: byte_order(element)?,
    };
    Ok((encoding, polynomial(element)?))
}

fn byte_order(element: &Element) -> Result<ByteOrder> {
    match element.attribute("byteOrder") {
        None | Some("mostSignificantByteFirst") => Ok(ByteOrder::Big),
        Some("leastSignificantByteFirst") => Ok(ByteOrder::Little),
        Some(other) => Err(element.refuse(format!("has byteOrder={other:?}: not implemented"))),
    }
}

/// The terms of a calibrator that changes values.
fn polynomial(element: &Element) -> Result<Option<Vec<Term>>> {
    let Some(calibrator) = element.child("DefaultCalibrator")? else {
        return Ok(None);
    };
    calibrator.only(&["name"], &["PolynomialCalibrator"])?;
    let polynomial = calibrator.need_child("PolynomialCalibrator")?;
    polynomial.only(&["name"], &["Term"])?;
    let term = |term: &Element| {
        term.only(&["coefficient", "exponent"], &[])?;
        let coefficient = term.number("coefficient")?;
        let exponent = term.number("exponent")?;
        Ok(Term {
            coefficient: coefficient.ok_or_else(|| term.refuse("has no coefficient"))?,
            exponent: exponent.ok_or_else(|| term.refuse("has no exponent"))?,
        })
    };
    let terms = polynomial.children.iter().filter(|c| c.name == "Term");
    let terms: Vec<Term> = terms.map(term).collect::<Result<_>>()?;
    let identity = [Term {
        coefficient: 1.0,
        exponent: 1,
    }];
    Ok((terms != identity).then_some(terms))
}

fn text(systems: &Systems, named: &Named, element: &Element) -> Result<Encoded> {
    element.only(
        &["encoding", "bitOrder", "byteOrder"],
        &["SizeInBits", "Variable"],
    )?;
    let charset = match element.attribute("encoding").unwrap_or("UTF-8") {
        "UTF-8" | "US-ASCII" | "ASCII" => Charset::Utf8,
        "ISO-8859-1" => Charset::Latin1,
        other => return Err(element.refuse(format!("has encoding={other:?}: not implemented"))),
    };
    let (extent, ending) = match (element.child("SizeInBits")?, element.child("Variable")?) {
        (Some(size), None) => {
            size.only(&[], &["Fixed", "TerminationChar", "LeadingSize"])?;
            let fixed = size.child("Fixed")?.map(|fixed| {
                fixed.only(&[], &["FixedValue"])?;
                fixed_value(fixed)
            });
            let extent = fixed.transpose()?.map_or(Extent::Open(None), Extent::Fixed);
            (extent, ending(size)?)
        }
        (None, Some(size)) => variable(systems, named, size)?,
        _ => return Err(element.refuse("has no size, or two: expected SizeInBits or Variable")),
    };
    let encoding = Encoding::Text {
        extent,
        ending: ending.unwrap_or(Ending::Whole),
        charset,
    };
    Ok((encoding, None))
}

fn variable(systems: &Systems, named: &Named, size: &Element) -> Result<(Extent, Option<Ending>)> {
    size.only(
        &["maxSizeInBits"],
        &["DynamicValue", "TerminationChar", "LeadingSize"],
    )?;
    let extent = match size.child("DynamicValue")? {
        Some(value) => dynamic(systems, named, value)?,
        None => Extent::Open(size.number("maxSizeInBits")?),
    };
    Ok((extent, ending(size)?))
}

fn ending(size: &Element) -> Result<Option<Ending>> {
    let terminator = size.child("TerminationChar")?.map(|element| {
        element.only(&[], &[])?;
        bytes_of_hex(element.text())
            .map(Ending::Terminator)
            .ok_or_else(|| element.refuse("is no hexadecimal text"))
    });
    let leading = size.child("LeadingSize")?.map(|element| -> Result<Ending> {
        element.only(&["sizeInBitsOfSizeTag"], &[])?;
        let bits = element.number("sizeInBitsOfSizeTag")?;
        Ok(Ending::LeadingSize(bits.unwrap_or(16)))
    });
    match (terminator.transpose()?, leading.transpose()?) {
        (Some(_), Some(_)) => {
            Err(size.refuse("has a terminator and a leading size: not implemented"))
        }
        (ending, None) | (None, ending) => Ok(ending),
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let pairs = digits?
        .chunks(2)
        .map(|two| match two {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect::<Option<Vec<u8>>>();
    pairs.filter(|bytes| !bytes.is_empty())
}

fn binary(systems: &Systems, named: &Named, element: &Element) -> Result<Encoded> {
    element.only(&["bitOrder", "byteOrder"], &["SizeInBits"])?;
    let size = element.need_child("SizeInBits")?;
    size.only(&[], &["FixedValue", "DynamicValue"])?;
    let extent = match size.child("DynamicValue")? {
        Some(value) => dynamic(systems, named, value)?,
        None => Extent::Fixed(fixed_value(size)?),
    };
    Ok((Encoding::Binary { extent }, None))
}

fn dynamic(systems: &Systems, named: &Named, element: &Element) -> Result<Extent> {
    element.only(&[], &["ParameterInstanceRef", "LinearAdjustment"])?;
    let reference = element.need_child("ParameterInstanceRef")?;
    reference.only(&["parameterRef", "useCalibratedValue", "instance"], &[])?;
    if !matches!(reference.attribute("instance"), None | Some("0")) {
        return Err(reference.refuse("looks at another instance: not implemented"));
    }
    let text = reference.need("parameterRef")?;
    let parameter = systems
        .parameter_name(&named.system, text)
        .ok_or_else(|| reference.refuse(format!("names {text:?}, which is no parameter")))?;
    if reference.flag("useCalibratedValue", true)? && is_calibrated(systems, &parameter) {
        return Err(reference.refuse(format!(
            "takes the calibrated value of {text:?}: not implemented"
        )));
    }
    let (mut slope, mut intercept) = (1, 0);
    if let Some(adjustment) = element.child("LinearAdjustment")? {
        adjustment.only(&["slope", "intercept"], &[])?;
        slope = adjustment
            .attribute("slope")
            .map_or(Ok(1), |t| integral(adjustment, t))?;
        intercept = adjustment
            .attribute("intercept")
            .map_or(Ok(0), |t| integral(adjustment, t))?;
    }
    Ok(Extent::Dynamic {
        parameter,
        slope,
        intercept,
    })
}

/// A number that is whole though it may be spelled `8.0`.
fn integral(element: &Element, text: &str) -> Result<i64> {
    let whole_part = text.trim_end_matches('0').strip_suffix('.');
    whole(
        element,
        whole_part.filter(|_| text.contains('.')).unwrap_or(text),
    )
}

/// Whether the engineering value of a parameter is another than the raw one.
fn is_calibrated(systems: &Systems, parameter: &str) -> bool {
    systems.type_of(parameter).is_none_or(|named| {
        let plain = ["IntegerParameterType", "FloatParameterType"];
        let encodings = named.element.children.iter();
        let mut calibrators = encodings.flat_map(|e| &e.children);
        !plain.contains(&named.element.name.as_str())
            || calibrators.any(|c| c.name == "DefaultCalibrator")
    })
}

fn fixed_value<T: TryFrom<i128>>(element: &Element) -> Result<T> {
    let value = element.need_child("FixedValue")?;
    whole(value, value.text())
}

fn instant(systems: &Systems, named: &Named) -> Result<Scalar> {
    let element = named.element;
    let encoding = element.need_child("Encoding")?;
    encoding.only(&["units", "scale", "offset"], ENCODINGS)?;
    if !matches!(encoding.attribute("units"), None | Some("seconds")) {
        return Err(encoding.refuse("counts other units than seconds: not implemented"));
    }
    if encoding.number::<f64>("offset")?.unwrap_or(0.0) != 0.0 {
        return Err(encoding.refuse("has an offset: not implemented, move the epoch instead"));
    }
    let (data, calibrator) = data_encoding(systems, named, encoding)?;
    if !matches!(data, Encoding::Integer { .. }) || calibrator.is_some() {
        return Err(encoding.refuse("is no plain whole number: not implemented"));
    }
    let scale = encoding.number::<f64>("scale")?.unwrap_or(1.0);
    let code = code_of_scale(scale).ok_or_else(|| {
        encoding.refuse(format!(
            "has scale={scale}: expected 1, a power of ten down to 1e-9, or a power of two down to 2^-56"
        ))
    })?;
    let (epoch_micros, scale) = epoch(element.need_child("ReferenceTime")?)?;
    Ok(Scalar {
        unit: None,
        encoding: data,
        meaning: Meaning::Instant(Clock {
            code,
            epoch_micros,
            scale,
        }),
    })
}

/// The scales that make an exact instant of a count.
fn code_of_scale(scale: f64) -> Option<TimeCode> {
    let decimal = [
        (1.0, TimeCode::Seconds),
        (1e-3, TimeCode::Millis),
        (1e-6, TimeCode::Micros),
        (1e-9, TimeCode::Nanos),
    ];
    let is = |value: f64| value.to_bits() == scale.to_bits();
    let found = decimal.into_iter().find(|(value, _)| is(*value));
    found.map(|(_, code)| code).or_else(|| {
        let fraction_bits = (1..=56).find(|bits| is(2f64.powi(-i32::from(*bits))))?;
        Some(TimeCode::Cuc { fraction_bits })
    })
}

fn epoch(reference: &Element) -> Result<(i64, TimeScale)> {
    reference.only(&[], &["Epoch"])?;
    let epoch = reference.need_child("Epoch")?;
    epoch.only(&[], &[])?;
    match epoch.text() {
        "TAI" => Ok((CCSDS_EPOCH_MICROS, TimeScale::Tai)),
        "GPS" => Ok((GPS_EPOCH_MICROS, TimeScale::Gps)),
        "UNIX" | "POSIX" => Ok((0, TimeScale::Utc)),
        // 12:00:00 of terrestrial time, 64.184 s ahead of UTC.
        "J2000" => Err(epoch.refuse(
            "is \"J2000\": not implemented; its date is 2000-01-01T11:58:55.816Z, since which days of 86,400 seconds are counted here, and through leap seconds with scale = \"tai\" in our own form",
        )),
        text => {
            let instant = parse_iso(text).ok().filter(|instant| instant.is_exact());
            let instant = instant.ok_or_else(|| {
                epoch.refuse(format!("is {text:?}: expected TAI, GPS, UNIX or a date"))
            })?;
            Ok((instant.micros, TimeScale::Utc))
        }
    }
}
