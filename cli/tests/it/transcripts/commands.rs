//! Transcripts of the commands that look: `table`, `schema`, `config`,
//! `doctor`, `demo`.

use expect_test::expect;
use serde_json::json;

use super::{check, landed, samples};
use crate::program::Program;

#[test]
fn tables() {
    let program = landed();
    let said = check(
        &program,
        &["table", "list"],
        0,
        &expect![[r#"
            $ downlake table list
            table  version  rows  files  bytes  min_time  max_time
            engine  2  4  3  <n> B  2021-03-01T00:00:01.000000Z  2021-03-02T00:00:04.000000Z
        "#]],
    );
    assert!(said.out.contains("engine") && !said.out.contains("_ledger"));
    let said = check(
        &program,
        &["table", "list", "--all"],
        0,
        &expect![[r#"
            $ downlake table list --all
            table  version  rows  files  bytes  min_time  max_time
            _ledger  1  4  1  <n> B  -  -
            _quarantine  1  1  1  <n> B  -  -
            engine  2  4  3  <n> B  2021-03-01T00:00:01.000000Z  2021-03-02T00:00:04.000000Z
        "#]],
    );
    assert!(said.out.contains("_ledger") && said.out.contains("_quarantine"));
    let listed = check(&program, &["table", "list", "--json"], 0, &expect![[r#"
        $ downlake table list --json
        [{"table":"engine","version":2,"rows":4,"files":3,"bytes":<n>,"min_time":"2021-03-01T00:00:01.000000Z","max_time":"2021-03-02T00:00:04.000000Z"}]
    "#]]).json();
    assert_eq!(listed[0]["rows"], 4);
    assert_eq!(listed[0]["min_time"], "2021-03-01T00:00:01.000000Z");
    assert_eq!(listed[0]["max_time"], "2021-03-02T00:00:04.000000Z");
    let said = check(
        &program,
        &["table", "show", "engine"],
        0,
        &expect![[r#"
            $ downlake table show engine
            engine  version 2  4 rows  3 files  <n> B
            time  2021-03-01T00:00:01.000000Z to 2021-03-02T00:00:04.000000Z
            partition  date
            sorted by  time

            column  type  unit  description
            time  Timestamp(µs, "UTC")
            date  Date32
            seq  Int64
            pressure  Float64
            note  Utf8
            _received_at  Timestamp(µs, "UTC")
            _ingested_at  Timestamp(µs, "UTC")
            _ingest_id  Int64
        "#]],
    );
    assert!(said.out.contains("partition  date") && said.out.contains("sorted by  time"));
    let shown = program.good(&["table", "show", "engine", "--json"]).json();
    assert_eq!(shown["partition"], json!(["date"]));
    let said = check(
        &program,
        &["table", "history", "engine"],
        0,
        &expect![[r#"
        $ downlake table history engine
        version  timestamp  operation  rows  source
          2  <now>  INGEST  1  raw/b.csv
          1  <now>  INGEST  3  raw/a.csv
          0  <now>  CREATE TABLE
    "#]],
    );
    assert_eq!(said.out.matches("INGEST").count(), 2);
    let history = program
        .good(&["table", "history", "engine", "-n", "1", "--json"])
        .json();
    assert_eq!(history.as_array().unwrap().len(), 1);
    assert_eq!(history[0]["version"], 2);
}

#[test]
fn mistyped() {
    let program = landed();
    let said = check(
        &program,
        &["table", "show", "engin"],
        2,
        &expect![[r#"
        $ downlake table show engin
        ! downlake: there is no table "engin" in file://<dir>/lake/; did you mean "engine"?
        exit 2
    "#]],
    );
    assert!(said.err.contains("did you mean \"engine\""));
    let said = check(
        &program,
        &["table", "list", "--al"],
        2,
        &expect![[r#"
        $ downlake table list --al
        ! error: unexpected argument '--al' found
        !
        !  tip: a similar argument exists: '--all'
        !
        ! Usage: downlake table list --all
        !
        ! For more information, try '--help'.
        exit 2
    "#]],
    );
    assert!(said.err.contains("--all"));
    let said = check(
        &program,
        &["tabel", "list"],
        2,
        &expect![[r#"
        $ downlake tabel list
        ! error: unrecognized subcommand 'tabel'
        !
        !  tip: a similar subcommand exists: 'table'
        !
        ! Usage: downlake [OPTIONS] <COMMAND>
        !
        ! For more information, try '--help'.
        exit 2
    "#]],
    );
    assert!(said.err.contains("table"));
    let said = check(
        &program,
        &["ingest"],
        2,
        &expect![[r#"
        $ downlake ingest
        ! error: the following required arguments were not provided:
        !  <SOURCE>...
        !
        ! Usage: downlake ingest <SOURCE>...
        !
        ! For more information, try '--help'.
        exit 2
    "#]],
    );
    assert!(said.err.contains("SOURCE"));
    let said = check(
        &program,
        &["--memory", "12XB", "table", "list"],
        2,
        &expect![[r#"
            $ downlake --memory 12XB table list
            ! error: invalid value '12XB' for '--memory <SIZE>': unknown unit "XB", expected KiB, MiB, GiB, kB, MB or GB
            !
            ! For more information, try '--help'.
            exit 2
        "#]],
    );
    assert!(said.err.contains("XB"));
}

/// Global options stand before or after the command.
#[test]
fn the_order_of_global_options_does_not_matter() {
    let program = samples();
    program.good(&[
        "--lake", "here", "--quiet", "ingest", "raw", "--table", "engine",
    ]);
    let before = program.good(&["--lake", "here", "--json", "table", "list"]);
    let after = program.good(&["table", "list", "--json", "--lake", "here"]);
    assert_eq!(before.out, after.out);
    assert_eq!(before.json()[0]["rows"], 4);
    let by_variable = program
        .command(&["table", "list", "--json"])
        .env("DOWNLAKE_LAKE", "here")
        .output();
    assert_eq!(
        String::from_utf8_lossy(&by_variable.unwrap().stdout),
        before.out
    );
    let quiet = program.good(&["ingest", "raw", "--table", "engine", "--lake", "here", "-q"]);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn schemas() {
    let program = landed();
    let said = check(
        &program,
        &["schema", "infer", "raw/b.csv", "--table", "engine"],
        0,
        &expect![[r#"
            $ downlake schema infer raw/b.csv --table engine
            stream = "engine"

            [input]
            format = "csv"
            header = true
            delimiter = ","

            [time]
            axis = "absolute"
            column = "time"
            code = "iso"

            [table]
            origin = "inferred"

            [[column]]
            name = "time"
            type = "timestamp"

            [[column]]
            name = "seq"
            type = "i64"

            [[column]]
            name = "pressure"
            type = "f64"

            [[column]]
            name = "note"
            type = "text"
        "#]],
    );
    program.write("engine.toml", &said.out);
    let said = check(
        &program,
        &["schema", "check", "engine.toml"],
        0,
        &expect![[r#"
            $ downlake schema check engine.toml
            engine  4 columns
            axis  absolute, from time
            partition  date
            sorted by  time
            the definition is good
        "#]],
    );
    assert!(said.out.contains("the definition is good"));
    let checked = program
        .good(&["schema", "check", "engine.toml", "--json"])
        .json();
    assert_eq!(
        (&checked["stream"], &checked["columns"]),
        (&json!("engine"), &json!(4))
    );
    let said = check(
        &program,
        &["schema", "show", "engine"],
        0,
        &expect![[r#"
        $ downlake schema show engine
        stream = "engine"

        [input]
        format = "csv"
        header = true
        delimiter = ","

        [time]
        axis = "absolute"
        column = "time"
        code = "iso"

        [table]
        origin = "inferred"

        [[column]]
        name = "time"
        type = "timestamp"

        [[column]]
        name = "seq"
        type = "i64"

        [[column]]
        name = "pressure"
        type = "f64"

        [[column]]
        name = "note"
        type = "text"
    "#]],
    );
    assert!(said.out.contains("stream = \"engine\""));
    let said = check(
        &program,
        &["schema", "list"],
        0,
        &expect![[r#"
            $ downlake schema list
            stream  place  number  columns  description
            birds_eps  embedded  37  Power system of a BIRDS cubesat: raw and engineering values side by side
            cmapss  embedded  26  Turbofan engines, one row a cycle, from health to failure
            packets  embedded  10  Space packets as they came, with the channel that they came on
            engine  lake  1  4
        "#]],
    );
    assert!(said.out.contains("cmapss") && said.out.contains("engine"));
    program.write("typo.toml", "strem = \"x\"\n");
    let said = check(
        &program,
        &["schema", "check", "typo.toml"],
        2,
        &expect![[r#"
            $ downlake schema check typo.toml
            ! downlake: typo.toml:1:1: unknown key "strem" in the definition, did you mean "stream": keys are stream, description, input, time, table, column
            exit 2
        "#]],
    );
    assert!(said.err.contains("typo.toml:1:1") && said.err.contains("\"stream\""));
    let said = check(
        &program,
        &["schema", "show", "cmaps"],
        2,
        &expect![[r#"
            $ downlake schema show cmaps
            ! downlake: no embedded stream "cmaps", did you mean "cmapss": there are birds_eps, cmapss, packets
            exit 2
        "#]],
    );
    assert!(said.err.contains("cmapss"));
    let said = check(
        &program,
        &["schema", "check", "none.toml"],
        2,
        &expect![[r#"
            $ downlake schema check none.toml
            ! downlake: cannot read the definition none.toml: No such file or directory (os error 2)
            exit 2
        "#]],
    );
    assert!(said.err.contains("none.toml"));
}

#[test]
fn settings() {
    let program = Program::new();
    let said = program
        .good(&["config", "show", "--json", "--memory", "64MiB"])
        .json();
    let of = |name: &str| {
        said.as_array()
            .unwrap()
            .iter()
            .find(|s| s["setting"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (&of("lake")["value"], &of("lake")["origin"]),
        (&json!("./lake"), &json!("default"))
    );
    assert_eq!(
        (&of("memory")["value"], &of("memory")["origin"]),
        (&json!("67108864"), &json!("flag"))
    );
    let set = program
        .command(&["config", "show"])
        .env("DOWNLAKE_LAKE", "there")
        .env("AWS_SECRET_ACCESS_KEY", "hush")
        .output();
    let said = String::from_utf8(set.unwrap().stdout).unwrap();
    assert!(
        said.contains("there") && said.contains("environment"),
        "{said}"
    );
    assert!(
        said.contains("AWS_SECRET_ACCESS_KEY") && !said.contains("hush"),
        "{said}"
    );
}

#[test]
fn a_doctor_finds_nothing() {
    let program = landed();
    let said = check(
        &program,
        &["doctor"],
        0,
        &expect![[r#"
        $ downlake doctor
        ok  software  downlake 0.1.0 on linux
        ok  lake  file://<dir>/lake/
        ok  durable  a commit is reported when it survives a power cut
        ok  format  1
        ok  store  DurableDisk(<dir>/lake) creates without races: 6 rounds of 8 writers
        ok  write  an object was written and removed
        ok  list  4 folders in <n> ms
        ok  clock  <now>, steady
        ok  temp  /tmp takes files
        ok  tables  3 open
    "#]],
    );
    assert!(!said.out.contains("BAD"));
    let findings = program.good(&["doctor", "--json"]).json();
    assert!(
        findings
            .as_array()
            .unwrap()
            .iter()
            .all(|f| f["good"] == true),
        "{findings}"
    );
    let said = program.good(&["doctor", "--lake", "none"]);
    assert!(said.out.contains("no lake here yet"), "{said:?}");
    assert!(!program.folder().join("none").exists());
}

#[test]
fn the_demo_answers_what_it_asks() {
    let program = Program::new();
    let said = check(&program, &["demo"], 0, &expect![[r#""#]]);
    // Each question has an answer, and the anomalies are found where they were put.
    let answers: Vec<&str> = said.out.split("\n-").skip(1).collect();
    assert_eq!(answers.len(), 6, "{said:?}");
    let engine = answers[1].lines().nth(1).unwrap();
    assert!(
        engine.trim_start().starts_with("F03    |      4"),
        "{engine}"
    );
    let listed = program
        .good(&[
            "--lake",
            "demo/lake",
            "sql",
            "-f",
            "csv",
            QUARANTINED_OR_LOST,
        ])
        .out;
    expect![[r#""#]].assert_eq(&listed);
    crate::audit::Audit::clean(
        &program.folder().join("demo/lake"),
        crate::audit::Last::Finished,
        "demo",
    );
    let again = program.good(&["demo"]);
    assert!(again.out.contains("19 already"), "{again:?}");
    assert!(!again.out.contains("landed"), "{again:?}");
    let asked = ["--lake", "demo/lake", "sql", "--file", "demo/questions.sql"];
    let answers = program.good(&asked).out;
    assert!(answers.contains("GRAVITY_TURN"), "{answers}");
    let wrong = program.run(&["demo", "--flights", "0"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

/// What of the campaign is not a row of a table.
const QUARANTINED_OR_LOST: &str = "
    SELECT 'refused' AS what, reason AS kind, count(*) AS records FROM _quarantine GROUP BY ALL
    UNION ALL SELECT 'gap', kind, count(*) FROM _gaps GROUP BY ALL ORDER BY 1, 2";
