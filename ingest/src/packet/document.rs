//! Our own form of a packet definition: TOML, with everything that the model
//! can say.
//!
//! ```toml
//! packets = "thermometer"
//! root = "header"
//!
//! [[parameter]]
//! name = "APID"
//! type = "u11"
//!
//! [[parameter]]
//! name = "TEMPERATURE"
//! type = "u16"
//! unit = "K"
//! polynomial = [[273.15, 0], [0.01, 1]]
//!
//! [[container]]
//! name = "header"
//! abstract = true
//! entries = [{ parameter = "APID", at = 5 }]
//!
//! [[container]]
//! name = "reading"
//! base = "header"
//! when = { parameter = "APID", is = "==", value = 7 }
//! entries = [{ parameter = "TEMPERATURE", at = 48 }]
//! ```
//!
//! Types are `u`, `i` (two's complement), `sm` (sign and magnitude), `oc`
//! (one's complement) and `f` with their bits, `text`, `binary` and
//! `aggregate`. Promises: what [`write()`] writes, [`read`] reads as the same
//! model, save for places and notices. Refuses keys that it does not know.

use std::sync::Arc;

use downlake_lake::schema::time::{format_rfc3339, parse_iso};
use downlake_lake::schema::{TimeCode, TimeScale};
use downlake_lake::{Error, Result};
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::DeTable;

use super::check::Surveyed;
use super::model::{
    ByteOrder, Charset, Clock, Comparison, Condition, Container, Encoding, Ending, Entry, Extent,
    Item, Label, Location, Meaning, Member, OPERATORS, PacketDefinition, Parameter, Place, Scalar,
    Shape, Sign, Term,
};

const SIGNS: &[(&str, Sign)] = &[
    ("u", Sign::Unsigned),
    ("i", Sign::TwosComplement),
    ("sm", Sign::SignMagnitude),
    ("oc", Sign::OnesComplement),
];
const SCALES: &[(&str, TimeScale)] = &[
    ("utc", TimeScale::Utc),
    ("tai", TimeScale::Tai),
    ("gps", TimeScale::Gps),
];
const CODES: &[(&str, TimeCode)] = &[
    ("seconds", TimeCode::Seconds),
    ("millis", TimeCode::Millis),
    ("micros", TimeCode::Micros),
    ("nanos", TimeCode::Nanos),
];

/// The keys at the top of a definition.
pub const KEYS: &[&str] = &[
    "packets",
    "description",
    "root",
    "one_apid",
    "parameter",
    "container",
];

/// Reads a definition.
///
/// # Errors
/// Invalid, with file and line.
pub fn read(text: &str, file: &str) -> Result<PacketDefinition> {
    let lines = Lines::of(text, file);
    let tree = DeTable::parse(text).map_err(|error| lines.refuse(&error))?;
    survey(tree, text, file)?.accept()
}

/// Reads as much of a definition as can be read, from the tree of its text.
///
/// # Errors
/// Invalid, with file and line: a key or a value has no meaning here.
pub fn survey(tree: Spanned<DeTable<'_>>, text: &str, file: &str) -> Result<Surveyed> {
    let lines = Lines::of(text, file);
    let document = Document::deserialize(toml::de::Deserializer::from(tree));
    let document: Document<Spanned<Value>, Spanned<ContainerTable>> =
        document.map_err(|error| lines.refuse(&error))?;
    let parameter = |entry: Spanned<Value>| {
        let place = lines.place(entry.span().start);
        let value = entry.into_inner();
        let (name, description) = (value.name.clone(), value.description.clone());
        let shape = value
            .shape()
            .map_err(|why| place.refuse(format!("parameter {name:?}: {why}")))?;
        Ok(Parameter {
            name,
            description,
            shape,
            place,
        })
    };
    let container = |entry: Spanned<ContainerTable>| {
        let place = lines.place(entry.span().start);
        let table = entry.into_inner();
        let name = table.name.clone();
        table
            .container(place.clone())
            .map_err(|why| place.refuse(format!("container {name:?}: {why}")))
    };
    let mut refusals = Vec::new();
    let parameters = document.parameter.into_iter().map(parameter);
    let parameters = read_or_refused(parameters, &mut refusals);
    let containers = document.container.into_iter().map(container);
    let definition = PacketDefinition {
        name: document.packets,
        description: document.description,
        root: document.root,
        one_apid: document.one_apid,
        parameters,
        containers: read_or_refused(containers, &mut refusals),
        notices: Vec::new(),
    };
    Ok(Surveyed::new(definition, refusals))
}

