//! Arrow IPC: files (Feather version 2) and streams.
//!
//! Promises: every row of every record batch is a row or a reject, in order;
//! dictionaries, compression and both byte layouts of the format are read;
//! one record batch is held at a time. Refuses: batches above
//! [`BATCH_BYTES_LIMIT`], since the format has no smaller unit; Feather
//! version 1; and messages whose lengths their bytes do not bear out.
//!
//! A file is read by its footer, a stream message by message. Layout: Arrow
//! columnar format, "Serialization and Interprocess Communication".

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::{self, Block, MessageHeader, MetadataVersion, root_as_footer, root_as_message};
use arrow::record_batch::RecordBatch;
use downlake_lake::schema::Definition;
use downlake_lake::{Error, ErrorKind, Result};

use super::columnar::{BatchSource, ColumnarDecoder, infer_schema};
use super::{Access, DecodeOptions, Decoder, Format, InferOptions, Input};
use crate::infer::Inferred;

/// The format `arrow`.
pub(super) static FORMAT: Format = Format {
    name: "arrow",
    extensions: &["arrow", "arrows", "ipc", "feather"],
    about: "Apache Arrow IPC files, Feather version 2, and IPC streams",
    stream: None,
    access: Access::Random,
    sniff,
    infer,
    open,
};

/// A record batch may not be larger than this, decompressed, in bytes.
const BATCH_BYTES_LIMIT: u64 = 256 << 20;

/// A record batch may not have more rows than this.
const BATCH_ROWS_LIMIT: i64 = i32::MAX as i64;

/// The metadata of a message or of a file may not be longer than this, in bytes.
const METADATA_LIMIT: u64 = 64 << 20;

const MAGIC_FILE: &[u8] = b"ARROW1";
const MAGIC_FEATHER_1: &[u8] = b"FEA1";
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The footer's length and the magic bytes at a file's end.
const TAIL: u64 = 10;

fn sniff(head: &[u8]) -> bool {
    let stream = head.starts_with(&CONTINUATION)
        && head
            .get(4..8)
            .is_some_and(|length| length[3] == 0 && length != [0; 4]);
    stream || head.starts_with(MAGIC_FILE) || head.starts_with(MAGIC_FEATHER_1)
}

fn infer(input: Input, options: &InferOptions) -> Result<Inferred> {
    let mut batches = Batches::open(input, &options.source)?;
    let rows = batches.count_rows()?;
    infer_schema(&batches.schema, &options.source, rows)
}

fn open(
    input: Input,
    definition: &Definition,
    options: &DecodeOptions,
) -> Result<Box<dyn Decoder>> {
    let batches = Batches::open(input, &options.source)?;
    let schema = batches.schema.clone();
    Ok(Box::new(ColumnarDecoder::new(
        batches, &schema, definition, options,
    )?))
}

/// The record batches of an input.
struct Batches {
    file: File,
    size: u64,
    source: String,
    schema: SchemaRef,
    /// Takes messages of both layouts.
    decoder: FileDecoder,
    layout: Layout,
    /// After an error the decoder's state is unknown; it is not used again.
    failed: bool,
}

/// Which of the two layouts the bytes have.
enum Layout {
    /// Record batches that the footer points to, less those that were read.
    File(VecDeque<Block>),
    /// Messages one behind the other; the next starts here.
    Stream(u64),
}

/// Where a message lies in the input.
struct Place {
    at: u64,
    /// Bytes in front of the body: length words and metadata.
    head_bytes: u64,
    /// The length words alone.
    prefix_bytes: usize,
    body_bytes: u64,
}

impl Place {
    fn end(&self) -> u64 {
        self.at
            .saturating_add(self.head_bytes)
            .saturating_add(self.body_bytes)
    }
}

impl BatchSource for Batches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.failed {
            return Ok(None);
        }
        let source = self.source.clone();
        let batch = guarded(&source, || self.read());
        self.failed = batch.is_err();
        batch
    }
}

impl Batches {
    fn open(input: Input, source: &str) -> Result<Self> {
        let mut file = input.into_file()?;
        let size = file
            .metadata()
            .map_err(|error| io_error(source, error))?
            .len();
        let mut magic = Vec::new();
        file.by_ref()
            .take(6)
            .read_to_end(&mut magic)
            .map_err(|error| io_error(source, error))?;
        let mut batches = Batches {
            file,
            size,
            source: source.to_owned(),
            schema: Arc::new(Schema::empty()),
            decoder: FileDecoder::new(Arc::new(Schema::empty()), MetadataVersion::V5),
            layout: Layout::Stream(0),
            failed: false,
        };
        guarded(source, || match () {
            () if magic.starts_with(MAGIC_FILE) => batches.open_file(),
            () if magic.starts_with(MAGIC_FEATHER_1) => Err(Error::invalid(format!(
                "{source} is Feather version 1, which is not supported; write it as version 2"
            ))),
            () => batches.open_stream(),
        })?;
        Ok(batches)
    }

