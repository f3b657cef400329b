//! Lists the objects below a folder in the order of their paths.
//!
//! Promises: ascending byte order of whole paths, as object stores list; a
//! folder without objects does not exist; temporaries are never listed; one
//! folder's entries per level are held, never the whole tree.

use std::fs::{DirEntry, Metadata};
use std::io;
use std::path::{Path as FsPath, PathBuf};
use std::vec;

use object_store::path::Path;
use object_store::{ObjectMeta, Result};

use super::{failed, is_temporary};

/// An iterator over the objects below a folder.
pub(super) struct Walk {
    root: PathBuf,
    offset: Option<Path>,
    levels: Vec<vec::IntoIter<Entry>>,
}

/// A name in a folder; `key` is the object's path, and ends in `/` for a folder.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) metadata: Metadata,
}

impl Entry {
    pub(super) fn is_folder(&self) -> bool {
        self.key.ends_with('/')
    }
}

impl Walk {
    /// Walks the objects of `root` below `prefix` whose path is greater than `offset`.
    pub(super) fn new(root: PathBuf, prefix: &Path, offset: Option<Path>) -> Result<Self> {
        let first = entries(&root, prefix.as_ref())?;
        Ok(Walk {
            root,
            offset,
            levels: vec![first.into_iter()],
        })
    }

    fn next_entry(&mut self) -> Option<Entry> {
        while let Some(level) = self.levels.last_mut() {
            match level.next() {
                Some(entry) => return Some(entry),
                None => drop(self.levels.pop()),
            }
        }
        None
    }

    /// Whether nothing at or below the key lies past the offset.
    fn is_before_offset(&self, entry: &Entry) -> bool {
        let Some(offset) = &self.offset else {
            return false;
        };
        let holds_offset = entry.is_folder() && offset.as_ref().starts_with(&entry.key);
        entry.key.as_str() <= offset.as_ref() && !holds_offset
    }
}

impl Iterator for Walk {
    type Item = Result<ObjectMeta>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = self.next_entry()?;
            if self.is_before_offset(&entry) {
                continue;
            }
            if !entry.is_folder() {
                return Some(object_meta(&entry));
            }
            match entries(&self.root, entry.key.trim_end_matches('/')) {
                Ok(below) => self.levels.push(below.into_iter()),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The entries of one folder, sorted so that walking them in turn yields
/// whole paths in order: a folder sorts as its name and `/`.
pub(super) fn entries(root: &FsPath, folder: &str) -> Result<Vec<Entry>> {
    let path = root.join(folder);
    let listed = match std::fs::read_dir(&path) {
        Ok(listed) => listed,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed("list folder", &path, error)),
    };
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry.map_err(|error| failed("list folder", &path, error))?;
        entries.extend(read_entry(folder, &entry)?);
    }
    entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(entries)
}

/// `None` for temporaries, and for names that vanish while the folder is read.
fn read_entry(folder: &str, entry: &DirEntry) -> Result<Option<Entry>> {
    let path = entry.path();
    let name = entry.file_name().into_string().map_err(|name| {
        let what = format!("the name {} is not UTF-8", name.display());
        failed("list", &path, io::Error::other(what))
    })?;
    // Follows links: a partition may live on another disk.
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed("look at", &path, error)),
    };
    if metadata.is_file() && is_temporary(&name) {
        return Ok(None);
    }
    let slash = if metadata.is_dir() { "/" } else { "" };
    let key = match folder {
        "" => format!("{name}{slash}"),
        folder => format!("{folder}/{name}{slash}"),
    };
    Ok(Some(Entry { key, metadata }))
}

/// Whether an error says that there is nothing of that name.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// What the store says of a file.
pub(super) fn object_meta(entry: &Entry) -> Result<ObjectMeta> {
    let location = Path::parse(&entry.key)?;
    let modified = entry
        .metadata
        .modified()
        .map_err(|error| failed("look at", FsPath::new(&entry.key), error))?;
    Ok(ObjectMeta {
        location,
        last_modified: modified.into(),
        size: entry.metadata.len(),
        e_tag: Some(super::e_tag(&entry.metadata)),
        version: None,
    })
}
