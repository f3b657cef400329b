//! Broken inputs for every format: no panic, no runaway memory, no lost record.
//!
//! A loop takes a small valid input, breaks it in one to four places, and
//! decodes it. `DOWNLAKE_BUDGET_SECONDS` is the time for each format (default
//! 1); the seed of each run is printed, and `DOWNLAKE_FUZZ_SEED` repeats it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on stops, and says what it ran"
)]

use std::io::{Seek, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use downlake_ingest::decode::{
    DecodeOptions, FORMATS, Format, InferOptions, Input, format_by_name,
};
use downlake_lake::schema::{Definition, Origin};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterVersion};

use crate::{frames, int96};

/// Seeds that every run repeats.
const PINNED: &[u64] = &[1, 2, 3];

/// A generator of numbers that a seed repeats (splitmix64, by S. Vigna).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }
}

fn rows() -> RecordBatch {
    let texts: StringArray = (0..64)
        .map(|i| (i % 5 > 0).then(|| format!("mode {}", i % 3)))
        .collect();
    let lists = (0..64).map(|i| Some((0..i % 4).map(Some).collect::<Vec<_>>()));
    RecordBatch::try_from_iter([
        ("n", Arc::new((0..64).collect::<Int64Array>()) as ArrayRef),
        (
            "x",
            Arc::new(
                (0..64)
                    .map(|i| Some(f64::from(i) / 8.0))
                    .collect::<Float64Array>(),
            ) as ArrayRef,
        ),
        ("mode", Arc::new(texts) as ArrayRef),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)) as ArrayRef,
        ),
    ])
    .unwrap()
}

fn parquet_file(properties: WriterProperties) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, rows().schema(), Some(properties)).unwrap();
    writer.write(&rows()).unwrap();
    writer.close().unwrap();
    out
}

fn parquet_files() -> Vec<Vec<u8>> {
    let plain = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED);
    let delta = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_dictionary_enabled(false)
        .set_compression(Compression::UNCOMPRESSED);
    let gzip = WriterProperties::builder().set_compression(Compression::GZIP(Default::default()));
    let builders = [plain, delta, gzip];
    let files = builders.map(|builder| parquet_file(builder.build()));
    files.into_iter().chain([int96::small_file()]).collect()
}

fn arrow_inputs() -> Vec<Vec<u8>> {
    let (mut file, mut stream) = (Vec::new(), Vec::new());
    let mut writer = FileWriter::try_new(&mut file, &rows().schema()).unwrap();
    writer.write(&rows()).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let mut writer = StreamWriter::try_new(&mut stream, &rows().schema()).unwrap();
    writer.write(&rows()).unwrap();
    writer.finish().unwrap();
    drop(writer);
    vec![file, stream]
}

fn valid_inputs(format: &Format) -> Vec<Vec<u8>> {
    match format.name {
        "parquet" => parquet_files(),
        "arrow" => arrow_inputs(),
        "json" => vec![
            b"{\"n\":1,\"x\":0.5,\"mode\":\"a\",\"list\":[1,2]}\n{\"n\":2,\"x\":null}\n".to_vec(),
            b"[{\"n\":1,\"o\":{\"p\":[\"\\u00e9\"]}},{\"n\":-9e3}]".to_vec(),
        ],
        "csv" => vec![
            b"n,x,mode\n1,0.5,a\n2,,\"b \"\"c\"\"\nd\"\n3,nan,e\n".to_vec(),
            b"1 2.5 a\n2 3.5 b\n".to_vec(),
        ],
        "cadu" => vec![frames::marked_stream(60), frames::marked_stream(3)],
        "ccsds" => vec![packets(40), packets(3)],
        other => unreachable!("the format {other} has no inputs to break; add some"),
    }
}

/// Packets of three APIDs, one of them idle.
fn packets(count: u8) -> Vec<u8> {
    let packet = |n: u8| {
        let apid = [[0x08, 0x0B], [0x0B, 0x02], [0x07, 0xFF]][usize::from(n % 3)];
        let mut packet = [&apid[..], &[0xC0, n / 3, 0, n]].concat();
        packet.resize(7 + usize::from(n), n);
        packet
    };
    (0..count).flat_map(packet).collect()
}

/// Breaks an input in one to four places.
pub(crate) fn broken(input: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        break_once(&mut bytes, random);
    }
    bytes
}

