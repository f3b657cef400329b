use std::fmt::Write;
use std::fs;
use std::io::Cursor;

use downlake_lake::schema::{Definition, Evolution};
use expect_test::{Expect, expect};

use super::super::testing::{check as check_format, decoded, given};
use super::super::{DecodeOptions, InferOptions, Input};
use super::FORMAT;

fn check(columns: &[&str], input: &str, expect: Expect) {
    check_format(&FORMAT, input.as_bytes(), &given(columns), expect);
}

#[test]
fn layouts() {
    let a = ["a i64"];
    check(
        &a,
        "{\"a\":1}\n\n{\"a\":2}\r\n",
        expect![[r#"
        1: 1
        3: 2
        skipped 1
    "#]],
    );
    check(
        &a,
        "\u{feff}{\"a\":1}",
        expect![[r#"
        1: 1
    "#]],
    );
    check(
        &a,
        "{\n \"a\": 1\n}\n{\n \"a\": 2\n}",
        expect![[r#"
        1: 1
        4: 2
    "#]],
    );
    check(
        &a,
        " [ {\"a\":1} , {\"a\":2},\n{\"a\":3}]\n",
        expect![[r#"
        1: 1
        1: 2
        2: 3
    "#]],
    );
    check(
        &a,
        "{\"a\":1}{\"a\":2} {\"a\":3}",
        expect![[r#"
        1: 1
        1: 2
        1: 3
    "#]],
    );
    check(&a, "[]", expect![[""]]);
    check(&a, "", expect![[""]]);
}

#[test]
fn fields() {
    check(
        &["a.b i64", "c list<f64>", "d json", "e text"],
        concat!(
            "{\"a\":{\"b\":1},\"c\":[1,2.5],\"d\":{\"x\":[1]},\"e\":\"\\u00e9\\n\"}\n",
            "{\"a.b\":2,\"c\":[],\"d\":null,\"e\":null}\n",
            "{\"c\":null,\"d\":[1,\"x\"],\"e\":5,\"a\":{}}\n",
        ),
        expect![[r#"
            1: 1 | [1.0, 2.5] | {"x":[1]} | é

            2: 2 | [] | - | -
            3: - | - | [1,"x"] | 5
        "#]],
    );
    check(
        &["chamber_pressure f64"],
        "{\"Chamber Pressure (bar)\":1}\n",
        expect![[r#"
            1: 1.0
        "#]],
    );
}

#[test]
fn refused_records() {
    let a = ["a i64", "b f64"];
    check(
        &a,
        concat!(
            "{\"a\":1}\n{\"a\":}\n{\"a\":2} x\n[1]\n5\n{\"a\":1,\"a\":2}\n{\"a\":\"1\"}\n{\"a\":true}\n",
            "{\"a\":9223372036854775808}\n{\"b\":1e400}\n{\"b\":\"NaN\"}\n{\"b\":0.1}\n{\"c\":1}\n{\"c\":null}\n",
            "{\"c\":{\"d\":1}}\n{\"a\":[1]}\n{\"a\":{\"x\":null}}\n",
        ),
        expect![[r#"
            1: 1 | -
            11: - | NaN
            12: - | 0.1
            14: - | -
            17: - | -
            2! syntax: expected value at line 1 column 6
            3! syntax: trailing characters at line 1 column 9
            4! not-an-object: "[1]" is no object
            5! not-an-object: "5" is no object
            6! duplicate-key: field "a" is named twice
            7! type: column "a": "\"1\"" is not a whole number of 64 bits
            8! type: column "a": "true" is not a whole number of 64 bits
            9! range: column "a": "9223372036854775808" does not fit into a whole number of 64 bits
            10! range: column "b": "1e400" does not fit into a number of double precision
            13! unknown-field: field "c" with value "1" is not in the definition
            15! unknown-field: field "c.d" with value "1" is not in the definition
            16! type: column "a": "[1]" is not a whole number of 64 bits
        "#]],
    );
    check(
        &a,
        "[{\"a\":1} {\"a\":2},5,]{\"a\":3}",
        expect![[r#"
        1: 1 | -
        1: 3 | -
        1! syntax: a comma is missing before the element
        1! not-an-object: "5" is no object
        1! syntax: a comma stands before the end of the array
    "#]],
    );
    check(
        &a,
        "[{\"a\":1}",
        expect![[r#"
        1: 1 | -
        1! syntax: the array does not end
    "#]],
    );
    check(
        &a,
        "[{\"a\":1},{\"a\":",
        expect![[r#"
            1: 1 | -
            1! syntax: the value does not end
        "#]],
    );
    check_format(
        &FORMAT,
        b"{\"a\":1}\n{\"x\":\"\xff\"}\n",
        &given(&a),
        expect![[r#"
            1: 1 | -
            2! utf8: byte 6 of the record is not UTF-8
        "#]],
    );
    check(
        &["t text"],
        "{\"t\":\"\\ud800\"}\n{\"t\":\"\\u0000\"}\n",
        expect![[r#"
            2: \0
            1! utf8: column "t": "\"\\ud800\"" is not UTF-8 for text
        "#]],
    );
}

#[test]
fn misfits_go_to_siblings() {
    let columns = ["a i64", "a__double f64 a", "a__text text a"];
    check(
        &columns,
        "{\"a\":1}\n{\"a\":1.5}\n{\"a\":\"x\"}\n{\"a\":[1]}\n",
        expect![[r#"
            1: 1 | - | -
            2: - | 1.5 | -
            3: - | - | x
            4: - | - | [1]
        "#]],
    );
}

#[test]
fn unknown_fields_are_counted_where_they_are_ignored() {
    let mut definition = given(&["a i64"]);
    definition.evolution = Evolution::Ignore;
    check_format(
        &FORMAT,
        b"{\"a\":1,\"b\":{\"c\":2}}\n{\"b\":{\"c\":3},\"a\":1}\n",
        &definition,
        expect![[r#"
            1: 1
            2: 1
            notice field "b.c" is not in the definition: 2 values dropped
        "#]],
    );
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(1_000), "}".repeat(1_000));
    check(
        &["d json"],
        &format!("{{\"d\":{deep}}}\n"),
        expect![[r#"
        1! too-deep: values are nested deeper than 128
    "#]],
    );
    check(
        &["d i64"],
        &objects,
        expect![[r#"
        1! too-deep: values are nested deeper than 128
    "#]],
    );
}

#[test]
fn values_beyond_the_limit() {
    let options = DecodeOptions {
        record_bytes_limit: 100_000,
        ..DecodeOptions::default()
    };
    let long = "x".repeat(1_000_000);
    let lines = format!("{{\"a\":1}}\n{{\"t\":\"{long}\"}}\n{{\"a\":2}}\n");
    let array = format!("[{{\"a\":1}},{{\"t\":\"{long}\"}},{{\"a\":2}}]");
    let mut text = String::new();
    for input in [lines, array] {
        text += &decoded(
            &FORMAT,
            input.as_bytes(),
            &given(&["a i64", "t text"]),
            &options,
        );
    }
    expect![[r#"
        1: 1 | -
        3: 2 | -
        2! too-long: the record has 1000009 bytes
        1: 1 | -
        1: 2 | -
        1! too-long: the record has 1000008 bytes
    "#]]
    .assert_eq(&text);
}

fn check_inferred(input: &str, expect: Expect) {
    let stream = Input::Stream(Box::new(Cursor::new(input.to_owned().into_bytes())));
    let inferred = (FORMAT.infer)(stream, &InferOptions::default()).expect("text");
    let fields = inferred.fields.iter();
    let fields = fields.map(|f| format!("{} {}\n", f.source, f.kind.column_type()));
    expect.assert_eq(&fields.collect::<String>());
}

#[test]
fn inference_without_an_object_says_what_there_is() {
    let check = |input: &str, expect: Expect| {
        let stream = Input::Stream(Box::new(Cursor::new(input.as_bytes().to_vec())));
        let refused = (FORMAT.infer)(stream, &InferOptions::default());
        let refused = refused.expect_err("no columns");
        assert_eq!(refused.kind(), downlake_lake::ErrorKind::Corrupt);
        expect.assert_eq(refused.message());
    };
    check(
        "[1,2,3]",
        expect![
            "input has no record to make columns of, but 3 others; the first thing wrong: \"1\" is no object"
        ],
    );
    check(
        "{\"a\":{}}\n{}\n",
        expect![
            "input has no record to make columns of, but 2 others; the first thing wrong: its objects are empty"
        ],
    );
    check_inferred("", expect![[""]]);
    check_inferred(" \n\n", expect![[""]]);
}

#[test]
fn inference() {
    check_inferred(
        "{\"a\":1,\"b\":{\"c\":\"x\"},\"d\":[1,2.5],\"e\":[1,\"x\"],\"f\":[{}],\"g\":null}\n{\"a\":2.5,\"h\":\"2026-01-01T00:00:00Z\"}\n",
        expect![[r#"
            a f64
            b.c text
            d list<f64>
            e json
            f json
            g text
            h timestamp
        "#]],
    );
    check_inferred(
        "{\"a\":1,\"b\":true,\"c\":[]}\n{\"a\":\"x\",\"b\":1,\"c\":[1]}\n",
        expect![[r#"
            a text
            b json
            c list<i64>
        "#]],
    );
    check_inferred(
        "{\"a\":{\"b\":1}}\n{\"a\":2}\n",
        expect![[r#"
        a.b i64
        a i64
    "#]],
    );
}

/// Wraps a text as the one value of a record.
fn wrapped(value: &[u8]) -> Vec<u8> {
    [b"{\"v\":".as_slice(), value, b"}"].concat()
}

fn outcome(input: &[u8], definition: &Definition) -> (usize, usize) {
    let stream = Input::Stream(Box::new(Cursor::new(input.to_vec())));
    let options = DecodeOptions::default();
    let Ok(mut decoder) = (FORMAT.open)(stream, definition, &options) else {
        // Text in units of two or four bytes is refused as a whole.
        return (0, 1);
    };
    let (mut rows, mut rejects) = (0, 0);
    while let Some(decoded) = decoder.next().expect("memory can be read") {
        rows += decoded.batch.num_rows();
        rejects += decoded.rejects.len();
    }
    (rows, rejects)
}

#[test]
fn parsing_suite_of_others() {
    let Ok(data) = std::env::var("DOWNLAKE_TEST_DATA") else {
        println!("NOT RUN: DOWNLAKE_TEST_DATA does not say where the suites are");
        return;
    };
    let definition = given(&["v json"]);
    let (mut accepted, mut refused, mut wrong) = (0, 0, String::new());
    let folder = fs::read_dir(format!("{data}/suites/json/test_parsing")).expect("the suite");
    for entry in folder {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read(&path).expect("a file");
        outcome(&text, &definition);
        let is_one = outcome(&wrapped(&text), &definition) == (1, 0);
        match (&name[..1], is_one) {
            ("y", true) => accepted += 1,
            ("n", false) => refused += 1,
            ("i", _) => {}
            _ => writeln!(wrong, "{name}").expect("strings take text"),
        }
    }
    let failed = wrong.lines().count();
    println!("JSONTestSuite: {accepted} passed, {refused} refused, {failed} failed");
    assert_eq!(wrong, "");
    assert_eq!((accepted, refused), (95, 188));
}
