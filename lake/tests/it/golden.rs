//! The golden tables of the Delta project, which Spark wrote.
//!
//! Each one is read to the row as the project expects, or refused by the name
//! of what is in the way; which one it is stands in [`REFUSED`], so a table
//! that begins to be refused fails as well. Rows are read here with the
//! Parquet reader alone: what is tested is the log's word on files, schema,
//! partition values and deletion vectors.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path as FsPath, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use downlake_lake::log::{FileEntry, LogEngine, Snapshot, TableLog, VersionAsked};
use downlake_lake::seam::Seams;
use downlake_lake::storage::{Storage, StorageOptions};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use crate::skip::skip;

/// Tables that are refused, and words that the refusal must contain.
const REFUSED: &[(&str, &str)] = &[
    ("canonicalized-paths-normal-a", "outside the folder"),
    ("canonicalized-paths-normal-b", "outside the folder"),
    ("canonicalized-paths-special-a", "outside the folder"),
    ("canonicalized-paths-special-b", "outside the folder"),
    ("data-reader-absolute-paths-escaped-chars", "metadata"),
    ("data-reader-timestamp_ntz-id-mode", "columnMapping"),
    ("data-reader-timestamp_ntz-name-mode", "columnMapping"),
    (
        "data-skipping-basic-stats-all-types-columnmapping-id",
        "columnMapping",
    ),
    (
        "data-skipping-basic-stats-all-types-columnmapping-name",
        "columnMapping",
    ),
    ("deltalog-commit-info", "schemaString"),
    ("deltalog-invalid-protocol-version", "Invalid protocol"),
    (
        "deltalog-state-reconstruction-from-checkpoint-missing-metadata",
        "metadata",
    ),
    (
        // Its metadata is as incomplete as its protocol is missing.
        "deltalog-state-reconstruction-from-checkpoint-missing-protocol",
        "schemaString",
    ),
    ("deltalog-state-reconstruction-without-metadata", "metadata"),
    ("deltalog-state-reconstruction-without-protocol", "protocol"),
    ("dv-partitioned-with-checkpoint", "deletion vector"),
    ("dv-with-columnmapping", "columnMapping"),
    ("log-replay-dv-key-cases", "deletion vector"),
    ("no-delta-log-folder", "no table log"),
    ("table-with-columnmapping-mode-id", "columnMapping"),
    ("table-with-columnmapping-mode-name", "columnMapping"),
    ("update-deleted-directory", "schemaString"),
    ("versions-not-contiguous", "version 1 is missing"),
];

/// Tables that come without rows: newest version and active files.
const LISTED: &[(&str, u64, &[&str])] = &[
    ("checkpoint", 14, &["15"]),
    (
        "delete-re-add-same-file-different-transactions",
        3,
        &["bar", "foo"],
    ),
    ("log-replay-special-characters-b", 0, &["special p@#h"]),
];

/// Tables that come with data files and without expected rows: their files.
const COUNTED: &[(&str, usize)] = &[
    ("hive/deltatbl-column-names-case-insensitive", 4),
    ("hive/deltatbl-deleted-path", 2),
    ("hive/deltatbl-incorrect-format-config", 2),
    ("hive/deltatbl-map-types-correctly", 1),
    ("hive/deltatbl-non-partitioned", 2),
    ("hive/deltatbl-not-allow-write", 2),
    ("hive/deltatbl-partition-prune", 5),
    ("hive/deltatbl-partitioned", 4),
    ("hive/deltatbl-schema-match", 4),
    ("hive/deltatbl-special-chars-in-partition-column", 4),
    ("hive/deltatbl-touch-files-needed-for-partitioned", 4),
];

/// Columns whose expected values are wrong: the text `2021-09-08 11:11:11` of
/// a partition value is UTC, and they were written as another zone's.
const NOT_COMPARED: &[(&str, &str)] = &[("data-reader-partition-values", "as_timestamp")];

