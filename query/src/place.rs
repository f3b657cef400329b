//! Where in a text of SQL an error is.
//!
//! Promises: a place is one of the text that was parsed; an error whose place
//! is not known has none, never a wrong one. Errors of the parser and of the
//! engine say it themselves; of a name that does not exist it is the first
//! word of the statement that is that name.

use std::error::Error as StdError;

use datafusion::common::Span;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use downlake_lake::{Error, ErrorKind};
use thiserror::Error as ThisError;

/// A place in a text: line and column, both from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("line {line}, column {column}")]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Place {
    /// The place that an error of this crate carries.
    pub fn of(error: &Error) -> Option<Place> {
        error.source()?.downcast_ref().copied()
    }

    pub(crate) fn at(location: Location) -> Option<Place> {
        (location.line > 0).then_some(Place {
            line: location.line,
            column: location.column,
        })
    }
}

/// The name that an error is about, until its place is found.
#[derive(Debug, ThisError)]
#[error("{0}")]
pub(crate) struct Missing(pub(crate) String);

/// The words of a statement with their places.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words(Vec<(String, Place)>);

impl Words {
    pub(crate) fn of(tokens: &[TokenWithSpan]) -> Words {
        let word = |token: &TokenWithSpan| {
            let text = match &token.token {
                Token::Word(word) => word.value.clone(),
                Token::SingleQuotedString(text) => text.clone(),
                _ => return None,
            };
            Some((text, Place::at(token.span.start)?))
        };
        Words(tokens.iter().filter_map(word).collect())
    }

    fn find(&self, name: &str) -> Option<Place> {
        let found = self
            .0
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(name));
        found.map(|(_, place)| *place)
    }

    /// Gives an error about a name the place of that name.
    pub(crate) fn place(&self, error: Error) -> Error {
        let missing = error
            .source()
            .and_then(|source| source.downcast_ref::<Missing>());
        match missing.map(|Missing(name)| self.find(name)) {
            Some(Some(place)) => error.with_source(place),
            Some(None) => bare(&error),
            None => error,
        }
    }
}

/// Gives an error the place of a span, where nothing better is known.
pub(crate) fn placed(error: Error, span: Option<Span>) -> Error {
    let place = span.and_then(|span| Place::at(Location::new(span.start.line, span.start.column)));
    match place {
        Some(place) if error.source().is_none() || is_about_a_name(&error) => {
            error.with_source(place)
        }
        _ => error,
    }
}

fn is_about_a_name(error: &Error) -> bool {
    error.source().is_some_and(|source| source.is::<Missing>())
}

/// An error of another text: its place would be a wrong one here.
pub(crate) fn without_place(error: Error) -> Error {
    match Place::of(&error) {
        Some(_) => bare(&error),
        None => error,
    }
}

fn bare(error: &Error) -> Error {
    let kind: ErrorKind = error.kind();
    Error::new(kind, error.message())
}

/// Gives an error of the parser the place that its message ends with, or that
/// of the end where something was expected there.
pub(crate) fn parser_error(error: Error, tokens: &[TokenWithSpan]) -> Error {
    let stated = error
        .message()
        .rsplit_once(" at Line: ")
        .and_then(|(_, place)| {
            let (line, column) = place.split_once(", Column: ")?;
            Some(Place {
                line: line.parse().ok()?,
                column: column.parse().ok()?,
            })
        });
    let end = || {
        let at_end = error.message().contains("found: EOF");
        let last = tokens.last().filter(|_| at_end)?;
        Place::at(last.span.end)
    };
    match stated.or_else(end) {
        Some(place) if error.source().is_none() => error.with_source(place),
        _ => error,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::parse::parse;

    #[test]
    fn errors_of_the_parser_have_places() {
        for (text, place) in [
            ("SELEC 1", Some((1, 1))),
            ("SELECT 1;\n SELECT 2 FORM", None),
            ("SELECT 1;\n SELECT a FROM b c d", Some((2, 20))),
            ("SELECT 1 +", Some((1, 11))),
            ("SELECT 'open", Some((1, 8))),
        ] {
            let found = parse(text).err().and_then(|error| Place::of(&error));
            assert_eq!(found.map(|p| (p.line, p.column)), place, "{text}");
        }
    }

    #[test]
    fn a_name_has_the_place_of_its_word() {
        let statement = parse("SELECT a,\n  Presure FROM t").unwrap().remove(0);
        let missing = |name: &str| {
            let error = Error::not_found("x").with_source(Missing(name.to_owned()));
            Place::of(&statement.words.place(error)).map(|p| (p.line, p.column))
        };
        assert_eq!(missing("presure"), Some((2, 3)));
        assert_eq!(missing("elsewhere"), None);
    }
}
