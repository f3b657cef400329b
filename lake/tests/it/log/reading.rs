//! Reading: following, time travel, checkpoints, history, foreign writers.

use std::sync::Arc;

use downlake_lake::ErrorKind;
use downlake_lake::log::{Commit, TableLog, VersionAsked};
use expect_test::expect;
use futures::StreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::{Value, json};

use super::support::*;

on_every_store![
    a_version_and_an_instant_name_the_same_table,
    what_the_log_does_not_reach_is_not_found,
    times_survive_a_copy_of_the_lake,
    history_is_newest_first,
    a_checkpoint_holds_all_that_the_log_said,
    a_checkpoint_comes_by_itself,
    odd_names_are_read_back_as_they_were_given,
    a_foreign_commit_is_followed_and_rewritten,
    a_deletion_vector_is_marked_and_the_file_not_removed,
    what_we_cannot_read_is_refused_by_name,
    an_unknown_writer_feature_stops_only_writes,
    a_broken_commit_is_corrupt,
];

/// A table with versions 0 to 4, committed at START_MS + 0, 1000, ... 4000.
async fn five_versions(objects: &Arc<dyn ObjectStore>, table: &str) -> TableLog {
    let clock = HeldClock::at_ms(START_MS);
    let log = create(&engine_at(objects, Arc::clone(&clock)), table).await;
    for (step, name) in (1..).zip(["a", "b", "c", "d"]) {
        clock.put_ms(START_MS + step * 1000);
        commit(&log, &append(&[name])).await;
    }
    log
}

async fn a_version_and_an_instant_name_the_same_table(store: &Store) {
    let log = five_versions(&store.objects, "t").await;
    let cases = [
        (VersionAsked::Latest, 4),
        (VersionAsked::Version(0), 0),
        (VersionAsked::Version(3), 3),
        (VersionAsked::TimestampMs(START_MS), 0),
        (VersionAsked::TimestampMs(START_MS + 999), 0),
        (VersionAsked::TimestampMs(START_MS + 1000), 1),
        (VersionAsked::TimestampMs(START_MS + 3999), 3),
        (VersionAsked::TimestampMs(i64::MAX), 4),
    ];
    for (asked, version) in cases {
        let snapshot = log.snapshot_at(asked).await.unwrap();
        assert_eq!(snapshot.version, version, "{asked:?} on {}", store.name);
        assert_eq!(u64::try_from(snapshot.files.len()).unwrap(), version);
        let committed = START_MS + i64::try_from(version).unwrap() * 1000;
        assert_eq!(snapshot.timestamp_ms, committed);
    }
}

