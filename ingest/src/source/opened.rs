//! Sources that were opened before their turn.
//!
//! Promises: copies that are kept stay within a bound, however many sources
//! there are; standard input, which cannot be read twice, is always kept.

use std::collections::BTreeMap;

use super::{SourceFile, SourceRef};

/// Bytes of copies that wait for their turn.
const COPIES_BYTES_MAX: u64 = 1 << 30;

/// Opened sources by their place in the command. Files of this machine are
/// read where they are and cost nothing; of objects there are copies.
#[derive(Debug)]
pub(crate) struct Opened {
    files: BTreeMap<usize, SourceFile>,
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

    /// The source whose turn it is, if it was kept.
    pub(crate) fn take(&mut self, index: usize) -> Option<SourceFile> {
        let file = self.files.remove(&index)?;
        self.copies_bytes -= file.copied_bytes();
        Some(file)
    }
}
