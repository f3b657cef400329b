use expect_test::expect;

use super::calendar::{civil_from_days, days_from_civil};
use super::*;

fn show(result: Result<UtcInstant, TimeError>) -> String {
    match result {
        Ok(instant) => {
            let nanos = if instant.nanos > 0 {
                format!(" +{}ns", instant.nanos)
            } else {
                String::new()
            };
            let cut = if instant.cut { " cut" } else { "" };
            format!("{}{nanos}{cut}", format_rfc3339(instant.micros))
        }
        Err(error) => format!("refused: {error}"),
    }
}

#[test]
fn iso_text() {
    let mut table = String::new();
    for text in [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00.5",
        "2026-01-31t12:00:00,123456z",
        "2026-01-31T12:00:00.123456789Z",
        "2026-01-31T12:00:00.1234567891Z",
        "2026-01-31T12:00:00.1000000000Z",
        "2026-01-31T12:00:00+02:00",
        "2026-01-31T23:30:00-0130",
        "2026-01-31T12:00:00+02",
        "2026-01-31 12:00:00 UTC",
        "2026-01-31T12:00Z",
        "2016-041T16:13:34.924259Z",
        "2016-366",
        "2026-01-31",
        "20260131T120000Z",
        "2026031T1200",
        "1957-12-31T23:59:59.999999Z",
        "0000-03-01T00:00:00Z",
        "2016-12-31T23:59:60.5Z",
        "2017-01-01T00:59:60+01:00",
        "2026-01-31T24:00:00Z",
        // Refused.
        "2015-12-31T23:59:60Z",
        "2026-06-30T12:59:60Z",
        "2026-01-31T24:00:01Z",
        "2026-01-31T12:60:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01",
        "2026-00-10",
        "2026-000",
        "2025-366",
        "2026-01-31T12",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00X",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00 ",
        "2026-01-31x12:00:00",
        "2026-W05-6",
        "+2026-01-31",
        "20260131",
        "2026-1-31",
        "2026-01-3112:00:00",
        "2026-01-31T1a:00:00Z",
        "",
        "٢٠٢٦-٠١-٣١",
    ] {
        table.push_str(&format!("{text} -> {}\n", show(parse_iso(text))));
    }
    expect![[r#"
        2026-01-31T12:00:00Z -> 2026-01-31T12:00:00Z
        2026-01-31T12:00:00 -> 2026-01-31T12:00:00Z
        2026-01-31 12:00:00.5 -> 2026-01-31T12:00:00.5Z
        2026-01-31t12:00:00,123456z -> 2026-01-31T12:00:00.123456Z
        2026-01-31T12:00:00.123456789Z -> 2026-01-31T12:00:00.123456Z +789ns
        2026-01-31T12:00:00.1234567891Z -> 2026-01-31T12:00:00.123456Z +789ns cut
        2026-01-31T12:00:00.1000000000Z -> 2026-01-31T12:00:00.1Z
        2026-01-31T12:00:00+02:00 -> 2026-01-31T10:00:00Z
        2026-01-31T23:30:00-0130 -> 2026-02-01T01:00:00Z
        2026-01-31T12:00:00+02 -> 2026-01-31T10:00:00Z
        2026-01-31 12:00:00 UTC -> 2026-01-31T12:00:00Z
        2026-01-31T12:00Z -> 2026-01-31T12:00:00Z
        2016-041T16:13:34.924259Z -> 2016-02-10T16:13:34.924259Z
        2016-366 -> 2016-12-31T00:00:00Z
        2026-01-31 -> 2026-01-31T00:00:00Z
        20260131T120000Z -> 2026-01-31T12:00:00Z
        2026031T1200 -> 2026-01-31T12:00:00Z
        1957-12-31T23:59:59.999999Z -> 1957-12-31T23:59:59.999999Z
        0000-03-01T00:00:00Z -> 0000-03-01T00:00:00Z
        2016-12-31T23:59:60.5Z -> 2017-01-01T00:00:00.5Z
        2017-01-01T00:59:60+01:00 -> 2017-01-01T00:00:00Z
        2026-01-31T24:00:00Z -> 2026-02-01T00:00:00Z
        2015-12-31T23:59:60Z -> refused: a day or time that does not exist
        2026-06-30T12:59:60Z -> refused: a day or time that does not exist
        2026-01-31T24:00:01Z -> refused: a day or time that does not exist
        2026-01-31T12:60:00Z -> refused: a day or time that does not exist
        2026-02-29T00:00:00Z -> refused: a day or time that does not exist
        2026-13-01 -> refused: a day or time that does not exist
        2026-00-10 -> refused: a day or time that does not exist
        2026-000 -> refused: a day or time that does not exist
        2025-366 -> refused: a day or time that does not exist
        2026-01-31T12 -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        2026-01-31T12:00:00.Z -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        2026-01-31T12:00:00X -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        2026-01-31T12:00:00+24:00 -> refused: a day or time that does not exist
        2026-01-31T12:00:00  -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        2026-01-31x12:00:00 -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        2026-W05-6 -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        +2026-01-31 -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        20260131 -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        2026-1-31 -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        2026-01-3112:00:00 -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        2026-01-31T1a:00:00Z -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
         -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        ٢٠٢٦-٠١-٣١ -> refused: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
    "#]]
    .assert_eq(&table);
}

#[test]
fn the_two_iso_paths_agree() {
    for second in ["00", "07", "59"] {
        for fraction in ["", ".5", ".123456789"] {
            for zone in ["", "Z", "+05:30"] {
                let fast = format!("2024-02-29T23:59:{second}{fraction}{zone}");
                let slow = format!("2024-060T23:59:{second}{fraction}{zone}");
                assert_eq!(parse_iso(&fast), parse_iso(&slow), "{fast}");
            }
        }
    }
}

#[test]
fn hostile_text_never_panics() {
    let seeds = [
        "2026-01-31T12:00:00.123456789+02:00",
        "2016-366T00:00",
        "20260131T120000Z",
    ];
    let bytes = ['0', '9', '-', ':', 'T', 'Z', '.', ' ', '+', 'é', '\0'];
    for seed in seeds {
        for at in 0..seed.len() {
            for byte in bytes {
                let changed = format!("{}{byte}{}", &seed[..at], &seed[at + 1..]);
                let inserted = format!("{}{byte}{}", &seed[..at], &seed[at..]);
                for text in [&changed, &inserted, &changed[..at]] {
                    let _ = parse_iso(text);
                    let _ = looks_like_timestamp(text);
                }
            }
        }
    }
}

fn axis(code: TimeCode, epoch: &str, scale: TimeScale) -> TimeReader {
    TimeReader::new(&AbsoluteTime {
        columns: Vec::new(),
        code,
        epoch_micros: parse_iso(epoch).expect("an epoch").micros,
        scale,
        valid_from_micros: CCSDS_EPOCH_MICROS,
        valid_to_micros: None,
    })
}

#[test]
fn segmented_codes() {
    let cds = axis(TimeCode::Cds, "1958-01-01", TimeScale::Utc);
    let cds2000 = axis(TimeCode::Cds, "2000-01-01", TimeScale::Utc);
    let cds_tai = axis(TimeCode::Cds, "1958-01-01", TimeScale::Tai);
    let cuc8 = axis(
        TimeCode::Cuc { fraction_bits: 8 },
        "1958-01-01",
        TimeScale::Tai,
    );
    let cuc24 = axis(
        TimeCode::Cuc { fraction_bits: 24 },
        "1980-01-06",
        TimeScale::Gps,
    );
    let cuc56 = axis(
        TimeCode::Cuc { fraction_bits: 56 },
        "1980-01-06",
        TimeScale::Gps,
    );
    let cfs = axis(TimeCode::Cfs, "1980-01-06", TimeScale::Utc);
    let mut table = String::new();
    for (name, reader, parts) in [
        ("cds", cds, vec![0x52e8, 0x037b_574c, 0x0103]),
        ("cds", cds, vec![4383, 0]),
        ("cds", cds, vec![21_549, 86_400_999, 999]),
        ("cds", cds, vec![21_549, 86_401_000]),
        ("cds", cds, vec![21_550, 86_399_999, 999]),
        ("cds", cds, vec![21_550, 86_400_000]),
        ("cds", cds, vec![21_548, 86_400_000]),
        ("cds 2000", cds2000, vec![6209, 86_400_000]),
        ("cds 2000", cds2000, vec![6210, 86_400_000]),
        ("cds tai", cds_tai, vec![21_549, 86_400_000]),
        ("cds", cds, vec![1, 0, 1000]),
        ("cds", cds, vec![-1, 0]),
        ("cds", cds, vec![1]),
        ("cuc8 tai", cuc8, vec![1_861_920_037, 0x80]),
        ("cuc8 tai", cuc8, vec![1_861_920_037, 0x100]),
        ("cuc8 tai", cuc8, vec![1_861_920_037]),
        ("cuc24 gps", cuc24, vec![0, 0]),
        ("cuc24 gps", cuc24, vec![1_167_264_018, 1 << 23]),
        ("cuc24 gps", cuc24, vec![1, 1]),
        ("cuc56 gps", cuc56, vec![1, (1 << 56) - 1]),
        ("cfs", cfs, vec![0x4000_0000, 0xffff]),
        ("cfs", cfs, vec![0x4000_0000, 0x1_0000]),
        ("cfs", cfs, vec![1, 2, 3]),
    ] {
        table.push_str(&format!(
            "{name} {parts:?} -> {}\n",
            show(reader.parts(&parts))
        ));
    }
    expect![[r#"
        cds [21224, 58414924, 259] -> 2016-02-10T16:13:34.924259Z
        cds [4383, 0] -> 1970-01-01T00:00:00Z
        cds [21549, 86400999, 999] -> 2017-01-01T00:00:00.999999Z
        cds [21549, 86401000] -> refused: millisecond of day 86401000 is not within 0 and 86400999
        cds [21550, 86399999, 999] -> 2017-01-01T23:59:59.999999Z
        cds [21550, 86400000] -> refused: millisecond of day 86400000 is not within 0 and 86399999
        cds [21548, 86400000] -> refused: millisecond of day 86400000 is not within 0 and 86399999
        cds 2000 [6209, 86400000] -> 2017-01-01T00:00:00Z
        cds 2000 [6210, 86400000] -> refused: millisecond of day 86400000 is not within 0 and 86399999
        cds tai [21549, 86400000] -> refused: millisecond of day 86400000 is not within 0 and 86399999
        cds [1, 0, 1000] -> refused: microsecond of millisecond 1000 is not within 0 and 999
        cds [-1, 0] -> refused: day -1 is not within 0 and 4294967295
        cds [1] -> refused: not a value that the time code reads
        cuc8 tai [1861920037, 128] -> 2017-01-01T00:00:00.5Z
        cuc8 tai [1861920037, 256] -> refused: fraction 256 is not within 0 and 255
        cuc8 tai [1861920037] -> 2017-01-01T00:00:00Z
        cuc24 gps [0, 0] -> 1980-01-06T00:00:00Z
        cuc24 gps [1167264018, 8388608] -> 2017-01-01T00:00:00.5Z
        cuc24 gps [1, 1] -> 1980-01-06T00:00:01Z +59ns cut
        cuc56 gps [1, 72057594037927935] -> 1980-01-06T00:00:01.999999Z +999ns cut
        cfs [1073741824, 65535] -> 2014-01-14T13:37:04.999984Z +741ns cut
        cfs [1073741824, 65536] -> refused: fraction 65536 is not within 0 and 65535
        cfs [1, 2, 3] -> refused: not a value that the time code reads
    "#]]
    .assert_eq(&table);
}

#[test]
fn counts() {
    let unix = |code| axis(code, "1970-01-01", TimeScale::Utc);
    let mut table = String::new();
    for (code, count) in [
        (TimeCode::Seconds, 1_700_000_000),
        (TimeCode::Seconds, -1),
        (TimeCode::Millis, 1_700_000_000_123),
        (TimeCode::Micros, i128::from(i64::MAX)),
        (TimeCode::Micros, i128::from(i64::MAX) + 1),
        (TimeCode::Nanos, 1_700_000_000_123_456_789),
        (TimeCode::Nanos, -1),
        (TimeCode::Seconds, i128::from(u64::MAX)),
        (TimeCode::Nanos, i128::from(u64::MAX)),
        (TimeCode::Seconds, i128::MAX),
        (TimeCode::Iso, 0),
    ] {
        table.push_str(&format!(
            "{code:?} {count} -> {}\n",
            show(unix(code).count(count))
        ));
    }
    for (code, count) in [
        (TimeCode::Seconds, 1_700_000_000.123_456),
        (TimeCode::Seconds, -0.000_000_4),
        (TimeCode::Seconds, -1.5),
        (TimeCode::Millis, 1_700_000_000_123.456_7),
        (TimeCode::Micros, 0.5),
        (TimeCode::Nanos, 1.7e18),
        (TimeCode::Seconds, f64::NAN),
        (TimeCode::Seconds, f64::INFINITY),
        (TimeCode::Seconds, 1e300),
        (TimeCode::Cds, 1.0),
    ] {
        table.push_str(&format!(
            "{code:?} {count:?} -> {}\n",
            show(unix(code).float_count(count))
        ));
    }
    expect![[r#"
        Seconds 1700000000 -> 2023-11-14T22:13:20Z
        Seconds -1 -> 1969-12-31T23:59:59Z
        Millis 1700000000123 -> 2023-11-14T22:13:20.123Z
        Micros 9223372036854775807 -> 294247-01-10T04:00:54.775807Z
        Micros 9223372036854775808 -> refused: beyond 64-bit microseconds
        Nanos 1700000000123456789 -> 2023-11-14T22:13:20.123456Z +789ns
        Nanos -1 -> 1969-12-31T23:59:59.999999Z +999ns
        Seconds 18446744073709551615 -> refused: beyond 64-bit microseconds
        Nanos 18446744073709551615 -> 2554-07-21T23:34:33.709551Z +615ns
        Seconds 170141183460469231731687303715884105727 -> refused: beyond 64-bit microseconds
        Iso 0 -> refused: not a value that the time code reads
        Seconds 1700000000.123456 -> 2023-11-14T22:13:20.123456Z
        Seconds -4e-7 -> 1970-01-01T00:00:00Z
        Seconds -1.5 -> 1969-12-31T23:59:58.5Z
        Millis 1700000000123.4568 -> 2023-11-14T22:13:20.123457Z
        Micros 0.5 -> 1970-01-01T00:00:00.000001Z
        Nanos 1.7e18 -> 2023-11-14T22:13:20Z
        Seconds NaN -> refused: not a finite number
        Seconds inf -> refused: not a finite number
        Seconds 1e300 -> refused: beyond 64-bit microseconds
        Cds 1.0 -> refused: not a value that the time code reads
    "#]]
    .assert_eq(&table);
}

#[test]
fn scales_agree_with_published_offsets() {
    for (utc, tai, gps) in [
        ("1971-12-31T23:59:59Z", 0, -19),
        ("1972-01-01T00:00:00Z", 10, -9),
        ("1980-01-06T00:00:00Z", 19, 0),
        ("1999-01-01T00:00:00Z", 32, 13),
        ("2016-12-31T23:59:59Z", 36, 17),
        ("2017-01-01T00:00:00Z", 37, 18),
        ("2026-01-01T00:00:00Z", 37, 18),
    ] {
        let micros = parse_iso(utc).expect("an instant").micros;
        for (scale, seconds) in [
            (TimeScale::Tai, tai),
            (TimeScale::Gps, gps),
            (TimeScale::Utc, 0),
        ] {
            let reading = scale::from_utc(scale, micros);
            assert_eq!(
                reading - i128::from(micros),
                seconds * 1_000_000,
                "{utc} {scale:?}"
            );
            if utc > "1972-01-01T00:00:10Z" {
                assert_eq!(scale::to_utc(scale, reading), Ok(micros), "{utc} {scale:?}");
            }
        }
    }
    // The inserted second repeats the first second of the next day.
    let leap = scale::from_utc(
        TimeScale::Tai,
        parse_iso("2017-01-01").expect("a day").micros,
    );
    let inserted = scale::to_utc(TimeScale::Tai, leap - 500_000).expect("in range");
    assert_eq!(format_rfc3339(inserted), "2017-01-01T00:00:00.5Z");
}

#[test]
fn an_epoch_is_an_instant_whatever_the_scale() {
    let met = axis(TimeCode::Seconds, "2010-01-01T00:00:00Z", TimeScale::Tai);
    let start = met.count(0).map(|i| format_rfc3339(i.micros));
    assert_eq!(start, Ok("2010-01-01T00:00:00Z".to_string()));
    // Three leap seconds were inserted between 2010 and 2020.
    let later = met
        .count(86_400 * 3652 + 3)
        .map(|i| format_rfc3339(i.micros));
    assert_eq!(later, Ok("2020-01-01T00:00:00Z".to_string()));
}

#[test]
fn the_calendar_is_exact_over_four_centuries() {
    let mut day = days_from_civil(1800, 1, 1);
    let (mut year, mut month, mut date) = (1800i64, 1u8, 1u8);
    while year < 2201 {
        assert_eq!(days_from_civil(year, month, date), day);
        let back = civil_from_days(day);
        assert_eq!((back.year, back.month, back.day), (year, month, date));
        day += 1;
        date += 1;
        if date > calendar::days_in_month(year, month) {
            (date, month) = (1, month + 1);
        }
        if month > 12 {
            (month, year) = (1, year + 1);
        }
    }
    assert_eq!(days_from_civil(1970, 1, 1), 0);
    assert_eq!(
        calendar::first_of_month(20_484),
        days_from_civil(2026, 1, 1)
    );
    assert_eq!(calendar::year_of_day(-1), 1969);
}

#[test]
fn shapes_that_inference_takes() {
    let mut table = String::new();
    for text in [
        "2026-01-31T12:00:00Z",
        "2026-01-31",
        "2026-01-31 12:00:00.123456789",
        "2026-01-31 12:00:00.1234567890",
        "2026-01-31 12:00:00.1234567891",
        "2016-041T16:13:34.924259Z",
        "2016-041",
        "20260131",
        "20260131T1200",
        "2026-02-30",
        "12:00:00",
        "1700000000",
        "hello",
        "",
    ] {
        let said = looks_like_timestamp(text).map_or("-".to_string(), |shape| {
            format!("{} zoned={}", shape.column_type(), shape.zoned)
        });
        table.push_str(&format!("{text} -> {said}\n"));
    }
    expect![[r#"
        2026-01-31T12:00:00Z -> timestamp zoned=true
        2026-01-31 -> date zoned=false
        2026-01-31 12:00:00.123456789 -> timestamp_ns zoned=false
        2026-01-31 12:00:00.1234567890 -> timestamp_ns zoned=false
        2026-01-31 12:00:00.1234567891 -> -
        2016-041T16:13:34.924259Z -> timestamp zoned=true
        2016-041 -> -
        20260131 -> -
        20260131T1200 -> timestamp zoned=false
        2026-02-30 -> -
        12:00:00 -> -
        1700000000 -> -
        hello -> -
         -> -
    "#]]
    .assert_eq(&table);
}
