//! What is drawn, in numbers: panels with axes and marks.

use super::axis::Scale;
use super::columns::Columns;

/// A picture: panels one below the other.
#[derive(Debug, Default)]
pub(crate) struct Chart {
    /// What is said above the panels, if anything.
    pub(crate) caption: Option<String>,
    pub(crate) panels: Vec<Panel>,
    /// What the person should know beside the picture.
    pub(crate) notes: Vec<String>,
}

/// One pair of axes.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Whether the y axis begins at zero, not near the least value.
    pub(crate) from_zero: bool,
    pub(crate) series: Vec<Series>,
}

/// What an axis is called and how its numbers are said.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
}

/// Marks of one colour.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) marks: Marks,
}

#[derive(Debug)]
pub(crate) enum Marks {
    /// Lines, each without a break, in the order of x.
    Lines(Vec<Vec<(f64, f64)>>),
    Points(Vec<(f64, f64)>),
    /// From, to, and how much.
    Bars(Vec<(f64, f64, f64)>),
}

impl Marks {
    /// The corners of what is drawn.
    fn corners(&self) -> Box<dyn Iterator<Item = (f64, f64)> + '_> {
        match self {
            Marks::Lines(lines) => Box::new(lines.iter().flatten().copied()),
            Marks::Points(points) => Box::new(points.iter().copied()),
            Marks::Bars(bars) => Box::new(
                bars.iter()
                    .flat_map(|&(from, to, height)| [(from, 0.0), (to, height)]),
            ),
        }
    }
}

impl Chart {
    pub(crate) fn is_empty(&self) -> bool {
        let series = self.panels.iter().flat_map(|panel| &panel.series);
        series
            .map(|s| s.marks.corners().next())
            .all(|c| c.is_none())
    }

    /// A panel for each unit, since an axis has one.
    pub(crate) fn by_unit(columns: &Columns, x: &Axis, marks: Vec<(usize, Marks)>) -> Chart {
        let mut groups: Vec<(Option<String>, Vec<usize>, Vec<Series>)> = Vec::new();
        for (series, marks) in marks {
            let unit = columns.quantity(series).unit.clone();
            let named = Series {
                name: columns.series_name(series),
                marks,
            };
            match groups.iter_mut().find(|(there, ..)| *there == unit) {
                Some((_, indexes, group)) => {
                    indexes.push(series);
                    group.push(named);
                }
                None => groups.push((unit, vec![series], vec![named])),
            }
        }
        let panels = groups.into_iter().map(|(unit, indexes, series)| Panel {
            x: x.clone(),
            y: Axis {
                label: group_label(columns, unit.as_deref(), &indexes),
                scale: Scale::Number,
            },
            from_zero: false,
            series,
        });
        Chart {
            panels: panels.collect(),
            ..Chart::default()
        }
    }
}

/// The column's label where the group has one column, else the unit alone.
fn group_label(columns: &Columns, unit: Option<&str>, series: &[usize]) -> String {
    let first = columns.quantity(series[0]);
    let same = series
        .iter()
        .all(|s| columns.quantity(*s).name == first.name);
    match unit {
        _ if same => first.label(),
        Some(unit) => format!("({unit})"),
        None => String::new(),
    }
}

impl Panel {
    /// The ranges of x and y.
    pub(crate) fn ranges(&self) -> ((f64, f64), (f64, f64)) {
        const NOTHING: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);
        let widen = |(low, high): (f64, f64), v: f64| (low.min(v), high.max(v));
        let corners = self.series.iter().flat_map(|s| s.marks.corners());
        let (x, y) = corners.fold((NOTHING, NOTHING), |(xs, ys), (x, y)| {
            (widen(xs, x), widen(ys, y))
        });
        let y = if self.from_zero {
            (y.0.min(0.0), y.1 * 1.05)
        } else {
            padded(y, 0.05)
        };
        let bars = matches!(
            self.series.first(),
            Some(Series {
                marks: Marks::Bars(_),
                ..
            })
        );
        let x = padded(x, if bars { 0.0 } else { 0.01 });
        (x, if y.0 < y.1 { y } else { padded(y, 0.05) })
    }
}

/// A range with some room on both sides, never empty.
fn padded((low, high): (f64, f64), share: f64) -> (f64, f64) {
    if !(low.is_finite() && high.is_finite()) {
        return (0.0, 1.0);
    }
    if low == high {
        let room = if low == 0.0 { 1.0 } else { low.abs() * 0.05 };
        return (low - room, high + room);
    }
    let room = (high - low) * share;
    (low - room, high + room)
}
