//! Delimited text: comma, semicolon, tab, bar, or runs of blanks.
//!
//! Promises: quoted fields may hold delimiters, quotes and line breaks;
//! offsets, lines and raw bytes of records are exact. Decided here:
//!
//! * an empty field is NULL; `""` is empty text in a text column, NULL elsewhere
//! * a record with fewer or more fields than the header is refused, except
//!   that one empty field too many (a delimiter at the end of the line) is let go
//! * blank lines are skipped and counted; the header is no record
//! * a quote that does not end before the input or the record limit refuses
//!   its first line only; reading goes on with the next
//! * columns are found by source name, else by folded name, in any order;
//!   without a header by place
//! * what a given definition says of delimiter and header holds; under an
//!   inferred one each input is sniffed, and one with a header does not go
//!   where there was none, nor the other way round
//! * where a header repeats a name, the later ones are read as `name_2`, ...
//!
//! Refuses to read across records: text behind a closing quote (`"a"b`) is
//! joined to the field, as most readers do, and ends with its line.

mod fields;
mod sniff;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;

use downlake_lake::schema::{ColumnType, Definition, Evolution, InputLayout, Origin, names};
use downlake_lake::{Error, Result};

use super::batch::{TextBatch, TextDecoder, TextFormat, unreadable};
use super::cells::Misfit;
use super::window::{Span, Window};
use super::{Access, DecodeOptions, Decoder, Format, Framing, InferOptions, Input, reason, scalar};
use crate::infer::{FieldKinds, Inferred, Kind};
use fields::{Fields, Found};

/// The format `csv`.
pub(super) static FORMAT: Format = Format {
    name: "csv",
    extensions: &["csv", "tsv", "txt", "psv"],
    about: "delimited text; delimiter and header are sniffed",
    stream: None,
    access: Access::Sequential,
    sniff: sniff::looks_like_text,
    infer,
    open,
};

fn infer(input: Input, options: &InferOptions) -> Result<Inferred> {
    let failed = |error| unreadable(&options.source, error);
    let window = Window::new(input.into_reader(), options.record_bytes_limit);
    let (mut fields, null_values) = match &options.following {
        Some(stored) => {
            let fields = further(window, stored, &options.source)?;
            (fields, stored.input.null_values.clone())
        }
        None => {
            let fields = Fields::new(window, &InputLayout::default()).map_err(failed)?;
            (fields, Vec::new())
        }
    };
    let mut kinds = FieldKinds::default();
    let names = fields.names();
    let places: Vec<_> = names.iter().map(|name| kinds.place(name)).collect();
    let mut records = 0;
    while options.records.is_none_or(|most| records < most) {
        fields.window().forget();
        match fields.next().map_err(failed)? {
            Found::End => break,
            Found::Record(_) => observe(&fields, &places, &null_values, &mut kinds),
            Found::Refused(..) | Found::TooLong(..) => {}
        }
        records += 1;
    }
    let mut inferred = kinds.finish(&options.source, records);
    for field in &mut inferred.fields {
        // Text has no kinds but those of its spelling: all of them are text.
        if field.kind == Kind::Mixed {
            field.kind = Kind::Text;
        }
    }
    inferred.layout = InputLayout {
        format: Some(FORMAT.name.to_owned()),
        header: Some(fields.header().is_some()),
        delimiter: Some(fields.delimiter()),
        null_values,
    };
    inferred.notices = fields.take_notices();
    Ok(inferred)
}

/// Takes the kinds of a record's values in, if it has as many as there are columns.
fn observe(fields: &Fields, places: &[usize], null_values: &[String], kinds: &mut FieldKinds) {
    if !has_count(fields, places.len()) {
        return;
    }
    for (index, place) in places.iter().enumerate() {
        let text = fields.field(index);
        if !is_null(text, null_values) {
            kinds.see(*place, Kind::of_text(text));
        }
    }
}

fn has_count(fields: &Fields, count: usize) -> bool {
    fields.count() == count || (fields.count() == count + 1 && fields.field(count).is_empty())
}

fn is_null(text: &[u8], null_values: &[String]) -> bool {
    text.is_empty() || null_values.iter().any(|null| null.as_bytes() == text)
}

fn open(
    input: Input,
    definition: &Definition,
    options: &DecodeOptions,
) -> Result<Box<dyn Decoder>> {
    let window = Window::new(input.into_reader(), options.record_bytes_limit);
    let fields = if definition.origin == Origin::Inferred && !options.is_spool {
        further(window, definition, &options.source)?
    } else {
        Fields::new(window, &definition.input)
            .map_err(|error| unreadable(&options.source, error))?
    };
    let rows = Rows::new(fields, definition, &options.source)?;
    Ok(Box::new(TextDecoder::new(rows, definition, options)))
}

