//! An upload in parts: a temporary file that becomes an object at the end.
//!
//! Promises: parts may be written in any order and at the same time; an
//! upload of which a part failed or was never written does not complete; an
//! upload that is dropped leaves nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::{Disk, Publish, Staged, blocking, failed};

#[derive(Debug)]
pub(super) struct Upload {
    shared: Arc<Shared>,
    /// Bytes of the parts that were handed in.
    promised: u64,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<Disk>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` once the upload has ended.
    staged: Option<Staged>,
    /// Bytes of the parts that were written.
    written: u64,
}

impl Upload {
    pub(super) fn new(disk: Arc<Disk>, staged: Staged) -> Self {
        let state = State {
            staged: Some(staged),
            written: 0,
        };
        Upload {
            shared: Arc::new(Shared {
                disk,
                state: Mutex::new(state),
            }),
            promised: 0,
        }
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let offset = self.promised;
        self.promised += data.content_length() as u64;
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.write_part(offset, &data)).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (shared, promised) = (Arc::clone(&self.shared), self.promised);
        blocking(move || shared.complete(promised)).await
    }

    async fn abort(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.discard()).await
    }
}

impl Shared {
    fn write_part(&self, offset: u64, data: &PutPayload) -> Result<()> {
        self.disk.check()?;
        let mut state = self.state();
        let staged = state.staged.as_mut().ok_or_else(ended)?;
        let mut at = offset;
        for bytes in data {
            self.disk.write(staged, at, bytes)?;
            at += bytes.len() as u64;
        }
        state.written += at - offset;
        Ok(())
    }

    fn complete(&self, promised: u64) -> Result<PutResult> {
        self.disk.check()?;
        let mut state = self.state();
        let staged = state.staged.take().ok_or_else(ended)?;
        let written = if state.written == promised {
            Ok(())
        } else {
            let what = format!("{} of {promised} bytes were written", state.written);
            Err(failed(
                "complete",
                &staged.target,
                std::io::Error::other(what),
            ))
        };
        self.disk.finish(staged, written, Publish::Replace)
    }

    fn discard(&self) -> Result<()> {
        let Some(staged) = self.state().staged.take() else {
            return Ok(());
        };
        self.disk
            .calls
            .unlink(&staged.temporary)
            .map_err(|error| failed("discard", &staged.temporary, error))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A part that panicked did not count its bytes, so nothing is completed wrongly.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nobody is left to tell; a temporary that stays is hidden and harmless.
        let _ = self.discard();
    }
}

fn ended() -> object_store::Error {
    object_store::Error::Generic {
        store: "disk",
        source: "the upload has ended already".into(),
    }
}
