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
    let said = check(
        &program,
        &["demo"],
        0,
        &expect![[r#"
            $ downlake demo
            simulated 44 raw files, 812,862 records, <n> B, in ./demo/raw

            $ downlake ingest ./demo/raw/launcher --schema ./demo/raw/launcher.toml --from-path '{flight}/*.ccsds'
              tables  engine, engine_vibration, guidance, launcher_attitude, launcher_gps, launcher_power, launcher_tanks, upper_engine
              units  3 landed
              rows  558,208 in = 557,763 committed + 8 quarantined + 437 duplicate + 0 skipped

            $ downlake ingest ./demo/raw/satellites --schema ./demo/raw/satellites.toml --from-path '{satellite}/*.ccsds'
              tables  sat_attitude, sat_computer, sat_gps, sat_power, sat_propulsion, sat_thermal
              units  19 landed
              rows  195,922 in = 194,329 committed + 4 quarantined + 1,589 duplicate + 0 skipped

            $ downlake ingest ./demo/raw/stand --schema ./demo/raw/stand.toml --from-path '{firing}.csv'
              tables  stand
              units  2 landed
              rows  47,695 in = 47,652 committed + 3 quarantined + 40 duplicate + 0 skipped

            $ downlake ingest ./demo/raw/stations/tracking --table tracking --time time
              tables  tracking
              units  4 landed
              rows  8,515 in = 8,513 committed + 2 quarantined + 0 duplicate + 0 skipped

            $ downlake ingest ./demo/raw/stations/receipts --table receipts --time received_from
              tables  receipts
              units  4 landed
              rows  276 in = 276 committed + 0 quarantined + 0 duplicate + 0 skipped

            $ downlake ingest ./demo/raw/stations/health --table health --time generated_at --received-at received_at
              tables  health
              units  4 landed
              rows  1,959 in = 1,959 committed + 0 quarantined + 0 duplicate + 0 skipped

            $ downlake ingest ./demo/raw/flights.csv --table flights --time none
              tables  flights
              units  1 landed
              rows  3 in = 3 committed + 0 quarantined + 0 duplicate + 0 skipped

            $ downlake ingest ./demo/raw/labels.csv --table labels --time none
              tables  labels
              units  1 landed
              rows  10 in = 10 committed + 0 quarantined + 0 duplicate + 0 skipped


            How did flight 3 differ from the golden flight?

              SELECT f.phase, count(*) AS samples,
              round(max(abs(f.air_speed - g.air_speed)), 1)  AS most_d_speed_m_s,
              round(max(abs(f.altitude - g.altitude)))  AS most_d_altitude_m,
              round(max(f.dynamic_pressure) - max(g.dynamic_pressure))  AS d_max_q_pa
              FROM guidance f JOIN guidance g ON g.met = f.met AND g.flight = 'F01'
              WHERE f.flight = 'F03' AND f.phase = g.phase
              GROUP BY f.phase ORDER BY min(f.met)

             phase  | samples | most_d_speed_m_s | most_d_altitude_m | d_max_q_pa
            ---+---+---+---+---
             COUNTDOWN  |  100 |  0.2 |  4.0 |  0.0
             LIFTOFF  |  115 |  0.8 |  6.0 |  39.0
             GRAVITY_TURN |  1410 |  6.6 |  850.0 |  120.0
             SEPARATION  |  47 |  16.8 |  919.0 |  -17.0
             UPPER_BURN  |  3040 |  47.1 |  1744.0 |  -8.0
             ORBIT  |  186 |  0.4 |  676.0 |  0.0

            Which engine drifted? (the bands of its turbopump's bearing)

              SELECT flight, engine, round(max(overall), 2)  AS most_g,
              round(max(bands[15] + bands[16] + bands[17]), 2)  AS bearing_bands_g,
              round(regr_slope(overall, extract(epoch FROM time)), 4)  AS g_per_s
              FROM engine_vibration GROUP BY flight, engine ORDER BY most_g DESC LIMIT 4

             flight | engine | most_g | bearing_bands_g | g_per_s
            ---+---+---+---+---
             F03  |  4 |  5.14 |  4.86 |  0.0147
             F03  |  3 |  2.01 |  0.78 |  0.0014
             F01  |  9 |  2.0 |  0.76 |  0.0014
             F02  |  7 |  2.0 |  0.76 |  0.0014

            See it: downlake sql --plot

              SELECT time, bearing_temperature, 'engine ' || engine AS engine FROM engine
              WHERE flight = 'F03' AND engine IN (3, 4) AND state = 'RUN'

            bearing_temperature (K)  *** engine 3  +++ engine 4
              │
              │  +++++
             180 ┤  +++++
              │  ++++
              │  +++
              │  +++
              │  ++++
              │  ++++
             160 ┤  ++++
              │  ++++
              │  ++++
              │  ++++++
              │  +++++++
              │  +++++++
             140 ┤  +++++++++++++++++  +++++**********************************
              │  +++++  +++++  +++++**  *******
              │  +++  ++++++++++++++++*  ***
              │  ++*  *+**
              │  ++
              │  ++
             120 ┤  ++
              │  +
              │ ++
              │ +
              │ +
              │
              └───┬───┬───┬───┬───┬───
              12:21:00  12:21:30  12:22:00  12:22:30  12:23:00
              time (UTC), 2024-03-18


            Which valve stuck? (position beside command)

              SELECT flight, engine, min(time) AS since, max(time) AS until,
              round(avg(ox_valve_position - ox_valve_command), 1)  AS off_by_pct,
              round(max(mixture_ratio), 2)  AS mixture
              FROM engine WHERE state = 'RUN' AND abs(ox_valve_position - ox_valve_command) > 5
              GROUP BY flight, engine

             flight | engine | since  | until  | off_by_pct | mixture
            ---+---+---+---+---+---
             F03  |  7 | <now> | <now> |  -4.2 |  2.73

            What was lost on which pass, and was it filled later?

              SELECT l.source, g.kind, g.from_seq, g.to_seq, g.missing, count(p.time) AS there_now
              FROM _gaps g
              JOIN _ledger l ON l.ingest_id = g.ingest_id AND l.table_name = g.table_name
              LEFT JOIN sat_power p ON strpos(l.source, '/' || p.satellite || '/') > 0
              AND p.time BETWEEN g.from_time AND g.to_time
              AND p.seq_count BETWEEN g.from_seq AND g.to_seq
              WHERE g.table_name = 'sat_power' AND g.missing > 0
              GROUP BY ALL ORDER BY l.source

             source  | kind | from_seq | to_seq | missing | there_now
            ---+---+---+---+---+---
             ./demo/raw/satellites/S01/P0003-PUQ.ccsds | lost |  5132 |  5176 |  45 |  0
             ./demo/raw/satellites/S02/P0005-PUQ.ccsds | late |  3441 |  3520 |  80 |  80
             ./demo/raw/satellites/S03/P0002-INV.ccsds | lost |  3134 |  3213 |  80 |  80
             ./demo/raw/satellites/S03/P0003-HBK.ccsds | late |  3134 |  3213 |  80 |  80

            Which tank leaks? (of a gas: pressure over temperature)

              SELECT satellite, round(100 * 3600
              * regr_slope(tank_pressure / tank_temperature, extract(epoch FROM time))
              / avg(tank_pressure / tank_temperature), 2)  AS pct_per_hour
              FROM sat_propulsion WHERE time > '2024-01-01' GROUP BY satellite ORDER BY pct_per_hour

             satellite | pct_per_hour
            ---+---
             S02  |  -2.07
             S01  |  -0.0
             S03  |  0.0

            Which sensor froze?

              SELECT satellite, sensor, min(at) AS since, max(at) + INTERVAL '10 minutes' AS until
              FROM (SELECT satellite, sensor, date_bin(INTERVAL '10 minutes', time) AS at
              FROM (SELECT satellite, time, unnest(range(1, 9)) AS sensor,
              unnest(temperature__raw) AS raw
              FROM sat_thermal WHERE time > '2024-01-01')
              GROUP BY 1, 2, 3 HAVING count(*) > 30 AND count(DISTINCT raw) = 1)
              GROUP BY satellite, sensor

             satellite | sensor | since  | until
            ---+---+---+---
             S03  |  4 | <now> | <now>

            The anomalies that were put in: downlake --lake ./demo/lake sql "SELECT * FROM labels"

            Go on with:
              downlake --lake ./demo/lake table list
              downlake --lake ./demo/lake table show engine
              downlake --lake ./demo/lake quarantine list
              downlake --lake ./demo/lake sql  (a shell)
              downlake --lake ./demo/lake sql --timing --file ./demo/questions.sql
              downlake --lake ./demo/lake sql "SELECT * FROM tracking LIMIT 5"
              downlake --lake ./demo/lake ingest ./demo/raw/flights.csv --table flights --time none  (again: it adds nothing)
        "#]],
    );
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
    expect![[r#"
        what,kind,records
        gap,late,36
        gap,lost,45
        gap,reset,6
        refused,error-control,12
        refused,field-count,3
        refused,syntax,2
    "#]]
    .assert_eq(&listed);
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
