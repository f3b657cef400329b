//! A store that does something just before the next commit of a table.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::runtime::Handle;

use super::samples::TABLE;

type Deed = Box<dyn FnOnce() + Send>;

pub(crate) struct Gate {
    inner: Arc<dyn ObjectStore>,
    runtime: Handle,
    deed: Mutex<Option<Deed>>,
}

impl Gate {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, runtime: &Handle) -> Gate {
        Gate {
            inner,
            runtime: runtime.clone(),
            deed: Mutex::default(),
        }
    }

    /// Runs before the next file of the table's log is put. It may block.
    pub(crate) fn before_next_commit(&self, deed: impl FnOnce() + Send + 'static) {
        *self.deed.lock().unwrap() = Some(Box::new(deed));
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Gate {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        if location
            .as_ref()
            .starts_with(&format!("{TABLE}/_delta_log/"))
        {
            let deed = self.deed.lock().unwrap().take();
            if let Some(deed) = deed {
                self.runtime.spawn_blocking(deed).await.unwrap();
            }
        }
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
