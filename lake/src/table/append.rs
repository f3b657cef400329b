//! The commit path of everything that adds rows: raw files, redrives, SQL.
//!
//! A unit goes to one table, or, packets of many kinds, to several. It is
//! written in this order: data files and refusals become durable files;
//! `_quarantine` and `_gaps` commit; the tables commit, by name; `_ledger`
//! commits. Each commit carries the unit's transaction and is skipped where
//! the log has it already, so that a rerun after a kill at any point adds what
//! is missing and nothing else. Files without a commit are orphans for vacuum.
//! A table that is not there yet is made right before its first data commit,
//! so that a unit that fails leaves no table and no definition behind.
//!
//! Rows of a stream that says what a duplicate is wait until the commit, which
//! then follows exactly the version that they were compared with (`landing`).

mod landing;
mod missing;
mod refused;
mod rows;
mod side;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tracing::warn;

use self::missing::Missing;
use self::refused::Refused;
use self::rows::TableWriter;
use super::gaps::Gap;
use super::lake::{Lake, Table};
use super::ledger::{LEDGER, LedgerRow};
use super::quarantine::Refusal;
use super::unit::{UnitIdentity, UnitKey, UnitState};
use crate::log::{NewFile, Transactions};
use crate::parquet::WrittenFile;
use crate::schema::Definition;
use crate::schema::store::StoredDefinition;
use crate::{Error, ErrorKind, Result};

/// The key in commitInfo under which a commit says what it landed.
pub(crate) const INFO_KEY: &str = "downlake";
/// The tag of an added file that names the landing.
pub(crate) const TAG_INGEST_ID: &str = "downlake.ingest_id";
/// Rows below which a share of refused rows means nothing.
const SHARE_FROM_ROWS: u64 = 1_000;
/// Attempts at a commit that others keep overtaking.
pub(crate) const COMMIT_TRIES: usize = 1_000;

/// How much of a unit may be refused before the unit fails as a whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum QuarantineLimit {
    /// This many rows.
    Rows(u64),
    /// This share of the rows, once there are 1,000.
    Share(f64),
}

impl Default for QuarantineLimit {
    fn default() -> Self {
        QuarantineLimit::Share(0.10)
    }
}

impl QuarantineLimit {
    fn exceeded(self, refused: u64, rows: u64) -> bool {
        match self {
            QuarantineLimit::Rows(limit) => refused > limit,
            #[expect(
                clippy::cast_precision_loss,
                reason = "a share of rows needs no exact count"
            )]
            QuarantineLimit::Share(share) => {
                rows >= SHARE_FROM_ROWS && refused as f64 > share * rows as f64
            }
        }
    }
}

impl std::fmt::Display for QuarantineLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            QuarantineLimit::Rows(rows) => write!(f, "{rows} rows"),
            QuarantineLimit::Share(share) => write!(f, "{} %", share * 100.0),
        }
    }
}

/// A unit about to be written.
#[derive(Debug, Clone)]
pub struct UnitSpec {
    /// What it is.
    pub identity: UnitIdentity,
    /// Where the bytes come from, for people.
    pub source: String,
    /// Bytes, as stored.
    pub bytes_in: u64,
    /// How much may be refused.
    pub max_quarantine: QuarantineLimit,
    /// Memory for sorting and encoding.
    pub memory_bytes: usize,
    /// The operation as history shows it.
    pub operation: &'static str,
}

/// The table that a unit goes to.
#[derive(Clone)]
pub enum Destination {
    /// One that is there.
    Table(Arc<Table>),
    /// One that the unit's landing makes, under this definition, or finds made
    /// under it.
    Founding(Arc<Definition>),
    /// One that the unit's landing makes; the unit fails where it is there.
    Creating(Arc<Definition>),
}

impl From<Arc<Table>> for Destination {
    fn from(table: Arc<Table>) -> Destination {
        Destination::Table(table)
    }
}

impl Destination {
    /// The table's name.
    pub fn name(&self) -> &str {
        match self {
            Destination::Table(table) => table.name(),
            Destination::Founding(definition) | Destination::Creating(definition) => {
                &definition.stream
            }
        }
    }

    fn transactions(&self) -> Transactions {
        match self {
            Destination::Table(table) => table.snapshot().transactions.clone(),
            Destination::Founding(_) | Destination::Creating(_) => Transactions::default(),
        }
    }

    /// The columns of rows: those of the definition, or of the table.
    fn schema(&self, definition: Option<&StoredDefinition>) -> SchemaRef {
        match (definition, self) {
            (Some(stored), _) => stored.definition.table_schema(),
            (None, Destination::Table(table)) => Arc::clone(&table.snapshot().schema),
            (None, Destination::Founding(definition) | Destination::Creating(definition)) => {
                definition.table_schema()
            }
        }
    }

