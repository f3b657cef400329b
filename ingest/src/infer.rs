//! Which columns an input holds, from one pass over its values.
//!
//! Promises: fields come in order of first appearance; a kind covers every
//! value that was seen; files whose kinds cannot be joined without changing a
//! value are an error that shows both. Refuses to guess beyond spelling: `007`
//! and `0652` stay text, since a number would lose the zeros.

use std::collections::HashMap;
use std::fmt;

use downlake_lake::schema::names::{OnCollision, fold_all};
use downlake_lake::schema::time::looks_like_timestamp;
use downlake_lake::schema::types::merge_types;
use downlake_lake::schema::{Column, ColumnType, InputLayout};
use downlake_lake::{Error, Result};
use serde_json::value::RawValue;

use crate::decode::scalar::{self, Fault};

/// Digits of the widest decimal column.
const MOST_DIGITS: u8 = 38;

/// The columns of one input, or of several that were merged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inferred {
    /// How many records were read.
    pub records: u64,
    /// The layout that was given or sniffed.
    pub layout: InputLayout,
    /// The fields, in order of first appearance.
    pub fields: Vec<Field>,
    /// What the user should know once.
    pub notices: Vec<String>,
}

/// One field of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name in the source; nested fields are joined with `.`.
    pub source: String,
    /// What kind of values it holds.
    pub kind: Kind,
    /// The input that first showed this kind.
    pub seen_in: String,
}

/// A point of the lattice of kinds of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// No value yet.
    Null,
    /// `true` and `false`.
    Bool,
    /// Numbers without point and exponent that fit 64 bits signed.
    Whole,
    /// Numbers, NaN and infinities among them.
    Number,
    /// Whole numbers beyond 64 bits signed, of up to 38 digits.
    Large,
    /// Calendar days.
    Date,
    /// RFC 3339-like text with up to six digits of a second.
    Timestamp,
    /// RFC 3339-like text with up to nine digits of a second.
    TimestampNs,
    /// Other text.
    Text,
    /// Arrays whose elements are of one scalar kind.
    List(Box<Kind>),
    /// Values of kinds that have no common one: kept as JSON text.
    Mixed,
    /// The type that a self-describing format declares.
    Exact(ColumnType),
}

impl Kind {
    /// The kind of a value of delimited text.
    pub fn of_text(text: &[u8]) -> Kind {
        let text = text.trim_ascii();
        let Some(first) = text.first() else {
            return Kind::Null;
        };
        match first {
            b'0'..=b'9' | b'+' | b'-' | b'.' => of_digits(text),
            _ if is_truth(text) => Kind::Bool,
            _ if is_named_number(text) => Kind::Number,
            _ => Kind::Text,
        }
    }

    /// The kind of a JSON value that is no object, or is taken whole.
    pub(crate) fn of_json(json: &str) -> Kind {
        match json.as_bytes().first() {
            Some(b'n') | None => Kind::Null,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'"') => of_json_string(json),
            Some(b'[') => of_json_array(json),
            Some(b'{') => Kind::Mixed,
            Some(_) => of_number(json.as_bytes()),
        }
    }

    /// The smallest kind that holds the values of both, within one input.
    /// Text holds every scalar as it is spelled.
    #[must_use]
    pub fn join(self, other: Kind) -> Kind {
        use Kind::{Date, Large, List, Mixed, Null, Number, Text, Timestamp, TimestampNs, Whole};
        match (self, other) {
            (a, b) if a == b => a,
            (Null, kind) | (kind, Null) => kind,
            (Mixed, _) | (_, Mixed) => Mixed,
            (List(a), List(b)) => join_elements(*a, *b),
            (List(_), _) | (_, List(_)) => Mixed,
            (Text, _) | (_, Text) => Text,
            (Whole, Large) | (Large, Whole) => Large,
            (Whole | Large, Number) | (Number, Whole | Large) => Number,
            (Date, Timestamp) | (Timestamp, Date) => Timestamp,
            (TimestampNs, Date | Timestamp) | (Date | Timestamp, TimestampNs) => TimestampNs,
            _ => Mixed,
        }
    }

    /// The kind that holds the values of both files unchanged, if there is one.
    fn merge(&self, other: &Kind) -> Option<Kind> {
        match (self, other) {
            (a, b) if a == b => Some(a.clone()),
            (Kind::Null, kind) | (kind, Kind::Null) => Some(kind.clone()),
            (Kind::List(a), Kind::List(b)) => {
                a.merge(b).map(|element| Kind::List(Box::new(element)))
            }
            (Kind::Mixed, Kind::Exact(_)) | (Kind::Exact(_), Kind::Mixed) => None,
            (Kind::Mixed, _) | (_, Kind::Mixed) => Some(Kind::Mixed),
            (a, b) => merge_types(&a.column_type(), &b.column_type()).map(Kind::of_type),
        }
    }

    fn of_type(kind: ColumnType) -> Kind {
        let plain = [
            Kind::Bool,
            Kind::Whole,
            Kind::Number,
            Kind::Large,
            Kind::Date,
            Kind::Timestamp,
            Kind::TimestampNs,
            Kind::Text,
        ];
        let same = plain.into_iter().find(|plain| plain.column_type() == kind);
        same.unwrap_or(Kind::Exact(kind))
    }

    /// The type of a column of this kind; text where no value was seen.
    pub fn column_type(&self) -> ColumnType {
        match self {
            Kind::Null | Kind::Text => ColumnType::Text,
            Kind::Bool => ColumnType::Bool,
            Kind::Whole => ColumnType::I64,
            Kind::Number => ColumnType::F64,
            Kind::Large => ColumnType::Decimal(MOST_DIGITS, 0),
            Kind::Date => ColumnType::Date,
            Kind::Timestamp => ColumnType::Timestamp,
            Kind::TimestampNs => ColumnType::TimestampNs,
            Kind::List(element) => ColumnType::List(Box::new(element.column_type())),
            Kind::Mixed => ColumnType::Json,
            Kind::Exact(exact) => exact.clone(),
        }
    }
}

