//! The axis of absolute streams: source columns to `time` and its parts.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int32Array, Int64Array, RecordBatch,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use chrono::DateTime;

use super::{Refusals, filtered, reason, shown};
use crate::schema::time::calendar::{day_of_micros, first_of_month, year_of_day};
use crate::schema::time::{MICROS_PER_DAY, TimeError, TimeReader, UtcInstant};
use crate::schema::{AbsoluteTime, Column, ColumnType, Partition, TimeCode, names};
use crate::{Error, Result};

/// Reads the instants of a stream.
#[derive(Debug)]
pub(super) struct Clock {
    reader: TimeReader,
    code: TimeCode,
    /// The source columns: place in the batch, and name.
    columns: Vec<(usize, String)>,
    /// Whether a column beside `time` keeps the nanoseconds.
    keeps_nanos: bool,
    earliest: i64,
    latest: i64,
}

/// The instants of a batch.
pub(super) struct Times {
    /// Microseconds since 1970-01-01 UTC; arbitrary in refused rows.
    micros: Int64Array,
    /// Whether the source said more than microseconds.
    cut: BooleanArray,
}

impl Clock {
    pub(super) fn new(time: &AbsoluteTime, columns: &[Column], now_micros: i64) -> Result<Clock> {
        let mut places = Vec::with_capacity(time.columns.len());
        let mut keeps_nanos = false;
        for name in &time.columns {
            let place = columns.iter().position(|column| column.name == *name);
            let place = place.ok_or_else(|| {
                Error::invalid(format!(
                    "the time axis names the column \"{name}\", which is not there"
                ))
            })?;
            check_kind(time.code, &columns[place])?;
            keeps_nanos |= columns[place].kind == ColumnType::TimestampNs;
            places.push((place, name.clone()));
        }
        check_count(time.code, places.len())?;
        Ok(Clock {
            reader: TimeReader::new(time),
            code: time.code,
            columns: places,
            keeps_nanos,
            earliest: time.valid_from_micros,
            latest: time.valid_to(now_micros),
        })
    }

    /// Reads the instant of each row and refuses those that have none.
    pub(super) fn read(&self, batch: &RecordBatch, refusals: &mut Refusals) -> Result<Times> {
        let instants = self.instants(batch)?;
        let mut micros = Vec::with_capacity(batch.num_rows());
        let mut cut = Vec::with_capacity(batch.num_rows());
        for (row, instant) in instants.into_iter().enumerate() {
            let instant = self.judge(batch, row, instant, refusals);
            micros.push(instant.map_or(0, |instant| instant.micros));
            cut.push(!self.keeps_nanos && instant.is_some_and(|instant| !instant.is_exact()));
        }
        Ok(Times {
            micros: Int64Array::from(micros),
            cut: BooleanArray::from(cut),
        })
    }

    fn judge(
        &self,
        batch: &RecordBatch,
        row: usize,
        instant: Option<Result<UtcInstant, TimeError>>,
        refusals: &mut Refusals,
    ) -> Option<UtcInstant> {
        match instant {
            None => refusals.add(row, reason::TIME_NULL, || {
                format!("{} has no value", self.shown_columns())
            }),
            Some(Err(error)) => refusals.add(row, reason::TIME_VALUE, || {
                format!(
                    "{}: {}: {error}",
                    self.shown_columns(),
                    self.shown_values(batch, row)
                )
            }),
            Some(Ok(instant)) if !(self.earliest..=self.latest).contains(&instant.micros) => {
                refusals.add(row, reason::TIME_RANGE, || {
                    format!(
                        "{}: {} is {}, which is not within {} and {}",
                        self.shown_columns(),
                        self.shown_values(batch, row),
                        shown_instant(instant.micros),
                        shown_instant(self.earliest),
                        shown_instant(self.latest)
                    )
                });
            }
            Some(Ok(instant)) => return Some(instant),
        }
        None
    }

    fn instants(&self, batch: &RecordBatch) -> Result<Vec<Option<Result<UtcInstant, TimeError>>>> {
        let first = batch.column(self.columns[0].0);
        match self.code {
            TimeCode::Iso => self.iso(first),
            TimeCode::Seconds | TimeCode::Millis | TimeCode::Micros | TimeCode::Nanos => {
                self.counts(first)
            }
            TimeCode::Cds | TimeCode::Cuc { .. } | TimeCode::Cfs => self.segmented(batch),
        }
    }

    fn iso(&self, values: &ArrayRef) -> Result<Vec<Option<Result<UtcInstant, TimeError>>>> {
        let reader = &self.reader;
        Ok(match values.data_type() {
            DataType::Utf8 => {
                let texts = values.as_string::<i32>().iter();
                texts
                    .map(|text| text.map(|text| reader.text(text)))
                    .collect()
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                let nanos = values.as_primitive::<TimestampNanosecondType>().iter();
                nanos
                    .map(|nanos| nanos.map(|nanos| reader.timestamp_nanos(nanos)))
                    .collect()
            }
            DataType::Date32 => {
                let days = values.as_primitive::<Date32Type>().iter();
                let start = |day: i32| reader.timestamp(i64::from(day) * MICROS_PER_DAY);
                days.map(|day| day.map(start)).collect()
            }
            _ => {
                let micros = values.as_primitive::<TimestampMicrosecondType>().iter();
                micros
                    .map(|micros| micros.map(|micros| reader.timestamp(micros)))
                    .collect()
            }
        })
    }

