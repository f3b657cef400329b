//! From decoded columns to the rows of a table.
//!
//! One batch in the columns of the definition goes in; the same rows in the
//! table's columns come out, less those that are refused, each with a reason.
//! Promises: kept and refused rows add up to the rows that went in, in their
//! order; a row that breaks several rules is refused for the first of them:
//! the axis, then the columns in table order; nothing else about a row
//! changes its values. NaN passes a valid range, since it says that there is
//! no value. Refuses definitions whose rules its types cannot obey.

mod checks;
mod clock;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::{filter, filter_record_batch, kernels::zip::zip};
use arrow::datatypes::{
    DataType, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
    TimestampNanosecondType,
};

use self::checks::{Check, checks_of};
use self::clock::Clock;
use crate::schema::{Column, ColumnType, Definition, Partition, TimeAxis, names};
use crate::{Error, Result};

/// Why [`Conform`] refuses a row: the codes of the `reason` column of `_quarantine`.
pub mod reason {
    /// The axis has no value.
    pub const TIME_NULL: &str = "time-null";
    /// The axis' value says no instant.
    pub const TIME_VALUE: &str = "time-value";
    /// The instant is outside of the range that the stream accepts.
    pub const TIME_RANGE: &str = "time-range";
    /// A required column has no value.
    pub const REQUIRED: &str = "required";
    /// A value is outside of its column's valid range.
    pub const OUT_OF_RANGE: &str = "out-of-range";
    /// A number has no label in its column's enumeration.
    pub const ENUMERATION: &str = "enumeration";

    /// Every code, with its meaning.
    pub const ALL: &[(&str, &str)] = &[
        (TIME_NULL, "the axis has no value"),
        (TIME_VALUE, "the axis' value says no instant"),
        (
            TIME_RANGE,
            "the instant is outside of the range that the stream accepts",
        ),
        (REQUIRED, "a required column has no value"),
        (
            OUT_OF_RANGE,
            "a value is outside of its column's valid range",
        ),
        (
            ENUMERATION,
            "a number has no label in its column's enumeration",
        ),
    ];
}

/// The values that all rows of a source unit share.
#[derive(Debug, Clone)]
pub struct UnitColumns {
    /// The values of the definition's constant columns.
    pub constants: BTreeMap<String, String>,
    /// `_ingest_id`.
    pub ingest_id: i64,
    /// `_ingested_at`, and the clock by which times lie in the future;
    /// microseconds since 1970-01-01 UTC.
    pub ingested_at_micros: i64,
    /// `_received_at`.
    pub received_at: ReceivedAt,
}

/// Where `_received_at` comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceivedAt {
    /// From the definition's column, NULL where there is none.
    Data,
    /// From the definition's column; where there is none, the arrival at our
    /// clock, microseconds since 1970-01-01 UTC.
    Arrival(i64),
}

/// Turns batches of one source unit into rows of its table.
#[derive(Debug)]
pub struct Conform {
    decoded: SchemaRef,
    table: SchemaRef,
    clock: Option<Clock>,
    checks: Vec<Check>,
    columns: Vec<Column>,
    partition: Partition,
    /// The place of the column that says when a row was received.
    received_at: Option<usize>,
    unit: UnitColumns,
}

/// What became of the rows of a batch.
#[derive(Debug)]
pub struct Conformed {
    /// The rows that were kept, in the table's columns.
    pub batch: RecordBatch,
    /// The places of those rows in the input; `None` if all were kept.
    pub kept: Option<Vec<u32>>,
    /// The other rows, in order.
    pub refused: Vec<Refused>,
    /// Kept rows whose `time` says less than the source did, since it ends
    /// at microseconds.
    pub times_cut: u64,
}

/// A row that does not become a row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The row's place in the input.
    pub row: usize,
    /// One of the codes in [`reason`].
    pub reason: &'static str,
    /// The column, the value, and what was expected.
    pub detail: String,
}

impl Conform {
    /// Prepares the rules of a definition for a source unit.
    ///
    /// # Errors
    /// Invalid, if a constant column has no value, or a rule of the
    /// definition does not go with the type of its column.
    pub fn new(definition: &Definition, unit: &UnitColumns) -> Result<Conform> {
        check_constants(definition, unit)?;
        let clock = match &definition.time {
            TimeAxis::Absolute(time) => Some(Clock::new(
                time,
                &definition.columns,
                unit.ingested_at_micros,
            )?),
            TimeAxis::Relative { .. } | TimeAxis::None => None,
        };
        let conform = Conform {
            decoded: definition.decoded_schema(),
            table: definition.table_schema(),
            clock,
            checks: checks_of(&definition.columns)?,
            columns: definition.columns.clone(),
            partition: definition.partition,
            received_at: received_at_place(definition)?,
            unit: unit.clone(),
        };
        // No rows, but every column: a definition that does not add up shows here.
        conform.apply(&RecordBatch::new_empty(conform.decoded.clone()))?;
        Ok(conform)
    }

