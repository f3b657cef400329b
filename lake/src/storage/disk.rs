//! An object store on a local disk that keeps its word through a power cut.
//!
//! Promises: when a call that changes something returns success, the content
//! of the object and every folder entry that leads to it are on the disk
//! (fsync of the file, of its folder, and of the parent of each new folder);
//! an object is there whole or not at all; of any number of writers that
//! create the same path, in any number of processes, exactly one wins;
//! listings are in ascending order of whole paths. Without `fsync` the same
//! holds against the death of processes, not of the machine.
//!
//! Refuses: conditional updates, attributes, and paths whose last segment
//! ends in `#` and digits, which name temporaries. After a folder could not
//! be synced the store refuses everything: what it published may or may not
//! be on the disk, and reading it back would turn "may" into "is".

mod calls;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod tests;
mod upload;
mod walk;

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs::{File, Metadata};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use std::vec;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryFutureExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    RenameTargetMode, Result,
};

use calls::{DiskCalls, SystemDisk};
use upload::Upload;
use walk::Walk;

/// How many objects one blocking task lists, or deletes between two syncs.
const BATCH: usize = 1024;

/// An [`ObjectStore`] rooted at a folder of the local disk.
#[derive(Debug, Clone)]
pub struct DurableDisk {
    disk: Arc<Disk>,
    // Reading needs no promise beyond those of the plain local store.
    reads: Arc<PrefixStore<LocalFileSystem>>,
}

impl DurableDisk {
    /// A store rooted at an absolute path, which is created by the first
    /// write. `fsync: false` trades the machine's power for speed.
    ///
    /// # Errors
    /// The path is not absolute, or holds characters that no object path has.
    pub fn new(root: &FsPath, fsync: bool) -> Result<Self> {
        Self::with_calls(root, Arc::new(SystemDisk { fsync }))
    }

    fn with_calls(root: &FsPath, calls: Arc<dyn DiskCalls>) -> Result<Self> {
        let prefix = Path::from_absolute_path(root)?;
        Ok(DurableDisk {
            disk: Arc::new(Disk {
                root: root.to_owned(),
                calls,
                known_folders: Mutex::default(),
                lost: OnceLock::new(),
            }),
            reads: Arc::new(PrefixStore::new(LocalFileSystem::new(), prefix)),
        })
    }

    /// The folder at which the store is rooted.
    pub fn root(&self) -> &FsPath {
        &self.disk.root
    }

