//! What the log says of a whole scan: exact row and NULL counts where every
//! file has them, bounds as estimates only, since the log's may be wider
//! than the values.

use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::table_schema::TableSchema;

use super::DataFile;
use super::pruning::{self, Range};
use crate::catalog::TableSnapshot;

/// Above this many cells (files x columns) only rows are counted: turning
/// the log's text into values would cost more than the plan gains.
pub(super) const CELL_LIMIT: usize = 100_000;

/// Statistics of the given files, in the column order of the scan. Columns
/// that the query does not read are unknown.
pub(super) fn of_table(
    table: &TableSnapshot,
    scanned: &TableSchema,
    files: &[DataFile],
    columns: &[usize],
) -> Statistics {
    let schema = scanned.table_schema();
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = exact(files.iter().map(|file| file.entry.stats.rows).sum());
    let bytes = files.iter().map(|file| file.entry.size).sum::<u64>();
    statistics.total_byte_size = exact(Some(bytes)).to_inexact();
    if files.len().saturating_mul(columns.len()) <= CELL_LIMIT {
        for &column in columns {
            let name = schema.field(column).name();
            statistics.column_statistics[column] = of_column(table, scanned, files, name);
        }
    }
    statistics
}

/// Statistics of one file for the given columns, partition values included.
pub(super) fn of_file(
    table: &TableSnapshot,
    scanned: &TableSchema,
    file: &DataFile,
    columns: &[usize],
) -> Statistics {
    of_table(table, scanned, std::slice::from_ref(file), columns)
}

fn of_column(
    table: &TableSnapshot,
    scanned: &TableSchema,
    files: &[DataFile],
    name: &str,
) -> ColumnStatistics {
    let nulls = files
        .iter()
        .map(|file| pruning::nulls(table, file, name))
        .sum();
    let mut statistics = ColumnStatistics::new_unknown().with_null_count(exact(nulls));
    let Ok(field) = scanned.table_schema().field_with_name(name) else {
        return statistics;
    };
    let ranges: Option<Vec<Range>> = files
        .iter()
        .map(|file| pruning::range(table, file, name, field.data_type()))
        .collect();
    for range in ranges.into_iter().flatten() {
        statistics.min_value = merge(&statistics.min_value, range.min, Precision::min);
        statistics.max_value = merge(&statistics.max_value, range.max, Precision::max);
    }
    statistics.min_value = absent_if_null(statistics.min_value);
    statistics.max_value = absent_if_null(statistics.max_value);
    statistics
}

fn absent_if_null(bound: Precision<ScalarValue>) -> Precision<ScalarValue> {
    match bound {
        Precision::Inexact(value) if value.is_null() => Precision::Absent,
        known => known,
    }
}

type Merge = fn(&Precision<ScalarValue>, &Precision<ScalarValue>) -> Precision<ScalarValue>;

/// An unknown bound of one file makes the whole unknown for good; this is
/// kept as an inexact NULL until all files are merged.
fn merge(
    known: &Precision<ScalarValue>,
    next: ScalarValue,
    merge: Merge,
) -> Precision<ScalarValue> {
    match known {
        Precision::Absent => Precision::Inexact(next),
        Precision::Inexact(value) if value.is_null() => known.clone(),
        _ if next.is_null() => Precision::Inexact(next),
        _ => merge(known, &Precision::Inexact(next)),
    }
}

fn exact(count: Option<u64>) -> Precision<usize> {
    match count.and_then(|count| usize::try_from(count).ok()) {
        Some(count) => Precision::Exact(count),
        None => Precision::Absent,
    }
}
