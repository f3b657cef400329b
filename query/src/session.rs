//! A session: settings of the engine, views, and the way from a statement to
//! rows.
//!
//! Promises: memory that operators hold stays under the limit, what does not
//! fit spills to disk; whoever waits for a statement that is cancelled is
//! answered at once, even while an operator computes; a session without a
//! [`Writer`] refuses every statement that writes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::view::ViewTable;
use datafusion::common::config::SpillCompression;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};
use downlake_lake::{Error, ErrorKind, Result};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::catalog::{Catalog, Rows, WriteReport, Writer};
use crate::error::{from_engine, with_near_functions};
use crate::functions;
use crate::parse::{Kind, Statement};
use crate::pinned::{CATALOG, Pinned, PinnedCatalogs, SCHEMA};
use crate::place::without_place;
use crate::resolve::{Referent, VersionGuard, name_referents, resolve_quoted_names};
use crate::write;

/// Where the engine finds the objects of the lake.
const LAKE_URL: &str = "lake://lake/";

/// How deep views may name views.
const VIEW_DEPTH_LIMIT: usize = 32;

/// Makes a [`Session`]. Settings: memory (default 384 MiB), the directory of
/// spilled rows (default the system's), threads (default those of the
/// machine), the cache of file footers (default 128 MiB), the runtime on which
/// operators compute (default the caller's).
#[derive(Debug)]
pub struct SessionBuilder {
    catalog: Arc<dyn Catalog>,
    writer: Option<Arc<dyn Writer>>,
    memory_bytes: usize,
    footer_cache_bytes: usize,
    spill_dir: Option<PathBuf>,
    threads: Option<usize>,
    compute: Option<Handle>,
}

impl SessionBuilder {
    /// A read-only session over a lake.
    pub fn new(catalog: Arc<dyn Catalog>) -> Self {
        SessionBuilder {
            catalog,
            writer: None,
            memory_bytes: 384 << 20,
            footer_cache_bytes: 128 << 20,
            spill_dir: None,
            threads: None,
            compute: None,
        }
    }

    /// Allows statements that write, through the given writer; COPY may then
    /// write files of this machine.
    #[must_use]
    pub fn with_writer(mut self, writer: Arc<dyn Writer>) -> Self {
        self.writer = Some(writer);
        self
    }

    /// Bytes that operators may hold before they spill.
    #[must_use]
    pub fn with_memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// Bytes of file footers that are kept between statements.
    #[must_use]
    pub fn with_footer_cache_bytes(mut self, bytes: usize) -> Self {
        self.footer_cache_bytes = bytes;
        self
    }

    /// The directory of spilled rows; what is spilled is removed with its query.
    #[must_use]
    pub fn with_spill_dir(mut self, dir: PathBuf) -> Self {
        self.spill_dir = Some(dir);
        self
    }

    /// Threads that one query uses, at least one.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads.max(1));
        self
    }

    /// The runtime on which operators compute. Some never yield (a nested
    /// loop join); on a runtime of their own they cannot hold up timers,
    /// signals, and others that wait.
    #[must_use]
    pub fn with_compute(mut self, runtime: Handle) -> Self {
        self.compute = Some(runtime);
        self
    }

    /// # Errors
    /// `Unavailable` if the spill directory cannot be used.
    pub fn build(self) -> Result<Session> {
        let url = ObjectStoreUrl::parse(LAKE_URL).map_err(from_engine)?;
        let runtime = self.runtime()?;
        runtime.register_object_store(url.as_ref(), self.catalog.objects());
        let mut state = SessionStateBuilder::new()
            .with_config(self.config())
            .with_runtime_env(runtime)
            .with_default_features()
            .with_relation_planners(vec![Arc::new(VersionGuard)])
            .build();
        for aggregate in functions::aggregates() {
            state.register_udaf(aggregate).map_err(from_engine)?;
        }
        Ok(Session {
            state,
            url,
            catalog: self.catalog,
            writer: self.writer,
            compute: self.compute,
            views: Mutex::default(),
        })
    }

    fn runtime(&self) -> Result<Arc<RuntimeEnv>> {
        let mut runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(self.memory_bytes)))
            .with_metadata_cache_limit(self.footer_cache_bytes);
        if let Some(dir) = &self.spill_dir {
            runtime = runtime.with_temp_file_path(dir);
        }
        runtime.build_arc().map_err(from_engine)
    }

    fn config(&self) -> SessionConfig {
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(true);
        if let Some(threads) = self.threads {
            config = config.with_target_partitions(threads);
        }
        let options = config.options_mut();
        options.execution.spill_compression = SpillCompression::Lz4Frame;
        options.execution.parquet.pushdown_filters = true;
        options.execution.parquet.reorder_filters = true;
        options.execution.parquet.coerce_int96 = Some("us".to_owned());
        options.execution.parquet.coerce_int96_tz = Some("UTC".to_owned());
        options.sql_parser.map_string_types_to_utf8view = false;
        options.sql_parser.collect_spans = true;
        config
    }
}

