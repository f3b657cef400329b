//! Stores, tables and commits for the tests of the log, and a checker that
//! reads the log without the code under test.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use async_trait::async_trait;
use bytes::Bytes;
use downlake_lake::log::{
    ColumnStats, Commit, CommitOutcome, CreateTable, FileEntry, FileStats, LogEngine, NewFile,
    Snapshot, TableLog,
};
use downlake_lake::seam::{Clock, Seams};
use downlake_lake::storage::probe::ensure_probed;
use downlake_lake::storage::{Storage, StorageOptions};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result as StoreResult,
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::stores;

/// A store for one case, which began with the probe of a lake's store.
pub(super) struct Store {
    pub(super) name: &'static str,
    pub(super) objects: Arc<dyn ObjectStore>,
    taken: AtomicI64,
    _folder: Option<TempDir>,
}

impl Store {
    async fn begin(name: &'static str, storage: &Storage, folder: Option<TempDir>) -> Store {
        ensure_probed(storage, &Seams::system()).await.unwrap();
        Store {
            name,
            objects: Arc::clone(storage.objects()),
            taken: AtomicI64::new(0),
            _folder: folder,
        }
    }

    /// A folder of the store that no other test writes to.
    pub(super) fn another(&self) -> Arc<dyn ObjectStore> {
        let number = self.taken.fetch_add(1, Ordering::SeqCst);
        let folder = format!("another-{number}");
        Arc::new(PrefixStore::new(Arc::clone(&self.objects), folder))
    }
}

pub(super) async fn memory() -> Store {
    let storage = Storage::open("memory:///", &StorageOptions::default()).unwrap();
    Store::begin("memory", &storage, None).await
}

pub(super) async fn disk() -> Store {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lake");
    let storage = Storage::open(path.to_str().unwrap(), &StorageOptions::default()).unwrap();
    Store::begin("disk", &storage, Some(folder)).await
}

pub(super) async fn s3(test: &str) -> Option<Store> {
    Some(Store::begin("s3", &stores::s3(test)?, None).await)
}

pub(super) async fn azure(test: &str) -> Option<Store> {
    Some(Store::begin("azure", &stores::azure(test)?, None).await)
}

