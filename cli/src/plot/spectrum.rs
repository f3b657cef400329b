//! Power spectral density of even samples.
//!
//! The estimate of Welch ("The use of fast Fourier transform for the
//! estimation of power spectra", 1967): segments that overlap by half, each
//! without its mean and under a Hann window, their squared transforms
//! averaged, one-sided and scaled so that the sum over frequency is the
//! variance. Units: that of the values squared, per that of the frequency.
//!
//! Refuses: samples that are not even, or missing, since their spectrum would
//! be one of the holes.

#[cfg(test)]
mod tests;

use std::f64::consts::TAU;
use std::sync::Arc;

use downlake_lake::{Error, Result};
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::axis::Scale;
use super::chart::{Axis, Chart, Marks, Panel, Series};
use super::columns::{Columns, X};
use super::envelope::Envelope;

/// The least number of samples with a spectrum worth the name.
const LEAST_SAMPLES: usize = 16;
/// Segments for which one length is not divided further.
const SEGMENTS: usize = 8;
const SHORTEST_SEGMENT: usize = 256;
const LONGEST_SEGMENT: usize = 65_536;
/// How far a step may be from the mean, as a share of it.
const UNEVENNESS: f64 = 0.1;
/// Powers below this share of the greatest are rounding.
const NOISE_FLOOR: f64 = 1e-16;

/// The samples of a plot.
#[derive(Debug, Default)]
pub(super) struct Samples {
    series: Vec<Sampled>,
}

impl Samples {
    /// # Errors
    /// `Invalid` for a missing sample, and where x does not grow.
    pub(super) fn push(&mut self, series: usize, x: f64, y: f64) -> Result<()> {
        if self.series.len() <= series {
            self.series.resize_with(series + 1, Sampled::default);
        }
        self.series[series].push(x, y)
    }

    /// # Errors
    /// `Invalid` for uneven, too few or constant samples.
    pub(super) fn chart(self, columns: &Columns) -> Result<Chart> {
        let (frequency, scale) = frequency_unit(columns);
        let mut panels: Vec<Panel> = Vec::new();
        let mut captions = Vec::new();
        for (series, sampled) in self.series.into_iter().enumerate() {
            if sampled.count == 0 {
                continue;
            }
            let quantity = columns.quantity(series);
            let name = columns.series_name(series);
            let spectrum = sampled.spectrum(columns, &name)?;
            captions.push(format!(
                "{name}: peak at {} {frequency}",
                significant(spectrum.peak * scale)
            ));
            let unit = density_unit(quantity.unit.as_deref(), &frequency);
            let series = Series {
                name,
                marks: Marks::Lines(spectrum.lines(scale)),
            };
            let label = format!("power density ({unit})");
            match panels.iter_mut().find(|panel| panel.y.label == label) {
                Some(panel) => panel.series.push(series),
                None => panels.push(Panel {
                    x: Axis {
                        label: format!("frequency ({frequency})"),
                        scale: Scale::Number,
                    },
                    y: Axis {
                        label,
                        scale: Scale::Log10,
                    },
                    from_zero: false,
                    series: vec![series],
                }),
            }
        }
        Ok(Chart {
            caption: (!captions.is_empty()).then(|| captions.join("; ")),
            panels,
            notes: Vec::new(),
        })
    }
}

/// The unit of the frequency, and what one per unit of the axis is in it.
fn frequency_unit(columns: &Columns) -> (String, f64) {
    match columns.x_unit() {
        Some("s" | "sec" | "second" | "seconds") => ("Hz".to_owned(), 1.0),
        Some("ms") => ("Hz".to_owned(), 1e3),
        Some("us" | "µs" | "μs") => ("Hz".to_owned(), 1e6),
        Some("ns") => ("Hz".to_owned(), 1e9),
        Some("min") => ("1/min".to_owned(), 1.0),
        Some(unit) => (format!("1/{}", grouped(unit)), 1.0),
        None => (format!("1/{}", columns.x_name()), 1.0),
    }
}

/// The square of a unit, per that of the frequency.
fn density_unit(of_values: Option<&str>, frequency: &str) -> String {
    let squared = of_values.map(|unit| format!("{}²", grouped(unit)));
    match (squared, frequency.strip_prefix("1/")) {
        (Some(squared), Some(inverse)) => format!("{squared}·{inverse}"),
        (Some(squared), None) => format!("{squared}/{frequency}"),
        (None, Some(inverse)) => inverse.to_owned(),
        (None, None) => format!("1/{frequency}"),
    }
}

