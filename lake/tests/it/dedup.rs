//! DEDUP-1: of equal rows one is kept and the others are counted; of rows
//! that share only their key all are kept and the later ones are flagged. An
//! auditor reads the files through the record interface.

mod gate;
mod random;
pub(crate) mod samples;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use downlake_lake::log::{Commit, CommitOutcome, NewFile};
use downlake_lake::seam::Seams;
use downlake_lake::storage::count::Counting;
use downlake_lake::table::Lake;
use downlake_lake::table::append::{UnitReport, UnitWriter};
use expect_test::{Expect, expect};
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Runtime;

use crate::simulation::audit::{Objects, Table};
use crate::simulation::land;
use gate::Gate;
use samples::{Landing, Sample, TABLE, absolute, relative, said, sample};

/// A store and the processes on it.
struct Site {
    runtime: Runtime,
    objects: Objects,
    counting: Counting,
}

impl Site {
    fn new() -> Site {
        let counting = Counting::new(Arc::new(InMemory::new()));
        Site {
            runtime: Runtime::new().unwrap(),
            objects: Arc::new(counting.clone()),
            counting,
        }
    }

    fn process(&self) -> Arc<Lake> {
        let objects = Arc::clone(&self.objects);
        land::open(self.runtime.handle(), objects, Seams::system()).unwrap()
    }

    fn land(&self, lake: &Arc<Lake>, landing: &Landing<'_>) -> UnitReport {
        landing.land(self.runtime.handle(), lake).unwrap().unwrap()
    }

    fn begin(&self, lake: &Arc<Lake>, landing: &Landing<'_>) -> UnitWriter {
        landing.begin(self.runtime.handle(), lake).unwrap().unwrap()
    }