/// Elements of different kinds stay apart: `[1, "1"]` is no list of text.
fn join_elements(a: Kind, b: Kind) -> Kind {
    let is_text = |kind: &Kind| *kind == Kind::Text;
    let is_other =
        |kind: &Kind| matches!(kind, Kind::Bool | Kind::Whole | Kind::Number | Kind::Large);
    if (is_text(&a) && is_other(&b)) || (is_other(&a) && is_text(&b)) {
        return Kind::Mixed;
    }
    match a.join(b) {
        Kind::Mixed => Kind::Mixed,
        // No column holds nanoseconds inside of lists.
        Kind::TimestampNs => Kind::List(Box::new(Kind::Text)),
        element => Kind::List(Box::new(element)),
    }
}

fn of_digits(text: &[u8]) -> Kind {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(_) => return Kind::Text,
    };
    let digits = text.trim_start_matches(['+', '-']);
    let has_leading_zero =
        digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if text.len() - digits.len() <= 1 && !has_leading_zero {
        let kind = of_number(text.as_bytes());
        if kind != Kind::Text {
            return kind;
        }
    }
    match looks_like_timestamp(text) {
        Some(shape) => Kind::of_type(shape.column_type()),
        None => Kind::Text,
    }
}

/// A number by its spelling, text if it is none.
fn of_number(text: &[u8]) -> Kind {
    let large = ColumnType::Decimal(MOST_DIGITS, 0);
    let is_whole = text.iter().skip(1).all(u8::is_ascii_digit) && text.last() != Some(&b'.');
    if text == b"-0" || scalar::double(text) == Err(Fault::Type) {
        // Minus zero is a number that whole numbers do not have.
        return if text == b"-0" {
            Kind::Number
        } else {
            Kind::Text
        };
    }
    if !is_whole {
        Kind::Number
    } else if scalar::whole(&ColumnType::I64, text).is_ok() {
        Kind::Whole
    } else if scalar::decimal(&large, text).is_ok() {
        Kind::Large
    } else {
        Kind::Number
    }
}

fn is_truth(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false")
}

/// NaN and infinities.
fn is_named_number(text: &[u8]) -> bool {
    let named: [&[u8]; 3] = [b"nan", b"inf", b"infinity"];
    let name = text.strip_prefix(b"-").unwrap_or(text);
    named.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn of_json_string(json: &str) -> Kind {
    let text = json.trim_matches('"');
    match looks_like_timestamp(text) {
        Some(shape) => Kind::of_type(shape.column_type()),
        None if is_named_number(text.as_bytes()) => Kind::Number,
        None => Kind::Text,
    }
}

fn of_json_array(json: &str) -> Kind {
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) else {
        return Kind::Mixed;
    };
    let kinds = items.iter().map(|item| Kind::of_json(item.get()));
    kinds.fold(Kind::List(Box::new(Kind::Null)), |list, kind| match kind {
        Kind::List(_) | Kind::Mixed => Kind::Mixed,
        scalar => list.join(Kind::List(Box::new(scalar))),
    })
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Null => f.write_str("no value"),
            Kind::Bool => f.write_str("true or false"),
            Kind::Whole => f.write_str("whole numbers"),
            Kind::Number => f.write_str("numbers"),
            Kind::Large => f.write_str("whole numbers beyond 64 bits"),
            Kind::Date => f.write_str("dates"),
            Kind::Timestamp | Kind::TimestampNs => f.write_str("timestamps"),
            Kind::Text => f.write_str("text"),
            Kind::List(element) => write!(f, "lists of {element}"),
            Kind::Mixed => f.write_str("mixed values"),
            Kind::Exact(exact) => exact.fmt(f),
        }
    }
}

impl Inferred {
    /// The columns that a self-describing input declares.
    pub fn exact(source: &str, records: u64, fields: Vec<(String, ColumnType)>) -> Inferred {
        let field = |(name, kind)| Field {
            source: name,
            kind: Kind::Exact(kind),
            seen_in: source.to_owned(),
        };
        Inferred {
            records,
            fields: fields.into_iter().map(field).collect(),
            ..Inferred::default()
        }
    }

