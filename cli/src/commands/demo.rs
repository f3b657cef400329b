//! `downlake demo`: raw files of a launch campaign, a lake, answers.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use downlake_ingest::job::IngestRequest;
use downlake_ingest::report::IngestReport;
use downlake_ingest::source::PathPattern;
use downlake_lake::table::Lake;
use downlake_query::output::{Format, OutputOptions};
use downlake_query::{Outcome, Session, parse};
use downlake_simulate::Campaign;

use super::interrupt::Interrupt;
use super::{ingest, output, sql};
use crate::args::DemoArgs;
use crate::plot::{PlotKind, Screen};
use crate::settings::Settings;
use crate::wire;

/// What is asked of the campaign: each statement below its question.
const QUESTIONS: &str = include_str!("demo/questions.sql");

/// The question whose answer is drawn, and what is drawn of it.
const DRAWN: (&str, &str) = (
    "Which engine drifted?",
    "SELECT time, bearing_temperature, 'engine ' || engine AS engine FROM engine
WHERE flight = 'F03' AND engine IN (3, 4) AND state = 'RUN'",
);

/// The flight that is drawn; a shorter campaign has none.
const DRAWN_FLIGHT: u32 = 3;

/// An ingest, by the options that it would be typed with.
struct Step {
    source: &'static str,
    options: &'static [(&'static str, &'static str)],
}

const STEPS: [Step; 8] = [
    Step {
        source: "launcher",
        options: &[
            ("--schema", "launcher.toml"),
            ("--from-path", "{flight}/*.ccsds"),
        ],
    },
    Step {
        source: "satellites",
        options: &[
            ("--schema", "satellites.toml"),
            ("--from-path", "{satellite}/*.ccsds"),
        ],
    },
    Step {
        source: "stand",
        options: &[("--schema", "stand.toml"), ("--from-path", "{firing}.csv")],
    },
    Step {
        source: "stations/tracking",
        options: &[("--table", "tracking"), ("--time", "time")],
    },
    Step {
        source: "stations/receipts",
        options: &[("--table", "receipts"), ("--time", "received_from")],
    },
    Step {
        source: "stations/health",
        options: &[
            ("--table", "health"),
            ("--time", "generated_at"),
            ("--received-at", "received_at"),
        ],
    },
    Step {
        source: "flights.csv",
        options: &[("--table", "flights"), ("--time", "none")],
    },
    Step {
        source: "labels.csv",
        options: &[("--table", "labels"), ("--time", "none")],
    },
];

pub(crate) async fn run(
    args: DemoArgs,
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    let (raw, lake_dir) = (args.dir.join("raw"), args.dir.join("lake"));
    simulate(&args, &raw)?;
    let settings = Settings {
        lake: lake_dir.display().to_string(),
        json: false,
        ..settings.clone()
    };
    let lake = wire::lake_to_write(&settings).await?;
    for step in &STEPS {
        land(step, &raw, &lake, &settings, interrupt).await?;
    }
    let session = sql::session(&lake, &settings, false)?;
    for (question, statement) in questions() {
        output::text(&format!("\n{question}\n\n{}\n", indented(statement)))?;
        answer(&session, statement, interrupt).await?;
        if question.starts_with(DRAWN.0) && args.flights >= DRAWN_FLIGHT {
            draw(&session, DRAWN.1, interrupt).await?;
        }
    }
    lake.settle().await;
    next_steps(&args.dir)?;
    Ok(0)
}

/// Writes the raw files, and the questions beside them.
fn simulate(args: &DemoArgs, raw: &Path) -> anyhow::Result<()> {
    let campaign = Campaign {
        seed: args.seed,
        flights: args.flights,
        hours: args.hours,
        satellites: args.satellites,
    };
    let written = campaign.write(raw, &mut |_, _| {});
    let written =
        written.with_context(|| format!("cannot write the campaign to {}", raw.display()))?;
    let place = args.dir.join("questions.sql");
    std::fs::write(&place, QUESTIONS)
        .with_context(|| format!("cannot write {}", place.display()))?;
    output::text(&format!(
        "simulated {} raw files, {} records, {}, in {}\n",
        written.files.len(),
        output::count(written.records()),
        output::bytes(written.bytes()),
        raw.display()
    ))
}

