//! Rows that may share their key, found in rows that are sorted.
//!
//! Where a table is sorted by columns of the key, rows with the same key stand
//! beside each other in what one pass writes. So only rows with a tie in the
//! sort columns are compared, and of several passes those whose files overlap.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::{cast, partition, take_record_batch};
use arrow::datatypes::{DataType, Schema};

use super::identity::Identity;
use crate::Result;
use crate::parquet::{compare_rows, row_copy};

/// Follows the rows of a unit in the order in which they are written.
pub(super) struct Ties {
    /// The sort columns, partition columns first.
    places: Vec<usize>,
    last: Option<Last>,
    passes: usize,
}

/// The row that was written last.
struct Last {
    row: RecordBatch,
    sort: Vec<ArrayRef>,
}

/// What of a batch may share its key.
pub(super) struct Tied {
    /// The row before the batch, if the first row ties with it.
    pub(super) before: Option<RecordBatch>,
    /// Ranges of rows of the batch.
    pub(super) ranges: Vec<Range<usize>>,
}

impl Ties {
    /// Nothing where rows with the same key need not stand beside each other.
    pub(super) fn new(identity: &Identity, sorted_by: &[String], schema: &Schema) -> Option<Ties> {
        let mut places = Vec::with_capacity(sorted_by.len());
        for name in sorted_by {
            let place = schema.index_of(name).ok()?;
            // Zeros of both signs are one key and have two places in the order.
            let is_float = schema.field(place).data_type().is_floating();
            if is_float || !identity.implies(name) {
                return None;
            }
            places.push(place);
        }
        (!places.is_empty()).then_some(Ties {
            places,
            last: None,
            passes: 0,
        })
    }

    /// How often the order began anew.
    pub(super) fn passes(&self) -> usize {
        self.passes
    }

    /// Takes the next rows, at least one.
    pub(super) fn next(&mut self, batch: &RecordBatch) -> Result<Tied> {
        let keys: Vec<ArrayRef> = self
            .places
            .iter()
            .map(|&place| plain(batch.column(place)))
            .collect::<Result<_>>()?;
        let first = row_copy(&keys, 0)?;
        let step = match &self.last {
            Some(last) => compare_rows(&last.sort, &first)?,
            None => Ordering::Greater,
        };
        if step == Ordering::Greater {
            self.passes += 1;
        }
        let end = batch.num_rows() - 1;
        let last = self.last.replace(Last {
            row: take_record_batch(batch, &UInt64Array::from(vec![end as u64]))?,
            sort: row_copy(&keys, end)?,
        });
        let mut ranges = ranges(&keys, batch.num_rows())?;
        let before = last.filter(|_| step == Ordering::Equal);
        if before.is_some() && ranges.first().is_none_or(|range| range.start > 0) {
            ranges.insert(0, 0..1);
        }
        Ok(Tied {
            before: before.map(|last| last.row),
            ranges,
        })
    }
}

/// Ranges of rows with equal values, of two rows at least.
fn ranges(keys: &[ArrayRef], rows: usize) -> Result<Vec<Range<usize>>> {
    let groups = partition(keys)?;
    if groups.len() == rows {
        return Ok(Vec::new());
    }
    let mut ranges = groups.ranges();
    ranges.retain(|range| range.len() > 1);
    Ok(ranges)
}

fn plain(column: &ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Dictionary(_, values) => Ok(cast(column, values)?),
        _ => Ok(ArrayRef::clone(column)),
    }
}
