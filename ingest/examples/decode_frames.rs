//! How fast frames become packets, on one core: `decode_frames FILE [LINK]`.
//!
//! Reads the file once through [`FrameFeed`] and once, where the link has a
//! Reed-Solomon code, through the code alone; prints one JSON object. The file
//! is expected to be cached, and its frames to stand at equal distances.

#![expect(clippy::print_stdout, reason = "a program that prints its result")]

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use downlake_ingest::frames::reed_solomon::Codec;
use downlake_ingest::frames::{Counts, Link, SEARCH_BYTES, find_link, randomizer};
use downlake_ingest::packet::feed::{Chunk, Feed};
use downlake_ingest::packet::frame_feed::FrameFeed;
use downlake_lake::{Error, Result};

/// Blocks that are mended in one stretch of the clock.
const BLOCKS_AT_ONCE: usize = 4096;

/// Bytes of a marker.
const MARKER_BYTES: usize = 4;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments
        .next()
        .ok_or_else(|| Error::invalid("expected a file: decode_frames FILE [LINK]"))?;
    let link = match arguments.next() {
        Some(name) => Link::named(&name).unwrap_or_else(|| Link::preset(&name))?,
        None => found_link(Path::new(&file))?,
    };
    let decoded = decode(Path::new(&file), &link)?;
    let coding = time_of_code(Path::new(&file), &link)?;
    let counts = decoded.counts;
    let seconds = decoded.elapsed.as_secs_f64();
    let figures = serde_json::json!({
        "link": link.to_string(),
        "bytes": counts.bytes_in,
        "frames": counts.frames,
        "frames_refused": counts.frames_refused,
        "packets": decoded.packets,
        "packet_bytes": counts.packet_bytes,
        "holes": decoded.holes,
        "frame_gaps": decoded.frame_gaps,
        "codewords_corrected": counts.codewords_corrected,
        "symbols_corrected": counts.symbols_corrected,
        "seconds": seconds,
        "megabytes_per_second": counts.bytes_in as f64 / 1e6 / seconds,
        "reed_solomon_seconds": coding.as_secs_f64(),
        "reed_solomon_share": coding.as_secs_f64() / seconds,
    });
    println!("{figures}");
    Ok(())
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::not_found(format!("cannot read {}: {error}", path.display())).with_source(error)
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| unreadable(path, error))
}

fn found_link(path: &Path) -> Result<Link> {
    let mut head = Vec::new();
    let mut beginning = open(path)?.take(SEARCH_BYTES as u64);
    let read = beginning.read_to_end(&mut head);
    read.map_err(|error| unreadable(path, error))?;
    find_link(&head).map(|found| found.link)
}

/// What a file held, and how long it took.
#[derive(Default)]
struct Decoded {
    counts: Counts,
    packets: usize,
    holes: usize,
    frame_gaps: usize,
    elapsed: Duration,
}

fn decode(path: &Path, link: &Link) -> Result<Decoded> {
    let start = Instant::now();
    let mut feed = FrameFeed::new(open(path)?, link)?;
    let mut decoded = Decoded::default();
    let mut chunk = Chunk::default();
    loop {
        chunk.clear();
        feed.fill(&mut chunk)
            .map_err(|error| unreadable(path, error))?;
        if chunk.is_empty() {
            break;
        }
        decoded.packets += chunk.packets.len();
        decoded.holes += chunk.holes.len();
        decoded.frame_gaps += chunk.frame_gaps.len();
    }
    decoded.counts = *feed.counts();
    decoded.elapsed = start.elapsed();
    Ok(decoded)
}

/// How long the code alone takes over all blocks of a file.
fn time_of_code(path: &Path, link: &Link) -> Result<Duration> {
    let Some(code) = link.code else {
        return Ok(Duration::ZERO);
    };
    let codec = Codec::new(code, link.frame_length)?;
    let marker = if link.marker { MARKER_BYTES } else { 0 };
    let length = marker + codec.block_length();
    let sequence = match link.randomized {
        true => randomizer::sequence(codec.block_length()),
        false => vec![0; codec.block_length()],
    };
    let mut file = open(path)?;
    let mut blocks = vec![0; length * BLOCKS_AT_ONCE];
    let mut elapsed = Duration::ZERO;
    loop {
        let read = read_full(&mut file, &mut blocks).map_err(|error| unreadable(path, error))?;
        let whole = &mut blocks[..read - read % length];
        if whole.is_empty() {
            return Ok(elapsed);
        }
        for block in whole.chunks_mut(length) {
            let masked = block[marker..].iter_mut().zip(&sequence);
            masked.for_each(|(byte, mask)| *byte ^= mask);
        }
        let start = Instant::now();
        for block in whole.chunks_mut(length) {
            codec.repair(&mut block[marker..]);
        }
        elapsed += start.elapsed();
    }
}

/// Fills the buffer as far as the file goes.
fn read_full(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
