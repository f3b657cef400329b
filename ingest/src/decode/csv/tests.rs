use downlake_lake::schema::{Evolution, Origin};
use expect_test::{Expect, expect};

use super::super::testing::{check as check_format, decoded, given};
use super::super::{DecodeOptions, InferOptions, Input};
use super::FORMAT;

fn check(columns: &[&str], input: &str, expect: Expect) {
    check_format(&FORMAT, input.as_bytes(), &given(columns), expect);
}

#[test]
fn fields() {
    let ab = ["a i64", "b text"];
    check(
        &ab,
        "a,b\n1,x\n2,y\n",
        expect![[r#"
        2: 1 | x
        3: 2 | y
    "#]],
    );
    check(
        &ab,
        "\u{feff}a,b\r\n1,x\r\n\r\n2,y",
        expect![[r#"
        2: 1 | x
        4: 2 | y
        skipped 1
    "#]],
    );
    check(
        &ab,
        "b;a\nx;1\n\n  \ny;2\n",
        expect![[r#"
        2: 1 | x
        5: 2 | y
        skipped 2
    "#]],
    );
    check(
        &ab,
        "a\tb\n1\tx y\n",
        expect![[r#"
        2: 1 | x y
    "#]],
    );
    check(
        &ab,
        "a|b\n1|x\n",
        expect![[r#"
        2: 1 | x
    "#]],
    );
    check(
        &ab,
        "a b\n 1   x \n2 y\n",
        expect![[r#"
        2: 1 | x
        3: 2 | y
    "#]],
    );
    check(
        &ab,
        "a,b\n1,\"x\r\ny, \"\"z\"\"\"\n2,\n3,\"\"\n",
        expect![[r#"
            2: 1 | x\r
            y, "z"
            4: 2 | -
            5: 3 | 
        "#]],
    );
    check(
        &ab,
        "a,b\r1,x\r2,y\r",
        expect![[r#"
        1: 1 | x
        1: 2 | y
    "#]],
    );
    check(&ab, "", expect![[""]]);
    check(&ab, "a,b\n", expect![[""]]);
}

#[test]
fn header_in_another_order_with_other_names() {
    check(
        &["pc f64", "t f64"],
        "T , Pc (bar)\n1,2\n",
        expect![[r#"
        2: 2.0 | 1.0
    "#]],
    );
    check(
        &["a i64", "b i64"],
        "b\n1\n",
        expect![[r#"
        2: - | 1
    "#]],
    );
    check(
        &["a i64", "a_2 i64"],
        "a,a\n1,2\n",
        expect![[r#"
        2: 1 | 2
        notice the header names "a" more than once: a later one is read as "a_2"
    "#]],
    );
    check(
        &["a i64"],
        "x,y\nu,v\n",
        expect![[r#"
        error: the first line of input names none of the columns of stream "t": it begins with "x,y"; say `header = false` in the definition if it is data
    "#]],
    );
    check(
        &["a i64", "b f64"],
        "1,2.5\n3,4\n",
        expect![[r#"
        1: 1 | 2.5
        2: 3 | 4.0
    "#]],
    );
}

#[test]
fn refused_records() {
    let ab = ["a u8", "b text"];
    check(
        &ab,
        "a,b\n1\n1,x,y\n1,x,\n2,y\n",
        expect![[r#"
        4: 1 | x
        5: 2 | y
        2! field-count: 1 fields where 2 are expected
        3! field-count: 3 fields where 2 are expected
    "#]],
    );
    check(
        &ab,
        "a,b\nx,1\n256,1\n-1,1\n1.5,1\n1.0,1\n99999999999999999999999,1\n",
        expect![[r#"
            6: 1 | 1
            2! type: column "a": "x" is not a whole number of 8 bits without sign
            3! range: column "a": "256" does not fit into a whole number of 8 bits without sign
            4! range: column "a": "-1" does not fit into a whole number of 8 bits without sign
            5! type: column "a": "1.5" is not a whole number of 8 bits without sign
            7! range: column "a": "99999999999999999999999" does not fit into a whole number of 8 bits without sign
        "#]],
    );
    check(
        &ab,
        "a,b\n1,\"x\n2,y\n3,z\n",
        expect![[r#"
        3: 2 | y
        4: 3 | z
        2! quote: a quoted field that begins in this line does not end
    "#]],
    );
    check_format(
        &FORMAT,
        b"a,b\n1,\xff\n2,\xc3\xa9\n",
        &given(&ab),
        expect![[r#"
            3: 2 | é
            2! utf8: column "b": "�" is not UTF-8 for text
        "#]],
    );
}

#[test]
fn misfits_go_to_siblings() {
    let columns = ["a i64", "a__double f64 a", "a__text text a"];
    check(
        &columns,
        "a\n1\n1.5\nx\n\n",
        expect![[r#"
        2: 1 | - | -
        3: - | 1.5 | -
        4: - | - | x
        skipped 1
    "#]],
    );
}

#[test]
fn types() {
    check(
        &["a f32", "b f64", "c decimal(5,2)"],
        "a,b,c\n0.1,0.1,123.45\n1e39,1e309,1\nnan,-inf,-0.5\n1e39,1,1\n1,1,1.234\n1,1,1234.5\n1,1,1e2\n1,1,--1\n",
        expect![[r#"
            2: 0.1 | 0.1 | 123.45
            4: NaN | -inf | -0.50
            8: 1.0 | 1.0 | 100.00
            3! range: column "a": "1e39" does not fit into a number of single precision
            5! range: column "a": "1e39" does not fit into a number of single precision
            6! range: column "c": "1.234" does not fit into a decimal of 5 digits, 2 of them after the point
            7! range: column "c": "1234.5" does not fit into a decimal of 5 digits, 2 of them after the point
            9! type: column "c": "--1" is not a decimal of 5 digits, 2 of them after the point
        "#]],
    );
    check(
        &["a hex", "b binary", "c bool"],
        "a,b,c\n0652,0aFF,true\n0xFF,,FALSE\nFFFFFFFFFFFFFFFF,00,1\nG,00,1\n1,0,1\n1,00,yes\n",
        expect![[r#"
            2: 1618 | 0aff | true
            3: 255 | - | false
            4! range: column "a": "FFFFFFFFFFFFFFFF" does not fit into a hexadecimal number of 63 bits
            5! type: column "a": "G" is not a hexadecimal number of 63 bits
            6! type: column "b": "0" is not bytes in hexadecimal
            7! type: column "c": "yes" is not true or false
        "#]],
    );
    check(
        &["a timestamp", "b timestamp_ns", "c date"],
        "a,b,c\n2026-01-31T12:00:00Z,2026-01-31 12:00:00.123456789+01:00,2026-01-31\n2026-01-31T12:00:00.1234567Z,,\n,3000-01-01T00:00:00Z,\n,,2026-02-30\nyesterday,,\n",
        expect![[r#"
            2: 2026-01-31T12:00:00Z | 2026-01-31T11:00:00.123456789Z | 2026-01-31
            3! range: column "a": "2026-01-31T12:00:00.1234567Z" does not fit into a timestamp in microseconds
            4! range: column "b": "3000-01-01T00:00:00Z" does not fit into a timestamp in nanoseconds between 1677 and 2262
            5! type: column "c": "2026-02-30" is not a date
            6! type: column "a": "yesterday" is not a timestamp in microseconds
        "#]],
    );
    check(
        &["a list<i64>", "b json", "c u64", "d duration"],
        "a,b,c,d\n\"[1,null,2]\",\"{\"\"x\"\":1}\",18446744073709551615,5\n[],,,\n[x],,,\n,{,,\n,,18446744073709551616,\n",
        expect![[r#"
            2: [1, -, 2] | {"x":1} | 18446744073709551615 | 5
            3: [] | - | - | -
            4! type: column "a": "[x]" is not a list, each element a whole number of 64 bits
            5! type: column "b": "{" is not JSON
            6! range: column "c": "18446744073709551616" does not fit into a whole number of 64 bits without sign
        "#]],
    );
}

#[test]
fn fields_beyond_the_definition() {
    let mut definition = given(&["a i64"]);
    let input = b"a,b\n1,\n2,x\n3,y\n";
    check_format(
        &FORMAT,
        input,
        &definition,
        expect![[r#"
        2: 1
        3! unknown-field: field "b" with value "x" is not in the definition
        4! unknown-field: field "b" with value "y" is not in the definition
    "#]],
    );
    definition.evolution = Evolution::Ignore;
    check_format(
        &FORMAT,
        input,
        &definition,
        expect![[r#"
        2: 1
        3: 2
        4: 3
        notice field "b" is not in the definition: 2 values dropped
    "#]],
    );
}

#[test]
fn null_values() {
    let mut definition = given(&["a f64", "b text"]);
    definition.input.null_values = vec!["NA".to_owned()];
    check_format(
        &FORMAT,
        b"a,b\nNA,NA\n1,\"\"\n",
        &definition,
        expect![[r#"
        2: - | -
        3: 1.0 | 
    "#]],
    );
}

#[test]
fn records_beyond_the_limit() {
    let options = DecodeOptions {
        record_bytes_limit: 100_000,
        ..DecodeOptions::default()
    };
    let long = "x".repeat(1_000_000);
    let input = format!("a,b\n1,{long}\n2,y\n3,\"z\n{long}\n4,w\n");
    let text = decoded(
        &FORMAT,
        input.as_bytes(),
        &given(&["a i64", "b text"]),
        &options,
    );
    expect![[r#"
        3: 2 | y
        6: 4 | w
        2! too-long: the record has 1000003 bytes
        4! quote: a quoted field that begins in this line does not end
        5! too-long: the record has 1000001 bytes
    "#]]
    .assert_eq(&text);
}

fn check_inferred(input: &str, expect: Expect) {
    let stream = Input::Stream(Box::new(std::io::Cursor::new(
        input.to_owned().into_bytes(),
    )));
    let inferred = (FORMAT.infer)(stream, &InferOptions::default()).expect("text");
    let fields = inferred
        .fields
        .iter()
        .map(|f| format!("{} {}\n", f.source, f.kind.column_type()));
    let mut text: String = fields.collect();
    for notice in inferred.notices {
        text.push_str(&format!("notice {notice}\n"));
    }
    expect.assert_eq(&text);
}

#[test]
fn inference() {
    check_inferred(
        "a,b,c,d\n1,1.5,x,true\n2,3,007,false\n",
        expect![[r#"
        a i64
        b f64
        c text
        d bool
    "#]],
    );
    check_inferred(
        "a,b\n0652,2026-01-01T00:00:00Z\n06A6,2026-01-01T00:00:00.123456789Z\n",
        expect![[r#"
            a text
            b timestamp_ns
        "#]],
    );
    check_inferred(
        "a,b,c\n1,nan,2026-01-01\n18446744073709551616,inf,2026-01-01 10:00\n",
        expect![[r#"
            a decimal(38,0)
            b f64
            c timestamp
        "#]],
    );
    check_inferred(
        "1 2.5 -3\n4 5 6\n",
        expect![[r#"
        c1 i64
        c2 f64
        c3 i64
    "#]],
    );
    check_inferred(
        "a,b,a\n1,,true\n2,,1\n",
        expect![[r#"
        a i64
        b text
        a_2 text
        notice the header names "a" more than once: a later one is read as "a_2"
    "#]],
    );
    check_inferred(
        "x,2019,2020\ny,z,w\n",
        expect![[r#"
        x text
        2019 text
        2020 text
    "#]],
    );
    check_inferred("", expect![[""]]);
}

#[test]
fn a_header_is_what_stands_over_values() {
    let check = |input: &str, has_header: bool| {
        let stream = Input::Stream(Box::new(std::io::Cursor::new(input.as_bytes().to_vec())));
        let inferred = (FORMAT.infer)(stream, &InferOptions::default()).expect("text");
        assert_eq!(inferred.layout.header, Some(has_header), "{input:?}");
    };
    for headed in [
        "a,b\n1,2\n",
        "a,b\nx,y\n",
        "time,1,2\n0.0,5,6\n1.0,7,8\n",
        "sensor,2023,2024\n7,1,2\n",
        "k,f,inf\na,1.5,inf\nb,2.5,nan\n",
        "k,2023\nx,y\n",
        "\"id\",\"1\"\n\"5\",\"6\"\n",
        "id,1\n,2\n3,4\n",
        "a,b\n",
    ] {
        check(headed, true);
    }
    for headless in [
        "1,2\n3,4\n",
        "x,1\ny,2\n",
        "NA,1\n5,2\n",
        "?,1\n5,2\n",
        "-,1\n5,2\n",
        "x,1\n5,2\ny,3\n",
        "true,false\nfalse,true\n",
        "\"1\",\"2\"\n\"3\",\"4\"\n",
        ",1\n5,2\n",
        "5,x\n",
    ] {
        check(headless, false);
    }
}

#[test]
fn further_inputs_of_an_inferred_table_are_sniffed() {
    let further = |columns: &[&str], header: bool, input: &str, expect: Expect| {
        let mut definition = given(columns);
        definition.origin = Origin::Inferred;
        definition.input.delimiter = Some(b',');
        definition.input.header = Some(header);
        check_format(&FORMAT, input.as_bytes(), &definition, expect);
    };
    let named = ["id i64", "v i64"];
    further(
        &named,
        true,
        "v;id\n8;7\n",
        expect![[r#"
        2: 7 | 8
    "#]],
    );
    further(
        &named,
        true,
        "v\tid\n8\t7\n",
        expect![[r#"
        2: 7 | 8
    "#]],
    );
    further(
        &named,
        true,
        "3,4\n5,6\n",
        expect![[r#"
        error: input has no header, but the columns of stream "t" have names: its first line is "3,4"; ingest it into another table with --table, or say what it is in a definition with --schema
    "#]],
    );
    further(
        &named,
        true,
        "x,y\nu,w\n",
        expect![[r#"
        error: the first line of input names none of the columns of stream "t": it begins with "x,y"; ingest it into another table with --table, or say what it is in a definition with --schema
    "#]],
    );
    further(
        &["1 i64", "2 i64"],
        true,
        "2,1\n8,7\n",
        expect![[r#"
        2: 7 | 8
    "#]],
    );
    let by_place = ["c1 i64", "c2 i64"];
    further(
        &by_place,
        false,
        "3;4\n5;6\n",
        expect![[r#"
        1: 3 | 4
        2: 5 | 6
    "#]],
    );
    further(
        &by_place,
        false,
        "id,v\n1,2\n",
        expect![[r#"
        error: input has a header, but the columns of stream "t" go by place: its first line is "id,v"; ingest it into another table with --table, or say what it is in a definition with --schema
    "#]],
    );
    further(
        &by_place,
        false,
        "c2,c1\n8,7\n",
        expect![[r#"
        2: 7 | 8
    "#]],
    );
    further(&named, true, "", expect![[""]]);
}

#[test]
fn a_given_layout_holds_whatever_the_input_looks_like() {
    let mut definition = given(&["a text", "b text"]);
    definition.input.header = Some(false);
    definition.input.delimiter = Some(b',');
    check_format(
        &FORMAT,
        b"a,b;c\n1,2;3\n",
        &definition,
        expect![[r#"
        1: a | b;c
        2: 1 | 2;3
    "#]],
    );
}

#[test]
fn inferred_definitions_may_have_grown() {
    let mut definition = given(&["c1 i64", "c2 i64"]);
    definition.origin = Origin::Inferred;
    definition.input.header = Some(false);
    check_format(
        &FORMAT,
        b"1\n2\n",
        &definition,
        expect![[r#"
        1: 1 | -
        2: 2 | -
    "#]],
    );
}
