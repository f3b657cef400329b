//! `_quarantine`: records that were refused, with reason, place and raw bytes.
//!
//! A refused record is data: it is kept with what is needed to decode it
//! again once the definition is mended.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;

use super::ledger::utc_field;

/// The name of the table.
pub const QUARANTINE: &str = "_quarantine";

/// Longest raw record that is kept whole; of a longer one the hash and the
/// length are kept, in `detail`.
pub const RAW_BYTES_MAX: usize = 64 * 1024;

/// One refused record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Byte offset of the record in the source, after decompression.
    pub byte_offset: Option<u64>,
    /// Line of the record in the source, from 1.
    pub line: Option<u64>,
    /// Number of the packet in the source, from 0.
    pub packet_index: Option<u64>,
    /// A short code.
    pub reason: &'static str,
    /// What was found and what was expected.
    pub detail: String,
    /// The record as it stood in the source.
    pub raw: Bytes,
}

/// What all refusals of one landing share.
#[derive(Debug, Clone)]
pub struct RefusalContext {
    /// The landing.
    pub ingest_id: i64,
    /// Where the bytes came from.
    pub source: String,
    /// How a raw record is framed: format and layout, JSON. Redrive needs it.
    pub format: String,
    /// Hash of the definition that refused.
    pub definition_hash: Option<String>,
    /// When, microseconds since 1970.
    pub at: i64,
}

/// The columns of the table.
pub fn quarantine_schema() -> SchemaRef {
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        long("ingest_id"),
        text("table_name"),
        text("source"),
        long("byte_offset"),
        long("line"),
        long("packet_index"),
        text("reason"),
        text("detail"),
        Field::new("raw", DataType::Binary, true),
        text("format"),
        text("definition_hash"),
        utc_field("at"),
        long("redriven_as"),
    ]))
}

/// Collects refusals into batches of [`quarantine_schema`].
#[derive(Debug)]
pub struct RefusalBuilder {
    context: RefusalContext,
    table_name: StringBuilder,
    byte_offset: Int64Builder,
    line: Int64Builder,
    packet_index: Int64Builder,
    reason: StringBuilder,
    detail: StringBuilder,
    raw: BinaryBuilder,
    rows: usize,
    bytes: usize,
}

impl RefusalBuilder {
    /// An empty builder.
    pub fn new(context: RefusalContext) -> Self {
        RefusalBuilder {
            context,
            table_name: StringBuilder::new(),
            byte_offset: Int64Builder::new(),
            line: Int64Builder::new(),
            packet_index: Int64Builder::new(),
            reason: StringBuilder::new(),
            detail: StringBuilder::new(),
            raw: BinaryBuilder::new(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Says where the records come from.
    pub(crate) fn set_source(&mut self, source: String) {
        self.context.source = source;
    }

    /// Says how the raw records are framed.
    pub(crate) fn set_format(&mut self, format: String) {
        self.context.format = format;
    }

    /// Adds one refused record, meant for a table or for none.
    pub fn push(&mut self, table: Option<&str>, refusal: &Refusal) {
        self.table_name.append_option(table);
        let signed = |n: Option<u64>| n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        self.byte_offset.append_option(signed(refusal.byte_offset));
        self.line.append_option(signed(refusal.line));
        self.packet_index
            .append_option(signed(refusal.packet_index));
        self.reason.append_value(refusal.reason);
        if refusal.raw.len() > RAW_BYTES_MAX {
            let hash = blake3::hash(&refusal.raw);
            let length = refusal.raw.len();
            self.detail.append_value(format!(
                "{} (raw record of {length} bytes, blake3 {hash})",
                refusal.detail
            ));
            self.raw.append_null();
        } else {
            self.detail.append_value(&refusal.detail);
            self.raw.append_value(&refusal.raw);
            self.bytes += refusal.raw.len();
        }
        self.bytes += refusal.detail.len() + 64;
        self.rows += 1;
    }

    /// Rows waiting.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes waiting, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The waiting rows as one batch; the builder is empty afterwards.
    pub fn take(&mut self) -> RecordBatch {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let columns: Vec<ArrayRef> = vec![
            longs(rows, Some(self.context.ingest_id)),
            Arc::new(self.table_name.finish()),
            texts(rows, Some(&self.context.source)),
            Arc::new(self.byte_offset.finish()),
            Arc::new(self.line.finish()),
            Arc::new(self.packet_index.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.detail.finish()),
            Arc::new(self.raw.finish()),
            texts(rows, Some(&self.context.format)),
            texts(rows, self.context.definition_hash.as_deref()),
            times(rows, self.context.at),
            longs(rows, None),
        ];
        RecordBatch::try_new(quarantine_schema(), columns)
            .expect("columns are built from the schema")
    }
}

fn longs(rows: usize, value: Option<i64>) -> ArrayRef {
    let mut builder = Int64Builder::with_capacity(rows);
    for _ in 0..rows {
        builder.append_option(value);
    }
    Arc::new(builder.finish())
}

fn texts(rows: usize, value: Option<&str>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    for _ in 0..rows {
        builder.append_option(value);
    }
    Arc::new(builder.finish())
}

fn times(rows: usize, value: i64) -> ArrayRef {
    let mut builder = TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
    builder.append_value_n(value, rows);
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};

    fn context() -> RefusalContext {
        RefusalContext {
            ingest_id: 9,
            source: "a.csv".into(),
            format: "{}".into(),
            definition_hash: None,
            at: 5,
        }
    }

    #[test]
    fn a_long_record_leaves_its_hash_and_length() {
        let mut builder = RefusalBuilder::new(context());
        let refusal = Refusal {
            byte_offset: Some(3),
            line: Some(1),
            packet_index: None,
            reason: "type",
            detail: "not a number".into(),
            raw: Bytes::from(vec![b'x'; RAW_BYTES_MAX + 1]),
        };
        builder.push(Some("engine"), &refusal);
        let short = Refusal {
            raw: Bytes::from(vec![b'y'; RAW_BYTES_MAX]),
            ..refusal
        };
        builder.push(None, &short);
        let batch = builder.take();
        let raw = batch.column_by_name("raw").unwrap().as_binary::<i32>();
        assert_eq!((raw.null_count(), raw.value(1).len()), (1, RAW_BYTES_MAX));
        let detail = batch.column_by_name("detail").unwrap().as_string::<i32>();
        assert!(
            detail.value(0).contains("65537 bytes, blake3 "),
            "{}",
            detail.value(0)
        );
        assert_eq!(builder.rows(), 0);
        assert_eq!(builder.take().num_rows(), 0);
    }
}
