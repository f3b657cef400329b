//! The lake as a process sees it: one store, its tables, each opened once.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::append::INFO_KEY;
use super::reconcile::PendingLedger;
use super::sorter::{SortedWriter, SorterSpec};
use crate::log::{CreateOutcome, CreateTable, LogEngine, NewFile, Snapshot, TableLog};
use crate::parquet::{Target, Tier};
use crate::schema::Definition;
use crate::schema::store::{self, StoredDefinition};
use crate::seam::Seams;
use crate::storage::format::{check_format, ensure_format};
use crate::storage::probe::ensure_probed;
use crate::storage::{Storage, table_folder};
use crate::{Error, Result};

/// Size at which a file of fresh rows ends.
const HOT_FILE_BYTES: usize = 32 << 20;
/// Memory of a write that is known to be small.
const SMALL_WRITE_BYTES: usize = 16 << 20;
/// The field of the first commit that holds the definition a table was made with.
const FOUNDING: &str = "founding";

/// What a process wants of its lake.
#[derive(Debug, Clone)]
pub struct LakeOptions {
    /// Where spilled runs and spooled sources go.
    pub temp_dir: PathBuf,
    /// The machine's name, for the ledger.
    pub host: String,
}

/// One lake, opened by one process. A lake that is not there yet is made by
/// the first thing that is written to it, so that a command that fails before
/// it writes leaves nothing at a mistyped address.
pub struct Lake {
    storage: Storage,
    seams: Seams,
    options: LakeOptions,
    engine: LogEngine,
    runtime: Handle,
    tables: Mutex<HashMap<String, Arc<Table>>>,
    pending_ledger: Mutex<PendingLedger>,
    made: OnceCell<()>,
}

/// One table of a lake.
pub struct Table {
    name: String,
    log: TableLog,
}

impl Lake {
    /// Opens a lake to read it. Writes nothing.
    ///
    /// # Errors
    /// NotFound where there is no lake; Invalid where it is of a newer format.
    pub async fn open(storage: Storage, seams: Seams, options: LakeOptions) -> Result<Lake> {
        let is_ours = check_format(&storage).await?.is_some();
        let url = storage.url().clone();
        let lake = Self::assemble(storage, seams, options)?;
        // Tables that other programs made are read where they are.
        if !is_ours && lake.table_names(true).await?.is_empty() {
            return Err(Error::not_found(format!(
                "there is no lake at {url}; `downlake ingest` makes one, `--lake` names another"
            )));
        }
        Ok(lake)
    }

    /// Opens a lake to write to it; there need not be one yet.
    ///
    /// # Errors
    /// Invalid where it is of a newer format.
    pub async fn open_or_create(
        storage: Storage,
        seams: Seams,
        options: LakeOptions,
    ) -> Result<Lake> {
        check_format(&storage).await?;
        Self::assemble(storage, seams, options)
    }

    /// Makes the lake where there is none, before anything is committed to
    /// it. The store is probed for conditional writes the first time.
    ///
    /// # Errors
    /// Invalid, where the store is unfit to hold a lake.
    pub async fn make(&self) -> Result<()> {
        let made = self.made.get_or_try_init(|| async {
            ensure_probed(&self.storage, &self.seams).await?;
            ensure_format(&self.storage, &self.seams).await.map(drop)
        });
        made.await.copied()
    }

    fn assemble(storage: Storage, seams: Seams, options: LakeOptions) -> Result<Lake> {
        let engine = LogEngine::new(Arc::clone(storage.objects()), seams.clone())?;
        Ok(Lake {
            storage,
            seams,
            options,
            engine,
            runtime: Handle::current(),
            tables: Mutex::new(HashMap::new()),
            pending_ledger: Mutex::default(),
            made: OnceCell::new(),
        })
    }

