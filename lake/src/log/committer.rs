//! How a transaction of the kernel becomes the bytes of a commit.
//!
//! The kernel decides which actions a commit has; this committer completes
//! them with what the kernel has no room for (the commit id, our fields of
//! commitInfo, tags, statistics as given), stamps one time on all of them, and
//! hands the bytes to [`landing`](super::landing).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use delta_kernel::committer::{CommitMetadata, CommitResponse, Committer, PublishMetadata};
use delta_kernel::engine::to_json_bytes;
use delta_kernel::{
    Engine, FileMeta, FilteredEngineData, KernelError, KernelResult, KernelResultIterator,
};
use object_store::PutPayload;
use serde_json::{Map, Value};

use super::action::{Add, COMMIT_ID};
use super::engine::{LogEngine, Place};
use super::landing::{Verdict, land};

/// What a commit carries beyond the kernel's transaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Stamp {
    /// Random; says whose commit a file of the log is.
    pub(super) id: String,
    /// Milliseconds since 1970, after the previous commit.
    pub(super) timestamp_ms: i64,
    /// Our fields of commitInfo.
    pub(super) info: Map<String, Value>,
    /// Statistics and tags of the added files, by their path in the log.
    pub(super) notes: HashMap<String, Note>,
    /// The table's description, for its first commit.
    pub(super) description: Option<String>,
}

/// What an add action says beyond the kernel's columns.
#[derive(Debug, Clone)]
pub(super) struct Note {
    stats: Option<String>,
    tags: Option<BTreeMap<String, Option<String>>>,
}

impl From<&Add> for Note {
    fn from(add: &Add) -> Note {
        Note {
            stats: add.stats.clone(),
            tags: add.tags.clone(),
        }
    }
}

/// Lands one commit. The verdict is kept apart from the kernel's result, which
/// cannot say "unknown" and may fail after the commit has landed.
#[derive(Clone)]
pub(super) struct LandingCommitter {
    engine: LogEngine,
    place: Place,
    stamp: Arc<Stamp>,
    verdict: Arc<Mutex<Option<Verdict>>>,
}

impl LandingCommitter {
    pub(super) fn new(engine: &LogEngine, place: &Place, stamp: Stamp) -> LandingCommitter {
        LandingCommitter {
            engine: engine.clone(),
            place: place.clone(),
            stamp: Arc::new(stamp),
            verdict: Arc::default(),
        }
    }

    /// What became of the commit; `None` if it never came to the store.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.verdict
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn land(&self, version: u64, bytes: Vec<u8>) -> Verdict {
        self.engine.block_on(land(
            Arc::clone(self.engine.objects()),
            self.place.commit(version),
            self.stamp.id.clone(),
            PutPayload::from(bytes),
        ))
    }

    fn record(&self, verdict: Verdict) {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
    }
}

impl Committer for LandingCommitter {
    fn commit(
        &self,
        _engine: &dyn Engine,
        actions: KernelResultIterator<'_, FilteredEngineData>,
        commit: CommitMetadata,
    ) -> KernelResult<CommitResponse> {
        let version = commit.version();
        let bytes = self.stamp.render(actions)?;
        let size = u64::try_from(bytes.len()).map_err(KernelError::generic_err)?;
        let verdict = self.land(version, bytes);
        let response = match &verdict {
            Verdict::Landed => Ok(CommitResponse::Committed {
                file_meta: FileMeta::new(
                    commit.published_commit_path()?,
                    self.stamp.timestamp_ms,
                    size,
                ),
            }),
            Verdict::Taken => Ok(CommitResponse::Conflict { version }),
            Verdict::Refused(error) | Verdict::Unknown(error) => Err(KernelError::generic(error)),
        };
        self.record(verdict);
        response
    }

    fn is_catalog_committer(&self) -> bool {
        false
    }

    fn publish(&self, _engine: &dyn Engine, _commits: PublishMetadata) -> KernelResult<()> {
        Err(KernelError::generic(
            "tables that a catalog manages are not supported",
        ))
    }
}

impl Stamp {
    fn render(
        &self,
        actions: KernelResultIterator<'_, FilteredEngineData>,
    ) -> KernelResult<Vec<u8>> {
        let plain = to_json_bytes(actions)?;
        let mut rendered = Vec::with_capacity(plain.len() * 2);
        for line in plain.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            let mut action: Map<String, Value> =
                serde_json::from_slice(line).map_err(KernelError::generic_err)?;
            self.complete(&mut action);
            serde_json::to_writer(&mut rendered, &action).map_err(KernelError::generic_err)?;
            rendered.push(b'\n');
        }
        Ok(rendered)
    }

    fn complete(&self, action: &mut Map<String, Value>) {
        for (kind, body) in action.iter_mut() {
            let Value::Object(body) = body else { continue };
            match kind.as_str() {
                "commitInfo" => self.complete_info(body),
                "add" => self.complete_add(body),
                "txn" => set(body, "lastUpdated", self.timestamp_ms),
                "remove" => set(body, "deletionTimestamp", self.timestamp_ms),
                "metaData" => self.complete_metadata(body),
                _ => {}
            }
        }
    }

    fn complete_info(&self, info: &mut Map<String, Value>) {
        info.extend(self.info.clone());
        set(info, COMMIT_ID, self.id.as_str());
        set(info, "timestamp", self.timestamp_ms);
    }

    fn complete_add(&self, add: &mut Map<String, Value>) {
        let path = add.get("path").and_then(Value::as_str);
        let Some(note) = path.and_then(|path| self.notes.get(path)) else {
            return;
        };
        set(add, "stats", note.stats.clone());
        if let Some(tags) = &note.tags {
            let tags = tags.iter().map(|(k, v)| (k.clone(), v.clone().into()));
            set(add, "tags", tags.collect::<Map<String, Value>>());
        }
    }

    fn complete_metadata(&self, metadata: &mut Map<String, Value>) {
        if let Some(description) = &self.description {
            set(metadata, "description", description.as_str());
        }
    }
}

fn set(body: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    body.insert(field.to_owned(), value.into());
}
