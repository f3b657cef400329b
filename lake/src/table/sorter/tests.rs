use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, DictionaryArray, Float64Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::compute::{SortColumn, cast, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Date32Type, Field, Int32Type, Int64Type, Schema};
use arrow::row::{RowConverter, SortField};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::ErrorKind;
use crate::parquet::{RowHash, TAG_SORT, row_hash};

#[derive(Debug)]
struct Lcg(AtomicU64);

impl Random for Lcg {
    fn next_u64(&self) -> u64 {
        let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let state = (state ^ (state >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        (state ^ (state >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ (state >> 29)
    }
}

impl Lcg {
    fn below(&self, end: u64) -> i64 {
        (self.next_u64() % end).cast_signed()
    }
}

struct Lake {
    runtime: Runtime,
    objects: Arc<dyn ObjectStore>,
    temp: TempDir,
    random: Arc<Lcg>,
}

impl Lake {
    fn new() -> Lake {
        Lake {
            runtime: Runtime::new().unwrap(),
            objects: Arc::new(InMemory::new()),
            temp: TempDir::new().unwrap(),
            random: Arc::new(Lcg(AtomicU64::new(7))),
        }
    }

    /// Sorted by host and n; partitioned by date where there is one.
    fn spec(&self, rows: &RecordBatch, memory_bytes: usize) -> SorterSpec {
        let names: BTreeSet<String> = rows
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let present = |wanted: &[&str]| -> Vec<String> {
            let wanted = wanted.iter().map(|name| (*name).to_owned());
            wanted.filter(|name| names.contains(name)).collect()
        };
        SorterSpec {
            target: Target {
                objects: Arc::clone(&self.objects),
                runtime: self.runtime.handle().clone(),
                table_dir: Path::from("t"),
            },
            schema: plain_schema(rows),
            partition_columns: present(&["date"]),
            sort_columns: present(&["host", "n"]),
            axis_column: Some("n".into()),
            stats_columns: None,
            bloom_columns: Vec::new(),
            key_values: BTreeMap::new(),
            tier: Tier::Hot,
            file_bytes_target: 32 << 20,
            memory_bytes,
            temp_dir: self.temp.path().to_owned(),
            name_tag: "42".into(),
            random: Arc::clone(&self.random) as Arc<dyn Random>,
        }
    }

    fn read(&self, file: &WrittenFile) -> RecordBatch {
        let path = Path::from(format!("t/{}", file.path));
        let get = async {
            self.objects
                .get(&path)
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap()
        };
        let bytes = self.runtime.block_on(get);
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let schema = Arc::clone(builder.schema());
        let batches: Vec<RecordBatch> = builder.build().unwrap().map(|b| b.unwrap()).collect();
        concat_batches(&schema, &batches).unwrap()
    }

    fn objects_count(&self) -> usize {
        use futures::StreamExt;
        self.runtime.block_on(self.objects.list(None).count())
    }

    fn spill_files(&self) -> usize {
        self.temp.path().read_dir().unwrap().count()
    }

    /// Writes the batches and checks every promise of the module on what is read back.
    fn check(&self, batches: &[RecordBatch], spec: SorterSpec) -> Vec<WrittenFile> {
        let mut writer = SortedWriter::new(spec.clone()).unwrap();
        for batch in batches {
            writer.push(batch).unwrap();
        }
        let files = writer.finish().unwrap();
        self.check_files(batches, &files, &spec);
        files
    }

    /// The files hold the rows, in order, and nothing else is left.
    fn check_files(&self, batches: &[RecordBatch], files: &[WrittenFile], spec: &SorterSpec) {
        assert_eq!(self.spill_files(), 0);
        assert_eq!(self.objects_count(), files.len());
        let mut read = RowHash::default();
        for file in files {
            let rows = self.read(file);
            assert_eq!(rows.num_rows() as u64, file.rows);
            assert_eq!(row_hash(&rows).unwrap(), file.row_hash);
            assert_sorted(&rows, &spec.sort_columns);
            assert_eq!(file.tags[TAG_SORT], spec.sort_columns.join(","));
            read += row_hash(&with_partition(&rows, file, spec)).unwrap();
        }
        let pushed: RowHash = batches.iter().map(|batch| row_hash(batch).unwrap()).sum();
        assert_eq!(read, pushed);
    }
}

fn plain_schema(rows: &RecordBatch) -> SchemaRef {
    buffer::plain_batch(rows).unwrap().schema()
}

fn assert_sorted(rows: &RecordBatch, names: &[String]) {
    let columns: Vec<ArrayRef> = names
        .iter()
        .map(|name| Arc::clone(rows.column_by_name(name).unwrap()))
        .collect();
    let fields = columns
        .iter()
        .map(|c| SortField::new(c.data_type().clone()));
    let keys = RowConverter::new(fields.collect())
        .unwrap()
        .convert_columns(&columns)
        .unwrap();
    assert!((1..keys.num_rows()).all(|i| keys.row(i - 1) <= keys.row(i)));
}

/// The rows with the partition's value put back as a column.
fn with_partition(rows: &RecordBatch, file: &WrittenFile, spec: &SorterSpec) -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef)> = rows
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .zip(rows.columns().to_vec())
        .collect();
    for name in &spec.partition_columns {
        let text: ArrayRef = Arc::new(StringArray::from(vec![
            file.partition[name].clone();
            rows.num_rows()
        ]));
        let kind = spec.schema.field_with_name(name).unwrap().data_type();
        columns.push((name.clone(), cast(&text, kind).unwrap()));
    }
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn hosts(random: &Lcg, rows: usize) -> ArrayRef {
    Arc::new(
        (0..rows)
            .map(|_| match random.below(12) {
                0 => None,
                host => Some(format!("host_{host}")),
            })
            .collect::<StringArray>(),
    )
}

fn numbers(random: &Lcg, rows: usize) -> ArrayRef {
    Arc::new(
        (0..rows)
            .map(|_| (random.below(50) > 0).then(|| random.below(100_000)))
            .collect::<Int64Array>(),
    )
}

fn doubles(random: &Lcg, rows: usize) -> ArrayRef {
    let value = |_| match random.below(20) {
        0 => f64::NAN,
        1 => -0.0,
        bits => {
            f64::from_bits(0x3FF0_0000_0000_0000 | (random.next_u64() >> 12))
                + f64::from(i32::try_from(bits).unwrap())
        }
    };
    Arc::new(Float64Array::from_iter_values((0..rows).map(value)))
}

fn random_rows(random: &Lcg, rows: usize, days: u64) -> RecordBatch {
    let date = Date32Array::from_iter_values(
        (0..rows).map(|_| i32::try_from(random.below(days)).unwrap()),
    );
    batch(vec![
        ("date", Arc::new(date)),
        ("host", hosts(random, rows)),
        ("n", numbers(random, rows)),
        ("x", doubles(random, rows)),
    ])
}

#[test]
fn random_rows_become_sorted_files_of_one_partition_each() {
    for (memory, days, batches, rows) in [
        (64 << 20, 3, 4, 1000),
        (256 << 10, 40, 30, 700),
        (256 << 10, 1, 30, 2000),
        (1 << 20, 2000, 1, 20_000),
        (64 << 20, 1, 1, 1),
    ] {
        let lake = Lake::new();
        let batches: Vec<RecordBatch> = (0..batches)
            .map(|_| random_rows(&lake.random, rows, days))
            .collect();
        let files = lake.check(&batches, lake.spec(&batches[0], memory));
        let dates: BTreeSet<i32> = batches
            .iter()
            .flat_map(|b| b.column(0).as_primitive::<Date32Type>().values().to_vec())
            .collect();
        assert_eq!(files.len(), dates.len());
        assert!(files.iter().all(|file| file.path.starts_with("date=19")));
    }
}

#[test]
fn more_runs_than_fit_are_merged_in_passes() {
    let lake = Lake::new();
    let batches: Vec<RecordBatch> = (0..300)
        .map(|_| random_rows(&lake.random, 400, 5))
        .collect();
    let files = lake.check(&batches, lake.spec(&batches[0], 64 << 10));
    assert_eq!(files.len(), 5);
}

#[test]
fn rows_in_order_are_neither_spilled_nor_merged() {
    let lake = Lake::new();
    let sorted = |day: i32| {
        let n: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5_000));
        let date: ArrayRef = Arc::new(Date32Array::from(vec![day; 5_000]));
        batch(vec![("date", date), ("n", n)])
    };
    let batches: Vec<RecordBatch> = (0..20).map(sorted).collect();
    let mut spec = lake.spec(&batches[0], 256 << 10);
    spec.temp_dir = lake.temp.path().join("is not there");
    assert_eq!(lake.check(&batches, spec).len(), 20);
}

#[test]
fn a_late_row_after_sorted_files_gets_a_file_of_its_own() {
    let lake = Lake::new();
    let day = |day: i32, from: i64| {
        let n: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + 5_000));
        let date: ArrayRef = Arc::new(Date32Array::from(vec![day; 5_000]));
        batch(vec![("date", date), ("n", n)])
    };
    let mut batches: Vec<RecordBatch> = (0..20).map(|d| day(d, 0)).collect();
    batches.push(day(3, -9));
    let files = lake.check(&batches, lake.spec(&batches[0], 256 << 10));
    // The day that was open when the late row came may end in two files.
    assert!((21..=22).contains(&files.len()), "{} files", files.len());
}

