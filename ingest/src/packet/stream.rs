//! From container to stream: the table, its columns, and what they hold.
//!
//! The rule. A container that packets can end in is a stream, named after it
//! (`<prefix>_<name>` where there is a prefix). Its columns are those of the
//! primary header (`apid`, `seq_flags`, `seq_count`), the place in the source
//! unit, then the parameters in the order of the packet, under their own
//! names, folded. A parameter with a polynomial, and one with a boolean or an
//! instant that do not say all of their raw value, has its engineering value
//! in `<name>` and its raw value in `<name>__raw`; an enumeration gets its
//! `__raw` from the lake. Members of aggregates are columns, `<name>_<member>`;
//! arrays are lists.
//!
//! Promises: no two columns share a name; a value has one column that holds
//! every value of its encoding. Refuses to guess an axis: rows are ordered by
//! their place in the source unit, and what looks like a clock is a hint.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use downlake_lake::schema::names::{
    self, BYTE_OFFSET, INGEST_ID, OnCollision, PACKET_INDEX, RAW_SUFFIX,
};
use downlake_lake::schema::{Column, ColumnType, Definition, Evolution, Origin, TimeAxis};
use downlake_lake::{Error, Result};

use super::header::MAX_PACKET_BYTES;
use super::model::{Encoding, Label, Meaning, Place, Scalar, Sign};
use super::plan::{Field as PlanField, Plan, Spot, Step};
use super::schema::table_name;

/// Columns of the primary header, in the order of the table.
pub const HEADER_COLUMNS: [&str; 3] = ["apid", "seq_flags", "seq_count"];

/// Most bytes that the values of one row may take: many times the longest
/// packet, and few enough for the least memory.
const MAX_ROW_BYTES: usize = 16 << 20;

/// About how many bytes the values of a row take, beside what stands in the
/// packet as text or bytes and is there once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowSize {
    /// As many in every row.
    pub bytes: usize,
    /// How often values without a fixed size can repeat what is in the packet.
    pub packets: usize,
}

impl RowSize {
    fn of(plan: &Plan, fillings: &[Filling]) -> RowSize {
        let values = fillings.iter().map(|filling| match filling {
            Filling::Raw(at) | Filling::Engineering(at) => plan.fields[*at]
                .repeat
                .map_or(1, |repeat| repeat.count as usize),
            _ => 1,
        });
        // Where nothing goes back in the packet, nothing is read twice.
        let goes_back = |step: &&Step| matches!(step, Step::Seek(_) | Step::Skip(..0));
        let passes = plan.steps.iter().filter(goes_back).count().max(1);
        let (mut placed, mut moving, mut dynamic) = (0, 0, 0);
        for field in plan.fields.iter().filter(|field| is_copied(field)) {
            match (field.scalar.encoding.fixed_bits(), field.spot) {
                (Some(bits), Spot::At(_)) => placed += bits as usize / 8,
                (Some(bits), Spot::Slot(_)) => moving += bits as usize / 8,
                (None, _) => dynamic += 1,
            }
        }
        let overlap = placed.saturating_sub(plan.fixed_end as usize / 8);
        RowSize {
            bytes: values.sum::<usize>() * size_of::<f64>()
                + overlap
                + if passes > 1 { moving } else { 0 },
            packets: passes.min(dynamic).saturating_sub(1),
        }
    }

    /// With packets of so many bytes.
    pub fn with_packets_of(self, bytes: usize) -> usize {
        self.bytes + self.packets * bytes
    }

    /// What the rows of either take at most.
    #[must_use]
    pub fn max(self, other: RowSize) -> RowSize {
        RowSize {
            bytes: self.bytes.max(other.bytes),
            packets: self.packets.max(other.packets),
        }
    }

    fn check(self) -> Result<()> {
        match self.with_packets_of(MAX_PACKET_BYTES) {
            ..=MAX_ROW_BYTES => Ok(()),
            bytes => Err(Error::invalid(format!(
                "a row can take {bytes} bytes, for values overlap or are many: {MAX_ROW_BYTES} at most"
            ))),
        }
    }
}

/// Text and bytes, which take as much in a row as in a packet.
fn is_copied(field: &PlanField) -> bool {
    matches!(
        field.scalar.encoding,
        Encoding::Text { .. } | Encoding::Binary { .. }
    )
}

