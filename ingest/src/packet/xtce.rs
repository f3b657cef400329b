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
//! Three readings that the standard leaves open: the number of a leading size
//! counts bytes, as in Pascal; a place counted from the start of a container
//! that inherits is counted from the start of all it inherits; the strings of
//! a boolean are how it is shown, not what it is. Packets that read another way
//! do not end where their length says, and are refused for it.

mod containers;
mod element;
mod systems;
mod types;

use std::collections::BTreeMap;

use downlake_lake::{Error, Result};

use super::check::Index;
use super::model::{PacketDefinition, Parameter, Place, Scalar, Shape};
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
    let document = element::parse(bytes, file)?;
    if document.name != "SpaceSystem" {
        return Err(document.place.refuse(format!(
            "the root element is {:?}, not SpaceSystem",
            document.name
        )));
    }
    let mut notices = Notices::default();
    let systems = Systems::collect(&document, &mut notices)?;
    let mut parameters = Parameters::read(&systems, &mut notices)?;
    let containers = containers::read_all(&systems, &mut parameters, &mut notices)?;
    parameters.note_refused(&mut notices);
    let mut definition = PacketDefinition {
        name: document.need("name")?.to_owned(),
        description: document.description(),
        root: String::new(),
        one_apid: false,
        parameters: parameters.list,
        containers,
        notices: Vec::new(),
    };
    Index::new(&definition)?;
    definition.root = containers::root(&definition.containers, root, &document, &mut notices)?;
    definition.notices = notices.lines();
    definition.check()?;
    Ok(definition)
}

/// The parameters of a document, and those that cannot be read.
struct Parameters {
    list: Vec<Parameter>,
    by_name: BTreeMap<String, usize>,
    refused: BTreeMap<String, Error>,
}

impl Parameters {
    fn read(systems: &Systems, notices: &mut Notices) -> Result<Parameters> {
        let mut parameters = Parameters {
            list: Vec::new(),
            by_name: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        for named in &systems.parameters {
            match parameter(systems, named, notices) {
                Ok(parameter) => {
                    let at = parameters.list.len();
                    parameters.by_name.insert(parameter.name.clone(), at);
                    parameters.list.push(parameter);
                }
                Err(error) => {
                    parameters.refused.insert(named.name.clone(), error);
                }
            }
        }
        Ok(parameters)
    }

    /// The parameter that a reference in a system means.
    fn find(&mut self, name: Option<&str>, reference: &str, from: &Element) -> Result<&Parameter> {
        let Some(name) = name else {
            return Err(from.refuse(format!("names {reference:?}, which is no parameter")));
        };
        if let Some(error) = self.refused.remove(name) {
            return Err(error);
        }
        let at = self.by_name.get(name).copied();
        let found = at.and_then(|at| self.list.get(at));
        found.ok_or_else(|| from.refuse(format!("names {reference:?}, which is no parameter")))
    }

    fn note_refused(&mut self, notices: &mut Notices) {
        for (name, error) in std::mem::take(&mut self.refused) {
            notices.note(format!(
                "parameter {name:?}, which no container holds, could not be decoded: {error}"
            ));
        }
    }
}

fn parameter(systems: &Systems, named: &Named, notices: &mut Notices) -> Result<Parameter> {
    let element = named.element;
    element.only(
        &["name", "parameterTypeRef", "initialValue"],
        &["ParameterProperties"],
    )?;
    if let Some(properties) = element.child("ParameterProperties")? {
        notices.pass_over(properties, "it says nothing about bits");
    }
    let reference = element.need("parameterTypeRef")?;
    let shape = types::shape(systems, &named.system, reference, element, notices, 0)?;
    Ok(Parameter {
        name: named.name.clone(),
        description: element.description(),
        shape,
        place: element.place.clone(),
    })
}

/// What was passed over, each kind once.
#[derive(Default)]
struct Notices {
    kinds: BTreeMap<String, (Place, u64)>,
    others: Vec<String>,
}

impl Notices {
    /// An element that changes no value.
    fn pass_over(&mut self, element: &Element, why: &str) {
        let kind = format!("{} is not used: {why}", element.name);
        let place = element.place.clone();
        self.kinds.entry(kind).or_insert((place, 0)).1 += 1;
    }

    fn note(&mut self, text: String) {
        self.others.push(text);
    }

    fn lines(self) -> Vec<String> {
        let kinds = self
            .kinds
            .into_iter()
            .map(|(kind, (place, count))| match count {
                1 => format!("{place}: {kind}"),
                _ => format!("{place} and {} more: {kind}", count - 1),
            });
        kinds.chain(self.others).collect()
    }
}

/// The one value of a parameter, if it is one.
fn scalar(parameter: &Parameter) -> Option<&Scalar> {
    match &parameter.shape {
        Shape::Scalar(scalar) => Some(scalar),
        Shape::Array { .. } | Shape::Aggregate(_) => None,
    }
}
