//! A version is honoured or refused, in every place where a table can stand.

use std::sync::Arc;

use expect_test::{Expect, expect};

use crate::samples::{csv, read_only, sample_lake, writing};

/// Every form asks for version 1, which has one row, n = 1; the newest has three.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_honoured_everywhere() {
    let lake = Arc::new(sample_lake().await);
    let forms = [
        "SELECT sum(n) FROM counts VERSION AS OF 1",
        "SELECT sum(counts.n) FROM counts VERSION AS OF 1",
        "SELECT sum(c.n) FROM counts VERSION AS OF 1 AS c",
        "SELECT sum(c.n) FROM counts VERSION AS OF 1 c WHERE c.n > 0",
        "SELECT sum(n) FROM public.counts VERSION AS OF 1",
        "SELECT sum(n) FROM lake.public.counts VERSION AS OF 1",
        "SELECT sum(n) FROM \"counts\" VERSION AS OF 1",
        "SELECT sum(n) FROM COUNTS VERSION AS OF 1",
        "SELECT sum(n) FROM counts TIMESTAMP AS OF '2026-01-01T00:00:01Z'",
        "SELECT sum(n) FROM counts TIMESTAMP AS OF '2026-01-01 00:00:01.999'",
        "SELECT sum(a.n) FROM counts VERSION AS OF 1 a JOIN counts VERSION AS OF 1 b ON a.n = b.n",
        "SELECT sum(a.n) FROM counts a JOIN counts VERSION AS OF 1 b ON a.n = b.n",
        "SELECT sum(b.n) FROM counts a LEFT JOIN counts VERSION AS OF 1 b ON a.n = b.n",
        "SELECT sum(a.n) FROM counts VERSION AS OF 1 a, counts VERSION AS OF 1 b",
        "SELECT sum(a.n) FROM (counts VERSION AS OF 1 a CROSS JOIN counts VERSION AS OF 1 b)",
        "SELECT sum(n) FROM (SELECT * FROM counts VERSION AS OF 1)",
        "SELECT sum(n) FROM counts WHERE n IN (SELECT n FROM counts VERSION AS OF 1)",
        "SELECT sum(n) FROM counts WHERE EXISTS (SELECT 1 FROM counts VERSION AS OF 1 b WHERE b.n = counts.n)",
        "SELECT (SELECT sum(n) FROM counts VERSION AS OF 1)",
        "WITH c AS (SELECT * FROM counts VERSION AS OF 1) SELECT sum(n) FROM c",
        "WITH counts AS (SELECT * FROM counts VERSION AS OF 1) SELECT sum(n) FROM counts",
        "SELECT n FROM counts VERSION AS OF 1 UNION SELECT n FROM counts VERSION AS OF 1",
        "SELECT n FROM counts INTERSECT SELECT n FROM counts VERSION AS OF 1",
        "CREATE OR REPLACE VIEW v AS SELECT * FROM counts VERSION AS OF 1; SELECT sum(n) FROM v",
        "CREATE OR REPLACE VIEW v AS SELECT * FROM counts VERSION AS OF 1; \
         CREATE OR REPLACE VIEW w AS SELECT * FROM v; SELECT sum(n) FROM w",
        "WITH counts AS (SELECT 100 AS n) SELECT sum(n) FROM public.counts VERSION AS OF 1",
    ];
    let session = read_only(&lake);
    for form in forms {
        assert_eq!(csv(&session, form).await, "1", "{form}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_honoured_by_writes() {
    let forms = [
        "CREATE TABLE made AS SELECT * FROM counts VERSION AS OF 1; SELECT sum(n) FROM made",
        "CREATE TABLE made AS SELECT 0 AS n; INSERT INTO made SELECT n FROM counts VERSION AS OF 1; SELECT sum(n) FROM made",
    ];
    for form in forms {
        let lake = Arc::new(sample_lake().await);
        assert_eq!(csv(&writing(&lake), form).await, "1", "{form}");
    }
    let lake = Arc::new(sample_lake().await);
    let folder = tempfile::tempdir().unwrap();
    for source in [
        "counts VERSION AS OF 1",
        "(SELECT * FROM counts VERSION AS OF 1)",
    ] {
        let path = folder.path().join("out.csv");
        let copied = csv(
            &writing(&lake),
            &format!("COPY {source} TO '{}'", path.display()),
        )
        .await;
        assert_eq!(
            (
                copied.as_str(),
                std::fs::read_to_string(&path).unwrap().as_str()
            ),
            ("", "n\n1\n"),
            "{source}"
        );
    }
}

/// Forms that cannot be honoured: each is an error, none returns rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_refused_elsewhere() {
    let lake = Arc::new(sample_lake().await);
    let session = writing(&lake);
    csv(&session, "CREATE VIEW v AS SELECT * FROM counts").await;
    let forms = [
        "SELECT * FROM v VERSION AS OF 1",
        "WITH c AS (SELECT 1) SELECT * FROM c VERSION AS OF 1",
        "SELECT * FROM generate_series(1, 3) VERSION AS OF 1",
        "SELECT * FROM 'data/Raw.csv' VERSION AS OF 1",
        "SELECT * FROM information_schema.tables VERSION AS OF 1",
        "SELECT * FROM counts VERSION AS OF 9",
        "SELECT * FROM counts VERSION AS OF '1'",
        "SELECT * FROM counts VERSION AS OF -1",
        "SELECT * FROM counts TIMESTAMP AS OF '2025-01-01'",
        "SELECT * FROM counts TIMESTAMP AS OF now()",
        "SELECT * FROM counts FOR SYSTEM_TIME AS OF '2026-01-01'",
        "SELECT * FROM counts FOR VERSION AS OF 1",
        "SELECT * FROM counts@v1",
        "SELECT * FROM counts AT(VERSION => 1)",
        "INSERT INTO counts VERSION AS OF 1 SELECT 1",
        "DELETE FROM counts VERSION AS OF 1",
        "DESCRIBE counts VERSION AS OF 1",
        "TABLE counts VERSION AS OF 1",
        "SELECT * FROM counts c VERSION AS OF 1",
    ];
    let mut answers = String::new();
    for form in forms {
        let answer = csv(&session, form).await;
        answers += &format!("{form}\n  {answer}\n");
    }
    check(
        &answers,
        &expect![[r#"
            SELECT * FROM v VERSION AS OF 1
              Invalid: sql: v is a view and has no versions: ask for versions inside it
            WITH c AS (SELECT 1) SELECT * FROM c VERSION AS OF 1
              Invalid: sql: c is a common table expression and has no versions: leave out VERSION AS OF 1
            SELECT * FROM generate_series(1, 3) VERSION AS OF 1
              Invalid: sql: expected the end of the statement, found AS at Line: 1, Column: 45
            SELECT * FROM 'data/Raw.csv' VERSION AS OF 1
              Invalid: sql: data/Raw.csv is a file and has no versions: leave out VERSION AS OF 1
            SELECT * FROM information_schema.tables VERSION AS OF 1
              Invalid: sql: information_schema.tables is outside the lake and has no versions: leave out VERSION AS OF 1
            SELECT * FROM counts VERSION AS OF 9
              NotFound: table counts has no such version
            SELECT * FROM counts VERSION AS OF '1'
              Invalid: expected: literal number, found: '1' at Line: 1, Column: 36
            SELECT * FROM counts VERSION AS OF -1
              Invalid: expected: a value, found: - at Line: 1, Column: 36
            SELECT * FROM counts TIMESTAMP AS OF '2025-01-01'
              NotFound: table counts has no such version
            SELECT * FROM counts TIMESTAMP AS OF now()
              Invalid: sql: counts TIMESTAMP AS OF now(): expected a time in quotes, such as '2026-01-31T12:00:00Z'
            SELECT * FROM counts FOR SYSTEM_TIME AS OF '2026-01-01'
              Invalid: sql: FOR SYSTEM_TIME at Line: 1, Column: 22 is not ours: write <table> VERSION AS OF <n> or <table> TIMESTAMP AS OF '<time>'
            SELECT * FROM counts FOR VERSION AS OF 1
              Invalid: sql: leave out FOR at Line: 1, Column: 22: write <table> VERSION AS OF <n> or <table> TIMESTAMP AS OF '<time>'
            SELECT * FROM counts@v1
              Invalid: sql: counts@v1 at Line: 1, Column: 15 is not a name: write <table> VERSION AS OF <n> or <table> TIMESTAMP AS OF '<time>'
            SELECT * FROM counts AT(VERSION => 1)
              Invalid: sql: AT(VERSION => 1) is not ours: write counts VERSION AS OF <n> or counts TIMESTAMP AS OF '<time>'
            INSERT INTO counts VERSION AS OF 1 SELECT 1
              Invalid: expected: SELECT, VALUES, or a subquery in the query body, found: VERSION at Line: 1, Column: 20
            DELETE FROM counts VERSION AS OF 1
              Invalid: sql: DELETE FROM is not available: statements are SELECT, EXPLAIN, SHOW TABLES, DESCRIBE, CREATE TABLE AS, INSERT INTO, COPY TO, CREATE VIEW, DROP VIEW
            DESCRIBE counts VERSION AS OF 1
              Invalid: sql: expected the end of the statement, found VERSION at Line: 1, Column: 17
            TABLE counts VERSION AS OF 1
              Invalid: expected: an SQL statement, found: TABLE at Line: 1, Column: 1
            SELECT * FROM counts c VERSION AS OF 1
              Invalid: sql: expected the end of the statement, found VERSION at Line: 1, Column: 24
        "#]],
    );
}

fn check(actual: &str, expected: &Expect) {
    expected.assert_eq(actual);
}
