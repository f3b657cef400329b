//! What must hold of a whole definition before a packet is read.
//!
//! Promises: in a definition that passes, every name is unique and leads to
//! what it names, inheritance and inclusion end, every size is at least one
//! bit, and conditions and lengths look at whole numbers. Whether a length
//! stands before what it measures is known when a container is laid out
//! ([`plan`](super::plan)).

use std::collections::{HashMap, HashSet};

use downlake_lake::schema::near::did_you_mean;
use downlake_lake::schema::{ColumnType, TimeCode};
use downlake_lake::{Error, Result};

use super::model::{
    ByteOrder, Condition, Container, Encoding, Ending, Extent, Item, MAX_PACKET_BITS, Meaning,
    Member, PacketDefinition, Parameter, Place, Scalar, Shape,
};

/// Deepest nesting of aggregates, arrays, containers and conditions.
pub const MAX_DEPTH: usize = 32;
/// Most raw values that the labels of one parameter name.
pub const MAX_LABELLED: i128 = 65_536;

/// Parameters and containers by name.
pub struct Index<'a> {
    parameters: HashMap<&'a str, &'a Parameter>,
    containers: HashMap<&'a str, &'a Container>,
}

impl<'a> Index<'a> {
    /// The names of a definition.
    ///
    /// # Errors
    /// Invalid, if a name stands twice; both places are shown.
    pub fn new(definition: &'a PacketDefinition) -> Result<Index<'a>> {
        let parameters = definition.parameters.iter();
        let containers = definition.containers.iter();
        Ok(Index {
            parameters: distinct("parameter", parameters.map(|p| (&*p.name, &p.place, p)))?,
            containers: distinct("container", containers.map(|c| (&*c.name, &c.place, c)))?,
        })
    }

    /// The parameter of that name.
    ///
    /// # Errors
    /// Invalid, with the place that names it, if there is none.
    pub fn parameter(&self, name: &str, named_at: &Place) -> Result<&'a Parameter> {
        self.parameters.get(name).copied().ok_or_else(|| {
            let near = near(name, &self.parameters);
            named_at.refuse(format!("no parameter is called {name:?}{near}"))
        })
    }

    /// Whether a parameter has that name.
    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameters.contains_key(name)
    }

    /// The container of that name.
    ///
    /// # Errors
    /// Invalid, with the place that names it, if there is none.
    pub fn container(&self, name: &str, named_at: &Place) -> Result<&'a Container> {
        self.containers.get(name).copied().ok_or_else(|| {
            let near = near(name, &self.containers);
            named_at.refuse(format!("no container is called {name:?}{near}"))
        })
    }

    /// The containers from the first base to this one.
    ///
    /// # Errors
    /// Invalid, if a base is missing or a container inherits from itself.
    pub fn lineage(&self, container: &'a Container) -> Result<Vec<&'a Container>> {
        let mut lineage = vec![container];
        let mut youngest = container;
        while let Some(base) = &youngest.base {
            let heir = youngest;
            youngest = self.container(base, &heir.place)?;
            if lineage.iter().any(|c| c.name == base.as_str()) {
                return Err(in_circle(container, base, &heir.name));
            }
            lineage.push(youngest);
            if lineage.len() > MAX_DEPTH {
                return Err(too_deep(container));
            }
        }
        lineage.reverse();
        Ok(lineage)
    }
}

/// A definition as far as it could be read, and why it cannot be used.
#[derive(Debug)]
pub struct Surveyed {
    /// The definition; without what was refused.
    pub definition: PacketDefinition,
    /// What is refused, in the order of the source; empty if it can be used.
    pub refusals: Vec<Error>,
}

impl Surveyed {
    /// A definition with what was refused of it while it was read, or else its
    /// faults: what was refused is missing, and would be missed again.
    pub fn new(definition: PacketDefinition, mut refusals: Vec<Error>) -> Surveyed {
        if refusals.is_empty() {
            refusals = definition.faults();
        }
        Surveyed {
            definition,
            refusals,
        }
    }

    /// The definition, if nothing of it is refused.
    ///
    /// # Errors
    /// Invalid, with file and line: the first refusal.
    pub fn accept(self) -> Result<PacketDefinition> {
        match self.refusals.into_iter().next() {
            Some(refusal) => Err(refusal),
            None => Ok(self.definition),
        }
    }
}

impl PacketDefinition {
    /// Refuses a definition that contradicts itself, with file and line.
    ///
    /// # Errors
    /// Invalid, at the first fault.
    pub fn check(&self) -> Result<()> {
        self.faults().into_iter().next().map_or(Ok(()), Err)
    }

