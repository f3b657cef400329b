//! Transcripts of `ingest`.

use std::io::Write;
use std::process::Stdio;

use expect_test::expect;
use serde_json::json;

use super::{check, landed, samples, transcript};
use crate::program::{Program, Said};

#[test]
fn csv_and_again() {
    let program = samples();
    let args = ["ingest", "raw", "--table", "engine"];
    let said = check(
        &program,
        &args,
        0,
        &expect![[r#"
            $ downlake ingest raw --table engine
            engine  version 2  4 rows  3 files  <n> B
            units  2 landed
            rows  5 in = 4 committed + 1 quarantined + 0 duplicate + 0 skipped
            read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
            refused records: downlake quarantine list
        "#]],
    );
    assert!(
        said.out
            .contains("5 in = 4 committed + 1 quarantined + 0 duplicate + 0 skipped")
    );
    let said = check(
        &program,
        &args,
        0,
        &expect![[r#"
            $ downlake ingest raw --table engine
            engine  version 2  0 rows  0 files  <n> B
            units  2 already
            rows  0 in = 0 committed + 0 quarantined + 0 duplicate + 0 skipped
            read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
        "#]],
    );
    assert!(said.out.contains("2 already") && said.out.contains("0 in = 0 committed"));
}

#[test]
fn json_lines_into_the_same_table_add_a_column() {
    let program = landed();
    let args = [
        "ingest",
        "lines/c.jsonl",
        "--table",
        "engine",
        "--format",
        "json",
    ];
    let said = check(
        &program,
        &args,
        0,
        &expect![[r#"
            $ downlake ingest lines/c.jsonl --table engine --format json
            engine  version 3  2 rows  1 files  <n> B
            units  1 landed
            rows  2 in = 2 committed + 0 quarantined + 0 duplicate + 0 skipped
            read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
        "#]],
    );
    assert!(said.out.contains("2 in = 2 committed"), "{said:?}");
    let said = program.good(&[
        "sql",
        "-f",
        "csv",
        "SELECT count(*) AS n, count(valve_open) AS v FROM engine",
    ]);
    assert_eq!(said.out, "n,v\n6,1\n");
}

/// Extensions decide where nothing else does, also for a table that CSV made.
#[test]
fn folders_may_mix_formats() {
    for names in [["a.csv", "b.jsonl"], ["b.csv", "a.jsonl"]] {
        let program = Program::new();
        program.write(
            &format!("mixed/{}", names[0]),
            "time,seq\n2021-03-01T00:00:01Z,1\n",
        );
        program.write(
            &format!("mixed/{}", names[1]),
            "{\"time\":\"2021-03-01T00:00:02Z\",\"seq\":2}\n",
        );
        let report = program.good(&["ingest", "mixed", "--json"]).json();
        assert_eq!(
            (&report["rows_in"], &report["rows_committed"]),
            (&json!(2), &json!(2)),
            "{names:?}: {report}"
        );
        let said = program.good(&[
            "sql",
            "-f",
            "csv",
            "SELECT time, seq FROM mixed ORDER BY seq",
        ]);
        assert_eq!(
            said.out, "time,seq\n2021-03-01T00:00:01.000000Z,1\n2021-03-01T00:00:02.000000Z,2\n",
            "{names:?}"
        );
    }
}

#[test]
fn the_report_has_the_keys_of_the_contract() {
    let program = samples();
    let said = check(
        &program,
        &["ingest", "raw", "--table", "engine", "--json"],
        0,
        &expect![[r#"
            $ downlake ingest raw --table engine --json
            {"units":[{"source":"raw/a.csv","ingest_id":<n>,"state":"landed"},{"source":"raw/b.csv","ingest_id":<n>,"state":"landed"}],"tables":[{"table":"engine","version":2,"rows_committed":4,"files":3,"bytes_out":<n>}],"rows_in":5,"rows_committed":4,"rows_quarantined":1,"rows_duplicate":0,"rows_skipped":0,"bytes_in":173,"bytes_undecoded":0,"elapsed_ms":<n>,"peak_rss_bytes":<n>}
        "#]],
    );
    let report = said.json();
    let keys = |value: &serde_json::Value| {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(
        keys(&report),
        "bytes_in bytes_undecoded elapsed_ms peak_rss_bytes rows_committed rows_duplicate rows_in \
         rows_quarantined rows_skipped tables units"
    );
    assert_eq!(keys(&report["units"][0]), "ingest_id source state");
    assert_eq!(
        keys(&report["tables"][0]),
        "bytes_out files rows_committed table version"
    );
    let size = |name: &str| {
        std::fs::metadata(program.folder().join(name))
            .unwrap()
            .len()
    };
    assert_eq!(report["bytes_in"], size("raw/a.csv") + size("raw/b.csv"));
    assert_eq!(report["tables"][0]["files"], 3);
}

#[test]
fn constants_by_hand_and_from_the_path() {
    let program = Program::new();
    for vehicle in ["A", "B"] {
        program.write(
            &format!("fleet/{vehicle}/day1/t.csv"),
            "time,seq\n2021-03-01T00:00:01Z,1\n",
        );
    }
    let from_path = [
        "ingest",
        "fleet",
        "--table",
        "fleet",
        "--from-path",
        "{vehicle}/{day}/*.csv",
        "--set",
        "site=X",
    ];
    check(
        &program,
        &from_path,
        0,
        &expect![[r#"
            $ downlake ingest fleet --table fleet --from-path {vehicle}/{day}/*.csv --set site=X
            fleet  version 2  2 rows  2 files  <n> B
            units  2 landed
            rows  2 in = 2 committed + 0 quarantined + 0 duplicate + 0 skipped
            read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
        "#]],
    );
    let said = program.good(&[
        "sql",
        "-f",
        "csv",
        "SELECT vehicle, day, site, seq FROM fleet ORDER BY vehicle",
    ]);
    assert_eq!(said.out, "vehicle,day,site,seq\nA,day1,X,1\nB,day1,X,1\n");
    let twice = program.run(&["ingest", "fleet", "--set", "a=1", "--set", "a=2"]);
    assert_eq!(twice.code, 2, "{twice:?}");
    assert!(twice.err.contains("\"a\" twice"), "{twice:?}");
}

#[test]
fn standard_input() {
    let program = Program::new();
    let args = ["ingest", "-", "--table", "piped", "--format", "csv"];
    let run = |text: &str| {
        let mut command = program.command(&args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        Said::of(&child.wait_with_output().unwrap())
    };
    let said = run("time,seq\n2021-03-01T00:00:01Z,1\n");
    assert_eq!(said.code, 0, "{said:?}");
    expect![[r#"
        $ downlake ingest - --table piped --format csv
        piped  version 1  1 rows  1 files  <n> B
        units  1 landed
        rows  1 in = 1 committed + 0 quarantined + 0 duplicate + 0 skipped
        read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
    "#]]
    .assert_eq(&transcript(&program, &args, &said));
    let again = run("time,seq\n2021-03-01T00:00:01Z,1\n");
    assert!(again.out.contains("1 already"), "{again:?}");
    let nothing = run("");
    assert_eq!(nothing.code, 0, "{nothing:?}");
}

#[test]
fn what_cannot_be_ingested() {
    let program = landed();
    program.write("bad/noise.parquet", "PAR1 this is no parquet file PAR1");
    program.write("bad/empty.csv", "");
    program.write("bad/header.csv", "time,seq\n");
    program.write("bad/what.bin", [0_u8, 159, 146, 150, 0, 1, 2, 3]);
    std::fs::create_dir(program.folder().join("nothing")).unwrap();
    let said = check(
        &program,
        &["ingest", "bad/noise.parquet"],
        6,
        &expect![[r#"
            $ downlake ingest bad/noise.parquet
            ! downlake: bad/noise.parquet is not a readable Parquet file: its metadata is longer than the file
            exit 6
        "#]],
    );
    assert!(said.err.contains("noise.parquet"));
    let said = check(
        &program,
        &["ingest", "bad/empty.csv"],
        0,
        &expect![[r#"
            $ downlake ingest bad/empty.csv
            units  1 landed
            rows  0 in = 0 committed + 0 quarantined + 0 duplicate + 0 skipped
            read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
            ! note: bad/empty.csv holds no records: there is nothing to land
        "#]],
    );
    assert!(said.err.contains("empty.csv"));
    let said = check(
        &program,
        &["ingest", "bad/header.csv"],
        0,
        &expect![[r#"
            $ downlake ingest bad/header.csv
            header  version 1  0 rows  0 files  <n> B
            units  1 landed
            rows  0 in = 0 committed + 0 quarantined + 0 duplicate + 0 skipped
            read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
        "#]],
    );
    assert!(said.out.contains("0 in ="));
    let said = check(
        &program,
        &["ingest", "bad/what.bin"],
        2,
        &expect![[r#"
        $ downlake ingest bad/what.bin
        ! downlake: neither name nor content of "bad/what.bin" tells its format; name it with --format
        exit 2
    "#]],
    );
    assert!(said.err.contains("what.bin"));
    let said = check(
        &program,
        &["ingest", "nothing"],
        2,
        &expect![[r#"
        $ downlake ingest nothing
        ! downlake: no files in "nothing"
        exit 2
    "#]],
    );
    assert!(said.err.contains("nothing"));
    let said = check(
        &program,
        &["ingest", "raw/none.csv"],
        2,
        &expect![[r#"
        $ downlake ingest raw/none.csv
        ! downlake: there is no file or folder "raw/none.csv"
        exit 2
    "#]],
    );
    assert!(said.err.contains("none.csv"));
    let said = check(
        &program,
        &["ingest", "raw", "--format", "cvs"],
        2,
        &expect![[r#"
            $ downlake ingest raw --format cvs
            ! downlake: no input format is called "cvs"; there are parquet, arrow, cadu, ccsds, json, csv
            exit 2
        "#]],
    );
    assert!(said.err.contains("cvs") && said.err.contains("csv"));
    let said = check(
        &program,
        &["ingest", "raw", "--table", "_ledger"],
        2,
        &expect![[r#"
            $ downlake ingest raw --table _ledger
            ! downlake: table "_ledger" begins with "_", which is kept for system tables
            exit 2
        "#]],
    );
    assert!(said.err.contains("_ledger"));
    let said = check(
        &program,
        &["ingest", "raw", "--schema", "cmaps"],
        2,
        &expect![[r#"
            $ downlake ingest raw --schema cmaps
            ! downlake: no embedded stream "cmaps", did you mean "cmapss": there are birds_eps, cmapss, packets
            exit 2
        "#]],
    );
    assert!(said.err.contains("cmapss"));
    let said = check(
        &program,
        &["ingest", "raw", "--shard", "3/2"],
        2,
        &expect![[r#"
            $ downlake ingest raw --shard 3/2
            ! error: invalid value '3/2' for '--shard <I/N>': "3/2" is not a shard such as 1/4 (from 1/4 to 4/4)
            !
            ! For more information, try '--help'.
            exit 2
        "#]],
    );
    assert!(said.err.contains("3/2"));
    let listed = program.good(&["table", "list", "--json"]).json();
    let engine = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["table"] == "engine")
        .unwrap();
    assert_eq!(engine["rows"], 4, "{listed}");
}

/// One unit fails, the others land, and the exit code is that of the failure.
#[test]
fn a_unit_that_fails_does_not_hold_the_others_back() {
    let program = samples();
    program.write(
        "raw/0_noise.csv",
        "time,seq,pressure,note\nbroken\nbroken too\n",
    );
    let args = [
        "ingest",
        "raw",
        "--table",
        "engine",
        "--max-quarantine",
        "1",
    ];
    let said = check(
        &program,
        &args,
        6,
        &expect![[r#"
            $ downlake ingest raw --table engine --max-quarantine 1
            engine  version 2  4 rows  3 files  <n> B
            units  1 failed, 2 landed
            rows  5 in = 4 committed + 1 quarantined + 0 duplicate + 0 skipped
            read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
            refused records: downlake quarantine list
            ! downlake: 1 of 3 source units failed; first: 2 of 2 records of raw/0_noise.csv are refused, more than --max-quarantine 1 rows allows; first: line 2: field-count (1 fields where 4 are expected); line 3: field-count (1 fields where 4 are expected)
            exit 6
        "#]],
    );
    assert!(
        said.out.contains("2 landed") && said.out.contains("1 failed"),
        "{said:?}"
    );
    assert!(said.out.contains("4 committed"), "{said:?}");
    assert!(
        said.err.contains("0_noise.csv") && said.err.contains("--max-quarantine"),
        "{said:?}"
    );
}

/// Two dumps of one recorder that overlap: what both have stands once.
#[test]
fn rows_that_are_there_already_are_dropped_and_counted() {
    let program = Program::new();
    program.write(
        "dump1.csv",
        "time,host,value\n\
         2026-01-01T00:00:00Z,a,1\n\
         2026-01-01T00:00:01Z,a,2\n\
         2026-01-01T00:00:01Z,a,2\n",
    );
    program.write(
        "dump2.csv",
        "time,host,value\n\
         2026-01-01T00:00:01Z,a,2\n\
         2026-01-01T00:00:00Z,a,9\n\
         2026-01-01T00:00:02Z,a,3\n",
    );
    let ingest = |dump, key| ["ingest", dump, "--table", "beacon", "--dedup-by", key];
    let first = ingest("dump1.csv", "time,host");
    check(
        &program,
        &first,
        0,
        &expect![[r#"
        $ downlake ingest dump1.csv --table beacon --dedup-by time,host
        beacon  version 1  2 rows  1 files  <n> B
        units  1 landed
        rows  3 in = 2 committed + 0 quarantined + 1 duplicate + 0 skipped
        read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
    "#]],
    );
    let second = ingest("dump2.csv", "time,host");
    check(
        &program,
        &second,
        0,
        &expect![[r#"
        $ downlake ingest dump2.csv --table beacon --dedup-by time,host
        beacon  version 2  2 rows  1 files  <n> B
        units  1 landed
        rows  3 in = 2 committed + 0 quarantined + 1 duplicate + 0 skipped
        read  <n> B in <n> s  <n> B/s  <n> rows/s  peak memory <n> B
        ! note: dump2.csv: rows with the key of another row and other values: 1; both are kept, _key_conflict is true in the later one
    "#]],
    );
    let query = "SELECT time, value, _key_conflict FROM beacon ORDER BY time, value";
    check(
        &program,
        &["sql", "-f", "csv", query],
        0,
        &expect![[r#"
        $ downlake sql -f csv SELECT time, value, _key_conflict FROM beacon ORDER BY time, value
        time,value,_key_conflict
        <now>,1,false
        <now>,9,true
        <now>,2,false
        <now>,3,false
    "#]],
    );
    let insert = "INSERT INTO beacon (time, host, value) SELECT time, host, value FROM beacon";
    check(
        &program,
        &["sql", insert],
        0,
        &expect![[r#"
        $ downlake sql INSERT INTO beacon (time, host, value) SELECT time, host, value FROM beacon
        ! 0 rows written, version 3
    "#]],
    );
    let counts = "SELECT source LIKE 'sql:%' AS by_sql, rows_in, rows_committed, rows_duplicate \
                  FROM _ledger WHERE table_name = 'beacon' ORDER BY landed_at";
    check(
        &program,
        &["sql", "-f", "csv", counts],
        0,
        &expect![[r#"
        $ downlake sql -f csv SELECT source LIKE 'sql:%' AS by_sql, rows_in, rows_committed, rows_duplicate FROM _ledger WHERE table_name = 'beacon' ORDER BY landed_at
        by_sql,rows_in,rows_committed,rows_duplicate
        false,3,2,1
        false,3,2,1
        true,4,0,4
    "#]],
    );
    let other_key = ingest("dump1.csv", "time");
    check(
        &program,
        &other_key,
        2,
        &expect![[r#"
        $ downlake ingest dump1.csv --table beacon --dedup-by time
        ! downlake: table "beacon" was made with another --dedup-by, which stays as it is; name another table with --table, or leave the option out
        exit 2
    "#]],
    );
}
