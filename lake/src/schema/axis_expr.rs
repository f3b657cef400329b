//! Time axes on the command line.
//!
//! ```text
//! axis     = "none" | column | code "(" arguments ")" | "relative" "(" column "," unit ["," "run" "=" column] ")"
//! code     = "iso" | "seconds" | "millis" | "micros" | "nanos" | "cds" | "cuc" | "cfs"
//! argument = column | option "=" value
//! option   = "epoch" | "scale" | "fraction_bits"
//! column   = word | "quoted source name"
//! value    = word | 'quoted text'
//! ```
//!
//! Promises: a column may be said by its name in the table, its source name,
//! or anything that folds to its name; a bare column is read as `iso`.
//! Refuses, with the place in the text, whatever is left over, and bare
//! numbers: whether they count seconds or milliseconds is not guessed.

mod scan;
#[cfg(test)]
mod tests;

use super::check::code_name;
use super::near::did_you_mean;
use super::time::{CCSDS_EPOCH_MICROS, default_epoch, parse_iso};
use super::toml::{CODES, SCALES};
use super::{AbsoluteTime, Column, ColumnType, TimeAxis, TimeCode, TimeScale, names};
use crate::Result;

use scan::{Scanner, Word};

/// Reads an axis over the columns of a stream.
///
/// An error shows the place in `text`, counted in characters from 1. It is
/// [`crate::ErrorKind::NotFound`] where a named column is not there, else
/// [`crate::ErrorKind::Invalid`].
pub fn parse_axis(text: &str, columns: &[Column]) -> Result<TimeAxis> {
    Parser {
        scanner: Scanner::new(text),
        columns,
    }
    .axis()
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    columns: &'a [Column],
}

/// What stands between the brackets of a code.
#[derive(Default)]
struct Arguments {
    columns: Vec<String>,
    epoch: Option<i64>,
    scale: Option<TimeScale>,
    fraction_bits: Option<u8>,
}

