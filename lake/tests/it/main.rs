//! Integration tests of the lake: what other crates see of it.

mod skip;
mod storage;
