//! Space packets, one behind the other or in transfer frames, as they are.
//!
//! Two formats: `ccsds`, a file of packets, and `cadu`, a stream of frames.
//! Without a definition of their contents packets are rows of the stream
//! `packets`. Promises: every packet is a row or, if it is idle, counted as
//! skipped; bytes that gave no packet are refused records with their place.
//!
//! The link of a stream of frames is what the definition's `format` says
//! (`jpss`, `aos(frame_length = 892, fecf)`). Where it says `cadu` or nothing,
//! the link is found from the beginning of the stream, and told in a notice.
//! Refuses a stream whose link nothing proves.

mod sniff;
#[cfg(test)]
mod tests;

use std::io::{Cursor, Read};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BinaryBuilder, BooleanArray, Int16Array, Int32Array, Int64Array,
    RecordBatch,
};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use downlake_lake::schema::names::{BYTE_OFFSET, PACKET_INDEX};
use downlake_lake::schema::{Column, Definition, InputLayout, embedded};
use downlake_lake::{Error, Result};

use super::batch::unreadable;
use super::{
    Access, DecodeOptions, Decoded, Decoder, Format, Framing, InferOptions, Input, Missing,
    RawRecord, Records, Reject,
};
use crate::frames::{FoundLink, Link, SEARCH_BYTES, find_link, has_markers};
use crate::infer::Inferred;
use crate::packet::feed::{Chunk, Entry, Feed, PacketFile};
use crate::packet::frame_feed::FrameFeed;
use crate::packet::header::PrimaryHeader;
use crate::packet::losses::Losses;
use crate::packet::source::{hole, nothing};

/// The stream of packets whose contents nothing describes.
pub const STREAM: &str = "packets";

/// The format `ccsds`.
pub(super) static PACKETS: Format = Format {
    name: "ccsds",
    extensions: &["ccsds", "pkts", "pds", "tlm"],
    about: "space packets, one behind the other",
    stream: Some(STREAM),
    access: Access::Sequential,
    sniff: sniff::looks_like_packets,
    infer: |_, options| inferred(PACKETS.name.to_owned(), options),
    open: |input, definition, options| {
        let feed = open_feed(input.into_reader(), None)?;
        Ok(Box::new(PacketRows::new(feed, definition, options)?))
    },
};

/// The format `cadu`, and every link that has a name.
pub(super) static FRAMES: Format = Format {
    name: "cadu",
    extensions: &["cadu"],
    about: "transfer frames; a link by name (jpss), by parameters (aos(frame_length = 892)), or found by its markers",
    stream: Some(STREAM),
    access: Access::Sequential,
    sniff: has_markers,
    infer: infer_frames,
    open: |input, definition, options| {
        let (feed, notices) = open_frames(input.into_reader(), &definition.input, &options.source)?;
        let mut rows = PacketRows::new(feed, definition, options)?;
        rows.notices = notices;
        Ok(Box::new(rows))
    },
};

/// The format of frames.
pub(crate) fn frames() -> &'static Format {
    &FRAMES
}

/// How refused packets are read again.
pub(crate) fn framing() -> Framing {
    Framing {
        format: PACKETS.name,
        delimiter: None,
        header: None,
    }
}

/// Whether a format's name says a link: a preset, or a kind of frame with its
/// parameters.
pub fn is_link(name: &str) -> bool {
    Link::named(name).is_some()
}

/// A source of packets: in frames of a link, or one behind the other.
///
/// # Errors
/// Invalid, if the parameters of the link do not fit each other.
pub fn open_feed(reader: impl Read + Send + 'static, link: Option<&Link>) -> Result<Box<dyn Feed>> {
    Ok(match link {
        Some(link) => Box::new(FrameFeed::new(reader, link)?),
        None => Box::new(PacketFile::new(reader)),
    })
}

/// A source of packets in frames, by the link of the layout or as found, with
/// what the user should know of it.
///
/// # Errors
/// Invalid, if the layout's link is none, or nothing proves one.
pub fn open_frames(
    reader: impl Read + Send + 'static,
    layout: &InputLayout,
    source: &str,
) -> Result<(Box<dyn Feed>, Vec<String>)> {
    if let Some(link) = layout.format.as_deref().and_then(Link::named) {
        return Ok((open_feed(reader, Some(&link?))?, Vec::new()));
    }
    let (head, found, reader) = find(reader, source)?;
    let whole = Cursor::new(head).chain(reader);
    Ok(match found {
        Some(found) => (
            open_feed(whole, Some(&found.link))?,
            vec![notice(&found, source)],
        ),
        None => (open_feed(whole, None)?, Vec::new()),
    })
}

/// Reads the beginning of a stream and finds its link; an empty one has none.
fn find<R: Read>(mut reader: R, source: &str) -> Result<(Vec<u8>, Option<FoundLink>, R)> {
    let mut head = Vec::new();
    let read = reader
        .by_ref()
        .take(SEARCH_BYTES as u64)
        .read_to_end(&mut head);
    read.map_err(|error| unreadable(source, error))?;
    let found = match head.is_empty() {
        true => None,
        false => Some(find_link(&head).map_err(|error| error.context(source))?),
    };
    Ok((head, found, reader))
}

