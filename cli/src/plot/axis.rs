//! Numbers of an axis and how they are said: round ticks, short labels.

#[cfg(test)]
mod tests;

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};

/// What the numbers of an axis are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    Number,
    /// Decimal logarithms of what is said.
    Log10,
    /// Seconds since an instant, in nanoseconds since 1970.
    Time {
        origin_nanos: i128,
    },
}

/// Where ticks are and what they say.
#[derive(Debug, PartialEq)]
pub(crate) struct Ticks {
    pub(crate) at: Vec<(f64, String)>,
    /// What all labels leave out, such as the day of all times.
    pub(crate) shared: Option<String>,
}

impl Scale {
    /// Round places within a range, at most so many.
    pub(crate) fn ticks(self, range: (f64, f64), most: usize) -> Ticks {
        match self {
            Scale::Number => plain(number_ticks(range, most)),
            Scale::Log10 => plain(log_ticks(range, most)),
            Scale::Time { origin_nanos } => time_ticks(origin_nanos, range, most),
        }
    }

    /// One number in full.
    pub(crate) fn exact(self, value: f64) -> String {
        match self {
            Scale::Number => format!("{value}"),
            Scale::Log10 => format!("1e{value}"),
            Scale::Time { origin_nanos } => instant(origin_nanos, value).map_or_else(
                || format!("{value} s"),
                |time| time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string(),
            ),
        }
    }
}

fn plain(at: Vec<(f64, String)>) -> Ticks {
    Ticks { at, shared: None }
}

/// The next of 1, 2, 5 times a power of ten, at or above a positive number.
pub(crate) fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let candidates = [1.0, 2.0, 5.0, 10.0].map(|digit| {
        // Below one, dividing by the inverse gives the nearest number.
        if power < 1.0 {
            digit / (1.0 / power).round()
        } else {
            digit * power
        }
    });
    let enough = candidates.iter().find(|c| **c >= value * (1.0 - 1e-12));
    enough.copied().unwrap_or(power * 10.0)
}

/// The multiples of a step in a range.
fn multiples((low, high): (f64, f64), step: f64) -> Vec<f64> {
    let first = (low / step - 1e-9).ceil();
    let mut at = Vec::new();
    let mut index = first;
    while index * step <= high + step * 1e-9 {
        // Not -0.
        at.push(index * step + 0.0);
        index += 1.0;
        if at.len() > 1000 {
            break;
        }
    }
    at
}

#[expect(clippy::cast_precision_loss, reason = "a few ticks")]
fn number_ticks(range: (f64, f64), most: usize) -> Vec<(f64, String)> {
    let span = range.1 - range.0;
    let step = round_up(span / most.max(1) as f64);
    let largest = range.0.abs().max(range.1.abs());
    let at = multiples(range, step);
    at.into_iter()
        .map(|v| (v, number(v, step, largest)))
        .collect()
}

/// A multiple of a step with as many digits as the step needs.
#[expect(clippy::cast_possible_truncation, reason = "exponents are small")]
fn number(value: f64, step: f64, largest: f64) -> String {
    let of_step = step.log10().floor() as i32;
    let of_largest = largest.log10().floor() as i32;
    let is_short = of_largest - of_step <= 3;
    if is_short && !(1e-4..1e7).contains(&largest) || largest >= 1e15 {
        if value == 0.0 {
            return "0".to_owned();
        }
        let of_value = value.abs().log10().floor() as i32;
        let digits = usize::try_from(of_value - of_step).unwrap_or(0);
        return format!("{value:.digits$e}");
    }
    let digits = usize::try_from(-of_step).unwrap_or(0);
    format!("{value:.digits$}")
}

/// Whole powers of ten, as many as there is room for; within one power, its
/// parts.
#[expect(clippy::cast_precision_loss, reason = "a few ticks")]
fn log_ticks(range: (f64, f64), most: usize) -> Vec<(f64, String)> {
    let step = ((range.1 - range.0) / most.max(1) as f64).ceil().max(1.0);
    let powers = multiples(range, step);
    if powers.len() > 1 {
        let say = |power: f64| (power, format!("1e{power:.0}"));
        return powers.into_iter().map(say).collect();
    }
    let linear = (10f64.powf(range.0), 10f64.powf(range.1));
    let ticks = number_ticks(linear, most).into_iter();
    let positive = ticks.filter(|(value, _)| *value > 0.0);
    positive
        .map(|(value, text)| (value.log10(), text))
        .collect()
}

const NANOS: f64 = 1e9;
const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

