//! The store as one actor sees it: each call waits its turn and meets its fault.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, UploadPart,
};

use super::faults::{Fault, Injected};
use super::history::{is_listed, level};
use super::{ActorId, Outcome, Shared, Verb};

#[derive(Debug, Clone)]
pub(super) struct ActorStore {
    actor: ActorId,
    shared: Arc<Shared>,
    inner: Arc<dyn ObjectStore>,
}

impl ActorStore {
    pub(super) fn new(actor: ActorId, shared: Arc<Shared>, inner: Arc<dyn ObjectStore>) -> Self {
        ActorStore {
            actor,
            shared,
            inner,
        }
    }

    /// One call: waits, does the work unless the fault prevents it, and
    /// answers as the fault says.
    async fn call<T, W>(
        &self,
        verb: Verb,
        path: &Path,
        work: impl FnOnce(Injected) -> W,
    ) -> Result<T>
    where
        W: Future<Output = Result<T>>,
    {
        let turn = self.shared.pass(self.actor, verb, path).await;
        let turn = turn.ok_or_else(crashed)?;
        let injected = turn.injected();
        let answer = match injected.fault {
            Some(Fault::Unavailable) => Err(answered("503, nothing landed")),
            Some(Fault::Crash) if !injected.lands => Err(crashed()),
            fault => disguise(fault, path, work(injected).await),
        };
        turn.end(outcome(&answer));
        answer
    }

    /// A call that changes the object at `path`, noted in the history.
    async fn write<T, W>(&self, verb: Verb, path: &Path, work: impl FnOnce() -> W) -> Result<T>
    where
        W: Future<Output = Result<T>>,
    {
        self.call(verb, path, |_| async {
            let before = self.inner.head(path).await.ok();
            let done = work().await?;
            self.shared.state().history.push(path.clone(), before);
            Ok(done)
        })
        .await
    }

    /// All objects, as of now or as of the moment a stale listing shows.
    async fn objects_as_of(&self, injected: Injected) -> Result<Vec<ObjectMeta>> {
        let mut objects: Vec<ObjectMeta> = self.inner.list(None).try_collect().await?;
        objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        if injected.fault != Some(Fault::StaleList) {
            return Ok(objects);
        }
        Ok(self.shared.state().history.rewind(objects, injected.lag))
    }

    fn list_from(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let prefix = prefix.cloned().unwrap_or_default();
        let offset = offset.cloned();
        let listing = async move {
            let listed = store.call(Verb::List, &prefix, |injected| {
                store.objects_as_of(injected)
            });
            let mut listed = listed.await?;
            listed.retain(|object| is_listed(object, &prefix, offset.as_ref()));
            Ok(stream::iter(listed.into_iter().map(Ok)))
        };
        listing.try_flatten_stream().boxed()
    }

    /// Refuses what does not wait its turn, once the actor has crashed.
    fn check(&self) -> Result<()> {
        if self.shared.state().is_crashed(self.actor) {
            return Err(crashed());
        }
        Ok(())
    }
}

/// What the actor is told of work that was done.
fn disguise<T>(fault: Option<Fault>, path: &Path, done: Result<T>) -> Result<T> {
    let done = done?;
    match fault {
        Some(Fault::ReplyLost) => Err(answered("the connection closed before the reply")),
        Some(Fault::OwnRetry) => Err(Error::AlreadyExists {
            path: path.to_string(),
            source: "412, to a second try of the client".into(),
        }),
        Some(Fault::Crash) => Err(crashed()),
        _ => Ok(done),
    }
}

fn outcome<T>(answer: &Result<T>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Done,
        Err(Error::NotFound { .. }) => Outcome::NotFound,
        Err(Error::AlreadyExists { .. }) => Outcome::AlreadyExists,
        Err(_) => Outcome::Failed,
    }
}

fn answered(what: &'static str) -> Error {
    Error::Generic {
        store: "simulated",
        source: what.into(),
    }
}

fn crashed() -> Error {
    answered("this actor has crashed")
}

impl fmt::Display for ActorStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turnstile({})", self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for ActorStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let verb = match opts.mode {
            PutMode::Create => Verb::Create,
            PutMode::Overwrite | PutMode::Update(_) => Verb::Put,
        };
        self.write(verb, location, || {
            self.inner.put_opts(location, payload, opts)
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.check()?;
        Ok(Box::new(ActorUpload {
            inner: self.inner.put_multipart_opts(location, opts).await?,
            store: self.clone(),
            location: location.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let verb = if options.head { Verb::Head } else { Verb::Get };
        self.call(verb, location, |_| self.inner.get_opts(location, options))
            .await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.call(Verb::Get, location, |_| {
            self.inner.get_ranges(location, ranges)
        })
        .await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Result<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                let deleted =
                    store.write(Verb::Delete, &location, || store.inner.delete(&location));
                deleted.await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        let listed = self.call(Verb::ListLevel, &prefix, |injected| {
            self.objects_as_of(injected)
        });
        let mut objects = listed.await?;
        objects.retain(|object| is_listed(object, &prefix, None));
        Ok(level(objects, &prefix))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.write(Verb::Copy, to, || self.inner.copy_opts(from, to, options))
            .await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.write(Verb::Rename, to, || async {
            let before = self.inner.head(from).await.ok();
            self.inner.rename_opts(from, to, options).await?;
            self.shared.state().history.push(from.clone(), before);
            Ok(())
        })
        .await
    }
}

#[derive(Debug)]
struct ActorUpload {
    inner: Box<dyn MultipartUpload>,
    store: ActorStore,
    location: Path,
}

#[async_trait]
impl MultipartUpload for ActorUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.store.check() {
            Ok(()) => self.inner.put_part(data),
            Err(error) => futures::future::ready(Err(error)).boxed(),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let ActorUpload {
            inner,
            store,
            location,
        } = self;
        store
            .write(Verb::Complete, location, || inner.complete())
            .await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.check()?;
        self.inner.abort().await
    }
}
