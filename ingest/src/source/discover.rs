//! Arguments to source units.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use downlake_lake::{Error, Result};
use futures::TryStreamExt;
use globset::{GlobBuilder, GlobMatcher};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use super::{SourceFile, SourceOptions, SourceRef};
use crate::decode;

/// First bytes of an object that show a container format.
const MAGIC: u64 = 16;
/// Texts about data that lie beside it as `.txt`.
const PROSE: [&str; 7] = [
    "authors",
    "changelog",
    "copying",
    "licence",
    "license",
    "notice",
    "readme",
];

/// The source units behind the arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discovered {
    /// In the order of the arguments, sorted by path inside of each; every
    /// unit once.
    pub sources: Vec<SourceRef>,
    /// How many entries were passed over because their names begin with `.` or `_`.
    pub passed_over: u64,
    /// Files that were found below a folder, a pattern or a prefix and whose
    /// names and first bytes tell no format.
    pub unknown: Vec<String>,
    /// Pipes, sockets and devices that were found below a folder or a pattern.
    pub not_files: Vec<String>,
}

/// Finds the source units: `-`, files, folders (with all below), globs, and
/// object URLs (an object, or a prefix that ends in `/`).
///
/// # Errors
/// NotFound for names that do not exist and globs that match nothing, Invalid
/// for folders without files, for pipes and devices, which are not read twice,
/// and for what may not be read; Unavailable where a store does not answer.
pub async fn discover(arguments: &[String], options: &SourceOptions) -> Result<Discovered> {
    let mut found = Finder {
        any_format: options.any_format,
        ..Finder::default()
    };
    for argument in arguments {
        if argument == "-" {
            found.add(SourceRef::Stdin, "-".to_owned());
        } else if let Some(url) = object_url(argument)? {
            found.add_objects(&url, options).await?;
        } else {
            found.add_local(argument)?;
        }
    }
    Ok(found.discovered)
}

/// The URL of an object store, if the argument is one.
fn object_url(argument: &str) -> Result<Option<Url>> {
    if !argument.contains("://") || argument.starts_with("file://") {
        return Ok(None);
    }
    Url::parse(argument)
        .map(Some)
        .map_err(|error| Error::invalid(format!("\"{argument}\" is no URL: {error}")))
}

#[derive(Default)]
struct Finder {
    discovered: Discovered,
    seen: HashSet<String>,
    any_format: bool,
}

impl Finder {
    fn add(&mut self, source: SourceRef, identity: String) {
        if self.seen.insert(identity) {
            self.discovered.sources.push(source);
        }
    }

    fn add_local(&mut self, argument: &str) -> Result<()> {
        let path = local_path(argument)?;
        let Ok(metadata) = fs::metadata(&path) else {
            return self.add_glob(argument);
        };
        if metadata.is_file() {
            self.add_file(path);
            return Ok(());
        }
        if !metadata.is_dir() {
            return Err(not_a_file(argument));
        }
        let files = self.files_below(&path)?;
        if files.is_empty() {
            return Err(no_files(argument));
        }
        self.add_found(argument, files)
    }

    /// Adds those of the files below an argument that tell their format.
    fn add_found(&mut self, argument: &str, files: Vec<PathBuf>) -> Result<()> {
        let tells = |file: &PathBuf| self.any_format || tells_format(file);
        let (known, unknown): (Vec<_>, Vec<_>) = files.into_iter().partition(tells);
        let unknown: Vec<_> = unknown.iter().map(|f| f.display().to_string()).collect();
        if known.is_empty() {
            return Err(no_format(argument, &unknown));
        }
        self.discovered.unknown.extend(unknown);
        known.into_iter().for_each(|file| self.add_file(file));
        Ok(())
    }

    fn add_file(&mut self, path: PathBuf) {
        // A link to nothing fails as a unit, and the others go on.
        let identity = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        self.add(SourceRef::File(path), identity.display().to_string());
    }

