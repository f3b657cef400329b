//! SQL over real Parquet files in memory.

mod lake;
mod limits;
mod plans;
mod pruning;
mod samples;
mod slt;
mod versions;
