//! The files of a table that can hold a row with a key of the unit.
//!
//! Files are passed over by what the log says of them, before they are read:
//! by their span on the absolute axis, which is compared day by day, so that
//! late rows of an old day meet the files of that day only; by the exact
//! bounds of the relative axis where it is part of the key; and by the bounds
//! of key columns. Where the log says nothing, a file can hold anything. NULL
//! and NaN are outside of bounds, so a column of the unit that has them
//! excludes nothing.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, max, max_string, min, min_string};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use chrono::DateTime;
use serde_json::Value;

use super::identity::DAY;
use crate::Result;
use crate::log::FileEntry;
use crate::parquet::{TAG_AXIS_MAX, TAG_AXIS_MIN};
use crate::schema::{Definition, TimeAxis, names};

/// Statistics hold milliseconds: a maximum may be this much too low where
/// another writer cut it.
const CUT_MICROS: i64 = 999;

/// What the rows of a unit span.
#[derive(Debug)]
pub(super) struct Reach {
    /// Every unit is a run of its own, so nothing of the table is met.
    is_alone: bool,
    days: Option<Days>,
    axis: Option<String>,
    /// Bounds of key columns; `None` before the first row.
    bounds: BTreeMap<String, Option<Bounds>>,
}

/// First and last instant of each UTC day, microseconds since 1970.
#[derive(Debug)]
struct Days {
    spans: BTreeMap<i64, (i64, i64)>,
    /// Whether the instant is part of the key; else the whole day counts.
    is_exact: bool,
}

/// Least and greatest value of a column.
#[derive(Debug, Clone, PartialEq)]
enum Bounds {
    Whole(i64, i64),
    Real(f64, f64),
    Text(String, String),
    /// Anything.
    Open,
}

impl Reach {
    pub(super) fn new(definition: &Definition, key: &[String]) -> Reach {
        let is_absolute = matches!(definition.time, TimeAxis::Absolute(_));
        let is_alone = key.iter().any(|name| name == names::INGEST_ID);
        let days = is_absolute.then(|| Days {
            spans: BTreeMap::new(),
            is_exact: key.iter().any(|name| name == names::TIME),
        });
        let bounded = key
            .iter()
            .filter(|name| *name != names::TIME || !is_absolute);
        Reach {
            is_alone,
            days,
            axis: definition.axis().map(str::to_owned),
            bounds: bounded.map(|name| (name.clone(), None)).collect(),
        }
    }

    /// Whether each unit is a run of its own, so that its keys count within it.
    pub(super) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Adds rows of the unit.
    pub(super) fn note(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if let (Some(days), Some(time)) = (&mut self.days, batch.column_by_name(names::TIME)) {
            days.note(time);
        }
        for (name, bounds) in &mut self.bounds {
            let found = match batch.column_by_name(name) {
                Some(column) => Bounds::of(column)?,
                None => Bounds::Open,
            };
            *bounds = Some(match bounds.take() {
                Some(bounds) => bounds.and(found),
                None => found,
            });
        }
        Ok(())
    }

    /// Whether a file can hold a row with a key of the unit.
    pub(super) fn meets(&self, file: &FileEntry) -> bool {
        !self.is_alone
            && self.days.as_ref().is_none_or(|days| days.meet(file))
            && self.bounds.iter().all(|(name, bounds)| {
                // A unit without rows meets nothing.
                bounds
                    .as_ref()
                    .is_some_and(|bounds| bounds.meet(&self.told(file, name)))
            })
    }

    /// Whether a file of the unit and another can hold rows with the same key,
    /// by the axis.
    pub(super) fn can_share(&self, own: &FileEntry, other: &FileEntry) -> bool {
        let ((from, to), (first, last)) = (self.span(own), self.span(other));
        from <= last && first <= to
    }

    /// Which of some files of the unit can hold a key that another of them has.
    pub(super) fn overlaps(&self, files: &[FileEntry]) -> BTreeSet<usize> {
        let spans = files.iter().map(|file| self.span(file)).enumerate();
        let mut spans: Vec<(usize, (f64, f64))> = spans.collect();
        spans.sort_by(|(_, a), (_, b)| a.0.total_cmp(&b.0));
        let mut found = BTreeSet::new();
        let mut longest: Option<(usize, f64)> = None;
        for (at, (from, to)) in spans {
            match longest {
                Some((other, end)) if from <= end => {
                    found.extend([at, other]);
                    if to > end {
                        longest = Some((at, to));
                    }
                }
                _ => longest = Some((at, to)),
            }
        }
        found
    }

    /// What the keys of a file span on the axis; all of it where that is not
    /// known. Bounds are rounded, which keeps what overlaps overlapping.
    fn span(&self, file: &FileEntry) -> (f64, f64) {
        let known = match &self.days {
            Some(days) => days.span(file),
            None => self.run_span(file),
        };
        known.unwrap_or((f64::NEG_INFINITY, f64::INFINITY))
    }

    fn run_span(&self, file: &FileEntry) -> Option<(f64, f64)> {
        let axis = self.axis.as_deref()?;
        // A unit with NULL or NaN on the axis has keys outside of bounds.
        let Some(Bounds::Whole(..)) = self.bounds.get(axis)? else {
            return None;
        };
        let (min, max) = self.told(file, axis).tags?;
        let (min, max): (f64, f64) = (min.parse().ok()?, max.parse().ok()?);
        (min <= max).then_some((min, max))
    }