    /// Gives numbers without a label none, instead of refusing their rows: for
    /// sources where one of a thousand values must not cost the others. The
    /// number stands beside it.
    #[must_use]
    pub fn keeping_unlabelled(mut self) -> Conform {
        self.checks.iter_mut().for_each(Check::forget_labels);
        self
    }

    /// Conforms a batch that has exactly the columns of the definition, in
    /// order, typed by [`Column::decoded_type`].
    ///
    /// # Errors
    /// Internal, if the batch has other columns or the table's schema asks
    /// for a column that nothing gives.
    pub fn apply(&self, batch: &RecordBatch) -> Result<Conformed> {
        self.check_shape(batch)?;
        let mut refusals = Refusals::default();
        let times = match &self.clock {
            Some(clock) => Some(clock.read(batch, &mut refusals)?),
            None => None,
        };
        for check in &self.checks {
            check.run(batch, &mut refusals)?;
        }
        let Some(keep) = refusals.keep(batch.num_rows()) else {
            return self.conformed(batch, times, None, Vec::new());
        };
        let times = times.map(|times| times.filter(&keep)).transpose()?;
        let kept_rows = keep.values().set_indices_u32().collect();
        let batch = filter_record_batch(batch, &keep)?;
        self.conformed(&batch, times, Some(kept_rows), refusals.into_refused())
    }

    fn check_shape(&self, batch: &RecordBatch) -> Result<()> {
        let types = |schema: &Schema| -> Vec<DataType> {
            schema
                .fields()
                .iter()
                .map(|field| field.data_type().clone())
                .collect()
        };
        let (found, expected) = (types(&batch.schema()), types(&self.decoded));
        if found == expected {
            return Ok(());
        }
        Err(Error::internal(format!(
            "a batch to conform has the types {found:?}, the definition's are {expected:?}"
        )))
    }

    fn conformed(
        &self,
        batch: &RecordBatch,
        times: Option<clock::Times>,
        kept: Option<Vec<u32>>,
        refused: Vec<Refused>,
    ) -> Result<Conformed> {
        let times_cut = times.as_ref().map_or(0, clock::Times::cut);
        let mut arrays = self.unit_arrays(batch)?;
        for (column, values) in self.columns.iter().zip(batch.columns()) {
            push_column(column, values, &mut arrays)?;
        }
        if let Some(times) = times {
            times.push_arrays(self.partition, &mut arrays);
        }
        let columns = self.table.fields().iter().map(|field| {
            arrays.remove(field.name()).ok_or_else(|| {
                Error::internal(format!(
                    "nothing gives the table's column \"{}\"",
                    field.name()
                ))
            })
        });
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(Conformed {
            batch: RecordBatch::try_new_with_options(self.table.clone(), columns, &options)?,
            kept,
            refused,
            times_cut,
        })
    }

    /// The columns whose values are the unit's.
    fn unit_arrays(&self, batch: &RecordBatch) -> Result<HashMap<String, ArrayRef>> {
        let rows = batch.num_rows();
        let mut arrays: HashMap<String, ArrayRef> = HashMap::new();
        for (name, value) in &self.unit.constants {
            let values = StringArray::from_iter_values(std::iter::repeat_n(value, rows));
            arrays.insert(name.clone(), Arc::new(values));
        }
        let ingested_at = instants(self.unit.ingested_at_micros, rows);
        arrays.insert(names::INGESTED_AT.to_owned(), ingested_at);
        let ingest_id = Int64Array::from_value(self.unit.ingest_id, rows);
        arrays.insert(names::INGEST_ID.to_owned(), Arc::new(ingest_id));
        arrays.insert(names::RECEIVED_AT.to_owned(), self.received_at(batch)?);
        // Known only once the rows were compared with the table's.
        let unknown = new_null_array(&DataType::Boolean, rows);
        arrays.insert(names::KEY_CONFLICT.to_owned(), unknown);
        Ok(arrays)
    }

    fn received_at(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = batch.num_rows();
        let data = match self.received_at {
            Some(place) => to_micros(batch.column(place))?,
            None => new_null_array(&micros_type(), rows),
        };
        match self.unit.received_at {
            ReceivedAt::Data => Ok(data),
            ReceivedAt::Arrival(micros) => {
                let known = arrow::compute::is_not_null(&data)?;
                Ok(zip(&known, &data, &instants(micros, rows))?)
            }
        }
    }
}

