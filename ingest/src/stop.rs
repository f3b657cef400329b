//! A wish to stop, from whoever started the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use downlake_lake::{Error, ErrorKind, Result};

/// Asks running work to stop at its next clean point: between two batches, a
/// unit gives up what it has and leaves nothing; what was committed stays.
/// Clones ask together.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// Cancelled, once it was asked.
    pub(crate) fn check(&self) -> Result<()> {
        if self.asked() {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "interrupted; what landed stays, and the same command again finishes the work",
            ));
        }
        Ok(())
    }
}
