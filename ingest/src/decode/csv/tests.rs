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
    check(&ab, "a,b\n1,x\n2,y\n", expect![[""]]);
    check(&ab, "\u{feff}a,b\r\n1,x\r\n\r\n2,y", expect![[""]]);
    check(&ab, "b;a\nx;1\n\n  \ny;2\n", expect![[""]]);
    check(&ab, "a\tb\n1\tx y\n", expect![[""]]);
    check(&ab, "a|b\n1|x\n", expect![[""]]);
    check(&ab, "a b\n 1   x \n2 y\n", expect![[""]]);
    check(
        &ab,
        "a,b\n1,\"x\r\ny, \"\"z\"\"\"\n2,\n3,\"\"\n",
        expect![[""]],
    );
    check(&ab, "a,b\r1,x\r2,y\r", expect![[""]]);
    check(&ab, "", expect![[""]]);
    check(&ab, "a,b\n", expect![[""]]);
}

#[test]
fn header_in_another_order_with_other_names() {
    check(&["pc f64", "t f64"], "T , Pc (bar)\n1,2\n", expect![[""]]);
    check(&["a i64", "b i64"], "b\n1\n", expect![[""]]);
    check(&["a i64", "a_2 i64"], "a,a\n1,2\n", expect![[""]]);
    check(&["a i64"], "x,y\nu,v\n", expect![[""]]);
    check(&["a i64", "b f64"], "1,2.5\n3,4\n", expect![[""]]);
}

#[test]
fn refused_records() {
    let ab = ["a u8", "b text"];
    check(&ab, "a,b\n1\n1,x,y\n1,x,\n2,y\n", expect![[""]]);
    check(
        &ab,
        "a,b\nx,1\n256,1\n-1,1\n1.5,1\n1.0,1\n99999999999999999999999,1\n",
        expect![[""]],
    );
    check(&ab, "a,b\n1,\"x\n2,y\n3,z\n", expect![[""]]);
    check_format(
        &FORMAT,
        b"a,b\n1,\xff\n2,\xc3\xa9\n",
        &given(&ab),
        expect![[""]],
    );
}

#[test]
fn misfits_go_to_siblings() {
    let columns = ["a i64", "a__double f64 a", "a__text text a"];
    check(&columns, "a\n1\n1.5\nx\n\n", expect![[""]]);
}

#[test]
fn types() {
    check(
        &["a f32", "b f64", "c decimal(5,2)"],
        "a,b,c\n0.1,0.1,123.45\n1e39,1e309,1\nnan,-inf,-0.5\n1e39,1,1\n1,1,1.234\n1,1,1234.5\n1,1,1e2\n1,1,--1\n",
        expect![[""]],
    );
    check(
        &["a hex", "b binary", "c bool"],
        "a,b,c\n0652,0aFF,true\n0xFF,,FALSE\nFFFFFFFFFFFFFFFF,00,1\nG,00,1\n1,0,1\n1,00,yes\n",
        expect![[""]],
    );
    check(
        &["a timestamp", "b timestamp_ns", "c date"],
        "a,b,c\n2026-01-31T12:00:00Z,2026-01-31 12:00:00.123456789+01:00,2026-01-31\n2026-01-31T12:00:00.1234567Z,,\n,3000-01-01T00:00:00Z,\n,,2026-02-30\nyesterday,,\n",
        expect![[""]],
    );
    check(
        &["a list<i64>", "b json", "c u64", "d duration"],
        "a,b,c,d\n\"[1,null,2]\",\"{\"\"x\"\":1}\",18446744073709551615,5\n[],,,\n[x],,,\n,{,,\n,,18446744073709551616,\n",
        expect![[""]],
    );
}

#[test]
fn fields_beyond_the_definition() {
    let mut definition = given(&["a i64"]);
    let input = b"a,b\n1,\n2,x\n3,y\n";
    check_format(&FORMAT, input, &definition, expect![[""]]);
    definition.evolution = Evolution::Ignore;
    check_format(&FORMAT, input, &definition, expect![[""]]);
}

#[test]
fn null_values() {
    let mut definition = given(&["a f64", "b text"]);
    definition.input.null_values = vec!["NA".to_owned()];
    check_format(&FORMAT, b"a,b\nNA,NA\n1,\"\"\n", &definition, expect![[""]]);
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
    expect![[""]].assert_eq(&text);
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
    check_inferred("a,b,c,d\n1,1.5,x,true\n2,3,007,false\n", expect![[""]]);
    check_inferred(
        "a,b\n0652,2026-01-01T00:00:00Z\n06A6,2026-01-01T00:00:00.123456789Z\n",
        expect![[""]],
    );
    check_inferred(
        "a,b,c\n1,nan,2026-01-01\n18446744073709551616,inf,2026-01-01 10:00\n",
        expect![[""]],
    );
    check_inferred("1 2.5 -3\n4 5 6\n", expect![[""]]);
    check_inferred("a,b,a\n1,,true\n2,,1\n", expect![[""]]);
    check_inferred("x,2019,2020\ny,z,w\n", expect![[""]]);
    check_inferred("", expect![[""]]);
}

#[test]
fn inferred_definitions_may_have_grown() {
    let mut definition = given(&["c1 i64", "c2 i64"]);
    definition.origin = Origin::Inferred;
    check_format(&FORMAT, b"1\n2\n", &definition, expect![[""]]);
}
