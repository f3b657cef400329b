//! JSON lines: one object a row, every column in it, NULL as null.

use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::take;
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use downlake_lake::{Error, Result};

use super::{BatchWriter, NanStyle, cell, output_error};

pub(super) struct JsonWriter<'a> {
    out: &'a mut (dyn Write + Send),
    /// `"name":` of each column.
    keys: Vec<Vec<u8>>,
    lines: Vec<u8>,
    nan: NanStyle,
}

impl<'a> JsonWriter<'a> {
    pub(super) fn new(schema: &SchemaRef, out: &'a mut (dyn Write + Send), nan: NanStyle) -> Self {
        let key = |name: &str| {
            let mut key = Vec::new();
            write_text(name, &mut key);
            key.push(b':');
            key
        };
        let keys = schema
            .fields()
            .iter()
            .map(|field| key(field.name()))
            .collect();
        JsonWriter {
            out,
            keys,
            lines: Vec::new(),
            nan,
        }
    }
}

impl BatchWriter for JsonWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.lines.clear();
        for row in 0..batch.num_rows() {
            self.lines.push(b'{');
            for (index, (key, column)) in self.keys.iter().zip(batch.columns()).enumerate() {
                separate(index, &mut self.lines);
                self.lines.extend_from_slice(key);
                write_value(column, row, self.nan, &mut self.lines)?;
            }
            self.lines.extend_from_slice(b"}\n");
        }
        self.out.write_all(&self.lines).map_err(output_error)
    }

    fn finish(&mut self) -> Result<()> {
        self.out.flush().map_err(output_error)
    }
}

/// Writes a value of any type.
pub(super) fn write_value(
    array: &dyn Array,
    row: usize,
    nan: NanStyle,
    out: &mut Vec<u8>,
) -> Result<()> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Float16 => {
            let value = f64::from(array.as_primitive::<Float16Type>().value(row));
            write_float(array, row, value, nan, out)
        }
        DataType::Float32 => {
            let value = f64::from(array.as_primitive::<Float32Type>().value(row));
            write_float(array, row, value, nan, out)
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            write_float(array, row, value, nan, out)
        }
        data_type if is_bare(data_type) => cell::write_scalar(array, row, out),
        DataType::Utf8 => write_str(array.as_string::<i32>().value(row), out),
        DataType::Utf8View => write_str(array.as_string_view().value(row), out),
        DataType::List(_) => write_list(&array.as_list::<i32>().value(row), nan, out),
        DataType::LargeList(_) => write_list(&array.as_list::<i64>().value(row), nan, out),
        DataType::FixedSizeList(_, _) => {
            write_list(&array.as_fixed_size_list().value(row), nan, out)
        }
        DataType::Struct(_) => write_struct(array, row, nan, out),
        DataType::Map(_, _) => write_map(array, row, nan, out),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let key = dictionary.keys().slice(row, 1);
            write_value(&take(dictionary.values(), &key, None)?, 0, nan, out)
        }
        data_type if data_type.is_nested() => Err(Error::invalid(format!(
            "type {data_type} has no form in JSON"
        ))),
        _ => write_quoted_scalar(array, row, out),
    }
}

/// Types whose text is JSON as it stands.
fn is_bare(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Boolean | DataType::Decimal128(_, _) | DataType::Decimal256(_, _)
        )
}

fn write_float(
    array: &dyn Array,
    row: usize,
    value: f64,
    nan: NanStyle,
    out: &mut Vec<u8>,
) -> Result<()> {
    match (value.is_finite(), nan) {
        (true, _) => cell::write_scalar(array, row, out),
        (false, NanStyle::Null) => {
            out.extend_from_slice(b"null");
            Ok(())
        }
        (false, NanStyle::Text) => write_quoted_scalar(array, row, out),
    }
}

fn write_quoted_scalar(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<()> {
    let mut text = Vec::new();
    cell::write_scalar(array, row, &mut text)?;
    write_str(&String::from_utf8_lossy(&text), out)
}

fn write_str(text: &str, out: &mut Vec<u8>) -> Result<()> {
    write_text(text, out);
    Ok(())
}

fn write_list(items: &ArrayRef, nan: NanStyle, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'[');
    for row in 0..items.len() {
        separate(row, out);
        write_value(items, row, nan, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_struct(array: &dyn Array, row: usize, nan: NanStyle, out: &mut Vec<u8>) -> Result<()> {
    let values = array.as_struct();
    out.push(b'{');
    for (index, (name, column)) in values
        .column_names()
        .iter()
        .zip(values.columns())
        .enumerate()
    {
        separate(index, out);
        write_text(name, out);
        out.push(b':');
        write_value(column, row, nan, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// A map is an object; keys that are no text are written as their text.
fn write_map(array: &dyn Array, row: usize, nan: NanStyle, out: &mut Vec<u8>) -> Result<()> {
    let entries = array.as_map().value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    out.push(b'{');
    for entry in 0..entries.len() {
        separate(entry, out);
        write_quoted_scalar(keys, entry, out)?;
        out.push(b':');
        write_value(values, entry, nan, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

/// A JSON string (RFC 8259, section 7): escapes the quote, the backslash and
/// control characters.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
