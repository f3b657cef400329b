//! Reads a lake on disk by other means than the code under test: the log with
//! `serde_json`, data files and checkpoints with the parquet crate's record
//! reader, and holds against each other what they say.
//!
//! Finds: gaps in the log, files that are missing or of another size, row
//! counts and orders that are not those said, commits that added other rows
//! than they say, units that landed twice or in part, and ledgers and
//! quarantines that do not add up. Does not judge whether values are right:
//! a test compares them with what it wrote.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

use super::program::Program;

/// One row: column to value. Partition columns are in the log, not here.
pub(crate) type Record = BTreeMap<String, Field>;

/// What the last run over the lake was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// It ended well: the ledger is complete.
    Finished,
    /// It was killed: the ledger and the quarantine may be behind or ahead.
    Killed,
}

/// A lake that was read.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    faults: Vec<String>,
    tables: BTreeMap<String, TableOnDisk>,
}

/// A table that was read.
#[derive(Debug, Default)]
struct TableOnDisk {
    name: String,
    files: BTreeMap<String, Value>,
    seen_paths: BTreeSet<String>,
    transactions: Vec<(u64, String, i64)>,
    records: Vec<Record>,
    checkpoints: usize,
}

impl Audit {
    /// Reads everything.
    pub(crate) fn of(lake: &Path, last: Last) -> Audit {
        let mut audit = Audit::default();
        for name in table_names(lake) {
            let table = TableOnDisk::read(&lake.join(&name), &name, &mut audit.faults);
            audit.tables.insert(name, table);
        }
        if last == Last::Finished {
            audit.check_ledger();
            audit.check_committed();
            audit.check_quarantined();
        }
        audit
    }

    /// The same, with nothing found.
    pub(crate) fn clean(lake: &Path, last: Last, context: &str) -> Audit {
        let audit = Audit::of(lake, last);
        assert!(audit.faults.is_empty(), "{context}: {:#?}", audit.faults);
        audit
    }

    /// The names of all tables.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// The rows of a table; none where there is no table.
    pub(crate) fn records(&self, table: &str) -> &[Record] {
        self.tables
            .get(table)
            .map_or(&[][..], |t| t.records.as_slice())
    }

    /// One row a unit and table, one with no table for each unit, and
    /// every row adds up.
    fn check_ledger(&mut self) {
        let mut units: BTreeMap<i64, Vec<Option<String>>> = BTreeMap::new();
        let mut keys = BTreeSet::new();
        let mut faults = Vec::new();
        for row in self.records("_ledger") {
            let id = long(row, "ingest_id");
            let table = row.get("table_name").and_then(text);
            faults.extend(self.ledger_row_fault(row, id, table.as_deref()));
            if !keys.insert(row.get("unit_key").and_then(text)) {
                faults.push(format!("landing {id}: its key is in _ledger twice"));
            }
            units.entry(id).or_default().push(table);
        }
        for (id, mut tables) in units {
            tables.sort();
            let distinct = tables.windows(2).all(|pair| pair[0] != pair[1]);
            if !(tables.first() == Some(&None) && tables.len() > 1 && distinct) {
                faults.push(format!("landing {id}: _ledger has rows for {tables:?}"));
            }
        }
        self.faults.extend(faults);
    }

    fn ledger_row_fault(&self, row: &Record, id: i64, table: Option<&str>) -> Option<String> {
        let ended = ["committed", "quarantined", "duplicate", "skipped"];
        let sum: i64 = ended
            .iter()
            .map(|end| long(row, &format!("rows_{end}")))
            .sum();
        if long(row, "rows_in") != sum {
            return Some(format!(
                "landing {id}: {} rows in, {sum} came out",
                long(row, "rows_in")
            ));
        }
        let state = row.get("state").and_then(text);
        if state.as_deref() != Some("landed") {
            return Some(format!("landing {id} is {state:?}"));
        }
        let table = self.tables.get(table?)?;
        let transaction = format!("unit/{}", row.get("unit_key").and_then(text)?);
        let versions = table
            .transactions
            .iter()
            .filter(|(_, name, _)| *name == transaction);
        let versions: Vec<_> = versions.map(|(version, _, _)| *version).collect();
        let said = u64::try_from(long(row, "version")).ok();
        (versions.iter().map(|v| Some(*v)).ne([said]))
            .then(|| format!("landing {id}: _ledger says version {said:?}, the log {versions:?}"))
    }

