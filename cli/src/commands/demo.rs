//! `downlake demo`: raw files of a small launch campaign, a lake, answers.

use std::path::Path;

use anyhow::Context;
use downlake_ingest::job::IngestRequest;
use downlake_query::output::{Format, OutputOptions};
use downlake_query::{Outcome, parse};

use super::interrupt::Interrupt;
use super::{ingest, output, sql};
use crate::args::DemoArgs;
use crate::demo::simulate;
use crate::settings::Settings;
use crate::wire;

/// What is asked of the campaign: a question and its statement.
const QUESTIONS: [(&str, &str); 3] = [
    (
        "How high and how fast did each flight go?",
        "SELECT flight, round(max(altitude_km), 1) AS apogee_km, round(max(velocity_m_s)) AS top_speed_m_s, \
         count(*) AS samples FROM flights GROUP BY flight ORDER BY flight",
    ),
    (
        "Which engine of the stand runs hot on vibration?",
        "SELECT engine, round(avg(vibration), 2) AS mean_g, round(max(vibration), 2) AS max_g, \
         round(avg(chamber_pressure), 1) AS mean_bar FROM stand GROUP BY engine ORDER BY mean_g DESC LIMIT 3",
    ),
    (
        "What was refused, and why?",
        "SELECT source, line, reason, detail FROM _quarantine ORDER BY source, line LIMIT 5",
    ),
];

pub(crate) async fn run(
    args: DemoArgs,
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    let (raw, lake_dir) = (args.dir.join("raw"), args.dir.join("lake"));
    let written = simulate::write(&raw, args.seed)
        .with_context(|| format!("cannot write the campaign to {}", raw.display()))?;
    output::text(&format!(
        "simulated {} raw files, {} rows, in {}\n",
        written.files.len(),
        output::count(written.rows),
        raw.display()
    ))?;
    let settings = Settings {
        lake: lake_dir.display().to_string(),
        json: false,
        ..settings.clone()
    };
    let lake = wire::lake_to_write(&settings).await?;
    for (folder, table) in [("flights", "flights"), ("stand", "stand")] {
        let request = request(&raw.join(folder), table, &settings);
        let report = ingest::land(&lake, &request, &settings, &interrupt.stop).await?;
        ingest::print(&report, &settings)?;
        output::text("")?;
        if let Some(error) = report.first_error {
            return Err(error.into());
        }
    }
    let session = sql::session(&lake, &settings, false)?;
    for (question, statement) in QUESTIONS {
        output::text(&format!("{question}\n  {statement}"))?;
        for statement in parse(statement)? {
            if let Outcome::Rows(rows) = session.run(&statement, &interrupt.cancel).await? {
                sql::write(
                    rows,
                    Format::Table,
                    &OutputOptions::default(),
                    &mut std::io::stdout(),
                )
                .await?;
            }
        }
        output::text("")?;
    }
    lake.settle().await;
    next_steps(&args.dir)?;
    Ok(0)
}

fn request(sources: &Path, table: &str, settings: &Settings) -> IngestRequest {
    IngestRequest {
        sources: vec![sources.display().to_string()],
        table: Some(table.to_owned()),
        time: Some("time".to_owned()),
        ..ingest::default_request(settings)
    }
}

fn next_steps(dir: &Path) -> anyhow::Result<()> {
    let lake = dir.join("lake");
    let (lake, raw) = (lake.display(), dir.join("raw"));
    output::text(&format!(
        "Go on with:
  downlake --lake {lake} table list
  downlake --lake {lake} table show flights
  downlake --lake {lake} quarantine list
  downlake --lake {lake} sql \"SELECT * FROM flights LIMIT 5\"
  downlake --lake {lake} ingest {} --table flights     (again: it adds nothing)",
        raw.join("flights").display()
    ))
}
