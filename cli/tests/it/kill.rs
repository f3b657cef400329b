//! The binary is killed at chosen moments and run again, until it ends: then
//! every record is in the lake exactly once, and the auditor finds nothing.
//!
//! The binary says at debug level in which phase a landing is. A run is
//! killed up to three milliseconds after a phase began; where the kill hit is
//! read from what the process said last.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use downlake_lake::storage::{Storage, StorageOptions};
use downlake_simulate::Campaign;
use futures::TryStreamExt;
use serde_json::Value;

use super::audit::{Audit, Last, text};
use super::program::Program;
use super::random::{Random, budget, seeds};
use super::skip::skip;
use super::telemetry::{Damage, Expected, Telemetry, row_text};

/// From the start of the process to its first word.
const START: &str = "start";
/// From the report on.
const DONE: &str = "done";
/// What an ingest passes through, in order.
const INGEST: [&str; 7] = [
    START,
    "decode",
    "write",
    "quarantine",
    "data",
    "ledger",
    DONE,
];
/// What an ingest of packets passes through besides: gaps, and the comparison
/// with rows of passes before.
const PACKETS: [&str; 9] = [
    START,
    "decode",
    "write",
    "quarantine",
    "gaps",
    "compare",
    "data",
    "ledger",
    DONE,
];
/// What a redrive passes through, in order.
const REDRIVE: [&str; 11] = [
    START,
    "spool",
    "decode",
    "write",
    "quarantine",
    "data",
    "ledger",
    "mark",
    "rewrite",
    "marked",
    DONE,
];
/// Trials after which a phase that was never hit is a fault of the test.
const TRIALS_MAX: usize = 60;

/// How often kills hit each phase.
struct Histogram {
    phases: &'static [&'static str],
    hits: BTreeMap<String, usize>,
    kills: usize,
}

impl Histogram {
    fn new(phases: &'static [&'static str]) -> Histogram {
        Histogram {
            phases,
            hits: BTreeMap::new(),
            kills: 0,
        }
    }

    /// The phase to aim at next: the one that was hit least.
    fn next_target(&self) -> &'static str {
        let hits = |phase: &&&str| self.hits.get(**phase).copied().unwrap_or(0);
        self.phases.iter().min_by_key(hits).unwrap()
    }

    fn note(&mut self, phase: String) {
        *self.hits.entry(phase).or_default() += 1;
        self.kills += 1;
    }

    fn missed(&self) -> Vec<&str> {
        let missed = self
            .phases
            .iter()
            .filter(|phase| !self.hits.contains_key(**phase));
        missed.copied().collect()
    }
}

/// A process whose progress is known.
struct Watched {
    child: Child,
    phases: Receiver<String>,
    said: JoinHandle<String>,
}

impl Watched {
    fn spawn(program: &Program, args: &[&str]) -> Watched {
        let mut command = program.command(args);
        command.env(
            "DOWNLAKE_LOG",
            "warn,downlake_lake=debug,downlake_ingest=debug",
        );
        command.env("NO_COLOR", "1");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, phases) = channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let done = sender.clone();
        std::thread::spawn(move || watch_report(out, &done));
        let said = std::thread::spawn(move || watch_log(err, &sender));
        Watched {
            child,
            phases,
            said,
        }
    }

    /// Waits for the given beginning of a phase and a little longer, kills,
    /// and returns the phase in which the kill hit.
    fn kill_in(mut self, target: &str, occurrence: u64, random: &mut Random) -> String {
        let mut reached = START.to_owned();
        let mut left = occurrence;
        if target == START {
            std::thread::sleep(Duration::from_micros(random.below(20_000)));
        } else {
            while let Ok(phase) = self.phases.recv() {
                reached = phase;
                if reached == target {
                    if left == 0 {
                        break;
                    }
                    left -= 1;
                }
            }
            let most = random.pick(&[1, 300, 3_000]);
            std::thread::sleep(Duration::from_micros(random.below(most)));
        }
        // It may have ended by itself meanwhile.
        let _ = self.child.kill();
        let status = self.child.wait().unwrap();
        reached = self.phases.iter().last().unwrap_or(reached);
        let said = self.said.join().unwrap();
        if status.success() {
            return DONE.to_owned();
        }
        assert_eq!(status.signal(), Some(9), "it ended by itself: {said}");
        reached
    }
}

