//! What the tests of text formats share: an input, a definition, and what
//! comes out as text.

use std::fmt::Write;
use std::io::Cursor;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use downlake_lake::schema::{Column, Definition, Origin};
use expect_test::Expect;

use super::{DecodeOptions, Decoded, Format, Input};

/// A given definition with columns `name type`; a third word is the column it
/// is a sibling of.
pub(super) fn given(columns: &[&str]) -> Definition {
    let columns = columns.iter().map(|text| {
        let mut words = text.split(' ');
        let name = words.next().expect("a name");
        let kind = words.next().expect("a type").parse().expect("a type");
        let mut column = Column::new(name, name, kind);
        column.sibling_of = words.next().map(str::to_owned);
        column
    });
    Definition::new("t", Origin::Given, columns.collect())
}

/// The whole input as text: rows, then refused records, then what was
/// skipped and noticed.
pub(super) fn decoded(
    format: &Format,
    input: &[u8],
    definition: &Definition,
    options: &DecodeOptions,
) -> String {
    let mut text = String::new();
    let stream = Input::Stream(Box::new(Cursor::new(input.to_vec())));
    let mut decoder = match (format.open)(stream, definition, options) {
        Ok(decoder) => decoder,
        Err(error) => return format!("error: {error}\n"),
    };
    loop {
        match decoder.next() {
            Ok(Some(decoded)) => write_decoded(&mut text, input, &decoded),
            Ok(None) => return text,
            Err(error) => {
                writeln!(text, "error: {error}").expect("strings take text");
                return text;
            }
        }
    }
}

fn write_decoded(text: &mut String, input: &[u8], decoded: &Decoded) {
    let options = FormatOptions::new().with_null("-");
    let columns: Vec<_> = decoded.batch.columns().iter().collect();
    let formatters = columns.iter().map(|c| ArrayFormatter::try_new(c, &options));
    let formatters: Vec<_> = formatters
        .map(|f| f.expect("a type that is shown"))
        .collect();
    for row in 0..decoded.batch.num_rows() {
        let values: Vec<_> = formatters
            .iter()
            .map(|f| f.value(row).to_string())
            .collect();
        let record = decoded.origins.record(row);
        assert_place(input, &record);
        let line = record.line.expect("text has lines");
        writeln!(
            text,
            "{line}: {}",
            values.join(" | ").replace('\0', "\\0").replace('\r', "\\r")
        )
        .expect("strings take text");
    }
    for reject in &decoded.rejects {
        assert_place(input, &reject.record);
        let line = reject.record.line.expect("text has lines");
        writeln!(text, "{line}! {}: {}", reject.reason, reject.detail).expect("strings take text");
    }
    if decoded.skipped > 0 {
        writeln!(text, "skipped {}", decoded.skipped).expect("strings take text");
    }
    for notice in &decoded.notices {
        writeln!(text, "notice {notice}").expect("strings take text");
    }
}

/// Offset, line and bytes of a record agree with the input.
fn assert_place(input: &[u8], record: &super::RawRecord) {
    let offset = record.byte_offset.expect("text has offsets");
    let offset = usize::try_from(offset).expect("test inputs are small");
    assert!(
        input[offset..].starts_with(&record.raw),
        "bytes at {offset}"
    );
    let lines = input[..offset].iter().filter(|b| **b == b'\n').count();
    assert_eq!(record.line, Some(lines as u64 + 1), "line at {offset}");
}

/// Decodes in one go and in the smallest batches, byte by byte: both agree.
pub(super) fn check(format: &Format, input: &[u8], definition: &Definition, expect: Expect) {
    let whole = decoded(format, input, definition, &DecodeOptions::default());
    expect.assert_eq(&whole);
    let narrow = DecodeOptions {
        batch_rows: 1,
        ..DecodeOptions::default()
    };
    let mut by_row: Vec<_> = decoded(format, input, definition, &narrow)
        .lines()
        .filter(|line| !line.starts_with("skipped"))
        .map(str::to_owned)
        .collect();
    let mut at_once: Vec<_> = whole
        .lines()
        .filter(|line| !line.starts_with("skipped"))
        .map(str::to_owned)
        .collect();
    by_row.sort();
    at_once.sort();
    assert_eq!(by_row, at_once, "batches of one row");
}
