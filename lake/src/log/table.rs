//! One table's log: the newest known version, commits, refreshes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use delta_kernel::snapshot::CheckpointWriteResult;
use delta_kernel::{Snapshot as KernelSnapshot, SnapshotRef};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::action::{Add, Changes, CommitFile, Reader, add_of};
use super::committer::{LandingCommitter, Stamp};
use super::engine::{LogEngine, Place};
use super::kernel_error::from_kernel;
use super::landing::Verdict;
use super::load::{State, arrow_schema, ensure_readable, load};
use super::{Commit, CommitOutcome, CreateOutcome, CreateTable, Snapshot, protocol, write};
use crate::{Error, ErrorKind, Result};

/// Commits between two checkpoints.
const CHECKPOINT_EVERY: u64 = 100;
/// Commits that are followed one by one; a longer way is read in full.
const FOLLOW_MAX: u64 = 256;
/// Commits that are fetched at one time.
const FETCHES: usize = 16;

/// The log of one table. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct TableLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: LogEngine,
    place: Place,
    held: RwLock<Arc<State>>,
    /// Held while the newest known version is being moved on, so that tasks of
    /// one process do not race each other at the store.
    turn: tokio::sync::Mutex<()>,
    checkpointing: AtomicBool,
}

/// Looks at a log that appears while it is opened.
const OPEN_TRIES: usize = 4;

impl TableLog {
    /// Creates a table in a folder of the store, unless there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a schema that a table cannot hold, and
    /// [`ErrorKind::Unavailable`] where the store does not say whether the
    /// table was created; calling again settles it.
    pub async fn create(
        engine: &LogEngine,
        table: &str,
        spec: CreateTable,
    ) -> Result<CreateOutcome> {
        let place = Place::new(table)?;
        let stamp = Stamp {
            id: engine.seams().new_id(),
            timestamp_ms: now_ms(engine),
            info: spec.info.clone(),
            description: spec.description.clone(),
            ..Stamp::default()
        };
        let committer = LandingCommitter::new(engine, &place, stamp);
        let outcome = {
            let (committer, root) = (committer.clone(), place.root.to_string());
            let call = move |kernel: &dyn delta_kernel::Engine| {
                write::create(kernel, &root, &spec, committer)
            };
            engine.call(call).await
        };
        let created = match (committer.verdict(), outcome) {
            (Some(Verdict::Landed), _) => true,
            (Some(Verdict::Taken), _) => false,
            (Some(Verdict::Refused(error) | Verdict::Unknown(error)), _) => {
                return Err(error.context(format!("create table {table}")));
            }
            (None, Err(error)) if error.kind() == ErrorKind::Conflict => false,
            (None, Err(error)) => return Err(error.context(format!("create table {table}"))),
            (None, Ok(())) => return Err(lost_commit(table)),
        };
        let log = TableLog::open(engine, table).await?.ok_or_else(|| {
            Error::unavailable(format!(
                "table {table} exists, but the store does not list its log"
            ))
        })?;
        Ok(if created {
            CreateOutcome::Created(log)
        } else {
            CreateOutcome::Exists(log)
        })
    }

    /// Opens a table at its newest version; `None` where there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a table that uses features which cannot be
    /// read; the message names them.
    pub async fn open(engine: &LogEngine, table: &str) -> Result<Option<TableLog>> {
        let place = Place::new(table)?;
        let mut last = None;
        for _ in 0..OPEN_TRIES {
            match read_newest(engine, &place).await {
                Ok(state) => return Ok(Some(TableLog::holding(engine, place, state))),
                Err(_) if !is_there(engine, &place).await? => return Ok(None),
                // Another process made the table between the two looks.
                Err(error) if error.kind() == ErrorKind::NotFound => last = Some(error),
                Err(error) => return Err(error.context(format!("open table {table}"))),
            }
        }
        let missing = last.map_or_else(String::new, |error| format!(": {}", error.message()));
        Err(Error::corrupt(format!(
            "the log of table {table} is there, but not whole{missing}"
        )))
    }

    /// Whether the store has a log for the table.
    pub async fn exists(engine: &LogEngine, table: &str) -> Result<bool> {
        is_there(engine, &Place::new(table)?).await
    }

    fn holding(engine: &LogEngine, place: Place, state: State) -> TableLog {
        TableLog {
            inner: Arc::new(Inner {
                engine: engine.clone(),
                place,
                held: RwLock::new(Arc::new(state)),
                turn: tokio::sync::Mutex::default(),
                checkpointing: AtomicBool::new(false),
            }),
        }
    }

