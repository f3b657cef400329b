//! Source units: files, folders, globs, object prefixes and standard input.
//!
//! Promises: everything that is read is one local file, so that it can be
//! read twice; what was decoded is what was hashed, or the unit fails; the
//! same file is found once, in an order that does not depend on the disk; of
//! files that were found rather than named, those whose names and first bytes
//! tell no format are passed over and listed.
//! Refuses folders without files and names that do not exist, by name.

mod compression;
mod discover;
mod file;
mod opened;
mod pattern;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use downlake_lake::{Error, Result};
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

pub use discover::{Discovered, discover};
pub use file::{SourceFile, open};
pub(crate) use opened::Opened;
pub use pattern::PathPattern;

/// A source unit that was found, not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceRef {
    /// Standard input.
    Stdin,
    /// A local file.
    File(PathBuf),
    /// An object in a store.
    Object(Url),
}

impl SourceRef {
    /// What ledger and messages call it.
    pub fn name(&self) -> String {
        match self {
            SourceRef::Stdin => String::from("-"),
            SourceRef::File(path) => path.display().to_string(),
            SourceRef::Object(url) => url.to_string(),
        }
    }
}

/// Finds the store of a URL, and the place of the URL in it.
pub type OpenStore = dyn Fn(&Url) -> Result<(Arc<dyn ObjectStore>, Path)> + Send + Sync;

/// What sources need to know of the outside.
#[derive(Clone)]
pub struct SourceOptions {
    /// Opens object stores.
    pub open_store: Arc<OpenStore>,
    /// Whether folders, patterns and prefixes stand for all their files: the
    /// format is known otherwise.
    pub any_format: bool,
}

impl SourceOptions {
    /// Opens stores with these options of the clouds, by their names in
    /// object_store (`aws_region`, `google_service_account`, ...).
    pub fn with_cloud_options(options: Vec<(String, String)>) -> SourceOptions {
        let open = move |url: &Url| {
            let (store, path) = object_store::parse_url_opts(url, options.iter().cloned())
                .map_err(|error| Error::from(error).context(format!("cannot open {url}")))?;
            Ok((Arc::from(store), path))
        };
        SourceOptions {
            open_store: Arc::new(open),
            any_format: false,
        }
    }
}
