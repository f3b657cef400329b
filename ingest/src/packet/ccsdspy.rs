//! ccsdspy's CSV form of a packet: one field a line.
//!
//! Columns `name`, `data_type`, `bit_length`, and `bit_offset` and
//! `calibration` where they are. Types are `uint`, `int`, `float`, `str`,
//! `fill` and arrays of them of fixed size, `uint(8)`. A calibration is a JSON
//! object, of coefficients by exponent or of labels by value.
//!
//! The primary header is not in such a file; its fields are added under the
//! names that ccsdspy gives them. The file does not say its APID either.
//!
//! Offsets count from the packet's first byte, as ccsdspy reads them. One within
//! the primary header is refused, for there are files that count from its end,
//! until it is said what offsets count from ([`Origin`]). Elements `x[0]`, `x[1]`, ... that all carry the offset
//! of the first follow each other. A reading that is not the writer's ends at
//! another bit than its packets do, and they are refused for it.
//!
//! Refuses what it does not read, with the line: arrays of several dimensions,
//! arrays that fill the packet or take their size from a field.

use std::collections::BTreeMap;

use csv_core::{ReadRecordResult, Reader};
use downlake_lake::{Error, Result};

use super::check::Surveyed;
use super::model::{
    ByteOrder, Charset, Comparison, Condition, Container, Encoding, Ending, Entry, Extent, Item,
    Label, Location, Meaning, Operator, PacketDefinition, Parameter, Place, Scalar, Shape, Sign,
    Term,
};

/// The container of the primary header.
const ROOT: &str = "CCSDSPacket";
const APID: &str = "CCSDS_APID";
const HEADER_BITS: u32 = 48;
/// What offsets can count from.
pub const ORIGINS: &[(&str, Origin)] = &[("packet", Origin::Packet), ("data", Origin::Data)];
const HEADER: &[(&str, u8)] = &[
    ("CCSDS_VERSION_NUMBER", 3),
    ("CCSDS_PACKET_TYPE", 1),
    ("CCSDS_SECONDARY_FLAG", 1),
    (APID, 11),
    ("CCSDS_SEQUENCE_FLAG", 2),
    ("CCSDS_SEQUENCE_COUNT", 14),
    ("CCSDS_PACKET_LENGTH", 16),
];
const COLUMNS: &[&str] = &[
    "name",
    "data_type",
    "bit_length",
    "bit_offset",
    "calibration",
];

/// What a file does not say of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// The APID that it is for.
    pub apid: Option<u16>,
    /// What its offsets count from.
    pub offsets: Option<Origin>,
}

/// What offsets count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The packet's first byte, as ccsdspy reads them.
    Packet,
    /// The end of the primary header.
    Data,
}

impl Origin {
    /// The bit of a packet at which offsets are 0.
    fn bit(self) -> u32 {
        match self {
            Origin::Packet => 0,
            Origin::Data => HEADER_BITS,
        }
    }
}

/// Whether the first line is a header of such a file.
pub fn has_header(bytes: &[u8]) -> bool {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let columns: Vec<&[u8]> = line.split(|byte| *byte == b',').map(trimmed).collect();
    ["name", "data_type", "bit_length"]
        .iter()
        .all(|needed| columns.contains(&needed.as_bytes()))
}

/// Without blanks and quotes.
fn trimmed(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    let inner = field
        .strip_prefix(b"\"")
        .and_then(|f| f.strip_suffix(b"\""));
    inner.unwrap_or(field)
}

/// Reads a definition; `name` names its container. Without an APID it is for
/// one APID that remains to be said
/// ([`PacketDecoder::bind`](super::decoder::PacketDecoder::bind)).
///
/// # Errors
/// Invalid, with file and line.
pub fn read(bytes: &[u8], file: &str, name: &str, said: Said) -> Result<PacketDefinition> {
    survey(bytes, file, name, said)?.accept()
}

/// Reads as much of a definition as can be read.
///
/// # Errors
/// Invalid, with file and line: the file has another form.
pub fn survey(bytes: &[u8], file: &str, name: &str, said: Said) -> Result<Surveyed> {
    let rows = rows(bytes, file)?;
    let first = rows.first().map(|row| row.place.clone());
    let Some(place) = first else {
        return Err(Error::invalid(format!(
            "{file}: no fields: expected the columns {}",
            COLUMNS.join(", ")
        )));
    };
    let entries = entries(&rows, said.offsets)?;
    let mut parameters: Vec<Parameter> = HEADER
        .iter()
        .map(|(name, bits)| header_parameter(name, *bits, &place))
        .collect();
    let mut refusals = Vec::new();
    for row in &rows {
        match row.parameter() {
            Ok(parameter) => parameters.push(parameter),
            Err(error) => refusals.push(error),
        }
    }
    let header = HEADER
        .iter()
        .map(|(name, _)| entry(name, Location::AfterPrevious(0), &place));
    let root = Container {
        name: ROOT.to_owned(),
        description: Some("primary header of a space packet".to_owned()),
        base: None,
        when: None,
        is_abstract: true,
        entries: header.collect(),
        place: place.clone(),
    };
    let fields = Container {
        name: name.to_owned(),
        description: None,
        base: Some(ROOT.to_owned()),
        when: said.apid.map(is_apid),
        is_abstract: false,
        entries,
        place,
    };
    let definition = PacketDefinition {
        name: name.to_owned(),
        description: None,
        root: ROOT.to_owned(),
        one_apid: said.apid.is_none(),
        parameters,
        containers: vec![root, fields],
        notices: Vec::new(),
    };
    Ok(Surveyed::new(definition, refusals))
}

