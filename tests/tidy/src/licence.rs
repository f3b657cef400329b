//! Licence expressions, as far as crates write them: SPDX 2.3, annex D, and
//! the older `A/B` that means `A OR B`.
//!
//! An expression that cannot be read is an error: an unknown licence is not
//! a permitted one.

use std::fmt;

/// A licence expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// One licence, its exception included: `Apache-2.0 WITH LLVM-exception`.
    Licence(String),
    /// Every part binds.
    All(Vec<Expression>),
    /// The reader may choose.
    Any(Vec<Expression>),
}

/// Why a text is no licence expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(String);

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

impl Expression {
    /// Reads an expression; `AND` binds closer than `OR`, `WITH` closest.
    ///
    /// # Errors
    ///
    /// Names the word where the text stops to be an expression.
    pub fn parse(text: &str) -> Result<Expression, ParseError> {
        let mut words = Words::new(text);
        let expression = words.any()?;
        match words.next() {
            None => Ok(expression),
            Some(word) => Err(words.unexpected(&word)),
        }
    }

    /// Whether the licences of the list are enough to use the work.
    pub fn is_met_by(&self, permitted: &[&str]) -> bool {
        match self {
            Expression::Licence(name) => permitted.contains(&name.as_str()),
            Expression::All(parts) => parts.iter().all(|p| p.is_met_by(permitted)),
            Expression::Any(parts) => parts.iter().any(|p| p.is_met_by(permitted)),
        }
    }
}

struct Words {
    text: String,
    rest: Vec<String>,
}

impl Words {
    fn new(text: &str) -> Self {
        let spaced = text
            .replace('(', " ( ")
            .replace(')', " ) ")
            .replace('/', " OR ");
        Words {
            text: text.to_owned(),
            rest: spaced.split_whitespace().rev().map(str::to_owned).collect(),
        }
    }

    fn next(&mut self) -> Option<String> {
        self.rest.pop()
    }

    fn next_is(&mut self, word: &str) -> bool {
        let is = self.rest.last().is_some_and(|w| w == word);
        if is {
            self.rest.pop();
        }
        is
    }

    fn any(&mut self) -> Result<Expression, ParseError> {
        let mut parts = vec![self.all()?];
        while self.next_is("OR") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, ParseError> {
        let mut parts = vec![self.licence()?];
        while self.next_is("AND") {
            parts.push(self.licence()?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn licence(&mut self) -> Result<Expression, ParseError> {
        if self.next_is("(") {
            let inner = self.any()?;
            return match self.next_is(")") {
                true => Ok(inner),
                false => Err(ParseError(format!("no closing bracket in {:?}", self.text))),
            };
        }
        let name = self.name()?;
        if self.next_is("WITH") {
            let exception = self.name()?;
            return Ok(Expression::Licence(format!("{name} WITH {exception}")));
        }
        Ok(Expression::Licence(name))
    }

    fn name(&mut self) -> Result<String, ParseError> {
        match self.next() {
            Some(word) if !["AND", "OR", "WITH", "(", ")"].contains(&word.as_str()) => Ok(word),
            Some(word) => Err(self.unexpected(&word)),
            None => Err(ParseError(format!("{:?} ends too early", self.text))),
        }
    }

    fn unexpected(&self, word: &str) -> ParseError {
        ParseError(format!("unexpected {word:?} in {:?}", self.text))
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERMITTED: &[&str] = &["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];

    #[test]
    fn expressions_are_met_as_the_standard_says() {
        for (text, met) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0/MIT", true),
            ("GPL-3.0 / LGPL-3.0", false),
            ("MIT AND GPL-3.0", false),
            ("MIT AND GPL-3.0 OR Apache-2.0", true),
            ("MIT AND (GPL-3.0 OR Apache-2.0)", true),
            ("GPL-3.0 AND (MIT OR Apache-2.0)", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT WITH LLVM-exception", false),
            ("GPL-2.0 WITH Classpath-exception-2.0 OR MIT", true),
            ("((MIT))", true),
        ] {
            let expression = Expression::parse(text).unwrap();
            assert_eq!(expression.is_met_by(PERMITTED), met, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            "OR",
            "MIT OR",
            "MIT AND AND MIT",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
            "MIT WITH",
        ] {
            assert!(Expression::parse(text).is_err(), "{text:?}");
        }
    }
}