async fn what_the_log_does_not_reach_is_not_found(store: &Store) {
    let log = five_versions(&store.objects, "t").await;
    let mut said = String::new();
    for asked in [
        VersionAsked::Version(5),
        VersionAsked::TimestampMs(START_MS - 1),
    ] {
        let error = log.snapshot_at(asked).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        said.push_str(&format!("{}\n", error.message()));
    }
    expect![[r#"
        table t has no version 5: the log has versions 0 to 4
        table t has no version at or before 2026-05-28T20:26:39.999Z: the earliest is version 0 of 2026-05-28T20:26:40.000Z, the newest is version 4 of 2026-05-28T20:26:44.000Z
    "#]].assert_eq(&said);
}

async fn times_survive_a_copy_of_the_lake(store: &Store) {
    five_versions(&store.objects, "t").await;
    let copy: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let listed: Vec<_> = store.objects.list(None).collect().await;
    for object in listed {
        let place = object.unwrap().location;
        let bytes = store
            .objects
            .get(&place)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        copy.put(&place, bytes.into()).await.unwrap();
    }
    let log = open(&engine(&copy), "t").await;
    assert_eq!(log.snapshot().timestamp_ms, START_MS + 4000);
    let asked = VersionAsked::TimestampMs(START_MS + 2500);
    assert_eq!(log.snapshot_at(asked).await.unwrap().version, 2);
}

async fn history_is_newest_first(store: &Store) {
    let log = five_versions(&store.objects, "t").await;
    let all = log.history(None).await.unwrap();
    let lines: Vec<_> = all
        .iter()
        .map(|entry| {
            format!(
                "{} {} {}",
                entry.version,
                entry.timestamp_ms - START_MS,
                entry.operation
            )
        })
        .collect();
    expect![[r#"
        4 4000 INGEST
        3 3000 INGEST
        2 2000 INGEST
        1 1000 INGEST
        0 0 CREATE TABLE"#]]
    .assert_eq(&lines.join("\n"));
    assert_eq!(all[4].info["definition"], 1);
    let two = log.history(Some(2)).await.unwrap();
    assert_eq!(two, all[..2]);
    assert!(log.history(Some(0)).await.unwrap().is_empty());
}

async fn a_checkpoint_holds_all_that_the_log_said(store: &Store) {
    let engine = engine(&store.objects);
    let log = create(&engine, "t").await;
    let mut first = append(&["kind=hk/a", "kind=hk/b"]);
    first
        .adds
        .push(file("kind=__HIVE_DEFAULT_PARTITION__/n", None, 3));
    first.transactions = vec![("unit/1".into(), 1)];
    commit(&log, &first).await;
    let base = commit(&log, &append(&["c"])).await;
    let gone: Vec<_> = base
        .files
        .iter()
        .filter(|f| f.path == "c")
        .cloned()
        .collect();
    commit(&log, &compact(&gone, "c2")).await;
    let held = commit(&log, &append(&["d"])).await;
    assert!(log.checkpoint().await.unwrap(), "{}", store.name);
    assert!(!log.checkpoint().await.unwrap());

    for version in 0..4 {
        let place = Path::parse(format!("t/_delta_log/{version:020}.json")).unwrap();
        store.objects.delete(&place).await.unwrap();
    }
    let opened = open(&engine, "t").await.snapshot();
    assert_eq!(sorted_files(&held), sorted_files(&opened), "{}", store.name);
    assert_eq!(opened.transactions.get("unit/1"), Some(1));
    assert_eq!(held.schema, opened.schema);
    assert_eq!(held.timestamp_ms, opened.timestamp_ms);

    let after = commit(&log, &append(&["e"])).await;
    let opened = open(&engine, "t").await.snapshot();
    assert_eq!(sorted_files(&after), sorted_files(&opened));
}

async fn a_checkpoint_comes_by_itself(store: &Store) {
    let engine = engine(&store.objects);
    let log = create(&engine, "t").await;
    let other = open(&engine, "t").await;
    for round in 0..105 {
        commit(&log, &append(&[&format!("f{round}")])).await;
    }
    engine.settle().await;
    let place = Path::parse("t/_delta_log/00000000000000000100.checkpoint.parquet").unwrap();
    store.objects.head(&place).await.unwrap();
    assert_eq!(open(&engine, "t").await.snapshot().files.len(), 105);
    assert_eq!(other.refresh().await.unwrap().files.len(), 105);
    assert_eq!(commit(&log, &append(&["last"])).await.version, 106);
}

async fn odd_names_are_read_back_as_they_were_given(store: &Store) {
    let tables = [
        "plain",
        "two words",
        "100%",
        "a%20b",
        "größe",
        "deep/er",
        "q?#x",
        "b[1]",
    ];
    let engine = engine(&store.objects);
    for table in tables {
        let log = create(&engine, table).await;
        let kinds = [
            Some("a b"),
            Some("50%"),
            Some("%41"),
            Some("ü/ß"),
            Some("?#"),
            None,
        ];
        let mut odd = append(&[]);
        for (number, kind) in kinds.iter().enumerate() {
            let folder = kind
                .unwrap_or("__HIVE_DEFAULT_PARTITION__")
                .replace('/', "%2F");
            odd.adds
                .push(file(&format!("kind={folder}/{number}.parquet"), *kind, 1));
        }
        let held = commit(&log, &odd).await;
        let inputs = vec![Arc::clone(&held.files[1])];
        let held = commit(&log, &compact(&inputs, "kind=50%/new")).await;
        let opened = open(&engine, table).await.snapshot();
        let name = format!("table {table} on {}", store.name);
        assert_eq!(sorted_files(&held), sorted_files(&opened), "{name}");
        log.checkpoint().await.unwrap();
        let opened = open(&engine, table).await.snapshot();
        assert_eq!(sorted_files(&held), sorted_files(&opened), "{name}");
        assert_eq!(versions(&store.objects, table).await, [0, 1, 2], "{name}");
    }
}

/// An add action as another writer spells it.
fn foreign_add(path: &str, rows: u64) -> Value {
    json!({"add": {
        "path": path,
        "partitionValues": {"kind": "hk"},
        "size": 77,
        "modificationTime": START_MS,
        "dataChange": true,
        "stats": json!({
            "numRecords": rows,
            "minValues": {"time": "2026-01-01T00:00:00.000Z"},
            "maxValues": {"time": "2026-01-01T00:00:01.5Z"},
            "nullCount": {"time": 0},
        }).to_string(),
    }})
}

async fn a_foreign_commit_is_followed_and_rewritten(store: &Store) {
    let engine = engine(&store.objects);
    let log = create(&engine, "t").await;
    // No commitInfo, a path that we would spell otherwise, no tags.
    write_by_hand(
        &store.objects,
        "t",
        1,
        &[
            foreign_add("kind=hk/gr%C3%B6%C3%9Fe%20(1).parquet", 5),
            json!({"txn": {"appId": "spark", "version": 9, "lastUpdated": START_MS}}),
        ],
    )
    .await;
    let followed = log.refresh().await.unwrap();
    let opened = open(&engine, "t").await.snapshot();
    for snapshot in [&followed, &opened] {
        assert_eq!(paths(snapshot), ["kind=hk/größe (1).parquet"]);
        assert_eq!(snapshot.rows(), Some(5));
        assert_eq!(snapshot.transactions.get("spark"), Some(9));
        let time = &snapshot.files[0].stats.columns["time"];
        assert_eq!(time.max, Some(json!("2026-01-01T00:00:01.500999Z")));
        assert_eq!(time.min, Some(json!("2026-01-01T00:00:00.000Z")));
    }
    assert_eq!(followed.timestamp_ms, opened.timestamp_ms);
    assert_eq!(log.history(Some(1)).await.unwrap()[0].operation, "UNKNOWN");

    let held = commit(&log, &compact(&followed.files, "ours")).await;
    assert_eq!(paths(&held), ["ours"]);
    assert_eq!(
        paths(&open(&engine, "t").await.snapshot()),
        ["ours"],
        "{}",
        store.name
    );
}

async fn a_deletion_vector_is_marked_and_the_file_not_removed(store: &Store) {
    let engine = engine(&store.objects);
    let log = create(&engine, "t").await;
    commit(&log, &append(&["a", "b"])).await;
    let protocol = json!({"protocol": {
        "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"],
    }});
    let mut add = foreign_add("a", 10);
    add["add"]["deletionVector"] = json!({
        "storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4,
        "sizeInBytes": 40, "cardinality": 6,
    });
    let remove =
        json!({"remove": {"path": "a", "dataChange": true, "deletionTimestamp": START_MS}});
    write_by_hand(&store.objects, "t", 2, &[protocol, remove, add]).await;
    let followed = log.refresh().await.unwrap();
    let opened = open(&engine, "t").await.snapshot();
    assert_eq!(sorted_files(&followed), sorted_files(&opened));
    let marked: Vec<_> = sorted_files(&opened)
        .iter()
        .map(|f| f.has_deletion_vector)
        .collect();
    assert_eq!(marked, [true, false]);
    let error = log
        .commit(&followed, &compact(&followed.files, "ab"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    commit(&log, &append(&["c"])).await;
}

async fn with_protocol(
    store: &Store,
    protocol: Value,
    configuration: Value,
) -> (Arc<dyn ObjectStore>, TableLog) {
    let objects = store.another();
    let log = create(&engine(&objects), "t").await;
    let mut metadata = bodies(&objects, "t", 0, "metaData").await.remove(0);
    for (name, value) in map(configuration) {
        metadata["configuration"][name] = value;
    }
    write_by_hand(
        &objects,
        "t",
        1,
        &[json!({"protocol": protocol}), json!({"metaData": metadata})],
    )
    .await;
    (objects, log)
}

async fn what_we_cannot_read_is_refused_by_name(store: &Store) {
    let cases = [
        (
            json!({"minReaderVersion": 3, "minWriterVersion": 7,
                "readerFeatures": ["timeWarp", "deletionVectors", "moonPhase"],
                "writerFeatures": ["timeWarp", "deletionVectors", "moonPhase"]}),
            json!({}),
            expect![
                "open table t: the table uses reader features that are not supported: timeWarp, moonPhase: use the tool that wrote it, or drop the features there"
            ],
        ),
        (
            json!({"minReaderVersion": 2, "minWriterVersion": 5}),
            json!({"delta.columnMapping.mode": "name"}),
            expect![
                "open table t: Schema error: Column mapping is enabled but field 'vehicle' lacks the delta.columnMapping.physicalName annotation"
            ],
        ),
    ];
    for (protocol, configuration, expected) in cases {
        let (objects, log) = with_protocol(store, protocol, configuration).await;
        let error = TableLog::open(&engine(&objects), "t").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        expected.assert_eq(error.message());
        assert!(log.refresh().await.is_err());
        assert_eq!(log.snapshot().version, 0);
    }
}

async fn an_unknown_writer_feature_stops_only_writes(store: &Store) {
    let (objects, log) = with_protocol(
        store,
        json!({"minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": [], "writerFeatures": ["moonPhase", "timeWarp"]}),
        json!({}),
    )
    .await;
    let snapshot = log.refresh().await.unwrap();
    assert_eq!(open(&engine(&objects), "t").await.snapshot().version, 1);
    let error = log.commit(&snapshot, &append(&["a"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    expect!["commit to table t: the table uses writer features that are not supported: moonPhase, timeWarp: use the tool that wrote it, or drop the features there"].assert_eq(error.message());
    assert_eq!(versions(&objects, "t").await, [0, 1]);
}

async fn a_broken_commit_is_corrupt(store: &Store) {
    let log = create(&engine(&store.objects), "t").await;
    let place = Path::parse("t/_delta_log/00000000000000000001.json").unwrap();
    store
        .objects
        .put(&place, "{\"add\": {\"path\"".into())
        .await
        .unwrap();
    for error in [
        log.refresh().await.unwrap_err(),
        TableLog::open(&engine(&store.objects), "t")
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    }
    let commit = Commit {
        operation: "X".into(),
        ..Commit::default()
    };
    assert!(log.commit(&log.snapshot(), &commit).await.is_err());
}
