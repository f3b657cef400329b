use expect_test::{Expect, expect};

use super::*;

fn names() -> Names {
    let table = |name: &str, columns: &[&str]| {
        let columns = columns.iter().map(|c| (*c).to_owned()).collect();
        (name.to_owned(), columns)
    };
    Names {
        tables: [
            table("engine", &["time", "seq", "pressure", "Max Value"]),
            table("events", &["time", "name", "order"]),
            table("stand_packets", &["apid", "raw"]),
        ]
        .into(),
        functions: ["count", "concat", "date_bin", "max", "median"]
            .map(str::to_owned)
            .to_vec(),
    }
}

/// The cursor is at `|`.
fn check(marked: &str, expected: &Expect) {
    let cursor = marked.find('|').unwrap();
    let text = marked.replacen('|', "", 1);
    let candidates = complete(&text, cursor, &names());
    let replaced = &text[candidates.start..cursor];
    let files = if candidates.is_path { " or a file" } else { "" };
    expected.assert_eq(&format!(
        "{replaced:?} -> {}{files}",
        candidates.words.join(" ")
    ));
}

#[test]
fn tables_come_where_tables_are_named() {
    check(
        "SELECT * FROM |",
        &expect![[r#""" -> engine events stand_packets"#]],
    );
    check("SELECT * FROM e|", &expect![[r#""e" -> engine events"#]]);
    check(
        "select * from engine join s|",
        &expect![[r#""s" -> stand_packets"#]],
    );
    check("INSERT INTO E|", &expect![[r#""E" -> engine events"#]]);
    check("DESCRIBE st|", &expect![[r#""st" -> stand_packets"#]]);
}

#[test]
fn columns_are_those_of_the_statement() {
    check(
        "SELECT p| FROM engine",
        &expect![[r#""p" -> pressure partition preceding"#]],
    );
    check("SELECT ra| FROM engine", &expect![[r#""ra" -> range"#]]);
    check("SELECT ra|", &expect![[r#""ra" -> raw range"#]]);
    check(
        "SELECT e.| FROM events e",
        &expect![[r#""" -> time name "order""#]],
    );
    check(
        "SELECT x.| FROM events AS x",
        &expect![[r#""" -> time name "order""#]],
    );
    check("SELECT events.n| FROM events", &expect![[r#""n" -> name"#]]);
    check("SELECT nothing.| FROM events", &expect![[r#""" -> "#]]);
    check(
        "SELECT \"M| FROM engine",
        &expect![[r#""\"M" -> "Max Value""#]],
    );
    check(
        "SELECT m| FROM engine",
        &expect![[r#""m" -> "Max Value" max( median("#]],
    );
}

#[test]
fn keywords_keep_the_case_that_is_typed() {
    check("SEL|", &expect![[r#""SEL" -> SELECT"#]]);
    check("sel|", &expect![[r#""sel" -> select"#]]);
    check(
        "SELECT * FROM engine WH|",
        &expect![[r#""WH" -> WHERE WHEN"#]],
    );
    check("SELECT co|", &expect![[r#""co" -> copy count( concat("#]]);
    check("|", &expect![[r#""" -> "#]]);
    check("SELECT 1; sel|", &expect![[r#""sel" -> select"#]]);
}

#[test]
fn files_come_in_quotes_behind_from() {
    check("SELECT * FROM '|", &expect![[r#""" ->  or a file"#]]);
    check(
        "SELECT * FROM 'raw/st|",
        &expect![[r#""raw/st" ->  or a file"#]],
    );
    check(
        "SELECT * FROM engine WHERE note = 'ra|",
        &expect![[r#""ra" -> "#]],
    );
    check("COPY engine TO 'o|", &expect![[r#""o" ->  or a file"#]]);
    check(
        "SELECT 1 -- FROM '|",
        &expect![[r#""SELECT 1 -- FROM '" -> "#]],
    );
}

#[test]
fn commands_have_words_of_their_own() {
    check(
        "\\|",
        &expect![[r#""\\" -> \d \f \o \plot \timing \watch \x \? \q"#]],
    );
    check("\\t|", &expect![[r#""\\t" -> \timing"#]]);
    check("\\d e|", &expect![[r#""e" -> engine events"#]]);
    check("\\f c|", &expect![[r#""c" -> csv"#]]);
    check("\\plot s|", &expect![[r#""s" -> scatter spectrum"#]]);
    check("\\plot spectrum o|", &expect![[r#""o" ->  or a file"#]]);
    check("\\o out|", &expect![[r#""out" ->  or a file"#]]);
    check("\\q |", &expect![[r#""" -> "#]]);
}
