//! Text to definition.

use std::ops::Range;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::document::{Document, Section, Value};
use crate::Result;
use crate::schema::check::{Fault, Place};
use crate::schema::names;
use crate::schema::names::TIME;
use crate::schema::time::{CCSDS_EPOCH_MICROS, default_epoch};
use crate::schema::{
    AbsoluteTime, Column, ColumnType, Definition, Evolution, InputLayout, Limit, Origin, Partition,
    TimeAxis, TimeCode, TimeScale,
};

const TOP_KEYS: &[&str] = &["stream", "description", "input", "time", "table", "column"];
const INPUT_KEYS: &[&str] = &["format", "header", "delimiter", "null_values"];
const TABLE_KEYS: &[&str] = &[
    "partition",
    "constants",
    "sort_by",
    "dedup_by",
    "dedup_ignore",
    "received_at",
    "evolution",
    "origin",
];
const COLUMN_KEYS: &[&str] = &[
    "name",
    "source",
    "type",
    "unit",
    "description",
    "required",
    "valid",
    "limits",
    "enumeration",
    "sibling_of",
];
const LIMIT_KEYS: &[&str] = &["name", "low", "high"];
const ABSOLUTE_KEYS: &[&str] = &[
    "axis",
    "column",
    "columns",
    "code",
    "epoch",
    "scale",
    "fraction_bits",
    "valid",
];
const RELATIVE_KEYS: &[&str] = &["axis", "column", "unit", "run_key"];
const NO_AXIS_KEYS: &[&str] = &["axis"];

pub(super) const ORIGINS: &[(&str, Origin)] =
    &[("given", Origin::Given), ("inferred", Origin::Inferred)];
pub(super) const EVOLUTIONS: &[(&str, Evolution)] = &[
    ("add", Evolution::Add),
    ("strict", Evolution::Strict),
    ("ignore", Evolution::Ignore),
];
pub(super) const PARTITIONS: &[(&str, Partition)] = &[
    ("day", Partition::Day),
    ("month", Partition::Month),
    ("year", Partition::Year),
    ("none", Partition::None),
];
pub(in crate::schema) const SCALES: &[(&str, TimeScale)] = &[
    ("utc", TimeScale::Utc),
    ("tai", TimeScale::Tai),
    ("gps", TimeScale::Gps),
];
/// `cuc` stands for every width of its fraction.
pub(in crate::schema) const CODES: &[(&str, TimeCode)] = &[
    ("iso", TimeCode::Iso),
    ("seconds", TimeCode::Seconds),
    ("millis", TimeCode::Millis),
    ("micros", TimeCode::Micros),
    ("nanos", TimeCode::Nanos),
    ("cds", TimeCode::Cds),
    ("cuc", TimeCode::Cuc { fraction_bits: 0 }),
    ("cfs", TimeCode::Cfs),
];

#[derive(Clone, Copy)]
enum Axis {
    Absolute,
    Relative,
    None,
}

const AXES: &[(&str, Axis)] = &[
    ("absolute", Axis::Absolute),
    ("relative", Axis::Relative),
    ("none", Axis::None),
];

pub(super) fn read(text: &str, file_name: &str) -> Result<Definition> {
    let document = Document { text, file_name };
    let root = document.parse()?;
    let definition = read_definition(document, &root)?;
    definition
        .find_fault()
        .map_err(|fault| document.error(span_of(&root, &fault), &fault.message))?;
    Ok(definition)
}

fn read_definition<'a>(
    document: Document<'a>,
    root: &'a Spanned<DeTable<'a>>,
) -> Result<Definition> {
    let top = Section::open(document, root.get_ref(), 0..0, "the definition", TOP_KEYS)?;
    let stream = top.need("stream", "stream = \"engine\"")?.text()?;
    let columns = read_columns(&top)?;
    let mut definition = Definition::new(stream, Origin::Given, columns);
    definition.description = top.text("description")?;
    if let Some(input) = top.get("input") {
        definition.input = read_input(&input.section("[input]", INPUT_KEYS)?)?;
    }
    if let Some(time) = top.get("time") {
        let named = |name: String| table_name(&definition, &name);
        definition.time = read_axis(&time)?.with_names(named);
    }
    if let Some(table) = top.get("table") {
        read_table(&table.section("[table]", TABLE_KEYS)?, &mut definition)?;
    }
    Ok(definition)
}

fn read_input(input: &Section<'_>) -> Result<InputLayout> {
    Ok(InputLayout {
        format: input.text("format")?,
        header: input.boolean("header")?,
        delimiter: input
            .get("delimiter")
            .map(|v| read_delimiter(&v))
            .transpose()?,
        null_values: input.texts("null_values")?,
    })
}

fn read_delimiter(value: &Value<'_>) -> Result<u8> {
    match value.text()?.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(value.error("delimiter must be one ASCII character, such as \";\" or \"\\t\"")),
    }
}

