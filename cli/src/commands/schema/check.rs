//! `downlake schema check`: what definitions contain, and all that they are
//! refused for.

use std::path::{Path, PathBuf};

use downlake_ingest::packet::schema::{Form, Survey, SurveyedColumn, SurveyedStream};
use downlake_lake::ErrorKind;
use downlake_lake::schema::{Column, Definition, TimeAxis};
use serde_json::{Value, json};

use crate::commands::output;
use crate::definitions::{self, Content};
use crate::settings::Settings;

/// Looks at every file; the code of a refusal if one of them is refused.
pub(super) fn check(files: &[PathBuf], settings: &Settings) -> anyhow::Result<u8> {
    let mut refused = false;
    let mut all = Vec::new();
    for file in files {
        let content = definitions::content(&file.to_string_lossy())?;
        if let Content::Packets(survey) = &content {
            refused |= !survey.refusals.is_empty();
        }
        if settings.json {
            all.push(as_json(file, &content));
        } else {
            print(file, &content)?;
        }
    }
    match all.as_slice() {
        [] => {}
        [one] => output::json(one)?,
        _ => output::json(&all)?,
    }
    match refused {
        true => Ok(ErrorKind::Invalid.exit_code()),
        false => Ok(0),
    }
}

fn as_json(file: &Path, content: &Content) -> Value {
    match content {
        Content::Stream(definition) => stream_json(definition),
        Content::Packets(survey) => json!({
            "file": file.to_string_lossy(),
            "form": form(survey.form),
            "name": survey.name,
            "description": survey.description,
            "root": survey.root,
            "parameters": survey.parameters,
            "containers": survey.containers,
            "streams": survey.streams.iter().map(packet_stream_json).collect::<Vec<_>>(),
            "notices": survey.notices,
            "refusals": survey.refusals,
        }),
    }
}

fn stream_json(definition: &Definition) -> Value {
    json!({
        "stream": definition.stream,
        "columns": definition.columns.len(),
        "axis": axis(definition),
        "partition": definition.partition_columns(),
        "sort": definition.sort_columns(),
        "dedup": definition.dedup_by,
        "hash": definition.hash(),
    })
}

fn packet_stream_json(stream: &SurveyedStream) -> Value {
    let definition = &stream.definition;
    let columns = definition.columns.iter().zip(&stream.columns);
    let column = |(column, place): (&Column, &SurveyedColumn)| {
        json!({
            "name": column.name,
            "source": column.source,
            "type": column.kind.to_string(),
            "unit": column.unit,
            "bit": place.bit,
            "bits": place.bits,
            "count": place.count,
        })
    };
    json!({
        "stream": definition.stream,
        "container": stream.container,
        "line": stream.place.line,
        "when": stream.when,
        "axis": axis(definition),
        "partition": definition.partition_columns(),
        "sort": definition.sort_columns(),
        "dedup": definition.dedup_by,
        "columns": columns.map(column).collect::<Vec<_>>(),
        "clocks": stream.clocks.iter().map(|clock| clock.toml()).collect::<Vec<_>>(),
    })
}

fn print(file: &Path, content: &Content) -> anyhow::Result<()> {
    match content {
        Content::Stream(definition) => {
            let columns = definition.columns.len();
            output::text(&format!("{}  {columns} columns", definition.stream))?;
            print_order(definition)?;
            output::text("the definition is good")
        }
        Content::Packets(survey) => print_survey(file, survey),
    }
}

fn print_survey(file: &Path, survey: &Survey) -> anyhow::Result<()> {
    output::text(&format!(
        "{}  {}  {} parameters, {} containers",
        survey.name,
        form(survey.form),
        survey.parameters,
        survey.containers
    ))?;
    for stream in &survey.streams {
        print_stream(stream)?;
    }
    for notice in &survey.notices {
        output::text(&format!("notice   {notice}"))?;
    }
    for refusal in &survey.refusals {
        output::text(&format!("refused  {refusal}"))?;
    }
    output::text(&match survey.refusals.len() {
        0 => "the definition is good".to_owned(),
        1 => format!("{} is refused for one reason", file.display()),
        count => format!("{} is refused for {count} reasons", file.display()),
    })
}

fn print_stream(stream: &SurveyedStream) -> anyhow::Result<()> {
    let definition = &stream.definition;
    output::text(&format!(
        "\n{}  container {} at {}",
        definition.stream, stream.container, stream.place
    ))?;
    for condition in &stream.when {
        output::text(&format!("when       {condition}"))?;
    }
    print_order(definition)?;
    let columns = definition.columns.iter().zip(&stream.columns);
    let rows: Vec<_> = columns.map(|(column, place)| row(column, *place)).collect();
    output::columns(
        &["column", "type", "bit", "bits", "unit", "source"],
        &["bit", "bits"],
        &rows,
    )?;
    for clock in &stream.clocks {
        let lines = clock.toml().replace('\n', "\n           ");
        output::text(&format!("a clock?   {lines}"))?;
    }
    Ok(())
}

/// Where a value has no fixed place, the cell is empty.
fn row(column: &Column, place: SurveyedColumn) -> Vec<String> {
    let number = |number: Option<u32>| number.map(|n| n.to_string()).unwrap_or_default();
    let bits = match place.count {
        Some(count) => format!("{count} x {}", number(place.bits)),
        None => number(place.bits),
    };
    vec![
        column.name.clone(),
        column.kind.to_string(),
        number(place.bit),
        bits,
        column.unit.clone().unwrap_or_default(),
        column.source.clone(),
    ]
}

fn print_order(definition: &Definition) -> anyhow::Result<()> {
    output::text(&format!("axis       {}", axis(definition)))?;
    output::text(&format!(
        "partition  {}",
        definition.partition_columns().join(", ")
    ))?;
    let sort = definition.sort_columns();
    output::text(&format!("sorted by  {}", sort.join(", ")))
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Xtce => "xtce",
        Form::Ccsdspy => "ccsdspy",
        Form::Toml => "toml",
    }
}

fn axis(definition: &Definition) -> String {
    match &definition.time {
        TimeAxis::Absolute(time) => format!("absolute, from {}", time.columns.join(", ")),
        TimeAxis::Relative { column, unit, .. } => format!("relative, {column} in {unit}"),
        TimeAxis::None => "none".to_owned(),
    }
}
