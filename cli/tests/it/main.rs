//! Integration tests of the binary: what it prints, and what it leaves behind
//! when it is killed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and says on stdout what it ran"
)]

mod audit;
mod faults;
mod kill;
mod program;
mod random;
#[path = "../../../lake/tests/it/skip.rs"]
mod skip;
mod telemetry;
mod terminal;
mod transcripts;
