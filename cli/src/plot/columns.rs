//! Which columns are the axis, the values and the series, and their numbers.
//!
//! The axis is the first column of time, else the first number where there
//! are several, else the number of the row. Text tells series apart. Columns
//! whose names begin with `_` are the lake's own and are taken only where
//! there are no others.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use downlake_lake::schema::table_schema::UNIT_KEY;
use downlake_lake::{Error, Result};

use super::PlotKind;
use super::axis::Scale;

/// Series of one unit, which share a panel: as many as there are colours.
const MAX_SERIES: usize = super::draw::PALETTE.len();

/// The roles of the columns of one schema.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) x: X,
    pub(crate) y: Vec<Quantity>,
    text: Option<(usize, String)>,
    series: HashMap<String, usize>,
    names: Vec<String>,
    rows: u64,
    /// The first instant, in the units of its column, from which times count.
    origin: Option<i64>,
}

/// The axis.
#[derive(Debug)]
pub(crate) enum X {
    /// The number of the row, from 1.
    Row,
    Number(Quantity),
    Time {
        quantity: Quantity,
        nanos: i64,
    },
}

/// A column of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Quantity {
    index: usize,
    pub(crate) name: String,
    pub(crate) unit: Option<String>,
}

/// One value of one series: columns of values times values of the text column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// NaN where it is NULL. Seconds since the origin for times.
    pub(crate) x: f64,
    pub(crate) series: usize,
    /// NaN where there is no number.
    pub(crate) y: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Time(i64),
    Number,
    Text,
    None,
}

fn role(data_type: &DataType) -> Role {
    match data_type {
        DataType::Timestamp(unit, _) => Role::Time(match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1_000,
            TimeUnit::Nanosecond => 1,
        }),
        DataType::Date32 => Role::Time(86_400_000_000_000),
        DataType::Date64 => Role::Time(1_000_000),
        DataType::Boolean | DataType::Duration(_) => Role::Number,
        other if other.is_numeric() => Role::Number,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Role::Text,
        DataType::Dictionary(_, value) => role(value),
        _ => Role::None,
    }
}

impl Quantity {
    fn of(index: usize, field: &Field) -> Quantity {
        let unit = match field.data_type() {
            DataType::Duration(unit) => Some(duration_unit(*unit).to_owned()),
            DataType::Timestamp(_, Some(_)) => Some("UTC".to_owned()),
            _ => field.metadata().get(UNIT_KEY).cloned(),
        };
        Quantity {
            index,
            name: field.name().clone(),
            unit: unit.filter(|unit| !unit.trim().is_empty()),
        }
    }

    /// `chamber_pressure (bar)`
    pub(crate) fn label(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{} ({unit})", self.name),
            None => self.name.clone(),
        }
    }
}

