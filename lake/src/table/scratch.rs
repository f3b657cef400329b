//! Temporary files on local disk that are gone with their owner.
//!
//! A file is unlinked as soon as it is open where the system allows that, so
//! nothing stays behind even after a kill; elsewhere it goes when it is
//! dropped. A disk that is full is an [`crate::ErrorKind::Limit`], and the message
//! names the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;

use crate::error::temp_dir_kind;
use crate::seam::Random;
use crate::{Error, ErrorKind, Result};

/// A temporary file that is gone with its owner.
pub(super) struct ScratchFile {
    file: File,
    dir: PathBuf,
    /// Where it lies, if it could not be unlinked while open.
    path: Option<PathBuf>,
}

impl ScratchFile {
    pub(super) fn create(dir: &Path, random: &dyn Random) -> Result<ScratchFile> {
        let path = dir.join(format!("downlake-{:016x}.spill", random.next_u64()));
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create_new(true).open(&path);
        let file = opened.map_err(|e| Error::temp_dir(dir, e))?;
        let unlinked = fs::remove_file(&path).is_ok();
        Ok(ScratchFile {
            file,
            dir: dir.to_owned(),
            path: (!unlinked).then_some(path),
        })
    }
}

/// What a failure of the temporary folder's disk is to the caller.
pub(super) fn scratch_error(error: ArrowError) -> Error {
    let kind = match &error {
        ArrowError::IoError(_, cause) => temp_dir_kind(cause),
        _ => ErrorKind::Unavailable,
    };
    Error::new(
        kind,
        format!("spilled rows: {error}; free space or name another temporary folder"),
    )
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
        self.file.write(bytes).map_err(|error| {
            let message = format!("temporary folder {}: {error}", self.dir.display());
            io::Error::new(error.kind(), message)
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_folder_is_a_limit_and_other_faults_pass() {
        for (cause, expected) in [
            (io::ErrorKind::StorageFull, ErrorKind::Limit),
            (io::ErrorKind::QuotaExceeded, ErrorKind::Limit),
            (io::ErrorKind::Interrupted, ErrorKind::Unavailable),
        ] {
            let spilled = scratch_error(io::Error::new(cause, "temporary folder t").into());
            assert_eq!(spilled.kind(), expected, "{cause}");
            let opened = Error::temp_dir(Path::new("t"), cause.into());
            assert_eq!(opened.kind(), expected, "{cause}");
            for error in [spilled, opened] {
                assert!(error.message().contains("temporary folder t"), "{error}");
            }
        }
    }
}
