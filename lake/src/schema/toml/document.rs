//! Typed access to a TOML document, with errors that point at its text.
//!
//! Every error is [`crate::ErrorKind::Invalid`] and begins with file, line and
//! column.

use std::ops::Range;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use crate::schema::near::did_you_mean;
use crate::schema::time::parse_iso;
use crate::{Error, Result};

/// The text that errors point into.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The whole text.
    pub text: &'a str,
    /// What errors call it.
    pub file_name: &'a str,
}

impl<'a> Document<'a> {
    /// The tree of the text.
    ///
    /// # Errors
    /// The text is no TOML.
    pub fn parse(&self) -> Result<Spanned<DeTable<'a>>> {
        DeTable::parse(self.text).map_err(|error| {
            self.error(
                error.span().unwrap_or(0..0),
                format!("not TOML: {}", error.message()),
            )
        })
    }

    /// An error at a place of the text.
    pub fn error(&self, span: Range<usize>, message: impl std::fmt::Display) -> Error {
        let (line, column) = self.position(span.start);
        Error::invalid(format!("{}:{line}:{column}: {message}", self.file_name))
    }

    /// Line and column, both from 1; columns count characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line_start = before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = String::from_utf8_lossy(&before[line_start..])
            .chars()
            .count()
            + 1;
        (line, column)
    }
}

/// One table of the document, with the keys that it may have.
#[derive(Debug)]
pub struct Section<'a> {
    document: Document<'a>,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    title: String,
}

impl<'a> Section<'a> {
    /// A table, which may have these keys and no others.
    ///
    /// # Errors
    /// It has another one; the error names what is near.
    pub fn open(
        document: Document<'a>,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        title: impl Into<String>,
        keys: &[&str],
    ) -> Result<Self> {
        let section = Section {
            document,
            table,
            span,
            title: title.into(),
        };
        section.refuse_other_keys(keys)?;
        Ok(section)
    }

    fn refuse_other_keys(&self, keys: &[&str]) -> Result<()> {
        let mut unknown: Vec<_> = self
            .table
            .keys()
            .filter(|key| !keys.contains(&key.get_ref().as_ref()))
            .collect();
        unknown.sort_by_key(|key| key.span().start);
        let Some(key) = unknown.first() else {
            return Ok(());
        };
        let name = key.get_ref().as_ref();
        Err(self.document.error(
            key.span(),
            format!(
                "unknown key {name:?} in {}{}: keys are {}",
                self.title,
                did_you_mean(name, keys),
                keys.join(", ")
            ),
        ))
    }

    /// The value of a key, if it is there.
    pub fn get(&self, key: &'static str) -> Option<Value<'a>> {
        let value = self.table.get(key)?;
        Some(Value {
            document: self.document,
            key,
            value,
        })
    }

    /// The value of a key that must be there; `such_as` shows one.
    ///
    /// # Errors
    /// It is not there.
    pub fn need(&self, key: &'static str, such_as: &str) -> Result<Value<'a>> {
        self.get(key).ok_or_else(|| {
            self.error(format!(
                "{} lacks the key {key:?}, such as {such_as}",
                self.title
            ))
        })
    }

    /// An error at this place.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        self.document.error(self.span.clone(), message)
    }

    /// A text.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&self, key: &'static str) -> Result<Option<String>> {
        self.get(key)
            .map(|value| Ok(value.text()?.to_string()))
            .transpose()
    }

    /// Texts in an array; none where the key is not there.
    ///
    /// # Errors
    /// It is something else.
    pub fn texts(&self, key: &'static str) -> Result<Vec<String>> {
        self.get(key).map_or(Ok(Vec::new()), |value| value.texts())
    }

    /// True or false.
    ///
    /// # Errors
    /// It is something else.
    pub fn boolean(&self, key: &'static str) -> Result<Option<bool>> {
        self.get(key).map(|value| value.boolean()).transpose()
    }

    /// A number that a double holds.
    ///
    /// # Errors
    /// It is something else.
    pub fn number(&self, key: &'static str) -> Result<Option<f64>> {
        self.get(key).map(|value| value.number()).transpose()
    }

    /// The value of a key that is one of few words.
    ///
    /// # Errors
    /// It is something else; the error names what is near.
    pub fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: T) -> Result<T> {
        self.get(key).map_or(Ok(default), |value| value.word(words))
    }
}

