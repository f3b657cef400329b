//! Creating, committing, rewriting, racing.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use downlake_lake::ErrorKind;
use downlake_lake::log::{
    AppendOutcome, Commit, CommitOutcome, CreateOutcome, CreateTable, RewriteOutcome, TableLog,
};
use downlake_lake::seam::Seams;
use downlake_lake::storage::probe::probe;
use expect_test::{Expect, expect};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::{Value, json};

use super::support::*;

on_every_store![
    the_store_is_found_fit_and_the_answer_kept,
    a_table_is_created_once,
    a_new_table_has_no_features_and_its_properties,
    columns_that_a_table_cannot_hold_are_refused_by_name,
    what_was_committed_is_what_is_read,
    a_commit_without_files_sets_transactions,
    columns_are_added_alone_and_with_files,
    times_increase_though_the_clock_stands,
    removes_leave_the_rest,
    a_stale_base_conflicts_and_the_newest_is_returned,
    a_rewrite_outlives_appends_but_not_another_rewrite,
    a_commit_that_does_not_fit_leaves_nothing,
    racing_commits_each_land_once,
];

async fn the_store_is_found_fit_and_the_answer_kept(store: &Store) {
    let report = probe(store.objects.as_ref(), &Seams::system())
        .await
        .unwrap();
    assert!(report.is_fit(), "{}: {report:?}", store.name);
    let kept = Path::from("_downlake/store.json");
    assert!(store.objects.head(&kept).await.is_ok(), "{}", store.name);
}

async fn a_table_is_created_once(store: &Store) {
    let engine = engine(&store.objects);
    assert!(!TableLog::exists(&engine, "t").await.unwrap());
    assert!(TableLog::open(&engine, "t").await.unwrap().is_none());
    let first = TableLog::create(&engine, "t", spec()).await.unwrap();
    assert!(matches!(first, CreateOutcome::Created(_)), "{}", store.name);
    let second = TableLog::create(&engine, "t", spec()).await.unwrap();
    assert!(matches!(second, CreateOutcome::Exists(_)), "{}", store.name);
    assert!(TableLog::exists(&engine, "t").await.unwrap());
    assert_eq!(versions(&store.objects, "t").await, [0]);
}

