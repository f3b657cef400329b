//! Tables that the tests share, and ways to query them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use downlake_lake::Result;
use downlake_query::output::{Format, OutputOptions, writer};
use downlake_query::{Cancel, Outcome, Session, SessionBuilder, parse};
use futures::stream::StreamExt;

use crate::lake::TestLake;

const DAY_MICROS: i64 = 86_400_000_000;
/// 2026-01-01 in days since 1970.
pub(crate) const FIRST_DAY: i32 = 20_454;

/// Three days of `hk`, one file and one version a day (versions 1 to 3),
/// four rows each; version 4 adds the column `mode`. `counts` has version n
/// with n rows. `_ledger` is a system table.
pub(crate) async fn sample_lake() -> TestLake {
    let mut lake = TestLake::default();
    lake.create(
        "hk",
        housekeeping_schema(),
        &["date"],
        &["time"],
        Some("time"),
    );
    lake.name_source("hk", "Pc (bar)", "pc");
    for day in 0..3 {
        lake.append("hk", &housekeeping(day)).await;
    }
    lake.add_columns("hk", vec![Field::new("mode", DataType::Utf8, true)]);
    lake.create("counts", counts(&[]).schema(), &[], &[], None);
    for n in 1..=3 {
        lake.append("counts", &counts(&[n])).await;
    }
    lake.create("_ledger", counts(&[]).schema(), &[], &[], None);
    lake.append("_ledger", &counts(&[7])).await;
    lake.add_raw_file("data/Raw.csv", counts(&[10, 20]));
    lake
}

pub(crate) fn counts(values: &[i64]) -> RecordBatch {
    let n: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_new(
        Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
        vec![n],
    )
    .unwrap()
}

fn housekeeping_schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new(
            "time",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        Field::new("date", DataType::Date32, true),
        Field::new("engine", DataType::Utf8, true),
        Field::new("pc", DataType::Float64, true),
    ]))
}

/// Rows at 00:00, 06:00, 12:00, 18:00 and 999 us of a day counted from 2026-01-01.
fn housekeeping(day: i64) -> RecordBatch {
    let start = (i64::from(FIRST_DAY) + day) * DAY_MICROS;
    let times: Vec<i64> = (0..4).map(|i| start + i * DAY_MICROS / 4 + 999).collect();
    let date = FIRST_DAY + i32::try_from(day).unwrap();
    RecordBatch::try_new(
        housekeeping_schema(),
        vec![
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
            Arc::new(Date32Array::from(vec![date; 4])),
            Arc::new(StringArray::from(vec![
                Some("e1"),
                Some("e2"),
                None,
                Some("e1"),
            ])),
            Arc::new(Float64Array::from(vec![
                Some(1.5),
                Some(f64::NAN),
                None,
                Some(97.25),
            ])),
        ],
    )
    .unwrap()
}

pub(crate) fn read_only(lake: &Arc<TestLake>) -> Session {
    let catalog: Arc<TestLake> = Arc::clone(lake);
    SessionBuilder::new(catalog)
        .with_threads(2)
        .build()
        .unwrap()
}

pub(crate) fn writing(lake: &Arc<TestLake>) -> Session {
    let catalog: Arc<TestLake> = Arc::clone(lake);
    let sink: Arc<TestLake> = Arc::clone(lake);
    SessionBuilder::new(catalog)
        .with_writer(sink)
        .with_threads(2)
        .build()
        .unwrap()
}

/// Runs all statements of a text; the last one's rows.
pub(crate) async fn rows(session: &Session, sql: &str) -> Result<Vec<RecordBatch>> {
    let mut last = Vec::new();
    for statement in parse(sql)? {
        last = match session.run(&statement, &Cancel::default()).await? {
            Outcome::Rows(rows) => collect(rows).await?,
            _ => Vec::new(),
        };
    }
    Ok(last)
}

async fn collect(rows: downlake_query::Rows) -> Result<Vec<RecordBatch>> {
    let mut batches = rows.batches;
    let mut all = vec![RecordBatch::new_empty(rows.schema)];
    while let Some(batch) = batches.next().await {
        all.push(batch?);
    }
    Ok(all)
}

/// The last statement's rows as CSV without the header, or the error.
pub(crate) async fn csv(session: &Session, sql: &str) -> String {
    match rows(session, sql).await {
        Ok(batches) => text(&batches, Format::Csv)
            .lines()
            .skip(1)
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => format!("{:?}: {}", error.kind(), error.message()),
    }
}

pub(crate) fn text(batches: &[RecordBatch], format: Format) -> String {
    let Some(first) = batches.first() else {
        return String::new();
    };
    let mut out = Vec::new();
    let mut writer = writer(format, &first.schema(), &mut out, &OutputOptions::default()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    String::from_utf8(out).unwrap()
}
