//! Definitions and axes that nobody meant: no panic, and what is taken is what
//! is written.
//!
//! A loop breaks the text of a definition in one to four places, reads it, and
//! holds the promises of the text form: what was read is written to a text
//! that reads as the same definition and is written to the same bytes.
//! `DOWNLAKE_BUDGET_SECONDS` is the time for the loop (default 1); the seed of
//! each run is printed, and `DOWNLAKE_FUZZ_SEED` repeats it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use downlake_lake::ErrorKind;
use downlake_lake::schema::axis_expr::parse_axis;
use downlake_lake::schema::names::{FoldedName, OnCollision, fold, fold_all};
use downlake_lake::schema::{Definition, embedded};
use downlake_lake::seam::Seams;

/// Seeds that every run repeats.
const PINNED: [u64; 3] = [1, 2, 3];

/// Every key and type of a definition, which the embedded ones do not have.
const EVERYTHING: &str = r#"
stream = "engine"
description = "Static fire"

[input]
format = "csv"
header = false
delimiter = "\t"
null_values = ["NA", "-"]

[time]
axis = "absolute"
columns = ["DAY", "MSEC"]
code = "cds"
scale = "tai"
epoch = "1958-01-01T00:00:00Z"
valid = ["2000-01-01T00:00:00Z", 2030-01-01T00:00:00Z]

[table]
partition = "month"
constants = ["stand"]
sort_by = ["stand", "time"]
dedup_by = ["time", "Pc (bar)"]
evolution = "strict"

[[column]]
name = "day"
source = "DAY"
type = "u16"

[[column]]
name = "msec"
source = "MSEC"
type = "u32"
required = true

[[column]]
source = "Pc (bar)"
type = "f64"
valid = [0, inf]
limits = [{ name = "warning", low = 1, high = 2.5 }, { name = "critical", high = 3 }]

[[column]]
name = "at"
type = "timestamp_ns"

[[column]]
name = "series"
type = "list<decimal(10,2)>"

[[column]]
name = "valve"
type = "u8"
description = "Main \"fuel\" valve"
enumeration = { 1 = "on", 0 = "off", -1 = "unknown" }
"#;

const RELATIVE: &str = r#"
stream = "run"
time = { axis = "relative", column = "t", unit = "s", run_key = "_ingest_id" }
column = [{ name = "t", type = "f64" }, { name = "mode", type = "text" }]
"#;

/// Axes over the columns of [`EVERYTHING`] and [`RELATIVE`].
const AXES: [&str; 7] = [
    "none",
    "at",
    "cds(DAY, MSEC, epoch='2000-01-01T00:00:00Z', scale=tai)",
    "seconds(\"Pc (bar)\")",
    "cuc(day, msec, fraction_bits=8, epoch=1980-01-06)",
    "relative(t, s, run=mode)",
    "iso(mode)",
];

/// What stands in definitions, axes and the names of channels.
const WORDS: [&str; 26] = [
    "[",
    "]",
    "[[column]]\n",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "=",
    ",",
    ".",
    "\n",
    "#",
    "(",
    ")",
    "-1",
    "1e400",
    "nan",
    "9223372036854775808",
    "time",
    "__raw",
    " (raw)",
    "[m/s]",
    "\u{e9}",
    "\u{200b}",
    "\u{1f680}",
];

/// Numbers that a seed repeats (splitmix64, by S. Vigna).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }
}

/// Breaks a text in one to four places; it stays text.
fn broken(text: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        break_once(&mut letters, random);
    }
    letters.into_iter().collect()
}

fn break_once(letters: &mut Vec<char>, random: &mut Random) {
    let at = random.below(letters.len() + 1);
    let length = random.below(24).min(letters.len() - at);
    match random.below(6) {
        0 => drop(letters.drain(at..at + length)),
        1 => letters.truncate(at),
        2 => {
            let copy = letters[at..at + length].to_vec();
            let to = random.below(letters.len() + 1);
            letters.splice(to..to, copy);
        }
        3 => {
            let letter = char::from_u32(u32::try_from(random.below(0x300)).unwrap());
            letters.splice(at..at + length.min(1), letter);
        }
        _ => {
            let word = WORDS[random.below(WORDS.len())];
            letters.splice(at..at + length.min(random.below(4)), word.chars());
        }
    }
}

