//! Which columns an input holds, from one pass over its values.
//!
//! Promises: fields come in order of first appearance; a kind covers every
//! value that was seen; files whose kinds cannot be joined without changing a
//! value are an error that shows both. Refuses to guess beyond spelling: `007`
//! and `0652` stay text, since a number would lose the zeros.

use std::collections::HashMap;
use std::fmt;

use downlake_lake::schema::{Column, ColumnType, InputLayout};
use downlake_lake::{Error, Result};

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
    /// The smallest kind that holds the values of both, within one input.
    #[must_use]
    pub fn join(self, other: Kind) -> Kind {
        use Kind::{List, Mixed, Null, Number, Text, Timestamp, TimestampNs, Whole};
        match (self, other) {
            (a, b) if a == b => a,
            (Null, kind) | (kind, Null) => kind,
            (Whole, Number) | (Number, Whole) => Number,
            (Timestamp, TimestampNs) | (TimestampNs, Timestamp) => TimestampNs,
            (Text, Timestamp | TimestampNs) | (Timestamp | TimestampNs, Text) => Text,
            (List(a), List(b)) => match a.join(*b) {
                Mixed => Mixed,
                kind => List(Box::new(kind)),
            },
            _ => Mixed,
        }
    }

    /// The kind that holds the values of both files unchanged, if there is one.
    fn merge(&self, other: &Kind) -> Option<Kind> {
        use Kind::{Exact, List, Mixed, Null, Number, Timestamp, TimestampNs, Whole};
        match (self, other) {
            (a, b) if a == b => Some(a.clone()),
            (Null, kind) | (kind, Null) => Some(kind.clone()),
            (Whole, Number) | (Number, Whole) => Some(Number),
            (Timestamp, TimestampNs) | (TimestampNs, Timestamp) => Some(TimestampNs),
            (Mixed, Exact(_)) | (Exact(_), Mixed) => None,
            (Mixed, _) | (_, Mixed) => Some(Mixed),
            (List(a), List(b)) => a.merge(b).map(|kind| List(Box::new(kind))),
            (Exact(exact), kind) | (kind, Exact(exact)) => {
                (kind.column_type() == *exact).then(|| Exact(exact.clone()))
            }
            _ => None,
        }
    }

    /// The type of a column of this kind; text where no value was seen.
    pub fn column_type(&self) -> ColumnType {
        match self {
            Kind::Null | Kind::Text => ColumnType::Text,
            Kind::Bool => ColumnType::Bool,
            Kind::Whole => ColumnType::I64,
            Kind::Number => ColumnType::F64,
            Kind::Timestamp => ColumnType::Timestamp,
            Kind::TimestampNs => ColumnType::TimestampNs,
            Kind::List(element) => ColumnType::List(Box::new(element.column_type())),
            Kind::Mixed => ColumnType::Json,
            Kind::Exact(exact) => exact.clone(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Null => f.write_str("no value"),
            Kind::Bool => f.write_str("true or false"),
            Kind::Whole => f.write_str("whole numbers"),
            Kind::Number => f.write_str("numbers"),
            Kind::Timestamp | Kind::TimestampNs => f.write_str("timestamps"),
            Kind::Text => f.write_str("text"),
            Kind::List(element) => write!(f, "lists of {element}"),
            Kind::Mixed => f.write_str("mixed values"),
            Kind::Exact(exact) => write!(f, "{exact:?}"),
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

    /// Takes in the columns of another input; its new fields come last.
    ///
    /// # Errors
    /// Invalid, if a field holds values in both that share no type: the
    /// message shows both inputs and both kinds.
    pub fn merge(&mut self, other: Inferred) -> Result<()> {
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
        if self.layout == InputLayout::default() {
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

    fn places(&self) -> HashMap<String, usize> {
        let places = self.fields.iter().enumerate();
        places.map(|(i, f)| (f.source.clone(), i)).collect()
    }
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
