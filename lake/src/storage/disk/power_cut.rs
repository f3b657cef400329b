//! A disk that remembers its calls and tells what a power cut would leave.
//!
//! The model is the worst that a file system may do. Content that was not
//! synced is gone: the file is empty. Names that were not synced are, as the
//! test chooses, all gone or all there, for a file system may do either.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::calls::{DiskCalls, SystemDisk};
use super::is_temporary;

/// A real disk whose calls are recorded.
#[derive(Debug)]
pub(super) struct PowerCut {
    fsync: bool,
    disk: SystemDisk,
    calls: Mutex<Vec<Call>>,
}

/// What becomes of names that were not synced.
#[derive(Debug, Clone, Copy)]
pub(super) enum UnsyncedNames {
    Lost,
    Kept,
}

#[derive(Debug, Clone)]
enum Call {
    Create(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    SyncFile(PathBuf),
    SyncFolder(PathBuf),
    Link(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
    MakeFolder(PathBuf),
}

impl PowerCut {
    /// `fsync: false` ignores every sync, as [`SystemDisk`] does.
    pub(super) fn new(fsync: bool) -> Self {
        PowerCut {
            fsync,
            disk: SystemDisk { fsync: false },
            calls: Mutex::default(),
        }
    }

    pub(super) fn calls_made(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// The objects below `root`, by path relative to it, if the power fails
    /// after that many calls.
    pub(super) fn after_cut(
        &self,
        root: &Path,
        calls: usize,
        names: UnsyncedNames,
    ) -> BTreeMap<String, Vec<u8>> {
        let mut model = Model::default();
        for call in &self.calls.lock().unwrap()[..calls] {
            model.apply(call);
        }
        model.objects(root, names)
    }

    /// The calls as lines, with paths relative to `base` and temporaries as `#`.
    pub(super) fn transcript(&self, base: &Path) -> String {
        let name = |path: &Path| {
            let path = path.strip_prefix(base).unwrap().to_str().unwrap();
            match path.rsplit_once('/') {
                Some((folder, file)) if is_temporary(file) => format!("{folder}/#"),
                _ if path.is_empty() => ".".to_owned(),
                _ => path.to_owned(),
            }
        };
        let line = |call: &Call| match call {
            Call::Create(path) => format!("create {}\n", name(path)),
            Call::Write(path, at, bytes) => format!("write {} {at}+{}\n", name(path), bytes.len()),
            Call::SyncFile(path) => format!("sync file {}\n", name(path)),
            Call::SyncFolder(path) => format!("sync folder {}\n", name(path)),
            Call::Link(from, to) => format!("link {} {}\n", name(from), name(to)),
            Call::Rename(from, to) => format!("rename {} {}\n", name(from), name(to)),
            Call::Unlink(path) => format!("unlink {}\n", name(path)),
            Call::MakeFolder(path) => format!("make folder {}\n", name(path)),
        };
        self.calls.lock().unwrap().iter().map(line).collect()
    }

    /// Notes a call that succeeded.
    fn note<T>(&self, done: io::Result<T>, call: Call) -> io::Result<T> {
        let done = done?;
        let is_sync = matches!(call, Call::SyncFile(_) | Call::SyncFolder(_));
        if self.fsync || !is_sync {
            self.calls.lock().unwrap().push(call);
        }
        Ok(done)
    }
}

impl DiskCalls for PowerCut {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.note(self.disk.create(path), Call::Create(path.into()))
    }

    fn write(&self, file: &mut File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let done = self.disk.write(file, path, offset, bytes);
        self.note(done, Call::Write(path.into(), offset, bytes.into()))
    }

    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        self.note(self.disk.sync_file(file, path), Call::SyncFile(path.into()))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.note(self.disk.sync_folder(path), Call::SyncFolder(path.into()))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(self.disk.link(from, to), Call::Link(from.into(), to.into()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(
            self.disk.rename(from, to),
            Call::Rename(from.into(), to.into()),
        )
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.note(self.disk.unlink(path), Call::Unlink(path.into()))
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.note(self.disk.make_folder(path), Call::MakeFolder(path.into()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Node {
    Folder,
    /// An index into the contents.
    File(usize),
}

#[derive(Debug, Default)]
struct Content {
    written: Vec<u8>,
    synced: Vec<u8>,
}

/// The names that processes see, those that the disk holds, and contents.
#[derive(Debug, Default)]
struct Model {
    seen: BTreeMap<PathBuf, Node>,
    held: BTreeMap<PathBuf, Node>,
    contents: Vec<Content>,
}

impl Model {
    fn apply(&mut self, call: &Call) {
        match call {
            Call::Create(path) => {
                self.seen
                    .insert(path.clone(), Node::File(self.contents.len()));
                self.contents.push(Content::default());
            }
            Call::Write(path, at, bytes) => {
                let written = &mut self.content(path).written;
                let at = usize::try_from(*at).unwrap();
                written.resize(written.len().max(at + bytes.len()), 0);
                written[at..at + bytes.len()].copy_from_slice(bytes);
            }
            Call::SyncFile(path) => {
                let content = self.content(path);
                content.synced = content.written.clone();
            }
            Call::SyncFolder(folder) => self.sync_folder(folder),
            Call::Link(from, to) => {
                self.seen.insert(to.clone(), self.seen[from]);
            }
            Call::Rename(from, to) if self.seen.get(from) == self.seen.get(to) => {}
            Call::Rename(from, to) => {
                let node = self.seen.remove(from).unwrap();
                self.seen.insert(to.clone(), node);
            }
            Call::Unlink(path) => drop(self.seen.remove(path)),
            Call::MakeFolder(path) => drop(self.seen.insert(path.clone(), Node::Folder)),
        }
    }

    fn content(&mut self, path: &Path) -> &mut Content {
        match self.seen[path] {
            Node::File(index) => &mut self.contents[index],
            Node::Folder => panic!("{} is a folder", path.display()),
        }
    }

    fn sync_folder(&mut self, folder: &Path) {
        let is_entry = |path: &Path| path.parent() == Some(folder);
        self.held.retain(|path, _| !is_entry(path));
        let entries = self.seen.iter().filter(|(path, _)| is_entry(path));
        self.held
            .extend(entries.map(|(path, node)| (path.clone(), *node)));
    }

    fn objects(&self, root: &Path, names: UnsyncedNames) -> BTreeMap<String, Vec<u8>> {
        let names = match names {
            UnsyncedNames::Lost => &self.held,
            UnsyncedNames::Kept => &self.seen,
        };
        // Folders that the model never saw made were there before.
        let stands = |folder: &Path| !self.seen.contains_key(folder) || names.contains_key(folder);
        let mut objects = BTreeMap::new();
        for (path, node) in names {
            let is_hidden = is_temporary(path.file_name().unwrap().to_str().unwrap());
            let is_reached = path.ancestors().skip(1).all(stands);
            if let (Node::File(index), true, false) = (node, is_reached, is_hidden) {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                objects.insert(name.to_owned(), self.contents[*index].synced.clone());
            }
        }
        objects
    }
}
