//! The commit path of everything that adds rows: raw files, redrives, SQL.
//!
//! A unit is written in this order: data files and refusals become durable
//! files; `_quarantine` commits; the table commits; `_ledger` commits. Each
//! commit carries the unit's transaction and is skipped where the log has it
//! already, so that a rerun after a kill at any point adds what is missing
//! and nothing else. Files without a commit are orphans for vacuum. A table
//! that is not there yet is made right before its first data commit, so that a
//! unit that fails leaves no table and no definition behind.
//!
//! Rows of a stream that says what a duplicate is wait until the commit, which
//! then follows exactly the version that they were compared with (`landing`).

mod landing;

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use tracing::warn;

use super::dedup::{Dedup, Scratch};
use super::lake::{Lake, Table};
use super::ledger::LedgerRow;
use super::quarantine::{QUARANTINE, Refusal, RefusalBuilder, RefusalContext, quarantine_schema};
use super::sorter::{SortedWriter, SorterSpec};
use super::unit::{UnitIdentity, UnitKey, UnitState};
use crate::log::{Commit, CommitOutcome, NewFile, Transactions};
use crate::parquet::WrittenFile;
use crate::schema::Definition;
use crate::schema::store::StoredDefinition;
use crate::{Error, ErrorKind, Result};

/// The key in commitInfo under which a commit says what it landed.
pub(crate) const INFO_KEY: &str = "downlake";
/// The tag of an added file that names the landing.
pub(crate) const TAG_INGEST_ID: &str = "downlake.ingest_id";
/// The tag of a quarantine file that names the definition that refused.
const TAG_DEFINITION: &str = "downlake.definition";
/// Refusals buffered before they are written.
const REFUSAL_BYTES: usize = 4 << 20;
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

