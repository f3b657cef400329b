//! Counts what is asked of a store.
//!
//! Promises: every call is counted once, when it is made, whatever comes of
//! it; bytes are counted when the store has accepted or promised them.
//! Refuses: timing, which belongs to traces.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

/// Calls of one kind, and the bytes they moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Calls made.
    pub calls: u64,
    /// Bytes of content, where the call moves content.
    pub bytes: u64,
}

/// What was asked of a store up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Objects put whole.
    pub put: Tally,
    /// Parts of uploads.
    pub put_part: Tally,
    /// Uploads completed.
    pub complete: Tally,
    /// Reads of content; several ranges in one call count once.
    pub get: Tally,
    /// Looks at an object without its content.
    pub head: Tally,
    /// Objects deleted.
    pub delete: Tally,
    /// Listings, of one level or of all.
    pub list: Tally,
    /// Copies and renames.
    pub copy: Tally,
}

/// A wrapper that counts.
#[derive(Debug, Clone)]
pub struct Counting {
    inner: Arc<dyn ObjectStore>,
    counters: Arc<Counters>,
}

impl Counting {
    /// Counts what is asked of `inner` from now on.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Counting {
            inner,
            counters: Arc::default(),
        }
    }

    /// What was asked so far. Calls that are under way may be half in it.
    pub fn counts(&self) -> Counts {
        let counters = &self.counters;
        Counts {
            put: counters.put.read(),
            put_part: counters.put_part.read(),
            complete: counters.complete.read(),
            get: counters.get.read(),
            head: counters.head.read(),
            delete: counters.delete.read(),
            list: counters.list.read(),
            copy: counters.copy.read(),
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    put: Counter,
    put_part: Counter,
    complete: Counter,
    get: Counter,
    head: Counter,
    delete: Counter,
    list: Counter,
    copy: Counter,
}

#[derive(Debug, Default)]
struct Counter {
    calls: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    fn call(&self) -> &Self {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self
    }

    fn moved(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn read(&self) -> Tally {
        Tally {
            calls: self.calls.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counting({})", self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Counting {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let counter = self.counters.put.call();
        let bytes = payload.content_length() as u64;
        let put = self.inner.put_opts(location, payload, opts).await?;
        counter.moved(bytes);
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        let counters = Arc::clone(&self.counters);
        Ok(Box::new(CountingUpload { inner, counters }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            self.counters.head.call();
            return self.inner.get_opts(location, options).await;
        }
        let counter = self.counters.get.call();
        let got = self.inner.get_opts(location, options).await?;
        counter.moved(got.range.end - got.range.start);
        Ok(got)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let counter = self.counters.get.call();
        let got = self.inner.get_ranges(location, ranges).await?;
        counter.moved(got.iter().map(|bytes| bytes.len() as u64).sum());
        Ok(got)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let counters = Arc::clone(&self.counters);
        let counted = locations.inspect(move |_| {
            counters.delete.call();
        });
        self.inner.delete_stream(counted.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.counters.list.call();
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.counters.list.call();
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.counters.list.call();
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.counters.copy.call();
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.counters.copy.call();
        self.inner.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct CountingUpload {
    inner: Box<dyn MultipartUpload>,
    counters: Arc<Counters>,
}

#[async_trait]
impl MultipartUpload for CountingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.counters.put_part.call();
        let counters = Arc::clone(&self.counters);
        let bytes = data.content_length() as u64;
        let part = self.inner.put_part(data);
        Box::pin(async move {
            part.await?;
            counters.put_part.moved(bytes);
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.counters.complete.call();
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
