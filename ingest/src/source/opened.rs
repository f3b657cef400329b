//! Sources that were opened before their turn.
//!
//! Promises: copies that are kept stay within a bound, however many sources
//! there are; standard input, which cannot be read twice, is always kept. A
//! source that could not be read fails when its turn comes, and no other with it.

use std::collections::BTreeMap;

use downlake_lake::{Error, Result};

use super::{SourceFile, SourceRef};

/// Bytes of copies that wait for their turn.
const COPIES_BYTES_MAX: u64 = 1 << 30;

/// Opened sources by their place in the command. Files of this machine are
/// read where they are and cost nothing; of objects there are copies.
#[derive(Debug)]
pub(crate) struct Opened {
    files: BTreeMap<usize, SourceFile>,
    failures: BTreeMap<usize, Error>,
    copies_bytes: u64,
    copies_bytes_max: u64,
}

impl Default for Opened {
    fn default() -> Opened {
        Opened::with_bound(COPIES_BYTES_MAX)
    }
}

impl Opened {
    pub(crate) fn with_bound(copies_bytes_max: u64) -> Opened {
        Opened {
            files: BTreeMap::new(),
            failures: BTreeMap::new(),
            copies_bytes: 0,
            copies_bytes_max,
        }
    }

    /// Keeps a source for its turn, or drops its copy: it is opened again then.
    pub(crate) fn keep(&mut self, index: usize, source: &SourceRef, file: SourceFile) {
        let copied = file.copied_bytes();
        let fits = self.copies_bytes + copied <= self.copies_bytes_max;
        if copied == 0 || fits || *source == SourceRef::Stdin {
            self.copies_bytes += copied;
            self.files.insert(index, file);
        }
    }

    /// Keeps why a source cannot be read.
    pub(crate) fn fail(&mut self, index: usize, error: Error) {
        self.failures.insert(index, error);
    }

    /// How many sources cannot be read.
    pub(crate) fn failures(&self) -> usize {
        self.failures.len()
    }

    /// Why the first of the sources that cannot be read cannot be read.
    pub(crate) fn first_failure(&mut self) -> Option<Error> {
        self.failures.pop_first().map(|(_, error)| error)
    }

    /// The source whose turn it is, if it was kept, or why it cannot be read.
    pub(crate) fn take(&mut self, index: usize) -> Option<Result<SourceFile>> {
        if let Some(error) = self.failures.remove(&index) {
            return Some(Err(error));
        }
        let file = self.files.remove(&index)?;
        self.copies_bytes -= file.copied_bytes();
        Some(Ok(file))
    }
}
