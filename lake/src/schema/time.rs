//! Source clocks to microseconds since 1970-01-01T00:00:00 UTC.
//!
//! Promises: conversion is exact integer arithmetic wherever the source is
//! whole; what microseconds cannot say is cut towards the past and reported
//! ([`UtcInstant::nanos`], [`UtcInstant::cut`]), so an earlier reading never becomes
//! a later instant; floating counts are rounded to the nearest microsecond,
//! since a float holds the nearest value of what was meant already. Refuses
//! what does not fit 64 bits or its field; nothing wraps.
//!
//! Layouts: CCSDS 301.0-B (CDS, CUC, ASCII codes A and B), RFC 3339,
//! ISO 8601 calendar and ordinal dates.
//!
//! A UTC count (scale `utc`) has 86,400 seconds in every day, like POSIX
//! time; a count on `tai` or `gps` runs through leap seconds ([`scale`]).

pub mod calendar;
mod iso;
pub mod scale;

#[cfg(test)]
mod tests;

use std::fmt;

use super::{AbsoluteTime, TimeCode, TimeScale};

pub use iso::{TimestampShape, looks_like_timestamp, parse_iso};

/// Microseconds in one second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in one UTC day without a leap second.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// 1958-01-01T00:00:00 UTC in microseconds: the CCSDS epoch, and the earliest
/// instant that a stream accepts unless it says otherwise.
pub const CCSDS_EPOCH_MICROS: i64 = -4383 * MICROS_PER_DAY;

const MILLIS_PER_DAY: i64 = 86_400_000;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// An instant, with what a microsecond cannot say beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UtcInstant {
    /// Microseconds since 1970-01-01T00:00:00 UTC, cut towards the past.
    pub micros: i64,
    /// Nanoseconds after `micros`, 0 to 999.
    pub nanos: u16,
    /// Whether the source said more than nanoseconds.
    pub cut: bool,
}

impl UtcInstant {
    /// An instant that is whole in microseconds.
    pub fn from_micros(micros: i64) -> Self {
        UtcInstant {
            micros,
            nanos: 0,
            cut: false,
        }
    }

    /// Whether `micros` says all that the source said.
    pub fn is_exact(&self) -> bool {
        self.nanos == 0 && !self.cut
    }

    /// Nanoseconds since 1970-01-01T00:00:00 UTC, if 64 bits hold them.
    pub fn total_nanos(&self) -> Option<i64> {
        self.micros
            .checked_mul(1000)?
            .checked_add(i64::from(self.nanos))
    }

    fn from_nanos(nanos: i128, cut: bool) -> Result<Self, TimeError> {
        let micros = i64::try_from(nanos.div_euclid(1000)).map_err(|_| TimeError::Overflow)?;
        let nanos = u16::try_from(nanos.rem_euclid(1000)).expect("a remainder of 1000 fits");
        Ok(UtcInstant { micros, nanos, cut })
    }
}

/// Why a value is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// The text has not the shape of an ISO 8601 instant.
    Syntax,
    /// The text names a day or time that does not exist.
    Calendar,
    /// The instant is outside of what 64-bit microseconds can say.
    Overflow,
    /// The number is NaN or infinite.
    NotFinite,
    /// A part of a segmented code is outside its field.
    Part {
        /// The part.
        name: &'static str,
        /// The value found.
        value: i64,
        /// The greatest value allowed; the smallest is 0.
        max: i64,
    },
    /// The code does not read values of this type or number.
    Code,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeError::Syntax => {
                f.write_str("not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z")
            }
            TimeError::Calendar => f.write_str("a day or time that does not exist"),
            TimeError::Overflow => f.write_str("beyond 64-bit microseconds"),
            TimeError::NotFinite => f.write_str("not a finite number"),
            TimeError::Part { name, value, max } => {
                write!(f, "{name} {value} is not within 0 and {max}")
            }
            TimeError::Code => f.write_str("not a value that the time code reads"),
        }
    }
}

impl std::error::Error for TimeError {}

/// The clock of one stream, ready to read many values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeReader {
    code: TimeCode,
    scale: TimeScale,
    /// The epoch as a clock of the source's scale shows it.
    epoch_reading: i128,
}

impl TimeReader {
    /// The reader of an axis.
    pub fn new(time: &AbsoluteTime) -> Self {
        TimeReader {
            code: time.code,
            scale: time.scale,
            epoch_reading: scale::from_utc(time.scale, time.epoch_micros),
        }
    }

