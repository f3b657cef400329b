//! Ctrl-C and SIGTERM: the running command is asked to stop, and given a
//! while to do so; a second signal, or the end of the while, ends the process.
//!
//! Promises: what was committed stays and what was not is not half there,
//! whichever way the process ends; a command that stops by itself also takes
//! its temporary files and its unpublished data files along.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use downlake_ingest::stop::Stop;
use downlake_query::Cancel;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long an interrupted command may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// The ways to ask a running command to stop. Clones ask together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    /// For ingests and redrives.
    pub(crate) stop: Stop,
    /// For statements.
    pub(crate) cancel: Cancel,
    /// The exit code that the first signal asks for; 0 before it.
    code: Arc<AtomicU8>,
}

impl Interrupt {
    /// The exit code of an interrupted process.
    pub(crate) fn code(&self) -> Option<u8> {
        match self.code.load(Ordering::Acquire) {
            0 => None,
            code => Some(code),
        }
    }

    /// Waits for signals. Does not return once one came.
    pub(crate) async fn watch(self) {
        let signals = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        );
        let (Ok(mut interrupts), Ok(mut terminates)) = signals else {
            // Without handlers, a signal ends the process at once.
            return;
        };
        let code = next(&mut interrupts, &mut terminates).await;
        self.code.store(code, Ordering::Release);
        self.stop.ask();
        self.cancel.cancel();
        let again = next(&mut interrupts, &mut terminates);
        let code = tokio::time::timeout(GRACE, again).await.unwrap_or(code);
        eprintln!(
            "downlake: interrupted at once; what landed stays, and the same command again finishes the work"
        );
        end_now(code)
    }
}

/// The exit code of the next signal.
async fn next(interrupts: &mut Signal, terminates: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupts.recv() => 130,
        _ = terminates.recv() => 143,
    }
}

/// Ends a process whose command is too busy to see that it was interrupted.
#[expect(
    clippy::disallowed_methods,
    reason = "work that computes without pause cannot be asked to stop"
)]
fn end_now(code: u8) {
    std::process::exit(i32::from(code))
}
