//! Time scales and leap seconds.
//!
//! TAI - UTC is whole seconds since 1972 and changes only at the instants of
//! the table below (IERS Bulletin C; the last one is 2017-01-01, and no later
//! one has been announced). GPS = TAI - 19 s. Before 1972 UTC and TAI are
//! taken as equal: so the epoch 1958-01-01T00:00:00Z, where they were, is
//! the TAI epoch of CCSDS 301.0-B.
//!
//! An inserted second has no number of its own in a count of UTC days of
//! 86,400 seconds: 23:59:60.5 is the same number as 00:00:00.5 of the next
//! day.

use super::calendar::days_from_civil;
use super::{MICROS_PER_SECOND, TimeError, TimeScale};

/// GPS time is this much behind TAI, in microseconds.
const TAI_MINUS_GPS: i128 = 19 * MICROS_PER_SECOND as i128;

const JANUARY: u8 = 1;
const JULY: u8 = 7;

/// From the first day of this month, TAI - UTC has so many seconds.
const LEAPS: [(i64, u8, i64); 28] = [
    (1972, JANUARY, 10),
    (1972, JULY, 11),
    (1973, JANUARY, 12),
    (1974, JANUARY, 13),
    (1975, JANUARY, 14),
    (1976, JANUARY, 15),
    (1977, JANUARY, 16),
    (1978, JANUARY, 17),
    (1979, JANUARY, 18),
    (1980, JANUARY, 19),
    (1981, JULY, 20),
    (1982, JULY, 21),
    (1983, JULY, 22),
    (1985, JULY, 23),
    (1988, JANUARY, 24),
    (1990, JANUARY, 25),
    (1991, JANUARY, 26),
    (1992, JULY, 27),
    (1993, JULY, 28),
    (1994, JULY, 29),
    (1996, JANUARY, 30),
    (1997, JULY, 31),
    (1999, JANUARY, 32),
    (2006, JANUARY, 33),
    (2009, JANUARY, 34),
    (2012, JULY, 35),
    (2015, JULY, 36),
    (2017, JANUARY, 37),
];

/// [`LEAPS`] as (UTC second since 1970, seconds of TAI - UTC).
const OFFSETS: [(i64, i64); LEAPS.len()] = {
    let mut offsets = [(0, 0); LEAPS.len()];
    let mut i = 0;
    while i < LEAPS.len() {
        let (year, month, offset) = LEAPS[i];
        offsets[i] = (days_from_civil(year, month, 1) * 86_400, offset);
        i += 1;
    }
    offsets
};

/// What a clock of the scale shows at a UTC instant; both are microseconds
/// since 1970-01-01T00:00:00 on their own scale.
pub fn from_utc(scale: TimeScale, utc_micros: i64) -> i128 {
    let second = utc_micros.div_euclid(MICROS_PER_SECOND);
    let before = OFFSETS.partition_point(|(utc, _)| *utc <= second);
    let utc = i128::from(utc_micros);
    match scale {
        TimeScale::Utc => utc,
        TimeScale::Tai => utc + offset_micros(before),
        TimeScale::Gps => utc + offset_micros(before) - TAI_MINUS_GPS,
    }
}

/// The UTC instant at which a clock of the scale shows a reading: the inverse
/// of [`from_utc`].
pub fn to_utc(scale: TimeScale, reading: i128) -> Result<i64, TimeError> {
    let tai = match scale {
        TimeScale::Utc => return narrow(reading),
        TimeScale::Tai => reading,
        TimeScale::Gps => reading + TAI_MINUS_GPS,
    };
    let micros = i128::from(MICROS_PER_SECOND);
    let before = OFFSETS
        .partition_point(|(utc, offset)| (i128::from(*utc) + i128::from(*offset)) * micros <= tai);
    narrow(tai - offset_micros(before))
}

/// Whether a leap second was inserted at the end of the day before this one
/// (days since 1970-01-01).
pub(super) fn follows_leap_second(day: i64) -> bool {
    // The first entry starts the table; it is not an inserted second.
    OFFSETS[1..].iter().any(|(utc, _)| *utc == day * 86_400)
}

fn offset_micros(entries_before: usize) -> i128 {
    match entries_before.checked_sub(1) {
        Some(last) => i128::from(OFFSETS[last].1) * i128::from(MICROS_PER_SECOND),
        None => 0,
    }
}

fn narrow(micros: i128) -> Result<i64, TimeError> {
    i64::try_from(micros).map_err(|_| TimeError::Overflow)
}
