//! Values cut out of a JSON input: from lines, or from documents.
//!
//! An input is lines if one of the first lines is an object of its own that
//! begins in the first column, and the input does not begin with `[`.
//! Everything else is a document: values one after the other, where the
//! elements of a top-level array are records of their own.

use std::io;

use serde::de::IgnoredAny;

use super::super::RawRecord;
use super::super::window::{BYTE_ORDER_MARK, Cut, Framer, Span, Window};

/// How much of the input decides between lines and document.
const HEAD: usize = 64 << 10;

/// How many lines of it are tried.
const LINES_TRIED: usize = 8;

/// Cuts an input into values.
pub(super) struct Document {
    window: Window,
    framing: Framing,
    blank: u64,
}

/// How values follow each other.
#[derive(Clone, Copy)]
enum Framing {
    Lines,
    Values(Place),
}

/// Where in a document the reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside of arrays.
    Top,
    /// Behind `[`.
    ArrayStart,
    /// Behind a comma of the array.
    Element,
    /// Behind an element.
    BehindElement,
}

/// What comes next in the input.
pub(super) enum Found {
    /// The bytes of one value, which may be malformed.
    Record(Span),
    /// Bytes that cannot be a record, and why.
    Refused(Span, &'static str),
    /// The beginning of a value beyond the limit, and its length.
    TooLong(RawRecord, u64),
    /// Nothing.
    End,
}

pub(super) fn looks_like_json(head: &[u8]) -> bool {
    let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let mut bytes = head.iter().filter(|b| !b.is_ascii_whitespace());
    match (bytes.next(), bytes.next()) {
        (Some(b'{'), second) => matches!(second, None | Some(b'"' | b'}')),
        (Some(b'['), second) => matches!(second, None | Some(b'{' | b']')),
        _ => false,
    }
}

impl Document {
    /// Cuts lines where `lines` says so or the first lines look like it, else values.
    pub(super) fn new(mut window: Window, lines: bool) -> io::Result<Document> {
        window.pass_byte_order_mark()?;
        let framing = if lines || is_lines(window.peek(HEAD)?) {
            Framing::Lines
        } else {
            Framing::Values(Place::Top)
        };
        Ok(Document {
            window,
            framing,
            blank: 0,
        })
    }

    pub(super) fn window(&mut self) -> &mut Window {
        &mut self.window
    }

    /// Blank lines since the last call.
    pub(super) fn take_blank(&mut self) -> u64 {
        std::mem::take(&mut self.blank)
    }

    /// Goes to the next value.
    pub(super) fn next(&mut self) -> io::Result<Found> {
        match self.framing {
            Framing::Lines => self.next_line(),
            Framing::Values(place) => self.next_value(place),
        }
    }

    fn next_line(&mut self) -> io::Result<Found> {
        loop {
            let found = found(self.window.cut(&mut LineEnd)?);
            match &found {
                Found::Record(span) if self.window.bytes(span).trim_ascii().is_empty() => {
                    self.blank += 1;
                }
                _ => return Ok(found),
            }
        }
    }

    fn next_value(&mut self, mut place: Place) -> io::Result<Found> {
        loop {
            let next = peek_behind_blanks(&mut self.window)?;
            let behind = match (place, next) {
                (Place::Top, None) => return Ok(Found::End),
                (_, None) => return Ok(self.refuse(0, "the array does not end")),
                (Place::Element, Some(b']')) => {
                    return Ok(self.refuse(1, "a comma stands before the end of the array"));
                }
                (Place::Top, Some(b'[')) => Place::ArrayStart,
                (Place::ArrayStart | Place::BehindElement, Some(b']')) => Place::Top,
                (Place::BehindElement, Some(b',')) => Place::Element,
                (_, Some(_)) => return self.cut_value(place),
            };
            self.window.pass(1);
            self.framing = Framing::Values(behind);
            place = behind;
        }
    }

    /// Refuses the next bytes, with which the array ends.
    fn refuse(&mut self, count: usize, wrong: &'static str) -> Found {
        self.framing = Framing::Values(Place::Top);
        Found::Refused(self.window.pass(count), wrong)
    }

    fn cut_value(&mut self, place: Place) -> io::Result<Found> {
        let behind = match place {
            Place::Top => Place::Top,
            _ => Place::BehindElement,
        };
        self.framing = Framing::Values(behind);
        let cut = self.window.cut(&mut ValueEnd::default())?;
        Ok(match (place, found(cut)) {
            (Place::BehindElement, Found::Record(span)) => {
                Found::Refused(span, "a comma is missing before the element")
            }
            (_, Found::Refused(span, wrong)) => {
                // With the value that does not end its array does not end either.
                self.framing = Framing::Values(Place::Top);
                Found::Refused(span, wrong)
            }
            (_, found) => found,
        })
    }
}

fn found(cut: Cut) -> Found {
    match cut {
        Cut::Record(span) => Found::Record(span),
        Cut::Unfinished(span) => Found::Refused(span, "the value does not end"),
        Cut::TooLong(beginning, length) => Found::TooLong(beginning, length),
        Cut::End => Found::End,
    }
}

/// The next byte that is no blank, which stays uncut.
fn peek_behind_blanks(window: &mut Window) -> io::Result<Option<u8>> {
    loop {
        let bytes = window.peek(1)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let blanks = bytes.iter().take_while(|b| is_blank(**b)).count();
        let next = bytes.get(blanks).copied();
        window.pass(blanks);
        if next.is_some() {
            return Ok(next);
        }
    }
}

/// The blanks of RFC 8259, section 2.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_lines(head: &[u8]) -> bool {
    let begins_array = head.trim_ascii_start().starts_with(b"[");
    let lines = head.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    let is_object =
        |line: &[u8]| line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok();
    !begins_array && lines.take(LINES_TRIED).any(is_object)
}

/// The end of a line.
struct LineEnd;

impl Framer for LineEnd {
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

/// The end of a value, by its brackets and quotes alone.
#[derive(Default)]
struct ValueEnd {
    depth: u64,
    in_string: bool,
    escaped: bool,
    /// Whether a scalar without quotes has begun.
    in_scalar: bool,
}

/// What a byte is to the value.
enum Step {
    GoesOn,
    EndsBefore,
    EndsWith,
}

impl ValueEnd {
    fn step(&mut self, byte: u8) -> Step {
        if self.in_string {
            return self.step_in_string(byte);
        }
        match byte {
            b'"' | b'{' | b'[' | b']' | b'}' | b',' if self.in_scalar => return Step::EndsBefore,
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.ends_if_outside();
            }
            _ if self.depth > 0 => {}
            _ if is_blank(byte) => return Step::EndsBefore,
            _ => self.in_scalar = true,
        }
        Step::GoesOn
    }

    fn step_in_string(&mut self, byte: u8) -> Step {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => {
                self.in_string = false;
                return self.ends_if_outside();
            }
            _ => {}
        }
        Step::GoesOn
    }

    fn ends_if_outside(&self) -> Step {
        if self.depth == 0 {
            Step::EndsWith
        } else {
            Step::GoesOn
        }
    }
}

impl Framer for ValueEnd {
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        for (count, byte) in bytes.iter().enumerate() {
            match self.step(*byte) {
                Step::GoesOn => {}
                Step::EndsBefore => return Some(count),
                Step::EndsWith => return Some(count + 1),
            }
        }
        None
    }

    fn finish(&mut self, _record: &[u8]) -> bool {
        self.depth == 0 && !self.in_string
    }

    fn give_up(&mut self, _record: &[u8]) -> Option<usize> {
        None
    }
}
