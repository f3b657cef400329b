//! Files of packets decoded whole, and their rows beside those of others.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Decimal128Type, Field, Float64Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use downlake_ingest::packet::decoder::{DecodedChunk, PacketDecoder};
use downlake_ingest::packet::feed::{Chunk, Entry, Feed, PacketFile};
use downlake_ingest::packet::locate::LongerPackets;
use downlake_ingest::packet::model::{PacketDefinition, Place};
use downlake_lake::schema::names;
use expect_test::Expect;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A file of the test data, or nothing, loudly.
#[expect(clippy::print_stdout, reason = "a test that does not run says so")]
pub(crate) fn data(path: &str) -> Option<PathBuf> {
    match std::env::var("DOWNLAKE_TEST_DATA") {
        Ok(data) => Some(Path::new(&data).join(path)),
        Err(_) => {
            println!("NOT RUN: DOWNLAKE_TEST_DATA does not say where {path} is");
            None
        }
    }
}

/// The packets of a chunk in chunks of an odd number, so that their ends meet
/// everywhere.
fn in_odd_parts(chunk: &Chunk) -> impl Iterator<Item = Chunk> + '_ {
    chunk.packets.chunks(997).map(|packets| {
        let mut part = Chunk::default();
        part.bytes.clone_from(&chunk.bytes);
        part.packets.extend_from_slice(packets);
        part
    })
}

/// The packets of a file, by stream, and those that are none.
pub(super) struct Decoded {
    streams: Vec<RecordBatch>,
    names: Vec<String>,
    refused: BTreeMap<String, u64>,
    idle: u64,
    undecoded: usize,
    holes: Vec<(u64, u64)>,
}

/// Packets as they come from a file, in one chunk.
pub(super) fn chunk_of(packets: &[Vec<u8>]) -> Chunk {
    let mut chunk = Chunk::default();
    for bytes in packets {
        let offset = chunk.bytes.len();
        chunk.packets.push(Entry {
            start: offset,
            length: bytes.len(),
            index: chunk.packets.len() as u64,
            offset: offset as u64,
            channel: None,
            replay: false,
            is_joined: false,
        });
        chunk.bytes.extend_from_slice(bytes);
    }
    chunk
}

/// Decodes a chunk and proves that every packet is somewhere, once.
pub(super) fn decoded_whole(decoder: &mut PacketDecoder, chunk: &Chunk) -> DecodedChunk {
    let decoded = decoder.decode_chunk(chunk).expect("rows");
    let mut seen: Vec<u32> = Vec::new();
    for rows in &decoded.rows {
        assert_eq!(rows.kept.len(), rows.batch.num_rows());
        assert!(rows.kept.is_sorted(), "rows are in the order of packets");
        seen.extend(&rows.kept);
        seen.extend(rows.refused.iter().map(|(at, _)| at));
    }
    seen.extend(
        decoded
            .unclaimed
            .iter()
            .map(|(at, _)| u32::try_from(*at).expect("a number")),
    );
    seen.sort_unstable();
    assert!(seen.is_sorted_by(|a, b| a < b), "a packet is there twice");
    let idle = usize::try_from(decoded.idle).expect("a number");
    assert_eq!(seen.len() + idle, chunk.packets.len());
    decoded
}

impl Decoded {
    pub(super) fn of(definition: &PacketDefinition, file: &str) -> Decoded {
        let file = File::open(data(file).expect("test data")).expect("a file of packets");
        Decoded::of_stream(definition, file, LongerPackets::Refuse)
    }

    /// With packets that go on beyond their containers.
    pub(super) fn with_longer(definition: &PacketDefinition, file: &str) -> Decoded {
        let file = File::open(data(file).expect("test data")).expect("a file of packets");
        Decoded::of_stream(definition, file, LongerPackets::Keep)
    }

