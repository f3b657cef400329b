//! What the binary leaves behind when the request, the input or the machine
//! is not what it should be.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::audit::{Audit, Last};
use super::program::{Program, Said};
use super::skip::skip;
use super::telemetry::DEFINITION;

/// Rows `time,seq,value` from a sequence number on.
fn rows(first: u64, count: u64) -> String {
    let mut text = String::from("time,seq,value\n");
    for seq in first..first + count {
        let second = seq % 60;
        // Values that do not compress to nothing.
        let value = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        writeln!(text, "2021-03-01T00:00:{second:02}Z,{seq},{value}.5").unwrap();
    }
    text
}

fn count(program: &Program, table: &str) -> Value {
    let statement = format!("SELECT count(*) AS n, count(DISTINCT seq) AS d FROM {table}");
    let said = program.good(&["sql", "-f", "json", &statement]);
    said.json()
}

#[test]
fn a_mistyped_address_stays_empty() {
    let program = Program::new();
    program.write("docs/README.md", "# No telemetry\n");
    program.write("bad/noise.parquet", "PAR1 and no more");
    for args in [
        &["ingest", "none.csv"][..],
        &["ingest", "docs"],
        &["ingest", "bad/noise.parquet"],
        &["quarantine", "redrive"],
        &["sql", "INSERT INTO nope SELECT 1 AS a"],
        &["sql", "CREATE TABLE x AS SELECT * FROM nope"],
        &["sql", "CREATE TABLE x AS SELECT CAST('a' AS INT) AS a"],
    ] {
        let said = program.run(&[&["--lake", "gone"], args].concat());
        assert!(matches!(said.code, 2 | 6), "{args:?}: {said:?}");
        assert!(
            !program.folder().join("gone").exists(),
            "{args:?}: {said:?}"
        );
    }
}

#[test]
fn a_failed_statement_leaves_no_table() {
    let program = Program::new();
    program.write(
        "t.csv",
        "time,seq,text\n2021-03-01T00:00:01Z,1,2\n2021-03-01T00:00:02Z,2,x\n",
    );
    program.good(&["ingest", "t.csv"]);
    let create = "CREATE TABLE x AS SELECT seq, CAST(text AS INT) AS n FROM t";
    assert_ne!(program.run(&["sql", create]).code, 0);
    assert!(!program.lake().join("x/_delta_log").exists());
    assert!(!program.lake().join("x/_downlake").exists());
    program.good(&["sql", "CREATE TABLE x AS SELECT seq, text FROM t"]);
    assert_eq!(count(&program, "x"), json!({"n": 2, "d": 2}));
    Audit::clean(&program.lake(), Last::Finished, "after the second try");
}

#[test]
fn a_failed_first_unit_leaves_no_definition() {
    let program = Program::new();
    program.write("t.csv", "ts,seq\n2021-03-01T00:00:01Z,1\nbroken\n");
    let args = ["ingest", "t.csv", "--max-quarantine", "0"];
    assert_eq!(program.run(&args).code, 6);
    assert_eq!(files_below(&program.lake()), [""; 0]);
    program.good(&["ingest", "t.csv", "--time", "ts"]);
    let said = program.good(&["sql", "-f", "csv", "SELECT time, seq FROM t"]);
    assert_eq!(said.out, "time,seq\n2021-03-01T00:00:01.000000Z,1\n");
    Audit::clean(&program.lake(), Last::Finished, "after the second try");
}

#[test]
fn a_unit_without_rows_still_makes_its_table() {
    let program = Program::new();
    program.write("flight.toml", DEFINITION);
    program.write("t.csv", "ts,seq,value,note\n");
    let report = program
        .good(&["ingest", "t.csv", "--schema", "flight.toml", "--json"])
        .json();
    assert_eq!(report["units"][0]["state"], "landed", "{report}");
    let again = program
        .good(&["ingest", "t.csv", "--schema", "flight.toml", "--json"])
        .json();
    assert_eq!(again["units"][0]["state"], "already", "{again}");
}