/// Sends each phase that the log names; returns the log.
fn watch_log(err: impl Read, phases: &Sender<String>) -> String {
    let mut said = String::new();
    for line in BufReader::new(err).lines() {
        let line = String::from_utf8_lossy(line.unwrap().as_bytes()).into_owned();
        let phase = line
            .split_once("phase=\"")
            .and_then(|(_, rest)| rest.split('"').next());
        if let Some(phase) = phase {
            // Nobody listens after the kill.
            let _ = phases.send(phase.to_owned());
        }
        said.push_str(&line);
        said.push('\n');
    }
    said
}

fn watch_report(out: impl Read, phases: &Sender<String>) {
    let mut line = String::new();
    if BufReader::new(out)
        .read_line(&mut line)
        .is_ok_and(|bytes| bytes > 0)
    {
        let _ = phases.send(DONE.to_owned());
    }
}

/// Runs a command with one to three kills; `look` sees the lake after each.
fn kill_some(
    program: &Program,
    args: &[&str],
    random: &mut Random,
    histogram: &mut Histogram,
    look: impl Fn(&str),
) {
    for _ in 0..=random.below(3) {
        let target = histogram.next_target();
        let occurrence = if [START, DONE].contains(&target) {
            0
        } else {
            random.below(3)
        };
        let hit = Watched::spawn(program, args).kill_in(target, occurrence, random);
        look(&hit);
        histogram.note(hit);
    }
}

/// Runs trials for the budget, and on until every phase was hit.
fn trials(test: &str, phases: &'static [&'static str], trial: impl Fn(u64, &mut Histogram)) {
    let (started, budget) = (Instant::now(), budget());
    let mut histogram = Histogram::new(phases);
    let mut trials = 0;
    for seed in seeds() {
        println!("{test}: seed {seed}");
        trial(seed, &mut histogram);
        trials += 1;
        let spent = started.elapsed() >= budget;
        let tried_fresh = trials > super::random::PINNED.len();
        if tried_fresh && spent && (histogram.missed().is_empty() || trials >= TRIALS_MAX) {
            break;
        }
    }
    println!(
        "{test}: {trials} executions, {} kills: {:?}",
        histogram.kills, histogram.hits
    );
    assert_eq!(
        histogram.missed(),
        Vec::<&str>::new(),
        "no kill hit these phases"
    );
}

/// Seeded inputs of an ingest: small files and one of several batches.
fn write_inputs(program: &Program, random: &mut Random) -> Expected {
    let damages = [Damage::Cut, Damage::Type, Damage::Range];
    let mut telemetry = Telemetry::new(program, random, &damages);
    telemetry.csv("a.csv", 300, 40);
    telemetry.jsonl("b.jsonl", 200, 50);
    telemetry.csv("c_big.csv", 25_000, 2_000);
    telemetry.csv("d.csv", 150, u64::MAX);
    telemetry.jsonl("e.jsonl", 250, 30);
    telemetry.into_expected()
}

const INGEST_ARGS: [&str; 7] = [
    "ingest",
    "raw",
    "--schema",
    "flight.toml",
    "--memory",
    "32MiB",
    "--json",
];

/// The same command to its end, and once more: the second adds nothing.
fn finish_ingest(program: &Program, expected: &Expected) {
    let report = program.good(&INGEST_ARGS).json();
    assert_eq!(
        states(&report, &["landed", "already"]),
        expected.units,
        "{report}"
    );
    let again = program.good(&INGEST_ARGS).json();
    assert_eq!(states(&again, &["already"]), expected.units, "{again}");
    for key in [
        "rows_in",
        "rows_committed",
        "rows_quarantined",
        "rows_skipped",
        "bytes_in",
    ] {
        assert_eq!(again[key], 0, "{key}: {again}");
    }
}

/// Units that ended in one of the states.
fn states(report: &Value, states: &[&str]) -> usize {
    let units = report["units"].as_array().unwrap();
    units
        .iter()
        .filter(|unit| states.iter().any(|state| unit["state"] == *state))
        .count()
}

/// Compares rows and refused records one by one, and the counts of the ledger.
fn check_landed(lake: &Path, expected: &Expected, context: &str) {
    let audit = Audit::clean(lake, Last::Finished, context);
    assert_same(
        context,
        &sorted(audit.records("flight").iter().map(row_text)),
        &expected.rows,
    );
    let raw = audit.records("_quarantine").iter();
    let raw = sorted(raw.filter_map(|r| r.get("raw").and_then(text)));
    assert_same(context, &raw, &expected.refused);
    let skipped = audit
        .records("_ledger")
        .iter()
        .filter_map(|r| text(&r["rows_skipped"]));
    let skipped: u64 = skipped.map(|n| n.parse::<u64>().unwrap()).sum();
    assert_eq!(skipped, expected.skipped, "{context}: skipped");
}

fn sorted(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<_> = texts.map(|t| t.trim_end_matches('\n').to_owned()).collect();
    texts.sort();
    texts
}

