//! Typed columns that take text and JSON values and give a record batch.
//!
//! A row is all or nothing: values go to the ends of their columns, and
//! [`Cells::commit`] keeps them while [`Cells::roll_back`] cuts them off again.
//! A value is stored exactly or refused: no wrapping, no rounding except to
//! the nearest float, which is what a float column asks for.

use std::borrow::Cow;
use std::mem::take;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, ListArray, NullBufferBuilder, RecordBatch,
    StringArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use downlake_lake::Result;
use downlake_lake::schema::{Column, ColumnType, Definition};
use serde_json::value::RawValue;

use super::reason;
use super::scalar::{self, Fault};

/// The columns of one batch while it is built.
pub(super) struct Cells {
    schema: SchemaRef,
    names: Vec<String>,
    slots: Vec<Slot>,
    /// For each column the columns that take its misfits, in table order.
    siblings: Vec<Vec<usize>>,
    rows: usize,
}

/// Why a row cannot be taken.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

impl Cells {
    pub(super) fn new(definition: &Definition) -> Cells {
        let columns = &definition.columns;
        let fields: Vec<_> = columns.iter().map(Column::decoded_field).collect();
        let kinds = columns.iter().map(value_kind);
        Cells {
            schema: Arc::new(Schema::new(fields)),
            names: columns.iter().map(|c| c.name.clone()).collect(),
            slots: kinds.map(Slot::new).collect(),
            siblings: siblings(columns),
            rows: 0,
        }
    }

    /// Rows that are committed.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Puts a value of delimited text into the current row.
    pub(super) fn set_text(&mut self, column: usize, text: &[u8]) -> Result<(), Misfit> {
        let rows = self.rows;
        self.set(column, text, |slot| slot.put(rows, |s| s.push_text(text)))
    }

    /// Puts a value of JSON into the current row.
    pub(super) fn set_json(&mut self, column: usize, json: &str) -> Result<(), Misfit> {
        let rows = self.rows;
        self.set(column, json.as_bytes(), |slot| {
            slot.put(rows, |s| s.push_json(json))
        })
    }

    /// Keeps the current row; columns without a value are NULL.
    pub(super) fn commit(&mut self) {
        self.rows += 1;
    }

    /// Forgets the current row.
    pub(super) fn roll_back(&mut self) {
        for slot in &mut self.slots {
            slot.truncate(self.rows);
        }
    }

    /// The committed rows; the columns are empty again.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        let rows = take(&mut self.rows);
        let fields = self.schema.fields();
        let arrays = self.slots.iter_mut().zip(fields).map(|(slot, field)| {
            slot.fill_to(rows);
            slot.finish(field.data_type())
        });
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }

    fn set(
        &mut self,
        column: usize,
        value: &[u8],
        put: impl Fn(&mut Slot) -> Result<(), Fault>,
    ) -> Result<(), Misfit> {
        if self.slots[column].valid.len() > self.rows {
            return Err(self.set_twice(column));
        }
        let Err(fault) = put(&mut self.slots[column]) else {
            return Ok(());
        };
        for &sibling in &self.siblings[column] {
            if put(&mut self.slots[sibling]).is_ok() {
                return Ok(());
            }
        }
        Err(self.misfit(column, value, fault))
    }

    fn set_twice(&self, column: usize) -> Misfit {
        Misfit {
            reason: reason::DUPLICATE_KEY,
            detail: format!("column \"{}\" has two values", self.names[column]),
        }
    }

    fn misfit(&self, column: usize, value: &[u8], fault: Fault) -> Misfit {
        let kind = &self.slots[column].kind;
        let (reason, wrong) = match fault {
            Fault::Type => (reason::TYPE, "is not"),
            Fault::Range => (reason::RANGE, "does not fit into"),
            Fault::Utf8 => (reason::UTF8, "is not UTF-8 for"),
        };
        Misfit {
            reason,
            detail: format!(
                "column \"{}\": {} {wrong} {}",
                self.names[column],
                scalar::shown(value),
                scalar::described(kind)
            ),
        }
    }
}

