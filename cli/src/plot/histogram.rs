//! How often values occur, in bins with round borders.
//!
//! The width is that of Freedman and Diaconis ("On the histogram as a density
//! estimator", 1981): twice the range of the middle half of the values, over
//! the cube root of their number; for few values that of Sturges ("The choice
//! of a class interval", 1926): the range over one more than the binary
//! logarithm of their number. It is rounded to 1, 2 or 5 times a power of
//! ten; whole numbers get no bins narrower than 1. Counts are exact: values
//! are counted by steps of a power of ten, of which every bin is a multiple.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::axis::{Scale, round_up};
use super::chart::{Axis, Chart, Marks, Panel, Series};
use super::columns::Columns;

/// Steps that are counted before they are joined by tens.
const MAX_STEPS: usize = 16_384;
/// Steps over the range at first.
const STEPS_AT_FIRST: f64 = 8192.0;
/// Values that are kept as they are, to choose the first step.
const EXACT_VALUES: usize = 16_384;
/// Bins of a histogram, at most.
const MAX_BINS: f64 = 40.0;
/// Rounding up from this share of a width is rounding to about the nearest.
const ROUNDING: f64 = 0.7;

/// The histograms of a plot.
#[derive(Debug, Default)]
pub(super) struct Counts {
    series: Vec<Histogram>,
}

impl Counts {
    pub(super) fn push(&mut self, series: usize, y: f64) {
        if self.series.len() <= series {
            self.series.resize_with(series + 1, Histogram::default);
        }
        if !y.is_nan() {
            self.series[series].push(y);
        }
    }

    /// A panel for each series: bars over bars hide each other.
    pub(super) fn chart(self, columns: &Columns) -> Chart {
        let several = self.series.len() > columns.y.len();
        let bins = self.series.into_iter().map(Histogram::bins);
        let panels = bins.enumerate().filter(|(_, bins)| !bins.is_empty());
        let panels = panels.map(|(series, bins)| {
            let name = columns.series_name(series);
            let label = columns.quantity(series).label();
            Panel {
                x: Axis {
                    label,
                    scale: Scale::Number,
                },
                y: Axis {
                    label: if several {
                        format!("rows, {name}")
                    } else {
                        "rows".to_owned()
                    },
                    scale: Scale::Number,
                },
                from_zero: true,
                series: vec![Series {
                    name,
                    marks: Marks::Bars(bins),
                }],
            }
        });
        Chart {
            panels: panels.collect(),
            ..Chart::default()
        }
    }
}

/// The values of one series.
#[derive(Debug)]
pub(super) struct Histogram {
    exact: Vec<f64>,
    steps: Option<Steps>,
    whole: bool,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            exact: Vec::new(),
            steps: None,
            whole: true,
        }
    }
}

/// Counts by multiples of a power of ten.
#[derive(Debug)]
struct Steps {
    exponent: i32,
    counts: BTreeMap<i64, u64>,
}

impl Histogram {
    pub(super) fn push(&mut self, value: f64) {
        self.whole &= value.fract() == 0.0;
        match &mut self.steps {
            Some(steps) => steps.count(value, 1),
            None => {
                self.exact.push(value);
                if self.exact.len() > EXACT_VALUES {
                    self.steps = Some(Steps::of(&std::mem::take(&mut self.exact)));
                }
            }
        }
    }

    /// Bins without a hole between them: from, to, how many.
    pub(super) fn bins(self) -> Vec<(f64, f64, f64)> {
        let steps = self.steps.unwrap_or_else(|| Steps::of(&self.exact));
        let (Some(first), Some(last)) = (steps.counts.keys().next(), steps.counts.keys().last())
        else {
            return Vec::new();
        };
        let (first, last) = (steps.value(*first), steps.value(*last + 1));
        let least = if self.whole { 1.0 } else { 0.0 };
        let span = last - first;
        let width = steps.bin_width(span).max(span / MAX_BINS) * ROUNDING;
        let width = round_up(width.max(least).max(steps.width()));
        let mut bins: BTreeMap<i64, u64> = BTreeMap::new();
        for (index, count) in &steps.counts {
            *bins
                .entry(floor_index(steps.value(*index), width))
                .or_default() += count;
        }
        filled(&bins, width)
    }
}

fn filled(bins: &BTreeMap<i64, u64>, width: f64) -> Vec<(f64, f64, f64)> {
    let (Some(first), Some(last)) = (bins.keys().next(), bins.keys().last()) else {
        return Vec::new();
    };
    #[expect(clippy::cast_precision_loss, reason = "drawn, not counted with")]
    let bin = |index: i64| {
        let count = bins.get(&index).copied().unwrap_or(0);
        (
            index as f64 * width,
            (index + 1) as f64 * width,
            count as f64,
        )
    };
    (*first..=*last).map(bin).collect()
}

impl Steps {
    fn of(values: &[f64]) -> Steps {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let span = greatest - least;
        // The step must be one that the values can tell apart.
        let span = if span > 0.0 {
            span
        } else {
            least.abs().max(1.0)
        };
        let finest = (span / STEPS_AT_FIRST).max(least.abs().max(greatest.abs()) * 1e-15);
        #[expect(clippy::cast_possible_truncation, reason = "within 308 either way")]
        let exponent = finest.log10().floor() as i32;
        let mut steps = Steps {
            exponent,
            counts: BTreeMap::new(),
        };
        for value in values {
            steps.count(*value, 1);
        }
        steps
    }

    fn width(&self) -> f64 {
        power_of_ten(self.exponent)
    }

    #[expect(clippy::cast_precision_loss, reason = "borders are drawn")]
    fn value(&self, index: i64) -> f64 {
        index as f64 * self.width()
    }

    fn count(&mut self, value: f64, many: u64) {
        *self
            .counts
            .entry(floor_index(value, self.width()))
            .or_default() += many;
        while self.counts.len() > MAX_STEPS {
            self.exponent += 1;
            for (index, many) in std::mem::take(&mut self.counts) {
                *self.counts.entry(index.div_euclid(10)).or_default() += many;
            }
        }
    }

    fn bin_width(&self, span: f64) -> f64 {
        let all: u64 = self.counts.values().sum();
        let (low, high) = (self.quantile(all / 4), self.quantile(all - all / 4));
        #[expect(clippy::cast_precision_loss, reason = "a rule of thumb")]
        let all = all as f64;
        let of_few = span / (all.log2() + 1.0);
        let of_many = 2.0 * (high - low) / all.cbrt();
        if of_many > 0.0 {
            of_many.min(of_few)
        } else {
            of_few
        }
    }

    /// The value below which about so many are.
    fn quantile(&self, many: u64) -> f64 {
        let mut below = 0;
        for (index, count) in &self.counts {
            below += count;
            if below >= many.max(1) {
                return self.value(*index);
            }
        }
        0.0
    }
}

fn power_of_ten(exponent: i32) -> f64 {
    // Negative powers are not exact; a quotient is the nearest there is.
    if exponent < 0 {
        1.0 / 10f64.powi(-exponent)
    } else {
        10f64.powi(exponent)
    }
}

/// The multiple of the width at or below a value. A value that is a multiple
/// but for rounding is taken as one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what is beyond the ends of i64 shares its last bin"
)]
fn floor_index(value: f64, width: f64) -> i64 {
    let quotient = value / width;
    let nearest = quotient.round();
    if (quotient - nearest).abs() <= 1e-9 * nearest.abs().max(1.0) && quotient.abs() < 1e8 {
        nearest as i64
    } else {
        quotient.floor() as i64
    }
}
