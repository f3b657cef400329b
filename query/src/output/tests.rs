use arrow::array::{
    ArrayRef, BinaryArray, Float64Array, Int64Array, ListArray, StringArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use expect_test::{Expect, expect};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

fn sample() -> RecordBatch {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "n",
            Arc::new(Int64Array::from(vec![Some(-1), None, Some(i64::MAX)])),
        ),
        (
            "x",
            Arc::new(Float64Array::from(vec![f64::NAN, 0.5, f64::NEG_INFINITY])),
        ),
        (
            "text, \"it\"",
            Arc::new(StringArray::from(vec![Some(""), None, Some("a,\"b\"\nü")])),
        ),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![1_767_225_600_000_000, 1, -1])
                    .with_timezone("UTC"),
            ),
        ),
        (
            "ns",
            Arc::new(TimestampNanosecondArray::from(vec![1000, 1001, 0])),
        ),
        (
            "raw",
            Arc::new(BinaryArray::from_opt_vec(vec![
                Some(&[0, 255][..]),
                Some(b""),
                None,
            ])),
        ),
        ("items", Arc::new(lists)),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn bytes(format: Format, options: &OutputOptions, batch: &RecordBatch) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = writer(format, &batch.schema(), &mut out, options).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    out
}

fn check(format: Format, options: &OutputOptions, batch: &RecordBatch, expected: Expect) {
    expected.assert_eq(&String::from_utf8(bytes(format, options, batch)).unwrap());
}

#[test]
fn csv_tells_null_from_empty() {
    check(
        Format::Csv,
        &OutputOptions::default(),
        &sample(),
        expect![[r#"
            n,x,"text, ""it""",at,ns,raw,items
            -1,NaN,"",2026-01-01T00:00:00.000000Z,1970-01-01T00:00:00.000001Z,00ff,"[1,null]"
            ,0.5,,1970-01-01T00:00:00.000001Z,1970-01-01T00:00:00.000001001Z,"",
            9223372036854775807,-inf,"a,""b""
            ü",1969-12-31T23:59:59.999999Z,1970-01-01T00:00:00.000000Z,,[]
        "#]],
    );
}

#[test]
fn json_has_one_object_a_line() {
    check(
        Format::Json,
        &OutputOptions::default(),
        &sample(),
        expect![[r#"
            {"n":-1,"x":null,"text, \"it\"":"","at":"2026-01-01T00:00:00.000000Z","ns":"1970-01-01T00:00:00.000001Z","raw":"00ff","items":[1,null]}
            {"n":null,"x":0.5,"text, \"it\"":null,"at":"1970-01-01T00:00:00.000001Z","ns":"1970-01-01T00:00:00.000001001Z","raw":"","items":null}
            {"n":9223372036854775807,"x":null,"text, \"it\"":"a,\"b\"\nü","at":"1969-12-31T23:59:59.999999Z","ns":"1970-01-01T00:00:00.000000Z","raw":null,"items":[]}
        "#]],
    );
    let text = OutputOptions {
        nan: NanStyle::Text,
        ..OutputOptions::default()
    };
    check(
        Format::Json,
        &text,
        &sample().project(&[1]).unwrap(),
        expect![[r#"
            {"x":"NaN"}
            {"x":0.5}
            {"x":"-inf"}
        "#]],
    );
}

#[test]
fn json_can_be_parsed() {
    let text =
        String::from_utf8(bytes(Format::Json, &OutputOptions::default(), &sample())).unwrap();
    let rows: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2]["text, \"it\""], "a,\"b\"\nü");
}

#[test]
fn tables_are_aligned_folded_and_capped() {
    let narrow = sample().project(&[0, 2]).unwrap();
    check(
        Format::Table,
        &OutputOptions::default(),
        &narrow,
        expect![[r#"
             n                   | text, "it"
            ---------------------+------------
                              -1 |
                            NULL | NULL
             9223372036854775807 | a,"b"\nü
        "#]],
    );
    let wide = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
        (
            "name",
            Arc::new(StringArray::from(vec![
                "日本語のテキストです",
                "short",
                "third",
            ])),
        ),
    ])
    .unwrap();
    let folded = OutputOptions {
        width: Some(20),
        max_rows: Some(2),
        ..OutputOptions::default()
    };
    check(
        Format::Table,
        &folded,
        &wide,
        expect![[r#"
         id | name
        ----+---------------
          1 | 日本語のテキ
            | ストです
          2 | short
        ... 1 rows more
    "#]],
    );
    let blocks = OutputOptions {
        width: Some(10),
        ..OutputOptions::default()
    };
    check(
        Format::Table,
        &blocks,
        &wide,
        expect![[r#"
        -
         id   | 1
         name | 日本語のテキストです
        -
         id   | 2
         name | short
        -
         id   | 3
         name | third
    "#]],
    );
}

#[test]
fn headers_are_written_without_rows() {
    let empty = sample().slice(0, 0).project(&[0, 1]).unwrap();
    check(
        Format::Csv,
        &OutputOptions::default(),
        &empty,
        expect![[r#"
            n,x
        "#]],
    );
    check(
        Format::Json,
        &OutputOptions::default(),
        &empty,
        expect![[""]],
    );
    check(
        Format::Table,
        &OutputOptions::default(),
        &empty,
        expect![[r#"
             n | x
            ---+---
        "#]],
    );
}

#[test]
fn arrow_and_parquet_read_back() {
    let options = OutputOptions::default();
    let ipc = bytes(Format::Arrow, &options, &sample());
    let batches: Vec<_> = StreamReader::try_new(ipc.as_slice(), None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(format!("{batches:?}"), format!("{:?}", [sample()]));
    let file = bytes(Format::Parquet, &options, &sample());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file))
        .unwrap()
        .build()
        .unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(format!("{batches:?}"), format!("{:?}", [sample()]));
}

/// An output whose reader has gone away.
struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_closed_pipe_is_known_in_every_format() {
    for format in [
        Format::Table,
        Format::Csv,
        Format::Json,
        Format::Arrow,
        Format::Parquet,
    ] {
        let mut out = ClosedPipe;
        let written = writer(
            format,
            &sample().schema(),
            &mut out,
            &OutputOptions::default(),
        )
        .and_then(|mut writer| {
            writer.write(&sample())?;
            writer.finish()
        });
        let error = written.unwrap_err();
        assert!(is_closed_pipe(&error), "{format:?}: {error:?}");
    }
}