fn break_once(bytes: &mut Vec<u8>, random: &mut Random) {
    const NUMBERS: [u64; 6] = [0, 1, 0x7f, 0x7fff_ffff, 0x7fff_ffff_ffff_ffff, u64::MAX];
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    let length = random.below(32).min(bytes.len() - at);
    match random.below(8) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = random.byte(),
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..at + length)),
        5 => {
            let copy = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, copy);
        }
        6 => {
            let number = NUMBERS[random.below(NUMBERS.len())].to_le_bytes();
            let width = [1, 4, 8][random.below(3)].min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        // A long varint, where a count or a length may stand.
        _ => {
            let varint = [0xff, 0xff, 0xff, 0xff, 0x7f];
            let width = varint.len().min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&varint[..width]);
        }
    }
}

fn input(bytes: &[u8]) -> Input {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Input::File(file)
}

fn inferred(format: &Format, bytes: &[u8]) -> Option<Definition> {
    let inferred = (format.infer)(input(bytes), &InferOptions::default()).ok()?;
    let (columns, _) = inferred.columns().ok()?;
    Some(Definition {
        input: inferred.layout,
        ..Definition::new("s", Origin::Inferred, columns)
    })
}

/// Decodes to the end or an error; each kept row must have its raw record.
fn run(format: &Format, bytes: &[u8], definition: &Definition) {
    const ROWS_LIMIT: usize = 1 << 20;
    let Ok(mut decoder) = (format.open)(input(bytes), definition, &DecodeOptions::default()) else {
        return;
    };
    let mut rows = 0;
    while let Ok(Some(decoded)) = decoder.next() {
        let kept = decoded.batch.num_rows();
        rows += kept + decoded.rejects.len();
        if kept > 0 {
            assert!(!decoded.origins.record(kept - 1).raw.is_empty());
        }
        // A broken count may promise rows without end; each batch is bounded.
        if rows > ROWS_LIMIT {
            return;
        }
    }
}

fn fuzz(format: &Format, seed: u64, budget: Duration) -> u64 {
    let valid = valid_inputs(format);
    let definitions: Vec<_> = valid
        .iter()
        .map(|bytes| inferred(format, bytes).unwrap())
        .collect();
    let mut random = Random(seed);
    let start = Instant::now();
    let mut executions = 0;
    while start.elapsed() < budget {
        let place = random.below(valid.len());
        let bytes = broken(&valid[place], &mut random);
        run(format, &bytes, &definitions[place]);
        if let Some(definition) = inferred(format, &bytes) {
            run(format, &bytes, &definition);
        }
        executions += 1;
    }
    executions
}

fn fuzz_format(name: &str) {
    let seconds = std::env::var("DOWNLAKE_BUDGET_SECONDS").ok();
    let seconds = seconds.map_or(1.0, |s| s.parse().expect("a number of seconds"));
    let seed = std::env::var("DOWNLAKE_FUZZ_SEED")
        .ok()
        .and_then(|s| s.parse().ok());
    let fresh = u64::from(std::process::id()).wrapping_mul(0x9e37_79b9);
    let budget = Duration::from_secs_f64(seconds) / 4;
    let format = format_by_name(name).unwrap();
    let mut executions = 0;
    for seed in PINNED.iter().copied().chain([seed.unwrap_or(fresh)]) {
        println!("{name}: seed {seed}");
        executions += fuzz(format, seed, budget);
    }
    println!("{name}: {executions} executions");
    assert!(executions > 0);
}

#[test]
fn budgeted_broken_parquet() {
    fuzz_format("parquet");
}

#[test]
fn budgeted_broken_arrow() {
    fuzz_format("arrow");
}

#[test]
fn budgeted_broken_json() {
    fuzz_format("json");
}

#[test]
fn budgeted_broken_csv() {
    fuzz_format("csv");
}

#[test]
fn budgeted_broken_cadu() {
    fuzz_format("cadu");
}

#[test]
fn budgeted_broken_ccsds() {
    fuzz_format("ccsds");
}

#[test]
fn every_format_is_broken_somewhere() {
    let source = include_str!("fuzz.rs");
    for format in FORMATS {
        assert!(!valid_inputs(format).is_empty());
        let target = format!("fn budgeted_broken_{}()", format.name);
        assert!(source.contains(&target), "no {target}");
    }
}
