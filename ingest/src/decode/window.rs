//! Records cut out of a stream of bytes, in bounded memory.
//!
//! The window holds the raw bytes of the batch being built and of the record
//! being read, never more than a batch and one record of the longest allowed
//! length. Offsets and lines are exact: offsets count decompressed bytes from
//! 0, lines count line feeds from 1.

use std::io::{self, BufRead};
use std::ops::Range;

use bytes::Bytes;

use super::{RawRecord, Records};

/// What may stand in front of UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes that are cut and of no more use are dropped from this number on.
const FORGOTTEN_AT_ONCE: usize = 1 << 20;

/// How much of a record that is too long is kept.
const KEPT_OF_LONG_RECORD: usize = 64 << 10;

/// How many bytes show that characters are wider than a byte.
const WIDE_UNITS_SEEN: usize = 8;

/// Finds the ends of records. It is fed each byte once, so that a record that
/// spans many reads is not scanned again.
pub(super) trait Framer {
    /// Takes the next bytes of the current record; the number of them that
    /// belong to the record (its terminator included), if it ends here.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize>;

    /// The input ends behind this record: whether it is whole.
    fn finish(&mut self, record: &[u8]) -> bool;

    /// Takes back a record that reached the end of the input, or the limit,
    /// without being whole: how many of its bytes to refuse so that reading
    /// goes on behind them, or `None` to refuse all of it.
    fn give_up(&mut self, record: &[u8]) -> Option<usize>;
}

/// A record inside the window.
#[derive(Debug, Clone)]
pub(super) struct Span {
    /// Where its bytes are in the window, terminator included.
    pub(super) range: Range<usize>,
    /// Offset of its first byte in the input.
    pub(super) offset: u64,
    /// The line of its first byte.
    pub(super) line: u64,
}

/// What the window cut out.
#[derive(Debug)]
pub(super) enum Cut {
    /// A whole record.
    Record(Span),
    /// A record that is not whole where the input or the limit ends.
    Unfinished(Span),
    /// A record longer than the limit: its beginning and its length.
    TooLong(RawRecord, u64),
    /// The end of the input.
    End,
}

/// A sliding window over an input.
pub(super) struct Window {
    reader: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    /// Everything before it in the buffer is cut.
    position: usize,
    /// Offset in the input of the byte at `position`.
    offset: u64,
    /// Line of the byte at `position`.
    line: u64,
    at_end: bool,
    record_limit: usize,
}

impl Window {
    pub(super) fn new(reader: Box<dyn BufRead + Send>, record_limit: usize) -> Window {
        Window {
            reader,
            buffer: Vec::new(),
            position: 0,
            offset: 0,
            line: 1,
            at_end: false,
            record_limit,
        }
    }

