//! One file a command; this is the table of contents.

mod config;
mod demo;
mod doctor;
mod ingest;
mod output;
mod quarantine;
mod schema;
mod sql;
mod table;

use crate::args::{Cli, Command};
use crate::settings::Settings;
use crate::wire;

/// Runs a command and returns the exit code of a run without an error.
pub(crate) fn run(cli: Cli) -> anyhow::Result<u8> {
    let settings = Settings::new(&cli.global);
    let runtime = wire::runtime()?;
    let code = runtime.block_on(async {
        tokio::select! {
            code = dispatch(cli.command, &settings) => code,
            code = interrupted() => Ok(code),
        }
    });
    // Blocking work of a cancelled command must not hold the process.
    runtime.shutdown_background();
    code
}

async fn dispatch(command: Command, settings: &Settings) -> anyhow::Result<u8> {
    match command {
        Command::Demo(args) => demo::run(args, settings).await,
        Command::Ingest(args) => ingest::run(&args, settings).await,
        Command::Sql(args) => sql::run(args, settings).await,
        Command::Table(command) => table::run(command, settings).await,
        Command::Quarantine(command) => quarantine::run(command, settings).await,
        Command::Schema(command) => schema::run(command, settings).await,
        Command::Doctor => doctor::run(settings).await,
        Command::Config(command) => config::run(&command, settings),
    }
}

/// Resolves with the exit code when the user or the system ends the process.
async fn interrupted() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    let code = tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => 130,
        _ = terminate.recv() => 143,
    };
    eprintln!(
        "downlake: interrupted; what landed stays, and the same command again finishes the work"
    );
    code
}