fn read_table(table: &Section<'_>, definition: &mut Definition) -> Result<()> {
    let is_absolute = matches!(definition.time, TimeAxis::Absolute(_));
    let named = |name: String| match is_absolute && name == TIME {
        true => name,
        false => table_name(definition, &name),
    };
    let resolve = |names: Vec<String>| names.into_iter().map(named).collect::<Vec<_>>();
    let sort_by = resolve(table.texts("sort_by")?);
    let dedup_by = resolve(table.texts("dedup_by")?);
    let dedup_ignore = resolve(table.texts("dedup_ignore")?);
    let received_at = table.text("received_at")?;
    definition.received_at = received_at.map(|name| table_name(definition, &name));
    definition.partition = table.word("partition", PARTITIONS, Partition::Day)?;
    definition.constants = table.texts("constants")?;
    definition.sort_by = sort_by;
    definition.dedup_by = dedup_by;
    definition.dedup_ignore = dedup_ignore;
    definition.evolution = table.word("evolution", EVOLUTIONS, Evolution::Add)?;
    definition.origin = table.word("origin", ORIGINS, Origin::Given)?;
    Ok(())
}

/// A column may be named by its name in the table or in the source.
fn table_name(definition: &Definition, name: &str) -> String {
    let by_source = || definition.columns.iter().find(|c| c.source == name);
    match definition.column(name).or_else(by_source) {
        Some(column) => column.name.clone(),
        None => name.to_string(),
    }
}

/// An axis whose columns are named as the text names them.
pub(super) fn read_axis(time: &Value<'_>) -> Result<TimeAxis> {
    let all: Vec<&str> = ABSOLUTE_KEYS.iter().chain(RELATIVE_KEYS).copied().collect();
    let any = time.section("[time]", &all)?;
    match any.need("axis", "axis = \"absolute\"")?.word(AXES)? {
        Axis::None => {
            time.section("[time] of axis \"none\"", NO_AXIS_KEYS)?;
            Ok(TimeAxis::None)
        }
        Axis::Relative => {
            let section = time.section("[time] of axis \"relative\"", RELATIVE_KEYS)?;
            read_relative(&section)
        }
        Axis::Absolute => {
            let section = time.section("[time] of axis \"absolute\"", ABSOLUTE_KEYS)?;
            Ok(TimeAxis::Absolute(read_absolute(&section)?))
        }
    }
}

fn read_relative(section: &Section<'_>) -> Result<TimeAxis> {
    let column = section.need("column", "column = \"cycle\"")?.text()?;
    let unit = section.need("unit", "unit = \"s\"")?.text()?;
    Ok(TimeAxis::Relative {
        column: column.to_string(),
        unit: unit.to_string(),
        run_key: section.text("run_key")?,
    })
}

fn read_absolute(section: &Section<'_>) -> Result<AbsoluteTime> {
    let columns = match (section.text("column")?, section.texts("columns")?) {
        (Some(column), many) if many.is_empty() => vec![column],
        (Some(_), _) => return Err(section.error("[time] has both column and columns: keep one")),
        (None, many) => many,
    };
    let code = read_code(section)?;
    let scale = section.word("scale", SCALES, TimeScale::Utc)?;
    let (valid_from_micros, valid_to_micros) = read_valid_times(section)?;
    Ok(AbsoluteTime {
        columns,
        code,
        epoch_micros: read_epoch(section, code, scale)?,
        scale,
        valid_from_micros,
        valid_to_micros,
    })
}

fn read_code(section: &Section<'_>) -> Result<TimeCode> {
    let code = section.word("code", CODES, TimeCode::Iso)?;
    let bits = section.get("fraction_bits");
    match (code, bits) {
        (TimeCode::Cuc { .. }, Some(bits)) => {
            let width = u8::try_from(bits.whole()?)
                .map_err(|_| bits.error("fraction_bits must be 0 to 56"))?;
            Ok(TimeCode::Cuc {
                fraction_bits: width,
            })
        }
        (TimeCode::Cuc { .. }, None) => Err(section
            .error("code \"cuc\" needs the width of its fraction, such as fraction_bits = 16")),
        (_, Some(bits)) => Err(bits.error("fraction_bits belongs to code \"cuc\" only")),
        (code, None) => Ok(code),
    }
}

fn read_epoch(section: &Section<'_>, code: TimeCode, scale: TimeScale) -> Result<i64> {
    match section.get("epoch") {
        Some(epoch) if code == TimeCode::Iso => {
            Err(epoch.error("code \"iso\" names instants and has no epoch: leave it out"))
        }
        Some(epoch) => epoch.instant(),
        None => default_epoch(code, scale).ok_or_else(|| {
            section.error(
                "this clock needs its epoch, a UTC instant, such as epoch = \"1980-01-06T00:00:00Z\"",
            )
        }),
    }
}

