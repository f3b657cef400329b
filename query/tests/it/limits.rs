//! What a statement may not do: outlive its cancelling, exceed its memory,
//! write without a writer, read rows that are deleted.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use async_trait::async_trait;
use downlake_lake::log::VersionAsked;
use downlake_lake::{ErrorKind, Result};
use downlake_query::{
    Cancel, Catalog, Outcome, Rows, Session, SessionBuilder, TableSnapshot, parse,
};
use futures::stream::{self, StreamExt};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::lake::TestLake;
use crate::samples::{counts, csv, read_only, rows, sample_lake, writing};

/// Longer than any test machine takes.
const PATIENCE: Duration = Duration::from_secs(120);

async fn run_to_end(session: &Session, sql: &str, cancel: &Cancel) -> Result<()> {
    let statement = parse(sql)?.remove(0);
    if let Outcome::Rows(rows) = session.run(&statement, cancel).await? {
        let mut batches = rows.batches;
        while let Some(batch) = batches.next().await {
            batch?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_before_does_not_begin() {
    let lake = Arc::new(sample_lake().await);
    let session = writing(&lake);
    let cancel = Cancel::default();
    cancel.cancel();
    for statement in [
        "SELECT 1",
        "INSERT INTO counts SELECT 1",
        "CREATE VIEW v AS SELECT 1",
    ] {
        let error = run_to_end(&session, statement, &cancel).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{statement}");
    }
    assert_eq!(csv(&session, "SELECT count(*) FROM counts").await, "3");
}

/// A raw file whose rows never come: asking for them blocks the thread that
/// computes, as an operator does that never yields.
#[derive(Debug)]
struct StuckFile {
    objects: Arc<InMemory>,
    asked: Arc<Barrier>,
    released: Arc<Barrier>,
}

#[async_trait]
impl Catalog for StuckFile {
    fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::<InMemory>::clone(&self.objects)
    }

    async fn table_names(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn table(&self, _: &str, _: VersionAsked) -> Result<Option<TableSnapshot>> {
        Ok(None)
    }

    async fn file(&self, _: &str) -> Result<Option<Rows>> {
        let (asked, released) = (Arc::clone(&self.asked), Arc::clone(&self.released));
        let stuck = stream::once(async move {
            asked.wait();
            released.wait();
            Ok(counts(&[1]))
        });
        Ok(Some(Rows {
            schema: counts(&[]).schema(),
            batches: stuck.boxed(),
        }))
    }
}

/// The caller's runtime has one thread and the operator holds every thread of
/// its own: the answer must come while it is still held.
#[tokio::test]
async fn a_statement_that_never_yields_is_cancelled_while_it_computes() {
    let compute = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let (asked, released) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let catalog = Arc::new(StuckFile {
        objects: Arc::default(),
        asked: Arc::clone(&asked),
        released: Arc::clone(&released),
    });
    let session = SessionBuilder::new(catalog)
        .with_threads(1)
        .with_compute(compute.handle().clone())
        .build()
        .unwrap();
    let cancel = Cancel::default();
    let canceller = {
        let cancel = cancel.clone();
        std::thread::spawn(move || {
            asked.wait();
            cancel.cancel();
        })
    };
    let sql = "SELECT sum(n) FROM 'stuck.csv'";
    let error = tokio::time::timeout(PATIENCE, run_to_end(&session, sql, &cancel))
        .await
        .expect("the answer waits for no operator")
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    released.wait();
    canceller.join().unwrap();
    compute.shutdown_background();
}

/// Rows of a sort that is larger than the memory.
const WIDE_ROWS: i64 = 400_000;

async fn wide_lake() -> Arc<TestLake> {
    let lake = TestLake::default();
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
    ]));
    lake.create("wide", Arc::clone(&schema), &[], &[], None);
    for part in 0..4 {
        let numbers = part * WIDE_ROWS / 4..(part + 1) * WIDE_ROWS / 4;
        let scrambled = |n: i64| format!("{:016x}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let texts: Vec<String> = numbers.clone().map(|n| scrambled(n).repeat(8)).collect();
        let n: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        let s: ArrayRef = Arc::new(StringArray::from(texts));
        let rows = RecordBatch::try_new(Arc::clone(&schema), vec![n, s]).unwrap();
        lake.append("wide", &rows).await;
    }
    Arc::new(lake)
}

fn small(lake: &Arc<TestLake>, memory_bytes: usize, spill_dir: &Path) -> Session {
    let catalog: Arc<TestLake> = Arc::clone(lake);
    SessionBuilder::new(catalog)
        .with_threads(1)
        .with_memory_bytes(memory_bytes)
        .with_spill_dir(spill_dir.to_owned())
        .build()
        .unwrap()
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sort_larger_than_memory_spills_and_is_right() {
    let (lake, spill) = (wide_lake().await, tempfile::tempdir().unwrap());
    let session = small(&lake, 40 << 20, spill.path());
    let sorted = rows(&session, "SELECT s, n FROM wide ORDER BY s")
        .await
        .unwrap();
    let (mut count, mut sum, mut last) = (0, 0, String::new());
    for batch in &sorted {
        let (texts, numbers) = (batch.column(0).as_string::<i32>(), batch.column(1));
        for text in texts.iter().flatten() {
            assert!(*last <= *text, "{last} before {text}");
            text.clone_into(&mut last);
        }
        count += batch.num_rows();
        sum += numbers
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .sum::<i64>();
    }
    let expected = usize::try_from(WIDE_ROWS).unwrap();
    assert_eq!((count, sum), (expected, WIDE_ROWS * (WIDE_ROWS - 1) / 2));
    let analyzed = csv(&session, "EXPLAIN ANALYZE SELECT s, n FROM wide ORDER BY s").await;
    let spilled = analyzed
        .split("spill_count=")
        .skip(1)
        .any(|rest| !rest.starts_with('0'));
    assert!(spilled, "nothing was spilled:\n{analyzed}");
    drop((sorted, session));
    let gone = async {
        while files_below(spill.path()) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("spilled rows are removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_that_does_not_suffice_is_a_limit() {
    let (lake, spill) = (wide_lake().await, tempfile::tempdir().unwrap());
    let session = small(&lake, 1 << 20, spill.path());
    let error = rows(&session, "SELECT s, n FROM wide ORDER BY s")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    assert_eq!(
        csv(&session, "SELECT count(*) FROM wide").await,
        WIDE_ROWS.to_string()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_without_a_writer_refuses_every_write() {
    let lake = Arc::new(sample_lake().await);
    let session = read_only(&lake);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    let path = path.display();
    let refused = [
        "CREATE TABLE made AS SELECT 1 AS n".to_owned(),
        "CREATE TABLE IF NOT EXISTS counts AS SELECT 1 AS n".to_owned(),
        "INSERT INTO counts SELECT 1".to_owned(),
        "INSERT INTO counts VALUES (1)".to_owned(),
        "INSERT INTO counts (n) SELECT n FROM counts".to_owned(),
        format!("COPY counts TO '{path}'"),
        format!("COPY (SELECT 1) TO '{path}'"),
    ];
    for statement in refused {
        let answer = csv(&session, &statement).await;
        let expected = format!("Invalid: this session is read-only: it refuses {statement}");
        assert_eq!(answer, expected);
    }
    assert_eq!(
        csv(&session, "CREATE VIEW v AS SELECT 1 AS n; SELECT n FROM v").await,
        "1"
    );
    assert_eq!(csv(&session, "SELECT count(*) FROM counts").await, "3");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Explaining a write must not do it, with a writer or without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explaining_a_write_writes_nothing() {
    let lake = Arc::new(sample_lake().await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    for session in [read_only(&lake), writing(&lake)] {
        for statement in [
            "EXPLAIN INSERT INTO counts SELECT 1".to_owned(),
            "EXPLAIN ANALYZE INSERT INTO counts SELECT 1".to_owned(),
            "EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1 AS n".to_owned(),
            format!("EXPLAIN ANALYZE COPY counts TO '{}'", path.display()),
            "EXPLAIN ANALYZE DELETE FROM counts".to_owned(),
        ] {
            let answer = csv(&session, &statement).await;
            assert!(answer.starts_with("Invalid"), "{statement}: {answer}");
        }
        assert_eq!(csv(&session, "SELECT count(*) FROM counts").await, "3");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A file with a deletion vector is never read as a whole, whatever is asked
/// of it; versions before are read as they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_vectors_are_refused_by_name() {
    let lake = sample_lake().await;
    lake.change_last_file("counts", |file| file.has_deletion_vector = true);
    let session = read_only(&Arc::new(lake));
    for query in [
        "SELECT * FROM counts",
        "SELECT count(*) FROM counts",
        "SELECT n FROM counts WHERE n = 1",
        "SELECT n FROM counts LIMIT 1",
        "SELECT max(n) FROM counts",
        "SELECT n FROM hk JOIN counts ON n = 1",
    ] {
        let answer = csv(&session, query).await;
        let refused = answer.starts_with("Invalid") && answer.contains("deletion vector");
        assert!(refused && answer.contains("part-0002"), "{query}: {answer}");
    }
    assert_eq!(
        csv(&session, "SELECT count(*) FROM counts VERSION AS OF 3").await,
        "3"
    );
    assert_eq!(csv(&session, "SELECT count(*) FROM hk").await, "12");
}
