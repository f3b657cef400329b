//! A store that fails at one call, counted from the first, so that a test can
//! go through all of them.

use std::cmp::Ordering;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};

/// What happens at the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies, the call is not made.
    DiesBefore,
    /// The process dies, the call is made.
    DiesAfter,
    /// The call is made, its reply does not come.
    ReplyLost,
    /// A version of a log is created and the answer is "already exists", to a
    /// second try of the client; other calls as [`Fault::ReplyLost`].
    OwnRetry,
}

impl Fault {
    pub(crate) const ALL: [Fault; 4] = [
        Fault::DiesBefore,
        Fault::DiesAfter,
        Fault::ReplyLost,
        Fault::OwnRetry,
    ];

    fn kills(self) -> bool {
        matches!(self, Fault::DiesBefore | Fault::DiesAfter)
    }
}

enum Passage {
    Free,
    OneWay,
    Closed,
}

#[derive(Debug)]
pub(crate) struct Cut {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    at: usize,
    calls: Mutex<usize>,
}

impl Cut {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, fault: Fault, at: usize) -> Cut {
        Cut {
            inner,
            fault,
            at,
            calls: Mutex::default(),
        }
    }

    /// Whether the call was reached.
    pub(crate) fn is_cut(&self) -> bool {
        *self.calls.lock().unwrap() > self.at
    }

    /// Whether the process that has this store is dead.
    pub(crate) fn is_dead(&self) -> bool {
        self.fault.kills() && self.is_cut()
    }

    /// Whether a call is made, and whether it is answered.
    fn next(&self) -> Passage {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        match (*calls - 1).cmp(&self.at) {
            Ordering::Less => Passage::Free,
            Ordering::Equal if self.fault == Fault::DiesBefore => Passage::Closed,
            Ordering::Equal => Passage::OneWay,
            Ordering::Greater if self.fault.kills() => Passage::Closed,
            Ordering::Greater => Passage::Free,
        }
    }

    async fn call<T>(
        &self,
        created: Option<&Path>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match self.next() {
            Passage::Free => return work.await,
            Passage::OneWay => drop(work.await?),
            Passage::Closed => return Err(lost()),
        }
        // Elsewhere the probe of the store would rightly refuse it.
        let in_log = |path: &&Path| path.as_ref().contains("/_delta_log/");
        match created.filter(|path| self.fault == Fault::OwnRetry && in_log(path)) {
            Some(path) => Err(Error::AlreadyExists {
                path: path.to_string(),
                source: "412, to a second try of the client".into(),
            }),
            None => Err(lost()),
        }
    }
}

fn silent<T: Send + 'static>() -> BoxStream<'static, Result<T>> {
    stream::once(async { Err(lost()) }).boxed()
}

fn lost() -> Error {
    Error::Generic {
        store: "cut",
        source: "the connection closed".into(),
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cut({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Cut {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let created = (options.mode == PutMode::Create).then_some(location);
        let put = self.inner.put_opts(location, payload, options);
        self.call(created, put).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begun = self.inner.put_multipart_opts(location, options);
        self.call(None, begun).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(None, self.inner.get_opts(location, options))
            .await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.next() {
            Passage::Free => self.inner.delete_stream(locations),
            Passage::OneWay => {
                let deleted = self.inner.delete_stream(locations);
                deleted.map(|_| Err(lost())).boxed()
            }
            Passage::Closed => silent(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.next() {
            Passage::Free => self.inner.list(prefix),
            Passage::OneWay | Passage::Closed => silent(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call(None, self.inner.list_with_delimiter(prefix))
            .await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.call(None, self.inner.copy_opts(from, to, options))
            .await
    }
}

/// Another store with the same objects.
pub(crate) async fn copied(objects: &Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
    let copy: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
    let listed: Vec<ObjectMeta> = objects.list(None).try_collect().await.unwrap();
    for object in listed {
        let bytes = objects.get(&object.location).await.unwrap();
        let bytes = bytes.bytes().await.unwrap();
        copy.put(&object.location, bytes.into()).await.unwrap();
    }
    copy
}
