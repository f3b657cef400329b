//! A campaign as its readers find it: files are read by other means than
//! those that wrote them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test fails by panicking and says on stdout why it did not run"
)]

mod anomalies;
mod campaign;
mod links;
mod physics;
mod xtce;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use downlake_simulate::{Campaign, Kind, Written};
use tempfile::TempDir;

/// A campaign on the disk.
pub(crate) struct Simulated {
    dir: TempDir,
    pub(crate) written: Written,
}

impl Simulated {
    pub(crate) fn new(campaign: Campaign) -> Simulated {
        let dir = TempDir::new().unwrap();
        let written = campaign.write(dir.path(), &mut |_, _| {}).unwrap();
        Simulated { dir, written }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file's path in the campaign, with `/`.
    pub(crate) fn name(&self, path: &Path) -> String {
        let name = path.strip_prefix(self.dir.path()).unwrap();
        name.to_str().unwrap().replace('\\', "/")
    }

    pub(crate) fn of(&self, kind: Kind) -> Vec<PathBuf> {
        self.written
            .of(kind)
            .map(|file| file.path.clone())
            .collect()
    }

    /// Rows of a list without its header; quotes only around the last cell.
    pub(crate) fn rows(&self, name: &str) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        let columns = text.lines().next().unwrap().split(',').count();
        let row = |line: &str| line.splitn(columns, ',').map(str::to_owned).collect();
        text.lines().skip(1).map(row).collect()
    }
}

/// The default campaign, written once.
pub(crate) fn default_campaign() -> &'static Simulated {
    static WRITTEN: LazyLock<Simulated> = LazyLock::new(|| Simulated::new(Campaign::default()));
    &WRITTEN
}

/// Microseconds since 1970 of an RFC 3339 instant with milliseconds, UTC.
pub(crate) fn micros(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let years: i64 = (1970..year).map(|y| 365 + i64::from(leap(y))).sum();
    let lengths = [
        31,
        28 + i64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let months: i64 = lengths[..usize::try_from(month - 1).unwrap()].iter().sum();
    let seconds = number(11..13) * 3600 + number(14..16) * 60 + number(17..19);
    ((years + months + day - 1) * 86_400 + seconds) * 1_000_000 + number(20..23) * 1000
}