/// The table's columns that a decoded column becomes.
fn push_column(
    column: &Column,
    values: &ArrayRef,
    arrays: &mut HashMap<String, ArrayRef>,
) -> Result<()> {
    let name = &column.name;
    if !column.enumeration.is_empty() {
        arrays.insert(format!("{name}{}", names::RAW_SUFFIX), Arc::clone(values));
        arrays.insert(name.clone(), labels(column, values));
        return Ok(());
    }
    if column.kind == ColumnType::TimestampNs {
        let nanos = values.as_primitive::<TimestampNanosecondType>();
        let nanos = nanos.reinterpret_cast::<Int64Type>();
        arrays.insert(format!("{name}{}", names::NANOS_SUFFIX), Arc::new(nanos));
        arrays.insert(name.clone(), to_micros(values)?);
        return Ok(());
    }
    arrays.insert(name.clone(), Arc::clone(values));
    Ok(())
}

fn labels(column: &Column, numbers: &ArrayRef) -> ArrayRef {
    let labels: HashMap<i64, &str> = column
        .enumeration
        .iter()
        .map(|(number, label)| (*number, label.as_str()))
        .collect();
    let numbers = numbers.as_primitive::<Int64Type>().iter();
    let texts = numbers.map(|number| number.and_then(|number| labels.get(&number).copied()));
    Arc::new(texts.collect::<StringArray>())
}

/// Instants in microseconds, cut towards the past.
fn to_micros(instants: &ArrayRef) -> Result<ArrayRef> {
    if *instants.data_type() != DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())) {
        return Ok(Arc::clone(instants));
    }
    let nanos = instants.as_primitive::<TimestampNanosecondType>();
    let micros: TimestampMicrosecondArray = nanos.unary(|nanos| nanos.div_euclid(1000));
    Ok(Arc::new(micros.with_timezone("UTC")))
}

fn instants(micros: i64, rows: usize) -> ArrayRef {
    let values = TimestampMicrosecondArray::from_value(micros, rows);
    Arc::new(values.with_timezone("UTC"))
}

fn micros_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn check_constants(definition: &Definition, unit: &UnitColumns) -> Result<()> {
    for name in &definition.constants {
        if !unit.constants.contains_key(name) {
            return Err(Error::invalid(format!(
                "stream \"{}\" has the constant column \"{name}\", which has no value; give it with \
                 --set {name}=... or --from-path",
                definition.stream
            )));
        }
    }
    let unknown = unit
        .constants
        .keys()
        .find(|name| !definition.constants.contains(name));
    unknown.map_or(Ok(()), |name| {
        Err(Error::invalid(format!(
            "stream \"{}\" has no constant column \"{name}\"; its constants are fixed when the \
             table is created: {:?}",
            definition.stream, definition.constants
        )))
    })
}

fn received_at_place(definition: &Definition) -> Result<Option<usize>> {
    let Some(wanted) = &definition.received_at else {
        return Ok(None);
    };
    let named = |column: &Column| column.name == *wanted;
    let place = definition.columns.iter().position(named);
    let place = place.ok_or_else(|| {
        Error::invalid(format!(
            "received_at names the column \"{wanted}\", which is not there"
        ))
    })?;
    let kind = &definition.columns[place].kind;
    if !matches!(kind, ColumnType::Timestamp | ColumnType::TimestampNs) {
        return Err(Error::invalid(format!(
            "received_at names the column \"{wanted}\" of type {kind}; it must be a timestamp"
        )));
    }
    Ok(Some(place))
}

/// The first refusal of each refused row.
#[derive(Debug, Default)]
struct Refusals(BTreeMap<usize, Refused>);

impl Refusals {
    fn add(&mut self, row: usize, reason: &'static str, detail: impl FnOnce() -> String) {
        self.0.entry(row).or_insert_with(|| Refused {
            row,
            reason,
            detail: detail(),
        });
    }

    /// True for each row that stays; `None` if all do.
    fn keep(&self, rows: usize) -> Option<BooleanArray> {
        if self.0.is_empty() {
            return None;
        }
        let keep = (0..rows).map(|row| !self.0.contains_key(&row)).collect();
        Some(BooleanArray::new(keep, None))
    }

    fn into_refused(self) -> Vec<Refused> {
        self.0.into_values().collect()
    }
}

/// A value as messages show it; instants as RFC 3339, since Arrow's own
/// display knows no zone by name.
fn shown(values: &dyn Array, row: usize) -> String {
    if values.is_null(row) {
        return String::from("NULL");
    }
    if let Some(micros) = values.as_primitive_opt::<TimestampMicrosecondType>() {
        return clock::shown_instant(micros.value(row));
    }
    if let Some(nanos) = values.as_primitive_opt::<TimestampNanosecondType>() {
        return clock::shown_nanos(nanos.value(row));
    }
    let value = arrow::util::display::array_value_to_string(values, row);
    value.unwrap_or_else(|error| error.to_string())
}

fn filtered(values: &dyn Array, keep: &BooleanArray) -> Result<ArrayRef> {
    Ok(filter(values, keep)?)
}