    /// Rows of each landing in each table against the ledger, both ways.
    fn check_committed(&mut self) {
        let mut said: BTreeMap<(String, i64), i64> = BTreeMap::new();
        for row in self.records("_ledger") {
            if let Some(table) = row.get("table_name").and_then(text) {
                *said.entry((table, long(row, "ingest_id"))).or_default() +=
                    long(row, "rows_committed");
            }
        }
        let mut found: BTreeMap<(String, i64), i64> = BTreeMap::new();
        for (name, table) in self
            .tables
            .iter()
            .filter(|(name, _)| !name.starts_with('_'))
        {
            for row in &table.records {
                *found
                    .entry((name.clone(), long(row, "_ingest_id")))
                    .or_default() += 1;
            }
        }
        self.faults
            .extend(differences("rows committed", &said, &found));
    }

    /// Refused records of each landing against the ledger, both ways.
    fn check_quarantined(&mut self) {
        let key = |row: &Record| {
            let table = row.get("table_name").and_then(text).unwrap_or_default();
            (table, long(row, "ingest_id"))
        };
        let mut said: BTreeMap<(String, i64), i64> = BTreeMap::new();
        for row in self.records("_ledger") {
            *said.entry(key(row)).or_default() += long(row, "rows_quarantined");
        }
        let mut found: BTreeMap<(String, i64), i64> = BTreeMap::new();
        for row in self.records("_quarantine") {
            *found.entry(key(row)).or_default() += 1;
        }
        self.faults
            .extend(differences("rows quarantined", &said, &found));
    }
}

impl TableOnDisk {
    fn read(folder: &Path, name: &str, faults: &mut Vec<String>) -> TableOnDisk {
        let mut table = TableOnDisk {
            name: name.to_owned(),
            ..TableOnDisk::default()
        };
        let log = folder.join("_delta_log");
        for (expected, version) in versions(&log).into_iter().enumerate() {
            if version != expected as u64 {
                faults.push(format!(
                    "{name}: version {expected} is missing before {version}"
                ));
                return table;
            }
            table.apply(version, &actions(&log, version), faults);
            table.check_checkpoint(&log, version, faults);
        }
        for (path, add) in table.files.clone() {
            match read_records(&folder.join(&path)) {
                Ok(records) => table.check_file(folder, &path, &add, records, faults),
                Err(error) => faults.push(format!("{name}: file {path}: {error}")),
            }
        }
        table
    }

    fn apply(&mut self, version: u64, actions: &[Value], faults: &mut Vec<String>) {
        let mut added = 0;
        for action in actions {
            if let Some(path) = action.pointer("/remove/path").and_then(Value::as_str)
                && self.files.remove(&decoded(path)).is_none()
            {
                faults.push(format!(
                    "{}: version {version} removes {path}, not active",
                    self.name
                ));
            }
            let transaction = action.pointer("/txn/appId").and_then(Value::as_str);
            self.transactions.extend(transaction.map(|id| {
                let landing = action.pointer("/txn/version").and_then(Value::as_i64);
                (version, id.to_owned(), landing.unwrap_or_default())
            }));
        }
        for add in actions.iter().filter_map(|action| action.get("add")) {
            let path = decoded(add["path"].as_str().unwrap_or_default());
            if !self.seen_paths.insert(path.clone()) {
                faults.push(format!(
                    "{}: version {version} adds {path} again",
                    self.name
                ));
            }
            added += rows_said(add).unwrap_or_default();
            self.files.insert(path, add.clone());
        }
        let said = actions
            .iter()
            .find_map(|action| self.rows_of_commit(action));
        if said.is_some_and(|said| said != added) {
            faults.push(format!(
                "{}: version {version} says {said:?} rows, adds {added}",
                self.name
            ));
        }
    }

    /// The rows that a data commit says to have committed.
    fn rows_of_commit(&self, action: &Value) -> Option<u64> {
        let rows = action.pointer("/commitInfo/downlake/rows")?.as_array()?;
        let ours = rows
            .iter()
            .find(|row| row["table_name"] == self.name.as_str())?;
        ours["rows_committed"].as_u64()
    }

    /// A checkpoint must list the files that the log lists.
    fn check_checkpoint(&mut self, log: &Path, version: u64, faults: &mut Vec<String>) {
        let path = log.join(format!("{version:020}.checkpoint.parquet"));
        if !path.exists() {
            return;
        }
        self.checkpoints += 1;
        let listed: BTreeSet<String> = match read_records(&path) {
            Ok(records) => records.iter().filter_map(added_path).collect(),
            Err(error) => {
                return faults.push(format!("{}: checkpoint {version}: {error}", self.name));
            }
        };
        let active: BTreeSet<String> = self.files.keys().cloned().collect();
        if listed != active {
            let differ: Vec<_> = listed.symmetric_difference(&active).collect();
            faults.push(format!(
                "{}: checkpoint {version} differs in {differ:?}",
                self.name
            ));
        }
    }

