//! Files of a campaign, and the account of them.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Space packets of one flight of the launcher.
    LauncherPackets,
    /// Space packets of one pass of a satellite.
    SatellitePackets,
    /// Measurements of a static fire, CSV.
    StandCsv,
    /// Records of ground systems, JSON lines.
    GroundJson,
    /// Labelled anomalies, CSV.
    Labels,
    /// What the links did to packets, CSV.
    Truth,
    /// The list of flights, CSV.
    Flights,
    /// Definitions of packets: XTCE, and TOML that points to it.
    Definition,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// Its path.
    pub path: PathBuf,
    /// What it holds.
    pub kind: Kind,
    /// Packets, or lines below the header; 0 of definitions.
    pub records: u64,
    /// Its size.
    pub bytes: u64,
}

/// What a campaign wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// The files, in the order in which they were finished.
    pub files: Vec<WrittenFile>,
}

impl Written {
    /// The files of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &WrittenFile> {
        self.files.iter().filter(move |file| file.kind == kind)
    }

    /// Packets and lines in all files.
    pub fn records(&self) -> u64 {
        self.files.iter().map(|file| file.records).sum()
    }

    /// Bytes in all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// The folder of a campaign, while it is written.
pub(crate) struct Folder<'a> {
    root: PathBuf,
    progress: &'a mut dyn FnMut(&Path, u64),
    written: Written,
}

impl<'a> Folder<'a> {
    pub(crate) fn new(root: &Path, progress: &'a mut dyn FnMut(&Path, u64)) -> Folder<'a> {
        Folder {
            root: root.to_owned(),
            progress,
            written: Written::default(),
        }
    }

    /// Opens a file by its path in the folder, over one that is there.
    pub(crate) fn create(&self, path: &str, kind: Kind) -> io::Result<Output> {
        let full = self.root.join(path);
        if let Some(parent) = full.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(Output {
            file: BufWriter::with_capacity(1 << 16, File::create(&full)?),
            name: path.to_owned(),
            path: full,
            kind,
            records: 0,
            bytes: 0,
        })
    }

    /// Notes a file as finished.
    pub(crate) fn finish(&mut self, output: Output) -> io::Result<()> {
        let file = output.close()?;
        (self.progress)(&file.path, file.bytes);
        self.written.files.push(file);
        Ok(())
    }

    /// Writes a file from a text at once.
    pub(crate) fn write(&mut self, path: &str, kind: Kind, text: &str) -> io::Result<()> {
        let mut output = self.create(path, kind)?;
        output.write(text.as_bytes())?;
        self.finish(output)
    }

    /// Writes a file from lines below a header at once.
    pub(crate) fn write_lines(&mut self, path: &str, kind: Kind, text: &str) -> io::Result<()> {
        let mut output = self.create(path, kind)?;
        for (at, line) in text.split_inclusive('\n').enumerate() {
            match at {
                0 => output.write(line.as_bytes())?,
                _ => output.record(line.as_bytes())?,
            }
        }
        self.finish(output)
    }

    pub(crate) fn into_written(self) -> Written {
        self.written
    }
}

/// A file that is being written.
pub(crate) struct Output {
    file: BufWriter<File>,
    /// The path in the folder, with `/`.
    pub(crate) name: String,
    path: PathBuf,
    kind: Kind,
    records: u64,
    bytes: u64,
}

impl Output {
    /// Writes bytes that are no record, such as a header.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Writes one record.
    pub(crate) fn record(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.records += 1;
        self.write(bytes)
    }

    fn close(mut self) -> io::Result<WrittenFile> {
        self.file.flush()?;
        Ok(WrittenFile {
            path: self.path,
            kind: self.kind,
            records: self.records,
            bytes: self.bytes,
        })
    }
}
