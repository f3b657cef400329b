use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, LargeStringArray, ListArray,
    RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray, UInt32Array,
    new_null_array,
};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use expect_test::{Expect, expect};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;
use tokio::runtime::Runtime;

use super::*;
use crate::ErrorKind;
use crate::seam::Random;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn reorder(batch: &RecordBatch, rows: &[u32]) -> RecordBatch {
    take_record_batch(batch, &UInt32Array::from(rows.to_vec())).unwrap()
}

fn list(rows: Vec<Option<Vec<Option<f64>>>>) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows))
}

fn telemetry() -> RecordBatch {
    batch(vec![
        (
            "n",
            Arc::new(Int64Array::from(vec![
                Some(1),
                None,
                Some(-3),
                Some(i64::MIN),
            ])),
        ),
        (
            "x",
            Arc::new(Float64Array::from(vec![0.0, f64::NAN, -1.5, f64::INFINITY])),
        ),
        (
            "s",
            Arc::new(StringArray::from(vec![
                Some("a"),
                Some(""),
                None,
                Some("δ"),
            ])),
        ),
        (
            "l",
            list(vec![
                Some(vec![Some(1.0), None]),
                None,
                Some(vec![]),
                Some(vec![None]),
            ]),
        ),
    ])
}

/// Both say whether two batches must have the same hash.
fn check_hash(left: &RecordBatch, right: &RecordBatch, equal: bool) {
    let (l, r) = (row_hash(left).unwrap(), row_hash(right).unwrap());
    assert_eq!(l == r, equal, "{left:?}\n{right:?}");
}

fn column(name: &str, array: ArrayRef) -> RecordBatch {
    batch(vec![(name, array)])
}

#[test]
fn the_hash_is_that_of_a_multiset() {
    let rows = telemetry();
    check_hash(&rows, &reorder(&rows, &[3, 1, 0, 2]), true);
    check_hash(&rows, &rows.project(&[3, 0, 2, 1]).unwrap(), true);
    check_hash(&rows, &reorder(&rows, &[0, 1, 2, 2]), false);
    check_hash(&rows, &reorder(&rows, &[0, 1, 2]), false);
    let parts = row_hash(&rows.slice(0, 1)).unwrap() + row_hash(&rows.slice(1, 3)).unwrap();
    assert_eq!(parts, row_hash(&rows).unwrap());
    let rest = row_hash(&rows).unwrap() - row_hash(&rows.slice(0, 1)).unwrap();
    assert_eq!(rest, row_hash(&rows.slice(1, 3)).unwrap());
    assert_eq!(row_hash(&rows.slice(0, 0)).unwrap(), RowHash::default());
}

#[test]
fn swapping_one_value_between_two_rows_is_found() {
    let rows = telemetry();
    for place in 0..rows.num_columns() {
        for (i, j) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
            let mut order = [0, 1, 2, 3];
            order.swap(i, j);
            let swapped = reorder(&rows, &order);
            let mut columns = rows.columns().to_vec();
            columns[place] = Arc::clone(swapped.column(place));
            let other = RecordBatch::try_new(rows.schema(), columns).unwrap();
            check_hash(&rows, &other, false);
        }
    }
}

#[test]
fn a_column_of_nulls_adds_nothing_and_a_name_counts() {
    let rows = telemetry();
    for kind in [
        DataType::Utf8,
        DataType::Null,
        DataType::new_list(DataType::Int8, true),
    ] {
        let mut columns: Vec<(String, ArrayRef)> = rows
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .zip(rows.columns().to_vec())
            .collect();
        columns.push(("new".into(), new_null_array(&kind, 4)));
        let wider = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(n, c)| (n, c, true)),
        );
        check_hash(&rows, &wider.unwrap(), true);
    }
    let values: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    check_hash(
        &column("a", Arc::clone(&values)),
        &column("b", values),
        false,
    );
}

