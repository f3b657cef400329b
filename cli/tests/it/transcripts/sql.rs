//! Transcripts of `sql`.

use std::process::Stdio;

use expect_test::expect;

use super::{check, landed};
use crate::program::Program;

const ROWS: &str = "SELECT time, seq, pressure, note FROM engine ORDER BY seq";

#[test]
fn formats() {
    let program = landed();
    check(
        &program,
        &["sql", "-f", "table", ROWS],
        0,
        &expect![[r#"
        $ downlake sql -f table SELECT time, seq, pressure, note FROM engine ORDER BY seq
         time  | seq | pressure | note
        ---+---+---+---
         2021-03-01T00:00:01.000000Z |  1 |  2.25 | NULL
         2021-03-01T00:00:02.000000Z |  2 |  1.5 | hot
         2021-03-02T00:00:03.000000Z |  3 |  NULL |
         2021-03-02T00:00:04.000000Z |  4 |  4.5 | a,b
    "#]],
    );
    let csv = check(
        &program,
        &["sql", "-f", "csv", ROWS],
        0,
        &expect![[r#"
        $ downlake sql -f csv SELECT time, seq, pressure, note FROM engine ORDER BY seq
        time,seq,pressure,note
        2021-03-01T00:00:01.000000Z,1,2.25,
        2021-03-01T00:00:02.000000Z,2,1.5,hot
        2021-03-02T00:00:03.000000Z,3,,""
        2021-03-02T00:00:04.000000Z,4,4.5,"a,b"
    "#]],
    );
    assert_eq!(csv.out.lines().next(), Some("time,seq,pressure,note"));
    assert_eq!(
        csv.out.lines().nth(3),
        Some("2021-03-02T00:00:03.000000Z,3,,\"\"")
    );
    let json = check(
        &program,
        &["sql", "-f", "json", ROWS],
        0,
        &expect![[r#"
        $ downlake sql -f json SELECT time, seq, pressure, note FROM engine ORDER BY seq
        {"time":"2021-03-01T00:00:01.000000Z","seq":1,"pressure":2.25,"note":null}
        {"time":"2021-03-01T00:00:02.000000Z","seq":2,"pressure":1.5,"note":"hot"}
        {"time":"2021-03-02T00:00:03.000000Z","seq":3,"pressure":null,"note":""}
        {"time":"2021-03-02T00:00:04.000000Z","seq":4,"pressure":4.5,"note":"a,b"}
    "#]],
    );
    let first: serde_json::Value = serde_json::from_str(json.out.lines().next().unwrap()).unwrap();
    assert_eq!(
        first,
        serde_json::json!({"time": "2021-03-01T00:00:01.000000Z", "seq": 1, "pressure": 2.25, "note": null})
    );
}

#[test]
fn several_statements_and_their_times() {
    let program = landed();
    let said = check(
        &program,
        &[
            "sql",
            "--timing",
            "-f",
            "csv",
            "SELECT 1 AS a; SELECT 2 AS b",
        ],
        0,
        &expect![[r#"
            $ downlake sql --timing -f csv SELECT 1 AS a; SELECT 2 AS b
            a
            1
            b
            2
            ! SELECT 1 AS a  elapsed <n> ms
            ! SELECT 2 AS b  elapsed <n> ms
        "#]],
    );
    assert_eq!(said.out, "a\n1\nb\n2\n");
    let times: Vec<_> = said.err.lines().collect();
    assert!(
        times.len() == 2
            && times
                .iter()
                .all(|l| l.contains("elapsed ") && l.ends_with(" ms"))
    );
}

#[test]
fn names_that_are_nearly_right() {
    let program = landed();
    let said = check(
        &program,
        &["sql", "SELECT * FROM engin"],
        2,
        &expect![[r#"
            $ downlake sql SELECT * FROM engin
            ! downlake: no table "engin" (near: engine)
            !  SELECT * FROM engin
            !  ^^^^^
            exit 2
        "#]],
    );
    assert!(said.err.contains("\"engin\"") && said.err.contains("near: engine"));
    let said = check(
        &program,
        &["sql", "SELECT presure FROM engine"],
        2,
        &expect![[r#"
            $ downlake sql SELECT presure FROM engine
            ! downlake: no column "presure" (near: pressure)
            !  SELECT presure FROM engine
            !  ^^^^^^^
            exit 2
        "#]],
    );
    assert!(said.err.contains("presure") && said.err.contains("pressure"));
    let said = check(
        &program,
        &["sql", "SELEC 1"],
        2,
        &expect![[r#"
            $ downlake sql SELEC 1
            ! downlake: expected: an SQL statement, found: SELEC (near: SELECT)
            !  SELEC 1
            !  ^^^^^
            exit 2
        "#]],
    );
    assert!(said.err.contains("SELEC"));
    let said = check(
        &program,
        &["sql", "SELECT coutn(*) FROM engine"],
        2,
        &expect![[r#"
            $ downlake sql SELECT coutn(*) FROM engine
            ! downlake: no function "coutn" (near: count, cot)
            !  SELECT coutn(*) FROM engine
            !  ^^^^^
            exit 2
        "#]],
    );
    assert!(said.err.contains("coutn"));
    let said = check(
        &program,
        &[
            "sql",
            "--read-only",
            "INSERT INTO engine SELECT * FROM engine",
        ],
        2,
        &expect![[r#"
            $ downlake sql --read-only INSERT INTO engine SELECT * FROM engine
            ! downlake: this session is read-only: it refuses INSERT INTO engine SELECT * FROM engine
            exit 2
        "#]],
    );
    assert!(said.out.is_empty());
    check(
        &program,
        &["sql", ""],
        2,
        &expect![[r#"
        $ downlake sql
        ! downlake: there is no statement; try: downlake sql "SELECT 1"
        exit 2
    "#]],
    );
    let said = check(
        &program,
        &["sql", "SELECT * FROM engine VERSION AS OF 99"],
        2,
        &expect![[r#"
            $ downlake sql SELECT * FROM engine VERSION AS OF 99
            ! downlake: table engine has no version 99: the log has versions 0 to 2
            exit 2
        "#]],
    );
    assert!(said.err.contains("99"));
}

#[test]
fn raw_files_without_a_lake() {
    let program = Program::new();
    program.write("t.csv", "time,seq\n2021-03-01T00:00:01Z,7\n");
    let said = program.good(&["sql", "-f", "csv", "SELECT seq FROM 't.csv'"]);
    assert_eq!(said.out, "seq\n7\n");
    assert!(!program.lake().exists(), "a question makes no lake");
    let said = program.run(&["sql", "SELECT seq FROM 'none.csv'"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("none.csv"), "{said:?}");
}

/// A reader that goes away is no fault and nothing to talk about.
#[test]
fn a_closed_pipe_is_silent() {
    let program = landed();
    let many = "SELECT * FROM generate_series(1, 2000000)";
    for args in [
        ["sql", "-f", "csv", many],
        ["sql", "-f", "json", many],
        ["sql", "-f", "table", many],
    ] {
        let mut command = program.command(&args);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 1];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
}

/// What the lake fills itself is neither asked for nor taken.
#[test]
fn columns_that_the_lake_fills() {
    let program = Program::new();
    program.good(&[
        "sql",
        "CREATE TABLE log AS SELECT TIMESTAMP '2026-01-02T00:00:00Z' AS time, 1 AS v",
    ]);
    program.good(&["sql", "INSERT INTO log VALUES ('2026-01-03T12:00:00Z', 2)"]);
    for name in ["date", "_ingest_id"] {
        let insert = format!("INSERT INTO log (time, v, {name}) SELECT time, v, {name} FROM log");
        let said = program.run(&["sql", &insert]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains("is filled by the lake"), "{said:?}");
    }
    let said = program.good(&[
        "sql",
        "-f",
        "csv",
        "SELECT time, date, v FROM log ORDER BY v",
    ]);
    let expected = "time,date,v\n2026-01-02T00:00:00.000000Z,2026-01-02,1\n\
                    2026-01-03T12:00:00.000000Z,2026-01-03,2\n";
    assert_eq!(said.out, expected);
}
