//! How a definition follows what the source brings.
//!
//! | the source brings | inferred | given, `add` | given, `strict` | `ignore` |
//! |---|---|---|---|---|
//! | a new field | new nullable column | new nullable column | rows to quarantine | dropped, with a notice |
//! | values that a column's type holds | nothing | nothing | nothing | nothing |
//! | values that it does not hold | sibling column | rows to quarantine | rows to quarantine | as without `ignore` |
//!
//! Promises: no column changes its name or type, ever; evolving twice by the
//! same columns adds nothing the second time. Numbers that a double holds
//! exactly go to the sibling `<name>__double`, all else goes to
//! `<name>__text`.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use arrow::datatypes::FieldRef;

use super::names::{self, DOUBLE_SUFFIX, TEXT_SUFFIX};
use super::types::fits;
use super::{Column, ColumnType, Definition, Evolution, Origin, TimeAxis};
use crate::{Error, Result};

/// A definition after it has seen what a source brings.
#[derive(Debug, Clone, PartialEq)]
pub struct Evolved {
    /// The definition with every column that was added.
    pub definition: Definition,
    /// The columns that were added, nullable, in order.
    pub added: Vec<Column>,
    /// What a person should know.
    pub notices: Vec<String>,
}

impl Definition {
    /// Follows the columns that were found in a source. They are matched by
    /// their source name; of several with one name, the first with the first.
    pub fn evolve(&self, found: &[Column]) -> Evolved {
        let mut growth = Growth::of(self);
        for column in found {
            match growth.main_of(column) {
                Some(main) if fits(&main.kind, &column.kind) => {}
                Some(main) => growth.misfit(&main, &column.kind),
                None => growth.unknown(column),
            }
        }
        growth.evolved
    }

    /// Gives columns whose names the lake takes for its own
    /// ([`names::reserved`]) free ones, with a notice each. For inferred
    /// definitions, whose names nobody chose.
    pub fn leave_reserved_names(&mut self) -> Vec<String> {
        let reserved = names::reserved(&self.time, self.partition);
        let mut notices = Vec::new();
        for place in 0..self.columns.len() {
            let kept = self.kept_fields(&self.columns[place]);
            if !kept.iter().any(|f| reserved.contains(&f.name().as_str())) {
                continue;
            }
            let column = &self.columns[place];
            let is_taken = |name: &str| {
                reserved.contains(&name) || self.columns.iter().any(|c| c.name == name)
            };
            let free = names::numbered(&column.name, is_taken);
            notices.push(format!(
                "column {:?} is named {free:?}: {:?} is a column that the lake adds",
                column.source, column.name
            ));
            let taken = column.name.clone();
            self.rename(&taken, &free);
        }
        notices
    }

    fn rename(&mut self, from: &str, to: &str) {
        let columns = self.columns.iter_mut();
        let named = columns.flat_map(|c| std::iter::once(&mut c.name).chain(&mut c.sibling_of));
        let renamed: Vec<&mut String> = match &mut self.time {
            TimeAxis::Absolute(time) => time.columns.iter_mut().collect(),
            TimeAxis::Relative {
                column, run_key, ..
            } => std::iter::once(column).chain(run_key).collect(),
            TimeAxis::None => Vec::new(),
        };
        named
            .chain(renamed)
            .chain(&mut self.sort_by)
            .chain(&mut self.dedup_by)
            .chain(&mut self.dedup_ignore)
            .chain(&mut self.received_at)
            .filter(|name| *name == from)
            .for_each(|name| to.clone_into(name));
    }

    /// The definition that follows this one in a table: the given one, if the
    /// rows that are stored can stay as they are.
    ///
    /// Columns that only this definition has stay in streams that grow
    /// ([`Evolution::Add`]), so that writers which learn of different columns
    /// end with all of them. Misfits of inferred columns become siblings. An
    /// error is [`crate::ErrorKind::Conflict`] and names the column or key
    /// that would make stored rows wrong.
    pub fn succeed(&self, next: &Definition) -> Result<Definition> {
        let mut successor = next.clone();
        if self.origin == Origin::Inferred && next.origin == Origin::Inferred {
            successor.columns = self.evolve(&next.columns).definition.columns;
        } else if next.evolution == Evolution::Add {
            successor.keep_columns_of(self);
        }
        successor.keep_units_of(self);
        self.check_layout(&successor)?;
        self.check_types(&successor)?;
        self.check_meanings(&successor)?;
        successor.check()?;
        Ok(successor)
    }