/// The type of the values in the source: an enumeration is a number there.
fn value_kind(column: &Column) -> ColumnType {
    if column.enumeration.is_empty() {
        column.kind.clone()
    } else {
        ColumnType::I64
    }
}

fn siblings(columns: &[Column]) -> Vec<Vec<usize>> {
    let of = |name: &str| {
        let takes = |c: &Column| c.sibling_of.as_deref() == Some(name);
        let places = columns.iter().enumerate();
        places.filter(|(_, c)| takes(c)).map(|(i, _)| i).collect()
    };
    columns.iter().map(|c| of(&c.name)).collect()
}

/// One column while it is built.
struct Slot {
    kind: ColumnType,
    values: Values,
    valid: NullBufferBuilder,
}

/// The values of a column, a default where it is NULL.
enum Values {
    Bool(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    I128(Vec<i128>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bytes { ends: Vec<i32>, data: Vec<u8> },
    List { ends: Vec<i32>, items: Box<Slot> },
}

impl Slot {
    fn new(kind: ColumnType) -> Slot {
        Slot {
            values: Values::new(&kind),
            kind,
            valid: NullBufferBuilder::new(0),
        }
    }

    /// Puts a value into the given row, after the rows that had none.
    fn put(
        &mut self,
        row: usize,
        push: impl FnOnce(&mut Slot) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.fill_to(row);
        push(self)
    }

    fn fill_to(&mut self, rows: usize) {
        while self.valid.len() < rows {
            self.push_null();
        }
    }

    fn push_null(&mut self) {
        self.values.push_default();
        self.valid.append_null();
    }

    fn truncate(&mut self, rows: usize) {
        if self.valid.len() > rows {
            self.valid.truncate(rows);
            self.values.truncate(rows);
        }
    }

    /// A value of delimited text. Blanks around anything but text are ignored.
    fn push_text(&mut self, text: &[u8]) -> Result<(), Fault> {
        match self.kind {
            ColumnType::Text => self.push_utf8(text),
            ColumnType::Json => self.push_json_text(text),
            ColumnType::List(_) => {
                let json = std::str::from_utf8(text).map_err(|_| Fault::Utf8)?;
                let value = serde_json::from_str::<&RawValue>(json).map_err(|_| Fault::Type)?;
                self.push_json(value.get())
            }
            _ => self.push_scalar(text.trim_ascii()),
        }
    }

    /// A JSON value, which is known to be well formed.
    fn push_json(&mut self, json: &str) -> Result<(), Fault> {
        let first = json.as_bytes().first().copied().unwrap_or_default();
        match (first, &self.kind) {
            (b'n', _) => self.push_null(),
            (_, ColumnType::Json) => return self.push_bytes(json.as_bytes()),
            (b'"', _) => return self.push_json_string(&unescape(json)?),
            (_, ColumnType::Text) => return self.push_bytes(json.as_bytes()),
            (b'[', ColumnType::List(_)) => return self.push_list(json),
            (b't' | b'f', ColumnType::Bool) => return self.push_scalar(json.as_bytes()),
            (b'-' | b'0'..=b'9', kind) if scalar::is_number(kind) => {
                return self.push_scalar(json.as_bytes());
            }
            _ => return Err(Fault::Type),
        }
        Ok(())
    }

    /// A JSON string: text, or what JSON has no other spelling for.
    fn push_json_string(&mut self, text: &str) -> Result<(), Fault> {
        match self.kind {
            ColumnType::Text => self.push_bytes(text.as_bytes()),
            ref kind if scalar::is_text_in_json(kind, text) => self.push_scalar(text.as_bytes()),
            _ => Err(Fault::Type),
        }
    }

    fn push_utf8(&mut self, text: &[u8]) -> Result<(), Fault> {
        std::str::from_utf8(text).map_err(|_| Fault::Utf8)?;
        self.push_bytes(text)
    }

    fn push_json_text(&mut self, text: &[u8]) -> Result<(), Fault> {
        let json = std::str::from_utf8(text).map_err(|_| Fault::Utf8)?;
        serde_json::from_str::<&RawValue>(json).map_err(|_| Fault::Type)?;
        self.push_bytes(text)
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Values::Bytes { ends, data } = &mut self.values else {
            return Err(Fault::Type);
        };
        let end = i32::try_from(data.len() + bytes.len()).map_err(|_| Fault::Range)?;
        data.extend_from_slice(bytes);
        ends.push(end);
        self.valid.append_non_null();
        Ok(())
    }

    fn push_list(&mut self, json: &str) -> Result<(), Fault> {
        let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| Fault::Type)?;
        let Values::List { ends, items: slot } = &mut self.values else {
            return Err(Fault::Type);
        };
        let start = slot.valid.len();
        let pushed = items.iter().try_for_each(|i| slot.push_json(i.get()));
        let end = i32::try_from(slot.valid.len()).map_err(|_| Fault::Range);
        match pushed.and(end) {
            Ok(end) => ends.push(end),
            Err(fault) => {
                slot.truncate(start);
                return Err(fault);
            }
        }
        self.valid.append_non_null();
        Ok(())
    }

    /// A value of any kind but text, JSON and list.
    fn push_scalar(&mut self, text: &[u8]) -> Result<(), Fault> {
        match &mut self.values {
            Values::Bool(values) => values.push(scalar::boolean(text)?),
            Values::I8(values) => values.push(narrow(scalar::whole(&self.kind, text)?)?),
            Values::I16(values) => values.push(narrow(scalar::whole(&self.kind, text)?)?),
            Values::I32(values) => values.push(narrow(scalar::whole(&self.kind, text)?)?),
            Values::I64(values) => values.push(narrow(scalar::whole(&self.kind, text)?)?),
            Values::I128(values) => values.push(scalar::decimal(&self.kind, text)?),
            Values::F32(values) => values.push(scalar::single(&self.kind, text)?),
            Values::F64(values) => values.push(scalar::double(text)?),
            Values::Bytes { .. } => return self.push_bytes(&scalar::bytes_of_hex(text)?),
            Values::List { .. } => return Err(Fault::Type),
        }
        self.valid.append_non_null();
        Ok(())
    }

    fn finish(&mut self, data_type: &DataType) -> Result<ArrayRef> {
        let valid = self.valid.finish();
        self.values.finish(data_type, valid)
    }
}

fn narrow<T: TryFrom<i128>>(value: i128) -> Result<T, Fault> {
    T::try_from(value).map_err(|_| Fault::Range)
}

/// The text of a JSON string.
fn unescape(json: &str) -> Result<Cow<'_, str>, Fault> {
    let inside = json.get(1..json.len() - 1).unwrap_or_default();
    if !inside.contains('\\') {
        return Ok(Cow::Borrowed(inside));
    }
    // Half of a surrogate pair is the one escape that is grammatical and no text.
    serde_json::from_str(json)
        .map(Cow::Owned)
        .map_err(|_| Fault::Utf8)
}