fn read_or_refused<T>(all: impl Iterator<Item = Result<T>>, refusals: &mut Vec<Error>) -> Vec<T> {
    all.filter_map(|one| one.map_err(|error| refusals.push(error)).ok())
        .collect()
}

/// Writes a definition.
///
/// # Errors
/// Internal; every definition has a text.
pub fn write(definition: &PacketDefinition) -> Result<String> {
    write_with(definition, "")
}

/// Writes a definition with more pairs among those at its top.
pub(super) fn write_with(definition: &PacketDefinition, pairs: &str) -> Result<String> {
    let head = toml::to_string(&Head {
        packets: &definition.name,
        description: definition.description.as_deref(),
        root: &definition.root,
        one_apid: definition.one_apid,
    });
    let body = toml::to_string(&Body {
        parameter: definition.parameters.iter().map(Value::of).collect(),
        container: definition
            .containers
            .iter()
            .map(ContainerTable::of)
            .collect(),
    });
    let text = |part: std::result::Result<String, toml::ser::Error>| {
        part.map_err(|error| Error::internal(format!("a packet definition is no TOML: {error}")))
    };
    Ok(format!("{}{pairs}\n{}", text(head)?, text(body)?))
}

/// Places by byte offset.
struct Lines<'a> {
    text: &'a str,
    file: Arc<str>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str, file: &str) -> Lines<'a> {
        Lines {
            text,
            file: file.into(),
        }
    }

    fn refuse(&self, error: &toml::de::Error) -> Error {
        let at = error.span().map_or(0, |span| span.start);
        self.place(at).refuse(error.message())
    }

    fn place(&self, at: usize) -> Place {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', before).count() + 1;
        Place {
            file: Arc::clone(&self.file),
            line: u32::try_from(lines).unwrap_or(u32::MAX),
        }
    }
}

/// What is written before the first table; a key behind one would be its own.
#[derive(Serialize)]
struct Head<'a> {
    packets: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    root: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    one_apid: bool,
}

#[derive(Serialize)]
struct Body {
    parameter: Vec<Value>,
    container: Vec<ContainerTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(bound(deserialize = "P: Deserialize<'de>, C: Deserialize<'de>"))]
struct Document<P, C> {
    packets: String,
    description: Option<String>,
    root: String,
    #[serde(default)]
    one_apid: bool,
    #[serde(default = "Vec::new")]
    parameter: Vec<P>,
    #[serde(default = "Vec::new")]
    container: Vec<C>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A parameter, or a member of an aggregate.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Value {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    little_endian: bool,
    #[serde(skip_serializing_if = "is_false")]
    boolean: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    polynomial: Option<Vec<(f64, u8)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<(i64, i64, String)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    most_bits: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminator: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leading_size_bits: Option<u8>,
    #[serde(skip_serializing_if = "is_false")]
    padded: bool,
    #[serde(skip_serializing_if = "is_false")]
    latin1: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits_from: Option<Measure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<ClockTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Value>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measure {
    parameter: String,
    slope: i64,
    intercept: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockTable {
    code: String,
    epoch: String,
    scale: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fraction_bits: Option<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainerTable {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    #[serde(default, rename = "abstract", skip_serializing_if = "is_false")]
    is_abstract: bool,
    entries: Vec<EntryTable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    when: Option<ConditionTable>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct EntryTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<ConditionTable>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ConditionTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Whole>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Vec<ConditionTable>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    any: Option<Vec<ConditionTable>>,
}

/// A number; as text where it is beyond those of TOML.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Whole {
    Number(i64),
    Digits(String),
}

type Read<T> = std::result::Result<T, String>;

/// The value of a word, or the words that there are.
fn lookup<T: Copy>(word: &str, known: &[(&str, T)]) -> Read<T> {
    let found = known.iter().find(|(text, _)| *text == word);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = known.iter().map(|(text, _)| *text).collect();
        format!(
            "{word:?} is not known: expected one of {}",
            words.join(", ")
        )
    })
}

fn spelling<T: PartialEq>(value: &T, known: &[(&str, T)]) -> String {
    let found = known.iter().find(|(_, other)| other == value);
    found.map_or_else(String::new, |(text, _)| (*text).to_owned())
}

impl Value {
    fn shape(self) -> Read<Shape> {
        let count = self.count;
        let one = self.element()?;
        Ok(match count {
            None => one,
            Some(count) => Shape::Array {
                element: Box::new(one),
                count,
            },
        })
    }