/// A unit about to be written into one table.
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

    fn state_of(&self, key: UnitKey) -> UnitState {
        match self {
            Destination::Table(table) => key.state_in(&table.snapshot().transactions),
            Destination::Founding(_) | Destination::Creating(_) => {
                key.state_in(&Transactions::default())
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

/// How a unit ended.
#[derive(Debug, Clone)]
pub struct UnitReport {
    /// The landing.
    pub ingest_id: i64,
    /// Whether the rows were there before; then every count is 0.
    pub already: bool,
    /// The version of the table's log.
    pub version: u64,
    /// Records found.
    pub rows_in: u64,
    /// Rows in the table.
    pub rows_committed: u64,
    /// Records in `_quarantine`.
    pub rows_quarantined: u64,
    /// Rows dropped because the table or the unit had them.
    pub rows_duplicate: u64,
    /// Rows among those in the table whose key was there with other values.
    pub key_conflicts: u64,
    /// Records that carry no data.
    pub rows_skipped: u64,
    /// Data files added.
    pub files: u64,
    /// Bytes of the data files added.
    pub bytes_out: u64,
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

    /// Starts to write a unit that is not in the table yet.
    pub async fn begin_unit(
        self: &Arc<Self>,
        destination: impl Into<Destination>,
        definition: Option<StoredDefinition>,
        spec: UnitSpec,
    ) -> Result<UnitWriter> {
        let destination = destination.into();
        let schema = match (&definition, &destination) {
            (Some(stored), _) => stored.definition.table_schema(),
            (None, Destination::Table(table)) => Arc::clone(&table.snapshot().schema),
            (None, Destination::Founding(definition) | Destination::Creating(definition)) => {
                definition.table_schema()
            }
        };
        UnitWriter::new(Arc::clone(self), destination, definition, schema, spec)
    }
}

/// Writes one unit. Rows and refusals come in any order; nothing is visible
/// before [`UnitWriter::commit`].
pub struct UnitWriter {
    lake: Arc<Lake>,
    destination: Destination,
    spec: UnitSpec,
    definition: Option<StoredDefinition>,
    schema: SchemaRef,
    key: UnitKey,
    ingest_id: i64,
    next_landed: i64,
    started_at: i64,
    rows: Option<Rows>,
    refusals: RefusalBuilder,
    refused_files: Option<SortedWriter>,
    first_reasons: Vec<String>,
    counts: Counts,
    times: Times,
}

/// Where rows are until the commit.
enum Rows {
    /// On their way to data files.
    Sorting(Box<SortedWriter>),
    /// Held back until it is known which of them the table has.
    Held(Box<Held>),
}

struct Held {
    dedup: Dedup,
    sorter: SorterSpec,
}

impl Rows {
    fn new(sorter: SorterSpec, definition: Option<&StoredDefinition>) -> Result<Rows> {
        let told = definition.map(|stored| &stored.definition);
        let Some(told) = told.filter(|told| !told.dedup_by.is_empty()) else {
            return Ok(Rows::Sorting(Box::new(SortedWriter::new(sorter)?)));
        };
        let scratch = Scratch {
            dir: sorter.temp_dir.clone(),
            random: Arc::clone(&sorter.random),
        };
        let schema = Arc::clone(&sorter.schema);
        let dedup = Dedup::new(told, schema, sorter.memory_bytes, &scratch);
        let memory_bytes = sorter.memory_bytes / 2;
        Ok(Rows::Held(Box::new(Held {
            dedup,
            sorter: SorterSpec {
                memory_bytes,
                ..sorter
            },
        })))
    }

    fn abort(self) -> Result<()> {
        match self {
            Rows::Sorting(files) => files.abort(),
            Rows::Held(_) => Ok(()),
        }
    }
}

/// First and last instant, microseconds since 1970.
type Times = Option<(i64, i64)>;

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
}

impl UnitWriter {
    fn new(
        lake: Arc<Lake>,
        destination: Destination,
        definition: Option<StoredDefinition>,
        schema: SchemaRef,
        spec: UnitSpec,
    ) -> Result<UnitWriter> {
        let key = spec.identity.key_in(destination.name());
        let state = destination.state_of(key);
        if state.is_landed() {
            return Err(Error::internal(format!(
                "unit {key} is already in \"{}\"",
                destination.name()
            )));
        }
        let ingest_id = spec.identity.key().ingest_id(state);
        let started_at = lake.seams().clock.now_micros();
        let refusals = RefusalBuilder::new(RefusalContext {
            ingest_id,
            table_name: Some(destination.name().to_owned()),
            source: spec.source.clone(),
            format: String::new(),
            definition_hash: definition_hash(definition.as_ref()),
            at: started_at,
        });
        let told = definition.as_ref().map(|d| &d.definition);
        let sorter = SorterSpec {
            partition_columns: destination.partition_columns(),
            sort_columns: told.map(|d| d.sort_columns()).unwrap_or_default(),
            axis_column: told.and_then(|d| d.axis().map(str::to_owned)),
            stats_columns: told.map(|d| d.stats_columns()),
            memory_bytes: spec.memory_bytes,
            ..lake.sorter_spec(destination.name(), Arc::clone(&schema), ingest_id)?
        };
        let rows = Rows::new(sorter, definition.as_ref())?;
        Ok(UnitWriter {
            next_landed: state.next_landed(),
            lake,
            destination,
            definition,
            schema,
            key,
            ingest_id,
            started_at,
            rows: Some(rows),
            refusals,
            refused_files: None,
            first_reasons: Vec::new(),
            counts: Counts::default(),
            times: None,
            spec,
        })
    }

    /// The landing's number, for the column `_ingest_id`.
    pub fn ingest_id(&self) -> i64 {
        self.ingest_id
    }

    /// When the landing began, for the column `_ingested_at`.
    pub fn started_at_micros(&self) -> i64 {
        self.started_at
    }

    /// Says where refused records come from, where that is not the unit's own
    /// source; before the first refusal.
    pub fn set_refused_source(&mut self, source: String) {
        self.refusals.set_source(source);
    }

    /// Says how raw records of the unit are framed, JSON; before the first refusal.
    pub fn set_format(&mut self, format: String) {
        self.refusals.set_format(format);
    }

    /// The columns that [`UnitWriter::write`] takes.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds rows, in any order. Blocks while they are sorted and encoded:
    /// not to be called on an async thread.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.counts.committed += batch.num_rows() as u64;
        match &mut self.rows {
            Some(Rows::Sorting(rows)) => {
                note_times(&mut self.times, batch);
                rows.push(batch)
            }
            Some(Rows::Held(held)) => held.dedup.push(batch),
            None => Err(Error::internal("rows after the commit of their unit")),
        }
    }

    /// Adds a refused record. Blocks like [`UnitWriter::write`].
    ///
    /// # Errors
    /// Corrupt, once more records are refused than the unit may lose.
    pub fn refuse(&mut self, refusal: &Refusal) -> Result<()> {
        self.counts.quarantined += 1;
        if self.first_reasons.len() < 3 {
            self.first_reasons.push(describe(refusal));
        }
        self.refusals.push(refusal);
        if self.refusals.bytes() >= REFUSAL_BYTES {
            self.flush_refusals()?;
        }
        match self.spec.max_quarantine {
            QuarantineLimit::Rows(_) => self.check_limit(),
            // A share is a share of the whole unit, not of what came first.
            QuarantineLimit::Share(_) => Ok(()),
        }
    }

    /// Counts records that carry no data.
    pub fn skip(&mut self, records: u64) {
        self.counts.skipped += records;
    }

    /// Rows and refusals taken so far.
    pub fn records(&self) -> u64 {
        self.counts.rows_in()
    }

    /// Gives up: spilled runs and files that nobody has seen are deleted.
    /// What cannot be deleted stays as an orphan. Blocks.
    pub fn abort(self) {
        let rows = self.rows.map(Rows::abort);
        let refused = self.refused_files.map(SortedWriter::abort);
        for aborted in rows.into_iter().chain(refused) {
            if let Err(error) = aborted {
                warn!(source = self.spec.source, %error, "files of an aborted unit stay as orphans");
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
        if self.refusals.rows() > 0
            && let Err(error) = self.flush_refusals()
        {
            self.abort();
            return Err(error);
        }
        let refused = self
            .refused_files
            .take()
            .map(SortedWriter::finish)
            .transpose()?;
        self.land(refused.unwrap_or_default(), runtime)
    }

    fn new_file(&self, file: &WrittenFile, tags: &[(&str, &str)]) -> NewFile {
        let modified_ms = self.lake.seams().clock.now_micros() / 1000;
        let mut file = file.clone().into_new_file(modified_ms);
        file.tags
            .insert(TAG_INGEST_ID.to_owned(), self.ingest_id.to_string());
        file.tags
            .extend(tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        file
    }

    /// Commits refusals once. A half-landed unit may have left refusals of
    /// another definition or of another count: they are replaced.
    async fn land_refusals(&self, files: Vec<WrittenFile>) -> Result<()> {
        tracing::debug!(phase = "quarantine");
        let ingest_id = self.ingest_id.to_string();
        let key = self.spec.identity.key();
        let Some(quarantine) = self.quarantine_for(&files).await? else {
            return Ok(());
        };
        for _ in 0..COMMIT_TRIES {
            let base = quarantine.log().refresh().await?;
            let stale: Vec<_> = base
                .files
                .iter()
                .filter(|f| f.tags.get(TAG_INGEST_ID) == Some(&ingest_id))
                .cloned()
                .collect();
            let there: u64 = stale.iter().filter_map(|f| f.stats.rows).sum();
            let definition = definition_hash(self.definition.as_ref()).unwrap_or_default();
            let same = stale
                .iter()
                .all(|f| f.tags.get(TAG_DEFINITION) == Some(&definition));
            if same && there == self.counts.quarantined {
                return Ok(());
            }
            let commit = Commit {
                operation: "QUARANTINE".to_owned(),
                adds: files
                    .iter()
                    .map(|f| self.new_file(f, &[(TAG_DEFINITION, &definition)]))
                    .collect(),
                blind: stale.is_empty(),
                removes: stale,
                data_change: true,
                transactions: vec![(key.transaction(), self.next_landed)],
                ..Commit::default()
            };
            match quarantine.log().commit(&base, &commit).await? {
                CommitOutcome::Committed(_) => return Ok(()),
                CommitOutcome::Conflicted(_) => {}
                CommitOutcome::Unknown(error) => return Err(unknown(QUARANTINE, error)),
            }
        }
        Err(overtaken(QUARANTINE))
    }

    /// The quarantine, if this unit has refusals or may have left some before.
    async fn quarantine_for(&self, files: &[WrittenFile]) -> Result<Option<Arc<Table>>> {
        if files.is_empty() {
            return self.lake.table(QUARANTINE).await;
        }
        self.lake
            .system_table(QUARANTINE, quarantine_schema())
            .await
            .map(Some)
    }

    fn flush_refusals(&mut self) -> Result<()> {
        let batch = self.refusals.take();
        let writer = match &mut self.refused_files {
            Some(writer) => writer,
            None => self.refused_files.insert(SortedWriter::new(SorterSpec {
                memory_bytes: 4 * REFUSAL_BYTES,
                ..self
                    .lake
                    .sorter_spec(QUARANTINE, quarantine_schema(), self.ingest_id)?
            })?),
        };
        writer.push(&batch)
    }

    fn check_limit(&self) -> Result<()> {
        let (refused, rows) = (
            self.counts.quarantined,
            self.counts.rows_in() - self.counts.skipped,
        );
        if !self.spec.max_quarantine.exceeded(refused, rows) {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "{refused} of {rows} records of {} are refused, more than --max-quarantine {} allows; first: {}",
            self.spec.source,
            self.spec.max_quarantine,
            self.first_reasons.join("; ")
        )))
    }

    fn ledger_row(&self) -> LedgerRow {
        let long = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        LedgerRow {
            table_name: Some(self.destination.name().to_owned()),
            unit_key: self.key.to_string(),
            rows_in: long(self.counts.rows_in()),
            rows_committed: long(self.counts.committed),
            rows_quarantined: long(self.counts.quarantined),
            rows_duplicate: long(self.counts.duplicate),
            rows_skipped: long(self.counts.skipped),
            bytes_in: long(self.spec.bytes_in),
            min_time: self.times.map(|t| t.0),
            max_time: self.times.map(|t| t.1),
            ..self.unit_row()
        }
    }

    /// What of the unit belongs to no table: nothing, for a format of one table.
    fn unit_row(&self) -> LedgerRow {
        LedgerRow {
            ingest_id: self.ingest_id,
            unit_key: self.spec.identity.key().to_string(),
            source: self.spec.source.clone(),
            definition_hash: definition_hash(self.definition.as_ref()),
            state: "landed".to_owned(),
            started_at: self.started_at,
            landed_at: self.lake.seams().clock.now_micros(),
            host: self.lake.options().host.clone(),
            software: concat!("downlake ", env!("CARGO_PKG_VERSION")).to_owned(),
            ..LedgerRow::default()
        }
    }
}

fn note_times(times: &mut Times, batch: &RecordBatch) {
    let Some(time) = batch.column_by_name("time") else {
        return;
    };
    let Some(time) = time.as_primitive_opt::<TimestampMicrosecondType>() else {
        return;
    };
    if let (Some(low), Some(high)) = (min(time), max(time)) {
        let (old_low, old_high) = times.unwrap_or((low, high));
        *times = Some((old_low.min(low), old_high.max(high)));
    }
}

fn definition_hash(definition: Option<&StoredDefinition>) -> Option<String> {
    definition.map(|d| d.definition.hash())
}

fn describe(refusal: &Refusal) -> String {
    match refusal.line {
        Some(line) => format!("line {line}: {} ({})", refusal.reason, refusal.detail),
        None => format!("{} ({})", refusal.reason, refusal.detail),
    }
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
