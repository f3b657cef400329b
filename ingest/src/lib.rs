//! Bytes in, commits out: decoders, sources, batching, quarantine.
//!
//! Promises: every record of a source unit becomes a row, a refusal with
//! reason and place, or is counted as skipped; a unit lands exactly once;
//! memory is bounded by the request whatever the input. Refuses: the table
//! log and queries.

pub mod decode;
pub mod frames;
pub mod infer;
pub mod job;
pub mod packet;
mod pipeline;
pub mod progress;
pub mod redrive;
pub mod report;
pub mod rows;
pub mod source;
pub mod stop;