    fn partition_columns(&self) -> Vec<String> {
        match self {
            Destination::Table(table) => table.snapshot().partition_columns.clone(),
            Destination::Founding(definition) | Destination::Creating(definition) => {
                let columns = definition.partition_columns().into_iter();
                columns.map(str::to_owned).collect()
            }
        }
    }
}

/// How a unit ended. Counts are of what this landing added.
#[derive(Debug, Clone)]
pub struct UnitReport {
    /// The landing.
    pub ingest_id: i64,
    /// Whether everything was there before; then every count is 0.
    pub already: bool,
    /// Records found.
    pub rows_in: u64,
    /// Rows in the tables.
    pub rows_committed: u64,
    /// Records in `_quarantine`.
    pub rows_quarantined: u64,
    /// Rows dropped because the table or the unit had them.
    pub rows_duplicate: u64,
    /// Rows among those in the tables whose key was there with other values.
    pub key_conflicts: u64,
    /// Records that carry no data.
    pub rows_skipped: u64,
    /// Bytes of the source that no record could be made of.
    pub bytes_undecoded: u64,
    /// The tables, in the order of their names.
    pub tables: Vec<TableReport>,
}

/// What a landing added to one table.
#[derive(Debug, Clone)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// The version of its log with the rows.
    pub version: u64,
    /// Rows in the table.
    pub rows_committed: u64,
    /// Data files added.
    pub files: u64,
    /// Bytes of the data files added.
    pub bytes_out: u64,
}

impl UnitReport {
    /// The version of the log of the one table that a unit went to.
    pub fn version(&self) -> u64 {
        self.tables.first().map_or(0, |table| table.version)
    }

    /// Data files added.
    pub fn files(&self) -> u64 {
        self.tables.iter().map(|table| table.files).sum()
    }
}

impl Lake {
    /// The state of a unit in a table, and with it whether there is anything
    /// to do. A unit that landed without reaching the ledger is completed.
    pub async fn unit_state(&self, table: &Table, unit: &UnitIdentity) -> Result<UnitState> {
        self.reconcile(table).await?;
        Ok(unit
            .key_in(table.name())
            .state_in(&table.snapshot().transactions))
    }

    /// The state of a unit that goes to several tables, of which these are
    /// there: it landed when the ledger has all of it.
    pub async fn group_state(
        &self,
        tables: &[Arc<Table>],
        unit: &UnitIdentity,
    ) -> Result<UnitState> {
        for table in tables {
            self.reconcile(table).await?;
        }
        if let Some(waiting) = self.pending_ledger().landing_of(unit.key()) {
            return Ok(waiting);
        }
        Ok(match self.table(LEDGER).await? {
            Some(ledger) => unit.key().state_in(&ledger.snapshot().transactions),
            None => unit.key().state_in(&Transactions::default()),
        })
    }

    /// Starts to write a unit that is not in the table yet; the table is the
    /// unit's first, number 0.
    pub async fn begin_unit(
        self: &Arc<Self>,
        destination: impl Into<Destination>,
        definition: Option<StoredDefinition>,
        spec: UnitSpec,
    ) -> Result<UnitWriter> {
        let destination = destination.into();
        let key = spec.identity.key_in(destination.name());
        let state = key.state_in(&destination.transactions());
        if state.is_landed() {
            return Err(Error::internal(format!(
                "unit {key} is already in \"{}\"",
                destination.name()
            )));
        }
        let told = definition.as_ref().map(|stored| stored.definition.hash());
        let bytes_in = spec.bytes_in;
        let mut writer = UnitWriter::new(Arc::clone(self), spec, state, told);
        writer.unit.is_group = false;
        let table = writer.add_table(destination, definition)?;
        writer.tables[table].bytes_in = bytes_in;
        Ok(writer)
    }

    /// Starts to write a unit that goes to several tables, none of them known
    /// yet. `definition_hash` is that of the definition that tells them apart.
    pub fn begin_group(
        self: &Arc<Self>,
        spec: UnitSpec,
        state: UnitState,
        definition_hash: String,
    ) -> UnitWriter {
        UnitWriter::new(Arc::clone(self), spec, state, Some(definition_hash))
    }
}

/// Writes one unit. Rows and refusals come in any order; nothing is visible
/// before [`UnitWriter::commit`].
pub struct UnitWriter {
    unit: Unit,
    tables: Vec<TableWriter>,
    refused: Refused,
    missing: Missing,
    /// What belongs to no table.
    rest: Counts,
    bytes_undecoded: u64,
}

/// What all parts of a landing share.
struct Unit {
    lake: Arc<Lake>,
    spec: UnitSpec,
    ingest_id: i64,
    /// The transaction version of the landing.
    next_landed: i64,
    started_at: i64,
    definition_hash: Option<String>,
    /// Whether the unit goes to as many tables as its records ask for.
    is_group: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    committed: u64,
    quarantined: u64,
    duplicate: u64,
    key_conflicts: u64,
    skipped: u64,
}

