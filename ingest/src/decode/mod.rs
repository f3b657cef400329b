//! Input formats: bytes to rows and refused records.
//!
//! A decoder promises that every record of its input is either a row of a
//! batch, a [`Reject`] with a reason, a place and its raw bytes, or counted as
//! skipped; that rows have exactly the columns of the definition; and that
//! memory stays bounded by [`DecodeOptions`], whatever the input holds. It
//! refuses to guess: a value that does not fit its column is never wrapped,
//! rounded away or dropped in silence. One rule holds for floats in every
//! format: a column takes the nearest of its numbers, and no finite number
//! becomes infinite. A decoder opens nothing by name and never panics.

mod arrow_ipc;
pub(crate) mod batch;
mod cells;
mod columnar;
mod csv;
mod json;
pub mod packets;
mod parquet;
pub mod reason;
pub(crate) mod scalar;
#[cfg(test)]
mod testing;
mod window;

use std::fs::File;
use std::io::{BufRead, BufReader};

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use downlake_lake::schema::Definition;
use downlake_lake::table::gaps::Gap;
use downlake_lake::{Error, Result};

use crate::infer::Inferred;

/// All input formats; the first whose [`Format::sniff`] agrees wins where
/// neither a name nor an extension says the format. Delimited text agrees with
/// every text, so it comes last.
pub static FORMATS: &[&Format] = &[
    &parquet::FORMAT,
    &arrow_ipc::FORMAT,
    &packets::FRAMES,
    &packets::PACKETS,
    &json::FORMAT,
    &csv::FORMAT,
];

/// One input format. Adding one is one file and one entry in [`FORMATS`].
pub struct Format {
    /// The name that `--format` and definitions use.
    pub name: &'static str,
    /// File extensions, lower case, without the dot, without compression.
    pub extensions: &'static [&'static str],
    /// One line for people.
    pub about: &'static str,
    /// The embedded stream that its records are of where nothing describes them.
    pub stream: Option<&'static str>,
    /// What kind of [`Input`] the format reads.
    pub access: Access,
    /// Whether the first bytes (decompressed, up to 64 KiB) look like this format.
    pub sniff: fn(head: &[u8]) -> bool,
    /// Reads an input and says which columns it holds.
    pub infer: fn(Input, &InferOptions) -> Result<Inferred>,
    /// Starts to decode an input into the columns of a definition.
    pub open: fn(Input, &Definition, &DecodeOptions) -> Result<Box<dyn Decoder>>,
}

impl Format {
    /// Whether bytes begin with the magic of this format; texts have none.
    fn is_container(&self, head: &[u8]) -> bool {
        self.access == Access::Random && (self.sniff)(head)
    }
}

/// How a format reads its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// From the first byte to the last: [`Input::Stream`] (a [`Input::File`] will do).
    Sequential,
    /// Back and forth: [`Input::File`] only.
    Random,
}

/// The bytes of one source unit, after decompression.
pub enum Input {
    /// Bytes in order.
    Stream(Box<dyn BufRead + Send>),
    /// A file, positioned at its start.
    File(File),
}

impl Input {
    /// The bytes in order.
    pub fn into_reader(self) -> Box<dyn BufRead + Send> {
        match self {
            Input::Stream(reader) => reader,
            Input::File(file) => Box::new(BufReader::with_capacity(1 << 18, file)),
        }
    }

    /// The file of a format with [`Access::Random`].
    ///
    /// # Errors
    /// Internal, if the caller handed over a stream.
    pub fn into_file(self) -> Result<File> {
        match self {
            Input::File(file) => Ok(file),
            Input::Stream(_) => Err(Error::internal(
                "a format that needs random access was given a stream; spool the input to a file first",
            )),
        }
    }
}

/// Rows of one input, batch by batch.
pub trait Decoder: Send {
    /// Decodes the next batch; `None` at the end. Refused records are in
    /// [`Decoded`], not errors.
    ///
    /// # Errors
    /// The unit as a whole cannot be read on (broken container, failing
    /// disk). Everything decoded before it has been returned.
    fn next(&mut self) -> Result<Option<Decoded>>;

    /// How the raw bytes of a refused record are read again; records of
    /// columnar formats are JSON lines.
    fn framing(&self) -> Framing {
        Framing::json()
    }
}

/// What raw records need beside themselves to be decoded again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framing {
    /// The format of a file of such records, one a line.
    pub format: &'static str,
    /// Delimited text: the delimiter.
    pub delimiter: Option<u8>,
    /// Delimited text: the names of the fields, where the input had a header.
    pub header: Option<Vec<String>>,
}

impl Framing {
    /// Records that are JSON values.
    pub fn json() -> Framing {
        Framing {
            format: json::FORMAT.name,
            delimiter: None,
            header: None,
        }
    }
}

/// What one call of a decoder yields. Records read are
/// `batch.num_rows() + rejects.len() + skipped`.
pub struct Decoded {
    /// Which of the input's streams rows and records belong to, by number; 0
    /// where there is one. `None`: none of them, and there are no rows.
    pub stream: Option<usize>,
    /// The rows: exactly the columns of the definition, in order, typed by
    /// `Column::decoded_type()`, all nullable.
    pub batch: RecordBatch,
    /// Where each row of the batch came from.
    pub origins: Origins,
    /// The refused records, in input order.
    pub rejects: Vec<Reject>,
    /// Records without content (blank lines).
    pub skipped: u64,
    /// What the user should know once: dropped fields, assumptions.
    pub notices: Vec<String>,
    /// What the input does not hold.
    pub missing: Missing,
}

