//! ISO 8601 and RFC 3339 text.
//!
//! Read: calendar dates `2026-01-31`, ordinal dates `2026-031` and their
//! basic forms `20260131T...`, `2026031T...`; `T`, `t` or a blank; hours and
//! minutes, seconds, a fraction of any length after `.` or `,`; `Z`, `UTC`
//! or an offset, and UTC where there is none; a date alone is its midnight;
//! `24:00:00` is the next midnight; `:60` is read where a leap second was
//! inserted. Refused: week dates, signed years, two-digit years, lone hours.

use super::calendar::{days_from_civil, days_in_month, is_leap_year};
use super::scale::follows_leap_second;
use super::{MICROS_PER_DAY, MICROS_PER_SECOND, TimeError, UtcInstant};
use crate::schema::ColumnType;

/// The instant that a text names.
pub fn parse_iso(text: &str) -> Result<UtcInstant, TimeError> {
    read(text.as_bytes()).map(|(instant, _)| instant)
}

/// How a text that is an instant is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampShape {
    /// A date without a time of day.
    pub date_only: bool,
    /// It names its offset from UTC.
    pub zoned: bool,
    /// Digits of the fraction that say something: zeros at the end do not count.
    pub fraction_digits: usize,
}

impl TimestampShape {
    /// The type of a column of such texts.
    pub fn column_type(&self) -> ColumnType {
        match (self.date_only, self.fraction_digits) {
            (true, _) => ColumnType::Date,
            (false, 0..=6) => ColumnType::Timestamp,
            (false, _) => ColumnType::TimestampNs,
        }
    }
}

/// Whether a text is an instant beyond doubt, for inference: an extended
/// calendar date, or any date with a time of day, that exists. Texts with
/// more than nine digits of fraction stay text, so that nothing is cut.
pub fn looks_like_timestamp(text: &str) -> Option<TimestampShape> {
    let bytes = text.as_bytes();
    if !bytes.first()?.is_ascii_digit() || bytes.len() < 10 {
        return None;
    }
    let (_, shape) = read(bytes).ok()?;
    let ordinal_alone = shape.date_only && bytes.len() != 10;
    (!ordinal_alone && shape.fraction_digits <= 9).then_some(shape)
}

/// Day since 1970, time of day, and the text of the zone.
struct Parsed<'a> {
    day: i64,
    clock: Clock,
    zone: &'a [u8],
}

#[derive(Default)]
struct Clock {
    hour: i64,
    minute: i64,
    second: i64,
    fraction: Fraction,
}

#[derive(Default)]
struct Fraction {
    micros: i64,
    nanos: u16,
    cut: bool,
    digits: usize,
}

fn read(bytes: &[u8]) -> Result<(UtcInstant, TimestampShape), TimeError> {
    if let Some(parsed) = common_shape(bytes)? {
        return finish(parsed);
    }
    let mut cursor = Cursor { rest: bytes };
    let (day, basic) = cursor.date()?;
    if cursor.rest.is_empty() && !basic {
        return Ok(midnight(day));
    }
    if !cursor.eat(|b| matches!(b, b'T' | b't' | b' ')) {
        return Err(TimeError::Syntax);
    }
    let clock = cursor.clock()?;
    finish(Parsed {
        day,
        clock,
        zone: cursor.rest,
    })
}

fn midnight(day: i64) -> (UtcInstant, TimestampShape) {
    let shape = TimestampShape {
        date_only: true,
        zoned: false,
        fraction_digits: 0,
    };
    (UtcInstant::from_micros(day * MICROS_PER_DAY), shape)
}

/// `2026-01-31T12:00:00`, at fixed places: what nearly all telemetry writes.
fn common_shape(bytes: &[u8]) -> Result<Option<Parsed<'_>>, TimeError> {
    let Some((head, rest)) = bytes.split_first_chunk::<19>() else {
        return Ok(None);
    };
    let marks = [head[4], head[7], head[13], head[16]];
    if marks != *b"--::" || !matches!(head[10], b'T' | b' ') {
        return Ok(None);
    }
    let (Some(century), Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second)) = (
        pair(head[0], head[1]),
        pair(head[2], head[3]),
        pair(head[5], head[6]),
        pair(head[8], head[9]),
        pair(head[11], head[12]),
        pair(head[14], head[15]),
        pair(head[17], head[18]),
    ) else {
        return Err(TimeError::Syntax);
    };
    let day = calendar_day(i64::from(century) * 100 + i64::from(year), month, day)?;
    let mut cursor = Cursor { rest };
    let fraction = cursor.fraction()?;
    let clock = Clock {
        hour: i64::from(hour),
        minute: i64::from(minute),
        second: i64::from(second),
        fraction,
    };
    Ok(Some(Parsed {
        day,
        clock,
        zone: cursor.rest,
    }))
}

fn pair(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| tens * 10 + ones)
}

fn finish(parsed: Parsed<'_>) -> Result<(UtcInstant, TimestampShape), TimeError> {
    let Parsed { day, clock, .. } = parsed;
    let (offset_minutes, zoned) = zone(parsed.zone)?;
    let minutes = clock.hour * 60 + clock.minute - offset_minutes;
    let seconds = day * 86_400 + minutes * 60 + clock.second;
    check_clock(&clock, seconds)?;
    let instant = UtcInstant {
        micros: seconds * MICROS_PER_SECOND + clock.fraction.micros,
        nanos: clock.fraction.nanos,
        cut: clock.fraction.cut,
    };
    let shape = TimestampShape {
        date_only: false,
        zoned,
        fraction_digits: clock.fraction.digits,
    };
    Ok((instant, shape))
}

