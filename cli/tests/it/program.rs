//! The real binary, run in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Variables that would change what the binary does.
const OURS: [&str; 7] = [
    "DOWNLAKE_",
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "GCS_",
    "RUST_LOG",
    "NO_COLOR",
];

/// A folder and the binary in it. The lake is `lake` unless said otherwise.
pub(crate) struct Program {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    /// What runs the binary, if anything does.
    launcher: &'static [&'static str],
}

/// Runs a command with no more rights than a file's mode gives its owner.
const WITHOUT_RIGHTS: [&str; 3] = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

/// What a run said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Program {
    pub(crate) fn new() -> Program {
        let folder = tempfile::Builder::new().prefix("downlake-it-").tempdir();
        Program {
            folder: folder.unwrap(),
            variables: Vec::new(),
            launcher: &[],
        }
    }

    /// Sets a variable for every run.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Program {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// From now on the binary runs without the rights of a superuser; false
    /// where this machine cannot do that.
    pub(crate) fn drop_rights(&mut self) -> bool {
        self.launcher = &WITHOUT_RIGHTS;
        let tried = self.command(&["--version"]).output();
        tried.is_ok_and(|output| output.status.success())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.folder().join("lake")
    }

    /// Writes a file, its folders too.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// The command, without input, in the folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut words = self
            .launcher
            .iter()
            .chain(&[env!("CARGO_BIN_EXE_downlake")]);
        let mut command = Command::new(words.next().expect("the binary at least"));
        command.args(words).args(args).current_dir(self.folder());
        for (name, _) in std::env::vars() {
            if OURS.iter().any(|ours| name.starts_with(ours)) {
                command.env_remove(name);
            }
        }
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        command.envs(variables).stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        Said::of(&self.command(args).output().unwrap())
    }

    /// Runs to the end, which must be a good one.
    pub(crate) fn good(&self, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        said
    }
}

impl Said {
    pub(crate) fn of(output: &Output) -> Said {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// stdout as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
