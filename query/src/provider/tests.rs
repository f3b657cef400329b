use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field};
use downlake_lake::log::FileStats;
use expect_test::{Expect, expect};

use super::*;

fn check(text: Option<&str>, data_type: DataType, expected: Expect) {
    let field = Arc::new(Field::new("p", data_type, true));
    let entry = FileEntry {
        path: "p=x/part.parquet".to_owned(),
        size: 1,
        modified_ms: 0,
        partition: BTreeMap::from([("p".to_owned(), text.map(str::to_owned))]),
        stats: FileStats::default(),
        tags: BTreeMap::new(),
        has_deletion_vector: false,
    };
    let shown = match partition_value(&entry, &field) {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error:?}"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn partition_values_are_typed() {
    check(
        Some("2026-01-31"),
        DataType::Date32,
        expect![[r#"Date32("2026-01-31")"#]],
    );
    check(Some("2026"), DataType::Int32, expect!["Int32(2026)"]);
    check(Some("a b"), DataType::Utf8, expect![[r#"Utf8("a b")"#]]);
    check(Some(""), DataType::Utf8, expect!["Utf8(NULL)"]);
    check(None, DataType::Date32, expect![[r#"Date32("NULL")"#]]);
}

#[test]
fn a_wrong_partition_value_is_corrupt_and_named() {
    let field = DataType::Int32;
    check(
        Some("x"),
        field,
        expect![[
            r#"Corrupt: partition column "p" of file p=x/part.parquet: "x" is not of type Int32: Arrow error: Cast error: Cannot cast string 'x' to value of Int32 type: Cast error: Cannot cast string 'x' to value of Int32 type"#
        ]],
    );
}
