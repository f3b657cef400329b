//! Data files: layout, statistics, row hashes, names.
//!
//! Promises: a file that [`ClosingFile::wait`] returned is complete in the
//! store; its `sorting_columns` are true, because every batch is compared with
//! the one before; its footer carries a hash of its rows that any rewrite must
//! reproduce; the bounds given to the log are never narrower than the values.
//! Memory is bounded by the rows of one row group and three upload parts.
//!
//! Refuses: partition columns inside a data file (they live in its path), a
//! batch that breaks the declared order, and a column type without a row hash.
//! Page checksums are not written: parquet 59 verifies them where it finds
//! them and cannot write them.

mod encoding;
mod hash;
mod order;
mod partition;
mod read;
mod row_group;
mod sink;
mod stats;
mod writer;

#[cfg(test)]
mod tests;

pub use encoding::EncodingPlan;
pub(crate) use hash::salted_hashes;
pub use hash::{RowHash, row_hash};
pub(crate) use order::{ORDER, OrderCheck, compare_rows, row_copy};
pub use partition::{HIVE_NULL, file_name, partition_path, partition_text};
pub(crate) use read::DataFile;
pub use read::{Footer, hash_file, read_footer};
pub(crate) use sink::UPLOAD_BYTES;
pub use writer::{
    ClosingFile, FileWriter, TAG_AXIS_MAX, TAG_AXIS_MIN, TAG_ROW_HASH, TAG_SORT, Target, Tier,
    WriteOptions, WrittenFile,
};
pub(crate) use writer::{batch_bytes, check_columns};
