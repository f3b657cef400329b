//! `downlake schema`: definitions of streams and of packets.

mod check;

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use downlake_ingest::job::infer_definition;
use downlake_lake::Error;
use downlake_lake::schema::embedded;
use serde_json::json;

use super::{ingest, output, table};
use crate::args::{ImportArgs, InferArgs, SchemaCommand};
use crate::definitions::{self, Given};
use crate::progress::Bar;
use crate::settings::Settings;
use crate::wire;
use check::check;

pub(crate) async fn run(command: SchemaCommand, settings: &Settings) -> anyhow::Result<u8> {
    match command {
        SchemaCommand::List => list(settings).await?,
        SchemaCommand::Show { stream } => show(&stream, settings).await?,
        SchemaCommand::Infer(args) => infer(&args, settings).await?,
        SchemaCommand::Check { files } => return check(&files, settings),
        SchemaCommand::Import(args) => import(&args)?,
    }
    Ok(0)
}

async fn list(settings: &Settings) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for name in embedded::names() {
        found.push(("embedded", definitions::stream(name)?, None));
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
    match definitions::given(stream)? {
        Given::Stream(definition) => output::text(definition.to_toml().trim_end()),
        Given::Packets(packets) => output::text(packets.text.trim_end()),
    }
}

async fn infer(args: &InferArgs, settings: &Settings) -> anyhow::Result<()> {
    let request = ingest::infer_request(args, settings);
    let bar = Arc::new(Bar::new(settings.quiet));
    let definition = infer_definition(&request, bar.clone()).await;
    bar.finish();
    output::text(definition?.to_toml().trim_end())
}

/// A packet definition in our own form.
fn import(args: &ImportArgs) -> anyhow::Result<()> {
    let packets = definitions::packets(&args.definition.to_string_lossy())?;
    let Some(path) = &args.output else {
        return output::text(packets.text.trim_end());
    };
    let mut file = std::fs::File::create_new(path).map_err(|error| {
        let message = format!("cannot create {}: {error}", path.display());
        Error::invalid(message).with_source(error)
    })?;
    file.write_all(packets.text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}
