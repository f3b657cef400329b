//! What a definition contains, and all that it is refused for.
//!
//! Promises: the refusals are empty if and only if the definition can be
//! decoded by; faults of one kind hide none of the same kind. What needs sound
//! parts, a layout sound parameters, is looked at once they are.

use std::collections::BTreeSet;

use downlake_lake::schema::Definition;
use downlake_lake::{Error, Result};

use super::decoder::unsaid_apid;
use super::{Form, Given, PacketSchema, decoder};
use crate::packet::check::Index;
use crate::packet::model::{Condition, Container, OPERATORS, PacketDefinition, Place};
use crate::packet::plan::{Plan, Spot};
use crate::packet::stream::{ClockHint, Filling, Stream};

/// What is in a definition.
#[derive(Debug)]
pub struct Survey {
    /// The form that it came in.
    pub form: Form,
    /// Its name.
    pub name: String,
    /// What it describes, for people.
    pub description: Option<String>,
    /// The container that every packet begins with.
    pub root: String,
    /// The parameters.
    pub parameters: usize,
    /// The containers.
    pub containers: usize,
    /// The tables that it makes; none where something is refused.
    pub streams: Vec<SurveyedStream>,
    /// What is passed over, and what a person should know.
    pub notices: Vec<String>,
    /// Why it cannot be decoded by, with file and line.
    pub refusals: Vec<String>,
    /// The definition as one document of our own; none where something is
    /// refused.
    pub text: Option<String>,
}

/// A table.
#[derive(Debug)]
pub struct SurveyedStream {
    /// The container of its packets.
    pub container: String,
    /// Where that is defined.
    pub place: Place,
    /// What must hold of its packets.
    pub when: Vec<String>,
    /// The table's definition.
    pub definition: Definition,
    /// Where its columns are in a packet, in their order.
    pub columns: Vec<SurveyedColumn>,
    /// What could be its axis.
    pub clocks: Vec<ClockHint>,
}

/// Where a column is in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyedColumn {
    /// The first bit, where it is the same in every packet.
    pub bit: Option<u32>,
    /// How many bits, where they are always as many.
    pub bits: Option<u32>,
    /// How many values, in a list.
    pub count: Option<u32>,
}

impl Survey {
    /// Looks at a definition; nothing if the file is something else, as
    /// [`PacketSchema::read`] says.
    ///
    /// # Errors
    /// Invalid, with file and line, if the file is broken as a whole; and
    /// what `open` says.
    pub fn read(
        bytes: &[u8],
        file_name: &str,
        open: impl Fn(&str) -> Result<Vec<u8>>,
    ) -> Result<Option<Survey>> {
        let given = Given::read(bytes, file_name, open)?;
        given.map(Survey::of).transpose()
    }

    fn of(given: Given) -> Result<Survey> {
        let Given {
            form,
            surveyed,
            options,
        } = given;
        let definition = surveyed.definition;
        let mut survey = Survey {
            form,
            name: definition.name.clone(),
            description: definition.description.clone(),
            root: definition.root.clone(),
            parameters: definition.parameters.len(),
            containers: definition.containers.len(),
            streams: Vec::new(),
            notices: definition.notices.clone(),
            refusals: Vec::new(),
            text: None,
        };
        let mut refusals = surveyed.refusals;
        if refusals.is_empty() {
            refusals = misplaced(&definition)?;
        }
        if refusals.is_empty() {
            match PacketSchema::new(definition, options) {
                Ok(schema) => refusals.extend(survey.look_at(&schema).err()),
                Err(error) => refusals.push(error),
            }
        }
        let mut told = BTreeSet::new();
        let lines = refusals.iter().map(|error| error.message().to_owned());
        survey.refusals = lines.filter(|line| told.insert(line.clone())).collect();
        Ok(survey)
    }