fn notice(found: &FoundLink, source: &str) -> String {
    format!(
        "{source}: frames are read as {}: {} of the first {} pass its checks; name it with --format to have it always so",
        found.link, found.passed, found.frames
    )
}

fn infer_frames(input: Input, options: &InferOptions) -> Result<Inferred> {
    let (_, found, _) = find(input.into_reader(), &options.source)?;
    match found {
        None => inferred(FRAMES.name.to_owned(), options),
        Some(found) => Ok(Inferred {
            notices: vec![notice(&found, &options.source)],
            ..inferred(found.link.to_string(), options)?
        }),
    }
}

/// The columns of the stream `packets`; how many packets there are is not known.
fn inferred(format: String, options: &InferOptions) -> Result<Inferred> {
    let columns = embedded::get(STREAM)?.columns.into_iter();
    let fields = columns.map(|column| (column.source, column.kind));
    let mut inferred = Inferred::exact(&options.source, 0, fields.collect());
    inferred.layout.format = Some(format);
    Ok(inferred)
}

/// What a column of the stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filling {
    Spacecraft,
    VirtualChannel,
    Apid,
    SequenceFlags,
    SequenceCount,
    Length,
    Raw,
    Replay,
    Index,
    Offset,
}

impl Filling {
    const ALL: [(&'static str, Filling); 10] = [
        ("scid", Filling::Spacecraft),
        ("vcid", Filling::VirtualChannel),
        ("apid", Filling::Apid),
        ("seq_flags", Filling::SequenceFlags),
        ("seq_count", Filling::SequenceCount),
        ("length", Filling::Length),
        ("raw", Filling::Raw),
        ("replay", Filling::Replay),
        (PACKET_INDEX, Filling::Index),
        (BYTE_OFFSET, Filling::Offset),
    ];

    fn of(column: &Column) -> Result<Filling> {
        let known = Filling::ALL.iter().find(|(name, _)| *name == column.source);
        known.map(|(_, filling)| *filling).ok_or_else(|| {
            let names = Filling::ALL.map(|(name, _)| name);
            Error::invalid(format!(
                "packets have no field {:?} for column {:?}: there are {}; a packet definition says what is in them",
                column.source,
                column.name,
                names.join(", ")
            ))
        })
    }
}

/// Packets of a feed as rows.
pub struct PacketRows {
    feed: Box<dyn Feed>,
    chunk: Chunk,
    /// The next packet of the chunk.
    next: usize,
    /// Why the feed cannot be read on.
    failed: Option<Error>,
    schema: SchemaRef,
    fillings: Vec<Filling>,
    options: DecodeOptions,
    /// None, once all was told.
    losses: Option<Losses>,
    notices: Vec<String>,
}

impl PacketRows {
    /// Rows with the columns of a definition, which are of the stream `packets`.
    ///
    /// # Errors
    /// Invalid, if the definition has another column.
    pub fn new(
        feed: Box<dyn Feed>,
        definition: &Definition,
        options: &DecodeOptions,
    ) -> Result<PacketRows> {
        let fillings = definition.columns.iter().map(Filling::of);
        Ok(PacketRows {
            feed,
            chunk: Chunk::default(),
            next: 0,
            failed: None,
            schema: definition.decoded_schema(),
            fillings: fillings.collect::<Result<_>>()?,
            options: options.clone(),
            losses: Some(Losses::default()),
            notices: Vec::new(),
        })
    }

    /// Fills the chunk, and hands out what of it is no packet.
    fn refill(&mut self) -> (Vec<Reject>, Missing) {
        self.chunk.clear();
        self.next = 0;
        if self.failed.is_none()
            && let Err(error) = self.feed.fill(&mut self.chunk)
        {
            self.failed = Some(unreadable(&self.options.source, error));
        }
        let missing = match &mut self.losses {
            Some(losses) => losses.note(&mut self.chunk),
            None => Missing::default(),
        };
        let refused = std::mem::take(&mut self.chunk.refused);
        let refused = refused.into_iter().map(|(entry, refusal)| Reject {
            record: self.record(&entry),
            reason: refusal.reason,
            detail: refusal.detail,
        });
        let mut rejects: Vec<_> = refused.collect();
        rejects.extend(self.chunk.holes.drain(..).map(hole));
        rejects.sort_by_key(|reject| reject.record.byte_offset);
        (rejects, missing)
    }

    fn record(&self, entry: &Entry) -> RawRecord {
        RawRecord {
            byte_offset: Some(entry.offset),
            line: None,
            packet_index: Some(entry.index),
            raw: Bytes::copy_from_slice(self.chunk.packet(entry).bytes),
        }
    }

