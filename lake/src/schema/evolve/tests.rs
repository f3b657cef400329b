use expect_test::{Expect, expect};

use super::*;

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
        expect![[""]],
    );
}

#[test]
fn a_sibling_that_exists_takes_what_fits_it() {
    let inferred = stream(Origin::Inferred, &[("n", "i64")]);
    let once = inferred.evolve(&[column("n", "f64")]).definition;
    check(&once, &[("n", "f64")], expect![""]);
    check(&once, &[("n", "text")], expect![[""]]);
}

#[test]
fn names_that_are_taken_are_numbered() {
    let inferred = stream(Origin::Inferred, &[("n", "i64"), ("n__double", "text")]);
    check(&inferred, &[("n", "f64")], expect![[""]]);
    let mut fresh = column("n", "f64");
    fresh.source = "N".into();
    let evolved = inferred.evolve(&[fresh]);
    assert_eq!(evolved.added[0].name, "n_2");
}

#[test]
fn given_streams_say_what_becomes_of_strangers() {
    let mut given = stream(Origin::Given, &[("n", "i64")]);
    let found = [("n", "text"), ("fresh", "f64")];
    check(&given, &found, expect![[""]]);
    given.evolution = Evolution::Strict;
    check(&given, &found, expect![[""]]);
    given.evolution = Evolution::Ignore;
    check(&given, &found, expect![[""]]);
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
    expect![[""]].assert_eq(&shown);
}
