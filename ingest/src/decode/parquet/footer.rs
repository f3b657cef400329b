//! The metadata at the end of a file, read as the format means it.
//!
//! Promises: the metadata is walked once before anything is reserved by its
//! counts, and what the Parquet crate would read otherwise than the format, or
//! than writers of long standing meant, is put right before it is used:
//!
//! * Fields of a column that the format gave away later are passed over: old
//!   forks of writers put structures of their own there.
//! * A dictionary page at offset 0 is none: the magic bytes are there.
//! * A column of parquet-mr before 1.2.9 is longer than it says by the header
//!   of its dictionary page (PARQUET-816).
//! * INT96 is read as its twelve bytes, so that no digit is lost on the way.
//!
//! Refuses encrypted files, and metadata longer than a limit.

use std::fs::File;
use std::sync::Arc;

use downlake_lake::{Error, ErrorKind, Result};
use parquet::basic::Type as Physical;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataOptions,
    ParquetMetaDataReader, ParquetStatisticsPolicy, RowGroupMetaData,
};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

use super::int96::INT96_BYTES;
use super::pages::Header;
use super::{MAGIC, MAGIC_ENCRYPTED, reader_error, thrift};

/// The magic bytes and the length of the metadata at a file's end.
const TAIL: usize = 8;

/// Longer metadata is refused, in bytes: it is held whole.
const METADATA_LIMIT: u64 = 256 << 20;

/// What a file says of itself.
pub(super) struct Footer {
    pub(super) metadata: ParquetMetaData,
    /// Which leaves of the schema are INT96; the metadata calls them bytes.
    pub(super) int96: Vec<bool>,
}

impl Footer {
    pub(super) fn read(file: &File, source: &str) -> Result<Footer> {
        let (start, mut bytes) = metadata_bytes(file, source)?;
        pass_over_foreign_fields(&mut bytes, source)?;
        // Reading from start to end needs no statistics.
        let options = ParquetMetaDataOptions::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let metadata = ParquetMetaDataReader::decode_metadata_with_options(&bytes, Some(&options));
        let mended = metadata.and_then(|metadata| mend(metadata, file, start));
        mended.map_err(|error| reader_error(source, error))
    }
}

/// The metadata, and where it starts.
fn metadata_bytes(file: &File, source: &str) -> Result<(u64, Vec<u8>)> {
    let failed = |error| reader_error(source, error);
    let size = file.len();
    let tail_at = size
        .checked_sub(TAIL as u64)
        .ok_or_else(|| broken(source, "it is shorter than a footer"))?;
    let tail = file.get_bytes(tail_at, TAIL).map_err(failed)?;
    let (length, magic) = tail.split_at(4);
    if magic == MAGIC_ENCRYPTED {
        return Err(encrypted(source));
    }
    if magic != MAGIC {
        return Err(broken(
            source,
            "it does not end in \"PAR1\"; is it cut off?",
        ));
    }
    let length = length.try_into().map_or(0, u32::from_le_bytes);
    let start = tail_at
        .checked_sub(u64::from(length))
        .ok_or_else(|| broken(source, "its metadata is longer than the file"))?;
    if u64::from(length) > METADATA_LIMIT {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("{source} has {length} bytes of metadata, above the limit of {METADATA_LIMIT}"),
        ));
    }
    let bytes = file.get_bytes(start, length as usize).map_err(failed)?;
    Ok((start, bytes.to_vec()))
}

/// Renumbers the fields of columns from 14 on, which reading from start to end
/// does not need, to numbers that the format has not given away.
fn pass_over_foreign_fields(metadata: &mut [u8], source: &str) -> Result<()> {
    /// FileMetaData.row_groups, an element, .columns, an element, .meta_data.
    const COLUMN: [i16; 5] = [4, 0, 1, 0, 3];
    /// FileMetaData.encryption_algorithm, in files with a readable footer.
    const ENCRYPTION: [i16; 1] = [8];
    let mut is_encrypted = false;
    let mut foreign = Vec::new();
    thrift::walk(metadata, &mut |field| {
        is_encrypted |= field.path == ENCRYPTION;
        if let Some([14..=17]) = field.path.strip_prefix(&COLUMN) {
            foreign.push(field.at);
        }
    })
    .map_err(|_| broken(source, "its metadata does not end where it says"))?;
    if is_encrypted {
        return Err(encrypted(source));
    }
    for at in foreign {
        thrift::renumber(metadata, at);
    }
    Ok(())
}

fn mend(metadata: ParquetMetaData, file: &File, start: u64) -> Result<Footer, ParquetError> {
    let said = metadata.file_metadata();
    let leaves = said.schema_descr().columns().iter();
    let int96 = leaves
        .map(|leaf| leaf.physical_type() == Physical::INT96)
        .collect();
    let root = bytes_for_int96(&said.schema_descr().root_schema_ptr())?;
    let schema: SchemaDescPtr = Arc::new(SchemaDescriptor::new(root));
    let lengths = Lengths {
        file,
        leave_out_headers: said.created_by().is_some_and(leaves_out_headers),
        starts: chunk_starts(&metadata, start),
    };
    let row_groups = metadata.row_groups().iter();
    let row_groups = row_groups.map(|group| mend_row_group(group, &schema, &lengths));
    let row_groups = row_groups.collect::<Result<_, ParquetError>>()?;
    let file_metadata = FileMetaData::new(
        said.version(),
        said.num_rows(),
        said.created_by().map(str::to_owned),
        said.key_value_metadata().cloned(),
        schema,
        None,
    );
    Ok(Footer {
        metadata: ParquetMetaData::new(file_metadata, row_groups),
        int96,
    })
}

