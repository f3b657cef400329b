//! The whole-definition check: what one key alone cannot tell.
//!
//! Promises: a definition that passes has a table schema with distinct
//! names, a readable time axis, and an order and a duplicate key that name
//! columns of the table. Everything else is refused with the key at fault.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::names::{self, BYTE_OFFSET, INGEST_ID, PACKET_INDEX, TIME};
use super::near::did_you_mean;
use super::time::calendar;
use super::{AbsoluteTime, Column, ColumnType, Definition, Partition, TimeAxis, TimeCode};
use crate::{Error, Result};

/// The key that is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A key at the top.
    Top(&'static str),
    /// A key of `[input]`.
    Input(&'static str),
    /// A key of `[time]`.
    Time(&'static str),
    /// A key of `[table]`.
    Table(&'static str),
    /// A key of the column with this number, from 0.
    Column(usize, &'static str),
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) message: String,
}

impl Fault {
    fn new(place: Place, message: impl Into<String>) -> Self {
        Fault {
            place,
            message: message.into(),
        }
    }
}

type Checked = std::result::Result<(), Fault>;

impl Definition {
    /// Refuses a definition that contradicts itself; the error names the
    /// stream and the key.
    pub fn check(&self) -> Result<()> {
        self.find_fault()
            .map_err(|fault| Error::invalid(format!("stream {:?}: {}", self.stream, fault.message)))
    }

    pub(super) fn find_fault(&self) -> Checked {
        check_stream_name(&self.stream)?;
        check_delimiter(self.input.delimiter)?;
        check_columns(&self.columns)?;
        check_distinct(self)?;
        check_siblings(&self.columns)?;
        check_axis(self)?;
        check_received_at(self)?;
        check_keys(self, "sort_by", &self.sort_by)?;
        check_keys(self, "dedup_by", &self.dedup_by)?;
        check_ignored(self)
    }
}

fn check_stream_name(stream: &str) -> Checked {
    check_name(stream)
        .map_err(|why| Fault::new(Place::Top("stream"), format!("stream {stream:?} {why}")))
}

fn check_delimiter(delimiter: Option<u8>) -> Checked {
    match delimiter {
        Some(byte) if !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | b'"' | 0) => {
            Err(Fault::new(
                Place::Input("delimiter"),
                format!(
                    "delimiter {:?} cannot part fields: expected an ASCII character that is no quote and no end of line",
                    char::from(byte)
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// A name in the table must already be folded, or a query could not say it.
fn check_name(name: &str) -> std::result::Result<(), String> {
    if name.is_empty() {
        return Err("is empty: give it a name".to_string());
    }
    if name.starts_with('_') {
        return Err("begins with \"_\": such names belong to the lake".to_string());
    }
    let folded = names::fold(name).name;
    if folded == name {
        return Ok(());
    }
    Err(format!(
        "is not a plain name: expected lower-case letters, digits and \"_\", such as {folded:?}"
    ))
}

fn check_columns(columns: &[Column]) -> Checked {
    for (index, column) in columns.iter().enumerate() {
        let fault = |key, message: String| {
            Fault::new(
                Place::Column(index, key),
                format!("column {:?} {message}", column.name),
            )
        };
        if ![PACKET_INDEX, BYTE_OFFSET].contains(&column.name.as_str()) {
            check_name(&column.name).map_err(|why| fault("name", why))?;
        }
        column
            .kind
            .check()
            .map_err(|error| fault("type", format!("has a type that does not fit: {error}")))?;
        check_unit(column).map_err(|why| fault("unit", why))?;
        check_valid(column).map_err(|why| fault("valid", why))?;
        check_limits(column).map_err(|why| fault("limits", why))?;
        check_enumeration(column).map_err(|why| fault("enumeration", why))?;
    }
    Ok(())
}

/// Spans are stored in microseconds whatever the source had.
fn check_unit(column: &Column) -> std::result::Result<(), String> {
    match (&column.kind, column.unit.as_deref()) {
        (ColumnType::Duration, Some(unit)) if unit != "us" => Err(format!(
            "is a duration, which is kept in us, not in {unit:?}: leave the unit out, or use a number type"
        )),
        _ => Ok(()),
    }
}

fn check_valid(column: &Column) -> std::result::Result<(), String> {
    let Some((low, high)) = column.valid_range else {
        return Ok(());
    };
    check_numeric(column, "valid")?;
    check_band(low, high, "valid")
}

fn check_limits(column: &Column) -> std::result::Result<(), String> {
    for limit in &column.limits {
        check_numeric(column, "limits")?;
        if limit.low.is_none() && limit.high.is_none() {
            return Err(format!("has limit {:?} without low and high", limit.name));
        }
        let low = limit.low.unwrap_or(f64::NEG_INFINITY);
        let high = limit.high.unwrap_or(f64::INFINITY);
        check_band(low, high, &limit.name)?;
    }
    Ok(())
}

fn check_numeric(column: &Column, key: &str) -> std::result::Result<(), String> {
    if column.kind.is_number() && column.enumeration.is_empty() {
        return Ok(());
    }
    Err(format!("is no number, so {key} cannot hold"))
}

fn check_band(low: f64, high: f64, name: &str) -> std::result::Result<(), String> {
    if low <= high {
        return Ok(());
    }
    Err(format!("has no value within {name} {low} to {high}"))
}

fn check_enumeration(column: &Column) -> std::result::Result<(), String> {
    if column.enumeration.is_empty() {
        return Ok(());
    }
    if !column.kind.is_whole() || column.kind == ColumnType::U64 {
        return Err(format!(
            "is {}: an enumeration needs whole numbers of at most 63 bits",
            column.kind
        ));
    }
    let mut labels = HashMap::new();
    for (number, label) in &column.enumeration {
        if let Some(other) = labels.insert(number, label) {
            return Err(format!(
                "has two labels for {number}: {other:?} and {label:?}"
            ));
        }
    }
    Ok(())
}

/// Every name of the table once: constants, the axis, columns and what they
/// add, and the columns of the lake.
fn check_distinct(definition: &Definition) -> Checked {
    let mut owners: HashMap<String, String> = HashMap::new();
    for name in names::reserved(&definition.time, definition.partition) {
        owners.insert(name.to_string(), "a column that the lake adds".to_string());
    }
    for constant in &definition.constants {
        let fault = |why| {
            Fault::new(
                Place::Table("constants"),
                format!("constant {constant:?} {why}"),
            )
        };
        check_name(constant).map_err(fault)?;
        if let Some(owner) = owners.insert(constant.clone(), format!("constant {constant:?}")) {
            return Err(fault(format!("has the name of {owner}")));
        }
    }
    for (index, column) in definition.columns.iter().enumerate() {
        for field in definition.kept_fields(column) {
            let owner = format!("column {:?} (source {:?})", column.name, column.source);
            if let Some(other) = owners.insert(field.name().clone(), owner) {
                return Err(clash(index, column, field.name(), &other));
            }
        }
    }
    check_distinct_columns(&definition.columns)
}

/// Also columns that the table does not keep must differ: other keys name them.
fn check_distinct_columns(columns: &[Column]) -> Checked {
    let mut seen: HashMap<&str, &Column> = HashMap::new();
    for (index, column) in columns.iter().enumerate() {
        if let Some(other) = seen.insert(&column.name, column) {
            let other = format!("column {:?} (source {:?})", other.name, other.source);
            return Err(clash(index, column, &column.name, &other));
        }
    }
    Ok(())
}

fn clash(index: usize, column: &Column, name: &str, other: &str) -> Fault {
    Fault::new(
        Place::Column(index, "name"),
        format!(
            "column {:?} (source {:?}) needs the name {name:?}, which is taken by {other}: give it another name",
            column.name, column.source
        ),
    )
}

fn check_siblings(columns: &[Column]) -> Checked {
    for (index, column) in columns.iter().enumerate() {
        let Some(of) = &column.sibling_of else {
            continue;
        };
        let fault = |message: String| {
            Fault::new(
                Place::Column(index, "sibling_of"),
                format!("column {:?} {message}", column.name),
            )
        };
        let Some(main) = columns.iter().find(|c| &c.name == of) else {
            let known: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            let near = did_you_mean(of, &known);
            return Err(fault(format!(
                "is a sibling of {of:?}, which is no column{near}"
            )));
        };
        if main.sibling_of.is_some() || main.name == column.name {
            return Err(fault(format!(
                "is a sibling of {of:?}, which is a sibling itself"
            )));
        }
        if main.source != column.source {
            return Err(fault(format!(
                "is a sibling of {of:?} and must have its source, {:?}",
                main.source
            )));
        }
        if column.required {
            return Err(fault("is a sibling and cannot be required".to_string()));
        }
    }
    Ok(())
}

fn check_axis(definition: &Definition) -> Checked {
    match &definition.time {
        TimeAxis::None => check_no_partition(definition),
        TimeAxis::Absolute(time) => check_absolute(&definition.columns, time),
        TimeAxis::Relative {
            column, run_key, ..
        } => {
            check_relative(definition, column, run_key.as_deref())?;
            check_no_partition(definition)
        }
    }
}

fn check_no_partition(definition: &Definition) -> Checked {
    if matches!(definition.partition, Partition::Day | Partition::None) {
        return Ok(());
    }
    Err(Fault::new(
        Place::Table("partition"),
        "partition by month or year needs an absolute time axis",
    ))
}

fn check_relative(definition: &Definition, column: &str, run_key: Option<&str>) -> Checked {
    let axis = find(&definition.columns, Place::Time("column"), column)?;
    if !axis.kind.is_number() || !axis.enumeration.is_empty() {
        return Err(Fault::new(
            Place::Time("column"),
            format!(
                "column {column:?} is {}: a relative axis is a number",
                axis.kind
            ),
        ));
    }
    let Some(run_key) = run_key else {
        return Ok(());
    };
    if run_key == column {
        return Err(Fault::new(
            Place::Time("run_key"),
            format!(
                "run_key {run_key:?} is the axis itself: name the column that tells runs apart"
            ),
        ));
    }
    check_key(definition, Place::Time("run_key"), run_key, &[INGEST_ID])
}

/// As the check of a definition, for an axis that is not in one yet.
pub(super) fn check_absolute_over(
    columns: &[Column],
    time: &AbsoluteTime,
) -> std::result::Result<(), String> {
    check_absolute(columns, time).map_err(|fault| fault.message)
}

fn check_absolute(columns: &[Column], time: &AbsoluteTime) -> Checked {
    check_arguments(time)?;
    for name in &time.columns {
        let column = find(columns, Place::Time("columns"), name)?;
        if !reads(time.code, time.columns.len(), column) {
            return Err(Fault::new(
                Place::Time("code"),
                format!(
                    "code {:?} does not read column {name:?} of type {}: expected {}",
                    code_name(time.code),
                    column.kind,
                    readable(time.code)
                ),
            ));
        }
    }
    check_instants(time)?;
    let to = time.valid_to_micros.unwrap_or(i64::MAX);
    if time.valid_from_micros > to {
        return Err(Fault::new(
            Place::Time("valid"),
            "valid ends before it begins: expected [from, to]",
        ));
    }
    Ok(())
}

/// RFC 3339 has four digits of year, so a definition can say no other instant.
fn check_instants(time: &AbsoluteTime) -> Checked {
    let to = time.valid_to_micros.unwrap_or(0);
    for (key, micros) in [
        ("epoch", time.epoch_micros),
        ("valid", time.valid_from_micros),
        ("valid", to),
    ] {
        let year = calendar::year_of_day(calendar::day_of_micros(micros));
        if !(0..=9999).contains(&year) {
            return Err(Fault::new(
                Place::Time(key),
                format!("{key} is in the year {year}: expected 0 to 9999"),
            ));
        }
    }
    Ok(())
}

fn check_arguments(time: &AbsoluteTime) -> Checked {
    let count = time.columns.len();
    let (allowed, said) = match time.code {
        TimeCode::Cds => (
            2..=3,
            "2 or 3 columns (days, milliseconds of day, microseconds)",
        ),
        TimeCode::Cuc { fraction_bits: 0 } => (1..=1, "1 column (seconds)"),
        TimeCode::Cuc { .. } | TimeCode::Cfs => (2..=2, "2 columns (seconds, fraction)"),
        _ => (1..=1, "1 column"),
    };
    if !allowed.contains(&count) {
        return Err(Fault::new(
            Place::Time("columns"),
            format!(
                "code {:?} takes {said}, found {count}",
                code_name(time.code)
            ),
        ));
    }
    if let TimeCode::Cuc {
        fraction_bits: 57..,
    } = time.code
    {
        return Err(Fault::new(
            Place::Time("fraction_bits"),
            "fraction_bits is beyond 56, the widest fraction of a CUC code",
        ));
    }
    Ok(())
}

fn reads(code: TimeCode, columns: usize, column: &Column) -> bool {
    use ColumnType::{Date, F16, F32, F64, Text, Timestamp, TimestampNs};
    if !column.enumeration.is_empty() {
        return false;
    }
    match code {
        TimeCode::Iso => matches!(column.kind, Text | Timestamp | TimestampNs | Date),
        TimeCode::Seconds | TimeCode::Millis | TimeCode::Micros | TimeCode::Nanos => {
            columns == 1 && (column.kind.is_whole() || matches!(column.kind, F16 | F32 | F64))
        }
        TimeCode::Cds | TimeCode::Cuc { .. } | TimeCode::Cfs => {
            column.kind.is_whole() && column.kind != ColumnType::U64
        }
    }
}

fn readable(code: TimeCode) -> &'static str {
    match code {
        TimeCode::Iso => "timestamp, timestamp_ns, date or text",
        TimeCode::Seconds | TimeCode::Millis | TimeCode::Micros | TimeCode::Nanos => {
            "a whole or floating number"
        }
        TimeCode::Cds | TimeCode::Cuc { .. } | TimeCode::Cfs => "a whole number of at most 63 bits",
    }
}

/// The code as definitions and expressions spell it.
pub(super) fn code_name(code: TimeCode) -> &'static str {
    match code {
        TimeCode::Iso => "iso",
        TimeCode::Seconds => "seconds",
        TimeCode::Millis => "millis",
        TimeCode::Micros => "micros",
        TimeCode::Nanos => "nanos",
        TimeCode::Cds => "cds",
        TimeCode::Cuc { .. } => "cuc",
        TimeCode::Cfs => "cfs",
    }
}

fn check_received_at(definition: &Definition) -> Checked {
    let Some(name) = &definition.received_at else {
        return Ok(());
    };
    let place = Place::Table("received_at");
    let column = find(&definition.columns, place, name)?;
    if !reads(TimeCode::Iso, 1, column) {
        return Err(Fault::new(
            place,
            format!(
                "received_at column {name:?} is {}: expected {}",
                column.kind,
                readable(TimeCode::Iso)
            ),
        ));
    }
    let axis = definition.axis_columns();
    if axis.contains(&name.as_str()) {
        return Err(Fault::new(
            place,
            format!("received_at column {name:?} is the time axis: it cannot be both"),
        ));
    }
    Ok(())
}

fn check_keys(definition: &Definition, key: &'static str, keys: &[String]) -> Checked {
    for (at, name) in keys.iter().enumerate() {
        if keys[..at].contains(name) {
            return Err(Fault::new(
                Place::Table(key),
                format!("{key} names {name:?} twice"),
            ));
        }
        check_key(definition, Place::Table(key), name, &[])?;
    }
    Ok(())
}

/// What equal rows may differ in is a column of any type that is no part of
/// their key.
fn check_ignored(definition: &Definition) -> Checked {
    let place = || Place::Table("dedup_ignore");
    let ignored = &definition.dedup_ignore;
    if definition.dedup_by.is_empty() && !ignored.is_empty() {
        let why = "dedup_ignore needs dedup_by: nothing else tells duplicates";
        return Err(Fault::new(place(), why));
    }
    for (at, name) in ignored.iter().enumerate() {
        let refuse = |why: &str| {
            Err(Fault::new(
                place(),
                format!("dedup_ignore names {name:?}{why}"),
            ))
        };
        if ignored[..at].contains(name) {
            return refuse(" twice");
        }
        let stored = definition.stored_name(name);
        let mut key = definition.dedup_by.iter();
        if key.any(|key| definition.stored_name(key) == stored) {
            return refuse(", which is part of dedup_by");
        }
        if !definition.constants.contains(name) {
            find(&definition.columns, place(), name)?;
        }
    }
    Ok(())
}

/// A key may be a column, a constant, or `time`.
fn check_key(definition: &Definition, place: Place, name: &str, also: &[&str]) -> Checked {
    let absolute = matches!(definition.time, TimeAxis::Absolute(_));
    let known = definition.constants.iter().any(|c| c == name) || also.contains(&name);
    if known || (absolute && name == TIME) {
        return Ok(());
    }
    let column = find(&definition.columns, place, name)?;
    if let ColumnType::List(_) = column.kind {
        return Err(Fault::new(
            place,
            format!("column {name:?} is a list, which has no order"),
        ));
    }
    Ok(())
}

fn find<'a>(
    columns: &'a [Column],
    place: Place,
    name: &str,
) -> std::result::Result<&'a Column, Fault> {
    let found = columns.iter().find(|column| column.name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        let near = did_you_mean(name, &known);
        Fault::new(place, format!("{name:?} is no column of the stream{near}"))
    })
}
