use std::fmt::Write;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int16Array, StringArray, TimestampNanosecondArray,
};
use expect_test::{Expect, expect};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::schema::{AbsoluteTime, Origin, Partition, TimeCode, TimeScale};

/// 2026-01-31T12:00:00 UTC.
const NOW: i64 = 1_769_860_800_000_000;

fn unit() -> UnitColumns {
    UnitColumns {
        constants: BTreeMap::new(),
        ingest_id: 7,
        ingested_at_micros: NOW,
        received_at: ReceivedAt::Data,
    }
}

fn column(name: &str, kind: ColumnType) -> Column {
    Column::new(name, name, kind)
}

fn stream(columns: Vec<Column>) -> Definition {
    Definition::new("s", Origin::Given, columns)
}

fn absolute(columns: &[&str], code: TimeCode) -> TimeAxis {
    TimeAxis::Absolute(AbsoluteTime {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        code,
        epoch_micros: 0,
        scale: TimeScale::Utc,
        valid_from_micros: 0,
        valid_to_micros: None,
    })
}

fn batch(definition: &Definition, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(definition.decoded_schema(), columns).unwrap()
}

fn array<A: Array + 'static>(values: A) -> ArrayRef {
    Arc::new(values)
}

/// One line a row, columns by name; what the unit gives is left out.
fn table(batch: &RecordBatch) -> String {
    let mut out = String::new();
    for row in 0..batch.num_rows() {
        for (field, values) in batch.schema().fields().iter().zip(batch.columns()) {
            if !matches!(field.name().as_str(), names::INGEST_ID | names::INGESTED_AT) {
                write!(out, "{}={} ", field.name(), shown(values, row)).unwrap();
            }
        }
        out.push('\n');
    }
    out
}

fn check(definition: &Definition, columns: Vec<ArrayRef>, expect: Expect) {
    let conform = Conform::new(definition, &unit()).unwrap();
    let done = conform.apply(&batch(definition, columns)).unwrap();
    let mut out = table(&done.batch);
    writeln!(out, "kept {:?}, times cut {}", done.kept, done.times_cut).unwrap();
    for refused in done.refused {
        writeln!(
            out,
            "{}: {}: {}",
            refused.row, refused.reason, refused.detail
        )
        .unwrap();
    }
    expect.assert_eq(&out);
}

