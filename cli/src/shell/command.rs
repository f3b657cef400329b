//! Commands of the shell: lines that begin with a backslash.

use std::path::PathBuf;
use std::time::Duration;

use downlake_lake::{Error, Result};
use downlake_query::output::Format;

use crate::plot::PlotKind;

/// The commands, what they take, and what they do.
pub(crate) const COMMANDS: [(&str, &str, &str); 9] = [
    (
        "d",
        "[TABLE]",
        "the tables and views, or the columns of one",
    ),
    (
        "f",
        "[FORMAT]",
        "the format of results: table, csv, json, arrow, parquet",
    ),
    (
        "o",
        "[FILE]",
        "results go to a file; without one, to the screen again",
    ),
    (
        "plot",
        "[KIND] [FILE]",
        "draw the last query: line, scatter, histogram, spectrum; to .svg or .png",
    ),
    ("timing", "[on|off]", "say how long statements take"),
    (
        "watch",
        "[SECONDS]",
        "run the last query again and again (default 2), until Ctrl-C",
    ),
    ("x", "[on|off]", "each row as a block of lines"),
    ("?", "", "this help"),
    ("q", "", "leave; so does Ctrl-D"),
];

/// Formats of results, as they are written.
pub(crate) const FORMATS: [&str; 5] = ["table", "csv", "json", "arrow", "parquet"];

/// How often `\watch` asks where nobody says it.
const WATCH_DEFAULT: Duration = Duration::from_secs(2);

/// What a command asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Describe(Option<String>),
    Format(Option<Format>),
    Output(Option<PathBuf>),
    Plot(PlotKind, Option<PathBuf>),
    /// On, off, or the other way round.
    Timing(Option<bool>),
    Watch(Duration),
    Blocks(Option<bool>),
    Help,
    Quit,
}

impl Command {
    /// Reads a line that begins with a backslash. A `;` at its end is forgiven.
    ///
    /// # Errors
    /// `Invalid`, with what there is.
    pub(crate) fn parse(line: &str) -> Result<Command> {
        let line = line.trim().trim_end_matches(';').trim_end();
        let line = line.strip_prefix('\\').unwrap_or(line);
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let words = words(rest);
        let first = words.first().map(String::as_str);
        let most = if name == "plot" { 2 } else { 1 };
        if words.len() > most {
            return Err(Error::invalid(format!(
                "\\{name} takes {most} word{} at most; quote what has blanks",
                if most == 1 { "" } else { "s" }
            )));
        }
        match name {
            "d" => Ok(Command::Describe(words.into_iter().next())),
            "f" => Ok(Command::Format(first.map(str::parse).transpose()?)),
            "o" => Ok(Command::Output(first.map(PathBuf::from))),
            "plot" => plot(&words),
            "timing" => Ok(Command::Timing(switch(first)?)),
            "watch" => watch(first),
            "x" => Ok(Command::Blocks(switch(first)?)),
            "?" | "h" | "help" => Ok(Command::Help),
            "q" | "quit" | "exit" => Ok(Command::Quit),
            other => Err(Error::invalid(format!(
                "no command \\{other}; \\? lists those there are"
            ))),
        }
    }
}

fn plot(words: &[String]) -> Result<Command> {
    let (kind, file) = match words {
        [] => (None, None),
        [only] if only.contains('.') => (None, Some(only)),
        [kind] => (Some(kind), None),
        [kind, file, ..] => (Some(kind), Some(file)),
    };
    let kind = kind.map(|kind| kind.parse()).transpose()?;
    Ok(Command::Plot(
        kind.unwrap_or_default(),
        file.map(PathBuf::from),
    ))
}

fn watch(word: Option<&str>) -> Result<Command> {
    let Some(word) = word else {
        return Ok(Command::Watch(WATCH_DEFAULT));
    };
    let seconds = word
        .parse::<f64>()
        .ok()
        .filter(|s| (0.1..=86_400.0).contains(s));
    let seconds = seconds.ok_or_else(|| {
        Error::invalid(format!(
            "\"{word}\" is no number of seconds from 0.1 to 86400"
        ))
    })?;
    Ok(Command::Watch(Duration::from_secs_f64(seconds)))
}

fn switch(word: Option<&str>) -> Result<Option<bool>> {
    match word {
        None => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        Some(other) => Err(Error::invalid(format!("\"{other}\" is neither on nor off"))),
    }
}

/// Words between blanks; quotes, single or double, keep blanks together.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut quote: Option<char> = None;
    let mut inside = false;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                if !inside {
                    words.push(String::new());
                    inside = true;
                }
            }
            None if c.is_whitespace() => inside = false,
            _ => {
                if !inside {
                    words.push(String::new());
                    inside = true;
                }
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words
}

/// The help.
pub(crate) fn help() -> String {
    let head = "A statement ends with ; and may take several lines. Commands take one line:\n\n";
    let lines = COMMANDS.iter().map(|(name, takes, does)| {
        let usage = format!("\\{name} {takes}");
        format!("  {usage:<22} {does}\n")
    });
    let tail = "\nTab completes, Ctrl-R searches the history, Ctrl-C cancels a query or clears the line.\n";
    format!("{head}{}{tail}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn commands_are_read() {
        let lines = [
            "\\d",
            "\\d \"My Table\";",
            "\\f csv",
            "\\f xml",
            "\\o",
            "\\o 'a b.csv'",
            "\\plot",
            "\\plot spectrum",
            "\\plot out.svg",
            "\\plot histogram out.png",
            "\\plot pie",
            "\\plot line a.svg b",
            "\\timing",
            "\\timing on",
            "\\timing maybe",
            "\\watch",
            "\\watch 0.5",
            "\\watch -1",
            "\\x off",
            "\\?",
            "\\q",
            "\\quit;",
            "\\frobnicate",
        ];
        let read = lines.map(|line| match Command::parse(line) {
            Ok(command) => format!("{line} => {command:?}"),
            Err(error) => format!("{line} => {error}"),
        });
        expect![[r#"
            \d => Describe(None)
            \d "My Table"; => Describe(Some("My Table"))
            \f csv => Format(Some(Csv))
            \f xml => no output format "xml": one of table, csv, json, arrow, parquet
            \o => Output(None)
            \o 'a b.csv' => Output(Some("a b.csv"))
            \plot => Plot(Line, None)
            \plot spectrum => Plot(Spectrum, None)
            \plot out.svg => Plot(Line, Some("out.svg"))
            \plot histogram out.png => Plot(Histogram, Some("out.png"))
            \plot pie => no plot "pie": one of line, scatter, histogram, spectrum
            \plot line a.svg b => \plot takes 2 words at most; quote what has blanks
            \timing => Timing(None)
            \timing on => Timing(Some(true))
            \timing maybe => "maybe" is neither on nor off
            \watch => Watch(2s)
            \watch 0.5 => Watch(500ms)
            \watch -1 => "-1" is no number of seconds from 0.1 to 86400
            \x off => Blocks(Some(false))
            \? => Help
            \q => Quit
            \quit; => Quit
            \frobnicate => no command \frobnicate; \? lists those there are"#]]
        .assert_eq(&read.join("\n"));
    }

    #[test]
    fn the_help_fits_a_terminal() {
        for line in help().lines() {
            assert!(line.chars().count() <= 110, "{line}");
        }
    }
}