    /// The uncut bytes, at least `wanted` of them unless the input ends.
    pub(super) fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.position < wanted && self.read_more()? {}
        Ok(&self.buffer[self.position..])
    }

    /// Cuts off the mark in front of UTF-8.
    ///
    /// Text in wider units is refused by name: its ASCII would pass for text
    /// with NUL bytes in between.
    pub(super) fn pass_byte_order_mark(&mut self) -> io::Result<()> {
        let head = self.peek(WIDE_UNITS_SEEN)?;
        if let Some(encoding) = wide_encoding(head) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("the text is {encoding}; convert it first: iconv -f {encoding} -t UTF-8"),
            ));
        }
        if head.starts_with(BYTE_ORDER_MARK) {
            self.pass(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }

    /// Number of bytes of the buffer that are cut.
    pub(super) fn cut_bytes(&self) -> usize {
        self.position
    }

    /// The bytes of a span cut since the last [`Window::take`].
    pub(super) fn bytes(&self, span: &Span) -> &[u8] {
        &self.buffer[span.range.clone()]
    }

    /// Cuts off the next bytes, at most those that were peeked at.
    pub(super) fn pass(&mut self, count: usize) -> Span {
        let span = Span {
            range: self.position..self.position + count,
            offset: self.offset,
            line: self.line,
        };
        self.line += count_lines(&self.buffer[span.range.clone()]);
        self.position += count;
        self.offset += count as u64;
        span
    }

    /// Cuts off the next record.
    pub(super) fn cut(&mut self, framer: &mut dyn Framer) -> io::Result<Cut> {
        let mut seen = 0;
        loop {
            let fresh = &self.buffer[self.position + seen..];
            let end = framer.feed(fresh).map(|count| seen + count);
            seen += fresh.len();
            match end {
                Some(length) if length <= self.record_limit => {
                    return Ok(Cut::Record(self.pass(length)));
                }
                Some(_) => return self.cut_long(framer, end),
                None if seen > self.record_limit => return self.cut_long(framer, None),
                None => {}
            }
            if !self.read_more()? {
                return Ok(self.cut_last(framer));
            }
        }
    }

    /// Gives away the bytes that are cut, as one shared piece.
    pub(super) fn take(&mut self) -> Bytes {
        let rest = self.buffer[self.position..].to_vec();
        let mut taken = std::mem::replace(&mut self.buffer, rest);
        taken.truncate(self.position);
        // The piece lives as long as its batch, and a buffer that grew by
        // doubling is up to twice as large.
        taken.shrink_to_fit();
        self.position = 0;
        Bytes::from(taken)
    }

    /// Lets go of bytes that are cut, for readers that keep no records: spans
    /// cut before are void.
    pub(super) fn forget(&mut self) {
        if self.position >= FORGOTTEN_AT_ONCE {
            self.buffer.drain(..self.position);
            self.position = 0;
        }
    }

    fn cut_last(&mut self, framer: &mut dyn Framer) -> Cut {
        let record = &self.buffer[self.position..];
        let length = record.len();
        if length == 0 {
            Cut::End
        } else if framer.finish(record) {
            Cut::Record(self.pass(length))
        } else {
            let refused = framer.give_up(record).unwrap_or(length);
            Cut::Unfinished(self.pass(refused))
        }
    }

    /// Cuts off a record beyond the limit, whose end is known or still to come.
    fn cut_long(&mut self, framer: &mut dyn Framer, end: Option<usize>) -> io::Result<Cut> {
        let record = &self.buffer[self.position..];
        let record = &record[..end.unwrap_or(record.len())];
        if end.is_none()
            && let Some(refused) = framer.give_up(record)
        {
            return Ok(Cut::Unfinished(self.pass(refused)));
        }
        let kept = record.len().min(KEPT_OF_LONG_RECORD);
        let offset = self.offset;
        let beginning = RawRecord {
            byte_offset: Some(offset),
            line: Some(self.line),
            packet_index: None,
            raw: Bytes::copy_from_slice(&record[..kept]),
        };
        self.drop_bytes(record.len());
        if end.is_none() {
            self.drop_rest(framer)?;
        }
        Ok(Cut::TooLong(beginning, self.offset - offset))
    }

    /// Drops what is still to come of a record that was given up.
    fn drop_rest(&mut self, framer: &mut dyn Framer) -> io::Result<()> {
        while self.read_more()? {
            let end = framer.feed(&self.buffer[self.position..]);
            self.drop_bytes(end.unwrap_or(self.buffer.len() - self.position));
            if end.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Drops uncut bytes; those of the batch keep their places.
    fn drop_bytes(&mut self, count: usize) {
        let span = self.pass(count);
        self.position = span.range.start;
        self.buffer.drain(span.range);
    }

    fn read_more(&mut self) -> io::Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        let bytes = match self.reader.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        };
        let count = bytes.len();
        self.buffer.extend_from_slice(bytes);
        self.reader.consume(count);
        self.at_end = count == 0;
        Ok(!self.at_end)
    }
}

/// The encoding of text in units of two or four bytes: by its mark, else by
/// the zeros of its first characters.
fn wide_encoding(head: &[u8]) -> Option<&'static str> {
    let zeros: Vec<bool> = head.iter().take(WIDE_UNITS_SEEN).map(|b| *b == 0).collect();
    match (head, zeros.as_slice()) {
        ([0xff, 0xfe, 0, 0, ..], _) | (_, [false, true, true, true, false, true, true, true]) => {
            Some("UTF-32LE")
        }
        ([0, 0, 0xfe, 0xff, ..], _) | (_, [true, true, true, false, true, true, true, false]) => {
            Some("UTF-32BE")
        }
        ([0xff, 0xfe, ..], _) | (_, [false, true, false, true, ..]) => Some("UTF-16LE"),
        ([0xfe, 0xff, ..], _) | (_, [true, false, true, false, ..]) => Some("UTF-16BE"),
        _ => None,
    }
}

