//! The real binary at a terminal: a pseudo-terminal in front, and a screen
//! that understands its escape codes behind. Nothing sleeps: texts are waited
//! for, and a text that never comes shows what came instead.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::program::Program;

/// How long a text may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the program wrote, raw and as a screen.
struct Written {
    raw: Vec<u8>,
    screen: vt100::Parser,
    ended: bool,
}

/// A running program and its terminal.
pub(crate) struct Terminal {
    written: Arc<(Mutex<Written>, Condvar)>,
    keys: Box<dyn Write + Send>,
    /// How much had come when keys were last sent.
    sent_at: usize,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

/// Keys as a terminal sends them.
pub(crate) const ENTER: &str = "\r";
pub(crate) const TAB: &str = "\t";
pub(crate) const UP: &str = "\x1b[A";
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";

impl Terminal {
    /// Starts the binary at a terminal of so many columns and rows.
    pub(crate) fn start(
        program: &Program,
        term: &str,
        size: (u16, u16),
        args: &[&str],
    ) -> Terminal {
        let (cols, rows) = size;
        let size = PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair
            .slave
            .spawn_command(command(program, term, args))
            .unwrap();
        drop(pair.slave);
        let written = Arc::new((
            Mutex::new(Written {
                raw: Vec::new(),
                screen: vt100::Parser::new(nonzero(rows), nonzero(cols), 0),
                ended: false,
            }),
            Condvar::new(),
        ));
        let reader = pair.master.try_clone_reader().unwrap();
        let theirs = Arc::clone(&written);
        std::thread::spawn(move || read(reader, &theirs));
        Terminal {
            written,
            keys: pair.master.take_writer().unwrap(),
            sent_at: 0,
            child,
            _master: pair.master,
        }
    }

    pub(crate) fn send(&mut self, keys: &str) {
        self.sent_at = self.written.0.lock().unwrap().raw.len();
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Types a line.
    pub(crate) fn line(&mut self, text: &str) {
        self.send(text);
        self.send(ENTER);
    }

    /// Waits until the screen holds something.
    pub(crate) fn wait(&self, text: &str) {
        self.wait_until(&format!("{text:?}"), |screen| screen.contains(text));
    }

    /// Waits until a line has ended since keys were sent, and the last line of
    /// the screen is a prompt with nothing behind it.
    pub(crate) fn prompted(&self, prompt: &str) {
        let is = |written: &Written| {
            let contents = written.screen.screen().contents();
            let last = contents.lines().rfind(|line| !line.trim().is_empty());
            written.raw[self.sent_at..].contains(&b'\n')
                && last.is_some_and(|last| last.trim_end() == prompt.trim_end())
        };
        let waited = self.wait_for(PATIENCE, is);
        assert!(waited, "no prompt; the screen:\n{}", self.screen());
    }

    /// Waits until the screen is as it should be.
    pub(crate) fn wait_until(&self, what: &str, is: impl Fn(&str) -> bool) {
        let waited = self.wait_for(PATIENCE, |written| is(&written.screen.screen().contents()));
        assert!(
            waited,
            "waited in vain for {what}; the screen:\n{}",
            self.screen()
        );
    }

    /// Presses a key again and again until a text comes.
    pub(crate) fn press_until(&mut self, key: &str, text: &str) {
        let until = Instant::now() + PATIENCE;
        let there = |written: &Written| written.screen.screen().contents().contains(text);
        while !self.wait_for(Duration::from_millis(300), there) {
            assert!(
                Instant::now() < until,
                "no {text:?}; the screen:\n{}",
                self.screen()
            );
            self.send(key);
        }
    }

    fn wait_for(&self, patience: Duration, is: impl Fn(&Written) -> bool) -> bool {
        let (written, changed) = &*self.written;
        let guard = written.lock().unwrap();
        let (guard, _) = changed
            .wait_timeout_while(guard, patience, |written| !is(written) && !written.ended)
            .unwrap();
        is(&guard)
    }

    /// The screen, without blanks at the ends of lines and empty lines at its end.
    pub(crate) fn screen(&self) -> String {
        let contents = self.written.0.lock().unwrap().screen.screen().contents();
        let lines: Vec<_> = contents.lines().map(str::trim_end).collect();
        lines.join("\n").trim_end().to_owned() + "\n"
    }

    /// All bytes that came.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.written.0.lock().unwrap().raw.clone()
    }

    /// Looks at the screen with its colours.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&vt100::Screen) -> T) -> T {
        at(self.written.0.lock().unwrap().screen.screen())
    }

    /// Waits for the end of the program; the exit code.
    pub(crate) fn end(&mut self) -> u32 {
        let ended = self.wait_for(PATIENCE, |written| written.ended);
        assert!(ended, "it goes on; the screen:\n{}", self.screen());
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn command(program: &Program, term: &str, args: &[&str]) -> CommandBuilder {
    let command = program.command(args);
    let mut builder = CommandBuilder::new(command.get_program());
    builder.args(command.get_args());
    builder.cwd(program.folder());
    builder.env("HOME", program.folder());
    builder.env_remove("XDG_STATE_HOME");
    builder.env("PAGER", "");
    builder.env("TERM", term);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => builder.env(name, value),
            None => builder.env_remove(name),
        }
    }
    builder
}

fn nonzero(cells: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(cells).unwrap()
}

fn read(mut from: Box<dyn Read + Send>, written: &(Mutex<Written>, Condvar)) {
    let mut bytes = [0; 4096];
    loop {
        let count = from.read(&mut bytes).unwrap_or(0);
        let mut written_now = written.0.lock().unwrap();
        written_now.raw.extend_from_slice(&bytes[..count]);
        written_now.screen.process(&bytes[..count]);
        written_now.ended = count == 0;
        written.1.notify_all();
        if count == 0 {
            return;
        }
    }
}
