//! The upload of one file, fed by a thread that may block.

use std::io;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::Result;

/// Size of an upload part: what S3 asks of all parts but the last.
const PART_BYTES: usize = 5 << 20;
/// Parts on their way at once, beside the one being filled.
const PARTS_IN_FLIGHT: usize = 2;
/// The most that one upload holds in memory.
pub(crate) const UPLOAD_BYTES: usize = (PARTS_IN_FLIGHT + 1) * PART_BYTES;

/// Bytes of one object on their way to the store. A small object is one PUT,
/// a larger one a multipart upload that holds at most three parts in memory.
pub(super) struct ObjectSink {
    /// `None` once the upload is over. The encoder's buffer flushes when it is
    /// dropped, which must reach neither a completed nor an aborted upload.
    upload: Option<BufWriter>,
    runtime: Handle,
}

impl ObjectSink {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, location: Path, runtime: Handle) -> Self {
        let upload = BufWriter::with_capacity(objects, location, PART_BYTES)
            .with_max_concurrency(PARTS_IN_FLIGHT);
        ObjectSink {
            upload: Some(upload),
            runtime,
        }
    }

    /// Sends the rest; the task ends when the store has acknowledged the whole object.
    pub(super) fn complete(&mut self) -> Result<JoinHandle<Result<()>>> {
        let mut upload = self
            .upload
            .take()
            .ok_or_else(|| store_error(upload_is_over()))?;
        Ok(self.runtime.spawn(async move {
            let done = upload.shutdown().await;
            done.map_err(|e| store_error(e).context("complete the upload of a data file"))
        }))
    }

    /// Gives the upload up; the object never becomes visible.
    pub(super) fn abort(&mut self) -> Result<()> {
        match self.upload.take() {
            Some(mut upload) => Ok(self.runtime.block_on(upload.abort())?),
            None => Ok(()),
        }
    }

    /// Gives the upload up without telling the store.
    pub(super) fn forget(&mut self) {
        self.upload = None;
    }
}

impl io::Write for ObjectSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let upload = self.upload.as_mut().ok_or_else(upload_is_over)?;
        self.runtime.block_on(upload.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn upload_is_over() -> io::Error {
    io::Error::other("the upload of the data file is over")
}

/// The store's own error, out of the I/O error that `Write` forces on it.
pub(super) fn store_error(error: io::Error) -> crate::Error {
    match error.downcast::<object_store::Error>() {
        Ok(store) => store.into(),
        Err(other) => crate::Error::unavailable(format!("store: {other}")).with_source(other),
    }
}
