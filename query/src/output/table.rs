//! Aligned text for people. Column widths come from the first rows; wider
//! cells further down are folded like those that are wider than the screen.
//! Where the columns do not fit beside each other at all, each row is a
//! block of `name | value` lines.

use std::io::Write;

use arrow::array::Array;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use downlake_lake::Result;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{BatchWriter, NanStyle, OutputOptions, cell, json, output_error};

/// Rows that are held back to find the widths of columns.
const SAMPLE_ROWS: usize = 1000;

/// A column is folded to this width before the table becomes blocks.
const NARROWEST: usize = 8;

pub(super) struct TableWriter<'a> {
    out: &'a mut (dyn Write + Send),
    names: Vec<String>,
    right: Vec<bool>,
    width: Option<usize>,
    max_rows: Option<u64>,
    sample: Vec<Vec<String>>,
    layout: Option<Layout>,
    rows: u64,
}

/// How rows are set, once it is decided.
#[derive(Debug, Clone)]
enum Layout {
    Columns(Vec<usize>),
    Blocks,
}

impl<'a> TableWriter<'a> {
    pub(super) fn new(
        schema: &SchemaRef,
        out: &'a mut (dyn Write + Send),
        options: &OutputOptions,
    ) -> Self {
        let fields = schema.fields();
        TableWriter {
            out,
            names: fields.iter().map(|field| one_line(field.name())).collect(),
            right: fields
                .iter()
                .map(|field| field.data_type().is_numeric())
                .collect(),
            width: options.width,
            max_rows: options.max_rows,
            sample: Vec::new(),
            layout: None,
            rows: 0,
        }
    }

    /// Shows a row, now or when the sample is complete.
    fn take(&mut self, row: Vec<String>) -> Result<()> {
        if let Some(layout) = self.layout.clone() {
            return self.set_row(&layout, &row);
        }
        self.sample.push(row);
        if self.sample.len() >= SAMPLE_ROWS {
            self.set_sample()?;
        }
        Ok(())
    }

    fn set_sample(&mut self) -> Result<()> {
        let layout = self.choose_layout();
        self.layout = Some(layout.clone());
        if let Layout::Columns(widths) = &layout {
            self.set_cells(widths, &self.names.clone(), &vec![false; self.names.len()])?;
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            self.line(&rules.join("+"))?;
        }
        for row in std::mem::take(&mut self.sample) {
            self.set_row(&layout, &row)?;
        }
        Ok(())
    }

    fn choose_layout(&self) -> Layout {
        let mut widths: Vec<usize> = self.names.iter().map(|name| name.width().max(1)).collect();
        for row in &self.sample {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        match self.width {
            Some(width) => fit(widths, width).map_or(Layout::Blocks, Layout::Columns),
            None => Layout::Columns(widths),
        }
    }

    fn set_row(&mut self, layout: &Layout, row: &[String]) -> Result<()> {
        match layout {
            Layout::Columns(widths) => self.set_cells(widths, row, &self.right.clone()),
            Layout::Blocks => self.set_block(row),
        }
    }

    fn set_cells(&mut self, widths: &[usize], cells: &[String], right: &[bool]) -> Result<()> {
        let folded: Vec<Vec<String>> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| fold(cell, *width))
            .collect();
        let height = folded.iter().map(Vec::len).max().unwrap_or(1);
        for at in 0..height {
            let parts = folded
                .iter()
                .zip(widths)
                .zip(right)
                .map(|((lines, width), right)| {
                    pad(lines.get(at).map_or("", String::as_str), *width, *right)
                });
            let line = parts.collect::<Vec<_>>().join("|");
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    fn set_block(&mut self, row: &[String]) -> Result<()> {
        let widest = self
            .names
            .iter()
            .map(|name| name.width())
            .max()
            .unwrap_or(0);
        self.line("-")?;
        for (name, cell) in self.names.clone().iter().zip(row) {
            let line = format!("{}|{}", pad(name, widest, false), pad(cell, 0, false));
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.out, "{text}").map_err(output_error)
    }
}

impl BatchWriter for TableWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for row in 0..batch.num_rows() {
            self.rows += 1;
            if self.max_rows.is_some_and(|most| self.rows > most) {
                continue;
            }
            let cells = batch.columns().iter().map(|column| text(column, row));
            let cells = cells.collect::<Result<_>>()?;
            self.take(cells)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.layout.is_none() {
            self.set_sample()?;
        }
        let hidden = self
            .max_rows
            .map_or(0, |most| self.rows.saturating_sub(most));
        if hidden > 0 {
            self.line(&format!("... {hidden} rows more"))?;
        }
        self.out.flush().map_err(output_error)
    }
}

fn text(array: &dyn Array, row: usize) -> Result<String> {
    if array.is_null(row) {
        return Ok("NULL".to_owned());
    }
    let mut text = Vec::new();
    if cell::is_nested(array.data_type()) {
        json::write_value(array, row, NanStyle::Text, &mut text)?;
    } else {
        cell::write_scalar(array, row, &mut text)?;
    }
    Ok(one_line(&String::from_utf8_lossy(&text)))
}

/// Control characters would break the table, so they are shown escaped.
fn one_line(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// Takes from the widest columns until the table fits; `None` where even
/// narrow columns do not.
fn fit(mut widths: Vec<usize>, screen: usize) -> Option<Vec<usize>> {
    let borders = widths.len() * 3;
    let most = screen.checked_sub(borders.saturating_sub(1))?;
    let mut total: usize = widths.iter().sum();
    while total > most {
        let widest = widths.iter_mut().max()?;
        if *widest <= NARROWEST {
            return None;
        }
        *widest -= 1;
        total -= 1;
    }
    Some(widths)
}

/// The text in lines of at most `width` columns of the terminal.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > width && used > 0 {
            lines.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(line) = lines.last_mut() {
            line.push(c);
        }
    }
    lines
}

fn pad(text: &str, width: usize, right: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.width()));
    if right {
        format!(" {blanks}{text} ")
    } else {
        format!(" {text}{blanks} ")
    }
}
