//! Words and marks of an axis expression.

use crate::{Error, Result};

/// A word, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) at: usize,
    pub(super) quoted: bool,
}

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Scanner { text, at: 0 }
    }

    /// Takes a mark if it is next.
    pub(super) fn eat(&mut self, mark: char) -> bool {
        self.skip_blanks();
        let next = self.rest().starts_with(mark);
        if next {
            self.at += mark.len_utf8();
        }
        next
    }

    pub(super) fn expect(&mut self, mark: char) -> Result<()> {
        if self.eat(mark) {
            return Ok(());
        }
        Err(self.expected(&format!("{mark:?}")))
    }

    pub(super) fn expect_end(&mut self) -> Result<()> {
        self.skip_blanks();
        if self.rest().is_empty() {
            return Ok(());
        }
        Err(self.expected("the end"))
    }

    /// A bare or quoted word; `what` says what it stands for.
    pub(super) fn word(&mut self, what: &str) -> Result<Word> {
        self.skip_blanks();
        let at = self.at;
        match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => {
                self.at += 1;
                self.quoted(quote, at)
            }
            _ => self.bare(what),
        }
    }

    /// An error at a place of the text.
    pub(super) fn error(&self, at: usize, message: impl std::fmt::Display) -> Error {
        Error::invalid(self.placed(at, message))
    }

    /// An error about a column that is not there.
    pub(super) fn not_found(&self, at: usize, message: impl std::fmt::Display) -> Error {
        Error::not_found(self.placed(at, message))
    }

    fn placed(&self, at: usize, message: impl std::fmt::Display) -> String {
        let place = self.text[..at].chars().count() + 1;
        format!("time axis {:?}, character {place}: {message}", self.text)
    }

    fn bare(&mut self, what: &str) -> Result<Word> {
        let rest = self.rest();
        let ends = |c: char| c.is_whitespace() || "(),='\"".contains(c);
        let length = rest.find(ends).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.expected(what));
        }
        let word = Word {
            text: rest[..length].to_string(),
            at: self.at,
            quoted: false,
        };
        self.at += length;
        Ok(word)
    }

    /// Inside quotes a doubled quote stands for itself.
    fn quoted(&mut self, quote: char, at: usize) -> Result<Word> {
        let mut text = String::new();
        loop {
            let Some(length) = self.rest().find(quote) else {
                return Err(self.error(at, format!("the {quote} is not closed")));
            };
            text.push_str(&self.rest()[..length]);
            self.at += length + quote.len_utf8();
            if !self.rest().starts_with(quote) {
                return Ok(Word {
                    text,
                    at,
                    quoted: true,
                });
            }
            self.at += quote.len_utf8();
            text.push(quote);
        }
    }

    fn expected(&self, what: &str) -> Error {
        let found = match self.rest().chars().next() {
            Some(c) => format!("found {c:?}"),
            None => "found the end".to_string(),
        };
        self.error(self.at, format!("expected {what}, {found}"))
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
}
