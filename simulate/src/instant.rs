//! Instants, and the codes that clocks write.
//!
//! Promises: exact whole numbers. Refuses leap seconds: a campaign lies
//! between two of them, and GPS is [`GPS_MINUS_UTC_S`] ahead of UTC all along.

use std::fmt;

/// Seconds that GPS time is ahead of UTC since 2017 (IERS Bulletin C 52).
pub(crate) const GPS_MINUS_UTC_S: i64 = 18;
/// 1980-01-06 in microseconds since 1970: the epoch of GPS time.
const GPS_EPOCH_MICROS: i64 = 315_964_800_000_000;
/// Days from 1958-01-01, the CCSDS epoch, to 1970-01-01.
const CCSDS_EPOCH_DAYS: i64 = 4383;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// 2000-01-01T12:00:00 in microseconds since 1970.
const J2000_MICROS: i64 = 946_728_000_000_000;

/// Microseconds since 1970-01-01T00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(pub(crate) i64);

impl Instant {
    /// An instant so many seconds later, to the nearest microsecond.
    pub(crate) fn after(self, seconds: f64) -> Instant {
        Instant(self.0 + crate::numeric::whole(seconds * 1e6))
    }

    /// Days since 2000-01-01T12:00:00 UTC, which stands for UT1 here.
    pub(crate) fn days_since_j2000(self) -> f64 {
        (self.0 - J2000_MICROS) as f64 / MICROS_PER_DAY as f64
    }

    /// Day segmented code: day since 1958, millisecond of the day, microsecond
    /// of the millisecond (CCSDS 301.0-B, 3.3).
    pub(crate) fn day_segmented(self) -> [f64; 3] {
        let day = self.0.div_euclid(MICROS_PER_DAY) + CCSDS_EPOCH_DAYS;
        let micros = self.0.rem_euclid(MICROS_PER_DAY);
        [day as f64, (micros / 1000) as f64, (micros % 1000) as f64]
    }

    /// Unsegmented code with a fraction of 16 bits: parts of 2^-16 s since the
    /// GPS epoch (CCSDS 301.0-B, 3.2), cut to whole parts.
    pub(crate) fn unsegmented(self) -> f64 {
        let micros = self.0 - GPS_EPOCH_MICROS + GPS_MINUS_UTC_S * 1_000_000;
        let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        (seconds * 65_536 + rest * 65_536 / 1_000_000) as f64
    }

    /// The instant at which a GPS clock begins that starts at its epoch.
    pub(crate) fn gps_epoch() -> Instant {
        Instant(GPS_EPOCH_MICROS - GPS_MINUS_UTC_S * 1_000_000)
    }
}

/// RFC 3339 with milliseconds.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0.div_euclid(MICROS_PER_DAY));
        let millis = self.0.rem_euclid(MICROS_PER_DAY) / 1000;
        let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
        let (seconds, millis) = (millis / 1000 % 60, millis % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z"
        )
    }
}

/// Year, month and day of a day since 1970 (Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", civil_from_days).
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_rfc_3339() {
        assert_eq!(Instant(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Instant(951_782_399_999_000).to_string(),
            "2000-02-28T23:59:59.999Z"
        );
        assert_eq!(
            Instant(951_782_400_000_000).to_string(),
            "2000-02-29T00:00:00.000Z"
        );
        assert_eq!(Instant::gps_epoch().unsegmented().to_bits(), 0);
        assert_eq!(Instant::gps_epoch().to_string(), "1980-01-05T23:59:42.000Z");
    }

    #[test]
    fn day_segmented_code_counts_from_1958() {
        assert_eq!(Instant(0).day_segmented(), [4383.0, 0.0, 0.0]);
        let later = Instant(MICROS_PER_DAY + 1_002_003);
        assert_eq!(later.day_segmented(), [4384.0, 1002.0, 3.0]);
    }
}
