use expect_test::{Expect, expect};

use super::*;
use crate::schema::{Origin, TimeScale};

fn stream(columns: Vec<Column>) -> Definition {
    Definition::new("s", Origin::Given, columns)
}

fn check(definition: &Definition, expected: Expect) {
    let said = definition
        .check()
        .map_or_else(|e| e.message().to_string(), |()| "fits".to_string());
    expected.assert_eq(&said);
}

fn absolute(columns: &[&str], code: TimeCode) -> TimeAxis {
    TimeAxis::Absolute(AbsoluteTime {
        columns: columns.iter().map(|c| (*c).to_string()).collect(),
        code,
        epoch_micros: 0,
        scale: TimeScale::Utc,
        valid_from_micros: 0,
        valid_to_micros: None,
    })
}

#[test]
fn a_source_column_named_time_may_be_the_axis_and_nothing_else() {
    let time = |kind| stream(vec![Column::new("time", "time", kind)]);
    let mut axis = time(ColumnType::Timestamp);
    axis.time = absolute(&["time"], TimeCode::Iso);
    check(&axis, expect!["fits"]);
    let mut seconds = time(ColumnType::F64);
    check(&seconds, expect!["fits"]);
    seconds.time = absolute(&["time"], TimeCode::Seconds);
    check(&seconds, expect![[""]]);
    seconds.time = TimeAxis::Relative {
        column: "time".into(),
        unit: "s".into(),
        run_key: None,
    };
    check(&seconds, expect!["fits"]);
    seconds.partition = Partition::Month;
    check(&seconds, expect![[""]]);
}

#[test]
fn companions_take_names_too() {
    let nanos = Column::new("at", "at", ColumnType::TimestampNs);
    let clash = Column::new("at__ns", "at__ns", ColumnType::I64);
    check(&stream(vec![nanos, clash]), expect![[""]]);
}

#[test]
fn siblings_belong_to_a_column_with_their_source() {
    let main = Column::new("pc", "Pc", ColumnType::I64);
    let mut sibling = Column::new("pc__double", "Pc", ColumnType::F64);
    sibling.sibling_of = Some("pc".into());
    check(
        &stream(vec![main.clone(), sibling.clone()]),
        expect!["fits"],
    );
    let other = Column {
        source: "other".into(),
        ..sibling.clone()
    };
    check(&stream(vec![main.clone(), other]), expect![[""]]);
    let required = Column {
        required: true,
        ..sibling.clone()
    };
    check(&stream(vec![main.clone(), required]), expect![[""]]);
    let itself = Column {
        sibling_of: Some("pc__double".into()),
        ..sibling
    };
    check(&stream(vec![main, itself]), expect![[""]]);
}

#[test]
fn the_receipt_is_an_instant_and_not_the_axis() {
    let at = Column::new("at", "at", ColumnType::Timestamp);
    let mut definition = stream(vec![at, Column::new("n", "n", ColumnType::I64)]);
    definition.received_at = Some("at".into());
    check(&definition, expect!["fits"]);
    definition.time = absolute(&["at"], TimeCode::Iso);
    check(&definition, expect![[""]]);
    definition.received_at = Some("n".into());
    check(&definition, expect![[""]]);
}

#[test]
fn durations_are_in_microseconds() {
    let mut took = Column::new("took", "took", ColumnType::Duration);
    took.unit = Some("s".into());
    check(&stream(vec![took]), expect![[""]]);
}

#[test]
fn runs_and_widths_are_checked() {
    let number = |name: &str| Column::new(name, name, ColumnType::I64);
    let mut definition = stream(vec![number("cycle"), number("fine")]);
    let relative = |run: &str| TimeAxis::Relative {
        column: "cycle".into(),
        unit: "cycle".into(),
        run_key: Some(run.into()),
    };
    definition.time = relative("_ingest_id");
    check(&definition, expect!["fits"]);
    definition.time = relative("cycle");
    check(&definition, expect![[""]]);
    definition.time = relative("engine");
    check(&definition, expect![[""]]);
    definition.time = absolute(&["cycle", "fine"], TimeCode::Cuc { fraction_bits: 57 });
    check(&definition, expect![[""]]);
    definition.time = absolute(&["cycle", "fine"], TimeCode::Cuc { fraction_bits: 0 });
    check(&definition, expect![[""]]);
}