/// What became of one table.
enum Verdict {
    Passed(String),
    Refused(String),
    Failed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Passed(what) => write!(f, "passed: {what}"),
            Verdict::Refused(why) => write!(f, "refused: {why}"),
            Verdict::Failed(why) => write!(f, "FAILED: {why}"),
        }
    }
}

/// A table of the suite: `<root>/<folder>`, its expected rows beside it.
struct Golden {
    name: String,
    root: PathBuf,
    folder: String,
}

impl Golden {
    fn expected(&self) -> Option<PathBuf> {
        let expected = self.root.join("expected");
        expected.is_dir().then_some(expected)
    }

    /// The commits in the log, by version.
    fn commits(&self) -> BTreeMap<u64, Vec<u8>> {
        let log = self.root.join(&self.folder).join("_delta_log");
        let Ok(entries) = std::fs::read_dir(log) else {
            return BTreeMap::new();
        };
        let commit = |path: PathBuf| {
            let version = path.file_name()?.to_str()?.strip_suffix(".json")?;
            Some((version.parse().ok()?, std::fs::read(&path).unwrap()))
        };
        entries
            .filter_map(|entry| commit(entry.unwrap().path()))
            .collect()
    }
}

/// The suite, unpacked for one test.
struct Suite {
    tables: Vec<Golden>,
    _folder: TempDir,
}

impl Suite {
    fn unpack(test: &str) -> Option<Suite> {
        let Some(data) = std::env::var_os("DOWNLAKE_TEST_DATA") else {
            skip(test, "DOWNLAKE_TEST_DATA does not name test data");
            return None;
        };
        let archives = FsPath::new(&data).join("suites/delta/golden");
        if !archives.is_dir() {
            skip(test, "the golden tables are not in the test data");
            return None;
        }
        let folder = TempDir::new().unwrap();
        for archive in sorted_entries(&archives) {
            if !untar(&archive, folder.path()) {
                skip(test, "there is no tar that unpacks zstd");
                return None;
            }
        }
        let tables = sorted_entries(folder.path())
            .into_iter()
            .flat_map(tables_of)
            .collect();
        Some(Suite {
            tables,
            _folder: folder,
        })
    }

    fn table(&self, name: &str) -> &Golden {
        let found = self.tables.iter().find(|table| table.name == name);
        found.unwrap_or_else(|| panic!("the suite has no table {name}"))
    }
}

fn sorted_entries(folder: &FsPath) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// False where the machine has no `tar` or no zstd for it.
fn untar(archive: &FsPath, into: &FsPath) -> bool {
    let mut tar = Command::new("tar");
    tar.arg("--zstd")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(into);
    tar.output().is_ok_and(|done| done.status.success())
}