/// The schema with fixed bytes in the place of INT96.
fn bytes_for_int96(schema: &TypePtr) -> Result<TypePtr, ParquetError> {
    let info = schema.get_basic_info();
    let id = info.has_id().then(|| info.id());
    let mended = match schema.as_ref() {
        Type::PrimitiveType {
            physical_type: Physical::INT96,
            ..
        } => Type::primitive_type_builder(info.name(), Physical::FIXED_LEN_BYTE_ARRAY)
            .with_length(INT96_BYTES)
            .with_repetition(info.repetition())
            .with_id(id)
            .build()?,
        Type::PrimitiveType { .. } => return Ok(Arc::clone(schema)),
        Type::GroupType { fields, .. } => {
            let fields = fields.iter().map(bytes_for_int96);
            let group = Type::group_type_builder(info.name())
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_fields(fields.collect::<Result<_, _>>()?)
                .with_id(id);
            // Only the root has no repetition.
            match info.has_repetition() {
                true => group.with_repetition(info.repetition()).build()?,
                false => group.build()?,
            }
        }
    };
    Ok(Arc::new(mended))
}

fn mend_row_group(
    said: &RowGroupMetaData,
    schema: &SchemaDescPtr,
    lengths: &Lengths<'_>,
) -> Result<RowGroupMetaData, ParquetError> {
    let chunks = said.columns().iter().zip(schema.columns());
    let chunks = chunks.map(|(chunk, leaf)| {
        ColumnChunkMetaData::builder(Arc::clone(leaf))
            .set_encodings_mask(*chunk.encodings_mask())
            .set_compression_codec(chunk.compression_codec())
            .set_num_values(chunk.num_values())
            .set_total_uncompressed_size(chunk.uncompressed_size())
            .set_total_compressed_size(lengths.of(chunk)?)
            .set_data_page_offset(chunk.data_page_offset())
            .set_dictionary_page_offset(dictionary_offset(chunk))
            .build()
    });
    RowGroupMetaData::builder(Arc::clone(schema))
        .set_num_rows(said.num_rows())
        .set_total_byte_size(said.total_byte_size())
        .set_column_metadata(chunks.collect::<Result<_, _>>()?)
        .build()
}

fn dictionary_offset(chunk: &ColumnChunkMetaData) -> Option<i64> {
    chunk.dictionary_page_offset().filter(|offset| *offset != 0)
}

fn chunk_start(chunk: &ColumnChunkMetaData) -> u64 {
    let start = dictionary_offset(chunk).unwrap_or_else(|| chunk.data_page_offset());
    u64::try_from(start).unwrap_or(0)
}

/// Where chunks start, in order, and the metadata behind them.
fn chunk_starts(metadata: &ParquetMetaData, end: u64) -> Vec<u64> {
    let groups = metadata.row_groups().iter();
    let chunks = groups.flat_map(RowGroupMetaData::columns);
    let mut starts: Vec<u64> = chunks.map(chunk_start).chain([end]).collect();
    starts.sort_unstable();
    starts
}

/// The lengths that chunks have, in bytes.
struct Lengths<'a> {
    file: &'a File,
    /// The writer left out the headers of dictionary pages.
    leave_out_headers: bool,
    starts: Vec<u64>,
}

impl Lengths<'_> {
    fn of(&self, chunk: &ColumnChunkMetaData) -> Result<i64, ParquetError> {
        let said = chunk.compressed_size();
        if !self.leave_out_headers {
            return Ok(said);
        }
        let start = chunk_start(chunk);
        let end = start.saturating_add(u64::try_from(said).unwrap_or(0));
        let next = self.starts[self.starts.partition_point(|other| *other <= start)..].first();
        let missing = next.map_or(0, |next| next.saturating_sub(end));
        let is_header = missing > 0 && self.dictionary_header(start)? == Some(missing);
        let missing = i64::try_from(missing).unwrap_or(0);
        Ok(if is_header { said + missing } else { said })
    }

    /// The length of the header at a chunk's start, if it is a dictionary's.
    fn dictionary_header(&self, at: u64) -> Result<Option<u64>, ParquetError> {
        const MOST: u64 = 256;
        let length = MOST.min(self.file.len().saturating_sub(at));
        let bytes = self.file.get_bytes(at, usize::try_from(length)?)?;
        let header = Header::read(&bytes).ok();
        let header = header.filter(|(_, header)| header.kind == Header::DICTIONARY);
        Ok(header.map(|(length, _)| length as u64))
    }
}

/// Whether the writer is parquet-mr before 1.2.9, whose first releases do not
/// name their version.
fn leaves_out_headers(created_by: &str) -> bool {
    let Some(rest) = created_by.strip_prefix("parquet-mr") else {
        return false;
    };
    let version = rest.trim_start().strip_prefix("version ").unwrap_or("0");
    let numbers = version.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<u32> = numbers.map_while(|number| number.parse().ok()).collect();
    numbers.as_slice() < [1, 2, 9].as_slice()
}

fn broken(source: &str, why: &str) -> Error {
    Error::corrupt(format!("{source} is not a readable Parquet file: {why}"))
}

fn encrypted(source: &str) -> Error {
    Error::invalid(format!(
        "{source} is encrypted, which is not supported; decrypt it first"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_writers_are_known_by_their_version() {
        let cases = [
            ("parquet-mr", true),
            ("parquet-mr version 1.2.8", true),
            ("parquet-mr version 1.2.9", false),
            ("parquet-mr version 1.10.0 (build 031a665)", false),
            (
                "parquet-mr version 1.12.0-201812210311360288-a86293f",
                false,
            ),
            ("parquet-cpp version 1.2.0", false),
            ("parquet-rs version 59.0.0", false),
            ("", false),
        ];
        for (created_by, expected) in cases {
            assert_eq!(leaves_out_headers(created_by), expected, "{created_by}");
        }
    }
}