    /// The table's name: its folder in the store.
    pub fn table(&self) -> &str {
        &self.inner.place.table
    }

    /// The engine that the log works with.
    pub fn engine(&self) -> &LogEngine {
        &self.inner.engine
    }

    pub(super) fn place(&self) -> &Place {
        &self.inner.place
    }

    /// The newest known version, without asking the store.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.held().plain)
    }

    /// The newest version in the log. Reads only what is new since the newest
    /// known version.
    pub async fn refresh(&self) -> Result<Arc<Snapshot>> {
        let _turn = self.inner.turn.lock().await;
        self.move_on().await
    }

    /// Tries a commit once, at the version after `base`.
    ///
    /// # Errors
    /// An error means that nothing of the commit is in the log:
    /// [`ErrorKind::Invalid`] where it does not fit the table (an input that is
    /// not active, a writer feature that is not supported, partition values
    /// that are missing), else what the store refused.
    pub async fn commit(&self, base: &Snapshot, commit: &Commit) -> Result<CommitOutcome> {
        let _turn = self.inner.turn.lock().await;
        let mut held = self.held();
        if held.plain.version < base.version {
            self.move_on().await?;
            held = self.held();
        }
        if held.plain.version != base.version {
            // The log only grows: the version after `base` is taken.
            return Ok(CommitOutcome::Conflicted(Arc::clone(&held.plain)));
        }
        self.try_commit(held, commit)
            .await
            .map_err(|error| error.context(format!("commit to table {}", self.table())))
    }

    async fn try_commit(&self, held: Arc<State>, commit: &Commit) -> Result<CommitOutcome> {
        check_removes(&held.plain, commit)?;
        let adds = add_actions(&held.plain, commit)?;
        let stamp = self.stamp(&held.plain, commit, &adds);
        let timestamp_ms = stamp.timestamp_ms;
        let committer = LandingCommitter::new(&self.inner.engine, &self.inner.place, stamp);
        let result = self
            .attempt(Arc::clone(&held), commit, &adds, committer.clone())
            .await;
        match (committer.verdict(), result) {
            (Some(Verdict::Landed), result) => {
                let made =
                    result.and_then(|kernel| after(&held, kernel, commit, adds, timestamp_ms));
                Ok(self.landed(made).await)
            }
            (Some(Verdict::Taken), _) => Ok(CommitOutcome::Conflicted(self.move_on().await?)),
            (Some(Verdict::Unknown(error)), _) => Ok(CommitOutcome::Unknown(error)),
            (Some(Verdict::Refused(error)), _) => Err(error),
            (None, Err(error)) => Err(protocol::explain_write(&held.kernel, error)),
            (None, Ok(_)) => Err(lost_commit(self.table())),
        }
    }

    async fn attempt(
        &self,
        held: Arc<State>,
        commit: &Commit,
        adds: &[Add],
        committer: LandingCommitter,
    ) -> Result<Option<SnapshotRef>> {
        let (commit, adds) = (commit.clone(), adds.to_vec());
        let call = move |engine: &dyn delta_kernel::Engine| {
            let base = Arc::clone(&held.kernel);
            write::attempt(engine, base, &commit, &adds, &held.files, committer)
        };
        self.inner.engine.call(call).await
    }

    fn stamp(&self, base: &Snapshot, commit: &Commit, adds: &[Add]) -> Stamp {
        let engine = &self.inner.engine;
        Stamp {
            id: engine.seams().new_id(),
            timestamp_ms: now_ms(engine).max(base.timestamp_ms + 1),
            info: commit.info.clone(),
            notes: adds
                .iter()
                .map(|add| (add.path.clone(), add.into()))
                .collect(),
            description: None,
        }
    }

    /// Moves on to the version that our own commit made, without asking the
    /// store unless something failed after the commit had landed.
    async fn landed(&self, made: Result<Option<State>>) -> CommitOutcome {
        let moved = match made {
            Ok(Some(state)) => Ok(self.hold(state)),
            Ok(None) | Err(_) => self.move_on().await,
        };
        match moved {
            Ok(snapshot) => {
                self.checkpoint_in_background(snapshot.version);
                CommitOutcome::Committed(snapshot)
            }
            Err(error) => CommitOutcome::Unknown(error),
        }
    }

    /// Moves on to the newest version in the log. The caller has the turn.
    async fn move_on(&self) -> Result<Arc<Snapshot>> {
        let held = self.held();
        let from = Arc::clone(&held.kernel);
        let build = move |engine: &dyn delta_kernel::Engine| {
            KernelSnapshot::builder_from(from)
                .skip_new_checkpoints()
                .build(engine)
                .map_err(from_kernel)
        };
        let kernel = self.inner.engine.call(build).await?;
        self.adopt(&held, kernel).await
    }

    /// Holds a kernel snapshot that is as new as the held one, or newer.
    async fn adopt(&self, held: &Arc<State>, kernel: SnapshotRef) -> Result<Arc<Snapshot>> {
        if Arc::ptr_eq(&held.kernel, &kernel) {
            return Ok(Arc::clone(&held.plain));
        }
        let state = match kernel.version() - held.plain.version {
            0 => held.on(kernel),
            1..=FOLLOW_MAX => self.follow(held, kernel).await?,
            _ => read_newest(&self.inner.engine, &self.inner.place).await?,
        };
        Ok(self.hold(state))
    }

    /// Applies the commits between two versions.
    async fn follow(&self, held: &State, kernel: SnapshotRef) -> Result<State> {
        let (engine, place) = (&self.inner.engine, &self.inner.place);
        ensure_readable(&kernel, &place.table)?;
        let commits: Vec<Option<CommitFile>> =
            stream::iter(held.plain.version + 1..=kernel.version())
                .map(|version| fetch_commit(engine, place, version))
                .buffered(FETCHES)
                .try_collect()
                .await?;
        let Some(commits) = commits.into_iter().collect::<Option<Vec<_>>>() else {
            // Cleaned up under our feet: a checkpoint stands for them.
            return read_newest(engine, place).await;
        };
        let schema = arrow_schema(&kernel)?;
        let reader = Reader::new(&schema);
        let mut changes = Changes::default();
        let mut transactions = held.plain.transactions.clone();
        let mut timestamp_ms = held.plain.timestamp_ms;
        for commit in &commits {
            changes.apply(&reader, commit)?;
            transactions = transactions.with(set_by(&commit.transactions));
            timestamp_ms = commit.timestamp_ms();
        }
        State::new(kernel, timestamp_ms, changes.on(&held.files), transactions)
    }

    /// Writes a checkpoint of the newest known version; false if it has one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a table whose protocol the kernel cannot
    /// write, [`ErrorKind::Unavailable`] where the store does not answer. A
    /// table without a checkpoint is only slower to open.
    pub async fn checkpoint(&self) -> Result<bool> {
        let kernel = Arc::clone(&self.held().kernel);
        let write = move |engine: &dyn delta_kernel::Engine| {
            kernel.checkpoint(engine, None).map_err(from_kernel)
        };
        let (result, _) = self
            .inner
            .engine
            .call(write)
            .await
            .map_err(|error| error.context(format!("checkpoint of table {}", self.table())))?;
        self.rebase().await?;
        Ok(matches!(result, CheckpointWriteResult::Written))
    }

    /// Puts the held version on the newest checkpoint: the cost of a commit
    /// grows with the commits since then.
    async fn rebase(&self) -> Result<()> {
        let _turn = self.inner.turn.lock().await;
        let held = self.held();
        let from = Arc::clone(&held.kernel);
        let build = move |engine: &dyn delta_kernel::Engine| {
            KernelSnapshot::builder_from(from)
                .build(engine)
                .map_err(from_kernel)
        };
        let kernel = self.inner.engine.call(build).await?;
        self.adopt(&held, kernel).await.map(drop)
    }

    fn checkpoint_in_background(&self, version: u64) {
        if !version.is_multiple_of(CHECKPOINT_EVERY)
            || self.inner.checkpointing.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let log = self.clone();
        self.inner.engine.spawn(async move {
            if let Err(error) = log.checkpoint().await {
                tracing::warn!(table = log.table(), version, %error, "no checkpoint was written");
            }
            log.inner.checkpointing.store(false, Ordering::Release);
        });
    }

    pub(super) fn held(&self) -> Arc<State> {
        let held = self.inner.held.read();
        Arc::clone(&held.unwrap_or_else(PoisonError::into_inner))
    }

    fn hold(&self, state: State) -> Arc<Snapshot> {
        let snapshot = Arc::clone(&state.plain);
        let mut held = self
            .inner
            .held
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(state);
        snapshot
    }
}

