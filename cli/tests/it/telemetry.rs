//! Raw files whose rows are known: what must be in the table, what must be
//! refused, what must be counted as skipped.
//!
//! Several CSV and JSON-lines files over three days, with text that needs
//! quoting, NULLs, blank lines, and lines that are broken in several ways.

use std::fmt::Write as _;

use chrono::DateTime;

use super::audit::{Record, text};
use super::program::Program;
use super::random::Random;

/// 2021-03-01T00:00:00Z.
const START_MICROS: i64 = 1_614_556_800_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
const NOTES: [Option<&str>; 6] = [
    None,
    Some(""),
    Some("a,b"),
    Some("say \"go\""),
    Some("größe"),
    Some("two\nlines"),
];

/// The definition of the rows; values above 1000 and `NA` are refused.
pub(crate) const DEFINITION: &str = r#"
stream = "flight"

[time]
axis = "absolute"
column = "ts"
code = "iso"

[table]
evolution = "strict"

[[column]]
name = "ts"
type = "timestamp"
required = true

[[column]]
name = "seq"
type = "i64"
required = true

[[column]]
name = "value"
type = "f64"
valid = [0, 1000]

[[column]]
name = "note"
type = "text"
"#;

/// The definition that takes what [`DEFINITION`] refuses.
pub(crate) fn mended() -> String {
    let wide = DEFINITION.replace("valid = [0, 1000]", "valid = [0, 1000000]");
    wide.replace("[time]", "[input]\nnull_values = [\"NA\"]\n\n[time]")
}

/// One row as it must be in the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    micros: i64,
    seq: u64,
    value: Option<f64>,
    note: Option<&'static str>,
}

/// What is in the files.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) rows: Vec<String>,
    /// Refused records, as they stand in their files.
    pub(crate) refused: Vec<String>,
    /// Rows of those refused records that [`mended`] takes.
    pub(crate) mendable: Vec<String>,
    pub(crate) skipped: u64,
    pub(crate) units: usize,
}

/// How a line is broken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Damage {
    /// It is not of the format's grammar or of the header's width.
    Cut,
    /// A whole number is text.
    Type,
    /// A value is outside of its range; a mended definition takes it.
    Range,
    /// A value is `NA`; a mended definition takes it.
    Absent,
}

/// How a format spells rows.
struct Spelling {
    line: fn(&Row) -> String,
    damaged: fn(&Row, Damage) -> String,
    /// JSON says NULL by itself; `NA` is for delimited text.
    has_absent: bool,
}

const CSV: Spelling = Spelling {
    line: csv_line,
    damaged: csv_damaged,
    has_absent: true,
};

const JSON: Spelling = Spelling {
    line: json_line,
    damaged: json_damaged,
    has_absent: false,
};

/// Writes files into `raw/` of the program's folder.
pub(crate) struct Telemetry<'a> {
    pub(crate) program: &'a Program,
    pub(crate) random: &'a mut Random,
    pub(crate) damages: &'a [Damage],
    pub(crate) expected: Expected,
    next_seq: u64,
}

impl<'a> Telemetry<'a> {
    pub(crate) fn new(
        program: &'a Program,
        random: &'a mut Random,
        damages: &'a [Damage],
    ) -> Telemetry<'a> {
        program.write("flight.toml", DEFINITION);
        program.write("mended.toml", mended());
        Telemetry {
            program,
            random,
            damages,
            expected: Expected::default(),
            next_seq: 0,
        }
    }

    /// A CSV file; about one line in `damage_every` is broken.
    pub(crate) fn csv(&mut self, name: &str, rows: u64, damage_every: u64) {
        let mut content = String::from("ts,seq,value,note\n");
        self.lines(rows, damage_every, &mut content, &CSV);
        self.finish(name, &content);
    }

    /// A JSON-lines file; about one line in `damage_every` is broken.
    pub(crate) fn jsonl(&mut self, name: &str, rows: u64, damage_every: u64) {
        let mut content = String::new();
        self.lines(rows, damage_every, &mut content, &JSON);
        self.finish(name, &content);
    }

    /// What must come of it, sorted.
    pub(crate) fn into_expected(mut self) -> Expected {
        for list in [
            &mut self.expected.rows,
            &mut self.expected.refused,
            &mut self.expected.mendable,
        ] {
            list.sort();
        }
        self.expected
    }

    fn lines(&mut self, rows: u64, damage_every: u64, content: &mut String, spelling: &Spelling) {
        for _ in 0..rows {
            let row = self.row();
            // Broken lines hold no line break, so that each is one record.
            if self.random.below(damage_every) == 0 && row.note != Some("two\nlines") {
                let damage = match self.random.pick(self.damages) {
                    Damage::Absent if !spelling.has_absent => Damage::Range,
                    damage => damage,
                };
                let text = (spelling.damaged)(&row, damage);
                let _ = writeln!(content, "{text}");
                self.expected.refused.push(text);
                self.expected.mendable.extend(mended_row(row, damage));
            } else {
                let _ = writeln!(content, "{}", (spelling.line)(&row));
                self.expected.rows.push(row.text());
            }
            if self.random.below(50) == 0 {
                content.push('\n');
                self.expected.skipped += 1;
            }
        }
    }

    fn row(&mut self) -> Row {
        self.next_seq += 1;
        let within = i64::try_from(self.random.below(3 * DAY_MICROS.unsigned_abs())).unwrap();
        #[expect(clippy::cast_precision_loss, reason = "8000 is exact")]
        let value = self.random.below(8000) as f64 / 8.0;
        Row {
            micros: START_MICROS + within,
            seq: self.next_seq,
            value: (self.random.below(10) > 0).then_some(value),
            note: self.random.pick(&NOTES),
        }
    }

    fn finish(&mut self, name: &str, content: &str) {
        self.program.write(&format!("raw/{name}"), content);
        self.expected.units += 1;
    }
}