#[test]
fn equal_values_hash_alike_in_every_array_and_unequal_ones_do_not() {
    let texts = vec![Some("b"), None, Some("a"), Some("b")];
    let plain: ArrayRef = Arc::new(StringArray::from(texts.clone()));
    let dictionary: DictionaryArray<Int32Type> = texts.clone().into_iter().collect();
    let same: Vec<ArrayRef> = vec![
        Arc::new(dictionary),
        Arc::new(StringViewArray::from(texts.clone())),
        Arc::new(LargeStringArray::from(texts)),
    ];
    for other in same {
        check_hash(&column("c", Arc::clone(&plain)), &column("c", other), true);
    }
    let shorts: ArrayRef = Arc::new(Int16Array::from(vec![-1, 2]));
    let longs: ArrayRef = Arc::new(Int64Array::from(vec![-1, 2]));
    check_hash(&column("c", shorts), &column("c", longs), true);

    let double = |v: f64| column("c", Arc::new(Float64Array::from(vec![v])));
    check_hash(&double(f64::NAN), &double(-f64::NAN), true);
    check_hash(&double(0.0), &double(-0.0), false);
    check_hash(&double(f64::NAN), &double(f64::INFINITY), false);

    let one = |v: Option<Vec<Option<f64>>>| column("c", list(vec![v]));
    let lists = [
        one(None),
        one(Some(vec![])),
        one(Some(vec![None])),
        one(Some(vec![None, None])),
        one(Some(vec![Some(1.0), Some(2.0)])),
        one(Some(vec![Some(2.0), Some(1.0)])),
    ];
    for (i, left) in lists.iter().enumerate() {
        for (j, right) in lists.iter().enumerate() {
            check_hash(left, right, i == j);
        }
    }
}