    /// Makes an object that somebody else published survive a power cut:
    /// syncs its content and the folders that lead to it.
    ///
    /// # Errors
    /// The object is absent, or the disk fails.
    pub async fn persist(&self, location: &Path) -> Result<()> {
        let path = self.disk.path_of(location)?;
        self.run(move |disk| disk.persist(&path)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let disk = Arc::clone(&self.disk);
        blocking(move || {
            disk.check()?;
            work(&disk)
        })
        .await
    }

    fn walk(
        &self,
        prefix: Option<&Path>,
        offset: Option<Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let disk = Arc::clone(&self.disk);
        let prefix = prefix.cloned().unwrap_or_default();
        let start = blocking(move || {
            disk.check()?;
            Walk::new(disk.root.clone(), &prefix, offset)
        });
        start.map_ok(batches).try_flatten_stream().boxed()
    }
}

/// Turns a walk into a stream that blocks no executor.
fn batches(walk: Walk) -> impl Stream<Item = Result<ObjectMeta>> {
    stream::try_unfold(Some(walk), next_batch).try_flatten()
}

type Batch = stream::Iter<vec::IntoIter<Result<ObjectMeta>>>;

/// The next objects of a walk, and the walk unless it has ended.
async fn next_batch(walk: Option<Walk>) -> Result<Option<(Batch, Option<Walk>)>> {
    let Some(mut walk) = walk else {
        return Ok(None);
    };
    blocking(move || {
        let batch: Vec<_> = walk.by_ref().take(BATCH).collect();
        let rest = (batch.len() == BATCH).then_some(walk);
        Ok(Some((stream::iter(batch), rest)))
    })
    .await
}

impl fmt::Display for DurableDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableDisk({})", self.disk.root.display())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for DurableDisk {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let publish = match opts.mode {
            PutMode::Overwrite => Publish::Replace,
            PutMode::Create => Publish::Create,
            PutMode::Update(_) => return Err(self.not_supported("conditional updates")),
        };
        if !opts.attributes.is_empty() {
            return Err(self.not_supported("attributes"));
        }
        let path = self.disk.path_of(location)?;
        self.run(move |disk| disk.put(&path, &payload, publish))
            .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if !opts.attributes.is_empty() {
            return Err(self.not_supported("attributes"));
        }
        let path = self.disk.path_of(location)?;
        let staged = self.run(move |disk| disk.stage(&path)).await?;
        Ok(Box::new(Upload::new(Arc::clone(&self.disk), staged)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.disk.check()?;
        let got = self.reads.get_opts(location, options).await;
        let mut got = got.map_err(|error| self.disk.explain(location, error))?;
        // The prefix store answers with its own path.
        got.meta.location = location.clone();
        Ok(got)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.disk.check()?;
        let got = self.reads.get_ranges(location, ranges).await;
        got.map_err(|error| self.disk.explain(location, error))
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .ready_chunks(BATCH)
            .then(move |batch| {
                let store = store.clone();
                async move {
                    let deleted = store.run(move |disk| Ok(disk.delete_batch(batch))).await;
                    stream::iter(deleted.unwrap_or_else(|error| vec![Err(error)]))
                }
            })
            .flatten()
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.walk(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.walk(prefix, Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        self.run(move |disk| disk.list_level(&prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let publish = match options.mode {
            CopyMode::Overwrite => Publish::Replace,
            CopyMode::Create => Publish::Create,
        };
        let (from, to) = (self.disk.path_of(from)?, self.disk.path_of(to)?);
        self.run(move |disk| disk.copy(&from, &to, publish)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let publish = match options.target_mode {
            RenameTargetMode::Overwrite => Publish::Replace,
            RenameTargetMode::Create => Publish::Create,
        };
        let (from, to) = (self.disk.path_of(from)?, self.disk.path_of(to)?);
        self.run(move |disk| disk.rename(&from, &to, publish)).await
    }
}

impl DurableDisk {
    fn not_supported(&self, what: &str) -> object_store::Error {
        object_store::Error::NotImplemented {
            operation: what.to_owned(),
            implementer: self.to_string(),
        }
    }
}

/// What becomes of an object that has the name already.
#[derive(Debug, Clone, Copy)]
enum Publish {
    Replace,
    Create,
}

/// A temporary file on its way to becoming an object.
#[derive(Debug)]
struct Staged {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
}

/// The synchronous side: every method blocks.
#[derive(Debug)]
struct Disk {
    root: PathBuf,
    calls: Arc<dyn DiskCalls>,
    /// Folders whose entries, up to the root's parent, this process has seen
    /// synced. That a folder exists says nothing: whoever made it may not
    /// have synced its parent yet.
    known_folders: Mutex<HashSet<PathBuf>>,
    /// Why nothing can be promised any more.
    lost: OnceLock<String>,
}

impl Disk {
    fn path_of(&self, location: &Path) -> Result<PathBuf> {
        match location.filename() {
            Some(name) if !is_temporary(name) => Ok(self.root.join(location.as_ref())),
            Some(_) => {
                let what = format!(
                    "path \"{location}\" ends in # and digits, which is kept for temporaries"
                );
                Err(object_store::Error::NotSupported {
                    source: what.into(),
                })
            }
            None => {
                let what = "an empty path names no object";
                Err(object_store::Error::NotSupported {
                    source: what.into(),
                })
            }
        }
    }

    /// Refuses every call after a folder could not be synced.
    fn check(&self) -> Result<()> {
        match self.lost.get() {
            None => Ok(()),
            Some(why) => Err(failed(
                "trust",
                &self.root,
                io::Error::other(format!(
                    "{why}; look at the disk, then start the process again"
                )),
            )),
        }
    }

    fn put(&self, target: &FsPath, payload: &PutPayload, publish: Publish) -> Result<PutResult> {
        let mut staged = self.stage(target)?;
        let written = self.write_all(&mut staged, payload);
        self.finish(staged, written, publish)
    }

    fn write_all(&self, staged: &mut Staged, payload: &PutPayload) -> Result<()> {
        let mut offset = 0;
        for bytes in payload {
            self.write(staged, offset, bytes)?;
            offset += bytes.len() as u64;
        }
        Ok(())
    }

    fn write(&self, staged: &mut Staged, offset: u64, bytes: &[u8]) -> Result<()> {
        self.calls
            .write(&mut staged.file, &staged.temporary, offset, bytes)
            .map_err(|error| failed("write", &staged.target, error))
    }

    /// Opens a temporary beside the target, making folders as needed.
    fn stage(&self, target: &FsPath) -> Result<Staged> {
        let folder = target.parent().unwrap_or(&self.root);
        loop {
            self.ensure_folder(folder)?;
            let temporary = folder.join(next_temporary());
            match self.calls.create(&temporary) {
                Ok(file) => {
                    let target = target.to_owned();
                    return Ok(Staged {
                        file,
                        temporary,
                        target,
                    });
                }
                // Somebody removed the folder since it was seen.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.forget_folders(folder)
                }
                Err(error) => return Err(failed("create", target, error)),
            }
        }
    }

    /// Publishes what was staged if it was written, and removes the temporary.
    fn finish(&self, staged: Staged, written: Result<()>, publish: Publish) -> Result<PutResult> {
        let published = written.and_then(|()| self.sync_and_publish(&staged, publish));
        if published.is_err() {
            // Already failing: a temporary that stays is hidden and harmless.
            let _ = self.calls.unlink(&staged.temporary);
        }
        let metadata = published?;
        Ok(PutResult {
            e_tag: Some(e_tag(&metadata)),
            version: None,
        })
    }

    fn sync_and_publish(&self, staged: &Staged, publish: Publish) -> Result<Metadata> {
        let Staged {
            file,
            temporary,
            target,
        } = staged;
        self.calls
            .sync_file(file, temporary)
            .map_err(|error| failed("sync", target, error))?;
        let metadata = file
            .metadata()
            .map_err(|error| failed("look at", target, error))?;
        self.publish(temporary, target, publish)?;
        self.sync_parent(target)?;
        Ok(metadata)
    }

    /// Gives a synced temporary its name, in one step.
    fn publish(&self, temporary: &FsPath, target: &FsPath, publish: Publish) -> Result<()> {
        match publish {
            Publish::Replace => self
                .calls
                .rename(temporary, target)
                .map_err(|error| failed("replace", target, error)),
            Publish::Create => {
                self.calls
                    .link(temporary, target)
                    .map_err(|error| failed("create", target, error))?;
                // The object is there; a second, hidden name does no harm.
                let _ = self.calls.unlink(temporary);
                Ok(())
            }
        }
    }

    fn copy(&self, from: &FsPath, to: &FsPath, publish: Publish) -> Result<()> {
        self.sync_content(from)?;
        let folder = to.parent().unwrap_or(&self.root);
        self.ensure_folder(folder)?;
        let temporary = folder.join(next_temporary());
        self.calls
            .link(from, &temporary)
            .map_err(|error| failed("copy", from, error))?;
        let published = self.publish(&temporary, to, publish);
        // Renaming one name of a file onto another of the same file leaves both.
        let _ = self.calls.unlink(&temporary);
        published?;
        self.sync_parent(to)
    }

    fn rename(&self, from: &FsPath, to: &FsPath, publish: Publish) -> Result<()> {
        if from == to && matches!(publish, Publish::Replace) {
            return self.persist(from);
        }
        self.copy(from, to, publish)?;
        self.calls
            .unlink(from)
            .map_err(|error| failed("remove", from, error))?;
        self.sync_parent(from)
    }

    /// A folder, and what would be below a file, are no objects; the plain
    /// local store fails on them in its own ways.
    fn explain(&self, location: &Path, error: object_store::Error) -> object_store::Error {
        let is_absent = match std::fs::metadata(self.root.join(location.as_ref())) {
            Ok(metadata) => metadata.is_dir(),
            Err(error) => walk::is_absent(&error),
        };
        if !is_absent {
            return error;
        }
        object_store::Error::NotFound {
            path: location.to_string(),
            source: error.into(),
        }
    }

    fn persist(&self, path: &FsPath) -> Result<()> {
        self.sync_content(path)?;
        self.ensure_folder(path.parent().unwrap_or(&self.root))?;
        self.sync_parent(path)
    }

    fn sync_content(&self, path: &FsPath) -> Result<()> {
        let file = File::open(path).map_err(|error| failed("open", path, error))?;
        if path.is_dir() {
            let no_object = io::Error::new(io::ErrorKind::NotFound, "it is a folder");
            return Err(failed("open", path, no_object));
        }
        self.calls
            .sync_file(&file, path)
            .map_err(|error| failed("sync", path, error))
    }

    /// Deletes objects, then syncs each of their folders once.
    fn delete_batch(&self, batch: Vec<Result<Path>>) -> Vec<Result<Path>> {
        let mut folders = HashSet::new();
        let mut deleted: Vec<_> = batch
            .into_iter()
            .map(|location| {
                let location = location?;
                let path = self.path_of(&location)?;
                self.calls
                    .unlink(&path)
                    .map_err(|error| failed("delete", &path, error))?;
                folders.extend(path.parent().map(FsPath::to_owned));
                Ok(location)
            })
            .collect();
        for folder in folders {
            if let Err(error) = self.sync_folder(&folder) {
                deleted = vec![Err(error)];
                break;
            }
        }
        deleted
    }

    fn list_level(&self, prefix: &Path) -> Result<ListResult> {
        let mut listed = ListResult {
            common_prefixes: Vec::new(),
            objects: Vec::new(),
        };
        for entry in walk::entries(&self.root, prefix.as_ref())? {
            if !entry.is_folder() {
                listed.objects.push(walk::object_meta(&entry)?);
                continue;
            }
            let folder = Path::parse(&entry.key)?;
            let first = Walk::new(self.root.clone(), &folder, None)?.next();
            if first.transpose()?.is_some() {
                listed.common_prefixes.push(folder);
            }
        }
        Ok(listed)
    }

    /// Makes a folder exist durably, with all folders up to the root, and
    /// above the root those that are missing.
    fn ensure_folder(&self, folder: &FsPath) -> Result<()> {
        if self.is_known(folder) {
            return Ok(());
        }
        let above_root = !folder.starts_with(&self.root);
        if above_root && folder.is_dir() {
            return Ok(());
        }
        if let Some(parent) = folder.parent() {
            self.ensure_folder(parent)?;
        }
        match self.calls.make_folder(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("create folder", folder, error)),
        }
        self.sync_parent(folder)?;
        self.folders().insert(folder.to_owned());
        Ok(())
    }

    fn is_known(&self, folder: &FsPath) -> bool {
        self.folders().contains(folder)
    }

    fn forget_folders(&self, folder: &FsPath) {
        let mut known = self.folders();
        for gone in folder.ancestors() {
            known.remove(gone);
        }
    }

    fn folders(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        // A set of paths is whole between any two of its calls.
        self.known_folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn sync_parent(&self, path: &FsPath) -> Result<()> {
        path.parent()
            .map_or(Ok(()), |folder| self.sync_folder(folder))
    }

    fn sync_folder(&self, folder: &FsPath) -> Result<()> {
        self.calls.sync_folder(folder).map_err(|error| {
            let why = format!("folder {} could not be synced ({error})", folder.display());
            self.lost.get_or_init(|| why);
            failed("sync folder", folder, error)
        })
    }
}

/// Whether a file's name is one of a temporary: it ends in `#` and digits,
/// the same names that the plain local store keeps for itself.
fn is_temporary(name: &str) -> bool {
    name.split_once('#').is_some_and(|(_, suffix)| {
        !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A name that no temporary has, of any process on any machine that shares
/// the folder; process ids repeat among containers.
fn next_temporary() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(".part#{:020}{count:010}", *PROCESS)
}

/// Identifies the content of a file as HTTP servers do: inode, time of
/// change, size. The plain local store builds the same tag, so that a tag
/// from a put fits one from a get.
fn e_tag(metadata: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let micros = modified
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_micros();
    format!("{:x}-{micros:x}-{:x}", metadata.ino(), metadata.len())
}

/// What the disk refused, where.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {source}", path.display())]
struct DiskError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(doing: &'static str, path: &FsPath, source: io::Error) -> object_store::Error {
    let kind = source.kind();
    let at = path.display().to_string();
    let source = Box::new(DiskError {
        doing,
        path: path.to_owned(),
        source,
    });
    match kind {
        io::ErrorKind::NotFound => object_store::Error::NotFound { path: at, source },
        io::ErrorKind::AlreadyExists => object_store::Error::AlreadyExists { path: at, source },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            object_store::Error::PermissionDenied { path: at, source }
        }
        _ => object_store::Error::Generic {
            store: "disk",
            source,
        },
    }
}

/// Runs blocking work beside the executor where there is one.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await?,
        Err(_) => work(),
    }
}
