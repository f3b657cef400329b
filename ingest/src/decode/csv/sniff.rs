//! What delimited text does not say: its delimiter and whether it has a header.
//!
//! The first 64 KiB decide. Delimiter: of comma, semicolon, tab and bar the
//! one that stands equally often, and at least once, in all records; else
//! runs of blanks, if they cut every record into the same number of two or
//! more fields; else the one that stands equally often in most records; else
//! the comma. Header: the first record,
//!
//! * if it names the columns that are known, whatever follows it
//! * if some column has text in it that stands for no missing value, and
//!   nothing but numbers, timestamps and truths below
//! * else unless a field of it is such a value and the same field of the next
//!   record is one too (or there is no next record)

use downlake_lake::schema::InputLayout;

use crate::infer::Kind;

/// How much of the input is looked at.
pub(super) const HEAD: usize = 64 << 10;

const DELIMITERS: &[u8] = b",;\t|";

/// What other programs write where a value is missing, lower case.
const MISSING: [&[u8]; 9] = [
    b"na", b"n/a", b"#n/a", b"null", b"none", b"nil", b"-", b"--", b"?",
];

/// How an input is cut into records and fields.
pub(super) struct Sniffed {
    pub(super) delimiter: u8,
    pub(super) has_header: bool,
    /// Number of fields of the first record.
    pub(super) width: usize,
}

/// What the layout says, and the rest by looks.
pub(super) fn sniff(head: &[u8], layout: &InputLayout) -> Sniffed {
    let delimiter = layout.delimiter.unwrap_or_else(|| delimiter(head));
    let records = records(head, delimiter);
    let by_looks = || has_header(&records, &layout.null_values);
    Sniffed {
        delimiter,
        has_header: layout.header.unwrap_or_else(by_looks),
        width: records.first().map_or(0, Vec::len),
    }
}

/// The layout of a further input of a table. The stored layout is that of the
/// first one; it holds for this one where its first record then names nothing
/// but known columns.
pub(super) fn sniff_further(
    head: &[u8],
    stored: &InputLayout,
    is_known: &dyn Fn(&str) -> bool,
) -> Sniffed {
    let own = InputLayout {
        delimiter: None,
        header: None,
        ..stored.clone()
    };
    let as_stored = stored.delimiter.map(|delimiter| InputLayout {
        delimiter: Some(delimiter),
        ..own.clone()
    });
    for layout in as_stored.iter().chain([&own]) {
        let sniffed = sniff(head, layout);
        let records = records(head, sniffed.delimiter);
        if records
            .first()
            .is_some_and(|first| names_all(first, is_known))
        {
            return Sniffed {
                has_header: true,
                ..sniffed
            };
        }
    }
    sniff(head, &own)
}

fn names_all(record: &[&[u8]], is_known: &dyn Fn(&str) -> bool) -> bool {
    let is_known = |field: &&[u8]| is_known(&String::from_utf8_lossy(unquoted(field)));
    !record.is_empty() && record.iter().all(is_known)
}

/// Whether the bytes are text at all; nothing is text too.
pub(super) fn looks_like_text(head: &[u8]) -> bool {
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_text && !head.contains(&0)
}

fn delimiter(head: &[u8]) -> u8 {
    let shares: Vec<_> = DELIMITERS.iter().map(|d| (*d, share(head, *d))).collect();
    if let Some((delimiter, _)) = shares.iter().find(|(_, share)| *share >= 1.0) {
        return *delimiter;
    }
    if share(head, b' ') >= 1.0 {
        return b' ';
    }
    let best = shares.iter().rev().max_by(|a, b| a.1.total_cmp(&b.1));
    match best {
        Some((delimiter, share)) if *share > 0.0 => *delimiter,
        _ => b',',
    }
}

/// The share of records that have as many fields as the first, if those are two or more.
fn share(head: &[u8], delimiter: u8) -> f64 {
    let records = records(head, delimiter);
    let width = records.first().map_or(0, Vec::len);
    if width < 2 {
        return 0.0;
    }
    let alike = records.iter().filter(|r| r.len() == width).count();
    alike as f64 / records.len() as f64
}

fn has_header(records: &[Vec<&[u8]>], null_values: &[String]) -> bool {
    let Some((first, rest)) = records.split_first() else {
        return false;
    };
    let Some(second) = rest.first() else {
        return !first.iter().any(|field| is_value(field));
    };
    let mut names = first.iter().enumerate();
    if names.any(|(column, field)| is_name(field, null_values) && has_values(rest, column)) {
        return true;
    }
    let mut pairs = first.iter().zip(second);
    !pairs.any(|(a, b)| is_value(a) && is_value(b))
}

fn is_value(field: &[u8]) -> bool {
    !matches!(Kind::of_text(unquoted(field)), Kind::Null | Kind::Text)
}

/// Whether a field is text that stands for no missing value.
fn is_name(field: &[u8], null_values: &[String]) -> bool {
    let text = unquoted(field);
    let is_missing = MISSING.iter().any(|known| text.eq_ignore_ascii_case(known))
        || null_values.iter().any(|null| null.as_bytes() == text);
    !is_missing && Kind::of_text(text) == Kind::Text
}

/// Whether a column holds values, and nothing else but empty fields.
fn has_values(records: &[Vec<&[u8]>], column: usize) -> bool {
    let fields = records.iter().filter_map(|record| record.get(column));
    let mut filled = fields
        .filter(|field| !unquoted(field).is_empty())
        .peekable();
    filled.peek().is_some() && filled.all(|field| is_value(field))
}

fn unquoted(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    let inner = field
        .strip_prefix(b"\"")
        .and_then(|f| f.strip_suffix(b"\""));
    inner.unwrap_or(field).trim_ascii()
}

/// The records of the head, their fields as they are written; a record that
/// the head cuts off is left out unless it is the only one.
fn records(head: &[u8], delimiter: u8) -> Vec<Vec<&[u8]>> {
    let mut lines: Vec<&[u8]> = lines(head);
    if head.len() == HEAD && lines.len() > 1 {
        lines.pop();
    }
    let filled = lines
        .into_iter()
        .filter(|line| !line.trim_ascii().is_empty());
    filled.map(|line| split(line, delimiter)).collect()
}

/// Lines that end outside of quotes.
fn lines(head: &[u8]) -> Vec<&[u8]> {
    pieces(head, |b| b == b'\n' || b == b'\r')
}

fn split(line: &[u8], delimiter: u8) -> Vec<&[u8]> {
    if delimiter == b' ' {
        let fields = line.split(u8::is_ascii_whitespace);
        return fields.filter(|field| !field.is_empty()).collect();
    }
    pieces(line, |b| b == delimiter)
}

fn pieces(bytes: &[u8], is_end: impl Fn(u8) -> bool) -> Vec<&[u8]> {
    let mut in_quotes = false;
    let pieces = bytes.split(|&byte| {
        in_quotes ^= byte == b'"';
        !in_quotes && is_end(byte)
    });
    pieces.collect()
}