    fn open_file(&mut self) -> Result<()> {
        let footer_bytes = self.footer()?;
        let footer =
            root_as_footer(&footer_bytes).map_err(|error| self.broken(&error.to_string()))?;
        let schema = footer
            .schema()
            .ok_or_else(|| self.broken("its footer has no schema"))?;
        self.adopt_schema(schema, footer.version())?;
        let mut dictionary_bytes = 0_u64;
        for block in footer.dictionaries().into_iter().flatten() {
            let (place, bytes) = self.block(block)?;
            dictionary_bytes += self.check_message(&place, &bytes)?;
            self.check_size(dictionary_bytes)?;
            self.read_dictionary(block, &bytes)?;
        }
        let blocks = footer
            .recordBatches()
            .into_iter()
            .flatten()
            .copied()
            .collect();
        self.layout = Layout::File(blocks);
        Ok(())
    }

    /// A stream begins with its schema.
    fn open_stream(&mut self) -> Result<()> {
        let place = self.next_place()?;
        let place = place.ok_or_else(|| self.broken("it is empty"))?;
        let head = self.bytes(place.at, place.head_bytes)?;
        let message = self.message(&place, &head)?;
        let schema = message
            .header_as_schema()
            .ok_or_else(|| self.broken("it does not begin with a schema"))?;
        self.adopt_schema(schema, message.version())?;
        self.layout = Layout::Stream(place.end());
        Ok(())
    }

    fn adopt_schema(&mut self, schema: ipc::Schema<'_>, version: MetadataVersion) -> Result<()> {
        if !schema.endianness().equals_to_target_endianness() {
            return Err(Error::invalid(format!(
                "{} was written in the other byte order, which is not supported; write it again \
                 on a little-endian machine",
                self.source
            )));
        }
        self.schema = Arc::new(fb_to_schema(schema));
        self.decoder = FileDecoder::new(self.schema.clone(), version);
        Ok(())
    }

    fn read(&mut self) -> Result<Option<RecordBatch>> {
        match &mut self.layout {
            Layout::Stream(_) => self.read_stream(),
            Layout::File(blocks) => match blocks.pop_front() {
                Some(block) => {
                    let (place, bytes) = self.block(&block)?;
                    self.check_message(&place, &bytes)?;
                    self.read_batch(&block, &bytes)
                }
                None => Ok(None),
            },
        }
    }

    /// The next record batch of a stream, and the dictionaries in front of it.
    fn read_stream(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(place) = self.next_place()? {
            let bytes = self.bytes(place.at, place.head_bytes + place.body_bytes)?;
            self.check_message(&place, &bytes)?;
            self.layout = Layout::Stream(place.end());
            let block = self.block_of(&place)?;
            match self.message(&place, &bytes)?.header_type() {
                MessageHeader::DictionaryBatch => self.read_dictionary(&block, &bytes)?,
                MessageHeader::RecordBatch => return self.read_batch(&block, &bytes),
                MessageHeader::NONE => {}
                other => {
                    let kind = other.variant_name().unwrap_or("unknown");
                    return Err(self.broken(&format!("a message is a {kind}, not a record batch")));
                }
            }
        }
        Ok(None)
    }

    fn read_dictionary(&mut self, block: &Block, bytes: &Buffer) -> Result<()> {
        let read = self.decoder.read_dictionary(block, bytes);
        read.map_err(|error| self.failure(error))
    }

    fn read_batch(&self, block: &Block, bytes: &Buffer) -> Result<Option<RecordBatch>> {
        let batch = self.decoder.read_record_batch(block, bytes);
        batch.map_err(|error| self.failure(error))
    }