#[test]
fn large_partitions_of_a_buffer_become_files_at_once() {
    let lake = Lake::new();
    let batches: Vec<RecordBatch> = (0..20)
        .map(|_| random_rows(&lake.random, 5_000, 1))
        .collect();
    let mut spec = lake.spec(&batches[0], 1 << 20);
    spec.file_bytes_target = 8 << 10;
    spec.temp_dir = lake.temp.path().join("is not there");
    let mut writer = SortedWriter::new(spec).unwrap();
    for batch in &batches {
        writer.push(batch).unwrap();
    }
    assert!(lake.objects_count() > 1);
}

#[test]
fn files_end_at_their_target_size() {
    let lake = Lake::new();
    let random = &lake.random;
    let rows = 200_000;
    let noise = batch(vec![
        (
            "n",
            Arc::new(Int64Array::from_iter_values(
                (0..rows).map(|_| (random.next_u64() >> 1).cast_signed()),
            )),
        ),
        ("x", doubles(random, 200_000)),
    ]);
    let mut spec = lake.spec(&noise, 64 << 20);
    spec.file_bytes_target = 512 << 10;
    let files = lake.check(&[noise], spec);
    // Noise does not shrink: a file is then one row group of twice the target.
    assert!(files.len() >= 3, "{} files", files.len());
    for file in &files[..files.len() - 1] {
        assert!(
            (700 << 10..1100 << 10).contains(&file.size),
            "{} bytes",
            file.size
        );
    }
}

