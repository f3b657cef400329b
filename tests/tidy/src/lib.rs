//! The rules of the house that no compiler holds: which crate may see which,
//! under which licences our dependencies stand, what a source file may say.
//!
//! This crate reads `cargo metadata` and the text of the repository; it
//! builds nothing and changes nothing. The rules themselves are tables in
//! `tests/rules.rs`.

pub mod licence;
pub mod sources;
pub mod workspace;
