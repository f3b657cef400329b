//! A container laid out: every value with its place in the packet.
//!
//! Promises: what always begins at the same bit is [`Spot::At`] that bit and
//! needs no look at other values; the rest is found by [`Step`]s, in the order
//! of the packet. Refuses, with file and line, what a layout cannot say: a
//! length or a condition that looks at a value which comes later, a container
//! longer than any packet. A parameter that stands in a container again has a
//! value for each time, and conditions look at the last one before them.

use std::collections::{HashMap, HashSet};

use downlake_lake::Result;
use downlake_lake::schema::ColumnType;

use super::bits::Number;
use super::check::Index;
use super::model::{
    Comparison, Condition, Container, Encoding, Ending, Entry, Extent, Item, Location,
    MAX_PACKET_BITS, Operator, Parameter, Place, Scalar, Shape,
};

/// Most values of one container.
pub const MAX_FIELDS: usize = 65_536;
/// Most entries of one container, with those of every container in it; more
/// than its values, since containers can be included that hold none.
const MAX_ENTRIES: usize = 4 * MAX_FIELDS;

/// A container and all it inherits and includes, laid out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The container's name.
    pub container: String,
    /// What it is, for people.
    pub description: Option<String>,
    /// Where it is defined.
    pub place: Place,
    /// Its values, in the order of the packet.
    pub fields: Vec<Field>,
    /// How the values without a fixed place are found; empty if there are none.
    pub steps: Vec<Step>,
    /// How many places the steps find.
    pub slots: usize,
    /// The end of what has a fixed place, in bits from the packet's start.
    pub fixed_end: u32,
    /// Parameters that stand here again, and the names of their later values.
    pub repeated: Vec<(String, String)>,
    /// Which values are text.
    pub(crate) texts: Vec<usize>,
    /// Where whole numbers are that conditions can look at.
    pub(crate) sources: HashMap<String, Source>,
}

/// One value, or one value repeated at equal distances.
#[derive(Debug, Clone)]
pub struct Field {
    /// The parameter's name, and the members that lead to the value.
    pub name: String,
    /// What it is, for people.
    pub description: Option<String>,
    /// Its type.
    pub scalar: Scalar,
    /// Where it begins.
    pub spot: Spot,
    /// For elements of arrays: how many, and how far apart.
    pub repeat: Option<Repeat>,
    pub(crate) number: Option<Number>,
}

/// Where a value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// At this bit of every packet.
    At(u32),
    /// Where the steps found the slot of this number, if it is there.
    Slot(usize),
}

/// Equal distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// How many values.
    pub count: u32,
    /// Bits from one to the next.
    pub stride: u32,
}

/// One step through the part of a packet that has no fixed layout.
#[derive(Debug, Clone)]
pub enum Step {
    /// Moves to a bit.
    Seek(u32),
    /// Moves by so many bits.
    Skip(i32),
    /// The value of a field begins here; moves to its end.
    Note {
        /// The field.
        field: usize,
        /// The slot that keeps the place.
        slot: usize,
        /// How many bits it takes.
        width: Width,
    },
    /// Passes over so many steps unless the test holds.
    Unless {
        /// The test.
        test: Test,
        /// How many steps.
        over: usize,
    },
}

/// How many bits a value takes.
#[derive(Debug, Clone)]
pub enum Width {
    /// Always as many.
    Fixed(u32),
    /// `slope * number + intercept`.
    Measured {
        /// The number.
        source: Source,
        /// Bits for each unit.
        slope: i64,
        /// Bits beside.
        intercept: i64,
    },
    /// As the text itself says, up to so many bits.
    Told(Ending, Option<u32>),
}

/// A whole number in the packet that others depend on.
#[derive(Debug, Clone)]
pub struct Source {
    pub(crate) name: String,
    pub(crate) spot: Spot,
    pub(crate) number: Number,
}

/// A condition with the places of its numbers.
#[derive(Debug, Clone)]
pub enum Test {
    /// A comparison with a constant.
    Compare {
        /// The number.
        source: Source,
        /// How.
        operator: Operator,
        /// With what.
        value: i128,
    },
    /// Each of them.
    All(Vec<Test>),
    /// At least one of them.
    Any(Vec<Test>),
}

