//! Refused records as one local file, and the way back to their sources.
//!
//! Promises: a record that is refused again is told by its place in the
//! source it came from, not in the file that was put together for it; memory
//! does not grow with the number of records.

mod packets;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use downlake_lake::table::Lake;
use downlake_lake::table::redrive::{RefusedGroup, RefusedRecord};
use downlake_lake::{Error, Result};

use super::StoredFraming;
use crate::decode::RawRecord;
use crate::source::SourceFile;

pub(crate) use packets::SpooledPackets;

/// Bytes of one entry of the index: four numbers.
const ENTRY: usize = 32;
/// Stands for a number that is not known.
const NONE: u64 = u64::MAX;

/// Where each record of a spooled group stood in its source.
#[derive(Debug)]
pub(crate) struct Spool {
    /// The source of all of them.
    pub(crate) source: String,
    /// How many there are.
    pub(crate) records: u64,
    /// For each record its offset in the spooled file, then its byte offset,
    /// line and packet in the source; in the order of the spooled file. None
    /// where the records say it themselves.
    index: Option<File>,
}

impl Spool {
    /// Writes a group's records to a file that their format reads like a source.
    pub(super) async fn write(
        lake: &Lake,
        group: &RefusedGroup,
        framing: &StoredFraming,
        temp_dir: &Path,
    ) -> Result<(SourceFile, Spool)> {
        let failed = |e: std::io::Error| full(temp_dir, e);
        let mut file = tempfile::NamedTempFile::new_in(temp_dir).map_err(failed)?;
        let mut writing = Writing {
            out: BufWriter::new(file.as_file_mut()),
            index: BufWriter::new(tempfile::tempfile_in(temp_dir).map_err(failed)?),
            offset: 0,
            records: 0,
            is_json: framing.delimiter.is_none(),
        };
        if let Some(header) = framing.header_line() {
            writing.line(header.as_bytes()).map_err(failed)?;
        }
        lake.refused_records(group, |record| writing.record(record).map_err(failed))
            .await?;
        let (index, records) = writing.end().map_err(failed)?;
        let file = SourceFile::made(format!("redrive:{}", group.ingest_id), file)?;
        let spool = Spool {
            source: group.source.clone(),
            records,
            index: Some(index),
        };
        Ok((file, spool))
    }

    /// Writes a group of packets to a file that [`SpooledPackets`] reads.
    pub(super) async fn write_packets(
        lake: &Lake,
        group: &RefusedGroup,
        temp_dir: &Path,
    ) -> Result<(SourceFile, Spool)> {
        let failed = |e: std::io::Error| full(temp_dir, e);
        let mut file = tempfile::NamedTempFile::new_in(temp_dir).map_err(failed)?;
        let mut out = BufWriter::new(file.as_file_mut());
        let mut records = 0;
        lake.refused_records(group, |record| {
            records += 1;
            packets::write(&mut out, record).map_err(failed)
        })
        .await?;
        out.flush().map_err(failed)?;
        drop(out);
        let file = SourceFile::made(format!("redrive:{}", group.ingest_id), file)?;
        let spool = Spool {
            source: group.source.clone(),
            records,
            index: None,
        };
        Ok((file, spool))
    }

    /// # Errors
    /// Corrupt, where other than the spooled records were read: two that stood
    /// apart in their source have run together.
    pub(crate) fn check_records(&self, read: u64) -> Result<()> {
        if self.index.is_none() || read == self.records {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "the {} refused records of {} read as {read}: without their source they cannot be told apart; nothing was changed",
            self.records, self.source
        )))
    }

    /// The record with its place in the source.
    pub(crate) fn placed(&self, record: RawRecord) -> Result<RawRecord> {
        let Some(index) = &self.index else {
            return Ok(record);
        };
        let entry = match record.byte_offset {
            Some(offset) => self.entry_at(index, offset).map_err(unreadable)?,
            None => None,
        };
        let [_, byte_offset, line, packet_index] = entry.unwrap_or([NONE; 4]);
        let known = |number: u64| (number != NONE).then_some(number);
        Ok(RawRecord {
            byte_offset: known(byte_offset),
            line: known(line),
            packet_index: known(packet_index),
            raw: record.raw,
        })
    }

    /// The last entry at or before an offset of the spooled file.
    fn entry_at(&self, index: &File, offset: u64) -> std::io::Result<Option<[u64; 4]>> {
        let (mut low, mut high) = (0, self.records);
        while low < high {
            let middle = low + (high - low) / 2;
            if entry(index, middle)?[0] <= offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1).map(|at| entry(index, at)).transpose()
    }
}

fn entry(index: &File, at: u64) -> std::io::Result<[u64; 4]> {
    let mut bytes = [0; ENTRY];
    index.read_exact_at(&mut bytes, at * ENTRY as u64)?;
    let mut numbers = [0; 4];
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().expect("chunks are of 8 bytes"));
    }
    Ok(numbers)
}

fn full(temp_dir: &Path, error: std::io::Error) -> Error {
    Error::limit(format!(
        "cannot spool refused records to {}: {error}",
        temp_dir.display()
    ))
    .with_source(error)
}

fn unreadable(error: std::io::Error) -> Error {
    Error::unavailable(format!("cannot read back spooled records: {error}")).with_source(error)
}

/// A spool that is being written.
struct Writing<'a> {
    out: BufWriter<&'a mut File>,
    index: BufWriter<File>,
    offset: u64,
    records: u64,
    is_json: bool,
}

impl Writing<'_> {
    fn line(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.offset += bytes.len() as u64 + 1;
        self.out.write_all(bytes)?;
        self.out.write_all(b"\n")
    }

    fn record(&mut self, record: &RefusedRecord<'_>) -> std::io::Result<()> {
        let known = |number: Option<u64>| number.unwrap_or(NONE);
        let entry = [
            self.offset,
            known(record.byte_offset),
            known(record.line),
            known(record.packet_index),
        ];
        for number in entry {
            self.index.write_all(&number.to_le_bytes())?;
        }
        self.records += 1;
        if self.is_json {
            self.line(&one_line(record.raw))
        } else {
            self.line(record.raw)
        }
    }

    /// The index, and how many records it has.
    fn end(mut self) -> std::io::Result<(File, u64)> {
        self.out.flush()?;
        let index = self.index.into_inner().map_err(|e| e.into_error())?;
        Ok((index, self.records))
    }
}

/// A JSON record on one line: line ends between tokens mean nothing, and in
/// strings they are not legal.
fn one_line(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.iter().any(|b| matches!(b, b'\n' | b'\r')) {
        let blank = |b: &u8| if matches!(b, b'\n' | b'\r') { b' ' } else { *b };
        Cow::Owned(raw.iter().map(blank).collect())
    } else {
        Cow::Borrowed(raw)
    }
}
