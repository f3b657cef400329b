//! The campaign as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;

use downlake_simulate::{Campaign, Kind};

use crate::{Simulated, default_campaign};

const SMALL: Campaign = Campaign {
    seed: 1,
    flights: 1,
    hours: 2,
    satellites: 1,
};

/// The hash of no bytes: a station that nobody passed.
const EMPTY: u64 = 0xCBF2_9CE4_8422_2325;

/// FNV-1a of every file, by name.
fn hashes(simulated: &Simulated) -> BTreeMap<String, u64> {
    let hash = |bytes: Vec<u8>| {
        bytes.iter().fold(EMPTY, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        })
    };
    let files = simulated.written.files.iter();
    files
        .map(|file| {
            (
                simulated.name(&file.path),
                hash(fs::read(&file.path).unwrap()),
            )
        })
        .collect()
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let first = hashes(&Simulated::new(SMALL));
    assert_eq!(first, hashes(&Simulated::new(SMALL)));
    let other = hashes(&Simulated::new(Campaign { seed: 2, ..SMALL }));
    for (name, hash) in &first {
        let is_definition = name.ends_with(".xml") || name.ends_with(".toml");
        let is_same = other.get(name).is_some_and(|other| other == hash);
        assert_eq!(is_same, is_definition || *hash == EMPTY, "{name}");
    }
}

/// The same on every machine: a change of these bytes is a change of what the
/// crate promises.
#[test]
fn bytes_are_those_of_every_machine() {
    let hashes = hashes(&Simulated::new(SMALL));
    let packets = |name: &str| hashes[name];
    assert_eq!(
        [
            format!("{:016x}", packets("launcher/F01/flight.ccsds")),
            format!("{:016x}", packets("satellites/S01/P0001-SVB.ccsds")),
            format!("{:016x}", packets("stand/SF-01.csv")),
        ],
        ["32d934ce7059a90e", "1e4fd53c9cef444b", "0a9c1f5787ed3dd9"]
    );
}

#[test]
fn more_flights_and_satellites_change_nothing_of_the_others() {
    let few = hashes(&Simulated::new(SMALL));
    let more = hashes(&Simulated::new(Campaign {
        flights: 2,
        satellites: 2,
        ..SMALL
    }));
    for (name, hash) in &few {
        if name.ends_with(".ccsds") || name.starts_with("stand/") {
            assert_eq!(Some(hash), more.get(name), "{name}");
        }
    }
}

#[test]
fn files_are_what_the_account_says() {
    let campaign = default_campaign();
    let kinds: BTreeSet<String> = campaign
        .written
        .files
        .iter()
        .map(|file| format!("{:?}", file.kind))
        .collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    for file in &campaign.written.files {
        let bytes = fs::read(&file.path).unwrap();
        assert_eq!(bytes.len() as u64, file.bytes, "{:?}", file.path);
        let lines = || bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let records = match file.kind {
            Kind::LauncherPackets | Kind::SatellitePackets => {
                crate::xtce::packets(&file.path).len() as u64
            }
            Kind::GroundJson => lines(),
            Kind::Definition => 0,
            Kind::StandCsv | Kind::Labels | Kind::Truth | Kind::Flights => lines() - 1,
        };
        assert_eq!(records, file.records, "{:?}", file.path);
    }
    let megabytes = campaign.written.bytes() / 1_000_000;
    assert!((20..60).contains(&megabytes), "{megabytes} MB");
}

#[test]
fn progress_hears_of_every_file() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut heard = Vec::new();
    let mut progress = |path: &std::path::Path, bytes| heard.push((path.to_owned(), bytes));
    let written = SMALL.write(dir.path(), &mut progress).unwrap();
    let files = written
        .files
        .iter()
        .map(|file| (file.path.clone(), file.bytes));
    assert_eq!(heard, files.collect::<Vec<_>>());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(SMALL.write(file.path(), &mut |_, _| {}).is_err());
}

#[test]
fn nothing_at_all_is_a_campaign_too() {
    let empty = Simulated::new(Campaign {
        flights: 0,
        satellites: 0,
        hours: 0,
        ..SMALL
    });
    assert_eq!(empty.of(Kind::LauncherPackets).len(), 0);
    assert_eq!(empty.of(Kind::StandCsv).len(), 2);
    assert_eq!(empty.rows("labels.csv").len(), 0);
}

/// Resident memory in KiB, where the machine says it.
fn resident_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Says that the test did not run, to `tests/run` as well.
fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let line = format!("SKIPPED {test}: {reason}\n");
    assert_ne!(
        std::env::var("DOWNLAKE_NO_SKIP").as_deref(),
        Ok("1"),
        "{line}"
    );
    print!("{line}");
    if let Some(path) = std::env::var_os("DOWNLAKE_SKIP_LOG") {
        let log = fs::OpenOptions::new().append(true).create(true).open(path);
        log.and_then(|mut log| log.write_all(line.as_bytes()))
            .unwrap();
    }
}

/// In a process of its own, so that no other test's memory counts.
#[test]
fn memory_does_not_grow_with_the_campaign() {
    const CHILD: &str = "DOWNLAKE_SIMULATE_MEMORY";
    if std::env::var_os(CHILD).is_none() {
        let name = "campaign::memory_does_not_grow_with_the_campaign";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let status = child.args(["--exact", name]).env(CHILD, "1").status();
        assert!(status.unwrap().success());
        return;
    }
    let Some(before) = resident_kib() else {
        skip("the machine does not say how much memory a process has");
        return;
    };
    let dir = tempfile::TempDir::new().unwrap();
    let campaign = Campaign {
        hours: 60,
        satellites: 3,
        ..SMALL
    };
    let mut most = before;
    let mut progress = |path: &std::path::Path, _| {
        most = most.max(resident_kib().unwrap_or(0));
        fs::remove_file(path).unwrap();
    };
    let written = campaign.write(dir.path(), &mut progress).unwrap();
    assert!(written.bytes() > 80_000_000, "{}", written.bytes());
    assert!(most - before < 12 * 1024, "{} KiB more", most - before);
}
