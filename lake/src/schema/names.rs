//! Source names to table names, and the units that hide in them.
//!
//! Promises: the same source names always give the same table names; a
//! folded name folds to itself; two columns never share a name. Refuses, or
//! numbers with a notice, names that collide: which one is the caller's
//! choice ([`OnCollision`]).
//!
//! # The rules, in order
//!
//! 1. Blanks around the name go.
//! 2. A trailing `(raw)` or `(hex)` (any case, round or square brackets,
//!    with or without a blank before it) becomes `__raw`. A closing bracket
//!    whose opening one was forgotten (`Tbatt raw)`) counts too, where a blank
//!    stands before the word.
//! 3. A trailing `[x]` or `(x)` goes to the unit if `x` is one ([`is_unit`]).
//! 4. Letters become lower case; each run of characters other than letters,
//!    digits and `_` becomes one `_`. Letters of every script stay.
//! 5. `_` at the start goes, for names that begin with it belong to the lake.
//! 6. A name that begins with a digit gets `c_` in front (`SELECT 1` would
//!    otherwise mean the number); an empty one is named after its place,
//!    `column_1`.
//! 7. The columns that the lake adds are taken ([`reserved`]): a source
//!    column of that name collides.

mod unit;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::{Error, Result};

use super::{Partition, TimeAxis};

pub use unit::is_unit;

/// The suffix of a column that keeps the raw number of an engineering value.
pub const RAW_SUFFIX: &str = "__raw";
/// The suffix of a column that keeps nanoseconds since 1970.
pub const NANOS_SUFFIX: &str = "__ns";
/// The suffix of a sibling that takes numbers which do not fit a column.
pub const DOUBLE_SUFFIX: &str = "__double";
/// The suffix of a sibling that takes values which do not fit a column.
pub const TEXT_SUFFIX: &str = "__text";

/// The instant of a row of an absolute stream.
pub const TIME: &str = "time";
/// The UTC day of [`TIME`].
pub const DATE: &str = "date";
/// The first day of the month of [`TIME`], in streams with folders by month.
pub const MONTH: &str = "month";
/// The year of [`TIME`], in streams with folders by year.
pub const YEAR: &str = "year";
/// When the ground received a row.
pub const RECEIVED_AT: &str = "_received_at";
/// When a row was ingested.
pub const INGESTED_AT: &str = "_ingested_at";
/// The source unit and run that brought a row.
pub const INGEST_ID: &str = "_ingest_id";
/// Whether a row landed although the table had its key with other values.
pub const KEY_CONFLICT: &str = "_key_conflict";
/// The place of a packet in its source unit, counted from 0.
pub const PACKET_INDEX: &str = "_packet_index";
/// The place of a record's first byte in its source unit.
pub const BYTE_OFFSET: &str = "_byte_offset";

/// A source name, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldedName {
    /// The name in the table; empty where the source name says nothing.
    pub name: String,
    /// The unit that stood at the end of the source name.
    pub unit: Option<String>,
}

/// What becomes of two source names that fold to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCollision {
    /// An error that names both: for definitions that a person wrote.
    Refuse,
    /// The later one gets `_2`, `_3`, ... and a notice: for inferred ones.
    Number,
}

/// The names of one stream, in the order of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldedNames {
    /// One for each source name; all names differ.
    pub names: Vec<FoldedName>,
    /// What a person should know about names that were numbered.
    pub notices: Vec<String>,
}

/// Folds one name by rules 1 to 5 and the first half of 6.
pub fn fold(source: &str) -> FoldedName {
    let trimmed = source.trim();
    if let Some(stem) = strip_raw_marker(trimmed) {
        return with_suffix(fold_letters(stem), RAW_SUFFIX);
    }
    match strip_unit(trimmed) {
        Some((stem, unit)) => FoldedName {
            name: fold_letters(stem),
            unit: Some(unit.to_string()),
        },
        None => FoldedName {
            name: fold_letters(trimmed),
            unit: None,
        },
    }
}

/// Folds the names of a stream whose axis adds no columns.
pub fn fold_all<S: AsRef<str>>(sources: &[S], on_collision: OnCollision) -> Result<FoldedNames> {
    fold_all_beside(sources, &[], on_collision)
}

