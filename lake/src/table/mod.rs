//! A lake, its tables, and the operations on them that need no query engine.
//!
//! Promises: a source unit lands exactly once (`unit`, `append`), every
//! record of it is accounted for (`ledger`, `quarantine`), and where a stream
//! says what a duplicate is, of equal rows one is kept (`dedup`). Refuses: knowing
//! any raw format or any query.

pub mod append;
pub mod conform;
pub mod gaps;
pub mod ledger;
pub mod quarantine;
pub mod redrive;
pub mod rows;
pub mod sorter;
pub mod unit;

mod dedup;
mod lake;
mod reconcile;
mod scratch;

pub use crate::schema::store::StoredDefinition;
pub use lake::{Lake, LakeOptions, Table};