fn duration_unit(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

impl Columns {
    /// # Errors
    /// `Invalid` if no column holds numbers, or too many do.
    pub(crate) fn of(kind: PlotKind, schema: &SchemaRef) -> Result<Columns> {
        let fields = schema.fields().iter().enumerate();
        let roles: Vec<(usize, &Field, Role)> = fields
            .map(|(index, field)| (index, &**field, role(field.data_type())))
            .collect();
        let numbers = numbers(&roles);
        let time = roles.iter().find_map(|(index, field, role)| match role {
            Role::Time(nanos) => Some((Quantity::of(*index, field), *nanos)),
            _ => None,
        });
        let (x, y) = match (kind, time) {
            (PlotKind::Histogram, _) => (X::Row, numbers),
            (_, Some((quantity, nanos))) => (X::Time { quantity, nanos }, numbers),
            (_, None) if numbers.len() > 1 => {
                let mut y = numbers;
                (X::Number(y.remove(0)), y)
            }
            (_, None) => (X::Row, numbers),
        };
        refuse(schema, &y)?;
        let text = roles.iter().find(|(.., role)| *role == Role::Text);
        Ok(Columns {
            x,
            y,
            text: text.map(|(index, field, _)| (*index, field.name().clone())),
            series: HashMap::new(),
            names: Vec::new(),
            rows: 0,
            origin: None,
        })
    }

    /// Gives every value of a batch to `take`.
    pub(crate) fn read(
        &mut self,
        batch: &RecordBatch,
        mut take: impl FnMut(Row) -> Result<()>,
    ) -> Result<()> {
        let x = self.read_x(batch)?;
        let texts = match &self.text {
            Some((index, _)) => Some(texts(batch.column(*index))?),
            None => None,
        };
        let columns = self.y.iter().map(|y| floats(batch.column(y.index)));
        let columns: Vec<Float64Array> = columns.collect::<Result<_>>()?;
        for (row, &x) in x.iter().enumerate() {
            let group = self.group(texts.as_ref(), row)?;
            for (index, column) in columns.iter().enumerate() {
                let there = column.is_valid(row).then(|| column.value(row));
                take(Row {
                    x,
                    series: group * self.y.len() + index,
                    y: there.filter(|y| y.is_finite()).unwrap_or(f64::NAN),
                })?;
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn read_x(&mut self, batch: &RecordBatch) -> Result<Vec<f64>> {
        match &self.x {
            #[expect(clippy::cast_precision_loss, reason = "a number of a row is small")]
            X::Row => Ok((0..batch.num_rows())
                .map(|row| (self.rows + row as u64 + 1) as f64)
                .collect()),
            X::Number(quantity) => {
                let numbers = floats(batch.column(quantity.index))?;
                Ok(numbers
                    .iter()
                    .map(|x| x.filter(|x| x.is_finite()).unwrap_or(f64::NAN))
                    .collect())
            }
            X::Time { quantity, nanos } => {
                let ticks = integers(batch.column(quantity.index))?;
                let first = ticks.iter().flatten().next();
                let origin = *self.origin.get_or_insert(first.unwrap_or(0));
                if first.is_none() {
                    self.origin = None;
                }
                let seconds = |tick: i64| seconds(tick.saturating_sub(origin), *nanos);
                let xs = ticks.iter().map(|tick| tick.map_or(f64::NAN, seconds));
                Ok(xs.collect())
            }
        }
    }

    fn group(&mut self, texts: Option<&StringArray>, row: usize) -> Result<usize> {
        let Some(texts) = texts else {
            return Ok(0);
        };
        let text = if texts.is_valid(row) {
            texts.value(row)
        } else {
            "NULL"
        };
        if let Some(group) = self.series.get(text) {
            return Ok(*group);
        }
        let group = self.names.len();
        if (group + 1) * most_of_a_unit(&self.y) > MAX_SERIES {
            return Err(self.too_many_series());
        }
        self.series.insert(text.to_owned(), group);
        self.names.push(text.to_owned());
        Ok(group)
    }

    fn too_many_series(&self) -> Error {
        let name = self.text.as_ref().map_or("", |(_, name)| name.as_str());
        Error::invalid(format!(
            "plot: each value of the text column \"{name}\" is a series of its own, and a picture has colours for {MAX_SERIES} of a unit: \
             leave the column out, or choose values with WHERE"
        ))
    }

    /// The column behind a series.
    pub(crate) fn quantity(&self, series: usize) -> &Quantity {
        &self.y[series % self.y.len()]
    }

    /// What a series is called beside others.
    pub(crate) fn series_name(&self, series: usize) -> String {
        let column = self.quantity(series).name.clone();
        match self.names.get(series / self.y.len()) {
            Some(text) if self.y.len() == 1 => text.clone(),
            Some(text) => format!("{text} {column}"),
            None => column,
        }
    }

    pub(crate) fn x_name(&self) -> &str {
        match &self.x {
            X::Row => "row",
            X::Number(quantity) | X::Time { quantity, .. } => &quantity.name,
        }
    }

    pub(crate) fn x_label(&self) -> String {
        match &self.x {
            X::Row => "row".to_owned(),
            X::Number(quantity) | X::Time { quantity, .. } => quantity.label(),
        }
    }

    /// How numbers of the axis are said.
    pub(crate) fn x_scale(&self) -> Scale {
        match &self.x {
            X::Row | X::Number(_) => Scale::Number,
            X::Time { nanos, .. } => Scale::Time {
                origin_nanos: i128::from(self.origin.unwrap_or(0)) * i128::from(*nanos),
            },
        }
    }

    /// The unit of the axis, where it is one of the kind that has a reciprocal.
    pub(crate) fn x_unit(&self) -> Option<&str> {
        match &self.x {
            X::Row => Some("row"),
            X::Time { .. } => Some("s"),
            X::Number(quantity) => quantity.unit.as_deref(),
        }
    }

    /// The smallest difference of the axis, where it has one.
    pub(crate) fn x_resolution(&self) -> f64 {
        match &self.x {
            X::Time { nanos, .. } => seconds(1, *nanos),
            X::Row | X::Number(_) => 0.0,
        }
    }
}

fn numbers(roles: &[(usize, &Field, Role)]) -> Vec<Quantity> {
    let all = roles.iter().filter(|(.., role)| *role == Role::Number);
    let (ours, given): (Vec<_>, Vec<_>) =
        all.partition(|(_, field, _)| field.name().starts_with('_'));
    let chosen = if given.is_empty() { ours } else { given };
    let quantities = chosen
        .iter()
        .map(|(index, field, _)| Quantity::of(*index, field));
    quantities.collect()
}

fn refuse(schema: &Schema, y: &[Quantity]) -> Result<()> {
    if y.is_empty() {
        let columns = schema.fields().iter();
        let columns: Vec<String> = columns
            .map(|field| format!("{} {}", field.name(), type_name(field.data_type())))
            .collect();
        return Err(Error::invalid(format!(
            "plot: no column holds numbers; the columns are {}",
            columns.join(", ")
        )));
    }
    let most = most_of_a_unit(y);
    if most > MAX_SERIES {
        return Err(Error::invalid(format!(
            "plot: {most} columns hold numbers of one unit and {MAX_SERIES} at most are drawn: name those to plot in the SELECT"
        )));
    }
    Ok(())
}

fn most_of_a_unit(y: &[Quantity]) -> usize {
    let of_unit = |unit: &Option<String>| y.iter().filter(|q| q.unit == *unit).count();
    y.iter().map(|q| of_unit(&q.unit)).max().unwrap_or(1)
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "(text)".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "(binary)".to_owned(),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => "(time)".to_owned(),
        other => format!("({})", other.to_string().to_lowercase()),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "differences of times within a plot, exact below 104 days of nanoseconds"
)]
fn seconds(ticks: i64, nanos: i64) -> f64 {
    if nanos >= 1_000_000_000 {
        ticks as f64 * (nanos / 1_000_000_000) as f64
    } else {
        ticks as f64 / (1_000_000_000 / nanos) as f64
    }
}

fn floats(array: &ArrayRef) -> Result<Float64Array> {
    let plain = match array.data_type() {
        DataType::Duration(_) => cast(array, &DataType::Int64)?,
        _ => array.clone(),
    };
    Ok(cast(&plain, &DataType::Float64)?
        .as_primitive::<Float64Type>()
        .clone())
}

fn integers(array: &ArrayRef) -> Result<arrow::array::Int64Array> {
    let plain = match array.data_type() {
        DataType::Date32 => cast(array, &DataType::Int32)?,
        DataType::Dictionary(_, value) => cast(array, value)?,
        _ => array.clone(),
    };
    Ok(cast(&plain, &DataType::Int64)?
        .as_primitive::<Int64Type>()
        .clone())
}

fn texts(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}