#[test]
fn texts_beside_data_are_no_rows() {
    let program = Program::new();
    program.write("raw/a.csv", rows(0, 3));
    program.write("raw/b.txt", rows(3, 3));
    for text in ["LICENSE", "README.md", "Makefile", "readme.txt", "x.toml"] {
        program.write(&format!("raw/{text}"), "a,b,c\nprose, with, commas\n");
    }
    let parquet = program.good(&[
        "sql",
        "-f",
        "parquet",
        "-o",
        "raw/unnamed",
        "SELECT * FROM 'raw/a.csv'",
    ]);
    assert_eq!(parquet.code, 0);
    let said = program.good(&["ingest", "raw", "--table", "t", "--json"]);
    let sources: Vec<_> = said.json()["units"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| u["source"].clone())
        .collect();
    assert_eq!(
        sources,
        [json!("raw/a.csv"), json!("raw/b.txt"), json!("raw/unnamed")]
    );
    assert!(
        said.err.contains("5 files were passed over")
            && said
                .err
                .contains("raw/LICENSE, raw/Makefile, raw/README.md and 2 more"),
        "{said:?}"
    );
    // Named, or with the format named, they are what the user says they are.
    let named = program
        .good(&["ingest", "raw/LICENSE", "--table", "named", "--json"])
        .json();
    assert_eq!(named["rows_committed"], 1, "{named}");
    let forced = program
        .good(&[
            "ingest", "raw/*ile", "--format", "csv", "--table", "forced", "--json",
        ])
        .json();
    assert_eq!(forced["rows_committed"], 1, "{forced}");
}

#[test]
fn what_is_refused_again_stands_where_it_stood() {
    let program = Program::new();
    let wide = DEFINITION.replace("valid = [0, 1000]", "valid = [0, 2000]");
    program.write("flight.toml", DEFINITION);
    program.write("wide.toml", wide);
    let csv = "ts,seq,value,note\n\
         2021-03-01T00:00:01Z,1,1.5,\"two\nlines\"\n\
         2021-03-01T00:00:02Z,2,1500,\"also\ntwo\"\n\
         2021-03-01T00:00:03Z,3,5000,\"the\nthird\"\n";
    program.write("raw/a.csv", csv);
    let json = "{\"ts\":\"2021-03-01T00:00:04Z\",\"seq\":4,\"value\":1700}\n\
         {\"ts\":\"2021-03-01T00:00:05Z\",\"seq\":5,\"value\":7000}\n";
    program.write("raw/b.jsonl", json);
    program.good(&["ingest", "raw", "--schema", "flight.toml"]);
    let places = "SELECT source, line, byte_offset FROM _quarantine WHERE redriven_as IS NULL ORDER BY source, line";
    program.good(&["quarantine", "redrive", "--schema", "wide.toml"]);
    let said = program.good(&["sql", "-f", "csv", places]);
    let (a, b) = (
        csv.find("2021-03-01T00:00:03Z").unwrap(),
        json.find("\n").unwrap() + 1,
    );
    assert_eq!(
        said.out,
        format!("source,line,byte_offset\nraw/a.csv,6,{a}\nraw/b.jsonl,2,{b}\n")
    );
    Audit::clean(&program.lake(), Last::Finished, "after the redrive");
}