impl Counts {
    fn rows_in(self) -> u64 {
        self.committed + self.quarantined + self.duplicate + self.skipped
    }

    fn and(self, other: Counts) -> Counts {
        Counts {
            committed: self.committed + other.committed,
            quarantined: self.quarantined + other.quarantined,
            duplicate: self.duplicate + other.duplicate,
            key_conflicts: self.key_conflicts + other.key_conflicts,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl UnitWriter {
    fn new(
        lake: Arc<Lake>,
        spec: UnitSpec,
        state: UnitState,
        definition_hash: Option<String>,
    ) -> UnitWriter {
        let unit = Unit {
            ingest_id: spec.identity.key().ingest_id(state),
            next_landed: state.next_landed(),
            started_at: lake.seams().clock.now_micros(),
            lake,
            spec,
            definition_hash,
            is_group: true,
        };
        UnitWriter {
            refused: Refused::new(&unit),
            unit,
            tables: Vec::new(),
            missing: Missing::new(),
            rest: Counts::default(),
            bytes_undecoded: 0,
        }
    }

    /// A further table for rows of the unit; its number. The tables share the
    /// unit's memory, so that rows of the others may be spilled now.
    ///
    /// # Errors
    /// Those of spilling.
    pub fn add_table(
        &mut self,
        destination: impl Into<Destination>,
        definition: Option<StoredDefinition>,
    ) -> Result<usize> {
        let share = self.unit.spec.memory_bytes / (self.tables.len() + 1);
        let table = TableWriter::new(&self.unit, destination.into(), definition, share)?;
        self.tables.push(table);
        if self.tables.len() > 1 {
            for table in &mut self.tables {
                table.wait(share)?;
            }
        }
        Ok(self.tables.len() - 1)
    }

    /// The columns of rows for a table.
    pub fn schema(&self, table: usize) -> &SchemaRef {
        &self.tables[table].schema
    }

    /// The landing's number, for the column `_ingest_id`.
    pub fn ingest_id(&self) -> i64 {
        self.unit.ingest_id
    }

    /// When the landing began, for the column `_ingested_at`.
    pub fn started_at_micros(&self) -> i64 {
        self.unit.started_at
    }

    /// Says where refused records come from, where that is not the unit's own
    /// source; before the first refusal.
    pub fn set_refused_source(&mut self, source: String) {
        self.refused.set_source(source);
    }

    /// Says how raw records of the unit are framed, JSON; before the first refusal.
    pub fn set_format(&mut self, format: String) {
        self.refused.set_format(format);
    }

    /// Adds rows to a table, in any order, in the columns of its schema.
    /// Blocks while they are sorted and encoded: not to be called on an async
    /// thread.
    pub fn write(&mut self, table: usize, batch: &RecordBatch) -> Result<()> {
        self.tables[table].write(batch)
    }

    /// Adds a refused record, meant for a table or for none. Blocks like
    /// [`UnitWriter::write`].
    ///
    /// # Errors
    /// Corrupt, once more records are refused than the unit may lose.
    pub fn refuse(&mut self, table: Option<usize>, refusal: &Refusal) -> Result<()> {
        self.counts(table).quarantined += 1;
        let name = table.map(|table| self.tables[table].name());
        self.refused.push(&self.unit, name, refusal)?;
        match self.unit.spec.max_quarantine {
            QuarantineLimit::Rows(_) => self.check_limit(),
            // A share is a share of the whole unit, not of what came first.
            QuarantineLimit::Share(_) => Ok(()),
        }
    }

    /// Counts records that carry no data.
    pub fn skip(&mut self, table: Option<usize>, records: u64) {
        self.counts(table).skipped += records;
    }

    /// Counts bytes of the source that no record could be made of.
    pub fn leave_bytes(&mut self, bytes: u64) {
        self.bytes_undecoded += bytes;
    }

    /// Adds what is missing in the unit, for `_gaps`. Blocks like
    /// [`UnitWriter::write`].
    pub fn note_gap(&mut self, gap: Gap) -> Result<()> {
        self.missing.push(&self.unit, gap)
    }

    /// Rows and refusals taken so far.
    pub fn records(&self) -> u64 {
        self.sum().rows_in()
    }

    /// Gives up: spilled runs and files that nobody has seen are deleted.
    /// What cannot be deleted stays as an orphan. Blocks.
    pub fn abort(self) {
        let rows = self.tables.into_iter().map(TableWriter::abort);
        for aborted in rows.chain([self.refused.abort(), self.missing.abort()]) {
            if let Err(error) = aborted {
                warn!(source = self.unit.spec.source, %error, "files of an aborted unit stay as orphans");
            }
        }
    }

    /// Makes the unit visible and durable. Blocks while the last rows are
    /// encoded and until the store has answered.
    pub fn commit(mut self, runtime: &tokio::runtime::Handle) -> Result<UnitReport> {
        if let Err(error) = self.check_limit() {
            self.abort();
            return Err(error);
        }
        tracing::debug!(phase = "write");
        let flushed = self.refused.flush(&self.unit);
        if let Err(error) = flushed.and_then(|()| self.missing.flush(&self.unit)) {
            self.abort();
            return Err(error);
        }
        self.land(runtime)
    }

    fn counts(&mut self, table: Option<usize>) -> &mut Counts {
        match table {
            Some(table) => &mut self.tables[table].counts,
            None => &mut self.rest,
        }
    }

    fn claimed(&self) -> Counts {
        let counts = self.tables.iter().map(|table| table.counts);
        counts.fold(Counts::default(), Counts::and)
    }

    fn sum(&self) -> Counts {
        self.claimed().and(self.rest)
    }

    /// Only records that a definition claims count; what belongs to no table
    /// says nothing of the definition.
    fn check_limit(&self) -> Result<()> {
        let counts = self.claimed();
        let (refused, rows) = (counts.quarantined, counts.rows_in() - counts.skipped);
        let spec = &self.unit.spec;
        if !spec.max_quarantine.exceeded(refused, rows) {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "{refused} of {rows} records of {} are refused, more than --max-quarantine {} allows; first: {}",
            spec.source,
            spec.max_quarantine,
            self.refused.first_reasons()
        )))
    }
}

impl Unit {
    fn new_file(&self, file: &WrittenFile, tags: &[(&str, &str)]) -> NewFile {
        let modified_ms = self.lake.seams().clock.now_micros() / 1000;
        let mut file = file.clone().into_new_file(modified_ms);
        file.tags
            .insert(TAG_INGEST_ID.to_owned(), self.ingest_id.to_string());
        file.tags
            .extend(tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        file
    }

    /// The key of the unit as a whole.
    fn key(&self) -> UnitKey {
        self.spec.identity.key()
    }

    /// Whether a table has its part of this landing.
    ///
    /// # Errors
    /// Conflict, where it has rows of the same content by another unit: one
    /// that chose other packets of it.
    fn is_in(&self, table: &str, there: &Transactions) -> Result<bool> {
        let reaches = |key: UnitKey| key.state_in(there).reaches(self.next_landed);
        if !reaches(self.spec.identity.key_in(table)) {
            return Ok(false);
        }
        if self.is_group && !reaches(self.key()) {
            return Err(Error::conflict(format!(
                "\"{table}\" has rows of {} already, from an ingest that chose other packets of it (--apid); nothing was added: choose those that no table has yet, or give the tables another --prefix",
                self.spec.source
            )));
        }
        Ok(true)
    }

    /// What a data commit of a table is known by.
    fn transactions(&self, table: UnitKey) -> Vec<(String, i64)> {
        let whole = self.is_group.then(|| self.key());
        let keys = [Some(table), whole].into_iter().flatten();
        keys.map(|key| (key.transaction(), self.next_landed))
            .collect()
    }

    /// A row of the ledger with these counts, of a table or of none.
    fn ledger_row(&self, key: UnitKey, table: Option<&str>, counts: Counts) -> LedgerRow {
        LedgerRow {
            ingest_id: self.ingest_id,
            table_name: table.map(str::to_owned),
            unit_key: key.to_string(),
            source: self.spec.source.clone(),
            definition_hash: self.definition_hash.clone(),
            state: "landed".to_owned(),
            rows_in: long(counts.rows_in()),
            rows_committed: long(counts.committed),
            rows_quarantined: long(counts.quarantined),
            rows_duplicate: long(counts.duplicate),
            rows_skipped: long(counts.skipped),
            started_at: self.started_at,
            landed_at: self.lake.seams().clock.now_micros(),
            host: self.lake.options().host.clone(),
            software: concat!("downlake ", env!("CARGO_PKG_VERSION")).to_owned(),
            ..LedgerRow::default()
        }
    }
}

fn long(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(crate) fn unknown(table: &str, error: Error) -> Error {
    warn!(table, %error, "the store did not say whether a commit landed");
    Error::new(
        ErrorKind::Unavailable,
        format!("whether the commit to \"{table}\" landed is unknown; source files may be ingested again and land once, a SQL statement must be looked for first (`downlake table history`)"),
    )
    .with_source(error)
}

pub(crate) fn overtaken(table: &str) -> Error {
    Error::conflict(format!(
        "other writers overtook {COMMIT_TRIES} commits to \"{table}\"; try again"
    ))
}