fn read_valid_times(section: &Section<'_>) -> Result<(i64, Option<i64>)> {
    let Some(valid) = section.get("valid") else {
        return Ok((CCSDS_EPOCH_MICROS, None));
    };
    match valid.items()?.as_slice() {
        [from] => Ok((from.instant()?, None)),
        [from, to] => Ok((from.instant()?, Some(to.instant()?))),
        _ => Err(valid.error("valid must be [from] or [from, to], both instants")),
    }
}

fn read_columns(top: &Section<'_>) -> Result<Vec<Column>> {
    let Some(columns) = top.get("column") else {
        return Ok(Vec::new());
    };
    let items = columns.items()?;
    let numbered = items.iter().enumerate();
    numbered
        .map(|(at, item)| {
            let title = format!("[[column]] number {}", at + 1);
            read_column(&item.section(title, COLUMN_KEYS)?)
        })
        .collect()
}

fn read_column(section: &Section<'_>) -> Result<Column> {
    let kind = section.need("type", "type = \"f64\"")?;
    let parsed: ColumnType = kind
        .text()?
        .parse()
        .map_err(|error: crate::Error| kind.error(error.message()))?;
    let (name, source, unit) = read_names(section)?;
    let mut column = Column::new(name, source, parsed);
    column.unit = section.text("unit")?.or(unit);
    column.description = section.text("description")?;
    column.required = section.boolean("required")?.unwrap_or(false);
    column.valid_range = section.get("valid").map(|v| read_range(&v)).transpose()?;
    column.limits = section
        .get("limits")
        .map_or(Ok(Vec::new()), |v| read_limits(&v))?;
    column.enumeration = section
        .get("enumeration")
        .map_or(Ok(Vec::new()), |v| read_enumeration(&v))?;
    column.sibling_of = section.text("sibling_of")?;
    Ok(column)
}

/// Name, source, and the unit that stood in the source name where no name
/// was given.
fn read_names(section: &Section<'_>) -> Result<(String, String, Option<String>)> {
    match (section.text("name")?, section.text("source")?) {
        (Some(name), Some(source)) => Ok((name, source, None)),
        (Some(name), None) => Ok((name.clone(), name, None)),
        (None, Some(source)) => {
            let folded = names::fold(&source);
            Ok((folded.name, source, folded.unit))
        }
        (None, None) => Err(section.error("a column needs a name or a source")),
    }
}

pub(super) fn read_range(value: &Value<'_>) -> Result<(f64, f64)> {
    match value.items()?.as_slice() {
        [low, high] => Ok((low.number()?, high.number()?)),
        _ => Err(value.error("valid must be [low, high], where -inf and inf leave a side open")),
    }
}

pub(super) fn read_limits(value: &Value<'_>) -> Result<Vec<Limit>> {
    let items = value.items()?;
    items
        .iter()
        .map(|item| {
            let section = item.section("a limit", LIMIT_KEYS)?;
            Ok(Limit {
                name: section
                    .need("name", "name = \"warning\"")?
                    .text()?
                    .to_string(),
                low: section.number("low")?,
                high: section.number("high")?,
            })
        })
        .collect()
}

fn read_enumeration(value: &Value<'_>) -> Result<Vec<(i64, String)>> {
    let mut labels = Vec::new();
    for (key, label) in value.entries()? {
        let number = key.parse::<i64>().map_err(|_| {
            label.error(format!(
                "enumeration key {key:?} is no whole number of 64 bits"
            ))
        })?;
        labels.push((number, label.text()?.to_string()));
    }
    labels.sort_by_key(|(number, _)| *number);
    Ok(labels)
}

/// The text of the key at fault, or of the nearest table that has it.
fn span_of(root: &Spanned<DeTable<'_>>, fault: &Fault) -> Range<usize> {
    let root = root.get_ref();
    let (section, key) = match fault.place {
        Place::Top(key) => return root.get(key).map_or(0..0, Spanned::span),
        Place::Input(key) => (root.get("input"), key),
        Place::Time(key) => (root.get("time"), key),
        Place::Table(key) => (root.get("table"), key),
        Place::Column(at, key) => (root.get("column").and_then(|c| c.get_ref().get(at)), key),
    };
    let Some(section) = section else { return 0..0 };
    // `column` is the short form of `columns`, and a name may come from `source`.
    let others: &[&str] = match key {
        "columns" => &["column"],
        "name" => &["source"],
        _ => &[],
    };
    let keys = std::iter::once(&key).chain(others);
    match section.get_ref() {
        DeValue::Table(table) => keys
            .filter_map(|key| table.get(*key))
            .map(Spanned::span)
            .next()
            .unwrap_or_else(|| section.span()),
        _ => section.span(),
    }
}