/// Folds the names of a stream beside names that are taken already.
///
/// An error is [`crate::ErrorKind::Invalid`] and shows both source names.
pub fn fold_all_beside<S: AsRef<str>>(
    sources: &[S],
    taken: &[&str],
    on_collision: OnCollision,
) -> Result<FoldedNames> {
    let folded = fold_each(sources);
    // A number must not push aside a later source column of that very name.
    let wanted: HashSet<String> = folded.iter().map(|f| f.name.clone()).collect();
    let mut used: HashSet<String> = taken.iter().map(|name| (*name).to_string()).collect();
    let mut names: Vec<FoldedName> = Vec::with_capacity(folded.len());
    let mut notices = Vec::new();
    for (place, mut name) in folded.into_iter().enumerate() {
        if used.contains(&name.name) {
            let source = sources[place].as_ref();
            let holder = holder_of(&name.name, &names, sources);
            if on_collision == OnCollision::Refuse {
                return Err(collision(source, &name.name, holder));
            }
            let free = numbered(&name.name, |n| used.contains(n) || wanted.contains(n));
            notices.push(format!(
                "column {source:?} is named {free:?}: {:?} is taken by {}",
                name.name,
                holder_text(holder)
            ));
            name.name = free;
        }
        used.insert(name.name.clone());
        names.push(name);
    }
    Ok(FoldedNames { names, notices })
}

/// The names that a source column cannot have in a stream with this axis.
pub fn reserved(time: &TimeAxis, partition: Partition) -> Vec<&'static str> {
    let mut names = vec![RECEIVED_AT, INGESTED_AT, INGEST_ID];
    if matches!(time, TimeAxis::Absolute(_)) {
        names.extend([TIME, DATE]);
        names.extend(match partition {
            Partition::Month => Some(MONTH),
            Partition::Year => Some(YEAR),
            Partition::Day | Partition::None => None,
        });
    }
    names
}

/// The first of `name_2`, `name_3`, ... that is not taken.
pub(super) fn numbered(name: &str, taken: impl Fn(&str) -> bool) -> String {
    (2u64..)
        .map(|n| format!("{name}_{n}"))
        .find(|candidate| !taken(candidate))
        .expect("finitely many names are taken")
}

fn fold_each<S: AsRef<str>>(sources: &[S]) -> Vec<FoldedName> {
    let mut folded: Vec<FoldedName> = sources.iter().map(|s| fold(s.as_ref())).collect();
    for (place, name) in folded.iter_mut().enumerate() {
        if name.name.is_empty() || name.name == RAW_SUFFIX {
            name.name = format!("column_{}{}", place + 1, name.name);
        }
    }
    folded
}

fn holder_of<'a, S: AsRef<str>>(
    name: &str,
    names: &[FoldedName],
    sources: &'a [S],
) -> Option<&'a str> {
    let place = names.iter().position(|n| n.name == name)?;
    Some(sources[place].as_ref())
}

fn holder_text(holder: Option<&str>) -> String {
    match holder {
        Some(source) => format!("{source:?}"),
        None => "a column of the lake".to_string(),
    }
}

fn collision(source: &str, name: &str, holder: Option<&str>) -> Error {
    Error::invalid(format!(
        "source column {source:?} folds to {name:?}, which is taken by {}: give one of them another name",
        holder_text(holder)
    ))
}

fn with_suffix(mut name: String, suffix: &str) -> FoldedName {
    name.push_str(suffix);
    FoldedName { name, unit: None }
}

/// `Vpx (raw)`, `Ibatt(hex)`, `Tbatt raw)` without their marker.
fn strip_raw_marker(name: &str) -> Option<&str> {
    let inside = name.strip_suffix([')', ']'])?.trim_end();
    let word_at = inside
        .char_indices()
        .rev()
        .take_while(|(_, c)| c.is_alphanumeric())
        .last()
        .map(|(at, _)| at)?;
    let (before, word) = inside.split_at(word_at);
    if !word.eq_ignore_ascii_case("raw") && !word.eq_ignore_ascii_case("hex") {
        return None;
    }
    let opened = before.trim_end();
    match opened.strip_suffix(['(', '[']) {
        Some(stem) => Some(stem.trim_end()),
        None if before.len() > opened.len() => Some(opened),
        None => None,
    }
}

/// Name and unit of `Pc (bar)` and `Pc[bar]`.
fn strip_unit(name: &str) -> Option<(&str, &str)> {
    let (open, inside) = if let Some(inside) = name.strip_suffix(')') {
        ('(', inside)
    } else {
        ('[', name.strip_suffix(']')?)
    };
    let (stem, unit) = inside.rsplit_once(open)?;
    let unit = unit.trim();
    is_unit(unit).then(|| (stem.trim_end(), unit))
}

fn fold_letters(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut pending = false;
    for c in text.chars().flat_map(char::to_lowercase) {
        if !c.is_alphanumeric() && c != '_' {
            pending = true;
            continue;
        }
        if std::mem::take(&mut pending) {
            name.push('_');
        }
        name.push(c);
    }
    if pending {
        name.push('_');
    }
    let name = name.trim_start_matches('_');
    if name.starts_with(|c: char| c.is_numeric()) {
        return format!("c_{name}");
    }
    name.to_string()
}
