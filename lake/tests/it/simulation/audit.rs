//! The auditor: reads a lake without the code under test.
//!
//! It takes the log from its JSON and rows from Parquet through the record
//! interface, and knows nothing of snapshots, writers or reconciliation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

use super::plan::{TABLE, Told, Unit};

pub(crate) type Objects = Arc<dyn ObjectStore>;

/// One row of a data file.
pub(crate) struct Row(BTreeMap<String, Field>);

impl Row {
    pub(crate) fn long(&self, column: &str) -> Option<i64> {
        match self.0.get(column) {
            None | Some(Field::Null) => None,
            Some(Field::Long(value) | Field::TimestampMicros(value)) => Some(*value),
            Some(Field::TimestampMillis(value)) => Some(value * 1000),
            Some(other) => panic!("{column} is {other}"),
        }
    }

    pub(crate) fn text(&self, column: &str) -> Option<&str> {
        match self.0.get(column) {
            None | Some(Field::Null) => None,
            Some(Field::Str(value)) => Some(value),
            Some(other) => panic!("{column} is {other}"),
        }
    }

    /// Any value as text, `-` for NULL.
    pub(crate) fn shown(&self, column: &str) -> String {
        match self.0.get(column) {
            None | Some(Field::Null) => "-".to_owned(),
            Some(Field::Str(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    fn double(&self, column: &str) -> f64 {
        match self.0.get(column) {
            Some(Field::Double(value)) => *value,
            other => panic!("{column} is {other:?}"),
        }
    }

    pub(crate) fn bytes(&self, column: &str) -> Vec<u8> {
        match self.0.get(column) {
            Some(Field::Bytes(value)) => value.data().to_vec(),
            other => panic!("{column} is {other:?}"),
        }
    }
}

/// A table as its log says it.
pub(crate) struct Table {
    name: String,
    /// For each version, its actions.
    pub(crate) commits: Vec<Vec<Value>>,
    /// For each version, the active files.
    pub(crate) states: Vec<BTreeSet<String>>,
    /// Rows of each file that was ever added, as the log counts them.
    counted: BTreeMap<String, u64>,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// Reads a table; an empty one where there is no log.
    pub(crate) async fn read(objects: &Objects, name: &str) -> Table {
        let mut table = Table {
            name: name.to_owned(),
            commits: commits(objects, name).await,
            states: Vec::new(),
            counted: BTreeMap::new(),
            rows: Vec::new(),
        };
        table.replay();
        for file in table.states.last().cloned().unwrap_or_default() {
            let rows = rows(objects, &format!("{name}/{file}")).await;
            let counted = table.counted[&file];
            assert_eq!(rows.len() as u64, counted, "rows of {name}/{file}");
            table.rows.extend(rows);
        }
        table
    }

    fn replay(&mut self) {
        let mut active = BTreeSet::new();
        for (version, actions) in self.commits.iter().enumerate() {
            let place = format!("{} version {version}", self.name);
            for removed in bodies(actions, "remove") {
                let path = removed["path"].as_str().unwrap();
                assert!(
                    active.remove(path),
                    "{place} removes {path}, which is not there"
                );
            }
            for added in bodies(actions, "add") {
                let path = added["path"].as_str().unwrap().to_owned();
                let stats: Value = serde_json::from_str(added["stats"].as_str().unwrap()).unwrap();
                let rows = stats["numRecords"].as_u64().unwrap();
                let before = self.counted.insert(path.clone(), rows);
                assert_eq!(before, None, "{place} adds {path} again");
                active.insert(path);
            }
            self.states.push(active.clone());
        }
    }

    /// Versions whose commits set a transaction.
    pub(crate) fn set_by(&self, transaction: &str) -> Vec<u64> {
        let sets = |actions: &[Value]| {
            bodies(actions, "txn").any(|txn| txn["appId"].as_str() == Some(transaction))
        };
        let versions = (0..).zip(&self.commits);
        versions
            .filter(|(_, actions)| sets(actions))
            .map(|(version, _)| version)
            .collect()
    }

    /// Rows of a version, as the log counts them.
    fn rows_at(&self, version: usize) -> u64 {
        let files = self.states[version].iter();
        files.map(|file| self.counted[file]).sum()
    }

    /// Rows with a text in a column.
    pub(crate) fn rows_of(&self, column: &str, text: &str) -> Vec<&Row> {
        let is_of = |row: &&Row| row.text(column) == Some(text);
        self.rows.iter().filter(is_of).collect()
    }
}

pub(crate) fn bodies<'a>(actions: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    actions.iter().filter_map(move |action| action.get(kind))
}

/// The commits of a log, which must be numbered without a hole.
async fn commits(objects: &Objects, table: &str) -> Vec<Vec<Value>> {
    let log = Path::from(format!("{table}/_delta_log"));
    let listed: Vec<_> = objects.list(Some(&log)).try_collect().await.unwrap();
    let mut files: Vec<Path> = listed.into_iter().map(|object| object.location).collect();
    files.retain(|file| file.extension() == Some("json"));
    files.sort();
    let mut commits = Vec::new();
    for (version, file) in files.iter().enumerate() {
        let name = format!("{version:020}.json");
        assert_eq!(file.filename(), Some(name.as_str()), "versions of {table}");
        let bytes = objects.get(file).await.unwrap().bytes().await.unwrap();
        let lines = bytes.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        commits.push(
            lines
                .map(|line| serde_json::from_slice(line).unwrap())
                .collect(),
        );
    }
    commits
}

/// All rows of a data file.
pub(crate) async fn rows(objects: &Objects, place: &str) -> Vec<Row> {
    let found = objects.get(&Path::parse(place).unwrap()).await.unwrap();
    rows_in(found.bytes().await.unwrap())
}

pub(crate) fn rows_in(bytes: bytes::Bytes) -> Vec<Row> {
    let reader = SerializedFileReader::new(bytes).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| Row(row.unwrap().into_columns().into_iter().collect()))
        .collect()
}

/// The tables of a lake.
pub(crate) struct Books {
    pub(crate) engine: Table,
    pub(crate) ledger: Table,
    pub(crate) quarantine: Table,
}

impl Books {
    pub(crate) async fn open(objects: &Objects) -> Books {
        Books {
            engine: Table::read(objects, TABLE).await,
            ledger: Table::read(objects, "_ledger").await,
            quarantine: Table::read(objects, "_quarantine").await,
        }
    }

    /// What must hold at any moment: nothing is there twice or by half, and
    /// what was acknowledged is there.
    pub(crate) fn check_any_time(&self, units: &[Unit], told: &Told) {
        for unit in units {
            let landings = self.landings(unit);
            assert!(landings.len() <= 1, "{unit:?} landed at {landings:?}");
            let rows = self.rows_of(unit);
            match landings.first() {
                Some(version) => self.check_data(unit, *version, &rows),
                None => assert_eq!(rows.len(), 0, "{unit:?} has rows and no landing"),
            }
        }
        let all: usize = units.iter().map(|unit| self.rows_of(unit).len()).sum();
        assert_eq!(all, self.engine.rows.len(), "rows of no unit");
        for unit in told.acknowledged.lock().unwrap().iter() {
            let landings = self.landings(&units[*unit]);
            assert_eq!(landings.len(), 1, "unit {unit} was acknowledged");
        }
        let mut landed = told.landed.lock().unwrap().clone();
        landed.sort_unstable();
        let distinct: BTreeSet<usize> = landed.iter().copied().collect();
        assert_eq!(distinct.len(), landed.len(), "landed twice: {landed:?}");
        self.check_seen(told);
    }

    /// What must hold once every unit was repeated without faults.
    pub(crate) fn check_at_the_end(&self, units: &[Unit]) {
        for unit in units {
            assert_eq!(self.landings(unit).len(), 1, "{unit:?} is lost");
            self.check_ledger(unit);
            self.check_quarantine(unit);
        }
        let refused: u64 = units.iter().map(|unit| unit.refused).sum();
        assert_eq!(self.quarantine.rows.len() as u64, refused, "refused rows");
        assert_eq!(self.ledger.rows.len(), 2 * units.len(), "ledger rows");
    }

    /// The versions of the table with the unit's transaction.
    pub(crate) fn landings(&self, unit: &Unit) -> Vec<u64> {
        let key = unit.identity().key_in(TABLE);
        self.engine.set_by(&format!("unit/{key}"))
    }

    fn rows_of(&self, unit: &Unit) -> Vec<&Row> {
        let is_of = |row: &&Row| row.long("unit") == Some(i64::from(unit.number));
        self.engine.rows.iter().filter(is_of).collect()
    }

    /// Each row of the unit once, as it was, and the counts of its commit.
    fn check_data(&self, unit: &Unit, version: u64, rows: &[&Row]) {
        let mut numbers: Vec<i64> = rows.iter().map(|row| row.long("row").unwrap()).collect();
        numbers.sort_unstable();
        let expected: Vec<i64> = (0..unit.rows).collect();
        assert_eq!(numbers, expected, "rows of {unit:?}");
        for row in rows {
            let number = row.long("row").unwrap();
            assert_eq!(row.long("time"), Some(unit.time(number)), "{unit:?}");
            assert_eq!(row.double("value").to_bits(), unit.value(number).to_bits());
            for extra in ["flow", "thrust"] {
                let value = (unit.extra == Some(extra)).then_some(number * 7);
                assert_eq!(row.long(extra), value, "{extra} of {unit:?}");
            }
        }
        let ids: BTreeSet<_> = rows.iter().map(|row| row.long("_ingest_id")).collect();
        assert!(ids.len() <= 1, "{unit:?} landed as {ids:?}");
        let version = usize::try_from(version).unwrap();
        let info = bodies(&self.engine.commits[version], "commitInfo").next();
        let said = &info.unwrap()["downlake"]["rows"][0];
        assert_eq!(said["source"], unit.source(), "version {version}");
        assert_eq!(said["rows_in"], unit.rows_in(), "rows in of {unit:?}");
        assert_eq!(said["rows_committed"], unit.rows, "{unit:?}");
        assert_eq!(said["rows_quarantined"], unit.refused, "{unit:?}");
        assert_eq!(said["rows_skipped"], unit.skipped, "{unit:?}");
    }

    /// One row for the table and one for what belongs to none.
    pub(crate) fn check_ledger(&self, unit: &Unit) {
        let rows = self.ledger.rows_of("source", &unit.source());
        let (of_table, of_none): (Vec<&Row>, Vec<&Row>) = rows
            .into_iter()
            .partition(|row| row.text("table_name") == Some(TABLE));
        let ([of_table], [of_none]) = (of_table.as_slice(), of_none.as_slice()) else {
            let (tables, none) = (of_table.len(), of_none.len());
            panic!("{unit:?} has {tables} ledger rows of the table and {none} of none");
        };
        let count = |column: &str| u64::try_from(of_table.long(column).unwrap()).unwrap();
        assert_eq!(of_none.text("table_name"), None);
        assert_eq!(of_none.long("rows_in"), Some(0));
        assert_eq!(of_table.text("state"), Some("landed"));
        assert_eq!(count("rows_in"), unit.rows_in(), "{unit:?}");
        assert_eq!(
            count("rows_committed"),
            unit.rows_in() - unit.refused - unit.skipped
        );
        assert_eq!(count("rows_quarantined"), unit.refused, "{unit:?}");
        assert_eq!(count("rows_skipped"), unit.skipped, "{unit:?}");
        assert_eq!(count("rows_duplicate"), 0, "{unit:?}");
        assert_eq!(count("bytes_in"), unit.bytes_in(), "{unit:?}");
        let landed = self.landings(unit);
        assert_eq!(vec![count("version")], landed, "ledger version of {unit:?}");
        for row in self.rows_of(unit) {
            assert_eq!(
                row.long("_ingest_id"),
                of_table.long("ingest_id"),
                "{unit:?}"
            );
        }
    }

    /// Every refused record once, with its place and its bytes.
    pub(crate) fn check_quarantine(&self, unit: &Unit) {
        let rows = self.quarantine.rows_of("source", &unit.source());
        let mut found: Vec<_> = rows
            .iter()
            .map(|row| (row.long("line"), row.bytes("raw")))
            .collect();
        found.sort();
        let expected: Vec<_> = unit
            .refusals()
            .map(|refusal| {
                let line = refusal.line.map(|line| i64::try_from(line).unwrap());
                (line, refusal.raw.to_vec())
            })
            .collect();
        assert_eq!(found, expected, "refusals of {unit:?}");
    }

    /// What readers saw is what the log says of those versions, and more rows
    /// in each than in the one before.
    fn check_seen(&self, told: &Told) {
        let seen = told.seen.lock().unwrap();
        for (version, sighting) in seen.iter() {
            let at = usize::try_from(*version).unwrap();
            let files: Vec<String> = self.engine.states[at].iter().cloned().collect();
            assert_eq!(
                sighting.files, files,
                "version {version} as a reader saw it"
            );
            assert_eq!(sighting.rows, self.engine.rows_at(at), "version {version}");
        }
        let rows: Vec<u64> = seen.values().map(|sighting| sighting.rows).collect();
        assert!(rows.is_sorted(), "rows went away: {rows:?}");
    }
}