/// The version that a commit of ours made of the one before.
fn after(
    before: &State,
    kernel: Option<SnapshotRef>,
    commit: &Commit,
    adds: Vec<Add>,
    timestamp_ms: i64,
) -> Result<Option<State>> {
    let Some(kernel) = kernel else {
        return Ok(None);
    };
    let schema = arrow_schema(&kernel)?;
    let reader = Reader::new(&schema);
    let added: Result<Vec<_>> = adds.into_iter().map(|add| reader.entry(add)).collect();
    let files = before.files.after(added?, &commit.removes);
    let transactions = before.plain.transactions.with(set_by(&commit.transactions));
    State::new(kernel, timestamp_ms, files, transactions).map(Some)
}

fn set_by(transactions: &[(String, i64)]) -> impl Iterator<Item = (&str, i64)> {
    transactions
        .iter()
        .map(|(id, version)| (id.as_str(), *version))
}

fn now_ms(engine: &LogEngine) -> i64 {
    engine.seams().clock.now_micros().div_euclid(1000)
}

fn lost_commit(table: &str) -> Error {
    Error::internal(format!(
        "the kernel took a commit to table {table} and did not pass it on"
    ))
}

fn add_actions(base: &Snapshot, commit: &Commit) -> Result<Vec<Add>> {
    commit
        .adds
        .iter()
        .map(|file| add_of(file, &base.schema))
        .collect()
}

