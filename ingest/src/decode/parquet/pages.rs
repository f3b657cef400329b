//! Pages of a Parquet file, looked at before they are decoded.
//!
//! The counts and sizes in page headers are words of the file's writer. The
//! Parquet crate reserves memory by them, so a file of a few bytes could ask
//! for any amount of it, and a failed allocation ends the process. The
//! wrappers here promise that no page is decompressed whose header asks for
//! more than [`PAGE_BYTES_LIMIT`], and none is decoded whose counts its bytes
//! cannot hold.

use std::fs::File;
use std::io::{Read, sink};
use std::sync::{Arc, OnceLock};

use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;

use super::thrift::{self, Fault};

/// A page may not be larger than this once it is decompressed, in bytes.
pub(super) const PAGE_BYTES_LIMIT: u64 = 256 << 20;

/// A page may not hold more values than this, NULLs included.
const PAGE_VALUES_LIMIT: i64 = 64 << 20;

/// Writers that pack indices of no width keep the count of groups of a run in
/// one byte, as the format's first implementation does.
const PACKED_GROUPS_LIMIT: u64 = 63;

/// A page header (statistics included) may not be longer than this, in bytes.
const HEADER_BYTES_LIMIT: usize = 16 << 20;

/// One row group of a file, with every page checked on its way.
pub(super) struct GuardedRowGroup {
    pub(super) file: Arc<File>,
    pub(super) metadata: Arc<ParquetMetaData>,
    pub(super) index: usize,
    /// Takes the message where a page is above a limit.
    pub(super) over_limit: Arc<OnceLock<String>>,
}

impl GuardedRowGroup {
    fn row_group(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.index)
    }
}

