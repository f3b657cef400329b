//! Puts the bytes of one commit into the log and finds out what became of them.
//!
//! Promises: whatever the store answers, the verdict is read from the log, so
//! a commit is never called failed although it landed, nor put at a second
//! version. Refuses to guess: where the store cannot say, the verdict is
//! [`Verdict::Unknown`].
//!
//! A lost reply is ordinary: a store client repeats a conditional write after
//! a server error and then meets its own file as "already exists".

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};

use super::action::CommitFile;
use crate::error::is_final_on_disk;
use crate::{Error, Result};

/// How often the same bytes are put before the answer is "unknown".
const TRIES: u32 = 6;
/// The pause before the second try; it doubles with every further one.
const PAUSE: Duration = Duration::from_millis(10);

/// What became of a commit.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is in the log.
    Landed,
    /// Another commit has the version; ours is not in the log and cannot get there.
    Taken,
    /// The store refused the request for good; nothing is in the log.
    Refused(Error),
    /// The store does not say.
    Unknown(Error),
}

/// Who has the version.
enum Holder {
    Ours,
    Another,
    Nobody,
}

/// Puts a commit at its place, unless somebody else is there.
pub(super) async fn land(
    objects: Arc<dyn ObjectStore>,
    place: Path,
    id: String,
    commit: PutPayload,
) -> Verdict {
    let mut pause = PAUSE;
    let mut last = None;
    for attempt in 1..=TRIES {
        let put = objects
            .put_opts(&place, commit.clone(), PutMode::Create.into())
            .await;
        let Err(answer) = put else {
            return Verdict::Landed;
        };
        let holder = holder(objects.as_ref(), &place, &id).await;
        match holder {
            Ok(Holder::Ours) => return Verdict::Landed,
            Ok(Holder::Another) => return Verdict::Taken,
            // An earlier try may still be on its way, so only the first
            // refusal proves that nothing was written.
            Ok(Holder::Nobody) | Err(_) if attempt == 1 && is_refusal(&answer) => {
                return Verdict::Refused(Error::from(answer));
            }
            Ok(Holder::Nobody) => last = Some(Error::from(answer)),
            Err(error) => last = Some(error),
        }
        if attempt < TRIES {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
    Verdict::Unknown(unknown(&place, last))
}

fn unknown(place: &Path, cause: Option<Error>) -> Error {
    let error = Error::unavailable(format!(
        "the store did not say in {TRIES} tries whether {place} was written: \
         read the table again before the commit is repeated"
    ));
    match cause {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

async fn holder(objects: &dyn ObjectStore, place: &Path, id: &str) -> Result<Holder> {
    let found = match objects.get(place).await {
        Ok(found) => found.bytes().await?,
        Err(StoreError::NotFound { .. }) => return Ok(Holder::Nobody),
        Err(error) => return Err(error.into()),
    };
    // What cannot be parsed was not written by us.
    let ours = CommitFile::parse(0, 0, &found).is_ok_and(|found| found.commit_id() == Some(id));
    Ok(if ours { Holder::Ours } else { Holder::Another })
}

fn is_refusal(answer: &StoreError) -> bool {
    matches!(
        answer,
        StoreError::PermissionDenied { .. }
            | StoreError::Unauthenticated { .. }
            | StoreError::NotSupported { .. }
            | StoreError::NotImplemented { .. }
            | StoreError::InvalidPath { .. }
    ) || is_final_on_disk(answer)
}