/// Ingests the files of one step, and says it as it would be typed.
async fn land(
    step: &Step,
    raw: &Path,
    lake: &Arc<Lake>,
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    output::text(&format!("$ {}", step.typed(raw)))?;
    let request = step.request(raw, settings)?;
    let report = ingest::land(lake, &request, settings, &interrupt.stop).await?;
    output::text(&summary(&report))?;
    match report.first_error {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

impl Step {
    fn option(&self, name: &str) -> Option<String> {
        let mut options = self.options.iter();
        let found = options.find(|(option, _)| *option == name);
        found.map(|(_, value)| (*value).to_owned())
    }

    fn typed(&self, raw: &Path) -> String {
        let mut line = format!("downlake ingest {}", raw.join(self.source).display());
        for (option, value) in self.options {
            let value = match (*option, value.contains('*') || value.contains('{')) {
                ("--schema", _) => raw.join(value).display().to_string(),
                (_, true) => format!("'{value}'"),
                (_, false) => (*value).to_owned(),
            };
            line += &format!(" {option} {value}");
        }
        line
    }

    fn request(&self, raw: &Path, settings: &Settings) -> anyhow::Result<IngestRequest> {
        let schema = self.option("--schema").map(|file| raw.join(file));
        let schema = schema.map(|path| path.display().to_string());
        let (definition, packets) = ingest::schemas(schema.as_slice())?;
        let from_path = self.option("--from-path");
        Ok(IngestRequest {
            sources: vec![raw.join(self.source).display().to_string()],
            definition,
            packets,
            from_path: from_path
                .map(|text| PathPattern::parse(&text))
                .transpose()?,
            table: self.option("--table"),
            time: self.option("--time"),
            received_at: self.option("--received-at"),
            ..ingest::default_request(settings)
        })
    }
}

fn summary(report: &IngestReport) -> String {
    let states = report.states();
    let states: Vec<String> = states
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    let tables: Vec<&str> = report.tables.iter().map(|t| t.table.as_str()).collect();
    let tables = match tables.is_empty() {
        true => String::new(),
        false => format!("  tables  {}\n", tables.join(", ")),
    };
    format!(
        "{tables}  units   {}\n  rows    {} in = {} committed + {} quarantined + {} duplicate + {} skipped\n",
        states.join(", "),
        output::count(report.rows_in),
        output::count(report.rows_committed),
        output::count(report.rows_quarantined),
        output::count(report.rows_duplicate),
        output::count(report.rows_skipped),
    )
}

/// Each question with its statement.
fn questions() -> impl Iterator<Item = (&'static str, &'static str)> {
    let blocks = QUESTIONS.split("-- ").filter(|block| !block.is_empty());
    blocks.filter_map(|block| {
        let (question, statement) = block.split_once('\n')?;
        Some((question, statement.trim().trim_end_matches(';')))
    })
}

fn indented(statement: &str) -> String {
    let lines: Vec<String> = statement.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

async fn answer(session: &Session, statement: &str, interrupt: &Interrupt) -> anyhow::Result<()> {
    for statement in parse(statement)? {
        if let Outcome::Rows(rows) = session.run(&statement, &interrupt.cancel).await? {
            let mut out = std::io::stdout();
            sql::write(rows, Format::Table, &OutputOptions::default(), &mut out).await?;
        }
    }
    Ok(())
}

/// Draws a result to the terminal.
async fn draw(session: &Session, statement: &str, interrupt: &Interrupt) -> anyhow::Result<()> {
    output::text(&format!(
        "\nSee it: downlake sql --plot\n\n{}\n",
        indented(statement)
    ))?;
    for statement in parse(statement)? {
        if let Outcome::Rows(rows) = session.run(&statement, &interrupt.cancel).await? {
            let chart = sql::chart(rows, PlotKind::Line).await?;
            output::text(&Screen::of_stdout().text(&chart)?)?;
        }
    }
    Ok(())
}

fn next_steps(dir: &Path) -> anyhow::Result<()> {
    let (lake, raw) = (dir.join("lake"), dir.join("raw"));
    let (lake, raw, dir) = (lake.display(), raw.display(), dir.display());
    output::text(&format!(
        "
The anomalies that were put in: downlake --lake {lake} sql \"SELECT * FROM labels\"

Go on with:
  downlake --lake {lake} table list
  downlake --lake {lake} table show engine
  downlake --lake {lake} quarantine list
  downlake --lake {lake} sql                                   (a shell)
  downlake --lake {lake} sql --timing --file {dir}/questions.sql
  downlake --lake {lake} sql \"SELECT * FROM tracking LIMIT 5\"
  downlake --lake {lake} ingest {raw}/flights.csv --table flights --time none     (again: it adds nothing)"
    ))
}
