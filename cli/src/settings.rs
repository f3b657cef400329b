//! What the program holds: plain data, every default visible.
//!
//! Defaults come first, then the environment, then flags; `config show`
//! prints each value with where it came from.

use std::path::PathBuf;

use downlake_lake::{Error, Result};

use crate::args::GlobalArgs;

/// Memory that is taken where nobody says otherwise.
const MEMORY_DEFAULT_MAX: u64 = 384 << 20;
/// Less memory than this holds no two batches of ordinary telemetry.
const MEMORY_MIN: u64 = 32 << 20;

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    Environment,
    Flag,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::Environment => "environment",
            Origin::Flag => "flag",
        }
    }
}

/// The settings of one run.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) lake: String,
    pub(crate) lake_origin: Origin,
    pub(crate) fsync: bool,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) memory_bytes: u64,
    pub(crate) memory_origin: Origin,
    pub(crate) temp_dir: PathBuf,
    pub(crate) temp_dir_origin: Origin,
    pub(crate) host: String,
    /// Variables of the environment that object stores read.
    pub(crate) cloud: Vec<(String, String)>,
}

impl Settings {
    /// Composes the settings of a run.
    ///
    /// # Errors
    /// Invalid, for less memory than works.
    pub(crate) fn new(args: &GlobalArgs) -> Result<Settings> {
        check_memory(args.memory)?;
        let from_environment = std::env::var("DOWNLAKE_LAKE").is_ok_and(|lake| lake == args.lake);
        let lake_origin = match args.lake.as_str() {
            _ if from_environment => Origin::Environment,
            "./lake" => Origin::Default,
            _ => Origin::Flag,
        };
        Ok(Settings {
            lake: args.lake.clone(),
            lake_origin,
            fsync: !args.no_fsync,
            json: args.json,
            quiet: args.quiet,
            memory_bytes: args.memory.unwrap_or_else(default_memory),
            memory_origin: if args.memory.is_some() {
                Origin::Flag
            } else {
                Origin::Default
            },
            temp_dir: args.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
            temp_dir_origin: if args.temp_dir.is_some() {
                Origin::Flag
            } else {
                Origin::Default
            },
            host: host_name(),
            cloud: cloud_environment(),
        })
    }
}

fn check_memory(asked: Option<u64>) -> Result<()> {
    match asked {
        Some(bytes) if bytes < MEMORY_MIN => Err(Error::invalid(format!(
            "--memory {bytes} bytes is less than works; the least is {} MiB",
            MEMORY_MIN >> 20
        ))),
        _ => Ok(()),
    }
}

/// An eighth of the machine, 384 MiB at most.
fn default_memory() -> u64 {
    let total = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
            line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
        });
    total.map_or(MEMORY_DEFAULT_MAX, |kib| {
        (kib * 1024 / 8).clamp(MEMORY_MIN, MEMORY_DEFAULT_MAX)
    })
}

fn host_name() -> String {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    from_kernel
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map_or_else(String::new, |h| h.trim().to_owned())
}

fn cloud_environment() -> Vec<(String, String)> {
    const PREFIXES: [&str; 4] = ["AWS_", "AZURE_", "GOOGLE_", "GCS_"];
    std::env::vars()
        .filter(|(name, _)| PREFIXES.iter().any(|p| name.starts_with(p)))
        .collect()
}