    /// The store.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The store's objects, rooted at the lake.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        self.storage.objects()
    }

    /// Clock and identifiers.
    pub fn seams(&self) -> &Seams {
        &self.seams
    }

    /// The options it was opened with.
    pub fn options(&self) -> &LakeOptions {
        &self.options
    }

    /// Waits for work that goes on after a commit's reply (checkpoints).
    pub async fn settle(&self) {
        self.engine.settle().await;
    }

    /// Names of the tables in order; system tables (`_ledger`, ...) only if asked for.
    pub async fn table_names(&self, with_system: bool) -> Result<Vec<String>> {
        let listing = self.objects().list_with_delimiter(None).await?;
        let mut names = Vec::new();
        for prefix in listing.common_prefixes {
            let Some(name) = prefix.filename().map(str::to_owned) else {
                continue;
            };
            if name == "_downlake" || name == "_pins" || (name.starts_with('_') && !with_system) {
                continue;
            }
            if self.has_log(&name).await? {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    async fn has_log(&self, table: &str) -> Result<bool> {
        let log = table_folder(table)?.join("_delta_log");
        Ok(self.objects().list(Some(&log)).try_next().await?.is_some())
    }

    /// A table, newest version, or `None` where there is none.
    pub async fn table(&self, name: &str) -> Result<Option<Arc<Table>>> {
        if let Some(table) = self.cached(name) {
            table.log.refresh().await?;
            return Ok(Some(table));
        }
        let Some(log) = TableLog::open(&self.engine, name).await? else {
            return Ok(None);
        };
        Ok(Some(self.remember(Table::new(name, log))))
    }

    /// A table with the given columns and no definition (system tables), made where there is none.
    pub(crate) async fn system_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<Table>> {
        self.make().await?;
        if let Some(table) = self.table(name).await? {
            return Ok(table);
        }
        let stats_columns = schema
            .fields()
            .iter()
            .take(8)
            .map(|f| f.name().clone())
            .collect();
        let spec = CreateTable {
            schema,
            partition_columns: Vec::new(),
            stats_columns,
            description: None,
            info: Map::new(),
        };
        let log = TableLog::create(&self.engine, name, spec).await?.into_log();
        Ok(self.remember(Table::new(name, log)))
    }

    /// The table of a definition, made where there is none. The commit that
    /// makes it holds the definition, so that a table never stands without
    /// one, and of two that race for the name one decides both.
    pub async fn ensure_table(&self, definition: &Definition) -> Result<Arc<Table>> {
        let (table, _) = self.table_or_new(definition).await?;
        Ok(table)
    }

    /// Makes a table that nobody else has made.
    ///
    /// # Errors
    /// Conflict, where the table is there.
    pub(crate) async fn create_table(&self, definition: &Definition) -> Result<Arc<Table>> {
        match self.table_or_new(definition).await? {
            (table, true) => Ok(table),
            (table, false) => Err(Error::conflict(format!(
                "table \"{}\" exists: another statement made it meanwhile; nothing was added to it",
                table.name()
            ))),
        }
    }

    /// The table of a definition, and whether this call made it.
    async fn table_or_new(&self, definition: &Definition) -> Result<(Arc<Table>, bool)> {
        self.make().await?;
        let name = definition.stream.as_str();
        if let Some(table) = self.table(name).await? {
            return Ok((table, false));
        }
        definition.check()?;
        let spec = CreateTable {
            schema: definition.table_schema(),
            partition_columns: definition
                .partition_columns()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            stats_columns: definition.stats_columns(),
            description: definition.description.clone(),
            info: founding_info(definition),
        };
        let outcome = TableLog::create(&self.engine, name, spec).await?;
        let is_ours = matches!(outcome, CreateOutcome::Created(_));
        let table = self.remember(Table::new(name, outcome.into_log()));
        if is_ours {
            // No earlier process left a landing in it.
            self.pending_ledger().note_reconciled(name);
            store::save_next(self.objects(), name, definition).await?;
        }
        Ok((table, is_ours))
    }

    /// Makes the table that a unit was decoded for.
    ///
    /// # Errors
    /// Conflict, where another process made the table meanwhile, under another
    /// definition.
    pub(crate) async fn found_table(&self, definition: &Definition) -> Result<Arc<Table>> {
        let table = self.ensure_table(definition).await?;
        let stored = table.definition(self).await?;
        if stored.is_some_and(|stored| stored.definition.hash() == definition.hash()) {
            return Ok(table);
        }
        Err(Error::conflict(format!(
            "table \"{}\" was made by another process meanwhile, with another definition; run the command again",
            table.name()
        )))
    }

    /// How rows of a table are sorted and written unless the caller says more.
    pub(crate) fn sorter_spec(
        &self,
        table: &str,
        schema: SchemaRef,
        ingest_id: i64,
    ) -> Result<SorterSpec> {
        Ok(SorterSpec {
            target: self.target(table)?,
            schema,
            partition_columns: Vec::new(),
            sort_columns: Vec::new(),
            axis_column: None,
            stats_columns: None,
            bloom_columns: Vec::new(),
            key_values: BTreeMap::new(),
            tier: Tier::Hot,
            file_bytes_target: HOT_FILE_BYTES,
            memory_bytes: SMALL_WRITE_BYTES,
            temp_dir: self.options.temp_dir.clone(),
            name_tag: ingest_id.to_string(),
            random: Arc::clone(&self.seams.random),
        })
    }

    /// The place in the store of a file of a table.
    pub(crate) fn location(&self, table: &str, path: &str) -> Result<Path> {
        self.target(table)?.location(path)
    }

    fn target(&self, table: &str) -> Result<Target> {
        Ok(Target {
            objects: Arc::clone(self.objects()),
            runtime: self.runtime.clone(),
            table_dir: table_folder(table)?,
        })
    }

    /// Writes a batch that fits in memory as files, off the async threads.
    pub(crate) async fn write_small_files(
        &self,
        table: &str,
        batch: RecordBatch,
    ) -> Result<Vec<NewFile>> {
        let spec = self.sorter_spec(table, batch.schema(), 0)?;
        let written = tokio::task::spawn_blocking(move || {
            let mut writer = SortedWriter::new(spec)?;
            writer.push(&batch)?;
            writer.finish()
        });
        let written = written
            .await
            .map_err(|e| Error::internal(format!("writing a file stopped: {e}")))??;
        let modified_ms = self.seams.clock.now_micros() / 1000;
        let files = written.into_iter();
        Ok(files.map(|file| file.into_new_file(modified_ms)).collect())
    }

    pub(crate) fn pending_ledger(&self) -> MutexGuard<'_, PendingLedger> {
        self.pending_ledger.lock().expect("no panic holds the lock")
    }

    fn cached(&self, name: &str) -> Option<Arc<Table>> {
        self.tables
            .lock()
            .expect("no panic holds the lock")
            .get(name)
            .cloned()
    }

    fn remember(&self, table: Table) -> Arc<Table> {
        let mut tables = self.tables.lock().expect("no panic holds the lock");
        Arc::clone(
            tables
                .entry(table.name.clone())
                .or_insert_with(|| Arc::new(table)),
        )
    }
}

impl Table {
    fn new(name: &str, log: TableLog) -> Table {
        Table {
            name: name.to_owned(),
            log,
        }
    }

    /// The name, which is its folder in the lake.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The log.
    pub fn log(&self) -> &TableLog {
        &self.log
    }

    /// The newest version that this process knows.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.log.snapshot()
    }

    /// The definition in force; `None` for tables that others made.
    pub async fn definition(&self, lake: &Lake) -> Result<Option<StoredDefinition>> {
        if let Some(stored) = store::load_latest(lake.objects(), &self.name).await? {
            return Ok(Some(stored));
        }
        let founding = self.founding_definition().await?;
        Ok(founding.map(|definition| StoredDefinition {
            number: 1,
            definition,
        }))
    }

    /// The definition in the commit that made the table: the truth where its
    /// process died before it was stored.
    async fn founding_definition(&self) -> Result<Option<Definition>> {
        let info = self.log.founding_info().await?.unwrap_or_default();
        let text = info
            .get(INFO_KEY)
            .and_then(|ours| ours.get(FOUNDING))
            .and_then(Value::as_str);
        text.map(|text| Definition::from_toml(text, &format!("{}, version 0", self.name)))
            .transpose()
    }

    /// Puts a definition in force and returns what is in force then; see
    /// [`store::save_next`].
    pub async fn store_definition(
        &self,
        lake: &Lake,
        next: &Definition,
    ) -> Result<StoredDefinition> {
        lake.make().await?;
        if store::load_latest(lake.objects(), &self.name)
            .await?
            .is_none()
            && let Some(founding) = self.founding_definition().await?
        {
            store::save_next(lake.objects(), &self.name, &founding).await?;
        }
        store::save_next(lake.objects(), &self.name, next).await
    }
}

fn founding_info(definition: &Definition) -> Map<String, Value> {
    let ours = json!({ FOUNDING: definition.to_toml() });
    Map::from_iter([(INFO_KEY.to_owned(), ours)])
}
