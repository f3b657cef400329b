//! What a word that is being typed may become.
//!
//! Promises: only looks at the text and at names it is given, except for
//! files, which the caller lists; what fits the place comes first. Columns
//! are those of the tables that the statement names, where it names any.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::command::{COMMANDS, FORMATS};
use super::lex::{Lexeme, Piece, is_word, lex};
use crate::plot::PlotKind;

/// Words of the language, as they are offered.
pub(crate) const KEYWORDS: [&str; 72] = [
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COPY",
    "CREATE",
    "CROSS",
    "CURRENT",
    "DATE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "ANALYZE",
    "FALSE",
    "FILTER",
    "FIRST",
    "FOLLOWING",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IF",
    "ILIKE",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "NULLS",
    "OF",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "REPLACE",
    "RIGHT",
    "ROWS",
    "SELECT",
    "SHOW",
    "TABLE",
    "TABLES",
    "THEN",
    "TIMESTAMP",
    "TO",
    "UNION",
    "VALUES",
    "VERSION",
    "VIEW",
    "WHERE",
];

/// Words that are not offered often enough to stand in the list above, but
/// have its colour.
pub(crate) const RARE_KEYWORDS: [&str; 9] = [
    "RANGE",
    "RECURSIVE",
    "TRUE",
    "UNBOUNDED",
    "USING",
    "WHEN",
    "WINDOW",
    "WITH",
    "ROW",
];

/// Words after which a table is named.
const BEFORE_TABLES: [&str; 6] = ["FROM", "JOIN", "INTO", "TABLE", "DESCRIBE", "COPY"];

/// The names of a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Tables and views with their columns.
    pub(crate) tables: BTreeMap<String, Vec<String>>,
    /// Functions that can be called.
    pub(crate) functions: Vec<String>,
}

/// What could stand where the cursor is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Candidates {
    /// Where the word begins that they replace.
    pub(crate) start: usize,
    pub(crate) words: Vec<String>,
    /// The word is a path: files are to be listed by the caller.
    pub(crate) is_path: bool,
}

/// The candidates for the word before the cursor.
pub(crate) fn complete(text: &str, cursor: usize, names: &Names) -> Candidates {
    let before = &text[..cursor];
    if let Some(command) = before.trim_start().strip_prefix('\\') {
        return complete_command(before, command, names);
    }
    let pieces = lex(before);
    match pieces.last().map(|last| (last.piece, *last)) {
        Some((Piece::Text { closed: false }, last)) => Candidates {
            start: last.start + 1,
            words: Vec::new(),
            is_path: is_source(before, &pieces),
        },
        Some((Piece::Quoted { closed: false }, last)) => {
            let columns = columns(text, names, None);
            let typed = &last.of(before)[1..];
            matching(
                last.start,
                typed,
                columns.into_iter().map(|c| quote(&c)),
                true,
            )
        }
        Some((Piece::Comment, _)) => Candidates::default(),
        _ => complete_word(text, before, &pieces, names),
    }
}

/// Whether the open text behind FROM, JOIN or TO is the name of a file.
fn is_source(before: &str, pieces: &[Lexeme]) -> bool {
    let words = pieces
        .iter()
        .rev()
        .skip(1)
        .filter(|l| !matches!(l.piece, Piece::Blank | Piece::Comment));
    let word = words.map(|l| l.of(before).to_uppercase()).next();
    word.is_some_and(|word| ["FROM", "JOIN", "TO", ","].contains(&word.as_str()))
}

fn complete_word(text: &str, before: &str, pieces: &[Lexeme], names: &Names) -> Candidates {
    let start = before.rfind(|c| !is_word(c)).map_or(0, |at| {
        at + before[at..].chars().next().map_or(1, char::len_utf8)
    });
    let typed = &before[start..];
    if let Some(table) = qualifier(before, start) {
        let columns = columns(text, names, Some(table));
        return matching(
            start,
            typed,
            columns.into_iter().map(|c| plain_or_quoted(&c)),
            false,
        );
    }
    let previous = previous_word(before, pieces, start);
    if previous.is_some_and(|word| BEFORE_TABLES.contains(&word.to_uppercase().as_str())) {
        let tables = names.tables.keys().map(|t| plain_or_quoted(t));
        return matching(start, typed, tables, false);
    }
    if typed.is_empty() {
        return Candidates {
            start,
            ..Candidates::default()
        };
    }
    let is_upper = typed.chars().any(char::is_uppercase);
    let keyword = |word: &str| {
        if is_upper {
            word.to_owned()
        } else {
            word.to_lowercase()
        }
    };
    let columns = columns(text, names, None)
        .into_iter()
        .map(|c| plain_or_quoted(&c));
    let tables = names.tables.keys().map(|t| plain_or_quoted(t));
    let keywords = KEYWORDS
        .iter()
        .chain(&RARE_KEYWORDS)
        .map(|word| keyword(word));
    let functions = names.functions.iter().map(|name| format!("{name}("));
    matching(
        start,
        typed,
        columns.chain(tables).chain(keywords).chain(functions),
        false,
    )
}