/// The raw records of a batch of text: one piece of bytes and a span a row.
pub(super) struct TextRecords {
    pub(super) bytes: Bytes,
    pub(super) spans: Vec<Span>,
}

impl Records for TextRecords {
    fn record(&self, row: usize) -> RawRecord {
        raw_record(&self.bytes, &self.spans[row])
    }
}

/// The record of a span, without the end of its last line.
pub(super) fn raw_record(bytes: &Bytes, span: &Span) -> RawRecord {
    let raw = bytes.slice(span.range.clone());
    let length = trim_line_end(&raw).len();
    RawRecord {
        byte_offset: Some(span.offset),
        line: Some(span.line),
        packet_index: None,
        raw: raw.slice(..length),
    }
}

/// A record without the end of its last line.
pub(super) fn trim_line_end(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use super::*;

    struct Lines;

    impl Framer for Lines {
        fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
            memchr::memchr(b'\n', bytes).map(|end| end + 1)
        }

        fn finish(&mut self, _record: &[u8]) -> bool {
            true
        }

        fn give_up(&mut self, _record: &[u8]) -> Option<usize> {
            None
        }
    }

    fn window(input: Vec<u8>) -> Window {
        Window::new(Box::new(BufReader::new(Cursor::new(input))), 64 << 20)
    }

    #[test]
    fn wide_text_is_refused_by_name() {
        let wide = |text: &str, little: bool| -> Vec<u8> {
            let units = text.encode_utf16();
            let bytes = units.map(|u| {
                if little {
                    u.to_le_bytes()
                } else {
                    u.to_be_bytes()
                }
            });
            bytes.flatten().collect()
        };
        let wider = |text: &str, little: bool| -> Vec<u8> {
            let units = text.chars().map(u32::from);
            let bytes = units.map(|u| {
                if little {
                    u.to_le_bytes()
                } else {
                    u.to_be_bytes()
                }
            });
            bytes.flatten().collect()
        };
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}id,s\n1,a\n");
            for (input, name) in [
                (wide(&text, true), "UTF-16LE"),
                (wide(&text, false), "UTF-16BE"),
                (wider(&text, true), "UTF-32LE"),
                (wider(&text, false), "UTF-32BE"),
            ] {
                let refused = window(input).pass_byte_order_mark().expect_err(name);
                assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
                let expected =
                    format!("the text is {name}; convert it first: iconv -f {name} -t UTF-8");
                assert_eq!(refused.to_string(), expected);
            }
        }
        for taken in ["", "\u{feff}", "\u{feff}id,s\n", "id,s\n", "ab\0\0c"] {
            let taken = window(taken.as_bytes().to_vec()).pass_byte_order_mark();
            assert!(taken.is_ok(), "{taken:?}");
        }
    }

    #[test]
    fn what_is_forgotten_is_not_held_and_places_stay_exact() {
        let line = format!("{}\n", "x".repeat(999));
        let lines = 10_000;
        let mut window = window(line.repeat(lines).into_bytes());
        for index in 0..lines {
            window.forget();
            let Cut::Record(span) = window.cut(&mut Lines).expect("memory") else {
                panic!("line {index} is no record");
            };
            assert_eq!(window.bytes(&span), line.as_bytes());
            assert_eq!(span.offset, (index * line.len()) as u64);
            assert_eq!(span.line, index as u64 + 1);
            assert!(window.buffer.len() <= FORGOTTEN_AT_ONCE + (64 << 10));
        }
        assert!(matches!(window.cut(&mut Lines), Ok(Cut::End)));
    }

    #[test]
    fn taken_bytes_take_no_more_room_than_they_need() {
        let mut window = window(vec![b'x'; (8 << 20) + 7]);
        assert!(matches!(window.cut(&mut Lines), Ok(Cut::Record(_))));
        let taken = window.take().try_into_mut().expect("one owner");
        assert_eq!(
            (taken.len(), taken.capacity()),
            ((8 << 20) + 7, (8 << 20) + 7)
        );
    }
}