/// Equality of long lists that shows the first difference only.
fn assert_same(context: &str, found: &[String], expected: &[String]) {
    let differ = found
        .iter()
        .zip(expected)
        .find(|(found, expected)| found != expected);
    assert_eq!(
        differ,
        None,
        "{context}: first (found, expected) of {} and {}",
        found.len(),
        expected.len()
    );
    assert_eq!(found.len(), expected.len(), "{context}: count");
}

#[test]
fn budgeted_ingest_survives_kills() {
    trials(
        "budgeted_ingest_survives_kills",
        &INGEST,
        |seed, histogram| {
            let mut random = Random::new(seed);
            let program = Program::new();
            let expected = write_inputs(&program, &mut random);
            kill_some(&program, &INGEST_ARGS, &mut random, histogram, |hit| {
                Audit::clean(
                    &program.lake(),
                    Last::Killed,
                    &format!("seed {seed}, killed in {hit}"),
                );
            });
            finish_ingest(&program, &expected);
            check_landed(&program.lake(), &expected, &format!("seed {seed}"));
        },
    );
}

#[test]
fn budgeted_ingest_survives_kills_on_s3() {
    const TEST: &str = "budgeted_ingest_survives_kills_on_s3";
    let Ok(endpoint) = std::env::var("DOWNLAKE_TEST_S3") else {
        return skip(
            TEST,
            "DOWNLAKE_TEST_S3 names no endpoint; see tests/servers/rgw.sh",
        );
    };
    let cloud = cloud_options(&endpoint);
    let bucket = std::env::var("DOWNLAKE_TEST_S3_BUCKET").unwrap_or("downlake-test".to_owned());
    trials(TEST, &INGEST, |seed, histogram| {
        let mut random = Random::new(seed);
        let id = downlake_lake::seam::Seams::system().new_id();
        let url = format!("s3://{bucket}/kill-{id}/lake");
        let mut program = Program::new().with_variable("DOWNLAKE_LAKE", &url);
        for (name, value) in &cloud {
            program = program.with_variable(name, value);
        }
        let expected = write_inputs(&program, &mut random);
        kill_some(&program, &INGEST_ARGS, &mut random, histogram, |_| {});
        finish_ingest(&program, &expected);
        let copy = download(&url, &cloud, &program);
        check_landed(&copy, &expected, &format!("seed {seed} on {url}"));
    });
}

const PACKETS_ARGS: [&str; 9] = [
    "ingest",
    "raw/satellites",
    "--schema",
    "raw/satellites.toml",
    "--from-path",
    "{satellite}/*.ccsds",
    "--memory",
    "32MiB",
    "--json",
];

/// Passes of a satellite that overlap, with losses, repeats and damage.
fn write_passes(program: &Program, seed: u64) {
    let campaign = Campaign {
        seed,
        flights: 0,
        hours: 3,
        satellites: 1,
    };
    let raw = program.folder().join("raw");
    campaign.write(&raw, &mut |_, _| {}).unwrap();
}

/// All rows of all tables but for what clocks and other runs decide.
fn undated(lake: &Path, context: &str) -> BTreeMap<String, Vec<String>> {
    const DATED: [&str; 5] = ["_ingested_at", "at", "started_at", "landed_at", "version"];
    let audit = Audit::clean(lake, Last::Finished, context);
    let rows = |table: &str| {
        let rows = audit.records(table).iter();
        sorted(rows.map(|row| {
            let cells = row
                .iter()
                .filter(|(name, _)| !DATED.contains(&name.as_str()));
            format!("{:?}", cells.collect::<Vec<_>>())
        }))
    };
    let tables = audit.tables();
    tables
        .map(|table| (table.to_owned(), rows(table)))
        .collect()
}

#[test]
fn budgeted_packets_survive_kills() {
    trials(
        "budgeted_packets_survive_kills",
        &PACKETS,
        |seed, histogram| {
            let context = format!("seed {seed}");
            let mut random = Random::new(seed);
            let (killed, undisturbed) = (Program::new(), Program::new());
            write_passes(&killed, seed);
            write_passes(&undisturbed, seed);
            undisturbed.good(&PACKETS_ARGS);
            kill_some(&killed, &PACKETS_ARGS, &mut random, histogram, |hit| {
                let context = format!("{context}, killed in {hit}");
                Audit::clean(&killed.lake(), Last::Killed, &context);
            });
            killed.good(&PACKETS_ARGS);
            let again = killed.good(&PACKETS_ARGS).json();
            assert_eq!(again["rows_in"], 0, "{context}: {again}");
            let found = undated(&killed.lake(), &context);
            let expected = undated(&undisturbed.lake(), &context);
            assert!(expected["sat_power"].len() > 1_000, "{context}");
            assert!(found.keys().eq(expected.keys()), "{context}");
            for (table, rows) in &expected {
                assert_same(&format!("{context}: {table}"), &found[table], rows);
            }
        },
    );
}