/// What an input does not hold, as far as it says so itself.
#[derive(Debug, Default)]
pub struct Missing {
    /// Bytes that no record could be made of.
    pub bytes: u64,
    /// Packets, by index and in order, whose times gaps will ask for. Their
    /// rows come with this or the next calls, before other marks do.
    pub marks: Vec<u64>,
    /// Gaps, for `_gaps`.
    pub gaps: Vec<PacketGap>,
}

/// A gap between two packets.
#[derive(Debug, Clone)]
pub struct PacketGap {
    /// All but its times and its table.
    pub gap: Gap,
    /// The stream of the packets on both sides, by number.
    pub stream: Option<usize>,
    /// The packet before it, by index.
    pub before: Option<u64>,
    /// The packet behind it, by index.
    pub after: Option<u64>,
}

/// The raw records behind the rows of a batch.
pub trait Records: Send {
    /// The record of a row; `row` is below the batch's number of rows.
    fn record(&self, row: usize) -> RawRecord;
}

/// The raw records of one batch.
pub type Origins = Box<dyn Records>;

/// One record as it stood in the input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawRecord {
    /// Offset of the first byte in the decompressed input, from 0.
    pub byte_offset: Option<u64>,
    /// Line of the first byte, or row of a columnar file, from 1.
    pub line: Option<u64>,
    /// Number of the packet in the input, from 0.
    pub packet_index: Option<u64>,
    /// The record's bytes, without its terminator; only the beginning of
    /// records refused as [`reason::TOO_LONG`].
    pub raw: Bytes,
}

/// A record that became no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The record.
    pub record: RawRecord,
    /// One of the codes in [`reason`].
    pub reason: &'static str,
    /// What is wrong, with the column, the value and what was expected.
    pub detail: String,
}

/// How much a decoder may hold at a time.
#[derive(Debug, Clone)]
pub struct DecodeOptions {
    /// What messages call the input, as a path or URL.
    pub source: String,
    /// A batch ends at this number of rows.
    pub batch_rows: usize,
    /// A batch ends once its raw records reach this number of bytes.
    pub batch_bytes: usize,
    /// A longer record is refused as [`reason::TOO_LONG`], in bytes.
    pub record_bytes_limit: usize,
    /// The input was put together of single records, one a line, in exactly
    /// the layout of the definition.
    pub is_spool: bool,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        DecodeOptions {
            source: String::from("input"),
            batch_rows: 65_536,
            batch_bytes: 8 << 20,
            record_bytes_limit: 64 << 20,
            is_spool: false,
        }
    }
}

/// How columns are inferred.
#[derive(Debug, Clone)]
pub struct InferOptions {
    /// What messages call the input, as a path or URL.
    pub source: String,
    /// The inferred definition whose table the input is meant for, if there
    /// is one: the input is read as it will be decoded.
    pub following: Option<Definition>,
    /// Reads no further than this number of records; `None` reads all.
    pub records: Option<u64>,
    /// A longer record is passed over, in bytes.
    pub record_bytes_limit: usize,
}

impl Default for InferOptions {
    fn default() -> Self {
        InferOptions {
            source: String::from("input"),
            following: None,
            records: None,
            record_bytes_limit: 64 << 20,
        }
    }
}

/// The format of that name.
///
/// # Errors
/// Invalid, with the names there are.
pub fn format_by_name(name: &str) -> Result<&'static Format> {
    let known = FORMATS.iter().find(|f| f.name == name).copied();
    let known = known.or_else(|| packets::is_link(name).then_some(&packets::FRAMES));
    known.ok_or_else(|| {
        let names: Vec<_> = FORMATS.iter().map(|f| f.name).collect();
        Error::invalid(format!(
            "no input format is called \"{name}\"; there are {}",
            names.join(", ")
        ))
    })
}

/// The format of an input by the magic bytes of containers, then the
/// extension of its name (compression extensions set aside), then its content.
///
/// # Errors
/// Invalid, if nothing tells.
pub fn detect(source: &str, head: &[u8]) -> Result<&'static Format> {
    let by_magic = |f: &&&Format| f.is_container(head);
    let extension = data_extension(source);
    let by_extension = |f: &&&Format| f.extensions.contains(&extension.as_str());
    let by_content = |f: &&&Format| (f.sniff)(head);
    let mut formats = FORMATS.iter();
    formats
        .clone()
        .find(by_magic)
        .or_else(|| formats.clone().find(by_extension))
        .or_else(|| formats.find(by_content))
        .copied()
        .ok_or_else(|| {
            Error::invalid(format!(
                "neither name nor content of \"{source}\" tells its format; name it with --format"
            ))
        })
}

/// Whether the extension of a name, compression set aside, is that of a format.
pub(crate) fn is_named(source: &str) -> bool {
    let extension = data_extension(source);
    FORMATS
        .iter()
        .any(|f| f.extensions.contains(&extension.as_str()))
}

/// Whether the first bytes are those of a container format.
pub(crate) fn has_magic(head: &[u8]) -> bool {
    FORMATS.iter().any(|f| f.is_container(head))
}

/// The extension that names the data, lower case: `csv` of `a/b.CSV.gz`.
fn data_extension(source: &str) -> String {
    const COMPRESSION: &[&str] = &["gz", "zst", "zstd", "lz4", "bz2", "xz"];
    let name = source.rsplit(['/', '\\']).next().unwrap_or(source);
    let mut parts = name.rsplit('.').map(str::to_ascii_lowercase);
    let last = parts.next().unwrap_or_default();
    if COMPRESSION.contains(&last.as_str()) {
        parts.next().unwrap_or_default()
    } else {
        last
    }
}
