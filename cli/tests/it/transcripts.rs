//! What the binary prints, word for word. What changes from run to run is
//! replaced by [`normalised`]; exit codes and numbers that matter are
//! asserted beside the texts.

mod commands;
mod ingest;
mod packets;
mod plots;
mod refusals;
mod shell;
mod sql;

use std::path::Path;

use expect_test::Expect;

use super::program::{Program, Said};

/// Two CSV files and one of JSON lines of one stream, one record broken.
fn samples() -> Program {
    let program = Program::new();
    program.write(
        "raw/a.csv",
        "time,seq,pressure,note\n\
         2021-03-01T00:00:02Z,2,1.5,hot\n\
         2021-03-01T00:00:01Z,1,2.25,\n\
         broken\n\
         2021-03-02T00:00:03Z,3,,\"\"\n",
    );
    program.write(
        "raw/b.csv",
        "time,seq,pressure,note\n2021-03-02T00:00:04Z,4,4.5,\"a,b\"\n",
    );
    program.write(
        "lines/c.jsonl",
        "{\"time\":\"2021-03-03T00:00:05Z\",\"seq\":5,\"pressure\":5.5,\"valve\":{\"open\":true}}\n\
         {\"time\":\"2021-03-03T00:00:06Z\",\"seq\":6}\n",
    );
    program
}

/// The samples, the CSV files landed as `engine`.
fn landed() -> Program {
    let program = samples();
    program.good(&["ingest", "raw", "--table", "engine"]);
    program
}

/// One run as a transcript.
fn transcript(program: &Program, args: &[&str], said: &Said) -> String {
    let mut text = format!("$ downlake {}\n{}", args.join(" "), said.out);
    for line in said.err.lines() {
        text.push_str(&format!("! {line}\n"));
    }
    if said.code != 0 {
        text.push_str(&format!("exit {}\n", said.code));
    }
    normalised(&text, program.folder())
}

/// Runs, compares the transcript, and returns what was said.
fn check(program: &Program, args: &[&str], code: i32, expected: &Expect) -> Said {
    let said = program.run(args);
    assert_eq!(said.code, code, "{args:?}: {said:?}");
    expected.assert_eq(&transcript(program, args, &said));
    said
}

/// Replaces what differs from run to run: the folder, instants of our clock,
/// identifiers, hashes, byte counts, durations, rates; and, since these
/// decide how wide a column is, runs of blanks and rules.
fn normalised(text: &str, folder: &Path) -> String {
    let real = folder.canonicalize().unwrap();
    let text = text.replace(&real.display().to_string(), "<dir>");
    let text = text.replace(&folder.display().to_string(), "<dir>");
    let lines: Vec<_> = text
        .lines()
        .map(|line| squeezed(&scales(&units(&words(line)))))
        .collect();
    lines.join("\n") + "\n"
}

/// A number that is not shown has no scale either: `<n> KiB/s` is `<n> B/s`.
fn scales(line: &str) -> String {
    ["KiB", "MiB", "GiB"]
        .iter()
        .fold(line.to_owned(), |line, scale| {
            line.replace(&format!("<n> {scale}"), "<n> B")
        })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || ".:-_+".contains(c)
}

/// Replaces words that are instants, identifiers or hashes.
fn words(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let word_end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if word_end == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.push_str(&word(&rest[..word_end]));
            rest = &rest[word_end..];
        }
    }
    out
}

fn word(word: &str) -> String {
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    let hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    let is_instant = word.len() >= 19 && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T';
    if is_instant && word[..4].parse::<u32>().is_ok_and(|year| year >= 2024) {
        "<now>".to_owned()
    } else if digits && word.len() >= 12 {
        "<id>".to_owned()
    } else if hex && word.len() >= 32 {
        "<hash>".to_owned()
    } else {
        word.to_owned()
    }
}

/// Replaces numbers by the unit that follows them.
fn units(line: &str) -> String {
    const UNITS: [&str; 8] = [" B", " KiB", " MiB", " GiB", " s ", " ms", " rows/s", " us"];
    const KEYS: [&str; 7] = [
        "ingest_id\":",
        "bytes\":",
        "bytes_out\":",
        "elapsed_ms\":",
        "peak_rss_bytes\":",
        "size\":",
        "timestamp\":",
    ];
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c: char| !(c.is_ascii_digit() || ".,".contains(c)));
        let (number, after) = number.split_at(end.unwrap_or(number.len()));
        out.push_str(before);
        let has_unit = UNITS.iter().any(|unit| {
            after
                .strip_prefix(unit)
                .is_some_and(|rest| unit.ends_with(' ') || !rest.starts_with(char::is_alphanumeric))
        });
        let has_key = KEYS.iter().any(|key| before.ends_with(key));
        let kept = number.trim_end_matches(|c: char| !c.is_ascii_digit());
        out.push_str(if has_unit || has_key { "<n>" } else { kept });
        out.push_str(&number[kept.len()..]);
        rest = after;
    }
    out + rest
}

/// Runs of blanks become two, rules become three.
fn squeezed(line: &str) -> String {
    let mut out = String::new();
    let mut run = 0;
    let mut last = ' ';
    for c in line.trim_end().chars() {
        run = if c == last { run + 1 } else { 1 };
        last = c;
        let most = match c {
            ' ' => 2,
            '-' | '─' | '━' | '=' => 3,
            _ => usize::MAX,
        };
        if run <= most {
            out.push(c);
        }
    }
    out
}

#[test]
fn what_changes_is_replaced_and_nothing_else() {
    let folder = std::env::temp_dir();
    let cases = [
        ("7 rows  3 files  12.3 KiB", "7 rows  3 files  <n> B\n"),
        (
            "read   1,024 B in 0.02 s  5 rows/s",
            "read  <n> B in <n> s  <n> rows/s\n",
        ),
        (
            "2021-03-01T00:00:02.000000Z 2031-03-01T00:00:02.000000Z",
            "2021-03-01T00:00:02.000000Z <now>\n",
        ),
        ("landing 1234567890123456, line 3", "landing <id>, line 3\n"),
        (
            "{\"bytes_out\":17,\"bytes_in\":18}",
            "{\"bytes_out\":<n>,\"bytes_in\":18}\n",
        ),
        ("elapsed 12.345 ms", "elapsed <n> ms\n"),
        ("-----  ---", "---  ---\n"),
    ];
    for (text, expected) in cases {
        assert_eq!(normalised(text, &folder), expected);
    }
}