    /// A text value; only for [`TimeCode::Iso`].
    pub fn text(&self, text: &str) -> Result<UtcInstant, TimeError> {
        self.expect(matches!(self.code, TimeCode::Iso))?;
        let read = parse_iso(text)?;
        let micros = scale::to_utc(self.scale, i128::from(read.micros))?;
        Ok(UtcInstant { micros, ..read })
    }

    /// A value that is a timestamp already, in microseconds since
    /// 1970-01-01T00:00:00 on the source's scale; only for [`TimeCode::Iso`].
    pub fn timestamp(&self, micros: i64) -> Result<UtcInstant, TimeError> {
        self.expect(matches!(self.code, TimeCode::Iso))?;
        scale::to_utc(self.scale, i128::from(micros)).map(UtcInstant::from_micros)
    }

    /// As [`TimeReader::timestamp`], from nanoseconds.
    pub fn timestamp_nanos(&self, nanos: i64) -> Result<UtcInstant, TimeError> {
        self.expect(matches!(self.code, TimeCode::Iso))?;
        self.instant_of_reading(i128::from(nanos), false)
    }

    /// A whole count since the epoch; only for the codes that count. Wide
    /// enough for every unsigned 64-bit count.
    pub fn count(&self, count: i128) -> Result<UtcInstant, TimeError> {
        let nanos = count
            .checked_mul(self.nanos_per_unit()?)
            .ok_or(TimeError::Overflow)?;
        self.after_epoch(nanos, false)
    }

    /// A floating count since the epoch, rounded to the nearest microsecond,
    /// half away from the epoch; only for the codes that count.
    pub fn float_count(&self, count: f64) -> Result<UtcInstant, TimeError> {
        let nanos_per_unit = self.nanos_per_unit()?;
        if !count.is_finite() {
            return Err(TimeError::NotFinite);
        }
        let micros = rounded_micros(count, nanos_per_unit);
        let nanos = micros.checked_mul(1000).ok_or(TimeError::Overflow)?;
        self.after_epoch(nanos, false)
    }

    /// The parts of a segmented code, in the order of its arguments:
    /// CDS `days, milliseconds of day[, microseconds of millisecond]`,
    /// CUC and cFS `seconds[, fraction]`.
    pub fn parts(&self, parts: &[i64]) -> Result<UtcInstant, TimeError> {
        match (self.code, parts) {
            (TimeCode::Cds, &[days, millis]) => self.cds(days, millis, 0),
            (TimeCode::Cds, &[days, millis, micros]) => self.cds(days, millis, micros),
            (TimeCode::Cuc { .. } | TimeCode::Cfs, &[seconds]) => self.unsegmented(seconds, 0, 0),
            (TimeCode::Cuc { fraction_bits }, &[seconds, fraction]) => {
                self.unsegmented(seconds, fraction, fraction_bits)
            }
            (TimeCode::Cfs, &[seconds, subseconds]) => self.unsegmented(seconds, subseconds, 16),
            _ => Err(TimeError::Code),
        }
    }

    fn cds(&self, days: i64, millis: i64, micros: i64) -> Result<UtcInstant, TimeError> {
        let days = part("day", days, i64::from(u32::MAX))?;
        let leap = millis >= MILLIS_PER_DAY && self.ends_with_leap_second(days);
        let leap = i64::from(leap) * 1000;
        let millis = part("millisecond of day", millis, MILLIS_PER_DAY - 1 + leap)?;
        let micros = part("microsecond of millisecond", micros, 999)?;
        let total = days * i128::from(MICROS_PER_DAY) + millis * 1000 + micros;
        self.after_epoch(total * 1000, false)
    }

    /// Whether a day of the epoch has one more second, which runs into the
    /// first one of the next day.
    fn ends_with_leap_second(&self, day: i128) -> bool {
        let end = self.epoch_reading + (day + 1) * i128::from(MICROS_PER_DAY);
        let next = i64::try_from(end.div_euclid(i128::from(MICROS_PER_DAY)));
        self.scale == TimeScale::Utc && next.is_ok_and(scale::follows_leap_second)
    }

