//! What a plan says: which files it reads, and in what order their rows are.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, Datelike};
use downlake_query::Session;

use crate::lake::TestLake;
use crate::samples::{csv, read_only, rows, sample_lake};

/// The physical plan of a query.
async fn plan(session: &Session, query: &str) -> String {
    let lines = rows(session, &format!("EXPLAIN {query}")).await.unwrap();
    let mut plans = String::new();
    for batch in lines.iter().filter(|batch| batch.num_rows() > 0) {
        let (kinds, texts) = (batch.column(0).as_string::<i32>(), batch.column(1));
        let texts = texts.as_string::<i32>();
        for row in (0..batch.num_rows()).filter(|row| kinds.value(*row) == "physical_plan") {
            plans += texts.value(row);
        }
    }
    assert!(!plans.is_empty(), "EXPLAIN {query} shows no physical plan");
    plans
}

/// Numbers of the files that a plan reads: `part-0007.parquet` is 7.
fn files(plan: &str) -> Vec<u32> {
    let numbers = plan
        .split("part-")
        .skip(1)
        .filter_map(|rest| rest.get(..4)?.parse().ok());
    let numbers: BTreeSet<u32> = numbers.collect();
    numbers.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_name_the_files_that_are_read() {
    let session = read_only(&Arc::new(sample_lake().await));
    let cases: [(&str, &[u32]); 14] = [
        ("SELECT * FROM hk", &[0, 1, 2]),
        ("SELECT * FROM hk WHERE date = DATE '2026-01-02'", &[1]),
        ("SELECT * FROM hk WHERE date <> DATE '2026-01-02'", &[0, 2]),
        (
            "SELECT * FROM hk WHERE date IN (DATE '2026-01-01', DATE '2026-02-01')",
            &[0],
        ),
        (
            "SELECT * FROM hk WHERE time >= '2026-01-03T00:00:00Z'",
            &[2],
        ),
        ("SELECT * FROM hk WHERE time < '2026-01-01T06:00:00Z'", &[0]),
        (
            "SELECT * FROM hk WHERE time = '2026-01-02T06:00:00.000999Z'",
            &[1],
        ),
        ("SELECT * FROM hk WHERE time > '2026-02-01T00:00:00Z'", &[]),
        ("SELECT * FROM hk WHERE time IS NULL", &[]),
        ("SELECT * FROM hk WHERE engine = 'e3'", &[]),
        (
            "SELECT * FROM hk WHERE engine >= 'e2' AND time < '2026-01-02T00:00:00Z'",
            &[0],
        ),
        // A column that no file has, and floats: nothing is known.
        ("SELECT * FROM hk WHERE mode = 'safe'", &[0, 1, 2]),
        ("SELECT * FROM hk WHERE pc > 1000", &[0, 1, 2]),
        (
            "SELECT * FROM hk VERSION AS OF 2 WHERE time >= '2026-01-02T00:00:00Z'",
            &[1],
        ),
    ];
    for (query, expected) in cases {
        let plan = plan(&session, query).await;
        assert_eq!(files(&plan), expected, "{query}\n{plan}");
    }
}

fn keyed_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("n", DataType::Int64, true),
    ]))
}

fn keyed(rows: &[(Option<i64>, i64)]) -> RecordBatch {
    let k: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
    let n: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Int64Array>());
    RecordBatch::try_new(keyed_schema(), vec![k, n]).unwrap()
}

async fn keyed_lake(files: &[&[(Option<i64>, i64)]]) -> Arc<TestLake> {
    let lake = TestLake::default();
    lake.create("t", keyed_schema(), &[], &["k", "n"], None);
    for rows in files {
        lake.append("t", &keyed(rows)).await;
    }
    Arc::new(lake)
}

/// The declared order spares the sort that `ORDER BY` asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_proven_is_declared() {
    let lake = keyed_lake(&[
        &[(Some(5), 1), (Some(6), 0)],
        &[(Some(1), 9), (Some(2), 3)],
        &[(Some(3), 1), (Some(3), 2)],
    ])
    .await;
    let session = read_only(&lake);
    for order in ["k", "k, n"] {
        let plan = plan(&session, &format!("SELECT * FROM t ORDER BY {order}")).await;
        assert!(plan.contains("output_ordering"), "{order}\n{plan}");
        assert!(!plan.contains("SortExec"), "{order}\n{plan}");
    }
    for order in ["n", "n, k"] {
        let plan = plan(&session, &format!("SELECT * FROM t ORDER BY {order}")).await;
        assert!(plan.contains("SortExec"), "{order}\n{plan}");
    }
    let sorted = csv(&session, "SELECT * FROM t ORDER BY k, n").await;
    assert_eq!(sorted, "1,9\n2,3\n3,1\n3,2\n5,1\n6,0");
    let falling = csv(&session, "SELECT * FROM t ORDER BY k DESC, n DESC").await;
    assert_eq!(falling, "6,0\n5,1\n3,2\n3,1\n2,3\n1,9");
}