#[test]
fn instants_become_time_and_date() {
    let mut definition = stream(vec![
        column("ts", ColumnType::Text),
        column("v", ColumnType::I64),
    ]);
    definition.time = absolute(&["ts"], TimeCode::Iso);
    let texts = [
        Some("2026-01-31T00:00:00.25Z"),
        None,
        Some("soon"),
        Some("1969-12-31T23:59:59Z"),
        Some("2026-02-02T00:00:00Z"),
        Some("2026-01-30T23:59:59.9999999Z"),
    ];
    let values = Int64Array::from(vec![1, 2, 3, 4, 5, 6]);
    check(
        &definition,
        vec![array(StringArray::from(texts.to_vec())), array(values)],
        expect![[r#"
            time=2026-01-31T00:00:00.250000Z date=2026-01-31 v=1 _received_at=NULL 
            time=2026-01-30T23:59:59.999999Z date=2026-01-30 v=6 _received_at=NULL 
            kept Some([0, 5]), times cut 1
            1: time-null: time column "ts" has no value
            2: time-value: time column "ts": soon: not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z
            3: time-range: time column "ts": 1969-12-31T23:59:59Z is 1969-12-31T23:59:59.000000Z, which is not within 1970-01-01T00:00:00.000000Z and 2026-02-01T12:00:00.000000Z
            4: time-range: time column "ts": 2026-02-02T00:00:00Z is 2026-02-02T00:00:00.000000Z, which is not within 1970-01-01T00:00:00.000000Z and 2026-02-01T12:00:00.000000Z
        "#]],
    );
}

#[test]
fn nanoseconds_stay_beside_the_time() {
    let mut definition = stream(vec![column("ts", ColumnType::TimestampNs)]);
    definition.time = absolute(&["ts"], TimeCode::Iso);
    let nanos =
        TimestampNanosecondArray::from(vec![1_500_000_000_000_001_999]).with_timezone("UTC");
    check(
        &definition,
        vec![array(nanos)],
        expect![[r#"
        time=2017-07-14T02:40:00.000001Z date=2017-07-14 ts__ns=1500000000000001999 _received_at=NULL 
        kept None, times cut 0
    "#]],
    );
}

#[test]
fn segmented_clocks_stay_beside_the_time() {
    let mut definition = stream(vec![
        column("day", ColumnType::U16),
        column("ms", ColumnType::U32),
    ]);
    definition.time = absolute(&["day", "ms"], TimeCode::Cds);
    definition.partition = Partition::Month;
    let days = arrow::array::Int32Array::from(vec![Some(20_000), Some(20_000), None]);
    let millis = Int64Array::from(vec![1, 90_000_000, 0]);
    check(
        &definition,
        vec![array(days), array(millis)],
        expect![[r#"
            time=2024-10-04T00:00:00.001000Z date=2024-10-04 month=2024-10-01 day=20000 ms=1 _received_at=NULL 
            kept Some([0]), times cut 0
            1: time-value: time column "day", "ms": 20000, 90000000: millisecond of day 90000000 is not within 0 and 86399999
            2: time-null: time column "day", "ms" has no value
        "#]],
    );
}

/// `month` and `year` are ours only where partitions are cut by them.
#[test]
fn a_column_of_the_source_keeps_its_values() {
    let mut definition = stream(vec![
        column("ms", ColumnType::I64),
        column("month", ColumnType::Text),
        column("year", ColumnType::I32),
    ]);
    definition.time = absolute(&["ms"], TimeCode::Millis);
    let millis = Int64Array::from(vec![1_700_000_000_000]);
    let months = StringArray::from(vec!["sol 12"]);
    let years = arrow::array::Int32Array::from(vec![7]);
    check(
        &definition,
        vec![array(millis), array(months), array(years)],
        expect![[r#"
            time=2023-11-14T22:13:20.000000Z date=2023-11-14 ms=1700000000000 month=sol 12 year=7 _received_at=NULL 
            kept None, times cut 0
        "#]],
    );
}

#[test]
fn rules_of_columns_refuse_rows() {
    let mut required = column("name", ColumnType::Text);
    required.required = true;
    let mut ranged = column("volts", ColumnType::F64);
    ranged.unit = Some(String::from("V"));
    ranged.valid_range = Some((0.0, 5.5));
    let mut mode = column("mode", ColumnType::U8);
    mode.enumeration = vec![(0, String::from("off")), (1, String::from("on"))];
    let definition = stream(vec![required, ranged, mode]);
    check(
        &definition,
        vec![
            array(StringArray::from(vec![
                Some("a"),
                None,
                Some("c"),
                Some("d"),
                Some("e"),
                None,
            ])),
            array(Float64Array::from(vec![
                Some(5.5),
                Some(9.0),
                Some(f64::NAN),
                Some(5.6),
                None,
                Some(1.0),
            ])),
            array(Int64Array::from(vec![
                Some(1),
                Some(7),
                Some(2),
                Some(0),
                None,
                Some(0),
            ])),
        ],
        expect![[r#"
            name=a volts=5.5 mode=on mode__raw=1 _received_at=NULL 
            name=e volts=NULL mode=NULL mode__raw=NULL _received_at=NULL 
            kept Some([0, 4]), times cut 0
            1: required: column "name" has no value; it is required
            2: enumeration: column "mode": 2 has no label
            3: out-of-range: column "volts": 5.6 V is not within 0 and 5.5
            5: required: column "name" has no value; it is required
        "#]],
    );
}

#[test]
fn a_number_without_a_label_may_have_none() {
    let mut mode = column("mode", ColumnType::U8);
    mode.enumeration = vec![(0, String::from("off"))];
    let definition = stream(vec![mode]);
    let conform = Conform::new(&definition, &unit()).unwrap();
    let rows = batch(&definition, vec![array(Int64Array::from(vec![0, 2]))]);
    let conformed = conform.keeping_unlabelled().apply(&rows).unwrap();
    assert!(conformed.refused.is_empty());
    expect![[r#"
        mode=off mode__raw=0 _received_at=NULL 
        mode=NULL mode__raw=2 _received_at=NULL 
    "#]]
    .assert_eq(&table(&conformed.batch));
}

#[test]
fn bounds_are_exact_for_whole_numbers_and_kind_to_singles() {
    let ranged = |name: &str, kind, range| {
        let mut column = column(name, kind);
        column.valid_range = Some(range);
        column
    };
    let definition = stream(vec![
        ranged("big", ColumnType::I64, (0.5, 9_007_199_254_740_992.0)),
        ranged("single", ColumnType::F32, (0.1, 0.7)),
    ]);
    check(
        &definition,
        vec![
            array(Int64Array::from(vec![
                0,
                1,
                9_007_199_254_740_992,
                9_007_199_254_740_993,
            ])),
            array(Float32Array::from(vec![0.2, 0.1, 0.7, 0.2])),
        ],
        expect![[r#"
            big=1 single=0.1 _received_at=NULL 
            big=9007199254740992 single=0.7 _received_at=NULL 
            kept Some([1, 2]), times cut 0
            0: out-of-range: column "big": 0 is not within 0.5 and 9007199254740992
            3: out-of-range: column "big": 9007199254740993 is not within 0.5 and 9007199254740992
        "#]],
    );
}

#[test]
fn a_live_source_fills_in_when_a_row_arrived() {
    let mut definition = stream(vec![
        column("v", ColumnType::I64),
        column("ground", ColumnType::Timestamp),
    ]);
    definition.received_at = Some(String::from("ground"));
    definition.constants = vec![String::from("vehicle")];
    let unit = UnitColumns {
        constants: BTreeMap::from([(String::from("vehicle"), String::from("B2"))]),
        received_at: ReceivedAt::Arrival(NOW),
        ..unit()
    };
    let ground = TimestampMicrosecondArray::from(vec![Some(1_000_000), None]).with_timezone("UTC");
    let rows = batch(
        &definition,
        vec![array(Int64Array::from(vec![1, 2])), array(ground)],
    );
    let done = Conform::new(&definition, &unit)
        .unwrap()
        .apply(&rows)
        .unwrap();
    expect![[r#"
        vehicle=B2 v=1 _received_at=1970-01-01T00:00:01.000000Z 
        vehicle=B2 v=2 _received_at=2026-01-31T12:00:00.000000Z 
    "#]]
    .assert_eq(&table(&done.batch));
}

#[test]
fn definitions_that_do_not_add_up_are_refused() {
    let refused = |definition: &Definition, expect: Expect| {
        let error = Conform::new(definition, &unit()).unwrap_err();
        expect.assert_eq(&format!("{error:?}"));
    };
    let mut definition = stream(vec![column("v", ColumnType::I64)]);
    definition.constants = vec![String::from("vehicle")];
    refused(
        &definition,
        expect![[
            r#"Invalid: stream "s" has the constant column "vehicle", which has no value; give it with --set vehicle=... or --from-path"#
        ]],
    );

    let mut ranged = column("name", ColumnType::Text);
    ranged.valid_range = Some((0.0, 1.0));
    refused(
        &stream(vec![ranged]),
        expect![[r#"Invalid: column "name" of type text has a valid range; only numbers have"#]],
    );

    let mut definition = stream(vec![column("v", ColumnType::F64)]);
    definition.time = absolute(&["v"], TimeCode::Iso);
    refused(
        &definition,
        expect![[
            r#"Invalid: the time axis reads column "v" as Iso, which its type f64 does not go with"#
        ]],
    );
    definition.time = absolute(&["w"], TimeCode::Seconds);
    refused(
        &definition,
        expect![[r#"Invalid: the time axis names the column "w", which is not there"#]],
    );
    definition.time = absolute(&["v", "v"], TimeCode::Seconds);
    refused(
        &definition,
        expect!["Invalid: the time axis has 2 columns; its code Seconds takes 1 to 1"],
    );
}

/// Rows by rows, written without the vectorised code.
fn expected_reason(ts: Option<i64>, level: Option<i16>, mode: Option<i64>) -> Option<&'static str> {
    let day = 86_400_000_000;
    match ts {
        None => Some(reason::TIME_NULL),
        Some(ts) if ts < 0 || ts > NOW + day => Some(reason::TIME_RANGE),
        _ => match (level, mode) {
            (None, _) => Some(reason::REQUIRED),
            (Some(level), _) if !(-10..=10).contains(&level) => Some(reason::OUT_OF_RANGE),
            (_, Some(mode)) if mode > 1 => Some(reason::ENUMERATION),
            _ => None,
        },
    }
}

#[test]
fn random_rows_are_kept_or_refused_and_never_lost() {
    let mut level = column("level", ColumnType::I16);
    level.required = true;
    level.valid_range = Some((-10.0, 10.0));
    let mut mode = column("mode", ColumnType::U8);
    mode.enumeration = vec![(0, String::from("off")), (1, String::from("on"))];
    let mut definition = stream(vec![column("ts", ColumnType::I64), level, mode]);
    definition.time = absolute(&["ts"], TimeCode::Micros);
    let conform = Conform::new(&definition, &unit()).unwrap();
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let rows = random.random_range(0..50);
        let mut maybe = |range: std::ops::Range<i64>| {
            let value = random.random_range(range);
            (random.random_range(0..8) > 0).then_some(value)
        };
        let ts: Vec<_> = (0..rows)
            .map(|_| maybe(-NOW / 10..NOW + NOW / 10))
            .collect();
        let level: Vec<_> = (0..rows)
            .map(|_| maybe(-12..13).map(|v| i16::try_from(v).unwrap()))
            .collect();
        let mode: Vec<_> = (0..rows).map(|_| maybe(0..3)).collect();
        let input = batch(
            &definition,
            vec![
                array(Int64Array::from(ts.clone())),
                array(Int16Array::from(level.clone())),
                array(Int64Array::from(mode.clone())),
            ],
        );
        let done = conform.apply(&input).unwrap();
        let expected: Vec<_> = (0..ts.len())
            .map(|row| expected_reason(ts[row], level[row], mode[row]))
            .collect();
        let mut found = vec![None; ts.len()];
        for refused in &done.refused {
            found[refused.row] = Some(refused.reason);
        }
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!(
            done.batch.num_rows() + done.refused.len(),
            ts.len(),
            "seed {seed}"
        );
        let kept = done
            .kept
            .unwrap_or_else(|| (0..u32::try_from(ts.len()).unwrap()).collect());
        let stored = done
            .batch
            .column_by_name("level")
            .unwrap()
            .as_primitive::<arrow::datatypes::Int16Type>();
        for (place, row) in kept.iter().enumerate() {
            assert_eq!(
                Some(stored.value(place)),
                level[*row as usize],
                "seed {seed}"
            );
        }
    }
}