    /// Where the next message of a stream lies; `None` at its end.
    fn next_place(&mut self) -> Result<Option<Place>> {
        let Layout::Stream(at) = self.layout else {
            return Ok(None);
        };
        if at == self.size {
            return Ok(None);
        }
        let mut prefix_bytes = 4;
        let mut word = self.word(at)?;
        if word == CONTINUATION {
            prefix_bytes = 8;
            word = self.word(at + 4)?;
        }
        let metadata_bytes = u64::from(u32::from_le_bytes(word));
        if metadata_bytes == 0 {
            return Ok(None);
        }
        if metadata_bytes > METADATA_LIMIT {
            return Err(self.broken("a message's metadata is longer than any writer makes it"));
        }
        let metadata = self.bytes(at + prefix_bytes, metadata_bytes)?;
        let message =
            root_as_message(&metadata).map_err(|error| self.broken(&error.to_string()))?;
        let body_bytes = u64::try_from(message.bodyLength());
        Ok(Some(Place {
            at,
            head_bytes: prefix_bytes + metadata_bytes,
            prefix_bytes: usize::from(u8::try_from(prefix_bytes).unwrap_or(8)),
            body_bytes: body_bytes
                .map_err(|_| self.broken("a message's body has a length below zero"))?,
        }))
    }

    /// Rows of all batches, read off their metadata.
    fn count_rows(&mut self) -> Result<u64> {
        let source = self.source.clone();
        guarded(&source, || {
            let Layout::File(blocks) = &self.layout else {
                return self.count_stream_rows();
            };
            let rows = |block| self.rows_of(&self.block_place(block)?);
            blocks.iter().map(rows).sum()
        })
    }

    fn count_stream_rows(&mut self) -> Result<u64> {
        let mut rows = 0_u64;
        while let Some(place) = self.next_place()? {
            rows = rows.saturating_add(self.rows_of(&place)?);
            self.layout = Layout::Stream(place.end());
        }
        Ok(rows)
    }

    fn rows_of(&self, place: &Place) -> Result<u64> {
        let head = self.bytes(place.at, place.head_bytes)?;
        let message = self.message(place, &head)?;
        let rows = message
            .header_as_record_batch()
            .map_or(0, |batch| batch.length());
        u64::try_from(rows).map_err(|_| self.broken("a record batch counts fewer than no rows"))
    }

