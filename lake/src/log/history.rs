//! What happened to a table, and how it was at an earlier time.
//!
//! The time of a version is its commitInfo's, which our commits keep
//! increasing; it survives a copy of the lake. The time of a file counts only
//! for commits that say none.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};
use futures::TryStreamExt as _;
use futures::stream::{self, StreamExt as _};
use serde_json::{Map, Value};

use super::action::CommitFile;
use super::engine::{LogEngine, Place};
use super::table::{fetch_commit, read_version};
use super::{HistoryEntry, Snapshot, TableLog, VersionAsked};
use crate::{Error, ErrorKind, Result};

/// Commits that are fetched at one time.
const FETCHES: usize = 16;

impl TableLog {
    /// The commits of the newest version and before, newest first, at most
    /// `limit`. Ends where older commits were cleaned up.
    pub async fn history(&self, limit: Option<usize>) -> Result<Vec<HistoryEntry>> {
        let newest = self.refresh().await?.version;
        let commits = stream::iter((0..=newest).rev())
            .take(limit.unwrap_or(usize::MAX))
            .map(|version| fetch_commit(self.engine(), self.place(), version))
            .buffered(FETCHES);
        commits
            .try_take_while(|commit| futures::future::ok(commit.is_some()))
            .try_filter_map(|commit| futures::future::ok(commit.map(entry)))
            .try_collect()
            .await
    }

    /// commitInfo of the commit that made the table; `None` once it was
    /// cleaned up.
    pub async fn founding_info(&self) -> Result<Option<Map<String, Value>>> {
        let first = fetch_commit(self.engine(), self.place(), 0).await?;
        Ok(first.and_then(|commit| commit.info))
    }

    /// The table as it was at a version or an instant.
    ///
    /// An instant names the newest version that was committed at or before it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a version or an instant that the log does
    /// not reach; the message says what it does reach.
    pub async fn snapshot_at(&self, asked: VersionAsked) -> Result<Arc<Snapshot>> {
        let newest = self.refresh().await?;
        let version = match asked {
            VersionAsked::Latest => newest.version,
            VersionAsked::Version(version) => version,
            VersionAsked::TimestampMs(instant) if instant >= newest.timestamp_ms => newest.version,
            VersionAsked::TimestampMs(instant) => self.version_at(instant, &newest).await?,
        };
        if version == newest.version {
            return Ok(newest);
        }
        if version > newest.version {
            return Err(self.no_version(version, &newest).await);
        }
        match read_version(self.engine(), self.place(), Some(version)).await {
            Ok(state) => Ok(state.plain),
            Err(error) if error.kind() == ErrorKind::Unavailable => Err(error),
            Err(error) => Err(self.no_version(version, &newest).await.with_source(error)),
        }
    }

    /// Bisects the log: commit times increase.
    async fn version_at(&self, instant: i64, newest: &Snapshot) -> Result<u64> {
        let mut versions = available_versions(self.engine(), self.place()).await?;
        versions.retain(|version| *version <= newest.version);
        let mut earlier = 0;
        let mut later = versions.len();
        while earlier < later {
            let middle = earlier + (later - earlier) / 2;
            if self.committed_at(versions[middle]).await? <= instant {
                earlier = middle + 1;
            } else {
                later = middle;
            }
        }
        match earlier.checked_sub(1) {
            Some(found) => Ok(versions[found]),
            None => Err(self.nothing_before(instant, &versions, newest).await),
        }
    }

    async fn committed_at(&self, version: u64) -> Result<i64> {
        let commit = fetch_commit(self.engine(), self.place(), version).await?;
        let commit = commit.ok_or_else(|| {
            Error::not_found(format!(
                "version {version} of table {} was cleaned up",
                self.table()
            ))
        })?;
        Ok(commit.timestamp_ms())
    }

    async fn nothing_before(&self, instant: i64, versions: &[u64], newest: &Snapshot) -> Error {
        let table = self.table();
        let mut message = format!(
            "table {table} has no version at or before {}",
            text(instant)
        );
        if let Some(first) = versions.first()
            && let Ok(time) = self.committed_at(*first).await
        {
            message.push_str(&format!(
                ": the earliest is version {first} of {}, the newest is version {} of {}",
                text(time),
                newest.version,
                text(newest.timestamp_ms)
            ));
        }
        Error::not_found(message)
    }

    async fn no_version(&self, version: u64, newest: &Snapshot) -> Error {
        let versions = available_versions(self.engine(), self.place()).await;
        let first = versions.ok().and_then(|versions| versions.first().copied());
        Error::not_found(format!(
            "table {} has no version {version}: the log has versions {} to {}",
            self.table(),
            first.unwrap_or(newest.version),
            newest.version
        ))
    }
}

fn entry(commit: CommitFile) -> HistoryEntry {
    let timestamp_ms = commit.timestamp_ms();
    let info = commit.info.unwrap_or_default();
    let operation = info.get("operation").and_then(|said| said.as_str());
    HistoryEntry {
        version: commit.version,
        timestamp_ms,
        operation: operation.unwrap_or("UNKNOWN").to_owned(),
        info,
    }
}

fn text(timestamp_ms: i64) -> String {
    DateTime::from_timestamp_millis(timestamp_ms).map_or_else(
        || format!("{timestamp_ms} ms"),
        |time| time.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}

/// The versions whose commits are in the log, ascending.
pub(super) async fn available_versions(engine: &LogEngine, place: &Place) -> Result<Vec<u64>> {
    let listed = engine.objects().list(Some(&place.log()));
    let mut versions: Vec<u64> = listed
        .try_filter_map(|object| {
            futures::future::ok(object.location.filename().and_then(version_of))
        })
        .try_collect()
        .await?;
    versions.sort_unstable();
    Ok(versions)
}

fn version_of(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(".json")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}