/// The framing of the records is not the definition: what is read back from
/// `_quarantine` carries the hash of the definition that is stored.
#[test]
fn a_redrive_ends_when_the_definition_is_the_same() {
    let program = Program::new();
    program.write("flight.toml", DEFINITION);
    program.write(
        "wide.toml",
        DEFINITION.replace("valid = [0, 1000]", "valid = [0, 2000]"),
    );
    program.write(
        "raw/a.csv",
        "ts,seq,value,note\n2021-03-01T00:00:01Z,1,1500,x\n2021-03-01T00:00:02Z,2,5000,y\n",
    );
    program.write(
        "raw/b.jsonl",
        "{\"ts\":\"2021-03-01T00:00:05Z\",\"seq\":5,\"value\":7000}\n",
    );
    program.good(&["ingest", "raw", "--schema", "flight.toml"]);
    let redrive = ["quarantine", "redrive", "--schema", "wide.toml"];
    let first = program.good(&redrive);
    assert!(
        first.out.contains("1 committed, 1 refused again"),
        "{first:?}"
    );
    let count =
        "SELECT (SELECT count(*) FROM _quarantine) AS q, (SELECT count(*) FROM _ledger) AS l";
    let after = program.good(&["sql", "-f", "csv", count]).out;
    for _ in 0..2 {
        let again = program.good(&redrive);
        assert!(
            again
                .err
                .contains("the definition that refused is still in force"),
            "{again:?}"
        );
        assert!(
            again
                .out
                .contains("no refused record can be tried again now")
        );
        assert_eq!(program.good(&["sql", "-f", "csv", count]).out, after);
    }
    Audit::clean(&program.lake(), Last::Finished, "after three redrives");
}

#[test]
fn too_little_memory_is_refused() {
    let program = Program::new();
    let said = program.run(&["--memory", "8MiB", "sql", "SELECT 1"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("the least is 32 MiB"), "{said:?}");
    program.good(&["--memory", "32MiB", "sql", "SELECT 1"]);
}

#[test]
fn the_next_probe_cleans_up_after_a_killed_one() {
    let program = Program::new();
    program.write("t.csv", rows(0, 1));
    program.write("lake/_downlake/probe/killed/race-0", "writer 0");
    program.write("lake/_downlake/probe/running/race-0", "writer 0");
    let probes = program.lake().join("_downlake/probe");
    let killed = fs::File::options()
        .write(true)
        .open(probes.join("killed/race-0"));
    let long_ago = SystemTime::UNIX_EPOCH;
    killed.unwrap().set_modified(long_ago).unwrap();
    program.good(&["ingest", "t.csv"]);
    assert!(!probes.join("killed/race-0").exists());
    assert!(
        probes.join("running/race-0").exists(),
        "a probe that may run"
    );
    let doctor = program.good(&["doctor"]);
    assert!(
        doctor.out.contains("1 objects in _downlake/probe"),
        "{doctor:?}"
    );
}

#[test]
fn rows_that_landed_are_told_though_the_ledger_fails() {
    let program = Program::new();
    program.write("t.csv", rows(0, 3));
    program.write("lake/_ledger", "in the way of the ledger's folder");
    let metrics = program.folder().join("metrics.json");
    let said = program.run(&["ingest", "t.csv", "--json", "--metrics", "metrics.json"]);
    assert_ne!(said.code, 0, "{said:?}");
    assert_eq!(said.json()["units"][0]["state"], "landed", "{said:?}");
    assert!(
        said.err.contains("the ledger is behind the tables"),
        "{said:?}"
    );
    assert!(metrics.exists());
    fs::remove_file(program.lake().join("_ledger")).unwrap();
    let again = program.good(&["ingest", "t.csv", "--json"]).json();
    assert_eq!(again["units"][0]["state"], "already", "{again}");
    Audit::clean(&program.lake(), Last::Finished, "after the next ingest");
}

/// A process that says its phases on stderr.
struct Running {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(program: &Program, args: &[&str]) -> Running {
        Running::reading(program, args, Stdio::null())
    }

    fn reading(program: &Program, args: &[&str], input: Stdio) -> Running {
        let mut command = program.command(args);
        command.env(
            "DOWNLAKE_LOG",
            "warn,downlake_lake=debug,downlake_ingest=debug",
        );
        command.env("NO_COLOR", "1");
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Running { child, said }
    }

    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(
                self.said.read_line(&mut line).unwrap(),
                0,
                "it never said {text}"
            );
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    fn end(mut self) -> Said {
        let (mut err, mut out) = (String::new(), String::new());
        self.said.read_to_string(&mut err).unwrap();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Said { code, out, err }
    }
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    files.sort();
    files
}

fn parquet_files(table: &Path) -> usize {
    let files = files_below(table);
    files
        .iter()
        .filter(|file| file.ends_with(".parquet"))
        .count()
}

#[test]
fn an_interrupted_ingest_leaves_whole_units_and_nothing_else() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let program = Program::new();
        fs::create_dir(program.folder().join("temp")).unwrap();
        for unit in 0..12 {
            program.write(&format!("raw/{unit:02}.csv"), rows(unit * 20_000, 20_000));
        }
        let args = [
            "ingest",
            "raw",
            "--table",
            "t",
            "--temp-dir",
            "temp",
            "--json",
        ];
        let mut running = Running::start(&program, &args);
        running.wait_for("phase=\"ledger\"");
        running.signal(signal);
        let said = running.end();
        assert_eq!(said.code, code, "{said:?}");
        assert_eq!(
            files_below(&program.folder().join("temp")),
            [""; 0],
            "{said:?}"
        );
        let landed = said.json()["units"].as_array().unwrap().len();
        let words = format!("interrupted: {landed} of 12 source units are in the lake");
        assert_eq!(said.err.matches("interrupted").count(), 1, "{said:?}");
        assert!(said.err.contains(&words), "{words}: {said:?}");
        assert!((1..12).contains(&landed), "{said:?}");
        assert_eq!(count(&program, "t")["n"], landed * 20_000, "{said:?}");
        let shown = program.good(&["table", "list", "--json"]).json();
        assert_eq!(
            shown[0]["files"],
            parquet_files(&program.lake().join("t")),
            "orphans"
        );
        program.good(&args);
        assert_eq!(count(&program, "t"), json!({"n": 240_000, "d": 240_000}));
        Audit::clean(&program.lake(), Last::Finished, signal);
    }
}

