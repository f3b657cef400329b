use expect_test::{Expect, expect};

use super::*;
use crate::schema::axis_expr::parse_axis;

fn column(name: &str, kind: &str) -> Column {
    Column::new(name, name, kind.parse().expect("a type"))
}

fn stream(origin: Origin, columns: &[(&str, &str)]) -> Definition {
    let columns = columns.iter().map(|(name, kind)| column(name, kind));
    Definition::new("s", origin, columns.collect())
}

fn check(definition: &Definition, found: &[(&str, &str)], expected: Expect) {
    let found: Vec<Column> = found
        .iter()
        .map(|(name, kind)| column(name, kind))
        .collect();
    let evolved = definition.evolve(&found);
    evolved.definition.check().expect("it still fits");
    let mut shown = String::new();
    for column in &evolved.added {
        let of = column.sibling_of.as_deref().unwrap_or("-");
        shown.push_str(&format!(
            "+ {}: {} sibling of {of}\n",
            column.name, column.kind
        ));
    }
    shown.push_str(&evolved.notices.join("\n"));
    expected.assert_eq(&shown);
    let again = evolved.definition.evolve(&found);
    assert!(again.added.is_empty(), "evolving twice adds nothing");
}

#[test]
fn inferred_streams_grow_and_keep_misfits_in_siblings() {
    let inferred = stream(
        Origin::Inferred,
        &[
            ("n", "i64"),
            ("x", "f64"),
            ("ok", "bool"),
            ("at", "timestamp"),
            ("s", "text"),
            ("l", "list<i64>"),
        ],
    );
    check(
        &inferred,
        &[("n", "i64"), ("x", "i64"), ("s", "f64")],
        expect![""],
    );
    check(
        &inferred,
        &[
            ("n", "f64"),
            ("x", "text"),
            ("ok", "i64"),
            ("at", "text"),
            ("l", "list<f64>"),
            ("fresh", "f64"),
        ],
        expect![[r#"
            + n__double: f64 sibling of n
            + x__text: text sibling of x
            + ok__text: text sibling of ok
            + at__text: text sibling of at
            + l__text: text sibling of l
            + fresh: f64 sibling of -
            column "n" is i64, the source has f64: values that do not fit land in "n__double"
            column "x" is f64, the source has text: values that do not fit land in "x__text"
            column "ok" is bool, the source has i64: values that do not fit land in "ok__text"
            column "at" is timestamp, the source has text: values that do not fit land in "at__text"
            column "l" is list<i64>, the source has list<f64>: values that do not fit land in "l__text""#]],
    );
}

#[test]
fn a_sibling_that_exists_takes_what_fits_it() {
    let inferred = stream(Origin::Inferred, &[("n", "i64")]);
    let once = inferred.evolve(&[column("n", "f64")]).definition;
    check(&once, &[("n", "f64")], expect![""]);
    check(
        &once,
        &[("n", "text")],
        expect![[r#"
        + n__text: text sibling of n
        column "n" is i64, the source has text: values that do not fit land in "n__text""#]],
    );
}

#[test]
fn names_that_are_taken_are_numbered() {
    let inferred = stream(Origin::Inferred, &[("n", "i64"), ("n__double", "text")]);
    check(
        &inferred,
        &[("n", "f64")],
        expect![[r#"
        + n__double_2: f64 sibling of n
        column "n" is i64, the source has f64: values that do not fit land in "n__double_2""#]],
    );
    let mut fresh = column("n", "f64");
    fresh.source = "N".into();
    let evolved = inferred.evolve(&[fresh]);
    assert_eq!(evolved.added[0].name, "n_2");
}

#[test]
fn given_streams_say_what_becomes_of_strangers() {
    let mut given = stream(Origin::Given, &[("n", "i64")]);
    let found = [("n", "text"), ("fresh", "f64")];
    check(
        &given,
        &found,
        expect![[r#"
        + fresh: f64 sibling of -
        column "n" is i64, the source has text: values that do not fit are quarantined"#]],
    );
    given.evolution = Evolution::Strict;
    check(
        &given,
        &found,
        expect![[r#"
        column "n" is i64, the source has text: values that do not fit are quarantined
        field "fresh" is not in the definition of "s": rows that have it are quarantined"#]],
    );
    given.evolution = Evolution::Ignore;
    check(
        &given,
        &found,
        expect![[r#"
        column "n" is i64, the source has text: values that do not fit are quarantined
        field "fresh" is not in the definition of "s": it is dropped"#]],
    );
}

#[test]
fn a_successor_keeps_what_is_stored() {
    let stored = stream(Origin::Given, &[("n", "i64"), ("x", "f64")]);
    let mut shown = String::new();
    let mut try_next = |what: &str, next: Definition| {
        let said = match stored.succeed(&next) {
            Ok(next) => {
                let names: Vec<&str> = next.columns.iter().map(|c| c.name.as_str()).collect();
                names.join(" ")
            }
            Err(error) => format!("{error:?}"),
        };
        shown.push_str(&format!("{what}: {said}\n"));
    };
    try_next("same", stored.clone());
    try_next(
        "more",
        stream(Origin::Given, &[("n", "i64"), ("y", "text")]),
    );
    try_next(
        "same storage",
        stream(Origin::Given, &[("n", "u32"), ("x", "f64")]),
    );
    try_next("other type", stream(Origin::Given, &[("n", "f64")]));
    let mut constant = stored.clone();
    constant.constants = vec!["vehicle".into()];
    try_next("other constants", constant);
    let mut sorted = stored.clone();
    sorted.sort_by = vec!["n".into()];
    try_next("other order", sorted);
    let mut strict = stream(Origin::Given, &[("n", "i64")]);
    strict.evolution = Evolution::Strict;
    try_next("fewer, strict", strict);
    expect![[r#"
        same: n x
        more: n y x
        same storage: n x
        other type: Conflict: column "n" of table "s" is stored as Int64, the definition has Float64: give the column another name
        other constants: Conflict: table "s" has constants "", the definition has "vehicle": it is fixed when a table is created; use another stream name
        other order: Conflict: table "s" has order of rows "", the definition has "n": it is fixed when a table is created; use another stream name
        fewer, strict: n
    "#]].assert_eq(&shown);
}

/// A column whose unit and labels are given as text: `bar`, `0=off 1=on`.
fn meaning(unit: Option<&str>, labels: &str) -> Definition {
    let mut definition = stream(Origin::Given, &[("p", "f64"), ("mode", "i64")]);
    definition.columns[0].unit = unit.map(str::to_owned);
    let labels = labels.split_whitespace().map(|pair| {
        let (number, label) = pair.split_once('=').expect("number=label");
        (number.parse().expect("a number"), label.to_owned())
    });
    definition.columns[1].enumeration = labels.collect();
    definition
}

#[test]
fn a_successor_means_what_is_stored() {
    let stored = meaning(Some("bar"), "0=off 1=on");
    let mut shown = String::new();
    for (unit, labels) in [
        (Some("bar"), "0=off 1=on"),
        (Some("bar"), "0=off 1=on 2=fault"),
        (Some("bar"), "1=on"),
        (None, "0=off 1=on"),
        (Some("psi"), "0=off 1=on"),
        (Some("bar"), "0=on 1=off"),
        (Some("bar"), "0=off 1=armed"),
    ] {
        let said = match stored.succeed(&meaning(unit, labels)) {
            Ok(next) => format!(
                "{:?} {:?}",
                next.columns[0].unit, next.columns[1].enumeration
            ),
            Err(error) => format!("{error:?}"),
        };
        shown.push_str(&format!("{unit:?}, {labels}: {said}\n"));
    }
    expect![[r#"
        Some("bar"), 0=off 1=on: Some("bar") [(0, "off"), (1, "on")]
        Some("bar"), 0=off 1=on 2=fault: Some("bar") [(0, "off"), (1, "on"), (2, "fault")]
        Some("bar"), 1=on: Some("bar") [(1, "on")]
        None, 0=off 1=on: Some("bar") [(0, "off"), (1, "on")]
        Some("psi"), 0=off 1=on: Conflict: column "p" of table "s" has the unit "bar" in the rows that are stored, the definition has "psi": give the column another name
        Some("bar"), 0=on 1=off: Conflict: column "mode" of table "s" has for 0 the label "off" in the rows that are stored, the definition has "on": give the column another name
        Some("bar"), 0=off 1=armed: Conflict: column "mode" of table "s" has for 1 the label "on" in the rows that are stored, the definition has "armed": give the column another name
    "#]]
    .assert_eq(&shown);
    let unsaid = meaning(None, "");
    let said = unsaid
        .succeed(&meaning(Some("bar"), ""))
        .expect("a unit at last");
    assert_eq!(said.columns[0].unit.as_deref(), Some("bar"));
}

#[test]
fn names_that_the_lake_takes_are_left_to_it() {
    let columns = [
        ("ts", "timestamp"),
        ("time", "f64"),
        ("date", "text"),
        ("date_2", "text"),
        ("month", "i64"),
    ];
    let mut inferred = stream(Origin::Inferred, &columns);
    inferred.time = parse_axis("ts", &inferred.columns).unwrap();
    inferred.sort_by = vec!["date".to_owned(), "time".to_owned()];
    let notices = inferred.leave_reserved_names();
    inferred.check().expect("no name is taken twice");
    let names: Vec<_> = inferred.columns.iter().map(|c| c.name.as_str()).collect();
    let shown = format!("{names:?}\n{:?}\n{}", inferred.sort_by, notices.join("\n"));
    expect![[r#"
        ["ts", "time_2", "date_3", "date_2", "month"]
        ["date_3", "time_2"]
        column "time" is named "time_2": "time" is a column that the lake adds
        column "date" is named "date_3": "date" is a column that the lake adds"#]]
    .assert_eq(&shown);
    assert_eq!(inferred.leave_reserved_names(), Vec::<String>::new());
}

/// The column that is the axis becomes the lake's column of that name.
#[test]
fn the_axis_keeps_its_name() {
    let mut inferred = stream(Origin::Inferred, &[("time", "timestamp"), ("v", "f64")]);
    inferred.time = parse_axis("time", &inferred.columns).unwrap();
    assert_eq!(inferred.leave_reserved_names(), Vec::<String>::new());
}