/// `utc_second` is the instant; a leap second is already the first second of
/// the day after it.
fn check_clock(clock: &Clock, utc_second: i64) -> Result<(), TimeError> {
    let end_of_day =
        clock.hour == 24 && clock.minute == 0 && clock.second == 0 && clock.fraction.digits == 0;
    let leap = clock.second == 60
        && utc_second.rem_euclid(86_400) == 0
        && follows_leap_second(utc_second.div_euclid(86_400));
    let exists =
        (clock.hour < 24 || end_of_day) && clock.minute < 60 && (clock.second < 60 || leap);
    if exists {
        Ok(())
    } else {
        Err(TimeError::Calendar)
    }
}

/// Minutes east of UTC, and whether the text says them.
fn zone(text: &[u8]) -> Result<(i64, bool), TimeError> {
    let text = text
        .strip_prefix(b" ")
        .filter(|t| !t.is_empty())
        .unwrap_or(text);
    let sign = match text {
        b"" => return Ok((0, false)),
        b"Z" | b"z" | b"UTC" => return Ok((0, true)),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return Err(TimeError::Syntax),
    };
    let (hours, minutes) = match text[1..] {
        [a, b] => (pair(a, b), Some(0)),
        [a, b, c, d] | [a, b, b':', c, d] => (pair(a, b), pair(c, d)),
        _ => return Err(TimeError::Syntax),
    };
    match (hours, minutes) {
        (Some(hours @ 0..=23), Some(minutes @ 0..=59)) => {
            Ok((sign * (i64::from(hours) * 60 + i64::from(minutes)), true))
        }
        (Some(_), Some(_)) => Err(TimeError::Calendar),
        _ => Err(TimeError::Syntax),
    }
}

fn calendar_day(year: i64, month: u8, day: u8) -> Result<i64, TimeError> {
    if day == 0 || day > days_in_month(year, month) {
        return Err(TimeError::Calendar);
    }
    Ok(days_from_civil(year, month, day))
}

fn ordinal_day(year: i64, day: i64) -> Result<i64, TimeError> {
    let last = if is_leap_year(year) { 366 } else { 365 };
    if day == 0 || day > last {
        return Err(TimeError::Calendar);
    }
    Ok(days_from_civil(year, 1, 1) + day - 1)
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn eat(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        match self.rest {
            [first, rest @ ..] if wanted(*first) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn leading_digits(&self) -> usize {
        self.rest.iter().take_while(|b| b.is_ascii_digit()).count()
    }

    fn number(&mut self, digits: usize) -> Result<i64, TimeError> {
        if self.leading_digits() < digits {
            return Err(TimeError::Syntax);
        }
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        Ok(number
            .iter()
            .fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
    }

    fn two_digits(&mut self) -> Result<u8, TimeError> {
        self.number(2)
            .map(|n| u8::try_from(n).expect("two digits fit"))
    }

    /// Days since 1970, and whether the basic form was used, which is read
    /// only in front of a time: eight digits alone are a number.
    fn date(&mut self) -> Result<(i64, bool), TimeError> {
        let basic_digits = self.leading_digits();
        let year = self.number(4)?;
        let extended = self.eat(|b| b == b'-');
        let day = match (extended, self.leading_digits()) {
            (true, 3) | (false, 3) if extended || basic_digits == 7 => {
                ordinal_day(year, self.number(3)?)?
            }
            (true, 2) => {
                let month = self.two_digits()?;
                if !self.eat(|b| b == b'-') || self.leading_digits() != 2 {
                    return Err(TimeError::Syntax);
                }
                calendar_day(year, month, self.two_digits()?)?
            }
            (false, 4) => calendar_day(year, self.two_digits()?, self.two_digits()?)?,
            _ => return Err(TimeError::Syntax),
        };
        Ok((day, !extended))
    }

    fn clock(&mut self) -> Result<Clock, TimeError> {
        let basic = matches!(self.leading_digits(), 4 | 6);
        let hour = self.number(2)?;
        self.separator(basic)?;
        let minute = self.number(2)?;
        let has_seconds = if basic {
            self.leading_digits() > 0
        } else {
            self.eat(|b| b == b':')
        };
        let mut clock = Clock {
            hour,
            minute,
            ..Clock::default()
        };
        if has_seconds {
            clock.second = self.number(2)?;
            clock.fraction = self.fraction()?;
        }
        Ok(clock)
    }

    fn separator(&mut self, basic: bool) -> Result<(), TimeError> {
        if basic || self.eat(|b| b == b':') {
            Ok(())
        } else {
            Err(TimeError::Syntax)
        }
    }

    fn fraction(&mut self) -> Result<Fraction, TimeError> {
        if !self.eat(|b| matches!(b, b'.' | b',')) {
            return Ok(Fraction::default());
        }
        let (digits, rest) = self.rest.split_at(self.leading_digits());
        if digits.is_empty() {
            return Err(TimeError::Syntax);
        }
        self.rest = rest;
        Ok(Fraction::of(digits))
    }
}

impl Fraction {
    fn of(digits: &[u8]) -> Fraction {
        let significant = digits
            .iter()
            .rposition(|d| *d != b'0')
            .map_or(0, |at| at + 1);
        let nanos = digits
            .iter()
            .map(|d| i64::from(d - b'0'))
            .chain(std::iter::repeat(0))
            .take(9)
            .fold(0, |value, digit| value * 10 + digit);
        Fraction {
            micros: nanos / 1000,
            nanos: u16::try_from(nanos % 1000).expect("a remainder of 1000 fits"),
            cut: significant > 9,
            digits: significant,
        }
    }
}