fn cloud_options(endpoint: &str) -> Vec<(String, String)> {
    let mut options = vec![
        ("AWS_ENDPOINT".to_owned(), endpoint.to_owned()),
        ("AWS_ALLOW_HTTP".to_owned(), "true".to_owned()),
        ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
    ];
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        let value = std::env::var(name).unwrap_or_default();
        options.push((name.to_owned(), value));
    }
    options
}

/// Copies a lake from its store to a folder.
fn download(url: &str, cloud: &[(String, String)], program: &Program) -> PathBuf {
    let options = StorageOptions {
        cloud: cloud.to_vec(),
        ..StorageOptions::default()
    };
    let storage = Storage::open(url, &options).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let objects = Arc::clone(storage.objects());
        let listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
        for object in listed {
            let got = objects
                .get_opts(&object.location, Default::default())
                .await
                .unwrap();
            let bytes = got.bytes().await.unwrap();
            program.write(&format!("copy/{}", object.location), &bytes);
        }
    });
    program.folder().join("copy")
}

/// A lake with refused records of three units, all of which a mended
/// definition takes.
fn lake_with_refusals(program: &Program, random: &mut Random) -> Expected {
    let damages = [Damage::Range, Damage::Absent];
    let mut telemetry = Telemetry::new(program, random, &damages);
    telemetry.csv("a.csv", 200, 8);
    telemetry.jsonl("b.jsonl", 200, 10);
    telemetry.csv("c.csv", 100, 5);
    let expected = telemetry.into_expected();
    assert_eq!(expected.refused.len(), expected.mendable.len());
    program.good(&["ingest", "raw", "--schema", "flight.toml"]);
    check_landed(&program.lake(), &expected, "before the redrive");
    expected
}

const REDRIVE_ARGS: [&str; 5] = ["quarantine", "redrive", "--schema", "mended.toml", "--json"];

/// Every record is in the table once, and each refused one says under which
/// landing.
fn check_redriven(lake: &Path, expected: &Expected, context: &str) {
    let audit = Audit::clean(lake, Last::Finished, context);
    let all = sorted(expected.rows.iter().chain(&expected.mendable).cloned());
    assert_same(
        context,
        &sorted(audit.records("flight").iter().map(row_text)),
        &all,
    );
    let mut marked: BTreeMap<String, usize> = BTreeMap::new();
    for record in audit.records("_quarantine") {
        let landing = record.get("redriven_as").and_then(text);
        let landing = landing.unwrap_or_else(|| panic!("{context}: not marked: {record:?}"));
        *marked.entry(landing).or_default() += 1;
    }
    assert_eq!(
        marked.values().sum::<usize>(),
        expected.refused.len(),
        "{context}: marks"
    );
    for (landing, records) in marked {
        let row = audit.records("_ledger").iter().find(|row| {
            row["ingest_id"].to_string() == landing && text(&row["table_name"]).is_some()
        });
        let row = row.unwrap_or_else(|| panic!("{context}: landing {landing} is in no ledger"));
        assert_eq!(
            text(&row["rows_committed"]),
            Some(records.to_string()),
            "{context}: {landing}"
        );
    }
}

#[test]
fn budgeted_redrive_survives_kills() {
    trials(
        "budgeted_redrive_survives_kills",
        &REDRIVE,
        |seed, histogram| {
            let mut random = Random::new(seed);
            let program = Program::new();
            let expected = lake_with_refusals(&program, &mut random);
            kill_some(&program, &REDRIVE_ARGS, &mut random, histogram, |hit| {
                Audit::clean(
                    &program.lake(),
                    Last::Killed,
                    &format!("seed {seed}, killed in {hit}"),
                );
            });
            program.good(&REDRIVE_ARGS);
            check_redriven(&program.lake(), &expected, &format!("seed {seed}"));
            let again = program.good(&REDRIVE_ARGS).json();
            assert_eq!(again, serde_json::json!([]), "seed {seed}: nothing waits");
            let again = program
                .good(&["ingest", "raw", "--table", "flight", "--json"])
                .json();
            assert_eq!(again["rows_in"], 0, "seed {seed}: {again}");
            check_redriven(
                &program.lake(),
                &expected,
                &format!("seed {seed}, once more"),
            );
        },
    );
}
