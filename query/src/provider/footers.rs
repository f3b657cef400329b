//! Footers of data files, without the bounds of floating-point columns.
//!
//! Writers leave NaN out of a column's bounds, and the engine compares NaN as
//! greater than every number: a row group whose maximum is 50 may hold a row
//! for which `x > 100` is true. Nothing in a footer says whether there is a
//! NaN, so such bounds prove nothing, in files of ours as in those of others.
//! The bounds of all other columns stay.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, ParquetFileReaderFactory,
};
use datafusion::error::Result as EngineResult;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::basic::{LogicalType, Type};
use parquet::errors::Result;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

/// Opens files as the engine does, and takes from their footers what would
/// hide rows.
#[derive(Debug)]
pub(super) struct Footers(pub(super) CachedParquetFileReaderFactory);

impl ParquetFileReaderFactory for Footers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        footer_guess: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> EngineResult<Box<dyn AsyncFileReader + Send>> {
        let file = self
            .0
            .create_reader(partition, file, footer_guess, metrics)?;
        Ok(Box::new(WithoutFloatBounds(file)))
    }
}

struct WithoutFloatBounds(Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for WithoutFloatBounds {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move { without_float_bounds(self.0.get_metadata(options).await?) }.boxed()
    }
}

fn without_float_bounds(footer: Arc<ParquetMetaData>) -> Result<Arc<ParquetMetaData>> {
    let floats = float_leaves(footer.file_metadata().schema_descr());
    if floats.is_empty() {
        return Ok(footer);
    }
    let mut builder = ParquetMetaData::clone(&footer).into_builder();
    let mut pages = builder.take_column_index();
    for group in pages.iter_mut().flatten() {
        for (leaf, bounds) in group.iter_mut().enumerate() {
            if floats.contains(&leaf) {
                *bounds = ColumnIndexMetaData::NONE;
            }
        }
    }
    let groups = builder.take_row_groups().into_iter();
    let groups: Result<Vec<_>> = groups.map(|group| strip(group, &floats)).collect();
    let stripped = builder.set_row_groups(groups?).set_column_index(pages);
    Ok(Arc::new(stripped.build()))
}

/// Also forgets where the bounds of pages are, so that nobody loads them later.
fn strip(group: RowGroupMetaData, floats: &[usize]) -> Result<RowGroupMetaData> {
    let mut builder = group.into_builder();
    let mut columns = builder.take_columns();
    for &leaf in floats {
        if let Some(column) = columns.get_mut(leaf) {
            *column = column
                .clone()
                .into_builder()
                .clear_statistics()
                .set_column_index_offset(None)
                .set_column_index_length(None)
                .build()?;
        }
    }
    builder.set_column_metadata(columns).build()
}

fn float_leaves(schema: &SchemaDescriptor) -> Vec<usize> {
    let leaves = schema.columns().iter().enumerate();
    leaves
        .filter(|(_, column)| is_float(column))
        .map(|(leaf, _)| leaf)
        .collect()
}

fn is_float(column: &ColumnDescriptor) -> bool {
    matches!(column.physical_type(), Type::FLOAT | Type::DOUBLE)
        || matches!(column.logical_type_ref(), Some(LogicalType::Float16))
}