/// Makes of each case one test a store.
macro_rules! on_every_store {
    ($($case:ident),* $(,)?) => {
        $(mod $case {
            use super::super::support;

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn memory() {
                super::$case(&support::memory().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn disk() {
                super::$case(&support::disk().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn s3() {
                if let Some(store) = support::s3(concat!(module_path!(), "::s3")).await {
                    super::$case(&store).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn azure() {
                if let Some(store) = support::azure(concat!(module_path!(), "::azure")).await {
                    super::$case(&store).await;
                }
            }
        })*
    };
}
pub(super) use on_every_store;

/// A clock that stands where it was put.
#[derive(Debug)]
pub(super) struct HeldClock(AtomicI64);

impl HeldClock {
    pub(super) fn at_ms(ms: i64) -> Arc<HeldClock> {
        Arc::new(HeldClock(AtomicI64::new(ms * 1000)))
    }

    pub(super) fn put_ms(&self, ms: i64) {
        self.0.store(ms * 1000, Ordering::SeqCst);
    }
}

impl Clock for HeldClock {
    fn now_micros(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The instant at which held clocks of the tests start.
pub(super) const START_MS: i64 = 1_780_000_000_000;

pub(super) fn engine(objects: &Arc<dyn ObjectStore>) -> LogEngine {
    LogEngine::new(Arc::clone(objects), Seams::system()).unwrap()
}

pub(super) fn engine_at(objects: &Arc<dyn ObjectStore>, clock: Arc<HeldClock>) -> LogEngine {
    let seams = Seams {
        clock,
        ..Seams::system()
    };
    LogEngine::new(Arc::clone(objects), seams).unwrap()
}

pub(super) fn schema() -> Arc<Schema> {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("vehicle", DataType::Utf8, false),
        Field::new("time", micros, false),
        Field::new("volts", DataType::Float64, true),
        Field::new("kind", DataType::Utf8, true),
    ]))
}

pub(super) fn spec() -> CreateTable {
    CreateTable {
        schema: schema(),
        partition_columns: vec!["kind".into()],
        stats_columns: vec!["time".into(), "vehicle".into(), "volts".into()],
        description: Some("telemetry of the test bench".into()),
        info: map(json!({"definition": 1})),
    }
}

pub(super) fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

pub(super) async fn create(engine: &LogEngine, table: &str) -> TableLog {
    TableLog::create(engine, table, spec())
        .await
        .unwrap()
        .into_log()
}

pub(super) async fn open(engine: &LogEngine, table: &str) -> TableLog {
    TableLog::open(engine, table).await.unwrap().unwrap()
}

/// A file with statistics of every column, in the partition `kind`.
pub(super) fn file(path: &str, kind: Option<&str>, rows: u64) -> NewFile {
    let column = |min: Value, max: Value| ColumnStats {
        min: Some(min),
        max: Some(max),
        nulls: Some(0),
    };
    let columns = BTreeMap::from([
        ("vehicle".into(), column(json!("a"), json!("z"))),
        (
            "time".into(),
            column(
                json!("2026-01-01T00:00:00.000Z"),
                json!("2026-01-01T00:00:01.234Z"),
            ),
        ),
        ("volts".into(), column(json!(-1.5), json!(28.25))),
    ]);
    NewFile {
        path: path.into(),
        size: 1000 + rows,
        modified_ms: START_MS,
        partition: BTreeMap::from([("kind".into(), kind.map(str::to_owned))]),
        stats: FileStats {
            rows: Some(rows),
            columns,
        },
        tags: BTreeMap::from([("sorted".into(), "vehicle,time".into())]),
    }
}

pub(super) fn append(paths: &[&str]) -> Commit {
    Commit {
        operation: "INGEST".into(),
        adds: paths
            .iter()
            .map(|path| file(path, Some("hk"), 10))
            .collect(),
        data_change: true,
        blind: true,
        ..Commit::default()
    }
}

/// Replaces files without changing rows.
pub(super) fn compact(inputs: &[Arc<FileEntry>], output: &str) -> Commit {
    Commit {
        operation: "COMPACT".into(),
        adds: vec![file(output, Some("hk"), 20)],
        removes: inputs.to_vec(),
        data_change: false,
        ..Commit::default()
    }
}

pub(super) async fn commit(log: &TableLog, commit: &Commit) -> Arc<Snapshot> {
    match log.commit(&log.snapshot(), commit).await.unwrap() {
        CommitOutcome::Committed(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

pub(super) fn paths(snapshot: &Snapshot) -> Vec<String> {
    let mut paths: Vec<String> = snapshot.files.iter().map(|f| f.path.clone()).collect();
    paths.sort();
    paths
}

pub(super) fn sorted_files(snapshot: &Snapshot) -> Vec<FileEntry> {
    let mut files: Vec<FileEntry> = snapshot.files.iter().map(|f| (**f).clone()).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The actions of one commit as they stand in the store.
pub(super) async fn actions(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    version: u64,
) -> Vec<Value> {
    let place = Path::parse(format!("{table}/_delta_log/{version:020}.json")).unwrap();
    let bytes = objects.get(&place).await.unwrap().bytes().await.unwrap();
    let lines = bytes.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The bodies of one kind of action.
pub(super) async fn bodies(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    version: u64,
    kind: &str,
) -> Vec<Value> {
    let actions = actions(objects, table, version).await;
    actions
        .iter()
        .filter_map(|a| a.get(kind).cloned())
        .collect()
}

/// Versions in the log, in order.
pub(super) async fn versions(objects: &Arc<dyn ObjectStore>, table: &str) -> Vec<u64> {
    let log = Path::parse(format!("{table}/_delta_log")).unwrap();
    let listed: Vec<_> = objects.list(Some(&log)).collect().await;
    let names = listed
        .into_iter()
        .filter_map(|object| object.unwrap().location.filename().map(str::to_owned));
    let mut versions: Vec<u64> = names
        .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
        .collect();
    versions.sort_unstable();
    versions
}

/// Every path that any commit of the log adds, with repetitions.
pub(super) async fn all_added(objects: &Arc<dyn ObjectStore>, table: &str) -> Vec<String> {
    let mut added = Vec::new();
    for version in versions(objects, table).await {
        for add in bodies(objects, table, version, "add").await {
            added.push(add["path"].as_str().unwrap().to_owned());
        }
    }
    added.sort();
    added
}

/// Writes a commit as another tool would.
pub(super) async fn write_by_hand(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    version: u64,
    lines: &[Value],
) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let place = Path::parse(format!("{table}/_delta_log/{version:020}.json")).unwrap();
    objects.put(&place, text.into()).await.unwrap();
}

/// What a faulty store does with the next conditional writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The write lands, the reply is an error of the server.
    LandThenError,
    /// The write lands, the reply is "already exists".
    LandThenExists,
    /// Nothing lands, the reply is an error of the server.
    Error,
    /// Nothing lands, the reply is "already exists".
    Exists,
    /// Nothing lands, the reply is "permission denied".
    Denied,
}

/// A store that counts requests and fails where it is told to.
#[derive(Debug)]
pub(super) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    puts: Mutex<Vec<Fault>>,
    gets: Mutex<u32>,
    calls: Mutex<Vec<String>>,
}

impl Faulty {
    pub(super) fn over(inner: Arc<dyn ObjectStore>) -> Arc<Faulty> {
        Arc::new(Faulty {
            inner,
            puts: Mutex::default(),
            gets: Mutex::default(),
            calls: Mutex::default(),
        })
    }

    /// The next conditional writes fail so, in this order.
    pub(super) fn fail_puts(&self, faults: &[Fault]) {
        *self.puts.lock().unwrap() = faults.iter().rev().copied().collect();
    }

    /// This many next reads fail.
    pub(super) fn fail_gets(&self, count: u32) {
        *self.gets.lock().unwrap() = count;
    }

    /// The requests since the last call of this function.
    pub(super) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn note(&self, verb: &str, place: Option<&Path>) {
        let name = place.and_then(Path::filename).unwrap_or_default();
        self.calls.lock().unwrap().push(format!("{verb} {name}"));
    }

    fn error(&self) -> StoreError {
        StoreError::Generic {
            store: "faulty",
            source: "503 slow down".into(),
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        self.note("PUT", Some(location));
        let fault = self.puts.lock().unwrap().pop();
        if matches!(
            fault,
            None | Some(Fault::LandThenError | Fault::LandThenExists)
        ) {
            let done = self.inner.put_opts(location, payload, options).await;
            if fault.is_none() || done.is_err() {
                return done;
            }
        }
        let path = location.to_string();
        Err(match fault {
            Some(Fault::LandThenExists | Fault::Exists) => StoreError::AlreadyExists {
                path,
                source: "412".into(),
            },
            Some(Fault::Denied) => StoreError::PermissionDenied {
                path,
                source: "403".into(),
            },
            _ => self.error(),
        })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        let verb = if options.head { "HEAD" } else { "GET" };
        self.note(verb, Some(location));
        {
            let mut failing = self.gets.lock().unwrap();
            if *failing > 0 {
                *failing -= 1;
                return Err(self.error());
            }
        }
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.note("GET", Some(location));
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.note("LIST", prefix);
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.note("LIST", prefix);
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.note("LIST", prefix);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