    /// Lands units one after the other, each in a process of its own, and
    /// compares what was said and what is there.
    fn check(&self, landings: &[Landing<'_>], expected: &Expect) {
        let mut lines = String::new();
        for landing in landings {
            let lake = self.process();
            lines += &format!("{}\n", said(&self.land(&lake, landing)));
            self.runtime.block_on(lake.flush_ledger()).unwrap();
        }
        lines += &self.rows();
        expected.assert_eq(&lines);
        self.check_ledger();
    }

    fn table(&self) -> Table {
        self.runtime.block_on(Table::read(&self.objects, TABLE))
    }

    /// The rows of the table, sorted.
    fn rows(&self) -> String {
        let mut rows: Vec<String> = self.table().rows.iter().map(shown).collect();
        rows.sort();
        rows.concat()
    }

    /// Every record of every unit is accounted for.
    fn check_ledger(&self) {
        let ledger = self.runtime.block_on(Table::read(&self.objects, "_ledger"));
        let of_table = ledger.rows_of("table_name", TABLE);
        let sum = |column: &str| {
            of_table
                .iter()
                .map(|r| r.long(column).unwrap())
                .sum::<i64>()
        };
        assert_eq!(
            sum("rows_in"),
            sum("rows_committed") + sum("rows_duplicate")
        );
        let there = i64::try_from(self.table().rows.len()).unwrap();
        assert_eq!(sum("rows_committed"), there);
    }

    /// Data files in the store, committed or not.
    fn files(&self) -> usize {
        let listed = self.objects.list(Some(&Path::from(TABLE)));
        let listed: Vec<_> = self.runtime.block_on(listed.try_collect()).unwrap();
        let files = listed.iter().filter_map(|o| o.location.filename());
        files.filter(|name| name.starts_with("part-")).count()
    }

    /// Data files of the newest version.
    fn committed_files(&self) -> usize {
        let lake = self.process();
        let table = self.runtime.block_on(lake.table(TABLE)).unwrap().unwrap();
        table.snapshot().files.len()
    }

    /// A commit of another writer that knows nothing of duplicates: a plain
    /// Parquet file without tags or statistics.
    fn append_as_a_stranger(&self, rows: &[(i64, &str, f64)]) {
        let seconds = rows.iter().map(|r| Some(1_767_225_600_000 + r.0 * 1000));
        let times: TimestampMillisecondArray = seconds.collect();
        let columns: [(&str, ArrayRef); 3] = [
            (
                "value",
                Arc::new(rows.iter().map(|r| Some(r.2)).collect::<Float64Array>()),
            ),
            (
                "host",
                Arc::new(rows.iter().map(|r| Some(r.1)).collect::<StringArray>()),
            ),
            ("time", Arc::new(times.with_timezone("UTC"))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer =
            parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let path = "date=2026-01-01/stranger.parquet";
        let place = Path::parse(format!("{TABLE}/{path}")).unwrap();
        let size = bytes.len() as u64;
        let lake = self.process();
        self.runtime.block_on(async {
            self.objects.put(&place, bytes.into()).await.unwrap();
            let table = lake.table(TABLE).await.unwrap().unwrap();
            let commit = Commit {
                operation: "WRITE".to_owned(),
                adds: vec![NewFile {
                    path: path.to_owned(),
                    size,
                    modified_ms: 1,
                    partition: [("date".to_owned(), Some("2026-01-01".to_owned()))].into(),
                    stats: downlake_lake::log::FileStats {
                        rows: Some(rows.len() as u64),
                        columns: [].into(),
                    },
                    tags: [].into(),
                }],
                blind: true,
                data_change: true,
                ..Commit::default()
            };
            let done = table
                .log()
                .commit(&table.snapshot(), &commit)
                .await
                .unwrap();
            assert!(matches!(done, CommitOutcome::Committed(_)));
        });
    }
}

fn shown(row: &crate::simulation::audit::Row) -> String {
    let at = match row.long("time") {
        Some(micros) => {
            let seconds = (micros - 1_767_225_600_000_000) / 1_000_000;
            format!("day {} second {}", seconds / 86_400, seconds % 86_400)
        }
        None => format!("t {}", row.shown("t")),
    };
    let extra = match row.shown("extra").as_str() {
        "-" => String::new(),
        extra => format!(" extra {extra}"),
    };
    let flag = match row.shown("_key_conflict").as_str() {
        "false" => "",
        "true" => " conflict",
        _ => " unchecked",
    };
    format!(
        "{at} {} {}{extra}{flag}\n",
        row.shown("host"),
        row.shown("value")
    )
}

#[test]
fn within_a_unit_the_first_of_equal_rows_stays() {
    let rows = [
        sample(2, "a", 1.0),
        sample(1, "b", 1.0),
        sample(2, "a", 1.0),
        sample(2, "a", 7.0),
        sample(2, "b", 1.0),
        sample(1, "b", 1.0),
    ];
    Site::new().check(
        &[Landing::new(absolute(), 1, &rows)],
        &expect![[r#"
        6 in, 4 committed, 2 duplicate, 1 conflicts, 1 files
        day 0 second 1 b 1.0
        day 0 second 2 a 1.0
        day 0 second 2 a 7.0 conflict
        day 0 second 2 b 1.0
    "#]],
    );
}

#[test]
fn null_nan_and_both_zeros_are_equal_to_themselves() {
    let strange = |value: Option<f64>| Sample {
        host: None,
        value,
        ..sample(1, "", 0.0)
    };
    let other_nan = f64::from_bits(f64::NAN.to_bits() | 1);
    let first = [strange(None), strange(Some(f64::NAN)), strange(Some(0.0))];
    let again = [strange(Some(-0.0)), strange(Some(other_nan)), strange(None)];
    let site = Site::new();
    let landings = [&first, &again];
    let landings: Vec<_> = (1..)
        .zip(landings)
        .map(|(number, rows)| Landing::new(absolute(), number, rows))
        .collect();
    site.check(
        &landings,
        &expect![[r#"
        3 in, 3 committed, 0 duplicate, 2 conflicts, 1 files
        3 in, 0 committed, 3 duplicate, 0 conflicts, 0 files
        day 0 second 1 - -
        day 0 second 1 - 0E0 conflict
        day 0 second 1 - NaN conflict
    "#]],
    );
}

#[test]
fn of_overlapping_units_the_later_one_drops_what_is_there() {
    let one = [
        sample(1, "a", 1.0),
        sample(2, "a", 2.0),
        sample(3, "a", 3.0),
    ];
    let other = [
        sample(2, "a", 2.0),
        sample(3, "a", 30.0),
        sample(4, "a", 4.0),
        sample(4, "a", 4.0),
    ];
    let landings = [
        Landing::new(absolute(), 1, &one),
        Landing::new(absolute(), 2, &other),
        // The same rows as other bytes: all are there, and it still lands.
        Landing::new(absolute(), 3, &one),
    ];
    let site = Site::new();
    site.check(
        &landings,
        &expect![[r#"
        3 in, 3 committed, 0 duplicate, 0 conflicts, 1 files
        4 in, 2 committed, 2 duplicate, 1 conflicts, 1 files
        3 in, 0 committed, 3 duplicate, 0 conflicts, 0 files
        day 0 second 1 a 1.0
        day 0 second 2 a 2.0
        day 0 second 3 a 3.0
        day 0 second 3 a 30.0 conflict
        day 0 second 4 a 4.0
    "#]],
    );
    let lake = site.process();
    let again = landings[2].land(site.runtime.handle(), &lake).unwrap();
    assert!(
        again.is_none(),
        "it landed, with its counts and without rows"
    );
}

#[test]
fn a_column_that_a_file_does_not_have_is_null() {
    let old = [sample(1, "a", 1.0), sample(2, "a", 2.0)];
    let new = [
        sample(1, "a", 1.0).with(None),
        sample(2, "a", 2.0).with(Some(5)),
    ];
    let landings = [
        Landing::new(absolute(), 1, &old),
        Landing::new(absolute(), 2, &new).evolved(),
        // A process that knows the old definition only: its rows are NULL there.
        Landing::new(absolute(), 3, &old).evolved(),
    ];
    Site::new().check(
        &landings,
        &expect![[r#"
        2 in, 2 committed, 0 duplicate, 0 conflicts, 1 files
        2 in, 1 committed, 1 duplicate, 1 conflicts, 1 files
        2 in, 0 committed, 2 duplicate, 0 conflicts, 0 files
        day 0 second 1 a 1.0
        day 0 second 2 a 2.0
        day 0 second 2 a 2.0 extra 5 conflict
    "#]],
    );
}

#[test]
fn equal_rows_that_lie_far_apart_are_found_in_little_memory() {
    // Twice the same rows in another order, ten times the memory.
    let rows: Vec<Sample> = (0..40_000)
        .map(|n| sample(n * 7919 % 40_000, "host", 0.5))
        .collect();
    let mut twice = rows.clone();
    twice.extend(rows.iter().rev());
    let landing = Landing {
        memory_bytes: 256 << 10,
        ..Landing::new(absolute(), 1, &twice)
    };
    let other: Vec<Sample> = rows
        .iter()
        .map(|row| Sample {
            value: Some(1.5),
            ..*row
        })
        .collect();
    let other = Landing {
        memory_bytes: 256 << 10,
        ..Landing::new(absolute(), 2, &other)
    };
    let site = Site::new();
    let lake = site.process();
    let first = site.land(&lake, &landing);
    assert_eq!(
        (first.rows_committed, first.rows_duplicate),
        (40_000, 40_000)
    );
    assert_eq!(first.key_conflicts, 0);
    let second = site.land(&lake, &other);
    assert_eq!(
        (second.rows_committed, second.key_conflicts),
        (40_000, 40_000)
    );
    let landing = Landing {
        number: 3,
        ..landing
    };
    let third = site.land(&lake, &landing);
    assert_eq!((third.rows_committed, third.rows_duplicate), (0, 80_000));
    let rows = site.table().rows;
    let seconds: std::collections::BTreeSet<_> = rows
        .iter()
        .map(|row| (row.long("time"), row.shown("value")))
        .collect();
    assert_eq!((rows.len(), seconds.len()), (80_000, 80_000));
}

#[test]
fn late_rows_of_a_unit_are_compared_with_its_own_files() {
    // The first rows are in files before the late ones come.
    let mut rows: Vec<Sample> = (0..40_000).map(|n| sample(n, "a", 1.0)).collect();
    rows.extend((100..200).map(|n| sample(n, "a", 1.0)));
    rows.extend((200..250).map(|n| sample(n, "a", 2.0)));
    rows.extend((50_000..50_010).map(|n| sample(n, "a", 1.0)));
    let landing = Landing {
        memory_bytes: 1 << 20,
        ..Landing::new(absolute(), 1, &rows)
    };
    let site = Site::new();
    let report = site.land(&site.process(), &landing);
    assert_eq!(
        (report.rows_committed, report.rows_duplicate),
        (40_060, 100)
    );
    assert_eq!(report.key_conflicts, 50);
    let rows = site.table().rows;
    let flagged = rows.iter().filter(|r| r.shown("_key_conflict") == "true");
    let flagged: Vec<String> = flagged.map(|row| row.shown("value")).collect();
    assert_eq!(flagged.len(), 50);
    assert_eq!((rows.len(), site.files()), (40_060, site.committed_files()));
}

#[test]
fn late_rows_meet_the_files_of_their_own_day_only() {
    let site = Site::new();
    let lake = site.process();
    let days: Vec<Vec<Sample>> = (0..20)
        .map(|day| {
            (0..50)
                .map(|second| sample(second, "a", 1.0).on(day))
                .collect()
        })
        .collect();
    for (number, rows) in (1..).zip(&days) {
        site.land(&lake, &Landing::new(absolute(), number, rows));
    }
    let reads_of = |number: u8, rows: &[Sample]| {
        let before = site.counting.counts();
        let report = site.land(&lake, &Landing::new(absolute(), number, rows));
        let after = site.counting.counts();
        // A file is asked for its size each time it is read: files of the table
        // once, those of the unit to be compared and to lose rows.
        (said(&report), after.head.calls - before.head.calls)
    };
    let nowhere = reads_of(100, &[sample(1, "a", 1.0).on(30)]);
    let one_day = reads_of(101, &[sample(3, "a", 1.0).on(4), sample(3, "a", 2.0).on(4)]);
    let first_and_last = reads_of(102, &[sample(1, "a", 1.0), sample(1, "a", 1.0).on(19)]);
    let beside = reads_of(103, &[sample(7_000, "a", 1.0).on(4)]);
    expect![[r#"
        [
            (
                "1 in, 1 committed, 0 duplicate, 0 conflicts, 1 files",
                0,
            ),
            (
                "2 in, 1 committed, 1 duplicate, 1 conflicts, 1 files",
                3,
            ),
            (
                "2 in, 0 committed, 2 duplicate, 0 conflicts, 0 files",
                6,
            ),
            (
                "1 in, 1 committed, 0 duplicate, 0 conflicts, 1 files",
                0,
            ),
        ]
    "#]]
    .assert_debug_eq(&[nowhere, one_day, first_and_last, beside]);
}

#[test]
fn runs_of_a_relative_axis_do_not_mix() {
    let one = [sample(1, "ascent-1", 1.0), sample(2, "ascent-1", 1.0)];
    let other = [sample(1, "ascent-2", 1.0), sample(2, "ascent-2", 1.0)];
    let again = [
        sample(2, "ascent-1", 1.0),
        sample(1, "ascent-2", 9.0),
        sample(3, "ascent-2", 1.0),
    ];
    let landings = [
        Landing::new(relative(), 1, &one),
        Landing::new(relative(), 2, &other),
        Landing::new(relative(), 3, &again),
    ];
    Site::new().check(
        &landings,
        &expect![[r#"
        2 in, 2 committed, 0 duplicate, 0 conflicts, 1 files
        2 in, 2 committed, 0 duplicate, 0 conflicts, 1 files
        3 in, 2 committed, 1 duplicate, 1 conflicts, 1 files
        t 1.0 ascent-1 1.0
        t 1.0 ascent-2 1.0
        t 1.0 ascent-2 9.0 conflict
        t 2.0 ascent-1 1.0
        t 2.0 ascent-2 1.0
        t 3.0 ascent-2 1.0
    "#]],
    );
}

#[test]
fn of_two_racing_units_with_the_same_rows_the_later_drops_them() {
    let site = Site::new();
    let rows = [sample(1, "a", 1.0), sample(2, "a", 2.0)];
    let more = [
        sample(2, "a", 2.0),
        sample(3, "a", 3.0),
        sample(1, "a", 8.0),
    ];
    let (one, other) = (site.process(), site.process());
    let first = site.begin(&one, &Landing::new(absolute(), 1, &rows));
    let second = site.begin(&other, &Landing::new(absolute(), 2, &more));
    let won = first.commit(site.runtime.handle()).unwrap();
    let lost = second.commit(site.runtime.handle()).unwrap();
    let lines = format!("{}\n{}\n{}", said(&won), said(&lost), site.rows());
    expect![[r#"
        2 in, 2 committed, 0 duplicate, 0 conflicts, 1 files
        3 in, 2 committed, 1 duplicate, 1 conflicts, 1 files
        day 0 second 1 a 1.0
        day 0 second 1 a 8.0 conflict
        day 0 second 2 a 2.0
        day 0 second 3 a 3.0
    "#]]
    .assert_eq(&lines);
}

/// A process whose next commit of the table comes after a deed of another.
fn gated(site: &Site) -> (Arc<Gate>, Arc<Lake>) {
    let handle = site.runtime.handle();
    let gate = Arc::new(Gate::new(Arc::clone(&site.objects), handle));
    let store = Arc::clone(&gate) as Arc<dyn ObjectStore>;
    let lake = land::open(handle, store, Seams::system()).unwrap();
    (gate, lake)
}

#[test]
fn a_commit_that_comes_between_check_and_commit_is_checked_too() {
    let site = Site::new();
    let there = [sample(9, "z", 9.0)];
    site.land(&site.process(), &Landing::new(absolute(), 1, &there));
    let rival_rows = [sample(2, "a", 2.0), sample(1, "a", 7.0)];
    let rival = site.begin(&site.process(), &Landing::new(absolute(), 2, &rival_rows));
    let rows = [
        sample(1, "a", 1.0),
        sample(2, "a", 2.0),
        sample(9, "z", 9.0),
    ];
    let (gate, lake) = gated(&site);
    let late = site.begin(&lake, &Landing::new(absolute(), 3, &rows));
    let runtime = site.runtime.handle().clone();
    gate.before_next_commit(move || {
        rival.commit(&runtime).unwrap();
    });
    let report = late.commit(site.runtime.handle()).unwrap();
    let lines = format!("{}\n{}", said(&report), site.rows());
    expect![[r#"
        3 in, 1 committed, 2 duplicate, 1 conflicts, 1 files
        day 0 second 1 a 1.0 conflict
        day 0 second 1 a 7.0
        day 0 second 2 a 2.0
        day 0 second 9 z 9.0
    "#]]
    .assert_eq(&lines);
    assert_eq!(site.files(), 3, "the file that lost is gone");
}

#[test]
fn a_commit_of_another_day_changes_nothing() {
    let site = Site::new();
    let rival_rows = [sample(1, "a", 1.0).on(1)];
    let rival = site.begin(&site.process(), &Landing::new(absolute(), 1, &rival_rows));
    let rows = [sample(1, "a", 1.0)];
    let (gate, lake) = gated(&site);
    let late = site.begin(&lake, &Landing::new(absolute(), 2, &rows));
    let runtime = site.runtime.handle().clone();
    gate.before_next_commit(move || {
        rival.commit(&runtime).unwrap();
    });
    let before = site.counting.counts();
    let report = late.commit(site.runtime.handle()).unwrap();
    let after = site.counting.counts();
    assert_eq!(report.rows_committed, 1);
    assert_eq!(
        after.delete.calls, before.delete.calls,
        "nothing was written anew"
    );
    assert_eq!(site.files(), 2);
}

/// Whoever undoes a landing while another looks at it must not take the only
/// copy of a row away.
#[test]
fn a_row_whose_equal_was_removed_meanwhile_stays() {
    let site = Site::new();
    let rows = [sample(1, "a", 1.0)];
    site.land(&site.process(), &Landing::new(absolute(), 1, &rows));
    let (gate, lake) = gated(&site);
    let late = site.begin(&lake, &Landing::new(absolute(), 2, &rows));
    let other = site.process();
    let runtime = site.runtime.handle().clone();
    gate.before_next_commit(move || runtime.block_on(remove_all(&other)));
    let report = late.commit(site.runtime.handle()).unwrap();
    let lines = format!("{}\n{}", said(&report), site.rows());
    expect![[r#"
        1 in, 1 committed, 0 duplicate, 0 conflicts, 1 files
        day 0 second 1 a 1.0
    "#]]
    .assert_eq(&lines);
}

async fn remove_all(lake: &Lake) {
    let table = lake.table(TABLE).await.unwrap().unwrap();
    let base = table.snapshot();
    let commit = Commit {
        operation: "UNDO".to_owned(),
        removes: base.files.iter().cloned().collect(),
        data_change: true,
        ..Commit::default()
    };
    let done = table.log().commit(&base, &commit).await.unwrap();
    assert!(matches!(done, CommitOutcome::Committed(_)));
}

#[test]
fn rows_of_a_foreign_writer_count_as_well() {
    let site = Site::new();
    site.land(&site.process(), &Landing::new(absolute(), 1, &[]));
    site.append_as_a_stranger(&[(1, "a", -0.0), (2, "a", 2.0)]);
    let rows = [
        sample(1, "a", 0.0),
        sample(2, "a", 3.0),
        sample(3, "a", 3.0),
    ];
    let report = site.land(&site.process(), &Landing::new(absolute(), 2, &rows));
    let lines = format!("{}\n{}", said(&report), site.rows());
    expect![[r#"
        3 in, 2 committed, 1 duplicate, 1 conflicts, 1 files
        day 0 second 1 a -0E0 unchecked
        day 0 second 2 a 2.0 unchecked
        day 0 second 2 a 3.0 conflict
        day 0 second 3 a 3.0
    "#]]
    .assert_eq(&lines);
}

#[test]
fn a_stream_without_a_key_keeps_equal_rows() {
    let plain = downlake_lake::schema::Definition {
        dedup_by: Vec::new(),
        ..absolute()
    };
    let rows = [sample(1, "a", 1.0), sample(1, "a", 1.0)];
    Site::new().check(
        &[Landing::new(plain, 1, &rows)],
        &expect![[r#"
        2 in, 2 committed, 0 duplicate, 0 conflicts, 1 files
        day 0 second 1 a 1.0 unchecked
        day 0 second 1 a 1.0 unchecked
    "#]],
    );
}

#[test]
fn a_key_that_comes_later_counts_for_the_rows_before() {
    let plain = downlake_lake::schema::Definition {
        dedup_by: Vec::new(),
        ..absolute()
    };
    let rows = [sample(1, "a", 1.0), sample(1, "a", 1.0)];
    let more = [sample(1, "a", 1.0), sample(1, "a", 2.0)];
    let landings = [
        Landing::new(plain, 1, &rows),
        Landing::new(absolute(), 2, &more),
    ];
    Site::new().check(
        &landings,
        &expect![[r#"
        2 in, 2 committed, 0 duplicate, 0 conflicts, 1 files
        2 in, 1 committed, 1 duplicate, 1 conflicts, 1 files
        day 0 second 1 a 1.0 unchecked
        day 0 second 1 a 1.0 unchecked
        day 0 second 1 a 2.0 conflict
    "#]],
    );
}