/// Files that overlap, hold a NULL, or do not say how they are sorted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_proven_is_not_declared() {
    type File<'a> = &'a [(Option<i64>, i64)];
    let overlapping: [File; 3] = [
        &[(Some(1), 1), (Some(9), 1)],
        &[(Some(2), 1), (Some(8), 1)],
        &[(Some(3), 1), (Some(7), 1)],
    ];
    let with_null: [File; 2] = [&[(None, 1), (Some(1), 1)], &[(Some(2), 1)]];
    let apart: [File; 2] = [&[(Some(1), 1)], &[(Some(2), 1)]];
    let cases = [
        (
            keyed_lake(&overlapping).await,
            "1,1\n2,1\n3,1\n7,1\n8,1\n9,1",
        ),
        (keyed_lake(&with_null).await, "1,1\n2,1\n,1"),
        (keyed_lake(&apart).await, "1,1\n2,1"),
    ];
    cases[2].0.change_last_file("t", |file| file.tags.clear());
    for (lake, expected) in &cases {
        let session = read_only(lake);
        let plan = plan(&session, "SELECT * FROM t ORDER BY k").await;
        assert!(plan.contains("SortExec"), "{plan}");
        assert_eq!(csv(&session, "SELECT * FROM t ORDER BY k").await, *expected);
    }
}

/// Microseconds since 1970 of an RFC 3339 instant.
fn micros(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text)
        .unwrap()
        .timestamp_micros()
}

fn period_schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("time", time, true),
        Field::new("date", DataType::Date32, true),
        Field::new("month", DataType::Date32, true),
        Field::new("year", DataType::Int32, true),
    ]))
}

/// Rows of one period; month and year are those of the first row.
fn period(times: &[&str]) -> RecordBatch {
    let times: Vec<i64> = times.iter().map(|text| micros(text)).collect();
    let day = |micros: &i64| i32::try_from(micros.div_euclid(86_400_000_000)).unwrap();
    let first = DateTime::from_timestamp_micros(times[0])
        .unwrap()
        .date_naive();
    let month = first.with_day(1).unwrap().to_epoch_days();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC")),
        Arc::new(Date32Array::from_iter_values(times.iter().map(day))),
        Arc::new(Date32Array::from(vec![month; times.len()])),
        Arc::new(Int32Array::from(vec![first.year(); times.len()])),
    ];
    RecordBatch::try_new(period_schema(), columns).unwrap()
}

const PERIODS: [&[&str]; 4] = [
    &["2025-12-01T00:00:00Z", "2025-12-31T23:59:59.999999Z"],
    &["2026-01-01T00:00:00Z", "2026-01-31T23:59:59.999999Z"],
    &["2026-02-01T00:00:00Z", "2026-02-28T23:59:59.999999Z"],
    &["2028-02-29T00:00:00Z", "2028-02-29T23:59:59.999999Z"],
];

/// Tables whose files say nothing of `time` and `date` but their partition.
async fn periods() -> Arc<TestLake> {
    let lake = TestLake::default();
    for (table, partition) in [("monthly", "month"), ("yearly", "year")] {
        lake.create(
            table,
            period_schema(),
            &[partition],
            &["time"],
            Some("time"),
        );
        for times in PERIODS {
            lake.append(table, &period(times)).await;
            lake.change_last_file(table, |file| {
                file.stats.columns.remove("time");
                file.stats.columns.remove("date");
            });
        }
    }
    lake.create("whole", period_schema(), &[], &[], None);
    for times in PERIODS {
        lake.append_bare("whole", &period(times)).await;
    }
    Arc::new(lake)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn months_and_years_bound_the_time() {
    let session = read_only(&periods().await);
    let cases: [(&str, &[u32], &[u32]); 7] = [
        ("time < '2026-01-01T00:00:00Z'", &[0], &[0]),
        ("time <= '2026-01-01T00:00:00Z'", &[0, 1], &[0, 1, 2]),
        (
            "time >= '2026-01-31T23:59:59.999999Z' AND time < '2026-02-01T00:00:00Z'",
            &[1],
            &[1, 2],
        ),
        ("time > '2026-02-28T23:59:59.999999Z'", &[3], &[1, 2, 3]),
        ("date = DATE '2028-02-29'", &[3], &[3]),
        ("date < DATE '2026-01-01'", &[0], &[0]),
        ("time > '2028-12-31T23:59:59.999999Z'", &[], &[]),
    ];
    for (filter, monthly, yearly) in cases {
        for (table, expected) in [("monthly", monthly), ("yearly", yearly)] {
            let plan = plan(&session, &format!("SELECT * FROM {table} WHERE {filter}")).await;
            assert_eq!(files(&plan), expected, "{table} WHERE {filter}\n{plan}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn months_and_years_lose_no_row() {
    let session = read_only(&periods().await);
    for instant in PERIODS.iter().flat_map(|times| times.iter()) {
        for compare in ["=", "<>", "<", "<=", ">", ">="] {
            let query = |table: &str| {
                format!("SELECT time FROM {table} WHERE time {compare} '{instant}' ORDER BY time")
            };
            let whole = csv(&session, &query("whole")).await;
            assert_eq!(
                csv(&session, &query("monthly")).await,
                whole,
                "{compare} {instant}"
            );
            assert_eq!(
                csv(&session, &query("yearly")).await,
                whole,
                "{compare} {instant}"
            );
        }
    }
}
