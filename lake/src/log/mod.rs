//! The table log: snapshots, file lists, commits, transactions, checkpoints.
//! The only place that knows Delta.
//!
//! # Promises
//! * A commit is [`Committed`](CommitOutcome::Committed), lost to another
//!   ([`Conflicted`](CommitOutcome::Conflicted)), or
//!   [`Unknown`](CommitOutcome::Unknown); an error means that nothing of it is
//!   in the log. It lands at most once, at the version after its base,
//!   whatever the store answers: the answer is read from the log itself.
//! * Two rewrites never both land on the same files.
//! * Commit times increase with versions and survive a copy of the lake.
//! * A commit on the newest known version costs one write, without listing or
//!   reading; following other writers reads only their commits.
//! * Tables are written so that other Delta engines read and write them:
//!   protocol 3/7 without table features, classic checkpoints.
//!
//! # Refuses
//! * Tables with column mapping, or with features that the kernel does not
//!   know: by name, at open (reader features) or at commit (writer features).
//! * Columns without a Delta type, changes of a column's type, and removing
//!   files that carry a deletion vector.
//! * Cleaning up: old commits and files are for maintenance to delete.
//!
//! # How
//! The kernel (`delta_kernel`) resolves protocol, schema and checkpoints, says
//! which files are active in a version that is read in full (tags are among
//! what it says), builds the actions of a commit, and writes checkpoints. From
//! there on a version is followed by applying the actions of each further
//! commit, our own from memory and others from their JSON.

mod action;
mod committer;
mod engine;
mod history;
mod kernel_error;
mod kernel_store;
mod landing;
mod load;
mod model;
mod protocol;
mod repeat;
mod table;
mod transactions;
mod write;

/// A directive for log filters: the kernel reports as errors what it is asked
/// to find out (that there is no such table).
pub const LOG_FILTER: &str = "delta_kernel=off";

pub use engine::LogEngine;
pub use model::*;
pub use table::TableLog;
pub use transactions::Transactions;