fn is_apid(apid: u16) -> Condition {
    Condition::Compare(Comparison {
        parameter: APID.to_owned(),
        operator: Operator::Equal,
        value: apid.into(),
    })
}

fn header_parameter(name: &str, bits: u8, place: &Place) -> Parameter {
    Parameter {
        name: name.to_owned(),
        description: None,
        shape: Shape::Scalar(Scalar {
            unit: None,
            encoding: integer(bits, Sign::Unsigned),
            meaning: Meaning::Plain,
        }),
        place: place.clone(),
    }
}

fn integer(bits: u8, sign: Sign) -> Encoding {
    Encoding::Integer {
        bits,
        sign,
        order: ByteOrder::Big,
    }
}

fn entry(name: &str, location: Location, place: &Place) -> Entry {
    Entry {
        item: Item::Parameter(name.to_owned()),
        location,
        when: None,
        place: place.clone(),
    }
}

/// One field of the file.
struct Row {
    name: String,
    data_type: String,
    bits: u32,
    offset: Option<u32>,
    calibration: Option<String>,
    place: Place,
}

fn entries(rows: &[Row], origin: Option<Origin>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        if row.offset.is_some() != rows[0].offset.is_some() {
            return Err(row.place.refuse(format!(
                "field {:?}: either every field has a bit_offset, or none",
                row.name
            )));
        }
        let before = at.checked_sub(1).map(|before| &rows[before]);
        let location = match row.offset {
            Some(offset) if !before.is_some_and(|before| row.follows(before)) => {
                Location::FromStart(row.bit(offset, origin)?)
            }
            _ => Location::AfterPrevious(0),
        };
        entries.push(entry(&row.name, location, &row.place));
    }
    Ok(entries)
}

impl Row {
    /// Whether this is the next element of an array, under the offset of the
    /// one before.
    fn follows(&self, before: &Row) -> bool {
        let element = |row: &Row| {
            let (array, index) = row.name.strip_suffix(']')?.rsplit_once('[')?;
            Some((array.to_owned(), index.parse::<u32>().ok()?))
        };
        let (Some((array, index)), Some((other, last))) = (element(self), element(before)) else {
            return false;
        };
        let same = array == other && self.offset == before.offset;
        same && self.data_type == before.data_type && last.checked_add(1) == Some(index)
    }

    /// The bit of the packet at an offset.
    fn bit(&self, offset: u32, origin: Option<Origin>) -> Result<u32> {
        if origin.is_none() && offset < HEADER_BITS {
            return Err(self.refuse(format!(
                "has bit_offset {offset}, in the primary header: if offsets count from its end, say offsets = \"data\" in a TOML with definition = {:?}; if from the packet's first byte, offsets = \"packet\"",
                self.place.file
            )));
        }
        let bit = offset.checked_add(origin.map_or(0, Origin::bit));
        bit.ok_or_else(|| self.refuse(format!("has bit_offset {offset}, beyond every packet")))
    }

    fn parameter(&self) -> Result<Parameter> {
        let (data_type, count) = self.array()?;
        let scalar = Scalar {
            unit: None,
            encoding: self.encoding(data_type)?,
            meaning: self.meaning()?,
        };
        let shape = match count {
            None => Shape::Scalar(scalar),
            Some(count) => Shape::Array {
                element: Box::new(Shape::Scalar(scalar)),
                count,
            },
        };
        Ok(Parameter {
            name: self.name.clone(),
            description: None,
            shape,
            place: self.place.clone(),
        })
    }

    fn array(&self) -> Result<(&str, Option<u32>)> {
        let Some((data_type, size)) = self.data_type.split_once('(') else {
            return Ok((&self.data_type, None));
        };
        let count = size
            .strip_suffix(')')
            .and_then(|size| size.trim().parse().ok());
        match count {
            Some(count) => Ok((data_type, Some(count))),
            None => Err(self.refuse(format!(
                "has data_type {:?}: arrays have one fixed size here, as in uint(8); others are not implemented",
                self.data_type
            ))),
        }
    }

