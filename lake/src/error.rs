//! The one error of the library crates.
//!
//! A kind says what the caller can do about it and maps to one exit code and
//! one HTTP status; the message says what, where, expected, and what to do.
//! Messages are lowercase, without a full stop.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong: mend it.
    Invalid,
    /// The thing that was named does not exist: mend the request.
    NotFound,
    /// Somebody else changed the same thing: reload and try again.
    Conflict,
    /// The store did not answer: try again with backoff.
    Unavailable,
    /// A limit was hit: send less, or raise the limit.
    Limit,
    /// Data is not what it must be: stop and look.
    Corrupt,
    /// A bug of ours: report it.
    Internal,
    /// The work was cancelled by the caller.
    Cancelled,
}

impl ErrorKind {
    /// The exit code of a process that ends with this kind of error.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Invalid | ErrorKind::NotFound => 2,
            ErrorKind::Conflict => 3,
            ErrorKind::Unavailable => 4,
            ErrorKind::Limit => 5,
            ErrorKind::Corrupt => 6,
            ErrorKind::Internal => 70,
            ErrorKind::Cancelled => 130,
        }
    }
}

/// The result of every fallible public function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its kind, a message for people, and its cause.
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of the given kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// An [`ErrorKind::Invalid`] error.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// An [`ErrorKind::NotFound`] error.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// An [`ErrorKind::Conflict`] error.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// An [`ErrorKind::Unavailable`] error.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// An [`ErrorKind::Limit`] error.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, message)
    }

    /// An [`ErrorKind::Corrupt`] error.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// An [`ErrorKind::Internal`] error.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// What a failure to write to a temporary folder is:
    /// [`ErrorKind::Limit`] where it is full.
    pub fn temp_dir(dir: &Path, error: std::io::Error) -> Self {
        let message = format!(
            "cannot write to temporary folder {}: {error}; free space or name another",
            dir.display()
        );
        Self::new(temp_dir_kind(&error), message).with_source(error)
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says in front of the message what was being done; the kind stays.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message, without its causes.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)?;
        let mut cause = self.source.as_deref().map(|s| s as &dyn StdError);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|s| s as &(dyn StdError + 'static))
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        let (kind, advice) = judge_store(&error);
        let mut message = error.to_string();
        if let Some(advice) = advice {
            message = format!("{message}; {advice}");
        }
        Error::new(kind, message).with_source(error)
    }
}

/// What a caller can do about an error of the store, and in words where the
/// error itself does not say it.
fn judge_store(error: &object_store::Error) -> (ErrorKind, Option<&'static str>) {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => (ErrorKind::NotFound, None),
        E::AlreadyExists { .. } | E::Precondition { .. } => (ErrorKind::Conflict, None),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            let advice = "give this user the right to it, or choose another lake";
            judge_disk(error).unwrap_or((ErrorKind::Invalid, Some(advice)))
        }
        E::InvalidPath { .. }
        | E::NotSupported { .. }
        | E::NotImplemented { .. }
        | E::UnknownConfigurationKey { .. } => (ErrorKind::Invalid, None),
        E::JoinError { source } if source.is_panic() => (ErrorKind::Internal, None),
        _ => judge_disk(error).unwrap_or((ErrorKind::Unavailable, None)),
    }
}

/// What the caller can do about a temporary folder's disk.
pub(crate) fn temp_dir_kind(error: &std::io::Error) -> ErrorKind {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Limit,
        _ => ErrorKind::Unavailable,
    }
}

/// Whether a local disk refused for a reason that waiting does not mend (full,
/// read-only, no right to it).
pub(crate) fn is_final_on_disk(error: &object_store::Error) -> bool {
    judge_disk(error).is_some()
}

/// The same for errors that come from a local disk and that waiting does not mend.
fn judge_disk(error: &object_store::Error) -> Option<(ErrorKind, Option<&'static str>)> {
    use std::io::ErrorKind as Io;
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let disk = causes
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .last()?;
    let judged = match disk.kind() {
        Io::StorageFull => (ErrorKind::Limit, "the disk is full: free some space"),
        Io::QuotaExceeded => (
            ErrorKind::Limit,
            "the quota is used up: raise it or free some space",
        ),
        Io::FileTooLarge => (
            ErrorKind::Limit,
            "the file is larger than the disk or the process allows",
        ),
        Io::ReadOnlyFilesystem => (
            ErrorKind::Invalid,
            "the disk is mounted read-only: remount it, or choose another lake",
        ),
        Io::PermissionDenied => (
            ErrorKind::Invalid,
            "give this user the right to it, or choose another lake",
        ),
        Io::NotADirectory | Io::IsADirectory => (
            ErrorKind::Invalid,
            "a file and a folder have the same name: rename one",
        ),
        Io::InvalidFilename => (ErrorKind::Invalid, "the disk cannot hold such a name"),
        _ => return None,
    };
    Some((judged.0, Some(judged.1)))
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Error::internal(format!("arrow: {error}")).with_source(error)
    }
}

impl From<::parquet::errors::ParquetError> for Error {
    fn from(error: ::parquet::errors::ParquetError) -> Self {
        Error::corrupt(format!("parquet: {error}")).with_source(error)
    }
}
