//! INT96 timestamps keep every digit, or their rows are refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fmt::Write as _;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use downlake_ingest::decode::{DecodeOptions, InferOptions, Input, format_by_name};
use downlake_lake::schema::{Column, ColumnType, Definition, Origin};
use expect_test::{Expect, expect};
use parquet::data_type::{Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

const DAY_NANOS: i64 = 86_400_000_000_000;

/// A value of days since 1970 and nanoseconds of the day.
fn int96(day: i64, nanos: i64) -> Int96 {
    let bytes = nanos.to_le_bytes();
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
    let mut value = Int96::new();
    value.set_data(word(0), word(4), u32::try_from(day + 2_440_588).unwrap());
    value
}

/// The same, for days before the Julian epoch.
fn wide(day: i64, nanos: i64) -> Int96 {
    let mut value = int96(0, nanos);
    let julian = i32::try_from(day + 2_440_588).unwrap();
    let (low, high) = (value.data()[0], value.data()[1]);
    value.set_data(low, high, julian.cast_unsigned());
    value
}

fn written(schema: &str, values: &[Int96], def: Option<&[i16]>, rep: Option<&[i16]>) -> Vec<u8> {
    let mut out = Vec::new();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::default());
    let mut file = SerializedFileWriter::new(&mut out, schema, properties).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<Int96Type>()
        .write_batch(values, def, rep)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    file.close().unwrap();
    out
}

/// A small file of timestamps.
pub(crate) fn small_file() -> Vec<u8> {
    let values: Vec<_> = (0..32).map(|day| int96(day, day * 1_001)).collect();
    written("message m { required int96 t; }", &values, None, None)
}

fn input(bytes: &[u8]) -> Input {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Input::File(file)
}

fn inferred(bytes: &[u8]) -> Vec<Column> {
    let format = format_by_name("parquet").unwrap();
    let inferred = (format.infer)(input(bytes), &InferOptions::default()).unwrap();
    inferred.columns().unwrap().0
}

fn decoded(bytes: &[u8], columns: Vec<Column>) -> String {
    let definition = Definition::new("s", Origin::Given, columns);
    let format = format_by_name("parquet").unwrap();
    let options = DecodeOptions::default();
    let mut decoder = (format.open)(input(bytes), &definition, &options).unwrap();
    let mut out = String::new();
    while let Some(decoded) = decoder.next().unwrap() {
        let display = FormatOptions::default().with_null("NULL");
        let column = ArrayFormatter::try_new(decoded.batch.column(0), &display).unwrap();
        for row in 0..decoded.batch.num_rows() {
            writeln!(out, "{}", column.value(row)).unwrap();
        }
        for reject in decoded.rejects {
            let raw = String::from_utf8_lossy(&reject.record.raw).into_owned();
            writeln!(out, "{}: {raw}", reject.reason).unwrap();
        }
    }
    out
}