impl Values {
    fn new(kind: &ColumnType) -> Values {
        match kind.decoded_type() {
            DataType::Boolean => Values::Bool(Vec::new()),
            DataType::Int8 => Values::I8(Vec::new()),
            DataType::Int16 => Values::I16(Vec::new()),
            DataType::Int32 | DataType::Date32 => Values::I32(Vec::new()),
            DataType::Decimal128(..) => Values::I128(Vec::new()),
            DataType::Float32 => Values::F32(Vec::new()),
            DataType::Float64 => Values::F64(Vec::new()),
            DataType::Utf8 | DataType::Binary => Values::Bytes {
                ends: vec![0],
                data: Vec::new(),
            },
            DataType::List(_) => Values::List {
                ends: vec![0],
                items: Box::new(Slot::new(element(kind))),
            },
            _ => Values::I64(Vec::new()),
        }
    }

    fn push_default(&mut self) {
        match self {
            Values::Bool(values) => values.push(false),
            Values::I8(values) => values.push(0),
            Values::I16(values) => values.push(0),
            Values::I32(values) => values.push(0),
            Values::I64(values) => values.push(0),
            Values::I128(values) => values.push(0),
            Values::F32(values) => values.push(0.0),
            Values::F64(values) => values.push(0.0),
            Values::Bytes { ends, .. } | Values::List { ends, .. } => ends.push(last(ends)),
        }
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Values::Bool(values) => values.truncate(rows),
            Values::I8(values) => values.truncate(rows),
            Values::I16(values) => values.truncate(rows),
            Values::I32(values) => values.truncate(rows),
            Values::I64(values) => values.truncate(rows),
            Values::I128(values) => values.truncate(rows),
            Values::F32(values) => values.truncate(rows),
            Values::F64(values) => values.truncate(rows),
            Values::Bytes { ends, data } => {
                ends.truncate(rows + 1);
                data.truncate(offset(last(ends)));
            }
            Values::List { ends, items } => {
                ends.truncate(rows + 1);
                items.truncate(offset(last(ends)));
            }
        }
    }

    fn finish(&mut self, data_type: &DataType, valid: Option<NullBuffer>) -> Result<ArrayRef> {
        Ok(match self {
            Values::Bool(values) => Arc::new(BooleanArray::new(take(values).into(), valid)),
            Values::I8(values) => Arc::new(Int8Array::new(take(values).into(), valid)),
            Values::I16(values) => Arc::new(Int16Array::new(take(values).into(), valid)),
            Values::I32(values) => ints(take(values).into(), data_type, valid),
            Values::I64(values) => longs(take(values).into(), data_type, valid),
            Values::I128(values) => Arc::new(
                Decimal128Array::new(take(values).into(), valid).with_data_type(data_type.clone()),
            ),
            Values::F32(values) => Arc::new(Float32Array::new(take(values).into(), valid)),
            Values::F64(values) => Arc::new(Float64Array::new(take(values).into(), valid)),
            Values::Bytes { ends, data } => {
                let data = Buffer::from_vec(take(data));
                text_or_binary(offsets(ends), data, data_type, valid)?
            }
            Values::List { ends, items } => lists(offsets(ends), items, data_type, valid)?,
        })
    }
}

