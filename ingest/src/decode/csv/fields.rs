//! Records and fields of delimited text.

use std::collections::HashSet;
use std::io;

use csv_core::ReadRecordResult;
use downlake_lake::schema::InputLayout;

use super::super::RawRecord;
use super::super::window::{Cut, Framer, Span, Window, trim_line_end};
use super::sniff::{self, Sniffed};

/// Reads an input record by record and splits each into its fields.
pub(super) struct Fields {
    window: Window,
    splitter: Splitter,
    header: Option<Vec<String>>,
    /// Number of fields of the header or the first record.
    width: usize,
    blank: u64,
    notices: Vec<String>,
    /// The last record ended in a carriage return: a line feed belongs to it.
    after_return: bool,
}

/// What comes next in the input.
pub(super) enum Found {
    /// A record; its fields are in [`Fields`].
    Record(Span),
    /// A line with a quote that does not end.
    Refused(Span),
    /// The beginning of a record beyond the limit, and its length.
    TooLong(RawRecord, u64),
    /// Nothing.
    End,
}

impl Fields {
    /// Sniffs what the layout does not say, and reads the header.
    pub(super) fn new(window: Window, layout: &InputLayout) -> io::Result<Fields> {
        Fields::cut_as(window, |head| sniff::sniff(head, layout))
    }

    /// Sniffs a further input of a table whose columns are known, and reads
    /// the header.
    pub(super) fn further(
        window: Window,
        stored: &InputLayout,
        is_known: &dyn Fn(&str) -> bool,
    ) -> io::Result<Fields> {
        Fields::cut_as(window, |head| sniff::sniff_further(head, stored, is_known))
    }

    fn cut_as(mut window: Window, sniff: impl Fn(&[u8]) -> Sniffed) -> io::Result<Fields> {
        window.pass_byte_order_mark()?;
        let head = window.peek(sniff::HEAD)?;
        let Sniffed {
            delimiter,
            has_header,
            width,
        } = sniff(&head[..head.len().min(sniff::HEAD)]);
        let mut fields = Fields {
            window,
            splitter: Splitter::new(delimiter),
            header: None,
            width,
            blank: 0,
            notices: Vec::new(),
            after_return: false,
        };
        if has_header {
            fields.read_header()?;
        }
        Ok(fields)
    }

    /// The names of the header, if there is one.
    pub(super) fn header(&self) -> Option<&[String]> {
        self.header.as_deref()
    }

    /// The names of the fields: the header's, else `c1`, `c2`, ...
    pub(super) fn names(&self) -> Vec<String> {
        match &self.header {
            Some(header) => header.clone(),
            None => (0..self.width).map(place_name).collect(),
        }
    }

    /// The line that comes next, as far as it is shown to people.
    pub(super) fn next_line(&mut self) -> io::Result<&[u8]> {
        const SHOWN: usize = 256;
        let head = self.window.peek(SHOWN)?;
        let head = head.trim_ascii_start();
        let line = head.split(|b| matches!(b, b'\r' | b'\n')).next();
        Ok(line.unwrap_or_default())
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.splitter.delimiter
    }

    pub(super) fn window(&mut self) -> &mut Window {
        &mut self.window
    }

    /// Blank lines since the last call.
    pub(super) fn take_blank(&mut self) -> u64 {
        std::mem::take(&mut self.blank)
    }

    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Number of fields of the current record.
    pub(super) fn count(&self) -> usize {
        self.splitter.fields
    }

    /// A field of the current record, without its quotes.
    pub(super) fn field(&self, index: usize) -> &[u8] {
        self.splitter.field(index)
    }

    /// Whether a field of the record is empty and was written in quotes.
    pub(super) fn is_empty_text(&mut self, span: &Span, index: usize) -> bool {
        self.field(index).is_empty() && self.splitter.is_quoted(self.window.bytes(span), index)
    }

    /// Goes to the next record that is not blank.
    pub(super) fn next(&mut self) -> io::Result<Found> {
        loop {
            self.pass_line_ends()?;
            self.splitter.begin();
            let span = match self.window.cut(&mut self.splitter)? {
                Cut::End => return Ok(Found::End),
                Cut::Unfinished(span) => return Ok(Found::Refused(span)),
                Cut::TooLong(beginning, length) => return Ok(Found::TooLong(beginning, length)),
                Cut::Record(span) => span,
            };
            let record = self.window.bytes(&span);
            self.after_return = record.ends_with(b"\r");
            if trim_line_end(record).iter().all(|b| *b == b' ') {
                self.blank += 1;
                continue;
            }
            self.splitter.split(record);
            return Ok(Found::Record(span));
        }
    }

    /// Passes empty lines, and the second half of a line end.
    fn pass_line_ends(&mut self) -> io::Result<()> {
        loop {
            let length = match self.window.peek(2)? {
                [b'\n', ..] if self.after_return => {
                    self.window.pass(1);
                    self.after_return = false;
                    continue;
                }
                [b'\r', b'\n', ..] => 2,
                [b'\r' | b'\n', ..] => 1,
                _ => break,
            };
            self.window.pass(length);
            self.blank += 1;
        }
        self.after_return = false;
        Ok(())
    }

    fn read_header(&mut self) -> io::Result<()> {
        if !matches!(self.next()?, Found::Record(_)) {
            return Ok(());
        }
        let names = (0..self.count()).map(|i| String::from_utf8_lossy(self.field(i)));
        let names: Vec<_> = names.map(|name| name.trim().to_owned()).collect();
        self.width = names.len();
        let (names, notices) = tell_apart(names);
        self.header = Some(names);
        self.notices = notices;
        Ok(())
    }
}

