//! Whether rows arrive in the order that was promised for them.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt64Array, make_comparator};
use arrow::compute::{SortOptions, cast, take};
use arrow::datatypes::DataType;

use crate::Result;

/// The order of every file: ascending, NULL first.
pub(crate) const ORDER: SortOptions = SortOptions {
    descending: false,
    nulls_first: true,
};

/// Compares each batch with itself and with the last row of the one before.
#[derive(Debug)]
pub(crate) struct OrderCheck {
    columns: Vec<usize>,
    last: Option<Vec<ArrayRef>>,
}

impl OrderCheck {
    /// A check over the columns at these places, most significant first.
    pub(crate) fn new(columns: Vec<usize>) -> Self {
        OrderCheck {
            columns,
            last: None,
        }
    }

    /// Whether the rows of the batch are in order and none comes before the
    /// rows seen so far. The batch becomes part of what was seen.
    pub(crate) fn follows(&mut self, batch: &RecordBatch) -> Result<bool> {
        if batch.num_rows() == 0 || self.columns.is_empty() {
            return Ok(true);
        }
        let keys: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|&c| ArrayRef::clone(batch.column(c)))
            .collect();
        let first = row_copy(&keys, 0)?;
        let after_last = match &self.last {
            Some(last) => compare_rows(last, &first)?.is_le(),
            None => true,
        };
        self.last = Some(row_copy(&keys, batch.num_rows() - 1)?);
        Ok(after_last && is_sorted(&keys)?)
    }
}

/// Whether rows are in order among themselves.
fn is_sorted(keys: &[ArrayRef]) -> Result<bool> {
    let rows = keys.first().map_or(0, |key| key.len());
    let mut comparators = Vec::with_capacity(keys.len());
    for key in keys {
        comparators.push(make_comparator(key, key, ORDER)?);
    }
    Ok((1..rows).all(|i| {
        comparators
            .iter()
            .map(|compare| compare(i - 1, i))
            .find(|order| order.is_ne())
            .is_none_or(Ordering::is_le)
    }))
}

/// A copy of one row with plain types: a slice would keep the whole batch in memory.
pub(crate) fn row_copy(keys: &[ArrayRef], row: usize) -> Result<Vec<ArrayRef>> {
    let index = UInt64Array::from(vec![row as u64]);
    keys.iter()
        .map(|key| {
            let value = take(key, &index, None)?;
            Ok(match value.data_type() {
                DataType::Dictionary(_, plain) => cast(&value, plain)?,
                _ => value,
            })
        })
        .collect()
}

pub(crate) fn compare_rows(left: &[ArrayRef], right: &[ArrayRef]) -> Result<Ordering> {
    for (l, r) in left.iter().zip(right) {
        let order = make_comparator(l, r, ORDER)?(0, 0);
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}
