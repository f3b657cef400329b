//! The place of an error in a statement, shown to a person.
//!
//! Promises: one line of the statement and one with a mark under the place;
//! control characters of the statement do not reach the terminal.

use std::fmt;

use downlake_lake::Error;
use downlake_query::Place;
use unicode_width::UnicodeWidthChar;

/// Characters of a line that are shown around a place.
const SHOWN: usize = 100;

/// An error's place and the lines that show it. Stands in the chain of an
/// error as the cause next to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) place: Place,
    lines: String,
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines)
    }
}

/// Adds to an error where it is in the text, if that is known.
pub(crate) fn pointed(error: anyhow::Error, text: &str) -> anyhow::Error {
    let place = error.downcast_ref::<Error>().and_then(Place::of);
    match place.and_then(|place| Excerpt::of(text, place)) {
        Some(excerpt) => error.context(excerpt),
        None => error,
    }
}

impl Excerpt {
    fn of(text: &str, place: Place) -> Option<Excerpt> {
        let line = text
            .lines()
            .nth(usize::try_from(place.line.checked_sub(1)?).ok()?)?;
        let column = usize::try_from(place.column.checked_sub(1)?).ok()?;
        let letters: Vec<char> = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let column = column.min(letters.len());
        let start = column.saturating_sub(SHOWN / 2);
        let end = (start + SHOWN).min(letters.len());
        let head = match text.trim_end().lines().count() {
            0 | 1 => "  ".to_owned(),
            _ => format!("  line {}: ", place.line),
        };
        let cut = if start > 0 { "..." } else { "" };
        let tail = if end < letters.len() { "..." } else { "" };
        let shown: String = letters[start..end].iter().collect();
        let before: usize = letters[start..column]
            .iter()
            .map(|c| c.width().unwrap_or(0))
            .sum();
        let blanks = " ".repeat(head.len() + cut.len() + before);
        let marks = "^".repeat(word_width(&letters[column..end]));
        Some(Excerpt {
            place,
            lines: format!("{head}{cut}{shown}{tail}\n{blanks}{marks}"),
        })
    }
}

/// The width of the word at the beginning, or of one character.
fn word_width(letters: &[char]) -> usize {
    let word = letters
        .iter()
        .take_while(|c| c.is_alphanumeric() || **c == '_');
    word.map(|c| c.width().unwrap_or(0)).sum::<usize>().max(1)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, line: u64, column: u64, expected: &Expect) {
        let excerpt = Excerpt::of(text, Place { line, column });
        expected.assert_eq(&format!(
            "place\n{}\n",
            excerpt.map_or("none".to_owned(), |e| e.to_string())
        ));
    }

    #[test]
    fn a_mark_stands_under_the_place() {
        check(
            "SELECT presure FROM t",
            1,
            8,
            &expect![[r#"
            place
              SELECT presure FROM t
                     ^^^^^^^
        "#]],
        );
        check(
            "SELECT 1\n  FROM \u{1b}nowhere;\n",
            2,
            9,
            &expect![[r#"
            place
              line 2:   FROM  nowhere;
                              ^^^^^^^
        "#]],
        );
        check(
            "SELECT '日本', x",
            1,
            14,
            &expect![[r#"
            place
              SELECT '日本', x
                             ^
        "#]],
        );
        check(
            "SELECT 1 +",
            1,
            11,
            &expect![[r#"
            place
              SELECT 1 +
                        ^
        "#]],
        );
        check(
            "SELECT 1",
            7,
            1,
            &expect![[r#"
            place
            none
        "#]],
        );
        let long = format!("SELECT {}wrong{}", "a, ".repeat(60), ", b".repeat(60));
        check(
            &long,
            1,
            188,
            &expect![[r#"
            place
              ..., a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, wrong, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b...
                                                                   ^^^^^
        "#]],
        );
    }
}
