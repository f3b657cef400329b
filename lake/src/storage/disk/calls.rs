//! The few calls by which a disk is changed, as a seam.
//!
//! Everything that the durable store does to a disk goes through
//! [`DiskCalls`], so that a test can record the calls and ask what a power
//! cut between any two of them would leave.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// The calls that change a disk. Paths are absolute.
pub(crate) trait DiskCalls: Send + Sync + fmt::Debug {
    /// Creates an empty file that did not exist.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Writes bytes at an offset of a file that `create` opened at `path`.
    fn write(&self, file: &mut File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes the content of the file at `path` survive a power cut.
    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()>;
    /// Makes the entries of a folder survive a power cut.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Gives a file a second name, which must be free.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Moves a file, in place of what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes the name of a file.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// Creates one folder in a folder that exists.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
}

/// The disk of the machine.
#[derive(Debug)]
pub(crate) struct SystemDisk {
    /// False leaves out every sync.
    pub(crate) fsync: bool,
}

impl DiskCalls for SystemDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn write(&self, file: &mut File, _path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    fn sync_file(&self, file: &File, _path: &Path) -> io::Result<()> {
        if self.fsync { file.sync_all() } else { Ok(()) }
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if self.fsync {
            File::open(path)?.sync_all()
        } else {
            Ok(())
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }
}