    /// All that contradicts itself; where a name stands twice, only that.
    pub fn faults(&self) -> Vec<Error> {
        let faults = self.faults_but_root();
        match faults.is_empty() {
            true => self.check_root().err().into_iter().collect(),
            false => faults,
        }
    }

    /// The same without a look at which container is the root.
    pub(super) fn faults_but_root(&self) -> Vec<Error> {
        let index = match Index::new(self) {
            Ok(index) => index,
            Err(error) => return vec![error],
        };
        let mut faults = Vec::new();
        for parameter in &self.parameters {
            let checked = check_shape(&parameter.shape, 0)
                .and_then(|()| check_extents(&parameter.shape, &index, &parameter.place));
            let refuse = |why: String| {
                let name = &parameter.name;
                parameter.place.refuse(format!("parameter {name:?} {why}"))
            };
            faults.extend(checked.map_err(refuse).err());
        }
        for container in &self.containers {
            faults.extend(check_container(container, &index).err());
        }
        let mut proven = HashSet::new();
        let mut circles = self
            .containers
            .iter()
            .map(|container| check_inclusion(container, &index, &mut Vec::new(), &mut proven));
        // Every container of a circle would say it, and so would those around.
        if faults.is_empty() {
            faults.extend(circles.find_map(Result::err));
        }
        faults
    }

    fn check_root(&self) -> Result<()> {
        let Some(first) = self.containers.first() else {
            return Err(Error::invalid(format!(
                "packet definition {:?} has no container: nothing says what packets hold",
                self.name
            )));
        };
        let root = Index::new(self)?.container(&self.root, &first.place)?;
        match &root.base {
            None => Ok(()),
            Some(base) => Err(root.place.refuse(format!(
                "container {:?} cannot be the root: it inherits from {base:?}",
                root.name
            ))),
        }
    }
}

/// Whether conditions and lengths can look at a parameter: one whole number.
pub fn is_whole_number(parameter: &Parameter) -> bool {
    matches!(
        &parameter.shape,
        Shape::Scalar(Scalar {
            encoding: Encoding::Integer { .. },
            ..
        })
    )
}

type Named<'a, T> = (&'a str, &'a Place, &'a T);

fn distinct<'a, T: 'a>(
    what: &str,
    all: impl Iterator<Item = Named<'a, T>>,
) -> Result<HashMap<&'a str, &'a T>> {
    let mut places: HashMap<&str, &Place> = HashMap::new();
    let mut found = HashMap::new();
    for (name, place, value) in all {
        if name.is_empty() {
            return Err(place.refuse(format!("a {what} has an empty name")));
        }
        if let Some(other) = places.insert(name, place) {
            return Err(place.refuse(format!(
                "{what} {name:?} is defined a second time; the first is at {other}"
            )));
        }
        found.insert(name, value);
    }
    Ok(found)
}

fn near<T>(name: &str, known: &HashMap<&str, T>) -> String {
    let mut known: Vec<&str> = known.keys().copied().collect();
    known.sort_unstable();
    did_you_mean(name, &known)
}

/// A container whose bases come back to one that was there.
fn in_circle(container: &Container, again: &str, heir: &str) -> Error {
    let name = &container.name;
    let through = match name == again {
        true => String::new(),
        false => format!("{again:?}, which inherits from "),
    };
    container.place.refuse(format!(
        "container {name:?} inherits from {through}itself through {heir:?}"
    ))
}

fn too_deep(container: &Container) -> Error {
    container.place.refuse(format!(
        "container {:?} is nested deeper than {MAX_DEPTH}",
        container.name
    ))
}

type Checked = std::result::Result<(), String>;

fn check_shape(shape: &Shape, depth: usize) -> Checked {
    if depth > MAX_DEPTH {
        return Err(format!("is nested deeper than {MAX_DEPTH}"));
    }
    match shape {
        Shape::Scalar(scalar) => check_scalar(scalar),
        Shape::Array { count: 0, .. } => Err("is an array without elements".to_owned()),
        Shape::Array { element, .. } => {
            check_element(element)?;
            check_shape(element, depth + 1)
        }
        Shape::Aggregate(members) => check_members(members, depth),
    }
}

fn check_members(members: &[Member], depth: usize) -> Checked {
    let mut names = HashSet::new();
    if members.is_empty() {
        return Err("is an aggregate without members".to_owned());
    }
    for member in members {
        if !names.insert(&member.name) {
            return Err(format!("has two members called {:?}", member.name));
        }
        check_shape(&member.shape, depth + 1)?;
    }
    Ok(())
}