#[test]
fn an_interrupted_copy_leaves_no_file() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let program = Program::new();
        let partial = program.folder().join("out/.x.csv.partial");
        fs::create_dir(program.folder().join("out")).unwrap();
        let statement = "COPY (SELECT value FROM generate_series(1, 1000000000000)) TO 'out/x.csv'";
        let running = Running::start(&program, &["sql", statement]);
        while fs::metadata(&partial).map_or(0, |file| file.len()) == 0 {
            std::thread::yield_now();
        }
        running.signal(signal);
        let said = running.end();
        assert_eq!(said.code, code, "{said:?}");
        assert_eq!(
            files_below(&program.folder().join("out")),
            [""; 0],
            "{said:?}"
        );
        assert!(
            said.err.contains("interrupted: the statement left nothing"),
            "{said:?}"
        );
    }
}

/// Standard input that nobody goes on to write cannot be asked to stop.
#[test]
fn a_second_signal_ends_at_once() {
    let program = Program::new();
    let args = ["ingest", "-", "--table", "t"];
    let mut running = Running::reading(&program, &args, Stdio::piped());
    let mut writer = running.child.stdin.take().unwrap();
    // More than a pipe holds: all of it is written once the process reads.
    writer.write_all(&vec![b'\n'; 1 << 20]).unwrap();
    running.signal("TERM");
    running.signal("INT");
    let said = running.end();
    assert!([130, 143].contains(&said.code), "{said:?}");
    assert_eq!(said.err.matches("interrupted").count(), 1, "{said:?}");
}

