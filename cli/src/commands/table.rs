//! `downlake table`: what is in the lake.

use std::sync::Arc;

use downlake_lake::log::Snapshot;
use downlake_lake::schema::near::nearest;
use downlake_lake::table::{Lake, Table};
use downlake_lake::{Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::json;

use super::output;
use crate::args::TableCommand;
use crate::settings::Settings;
use crate::wire;

pub(crate) async fn run(command: TableCommand, settings: &Settings) -> anyhow::Result<u8> {
    let lake = wire::lake(settings).await?;
    match command {
        TableCommand::List { all } => list(&lake, all, settings).await?,
        TableCommand::Show { table } => show(&lake, &table, settings).await?,
        TableCommand::History { table, limit } => history(&lake, &table, limit, settings).await?,
    }
    Ok(0)
}

/// One line of `table list`.
#[derive(Debug, Serialize)]
struct Listed {
    table: String,
    version: u64,
    rows: Option<u64>,
    files: usize,
    bytes: u64,
    min_time: Option<String>,
    max_time: Option<String>,
}

pub(crate) async fn list(lake: &Lake, all: bool, settings: &Settings) -> anyhow::Result<()> {
    let mut listed = Vec::new();
    for name in lake.table_names(all).await? {
        match open(lake, &name).await {
            Ok(table) => listed.push(describe(&name, &table.snapshot())),
            // One table that is refused hides no other.
            Err(error) if error.kind() == ErrorKind::Invalid => tell!("note: {error}"),
            Err(error) => return Err(error.into()),
        }
    }
    if settings.json {
        return output::json(&listed);
    }
    if listed.is_empty() {
        return output::text("no tables yet; `downlake ingest FILE` makes the first");
    }
    let dash = || "-".to_owned();
    let rows: Vec<_> = listed
        .into_iter()
        .map(|t| {
            vec![
                t.table,
                t.version.to_string(),
                t.rows.map_or_else(dash, output::count),
                t.files.to_string(),
                output::bytes(t.bytes),
                t.min_time.unwrap_or_else(dash),
                t.max_time.unwrap_or_else(dash),
            ]
        })
        .collect();
    let header = [
        "table", "version", "rows", "files", "bytes", "min_time", "max_time",
    ];
    output::columns(&header, &["version", "rows", "files", "bytes"], &rows)
}

fn describe(name: &str, snapshot: &Snapshot) -> Listed {
    let bounds = snapshot.time_bounds();
    Listed {
        table: name.to_owned(),
        version: snapshot.version,
        rows: snapshot.rows(),
        files: snapshot.files.len(),
        bytes: snapshot.bytes(),
        min_time: bounds.map(|b| output::instant(b.0)),
        max_time: bounds.map(|b| output::instant(b.1)),
    }
}

pub(crate) async fn show(lake: &Lake, name: &str, settings: &Settings) -> anyhow::Result<()> {
    let table = open(lake, name).await?;
    let snapshot = table.snapshot();
    let definition = table.definition(lake).await?;
    let sort = definition
        .as_ref()
        .map(|d| d.definition.sort_columns())
        .unwrap_or_default();
    if settings.json {
        let columns: Vec<_> = snapshot
            .schema
            .fields()
            .iter()
            .map(|f| json!({"name": f.name(), "type": f.data_type().to_string(), "unit": f.metadata().get("downlake.unit")}))
            .collect();
        return output::json(&json!({
            "table": name,
            "version": snapshot.version,
            "rows": snapshot.rows(),
            "files": snapshot.files.len(),
            "bytes": snapshot.bytes(),
            "partition": snapshot.partition_columns,
            "sort": sort,
            "definition": definition.as_ref().map(|d| d.number),
            "columns": columns,
        }));
    }
    let listed = describe(name, &snapshot);
    output::text(&format!(
        "{name}  version {}  {} rows  {} files  {}",
        listed.version,
        listed.rows.map_or_else(|| "?".to_owned(), output::count),
        listed.files,
        output::bytes(listed.bytes)
    ))?;
    if let (Some(from), Some(to)) = (listed.min_time, listed.max_time) {
        output::text(&format!("time       {from} to {to}"))?;
    }
    output::text(&format!(
        "partition  {}",
        or_none(&snapshot.partition_columns)
    ))?;
    output::text(&format!("sorted by  {}\n", or_none(&sort)))?;
    let units = definition.as_ref().map(|d| d.definition.table_schema());
    let rows: Vec<_> = snapshot
        .schema
        .fields()
        .iter()
        .map(|f| {
            let said = units
                .as_ref()
                .and_then(|s| s.field_with_name(f.name()).ok());
            let meta = |key: &str| {
                said.and_then(|f| f.metadata().get(key).cloned())
                    .unwrap_or_default()
            };
            vec![
                f.name().clone(),
                f.data_type().to_string(),
                meta("downlake.unit"),
                meta("downlake.description"),
            ]
        })
        .collect();
    output::columns(&["column", "type", "unit", "description"], &[], &rows)
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

async fn history(lake: &Lake, name: &str, limit: usize, settings: &Settings) -> anyhow::Result<()> {
    let entries = open(lake, name).await?.log().history(Some(limit)).await?;
    if settings.json {
        let entries: Vec<_> = entries
            .iter()
            .map(|e| {
                json!({
                    "version": e.version,
                    "timestamp": output::instant(e.timestamp_ms.saturating_mul(1000)),
                    "operation": e.operation,
                    "info": e.info,
                })
            })
            .collect();
        return output::json(&entries);
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|e| {
            let row = e.info.get("downlake").and_then(|d| d.pointer("/rows/0"));
            let field = |key: &str| row.and_then(|r| r.get(key));
            vec![
                e.version.to_string(),
                output::instant(e.timestamp_ms.saturating_mul(1000)),
                e.operation.clone(),
                field("rows_committed")
                    .and_then(|n| n.as_u64())
                    .map(output::count)
                    .unwrap_or_default(),
                field("source")
                    .and_then(|s| s.as_str())
                    .unwrap_or_default()
                    .to_owned(),
            ]
        })
        .collect();
    output::columns(
        &["version", "timestamp", "operation", "rows", "source"],
        &["version", "rows"],
        &rows,
    )
}

/// A table that must exist, or an error that names what is near.
pub(crate) async fn open(lake: &Lake, name: &str) -> Result<Arc<Table>> {
    if let Some(table) = lake.table(name).await? {
        return Ok(table);
    }
    let names = lake.table_names(name.starts_with('_')).await?;
    let hint = match nearest(name, &names) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None if names.is_empty() => "; the lake has no tables yet".to_owned(),
        None => format!("; there are {}", names.join(", ")),
    };
    Err(Error::not_found(format!(
        "there is no table \"{name}\" in {}{hint}",
        lake.storage().url()
    )))
}
