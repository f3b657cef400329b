//! Lines that keep their extremes: of each narrow column of the axis the
//! first, the last, the least and the greatest value.
//!
//! Few rows are kept as they are. Of more, columns of equal width are kept,
//! and where they get too many, neighbours are joined. A column is narrower
//! than what a screen can show, so the picture is that of all rows. Rows may
//! come in any order.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::chart::{Axis, Chart, Marks};
use super::columns::Columns;

/// Rows of a series that are kept as they are.
const EXACT_ROWS: usize = 8192;
/// Columns of a series.
const MAX_COLUMNS: usize = 4096;

/// The lines of a plot.
#[derive(Debug, Default)]
pub(super) struct Lines {
    series: Vec<Envelope>,
}

impl Lines {
    pub(super) fn push(&mut self, series: usize, x: f64, y: f64) {
        if self.series.len() <= series {
            self.series.resize_with(series + 1, Envelope::default);
        }
        self.series[series].push(x, y);
    }

    pub(super) fn chart(self, columns: &Columns) -> Chart {
        let x = Axis {
            label: columns.x_label(),
            scale: columns.x_scale(),
        };
        let lines = self.series.into_iter().map(Envelope::lines);
        let marks = lines
            .enumerate()
            .map(|(series, lines)| (series, Marks::Lines(lines)));
        Chart::by_unit(columns, &x, marks.collect())
    }
}

/// One line.
#[derive(Debug)]
pub(super) enum Envelope {
    Exact(Vec<(f64, f64)>),
    Columns(Folded),
}

#[derive(Debug)]
pub(super) struct Folded {
    origin: f64,
    width: f64,
    /// The column that the last row went to; rows mostly come in order.
    current: (i64, Column),
    columns: BTreeMap<i64, Column>,
}

/// The rows of one column.
#[derive(Debug, Clone, Copy, Default)]
struct Column {
    kept: Option<Kept>,
    /// Where the first and the last row without a number are.
    gap: Option<(f64, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    first: (f64, f64),
    last: (f64, f64),
    least: (f64, f64),
    greatest: (f64, f64),
}

impl Default for Envelope {
    fn default() -> Self {
        Envelope::Exact(Vec::new())
    }
}

impl Envelope {
    /// A row; `y` is NaN where the line breaks.
    pub(super) fn push(&mut self, x: f64, y: f64) {
        match self {
            Envelope::Exact(rows) => {
                rows.push((x, y));
                if rows.len() > EXACT_ROWS {
                    *self = Envelope::Columns(Folded::of(rows));
                }
            }
            Envelope::Columns(folded) => folded.push(x, y),
        }
    }

    /// The line in pieces without a break.
    pub(super) fn lines(self) -> Vec<Vec<(f64, f64)>> {
        let mut rows = match self {
            Envelope::Exact(rows) => rows,
            Envelope::Columns(folded) => folded.rows(),
        };
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let pieces = rows.split(|(_, y)| y.is_nan());
        pieces
            .filter(|p| !p.is_empty())
            .map(<[_]>::to_vec)
            .collect()
    }
}

impl Folded {
    fn of(rows: &[(f64, f64)]) -> Folded {
        let least = rows.iter().map(|r| r.0).fold(f64::INFINITY, f64::min);
        let greatest = rows.iter().map(|r| r.0).fold(f64::NEG_INFINITY, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let width = (greatest - least) / MAX_COLUMNS as f64;
        let smallest = f64::MIN_POSITIVE.max(least.abs().max(greatest.abs()) * f64::EPSILON);
        let mut folded = Folded {
            origin: least,
            width: width.max(smallest),
            current: (0, Column::default()),
            columns: BTreeMap::new(),
        };
        for (x, y) in rows {
            folded.push(*x, *y);
        }
        folded
    }

    fn push(&mut self, x: f64, y: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what is beyond the ends of i64 shares its last column"
        )]
        let index = ((x - self.origin) / self.width).floor() as i64;
        if index != self.current.0 {
            self.put_current();
            self.current.0 = index;
            if self.columns.len() > MAX_COLUMNS {
                self.widen();
                return self.push(x, y);
            }
        }
        self.current.1.join(&Column::of(x, y));
    }

    fn put_current(&mut self) {
        let (index, column) = (self.current.0, std::mem::take(&mut self.current.1));
        if column.kept.is_some() || column.gap.is_some() {
            self.columns.entry(index).or_default().join(&column);
        }
    }

    /// Joins neighbours until there are half as many columns.
    fn widen(&mut self) {
        while self.columns.len() > MAX_COLUMNS / 2 {
            self.width *= 2.0;
            let narrow = std::mem::take(&mut self.columns);
            for (index, column) in narrow {
                self.columns
                    .entry(index.div_euclid(2))
                    .or_default()
                    .join(&column);
            }
        }
        self.current = (i64::MIN, Column::default());
    }

    fn rows(mut self) -> Vec<(f64, f64)> {
        self.put_current();
        self.columns.values().flat_map(Column::rows).collect()
    }
}

impl Column {
    fn of(x: f64, y: f64) -> Column {
        if y.is_nan() {
            return Column {
                kept: None,
                gap: Some((x, x)),
            };
        }
        let row = (x, y);
        Column {
            kept: Some(Kept {
                first: row,
                last: row,
                least: row,
                greatest: row,
            }),
            gap: None,
        }
    }

    fn join(&mut self, other: &Column) {
        self.gap = match (self.gap, other.gap) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        self.kept = match (self.kept, other.kept) {
            (Some(a), Some(b)) => Some(a.joined(&b)),
            (a, b) => a.or(b),
        };
    }

    /// At most four rows with numbers, and where the line breaks.
    fn rows(&self) -> Vec<(f64, f64)> {
        let mut rows = Vec::new();
        if let Some(kept) = &self.kept {
            rows = vec![kept.first, kept.least, kept.greatest, kept.last];
            rows.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows.dedup();
        }
        if let Some((first, last)) = self.gap {
            rows.extend([(first, f64::NAN), (last, f64::NAN)]);
        }
        rows
    }
}

impl Kept {
    fn joined(&self, other: &Kept) -> Kept {
        let pick = |a: (f64, f64), b: (f64, f64), second: bool| if second { b } else { a };
        Kept {
            first: pick(self.first, other.first, other.first.0 < self.first.0),
            last: pick(self.last, other.last, other.last.0 >= self.last.0),
            least: pick(self.least, other.least, other.least.1 < self.least.1),
            greatest: pick(
                self.greatest,
                other.greatest,
                other.greatest.1 > self.greatest.1,
            ),
        }
    }
}
