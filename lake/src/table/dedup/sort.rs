//! Records of a fixed size, sorted in bounded memory.
//!
//! Records that do not fit into memory lie in sorted runs on disk; runs are
//! merged before they become so many that reading them at once would take
//! memory of its own. Sorting leaves the records where they are, so that they
//! can be read again, and more can be added.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::iter::Peekable;

use super::Scratch;
use crate::Result;
use crate::table::scratch::{ScratchFile, scratch_error};

/// Runs of one level that are kept before they are merged into one of the next.
const RUNS_PER_LEVEL: usize = 32;
/// Bytes of a run that are read or written at once.
const BLOCK_BYTES: usize = 16 << 10;
/// Records that are sorted in memory however small the budget.
const RECORDS_MIN: usize = 1024;
/// The longest record.
const RECORD_BYTES_MAX: usize = 40;

/// What can be sorted.
pub(super) trait Record: Copy + Ord {
    /// The length of a record on disk, at most 40.
    const BYTES: usize;

    /// Writes the record into bytes of that length.
    fn encode(self, out: &mut [u8]);

    /// Reads it back.
    fn decode(bytes: &[u8]) -> Self;
}

/// A vector that grows is there twice for a moment.
fn buffered_max<R>(memory_bytes: usize) -> usize {
    (memory_bytes / size_of::<R>() / 2).max(RECORDS_MIN)
}

/// Records in any order in, sorted records out.
pub(super) struct RecordSort<R> {
    scratch: Scratch,
    buffer: Vec<R>,
    buffered_max: usize,
    runs: Vec<Run>,
    len: u64,
}

struct Run {
    file: ScratchFile,
    records: u64,
    /// How many merges its records went through.
    level: usize,
}

impl<R: Record> RecordSort<R> {
    pub(super) fn new(memory_bytes: usize, scratch: Scratch) -> RecordSort<R> {
        RecordSort {
            scratch,
            buffer: Vec::new(),
            buffered_max: buffered_max::<R>(memory_bytes),
            runs: Vec::new(),
            len: 0,
        }
    }

    /// Changes the memory; records beyond it are spilled.
    pub(super) fn set_memory(&mut self, memory_bytes: usize) -> Result<()> {
        self.buffered_max = buffered_max::<R>(memory_bytes);
        if self.buffer.len() >= self.buffered_max {
            self.spill()?;
            self.buffer.shrink_to_fit();
        }
        Ok(())
    }

    /// Records taken so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn push(&mut self, record: R) -> Result<()> {
        if self.buffer.len() >= self.buffered_max {
            self.spill()?;
        }
        self.buffer.push(record);
        self.len += 1;
        Ok(())
    }

    /// Drops all records.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.runs.clear();
        self.len = 0;
    }

    /// All records in order.
    pub(super) fn sorted(&mut self) -> Result<Merge<'_, R>> {
        self.buffer.sort_unstable();
        Merge::new(&self.buffer, &mut self.runs)
    }

    fn spill(&mut self) -> Result<()> {
        self.buffer.sort_unstable();
        let run = self.write_run(Merge::new(&self.buffer, &mut [])?, 0)?;
        self.buffer.clear();
        self.runs.push(run);
        self.merge_full_levels()
    }

    fn merge_full_levels(&mut self) -> Result<()> {
        while let Some(start) = self.full_level() {
            let mut runs = self.runs.split_off(start);
            let level = runs[0].level + 1;
            let merged = self.write_run(Merge::<R>::new(&[], &mut runs)?, level)?;
            self.runs.push(merged);
        }
        Ok(())
    }

    /// Where the newest level begins, if it is full.
    fn full_level(&self) -> Option<usize> {
        let level = self.runs.last()?.level;
        let newest = self.runs.iter().rev();
        let count = newest.take_while(|run| run.level == level).count();
        (count == RUNS_PER_LEVEL).then(|| self.runs.len() - count)
    }

    fn write_run(&self, sorted: Merge<'_, R>, level: usize) -> Result<Run> {
        let file = ScratchFile::create(&self.scratch.dir, self.scratch.random.as_ref())?;
        let mut out = BufWriter::with_capacity(BLOCK_BYTES, file);
        let mut records = 0;
        let mut bytes = [0; RECORD_BYTES_MAX];
        for record in sorted {
            record?.encode(&mut bytes[..R::BYTES]);
            out.write_all(&bytes[..R::BYTES])
                .map_err(|e| scratch_error(e.into()))?;
            records += 1;
        }
        let file = out
            .into_inner()
            .map_err(|e| scratch_error(e.into_error().into()))?;
        Ok(Run {
            file,
            records,
            level,
        })
    }
}

/// Sorted records from memory and runs.
pub(super) struct Merge<'a, R> {
    sources: Vec<Source<'a, R>>,
    heads: BinaryHeap<Reverse<(R, usize)>>,
    failed: Option<crate::Error>,
}

enum Source<'a, R> {
    Memory(std::slice::Iter<'a, R>),
    Disk {
        file: BufReader<&'a mut ScratchFile>,
        left: u64,
    },
}

impl<R: Record> Source<'_, R> {
    fn next(&mut self) -> Result<Option<R>> {
        match self {
            Source::Memory(records) => Ok(records.next().copied()),
            Source::Disk { left: 0, .. } => Ok(None),
            Source::Disk { file, left } => {
                let mut bytes = [0; RECORD_BYTES_MAX];
                let bytes = &mut bytes[..R::BYTES];
                file.read_exact(bytes)
                    .map_err(|e| scratch_error(e.into()))?;
                *left -= 1;
                Ok(Some(R::decode(bytes)))
            }
        }
    }
}

impl<'a, R: Record> Merge<'a, R> {
    fn new(buffer: &'a [R], runs: &'a mut [Run]) -> Result<Merge<'a, R>> {
        let mut merge = Merge {
            sources: vec![Source::Memory(buffer.iter())],
            heads: BinaryHeap::new(),
            failed: None,
        };
        for run in runs {
            run.file.rewind().map_err(|e| scratch_error(e.into()))?;
            merge.sources.push(Source::Disk {
                file: BufReader::with_capacity(BLOCK_BYTES, &mut run.file),
                left: run.records,
            });
        }
        for source in 0..merge.sources.len() {
            merge.advance(source)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, source: usize) -> Result<()> {
        if let Some(record) = self.sources[source].next()? {
            self.heads.push(Reverse((record, source)));
        }
        Ok(())
    }
}

impl<R: Record> Iterator for Merge<'_, R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        let Reverse((record, source)) = self.heads.pop()?;
        self.failed = self.advance(source).err();
        Some(Ok(record))
    }
}

/// Two sorted sequences as one. An error ends up where it is met.
pub(super) fn merged<R: Record>(
    left: impl Iterator<Item = Result<R>>,
    right: impl Iterator<Item = Result<R>>,
) -> impl Iterator<Item = Result<R>> {
    let mut sides = (left.peekable(), right.peekable());
    std::iter::from_fn(move || {
        if is_next(&mut sides.0, &mut sides.1) {
            sides.0.next()
        } else {
            sides.1.next()
        }
    })
}

fn is_next<R: Record>(
    one: &mut Peekable<impl Iterator<Item = Result<R>>>,
    other: &mut Peekable<impl Iterator<Item = Result<R>>>,
) -> bool {
    match (one.peek(), other.peek()) {
        (Some(Ok(one)), Some(Ok(other))) => one <= other,
        (Some(Err(_)), _) | (_, None) => true,
        (None, _) | (_, Some(Err(_))) => false,
    }
}
