use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date64Array, Decimal128Array, DictionaryArray, DurationNanosecondArray,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray,
    ListArray, RecordBatch, StringArray, StringViewArray, StructArray, Time32SecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int32Type, Schema};
use downlake_lake::schema::{Column, Definition, Origin};
use expect_test::{Expect, expect};

use super::*;
use crate::decode::DecodeOptions;

fn array<A: Array + 'static>(values: A) -> ArrayRef {
    Arc::new(values)
}

struct Once(Option<RecordBatch>);

impl BatchSource for Once {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.0.take())
    }
}

fn decoder(
    batch: &RecordBatch,
    definition: &Definition,
    options: &DecodeOptions,
) -> Result<ColumnarDecoder<Once>> {
    ColumnarDecoder::new(
        Once(Some(batch.clone())),
        &batch.schema(),
        definition,
        options,
    )
}

fn shown(array: &ArrayRef, row: usize) -> String {
    row_json::value(array, row)
}

/// Decodes a batch and shows rows, rejects with their raw record, and notices.
fn check(batch: &RecordBatch, definition: &Definition, expect: Expect) {
    let mut decoder = decoder(batch, definition, &DecodeOptions::default()).unwrap();
    let mut out = String::new();
    let mut rows = 0;
    while let Some(decoded) = decoder.next().unwrap() {
        rows += decoded.batch.num_rows() + decoded.rejects.len();
        for row in 0..decoded.batch.num_rows() {
            let values = decoded
                .batch
                .columns()
                .iter()
                .map(|column| shown(column, row));
            let line = decoded.origins.record(row).line.unwrap();
            writeln!(out, "{line}: {}", values.collect::<Vec<_>>().join(" | ")).unwrap();
        }
        for Reject {
            record,
            reason,
            detail,
        } in decoded.rejects
        {
            let raw = std::str::from_utf8(&record.raw).unwrap();
            writeln!(out, "{}: {reason}: {detail}: {raw}", record.line.unwrap()).unwrap();
        }
        for notice in decoded.notices {
            writeln!(out, "notice: {notice}").unwrap();
        }
    }
    assert_eq!(rows, batch.num_rows());
    expect.assert_eq(&out);
}

fn one(values: ArrayRef) -> RecordBatch {
    let field = Field::new("v", values.data_type().clone(), true);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![values]).unwrap()
}

fn fits(values: ArrayRef, kind: ColumnType, expect: Expect) {
    let definition = Definition::new("s", Origin::Given, vec![Column::new("v", "v", kind)]);
    check(&one(values), &definition, expect);
}