/// What a list column can hold: numbers, booleans and instants at equal
/// distances. Labels in lists have no column that keeps their raw number.
fn check_element(element: &Shape) -> Checked {
    match element {
        Shape::Array { .. } => Err("is an array of arrays, which is not implemented".to_owned()),
        Shape::Aggregate(members) => members.iter().try_for_each(|m| check_element(&m.shape)),
        Shape::Scalar(scalar) => match (&scalar.encoding, &scalar.meaning) {
            (Encoding::Text { .. } | Encoding::Binary { .. }, _) => {
                Err("is an array of text or bytes, which is not implemented".to_owned())
            }
            (_, Meaning::Labels(_)) => {
                Err("is an array of enumerations, which is not implemented".to_owned())
            }
            _ => Ok(()),
        },
    }
}

fn check_scalar(scalar: &Scalar) -> Checked {
    check_encoding(&scalar.encoding)?;
    let whole = matches!(scalar.encoding, Encoding::Integer { .. });
    let number = whole || matches!(scalar.encoding, Encoding::Float { .. });
    match &scalar.meaning {
        Meaning::Plain => Ok(()),
        Meaning::Polynomial(_) if !number => Err("has a polynomial, but no number".to_owned()),
        Meaning::Polynomial(terms) if terms.is_empty() => {
            Err("has a polynomial without terms".to_owned())
        }
        Meaning::Polynomial(terms) if !terms.iter().all(|t| t.coefficient.is_finite()) => {
            Err("has a polynomial with a coefficient that is no finite number".to_owned())
        }
        Meaning::Polynomial(_) => Ok(()),
        Meaning::Labels(_) | Meaning::Boolean | Meaning::Instant(_) if !whole => Err(
            "is an enumeration, a boolean or a time, and must be encoded as a whole number"
                .to_owned(),
        ),
        Meaning::Labels(_) => check_labels(scalar),
        Meaning::Boolean => Ok(()),
        Meaning::Instant(clock) => match clock.code {
            TimeCode::Seconds | TimeCode::Millis | TimeCode::Micros | TimeCode::Nanos => Ok(()),
            TimeCode::Cuc {
                fraction_bits: 1..=56,
            } => Ok(()),
            _ => Err("is a time that is no count in one number".to_owned()),
        },
    }
}

fn check_encoding(encoding: &Encoding) -> Checked {
    match encoding {
        Encoding::Integer { bits, .. } if !(1..=64).contains(bits) => {
            Err(format!("has {bits} bits: a whole number has 1 to 64"))
        }
        Encoding::Float { bits, .. } if ![16, 32, 64].contains(bits) => {
            Err(format!("has {bits} bits: a float has 16, 32 or 64"))
        }
        Encoding::Integer { bits, order, .. } if *order == ByteOrder::Little && bits % 8 != 0 => {
            Err(format!(
                "has {bits} bits, least significant byte first: that needs whole bytes"
            ))
        }
        Encoding::Integer { .. } | Encoding::Float { .. } => Ok(()),
        Encoding::Text { extent, ending, .. } => {
            check_extent(extent)?;
            check_ending(extent, ending)
        }
        Encoding::Binary { extent } => {
            check_extent(extent)?;
            check_ending(extent, &Ending::Whole)
        }
    }
}

fn check_extent(extent: &Extent) -> Checked {
    let (Extent::Fixed(bits) | Extent::Open(Some(bits))) = extent else {
        return Ok(());
    };
    if *bits == 0 || bits % 8 != 0 || *bits > MAX_PACKET_BITS {
        return Err(format!(
            "has {bits} bits: text and bytes take whole bytes, 8 to {MAX_PACKET_BITS} bits"
        ));
    }
    Ok(())
}

fn check_ending(extent: &Extent, ending: &Ending) -> Checked {
    match ending {
        Ending::Whole | Ending::Padded if matches!(extent, Extent::Open(_)) => {
            Err("has no size, and nothing that ends it".to_owned())
        }
        Ending::Terminator(bytes) if bytes.is_empty() => {
            Err("ends with a terminator without bytes".to_owned())
        }
        Ending::LeadingSize(bits) if !(1..=32).contains(bits) => Err(format!(
            "has a leading size of {bits} bits: expected 1 to 32"
        )),
        _ => Ok(()),
    }
}

