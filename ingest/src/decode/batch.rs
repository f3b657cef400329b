//! Batches of text records: rows, refused records, and the raw bytes of both.

use std::io;
use std::sync::Arc;

use downlake_lake::schema::Definition;
use downlake_lake::{Error, Result};

use super::cells::{Cells, Misfit};
use super::window::{Span, TextRecords, Window, raw_record};
use super::{DecodeOptions, Decoded, Decoder, Framing, Missing, RawRecord, Reject, reason};

/// A text format: what one record becomes.
pub(super) trait TextFormat: Send {
    /// The window the records are cut from.
    fn window(&mut self) -> &mut Window;

    /// Reads the next record into the batch; false at the end of the input.
    fn read_record(&mut self, batch: &mut TextBatch) -> io::Result<bool>;

    /// What the user should know at the end of the input.
    fn closing_notices(&mut self) -> Vec<String>;

    /// How the records are read again; see [`Decoder::framing`].
    fn framing(&self) -> Framing {
        Framing::json()
    }
}

/// The batch that is being filled.
pub(super) struct TextBatch {
    pub(super) cells: Cells,
    rows: Vec<Span>,
    refused: Vec<(Place, Misfit)>,
    pub(super) skipped: u64,
    pub(super) notices: Vec<String>,
}

/// Where a refused record is.
enum Place {
    Window(Span),
    Apart(RawRecord),
}

impl TextBatch {
    fn new(definition: &Definition) -> TextBatch {
        TextBatch {
            cells: Cells::new(definition),
            rows: Vec::new(),
            refused: Vec::new(),
            skipped: 0,
            notices: Vec::new(),
        }
    }

    /// Ends the current row: it is kept, or refused as a whole.
    pub(super) fn end_row(&mut self, span: Span, filled: Result<(), Misfit>) {
        match filled {
            Ok(()) => {
                self.cells.commit();
                self.rows.push(span);
            }
            Err(misfit) => {
                self.cells.roll_back();
                self.refuse(span, misfit);
            }
        }
    }

    /// Refuses a record of the window.
    pub(super) fn refuse(&mut self, span: Span, misfit: Misfit) {
        self.refused.push((Place::Window(span), misfit));
    }

    /// Refuses a record whose bytes were dropped.
    pub(super) fn refuse_long(&mut self, beginning: RawRecord, length: u64) {
        let misfit = Misfit {
            reason: reason::TOO_LONG,
            detail: format!("the record has {length} bytes"),
        };
        self.refused.push((Place::Apart(beginning), misfit));
    }

    fn is_empty(&self) -> bool {
        let records = self.rows.len() + self.refused.len();
        records == 0 && self.skipped == 0 && self.notices.is_empty()
    }

    fn finish(&mut self, window: &mut Window) -> Result<Decoded> {
        let bytes = window.take();
        let refused = self.refused.drain(..).map(|(place, misfit)| Reject {
            record: match place {
                Place::Window(span) => raw_record(&bytes, &span),
                Place::Apart(record) => record,
            },
            reason: misfit.reason,
            detail: misfit.detail,
        });
        let rejects = refused.collect();
        Ok(Decoded {
            stream: Some(0),
            missing: Missing::default(),
            batch: self.cells.finish()?,
            rejects,
            skipped: std::mem::take(&mut self.skipped),
            notices: std::mem::take(&mut self.notices),
            origins: Box::new(TextRecords {
                bytes,
                spans: std::mem::take(&mut self.rows),
            }),
        })
    }
}

/// The decoder of a text format.
pub(super) struct TextDecoder<F> {
    format: F,
    batch: TextBatch,
    options: Arc<DecodeOptions>,
    state: State,
}

/// How far the input is read.
enum State {
    Reading,
    Failed(io::Error),
    Ended,
}

impl<F: TextFormat> TextDecoder<F> {
    pub(super) fn new(format: F, definition: &Definition, options: &DecodeOptions) -> Self {
        TextDecoder {
            format,
            batch: TextBatch::new(definition),
            options: Arc::new(options.clone()),
            state: State::Reading,
        }
    }

    /// Fills the batch up to its limits, or as far as the input can be read.
    fn fill(&mut self) {
        while matches!(self.state, State::Reading) && !self.is_full() {
            match self.format.read_record(&mut self.batch) {
                Ok(true) => {}
                Ok(false) => {
                    self.batch.notices.extend(self.format.closing_notices());
                    self.state = State::Ended;
                }
                Err(error) => self.state = State::Failed(error),
            }
        }
    }

    fn is_full(&mut self) -> bool {
        self.batch.cells.rows() >= self.options.batch_rows
            || self.format.window().cut_bytes() >= self.options.batch_bytes
    }
}

impl<F: TextFormat> Decoder for TextDecoder<F> {
    fn framing(&self) -> Framing {
        self.format.framing()
    }

    fn next(&mut self) -> Result<Option<Decoded>> {
        self.fill();
        if !self.batch.is_empty() {
            return self.batch.finish(self.format.window()).map(Some);
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Failed(error) => Err(unreadable(&self.options.source, error)),
            State::Reading | State::Ended => Ok(None),
        }
    }
}

/// An input that cannot be read on: damaged content is corrupt, an encoding
/// that is not read invalid, a failing device or store unavailable.
pub(crate) fn unreadable(source: &str, error: io::Error) -> Error {
    let message = format!("cannot read {source}: {error}");
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
            Error::corrupt(message).with_source(error)
        }
        io::ErrorKind::Unsupported => Error::invalid(message).with_source(error),
        _ => Error::unavailable(message).with_source(error),
    }
}
