use expect_test::{Expect, expect};

use super::*;
use crate::schema::embedded;

fn check(definition: &Definition, expected: Expect) {
    definition.check().expect("a definition that fits");
    let schema = definition.table_schema();
    let mut shown = String::new();
    for field in schema.fields() {
        let mut notes: Vec<String> = field
            .metadata()
            .iter()
            .map(|(key, value)| format!(" {}={value}", key.trim_start_matches("downlake.")))
            .collect();
        notes.sort();
        shown.push_str(&format!(
            "{}: {}{}\n",
            field.name(),
            field.data_type(),
            notes.concat()
        ));
    }
    shown.push_str(&format!("partition {:?}\n", definition.partition_columns()));
    shown.push_str(&format!("sort {:?}\n", definition.sort_columns()));
    shown.push_str(&format!("dedup {:?}\n", definition.dedup_columns()));
    shown.push_str(&format!("stats {:?}\n", definition.stats_columns()));
    expected.assert_eq(&shown);
}

fn read(text: &str) -> Definition {
    Definition::from_toml(text, "test.toml").expect("a definition")
}

#[test]
fn an_iso_axis_becomes_time_and_keeps_its_nanoseconds() {
    check(
        &read(
            r#"
            stream = "s"
            [time]
            axis = "absolute"
            column = "ts"
            [table]
            constants = ["vehicle"]
            sort_by = ["pc", "ts"]
            dedup_by = ["ts"]
            received_at = "got"
            [[column]]
            name = "ts"
            type = "timestamp_ns"
            [[column]]
            name = "got"
            type = "timestamp"
            [[column]]
            source = "Pc (bar)"
            type = "f64"
            description = "Chamber pressure"
            [[column]]
            name = "mode"
            type = "u8"
            unit = "1"
            enumeration = { 0 = "off" }
            [[column]]
            name = "took"
            type = "duration"
            [[column]]
            name = "raw"
            type = "binary"
            "#,
        ),
        expect![[r#"
            vehicle: Utf8
            time: Timestamp(µs, "UTC") source=ts
            date: Date32
            ts__ns: Int64 source=ts unit=ns
            pc: Float64 description=Chamber pressure source=Pc (bar) unit=bar
            mode: Utf8 source=mode unit=1
            mode__raw: Int64 source=mode
            took: Int64 source=took unit=us
            raw: Binary source=raw
            _received_at: Timestamp(µs, "UTC")
            _ingested_at: Timestamp(µs, "UTC")
            _ingest_id: Int64
            _key_conflict: Boolean
            partition ["date"]
            sort ["vehicle", "pc", "time"]
            dedup ["time"]
            stats ["time", "vehicle", "pc", "_received_at", "_ingest_id", "ts__ns", "mode", "mode__raw", "took", "_ingested_at", "_key_conflict"]
        "#]],
    );
}

#[test]
fn other_clocks_stay_beside_time() {
    check(
        &read(
            r#"
            stream = "s"
            [time]
            axis = "absolute"
            columns = ["doy", "ms"]
            code = "cds"
            [table]
            partition = "month"
            [[column]]
            name = "doy"
            type = "u16"
            [[column]]
            name = "ms"
            type = "u32"
            "#,
        ),
        expect![[r#"
            time: Timestamp(µs, "UTC")
            date: Date32
            month: Date32
            doy: Int32 source=doy
            ms: Int64 source=ms
            _received_at: Timestamp(µs, "UTC")
            _ingested_at: Timestamp(µs, "UTC")
            _ingest_id: Int64
            partition ["month"]
            sort ["time"]
            dedup []
            stats ["time", "_received_at", "_ingest_id", "date", "doy", "ms", "_ingested_at"]
        "#]],
    );
}

#[test]
fn relative_streams_have_no_date_and_ingest_ids_do_not_sort() {
    check(
        &read(
            r#"
            stream = "s"
            [time]
            axis = "relative"
            column = "time"
            unit = "s"
            run_key = "_ingest_id"
            [[column]]
            name = "time"
            type = "f64"
            "#,
        ),
        expect![[r#"
            time: Float64 source=time
            _received_at: Timestamp(µs, "UTC")
            _ingested_at: Timestamp(µs, "UTC")
            _ingest_id: Int64
            partition []
            sort ["time"]
            dedup []
            stats ["time", "_received_at", "_ingest_id", "_ingested_at"]
        "#]],
    );
    let cmapss = embedded::get("cmapss").expect("embedded");
    assert_eq!(cmapss.sort_columns(), ["unit", "cycle"]);
    assert!(cmapss.partition_columns().is_empty());
}

#[test]
fn statistics_stop_at_their_limit() {
    let columns = (0..100).map(|n| Column::new(format!("c{n}"), "c", ColumnType::F64));
    let definition = Definition::new("wide", crate::schema::Origin::Given, columns.collect());
    assert_eq!(definition.stats_columns().len(), MAX_STATS_COLUMNS);
}

#[test]
fn names_of_a_passing_definition_differ() {
    for name in embedded::names() {
        let schema = embedded::get(name).expect("embedded").table_schema();
        let distinct: std::collections::HashSet<_> =
            schema.fields().iter().map(|f| f.name()).collect();
        assert_eq!(distinct.len(), schema.fields().len());
    }
}