fn check_labels(scalar: &Scalar) -> Checked {
    let Meaning::Labels(labels) = &scalar.meaning else {
        return Ok(());
    };
    if scalar.raw_kind() == ColumnType::U64 {
        return Err("is an enumeration of 64 bits without sign: expected 63 at most".to_owned());
    }
    if labels.is_empty() {
        return Err("is an enumeration without labels".to_owned());
    }
    let mut sorted: Vec<_> = labels.iter().collect();
    sorted.sort_unstable_by_key(|label| label.low);
    let mut named = 0;
    for label in &sorted {
        named += i128::from(label.high) - i128::from(label.low) + 1;
        if label.high < label.low {
            return Err(format!("has a label {:?} for no value", label.text));
        }
    }
    if named > MAX_LABELLED {
        return Err(format!("has labels for more than {MAX_LABELLED} values"));
    }
    match sorted.windows(2).find(|two| two[1].low <= two[0].high) {
        Some(two) => Err(format!(
            "has two labels for {}: {:?} and {:?}",
            two[1].low, two[0].text, two[1].text
        )),
        None => Ok(()),
    }
}

fn check_extents(shape: &Shape, index: &Index, place: &Place) -> Checked {
    match shape {
        Shape::Array { element, .. } => check_extents(element, index, place),
        Shape::Aggregate(members) => members
            .iter()
            .try_for_each(|member| check_extents(&member.shape, index, place)),
        Shape::Scalar(scalar) => match &scalar.encoding {
            Encoding::Text { extent, .. } | Encoding::Binary { extent } => {
                check_measure(extent, index, place)
            }
            Encoding::Integer { .. } | Encoding::Float { .. } => Ok(()),
        },
    }
}

fn check_measure(extent: &Extent, index: &Index, place: &Place) -> Checked {
    let Extent::Dynamic { parameter, .. } = extent else {
        return Ok(());
    };
    match index.parameter(parameter, place) {
        Ok(found) if is_whole_number(found) => Ok(()),
        Ok(_) => Err(format!(
            "takes its size from {parameter:?}, which is no whole number"
        )),
        Err(_) => Err(format!(
            "takes its size from {parameter:?}, which is no parameter"
        )),
    }
}

fn check_container(container: &Container, index: &Index) -> Result<()> {
    index.lineage(container)?;
    if let Some(when) = &container.when {
        if container.base.is_none() {
            return Err(container.place.refuse(format!(
                "container {:?} has a condition, but no base to look at",
                container.name
            )));
        }
        check_condition(when, index, &container.place, 0)?;
    }
    for entry in &container.entries {
        match &entry.item {
            Item::Parameter(name) => index.parameter(name, &entry.place).map(|_| ())?,
            Item::Container(name) => index.container(name, &entry.place).map(|_| ())?,
        }
        if let Some(when) = &entry.when {
            check_condition(when, index, &entry.place, 0)?;
        }
    }
    Ok(())
}

fn check_condition(
    condition: &Condition,
    index: &Index,
    place: &Place,
    depth: usize,
) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(place.refuse(format!("a condition is nested deeper than {MAX_DEPTH}")));
    }
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            if parts.is_empty() {
                return Err(place.refuse("a condition has no comparison in it"));
            }
            parts
                .iter()
                .try_for_each(|part| check_condition(part, index, place, depth + 1))
        }
        Condition::Compare(comparison) => {
            let parameter = index.parameter(&comparison.parameter, place)?;
            if is_whole_number(parameter) {
                return Ok(());
            }
            Err(place.refuse(format!(
                "a condition looks at {:?}, which is no whole number: not implemented",
                comparison.parameter
            )))
        }
    }
}

/// Containers that include or inherit never come back to themselves.
fn check_inclusion<'a>(
    container: &'a Container,
    index: &Index<'a>,
    above: &mut Vec<&'a str>,
    proven: &mut HashSet<&'a str>,
) -> Result<()> {
    if proven.contains(&*container.name) {
        return Ok(());
    }
    if above.contains(&&*container.name) {
        return Err(container.place.refuse(format!(
            "container {:?} includes itself through {:?}",
            container.name,
            above.last().copied().unwrap_or_default()
        )));
    }
    if above.len() > MAX_DEPTH {
        return Err(too_deep(container));
    }
    above.push(&container.name);
    if let Some(base) = &container.base {
        check_inclusion(
            index.container(base, &container.place)?,
            index,
            above,
            proven,
        )?;
    }
    for entry in &container.entries {
        if let Item::Container(name) = &entry.item {
            check_inclusion(index.container(name, &entry.place)?, index, above, proven)?;
        }
    }
    above.pop();
    proven.insert(&container.name);
    Ok(())
}