#[test]
fn two_first_ingests_at_once_land_everything_once() {
    let program = Program::new();
    for unit in 0..6 {
        program.write(&format!("both/{unit}.csv"), rows(unit * 1_000, 1_000));
    }
    let args = ["ingest", "both", "--table", "t", "--json"];
    let (one, two) = (
        Running::start(&program, &args),
        Running::start(&program, &args),
    );
    let reports = [one.end(), two.end()];
    let sum: u64 = reports
        .iter()
        .map(|said| {
            assert_eq!(said.code, 0, "{said:?}");
            said.json()["rows_committed"].as_u64().unwrap()
        })
        .sum();
    assert_eq!(sum, 6_000, "{reports:?}");
    assert_eq!(count(&program, "t"), json!({"n": 6_000, "d": 6_000}));
    Audit::clean(&program.lake(), Last::Finished, "both");
}

#[test]
fn two_first_ingests_of_other_columns_agree_on_one_table() {
    let program = Program::new();
    let other = rows(1_000, 1_000)
        .replace("value", "flow")
        .replace(".5\n", ".25\n");
    program.write("a.csv", rows(0, 1_000));
    program.write("b.csv", other);
    let ingest = |source| Running::start(&program, &["ingest", source, "--table", "t"]);
    for said in [ingest("a.csv"), ingest("b.csv")].map(Running::end) {
        assert_eq!(said.code, 0, "{said:?}");
    }
    let statement = "SELECT count(*) AS n, count(value) AS v, count(flow) AS f FROM t";
    let said = program.good(&["sql", "-f", "json", statement]);
    assert_eq!(said.json(), json!({"n": 2_000, "v": 1_000, "f": 1_000}));
    Audit::clean(&program.lake(), Last::Finished, "both");
}

/// A file system of one MiB that is taken away at the end.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn mount(at: &Path) -> Option<SmallDisk<'_>> {
        fs::create_dir_all(at).unwrap();
        SmallDisk::call("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs"], at)
            .then(|| SmallDisk(at))
    }

    fn enlarge(&self) {
        assert!(SmallDisk::call(
            "mount",
            &["-o", "remount,size=256m"],
            self.0
        ));
    }

    fn call(program: &str, args: &[&str], at: &Path) -> bool {
        let called = Command::new(program)
            .args(args)
            .arg(at)
            .stderr(Stdio::null())
            .status();
        called.is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        SmallDisk::call("umount", &[], self.0);
    }
}

/// Takes what room is left on the disk of a file.
fn fill(path: &Path) {
    use std::io::Write;
    let mut ballast = fs::File::create(path).unwrap();
    for bytes in [1 << 20, 4 << 10, 1] {
        let block = vec![1; bytes];
        while ballast.write_all(&block).is_ok() {}
    }
}

#[test]
fn a_full_disk_is_a_limit_and_loses_nothing() {
    let program = Program::new();
    let lake = program.lake();
    let Some(disk) = SmallDisk::mount(&lake) else {
        return skip(
            "a_full_disk_is_a_limit_and_loses_nothing",
            "this user may not mount a small disk",
        );
    };
    program.write("raw/a.csv", rows(0, 20));
    program.write("raw/b.csv", rows(20, 1_000_000));
    let said = program.run(&["ingest", "raw", "--table", "t", "--json"]);
    assert_eq!(said.code, 5, "{said:?}");
    let report = said.json();
    assert_eq!(report["units"][0]["state"], "landed", "{report}");
    assert_eq!(report["units"][1]["state"], "failed", "{report}");
    assert_eq!(count(&program, "t"), json!({"n": 20, "d": 20}));
    fill(&lake.join("ballast"));
    let doctor = program.run(&["doctor"]);
    assert_eq!(doctor.code, 6, "{doctor:?}");
    assert!(doctor.out.contains("BAD  write"), "{doctor:?}");
    fs::remove_file(lake.join("ballast")).unwrap();
    disk.enlarge();
    program.good(&["ingest", "raw", "--table", "t"]);
    assert_eq!(
        count(&program, "t"),
        json!({"n": 1_000_020, "d": 1_000_020})
    );
    Audit::clean(&lake, Last::Finished, "after more room");
}
