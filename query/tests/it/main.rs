//! SQL over real Parquet files in memory.

mod lake;
mod pruning;
mod samples;
mod slt;
mod versions;
