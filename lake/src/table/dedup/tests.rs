use std::collections::BTreeSet;
use std::fmt::Write;

use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray,
    StringArray,
};
use arrow::datatypes::{Float64Type, Int32Type};
use expect_test::{Expect, expect};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::sort::Record;
use super::verdict::STORED;
use super::*;
use crate::log::{ColumnStats, FileStats};
use crate::parquet::{TAG_AXIS_MAX, TAG_AXIS_MIN, salted_hashes};
use crate::seam::Seams;

fn scratch() -> Scratch {
    Scratch {
        dir: std::env::temp_dir(),
        random: Seams::system().random,
    }
}

/// Marks as `key:row:place`, `-` for the place of a stored row.
fn check_verdicts(marks: &str, expected: &Expect) {
    let mut marks: Vec<Mark> = marks.split_whitespace().map(mark).collect();
    marks.sort();
    let mut told = Vec::new();
    judge(marks.into_iter().map(Ok), |verdict| {
        told.push(verdict);
        Ok(())
    })
    .unwrap();
    told.sort();
    let shown: Vec<String> = told.into_iter().map(shown).collect();
    expected.assert_eq(&shown.join(" "));
}

fn mark(text: &str) -> Mark {
    let [key, row, place] = text.split(':').collect::<Vec<_>>()[..] else {
        panic!("{text}");
    };
    Mark {
        key: key.parse().unwrap(),
        row: row.parse().unwrap(),
        place: place.parse().unwrap_or(STORED),
    }
}

fn shown(verdict: Verdict) -> String {
    let what = match verdict.is_duplicate() {
        true => "duplicate",
        false => "conflict",
    };
    format!("{}={what}", verdict.place())
}

#[test]
fn of_equal_rows_the_first_stays() {
    check_verdicts("1:1:3 1:1:1 1:1:2", &expect!["2=duplicate 3=duplicate"]);
    check_verdicts("1:1:1 2:1:2", &expect![""]);
    check_verdicts("1:1:- 1:1:1 1:1:2", &expect!["1=duplicate 2=duplicate"]);
    check_verdicts("1:1:- 1:1:- 2:1:-", &expect![""]);
}

#[test]
fn a_row_with_two_marks_is_no_duplicate_of_itself() {
    check_verdicts("1:1:1 1:1:1", &expect![""]);
    check_verdicts("1:1:1 1:1:1 1:1:2 1:1:2", &expect!["2=duplicate"]);
    check_verdicts("1:5:1 1:5:1 1:7:2 1:7:2", &expect!["2=conflict"]);
}

/// Columns of keys by which rows are sorted, and batches of hours and hosts.
fn check_ties(key: &str, sorted_by: &[&str], batches: &[&[(i64, &str)]], expected: &Expect) {
    let definition = Definition::from_toml(&ABSOLUTE.replace("KEY", key), "s.toml").unwrap();
    let identity = Identity::new(&definition, 0);
    let batches = batches.iter().map(|rows| {
        let times = hours(&rows.iter().map(|row| row.0).collect::<Vec<_>>());
        let hosts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.1)));
        RecordBatch::try_from_iter([("time", times), ("host", hosts)]).unwrap()
    });
    let batches: Vec<RecordBatch> = batches.collect();
    let sorted_by: Vec<String> = sorted_by.iter().map(|&name| name.to_owned()).collect();
    let mut table = String::new();
    match Ties::new(&identity, &sorted_by, batches[0].schema_ref()) {
        None => table.push_str("every row is compared\n"),
        Some(mut ties) => {
            for batch in &batches {
                let tied = ties.next(batch).unwrap();
                let before = if tied.before.is_some() { "last " } else { "" };
                writeln!(table, "pass {}: {before}{:?}", ties.passes(), tied.ranges).unwrap();
            }
        }
    }
    expected.assert_eq(&table);
}

