//! A source unit as one local file.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use downlake_lake::{Error, Result};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use tempfile::{NamedTempFile, TempPath};
use url::Url;

use super::compression::{Compression, MAGIC_BYTES, buffered};
use super::{SourceOptions, SourceRef};
use crate::decode::{Access, Input};

/// How much of the content decides the format.
const HEAD: usize = 64 << 10;

/// One source unit on the local disk.
#[derive(Debug)]
pub struct SourceFile {
    /// What ledger and messages call it.
    pub name: String,
    /// Where its stored bytes are.
    pub path: PathBuf,
    /// Number of stored bytes.
    pub size: u64,
    /// When it was modified, microseconds since 1970, where that is known.
    pub modified_micros: Option<i64>,
    /// The store's tag of an object's content.
    pub etag: Option<String>,
    content_hash: OnceLock<blake3::Hash>,
    last_pass: Mutex<Option<Pass>>,
    /// Removes the copy of an object or of standard input.
    copy: Option<TempPath>,
}

/// Makes a source unit a local file: a path as it is, objects and standard
/// input as a copy in `temp_dir`, which goes with the [`SourceFile`].
///
/// # Errors
/// NotFound and Unavailable, where the source or the disk cannot be read or written.
pub async fn open(
    source: &SourceRef,
    temp_dir: &Path,
    options: &SourceOptions,
) -> Result<SourceFile> {
    match source {
        SourceRef::File(path) => SourceFile::on_disk(path),
        SourceRef::Object(url) => spool_object(url, temp_dir, options).await,
        SourceRef::Stdin => {
            let temp_dir = temp_dir.to_owned();
            let spooled = tokio::task::spawn_blocking(move || spool_stdin(&temp_dir));
            spooled
                .await
                .map_err(|error| Error::internal(format!("reading standard input: {error}")))?
        }
    }
}

impl SourceFile {
    /// A file that is on the disk already.
    ///
    /// # Errors
    /// NotFound, if there is no such file; Invalid, if it may not be read.
    pub fn on_disk(path: &Path) -> Result<SourceFile> {
        let name = path.display().to_string();
        let metadata = fs::metadata(path).map_err(|error| failed(&name, error))?;
        Ok(SourceFile {
            size: metadata.len(),
            modified_micros: metadata.modified().ok().and_then(micros),
            name,
            path: path.to_owned(),
            etag: None,
            content_hash: OnceLock::new(),
            last_pass: Mutex::new(None),
            copy: None,
        })
    }

    fn spooled(name: String, file: NamedTempFile, hash: blake3::Hash) -> Result<SourceFile> {
        let path = file.into_temp_path();
        let mut source = SourceFile::on_disk(&path)?;
        source.name = name;
        source.modified_micros = None;
        source.content_hash = OnceLock::from(hash);
        source.copy = Some(path);
        Ok(source)
    }

    /// A file of records that were put together here; it goes with the [`SourceFile`].
    ///
    /// # Errors
    /// Unavailable, if it cannot be read again.
    pub(crate) fn made(name: String, file: NamedTempFile) -> Result<SourceFile> {
        let path = file.into_temp_path();
        let mut source = SourceFile::on_disk(&path)?;
        source.name = name;
        source.copy = Some(path);
        Ok(source)
    }

    /// Bytes of the copy that was made of the source; 0 where it is read in place.
    pub(crate) fn copied_bytes(&self) -> u64 {
        if self.copy.is_some() { self.size } else { 0 }
    }

    /// Stored bytes that the running pass has read.
    pub fn bytes_read(&self) -> u64 {
        let pass = self
            .last_pass
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pass.as_ref().map_or(0, Pass::bytes)
    }

    /// The hash of the stored bytes, read once.
    ///
    /// # Errors
    /// Unavailable, if the file cannot be read.
    pub fn content_hash(&self) -> Result<blake3::Hash> {
        if let Some(hash) = self.content_hash.get() {
            return Ok(*hash);
        }
        let hash = self.hash_now().map_err(|error| failed(&self.name, error))?;
        Ok(*self.content_hash.get_or_init(|| hash))
    }

    /// The first bytes of the content, decompressed; at most 64 KiB.
    ///
    /// # Errors
    /// Unavailable or Corrupt, if the file cannot be read.
    pub fn head(&self) -> Result<Vec<u8>> {
        let mut head = Vec::new();
        self.content(Pass::default())
            .and_then(|content| content.take(HEAD as u64).read_to_end(&mut head))
            .map_err(|error| failed(&self.name, error))?;
        Ok(head)
    }

    /// The content, decompressed. Formats with random access get the file
    /// itself, or a decompressed copy in `temp_dir`.
    ///
    /// # Errors
    /// Unavailable or Corrupt, if the file cannot be read.
    pub fn input(&self, access: Access, temp_dir: &Path) -> Result<Input> {
        let input = match access {
            Access::Sequential => self.stream(),
            Access::Random => self.random(temp_dir),
        };
        input.map_err(|error| failed(&self.name, error))
    }