    fn check_file(
        &mut self,
        folder: &Path,
        path: &str,
        add: &Value,
        records: Vec<Record>,
        faults: &mut Vec<String>,
    ) {
        let mut fault = |what: String| faults.push(format!("{}: file {path}: {what}", self.name));
        let size = fs::metadata(folder.join(path)).map_or(0, |found| found.len());
        if add["size"].as_u64() != Some(size) {
            fault(format!("{size} bytes, the log says {}", add["size"]));
        }
        if rows_said(add) != Some(records.len() as u64) {
            fault(format!(
                "{} rows, the log says {:?}",
                records.len(),
                rows_said(add)
            ));
        }
        let sort = add.pointer("/tags/downlake.sort").and_then(Value::as_str);
        let columns: Vec<_> = sort.into_iter().flat_map(|sort| sort.split(',')).collect();
        if let Some(at) = records
            .windows(2)
            .position(|pair| follows(&columns, pair).is_gt())
        {
            fault(format!(
                "rows {at} and {} are not in the order of {columns:?}",
                at + 1
            ));
        }
        self.records.extend(records);
    }
}

/// Folders of the lake with a log.
fn table_names(lake: &Path) -> Vec<String> {
    let folders = fs::read_dir(lake).into_iter().flatten().flatten();
    let mut names: Vec<_> = folders
        .filter(|folder| folder.path().join("_delta_log").is_dir())
        .map(|folder| folder.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Versions of the commits in a log, ascending.
fn versions(log: &Path) -> Vec<u64> {
    let files = fs::read_dir(log).into_iter().flatten().flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    let mut versions: Vec<u64> = names
        .filter_map(|name| {
            name.strip_suffix(".json")
                .filter(|n| n.len() == 20)?
                .parse()
                .ok()
        })
        .collect();
    versions.sort_unstable();
    versions
}

fn actions(log: &Path, version: u64) -> Vec<Value> {
    let path = log.join(format!("{version:020}.json"));
    let content = fs::read_to_string(&path).unwrap();
    let lines = content.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("version {version}: {e}")))
        .collect()
}

fn read_records(path: &Path) -> Result<Vec<Record>, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let reader = SerializedFileReader::new(file).map_err(|e| e.to_string())?;
    let rows = reader.get_row_iter(None).map_err(|e| e.to_string())?;
    rows.map(|row| row.map(|row| row.into_columns().into_iter().collect()))
        .collect::<Result<_, _>>()
        .map_err(|e| e.to_string())
}

fn rows_said(add: &Value) -> Option<u64> {
    let stats: Value = serde_json::from_str(add["stats"].as_str()?).ok()?;
    stats["numRecords"].as_u64()
}

/// The path of a checkpoint's row, if it is of an added file.
fn added_path(record: &Record) -> Option<String> {
    let Some(Field::Group(add)) = record.get("add") else {
        return None;
    };
    let path = add.get_column_iter().find(|(name, _)| *name == "path")?;
    text(path.1).map(|path| decoded(&path))
}

