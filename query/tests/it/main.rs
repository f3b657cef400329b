//! SQL over real Parquet files in memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and says on stdout what it ran"
)]

mod lake;
mod limits;
mod plans;
mod pruning;
mod samples;
mod slt;
mod versions;
