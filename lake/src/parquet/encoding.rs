//! Which encoding each column gets.
//!
//! Chosen by trial: a sample of the first rows is encoded each way that makes
//! sense for the type, and the smallest wins. The size of a dictionary is
//! extrapolated from the sample to a whole row group (Chao's estimate of the
//! number of distinct values), because a sample makes dictionaries look worse
//! than they are. Timestamps are always delta-packed, booleans run-length
//! encoded.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::hash::value_hashes;
use super::writer::ROW_GROUP_ROWS;
use crate::{Error, Result};

/// Most values of a column that are tried.
const SAMPLE_ROWS: usize = 16 << 10;
/// Fewest: below, a trial says nothing and the type decides.
const SAMPLE_ROWS_MIN: usize = 256;
/// Values tried over all columns, so that wide tables do not wait.
const SAMPLE_VALUES: usize = 4 << 20;
/// Stretches into which a sample is cut, spread over the rows at hand.
const STRETCHES: usize = 8;
/// A dictionary page that grows beyond this is given up by the encoder.
const DICTIONARY_BYTES: f64 = 1_048_576.0;
/// What a later candidate must save to be preferred to an earlier one.
const WORTH_IT: f64 = 0.97;
/// Texts and bytes longer than this on average are taken as all different
/// where there are too few to try.
const LONG_VALUE_BYTES: usize = 256;

/// Mean length of texts and bytes above which a column has no bounds.
const BOUNDED_VALUE_BYTES: usize = 4 << 10;

/// The encoding of every column, by its path in the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EncodingPlan {
    columns: HashMap<ColumnPath, Choice>,
    /// Columns of huge values, whose bounds would cost more than they spare:
    /// the encoder keeps whole copies of them for every page and chunk.
    without_bounds: Vec<ColumnPath>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Dictionary,
    Values(Encoding),
}

impl EncodingPlan {
    /// Chooses from the first rows of a table.
    pub(super) fn from_sample(schema: &Schema, rows: &[RecordBatch]) -> Result<EncodingPlan> {
        let mut plan = EncodingPlan::default();
        let limit = SAMPLE_VALUES / schema.fields().len().max(1);
        let limit = limit.clamp(SAMPLE_ROWS_MIN, SAMPLE_ROWS);
        for (place, field) in schema.fields().iter().enumerate() {
            let Some(leaf) = single_leaf(field) else {
                continue;
            };
            let sample = sample_column(rows, place, limit)?;
            let choice = choose(leaf.data_type(), &sample)?;
            plan.columns.insert(leaf_path(field), choice);
            if is_bytes(leaf.data_type()) && mean_bytes(&sample)? > BOUNDED_VALUE_BYTES {
                plan.without_bounds.push(leaf_path(field));
            }
        }
        Ok(plan)
    }

    /// Adds what was chosen for one column of the table.
    pub(super) fn apply(
        &self,
        field: &Field,
        mut builder: WriterPropertiesBuilder,
    ) -> WriterPropertiesBuilder {
        let path = leaf_path(field);
        if let Some(choice) = self.columns.get(&path) {
            builder = choice.apply(&path, builder);
        }
        if self.without_bounds.contains(&path) {
            builder = builder.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        builder
    }
}

impl Choice {
    fn apply(self, path: &ColumnPath, builder: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
        let path = path.clone();
        match self {
            Choice::Dictionary => builder.set_column_dictionary_enabled(path, true),
            Choice::Values(encoding) => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, encoding),
        }
    }
}

/// The leaf of a column that has just one: itself, or the items of its lists.
fn single_leaf(field: &Field) -> Option<&Field> {
    match field.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            single_leaf(item)
        }
        DataType::Struct(_) | DataType::Map(..) => None,
        _ => Some(field),
    }
}

fn leaf_path(field: &Field) -> ColumnPath {
    let mut parts = vec![field.name().clone()];
    let mut kind = field.data_type();
    while let DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) =
        kind
    {
        parts.push("list".to_owned());
        parts.push(item.name().clone());
        kind = item.data_type();
    }
    ColumnPath::new(parts)
}

/// The leaf values of evenly spread stretches of a column.
fn sample_column(rows: &[RecordBatch], place: usize, limit: usize) -> Result<ArrayRef> {
    let total = rows.iter().map(RecordBatch::num_rows).sum();
    let mut parts = Vec::new();
    for stretch in stretches(total, limit) {
        let mut seen = 0;
        for batch in rows {
            let from = stretch.start.max(seen);
            let to = stretch.end.min(seen + batch.num_rows());
            if from < to {
                let part = batch.column(place).slice(from - seen, to - from);
                parts.push(plain_leaf(&part)?);
            }
            seen += batch.num_rows();
        }
    }
    if parts.is_empty() {
        return Ok(new_null_array(&DataType::Null, 0));
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    Ok(concat(&parts)?)
}

fn stretches(total: usize, limit: usize) -> Vec<Range<usize>> {
    if total <= limit {
        return std::iter::once(0..total).collect();
    }
    (0..STRETCHES)
        .map(|i| i * total / STRETCHES)
        .map(|start| start..start + limit / STRETCHES)
        .collect()
}

/// The values of a column without lists and dictionaries around them.
fn plain_leaf(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, plain) => Ok(cast(array, plain)?),
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let offsets = lists.value_offsets();
            let (from, to) = (offsets[0], offsets[lists.len()]);
            let (from, to) = (from.unsigned_abs() as usize, to.unsigned_abs() as usize);
            plain_leaf(&lists.values().slice(from, to - from))
        }
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let lists = cast(array, &DataType::List(Arc::clone(item)))?;
            plain_leaf(&lists)
        }
        _ => Ok(ArrayRef::clone(array)),
    }
}

