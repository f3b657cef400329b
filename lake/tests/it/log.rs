//! The table log against the promises of its module docs.
//!
//! Every case runs over memory, disk, S3 and Azure, each behind the probe that
//! a lake begins with; what a case says of the log it checks on the log's own
//! JSON, read straight from the store.

mod commits;
mod faults;
mod reading;
mod support;
