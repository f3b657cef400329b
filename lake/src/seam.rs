//! The seams through which time and randomness enter, so that a test can
//! hold both still.

use std::fmt;
use std::sync::Arc;

/// A source of wall-clock time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Microseconds since 1970-01-01T00:00:00 UTC.
    fn now_micros(&self) -> i64;
}

/// A source of random numbers for identifiers and names.
pub trait Random: Send + Sync + fmt::Debug {
    /// The next 64 random bits.
    fn next_u64(&self) -> u64;
}

/// Time and randomness of one process.
#[derive(Debug, Clone)]
pub struct Seams {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of identifiers.
    pub random: Arc<dyn Random>,
}

impl Seams {
    /// The clock of the machine and the random numbers of the system.
    pub fn system() -> Self {
        Seams {
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }

    /// A random identifier of 128 bits, as 32 lower-case hex digits.
    pub fn new_id(&self) -> String {
        format!(
            "{:016x}{:016x}",
            self.random.next_u64(),
            self.random.next_u64()
        )
    }

    /// A random `_ingest_id`: positive and below 2^53, so that JSON numbers hold it.
    pub fn new_ingest_id(&self) -> i64 {
        let id = self.random.next_u64() >> 11;
        i64::try_from(id.max(1)).expect("53 bits fit")
    }
}

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now_micros(&self) -> i64 {
        chrono::Utc::now().timestamp_micros()
    }
}

#[derive(Debug)]
struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that draws random numbers"
    )]
    fn next_u64(&self) -> u64 {
        rand::random()
    }
}