impl Row {
    /// The text by which rows are compared; NULL is `~`.
    fn text(&self) -> String {
        let value = self.value.map_or("~".to_owned(), |v| format!("{v:?}"));
        let note = self.note.unwrap_or("~");
        format!("{}|{}|{value}|{note}", self.micros, self.seq)
    }

    fn instant(&self) -> String {
        let time = DateTime::from_timestamp_micros(self.micros).unwrap();
        time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }
}

/// The same text of a row that was read back.
pub(crate) fn row_text(record: &Record) -> String {
    let cell = |name: &str| record.get(name).and_then(text).unwrap_or("~".to_owned());
    let [time, seq, value, note] = ["time", "seq", "value", "note"].map(cell);
    format!("{time}|{seq}|{value}|{note}")
}

/// The row that a mended definition makes of a broken line.
fn mended_row(row: Row, damage: Damage) -> Option<String> {
    let value = match damage {
        Damage::Cut | Damage::Type => return None,
        Damage::Range => Some(RANGE),
        Damage::Absent => None,
    };
    Some(Row { value, ..row }.text())
}

/// A value outside of the first definition's range.
const RANGE: f64 = 5000.5;

fn csv_line(row: &Row) -> String {
    let value = row.value.map_or(String::new(), |v| format!("{v:?}"));
    format!("{},{},{value},{}", row.instant(), row.seq, csv_note(row))
}

/// An empty field is NULL, `""` is empty text.
fn csv_note(row: &Row) -> String {
    match row.note {
        None => String::new(),
        Some(note) => format!("\"{}\"", note.replace('"', "\"\"")),
    }
}

fn csv_damaged(row: &Row, damage: Damage) -> String {
    let (time, seq, note) = (row.instant(), row.seq, csv_note(row));
    match damage {
        Damage::Cut => format!("{time},{seq}"),
        Damage::Type => format!("{time},x{seq},1.5,{note}"),
        Damage::Range => format!("{time},{seq},{RANGE:?},{note}"),
        Damage::Absent => format!("{time},{seq},NA,{note}"),
    }
}

fn json_line(row: &Row) -> String {
    json_of(
        row,
        &row.value.map_or("null".to_owned(), |v| format!("{v:?}")),
    )
}

fn json_of(row: &Row, value: &str) -> String {
    let (time, seq) = (row.instant(), row.seq);
    match row.note {
        None => format!("{{\"ts\":\"{time}\",\"seq\":{seq},\"value\":{value}}}"),
        Some(note) => {
            let note = serde_json::to_string(note).unwrap();
            format!("{{\"note\":{note},\"ts\":\"{time}\",\"seq\":{seq},\"value\":{value}}}")
        }
    }
}

fn json_damaged(row: &Row, damage: Damage) -> String {
    match damage {
        Damage::Cut => format!("{{\"ts\":\"{}\",\"seq\":", row.instant()),
        Damage::Type => format!("{{\"ts\":\"{}\",\"seq\":\"x\"}}", row.instant()),
        Damage::Range | Damage::Absent => json_of(row, &format!("{RANGE:?}")),
    }
}