    /// The metadata of a message, from its bytes with or without the body.
    fn message<'a>(&self, place: &Place, bytes: &'a [u8]) -> Result<ipc::Message<'a>> {
        let head_bytes = usize::try_from(place.head_bytes).unwrap_or(usize::MAX);
        let metadata = bytes
            .get(place.prefix_bytes..head_bytes)
            .unwrap_or_default();
        root_as_message(metadata).map_err(|error| self.broken(&error.to_string()))
    }

    fn block_of(&self, place: &Place) -> Result<Block> {
        let number = |bytes: u64| i64::try_from(bytes).ok();
        let head = i32::try_from(place.head_bytes).ok();
        let block = || {
            Some(Block::new(
                number(place.at)?,
                head?,
                number(place.body_bytes)?,
            ))
        };
        block().ok_or_else(|| self.broken("a message has no plausible length"))
    }

    fn block(&self, block: &Block) -> Result<(Place, Buffer)> {
        let place = self.block_place(block)?;
        let bytes = self.bytes(place.at, place.head_bytes + place.body_bytes)?;
        Ok((place, bytes))
    }

    fn block_place(&self, block: &Block) -> Result<Place> {
        let at = u64::try_from(block.offset());
        let head = u64::try_from(block.metaDataLength());
        let body = u64::try_from(block.bodyLength());
        let (Ok(at), Ok(head_bytes), Ok(body_bytes)) = (at, head, body) else {
            return Err(self.broken("its footer points outside the file"));
        };
        let modern = head_bytes >= 8 && self.word(at)? == CONTINUATION;
        if !(4..=METADATA_LIMIT).contains(&head_bytes) {
            return Err(self.broken("its footer gives a message no plausible length"));
        }
        Ok(Place {
            at,
            head_bytes,
            prefix_bytes: if modern { 8 } else { 4 },
            body_bytes,
        })
    }

    /// Checks what the reader takes on trust: counts, and the sizes that
    /// compressed buffers claim. Returns the size of the body, decompressed.
    fn check_message(&self, place: &Place, bytes: &[u8]) -> Result<u64> {
        let head_bytes = usize::try_from(place.head_bytes).unwrap_or(usize::MAX);
        let body = bytes.get(head_bytes..).unwrap_or_default();
        let message = self.message(place, bytes)?;
        let batch = match message.header_type() {
            MessageHeader::DictionaryBatch => {
                message.header_as_dictionary_batch().and_then(|d| d.data())
            }
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            _ => return Ok(0),
        };
        let batch = batch.ok_or_else(|| self.broken("a message has no record batch"))?;
        let nodes = batch
            .nodes()
            .into_iter()
            .flatten()
            .map(|node| node.length());
        let rows = nodes.chain([batch.length()]).max().unwrap_or(0);
        if rows > BATCH_ROWS_LIMIT {
            return Err(self.limit(&format!("{rows} rows"), &format!("{BATCH_ROWS_LIMIT} rows")));
        }
        let mut size = body.len() as u64;
        if batch.compression().is_some() {
            for buffer in batch.buffers().into_iter().flatten() {
                size = size.saturating_add(self.claimed_size(
                    body,
                    buffer.offset(),
                    buffer.length(),
                )?);
            }
        }
        self.check_size(size)?;
        Ok(size)
    }

    /// The size that a compressed buffer says it has in its first 8 bytes;
    /// -1 means that it is not compressed.
    fn claimed_size(&self, body: &[u8], offset: i64, length: i64) -> Result<u64> {
        let outside = || self.broken("a buffer lies outside its message");
        let start = usize::try_from(offset).map_err(|_| outside())?;
        let length = usize::try_from(length).map_err(|_| outside())?;
        let end = start.checked_add(length).ok_or_else(outside)?;
        let buffer = body.get(start..end).ok_or_else(outside)?;
        let claimed = buffer
            .first_chunk::<8>()
            .map_or(0, |word| i64::from_le_bytes(*word));
        Ok(u64::try_from(claimed).unwrap_or(0))
    }

    fn check_size(&self, size: u64) -> Result<()> {
        if size <= BATCH_BYTES_LIMIT {
            return Ok(());
        }
        Err(self.limit(
            &format!("{size} bytes"),
            &format!("{BATCH_BYTES_LIMIT} bytes"),
        ))
    }

    fn footer(&self) -> Result<Buffer> {
        let tail_at = self
            .size
            .checked_sub(TAIL)
            .ok_or_else(|| self.broken("it is cut off"))?;
        let tail = self.bytes(tail_at, TAIL)?;
        let tail = tail
            .first_chunk::<10>()
            .ok_or_else(|| self.broken("it is cut off"))?;
        let length = read_footer_length(*tail).map_err(|error| self.failure(error))? as u64;
        let start = tail_at
            .checked_sub(length)
            .filter(|_| length <= METADATA_LIMIT);
        let start = start.ok_or_else(|| self.broken("its footer is longer than the file"))?;
        self.bytes(start, length)
    }

    fn word(&self, at: u64) -> Result<[u8; 4]> {
        let bytes = self.bytes(at, 4)?;
        let word = bytes.first_chunk::<4>().copied();
        word.ok_or_else(|| self.broken("it is cut off"))
    }

    /// Bytes of the input; memory is reserved only for bytes that are there.
    fn bytes(&self, at: u64, length: u64) -> Result<Buffer> {
        let end = at.checked_add(length).filter(|end| *end <= self.size);
        end.ok_or_else(|| self.broken("it is cut off: a message does not end"))?;
        if length > BATCH_BYTES_LIMIT + METADATA_LIMIT {
            return Err(self.limit(
                &format!("{length} bytes"),
                &format!("{BATCH_BYTES_LIMIT} bytes"),
            ));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        let mut file = &self.file;
        let failed = |error| io_error(&self.source, error);
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
        file.take(length).read_to_end(&mut bytes).map_err(failed)?;
        if (bytes.len() as u64) < length {
            return Err(self.broken("it became shorter while it was read"));
        }
        Ok(Buffer::from_vec(bytes))
    }

    fn limit(&self, found: &str, limit: &str) -> Error {
        Error::new(
            ErrorKind::Limit,
            format!(
                "{} has a record batch of {found}, above the limit of {limit}; write it in smaller batches",
                self.source
            ),
        )
    }

    fn broken(&self, why: &str) -> Error {
        Error::corrupt(format!(
            "{} is not readable as Arrow IPC: {why}",
            self.source
        ))
    }

    fn failure(&self, error: ArrowError) -> Error {
        self.broken(&error.to_string()).with_source(error)
    }
}

fn io_error(source: &str, error: std::io::Error) -> Error {
    Error::unavailable(format!("reading {source}: {error}")).with_source(error)
}

/// Turns a panic into an error. The Arrow crate asserts by what a message
/// says of itself in a few places that no check in front can cover.
fn guarded<T>(source: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic may leave half done is dropped: readers fail for good.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(Error::corrupt(format!(
            "{source} is not readable as Arrow IPC: its messages contradict each other"
        )))
    })
}
