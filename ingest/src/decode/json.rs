//! JSON: one object a line, or documents: an object, an array of objects,
//! values one after the other.
//!
//! Promises: the grammar of RFC 8259 and nothing beside it; numbers are read
//! from their digits, never through a float that is not asked for; an array
//! of objects is read object by object. Decided here:
//!
//! * nested objects flatten: `{"a":{"b":1}}` and `{"a.b":1}` are field `a.b`;
//!   a column of JSON text takes the object whole
//! * `null` and an absent field are the same
//! * an object that names a field twice is refused, for no rule says which
//!   value counts
//! * in lines, a broken line is refused and the next one read; in a document,
//!   a value that does not end refuses the rest
//! * names equal to a column's source come first, then folded names
//!
//! Refuses values nested deeper than [`DEPTH_LIMIT`] and inputs with more
//! different names than [`paths::LIMIT`], where names are likely data.

mod document;
mod paths;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;

use downlake_lake::schema::{ColumnType, Definition, Evolution, InputLayout, names};
use downlake_lake::{Error, Result};

use super::batch::{TextBatch, TextDecoder, TextFormat, unreadable};
use super::cells::{Cells, Misfit};
use super::window::Window;
use super::{Access, DecodeOptions, Decoder, Format, InferOptions, Input, reason, scalar};
use crate::infer::{FieldKinds, Inferred, Kind};
use document::{Document, Found};
use paths::{Leaves, Paths};

/// The format `json`.
pub(super) static FORMAT: Format = Format {
    name: "json",
    extensions: &["json", "jsonl", "ndjson"],
    about: "JSON lines, or a document: an object, an array of objects",
    stream: None,
    access: Access::Sequential,
    sniff: document::looks_like_json,
    infer,
    open,
};

/// Objects and arrays may be nested this deep.
pub(super) const DEPTH_LIMIT: usize = 128;

fn infer(input: Input, options: &InferOptions) -> Result<Inferred> {
    let failed = |error| unreadable(&options.source, error);
    let window = Window::new(input.into_reader(), options.record_bytes_limit);
    let mut document = Document::new(window, false).map_err(failed)?;
    let mut paths = Paths::default();
    let mut leaves = SeenLeaves::default();
    let mut records = 0;
    let mut wrong = None;
    while options.records.is_none_or(|most| records < most) {
        document.window().forget();
        match document.next().map_err(failed)? {
            Found::End => break,
            Found::Record(span) => {
                // A record that is no object is refused when it is decoded.
                if let Err(misfit) = paths.walk(document.window().bytes(&span), &mut leaves) {
                    wrong.get_or_insert(misfit.detail);
                }
            }
            Found::Refused(_, why) => {
                wrong.get_or_insert_with(|| why.to_owned());
            }
            Found::TooLong(..) => {}
        }
        records += 1;
    }
    if paths.is_full() {
        return Err(too_many_names(&options.source));
    }
    let mut inferred = leaves.kinds.finish(&options.source, records);
    if records > 0 && inferred.fields.is_empty() && options.following.is_none() {
        return Err(no_field(&options.source, records, wrong.as_deref()));
    }
    inferred.layout = InputLayout {
        format: Some(FORMAT.name.to_owned()),
        ..InputLayout::default()
    };
    Ok(inferred)
}

/// Without a table that the records could be refused by, they are the unit's failure.
fn no_field(source: &str, records: u64, wrong: Option<&str>) -> Error {
    let wrong = wrong.unwrap_or("its objects are empty");
    Error::corrupt(format!(
        "{source} has no record to make columns of, but {records} others; the first thing wrong: {wrong}"
    ))
}

fn too_many_names(source: &str) -> Error {
    Error::limit(format!(
        "{source} has more than {} different field names; where names are data, give a definition with a json column",
        paths::LIMIT
    ))
}

/// The kinds of the values that were seen.
#[derive(Default)]
struct SeenLeaves {
    kinds: FieldKinds,
    paths: Vec<String>,
}

impl Leaves for SeenLeaves {
    fn learn(&mut self, path: &str) {
        self.paths.push(path.to_owned());
    }

    fn takes_objects(&self, _place: usize) -> bool {
        false
    }

    fn take(&mut self, place: usize, json: &str) -> Result<(), Misfit> {
        let field = self.kinds.place(&self.paths[place - 1]);
        self.kinds.see(field, Kind::of_json(json));
        Ok(())
    }
}