/// The kernel checks no file, so a file that is gone would be removed again
/// and its rows would stand twice in the outputs.
fn check_removes(base: &Snapshot, commit: &Commit) -> Result<()> {
    if commit.blind && !commit.removes.is_empty() {
        return Err(Error::invalid(
            "a commit that removes files has read the table and cannot be blind",
        ));
    }
    if let Some(file) = commit.removes.iter().find(|file| file.has_deletion_vector) {
        return Err(Error::invalid(format!(
            "file {} has a deletion vector and cannot be removed: \
             rewrite it with the tool that wrote it",
            file.path
        )));
    }
    match lost(base, commit).first() {
        Some(path) => Err(Error::invalid(format!(
            "file {path} is not in version {}: prepare the commit on that version",
            base.version
        ))),
        None => Ok(()),
    }
}

/// The inputs of a commit that are not active in a version, or not as they were.
pub(super) fn lost(snapshot: &Snapshot, commit: &Commit) -> Vec<String> {
    if commit.removes.is_empty() {
        return Vec::new();
    }
    let active: std::collections::HashSet<&str> = snapshot
        .files
        .iter()
        .filter(|file| !file.has_deletion_vector)
        .map(|file| file.path.as_str())
        .collect();
    let inputs = commit.removes.iter().map(|file| &file.path);
    inputs
        .filter(|path| !active.contains(path.as_str()))
        .cloned()
        .collect()
}

/// Reads the newest version in full.
async fn read_newest(engine: &LogEngine, place: &Place) -> Result<State> {
    read_version(engine, place, None).await
}

/// Reads a version in full; the newest if none is named.
pub(super) async fn read_version(
    engine: &LogEngine,
    place: &Place,
    version: Option<u64>,
) -> Result<State> {
    let root = place.root.clone();
    let build = move |kernel: &dyn delta_kernel::Engine| {
        let mut builder = KernelSnapshot::builder_for(&root);
        if let Some(version) = version {
            builder = builder.at_version(version);
        }
        builder.build(kernel).map_err(from_kernel)
    };
    let kernel = match engine.call(build).await {
        Ok(kernel) => kernel,
        Err(error) => return Err(protocol::explain_read(engine, place, error).await),
    };
    let timestamp_ms = match fetch_commit(engine, place, kernel.version()).await? {
        Some(commit) => commit.timestamp_ms(),
        None => file_time(&kernel),
    };
    let table = place.table.clone();
    engine
        .call(move |engine| load(engine, kernel, &table, timestamp_ms))
        .await
}

/// The time of the newest file of a version, for a version whose commit was
/// cleaned up.
fn file_time(kernel: &SnapshotRef) -> i64 {
    let listed = &kernel.log_segment().listed;
    let files = listed
        .checkpoint_parts
        .iter()
        .chain(&listed.latest_commit_file);
    files
        .map(|file| file.location.last_modified)
        .max()
        .unwrap_or_default()
}

/// Reads one commit of the log; `None` where there is no such file.
pub(super) async fn fetch_commit(
    engine: &LogEngine,
    place: &Place,
    version: u64,
) -> Result<Option<CommitFile>> {
    let found = match engine.objects().get(&place.commit(version)).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let modified_ms = found.meta.last_modified.timestamp_millis();
    let bytes = found.bytes().await?;
    CommitFile::parse(version, modified_ms, &bytes)
        .map(Some)
        .map_err(|error| error.context(format!("table {}", place.table)))
}

async fn is_there(engine: &LogEngine, place: &Place) -> Result<bool> {
    let first = engine.objects().list(Some(&place.log())).next().await;
    Ok(first.transpose()?.is_some())
}
