use expect_test::expect;

use super::*;

fn columns() -> Vec<Column> {
    [
        ("ts", "ts", ColumnType::Timestamp),
        ("when", "When", ColumnType::Text),
        ("t", "t", ColumnType::F64),
        ("n", "n", ColumnType::I64),
        ("doy", "DOY", ColumnType::U16),
        ("msec", "MSEC", ColumnType::U32),
        ("usec", "USEC", ColumnType::U16),
        ("time_stamp", "Time Stamp", ColumnType::F64),
        ("unit", "unit", ColumnType::I32),
        ("cycle", "cycle", ColumnType::I32),
        ("none", "none", ColumnType::Timestamp),
    ]
    .into_iter()
    .map(|(name, source, kind)| Column::new(name, source, kind))
    .collect()
}

fn show(text: &str) -> String {
    match parse_axis(text, &columns()) {
        Ok(TimeAxis::None) => "none".to_string(),
        Ok(TimeAxis::Relative {
            column,
            unit,
            run_key,
        }) => {
            format!("relative {column} in {unit:?} by {run_key:?}")
        }
        Ok(TimeAxis::Absolute(time)) => format!(
            "{:?} of {:?} from {} {:?}",
            time.code,
            time.columns,
            crate::schema::time::format_rfc3339(time.epoch_micros),
            time.scale
        ),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn what_is_read_and_what_is_refused() {
    let mut table = String::new();
    for text in [
        "ts",
        "When",
        "none",
        "\"none\"",
        "iso(ts)",
        " iso ( WHEN , scale = tai ) ",
        "seconds(t)",
        "seconds(t, epoch='2000-01-01T00:00:00Z', scale=tai)",
        "seconds(\"Time Stamp\")",
        "millis(n)",
        "cds(DOY,MSEC,USEC)",
        "cds(doy, msec)",
        "cuc(n, msec, fraction_bits=16, epoch=1980-01-06, scale=gps)",
        "cfs(n, doy, epoch=1980-01-06T00:00:00Z)",
        "relative(time_stamp, s)",
        "relative(cycle, cycle, run=unit)",
        "relative(n, s, run=_ingest_id)",
        // Refused.
        "",
        "t",
        "tss",
        "seconds()",
        "seconds(t",
        "seconds(t))",
        "second(t)",
        "seconds(t, epcoh=1970-01-01)",
        "seconds(t, epoch=soon)",
        "seconds(t, scale=tt)",
        "seconds(t, scale=gps)",
        "seconds(when)",
        "seconds(t, n)",
        "cuc(n, msec)",
        "cuc(n, msec, fraction_bits=99, epoch=1980-01-06)",
        "cfs(n, doy)",
        "cds(doy)",
        "iso(ts, epoch=1970-01-01)",
        "relative(ts, s)",
        "relative(n)",
        "relative(n, s, by=unit)",
        "\"Time Stamp",
        "ts extra",
    ] {
        table.push_str(&format!("{text} => {}\n", show(text)));
    }
    expect![[r#"
        ts => Iso of ["ts"] from 1970-01-01T00:00:00Z Utc
        When => Iso of ["when"] from 1970-01-01T00:00:00Z Utc
        none => none
        "none" => Iso of ["none"] from 1970-01-01T00:00:00Z Utc
        iso(ts) => Iso of ["ts"] from 1970-01-01T00:00:00Z Utc
         iso ( WHEN , scale = tai )  => Iso of ["when"] from 1970-01-01T00:00:00Z Tai
        seconds(t) => Seconds of ["t"] from 1970-01-01T00:00:00Z Utc
        seconds(t, epoch='2000-01-01T00:00:00Z', scale=tai) => Seconds of ["t"] from 2000-01-01T00:00:00Z Tai
        seconds("Time Stamp") => Seconds of ["time_stamp"] from 1970-01-01T00:00:00Z Utc
        millis(n) => Millis of ["n"] from 1970-01-01T00:00:00Z Utc
        cds(DOY,MSEC,USEC) => Cds of ["doy", "msec", "usec"] from 1958-01-01T00:00:00Z Utc
        cds(doy, msec) => Cds of ["doy", "msec"] from 1958-01-01T00:00:00Z Utc
        cuc(n, msec, fraction_bits=16, epoch=1980-01-06, scale=gps) => Cuc { fraction_bits: 16 } of ["n", "msec"] from 1980-01-06T00:00:00Z Gps
        cfs(n, doy, epoch=1980-01-06T00:00:00Z) => Cfs of ["n", "doy"] from 1980-01-06T00:00:00Z Utc
        relative(time_stamp, s) => relative time_stamp in "s" by None
        relative(cycle, cycle, run=unit) => relative cycle in "cycle" by Some("unit")
        relative(n, s, run=_ingest_id) => relative n in "s" by Some("_ingest_id")
         => Invalid: time axis "", character 1: expected a column or a code, found the end
        t => Invalid: time axis "t", character 1: column "t" is f64: say what it counts, such as seconds(t), millis(t) or relative(t, s)
        tss => NotFound: time axis "tss", character 1: "tss" is no column of the stream, did you mean "ts": columns are ts, When, t, n, DOY, MSEC, USEC, Time Stamp, unit, cycle, none
        seconds() => Invalid: time axis "seconds()", character 9: expected a column, found ')'
        seconds(t => Invalid: time axis "seconds(t", character 10: expected ')', found the end
        seconds(t)) => Invalid: time axis "seconds(t))", character 11: expected the end, found ')'
        second(t) => Invalid: time axis "second(t)", character 1: unknown time code "second", did you mean "seconds": codes are iso, seconds, millis, micros, nanos, cds, cuc, cfs, relative
        seconds(t, epcoh=1970-01-01) => Invalid: time axis "seconds(t, epcoh=1970-01-01)", character 12: unknown option "epcoh", did you mean "epoch": options are epoch, scale, fraction_bits
        seconds(t, epoch=soon) => Invalid: time axis "seconds(t, epoch=soon)", character 18: epoch "soon" is not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
        seconds(t, scale=tt) => Invalid: time axis "seconds(t, scale=tt)", character 18: unknown scale "tt": scales are utc, tai, gps
        seconds(t, scale=gps) => Invalid: time axis "seconds(t, scale=gps)", character 1: seconds needs the epoch of its clock, a UTC instant, such as epoch='1980-01-06T00:00:00Z'
        seconds(when) => Invalid: time axis "seconds(when)", character 1: code "seconds" does not read column "when" of type text: expected a whole or floating number
        seconds(t, n) => Invalid: time axis "seconds(t, n)", character 1: code "seconds" takes 1 column, found 2
        cuc(n, msec) => Invalid: time axis "cuc(n, msec)", character 1: cuc needs the width of its fraction, such as fraction_bits=16
        cuc(n, msec, fraction_bits=99, epoch=1980-01-06) => Invalid: time axis "cuc(n, msec, fraction_bits=99, epoch=1980-01-06)", character 28: fraction_bits must be 0 to 56
        cfs(n, doy) => Invalid: time axis "cfs(n, doy)", character 1: cfs needs the epoch of its clock, a UTC instant, such as epoch='1980-01-06T00:00:00Z'
        cds(doy) => Invalid: time axis "cds(doy)", character 1: code "cds" takes 2 or 3 columns (days, milliseconds of day, microseconds), found 1
        iso(ts, epoch=1970-01-01) => Invalid: time axis "iso(ts, epoch=1970-01-01)", character 1: iso names instants and has no epoch: leave it out
        relative(ts, s) => Invalid: time axis "relative(ts, s)", character 10: column "ts" is timestamp: a relative axis is a number
        relative(n) => Invalid: time axis "relative(n)", character 11: expected ',', found ')'
        relative(n, s, by=unit) => Invalid: time axis "relative(n, s, by=unit)", character 16: unknown option "by": expected run=column
        "Time Stamp => Invalid: time axis "\"Time Stamp", character 1: the " is not closed
        ts extra => Invalid: time axis "ts extra", character 4: expected the end, found 'e'
    "#]].assert_eq(&table);
}

#[test]
fn hostile_expressions_never_panic() {
    let good = "cuc(\"Time Stamp\", msec, fraction_bits=16, epoch='1980-01-06', scale=gps)";
    for at in 0..=good.len() {
        for piece in ["", "(", ")", ",", "=", "\"", "'", "é", " "] {
            let _ = parse_axis(
                &format!("{}{piece}{}", &good[..at], &good[at..]),
                &columns(),
            );
            let _ = parse_axis(&format!("{}{piece}", &good[..at]), &columns());
        }
    }
}

#[test]
fn suggestions_read_as_axes() {
    let suggested = suggestions(&columns());
    expect![[r#"
        ts
        "none"
        relative(t, s)
        relative(time_stamp, s)"#]]
    .assert_eq(&suggested.join("\n"));
    for text in suggested {
        parse_axis(&text, &columns()).expect("a suggestion is an axis");
    }
}
