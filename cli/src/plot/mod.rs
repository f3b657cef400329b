//! Pictures of query results: line, scatter, histogram and spectrum.
//!
//! Promises: memory is bounded whatever the number of rows; an extreme that
//! is in the rows is in the picture; NULL and NaN break a line; axes carry
//! the units that the definitions of the columns say. One drawing serves the
//! terminal, SVG and PNG. Refuses: to plot what it would have to guess, such
//! as rows without numbers, or the spectrum of uneven samples.

mod axis;
mod braille;
mod chart;
mod columns;
mod draw;
mod envelope;
mod histogram;
mod scatter;
mod spectrum;
mod target;

use std::str::FromStr;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use downlake_lake::{Error, Result};

use columns::{Columns, Row};

pub(crate) use chart::Chart;
pub(crate) use target::{FileTarget, Screen};

/// What is drawn of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PlotKind {
    /// The values over the first column of time, or of numbers.
    #[default]
    Line,
    /// The same as points.
    Scatter,
    /// How often values occur.
    Histogram,
    /// The power spectral density of even samples.
    Spectrum,
}

impl PlotKind {
    /// The kinds, as they are written.
    pub(crate) const NAMES: [&str; 4] = ["line", "scatter", "histogram", "spectrum"];
}

impl FromStr for PlotKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<PlotKind> {
        match text.to_ascii_lowercase().as_str() {
            "line" => Ok(PlotKind::Line),
            "scatter" => Ok(PlotKind::Scatter),
            "histogram" => Ok(PlotKind::Histogram),
            "spectrum" => Ok(PlotKind::Spectrum),
            _ => Err(Error::invalid(format!(
                "no plot \"{text}\": one of {}",
                PlotKind::NAMES.join(", ")
            ))),
        }
    }
}

/// What is kept of the rows of each kind.
#[derive(Debug)]
enum Kept {
    Lines(envelope::Lines),
    Points(scatter::Points),
    Counts(histogram::Counts),
    Samples(spectrum::Samples),
}

/// A plot that takes the batches of one schema.
#[derive(Debug)]
pub(crate) struct Plot {
    columns: Columns,
    kept: Kept,
    skipped: u64,
}

impl Plot {
    /// # Errors
    /// `Invalid` where the columns cannot be plotted; says which there are.
    pub(crate) fn try_new(kind: PlotKind, schema: &SchemaRef) -> Result<Plot> {
        let columns = Columns::of(kind, schema)?;
        let kept = match kind {
            PlotKind::Line => Kept::Lines(envelope::Lines::default()),
            PlotKind::Scatter => Kept::Points(scatter::Points::default()),
            PlotKind::Histogram => Kept::Counts(histogram::Counts::default()),
            PlotKind::Spectrum => Kept::Samples(spectrum::Samples::default()),
        };
        Ok(Plot {
            columns,
            kept,
            skipped: 0,
        })
    }

    /// Takes the rows of a batch.
    ///
    /// # Errors
    /// `Invalid` where the values cannot be plotted.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let Plot {
            columns,
            kept,
            skipped,
        } = self;
        columns.read(batch, |Row { x, series, y }| {
            if !x.is_finite() {
                *skipped += 1;
                return Ok(());
            }
            match kept {
                Kept::Lines(lines) => lines.push(series, x, y),
                Kept::Points(points) => points.push(series, x, y),
                Kept::Counts(counts) => counts.push(series, y),
                Kept::Samples(samples) => return samples.push(series, x, y),
            }
            Ok(())
        })
    }

    /// The chart of all rows.
    ///
    /// # Errors
    /// `Invalid` where the rows have nothing to draw.
    pub(crate) fn finish(self) -> Result<Chart> {
        let mut chart = match self.kept {
            Kept::Lines(lines) => lines.chart(&self.columns),
            Kept::Points(points) => points.chart(&self.columns),
            Kept::Counts(counts) => counts.chart(&self.columns),
            Kept::Samples(samples) => samples.chart(&self.columns)?,
        };
        if chart.is_empty() {
            return Err(Error::invalid(
                "plot: there is nothing to draw: the rows hold no numbers, only NULL and NaN, or there are none",
            ));
        }
        if self.skipped > 0 {
            chart.notes.push(format!(
                "{} rows have no {} and are left out",
                self.skipped,
                self.columns.x_name()
            ));
        }
        Ok(chart)
    }
}
