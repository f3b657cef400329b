//! Definition to text: one order of keys, defaults left out.

use ::toml::Value;

use super::read::{EVOLUTIONS, ORIGINS, PARTITIONS, SCALES};
use crate::schema::check::code_name;
use crate::schema::time::{CCSDS_EPOCH_MICROS, format_rfc3339};
use crate::schema::{
    AbsoluteTime, Column, Definition, Evolution, InputLayout, Limit, Origin, Partition, TimeAxis,
    TimeCode, TimeScale,
};

pub(super) fn write(definition: &Definition) -> String {
    let mut out = Text::default();
    out.pair("stream", &quoted(&definition.stream));
    out.optional("description", definition.description.as_deref());
    write_input(&mut out, &definition.input);
    write_axis(&mut out, "[time]", &definition.time);
    write_table(&mut out, definition);
    for column in &definition.columns {
        write_column(&mut out, column);
    }
    out.0
}

/// The text so far.
#[derive(Default)]
pub(super) struct Text(pub(super) String);

impl Text {
    pub(super) fn header(&mut self, header: &str) {
        self.0.push_str(&format!("\n{header}\n"));
    }

    pub(super) fn pair(&mut self, key: &str, value: &str) {
        self.0.push_str(&format!("{key} = {value}\n"));
    }

    /// A pair with a remark for people behind it.
    fn remarked(&mut self, key: &str, value: &str, remark: Option<&str>) {
        let remark = remark.map(one_line).filter(|remark| !remark.is_empty());
        match remark {
            Some(remark) => self.pair(key, &format!("{value} # {remark}")),
            None => self.pair(key, value),
        }
    }

    pub(super) fn optional(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.pair(key, &quoted(value));
        }
    }

    pub(super) fn list(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            self.pair(key, &array(values.iter().map(|value| quoted(value))));
        }
    }
}

fn write_input(out: &mut Text, input: &InputLayout) {
    if *input == InputLayout::default() {
        return;
    }
    out.header("[input]");
    out.optional("format", input.format.as_deref());
    if let Some(header) = input.header {
        out.pair("header", &header.to_string());
    }
    if let Some(delimiter) = input.delimiter {
        out.pair("delimiter", &quoted(&char::from(delimiter).to_string()));
    }
    out.list("null_values", &input.null_values);
}

/// An axis under a header; nothing of none.
pub(super) fn write_axis(out: &mut Text, header: &str, axis: &TimeAxis) {
    match axis {
        TimeAxis::None => {}
        TimeAxis::Relative {
            column,
            unit,
            run_key,
        } => {
            out.header(header);
            out.pair("axis", "\"relative\"");
            out.pair("column", &quoted(column));
            out.pair("unit", &quoted(unit));
            out.optional("run_key", run_key.as_deref());
        }
        TimeAxis::Absolute(time) => write_absolute(out, header, time),
    }
}

fn write_absolute(out: &mut Text, header: &str, time: &AbsoluteTime) {
    out.header(header);
    out.pair("axis", "\"absolute\"");
    match time.columns.as_slice() {
        [column] => out.pair("column", &quoted(column)),
        columns => out.list("columns", columns),
    }
    out.pair("code", &quoted(code_name(time.code)));
    if let TimeCode::Cuc { fraction_bits } = time.code {
        out.pair("fraction_bits", &fraction_bits.to_string());
    }
    if time.code != TimeCode::Iso {
        out.pair("epoch", &instant(time.epoch_micros));
    }
    if time.scale != TimeScale::Utc {
        out.pair("scale", &quoted(word(SCALES, &time.scale)));
    }
    if time.valid_from_micros != CCSDS_EPOCH_MICROS || time.valid_to_micros.is_some() {
        let ends = [Some(time.valid_from_micros), time.valid_to_micros];
        out.pair("valid", &array(ends.into_iter().flatten().map(instant)));
    }
}

fn write_table(out: &mut Text, definition: &Definition) {
    let mut table = Text::default();
    if definition.partition != Partition::Day {
        table.pair(
            "partition",
            &quoted(word(PARTITIONS, &definition.partition)),
        );
    }
    table.list("constants", &definition.constants);
    table.list("sort_by", &definition.sort_by);
    table.list("dedup_by", &definition.dedup_by);
    table.list("dedup_ignore", &definition.dedup_ignore);
    table.optional("received_at", definition.received_at.as_deref());
    if definition.evolution != Evolution::Add {
        table.pair(
            "evolution",
            &quoted(word(EVOLUTIONS, &definition.evolution)),
        );
    }
    if definition.origin != Origin::Given {
        table.pair("origin", &quoted(word(ORIGINS, &definition.origin)));
    }
    if !table.0.is_empty() {
        out.header("[table]");
        out.0.push_str(&table.0);
    }
}

fn write_column(out: &mut Text, column: &Column) {
    out.header("[[column]]");
    out.pair("name", &quoted(&column.name));
    if column.source != column.name {
        out.pair("source", &quoted(&column.source));
    }
    out.pair("type", &quoted(&column.kind.to_string()));
    let unit = column.unit.as_deref();
    out.optional("unit", unit);
    out.optional("description", column.description.as_deref());
    if column.required {
        out.pair("required", "true");
    }
    if let Some((low, high)) = column.valid_range {
        out.remarked("valid", &array([low, high].map(float)), unit);
    }
    if !column.limits.is_empty() {
        out.remarked("limits", &array(column.limits.iter().map(limit)), unit);
    }
    if !column.enumeration.is_empty() {
        let mut sorted: Vec<_> = column.enumeration.iter().collect();
        sorted.sort_by_key(|(number, _)| *number);
        let labels = sorted
            .into_iter()
            .map(|(number, label)| format!("{number} = {}", quoted(label)));
        out.pair("enumeration", &inline_table(labels));
    }
    out.optional("sibling_of", column.sibling_of.as_deref());
}

pub(super) fn limit(limit: &Limit) -> String {
    let ends = [("low", limit.low), ("high", limit.high)];
    let ends = ends
        .into_iter()
        .filter_map(|(key, end)| Some(format!("{key} = {}", float(end?))));
    inline_table(std::iter::once(format!("name = {}", quoted(&limit.name))).chain(ends))
}

pub(super) fn array(values: impl IntoIterator<Item = String>) -> String {
    let values: Vec<String> = values.into_iter().collect();
    format!("[{}]", values.join(", "))
}

pub(super) fn inline_table(pairs: impl IntoIterator<Item = String>) -> String {
    let pairs: Vec<String> = pairs.into_iter().collect();
    format!("{{ {} }}", pairs.join(", "))
}

pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_string()).to_string()
}

pub(super) fn float(number: f64) -> String {
    Value::Float(number).to_string()
}

fn instant(micros: i64) -> String {
    quoted(&format_rfc3339(micros))
}

pub(super) fn word<T: PartialEq>(words: &[(&'static str, T)], wanted: &T) -> &'static str {
    words
        .iter()
        .find(|(_, word)| word == wanted)
        .map(|(name, _)| *name)
        .expect("every variant has its word")
}

/// A remark must not end before its line does.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_string()
}