async fn a_new_table_has_no_features_and_its_properties(store: &Store) {
    let engine = engine_at(&store.objects, HeldClock::at_ms(START_MS));
    create(&engine, "t").await;
    let mut lines = actions(&store.objects, "t", 0).await;
    for line in &mut lines {
        mask(line);
    }
    let text: String = lines.iter().map(|line| format!("{line:#}\n")).collect();
    expect![[r#"
        {
          "commitInfo": {
            "definition": 1,
            "downlakeCommitId": "*",
            "engineInfo": "*",
            "kernelVersion": "*",
            "operation": "CREATE TABLE",
            "operationParameters": {},
            "timestamp": 1780000000000,
            "txnId": "*"
          }
        }
        {
          "protocol": {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": [],
            "writerFeatures": []
          }
        }
        {
          "metaData": {
            "configuration": {
              "delta.checkpoint.writeStatsAsJson": "false",
              "delta.checkpoint.writeStatsAsStruct": "true",
              "delta.checkpointInterval": "100",
              "delta.dataSkippingStatsColumns": "`time`,`vehicle`,`volts`",
              "delta.enableExpiredLogCleanup": "false"
            },
            "createdTime": 0,
            "description": "telemetry of the test bench",
            "format": {
              "options": {},
              "provider": "parquet"
            },
            "id": "*",
            "partitionColumns": [
              "kind"
            ],
            "schemaString": "{\"type\":\"struct\",\"fields\":[{\"name\":\"vehicle\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}},{\"name\":\"time\",\"type\":\"timestamp\",\"nullable\":true,\"metadata\":{}},{\"name\":\"volts\",\"type\":\"double\",\"nullable\":true,\"metadata\":{}},{\"name\":\"kind\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}}]}"
          }
        }
    "#]].assert_eq(&text);
}

/// Hides what differs from run to run.
fn mask(value: &mut Value) {
    let Value::Object(object) = value else { return };
    for (name, value) in object {
        match name.as_str() {
            "id" | "txnId" | "downlakeCommitId" | "kernelVersion" | "engineInfo" => {
                *value = json!("*");
            }
            "createdTime" => *value = json!(0),
            _ => mask(value),
        }
    }
}

async fn columns_that_a_table_cannot_hold_are_refused_by_name(store: &Store) {
    let engine = engine(&store.objects);
    let cases: [(DataType, Expect); 4] = [
        (
            DataType::UInt64,
            expect![[
                r#"create table t: column "x": type UInt64 cannot be stored in a table: use a plain signed, float, decimal, text, binary or date type, or a timestamp in microseconds, UTC"#
            ]],
        ),
        (
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            expect![[
                r#"create table t: column "x": type Timestamp(ns, "UTC") cannot be stored in a table: use a plain signed, float, decimal, text, binary or date type, or a timestamp in microseconds, UTC"#
            ]],
        ),
        (
            DataType::Timestamp(TimeUnit::Microsecond, None),
            expect![[
                r#"create table t: column "x": type Timestamp(µs) cannot be stored in a table: use a plain signed, float, decimal, text, binary or date type, or a timestamp in microseconds, UTC"#
            ]],
        ),
        (
            DataType::List(Arc::new(Field::new("item", DataType::UInt8, true))),
            expect![[
                r#"create table t: column "x": column "item": type UInt8 cannot be stored in a table: use a plain signed, float, decimal, text, binary or date type, or a timestamp in microseconds, UTC"#
            ]],
        ),
    ];
    for (kind, expected) in cases {
        let columns = vec![
            Field::new("ok", DataType::Int64, true),
            Field::new("x", kind, true),
        ];
        let spec = CreateTable {
            schema: Arc::new(Schema::new(columns)),
            partition_columns: vec![],
            ..spec()
        };
        let error = TableLog::create(&engine, "t", spec).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        expected.assert_eq(error.message());
    }
}

async fn what_was_committed_is_what_is_read(store: &Store) {
    let engine = engine(&store.objects);
    let log = create(&engine, "t").await;
    let mut first = append(&["kind=hk/a.parquet", "kind=hk/b.parquet"]);
    first.transactions = vec![("unit/1".into(), 1), ("maintenance/t".into(), 7)];
    first.info = map(json!({"rowsIn": 20, "nested": {"deep": [1, 2.5, null]}}));
    let held = commit(&log, &first).await;
    assert_eq!((held.version, held.rows()), (1, Some(20)));

    let opened = open(&engine, "t").await.snapshot();
    assert_eq!(sorted_files(&held), sorted_files(&opened), "{}", store.name);
    assert_eq!(held.timestamp_ms, opened.timestamp_ms);
    assert_eq!(held.schema, opened.schema);
    assert_eq!(held.properties, opened.properties);
    for snapshot in [&held, &opened] {
        assert_eq!(snapshot.transactions.get("unit/1"), Some(1));
        assert_eq!(snapshot.transactions.get("maintenance/t"), Some(7));
        assert_eq!(snapshot.transactions.get("unit/2"), None);
        assert_eq!(snapshot.partition_columns, ["kind"]);
    }
    let info = &bodies(&store.objects, "t", 1, "commitInfo").await[0];
    assert_eq!(info["operation"], "INGEST");
    assert_eq!(info["nested"], json!({"deep": [1, 2.5, null]}));
    assert_eq!(info["timestamp"], held.timestamp_ms);
    let added = &opened.files[0];
    assert_eq!(added.tags["sorted"], "vehicle,time");
    assert_eq!(added.partition["kind"].as_deref(), Some("hk"));
}

async fn a_commit_without_files_sets_transactions(store: &Store) {
    let log = create(&engine(&store.objects), "t").await;
    let only = Commit {
        operation: "INGEST".into(),
        transactions: vec![("unit/empty".into(), 1)],
        data_change: true,
        blind: true,
        ..Commit::default()
    };
    let done = commit(&log, &only).await;
    assert_eq!(done.transactions.get("unit/empty"), Some(1));
    assert_eq!(
        bodies(&store.objects, "t", 1, "add").await,
        Vec::<Value>::new()
    );
    let again = log
        .append_blind(&only, |now| now.transactions.get("unit/empty").is_some())
        .await
        .unwrap();
    assert!(matches!(again, AppendOutcome::AlreadyThere(_)));
    assert_eq!(versions(&store.objects, "t").await, [0, 1]);
}

async fn columns_are_added_alone_and_with_files(store: &Store) {
    let engine = engine(&store.objects);
    let log = create(&engine, "t").await;
    commit(&log, &append(&["a"])).await;
    let alone = Commit {
        operation: "ADD COLUMNS".into(),
        new_columns: vec![Field::new("amps", DataType::Float32, true)],
        ..Commit::default()
    };
    commit(&log, &alone).await;
    let mut with_files = append(&["b"]);
    with_files.blind = false;
    with_files.new_columns = vec![Field::new("state", DataType::Utf8, false)];
    let held = commit(&log, &with_files).await;
    let names: Vec<_> = held
        .schema
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .collect();
    assert_eq!(names, ["vehicle", "time", "volts", "kind", "amps", "state"]);
    assert!(held.schema.field(5).is_nullable());
    let opened = open(&engine, "t").await.snapshot();
    assert_eq!(held.schema, opened.schema);
    assert_eq!(paths(&opened), ["a", "b"]);
    let metadata = &bodies(&store.objects, "t", 3, "metaData").await[0];
    assert_eq!(metadata["description"], "telemetry of the test bench");
}

async fn times_increase_though_the_clock_stands(store: &Store) {
    let clock = HeldClock::at_ms(START_MS);
    let log = create(&engine_at(&store.objects, Arc::clone(&clock)), "t").await;
    for name in ["a", "b"] {
        commit(&log, &append(&[name])).await;
    }
    clock.put_ms(START_MS - 60_000);
    let last = commit(&log, &append(&["c"])).await;
    assert_eq!(last.timestamp_ms, START_MS + 3);
    clock.put_ms(START_MS + 60_000);
    let last = commit(&log, &append(&["d"])).await;
    assert_eq!(last.timestamp_ms, START_MS + 60_000);
}

async fn removes_leave_the_rest(store: &Store) {
    let engine = engine(&store.objects);
    let log = create(&engine, "t").await;
    let before = commit(&log, &append(&["a", "b", "c"])).await;
    let inputs: Vec<_> = before
        .files
        .iter()
        .filter(|f| f.path != "b")
        .cloned()
        .collect();
    let held = commit(&log, &compact(&inputs, "ac")).await;
    assert_eq!(paths(&held), ["ac", "b"]);
    assert_eq!(paths(&open(&engine, "t").await.snapshot()), ["ac", "b"]);
    for remove in bodies(&store.objects, "t", 2, "remove").await {
        assert_eq!(remove["dataChange"], false);
        assert_eq!(remove["deletionTimestamp"], held.timestamp_ms);
    }
    let again = log
        .commit(&held, &compact(&inputs, "ac2"))
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Invalid, "{again:?}");
    assert_eq!(versions(&store.objects, "t").await, [0, 1, 2]);
}

async fn a_stale_base_conflicts_and_the_newest_is_returned(store: &Store) {
    let ours = create(&engine(&store.objects), "t").await;
    let theirs = open(&engine(&store.objects), "t").await;
    let base = ours.snapshot();
    commit(&theirs, &append(&["theirs"])).await;
    let outcome = ours.commit(&base, &append(&["ours"])).await.unwrap();
    let CommitOutcome::Conflicted(newest) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(paths(&newest), ["theirs"], "{}", store.name);
    let landed = ours
        .append_blind(&append(&["ours"]), |_| false)
        .await
        .unwrap();
    assert!(matches!(landed, AppendOutcome::Committed(s) if s.version == 2));
    assert_eq!(all_added(&store.objects, "t").await, ["ours", "theirs"]);
    assert_eq!(paths(&theirs.refresh().await.unwrap()), ["ours", "theirs"]);
}

async fn a_rewrite_outlives_appends_but_not_another_rewrite(store: &Store) {
    let ours = create(&engine(&store.objects), "t").await;
    let base = commit(&ours, &append(&["a", "b"])).await;
    let theirs = open(&engine(&store.objects), "t").await;

    commit(&theirs, &append(&["c"])).await;
    let mine = compact(&base.files, "ab-ours");
    let done = ours.rewrite(&base, &mine).await.unwrap();
    assert!(matches!(done, RewriteOutcome::Committed(s) if s.version == 3));

    let late = theirs
        .rewrite(&base, &compact(&base.files, "ab-theirs"))
        .await
        .unwrap();
    let RewriteOutcome::GaveUp { snapshot, mut lost } = late else {
        panic!("{late:?}");
    };
    lost.sort();
    assert_eq!(lost, ["a", "b"]);
    assert_eq!(paths(&snapshot), ["ab-ours", "c"]);

    // The same rewrite again, as after a lost reply and a restart.
    let again = open(&engine(&store.objects), "t").await;
    let again = again.rewrite(&base, &mine).await.unwrap();
    assert!(matches!(again, RewriteOutcome::Committed(_)));
    assert_eq!(versions(&store.objects, "t").await, [0, 1, 2, 3]);
}

async fn a_commit_that_does_not_fit_leaves_nothing(store: &Store) {
    let log = create(&engine(&store.objects), "t").await;
    let base = commit(&log, &append(&["a"])).await;
    let mut without_partition = append(&["x"]);
    without_partition.adds[0].partition.clear();
    let mut climbing = append(&["../x"]);
    climbing.adds[0].path = "../x".into();
    let mut blind_remove = compact(&base.files, "y");
    blind_remove.blind = true;
    let mut known_column = append(&["z"]);
    known_column.blind = false;
    known_column.new_columns = vec![Field::new("Volts", DataType::Int64, true)];
    let mut twice = append(&["w"]);
    twice.transactions = vec![("unit/1".into(), 1), ("unit/1".into(), 3)];
    for (name, commit) in [
        ("partition value missing", without_partition),
        ("path climbs out", climbing),
        ("blind remove", blind_remove),
        ("column is there", known_column),
        ("transaction twice", twice),
    ] {
        let error = log.commit(&base, &commit).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}: {error:?}");
    }
    assert_eq!(versions(&store.objects, "t").await, [0, 1]);
}