/// Runs statements over one lake.
pub struct Session {
    state: SessionState,
    url: ObjectStoreUrl,
    catalog: Arc<dyn Catalog>,
    writer: Option<Arc<dyn Writer>>,
    compute: Option<Handle>,
    views: Mutex<BTreeMap<String, Box<Query>>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("catalog", &self.catalog)
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

/// What a statement did.
#[derive(Debug)]
pub enum Outcome {
    /// Rows to be read; nothing runs before they are.
    Rows(Rows),
    /// Rows are in the lake, durable.
    Written(WriteReport),
    /// Rows are in a file, whole and durable.
    Copied {
        /// The file.
        path: PathBuf,
        /// Its rows.
        rows: u64,
    },
    /// A view was made or dropped.
    Done,
}

impl Session {
    /// Runs one statement. Every name in it is one snapshot for all of it.
    ///
    /// # Errors
    /// `Invalid` and `NotFound` for a wrong statement, `Limit` where memory
    /// does not suffice, `Cancelled`, and what catalog and writer say.
    pub async fn run(&self, statement: &Statement, cancel: &Cancel) -> Result<Outcome> {
        let outcome = self.run_unplaced(statement, cancel).await;
        outcome.map_err(|error| statement.words.place(error))
    }

    async fn run_unplaced(&self, statement: &Statement, cancel: &Cancel) -> Result<Outcome> {
        if statement.writes() && self.writer.is_none() {
            return Err(Error::invalid(format!(
                "this session is read-only: it refuses {statement}"
            )));
        }
        match (statement.kind.clone(), &self.writer) {
            (Kind::Read(statement), _) => self.read(*statement, cancel).await.map(Outcome::Rows),
            (
                Kind::CreateView {
                    name,
                    or_replace,
                    query,
                },
                _,
            ) => cancel.stop(self.create_view(name, or_replace, query)).await,
            (Kind::DropView { names, if_exists }, _) => self.drop_views(&names, if_exists),
            (writing, Some(writer)) => self.write(writing, &**writer, cancel).await,
            (_, None) => Err(Error::invalid("this session is read-only")),
        }
    }

    /// Cancelling ends the rows with an error, on which a writer commits
    /// nothing; a commit that has begun is waited for.
    async fn write(&self, kind: Kind, writer: &dyn Writer, cancel: &Cancel) -> Result<Outcome> {
        match kind {
            Kind::CreateTable {
                name,
                if_not_exists,
                query,
            } => {
                let rows = self.read(query_statement(query), cancel).await?;
                write::create(writer, name, if_not_exists, rows)
                    .await
                    .map(Outcome::Written)
            }
            Kind::Insert {
                name,
                columns,
                query,
            } => {
                let (rows, target) = cancel.stop(self.read_for_insert(&name, query)).await?;
                let rows = cancel.stop_rows(rows);
                write::append(writer, name, &columns, &target, rows)
                    .await
                    .map(Outcome::Written)
            }
            Kind::Copy {
                query,
                path,
                format,
            } => {
                let path = PathBuf::from(path);
                let rows = self.read(query_statement(query), cancel).await?;
                let rows = write::copy(rows, path.clone(), format).await?;
                Ok(Outcome::Copied { path, rows })
            }
            _ => Err(Error::internal(
                "a statement that reads was sent to the writer",
            )),
        }
    }

    /// The schema of the rows of a statement that reads, without running it.
    ///
    /// # Errors
    /// Those of [`Session::run`]; `Invalid` if the statement does not read.
    pub async fn schema_of(&self, statement: &Statement) -> Result<SchemaRef> {
        let Kind::Read(statement) = statement.kind.clone() else {
            return Err(Error::invalid("the statement returns no rows"));
        };
        let (_, plan) = self.plan(*statement).await?;
        Ok(Arc::clone(plan.schema().inner()))
    }

    async fn read(&self, statement: EngineStatement, cancel: &Cancel) -> Result<Rows> {
        let start = async {
            let (state, plan) = self.plan(statement).await?;
            self.execute(&state, &plan).await
        };
        let rows = cancel.stop(start).await?;
        Ok(cancel.stop_rows(rows))
    }

