//! Where results go: the screen, a pager where they are longer than it, or a
//! file.
//!
//! Promises: nothing is lost where there is no pager; whoever leaves the
//! pager early is asked no questions and the query ends.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::{Child, Command, Stdio};

use unicode_width::UnicodeWidthStr;

use super::editor::is_dumb;

/// What shows long results where `PAGER` does not say it: it leaves short
/// ones on the screen, keeps colours, and scrolls sideways.
const PAGER: &str = "less -FRSX";

/// A screen that calls the pager once it is full.
pub(crate) struct Paged {
    columns: usize,
    /// Lines that fit, or `None` where nothing is paged.
    rows: Option<usize>,
    held: Vec<u8>,
    lines: usize,
    pager: Option<Child>,
    /// The screen took what was held; the rest follows directly.
    direct: bool,
}

impl Paged {
    /// A screen of so many columns and rows; `terminal` is whether it is one.
    pub(crate) fn new(columns: u16, rows: u16, terminal: bool) -> Paged {
        let wanted = terminal && !is_dumb() && pager_command().is_some();
        Paged {
            columns: usize::from(columns).max(1),
            rows: wanted.then(|| usize::from(rows).saturating_sub(2).max(1)),
            held: Vec::new(),
            lines: 0,
            pager: None,
            direct: !wanted,
        }
    }

    /// Shows the rest and waits until the pager is left.
    pub(crate) fn finish(mut self) -> std::io::Result<()> {
        match self.pager.take() {
            Some(mut pager) => {
                drop(pager.stdin.take());
                pager.wait().map(|_| ())
            }
            None => {
                let mut out = std::io::stdout().lock();
                out.write_all(&self.held)?;
                out.flush()
            }
        }
    }

    fn is_full(&self) -> bool {
        self.rows.is_some_and(|rows| self.lines > rows)
    }

    fn call_pager(&mut self) -> std::io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let Some(mut pager) = pager_command().and_then(|mut pager| pager.spawn().ok()) else {
            self.direct = true;
            return std::io::stdout().write_all(&held);
        };
        let written = pager.stdin.as_mut().map(|stdin| stdin.write_all(&held));
        self.pager = Some(pager);
        written.unwrap_or(Ok(()))
    }

    /// Lines of the screen that a text takes.
    fn count(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let wide = String::from_utf8_lossy(line).width();
            self.lines +=
                usize::from(line.ends_with(b"\n")) + wide.saturating_sub(1) / self.columns;
        }
    }
}

impl Write for Paged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(stdin) = self.pager.as_mut().and_then(|pager| pager.stdin.as_mut()) {
            return stdin.write(bytes);
        }
        if self.direct {
            return std::io::stdout().write(bytes);
        }
        self.held.extend_from_slice(bytes);
        self.count(bytes);
        if self.is_full() {
            self.call_pager()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self.pager.as_mut().and_then(|pager| pager.stdin.as_mut()) {
            Some(stdin) => stdin.flush(),
            None if self.direct => std::io::stdout().flush(),
            None => Ok(()),
        }
    }
}

impl Drop for Paged {
    /// After an error the pager still shows what it has.
    fn drop(&mut self) {
        if let Some(mut pager) = self.pager.take() {
            drop(pager.stdin.take());
            let _ = pager.wait();
        }
    }
}

/// The pager of `PAGER`, which may have arguments; `None` where it says that
/// there shall be none.
fn pager_command() -> Option<Command> {
    let asked = std::env::var("PAGER").ok();
    let words = asked.as_deref().unwrap_or(PAGER);
    if words.trim().is_empty() || words.trim() == "cat" {
        return None;
    }
    let mut command = match asked {
        Some(_) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", words]);
            shell
        }
        None => {
            let mut words = words.split(' ');
            let mut less = Command::new(words.next().unwrap_or_default());
            less.args(words);
            less
        }
    };
    command.stdin(Stdio::piped());
    Some(command)
}

/// Results go to the screen or to a file.
pub(crate) enum Sink<'a> {
    Screen(Paged),
    File(&'a mut BufWriter<File>),
}

impl Sink<'_> {
    pub(crate) fn finish(self) -> std::io::Result<()> {
        match self {
            Sink::Screen(paged) => paged.finish(),
            Sink::File(file) => file.flush(),
        }
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Sink::Screen(paged) => paged.write(bytes),
            Sink::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Sink::Screen(paged) => paged.flush(),
            Sink::File(file) => file.flush(),
        }
    }
}