    /// What the log says of a column of a file.
    fn told<'f>(&self, file: &'f FileEntry, name: &str) -> Told<'f> {
        let tag = |tag| (self.axis.as_deref() == Some(name)).then(|| file.tags.get(tag))?;
        let stats = file.stats.columns.get(name);
        Told {
            tags: tag(TAG_AXIS_MIN).zip(tag(TAG_AXIS_MAX)),
            stats: stats.and_then(|s| s.min.as_ref().zip(s.max.as_ref())),
        }
    }
}

/// What the log says of a column of a file: exact bounds as text, and bounds
/// that may be wider.
struct Told<'f> {
    tags: Option<(&'f String, &'f String)>,
    stats: Option<(&'f Value, &'f Value)>,
}

impl Told<'_> {
    fn of<T: std::str::FromStr>(&self, read: impl Fn(&Value) -> Option<T>) -> Option<(T, T)> {
        let exact = self
            .tags
            .and_then(|(min, max)| min.parse().ok().zip(max.parse().ok()));
        exact.or_else(|| {
            let (min, max) = self.stats?;
            read(min).zip(read(max))
        })
    }
}

impl Days {
    fn note(&mut self, time: &ArrayRef) {
        let Some(time) = time.as_primitive_opt::<TimestampMicrosecondType>() else {
            return;
        };
        for micros in time.iter().flatten() {
            let day = micros.div_euclid(DAY);
            let span = self.spans.entry(day).or_insert((micros, micros));
            *span = (span.0.min(micros), span.1.max(micros));
        }
    }

    fn span(&self, file: &FileEntry) -> Option<(f64, f64)> {
        let (first, last) = span_of(file).filter(|(first, last)| first <= last)?;
        Some(match self.is_exact {
            true => (first as f64, last as f64),
            false => (first.div_euclid(DAY) as f64, last.div_euclid(DAY) as f64),
        })
    }

    fn meet(&self, file: &FileEntry) -> bool {
        let Some((first, last)) = span_of(file) else {
            return !self.spans.is_empty();
        };
        if first > last {
            return true;
        }
        let days = first.div_euclid(DAY)..=last.div_euclid(DAY);
        let mut spans = self.spans.range(days).map(|(_, span)| span);
        spans.any(|(from, to)| !self.is_exact || (*from <= last && first <= *to))
    }
}

/// First and last instant of a file: exact in tags, else by statistics.
fn span_of(file: &FileEntry) -> Option<(i64, i64)> {
    let tag = |tag| file.tags.get(tag)?.parse::<i64>().ok();
    if let (Some(first), Some(last)) = (tag(TAG_AXIS_MIN), tag(TAG_AXIS_MAX)) {
        return Some((first, last));
    }
    let stats = file.stats.columns.get(names::TIME)?;
    let micros = |bound: &Option<Value>| {
        let time = DateTime::parse_from_rfc3339(bound.as_ref()?.as_str()?).ok()?;
        Some(time.timestamp_micros())
    };
    Some((micros(&stats.min)?, micros(&stats.max)? + CUT_MICROS))
}

impl Bounds {
    fn of(column: &ArrayRef) -> Result<Bounds> {
        let kind = match column.data_type() {
            DataType::Dictionary(_, values) => values,
            kind => kind,
        };
        if column.logical_null_count() > 0 {
            return Ok(Bounds::Open);
        }
        let found = match kind {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                let values = cast(column, &DataType::Int64)?;
                let values = values.as_primitive::<Int64Type>();
                min(values)
                    .zip(max(values))
                    .map(|(a, b)| Bounds::Whole(a, b))
            }
            // Not single precision: the short text of a bound reads as another number.
            DataType::Float64 => {
                let values = cast(column, &DataType::Float64)?;
                let values = values.as_primitive::<Float64Type>();
                let ends = min(values).zip(max(values));
                ends.filter(|(a, b)| !a.is_nan() && !b.is_nan())
                    .map(|(a, b)| Bounds::Real(a, b))
            }
            DataType::Utf8 => {
                let values = cast(column, &DataType::Utf8)?;
                let values = values.as_string::<i32>();
                let ends = min_string(values).zip(max_string(values));
                ends.map(|(a, b)| Bounds::Text(a.to_owned(), b.to_owned()))
            }
            _ => None,
        };
        Ok(found.unwrap_or(Bounds::Open))
    }

    fn and(self, other: Bounds) -> Bounds {
        match (self, other) {
            (Bounds::Whole(a, b), Bounds::Whole(c, d)) => Bounds::Whole(a.min(c), b.max(d)),
            (Bounds::Real(a, b), Bounds::Real(c, d)) => Bounds::Real(a.min(c), b.max(d)),
            (Bounds::Text(a, b), Bounds::Text(c, d)) => Bounds::Text(a.min(c), b.max(d)),
            _ => Bounds::Open,
        }
    }

    fn meet(&self, told: &Told<'_>) -> bool {
        match self {
            Bounds::Whole(from, to) => overlap((from, to), &told.of(Value::as_i64)),
            Bounds::Real(from, to) => overlap((from, to), &told.of(Value::as_f64)),
            Bounds::Text(from, to) => {
                let stats = told.stats.and_then(|(a, b)| a.as_str().zip(b.as_str()));
                overlap((&from.as_str(), &to.as_str()), &stats)
            }
            Bounds::Open => true,
        }
    }
}

/// Whether two ranges, both ends included, have a value in common. What is
/// not known has any.
fn overlap<T: PartialOrd>((from, to): (&T, &T), told: &Option<(T, T)>) -> bool {
    told.as_ref()
        .is_none_or(|(min, max)| from <= max && min <= to)
}
