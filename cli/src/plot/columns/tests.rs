use std::sync::Arc;

use arrow::array::{BooleanArray, Int32Array, TimestampMicrosecondArray};
use expect_test::{Expect, expect};

use super::*;

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|(name, kind)| Field::new(*name, kind.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn check(kind: PlotKind, columns: &[(&str, DataType)], expected: &Expect) {
    let text = match Columns::of(kind, &schema(columns)) {
        Ok(columns) => {
            let y: Vec<_> = columns.y.iter().map(Quantity::label).collect();
            format!(
                "{} -> {} by {:?}",
                columns.x_label(),
                y.join(", "),
                columns.text
            )
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&text);
}

#[test]
fn columns_have_roles() {
    use DataType::{Binary, Boolean, Float64, Int64, Utf8};
    check(
        PlotKind::Line,
        &[
            ("seq", Int64),
            ("time", time()),
            ("p", Float64),
            ("open", Boolean),
            ("vehicle", Utf8),
        ],
        &expect![[r#"time (UTC) -> seq, p, open by Some((4, "vehicle"))"#]],
    );
    check(
        PlotKind::Line,
        &[("t", Float64), ("p", Float64)],
        &expect!["t -> p by None"],
    );
    check(
        PlotKind::Line,
        &[("p", Float64)],
        &expect!["row -> p by None"],
    );
    check(
        PlotKind::Histogram,
        &[("t", Float64), ("p", Float64)],
        &expect!["row -> t, p by None"],
    );
    check(
        PlotKind::Line,
        &[("_ingest_id", Int64), ("t", Float64), ("p", Float64)],
        &expect!["t -> p by None"],
    );
    check(
        PlotKind::Line,
        &[("time", time()), ("note", Utf8), ("raw", Binary)],
        &expect![
            "plot: no column holds numbers; the columns are time (time), note (text), raw (binary)"
        ],
    );
    let many: Vec<(String, DataType)> = (0..40).map(|i| (format!("c{i}"), Int64)).collect();
    let many: Vec<_> = many
        .iter()
        .map(|(name, kind)| (name.as_str(), kind.clone()))
        .collect();
    check(
        PlotKind::Line,
        &many,
        &expect![
            "plot: 39 columns hold numbers of one unit and 10 at most are drawn: name those to plot in the SELECT"
        ],
    );
}

#[test]
fn rows_become_numbers() {
    let schema = schema(&[
        ("time", time()),
        ("v", DataType::Int32),
        ("b", DataType::Boolean),
    ]);
    let times = TimestampMicrosecondArray::from(vec![Some(1_000_000), None, Some(3_500_000)]);
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(times.with_timezone("UTC")),
            Arc::new(Int32Array::from(vec![Some(7), Some(8), None])),
            Arc::new(BooleanArray::from(vec![true, false, true])),
        ],
    );
    let mut columns = Columns::of(PlotKind::Line, &schema).unwrap();
    let mut rows = Vec::new();
    let take = |row: Row| {
        rows.push(format!("{} {} {}", row.x, row.series, row.y));
        Ok(())
    };
    columns.read(&batch.unwrap(), take).unwrap();
    expect!["0 0 7, 0 1 1, NaN 0 8, NaN 1 0, 2.5 0 NaN, 2.5 1 1"].assert_eq(&rows.join(", "));
    assert_eq!(
        columns.x_scale(),
        Scale::Time {
            origin_nanos: 1_000_000_000
        }
    );
}

#[test]
fn too_many_values_of_a_text_column_are_refused() {
    let schema = schema(&[("v", DataType::Int64), ("note", DataType::Utf8)]);
    let texts: Vec<String> = (0..100).map(|i| format!("note {i}")).collect();
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(arrow::array::Int64Array::from_iter_values(0..100)),
            Arc::new(StringArray::from_iter_values(texts)),
        ],
    );
    let mut columns = Columns::of(PlotKind::Line, &schema).unwrap();
    let error = columns.read(&batch.unwrap(), |_| Ok(())).unwrap_err();
    expect![[r#"plot: each value of the text column "note" is a series of its own, and a picture has colours for 10 of a unit: leave the column out, or choose values with WHERE"#]].assert_eq(&error.to_string());
}
