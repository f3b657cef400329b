//! Rows that wait, and their sorted order.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch, UInt32Array};
use arrow::compute::{cast, concat_batches, interleave, partition, take_record_batch};
use arrow::datatypes::DataType;

use super::Keys;
use crate::parquet::batch_bytes;
use crate::{Error, Result};

/// Rows whose partition values are compared at once.
const PARTITION_ROWS: usize = 8192;

/// Batches in the order of their arrival.
pub(super) struct Buffer {
    batches: Vec<RecordBatch>,
    bytes: usize,
    row_bytes: usize,
}

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer {
            batches: Vec::new(),
            bytes: 0,
            row_bytes: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Bytes charged so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows as they arrived, small batches put together up to about so
    /// many bytes: each costs its columns.
    pub(super) fn chunks(&self, bytes: usize) -> impl Iterator<Item = Result<RecordBatch>> {
        let mut rest = self.batches.as_slice();
        std::iter::from_fn(move || {
            let mut sum = 0;
            let more = rest.iter().take_while(|batch| {
                sum += batch_bytes(batch);
                sum <= bytes
            });
            let (chunk, left) = rest.split_at(more.count().max(1).min(rest.len()));
            rest = left;
            match chunk {
                [] => None,
                [one] => Some(Ok(one.clone())),
                [first, ..] => Some(concat_batches(first.schema_ref(), chunk).map_err(Error::from)),
            }
        })
    }

    /// Whether the batch can be sorted together with those that wait.
    pub(super) fn has_types_of(&self, batch: &RecordBatch) -> bool {
        let Some(first) = self.batches.first() else {
            return true;
        };
        let columns = first.columns().iter().zip(batch.columns());
        columns
            .into_iter()
            .all(|(a, b)| a.data_type() == b.data_type())
    }

    /// Takes a batch at the given cost.
    pub(super) fn add(&mut self, batch: RecordBatch, cost: usize) {
        self.row_bytes += batch_bytes(&batch);
        self.bytes += cost;
        self.batches.push(batch);
    }

    pub(super) fn take(&mut self) -> Buffer {
        std::mem::replace(self, Buffer::new())
    }

    /// Sorts by key; rows with equal keys stay as they arrived.
    pub(super) fn sort(self, keys: &Keys) -> Result<Sorted> {
        let mut rows = Vec::with_capacity(self.batches.len());
        let mut order = Vec::new();
        for (place, batch) in self.batches.iter().enumerate() {
            rows.push(keys.of(batch)?);
            order.reserve_exact(batch.num_rows());
            for row in 0..batch.num_rows() {
                order.push((narrow(place)?, narrow(row)?));
            }
        }
        let key = |at: &(u32, u32)| rows[at.0 as usize].row(at.1 as usize);
        order.sort_unstable_by(|a, b| key(a).cmp(&key(b)).then(a.cmp(b)));
        let count = order.len();
        Ok(Sorted {
            sized: self.batches.first().map(sized_columns).unwrap_or_default(),
            batches: self.batches,
            order,
            row_bytes: self.row_bytes / count.max(1),
        })
    }
}

fn narrow(place: usize) -> Result<u32> {
    u32::try_from(place).map_err(|_| {
        Error::limit("more than 4 billion rows or batches wait; lower the memory budget")
    })
}

/// The batch as it can wait: a small part of large buffers is copied out of
/// them, so that they can go, and dictionaries whose keys could not number the
/// values of many batches become plain.
pub(super) fn own(batch: &RecordBatch) -> Result<RecordBatch> {
    const SLACK_BYTES: usize = 64 << 10;
    let batch = plain_where(batch, has_narrow_keys)?;
    if batch.get_array_memory_size() <= 2 * batch_bytes(&batch) + SLACK_BYTES {
        return Ok(batch);
    }
    let rows: UInt32Array = (0..narrow(batch.num_rows())?).collect();
    Ok(take_record_batch(&batch, &rows)?)
}

fn has_narrow_keys(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(key, _) => key.primitive_width().is_some_and(|width| width < 4),
        _ => false,
    }
}

/// The batch without dictionaries.
pub(super) fn plain_batch(batch: &RecordBatch) -> Result<RecordBatch> {
    plain_where(batch, |_| true)
}

fn plain_where(batch: &RecordBatch, chosen: impl Fn(&DataType) -> bool) -> Result<RecordBatch> {
    let plain = |column: &ArrayRef| match column.data_type() {
        kind @ DataType::Dictionary(_, values) if chosen(kind) => cast(column, values),
        _ => Ok(ArrayRef::clone(column)),
    };
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .map(plain)
        .collect::<Result<_, _>>()?;
    Ok(batch_of(batch, columns))
}

/// A batch of other arrays under the same names.
fn batch_of(names: &RecordBatch, columns: Vec<ArrayRef>) -> RecordBatch {
    let schema = names.schema_ref();
    let named = schema.fields().iter().map(|field| field.name().clone());
    RecordBatch::try_from_iter_with_nullable(named.zip(columns).map(|(n, c)| (n, c, true)))
        .expect("arrays of one length, one for each field")
}

