//! Refused packets, each with its place in the source that it came from.

use std::io::{self, Read, Write};

use downlake_lake::table::redrive::RefusedRecord;

use crate::packet::feed::{Chunk, Entry, Feed};

/// The number and the place of a packet, and its length.
const HEAD_BYTES: usize = 20;
/// Stands for a place that is not known.
const NONE: u64 = u64::MAX;

pub(super) fn write(out: &mut impl Write, record: &RefusedRecord<'_>) -> io::Result<()> {
    let length = u32::try_from(record.raw.len()).map_err(io::Error::other)?;
    out.write_all(&record.packet_index.unwrap_or(NONE).to_le_bytes())?;
    out.write_all(&record.byte_offset.unwrap_or(NONE).to_le_bytes())?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(record.raw)
}

/// Reads them back.
pub(crate) struct SpooledPackets<R> {
    reader: R,
}

impl<R: Read> SpooledPackets<R> {
    pub(crate) fn new(reader: R) -> SpooledPackets<R> {
        SpooledPackets { reader }
    }

    /// False at the end.
    fn read_packet(&mut self, chunk: &mut Chunk) -> io::Result<bool> {
        let mut head = [0; HEAD_BYTES];
        if self.reader.read(&mut head[..1])? == 0 {
            return Ok(false);
        }
        self.reader.read_exact(&mut head[1..])?;
        let number = |at: usize| {
            let bytes = head[at..].first_chunk().expect("a head has all its parts");
            u64::from_le_bytes(*bytes)
        };
        let length = head[16..].first_chunk().expect("a head has all its parts");
        let length = u32::from_le_bytes(*length) as usize;
        let start = chunk.bytes.len();
        chunk.bytes.resize(start + length, 0);
        self.reader.read_exact(&mut chunk.bytes[start..])?;
        chunk.packets.push(Entry {
            start,
            length,
            index: number(0),
            offset: number(8),
            channel: None,
            replay: false,
            is_joined: false,
        });
        Ok(true)
    }
}

impl<R: Read + Send> Feed for SpooledPackets<R> {
    fn fill(&mut self, chunk: &mut Chunk) -> io::Result<()> {
        while !chunk.is_full() && self.read_packet(chunk)? {}
        Ok(())
    }
}
