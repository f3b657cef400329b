//! `downlake doctor`: what a support engineer would ask first.

use std::time::{Duration, Instant};

use downlake_lake::storage::Storage;
use downlake_lake::storage::format::check_format;
use downlake_lake::storage::probe::{kept_answer, leftovers, try_write};
use serde::Serialize;

use super::output;
use crate::settings::Settings;
use crate::wire;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    good: bool,
    found: String,
}

impl Finding {
    fn good(check: &'static str, found: impl Into<String>) -> Finding {
        Finding {
            check,
            good: true,
            found: found.into(),
        }
    }

    fn bad(check: &'static str, found: impl ToString) -> Finding {
        Finding {
            check,
            good: false,
            found: found.to_string(),
        }
    }
}

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<u8> {
    let mut findings = vec![Finding::good(
        "software",
        format!(
            "downlake {} on {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS
        ),
    )];
    let storage = wire::storage(settings)?;
    findings.push(Finding::good("lake", storage.url().to_string()));
    findings.push(durability(settings, &storage));
    findings.push(format(&storage).await);
    findings.push(store_answer(&storage).await);
    findings.extend(probe_leftovers(&storage).await);
    findings.extend(write(&storage).await);
    findings.push(latency(&storage).await);
    findings.push(clock());
    findings.push(temp_dir(settings));
    findings.push(tables(settings).await);
    let good = findings.iter().all(|f| f.good);
    if settings.json {
        output::json(&findings)?;
    } else {
        for finding in &findings {
            let mark = if finding.good { "ok " } else { "BAD" };
            output::text(&format!("{mark}  {:<10}  {}", finding.check, finding.found))?;
        }
    }
    Ok(if good { 0 } else { 6 })
}

fn durability(settings: &Settings, storage: &Storage) -> Finding {
    let found = match (settings.fsync, storage.is_durable()) {
        (_, true) => "a commit is reported when it survives a power cut",
        (false, false) => "--no-fsync: a commit survives the death of the process, not a power cut",
        (true, false) => "memory: nothing survives the process",
    };
    Finding::good("durable", found)
}

async fn format(storage: &Storage) -> Finding {
    match check_format(storage).await {
        Ok(Some(mark)) => Finding::good("format", mark.format.to_string()),
        Ok(None) => Finding::good("format", "no lake here yet; `downlake ingest` makes one"),
        Err(error) => Finding::bad("format", error),
    }
}

/// What the probe said when the lake was first written through this endpoint.
async fn store_answer(storage: &Storage) -> Finding {
    match kept_answer(storage).await {
        Ok(Some(report)) => Finding::good(
            "store",
            format!(
                "{} creates without races: {} rounds of {} writers",
                report.endpoint, report.rounds, report.writers
            ),
        ),
        Ok(None) => Finding::good("store", "not probed yet: the first write does"),
        Err(error) => Finding::bad("store", error),
    }
}

/// Objects that a killed probe left: harmless, and nobody else's.
async fn probe_leftovers(storage: &Storage) -> Option<Finding> {
    match leftovers(storage).await {
        Ok(objects) if objects.is_empty() => None,
        Ok(objects) => Some(Finding::good(
            "probe",
            format!(
                "{} objects in _downlake/probe are of a probe that runs now or was killed; once an hour old they may be deleted, and the next probe does",
                objects.len()
            ),
        )),
        Err(error) => Some(Finding::bad("probe", error)),
    }
}

/// A lake that is not there yet is not made by looking at it.
async fn write(storage: &Storage) -> Option<Finding> {
    if !matches!(check_format(storage).await, Ok(Some(_))) {
        return None;
    }
    let seams = downlake_lake::seam::Seams::system();
    Some(match try_write(storage, &seams).await {
        Ok(()) => Finding::good("write", "an object was written and removed"),
        Err(error) => Finding::bad("write", error),
    })
}

async fn latency(storage: &Storage) -> Finding {
    let started = Instant::now();
    match storage.objects().list_with_delimiter(None).await {
        Ok(listing) => Finding::good(
            "list",
            format!(
                "{} folders in {:.1} ms",
                listing.common_prefixes.len(),
                started.elapsed().as_secs_f64() * 1e3
            ),
        ),
        Err(error) => Finding::bad("list", error),
    }
}

/// Two clocks of one machine must agree on how time passes.
fn clock() -> Finding {
    let clock = downlake_lake::seam::Seams::system().clock;
    let (wall, steady) = (clock.now_micros(), Instant::now());
    std::thread::sleep(Duration::from_millis(20));
    let wall = clock.now_micros() - wall;
    let steady = i64::try_from(steady.elapsed().as_micros()).unwrap_or(i64::MAX);
    let now = output::instant(clock.now_micros());
    if (wall - steady).abs() < 10_000 {
        Finding::good("clock", format!("{now}, steady"))
    } else {
        Finding::bad(
            "clock",
            format!("{now}; it moved {wall} us while {steady} us passed"),
        )
    }
}

fn temp_dir(settings: &Settings) -> Finding {
    let dir = &settings.temp_dir;
    let written = tempfile::Builder::new()
        .prefix("downlake-doctor")
        .tempfile_in(dir);
    match written {
        Ok(_) => Finding::good("temp", format!("{} takes files", dir.display())),
        Err(error) => Finding::bad(
            "temp",
            format!("{}: {error}; name another with --temp-dir", dir.display()),
        ),
    }
}

async fn tables(settings: &Settings) -> Finding {
    let lake = match wire::lake(settings).await {
        Ok(lake) => lake,
        Err(error) if error.kind() == downlake_lake::ErrorKind::NotFound => {
            return Finding::good("tables", "none");
        }
        Err(error) => return Finding::bad("tables", error),
    };
    let names = match lake.table_names(true).await {
        Ok(names) => names,
        Err(error) => return Finding::bad("tables", error),
    };
    for name in &names {
        if let Err(error) = lake.table(name).await {
            return Finding::bad("tables", format!("\"{name}\" does not open: {error}"));
        }
    }
    Finding::good("tables", format!("{} open", names.len()))
}