#[test]
fn dictionaries_and_plain_arrays_mix() {
    let lake = Lake::new();
    let part = |encoded: bool| {
        let host = hosts(&lake.random, 3_000);
        let kind = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
        let host = if encoded {
            cast(&host, &kind).unwrap()
        } else {
            host
        };
        batch(vec![("host", host), ("n", numbers(&lake.random, 3_000))])
    };
    let orders: [Vec<bool>; 3] = [
        vec![true; 20],
        vec![false, true, false, true],
        vec![true, false, true],
    ];
    for order in orders {
        for memory in [128 << 10, 64 << 20] {
            let lake = Lake::new();
            let batches: Vec<RecordBatch> = order.iter().map(|encoded| part(*encoded)).collect();
            lake.check(&batches, lake.spec(&batches[0], memory));
        }
    }
}

#[test]
fn partitions_of_null_and_of_empty_text_stay_apart_and_are_both_null() {
    let lake = Lake::new();
    let texts = [Some("b"), None, Some(""), Some("a"), None, Some("x/y")];
    let date: DictionaryArray<Int32Type> = texts.into_iter().collect();
    let rows = batch(vec![
        ("date", Arc::new(date)),
        ("n", Arc::new(Int64Array::from(vec![6, 5, 4, 3, 2, 1]))),
    ]);
    let spec = lake.spec(&rows, 1 << 20);
    let mut writer = SortedWriter::new(spec).unwrap();
    writer.push(&rows).unwrap();
    let files = writer.finish().unwrap();
    let found: Vec<String> = files
        .iter()
        .map(|f| {
            format!(
                "{:?} {} in {}",
                f.partition["date"],
                f.rows,
                f.path.split('/').next().unwrap()
            )
        })
        .collect();
    expect_test::expect![[r#"
        None 2 in date=__HIVE_DEFAULT_PARTITION__
        None 1 in date=__HIVE_DEFAULT_PARTITION__
        Some("a") 1 in date=a
        Some("b") 1 in date=b
        Some("x/y") 1 in date=x%2Fy"#]]
    .assert_eq(&found.join("\n"));
}

#[test]
fn equal_keys_stay_in_the_order_of_arrival() {
    for memory in [64 << 10, 64 << 20] {
        let lake = Lake::new();
        let arrival = |i: i64| {
            let host: ArrayRef = Arc::new(StringArray::from_iter_values(
                (0..2_000).map(|r| format!("{}", (r * 7) % 3)),
            ));
            let x: ArrayRef = Arc::new(Int64Array::from_iter_values(
                (0..2_000).map(|r| i * 2_000 + r),
            ));
            batch(vec![("host", host), ("arrival", x)])
        };
        let batches: Vec<RecordBatch> = (0..20).map(arrival).collect();
        let mut spec = lake.spec(&batches[0], memory);
        spec.axis_column = None;
        let files = lake.check(&batches, spec);
        assert_eq!(files.len(), 1);
        let rows = lake.read(&files[0]);
        let arrival = rows.column(1).as_primitive::<Int64Type>().values();
        let hosts = rows.column(0).as_string::<i32>();
        let stable = (1..rows.num_rows())
            .all(|i| hosts.value(i - 1) != hosts.value(i) || arrival[i - 1] < arrival[i]);
        assert!(stable);
    }
}

#[test]
fn wide_and_heavy_rows_pass() {
    let lake = Lake::new();
    let wide = |rows: usize| {
        let names: Vec<String> = (0..600).map(|i| format!("c{i}")).collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![("n", numbers(&lake.random, rows))];
        columns.extend(
            names
                .iter()
                .map(|name| (name.as_str(), doubles(&lake.random, rows))),
        );
        batch(columns)
    };
    let batches = [wide(50), wide(200), wide(1)];
    lake.check(&batches, lake.spec(&batches[0], 1 << 20));

    let lake = Lake::new();
    let heavy = |rows: usize| {
        let text = (0..rows).map(|i| "x".repeat(if i % 3 == 0 { 1 << 20 } else { 1 }));
        batch(vec![
            ("n", numbers(&lake.random, rows)),
            ("text", Arc::new(StringArray::from_iter_values(text))),
        ])
    };
    let batches = [heavy(9), heavy(1), heavy(20)];
    lake.check(&batches, lake.spec(&batches[0], 4 << 20));
}

#[test]
fn what_waits_stays_within_the_budget() {
    let lake = Lake::new();
    let rows = random_rows(&lake.random, 100_000, 5_000);
    let spec = lake.spec(&rows, 1 << 20);
    let mut writer = SortedWriter::new(spec).unwrap();
    for start in (0..100_000).step_by(999) {
        writer
            .push(&rows.slice(start, 999.min(100_000 - start)))
            .unwrap();
        let held: usize = writer
            .buffer
            .chunks(0)
            .map(|batch| batch.unwrap().get_array_memory_size())
            .sum();
        assert!(held <= writer.spec.memory_bytes / 2, "{held} bytes held");
        assert!(writer.runs.len() <= 2 * RUNS_PER_LEVEL);
        assert!(
            writer
                .runs
                .iter()
                .all(|run| run.batch_bytes() <= 4 * writer.spec.chunk_bytes())
        );
    }
}

#[test]
fn abort_deletes_files_and_runs_and_drop_deletes_runs() {
    for abort in [true, false] {
        let lake = Lake::new();
        let rows = random_rows(&lake.random, 20_000, 2);
        let mut spec = lake.spec(&rows, 512 << 10);
        spec.file_bytes_target = 8 << 10;
        let mut writer = SortedWriter::new(spec).unwrap();
        writer.push(&rows).unwrap();
        writer
            .push(&random_rows(&lake.random, 20_000, 5_000))
            .unwrap();
        assert!(!writer.runs.is_empty());
        assert!(lake.objects_count() > 0);
        if abort {
            writer.abort().unwrap();
            assert_eq!(lake.objects_count(), 0);
        } else {
            drop(writer);
            assert!(lake.objects_count() > 0);
        }
        assert_eq!(lake.spill_files(), 0);
    }
}

#[test]
fn a_failed_push_cannot_be_finished() {
    let lake = Lake::new();
    let rows = random_rows(&lake.random, 20_000, 500);
    let mut spec = lake.spec(&rows, 256 << 10);
    spec.temp_dir = lake.temp.path().join("is not there");
    let mut writer = SortedWriter::new(spec).unwrap();
    assert_eq!(
        writer.push(&rows).unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn wrong_requests_are_named() {
    let lake = Lake::new();
    let rows = random_rows(&lake.random, 10, 1);
    let mut spec = lake.spec(&rows, 1 << 20);
    spec.sort_columns.push("nope".into());
    let error = SortedWriter::new(spec).unwrap_err();
    assert!(error.message().contains("\"nope\""), "{error}");
    let mut writer = SortedWriter::new(lake.spec(&rows, 1 << 20)).unwrap();
    let error = writer.push(&rows.project(&[0, 1]).unwrap()).unwrap_err();
    assert_eq!(error.message(), "a batch of 2 columns for a table of 4");
    let mut writer = SortedWriter::new(lake.spec(&rows, 1 << 20)).unwrap();
    let swapped = rows.project(&[0, 1, 3, 2]).unwrap();
    let error = writer.push(&swapped).unwrap_err();
    assert_eq!(
        error.message(),
        "column \"x\" where the table has \"n\"; give the columns in the table's order"
    );
}

#[test]
fn null_in_a_required_column_is_refused() {
    let lake = Lake::new();
    let rows = batch(vec![("n", Arc::new(Int64Array::from(vec![Some(1), None])))]);
    let mut spec = lake.spec(&rows, 1 << 20);
    spec.schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let error = SortedWriter::new(spec).unwrap().push(&rows).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("has NULL"), "{error}");
}

#[test]
fn nothing_in_means_no_file_out() {
    let lake = Lake::new();
    let rows = random_rows(&lake.random, 10, 1);
    let mut writer = SortedWriter::new(lake.spec(&rows, 1 << 20)).unwrap();
    writer.push(&rows.slice(0, 0)).unwrap();
    assert!(writer.finish().unwrap().is_empty());
    assert_eq!(lake.objects_count(), 0);
}

#[test]
fn writers_that_wait_write_what_others_write() {
    const STEP: usize = 700;
    for (rows, in_order) in [(1_400, true), (60_000, true), (60_000, false)] {
        let lake = Lake::new();
        let all = random_rows(&lake.random, rows, 40);
        let spec = lake.spec(&all, 4 << 20);
        let all = match in_order {
            true => sorted_by(&all, &spec),
            false => all,
        };
        let mut writer = SortedWriter::new(spec.clone()).unwrap();
        for start in (0..rows).step_by(STEP) {
            if start == 10 * STEP {
                writer.wait(512 << 10).unwrap();
                assert!(writer.buffer.bytes() <= 256 << 10);
            }
            let rows = STEP.min(rows - start);
            writer.push(&all.slice(start, rows)).unwrap();
        }
        let waits = (writer.sequence.is_some(), !writer.runs.is_empty());
        let is_long = rows > 10 * STEP;
        assert_eq!(waits, (is_long && in_order, is_long && !in_order), "{rows}");
        writer.go_on(4 << 20);
        let files = writer.finish().unwrap();
        lake.check_files(&[all], &files, &spec);
        // Of one partition the rows that came in order are in one file.
        let partitions: std::collections::BTreeSet<_> =
            files.iter().map(|file| &file.partition).collect();
        assert!(!in_order || files.len() <= partitions.len() + 1);
    }
}

/// The rows in the order of files.
fn sorted_by(rows: &RecordBatch, spec: &SorterSpec) -> RecordBatch {
    let names = spec.partition_columns.iter().chain(&spec.sort_columns);
    let columns: Vec<SortColumn> = names
        .map(|name| SortColumn {
            values: Arc::clone(rows.column_by_name(name).unwrap()),
            options: Some(ORDER),
        })
        .collect();
    let order = lexsort_to_indices(&columns, None).unwrap();
    take_record_batch(rows, &order).unwrap()
}
