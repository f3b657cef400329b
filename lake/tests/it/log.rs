//! The table log against the promises of its module docs.
//!
//! The suite runs over every store of [`stores`]; what a test says of the log
//! it checks on the log's own JSON, read straight from the store.

mod commits;
mod faults;
mod reading;
mod support;
