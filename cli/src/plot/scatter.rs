//! Clouds of points. Few points are kept as they are; of more, one for each
//! small cell of the plane, and always the outermost ones.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::chart::{Axis, Chart, Marks};
use super::columns::Columns;

/// Points of a series that are kept as they are.
const EXACT_POINTS: usize = 16_384;
/// Cells of a series; a picture has fewer dots that can be told apart.
const MAX_CELLS: usize = 65_536;
/// Cells along an axis at first.
const CELLS_AT_FIRST: f64 = 2048.0;

/// The clouds of a plot.
#[derive(Debug, Default)]
pub(super) struct Points {
    series: Vec<Cloud>,
}

impl Points {
    pub(super) fn push(&mut self, series: usize, x: f64, y: f64) {
        if self.series.len() <= series {
            self.series.resize_with(series + 1, Cloud::default);
        }
        if !y.is_nan() {
            self.series[series].push((x, y));
        }
    }

    pub(super) fn chart(self, columns: &Columns) -> Chart {
        let x = Axis {
            label: columns.x_label(),
            scale: columns.x_scale(),
        };
        let clouds = self.series.into_iter().map(Cloud::points);
        let marks = clouds
            .enumerate()
            .map(|(series, points)| (series, Marks::Points(points)));
        Chart::by_unit(columns, &x, marks.collect())
    }
}

/// One cloud.
#[derive(Debug)]
pub(super) enum Cloud {
    Exact(Vec<(f64, f64)>),
    Cells(Cells),
}

#[derive(Debug)]
pub(super) struct Cells {
    origin: (f64, f64),
    size: (f64, f64),
    cells: HashMap<(i64, i64), (f64, f64)>,
    /// Left, right, lowest, highest.
    outermost: [(f64, f64); 4],
}

impl Default for Cloud {
    fn default() -> Self {
        Cloud::Exact(Vec::new())
    }
}

impl Cloud {
    pub(super) fn push(&mut self, point: (f64, f64)) {
        match self {
            Cloud::Exact(points) => {
                points.push(point);
                if points.len() > EXACT_POINTS {
                    *self = Cloud::Cells(Cells::of(points));
                }
            }
            Cloud::Cells(cells) => cells.push(point),
        }
    }

    /// The points in the order of x, so that the same rows make the same picture.
    pub(super) fn points(self) -> Vec<(f64, f64)> {
        let mut points = match self {
            Cloud::Exact(points) => points,
            Cloud::Cells(cells) => cells
                .outermost
                .into_iter()
                .chain(cells.cells.into_values())
                .collect(),
        };
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        points.dedup();
        points
    }
}

impl Cells {
    fn of(points: &[(f64, f64)]) -> Cells {
        let first = points[0];
        let mut cells = Cells {
            origin: first,
            size: (
                cell_size(points.iter().map(|p| p.0)),
                cell_size(points.iter().map(|p| p.1)),
            ),
            cells: HashMap::new(),
            outermost: [first; 4],
        };
        for point in points {
            cells.push(*point);
        }
        cells
    }

    fn push(&mut self, point: (f64, f64)) {
        let [left, right, lowest, highest] = &mut self.outermost;
        if point.0 < left.0 {
            *left = point;
        }
        if point.0 > right.0 {
            *right = point;
        }
        if point.1 < lowest.1 {
            *lowest = point;
        }
        if point.1 > highest.1 {
            *highest = point;
        }
        let cell = self.cell(point);
        self.cells.entry(cell).or_insert(point);
        while self.cells.len() > MAX_CELLS {
            self.coarsen();
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is beyond the ends of i64 shares its last cell"
    )]
    fn cell(&self, (x, y): (f64, f64)) -> (i64, i64) {
        let index = |v: f64, origin: f64, size: f64| ((v - origin) / size).floor() as i64;
        (
            index(x, self.origin.0, self.size.0),
            index(y, self.origin.1, self.size.1),
        )
    }

    fn coarsen(&mut self) {
        self.size = (self.size.0 * 2.0, self.size.1 * 2.0);
        let fine = std::mem::take(&mut self.cells);
        for ((column, row), point) in fine {
            let cell = (column.div_euclid(2), row.div_euclid(2));
            self.cells.entry(cell).or_insert(point);
        }
    }
}

fn cell_size(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    let smallest = f64::MIN_POSITIVE.max(low.abs().max(high.abs()) * f64::EPSILON);
    ((high - low) / CELLS_AT_FIRST).max(smallest)
}
