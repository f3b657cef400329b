//! CSV as RFC 4180 has it, with line feeds; NULL is empty, the empty text
//! `""`; nested values are JSON.

use std::io::Write;

use arrow::array::Array;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use downlake_lake::Result;

use super::{BatchWriter, NanStyle, cell, json, output_error};

pub(super) struct CsvWriter<'a> {
    out: &'a mut (dyn Write + Send),
    lines: Vec<u8>,
    field: Vec<u8>,
}

impl<'a> CsvWriter<'a> {
    pub(super) fn try_new(schema: &SchemaRef, out: &'a mut (dyn Write + Send)) -> Result<Self> {
        let mut lines = Vec::new();
        for (index, field) in schema.fields().iter().enumerate() {
            separate(index, &mut lines);
            write_quoted(field.name().as_bytes(), &mut lines);
        }
        lines.push(b'\n');
        out.write_all(&lines).map_err(output_error)?;
        Ok(CsvWriter {
            out,
            lines: Vec::new(),
            field: Vec::new(),
        })
    }

    fn write_field(&mut self, array: &dyn Array, row: usize) -> Result<()> {
        if array.is_null(row) {
            return Ok(());
        }
        self.field.clear();
        if cell::is_nested(array.data_type()) {
            json::write_value(array, row, NanStyle::Text, &mut self.field)?;
        } else {
            cell::write_scalar(array, row, &mut self.field)?;
        }
        write_quoted(&self.field, &mut self.lines);
        Ok(())
    }
}

impl BatchWriter for CsvWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.lines.clear();
        for row in 0..batch.num_rows() {
            for (index, column) in batch.columns().iter().enumerate() {
                separate(index, &mut self.lines);
                self.write_field(column, row)?;
            }
            self.lines.push(b'\n');
        }
        self.out.write_all(&self.lines).map_err(output_error)
    }

    fn finish(&mut self) -> Result<()> {
        self.out.flush().map_err(output_error)
    }
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

fn write_quoted(field: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| !matches!(byte, b',' | b'"' | b'\n' | b'\r');
    if !field.is_empty() && field.iter().all(plain) {
        out.extend_from_slice(field);
        return;
    }
    out.push(b'"');
    for &byte in field {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
