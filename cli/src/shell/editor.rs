//! Lines that people type: with history, completion and colours on a terminal
//! that can do it, plainly on others.
//!
//! Promises: no escape code goes to a terminal that does not know them
//! (`TERM=dumb`, or output to a pipe); Ctrl-C gives up what is being typed
//! and nothing else. The history is bounded, and only its owner can read it.

use std::borrow::Cow;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use anyhow::Context as _;
use rustyline::completion::Completer;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, CompletionType, Config, Context, Editor, Helper};
use tokio::sync::mpsc;

use super::complete::{Names, complete};
use super::highlight::highlight;
use super::lex::is_complete;
use crate::commands::interrupt::Interrupt;

const PROMPT: &str = "downlake> ";
/// On plain terminals, before the further lines of a statement.
const PROMPT_MORE: &str = "      ... ";
/// Statements that are remembered.
const HISTORY_ENTRIES: usize = 2000;

/// What came of asking for a line.
#[derive(Debug)]
pub(crate) enum Typed {
    /// Statements that are complete, or a command.
    Text(String),
    /// Given up with Ctrl-C.
    GivenUp,
    /// Ctrl-D, or the end of the input.
    End,
}

/// Where lines come from.
pub(crate) enum Lines {
    Edited {
        editor: Option<Box<Editor<Skin, FileHistory>>>,
        history: Option<PathBuf>,
    },
    Plain {
        lines: mpsc::Receiver<std::io::Result<String>>,
    },
}

impl Lines {
    /// The best way to read that the terminal allows.
    pub(crate) fn open(names: Arc<RwLock<Names>>) -> anyhow::Result<Lines> {
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if !terminal || is_dumb() {
            return Ok(plain());
        }
        let history = history_file();
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .max_history_size(HISTORY_ENTRIES)?
            .history_ignore_dups(true)?
            .auto_add_history(false)
            .build();
        let mut editor: Editor<Skin, FileHistory> = Editor::with_config(config)?;
        let colour = !no_colour();
        if !colour {
            editor.set_color_mode(ColorMode::Disabled);
        }
        editor.set_helper(Some(Skin { names, colour }));
        if let Some(path) = &history {
            // A history that is not there yet, or cannot be read, is an empty one.
            let _ = editor.load_history(path);
        }
        Ok(Lines::Edited {
            editor: Some(Box::new(editor)),
            history,
        })
    }

    /// Asks for statements or a command.
    pub(crate) async fn next(&mut self, interrupt: &Interrupt) -> anyhow::Result<Typed> {
        match self {
            Lines::Edited { editor, history } => {
                let mut taken = editor.take().context("the editor is in use")?;
                let asking = tokio::task::spawn_blocking(move || {
                    let read = taken.readline(PROMPT);
                    (taken, read)
                });
                let (mut taken, read) = asking.await?;
                if let Ok(text) = &read {
                    remember(&mut taken, history.as_deref(), text);
                }
                *editor = Some(taken);
                match read {
                    Ok(text) => Ok(Typed::Text(text)),
                    Err(ReadlineError::Interrupted) => Ok(Typed::GivenUp),
                    Err(ReadlineError::Eof) => Ok(Typed::End),
                    Err(error) => Err(error.into()),
                }
            }
            Lines::Plain { lines } => next_plain(lines, interrupt).await,
        }
    }
}

/// A history that cannot be written is no reason to lose a statement.
fn remember(editor: &mut Editor<Skin, FileHistory>, path: Option<&Path>, text: &str) {
    let text = text.trim();
    if text.is_empty() || !editor.add_history_entry(text).unwrap_or(false) {
        return;
    }
    if let Some(path) = path {
        let folder = path.parent().unwrap_or(Path::new("."));
        let _ = std::fs::create_dir_all(folder);
        let _ = editor.append_history(path);
    }
}

/// `$XDG_STATE_HOME/downlake/sql_history`, by default in `~/.local/state`.
fn history_file() -> Option<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    Some(state?.join("downlake").join("sql_history"))
}

/// Whether the terminal takes text and nothing else.
pub(crate) fn is_dumb() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    ["", "dumb", "cons25", "emacs"].contains(&term.as_str())
}

fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

fn plain() -> Lines {
    let (sender, lines) = mpsc::channel(1);
    // A thread of its own: a read of stdin cannot be given up.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    Lines::Plain { lines }
}

async fn next_plain(
    lines: &mut mpsc::Receiver<std::io::Result<String>>,
    interrupt: &Interrupt,
) -> anyhow::Result<Typed> {
    let pressed = interrupt.pressed();
    tokio::pin!(pressed);
    let mut text = String::new();
    loop {
        prompt(if text.is_empty() { PROMPT } else { PROMPT_MORE })?;
        let line = tokio::select! {
            line = lines.recv() => line.transpose()?,
            () = &mut pressed => {
                prompt("\n")?;
                return Ok(Typed::GivenUp);
            }
        };
        let Some(line) = line else {
            prompt("\n")?;
            return Ok(Typed::End);
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
        if is_complete(&text) {
            return Ok(Typed::Text(text));
        }
    }
}

/// stdout is data where it is no terminal.
fn prompt(text: &str) -> std::io::Result<()> {
    if std::io::stdout().is_terminal() {
        let mut out = std::io::stdout();
        out.write_all(text.as_bytes())?;
        out.flush()
    } else {
        std::io::stderr().write_all(text.as_bytes())
    }
}

/// What the editor asks while a person types.
pub(crate) struct Skin {
    names: Arc<RwLock<Names>>,
    colour: bool,
}

impl Helper for Skin {}

impl Hinter for Skin {
    type Hint = String;
}

impl Validator for Skin {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(match is_complete(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Highlighter for Skin {
    fn highlight<'l>(&self, line: &'l str, _cursor: usize) -> Cow<'l, str> {
        match self.colour {
            true => Cow::Owned(highlight(line)),
            false => Cow::Borrowed(line),
        }
    }

    fn highlight_char(&self, _line: &str, _cursor: usize, _kind: CmdKind) -> bool {
        self.colour
    }
}

impl Completer for Skin {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let candidates = match self.names.read() {
            Ok(names) => complete(line, cursor, &names),
            Err(_) => return Ok((cursor, Vec::new())),
        };
        if candidates.is_path {
            return Ok((candidates.start, files(&line[candidates.start..cursor])));
        }
        Ok((candidates.start, candidates.words))
    }
}

/// Files and folders whose paths begin as typed.
fn files(typed: &str) -> Vec<String> {
    let (folder, start) = match typed.rfind('/') {
        Some(at) => typed.split_at(at + 1),
        None => ("", typed),
    };
    let listed = std::fs::read_dir(if folder.is_empty() { "." } else { folder });
    let mut found: Vec<String> = listed
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !start.starts_with('.');
            let slash = if entry.path().is_dir() { "/" } else { "" };
            (name.starts_with(start) && !hidden).then(|| format!("{folder}{name}{slash}"))
        })
        .collect();
    found.sort_unstable();
    found
}
