//! Rules about the values of one column.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, is_null};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};

use super::{Refusals, reason, shown};
use crate::schema::Column;
use crate::{Error, Result};

/// The rules of one column.
#[derive(Debug)]
pub(super) struct Check {
    place: usize,
    name: String,
    unit: String,
    required: bool,
    range: Option<(f64, f64)>,
    /// Numbers that have a label; empty where the column is no enumeration.
    labelled: HashSet<i64>,
}

/// The rules of the columns that have some, in table order.
pub(super) fn checks_of(columns: &[Column]) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        check_range(column)?;
        if column.required || column.valid_range.is_some() || !column.enumeration.is_empty() {
            checks.push(Check {
                place,
                name: column.name.clone(),
                unit: column
                    .unit
                    .as_ref()
                    .map(|unit| format!(" {unit}"))
                    .unwrap_or_default(),
                required: column.required,
                range: column.valid_range,
                labelled: column
                    .enumeration
                    .iter()
                    .map(|(number, _)| *number)
                    .collect(),
            });
        }
    }
    Ok(checks)
}

fn check_range(column: &Column) -> Result<()> {
    let Some((low, high)) = column.valid_range else {
        return Ok(());
    };
    let name = &column.name;
    if column.enumeration.is_empty() && !column.kind.is_number() {
        return Err(Error::invalid(format!(
            "column \"{name}\" of type {} has a valid range; only numbers have",
            column.kind
        )));
    }
    if low.is_nan() || high.is_nan() || low > high {
        return Err(Error::invalid(format!(
            "the valid range of column \"{name}\" holds no value: {low} to {high}"
        )));
    }
    Ok(())
}

impl Check {
    pub(super) fn forget_labels(&mut self) {
        self.labelled.clear();
    }

    pub(super) fn run(&self, batch: &RecordBatch, refusals: &mut Refusals) -> Result<()> {
        let values = batch.column(self.place);
        if self.required {
            self.check_required(values, refusals)?;
        }
        if let Some(range) = self.range {
            self.check_range(values, range, refusals)?;
        }
        if !self.labelled.is_empty() {
            self.check_labels(values, refusals);
        }
        Ok(())
    }

    fn check_required(&self, values: &ArrayRef, refusals: &mut Refusals) -> Result<()> {
        for row in is_null(values)?.values().set_indices() {
            refusals.add(row, reason::REQUIRED, || {
                format!("column \"{}\" has no value; it is required", self.name)
            });
        }
        Ok(())
    }

    fn check_range(
        &self,
        values: &ArrayRef,
        range: (f64, f64),
        refusals: &mut Refusals,
    ) -> Result<()> {
        for row in rows_outside(values, range)? {
            refusals.add(row, reason::OUT_OF_RANGE, || {
                let (value, unit) = (shown(values, row), &self.unit);
                let (low, high) = range;
                format!(
                    "column \"{}\": {value}{unit} is not within {low} and {high}",
                    self.name
                )
            });
        }
        Ok(())
    }

    fn check_labels(&self, values: &ArrayRef, refusals: &mut Refusals) {
        let numbers = values.as_primitive::<Int64Type>();
        for (row, number) in numbers.iter().enumerate() {
            let Some(number) = number else { continue };
            if !self.labelled.contains(&number) {
                refusals.add(row, reason::ENUMERATION, || {
                    format!("column \"{}\": {number} has no label", self.name)
                });
            }
        }
    }
}

/// Rows whose value is there and outside. Whole numbers are compared
/// exactly; singles against the bounds rounded to singles, so that a value
/// spelled like a bound is inside.
fn rows_outside(values: &ArrayRef, (low, high): (f64, f64)) -> Result<Vec<usize>> {
    Ok(match values.data_type() {
        DataType::Float32 => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "bounds are rounded on purpose"
            )]
            let (low, high) = (low as f32, high as f32);
            let values = values.as_primitive::<Float32Type>();
            rows_where(values.iter(), |value| value < low || value > high)
        }
        from if from.is_integer() => {
            let whole = cast(values, &DataType::Int64)?;
            let outside = outside_whole(low, high);
            rows_where(whole.as_primitive::<Int64Type>().iter(), outside)
        }
        _ => {
            let numbers = cast(values, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            rows_where(numbers.iter(), |value| value < low || value > high)
        }
    })
}

/// Whether a whole number is outside of bounds that may have fractions.
fn outside_whole(low: f64, high: f64) -> impl Fn(i64) -> bool {
    // Conversion saturates, which is right for bounds beyond 64 bits, except
    // that 2^63 and above as a low bound leave no number inside.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "saturates on purpose")]
    let (least, most) = (low.ceil() as i64, high.floor() as i64);
    let none = low >= BEYOND || high < -BEYOND;
    move |value| none || value < least || value > most
}

fn rows_where<T>(
    values: impl Iterator<Item = Option<T>>,
    outside: impl Fn(T) -> bool,
) -> Vec<usize> {
    let rows = values.enumerate();
    rows.filter_map(|(row, value)| value.is_some_and(&outside).then_some(row))
        .collect()
}