/// One line for each parameter that stands in a container again.
fn repeated(plan: &Plan) -> Vec<String> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (parameter, name) in &plan.repeated {
        names.entry(parameter).or_default().push(name);
    }
    let line = |(parameter, names): (&str, Vec<&str>)| {
        let last = match names.as_slice() {
            [only] => format!("the later value is {only:?}"),
            [first, .., last] => format!("the later values are {first:?} to {last:?}"),
            [] => String::new(),
        };
        format!(
            "{parameter:?} stands again in container {:?}: {last}",
            plan.container
        )
    };
    names.into_iter().map(line).collect()
}

/// What one column of a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// The APID of the primary header.
    Apid,
    /// The sequence flags of the primary header.
    SequenceFlags,
    /// The sequence count of the primary header.
    SequenceCount,
    /// The number of the packet in its source unit.
    PacketIndex,
    /// The place of the packet's first byte in its source unit.
    ByteOffset,
    /// The raw value of a field of the plan, by number.
    Raw(usize),
    /// The engineering value of a field of the plan, by number.
    Engineering(usize),
}

/// A table that packets of one container go to.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The definition of the table.
    pub definition: Definition,
    /// What each of its columns holds, in order.
    pub fillings: Vec<Filling>,
    /// The container that it is of.
    pub container: String,
    /// Where that is defined.
    pub place: Place,
    /// What a person should know: parameters that stand there again, and what
    /// a schema adds.
    pub notices: Vec<String>,
    /// What looks like a clock, and could be the axis; none where there is one.
    pub clocks: Vec<ClockHint>,
    /// About how many bytes a row takes.
    pub row_size: RowSize,
}

/// Columns that look like a clock. Whether they are is for a person to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockHint {
    /// The parameters.
    pub parameters: Vec<String>,
    /// The code that would read them.
    pub code: &'static str,
    /// What of the clock they do not say, as pairs of the table that a person
    /// must complete.
    pub unsaid: &'static [&'static str],
}

impl ClockHint {
    /// The `[time]` that makes it the axis.
    pub fn toml(&self) -> String {
        let columns: Vec<String> = self.parameters.iter().map(|p| format!("{p:?}")).collect();
        let mut lines = vec![
            "[time]".to_owned(),
            "axis = \"absolute\"".to_owned(),
            format!("code = {:?}", self.code),
            format!("columns = [{}]", columns.join(", ")),
        ];
        lines.extend(self.unsaid.iter().map(|pair| (*pair).to_owned()));
        lines.join("\n")
    }

    /// A sentence for people.
    fn advice(&self, stream: &str) -> String {
        format!(
            "{} of stream {stream:?} may be its clock: if so, say it with {}",
            self.parameters.join(", "),
            self.toml().replace('\n', "  ")
        )
    }
}

impl Stream {
    /// The stream of a container's plan.
    ///
    /// # Errors
    /// Invalid, if two columns would share a name; both are shown.
    pub fn of(plan: &Plan, prefix: Option<&str>) -> Result<Stream> {
        let in_container = |error: Error| {
            let place = &plan.place;
            error.context(format!("{place}: container {:?}", plan.container))
        };
        check_names(plan).map_err(in_container)?;
        let (columns, fillings) = columns_of(plan).map_err(in_container)?;
        let mut definition =
            Definition::new(table_name(&plan.container, prefix), Origin::Given, columns);
        definition.description = plan.description.clone();
        definition.evolution = Evolution::Strict;
        definition.dedup_by = vec!["apid".to_owned(), "seq_count".to_owned()];
        definition.time = TimeAxis::Relative {
            column: PACKET_INDEX.to_owned(),
            unit: "packet".to_owned(),
            run_key: Some(INGEST_ID.to_owned()),
        };
        definition.check().map_err(in_container)?;
        let row_size = RowSize::of(plan, &fillings);
        row_size.check().map_err(in_container)?;
        Ok(Stream {
            notices: repeated(plan),
            clocks: clocks(&definition.columns),
            container: plan.container.clone(),
            place: plan.place.clone(),
            row_size,
            definition,
            fillings,
        })
    }

    /// A sentence for each clock that could be the axis.
    pub(super) fn clock_advice(&self) -> impl Iterator<Item = String> + '_ {
        let clocks = self.clocks.iter();
        clocks.map(|clock| clock.advice(&self.definition.stream))
    }

    /// The batches that packets of this stream become.
    pub fn schema(&self) -> SchemaRef {
        let columns = self.definition.columns.iter();
        let fields: Vec<Field> = columns.map(Column::decoded_field).collect();
        Arc::new(Schema::new(fields))
    }
}

