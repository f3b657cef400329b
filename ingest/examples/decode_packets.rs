//! A file of packets to Arrow batches on one thread, timed.
//!
//!     decode_packets DEFINITION FILE [--keep-longer]
//!
//! DEFINITION is XTCE, a ccsdspy CSV or a TOML, which may point to one of them.
//! The batches are counted and dropped. Prints one JSON object: bytes, packets,
//! rows, values (cells of all columns), and seconds, of which `cut_s` went into
//! reading the file and finding its packets, `decode_s` into columns. Reading the
//! definition is in neither.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::fs::File;
use std::time::{Duration, Instant};

use downlake_ingest::packet::decoder::{DecodedChunk, PacketDecoder};
use downlake_ingest::packet::feed::{Chunk, Feed, PacketFile};
use downlake_ingest::packet::locate::LongerPackets;
use downlake_ingest::packet::model::PacketDefinition;
use downlake_ingest::packet::schema::PacketSchema;
use downlake_lake::{Error, Result};

#[derive(Default)]
struct Figures {
    bytes: u64,
    hole_bytes: u64,
    packets: u64,
    rows: u64,
    refused: u64,
    idle: u64,
    values: u64,
    cut: Duration,
    decode: Duration,
}

impl Figures {
    fn add(&mut self, chunk: &Chunk, decoded: &DecodedChunk) {
        self.bytes += chunk.bytes.len() as u64;
        self.hole_bytes += chunk.holes.iter().map(|hole| hole.bytes).sum::<u64>();
        self.packets += chunk.packets.len() as u64;
        self.idle += decoded.idle;
        self.refused += decoded.unclaimed.len() as u64;
        for rows in &decoded.rows {
            self.rows += rows.batch.num_rows() as u64;
            self.refused += rows.refused.len() as u64;
            self.values += (rows.batch.num_rows() * rows.batch.num_columns()) as u64;
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let seconds = (self.cut + self.decode).as_secs_f64();
        serde_json::json!({
            "bytes": self.bytes,
            "hole_bytes": self.hole_bytes,
            "packets": self.packets,
            "rows": self.rows,
            "refused": self.refused,
            "idle": self.idle,
            "values": self.values,
            "cut_s": self.cut.as_secs_f64(),
            "decode_s": self.decode.as_secs_f64(),
            "seconds": seconds,
        })
    }
}

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::invalid(format!("{path}: {error}")))
}

fn definition(path: &str) -> Result<PacketDefinition> {
    let schema = PacketSchema::read(&read(path)?, path, read)?;
    let schema = schema.ok_or_else(|| Error::invalid(format!("{path} defines no packets")))?;
    Ok(schema.definition)
}

fn decode(mut decoder: PacketDecoder, file: File) -> Result<Figures> {
    let mut feed = PacketFile::new(file);
    let mut chunk = Chunk::default();
    let mut figures = Figures::default();
    loop {
        let begun = Instant::now();
        chunk.clear();
        feed.fill(&mut chunk)
            .map_err(|error| Error::invalid(format!("the packets: {error}")))?;
        let cut = Instant::now();
        figures.cut += cut - begun;
        if chunk.is_empty() {
            return Ok(figures);
        }
        let decoded = decoder.decode_chunk(&chunk)?;
        figures.add(&chunk, &decoded);
        drop(decoded);
        figures.decode += cut.elapsed();
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (definition_path, file, longer) = match &arguments[..] {
        [definition, file] => (definition, file, LongerPackets::Refuse),
        [definition, file, flag] if flag == "--keep-longer" => {
            (definition, file, LongerPackets::Keep)
        }
        _ => return Err("usage: decode_packets DEFINITION FILE [--keep-longer]".into()),
    };
    let decoder = PacketDecoder::new(&definition(definition_path)?, None)?;
    let figures = decode(decoder.with_longer_packets(longer), File::open(file)?)?;
    println!("{}", figures.to_json());
    Ok(())
}