#[test]
fn rows_that_tie_in_the_order_are_compared() {
    let batches: [&[(i64, &str)]; 5] = [
        &[(1, "a"), (2, "a"), (2, "a"), (3, "b")],
        &[(3, "b"), (4, "a")],
        &[(4, "b"), (4, "b")],
        &[(4, "b"), (4, "b")],
        &[(1, "a")],
    ];
    check_ties(
        r#""time", "host""#,
        &["time", "host"],
        &batches,
        &expect![[r#"
            pass 1: [1..3]
            pass 1: last [0..1]
            pass 1: [0..2]
            pass 1: last [0..2]
            pass 2: []
        "#]],
    );
    check_ties(
        r#""time", "host""#,
        &["time"],
        &batches,
        &expect![[r#"
        pass 1: [1..3]
        pass 1: last [0..1]
        pass 1: last [0..2]
        pass 1: last [0..2]
        pass 2: []
    "#]],
    );
    // The host of a row says nothing of its place.
    check_ties(
        r#""host""#,
        &["time"],
        &batches,
        &expect![[r#"
        every row is compared
    "#]],
    );
    check_ties(
        r#""time""#,
        &["time", "host"],
        &batches,
        &expect![[r#"
        every row is compared
    "#]],
    );
}

#[test]
fn of_one_key_with_other_values_all_stay_and_all_but_the_first_are_flagged() {
    check_verdicts("1:9:1 1:5:2 1:7:3", &expect!["2=conflict 3=conflict"]);
    // By arrival, whatever the order of hashes.
    check_verdicts("1:5:3 1:7:1 1:9:2", &expect!["2=conflict 3=conflict"]);
    check_verdicts("1:5:- 1:7:1", &expect!["1=conflict"]);
    // The stored row comes last in the order of marks.
    check_verdicts("1:9:- 1:7:1 1:7:2", &expect!["1=conflict 2=duplicate"]);
    check_verdicts(
        "1:5:- 1:5:1 1:7:2 1:9:3 1:9:4 2:1:5",
        &expect!["1=duplicate 2=conflict 3=conflict 4=duplicate"],
    );
}

#[test]
fn records_come_back_sorted_however_often_they_spill() {
    let mut dice = StdRng::seed_from_u64(7);
    let mut sort = RecordSort::new(0, scratch());
    let mut expected = Vec::new();
    // Enough for runs of three levels: 32 x 32 runs of 1,024 records, and some.
    for place in 0..1_100_000_u64 {
        let mark = Mark {
            key: u128::from(dice.random::<u32>()) << 90,
            row: u128::from(place % 3),
            place,
        };
        sort.push(mark).unwrap();
        expected.push(mark);
    }
    expected.sort();
    for _ in 0..2 {
        let sorted = sort.sorted().unwrap().map(Result::unwrap);
        assert!(sorted.eq(expected.iter().copied()));
    }
    assert_eq!(sort.len(), 1_100_000);
    sort.push(expected[0]).unwrap();
    assert_eq!(sort.sorted().unwrap().count(), 1_100_001);
    sort.clear();
    assert_eq!((sort.len(), sort.sorted().unwrap().count()), (0, 0));
}

#[test]
fn records_survive_their_bytes() {
    let mark = Mark {
        key: u128::MAX - 1,
        row: 1 << 64,
        place: u64::MAX,
    };
    let mut bytes = [0; Mark::BYTES];
    mark.encode(&mut bytes);
    assert_eq!(Mark::decode(&bytes), mark);
    assert_eq!(size_of::<Verdict>(), Verdict::BYTES);
}

#[test]
fn a_filter_misses_no_key_and_lets_few_others_in() {
    let mut dice = StdRng::seed_from_u64(1);
    let keys: BTreeSet<u128> = (0..20_000).map(|_| dice.random()).collect();
    let mut filter = KeyFilter::new(keys.len() as u64, 1 << 20);
    keys.iter().for_each(|key| filter.insert(*key));
    assert!(keys.iter().all(|key| filter.may_have(*key)));
    let others = (0..20_000).filter(|_| filter.may_have(dice.random()));
    assert!(others.count() < 200);
    // With too little memory it lets more in and still misses none.
    let mut small = KeyFilter::new(keys.len() as u64, 64);
    keys.iter().for_each(|key| small.insert(*key));
    assert!(keys.iter().all(|key| small.may_have(*key)));
}

fn hash(column: ArrayRef) -> u128 {
    salted_hashes([("x", &column)], 1, 5).unwrap()[0]
}

#[test]
fn equal_values_have_equal_hashes() {
    let double = |value| hash(Arc::new(Float64Array::from(vec![Some(value)])));
    let other_nan = f64::from_bits(f64::NAN.to_bits() ^ 1 ^ (1 << 63));
    assert_eq!(double(0.0), double(-0.0));
    assert_eq!(double(f64::NAN), double(other_nan));
    assert_ne!(double(0.0), double(f64::MIN_POSITIVE));
    let single = |value| hash(Arc::new(Float32Array::from(vec![Some(value)])));
    assert_eq!(single(-0.0), double(0.0));
    let list = |value| {
        let items = [Some([Some(1.0), Some(value)])];
        hash(Arc::new(
            ListArray::from_iter_primitive::<Float64Type, _, _>(items),
        ))
    };
    assert_eq!(list(-0.0), list(0.0));
    assert_ne!(list(-0.0), list(1.0));
    let null: ArrayRef = Arc::new(Int64Array::from(vec![None]));
    assert_eq!(hash(null), salted_hashes([], 1, 5).unwrap()[0], "no column");
    let plain = hash(Arc::new(StringArray::from(vec!["a"])));
    let dictionary: DictionaryArray<Int32Type> = ["a"].into_iter().collect();
    assert_eq!(plain, hash(Arc::new(dictionary)));
    assert_ne!(plain, hash(Arc::new(StringArray::from(vec![""]))));
    let column: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    assert_ne!(plain, salted_hashes([("x", &column)], 1, 6).unwrap()[0]);
    assert_ne!(plain, salted_hashes([("y", &column)], 1, 5).unwrap()[0]);
}

const ABSOLUTE: &str = r#"
stream = "s"
[table]
dedup_by = [KEY]
[time]
axis = "absolute"
columns = ["time"]
code = "iso"
[[column]]
name = "time"
type = "timestamp"
[[column]]
name = "host"
type = "text"
"#;

const RELATIVE: &str = r#"
stream = "s"
[table]
dedup_by = [KEY]
[time]
axis = "relative"
column = "cycle"
unit = "cycle"
run_key = "engine"
[[column]]
name = "engine"
type = "i32"
[[column]]
name = "cycle"
type = "f64"
"#;

/// A file as the log tells of it.
fn file(axis: Option<(&str, &str)>, stats: &[(&str, &str, &str)]) -> FileEntry {
    let bound = |text: &str| serde_json::from_str(text).ok();
    let columns = stats.iter().map(|(name, min, max)| {
        let stats = ColumnStats {
            min: bound(min),
            max: bound(max),
            nulls: None,
        };
        ((*name).to_owned(), stats)
    });
    let tags = axis.into_iter().flat_map(|(min, max)| {
        [(TAG_AXIS_MIN, min), (TAG_AXIS_MAX, max)]
            .map(|(tag, value)| (tag.to_owned(), value.to_owned()))
    });
    FileEntry {
        path: String::new(),
        size: 0,
        modified_ms: 0,
        partition: [].into(),
        stats: FileStats {
            rows: None,
            columns: columns.collect(),
        },
        tags: tags.collect(),
        has_deletion_vector: false,
    }
}

fn reach(definition: &str, key: &str, columns: Vec<(&str, ArrayRef)>) -> Reach {
    let text = definition.replace("KEY", key);
    let definition = Definition::from_toml(&text, "s.toml").unwrap();
    let mut reach = Reach::new(&definition, Identity::new(&definition, 0).key());
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    );
    reach.note(&batch.unwrap()).unwrap();
    reach
}

fn check_reach(reach: &Reach, files: &[(&str, FileEntry)], expected: &Expect) {
    let mut table = String::new();
    for (name, file) in files {
        let read = match reach.meets(file) {
            true => "read",
            false => "-",
        };
        writeln!(table, "{name:24} {read}").unwrap();
    }
    expected.assert_eq(&table);
}

fn hours(hours: &[i64]) -> ArrayRef {
    let micros = hours.iter().map(|hour| Some(hour * identity::DAY / 24));
    let times: arrow::array::TimestampMicrosecondArray = micros.collect();
    Arc::new(times.with_timezone("UTC"))
}

fn absolute_files() -> Vec<(&'static str, FileEntry)> {
    let hour = |hour: i64| (hour * identity::DAY / 24).to_string();
    let tagged = |from, to| file(Some((&hour(from), &hour(to))), &[]);
    vec![
        ("day 0, 1 to 3", tagged(1, 3)),
        ("day 0, 4 to 9", tagged(4, 9)),
        ("day 1", tagged(24, 47)),
        ("day 2, 50 to 51", tagged(50, 51)),
        ("days 0 to 9", tagged(0, 239)),
        (
            "statistics of day 1",
            file(
                None,
                &[(
                    "time",
                    "\"1970-01-02T00:00:00.000Z\"",
                    "\"1970-01-02T23:00:00Z\"",
                )],
            ),
        ),
        (
            "cut at a millisecond",
            file(
                None,
                &[(
                    "time",
                    "\"1970-01-01T01:00:00.000Z\"",
                    "\"1970-01-01T01:59:59.999Z\"",
                )],
            ),
        ),
        ("nothing known", file(None, &[])),
    ]
}

#[test]
fn rows_of_two_days_reach_no_day_between() {
    let micros_before_two: ArrayRef = {
        let times = vec![Some(2 * 3_600_000_000 - 1), Some(50 * 3_600_000_000)];
        let times: arrow::array::TimestampMicrosecondArray = times.into_iter().collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let exact = reach(ABSOLUTE, "\"time\"", vec![("time", micros_before_two)]);
    check_reach(
        &exact,
        &absolute_files(),
        &expect![[r#"
        day 0, 1 to 3            read
        day 0, 4 to 9            -
        day 1                    -
        day 2, 50 to 51          read
        days 0 to 9              read
        statistics of day 1      -
        cut at a millisecond     read
        nothing known            read
    "#]],
    );
    // Where the instant is not in the key, the whole day counts.
    let host: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let by_day = reach(
        ABSOLUTE,
        "\"host\"",
        vec![("time", hours(&[2, 50])), ("host", host)],
    );
    let mut files = absolute_files();
    files.push(("hosts c to d", file(None, &[("host", "\"c\"", "\"d\"")])));
    files.push(("hosts 0 to a", file(None, &[("host", "\"0\"", "\"a\"")])));
    check_reach(
        &by_day,
        &files,
        &expect![[r#"
        day 0, 1 to 3            read
        day 0, 4 to 9            read
        day 1                    -
        day 2, 50 to 51          read
        days 0 to 9              read
        statistics of day 1      -
        cut at a millisecond     read
        nothing known            read
        hosts c to d             -
        hosts 0 to a             read
    "#]],
    );
}

#[test]
fn runs_and_the_relative_axis_prune_where_they_are_in_the_key() {
    let engines: ArrayRef = Arc::new(Int32Array::from(vec![3, 5]));
    let cycles: ArrayRef = Arc::new(Float64Array::from(vec![10.0, 20.0]));
    let rows = vec![("engine", engines), ("cycle", cycles)];
    let with = |axis, engine: (&str, &str)| file(Some(axis), &[("engine", engine.0, engine.1)]);
    let files = [
        ("run and axis", with(("20", "30"), ("5", "9"))),
        ("axis too high", with(("20.5", "30"), ("5", "9"))),
        ("run too high", with(("20", "30"), ("6", "9"))),
        ("run too low", with(("20", "30"), ("0", "2"))),
        ("axis unknown", file(None, &[("engine", "4", "4")])),
        ("infinite", with(("-inf", "inf"), ("4", "4"))),
        ("nothing known", file(None, &[])),
    ];
    check_reach(
        &reach(RELATIVE, "\"cycle\"", rows.clone()),
        &files,
        &expect![[r#"
            run and axis             read
            axis too high            -
            run too high             -
            run too low              -
            axis unknown             read
            infinite                 read
            nothing known            read
        "#]],
    );
    // The axis does not count where it is not part of the key.
    check_reach(
        &reach(RELATIVE, "\"engine\"", rows),
        &files,
        &expect![[r#"
        run and axis             read
        axis too high            read
        run too high             -
        run too low              -
        axis unknown             read
        infinite                 read
        nothing known            read
    "#]],
    );
}

#[test]
fn nulls_and_nans_of_the_unit_exclude_no_file() {
    let files = [
        (
            "other cycles",
            file(Some(("100", "200")), &[("engine", "4", "4")]),
        ),
        (
            "other engines",
            file(Some(("1", "2")), &[("engine", "40", "40")]),
        ),
    ];
    let rows = |engine: Option<i32>, cycle: f64| -> Vec<(&str, ArrayRef)> {
        vec![
            ("engine", Arc::new(Int32Array::from(vec![Some(4), engine]))),
            ("cycle", Arc::new(Float64Array::from(vec![1.0, cycle]))),
        ]
    };
    check_reach(
        &reach(RELATIVE, "\"cycle\"", rows(Some(4), f64::NAN)),
        &files,
        &expect![[r#"
            other cycles             read
            other engines            -
        "#]],
    );
    check_reach(
        &reach(RELATIVE, "\"cycle\"", rows(None, 1.0)),
        &files,
        &expect![[r#"
            other cycles             -
            other engines            read
        "#]],
    );
}

#[test]
fn where_every_unit_is_a_run_nothing_is_met() {
    let alone = RELATIVE.replace("run_key = \"engine\"", "run_key = \"_ingest_id\"");
    let cycles: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let reach = reach(&alone, "\"cycle\"", vec![("cycle", cycles)]);
    check_reach(
        &reach,
        &[("nothing known", file(None, &[]))],
        &expect![[r#"
        nothing known            -
    "#]],
    );
}

#[test]
fn zeros_of_both_signs_are_one_key_and_have_two_places() {
    let definition = Definition::from_toml(&RELATIVE.replace("KEY", "\"cycle\""), "s.toml");
    let identity = Identity::new(&definition.unwrap(), 0);
    let engines: ArrayRef = Arc::new(Int32Array::from(vec![1, 1]));
    let cycles: ArrayRef = Arc::new(Float64Array::from(vec![-0.0, 0.0]));
    let rows = RecordBatch::try_from_iter([("engine", engines), ("cycle", cycles)]).unwrap();
    let sorted_by = ["engine".to_owned(), "cycle".to_owned()];
    assert!(Ties::new(&identity, &sorted_by[..1], rows.schema_ref()).is_some());
    assert!(Ties::new(&identity, &sorted_by, rows.schema_ref()).is_none());
}

#[test]
fn equal_rows_may_differ_in_what_is_set_aside() {
    let text = ABSOLUTE.replace("[KEY]", "[\"time\"]\ndedup_ignore = [\"host\"]");
    let hashes = |text: &str| {
        let definition = Definition::from_toml(text, "s.toml").unwrap();
        let hosts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let rows = RecordBatch::try_from_iter([("time", hours(&[1, 1])), ("host", hosts)]).unwrap();
        let hashes = Identity::new(&definition, 0).row_hashes(&rows).unwrap();
        hashes[0] == hashes[1]
    };
    assert!(hashes(&text));
    assert!(!hashes(&ABSOLUTE.replace("KEY", "\"time\"")));
}

#[test]
fn a_unit_with_keys_outside_of_bounds_shares_with_every_file() {
    let [one, other] = [("1", "5"), ("10", "20")].map(|span| file(Some(span), &[]));
    let sharing = |definition: &str, cycles: ArrayRef| {
        let reach = reach(definition, "\"cycle\"", vec![("cycle", cycles)]);
        let overlaps = reach.overlaps(&[one.clone(), other.clone()]);
        (reach.can_share(&one, &other), overlaps.len())
    };
    let whole = RELATIVE.replace("f64", "i64");
    let cycles = |cycles: [Option<i64>; 2]| Arc::new(Int64Array::from(cycles.to_vec()));
    assert_eq!(sharing(&whole, cycles([Some(1), Some(20)])), (false, 0));
    assert_eq!(sharing(&whole, cycles([Some(1), None])), (true, 2));
    let nan = Arc::new(Float64Array::from(vec![1.0, f64::NAN]));
    assert_eq!(sharing(RELATIVE, nan), (true, 2));
}