impl RowGroups for GuardedRowGroup {
    fn num_rows(&self) -> usize {
        usize::try_from(self.row_group().num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.row_group().column(column);
        let pages = GuardedPages::open(self, chunk)?;
        Ok(Box::new(OneChunk(Some(Box::new(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.row_group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The pages of the one chunk that a column has in a row group.
struct OneChunk(Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}

/// The pages of a column chunk.
struct GuardedPages {
    inner: SerializedPageReader<File>,
    file: Arc<File>,
    column: Arc<ColumnDescriptor>,
    compression: Compression,
    /// Where the next page's header starts.
    at: u64,
    /// Where the chunk ends.
    end: u64,
    /// The length of the next page, header included, once it is checked.
    checked: Option<u64>,
    over_limit: Arc<OnceLock<String>>,
}

impl GuardedPages {
    fn open(row_group: &GuardedRowGroup, chunk: &ColumnChunkMetaData) -> Result<Self> {
        let file = &row_group.file;
        let column = chunk.column_descr_ptr();
        let (start, length) = chunk.byte_range();
        let end = start.checked_add(length).filter(|end| *end <= file.len());
        let end = end.ok_or_else(|| {
            let path = column.path().string();
            general(format!("column \"{path}\" ends behind the end of the file"))
        })?;
        Ok(GuardedPages {
            inner: SerializedPageReader::new(Arc::clone(file), chunk, row_group.num_rows(), None)?,
            file: Arc::clone(file),
            column,
            compression: chunk.compression(),
            at: start,
            end,
            checked: None,
            over_limit: Arc::clone(&row_group.over_limit),
        })
    }

    /// Checks the header of the next page; index pages, which the reader
    /// passes over, are passed over here too.
    fn check_next(&mut self) -> Result<()> {
        while self.checked.is_none() && self.at < self.end {
            let (length, header) = self.header()?;
            let compressed = u64::try_from(header.compressed)
                .ok()
                .filter(|size| *size <= self.end - self.at - length)
                .ok_or_else(|| self.fault("its size is not inside its column"))?;
            if header.kind == Header::INDEX {
                self.at += length + compressed;
                continue;
            }
            self.check_header(&header)?;
            self.check_expansion(&header, self.at + length, compressed)?;
            self.checked = Some(length + compressed);
        }
        Ok(())
    }

    fn pass(&mut self) {
        self.at += self.checked.take().unwrap_or(0);
    }

    fn header(&self) -> Result<(u64, Header)> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let most = left.min(HEADER_BYTES_LIMIT);
        let mut size = most.min(256);
        loop {
            let bytes = self.file.get_bytes(self.at, size)?;
            match Header::read(&bytes) {
                Ok((length, header)) => return Ok((length as u64, header)),
                Err(Fault::Truncated) if size < most => size = most.min(size * 16),
                Err(Fault::Truncated) => return Err(self.fault("its header does not end")),
                Err(Fault::Malformed(why)) => return Err(self.fault(why)),
            }
        }
    }

    fn check_header(&self, header: &Header) -> Result<()> {
        let size = u64::try_from(header.uncompressed)
            .map_err(|_| self.fault("its decompressed size is below zero"))?;
        if size > PAGE_BYTES_LIMIT {
            return Err(self.over("bytes once decompressed", size, PAGE_BYTES_LIMIT));
        }
        if header.values > PAGE_VALUES_LIMIT {
            let (values, limit) = (
                header.values.unsigned_abs(),
                PAGE_VALUES_LIMIT.unsigned_abs(),
            );
            return Err(self.over("values", values, limit));
        }
        Ok(())
    }

    /// The Parquet crate decompresses gzip and zstd to the end of the stream,
    /// whatever size the header says: where the stream could pass the limit,
    /// it is run through once without keeping its output.
    fn check_expansion(&self, header: &Header, at: u64, compressed: u64) -> Result<()> {
        let most = match self.compression {
            Compression::GZIP(_) => compressed.saturating_mul(1_032),
            Compression::ZSTD(_) => compressed.saturating_mul(32 << 10),
            _ => return Ok(()),
        };
        if most <= PAGE_BYTES_LIMIT {
            return Ok(());
        }
        let levels = u64::try_from(header.levels).unwrap_or(0).min(compressed);
        let length = usize::try_from(compressed - levels).unwrap_or(usize::MAX);
        let bytes = self.file.get_bytes(at + levels, length)?;
        let stream: Box<dyn Read + '_> = match self.compression {
            Compression::GZIP(_) => Box::new(flate2::read::MultiGzDecoder::new(&bytes[..])),
            _ => Box::new(zstd::Decoder::new(&bytes[..])?),
        };
        // A stream that breaks off is the reader's to report.
        let size = std::io::copy(&mut stream.take(PAGE_BYTES_LIMIT + 1), &mut sink()).unwrap_or(0);
        if size > PAGE_BYTES_LIMIT {
            return Err(self.over("bytes once decompressed", size, PAGE_BYTES_LIMIT));
        }
        Ok(())
    }

    fn check_page(&self, page: &Page) -> Result<()> {
        match page {
            Page::DictionaryPage {
                buf, num_values, ..
            } => {
                if *num_values as usize > buf.len() {
                    return Err(self.fault("its dictionary counts more values than it has bytes"));
                }
                Ok(())
            }
            Page::DataPage {
                buf,
                num_values,
                encoding,
                ..
            } => {
                let values = self.values_of_v1(page, buf);
                self.check_values(*encoding, values, *num_values)
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                self.check_values(*encoding, buf.get(levels..), *num_values)
            }
        }
    }

    /// The values of a data page of version 1, behind its levels.
    fn values_of_v1<'a>(&self, page: &Page, buf: &'a [u8]) -> Option<&'a [u8]> {
        let Page::DataPage {
            num_values,
            def_level_encoding,
            rep_level_encoding,
            ..
        } = page
        else {
            return None;
        };
        let levels = [
            (self.column.max_rep_level(), *rep_level_encoding),
            (self.column.max_def_level(), *def_level_encoding),
        ];
        let mut rest = buf;
        for (most, encoding) in levels {
            if most > 0 {
                rest = rest.get(level_bytes(rest, most, encoding, *num_values)?..)?;
            }
        }
        Some(rest)
    }

    fn check_values(&self, encoding: Encoding, values: Option<&[u8]>, count: u32) -> Result<()> {
        let values = || values.ok_or_else(|| self.fault("its levels do not end"));
        match encoding {
            Encoding::DELTA_BINARY_PACKED | Encoding::DELTA_LENGTH_BYTE_ARRAY => {
                self.check_deltas(1, values()?, count)
            }
            Encoding::DELTA_BYTE_ARRAY => self.check_deltas(2, values()?, count),
            Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => self.check_indices(values()?),
            _ => Ok(()),
        }
    }

    /// Indices of no width name the first value of a dictionary. Writers say so
    /// with one repeated run, or pack them in runs of up to
    /// [`PACKED_GROUPS_LIMIT`] groups; a longer run is a count with no byte
    /// behind it, which old writers left and other readers fail on.
    fn check_indices(&self, values: &[u8]) -> Result<()> {
        match values.split_first() {
            Some((0, runs)) if has_long_packed_run(runs) => Err(self.fault(
                "its dictionary indices have a width of 0 and are packed in a run longer than \
                 writers make; write the file again with another writer",
            )),
            _ => Ok(()),
        }
    }

    /// Delta encodings repeat the count of values in front of the values,
    /// and readers reserve memory by it.
    fn check_deltas(&self, streams: usize, values: &[u8], count: u32) -> Result<()> {
        let mut rest = values;
        for _ in 0..streams {
            let length = delta_length(rest, u64::from(count))
                .ok_or_else(|| self.fault("its delta encoding counts more values than the page"))?;
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn fault(&self, why: &str) -> ParquetError {
        let (path, at) = (self.column.path().string(), self.at);
        general(format!(
            "the page of column \"{path}\" at byte {at} is broken: {why}"
        ))
    }

    fn over(&self, what: &str, size: u64, limit: u64) -> ParquetError {
        let (path, at) = (self.column.path().string(), self.at);
        let message = format!(
            "the page of column \"{path}\" at byte {at} has {size} {what}, above the limit of \
             {limit}; write the file with smaller pages"
        );
        general(self.over_limit.get_or_init(|| message).clone())
    }
}

impl Iterator for GuardedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for GuardedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.check_next()?;
        let page = self.inner.get_next_page()?;
        if let Some(page) = &page {
            self.check_page(page)?;
        }
        self.pass();
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.check_next()?;
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.check_next()?;
        self.inner.skip_next_page()?;
        self.pass();
        Ok(())
    }
}

/// What a page header says of sizes (parquet.thrift, `PageHeader`).
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) kind: i64,
    uncompressed: i64,
    compressed: i64,
    /// Values, NULLs included.
    values: i64,
    /// Bytes of levels in front of the compressed part (pages of version 2).
    levels: i64,
}

impl Header {
    const INDEX: i64 = 1;
    pub(super) const DICTIONARY: i64 = 2;

    /// The header at the start of `input`, and its length.
    pub(super) fn read(input: &[u8]) -> Result<(usize, Header), Fault> {
        let mut header = Header::default();
        let length = thrift::walk(input, &mut |field| {
            let value = field.value.unwrap_or(0);
            match field.path {
                [1] => header.kind = value,
                [2] => header.uncompressed = value,
                [3] => header.compressed = value,
                [5 | 7 | 8, 1] => header.values = value,
                [8, 5 | 6] => header.levels = header.levels.saturating_add(value.max(0)),
                _ => {}
            }
        })?;
        Ok((length, header))
    }
}

/// Length of the levels at the start of `rest`.
fn level_bytes(rest: &[u8], most: i16, encoding: Encoding, count: u32) -> Option<usize> {
    #[expect(deprecated, reason = "files of old writers have it")]
    let packed = encoding == Encoding::BIT_PACKED;
    if packed {
        let width = u16::BITS - most.unsigned_abs().leading_zeros();
        return usize::try_from((u64::from(count) * u64::from(width)).div_ceil(8)).ok();
    }
    let prefix = rest.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*prefix))
        .ok()?
        .checked_add(4)
}