    fn keep_columns_of(&mut self, earlier: &Definition) {
        for column in &earlier.columns {
            if self.column(&column.name).is_none() {
                self.columns.push(Column {
                    required: false,
                    ..column.clone()
                });
            }
        }
    }

    /// A unit is a fact of the rows that are stored: not to say it again does
    /// not take it back.
    fn keep_units_of(&mut self, earlier: &Definition) {
        let units: HashMap<&str, &String> = earlier
            .columns
            .iter()
            .filter_map(|column| Some((column.name.as_str(), column.unit.as_ref()?)))
            .collect();
        for column in self.columns.iter_mut().filter(|c| c.unit.is_none()) {
            column.unit = units.get(column.name.as_str()).map(|&unit| unit.clone());
        }
    }

    fn check_layout(&self, next: &Definition) -> Result<()> {
        let sides = [self, next].map(|definition| {
            [
                ("stream", definition.stream.clone()),
                ("constants", definition.constants.join(", ")),
                ("partition", definition.partition_columns().join(", ")),
                ("time axis", definition.axis().unwrap_or("none").to_string()),
                ("order of rows", definition.sort_columns().join(", ")),
            ]
        });
        let [stored, wanted] = sides;
        for ((what, stored), (_, wanted)) in stored.into_iter().zip(wanted) {
            if stored != wanted {
                return Err(Error::conflict(format!(
                    "table {:?} has {what} {stored:?}, the definition has {wanted:?}: it is fixed when a table is created; use another stream name",
                    self.stream
                )));
            }
        }
        Ok(())
    }

    fn check_types(&self, next: &Definition) -> Result<()> {
        let wanted = next.table_schema();
        let wanted: HashMap<&str, &FieldRef> = wanted
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), field))
            .collect();
        for field in self.table_schema().fields() {
            let Some(other) = wanted.get(field.name().as_str()) else {
                continue;
            };
            if other.data_type() != field.data_type() {
                return Err(Error::conflict(format!(
                    "column {:?} of table {:?} is stored as {}, the definition has {}: give the column another name",
                    field.name(),
                    self.stream,
                    field.data_type(),
                    other.data_type()
                )));
            }
        }
        Ok(())
    }

    /// Values of one column must mean the same in every row.
    fn check_meanings(&self, next: &Definition) -> Result<()> {
        let wanted: HashMap<&str, &Column> = next
            .columns
            .iter()
            .map(|column| (column.name.as_str(), column))
            .collect();
        for stored in &self.columns {
            let Some(wanted) = wanted.get(stored.name.as_str()) else {
                continue;
            };
            if let Some((what, stored_as, wanted_as)) = other_meaning(stored, wanted) {
                return Err(Error::conflict(format!(
                    "column {:?} of table {:?} has {what} {stored_as:?} in the rows that are stored, the definition has {wanted_as:?}: give the column another name",
                    stored.name, self.stream
                )));
            }
        }
        Ok(())
    }
}

/// What of a column's meaning differs, as it is stored and as it is wanted. A
/// unit or a label that was not said before is no difference.
fn other_meaning<'a>(stored: &'a Column, wanted: &'a Column) -> Option<(String, &'a str, &'a str)> {
    if let (Some(old), Some(new)) = (&stored.unit, &wanted.unit)
        && old != new
    {
        return Some(("the unit".to_owned(), old, new));
    }
    let labels: HashMap<i64, &str> = wanted
        .enumeration
        .iter()
        .map(|(number, label)| (*number, label.as_str()))
        .collect();
    stored.enumeration.iter().find_map(|(number, old)| {
        let new = *labels.get(number)?;
        (new != old).then(|| (format!("for {number} the label"), old.as_str(), new))
    })
}

/// A definition while it grows, with what would be slow to look up in
/// streams of thousands of columns.
struct Growth {
    evolved: Evolved,
    /// Every name of the table.
    taken: HashSet<String>,
    /// Source name to the places of its columns, siblings aside.
    mains: HashMap<String, Vec<usize>>,
    /// How often a source name was found so far.
    seen: HashMap<String, usize>,
}