impl Scalar {
    /// The type of the raw value.
    pub fn raw_kind(&self) -> ColumnType {
        match self.encoding {
            Encoding::Integer { bits, sign, .. } => whole_kind(bits, sign == Sign::Unsigned),
            Encoding::Float { bits: 16, .. } => ColumnType::F16,
            Encoding::Float { bits: 32, .. } => ColumnType::F32,
            Encoding::Float { .. } => ColumnType::F64,
            Encoding::Text { .. } => ColumnType::Text,
            Encoding::Binary { .. } => ColumnType::Binary,
        }
    }

    /// The type of the engineering value, where it is not the raw one.
    pub fn engineering_kind(&self) -> Option<ColumnType> {
        match self.meaning {
            Meaning::Plain | Meaning::Labels(_) => None,
            Meaning::Polynomial(_) => Some(ColumnType::F64),
            Meaning::Boolean => Some(ColumnType::Bool),
            Meaning::Instant(_) => Some(ColumnType::Timestamp),
        }
    }

    /// Whether the engineering value says all that the raw value says.
    pub fn is_told_by_engineering(&self) -> bool {
        let one_bit = matches!(self.encoding, Encoding::Integer { bits: 1, .. });
        self.meaning == Meaning::Boolean && one_bit
    }
}

/// The narrowest type whose table column holds every number of the width.
fn whole_kind(bits: u8, unsigned: bool) -> ColumnType {
    match (bits, unsigned) {
        (..=8, true) => ColumnType::U8,
        (..=16, true) => ColumnType::U16,
        (..=32, true) => ColumnType::U32,
        (64.., true) => ColumnType::U64,
        (..=8, false) => ColumnType::I8,
        (..=16, false) => ColumnType::I16,
        (..=32, false) => ColumnType::I32,
        _ => ColumnType::I64,
    }
}

/// Columns of a table that no parameter can be called by.
const OWN_COLUMNS: [&str; 6] = [
    names::RECEIVED_AT,
    names::INGESTED_AT,
    names::KEY_CONFLICT,
    INGEST_ID,
    PACKET_INDEX,
    BYTE_OFFSET,
];

/// Definitions name columns by their names in the source too, so that none may
/// be one of the lake's.
fn check_names(plan: &Plan) -> Result<()> {
    let mut names = plan.fields.iter().map(|field| &*field.name);
    match names.find(|name| OWN_COLUMNS.contains(&name.trim())) {
        None => Ok(()),
        Some(name) => Err(Error::invalid(format!(
            "parameter {name:?} has the name of a column that the lake adds: give it another name"
        ))),
    }
}

fn columns_of(plan: &Plan) -> Result<(Vec<Column>, Vec<Filling>)> {
    let mut columns = header_columns();
    let mut fillings = vec![
        Filling::Apid,
        Filling::SequenceFlags,
        Filling::SequenceCount,
        Filling::PacketIndex,
        Filling::ByteOffset,
    ];
    let kept: Vec<usize> = (0..plan.fields.len())
        .filter(|at| !repeats_header(&plan.fields[*at]))
        .collect();
    let sources: Vec<&str> = kept.iter().map(|at| &*plan.fields[*at].name).collect();
    let taken: Vec<&str> = columns.iter().map(|c| &*c.name).collect();
    let folded = names::fold_all_beside(&sources, &taken, OnCollision::Refuse)?;
    for (at, name) in kept.into_iter().zip(folded.names) {
        let field = &plan.fields[at];
        let unit = field.scalar.unit.clone().or(name.unit);
        let mut column = Column::new(name.name, &field.name, field.kind(field.scalar.raw_kind()));
        column.description = field.description.clone();
        let Some(kind) = field.scalar.engineering_kind() else {
            column.enumeration = enumeration(&field.scalar.meaning);
            column.unit = unit;
            columns.push(column);
            fillings.push(Filling::Raw(at));
            continue;
        };
        let mut engineering = column.clone();
        engineering.kind = field.kind(kind);
        engineering.unit = unit;
        columns.push(engineering);
        fillings.push(Filling::Engineering(at));
        if !field.scalar.is_told_by_engineering() {
            column.name.push_str(RAW_SUFFIX);
            columns.push(column);
            fillings.push(Filling::Raw(at));
        }
    }
    Ok((columns, fillings))
}

