//! Text formats on real telemetry and on the suites of others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use downlake_ingest::decode::{Access, DecodeOptions, InferOptions, detect};
use downlake_ingest::infer::Inferred;
use downlake_ingest::source::SourceFile;
use downlake_lake::schema::{Column, ColumnType, Definition, Origin};
use expect_test::expect;

use crate::report::{Report, Verdict};

/// A folder of the test data, or nothing, loudly.
#[expect(clippy::print_stdout, reason = "a test that does not run says so")]
fn data(path: &str) -> Option<PathBuf> {
    match std::env::var("DOWNLAKE_TEST_DATA") {
        Ok(data) => Some(Path::new(&data).join(path)),
        Err(_) => {
            println!("NOT RUN: DOWNLAKE_TEST_DATA does not say where {path} is");
            None
        }
    }
}

fn infer(path: &Path) -> Inferred {
    let file = SourceFile::on_disk(path).expect("a file");
    let format = detect(&file.name, &file.head().expect("bytes")).expect("a format");
    let input = file.input(Access::Sequential, &std::env::temp_dir());
    let options = InferOptions {
        source: file.name.clone(),
        ..InferOptions::default()
    };
    (format.infer)(input.expect("bytes"), &options).expect("columns")
}

/// All rows, and how many records were refused or skipped.
fn decode(path: &Path, definition: &Definition) -> (RecordBatch, usize, u64) {
    let file = SourceFile::on_disk(path).expect("a file");
    let format = detect(&file.name, &file.head().expect("bytes")).expect("a format");
    file.content_hash().expect("bytes");
    let input = file.input(Access::Sequential, &std::env::temp_dir());
    let mut decoder = (format.open)(input.expect("bytes"), definition, &DecodeOptions::default())
        .expect("a decoder");
    let (mut batches, mut rejects, mut skipped) = (Vec::new(), 0, 0);
    while let Some(decoded) = decoder.next().expect("rows") {
        batches.push(decoded.batch);
        rejects += decoded.rejects.len();
        skipped += decoded.skipped;
    }
    file.verify_unchanged().expect("nobody writes test data");
    let schema = batches.first().expect("a batch").schema();
    let rows = concat_batches(&schema, &batches).expect("one schema");
    (rows, rejects, skipped)
}

fn inferred_definition(inferred: &Inferred) -> Definition {
    let (columns, _) = inferred.columns().expect("names");
    let mut definition = Definition::new("t", Origin::Inferred, columns);
    definition.input = inferred.layout.clone();
    definition
}

/// Infers and decodes a file: columns, then counts.
fn summary(path: &Path) -> String {
    let inferred = infer(path);
    let definition = inferred_definition(&inferred);
    let (rows, rejects, skipped) = decode(path, &definition);
    let mut kinds = BTreeMap::<String, usize>::new();
    for column in &definition.columns {
        *kinds.entry(column.kind.to_string()).or_default() += 1;
    }
    let nulls: usize = rows.columns().iter().map(|c| c.null_count()).sum();
    format!(
        "{} records, {} rows, {rejects} refused, {skipped} skipped, {nulls} nulls, {kinds:?}",
        inferred.records,
        rows.num_rows()
    )
}

