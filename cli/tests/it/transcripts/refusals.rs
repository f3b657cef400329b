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
    let said = check(&program, &["quarantine", "list"], 0, &expect![[""]]);
    assert!(said.out.contains("type") && said.out.contains("out-of-range"));
    let listed = program.good(&["quarantine", "list", "--json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    check(
        &program,
        &["quarantine", "show", "--reason", "type", "--json"],
        0,
        &expect![[""]],
    );
    let said = check(
        &program,
        &["quarantine", "redrive", "--schema", "mended.toml"],
        0,
        &expect![[""]],
    );
    assert!(
        said.out
            .contains("2 tried again, 2 committed, 0 refused again")
    );
    check(&program, &["quarantine", "redrive"], 0, &expect![[""]]);
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
    check(&program, &["quarantine", "list"], 0, &expect![[""]]);
    check(&program, &["quarantine", "redrive"], 0, &expect![[""]]);
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
    check(&program, &["table", "list"], 2, &expect![[""]]);
    check(&program, &["--json", "table", "list"], 2, &expect![[""]]);
}

#[test]
fn a_lake_of_a_newer_format() {
    let program = landed();
    let mark = program.lake().join("_downlake/lake.json");
    let newer = fs::read_to_string(&mark)
        .unwrap()
        .replace("\"format\":1", "\"format\":2");
    fs::write(&mark, newer).unwrap();
    let said = check(&program, &["table", "list"], 2, &expect![[""]]);
    assert!(said.err.contains("format 2"));
    let said = check(
        &program,
        &["ingest", "raw", "--table", "engine"],
        2,
        &expect![[""]],
    );
    assert!(said.err.contains("format 2"));
    let said = check(&program, &["doctor"], 6, &expect![[""]]);
    assert!(said.out.contains("format 2"));
    fs::write(&mark, "{").unwrap();
    let said = check(&program, &["table", "list"], 6, &expect![[""]]);
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
    check(&program, &["table", "show", "engine"], 2, &expect![[""]]);
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
    program.good(&["doctor"]);
    let args = ["ingest", "lines", "--table", "engine", "--format", "json"];
    let said = check(&program, &args, 2, &expect![[""]]);
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