    fn counts(&self, values: &ArrayRef) -> Result<Vec<Option<Result<UtcInstant, TimeError>>>> {
        let reader = &self.reader;
        Ok(match values.data_type() {
            DataType::Decimal128(_, 0) => {
                let counts = values.as_primitive::<Decimal128Type>().iter();
                counts
                    .map(|count| count.map(|count| reader.count(count)))
                    .collect()
            }
            from if from.is_integer() => {
                let counts = cast(values, &DataType::Int64)?;
                let counts = counts.as_primitive::<Int64Type>().iter();
                counts
                    .map(|count| count.map(|count| reader.count(i128::from(count))))
                    .collect()
            }
            _ => {
                let counts = cast(values, &DataType::Float64)?;
                let counts = counts.as_primitive::<Float64Type>().iter();
                counts
                    .map(|count| count.map(|count| reader.float_count(count)))
                    .collect()
            }
        })
    }

    fn segmented(&self, batch: &RecordBatch) -> Result<Vec<Option<Result<UtcInstant, TimeError>>>> {
        let columns = self
            .columns
            .iter()
            .map(|(place, _)| cast(batch.column(*place), &DataType::Int64));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<&Int64Array> = columns.iter().map(|c| c.as_primitive()).collect();
        let mut parts = vec![0; columns.len()];
        let read = |row: usize| {
            for (part, column) in parts.iter_mut().zip(&columns) {
                if column.is_null(row) {
                    return None;
                }
                *part = column.value(row);
            }
            Some(self.reader.parts(&parts))
        };
        Ok((0..batch.num_rows()).map(read).collect())
    }

    fn shown_columns(&self) -> String {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|(_, name)| format!("\"{name}\""))
            .collect();
        format!("time column {}", names.join(", "))
    }

    fn shown_values(&self, batch: &RecordBatch, row: usize) -> String {
        let values = self
            .columns
            .iter()
            .map(|(place, _)| shown(batch.column(*place), row));
        values.collect::<Vec<_>>().join(", ")
    }
}

impl Times {
    pub(super) fn filter(self, keep: &BooleanArray) -> Result<Times> {
        Ok(Times {
            micros: filtered(&self.micros, keep)?.as_primitive().clone(),
            cut: filtered(&self.cut, keep)?.as_boolean().clone(),
        })
    }

    /// How many instants say less than their source did.
    pub(super) fn cut(&self) -> u64 {
        self.cut.true_count() as u64
    }

    /// `time`, `date`, and the column that partitions are cut by. `month` and
    /// `year` are ours only then; else they may be columns of the source.
    pub(super) fn push_arrays(self, partition: Partition, arrays: &mut HashMap<String, ArrayRef>) {
        let days = self
            .micros
            .values()
            .iter()
            .map(|micros| day_of_micros(*micros));
        let days: Vec<i64> = days.collect();
        let dates = Date32Array::from_iter_values(days.iter().map(|day| narrow(*day)));
        let micros: TimestampMicrosecondArray = self.micros.reinterpret_cast();
        let mut push = |name: &str, values: ArrayRef| arrays.insert(name.to_owned(), values);
        push(names::TIME, Arc::new(micros.with_timezone("UTC")));
        push(names::DATE, Arc::new(dates));
        match partition {
            Partition::Month => {
                let months = days.iter().map(|day| narrow(first_of_month(*day)));
                push(
                    names::MONTH,
                    Arc::new(Date32Array::from_iter_values(months)),
                );
            }
            Partition::Year => {
                let years = days.iter().map(|day| narrow(year_of_day(*day)));
                push(names::YEAR, Arc::new(Int32Array::from_iter_values(years)));
            }
            Partition::Day | Partition::None => {}
        }
    }
}

/// Days and years of 64-bit microseconds fit 32 bits.
fn narrow(number: i64) -> i32 {
    i32::try_from(number).expect("64-bit microseconds span 584,000 years")
}

fn check_kind(code: TimeCode, column: &Column) -> Result<()> {
    use ColumnType as C;
    let fits = match code {
        TimeCode::Iso => matches!(
            column.kind,
            C::Text | C::Timestamp | C::TimestampNs | C::Date
        ),
        TimeCode::Seconds | TimeCode::Millis | TimeCode::Micros | TimeCode::Nanos => {
            column.kind.is_number()
        }
        TimeCode::Cds | TimeCode::Cuc { .. } | TimeCode::Cfs => column.kind.is_whole(),
    };
    if fits && column.enumeration.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the time axis reads column \"{}\" as {code:?}, which its type {} does not go with",
        column.name, column.kind
    )))
}

fn check_count(code: TimeCode, columns: usize) -> Result<()> {
    let most = match code {
        TimeCode::Cds => 2..=3,
        TimeCode::Cuc { .. } | TimeCode::Cfs => 1..=2,
        _ => 1..=1,
    };
    if most.contains(&columns) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the time axis has {columns} columns; its code {code:?} takes {} to {}",
        most.start(),
        most.end()
    )))
}

/// An instant for messages, from microseconds.
pub(super) fn shown_instant(micros: i64) -> String {
    match DateTime::from_timestamp_micros(micros) {
        Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        None => format!("{micros} us since 1970"),
    }
}

/// An instant for messages, from nanoseconds.
pub(super) fn shown_nanos(nanos: i64) -> String {
    let time = DateTime::from_timestamp_nanos(nanos);
    time.format("%Y-%m-%dT%H:%M:%S%.9fZ").to_string()
}
