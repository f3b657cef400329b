//! `downlake sql`: statements in, rows out.

use std::io::{BufWriter, IsTerminal, Read, Stdout, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use downlake_ingest::rows::FileRowSource;
use downlake_lake::table::Lake;
use downlake_lake::{Error, ErrorKind};
use downlake_query::lake::LakeCatalog;
use downlake_query::output::{self, Format, NanStyle, OutputOptions};
use downlake_query::{Outcome, Rows, Session, SessionBuilder, Statement, parse};
use futures::StreamExt;
use tempfile::NamedTempFile;

use super::interrupt::Interrupt;
use crate::args::{NanFormat, OutputFormat, PlotArg, SqlArgs};
use crate::excerpt::pointed;
use crate::plot::{Chart, FileTarget, Plot, PlotKind, Screen};
use crate::settings::Settings;
use crate::{shell, wire};

/// Bytes held back before they are written.
const OUTPUT_BUFFER: usize = 256 << 10;

pub(crate) async fn run(
    args: SqlArgs,
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    if is_for_a_shell(&args) {
        return shell::run(&args, settings, interrupt).await;
    }
    let text = text(&args)?;
    run_all(&text, &args, settings, interrupt)
        .await
        .map_err(|error| pointed(error, &text))
}

/// Nothing to run is given, and a person can be asked.
fn is_for_a_shell(args: &SqlArgs) -> bool {
    let given = args.sql.is_some() || args.file.is_some() || args.plot.is_some();
    !given && std::io::stdin().is_terminal()
}

async fn run_all(
    text: &str,
    args: &SqlArgs,
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    let statements = parse(text)?;
    if statements.is_empty() {
        return Err(Error::invalid("there is no statement; try: downlake sql \"SELECT 1\"").into());
    }
    let lake = lake_for(&statements, args.read_only, settings).await?;
    let session = session(&lake, settings, !args.read_only)?;
    let mut shape = shape(args, settings)?;
    let mut out = Out::open(args.output.as_deref())?;
    for (done, statement) in statements.iter().enumerate() {
        let started = Instant::now();
        let shown = show(&session, statement, &mut shape, &mut out, interrupt).await;
        shown.map_err(|error| told(error, done, statements.len()))?;
        if args.timing {
            tell!(
                "{}  elapsed {:.3} ms",
                first_line(statement.text()),
                started.elapsed().as_secs_f64() * 1e3
            );
        }
    }
    out.finish()?;
    lake.settle().await;
    Ok(0)
}

/// Says of an interrupted command what may be run again.
fn told(error: anyhow::Error, done: usize, all: usize) -> anyhow::Error {
    let is_cancelled = |error: &Error| error.kind() == ErrorKind::Cancelled;
    if !error.downcast_ref().is_some_and(is_cancelled) {
        return error;
    }
    let message = match done {
        0 => "interrupted: the statement left nothing; the same command again finishes the work"
            .to_owned(),
        _ => format!(
            "interrupted: {done} of {all} statements are done, the next one left nothing; run those that are left"
        ),
    };
    Error::new(ErrorKind::Cancelled, message).into()
}

/// Only a statement that makes a table may make its lake.
async fn lake_for(
    statements: &[Statement],
    read_only: bool,
    settings: &Settings,
) -> anyhow::Result<Arc<Lake>> {
    if read_only {
        lake_to_read(settings).await
    } else if statements.iter().any(Statement::creates) {
        Ok(wire::lake_to_write(settings).await?)
    } else if statements.iter().any(Statement::inserts) {
        Ok(wire::lake(settings).await?)
    } else {
        lake_to_read(settings).await
    }
}

/// Files can be asked for without a lake: then there is an empty one in memory.
pub(crate) async fn lake_to_read(settings: &Settings) -> anyhow::Result<Arc<Lake>> {
    match wire::lake(settings).await {
        Err(error) if error.kind() == ErrorKind::NotFound && settings.lake == "./lake" => {
            let empty = Settings {
                lake: "memory://".to_owned(),
                ..settings.clone()
            };
            Ok(wire::lake_to_write(&empty).await?)
        }
        lake => Ok(lake?),
    }
}

/// A session over a lake, with raw files and, if allowed, writes.
pub(crate) fn session(
    lake: &Arc<Lake>,
    settings: &Settings,
    writable: bool,
) -> anyhow::Result<Session> {
    let memory = usize::try_from(settings.memory_bytes).unwrap_or(usize::MAX);
    let files = Arc::new(FileRowSource::new(
        settings.temp_dir.clone(),
        settings.cloud.clone(),
    ));
    let catalog = Arc::new(LakeCatalog::new(Arc::clone(lake), Some(files), memory / 2));
    let mut builder = SessionBuilder::new(catalog.clone())
        .with_memory_bytes(memory)
        .with_compute(wire::compute()?)
        .with_spill_dir(settings.temp_dir.clone());
    if writable {
        builder = builder.with_writer(catalog);
    }
    Ok(builder.build()?)
}

/// What becomes of rows.
enum Shape {
    Rows(Format, OutputOptions),
    Plot(Plotter),
}

fn shape(args: &SqlArgs, settings: &Settings) -> anyhow::Result<Shape> {
    let kind = match &args.plot {
        None => return Ok(Shape::Rows(format(args), options(args))),
        Some(PlotArg::Kind(kind)) => *kind,
        Some(PlotArg::Sql(_)) => PlotKind::default(),
    };
    let file = args.output.as_deref().map(FileTarget::from_path);
    Ok(Shape::Plot(Plotter {
        kind,
        file: file.transpose()?,
        quiet: settings.quiet,
        drawn: 0,
    }))
}

/// Draws results, to a file only one.
struct Plotter {
    kind: PlotKind,
    file: Option<FileTarget>,
    quiet: bool,
    drawn: usize,
}

impl Plotter {
    async fn draw(&mut self, rows: Rows, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        self.drawn += 1;
        if self.file.is_some() && self.drawn > 1 {
            return Err(Error::invalid(
                "plot: a file holds one picture, and two statements return rows",
            )
            .into());
        }
        let chart = chart(rows, self.kind).await?;
        match self.file {
            Some(file) => file.write(&chart, out)?,
            None => out.write_all(Screen::of_stdout().text(&chart)?.as_bytes())?,
        }
        if !self.quiet {
            for note in &chart.notes {
                tell!("note: {note}");
            }
        }
        Ok(())
    }
}

/// The chart of all rows.
pub(crate) async fn chart(mut rows: Rows, kind: PlotKind) -> anyhow::Result<Chart> {
    let mut plot = Plot::try_new(kind, &rows.schema)?;
    while let Some(batch) = rows.batches.next().await {
        plot.push(&batch?)?;
    }
    Ok(plot.finish()?)
}

/// Runs a statement and writes what it answers.
async fn show(
    session: &Session,
    statement: &Statement,
    shape: &mut Shape,
    out: &mut (dyn Write + Send),
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    match session.run(statement, &interrupt.cancel).await? {
        Outcome::Rows(rows) => match shape {
            Shape::Rows(format, options) => write(rows, *format, options, out).await,
            Shape::Plot(plotter) => plotter.draw(rows, out).await,
        },
        Outcome::Written(report) => {
            tell!(
                "{} rows written, version {}",
                super::output::count(report.rows),
                report.version
            );
            Ok(())
        }
        Outcome::Copied { path, rows } => {
            tell!(
                "{} rows copied to {}",
                super::output::count(rows),
                path.display()
            );
            Ok(())
        }
        Outcome::Done => Ok(()),
    }
}

/// Writes rows as they come.
pub(crate) async fn write(
    mut rows: Rows,
    format: Format,
    options: &OutputOptions,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let mut writer = output::writer(format, &rows.schema, out, options)?;
    while let Some(batch) = rows.batches.next().await {
        writer.write(&batch?)?;
    }
    writer.finish()?;
    Ok(())
}

fn text(args: &SqlArgs) -> anyhow::Result<String> {
    match (&args.sql, &args.plot) {
        (Some(_), Some(PlotArg::Sql(text))) => {
            return Err(Error::invalid(format!(
                "no plot \"{text}\": one of {}",
                PlotKind::NAMES.join(", ")
            ))
            .into());
        }
        (Some(sql), _) | (None, Some(PlotArg::Sql(sql))) => return Ok(sql.clone()),
        (None, _) => {}
    }
    if let Some(path) = &args.file {
        let read = std::fs::read_to_string(path);
        return read.with_context(|| format!("cannot read statements from {}", path.display()));
    }
    if std::io::stdin().is_terminal() {
        return Err(Error::invalid("there is no statement; try: downlake sql \"SELECT 1\"").into());
    }
    let mut sql = String::new();
    std::io::stdin().read_to_string(&mut sql)?;
    Ok(sql)
}

/// The format asked for; else the one of the output file; else aligned text
/// for a person and CSV for a pipe.
fn format(args: &SqlArgs) -> Format {
    match args.format {
        Some(format) => format.into(),
        None => {
            let named = args
                .output
                .as_ref()
                .and_then(|path| Format::from_path(&path.to_string_lossy()).ok());
            named.unwrap_or(Format::Table)
        }
    }
}

impl From<OutputFormat> for Format {
    fn from(asked: OutputFormat) -> Format {
        match asked {
            OutputFormat::Table => Format::Table,
            OutputFormat::Csv => Format::Csv,
            OutputFormat::Json => Format::Json,
            OutputFormat::Arrow => Format::Arrow,
            OutputFormat::Parquet => Format::Parquet,
        }
    }
}

fn options(args: &SqlArgs) -> OutputOptions {
    let on_screen = args.output.is_none() && std::io::stdout().is_terminal();
    OutputOptions {
        nan: nan_style(args.nan),
        width: on_screen.then(|| usize::from(Screen::of_stdout().columns)),
        ..OutputOptions::default()
    }
}

/// How JSON says NaN.
pub(crate) fn nan_style(asked: NanFormat) -> NanStyle {
    match asked {
        NanFormat::Null => NanStyle::Null,
        NanFormat::String => NanStyle::Text,
    }
}

/// stdout, or a file that appears under its name only when it is whole.
enum Out<'a> {
    Stdout(BufWriter<Stdout>),
    File(BufWriter<NamedTempFile>, &'a Path),
}

impl Out<'_> {
    fn open(path: Option<&Path>) -> anyhow::Result<Out<'_>> {
        let Some(path) = path else {
            return Ok(Out::Stdout(BufWriter::with_capacity(
                OUTPUT_BUFFER,
                std::io::stdout(),
            )));
        };
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(folder)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Out::File(
            BufWriter::with_capacity(OUTPUT_BUFFER, file),
            path,
        ))
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Out::Stdout(mut out) => out.flush()?,
            Out::File(out, path) => {
                let file = out.into_inner().map_err(|e| e.into_error())?;
                file.persist(path)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        Ok(())
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Out::Stdout(out) => out.write(bytes),
            Out::File(out, _) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Out::Stdout(out) => out.flush(),
            Out::File(out, _) => out.flush(),
        }
    }
}

fn first_line(sql: &str) -> &str {
    sql.trim().lines().next().unwrap_or_default()
}
