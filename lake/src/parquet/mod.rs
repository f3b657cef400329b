//! Parquet files: layout, statistics, row hashes, names.
