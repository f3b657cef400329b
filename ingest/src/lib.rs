//! Bytes in, commits out: decoders, sources, batching, quarantine.