/// The fields of a further input of a table whose definition was inferred.
///
/// # Errors
/// Invalid, if the input has a header where the columns of the table go by
/// place, or none where they have names: its values would land in other
/// columns, and its first record nowhere.
fn further(window: Window, definition: &Definition, source: &str) -> Result<Fields> {
    let failed = |error| unreadable(source, error);
    let names = Names::of(definition);
    let is_known = |name: &str| names.knows(name);
    let mut fields = Fields::further(window, &definition.input, &is_known).map_err(failed)?;
    let goes_by_place = definition.input.header == Some(false);
    match fields.header() {
        Some(header) if goes_by_place && !header.iter().all(|name| is_known(name)) => {
            Err(unwanted_header(header, definition, source))
        }
        Some(header) if !header.iter().any(|name| is_known(name)) => {
            Err(no_column(&fields, definition, source))
        }
        None if !goes_by_place && !fields.names().is_empty() => {
            let line = fields.next_line().map_err(failed)?;
            Err(no_header(line, definition, source))
        }
        _ => Ok(fields),
    }
}

/// Records on their way into columns.
struct Rows {
    fields: Fields,
    /// What becomes of each field, in the order of the input.
    targets: Vec<Target>,
    null_values: Vec<String>,
    ignores_unknown: bool,
}

/// What becomes of a field.
enum Target {
    /// It goes to this column, which is one of text or is not.
    Column { place: usize, is_text: bool },
    /// The definition does not name it; how many values it had.
    Unknown { name: String, values: u64 },
}

impl Rows {
    fn new(fields: Fields, definition: &Definition, source: &str) -> Result<Rows> {
        let targets = match fields.header() {
            Some(header) => targets_by_name(header, definition),
            None => targets_by_place(fields.names().len(), definition),
        };
        let finds_any = targets.iter().any(|t| matches!(t, Target::Column { .. }));
        if !targets.is_empty() && !finds_any {
            return Err(no_column(&fields, definition, source));
        }
        Ok(Rows {
            fields,
            targets,
            null_values: definition.input.null_values.clone(),
            ignores_unknown: definition.evolution == Evolution::Ignore,
        })
    }

