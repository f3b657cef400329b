//! The demonstration: a launch campaign that anyone can make, ingest and
//! question on a machine without telemetry of its own.

pub(crate) mod simulate;