/// A unit as a factor: `m/s` becomes `(m/s)`.
fn grouped(unit: &str) -> String {
    match unit.chars().all(char::is_alphanumeric) {
        true => unit.to_owned(),
        false => format!("({unit})"),
    }
}

/// Three digits and no zeros behind them.
fn significant(value: f64) -> String {
    let digits = if value == 0.0 {
        0.0
    } else {
        2.0 - value.abs().log10().floor()
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped"
    )]
    let text = format!("{value:.*}", digits.clamp(0.0, 12.0) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The samples of one series.
#[derive(Debug)]
pub(super) struct Sampled {
    count: usize,
    first: f64,
    last: f64,
    shortest: f64,
    longest: (f64, f64),
    waiting: Vec<f64>,
    welch: Option<Welch>,
}

impl Default for Sampled {
    fn default() -> Self {
        Sampled {
            count: 0,
            first: 0.0,
            last: 0.0,
            shortest: f64::INFINITY,
            longest: (0.0, 0.0),
            waiting: Vec::new(),
            welch: None,
        }
    }
}

impl Sampled {
    fn push(&mut self, x: f64, y: f64) -> Result<()> {
        if y.is_nan() {
            return Err(Error::invalid(format!(
                "spectrum: sample {} is NULL or not a number: choose a stretch without holes, or leave such rows out with WHERE and even the rest",
                self.count + 1
            )));
        }
        self.step(x)?;
        self.waiting.push(y);
        match &mut self.welch {
            Some(welch) => welch.take(&mut self.waiting),
            None if self.waiting.len() >= SEGMENTS * LONGEST_SEGMENT => {
                let mut welch = Welch::of(LONGEST_SEGMENT);
                welch.take(&mut self.waiting);
                self.welch = Some(welch);
            }
            None => {}
        }
        Ok(())
    }

    fn step(&mut self, x: f64) -> Result<()> {
        if self.count == 0 {
            self.first = x;
        } else {
            let step = x - self.last;
            if step <= 0.0 {
                return Err(Error::invalid(format!(
                    "spectrum: sample {} is not later than the one before it: add ORDER BY, and a text column where several series are mixed",
                    self.count + 1
                )));
            }
            self.shortest = self.shortest.min(step);
            if step > self.longest.0 {
                self.longest = (step, self.last);
            }
        }
        self.count += 1;
        self.last = x;
        Ok(())
    }

    fn spectrum(mut self, columns: &Columns, name: &str) -> Result<Spectrum> {
        if self.count < LEAST_SAMPLES {
            return Err(Error::invalid(format!(
                "spectrum: \"{name}\" has {} samples, {LEAST_SAMPLES} are the least",
                self.count
            )));
        }
        #[expect(clippy::cast_precision_loss, reason = "numbers of samples")]
        let step = (self.last - self.first) / (self.count - 1) as f64;
        self.refuse_uneven(columns, name, step)?;
        let mut welch = self
            .welch
            .take()
            .unwrap_or_else(|| Welch::of(segment(self.count)));
        welch.take(&mut self.waiting);
        let density = welch.density(step);
        let spectrum = Spectrum::of(density, step * welch.length());
        spectrum.ok_or_else(|| {
            Error::invalid(format!(
                "spectrum: \"{name}\" never changes and has no spectrum"
            ))
        })
    }

    fn refuse_uneven(&self, columns: &Columns, name: &str, step: f64) -> Result<()> {
        let allowed = (UNEVENNESS * step).max(1.5 * columns.x_resolution());
        let (longest, after) = self.longest;
        if longest - step <= allowed && step - self.shortest <= allowed {
            return Ok(());
        }
        let unit = match columns.x {
            X::Time { .. } => " s".to_owned(),
            _ => columns
                .x_unit()
                .map_or_else(String::new, |u| format!(" {u}")),
        };
        Err(Error::invalid(format!(
            "spectrum: the samples of \"{name}\" are not even: steps of {} go from {} to {}{unit}, the longest after {}; \
             choose an even stretch, or make one with avg() over date_bin()",
            columns.x_name(),
            significant(self.shortest),
            significant(longest),
            columns.x_scale().exact(after),
        )))
    }
}

fn segment(samples: usize) -> usize {
    if samples < SHORTEST_SEGMENT {
        return samples;
    }
    let eighth = (samples / SEGMENTS).max(1);
    let power = 1 << eighth.ilog2();
    power.clamp(SHORTEST_SEGMENT, LONGEST_SEGMENT)
}

/// Averages of squared transforms.
struct Welch {
    transform: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    sums: Vec<f64>,
    segments: u32,
}

impl std::fmt::Debug for Welch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Welch")
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

impl Welch {
    fn of(length: usize) -> Welch {
        let transform = RealFftPlanner::<f64>::new().plan_fft_forward(length);
        #[expect(clippy::cast_precision_loss, reason = "a length of a segment")]
        let hann = |i: usize| 0.5 - 0.5 * (TAU * i as f64 / length as f64).cos();
        Welch {
            sums: vec![0.0; length / 2 + 1],
            window: (0..length).map(hann).collect(),
            transform,
            segments: 0,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a length of a segment")]
    fn length(&self) -> f64 {
        self.window.len() as f64
    }

    /// Takes whole segments and leaves what the next one needs.
    fn take(&mut self, samples: &mut Vec<f64>) {
        let length = self.window.len();
        let mut start = 0;
        while samples.len() - start >= length {
            self.add(&samples[start..start + length]);
            start += (length / 2).max(1);
        }
        samples.drain(..start.min(samples.len()));
    }

    fn add(&mut self, segment: &[f64]) {
        let mean = segment.iter().sum::<f64>() / self.length();
        let windowed = segment
            .iter()
            .zip(&self.window)
            .map(|(y, w)| (y - mean) * w);
        let mut input: Vec<f64> = windowed.collect();
        let mut output = vec![Complex::default(); self.sums.len()];
        self.transform
            .process(&mut input, &mut output)
            .expect("the lengths are those of the plan");
        for (sum, value) in self.sums.iter_mut().zip(&output) {
            *sum += value.norm_sqr();
        }
        self.segments += 1;
    }

    /// The density by frequency, from zero.
    fn density(&self, step: f64) -> Vec<f64> {
        let energy: f64 = self.window.iter().map(|w| w * w).sum();
        let scale = step / energy / f64::from(self.segments.max(1));
        let even = self.window.len().is_multiple_of(2);
        let last = self.sums.len() - 1;
        let sides = |i: usize| {
            if i == 0 || (even && i == last) {
                1.0
            } else {
                2.0
            }
        };
        let sums = self.sums.iter().enumerate();
        sums.map(|(i, sum)| sum * scale * sides(i)).collect()
    }
}

/// Where between its neighbours a peak is, from the parabola through the
/// logarithms of the three.
fn vertex(density: &[f64], peak: usize) -> f64 {
    let neighbours = (peak.checked_sub(1), density.get(peak + 1));
    let (Some(before @ 1..), Some(after)) = neighbours else {
        return 0.0;
    };
    let [a, b, c] = [density[before], density[peak], *after].map(f64::ln);
    let shift = 0.5 * (a - c) / (a - 2.0 * b + c);
    if shift.is_finite() {
        shift.clamp(-0.5, 0.5)
    } else {
        0.0
    }
}

/// Densities over frequencies, without that of zero, which the means took.
struct Spectrum {
    /// Frequency (per unit of the axis) and decimal logarithm of the density.
    densities: Vec<(f64, f64)>,
    peak: f64,
}

impl Spectrum {
    fn of(density: Vec<f64>, duration: f64) -> Option<Spectrum> {
        #[expect(clippy::cast_precision_loss, reason = "an index of a segment")]
        let frequency = |i: usize| i as f64 / duration;
        let (peak, greatest) = density
            .iter()
            .enumerate()
            .skip(1)
            .max_by(|a, b| a.1.total_cmp(b.1))?;
        if *greatest <= f64::MIN_POSITIVE {
            return None;
        }
        let floor = greatest * NOISE_FLOOR;
        let step = frequency(1);
        let points = density.iter().enumerate().skip(1);
        Some(Spectrum {
            densities: points
                .map(|(i, density)| (frequency(i), density.max(floor).log10()))
                .collect(),
            peak: frequency(peak) + step * vertex(&density, peak),
        })
    }

    fn lines(&self, scale: f64) -> Vec<Vec<(f64, f64)>> {
        let mut envelope = Envelope::default();
        for (frequency, density) in &self.densities {
            // A density is per frequency, so it shrinks as frequencies grow.
            envelope.push(frequency * scale, density - scale.log10());
        }
        envelope.lines()
    }
}
