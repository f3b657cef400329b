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

use super::{DataFile, pruning, statistics};
use crate::catalog::{SORTED_BY_TAG, TableSnapshot};

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
    let Some(ordering) = lex_ordering(scanned, &columns) else {
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
        &ordering,
        partitions,
    );
    // More chains than threads: a merge of them all would cost every query,
    // the order would help few.
    Ok(match groups {
        Ok(groups) if groups.len() <= partitions => Some(Layout {
            groups,
            ordering: vec![ordering],
        }),
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
        .all(|file| file.entry.tags.get(SORTED_BY_TAG) == Some(&sorted_by))
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

fn lex_ordering(scanned: &TableSchema, columns: &[usize]) -> Option<LexOrdering> {
    let ascending = SortOptions {
        descending: false,
        nulls_first: false,
    };
    let column = |&index: &usize| {
        let name = scanned.table_schema().field(index).name();
        PhysicalSortExpr::new(Arc::new(expressions::Column::new(name, index)), ascending)
    };
    LexOrdering::new(columns.iter().map(column))
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