    /// Whether what was read last is what [`SourceFile::content_hash`] stands
    /// for. Stored bytes that no pass read to the end are hashed once more.
    ///
    /// # Errors
    /// Conflict, if the file changed while it was read.
    pub fn verify_unchanged(&self) -> Result<()> {
        let pass = self
            .last_pass
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let read = match pass.as_ref().and_then(Pass::hash) {
            Some(hash) => hash,
            None => self.hash_now().map_err(|error| failed(&self.name, error))?,
        };
        if read == *self.content_hash.get_or_init(|| read) {
            return Ok(());
        }
        Err(Error::conflict(format!(
            "{} changed while it was read; ingest it again once it is written",
            self.name
        )))
    }

    fn stream(&self) -> io::Result<Input> {
        let pass = self.begin_pass();
        Ok(Input::Stream(buffered(self.content(pass)?)))
    }

    fn random(&self, temp_dir: &Path) -> io::Result<Input> {
        let mut file = File::open(&self.path)?;
        if self.compression(&mut file)?.is_none() {
            *self
                .last_pass
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = None;
            return Ok(Input::File(file));
        }
        let mut copy = tempfile::tempfile_in(temp_dir)?;
        io::copy(&mut self.content(self.begin_pass())?, &mut copy)?;
        copy.seek(SeekFrom::Start(0))?;
        Ok(Input::File(copy))
    }

    fn begin_pass(&self) -> Pass {
        let pass = Pass::default();
        *self
            .last_pass
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(pass.clone());
        pass
    }

    fn content(&self, pass: Pass) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(&self.path)?;
        let compression = self.compression(&mut file)?;
        let stored = Hashing { file, pass };
        match compression {
            None => Ok(Box::new(stored)),
            Some(compression) => compression.reader(BufReader::with_capacity(256 << 10, stored)),
        }
    }

    /// The compression of the file, which is at its start again.
    fn compression(&self, file: &mut File) -> io::Result<Option<Compression>> {
        let mut head = Vec::with_capacity(MAGIC_BYTES);
        file.take(MAGIC_BYTES as u64).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Compression::of(&head))
    }

    fn hash_now(&self) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(&self.path)?)?;
        Ok(hasher.finalize())
    }
}

/// The hash of the stored bytes of one pass, as they are read.
#[derive(Debug, Clone, Default)]
struct Pass {
    state: Arc<Mutex<PassState>>,
}

#[derive(Debug, Default)]
struct PassState {
    hasher: blake3::Hasher,
    at_end: bool,
    bytes: u64,
}

impl Pass {
    fn see(&self, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.hasher.update(bytes);
        state.at_end = bytes.is_empty();
        state.bytes += bytes.len() as u64;
    }

    fn bytes(&self) -> u64 {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .bytes
    }

    /// The hash, if the file was read to its end.
    fn hash(&self) -> Option<blake3::Hash> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.at_end.then(|| state.hasher.finalize())
    }
}

/// Hashes the stored bytes that pass.
struct Hashing {
    file: File,
    pass: Pass,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if !buffer.is_empty() {
            self.pass.see(&buffer[..count]);
        }
        Ok(count)
    }
}

async fn spool_object(url: &Url, temp_dir: &Path, options: &SourceOptions) -> Result<SourceFile> {
    let at = |error| Error::from(error).context(format!("cannot read {url}"));
    let (store, location) = (options.open_store)(url)?;
    let object = store.get(&location).await.map_err(at)?;
    let meta = object.meta.clone();
    let mut file = new_spool(temp_dir)?;
    let mut hasher = blake3::Hasher::new();
    let mut chunks = object.into_stream();
    while let Some(chunk) = chunks.try_next().await.map_err(at)? {
        hasher.update(&chunk);
        file.write_all(&chunk)
            .map_err(|error| Error::temp_dir(temp_dir, error))?;
    }
    let mut source = SourceFile::spooled(url.to_string(), file, hasher.finalize())?;
    source.modified_micros = Some(meta.last_modified.timestamp_micros());
    source.etag = meta.e_tag;
    Ok(source)
}

fn spool_stdin(temp_dir: &Path) -> Result<SourceFile> {
    let mut file = new_spool(temp_dir)?;
    let mut hasher = blake3::Hasher::new();
    let mut stdin = io::stdin().lock();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = stdin
            .read(&mut buffer)
            .map_err(|error| failed("-", error))?;
        if count == 0 {
            return SourceFile::spooled("-".to_owned(), file, hasher.finalize());
        }
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count])
            .map_err(|error| Error::temp_dir(temp_dir, error))?;
    }
}

fn new_spool(temp_dir: &Path) -> Result<NamedTempFile> {
    NamedTempFile::new_in(temp_dir).map_err(|error| Error::temp_dir(temp_dir, error))
}

fn micros(time: std::time::SystemTime) -> Option<i64> {
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}

fn failed(what: impl std::fmt::Display, error: io::Error) -> Error {
    let message = format!("cannot read {what}: {error}");
    let error_of = match error.kind() {
        io::ErrorKind::NotFound => Error::not_found,
        io::ErrorKind::PermissionDenied => Error::invalid,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Error::corrupt,
        _ => Error::unavailable,
    };
    error_of(message).with_source(error)
}