/// The value of one key.
#[derive(Debug, Clone)]
pub struct Value<'a> {
    document: Document<'a>,
    key: &'static str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    /// An error at this place.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        self.document.error(self.value.span(), message)
    }

    /// The line that it begins in, from 1.
    pub fn line(&self) -> usize {
        self.document.position(self.value.span().start).0
    }

    /// An error that says what it is and what it should be.
    pub fn expected(&self, what: &str) -> Error {
        let found = self.value.get_ref().type_str();
        self.error(format!(
            "{} is {}: expected {what}",
            self.key,
            with_article(found)
        ))
    }

    /// A text.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&self) -> Result<&'a str> {
        self.value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.expected("a text"))
    }

    /// True or false.
    ///
    /// # Errors
    /// It is something else.
    pub fn boolean(&self) -> Result<bool> {
        self.value
            .get_ref()
            .as_bool()
            .ok_or_else(|| self.expected("true or false"))
    }

    /// A number that a double holds.
    ///
    /// # Errors
    /// It is something else.
    pub fn number(&self) -> Result<f64> {
        let number = match self.value.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(_) => {
                let whole = self.whole()?;
                exact_float(whole)
            }
            _ => None,
        };
        number.ok_or_else(|| self.expected("a number that a double holds"))
    }

    /// A whole number of 64 bits.
    ///
    /// # Errors
    /// It is something else.
    pub fn whole(&self) -> Result<i64> {
        let DeValue::Integer(integer) = self.value.get_ref() else {
            return Err(self.expected("a whole number"));
        };
        i64::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| self.expected("a whole number of 64 bits"))
    }

    /// One of few words.
    ///
    /// # Errors
    /// It is something else; the error names what is near.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T> {
        let text = self.text()?;
        if let Some((_, word)) = words.iter().find(|(name, _)| *name == text) {
            return Ok(*word);
        }
        let known: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        Err(self.error(format!(
            "{} is {text:?}{}: expected {}",
            self.key,
            did_you_mean(text, &known),
            known.join(", ")
        )))
    }

    /// The elements of an array.
    ///
    /// # Errors
    /// It is something else.
    pub fn items(&self) -> Result<Vec<Value<'a>>> {
        let DeValue::Array(array) = self.value.get_ref() else {
            return Err(self.expected("an array"));
        };
        Ok(array
            .iter()
            .map(|value| Value {
                value,
                ..self.clone()
            })
            .collect())
    }

    /// Texts in an array.
    ///
    /// # Errors
    /// It is something else.
    pub fn texts(&self) -> Result<Vec<String>> {
        let items = self.items()?;
        items
            .iter()
            .map(|item| Ok(item.text()?.to_string()))
            .collect()
    }

    /// A table, which may have these keys and no others.
    ///
    /// # Errors
    /// It is no table, or has another key.
    pub fn section(&self, title: impl Into<String>, keys: &[&str]) -> Result<Section<'a>> {
        Section::open(self.document, self.table()?, self.value.span(), title, keys)
    }

    /// Keys with their values, in the order of the text.
    ///
    /// # Errors
    /// It is no table.
    pub fn entries(&self) -> Result<Vec<(&'a str, Value<'a>)>> {
        let mut entries: Vec<_> = self.table()?.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let value = |value| Value {
            value,
            ..self.clone()
        };
        Ok(entries
            .into_iter()
            .map(|(key, v)| (key.get_ref().as_ref(), value(v)))
            .collect())
    }

    /// Microseconds since 1970-01-01 UTC, of a text or a TOML date.
    ///
    /// # Errors
    /// It is no instant, or finer than a microsecond.
    pub fn instant(&self) -> Result<i64> {
        let text = match self.value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(datetime) => datetime.to_string(),
            _ => return Err(self.expected("an instant such as \"2000-01-01T12:00:00Z\"")),
        };
        let instant = parse_iso(&text)
            .map_err(|why| self.error(format!("{} {text:?} is {why}", self.key)))?;
        if !instant.is_exact() {
            return Err(self.error(format!("{} {text:?} is finer than a microsecond", self.key)));
        }
        Ok(instant.micros)
    }

    fn table(&self) -> Result<&'a DeTable<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.expected("a table")),
        }
    }
}

/// A double, where it holds the number exactly.
#[expect(
    clippy::cast_precision_loss,
    reason = "whole numbers below 2^53 are exact in a double"
)]
fn exact_float(whole: i64) -> Option<f64> {
    (whole.unsigned_abs() <= 1 << 53).then_some(whole as f64)
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}