/// The word before a dot that ends right before the place.
fn qualifier(before: &str, start: usize) -> Option<&str> {
    let table = before[..start].strip_suffix('.')?;
    let from = table.rfind(|c| !is_word(c)).map_or(0, |at| at + 1);
    Some(&table[from..]).filter(|table| !table.is_empty())
}

fn previous_word<'a>(before: &'a str, pieces: &[Lexeme], start: usize) -> Option<&'a str> {
    let earlier = pieces.iter().rev().filter(|l| l.start < start);
    let mut meant = earlier.filter(|l| !matches!(l.piece, Piece::Blank | Piece::Comment));
    meant
        .next()
        .filter(|l| l.piece == Piece::Word)
        .map(|l| l.of(before))
}

/// The columns of one table by its name or alias; else of all tables that the
/// statement names; else of all there are.
fn columns(text: &str, names: &Names, table: Option<&str>) -> Vec<String> {
    let named = tables_of(text, names);
    let chosen: Vec<&str> = match table {
        Some(wanted) => {
            let wanted = wanted.to_lowercase();
            let by_alias = named.iter().find(|(alias, _)| *alias == wanted);
            by_alias.map(|(_, table)| *table).into_iter().collect()
        }
        None if named.is_empty() => names.tables.keys().map(String::as_str).collect(),
        None => named.iter().map(|(_, table)| *table).collect(),
    };
    let mut columns = Vec::new();
    for column in chosen
        .iter()
        .filter_map(|table| names.tables.get(*table))
        .flatten()
    {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    columns
}

/// The tables of a statement, by name and by alias.
fn tables_of<'a>(text: &str, names: &'a Names) -> Vec<(String, &'a str)> {
    let pieces = lex(text);
    let words: Vec<Lexeme> = pieces
        .into_iter()
        .filter(|l| !matches!(l.piece, Piece::Blank | Piece::Comment))
        .collect();
    let mut found = Vec::new();
    for (at, lexeme) in words.iter().enumerate() {
        let name = match lexeme.piece {
            Piece::Word => lexeme.of(text).to_lowercase(),
            Piece::Quoted { .. } => lexeme.of(text).trim_matches('"').to_owned(),
            _ => continue,
        };
        let Some((table, _)) = names.tables.get_key_value(&name) else {
            continue;
        };
        found.push((name, table.as_str()));
        let word = |at: usize| {
            words
                .get(at)
                .filter(|l| l.piece == Piece::Word)
                .map(|l| l.of(text))
        };
        let alias = match word(at + 1) {
            Some(r#as) if r#as.eq_ignore_ascii_case("as") => word(at + 2),
            other => other,
        };
        found.extend(
            alias
                .filter(|alias| !is_keyword(alias))
                .map(|alias| (alias.to_lowercase(), table.as_str())),
        );
    }
    found
}

/// Whether a word is one of the language.
pub(crate) fn is_keyword(word: &str) -> bool {
    let word = word.to_uppercase();
    KEYWORDS
        .iter()
        .chain(&RARE_KEYWORDS)
        .any(|keyword| *keyword == word)
}

/// A name as it must be written.
fn plain_or_quoted(name: &str) -> String {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !is_keyword(name);
    if plain { name.to_owned() } else { quote(name) }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The words that begin with what was typed, without regard to case.
fn matching(
    start: usize,
    typed: &str,
    words: impl Iterator<Item = String>,
    in_quotes: bool,
) -> Candidates {
    let typed = typed.to_lowercase();
    let mut matching: Vec<String> = Vec::new();
    for word in words {
        let bare = if in_quotes || word.starts_with('"') {
            word.trim_matches('"')
        } else {
            &word
        };
        if bare.to_lowercase().starts_with(&typed) && !matching.contains(&word) {
            matching.push(word);
        }
    }
    Candidates {
        start,
        words: matching,
        is_path: false,
    }
}

fn complete_command(before: &str, command: &str, names: &Names) -> Candidates {
    let Some((name, _)) = command.split_once(char::is_whitespace) else {
        let start = before.len() - command.len() - 1;
        let words = COMMANDS.iter().map(|(name, ..)| format!("\\{name}"));
        return matching(start, &before[start..], words, false);
    };
    let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let typed = &before[start..];
    let is_first = command.split_whitespace().count() <= 1 + usize::from(!typed.is_empty());
    let words: Vec<String> = match name {
        "d" => names.tables.keys().cloned().collect(),
        "f" => FORMATS.map(str::to_owned).to_vec(),
        "plot" if is_first => PlotKind::NAMES.map(str::to_owned).to_vec(),
        "o" | "plot" => {
            return Candidates {
                start,
                words: Vec::new(),
                is_path: true,
            };
        }
        _ => Vec::new(),
    };
    matching(start, typed, words.into_iter(), false)
}
