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

use std::time::Duration;

use crate::args::{Cli, Command};
use crate::settings::Settings;
use crate::wire;

/// How long an interrupted command may take to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// Runs a command and returns the exit code of a run without an error.
pub(crate) fn run(cli: Cli) -> anyhow::Result<u8> {
    let settings = Settings::new(&cli.global);
    let runtime = wire::runtime()?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    runtime.spawn(async {
        let code = interrupted().await;
        // Nobody listens once the command has ended.
        let _ = sender.send(code);
        tokio::time::sleep(GRACE).await;
        end_now(code)
    });
    let code = runtime.block_on(async {
        tokio::select! {
            code = dispatch(cli.command, &settings) => code,
            Ok(code) = receiver => Ok(code),
        }
    });
    // Blocking work of a cancelled command must not hold the process.
    runtime.shutdown_background();
    code
}

/// Ends a process whose command is too busy to see that it was interrupted.
#[expect(
    clippy::disallowed_methods,
    reason = "an operator that computes without pause cannot be asked to stop"
)]
fn end_now(code: u8) {
    std::process::exit(i32::from(code))
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