impl Plan {
    /// Lays out a container.
    ///
    /// # Errors
    /// Invalid, with file and line, if a value cannot be placed.
    pub fn new(container: &Container, index: &Index) -> Result<Plan> {
        let mut layout = Layout {
            index,
            container: &container.name,
            fields: Vec::new(),
            steps: Vec::new(),
            slots: 0,
            cursor: Some(0),
            fixed_end: 0,
            conditions: 0,
            entries: 0,
            placed: HashSet::new(),
            times: HashMap::new(),
            repeated: Vec::new(),
            sources: HashMap::new(),
        };
        for part in index.lineage(container)? {
            layout.entries(part, Some(0))?;
        }
        let is_text = |at: &usize| {
            let encoding = &layout.fields[*at].scalar.encoding;
            matches!(encoding, Encoding::Text { .. })
        };
        Ok(Plan {
            texts: (0..layout.fields.len()).filter(is_text).collect(),
            container: container.name.clone(),
            description: container.description.clone(),
            place: container.place.clone(),
            fields: layout.fields,
            steps: layout.steps,
            slots: layout.slots,
            fixed_end: layout.fixed_end,
            repeated: layout.repeated,
            sources: layout.sources,
        })
    }

    /// Whether a packet of the right length has nothing that could be wrong:
    /// every value has a fixed place, and none is text.
    pub fn is_rigid(&self) -> bool {
        self.steps.is_empty() && self.texts.is_empty()
    }

    /// A condition on parameters of this container.
    ///
    /// # Errors
    /// Invalid, if it looks at a parameter that is not there.
    pub fn test(&self, condition: &Condition, place: &Place) -> Result<Test> {
        compile(condition, &self.sources, &self.container, place)
    }
}

impl Field {
    /// A type, or the list of it where the value is repeated.
    pub fn kind(&self, kind: ColumnType) -> ColumnType {
        match self.repeat {
            Some(_) => ColumnType::List(Box::new(kind)),
            None => kind,
        }
    }

    /// The bits from its first to its last value, where they are always as many.
    pub fn fixed_bits(&self) -> Option<u32> {
        let bits = self.scalar.encoding.fixed_bits()?;
        match self.repeat {
            Some(repeat) => (repeat.count - 1)
                .checked_mul(repeat.stride)?
                .checked_add(bits),
            None => Some(bits),
        }
    }
}

impl Test {
    /// Every number it looks at.
    pub(crate) fn sources(&self) -> Vec<&Source> {
        match self {
            Test::Compare { source, .. } => vec![source],
            Test::All(parts) | Test::Any(parts) => parts.iter().flat_map(Test::sources).collect(),
        }
    }
}

/// The state of a walk over entries.
struct Layout<'a> {
    index: &'a Index<'a>,
    container: &'a str,
    fields: Vec<Field>,
    steps: Vec<Step>,
    slots: usize,
    /// The bit after the last entry, where that is the same for every packet.
    cursor: Option<u32>,
    fixed_end: u32,
    /// How many conditions stand around the current entry.
    conditions: usize,
    /// How many entries were met so far.
    entries: usize,
    placed: HashSet<String>,
    /// The number in the last name of each parameter that stands here again.
    times: HashMap<String, u64>,
    repeated: Vec<(String, String)>,
    sources: HashMap<String, Source>,
}