#[test]
fn real_telemetry() {
    let Some(data) = data("") else { return };
    let files = [
        "launches/iridium8_raw.jsonl",
        "launches/jason3_raw.jsonl",
        "launches/events.csv",
        "birds/UGUISU_10_April_2021.csv",
        "birds/UGUISU_13_Feb_2021.csv",
        "birds/UGUISU_23_October_2020.csv",
        "cmapss/train_FD001.txt",
        "cmapss/RUL_FD001.txt",
    ];
    let text: Vec<_> = files
        .iter()
        .map(|file| format!("{file}: {}\n", summary(&data.join(file))))
        .collect();
    expect![[r#"
        launches/iridium8_raw.jsonl: 52047 records, 52047 rows, 0 refused, 0 skipped, 0 nulls, {"f64": 3}
        launches/jason3_raw.jsonl: 34796 records, 34796 rows, 0 refused, 0 skipped, 0 nulls, {"f64": 3}
        launches/events.csv: 46 records, 46 rows, 0 refused, 0 skipped, 405 nulls, {"f64": 11, "i64": 2, "text": 3}
        birds/UGUISU_10_April_2021.csv: 1111 records, 1111 rows, 0 refused, 0 skipped, 10 nulls, {"f64": 19, "text": 18}
        birds/UGUISU_13_Feb_2021.csv: 1080 records, 1080 rows, 0 refused, 0 skipped, 0 nulls, {"f64": 18, "i64": 2, "text": 17}
        birds/UGUISU_23_October_2020.csv: 1079 records, 1079 rows, 0 refused, 0 skipped, 0 nulls, {"f64": 18, "i64": 2, "text": 17}
        cmapss/train_FD001.txt: 20631 records, 20631 rows, 0 refused, 0 skipped, 0 nulls, {"f64": 22, "i64": 4}
        cmapss/RUL_FD001.txt: 100 records, 100 rows, 0 refused, 0 skipped, 0 nulls, {"i64": 1}
    "#]].assert_eq(&text.concat());
}

#[test]
fn birds_keep_raw_hex_beside_engineering_values() {
    let Some(folder) = data("birds") else { return };
    let path = folder.join("UGUISU_10_April_2021.csv");
    let columns = vec![
        Column::new("time_stamp", "Time Stamp", ColumnType::F64),
        Column::new("tpy__raw", "Tpy (raw)", ColumnType::Hex),
        Column::new("tpy", "Tpy (°C)", ColumnType::F64),
    ];
    let mut definition = Definition::new("birds", Origin::Given, columns);
    definition.evolution = downlake_lake::schema::Evolution::Ignore;
    let (rows, rejects, _) = decode(&path, &definition);
    assert_eq!(rejects, 0);
    assert_eq!(rows.column(1).as_primitive::<Int64Type>().value(0), 0x0652);
    assert_eq!(rows.column(2).as_primitive::<Float64Type>().value(0), 8.63);
}

/// Every record of csv-spectrum equals the object of its JSON.
#[test]
fn csv_suite_of_others() {
    let Some(folder) = data("suites/csv") else {
        return;
    };
    let mut report = Report::default();
    for entry in fs::read_dir(folder.join("csvs")).expect("the suite") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let expected = folder.join(format!("json/{name}.json"));
        report.add(name, csv_verdict(&path, &expected));
    }
    let sum = report.sum("csv-spectrum");
    assert_eq!(sum, "csv-spectrum: 11 passed, 0 refused, 0 failed\n");
}

fn csv_verdict(path: &Path, expected: &Path) -> Verdict {
    let expected = fs::read(expected).expect("a file");
    let expected: Vec<BTreeMap<String, String>> =
        serde_json::from_slice(&expected).expect("objects of text");
    let columns = infer(path).fields;
    let columns = columns
        .iter()
        .map(|f| Column::new(f.source.as_str(), f.source.as_str(), ColumnType::Text));
    let definition = Definition::new("t", Origin::Given, columns.collect());
    let (rows, rejects, _) = decode(path, &definition);
    let found = objects(&rows);
    if rejects == 0 && found == expected {
        Verdict::Passed(format!("{} rows", found.len()))
    } else {
        Verdict::Failed(format!("{rejects} rejects, {found:?} for {expected:?}"))
    }
}

fn objects(rows: &RecordBatch) -> Vec<BTreeMap<String, String>> {
    let schema = rows.schema();
    let value = |column: usize, row: usize| {
        let text = rows.column(column).as_string::<i32>();
        (
            schema.field(column).name().clone(),
            text.value(row).to_owned(),
        )
    };
    let object = |row| {
        (0..rows.num_columns())
            .map(|column| value(column, row))
            .collect()
    };
    (0..rows.num_rows()).map(object).collect()
}
