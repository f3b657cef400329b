//! The shell: statements typed at a terminal, and what they answer.
//!
//! Promises: Ctrl-C ends the statement that runs, not the shell, and what was
//! committed stays; an error is said and the next line is asked for; results
//! that are longer than the screen go through a pager, wider ones are folded.
//! A lake that is not there is made by the first statement that needs it.

mod command;
mod complete;
mod editor;
mod highlight;
mod lex;
mod sink;

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use downlake_lake::table::Lake;
use downlake_lake::{Error, ErrorKind};
use downlake_query::output::{Format, NanStyle, OutputOptions};
use downlake_query::{Cancel, Outcome, Rows, Session, Statement, parse};
use futures::StreamExt;

use crate::args::SqlArgs;
use crate::commands::interrupt::Interrupt;
use crate::commands::sql::{chart, lake_to_read, nan_style, session, write};
use crate::commands::{output, table};
use crate::excerpt::pointed;
use crate::plot::{FileTarget, PlotKind, Screen};
use crate::settings::{Origin, Settings};
use crate::wire;
use command::{Command, help};
use complete::Names;
use editor::{Lines, Typed};
use sink::{Paged, Sink};

/// How long the first prompt waits for the names of tables; later they come
/// while a person types.
const NAMES_WAIT: Duration = Duration::from_millis(500);

/// Reads and runs until the person leaves.
pub(crate) async fn run(
    args: &SqlArgs,
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    let mut shell = Shell::open(args, settings, interrupt).await?;
    interrupt.serve_a_shell();
    let mut lines = Lines::open(Arc::clone(&shell.names))?;
    shell.greet();
    loop {
        match lines.next(interrupt).await? {
            Typed::GivenUp => {}
            Typed::End => break,
            Typed::Text(text) => match shell.take(&text).await {
                Ok(Next::Ask) => {}
                Ok(Next::Leave) => break,
                Err(error) => say(&error),
            },
        }
    }
    shell.lake.settle().await;
    Ok(0)
}

fn say(error: &anyhow::Error) {
    if is_cancelled(error) {
        // The terminal shows ^C and stays on its line.
        tell!("\ncancelled: the statement left nothing");
    } else if !is_closed(error) {
        tell!("error: {}", crate::told(error));
    }
}

/// Whether the pager was left before the end.
fn is_closed(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.map(std::io::Error::kind)
        .any(|kind| kind == std::io::ErrorKind::BrokenPipe)
}

/// What follows a line.
enum Next {
    Ask,
    Leave,
}

struct Shell<'a> {
    args: &'a SqlArgs,
    settings: &'a Settings,
    interrupt: &'a Interrupt,
    lake: Arc<Lake>,
    session: Arc<Session>,
    /// The lake is one in memory, since there is none yet.
    is_stand_in: bool,
    /// Statements about views, to be repeated in the session of another lake.
    views: Vec<Statement>,
    names: Arc<RwLock<Names>>,
    format: Option<Format>,
    output: Option<(PathBuf, BufWriter<File>)>,
    timing: bool,
    blocks: bool,
    /// The last statement that returned rows.
    last: Option<Statement>,
}

