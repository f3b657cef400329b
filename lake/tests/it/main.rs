//! Integration tests of the lake: what other crates see of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and says on stdout why it did not run"
)]

mod dedup;
mod exactly_once;
mod fuzz;
mod golden;
mod group;
mod log;
mod simulation;
mod skip;
mod storage;
mod stores;
