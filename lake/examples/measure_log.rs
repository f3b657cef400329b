//! What the table log costs at size: `cargo run --release -p downlake-lake
//! --example measure_log`.
//!
//! Two tables are made in a folder for the time of the run: one with 1,000,000
//! transaction ids in 80 commits, one with 100,000 files. Each is measured in
//! a process of its own, as the log lies (commits alone) and with a checkpoint:
//! the time to open it, the memory that takes, and, over the files, the time
//! of an append. Times are of the machine and the disk under the folder for
//! temporary files.

#![expect(
    clippy::print_stdout,
    reason = "a program that measures prints its figures"
)]

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, Field, Schema};
use downlake_lake::log::{
    ColumnStats, Commit, CommitOutcome, CreateTable, FileStats, LogEngine, NewFile, TableLog,
};
use downlake_lake::seam::Seams;
use downlake_lake::storage::{Storage, StorageOptions};
use serde_json::{Map, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TRANSACTIONS: usize = 1_000_000;
const FILES: usize = 100_000;
/// Fewer than make the log write a checkpoint of its own accord.
const COMMITS: usize = 80;
const APPENDS: usize = 201;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => measure_all().await,
        ["open", folder, table] => measure_open(folder, table).await,
        ["append", folder, table] => measure_appends(folder, table).await,
        _ => Err("there are no arguments to give".into()),
    }
}

async fn measure_all() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let transactions = (0..COMMITS).map(|number| transactions(number * TRANSACTIONS / COMMITS));
    make(folder.path(), "transactions", transactions.collect()).await?;
    let files = (0..COMMITS).map(|number| files(number * FILES / COMMITS));
    make(folder.path(), "files", files.collect()).await?;
    for (state, checkpoint) in [("commits alone", false), ("a checkpoint", true)] {
        if checkpoint {
            for table in ["transactions", "files"] {
                open(folder.path(), table).await?.checkpoint().await?;
            }
        }
        println!("with {state}:");
        again("open", folder.path(), "transactions")?;
        again("open", folder.path(), "files")?;
    }
    again("append", folder.path(), "files")
}

/// Runs this program on one table, so that its memory is the table's.
fn again(what: &str, folder: &Path, table: &str) -> Result<()> {
    let status = Command::new(env::current_exe()?)
        .arg(what)
        .arg(folder)
        .arg(table)
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("measuring {table}: {status}").into()),
    }
}

async fn measure_open(folder: &str, table: &str) -> Result<()> {
    let (before, start) = (resident_kib()?, Instant::now());
    let log = open(Path::new(folder), table).await?;
    let elapsed = start.elapsed();
    let snapshot = log.snapshot();
    println!(
        "  {} transactions, {} files: opened in {:.0} ms, {} MiB more resident, {} MiB at most",
        snapshot.transactions.len(),
        snapshot.files.len(),
        millis(elapsed),
        resident_kib()?.saturating_sub(before) / 1024,
        status_kib("VmHWM:")? / 1024,
    );
    Ok(())
}

async fn measure_appends(folder: &str, table: &str) -> Result<()> {
    let log = open(Path::new(folder), table).await?;
    let mut times = Vec::with_capacity(APPENDS);
    for number in 0..APPENDS {
        let commit = Commit {
            adds: vec![file(FILES + number)],
            ..append()
        };
        let start = Instant::now();
        land(&log, &commit).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!(
        "append to {} files: p50 {:.2} ms, p99 {:.2} ms over {APPENDS} appends",
        log.snapshot().files.len(),
        millis(times[APPENDS / 2]),
        millis(times[APPENDS * 99 / 100]),
    );
    Ok(())
}

async fn make(folder: &Path, table: &str, commits: Vec<Commit>) -> Result<()> {
    let spec = CreateTable {
        schema: Arc::new(Schema::new(vec![Field::new("t", DataType::Float64, true)])),
        partition_columns: Vec::new(),
        stats_columns: vec![String::from("t")],
        description: None,
        info: Map::new(),
    };
    let start = Instant::now();
    let log = TableLog::create(&engine(folder)?, table, spec)
        .await?
        .into_log();
    for commit in &commits {
        land(&log, commit).await?;
    }
    println!("made {table} in {:.0} ms", millis(start.elapsed()));
    Ok(())
}

async fn land(log: &TableLog, commit: &Commit) -> Result<()> {
    match log.commit(&log.snapshot(), commit).await? {
        CommitOutcome::Committed(_) => Ok(()),
        other => Err(format!("nobody else writes, yet {other:?}").into()),
    }
}

async fn open(folder: &Path, table: &str) -> Result<TableLog> {
    let log = TableLog::open(&engine(folder)?, table).await?;
    log.ok_or_else(|| format!("no table {table}").into())
}

fn engine(folder: &Path) -> Result<LogEngine> {
    let folder = folder.to_str().ok_or("the folder's name is not text")?;
    let storage = Storage::open(folder, &StorageOptions::default())?;
    Ok(LogEngine::new(
        Arc::clone(storage.objects()),
        Seams::system(),
    )?)
}

fn append() -> Commit {
    Commit {
        operation: String::from("INGEST"),
        data_change: true,
        blind: true,
        ..Commit::default()
    }
}

fn transactions(first: usize) -> Commit {
    let ids = first..first + TRANSACTIONS / COMMITS;
    Commit {
        transactions: ids.map(|id| (format!("unit/{id:064x}"), 1)).collect(),
        ..append()
    }
}

fn files(first: usize) -> Commit {
    Commit {
        adds: (first..first + FILES / COMMITS).map(file).collect(),
        ..append()
    }
}

fn file(number: usize) -> NewFile {
    let bounds = ColumnStats {
        min: Some(json!(number)),
        max: Some(json!(number + 1)),
        nulls: Some(0),
    };
    NewFile {
        path: format!("part-{number:08}.parquet"),
        size: 32 << 20,
        modified_ms: 0,
        partition: BTreeMap::new(),
        stats: FileStats {
            rows: Some(100_000),
            columns: BTreeMap::from([(String::from("t"), bounds)]),
        },
        tags: BTreeMap::new(),
    }
}

fn millis(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1e3
}

fn resident_kib() -> Result<u64> {
    status_kib("VmRSS:")
}

/// A line of Linux's account of this process.
fn status_kib(key: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number
        .ok_or("this system has no account of memory")?
        .parse()?)
}