fn header_columns() -> Vec<Column> {
    let described = [
        ("apid", ColumnType::U16, "application process of the packet"),
        (
            "seq_flags",
            ColumnType::U8,
            "0 continuation, 1 first, 2 last, 3 whole",
        ),
        (
            "seq_count",
            ColumnType::U16,
            "count of the packets of this APID, modulo 16384",
        ),
        (
            PACKET_INDEX,
            ColumnType::I64,
            "number of the packet in its source unit, from 0",
        ),
        (
            BYTE_OFFSET,
            ColumnType::I64,
            "place of the packet's first byte in its source unit",
        ),
    ];
    described
        .into_iter()
        .map(|(name, kind, description)| {
            let mut column = Column::new(name, name, kind);
            column.description = Some(description.to_owned());
            column
        })
        .collect()
}

/// A definition that calls a field of the primary header as the lake does:
/// the same bits, so the same column.
fn repeats_header(field: &PlanField) -> bool {
    const BITS: [(&str, u32, u8); 3] =
        [("apid", 5, 11), ("seq_flags", 16, 2), ("seq_count", 18, 14)];
    let name = names::fold(&field.name).name;
    let Encoding::Integer { bits, .. } = field.scalar.encoding else {
        return false;
    };
    let plain = field.scalar.meaning == Meaning::Plain && field.repeat.is_none();
    let unsigned = field.number.is_some_and(|n| n.sign == Sign::Unsigned);
    let spot = BITS.iter().find(|(known, ..)| *known == name);
    plain
        && unsigned
        && spot.is_some_and(|(_, at, width)| field.spot == Spot::At(*at) && bits == *width)
}

/// Labels as the lake spells them, one number each.
fn enumeration(meaning: &Meaning) -> Vec<(i64, String)> {
    let Meaning::Labels(labels) = meaning else {
        return Vec::new();
    };
    let spread = |label: &Label| {
        let text = label.text.clone();
        (label.low..=label.high).map(move |number| (number, text.clone()))
    };
    labels.iter().flat_map(spread).collect()
}

/// What could be the axis.
fn clocks(columns: &[Column]) -> Vec<ClockHint> {
    let hint = |columns: &[&Column], code, unsaid| ClockHint {
        parameters: columns.iter().map(|c| c.source.clone()).collect(),
        code,
        unsaid,
    };
    let instants = columns.iter().filter(|c| c.kind == ColumnType::Timestamp);
    let mut found: Vec<ClockHint> = instants.map(|c| hint(&[c], "iso", &[])).collect();
    let three = columns.windows(3).find(|three| is_day_clock(three));
    found.extend(three.map(|three| hint(&three.iter().collect::<Vec<_>>(), "cds", &[])));
    if found.is_empty() {
        found.extend(counting_clock(columns).map(|columns| match columns.len() {
            1 => hint(&columns, "seconds", &[EPOCH]),
            _ => hint(&columns, "cuc", &["fraction_bits = ...", EPOCH]),
        }));
    }
    found
}

const EPOCH: &str = "epoch = \"...\"";

/// Days, milliseconds and microseconds behind one another, as CCSDS 301.0-B
/// segments a day.
fn is_day_clock(three: &[Column]) -> bool {
    let is = |column: &Column, kind: &ColumnType, units: [&str; 2]| {
        let unit = column.unit.as_deref();
        column.kind == *kind && unit.is_some_and(|unit| units.contains(&unit))
    };
    is(&three[0], &ColumnType::U16, ["day", "days"])
        && is(&three[1], &ColumnType::U32, ["ms", "msec"])
        && is(&three[2], &ColumnType::U16, ["us", "usec"])
}

/// A count of seconds by its name, and the fraction behind it.
fn counting_clock(columns: &[Column]) -> Option<Vec<&Column>> {
    const SECONDS: &[&str] = &[
        "shcoarse",
        "coarse",
        "coarse_time",
        "met",
        "sclk",
        "seconds",
    ];
    const FRACTIONS: &[&str] = &["shfine", "fine", "fine_time", "subseconds", "subsec"];
    let named = |column: &Column, words: &[&str]| {
        words.contains(&column.name.as_str()) && column.kind.is_whole()
    };
    let at = columns.iter().position(|c| named(c, SECONDS))?;
    let behind = columns.get(at + 1).filter(|c| named(c, FRACTIONS));
    Some(std::iter::once(&columns[at]).chain(behind).collect())
}