impl Parser<'_> {
    fn axis(mut self) -> Result<TimeAxis> {
        let head = self.scanner.word("a column or a code")?;
        let axis = if !head.quoted && self.scanner.eat('(') {
            let axis = self.call(&head)?;
            self.scanner.expect(')')?;
            axis
        } else if !head.quoted && head.text == "none" {
            TimeAxis::None
        } else {
            self.bare_column(&head)?
        };
        self.scanner.expect_end()?;
        Ok(axis)
    }

    fn bare_column(&self, word: &Word) -> Result<TimeAxis> {
        let column = self.column(word)?;
        if column.kind.is_number() {
            let name = &column.name;
            return Err(self.scanner.error(
                word.at,
                format!(
                    "column {name:?} is {}: say what it counts, such as seconds({name}), millis({name}) or relative({name}, s)",
                    column.kind
                ),
            ));
        }
        let arguments = Arguments {
            columns: vec![column.name.clone()],
            ..Arguments::default()
        };
        self.absolute(TimeCode::Iso, arguments, word.at)
    }

    fn call(&mut self, head: &Word) -> Result<TimeAxis> {
        if head.text == "relative" {
            return self.relative();
        }
        let Some((_, code)) = CODES.iter().find(|(name, _)| *name == head.text) else {
            let names = CODES.iter().map(|(name, _)| *name);
            let known: Vec<&str> = names.chain(["relative"]).collect();
            return Err(self.scanner.error(
                head.at,
                format!(
                    "unknown time code {:?}{}: codes are {}",
                    head.text,
                    did_you_mean(&head.text, &known),
                    known.join(", ")
                ),
            ));
        };
        let arguments = self.arguments()?;
        let code = self.code_with_width(*code, &arguments, head.at)?;
        self.absolute(code, arguments, head.at)
    }

    fn relative(&mut self) -> Result<TimeAxis> {
        let word = self.scanner.word("the column that counts")?;
        let column = self.column(&word)?;
        if !column.kind.is_number() || !column.enumeration.is_empty() {
            let message = format!(
                "column {:?} is {}: a relative axis is a number",
                column.name, column.kind
            );
            return Err(self.scanner.error(word.at, message));
        }
        let column = column.name.clone();
        self.scanner.expect(',')?;
        let unit = self.scanner.word("the unit of the count, such as s")?.text;
        let run_key = if self.scanner.eat(',') {
            Some(self.run_key()?)
        } else {
            None
        };
        Ok(TimeAxis::Relative {
            column,
            unit,
            run_key,
        })
    }

    fn run_key(&mut self) -> Result<String> {
        let option = self.scanner.word("run=column")?;
        if option.text != "run" {
            let message = format!("unknown option {:?}: expected run=column", option.text);
            return Err(self.scanner.error(option.at, message));
        }
        self.scanner.expect('=')?;
        let word = self.scanner.word("the column that names the run")?;
        if word.text == names::INGEST_ID {
            return Ok(word.text);
        }
        Ok(self.column(&word)?.name.clone())
    }

    fn arguments(&mut self) -> Result<Arguments> {
        let mut arguments = Arguments::default();
        loop {
            let word = self.scanner.word("a column")?;
            if !word.quoted && self.scanner.eat('=') {
                self.option(&word, &mut arguments)?;
            } else {
                arguments.columns.push(self.column(&word)?.name.clone());
            }
            if !self.scanner.eat(',') {
                return Ok(arguments);
            }
        }
    }

    fn option(&mut self, option: &Word, arguments: &mut Arguments) -> Result<()> {
        let value = self.scanner.word("a value")?;
        match option.text.as_str() {
            "epoch" => arguments.epoch = Some(self.instant(&value)?),
            "scale" => arguments.scale = Some(self.scale(&value)?),
            "fraction_bits" => arguments.fraction_bits = Some(self.width(&value)?),
            other => {
                let known = ["epoch", "scale", "fraction_bits"];
                let message = format!(
                    "unknown option {other:?}{}: options are {}",
                    did_you_mean(other, &known),
                    known.join(", ")
                );
                return Err(self.scanner.error(option.at, message));
            }
        }
        Ok(())
    }

    fn instant(&self, value: &Word) -> Result<i64> {
        match parse_iso(&value.text) {
            Ok(instant) if instant.is_exact() => Ok(instant.micros),
            Ok(_) => Err(self
                .scanner
                .error(value.at, "the epoch is finer than a microsecond")),
            Err(why) => Err(self
                .scanner
                .error(value.at, format!("epoch {:?} is {why}", value.text))),
        }
    }

    fn scale(&self, value: &Word) -> Result<TimeScale> {
        let known = SCALES.iter().find(|(name, _)| *name == value.text);
        known.map(|(_, scale)| *scale).ok_or_else(|| {
            let message = format!("unknown scale {:?}: scales are utc, tai, gps", value.text);
            self.scanner.error(value.at, message)
        })
    }

    fn width(&self, value: &Word) -> Result<u8> {
        match value.text.parse() {
            Ok(bits @ 0..=56) => Ok(bits),
            _ => Err(self
                .scanner
                .error(value.at, "fraction_bits must be 0 to 56")),
        }
    }

    fn code_with_width(
        &self,
        code: TimeCode,
        arguments: &Arguments,
        at: usize,
    ) -> Result<TimeCode> {
        match (code, arguments.fraction_bits) {
            (TimeCode::Cuc { .. }, Some(fraction_bits)) => Ok(TimeCode::Cuc { fraction_bits }),
            (TimeCode::Cuc { .. }, None) if arguments.columns.len() == 1 => Ok(code),
            (TimeCode::Cuc { .. }, None) => Err(self.scanner.error(
                at,
                "cuc needs the width of its fraction, such as fraction_bits=16",
            )),
            (_, Some(_)) => Err(self.scanner.error(at, "fraction_bits belongs to cuc only")),
            (code, None) => Ok(code),
        }
    }

    fn absolute(&self, code: TimeCode, arguments: Arguments, at: usize) -> Result<TimeAxis> {
        if code == TimeCode::Iso && arguments.epoch.is_some() {
            return Err(self
                .scanner
                .error(at, "iso names instants and has no epoch: leave it out"));
        }
        let scale = arguments.scale.unwrap_or(TimeScale::Utc);
        let epoch_micros = arguments.epoch.or_else(|| default_epoch(code, scale)).ok_or_else(|| {
            self.scanner.error(
                at,
                format!(
                    "{} needs the epoch of its clock, a UTC instant, such as epoch='1980-01-06T00:00:00Z'",
                    code_name(code)
                ),
            )
        })?;
        let time = AbsoluteTime {
            columns: arguments.columns,
            code,
            epoch_micros,
            scale,
            valid_from_micros: CCSDS_EPOCH_MICROS,
            valid_to_micros: None,
        };
        super::check::check_absolute_over(self.columns, &time)
            .map_err(|why| self.scanner.error(at, why))?;
        Ok(TimeAxis::Absolute(time))
    }

    fn column(&self, word: &Word) -> Result<&Column> {
        let folded = names::fold(&word.text).name;
        let find = |wanted: &dyn Fn(&Column) -> bool| self.columns.iter().find(|c| wanted(c));
        find(&|c| c.source == word.text)
            .or_else(|| find(&|c| c.name == word.text))
            .or_else(|| find(&|c| c.name == folded))
            .ok_or_else(|| {
                let known: Vec<&str> = self.columns.iter().map(|c| c.source.as_str()).collect();
                let near = did_you_mean(&word.text, &known);
                self.scanner.not_found(
                    word.at,
                    format!(
                        "{:?} is no column of the stream{near}: columns are {}",
                        word.text,
                        listed(&known)
                    ),
                )
            })
    }
}

/// The first columns; wide streams have hundreds.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut list = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        list.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    list
}

/// Expressions for the columns that could be the axis, for a notice: nothing
/// is chosen for the user.
pub fn suggestions(columns: &[Column]) -> Vec<String> {
    let instants = columns
        .iter()
        .filter(|column| matches!(column.kind, ColumnType::Timestamp | ColumnType::TimestampNs));
    let counts = columns.iter().filter(|column| {
        let words = [
            "time",
            "timestamp",
            "ts",
            "t",
            "met",
            "epoch",
            "time_stamp",
            "utc",
        ];
        column.kind.is_number() && words.contains(&column.name.as_str())
    });
    let instants = instants.map(|column| quoted(&column.name));
    let counts = counts.map(|column| format!("relative({}, s)", quoted(&column.name)));
    instants.chain(counts).collect()
}

/// `none` as a column must be quoted.
fn quoted(name: &str) -> String {
    if name == "none" {
        format!("\"{name}\"")
    } else {
        name.to_string()
    }
}
