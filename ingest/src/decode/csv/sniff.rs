//! What delimited text does not say: its delimiter and whether it has a header.
//!
//! The first 64 KiB decide. Delimiter: of comma, semicolon, tab and bar the
//! one that stands equally often, and at least once, in all records; else
//! runs of blanks, if they cut every record into the same number of two or
//! more fields; else the one that stands equally often in most records; else
//! the comma. Header: the first record, unless a field of it is a number or a
//! timestamp and the same field of the next record is one too (or there is
//! no next record).

use crate::infer::Kind;

/// How much of the input is looked at.
pub(super) const HEAD: usize = 64 << 10;

const DELIMITERS: &[u8] = b",;\t|";

/// Whether the bytes are text at all; nothing is text too.
pub(super) fn looks_like_text(head: &[u8]) -> bool {
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_text && !head.contains(&0)
}

pub(super) fn delimiter(head: &[u8]) -> u8 {
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

pub(super) fn has_header(records: &[Vec<&[u8]>]) -> bool {
    let Some(first) = records.first() else {
        return false;
    };
    let is_value = |text: &&[u8]| !matches!(Kind::of_text(text), Kind::Null | Kind::Text);
    match records.get(1) {
        None => !first.iter().any(is_value),
        Some(second) => !first
            .iter()
            .zip(second)
            .any(|(a, b)| is_value(a) && is_value(b)),
    }
}

/// The records of the head, their fields as they are written; a record that
/// the head cuts off is left out unless it is the only one.
pub(super) fn records(head: &[u8], delimiter: u8) -> Vec<Vec<&[u8]>> {
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
