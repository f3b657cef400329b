//! Ctrl-C and SIGTERM: the running command is asked to stop, and given a
//! while to do so; a second signal, or the end of the while, ends the process.
//!
//! Promises: what was committed stays and what was not is not half there,
//! whichever way the process ends; a command that stops by itself also takes
//! its temporary files and its unpublished data files along. In a shell Ctrl-C
//! ends the statement that runs and nothing else.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use downlake_ingest::stop::Stop;
use downlake_query::Cancel;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// The exit code of a process that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
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
    shell: Arc<ShellSignals>,
}

/// What Ctrl-C means while a person types statements.
#[derive(Debug, Default)]
struct ShellSignals {
    serves: AtomicBool,
    running: Mutex<Option<Cancel>>,
    pressed: Notify,
}

impl ShellSignals {
    fn cancel_running(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cancel) = running.take() {
            cancel.cancel();
        }
    }

    /// Whether Ctrl-C was the shell's and the process goes on.
    fn take(&self, code: u8) -> bool {
        let taken = code == INTERRUPTED && self.serves.load(Ordering::Acquire);
        if taken {
            self.cancel_running();
            self.pressed.notify_waiters();
        }
        taken
    }
}

impl Interrupt {
    /// From now on Ctrl-C ends statements, not the process.
    pub(crate) fn serve_a_shell(&self) {
        self.shell.serves.store(true, Ordering::Release);
    }

    /// The handle of the statement that a shell is about to run; the handle of
    /// the one before it is let go.
    pub(crate) fn statement(&self) -> Cancel {
        let cancel = Cancel::default();
        let mut running = self
            .shell
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *running = Some(cancel.clone());
        cancel
    }

    /// Ends at the next Ctrl-C in a shell from now on.
    pub(crate) fn pressed(&self) -> impl Future<Output = ()> + '_ {
        self.shell.pressed.notified()
    }

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
        let mut code = next(&mut interrupts, &mut terminates).await;
        while self.shell.take(code) {
            code = next(&mut interrupts, &mut terminates).await;
        }
        self.shell.cancel_running();
        self.code.store(code, Ordering::Release);
        self.stop.ask();
        self.cancel.cancel();
        let again = next(&mut interrupts, &mut terminates);
        let code = tokio::time::timeout(GRACE, again).await.unwrap_or(code);
        tell!(
            "downlake: interrupted at once; what landed stays, and the same command again finishes the work"
        );
        end_now(code)
    }
}

/// The exit code of the next signal.
async fn next(interrupts: &mut Signal, terminates: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupts.recv() => INTERRUPTED,
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