    fn add_glob(&mut self, argument: &str) -> Result<()> {
        if !is_glob(argument) {
            return Err(Error::not_found(format!(
                "there is no file or folder \"{argument}\""
            )));
        }
        let matcher = matcher(argument)?;
        let base = glob_base(argument);
        let files = match base.is_dir() {
            true => self.files_below(&base)?,
            false => Vec::new(),
        };
        let matches = |file: &PathBuf| matcher.is_match(file.strip_prefix("./").unwrap_or(file));
        let files: Vec<_> = files.into_iter().filter(matches).collect();
        if files.is_empty() {
            return Err(Error::not_found(format!("no file matches \"{argument}\"")));
        }
        self.add_found(argument, files)
    }

    /// All files below a folder, sorted by path.
    fn files_below(&mut self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_owned()];
        // A link to a folder above would never end.
        let mut visited = HashSet::new();
        while let Some(folder) = folders.pop() {
            let real = fs::canonicalize(&folder).map_err(|error| unreadable(&folder, error))?;
            if !visited.insert(real) {
                continue;
            }
            for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
                let entry = entry.map_err(|error| unreadable(&folder, error))?;
                if is_hidden(&entry.file_name().to_string_lossy()) {
                    self.discovered.passed_over += 1;
                    continue;
                }
                let path = entry.path();
                match fs::metadata(&path) {
                    Ok(metadata) if metadata.is_dir() => folders.push(path),
                    // Reading what is no file could wait for ever.
                    Ok(metadata) if !metadata.is_file() => {
                        let name = path.display().to_string();
                        self.discovered.not_files.push(name);
                    }
                    _ => files.push(path),
                }
            }
        }
        files.sort();
        self.discovered.not_files.sort();
        Ok(files)
    }

    async fn add_objects(&mut self, url: &Url, options: &SourceOptions) -> Result<()> {
        let (store, path) = (options.open_store)(url)?;
        let pattern = url.path().to_owned();
        if !pattern.ends_with('/') && !is_glob(&decoded(&pattern)) {
            store.head(&path).await.map_err(|e| at(url, e))?;
            self.add(SourceRef::Object(url.clone()), url.to_string());
            return Ok(());
        }
        let prefix = object_store::path::Path::from(literal_prefix(path.as_ref()));
        let listed: Vec<_> = store
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(|e| at(url, e))?;
        let matcher = is_glob(path.as_ref())
            .then(|| matcher(path.as_ref()))
            .transpose()?;
        let mut found: Vec<_> = listed
            .into_iter()
            .filter(|object| {
                let location = object.location.as_ref();
                matcher.as_ref().is_none_or(|m| m.is_match(location))
            })
            .collect();
        found.sort_by(|a, b| a.location.cmp(&b.location));
        let all = found.len();
        found.retain(|object| !is_hidden_below(&object.location, &prefix));
        self.discovered.passed_over += (all - found.len()) as u64;
        if found.is_empty() {
            return Err(no_files(url.as_str()));
        }
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for object in found {
            let named = url_of(url, &path, &object.location);
            let tells = match self.any_format {
                true => true,
                false => object_tells_format(&*store, &object)
                    .await
                    .map_err(|e| at(&named, e))?,
            };
            match tells {
                true => known.push(named),
                false => unknown.push(named.to_string()),
            }
        }
        if known.is_empty() {
            return Err(no_format(url.as_str(), &unknown));
        }
        self.discovered.unknown.extend(unknown);
        for object in known {
            self.add(SourceRef::Object(object.clone()), object.to_string());
        }
        Ok(())
    }
}

impl Discovered {
    /// What was passed over and why, for people.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if self.passed_over > 0 {
            notices.push(format!(
                "{} names that begin with \".\" or \"_\" were passed over",
                self.passed_over
            ));
        }
        if !self.not_files.is_empty() {
            notices.push(format!(
                "{} pipes, sockets or devices were passed over: {}",
                self.not_files.len(),
                first_few(&self.not_files)
            ));
        }
        if !self.unknown.is_empty() {
            notices.push(format!(
                "{} files were passed over, their names and first bytes tell no format: {}; name them one by one, or give --format",
                self.unknown.len(),
                first_few(&self.unknown)
            ));
        }
        notices
    }
}

