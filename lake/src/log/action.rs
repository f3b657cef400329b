//! The actions of the log in their JSON form, and what they mean in our words.
//!
//! Paths stand percent-encoded in the log and decoded everywhere else.
//! Statistics stand as nested JSON in the log and flat, joined with `.`,
//! everywhere else.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ColumnStats, FileEntry, FileStats, NewFile};
use crate::{Error, Result};

/// The field of commitInfo that says whose commit a file of the log is.
pub(super) const COMMIT_ID: &str = "downlakeCommitId";

/// An `add` action.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Add {
    pub(super) path: String,
    pub(super) partition_values: BTreeMap<String, Option<String>>,
    pub(super) size: i64,
    pub(super) modification_time: i64,
    pub(super) stats: Option<String>,
    pub(super) tags: Option<BTreeMap<String, Option<String>>>,
    pub(super) deletion_vector: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Remove {
    path: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Txn {
    app_id: String,
    version: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Protocol {
    reader_features: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Line {
    protocol: Option<Protocol>,
    add: Option<Add>,
    remove: Option<Remove>,
    txn: Option<Txn>,
    commit_info: Option<Map<String, Value>>,
}

/// One file of the log, `<version>.json`.
#[derive(Debug, Default)]
pub(super) struct CommitFile {
    pub(super) version: u64,
    /// When the store says that the file was written, milliseconds since 1970.
    pub(super) modified_ms: i64,
    pub(super) adds: Vec<Add>,
    /// Paths as the log spells them.
    pub(super) removes: Vec<String>,
    pub(super) transactions: Vec<(String, i64)>,
    pub(super) info: Option<Map<String, Value>>,
    /// Of the protocol, if the commit sets one.
    pub(super) reader_features: Option<Vec<String>>,
}

impl CommitFile {
    /// Parses the lines of a commit.
    pub(super) fn parse(version: u64, modified_ms: i64, bytes: &[u8]) -> Result<CommitFile> {
        let mut commit = CommitFile {
            version,
            modified_ms,
            ..CommitFile::default()
        };
        let lines = bytes.split(|byte| *byte == b'\n').enumerate();
        for (number, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
            let line: Line = serde_json::from_slice(line).map_err(|error| {
                Error::corrupt(format!("commit {version}, line {}: {error}", number + 1))
                    .with_source(error)
            })?;
            commit.take(line);
        }
        Ok(commit)
    }

    fn take(&mut self, line: Line) {
        self.adds.extend(line.add);
        self.removes.extend(line.remove.map(|remove| remove.path));
        self.transactions
            .extend(line.txn.map(|txn| (txn.app_id, txn.version)));
        self.info = line.commit_info.or(self.info.take());
        let features = line.protocol.map(|protocol| protocol.reader_features);
        self.reader_features = features.or(self.reader_features.take());
    }

    /// When the commit was made, milliseconds since 1970: what its commitInfo
    /// says, else the time of the file.
    pub(super) fn timestamp_ms(&self) -> i64 {
        let said = |field: &str| self.info.as_ref()?.get(field)?.as_i64();
        said("inCommitTimestamp")
            .or_else(|| said("timestamp"))
            .unwrap_or(self.modified_ms)
    }

    /// The identifier that our commits carry.
    pub(super) fn commit_id(&self) -> Option<&str> {
        self.info.as_ref()?.get(COMMIT_ID)?.as_str()
    }
}

/// Turns actions of one version's table into file entries.
#[derive(Debug)]
pub(super) struct Reader {
    timestamps: HashSet<String>,
}

impl Reader {
    /// A reader for a table of this schema.
    pub(super) fn new(schema: &Schema) -> Reader {
        let mut timestamps = HashSet::new();
        for field in schema.fields() {
            collect_timestamps("", field, &mut timestamps);
        }
        Reader { timestamps }
    }

    /// The file that an add action describes.
    pub(super) fn entry(&self, add: Add) -> Result<FileEntry> {
        let path = decode_path(&add.path)?;
        let size = u64::try_from(add.size)
            .map_err(|_| Error::corrupt(format!("file {path} has size {} in the log", add.size)))?;
        let stats = match add.stats.as_deref() {
            Some(json) => self.stats(&path, json)?,
            None => FileStats::default(),
        };
        let tags = add.tags.unwrap_or_default();
        Ok(FileEntry {
            path,
            size,
            modified_ms: add.modification_time,
            partition: add.partition_values,
            stats,
            tags: tags
                .into_iter()
                .filter_map(|(k, v)| Some((k, v?)))
                .collect(),
            has_deletion_vector: add.deletion_vector.is_some_and(|vector| !vector.is_null()),
        })
    }

    fn stats(&self, path: &str, json: &str) -> Result<FileStats> {
        let stats: StatsJson = serde_json::from_str(json).map_err(|error| {
            Error::corrupt(format!("statistics of file {path}: {error}")).with_source(error)
        })?;
        let mut columns = BTreeMap::<String, ColumnStats>::new();
        flatten("", stats.min_values, &mut |name, value| {
            columns.entry(name).or_default().min = Some(value);
        });
        flatten("", stats.max_values, &mut |name, value| {
            let value = self.raise(&name, value);
            columns.entry(name).or_default().max = Some(value);
        });
        flatten("", stats.null_count, &mut |name, value| {
            columns.entry(name).or_default().nulls = value.as_u64();
        });
        Ok(FileStats {
            rows: stats.num_records,
            columns,
        })
    }

    /// Writers and checkpoints cut timestamps to milliseconds, so a maximum
    /// that shows no more may stand for any microsecond of its millisecond.
    fn raise(&self, name: &str, value: Value) -> Value {
        match value {
            Value::String(text) if self.timestamps.contains(name) => {
                Value::String(end_of_millisecond(&text).unwrap_or(text))
            }
            value => value,
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatsJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    num_records: Option<u64>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    min_values: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    max_values: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    null_count: Map<String, Value>,
}

fn collect_timestamps(prefix: &str, field: &Field, into: &mut HashSet<String>) {
    let name = format!("{prefix}{}", field.name());
    match field.data_type() {
        DataType::Timestamp(..) => {
            into.insert(name);
        }
        DataType::Struct(fields) => {
            let prefix = format!("{name}.");
            fields
                .iter()
                .for_each(|field| collect_timestamps(&prefix, field, into));
        }
        _ => {}
    }
}

fn flatten(prefix: &str, values: Map<String, Value>, each: &mut impl FnMut(String, Value)) {
    for (name, value) in values {
        let name = format!("{prefix}{name}");
        match value {
            Value::Null => {}
            Value::Object(inner) => flatten(&format!("{name}."), inner, each),
            value => each(name, value),
        }
    }
}

/// `2026-01-31T00:00:00.12Z` -> `2026-01-31T00:00:00.120999Z`; `None` where
/// the text shows microseconds already or has no time of day.
fn end_of_millisecond(text: &str) -> Option<String> {
    let time = text.find(['T', ' '])?;
    let zone = text[time..]
        .find(['Z', '+', '-'])
        .map_or(text.len(), |at| time + at);
    let (clock, zone) = text.split_at(zone);
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    (fraction.len() <= 3).then(|| format!("{seconds}.{fraction:0<3}999{zone}"))
}

/// The add action of a new file, without what only the kernel knows.
pub(super) fn add_of(file: &NewFile, schema: &Schema) -> Result<Add> {
    Path::parse(&file.path).map_err(|error| {
        Error::invalid(format!("file path {:?}: {error}", file.path)).with_source(error)
    })?;
    let size = i64::try_from(file.size)
        .map_err(|_| Error::invalid(format!("file {} is too large: {}", file.path, file.size)))?;
    let tags = file
        .tags
        .iter()
        .map(|(name, value)| (name.clone(), Some(value.clone())))
        .collect();
    Ok(Add {
        path: encode_path(&file.path),
        partition_values: file.partition.clone(),
        size,
        modification_time: file.modified_ms,
        stats: Some(stats_json(&file.stats, schema)?),
        tags: (!file.tags.is_empty()).then_some(tags),
        deletion_vector: None,
    })
}

fn stats_json(stats: &FileStats, schema: &Schema) -> Result<String> {
    let mut json = StatsJson {
        num_records: stats.rows,
        ..StatsJson::default()
    };
    for (name, column) in &stats.columns {
        let place = Place::of(name, schema);
        place.put(&mut json.min_values, column.min.clone());
        place.put(&mut json.max_values, column.max.clone());
        place.put(&mut json.null_count, column.nulls.map(Value::from));
    }
    serde_json::to_string(&json)
        .map_err(|error| Error::internal(format!("statistics as JSON: {error}")))
}

/// Where the statistics of a column stand in the nested form.
struct Place<'a> {
    parents: Vec<&'a str>,
    leaf: &'a str,
}

impl<'a> Place<'a> {
    /// A column whose own name has a `.` is not nested.
    fn of(name: &'a str, schema: &Schema) -> Place<'a> {
        let mut parents: Vec<&str> = match schema.column_with_name(name) {
            Some(_) => vec![name],
            None => name.split('.').collect(),
        };
        let leaf = parents.pop().unwrap_or(name);
        Place { parents, leaf }
    }

    fn put(&self, mut values: &mut Map<String, Value>, value: Option<Value>) {
        let Some(value) = value else { return };
        for parent in &self.parents {
            let inner = values
                .entry(*parent)
                .or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else { return };
            values = inner;
        }
        values.insert(self.leaf.to_owned(), value);
    }
}

/// Percent-encodes a path as the log wants it: a URI reference.
pub(super) fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => encoded.push(byte.into()),
            b'-' | b'_' | b'.' | b'~' | b'/' | b'=' | b'+' | b',' | b'@' => {
                encoded.push(byte.into());
            }
            byte => {
                write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail");
            }
        }
    }
    encoded
}

/// Decodes a path of the log. Refuses files outside the table's folder.
pub(super) fn decode_path(encoded: &str) -> Result<String> {
    if encoded.starts_with('/') || encoded.contains("://") || encoded.starts_with("file:") {
        return Err(Error::invalid(format!(
            "file {encoded} lies outside the folder of its table, which is not supported: \
             copy the table with the tool that wrote it"
        )));
    }
    let path = Path::from_url_path(encoded)
        .map_err(|error| Error::corrupt(format!("file path {encoded:?} in the log: {error}")))?;
    Ok(path.to_string())
}

/// The active files of a version, with the spellings that differ from ours.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub(super) active: Arc<Vec<Arc<FileEntry>>>,
    /// Decoded path to the path as another writer encoded it: a remove must
    /// repeat the add's spelling to meet it.
    pub(super) spelled: Arc<HashMap<String, String>>,
}

impl Files {
    /// The path of an active file as the log spells it.
    pub(super) fn spelling(&self, path: &str) -> String {
        self.spelled
            .get(path)
            .cloned()
            .unwrap_or_else(|| encode_path(path))
    }

    /// The files after a commit of ours, whose added paths are new.
    pub(super) fn after(&self, added: Vec<FileEntry>, removed: &[Arc<FileEntry>]) -> Files {
        let mut active = Vec::clone(&self.active);
        if !removed.is_empty() {
            let removed: HashSet<&str> = removed.iter().map(|file| file.path.as_str()).collect();
            active.retain(|file| !removed.contains(file.path.as_str()));
        }
        active.extend(added.into_iter().map(Arc::new));
        Files {
            active: Arc::new(active),
            spelled: Arc::clone(&self.spelled),
        }
    }
}

/// Collects the active files of a full read.
#[derive(Debug, Default)]
pub(super) struct FilesBuilder {
    active: Vec<Arc<FileEntry>>,
    spelled: HashMap<String, String>,
}

impl FilesBuilder {
    /// Takes one live add action.
    pub(super) fn push(&mut self, reader: &Reader, add: Add) -> Result<()> {
        let spelled = add.path.clone();
        let entry = reader.entry(add)?;
        if encode_path(&entry.path) != spelled {
            self.spelled.insert(entry.path.clone(), spelled);
        }
        self.active.push(Arc::new(entry));
        Ok(())
    }

    /// All of them.
    pub(super) fn build(self) -> Files {
        Files {
            active: Arc::new(self.active),
            spelled: Arc::new(self.spelled),
        }
    }
}

/// The change of the active files over one or several commits, oldest first.
#[derive(Debug, Default)]
pub(super) struct Changes {
    gone: HashSet<String>,
    added: HashMap<String, (usize, Arc<FileEntry>)>,
    spelled: HashMap<String, String>,
}

impl Changes {
    /// Takes the file actions of the next commit. The protocol lets a commit
    /// remove and add one path (a new deletion vector): the add is what stays.
    pub(super) fn apply(&mut self, reader: &Reader, commit: &CommitFile) -> Result<()> {
        for spelled in &commit.removes {
            let path = decode_path(spelled)?;
            self.added.remove(&path);
            self.gone.insert(path);
        }
        for add in &commit.adds {
            let entry = reader.entry(add.clone())?;
            if encode_path(&entry.path) != add.path {
                self.spelled.insert(entry.path.clone(), add.path.clone());
            }
            // Another writer may repeat an add to change its statistics or tags.
            self.gone.insert(entry.path.clone());
            let place = self.added.len() + self.gone.len();
            self.added
                .insert(entry.path.clone(), (place, Arc::new(entry)));
        }
        Ok(())
    }

    /// The files after these commits.
    pub(super) fn on(self, before: &Files) -> Files {
        let mut active: Vec<Arc<FileEntry>> = before
            .active
            .iter()
            .filter(|file| !self.gone.contains(&file.path))
            .cloned()
            .collect();
        let mut added: Vec<_> = self.added.into_values().collect();
        added.sort_by_key(|(place, _)| *place);
        active.extend(added.into_iter().map(|(_, entry)| entry));
        let mut spelled = Arc::clone(&before.spelled);
        if !(spelled.is_empty() && self.spelled.is_empty()) {
            let spelled = Arc::make_mut(&mut spelled);
            spelled.retain(|path, _| !self.gone.contains(path));
            spelled.extend(self.spelled);
        }
        Files {
            active: Arc::new(active),
            spelled,
        }
    }
}
