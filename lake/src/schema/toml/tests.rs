use expect_test::{Expect, expect};

use super::*;
use crate::schema::{
    AbsoluteTime, Column, ColumnType, Evolution, InputLayout, Limit, Origin, Partition, TimeAxis,
    TimeCode, TimeScale,
};

const ENGINE: &str = r#"
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
name = "valve"
type = "u8"
description = "Main \"fuel\" valve"
enumeration = { 1 = "on", 0 = "off", -1 = "unknown" }
"#;

#[test]
fn the_canonical_text_says_everything() {
    let definition = Definition::from_toml(ENGINE, "engine.toml").expect("a definition");
    let text = definition.to_toml();
    expect![[""]].assert_eq(&text);
    let again = Definition::from_toml(&text, "again").expect("canonical text");
    assert_eq!(again, definition);
    assert_eq!(definition.hash().len(), 64);
}

/// Replaces one line of a good definition, so that each case has one fault.
fn check(line: &str, instead: &str, expected: Expect) {
    assert!(ENGINE.contains(line), "{line:?} is in the text");
    let text = ENGINE.replacen(line, instead, 1);
    let said = match Definition::from_toml(&text, "engine.toml") {
        Ok(_) => "accepted".to_string(),
        Err(error) => format!("{error:?}"),
    };
    expected.assert_eq(&said);
}

#[test]
fn faults_of_syntax_and_words() {
    check("type = \"u16\"", "type = \"u16", expect![[""]]);
    check("required = true", "requierd = true", expect![[""]]);
    check("stream = \"engine\"", "", expect![[""]]);
    check("stream = \"engine\"", "stream = 5", expect![[""]]);
    check("axis = \"absolute\"", "axis = \"absolut\"", expect![[""]]);
    check("axis = \"absolute\"", "axis = \"relative\"", expect![[""]]);
    check("code = \"cds\"", "code = \"cuc\"", expect![[""]]);
    check("code = \"cds\"", "code = \"cfs\"", expect![[""]]);
    check(
        "code = \"cds\"",
        "code = \"cds\"\nepoch = \"yesterday\"",
        expect![[""]],
    );
    check(
        "partition = \"month\"",
        "partition = \"week\"",
        expect![[""]],
    );
    check("type = \"u16\"", "type = \"uint16\"", expect![[""]]);
    check(
        "delimiter = \"\\t\"",
        "delimiter = \"\\t\\t\"",
        expect![[""]],
    );
    check(
        "null_values = [\"NA\", \"-\"]",
        "null_values = [\"NA\", 5]",
        expect![[""]],
    );
    check("0 = \"off\"", "zero = \"off\"", expect![[""]]);
    check("name = \"day\"\nsource = \"DAY\"", "", expect![[""]]);
    check(
        "[[column]]\nname = \"day\"",
        "[[colum]]\nname = \"day\"",
        expect![[""]],
    );
}

#[test]
fn faults_of_the_whole() {
    check(
        "stream = \"engine\"",
        "stream = \"Engine 1\"",
        expect![[""]],
    );
    check("\"DAY\", \"MSEC\"", "\"DAY\", \"MSECS\"", expect![[""]]);
    check("\"DAY\", \"MSEC\"", "\"DAY\"", expect![[""]]);
    check("\"DAY\", \"MSEC\"", "\"DAY\", \"Pc (bar)\"", expect![[""]]);
    check(
        "sort_by = [\"stand\", \"time\"]",
        "sort_by = [\"stand\", \"tiem\"]",
        expect![[""]],
    );
    check(
        "dedup_by = [\"time\", \"Pc (bar)\"]",
        "dedup_by = [\"time\", \"time\"]",
        expect![[""]],
    );
    check(
        "constants = [\"stand\"]",
        "constants = [\"time\"]",
        expect![[""]],
    );
    check("name = \"day\"", "name = \"date\"", expect![[""]]);
    check("name = \"day\"", "name = \"month\"", expect![[""]]);
    check("name = \"day\"", "name = \"_day\"", expect![[""]]);
    check("name = \"day\"", "name = \"valve__raw\"", expect![[""]]);
    check("name = \"valve\"", "name = \"pc\"", expect![[""]]);
    check("valid = [0, inf]", "valid = [3, 2]", expect![[""]]);
    check("low = 1, high = 2.5", "low = nan", expect![[""]]);
    check("high = 3", "", expect![[""]]);
    check("type = \"u8\"", "type = \"f64\"", expect![[""]]);
    check("type = \"f64\"", "type = \"decimal(50,2)\"", expect![[""]]);
    check("type = \"f64\"", "type = \"text\"", expect![[""]]);
    check(
        "type = \"f64\"",
        "type = \"f64\"\nsibling_of = \"valv\"",
        expect![[""]],
    );
    check(
        "evolution = \"strict\"",
        "received_at = \"valve\"",
        expect![[""]],
    );
    check("valid = [\"2000", "valid = [\"2031", expect![[""]]);
}

