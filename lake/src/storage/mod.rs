//! URL to object store, with the guarantees the log needs of one.
//!
//! Promises: paths are relative to the lake on every backend; what a disk
//! acknowledges survives a power cut (unless the caller gave that up); a
//! store is written to only after it has shown that it creates an object for
//! exactly one of several racing writers ([`probe`]); a lake of a newer
//! format is refused by name ([`mod@format`]).
//!
//! Refuses: reading the environment (cloud options come from the caller),
//! and credentials inside a URL, which ends up in reports.

pub mod count;
pub mod disk;
pub mod format;
pub mod probe;
mod rooted;
pub mod simulate;
#[cfg(test)]
mod tests;

use std::path::{Component, Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, ObjectStoreScheme, RetryConfig};
use url::Url;

use crate::{Error, Result};
use disk::DurableDisk;
use rooted::Rooted;

/// The folder of the lake's own records.
pub(crate) const OWN_FOLDER: &str = "_downlake";

/// How a lake's store is opened.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// Whether a disk is synced before a write is acknowledged (default: yes).
    pub fsync: bool,
    /// Names and values of cloud options, such as `AWS_ACCESS_KEY_ID`. Names
    /// that the URL's cloud does not know are passed over, so the caller may
    /// hand in its whole environment.
    pub cloud: Vec<(String, String)>,
}

impl Default for StorageOptions {
    fn default() -> Self {
        StorageOptions {
            fsync: true,
            cloud: Vec::new(),
        }
    }
}

/// The store of one lake.
#[derive(Clone, Debug)]
pub struct Storage {
    url: Url,
    objects: Arc<dyn ObjectStore>,
    disk: Option<Arc<DurableDisk>>,
    durable: bool,
    endpoint: String,
}

impl Storage {
    /// Opens the store of a lake. Nothing is read or written yet.
    ///
    /// `url` is a path (relative ones start at the current folder), or a URL
    /// with one of the schemes `file`, `memory`, `s3`, `gs`, `az`, `abfss`,
    /// or an `https` address of one of these clouds.
    ///
    /// # Errors
    /// `Invalid`: the URL is of another kind, carries credentials or a query,
    /// or the cloud's options do not fit together.
    pub fn open(url: &str, options: &StorageOptions) -> Result<Storage> {
        match Url::parse(url) {
            Ok(parsed) if url.contains("://") => Self::open_url(parsed, options),
            _ => Self::open_disk(FsPath::new(url), options),
        }
    }

    /// A store made by the caller: a wrapper, or a stand-in in a test.
    /// `objects` is rooted at the lake and counts as durable.
    pub fn new(url: Url, objects: Arc<dyn ObjectStore>) -> Storage {
        Storage {
            endpoint: objects.to_string(),
            url,
            objects,
            disk: None,
            durable: true,
        }
    }

    /// The URL of the lake, for people and reports. It holds no secrets.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The objects of the lake; paths are relative to the lake.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// The folder of a lake on the local disk.
    pub fn local_root(&self) -> Option<&FsPath> {
        self.disk.as_ref().map(|disk| disk.root())
    }

    /// What answers for the store: the disk's folder, or the service and, if
    /// one was given, its address. Two endpoints of one lake may differ in
    /// what they can do.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether an acknowledged write survives a power cut of this machine:
    /// not in memory, nor on a disk that is not synced.
    pub fn is_durable(&self) -> bool {
        self.durable
    }

    /// The same lake with every call going through a wrapper.
    #[must_use]
    pub fn wrapped(
        &self,
        wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
    ) -> Storage {
        Storage {
            objects: wrap(Arc::clone(&self.objects)),
            ..self.clone()
        }
    }

    /// Makes an object that another process published survive a power cut
    /// before something is promised on the strength of it. Free where stores
    /// show only what is durable.
    ///
    /// # Errors
    /// `NotFound`: there is no such object; otherwise as the disk fails.
    pub async fn persist(&self, location: &Path) -> Result<()> {
        match &self.disk {
            Some(disk) => Ok(disk.persist(location).await?),
            None => Ok(()),
        }
    }

    fn open_url(url: Url, options: &StorageOptions) -> Result<Storage> {
        refuse_secrets(&url)?;
        match url.scheme() {
            "file" => {
                let path = url.to_file_path().map_err(|()| {
                    Error::invalid(format!(
                        "lake URL \"{url}\" names no path on this machine; write file:///folder"
                    ))
                })?;
                Self::open_disk(&path, options)
            }
            "memory" => Ok(Storage {
                durable: false,
                ..Self::new(url, Arc::new(InMemory::new()))
            }),
            _ => Self::open_cloud(url, options),
        }
    }

    fn open_disk(path: &FsPath, options: &StorageOptions) -> Result<Storage> {
        let root = resolve(path)?;
        let url = Url::from_directory_path(&root)
            .map_err(|()| Error::invalid(format!("lake path \"{}\" has no URL", root.display())))?;
        let disk = DurableDisk::new(&root, options.fsync).map_err(|error| {
            Error::from(error).context(format!("lake path \"{}\"", root.display()))
        })?;
        Ok(Storage {
            durable: options.fsync,
            disk: Some(Arc::new(disk.clone())),
            ..Self::new(url, Arc::new(disk))
        })
    }

