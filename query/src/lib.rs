//! Commits in, batches out: session, table provider, SQL functions.
//!
//! Promises: every table of a statement is read at one version, a version
//! that was asked for is honoured or refused, a file is skipped only where its
//! statistics prove that it holds no matching row, and a session without a
//! [`Writer`] cannot write. Refuses: raw formats (see the ingest crate) and
//! the table log (see the lake crate); both are reached through [`Catalog`]
//! and [`Writer`].

pub mod catalog;
mod dialect;
mod error;
mod exact;
mod file_table;
mod functions;
mod handover;
pub mod lake;
mod names;
pub mod output;
pub mod parse;
mod pinned;
mod place;
mod provider;
mod resolve;
pub mod session;
mod write;

pub use catalog::{Catalog, Rows, TableSnapshot, WriteReport, WriteTarget, Writer};
pub use parse::{Statement, parse};
pub use place::Place;
pub use session::{Cancel, Outcome, Session, SessionBuilder};
