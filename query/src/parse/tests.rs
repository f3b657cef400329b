use expect_test::{Expect, expect};

use super::*;

fn check(sql: &str, expected: Expect) {
    let shown = match parse(sql) {
        Ok(statements) => statements
            .iter()
            .map(|s| format!("[{s}]"))
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => error.message().to_owned(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn statements_end_at_semicolons_outside_strings_and_comments() {
    check(
        "SELECT 1; SELECT 2 ;;",
        expect![[r#"
        [SELECT 1]
        [SELECT 2]"#]],
    );
    check(
        "SELECT ';' -- ; no end\n, \";\" /* ; */; SELECT 2",
        expect![[r#"
        [SELECT ';' -- ; no end
        , ";" /* ; */]
        [SELECT 2]"#]],
    );
    check(" ; -- nothing\n;", expect![""]);
}

#[test]
fn foreign_spellings_show_ours() {
    for sql in [
        "SELECT * FROM t FOR SYSTEM_TIME AS OF '2026-01-01'",
        "SELECT * FROM t FOR SYSTEM_TIME BETWEEN 1 AND 2",
        "SELECT * FROM t FOR VERSION AS OF 3",
        "SELECT * FROM t FOR TIMESTAMP AS OF '2026-01-01'",
        "SELECT * FROM t@v3",
    ] {
        let error = parse(sql).unwrap_err();
        assert!(
            error.message().contains("VERSION AS OF <n>"),
            "{sql}: {error}"
        );
    }
    let error = parse("SELECT * FROM a ASOF JOIN b MATCH_CONDITION (a.t >= b.t)").unwrap_err();
    assert!(error.message().contains("not available yet"), "{error}");
}

#[test]
fn what_would_be_ignored_is_refused() {
    for sql in [
        "CREATE TABLE t (n INT)",
        "CREATE TABLE t (n) AS SELECT 1",
        "CREATE OR REPLACE TABLE t AS SELECT 1",
        "CREATE TEMPORARY TABLE t AS SELECT 1",
        "CREATE MATERIALIZED VIEW v AS SELECT 1",
        "INSERT OVERWRITE t SELECT 1",
        "INSERT INTO t SELECT 1 ON CONFLICT DO NOTHING",
        "INSERT INTO t SELECT 1 RETURNING n",
        "COPY t TO 'x.csv' STORED AS PARQUET",
        "COPY t TO 'x.csv' OPTIONS (a 1)",
        "COPY t TO 'x.xls'",
        "EXPLAIN INSERT INTO t SELECT 1",
        "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
        "SET datafusion.execution.batch_size = 1",
        "DELETE FROM t",
        "UPDATE t SET n = 1",
        "MERGE INTO t USING s ON t.n = s.n WHEN MATCHED THEN DELETE",
        "TRUNCATE TABLE t",
        "DROP TABLE t",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x'",
        "SELECT 1 SELECT 2",
    ] {
        assert!(parse(sql).is_err(), "{sql}");
    }
}

#[test]
fn writing_statements_say_so() {
    for (sql, writes) in [
        ("SELECT 1", false),
        ("EXPLAIN SELECT 1", false),
        ("SHOW TABLES", false),
        ("CREATE VIEW v AS SELECT 1", false),
        ("CREATE TABLE t AS SELECT 1", true),
        ("INSERT INTO t VALUES (1)", true),
        ("COPY t TO 'x.csv'", true),
        ("COPY t VERSION AS OF 3 TO 'x.csv'", true),
    ] {
        assert_eq!(parse(sql).unwrap()[0].writes(), writes, "{sql}");
    }
}