/// Undoes percent-encoding.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The order of two rows; a column that is in no file is the same in all.
fn follows(columns: &[&str], pair: &[Record]) -> Ordering {
    let cell = |row: &Record, column: &str| row.get(column).cloned().unwrap_or(Field::Null);
    columns
        .iter()
        .map(|column| compare(&cell(&pair[0], column), &cell(&pair[1], column)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Ascending, NULL first.
fn compare(a: &Field, b: &Field) -> Ordering {
    match (a, b) {
        (Field::Null, Field::Null) => Ordering::Equal,
        (Field::Null, _) => Ordering::Less,
        (_, Field::Null) => Ordering::Greater,
        (Field::Str(a), Field::Str(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Field::Double(a), Field::Double(b)) => a.total_cmp(b),
        (a, b) => match (whole(a), whole(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => panic!("{a:?} and {b:?} have no order here"),
        },
    }
}

fn whole(field: &Field) -> Option<i64> {
    match field {
        Field::Long(n) | Field::TimestampMicros(n) => Some(*n),
        Field::Int(n) | Field::Date(n) => Some(i64::from(*n)),
        Field::Short(n) => Some(i64::from(*n)),
        _ => None,
    }
}

fn long(row: &Record, name: &str) -> i64 {
    row.get(name).and_then(whole).unwrap_or(0)
}

/// A value as text; `None` for NULL.
pub(crate) fn text(field: &Field) -> Option<String> {
    match field {
        Field::Null => None,
        Field::Str(text) => Some(text.clone()),
        Field::Double(number) => Some(format!("{number:?}")),
        Field::Bytes(bytes) => Some(String::from_utf8_lossy(bytes.data()).into_owned()),
        other => Some(whole(other).map_or_else(|| other.to_string(), |n| n.to_string())),
    }
}

fn differences(
    what: &str,
    said: &BTreeMap<(String, i64), i64>,
    found: &BTreeMap<(String, i64), i64>,
) -> Vec<String> {
    let keys: BTreeSet<_> = said.keys().chain(found.keys()).collect();
    let count = |side: &BTreeMap<_, i64>, key| side.get(key).copied().unwrap_or(0);
    keys.into_iter()
        .filter(|key| count(said, key) != count(found, key))
        .map(|key| {
            let (said, found) = (count(said, key), count(found, key));
            format!("{what} of {key:?}: _ledger says {said}, found {found}")
        })
        .collect()
}

/// A lake of three units, one with a refused record.
fn small_lake() -> Program {
    let program = Program::new();
    for day in 1..=3 {
        let broken = if day == 2 { "broken\n" } else { "" };
        let rows =
            format!("time,seq\n2021-03-0{day}T00:00:02Z,2\n{broken}2021-03-0{day}T00:00:01Z,1\n");
        program.write(&format!("raw/{day}.csv"), rows);
    }
    program.good(&["ingest", "raw", "--table", "flight"]);
    program
}

fn only_data_file(program: &Program) -> PathBuf {
    let day = program.lake().join("flight/date=2021-03-01");
    let mut files = fs::read_dir(day).unwrap().map(|file| file.unwrap().path());
    files.next().unwrap()
}

fn last_commit(program: &Program, table: &str) -> PathBuf {
    let log = program.lake().join(table).join("_delta_log");
    let version = *versions(&log).last().unwrap();
    log.join(format!("{version:020}.json"))
}

fn replace(path: &Path, from: &str, to: &str) {
    let content = fs::read_to_string(path).unwrap();
    assert!(content.contains(from), "{from} in {content}");
    fs::write(path, content.replace(from, to)).unwrap();
}

#[test]
fn the_auditor_finds_what_was_tampered_with() {
    type Tamper = fn(&Program);
    let cases: [(&str, Tamper); 6] = [
        ("No such file", |p| {
            fs::remove_file(only_data_file(p)).unwrap()
        }),
        ("bytes, the log says", |p| {
            replace(&last_commit(p, "flight"), "\"size\":", "\"size\":1");
        }),
        ("rows, the log says", |p| {
            replace(
                &last_commit(p, "flight"),
                "numRecords\\\":2",
                "numRecords\\\":3",
            );
        }),
        ("is missing before", |p| {
            let log = p.lake().join("flight/_delta_log");
            fs::remove_file(log.join(format!("{:020}.json", 1))).unwrap();
        }),
        ("_ledger says", |p| {
            fs::remove_file(last_commit(p, "_ledger")).unwrap()
        }),
        ("rows quarantined", |p| {
            fs::remove_file(last_commit(p, "_quarantine")).unwrap()
        }),
    ];
    for (word, tamper) in cases {
        let program = small_lake();
        Audit::clean(&program.lake(), Last::Finished, "before");
        tamper(&program);
        let faults = Audit::of(&program.lake(), Last::Finished).faults;
        assert!(
            faults.iter().any(|f| f.contains(word)),
            "{word}: {faults:#?}"
        );
    }
}

#[test]
fn the_auditor_knows_the_order_of_rows() {
    let row = |time: Field, seq: i64| {
        Record::from([
            ("time".to_owned(), time),
            ("seq".to_owned(), Field::Long(seq)),
        ])
    };
    let at = |micros, seq| row(Field::TimestampMicros(micros), seq);
    let cases = [
        ([at(1, 9), at(2, 1)], Ordering::Less),
        ([at(1, 2), at(1, 1)], Ordering::Greater),
        ([at(1, 1), row(Field::Null, 1)], Ordering::Greater),
        ([at(1, 1), at(1, 1)], Ordering::Equal),
    ];
    for (pair, order) in cases {
        assert_eq!(
            follows(&["time", "seq", "vehicle"], &pair),
            order,
            "{pair:?}"
        );
    }
}

/// More commits than lie between two checkpoints.
#[test]
fn a_checkpoint_lists_what_the_log_lists() {
    let program = Program::new();
    for unit in 0..104 {
        let rows = format!("time,seq\n2021-03-01T00:00:00Z,{unit}\n");
        program.write(&format!("raw/{unit:03}.csv"), rows);
    }
    program.good(&["ingest", "raw", "--table", "flight"]);
    let audit = Audit::clean(&program.lake(), Last::Finished, "104 units");
    assert_eq!(audit.records("flight").len(), 104);
    assert_eq!(audit.tables["flight"].checkpoints, 1);
    program.good(&["ingest", "raw", "--table", "flight"]);
    let again = Audit::clean(&program.lake(), Last::Finished, "again");
    assert_eq!(again.records("flight").len(), 104);
}
