//! Integration tests of the lake crate, in one binary.

mod log;