    fn encoding(&self, data_type: &str) -> Result<Encoding> {
        let narrow = || {
            u8::try_from(self.bits)
                .map_err(|_| self.refuse(format!("has bit_length {}: 64 at most", self.bits)))
        };
        match data_type {
            "fill" if self.bits > 64 => Ok(Encoding::Binary {
                extent: Extent::Fixed(self.bits),
            }),
            "uint" | "fill" => Ok(integer(narrow()?, Sign::Unsigned)),
            "int" => Ok(integer(narrow()?, Sign::TwosComplement)),
            "float" => Ok(Encoding::Float {
                bits: narrow()?,
                order: ByteOrder::Big,
            }),
            "str" => Ok(Encoding::Text {
                extent: Extent::Fixed(self.bits),
                ending: Ending::Padded,
                charset: Charset::Utf8,
            }),
            other => Err(self.refuse(format!(
                "has data_type {other:?}: types are uint, int, float, str and fill"
            ))),
        }
    }

    fn meaning(&self) -> Result<Meaning> {
        let Some(text) = &self.calibration else {
            return Ok(Meaning::Plain);
        };
        let numbers: Option<BTreeMap<u8, f64>> = serde_json::from_str(text).ok();
        if let Some(numbers) = numbers {
            let terms = numbers.into_iter().map(|(exponent, coefficient)| Term {
                coefficient,
                exponent,
            });
            return Ok(Meaning::Polynomial(terms.collect()));
        }
        let labels: BTreeMap<i64, String> = serde_json::from_str(text).map_err(|_| {
            self.refuse(format!(
                "has calibration {text}: expected a JSON object of coefficients by exponent, or of labels by value"
            ))
        })?;
        let labels = labels.into_iter().map(|(value, text)| Label {
            low: value,
            high: value,
            text,
        });
        Ok(Meaning::Labels(labels.collect()))
    }

    fn refuse(&self, why: impl std::fmt::Display) -> Error {
        self.place.refuse(format!("field {:?} {why}", self.name))
    }
}

fn rows(bytes: &[u8], file: &str) -> Result<Vec<Row>> {
    let mut records = records(bytes, file)?.into_iter();
    let Some((place, header)) = records.next() else {
        return Ok(Vec::new());
    };
    for column in &header {
        if !COLUMNS.contains(&column.as_str()) {
            return Err(place.refuse(format!(
                "column {column:?} is not known: columns are {}",
                COLUMNS.join(", ")
            )));
        }
    }
    let at = |name: &str| header.iter().position(|column| column == name);
    let (Some(name), Some(data_type), Some(bits)) = (at("name"), at("data_type"), at("bit_length"))
    else {
        return Err(place.refuse("the columns name, data_type and bit_length must be there"));
    };
    let (offset, calibration) = (at("bit_offset"), at("calibration"));
    records
        .map(|(place, fields)| {
            if fields.len() != header.len() {
                return Err(place.refuse(format!(
                    "{} fields under {} columns",
                    fields.len(),
                    header.len()
                )));
            }
            let text = |at: Option<usize>| at.map(|at| &fields[at]).filter(|text| !text.is_empty());
            let number = |text: &String| {
                text.parse::<u32>()
                    .map_err(|_| place.refuse(format!("{text:?} is no number of bits")))
            };
            Ok(Row {
                name: fields[name].clone(),
                data_type: fields[data_type].clone(),
                bits: number(&fields[bits])?,
                offset: text(offset).map(number).transpose()?,
                calibration: text(calibration).cloned(),
                place,
            })
        })
        .collect()
}

/// The records of the file with their lines; fields without blanks around.
fn records(bytes: &[u8], file: &str) -> Result<Vec<(Place, Vec<String>)>> {
    let mut reader = Reader::new();
    let mut records = Vec::new();
    let mut input = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // No record is longer than the file, and none has more fields than bytes.
    let mut output = vec![0; input.len() + 1];
    let mut ends = vec![0; input.len() + 2];
    loop {
        let place = Place {
            file: file.into(),
            line: u32::try_from(reader.line()).unwrap_or(u32::MAX),
        };
        let (mut written, mut fields) = (0, 0);
        let is_end = loop {
            let (result, read, wrote, ended) =
                reader.read_record(input, &mut output[written..], &mut ends[fields..]);
            input = &input[read..];
            written += wrote;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => break false,
                ReadRecordResult::End => break true,
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(Error::internal("a record is longer than its file"));
                }
            }
        };
        if is_end {
            return Ok(records);
        }
        let mut from = 0;
        let texts = ends[..fields].iter().map(|end| {
            let text = String::from_utf8(output[from..*end].to_vec());
            from = *end;
            text.map(|text| text.trim().to_owned())
        });
        let texts = texts.collect::<Result<Vec<_>, _>>();
        let texts = texts.map_err(|_| place.refuse("the line is not UTF-8"))?;
        records.push((place, texts));
    }
}
