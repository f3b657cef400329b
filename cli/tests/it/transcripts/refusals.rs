//! Transcripts of `quarantine`, and of lakes that are refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use expect_test::expect;

use super::{check, landed};
use crate::program::Program;
use crate::skip::skip;
use crate::telemetry::{DEFINITION, mended};

#[test]
fn refused_records_are_listed_shown_and_tried_again() {
    let program = Program::new();
    program.write("flight.toml", DEFINITION);
    program.write("mended.toml", mended());
    program.write(
        "raw/a.csv",
        "ts,seq,value,note\n2021-03-01T00:00:01Z,1,NA,x\n2021-03-01T00:00:02Z,2,2.5,y\n2021-03-01T00:00:03Z,3,5000.5,z\n",
    );
    program.good(&["ingest", "raw", "--schema", "flight.toml"]);
    let said = check(
        &program,
        &["quarantine", "list"],
        0,
        &expect![[r#"
            $ downlake quarantine list
             ingest_id  | table_name | source  | reason  | records | redriven | example
            ---+---+---+---+---+---+---
             <id> | flight  | raw/a.csv | out-of-range |  1 |  0 | column "value": 5000.5 is not within 0 and 1000
             <id> | flight  | raw/a.csv | type  |  1 |  0 | column "value": "NA" is not a number of double precision
        "#]],
    );
    assert!(said.out.contains("type") && said.out.contains("out-of-range"));
    let listed = program.good(&["quarantine", "list", "--json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    check(
        &program,
        &["quarantine", "show", "--reason", "type", "--json"],
        0,
        &expect![[r#"
            $ downlake quarantine show --reason type --json
            [{"ingest_id":<n>,"table_name":"flight","source":"raw/a.csv","line":2,"byte_offset":18,"reason":"type","detail":"column \"value\": \"NA\" is not a number of double precision","raw":"<hash>","redriven_as":null}]
        "#]],
    );
    let said = check(
        &program,
        &["quarantine", "redrive", "--schema", "mended.toml"],
        0,
        &expect![[r#"
            $ downlake quarantine redrive --schema mended.toml
            flight  raw/a.csv (landing <id>): 2 tried again, 2 committed, 0 refused again
        "#]],
    );
    assert!(
        said.out
            .contains("2 tried again, 2 committed, 0 refused again")
    );
    check(
        &program,
        &["quarantine", "redrive"],
        0,
        &expect![[r#"
        $ downlake quarantine redrive
        no refused record can be tried again now
    "#]],
    );
    let said = program.good(&[
        "sql",
        "-f",
        "csv",
        "SELECT seq, value FROM flight ORDER BY seq",
    ]);
    assert_eq!(said.out, "seq,value\n1,\n2,2.5\n3,5000.5\n");
    let said = program.good(&[
        "sql",
        "-f",
        "csv",
        "SELECT count(*) AS n, count(redriven_as) AS r FROM _quarantine",
    ]);
    assert_eq!(said.out, "n,r\n2,2\n");
}

#[test]
fn nothing_was_refused() {
    let program = Program::new();
    program.write("t.csv", "time,seq\n2021-03-01T00:00:01Z,7\n");
    program.good(&["ingest", "t.csv"]);
    check(
        &program,
        &["quarantine", "list"],
        0,
        &expect![[r#"
        $ downlake quarantine list
        nothing was ever refused
    "#]],
    );
    check(
        &program,
        &["quarantine", "redrive"],
        0,
        &expect![[r#"
        $ downlake quarantine redrive
        no refused record can be tried again now
    "#]],
    );
    assert_eq!(
        program.good(&["quarantine", "list", "--json"]).json(),
        serde_json::json!([])
    );
}

/// Every command that needs a lake says that there is none, and makes none.
#[test]
fn no_lake() {
    let program = Program::new();
    for args in [
        &["--lake", "gone", "table", "list"][..],
        &["--lake", "gone", "table", "show", "t"],
        &["--lake", "gone", "sql", "SELECT * FROM t"],
        &["--lake", "gone", "quarantine", "list"],
    ] {
        let said = program.run(args);
        assert_eq!(said.code, 2, "{args:?}: {said:?}");
        assert!(
            said.err.contains("there is no lake at") && said.err.contains("gone"),
            "{args:?}: {said:?}"
        );
        assert!(!program.folder().join("gone").exists(), "{args:?}");
    }
    check(
        &program,
        &["table", "list"],
        2,
        &expect![[r#"
        $ downlake table list
        ! downlake: there is no lake at file://<dir>/lake/; `downlake ingest` makes one, `--lake` names another
        exit 2
    "#]],
    );
    check(
        &program,
        &["--json", "table", "list"],
        2,
        &expect![[r#"
        $ downlake --json table list
        ! {"error":"there is no lake at file://<dir>/lake/; `downlake ingest` makes one, `--lake` names another","exit_code":2}
        exit 2
    "#]],
    );
}

#[test]
fn a_lake_of_a_newer_format() {
    let program = landed();
    let mark = program.lake().join("_downlake/lake.json");
    let newer = fs::read_to_string(&mark)
        .unwrap()
        .replace("\"format\":1", "\"format\":2");
    fs::write(&mark, newer).unwrap();
    let said = check(
        &program,
        &["table", "list"],
        2,
        &expect![[r#"
        $ downlake table list
        ! downlake: lake has format 2, this downlake reads format 1; use a newer downlake
        exit 2
    "#]],
    );
    assert!(said.err.contains("format 2"));
    let said = check(
        &program,
        &["ingest", "raw", "--table", "engine"],
        2,
        &expect![[r#"
            $ downlake ingest raw --table engine
            ! downlake: lake has format 2, this downlake reads format 1; use a newer downlake
            exit 2
        "#]],
    );
    assert!(said.err.contains("format 2"));
    let said = check(
        &program,
        &["doctor"],
        6,
        &expect![[r#"
        $ downlake doctor
        ok  software  downlake 0.1.0 on linux
        ok  lake  file://<dir>/lake/
        ok  durable  a commit is reported when it survives a power cut
        BAD  format  lake has format 2, this downlake reads format 1; use a newer downlake
        ok  store  DurableDisk(<dir>/lake) creates without races: 6 rounds of 8 writers
        ok  list  4 folders in <n> ms
        ok  clock  <now>, steady
        ok  temp  /tmp takes files
        BAD  tables  lake has format 2, this downlake reads format 1; use a newer downlake
        exit 6
    "#]],
    );
    assert!(said.out.contains("format 2"));
    fs::write(&mark, "{").unwrap();
    let said = check(
        &program,
        &["table", "list"],
        6,
        &expect![[r#"
        $ downlake table list
        ! downlake: _downlake/lake.json at file://<dir>/lake/ is not the mark of a lake: EOF while parsing an object at line 1 column 1; restore the file or choose another lake
        exit 6
    "#]],
    );
    assert!(said.err.contains("lake.json"));
}

#[test]
fn a_table_with_a_feature_that_nobody_knows() {
    let program = landed();
    let first = program
        .lake()
        .join("engine/_delta_log")
        .join(format!("{:020}.json", 0));
    let content = fs::read_to_string(&first).unwrap();
    let told = content
        .replace("\"readerFeatures\":[]", "\"readerFeatures\":[\"timeWarp\"]")
        .replace("\"writerFeatures\":[]", "\"writerFeatures\":[\"timeWarp\"]");
    assert_ne!(content, told, "{content}");
    fs::write(&first, told).unwrap();
    for args in [
        &["table", "show", "engine"][..],
        &["sql", "SELECT * FROM engine"],
        &["ingest", "lines", "--table", "engine"],
    ] {
        let said = program.run(args);
        assert_eq!(said.code, 2, "{args:?}: {said:?}");
        assert!(said.err.contains("timeWarp"), "{args:?}: {said:?}");
    }
    check(
        &program,
        &["table", "show", "engine"],
        2,
        &expect![[r#"
        $ downlake table show engine
        ! downlake: open table engine: the table uses reader features that are not supported: timeWarp: use the tool that wrote it, or drop the features there: Unsupported: Feature 'timeWarp' is not supported
        exit 2
    "#]],
    );
}

/// For a user who may write everywhere, the right to do so is taken away.
#[test]
fn a_lake_that_may_only_be_read() {
    let mut program = landed();
    set_writable(&program.lake(), false);
    if fs::write(program.lake().join("trial"), "").is_ok() {
        fs::remove_file(program.lake().join("trial")).unwrap();
        if !program.drop_rights() {
            set_writable(&program.lake(), true);
            return skip(
                "a_lake_that_may_only_be_read",
                "this user may write everywhere, and setpriv is missing",
            );
        }
    }
    let said = program.good(&["sql", "-f", "csv", "SELECT count(*) AS n FROM engine"]);
    assert_eq!(said.out, "n\n4\n");
    program.good(&["table", "list"]);
    let said = program.run(&["doctor"]);
    let bad: Vec<_> = said.out.lines().filter(|l| l.starts_with("BAD")).collect();
    assert_eq!((said.code, bad.len()), (6, 1), "{said:?}");
    assert!(bad[0].contains("the store takes no writes"), "{said:?}");
    let args = ["ingest", "lines", "--table", "engine", "--format", "json"];
    let said = check(
        &program,
        &args,
        2,
        &expect![[r#"
            $ downlake ingest lines --table engine --format json
            engine  version 2  0 rows  0 files  <n> B
            units  1 failed
            rows  0 in = 0 committed + 0 quarantined + 0 duplicate + 0 skipped
            read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
            ! downlake: 1 of 1 source units failed; first: storing definition engine/_downlake/schema-0002.toml: The operation lacked the necessary privileges to complete for path <dir>/lake/engine/_downlake/schema-0002.toml: cannot create <dir>/lake/engine/_downlake/schema-0002.toml: Permission denied (os error 13); give this user the right to it, or choose another lake
            exit 2
        "#]],
    );
    set_writable(&program.lake(), true);
    assert!(
        said.err.contains("give this user the right to it"),
        "{said:?}"
    );
}

fn set_writable(path: &Path, writable: bool) {
    let is_folder = path.is_dir();
    let mode = match (is_folder, writable) {
        (true, true) => 0o700,
        (true, false) => 0o500,
        (false, true) => 0o600,
        (false, false) => 0o400,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if is_folder {
        for entry in fs::read_dir(path).unwrap() {
            set_writable(&entry.unwrap().path(), writable);
        }
    }
}