    fn element(self) -> Read<Shape> {
        self.check_keys()?;
        if self.kind == "aggregate" {
            let member = |member: Value| {
                let name = member.name.clone();
                let shape = member
                    .shape()
                    .map_err(|why| format!("member {name:?}: {why}"))?;
                Ok(Member { name, shape })
            };
            let members = self.members.ok_or("an aggregate needs members")?;
            let members = members.into_iter().map(member).collect::<Read<_>>()?;
            return Ok(Shape::Aggregate(members));
        }
        Ok(Shape::Scalar(Scalar {
            encoding: self.encoding()?,
            unit: self.unit.clone(),
            meaning: self.meaning()?,
        }))
    }

    /// Keys that would say nothing of a value of this type.
    fn check_keys(&self) -> Read<()> {
        let is_text = self.kind == "text";
        let is_sized = is_text || self.kind == "binary";
        let is_number = !is_sized && self.kind != "aggregate";
        let keys = [
            ("members", self.members.is_some(), self.kind == "aggregate"),
            ("unit", self.unit.is_some(), self.kind != "aggregate"),
            ("little_endian", self.little_endian, is_number),
            ("boolean", self.boolean, is_number),
            ("polynomial", self.polynomial.is_some(), is_number),
            ("labels", self.labels.is_some(), is_number),
            ("clock", self.clock.is_some(), is_number),
            ("bits", self.bits.is_some(), is_sized),
            ("bits_from", self.bits_from.is_some(), is_sized),
            ("most_bits", self.most_bits.is_some(), is_text),
            ("terminator", self.terminator.is_some(), is_text),
            (
                "leading_size_bits",
                self.leading_size_bits.is_some(),
                is_text,
            ),
            ("padded", self.padded, is_text),
            ("latin1", self.latin1, is_text),
        ];
        match keys.into_iter().find(|(_, there, fits)| *there && !fits) {
            Some((key, ..)) => Err(format!("type {:?} has no key {key:?}", self.kind)),
            None => Ok(()),
        }
    }

    fn encoding(&self) -> Read<Encoding> {
        let order = match self.little_endian {
            true => ByteOrder::Little,
            false => ByteOrder::Big,
        };
        match self.kind.as_str() {
            "text" => Ok(Encoding::Text {
                extent: self.extent()?,
                ending: self.ending()?,
                charset: match self.latin1 {
                    true => Charset::Latin1,
                    false => Charset::Utf8,
                },
            }),
            "binary" => Ok(Encoding::Binary {
                extent: self.extent()?,
            }),
            number => {
                let digits = number.trim_start_matches(|c: char| !c.is_ascii_digit());
                let kind = &number[..number.len() - digits.len()];
                let bits = digits.parse().map_err(|_| {
                    format!("type {number:?} is not known: expected one such as u16, i8, f32, text, binary or aggregate")
                })?;
                match kind {
                    "f" => Ok(Encoding::Float { bits, order }),
                    kind => Ok(Encoding::Integer {
                        bits,
                        sign: lookup(kind, SIGNS)?,
                        order,
                    }),
                }
            }
        }
    }

    fn extent(&self) -> Read<Extent> {
        match (self.bits, &self.bits_from, self.most_bits) {
            (Some(bits), None, None) => Ok(Extent::Fixed(bits)),
            (None, Some(measure), None) => Ok(Extent::Dynamic {
                parameter: measure.parameter.clone(),
                slope: measure.slope,
                intercept: measure.intercept,
            }),
            (None, None, most) => Ok(Extent::Open(most)),
            _ => Err("one of bits, bits_from and most_bits says the size".to_owned()),
        }
    }

    fn ending(&self) -> Read<Ending> {
        match (&self.terminator, self.leading_size_bits, self.padded) {
            (None, None, false) => Ok(Ending::Whole),
            (None, None, true) => Ok(Ending::Padded),
            (Some(bytes), None, false) => Ok(Ending::Terminator(bytes.clone())),
            (None, Some(bits), false) => Ok(Ending::LeadingSize(bits)),
            _ => Err("one of terminator, leading_size_bits and padded says the end".to_owned()),
        }
    }

