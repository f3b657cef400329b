//! XTCE documents (CCSDS 660.0-B; OMG XTCE 1.1 and 1.2) to the model.
//!
//! What is read: integers, floats, enumerations, booleans, strings, bytes,
//! absolute times that are counts, aggregates and arrays of fixed size;
//! polynomials; sequence containers with inheritance, comparisons and boolean
//! expressions, included containers, fixed locations and include conditions;
//! inner space systems; every namespace and none.
//!
//! What changes no value (alarms, valid ranges, rates, commands, algorithms)
//! is passed over, and the notices say so once each. A parameter whose type is
//! not implemented is refused as soon as a container holds it; one that none
//! holds is a notice.
//!
//! Four readings that the standard leaves open: the number of a leading size
//! counts bytes, as in Pascal; a place counted from the start of a container
//! that inherits is counted from the start of all it inherits; the strings of
//! a boolean are how it is shown and what conditions call it, not what it is;
//! a time since a date counts days of 86,400 seconds, as POSIX does, and only
//! `TAI` and `GPS` run through leap seconds. Packets that read one of the first
//! two another way do not end where their length says, and are refused for it
//! unless longer ones are kept.

mod containers;
mod element;
mod systems;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use downlake_lake::{Error, Result};

use super::check::{Index, Surveyed};
use super::model::{
    ByteOrder, Encoding, Meaning, PacketDefinition, Parameter, Place, Scalar, Shape, Sign,
};
use element::Element;
use systems::{Named, Systems};

/// Reads a document.
///
/// `root` names the container that every packet begins with; without it, it
/// is the one that others inherit from.
///
/// # Errors
/// Invalid, with file and line, at the first construct that is not
/// implemented or contradicts another.
pub fn read(bytes: &[u8], file: &str, root: Option<&str>) -> Result<PacketDefinition> {
    survey(bytes, file, root)?.accept()
}

/// Reads as much of a document as can be read.
///
/// # Errors
/// Invalid, with file and line: it is no XTCE document.
pub fn survey(bytes: &[u8], file: &str, root: Option<&str>) -> Result<Surveyed> {
    let document = element::parse(bytes, file)?;
    if document.name != "SpaceSystem" {
        return Err(document.place.refuse(format!(
            "the root element is {:?}, not SpaceSystem",
            document.name
        )));
    }
    let mut findings = Findings::default();
    let systems = Systems::collect(&document, &mut findings)?;
    let mut parameters = Parameters::read(&systems, &mut findings);
    let containers = containers::read_all(&systems, &mut parameters, &mut findings);
    parameters.settle_refused(&mut findings);
    if containers.is_empty() {
        let nothing = "has no container: nothing says what packets hold";
        findings.accept::<()>(Err(document.refuse(nothing)));
    }
    let mut definition = PacketDefinition {
        name: document.need("name")?.to_owned(),
        description: document.description(),
        root: String::new(),
        one_apid: false,
        parameters: parameters.list,
        containers,
        notices: Vec::new(),
    };
    let refused = match Index::new(&definition) {
        Err(twice) => vec![twice],
        // What stands for the refused leads somewhere, so these are others.
        Ok(_) if !findings.refusals.is_empty() => definition.faults_but_root(),
        Ok(_) => {
            let found = containers::root(&definition.containers, root, &document, &mut findings);
            definition.root = findings.accept(found).unwrap_or_default();
            Vec::new()
        }
    };
    definition.notices = findings.lines();
    let mut refusals = findings.refusals;
    refusals.extend(refused);
    Ok(Surveyed::new(definition, refusals))
}

/// The parameters of a document, and those that cannot be read.
struct Parameters {
    list: Vec<Parameter>,
    by_name: BTreeMap<String, usize>,
    refused: BTreeMap<String, Refused>,
}

/// A parameter that cannot be read.
struct Refused {
    error: Error,
    is_held: bool,
    stand_in: Parameter,
}

