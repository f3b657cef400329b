//! Temporary files on local disk that are gone with their owner.
//!
//! A file is unlinked as soon as it is open where the system allows that, so
//! nothing stays behind even after a kill; elsewhere it goes when it is
//! dropped. A disk that is full is an [`crate::ErrorKind::Unavailable`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::seam::Random;
use crate::{Error, Result};

/// A temporary file that is gone with its owner.
pub(super) struct ScratchFile {
    file: File,
    /// Where it lies, if it could not be unlinked while open.
    path: Option<PathBuf>,
}

impl ScratchFile {
    pub(super) fn create(dir: &Path, random: &dyn Random) -> Result<ScratchFile> {
        let path = dir.join(format!("downlake-{:016x}.spill", random.next_u64()));
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create_new(true).open(&path);
        let file = opened.map_err(|e| {
            Error::unavailable(format!(
                "cannot spill to {}: {e}; free space or name another temporary folder",
                path.display()
            ))
            .with_source(e)
        })?;
        let unlinked = fs::remove_file(&path).is_ok();
        Ok(ScratchFile {
            file,
            path: (!unlinked).then_some(path),
        })
    }
}

/// What a failure of the temporary folder's disk is to the caller.
pub(super) fn scratch_error(error: arrow::error::ArrowError) -> Error {
    Error::unavailable(format!(
        "spilled rows: {error}; look at the temporary folder's disk"
    ))
    .with_source(error)
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %error, "a spill file stays behind; delete it");
        }
    }
}

impl Write for ScratchFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for ScratchFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read(bytes)
    }
}

impl Seek for ScratchFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
