//! What is said about a stream whose columns come from elsewhere: from a
//! packet definition, which knows bits and no tables.
//!
//! Promises: a column may be named by its name in the table, its name in the
//! source, or anything that folds to its name; a definition that settings
//! were applied to has passed its check. Refuses names that lead nowhere.

use std::collections::BTreeMap;

use super::near::did_you_mean;
use super::{AbsoluteTime, Column, Definition, Limit, Partition, TimeAxis, names};
use crate::{Error, Result};

/// What is said; what is not said stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamSettings {
    /// The table's name, before a prefix.
    pub table: Option<String>,
    /// What the stream is, for people.
    pub description: Option<String>,
    /// The axis along which rows are ordered.
    pub time: Option<TimeAxis>,
    /// How an absolute stream is cut into folders.
    pub partition: Option<Partition>,
    /// Columns by which rows are sorted inside every file.
    pub sort_by: Option<Vec<String>>,
    /// The key of duplicate rows; empty where duplicates are kept.
    pub dedup_by: Option<Vec<String>>,
    /// Columns in which equal rows may differ.
    pub dedup_ignore: Option<Vec<String>>,
    /// The column that says when the ground received a row.
    pub received_at: Option<String>,
    /// Units of columns.
    pub units: BTreeMap<String, String>,
    /// Named limits of columns.
    pub limits: BTreeMap<String, Vec<Limit>>,
    /// Ranges beyond which values of columns are quarantined.
    pub valid: BTreeMap<String, (f64, f64)>,
}

impl StreamSettings {
    /// Applies all but the table's name; what a person should know comes back.
    ///
    /// # Errors
    /// Invalid, if a name leads nowhere or the definition does not pass its
    /// check any more.
    pub fn apply(&self, definition: &mut Definition) -> Result<Vec<String>> {
        for (name, unit) in &self.units {
            column_mut(definition, "units", name)?.unit = Some(unit.clone());
        }
        for (name, limits) in &self.limits {
            column_mut(definition, "limits", name)?
                .limits
                .clone_from(limits);
        }
        for (name, range) in &self.valid {
            column_mut(definition, "valid", name)?.valid_range = Some(*range);
        }
        if let Some(description) = &self.description {
            definition.description = Some(description.clone());
        }
        if let Some(partition) = self.partition {
            definition.partition = partition;
        }
        if let Some(name) = &self.received_at {
            definition.received_at =
                Some(column_mut(definition, "received_at", name)?.name.clone());
        }
        if let Some(axis) = &self.time {
            definition.time = axis.over(&definition.columns)?;
        }
        let notices = definition.leave_reserved_names();
        if let Some(keys) = &self.sort_by {
            definition.sort_by = definition.keys_named(keys);
        }
        if let Some(keys) = &self.dedup_by {
            definition.dedup_by = definition.keys_named(keys);
        }
        if let Some(keys) = &self.dedup_ignore {
            definition.dedup_ignore = definition.keys_named(keys);
        }
        definition.check()?;
        Ok(notices)
    }
}

impl Definition {
    /// Names of columns as the table has them; others, such as `time` and
    /// constants, as they are.
    fn keys_named(&self, keys: &[String]) -> Vec<String> {
        let is_axis = |key: &str| key == names::TIME && matches!(self.time, TimeAxis::Absolute(_));
        let name = |key: &String| match find(&self.columns, key) {
            Some(at) if !is_axis(key) => self.columns[at].name.clone(),
            _ => key.clone(),
        };
        keys.iter().map(name).collect()
    }
}

impl TimeAxis {
    /// The axis over columns that it names in any of the ways.
    ///
    /// # Errors
    /// NotFound, if one of them is not there.
    pub fn over(&self, columns: &[Column]) -> Result<TimeAxis> {
        let mut missing = None;
        let axis = self.clone().with_names(|name| match find(columns, &name) {
            _ if name == names::INGEST_ID => name,
            Some(at) => columns[at].name.clone(),
            None => {
                missing.get_or_insert_with(|| name.clone());
                name
            }
        });
        match missing {
            None => Ok(axis),
            Some(name) => Err(Error::not_found(nowhere(columns, "time", &name))),
        }
    }

    /// The axis with other names for its columns.
    pub(super) fn with_names(self, mut named: impl FnMut(String) -> String) -> TimeAxis {
        match self {
            TimeAxis::None => TimeAxis::None,
            TimeAxis::Relative {
                column,
                unit,
                run_key,
            } => TimeAxis::Relative {
                column: named(column),
                unit,
                run_key: run_key.map(named),
            },
            TimeAxis::Absolute(time) => TimeAxis::Absolute(AbsoluteTime {
                columns: time.columns.into_iter().map(named).collect(),
                ..time
            }),
        }
    }
}

fn column_mut<'a>(definition: &'a mut Definition, key: &str, name: &str) -> Result<&'a mut Column> {
    let columns = &mut definition.columns;
    match find(columns, name) {
        Some(at) => Ok(&mut columns[at]),
        None => Err(Error::invalid(nowhere(columns, key, name))),
    }
}

/// By the name in the table, in the source, or the folded one, in this order.
fn find(columns: &[Column], name: &str) -> Option<usize> {
    let folded = names::fold(name).name;
    let position = |is: &dyn Fn(&Column) -> bool| columns.iter().position(is);
    position(&|c| c.name == name)
        .or_else(|| position(&|c| c.source == name))
        .or_else(|| position(&|c| c.name == folded))
}

fn nowhere(columns: &[Column], key: &str, name: &str) -> String {
    let known: Vec<&str> = columns.iter().map(|c| c.source.as_str()).collect();
    let near = did_you_mean(name, &known);
    format!("{key} names {name:?}, which is no column of the stream{near}")
}