    fn meaning(self) -> Read<Meaning> {
        let label = |(low, high, text)| Label { low, high, text };
        let term = |(coefficient, exponent)| Term {
            coefficient,
            exponent,
        };
        match (self.boolean, self.polynomial, self.labels, self.clock) {
            (false, None, None, None) => Ok(Meaning::Plain),
            (true, None, None, None) => Ok(Meaning::Boolean),
            (false, Some(terms), None, None) => {
                Ok(Meaning::Polynomial(terms.into_iter().map(term).collect()))
            }
            (false, None, Some(labels), None) => {
                Ok(Meaning::Labels(labels.into_iter().map(label).collect()))
            }
            (false, None, None, Some(clock)) => Ok(Meaning::Instant(clock.clock()?)),
            _ => Err("one of boolean, polynomial, labels and clock says the meaning".to_owned()),
        }
    }

    fn of(parameter: &Parameter) -> Value {
        Value {
            description: parameter.description.clone(),
            ..Value::named(&parameter.name, &parameter.shape)
        }
    }

    fn named(name: &str, shape: &Shape) -> Value {
        let value = match shape {
            Shape::Array { element, count } => Value {
                count: Some(*count),
                ..Value::named(name, element)
            },
            Shape::Aggregate(members) => {
                let members = members.iter().map(|m| Value::named(&m.name, &m.shape));
                Value {
                    kind: "aggregate".to_owned(),
                    members: Some(members.collect()),
                    ..Value::default()
                }
            }
            Shape::Scalar(scalar) => Value::scalar(scalar),
        };
        Value {
            name: name.to_owned(),
            ..value
        }
    }

    fn scalar(scalar: &Scalar) -> Value {
        let mut value = match &scalar.encoding {
            Encoding::Integer { bits, sign, order } => Value {
                kind: format!("{}{bits}", spelling(sign, SIGNS)),
                little_endian: *order == ByteOrder::Little,
                ..Value::default()
            },
            Encoding::Float { bits, order } => Value {
                kind: format!("f{bits}"),
                little_endian: *order == ByteOrder::Little,
                ..Value::default()
            },
            Encoding::Text {
                extent,
                ending,
                charset,
            } => Value {
                kind: "text".to_owned(),
                latin1: *charset == Charset::Latin1,
                ..Value::sized(extent, ending)
            },
            Encoding::Binary { extent } => Value {
                kind: "binary".to_owned(),
                ..Value::sized(extent, &Ending::Whole)
            },
        };
        value.unit = scalar.unit.clone();
        match &scalar.meaning {
            Meaning::Plain => {}
            Meaning::Boolean => value.boolean = true,
            Meaning::Polynomial(terms) => {
                let terms = terms.iter().map(|term| (term.coefficient, term.exponent));
                value.polynomial = Some(terms.collect());
            }
            Meaning::Labels(labels) => {
                let labels = labels.iter().map(|l| (l.low, l.high, l.text.clone()));
                value.labels = Some(labels.collect());
            }
            Meaning::Instant(clock) => value.clock = Some(ClockTable::of(clock)),
        }
        value
    }

    fn sized(extent: &Extent, ending: &Ending) -> Value {
        let mut value = Value::default();
        match extent {
            Extent::Fixed(bits) => value.bits = Some(*bits),
            Extent::Open(most) => value.most_bits = *most,
            Extent::Dynamic {
                parameter,
                slope,
                intercept,
            } => {
                value.bits_from = Some(Measure {
                    parameter: parameter.clone(),
                    slope: *slope,
                    intercept: *intercept,
                });
            }
        }
        match ending {
            Ending::Whole => {}
            Ending::Padded => value.padded = true,
            Ending::Terminator(bytes) => value.terminator = Some(bytes.clone()),
            Ending::LeadingSize(bits) => value.leading_size_bits = Some(*bits),
        }
        value
    }
}

impl ClockTable {
    fn clock(&self) -> Read<Clock> {
        let epoch = parse_iso(&self.epoch)
            .ok()
            .filter(|instant| instant.is_exact());
        let epoch = epoch.ok_or_else(|| format!("epoch {:?} is no instant", self.epoch))?;
        Ok(Clock {
            code: match (self.code.as_str(), self.fraction_bits) {
                ("cuc", Some(fraction_bits)) => TimeCode::Cuc { fraction_bits },
                ("cuc", None) => return Err("code \"cuc\" needs fraction_bits".to_owned()),
                (_, Some(_)) => return Err("fraction_bits belong to code \"cuc\"".to_owned()),
                (code, None) => lookup(code, CODES)?,
            },
            epoch_micros: epoch.micros,
            scale: lookup(&self.scale, SCALES)?,
        })
    }