    fn look_at(&mut self, schema: &PacketSchema) -> Result<()> {
        let definition = &schema.definition;
        let decoder = decoder(std::slice::from_ref(schema), None, None)?;
        let index = Index::new(definition)?;
        for stream in decoder.streams() {
            let container = index.container(&stream.container, &stream.place)?;
            let plan = Plan::new(container, &index)?;
            let lineage = index.lineage(container)?;
            let conditions = lineage.iter().filter_map(|part| part.when.as_ref());
            // Clocks are shown with their stream, not among what it says.
            let advice: Vec<String> = stream.clock_advice().collect();
            let notices = stream.notices.iter().filter(|said| !advice.contains(said));
            self.notices.extend(notices.cloned());
            self.streams.push(SurveyedStream {
                container: stream.container.clone(),
                place: stream.place.clone(),
                when: conditions.map(told).collect(),
                definition: stream.definition.clone(),
                columns: stream.fillings.iter().map(|f| column(*f, &plan)).collect(),
                clocks: stream.clocks.clone(),
            });
        }
        self.notices.extend_from_slice(decoder.notices());
        self.notices.extend(unsaid_apid(definition));
        self.text = Some(schema.text.clone());
        Ok(())
    }
}

/// What cannot be laid out, or makes no table, of all that begins with the
/// root. What inherits from it cannot either, and is not told again.
fn misplaced(definition: &PacketDefinition) -> Result<Vec<Error>> {
    let index = Index::new(definition)?;
    let mut lineages = Vec::new();
    for container in &definition.containers {
        let lineage = index.lineage(container)?;
        if lineage
            .first()
            .is_some_and(|first| first.name == definition.root)
        {
            lineages.push((container, lineage));
        }
    }
    lineages.sort_by_key(|(_, lineage)| lineage.len());
    let mut broken: BTreeSet<&str> = BTreeSet::new();
    let mut refusals = Vec::new();
    for (container, lineage) in lineages {
        if lineage.iter().any(|part| broken.contains(&*part.name)) {
            continue;
        }
        if let Err(error) = make(container, &index) {
            broken.insert(&container.name);
            refusals.push(error);
        }
    }
    Ok(refusals)
}

fn make(container: &Container, index: &Index) -> Result<()> {
    let plan = Plan::new(container, index)?;
    match container.is_abstract {
        true => Ok(()),
        false => Stream::of(&plan, None).map(|_| ()),
    }
}

fn column(filling: Filling, plan: &Plan) -> SurveyedColumn {
    let header = |bit, bits| SurveyedColumn {
        bit: Some(bit),
        bits: Some(bits),
        count: None,
    };
    match filling {
        Filling::Apid => header(5, 11),
        Filling::SequenceFlags => header(16, 2),
        Filling::SequenceCount => header(18, 14),
        Filling::PacketIndex | Filling::ByteOffset => SurveyedColumn {
            bit: None,
            bits: None,
            count: None,
        },
        Filling::Raw(at) | Filling::Engineering(at) => {
            let field = &plan.fields[at];
            SurveyedColumn {
                bit: match field.spot {
                    Spot::At(bit) => Some(bit),
                    Spot::Slot(_) => None,
                },
                bits: field.scalar.encoding.fixed_bits(),
                count: field.repeat.map(|repeat| repeat.count),
            }
        }
    }
}

/// A condition as people write it.
fn told(condition: &Condition) -> String {
    let joined = |parts: &[Condition], word: &str| {
        let parts: Vec<String> = parts.iter().map(told).collect();
        match parts.as_slice() {
            [one] => one.clone(),
            _ => format!("({})", parts.join(word)),
        }
    };
    match condition {
        Condition::All(parts) => joined(parts, " and "),
        Condition::Any(parts) => joined(parts, " or "),
        Condition::Compare(c) => {
            let known = OPERATORS
                .iter()
                .find(|(_, operator)| *operator == c.operator);
            let operator = known.map_or("", |(text, _)| text);
            format!("{} {operator} {}", c.parameter, c.value)
        }
    }
}