/// Steps of seconds that divide the next larger unit.
const TIME_STEPS: [f64; 21] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, MINUTE, 120.0, 300.0, 600.0, 900.0, 1800.0, HOUR, 7200.0,
    10_800.0, 21_600.0, 43_200.0, DAY, 172_800.0, 432_000.0, 864_000.0,
];

/// Steps of months.
const MONTH_STEPS: [u32; 4] = [1, 2, 3, 6];

fn instant(origin_nanos: i128, seconds: f64) -> Option<DateTime<Utc>> {
    #[expect(clippy::cast_possible_truncation, reason = "refused below if beyond")]
    let nanos = origin_nanos + (seconds * NANOS).round() as i128;
    let whole = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    DateTime::from_timestamp(whole, rest)
}

#[expect(clippy::cast_precision_loss, reason = "a few ticks")]
fn time_ticks(origin_nanos: i128, range: (f64, f64), most: usize) -> Ticks {
    let finest = (range.1 - range.0) / most.max(1) as f64;
    let (Some(first), Some(last)) = (
        instant(origin_nanos, range.0),
        instant(origin_nanos, range.1),
    ) else {
        return plain(number_ticks(range, most));
    };
    if finest > TIME_STEPS[TIME_STEPS.len() - 1] {
        return plain(calendar_ticks(origin_nanos, &first, &last, finest));
    }
    let step = match TIME_STEPS.iter().find(|step| **step >= finest) {
        Some(step) if finest > 0.5 => *step,
        _ => round_up(finest.max(1e-9)),
    };
    let same_day = first.date_naive() == last.date_naive();
    let at = even_ticks(origin_nanos, range, step);
    let pattern = pattern(step, same_day);
    let at = at.into_iter().filter_map(|seconds| {
        let time = instant(origin_nanos, seconds)?;
        Some((seconds, time.format(&pattern).to_string()))
    });
    Ticks {
        at: at.collect(),
        shared: (same_day && step < DAY).then(|| first.format("%Y-%m-%d").to_string()),
    }
}

/// Multiples of a step since 1970, as seconds since the origin. Whole and
/// broken seconds are kept apart, or digits would be lost.
#[expect(clippy::cast_precision_loss, reason = "seconds of centuries are exact")]
fn even_ticks(origin_nanos: i128, range: (f64, f64), step: f64) -> Vec<f64> {
    #[expect(clippy::cast_possible_truncation, reason = "at most ten days")]
    let step_nanos = ((step * NANOS).round() as i128).max(1);
    let before = origin_nanos.rem_euclid(step_nanos) as f64 / NANOS;
    let from_multiple = (range.0 + before, range.1 + before);
    let at = multiples(from_multiple, step).into_iter();
    at.map(|seconds| seconds - before).collect()
}

fn pattern(step: f64, same_day: bool) -> String {
    let day = if same_day { "" } else { "%m-%d " };
    if step >= DAY {
        "%Y-%m-%d".to_owned()
    } else if step >= MINUTE {
        format!("{day}%H:%M")
    } else if step >= 1.0 {
        format!("{day}%H:%M:%S")
    } else if step >= 1e-3 {
        format!("{day}%H:%M:%S%.3f")
    } else if step >= 1e-6 {
        "%H:%M:%S%.6f".to_owned()
    } else {
        "%S%.9f".to_owned()
    }
}

fn calendar_ticks(
    origin_nanos: i128,
    first: &DateTime<Utc>,
    last: &DateTime<Utc>,
    finest: f64,
) -> Vec<(f64, String)> {
    let months = (finest / (30.0 * DAY)).ceil();
    let step = MONTH_STEPS.iter().find(|step| f64::from(**step) >= months);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "years of the calendar"
    )]
    let step = match step {
        Some(step) => *step,
        None => 12 * round_up((months / 12.0).max(1.0)) as u32,
    };
    let pattern = if step < 12 { "%Y-%m" } else { "%Y" };
    let mut day = NaiveDate::from_ymd_opt(first.year(), 1, 1);
    let mut at = Vec::new();
    while let Some(date) = day.filter(|date| *date <= last.date_naive()) {
        let aligned = step < 12 || date.year().rem_euclid((step / 12).cast_signed()) == 0;
        if date > first.date_naive() && aligned {
            let nanos = i128::from(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp())
                * 1_000_000_000;
            #[expect(clippy::cast_precision_loss, reason = "a place in the picture")]
            let seconds = (nanos - origin_nanos) as f64 / NANOS;
            at.push((seconds, date.format(pattern).to_string()));
        }
        day = date.checked_add_months(Months::new(if step < 12 { step } else { 12 }));
    }
    at
}
