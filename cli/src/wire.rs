//! The only place that makes a store, a clock, a runtime, and loggers.

use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};

use downlake_lake::Result;
use downlake_lake::seam::Seams;
use downlake_lake::storage::{Storage, StorageOptions};
use downlake_lake::table::{Lake, LakeOptions};
use tokio::runtime::{Handle, Runtime};
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

/// Logs go to stderr: warnings, or what `DOWNLAKE_LOG` asks for.
pub(crate) fn start_logging(quiet: bool) {
    let level = if quiet { "error" } else { "warn" };
    let default = format!("{level},{}", downlake_lake::log::LOG_FILTER);
    let filter =
        EnvFilter::try_from_env("DOWNLAKE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}

/// The runtime of the process.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// The runtime on which queries compute, so that one that never yields cannot
/// keep the process from seeing a signal. Lives as long as the process.
pub(crate) fn compute() -> std::io::Result<Handle> {
    static COMPUTE: OnceLock<Runtime> = OnceLock::new();
    if let Some(there) = COMPUTE.get() {
        return Ok(there.handle().clone());
    }
    let made = tokio::runtime::Builder::new_multi_thread()
        .thread_name("compute")
        .enable_all()
        .build()?;
    Ok(COMPUTE.get_or_init(|| made).handle().clone())
}

/// The store of the settings.
pub(crate) fn storage(settings: &Settings) -> Result<Storage> {
    let options = StorageOptions {
        fsync: settings.fsync,
        cloud: settings.cloud.clone(),
    };
    Storage::open(&settings.lake, &options)
}

/// The lake, which must exist.
pub(crate) async fn lake(settings: &Settings) -> Result<Arc<Lake>> {
    Lake::open(storage(settings)?, Seams::system(), lake_options(settings))
        .await
        .map(Arc::new)
}

/// The lake, made where there is none.
pub(crate) async fn lake_to_write(settings: &Settings) -> Result<Arc<Lake>> {
    Lake::open_or_create(storage(settings)?, Seams::system(), lake_options(settings))
        .await
        .map(Arc::new)
}

fn lake_options(settings: &Settings) -> LakeOptions {
    LakeOptions {
        temp_dir: settings.temp_dir.clone(),
        host: settings.host.clone(),
    }
}
