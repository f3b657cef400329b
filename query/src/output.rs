//! Batches to bytes: aligned text, CSV, JSON lines, Arrow IPC, Parquet.
//!
//! Promises: every writer streams and holds at most a bounded number of
//! rows; the text forms write the same value the same way (instants as RFC
//! 3339 in UTC, binary as lower-case hex). Refuses to guess: NULL and the
//! empty text differ in every format.

mod cell;
mod csv;
mod json;
mod table;

use std::io::Write;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use downlake_lake::{Error, ErrorKind, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Rows and bytes of a Parquet row group.
const ROW_GROUP_ROWS: usize = 128 * 1024;
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned text for people.
    Table,
    /// RFC 4180 with a header; NULL is empty, the empty text is `""`.
    Csv,
    /// One object a line.
    Json,
    /// The Arrow IPC stream.
    Arrow,
    /// One Parquet file.
    Parquet,
}

impl Format {
    /// The format that a file's extension names.
    ///
    /// # Errors
    /// `Invalid` if it names none.
    pub fn from_path(path: &str) -> Result<Self> {
        let extension = Path::new(path)
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Ok(Format::Csv),
            "json" | "jsonl" | "ndjson" => Ok(Format::Json),
            "arrow" | "arrows" => Ok(Format::Arrow),
            "parquet" => Ok(Format::Parquet),
            _ => Err(Error::invalid(format!(
                "file {path} has no known extension: one of .csv, .json, .jsonl, .ndjson, .arrow, .parquet"
            ))),
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "table" => Ok(Format::Table),
            "csv" => Ok(Format::Csv),
            "json" => Ok(Format::Json),
            "arrow" => Ok(Format::Arrow),
            "parquet" => Ok(Format::Parquet),
            _ => Err(Error::invalid(format!(
                "no output format \"{text}\": one of table, csv, json, arrow, parquet"
            ))),
        }
    }
}

/// How JSON, which has no NaN, writes NaN and the infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NanStyle {
    /// As null.
    #[default]
    Null,
    /// As `"NaN"`, `"inf"`, `"-inf"`.
    Text,
}

/// Choices of the caller; the default suits a pipe.
#[derive(Debug, Clone, Default)]
pub struct OutputOptions {
    /// JSON: how NaN is written.
    pub nan: NanStyle,
    /// Table: columns of the terminal; wider cells are folded. `None` folds nothing.
    pub width: Option<usize>,
    /// Table: rows shown before `... n rows more`. `None` shows all.
    pub max_rows: Option<u64>,
}

/// Takes batches of one schema.
pub trait BatchWriter {
    /// Writes a batch.
    ///
    /// # Errors
    /// What the output says; see [`is_closed_pipe`].
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what is held back and the end of the format; without it the
    /// output is not whole.
    ///
    /// # Errors
    /// As [`BatchWriter::write`].
    fn finish(&mut self) -> Result<()>;
}

/// A writer of the format. The schema is written even if no batch follows,
/// where the format has a place for it.
///
/// # Errors
/// What the output says; `Invalid` if the format cannot hold a type.
pub fn writer<'a>(
    format: Format,
    schema: &SchemaRef,
    out: &'a mut (dyn Write + Send),
    options: &OutputOptions,
) -> Result<Box<dyn BatchWriter + 'a>> {
    Ok(match format {
        Format::Table => Box::new(table::TableWriter::new(schema, out, options)),
        Format::Csv => Box::new(csv::CsvWriter::try_new(schema, out)?),
        Format::Json => Box::new(json::JsonWriter::new(schema, out, options.nan)),
        Format::Arrow => Box::new(ArrowStream {
            writer: StreamWriter::try_new(out, schema)?,
        }),
        Format::Parquet => Box::new(ParquetFile::try_new(schema, out)?),
    })
}

/// Whether the reader of the output went away, which is no failure.
pub fn is_closed_pipe(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::BrokenPipe;
        }
        cause = error.source();
    }
    false
}

fn output_error(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("output: {error}")).with_source(error)
}

struct ArrowStream<'a> {
    writer: StreamWriter<&'a mut (dyn Write + Send)>,
}

impl BatchWriter for ArrowStream<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(arrow_error)
    }

    fn finish(&mut self) -> Result<()> {
        self.writer.finish().map_err(arrow_error)
    }
}

fn arrow_error(error: arrow::error::ArrowError) -> Error {
    match error {
        arrow::error::ArrowError::IoError(_, io) => output_error(io),
        other => Error::from(other),
    }
}

struct ParquetFile<'a> {
    writer: ArrowWriter<&'a mut (dyn Write + Send)>,
}

impl<'a> ParquetFile<'a> {
    fn try_new(schema: &SchemaRef, out: &'a mut (dyn Write + Send)) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = ArrowWriter::try_new(out, Arc::clone(schema), Some(properties))
            .map_err(parquet_error)?;
        Ok(ParquetFile { writer })
    }
}

impl BatchWriter for ParquetFile<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(parquet_error)?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush().map_err(parquet_error)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.writer.finish().map(|_| ()).map_err(parquet_error)
    }
}

/// Errors of writing: the data is ours, so they are the output's, or a type
/// that Parquet does not have.
fn parquet_error(error: parquet::errors::ParquetError) -> Error {
    match error {
        parquet::errors::ParquetError::External(source) => {
            Error::new(ErrorKind::Unavailable, format!("output: {source}")).with_source(source)
        }
        other => Error::invalid(format!("parquet: {other}")).with_source(other),
    }
}

#[cfg(test)]
mod tests;
