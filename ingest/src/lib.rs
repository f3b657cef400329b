//! Bytes in, commits out: decoders, sources, batching, quarantine.

pub mod decode;
pub mod infer;
pub mod source;