/// Length of a DELTA_BINARY_PACKED stream of at most `limit` values; `None`
/// if it counts more or asks for blocks no writer makes (parquet-format,
/// "Delta encoding").
fn delta_length(input: &[u8], limit: u64) -> Option<usize> {
    const BLOCK_LIMIT: u64 = 1 << 20;
    let mut at = 0;
    let block = varint(input, &mut at)?;
    let minis = varint(input, &mut at)?;
    let count = varint(input, &mut at)?;
    varint(input, &mut at)?;
    if count > limit || block > BLOCK_LIMIT || minis == 0 || minis > block {
        return None;
    }
    let values_per_mini = block / minis;
    let mut left = count.saturating_sub(1);
    while left > 0 {
        varint(input, &mut at)?;
        let widths = input.get(at..)?.get(..usize::try_from(minis).ok()?)?;
        at += widths.len();
        for width in widths {
            if left == 0 {
                break;
            }
            at += usize::try_from(u64::from(*width) * values_per_mini / 8).ok()?;
            left = left.saturating_sub(values_per_mini);
        }
    }
    Some(at)
}

/// Whether a bit-packed run of indices of no width is longer than the limit; a
/// run is its header alone (parquet-format, "RLE/bit-packing hybrid").
fn has_long_packed_run(runs: &[u8]) -> bool {
    let mut at = 0;
    let mut headers = std::iter::from_fn(|| varint(runs, &mut at));
    headers.any(|header| header & 1 == 1 && header >> 1 > PACKED_GROUPS_LIMIT)
}

fn varint(input: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *input.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn general(message: String) -> ParquetError {
    ParquetError::General(message)
}