fn check(values: &[Int96], expected: Expect) {
    let bytes = written("message m { required int96 t; }", values, None, None);
    let columns = inferred(&bytes);
    let mut text = format!("inferred {}\n", columns[0].kind);
    for kind in [ColumnType::Timestamp, ColumnType::TimestampNs] {
        let column = Column::new("t", "t", kind.clone());
        write!(text, "as {kind}\n{}", decoded(&bytes, vec![column])).unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn whole_microseconds_are_microseconds() {
    let year_9999 = 2_932_896;
    check(
        &[
            int96(0, 0),
            int96(20_000, 1_000),
            int96(-1, DAY_NANOS - 1_000),
        ],
        expect![[r#"
            inferred timestamp
            as timestamp
            1970-01-01T00:00:00Z
            2024-10-04T00:00:00.000001Z
            1969-12-31T23:59:59.999999Z
            as timestamp_ns
            1970-01-01T00:00:00Z
            2024-10-04T00:00:00.000001Z
            1969-12-31T23:59:59.999999Z
        "#]],
    );
    check(
        &[int96(0, 0), int96(year_9999, DAY_NANOS - 1_000)],
        expect![[r#"
            inferred timestamp
            as timestamp
            1970-01-01T00:00:00Z
            9999-12-31T23:59:59.999999Z
            as timestamp_ns
            1970-01-01T00:00:00Z
            range: {"t":"9999-12-31T23:59:59.999999Z"}
        "#]],
    );
}

#[test]
fn no_digit_is_cut() {
    check(
        &[
            int96(20_000, 1_001),
            int96(-1, DAY_NANOS - 1),
            int96(1, 5_000),
        ],
        expect![[r#"
            inferred timestamp_ns
            as timestamp
            1970-01-02T00:00:00.000005Z
            type: {"t":"2024-10-04T00:00:00.000001001Z"}
            type: {"t":"1969-12-31T23:59:59.999999999Z"}
            as timestamp_ns
            2024-10-04T00:00:00.000001001Z
            1969-12-31T23:59:59.999999999Z
            1970-01-02T00:00:00.000005Z
        "#]],
    );
}

#[test]
fn nanoseconds_beside_dates_they_do_not_reach() {
    let year_9999 = 2_932_896;
    check(
        &[
            int96(20_000, 1),
            int96(year_9999, 2_000),
            int96(-300_000, 7),
        ],
        expect![[r#"
            inferred timestamp_ns
            as timestamp
            9999-12-31T00:00:00.000002Z
            range: {"t":"2024-10-04T00:00:00.000000001Z"}
            range: {"t":"1148-08-18T00:00:00.000000007Z"}
            as timestamp_ns
            2024-10-04T00:00:00.000000001Z
            range: {"t":"9999-12-31T00:00:00.000002000Z"}
            range: {"t":"1148-08-18T00:00:00.000000007Z"}
        "#]],
    );
}

/// Microseconds since 1970 of one value; `None` if its row is refused.
fn micros(value: Int96) -> Option<i64> {
    let bytes = written("message m { required int96 t; }", &[value], None, None);
    let column = Column::new("t", "t", ColumnType::Timestamp);
    let definition = Definition::new("s", Origin::Given, vec![column]);
    let format = format_by_name("parquet").unwrap();
    let options = DecodeOptions::default();
    let mut decoder = (format.open)(input(&bytes), &definition, &options).unwrap();
    let batch = decoder.next().unwrap().unwrap().batch;
    let values = batch.column(0).as_primitive::<TimestampMicrosecondType>();
    values.iter().flatten().next()
}

/// Spark writes and reads its latest instants modulo 2^64 microseconds.
#[test]
fn instants_that_wrapped_are_read_as_spark_means_them() {
    const JULIAN_EPOCH: i64 = 2_440_588 * (DAY_NANOS / 1_000);
    // The ends of what 64 bits of microseconds hold: day and time of day.
    let (lowest, highest) = (-106_751_992 - 2_440_588, 106_751_991);
    let (first, last) = (71_945_224_192_000, 14_454_775_807_000);
    let cases = [
        (wide(lowest, first - 1_000), None),
        (wide(lowest, first), Some(i64::MAX - JULIAN_EPOCH + 1)),
        (
            wide(-104_311_404 - 2_440_588, first - 1_000),
            Some(i64::MAX),
        ),
        (wide(-104_311_404 - 2_440_588, first), Some(i64::MIN)),
        (wide(highest, last), Some(i64::MAX)),
        (wide(highest, last + 1_000), None),
    ];
    for (value, expected) in cases {
        assert_eq!(micros(value), expected, "{value}");
    }
}

#[test]
fn lists_and_nulls_of_int96() {
    let list =
        "message m { optional group t (LIST) { repeated group list { optional int96 element; } } }";
    let values = [int96(0, 0), int96(1, 7), int96(2, 0)];
    // [day 0, NULL, day 1 and 7 ns], NULL, [day 2]
    let bytes = written(
        list,
        &values,
        Some(&[3, 2, 3, 0, 3]),
        Some(&[0, 1, 1, 0, 0]),
    );
    let columns = inferred(&bytes);
    let kind = columns[0].kind.to_string();
    let text = format!("inferred {kind}\n{}", decoded(&bytes, columns));
    expect![[r#"
        inferred json
        ["1970-01-01T00:00:00Z",null,"1970-01-02T00:00:00.000000007Z"]
        NULL
        ["1970-01-03T00:00:00Z"]
    "#]]
    .assert_eq(&text);
}
