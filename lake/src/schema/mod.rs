//! Stream definitions: what a kind of telemetry is, as plain data.
//!
//! A definition says how raw values become the columns of one table: names,
//! types, units, the time axis, the order of rows, the partition. It is
//! stored beside the table log and never changed in place.

pub mod definition;
pub mod names;
mod near;
pub mod time;
pub mod types;

pub use definition::*;
