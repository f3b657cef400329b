//! `downlake schema`: stream definitions.

use std::sync::Arc;

use downlake_ingest::job::infer_definition;
use downlake_lake::schema::{Definition, TimeAxis, embedded};
use serde_json::json;

use super::{ingest, output, table};
use crate::args::{InferArgs, SchemaCommand};
use crate::progress::Bar;
use crate::settings::Settings;
use crate::wire;

pub(crate) async fn run(command: SchemaCommand, settings: &Settings) -> anyhow::Result<u8> {
    match command {
        SchemaCommand::List => list(settings).await?,
        SchemaCommand::Show { stream } => show(&stream, settings).await?,
        SchemaCommand::Infer(args) => infer(&args, settings).await?,
        SchemaCommand::Check { file } => check(&file.to_string_lossy(), settings)?,
    }
    Ok(0)
}

async fn list(settings: &Settings) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for name in embedded::names() {
        found.push(("embedded", ingest::definition(name)?, None));
    }
    if let Ok(lake) = wire::lake(settings).await {
        for name in lake.table_names(false).await? {
            let stored = table::open(&lake, &name).await?.definition(&lake).await?;
            found.extend(stored.map(|s| ("lake", s.definition, Some(s.number))));
        }
    }
    if settings.json {
        let all: Vec<_> = found
            .iter()
            .map(|(place, d, number)| {
                json!({"stream": d.stream, "place": place, "number": number, "columns": d.columns.len(), "description": d.description})
            })
            .collect();
        return output::json(&all);
    }
    let rows: Vec<_> = found
        .into_iter()
        .map(|(place, d, number)| {
            let number = number.map(|n: u32| n.to_string()).unwrap_or_default();
            let columns = d.columns.len().to_string();
            vec![
                d.stream,
                place.to_owned(),
                number,
                columns,
                d.description.unwrap_or_default(),
            ]
        })
        .collect();
    output::columns(
        &["stream", "place", "number", "columns", "description"],
        &["number", "columns"],
        &rows,
    )
}

/// A table's definition if the lake has one, else an embedded stream or a file.
async fn show(stream: &str, settings: &Settings) -> anyhow::Result<()> {
    if let Ok(lake) = wire::lake(settings).await
        && let Some(table) = lake.table(stream).await?
        && let Some(stored) = table.definition(&lake).await?
    {
        return output::text(stored.definition.to_toml().trim_end());
    }
    output::text(ingest::definition(stream)?.to_toml().trim_end())
}

async fn infer(args: &InferArgs, settings: &Settings) -> anyhow::Result<()> {
    let request = ingest::infer_request(args, settings);
    let bar = Arc::new(Bar::new(settings.quiet));
    let definition = infer_definition(&request, bar.clone()).await;
    bar.finish();
    output::text(definition?.to_toml().trim_end())
}

fn check(file: &str, settings: &Settings) -> anyhow::Result<()> {
    let definition = ingest::definition(file)?;
    let axis = axis(&definition);
    let sort = definition.sort_columns();
    if settings.json {
        return output::json(&json!({
            "stream": definition.stream,
            "columns": definition.columns.len(),
            "axis": axis,
            "partition": definition.partition_columns(),
            "sort": sort,
            "dedup": definition.dedup_by,
            "hash": definition.hash(),
        }));
    }
    output::text(&format!(
        "{}  {} columns",
        definition.stream,
        definition.columns.len()
    ))?;
    output::text(&format!("axis       {axis}"))?;
    output::text(&format!(
        "partition  {}",
        definition.partition_columns().join(", ")
    ))?;
    output::text(&format!("sorted by  {}", sort.join(", ")))?;
    output::text("the definition is good")
}

fn axis(definition: &Definition) -> String {
    match &definition.time {
        TimeAxis::Absolute(time) => format!("absolute, from {}", time.columns.join(", ")),
        TimeAxis::Relative { column, unit, .. } => format!("relative, {column} in {unit}"),
        TimeAxis::None => "none".to_owned(),
    }
}
