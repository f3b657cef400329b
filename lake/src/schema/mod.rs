//! Stream definitions: what a kind of telemetry is, as plain data.
//!
//! A definition says how raw values become the columns of one table: names,
//! types, units, the time axis, the order of rows, the partition. It is
//! stored beside the table log and never changed in place.

pub mod axis_expr;
mod check;
pub mod definition;
pub mod embedded;
pub mod evolve;
pub mod names;
pub mod near;
pub mod settings;
pub mod store;
pub mod table_schema;
pub mod time;
pub mod toml;
pub mod types;

pub use definition::*;