    /// The rows of a query and the schema of the table they go to, both of
    /// one snapshot.
    async fn read_for_insert(&self, table: &str, query: Box<Query>) -> Result<(Rows, SchemaRef)> {
        let pinned = self.pinned();
        if self.views().contains_key(table) {
            return Err(Error::invalid(format!(
                "sql: {table} is a view: insert into its table"
            )));
        }
        pinned
            .pin(table, &Referent::Newest(table.to_owned()))
            .await?;
        let target = pinned.schema_of(table).await?;
        let (state, plan) = self.plan_with(&pinned, query_statement(query)).await?;
        Ok((self.execute(&state, &plan).await?, target))
    }

    async fn execute(&self, state: &SessionState, plan: &LogicalPlan) -> Result<Rows> {
        let physical = state
            .create_physical_plan(plan)
            .await
            .map_err(from_engine)?;
        let compute = self.compute.clone().unwrap_or_else(Handle::current);
        // Operators start tasks as soon as their streams are made.
        let entered = compute.enter();
        let batches = execute_stream(physical, state.task_ctx()).map_err(from_engine)?;
        drop(entered);
        Ok(Rows {
            schema: batches.schema(),
            batches: on_own_task(&compute, batches.map_err(from_engine).boxed()),
        })
    }

    pub(crate) async fn plan(
        &self,
        statement: EngineStatement,
    ) -> Result<(SessionState, LogicalPlan)> {
        self.plan_with(&self.pinned(), statement).await
    }

    fn pinned(&self) -> Arc<Pinned> {
        let views = self.views().keys().cloned().collect();
        Arc::new(Pinned::new(
            Arc::clone(&self.catalog),
            self.url.clone(),
            views,
        ))
    }

    async fn plan_with(
        &self,
        pinned: &Arc<Pinned>,
        statement: EngineStatement,
    ) -> Result<(SessionState, LogicalPlan)> {
        let mut state = self.state.clone();
        state.register_catalog_list(Arc::new(PinnedCatalogs(Arc::clone(pinned))));
        let plan = self.plan_in(&state, pinned, statement, 0).await?;
        let reads_only = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        reads_only.verify_plan(&plan).map_err(from_engine)?;
        Ok((state, plan))
    }

    fn plan_in<'a>(
        &'a self,
        state: &'a SessionState,
        pinned: &'a Arc<Pinned>,
        mut statement: EngineStatement,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<LogicalPlan>> + Send + 'a>> {
        Box::pin(async move {
            let names = inner_statement(&mut statement)?;
            let referents = name_referents(names)?;
            let lists = asks_for_list(names);
            for (name, referent) in &referents {
                self.pin_one(state, pinned, name, referent, depth).await?;
            }
            if lists {
                self.pin_list(state, pinned, depth).await?;
            }
            resolve_quoted_names(
                inner_statement(&mut statement)?,
                &pinned.quoted_names().await,
            )?;
            let planned = state.statement_to_plan(statement).await;
            planned.map_err(|error| {
                let error = with_near_functions(from_engine(error), &self.functions());
                if depth > 0 {
                    without_place(error)
                } else {
                    error
                }
            })
        })
    }

    async fn pin_one(
        &self,
        state: &SessionState,
        pinned: &Arc<Pinned>,
        name: &str,
        referent: &Referent,
        depth: usize,
    ) -> Result<()> {
        let view = match referent {
            Referent::Newest(table) => self.views().get(table).cloned(),
            _ => None,
        };
        let Some(query) = view else {
            return pinned.pin(name, referent).await;
        };
        if pinned.contains(name).await {
            return Ok(());
        }
        if depth >= VIEW_DEPTH_LIMIT {
            return Err(Error::invalid(format!(
                "sql: view {name} names itself, or views nest deeper than {VIEW_DEPTH_LIMIT}"
            )));
        }
        let text = query.to_string();
        let plan = self
            .plan_in(state, pinned, query_statement(query), depth + 1)
            .await?;
        pinned
            .pin_view(name, Arc::new(ViewTable::new(plan, Some(text))))
            .await;
        Ok(())
    }

    /// Lists tables and plans every view, for `information_schema`.
    async fn pin_list(
        &self,
        state: &SessionState,
        pinned: &Arc<Pinned>,
        depth: usize,
    ) -> Result<()> {
        pinned.list().await?;
        let views: Vec<String> = self.views().keys().cloned().collect();
        for view in views {
            let referent = Referent::Newest(view.clone());
            self.pin_one(state, pinned, &view, &referent, depth).await?;
        }
        Ok(())
    }