impl Layout<'_> {
    fn entries(&mut self, container: &Container, start: Option<u32>) -> Result<()> {
        for entry in &container.entries {
            self.count(&entry.place)?;
            match &entry.when {
                None => self.located(entry, start)?,
                Some(condition) => self.conditional(entry, condition, start)?,
            }
        }
        Ok(())
    }

    fn count(&mut self, place: &Place) -> Result<()> {
        if self.entries == MAX_ENTRIES {
            return Err(place.refuse(format!(
                "container {:?} has more than {MAX_ENTRIES} entries, with those of all it includes",
                self.container
            )));
        }
        self.entries += 1;
        Ok(())
    }

    fn located(&mut self, entry: &Entry, start: Option<u32>) -> Result<()> {
        self.locate(entry, start)?;
        self.item(entry)
    }

    fn locate(&mut self, entry: &Entry, start: Option<u32>) -> Result<()> {
        match (entry.location, start) {
            (Location::AfterPrevious(0), _) => Ok(()),
            (Location::AfterPrevious(bits), _) => self.skip(bits, &entry.place),
            (Location::FromStart(bits), Some(start)) => {
                let bit = within(start.checked_add(bits), &entry.place)?;
                self.cursor = Some(bit);
                if self.conditions > 0 {
                    self.leave_fixed();
                }
                Ok(())
            }
            (Location::FromStart(_), None) => Err(entry.place.refuse(
                "a place counted from the start of a container that has no fixed start: not implemented",
            )),
        }
    }

    fn skip(&mut self, bits: i32, place: &Place) -> Result<()> {
        match self.cursor {
            Some(cursor) => self.cursor = Some(within(cursor.checked_add_signed(bits), place)?),
            None => self.steps.push(Step::Skip(bits)),
        }
        Ok(())
    }

    /// An entry that is not there has no place either: the next one follows
    /// what stands before both.
    fn conditional(
        &mut self,
        entry: &Entry,
        condition: &Condition,
        start: Option<u32>,
    ) -> Result<()> {
        let test = compile(condition, &self.sources, self.container, &entry.place)?;
        self.leave_fixed();
        let at = self.steps.len();
        self.steps.push(Step::Unless { test, over: 0 });
        self.conditions += 1;
        self.located(entry, start)?;
        self.leave_fixed();
        self.conditions -= 1;
        let behind = self.steps.len() - at - 1;
        if let Step::Unless { over, .. } = &mut self.steps[at] {
            *over = behind;
        }
        Ok(())
    }

    /// From here on, places differ from packet to packet.
    fn leave_fixed(&mut self) {
        if let Some(bit) = self.cursor.take() {
            self.steps.push(Step::Seek(bit));
        }
    }

    fn item(&mut self, entry: &Entry) -> Result<()> {
        match &entry.item {
            Item::Parameter(name) => {
                let parameter = self.index.parameter(name, &entry.place)?;
                self.parameter(parameter, &entry.place)
            }
            Item::Container(name) => {
                let included = self.index.container(name, &entry.place)?;
                let start = self.cursor;
                for part in self.index.lineage(included)? {
                    if part.when.is_some() {
                        return Err(entry.place.refuse(format!(
                            "includes container {name:?}, which inherits under a condition: not implemented"
                        )));
                    }
                    self.entries(part, start)?;
                }
                Ok(())
            }
        }
    }

    fn parameter(&mut self, parameter: &Parameter, place: &Place) -> Result<()> {
        let first = self.fields.len();
        let name = self.name(parameter);
        self.shape(parameter, &name, &parameter.shape, place)?;
        if let (true, Some(number)) = (self.fields.len() == first + 1, self.whole(first)) {
            let source = Source {
                name: parameter.name.clone(),
                spot: self.fields[first].spot,
                number,
            };
            self.sources.insert(parameter.name.clone(), source);
        }
        Ok(())
    }

    /// A name of its own for each time that a parameter stands in a container.
    fn name(&mut self, parameter: &Parameter) -> String {
        let mut name = parameter.name.clone();
        if self.placed.contains(&name) {
            // A name that was taken stays taken, so the search goes on from there.
            let last = self.times.get(&name).copied().unwrap_or(1);
            let (time, free) = (last + 1..)
                .map(|time| (time, format!("{}_{time}", parameter.name)))
                .find(|(_, name)| !self.placed.contains(name) && !self.index.has_parameter(name))
                .expect("finitely many names are taken");
            self.times.insert(name, time);
            self.repeated.push((parameter.name.clone(), free.clone()));
            name = free;
        }
        self.placed.insert(name.clone());
        name
    }

    fn whole(&self, field: usize) -> Option<Number> {
        let field = &self.fields[field];
        let is_whole = matches!(field.scalar.encoding, Encoding::Integer { .. });
        field.number.filter(|_| is_whole && field.repeat.is_none())
    }

    fn shape(
        &mut self,
        parameter: &Parameter,
        name: &str,
        shape: &Shape,
        place: &Place,
    ) -> Result<()> {
        match shape {
            Shape::Scalar(scalar) => {
                let field = self.field(parameter, name, scalar, None);
                self.place(field, place)
            }
            Shape::Aggregate(members) => members.iter().try_for_each(|member| {
                let name = format!("{name}.{}", member.name);
                self.shape(parameter, &name, &member.shape, place)
            }),
            Shape::Array { element, count } => self.array(parameter, name, element, *count, place),
        }
    }

    /// Elements follow each other, so each value of an element is repeated at
    /// the distance of a whole element.
    fn array(
        &mut self,
        parameter: &Parameter,
        name: &str,
        element: &Shape,
        count: u32,
        place: &Place,
    ) -> Result<()> {
        let stride = within(fixed_bits(element), place)?;
        let total = within(stride.checked_mul(count), place)?;
        let before = self.cursor;
        let repeat = Repeat { count, stride };
        self.each_element(parameter, name, element, repeat, place)?;
        let rest = (total - stride).cast_signed();
        match before {
            Some(bit) if self.cursor.is_some() => {
                self.cursor = Some(within(bit.checked_add(total), place)?);
                Ok(())
            }
            _ => self.skip(rest, place),
        }
    }

    fn each_element(
        &mut self,
        parameter: &Parameter,
        name: &str,
        element: &Shape,
        repeat: Repeat,
        place: &Place,
    ) -> Result<()> {
        match element {
            Shape::Aggregate(members) => members.iter().try_for_each(|member| {
                let name = format!("{name}.{}", member.name);
                self.each_element(parameter, &name, &member.shape, repeat, place)
            }),
            Shape::Scalar(scalar) => {
                let field = self.field(parameter, name, scalar, Some(repeat));
                self.place(field, place)
            }
            Shape::Array { .. } => Err(place.refuse(format!(
                "parameter {name:?} is an array of arrays: not implemented"
            ))),
        }
    }

    fn field(
        &self,
        parameter: &Parameter,
        name: &str,
        scalar: &Scalar,
        repeat: Option<Repeat>,
    ) -> Field {
        Field {
            name: name.to_owned(),
            description: parameter.description.clone(),
            scalar: scalar.clone(),
            spot: Spot::At(0),
            repeat,
            number: Number::of(&scalar.encoding),
        }
    }

    /// Gives a field its place; the cursor moves behind its first value.
    fn place(&mut self, mut field: Field, place: &Place) -> Result<()> {
        if self.fields.len() == MAX_FIELDS {
            return Err(place.refuse(format!(
                "container {:?} has more than {MAX_FIELDS} values",
                self.container
            )));
        }
        let width = self.width(&field, place)?;
        match (self.cursor, &width) {
            (Some(bit), Width::Fixed(bits)) if self.conditions == 0 => {
                let whole = field.fixed_bits().and_then(|all| bit.checked_add(all));
                self.fixed_end = self.fixed_end.max(within(whole, place)?);
                self.cursor = Some(within(bit.checked_add(*bits), place)?);
                field.spot = Spot::At(bit);
            }
            _ => {
                self.leave_fixed();
                field.spot = Spot::Slot(self.slots);
                self.steps.push(Step::Note {
                    field: self.fields.len(),
                    slot: self.slots,
                    width,
                });
                self.slots += 1;
            }
        }
        self.fields.push(field);
        Ok(())
    }

    fn width(&self, field: &Field, place: &Place) -> Result<Width> {
        let (extent, ending) = match &field.scalar.encoding {
            Encoding::Text { extent, ending, .. } => (extent, ending),
            Encoding::Binary { extent } => (extent, &Ending::Whole),
            Encoding::Integer { bits, .. } | Encoding::Float { bits, .. } => {
                return Ok(Width::Fixed(u32::from(*bits)));
            }
        };
        match extent {
            Extent::Fixed(bits) => Ok(Width::Fixed(*bits)),
            Extent::Open(limit) => Ok(Width::Told(ending.clone(), *limit)),
            Extent::Dynamic {
                parameter,
                slope,
                intercept,
            } => {
                let source = self.sources.get(parameter).cloned().ok_or_else(|| {
                    place.refuse(format!(
                        "{:?} takes its size from {parameter:?}, which does not come before it in container {:?}",
                        field.name, self.container
                    ))
                })?;
                Ok(Width::Measured {
                    source,
                    slope: *slope,
                    intercept: *intercept,
                })
            }
        }
    }
}

