use std::sync::Arc;

use arrow::datatypes::{IntervalUnit, Schema, UnionFields, UnionMode};
use expect_test::expect;

use super::*;

/// One of every type, lists among them.
pub(in crate::schema) fn every_type() -> Vec<ColumnType> {
    let mut types: Vec<ColumnType> = PLAIN.iter().map(|(_, kind)| kind.clone()).collect();
    types.push(ColumnType::Decimal(20, 3));
    types.push(ColumnType::Decimal(38, 0));
    types.push(ColumnType::List(Box::new(ColumnType::F64)));
    types.push(ColumnType::List(Box::new(ColumnType::List(Box::new(
        ColumnType::Text,
    )))));
    types
}

#[test]
fn text_forms_round_trip_and_say_what_is_stored() {
    let mut shown = String::new();
    for kind in every_type() {
        let text = kind.to_string();
        assert_eq!(text.parse::<ColumnType>().expect("own text form"), kind);
        let decoded = match kind.decoded_type() == kind.stored_type() {
            true => String::new(),
            false => format!(", decoded as {}", kind.decoded_type()),
        };
        shown.push_str(&format!("{text}: {}{decoded}\n", kind.stored_type()));
    }
    expect![[r#"
        bool: Boolean
        i8: Int8
        i16: Int16
        i32: Int32
        i64: Int64
        u8: Int16
        u16: Int32
        u32: Int64
        u64: Decimal128(20, 0)
        f16: Float32
        f32: Float32
        f64: Float64
        text: Utf8
        json: Utf8
        binary: Binary
        hex: Int64
        timestamp: Timestamp(µs, "UTC")
        timestamp_ns: Timestamp(µs, "UTC"), decoded as Timestamp(ns, "UTC")
        date: Date32
        duration: Int64
        decimal(20,3): Decimal128(20, 3)
        decimal(38,0): Decimal128(38, 0)
        list<f64>: List(Float64, field: 'element')
        list<list<text>>: List(List(Utf8, field: 'element'), field: 'element')
    "#]]
    .assert_eq(&shown);
}

#[test]
fn refused_text_forms_say_what_is_near() {
    let mut shown = String::new();
    for text in [
        "f65",
        "string",
        "decimal(39,0)",
        "decimal(5,6)",
        "decimal(5)",
        "list<timestamp_ns>",
        "list<u9>",
        "",
    ] {
        let error = text.parse::<ColumnType>().expect_err("no type");
        let message = error.message();
        shown.push_str(message.split(": types are").next().unwrap_or(message));
        shown.push('\n');
    }
    expect![[r#"
        type "f65" is not known, did you mean "f64"
        type "string" is not known
        type decimal(39,0) does not fit: 1 to 38 digits, of which 0 to all stand behind the point
        type decimal(5,6) does not fit: 1 to 38 digits, of which 0 to all stand behind the point
        type "decimal(5)" is not a decimal: expected decimal(precision,scale), as in decimal(20,3)
        type list<timestamp_ns> has no exact column: use list<timestamp> or list<i64>
        type "list<u9>" is not known, did you mean "u8"
        type "" is not known
    "#]]
    .assert_eq(&shown);
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

#[test]
fn every_arrow_type_has_a_column_or_is_refused_by_name() {
    use DataType as A;
    let point = A::Struct(vec![Field::new("x", A::Float32, true)].into());
    let union = A::Union(
        UnionFields::try_new([0], [Field::new("a", A::Int8, true)]).expect("a union"),
        UnionMode::Dense,
    );
    let cases = [
        A::Null,
        A::UInt64,
        A::Float16,
        A::LargeUtf8,
        A::Utf8View,
        A::BinaryView,
        A::FixedSizeBinary(16),
        A::Date64,
        A::Time32(TimeUnit::Second),
        A::Time64(TimeUnit::Nanosecond),
        A::Timestamp(TimeUnit::Second, None),
        A::Timestamp(TimeUnit::Nanosecond, Some("Europe/Oslo".into())),
        A::Duration(TimeUnit::Millisecond),
        A::Duration(TimeUnit::Nanosecond),
        A::Interval(IntervalUnit::MonthDayNano),
        A::Decimal32(9, 2),
        A::Decimal64(5, -2),
        A::Decimal128(3, 5),
        A::Decimal128(38, -1),
        A::Decimal256(38, 10),
        A::Decimal256(76, 10),
        A::Dictionary(Box::new(A::UInt8), Box::new(A::Utf8)),
        A::RunEndEncoded(item(A::Int32), item(A::Float64)),
        A::List(item(A::Int8)),
        A::FixedSizeList(item(A::Float16), 3),
        A::LargeListView(item(A::List(item(A::Utf8)))),
        A::List(item(point.clone())),
        A::List(item(A::Timestamp(TimeUnit::Nanosecond, None))),
        A::Map(
            item(A::Struct(vec![Field::new("keys", A::Utf8, false)].into())),
            false,
        ),
        A::List(item(union.clone())),
        point,
        union,
    ];
    let mut shown = String::new();
    for case in cases {
        let said = match ColumnType::from_arrow(&case) {
            Ok(kind) => kind.to_string(),
            Err(error) => format!("refused: {error}"),
        };
        shown.push_str(&format!("{case} -> {said}\n"));
    }
    expect![[r#"
        Null -> text
        UInt64 -> u64
        Float16 -> f16
        LargeUtf8 -> text
        Utf8View -> text
        BinaryView -> binary
        FixedSizeBinary(16) -> binary
        Date64 -> date
        Time32(s) -> duration
        Time64(ns) -> i64
        Timestamp(s) -> timestamp
        Timestamp(ns, "Europe/Oslo") -> timestamp_ns
        Duration(ms) -> duration
        Duration(ns) -> i64
        Interval(MonthDayNano) -> text
        Decimal32(9, 2) -> decimal(9,2)
        Decimal64(5, -2) -> decimal(7,0)
        Decimal128(3, 5) -> decimal(5,5)
        Decimal128(38, -1) -> refused: arrow type Decimal128(38, -1) has no column: tables hold 38 digits; write it as text or as a narrower decimal
        Decimal256(38, 10) -> decimal(38,10)
        Decimal256(76, 10) -> refused: arrow type Decimal256(76, 10) has no column: tables hold 38 digits; write it as text or as a narrower decimal
        Dictionary(UInt8, Utf8) -> text
        RunEndEncoded("item": Int32, "item": Float64) -> f64
        List(Int8) -> list<i8>
        FixedSizeList(3 x Float16) -> list<f16>
        LargeListView(List(Utf8)) -> list<list<text>>
        List(Struct("x": Float32)) -> json
        List(Timestamp(ns)) -> json
        Map("item": Struct("keys": non-null Utf8), unsorted) -> json
        List(Union(Dense, 0: ("a": Int8))) -> refused: arrow type Union(Dense, 0: ("a": Int8)) has no column: write one column a variant
        Struct("x": Float32) -> refused: arrow type Struct("x": Float32) has no column: flatten its fields into columns
        Union(Dense, 0: ("a": Int8)) -> refused: arrow type Union(Dense, 0: ("a": Int8)) has no column: write one column a variant
    "#]].assert_eq(&shown);
}

#[test]
fn structs_flatten_and_naive_timestamps_are_told() {
    use DataType as A;
    let inner = vec![
        Field::new("X (m)", A::Float64, true),
        Field::new("at", A::Timestamp(TimeUnit::Millisecond, None), true),
    ];
    let schema = Schema::new(vec![
        Field::new("pos", A::Struct(inner.into()), true),
        Field::new("pos_x", A::Int8, false),
        Field::new("took", A::Duration(TimeUnit::Nanosecond), true),
        Field::new(
            "time",
            A::Timestamp(TimeUnit::Microsecond, Some("+02:00".into())),
            true,
        ),
    ]);
    let found = columns_from_arrow(&schema, &["time"]).expect("every type has a column");
    let mut shown = String::new();
    for column in &found.columns {
        let unit = column.unit.as_deref().unwrap_or("-");
        shown.push_str(&format!(
            "{} <- {} : {} {unit}\n",
            column.name, column.source, column.kind
        ));
    }
    shown.push_str(&found.notices.join("\n"));
    expect![[r#"
        pos_x <- pos.X (m) : f64 m
        pos_at <- pos.at : timestamp -
        pos_x_2 <- pos_x : i8 -
        took <- took : i64 ns
        time_2 <- time : timestamp -
        column "pos_x" is named "pos_x_2": "pos_x" is taken by "pos.X (m)"
        column "time" is named "time_2": "time" is taken by a column of the lake
        column "pos.at" holds timestamps without a zone: they are read as UTC"#]]
    .assert_eq(&shown);
}

#[test]
fn merging_is_a_lattice() {
    let types = every_type();
    for a in &types {
        assert_eq!(merge_types(a, a).as_ref(), Some(a));
        for b in &types {
            let merged = merge_types(a, b);
            assert_eq!(merged, merge_types(b, a), "{a} and {b}");
            let Some(merged) = merged else { continue };
            assert_eq!(
                merge_types(&merged, a).as_ref(),
                Some(&merged),
                "{a} and {b}"
            );
            assert_eq!(
                merge_types(&merged, b).as_ref(),
                Some(&merged),
                "{a} and {b}"
            );
            merged.check().expect("a merged type is storable");
        }
    }
}

#[test]
fn what_merges_with_what() {
    let mut shown = String::new();
    for (a, b) in [
        ("i64", "f64"),
        ("bool", "i64"),
        ("timestamp", "text"),
        ("date", "timestamp"),
        ("timestamp", "timestamp_ns"),
        ("u8", "i8"),
        ("u32", "i8"),
        ("u64", "i64"),
        ("i8", "f16"),
        ("i16", "f16"),
        ("i32", "f32"),
        ("hex", "i64"),
        ("list<i64>", "list<f64>"),
        ("list<i64>", "list<text>"),
        ("list<i64>", "json"),
        ("decimal(10,2)", "i32"),
        ("decimal(38,2)", "i64"),
        ("decimal(10,2)", "f64"),
    ] {
        let parse = |text: &str| text.parse::<ColumnType>().expect("a type");
        let merged = merge_types(&parse(a), &parse(b));
        let merged = merged.map_or("-".to_string(), |kind| kind.to_string());
        shown.push_str(&format!("{a} + {b} = {merged}\n"));
    }
    expect![[r#"
        i64 + f64 = f64
        bool + i64 = -
        timestamp + text = -
        date + timestamp = timestamp
        timestamp + timestamp_ns = timestamp_ns
        u8 + i8 = i16
        u32 + i8 = i64
        u64 + i64 = decimal(20,0)
        i8 + f16 = f16
        i16 + f16 = f32
        i32 + f32 = f64
        hex + i64 = -
        list<i64> + list<f64> = list<f64>
        list<i64> + list<text> = -
        list<i64> + json = json
        decimal(10,2) + i32 = decimal(12,2)
        decimal(38,2) + i64 = decimal(38,2)
        decimal(10,2) + f64 = -
    "#]]
    .assert_eq(&shown);
}
