//! The one binary: arguments, settings, wiring, command.

/// Says something on stderr. Whoever closed it misses it, and the work goes on.
macro_rules! tell {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($said)*);
    }};
}

mod args;
mod commands;
mod definitions;
mod excerpt;
mod plot;
mod progress;
mod settings;
mod shell;
mod wire;

use std::process::ExitCode;

use clap::Parser;
use downlake_lake::{Error, ErrorKind};
use downlake_query::Place;
use excerpt::Excerpt;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe behind `--help` is not worth a word.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    wire::start_logging(cli.global.quiet);
    let json = cli.global.json;
    match commands::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(fail(&error, json)),
    }
}

/// Says what went wrong and returns the exit code.
fn fail(error: &anyhow::Error, json: bool) -> u8 {
    let Some(code) = exit_code(error) else {
        return 0;
    };
    if json {
        let mut said = serde_json::json!({ "error": error_text(error), "exit_code": code });
        if let Some(excerpt) = error.downcast_ref::<Excerpt>() {
            said["line"] = excerpt.place.line.into();
            said["column"] = excerpt.place.column.into();
        }
        tell!("{said}");
    } else {
        tell!("downlake: {}", told(error));
        if code == ErrorKind::Internal.exit_code() {
            tell!("this is a bug of downlake; please report it with the command that shows it");
        }
    }
    code
}

/// The exit code, or `None` where the reader of our output has gone.
fn exit_code(error: &anyhow::Error) -> Option<u8> {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            match error.kind() {
                std::io::ErrorKind::BrokenPipe => return None,
                std::io::ErrorKind::StorageFull => return Some(ErrorKind::Limit.exit_code()),
                _ => {}
            }
        }
    }
    let ours = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Error>());
    if let Some(ours) = ours {
        return Some(ours.kind().exit_code());
    }
    let io = error.chain().any(|cause| cause.is::<std::io::Error>());
    Some(if io {
        ErrorKind::Invalid.exit_code()
    } else {
        ErrorKind::Internal.exit_code()
    })
}

/// The message, and the place that it is about.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let text = error_text(error);
    match error.downcast_ref::<Excerpt>() {
        Some(excerpt) => {
            // The mark says it better.
            let text = text
                .split_once(" at Line: ")
                .map_or(&*text, |(text, _)| text);
            format!("{text}\n{excerpt}")
        }
        None => text,
    }
}

/// The message and those causes that add to it, without places, which are
/// said apart.
fn error_text(error: &anyhow::Error) -> String {
    let is_pointed = error.downcast_ref::<Excerpt>().is_some();
    let mut causes = error.chain().skip(usize::from(is_pointed));
    let mut text = causes.next().map(ToString::to_string).unwrap_or_default();
    for cause in causes.filter(|cause| !cause.is::<Place>()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_decides_the_exit_code() {
        let cases: [(anyhow::Error, Option<u8>); 5] = [
            (Error::invalid("x").into(), Some(2)),
            (
                anyhow::Error::from(Error::corrupt("x")).context("reading"),
                Some(6),
            ),
            (
                std::io::Error::from(std::io::ErrorKind::BrokenPipe).into(),
                None,
            ),
            (
                std::io::Error::from(std::io::ErrorKind::NotFound).into(),
                Some(2),
            ),
            (anyhow::anyhow!("x"), Some(70)),
        ];
        for (error, code) in cases {
            assert_eq!(exit_code(&error), code, "{error:?}");
        }
    }

    #[test]
    fn causes_are_said_once() {
        let inner = Error::unavailable("store is down");
        let outer = Error::unavailable("cannot list: store is down").with_source(inner);
        assert_eq!(error_text(&outer.into()), "cannot list: store is down");
    }
}