/// A bit that a packet can have.
fn within(bit: Option<u32>, place: &Place) -> Result<u32> {
    bit.filter(|bit| *bit <= MAX_PACKET_BITS).ok_or_else(|| {
        place.refuse(format!(
            "the entry lies outside of every packet, which has 0 to {MAX_PACKET_BITS} bits"
        ))
    })
}

/// The bits of a shape whose values always take as many.
fn fixed_bits(shape: &Shape) -> Option<u32> {
    match shape {
        Shape::Scalar(scalar) => scalar.encoding.fixed_bits(),
        Shape::Array { element, count } => fixed_bits(element)?.checked_mul(*count),
        Shape::Aggregate(members) => members.iter().try_fold(0u32, |sum, member| {
            sum.checked_add(fixed_bits(&member.shape)?)
        }),
    }
}

fn compile(
    condition: &Condition,
    sources: &HashMap<String, Source>,
    container: &str,
    place: &Place,
) -> Result<Test> {
    let all = |parts: &[Condition]| {
        let parts = parts
            .iter()
            .map(|part| compile(part, sources, container, place));
        parts.collect::<Result<Vec<Test>>>()
    };
    match condition {
        Condition::All(parts) => Ok(Test::All(all(parts)?)),
        Condition::Any(parts) => Ok(Test::Any(all(parts)?)),
        Condition::Compare(Comparison {
            parameter,
            operator,
            value,
        }) => {
            let source = sources.get(parameter).cloned().ok_or_else(|| {
                place.refuse(format!(
                    "a condition looks at {parameter:?}, which does not come before it in container {container:?}"
                ))
            })?;
            Ok(Test::Compare {
                source,
                operator: *operator,
                value: *value,
            })
        }
    }
}