    async fn create_view(
        &self,
        name: String,
        or_replace: bool,
        query: Box<Query>,
    ) -> Result<Outcome> {
        if self.views().contains_key(&name) && !or_replace {
            return Err(Error::invalid(format!(
                "sql: view {name} exists: write CREATE OR REPLACE VIEW"
            )));
        }
        if self.catalog.table_names().await?.contains(&name) {
            return Err(Error::invalid(format!(
                "sql: {name} is a table: choose another name for the view"
            )));
        }
        let previous = self.views().insert(name.clone(), query.clone());
        let planned = self.plan(query_statement(query)).await;
        if let Err(error) = planned {
            let mut views = self.views();
            match previous {
                Some(previous) => views.insert(name, previous),
                None => views.remove(&name),
            };
            return Err(error);
        }
        Ok(Outcome::Done)
    }

    fn drop_views(&self, names: &[String], if_exists: bool) -> Result<Outcome> {
        let mut views = self.views();
        for name in names {
            if views.remove(name).is_none() && !if_exists {
                return Err(crate::error::not_found(
                    "view",
                    name,
                    views.keys().map(String::as_str),
                ));
            }
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn state(&self) -> &SessionState {
        &self.state
    }

    pub(crate) fn catalog(&self) -> &dyn Catalog {
        &*self.catalog
    }

    pub(crate) fn views(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Box<Query>>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn query_statement(query: Box<Query>) -> EngineStatement {
    EngineStatement::Statement(Box::new(SqlStatement::Query(query)))
}

/// The statement that names tables: the explained one of EXPLAIN.
fn inner_statement(statement: &mut EngineStatement) -> Result<&mut SqlStatement> {
    match statement {
        EngineStatement::Statement(statement) => Ok(statement),
        EngineStatement::Explain(explain) => inner_statement(&mut explain.statement),
        _ => Err(Error::internal(
            "a statement that does not read was planned",
        )),
    }
}

/// Whether the statement reads `information_schema`, which lists all tables.
fn asks_for_list(statement: &SqlStatement) -> bool {
    matches!(statement, SqlStatement::ShowColumns { .. })
        || datafusion::sql::sqlparser::ast::visit_relations(statement, |relation| {
            let named = relation
                .to_string()
                .to_lowercase()
                .contains("information_schema");
            if named {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        })
        .is_break()
}

/// Runs a query on a task of its own, so that whoever waits for its rows can
/// stop waiting while an operator computes. The task ends with the stream.
fn on_own_task(
    compute: &Handle,
    mut batches: BoxStream<'static, Result<RecordBatch>>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let (sender, receiver) = mpsc::channel(1);
    let task = compute.spawn(async move {
        while let Some(batch) = batches.next().await {
            if sender.send(batch).await.is_err() {
                return;
            }
        }
    });
    let running = (receiver, AbortOnDrop(task));
    stream::unfold(running, |(mut receiver, task)| async move {
        match receiver.recv().await {
            Some(batch) => Some((batch, (receiver, task))),
            None => ended(task).await,
        }
    })
    .boxed()
}

type Running = (mpsc::Receiver<Result<RecordBatch>>, AbortOnDrop);

/// A task that panicked has not said the end of its rows.
async fn ended(mut task: AbortOnDrop) -> Option<(Result<RecordBatch>, Running)> {
    let error = (&mut task.0).await.err()?;
    let (_, closed) = mpsc::channel(1);
    let error = Error::internal(format!("the query stopped: {error}"));
    Some((Err(error), (closed, AbortOnDrop(tokio::spawn(async {})))))
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Cancels the statements it was given to. Clones cancel together.
#[derive(Debug, Clone)]
pub struct Cancel {
    flag: Arc<watch::Sender<bool>>,
}

impl Default for Cancel {
    fn default() -> Self {
        Cancel {
            flag: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Cancel {
    /// Stops every statement that holds this handle, now and later.
    pub fn cancel(&self) {
        self.flag.send_replace(true);
    }

    async fn stop<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = cancelled(self.flag.subscribe()) => Err(cancelled_error()),
            done = work => done,
        }
    }

    /// The rows until they are cancelled; then an error, and the engine's
    /// tasks are dropped.
    fn stop_rows(&self, rows: Rows) -> Rows {
        let running = Some((rows.batches, self.clone()));
        let batches = stream::unfold(running, |running| async move {
            let (mut batches, cancel) = running?;
            let next = cancel
                .stop(async { batches.next().await.transpose() })
                .await;
            match next {
                Ok(None) => None,
                Ok(Some(batch)) => Some((Ok(batch), Some((batches, cancel)))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Rows {
            schema: rows.schema,
            batches: batches.boxed(),
        }
    }
}

async fn cancelled(mut flag: watch::Receiver<bool>) {
    if flag.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn cancelled_error() -> Error {
    Error::new(
        ErrorKind::Cancelled,
        "the statement was cancelled and left nothing",
    )
}