#[test]
fn whole_numbers_never_wrap() {
    let numbers = Int64Array::from(vec![Some(-1), Some(0), Some(255), Some(256), None]);
    fits(
        array(numbers),
        ColumnType::U8,
        expect![[r#"
        2: 0
        3: 255
        5: null
        1: range: column "v": -1 (Int64) does not fit u8 unchanged: {"v":-1}
        4: range: column "v": 256 (Int64) does not fit u8 unchanged: {"v":256}
    "#]],
    );
    fits(
        array(UInt64Array::from(vec![u64::MAX])),
        ColumnType::U64,
        expect![[r#"
            1: 18446744073709551615
        "#]],
    );
    fits(
        array(UInt64Array::from(vec![1, u64::MAX])),
        ColumnType::I64,
        expect![[r#"
            1: 1
            2: range: column "v": 18446744073709551615 (UInt64) does not fit i64 unchanged: {"v":18446744073709551615}
        "#]],
    );
}

#[test]
fn numbers_keep_every_digit() {
    let doubles = Float64Array::from(vec![1.0, 1.5, f64::NAN, 1e300, -0.0]);
    fits(
        array(doubles.clone()),
        ColumnType::I64,
        expect![[r#"
            1: 1
            5: 0
            2: type: column "v": 1.5 (Float64) does not fit i64 unchanged: {"v":1.5}
            3: type: column "v": "NaN" (Float64) does not fit i64 unchanged: {"v":"NaN"}
            4: range: column "v": 1e300 (Float64) does not fit i64 unchanged: {"v":1e300}
        "#]],
    );
    fits(
        array(doubles),
        ColumnType::F32,
        expect![[r#"
            1: 1.0
            2: 1.5
            3: "NaN"
            5: -0.0
            4: range: column "v": 1e300 (Float64) does not fit f32 unchanged: {"v":1e300}
        "#]],
    );
    let longs = Int64Array::from(vec![1 << 53, (1 << 53) + 1]);
    fits(
        array(longs),
        ColumnType::F64,
        expect![[r#"
        1: 9007199254740992.0
        2: range: column "v": 9007199254740993 (Int64) does not fit f64 unchanged: {"v":9007199254740993}
    "#]],
    );
    let halves = cast(&Float32Array::from(vec![1.5, f32::NAN]), &DataType::Float16).unwrap();
    fits(
        halves,
        ColumnType::F16,
        expect![[r#"
        1: 1.5
        2: "NaN"
    "#]],
    );
    let decimals = Decimal128Array::from(vec![12_345, 100])
        .with_precision_and_scale(9, 2)
        .unwrap();
    fits(
        array(decimals.clone()),
        ColumnType::I32,
        expect![[r#"
        2: 1
        1: type: column "v": 123.45 (Decimal128(9, 2)) does not fit i32 unchanged: {"v":123.45}
    "#]],
    );
    fits(
        array(decimals),
        ColumnType::Decimal(12, 3),
        expect![[r#"
        1: 123.450
        2: 1.000
    "#]],
    );
}

/// Half a step above the largest single: what is less rounds to that.
const END_OF_SINGLES: f64 = 340_282_356_779_733_661_637_539_395_458_142_568_448.0;

#[test]
fn floats_are_the_nearest_whether_typed_or_spelled() {
    let numbers = [
        0.1,
        1.0e-46,
        -16_777_217.0,
        f64::INFINITY,
        f64::NAN,
        END_OF_SINGLES.next_down(),
        END_OF_SINGLES.next_up(),
        -1.0e300,
    ];
    let singles = [
        Some(0.1_f32),
        Some(0.0),
        Some(-16_777_216.0),
        Some(f32::INFINITY),
        Some(f32::NAN),
        Some(f32::MAX),
        None,
        None,
    ];
    let halves = [
        Some(0.099_975_586_f32),
        Some(0.0),
        None,
        Some(f32::INFINITY),
        Some(f32::NAN),
        None,
        None,
        None,
    ];
    let texts: StringArray = numbers.iter().map(|n| Some(format!("{n}"))).collect();
    for (kind, expected) in [(ColumnType::F32, singles), (ColumnType::F16, halves)] {
        for source in [
            array(Float64Array::from(numbers.to_vec())),
            array(texts.clone()),
        ] {
            let from = source.data_type().clone();
            let fitted = fit(&source, &kind, &[], &DataType::Float32).unwrap();
            let values = fitted.values.as_primitive::<Float32Type>();
            let bits = |value: Option<f32>| value.map(f32::to_bits);
            let found: Vec<_> = values.iter().map(bits).collect();
            let expected: Vec<_> = expected.into_iter().map(bits).collect();
            assert_eq!(found, expected, "{kind} from {from}");
        }
    }
}

#[test]
fn instants_keep_their_unit() {
    let nanos = TimestampNanosecondArray::from(vec![1_000, 1_001]);
    fits(
        array(nanos),
        ColumnType::Timestamp,
        expect![[r#"
        1: "1970-01-01T00:00:00.000001Z"
        2: type: column "v": "1970-01-01T00:00:00.000001001Z" (Timestamp(ns)) does not fit timestamp unchanged: {"v":"1970-01-01T00:00:00.000001001Z"}
        notice: column "v" has timestamps without a time zone; they are read as UTC
    "#]],
    );
    let millis = TimestampMillisecondArray::from(vec![0, i64::MAX / 2]).with_timezone("+02:00");
    fits(
        array(millis),
        ColumnType::TimestampNs,
        expect![[r#"
        1: "1970-01-01T00:00:00Z"
        2: range: column "v": 4611686018427387903 (Timestamp(ms, "+02:00")) does not fit timestamp_ns unchanged: {"v":4611686018427387903}
    "#]],
    );
    fits(
        array(Date64Array::from(vec![86_400_000, 1])),
        ColumnType::Date,
        expect![[r#"
            1: "1970-01-02"
            2: type: column "v": "1970-01-01T00:00:00.001Z" (Date64) does not fit date unchanged: {"v":"1970-01-01T00:00:00.001Z"}
        "#]],
    );
    fits(
        array(DurationNanosecondArray::from(vec![5_000, 5_001])),
        ColumnType::Duration,
        expect![[r#"
            1: 5
            2: type: column "v": 5.001 (Duration(ns)) does not fit duration unchanged: {"v":5.001}
        "#]],
    );
    fits(
        array(Time32SecondArray::from(vec![61])),
        ColumnType::Duration,
        expect![[r#"
            1: 61000000
        "#]],
    );
    fits(
        array(Int64Array::from(vec![5])),
        ColumnType::Timestamp,
        expect![[r#"
            1: type: column "v": 5 (Int64) does not fit timestamp unchanged: {"v":5}
        "#]],
    );
}

#[test]
fn text_is_read_as_the_column_spells_it() {
    let texts = || {
        array(StringArray::from(vec![
            "12",
            "1.25",
            "x",
            "2026-01-31T12:00:00.0000001Z",
            "0x1f",
        ]))
    };
    fits(
        texts(),
        ColumnType::I8,
        expect![[r#"
        1: 12
        2: type: column "v": "1.25" (Utf8) does not fit i8 unchanged: {"v":"1.25"}
        3: type: column "v": "x" (Utf8) does not fit i8 unchanged: {"v":"x"}
        4: type: column "v": "2026-01-31T12:00:00.0000001Z" (Utf8) does not fit i8 unchanged: {"v":"2026-01-31T12:00:00.0000001Z"}
        5: type: column "v": "0x1f" (Utf8) does not fit i8 unchanged: {"v":"0x1f"}
    "#]],
    );
    fits(
        texts(),
        ColumnType::F64,
        expect![[r#"
        1: 12.0
        2: 1.25
        3: type: column "v": "x" (Utf8) does not fit f64 unchanged: {"v":"x"}
        4: type: column "v": "2026-01-31T12:00:00.0000001Z" (Utf8) does not fit f64 unchanged: {"v":"2026-01-31T12:00:00.0000001Z"}
        5: type: column "v": "0x1f" (Utf8) does not fit f64 unchanged: {"v":"0x1f"}
    "#]],
    );
    fits(
        texts(),
        ColumnType::Decimal(5, 1),
        expect![[r#"
        1: 12.0
        2: range: column "v": "1.25" (Utf8) does not fit decimal(5,1) unchanged: {"v":"1.25"}
        3: type: column "v": "x" (Utf8) does not fit decimal(5,1) unchanged: {"v":"x"}
        4: type: column "v": "2026-01-31T12:00:00.0000001Z" (Utf8) does not fit decimal(5,1) unchanged: {"v":"2026-01-31T12:00:00.0000001Z"}
        5: type: column "v": "0x1f" (Utf8) does not fit decimal(5,1) unchanged: {"v":"0x1f"}
    "#]],
    );
    fits(
        texts(),
        ColumnType::Timestamp,
        expect![[r#"
        1: type: column "v": "12" (Utf8) does not fit timestamp unchanged: {"v":"12"}
        2: type: column "v": "1.25" (Utf8) does not fit timestamp unchanged: {"v":"1.25"}
        3: type: column "v": "x" (Utf8) does not fit timestamp unchanged: {"v":"x"}
        4: range: column "v": "2026-01-31T12:00:00.0000001Z" (Utf8) does not fit timestamp unchanged: {"v":"2026-01-31T12:00:00.0000001Z"}
        5: type: column "v": "0x1f" (Utf8) does not fit timestamp unchanged: {"v":"0x1f"}
    "#]],
    );
    fits(
        texts(),
        ColumnType::Hex,
        expect![[r#"
        1: 18
        5: 31
        2: type: column "v": "1.25" (Utf8) does not fit hex unchanged: {"v":"1.25"}
        3: type: column "v": "x" (Utf8) does not fit hex unchanged: {"v":"x"}
        4: type: column "v": "2026-01-31T12:00:00.0000001Z" (Utf8) does not fit hex unchanged: {"v":"2026-01-31T12:00:00.0000001Z"}
    "#]],
    );
    fits(
        texts(),
        ColumnType::Binary,
        expect![[r#"
        1: type: column "v": "12" (Utf8) does not fit binary unchanged: {"v":"12"}
        2: type: column "v": "1.25" (Utf8) does not fit binary unchanged: {"v":"1.25"}
        3: type: column "v": "x" (Utf8) does not fit binary unchanged: {"v":"x"}
        4: type: column "v": "2026-01-31T12:00:00.0000001Z" (Utf8) does not fit binary unchanged: {"v":"2026-01-31T12:00:00.0000001Z"}
        5: type: column "v": "0x1f" (Utf8) does not fit binary unchanged: {"v":"0x1f"}
    "#]],
    );
    fits(
        array(Float32Array::from(vec![0.1])),
        ColumnType::Text,
        expect![[r#"
            1: "0.1"
        "#]],
    );
    let bytes = BinaryArray::from(vec![b"ok".as_slice(), &[0xff]]);
    fits(
        array(bytes),
        ColumnType::Text,
        expect![[r#"
        1: "ok"
        2: utf8: column "v": "ff" (Binary) does not fit text unchanged: {"v":"ff"}
    "#]],
    );
}

#[test]
fn every_layout_of_text_and_bytes_is_plain() {
    let dictionary: DictionaryArray<Int32Type> =
        vec![Some("a"), None, Some("a")].into_iter().collect();
    fits(
        array(dictionary),
        ColumnType::Text,
        expect![[r#"
        1: "a"
        2: null
        3: "a"
    "#]],
    );
    fits(
        array(StringViewArray::from(vec![
            "a text longer than twelve bytes",
        ])),
        ColumnType::Text,
        expect![[r#"
            1: "a text longer than twelve bytes"
        "#]],
    );
    fits(
        array(LargeStringArray::from(vec!["a"])),
        ColumnType::Text,
        expect![[r#"
            1: "a"
        "#]],
    );
    let uuids = FixedSizeBinaryArray::try_from_iter([[1_u8, 2], [0xab, 0xcd]].iter()).unwrap();
    fits(
        array(uuids),
        ColumnType::Binary,
        expect![[r#"
        1: "0102"
        2: "abcd"
    "#]],
    );
}

#[test]
fn lists_fit_if_all_elements_do() {
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>([
        Some(vec![Some(1.0), None]),
        None,
        Some(vec![Some(1.0), Some(0.5)]),
        Some(vec![]),
    ]);
    let of = |element| ColumnType::List(Box::new(element));
    fits(
        array(lists.clone()),
        of(ColumnType::I32),
        expect![[r#"
        1: [1,null]
        2: null
        4: []
        3: type: column "v": [1.0,0.5] (List(Float64)) does not fit list<i32> unchanged: {"v":[1.0,0.5]}
    "#]],
    );
    fits(
        array(lists),
        ColumnType::Json,
        expect![[r#"
        1: "[1.0,null]"
        2: null
        3: "[1.0,0.5]"
        4: "[]"
    "#]],
    );
}

#[test]
fn enumerations_take_numbers_and_labels() {
    let mut mode = Column::new("v", "v", ColumnType::U8);
    mode.enumeration = vec![(0, String::from("off")), (1, String::from("on"))];
    let definition = Definition::new("s", Origin::Given, vec![mode]);
    let labels = StringArray::from(vec!["on", "off", "7", "broken"]);
    check(
        &one(array(labels)),
        &definition,
        expect![[r#"
        1: 1
        2: 0
        3: 7
        4: type: column "v": "broken" (Utf8) does not fit u8 unchanged: {"v":"broken"}
    "#]],
    );
    check(
        &one(array(Int32Array::from(vec![1, 7]))),
        &definition,
        expect![[r#"
            1: 1
            2: 7
        "#]],
    );
}

#[test]
fn misfits_go_to_siblings_before_they_are_refused() {
    let sibling = |name: &str, kind| {
        let mut column = Column::new(name, name, kind);
        column.sibling_of = Some(String::from("v"));
        column
    };
    let definition = Definition::new(
        "s",
        Origin::Inferred,
        vec![
            Column::new("v", "v", ColumnType::I64),
            sibling("v__double", ColumnType::F64),
            sibling("v__text", ColumnType::Text),
        ],
    );
    check(
        &one(array(Float64Array::from(vec![1.0, 1.5]))),
        &definition,
        expect![[r#"
            1: 1 | null | null
            2: null | 1.5 | null
        "#]],
    );
    check(
        &one(array(StringArray::from(vec!["2", "2.5", "two"]))),
        &definition,
        expect![[r#"
            1: 2 | null | null
            2: null | 2.5 | null
            3: null | null | "two"
        "#]],
    );
}

#[test]
fn structs_are_found_by_path_and_by_folded_name() {
    let inner = StructArray::new(
        vec![Field::new("Level (V)", DataType::Int32, true)].into(),
        vec![array(Int32Array::from(vec![1, 2, 3]))],
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let schema = Schema::new(vec![
        Field::new("eps", inner.data_type().clone(), true),
        Field::new("extra", DataType::Int32, true),
    ]);
    let extra = Int32Array::from(vec![None, None, Some(9)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array(inner), array(extra)]).unwrap();
    let columns = vec![
        Column::new("eps_level", "elsewhere", ColumnType::I32),
        Column::new("absent", "absent", ColumnType::Text),
    ];
    let mut definition = Definition::new("s", Origin::Given, columns);
    check(
        &batch,
        &definition,
        expect![[r#"
        1: 1 | null
        2: null | null
        3: unknown-field: column "extra" is not in the definition: {"eps":{"Level (V)":3},"extra":9}
        notice: column "absent" is not in input; it is NULL
    "#]],
    );
    definition.evolution = Evolution::Ignore;
    check(
        &batch,
        &definition,
        expect![[r#"
        1: 1 | null
        2: null | null
        3: 3 | null
        notice: column "absent" is not in input; it is NULL
        notice: column "extra" of input is not in the definition; it is left out
    "#]],
    );
    let whole = Column::new("eps", "eps", ColumnType::Json);
    definition.columns = vec![whole];
    check(
        &batch,
        &definition,
        expect![[r#"
        1: "{\"Level (V)\":1}"
        2: null
        3: "{\"Level (V)\":3}"
        notice: column "extra" of input is not in the definition; it is left out
    "#]],
    );
}

#[test]
fn batches_end_at_their_bytes() {
    let long = "x".repeat(1 << 20);
    let texts: DictionaryArray<Int32Type> = std::iter::repeat_n(Some(long.as_str()), 100).collect();
    let definition = Definition::new(
        "s",
        Origin::Given,
        vec![Column::new("v", "v", ColumnType::Text)],
    );
    let options = DecodeOptions {
        batch_bytes: 4 << 20,
        ..DecodeOptions::default()
    };
    let mut decoder = decoder(&one(array(texts)), &definition, &options).unwrap();
    let mut rows = 0;
    while let Some(decoded) = decoder.next().unwrap() {
        assert!(decoded.batch.num_rows() <= 4);
        rows += decoded.batch.num_rows();
    }
    assert_eq!(rows, 100);
}