    /// All fields as nullable columns with folded names, and what a person
    /// should know about names that had to be numbered.
    ///
    /// # Errors
    /// Those of folding names.
    pub fn columns(&self) -> Result<(Vec<Column>, Vec<String>)> {
        columns(self.fields.iter())
    }

    /// The fields that hold a value as columns: what an existing definition
    /// has to have a place for.
    ///
    /// # Errors
    /// Those of folding names.
    pub fn columns_with_values(&self) -> Result<(Vec<Column>, Vec<String>)> {
        columns(self.fields.iter().filter(|field| field.kind != Kind::Null))
    }

    /// Takes in the columns of another input; its new fields come last.
    ///
    /// # Errors
    /// Invalid, if a field holds values in both that share no type, or if the
    /// columns of one have names and those of the other go by place: the
    /// message shows both inputs.
    pub fn merge(&mut self, other: Inferred) -> Result<()> {
        self.check_named_alike(&other)?;
        let mut places: HashMap<String, usize> = self.places();
        for field in other.fields {
            match places.get(&field.source) {
                Some(&place) => merge_field(&mut self.fields[place], field)?,
                None => {
                    places.insert(field.source.clone(), self.fields.len());
                    self.fields.push(field);
                }
            }
        }
        if self.fields.is_empty() || self.layout == InputLayout::default() {
            self.layout = other.layout;
        }
        self.records += other.records;
        for notice in other.notices {
            if !self.notices.contains(&notice) {
                self.notices.push(notice);
            }
        }
        Ok(())
    }

    fn check_named_alike(&self, other: &Inferred) -> Result<()> {
        let (Some(mine), Some(its)) = (self.fields.first(), other.fields.first()) else {
            return Ok(());
        };
        let (headed, headless) = match (self.goes_by_place(), other.goes_by_place()) {
            (false, true) => (mine, its),
            (true, false) => (its, mine),
            _ => return Ok(()),
        };
        Err(Error::invalid(format!(
            "the columns of {} have names (the first is \"{}\"), but {} has no header; ingest them into different tables, or give a definition with --schema",
            headed.seen_in, headed.source, headless.seen_in
        )))
    }

    fn goes_by_place(&self) -> bool {
        self.layout.header == Some(false)
    }

    fn places(&self) -> HashMap<String, usize> {
        let places = self.fields.iter().enumerate();
        places.map(|(i, f)| (f.source.clone(), i)).collect()
    }
}

fn columns<'a>(fields: impl Iterator<Item = &'a Field>) -> Result<(Vec<Column>, Vec<String>)> {
    let fields: Vec<_> = fields.collect();
    let sources: Vec<_> = fields.iter().map(|field| &field.source).collect();
    let folded = fold_all(&sources, OnCollision::Number)?;
    let columns = fields.iter().zip(folded.names).map(|(field, name)| {
        let mut column = Column::new(name.name, &field.source, field.kind.column_type());
        column.unit = name.unit;
        column
    });
    Ok((columns.collect(), folded.notices))
}

fn merge_field(mine: &mut Field, other: Field) -> Result<()> {
    let Some(kind) = mine.kind.merge(&other.kind) else {
        return Err(Error::invalid(format!(
            "field \"{}\" holds {} in {} but {} in {}; ingest them into different tables, or give a definition with --schema",
            mine.source, mine.kind, mine.seen_in, other.kind, other.seen_in
        )));
    };
    if kind == other.kind && kind != mine.kind {
        mine.seen_in = other.seen_in;
    }
    mine.kind = kind;
    Ok(())
}

/// The kinds of the fields of one input while it is read.
#[derive(Debug, Default)]
pub(crate) struct FieldKinds {
    fields: Vec<(String, Kind)>,
    places: HashMap<String, usize>,
}

impl FieldKinds {
    /// The place of a field, which is new if it was not seen before.
    pub(crate) fn place(&mut self, source: &str) -> usize {
        if let Some(place) = self.places.get(source) {
            return *place;
        }
        let place = self.fields.len();
        self.places.insert(source.to_owned(), place);
        self.fields.push((source.to_owned(), Kind::Null));
        place
    }

    /// Takes in the kind of one value.
    pub(crate) fn see(&mut self, place: usize, kind: Kind) {
        let seen = &mut self.fields[place].1;
        if *seen != kind {
            *seen = std::mem::replace(seen, Kind::Null).join(kind);
        }
    }

    /// The fields that were seen, in order of first appearance.
    pub(crate) fn finish(self, seen_in: &str, records: u64) -> Inferred {
        let field = |(source, kind)| Field {
            source,
            kind,
            seen_in: seen_in.to_owned(),
        };
        Inferred {
            records,
            fields: self.fields.into_iter().map(field).collect(),
            ..Inferred::default()
        }
    }
}