fn open(
    input: Input,
    definition: &Definition,
    options: &DecodeOptions,
) -> Result<Box<dyn Decoder>> {
    let window = Window::new(input.into_reader(), options.record_bytes_limit);
    let document = Document::new(window, options.is_spool)
        .map_err(|error| unreadable(&options.source, error))?;
    let rows = Rows {
        document,
        paths: Paths::default(),
        targets: Targets::new(definition),
    };
    Ok(Box::new(TextDecoder::new(rows, definition, options)))
}

/// Values on their way into columns.
struct Rows {
    document: Document,
    paths: Paths,
    targets: Targets,
}

impl TextFormat for Rows {
    fn window(&mut self) -> &mut Window {
        self.document.window()
    }

    fn read_record(&mut self, batch: &mut TextBatch) -> io::Result<bool> {
        let found = self.document.next()?;
        batch.skipped += self.document.take_blank();
        match found {
            Found::End => return Ok(false),
            Found::TooLong(beginning, length) => batch.refuse_long(beginning, length),
            Found::Refused(span, wrong) => batch.refuse(span, syntax(wrong)),
            Found::Record(span) => {
                let record = self.document.window().bytes(&span);
                let mut row = Row {
                    targets: &mut self.targets,
                    cells: &mut batch.cells,
                };
                let filled = self.paths.walk(record, &mut row);
                batch.end_row(span, filled);
            }
        }
        Ok(true)
    }

    fn closing_notices(&mut self) -> Vec<String> {
        let targets = self.targets.by_place.iter();
        let dropped = targets.filter_map(|target| match target {
            Target::Unknown { path, values } if *values > 0 => Some(format!(
                "field \"{path}\" is not in the definition: {values} values dropped"
            )),
            _ => None,
        });
        dropped.collect()
    }
}

fn syntax(wrong: &str) -> Misfit {
    Misfit {
        reason: reason::SYNTAX,
        detail: wrong.to_owned(),
    }
}

/// What becomes of each field.
struct Targets {
    by_source: HashMap<String, Target>,
    by_fold: HashMap<String, Target>,
    by_place: Vec<Target>,
    ignores_unknown: bool,
}

/// What becomes of a field.
#[derive(Debug, Clone)]
enum Target {
    /// It goes to this column, which may be one of JSON text.
    Column { place: usize, is_json: bool },
    /// The definition does not name it; how many values it had.
    Unknown { path: String, values: u64 },
}

impl Targets {
    fn new(definition: &Definition) -> Targets {
        let mut targets = Targets {
            by_source: HashMap::new(),
            by_fold: HashMap::new(),
            by_place: Vec::new(),
            ignores_unknown: definition.evolution == Evolution::Ignore,
        };
        let columns = definition.columns.iter().enumerate();
        for (place, column) in columns.filter(|(_, c)| c.sibling_of.is_none()) {
            let target = Target::Column {
                place,
                is_json: column.kind == ColumnType::Json,
            };
            let folded = names::fold(&column.source).name;
            targets
                .by_source
                .insert(column.source.clone(), target.clone());
            targets.by_fold.insert(column.name.clone(), target.clone());
            targets.by_fold.entry(folded).or_insert(target);
        }
        targets
    }

    fn find(&self, path: &str) -> Option<Target> {
        let exact = self.by_source.get(path);
        let target = exact.or_else(|| self.by_fold.get(&names::fold(path).name));
        target.cloned()
    }
}

/// The row that is being filled.
struct Row<'a> {
    targets: &'a mut Targets,
    cells: &'a mut Cells,
}

impl Leaves for Row<'_> {
    fn learn(&mut self, path: &str) {
        let target = self.targets.find(path).unwrap_or_else(|| Target::Unknown {
            path: path.to_owned(),
            values: 0,
        });
        self.targets.by_place.push(target);
    }

    fn takes_objects(&self, place: usize) -> bool {
        matches!(
            self.targets.by_place[place - 1],
            Target::Column { is_json: true, .. }
        )
    }

    fn take(&mut self, place: usize, json: &str) -> Result<(), Misfit> {
        match &mut self.targets.by_place[place - 1] {
            Target::Column { place, .. } => self.cells.set_json(*place, json),
            Target::Unknown { .. } if json == "null" => Ok(()),
            Target::Unknown { values, .. } if self.targets.ignores_unknown => {
                *values += 1;
                Ok(())
            }
            Target::Unknown { path, .. } => Err(Misfit {
                reason: reason::UNKNOWN_FIELD,
                detail: format!(
                    "field \"{path}\" with value {} is not in the definition",
                    scalar::shown(json.as_bytes())
                ),
            }),
        }
    }
}
