//! Progress on a terminal, notices on stderr, nothing in a pipe.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::sync::Mutex;

use downlake_ingest::progress::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows an ingest to a person.
pub(crate) struct Bar {
    bar: ProgressBar,
    quiet: bool,
    said: Mutex<HashSet<String>>,
}

impl Bar {
    pub(crate) fn new(quiet: bool) -> Bar {
        let visible = !quiet && std::io::stderr().is_terminal();
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = "{msg}  {bar:24}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
        bar.set_style(ProgressStyle::with_template(style).expect("the template is valid"));
        Bar {
            bar,
            quiet,
            said: Mutex::default(),
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn begin(&self, source: &str, bytes: u64, index: usize, units: usize) {
        self.bar.reset();
        self.bar.set_length(bytes);
        let name = source.rsplit('/').next().unwrap_or(source);
        self.bar
            .set_message(format!("{}/{units} {name}", index + 1));
    }

    fn advance(&self, bytes: u64, _records: u64) {
        self.bar.set_position(bytes);
    }

    fn notice(&self, text: &str) {
        let first = self
            .said
            .lock()
            .expect("no panic holds the lock")
            .insert(text.to_owned());
        if first && !self.quiet {
            self.bar.suspend(|| tell!("note: {text}"));
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