    fn of_stream(
        definition: &PacketDefinition,
        stream: impl std::io::Read + Send,
        longer: LongerPackets,
    ) -> Decoded {
        let decoder = PacketDecoder::new(definition, None).expect("a good definition");
        let mut decoder = decoder.with_longer_packets(longer);
        let mut batches: Vec<Vec<RecordBatch>> = vec![Vec::new(); decoder.streams().len()];
        let mut decoded = Decoded {
            streams: Vec::new(),
            names: Vec::new(),
            refused: BTreeMap::new(),
            idle: 0,
            undecoded: 0,
            holes: Vec::new(),
        };
        let mut feed = PacketFile::new(stream);
        let mut chunk = Chunk::default();
        loop {
            chunk.clear();
            feed.fill(&mut chunk).expect("bytes");
            if chunk.is_empty() {
                break;
            }
            let holes = chunk.holes.iter().map(|hole| (hole.offset, hole.bytes));
            decoded.holes.extend(holes);
            for some in in_odd_parts(&chunk) {
                decoded.add(decoded_whole(&mut decoder, &some), &mut batches);
            }
        }
        for (of, batches) in decoder.streams().iter().zip(&batches) {
            let batch = concat_batches(&of.schema(), batches).expect("one schema");
            decoded.streams.push(batch);
            decoded.names.push(of.definition.stream.clone());
        }
        decoded
    }

    fn add(&mut self, chunk: DecodedChunk, batches: &mut [Vec<RecordBatch>]) {
        self.idle += chunk.idle;
        for (_, refusal) in &chunk.unclaimed {
            self.refuse(refusal.reason);
        }
        for rows in chunk.rows {
            for (_, refusal) in &rows.refused {
                self.refuse(refusal.reason);
            }
            self.undecoded += rows.undecoded.len();
            batches[rows.stream].push(rows.batch);
        }
    }

    fn refuse(&mut self, reason: &str) {
        *self.refused.entry(reason.to_owned()).or_default() += 1;
    }

    /// Rows by stream, and what became of the rest.
    pub(super) fn summary(&self) -> String {
        let streams: Vec<String> = self
            .names
            .iter()
            .zip(&self.streams)
            .filter(|(_, batch)| batch.num_rows() > 0)
            .map(|(name, batch)| format!("{name} {}x{}", batch.num_rows(), batch.num_columns()))
            .collect();
        format!(
            "{} of {} streams, refused {:?}, not to the end {}, idle {}, holes {:?}\n",
            streams.join(", "),
            self.names.len(),
            self.refused,
            self.undecoded,
            self.idle,
            self.holes
        )
    }

    pub(super) fn check(&self, expected: &Expect) {
        expected.assert_eq(&self.summary());
    }

    /// The rows of an APID, in the order of the file.
    pub(super) fn rows_of(&self, apid: u16) -> RecordBatch {
        let found = self.streams.iter().find_map(|batch| {
            let apids = batch
                .column_by_name("apid")?
                .as_primitive_opt::<arrow::datatypes::Int32Type>()?;
            let rows = (0u64..)
                .zip(apids.values())
                .filter(|(_, found)| **found == i32::from(apid))
                .map(|(row, _)| row);
            let rows: UInt64Array = rows.collect();
            (!rows.is_empty()).then(|| take_record_batch(batch, &rows).expect("rows"))
        });
        found.expect("rows of the APID")
    }
}

/// One value, whatever type keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Whole(i128),
    /// The bits of the number as a double.
    Float(u64),
    Text(String),
}

/// Rows as text, columns under each other.
pub(super) fn table(batch: &RecordBatch) -> String {
    let schema = batch.schema();
    let cells = |(field, array): (&Arc<Field>, &ArrayRef)| {
        let shown = ArrayFormatter::try_new(array, &FormatOptions::default()).expect("a column");
        let values = (0..array.len()).map(|row| shown.value(row).to_string());
        std::iter::once(field.name().clone())
            .chain(values)
            .collect()
    };
    let columns: Vec<Vec<String>> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(cells)
        .collect();
    let widths = columns
        .iter()
        .map(|cells| cells.iter().map(|c| c.chars().count()).max());
    let widths: Vec<usize> = widths.map(Option::unwrap_or_default).collect();
    let rule: String = widths
        .iter()
        .map(|width| format!("+{:-<1$}", "", width + 2))
        .collect();
    let line = |row: usize| -> String {
        let cells = columns.iter().zip(&widths);
        cells
            .map(|(cells, width)| format!("| {:width$} ", cells[row]))
            .collect()
    };
    let body: String = (1..=batch.num_rows())
        .map(|row| line(row) + "|\n")
        .collect();
    match batch.num_rows() {
        0 => String::new(),
        _ => format!("{rule}+\n{}|\n{rule}+\n{body}{rule}+\n", line(0)),
    }
}

