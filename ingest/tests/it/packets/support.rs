//! Files of packets decoded whole, and their rows beside those of others.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use downlake_ingest::packet::decoder::PacketDecoder;
use downlake_ingest::packet::header::PrimaryHeader;
use downlake_ingest::packet::kernels::Packet;
use downlake_ingest::packet::locate::LongerPackets;
use downlake_ingest::packet::model::{PacketDefinition, Place};
use downlake_ingest::packet::walk::{PacketWalker, Piece};
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

/// The packets of a file, by stream, and those that are none.
pub(super) struct Decoded {
    streams: Vec<RecordBatch>,
    names: Vec<String>,
    refused: BTreeMap<String, u64>,
    idle: u64,
    undecoded: usize,
    holes: Vec<(u64, u64)>,
}

struct Owned {
    bytes: Vec<u8>,
    index: u64,
    offset: u64,
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
        stream: impl std::io::Read,
        longer: LongerPackets,
    ) -> Decoded {
        let decoder = PacketDecoder::new(definition, None).expect("a good definition");
        let mut decoder = decoder.with_longer_packets(longer);
        let mut packets: Vec<Vec<Owned>> = decoder.streams().iter().map(|_| Vec::new()).collect();
        let mut decoded = Decoded {
            streams: Vec::new(),
            names: Vec::new(),
            refused: BTreeMap::new(),
            idle: 0,
            undecoded: 0,
            holes: Vec::new(),
        };
        let mut walker = PacketWalker::new(stream);
        while let Some(piece) = walker.next_piece().expect("bytes") {
            match piece {
                Piece::Hole(hole) => decoded.holes.push((hole.offset, hole.bytes)),
                Piece::Packet(packet) => {
                    let header = PrimaryHeader::read(packet.bytes).expect("a whole packet");
                    if header.is_idle() {
                        decoded.idle += 1;
                        continue;
                    }
                    match decoder.resolve(packet.bytes) {
                        Ok(stream) => packets[stream].push(Owned {
                            bytes: packet.bytes.to_vec(),
                            index: packet.index,
                            offset: packet.offset,
                        }),
                        Err(refusal) => decoded.refuse(refusal.reason),
                    }
                }
            }
        }
        for (stream, packets) in packets.iter().enumerate() {
            decoded.decode(&decoder, stream, packets);
        }
        decoded
    }

    /// In batches of an odd size, so that their ends meet everywhere.
    fn decode(&mut self, decoder: &PacketDecoder, stream: usize, packets: &[Owned]) {
        let mut batches = Vec::new();
        for some in packets.chunks(997) {
            let some: Vec<Packet> = some
                .iter()
                .map(|packet| Packet {
                    bytes: &packet.bytes,
                    index: packet.index,
                    offset: packet.offset,
                })
                .collect();
            let rows = decoder.decode(stream, &some).expect("rows");
            assert_eq!(rows.kept.len(), rows.batch.num_rows());
            assert_eq!(rows.kept.len() + rows.refused.len(), some.len());
            for (_, refusal) in &rows.refused {
                self.refuse(refusal.reason);
            }
            self.undecoded += rows.undecoded.len();
            batches.push(rows.batch);
        }
        let of = &decoder.streams()[stream];
        self.streams
            .push(concat_batches(&of.schema(), &batches).expect("one schema"));
        self.names.push(of.definition.stream.clone());
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
