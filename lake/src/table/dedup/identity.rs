//! By which columns rows are compared.
//!
//! The key is what the stream names, and the scope in which it counts: the
//! UTC day of an absolute axis, the run of a relative one. Columns derived
//! from the axis (`date`, `month`, `year`) are in neither part: files need not
//! have them, and they say nothing that `time` does not. Columns that the
//! stream sets aside (`dedup_ignore`) are in neither part.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;

use crate::Result;
use crate::parquet::salted_hashes;
use crate::schema::{Definition, TimeAxis, names};

/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;

/// The columns of a stream by which rows are compared, and how.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    key: Vec<String>,
    /// What equal rows may differ in.
    ignored: Vec<String>,
    is_absolute: bool,
    /// Drawn for each unit: hashes of another cannot be compared.
    salt: u64,
}

impl Identity {
    pub(super) fn new(definition: &Definition, salt: u64) -> Identity {
        let is_absolute = matches!(definition.time, TimeAxis::Absolute(_));
        let mut key = definition.dedup_columns();
        if let TimeAxis::Relative {
            run_key: Some(run), ..
        } = &definition.time
            && !key.contains(run)
        {
            key.push(run.clone());
        }
        let mut identity = Identity {
            key: Vec::new(),
            ignored: definition.dedup_ignored_columns(),
            is_absolute,
            salt,
        };
        key.retain(|name| !identity.is_derived(name));
        identity.key = key;
        identity
    }

    /// The key columns and the run.
    pub(super) fn key(&self) -> &[String] {
        &self.key
    }

    /// Whether a column must be read to know a row's key.
    pub(super) fn is_in_key(&self, column: &str) -> bool {
        (self.is_absolute && column == names::TIME) || self.key.iter().any(|key| key == column)
    }

    /// Whether a column is compared beside the key.
    pub(super) fn is_compared(&self, column: &str) -> bool {
        !column.starts_with('_')
            && !self.is_derived(column)
            && !self.key.iter().chain(&self.ignored).any(|it| it == column)
    }

    /// Whether rows with the same key have the same value in a column.
    pub(super) fn implies(&self, column: &str) -> bool {
        let named = |name: &str| self.key.iter().any(|key| key == name);
        named(column) || (self.is_derived(column) && named(names::TIME))
    }

    fn is_derived(&self, column: &str) -> bool {
        self.is_absolute && [names::DATE, names::MONTH, names::YEAR].contains(&column)
    }

    /// The hash of each row's key. A column that the batch does not have is NULL.
    pub(super) fn key_hashes(&self, batch: &RecordBatch) -> Result<Vec<u128>> {
        let days = self.days(batch);
        let named = self.key.iter().map(String::as_str);
        let columns = named.filter_map(|name| Some((name, batch.column_by_name(name)?)));
        let columns = columns.chain(days.iter().map(|days| (names::DATE, days)));
        salted_hashes(columns, batch.num_rows(), self.salt)
    }

    /// The hash of what is compared beside the key, over the columns at hand.
    pub(super) fn row_hashes(&self, batch: &RecordBatch) -> Result<Vec<u128>> {
        let schema = batch.schema_ref();
        let fields = schema.fields().iter().map(|field| field.name().as_str());
        let columns = fields.zip(batch.columns());
        let compared = columns.filter(|(name, _)| self.is_compared(name));
        salted_hashes(compared, batch.num_rows(), self.salt)
    }

    fn days(&self, batch: &RecordBatch) -> Option<ArrayRef> {
        if !self.is_absolute {
            return None;
        }
        let time = batch.column_by_name(names::TIME)?;
        let days: Int64Array = time
            .as_primitive_opt::<TimestampMicrosecondType>()?
            .unary(|micros| micros.div_euclid(DAY));
        Some(Arc::new(days))
    }
}