/// Whether a file that nobody named tells its format.
fn tells_format(file: &Path) -> bool {
    let name = file.display().to_string();
    if decode::is_named(&name) {
        return !is_prose(&name);
    }
    let head = SourceFile::on_disk(file).and_then(|file| file.head());
    head.is_ok_and(|head| decode::has_magic(&head))
}

async fn object_tells_format(
    store: &dyn ObjectStore,
    object: &ObjectMeta,
) -> object_store::Result<bool> {
    let name = object.location.as_ref();
    if decode::is_named(name) {
        return Ok(!is_prose(name));
    }
    if object.size < MAGIC {
        return Ok(false);
    }
    let head = store.get_range(&object.location, 0..MAGIC).await?;
    Ok(decode::has_magic(&head))
}

fn is_prose(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let stem = name.strip_suffix(".txt");
    stem.is_some_and(|stem| PROSE.contains(&stem))
}

fn first_few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn no_format(argument: &str, unknown: &[String]) -> Error {
    Error::invalid(format!(
        "no file in \"{argument}\" tells its format by its name or first bytes ({}); name files one by one, or give --format",
        first_few(unknown)
    ))
}

/// The URL of an object in the same store.
fn url_of(url: &Url, path: &object_store::path::Path, location: &object_store::path::Path) -> Url {
    // Some URLs name the bucket in their path; what the store does not count
    // as the place of the object stays in front.
    let whole = decoded(url.path());
    let whole = whole.trim_matches('/');
    let bucket = whole.strip_suffix(path.as_ref()).unwrap_or_default();
    let mut object = url.clone();
    object.set_path(&format!("{bucket}{location}"));
    object
}

fn decoded(path: &str) -> String {
    match object_store::path::Path::from_url_path(path) {
        Ok(path) => path.to_string(),
        Err(_) => path.to_owned(),
    }
}

fn at(url: &Url, error: object_store::Error) -> Error {
    Error::from(error).context(format!("cannot read {url}"))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

fn is_hidden_below(location: &object_store::path::Path, prefix: &object_store::path::Path) -> bool {
    let mut parts = location.parts().skip(prefix.parts().count());
    parts.any(|part| is_hidden(part.as_ref()))
}

fn is_glob(argument: &str) -> bool {
    argument.contains(['*', '?', '[', '{'])
}

/// The folders in front of the first part with a wildcard.
fn literal_prefix(path: &str) -> String {
    let parts = path.split('/').take_while(|part| !is_glob(part));
    parts.collect::<Vec<_>>().join("/")
}

fn glob_base(argument: &str) -> PathBuf {
    let base = literal_prefix(argument);
    match base.as_str() {
        "" if argument.starts_with('/') => PathBuf::from("/"),
        "" => PathBuf::from("."),
        _ => PathBuf::from(base),
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher> {
    GlobBuilder::new(pattern.strip_prefix("./").unwrap_or(pattern))
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| Error::invalid(format!("\"{pattern}\" is no pattern: {error}")))
}

fn local_path(argument: &str) -> Result<PathBuf> {
    if !argument.starts_with("file://") {
        return Ok(PathBuf::from(argument));
    }
    let path = Url::parse(argument)
        .ok()
        .and_then(|url| url.to_file_path().ok());
    path.ok_or_else(|| Error::invalid(format!("\"{argument}\" is no URL of a file")))
}

fn no_files(argument: &str) -> Error {
    Error::invalid(format!("no files in \"{argument}\""))
}

fn not_a_file(argument: &str) -> Error {
    Error::invalid(format!(
        "\"{argument}\" is a pipe, a socket or a device, which is not read twice; send its bytes to standard input and use -"
    ))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let error_of = match error.kind() {
        std::io::ErrorKind::PermissionDenied => Error::invalid,
        _ => Error::unavailable,
    };
    error_of(format!("cannot read \"{}\": {error}", path.display())).with_source(error)
}
