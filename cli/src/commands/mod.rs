//! One file a command; this is the table of contents.

mod config;
mod demo;
mod doctor;
mod ingest;
pub(crate) mod interrupt;
pub(crate) mod output;
mod quarantine;
mod schema;
pub(crate) mod sql;
pub(crate) mod table;

use downlake_lake::{Error, ErrorKind};

use crate::args::{Cli, Command};
use crate::settings::Settings;
use crate::wire;
use interrupt::Interrupt;

/// Runs a command and returns the exit code of a run without an error.
pub(crate) fn run(cli: Cli) -> anyhow::Result<u8> {
    let settings = Settings::new(&cli.global)?;
    let runtime = wire::runtime()?;
    let interrupt = Interrupt::default();
    runtime.spawn(interrupt.clone().watch());
    let code = runtime.block_on(dispatch(cli.command, &settings, &interrupt));
    // Blocking work of a cancelled command must not hold the process.
    runtime.shutdown_background();
    match (code, interrupt.code()) {
        (Err(error), Some(code)) if is_cancelled(&error) => {
            tell!("downlake: {error}");
            Ok(code)
        }
        (code, _) => code,
    }
}

fn is_cancelled(error: &anyhow::Error) -> bool {
    let ours = error.downcast_ref::<Error>();
    ours.is_some_and(|error| error.kind() == ErrorKind::Cancelled)
}

async fn dispatch(
    command: Command,
    settings: &Settings,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    match command {
        Command::Demo(args) => demo::run(args, settings, interrupt).await,
        Command::Ingest(args) => ingest::run(&args, settings, interrupt).await,
        Command::Sql(args) => sql::run(args, settings, interrupt).await,
        Command::Table(command) => table::run(command, settings).await,
        Command::Quarantine(command) => quarantine::run(command, settings, interrupt).await,
        Command::Schema(command) => schema::run(command, settings).await,
        Command::Doctor => doctor::run(settings).await,
        Command::Config(command) => config::run(&command, settings),
    }
}