    fn unsegmented(&self, seconds: i64, fraction: i64, bits: u8) -> Result<UtcInstant, TimeError> {
        let seconds = part("second", seconds, (1 << 56) - 1)?;
        let fraction = part("fraction", fraction, fraction_max(bits)?)?;
        let scaled = fraction * NANOS_PER_SECOND;
        let nanos = seconds * NANOS_PER_SECOND + (scaled >> bits);
        let cut = scaled & ((1i128 << bits) - 1) != 0;
        self.after_epoch(nanos, cut)
    }

    fn nanos_per_unit(&self) -> Result<i128, TimeError> {
        match self.code {
            TimeCode::Seconds => Ok(NANOS_PER_SECOND),
            TimeCode::Millis => Ok(1_000_000),
            TimeCode::Micros => Ok(1_000),
            TimeCode::Nanos => Ok(1),
            _ => Err(TimeError::Code),
        }
    }

    fn after_epoch(&self, nanos: i128, cut: bool) -> Result<UtcInstant, TimeError> {
        let reading = nanos
            .checked_add(self.epoch_reading * 1000)
            .ok_or(TimeError::Overflow)?;
        self.instant_of_reading(reading, cut)
    }

    fn instant_of_reading(&self, reading_nanos: i128, cut: bool) -> Result<UtcInstant, TimeError> {
        let read = UtcInstant::from_nanos(reading_nanos, cut)?;
        let micros = scale::to_utc(self.scale, i128::from(read.micros))?;
        Ok(UtcInstant { micros, ..read })
    }

    fn expect(&self, fits: bool) -> Result<(), TimeError> {
        if fits { Ok(()) } else { Err(TimeError::Code) }
    }
}

impl AbsoluteTime {
    /// The latest instant that is accepted when the clock shows `now_micros`
    /// (both microseconds since 1970-01-01 UTC).
    pub fn valid_to(&self, now_micros: i64) -> i64 {
        self.valid_to_micros
            .unwrap_or_else(|| now_micros.saturating_add(MICROS_PER_DAY))
    }

    /// Whether an instant is within the accepted range, both ends included.
    pub fn accepts(&self, micros: i64, now_micros: i64) -> bool {
        (self.valid_from_micros..=self.valid_to(now_micros)).contains(&micros)
    }
}

/// The epoch of a code where a definition names none; `None` where none can
/// be taken for granted. Missions choose the epoch of CUC and cFS clocks and of
/// counts that run through leap seconds.
pub(super) fn default_epoch(code: TimeCode, scale: TimeScale) -> Option<i64> {
    match (code, scale) {
        (TimeCode::Iso, _) => Some(0),
        (TimeCode::Cds, _) => Some(CCSDS_EPOCH_MICROS),
        (TimeCode::Cuc { .. } | TimeCode::Cfs, _) => None,
        (_, TimeScale::Utc) => Some(0),
        (_, TimeScale::Tai | TimeScale::Gps) => None,
    }
}

/// An instant (microseconds since 1970-01-01 UTC) as RFC 3339 text, with as many
/// digits of fraction as it needs.
pub fn format_rfc3339(micros: i64) -> String {
    let date = calendar::civil_from_days(calendar::day_of_micros(micros));
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let (second, fraction) = (of_day / MICROS_PER_SECOND, of_day % MICROS_PER_SECOND);
    let mut text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year,
        date.month,
        date.day,
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    if fraction > 0 {
        let digits = format!(".{fraction:06}");
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

fn part(name: &'static str, value: i64, max: i64) -> Result<i128, TimeError> {
    if (0..=max).contains(&value) {
        Ok(i128::from(value))
    } else {
        Err(TimeError::Part { name, value, max })
    }
}

fn fraction_max(bits: u8) -> Result<i64, TimeError> {
    if bits > 56 {
        return Err(TimeError::Code);
    }
    Ok((1i64 << bits) - 1)
}

/// The whole units are converted exactly, so that the rounding of a large
/// count does not touch its fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "floats become integers after rounding, and a cast that saturates overflows the checks that follow"
)]
fn rounded_micros(count: f64, nanos_per_unit: i128) -> i128 {
    if nanos_per_unit < 1000 {
        return (count / 1000.0).round() as i128;
    }
    let micros_per_unit = nanos_per_unit / 1000;
    let whole = count.trunc();
    let fraction = (count - whole) * micros_per_unit as f64;
    (whole as i128).saturating_mul(micros_per_unit) + fraction.round() as i128
}
