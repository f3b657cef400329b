//! `downlake quarantine`: refused records, and a second try.

use std::sync::Arc;

use downlake_ingest::redrive::{RedriveRequest, Redriven, redrive};
use downlake_ingest::stop::Stop;
use downlake_lake::Error;
use downlake_lake::table::Lake;
use downlake_query::output::{Format, OutputOptions};
use downlake_query::{Cancel, Outcome, parse};

use super::interrupt::Interrupt;
use super::{ingest, output, sql, table};
use crate::args::{QuarantineCommand, QuarantineFilter, RedriveArgs};
use crate::definitions::{self, Given};
use crate::progress::Bar;
use crate::settings::Settings;
use crate::wire;

pub(crate) async fn run(
    command: QuarantineCommand,
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    match command {
        QuarantineCommand::List => list(settings).await?,
        QuarantineCommand::Show(filter) => show(&filter, settings).await?,
        QuarantineCommand::Redrive(args) => return again(&args, settings, &interrupt.stop).await,
    }
    Ok(0)
}

async fn list(settings: &Settings) -> anyhow::Result<()> {
    let statement = "SELECT ingest_id, table_name, source, reason, count(*) AS records, \
         count(redriven_as) AS redriven, min(detail) AS example \
         FROM _quarantine GROUP BY ALL ORDER BY max(at) DESC, records DESC, source, reason";
    query(statement, settings).await
}

async fn show(filter: &QuarantineFilter, settings: &Settings) -> anyhow::Result<()> {
    let mut conditions = vec!["true".to_owned()];
    conditions.extend(filter.ingest_id.map(|id| format!("ingest_id = {id}")));
    conditions.extend(
        filter
            .table
            .as_deref()
            .map(|t| format!("table_name = {}", literal(t))),
    );
    conditions.extend(
        filter
            .reason
            .as_deref()
            .map(|r| format!("reason = {}", literal(r))),
    );
    let statement = format!(
        "SELECT ingest_id, table_name, source, line, byte_offset, reason, detail, raw, redriven_as \
         FROM _quarantine WHERE {} ORDER BY at DESC, ingest_id, byte_offset LIMIT {}",
        conditions.join(" AND "),
        filter.limit
    );
    query(&statement, settings).await
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn query(statement: &str, settings: &Settings) -> anyhow::Result<()> {
    let lake = wire::lake(settings).await?;
    if lake.table("_quarantine").await?.is_none() {
        return if settings.json {
            output::text("[]")
        } else {
            output::text("nothing was ever refused")
        };
    }
    let session = sql::session(&lake, settings, false)?;
    let [statement] = parse(statement)?
        .try_into()
        .map_err(|_| Error::internal("one statement is one"))?;
    let Outcome::Rows(rows) = session.run(&statement, &Cancel::default()).await? else {
        return Err(Error::internal("a query gives rows").into());
    };
    let mut out = std::io::stdout();
    if !settings.json {
        return sql::write(rows, Format::Table, &OutputOptions::default(), &mut out).await;
    }
    let mut lines = Vec::new();
    sql::write(rows, Format::Json, &OutputOptions::default(), &mut lines).await?;
    let objects: Vec<_> = std::str::from_utf8(&lines)?.lines().collect();
    output::text(&format!("[{}]", objects.join(",")))
}

async fn again(args: &RedriveArgs, settings: &Settings, stop: &Stop) -> anyhow::Result<u8> {
    let lake = wire::lake(settings).await?;
    let mut ingest = ingest::default_request(settings);
    match args.schema.as_deref().map(definitions::given).transpose()? {
        Some(Given::Stream(mended)) => store_definition(&lake, args, &mended).await?,
        Some(Given::Packets(schema)) => ingest.packets.push(*schema),
        None => {}
    }
    ingest.prefix.clone_from(&args.prefix);
    ingest.time.clone_from(&args.time);
    let request = RedriveRequest {
        ingest_id: args.ingest_id,
        table: args.table.clone(),
        ingest,
    };
    let bar = Arc::new(Bar::new(settings.quiet));
    let done = redrive(&lake, &request, bar.clone(), stop).await;
    bar.finish();
    lake.flush_ledger().await?;
    let done = done?;
    if settings.json {
        output::json(&done)?;
    } else {
        print(&done)?;
    }
    Ok(0)
}

async fn store_definition(
    lake: &Lake,
    args: &RedriveArgs,
    mended: &downlake_lake::schema::Definition,
) -> anyhow::Result<()> {
    let name = args.table.clone().unwrap_or_else(|| mended.stream.clone());
    let there = table::open(lake, &name).await?;
    let stored = there.definition(lake).await?;
    let stored = stored
        .ok_or_else(|| Error::invalid(format!("table \"{name}\" has no definition of ours")))?;
    let mended = downlake_lake::schema::Definition {
        stream: name,
        ..mended.clone()
    };
    let next = stored.definition.succeed(&mended)?;
    there.store_definition(lake, &next).await?;
    Ok(())
}

fn print(done: &[Redriven]) -> anyhow::Result<()> {
    if done.is_empty() {
        return output::text("no refused record can be tried again now");
    }
    for group in done {
        output::text(&format!(
            "{}  {} (landing {}): {} tried again, {} committed, {} refused again{}",
            group.table_name.as_deref().unwrap_or("packets"),
            group.source,
            group.ingest_id,
            output::count(group.records),
            output::count(group.rows_committed),
            output::count(group.rows_quarantined),
            if group.already {
                ", they had landed before"
            } else {
                ""
            }
        ))?;
        if group.rows_duplicate > 0 {
            output::text(&format!(
                "  {} rows were in the table already",
                output::count(group.rows_duplicate)
            ))?;
        }
        if group.without_raw > 0 {
            output::text(&format!(
                "  {} records were too long to be kept; ingest their source again after an undo",
                output::count(group.without_raw)
            ))?;
        }
    }
    Ok(())
}