/// Numbers that are random enough to build odd definitions (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.roll(2) == 0).then(|| value(self))
    }

    fn odd_text(&mut self) -> String {
        let parts = [
            "a", "\"", "'", "\\", "\n", "\r\n", "\t", "é", "#", "'''", "\"\"\"", " ", "\u{7f}",
            "\0", "°C",
        ];
        (0..self.roll(6)).map(|_| self.pick(&parts)).collect()
    }

    fn number(&mut self) -> f64 {
        self.pick(&[0.0, -0.0, 1.0, -1.5, 1e300, 1e-9, 0.1, 123_456_789.25])
    }

    fn column(&mut self, index: usize) -> Column {
        let kinds = crate::schema::types::tests::every_type();
        let mut column = Column::new(format!("c{index}"), self.odd_text(), self.pick(&kinds));
        column.description = self.maybe(Self::odd_text);
        column.required = self.roll(2) == 0;
        if column.kind != ColumnType::Duration {
            column.unit = self.maybe(Self::odd_text);
        }
        if column.kind.is_number() {
            let low = self.number();
            column.valid_range = self.maybe(|dice| (low, low + dice.number().abs()));
            let name = self.odd_text();
            column.limits = self
                .maybe(|_| Limit {
                    name,
                    low: Some(low),
                    high: None,
                })
                .into_iter()
                .collect();
        } else if self.roll(2) == 0 {
            column.kind = ColumnType::I16;
            column.enumeration = vec![(-3, self.odd_text()), (0, self.odd_text())];
        }
        column
    }

    fn axis(&mut self) -> TimeAxis {
        let clock = |columns: &[&str], code, scale| {
            TimeAxis::Absolute(AbsoluteTime {
                columns: columns.iter().map(|c| (*c).to_string()).collect(),
                code,
                epoch_micros: if code == TimeCode::Iso {
                    0
                } else {
                    315_964_800_123_456
                },
                scale,
                valid_from_micros: -1,
                valid_to_micros: Some(1_000_000_000_000_001),
            })
        };
        match self.roll(5) {
            0 => TimeAxis::None,
            1 => TimeAxis::Relative {
                column: "whole".into(),
                unit: self.odd_text(),
                run_key: Some("_ingest_id".into()),
            },
            2 => clock(&["stamp"], TimeCode::Iso, TimeScale::Utc),
            3 => clock(&["whole"], TimeCode::Nanos, TimeScale::Gps),
            _ => clock(
                &["whole", "part"],
                TimeCode::Cuc { fraction_bits: 24 },
                TimeScale::Tai,
            ),
        }
    }

    fn definition(&mut self) -> Definition {
        let mut columns: Vec<Column> = (0..self.roll(8)).map(|index| self.column(index)).collect();
        for (name, kind) in [
            ("whole", ColumnType::U32),
            ("part", ColumnType::U32),
            ("stamp", ColumnType::TimestampNs),
        ] {
            columns.push(Column::new(name, self.odd_text(), kind));
        }
        let mut definition = Definition::new(
            "odd",
            self.pick(&[Origin::Given, Origin::Inferred]),
            columns,
        );
        definition.description = self.maybe(Self::odd_text);
        definition.time = self.axis();
        if let TimeAxis::Absolute(_) = definition.time {
            definition.partition = self.pick(&[
                Partition::Day,
                Partition::Month,
                Partition::Year,
                Partition::None,
            ]);
        }
        definition.input = InputLayout {
            format: self.maybe(Self::odd_text),
            header: self.maybe(|dice| dice.roll(2) == 0),
            delimiter: self.maybe(|dice| dice.pick(b"\t ;|,'\\#")),
            null_values: (0..self.roll(3)).map(|_| self.odd_text()).collect(),
        };
        definition.constants = self.maybe(|_| "vehicle".to_string()).into_iter().collect();
        definition.sort_by = self.maybe(|_| "part".to_string()).into_iter().collect();
        definition.dedup_by = self.maybe(|_| "whole".to_string()).into_iter().collect();
        definition.evolution = self.pick(&[Evolution::Add, Evolution::Strict, Evolution::Ignore]);
        definition
    }
}

#[test]
fn odd_definitions_come_back_as_they_were() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for round in 0..400 {
        let definition = dice.definition();
        definition
            .check()
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
        let text = definition.to_toml();
        let again = Definition::from_toml(&text, "odd.toml")
            .unwrap_or_else(|error| panic!("round {round}: {error}\n{text}"));
        assert_eq!(again, definition, "round {round}\n{text}");
        assert_eq!(again.to_toml(), text, "round {round}");
    }
}

#[test]
fn damaged_text_is_refused_or_read_but_never_panics() {
    let mut dice = Dice(42);
    let pieces = [
        "\"",
        "[",
        "]",
        "=",
        "{",
        "}",
        "\n",
        "é",
        "-",
        "99999999999999999999",
        "\0",
        "#",
    ];
    for _ in 0..2000 {
        let mut text = ENGINE.to_string();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(text.len());
            if text.is_char_boundary(at) {
                let piece = dice.pick(&pieces);
                text.insert_str(at, piece);
            }
        }
        if let Ok(definition) = Definition::from_toml(&text, "damaged.toml") {
            let again = Definition::from_toml(&definition.to_toml(), "again.toml");
            assert_eq!(again.expect("canonical text reads"), definition);
        }
    }
}