/// Rows of several batches in one order.
pub(super) struct Sorted {
    batches: Vec<RecordBatch>,
    order: Vec<(u32, u32)>,
    row_bytes: usize,
    /// The columns whose values differ in size.
    sized: Vec<usize>,
}

impl Sorted {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Bytes of a row, on average.
    pub(super) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Ranges of equal values in the given columns, which lead the order.
    pub(super) fn partitions(&self, places: &[usize]) -> Result<Vec<Range<usize>>> {
        if places.is_empty() {
            return Ok(std::iter::once(0..self.len()).collect());
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for start in (0..self.len()).step_by(PARTITION_ROWS) {
            // One row of the chunk before tells whether its partition goes on.
            let from = start.saturating_sub(1);
            let end = (start + PARTITION_ROWS).min(self.len());
            let found = partition(&self.columns(places, from..end)?)?.ranges();
            for range in found {
                let range = from + range.start..from + range.end;
                match ranges.last_mut() {
                    Some(last) if range.start < last.end => last.end = range.end,
                    _ => ranges.push(range),
                }
            }
        }
        Ok(ranges)
    }

    /// The rows of a range in chunks of at most about so many bytes.
    pub(super) fn chunks(
        &self,
        range: Range<usize>,
        bytes: usize,
    ) -> impl Iterator<Item = Result<RecordBatch>> {
        let mut rest = range;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let rows = self.rows_within(&rest, bytes);
            let chunk = rest.start..rest.start + rows;
            rest.start = chunk.end;
            Some(self.gather(chunk))
        })
    }

    /// How many rows from the start of a range fit, at least one. By the
    /// average, but heavy rows that the order put together count as they are.
    fn rows_within(&self, range: &Range<usize>, bytes: usize) -> usize {
        let most = (bytes / self.row_bytes.max(1)).clamp(1, range.len());
        let mut sum = 0;
        let picks = self.order[range.start..range.start + most].iter();
        let fitting = picks.take_while(|(batch, row)| {
            let columns = self.batches[*batch as usize].columns();
            let values = self.sized.iter().map(|&place| &columns[place]);
            sum += values
                .map(|column| value_bytes(column, *row as usize))
                .sum::<usize>();
            sum <= bytes
        });
        fitting.count().max(1)
    }

    fn gather(&self, range: Range<usize>) -> Result<RecordBatch> {
        let names = &self.batches[0];
        let places: Vec<usize> = (0..names.num_columns()).collect();
        Ok(batch_of(names, self.columns(&places, range)?))
    }

    fn columns(&self, places: &[usize], range: Range<usize>) -> Result<Vec<ArrayRef>> {
        let order: Vec<(usize, usize)> = self.order[range]
            .iter()
            .map(|(batch, row)| (*batch as usize, *row as usize))
            .collect();
        places
            .iter()
            .map(|&place| {
                let arrays: Vec<&dyn Array> = self
                    .batches
                    .iter()
                    .map(|batch| batch.column(place).as_ref())
                    .collect();
                Ok(interleave(&arrays, &order)?)
            })
            .collect()
    }
}

fn sized_columns(batch: &RecordBatch) -> Vec<usize> {
    let kinds = batch.columns().iter().map(|column| column.data_type());
    let sized = kinds.enumerate().filter(|(_, kind)| {
        matches!(
            kind,
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::List(_)
        )
    });
    sized.map(|(place, _)| place).collect()
}

/// Bytes of one value of a column whose values differ in size.
fn value_bytes(array: &ArrayRef, row: usize) -> usize {
    fn width<O: OffsetSizeTrait>(offsets: &[O], row: usize) -> usize {
        offsets[row + 1].as_usize() - offsets[row].as_usize()
    }
    match array.data_type() {
        DataType::Utf8 => width(array.as_string::<i32>().value_offsets(), row),
        DataType::Binary => width(array.as_binary::<i32>().value_offsets(), row),
        DataType::LargeUtf8 => width(array.as_string::<i64>().value_offsets(), row),
        DataType::LargeBinary => width(array.as_binary::<i64>().value_offsets(), row),
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let item = lists.values().get_array_memory_size() / lists.values().len().max(1);
            width(lists.value_offsets(), row) * item.max(1)
        }
        _ => 0,
    }
}

/// Bytes of a column's values if no dictionary held them.
pub(super) fn plain_bytes(array: &ArrayRef) -> usize {
    match array.as_any_dictionary_opt() {
        Some(dictionary) => {
            let values = dictionary.values();
            let each = values.get_array_memory_size() / values.len().max(1);
            each * array.len()
        }
        None => {
            let own = array.to_data().get_slice_memory_size();
            own.unwrap_or_else(|_| array.get_array_memory_size())
        }
    }
}
