//! `downlake ingest`: raw files to tables, each source unit exactly once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use downlake_ingest::job::{IngestRequest, fold_name, ingest};
use downlake_ingest::packet::schema::PacketSchema;
use downlake_ingest::report::{IngestReport, UnitState};
use downlake_ingest::source::PathPattern;
use downlake_ingest::stop::Stop;
use downlake_lake::schema::Definition;
use downlake_lake::table::Lake;
use downlake_lake::table::append::QuarantineLimit;
use downlake_lake::{Error, ErrorKind, Result};

use super::interrupt::Interrupt;
use super::output;
use crate::args::{InferArgs, IngestArgs};
use crate::definitions::{self, Given};
use crate::progress::Bar;
use crate::settings::Settings;
use crate::wire;

pub(crate) async fn run(
    args: &IngestArgs,
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    let request = request(args, settings)?;
    let lake = wire::lake_to_write(settings).await?;
    let report = land(&lake, &request, settings, &interrupt.stop).await?;
    lake.settle().await;
    if let Some(path) = &args.metrics {
        let text = serde_json::to_vec(&report)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if settings.json {
        output::json(&report)?;
    } else if !settings.quiet {
        print(&report, settings)?;
    }
    end(report)
}

/// The exit code, after a word on what went wrong.
fn end(report: IngestReport) -> anyhow::Result<u8> {
    let failed = report
        .units
        .iter()
        .filter(|u| u.state == UnitState::Failed)
        .count();
    match report.first_error {
        None => Ok(0),
        Some(error) if failed == 0 || error.kind() == ErrorKind::Cancelled => Err(error.into()),
        Some(error) => {
            let units = report.units.len();
            tell!("downlake: {failed} of {units} source units failed; first: {error}");
            Ok(error.kind().exit_code())
        }
    }
}

/// Runs an ingest with a progress bar and measures it.
pub(crate) async fn land(
    lake: &Arc<Lake>,
    request: &IngestRequest,
    settings: &Settings,
    stop: &Stop,
) -> anyhow::Result<IngestReport> {
    let started = Instant::now();
    let bar = Arc::new(Bar::new(settings.quiet));
    let report = ingest(lake, request, bar.clone(), stop).await;
    bar.finish();
    let mut report = report?;
    report.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    report.peak_rss_bytes = peak_rss_bytes();
    Ok(report)
}

/// A request for nothing yet, with every default.
pub(crate) fn default_request(settings: &Settings) -> IngestRequest {
    IngestRequest {
        sources: Vec::new(),
        definition: None,
        packets: Vec::new(),
        apids: Vec::new(),
        format: None,
        table: None,
        prefix: None,
        constants: BTreeMap::new(),
        from_path: None,
        time: None,
        sort_by: Vec::new(),
        dedup_by: Vec::new(),
        received_at: None,
        shard: None,
        by_name: false,
        strict: false,
        max_quarantine: QuarantineLimit::default(),
        memory_bytes: usize::try_from(settings.memory_bytes).unwrap_or(usize::MAX),
        temp_dir: settings.temp_dir.clone(),
        cloud: settings.cloud.clone(),
    }
}

/// What `schema infer` asks for.
pub(crate) fn infer_request(args: &InferArgs, settings: &Settings) -> IngestRequest {
    IngestRequest {
        sources: args.sources.clone(),
        format: args.format.clone(),
        table: args.table.clone(),
        time: args.time.clone(),
        ..default_request(settings)
    }
}

fn request(args: &IngestArgs, settings: &Settings) -> Result<IngestRequest> {
    let mut constants = BTreeMap::new();
    for (name, value) in &args.constants {
        let folded = fold_name(name)?;
        if constants.insert(folded.clone(), value.clone()).is_some() {
            return Err(Error::invalid(format!("--set gives \"{folded}\" twice")));
        }
    }
    let (definition, packets) = schemas(&args.schema)?;
    if packets.is_empty() && !args.apid.is_empty() {
        return Err(Error::invalid(
            "--apid chooses among packets, which --schema has to define",
        ));
    }
    Ok(IngestRequest {
        sources: args.sources.clone(),
        definition,
        packets,
        apids: args.apid.clone(),
        format: args.format.clone(),
        table: args.table.clone(),
        prefix: args.prefix.clone(),
        constants,
        from_path: args
            .from_path
            .as_deref()
            .map(PathPattern::parse)
            .transpose()?,
        time: args.time.clone(),
        sort_by: args.sort_by.clone(),
        dedup_by: args.dedup_by.clone(),
        received_at: args.received_at.clone(),
        shard: args.shard,
        by_name: args.by_name,
        strict: args.strict,
        max_quarantine: match &args.max_quarantine {
            Some(text) => parse_limit(text)?,
            None => QuarantineLimit::default(),
        },
        ..default_request(settings)
    })
}

/// The one definition of a stream, or those of packets.
pub(crate) fn schemas(names: &[String]) -> Result<(Option<Definition>, Vec<PacketSchema>)> {
    let (mut streams, mut packets) = (Vec::new(), Vec::new());
    for name in names {
        match definitions::given(name)? {
            Given::Stream(definition) => streams.push(*definition),
            Given::Packets(schema) => packets.push(*schema),
        }
    }
    if streams.len() + packets.len() > 1 && !streams.is_empty() {
        return Err(Error::invalid(
            "several --schema are for packets, which go to several tables; the definition of a stream stands alone",
        ));
    }
    Ok((streams.pop(), packets))
}

fn parse_limit(text: &str) -> Result<QuarantineLimit> {
    let wrong = || {
        Error::invalid(format!(
            "--max-quarantine {text} is neither a count of rows nor a share such as 5%"
        ))
    };
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
            if (0.0..=100.0).contains(&percent) {
                Ok(QuarantineLimit::Share(percent / 100.0))
            } else {
                Err(wrong())
            }
        }
        None => text.parse().map(QuarantineLimit::Rows).map_err(|_| wrong()),
    }
}

pub(crate) fn print(report: &IngestReport, settings: &Settings) -> anyhow::Result<()> {
    for table in &report.tables {
        output::text(&format!(
            "{}  version {}  {} rows  {} files  {}",
            table.table,
            table.version,
            output::count(table.rows_committed),
            table.files,
            output::bytes(table.bytes_out)
        ))?;
    }
    let states: Vec<_> = report
        .states()
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    output::text(&format!("units  {}", states.join(", ")))?;
    output::text(&format!(
        "rows   {} in = {} committed + {} quarantined + {} duplicate + {} skipped",
        output::count(report.rows_in),
        output::count(report.rows_committed),
        output::count(report.rows_quarantined),
        output::count(report.rows_duplicate),
        output::count(report.rows_skipped)
    ))?;
    output::text(&speed(report))?;
    if report.rows_quarantined > 0 {
        output::text("refused records: downlake quarantine list")?;
    }
    if !settings.fsync {
        output::text("--no-fsync: this survives the death of the process, not a power cut")?;
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a rate for people"
)]
fn speed(report: &IngestReport) -> String {
    let seconds = (report.elapsed_ms as f64 / 1000.0).max(0.001);
    format!(
        "read   {} in {seconds:.2} s  {}/s  {} rows/s  peak memory {}",
        output::bytes(report.bytes_in),
        output::bytes((report.bytes_in as f64 / seconds) as u64),
        output::count((report.rows_in as f64 / seconds) as u64),
        output::bytes(report.peak_rss_bytes)
    )
}

/// The highest resident memory of this process so far; 0 where the system does not say.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line
        .and_then(|l| l.split_ascii_whitespace().nth(1))
        .and_then(|n| n.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
