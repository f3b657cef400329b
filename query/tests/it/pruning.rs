//! Leaving files out never changes an answer.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use downlake_lake::seam::Seams;
use downlake_query::Session;
use downlake_query::output::Format;

use crate::lake::TestLake;
use crate::samples::{FIRST_DAY, read_only, rows, text};

const DAY_MICROS: i64 = 86_400_000_000;

/// The long ones differ only after the characters that bounds keep, in the
/// log (32) as in the file (64).
const NAMES: [&str; 7] = [
    "",
    "a",
    "ab",
    "b",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-2",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-3",
];

/// A small generator, so that a seed names a case for good.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn maybe<T>(&mut self, value: T) -> Option<T> {
        (self.below(5) > 0).then_some(value)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    fn number(&mut self) -> i64 {
        i64::try_from(self.below(20)).unwrap() - 10
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(
            "time",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        Field::new("date", DataType::Date32, true),
        Field::new("k", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("x", DataType::Float64, true),
    ]))
}

/// A file of one day (or of the NULL day), its values near each other.
fn file(dice: &mut Dice) -> RecordBatch {
    let day = FIRST_DAY + i32::try_from(dice.below(3)).unwrap();
    let day = dice.maybe(day);
    let (rows, base) = (1 + dice.below(5), dice.number());
    let instant = |dice: &mut Dice| {
        let micros = i64::try_from(dice.below(3)).unwrap() * 43_199_999_999;
        day.map(|day| i64::from(day) * DAY_MICROS + micros)
    };
    let float = |dice: &mut Dice| match dice.below(6) {
        0 => f64::NAN,
        n => base as f64 + n as f64 / 2.0,
    };
    let times: Vec<_> = (0..rows).map(|_| instant(dice)).collect();
    let keys: Vec<_> = (0..rows)
        .map(|_| {
            let n = base + dice.number() / 4;
            dice.maybe(n)
        })
        .collect();
    let names: Vec<_> = (0..rows)
        .map(|_| {
            let s = dice.pick(&NAMES);
            dice.maybe(s)
        })
        .collect();
    let floats: Vec<_> = (0..rows)
        .map(|_| {
            let f = float(dice);
            dice.maybe(f)
        })
        .collect();
    let dates = vec![day; times.len()];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
        Arc::new(Date32Array::from(dates)),
        Arc::new(Int64Array::from(keys)),
        Arc::new(StringArray::from(names)),
        Arc::new(Float64Array::from(floats)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn filter(dice: &mut Dice, depth: u32) -> String {
    if depth > 0 && dice.below(2) == 0 {
        let (left, right) = (filter(dice, depth - 1), filter(dice, depth - 1));
        return match dice.below(3) {
            0 => format!("({left} AND {right})"),
            1 => format!("({left} OR {right})"),
            _ => format!("(NOT {left})"),
        };
    }
    let compare = dice.pick(&["=", "<>", "<", "<=", ">", ">="]);
    let hour = dice.pick(&["00:00:00", "11:59:59.999999", "12:00:00", "23:59:59.999998"]);
    let day = 1 + dice.below(3);
    match dice.below(10) {
        0 => format!("time {compare} '2026-01-0{day}T{hour}Z'"),
        1 => format!("date {compare} DATE '2026-01-0{day}'"),
        2 => format!("k {compare} {}", dice.number()),
        3 => format!("s {compare} '{}'", dice.pick(&NAMES)),
        4 => format!(
            "{} IS {}NULL",
            dice.pick(&["time", "date", "k", "s", "x"]),
            dice.pick(&["", "NOT "])
        ),
        5 => format!("k IN ({}, {})", dice.number(), dice.number()),
        6 => format!("k BETWEEN {} AND {}", dice.number(), dice.number()),
        7 => format!("x {compare} {}", dice.number()),
        8 => format!("x {compare} CAST('NaN' AS DOUBLE)"),
        _ => format!("s LIKE '{}%'", dice.pick(&["", "a", "b", "aaaaaaaa"])),
    }
}

/// The same filter over a copy of the rows that has no statistics and no
/// partition, so that nothing can be left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruned_equals_unpruned() {
    let fresh = Seams::system().random.next_u64();
    for seed in (0..40).chain([fresh]) {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let lake = TestLake::default();
        lake.create("pruned", schema(), &["date"], &["time"], Some("time"));
        lake.create("whole", schema(), &[], &[], None);
        for _ in 0..6 {
            let rows = file(&mut dice);
            lake.append("pruned", &rows).await;
            lake.append_bare("whole", &rows).await;
        }
        let session = read_only(&Arc::new(lake));
        for _ in 0..20 {
            let filter = filter(&mut dice, 2);
            let query = |table: &str| {
                format!("SELECT * FROM {table} WHERE {filter} ORDER BY 1, 2, 3, 4, 5")
            };
            assert_same(&session, &query, &format!("seed {seed}: {filter}")).await;
        }
    }
}

async fn assert_same(session: &Session, query: &dyn Fn(&str) -> String, what: &str) {
    let pruned = rows(session, &query("pruned")).await.unwrap();
    let whole = rows(session, &query("whole")).await.unwrap();
    let (pruned, whole) = (text(&pruned, Format::Csv), text(&whole, Format::Csv));
    assert_eq!(pruned, whole, "{what}");
}

fn float_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, true)]))
}

fn floats(values: &[f64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
    RecordBatch::try_new(float_schema(), vec![column]).unwrap()
}

/// NaN is above every number, and no bound says that it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nan_is_found_behind_bounds() {
    let lake = TestLake::default();
    lake.create("pruned", float_schema(), &[], &[], None);
    lake.create("whole", float_schema(), &[], &[], None);
    let files: [&[f64]; 4] = [
        &[1.0, 2.0, f64::NAN],
        &[5.0, 5.0, 5.0, f64::NAN, 90.0, 100.0],
        &[f64::NAN, f64::NAN],
        &[-0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY],
    ];
    for values in files {
        lake.append("pruned", &floats(values)).await;
        lake.append_bare("whole", &floats(values)).await;
    }
    let session = read_only(&Arc::new(lake));
    let above = rows(&session, "SELECT x FROM pruned WHERE x > 1000")
        .await
        .unwrap();
    let above: usize = above.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(above, 5, "four NaN and the infinity");
    for rest in [
        "WHERE x > 1000 ORDER BY x",
        "WHERE x >= 1000 ORDER BY x",
        "WHERE x <> 5 ORDER BY x",
        "WHERE NOT (x <= 1000) ORDER BY x",
        "WHERE x = CAST('NaN' AS DOUBLE) ORDER BY x",
        "WHERE x NOT IN (1, 2, 5) ORDER BY x",
        "WHERE x NOT BETWEEN -1000 AND 1000 ORDER BY x",
        "WHERE isnan(x)",
        "WHERE x < 3 ORDER BY x LIMIT 2",
        "WHERE x <= 100 ORDER BY x LIMIT 100",
        "ORDER BY x DESC LIMIT 2",
        "ORDER BY x LIMIT 1",
    ] {
        let query = |table: &str| format!("SELECT x FROM {table} {rest}");
        assert_same(&session, &query, rest).await;
    }
    let extremes =
        |table: &str| format!("SELECT max(x) AS high, min(x) AS low, count(x) AS n FROM {table}");
    assert_same(&session, &extremes, "extremes").await;
    let limited = |table: &str| {
        format!("SELECT count(*) FROM (SELECT x FROM {table} WHERE x <= 100 LIMIT 7)")
    };
    assert_same(&session, &limited, "a limit over a filter").await;
}
