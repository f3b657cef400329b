//! What a table is: storage, table log, Parquet files, and the table
//! operations that need no query engine.
//!
//! Promises: a commit is reported only when it is durable, lands at most
//! once, and is read back before it is called failed. Refuses: query plans
//! (see the query crate) and raw formats (see the ingest crate).

pub mod error;
pub mod log;
pub mod parquet;
pub mod schema;
pub mod seam;
pub mod storage;
pub mod table;

pub use error::{Error, ErrorKind, Result};