    fn of(clock: &Clock) -> ClockTable {
        let (code, fraction_bits) = match clock.code {
            TimeCode::Cuc { fraction_bits } => ("cuc".to_owned(), Some(fraction_bits)),
            code => (spelling(&code, CODES), None),
        };
        ClockTable {
            code,
            epoch: format_rfc3339(clock.epoch_micros),
            scale: spelling(&clock.scale, SCALES),
            fraction_bits,
        }
    }
}

impl ContainerTable {
    fn container(self, place: Place) -> Read<Container> {
        let entries = self.entries.into_iter().map(|entry| entry.entry(&place));
        Ok(Container {
            name: self.name,
            description: self.description,
            base: self.base,
            when: self.when.map(ConditionTable::condition).transpose()?,
            is_abstract: self.is_abstract,
            entries: entries.collect::<Read<_>>()?,
            place: place.clone(),
        })
    }

    fn of(container: &Container) -> ContainerTable {
        ContainerTable {
            name: container.name.clone(),
            description: container.description.clone(),
            base: container.base.clone(),
            is_abstract: container.is_abstract,
            entries: container.entries.iter().map(EntryTable::of).collect(),
            when: container.when.as_ref().map(ConditionTable::of),
        }
    }
}

impl EntryTable {
    fn entry(self, place: &Place) -> Read<Entry> {
        let item = match (self.parameter, self.container) {
            (Some(name), None) => Item::Parameter(name),
            (None, Some(name)) => Item::Container(name),
            _ => return Err("an entry has either a parameter or a container".to_owned()),
        };
        let location = match (self.at, self.after) {
            (None, after) => Location::AfterPrevious(after.unwrap_or(0)),
            (Some(at), None) => Location::FromStart(at),
            (Some(_), Some(_)) => return Err("an entry has either at or after".to_owned()),
        };
        Ok(Entry {
            item,
            location,
            when: self.when.map(ConditionTable::condition).transpose()?,
            place: place.clone(),
        })
    }

    fn of(entry: &Entry) -> EntryTable {
        let mut table = EntryTable {
            when: entry.when.as_ref().map(ConditionTable::of),
            ..EntryTable::default()
        };
        match &entry.item {
            Item::Parameter(name) => table.parameter = Some(name.clone()),
            Item::Container(name) => table.container = Some(name.clone()),
        }
        match entry.location {
            Location::AfterPrevious(0) => {}
            Location::AfterPrevious(bits) => table.after = Some(bits),
            Location::FromStart(bits) => table.at = Some(bits),
        }
        table
    }
}

impl ConditionTable {
    fn condition(self) -> Read<Condition> {
        let parts = |parts: Vec<ConditionTable>| {
            let parts = parts.into_iter().map(ConditionTable::condition);
            parts.collect::<Read<Vec<_>>>()
        };
        match (self.parameter, self.is, self.value, self.all, self.any) {
            (Some(parameter), Some(is), Some(value), None, None) => {
                Ok(Condition::Compare(Comparison {
                    parameter,
                    operator: lookup(&is, OPERATORS)?,
                    value: value.number()?,
                }))
            }
            (None, None, None, Some(all), None) => Ok(Condition::All(parts(all)?)),
            (None, None, None, None, Some(any)) => Ok(Condition::Any(parts(any)?)),
            _ => Err("a condition has parameter, is and value, or all, or any".to_owned()),
        }
    }

    fn of(condition: &Condition) -> ConditionTable {
        let parts = |parts: &[Condition]| Some(parts.iter().map(ConditionTable::of).collect());
        let mut table = ConditionTable::default();
        match condition {
            Condition::All(all) => table.all = parts(all),
            Condition::Any(any) => table.any = parts(any),
            Condition::Compare(comparison) => {
                table.parameter = Some(comparison.parameter.clone());
                table.is = Some(spelling(&comparison.operator, OPERATORS));
                table.value = Some(Whole::of(comparison.value));
            }
        }
        table
    }
}

impl Whole {
    fn of(value: i128) -> Whole {
        match i64::try_from(value) {
            Ok(number) => Whole::Number(number),
            Err(_) => Whole::Digits(value.to_string()),
        }
    }

    fn number(self) -> Read<i128> {
        match self {
            Whole::Number(number) => Ok(number.into()),
            Whole::Digits(text) => text
                .parse()
                .map_err(|_| format!("value {text:?} is no whole number")),
        }
    }
}
