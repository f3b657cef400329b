//! The table log: snapshot, file list, commit, transactions, checkpoints.
//! The only place that knows Delta.

mod model;

pub use model::*;
