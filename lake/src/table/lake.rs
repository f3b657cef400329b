//! The lake as a process sees it: one store, its tables, each opened once.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use serde_json::Map;
use tokio::runtime::Handle;

use super::reconcile::PendingLedger;
use super::sorter::{SortedWriter, SorterSpec};
use crate::log::{CreateTable, LogEngine, NewFile, Snapshot, TableLog};
use crate::parquet::{Target, Tier};
use crate::schema::Definition;
use crate::schema::store::{self, StoredDefinition};
use crate::seam::Seams;
use crate::storage::Storage;
use crate::storage::format::{check_format, ensure_format};
use crate::storage::probe::ensure_probed;
use crate::{Error, Result};

/// Size at which a file of fresh rows ends.
const HOT_FILE_BYTES: usize = 32 << 20;
/// Memory of a write that is known to be small.
const SMALL_WRITE_BYTES: usize = 16 << 20;

/// What a process wants of its lake.
#[derive(Debug, Clone)]
pub struct LakeOptions {
    /// Where spilled runs and spooled sources go.
    pub temp_dir: PathBuf,
    /// The machine's name, for the ledger.
    pub host: String,
}

/// One lake, opened by one process.
pub struct Lake {
    storage: Storage,
    seams: Seams,
    options: LakeOptions,
    engine: LogEngine,
    runtime: Handle,
    tables: Mutex<HashMap<String, Arc<Table>>>,
    pending_ledger: Mutex<PendingLedger>,
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

    /// Opens a lake to write to it, and makes it where there is none. The
    /// store is probed for conditional writes the first time.
    pub async fn open_or_create(
        storage: Storage,
        seams: Seams,
        options: LakeOptions,
    ) -> Result<Lake> {
        check_format(&storage).await?;
        ensure_probed(&storage, &seams).await?;
        ensure_format(&storage, &seams).await?;
        Self::assemble(storage, seams, options)
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
        let log = Path::from_iter([table, "_delta_log"]);
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

    /// The table of a definition, made where there is none. The definition is
    /// stored first, so that a table never stands without one.
    pub async fn ensure_table(&self, definition: &Definition) -> Result<Arc<Table>> {
        let name = definition.stream.as_str();
        if let Some(table) = self.table(name).await? {
            return Ok(table);
        }
        store::save_next(self.objects(), name, definition).await?;
        let spec = CreateTable {
            schema: definition.table_schema(),
            partition_columns: definition
                .partition_columns()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            stats_columns: definition.stats_columns(),
            description: definition.description.clone(),
            info: Map::new(),
        };
        let log = TableLog::create(&self.engine, name, spec).await?.into_log();
        Ok(self.remember(Table::new(name, log)))
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
        // `Path::from` would escape what a name may hold.
        let table_dir = Path::parse(table).map_err(|e| {
            Error::invalid(format!("\"{table}\" cannot be a folder of a store")).with_source(e)
        })?;
        Ok(Target {
            objects: Arc::clone(self.objects()),
            runtime: self.runtime.clone(),
            table_dir,
        })
    }

    /// Writes a batch that fits in memory as one file, off the async threads.
    pub(crate) async fn write_small_file(
        &self,
        table: &str,
        batch: RecordBatch,
    ) -> Result<NewFile> {
        let spec = self.sorter_spec(table, batch.schema(), 0)?;
        let written = tokio::task::spawn_blocking(move || {
            let mut writer = SortedWriter::new(spec)?;
            writer.push(&batch)?;
            writer.finish()
        });
        let written = written
            .await
            .map_err(|e| Error::internal(format!("writing a file stopped: {e}")))??;
        let [file] = written.try_into().map_err(|files: Vec<_>| {
            Error::internal(format!(
                "a small batch for \"{table}\" became {} files",
                files.len()
            ))
        })?;
        Ok(file.into_new_file(self.seams.clock.now_micros() / 1000))
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

    /// The newest stored definition; `None` for tables that others made.
    pub async fn definition(&self, lake: &Lake) -> Result<Option<StoredDefinition>> {
        store::load_latest(lake.objects(), &self.name).await
    }

    /// Puts a definition in force and returns what is in force then; see
    /// [`store::save_next`].
    pub async fn store_definition(
        &self,
        lake: &Lake,
        next: &Definition,
    ) -> Result<StoredDefinition> {
        store::save_next(lake.objects(), &self.name, next).await
    }
}