#[test]
fn hashes_are_written_and_read_as_hex() {
    let hash = row_hash(&telemetry()).unwrap();
    assert_eq!(hash.to_string().parse::<RowHash>().unwrap(), hash);
    for wrong in ["", "12", &"g".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
        assert_eq!(
            wrong.parse::<RowHash>().unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }
    // Stored in files: must never change.
    expect!["18afbe27db4a84c0a5d55fd37b897d03"].assert_eq(&hash.to_string());
}

#[test]
fn folders_are_named_as_hive_names_them() {
    let cases: Vec<Vec<(&str, Option<&str>)>> = vec![
        vec![],
        vec![("date", Some("2026-01-31"))],
        vec![("a", None), ("b", Some(""))],
        vec![("a", Some("x/y=z:%")), ("b c", Some("ü ~."))],
        vec![("a", Some("2026-01-31 00:00:00.000000"))],
        vec![("a", Some("\"#'*?\\{[]^\n\u{7f}"))],
    ];
    let paths: Vec<String> = cases.iter().map(|values| partition_path(values)).collect();
    expect![[r#"

        date=2026-01-31
        a=__HIVE_DEFAULT_PARTITION__/b=__HIVE_DEFAULT_PARTITION__
        a=x%2Fy%3Dz%3A%25/b c=ü ~.
        a=2026-01-31 00%3A00%3A00.000000
        a=%22%23%27%2A%3F%5C%7B%5B%5D%5E%0A%7F"#]]
    .assert_eq(&paths.join("\n"));
}

#[test]
fn partition_values_have_the_text_of_the_delta_protocol() {
    let cases: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from(vec![Some(20_484), Some(-1), None])),
        Arc::new(Int32Array::from(vec![2026, -5])),
        Arc::new(StringArray::from(vec![Some("JPSS 1"), Some("")])),
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(TimestampMicrosecondArray::from(vec![1_500_000, -1])),
        Arc::new(
            Decimal128Array::from(vec![1234])
                .with_precision_and_scale(9, 2)
                .unwrap(),
        ),
        Arc::new(
            [Some("x"), None]
                .into_iter()
                .collect::<DictionaryArray<Int32Type>>(),
        ),
        Arc::new(Float64Array::from(vec![1.0])),
        Arc::new(BinaryArray::from_vec(vec![b"x"])),
        Arc::new(Date32Array::from(vec![i32::MAX])),
    ];
    let mut lines = Vec::new();
    for array in cases {
        for row in 0..array.len() {
            lines.push(match partition_text(&array, row) {
                Ok(text) => format!("{text:?}"),
                Err(error) => error.to_string(),
            });
        }
    }
    expect![[r#"
        Some("2026-01-31")
        Some("1969-12-31")
        None
        Some("2026")
        Some("-5")
        Some("JPSS 1")
        None
        Some("true")
        Some("1970-01-01 00:00:01.500000")
        Some("1969-12-31 23:59:59.999999")
        Some("12.34")
        Some("x")
        None
        a table cannot be partitioned by a column of type Float64; use a date, a whole number, or text
        a table cannot be partitioned by a column of type Binary; use a date, a whole number, or text
        day 2147483647 since 1970 is not a calendar date"#]].assert_eq(&lines.join("\n"));
}

struct Lake {
    runtime: Runtime,
    objects: Arc<dyn ObjectStore>,
}

impl Lake {
    fn new() -> Lake {
        Lake {
            runtime: Runtime::new().unwrap(),
            objects: Arc::new(InMemory::new()),
        }
    }

    fn target(&self) -> Target {
        Target {
            objects: Arc::clone(&self.objects),
            runtime: self.runtime.handle().clone(),
            table_dir: Path::from("lake/t"),
        }
    }

    fn write(&self, batches: &[RecordBatch], options: WriteOptions) -> crate::Result<WrittenFile> {
        let schema = batches[0].schema();
        let mut writer = FileWriter::create(&self.target(), "a=1/f.parquet", schema, options)?;
        for batch in batches {
            writer.write(batch)?;
        }
        writer.close()?.wait()
    }

    fn bytes(&self) -> bytes::Bytes {
        let get = async {
            let path = Path::from("lake/t/a=1/f.parquet");
            self.objects
                .get(&path)
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap()
        };
        self.runtime.block_on(get)
    }

    fn rows(&self) -> RecordBatch {
        let builder = ParquetRecordBatchReaderBuilder::try_new(self.bytes()).unwrap();
        let schema = Arc::clone(builder.schema());
        let batches: Vec<RecordBatch> = builder.build().unwrap().map(|b| b.unwrap()).collect();
        concat_batches(&schema, &batches).unwrap()
    }

    fn metadata(&self) -> Arc<ParquetMetaData> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(self.bytes()).unwrap();
        Arc::clone(builder.metadata())
    }

    fn is_empty(&self) -> bool {
        use futures::StreamExt;
        self.runtime
            .block_on(self.objects.list(None).next())
            .is_none()
    }
}

#[derive(Debug, Default)]
struct Lcg(std::sync::atomic::AtomicU64);

impl Random for Lcg {
    fn next_u64(&self) -> u64 {
        let next = |s: u64| Some(s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        let order = std::sync::atomic::Ordering::Relaxed;
        let state = self.0.fetch_update(order, order, next).unwrap();
        (state ^ (state >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ state
    }
}

fn check_stats(array: ArrayRef, expect: &Expect) {
    let lake = Lake::new();
    let options = WriteOptions {
        axis_column: Some("c".into()),
        ..WriteOptions::default()
    };
    let file = lake.write(&[column("c", array)], options).unwrap();
    let mut lines = Vec::new();
    if let Some(stats) = file.stats.columns.get("c") {
        lines.push(format!(
            "{:?}..{:?} nulls {:?}",
            stats.min, stats.max, stats.nulls
        ));
    }
    lines.extend(file.tags.get(TAG_AXIS_MIN).cloned());
    lines.extend(file.tags.get(TAG_AXIS_MAX).cloned());
    expect.assert_eq(&lines.join("\n"));
}

#[test]
fn bounds_are_never_narrower_than_the_values() {
    let utc = |v: Vec<i64>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(v).with_timezone("UTC"))
    };
    check_stats(
        Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(i64::MIN)])),
        &expect![[r#"
            Some(Number(-9223372036854775808))..Some(Number(9223372036854775807)) nulls Some(1)
            -9223372036854775808
            9223372036854775807"#]],
    );
    check_stats(
        utc(vec![1_999, 1_000_001]),
        &expect![[r#"
        Some(String("1970-01-01T00:00:00.001Z"))..Some(String("1970-01-01T00:00:01.001Z")) nulls Some(0)
        1999
        1000001"#]],
    );
    check_stats(
        utc(vec![-1_999, -1]),
        &expect![[r#"
        Some(String("1969-12-31T23:59:59.998Z"))..Some(String("1970-01-01T00:00:00.000Z")) nulls Some(0)
        -1999
        -1"#]],
    );
    check_stats(
        utc(vec![i64::MIN, i64::MAX]),
        &expect![[r#"
        None..None nulls Some(0)
        -9223372036854775808
        9223372036854775807"#]],
    );
    check_stats(
        Arc::new(Float64Array::from(vec![f64::NAN, 2.5, -0.0])),
        &expect![[r#"
            Some(Number(-0.0))..Some(Number(2.5)) nulls Some(0)
            -0
            2.5"#]],
    );
    check_stats(
        Arc::new(Float64Array::from(vec![0.0, 0.0])),
        &expect![[r#"
        Some(Number(-0.0))..Some(Number(0.0)) nulls Some(0)
        -0
        0"#]],
    );
    check_stats(
        Arc::new(Float64Array::from(vec![f64::NAN, f64::NAN])),
        &expect!["None..None nulls Some(0)"],
    );
    check_stats(
        Arc::new(Float64Array::from(vec![f64::NEG_INFINITY, 1.0])),
        &expect![[r#"
            None..Some(Number(1.0)) nulls Some(0)
            -inf
            1"#]],
    );
    check_stats(
        Arc::new(Float32Array::from(vec![0.1])),
        &expect![[r#"
            Some(Number(0.10000000149011612))..Some(Number(0.10000000149011612)) nulls Some(0)
            0.10000000149011612
            0.10000000149011612"#]],
    );
    check_stats(
        Arc::new(Date32Array::from(vec![-1, 20_484])),
        &expect![[r#"Some(String("1969-12-31"))..Some(String("2026-01-31")) nulls Some(0)"#]],
    );
    let decimal = |v: Vec<i128>, p, s| -> ArrayRef {
        Arc::new(
            Decimal128Array::from(v)
                .with_precision_and_scale(p, s)
                .unwrap(),
        )
    };
    check_stats(
        decimal(vec![0, u64::MAX.into()], 20, 0),
        &expect![[r#"
        Some(Number(0))..Some(Number(18446744073709551615)) nulls Some(0)
        0
        18446744073709551615"#]],
    );
    check_stats(
        decimal(vec![-1234, 5], 9, 2),
        &expect!["Some(Number(-12.34))..Some(Number(0.05)) nulls Some(0)"],
    );
    check_stats(
        decimal(vec![1, 12_345_678_901_234_567_890], 38, 3),
        &expect!["Some(Number(0.001))..None nulls Some(0)"],
    );
    check_stats(
        Arc::new(StringArray::from(vec!["b", "a"])),
        &expect![[r#"Some(String("a"))..Some(String("b")) nulls Some(0)"#]],
    );
    check_stats(
        Arc::new(StringArray::from(vec!["x".repeat(99)])),
        &expect![[
            r#"Some(String("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"))..Some(String("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy")) nulls Some(0)"#
        ]],
    );
    check_stats(
        Arc::new(StringArray::from(vec!["\u{10FFFF}".repeat(40)])),
        &expect![[
            r#"Some(String("\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}"))..None nulls Some(0)"#
        ]],
    );
    check_stats(
        Arc::new(StringArray::from(vec!["é".repeat(31) + "\u{D7FF}zz"])),
        &expect![[
            r#"Some(String("ééééééééééééééééééééééééééééééé"))..Some(String("ééééééééééééééééééééééééééééééê")) nulls Some(0)"#
        ]],
    );
    check_stats(
        Arc::new(BinaryArray::from_vec(vec![b"x"])),
        &expect!["None..None nulls Some(0)"],
    );
    check_stats(
        Arc::new(BooleanArray::from(vec![Some(true), None])),
        &expect!["None..None nulls Some(1)"],
    );
    check_stats(list(vec![Some(vec![Some(1.0)])]), &expect![""]);
}

#[test]
fn each_column_gets_the_encoding_that_fits_its_values() {
    let n = 60_000;
    let random = Lcg::default();
    let rows = batch(vec![
        (
            "time",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values((0..n).map(|i| i * 1_000))
                    .with_timezone("UTC"),
            ),
        ),
        (
            "counter",
            Arc::new(Int32Array::from_iter_values(
                (0..60_000).map(|i| i % 16_384),
            )),
        ),
        (
            "mode",
            Arc::new(Int32Array::from_iter_values(
                (0..n).map(|_| i32::from(random.next_u64() % 3 == 0) * 100_000),
            )),
        ),
        (
            "noise",
            Arc::new(Float64Array::from_iter_values((0..n).map(|_| {
                f64::from(u32::try_from(random.next_u64() >> 33).unwrap()) / 3e9 + 1.0
            }))),
        ),
        (
            "quantised",
            Arc::new(Float64Array::from_iter_values((0..n).map(|_| {
                f64::from(u32::try_from(random.next_u64() % 10_000).unwrap()) / 100.0
            }))),
        ),
        (
            "label",
            Arc::new(StringArray::from_iter_values(
                (0..n).map(|i| format!("mode {}", i % 7)),
            )),
        ),
        (
            "id",
            Arc::new(StringArray::from_iter_values(
                (0..n).map(|_| format!("{:032x}", random.next_u64())),
            )),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from_iter((0..n).map(|i| Some(i % 2 == 0)))),
        ),
        (
            "spectrum",
            list(
                (0..n)
                    .map(|i| Some(vec![Some(f64::from(i32::try_from(i % 5).unwrap())); 2]))
                    .collect(),
            ),
        ),
        ("gone", Arc::new(Float64Array::from(vec![None; 60_000]))),
    ]);
    let lake = Lake::new();
    lake.write(
        &[rows.slice(0, 100), rows.slice(100, 59_900)],
        WriteOptions::default(),
    )
    .unwrap();
    let metadata = lake.metadata();
    let lines: Vec<String> = metadata.row_groups()[0]
        .columns()
        .iter()
        .map(|c| {
            format!(
                "{} {:?}",
                c.column_path(),
                c.encodings().collect::<Vec<_>>()
            )
        })
        .collect();
    expect![[r#"
        "time" [RLE, DELTA_BINARY_PACKED]
        "counter" [RLE, DELTA_BINARY_PACKED]
        "mode" [PLAIN, RLE, RLE_DICTIONARY]
        "noise" [RLE, BYTE_STREAM_SPLIT]
        "quantised" [PLAIN, RLE, RLE_DICTIONARY]
        "label" [PLAIN, RLE, RLE_DICTIONARY]
        "id" [RLE, DELTA_LENGTH_BYTE_ARRAY]
        "flag" [RLE]
        "spectrum.list.item" [RLE, BYTE_STREAM_SPLIT]
        "gone" [PLAIN, RLE, RLE_DICTIONARY]"#]]
    .assert_eq(&lines.join("\n"));
    check_hash(&lake.rows(), &rows, true);
}

#[test]
fn columns_of_huge_values_have_no_bounds_and_read_as_written() {
    let texts = |bytes: usize| -> ArrayRef {
        let text = |i: usize| (i % 10 != 3).then(|| format!("{i:04}{}", "x".repeat(bytes)));
        Arc::new(StringArray::from_iter((0..400).map(text)))
    };
    let rows = batch(vec![
        ("huge", texts(8 << 10)),
        ("long", texts(2 << 10)),
        ("n", Arc::new(Int64Array::from_iter_values(0..400))),
    ]);
    let lake = Lake::new();
    let file = lake
        .write(std::slice::from_ref(&rows), WriteOptions::default())
        .unwrap();
    let stats = |name: &str| file.stats.columns.get(name).unwrap();
    assert_eq!(
        (&stats("huge").min, &stats("huge").max, stats("huge").nulls),
        (&None, &None, None),
        "a count that nobody kept is unknown, not zero"
    );
    assert!(stats("long").min.is_some());
    assert_eq!((stats("long").nulls, stats("n").nulls), (Some(40), Some(0)));
    let metadata = lake.metadata();
    let group = &metadata.row_groups()[0];
    assert!(group.column(0).statistics().is_none());
    assert!(
        group
            .columns()
            .iter()
            .all(|c| c.offset_index_offset().is_some())
    );
    check_hash(&lake.rows(), &rows, true);
}

#[test]
fn a_file_has_the_declared_layout() {
    let n: i64 = 150_000;
    let rows = batch(vec![
        (
            "k",
            Arc::new(StringArray::from_iter_values(
                (0..n).map(|i| format!("k{}", i / 50_000)),
            )),
        ),
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from_iter_values(0..n).with_timezone("UTC")),
        ),
    ]);
    let keys = cast(
        rows.column(0),
        &DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
    );
    let encoded = RecordBatch::try_from_iter(vec![
        ("k", keys.unwrap()),
        ("time", Arc::clone(rows.column(1))),
    ]);
    let lake = Lake::new();
    let options = WriteOptions {
        tier: Tier::Cold,
        sort_columns: vec!["date".into(), "k".into(), "time".into()],
        axis_column: Some("time".into()),
        bloom_columns: vec!["k".into()],
        key_values: BTreeMap::from([("downlake.source".into(), "x".into())]),
        ..WriteOptions::default()
    };
    let target = lake.target();
    let mut writer = FileWriter::create(&target, "a=1/f.parquet", rows.schema(), options).unwrap();
    writer.write(&encoded.unwrap()).unwrap();
    let file = writer.close().unwrap().wait().unwrap();

    let metadata = lake.metadata();
    let groups = metadata.row_groups().iter().map(|g| g.num_rows());
    assert_eq!(groups.collect::<Vec<_>>(), [131_072, 18_928]);
    let group = &metadata.row_groups()[0];
    let order: Vec<i32> = group
        .sorting_columns()
        .unwrap()
        .iter()
        .map(|c| c.column_idx)
        .collect();
    assert_eq!(order, [0, 1]);
    assert!(group.column(0).bloom_filter_offset().is_some());
    assert!(group.column(1).bloom_filter_offset().is_none());
    assert!(
        group
            .columns()
            .iter()
            .all(|c| c.column_index_offset().is_some())
    );
    assert_eq!(file.size, lake.bytes().len() as u64);
    expect![[r#"(["downlake.axis_max", "downlake.axis_min", "downlake.row_hash", "downlake.sort"], "date,k,time", "149999")"#]].assert_eq(&format!(
        "{:?}",
        (
            &file.tags.keys(),
            &file.tags[TAG_SORT],
            &file.tags[TAG_AXIS_MAX]
        )
    ));

    let location = target.location(&file.path).unwrap();
    let footer = lake
        .runtime
        .block_on(read_footer(&lake.objects, &location))
        .unwrap();
    let actual = lake
        .runtime
        .block_on(hash_file(&lake.objects, &location))
        .unwrap();
    assert_eq!(
        (footer.rows, footer.row_hash),
        (150_000, Some(file.row_hash))
    );
    assert_eq!(actual, (150_000, row_hash(&rows).unwrap()));
    assert_eq!(file.row_hash, actual.1);
}

#[test]
fn rows_out_of_order_are_refused_and_leave_no_file() {
    let numbers = |v: Vec<Option<i64>>| column("n", Arc::new(Int64Array::from(v)));
    let cases = [
        vec![numbers(vec![Some(2), Some(1)])],
        vec![numbers(vec![Some(1), Some(2)]), numbers(vec![Some(1)])],
        vec![numbers(vec![Some(1), None])],
    ];
    for batches in cases {
        let lake = Lake::new();
        let options = WriteOptions {
            sort_columns: vec!["n".into()],
            ..WriteOptions::default()
        };
        let error = lake.write(&batches, options).unwrap_err();
        assert_eq!(
            error.message(),
            "write a=1/f.parquet: rows are not sorted by n"
        );
        assert!(lake.is_empty());
    }
}

#[test]
fn an_aborted_file_never_appears() {
    for rows in [10, 2_000_000] {
        let lake = Lake::new();
        let random = Lcg::default();
        let values =
            Int64Array::from_iter_values((0..rows).map(|_| (random.next_u64() >> 1).cast_signed()));
        let rows = column("n", Arc::new(values));
        let mut writer =
            FileWriter::create(&lake.target(), "f", rows.schema(), WriteOptions::default())
                .unwrap();
        writer.write(&rows).unwrap();
        writer.abort().unwrap();
        assert!(lake.is_empty());
    }
}

#[test]
fn a_changed_file_is_found() {
    let lake = Lake::new();
    let random = Lcg::default();
    let values = Int64Array::from_iter_values((0..1000).map(|_| random.next_u64().cast_signed()));
    let rows = column("n", Arc::new(values));
    let file = lake.write(&[rows], WriteOptions::default()).unwrap();
    let location = lake.target().location(&file.path).unwrap();
    let good = lake.bytes();
    for (at, kind) in [(good.len() - 1, "footer"), (good.len() / 2, "page")] {
        let mut bad = good.to_vec();
        bad[at] ^= 0x40;
        lake.runtime
            .block_on(lake.objects.put(&location, bad.into()))
            .unwrap();
        let read = lake.runtime.block_on(hash_file(&lake.objects, &location));
        match read {
            Ok(found) => assert_ne!(found, (1000, file.row_hash), "{kind}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{kind}: {error}"),
        }
    }
    let missing = Path::from("lake/t/none");
    let error = lake
        .runtime
        .block_on(read_footer(&lake.objects, &missing))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn columns_that_are_not_there_are_named() {
    let lake = Lake::new();
    let options = WriteOptions {
        bloom_columns: vec!["id".into()],
        ..WriteOptions::default()
    };
    let rows = column("n", Arc::new(Int64Array::from(vec![1])));
    let error = lake.write(&[rows], options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let kind = DataType::Interval(arrow::datatypes::IntervalUnit::DayTime);
    let error = row_hash(&column("i", new_null_array(&kind, 1))).unwrap_err();
    expect![[r#"column "i": type Interval(DayTime) has no row hash; cast the column to a type that a table can hold"#]].assert_eq(error.message());
}