impl Parameters {
    fn read(systems: &Systems, findings: &mut Findings) -> Parameters {
        let mut parameters = Parameters {
            list: Vec::new(),
            by_name: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        for named in &systems.parameters {
            match parameter(systems, named, findings) {
                Ok(parameter) => {
                    let at = parameters.list.len();
                    parameters.by_name.insert(parameter.name.clone(), at);
                    parameters.list.push(parameter);
                }
                Err(error) => {
                    let refused = Refused {
                        error,
                        is_held: false,
                        stand_in: stand_in(named),
                    };
                    parameters.refused.insert(named.name.clone(), refused);
                }
            }
        }
        parameters
    }

    /// The parameter that a reference in a system means.
    fn find(&mut self, name: Option<&str>, reference: &str, from: &Element) -> Result<&Parameter> {
        let Some(name) = name else {
            return Err(from.refuse(format!("names {reference:?}, which is no parameter")));
        };
        if let Some(refused) = self.refused.get_mut(name) {
            refused.is_held = true;
            return Err(Error::new(refused.error.kind(), refused.error.message()));
        }
        let at = self.by_name.get(name).copied();
        let found = at.and_then(|at| self.list.get(at));
        found.ok_or_else(|| from.refuse(format!("names {reference:?}, which is no parameter")))
    }

    /// Those that a container holds are refused, and something stands for them,
    /// so that they are not missed again; the others are notices.
    fn settle_refused(&mut self, findings: &mut Findings) {
        for (name, refused) in std::mem::take(&mut self.refused) {
            if refused.is_held {
                self.list.push(refused.stand_in);
                continue;
            }
            findings.note(format!(
                "parameter {name:?}, which no container holds, could not be decoded: {}",
                refused.error
            ));
        }
    }
}

/// One byte.
fn stand_in(named: &Named) -> Parameter {
    Parameter {
        name: named.name.clone(),
        description: None,
        shape: Shape::Scalar(Scalar {
            unit: None,
            encoding: Encoding::Integer {
                bits: 8,
                sign: Sign::Unsigned,
                order: ByteOrder::Big,
            },
            meaning: Meaning::Plain,
        }),
        place: named.element.place.clone(),
    }
}

fn parameter(systems: &Systems, named: &Named, findings: &mut Findings) -> Result<Parameter> {
    let element = named.element;
    element.only(
        &["name", "parameterTypeRef", "initialValue"],
        &["ParameterProperties"],
    )?;
    if let Some(properties) = element.child("ParameterProperties")? {
        findings.pass_over(properties, "it says nothing about bits");
    }
    let reference = element.need("parameterTypeRef")?;
    let shape = types::shape(systems, &named.system, reference, element, findings, 0)?;
    Ok(Parameter {
        name: named.name.clone(),
        description: element.description(),
        shape,
        place: element.place.clone(),
    })
}

/// Most memory that the types of all parameters may take, where a type counts
/// once for each use: a short document can use types within types without end.
const MAX_TYPE_BYTES: usize = 128 << 20;

/// What a document has beyond the model: what was passed over, each kind
/// once, and what is refused, each message once.
#[derive(Default)]
struct Findings {
    /// What the types of all parameters took so far.
    type_bytes: usize,
    kinds: BTreeMap<String, (Place, u64)>,
    others: Vec<String>,
    refused: BTreeSet<String>,
    refusals: Vec<Error>,
}

impl Findings {
    /// An element that changes no value.
    fn pass_over(&mut self, element: &Element, why: &str) {
        let kind = format!("{} is not used: {why}", element.name);
        let place = element.place.clone();
        self.kinds.entry(kind).or_insert((place, 0)).1 += 1;
    }

    fn note(&mut self, text: String) {
        self.others.push(text);
    }

    /// What was read; or nothing, and the refusal is kept.
    fn accept<T>(&mut self, read: Result<T>) -> Option<T> {
        let error = match read {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        if self.refused.insert(error.message().to_owned()) {
            self.refusals.push(error);
        }
        None
    }

    /// Counts what a use of a type takes in the model.
    fn count_type(&mut self, user: &Element, bytes: usize) -> Result<()> {
        self.type_bytes = self.type_bytes.saturating_add(bytes);
        match self.type_bytes > MAX_TYPE_BYTES {
            true => Err(user.refuse(format!(
                "is too much: the types of all parameters take more than {} MiB, each counted where it is used",
                MAX_TYPE_BYTES >> 20
            ))),
            false => Ok(()),
        }
    }

    fn lines(&mut self) -> Vec<String> {
        let kinds = std::mem::take(&mut self.kinds)
            .into_iter()
            .map(|(kind, (place, count))| match count {
                1 => format!("{place}: {kind}"),
                _ => format!("{place} and {} more: {kind}", count - 1),
            });
        kinds.chain(std::mem::take(&mut self.others)).collect()
    }
}

/// The one value of a parameter, if it is one.
fn scalar(parameter: &Parameter) -> Option<&Scalar> {
    match &parameter.shape {
        Shape::Scalar(scalar) => Some(scalar),
        Shape::Array { .. } | Shape::Aggregate(_) => None,
    }
}
