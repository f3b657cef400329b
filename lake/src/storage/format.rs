//! The format of a lake: `_downlake/lake.json`.
//!
//! Promises: a lake is marked once, by whoever writes first, and the mark
//! never changes; a lake of a newer format is refused before anything of it
//! is read. Refuses: marking a lake on behalf of a reader.

use object_store::path::Path;
use object_store::{PutMode, PutPayload};
use serde::{Deserialize, Serialize};

use super::{OWN_FOLDER, Storage};
use crate::seam::Seams;
use crate::{Error, ErrorKind, Result};

/// The format that this code writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// The mark of a lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LakeFormat {
    /// The format's number.
    pub format: u32,
    /// When the lake was made, microseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// A random identifier, 32 hex digits.
    pub id: String,
}

/// The only field that every format has.
#[derive(Deserialize)]
struct Marked {
    format: u64,
}

/// Reads the mark of a lake; `None` where there is no lake yet.
///
/// # Errors
/// `Invalid`: the format is newer than [`FORMAT`]. `Corrupt`: the mark is
/// not what it must be.
pub async fn check_format(storage: &Storage) -> Result<Option<LakeFormat>> {
    match storage.read_small(&location()).await? {
        Some(bytes) => parse(storage, &bytes).map(Some),
        None => Ok(None),
    }
}

/// Marks a lake that has no mark, and returns the mark that stands.
///
/// # Errors
/// As [`check_format`], and what the store answers to the write.
pub async fn ensure_format(storage: &Storage, seams: &Seams) -> Result<LakeFormat> {
    if let Some(found) = check_format(storage).await? {
        return Ok(found);
    }
    let mark = LakeFormat {
        format: FORMAT,
        created_at: seams.clock.now_micros(),
        id: seams.new_id(),
    };
    let bytes = serde_json::to_vec(&mark).expect("numbers and text are JSON");
    let put = storage
        .objects()
        .put_opts(&location(), PutPayload::from(bytes), PutMode::Create.into())
        .await;
    // Whatever the answer was, what stands now is the mark: a lost reply and
    // a lost race look the same from here.
    match (check_format(storage).await?, put) {
        (Some(found), _) => Ok(found),
        (None, Err(error)) => Err(Error::from(error).context("cannot mark the lake")),
        (None, Ok(_)) => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "{} at {} was written and is not there",
                location(),
                storage.url()
            ),
        )),
    }
}

fn location() -> Path {
    Path::from_iter([OWN_FOLDER, "lake.json"])
}

fn parse(storage: &Storage, bytes: &[u8]) -> Result<LakeFormat> {
    let broken = |error: serde_json::Error| {
        let message = format!(
            "{} at {} is not the mark of a lake: {error}; restore the file or choose another lake",
            location(),
            storage.url()
        );
        Error::corrupt(message).with_source(error)
    };
    let marked: Marked = serde_json::from_slice(bytes).map_err(broken)?;
    if marked.format != u64::from(FORMAT) {
        return Err(Error::invalid(format!(
            "lake has format {}, this downlake reads format {FORMAT}; use a newer downlake",
            marked.format
        )));
    }
    serde_json::from_slice(bytes).map_err(broken)
}