/// Reads a text; what is taken is written, read and written again.
fn check_definition(text: &str) -> Option<Definition> {
    let definition = match Definition::from_toml(text, "broken.toml") {
        Ok(definition) => definition,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}\n{text}");
            return None;
        }
    };
    let checked = definition.check();
    assert!(checked.is_ok(), "read, but {checked:?}\n{text}");
    let canonical = definition.to_toml();
    let again = Definition::from_toml(&canonical, "canonical.toml");
    let again = again.unwrap_or_else(|error| panic!("{error}\n{text}\n{canonical}"));
    assert_eq!(again.to_toml(), canonical, "{text}");
    assert_eq!(format!("{again:?}"), format!("{definition:?}"), "{text}");
    definition.decoded_schema();
    Some(definition)
}

fn check_axis(text: &str, definition: &Definition) {
    if let Err(error) = parse_axis(text, &definition.columns) {
        let is_told = matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound);
        assert!(is_told, "{error}\n{text}");
    }
}

/// Folded names differ, are plain, and fold to themselves.
fn check_names(sources: &[String]) {
    let folded = fold_all(sources, OnCollision::Number).unwrap();
    let mut seen = HashSet::new();
    for FoldedName { name, .. } in folded.names {
        let allowed = |c: char| c.is_alphanumeric() || c == '_';
        assert!(name.chars().all(allowed), "{sources:?} -> {name:?}");
        assert_eq!(fold(&name).name, name, "{sources:?}");
        assert!(seen.insert(name), "{sources:?} -> {seen:?}");
    }
}

fn texts() -> Vec<String> {
    let embedded = embedded::names().map(|name| embedded::text(name).unwrap());
    let texts = embedded.chain([EVERYTHING, RELATIVE]);
    texts.map(str::to_owned).collect()
}

/// Runs for the budget; returns executions, and how many texts were taken.
fn fuzz(seed: u64, budget: Duration) -> (u64, u64) {
    let valid = texts();
    let mut random = Random(seed);
    let start = Instant::now();
    let (mut executions, mut taken) = (0, 0);
    while start.elapsed() < budget {
        let text = broken(&valid[random.below(valid.len())], &mut random);
        let axis = broken(AXES[random.below(AXES.len())], &mut random);
        let names: Vec<String> = (0..4)
            .map(|_| broken(WORDS[random.below(WORDS.len())], &mut random))
            .collect();
        if let Some(definition) = check_definition(&text) {
            check_axis(&axis, &definition);
            taken += 1;
        }
        check_names(&names);
        executions += 1;
    }
    (executions, taken)
}

#[test]
fn budgeted_broken_definitions() {
    let seconds = std::env::var("DOWNLAKE_BUDGET_SECONDS").ok();
    let seconds: f64 = seconds.map_or(1.0, |text| text.parse().expect("a number of seconds"));
    let asked = std::env::var("DOWNLAKE_FUZZ_SEED").ok();
    let asked = asked.map(|seed| seed.parse().expect("DOWNLAKE_FUZZ_SEED is a number"));
    let fresh = asked.unwrap_or_else(|| Seams::system().random.next_u64());
    let budget = Duration::from_secs_f64(seconds) / 4;
    let (mut executions, mut taken) = (0, 0);
    for seed in PINNED.into_iter().chain([fresh]) {
        println!("definitions: seed {seed}");
        let (more, more_taken) = fuzz(seed, budget);
        (executions, taken) = (executions + more, taken + more_taken);
    }
    println!("definitions: {executions} executions, {taken} taken");
    assert!(taken > 0, "every text was refused");
}

#[test]
fn whole_texts_are_taken() {
    for text in texts() {
        assert!(check_definition(&text).is_some(), "{text}");
    }
    let everything = check_definition(EVERYTHING).unwrap();
    let mut columns = everything.columns;
    columns.extend(check_definition(RELATIVE).unwrap().columns);
    for axis in AXES {
        let parsed = parse_axis(axis, &columns);
        assert!(parsed.is_ok(), "{axis}: {parsed:?}");
    }
}
