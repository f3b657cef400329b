//! Integration tests of the lake crate, in one binary.

// The lints that tests are spared go by this attribute, in helpers too.
#[cfg(test)]
mod log;