fn choose(kind: &DataType, sample: &ArrayRef) -> Result<Choice> {
    let candidates = candidates(kind);
    if candidates.len() == 1 {
        return Ok(candidates[0]);
    }
    let values = sample.len() - sample.logical_null_count();
    if values < SAMPLE_ROWS_MIN {
        return Ok(by_type(kind, sample, values, &candidates));
    }
    let mut best = (candidates[0], f64::INFINITY);
    for candidate in candidates {
        let size = bytes_per_value(candidate, sample, values)?;
        if size < best.1 * WORTH_IT {
            best = (candidate, size);
        }
    }
    Ok(best.0)
}

fn candidates(kind: &DataType) -> Vec<Choice> {
    use Choice::{Dictionary, Values};
    match kind {
        DataType::Boolean => vec![Values(Encoding::RLE)],
        DataType::Timestamp(..) => vec![Values(Encoding::DELTA_BINARY_PACKED)],
        DataType::Float32 | DataType::Float64 => vec![
            Dictionary,
            Values(Encoding::PLAIN),
            Values(Encoding::BYTE_STREAM_SPLIT),
        ],
        DataType::Date32 | DataType::Duration(_) => {
            vec![Dictionary, Values(Encoding::DELTA_BINARY_PACKED)]
        }
        kind if kind.is_integer() => vec![Dictionary, Values(Encoding::DELTA_BINARY_PACKED)],
        kind if is_bytes(kind) => vec![Dictionary, Values(Encoding::DELTA_LENGTH_BYTE_ARRAY)],
        _ => vec![Dictionary, Values(Encoding::PLAIN)],
    }
}

fn is_bytes(kind: &DataType) -> bool {
    kind.is_string()
        || matches!(
            kind,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView
        )
}

/// Bytes of a value that is not NULL, on average.
fn mean_bytes(sample: &ArrayRef) -> Result<usize> {
    let values = sample.len() - sample.logical_null_count();
    Ok(sample.to_data().get_slice_memory_size()? / values.max(1))
}

/// The choice where there are too few values to try.
fn by_type(kind: &DataType, sample: &ArrayRef, values: usize, candidates: &[Choice]) -> Choice {
    let long = values > 0 && sample.get_array_memory_size() / values > LONG_VALUE_BYTES;
    if kind.is_integer() || (is_bytes(kind) && long) {
        candidates[candidates.len() - 1]
    } else {
        candidates[0]
    }
}

/// Compressed bytes a value in a full row group, by trial.
fn bytes_per_value(choice: Choice, sample: &ArrayRef, values: usize) -> Result<f64> {
    let chunk = encode(choice, sample)?;
    let all = to_f64(chunk.compressed_size());
    let Some(dictionary_at) = chunk.dictionary_page_offset() else {
        return Ok(all / to_f64(values));
    };
    let dictionary = to_f64(chunk.data_page_offset() - dictionary_at);
    let (seen, expected) = distinct_values(sample)?;
    let entry = dictionary / seen.max(1.0);
    let raw_entry = to_f64(sample.to_data().get_slice_memory_size()?) / to_f64(values);
    if raw_entry * expected > DICTIONARY_BYTES {
        return Ok(f64::INFINITY);
    }
    Ok((all - dictionary) / to_f64(values) + entry * expected / to_f64(ROW_GROUP_ROWS))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sizes of samples are far below 2^53"
)]
fn to_f64(size: impl TryInto<i64>) -> f64 {
    size.try_into().unwrap_or(i64::MAX) as f64
}

/// Distinct values in the sample, and what is to be expected in a full row
/// group: Chao, "Nonparametric estimation of the number of classes in a
/// population" (1984): seen + once^2 / (2 twice).
fn distinct_values(sample: &ArrayRef) -> Result<(f64, f64)> {
    let mut hashes = value_hashes(sample)?;
    hashes.sort_unstable();
    let (mut seen, mut once, mut twice) = (0, 0, 0);
    for equal in hashes.chunk_by(|a, b| a == b).filter(|run| run[0] != 0) {
        seen += 1;
        once += usize::from(equal.len() == 1);
        twice += usize::from(equal.len() == 2);
    }
    let unseen = to_f64(once) * to_f64(once) / to_f64(2 * twice.max(1));
    let expected = (to_f64(seen) + unseen).min(to_f64(ROW_GROUP_ROWS));
    Ok((to_f64(seen), expected))
}

fn encode(choice: Choice, sample: &ArrayRef) -> Result<ColumnChunkMetaData> {
    let schema = Schema::new(vec![Field::new("v", sample.data_type().clone(), true)]);
    let path = ColumnPath::from("v");
    let builder =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?));
    let properties = choice.apply(&path, builder).build();
    let schema = Arc::new(schema);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![ArrayRef::clone(sample)])?;
    let mut writer = ArrowWriter::try_new(std::io::sink(), schema, Some(properties))?;
    writer.write(&batch)?;
    let metadata = writer.close()?;
    let group = metadata.row_groups().first();
    let chunk = group.map(|group| group.column(0).clone());
    chunk.ok_or_else(|| Error::internal("the trial encoding of a column wrote no row group"))
}