    fn open_cloud(url: Url, options: &StorageOptions) -> Result<Storage> {
        let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|_| unknown_kind(&url))?;
        let bucket = cloud_store(&url, &scheme, &options.cloud)?;
        let endpoint = match service_address(&options.cloud) {
            Some(address) => format!("{bucket} at {address}"),
            None => bucket.to_string(),
        };
        let objects: Arc<dyn ObjectStore> = if prefix.as_ref().is_empty() {
            bucket
        } else {
            Arc::new(Rooted::new(bucket, prefix))
        };
        Ok(Storage {
            endpoint,
            ..Self::new(url, objects)
        })
    }

    /// Reads a small object of the lake; `None` where there is none.
    pub(crate) async fn read_small(&self, location: &Path) -> Result<Option<bytes::Bytes>> {
        match self.objects.get(location).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The folder of a table: its name as it is. `Path::from` would escape what a
/// name may hold, and so make a second folder of another name.
pub(crate) fn table_folder(table: &str) -> Result<Path> {
    let folder = Path::parse(table).map_err(|error| {
        Error::invalid(format!("table name {table:?} cannot be a folder: {error}"))
            .with_source(error)
    })?;
    if folder.is_root() {
        return Err(Error::invalid("table name is empty"));
    }
    Ok(folder)
}

/// How long a cloud is given to come back before a call fails: long enough
/// for a restart of a gateway, short enough for a person who waits.
fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: 8,
        retry_timeout: Duration::from_secs(45),
        ..RetryConfig::default()
    }
}

/// A builder of the cloud's store with the URL and every option it knows.
macro_rules! configured {
    ($builder:ty, $url:expr, $options:expr) => {
        $options.iter().fold(
            <$builder>::new()
                .with_url($url.as_str())
                .with_retry(retries()),
            |builder, (name, value)| match name.to_ascii_lowercase().parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            },
        )
    };
}

fn cloud_store(
    url: &Url,
    scheme: &ObjectStoreScheme,
    options: &[(String, String)],
) -> Result<Arc<dyn ObjectStore>> {
    let store: object_store::Result<Arc<dyn ObjectStore>> = match scheme {
        ObjectStoreScheme::AmazonS3 => configured!(AmazonS3Builder, url, options)
            .build()
            .map(|store| Arc::new(store) as _),
        ObjectStoreScheme::GoogleCloudStorage => {
            configured!(GoogleCloudStorageBuilder, url, options)
                .build()
                .map(|store| Arc::new(store) as _)
        }
        ObjectStoreScheme::MicrosoftAzure => configured!(MicrosoftAzureBuilder, url, options)
            .build()
            .map(|store| Arc::new(store) as _),
        _ => return Err(unknown_kind(url)),
    };
    store.map_err(|error| {
        let message =
            format!("cannot open lake {url}: {error}; check the cloud options in the environment");
        Error::invalid(message).with_source(error)
    })
}

/// The scheme, host and port of a service whose address the options give.
fn service_address(options: &[(String, String)]) -> Option<String> {
    const NAMES: [&str; 6] = [
        "aws_endpoint_url_s3",
        "aws_endpoint_url",
        "aws_endpoint",
        "azure_storage_endpoint",
        "azure_endpoint",
        "endpoint",
    ];
    let given = |name: &&str| {
        let option = options
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Url::parse(&option.1).ok()
    };
    let url = NAMES.iter().find_map(given)?;
    Some(url.origin().ascii_serialization())
}

fn unknown_kind(url: &Url) -> Error {
    Error::invalid(format!(
        "lake URL \"{url}\" is of no kind that is known; give a path, memory://, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
    ))
}

/// URLs are printed, logged and stored; secrets must not come in by them.
/// In `abfss://container@account...` the user name is the container.
fn refuse_secrets(url: &Url) -> Result<()> {
    let has_user = !url.username().is_empty() && !url.scheme().starts_with("abfs");
    if has_user || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        let mut shown = url.clone();
        // Only URLs that cannot have user names refuse to lose them.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_query(None);
        shown.set_fragment(None);
        return Err(Error::invalid(format!(
            "lake URL \"{shown}\" came with a user, password, query or fragment; leave it out and give credentials as cloud options"
        )));
    }
    Ok(())
}

/// The absolute path of a lake, without `.` and `..`, links of the part that
/// exists followed, so that two spellings of one lake are one lake.
fn resolve(path: &FsPath) -> Result<PathBuf> {
    let fail = |error: std::io::Error| {
        let message = format!("cannot resolve lake path \"{}\": {error}", path.display());
        Error::invalid(message).with_source(error)
    };
    if path.as_os_str().is_empty() {
        return Err(Error::invalid(
            "the lake's path is empty; give a folder or a URL",
        ));
    }
    let mut resolved = PathBuf::new();
    for component in std::path::absolute(path).map_err(fail)?.components() {
        match component {
            Component::ParentDir => drop(resolved.pop()),
            Component::CurDir => {}
            named => resolved.push(named),
        }
        match resolved.canonicalize() {
            Ok(real) => resolved = real,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(error)),
        }
    }
    Ok(resolved)
}