/// One table, or several in one archive.
fn tables_of(root: PathBuf) -> Vec<Golden> {
    let name = root.file_name().unwrap().to_str().unwrap().to_owned();
    if name != "hive" {
        return vec![Golden {
            name,
            root,
            folder: "delta".to_owned(),
        }];
    }
    let lake = root.join("delta");
    let tables = sorted_entries(&lake)
        .into_iter()
        .filter(|path| path.is_dir());
    tables
        .map(|path| {
            let folder = path.file_name().unwrap().to_str().unwrap().to_owned();
            Golden {
                name: format!("hive/{folder}"),
                root: lake.clone(),
                folder,
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn golden_tables_are_read_or_refused_by_name() {
    let Some(suite) = Suite::unpack("golden_tables_are_read_or_refused_by_name") else {
        return;
    };
    let (mut passed, mut refused, mut failed) = (0, 0, Vec::new());
    for table in &suite.tables {
        let verdict = match judge(table).await {
            Ok(verdict) => verdict,
            Err(why) => Verdict::Failed(why),
        };
        let verdict = hold_to_list(&table.name, verdict);
        println!("{} {verdict}", table.name);
        match verdict {
            Verdict::Passed(_) => passed += 1,
            Verdict::Refused(_) => refused += 1,
            Verdict::Failed(_) => failed.push(format!("{} {verdict}", table.name)),
        }
    }
    println!(
        "golden tables: {passed} passed, {refused} refused, {} failed",
        failed.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(refused, REFUSED.len());
    assert!(passed > 0, "no golden table was read");
}

/// A refusal counts only where it is expected and says why.
fn hold_to_list(name: &str, verdict: Verdict) -> Verdict {
    let words = REFUSED.iter().find(|(refused, _)| *refused == name);
    match (verdict, words) {
        (Verdict::Refused(why), Some((_, words))) if !why.contains(words) => {
            Verdict::Failed(format!("refused without the words {words:?}: {why}"))
        }
        (Verdict::Refused(why), None) => Verdict::Failed(format!("refused: {why}")),
        (Verdict::Passed(what), Some(_)) => {
            Verdict::Failed(format!("read, though it is listed as refused: {what}"))
        }
        (verdict, _) => verdict,
    }
}

async fn judge(table: &Golden) -> Result<Verdict, String> {
    let storage = open_store(&table.root);
    let engine = LogEngine::new(Arc::clone(storage.objects()), Seams::system()).unwrap();
    let log = match TableLog::open(&engine, &table.folder).await {
        Ok(Some(log)) => log,
        Ok(None) => return Ok(Verdict::Refused("no table log".to_owned())),
        Err(error) => return Ok(Verdict::Refused(format!("{error:?}"))),
    };
    let snapshot = log.snapshot();
    if let Some(file) = snapshot.files.iter().find(|file| file.has_deletion_vector) {
        let why = format!("file {} is marked with a deletion vector", file.path);
        return Ok(Verdict::Refused(why));
    }
    let listed = LISTED.iter().find(|(name, ..)| *name == table.name);
    if let Some((_, version, files)) = listed {
        return check_list(&snapshot, *version, files);
    }
    let actual = table_rows(storage.objects(), table, &snapshot).await?;
    let Some(expected) = table.expected() else {
        return check_count(table, &snapshot, actual.len());
    };
    let expected = expected_rows(table, &expected, &snapshot.schema)?;
    compare(&actual, &expected)?;
    Ok(Verdict::Passed(format!(
        "version {}, {} files, {} rows",
        snapshot.version,
        snapshot.files.len(),
        actual.len()
    )))
}

fn open_store(root: &FsPath) -> Storage {
    let options = StorageOptions {
        fsync: false,
        ..StorageOptions::default()
    };
    Storage::open(root.to_str().unwrap(), &options).unwrap()
}

fn check_list(snapshot: &Snapshot, version: u64, files: &[&str]) -> Result<Verdict, String> {
    let mut active: Vec<&str> = snapshot.files.iter().map(|f| f.path.as_str()).collect();
    active.sort_unstable();
    if snapshot.version != version || active != files {
        return Err(format!(
            "version {} with files {active:?}, expected version {version} with {files:?}",
            snapshot.version
        ));
    }
    Ok(Verdict::Passed(format!(
        "version {version} lists {active:?}"
    )))
}

fn check_count(table: &Golden, snapshot: &Snapshot, rows: usize) -> Result<Verdict, String> {
    let counted = COUNTED.iter().find(|(name, _)| *name == table.name);
    let Some((_, files)) = counted else {
        return Err("nothing says what the table holds".to_owned());
    };
    if snapshot.files.len() != *files || rows == 0 {
        let found = snapshot.files.len();
        return Err(format!("{found} files of {files}, {rows} rows"));
    }
    Ok(Verdict::Passed(format!("{files} files, {rows} rows")))
}

fn compare(actual: &[String], expected: &[String]) -> Result<(), String> {
    if actual.len() != expected.len() {
        return Err(format!("{} rows of {}", actual.len(), expected.len()));
    }
    match actual.iter().zip(expected).find(|(a, e)| a != e) {
        Some((actual, expected)) => Err(format!("row {actual:?}, expected {expected:?}")),
        None => Ok(()),
    }
}

/// All rows of a version as text, sorted.
async fn table_rows(
    objects: &Arc<dyn ObjectStore>,
    table: &Golden,
    snapshot: &Snapshot,
) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for file in snapshot.files.iter() {
        let place = format!("{}/{}", table.folder, file.path);
        let place = Path::parse(&place).map_err(|error| format!("{place}: {error}"))?;
        let found = objects.get(&place).await;
        let bytes = found
            .map_err(|error| format!("{place}: {error}"))?
            .bytes()
            .await;
        let batches = read_parquet(bytes.map_err(|error| format!("{place}: {error}"))?)?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if file.stats.rows.is_some_and(|said| said != rows as u64) {
            return Err(format!(
                "{rows} rows in {place}, the log says {:?}",
                file.stats.rows
            ));
        }
        for batch in batches {
            let columns = columns_of(&batch, file, snapshot)?;
            all.extend(texts(
                &table.name,
                &snapshot.schema,
                &columns,
                batch.num_rows(),
            ));
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn read_parquet(bytes: Bytes) -> Result<Vec<RecordBatch>, String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).and_then(|b| b.build());
    let batches = reader.map_err(|error| error.to_string())?;
    batches
        .map(|batch| batch.map_err(|error| error.to_string()))
        .collect()
}

/// The table's columns: from the file, from its partition, or NULL.
fn columns_of(
    batch: &RecordBatch,
    file: &FileEntry,
    snapshot: &Snapshot,
) -> Result<Vec<ArrayRef>, String> {
    let rows = batch.num_rows();
    let column = |field: &Arc<Field>| {
        if snapshot.partition_columns.contains(field.name()) {
            let value = file.partition.get(field.name());
            let text = value.ok_or(format!("{} has no {}", file.path, field.name()))?;
            let text = text.as_deref().filter(|text| !text.is_empty());
            let texts: ArrayRef = Arc::new(StringArray::from(vec![text; rows]));
            return typed(&texts, field);
        }
        match batch.column_by_name(field.name()) {
            Some(stored) => typed(stored, field),
            None => Ok(new_null_array(field.data_type(), rows)),
        }
    };
    snapshot.schema.fields().iter().map(column).collect()
}

/// A column with the type that the log says; a value that is lost on the way
/// is an error.
fn typed(column: &ArrayRef, field: &Field) -> Result<ArrayRef, String> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(column, field.data_type(), &strict)
        .map_err(|error| format!("column {}: {error}", field.name()))
}

fn expected_rows(table: &Golden, folder: &FsPath, schema: &Schema) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    let is_data = |path: &PathBuf| path.extension().is_some_and(|e| e == "parquet");
    for path in sorted_entries(folder).into_iter().filter(is_data) {
        for batch in read_parquet(std::fs::read(path).unwrap().into())? {
            if batch.num_columns() != schema.fields().len() {
                let (found, said) = (batch.num_columns(), schema.fields().len());
                return Err(format!("{said} columns, expected {found}"));
            }
            let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
                Some(stored) => typed(stored, field),
                None => Err(format!("column {} is not expected", field.name())),
            };
            let columns: Result<Vec<_>, _> = schema.fields().iter().map(column).collect();
            all.extend(texts(&table.name, schema, &columns?, batch.num_rows()));
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn texts(table: &str, schema: &Schema, columns: &[ArrayRef], rows: usize) -> Vec<String> {
    // No text of the suite contains what stands for NULL and between columns.
    let options = FormatOptions::default().with_null("\u{0}");
    let compared = schema.fields().iter().zip(columns);
    let formatters: Vec<_> = compared
        .filter(|(field, _)| !NOT_COMPARED.contains(&(table, field.name().as_str())))
        .map(|(_, column)| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
        .collect();
    let row = |row| {
        let cells: Vec<String> = formatters
            .iter()
            .map(|f| f.value(row).to_string())
            .collect();
        cells.join("\u{1f}")
    };
    (0..rows).map(row).collect()
}

/// Earlier versions of one table are what the tables that end there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn golden_versions_are_read_as_they_were() {
    let Some(suite) = Suite::unpack("golden_versions_are_read_as_they_were") else {
        return;
    };
    let versions = [
        ("time-travel-start-start20-start40", 0, "time-travel-start"),
        (
            "time-travel-start-start20-start40",
            1,
            "time-travel-start-start20",
        ),
        (
            "time-travel-schema-changes-b",
            0,
            "time-travel-schema-changes-a",
        ),
        (
            "time-travel-partition-changes-b",
            0,
            "time-travel-partition-changes-a",
        ),
    ];
    for (name, version, as_in) in versions {
        let table = suite.table(name);
        let storage = open_store(&table.root);
        let engine = LogEngine::new(Arc::clone(storage.objects()), Seams::system()).unwrap();
        let log = TableLog::open(&engine, &table.folder)
            .await
            .unwrap()
            .unwrap();
        let snapshot = log
            .snapshot_at(VersionAsked::Version(version))
            .await
            .unwrap();
        assert_eq!(snapshot.version, version, "{name}");
        let actual = table_rows(storage.objects(), table, &snapshot)
            .await
            .unwrap();
        let expected = suite.table(as_in).expected().unwrap();
        let expected = expected_rows(table, &expected, &snapshot.schema).unwrap();
        assert!(!actual.is_empty(), "{name}");
        compare(&actual, &expected).unwrap_or_else(|why| panic!("{name} at {version}: {why}"));
    }
}

/// Commits of another writer, followed one by one, lead to the files that a
/// full read of the same version finds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn golden_logs_are_followed_as_they_are_read() {
    let Some(suite) = Suite::unpack("golden_logs_are_followed_as_they_are_read") else {
        return;
    };
    let mut followed = 0;
    for table in &suite.tables {
        followed += follow(table).await;
    }
    println!("golden logs: {followed} versions followed");
    assert!(followed >= 50, "{followed} versions were followed");
}

async fn follow(table: &Golden) -> u64 {
    let commits = table.commits();
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let engine = LogEngine::new(Arc::clone(&objects), Seams::system()).unwrap();
    let Some(first) = commits.get(&0) else {
        return 0;
    };
    put_commit(&objects, 0, first).await;
    let Ok(Some(log)) = TableLog::open(&engine, "t").await else {
        return 0;
    };
    let mut followed = 0;
    while let Some(commit) = commits.get(&(followed + 1)) {
        put_commit(&objects, followed + 1, commit).await;
        let (step, whole) = (log.refresh().await, TableLog::open(&engine, "t").await);
        let (Ok(step), Ok(Some(whole))) = (&step, &whole) else {
            assert_eq!(
                step.is_ok(),
                whole.is_ok(),
                "{}: {step:?}, {whole:?}",
                table.name
            );
            return followed;
        };
        followed += 1;
        assert_same(
            &format!("{} at {followed}", table.name),
            step,
            &whole.snapshot(),
        );
    }
    followed
}

fn assert_same(what: &str, step: &Snapshot, whole: &Snapshot) {
    assert_eq!(step.version, whole.version, "{what}");
    assert_eq!(step.timestamp_ms, whole.timestamp_ms, "{what}");
    assert_eq!(step.schema, whole.schema, "{what}");
    assert_eq!(step.partition_columns, whole.partition_columns, "{what}");
    assert_eq!(step.properties, whole.properties, "{what}");
    assert_eq!(by_path(step), by_path(whole), "{what}");
}

fn by_path(snapshot: &Snapshot) -> BTreeMap<&str, &FileEntry> {
    let files = snapshot.files.iter();
    files.map(|file| (file.path.as_str(), &**file)).collect()
}

async fn put_commit(objects: &Arc<dyn ObjectStore>, version: u64, bytes: &[u8]) {
    let place = Path::parse(format!("t/_delta_log/{version:020}.json")).unwrap();
    objects.put(&place, bytes.to_vec().into()).await.unwrap();
}