    /// The next packets of the chunk, as many as a batch takes, and how many
    /// idle ones were among them.
    fn take_packets(&mut self) -> (Vec<Entry>, u64) {
        let (mut taken, mut bytes, mut idle) = (Vec::new(), 0, 0);
        while let Some(entry) = self.chunk.packets.get(self.next)
            && taken.len() < self.options.batch_rows
            && bytes < self.options.batch_bytes
        {
            self.next += 1;
            if header(&self.chunk, entry).is_idle() {
                idle += 1;
            } else {
                bytes += entry.length;
                taken.push(*entry);
            }
        }
        (taken, idle)
    }

    /// What shows once all packets were seen.
    fn end(&mut self) -> Result<Option<Decoded>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(losses) = self.losses.take() else {
            return Ok(None);
        };
        let (gaps, notices) = losses.finish(|_| Some(0));
        Ok(Some(Decoded {
            missing: Missing {
                gaps,
                ..Missing::default()
            },
            notices,
            ..nothing()
        }))
    }

    fn batch(&self, entries: &[Entry], raw: &BinaryArray) -> Result<RecordBatch> {
        let columns = self.fillings.iter();
        let columns = columns.map(|filling| column(*filling, &self.chunk, entries, raw));
        RecordBatch::try_new(Arc::clone(&self.schema), columns.collect()).map_err(Error::from)
    }
}

impl Decoder for PacketRows {
    fn next(&mut self) -> Result<Option<Decoded>> {
        if self.next == self.chunk.packets.len() {
            let (rejects, missing) = self.refill();
            if !rejects.is_empty() || !missing.gaps.is_empty() || !self.notices.is_empty() {
                return Ok(Some(Decoded {
                    rejects,
                    missing,
                    notices: std::mem::take(&mut self.notices),
                    ..nothing()
                }));
            }
        }
        let (entries, skipped) = self.take_packets();
        if entries.is_empty() && skipped == 0 {
            return self.end();
        }
        let raw = raw(&self.chunk, &entries);
        let rows = Decoded {
            stream: Some(0),
            batch: self.batch(&entries, &raw)?,
            origins: Box::new(PacketRecords { entries, raw }),
            ..nothing()
        };
        Ok(Some(Decoded { skipped, ..rows }))
    }

    fn framing(&self) -> Framing {
        framing()
    }
}

/// The packets behind the rows of a batch.
struct PacketRecords {
    entries: Vec<Entry>,
    raw: BinaryArray,
}

impl Records for PacketRecords {
    fn record(&self, row: usize) -> RawRecord {
        RawRecord {
            byte_offset: Some(self.entries[row].offset),
            line: None,
            packet_index: Some(self.entries[row].index),
            raw: Bytes::copy_from_slice(self.raw.value(row)),
        }
    }
}

fn header(chunk: &Chunk, entry: &Entry) -> PrimaryHeader {
    PrimaryHeader::read(chunk.packet(entry).bytes).expect("a feed hands out whole packets")
}

fn raw(chunk: &Chunk, entries: &[Entry]) -> BinaryArray {
    let bytes = entries.iter().map(|entry| entry.length).sum();
    let mut raw = BinaryBuilder::with_capacity(entries.len(), bytes);
    for entry in entries {
        raw.append_value(chunk.packet(entry).bytes);
    }
    raw.finish()
}

fn column(filling: Filling, chunk: &Chunk, entries: &[Entry], raw: &BinaryArray) -> ArrayRef {
    let headers = entries.iter().map(|entry| header(chunk, entry));
    let channels = entries.iter().map(|entry| entry.channel);
    match filling {
        Filling::Spacecraft => {
            let ids = channels.map(|channel| channel.map(|c| i32::from(c.spacecraft)));
            Arc::new(ids.collect::<Int32Array>())
        }
        Filling::VirtualChannel => {
            let ids = channels.map(|channel| channel.map(|c| i16::from(c.virtual_channel)));
            Arc::new(ids.collect::<Int16Array>())
        }
        Filling::Apid => {
            let apids = headers.map(|header| i32::from(header.apid));
            Arc::new(Int32Array::from_iter_values(apids))
        }
        Filling::SequenceFlags => {
            let flags = headers.map(|header| i16::from(header.sequence_flags));
            Arc::new(Int16Array::from_iter_values(flags))
        }
        Filling::SequenceCount => {
            let counts = headers.map(|header| i32::from(header.sequence_count));
            Arc::new(Int32Array::from_iter_values(counts))
        }
        Filling::Length => {
            let lengths = (0..entries.len()).map(|row| raw.value_length(row));
            Arc::new(Int32Array::from_iter_values(lengths))
        }
        Filling::Raw => Arc::new(raw.clone()),
        Filling::Replay => {
            let replays = entries
                .iter()
                .map(|entry| entry.channel.map(|_| entry.replay));
            Arc::new(replays.collect::<BooleanArray>())
        }
        Filling::Index => Arc::new(places(entries.iter().map(|entry| entry.index))),
        Filling::Offset => Arc::new(places(entries.iter().map(|entry| entry.offset))),
    }
}

/// Numbers and places in a source unit, which has less than 2^63 bytes.
fn places(numbers: impl Iterator<Item = u64>) -> Int64Array {
    Int64Array::from_iter_values(numbers.map(|number| i64::try_from(number).unwrap_or(i64::MAX)))
}
