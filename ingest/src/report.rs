//! What an ingest did, in numbers that add up.

use std::collections::{BTreeMap, BTreeSet};

use downlake_lake::table::append::UnitReport;
use downlake_lake::{Error, ErrorKind};
use serde::Serialize;

/// The report of one ingest; its JSON keys are stable.
#[derive(Debug, Default, Serialize)]
pub struct IngestReport {
    /// One entry a source unit, in order.
    pub units: Vec<UnitLine>,
    /// One entry a table.
    pub tables: Vec<TableLine>,
    /// Records found.
    pub rows_in: u64,
    /// Rows in tables.
    pub rows_committed: u64,
    /// Records in `_quarantine`.
    pub rows_quarantined: u64,
    /// Rows dropped because the table had them.
    pub rows_duplicate: u64,
    /// Records that carry no data.
    pub rows_skipped: u64,
    /// Bytes read of landed units, as stored.
    pub bytes_in: u64,
    /// Bytes that no record could be made of.
    pub bytes_undecoded: u64,
    /// Wall time, set by the caller.
    pub elapsed_ms: u64,
    /// Peak resident memory of the process, set by the caller.
    pub peak_rss_bytes: u64,
    /// The first failure, which decides the exit code.
    #[serde(skip)]
    pub first_error: Option<Error>,
}

/// One source unit.
#[derive(Debug, Clone, Serialize)]
pub struct UnitLine {
    /// Where the bytes came from.
    pub source: String,
    /// The landing, if there is one.
    pub ingest_id: Option<i64>,
    /// How it ended.
    pub state: UnitState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How a unit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitState {
    /// Its rows are in the lake now.
    Landed,
    /// Its rows were in the lake before.
    Already,
    /// Nothing of it is in the lake.
    Failed,
}

/// What was added to one table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TableLine {
    /// The table.
    pub table: String,
    /// Its newest version.
    pub version: u64,
    /// Rows added.
    pub rows_committed: u64,
    /// Files added.
    pub files: u64,
    /// Bytes of those files.
    pub bytes_out: u64,
}

/// The end of one unit, before it is counted.
#[derive(Debug)]
pub(crate) struct UnitEnd {
    pub(crate) ingest_id: Option<i64>,
    pub(crate) state: UnitState,
    pub(crate) report: Option<UnitReport>,
    pub(crate) error: Option<Error>,
    pub(crate) bytes_in: u64,
}

impl IngestReport {
    pub(crate) fn add(&mut self, source: &str, end: UnitEnd) {
        self.units.push(UnitLine {
            source: source.to_owned(),
            ingest_id: end.ingest_id,
            state: end.state,
            error: end.error.as_ref().map(Error::to_string),
        });
        if let Some(report) = end.report.filter(|report| !report.already) {
            self.rows_in += report.rows_in;
            self.rows_committed += report.rows_committed;
            self.rows_quarantined += report.rows_quarantined;
            self.rows_duplicate += report.rows_duplicate;
            self.rows_skipped += report.rows_skipped;
            self.bytes_in += end.bytes_in;
            self.bytes_undecoded += report.bytes_undecoded;
            for added in &report.tables {
                let line = self.table(&added.table);
                line.rows_committed += added.rows_committed;
                line.files += added.files;
                line.bytes_out += added.bytes_out;
                line.version = line.version.max(added.version);
            }
        }
        if self.first_error.is_none() {
            self.first_error = end.error;
        }
    }

    /// Says that the work was cut off after the units that are told.
    pub(crate) fn interrupt(&mut self, units: usize) {
        let there = |unit: &&UnitLine| unit.state != UnitState::Failed;
        let there = self.units.iter().filter(there).count();
        self.first_error = Some(Error::new(
            ErrorKind::Cancelled,
            format!(
                "interrupted: {there} of {units} source units are in the lake, nothing of the others; the same command again finishes the work"
            ),
        ));
    }

    pub(crate) fn has_table(&self, name: &str) -> bool {
        self.tables.iter().any(|line| line.table == name)
    }

    /// The newest version of a table, also when nothing was added to it.
    pub(crate) fn set_version(&mut self, table: &str, version: u64) {
        self.table(table).version = version;
    }

    fn table(&mut self, name: &str) -> &mut TableLine {
        let place = self
            .tables
            .iter()
            .position(|t| t.table == name)
            .unwrap_or_else(|| {
                self.tables.push(TableLine {
                    table: name.to_owned(),
                    ..TableLine::default()
                });
                self.tables.len() - 1
            });
        &mut self.tables[place]
    }

    /// The landings of the units that were there already.
    pub(crate) fn already(&self) -> BTreeSet<i64> {
        let already = self.units.iter().filter(|u| u.state == UnitState::Already);
        already.filter_map(|unit| unit.ingest_id).collect()
    }

    /// How many units ended in each state.
    pub fn states(&self) -> BTreeMap<&'static str, usize> {
        let mut states = BTreeMap::new();
        for unit in &self.units {
            let name = match unit.state {
                UnitState::Landed => "landed",
                UnitState::Already => "already",
                UnitState::Failed => "failed",
            };
            *states.entry(name).or_default() += 1;
        }
        states
    }
}

impl UnitEnd {
    pub(crate) fn is_cancelled(&self) -> bool {
        let error = self.error.as_ref();
        error.is_some_and(|error| error.kind() == ErrorKind::Cancelled)
    }

    pub(crate) fn already(ingest_id: Option<i64>) -> UnitEnd {
        UnitEnd {
            ingest_id,
            state: UnitState::Already,
            report: None,
            error: None,
            bytes_in: 0,
        }
    }

    pub(crate) fn landed(report: UnitReport, bytes_in: u64) -> UnitEnd {
        let state = if report.already {
            UnitState::Already
        } else {
            UnitState::Landed
        };
        UnitEnd {
            ingest_id: Some(report.ingest_id),
            state,
            report: Some(report),
            error: None,
            bytes_in,
        }
    }

    /// An input without a single record, into a table that does not exist yet.
    pub(crate) fn empty() -> UnitEnd {
        UnitEnd {
            ingest_id: None,
            state: UnitState::Landed,
            report: None,
            error: None,
            bytes_in: 0,
        }
    }

    pub(crate) fn failed(error: Error) -> UnitEnd {
        UnitEnd {
            ingest_id: None,
            state: UnitState::Failed,
            report: None,
            error: Some(error),
            bytes_in: 0,
        }
    }
}
