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
    expect![[""]].assert_eq(&table);
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
    expect![[""]].assert_eq(&suggested.join("\n"));
    for text in suggested {
        parse_axis(&text, &columns()).expect("a suggestion is an axis");
    }
}
