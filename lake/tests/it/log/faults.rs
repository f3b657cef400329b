//! Commits on a store that loses replies: the outcome is what the log says.

use std::sync::Arc;

use downlake_lake::ErrorKind;
use downlake_lake::log::{AppendOutcome, CommitOutcome, CreateOutcome, RewriteOutcome, TableLog};
use expect_test::{Expect, expect};
use object_store::ObjectStore;

use super::support::*;

on_every_store![
    the_outcome_is_what_the_log_says,
    another_commit_at_the_version_is_a_conflict_under_any_fault,
    a_read_back_that_fails_is_not_an_answer,
    an_unknown_rewrite_is_settled_by_repeating_it,
    a_lost_reply_does_not_create_a_table_twice,
    requests_are_counted_exactly,
];

/// A table on a faulty store, the store under it, and the faults.
async fn table(store: &Store) -> (TableLog, Arc<dyn ObjectStore>, Arc<Faulty>) {
    let sound = store.another();
    let faulty = Faulty::over(Arc::clone(&sound));
    let objects: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
    let log = create(&engine(&objects), "t").await;
    (log, sound, faulty)
}

async fn the_outcome_is_what_the_log_says(store: &Store) {
    use Fault::*;
    let cases: [(&[Fault], Expect); 9] = [
        (&[], expect!["committed 1; log [ours]"]),
        (&[LandThenError], expect!["committed 1; log [ours]"]),
        (&[LandThenExists], expect!["committed 1; log [ours]"]),
        (&[Error], expect!["committed 1; log [ours]"]),
        (&[Exists], expect!["committed 1; log [ours]"]),
        (
            &[Error, Exists, LandThenError],
            expect!["committed 1; log [ours]"],
        ),
        (
            &[Error, Denied, LandThenExists],
            expect!["committed 1; log [ours]"],
        ),
        (
            &[Denied],
            expect![
                "Invalid: commit to table t: The operation lacked the necessary privileges to complete for path t/_delta_log/00000000000000000001.json: 403; give this user the right to it, or choose another lake; log []"
            ],
        ),
        (
            &[Error; 6],
            expect![
                "unknown: the store did not say in 6 tries whether t/_delta_log/00000000000000000001.json was written: read the table again before the commit is repeated; log []"
            ],
        ),
    ];
    for (faults, expected) in cases {
        let (log, objects, faulty) = table(store).await;
        faulty.fail_puts(faults);
        let outcome = log.commit(&log.snapshot(), &append(&["ours"])).await;
        let said = match &outcome {
            Ok(CommitOutcome::Committed(snapshot)) => format!("committed {}", snapshot.version),
            Ok(CommitOutcome::Conflicted(snapshot)) => format!("conflicted {}", snapshot.version),
            Ok(CommitOutcome::Unknown(error)) => format!("unknown: {}", error.message()),
            Err(error) => format!("{:?}: {}", error.kind(), error.message()),
        };
        let log = all_added(&objects, "t").await.join(",");
        expected.assert_eq(&format!("{said}; log [{log}]"));
    }
}

async fn another_commit_at_the_version_is_a_conflict_under_any_fault(store: &Store) {
    for faults in [
        &[][..],
        &[Fault::Error],
        &[Fault::Exists, Fault::LandThenError],
    ] {
        let (log, objects, faulty) = table(store).await;
        let theirs = open(&engine(&objects), "t").await;
        commit(&theirs, &append(&["theirs"])).await;
        faulty.fail_puts(faults);
        let outcome = log
            .commit(&log.snapshot(), &append(&["ours"]))
            .await
            .unwrap();
        assert!(
            matches!(&outcome, CommitOutcome::Conflicted(newest) if newest.version == 1),
            "{faults:?}: {outcome:?}"
        );
        assert_eq!(all_added(&objects, "t").await, ["theirs"]);
    }
}

async fn a_read_back_that_fails_is_not_an_answer(store: &Store) {
    let (log, objects, faulty) = table(store).await;
    faulty.fail_puts(&[Fault::LandThenError]);
    faulty.fail_gets(3);
    let outcome = log
        .commit(&log.snapshot(), &append(&["ours"]))
        .await
        .unwrap();
    assert!(
        matches!(outcome, CommitOutcome::Committed(_)),
        "{outcome:?}"
    );

    faulty.fail_puts(&[Fault::LandThenError]);
    faulty.fail_gets(1_000);
    let second = append(&["second"]);
    let outcome = log.commit(&log.snapshot(), &second).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Unknown(_)), "{outcome:?}");
    faulty.fail_gets(0);

    // Asked again, the log knows: nothing is added twice.
    let settled = log
        .append_blind(&second, |now| now.files.iter().any(|f| f.path == "second"))
        .await
        .unwrap();
    assert!(
        matches!(&settled, AppendOutcome::AlreadyThere(now) if now.version == 2),
        "{settled:?}"
    );
    assert_eq!(all_added(&objects, "t").await, ["ours", "second"]);
}

async fn an_unknown_rewrite_is_settled_by_repeating_it(store: &Store) {
    let (log, objects, faulty) = table(store).await;
    let base = commit(&log, &append(&["a", "b"])).await;
    let rewrite = compact(&base.files, "ab");
    faulty.fail_puts(&[Fault::LandThenError]);
    faulty.fail_gets(1_000);
    let outcome = log.rewrite(&base, &rewrite).await.unwrap();
    assert!(matches!(outcome, RewriteOutcome::Unknown(_)), "{outcome:?}");
    faulty.fail_gets(0);
    let outcome = log.rewrite(&base, &rewrite).await.unwrap();
    assert!(
        matches!(outcome, RewriteOutcome::Committed(_)),
        "{outcome:?}"
    );
    assert_eq!(all_added(&objects, "t").await, ["a", "ab", "b"]);
}

async fn a_lost_reply_does_not_create_a_table_twice(store: &Store) {
    for faults in [
        [Fault::LandThenError],
        [Fault::LandThenExists],
        [Fault::Exists],
    ] {
        let sound = store.another();
        let faulty = Faulty::over(Arc::clone(&sound));
        let objects: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
        faulty.fail_puts(&faults);
        let outcome = TableLog::create(&engine(&objects), "t", spec())
            .await
            .unwrap();
        assert!(matches!(outcome, CreateOutcome::Created(_)), "{faults:?}");
        assert_eq!(versions(&sound, "t").await, [0]);
    }
    let faulty = Faulty::over(store.another());
    let objects: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
    faulty.fail_puts(&[Fault::Error; 6]);
    let error = TableLog::create(&engine(&objects), "t", spec())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

async fn requests_are_counted_exactly(store: &Store) {
    let (log, objects, faulty) = table(store).await;
    for name in ["a", "b", "c"] {
        commit(&log, &append(&[name])).await;
    }
    faulty.take_calls();
    let base = commit(&log, &append(&["d"])).await;
    expect!["PUT 00000000000000000004.json"].assert_eq(&faulty.take_calls().join("\n"));

    commit(&log, &compact(&base.files, "abcd")).await;
    expect!["PUT 00000000000000000005.json"].assert_eq(&faulty.take_calls().join("\n"));

    log.refresh().await.unwrap();
    expect!["LIST _delta_log"].assert_eq(&faulty.take_calls().join("\n"));

    let theirs = open(&engine(&objects), "t").await;
    commit(&theirs, &append(&["theirs"])).await;
    log.refresh().await.unwrap();
    expect![[r#"
        LIST _delta_log
        GET 00000000000000000006.json
        GET 00000000000000000006.json"#]]
    .assert_eq(&faulty.take_calls().join("\n"));
}