async fn racing_commits_each_land_once(store: &Store) {
    let first = create(&engine(&store.objects), "t").await;
    let second = open(&engine(&store.objects), "t").await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let log = if task % 2 == 0 {
                first.clone()
            } else {
                second.clone()
            };
            tokio::spawn(async move { race(&log, task).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    check_race(&store.objects, &first).await;
}

const RACES: usize = 6;

async fn race(log: &TableLog, task: usize) {
    for round in 0..RACES {
        let mut commit = append(&[&format!("{task}-{round}")]);
        let unit = format!("unit/{task}-{round}");
        commit.transactions = vec![(unit.clone(), 1)];
        let already = |now: &downlake_lake::log::Snapshot| now.transactions.get(&unit).is_some();
        let landed = log.append_blind(&commit, already).await.unwrap();
        assert!(matches!(landed, AppendOutcome::Committed(_)), "{landed:?}");
        let again = log.append_blind(&commit, already).await.unwrap();
        assert!(matches!(again, AppendOutcome::AlreadyThere(_)), "{again:?}");
    }
}

async fn check_race(objects: &Arc<dyn ObjectStore>, log: &TableLog) {
    let commits = u64::try_from(8 * RACES).unwrap();
    assert_eq!(
        versions(objects, "t").await,
        (0..=commits).collect::<Vec<_>>()
    );
    let added = all_added(objects, "t").await;
    assert_eq!(added.len(), 8 * RACES);
    assert_eq!(added.iter().collect::<HashSet<_>>().len(), 8 * RACES);
    let snapshot = log.refresh().await.unwrap();
    assert_eq!(paths(&snapshot), added);
    let mut times = Vec::new();
    for version in 0..=commits {
        let info = &bodies(objects, "t", version, "commitInfo").await[0];
        times.push(info["timestamp"].as_i64().unwrap());
    }
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
}
