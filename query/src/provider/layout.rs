//! Files to groups, one group a thread, and the order of rows that holds
//! within each.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr, expressions};
use downlake_lake::Result;
use downlake_lake::parquet::TAG_SORT;

use super::{DataFile, pruning, statistics};
use crate::catalog::TableSnapshot;

/// Groups of files and the orders that their rows have.
pub(super) struct Layout {
    pub(super) groups: Vec<FileGroup>,
    pub(super) ordering: Vec<LexOrdering>,
}

/// Lays files out in at most `partitions` groups: in order where the files
/// are sorted and can be strung together without overlap, else by size.
pub(super) fn plan(
    table: &TableSnapshot,
    scanned: &TableSchema,
    files: Vec<DataFile>,
    partitions: usize,
    open: impl Fn(DataFile) -> Result<PartitionedFile>,
) -> Result<Layout> {
    if let Some(layout) = in_order(table, scanned, &files, partitions, &open)? {
        return Ok(layout);
    }
    let files = files.into_iter().map(open).collect::<Result<_>>()?;
    Ok(Layout {
        groups: by_size(files, partitions),
        ordering: Vec::new(),
    })
}

fn in_order(
    table: &TableSnapshot,
    scanned: &TableSchema,
    files: &[DataFile],
    partitions: usize,
    open: impl Fn(DataFile) -> Result<PartitionedFile>,
) -> Result<Option<Layout>> {
    let schema = scanned.table_schema();
    let columns = proven_order(table, scanned, files);
    let cells = files.len().saturating_mul(schema.fields().len());
    let ordering = lex_orderings(scanned, &columns);
    let Some(first) = ordering.first() else {
        return Ok(None);
    };
    if cells > statistics::CELL_LIMIT {
        return Ok(None);
    }
    let with_bounds = |file: &DataFile| {
        let bounds = statistics::of_file(table, scanned, file, &columns);
        let mut opened = open(file.clone())?;
        opened.statistics = Some(Arc::new(bounds));
        Ok(opened)
    };
    let group = FileGroup::new(files.iter().map(with_bounds).collect::<Result<_>>()?);
    let groups = FileScanConfig::split_groups_by_statistics_with_target_partitions(
        schema,
        &[group],
        first,
        partitions,
    );
    // More chains than threads: a merge of them all would cost every query,
    // the order would help few.
    Ok(match groups {
        Ok(groups) if groups.len() <= partitions => Some(Layout { groups, ordering }),
        _ => None,
    })
}

/// The leading sort columns of which every file proves the order: tagged as
/// sorted, without NULLs, and with bounds that tell files apart. A NaN hides
/// from bounds, so floats prove nothing.
fn proven_order(table: &TableSnapshot, scanned: &TableSchema, files: &[DataFile]) -> Vec<usize> {
    let sorted_by = table.sort_columns.join(",");
    if !files
        .iter()
        .all(|file| file.entry.tags.get(TAG_SORT) == Some(&sorted_by))
    {
        return Vec::new();
    }
    let schema = scanned.table_schema();
    let is_proven = |name: &str, data_type: &DataType| {
        files.iter().all(|file| {
            let range = pruning::range(table, file, name, data_type);
            pruning::nulls(table, file, name) == Some(0)
                && range.is_some_and(|range| !range.min.is_null() && !range.max.is_null())
        })
    };
    let columns = table.sort_columns.iter().map_while(|name| {
        let (index, field) = schema.fields().find(name)?;
        is_proven(name, field.data_type()).then_some(index)
    });
    columns.collect()
}

/// Ascending, NULLs first as the files say and NULLs last as `ORDER BY` says:
/// columns that are proven to have no NULL are in both orders, and the engine
/// does not see that one implies the other.
fn lex_orderings(scanned: &TableSchema, columns: &[usize]) -> Vec<LexOrdering> {
    let ordering = |nulls_first| {
        let ascending = SortOptions {
            descending: false,
            nulls_first,
        };
        let column = |&index: &usize| {
            let name = scanned.table_schema().field(index).name();
            PhysicalSortExpr::new(Arc::new(expressions::Column::new(name, index)), ascending)
        };
        LexOrdering::new(columns.iter().map(column))
    };
    [true, false].into_iter().filter_map(ordering).collect()
}

/// Neighbours stay together; every group has about the same number of bytes.
fn by_size(files: Vec<PartitionedFile>, partitions: usize) -> Vec<FileGroup> {
    let total: u64 = files.iter().map(|file| file.object_meta.size).sum();
    let share = (total / partitions.max(1) as u64).max(1);
    let mut groups: Vec<Vec<PartitionedFile>> = Vec::new();
    let mut filled = share;
    for file in files {
        if filled >= share && groups.len() < partitions.max(1) {
            groups.push(Vec::new());
            filled = 0;
        }
        filled += file.object_meta.size;
        if let Some(group) = groups.last_mut() {
            group.push(file);
        }
    }
    groups.into_iter().map(FileGroup::new).collect()
}