/// The element type of a list.
fn element(kind: &ColumnType) -> ColumnType {
    match kind {
        ColumnType::List(element) => (**element).clone(),
        other => other.clone(),
    }
}

fn last(ends: &[i32]) -> i32 {
    ends.last().copied().unwrap_or_default()
}

fn offset(end: i32) -> usize {
    usize::try_from(end).expect("offsets grow from 0")
}

fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let ends = std::mem::replace(ends, vec![0]);
    OffsetBuffer::new(ScalarBuffer::from(ends))
}

fn ints(values: ScalarBuffer<i32>, data_type: &DataType, valid: Option<NullBuffer>) -> ArrayRef {
    match data_type {
        DataType::Date32 => Arc::new(Date32Array::new(values, valid)),
        _ => Arc::new(Int32Array::new(values, valid)),
    }
}

fn longs(values: ScalarBuffer<i64>, data_type: &DataType, valid: Option<NullBuffer>) -> ArrayRef {
    use arrow::datatypes::TimeUnit::{Microsecond, Nanosecond};
    match data_type {
        DataType::Timestamp(Microsecond, zone) => {
            Arc::new(TimestampMicrosecondArray::new(values, valid).with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(Nanosecond, zone) => {
            Arc::new(TimestampNanosecondArray::new(values, valid).with_timezone_opt(zone.clone()))
        }
        _ => Arc::new(Int64Array::new(values, valid)),
    }
}

fn text_or_binary(
    ends: OffsetBuffer<i32>,
    data: Buffer,
    data_type: &DataType,
    valid: Option<NullBuffer>,
) -> Result<ArrayRef> {
    Ok(match data_type {
        DataType::Utf8 => Arc::new(StringArray::try_new(ends, data, valid)?),
        _ => Arc::new(BinaryArray::try_new(ends, data, valid)?),
    })
}

fn lists(
    ends: OffsetBuffer<i32>,
    items: &mut Slot,
    data_type: &DataType,
    valid: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let DataType::List(field) = data_type else {
        return Err(downlake_lake::Error::internal(
            "a list column of another type",
        ));
    };
    let items = items.finish(field.data_type())?;
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        ends,
        items,
        valid,
    )?))
}