/// What another decoder says.
pub(super) fn expected(file: &str) -> RecordBatch {
    let file = File::open(data(file).expect("test data")).expect("expected values");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder
        .build()
        .expect("a reader")
        .collect::<Result<_, _>>()
        .expect("rows");
    concat_batches(&schema, &batches).expect("one schema")
}

/// The values under a name of the source: with `__raw`, the raw ones.
pub(super) fn column(batch: &RecordBatch, name: &str) -> Option<Vec<Value>> {
    let source = name.strip_suffix("__raw");
    let folded = match name {
        "pkt_index" => "_packet_index".to_owned(),
        "byte_offset" => "_byte_offset".to_owned(),
        _ => names::fold(source.unwrap_or(name)).name,
    };
    let raw = format!("{folded}__raw");
    let array = source
        .and_then(|_| batch.column_by_name(&raw))
        .or_else(|| batch.column_by_name(&folded))
        .or_else(|| batch.column_by_name(name))
        .or_else(|| batch.column_by_name(source?));
    array.map(values)
}

fn values(array: &ArrayRef) -> Vec<Value> {
    let known = |row: usize, value: Value| match array.is_null(row) {
        true => Value::Null,
        false => value,
    };
    let rows = 0..array.len();
    match array.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let array = cast(array, &DataType::Float64).expect("wider");
            let array = array.as_primitive::<Float64Type>();
            rows.map(|row| known(row, Value::Float(array.value(row).to_bits())))
                .collect()
        }
        DataType::Decimal128(..) => {
            let array = array.as_primitive::<Decimal128Type>();
            rows.map(|row| known(row, Value::Whole(array.value(row))))
                .collect()
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            rows.map(|row| known(row, Value::Text(hex(array.value(row)))))
                .collect()
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            rows.map(|row| known(row, Value::Text(array.value(row).to_owned())))
                .collect()
        }
        DataType::LargeUtf8 => {
            let array = array.as_string::<i64>();
            rows.map(|row| known(row, Value::Text(array.value(row).to_owned())))
                .collect()
        }
        _ => {
            let array = cast(array, &DataType::Int64).expect("a whole number");
            let array = array.as_primitive::<Int64Type>();
            rows.map(|row| known(row, Value::Whole(array.value(row).into())))
                .collect()
        }
    }
}

/// Every column of the expected values against ours; how many are equal.
pub(super) fn compared(decoded: &Decoded, apid: u16, file: &str) -> String {
    let expected = expected(file);
    let ours = decoded.rows_of(apid);
    assert_eq!(expected.num_rows(), ours.num_rows(), "rows of {apid}");
    let (mut columns, mut equal) = (0, 0);
    for field in expected.schema().fields() {
        let name = field.name();
        if name == "pkt_bytes" {
            continue;
        }
        let array = expected.column_by_name(name).expect("its own column");
        let theirs = match field.data_type() {
            // Bytes of ccsdspy are text of ours.
            DataType::Binary => values(&cast(array, &DataType::Utf8).expect("text")),
            _ => values(array),
        };
        // Names without a suffix are engineering values, or ccsdspy's raw ones.
        let raw = match name.ends_with("__raw") || expected.column_by_name("pkt_index").is_some() {
            true => name.clone(),
            false => format!("{name}__raw"),
        };
        let ours = column(&ours, &raw).expect(name);
        let unequal = theirs.iter().zip(&ours).position(|(a, b)| !same(a, b));
        let shown = unequal.map(|row| (row, &theirs[row], &ours[row]));
        assert_eq!(shown, None, "{name}: row, their value, our value");
        columns += 1;
        equal += ours.len();
    }
    format!("{equal} values of {columns} columns equal")
}

/// Pandas writes what is not a number as NULL.
fn same(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Null, Value::Float(bits)) => f64::from_bits(*bits).is_nan(),
        _ => theirs == ours,
    }
}

/// Definitions are the same wherever they stand.
pub(super) fn forget_places(definition: &mut PacketDefinition) {
    definition.notices.clear();
    for parameter in &mut definition.parameters {
        parameter.place = Place::default();
    }
    for container in &mut definition.containers {
        container.place = Place::default();
        for entry in &mut container.entries {
            entry.place = Place::default();
        }
    }
}