    /// Puts the fields of the current record into the current row.
    fn fill(&mut self, span: &Span, batch: &mut TextBatch) -> Result<(), Misfit> {
        if !has_count(&self.fields, self.targets.len()) {
            return Err(wrong_count(self.fields.count(), self.targets.len()));
        }
        for (index, target) in self.targets.iter_mut().enumerate() {
            match target {
                Target::Column { place, is_text } => {
                    let said_empty = *is_text && self.fields.is_empty_text(span, index);
                    let mut text = self.fields.field(index);
                    if !*is_text {
                        text = text.trim_ascii();
                    }
                    if said_empty || !is_null(text, &self.null_values) {
                        batch.cells.set_text(*place, text)?;
                    }
                }
                Target::Unknown { name, values } => {
                    let text = self.fields.field(index);
                    if !is_null(text, &self.null_values) {
                        if !self.ignores_unknown {
                            return Err(unknown_field(name, text));
                        }
                        *values += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

impl TextFormat for Rows {
    fn window(&mut self) -> &mut Window {
        self.fields.window()
    }

    fn read_record(&mut self, batch: &mut TextBatch) -> io::Result<bool> {
        let found = self.fields.next()?;
        batch.skipped += self.fields.take_blank();
        match found {
            Found::End => return Ok(false),
            Found::TooLong(beginning, length) => batch.refuse_long(beginning, length),
            Found::Refused(span) => batch.refuse(span, open_quote()),
            Found::Record(span) => {
                let filled = self.fill(&span, batch);
                batch.end_row(span, filled);
            }
        }
        Ok(true)
    }

    fn framing(&self) -> Framing {
        Framing {
            format: FORMAT.name,
            delimiter: Some(self.fields.delimiter()),
            header: self.fields.header().map(<[String]>::to_vec),
        }
    }

    fn closing_notices(&mut self) -> Vec<String> {
        let mut notices = self.fields.take_notices();
        notices.extend(self.targets.iter().filter_map(|target| match target {
            Target::Unknown { name, values } if *values > 0 => Some(format!(
                "field \"{name}\" is not in the definition: {values} values dropped"
            )),
            _ => None,
        }));
        notices
    }
}

/// The names by which the columns of a definition are found.
struct Names {
    by_source: HashMap<String, usize>,
    by_fold: HashMap<String, usize>,
}

impl Names {
    fn of(definition: &Definition) -> Names {
        let own = definition.columns.iter().enumerate();
        let own = own.filter(|(_, column)| column.sibling_of.is_none());
        let (mut by_source, mut by_fold) = (HashMap::new(), HashMap::new());
        for (place, column) in own {
            by_source.entry(column.source.clone()).or_insert(place);
            by_fold.entry(column.name.clone()).or_insert(place);
            let folded = names::fold(&column.source).name;
            by_fold.entry(folded).or_insert(place);
        }
        Names { by_source, by_fold }
    }

    fn knows(&self, name: &str) -> bool {
        self.by_source.contains_key(name) || self.by_fold.contains_key(&names::fold(name).name)
    }
}

/// Finds the column of each header name: by source name, else by folded name.
fn targets_by_name(header: &[String], definition: &Definition) -> Vec<Target> {
    let Names { by_source, by_fold } = Names::of(definition);
    // An exact name elsewhere in the header keeps its column.
    let exact: Vec<_> = header.iter().map(|h| by_source.get(h).copied()).collect();
    let mut taken: Vec<usize> = exact.iter().flatten().copied().collect();
    let mut find = |(name, exact): (&String, &Option<usize>)| {
        let place = exact.or_else(|| {
            let place = *by_fold.get(&names::fold(name).name)?;
            (!taken.contains(&place)).then_some(place)
        });
        taken.extend(place);
        match place {
            Some(place) => column_target(place, definition),
            None => unknown_target(name.clone()),
        }
    };
    header.iter().zip(&exact).map(&mut find).collect()
}

/// Without a header the fields are the columns in order. A given definition
/// says how many there are; an inferred one may have grown since this input.
fn targets_by_place(count: usize, definition: &Definition) -> Vec<Target> {
    let columns = definition.columns.iter().enumerate();
    let own = columns.filter(|(_, column)| column.sibling_of.is_none());
    let mut targets: Vec<_> = own.map(|(i, _)| column_target(i, definition)).collect();
    if definition.origin == Origin::Inferred {
        targets.truncate(count);
        targets.extend((targets.len()..count).map(|i| unknown_target(fields::place_name(i))));
    }
    targets
}

fn column_target(place: usize, definition: &Definition) -> Target {
    let column = &definition.columns[place];
    let is_text = column.kind == ColumnType::Text && column.enumeration.is_empty();
    Target::Column { place, is_text }
}

fn unknown_target(name: String) -> Target {
    Target::Unknown { name, values: 0 }
}

fn no_column(fields: &Fields, definition: &Definition, source: &str) -> Error {
    let way_out = match definition.origin {
        Origin::Given => "say `header = false` in the definition if it is data",
        Origin::Inferred => ELSEWHERE,
    };
    Error::invalid(format!(
        "the first line of {source} names none of the columns of stream \"{}\": it begins with {}; {way_out}",
        definition.stream,
        scalar::shown(fields.names().join(",").as_bytes())
    ))
}

fn no_header(line: &[u8], definition: &Definition, source: &str) -> Error {
    Error::invalid(format!(
        "{source} has no header, but the columns of stream \"{}\" have names: its first line is {}; {ELSEWHERE}",
        definition.stream,
        scalar::shown(line)
    ))
}

fn unwanted_header(header: &[String], definition: &Definition, source: &str) -> Error {
    Error::invalid(format!(
        "{source} has a header, but the columns of stream \"{}\" go by place: its first line is {}; {ELSEWHERE}",
        definition.stream,
        scalar::shown(header.join(",").as_bytes())
    ))
}

/// What to do with an input that is unlike those its table was inferred from.
const ELSEWHERE: &str =
    "ingest it into another table with --table, or say what it is in a definition with --schema";

fn wrong_count(found: usize, expected: usize) -> Misfit {
    Misfit {
        reason: reason::FIELD_COUNT,
        detail: format!("{found} fields where {expected} are expected"),
    }
}

fn unknown_field(name: &str, text: &[u8]) -> Misfit {
    Misfit {
        reason: reason::UNKNOWN_FIELD,
        detail: format!(
            "field \"{name}\" with value {} is not in the definition",
            scalar::shown(text)
        ),
    }
}

fn open_quote() -> Misfit {
    Misfit {
        reason: reason::QUOTE,
        detail: String::from("a quoted field that begins in this line does not end"),
    }
}