impl Growth {
    fn of(definition: &Definition) -> Self {
        let schema = definition.table_schema();
        let stored = schema.fields().iter().map(|field| field.name().clone());
        let declared = definition.columns.iter().map(|column| column.name.clone());
        let mut mains: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, column) in definition.columns.iter().enumerate() {
            if column.sibling_of.is_none() {
                mains.entry(column.source.clone()).or_default().push(at);
            }
        }
        Growth {
            evolved: Evolved {
                definition: definition.clone(),
                added: Vec::new(),
                notices: Vec::new(),
            },
            taken: stored.chain(declared).collect(),
            mains,
            seen: HashMap::new(),
        }
    }

    /// The column that takes the values of a found one. A found sibling
    /// belongs to the first column of its source.
    fn main_of(&mut self, found: &Column) -> Option<Column> {
        let seen = self.seen.entry(found.source.clone()).or_default();
        let occurrence = if found.sibling_of.is_some() { 0 } else { *seen };
        *seen += usize::from(found.sibling_of.is_none());
        let at = *self.mains.get(&found.source)?.get(occurrence)?;
        Some(self.evolved.definition.columns[at].clone())
    }

    fn unknown(&mut self, found: &Column) {
        let (source, stream) = (&found.source, &self.evolved.definition.stream);
        match self.evolved.definition.evolution {
            Evolution::Ignore => self.evolved.notices.push(format!(
                "field {source:?} is not in the definition of {stream:?}: it is dropped"
            )),
            Evolution::Strict => self.evolved.notices.push(format!(
                "field {source:?} is not in the definition of {stream:?}: rows that have it are quarantined"
            )),
            Evolution::Add => self.add_nullable(found),
        }
    }

    fn add_nullable(&mut self, found: &Column) {
        let mut column = Column {
            required: false,
            sibling_of: None,
            ..found.clone()
        };
        self.give_free_name(&mut column);
        if column.name != found.name {
            self.evolved.notices.push(format!(
                "column {:?} is named {:?}: {:?} is taken",
                found.source, column.name, found.name
            ));
        }
        let at = self.evolved.definition.columns.len();
        self.mains
            .entry(column.source.clone())
            .or_default()
            .push(at);
        self.add(column);
    }

    fn misfit(&mut self, main: &Column, found: &ColumnType) {
        if self.evolved.definition.origin == Origin::Given {
            self.evolved.notices.push(format!(
                "column {:?} is {}, the source has {found}: values that do not fit are quarantined",
                main.name, main.kind
            ));
            return;
        }
        if self.has_sibling_for(main, found) {
            return;
        }
        let (suffix, kind) = sibling_of_type(found);
        let mut sibling = Column::new(format!("{}{suffix}", main.name), &main.source, kind);
        sibling.sibling_of = Some(main.name.clone());
        sibling.unit.clone_from(&main.unit);
        self.give_free_name(&mut sibling);
        self.evolved.notices.push(format!(
            "column {:?} is {}, the source has {found}: values that do not fit land in {:?}",
            main.name, main.kind, sibling.name
        ));
        self.add(sibling);
    }

    fn has_sibling_for(&self, main: &Column, found: &ColumnType) -> bool {
        self.evolved.definition.columns.iter().any(|column| {
            column.sibling_of.as_deref() == Some(&main.name) && fits(&column.kind, found)
        })
    }

    /// Numbers the name of a column until neither it nor what it brings
    /// along is taken.
    fn give_free_name(&self, column: &mut Column) {
        let is_taken = |name: &str| {
            let named = Column {
                name: name.to_string(),
                ..column.clone()
            };
            let mut fields = named.stored_fields().into_iter();
            fields.any(|field| self.taken.contains(field.name()))
        };
        if is_taken(&column.name) {
            column.name = names::numbered(&column.name, is_taken);
        }
    }

    fn add(&mut self, column: Column) {
        let fields = column.stored_fields();
        self.taken
            .extend(fields.into_iter().map(|f| f.name().clone()));
        self.evolved.added.push(column.clone());
        self.evolved.definition.columns.push(column);
    }
}

/// Whole numbers of 64 bits would lose digits in a double.
fn sibling_of_type(found: &ColumnType) -> (&'static str, ColumnType) {
    use ColumnType::{F16, F32, F64, I8, I16, I32, U8, U16, U32};
    match found {
        F16 | F32 | F64 | I8 | I16 | I32 | U8 | U16 | U32 => (DOUBLE_SUFFIX, ColumnType::F64),
        _ => (TEXT_SUFFIX, ColumnType::Text),
    }
}