impl<'a> Shell<'a> {
    async fn open(
        args: &'a SqlArgs,
        settings: &'a Settings,
        interrupt: &'a Interrupt,
    ) -> anyhow::Result<Shell<'a>> {
        let lake = lake_to_read(settings).await?;
        let in_memory = lake.storage().url().scheme() == "memory";
        let is_stand_in = in_memory && settings.lake_origin == Origin::Default;
        let session = Arc::new(session(&lake, settings, !args.read_only)?);
        let mut shell = Shell {
            args,
            settings,
            interrupt,
            lake,
            session,
            is_stand_in,
            views: Vec::new(),
            names: Arc::default(),
            format: args.format.map(Format::from),
            output: None,
            timing: args.timing,
            blocks: false,
            last: None,
        };
        if let Some(path) = &args.output {
            shell.output_to(Some(path.clone()))?;
        }
        let learning = shell.learn_names();
        // A slow store does not hold up the first prompt.
        let _ = tokio::time::timeout(NAMES_WAIT, learning).await;
        Ok(shell)
    }

    fn greet(&self) {
        if !self.settings.quiet {
            let lake = if self.is_stand_in {
                "no lake yet"
            } else {
                &self.settings.lake
            };
            tell!(
                "downlake {}  {lake}  \\? for help, \\q to leave",
                env!("CARGO_PKG_VERSION")
            );
        }
    }

    /// Asks for tables and functions, for completion.
    fn learn_names(&self) -> tokio::task::JoinHandle<()> {
        let (session, names) = (Arc::clone(&self.session), Arc::clone(&self.names));
        tokio::spawn(async move {
            // Completion is a help: a store that does not answer takes nothing away.
            let tables = session.tables().await.unwrap_or_default();
            if let Ok(mut names) = names.write() {
                *names = Names {
                    tables,
                    functions: session.functions(),
                };
            }
        })
    }

    /// Runs what was typed.
    async fn take(&mut self, text: &str) -> anyhow::Result<Next> {
        if text.trim_start().starts_with('\\') {
            return self.command(Command::parse(text)?).await;
        }
        let statements = parse(text).map_err(|error| pointed(error.into(), text))?;
        for statement in &statements {
            let started = Instant::now();
            let done = self.statement(statement).await;
            done.map_err(|error| pointed(error, text))?;
            self.say_time(started);
        }
        Ok(Next::Ask)
    }

    fn say_time(&self, started: Instant) {
        if self.timing {
            tell!("elapsed {:.3} ms", started.elapsed().as_secs_f64() * 1e3);
        }
    }

    async fn statement(&mut self, statement: &Statement) -> anyhow::Result<()> {
        if statement.creates() && self.is_stand_in && !self.args.read_only {
            self.make_lake().await?;
        }
        let cancel = self.interrupt.statement();
        match self.session.run(statement, &cancel).await? {
            Outcome::Rows(rows) => {
                self.last = Some(statement.clone());
                return self.show(rows).await;
            }
            Outcome::Written(report) => {
                tell!(
                    "{} rows written, version {}",
                    output::count(report.rows),
                    report.version
                );
            }
            Outcome::Copied { path, rows } => {
                tell!("{} rows copied to {}", output::count(rows), path.display());
            }
            Outcome::Done => {
                self.views.push(statement.clone());
                tell!("done");
            }
        }
        self.learn_names();
        Ok(())
    }

    /// The lake of the settings takes the place of the one in memory.
    async fn make_lake(&mut self) -> anyhow::Result<()> {
        let lake = wire::lake_to_write(self.settings).await?;
        let session = Arc::new(session(&lake, self.settings, true)?);
        for view in &self.views {
            session.run(view, &Cancel::default()).await?;
        }
        (self.lake, self.session, self.is_stand_in) = (lake, session, false);
        Ok(())
    }

    async fn show(&mut self, mut rows: Rows) -> anyhow::Result<()> {
        let counted = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&counted);
        let counting = rows.batches.inspect(move |batch| {
            let rows = batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
            counter.fetch_add(rows, Ordering::Relaxed);
        });
        rows.batches = counting.boxed();
        let screen = Screen::of_stdout();
        let (format, options) = (self.shown_format()?, self.options(&screen));
        let mut sink = match &mut self.output {
            Some((_, file)) => Sink::File(file),
            None => Sink::Screen(Paged::new(
                screen.columns,
                screen.rows,
                std::io::stdout().is_terminal(),
            )),
        };
        write(rows, format, &options, &mut sink).await?;
        sink.finish()?;
        if !self.settings.quiet {
            let rows = counted.load(Ordering::Relaxed);
            tell!(
                "{} row{}",
                output::count(rows),
                if rows == 1 { "" } else { "s" }
            );
        }
        Ok(())
    }

    /// The format asked for, else that of the file, else aligned text.
    fn shown_format(&self) -> anyhow::Result<Format> {
        let named = self.output.as_ref().and_then(|(path, _)| {
            let path = path.to_string_lossy();
            Format::from_path(&path).ok()
        });
        let format = self.format.or(named).unwrap_or(Format::Table);
        if self.output.is_none() && matches!(format, Format::Arrow | Format::Parquet) {
            return Err(Error::invalid(
                "this format is not for the screen: name a file with \\o first",
            )
            .into());
        }
        Ok(format)
    }

    /// No width at all makes a block of each row.
    fn options(&self, screen: &Screen) -> OutputOptions {
        let width = match (self.blocks, &self.output) {
            (true, _) => Some(0),
            (false, Some(_)) => None,
            (false, None) => Some(usize::from(screen.columns)),
        };
        let nan: NanStyle = nan_style(self.args.nan);
        OutputOptions {
            nan,
            width,
            max_rows: None,
        }
    }

    async fn command(&mut self, command: Command) -> anyhow::Result<Next> {
        match command {
            Command::Describe(None) => self.list().await?,
            Command::Describe(Some(name)) => self.describe(&name).await?,
            Command::Format(format) => {
                self.format = format;
                let name = format.map_or("table".to_owned(), |f| format!("{f:?}").to_lowercase());
                tell!("format {name}");
            }
            Command::Output(path) => self.output_to(path)?,
            Command::Plot(kind, file) => self.plot(kind, file).await?,
            Command::Timing(on) => {
                self.timing = on.unwrap_or(!self.timing);
                tell!("timing {}", on_or_off(self.timing));
            }
            Command::Watch(every) => self.watch(every).await?,
            Command::Blocks(on) => {
                self.blocks = on.unwrap_or(!self.blocks);
                tell!("blocks {}", on_or_off(self.blocks));
            }
            Command::Help => output::text(help().trim_end())?,
            Command::Quit => return Ok(Next::Leave),
        }
        Ok(Next::Ask)
    }

    async fn list(&self) -> anyhow::Result<()> {
        table::list(&self.lake, false, self.settings).await?;
        for view in self.session.view_names() {
            output::text(&format!("{view}  (view)"))?;
        }
        Ok(())
    }

    async fn describe(&self, name: &str) -> anyhow::Result<()> {
        if !self.session.view_names().iter().any(|view| view == name) {
            return table::show(&self.lake, name, self.settings).await;
        }
        let query = parse(&format!("SELECT * FROM \"{}\"", name.replace('"', "\"\"")))?;
        let Some(query) = query.first() else {
            return Ok(());
        };
        let schema = self.session.schema_of(query).await?;
        let fields = schema.fields().iter();
        let rows: Vec<Vec<String>> = fields
            .map(|field| {
                let unit = field.metadata().get("downlake.unit");
                let unit = unit.cloned().unwrap_or_default();
                vec![field.name().clone(), field.data_type().to_string(), unit]
            })
            .collect();
        output::columns(&["column", "type", "unit"], &[], &rows)
    }

    fn output_to(&mut self, path: Option<PathBuf>) -> anyhow::Result<()> {
        if let Some((_, mut file)) = self.output.take() {
            file.flush()?;
        }
        if let Some(path) = path {
            let file =
                File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            tell!("results go to {}", path.display());
            self.output = Some((path, BufWriter::new(file)));
        } else {
            tell!("results go to the screen");
        }
        Ok(())
    }

    fn last(&self) -> anyhow::Result<Statement> {
        let last = self.last.clone();
        last.ok_or_else(|| Error::invalid("no query has run yet: this repeats the last one").into())
    }

    async fn plot(&mut self, kind: PlotKind, file: Option<PathBuf>) -> anyhow::Result<()> {
        let target = file.as_deref().map(FileTarget::from_path).transpose()?;
        let last = self.last()?;
        let Outcome::Rows(rows) = self.session.run(&last, &self.interrupt.statement()).await?
        else {
            return Ok(());
        };
        let chart = chart(rows, kind).await?;
        match (target, file) {
            (Some(target), Some(path)) => {
                let out = File::create(&path)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                target.write(&chart, &mut BufWriter::new(out))?;
                tell!("drawn to {}", path.display());
            }
            _ => {
                let text = Screen::of_stdout().text(&chart)?;
                std::io::stdout().write_all(text.as_bytes())?;
            }
        }
        for note in &chart.notes {
            tell!("note: {note}");
        }
        Ok(())
    }

    /// Repeats the last query until Ctrl-C, which is the way out and no error.
    async fn watch(&mut self, every: Duration) -> anyhow::Result<()> {
        let last = self.last()?;
        let pressed = self.interrupt.pressed();
        tokio::pin!(pressed);
        loop {
            let cancel = self.interrupt.statement();
            let shown = match self.session.run(&last, &cancel).await {
                Ok(Outcome::Rows(rows)) => self.show(rows).await,
                Ok(_) => Ok(()),
                Err(error) => Err(error.into()),
            };
            match shown {
                Err(error) if is_cancelled(&error) => break,
                shown => shown?,
            }
            tokio::select! {
                () = &mut pressed => break,
                () = tokio::time::sleep(every) => {}
            }
        }
        tell!();
        Ok(())
    }
}

fn is_cancelled(error: &anyhow::Error) -> bool {
    let ours = error.downcast_ref::<Error>();
    ours.is_some_and(|error| error.kind() == ErrorKind::Cancelled)
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
