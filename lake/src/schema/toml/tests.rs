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
    expect![[r#"
        stream = "engine"
        description = "Static fire"

        [input]
        format = "csv"
        header = false
        delimiter = "\t"
        null_values = ["NA", "-"]

        [time]
        axis = "absolute"
        columns = ["day", "msec"]
        code = "cds"
        epoch = "1958-01-01T00:00:00Z"
        valid = ["2000-01-01T00:00:00Z", "2030-01-01T00:00:00Z"]

        [table]
        partition = "month"
        constants = ["stand"]
        sort_by = ["stand", "time"]
        dedup_by = ["time", "pc"]
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
        name = "pc"
        source = "Pc (bar)"
        type = "f64"
        unit = "bar"
        valid = [0.0, inf] # bar
        limits = [{ name = "warning", low = 1.0, high = 2.5 }, { name = "critical", high = 3.0 }] # bar

        [[column]]
        name = "valve"
        type = "u8"
        description = 'Main "fuel" valve'
        enumeration = { -1 = "unknown", 0 = "off", 1 = "on" }
    "#]].assert_eq(&text);
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
    check(
        "type = \"u16\"",
        "type = \"u16",
        expect![[r#"Invalid: engine.toml:27:12: not TOML: invalid basic string, expected `"`"#]],
    );
    check(
        "required = true",
        "requierd = true",
        expect![[
            r#"Invalid: engine.toml:33:1: unknown key "requierd" in [[column]] number 2, did you mean "required": keys are name, source, type, unit, description, required, valid, limits, enumeration, sibling_of"#
        ]],
    );
    check(
        "stream = \"engine\"",
        "",
        expect![[
            r#"Invalid: engine.toml:1:1: the definition lacks the key "stream", such as stream = "engine""#
        ]],
    );
    check(
        "stream = \"engine\"",
        "stream = 5",
        expect!["Invalid: engine.toml:2:10: stream is an integer: expected a text"],
    );
    check(
        "axis = \"absolute\"",
        "axis = \"absolut\"",
        expect![[
            r#"Invalid: engine.toml:12:8: axis is "absolut", did you mean "absolute": expected absolute, relative, none"#
        ]],
    );
    check(
        "axis = \"absolute\"",
        "axis = \"relative\"",
        expect![[
            r#"Invalid: engine.toml:13:1: unknown key "columns" in [time] of axis "relative", did you mean "column": keys are axis, column, unit, run_key"#
        ]],
    );
    check(
        "code = \"cds\"",
        "code = \"cuc\"",
        expect![[
            r#"Invalid: engine.toml:11:1: code "cuc" needs the width of its fraction, such as fraction_bits = 16"#
        ]],
    );
    check(
        "code = \"cds\"",
        "code = \"cfs\"",
        expect![[
            r#"Invalid: engine.toml:11:1: this clock needs its epoch, a UTC instant, such as epoch = "1980-01-06T00:00:00Z""#
        ]],
    );
    check(
        "code = \"cds\"",
        "code = \"cds\"\nepoch = \"yesterday\"",
        expect![[
            r#"Invalid: engine.toml:15:9: epoch "yesterday" is not an ISO 8601 instant such as 2026-01-31T12:00:00.5Z"#
        ]],
    );
    check(
        "partition = \"month\"",
        "partition = \"week\"",
        expect![[
            r#"Invalid: engine.toml:18:13: partition is "week": expected day, month, year, none"#
        ]],
    );
    check(
        "type = \"u16\"",
        "type = \"uint16\"",
        expect![[
            r#"Invalid: engine.toml:27:8: type "uint16" is not known: types are bool, i8, i16, i32, i64, u8, u16, u32, u64, f16, f32, f64, text, json, binary, hex, timestamp, timestamp_ns, date, duration, decimal(20,3), list<f64>"#
        ]],
    );
    check(
        "delimiter = \"\\t\"",
        "delimiter = \"\\t\\t\"",
        expect![[
            r#"Invalid: engine.toml:8:13: delimiter must be one ASCII character, such as ";" or "\t""#
        ]],
    );
    check(
        "null_values = [\"NA\", \"-\"]",
        "null_values = [\"NA\", 5]",
        expect!["Invalid: engine.toml:9:22: null_values is an integer: expected a text"],
    );
    check(
        "0 = \"off\"",
        "zero = \"off\"",
        expect![[
            r#"Invalid: engine.toml:45:34: enumeration key "zero" is no whole number of 64 bits"#
        ]],
    );
    check(
        "name = \"day\"\nsource = \"DAY\"",
        "",
        expect!["Invalid: engine.toml:24:1: a column needs a name or a source"],
    );
    check(
        "[[column]]\nname = \"day\"",
        "[[colum]]\nname = \"day\"",
        expect![[
            r#"Invalid: engine.toml:24:3: unknown key "colum" in the definition, did you mean "column": keys are stream, description, input, time, table, column"#
        ]],
    );
}

#[test]
fn faults_of_the_whole() {
    check(
        "stream = \"engine\"",
        "stream = \"Engine 1\"",
        expect![[
            r#"Invalid: engine.toml:2:10: stream "Engine 1" is not a plain name: expected lower-case letters, digits and "_", such as "engine_1""#
        ]],
    );
    check(
        "\"DAY\", \"MSEC\"",
        "\"DAY\", \"MSECS\"",
        expect![[
            r#"Invalid: engine.toml:13:11: "MSECS" is no column of the stream, did you mean "msec""#
        ]],
    );
    check(
        "\"DAY\", \"MSEC\"",
        "\"DAY\"",
        expect![[
            r#"Invalid: engine.toml:13:11: code "cds" takes 2 or 3 columns (days, milliseconds of day, microseconds), found 1"#
        ]],
    );
    check(
        "\"DAY\", \"MSEC\"",
        "\"DAY\", \"Pc (bar)\"",
        expect![[
            r#"Invalid: engine.toml:14:8: code "cds" does not read column "pc" of type f64: expected a whole number of at most 63 bits"#
        ]],
    );
    check(
        "sort_by = [\"stand\", \"time\"]",
        "sort_by = [\"stand\", \"tiem\"]",
        expect![[r#"Invalid: engine.toml:20:11: "tiem" is no column of the stream"#]],
    );
    check(
        "dedup_by = [\"time\", \"Pc (bar)\"]",
        "dedup_by = [\"time\", \"time\"]",
        expect![[r#"Invalid: engine.toml:21:12: dedup_by names "time" twice"#]],
    );
    check(
        "constants = [\"stand\"]",
        "constants = [\"time\"]",
        expect![[
            r#"Invalid: engine.toml:19:13: constant "time" has the name of a column that the lake adds"#
        ]],
    );
    check(
        "name = \"day\"",
        "name = \"date\"",
        expect![[
            r#"Invalid: engine.toml:25:8: column "date" (source "DAY") needs the name "date", which is taken by a column that the lake adds: give it another name"#
        ]],
    );
    check(
        "name = \"day\"",
        "name = \"month\"",
        expect![[
            r#"Invalid: engine.toml:25:8: column "month" (source "DAY") needs the name "month", which is taken by a column that the lake adds: give it another name"#
        ]],
    );
    check(
        "name = \"day\"",
        "name = \"_day\"",
        expect![[
            r#"Invalid: engine.toml:25:8: column "_day" begins with "_": such names belong to the lake"#
        ]],
    );
    check(
        "name = \"day\"",
        "name = \"valve__raw\"",
        expect![[
            r#"Invalid: engine.toml:42:8: column "valve" (source "valve") needs the name "valve__raw", which is taken by column "valve__raw" (source "DAY"): give it another name"#
        ]],
    );
    check(
        "name = \"valve\"",
        "name = \"pc\"",
        expect![[
            r#"Invalid: engine.toml:42:8: column "pc" (source "pc") needs the name "pc", which is taken by column "pc" (source "Pc (bar)"): give it another name"#
        ]],
    );
    check(
        "valid = [0, inf]",
        "valid = [3, 2]",
        expect![[r#"Invalid: engine.toml:38:9: column "pc" has no value within valid 3 to 2"#]],
    );
    check(
        "low = 1, high = 2.5",
        "low = nan",
        expect![[
            r#"Invalid: engine.toml:39:10: column "pc" has no value within warning NaN to inf"#
        ]],
    );
    check(
        "high = 3",
        "",
        expect![[
            r#"Invalid: engine.toml:39:10: column "pc" has limit "critical" without low and high"#
        ]],
    );
    check(
        "type = \"u8\"",
        "type = \"f64\"",
        expect![[
            r#"Invalid: engine.toml:45:15: column "valve" is f64: an enumeration needs whole numbers of at most 63 bits"#
        ]],
    );
    check(
        "type = \"f64\"",
        "type = \"decimal(50,2)\"",
        expect![
            "Invalid: engine.toml:37:8: type decimal(50,2) does not fit: 1 to 38 digits, of which 0 to all stand behind the point"
        ],
    );
    check(
        "type = \"f64\"",
        "type = \"text\"",
        expect![[r#"Invalid: engine.toml:38:9: column "pc" is no number, so valid cannot hold"#]],
    );
    check(
        "type = \"f64\"",
        "type = \"f64\"\nsibling_of = \"valv\"",
        expect![[
            r#"Invalid: engine.toml:38:14: column "pc" is a sibling of "valv", which is no column, did you mean "valve""#
        ]],
    );
    check(
        "evolution = \"strict\"",
        "received_at = \"valve\"",
        expect![[
            r#"Invalid: engine.toml:22:15: received_at column "valve" is u8: expected timestamp, timestamp_ns, date or text"#
        ]],
    );
    check(
        "valid = [\"2000",
        "valid = [\"2031",
        expect!["Invalid: engine.toml:15:9: valid ends before it begins: expected [from, to]"],
    );
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
        if !definition.dedup_by.is_empty() {
            definition.dedup_ignore = self.maybe(|_| "part".to_string()).into_iter().collect();
        }
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

#[test]
fn what_equal_rows_may_differ_in() {
    let with = |ignored: &str| {
        let line = format!("dedup_ignore = {ignored}\nevolution");
        Definition::from_toml(&ENGINE.replacen("evolution", &line, 1), "engine.toml")
    };
    let definition = with("[\"valve\", \"stand\"]").expect("a definition");
    let again = Definition::from_toml(&definition.to_toml(), "again.toml").expect("a definition");
    assert_eq!(again, definition);
    expect![[r#"["valve", "valve__raw", "stand"]"#]]
        .assert_eq(&format!("{:?}", definition.dedup_ignored_columns()));
    let mut out = String::new();
    for ignored in ["[\"valv\"]", "[\"valve\", \"valve\"]", "[\"Pc (bar)\"]"] {
        let error = with(ignored).expect_err("a refusal");
        out += &format!("{}\n", error.message());
    }
    let alone = ENGINE.replace(
        "dedup_by = [\"time\", \"Pc (bar)\"]",
        "dedup_ignore = [\"valve\"]",
    );
    let error = Definition::from_toml(&alone, "engine.toml").expect_err("a refusal");
    out += &format!("{}\n", error.message());
    expect![[r#"
        engine.toml:22:16: "valv" is no column of the stream, did you mean "valve"
        engine.toml:22:16: dedup_ignore names "valve" twice
        engine.toml:22:16: dedup_ignore names "pc", which is part of dedup_by
        engine.toml:21:16: dedup_ignore needs dedup_by: nothing else tells duplicates
    "#]]
    .assert_eq(&out);
}

/// `time` of a key is the axis, whatever a column is called in its source.
#[test]
fn a_source_called_time_is_not_the_axis() {
    let text = r#"
stream = "s"
[time]
axis = "absolute"
columns = ["clock"]
code = "iso"
[table]
sort_by = ["time"]
dedup_by = ["time"]
[[column]]
name = "clock"
type = "text"
[[column]]
name = "time_2"
source = "time"
type = "f64"
"#;
    let definition = Definition::from_toml(text, "s.toml").expect("a definition");
    let keys = (definition.sort_columns(), definition.dedup_columns());
    expect![[r#"(["time"], ["time"])"#]].assert_eq(&format!("{keys:?}"));
}
