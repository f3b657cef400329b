//! The kernel's engine on a runtime of its own.
//!
//! The kernel is synchronous and blocks on a runtime for its I/O. On the
//! caller's runtime it would deadlock as soon as all blocking threads are in
//! kernel calls, so the engine owns its runtime, lets a bounded number of
//! calls in, and is dropped on a thread that is no runtime's.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use delta_kernel::Engine;
use delta_kernel_default_engine::executor::TaskExecutor as _;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel_default_engine::{DefaultEngine, DefaultEngineBuilder};
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use url::Url;

use super::kernel_error::from_kernel;
use super::kernel_store::KernelStore;
use crate::seam::Seams;
use crate::storage::table_folder;
use crate::{Error, Result};

/// Kernel calls at one time; more wait.
const CALLS_MAX: usize = 16;
/// Threads that drive the kernel's I/O.
const IO_THREADS: usize = 2;

/// What all table logs of one process and store share. Cheap to clone.
#[derive(Clone)]
pub struct LogEngine {
    shared: Arc<Shared>,
}

struct Shared {
    objects: Arc<dyn ObjectStore>,
    seams: Seams,
    calls: Arc<Semaphore>,
    runtime: Handle,
    background: Mutex<Vec<JoinHandle<()>>>,
    /// `None` only while dropping.
    kernel: Option<Kernel>,
}

#[derive(Clone)]
struct Kernel {
    engine: Arc<DefaultEngine<TokioMultiThreadExecutor>>,
    executor: Arc<TokioMultiThreadExecutor>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let kernel = self.kernel.take();
        // Dropping a runtime inside async code panics, and the last handle
        // may go anywhere.
        std::thread::spawn(move || drop(kernel));
    }
}

impl fmt::Debug for LogEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogEngine({})", self.shared.objects)
    }
}

impl LogEngine {
    /// An engine over the store of a lake; tables are folders of the store.
    ///
    /// The store must honour conditional writes (`PutMode::Create`).
    pub fn new(objects: Arc<dyn ObjectStore>, seams: Seams) -> Result<LogEngine> {
        let executor = TokioMultiThreadExecutor::new_owned_runtime(Some(IO_THREADS), None)
            .map_err(from_kernel)?;
        let executor = Arc::new(executor);
        let runtime = {
            let _inside = executor.enter();
            Handle::current()
        };
        let engine = DefaultEngineBuilder::new(Arc::new(KernelStore::new(Arc::clone(&objects))))
            .with_task_executor(Arc::clone(&executor))
            .build();
        let kernel = Kernel {
            engine: Arc::new(engine),
            executor,
        };
        let shared = Shared {
            objects,
            seams,
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
            runtime,
            background: Mutex::default(),
            kernel: Some(kernel),
        };
        Ok(LogEngine {
            shared: Arc::new(shared),
        })
    }

    /// Waits until background work (checkpoints) that was started before is done.
    pub async fn settle(&self) {
        let started = std::mem::take(&mut *self.background());
        for task in started {
            // A panic in the background was reported by the panic hook.
            let _ = task.await;
        }
    }

    pub(super) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.shared.objects
    }

    pub(super) fn seams(&self) -> &Seams {
        &self.shared.seams
    }

    /// Runs a synchronous kernel call on the engine's own threads. The call
    /// runs to its end even if the caller stops waiting.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Engine) -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.shared.calls)
            .acquire_owned()
            .await
            .map_err(|error| Error::internal(format!("log engine: {error}")))?;
        let engine = Arc::clone(&self.kernel().engine);
        let call = self.shared.runtime.spawn_blocking(move || {
            let _permit = permit;
            work(engine.as_ref())
        });
        call.await
            .map_err(|error| Error::internal(format!("kernel call: {error}")).with_source(error))?
    }

    /// Waits for a future inside a kernel call.
    pub(super) fn block_on<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.kernel().executor.block_on(work)
    }

    /// Runs work that nobody waits for, except [`LogEngine::settle`].
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.shared.runtime.spawn(work);
        let mut background = self.background();
        background.retain(|task| !task.is_finished());
        background.push(task);
    }

    fn background(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.shared
            .background
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn kernel(&self) -> &Kernel {
        self.shared
            .kernel
            .as_ref()
            .expect("the kernel is taken only when the last handle drops")
    }
}

/// Where one table lives: its name, its folder in the store, and the address
/// by which the kernel knows it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) table: String,
    folder: Path,
    pub(super) root: Url,
}

impl Place {
    pub(super) fn new(table: &str) -> Result<Place> {
        let folder = table_folder(table)?;
        let mut root = Url::parse("lake:///")
            .map_err(|error| Error::internal(format!("address of table {table}: {error}")))?;
        root.path_segments_mut()
            .expect("the address has an authority")
            .pop_if_empty()
            .extend(folder.as_ref().split('/'))
            .push("");
        Ok(Place {
            table: table.to_owned(),
            folder,
            root,
        })
    }

    /// The folder of the log.
    pub(super) fn log(&self) -> Path {
        self.folder.clone().join("_delta_log")
    }

    /// The file of one commit.
    pub(super) fn commit(&self, version: u64) -> Path {
        self.log().join(format!("{version:020}.json"))
    }
}