/// The name of a field without a header, by its place from 0.
pub(super) fn place_name(place: usize) -> String {
    format!("c{}", place + 1)
}

/// Gives the later ones of equal names a number.
fn tell_apart(names: Vec<String>) -> (Vec<String>, Vec<String>) {
    let all: HashSet<String> = names.iter().cloned().collect();
    let mut used = HashSet::new();
    let mut notices = Vec::new();
    let told = names.into_iter().map(|name| {
        if used.insert(name.clone()) {
            return name;
        }
        let numbered = (2u64..).map(|n| format!("{name}_{n}"));
        let free = numbered
            .into_iter()
            .find(|n| !all.contains(n) && !used.contains(n))
            .expect("finitely many names are taken");
        notices.push(format!(
            "the header names \"{name}\" more than once: a later one is read as \"{free}\""
        ));
        used.insert(free.clone());
        free
    });
    let told = told.collect();
    (told, notices)
}

/// Finds the end of a record and its fields.
struct Splitter {
    delimiter: u8,
    parser: csv_core::Reader,
    /// The fields of the record, one after the other, and where they end.
    text: Vec<u8>,
    ends: Vec<usize>,
    text_length: usize,
    fields: usize,
    /// For each field whether it was quoted; empty until somebody asks.
    quoted: Vec<bool>,
    /// The fields are of no interest any more, only the end of the line is.
    gave_up: bool,
}

impl Splitter {
    fn new(delimiter: u8) -> Splitter {
        Splitter {
            delimiter,
            parser: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            text: vec![0; 4 << 10],
            ends: vec![0; 64],
            text_length: 0,
            fields: 0,
            quoted: Vec::new(),
            gave_up: false,
        }
    }

    /// Runs of blanks separate fields; quotes mean nothing.
    fn by_blanks(&self) -> bool {
        self.delimiter == b' '
    }

    fn begin(&mut self) {
        self.gave_up = false;
        self.text_length = 0;
        self.fields = 0;
        self.quoted.clear();
    }

    fn field(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[index]]
    }

    /// Runs the parser; whether the record ended, and the bytes it took.
    fn parse(&mut self, bytes: &[u8]) -> (bool, usize) {
        let mut taken = 0;
        loop {
            let (result, read, written, ended) = self.parser.read_record(
                &bytes[taken..],
                &mut self.text[self.text_length..],
                &mut self.ends[self.fields..],
            );
            taken += read;
            self.text_length += written;
            self.fields += ended;
            match result {
                ReadRecordResult::Record => return (true, taken),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return (false, taken),
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }

    /// Splits a whole record at its blanks, if blanks are what separates.
    fn split(&mut self, record: &[u8]) {
        if !self.by_blanks() {
            return;
        }
        self.text.clear();
        self.ends.clear();
        for field in record
            .split(u8::is_ascii_whitespace)
            .filter(|f| !f.is_empty())
        {
            self.text.extend_from_slice(field);
            self.ends.push(self.text.len());
        }
        self.fields = self.ends.len();
    }

    fn is_quoted(&mut self, record: &[u8], index: usize) -> bool {
        if self.by_blanks() {
            return false;
        }
        if self.quoted.is_empty() {
            Quotes::of(record, self.delimiter).write_to(&mut self.quoted);
        }
        self.quoted.get(index).copied().unwrap_or_default()
    }
}

impl Framer for Splitter {
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.by_blanks() || self.gave_up {
            return memchr::memchr(b'\n', bytes).map(|end| end + 1);
        }
        if bytes.is_empty() {
            // To the parser no bytes mean the end of the input.
            return None;
        }
        let (ended, taken) = self.parse(bytes);
        ended.then_some(taken)
    }

    fn finish(&mut self, record: &[u8]) -> bool {
        if self.by_blanks() {
            return true;
        }
        self.parse(&[]);
        !Quotes::of(record, self.delimiter).is_open()
    }

    fn give_up(&mut self, record: &[u8]) -> Option<usize> {
        let is_open = !self.by_blanks() && Quotes::of(record, self.delimiter).is_open();
        self.parser.reset();
        self.gave_up = true;
        let line = memchr::memchr(b'\n', record).map(|end| end + 1);
        line.filter(|_| is_open)
    }
}

/// Which fields of a record are quoted, by the parser's grammar: a quote
/// opens at the start of a field, closes at the next single one.
struct Quotes<'a> {
    record: &'a [u8],
    delimiter: u8,
}

impl<'a> Quotes<'a> {
    fn of(record: &'a [u8], delimiter: u8) -> Quotes<'a> {
        Quotes { record, delimiter }
    }

    fn write_to(&self, quoted: &mut Vec<bool>) {
        self.walk(|is_quoted| quoted.push(is_quoted));
    }

    /// Whether the record ends inside of quotes.
    fn is_open(&self) -> bool {
        self.walk(|_| {})
    }

    fn walk(&self, mut each: impl FnMut(bool)) -> bool {
        let mut rest = trim_line_end(self.record);
        loop {
            let is_quoted = rest.first() == Some(&b'"');
            if is_quoted {
                match behind_closing_quote(&rest[1..]) {
                    Some(behind) => rest = behind,
                    None => return true,
                }
            }
            each(is_quoted);
            match memchr::memchr(self.delimiter, rest) {
                Some(end) => rest = &rest[end + 1..],
                None => return false,
            }
        }
    }
}

fn behind_closing_quote(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        let quote = memchr::memchr(b'"', text)?;
        text = &text[quote + 1..];
        match text.first() {
            Some(b'"') => text = &text[1..],
            _ => return Some(text),
        }
    }
}
